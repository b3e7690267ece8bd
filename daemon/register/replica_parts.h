/*
 * replica_parts.h - what the files of the replica share. For daemon/register and its tests.
 *
 *     replica.c        life, regions, status           replica_snapshot.c  staging, proving, publishing
 *     replica_open.c   reading back, dropping damage   replica_evidence.c  forks, freezing, thawing
 *     replica_rows.c   rows of REGIONS as octets       replica_feed.c      what observers are told
 *     replica_verify.c a batch on its own, pure        replica_read.c      log_reader, digest recomputed
 *     replica_apply.c  the transaction, batches        replica_tidy.c      old generations, dropped payloads
 *     replica_hash.c   sums of elements, in parallel
 *
 * Thread: the replica writer's, but for what is under `lock`, and replica_read.c.
 * Invariant: struct region changes only after a commit is durable; until then everything is in struct draft.
 */
#ifndef VACANCY_REGISTER_REPLICA_PARTS_H
#define VACANCY_REGISTER_REPLICA_PARTS_H

#include "daemon/record/lthash.h"
#include "daemon/register/replica.h"
#include "daemon/register/tables.h"

#include <pthread.h>

#define REPLICA_SCHEMA_VERSION 1
#define APPLY_ARENA_BYTES      (256ULL << 20) /* lists over the works of a group; their octets are not copied */
#define GROUP_BYTES            (32ULL << 20)  /* works of one transaction, unless one alone is larger */
#define CHECKPOINT_BLOCK       256            /* of sequences: its last checkpoint is kept */
#define FEED_SLICE             512            /* changes in one part of a commit */
#define SHARED_KEY_MAX_BYTES   (AGENCY_ID_BYTES - 1)
#define STAGED_SURPLUS         65536 /* records more than twice those that begin's checkpoint counts */
#define ENTRY_MAX_BYTES        (LOG_HEADER_BYTES + LOG_SALT_BYTES + LOG_PAYLOAD_MAX_BYTES)
#define FROZEN_WHY_BYTES       sizeof((struct replica_status *)0)->frozen_why

/* How far a generation of a region's log and records has come. */
struct replica_state {
    uint32_t generation; /* 0: nothing */
    uint64_t sequence;
    uint8_t head[DIGEST_BYTES]; /* hash of the last header */
    int64_t time_ms;            /* its time */
    uint64_t epoch;             /* in force at it */
    uint8_t epoch_id[EPOCH_ID_BYTES];
    uint64_t dropped; /* payloads of entries up to here are not here */
    uint64_t records;
    struct lthash hash;
};

struct region_row {
    struct replica_state proven;
    uint32_t last_generation;        /* that was ever begun */
    struct signed_checkpoint newest; /* proven; with proven.generation != 0 only */
    enum replica_frozen frozen;
    char frozen_why[FROZEN_WHY_BYTES];
    uint32_t mismatches;           /* since the last that added up */
    char mismatch_peer[GSS_BYTES]; /* from whom the first of them came */
    uint64_t evidence;             /* how many pieces */
    bool thawed;                   /* the roster named the epoch that survived a fork: */
    uint64_t thaw_epoch;
    uint8_t thaw_epoch_id[EPOCH_ID_BYTES];
};

/* A snapshot that arrives. state.sequence: headers up to begin's position, then the log after it. */
struct staging_row {
    struct replica_state state; /* generation 0: none arrives */
    struct signed_checkpoint begin;
    char peer[GSS_BYTES]; /* from whom it came first */
    bool mixed;           /* and then from another: nobody can be blamed for it alone */
    uint64_t read_at;     /* the highest of the records that arrived */
    uint8_t last_table, last_key[SHARED_KEY_MAX_BYTES];
    uint8_t last_key_bytes;
};

struct region {
    char code[GSS_BYTES];
    bool in_roster;
    struct roster_region rostered; /* as it was in the roster last */
    struct region_row row;         /* as on disk, but for a newest that was only signed again */
    struct staging_row staging;
    int64_t first_seen_boot_ms;
    bool tidy_due, tidy_failed;
};

struct hash_pool;

