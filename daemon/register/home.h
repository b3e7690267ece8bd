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
#include "daemon/record/hold.h"
#include "daemon/record/ids.h"
#include "daemon/record/log_entry.h"
#include "daemon/record/offer.h"
#include "daemon/record/transfer_code.h"
#include "daemon/register/backup_note.h"
#include "daemon/register/log_reader.h"
#include "daemon/register/store.h"

#define OBSERVED_AHEAD_MAX_MS (5LL * 60 * 1000)
#define REQUEST_ID_KEPT_MS    (7LL * 24 * 3600 * 1000)
#define APPLY_BATCH_MAX       256
#define EXPIRE_BATCH_MAX      256 /* holds that home_apply ends before it decides; home_lapse the rest */

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
    /*
     * Decisions about holds (hold.h). For a team: as.hold.holder is its name, and `principal` too; `agency` is empty.
     * ERR_FORBIDDEN: no such hold of this holder, or agency. Each asks states_check. HOLD, EXTEND, RELEASE and PLACE
     * need a request id. result.hold is the hold as it is then.
     */
    UPDATE_HOLD,
    UPDATE_EXTEND_HOLD,
    UPDATE_RELEASE_HOLD,
    UPDATE_PLACE,
    UPDATE_ACCEPT_HOLD, /* the agency's, as the next */
    UPDATE_DECLINE_HOLD,
    /* A team telephoned: the vacancy's confirmation has run out, its agency has an event. By one team one vacancy is
     * reported once in REPORT_EVERY_MS of the lease clock (a second time changes nothing, OUTCOME_CONFIRMED), and
     * policy.reports_each vacancies: ERR_LIMIT. */
    UPDATE_REPORT_UNAVAILABLE,
    /* What became of a UPDATE_HOLD of this holder and request id (`request_id` is that one's: it has none of its own):
     * result.hold, or ERR_NOT_FOUND, and the id is spent: that call, should it still come, is refused. */
    UPDATE_SETTLE_HOLD,
    /* A team of this hub asks, or was answered by, another region's hub: as.asked, its `step` first, is kept; when it
     * was noted, `open` and `token` are as they are kept now. Private, no decision. */
    UPDATE_NOTE_ASKED,
    /*
     * A carer moves to another agency. RELEASE_CARER: makes a code of as.transfer.seed (the request id, where there is
     * one) and keeps its hash; home_transfer_code gives it, also of an answer that is repeated; result.valid_until_ms.
     * LET_GO: this region's part of a move to another region (result.let_go); the same again gives the same for
     * TRANSFER_CODE_MS, or until the carer is seen registered there: from then on the record tells the move alone, and
     * the code is void. A code whose carer was taken over here and is here no more is not taken again. TAKE_OVER:
     * within this region, whoever has the code; from another one, with what its hub let go, OUTCOME_CONFIRMED if that
     * is done already. ERR_FORBIDDEN: not by this code; ERR_EXISTS: the reference is taken. Under the reference that a
     * carer had at an agency which it has left, everything of that agency is ERR_PRECONDITION until it is erased.
     */
    UPDATE_RELEASE_CARER,
    UPDATE_LET_GO,
    UPDATE_TAKE_OVER,
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

/* What there is to note of one try. */
enum asked_step {
    ASKED_BEGUN = 1, /* it is about to be sent */
    ASKED_DONE,      /* `token` */
    ASKED_REFUSED,   /* it did nothing and will do nothing, which says nothing of other tries */
    ASKED_SETTLED,   /* nor will any other: the home hub has spent the request id */
};

/* What a team of this hub asked of another region's hub (home.proto: AskedHold). */
struct asked_hold {
    char holder[PRINCIPAL_NAME_BYTES];
    char region[GSS_BYTES];
    uint8_t request_id[REQUEST_ID_BYTES];
    uint64_t vacancy_id;
    uint32_t beds;
    char request_reference[REQUEST_REFERENCE_BYTES];
    int64_t asked_at_ms, until_ms;
    struct hold_token token; /* epoch 0: not answered, or refused */
    uint32_t code;           /* gRPC status; 4 while the outcome is unknown */
    uint32_t open;           /* tries that may have been done, or may be yet */
    char agency[AGENCY_ID_BYTES];
    enum asked_step step; /* of a note; not kept */
};

