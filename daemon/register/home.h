/*
 * home.h - the register's logic for the region that is at home here: the only place where its records are decided.
 *
 * Owns: applying updates in one total order (one transaction a batch: records, log entries, audit rows, request ids,
 * due times), reading them back, lapsing what nobody confirmed, and telling observers after each commit.
 * Not here: threads (writer.h), what a request must look like (service), who may (access), disks (store.h).
 * Time, randomness and disk outcomes come in as arguments or through the seam, so that the simulator runs this code.
 * Thread: home_apply, home_lapse: the writer's. Reads: any.
 * Invariant: an observer sees a change only after its commit is durable; a result is filled in only after that.
 */
#ifndef VACANCY_REGISTER_HOME_H
#define VACANCY_REGISTER_HOME_H

#include "daemon/base/clock.h"
#include "daemon/base/mailbox.h"
#include "daemon/base/randomness.h"
#include "daemon/base/signer.h"
#include "daemon/record/audit_entry.h"
#include "daemon/record/carer.h"
#include "daemon/record/checkpoint.h"
#include "daemon/record/ids.h"
#include "daemon/record/log_entry.h"
#include "daemon/record/offer.h"
#include "daemon/register/backup_note.h"
#include "daemon/register/log_reader.h"
#include "daemon/register/store.h"

#define OBSERVED_AHEAD_MAX_MS (5LL * 60 * 1000)
#define REQUEST_ID_KEPT_MS    (7LL * 24 * 3600 * 1000)
#define APPLY_BATCH_MAX       256

enum update_kind {
    UPDATE_PUT_CARER = 1,
    UPDATE_END_CARER,
    UPDATE_PUT_VACANCY,
    UPDATE_CONFIRM,
    UPDATE_WITHDRAW,
    UPDATE_PUT_AGENCY,
    UPDATE_SET_PRINCIPAL,
    /* A person's data: gone from every table (of request ids' outcomes: home_forget_due), and from the log once the
     * horizon has passed it. */
    UPDATE_ERASE_CARER,
    /* This hub may decide from here on: opens the first epoch, or after a restore the next one. ERR_UNAVAILABLE: peers
     * show more of its log by now (home_shown). */
    UPDATE_DECIDE,
    /*
     * The operator's word. While asking: decides without a peer. While restoring, or asking and behind: only with
     * accept_loss, in the next epoch. Behind: in the next epoch; with accept_loss, unless every peer was asked and none
     * has more. Superseded: only with accept_loss and new_epoch, in an epoch after the one that superseded it (a fork's
     * survivor). With new_epoch: the next epoch in every standing.
     */
    UPDATE_PROMOTE,
    /*
     * This region's own later entries, as a peer has them, epochs included: while asking (this hub is behind what it
     * had signed, so it is restoring from then on) or restoring. ERR_INVALID: not what our key signed;
     * ERR_PRECONDITION: does not follow our head, or this hub decides.
     */
    UPDATE_REPLAY,
    /*
     * A checkpoint of this region, signed by its key, in a higher epoch than ours or of another id in the same: stops
     * deciding, for good. A hub that is restoring, or has no epoch yet, replays that epoch's entries instead if they
     * follow its head; only where they don't is it superseded.
     */
    UPDATE_SUPERSEDED,
    /*
     * A checkpoint of this hub's own epoch, signed by its key, further than its log while it decides: another copy of
     * it writes, or it is an old copy itself. Stops deciding, durably, and keeps the checkpoint as evidence; goes on by
     * the operator's word only. Nothing to do where the log has got there by then, or the hub decides no more.
     */
    UPDATE_BEHIND,
};

