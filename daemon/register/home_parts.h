/*
 * home_parts.h - what the files of the register's logic share. For daemon/register and its tests.
 *
 *     home.c         life of struct home, position, counts       home_batch.c     log, audit and records within a batch
 *     home_open.c    a new register; opening an old one          home_check.c     reading all of an old one
 *     home_apply.c   a batch: begin, each update, commit         home_lapse.c     lapsing and forgetting
 *     home_update.c  what each kind of update does               home_requests.c  request ids
 *     home_state.c   digest of the shared state, checkpoints     home_log.c       log and state for other hubs
 *     home_feed.c    the first feeding of an observer            home_read.c      reads
 *     home_standing.c  whether this hub decides; epochs        home_replay.c    its own entries, from its peers
 *     home_lost.c    carers of which a restore left the shared part only
 *     home_hold.c    holds and their answers                   home_hold_end.c  their end; what is forgotten of them
 *     home_place.c   a hold becomes a placement                home_asked.c     asked of other regions' hubs
 *     home_read_holds.c  reads of holds                        vacancy_map.c    whose a vacancy is
 *     home_lease.c   the clock on which holds run out          home_events.c    what agencies are told
 *     home_report.c  a team says that a vacancy is not to be had   home_transfer.c  carers move between agencies
 *     home_former.c    references of carers who went
 *     home_horizon.c   erasure, and payloads that are dropped  home_backup.c    what a backup says of itself
 *
 * Thread: the writer's, but for what is under `lock`, and home_read.c.
 * Invariant: struct home changes only after a commit is durable; until then everything is in struct batch.
 */
#ifndef VACANCY_REGISTER_HOME_PARTS_H
#define VACANCY_REGISTER_HOME_PARTS_H

#include "daemon/record/lthash.h"
#include "daemon/register/due.h"
#include "daemon/register/home.h"
#include "daemon/register/tables.h"
#include "daemon/register/vacancy_map.h"

#include <pthread.h>

#define BATCH_ARENA_BYTES (512ULL << 20) /* a confirmation of everything that an agency has is one transaction */

/* A reading of the lease clock (home.h), and of what it goes by, at one moment. */
struct lease {
    uint8_t boot_id[BOOT_ID_BYTES];
    int64_t boot_ms, wall_ms, lease_ms;
};

/* Where both chains end; stored in META with each commit. */
struct home_position {
    uint64_t epoch, sequence;
    uint8_t epoch_id[EPOCH_ID_BYTES];
    uint8_t head[DIGEST_BYTES]; /* hash of the last header */
    int64_t time_ms;            /* record time: of the last entry; never goes back, whatever the clock does (C2) */
    struct audit_position audit;
    int64_t forgotten_ms; /* request ids made up to then may have been forgotten, whatever the clock says now (C1) */
    uint64_t horizon;     /* payloads up to here may be gone */
    uint64_t erased;      /* the last erasure: the horizon moves there soon */
    struct lease lease;   /* as the batch began */
    uint64_t events;      /* the newest event's number, of any agency; 0: none yet */
    uint64_t events_gone; /* events up to here may be gone, by their age */
};

/* What the region's records add up to; stored in META with each commit that changes them. */
struct shared_state {
    struct lthash digest;
    uint64_t records;
};

struct due_change {
    uint64_t number; /* national reference, or of a hold's token */
    int64_t at_ms;   /* wall clock, or a hold's: lease clock; INT64_MAX: none */
    bool hold;
};

struct vacancy_change {
    uint64_t vacancy_id, national_reference; /* the second 0: it is no more */
};

/* By agency, how many carers are lost since a restore; few agencies, and none after a while. */
struct lost_counts {
    struct lost_count {
        char agency[AGENCY_ID_BYTES];
        uint32_t count;
    } * items;
    size_t count, capacity;
};

/* Grows and is kept from batch to batch. */
struct batch_lists {
    struct lost_counts lost;
    struct change *changes;
    struct due_change *dues;
    struct vacancy_change *vacancies;
    uint64_t *subjects; /* of the update under way, for its audit row */
    size_t change_count, change_capacity, due_count, due_capacity, subject_count, subject_capacity;
    size_t vacancy_count, vacancy_capacity;
};

