/*
 * federation_parts.h - what the files of the federation's logic share. Private to daemon/federation/federation*.c and
 * standing*.c.
 *
 * Owns: the state. Peers and regions are numbered alike: by place in the roster, each region having one hub; our own
 * region's place as a peer stays unused. For each (peer, region) there is a pair: what that peer says it has, what it
 * was told, and for how long it is not used.
 *
 *     federation.c           set-up, roster, inputs, the tick
 *     federation_peer.c      links: dialling, positions sent, signs of life, back-pressure
 *     federation_claim.c     what peers say they have, believed as far as it is signed; evidence of forks
 *     federation_source.c    whose log of a region is taken; batches; what a verdict means
 *     federation_snapshot.c  a region taken whole
 *     standing.c             our own region: may this hub decide
 *     standing_whole.c       our own region, taken whole
 *
 * Thread: as federation.h. Invariant: a region's works come from one source at a time; the next source is chosen only
 * when all works of the last one have come back, so that its cursor is what is on disk.
 */
#ifndef VACANCY_FEDERATION_PARTS_H
#define VACANCY_FEDERATION_PARTS_H

#include "daemon/federation/federation.h"

#include <pthread.h>

#define NO_PEER UINT32_MAX

#define DIAL_MS              10000 /* a dial that neither linked nor failed */
#define WORKS_OUT_MAX        64    /* of one peer; past either it is not read until some have come back */
#define WORKS_OUT_BYTES_MAX  (16u << 20)
#define GATHERED_BYTES_MAX   (2ull * REPLICA_COMMIT_MAX_BYTES) /* of one peer, not yet ended by a checkpoint */
#define SNAPSHOT_GAP_ENTRIES 20000                             /* further behind, a snapshot is less than the log */
#define SNAPSHOTS_AT_ONCE    2
#define SNAPSHOT_TRIES       3
#define SNAPSHOT_SILENCE_MS  10000
#define REGION_SILENCE_MS    (5 * FEDERATION_DEAD_MS) /* while the same peer sends other regions */
/* While another peer offers more than we have: in so much time of waiting for its source, a region gets as far as was
 * offered when that began, or at least by so much; else another is asked. So a relay that drips holds back what fits
 * into the log without a snapshot for some minutes at most. */
#define DRIP_MS              10000
#define DRIP_ENTRIES         500         /* of its log, proven */
#define DRIP_BYTES           (256 << 10) /* of its snapshot */
#define BAR_MS               2000        /* the first; doubles, up to FEDERATION_BACKOFF_MAX_MS */
#define SHARED_KEY_BYTES_MAX 64          /* of a record; as replica_status has room for */

struct backoff {
    int64_t until_ms; /* boot clock */
    int64_t step_ms;
};

/* What a peer says it has of a region. One that is ahead of us was signed by the region's key. */
struct claim {
    bool have;
    uint64_t epoch, sequence, horizon;
    int64_t time_ms;
};

struct pair {
    struct claim claim;
    struct claim told; /* what the peer was last told that we have */
    struct backoff barred;
    bool complained; /* of a signature, in the log */
};

enum peer_state {
    PEER_SELF, /* our own place */
    PEER_DOWN, /* dialled when its back-off has passed */
    PEER_DIALLING,
    PEER_LINKED,
    PEER_CLOSING, /* hung up; links has not yet said so */
};

struct peer {
    enum peer_state state;
    char region[GSS_BYTES];
    struct backoff dial;
    int64_t since_ms; /* of the state */
    int64_t heard_ms; /* 0: never */
    int64_t told_ms;  /* last Positions sent */
    bool told_complete;
    bool gave_complete; /* on this link */
    bool answered;      /* since our start, either way: for the standing */
    bool paused;
    uint32_t works_out;
    uint64_t bytes_out, gathered_bytes;
    int64_t batch_ms;  /* last part of any region's log */
    uint32_t fetching; /* region whose snapshot it sends; NO_PEER: none */
    uint32_t used;     /* regions that have it as their source */
    uint64_t replicated_epoch, replicated_sequence;
    uint32_t unsigned_count; /* checkpoints it showed that are not signed, since: */
    int64_t unsigned_since_ms;
    char why[160]; /* of the last failure that was logged; "": none since it was linked */
    int64_t broke_log_ms;
};

enum region_state {
    REGION_IDLE,    /* no source */
    REGION_TAKING,  /* its log, by Follow */
    REGION_FETCHING /* a snapshot */
};

enum fetch_phase { FETCH_BEGIN, FETCH_HEADERS, FETCH_RECORDS, FETCH_LOG };

/* Entries of batches' parts, until the checkpoint comes that ends them. */
struct gathering {
    struct arena arena;
    struct log_row *rows;
    size_t count, capacity;
};

