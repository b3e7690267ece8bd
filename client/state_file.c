/*
 * state_file.c - see state_file.h. The client's one thread.
 */
#include "client/state_file.h"

#include "client/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

char *state_file_path(const char *name)
{
    const char *state = getenv("XDG_STATE_HOME"), *home = getenv("HOME");
    if (state != NULL && state[0] == '/')
        return must_print("%s/vacancy/%s", state, name);
    return must_print("%s/.local/state/vacancy/%s", home ? home : "", name);
}

enum err state_file_load(const char *path, size_t max_bytes, char **out, struct problem *problem)
{
    *out = NULL;
    FILE *file = fopen(path, "re");
    if (file == NULL && errno == ENOENT)
        return ERR_NONE;
    if (file == NULL)
        return problem_set(problem, ERR_STORE_IO, "", "%s can't be read: %s", path, strerror(errno));
    char *text = must_alloc(max_bytes + 2, 1);
    size_t bytes = fread(text, 1, max_bytes + 1, file);
    bool failed = ferror(file) != 0;
    fclose(file);
    if (!failed && bytes <= max_bytes && strlen(text) == bytes) {
        *out = text;
        return ERR_NONE;
    }
    free(text);
    if (failed)
        return problem_set(problem, ERR_STORE_IO, "", "%s can't be read", path);
    return problem_set(problem, ERR_INVALID, "", "%s is damaged", path);
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

static enum err not_written(const char *path, struct problem *problem)
{
    return problem_set(problem, ERR_STORE_IO, "", "%s can't be written: %s", path, strerror(errno));
}

enum err state_file_save(const char *path, const char *text, struct problem *problem)
{
    char *new_path = must_print("%s.new", path);
    enum err err = ERR_NONE;
    if (!make_folders(path) || !write_whole(new_path, text) || rename(new_path, path) != 0)
        err = not_written(path, problem);
    else
        sync_folder(path);
    free(new_path);
    return err;
}

enum err state_file_lock(const char *path, int *lock, struct problem *problem)
{
    char *lock_path = must_print("%s.lock", path);
    enum err err = ERR_NONE;
    *lock = make_folders(path) ? open(lock_path, O_RDWR | O_CREAT | O_CLOEXEC, 0600) : -1;
    if (*lock < 0 || flock(*lock, LOCK_EX) != 0)
        err = not_written(lock_path, problem);
    if (err != ERR_NONE && *lock >= 0)
        close(*lock);
    free(lock_path);
    return err;
}

void state_file_unlock(int lock)
{
    close(lock);
}