/* How far a round of forgetting is. */
struct forget_place {
    enum store_table table; /* REQUESTS, then EVENTS, then FORMER */
    struct table_key key;
};

struct home {
    struct home_options options;
    struct store *store;
    struct elsewhere_port elsewhere;
    struct commit_observer observers[HOME_OBSERVERS_MAX];
    int observer_count;
    struct due *due, *due_holds; /* of vacancies by the wall clock, of live holds by the lease clock */
    struct vacancy_map *whose;   /* live vacancies */
    struct arena arena;          /* of the batch under way */
    struct batch_lists lists;
    struct shared_state state;
    int64_t signed_boot_ms; /* when `newest` was signed */
    struct lost_counts lost;
    uint64_t dropped;               /* payloads up to here are gone */
    uint64_t roster_kept;           /* the highest roster version, durably */
    int64_t erased_boot_ms;         /* when position.erased was set, or this process began */
    int64_t look_back_boot_ms;      /* when entries' age is looked at next */
    int64_t forget_again_ms;        /* wall time of the next look at old request ids */
    bool lease_unkept;              /* position.lease goes on from another boot, and is not durable yet */
    uint8_t boot_id[BOOT_ID_BYTES]; /* of this process; constant once open */
    struct {
        bool under_way, again; /* again: another round must follow this one */
        struct forget_place at;
        uint64_t rounds; /* done */
    } forget;            /* what requests and events say of erased carers (home_requests.c) */
    struct {
        struct table_key at;   /* of size 0: no round is under way */
        int64_t again_boot_ms; /* the next one */
    } ageing;                  /* of events (home_events.c) */
    struct {
        bool under_way;
        size_t table; /* HOLDS, ASKED, REPORTS */
        struct table_key at;
        int64_t again_boot_ms;
    } forget_holds; /* that ended, or were asked for elsewhere, long ago, and yesterday's reports (home_hold_end.c) */

    pthread_mutex_t lock; /* the rest is read by other threads */
    struct home_position position;
    struct signed_checkpoint newest; /* at `position`; epoch 0: none yet */
    enum home_standing standing;
    uint64_t shown_epoch, shown_sequence; /* what peers have of our log, where that is more than we */
    uint64_t told_horizon;                /* of a later epoch, elsewhere */
    uint64_t roster_version;
    uint64_t agencies, carers, vacancies;
    bool read_only; /* the disk failed */
    bool full;      /* the last batch found no room */
};

struct batch {
    struct home *home;
    struct store_txn *txn;
    struct arena *arena;
    struct batch_lists *lists;
    int64_t now_ms;  /* wall: decides what is late or ahead */
    int64_t time_ms; /* record time */
    struct home_position position;
    struct shared_state state;
    enum home_standing standing;
    struct signed_checkpoint newest;     /* as batch_checkpoint signed it, or as it was replayed; epoch 0: not */
    int64_t agencies, carers, vacancies; /* added */
    bool forget;                         /* a carer was removed: what requests say of it is to be forgotten */
    bool only_reserve;                   /* the store is full: nothing but what may use the reserve */
    enum err failed;                     /* the whole batch can't be done */
};

/* home_batch.c. What returns bool sets batch->failed on false. */
enum err batch_begin(struct home *home, bool use_reserve, struct batch *out);
/* Stores the position, commits, then tells the observers; on any error nothing has changed. Ends the batch. */
enum err batch_commit(struct batch *batch);
void batch_abort(struct batch *batch);
/* ERR_NONE, ERR_NOT_FOUND, ERR_STORE_DAMAGED (problem filled), or an error that batch->failed has too. The value is a
 * copy in the arena. */
enum err batch_get(struct batch *batch, enum store_table table, const struct table_key *key, struct octets *value,
                   struct problem *problem);
bool batch_put(struct batch *batch, enum store_table table, const struct table_key *key, const struct octets *value);
bool batch_del(struct batch *batch, enum store_table table, const struct table_key *key); /* none there is fine */
/* Appends an entry to the region's log, moves the state's digest from what the record was (`before`, empty: none) to
 * what it is, and notes the change for the observers. key and value must live in the arena. */
