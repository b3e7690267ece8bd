/*
 * home_standing.c - whether this hub decides about its region, and in which epoch (design section 9).
 * Owns: moving from one standing to another, opening epochs. The writer's thread. Invariant: a hub that does not decide
 * writes nothing to its log but, while it is restored, what it had signed before.
 */
#include "daemon/base/log.h"
#include "daemon/record/bytes.h"
#include "daemon/register/home_parts.h"

#include <string.h>

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
                           "another hub decides for this region, in a later epoch: send writes there");
    }
    return ERR_INTERNAL;
}

enum err standing_decide(struct batch *batch, struct update *update)
{
    if (batch->standing == STANDING_RESTORING || batch->standing == STANDING_SUPERSEDED)
        return standing_refuse(batch->standing, &update->result.problem);
    if (batch->position.epoch == 0 && !epoch_open(batch))
        return batch->failed;
    batch->standing = STANDING_DECIDING;
    update->result.outcome = OUTCOME_UPDATED;
    update->result.epoch = batch->position.epoch;
    update->result.sequence = batch->position.sequence;
    return ERR_NONE;
}

enum home_standing home_standing_now(const struct home *home)
{
    struct home *readable = (struct home *)home;
    pthread_mutex_lock(&readable->lock);
    enum home_standing standing = home->standing;
    pthread_mutex_unlock(&readable->lock);
    return standing;
}
