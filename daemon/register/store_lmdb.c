/*
 * store_lmdb.c - the storage seam on LMDB: the one file (with store_examine.c) that includes lmdb.h.
 *
 * Owns: an environment (home or replica), the data folder's lock against a second daemon, one cached reader per thread,
 * the limit below the map and the reserve in it, and what LMDB's and the disk's errors mean. Full sync always. Thread:
 * as store.h says. Invariant: commit answers ERR_NONE only when the transaction is on disk; after a commit that failed
 * for another reason than room, no write transaction begins any more.
 */
#include "daemon/register/store_lmdb.h"
#include "daemon/base/log.h"
#include "daemon/register/tables.h"

#include <errno.h>
#include <fcntl.h>
#include <lmdb.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define PAGE_BYTES      4096u
#define NEAR_FULL_BYTES (64ULL << 20)   /* nearer to the limit than this, free pages are counted */
#define COMMIT_ROOM     (256ULL * 1024) /* branch pages and the free list of a commit */
#define MAP_SLACK_BYTES (16ULL << 20)

struct lmdb_store;

struct store_txn {
    struct lmdb_store *store;
    MDB_txn *txn;
    MDB_cursor *cursors[STORE_TABLES]; /* opened when first needed */
    bool write, cached, in_use;
    uint64_t room, reserve, charged; /* bytes that puts may still take */
    struct store_txn *next;          /* all cached readers */
};

struct lmdb_store {
    struct store store;
    enum store_kind kind;
    MDB_env *env;
    MDB_dbi dbi[STORE_TABLES]; /* of its kind's tables only */
    char env_folder[PATH_MAX];
    uint64_t limit_bytes, reserve_bytes;
    int lock_fd;
    atomic_bool broken;
    struct store_txn writer;
    pthread_key_t reader_key;
    pthread_mutex_t readers_lock;
    struct store_txn *readers;
    struct segment_files *segments; /* the home environment's; NULL in the other */
};

static struct lmdb_store *lmdb_of(struct store *store)
{
    return (struct lmdb_store *)store;
}

/* A table of the other environment is a mistake of ours. */
static MDB_dbi dbi_of(const struct lmdb_store *store, enum store_table table)
{
    if (table < store_first_table(store->kind) || table >= store_end_table(store->kind))
        log_fatal("register", "table %s is not in this environment", tables_name(table));
    return store->dbi[table];
}

