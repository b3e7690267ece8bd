/*
 * backup_parts.h - what the files of a backup share. Only daemon/register/backup*.c and their tests include this.
 *
 *     backup.c           asking for one, its thread, its end      backup_copy.c  making the copy
 *     backup_archive.c   reading the copy as a tar archive        backup_note.c  the signed text
 *     backup_restore.c   what a hub does that finds one unpacked
 */
#ifndef VACANCY_REGISTER_BACKUP_PARTS_H
#define VACANCY_REGISTER_BACKUP_PARTS_H

#include "daemon/register/backup.h"
#include "daemon/register/backup_note.h"

#include <limits.h>

#define BACKUP_NOTE_FILE  "restored"
#define BACKUP_NAME_BYTES 40
#define BACKUP_PATH_BYTES (PATH_MAX + 264) /* and a name in it */

/* A file in backup.tmp, or a folder that is in the archive only (file empty). */
struct backup_file {
    char name[BACKUP_NAME_BYTES]; /* in the archive */
    char file[BACKUP_NAME_BYTES];
    uint64_t bytes;
};

struct backup {
    struct backups *owner;
    struct problem problem;
    char folder[PATH_MAX]; /* DATA/backup.tmp */
    int64_t time_ms;
    struct backup_file *files; /* in the archive's order */
    size_t count, capacity;
    /* Reading: */
    size_t at;       /* file; count: the archive's end */
    uint64_t offset; /* in it, header and padding included */
    int fd;          /* of the file being read, or -1 */
};

/* Makes the copy in backup->folder and fills in the files. What it has made is there also on an error. */
enum err backup_copy(const struct backups_options *source, struct backup *backup, struct problem *problem)
    __attribute__((warn_unused_result));
/* Removes the folder with all files in it. False: something is left. None there is fine. */
bool backup_folder_remove(const char *folder);

#endif
