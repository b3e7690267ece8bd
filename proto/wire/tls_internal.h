/*
 * tls_internal.h - what tls.c and tls_session.c share: the only header with OpenSSL's types.
 * Thread: any; no state.
 */
#ifndef VACANCY_WIRE_TLS_INTERNAL_H
#define VACANCY_WIRE_TLS_INTERNAL_H

#include "proto/wire/tls.h"

#include <openssl/ssl.h>

SSL_CTX *tls_context_ctx(const struct tls_context *context);
/* Unix ms; INT64_MIN for a time that can't be read, which is in the past for an end. */
int64_t tls_time_ms(const ASN1_TIME *time);

#endif
