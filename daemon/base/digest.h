/*
 * digest.h - hashing, so that OpenSSL's digest types stay in base.
 * Thread: any. Failure of the library to hash is impossible with the algorithms used, and aborts.
 */
#ifndef VACANCY_BASE_DIGEST_H
#define VACANCY_BASE_DIGEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DIGEST_BYTES    32
#define DIGEST_HEX_SIZE 65

struct octets {
    const uint8_t *data;
    size_t size;
};

void digest_sha256(const void *data, size_t bytes, uint8_t out[DIGEST_BYTES]);
/* SHA-256 over the parts, one after the other, without copying them together. */
void digest_sha256_parts(const struct octets *parts, size_t count, uint8_t out[DIGEST_BYTES]);
/* SHAKE128 (FIPS 202) over the parts, as many octets of it as asked for. */
void digest_shake128(const struct octets *parts, size_t count, uint8_t *out, size_t out_bytes);
/* HMAC-SHA-256: keyed hashes of agency references. */
void digest_hmac_sha256(const void *key, size_t key_bytes, const void *data, size_t bytes, uint8_t out[DIGEST_BYTES]);

/* Streaming, for files. finish frees the state, also when out is NULL (abandoned). */
struct digest_stream;
struct digest_stream *digest_stream_create(void);
void digest_stream_add(struct digest_stream *stream, const void *data, size_t bytes);
void digest_stream_finish(struct digest_stream *stream, uint8_t out[DIGEST_BYTES]);

/* Lower-case hex with a NUL; out has 2 * bytes + 1. */
void hex_encode(const void *data, size_t bytes, char *out);
/* Exactly 2 * bytes hex digits (either case); false otherwise. */
bool hex_decode(const char *text, size_t text_bytes, uint8_t *out, size_t bytes);
/* Constant time. */
bool octets_equal(const void *a, const void *b, size_t bytes);

#endif