/* What does not fit below RLIMIT_FSIZE is written in part first, which LMDB tells by EIO, as on a full disk. */
static bool at_file_limit(struct lmdb_store *store)
{
    struct rlimit limit;
    struct stat file;
    int fd;
    return store->env != NULL && getrlimit(RLIMIT_FSIZE, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY &&
           mdb_env_get_fd(store->env, &fd) == 0 && fstat(fd, &file) == 0 && (rlim_t)file.st_size >= limit.rlim_cur;
}

static enum err translate(struct lmdb_store *store, int rc)
{
    switch (rc) {
    case 0:
        return ERR_NONE;
    case EIO:
        return at_file_limit(store) ? ERR_STORE_FULL : store_disk_error(rc, store->env_folder);
    case MDB_NOTFOUND:
        return ERR_NOT_FOUND;
    case MDB_MAP_FULL:
    case MDB_TXN_FULL:
        return ERR_STORE_FULL;
    case MDB_CORRUPTED:
    case MDB_PAGE_NOTFOUND:
    case MDB_INVALID:
    case MDB_VERSION_MISMATCH:
        return ERR_STORE_DAMAGED;
    case MDB_READERS_FULL:
    case ENOMEM:
        return ERR_UNAVAILABLE;
    default:
        /* A positive code is errno. */
        return rc > 0 ? store_disk_error(rc, store->env_folder) : ERR_STORE_IO;
    }
}

/* --- room -------------------------------------------------------------------------------------------------------- */

/* Pages in the free list; walks it, so only near the limit and for the usage figures. */
static uint64_t free_pages(MDB_txn *txn)
{
    MDB_cursor *cursor;
    MDB_val key, value;
    uint64_t pages = 0;
    if (mdb_cursor_open(txn, 0, &cursor) != 0)
        return 0;
    while (mdb_cursor_get(cursor, &key, &value, MDB_NEXT) == 0) {
        uint64_t count = 0;
        if (value.mv_size >= sizeof count)
            memcpy(&count, value.mv_data, sizeof count);
        pages += count;
    }
    mdb_cursor_close(cursor);
    return pages;
}

static uint64_t file_bytes(struct lmdb_store *store)
{
    MDB_envinfo info;
    mdb_env_info(store->env, &info);
    return ((uint64_t)info.me_last_pgno + 1) * PAGE_BYTES;
}

static uint64_t less(uint64_t a, uint64_t b)
{
    return a > b ? a - b : 0;
}

/* How much this transaction may put: below the own limit, and in what the disk has left. */
static void measure_room(struct lmdb_store *store, struct store_txn *txn)
{
    uint64_t used = file_bytes(store), limit = less(store->limit_bytes, store->reserve_bytes);
    struct statvfs disk;
    uint64_t disk_left = UINT64_MAX;
    if (statvfs(store->env_folder, &disk) == 0)
        disk_left = (uint64_t)disk.f_bavail * disk.f_frsize;
    uint64_t room = less(limit, used);
    if (room < NEAR_FULL_BYTES || less(disk_left, store->reserve_bytes) < NEAR_FULL_BYTES) {
        uint64_t reusable = free_pages(txn->txn) * PAGE_BYTES;
        used = less(used, reusable);
        room = less(limit, used);
        uint64_t on_disk = less(disk_left, store->reserve_bytes);
        on_disk = on_disk < UINT64_MAX - reusable ? on_disk + reusable : on_disk;
        room = room < on_disk ? room : on_disk;
    }
    txn->room = less(room, COMMIT_ROOM);
    txn->reserve = store->reserve_bytes;
    txn->charged = 0;
}

/* At most what a put can make the file grow by: a copied leaf and twice the value; appended tables share their leaf. */
static uint64_t charge_of(enum store_table table, const struct octets *value)
{
    if (table == STORE_LOG || table == STORE_AUDIT)
        return 2 * value->size + 64;
    if (table == STORE_REPLICA_LOG) /* appended to in several places: its leaves are half full */
        return 4 * value->size + 256;
    return PAGE_BYTES + 2 * value->size;
}

/* --- transactions ------------------------------------------------------------------------------------------------ */

static void forget_reader(void *arg)
{
    struct store_txn *reader = arg;
    struct lmdb_store *store = reader->store;
    pthread_mutex_lock(&store->readers_lock);
    for (struct store_txn **at = &store->readers; *at != NULL; at = &(*at)->next)
        if (*at == reader) {
            *at = reader->next;
            break;
        }
    pthread_mutex_unlock(&store->readers_lock);
    mdb_txn_abort(reader->txn);
    free(reader);
}

static int begin_reader(struct lmdb_store *store, MDB_txn **out)
{
    int rc = mdb_txn_begin(store->env, NULL, MDB_RDONLY, out);
    if (rc == MDB_READERS_FULL) {
        mdb_reader_check(store->env, NULL);
        rc = mdb_txn_begin(store->env, NULL, MDB_RDONLY, out);
    }
    return rc;
}

static enum err begin_read(struct lmdb_store *store, struct store_txn **out)
{
    struct store_txn *reader = pthread_getspecific(store->reader_key);
    if (reader != NULL && !reader->in_use) {
        int rc = mdb_txn_renew(reader->txn);
        if (rc != 0)
            return translate(store, rc);
        reader->in_use = true;
        *out = reader;
        return ERR_NONE;
    }
    struct store_txn *fresh = calloc(1, sizeof *fresh);
    if (fresh == NULL)
        return ERR_UNAVAILABLE;
    *fresh = (struct store_txn){.store = store, .in_use = true, .cached = reader == NULL};
    int rc = begin_reader(store, &fresh->txn);
    if (rc != 0) {
        free(fresh);
        return translate(store, rc);
    }
    if (fresh->cached) {
        pthread_mutex_lock(&store->readers_lock);
        fresh->next = store->readers;
        store->readers = fresh;
        pthread_mutex_unlock(&store->readers_lock);
        pthread_setspecific(store->reader_key, fresh);
    }
    *out = fresh;
    return ERR_NONE;
}

static enum err begin_write(struct lmdb_store *store, struct store_txn **out)
{
    struct store_txn *writer = &store->writer;
    if (writer->in_use)
        log_fatal("register", "a second write transaction");
    if (atomic_load(&store->broken))
        return ERR_STORE_IO;
    MDB_txn *txn;
    int rc = mdb_txn_begin(store->env, NULL, 0, &txn);
    if (rc != 0)
        return translate(store, rc);
    *writer = (struct store_txn){.store = store, .txn = txn, .write = true, .in_use = true};
    measure_room(store, writer);
    *out = writer;
    return ERR_NONE;
}

static enum err lmdb_begin(struct store *store, bool write, struct store_txn **out)
{
    *out = NULL;
    return write ? begin_write(lmdb_of(store), out) : begin_read(lmdb_of(store), out);
}

static void close_cursors(struct store_txn *txn)
{
    for (int table = 0; table < STORE_TABLES; table++) {
        if (txn->cursors[table] != NULL)
            mdb_cursor_close(txn->cursors[table]);
        txn->cursors[table] = NULL;
    }
}

static void lmdb_abort(struct store_txn *txn)
{
    if (txn == NULL)
        return;
    close_cursors(txn);
    txn->in_use = false;
    if (txn->cached) {
        mdb_txn_reset(txn->txn);
        return;
    }
    mdb_txn_abort(txn->txn);
    if (!txn->write)
        free(txn);
}

static enum err lmdb_commit(struct store_txn *txn)
{
    struct lmdb_store *store = txn->store;
    close_cursors(txn);
    txn->in_use = false;
    int rc = mdb_txn_commit(txn->txn); /* frees the handle on failure too */
    if (rc == 0)
        return ERR_NONE;
    enum err err = translate(store, rc);
    if (err == ERR_STORE_FULL) {
        log_warn("register", "commit refused: no room: %s", mdb_strerror(rc));
        return err;
    }
    atomic_store(&store->broken, true);
    log_error("register", "commit failed: %s; the register takes no more writes until it is started again",
              mdb_strerror(rc));
    return ERR_STORE_IO;
}

static void lmdb_use_reserve(struct store_txn *txn)
{
    txn->room += txn->reserve;
    txn->reserve = 0;
}

static MDB_val val_of(const struct octets *octets)
{
    return (MDB_val){octets->size, (void *)octets->data};
}

static struct octets octets_of(const MDB_val *val)
{
    return (struct octets){val->mv_data, val->mv_size};
}

static enum err lmdb_get(struct store_txn *txn, enum store_table table, const struct octets *key, struct octets *value)
{
    MDB_val k = val_of(key), v;
    int rc = mdb_get(txn->txn, dbi_of(txn->store, table), &k, &v);
    if (rc == 0)
        *value = octets_of(&v);
    return translate(txn->store, rc);
}

/* The transaction's cursor over the table; LMDB's code. */
static int cursor_of(struct store_txn *txn, enum store_table table, MDB_cursor **out)
{
    int rc = 0;
    if (txn->cursors[table] == NULL)
        rc = mdb_cursor_open(txn->txn, dbi_of(txn->store, table), &txn->cursors[table]);
    *out = txn->cursors[table];
    return rc;
}

static enum err lmdb_put(struct store_txn *txn, enum store_table table, const struct octets *key,
                         const struct octets *value)
{
    uint64_t charge = charge_of(table, value);
    if (charge > less(txn->room, txn->charged))
        return ERR_STORE_FULL;
    txn->charged += charge;
    MDB_val k = val_of(key), v = val_of(value);
    int rc = MDB_KEYEXIST;
    if (table == STORE_LOG || table == STORE_AUDIT) {
        /* Appending fills pages whole instead of splitting them. */
        MDB_cursor *cursor;
        rc = cursor_of(txn, table, &cursor);
        if (rc == 0)
            rc = mdb_cursor_put(cursor, &k, &v, MDB_APPEND);
    }
    if (rc == MDB_KEYEXIST)
        rc = mdb_put(txn->txn, dbi_of(txn->store, table), &k, &v, 0);
    return translate(txn->store, rc);
}

static enum err lmdb_del(struct store_txn *txn, enum store_table table, const struct octets *key)
{
    MDB_val k = val_of(key);
    int rc = mdb_del(txn->txn, dbi_of(txn->store, table), &k, NULL);
    return rc == MDB_NOTFOUND ? ERR_NONE : translate(txn->store, rc);
}

static enum err lmdb_seek(struct store_txn *txn, enum store_table table, const struct octets *from, bool backwards,
                          struct octets *key, struct octets *value)
{
    MDB_cursor *cursor;
    MDB_val k = val_of(from), v;
    MDB_cursor_op op = backwards ? MDB_LAST : from->size == 0 ? MDB_FIRST : MDB_SET_RANGE;
    int rc = cursor_of(txn, table, &cursor);
    if (rc == 0)
        rc = mdb_cursor_get(cursor, &k, &v, op);
    if (rc == 0) {
        *key = octets_of(&k);
        *value = octets_of(&v);
    }
    return translate(txn->store, rc);
}

static enum err lmdb_usage(struct store *seam, struct store_usage *out)
{
    struct lmdb_store *store = lmdb_of(seam);
    struct store_txn *txn = NULL;
    enum err err = begin_read(store, &txn);
    if (txn == NULL)
        return err;
    *out = (struct store_usage){.limit_bytes = store->limit_bytes};
    out->used_bytes = less(file_bytes(store), free_pages(txn->txn) * PAGE_BYTES);
    for (int table = (int)store_first_table(store->kind); table < (int)store_end_table(store->kind); table++) {
        MDB_stat stat;
        if (mdb_stat(txn->txn, store->dbi[table], &stat) == 0)
            out->entries[table] = stat.ms_entries;
    }
    lmdb_abort(txn);
    return ERR_NONE;
}

static struct segment_files *segments_of(struct store *store)
{
    if (lmdb_of(store)->segments == NULL)
        log_fatal("register", "segments belong to the home environment");
    return lmdb_of(store)->segments;
}

static enum err lmdb_segment_append(struct store *store, const char *segment, const struct octets *octets)
{
    return segment_files_append(segments_of(store), segment, octets);
}

static enum err lmdb_segment_sync(struct store *store, const char *segment)
{
    return segment_files_sync(segments_of(store), segment);
}

static enum err lmdb_segment_read(struct store *store, const char *segment, uint64_t offset, uint8_t *out, size_t size,
                                  size_t *got)
{
    return segment_files_read(segments_of(store), segment, offset, out, size, got);
}

static enum err lmdb_segment_truncate(struct store *store, const char *segment, uint64_t bytes)
{
    return segment_files_truncate(segments_of(store), segment, bytes);
}

/* Compacted, so that nothing of what was deleted is in it. */
static enum err lmdb_copy(struct store *seam, const char *folder)
{
    struct lmdb_store *store = lmdb_of(seam);
    char path[PATH_MAX + 64];
    snprintf(path, sizeof path, "%s/%s", folder, STORE_ENV_FILE);
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return store_disk_error(errno, folder);
    int rc = mdb_env_copyfd2(store->env, fd, MDB_CP_COMPACT);
    enum err err = rc > 0 ? store_disk_error(rc, folder) : translate(store, rc);
    if (close(fd) != 0 && err == ERR_NONE)
        err = store_disk_error(errno, folder);
    if (err != ERR_NONE) {
        log_warn("register", "the store can't be copied to %s: %s", path, mdb_strerror(rc));
        unlink(path);
    }
    return err;
}

/* --- opening ----------------------------------------------------------------------------------------------------- */

/* D10: the folder must be there, be a folder, and be ours. */
static enum err check_folder(const char *folder, struct problem *problem)
{
    struct stat stat_of;
    if (stat(folder, &stat_of) != 0)
        return problem_set(problem, errno == ENOENT ? ERR_NOT_FOUND : ERR_FORBIDDEN, "",
                           "data folder %s: %s; make it (mkdir -m 700) or name another in the configuration", folder,
                           strerror(errno));
    if (!S_ISDIR(stat_of.st_mode))
        return problem_set(problem, ERR_INVALID, "", "data folder %s is not a folder", folder);
    if (stat_of.st_uid != geteuid())
        return problem_set(problem, ERR_FORBIDDEN, "",
                           "data folder %s belongs to user %u, not to this user (%u); chown it", folder,
                           (unsigned)stat_of.st_uid, (unsigned)geteuid());
    if ((stat_of.st_mode & (S_IWGRP | S_IWOTH)) != 0)
        return problem_set(problem, ERR_FORBIDDEN, "", "data folder %s can be written by others; chmod 700 it", folder);
    return ERR_NONE;
}

/* D9: one daemon per folder. The lock goes with the descriptor, so a killed daemon leaves none behind. */
static enum err lock_folder(const char *folder, int *out, struct problem *problem)
{
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/lock", folder);
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) {
        enum err err = store_disk_error(errno, folder) == ERR_STORE_FULL ? ERR_STORE_FULL : ERR_FORBIDDEN;
        return problem_set(problem, err, "", "data folder %s can't be written: %s", folder, strerror(errno));
    }
    if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        close(fd);
        return problem_set(problem, ERR_UNAVAILABLE, "", "data folder %s is in use by another vacancyd", folder);
    }
    *out = fd;
    return ERR_NONE;
}

