/*
 * verified.c - signature_verify with a memory: several hubs verify the same few checkpoints again and again, and that
 * was three quarters of a seed's time. Linked in its place (--wrap), here only; the answer is the shipped function's.
 * One thread.
 */
#include "daemon/base/digest.h"
#include "daemon/base/signer.h"

#include <string.h>

#define REMEMBERED 8192

bool __real_signature_verify(const uint8_t public_key[PUBLIC_KEY_BYTES], const void *data, size_t bytes,
                             const uint8_t signature[SIGNATURE_BYTES]);
bool __wrap_signature_verify(const uint8_t public_key[PUBLIC_KEY_BYTES], const void *data, size_t bytes,
                             const uint8_t signature[SIGNATURE_BYTES]);

bool __wrap_signature_verify(const uint8_t public_key[PUBLIC_KEY_BYTES], const void *data, size_t bytes,
                             const uint8_t signature[SIGNATURE_BYTES])
{
    static struct {
        uint8_t asked[DIGEST_BYTES];
        bool known, verifies;
    } memory[REMEMBERED];
    const struct octets parts[] = {{public_key, PUBLIC_KEY_BYTES}, {signature, SIGNATURE_BYTES}, {data, bytes}};
    uint8_t asked[DIGEST_BYTES];
    digest_sha256_parts(parts, 3, asked);
    size_t at = ((size_t)asked[0] << 8 | asked[1]) % REMEMBERED;
    if (!memory[at].known || memcmp(memory[at].asked, asked, DIGEST_BYTES) != 0) {
        memory[at].verifies = __real_signature_verify(public_key, data, bytes, signature);
        memory[at].known = true;
        memcpy(memory[at].asked, asked, DIGEST_BYTES);
    }
    return memory[at].verifies;
}
