/*
 * audit_memory.h - the file in which the last verified head of a region is remembered.
 *
 * Thread: the client's one thread. Invariant: the file is replaced whole or not at all, and on disk before it is said
 * that it was kept.
 */
#ifndef VACANCY_CLIENT_AUDIT_MEMORY_H
#define VACANCY_CLIENT_AUDIT_MEMORY_H

#include "client/audit_check.h"

/* $XDG_STATE_HOME/vacancy/audit-REGION, or under ~/.local/state. The caller frees it. */
char *audit_memory_path(const char *region);
/* A file that is not there is an empty memory. ERR_INVALID: damaged; ERR_STORE_IO: can't be read. */
enum err audit_memory_load(const char *path, struct audit_memory *out, struct problem *problem)
    __attribute__((warn_unused_result));
/* Makes the folders on the way, 0700. ERR_STORE_IO. */
enum err audit_memory_save(const char *path, const struct audit_memory *memory, struct problem *problem)
    __attribute__((warn_unused_result));

#endif
