/* tier: check */
/*
 * test_register_holds_requests.c - request ids of holds: the same call again, a call whose outcome was never heard, and
 * both after a restore; what teams asked of other regions.
 * Shows: V5 (same id, same content: same answer, one entry; other content: refused; after a restart too), that
 * NOT_FOUND of a settled call is for good, that after a restore from what is shared a team's retry finds its hold.
 */
#include "tests/unit/restore_world.h"

#include "tests/unit/holds_world.h"
#include "vacancy/v1/hub_service.pb-c.h"

static int decide(void **state)
{
    (void)state;
    open_asking(&original, seed);
    assert_int_equal(apply(&original, UPDATE_DECIDE), ERR_NONE);
    put_agencies(&original);
    return 0;
}

static int done(void **state)
{
    (void)state;
    world_finish(&original);
    return 0;
}

/* The same call, sent again. */
static struct update *again(const struct update *update)
{
    struct update *copy = update_create(update->kind);
    *copy = *update;
    memset(&copy->result, 0, sizeof copy->result);
    return copy;
}

static struct update_result apply_copy(struct world *world, const struct update *update)
{
    return world_apply(world, again(update));
}

static uint64_t position(struct world *world)
{
    uint64_t epoch, sequence;
    home_position(world->home, &epoch, &sequence);
    return sequence;
}

static void decided_again(struct world *world)
{
    reopen(world);
    assert_int_equal(apply(world, UPDATE_DECIDE), ERR_NONE);
}

static void test_the_same_call_again(void **state)
{
    (void)state;
    struct world *world = &original;
    uint64_t vacancy = offer_beds(world, AGENCY, "H-1", 1);
    struct update *ask = ask_beds(world, LEEDS, vacancy, 1);
    struct update_result first = did(apply_copy(world, ask));
    uint64_t end = position(world);
    for (int restart = 0; restart < 2; restart++) {
        struct update_result second = did(apply_copy(world, ask));
        assert_int_equal(second.outcome, OUTCOME_REPEATED);
        assert_int_equal(second.sequence, first.sequence);
        assert_true(second.hold.token.sequence == first.hold.token.sequence);
        assert_int_equal(second.hold.state, HOLD_ACTIVE);
        assert_int_equal(second.beds_free, 0);
        assert_int_equal(position(world), end);
        decided_again(world);
    }
    /* Another content under the same id. */
    struct update *other = again(ask);
    other->content_hash[0] ^= 1;
    refused(world_apply(world, other), ERR_PRECONDITION, "request_id", "another content");
    /* The hold is given back as it is by then. */
    struct update *release = about(world, UPDATE_RELEASE_HOLD, LEEDS, first.hold.token);
    (void)did(apply_copy(world, release));
    end = position(world);
    assert_int_equal(did(apply_copy(world, ask)).hold.state, HOLD_RELEASED);
    struct update_result released = did(apply_copy(world, release));
    assert_int_equal(released.outcome, OUTCOME_REPEATED);
    assert_int_equal(released.hold.state, HOLD_RELEASED);
    assert_int_equal(position(world), end);
    /* Another team's id is its own. */
    struct update *york = again(ask);
    strcpy(york->principal, YORK);
    strcpy(york->as.hold.holder, YORK);
    assert_int_equal(did(world_apply(world, york)).outcome, OUTCOME_CREATED);
    assert_register_true(world);
    update_destroy(ask);
    update_destroy(release);
}

static struct update *settle(struct world *world, const struct update *ask)
{
    struct update *update = of_team(world, UPDATE_SETTLE_HOLD, ask->principal);
    memcpy(update->request_id, ask->request_id, sizeof update->request_id);
    return update;
}