struct update_result {
    struct problem problem; /* code ERR_NONE: done */
    enum update_outcome outcome;
    uint64_t epoch, sequence;
    uint64_t national_reference, vacancy_id;
    int64_t valid_until_ms;
    uint32_t confirmed;                 /* UPDATE_CONFIRM */
    uint32_t not_found_count;           /* indexes into `references` that have no live vacancy */
    uint32_t *not_found;                /* malloc'd with the update; freed by update_destroy */
    struct hold hold;                   /* updates of holds */
    uint32_t beds_free;                 /* of its vacancy, after it */
    bool distance_told;                 /* UPDATE_PLACE: it may be */
    char home_postcode[POSTCODE_BYTES]; /* UPDATE_PLACE: for the distance that is told, or empty; never shown */
    struct octets let_go;               /* UPDATE_LET_GO: LetGoResponse octets; malloc'd, freed by update_destroy */
    bool replicated;                    /* filled in by the writer (replicated.h) */
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
        struct {
            char holder[PRINCIPAL_NAME_BYTES];
            char authority[GSS_BYTES];    /* the team's */
            char forwarded_by[GSS_BYTES]; /* empty: asked here */
            char request_reference[REQUEST_REFERENCE_BYTES];
            struct hold_token token; /* all but HOLD and REPORT_UNAVAILABLE */
            uint64_t vacancy_id;     /* those two, and SETTLE */
            uint32_t beds;
            int64_t duration_ms; /* 0: the default */
            /* RELEASE too: PLACEMENT_DID_NOT_BEGIN, or NONE. */
            uint8_t decline_reason, placement_code, provider_consent, authorities_consent;
            date_days starts_on;
            bool asks_distance;   /* PLACE: from the child's home, which service alone knows */
            uint32_t child_count; /* PLACE: as many as beds; siblings of each other */
            struct household_child children[CHILDREN_MAX];
        } hold;
        struct asked_hold asked;
        struct {
            uint8_t seed[TRANSFER_SEED_BYTES]; /* RELEASE_CARER; random where there is no request id */
            uint8_t hash[DIGEST_BYTES];        /* of the code: LET_GO, TAKE_OVER */
            uint64_t national_reference;       /* that it names */
            char to_agency[AGENCY_ID_BYTES], to_region[GSS_BYTES]; /* LET_GO */
            /* TAKE_OVER from another region, empty: within this one; with what it let go: */
            char from_region[GSS_BYTES], from_agency[AGENCY_ID_BYTES];
            uint32_t moves;
            int64_t let_go_ms; /* 0: not asked, it is taken over already (OUTCOME_CONFIRMED) */
            struct carer carer;
        } transfer;
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

/* What an operator may set of vacancies and holds; 0: the default. */
struct home_policy {
    int64_t hold_default_ms, hold_max_ms, hold_least_ms; /* HOLD_DEFAULT_MS, HOLD_MAX_MS, HOLD_LEAST_MS */
    uint32_t holds_each;                                 /* live ones of one team in this region; HOLDS_EACH */
    uint32_t reports_each; /* vacancies that one team may report in REPORT_EVERY_MS; REPORTS_EACH */
    /* How long after its confirmation ran out a vacancy lapses: of emergency care, of others. */
    int64_t lapse_emergency_ms, lapse_ms; /* LAPSE_EMERGENCY_MS, LAPSE_MS */
};
#define HOLD_DEFAULT_MS    (4LL * 3600 * 1000)
#define HOLD_MAX_MS        (24LL * 3600 * 1000)
#define HOLD_LEAST_MS      (60LL * 1000)
#define HOLDS_EACH         20
#define REPORTS_EACH       20
#define REPORTS_EACH_MAX   1000 /* what a team has reported is one record */
#define LAPSE_EMERGENCY_MS (48LL * 3600 * 1000)
#define LAPSE_MS           (21LL * 24 * 3600 * 1000)
#define HOLD_KEPT_MS       (90LL * 24 * 3600 * 1000) /* at home, after its end */
#define HOLD_SHARED_MS     (7LL * 24 * 3600 * 1000)  /* its row in the log's state, after its end */
#define EVENTS_KEPT_MS     (400LL * 24 * 3600 * 1000)
#define REPORT_EVERY_MS    (24LL * 3600 * 1000)
#define TRANSFER_CODE_MS   (14LL * 24 * 3600 * 1000)

/*
 * The lease clock, on which holds run out. It goes with the boot clock, whatever the wall clock does, and only forward:
 * its reading is kept with boot id, boot clock and wall clock in each commit. Over a restart in the same boot it goes
 * on as if nothing had been; over a reboot it goes on by what the wall clock went on since, or not at all where that
 * went back. So no hold is freed early nor prolonged by a step of the wall clock, and none outlives its length by more
 * than a reboot took. Milliseconds; begins at 0 with the register.
 */
struct home;
int64_t home_lease_ms(struct home *home); /* the writer's thread */

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
    struct home_policy policy;
};

/* Told after a commit that is durable, or a newer signature, on the thread that made it. `changed` may be NULL. */
struct change_port {
    void (*changed)(void *ctx);
    void *ctx;
};

/* Whether a carer that this region let go to another one at since_ms is, or was, registered there by what that region
 * has signed since. The writer's thread. `registered` may be NULL: nobody to ask. */
