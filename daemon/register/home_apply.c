/*
 * home_apply.c - a batch of updates in one transaction.
 * Owns: the order of things: begin, each update with its audit row and request id, commit, observers. The writer's
 * thread. Invariant: when the commit fails, every update of the batch has its error and nothing has changed.
 */
#include "daemon/base/log.h"
#include "daemon/register/home_parts.h"

#include <stdlib.h>
#include <string.h>

static void clear_result(struct update *update)
{
    free(update->result.not_found);
    free((uint8_t *)update->result.let_go.data);
    update->result = (struct update_result){0};
}

/* A refusal keeps its problem and nothing else. */
static void refuse(struct update *update, enum err err)
{
    struct problem problem = update->result.problem;
    clear_result(update);
    if (problem.code != err)
        (void)problem_set(&problem, err, "", "%s", err_name(err));
    update->result.problem = problem;
}

static enum err decide(struct batch *batch, struct update *update)
{
    const struct clock_source *clock = batch->home->options.clock;
    if (update->expires_boot_ms != 0 && clock_boot_ms(clock) > update->expires_boot_ms)
        return problem_set(&update->result.problem, ERR_DEADLINE, "", "the deadline passed before it was begun");
    enum err err = update_admit(batch, update);
    if (err == ERR_NONE)
        err = request_check(batch, update);
    return err == ERR_NONE ? update_apply(batch, update) : err;
}

/* The region of the hub that vouches for who asks. */
static const char *forwarded_by(const struct update *update)
{
    switch (update->kind) {
    case UPDATE_HOLD:
    case UPDATE_EXTEND_HOLD:
    case UPDATE_RELEASE_HOLD:
    case UPDATE_PLACE:
    case UPDATE_REPORT_UNAVAILABLE:
    case UPDATE_SETTLE_HOLD:
        return update->as.hold.forwarded_by;
    case UPDATE_LET_GO:
        return update->as.transfer.to_region;
    default:
        return NULL;
    }
}

/* As asked; what is done with a hold is done for the request for which it was made. */
static const char *reference_of(const struct update *update, enum err err)
{
    bool asked = update->as.hold.request_reference[0] != '\0' || err != ERR_NONE;
    return asked ? update->as.hold.request_reference : update->result.hold.request_reference;
}

/* What is noted of a call to another region's hub has that hub's answer as its code. */
static bool audit(struct batch *batch, const struct update *update, enum err err, bool logged)
{
    struct audit_entry what = {
        .principal = update->principal, .method = update->method, .forwarded_by = forwarded_by(update)};
    if (update->kind >= UPDATE_HOLD && update->kind <= UPDATE_SETTLE_HOLD)
        what.request_reference = reference_of(update, err);
    if (update->kind == UPDATE_NOTE_ASKED) {
        what.request_reference = update->as.asked.request_reference;
        what.code = update->as.asked.code;
        what.asked_of = update->as.asked.region;
    }
    if (update->kind == UPDATE_PUT_AGENCY)
        what.object = update->as.agency_row.id;
    if (update->kind == UPDATE_SET_PRINCIPAL) {
        what.object = update->as.standing.name;
        what.suspended = update->as.standing.suspended;
    }
    return batch_audit(batch, &what, err, logged);
}

/* False when the batch can't go on. */
static bool apply_one(struct batch *batch, struct update *update)
{
    clear_result(update);
    batch->lists->subject_count = 0;
    if (!holds_expire_for(batch, update))
        return false;
    uint64_t sequence_before = batch->position.sequence;
    enum err err = decide(batch, update);
    if (batch->failed != ERR_NONE)
        return false;
    bool repeated = err == ERR_EXISTS && update->result.outcome == OUTCOME_REPEATED;
    if (err != ERR_NONE && !repeated) {
        batch->lists->subject_count = 0;
        refuse(update, err);
    }
    if (repeated) {
        err = ERR_NONE;
        if (update->result.national_reference != 0)
            batch_subject(batch, update->result.national_reference);
    } else if (err == ERR_NONE && !request_store(batch, update)) {
        return false;
    }
    if (update->agency[0] != '\0')
        update->result.lost_in_restore = lost_count(batch->lists, update->agency);
    return audit(batch, update, err, batch->position.sequence > sequence_before);
}

static enum err try_batch(struct home *home, struct update **updates, size_t count, bool use_reserve)
{
    struct batch batch;
    enum err err = batch_begin(home, use_reserve, &batch);
    if (err != ERR_NONE)
        return err;
    for (size_t i = 0; i < count; i++)
        if (!apply_one(&batch, updates[i])) {
            batch_abort(&batch);
            return batch.failed;
        }
    return batch_commit(&batch);
}

static void fail_all(struct update **updates, size_t count, enum err err)
{
    const char *text = err == ERR_UNAVAILABLE
                           ? "other hubs show more of this hub's log than it has: it takes no writes; "
                             "if that stays so, its operator decides: vacancy hub promote"
                       : err == ERR_STORE_FULL ? "this hub's store is full; nothing was changed, try again later"
                       : err == ERR_STORE_IO   ? "this hub's disk failed; it takes no more writes until it is repaired"
                                               : "the change could not be stored; nothing was changed";
    for (size_t i = 0; i < count; i++) {
        if (updates[i]->kind == UPDATE_REPLAY && updates[i]->result.problem.code == err)
            continue; /* it was alone, and knows why */
        clear_result(updates[i]);
        (void)problem_set(&updates[i]->result.problem, err, "", "%s", text);
    }
}

static void note_full(struct home *home, bool full)
{
    if (home->full == full)
        return;
    pthread_mutex_lock(&home->lock);
    home->full = full;
    pthread_mutex_unlock(&home->lock);
    if (full)
        log_warn("register", "the store is full: only withdrawals, endings and confirmations are taken");
    else
        log_info("register", "the store has room again");
}

static void apply_slice(struct home *home, struct update **updates, size_t count)
{
    enum err err = home->read_only ? ERR_STORE_IO : try_batch(home, updates, count, false);
    if (err == ERR_NONE || err == ERR_STORE_FULL)
        note_full(home, err == ERR_STORE_FULL);
    /* What withdraws, ends or confirms gets another chance with the reserve; the others are refused one by one. */
    if (err == ERR_STORE_FULL)
        err = try_batch(home, updates, count, true);
    home_note_failure(home, err);
    if (err != ERR_NONE)
        fail_all(updates, count, err);
}

void home_apply(struct home *home, struct update **updates, size_t count)
{
    if (count > 0)
        holds_expire(home);
    while (count > 0) {
        /* A replay is known to be right only when all of it is written: it stands or falls alone. */
        size_t slice = updates[0]->kind == UPDATE_REPLAY;
        while (slice < count && slice < APPLY_BATCH_MAX && updates[0]->kind != UPDATE_REPLAY &&
               updates[slice]->kind != UPDATE_REPLAY)
            slice++;
        apply_slice(home, updates, slice);
        updates += slice;
        count -= slice;
    }
}
