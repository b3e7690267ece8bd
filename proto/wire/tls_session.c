/*
 * tls_session.c - one connection's TLS. Owns its SSL object; the connection's thread.
 * Invariant: the error queue, which is the thread's, is empty before every call whose error is asked for.
 */
#include "proto/wire/tls_session.h"

#include "proto/wire/tls_internal.h"

#include <arpa/inet.h>
#include <errno.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <string.h>
#include <time.h>

int64_t tls_time_ms(const ASN1_TIME *time)
{
    struct tm tm;
    if (time == NULL || ASN1_TIME_to_tm(time, &tm) != 1)
        return INT64_MIN;
    return (int64_t)timegm(&tm) * 1000;
}

static bool set_server_name(SSL *ssl, const char *name)
{
    struct in6_addr address;
    if (inet_pton(AF_INET, name, &address) == 1 || inet_pton(AF_INET6, name, &address) == 1)
        return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), name) == 1;
    SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS | X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
    return name[0] != '\0' && SSL_set1_host(ssl, name) == 1 && SSL_set_tlsext_host_name(ssl, name) == 1;
}

bool tls_session_open(struct tls_session *session, struct tls_context *context, int fd, const char *server_name)
{
    *session = (struct tls_session){.why = "open"};
    ERR_clear_error();
    SSL *ssl = SSL_new(tls_context_ctx(context));
    if (ssl == NULL)
        return false;
    bool is_client = tls_context_role(context) == TLS_CLIENT;
    if (SSL_set_fd(ssl, fd) != 1 || (is_client && !set_server_name(ssl, server_name))) {
        SSL_free(ssl);
        return false;
    }
    if (is_client)
        SSL_set_connect_state(ssl);
    else
        SSL_set_accept_state(ssl);
    session->ssl = ssl;
    return true;
}

void tls_session_close(struct tls_session *session)
{
    SSL_free(session->ssl);
    session->ssl = NULL;
}

/* Why a call failed, in OpenSSL's static words. */
static const char *failure(struct tls_session *session, int saved_errno)
{
    long verified = SSL_get_verify_result(session->ssl);
    session->distrusts = verified != X509_V_OK;
    if (session->distrusts)
        return X509_verify_cert_error_string(verified);
    /* The first: those after it only pass it on. */
    const char *reason = ERR_reason_error_string(ERR_peek_error());
    if (reason != NULL)
        return reason;
    return saved_errno != 0 ? strerrordesc_np(saved_errno) : "the peer closed";
}

static enum tls_result result(struct tls_session *session, int returned)
{
    int saved_errno = errno;
    switch (SSL_get_error(session->ssl, returned)) {
    case SSL_ERROR_NONE:
        return TLS_DONE;
    case SSL_ERROR_WANT_READ:
        return TLS_WANT_READ;
    case SSL_ERROR_WANT_WRITE:
        return TLS_WANT_WRITE;
    case SSL_ERROR_ZERO_RETURN:
        session->why = "the peer closed";
        return TLS_CLOSED;
    default:
        session->failed = true;
        session->why = failure(session, saved_errno);
        ERR_clear_error();
        return TLS_FAILED;
    }
}

enum tls_result tls_session_handshake(struct tls_session *session)
{
    ERR_clear_error();
    errno = 0;
    enum tls_result done = result(session, SSL_do_handshake(session->ssl));
    if (done != TLS_DONE)
        return done;
    const unsigned char *protocol;
    unsigned bytes;
    SSL_get0_alpn_selected(session->ssl, &protocol, &bytes);
    if (bytes == 2 && memcmp(protocol, "h2", 2) == 0)
        return TLS_DONE;
    session->why = "the peer does not speak HTTP/2";
    return TLS_FAILED;
}

enum tls_result tls_session_read(struct tls_session *session, void *out, size_t size, size_t *got)
{
    ERR_clear_error();
    errno = 0;
    *got = 0;
    return result(session, SSL_read_ex(session->ssl, out, size, got));
}

enum tls_result tls_session_write(struct tls_session *session, const void *data, size_t bytes, size_t *put)
{
    ERR_clear_error();
    errno = 0;
    *put = 0;
    return result(session, SSL_write_ex(session->ssl, data, bytes, put));
}

bool tls_session_has_pending(const struct tls_session *session)
{
    return SSL_pending(session->ssl) > 0;
}

void tls_session_shutdown(struct tls_session *session)
{
    if (session->failed || session->shut || !SSL_is_init_finished(session->ssl))
        return;
    session->shut = true;
    ERR_clear_error();
    SSL_shutdown(session->ssl);
    ERR_clear_error();
}

