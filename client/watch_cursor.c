/*
 * watch_cursor.c - see watch_cursor.h. The client's one thread.
 */
#include "client/watch_cursor.h"

#include "client/memory.h"
#include "client/state_file.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#define FIRST_WORDS "vacancy cursor 1 "
#define LINE_BYTES  128

static int line_of(const struct watch_cursor *cursor, char out[LINE_BYTES])
{
    return snprintf(out, LINE_BYTES, FIRST_WORDS "%s %020" PRIu64 "\n", cursor->whose, cursor->cursor);
}

/* The text must be what we would have written. */
static enum err take_text(struct watch_cursor *cursor, const char *text, struct problem *problem)
{
    char line[LINE_BYTES], whose[64] = "";
    uint64_t value = 0;
    if (sscanf(text, FIRST_WORDS "%63s %" SCNu64, whose, &value) == 2 && strcmp(whose, cursor->whose) != 0)
        return problem_set(problem, ERR_INVALID, "", "%s is that of %s; give another with --cursor", cursor->path,
                           whose);
    cursor->cursor = value;
    line_of(cursor, line);
    if (strcmp(line, text) == 0)
        return ERR_NONE;
    return problem_set(problem, ERR_INVALID, "",
                       "%s is damaged; take it away, and all events that are kept are told again", cursor->path);
}

static enum err load(struct watch_cursor *cursor, struct problem *problem)
{
    char *text = NULL, line[LINE_BYTES];
    enum err err = state_file_load(cursor->path, LINE_BYTES, &text, problem);
    if (err == ERR_NONE && text == NULL) {
        line_of(cursor, line);
        return state_file_save(cursor->path, line, problem);
    }
    if (err == ERR_NONE)
        err = take_text(cursor, text, problem);
    free(text);
    return err;
}

enum err watch_cursor_open(const char *path, const char *whose, struct watch_cursor *out, struct problem *problem)
{
    char name[64];
    const char *slash = strrchr(whose, '/');
    snprintf(name, sizeof name, "cursor-%s", slash ? slash + 1 : whose);
    *out = (struct watch_cursor){.fd = -1, .path = path ? must_copy(path) : state_file_path(name)};
    snprintf(out->whose, sizeof out->whose, "%s", whose);
    enum err err = load(out, problem);
    if (err == ERR_NONE && (out->fd = open(out->path, O_RDWR | O_CLOEXEC)) < 0)
        err = problem_set(problem, ERR_STORE_IO, "", "%s can't be written: %s", out->path, strerror(errno));
    if (err == ERR_NONE && flock(out->fd, LOCK_EX | LOCK_NB) != 0)
        err = problem_set(problem, ERR_PRECONDITION, "",
                          "another `vacancy watch` keeps its place in %s; give this one its own with --cursor",
                          out->path);
    if (err != ERR_NONE)
        watch_cursor_close(out);
    return err;
}

void watch_cursor_close(struct watch_cursor *cursor)
{
    if (cursor->fd >= 0) {
        watch_cursor_sync(cursor);
        close(cursor->fd);
    }
    free(cursor->path);
    *cursor = (struct watch_cursor){.fd = -1};
}

enum err watch_cursor_keep(struct watch_cursor *cursor, uint64_t value, struct problem *problem)
{
    char line[LINE_BYTES];
    if (value == cursor->cursor)
        return ERR_NONE;
    cursor->cursor = value;
    int bytes = line_of(cursor, line);
    cursor->unsynced = true;
    if (pwrite(cursor->fd, line, (size_t)bytes, 0) == bytes)
        return ERR_NONE;
    return problem_set(problem, ERR_STORE_IO, "", "%s can't be written: %s", cursor->path, strerror(errno));
}

void watch_cursor_sync(struct watch_cursor *cursor)
{
    if (cursor->unsynced)
        fdatasync(cursor->fd);
    cursor->unsynced = false;
}
