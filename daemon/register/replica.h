/*
 * replica.h - other regions' registers, as far as they were proven: the logic.
 *
 * Owns: verifying what came from another hub (chain, commitments, signature, LtHash state), applying it, staging and
 * proving snapshots, evidence of forks, freezing and thawing, dropping payloads behind a region's horizon; telling
 * observers (match) what was proven.
 * Not here: who sends what (federation), threads (replica_writer.h), disks (store.h), this hub's own region (home.h).
 * Time and disk outcomes come in as arguments or through the seam, so that the simulator runs this code.
 * Thread: replica_apply, replica_set_roster, replica_tidy: the replica writer's. Status and reads: any.
 * Invariant: what observers and readers see was proven by a checkpoint that the region's key of the roster signed; the
 * cursor is in the same transaction as the records. An observer sees a proven batch before its commit (a replica
 * publishes after verifying, before its own sync); if the commit fails, the observer is handed what the disk has.
 */
#ifndef VACANCY_REGISTER_REPLICA_H
#define VACANCY_REGISTER_REPLICA_H

#include "daemon/record/roster.h"
#include "daemon/register/home.h"
#include "daemon/register/log_reader.h"

#define REPLICA_COMMIT_MAX_BYTES (64 << 20) /* entries up to one checkpoint; a home's commits stay below */

enum replica_work_kind {
    WORK_BATCH = 1,        /* entries (none: a newer signature) and the checkpoint at their end */
    WORK_SNAPSHOT_BEGIN,   /* checkpoint: stages a new generation; an unfinished one of the region is dropped */
    WORK_SNAPSHOT_HEADERS, /* headers, from first_sequence on */
    WORK_SNAPSHOT_RECORDS, /* records */
    WORK_SNAPSHOT_LOG,  /* entries after `begin`, and the checkpoint at their end: proves and publishes, if at or after
                           every records' read_at; else more follow */
    WORK_SNAPSHOT_DROP, /* the staged generation is given up: VERDICT_KNOWN */
};

enum replica_verdict {
    VERDICT_NONE,
    VERDICT_APPLIED,       /* proven and published: entries, a newer signature, or a whole snapshot */
    VERDICT_STAGED,        /* part of a snapshot: go on */
    VERDICT_KNOWN,         /* nothing new in it */
    VERDICT_GAP,           /* does not begin where this replica stands: take again from its cursor */
    VERDICT_LIE,           /* not what the region signed: the source is at fault, use another */
    VERDICT_OTHER_HISTORY, /* signed, but of a later epoch that began before our position: a snapshot is needed */
    VERDICT_OLD_EPOCH,     /* signed in an epoch that has been followed by another: refused */
    VERDICT_MISMATCH,      /* signed and chained, but our records do not add up to its state: take the region afresh,
                              from another peer; if that fails too the region is frozen */
    VERDICT_FROZEN,        /* the region is frozen (perhaps by this very work: a fork): nothing of it was applied */
    VERDICT_NO_REGION,     /* not in the roster, or our own */
    VERDICT_TOO_LARGE,     /* a bound was passed */
    VERDICT_STORE,         /* the disk: problem.code says which; try again later */
};
const char *replica_verdict_name(enum replica_verdict verdict); /* "applied", for logs */

/* Made by federation, owned by whoever holds it: federation -> replica writer -> back with its verdict. */
struct replica_work {
    enum replica_work_kind kind;
    char region[GSS_BYTES];
    uint32_t source; /* federation's own number of the peer that it came from */
    /* Region of the hub that it came from; empty: nobody known. Records are believed by their sum only, so one hub's
     * false snapshots, however many, are its own fault: a region is frozen when those of two hubs don't add up. */
    char peer[GSS_BYTES];
    struct arena arena; /* all octets below live here; limit REPLICA_COMMIT_MAX_BYTES */
    struct log_row *entries;
    size_t entry_count;
    bool has_checkpoint;
    struct signed_checkpoint checkpoint;
    uint64_t first_sequence; /* WORK_SNAPSHOT_HEADERS */
    struct octets headers;
    struct shared_record *records; /* WORK_SNAPSHOT_RECORDS */
    size_t record_count;
    uint64_t read_at_sequence;
    struct reply_address reply; /* unused by replica.c */
    /* Result. */
    enum replica_verdict verdict;
    struct problem problem;   /* why not, in words for the log */
    struct log_cursor cursor; /* of the region, afterwards, durably */
};
struct replica_work *replica_work_create(enum replica_work_kind kind, const char *region); /* NULL: out of memory */
void replica_work_destroy(struct replica_work *work);

