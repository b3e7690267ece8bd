/* tier: check */
/*
 * test_register_replicated.c - updates that wait until a peer has them (design 4.2): a table of what comes when, and
 * the writer's thread around it;
 * and erasures, which it acknowledges when they are whole.
 */
#include "daemon/register/replicated.h"

#include "daemon/register/home_parts.h"
#include "daemon/register/writer.h"
#include "tests/unit/register_world.h"

#include <pthread.h>

#define AGENCY "leeds-fostering"

/* Updates 'a', 'b', ... wait at (epoch, sequence); a peer reaches positions; time passes. */
enum { WAIT = 1, HURRY, REACH, TIME };
struct step {
    int what;
    uint64_t epoch, sequence; /* TIME: sequence is milliseconds; HURRY: epoch is, until its caller's deadline */
    const char *released;     /* by then: lower case replicated, upper case given up */
};

static const struct scenario {
    const char *name;
    struct step steps[8];
} scenarios[] = {
    {"reached", {{WAIT, 1, 5, ""}, {REACH, 1, 4, ""}, {REACH, 1, 5, "a"}}},
    {"known before it waits", {{REACH, 1, 9, ""}, {WAIT, 1, 5, "a"}, {WAIT, 1, 10, ""}, {REACH, 1, 10, "b"}}},
    {"time is up", {{WAIT, 1, 5, ""}, {TIME, 0, 600, ""}, {WAIT, 1, 6, ""}, {TIME, 0, 400, "A"}, {TIME, 0, 600, "B"}}},
    {"late is not too late for the next",
     {{WAIT, 1, 5, ""}, {TIME, 0, 1000, "A"}, {WAIT, 1, 6, ""}, {REACH, 1, 6, "b"}}},
    {"several at once, in order", {{WAIT, 1, 5, ""}, {WAIT, 1, 6, ""}, {WAIT, 1, 7, ""}, {REACH, 1, 6, "ab"}}},
    {"an older answer among newer", {{WAIT, 1, 8, ""}, {WAIT, 1, 3, ""}, {REACH, 1, 3, "b"}, {REACH, 1, 8, "a"}}},
    {"positions in any order", {{WAIT, 1, 8, ""}, {REACH, 1, 7, ""}, {REACH, 1, 3, ""}, {REACH, 1, 8, "a"}}},
    {"an older epoch may be a branch", {{WAIT, 2, 5, ""}, {REACH, 1, 9, ""}, {REACH, 2, 5, "a"}}},
    {"a later epoch covers what was before", {{WAIT, 1, 5, ""}, {REACH, 2, 4, ""}, {REACH, 2, 6, "a"}}},
    {"a caller with less than the second is answered in time",
     {{HURRY, 400, 5, ""}, {TIME, 0, 349, ""}, {TIME, 0, 1, "A"}}},
    {"each at its own time, whoever came first",
     {{WAIT, 1, 5, ""},
      {HURRY, 300, 6, ""},
      {HURRY, 200, 7, ""},
      {TIME, 0, 150, "C"},
      {TIME, 0, 100, "B"},
      {TIME, 0, 750, "A"}}},
    {"several whose time is up, in order",
     {{HURRY, 300, 5, ""}, {HURRY, 200, 6, ""}, {WAIT, 1, 7, ""}, {TIME, 0, 500, "AB"}, {TIME, 0, 500, "C"}}},
    {"a longer deadline is no longer wait", {{HURRY, 60000, 5, ""}, {TIME, 0, 999, ""}, {TIME, 0, 1, "A"}}},
    {"no time left to wait", {{HURRY, 50, 5, "A"}, {HURRY, 1, 6, "B"}}},
    {"reached, though its caller has no time left", {{REACH, 1, 5, ""}, {HURRY, 1, 5, "a"}}},
    {"reached and late: reached", {{WAIT, 1, 5, ""}, {REACH, 1, 5, "a"}, {TIME, 0, 5000, ""}}},
};

static void test_table(void **state)
{
    (void)state;
    for (size_t s = 0; s < sizeof scenarios / sizeof *scenarios; s++) {
        struct replicated *waits = replicated_create(8);
        int64_t now_ms = 1000;
        uint64_t tag = 0;
        for (const struct step *step = scenarios[s].steps; step < scenarios[s].steps + 8 && step->what; step++) {
            if (step->what == WAIT || step->what == HURRY) {
                struct update *update = update_create(UPDATE_PUT_CARER);
                update->tag = tag++;
                update->expires_boot_ms = step->what == HURRY ? now_ms + (int64_t)step->epoch : 0;
                update->result.epoch = step->what == HURRY ? 1 : step->epoch;
                update->result.sequence = step->sequence;
                assert_true(replicated_wait(waits, update, now_ms));
            } else if (step->what == REACH) {
                replicated_reached(waits, step->epoch, step->sequence);
            } else {
                now_ms += (int64_t)step->sequence;
            }
            char released[16] = "";
            struct update *update;
            for (size_t n = 0; (update = replicated_next(waits, now_ms)) != NULL; n++) {
                released[n] = (char)((update->result.replicated ? 'a' : 'A') + (char)update->tag);
                update_destroy(update);
            }
            if (strcmp(released, step->released) != 0)
                fail_msg("%s: \"%s\" released, not \"%s\"", scenarios[s].name, released, step->released);
        }
        struct update *left;
        while ((left = replicated_give_up(waits)) != NULL)
            update_destroy(left);
        replicated_destroy(waits);
    }
}

