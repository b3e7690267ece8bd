/*
 * state_file.h - small files in which a user's client remembers something between two commands.
 *
 * Owns: where they are ($XDG_STATE_HOME/vacancy, else ~/.local/state/vacancy), who may read them (mode 0600, folders
 * 0700), and that they are replaced whole. Not here: what is in them. Thread: the client's one thread; other programs
 * of the same user may do the same at the same time. Invariant: a file is on disk, the old or the new, whole.
 */
#ifndef VACANCY_CLIENT_STATE_FILE_H
#define VACANCY_CLIENT_STATE_FILE_H

#include "daemon/base/error.h"

/* The caller frees it. */
char *state_file_path(const char *name) __attribute__((returns_nonnull, warn_unused_result));
/*
 * *out: its text, the caller frees it; NULL: there is no such file. ERR_INVALID: it has more than max_bytes, or a NUL;
 * ERR_STORE_IO: it can't be read.
 */
enum err state_file_load(const char *path, size_t max_bytes, char **out, struct problem *problem)
    __attribute__((warn_unused_result));
/* Makes the folders on the way. On disk when it returns. ERR_STORE_IO. */
enum err state_file_save(const char *path, const char *text, struct problem *problem)
    __attribute__((warn_unused_result));
/*
 * Waits until no other program reads it to change it; *lock goes to state_file_unlock. Not to be held over anything
 * that waits. ERR_STORE_IO.
 */
enum err state_file_lock(const char *path, int *lock, struct problem *problem) __attribute__((warn_unused_result));
void state_file_unlock(int lock);

#endif
