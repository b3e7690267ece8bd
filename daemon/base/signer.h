/*
 * signer.h - Ed25519 (RFC 8032), so that OpenSSL's key types stay in base.
 *
 * Owns: a handle that can sign with the region's key. main hands it to the home writer and to the audit head only.
 * The key never leaves the handle. Thread: signing any (no shared state per signature); load at start.
 */
#ifndef VACANCY_BASE_SIGNER_H
#define VACANCY_BASE_SIGNER_H

#include "daemon/base/error.h"

#include <stdint.h>

#define SIGNATURE_BYTES  64
#define PUBLIC_KEY_BYTES 32

struct signer;

/*
 * Reads a PKCS#8 PEM Ed25519 private key. The file must be a regular file that group and others can't read (0600),
 * else ERR_FORBIDDEN; ERR_NOT_FOUND, ERR_INVALID for another key type. *problem says what to do.
 */
enum err signer_load(const char *path, struct signer **out, struct problem *problem)
    __attribute__((warn_unused_result));
/* From 32 seed bytes: tests and simulator. */
struct signer *signer_from_seed(const uint8_t seed[32]);
void signer_destroy(struct signer *signer);
void signer_public_key(const struct signer *signer, uint8_t out[PUBLIC_KEY_BYTES]);
void signer_sign(const struct signer *signer, const void *data, size_t bytes, uint8_t out[SIGNATURE_BYTES]);
bool signature_verify(const uint8_t public_key[PUBLIC_KEY_BYTES], const void *data, size_t bytes,
                      const uint8_t signature[SIGNATURE_BYTES]);

#endif
