/*
 * tls.c - contexts. Owns SSL_CTX behind a count of references; immutable once created.
 */
#include "proto/wire/tls.h"

#include "daemon/base/log.h"
#include "proto/wire/tls_internal.h"
#include "proto/wire/tls_session.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SECURITY_LEVEL 2 /* 112 bits: RSA from 2048, no SHA-1 (T10) */
#define ISSUERS_MAX    2 /* between leaf and root (T18) */
#define FILE_BYTES_MAX (8 << 20)

struct tls_context {
    atomic_uint references;
    enum tls_role role;
    int64_t not_after_ms;
    SSL_CTX *ctx;
};

static const unsigned char alpn_h2[] = "\x02h2";

static enum err bad_file(struct problem *problem, const char *path, const char *why)
{
    ERR_clear_error();
    return problem_set(problem, ERR_INVALID, "", "%.120s: %s", path, why);
}

/* The whole file as a memory BIO; a private one must be closed to group and others. */
static enum err read_file(const char *path, bool is_private, BIO **out, struct problem *problem)
{
    struct stat info;
    *out = NULL;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return problem_set(problem, errno == ENOENT ? ERR_NOT_FOUND : ERR_FORBIDDEN, "", "%.120s can't be read: %s",
                           path, strerrordesc_np(errno));
    enum err err = ERR_NONE;
    BIO *bio = NULL;
    if (fstat(fd, &info) != 0 || !S_ISREG(info.st_mode))
        err = problem_set(problem, ERR_INVALID, "", "%.120s is not a regular file", path);
    else if (is_private && (info.st_mode & 077) != 0)
        err = problem_set(problem, ERR_FORBIDDEN, "", "%.120s holds a private key and others can read it: chmod 600 it",
                          path);
    else if (info.st_size > FILE_BYTES_MAX)
        err = problem_set(problem, ERR_LIMIT, "", "%.120s is larger than 8 MiB", path);
    else if ((bio = BIO_new(BIO_s_mem())) == NULL)
        log_fatal("wire", "out of memory for a certificate file");
    char chunk[4096];
    ssize_t got;
    while (err == ERR_NONE && (got = read(fd, chunk, sizeof chunk)) != 0) {
        if (got < 0)
            err = problem_set(problem, ERR_INVALID, "", "%.120s can't be read: %s", path, strerrordesc_np(errno));
        else if (BIO_write(bio, chunk, (int)got) != got)
            log_fatal("wire", "out of memory for a certificate file");
    }
    OPENSSL_cleanse(chunk, sizeof chunk);
    close(fd);
    if (err != ERR_NONE) {
        BIO_free(bio);
        bio = NULL;
    }
    *out = bio;
    return err;
}

/* A key under a passphrase is refused: nobody is there to type it. */
static int no_passphrase(char *out, int size, int writing, void *ctx)
{
    (void)out, (void)size, (void)writing, (void)ctx;
    return -1;
}

static enum err use_certificate(SSL_CTX *ctx, const char *path, BIO *bio, int64_t *not_after_ms,
                                struct problem *problem)
{
    X509 *leaf = PEM_read_bio_X509(bio, NULL, no_passphrase, NULL);
    if (leaf == NULL)
        return bad_file(problem, path, "holds no certificate in PEM");
    *not_after_ms = tls_time_ms(X509_get0_notAfter(leaf));
    int used = SSL_CTX_use_certificate(ctx, leaf);
    X509_free(leaf);
    if (used != 1)
        return bad_file(problem, path,
                        "the certificate is too weak (RSA from 2048 bits or an elliptic curve; no SHA-1)");
    X509 *issuer;
    while ((issuer = PEM_read_bio_X509(bio, NULL, no_passphrase, NULL)) != NULL) {
        used = SSL_CTX_add1_chain_cert(ctx, issuer);
        X509_free(issuer);
        if (used != 1)
            return bad_file(problem, path, "an issuer's certificate in it is too weak");
    }
    ERR_clear_error();
    return ERR_NONE;
}

static enum err load_certificate(struct tls_context *context, const char *path, struct problem *problem)
{
    BIO *bio;
    enum err err = read_file(path, false, &bio, problem);
    if (err != ERR_NONE)
        return err;
    err = use_certificate(context->ctx, path, bio, &context->not_after_ms, problem);
    BIO_free(bio);
    return err;
}

static enum err load_key(SSL_CTX *ctx, const char *path, struct problem *problem)
{
    BIO *bio;
    enum err err = read_file(path, true, &bio, problem);
    if (err != ERR_NONE)
        return err;
    EVP_PKEY *key = PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, NULL);
    BIO_free(bio);
    if (key == NULL)
        return bad_file(problem, path, "holds no private key in PEM, or one with a passphrase");
    int used = SSL_CTX_use_PrivateKey(ctx, key);
    EVP_PKEY_free(key);
    if (used != 1 || SSL_CTX_check_private_key(ctx) != 1)
        return bad_file(problem, path, "the key is not the certificate's");
    return ERR_NONE;
}