struct elsewhere_port {
    bool (*registered)(void *ctx, const char *region, uint64_t national_reference, int64_t since_ms);
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

/* Before the writer's thread. */
void home_ask_elsewhere(struct home *home, const struct elsewhere_port *port);

/* The code that a UPDATE_RELEASE_CARER made, by its result. Any thread. */
void home_transfer_code(const struct home *home, const struct update *update, char out[TRANSFER_CODE_BYTES]);

#define HOME_OBSERVERS_MAX 4
/* Before the first apply. Feeds it everything that stands now (agencies, principals, carers, offers; in slices), then
 * each commit. */
enum err home_observe(struct home *home, const struct commit_observer *observer) __attribute__((warn_unused_result));

/*
 * Applies up to APPLY_BATCH_MAX updates in one transaction, in order. Each update's result is filled in: refused ones
 * leave no trace but an audit row. If the commit fails every update of the batch has the commit's error, nothing was
 * changed and no observer is told. After ERR_STORE_IO the register takes no more writes (D5).
 * Before them it ends up to EXPIRE_BATCH_MAX holds that have run out, and with each update those of the carer that it
 * names: where more are due at once than one turn ends, the rest are good for nothing and in nobody's way.
 */
void home_apply(struct home *home, struct update **updates, size_t count);

/*
 * What time does, to at most `max` vacancies and holds; returns to how many. A vacancy's agency is told that it is
 * going stale a quarter of its time before valid_until, and then that it is stale; it lapses when the policy's time
 * more has passed. Of a carer that moved to another region what is private goes once it is registered there
 * (home_ask_elsewhere), or the code's time is over. next_due_ms (may be NULL): wall time of the next one as the clocks
 * go now, INT64_MAX: none. Also forgets request ids older than REQUEST_ID_KEPT_MS.
 */
size_t home_lapse(struct home *home, size_t max, int64_t *next_due_ms);

/* --- the federation's side ------------------------------------------------------------------------------------------
 */

#define HEARTBEAT_MS       10000
#define REPLICATED_WAIT_MS 1000

/* Each commit has a signed checkpoint; at rest the newest is signed again every HEARTBEAT_MS. Any thread. ERR_NOT_FOUND
 * before the first epoch. */
enum err home_checkpoint(struct home *home, struct signed_checkpoint *out);
/* The writer's thread: decides after a restore where there is no peer, signs again what is due, moves the horizon,
 * drops payloads behind it in slices, forgets in slices what request ids and events say of erased carers, and events
 * that are too old. True when there is a
 * newer signature; *next_ms (may be NULL): how long until it wants to be called again. */
bool home_heartbeat(struct home *home, int64_t *next_ms);
/* An erasure is whole once no request id or event tells of the carer: home_heartbeat looks through them in rounds.
 * After home_apply: the round that is the last one needed for what was erased so far, 0: none. The writer's thread. */
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
/* Whose the agency's reference was before that carer went to another agency: a national reference. */
enum err home_get_former(struct home *home, const char *agency, const char *agency_reference, uint64_t *out);
/* Up to `max` carers of the agency with a reference after `after` (empty: first), by reference. */
enum err home_list_carers(struct home *home, const char *agency, const char *after, struct home_carer *out, size_t max,
                          size_t *got);
/* Those that are lost since a restore (home_carer.lost): they have no reference, and no place in the listing above.
 * after_hash NULL: from the first. */
enum err home_list_lost(struct home *home, const char *agency, const uint8_t *after_hash, struct home_carer *out,
                        size_t max, size_t *got);
enum err home_get_agency(struct home *home, const char *id, struct agency *out);
enum err home_list_agencies(struct home *home, const char *after_id, struct agency *out, size_t max, size_t *got);
/* Holds. ERR_NOT_FOUND; `out` with all that the home hub knows. Any thread. */
enum err home_get_hold(struct home *home, const struct hold_token *token, struct hold *out);
/* Whether it is this holder's: since a restore from what is shared only its hash tells. Any thread. */
bool home_is_holder(const struct home *home, const struct hold *hold, const char *holder);
/* Newest first, those before `before` (0, 0: from the newest), of a holder's name or of an agency: one of both is NULL.
 * Live ones only, unless ended. Where `max` was reached *next says where to go on; 0, 0: there are no more. */
enum err home_list_holds(struct home *home, const char *holder, const char *agency, bool ended,
                         const struct hold_token *before, struct hold *out, size_t max, size_t *got,
                         struct hold_token *next);
/* What teams asked of other regions, newest request id first; `before` NULL: from the newest. */
enum err home_list_asked(struct home *home, const char *holder, const uint8_t *before, struct asked_hold *out,
                         size_t max, size_t *got);
/* By request id. ERR_NOT_FOUND. */
enum err home_get_asked(struct home *home, const char *holder, const uint8_t request_id[REQUEST_ID_BYTES],
                        struct asked_hold *out);
/* An agency's events after `after` (0: the oldest kept), AgencyEvent octets in the arena. ERR_OUT_OF_RANGE: some after
 * it are gone, or it is past the end. */
struct event_row {
    uint64_t cursor;
    struct octets octets;
};
enum err home_read_events(struct home *home, const char *agency, uint64_t after, struct arena *arena,
                          struct event_row *out, size_t max, size_t *got);
/* The newest event's cursor, of any agency; 0: none yet. Any thread. Also tells a watcher whether to look. */
uint64_t home_events_end(const struct home *home);
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
