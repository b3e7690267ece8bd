/*
 * backup.h - a copy of this hub's own region, as a tar archive (design section 9, Restore).
 *
 * The archive, in this order; all of it unpacks into an empty data folder:
 *
 *     restored                 signed: whose, of when (backup_note.h); a hub that finds it there restores
 *     home/data.mdb            the home environment, compacted: register, private tables, writes' audit chain
 *     disclosures-00000001...  the segments of the disclosures' audit chain
 *     disclosure-heads-a, -b   the signed heads of both chains
 *
 * Never the replica environment, never a key.
 * Owns: DATA/backup.tmp, where the copy is made, on a thread of its own, and the reading of it as an archive. It is
 * made in the opposite order: heads, then segments, then the environment, so that no signed head covers more than is
 * there. One at a time. Not here: who may ask, and the sending (service). Thread: begin any; a finished backup's
 * functions one at a time. Invariant: no octet of an archive is given before all of the copy was made; its files are
 * gone with its handle.
 */
#ifndef VACANCY_REGISTER_BACKUP_H
#define VACANCY_REGISTER_BACKUP_H

#include "daemon/register/home.h"

struct backups;
struct backup;

struct backups_options {
    struct home *home;   /* borrowed, as is the store */
    struct store *store; /* the home environment's */
    const char *folder;  /* the data folder; copied */
    const struct clock_source *clock;
    uint64_t reserve_bytes; /* of the disk, that a backup leaves free beside what it needs */
};

/* Removes what a killed daemon left, and starts the thread. Aborts when out of memory (start-up only). */
struct backups *backups_create(const struct backups_options *options);
/* Waits for the copy under way; what is asked for after it is refused. While the replies' mailboxes are still there. */
void backups_stop(struct backups *backups);
/* After backups_stop, and after every backup was destroyed. NULL is fine, for both. */
void backups_destroy(struct backups *backups);

/* ERR_LIMIT: one is being made or sent. ERR_NONE: the reply, to a place that was reserved, has the backup as payload,
 * which is the receiver's, also where it failed. */
enum err backups_begin(struct backups *backups, const struct reply_address *reply) __attribute__((warn_unused_result));

/* What became of it: ERR_STORE_FULL when there is no room for the copy, ERR_STORE_IO, ERR_UNAVAILABLE. */
enum err backup_outcome(const struct backup *backup, struct problem *problem);
/* The archive's next octets, at most `size` of them; none: that was all. ERR_STORE_IO. */
enum err backup_read(struct backup *backup, uint8_t *out, size_t size, size_t *got) __attribute__((warn_unused_result));
/* Removes the copy; the next may begin. NULL is fine. */
void backup_destroy(struct backup *backup);

#endif