/* Whether this hub decides. Writes are ERR_UNAVAILABLE in every other standing, with the operator's command named. */
enum home_standing {
    STANDING_DECIDING = 1,
    STANDING_ASKING,     /* no peer of the roster has answered since the start */
    STANDING_RESTORING,  /* from a backup, or a peer has more of this region's log than we: replays, then a new epoch */
    STANDING_SUPERSEDED, /* a higher epoch of this region was met: another hub decides */
    STANDING_BEHIND,     /* it decided, and was shown more of its own epoch than it has: replays, waits for Promote */
};

/* The numbers are those of proto Receipt.Outcome. */
enum update_outcome {
    OUTCOME_NONE,
    OUTCOME_CREATED,
    OUTCOME_UPDATED,
    OUTCOME_CONFIRMED,
    OUTCOME_ENDED,
    OUTCOME_REPEATED
};

struct update_result {
    struct problem problem; /* code ERR_NONE: done */
    enum update_outcome outcome;
    uint64_t epoch, sequence;
    uint64_t national_reference, vacancy_id;
    int64_t valid_until_ms;
    uint32_t confirmed;       /* UPDATE_CONFIRM */
    uint32_t not_found_count; /* indexes into `references` that have no live vacancy */
    uint32_t *not_found;      /* malloc'd with the update; freed by update_destroy */
    bool replicated;          /* filled in by the writer (replicated.h) */
    uint32_t lost_in_restore; /* carers of the agency of which only the shared part is known since a restore */
};

/*
 * One change asked for, already checked as far as it can be without the register. Made by service (update_create),
 * owned by whoever holds it: service -> writer -> back to service with `result` filled in; freed by update_destroy.
 */
struct update {
    enum update_kind kind;
    char principal[PRINCIPAL_NAME_BYTES]; /* for the audit row */
    const char *method;                   /* static text */
    char agency[AGENCY_ID_BYTES];         /* whose; empty for operators' updates */
    bool has_request_id;
    uint8_t request_id[REQUEST_ID_BYTES];
    uint8_t content_hash[DIGEST_BYTES]; /* of the request's content, for request ids */
    char agency_reference[AGENCY_REFERENCE_BYTES];
    int64_t observed_at_ms;
    union {
        struct carer carer;
        struct vacancy vacancy;
        struct agency agency_row;
        struct {
            date_days ends_on;
            char reason[4];
        } end;
        struct {
            bool all;
            uint32_t count;
            char (*references)[AGENCY_REFERENCE_BYTES]; /* malloc'd; freed by update_destroy */
        } confirm;
        struct {
            char name[PRINCIPAL_NAME_BYTES];
            bool suspended;
        } standing;
        struct {
            bool accept_loss; /* decide although not every peer was asked, after a restore */
            bool new_epoch;   /* open the next epoch even where this one could go on */
            bool behind;      /* a peer has more of this region's log: while asking, as if restoring */
            bool unasked;     /* a peer has not answered since the start */
        } promote;
        struct {
            struct arena *arena; /* malloc'd, with what the rows point into; freed by update_destroy */
            struct log_row *rows;
            size_t count;
            /* Where payloads after our head are gone at the peers: a snapshot. `records` is the whole shared state as
             * read since the first row that has a payload, in the order of table and key; the rows before that one may
             * lack theirs. */
            bool whole;
            struct shared_record *records;
            size_t record_count;
            struct signed_checkpoint checkpoint; /* at the last row; verified by home_apply */
        } replay;
        struct signed_checkpoint superseded; /* verified by home_apply */
        struct signed_checkpoint ahead;      /* UPDATE_BEHIND; verified by home_apply */
    } as;
    bool wait_replicated;       /* answer when a peer has it durably, or it is time (replicated.h): result.replicated */
    uint64_t tag;               /* service's own: Submit's tag */
    int64_t expires_boot_ms;    /* a deadline passed before it is picked up: ERR_DEADLINE; 0: none */
    struct reply_address reply; /* mailbox.h; unused by home.c */
    struct update_result result;
};

struct update *update_create(enum update_kind kind); /* zeroed; NULL when out of memory */
void update_destroy(struct update *update);