static int sync_folder(const char *folder)
{
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return errno;
    int rc = fsync(fd) == 0 ? 0 : errno;
    close(fd);
    return rc;
}

/* The folder of a creation that did not get to its end. */
static void remove_unfinished(const char *env_folder)
{
    static const char *const files[] = {STORE_ENV_FILE, "lock.mdb"};
    char path[PATH_MAX + 64];
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        snprintf(path, sizeof path, "%s/%s", env_folder, files[i]);
        unlink(path);
    }
    rmdir(env_folder);
}

/*
 * LMDB makes its table of readers as a file with holes, maps it and writes through the map: on a full disk that is a
 * SIGBUS. So its blocks are there before.
 */
static int allocate_lock_table(const char *env_folder)
{
    char path[PATH_MAX + 64];
    snprintf(path, sizeof path, "%s/lock.mdb", env_folder);
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0)
        return errno;
    int rc = posix_fallocate(fd, 0, (STORE_MAX_READERS + 64) * 64);
    close(fd);
    return rc;
}

static int open_env(struct lmdb_store *store, const char *env_folder, uint64_t map_bytes)
{
    int rc = allocate_lock_table(env_folder);
    if (rc == 0)
        rc = mdb_env_create(&store->env);
    if (rc == 0)
        rc = mdb_env_set_mapsize(store->env, map_bytes);
    if (rc == 0)
        rc = mdb_env_set_maxdbs(store->env, STORE_TABLES + 8);
    if (rc == 0)
        rc = mdb_env_set_maxreaders(store->env, STORE_MAX_READERS);
    if (rc == 0)
        rc = mdb_env_open(store->env, env_folder, MDB_NOTLS, 0600);
    MDB_txn *txn = NULL;
    if (rc == 0)
        rc = mdb_txn_begin(store->env, NULL, 0, &txn);
    for (int table = (int)store_first_table(store->kind); rc == 0 && table < (int)store_end_table(store->kind); table++)
        rc = mdb_dbi_open(txn, tables_name((enum store_table)table), MDB_CREATE, &store->dbi[table]);
    if (rc == 0)
        return mdb_txn_commit(txn);
    if (txn != NULL)
        mdb_txn_abort(txn);
    return rc;
}

