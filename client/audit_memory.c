/*
 * audit_memory.c - see audit_memory.h. The file: a line with the key in hex, then the head's statement.
 */
#include "client/audit_memory.h"

#include "client/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define KEY_LINE       "key "
#define FILE_MAX_BYTES (AUDIT_HEAD_MAX_BYTES + 128)

char *audit_memory_path(const char *region)
{
    const char *state = getenv("XDG_STATE_HOME"), *home = getenv("HOME");
    if (state != NULL && state[0] == '/')
        return must_print("%s/vacancy/audit-%s", state, region);
    return must_print("%s/.local/state/vacancy/audit-%s", home ? home : "", region);
}

enum err audit_memory_load(const char *path, struct audit_memory *out, struct problem *problem)
{
    char text[FILE_MAX_BYTES + 1];
    *out = (struct audit_memory){0};
    FILE *file = fopen(path, "re");
    if (file == NULL && errno == ENOENT)
        return ERR_NONE;
    if (file == NULL)
        return problem_set(problem, ERR_STORE_IO, "", "%s can't be read: %s", path, strerror(errno));
    size_t bytes = fread(text, 1, FILE_MAX_BYTES, file);
    fclose(file);
    text[bytes] = '\0';
    const char *line_end = strchr(text, '\n');
    size_t prefix = strlen(KEY_LINE);
    if (line_end == NULL || strncmp(text, KEY_LINE, prefix) != 0 || strlen(text) != bytes ||
        !hex_decode(text + prefix, (size_t)(line_end - text) - prefix, out->public_key, PUBLIC_KEY_BYTES) ||
        !audit_head_read(line_end + 1, &out->head))
        return problem_set(problem, ERR_INVALID, "",
                           "%s is damaged: find out why, then take it away to begin anew (what "
                           "was seen before is then not compared)",
                           path);
    out->has_key = out->has_head = true;
    return ERR_NONE;
}

/* Makes every folder of the path. */
static bool make_folders(const char *path)
{
    char *copy = must_copy(path);
    bool good = true;
    for (char *slash = strchr(copy + 1, '/'); slash && good; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        good = mkdir(copy, 0700) == 0 || errno == EEXIST;
        *slash = '/';
    }
    free(copy);
    return good;
}

static void sync_folder(const char *path)
{
    char *copy = must_copy(path), *slash = strrchr(copy, '/');
    if (slash != NULL)
        *slash = '\0';
    int fd = open(slash ? copy : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0) {
        fsync(fd);
        close(fd);
    }
    free(copy);
}

static bool write_whole(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0)
        return false;
    size_t bytes = strlen(text);
    bool good = write(fd, text, bytes) == (ssize_t)bytes && fsync(fd) == 0;
    return close(fd) == 0 && good;
}

enum err audit_memory_save(const char *path, const struct audit_memory *memory, struct problem *problem)
{
    char key[2 * PUBLIC_KEY_BYTES + 1], head[AUDIT_HEAD_MAX_BYTES];
    hex_encode(memory->public_key, PUBLIC_KEY_BYTES, key);
    audit_head_write(&memory->head, head);
    char *text = must_print(KEY_LINE "%s\n%s", key, head), *new_path = must_print("%s.new", path);
    enum err err = ERR_NONE;
    if (!make_folders(path) || !write_whole(new_path, text) || rename(new_path, path) != 0)
        err = problem_set(problem, ERR_STORE_IO, "", "%s can't be written: %s", path, strerror(errno));
    else
        sync_folder(path);
    free(text);
    free(new_path);
    return err;
}
