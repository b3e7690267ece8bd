/*
 * home_requests.c - request ids: the same call sent again gives the same answer and changes nothing (V5).
 * Owns: the REQUESTS table's values. The writer's thread. Invariant: an id is stored in the transaction of what it did,
 * kept REQUEST_ID_KEPT_MS, and refused once it might have been forgotten. An outcome that names a carer which is no
 * more counts as forgotten at once, and is before the erasure is acknowledged (writer.c): they are in order of time,
 * not of carers, so all are looked at, in slices between batches, and after them all events (home_events.c) and former
 * references (home_former.c), which go; META says across restarts that it is not done.
 *
 *     value: content hash (32) | outcome (4) | epoch (8) | sequence (8) | national reference (8) | vacancy id (8)
 *            | valid until (8) | confirmed, or whether a placement's distance was told (4) | hold's token (16) | not
 * found: count (4), indexes (4 each)
 */
#include "daemon/base/log.h"
#include "daemon/record/bytes.h"
#include "daemon/register/home_parts.h"

#include <stdlib.h>
#include <string.h>

#define FIXED_BYTES    (DIGEST_BYTES + 4 + 5 * 8 + 4 + 16 + 4)
#define CODE_KEPT_MS   (TRANSFER_CODE_MS + 24LL * 3600 * 1000) /* clocks of two hubs */
#define OUTCOME_ERASED UINT32_MAX                              /* and all else 0: its carer was erased */
#define OUTCOME_SPENT  (UINT32_MAX - 1)                        /* and all else 0: settled, it was not done */

static enum err refuse_forgotten(struct update *update)
{
    return problem_set(&update->result.problem, ERR_INVALID, "request_id",
                       "the id is older than 7 days, so whether it was done is no longer known; look, then send "
                       "what is still needed under a new id");
}

static enum err refuse_age(struct batch *batch, struct update *update)
{
    int64_t made_ms = request_id_ms(update->request_id);
    struct problem *problem = &update->result.problem;
    if (made_ms > batch->now_ms + OBSERVED_AHEAD_MAX_MS)
        return problem_set(problem, ERR_INVALID, "request_id",
                           "the id's time is more than 5 minutes ahead of this hub's clock; set the clock right");
    if (made_ms <= batch->now_ms - REQUEST_ID_KEPT_MS)
        return refuse_forgotten(update);
    return ERR_NONE;
}

static enum err read_answer(const struct octets *value, struct update_result *result)
{
    const uint8_t *in = value->data + DIGEST_BYTES + 4;
    result->outcome = OUTCOME_REPEATED;
    result->epoch = get_be64(in);
    result->sequence = get_be64(in + 8);
    result->national_reference = get_be64(in + 16);
    result->vacancy_id = get_be64(in + 24);
    result->valid_until_ms = (int64_t)get_be64(in + 32);
    result->confirmed = get_be32(in + 40);
    result->distance_told = result->confirmed != 0;
    result->hold.token = (struct hold_token){get_be64(in + 44), get_be64(in + 52)};
    uint32_t count = get_be32(in + 60);
    if (value->size != FIXED_BYTES + 4 * (size_t)count)
        return ERR_STORE_DAMAGED;
    result->not_found = count ? malloc(count * sizeof *result->not_found) : NULL;
    if (count > 0 && result->not_found == NULL)
        return ERR_LIMIT;
    result->not_found_count = count;
    for (uint32_t i = 0; i < count; i++)
        result->not_found[i] = get_be32(in + 64 + 4 * (size_t)i);
    return ERR_NONE;
}

/* Whether an outcome names a carer that is no more. `value` as tables_open_value gives it. */
static enum err names_nobody(struct home *home, struct store_txn *txn, const struct octets *value, bool *out)
{
    uint64_t named = value->size >= FIXED_BYTES ? get_be64(value->data + DIGEST_BYTES + 20) : 0;
    struct table_key key = key_of_id(home->options.region, named);
    struct octets k = key_octets(&key), ignored;
    enum err err = named != 0 ? home->store->ops->get(txn, STORE_CARERS, &k, &ignored) : ERR_NONE;
    *out = err == ERR_NOT_FOUND;
    return *out ? ERR_NONE : err;
}

