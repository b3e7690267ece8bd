/*
 * store_segment.c - append-only files: a whole record or nothing of it per append, fdatasync on request.
 *
 * Owns: a descriptor for each segment used lately. Thread: any, by two locks: `lock` for the table of files, held
 * while octets are appended, read or cut, but never while the disk is waited for; `sync_turn`, taken first, for one
 * sync or cut at a time.
 * Invariant: a record that was refused leaves nothing behind, and after a failed fdatasync the segment takes no more
 * records.
 */
#include "daemon/base/log.h"
#include "daemon/register/store_lmdb.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define SEGMENTS_OPEN    16
#define SEGMENT_NAME_MAX 63
#define DISK_LOW_BYTES   (1024 * 1024)
#define REWRITE_BYTES    (64 * 1024)

struct segment_file {
    char name[SEGMENT_NAME_MAX + 1];
    int fd;
    off_t end;          /* of its whole records */
    off_t synced;       /* `end` as of the last sync, or as it was opened */
    off_t left;         /* what was there when it was opened: to be written anew at the first sync */
    bool new_here;      /* opened and not synced since: its folder's entry may not be durable either */
    bool broken, busy;  /* busy: being synced, without the lock */
    unsigned long used; /* by the files' clock */
};

struct segment_files {
    char folder[PATH_MAX];
    pthread_mutex_t sync_turn, lock;
    struct segment_file files[SEGMENTS_OPEN];
    int count;
    unsigned long clock;
};

enum err store_disk_error(int code, const char *path)
{
    struct statvfs disk;
    if (code == ENOSPC || code == EDQUOT || code == EFBIG)
        return ERR_STORE_FULL;
    if (code == EIO && statvfs(path, &disk) == 0 && (uint64_t)disk.f_bavail * disk.f_frsize < DISK_LOW_BYTES)
        return ERR_STORE_FULL;
    return ERR_STORE_IO;
}

struct segment_files *segment_files_create(const char *folder)
{
    struct segment_files *files = calloc(1, sizeof *files);
    if (files == NULL)
        return NULL;
    snprintf(files->folder, sizeof files->folder, "%s", folder);
    pthread_mutex_init(&files->sync_turn, NULL);
    pthread_mutex_init(&files->lock, NULL);
    return files;
}

void segment_files_destroy(struct segment_files *files)
{
    if (files == NULL)
        return;
    for (int i = 0; i < files->count; i++)
        close(files->files[i].fd);
    pthread_mutex_destroy(&files->lock);
    pthread_mutex_destroy(&files->sync_turn);
    free(files);
}

static bool evictable(const struct segment_file *file)
{
    return !file->broken && !file->busy && file->synced == file->end;
}

/* A free slot; if there is none, the one used longest ago is closed, but none whose fdatasync is still to be told of.
 */
static struct segment_file *free_slot(struct segment_files *files)
{
    struct segment_file *oldest = NULL;
    if (files->count < SEGMENTS_OPEN)
        return &files->files[files->count++];
    for (int i = 0; i < files->count; i++)
        if (evictable(&files->files[i]) && (oldest == NULL || files->files[i].used < oldest->used))
            oldest = &files->files[i];
    if (oldest != NULL)
        close(oldest->fd);
    return oldest;
}

static enum err find(struct segment_files *files, const char *name, bool create, struct segment_file **out)
{
    *out = NULL;
    for (int i = 0; i < files->count; i++)
        if (strcmp(files->files[i].name, name) == 0) {
            *out = &files->files[i];
            (*out)->used = ++files->clock;
            return ERR_NONE;
        }
    size_t length = strlen(name);
    if (length == 0 || length > SEGMENT_NAME_MAX || name[0] == '.' || strchr(name, '/') != NULL)
        return ERR_INVALID;
    char path[PATH_MAX + SEGMENT_NAME_MAX + 2];
    snprintf(path, sizeof path, "%s/%s", files->folder, name);
    int fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW | (create ? O_CREAT : 0), 0600);
    if (fd < 0)
        return errno == ENOENT ? ERR_NOT_FOUND : store_disk_error(errno, files->folder);
    struct stat found;
    struct segment_file *file = fstat(fd, &found) == 0 ? free_slot(files) : NULL;
    if (file == NULL) {
        close(fd);
        return ERR_STORE_IO;
    }
    *file = (struct segment_file){.fd = fd,
                                  .end = found.st_size,
                                  .synced = found.st_size,
                                  .left = found.st_size,
                                  .new_here = true,
                                  .used = ++files->clock};
    memcpy(file->name, name, length + 1);
    *out = file;
    return ERR_NONE;
}

/* --- appending and reading --------------------------------------------------------------------------------------- */

/* Lock held. A record is there whole or not at all: what was written of it is cut off again. */
static enum err append(struct segment_files *files, struct segment_file *file, const struct octets *octets)
{
    for (size_t done = 0; done < octets->size;) {
        ssize_t written = pwrite(file->fd, octets->data + done, octets->size - done, file->end + (off_t)done);
        if (written < 0 && errno == EINTR)
            continue;
        if (written > 0) {
            done += (size_t)written;
            continue;
        }
        int code = written < 0 ? errno : ENOSPC;
        if (ftruncate(file->fd, file->end) == 0)
            return store_disk_error(code, files->folder);
        log_error("register", "segment %s keeps a part of a record: %s", file->name, strerror(errno));
        file->broken = true;
        return ERR_STORE_IO;
    }
    file->end += (off_t)octets->size;
    return ERR_NONE;
}

