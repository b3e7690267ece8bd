/*
 * home_lapse.c - what time does: holds run out, vacancies that nobody confirms go stale and lapse, old request ids and
 * holds are forgotten.
 * Owns: nothing of its own. The writer's thread. Invariant: an expiry and a lapse are entries of the log like any other
 * change, what comes before a lapse is an event only; after a restart the same are due. A hold runs out by the lease
 * clock alone, and before anything else is decided of its carer; vacancies go by the wall clock. No turn does more than
 * its caller says: what else is due waits for the next, with others' updates between.
 */
#include "daemon/base/log.h"
#include "daemon/record/bytes.h"
#include "daemon/record/states.h"
#include "daemon/register/home_parts.h"

#include <string.h>

#define LAPSE_MAX       1024
#define FORGET_MAX      256
#define FORGET_EVERY_MS (60LL * 1000)

void policy_fill(struct home_policy *policy)
{
    const struct home_policy given = *policy;
    *policy = (struct home_policy){
        .hold_default_ms = given.hold_default_ms ? given.hold_default_ms : HOLD_DEFAULT_MS,
        .hold_max_ms = given.hold_max_ms ? given.hold_max_ms : HOLD_MAX_MS,
        .hold_least_ms = given.hold_least_ms ? given.hold_least_ms : HOLD_LEAST_MS,
        .holds_each = given.holds_each ? given.holds_each : HOLDS_EACH,
        .reports_each = given.reports_each ? given.reports_each : REPORTS_EACH,
        .lapse_emergency_ms = given.lapse_emergency_ms ? given.lapse_emergency_ms : LAPSE_EMERGENCY_MS,
        .lapse_ms = given.lapse_ms ? given.lapse_ms : LAPSE_MS,
    };
}

/* --- vacancies --------------------------------------------------------------------------------------------------- */

int64_t vacancy_lapse_ms(const struct home_policy *policy, const struct home_carer *home)
{
    bool emergency = vacancy_ttl_ms(&home->carer, &home->vacancy) == VACANCY_TTL_EMERGENCY_MS;
    return emergency ? policy->lapse_emergency_ms : policy->lapse_ms;
}

/* Where time has brought it by then. Of one that is lost since a restore nobody can be told, but it ends. */
static enum vacancy_stage stage_at(const struct home_carer *home, int64_t now_ms)
{
    const struct vacancy *vacancy = &home->vacancy;
    int64_t ttl_ms = vacancy_ttl_ms(&home->carer, vacancy);
    if (home->lost || vacancy->valid_until_ms <= now_ms)
        return STAGE_STALE;
    return vacancy->valid_until_ms - ttl_ms / 4 <= now_ms ? STAGE_GOING_STALE : STAGE_FRESH;
}

int64_t vacancy_due_ms(const struct home_policy *policy, const struct home_carer *home)
{
    const struct vacancy *vacancy = &home->vacancy;
    if (home->carer.status == CARER_MOVED)
        return carer_cut_due_ms(home);
    /* One that is full by placements stays until it is withdrawn. */
    if (vacancy->vacancy_id == 0 || states_find(&vacancy_states, vacancy_state_now(home), VACANCY_LAPSE) == NULL)
        return INT64_MAX;
    /* One that is lost ends when it lapses: not while a team holds a bed of it. */
    if (home->lost && beds_held(home) > 0)
        return INT64_MAX;
    if (home->lost || vacancy->stage == STAGE_STALE)
        return vacancy->valid_until_ms + vacancy_lapse_ms(policy, home);
    int64_t before_ms = vacancy->stage == STAGE_FRESH ? vacancy_ttl_ms(&home->carer, vacancy) / 4 : 0;
    return vacancy->valid_until_ms - before_ms;
}

static bool tell(struct batch *batch, enum event_kind kind, const struct home_carer *home, int64_t until_ms)
{
    const struct home_event event = {.kind = kind, .home = home, .by = HUB_PRINCIPAL, .until_ms = until_ms};
    return batch_event(batch, &event);
}