bool batch_log(struct batch *batch, enum log_table table, const struct octets *key, const struct octets *before,
               bool deleted, const struct octets *value);
bool batch_change(struct batch *batch, enum log_table table, const struct octets *key, bool deleted,
                  const struct octets *value);
void batch_due(struct batch *batch, uint64_t national_reference, int64_t at_ms);
/* When it runs out, while it is live; `kept` false: it is no more. */
void batch_due_hold(struct batch *batch, const struct hold *hold, bool kept);
void batch_subject(struct batch *batch, uint64_t national_reference);
/* What was done, by whom, to whom is `what`'s; the rest of the record is the batch's: when, its subjects, where. */
bool batch_audit(struct batch *batch, const struct audit_entry *what, enum err code, bool logged);

/* A stored carer with what was last logged of it; views in the batch's arena. */
struct stored_carer {
    struct home_carer home;
    struct home_carer_shared shared;
};
enum err batch_get_carer(struct batch *batch, uint64_t national_reference, struct stored_carer *out,
                         struct problem *problem);
/* Stores the carer and logs what changed of its row (looked at only when row_too) and of its offer. */
bool batch_put_carer(struct batch *batch, struct stored_carer *carer, bool row_too);
/* A hold with its row as last logged (empty: a new one, or gone from what is shared); the row is a view in the batch's
 * arena. */
struct stored_hold {
    struct hold hold;
    struct octets row;
};
enum err batch_get_hold(struct batch *batch, const struct hold_token *token, struct stored_hold *out,
                        struct problem *problem);
/* Logs the row when it changed, and stores the hold with its lines in HOLD_LISTS (while it is live also in those of the
 * live; its holder's only once it is known). A new hold's token (0, 0 till then) is the position of the next entry.
 * Where the carer's offer changes with it, it goes first: so a replay knows the hold when the offer comes. */
bool batch_put_hold(struct batch *batch, struct stored_hold *hold);
/* A hold's lines in HOLD_LISTS, of whichever owners are known: which should be there, and which not. */
#define HOLD_LINES_MAX 8
struct hold_lines {
    uint32_t count;
    bool wanted[HOLD_LINES_MAX];
    struct table_key keys[HOLD_LINES_MAX];
};
void hold_lines_of(const char *region, const struct hold *hold, struct hold_lines *out);
/* Stores it, with its lines, without logging anything. */
bool batch_store_hold(struct batch *batch, const struct stored_hold *hold);
/* Its row leaves what is shared (HOLD_SHARED_MS); the hold stays. */
bool batch_drop_hold_row(struct batch *batch, struct stored_hold *hold);
/* The hold and its lines go; its row, if it still has one, is not logged. */
bool batch_forget_hold(struct batch *batch, const struct stored_hold *hold);
/* All of it goes, the row too. */
bool batch_remove_hold(struct batch *batch, struct stored_hold *hold);
/* Sets what follows from observed_at, the terms, a team's report and the moment: confirmed_at, valid_until, LAPSED or
 * not. A report that the agency has not answered since is the end of what is believed. */
void vacancy_settle(struct batch *batch, struct home_carer *home);
/* Its holds have ended. */
void vacancy_clear(struct batch *batch, struct home_carer *home, int64_t observed_at_ms);
/* The carer whose live vacancy this is, as this batch stands. ERR_NOT_FOUND. */
enum err batch_find_vacancy(struct batch *batch, uint64_t vacancy_id, struct stored_carer *out,
                            struct problem *problem);
void batch_vacancy(struct batch *batch, uint64_t vacancy_id, uint64_t national_reference); /* 0: no more */
/* Stores the carer without logging anything: what was shared of it has been. */
bool batch_store_carer(struct batch *batch, struct stored_carer *carer);
bool octets_same(const struct octets *a, const struct octets *b);
/* home_lapse.c. What the policy leaves open is the default. */
void policy_fill(struct home_policy *policy);
/* How long after valid_until a vacancy lapses, by what it offers. */
int64_t vacancy_lapse_ms(const struct home_policy *policy, const struct home_carer *home);
/* A hold's number among those due. */
uint64_t hold_number(const struct hold_token *token);
struct hold_token hold_of_number(uint64_t number);
/* At open: a hold as it was read. */
void hold_due_read(struct home *home, const struct hold *hold);
/* Ends holds that have run out, EXPIRE_BATCH_MAX at most: before anything else is decided, however long this process
 * stood still (C4). */
