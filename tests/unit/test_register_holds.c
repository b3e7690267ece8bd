/* tier: check */
/*
 * test_register_holds.c - holds as the register decides them, on both stores. Placements: test_register_placing.c;
 * request ids: test_register_holds_requests.c; at random: test_register_holds_random.c.
 * Shows: each row of the table of a hold's states and that every other pair is refused; V1 to V8, V9 and V12 where they
 * are the register's, A7 (unknown and foreign alike), C1, C4 and C5 on a fake clock; a restart in the middle.
 */
#include "tests/unit/both_stores.h"
#include "tests/unit/holds_world.h"
#include "vacancy/v1/agency_service.pb-c.h"

static int furnish(struct world *world)
{
    put_agencies(world);
    return 0;
}

/* --- a hold's life ----------------------------------------------------------------------------------------------- */

static void test_hold_and_release(void **state)
{
    struct world *world = *state;
    uint64_t vacancy = offer_beds(world, AGENCY, "H-1", 2);
    struct update_result made = did(world_apply(world, ask_beds(world, LEEDS, vacancy, 1)));
    assert_int_equal(made.outcome, OUTCOME_CREATED);
    assert_int_equal(made.beds_free, 1);
    assert_true(made.vacancy_id == vacancy && made.hold.vacancy_id == vacancy);
    assert_int_equal(made.hold.state, HOLD_ACTIVE);
    assert_int_equal(made.hold.until_ms, world->wall_ms + HOLD_DEFAULT_MS);
    assert_string_equal(made.hold.agency_reference, "H-1");
    assert_string_equal(made.hold.holder, LEEDS);
    assert_string_equal(made.hold.request_reference, "383-204417");
    /* Its token is where its entry stands. */
    assert_true(made.hold.token.epoch == made.epoch && made.hold.token.sequence == made.sequence - 1);

    /* The trail says for which request. */
    struct arena arena;
    struct audit_row rows[16];
    size_t got;
    arena_init(&arena, 1 << 20);
    assert_int_equal(home_read_audit(world->home, 1, &arena, rows, 16, &got), ERR_NONE);
    assert_non_null(memmem(rows[got - 1].octets.data, rows[got - 1].octets.size, "383-204417", 10));
    arena_finish(&arena);

    /* The other bed is another team's to hold. */
    struct hold_token other = hold_beds(world, YORK, vacancy, 1);
    assert_int_equal(get(world, "H-1").vacancy.state, VACANCY_HELD);
    world_reopen(world);
    assert_int_equal(get_hold(world, made.hold.token).state, HOLD_ACTIVE);

    struct update_result released = did(world_apply(world, about(world, UPDATE_RELEASE_HOLD, LEEDS, made.hold.token)));
    assert_int_equal(released.outcome, OUTCOME_ENDED);
    assert_int_equal(released.hold.state, HOLD_RELEASED);
    assert_int_equal(released.hold.ended_at_ms, world->wall_ms);
    assert_int_equal(released.beds_free, 1);
    assert_int_equal(get_hold(world, other).state, HOLD_ACTIVE);
    assert_int_equal(get(world, "H-1").vacancy.state, VACANCY_VACANT);
    assert_int_equal(get(world, "H-1").hold_count, 1);
    assert_register_true(world);
}