enum err segment_files_append(struct segment_files *files, const char *segment, const struct octets *octets)
{
    struct segment_file *file;
    pthread_mutex_lock(&files->lock);
    enum err err = find(files, segment, true, &file);
    if (err == ERR_NONE)
        err = file->broken ? ERR_STORE_IO : append(files, file, octets);
    pthread_mutex_unlock(&files->lock);
    return err;
}

/* How many octets from `offset` on could be read: fewer than `size` at the end; -1 on failure. */
static ssize_t read_at(int fd, uint64_t offset, uint8_t *out, size_t size)
{
    size_t got = 0;
    while (got < size) {
        ssize_t now = pread(fd, out + got, size - got, (off_t)(offset + got));
        if (now < 0 && errno == EINTR)
            continue;
        if (now < 0)
            return -1;
        if (now == 0)
            break;
        got += (size_t)now;
    }
    return (ssize_t)got;
}

enum err segment_files_read(struct segment_files *files, const char *segment, uint64_t offset, uint8_t *out,
                            size_t size, size_t *got)
{
    struct segment_file *file;
    *got = 0;
    pthread_mutex_lock(&files->lock);
    enum err err = find(files, segment, false, &file);
    if (err == ERR_NONE) {
        ssize_t octets = read_at(file->fd, offset, out, size);
        *got = octets > 0 ? (size_t)octets : 0;
        err = octets < 0 ? ERR_STORE_IO : ERR_NONE;
    }
    pthread_mutex_unlock(&files->lock);
    return err == ERR_NOT_FOUND ? ERR_NONE : err;
}

/* --- durable ----------------------------------------------------------------------------------------------------- */

static enum err sync_folder(const char *folder)
{
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return ERR_STORE_IO;
    enum err err = fsync(fd) == 0 ? ERR_NONE : ERR_STORE_IO;
    close(fd);
    return err;
}

/*
 * Writes the first `bytes` of a file over themselves. What an earlier process could not sync is in the page cache, but
 * may be nowhere else and no longer known as to be written: only what is written again can be synced.
 */
static enum err write_anew(const struct segment_files *files, int fd, off_t bytes)
{
    uint8_t *buffer = malloc(REWRITE_BYTES);
    if (buffer == NULL)
        return ERR_STORE_FULL;
    enum err err = ERR_NONE;
    for (off_t at = 0; err == ERR_NONE && at < bytes;) {
        size_t want = bytes - at < REWRITE_BYTES ? (size_t)(bytes - at) : REWRITE_BYTES;
        ssize_t got = read_at(fd, (uint64_t)at, buffer, want);
        ssize_t put = got == (ssize_t)want ? pwrite(fd, buffer, want, at) : -1;
        if (got != (ssize_t)want)
            err = ERR_STORE_IO;
        else if (put > 0)
            at += put;
        else if (put == 0 || errno != EINTR)
            err = store_disk_error(put == 0 ? ENOSPC : errno, files->folder);
    }
    free(buffer);
    return err;
}

enum err segment_files_sync(struct segment_files *files, const char *segment)
{
    struct segment_file *file;
    pthread_mutex_lock(&files->sync_turn);
    pthread_mutex_lock(&files->lock);
    enum err err = find(files, segment, false, &file);
    if (err == ERR_NONE && file->broken)
        err = ERR_STORE_IO;
    if (err == ERR_NONE) {
        const struct segment_file before = *file;
        file->busy = true;
        pthread_mutex_unlock(&files->lock);
        if (before.left > 0)
            err = write_anew(files, before.fd, before.left);
        if (err == ERR_NONE && fdatasync(before.fd) != 0)
            err = ERR_STORE_IO;
        if (err == ERR_NONE && before.new_here)
            err = sync_folder(files->folder);
        pthread_mutex_lock(&files->lock);
        file->busy = false;
        if (err == ERR_NONE) {
            file->synced = before.end;
            file->left = 0;
            file->new_here = false;
        } else if (err == ERR_STORE_IO) {
            file->broken = true;
            log_error("register", "segment %s can't be synced: it is refused until a restart", file->name);
        }
    }
    pthread_mutex_unlock(&files->lock);
    pthread_mutex_unlock(&files->sync_turn);
    return err == ERR_NOT_FOUND ? ERR_NONE : err;
}

/* Both locks held; the table's is let go while the disk is waited for. */
static enum err cut(struct segment_files *files, struct segment_file *file, off_t bytes)
{
    if (bytes >= file->end)
        return ERR_NONE;
    if (ftruncate(file->fd, bytes) != 0)
        return store_disk_error(errno, files->folder);
    file->end = bytes;
    file->left = file->left < bytes ? file->left : bytes;
    file->busy = true;
    pthread_mutex_unlock(&files->lock);
    bool durable = fdatasync(file->fd) == 0;
    pthread_mutex_lock(&files->lock);
    file->busy = false;
    if (durable) {
        file->synced = bytes;
        return ERR_NONE;
    }
    file->broken = true;
    log_error("register", "segment %s can't be cut: it is refused until a restart", file->name);
    return ERR_STORE_IO;
}

enum err segment_files_truncate(struct segment_files *files, const char *segment, uint64_t bytes)
{
    struct segment_file *file;
    pthread_mutex_lock(&files->sync_turn);
    pthread_mutex_lock(&files->lock);
    enum err err = find(files, segment, false, &file);
    if (err == ERR_NONE)
        err = file->broken ? ERR_STORE_IO : cut(files, file, (off_t)bytes);
    pthread_mutex_unlock(&files->lock);
    pthread_mutex_unlock(&files->sync_turn);
    return err == ERR_NOT_FOUND ? ERR_NONE : err;
}