void holds_expire(struct home *home);
/* Whether some that have run out may not be ended yet. */
bool holds_overdue(const struct batch *batch);
/* Ends those of the carer that the update names, so that it is decided as if all were. */
bool holds_expire_for(struct batch *batch, struct update *update);
/* When time does the next thing to the carer's vacancy (wall clock); INT64_MAX: none live, or nothing more. */
int64_t vacancy_due_ms(const struct home_policy *policy, const struct home_carer *home);
void home_note_failure(struct home *home, enum err err);                        /* after ERR_STORE_IO no more writes */
void *list_need(void *list, size_t count, size_t *capacity, size_t item_bytes); /* room for one more */

/* home_update.c: whether this hub takes such an update now at all; then checks first, writes after: a refusal (the
 * problem in update->result) has written nothing. */
enum err update_admit(struct batch *batch, struct update *update);
enum err update_apply(struct batch *batch, struct update *update);
/* Fills in what an update's answer says of where the log stands, and of the carer (may be NULL). */
void update_settle(struct batch *batch, struct update *update, enum update_outcome outcome,
                   const struct stored_carer *carer);

/* The carer behind the agency's own reference; ERR_NOT_FOUND when there is none. */
enum err update_find_carer(struct batch *batch, struct update *update, const char *reference, struct stored_carer *out);
/* Whether the agency has given the reference already: to which carer, 0: to none. */
enum err update_find_reference(struct batch *batch, struct update *update, const char *reference, uint64_t *out);
/* An unknown carer and another agency's give the same answer (A7); one who went, what former_refuse says. */
enum err refuse_carer(struct batch *batch, struct update *update, const char *field);
/* What is true of a carer that a restore left in part can only be said by its agency. */
enum err refuse_lost(struct update *update, const char *field);
/* Its row in REFERENCES. */
bool reference_put(struct batch *batch, const struct home_carer *home);

/* home_transfer.c */
enum err carer_release(struct batch *batch, struct update *update);
enum err carer_let_go(struct batch *batch, struct update *update);
enum err carer_take_over(struct batch *batch, struct update *update);
/* ERR_PRECONDITION where the carer is another region's now. */
enum err carer_refuse_moved(struct update *update, const struct home_carer *home, const char *field);
/* The code that is out is void. */
void carer_void_code(struct home_carer *home);
/* When to look whether one that moved away may be cut down to its move (wall clock); INT64_MAX: it is, or has not. */
int64_t carer_cut_due_ms(const struct home_carer *home);
/* Cuts it if so; else looks again later. */
bool carer_cut(struct batch *batch, struct stored_carer *stored);

/* home_former.c. A carer leaves the agency and reference that it has, or is back there. */
bool former_note(struct batch *batch, const struct home_carer *home, int64_t at_ms); /* wall clock; 0: not known */
bool former_forget(struct batch *batch, const struct home_carer *home);
/* Whose of the update's agency a reference was before that one went; 0: nobody's. */
enum err former_find(struct batch *batch, struct update *update, const char *reference, uint64_t *out);
/* ERR_PRECONDITION if it was such a one's, with what to do; ERR_NOT_FOUND: nobody's. */
enum err former_refuse(struct batch *batch, struct update *update, const char *reference, const char *field);
/* " on 2026-11-22"; empty: not known. */
#define FORMER_WHEN_BYTES (DATE_TEXT_BYTES + 4)
void former_when(int64_t at_ms, char out[FORMER_WHEN_BYTES]);
/* A row, for home_check.c and home_requests.c. */
bool former_row_check(const struct octets *value);
enum err former_names_nobody(struct home *home, struct store_txn *txn, const struct octets *value, bool *out);

/* home_report.c */
enum err report_unavailable(struct batch *batch, struct update *update);