/* V1, V2, V3: unknown, held by another (who is not named), held by the same team. */
static void test_who_may_not_hold(void **state)
{
    struct world *world = *state;
    uint64_t vacancy = offer_beds(world, AGENCY, "H-1", 1);
    refused(world_apply(world, ask_beds(world, LEEDS, vacancy + 1, 1)), ERR_NOT_FOUND, "vacancy_id", "no live vacancy");
    refused(world_apply(world, ask_beds(world, LEEDS, 0, 1)), ERR_NOT_FOUND, "vacancy_id", "no live vacancy");
    struct hold_token token = hold_beds(world, LEEDS, vacancy, 1);
    struct update_result result = world_apply(world, ask_beds(world, YORK, vacancy, 1));
    refused(result, ERR_PRECONDITION, "beds",
            "the vacancy is HELD, 1 asked for, 0 free: 1 held, 0 placed; the first hold ends at 2025-");
    assert_null(strstr(result.problem.text, "E08000035"));
    refused(world_apply(world, ask_beds(world, LEEDS, vacancy, 1)), ERR_PRECONDITION, "vacancy_id", "ExtendHold");
    /* A team's name is its own, however little another's differs (A7: as if there were none). */
    refused(world_apply(world, about(world, UPDATE_RELEASE_HOLD, YORK, token)), ERR_FORBIDDEN, "hold_id", "no hold of");
    token.sequence += 100;
    refused(world_apply(world, about(world, UPDATE_RELEASE_HOLD, LEEDS, token)), ERR_FORBIDDEN, "hold_id",
            "no hold of");
    refused(world_apply(world, answer(world, UPDATE_DECLINE_HOLD, AGENCY, token)), ERR_FORBIDDEN, "hold_id",
            "no hold on");
    token.sequence -= 100;
    refused(world_apply(world, answer(world, UPDATE_DECLINE_HOLD, OTHER, token)), ERR_FORBIDDEN, "hold_id",
            "no hold on");
    assert_register_true(world);
}

/* C4, V7: what has run out is not honoured, whether its expiry was written or not; its bed can be held at once. */
static void test_time_runs_out(void **state)
{
    struct world *world = *state;
    uint64_t vacancy = offer_beds(world, AGENCY, "H-1", 1);
    struct hold_token token = hold_beds(world, LEEDS, vacancy, 1);
    world_pass(world, HOLD_DEFAULT_MS - 1);
    refused(world_apply(world, ask_beds(world, YORK, vacancy, 1)), ERR_PRECONDITION, "beds", "0 free");
    world_pass(world, 1);
    refused(world_apply(world, about(world, UPDATE_PLACE, LEEDS, token)), ERR_PRECONDITION, "hold_id", "EXPIRED");
    refused(world_apply(world, about(world, UPDATE_RELEASE_HOLD, LEEDS, token)), ERR_PRECONDITION, "hold_id",
            "EXPIRED");
    struct hold_token next = hold_beds(world, YORK, vacancy, 1);
    assert_int_equal(get_hold(world, token).state, HOLD_EXPIRED);
    assert_int_equal(get_hold(world, next).state, HOLD_ACTIVE);
    assert_int_equal(get(world, "H-1").hold_count, 1);
    assert_register_true(world);
}

/* --- every transition, and every other pair of state and event ---------------------------------------------------- */

static struct update *bring_about(struct world *world, unsigned from, unsigned event, struct hold_token token)
{
    if (from == HOLD_PLACED && event == HOLD_DECLINE)
        return did_not_begin(answer(world, UPDATE_DECLINE_HOLD, AGENCY, token));
    if (from == HOLD_PLACED && event == HOLD_RELEASE)
        return did_not_begin(about(world, UPDATE_RELEASE_HOLD, LEEDS, token));
    switch (event) {
    case HOLD_EXTEND:
        return about(world, UPDATE_EXTEND_HOLD, LEEDS, token);
    case HOLD_ACCEPT:
        return answer(world, UPDATE_ACCEPT_HOLD, AGENCY, token);
    case HOLD_DECLINE:
        return answer(world, UPDATE_DECLINE_HOLD, AGENCY, token);
    case HOLD_RELEASE:
        return about(world, UPDATE_RELEASE_HOLD, LEEDS, token);
    case HOLD_PLACE:
        return about(world, UPDATE_PLACE, LEEDS, token);
    default:
        return NULL;
    }
}