static bool lapse(struct batch *batch, struct stored_carer *stored)
{
    stored->home.vacancy.state = VACANCY_LAPSED;
    if (!tell(batch, EVENT_LAPSED, &stored->home, 0))
        return false;
    if (stored->home.lost) /* its offer can't be told anew, so it ends */
        vacancy_clear(batch, &stored->home, 0);
    return batch_put_carer(batch, stored, false);
}

/* The agency is told; nobody else is: whoever reads the offer compares valid_until with the moment. */
static bool move_stage(struct batch *batch, struct stored_carer *stored)
{
    struct vacancy *vacancy = &stored->home.vacancy;
    enum vacancy_stage stage = stage_at(&stored->home, batch->now_ms);
    int64_t lapse_ms = vacancy_lapse_ms(&batch->home->options.policy, &stored->home);
    bool stale = stage == STAGE_STALE;
    if (stage > vacancy->stage && !tell(batch, stale ? EVENT_STALE : EVENT_GOING_STALE, &stored->home,
                                        stale ? vacancy->valid_until_ms + lapse_ms : vacancy->valid_until_ms))
        return false;
    if (stage > vacancy->stage)
        vacancy->stage = (uint8_t)stage;
    return batch_store_carer(batch, stored);
}

/* Does to one that is due what time does now: lapses it, or moves its stage, each in a pass of its own. */
static bool do_due(struct batch *batch, uint64_t national_reference, bool lapsing)
{
    struct stored_carer stored;
    struct problem problem = {0};
    enum err err = batch_get_carer(batch, national_reference, &stored, &problem);
    if (batch->failed != ERR_NONE)
        return false;
    int64_t now_ms = batch->now_ms, lapse_ms = 0, due_ms = INT64_MAX;
    if (err == ERR_NONE)
        lapse_ms = vacancy_lapse_ms(&batch->home->options.policy, &stored.home);
    if (err == ERR_NONE)
        due_ms = vacancy_due_ms(&batch->home->options.policy, &stored.home);
    if (due_ms <= now_ms && stored.home.carer.status == CARER_MOVED)
        return lapsing || carer_cut(batch, &stored);
    if (due_ms <= now_ms) {
        bool lapses = now_ms - lapse_ms >= stored.home.vacancy.valid_until_ms;
        if (lapses != lapsing)
            return true;
        return lapses ? lapse(batch, &stored) : move_stage(batch, &stored);
    }
    if (lapsing)
        return true;
    /* A record that can't be read must not keep all the others from lapsing. */
    if (err != ERR_NONE)
        log_error("register", "a vacancy that is due can't be looked at: %s", problem.text);
    batch_due(batch, national_reference, due_ms);
    return true;
}

/* --- holds ------------------------------------------------------------------------------------------------------- */

#define SEQUENCE_BITS 40 /* beside 24 of the epoch */

uint64_t hold_number(const struct hold_token *token)
{
    return token->epoch << SEQUENCE_BITS | token->sequence;
}

struct hold_token hold_of_number(uint64_t number)
{
    return (struct hold_token){number >> SEQUENCE_BITS, number & ((UINT64_C(1) << SEQUENCE_BITS) - 1)};
}

void hold_due_read(struct home *home, const struct hold *hold)
{
    if (hold_live(hold))
        due_set(home->due_holds, hold_number(&hold->token), hold->until_lease_ms);
}

static bool expire_one(struct batch *batch, const struct hold_token *token)
{
    enum err err = hold_expire(batch, token);
    if (batch->failed != ERR_NONE)
        return false;
    if (err == ERR_NONE)
        return true;
    /* As with vacancies. Nobody else gets its beds. */
    log_error("register", "a hold that has run out can't be ended: %s", err_name(err));
    batch_due_hold(batch, &(struct hold){.token = *token}, false);
    return true;
}