static void close_env(struct lmdb_store *store)
{
    if (store->env != NULL)
        mdb_env_close(store->env);
    store->env = NULL;
}

/* D4: made whole under another name, so that a full disk never leaves half a store under the real one. */
static enum err create_env(struct lmdb_store *store, const struct store_lmdb_options *options, struct problem *problem)
{
    char unfinished[PATH_MAX + 8];
    snprintf(unfinished, sizeof unfinished, "%s.new", store->env_folder);
    remove_unfinished(unfinished);
    int rc = mkdir(unfinished, 0700) == 0 ? 0 : errno;
    if (rc == 0)
        rc = open_env(store, unfinished, options->map_bytes);
    close_env(store);
    if (rc == 0)
        rc = sync_folder(unfinished);
    if (rc == 0)
        rc = rename(unfinished, store->env_folder) == 0 ? 0 : errno;
    if (rc == 0)
        rc = sync_folder(options->folder);
    if (rc == 0)
        return ERR_NONE;
    remove_unfinished(unfinished);
    enum err err = rc > 0 ? store_disk_error(rc, options->folder) : translate(store, rc);
    return problem_set(problem, err, "", "the store can't be made in %s: %s; nothing was left behind", options->folder,
                       err == ERR_STORE_FULL ? "the disk is full" : mdb_strerror(rc));
}

