/*
 * home_state.c - what the region's records add up to, and the signed word on it.
 * Owns: META's "state" and "roster", the CHECKPOINTS table, signing again at rest. The writer's thread, but for
 * home_checkpoint, home_set_roster_version and home_verify. Invariant: a checkpoint is signed only of what the same
 * transaction makes durable, and `newest` is the last of them or a newer signature of it.
 *
 * A follower that is behind is sent entries up to the next stored checkpoint; 256 sequences bound how far that can be.
 */
#include "daemon/base/log.h"
#include "daemon/record/bytes.h"
#include "daemon/register/home_parts.h"

#include <stdlib.h>
#include <string.h>

#define BLOCK_SEQUENCES 256

void state_change(struct shared_state *state, enum log_table table, const struct octets *key,
                  const struct octets *before, const struct octets *now)
{
    if (before->size > 0) {
        lthash_remove(&state->digest, table, key, before);
        state->records--;
    }
    if (now->size > 0) {
        lthash_add(&state->digest, table, key, now);
        state->records++;
    }
}

/* In two halves: one of LMDB's pages holds them beside the rest of META, where the whole would take a page of its own.
 */
#define HALF_BYTES (LTHASH_BYTES / 2)
static const struct table_key meta_state[2] = {{"state-0", 7}, {"state-1", 7}};

enum err state_read(struct home *home, struct store_txn *txn, struct shared_state *out, struct problem *problem)
{
    uint8_t octets[LTHASH_BYTES];
    for (int half = 0; half < 2; half++) {
        struct octets key = key_octets(&meta_state[half]), value;
        enum err err = tables_get(home->store, txn, STORE_META, &key, &value, problem);
        if (err == ERR_NOT_FOUND || (err == ERR_NONE && value.size != 8 + HALF_BYTES))
            return problem_set(problem, ERR_STORE_DAMAGED, "",
                               "store damaged: table meta: the state's digest is missing; restore from a backup");
        if (err != ERR_NONE)
            return err;
        out->records = get_be64(value.data);
        memcpy(octets + (size_t)half * HALF_BYTES, value.data + 8, HALF_BYTES);
    }
    lthash_decode(octets, &out->digest);
    return ERR_NONE;
}

bool state_store(struct batch *batch)
{
    uint8_t octets[LTHASH_BYTES], record[8 + HALF_BYTES];
    struct octets value = {record, sizeof record};
    lthash_encode(&batch->state.digest, octets);
    put_be64(record, batch->state.records);
    for (int half = 0; half < 2; half++) {
        memcpy(record + 8, octets + (size_t)half * HALF_BYTES, HALF_BYTES);
        if (!batch_put(batch, STORE_META, &meta_state[half], &value))
            return false;
    }
    return true;
}

/* --- checkpoints ------------------------------------------------------------------------------------------------- */

static uint64_t roster_version(struct home *home)
{
    pthread_mutex_lock(&home->lock);
    uint64_t version = home->roster_version;
    pthread_mutex_unlock(&home->lock);
    return version;
}

/* A position that is signed again is signed later, also by a clock that was set back: others know by that which of two
 * signatures is the newer one. */
static int64_t signing_time(const struct home *home, const struct home_position *position)
{
    const struct checkpoint *newest = &home->newest.checkpoint;
    int64_t now_ms = clock_wall_ms(home->options.clock);
    bool again = newest->epoch == position->epoch && newest->sequence == position->sequence;
    return again && now_ms <= newest->time_ms ? newest->time_ms + 1 : now_ms;
}

/* Of a position with a state: when, and what its signer knew. */
static void sign(struct home *home, const struct home_position *position, const struct shared_state *state,
                 struct signed_checkpoint *out)
{
    struct checkpoint checkpoint = {
        .epoch = position->epoch,
        .sequence = position->sequence,
        .records = state->records,
        .horizon = position->horizon,
        .time_ms = signing_time(home, position),
        .roster_version = roster_version(home),
    };
    memcpy(checkpoint.region, home->options.region, GSS_BYTES);
    memcpy(checkpoint.epoch_id, position->epoch_id, EPOCH_ID_BYTES);
    memcpy(checkpoint.head, position->head, DIGEST_BYTES);
    lthash_digest(&state->digest, checkpoint.state);
    checkpoint_sign(&checkpoint, home->options.signer, out);
}