/* home_requests.c. ERR_EXISTS: seen before with this content, update->result has the first answer. */
enum err request_check(struct batch *batch, struct update *update);
/* That a call to another region has an id of its own: ERR_PRECONDITION where it was used here, or settled. */
enum err request_check_unused(struct batch *batch, const struct asked_hold *asked, struct problem *problem);
bool request_store(struct batch *batch, const struct update *update);
/* The hold which the first call with this id made, for UPDATE_SETTLE_HOLD. ERR_NOT_FOUND: no such call was done. */
enum err request_settle(struct batch *batch, struct update *update, struct hold_token *out);
/* Says that it did make one: holds are kept for longer than ids, but a wall clock may have leapt. ERR_PRECONDITION. */
enum err request_hold_gone(struct problem *problem);
/* From here on no call with this id is done. */
bool request_spend(struct batch *batch, const struct update *update);
/* A transfer code with which a carer was taken over from another region; nothing of whom. Kept as request ids are, for
 * as long as the other hub may answer it. */
bool request_spend_code(struct batch *batch, const struct update *update);
/* ERR_NOT_FOUND: not spent here. */
enum err request_find_code(struct batch *batch, struct update *update);

/* home_open.c: META's records. */
#define POSITION_BYTES 192
extern const struct table_key meta_schema, meta_position;
void position_encode(const struct home_position *position, uint8_t out[POSITION_BYTES]);
void position_decode(const uint8_t in[POSITION_BYTES], struct home_position *out);
/* What META says in this transaction. ERR_STORE_DAMAGED when it is missing. */
enum err position_read(struct home *home, struct store_txn *txn, struct home_position *out, struct problem *problem);

/* home_check.c: all that is stored, read through and compared with what META says; counts, due times and the state's
 * digest are filled in. home->position has been read. */
enum err register_check(struct home *home, struct store_txn *txn, struct problem *problem);

/* home_state.c */
void state_change(struct shared_state *state, enum log_table table, const struct octets *key,
                  const struct octets *before, const struct octets *now);
enum err state_read(struct home *home, struct store_txn *txn, struct shared_state *out, struct problem *problem);
bool state_store(struct batch *batch);
/* Stores the state and signs where the log now stands, when the batch moved it. */
bool batch_checkpoint(struct batch *batch);
/* ERR_STALE: the roster is older than one that was in use. */
enum err roster_check(struct home *home, struct store_txn *txn, struct problem *problem);
/* Makes the roster's version durable when it is a new one. */
enum err roster_keep(struct home *home);
/* The stored checkpoint at or after a sequence. ERR_NOT_FOUND. */
enum err checkpoint_seek(struct home *home, struct store_txn *txn, uint64_t sequence, struct signed_checkpoint *out,
                         struct problem *problem);

/* home_standing.c */
enum err standing_refuse(enum home_standing standing, struct problem *problem);
/* Whether a decision may be made now: ERR_UNAVAILABLE. */
enum err standing_admit(struct batch *batch, struct problem *problem);
bool standing_decides(struct home *home);
/* Whether peers show more of our log than was durable before this batch. */
bool standing_shown_more(struct batch *batch);
/* Whether this batch made decisions that must not become durable, for that reason. */
bool standing_forbids(struct batch *batch);
enum err standing_behind(struct batch *batch, struct update *update);
enum err standing_decide(struct batch *batch, struct update *update);
enum err standing_promote(struct batch *batch, struct update *update);
enum err standing_supersede(struct batch *batch, struct update *update);
bool standing_restoring(struct batch *batch); /* from here on, also after a restart */
/* In what standing a register begins. */
enum err standing_read(struct home *home, struct store_txn *txn, struct problem *problem);
/* Restored, and nobody to ask: what was restored is all there is. */
void standing_decide_alone(struct home *home);
/* The store is a backup's: restoring, durably. */
enum err standing_restored(struct home *home, struct problem *problem);
/* Begins the next epoch with its entry. */
bool epoch_open(struct batch *batch);

/* home_replay.c: alone in its batch; any error fails the batch. */
enum err replay_apply(struct batch *batch, struct update *update);

