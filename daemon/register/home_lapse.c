/*
 * home_lapse.c - what time does: vacancies that nobody confirmed lapse, old request ids are forgotten.
 * Owns: nothing of its own. The writer's thread. Invariant: a lapse is an entry of the log like any other change, and
 * after a restart the same vacancies are due.
 */
#include "daemon/base/log.h"
#include "daemon/record/bytes.h"
#include "daemon/register/home_parts.h"

#include <string.h>

#define LAPSE_MAX       1024
#define FORGET_MAX      256
#define FORGET_EVERY_MS (60LL * 1000)
#define LAPSE_PRINCIPAL "hub"
#define LAPSE_METHOD    "lapse"

static bool lapse_one(struct batch *batch, uint64_t national_reference)
{
    struct stored_carer stored;
    struct problem problem = {0};
    enum err err = batch_get_carer(batch, national_reference, &stored, &problem);
    if (batch->failed != ERR_NONE)
        return false;
    if (err == ERR_NONE && stored.home.vacancy.vacancy_id != 0 && stored.home.vacancy.valid_until_ms <= batch->now_ms) {
        stored.home.vacancy.state = VACANCY_LAPSED;
        if (stored.home.lost) /* its offer can't be told anew, so it ends */
            vacancy_clear(batch, &stored.home, 0);
        return batch_put_carer(batch, &stored, false);
    }
    /* A record that can't be read must not keep all the others from lapsing. */
    log_error("register", "a vacancy that is due can't be lapsed: %s", err ? problem.text : "it is not due");
    batch_due(batch, national_reference, INT64_MAX);
    return true;
}

/* Those due by now, in order of time, `max` at most. They leave the heap only when the commit is durable; to see past
 * the first, each is moved to the end of time and back. */
static size_t collect_due(struct home *home, int64_t now_ms, struct due_change *out, size_t max)
{
    size_t count = 0;
    uint64_t reference;
    int64_t at_ms;
    while (count < max && (at_ms = due_first(home->due, &reference)) <= now_ms) {
        out[count++] = (struct due_change){reference, at_ms};
        due_set(home->due, reference, INT64_MAX);
    }
    for (size_t i = 0; i < count; i++)
        due_set(home->due, out[i].national_reference, out[i].at_ms);
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

static enum err run_batch(struct home *home, const struct due_change *due, size_t count, bool forget)
{
    static const struct audit_entry lapsed = {.principal = LAPSE_PRINCIPAL, .method = LAPSE_METHOD};
    struct batch batch;
    enum err err = batch_begin(home, true, &batch);
    if (err != ERR_NONE)
        return err;
    uint64_t sequence_before = batch.position.sequence;
    bool good = true;
    for (size_t i = 0; good && i < count; i++)
        good = lapse_one(&batch, due[i].national_reference);
    if (good && count > 0)
        good = batch_audit(&batch, &lapsed, ERR_NONE, batch.position.sequence > sequence_before);
    if (good && forget)
        good = forget_requests(&batch);
    if (!good) {
        batch_abort(&batch);
        return batch.failed;
    }
    return batch_commit(&batch);
}

size_t home_lapse(struct home *home, size_t max, int64_t *next_due_ms)
{
    struct due_change due[LAPSE_MAX];
    int64_t now_ms = clock_wall_ms(home->options.clock);
    if (!standing_decides(home)) { /* a lapse is a decision */
        if (next_due_ms != NULL)
            *next_due_ms = INT64_MAX;
        return 0;
    }
    size_t count = collect_due(home, now_ms, due, max < LAPSE_MAX ? max : LAPSE_MAX);
    /* Also when the clock went back since: the next look is never far away. */
    bool forget = now_ms >= home->forget_again_ms || now_ms < home->forget_again_ms - FORGET_EVERY_MS;
    if (forget)
        home->forget_again_ms = now_ms + FORGET_EVERY_MS;
    enum err err = home->read_only ? ERR_STORE_IO : ERR_NONE;
    if (err == ERR_NONE && (count > 0 || forget))
        err = run_batch(home, due, count, forget);
    home_note_failure(home, err);
    if (next_due_ms != NULL)
        *next_due_ms = home->read_only ? INT64_MAX : due_first(home->due, NULL);
    return err == ERR_NONE ? count : 0;
}