/* A hold of a bed of its own, in that state. */
static struct hold_token in_state(struct world *world, unsigned state)
{
    static const unsigned by[HOLD_STATE_END] = {[HOLD_ACCEPTED] = HOLD_ACCEPT,
                                                [HOLD_RELEASED] = HOLD_RELEASE,
                                                [HOLD_DECLINED] = HOLD_DECLINE,
                                                [HOLD_PLACED] = HOLD_PLACE};
    static int homes;
    char reference[32];
    snprintf(reference, sizeof reference, "T-%d", homes++);
    struct hold_token token = hold_beds(world, LEEDS, offer_beds(world, AGENCY, reference, 1), 1);
    if (by[state] != 0)
        (void)did(world_apply(world, bring_about(world, HOLD_ACTIVE, by[state], token)));
    if (state == HOLD_EXPIRED)
        world_pass(world, HOLD_DEFAULT_MS);
    return token;
}

static void test_the_table_and_nothing_else(void **state)
{
    struct world *world = *state;
    int refusals = 0;
    for (unsigned from = HOLD_ACTIVE; from < HOLD_STATE_END; from++)
        for (unsigned event = HOLD_EXTEND; event < HOLD_EXPIRE; event++) {
            struct hold_token token = in_state(world, from);
            const struct transition *row = states_find(&hold_states, from, event);
            uint64_t epoch, before, after;
            home_position(world->home, &epoch, &before);
            struct update_result result = world_apply(world, bring_about(world, from, event, token));
            if (row != NULL) {
                assert_int_equal(did(result).hold.state, row->to);
                assert_int_equal(get_hold(world, token).state, row->to);
                continue;
            }
            refused(result, ERR_PRECONDITION, "hold_id", hold_states.states[from]);
            home_position(world->home, &epoch, &after);
            assert_true(from == HOLD_EXPIRED || before == after);
            assert_int_equal(get_hold(world, token).state == HOLD_PLACED, from == HOLD_PLACED);
            refusals++;
        }
    assert_int_equal(refusals, 19);
    assert_register_true(world);
}

/* --- how long, how many ------------------------------------------------------------------------------------------ */

static void test_durations(void **state)
{
    struct world *world = *state;
    uint64_t vacancy = offer_beds(world, AGENCY, "H-1", 1);
    static const int64_t wrong[] = {-1, INT64_MIN, INT64_MAX, 1, HOLD_LEAST_MS - 1, HOLD_MAX_MS + 1};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct update *ask = ask_beds(world, LEEDS, vacancy, 1);
        ask->as.hold.duration_ms = wrong[i];
        refused(world_apply(world, ask), ERR_INVALID, "duration_s", "seconds");
    }
    static const uint32_t beds[] = {0, CHILDREN_MAX + 1, UINT32_MAX};
    for (size_t i = 0; i < sizeof beds / sizeof *beds; i++)
        refused(world_apply(world, ask_beds(world, LEEDS, vacancy, beds[i])), ERR_INVALID, "beds", "must be 1 to");
    refused(world_apply(world, ask_beds(world, LEEDS, vacancy, 2)), ERR_PRECONDITION, "beds", "2 asked for, 1 free");
    struct update *ask = ask_beds(world, LEEDS, vacancy, 1);
    ask->has_request_id = false;
    refused(world_apply(world, ask), ERR_INVALID, "request_id", "required");
    ask = ask_beds(world, LEEDS, vacancy, 1);
    ask->as.hold.duration_ms = HOLD_LEAST_MS;
    struct update_result made = did(world_apply(world, ask));
    assert_int_equal(made.hold.until_ms, world->wall_ms + HOLD_LEAST_MS);

    /* Once, by at most the default, from its end on. */
    struct update *extend = about(world, UPDATE_EXTEND_HOLD, LEEDS, made.hold.token);
    extend->as.hold.duration_ms = HOLD_DEFAULT_MS + 1;
    refused(world_apply(world, extend), ERR_INVALID, "duration_s", "seconds");
    extend = about(world, UPDATE_EXTEND_HOLD, LEEDS, made.hold.token);
    extend->as.hold.duration_ms = -5;
    refused(world_apply(world, extend), ERR_INVALID, "duration_s", "seconds");
    struct update_result longer = did(world_apply(world, about(world, UPDATE_EXTEND_HOLD, LEEDS, made.hold.token)));
    assert_true(longer.hold.extended);
    assert_int_equal(longer.hold.until_ms, made.hold.until_ms + HOLD_DEFAULT_MS);
    refused(world_apply(world, about(world, UPDATE_EXTEND_HOLD, LEEDS, made.hold.token)), ERR_PRECONDITION, "hold_id",
            "extended before");
    world_pass(world, HOLD_LEAST_MS + HOLD_DEFAULT_MS - 1);
    (void)home_lapse(world->home, 10, NULL);
    assert_int_equal(get_hold(world, made.hold.token).state, HOLD_ACTIVE);
    world_pass(world, 1);
    (void)home_lapse(world->home, 10, NULL);
    assert_int_equal(get_hold(world, made.hold.token).state, HOLD_EXPIRED);
    assert_register_true(world);
}