/* What the id was used for before; *erased: for a carer that is no more. ERR_NOT_FOUND: for nothing. */
static enum err find_request(struct batch *batch, struct update *update, struct octets *value, bool *erased)
{
    struct problem *problem = &update->result.problem;
    struct table_key key = key_of_request(batch->home->options.region, update->request_id, update->principal);
    enum err err = refuse_age(batch, update);
    *erased = false;
    if (err != ERR_NONE)
        return err;
    err = batch_get(batch, STORE_REQUESTS, &key, value, problem);
    /* The clock may have been ahead when others of its age were forgotten, and be back now. */
    if (err == ERR_NOT_FOUND && request_id_ms(update->request_id) <= batch->home->position.forgotten_ms)
        return refuse_forgotten(update);
    if (err != ERR_NONE)
        return err;
    if (value->size < FIXED_BYTES)
        return problem_set(problem, ERR_STORE_DAMAGED, "", "store damaged: a request's record is short");
    *erased = get_be32(value->data + DIGEST_BYTES) == OUTCOME_ERASED;
    if (!*erased && (err = names_nobody(batch->home, batch->txn, value, erased)) != ERR_NONE)
        return batch->failed = err;
    return ERR_NONE;
}

enum err request_hold_gone(struct problem *problem)
{
    return problem_set(problem, ERR_PRECONDITION, "request_id",
                       "this id was used before, for a hold that is not kept any more; use a new one");
}

/* A hold is given back as it is now. */
static enum err read_hold(struct batch *batch, struct update_result *result)
{
    struct hold_token token = result->hold.token;
    struct stored_carer carer;
    struct stored_hold hold;
    if (token.epoch == 0)
        return ERR_NONE;
    enum err err = batch_get_hold(batch, &token, &hold, &result->problem);
    if (err == ERR_NOT_FOUND)
        return request_hold_gone(&result->problem);
    if (err == ERR_NONE)
        err = batch_get_carer(batch, hold.hold.national_reference, &carer, &result->problem);
    if (err != ERR_NONE)
        return err == ERR_NOT_FOUND ? ERR_STORE_DAMAGED : err;
    result->hold = hold.hold;
    if (result->distance_told)
        memcpy(result->home_postcode, carer.home.carer.home_postcode, sizeof result->home_postcode);
    result->beds_free = carer.home.vacancy.vacancy_id == hold.hold.vacancy_id ? beds_free(&carer.home) : 0;
    return ERR_NONE;
}

static enum err refuse_used(const struct octets *value, struct problem *problem)
{
    return problem_set(problem, ERR_PRECONDITION, "request_id",
                       get_be32(value->data + DIGEST_BYTES) == OUTCOME_SPENT
                           ? "settled: it was not done, and is not done any more; use a new id"
                           : "this id was used before for another content; use a new one");
}

enum err request_check_unused(struct batch *batch, const struct asked_hold *asked, struct problem *problem)
{
    struct table_key key = key_of_request(batch->home->options.region, asked->request_id, asked->holder);
    struct octets value;
    enum err err = batch_get(batch, STORE_REQUESTS, &key, &value, problem);
    if (err == ERR_NONE && value.size < FIXED_BYTES)
        return problem_set(problem, ERR_STORE_DAMAGED, "", "store damaged: a request's record is short");
    return err == ERR_NONE ? refuse_used(&value, problem) : err == ERR_NOT_FOUND ? ERR_NONE : err;
}

enum err request_check(struct batch *batch, struct update *update)
{
    struct problem *problem = &update->result.problem;
    struct octets value;
    bool erased;
    if (!update->has_request_id || update->kind == UPDATE_SETTLE_HOLD)
        return ERR_NONE;
    enum err err = find_request(batch, update, &value, &erased);
    if (err != ERR_NONE)
        return err == ERR_NOT_FOUND ? ERR_NONE : err;
    if (erased)
        return problem_set(problem, ERR_PRECONDITION, "request_id",
                           "this id was used before, for a carer that has been erased since; use a new one");
    if (get_be32(value.data + DIGEST_BYTES) == OUTCOME_SPENT ||
        memcmp(value.data, update->content_hash, DIGEST_BYTES) != 0)
        return refuse_used(&value, problem);
    err = read_answer(&value, &update->result);
    if (err == ERR_NONE)
        err = read_hold(batch, &update->result);
    if (err == ERR_PRECONDITION)
        return err;
    if (err != ERR_NONE)
        return problem_set(problem, err, "", "the first answer to this request can't be read back");
    return ERR_EXISTS;
}