static bool audit_expiries(struct batch *batch, uint64_t sequence_before)
{
    static const struct audit_entry done = {.principal = HUB_PRINCIPAL, .method = "expire"};
    return batch->lists->subject_count == 0 ||
           batch_audit(batch, &done, ERR_NONE, batch->position.sequence > sequence_before);
}

static bool expire_all(struct batch *batch, const struct due_change *due, size_t count)
{
    uint64_t before = batch->position.sequence;
    for (size_t i = 0; i < count; i++) {
        const struct hold_token token = hold_of_number(due[i].number);
        if (!expire_one(batch, &token))
            return false;
    }
    return audit_expiries(batch, before);
}

bool holds_overdue(const struct batch *batch)
{
    return due_first(batch->home->due_holds, NULL) <= batch->position.lease.lease_ms;
}

/* By its vacancy or its agency's reference; any other update asks nothing of a carer's beds. ERR_NOT_FOUND. */
static enum err find_named(struct batch *batch, struct update *update, struct stored_carer *out)
{
    enum err err = ERR_NOT_FOUND;
    if (update->kind == UPDATE_HOLD)
        return batch_find_vacancy(batch, update->as.hold.vacancy_id, out, NULL);
    if (update->agency_reference[0] != '\0')
        err = update_find_carer(batch, update, update->agency_reference, out);
    update->result.problem = (struct problem){0}; /* it will see for itself */
    return err;
}

bool holds_expire_for(struct batch *batch, struct update *update)
{
    struct stored_carer carer;
    uint64_t before = batch->position.sequence;
    bool decides = batch->standing == STANDING_DECIDING && !standing_shown_more(batch);
    if (!decides || !holds_overdue(batch) || find_named(batch, update, &carer) != ERR_NONE)
        return batch->failed == ERR_NONE;
    for (uint32_t i = 0; i < carer.home.hold_count; i++) {
        const struct hold_token token = {carer.home.holds[i].epoch, carer.home.holds[i].sequence};
        struct stored_hold hold;
        enum err err =
            carer.home.holds[i].state == HOLD_PLACED ? ERR_NOT_FOUND : batch_get_hold(batch, &token, &hold, NULL);
        if (batch->failed != ERR_NONE ||
            (err == ERR_NONE && hold_run_out(batch, &hold.hold) && !expire_one(batch, &token)))
            return false;
    }
    return audit_expiries(batch, before);
}

/* --- all of it --------------------------------------------------------------------------------------------------- */

/* Those due by now, in order of time, `max` at most. They leave the heap only when the commit is durable; to see past
 * the first, each is moved to the end of time and back. */
static size_t collect_due(struct due *heap, int64_t now_ms, struct due_change *out, size_t max)
{
    size_t count = 0;
    uint64_t number;
    int64_t at_ms;
    while (count < max && (at_ms = due_first(heap, &number)) <= now_ms) {
        out[count++] = (struct due_change){.number = number, .at_ms = at_ms};
        due_set(heap, number, INT64_MAX);
    }
    for (size_t i = 0; i < count; i++)
        due_set(heap, out[i].number, out[i].at_ms);
    return count;
}

/* Deletes request ids that would be refused by now; they are in order of time. */
static bool forget_requests(struct batch *batch)
{
    struct home *home = batch->home;
    struct table_key region = key_of_region(home->options.region);
    struct octets from = key_octets(&region), key, value, rest;
    for (int i = 0; i < FORGET_MAX; i++) {
        enum err err = home->store->ops->seek(batch->txn, STORE_REQUESTS, &from, false, &key, &value);
        if (err == ERR_NOT_FOUND || (err == ERR_NONE && !key_in_region(&key, home->options.region, &rest)))
            return true;
        if (err != ERR_NONE) {
            batch->failed = err;
            return false;
        }
        int64_t made_ms = rest.size >= REQUEST_ID_BYTES ? request_id_ms(rest.data) : 0;
        if (made_ms > batch->now_ms - REQUEST_ID_KEPT_MS)
            return true;
        struct table_key dead; /* what seek pointed to goes with the deletion */
        memcpy(dead.data, key.data, key.size);
        dead.size = key.size;
        struct octets dead_key = key_octets(&dead);
        err = home->store->ops->del(batch->txn, STORE_REQUESTS, &dead_key);
        if (err != ERR_NONE) {
            batch->failed = err;
            return false;
        }
        if (made_ms > batch->position.forgotten_ms)
            batch->position.forgotten_ms = made_ms;
    }
    home->forget_again_ms = 0; /* there are more */
    return true;
}