static void test_a_team_has_so_many(void **state)
{
    struct world *world = *state;
    char reference[16];
    struct hold_token first = {0};
    for (int i = 0; i < HOLDS_EACH; i++) {
        snprintf(reference, sizeof reference, "H-%d", i);
        struct hold_token token = hold_beds(world, LEEDS, offer_beds(world, AGENCY, reference, 1), 1);
        first = i == 0 ? token : first;
    }
    uint64_t another = offer_beds(world, OTHER, "H-1", 1);
    refused(world_apply(world, ask_beds(world, LEEDS, another, 1)), ERR_LIMIT, "", "20 live holds");
    world_reopen(world);
    refused(world_apply(world, ask_beds(world, LEEDS, another, 1)), ERR_LIMIT, "", "20 live holds");
    (void)hold_beds(world, YORK, offer_beds(world, OTHER, "H-2", 1), 1); /* that one is another team */
    (void)did(world_apply(world, about(world, UPDATE_RELEASE_HOLD, LEEDS, first)));
    (void)hold_beds(world, LEEDS, another, 1);

    /* Listed newest first, a page at a time; the agency's beside the team's. */
    struct hold holds[HOLDS_EACH + 1];
    struct hold_token next = {0};
    size_t got, total = 0;
    do {
        assert_int_equal(home_list_holds(world->home, LEEDS, NULL, false, &next, holds + total, 7, &got, &next),
                         ERR_NONE);
        total += got;
    } while (next.epoch != 0);
    assert_int_equal(total, HOLDS_EACH);
    for (size_t i = 1; i < total; i++)
        assert_true(holds[i].token.sequence < holds[i - 1].token.sequence && hold_live(&holds[i]));
    assert_int_equal(home_list_holds(world->home, LEEDS, NULL, true, &next, holds, HOLDS_EACH + 1, &got, &next),
                     ERR_NONE);
    assert_int_equal(got, HOLDS_EACH + 1);
    assert_int_equal(holds[HOLDS_EACH].state, HOLD_RELEASED);
    next = (struct hold_token){0};
    assert_int_equal(home_list_holds(world->home, NULL, OTHER, false, &next, holds, HOLDS_EACH + 1, &got, &next),
                     ERR_NONE);
    assert_int_equal(got, 2);
    next = (struct hold_token){0};
    assert_int_equal(home_list_holds(world->home, "nobody", NULL, true, &next, holds, 1, &got, &next), ERR_NONE);
    assert_int_equal(got, 0);
    assert_register_true(world);
}

/* --- what can't be held ------------------------------------------------------------------------------------------ */

