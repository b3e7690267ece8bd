/*
 * checkpoint.h - a region's signed statement of where its log stands (design section 9; text in
 * federation_service.proto).
 *
 * Owns: the text, to and fro, canonical: what decodes encodes to the same octets. Signing and verifying it.
 * Not here: whether the log agrees with it (register), who signs when (register's home writer).
 * Thread: any; no state.
 */
#ifndef VACANCY_RECORD_CHECKPOINT_H
#define VACANCY_RECORD_CHECKPOINT_H

#include "daemon/base/signer.h"
#include "daemon/record/carer.h"

#define CHECKPOINT_TEXT_BYTES 512 /* with NUL; no canonical text is longer */
#define EPOCH_ID_BYTES        16

struct checkpoint {
    char region[GSS_BYTES];
    uint64_t epoch; /* number; 0 only before the first epoch was opened, and then nothing is signed */
    uint8_t epoch_id[EPOCH_ID_BYTES];
    uint64_t sequence;
    uint8_t head[DIGEST_BYTES];  /* hash of the last header */
    uint64_t records;            /* in the shared state: agencies, carer rows, offers */
    uint8_t state[DIGEST_BYTES]; /* lthash_digest */
    uint64_t horizon;            /* payloads of entries up to here may be gone; at most sequence */
    int64_t time_ms;             /* wall clock when it was signed */
    uint64_t roster_version;     /* that the signer had; 0: none */
};

struct signed_checkpoint {
    struct checkpoint checkpoint; /* what the text says */
    char text[CHECKPOINT_TEXT_BYTES];
    uint8_t signature[SIGNATURE_BYTES];
};

/* Writes text and signature of out->checkpoint = *checkpoint. */
void checkpoint_sign(const struct checkpoint *checkpoint, const struct signer *signer, struct signed_checkpoint *out);
/* Reads the text strictly; the signature is copied, not verified. ERR_INVALID for anything not canonical. */
enum err checkpoint_read(const char *text, size_t text_bytes, const uint8_t *signature, size_t signature_bytes,
                         struct signed_checkpoint *out) __attribute__((warn_unused_result));
bool checkpoint_verify(const struct signed_checkpoint *checkpoint, const uint8_t public_key[PUBLIC_KEY_BYTES]);
/* As stored: text size (2), text, signature. Returns the size written; out has CHECKPOINT_STORED_BYTES. */
#define CHECKPOINT_STORED_BYTES (2 + CHECKPOINT_TEXT_BYTES + SIGNATURE_BYTES)
size_t checkpoint_encode(const struct signed_checkpoint *checkpoint, uint8_t out[CHECKPOINT_STORED_BYTES]);
enum err checkpoint_decode(const struct octets *stored, struct signed_checkpoint *out)
    __attribute__((warn_unused_result)); /* ERR_STORE_DAMAGED */
/* Same region, epoch number and epoch id. */
bool checkpoint_same_epoch(const struct checkpoint *a, const struct checkpoint *b);

#endif