/* How fast a source is, measured while others offer more. */
struct drip {
    struct claim goal;    /* the furthest offered when this began; !have: not measured */
    uint64_t from, bytes; /* our sequence then; octets of a snapshot since */
    int64_t waited_ms, seen_ms;
    bool busy; /* when last looked at it was we who were slow: that time does not count */
};

struct region {
    bool ours, have;
    bool dead; /* the roster names another epoch as the surviving one: what we have counts for nothing */
    struct signed_checkpoint mine; /* durable; if `have` */
    enum region_state state;
    uint32_t source; /* peer */
    uint32_t serial; /* of the take or fetch; works carry it */
    uint32_t works_out;
    uint64_t next_sequence; /* the entry that comes next */
    bool synced;            /* something of this take has arrived: what comes out of order now is a gap */
    bool gap_seen;          /* once since the last progress */
    struct gathering gathering;
    int64_t since_ms, progress_ms;
    struct drip drip;
    bool frozen;
    struct backoff rest; /* for reasons that are no peer's */
    /* Snapshots. */
    bool snapshot_needed; /* the log won't do */
    uint32_t snapshot_avoid;
    uint32_t snapshot_failures;
    enum fetch_phase phase;
    uint64_t heard_sequence; /* the furthest header or entry of this fetch */
    bool heard_end;          /* the newest signature at the log's end */
    bool resumed, fetch_over, no_resume;
    uint32_t evidence; /* serial of a checkpoint that contradicts ours, at the replica writer; 0: none */
    int64_t look_ms;   /* when its source is thought over next; 0: at once */
    bool said_store;   /* that the disk refuses, in the log */
    struct signed_checkpoint verified; /* the last that was: most claims are the same few texts */
    char logged_source[GSS_BYTES];
};

struct whole;

struct standing {
    bool restoring;  /* a peer had more of our log: every peer is to be asked before we decide */
    bool update_out; /* DECIDE, SUPERSEDED or BEHIND is under way */
    bool have_superseding;
    bool have_behind; /* `ahead` was shown while this hub decides, and the home writer does not know it yet */
    struct signed_checkpoint superseding;
    struct signed_checkpoint ahead; /* the last of our own that we don't reach */
    struct whole *whole;            /* our own region as a snapshot, arriving */
    struct backoff again;
    int64_t first_answer_ms; /* when a peer had answered; 0: none has */
    int64_t said_missing_ms;
    enum home_standing logged;
};

struct federation {
    struct federation_options options;
    const struct roster *roster;
    uint32_t count; /* of the roster's regions */
    uint32_t home;  /* our own; NO_PEER: not in the roster */
    struct peer *peers;
    struct region *regions;
    struct pair *pairs; /* [peer * count + region] */
    struct log_reader home_log, replica_log;
    uint32_t serial, era;       /* of takes; the last one under the roster before this one */
    struct replica_work **held; /* for which the replica writer had no room, in order */
    size_t held_count, held_capacity;
    struct standing standing;
    int64_t now_ms;  /* boot clock, of this input */
    int64_t next_ms; /* when something is due */
    int64_t thaw_look_ms;
    bool home_changed;
    pthread_mutex_t lock;
    struct federation_peer *status; /* as federation_status shows it; under the lock */
    uint32_t status_count;
};

static inline struct pair *pair_of(struct federation *f, uint32_t peer, uint32_t region)
{
    return &f->pairs[(size_t)peer * f->count + region];
}
static inline const char *region_name(const struct federation *f, uint32_t region)
{
    return f->roster->regions[region].region;
}
/* The tick is wanted at `when_ms`, at the latest. */
static inline void due_at(struct federation *f, int64_t when_ms)
{
    if (when_ms < f->next_ms)
        f->next_ms = when_ms;
}
static inline bool is_due(struct federation *f, int64_t when_ms)
{
    if (f->now_ms >= when_ms)
        return true;
    due_at(f, when_ms);
    return false;
}
/* NO_PEER: not in the roster. */
uint32_t region_index(const struct federation *f, const char *region);
/* Doubles the step, from first_ms up to FEDERATION_BACKOFF_MAX_MS, and draws between half of it and itself. */
void backoff_more(struct federation *f, struct backoff *backoff, int64_t first_ms);
static inline void backoff_clear(struct backoff *backoff)
{
    *backoff = (struct backoff){0};
}
/* Epoch, then sequence: < 0, 0, > 0. */
int claim_compare(const struct claim *claim, const struct region *region);
const char *peer_name(const struct federation *f, uint32_t peer);

/* federation_peer.c */
void peer_linked(struct federation *f, uint32_t peer);
void peer_down(struct federation *f, uint32_t peer, const char *why);
/* It broke the protocol: hung up, said in the log, backed off. */
void peer_broke(struct federation *f, uint32_t peer, const char *format, ...) __attribute__((format(printf, 3, 4)));
void peers_tick(struct federation *f);
void peers_held_up(struct federation *f, int64_t held_ms);
/* Tells each peer how far we have its own log, at once; the rest waits for the next sign of life. */
void peers_tell(struct federation *f);
void peer_flow(struct federation *f, uint32_t peer);
bool peer_usable(const struct federation *f, uint32_t peer);