static void test_what_is_not_offered(void **state)
{
    struct world *world = *state;
    uint64_t vacancy = offer_beds(world, AGENCY, "H-1", 1);
    world_pass(world, 1000);
    struct update *push = world_put_vacancy(world, AGENCY, "H-1");
    push->as.vacancy.stated = VACANCY_NOT_AVAILABLE;
    push->as.vacancy.reason = 1;
    (void)did(world_apply(world, push));
    refused(world_apply(world, ask_beds(world, LEEDS, vacancy, 1)), ERR_PRECONDITION, "vacancy_id", "NOT_AVAILABLE");
    world_pass(world, 1000);
    (void)did(world_apply(world, world_put_vacancy(world, AGENCY, "H-1")));
    put_agency(world, AGENCY, "E08000035");
    struct update *suspend = world_put_agency(world, AGENCY);
    suspend->as.agency_row.status = AGENCY_SUSPENDED;
    (void)did(world_apply(world, suspend));
    refused(world_apply(world, ask_beds(world, LEEDS, vacancy, 1)), ERR_PRECONDITION, "vacancy_id", "not offered");
    put_agency(world, AGENCY, "E08000035");
    /* Stale: phone first. */
    world_pass(world, VACANCY_TTL_DEFAULT_MS);
    refused(world_apply(world, ask_beds(world, LEEDS, vacancy, 1)), ERR_PRECONDITION, "vacancy_id", "telephone");
    world_pass(world, LAPSE_MS);
    (void)home_lapse(world->home, 10, NULL);
    refused(world_apply(world, ask_beds(world, LEEDS, vacancy, 1)), ERR_PRECONDITION, "vacancy_id", "LAPSED");
    struct update *confirm = world_update(world, UPDATE_CONFIRM, AGENCY, NULL);
    confirm->as.confirm.all = true;
    (void)did(world_apply(world, confirm));
    struct hold_token token = hold_beds(world, LEEDS, vacancy, 1);
    (void)did(world_apply(world, about(world, UPDATE_RELEASE_HOLD, LEEDS, token)));
    world_pass(world, 1000);
    (void)did(world_apply(world, world_update(world, UPDATE_WITHDRAW, AGENCY, "H-1")));
    refused(world_apply(world, ask_beds(world, LEEDS, vacancy, 1)), ERR_NOT_FOUND, "vacancy_id", "no live vacancy");
    assert_register_true(world);
}

/* What a search for today would not show: its own time is over, or the approval's. */
static void test_what_is_over(void **state)
{
    struct world *world = *state;
    uint64_t first = offer_beds(world, AGENCY, "H-1", 1), second = offer_beds(world, AGENCY, "H-2", 1);
    world_pass(world, 1000);
    struct update *push = world_put_vacancy(world, AGENCY, "H-1");
    push->as.vacancy.until = date_of_wall_ms(world->wall_ms) + 1; /* that day too */
    (void)did(world_apply(world, push));
    push = world_put_carer(world, AGENCY, "H-2");
    push->as.carer.placed_count = 0;
    push->as.carer.terms.care_types = 1u << CARE_SHORT_TERM;
    push->as.carer.approval_ends_on = date_of_wall_ms(world->wall_ms) + 2; /* no longer that day */
    (void)did(world_apply(world, push));
    world_pass(world, 24 * HOUR);
    (void)did(world_apply(world, about(world, UPDATE_RELEASE_HOLD, LEEDS, hold_beds(world, LEEDS, first, 1))));
    (void)did(world_apply(world, about(world, UPDATE_RELEASE_HOLD, LEEDS, hold_beds(world, LEEDS, second, 1))));
    world_pass(world, 24 * HOUR);
    refused(world_apply(world, ask_beds(world, LEEDS, first, 1)), ERR_PRECONDITION, "vacancy_id", "not offered");
    refused(world_apply(world, ask_beds(world, LEEDS, second, 1)), ERR_PRECONDITION, "vacancy_id", "not offered");
    assert_register_true(world);
}