static void test_settled(void **state)
{
    (void)state;
    struct world *world = &original;
    uint64_t vacancy = offer_beds(world, AGENCY, "H-1", 2);
    struct update *came = ask_beds(world, LEEDS, vacancy, 1), *late = ask_beds(world, YORK, vacancy, 1);
    struct update_result made = did(apply_copy(world, came));
    for (int restart = 0; restart < 2; restart++) {
        struct update_result known = did(world_apply(world, settle(world, came)));
        assert_true(known.hold.token.sequence == made.hold.token.sequence);
        assert_int_equal(known.hold.state, HOLD_ACTIVE);
        refused(world_apply(world, settle(world, late)), ERR_NOT_FOUND, "request_id",
                "in this region, and never will be: the id is spent here; if another region was asked, give `region`");
        decided_again(world);
        refused(apply_copy(world, late), ERR_PRECONDITION, "request_id", "settled: it was not done");
    }
    /* An id that was another call's says so; one from long ago is not known any more. */
    struct update *release = about(world, UPDATE_RELEASE_HOLD, LEEDS, made.hold.token);
    (void)did(apply_copy(world, release));
    refused(world_apply(world, settle(world, release)), ERR_PRECONDITION, "request_id", "another call");
    world_pass(world, REQUEST_ID_KEPT_MS);
    refused(world_apply(world, settle(world, came)), ERR_INVALID, "request_id", "older than 7 days");
    refused(apply_copy(world, late), ERR_INVALID, "request_id", "older than 7 days");
    assert_register_true(world);
    update_destroy(came);
    update_destroy(late);
    update_destroy(release);
}

static void look_at_time(struct world *world)
{
    for (int i = 0; i < 4; i++)
        (void)home_lapse(world->home, 10, NULL);
}

/* A clock that was set back by years and right again forgets no hold that ended meanwhile. One that was far ahead has
 * it forgotten with its id, and nobody says that it was never made. */
static void test_settled_after_the_clock_leapt(void **state)
{
    (void)state;
    struct world *world = &original;
    uint64_t vacancy = offer_beds(world, AGENCY, "H-1", 1);
    struct update *ask = ask_beds(world, LEEDS, vacancy, 1);
    struct update_result made = did(apply_copy(world, ask));
    world->wall_ms -= 4 * HOLD_KEPT_MS;
    (void)did(world_apply(world, about(world, UPDATE_RELEASE_HOLD, LEEDS, made.hold.token)));
    world->wall_ms += 4 * HOLD_KEPT_MS;
    look_at_time(world);
    assert_int_equal(did(world_apply(world, settle(world, ask))).hold.state, HOLD_RELEASED);
    world->wall_ms += 4 * HOLD_KEPT_MS;
    look_at_time(world);
    world->wall_ms -= 4 * HOLD_KEPT_MS;
    refused(world_apply(world, settle(world, ask)), ERR_INVALID, "request_id", "older than 7 days");
    refused(apply_copy(world, ask), ERR_INVALID, "request_id", "older than 7 days");
    assert_register_true(world);
    update_destroy(ask);
}

/* A backup from before the hold: its row comes back from the peers, its team is known by the hashes alone. */
static void test_after_a_restore(void **state)
{
    (void)state;
    uint64_t vacancy = offer_beds(&original, AGENCY, "H-1", 2);
    world_init(&restored, seed + 1, false);
    restored.store->ops->close(restored.store);
    restored.store = store_memory_clone(original.store);
    struct update *ask = ask_beds(&original, LEEDS, vacancy, 1), *lost = ask_beds(&original, YORK, vacancy, 1);
    struct update_result made = did(apply_copy(&original, ask));
    restored.wall_ms = original.wall_ms;
    restored.has_peers = restored.restored = true;
    world_open(&restored);
    restored.restored = false;
    replay_all(&original, &restored);
    assert_int_equal(apply(&restored, UPDATE_DECIDE), ERR_NONE);
    assert_string_equal(get_hold(&restored, made.hold.token).holder, "");

    assert_true(did(world_apply(&restored, settle(&restored, ask))).hold.token.sequence == made.hold.token.sequence);
    refused(world_apply(&restored, settle(&restored, lost)), ERR_NOT_FOUND, "request_id", "never will be");
    refused(world_apply(&restored, about(&restored, UPDATE_RELEASE_HOLD, YORK, made.hold.token)), ERR_FORBIDDEN,
            "hold_id", "no hold of");
    refused(world_apply(&restored, ask_beds(&restored, LEEDS, vacancy, 1)), ERR_PRECONDITION, "vacancy_id",
            "ExtendHold");
    struct update_result retry = did(apply_copy(&restored, ask));
    assert_int_equal(retry.outcome, OUTCOME_REPEATED);
    assert_true(retry.hold.token.sequence == made.hold.token.sequence && retry.hold.token.epoch == 1);
    assert_string_equal(get_hold(&restored, made.hold.token).holder, LEEDS);
    assert_int_equal(did(apply_copy(&restored, ask)).outcome, OUTCOME_REPEATED); /* known by its id again */
    assert_int_equal(
        did(world_apply(&restored, answer(&restored, UPDATE_ACCEPT_HOLD, AGENCY, made.hold.token))).hold.state,
        HOLD_ACCEPTED);
    struct hold_token next = hold_beds(&restored, YORK, vacancy, 1);
    assert_int_equal(next.epoch, 2);
    refused(world_apply(&restored, ask_beds(&restored, "spiffe://example.org/region/E12000003/team/x/y", vacancy, 1)),
            ERR_PRECONDITION, "beds", "0 free");
    assert_register_true(&restored);
    update_destroy(ask);
    update_destroy(lost);
    world_finish(&restored);
}