/* Those that lapse, or all the others; what was done has its audit row. */
static bool run_pass(struct batch *batch, const struct due_change *due, size_t count, bool lapsing)
{
    const struct audit_entry done = {.principal = HUB_PRINCIPAL, .method = lapsing ? "lapse" : "age"};
    uint64_t before = batch->position.sequence;
    for (size_t i = 0; i < count; i++)
        if (!do_due(batch, due[i].number, lapsing))
            return false;
    return batch->lists->subject_count == 0 || batch_audit(batch, &done, ERR_NONE, batch->position.sequence > before);
}

/* What is due: `holds` of it at first, then vacancies. */
static enum err run_batch(struct home *home, const struct due_change *due, size_t holds, size_t count, bool forget)
{
    struct batch batch;
    enum err err = batch_begin(home, true, &batch);
    if (err != ERR_NONE)
        return err;
    bool good = expire_all(&batch, due, holds) && run_pass(&batch, due + holds, count - holds, true) &&
                run_pass(&batch, due + holds, count - holds, false);
    if (good && forget)
        good = forget_requests(&batch);
    if (!good) {
        batch_abort(&batch);
        return batch.failed;
    }
    return batch_commit(&batch);
}

void holds_expire(struct home *home)
{
    struct due_change due[EXPIRE_BATCH_MAX];
    if (home->read_only || !standing_decides(home))
        return;
    size_t count = collect_due(home->due_holds, home_lease_ms(home), due, EXPIRE_BATCH_MAX);
    if (count > 0)
        home_note_failure(home, run_batch(home, due, count, count, false));
}

/* As the clocks go now. */
static int64_t next_due(struct home *home, int64_t now_ms)
{
    int64_t vacancy_ms = due_first(home->due, NULL), hold_ms = due_first(home->due_holds, NULL);
    if (hold_ms != INT64_MAX)
        hold_ms = now_ms + (hold_ms - home_lease_ms(home));
    return hold_ms < vacancy_ms ? hold_ms : vacancy_ms;
}

size_t home_lapse(struct home *home, size_t max, int64_t *next_due_ms)
{
    struct due_change due[LAPSE_MAX];
    int64_t now_ms = clock_wall_ms(home->options.clock);
    if (!standing_decides(home)) { /* these are decisions */
        if (next_due_ms != NULL)
            *next_due_ms = INT64_MAX;
        return 0;
    }
    max = max < LAPSE_MAX ? max : LAPSE_MAX;
    size_t holds = collect_due(home->due_holds, home_lease_ms(home), due, max);
    size_t count = holds + collect_due(home->due, now_ms, due + holds, max - holds);
    /* Also when the clock went back since: the next look is never far away. */
    bool forget = now_ms >= home->forget_again_ms || now_ms < home->forget_again_ms - FORGET_EVERY_MS;
    if (forget)
        home->forget_again_ms = now_ms + FORGET_EVERY_MS;
    enum err err = home->read_only ? ERR_STORE_IO : ERR_NONE;
    if (err == ERR_NONE && (count > 0 || forget))
        err = run_batch(home, due, holds, count, forget);
    home_note_failure(home, err);
    bool more = err == ERR_NONE && hold_forget_slice(home);
    if (next_due_ms != NULL)
        *next_due_ms = home->read_only ? INT64_MAX : more ? now_ms : next_due(home, now_ms);
    return err == ERR_NONE ? count : 0;
}
