/*
 * watch_cursor.h - how far an agency's events are dealt with, kept in a file from one run to the next.
 *
 * Owns: the file (mode 0600, locked against a second watch), a line of one length that is written in place, so that it
 * can be written for each event. Thread: the client's one thread.
 * Invariant: what it says was dealt with; killed, a program loses nothing of it, and a power cut at most the last
 * second.
 */
#ifndef VACANCY_CLIENT_WATCH_CURSOR_H
#define VACANCY_CLIENT_WATCH_CURSOR_H

#include "daemon/base/error.h"

#include <stdbool.h>
#include <stdint.h>

struct watch_cursor {
    int fd;
    uint64_t cursor; /* the last event that was dealt with; 0: none */
    bool unsynced;
    char whose[64];
    char *path;
};

/*
 * whose: "E12000003/leeds". path NULL: the default one. ERR_STORE_IO; ERR_INVALID: damaged, or another agency's;
 * ERR_PRECONDITION: another program watches with it.
 */
enum err watch_cursor_open(const char *path, const char *whose, struct watch_cursor *out, struct problem *problem)
    __attribute__((warn_unused_result));
void watch_cursor_close(struct watch_cursor *cursor);
enum err watch_cursor_keep(struct watch_cursor *cursor, uint64_t value, struct problem *problem)
    __attribute__((warn_unused_result));
/* To the disk, if something is not. */
void watch_cursor_sync(struct watch_cursor *cursor);

#endif
