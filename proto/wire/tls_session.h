/*
 * tls_session.h - one connection's TLS, for h2 only: OpenSSL's return codes turned into five words.
 *
 * Owns: the SSL object on a descriptor that stays the caller's. Not here: the context (tls.h), when to call (h2).
 * Thread: the connection's. Invariant: after TLS_FAILED nothing is written any more, close_notify included.
 */
#ifndef VACANCY_WIRE_TLS_SESSION_H
#define VACANCY_WIRE_TLS_SESSION_H

#include "proto/wire/tls.h"

struct ssl_st;

enum tls_result {
    TLS_DONE,       /* the handshake is over; or bytes were moved */
    TLS_WANT_READ,  /* repeat the same call when the descriptor is readable */
    TLS_WANT_WRITE, /* ... writable */
    TLS_CLOSED,     /* the peer has ended it */
    TLS_FAILED,     /* tls_session_why */
};

struct tls_session {
    struct ssl_st *ssl;
    const char *why; /* static text */
    bool failed, shut;
    bool distrusts; /* the handshake failed because the peer's certificate is not accepted */
};

/* False: out of memory, or no such server name. A client's `server_name` is never NULL; a server's is. */
bool tls_session_open(struct tls_session *session, struct tls_context *context, int fd, const char *server_name);
void tls_session_close(struct tls_session *session);

enum tls_result tls_session_handshake(struct tls_session *session);
/* TLS_DONE: 1 to `size` bytes came. */
enum tls_result tls_session_read(struct tls_session *session, void *out, size_t size, size_t *got);
/* TLS_DONE: *put bytes were taken, which may be fewer than `bytes`. */
enum tls_result tls_session_write(struct tls_session *session, const void *data, size_t bytes, size_t *put);
/* Bytes that were received, and that the descriptor will not announce again. */
bool tls_session_has_pending(const struct tls_session *session);
/* Sends close_notify, once, unless something failed before. */
void tls_session_shutdown(struct tls_session *session);
/* After the handshake. False: the certificate has no issuer, or can't be read. */
bool tls_session_peer(const struct tls_session *session, struct tls_peer *out);
/* After the handshake. Whether the peer's certificate would also be accepted with `context`: authority and revocation
   lists may be newer than those of the handshake. */
bool tls_session_recheck(const struct tls_session *session, struct tls_context *context);

enum tls_role tls_context_role(const struct tls_context *context);

#endif