/* V8, and what an agency may not take away from under a team. */
static void test_what_holds_mean_for_the_agency(void **state)
{
    struct world *world = *state;
    uint64_t vacancy = offer_beds(world, AGENCY, "H-1", 2);
    struct hold_token first = hold_beds(world, LEEDS, vacancy, 1), second = hold_beds(world, YORK, vacancy, 1);
    world_pass(world, 1000);
    struct update *fewer = world_put_vacancy(world, AGENCY, "H-1");
    refused(world_apply(world, fewer), ERR_PRECONDITION, "vacancy.beds", "2 are held");
    refused(world_apply(world, world_update(world, UPDATE_WITHDRAW, AGENCY, "H-1")), ERR_PRECONDITION,
            "agency_reference", "decline the hold first");
    (void)did(world_apply(world, about(world, UPDATE_PLACE, LEEDS, first)));
    struct update_result declined = did(world_apply(world, answer(world, UPDATE_DECLINE_HOLD, AGENCY, second)));
    assert_int_equal(declined.hold.decline_reason, DECLINE_NOT_SUITABLE);
    assert_int_equal(declined.hold.answered_at_ms, world->wall_ms);
    assert_int_equal(declined.beds_free, 1);
    refused(world_apply(world, about(world, UPDATE_PLACE, YORK, second)), ERR_PRECONDITION, "hold_id", "DECLINED");
    struct update *none = world_put_vacancy(world, AGENCY, "H-1");
    none->as.vacancy.beds = 0;
    refused(world_apply(world, none), ERR_PRECONDITION, "vacancy.beds", "1 placed");
    (void)did(world_apply(world, world_put_vacancy(world, AGENCY, "H-1")));
    assert_int_equal(get(world, "H-1").vacancy.state, VACANCY_PLACED);
    world_pass(world, 1000);
    (void)did(world_apply(world, world_update(world, UPDATE_WITHDRAW, AGENCY, "H-1")));
    static const uint8_t reasons[] = {DECLINE_NONE, DECLINE_APPROVAL_ENDED, DECLINE_REASON_END, 255};
    for (size_t i = 0; i < sizeof reasons; i++) {
        struct update *decline = answer(world, UPDATE_DECLINE_HOLD, AGENCY, second);
        decline->as.hold.decline_reason = reasons[i];
        refused(world_apply(world, decline), ERR_INVALID, "reason", "required");
    }
    assert_register_true(world);
}

static void test_the_carer_ends(void **state)
{
    struct world *world = *state;
    uint64_t vacancy = offer_beds(world, AGENCY, "H-1", 3);
    struct hold_token placed = hold_beds(world, LEEDS, vacancy, 1), live = hold_beds(world, YORK, vacancy, 1);
    (void)did(world_apply(world, about(world, UPDATE_PLACE, LEEDS, placed)));
    world_pass(world, 1000);
    struct update *end = world_update(world, UPDATE_END_CARER, AGENCY, "H-1");
    end->as.end.ends_on = 30000;
    strcpy(end->as.end.reason, "AW1");
    (void)did(world_apply(world, end));
    struct hold ended = get_hold(world, live);
    assert_int_equal(ended.state, HOLD_DECLINED);
    assert_int_equal(ended.decline_reason, DECLINE_APPROVAL_ENDED);
    assert_int_equal(get_hold(world, placed).state, HOLD_PLACED);
    assert_int_equal(get(world, "H-1").hold_count, 0);
    assert_register_true(world);
    (void)did(world_apply(world, world_update(world, UPDATE_ERASE_CARER, AGENCY, "H-1")));
    struct hold gone;
    assert_int_equal(home_get_hold(world->home, &live, &gone), ERR_NOT_FOUND);
    assert_int_equal(home_get_hold(world->home, &placed, &gone), ERR_NOT_FOUND);
    for (size_t i = 0; i < world->view->count; i++)
        assert_int_not_equal(world->view->items[i].table, LOG_TABLE_HOLD);
    refused(world_apply(world, about(world, UPDATE_RELEASE_HOLD, YORK, live)), ERR_FORBIDDEN, "hold_id", "no hold of");
    assert_register_true(world);
}

/* --- clocks ------------------------------------------------------------------------------------------------------ */