enum err request_settle(struct batch *batch, struct update *update, struct hold_token *out)
{
    struct octets value;
    struct update_result first = {0};
    bool erased;
    enum err err = find_request(batch, update, &value, &erased);
    if (err != ERR_NONE)
        return err;
    if (erased)
        return problem_set(&update->result.problem, ERR_PRECONDITION, "request_id",
                           "this id was used before, for a carer that has been erased since");
    if (get_be32(value.data + DIGEST_BYTES) == OUTCOME_SPENT)
        return ERR_NOT_FOUND;
    err = read_answer(&value, &first);
    free(first.not_found);
    *out = first.hold.token;
    if (err == ERR_NONE && out->epoch == 0)
        return problem_set(&update->result.problem, ERR_PRECONDITION, "request_id",
                           "this id was used before for another call");
    return err;
}

bool request_spend(struct batch *batch, const struct update *update)
{
    uint8_t nothing[FIXED_BYTES] = {0};
    struct octets value = {nothing, sizeof nothing};
    struct table_key key = key_of_request(batch->home->options.region, update->request_id, update->principal);
    put_be32(nothing + DIGEST_BYTES, OUTCOME_SPENT);
    return batch_put(batch, STORE_REQUESTS, &key, &value);
}

/* Under an id of the day on which it may be forgotten, less the time that ids are kept. */
static struct table_key key_of_code(const struct batch *batch, const struct update *update)
{
    static const char owner[] = "transfer codes"; /* no SPIFFE name */
    uint8_t id[REQUEST_ID_BYTES];
    uint64_t at_ms = (uint64_t)(update->as.transfer.let_go_ms + CODE_KEPT_MS - REQUEST_ID_KEPT_MS);
    for (int i = 0; i < 6; i++)
        id[i] = (uint8_t)(at_ms >> (40 - 8 * i));
    memcpy(id + 6, update->as.transfer.hash, REQUEST_ID_BYTES - 6);
    return key_of_request(batch->home->options.region, id, owner);
}

bool request_spend_code(struct batch *batch, const struct update *update)
{
    uint8_t nothing[FIXED_BYTES] = {0};
    struct octets value = {nothing, sizeof nothing};
    struct table_key key = key_of_code(batch, update);
    put_be32(nothing + DIGEST_BYTES, OUTCOME_SPENT);
    return batch_put(batch, STORE_REQUESTS, &key, &value);
}

enum err request_find_code(struct batch *batch, struct update *update)
{
    struct octets ignored;
    struct table_key key = key_of_code(batch, update);
    return batch_get(batch, STORE_REQUESTS, &key, &ignored, &update->result.problem);
}

bool request_store(struct batch *batch, const struct update *update)
{
    if (!update->has_request_id || update->kind == UPDATE_SETTLE_HOLD)
        return true;
    const struct update_result *result = &update->result;
    size_t size = FIXED_BYTES + 4 * (size_t)result->not_found_count;
    uint8_t *out = arena_alloc(batch->arena, size);
    if (out == NULL) {
        batch->failed = ERR_LIMIT;
        return false;
    }
    memcpy(out, update->content_hash, DIGEST_BYTES);
    uint8_t *at = out + DIGEST_BYTES;
    put_be32(at, result->outcome);
    put_be64(at + 4, result->epoch);
    put_be64(at + 12, result->sequence);
    put_be64(at + 20, result->national_reference);
    put_be64(at + 28, result->vacancy_id);
    put_be64(at + 36, (uint64_t)result->valid_until_ms);
    put_be32(at + 44, update->kind == UPDATE_PLACE ? result->distance_told : result->confirmed);
    put_be64(at + 48, result->hold.token.epoch);
    put_be64(at + 56, result->hold.token.sequence);
    put_be32(at + 64, result->not_found_count);
    for (uint32_t i = 0; i < result->not_found_count; i++)
        put_be32(at + 68 + 4 * (size_t)i, result->not_found[i]);
    struct table_key key = key_of_request(batch->home->options.region, update->request_id, update->principal);
    struct octets value = {out, size};
    return batch_put(batch, STORE_REQUESTS, &key, &value);
}

/* --- erased carers ----------------------------------------------------------------------------------------------- */

static const struct table_key meta_forgetting = {"forgetting", 10};

/* That the id was used stays, and nothing else: sent again late, the same call must not register the carer anew. */
static bool forget_outcome(struct batch *batch, const struct table_key *key)
{
    uint8_t nothing[FIXED_BYTES] = {0};
    struct octets value = {nothing, sizeof nothing};
    put_be32(nothing + DIGEST_BYTES, OUTCOME_ERASED);
    return batch_put(batch, STORE_REQUESTS, key, &value);
}

bool requests_forget(struct batch *batch)
{
    static const uint8_t yes[1] = {1};
    struct octets value = {yes, sizeof yes};
    batch->forget = true;
    return batch_put(batch, STORE_META, &meta_forgetting, &value);
}

