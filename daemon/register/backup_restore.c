/*
 * backup_restore.c - see backup_restore.h.
 * Owns: DATA/restored. The thread that starts the hub. Invariant: the note goes only after what it asks for is durable.
 */
#include "daemon/register/backup_restore.h"

#include "daemon/base/log.h"
#include "daemon/register/backup_parts.h"
#include "daemon/register/store_lmdb.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define HOUR_MS (3600LL * 1000)
#define DAY_MS  (24 * HOUR_MS)

/* The note's octets; *got 0: there is none. */
static enum err read_note(const struct restore *restore, char out[BACKUP_NOTE_BYTES], size_t *got,
                          struct problem *problem)
{
    char path[BACKUP_PATH_BYTES];
    *got = 0;
    snprintf(path, sizeof path, "%s/%s", restore->folder, BACKUP_NOTE_FILE);
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0 && (errno == ENOENT || errno == ENOTDIR)) /* no folder either: opening the store says so */
        return ERR_NONE;
    ssize_t bytes = fd < 0 ? -1 : read(fd, out, BACKUP_NOTE_BYTES);
    int code = errno;
    if (fd >= 0)
        close(fd);
    if (bytes < 0)
        return problem_set(problem, ERR_FORBIDDEN, "", "%.150s can't be read: %s", path, strerror(code));
    if (bytes == 0)
        return problem_set(problem, ERR_INVALID, "", "%.150s is empty: unpack the backup again, into an empty folder",
                           path);
    *got = (size_t)bytes;
    return ERR_NONE;
}

static enum err check_age(const struct restore *restore, struct problem *problem)
{
    char at[TIME_TEXT_BYTES], now[TIME_TEXT_BYTES];
    int64_t age_ms = restore->now_ms - restore->note.time_ms;
    time_format(restore->note.time_ms, at);
    time_format(restore->now_ms, now);
    if (age_ms < -OBSERVED_AHEAD_MAX_MS)
        return problem_set(problem, ERR_PRECONDITION, "",
                           "the backup was made at %s, and this machine's clock says %s: set the clock", at, now);
    if (age_ms > restore->max_age_ms) {
        bool days = restore->max_age_ms % DAY_MS == 0;
        return problem_set(
            problem, ERR_PRECONDITION, "region.backup-max-age",
            "the backup is of %.16s, older than %lld %s: data of persons erased since may be in it. Restore "
            "a newer one, or start with an empty data folder and let the agencies push again",
            at, (long long)(restore->max_age_ms / (days ? DAY_MS : HOUR_MS)), days ? "days" : "hours");
    }
    return ERR_NONE;
}

/* Else the store would be made anew, empty. */
static enum err check_unpacked(const struct restore *restore, struct problem *problem)
{
    char path[BACKUP_PATH_BYTES];
    snprintf(path, sizeof path, "%s/home/%s", restore->folder, STORE_ENV_FILE);
    if (access(path, F_OK) == 0)
        return ERR_NONE;
    return problem_set(problem, ERR_STORE_DAMAGED, "",
                       "%.120s is missing: the backup was not unpacked whole; unpack it again, into an empty folder",
                       path);
}

enum err backup_restore_look(struct restore *restore, struct problem *problem)
{
    char text[BACKUP_NOTE_BYTES];
    uint8_t public_key[PUBLIC_KEY_BYTES];
    size_t bytes;
    restore->found = false;
    enum err err = read_note(restore, text, &bytes, problem);
    if (err != ERR_NONE || bytes == 0)
        return err;
    signer_public_key(restore->signer, public_key);
    err = backup_note_read(text, bytes, public_key, &restore->note);
    if (err == ERR_INVALID)
        return problem_set(problem, err, "",
                           "%.120s/%s is not what a backup has there; unpack one into an empty folder", restore->folder,
                           BACKUP_NOTE_FILE);
    if (err != ERR_NONE)
        return problem_set(
            problem, err, "",
            "the backup in %.120s is not signed by this region's key: it is another region's, or altered",
            restore->folder);
    if (strcmp(restore->note.region, restore->region) != 0)
        return problem_set(problem, ERR_PRECONDITION, "", "the backup is of region %s, the configuration says %s",
                           restore->note.region, restore->region);
    if ((err = check_age(restore, problem)) != ERR_NONE || (err = check_unpacked(restore, problem)) != ERR_NONE)
        return err;
    restore->found = true;
    return ERR_NONE;
}

static int remove_note(const char *folder)
{
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return errno;
    int code = unlinkat(fd, BACKUP_NOTE_FILE, 0) == 0 && fsync(fd) == 0 ? 0 : errno;
    close(fd);
    return code;
}

enum err backup_restore_settle(const struct restore *restore, const struct home *home, struct problem *problem)
{
    uint64_t epoch, sequence;
    char at[TIME_TEXT_BYTES];
    if (!restore->found)
        return ERR_NONE;
    home_position(home, &epoch, &sequence);
    int code = remove_note(restore->folder);
    if (code != 0)
        return problem_set(problem, ERR_FORBIDDEN, "", "%.120s/%s can't be removed: %s", restore->folder,
                           BACKUP_NOTE_FILE, strerror(code));
    time_format(restore->note.time_ms, at);
    log_warn("register", "restored from a backup of %s epoch=%llu sequence=%llu", at, (unsigned long long)epoch,
             (unsigned long long)sequence);
    return ERR_NONE;
}
