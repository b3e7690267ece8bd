/*
 * store_segment.c - append-only files: a whole record per write(2), fdatasync on request.
 * Owns: a descriptor for each segment used lately. One thread at a time (the caller's lock). Invariant: a record that
 * was refused leaves nothing behind, and after a failed fdatasync the segment takes no more records.
 */
#include "daemon/base/log.h"
#include "daemon/register/store_lmdb.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define SEGMENTS_OPEN    16
#define SEGMENT_NAME_MAX 63
#define DISK_LOW_BYTES   (1024 * 1024)

struct segment_file {
    char name[SEGMENT_NAME_MAX + 1];
    int fd;
    bool broken;
    unsigned long used; /* by the files' clock */
};

struct segment_files {
    char folder[PATH_MAX];
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
    return files;
}

void segment_files_destroy(struct segment_files *files)
{
    if (files == NULL)
        return;
    for (int i = 0; i < files->count; i++)
        close(files->files[i].fd);
    free(files);
}

/* The folder's entry must be as durable as the file. */
static enum err sync_folder(const char *folder)
{
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return ERR_STORE_IO;
    enum err err = fsync(fd) == 0 ? ERR_NONE : store_disk_error(errno, folder);
    close(fd);
    return err;
}

/* A free slot; if there is none, the one used longest ago is closed. A broken one is never forgotten. */
static struct segment_file *free_slot(struct segment_files *files)
{
    struct segment_file *oldest = NULL;
    if (files->count < SEGMENTS_OPEN)
        return &files->files[files->count++];
    for (int i = 0; i < files->count; i++)
        if (!files->files[i].broken && (oldest == NULL || files->files[i].used < oldest->used))
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
    int fd = open(path, O_RDWR | O_APPEND | O_CLOEXEC | O_NOFOLLOW | (create ? O_CREAT : 0), 0600);
    if (fd < 0)
        return errno == ENOENT ? ERR_NOT_FOUND : store_disk_error(errno, files->folder);
    if (create) {
        enum err err = sync_folder(files->folder);
        if (err != ERR_NONE) {
            close(fd);
            return err;
        }
    }
    struct segment_file *file = free_slot(files);
    if (file == NULL) {
        close(fd);
        return ERR_STORE_IO;
    }
    *file = (struct segment_file){.fd = fd, .used = ++files->clock};
    memcpy(file->name, name, length + 1);
    *out = file;
    return ERR_NONE;
}

/* A record is there whole or not at all: what was written of it is cut off again. */
static enum err undo_partial(struct segment_files *files, struct segment_file *file, off_t end, int code)
{
    if (ftruncate(file->fd, end) != 0) {
        log_error("register", "segment %s keeps a part of a record: %s", file->name, strerror(errno));
        file->broken = true;
        return ERR_STORE_IO;
    }
    return store_disk_error(code, files->folder);
}

enum err segment_files_append(struct segment_files *files, const char *segment, const struct octets *octets)
{
    struct segment_file *file;
    enum err err = find(files, segment, true, &file);
    if (err != ERR_NONE)
        return err;
    struct stat before;
    if (file->broken || fstat(file->fd, &before) != 0)
        return ERR_STORE_IO;
    for (size_t done = 0; done < octets->size;) {
        ssize_t written = write(file->fd, octets->data + done, octets->size - done);
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
            return undo_partial(files, file, before.st_size, written < 0 ? errno : ENOSPC);
        done += (size_t)written;
    }
    return ERR_NONE;
}

enum err segment_files_sync(struct segment_files *files, const char *segment)
{
    struct segment_file *file;
    enum err err = find(files, segment, false, &file);
    if (err != ERR_NONE)
        return err == ERR_NOT_FOUND ? ERR_NONE : err;
    if (file->broken)
        return ERR_STORE_IO;
    if (fdatasync(file->fd) == 0)
        return ERR_NONE;
    err = store_disk_error(errno, files->folder);
    /* The kernel has dropped what it could not write: a second fdatasync would lie (D5). */
    file->broken = true;
    log_error("register", "segment %s can't be synced", file->name);
    return err;
}

enum err segment_files_read(struct segment_files *files, const char *segment, uint64_t offset, uint8_t *out,
                            size_t size, size_t *got)
{
    struct segment_file *file;
    *got = 0;
    enum err err = find(files, segment, false, &file);
    if (err != ERR_NONE)
        return err == ERR_NOT_FOUND ? ERR_NONE : err;
    while (*got < size) {
        ssize_t read_bytes = pread(file->fd, out + *got, size - *got, (off_t)(offset + *got));
        if (read_bytes < 0 && errno == EINTR)
            continue;
        if (read_bytes < 0)
            return ERR_STORE_IO;
        if (read_bytes == 0)
            break;
        *got += (size_t)read_bytes;
    }
    return ERR_NONE;
}

enum err segment_files_truncate(struct segment_files *files, const char *segment, uint64_t bytes)
{
    struct segment_file *file;
    struct stat now;
    enum err err = find(files, segment, false, &file);
    if (err != ERR_NONE)
        return err == ERR_NOT_FOUND ? ERR_NONE : err;
    if (fstat(file->fd, &now) != 0)
        return ERR_STORE_IO;
    if (bytes >= (uint64_t)now.st_size)
        return ERR_NONE;
    if (ftruncate(file->fd, (off_t)bytes) != 0 || fdatasync(file->fd) != 0)
        return store_disk_error(errno, files->folder);
    return ERR_NONE;
}