/* Made and ended after the backup: the call that is sent again is answered, not done again (V5). */
static void test_an_ended_hold_after_a_restore(void **state)
{
    (void)state;
    uint64_t vacancy = offer_beds(&original, AGENCY, "H-1", 2);
    world_init(&restored, seed + 1, false);
    restored.store->ops->close(restored.store);
    restored.store = store_memory_clone(original.store);
    for (int i = 0; i < 3; i++) { /* long before it, and not looked at */
        struct hold_token old = hold_beds(&original, YORK, vacancy, 1);
        (void)did(world_apply(&original, about(&original, UPDATE_RELEASE_HOLD, YORK, old)));
        world_pass(&original, HOUR);
    }
    struct update *ask = ask_beds(&original, LEEDS, vacancy, 1);
    struct update_result made = did(apply_copy(&original, ask));
    (void)did(world_apply(&original, about(&original, UPDATE_RELEASE_HOLD, LEEDS, made.hold.token)));
    restored.wall_ms = original.wall_ms;
    restored.has_peers = restored.restored = true;
    world_open(&restored);
    restored.restored = false;
    replay_all(&original, &restored);
    assert_int_equal(apply(&restored, UPDATE_DECIDE), ERR_NONE);
    uint64_t end = position(&restored);
    struct update *other = again(ask);
    other->as.hold.beds = 2;
    refused(world_apply(&restored, other), ERR_PRECONDITION, "request_id", "another content");
    for (int i = 0; i < 2; i++) {
        struct update_result retry = did(apply_copy(&restored, ask));
        assert_int_equal(retry.outcome, OUTCOME_REPEATED);
        assert_int_equal(retry.hold.state, HOLD_RELEASED);
        assert_true(retry.hold.token.sequence == made.hold.token.sequence && retry.hold.token.epoch == 1);
    }
    assert_int_equal(position(&restored), end);
    assert_int_equal(get(&restored, "H-1").hold_count, 0);
    (void)hold_beds(&restored, LEEDS, vacancy, 2); /* another request is */
    assert_register_true(&restored);
    update_destroy(ask);
    world_finish(&restored);
}

/* Nobody can be told anew what a lost home offers, so it ends when it lapses; but not from under a team: its bed would
 * be promised again as soon as the agency is back. */