static void copy_uri_names(X509 *leaf, struct tls_peer *out)
{
    GENERAL_NAMES *names = X509_get_ext_d2i(leaf, NID_subject_alt_name, NULL, NULL);
    for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
        const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);
        if (name->type != GEN_URI || out->uri_count++ > 0)
            continue;
        size_t bytes = (size_t)ASN1_STRING_length(name->d.uniformResourceIdentifier);
        out->uri_bytes = (uint32_t)bytes;
        memcpy(out->uri, ASN1_STRING_get0_data(name->d.uniformResourceIdentifier),
               bytes < TLS_URI_BYTES ? bytes : TLS_URI_BYTES);
    }
    GENERAL_NAMES_free(names);
}

void tls_context_own_names(const struct tls_context *context, struct tls_peer *out)
{
    *out = (struct tls_peer){0};
    copy_uri_names(SSL_CTX_get0_certificate(tls_context_ctx(context)), out);
}

static void copy_usage(X509 *leaf, struct tls_peer *out)
{
    int critical;
    ASN1_BIT_STRING *usage = X509_get_ext_d2i(leaf, NID_key_usage, &critical, NULL);
    out->key_usage_critical = usage != NULL && critical == 1;
    ASN1_BIT_STRING_free(usage);
    uint32_t bits = out->key_usage_critical ? X509_get_key_usage(leaf) : 0;
    out->may_sign = (bits & KU_DIGITAL_SIGNATURE) != 0;
    out->may_certify = (bits & (KU_KEY_CERT_SIGN | KU_CRL_SIGN)) != 0;
    uint32_t flags = X509_get_extension_flags(leaf);
    out->is_ca = (flags & EXFLAG_CA) != 0;
    out->has_eku = (flags & EXFLAG_XKUSAGE) != 0;
    uint32_t extended = out->has_eku ? X509_get_extended_key_usage(leaf) : 0;
    out->eku_server = (extended & XKU_SSL_SERVER) != 0;
    out->eku_client = (extended & XKU_SSL_CLIENT) != 0;
}

static void copy_serial(X509 *leaf, struct tls_peer *out)
{
    const ASN1_INTEGER *serial = X509_get0_serialNumber(leaf);
    size_t bytes = (size_t)ASN1_STRING_length(serial);
    if (bytes > (TLS_SERIAL_BYTES - 1) / 2)
        bytes = (TLS_SERIAL_BYTES - 1) / 2;
    hex_encode(ASN1_STRING_get0_data(serial), bytes, out->serial);
}

static bool hash_key(X509 *certificate, uint8_t out[DIGEST_BYTES])
{
    unsigned char *der = NULL;
    int bytes = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(certificate), &der);
    if (bytes <= 0)
        return false;
    digest_sha256(der, (size_t)bytes, out);
    OPENSSL_free(der);
    return true;
}

static bool hash_certificate(X509 *certificate, uint8_t out[DIGEST_BYTES])
{
    unsigned char *der = NULL;
    int bytes = i2d_X509(certificate, &der);
    if (bytes <= 0)
        return false;
    digest_sha256(der, (size_t)bytes, out);
    OPENSSL_free(der);
    return true;
}

bool tls_session_peer(const struct tls_session *session, struct tls_peer *out)
{
    *out = (struct tls_peer){0};
    STACK_OF(X509) *chain = SSL_get0_verified_chain(session->ssl);
    if (SSL_get_verify_result(session->ssl) != X509_V_OK || sk_X509_num(chain) < 2)
        return false;
    X509 *leaf = sk_X509_value(chain, 0);
    copy_uri_names(leaf, out);
    copy_usage(leaf, out);
    copy_serial(leaf, out);
    out->not_before_ms = tls_time_ms(X509_get0_notBefore(leaf));
    out->not_after_ms = tls_time_ms(X509_get0_notAfter(leaf));
    return hash_certificate(leaf, out->certificate_sha256) && hash_key(sk_X509_value(chain, 1), out->issuer_key_sha256);
}

bool tls_session_recheck(const struct tls_session *session, struct tls_context *context)
{
    STACK_OF(X509) *chain = SSL_get0_verified_chain(session->ssl);
    SSL_CTX *ctx = tls_context_ctx(context);
    X509_STORE_CTX *check = X509_STORE_CTX_new();
    bool good =
        check != NULL && sk_X509_num(chain) > 0 &&
        X509_STORE_CTX_init(check, SSL_CTX_get_cert_store(ctx), sk_X509_value(chain, 0), chain) == 1 &&
        X509_STORE_CTX_set_default(check, tls_context_role(context) == TLS_SERVER ? "ssl_client" : "ssl_server");
    if (good) {
        X509_VERIFY_PARAM *rules = X509_STORE_CTX_get0_param(check);
        X509_VERIFY_PARAM_set_auth_level(rules, SSL_CTX_get_security_level(ctx));
        X509_VERIFY_PARAM_set_depth(rules, SSL_CTX_get_verify_depth(ctx));
        good = X509_verify_cert(check) == 1;
    }
    X509_STORE_CTX_free(check);
    ERR_clear_error();
    return good;
}
