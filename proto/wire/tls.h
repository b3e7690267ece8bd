/*
 * tls.h - who may talk to us, and who they proved to be.
 *
 * Owns: contexts (TLS 1.3 only, both sides with certificates, ALPN h2 or a fatal alert, no tickets, no early data) and
 * the plain values of a peer's verified certificate. OpenSSL's types stop behind this file. Not here: what a peer's
 * name means (spiffe.h) and what it may do (daemon/access). Thread: a context is immutable; create, ref and unref on
 * any thread. Invariant: a context without a current revocation list for what it was told to check refuses, it never
 * looks away.
 *
 * OpenSSL writes with write(2): the program must ignore SIGPIPE.
 */
#ifndef VACANCY_WIRE_TLS_H
#define VACANCY_WIRE_TLS_H

#include "daemon/base/digest.h"
#include "daemon/base/error.h"

#include <stdint.h>

#define TLS_PATH_CERTIFICATES_MAX 4          /* sent by a peer: leaf, at most two issuers, perhaps the root */
#define TLS_CHAIN_BYTES_MAX       (16 << 10) /* all of them together */

enum tls_role { TLS_SERVER, TLS_CLIENT };

struct tls_options {
    enum tls_role role;
    const char *certificate_path; /* PEM: the leaf, then its issuers */
    const char *key_path;         /* PEM, a regular file that group and others can't read */
    const char *ca_path;          /* PEM: the roots */
    const char *crl_path; /* PEM: lists of the root and of every issuer; NULL: nothing is checked for revocation */
};

struct tls_context;

/*
 * Reads the files. ERR_NOT_FOUND, ERR_FORBIDDEN (the key's mode), ERR_INVALID (not PEM, key and certificate differ, too
 * weak, a root without a list or a list that has run out). *problem names the file and what to do.
 * To reload: create a new one and swap; connections keep the context they began with.
 */
enum err tls_context_create(const struct tls_options *options, struct tls_context **out, struct problem *problem)
    __attribute__((warn_unused_result));
struct tls_context *tls_context_ref(struct tls_context *context);
/* NULL is fine. */
void tls_context_unref(struct tls_context *context);
/* When our own certificate ends (Unix ms), for status and warnings. */
int64_t tls_context_not_after_ms(const struct tls_context *context);

#define TLS_URI_BYTES    512
#define TLS_SERIAL_BYTES 48

/* What the handshake proved of the peer's leaf certificate. Plain values, valid as long as whoever holds them. */
struct tls_peer {
    uint32_t uri_count;         /* URI names in the leaf; exactly one is acceptable (A1, A2) */
    uint32_t uri_bytes;         /* true length of the first; above TLS_URI_BYTES it is cut, and not a name */
    uint8_t uri[TLS_URI_BYTES]; /* the first, not NUL-terminated: may hold anything */
    uint8_t certificate_sha256[DIGEST_BYTES]; /* of the leaf's DER */
    uint8_t issuer_key_sha256[DIGEST_BYTES];  /* SubjectPublicKeyInfo of the certificate that signed the leaf (A11) */
    int64_t not_before_ms, not_after_ms;      /* Unix ms (T20) */
    char serial[TLS_SERIAL_BYTES];            /* lower-case hex; cut if longer */
    /* For the X509-SVID rules: */
    bool is_ca;
    bool key_usage_critical; /* present and critical */
    bool may_sign;           /* digitalSignature */
    bool may_certify;        /* keyCertSign or cRLSign */
    bool has_eku, eku_server, eku_client;
};

/* The names in our own leaf: uri_count, uri_bytes and uri of *out; nothing else of it is filled. */
void tls_context_own_names(const struct tls_context *context, struct tls_peer *out);

/* Leaf rules of SPIFFE's X509-SVID; ERR_UNAUTHENTICATED with what is wrong. The name itself: spiffe.h. */
enum err tls_peer_check_leaf(const struct tls_peer *peer, struct problem *problem) __attribute__((warn_unused_result));

#endif
