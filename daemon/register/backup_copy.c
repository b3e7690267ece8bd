/*
 * backup_copy.c - the local consistent copy from which a backup is read.
 *
 * Owns: what is copied, and in which order. The backups' thread.
 * Invariant: a signed head in the copy covers nothing that the copy lacks: the heads are read first; what they cover
 * had been appended by then, and a segment that goes on meanwhile is copied with that and perhaps a part of a record,
 * which is cut off where it is restored; the environment comes last.
 */
#include "daemon/base/log.h"
#include "daemon/register/backup_parts.h"
#include "daemon/register/store_lmdb.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define SEGMENT_PREFIX "disclosures-"
#define SEGMENT_DIGITS 8
#define HEADS_BYTES    ((size_t)256 * 1024) /* more than a file of signed heads ever has */
#define HEADS_TRIES    100
#define BUFFER_BYTES   (3 * HEADS_BYTES)

static const char *const heads[2] = {"disclosure-heads-a", "disclosure-heads-b"};

struct copying {
    const struct backups_options *source;
    struct backup *backup;
    struct problem *problem;
    uint8_t *buffer; /* BUFFER_BYTES */
};

static enum err failed(struct copying *copying, int code, const char *what)
{
    enum err err = store_disk_error(code, copying->source->folder);
    return problem_set(copying->problem, err, "", "%.100s can't be copied: %s; no backup was made", what,
                       err == ERR_STORE_FULL ? "the disk is full" : strerror(code));
}

static void path_in(const char *folder, const char *name, char out[BACKUP_PATH_BYTES])
{
    snprintf(out, BACKUP_PATH_BYTES, "%s/%s", folder, name);
}

/* --- the list of files ------------------------------------------------------------------------------------------- */

static void add(struct backup *backup, const char *name, const char *file, uint64_t bytes)
{
    if (backup->count == backup->capacity) {
        backup->capacity = backup->capacity ? 2 * backup->capacity : 16;
        backup->files = realloc(backup->files, backup->capacity * sizeof *backup->files);
        if (backup->files == NULL)
            log_fatal("register", "no memory for the names of %zu files", backup->capacity);
    }
    struct backup_file *added = &backup->files[backup->count++];
    *added = (struct backup_file){.bytes = bytes};
    snprintf(added->name, sizeof added->name, "%s", name);
    snprintf(added->file, sizeof added->file, "%s", file);
}

static enum err add_made(struct copying *copying, const char *name, const char *file)
{
    char path[BACKUP_PATH_BYTES];
    struct stat about;
    path_in(copying->backup->folder, file, path);
    if (stat(path, &about) != 0)
        return failed(copying, errno, file);
    add(copying->backup, name, file, (uint64_t)about.st_size);
    return ERR_NONE;
}

/* --- single files ------------------------------------------------------------------------------------------------ */

static int write_all(int fd, const uint8_t *octets, size_t size)
{
    for (size_t done = 0; done < size;) {
        ssize_t now = write(fd, octets + done, size - done);
        if (now < 0 && errno == EINTR)
            continue;
        if (now <= 0)
            return now < 0 ? errno : ENOSPC;
        done += (size_t)now;
    }
    return 0;
}

static int open_new(struct copying *copying, const char *name)
{
    char path[BACKUP_PATH_BYTES];
    path_in(copying->backup->folder, name, path);
    return open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
}

static enum err make_file(struct copying *copying, const char *name, const uint8_t *octets, size_t size)
{
    int fd = open_new(copying, name);
    if (fd < 0)
        return failed(copying, errno, name);
    int code = write_all(fd, octets, size);
    if (close(fd) != 0 && code == 0)
        code = errno;
    return code == 0 ? ERR_NONE : failed(copying, code, name);
}