/* A key that observers may have been told of in vain. */
struct told {
    struct told *next;
    enum log_table table;
    struct octets key;
};
/* Of a region, after a commit that failed: what observers must be told anew. */
struct undo {
    struct undo *next;
    struct region *region;
    struct told *told;
};

struct replica {
    char home_region[GSS_BYTES];
    const struct clock_source *clock;
    struct store *store;
    struct commit_observer observers[HOME_OBSERVERS_MAX];
    int observer_count;
    struct arena arena;     /* of the group under way */
    struct arena put_arena; /* of one put: the store copies */
    uint8_t entry[ENTRY_MAX_BYTES];
    struct arena undo_arena; /* of what is in `undos` */
    struct undo *undos;      /* not yet told: the store could not be read; nothing is applied until it was */
    struct hash_pool *pool;
    bool thaw_due; /* a roster's thaw is not yet on disk */

    pthread_mutex_t lock; /* the rest is read by other threads */
    const struct roster *roster;
    struct region **regions; /* by code; of the roster (but ours) and of the disk */
    size_t region_count;
};

/* A region as a transaction under way would leave it. */
struct draft {
    struct region *region;
    struct region_row row;
    struct staging_row staging;
    int64_t first_seen_boot_ms;
    bool changed;         /* anything of it */
    bool row_changed;     /* to be written */
    bool staging_changed; /* likewise */
    bool moved;           /* observers are told */
    bool tidy_due;
    struct change *changes; /* for them, in the arena; views into the works */
    size_t change_count, change_capacity;
    uint32_t flipped_from; /* with `flipped`: observers get the difference of two generations instead */
    bool flipped;
    struct undo *told; /* likewise: the keys of that difference, once they were told */
};

/* A transaction under way. */
struct apply {
    struct replica *replica;
    struct store_txn *txn; /* NULL until it is needed */
    bool dirty;
    enum err failed; /* the store's: all of it is void */
    struct draft *drafts[REPLICA_WORKS_MAX];
    size_t draft_count;
};

/* replica.c */
struct region *replica_region(struct replica *replica, const char *code); /* NULL: not known. Under the lock. */
struct region *replica_region_add(struct replica *replica, const char *code);
enum replica_verdict refuse(struct replica_work *work, enum replica_verdict verdict, enum err code, const char *format,
                            ...) __attribute__((format(printf, 4, 5)));

/* replica_rows.c: returns the size; out has ROW_BYTES. Decode: false for what can't be read. */
#define ROW_BYTES 8192
size_t region_row_encode(const struct region_row *row, uint8_t out[ROW_BYTES]);
bool region_row_decode(const struct octets *octets, struct region_row *out);
size_t staging_row_encode(const struct staging_row *row, uint8_t out[ROW_BYTES]);
bool staging_row_decode(const struct octets *octets, struct staging_row *out);
size_t evidence_encode(const struct fork_evidence *evidence, uint8_t out[ROW_BYTES]);
bool evidence_decode(const struct octets *octets, struct fork_evidence *out);
extern const struct table_key replica_schema_key;
struct table_key key_of_staging(const char *region);
/* Region of a key of REGIONS; NULL-terminated. False: of another form. */
bool region_of_key(const struct octets *key, char region[GSS_BYTES], bool *staging);

/* replica_verify.c: all pure. */
struct plan {
    size_t first_new;       /* the first entry that the state has not */
    struct change *changes; /* the last of each key, by table and key */
    size_t change_count;
    struct replica_state after; /* but for its hash and records */
};
/* How entries stand to a state's end. */
enum link { LINK_FOLLOWS, LINK_KNOWN, LINK_GAP, LINK_OTHER };
/* The text is canonical, of the region, and its key's. */
enum replica_verdict verify_checkpoint(const struct region *region, struct replica_work *work);
/* The entries alone: in order, linked, committed to, ending in the checkpoint. */
enum replica_verdict verify_chain(const char *region, struct replica_work *work);
enum link verify_link(const struct replica_state *state, const struct replica_work *work, size_t *first_new);
/* The new ones: payloads, epochs, values. Fills *plan from the arena. */
enum replica_verdict verify_entries(const struct replica_state *state, struct replica_work *work, size_t first_new,
                                    struct arena *arena, struct plan *plan);