bool batch_checkpoint(struct batch *batch)
{
    struct home *home = batch->home;
    const struct home_position *now = &batch->position, *before = &home->position;
    if (now->sequence == before->sequence &&
        (now->horizon == before->horizon || batch->standing == STANDING_SUPERSEDED))
        return true;
    uint8_t stored[CHECKPOINT_STORED_BYTES];
    if (batch->newest.checkpoint.epoch == 0) /* else it was replayed, as it had been signed */
        sign(home, now, &batch->state, &batch->newest);
    struct octets value = {stored, checkpoint_encode(&batch->newest, stored)};
    struct table_key key = key_of_id(home->options.region, now->sequence);
    if (!state_store(batch) || !batch_put(batch, STORE_CHECKPOINTS, &key, &value))
        return false;
    if (before->sequence == 0 || before->sequence == now->sequence ||
        before->sequence / BLOCK_SEQUENCES != now->sequence / BLOCK_SEQUENCES)
        return true;
    key = key_of_id(home->options.region, before->sequence);
    return batch_del(batch, STORE_CHECKPOINTS, &key);
}

enum err checkpoint_seek(struct home *home, struct store_txn *txn, uint64_t sequence, struct signed_checkpoint *out,
                         struct problem *problem)
{
    struct table_key from = key_of_id(home->options.region, sequence);
    struct octets first = key_octets(&from), key, value;
    enum err err = tables_seek(home->store, txn, STORE_CHECKPOINTS, &first, false, &key, &value, problem);
    return err == ERR_NONE ? checkpoint_decode(&value, out) : err;
}

enum err home_checkpoint(struct home *home, struct signed_checkpoint *out)
{
    pthread_mutex_lock(&home->lock);
    *out = home->newest;
    pthread_mutex_unlock(&home->lock);
    return out->checkpoint.epoch == 0 ? ERR_NOT_FOUND : ERR_NONE;
}

void home_set_roster_version(struct home *home, uint64_t version)
{
    pthread_mutex_lock(&home->lock);
    home->roster_version = version;
    pthread_mutex_unlock(&home->lock);
}

/* --- the roster's version ---------------------------------------------------------------------------------------- */

static const struct table_key meta_roster = {"roster", 6};

enum err roster_check(struct home *home, struct store_txn *txn, struct problem *problem)
{
    struct octets key = key_octets(&meta_roster), value;
    uint64_t now = roster_version(home);
    enum err err = tables_get(home->store, txn, STORE_META, &key, &value, problem);
    if (err == ERR_NOT_FOUND)
        return ERR_NONE;
    if (err == ERR_NONE && value.size != 8)
        err = problem_set(problem, ERR_STORE_DAMAGED, "",
                          "store damaged: table meta: the roster's version can't be read");
    if (err != ERR_NONE)
        return err;
    home->roster_kept = get_be64(value.data);
    if (now == 0 || now >= home->roster_kept)
        return ERR_NONE;
    return problem_set(
        problem, ERR_STALE, "federation.roster",
        "the roster file has version %llu, but this hub has used version %llu: copy the newest one here, "
        "as the other hubs have it, or ask the root for one with a higher version",
        (unsigned long long)now, (unsigned long long)home->roster_kept);
}

enum err roster_keep(struct home *home)
{
    struct batch batch;
    uint64_t version = roster_version(home);
    uint8_t octets[8];
    struct octets value = {octets, sizeof octets};
    if (home->read_only || version <= home->roster_kept)
        return ERR_NONE;
    enum err err = batch_begin(home, true, &batch);
    if (err != ERR_NONE)
        return err;
    put_be64(octets, version);
    if (!batch_put(&batch, STORE_META, &meta_roster, &value)) {
        batch_abort(&batch);
        return batch.failed;
    }
    err = batch_commit(&batch);
    if (err == ERR_NONE)
        home->roster_kept = version;
    return err;
}

/* --- what time does ---------------------------------------------------------------------------------------------- */

/* Signs `newest` again. */
static void sign_again(struct home *home, int64_t now_boot_ms)
{
    struct signed_checkpoint fresh;
    sign(home, &home->position, &home->state, &fresh);
    home->signed_boot_ms = now_boot_ms;
    pthread_mutex_lock(&home->lock);
    home->newest = fresh;
    pthread_mutex_unlock(&home->lock);
}

bool home_heartbeat(struct home *home, int64_t *next_ms)
{
    int64_t now_ms = clock_boot_ms(home->options.clock);
    bool fresh = false, more = false;
    standing_decide_alone(home);
    home_note_failure(home, roster_keep(home));
    home_note_failure(home, lease_keep(home));
    /* A hub that does not decide does not know where its region stands: it signs nothing. But what is to be forgotten
     * is forgotten there, too. */
    if (home->standing == STANDING_SUPERSEDED)
        (void)horizon_move(home);
    if (standing_decides(home) && home->position.epoch != 0) {
        fresh = horizon_move(home);
        if (now_ms - home->signed_boot_ms >= HEARTBEAT_MS) {
            sign_again(home, now_ms);
            fresh = true;
        }
    }
    more = horizon_drop(home);
    more = requests_forget_slice(home) || more;
    more = events_age_slice(home) || more;
    int64_t left_ms = home->signed_boot_ms + HEARTBEAT_MS - now_ms;
    if (next_ms != NULL)
        *next_ms = more ? 0 : left_ms > 0 ? left_ms : HEARTBEAT_MS;
    return fresh;
}