/* C1, C5: no step of the wall clock, nor a restart, frees or prolongs it. */
static void test_the_wall_clock_steps(void **state)
{
    static const int64_t steps[] = {HOUR, -HOUR, 365 * 24 * HOUR, -30 * 24 * HOUR};
    struct world *world = *state;
    char reference[16];
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        snprintf(reference, sizeof reference, "H-%zu", i);
        struct hold_token token = hold_beds(world, LEEDS, offer_beds(world, AGENCY, reference, 1), 1);
        world->wall_ms += steps[i];
        if (i % 2)
            world_reopen(world);
        (void)home_lapse(world->home, 100, NULL);
        world_pass(world, HOLD_DEFAULT_MS - 1);
        (void)home_lapse(world->home, 100, NULL);
        assert_int_equal(get_hold(world, token).state, HOLD_ACTIVE);
        world_pass(world, 1);
        if (i % 2 == 0)
            world_reopen(world);
        (void)home_lapse(world->home, 100, NULL);
        assert_int_equal(get_hold(world, token).state, HOLD_EXPIRED);
        world->wall_ms -= steps[i];
    }
    assert_audit_chain(world);
}

/* --- what is forgotten ------------------------------------------------------------------------------------------- */

static bool shared(struct world *world, struct hold_token token)
{
    uint8_t key[HOLD_KEY_BYTES];
    hold_key(&token, key);
    for (size_t i = 0; i < world->view->count; i++)
        if (world->view->items[i].table == LOG_TABLE_HOLD && memcmp(world->view->items[i].key, key, sizeof key) == 0)
            return true;
    return false;
}

static void forget(struct world *world)
{
    world_pass(world, HOUR);
    for (int i = 0; i < 10; i++)
        (void)home_lapse(world->home, 100, NULL);
}

static void test_what_is_forgotten(void **state)
{
    struct world *world = *state;
    struct hold gone;
    uint64_t vacancy = offer_beds(world, AGENCY, "H-1", 1), other = offer_beds(world, AGENCY, "H-2", 1);
    struct hold_token ended = hold_beds(world, LEEDS, vacancy, 1), placed = hold_beds(world, LEEDS, other, 1);
    (void)did(world_apply(world, about(world, UPDATE_RELEASE_HOLD, LEEDS, ended)));
    (void)did(world_apply(world, about(world, UPDATE_PLACE, LEEDS, placed)));
    world_pass(world, HOLD_SHARED_MS - 2 * HOUR);
    forget(world);
    assert_true(shared(world, ended));
    forget(world);
    assert_false(shared(world, ended));
    assert_true(shared(world, placed)); /* its vacancy lives */
    assert_int_equal(get_hold(world, ended).state, HOLD_RELEASED);
    assert_register_true(world);
    (void)did(world_apply(world, world_update(world, UPDATE_WITHDRAW, AGENCY, "H-2")));
    forget(world);
    assert_false(shared(world, placed));
    world_pass(world, HOLD_KEPT_MS - HOLD_SHARED_MS);
    forget(world);
    assert_int_equal(home_get_hold(world->home, &ended, &gone), ERR_NOT_FOUND);
    assert_int_equal(home_get_hold(world->home, &placed, &gone), ERR_NOT_FOUND);
    assert_register_true(world);
}

int main(void)
{
    seed = seed_from_environment(20261122);
    const struct CMUnitTest tests[] = {
        BOTH(test_hold_and_release),
        BOTH(test_who_may_not_hold),
        BOTH(test_time_runs_out),
        BOTH(test_the_table_and_nothing_else),
        BOTH(test_durations),
        BOTH(test_a_team_has_so_many),
        BOTH(test_what_is_not_offered),
        BOTH(test_what_is_over),
        BOTH(test_what_holds_mean_for_the_agency),
        BOTH(test_the_carer_ends),
        BOTH(test_the_wall_clock_steps),
        BOTH(test_what_is_forgotten),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
