/*
 * pki.h - certificates for a test, made when it runs and gone when it ends: a root, one issuer, leaves of any kind.
 * Thread: the test's. Failure aborts the test program.
 */
#ifndef VACANCY_TESTS_PKI_H
#define VACANCY_TESTS_PKI_H

#include "proto/wire/tls.h"

#define PKI_DOMAIN "test.example"
#define PKI_REGION "E12000003"
#define PKI_HUB    "spiffe://" PKI_DOMAIN "/region/" PKI_REGION "/hub"
#define PKI_AGENCY "spiffe://" PKI_DOMAIN "/region/" PKI_REGION "/agency/leeds"

enum pki_signer { PKI_BY_ISSUER, PKI_BY_OTHER_ROOT, PKI_BY_ITSELF, PKI_BY_LEAF, PKI_BY_DEEP_ISSUER };
enum pki_key { PKI_P256, PKI_RSA1024 };

struct pki_leaf {
    const char *uris[2];    /* NULL: none */
    const char *names;      /* more SANs in OpenSSL's syntax, "DNS:hub.test,IP:127.0.0.1"; NULL: none */
    const char *extended;   /* NULL: serverAuth,clientAuth; "": no such extension */
    const char *usage;      /* NULL: critical,digitalSignature; "": no such extension */
    const char *constraint; /* NULL: critical,CA:FALSE */
    enum pki_signer signer;
    enum pki_key key;
    bool sha1;
    bool bloated;            /* the chain file is over 16 KiB */
    int64_t from_s, until_s; /* from now; both 0: an hour ago to in a day */
};

struct pki;

struct pki *pki_create(void);
/* Removes the folder. */
void pki_destroy(struct pki *pki);
/* Makes `name`.pem (leaf, then issuers) and `name`.key. */
void pki_issue(struct pki *pki, const char *name, const struct pki_leaf *leaf);
void pki_revoke(struct pki *pki, const char *name);
/* Lists of root and issuer that end so many seconds from now; `with_issuer` false leaves the issuer's out. */
void pki_write_crl(struct pki *pki, int64_t until_s, bool with_issuer);
/* Path of a file in the folder; four of them may be in use at a time. */
const char *pki_path(const struct pki *pki, const char *file);
/* SHA-256 of the issuer's SubjectPublicKeyInfo. */
void pki_issuer_key(const struct pki *pki, uint8_t out[DIGEST_BYTES]);
/* A context for a leaf, with ca.pem and, if `crl`, crl.pem. */
enum err pki_context(const struct pki *pki, enum tls_role role, const char *name, bool crl, struct tls_context **out,
                     struct problem *problem);

#endif
