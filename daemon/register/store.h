/*
 * store.h - the storage seam: all that the register asks of a disk.
 *
 * Two implementations: store_lmdb.c (the only file that includes lmdb.h) and store_memory.c (for the simulator and
 * tests: same order, same limits, and a plan of faults: fail or "crash" at the n-th call, full disk).
 * Values are opaque here; their checks and meaning are tables.h's. Keys are at most 511 octets, ordered by bytes.
 *
 * Thread: one write transaction at a time, on the writer's thread; read transactions on any thread, begun and ended
 * within one function ("begin, copy out, end"): an octets view dies with its transaction, and in a write transaction
 * with the next put or del.
 * After ERR_STORE_IO from commit no write transaction begins any more (D5); after ERR_STORE_FULL they go on, and
 * succeed again once there is room (D3).
 */
#ifndef VACANCY_REGISTER_STORE_H
#define VACANCY_REGISTER_STORE_H

#include "daemon/base/digest.h"
#include "daemon/base/error.h"

struct store;
struct store_txn;

/* The tables of both environments; tables.h says key, value, owner and reader of each. */
enum store_table {
    STORE_META,
    STORE_CARERS,
    STORE_REFERENCES,
    STORE_AGENCIES,
    STORE_PRINCIPALS,
    STORE_LOG,
    STORE_AUDIT,
    STORE_REQUESTS,
    STORE_CHECKPOINTS,
    STORE_ORPHANS,
    STORE_HOLDS,
    STORE_HOLD_LISTS,
    STORE_EVENTS,
    STORE_ASKED,
    STORE_REPORTS,
    STORE_FORMER,
    STORE_HOME_TABLES,
    /* The replica environment's own. */
    STORE_REGIONS = STORE_HOME_TABLES,
    STORE_RECORDS,
    STORE_REPLICA_LOG,
    STORE_REPLICA_CHECKPOINTS,
    STORE_EVIDENCE,
    STORE_TABLES
};

/* Which environment: its folder in the data folder, and its tables. Segments belong to the home one. */
enum store_kind { STORE_HOME, STORE_REPLICA };
/* Its tables: first to before the end. */
static inline enum store_table store_first_table(enum store_kind kind)
{
    return kind == STORE_HOME ? STORE_META : STORE_HOME_TABLES;
}
static inline enum store_table store_end_table(enum store_kind kind)
{
    return kind == STORE_HOME ? STORE_HOME_TABLES : STORE_TABLES;
}

struct store_usage {
    uint64_t used_bytes, limit_bytes;
    uint64_t entries[STORE_TABLES];
};

struct store_ops {
    enum err (*begin)(struct store *store, bool write, struct store_txn **out);
    /* Durable when it returns ERR_NONE. Frees the transaction in every case. */
    enum err (*commit)(struct store_txn *txn);
    void (*abort)(struct store_txn *txn); /* NULL is fine; also ends a read transaction */
    /* From here on this write transaction may use the reserve: for what ends, withdraws or confirms. */
    void (*use_reserve)(struct store_txn *txn);
    enum err (*get)(struct store_txn *txn, enum store_table table, const struct octets *key, struct octets *value);
    enum err (*put)(struct store_txn *txn, enum store_table table, const struct octets *key,
                    const struct octets *value);
    enum err (*del)(struct store_txn *txn, enum store_table table, const struct octets *key);
    /* First entry at or after *key (empty: first of all); the last entry with backwards and an empty key.
     * ERR_NOT_FOUND past the end. Both outputs are views. */
    enum err (*seek)(struct store_txn *txn, enum store_table table, const struct octets *from, bool backwards,
                     struct octets *key, struct octets *value);
    enum err (*usage)(struct store *store, struct store_usage *out);
    /*
     * Append-only segments beside the tables (disclosures). Append hands the octets to the operating system before it
     * returns; read copies out up to `size` octets from `offset`; sync makes durable at least what had been appended
     * when it was called. Any thread; calls on one segment one at a time (the caller's lock), but for segment_sync,
     * which may run beside any other call: nobody has to wait for the disk in order to append.
     * Append: ERR_STORE_FULL when there is no room: nothing of the octets stays, and it succeeds again once there is.
     * Sync: ERR_STORE_FULL as well, nothing was lost, call it again. ERR_STORE_IO: the kernel may have dropped what it
     * could not write, and another fdatasync would call that durable (D5), even if the cause was a full disk; so the
     * segment takes and syncs nothing more until a restart, when the first sync of a segment that an earlier process
     * left writes its octets anew before it calls them durable.
     */
    enum err (*segment_append)(struct store *store, const char *segment, const struct octets *octets);
    enum err (*segment_sync)(struct store *store, const char *segment);
    enum err (*segment_read)(struct store *store, const char *segment, uint64_t offset, uint8_t *out, size_t size,
                             size_t *got);
    /* For torn tails found at start: cut the segment to `bytes`. */
    enum err (*segment_truncate)(struct store *store, const char *segment, uint64_t bytes);
    /*
     * A consistent copy of all tables as of one commit, in FOLDER/data.mdb, which must not be there yet (0600). Any
     * thread; writers and readers go on. ERR_STORE_FULL, ERR_STORE_IO: of that file only, which is removed; the store
     * itself is as before. Not in memory: see store_memory_clone.
     */
    enum err (*copy)(struct store *store, const char *folder);
    void (*close)(struct store *store);
};

struct store {
    const struct store_ops *ops;
};

struct store_lmdb_options {
    enum store_kind kind;
    const char *folder;
    uint64_t map_bytes;     /* address space; set at start */
    uint64_t limit_bytes;   /* own limit below it: past it puts answer ERR_STORE_FULL */
    uint64_t reserve_bytes; /* kept free for deletions and withdrawals */
};

/*
 * Opens or creates FOLDER/home or FOLDER/replica (in a temporary folder, then renamed: D4); FOLDER must exist and be
 * the caller's (D10). Refuses a folder in use by another process (D9), a truncated or damaged file (first look in a
 * child process that may die: D6), so it must be called before threads exist. Another schema version (D13) is
 * home_open's to refuse. One lock serves the folder: the home environment's, which is opened before the replica's, by
 * the same process, and closed after it. A damaged replica environment is put aside as FOLDER/replica.damaged and made
 * anew, and that is said in the log. Segments are files in FOLDER, and the home environment's.
 */
enum err store_lmdb_open(const struct store_lmdb_options *options, struct store **out, struct problem *problem)
    __attribute__((warn_unused_result));

/* In memory, for one thread; has the tables of both kinds. The plan may be changed at any time. Contents survive
 * store_memory_crash as committed. */
struct store_memory_plan {
    int64_t calls_until_crash; /* < 0: never. At 0 every call answers ERR_STORE_IO until store_memory_crash. */
    bool crash_after_commit;   /* a crash in a commit comes after it is durable: it counts, but answers ERR_STORE_IO */
    int64_t calls_until_full;  /* < 0: never. From 0 on puts answer ERR_STORE_FULL. */
    uint64_t limit_bytes;      /* 0: none */
    uint64_t reserve_bytes;    /* below the limit, for use_reserve */
};
struct store *store_memory_create(void); /* NULL when out of memory */
void store_memory_set_plan(struct store *store, const struct store_memory_plan *plan);
/* Drops uncommitted and unsynced state, as a power cut would; keep_unsynced keeps appended segment octets (kill -9). */
void store_memory_crash(struct store *store, bool keep_unsynced);
/* As a backup and its restore would: a store of its own with the home tables as committed and the segments as they
 * stand, without a plan. The caller's; NULL when out of memory. */
struct store *store_memory_clone(struct store *store);

#endif
