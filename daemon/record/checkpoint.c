/*
 * checkpoint.c - the text of a checkpoint, its signature and its stored octets.
 * Owns: the format of federation_service.proto's SignedCheckpoint. Any thread; no state.
 * Invariant: what is read is exactly what writing it again would make, so two different texts never say the same.
 */
#include "daemon/record/checkpoint.h"

#include "daemon/base/log.h"
#include "daemon/record/bytes.h"
#include "daemon/record/lines.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* What a home may state at all: it signs nothing before its first epoch. */
static bool is_sound(const struct checkpoint *checkpoint)
{
    return text_is_gss_code(checkpoint->region) && checkpoint->epoch > 0 &&
           checkpoint->horizon <= checkpoint->sequence && checkpoint->time_ms >= 0;
}

static size_t write_text(const struct checkpoint *checkpoint, char out[CHECKPOINT_TEXT_BYTES])
{
    char epoch_id[2 * EPOCH_ID_BYTES + 1], head[DIGEST_HEX_SIZE], state[DIGEST_HEX_SIZE];
    hex_encode(checkpoint->epoch_id, EPOCH_ID_BYTES, epoch_id);
    hex_encode(checkpoint->head, DIGEST_BYTES, head);
    hex_encode(checkpoint->state, DIGEST_BYTES, state);
    return (size_t)snprintf(out, CHECKPOINT_TEXT_BYTES,
                            "vacancy checkpoint v1\n"
                            "region %s\n"
                            "epoch %" PRIu64 " %s\n"
                            "sequence %" PRIu64 "\n"
                            "head %s\n"
                            "records %" PRIu64 "\n"
                            "state %s\n"
                            "horizon %" PRIu64 "\n"
                            "time %" PRId64 "\n"
                            "roster %" PRIu64 "\n",
                            checkpoint->region, checkpoint->epoch, epoch_id, checkpoint->sequence, head,
                            checkpoint->records, state, checkpoint->horizon, checkpoint->time_ms,
                            checkpoint->roster_version);
}

void checkpoint_sign(const struct checkpoint *checkpoint, const struct signer *signer, struct signed_checkpoint *out)
{
    if (!is_sound(checkpoint))
        log_fatal("record", "asked to sign a checkpoint that no hub would take: epoch %" PRIu64 ", sequence %" PRIu64,
                  checkpoint->epoch, checkpoint->sequence);
    out->checkpoint = *checkpoint;
    memset(out->text, 0, sizeof out->text);
    signer_sign(signer, out->text, write_text(&out->checkpoint, out->text), out->signature);
}

static bool read_text(const char *text, size_t bytes, struct checkpoint *out)
{
    struct place at = {text, text + bytes};
    uint64_t time_ms = 0;
    bool good = take_words(&at, "vacancy checkpoint v1\nregion ") && take_gss_code(&at, out->region) &&
                take_words(&at, "\nepoch ") && take_number(&at, UINT64_MAX, &out->epoch) && take_words(&at, " ") &&
                take_hex(&at, out->epoch_id, EPOCH_ID_BYTES) && take_words(&at, "\nsequence ") &&
                take_number(&at, UINT64_MAX, &out->sequence) && take_words(&at, "\nhead ") &&
                take_hex(&at, out->head, DIGEST_BYTES) && take_words(&at, "\nrecords ") &&
                take_number(&at, UINT64_MAX, &out->records) && take_words(&at, "\nstate ") &&
                take_hex(&at, out->state, DIGEST_BYTES) && take_words(&at, "\nhorizon ") &&
                take_number(&at, UINT64_MAX, &out->horizon) && take_words(&at, "\ntime ") &&
                take_number(&at, INT64_MAX, &time_ms) && take_words(&at, "\nroster ") &&
                take_number(&at, UINT64_MAX, &out->roster_version) && take_words(&at, "\n");
    out->time_ms = (int64_t)time_ms;
    return good && place_left(&at) == 0 && is_sound(out);
}

enum err checkpoint_read(const char *text, size_t text_bytes, const uint8_t *signature, size_t signature_bytes,
                         struct signed_checkpoint *out)
{
    struct checkpoint checkpoint = {0};
    if (text_bytes >= CHECKPOINT_TEXT_BYTES || signature_bytes != SIGNATURE_BYTES ||
        !read_text(text, text_bytes, &checkpoint))
        return ERR_INVALID;
    out->checkpoint = checkpoint;
    memset(out->text, 0, sizeof out->text);
    memcpy(out->text, text, text_bytes);
    memcpy(out->signature, signature, SIGNATURE_BYTES);
    return ERR_NONE;
}

bool checkpoint_verify(const struct signed_checkpoint *checkpoint, const uint8_t public_key[PUBLIC_KEY_BYTES])
{
    return signature_verify(public_key, checkpoint->text, strlen(checkpoint->text), checkpoint->signature);
}

size_t checkpoint_encode(const struct signed_checkpoint *checkpoint, uint8_t out[CHECKPOINT_STORED_BYTES])
{
    size_t text_bytes = strlen(checkpoint->text);
    put_be16(out, (uint16_t)text_bytes);
    memcpy(out + 2, checkpoint->text, text_bytes);
    memcpy(out + 2 + text_bytes, checkpoint->signature, SIGNATURE_BYTES);
    return 2 + text_bytes + SIGNATURE_BYTES;
}

enum err checkpoint_decode(const struct octets *stored, struct signed_checkpoint *out)
{
    if (stored->size < 2 + SIGNATURE_BYTES)
        return ERR_STORE_DAMAGED;
    size_t text_bytes = get_be16(stored->data);
    if (stored->size != 2 + text_bytes + SIGNATURE_BYTES)
        return ERR_STORE_DAMAGED;
    const uint8_t *text = stored->data + 2;
    enum err err = checkpoint_read((const char *)text, text_bytes, text + text_bytes, SIGNATURE_BYTES, out);
    return err == ERR_NONE ? ERR_NONE : ERR_STORE_DAMAGED;
}

bool checkpoint_same_epoch(const struct checkpoint *a, const struct checkpoint *b)
{
    return strcmp(a->region, b->region) == 0 && a->epoch == b->epoch &&
           memcmp(a->epoch_id, b->epoch_id, EPOCH_ID_BYTES) == 0;
}