struct replica_options {
    char home_region[GSS_BYTES];
    const struct clock_source *clock;
    const struct roster *roster; /* a reference is taken */
    uint32_t hash_threads;       /* for snapshots' digests; 0: none but the caller's own (simulator) */
};

struct replica;

/*
 * `store` is an environment of kind STORE_REPLICA, borrowed. Reads positions and states back; a region whose records
 * are damaged is dropped, to be fetched again, and said in the log (the whole environment may be deleted at any time).
 */
enum err replica_open(const struct replica_options *options, struct store *store, struct replica **out,
                      struct problem *problem) __attribute__((warn_unused_result));
void replica_close(struct replica *replica);
/* As home_observe: everything that stands, region by region, then each proven batch. */
enum err replica_observe(struct replica *replica, const struct commit_observer *observer)
    __attribute__((warn_unused_result));
/* Regions that left the roster are no longer shown; a thaw that names a frozen region's surviving epoch ends its
 * freezing (evidence stays). */
void replica_set_roster(struct replica *replica, const struct roster *roster);

#define REPLICA_WORKS_MAX 64
/* Applies works in order, in one transaction where it can; each gets its verdict and, for a store's failure, the
 * commit's error. */
void replica_apply(struct replica *replica, struct replica_work **works, size_t count);
/* Drops old generations and payloads behind horizons, in slices; true when there is more to do. */
bool replica_tidy(struct replica *replica);

enum replica_frozen { FROZEN_NOT, FROZEN_FORK, FROZEN_UNPROVEN };

/* What is known of a region. */
struct replica_status {
    char region[GSS_BYTES];
    bool present;                        /* something was proven */
    struct signed_checkpoint checkpoint; /* the newest proven: entries, or signed again at rest */
    uint64_t durable_sequence;
    int64_t first_seen_boot_ms; /* when the checkpoint's signed time was first seen */
    enum replica_frozen frozen;
    char frozen_why[160];
    bool staging;                                  /* a snapshot is arriving */
    uint64_t staged_from_sequence, staged_headers; /* to go on with it: its begin, headers that arrived */
    uint8_t staged_head[DIGEST_BYTES];
    enum log_table staged_table; /* and the last record that arrived */
    uint8_t staged_key[64];
    size_t staged_key_bytes;
};
/* ERR_NOT_FOUND: no region of the roster (or our own). */
enum err replica_status(struct replica *replica, const char *region, struct replica_status *out);
/* All regions of the roster but our own, by code; returns how many. */
size_t replica_list(struct replica *replica, struct replica_status *out, size_t max);
/* Age of a region's data: now less the signed time, but never less than the boot clock's time since it was first seen.
 * clock_differs_ms: how far its signed time lies ahead of our clock; 0: not. */
int64_t replica_age_ms(const struct replica_status *status, int64_t now_wall_ms, int64_t now_boot_ms,
                       int64_t *clock_differs_ms);

/* What every search says of each region: a few words of its status, cheap enough to ask for each time. */
struct replica_age {
    char region[GSS_BYTES];
    bool present, frozen;
    int64_t age_ms, clock_differs_ms; /* as replica_age_ms; 0 unless present */
};
/* As replica_list: all regions of the roster but our own, by code; returns how many. Any thread. */
size_t replica_ages(struct replica *replica, int64_t now_wall_ms, int64_t now_boot_ms, struct replica_age *out,
                    size_t max);

struct log_reader replica_log_reader(struct replica *replica);

/* One shared record as it was proven, its octets copied into the arena. ERR_NOT_FOUND: there is none, or nothing of the
 * region is here. Any thread. */
enum err replica_read(struct replica *replica, const char *region, enum log_table table, const struct octets *key,
                      struct arena *arena, struct octets *out) __attribute__((warn_unused_result));

/* Recomputes a region's digest from the records on disk, checking each record's own check. ERR_STORE_DAMAGED with what
 * was found. Long: not on a worker. */
enum err replica_verify(struct replica *replica, const char *region, uint64_t *records, uint8_t state[DIGEST_BYTES],
                        struct problem *problem);

/* Evidence of a fork, for the operator: two signed checkpoints and why they can't both be. ERR_NOT_FOUND: none. */
struct fork_evidence {
    struct signed_checkpoint ours, theirs;
    char why[160];
};
enum err replica_evidence(struct replica *replica, const char *region, struct fork_evidence *out);

#endif