/* One record that a commit changed. Views live as long as the observer's call. */
struct change {
    enum log_table table; /* or CHANGE_PRINCIPAL */
    struct octets key;    /* national reference (8 octets), agency id, SPIFFE name */
    bool deleted;
    struct octets value; /* CarerRow, Offer, AgencyRow, PrincipalRow octets */
};
#define CHANGE_PRINCIPAL ((enum log_table)64)

struct commit {
    const char *region; /* whose log */
    const struct change *changes;
    size_t count;
    uint64_t epoch, sequence; /* position after it; epoch 0: nothing of the region is shown any more */
    int64_t time_ms;
    bool more; /* the next call, from the same thread, continues this one: show nothing before the last part */
};

struct commit_observer {
    void (*committed)(void *ctx, const struct commit *commit);
    void *ctx;
};

struct home_options {
    char region[GSS_BYTES];
    const struct clock_source *clock;
    const struct randomness *randomness;
    const struct signer *signer; /* the region's; borrowed */
    uint8_t reference_secret[32];
    bool restored; /* the store is a backup's, found at this start: STANDING_RESTORING, durably */
    uint64_t restored_epoch, restored_sequence; /* with it: where the backup's note says that the register stood */
    bool has_peers;          /* decides only when told to (UPDATE_DECIDE, UPDATE_PROMOTE); else at once */
    uint64_t roster_version; /* at start, for checkpoints; 0: no roster. The highest that ever was is kept */
    int64_t payload_kept_ms; /* payloads of entries older than this are dropped (horizon); 0: kept for ever */
};

/* Told after a commit that is durable, or a newer signature, on the thread that made it. `changed` may be NULL. */
struct change_port {
    void (*changed)(void *ctx);
    void *ctx;
};

struct home;

/*
 * Opens the region's register in `store` (borrowed; must outlive it): opens epoch 1 with its entry when empty, checks
 * schema, region and signing key against what is stored, every record's own check and the header chain.
 * ERR_STORE_DAMAGED names the record. ERR_STALE: a later roster than this one was in use here.
 */
enum err home_open(const struct home_options *options, struct store *store, struct home **out, struct problem *problem)
    __attribute__((warn_unused_result));
void home_close(struct home *home);

#define HOME_OBSERVERS_MAX 4
/* Before the first apply. Feeds it everything that stands now (agencies, principals, carers, offers; in slices), then
 * each commit. */
enum err home_observe(struct home *home, const struct commit_observer *observer) __attribute__((warn_unused_result));

/*
 * Applies up to APPLY_BATCH_MAX updates in one transaction, in order. Each update's result is filled in: refused ones
 * leave no trace but an audit row. If the commit fails every update of the batch has the commit's error, nothing was
 * changed and no observer is told. After ERR_STORE_IO the register takes no more writes (D5).
 */
void home_apply(struct home *home, struct update **updates, size_t count);

/* Lapses vacancies whose valid_until has passed, at most `max`; returns how many. next_due_ms (may be NULL): wall time
 * of the next one, INT64_MAX: none. Also forgets request ids older than REQUEST_ID_KEPT_MS. */
size_t home_lapse(struct home *home, size_t max, int64_t *next_due_ms);

/* --- the federation's side ------------------------------------------------------------------------------------------
 */

#define HEARTBEAT_MS       10000
#define REPLICATED_WAIT_MS 1000

/* Each commit has a signed checkpoint; at rest the newest is signed again every HEARTBEAT_MS. Any thread. ERR_NOT_FOUND
 * before the first epoch. */
enum err home_checkpoint(struct home *home, struct signed_checkpoint *out);
/* The writer's thread: decides after a restore where there is no peer, signs again what is due, moves the horizon,
 * drops payloads behind it in slices, forgets in slices what request ids say of erased carers. True when there is a
 * newer signature; *next_ms (may be NULL): how long until it wants to be called again. */
