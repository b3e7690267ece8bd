/*
 * backup_note.h - the signed text that says whose a backup is and of when: `restored`, the first file of its archive.
 *
 *     vacancy backup v1
 *     region E12000003
 *     epoch 1 <hex: 16-byte epoch id>
 *     sequence 1234
 *     time 1764000000000
 *     signature <hex: 64 bytes, Ed25519 by the region's key over everything before this line>
 *
 * It is written before the register is copied, so the copy has that position, or more.
 * Owns: the text, to and fro. Not here: who makes one (home_backup.c), what a hub does that finds one
 * (backup_restore.h). Thread: any; no state.
 */
#ifndef VACANCY_REGISTER_BACKUP_NOTE_H
#define VACANCY_REGISTER_BACKUP_NOTE_H

#include "daemon/base/signer.h"
#include "daemon/record/checkpoint.h"

#define BACKUP_NOTE_BYTES 512 /* with NUL; no note is longer */

struct backup_note {
    char region[GSS_BYTES];
    uint64_t epoch; /* 0: the region's log had not begun */
    uint8_t epoch_id[EPOCH_ID_BYTES];
    uint64_t sequence;
    int64_t time_ms; /* wall clock, when the backup began */
};

/* Writes and signs; returns the text's length. */
size_t backup_note_write(const struct backup_note *note, const struct signer *signer, char out[BACKUP_NOTE_BYTES]);
/* Only what backup_note_write writes. ERR_INVALID: no such text; ERR_UNAUTHENTICATED: signed by another key. */
enum err backup_note_read(const char *text, size_t bytes, const uint8_t public_key[PUBLIC_KEY_BYTES],
                          struct backup_note *out) __attribute__((warn_unused_result));

#endif
