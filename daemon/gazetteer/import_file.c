/* import_file.c - see import_file.h. The file is read into memory, not mapped: a file cut short under a running daemon
 * must not raise SIGBUS. Thread: any. */
#include "daemon/gazetteer/import_file.h"

#include "daemon/base/text.h"
#include "daemon/gazetteer/grid.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char import_magic[8] = {'V', 'A', 'C', 'P', 'O', 'S', 'T', '\n'};

struct disk_header {
    char magic[8];
    uint32_t version, authorities;
    uint64_t rows;
    char edition[IMPORT_EDITION_BYTES];
    uint8_t digest[DIGEST_BYTES];
};
_Static_assert(sizeof(struct disk_header) == 160, "header as documented");
_Static_assert(sizeof(struct import_row) == 16, "row as documented");
_Static_assert(sizeof(struct import_authority) == 16, "authority as documented");

static void digest_of(const struct disk_header *header, const void *body, size_t body_bytes, uint8_t out[DIGEST_BYTES])
{
    struct octets parts[] = {{(const uint8_t *)header, offsetof(struct disk_header, digest)}, {body, body_bytes}};
    digest_sha256_parts(parts, 2, out);
}

/* --- writing --------------------------------------------------------------------------------------------------- */

static enum err write_problem(const char *path, int error, struct problem *problem)
{
    if (error == ENOSPC || error == EDQUOT)
        return problem_set(problem, ERR_STORE_FULL, "", "no room on the disk for %s; make room and import again", path);
    return problem_set(problem, ERR_STORE_IO, "", "can't write %s: %s", path, strerror(error));
}

static int write_all(int fd, const void *data, size_t bytes)
{
    for (const char *at = data; bytes;) {
        ssize_t done = write(fd, at, bytes);
        if (done < 0 && errno == EINTR)
            continue;
        if (done < 0)
            return -1;
        at += done;
        bytes -= (size_t)done;
    }
    return 0;
}

static int sync_folder_of(const char *path)
{
    char copy[PATH_MAX];
    snprintf(copy, sizeof copy, "%s", path);
    int fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return -1;
    int result = fsync(fd);
    close(fd);
    return result;
}

/* Header and body as they go to disk, in one block: the file is bounded (64 MB), and the digest runs over it. */
static void *disk_image(struct import_file *file, size_t *bytes)
{
    size_t authorities = file->authority_count * sizeof *file->authorities;
    *bytes = sizeof(struct disk_header) + authorities + file->row_count * sizeof *file->rows;
    char *image = calloc(1, *bytes);
    if (!image)
        return NULL;
    struct disk_header *header = (struct disk_header *)image;
    memcpy(header->magic, import_magic, sizeof header->magic);
    header->version = htole32(IMPORT_VERSION);
    header->authorities = htole32((uint32_t)file->authority_count);
    header->rows = htole64(file->row_count);
    memcpy(header->edition, file->edition, sizeof header->edition);
    char *body = image + sizeof *header;
    memcpy(body, file->authorities, authorities);
    struct import_row *rows = (struct import_row *)(body + authorities);
    for (size_t i = 0; i < file->row_count; i++) {
        rows[i].key = htole64(file->rows[i].key);
        rows[i].easting_m = (int32_t)htole32((uint32_t)file->rows[i].easting_m);
        rows[i].northing_m = (int32_t)htole32((uint32_t)file->rows[i].northing_m);
    }
    digest_of(header, body, *bytes - sizeof *header, header->digest);
    memcpy(file->digest, header->digest, sizeof file->digest);
    return image;
}

enum err import_file_write(struct import_file *file, const char *path, struct problem *problem)
{
    char temporary[PATH_MAX];
    if ((size_t)snprintf(temporary, sizeof temporary, "%s.XXXXXX", path) >= sizeof temporary)
        return problem_set(problem, ERR_INVALID, "", "the path to write to is too long");
    size_t bytes;
    void *image = disk_image(file, &bytes);
    if (!image)
        return problem_set(problem, ERR_LIMIT, "", "not enough memory to write %zu postcodes", file->row_count);
    int error = 0, fd = mkostemp(temporary, O_CLOEXEC);
    if (fd < 0) {
        error = errno;
        goto free_image;
    }
    if (fchmod(fd, 0644) || write_all(fd, image, bytes) || fsync(fd))
        error = errno;
    if (close(fd) && !error)
        error = errno;
    if (!error && rename(temporary, path))
        error = errno;
    if (error)
        unlink(temporary);
    else if (sync_folder_of(path))
        error = errno;
free_image:
    free(image);
    return error ? write_problem(path, error, problem) : ERR_NONE;
}

/* --- reading --------------------------------------------------------------------------------------------------- */

static enum err damaged(const char *path, const char *what, struct problem *problem)
{
    return problem_set(problem, ERR_STORE_DAMAGED, "", "%s: %s; import the postcodes again", path, what);
}