bool home_heartbeat(struct home *home, int64_t *next_ms);
/* An erasure is whole once no request id tells of the carer: home_heartbeat looks through them in rounds. After
 * home_apply: the round that is the last one needed for what was erased so far, 0: none. The writer's thread. */
uint64_t home_forget_due(const struct home *home);
uint64_t home_forgotten(const struct home *home); /* rounds done */
struct log_reader home_log_reader(struct home *home);
enum home_standing home_standing_now(const struct home *home);
/* Any thread: the furthest place in this region's log that peers show, signed by its key (0, 0: none beyond ours).
 * While it is beyond our log, nothing is decided, from this call on and not only after an update that says so: what was
 * begun before and is not yet committed fails with ERR_UNAVAILABLE. */
void home_shown(struct home *home, uint64_t epoch, uint64_t sequence);
/* Any thread: the checkpoint for which this hub stands back (STANDING_BEHIND, STANDING_SUPERSEDED). ERR_NOT_FOUND. */
enum err home_stands_back_for(struct home *home, struct signed_checkpoint *out);
/* Any thread: what the region's log says elsewhere, in a later epoch, signed by its key: payloads up to there may be
 * gone. A superseded hub, which does not follow its region, drops its own then. */
void home_told_horizon(struct home *home, uint64_t horizon);
/* Any thread. For the checkpoints from here on; the highest is kept durably, at the latest by the next heartbeat. */
void home_set_roster_version(struct home *home, uint64_t version);
/* Recomputes the digest of the shared state from disk and compares it with the checkpoint stored in the same
 * transaction, which *against (may be NULL) is. ERR_STORE_DAMAGED: another, or a record does not pass its own check;
 * ERR_NOT_FOUND before the first epoch. Long: not on a worker. */
enum err home_verify(struct home *home, struct signed_checkpoint *against, uint64_t *records,
                     uint8_t state[DIGEST_BYTES], struct problem *problem);

/* The signed note for a backup that begins now (backup_note.h); its length. Any thread. */
size_t home_backup_note(struct home *home, char out[BACKUP_NOTE_BYTES]);

/* False after the disk failed, and while the last update found no room. */
bool home_writable(const struct home *home);
void home_position(const struct home *home, uint64_t *epoch, uint64_t *sequence);

struct home_counts {
    uint64_t agencies, carers, vacancies;
    struct store_usage usage;
};
enum err home_counts(struct home *home, struct home_counts *out);

/* Reads: begin, copy out, end. ERR_NOT_FOUND when there is none. */
enum err home_get_carer(struct home *home, const char *agency, const char *agency_reference, struct home_carer *out);
/* Up to `max` carers of the agency with a reference after `after` (empty: first), by reference. */
enum err home_list_carers(struct home *home, const char *agency, const char *after, struct home_carer *out, size_t max,
                          size_t *got);
/* Those that are lost since a restore (home_carer.lost): they have no reference, and no place in the listing above.
 * after_hash NULL: from the first. */
enum err home_list_lost(struct home *home, const char *agency, const uint8_t *after_hash, struct home_carer *out,
                        size_t max, size_t *got);
enum err home_get_agency(struct home *home, const char *id, struct agency *out);
enum err home_list_agencies(struct home *home, const char *after_id, struct agency *out, size_t max, size_t *got);
/* Copies audit records of the writes chain from `sequence` on into the arena. */
struct audit_row {
    uint64_t sequence;
    struct octets octets;
};
enum err home_read_audit(struct home *home, uint64_t from_sequence, struct arena *arena, struct audit_row *out,
                         size_t max, size_t *got);
/* Where the writes chain ends, durably. */
void home_audit_position(const struct home *home, struct audit_position *out);
/* Copies log entries (header, salt || payload) from `sequence` on: tests. */
enum err home_read_log(struct home *home, uint64_t from_sequence, struct arena *arena, struct log_row *out, size_t max,
                       size_t *got);

#endif