/* What OpenSSL works out of a certificate when it first verifies with it is worked out here, before there are threads:
 * two first handshakes at once would meet over it. */
static bool add_root(SSL_CTX *ctx, X509 *root)
{
    return X509_check_purpose(root, -1, 0) == 1 && X509_STORE_add_cert(SSL_CTX_get_cert_store(ctx), root) == 1 &&
           SSL_CTX_add_client_CA(ctx, root) == 1;
}

static enum err load_roots(SSL_CTX *ctx, const char *path, STACK_OF(X509) * roots, struct problem *problem)
{
    BIO *bio;
    enum err err = read_file(path, false, &bio, problem);
    if (err != ERR_NONE)
        return err;
    X509 *root;
    while (err == ERR_NONE && (root = PEM_read_bio_X509(bio, NULL, no_passphrase, NULL)) != NULL) {
        if (!add_root(ctx, root) || sk_X509_push(roots, root) == 0) {
            X509_free(root);
            err = bad_file(problem, path, "a certificate in it can't be used");
        }
    }
    BIO_free(bio);
    ERR_clear_error();
    if (err == ERR_NONE && sk_X509_num(roots) == 0)
        err = bad_file(problem, path, "holds no certificate in PEM");
    return err;
}

static enum err check_list(X509_CRL *crl, const char *path, struct problem *problem)
{
    const ASN1_TIME *next = X509_CRL_get0_nextUpdate(crl);
    if (next == NULL || X509_cmp_current_time(next) < 0)
        return bad_file(problem, path, "a revocation list in it has run out: sign a new one (vacancy-ca crl)");
    return ERR_NONE;
}

/* Adds every list and crosses their issuers off `roots`. */
static enum err add_lists(SSL_CTX *ctx, const char *path, BIO *bio, STACK_OF(X509) * roots, struct problem *problem)
{
    X509_STORE *store = SSL_CTX_get_cert_store(ctx);
    X509_CRL *crl;
    enum err err = ERR_NONE;
    while (err == ERR_NONE && (crl = PEM_read_bio_X509_CRL(bio, NULL, no_passphrase, NULL)) != NULL) {
        err = check_list(crl, path, problem);
        if (err == ERR_NONE && X509_STORE_add_crl(store, crl) != 1)
            err = bad_file(problem, path, "a revocation list in it can't be used");
        for (int i = sk_X509_num(roots) - 1; i >= 0; i--) {
            if (X509_NAME_cmp(X509_get_subject_name(sk_X509_value(roots, i)), X509_CRL_get_issuer(crl)) == 0)
                X509_free(sk_X509_delete(roots, i));
        }
        X509_CRL_free(crl);
    }
    ERR_clear_error();
    if (err == ERR_NONE && sk_X509_num(roots) > 0)
        err = bad_file(problem, path, "a root has no revocation list in it: nothing could be accepted");
    return err;
}

static enum err load_lists(SSL_CTX *ctx, const char *path, STACK_OF(X509) * roots, struct problem *problem)
{
    BIO *bio;
    enum err err = read_file(path, false, &bio, problem);
    if (err != ERR_NONE)
        return err;
    err = add_lists(ctx, path, bio, roots, problem);
    BIO_free(bio);
    X509_STORE_set_flags(SSL_CTX_get_cert_store(ctx), X509_V_FLAG_CRL_CHECK | X509_V_FLAG_CRL_CHECK_ALL);
    return err;
}

static int select_alpn(SSL *ssl, const unsigned char **out, unsigned char *out_bytes, const unsigned char *in,
                       unsigned in_bytes, void *ctx)
{
    (void)ssl, (void)ctx;
    for (unsigned i = 0; i < in_bytes; i += 1u + in[i]) {
        if (in_bytes - i >= 3 && memcmp(in + i, alpn_h2, 3) == 0) {
            *out = in + i + 1;
            *out_bytes = 2;
            return SSL_TLSEXT_ERR_OK;
        }
    }
    return SSL_TLSEXT_ERR_ALERT_FATAL;
}

/* select_alpn is not asked when the client offers nothing at all (T12). */
static int require_alpn(SSL *ssl, int *alert, void *ctx)
{
    (void)ctx;
    const unsigned char *extension;
    size_t bytes;
    if (SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_application_layer_protocol_negotiation, &extension, &bytes) == 1)
        return SSL_CLIENT_HELLO_SUCCESS;
    *alert = SSL_AD_NO_APPLICATION_PROTOCOL;
    ERR_raise(ERR_LIB_SSL, SSL_R_NO_APPLICATION_PROTOCOL); /* for the log */
    return SSL_CLIENT_HELLO_ERROR;
}

