/*
 * home_backup.c - what the register says of a backup of itself.
 * Owns nothing; any thread. Invariant: the position in a note is durable, so a copy that begins after it has it.
 */
#include "daemon/register/home_parts.h"

#include <string.h>

size_t home_backup_note(struct home *home, char out[BACKUP_NOTE_BYTES])
{
    struct backup_note note = {.time_ms = clock_wall_ms(home->options.clock)};
    memcpy(note.region, home->options.region, sizeof note.region);
    pthread_mutex_lock(&home->lock);
    note.epoch = home->position.epoch;
    memcpy(note.epoch_id, home->position.epoch_id, EPOCH_ID_BYTES);
    note.sequence = home->position.sequence;
    pthread_mutex_unlock(&home->lock);
    return backup_note_write(&note, home->options.signer, out);
}