static void test_bound_and_deadline(void **state)
{
    (void)state;
    struct replicated *waits = replicated_create(2);
    struct update *updates[3];
    assert_true(replicated_deadline(waits) == INT64_MAX);
    for (int i = 0; i < 3; i++) {
        updates[i] = update_create(UPDATE_PUT_CARER);
        updates[i]->result.sequence = 9;
        assert_int_equal(replicated_wait(waits, updates[i], 100 + i), i < 2);
    }
    assert_int_equal(replicated_deadline(waits), 100 + REPLICATED_WAIT_MS);
    assert_ptr_equal(replicated_next(waits, 100 + REPLICATED_WAIT_MS), updates[0]);
    assert_int_equal(replicated_count(waits), 1);
    assert_ptr_equal(replicated_give_up(waits), updates[1]);
    assert_null(replicated_give_up(waits));
    replicated_destroy(waits);
    for (int i = 0; i < 3; i++)
        update_destroy(updates[i]);
}

/* --- the writer --------------------------------------------------------------------------------------------------- */

struct rig {
    struct world world;
    struct writer *writer;
    struct mailbox *answers;
    int changes;
    pthread_mutex_t lock;
};

static void changed(void *ctx)
{
    struct rig *rig = ctx;
    pthread_mutex_lock(&rig->lock);
    rig->changes++;
    pthread_mutex_unlock(&rig->lock);
}

static int changes(struct rig *rig)
{
    pthread_mutex_lock(&rig->lock);
    int count = rig->changes;
    pthread_mutex_unlock(&rig->lock);
    return count;
}

/* The boot clock is the machine's: a second is a second here. */
static int64_t boot_now(void *ctx)
{
    (void)ctx;
    return clock_boot_ms(clock_system());
}

static void submit(struct rig *rig, struct update *update, bool wait)
{
    update->wait_replicated = wait;
    update->reply = (struct reply_address){rig->answers, 0, 1};
    assert_int_equal(mailbox_reserve(rig->answers), ERR_NONE);
    assert_int_equal(writer_submit(rig->writer, update), ERR_NONE);
}

static struct update *answered(struct rig *rig, int timeout_ms)
{
    struct mail mail;
    return mailbox_wait(rig->answers, &mail, 1, timeout_ms) == 1 ? mail.payload : NULL;
}

/* With so many request ids, and a carer "H-0" whose own comes last. */
static struct rig *rig_start_with(bool has_peers, int requests, uint64_t *national_reference)
{
    static struct rig rig;
    memset(&rig, 0, sizeof rig);
    world_init(&rig.world, 5, true);
    rig.world.clock.boot_ms = boot_now;
    rig.world.has_peers = has_peers;
    world_open(&rig.world);
    pthread_mutex_init(&rig.lock, NULL);
    struct update_result decided = world_apply(&rig.world, update_create(UPDATE_DECIDE));
    assert_int_equal(decided.problem.code, ERR_NONE);
    assert_int_equal(world_apply(&rig.world, world_put_agency(&rig.world, AGENCY)).problem.code, ERR_NONE);
    if (requests > 0) {
        world_fill_requests(&rig.world, AGENCY, requests);
        rig.world.wall_ms += 1000;
        struct update *carer = world_put_carer(&rig.world, AGENCY, "H-0");
        world_request_id(&rig.world, carer, rig.world.wall_ms);
        *national_reference = world_apply(&rig.world, carer).national_reference;
    }
    rig.answers = mailbox_create(16);
    assert_int_equal(writer_start(rig.world.home, 16, &(struct change_port){changed, &rig}, &rig.writer), ERR_NONE);
    return &rig;
}

static struct rig *rig_start(bool has_peers)
{
    return rig_start_with(has_peers, 0, NULL);
}

static void rig_stop(struct rig *rig)
{
    if (rig->writer != NULL)
        writer_stop(rig->writer);
    mailbox_destroy(rig->answers);
    world_finish(&rig->world);
}

