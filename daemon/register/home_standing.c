/*
 * home_standing.c - whether this hub decides about its region, and in which epoch (design section 9).
 * Owns: moving from one standing to another, META's records of it, opening epochs. The writer's thread. Invariant: a
 * hub that does not decide writes nothing to its log but, while it is restored, what it had signed before.
 */
#include "daemon/base/log.h"
#include "daemon/record/bytes.h"
#include "daemon/register/home_parts.h"

#include <stdio.h>
#include <string.h>

static const struct table_key meta_restoring = {"restoring", 9};
static const struct table_key meta_superseded = {"superseded", 10};
static const struct table_key meta_behind = {"behind", 6};
static const struct octets yes = {(const uint8_t *)"\1", 1};

static const char *standing_name(enum home_standing standing)
{
    static const char *const names[] = {
        [STANDING_DECIDING] = "deciding",     [STANDING_ASKING] = "asking", [STANDING_RESTORING] = "restoring",
        [STANDING_SUPERSEDED] = "superseded", [STANDING_BEHIND] = "behind",
    };
    return names[standing];
}

static void move(struct batch *batch, enum home_standing standing)
{
    if (batch->standing != standing)
        log_info("register", "standing %s -> %s epoch=%llu sequence=%llu", standing_name(batch->standing),
                 standing_name(standing), (unsigned long long)batch->position.epoch,
                 (unsigned long long)batch->position.sequence);
    batch->standing = standing;
}

bool epoch_open(struct batch *batch)
{
    static const struct octets none;
    struct home_position *position = &batch->position;
    position->epoch++;
    random_fill(batch->home->options.randomness, position->epoch_id, EPOCH_ID_BYTES);
    uint8_t number[8];
    put_be64(number, position->epoch);
    struct octets key = {number, sizeof number}, id = {position->epoch_id, EPOCH_ID_BYTES};
    return batch_log(batch, LOG_TABLE_EPOCH, &key, &none, false, &id);
}

enum err standing_refuse(enum home_standing standing, struct problem *problem)
{
    switch (standing) {
    case STANDING_DECIDING:
        return ERR_NONE;
    case STANDING_ASKING:
        return problem_set(problem, ERR_UNAVAILABLE, "",
                           "this hub has not heard from another hub since it started, and takes no writes before; try "
                           "again soon, or let its operator say: vacancy hub promote");
    case STANDING_RESTORING:
        return problem_set(problem, ERR_UNAVAILABLE, "",
                           "this hub is being restored and takes no writes until it has asked every other hub; its "
                           "operator may end that: vacancy hub promote --accept-loss");
    case STANDING_SUPERSEDED:
        return problem_set(problem, ERR_UNAVAILABLE, "",
                           "another hub decides for this region, in a later epoch: send writes there; after a fork the "
                           "operator may choose this one: vacancy hub promote --accept-loss --new-epoch");
    case STANDING_BEHIND:
        return problem_set(problem, ERR_UNAVAILABLE, "",
                           "this hub was shown entries of its own log, signed by its key, that it does not have, and "
                           "takes no writes: another machine writes with its key, or its data is an old copy; when its "
                           "operator knows which: vacancy hub promote");
    }
    return ERR_INTERNAL;
}

/* --- shown more -------------------------------------------------------------------------------------------------- */

void home_shown(struct home *home, uint64_t epoch, uint64_t sequence)
{
    pthread_mutex_lock(&home->lock);
    home->shown_epoch = epoch;
    home->shown_sequence = sequence;
    pthread_mutex_unlock(&home->lock);
}

/* Beyond the last durable entry: nobody but this batch has seen what it adds. */
static bool is_shown_beyond(struct home *home, uint64_t epoch)
{
    pthread_mutex_lock(&home->lock);
    bool beyond =
        home->shown_epoch > epoch || (home->shown_epoch == epoch && home->shown_sequence > home->position.sequence);
    pthread_mutex_unlock(&home->lock);
    return beyond;
}

