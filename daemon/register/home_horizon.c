/*
 * home_horizon.c - forgetting: a person's data on request, and old payloads of the log.
 * Owns: the horizon, up to which payloads may be gone, here and at every hub that follows. The writer's thread.
 * Invariant: the horizon is durable and signed before the first payload up to it is dropped; headers always stay. A
 * superseded hub signs nothing: its horizon is its own, or what is signed elsewhere.
 *
 * An erasure drops nothing at once: followers that are live pass it first, so that they need no snapshot.
 *
 * By age all payloads go whose entries are older than payload_kept_ms, those of current states too. Design section 9
 * asks that those superseded longer than that go: such a one's own entry is older still, so it is among them. Keeping
 * the current ones would serve nobody: who is behind the horizon takes a snapshot, and that is made of the tables,
 * where every current state is.
 */
#include "daemon/base/log.h"
#include "daemon/record/bytes.h"
#include "daemon/register/home_parts.h"

#include <string.h>

#define ERASED_AFTER_MS (2 * HEARTBEAT_MS)
#define DROP_PER_TURN   512

bool carer_erase(struct batch *batch, struct stored_carer *carer)
{
    static const struct octets none;
    uint8_t *key = arena_alloc(batch->arena, 8);
    if (key == NULL) {
        batch->failed = ERR_LIMIT;
        return false;
    }
    put_be64(key, carer->home.national_reference);
    struct octets log_key = {key, 8};
    struct problem problem = {0};
    enum err err = holds_erase(batch, carer->home.national_reference, &problem);
    if (err != ERR_NONE) {
        if (batch->failed == ERR_NONE)
            batch->failed = err;
        return false;
    }
    if (carer->shared.offer.size > 0 && !batch_log(batch, LOG_TABLE_OFFER, &log_key, &carer->shared.offer, true, &none))
        return false;
    if (!batch_log(batch, LOG_TABLE_CARER, &log_key, &carer->shared.carer_row, true, &none) ||
        !carer_remove(batch, carer))
        return false;
    batch->position.erased = batch->position.sequence;
    return true;
}

/* --- where the horizon should be --------------------------------------------------------------------------------- */

static enum err entry_time(struct home *home, struct store_txn *txn, uint64_t sequence, int64_t *out)
{
    struct table_key key = key_of_id(home->options.region, sequence);
    struct octets k = key_octets(&key), value;
    struct log_header header;
    enum err err = tables_get(home->store, txn, STORE_LOG, &k, &value, NULL);
    if (err != ERR_NONE)
        return err;
    struct octets octets = {value.data, LOG_HEADER_BYTES};
    if (value.size < LOG_HEADER_BYTES || log_header_decode(&octets, &header) != ERR_NONE)
        return ERR_STORE_DAMAGED;
    *out = header.time_ms;
    return ERR_NONE;
}

/* The last entry made before `then_ms`; entries' times never go back, so halving finds it. */
static enum err last_before(struct home *home, int64_t then_ms, uint64_t *out)
{
    struct store_txn *txn;
    uint64_t low = home->position.horizon, high = home->position.sequence + 1; /* before low; not before high */
    enum err err = home->store->ops->begin(home->store, false, &txn);
    if (err != ERR_NONE)
        return err;
    while (err == ERR_NONE && high - low > 1) {
        uint64_t middle = low + (high - low) / 2;
        int64_t time_ms = 0;
        err = entry_time(home, txn, middle, &time_ms);
        if (time_ms < then_ms)
            low = middle;
        else
            high = middle;
    }
    home->store->ops->abort(txn);
    *out = low;
    return err;
}

void home_told_horizon(struct home *home, uint64_t horizon)
{
    pthread_mutex_lock(&home->lock);
    if (horizon > home->told_horizon)
        home->told_horizon = horizon;
    pthread_mutex_unlock(&home->lock);
}

/* Our log may have ended before that, or have gone on otherwise: what it says up to there goes all the same. */
static uint64_t told_horizon(struct home *home)
{
    pthread_mutex_lock(&home->lock);
    uint64_t told = home->told_horizon;
    pthread_mutex_unlock(&home->lock);
    return told < home->position.sequence ? told : home->position.sequence;
}

static uint64_t wanted_horizon(struct home *home)
{
    const struct home_options *options = &home->options;
    const struct home_position *position = &home->position;
    int64_t now_ms = clock_boot_ms(options->clock);
    uint64_t wanted = position->horizon, by_age = 0;
    if (position->erased > wanted && now_ms - home->erased_boot_ms >= ERASED_AFTER_MS)
        wanted = position->erased;
    if (home->standing == STANDING_SUPERSEDED && told_horizon(home) > wanted)
        wanted = told_horizon(home);
    if (options->payload_kept_ms > 0 && now_ms >= home->look_back_boot_ms) {
        home->look_back_boot_ms = now_ms + HEARTBEAT_MS;
        if (last_before(home, clock_wall_ms(options->clock) - options->payload_kept_ms, &by_age) == ERR_NONE &&
            by_age > wanted)
            wanted = by_age;
    }
    return wanted;
}

/* What is done here is tried again at the next heartbeat. */
static bool done(struct home *home, enum err err)
{
    home_note_failure(home, err);
    if (err != ERR_NONE && err != ERR_STORE_IO)
        log_warn("register", "old payloads can't be dropped now: %s", err_name(err));
    return err == ERR_NONE;
}

bool horizon_move(struct home *home)
{
    struct batch batch;
    uint64_t wanted = home->read_only ? 0 : wanted_horizon(home);
    if (wanted <= home->position.horizon)
        return false;
    enum err err = batch_begin(home, true, &batch);
    if (err == ERR_NONE) {
        batch.position.horizon = wanted;
        err = batch_commit(&batch);
    }
    return done(home, err);
}

/* --- dropping ---------------------------------------------------------------------------------------------------- */

static enum err drop_one(struct batch *batch, uint64_t sequence)
{
    struct table_key key = key_of_id(batch->home->options.region, sequence);
    struct octets value;
    enum err err = batch_get(batch, STORE_LOG, &key, &value, NULL);
    if (err != ERR_NONE || value.size == LOG_HEADER_BYTES)
        return err;
    if (value.size < LOG_HEADER_BYTES)
        return ERR_STORE_DAMAGED;
    value.size = LOG_HEADER_BYTES;
    return batch_put(batch, STORE_LOG, &key, &value) ? ERR_NONE : batch->failed;
}

bool horizon_drop(struct home *home)
{
    struct batch batch;
    uint64_t horizon = home->position.horizon, next = home->dropped + 1;
    if (home->read_only || next > horizon)
        return false;
    uint64_t last = horizon - next < DROP_PER_TURN ? horizon : next + DROP_PER_TURN - 1;
    enum err err = batch_begin(home, true, &batch);
    if (err != ERR_NONE)
        return done(home, err);
    for (uint64_t sequence = next; err == ERR_NONE && sequence <= last; sequence++)
        err = drop_one(&batch, sequence);
    if (err == ERR_NONE)
        err = batch_commit(&batch);
    else
        batch_abort(&batch);
    if (!done(home, err))
        return false;
    home->dropped = last;
    return last < horizon;
}
