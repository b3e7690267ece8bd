/*
 * grpc.h - the texts and octets of gRPC over HTTP/2: prefix, timeout, percent-encoding, base64, content type.
 *
 * Owns: pure functions over bytes. Not here: when they are used (h2). Thread: any; no state.
 */
#ifndef VACANCY_WIRE_GRPC_H
#define VACANCY_WIRE_GRPC_H

#include "daemon/base/error.h"

#include <stdint.h>

#define GRPC_PREFIX_BYTES 5

static inline void grpc_prefix_write(uint8_t out[GRPC_PREFIX_BYTES], uint32_t bytes)
{
    out[0] = 0;
    out[1] = (uint8_t)(bytes >> 24);
    out[2] = (uint8_t)(bytes >> 16);
    out[3] = (uint8_t)(bytes >> 8);
    out[4] = (uint8_t)bytes;
}
/* The length; *flag is the compression flag as it came. */
static inline uint32_t grpc_prefix_read(const uint8_t in[GRPC_PREFIX_BYTES], uint8_t *flag)
{
    *flag = in[0];
    return (uint32_t)in[1] << 24 | (uint32_t)in[2] << 16 | (uint32_t)in[3] << 8 | in[4];
}

/* Longer ones are this: a deadline can't overflow. */
#define GRPC_TIMEOUT_MAX_MS (INT64_C(366) * 24 * 3600 * 1000)
/* "1 to 8 digits, then H M S m u n" to ms, rounded down and cut to GRPC_TIMEOUT_MAX_MS; false if malformed (G12). */
bool grpc_timeout_parse(const char *text, size_t bytes, int64_t *out_ms) __attribute__((warn_unused_result));
#define GRPC_TIMEOUT_BYTES 12
/* As text and NUL; returns the length. Negative is 0. */
size_t grpc_timeout_format(int64_t ms, char out[GRPC_TIMEOUT_BYTES]);

/* application/grpc, application/grpc+proto, either with parameters; not +json or another (G10). */
bool grpc_content_type_ok(const char *text, size_t bytes);

/* grpc-message: `out` needs 3 * bytes; returns how many were written, no NUL (G15). */
size_t grpc_percent_encode(const char *text, size_t bytes, char *out);
/* Decodes what is well formed and leaves the rest as it stands, as gRPC asks; `out` needs `bytes`. */
size_t grpc_percent_decode(const char *text, size_t bytes, char *out);

#define GRPC_BASE64_BYTES(bytes) (((bytes) + 2) / 3 * 4)
/* Standard alphabet, no padding. Returns the length. */
size_t grpc_base64_encode(const uint8_t *data, size_t bytes, char *out);
/* With or without padding; `out` needs 3 * bytes / 4 + 3; false if malformed (G16). */
bool grpc_base64_decode(const char *text, size_t bytes, uint8_t *out, size_t *out_bytes)
    __attribute__((warn_unused_result));

#endif