bool standing_shown_more(struct batch *batch)
{
    return is_shown_beyond(batch->home, batch->position.epoch);
}

bool standing_decides(struct home *home)
{
    return home->standing == STANDING_DECIDING && !is_shown_beyond(home, home->position.epoch);
}

enum err standing_admit(struct batch *batch, struct problem *problem)
{
    bool stops = batch->standing == STANDING_DECIDING && standing_shown_more(batch);
    return standing_refuse(stops ? STANDING_BEHIND : batch->standing, problem);
}

/* A replay is no decision: it neither begins nor ends with one. */
bool standing_forbids(struct batch *batch)
{
    bool decided = batch->home->standing == STANDING_DECIDING || batch->standing == STANDING_DECIDING;
    return decided && batch->position.sequence != batch->home->position.sequence && standing_shown_more(batch);
}

static enum err settle(struct batch *batch, struct update *update)
{
    update->result.outcome = OUTCOME_UPDATED;
    update->result.epoch = batch->position.epoch;
    update->result.sequence = batch->position.sequence;
    return ERR_NONE;
}

/* Decides from here on, in a new epoch if asked for or needed. */
static enum err decide(struct batch *batch, struct update *update, bool new_epoch)
{
    if ((new_epoch || batch->position.epoch == 0) && !epoch_open(batch))
        return batch->failed;
    if (!batch_del(batch, STORE_META, &meta_restoring) || !batch_del(batch, STORE_META, &meta_superseded) ||
        !batch_del(batch, STORE_META, &meta_behind))
        return batch->failed;
    move(batch, STANDING_DECIDING);
    return settle(batch, update);
}

enum err standing_decide(struct batch *batch, struct update *update)
{
    if (batch->standing == STANDING_BEHIND || standing_shown_more(batch))
        return standing_refuse(STANDING_BEHIND, &update->result.problem);
    if (batch->standing == STANDING_SUPERSEDED)
        return standing_refuse(batch->standing, &update->result.problem);
    if (batch->standing == STANDING_DECIDING)
        return settle(batch, update);
    return decide(batch, update, batch->standing == STANDING_RESTORING);
}

/* The number of the epoch that superseded ours. */
static enum err superseding_epoch(struct batch *batch, uint64_t *out, struct problem *problem)
{
    struct octets value;
    struct signed_checkpoint theirs;
    enum err err = batch_get(batch, STORE_META, &meta_superseded, &value, problem);
    if (err == ERR_NONE)
        err = checkpoint_decode(&value, &theirs);
    if (err != ERR_NONE)
        return problem_set(problem, err, "", "what superseded this hub can't be read: %s", err_name(err));
    *out = theirs.checkpoint.epoch;
    return ERR_NONE;
}

/* What peers show is given up: the epoch that is opened now comes after all that they know of. */
static void step_over_shown(struct batch *batch)
{
    pthread_mutex_lock(&batch->home->lock);
    uint64_t shown = batch->home->shown_epoch;
    pthread_mutex_unlock(&batch->home->lock);
    if (shown > batch->position.epoch)
        batch->position.epoch = shown;
}

enum err standing_promote(struct batch *batch, struct update *update)
{
    struct problem *problem = &update->result.problem;
    bool accept_loss = update->as.promote.accept_loss, new_epoch = update->as.promote.new_epoch;
    bool behind = update->as.promote.behind;
    bool restoring = batch->standing == STANDING_RESTORING || (batch->standing == STANDING_ASKING && behind) ||
                     (batch->standing == STANDING_BEHIND && (behind || update->as.promote.unasked));
    if (restoring && !accept_loss)
        return problem_set(problem, ERR_PRECONDITION, "accept_loss",
                           "not every other hub was asked for what this one had; what they alone have would be lost: "
                           "wait for them, or accept the loss");
    if (batch->standing == STANDING_SUPERSEDED) {
        uint64_t theirs = 0;
        if (!accept_loss || !new_epoch)
            return problem_set(
                problem, ERR_PRECONDITION, accept_loss ? "new_epoch" : "accept_loss",
                "another hub decided for this region in a later epoch; only after a fork, and for the hub "
                "that shall survive it: accept the loss of what was decided there, and a new epoch");
        enum err err = superseding_epoch(batch, &theirs, problem);
        if (err != ERR_NONE)
            return err;
        if (theirs > batch->position.epoch)
            batch->position.epoch = theirs; /* the next one is later than both */
    }
    bool next = new_epoch || restoring || batch->standing == STANDING_BEHIND;
    if (accept_loss && standing_shown_more(batch)) {
        next = true;
        step_over_shown(batch);
    }
    return decide(batch, update, next);
}