static void test_a_lost_home_is_kept_for_who_holds_it(void **state)
{
    (void)state;
    uint64_t vacancy = offer_beds(&original, AGENCY, "H-1", 1);
    world_init(&restored, seed + 1, false);
    restored.store->ops->close(restored.store);
    restored.store = store_memory_clone(original.store);
    world_pass(&original, VACANCY_TTL_DEFAULT_MS - HOUR);
    struct update *push = world_put_carer(&original, AGENCY, "H-1");
    push->as.carer.placed_count = 0;
    push->as.carer.terms.care_types = 1u << CARE_SHORT_TERM;
    push->as.carer.approval_ends_on = DATE_NONE;
    (void)did(world_apply(&original, push));
    struct hold_token token = hold_beds(&original, LEEDS, vacancy, 1);
    restored.wall_ms = original.wall_ms;
    restored.policy.lapse_ms = HOUR;
    restored.has_peers = restored.restored = true;
    world_open(&restored);
    restored.restored = false;
    replay_all(&original, &restored);
    assert_int_equal(apply(&restored, UPDATE_DECIDE), ERR_NONE);
    assert_true(get(&restored, "H-1").lost);
    world_pass(&restored, 3 * HOUR);
    for (int i = 0; i < 3; i++)
        (void)home_lapse(restored.home, 10, NULL);
    assert_true(get(&restored, "H-1").vacancy.vacancy_id == vacancy);
    assert_int_equal(get(&restored, "H-1").hold_count, 1);
    assert_int_equal(get_hold(&restored, token).state, HOLD_ACTIVE);
    world_pass(&restored, 2 * HOUR);
    for (int i = 0; i < 3; i++)
        (void)home_lapse(restored.home, 10, NULL);
    assert_int_equal(get_hold(&restored, token).state, HOLD_EXPIRED);
    assert_true(get(&restored, "H-1").vacancy.vacancy_id == 0);
    assert_register_true(&restored);
    world_finish(&restored);
}

/* --- asked of other regions -------------------------------------------------------------------------------------- */

static struct update *note(struct world *world, int64_t at_ms, uint32_t code, uint64_t sequence)
{
    struct update *update = of_team(world, UPDATE_NOTE_ASKED, LEEDS);
    update->has_request_id = false;
    update->as.asked = (struct asked_hold){.region = "E12000001",
                                           .vacancy_id = 77,
                                           .beds = 1,
                                           .request_reference = "383-204417",
                                           .asked_at_ms = at_ms,
                                           .token = {sequence != 0, sequence},
                                           .code = code,
                                           .step = code == 4   ? ASKED_BEGUN
                                                   : code == 0 ? ASKED_DONE
                                                               : ASKED_REFUSED,
                                           .agency = "far-away"};
    strcpy(update->as.asked.holder, LEEDS);
    update->as.asked.request_id[5] = (uint8_t)at_ms;
    return update;
}

/* The trail's last row says what was asked, for whom, and what came of it. */
static void assert_note_audited(struct world *world, uint32_t code)
{
    struct arena arena;
    struct audit_position end;
    struct audit_row row;
    size_t got;
    arena_init(&arena, 1 << 20);
    home_audit_position(world->home, &end);
    assert_int_equal(home_read_audit(world->home, end.sequence, &arena, &row, 1, &got), ERR_NONE);
    assert_int_equal(got, 1);
    Vacancy__V1__AuditRecord *record = vacancy__v1__audit_record__unpack(NULL, row.octets.size, row.octets.data);
    assert_non_null(record);
    assert_int_equal(record->code, code);
    assert_string_equal(record->request_reference, "383-204417");
    assert_int_equal(record->n_subjects, 1);
    vacancy__v1__audit_record__free_unpacked(record, NULL);
    arena_finish(&arena);
}

/* A refusal closes one try, whichever; what decides the request id closes all. */
static void test_tries_that_are_open(void **state)
{
    (void)state;
    struct world *world = &original;
    static const struct {
        enum asked_step step;
        uint32_t code, kept, open;
        uint64_t token;
    } rows[] = {{ASKED_BEGUN, 4, 4, 1, 0},      {ASKED_BEGUN, 4, 4, 2, 0},     {ASKED_REFUSED, 9, 4, 1, 0},
                {ASKED_REFUSED, 14, 14, 0, 0},  {ASKED_REFUSED, 9, 9, 0, 0},   {ASKED_BEGUN, 4, 4, 1, 0},
                {ASKED_BEGUN, 4, 4, 2, 0},      {ASKED_SETTLED, 5, 5, 0, 0},   {ASKED_BEGUN, 4, 4, 1, 0},
                {ASKED_BEGUN, 4, 4, 2, 0},      {ASKED_DONE, 0, 0, 0, 4711},   {ASKED_BEGUN, 4, 0, 0, 4711},
                {ASKED_REFUSED, 9, 0, 0, 4711}, {ASKED_SETTLED, 5, 0, 0, 4711}};
    const uint8_t id[REQUEST_ID_BYTES] = {0, 0, 0, 0, 0, 7};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct asked_hold asked;
        struct update *update = note(world, 7, rows[i].code, rows[i].step == ASKED_DONE ? rows[i].token : 0);
        update->as.asked.step = rows[i].step;
        (void)did(world_apply(world, update));
        assert_note_audited(world, rows[i].code);
        assert_int_equal(home_get_asked(world->home, LEEDS, id, &asked), ERR_NONE);
        assert_int_equal(asked.code, rows[i].kept);
        assert_int_equal(asked.open, rows[i].open);
        assert_int_equal(asked.token.sequence, rows[i].token);
        if (i == 1)
            reopen(world);
    }
}