static int verify_chain(X509_STORE_CTX *chain, void *ctx)
{
    (void)ctx;
    if (sk_X509_num(X509_STORE_CTX_get0_untrusted(chain)) > TLS_PATH_CERTIFICATES_MAX) {
        X509_STORE_CTX_set_error(chain, X509_V_ERR_CERT_CHAIN_TOO_LONG);
        return 0;
    }
    return X509_verify_cert(chain);
}

static void set_rules(SSL_CTX *ctx, enum tls_role role)
{
    SSL_CTX_set_security_level(ctx, SECURITY_LEVEL);
    SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET | SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                 SSL_OP_IGNORE_UNEXPECTED_EOF);
    SSL_CTX_set_mode(ctx,
                     SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
    /* A read returns after each record, key updates included: a storm of them takes turns like everything else (T16).
     */
    SSL_CTX_clear_mode(ctx, SSL_MODE_AUTO_RETRY);
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_max_early_data(ctx, 0);
    SSL_CTX_set_num_tickets(ctx, 0);
    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
    SSL_CTX_set_verify_depth(ctx, ISSUERS_MAX);
    SSL_CTX_set_max_cert_list(ctx, TLS_CHAIN_BYTES_MAX);
    SSL_CTX_set_cert_verify_callback(ctx, verify_chain, NULL);
    if (role == TLS_SERVER) {
        SSL_CTX_set_alpn_select_cb(ctx, select_alpn, NULL);
        SSL_CTX_set_client_hello_cb(ctx, require_alpn, NULL);
    } else if (SSL_CTX_set_alpn_protos(ctx, alpn_h2, 3) != 0) {
        log_fatal("wire", "out of memory for a TLS context");
    }
}

static enum err load_all(struct tls_context *context, const struct tls_options *options, struct problem *problem)
{
    STACK_OF(X509) *roots = sk_X509_new_null();
    if (roots == NULL)
        log_fatal("wire", "out of memory for a TLS context");
    enum err err = load_certificate(context, options->certificate_path, problem);
    if (err == ERR_NONE)
        err = load_key(context->ctx, options->key_path, problem);
    if (err == ERR_NONE)
        err = load_roots(context->ctx, options->ca_path, roots, problem);
    if (err == ERR_NONE && options->crl_path != NULL)
        err = load_lists(context->ctx, options->crl_path, roots, problem);
    sk_X509_pop_free(roots, X509_free);
    return err;
}

enum err tls_context_create(const struct tls_options *options, struct tls_context **out, struct problem *problem)
{
    struct tls_context *context = calloc(1, sizeof *context);
    SSL_CTX *ctx = SSL_CTX_new(options->role == TLS_SERVER ? TLS_server_method() : TLS_client_method());
    if (context == NULL || ctx == NULL)
        log_fatal("wire", "out of memory for a TLS context");
    if (SSL_CTX_set_min_proto_version(ctx, TLS1_3_VERSION) != 1 ||
        SSL_CTX_set_max_proto_version(ctx, TLS1_3_VERSION) != 1)
        log_fatal("wire", "this OpenSSL has no TLS 1.3");
    context->ctx = ctx;
    context->role = options->role;
    atomic_init(&context->references, 1);
    set_rules(ctx, options->role);
    enum err err = load_all(context, options, problem);
    if (err != ERR_NONE) {
        tls_context_unref(context);
        context = NULL;
    }
    *out = context;
    return err;
}

struct tls_context *tls_context_ref(struct tls_context *context)
{
    atomic_fetch_add(&context->references, 1);
    return context;
}

void tls_context_unref(struct tls_context *context)
{
    if (context == NULL || atomic_fetch_sub(&context->references, 1) > 1)
        return;
    SSL_CTX_free(context->ctx);
    free(context);
}

int64_t tls_context_not_after_ms(const struct tls_context *context)
{
    return context->not_after_ms;
}

enum tls_role tls_context_role(const struct tls_context *context)
{
    return context->role;
}

SSL_CTX *tls_context_ctx(const struct tls_context *context)
{
    return context->ctx;
}

enum err tls_peer_check_leaf(const struct tls_peer *peer, struct problem *problem)
{
    const char *why = NULL;
    if (peer->is_ca || peer->may_certify)
        why = "it is an authority's, not a principal's";
    else if (!peer->key_usage_critical || !peer->may_sign)
        why = "its key usage must be critical and allow digitalSignature";
    else if (peer->has_eku && !(peer->eku_server && peer->eku_client))
        why = "its extended key usage must have both serverAuth and clientAuth";
    if (why == NULL)
        return ERR_NONE;
    return problem_set(problem, ERR_UNAUTHENTICATED, "", "the certificate is not acceptable: %s", why);
}