/* A checkpoint that our key signed. */
static enum err check_own(struct home *home, const struct signed_checkpoint *said, const char *field,
                          struct problem *problem)
{
    uint8_t public_key[PUBLIC_KEY_BYTES];
    signer_public_key(home->options.signer, public_key);
    if (strcmp(said->checkpoint.region, home->options.region) == 0 && checkpoint_verify(said, public_key))
        return ERR_NONE;
    return problem_set(problem, ERR_INVALID, field, "not a checkpoint that this region's key signed");
}

enum err standing_behind(struct batch *batch, struct update *update)
{
    const struct signed_checkpoint *theirs = &update->as.ahead;
    const struct checkpoint *said = &theirs->checkpoint;
    const struct home_position *position = &batch->position;
    uint8_t stored[CHECKPOINT_STORED_BYTES];
    enum err err = check_own(batch->home, theirs, "ahead", &update->result.problem);
    if (err != ERR_NONE)
        return err;
    if (batch->standing != STANDING_DECIDING || said->epoch != position->epoch ||
        memcmp(said->epoch_id, position->epoch_id, EPOCH_ID_BYTES) != 0 || said->sequence <= position->sequence)
        return settle(batch, update);
    struct octets value = {stored, checkpoint_encode(theirs, stored)};
    if (!batch_put(batch, STORE_META, &meta_behind, &value))
        return batch->failed;
    log_error("register",
              "this region's key signed entry %llu of epoch %llu, this hub has %llu: another machine writes with its "
              "key, or its data is an old copy; this hub decides no more until its operator says: vacancy hub promote",
              (unsigned long long)said->sequence, (unsigned long long)said->epoch,
              (unsigned long long)position->sequence);
    move(batch, STANDING_BEHIND);
    return settle(batch, update);
}

enum err standing_supersede(struct batch *batch, struct update *update)
{
    struct problem *problem = &update->result.problem;
    const struct signed_checkpoint *theirs = &update->as.superseded;
    const struct checkpoint *said = &theirs->checkpoint;
    uint8_t stored[CHECKPOINT_STORED_BYTES];
    uint64_t known = 0;
    enum err err = check_own(batch->home, theirs, "superseded", problem);
    if (err == ERR_NONE && batch->standing == STANDING_SUPERSEDED)
        err = superseding_epoch(batch, &known, problem);
    if (err != ERR_NONE)
        return err;
    if (batch->standing == STANDING_SUPERSEDED && said->epoch <= known)
        return settle(batch, update);
    bool other_id =
        said->epoch == batch->position.epoch && memcmp(said->epoch_id, batch->position.epoch_id, EPOCH_ID_BYTES) != 0;
    if (batch->position.epoch == 0 || (said->epoch <= batch->position.epoch && !other_id))
        return problem_set(problem, ERR_PRECONDITION, "superseded",
                           "epoch %llu does not supersede this hub's epoch %llu", (unsigned long long)said->epoch,
                           (unsigned long long)batch->position.epoch);
    struct octets value = {stored, checkpoint_encode(theirs, stored)};
    if (!batch_put(batch, STORE_META, &meta_superseded, &value))
        return batch->failed;
    log_error("register",
              "epoch %llu of this region was signed elsewhere, ours is %llu: this hub decides no more; if this is the "
              "hub that shall decide: vacancy hub promote --accept-loss --new-epoch",
              (unsigned long long)said->epoch, (unsigned long long)batch->position.epoch);
    move(batch, STANDING_SUPERSEDED);
    return settle(batch, update);
}