/* home_lost.c. A lost carer has its row in ORPHANS, any other in REFERENCES. */
uint32_t lost_count(const struct batch_lists *lists, const char *agency);
void lost_add(struct lost_counts *counts, const char *agency, int by);
void lost_copy(struct lost_counts *to, const struct lost_counts *from);
bool lost_note(struct batch *batch, const struct home_carer *home);
/* Its row in ORPHANS or REFERENCES goes. */
bool reference_forget(struct batch *batch, const struct home_carer *home);
/* The carer and all that leads to it goes, but for its log entries. */
bool carer_remove(struct batch *batch, const struct stored_carer *carer);

/* home_horizon.c */
bool carer_erase(struct batch *batch, struct stored_carer *carer);
/* Moves the horizon when it is time. True: it moved, and that was signed. */
bool horizon_move(struct home *home);
/* True: there is more to drop. */
bool horizon_drop(struct home *home);
/* home_requests.c. After a carer was removed: what requests and events say of it is forgotten in slices, begun once the
 * batch is durable. */
#define REQUESTS_PER_SLICE 4096
bool requests_forget(struct batch *batch);
void requests_forget_begin(struct home *home);
/* At open: whether that is not done yet. */
enum err requests_read(struct home *home, struct store_txn *txn, struct problem *problem);
/* True: there is more to look at. */
bool requests_forget_slice(struct home *home);

/* home_lease.c. A batch's own reading is position.lease.lease_ms: what it decides by, and keeps. */
/* A new register begins at 0. */
void lease_begin(struct home *home);
/* At open, after position_read: goes on from what was kept. */
void lease_go_on(struct home *home);
void lease_read(struct home *home, struct lease *out);
/* Makes the reading durable where the wall clock has moved against the boot clock since it was last kept. */
enum err lease_keep(struct home *home);
void lease_encode(const struct lease *lease, uint8_t out[BOOT_ID_BYTES + 24]);
void lease_decode(const uint8_t in[BOOT_ID_BYTES + 24], struct lease *out);

/* home_events.c. The numbers are those of proto AgencyEvent.Kind. */
enum event_kind {
    EVENT_CARER_REGISTERED = 1,
    EVENT_CARER_CHANGED,
    EVENT_CARER_ENDED,
    EVENT_VACANCY_OFFERED,
    EVENT_VACANCY_CHANGED,
    EVENT_VACANCY_WITHDRAWN,
    EVENT_GOING_STALE,
    EVENT_STALE,
    EVENT_LAPSED,
    EVENT_REPORTED_UNAVAILABLE,
    EVENT_HELD,
    EVENT_HOLD_EXTENDED,
    EVENT_HOLD_ACCEPTED,
    EVENT_HOLD_DECLINED,
    EVENT_HOLD_RELEASED,
    EVENT_HOLD_EXPIRED,
    EVENT_PLACED,
    EVENT_CARER_RELEASED,
    EVENT_CARER_MOVED,
    EVENT_CARER_ERASED,
    EVENT_END
};

/* All borrowed for the call. */
struct home_event {
    enum event_kind kind;
    const struct home_carer *home; /* as it is after it; WITHDRAWN and ENDED: as it was, so that the vacancy is named */
    const struct hold *hold;       /* NULL: none */
    const char *by;                /* SPIFFE name; "hub" for what time did */
    uint8_t decline_reason;
    const char *detail; /* NULL: none */
    int64_t until_ms;   /* 0: none */
};
/* Adds it to what the carer's agency (home->carer.agency) is told, in this transaction. Of CARER_ERASED nothing of the
 * carer is kept. No record's state hangs on it. */
bool batch_event(struct batch *batch, const struct home_event *event);
/* Whether an event's row tells of a carer that is no more. */
enum err event_names_nobody(struct home *home, struct store_txn *txn, const struct octets *value, bool *out);
/* Drops events that are older than EVENTS_KEPT_MS, now and then. True: there is more to look at. */
bool events_age_slice(struct home *home);
/* An event's row, for home_check.c: its number. ERR_STORE_DAMAGED. */
enum err event_row_check(const struct octets *rest, const struct octets *value, uint64_t *number);

/* What time and the hub itself do is in their name. */
#define HUB_PRINCIPAL "hub"