/* --- recomputing it ---------------------------------------------------------------------------------------------- */

static enum err add_row(struct home *home, enum store_table table, const struct octets *key, const struct octets *value,
                        struct shared_state *state)
{
    static const struct octets none;
    struct octets rest;
    struct home_carer_shared shared;
    if (!key_in_region(key, home->options.region, &rest))
        return ERR_STORE_DAMAGED;
    if (table == STORE_AGENCIES) {
        state_change(state, LOG_TABLE_AGENCY, &rest, &none, value);
        return ERR_NONE;
    }
    if (table == STORE_HOLDS) {
        struct hold hold;
        struct octets row;
        enum err err = home_hold_decode(&rest, value, &hold, &row);
        if (err == ERR_NONE)
            state_change(state, LOG_TABLE_HOLD, &rest, &none, &row);
        return err;
    }
    enum err err = home_carer_shared_decode(value, &shared);
    if (err != ERR_NONE)
        return err;
    state_change(state, LOG_TABLE_CARER, &rest, &none, &shared.carer_row);
    state_change(state, LOG_TABLE_OFFER, &rest, &none, &shared.offer);
    return ERR_NONE;
}

static enum err add_table(struct home *home, struct store_txn *txn, enum store_table table, struct shared_state *state,
                          struct problem *problem)
{
    struct table_key from = {.size = 0};
    for (;;) {
        struct octets at = key_octets(&from), key, value;
        enum err err = tables_seek(home->store, txn, table, &at, false, &key, &value, problem);
        if (err == ERR_NOT_FOUND)
            return ERR_NONE;
        if (err == ERR_NONE && key.size < sizeof from.data)
            err = add_row(home, table, &key, &value, state);
        else if (err == ERR_NONE)
            err = ERR_STORE_DAMAGED;
        if (err != ERR_NONE)
            return problem != NULL && problem->code == err
                       ? err
                       : problem_set(problem, err, "", "table %s: a record can't be read", tables_name(table));
        memcpy(from.data, key.data, key.size);
        from.data[key.size] = 0;
        from.size = key.size + 1;
    }
}

static enum err verify(struct home *home, struct store_txn *txn, struct signed_checkpoint *against,
                       struct shared_state *state, struct problem *problem)
{
    uint8_t digest[DIGEST_BYTES];
    struct home_position position;
    enum err err = position_read(home, txn, &position, problem);
    if (err == ERR_NONE)
        err = position.epoch == 0 ? ERR_NOT_FOUND : checkpoint_seek(home, txn, position.sequence, against, problem);
    if (err == ERR_NONE)
        err = add_table(home, txn, STORE_AGENCIES, state, problem);
    if (err == ERR_NONE)
        err = add_table(home, txn, STORE_CARERS, state, problem);
    if (err == ERR_NONE)
        err = add_table(home, txn, STORE_HOLDS, state, problem);
    if (err != ERR_NONE)
        return err;
    lthash_digest(&state->digest, digest);
    if (memcmp(digest, against->checkpoint.state, DIGEST_BYTES) != 0 || state->records != against->checkpoint.records)
        return problem_set(problem, ERR_STORE_DAMAGED, "",
                           "the records on disk do not add up to what was signed at sequence %llu",
                           (unsigned long long)against->checkpoint.sequence);
    return ERR_NONE;
}

enum err home_verify(struct home *home, struct signed_checkpoint *against, uint64_t *records,
                     uint8_t state[DIGEST_BYTES], struct problem *problem)
{
    struct shared_state found = {.records = 0};
    struct signed_checkpoint ours = {.checkpoint = {.epoch = 0}};
    struct problem ignored = {0};
    struct store_txn *txn;
    enum err err = home->store->ops->begin(home->store, false, &txn);
    if (err != ERR_NONE)
        return problem_set(problem, err, "", "the store can't be read: %s", err_name(err));
    err = verify(home, txn, &ours, &found, problem != NULL ? problem : &ignored);
    home->store->ops->abort(txn);
    *records = found.records;
    lthash_digest(&found.digest, state);
    if (against != NULL)
        *against = ours;
    return err;
}