/* A record that may be in the shared state: ours to read later without a check. */
bool shared_record_good(enum log_table table, const struct octets *key, const struct octets *value);

/* replica_hash.c */
struct element {
    bool remove;
    enum log_table table;
    struct octets key, value;
};
struct hash_pool *hash_pool_create(uint32_t threads); /* NULL for 0 */
void hash_pool_destroy(struct hash_pool *pool);
void hash_pool_sum(struct hash_pool *pool, const struct element *elements, size_t count, struct lthash *state);

/* replica_apply.c */
struct store_txn *apply_txn(struct apply *apply); /* NULL: apply->failed says why */
/* False: apply->failed is set. A record that does not pass its check: ERR_STORE_DAMAGED in *err, and true. */
bool apply_get(struct apply *apply, enum store_table table, const struct table_key *key, struct octets *value,
               enum err *err);
bool apply_put(struct apply *apply, enum store_table table, const struct table_key *key, const struct octets *value);
bool apply_del(struct apply *apply, enum store_table table, const struct table_key *key);
struct draft *apply_draft(struct apply *apply, struct region *region);
void draft_change(struct apply *apply, struct draft *draft, const struct change *change);
void draft_seen(struct apply *apply, struct draft *draft, const struct signed_checkpoint *checkpoint);
/* Fills in the plan's records and hash from what stands in the state's generation; VERDICT_MISMATCH for damage. */
enum replica_verdict apply_digest(struct apply *apply, struct replica_work *work, const struct replica_state *state,
                                  struct plan *plan);
bool digest_agrees(const struct replica_state *state, const struct checkpoint *checkpoint);
/* Log, records and checkpoint of a verified plan. False: failed. */
bool apply_plan(struct apply *apply, const struct draft *draft, const struct replica_work *work,
                const struct plan *plan, uint64_t checkpoint_before);
/* How a checkpoint that the region signed stands to what was proven of it. */
enum relation {
    RELATION_REFUSED, /* the verdict says why: frozen by it, an old epoch, the disk */
    RELATION_BEHIND,
    RELATION_SAME,
    RELATION_AHEAD,
    RELATION_OTHER,       /* of a later epoch that began before our position, or of the branch that survived */
    RELATION_BEFORE_THAW, /* of an epoch before the one that the thaw names */
};
enum relation apply_relate(struct apply *apply, struct draft *draft, struct replica_work *work,
                           enum replica_verdict *verdict);
/* One transaction for what only drafts changed (thaws): begin, and the rest. */
void apply_begin(struct replica *replica, struct apply *out);
enum err apply_end(struct apply *apply);

/* replica_snapshot.c */
enum replica_verdict snapshot_work(struct apply *apply, struct draft *draft, struct replica_work *work);
void snapshot_drop(struct draft *draft);

/* replica_evidence.c */
enum replica_verdict freeze_fork(struct apply *apply, struct draft *draft, struct replica_work *work,
                                 const struct signed_checkpoint *ours, const char *why);
void freeze_unproven(struct draft *draft, const struct replica_work *work);
/* replica_apply.c: records did not add up. */
void mismatch_mark(struct draft *draft, const struct replica_work *work);
/* Thaws what the roster says; false: to be tried again. */
bool replica_thaw(struct replica *replica);

/* replica_feed.c */
enum err feed_told(struct replica *replica, struct apply *apply); /* before a commit */
void feed_undo(struct replica *replica, struct apply *apply);     /* after one that failed */
void feed_done(struct replica *replica);                          /* after either: forgets what was remembered for it */
/* Tells observers what the disk has where they were told in vain. False: it can't be read yet. */
bool feed_settle(struct replica *replica);
/* Everything that stands of a region, or (gone) that it is no longer shown. */
enum err feed_region(struct replica *replica, const struct commit_observer *observers, int count,
                     const struct region *region, bool gone) __attribute__((warn_unused_result));

/* replica_open.c */
enum err replica_read_back(struct replica *replica, struct problem *problem);

#endif