/* A damaged replica is put aside (one is kept, for whoever looks into it) and made anew: other hubs have it all. */
static enum err replace_damaged(struct lmdb_store *store, const struct store_lmdb_options *options,
                                struct problem *problem)
{
    char aside[PATH_MAX + 16];
    snprintf(aside, sizeof aside, "%s.damaged", store->env_folder);
    remove_unfinished(aside);
    if (rename(store->env_folder, aside) != 0)
        return problem_set(problem, ERR_STORE_DAMAGED, "",
                           "%s is damaged and can't be put aside: %s; it can be deleted and fetched again",
                           store->env_folder, strerror(errno));
    log_error("register", "%s: it was put aside as %s.damaged, and the other regions are taken afresh", problem->text,
              store->env_folder);
    *problem = (struct problem){0};
    return create_env(store, options, problem);
}

static enum err open_existing(struct lmdb_store *store, const struct store_lmdb_options *options,
                              struct problem *problem)
{
    const char *advice =
        options->kind == STORE_HOME ? "restore it from a backup" : "it can be deleted and fetched again";
    enum err err = store_examine(store->env_folder, options->map_bytes, advice, problem);
    if (err == ERR_STORE_DAMAGED && options->kind == STORE_REPLICA)
        err = replace_damaged(store, options, problem);
    if (err != ERR_NONE)
        return err;
    int rc = open_env(store, store->env_folder, options->map_bytes);
    if (rc == 0) {
        mdb_reader_check(store->env, NULL);
        return ERR_NONE;
    }
    err = translate(store, rc);
    return problem_set(problem, err, "", "the store in %s can't be opened: %s", store->env_folder, mdb_strerror(rc));
}

