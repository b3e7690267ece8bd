/*
 * home_parts.h - what the files of the register's logic share. For daemon/register and its tests.
 *
 *     home.c         life of struct home, position, counts       home_batch.c     log, audit and records within a batch
 *     home_open.c    a new register; reading all of an old one   home_requests.c  request ids
 *     home_apply.c   a batch: begin, each update, commit         home_lapse.c     lapsing and forgetting
 *     home_update.c  what each kind of update does               home_read.c      reads
 *
 * Thread: the writer's, but for what is under `lock`, and home_read.c.
 * Invariant: struct home changes only after a commit is durable; until then everything is in struct batch.
 */
#ifndef VACANCY_REGISTER_HOME_PARTS_H
#define VACANCY_REGISTER_HOME_PARTS_H

#include "daemon/register/due.h"
#include "daemon/register/home.h"
#include "daemon/register/tables.h"

#include <pthread.h>

#define BATCH_ARENA_BYTES (512ULL << 20) /* a confirmation of everything that an agency has is one transaction */

/* Where both chains end; stored in META with each commit. */
struct home_position {
    uint64_t epoch, sequence;
    uint8_t epoch_id[16];
    uint8_t head[DIGEST_BYTES]; /* hash of the last header */
    int64_t time_ms;            /* record time: of the last entry; never goes back, whatever the clock does (C2) */
    struct audit_position audit;
    int64_t forgotten_ms; /* request ids made up to then may have been forgotten, whatever the clock says now (C1) */
};

struct due_change {
    uint64_t national_reference;
    int64_t at_ms; /* INT64_MAX: none */
};

/* Grows and is kept from batch to batch. */
struct batch_lists {
    struct change *changes;
    struct due_change *dues;
    uint64_t *subjects; /* of the update under way, for its audit row */
    size_t change_count, change_capacity, due_count, due_capacity, subject_count, subject_capacity;
};

struct home {
    struct home_options options;
    struct store *store;
    struct commit_observer observers[HOME_OBSERVERS_MAX];
    int observer_count;
    struct due *due;
    struct arena arena; /* of the batch under way */
    struct batch_lists lists;
    int64_t forget_again_ms; /* wall time of the next look at old request ids */

    pthread_mutex_t lock; /* the rest is read by other threads */
    struct home_position position;
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
    int64_t agencies, carers, vacancies; /* added */
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
/* Appends an entry to the region's log and notes the change for the observers. key and value must live in the arena. */
bool batch_log(struct batch *batch, enum log_table table, const struct octets *key, bool deleted,
               const struct octets *value);
bool batch_change(struct batch *batch, enum log_table table, const struct octets *key, bool deleted,
                  const struct octets *value);
void batch_due(struct batch *batch, uint64_t national_reference, int64_t at_ms);
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
/* Sets what follows from observed_at, the terms and the moment: confirmed_at, valid_until, LAPSED or not. */
void vacancy_settle(const struct carer *carer, struct vacancy *vacancy, int64_t now_ms);
void *list_need(void *list, size_t count, size_t *capacity, size_t item_bytes); /* room for one more */

/* home_update.c: checks first, then writes; a refusal (the problem in update->result) has written nothing. */
enum err update_apply(struct batch *batch, struct update *update);

/* home_requests.c. ERR_EXISTS: seen before with this content, update->result has the first answer. */
enum err request_check(struct batch *batch, struct update *update);
bool request_store(struct batch *batch, const struct update *update);

/* home_open.c */
#define POSITION_BYTES 120
void position_encode(const struct home_position *position, uint8_t out[POSITION_BYTES]);

/* Whether a key begins with the region's; `rest` is what follows. */
bool key_in_region(const struct octets *key, const char *region, struct octets *rest);

#endif
