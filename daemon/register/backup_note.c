/*
 * backup_note.c - see backup_note.h.
 * Owns nothing; any thread. Invariant: no field of a note is believed before its signature was verified.
 */
#include "daemon/register/backup_note.h"

#include "daemon/record/lines.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

size_t backup_note_write(const struct backup_note *note, const struct signer *signer, char out[BACKUP_NOTE_BYTES])
{
    char epoch_id[2 * EPOCH_ID_BYTES + 1], hex[2 * SIGNATURE_BYTES + 1];
    uint8_t signature[SIGNATURE_BYTES];
    hex_encode(note->epoch_id, EPOCH_ID_BYTES, epoch_id);
    int text = snprintf(out, BACKUP_NOTE_BYTES,
                        "vacancy backup v1\n"
                        "region %s\n"
                        "epoch %" PRIu64 " %s\n"
                        "sequence %" PRIu64 "\n"
                        "time %" PRId64 "\n",
                        note->region, note->epoch, epoch_id, note->sequence, note->time_ms);
    signer_sign(signer, out, (size_t)text, signature);
    hex_encode(signature, SIGNATURE_BYTES, hex);
    return (size_t)text + (size_t)snprintf(out + text, BACKUP_NOTE_BYTES - (size_t)text, "signature %s\n", hex);
}

enum err backup_note_read(const char *text, size_t bytes, const uint8_t public_key[PUBLIC_KEY_BYTES],
                          struct backup_note *out)
{
    struct place at = {text, text + bytes};
    struct backup_note note = {0};
    uint8_t signature[SIGNATURE_BYTES];
    uint64_t time_ms = 0;
    bool good = take_words(&at, "vacancy backup v1\nregion ") && take_gss_code(&at, note.region) &&
                take_words(&at, "\nepoch ") && take_number(&at, UINT64_MAX, &note.epoch) && take_words(&at, " ") &&
                take_hex(&at, note.epoch_id, EPOCH_ID_BYTES) && take_words(&at, "\nsequence ") &&
                take_number(&at, UINT64_MAX, &note.sequence) && take_words(&at, "\ntime ") &&
                take_number(&at, INT64_MAX, &time_ms) && take_words(&at, "\n");
    size_t signed_bytes = (size_t)(at.at - text);
    good = good && take_words(&at, "signature ") && take_hex(&at, signature, SIGNATURE_BYTES) &&
           take_words(&at, "\n") && place_left(&at) == 0;
    if (!good)
        return ERR_INVALID;
    if (!signature_verify(public_key, text, signed_bytes, signature))
        return ERR_UNAUTHENTICATED;
    note.time_ms = (int64_t)time_ms;
    *out = note;
    return ERR_NONE;
}