bool standing_restoring(struct batch *batch)
{
    if (batch->standing == STANDING_RESTORING || batch->standing == STANDING_BEHIND)
        return true;
    move(batch, STANDING_RESTORING);
    return batch_put(batch, STORE_META, &meta_restoring, &yes);
}

void standing_decide_alone(struct home *home)
{
    if (home->standing != STANDING_RESTORING || home->options.has_peers || home->read_only)
        return;
    struct update *decide = update_create(UPDATE_DECIDE);
    if (decide == NULL)
        return;
    decide->method = "restore";
    snprintf(decide->principal, sizeof decide->principal, "hub");
    home_apply(home, &decide, 1);
    if (decide->result.problem.code != ERR_NONE)
        log_error("register", "after the restore no epoch can be opened: %s", decide->result.problem.text);
    update_destroy(decide);
}

/* --- from outside the writer's turns ------------------------------------------------------------------------------ */

static enum err has(struct home *home, struct store_txn *txn, const struct table_key *key, bool *out,
                    struct problem *problem)
{
    struct octets k = key_octets(key), value;
    enum err err = tables_get(home->store, txn, STORE_META, &k, &value, problem);
    *out = err == ERR_NONE;
    return err == ERR_NOT_FOUND ? ERR_NONE : err;
}

enum err standing_read(struct home *home, struct store_txn *txn, struct problem *problem)
{
    bool restoring, superseded = false, behind = false;
    enum err err = has(home, txn, &meta_restoring, &restoring, problem);
    if (err == ERR_NONE)
        err = has(home, txn, &meta_superseded, &superseded, problem);
    if (err == ERR_NONE)
        err = has(home, txn, &meta_behind, &behind, problem);
    if (err == ERR_NONE && superseded)
        home->standing = STANDING_SUPERSEDED;
    else if (err == ERR_NONE && behind)
        home->standing = STANDING_BEHIND;
    else if (err == ERR_NONE && restoring)
        home->standing = STANDING_RESTORING;
    return err;
}

enum err home_stands_back_for(struct home *home, struct signed_checkpoint *out)
{
    const struct table_key *const keys[] = {&meta_superseded, &meta_behind};
    struct store_txn *txn;
    enum err err = home->store->ops->begin(home->store, false, &txn);
    if (err != ERR_NONE)
        return err;
    err = ERR_NOT_FOUND;
    for (size_t i = 0; i < 2 && err == ERR_NOT_FOUND; i++) {
        struct octets key = key_octets(keys[i]), value;
        err = tables_get(home->store, txn, STORE_META, &key, &value, NULL);
        if (err == ERR_NONE)
            err = checkpoint_decode(&value, out);
    }
    home->store->ops->abort(txn);
    return err;
}

enum home_standing home_standing_now(const struct home *home)
{
    struct home *readable = (struct home *)home;
    pthread_mutex_lock(&readable->lock);
    enum home_standing standing = home->standing;
    pthread_mutex_unlock(&readable->lock);
    return standing;
}

enum err standing_restored(struct home *home, struct problem *problem)
{
    struct batch batch;
    if (home->standing == STANDING_RESTORING)
        return ERR_NONE;
    enum err err = batch_begin(home, true, &batch);
    if (err == ERR_NONE) {
        /* What the hub stood back for when the backup was made may be the rest of its own log: the replay shows it. */
        if (batch_del(&batch, STORE_META, &meta_behind) && batch_del(&batch, STORE_META, &meta_superseded) &&
            batch_put(&batch, STORE_META, &meta_restoring, &yes)) {
            move(&batch, STANDING_RESTORING);
            err = batch_commit(&batch);
        } else {
            batch_abort(&batch);
            err = batch.failed;
        }
    }
    return err == ERR_NONE ? err : problem_set(problem, err, "", "the store can't be written: %s", err_name(err));
}