/* errno, or 0. A file of the data folder from its beginning to its end, which moves. */
static int copy_octets(struct copying *copying, int from, int to)
{
    for (;;) {
        ssize_t got = read(from, copying->buffer, BUFFER_BYTES);
        if (got < 0 && errno == EINTR)
            continue;
        int code = got < 0 ? errno : write_all(to, copying->buffer, (size_t)got);
        if (code != 0 || got == 0)
            return code;
    }
}

static enum err copy_file(struct copying *copying, const char *name)
{
    char path[BACKUP_PATH_BYTES];
    path_in(copying->source->folder, name, path);
    int from = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (from < 0)
        return failed(copying, errno, name);
    int to = open_new(copying, name), code = to < 0 ? errno : copy_octets(copying, from, to);
    close(from);
    if (to >= 0 && close(to) != 0 && code == 0)
        code = errno;
    return code == 0 ? ERR_NONE : failed(copying, code, name);
}

/* --- the audit trail --------------------------------------------------------------------------------------------- */

static enum err read_heads(struct copying *copying, const char *name, uint8_t *out, size_t *got)
{
    struct store *store = copying->source->store;
    enum err err = store->ops->segment_read(store, name, 0, out, HEADS_BYTES, got);
    return err == ERR_NONE ? err : problem_set(copying->problem, err, "", "%s can't be read; no backup was made", name);
}

/*
 * The two are emptied and written in turn: read one after the other, neither might have the newest head. So the first
 * must be what it was before the second was read.
 */
static enum err copy_heads(struct copying *copying)
{
    uint8_t *first = copying->buffer, *second = first + HEADS_BYTES, *again = second + HEADS_BYTES;
    size_t first_bytes = 0, second_bytes = 0, again_bytes = 0;
    bool same = false;
    enum err err = ERR_NONE;
    for (int tries = 0; err == ERR_NONE && !same && tries < HEADS_TRIES; tries++) {
        err = read_heads(copying, heads[0], first, &first_bytes);
        if (err == ERR_NONE)
            err = read_heads(copying, heads[1], second, &second_bytes);
        if (err == ERR_NONE)
            err = read_heads(copying, heads[0], again, &again_bytes);
        same = err == ERR_NONE && first_bytes == again_bytes && memcmp(first, again, first_bytes) == 0;
    }
    if (err == ERR_NONE && !same)
        err = problem_set(copying->problem, ERR_UNAVAILABLE, "", "the audit trail's heads move too fast; try again");
    if (err == ERR_NONE)
        err = make_file(copying, heads[0], first, first_bytes);
    if (err == ERR_NONE)
        err = make_file(copying, heads[1], second, second_bytes);
    return err;
}

static int is_segment(const struct dirent *entry)
{
    size_t prefix = strlen(SEGMENT_PREFIX);
    return strncmp(entry->d_name, SEGMENT_PREFIX, prefix) == 0 && strlen(entry->d_name) == prefix + SEGMENT_DIGITS &&
           strspn(entry->d_name + prefix, "0123456789") == SEGMENT_DIGITS;
}

/* Only the last one still changes. Those before it take no room: they are linked, where the disk can do that. */
static enum err copy_segment(struct copying *copying, const char *name, bool last)
{
    char from[BACKUP_PATH_BYTES], to[BACKUP_PATH_BYTES];
    path_in(copying->source->folder, name, from);
    path_in(copying->backup->folder, name, to);
    return !last && link(from, to) == 0 ? ERR_NONE : copy_file(copying, name);
}

static enum err copy_segments(struct copying *copying)
{
    struct dirent **found = NULL;
    int count = scandir(copying->source->folder, &found, is_segment, alphasort);
    enum err err = count < 0 ? failed(copying, errno, "the audit trail") : ERR_NONE;
    for (int i = 0; i < count; i++) {
        if (err == ERR_NONE)
            err = copy_segment(copying, found[i]->d_name, i + 1 == count);
        if (err == ERR_NONE)
            err = add_made(copying, found[i]->d_name, found[i]->d_name);
        free(found[i]);
    }
    free(found);
    return err;
}