/* federation_claim.c */
/* Reads a checkpoint of the wire, its region being checked by the caller. False: it is none. */
bool checkpoint_from(const Vacancy__V1__SignedCheckpoint *in, struct signed_checkpoint *out);
void claims_heard(struct federation *f, uint32_t peer, bool complete, const struct signed_checkpoint *checkpoints,
                  size_t count);
void claim_heard(struct federation *f, uint32_t peer, uint32_t region, const struct signed_checkpoint *checkpoint);
/* Reads again how far we have the region, durably. */
void region_refresh(struct federation *f, uint32_t region);
/* Whether the region's key signed it; no, without a look, once the peer has shown too many that were not. */
bool region_signed(struct federation *f, uint32_t peer, uint32_t region, const struct signed_checkpoint *checkpoint);

/* federation_source.c */
/* Numbers a take, a fetch or a piece of evidence. */
uint32_t serial_next(struct federation *f);
/* Begun under the roster before this one: its peer and region are numbered otherwise now. */
bool source_is_of_old_roster(const struct federation *f, uint32_t serial);
void sources_tick(struct federation *f);
void source_batch(struct federation *f, uint32_t peer, const Vacancy__V1__Batch *batch);
void source_refused(struct federation *f, uint32_t peer, const Vacancy__V1__Refusal *refusal);
void source_worked(struct federation *f, struct replica_work *work);
/* The region has no source any more. bar: not this one for a while, and say why. */
void source_end(struct federation *f, uint32_t region, bool bar, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
void source_lost(struct federation *f, uint32_t peer);
void source_freeze(struct federation *f, uint32_t region, const struct problem *why);
void source_store_refuses(struct federation *f, uint32_t region, const struct problem *why);
/* Sends the take of our cursor. */
void source_take(struct federation *f, uint32_t region, uint32_t peer);
/* False: the sizes of its parts are wrong, the link was ended. */
bool batch_entries_are_sound(struct federation *f, uint32_t region, const Vacancy__V1__Batch *batch);
/* Adds a batch's entries to what is gathered. False: refused, the source or the link was ended. */
bool gather(struct federation *f, uint32_t region, const Vacancy__V1__Batch *batch);
void gathering_end(struct federation *f, uint32_t region);
/* A work of the region's present source; NULL: out of memory, the source was ended. */
struct replica_work *work_new(struct federation *f, uint32_t region, enum replica_work_kind kind);
void work_send(struct federation *f, uint32_t region, uint32_t peer, uint32_t serial, struct replica_work *work);
void works_flush(struct federation *f);
/* What was gathered becomes the work's entries. */
void gathering_to_work(struct federation *f, uint32_t region, struct replica_work *work);

/* federation_snapshot.c */
bool snapshot_wanted(const struct federation *f, uint32_t region, const struct claim *claim);
/* False: not now (too many are under way). */
bool snapshot_start(struct federation *f, uint32_t region, uint32_t peer);
void snapshot_heard(struct federation *f, uint32_t peer, const Vacancy__V1__FetchSnapshotResponse *message);
void snapshot_over(struct federation *f, uint32_t peer, const struct problem *problem);
void snapshot_worked(struct federation *f, uint32_t region, const struct replica_work *work);
void snapshots_tick(struct federation *f);

/* standing.c */
void standing_claim(struct federation *f, uint32_t peer, const struct signed_checkpoint *checkpoint);
void standing_tick(struct federation *f);
void standing_updated(struct federation *f, struct update *update);
/* Whether the peer showed entries of our own log that we don't have. */
bool standing_has_more(const struct federation *f, uint32_t peer);
/* Whether entries of our own log are to be taken from peers. */
bool standing_replays(const struct federation *f);
/* What was gathered of our own log goes to the home writer. */
void standing_replay(struct federation *f, const struct signed_checkpoint *checkpoint);
/* Takes the update; `bytes` count against its source until it comes back. */
void standing_submit_replay(struct federation *f, struct update *update, size_t bytes);
/* The peer's log of our region does not go on where ours ends. */
void standing_other_history(struct federation *f, uint32_t peer);

/* standing_whole.c: parts whose sizes were checked. Each may end the source. */
void standing_whole_begin(struct federation *f);
void standing_whole_headers(struct federation *f, const Vacancy__V1__SnapshotHeaders *headers);
void standing_whole_records(struct federation *f, const Vacancy__V1__SnapshotRecords *records);
/* checkpoint NULL: a part of a batch. */
void standing_whole_log(struct federation *f, const Vacancy__V1__Batch *batch,
                        const struct signed_checkpoint *checkpoint);
void standing_whole_end(struct federation *f);

#endif