/* The whole file, or an error. *out is malloc'd. */
static enum err read_whole(const char *path, void **out, size_t *bytes, struct problem *problem)
{
    const size_t most = sizeof(struct disk_header) + IMPORT_AUTHORITIES_MAX * sizeof(struct import_authority) +
                        IMPORT_ROWS_MAX * sizeof(struct import_row);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return problem_set(problem, errno == ENOENT ? ERR_NOT_FOUND : ERR_STORE_IO, "",
                           "can't open %s: %s; `vacancyd --import-postcodes DIR` makes it", path, strerror(errno));
    struct stat info;
    enum err err = ERR_NONE;
    char *data = NULL;
    size_t have = 0;
    if (fstat(fd, &info) || !S_ISREG(info.st_mode)) {
        err = problem_set(problem, ERR_STORE_IO, "", "%s is not a regular file", path);
    } else if ((uint64_t)info.st_size < sizeof(struct disk_header) || (uint64_t)info.st_size > most) {
        err = damaged(path, "not a postcode file of ours by its size", problem);
    } else if (!(data = malloc((size_t)info.st_size))) {
        err = problem_set(problem, ERR_LIMIT, "", "not enough memory to read %s", path);
    }
    while (!err && have < (size_t)info.st_size) {
        ssize_t got = read(fd, data + have, (size_t)info.st_size - have);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            err =
                problem_set(problem, ERR_STORE_IO, "", "can't read %s: %s", path, got ? strerror(errno) : "cut short");
        else
            have += (size_t)got;
    }
    close(fd);
    if (err)
        free(data);
    else
        *out = data, *bytes = have;
    return err;
}

static bool rows_are_sound(struct import_file *file)
{
    for (size_t i = 0; i < file->row_count; i++) {
        struct import_row *row = &file->rows[i];
        row->key = le64toh(row->key);
        row->easting_m = (int32_t)le32toh((uint32_t)row->easting_m);
        row->northing_m = (int32_t)le32toh((uint32_t)row->northing_m);
        if ((i && row[-1].key >> 16 >= row->key >> 16) || (row->key & 0xffff) >= file->authority_count ||
            !grid_holds(row->easting_m, row->northing_m))
            return false;
    }
    for (size_t i = 0; i < file->authority_count; i++)
        if (file->authorities[i].gss[sizeof file->authorities[i].gss - 1] ||
            !text_is_gss_code(file->authorities[i].gss))
            return false;
    return file->edition[sizeof file->edition - 1] == 0 && text_is_plain(file->edition);
}

/* Takes `memory` into *file on success only. */
static enum err unpack(const char *path, void *memory, size_t bytes, struct import_file *file, struct problem *problem)
{
    struct disk_header *header = memory;
    if (memcmp(header->magic, import_magic, sizeof header->magic) != 0)
        return damaged(path, "not a postcode file of ours", problem);
    if (le32toh(header->version) != IMPORT_VERSION)
        return problem_set(problem, ERR_PRECONDITION, "",
                           "%s has format version %u, this program reads version %d; import the postcodes again", path,
                           (unsigned)le32toh(header->version), IMPORT_VERSION);
    uint64_t authorities = le32toh(header->authorities), rows = le64toh(header->rows);
    size_t body = bytes - sizeof *header;
    if (authorities > IMPORT_AUTHORITIES_MAX || rows > IMPORT_ROWS_MAX ||
        body != authorities * sizeof(struct import_authority) + rows * sizeof(struct import_row))
        return damaged(path, "its size is not what its header says", problem);
    uint8_t digest[DIGEST_BYTES];
    digest_of(header, header + 1, body, digest);
    if (memcmp(digest, header->digest, sizeof digest) != 0)
        return damaged(path, "its digest is wrong", problem);
    memcpy(file->digest, digest, sizeof digest);
    memcpy(file->edition, header->edition, sizeof file->edition);
    file->authorities = (struct import_authority *)(header + 1);
    file->authority_count = authorities;
    file->rows = (struct import_row *)(file->authorities + authorities);
    file->row_count = rows;
    if (!rows_are_sound(file))
        return damaged(path, "a row is out of order or out of bounds", problem);
    file->memory = memory;
    return ERR_NONE;
}

enum err import_file_load(const char *path, struct import_file **out, struct problem *problem)
{
    void *memory = NULL;
    size_t bytes = 0;
    enum err err = read_whole(path, &memory, &bytes, problem);
    if (memory == NULL)
        return err;
    struct import_file *file = calloc(1, sizeof *file);
    err = file ? unpack(path, memory, bytes, file, problem)
               : problem_set(problem, ERR_LIMIT, "", "not enough memory to read %s", path);
    if (err) {
        free(file);
        free(memory);
        return err;
    }
    *out = file;
    return ERR_NONE;
}

void import_file_destroy(struct import_file *file)
{
    if (!file)
        return;
    free(file->memory);
    free(file);
}

size_t import_file_from(const struct import_file *file, uint64_t postcode_key)
{
    size_t low = 0, high = file->row_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (file->rows[middle].key >> 16 < postcode_key)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

const struct import_row *import_file_find(const struct import_file *file, uint64_t postcode_key)
{
    size_t at = import_file_from(file, postcode_key);
    return at < file->row_count && file->rows[at].key >> 16 == postcode_key ? &file->rows[at] : NULL;
}