/* --- all of it --------------------------------------------------------------------------------------------------- */

/* Before anything is written: a copy that fills the disk would stop the register. */
static enum err check_room(struct copying *copying)
{
    const struct backups_options *source = copying->source;
    struct store_usage usage;
    struct statvfs disk;
    enum err err = source->store->ops->usage(source->store, &usage);
    if (err != ERR_NONE)
        return problem_set(copying->problem, err, "", "the register can't be measured; no backup was made");
    if (statvfs(source->folder, &disk) != 0)
        return failed(copying, errno, "the register");
    uint64_t left = (uint64_t)disk.f_bavail * disk.f_frsize, need = usage.used_bytes + source->reserve_bytes;
    if (left >= need)
        return ERR_NONE;
    return problem_set(
        copying->problem, ERR_STORE_FULL, "",
        "no room for a backup: the copy that it is made from needs %llu MiB beside the data folder's own, "
        "of which %llu MiB are to stay free; its disk has %llu MiB",
        (unsigned long long)(need >> 20), (unsigned long long)(source->reserve_bytes >> 20),
        (unsigned long long)(left >> 20));
}

/* In the order of backup.h; the files are listed in the archive's. */
static enum err copy_all(struct copying *copying)
{
    char note[BACKUP_NOTE_BYTES];
    struct backup *backup = copying->backup;
    struct store *store = copying->source->store;
    size_t note_bytes = home_backup_note(copying->source->home, note);
    enum err err = make_file(copying, BACKUP_NOTE_FILE, (const uint8_t *)note, note_bytes);
    if (err == ERR_NONE)
        err = copy_heads(copying);
    if (err == ERR_NONE)
        err = add_made(copying, BACKUP_NOTE_FILE, BACKUP_NOTE_FILE);
    add(backup, "home/", "", 0);
    add(backup, "home/" STORE_ENV_FILE, STORE_ENV_FILE, 0);
    size_t environment = backup->count - 1;
    if (err == ERR_NONE)
        err = copy_segments(copying);
    for (int i = 0; i < 2 && err == ERR_NONE; i++)
        err = add_made(copying, heads[i], heads[i]);
    if (err != ERR_NONE)
        return err;
    err = store->ops->copy(store, backup->folder);
    if (err != ERR_NONE)
        return problem_set(copying->problem, err, "", "the register can't be copied: %s; no backup was made",
                           err == ERR_STORE_FULL ? "the disk is full" : err_name(err));
    struct stat about;
    char path[BACKUP_PATH_BYTES];
    path_in(backup->folder, STORE_ENV_FILE, path);
    if (stat(path, &about) != 0)
        return failed(copying, errno, STORE_ENV_FILE);
    backup->files[environment].bytes = (uint64_t)about.st_size;
    return ERR_NONE;
}

enum err backup_copy(const struct backups_options *source, struct backup *backup, struct problem *problem)
{
    struct copying copying = {.source = source, .backup = backup, .problem = problem, .buffer = malloc(BUFFER_BYTES)};
    if (copying.buffer == NULL)
        return problem_set(problem, ERR_LIMIT, "", "this hub is short of memory; try again");
    enum err err = check_room(&copying);
    if (err == ERR_NONE && (!backup_folder_remove(backup->folder) || mkdir(backup->folder, 0700) != 0))
        err = failed(&copying, errno, backup->folder);
    if (err == ERR_NONE)
        err = copy_all(&copying);
    free(copying.buffer);
    return err;
}

bool backup_folder_remove(const char *folder)
{
    DIR *entries = opendir(folder);
    if (entries == NULL)
        return errno == ENOENT;
    for (const struct dirent *entry; (entry = readdir(entries)) != NULL;)
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            unlinkat(dirfd(entries), entry->d_name, 0); /* what can't be removed leaves the folder, which is told */
    closedir(entries);
    return rmdir(folder) == 0;
}
