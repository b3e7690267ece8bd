/*
 * store_lmdb.h - what store_lmdb.c and its two helpers share. Only daemon/register/store_*.c include this.
 */
#ifndef VACANCY_REGISTER_STORE_LMDB_H
#define VACANCY_REGISTER_STORE_LMDB_H

#include "daemon/register/store.h"

#include <limits.h>

/* The environment's file in its folder. */
#define STORE_ENV_FILE    "data.mdb"
#define STORE_MAX_READERS 512

/*
 * First look at an environment in a child process that may die of what it finds (D6): walks every page that can be
 * reached and every record. Before threads exist. ERR_NONE or ERR_STORE_DAMAGED, with `advice` at the problem's end.
 */
enum err store_examine(const char *env_folder, uint64_t map_bytes, const char *advice, struct problem *problem)
    __attribute__((warn_unused_result));

/* Append-only files beside the environment, see store.h. */
struct segment_files;
struct segment_files *segment_files_create(const char *folder);
void segment_files_destroy(struct segment_files *files);
enum err segment_files_append(struct segment_files *files, const char *segment, const struct octets *octets);
enum err segment_files_sync(struct segment_files *files, const char *segment);
enum err segment_files_read(struct segment_files *files, const char *segment, uint64_t offset, uint8_t *out,
                            size_t size, size_t *got);
enum err segment_files_truncate(struct segment_files *files, const char *segment, uint64_t bytes);

/* errno of a failed write or sync, told apart: a full disk passes, a failing one does not. `path` is on that disk. */
enum err store_disk_error(int code, const char *path);

#endif