static void lmdb_close(struct store *seam)
{
    struct lmdb_store *store = lmdb_of(seam);
    if (store == NULL)
        return;
    /* Threads that read have ended, or never read again; what they cached goes here. */
    pthread_key_delete(store->reader_key);
    while (store->readers != NULL) {
        struct store_txn *reader = store->readers;
        store->readers = reader->next;
        mdb_txn_abort(reader->txn);
        free(reader);
    }
    close_env(store);
    if (store->segments != NULL)
        segment_files_destroy(store->segments);
    if (store->lock_fd >= 0)
        close(store->lock_fd);
    pthread_mutex_destroy(&store->readers_lock);
    free(store);
}

static const struct store_ops lmdb_ops = {
    .begin = lmdb_begin,
    .commit = lmdb_commit,
    .abort = lmdb_abort,
    .use_reserve = lmdb_use_reserve,
    .get = lmdb_get,
    .put = lmdb_put,
    .del = lmdb_del,
    .seek = lmdb_seek,
    .usage = lmdb_usage,
    .segment_append = lmdb_segment_append,
    .segment_sync = lmdb_segment_sync,
    .segment_read = lmdb_segment_read,
    .segment_truncate = lmdb_segment_truncate,
    .copy = lmdb_copy,
    .close = lmdb_close,
};

enum err store_lmdb_open(const struct store_lmdb_options *options, struct store **out, struct problem *problem)
{
    struct stat there;
    *out = NULL;
    if (options->limit_bytes + MAP_SLACK_BYTES > options->map_bytes || options->reserve_bytes >= options->limit_bytes)
        return problem_set(problem, ERR_INVALID, "",
                           "the store's limit must leave 16 MiB of its map free, and its reserve be below the limit");
    enum err err = check_folder(options->folder, problem);
    if (err != ERR_NONE)
        return err;
    struct lmdb_store *store = calloc(1, sizeof *store);
    if (store == NULL || pthread_key_create(&store->reader_key, forget_reader) != 0)
        log_fatal("register", "no memory for the store");
    store->store.ops = &lmdb_ops;
    store->kind = options->kind;
    store->limit_bytes = options->limit_bytes;
    store->reserve_bytes = options->reserve_bytes;
    store->lock_fd = -1;
    pthread_mutex_init(&store->readers_lock, NULL);
    snprintf(store->env_folder, sizeof store->env_folder, "%s/%s", options->folder,
             options->kind == STORE_HOME ? "home" : "replica");
    if (options->kind == STORE_HOME) { /* the folder's lock is its: it is opened first */
        store->segments = segment_files_create(options->folder);
        if (store->segments == NULL)
            log_fatal("register", "no memory for the store");
        err = lock_folder(options->folder, &store->lock_fd, problem);
    }
    if (err == ERR_NONE && stat(store->env_folder, &there) != 0)
        err = errno == ENOENT ? create_env(store, options, problem)
                              : problem_set(problem, ERR_FORBIDDEN, "", "%s: %s", store->env_folder, strerror(errno));
    if (err == ERR_NONE)
        err = open_existing(store, options, problem);
    if (err != ERR_NONE) {
        lmdb_close(&store->store);
        return err;
    }
    *out = &store->store;
    return ERR_NONE;
}
