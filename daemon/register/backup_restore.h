/*
 * backup_restore.h - what a hub does that finds a backup unpacked in its data folder (design section 9, Restore).
 *
 * Restoring is: tar -xf BACKUP -C DATA, into an empty folder, and start the hub. The note `restored` there
 * (backup_note.h) is looked at before the register is opened; home_open, told so, puts the register into its restoring
 * standing durably; then the note goes. Owns: that note. Thread: the one that starts the hub. Invariant: a backup of
 * another region, of an unknown moment, too old, or not the one that the note is of, is never decided upon.
 */
#ifndef VACANCY_REGISTER_BACKUP_RESTORE_H
#define VACANCY_REGISTER_BACKUP_RESTORE_H

#include "daemon/register/backup_note.h"
#include "daemon/register/home.h"

struct restore {
    const char *folder; /* the data folder */
    const char *region;
    const struct signer *signer; /* the region's */
    int64_t now_ms;              /* wall */
    int64_t max_age_ms;          /* [region] backup-max-age: older, and persons erased since may be in it */
    /* Filled in: */
    bool found;
    struct backup_note note;
};

/* Looks for the note. ERR_PRECONDITION, ERR_UNAUTHENTICATED, ERR_INVALID: this backup is not taken, and why. */
enum err backup_restore_look(struct restore *restore, struct problem *problem) __attribute__((warn_unused_result));
/* Once the register is open, and restoring (home_open has checked that it is the note's): the note is removed. */
enum err backup_restore_settle(const struct restore *restore, const struct home *home, struct problem *problem)
    __attribute__((warn_unused_result));

#endif
