/*
 * backup_archive.c - a copy read as a tar archive (ustar, POSIX.1-1988), an octet stream made as it is read.
 *
 *     each file: header 512 | octets | zeros up to a multiple of 512;  at the end: 1024 zeros
 *
 * Numbers too large for their octal field (files from 8 GiB on) are written in base 256, as GNU tar and others do.
 * Owns: where the reading stands. Thread: one at a time. Invariant: what was said of a file in its header is what
 * follows, or reading fails.
 */
#include "daemon/base/clock.h"
#include "daemon/register/backup_parts.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define BLOCK_BYTES 512u
#define END_BYTES   (2 * BLOCK_BYTES)

/* Octal digits and a NUL, or, for a larger number, base 256 with the first bit set. */
static void put_number(uint8_t *field, size_t bytes, uint64_t value)
{
    char digits[32];
    int length = snprintf(digits, sizeof digits, "%0*llo", (int)bytes - 1, (unsigned long long)value);
    if ((size_t)length < bytes) {
        memcpy(field, digits, (size_t)length + 1);
        return;
    }
    for (size_t i = 0; i < bytes; i++)
        field[bytes - 1 - i] = i < 8 ? (uint8_t)(value >> (8 * i)) : 0;
    field[0] |= 0x80;
}

static void write_header(const struct backup *backup, const struct backup_file *file, uint8_t out[BLOCK_BYTES])
{
    bool folder = file->file[0] == '\0';
    uint64_t sum = 0;
    memset(out, 0, BLOCK_BYTES);
    memcpy(out, file->name, strlen(file->name));
    put_number(out + 100, 8, folder ? 0700 : 0600);
    put_number(out + 108, 8, geteuid()); /* so that who unpacks it as root gives it to the hub's user */
    put_number(out + 116, 8, getegid());
    put_number(out + 124, 12, file->bytes);
    put_number(out + 136, 12, (uint64_t)(backup->time_ms / 1000));
    memset(out + 148, ' ', 8);
    out[156] = folder ? '5' : '0';
    memcpy(out + 257, "ustar\00000", 8);
    for (size_t i = 0; i < BLOCK_BYTES; i++)
        sum += out[i];
    snprintf((char *)out + 148, 7, "%06llo", (unsigned long long)sum); /* and a space after its NUL */
}

static uint64_t padded(uint64_t bytes)
{
    return (bytes + BLOCK_BYTES - 1) / BLOCK_BYTES * BLOCK_BYTES;
}

static size_t least(uint64_t a, size_t b)
{
    return a < b ? (size_t)a : b;
}

/* Up to `size` octets of the file's content from `from` on; all that are asked for must be there. */
static enum err read_content(struct backup *backup, const struct backup_file *file, uint64_t from, uint8_t *out,
                             size_t size)
{
    if (backup->fd < 0) {
        char path[BACKUP_PATH_BYTES];
        snprintf(path, sizeof path, "%s/%s", backup->folder, file->file);
        backup->fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
        if (backup->fd < 0)
            return ERR_STORE_IO;
    }
    for (size_t got = 0; got < size;) {
        ssize_t now = pread(backup->fd, out + got, size - got, (off_t)(from + got));
        if (now < 0 && errno == EINTR)
            continue;
        if (now <= 0)
            return ERR_STORE_IO;
        got += (size_t)now;
    }
    return ERR_NONE;
}

/* Some of the file's header, content or padding, whichever is next. */
static enum err read_file(struct backup *backup, const struct backup_file *file, uint8_t *out, size_t size, size_t *got)
{
    uint8_t header[BLOCK_BYTES];
    uint64_t content_end = BLOCK_BYTES + file->bytes;
    enum err err = ERR_NONE;
    if (backup->offset < BLOCK_BYTES) {
        write_header(backup, file, header);
        *got = least(BLOCK_BYTES - backup->offset, size);
        memcpy(out, header + backup->offset, *got);
    } else if (backup->offset < content_end) {
        *got = least(content_end - backup->offset, size);
        err = read_content(backup, file, backup->offset - BLOCK_BYTES, out, *got);
    } else {
        *got = least(BLOCK_BYTES + padded(file->bytes) - backup->offset, size);
        memset(out, 0, *got);
    }
    return err;
}

static void next_file(struct backup *backup)
{
    if (backup->fd >= 0)
        close(backup->fd);
    backup->fd = -1;
    backup->offset = 0;
    backup->at++;
}

enum err backup_read(struct backup *backup, uint8_t *out, size_t size, size_t *got)
{
    *got = 0;
    while (*got < size && backup->at < backup->count) {
        const struct backup_file *file = &backup->files[backup->at];
        size_t now = 0;
        enum err err = read_file(backup, file, out + *got, size - *got, &now);
        if (err != ERR_NONE)
            return err;
        *got += now;
        backup->offset += now;
        if (backup->offset == BLOCK_BYTES + padded(file->bytes))
            next_file(backup);
    }
    if (backup->at == backup->count && backup->offset < END_BYTES) {
        size_t now = least(END_BYTES - backup->offset, size - *got);
        memset(out + *got, 0, now);
        *got += now;
        backup->offset += now;
    }
    return ERR_NONE;
}