void requests_forget_begin(struct home *home)
{
    home->forget.again = home->forget.under_way; /* what that has passed already may name the carer */
    if (home->forget.under_way)
        return;
    home->forget.under_way = true;
    home->forget.at = (struct forget_place){STORE_REQUESTS, key_of_region(home->options.region)};
}

enum err requests_read(struct home *home, struct store_txn *txn, struct problem *problem)
{
    struct octets key = key_octets(&meta_forgetting), value;
    enum err err = tables_get(home->store, txn, STORE_META, &key, &value, problem);
    if (err == ERR_NONE)
        requests_forget_begin(home);
    return err == ERR_NOT_FOUND ? ERR_NONE : err;
}

/* Forgets what the row at a place says if it is of a carer that is no more. */
static enum err forget_row(struct batch *batch, const struct forget_place *at, const struct octets *value,
                           size_t *changed)
{
    bool nobody = false, requests = at->table == STORE_REQUESTS;
    enum err err = requests                    ? names_nobody(batch->home, batch->txn, value, &nobody)
                   : at->table == STORE_EVENTS ? event_names_nobody(batch->home, batch->txn, value, &nobody)
                                               : former_names_nobody(batch->home, batch->txn, value, &nobody);
    if (err != ERR_NONE || !nobody)
        return err;
    ++*changed;
    return (requests ? forget_outcome(batch, &at->key) : batch_del(batch, at->table, &at->key)) ? ERR_NONE
                                                                                                : batch->failed;
}

/* Moves *at past the rows of one slice; *end: there are no more. Counts those that it changed. */
static enum err forget_slice(struct batch *batch, struct forget_place *at, bool *end, size_t *changed)
{
    struct home *home = batch->home;
    for (int i = 0; i < REQUESTS_PER_SLICE && !*end; i++) {
        struct octets from = key_octets(&at->key), key, value, rest;
        enum err err = home->store->ops->seek(batch->txn, at->table, &from, false, &key, &value);
        if (err == ERR_NOT_FOUND || (err == ERR_NONE && !key_in_region(&key, home->options.region, &rest))) {
            *end = at->table == STORE_FORMER;
            *at = (struct forget_place){at->table == STORE_REQUESTS ? STORE_EVENTS : STORE_FORMER,
                                        key_of_region(home->options.region)};
            continue;
        }
        if (err == ERR_NONE && (key.size >= sizeof at->key.data || value.size < RECORD_PREFIX_BYTES))
            err = ERR_STORE_DAMAGED;
        if (err != ERR_NONE)
            return err;
        memcpy(at->key.data, key.data, key.size);
        at->key.size = key.size;
        struct octets said = {value.data + RECORD_PREFIX_BYTES, value.size - RECORD_PREFIX_BYTES};
        if ((err = forget_row(batch, at, &said, changed)) != ERR_NONE)
            return err;
        at->key.data[at->key.size++] = 0;
    }
    return ERR_NONE;
}

/* The slice is durable. */
static void slice_done(struct home *home, const struct forget_place *at, bool end)
{
    home->forget.at = *at;
    if (!end)
        return;
    home->forget.rounds++;
    home->forget.under_way = false;
    if (home->forget.again)
        requests_forget_begin(home);
    home->forget.again = false;
}

bool requests_forget_slice(struct home *home)
{
    struct batch batch;
    struct forget_place at = home->forget.at;
    bool end = false;
    size_t changed = 0;
    if (!home->forget.under_way || home->read_only)
        return false;
    enum err err = batch_begin(home, true, &batch);
    if (err == ERR_NONE)
        err = forget_slice(&batch, &at, &end, &changed);
    if (err == ERR_NONE && end && !home->forget.again && !batch_del(&batch, STORE_META, &meta_forgetting))
        err = batch.failed;
    if (err == ERR_NONE && (changed > 0 || end))
        err = batch_commit(&batch);
    else if (batch.txn != NULL)
        batch_abort(&batch); /* nothing to write costs no commit */
    home_note_failure(home, err);
    if (err != ERR_NONE) {
        log_warn("register", "what requests and events said of erased carers can't be forgotten now: %s",
                 err_name(err));
        return false; /* tried again at the next heartbeat */
    }
    slice_done(home, &at, end);
    return home->forget.under_way;
}

uint64_t home_forget_due(const struct home *home)
{
    return home->forget.under_way ? home->forget.rounds + 1 + home->forget.again : 0;
}

uint64_t home_forgotten(const struct home *home)
{
    return home->forget.rounds;
}
