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
static const struct octets yes = {(const uint8_t *)"\1", 1};

static const char *standing_name(enum home_standing standing)
{
    static const char *const names[] = {
        [STANDING_DECIDING] = "deciding",
        [STANDING_ASKING] = "asking",
        [STANDING_RESTORING] = "restoring",
        [STANDING_SUPERSEDED] = "superseded",
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
    }
    return ERR_INTERNAL;
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
    if (!batch_del(batch, STORE_META, &meta_restoring) || !batch_del(batch, STORE_META, &meta_superseded))
        return batch->failed;
    move(batch, STANDING_DECIDING);
    return settle(batch, update);
}

enum err standing_decide(struct batch *batch, struct update *update)
{
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

enum err standing_promote(struct batch *batch, struct update *update)
{
    struct problem *problem = &update->result.problem;
    bool accept_loss = update->as.promote.accept_loss, new_epoch = update->as.promote.new_epoch;
    bool restoring =
        batch->standing == STANDING_RESTORING || (batch->standing == STANDING_ASKING && update->as.promote.behind);
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
    return decide(batch, update, new_epoch || restoring);
}

enum err standing_supersede(struct batch *batch, struct update *update)
{
    struct home *home = batch->home;
    struct problem *problem = &update->result.problem;
    const struct signed_checkpoint *theirs = &update->as.superseded;
    const struct checkpoint *said = &theirs->checkpoint;
    uint8_t public_key[PUBLIC_KEY_BYTES], stored[CHECKPOINT_STORED_BYTES];
    signer_public_key(home->options.signer, public_key);
    if (strcmp(said->region, home->options.region) != 0 || !checkpoint_verify(theirs, public_key))
        return problem_set(problem, ERR_INVALID, "superseded", "not a checkpoint that this region's key signed");
    uint64_t known = 0;
    enum err err = batch->standing == STANDING_SUPERSEDED ? superseding_epoch(batch, &known, problem) : ERR_NONE;
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
    if (batch->standing == STANDING_RESTORING)
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
    bool restoring, superseded = false;
    enum err err = has(home, txn, &meta_restoring, &restoring, problem);
    if (err == ERR_NONE)
        err = has(home, txn, &meta_superseded, &superseded, problem);
    if (err == ERR_NONE && superseded)
        home->standing = STANDING_SUPERSEDED;
    else if (err == ERR_NONE && restoring)
        home->standing = STANDING_RESTORING;
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
    if (home->standing == STANDING_SUPERSEDED || home->standing == STANDING_RESTORING)
        return ERR_NONE;
    enum err err = batch_begin(home, true, &batch);
    if (err == ERR_NONE) {
        if (standing_restoring(&batch)) {
            err = batch_commit(&batch);
        } else {
            batch_abort(&batch);
            err = batch.failed;
        }
    }
    return err == ERR_NONE ? err : problem_set(problem, err, "", "the store can't be written: %s", err_name(err));
}