/* home_hold.c, home_place.c: what the kinds of update do. */
enum err hold_make(struct batch *batch, struct update *update);
enum err hold_extend(struct batch *batch, struct update *update);
enum err hold_release(struct batch *batch, struct update *update);
enum err hold_place(struct batch *batch, struct update *update);
enum err hold_accept(struct batch *batch, struct update *update);
enum err hold_decline(struct batch *batch, struct update *update);
enum err hold_settle(struct batch *batch, struct update *update);
/* A live one whose time is over, whether that was written yet or not. */
bool hold_run_out(const struct batch *batch, const struct hold *hold);
/* The hold that the update names, if it is the caller's (ERR_FORBIDDEN), with its carer. What a restore left out of it
 * is filled in, not stored. */
enum err hold_find(struct batch *batch, struct update *update, struct stored_hold *hold, struct stored_carer *carer);
/* *active: it is registered, and not suspended; *out says how. */
enum err hold_agency(struct batch *batch, const char *id, struct agency *out, bool *active, struct problem *problem);
/* ERR_PRECONDITION of a hold whose vacancy no search would show now. */
enum err hold_refuse_not_offered(struct problem *problem);
/* The answer: the hold as it now is. */
void hold_settle_result(struct batch *batch, struct update *update, enum update_outcome outcome,
                        const struct hold *hold, const struct stored_carer *carer);

/* home_place.c. Of a hold that may be released or declined by its state: a PLACED one is taken back as a placement that
 * did not begin, while it can't have begun; what is not placed is not. `field`: where the update says so. */
enum err placement_check_back(struct update *update, const struct hold *hold, struct home_carer *home,
                              const char *field);

/* home_hold_end.c. None of these stores the carer, but hold_expire. */
/* The carer's entry of it; NULL: none, it takes no beds of the live vacancy. */
struct live_hold *hold_listed(struct home_carer *home, const struct hold_token *token);
/* Stores the hold, and takes it into the carer's list or out of it. */
bool hold_store(struct batch *batch, struct stored_hold *hold, struct stored_carer *carer);
/* RELEASED, EXPIRED or DECLINED now, with its event. */
bool hold_end(struct batch *batch, struct stored_hold *hold, struct stored_carer *carer, enum hold_state state,
              const char *by);
/* Its time has run out on the batch's lease clock. ERR_PRECONDITION: not yet, or it is not live. */
enum err hold_expire(struct batch *batch, const struct hold_token *token);
/* All live holds of the carer, which ends or moves. */
enum err holds_decline(struct batch *batch, struct stored_carer *carer, enum decline_reason reason, const char *by,
                       struct problem *problem);
/*
 * The agency says who lives there; `home` has what it said before. A child placed since leaves its hold only if
 * `pushed`, observed after that, lists one of its kind (same sex and authority, same age band or the next) more than
 * are those listed before: whoever does not know of the placement yet does not move the child out.
 */
enum err holds_told(struct batch *batch, struct home_carer *home, const struct carer *pushed, struct problem *problem);
/* The vacancy ends, with its list of holds: who was placed through it lives there all the same. False: nobody was. */
bool holds_leave_children(struct home_carer *home);
/* Every hold that the carer ever had goes, from the log's state too. */
enum err holds_erase(struct batch *batch, uint64_t national_reference, struct problem *problem);
/* A slice of what is to be forgotten of holds that ended. True: there is more to look at. */
bool hold_forget_slice(struct home *home);

/* home_asked.c */
enum err asked_note(struct batch *batch, struct update *update);
/* Whether a row of ASKED is to be forgotten: asked HOLD_KEPT_MS ago. ERR_STORE_DAMAGED: it can't be read. */
enum err asked_is_old(const struct batch *batch, const struct octets *key, const struct octets *value, bool *old);

/* home_report.c: the same of what a team reported, REPORT_EVERY_MS ago at the last; rest is the key behind the region.
 */
enum err reports_are_old(const struct batch *batch, const struct octets *rest, const struct octets *value, bool *old);
/* A row, for home_check.c. */
bool reports_row_check(const struct octets *rest, const struct octets *value);

/* Whether a key begins with the region's; `rest` is what follows. */
bool key_in_region(const struct octets *key, const char *region, struct octets *rest);

#endif