static void test_what_was_asked_elsewhere(void **state)
{
    (void)state;
    struct world *world = &original;
    struct asked_hold asked[4];
    size_t got;
    for (int i = 1; i <= 3; i++)
        (void)did(world_apply(world, note(world, i, 4, 0)));
    assert_note_audited(world, 4);
    (void)did(world_apply(world, note(world, 2, 0, 4711)));
    assert_note_audited(world, 0);
    (void)did(world_apply(world, note(world, 3, 9, 0)));
    assert_note_audited(world, 9);
    (void)did(world_apply(world, note(world, 2, 14, 0))); /* a later try that got no answer */
    reopen(world);                                        /* nothing is decided: noted all the same */
    (void)did(world_apply(world, note(world, 4, 4, 0)));
    assert_int_equal(home_list_asked(world->home, LEEDS, NULL, asked, 3, &got), ERR_NONE);
    assert_int_equal(got, 3);
    assert_int_equal(asked[0].asked_at_ms, 4);
    assert_int_equal(asked[2].asked_at_ms, 2);
    assert_int_equal(asked[2].token.sequence, 4711);
    assert_int_equal(asked[2].code, 0);
    assert_string_equal(asked[2].region, "E12000001");
    assert_int_equal(home_list_asked(world->home, LEEDS, asked[2].request_id, asked, 4, &got), ERR_NONE);
    assert_int_equal(got, 1);
    assert_int_equal(asked[0].asked_at_ms, 1);
    uint8_t id[REQUEST_ID_BYTES] = {0, 0, 0, 0, 0, 3};
    assert_int_equal(home_get_asked(world->home, LEEDS, id, asked), ERR_NONE);
    assert_int_equal(asked[0].code, 9);
    assert_memory_equal(asked[0].request_id, id, sizeof id);
    assert_int_equal(home_get_asked(world->home, YORK, id, asked), ERR_NOT_FOUND);
    assert_int_equal(home_list_asked(world->home, YORK, NULL, asked, 4, &got), ERR_NONE);
    assert_int_equal(got, 0);
    /* Forgotten with the holds of its time. */
    assert_int_equal(apply(world, UPDATE_DECIDE), ERR_NONE);
    (void)did(world_apply(world, note(world, world->wall_ms, 4, 0)));
    world_pass(world, HOLD_KEPT_MS - 2 * HOUR);
    for (size_t left = 1; left < 2; left--, world_pass(world, 3 * HOUR)) {
        for (int i = 0; i < 4; i++)
            (void)home_lapse(world->home, 10, NULL);
        assert_int_equal(home_list_asked(world->home, LEEDS, NULL, asked, 4, &got), ERR_NONE);
        assert_int_equal(got, left);
    }
}

int main(void)
{
    seed = seed_from_environment(20261122);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_the_same_call_again, decide, done),
        cmocka_unit_test_setup_teardown(test_settled, decide, done),
        cmocka_unit_test_setup_teardown(test_settled_after_the_clock_leapt, decide, done),
        cmocka_unit_test_setup_teardown(test_after_a_restore, decide, done),
        cmocka_unit_test_setup_teardown(test_an_ended_hold_after_a_restore, decide, done),
        cmocka_unit_test_setup_teardown(test_a_lost_home_is_kept_for_who_holds_it, decide, done),
        cmocka_unit_test_setup_teardown(test_tries_that_are_open, decide, done),
        cmocka_unit_test_setup_teardown(test_what_was_asked_elsewhere, decide, done),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