static void test_writer_answers_when_a_peer_has_it(void **state)
{
    (void)state;
    struct rig *rig = rig_start(true);
    submit(rig, world_put_carer(&rig->world, AGENCY, "H-1"), true);
    submit(rig, world_put_carer(&rig->world, AGENCY, "H-2"), false);
    struct update *second = answered(rig, 5000); /* it does not wait */
    assert_non_null(second);
    assert_false(second->wait_replicated);
    assert_int_equal(second->result.problem.code, ERR_NONE);
    assert_true(changes(rig) > 0); /* told before it is answered */
    assert_null(answered(rig, 0));
    writer_replicated(rig->writer, second->result.epoch, second->result.sequence);
    struct update *first = answered(rig, 5000);
    assert_non_null(first);
    assert_true(first->result.replicated);
    /* Nobody has it within the second: answered all the same, and said. */
    submit(rig, world_put_vacancy(&rig->world, AGENCY, "H-1"), true);
    int64_t before_ms = clock_boot_ms(clock_system());
    struct update *alone = answered(rig, 10000);
    assert_non_null(alone);
    assert_int_equal(alone->result.problem.code, ERR_NONE);
    assert_false(alone->result.replicated);
    assert_true(clock_boot_ms(clock_system()) - before_ms >= REPLICATED_WAIT_MS / 2);
    /* Nor is there anybody within the caller's own time. */
    struct update *hurried = world_put_vacancy(&rig->world, AGENCY, "H-2");
    before_ms = clock_boot_ms(clock_system());
    hurried->expires_boot_ms = before_ms + REPLICATED_WAIT_MS / 2;
    submit(rig, hurried, true);
    assert_ptr_equal(answered(rig, 10000), hurried);
    assert_int_equal(hurried->result.problem.code, ERR_NONE);
    assert_false(hurried->result.replicated);
    assert_true(clock_boot_ms(clock_system()) - before_ms < REPLICATED_WAIT_MS);
    update_destroy(hurried);
    /* A refusal waits for nobody; what still waits at the end is answered. */
    submit(rig, world_put_vacancy(&rig->world, AGENCY, "unknown"), true);
    struct update *refused = answered(rig, REPLICATED_WAIT_MS / 2);
    assert_non_null(refused);
    assert_int_equal(refused->result.problem.code, ERR_FORBIDDEN);
    submit(rig, world_put_carer(&rig->world, AGENCY, "H-3"), true);
    writer_stop(rig->writer);
    rig->writer = NULL;
    struct update *last = answered(rig, 0);
    assert_non_null(last);
    assert_int_equal(last->result.problem.code, ERR_NONE);
    struct update *all[] = {first, second, alone, refused, last};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        update_destroy(all[i]);
    rig_stop(rig);
}

/* Where the roster has no other hub there is nobody to wait for. */
static void test_writer_without_peers(void **state)
{
    (void)state;
    struct rig *rig = rig_start(false);
    submit(rig, world_put_carer(&rig->world, AGENCY, "H-1"), true);
    struct update *update = answered(rig, REPLICATED_WAIT_MS / 2);
    assert_non_null(update);
    assert_int_equal(update->result.problem.code, ERR_NONE);
    assert_false(update->result.replicated);
    update_destroy(update);
    rig_stop(rig);
}

/* Nothing that was asked about the carer is known any more when its erasure is acknowledged; others go on meanwhile. */
static void test_writer_acknowledges_a_whole_erasure(void **state)
{
    (void)state;
    uint64_t national_reference = 0;
    for (int stopped = 0; stopped < 2; stopped++) {
        struct rig *rig = rig_start_with(false, 4 * REQUESTS_PER_SLICE, &national_reference);
        assert_int_equal(world_requests_of(&rig->world, national_reference), 1);
        pthread_mutex_lock(&rig->lock); /* the writer waits in `changed`, after its first turn */
        submit(rig, world_update(&rig->world, UPDATE_ERASE_CARER, AGENCY, "H-0"), false);
        submit(rig, world_update(&rig->world, UPDATE_ERASE_CARER, AGENCY, "H-0"), false);
        pthread_mutex_unlock(&rig->lock);
        struct update *again = answered(rig, 20000), *erased;
        assert_non_null(again); /* a refusal waits for nothing */
        assert_int_equal(again->result.problem.code, ERR_FORBIDDEN);
        if (stopped) {
            writer_stop(rig->writer);
            rig->writer = NULL;
        }
        erased = answered(rig, 20000);
        assert_non_null(erased);
        assert_int_equal(erased->result.problem.code, ERR_NONE);
        assert_int_equal(erased->result.outcome, OUTCOME_ENDED);
        assert_int_equal(world_requests_of(&rig->world, national_reference), 0);
        update_destroy(again);
        update_destroy(erased);
        rig_stop(rig);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_table),
        cmocka_unit_test(test_bound_and_deadline),
        cmocka_unit_test(test_writer_answers_when_a_peer_has_it),
        cmocka_unit_test(test_writer_without_peers),
        cmocka_unit_test(test_writer_acknowledges_a_whole_erasure),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
