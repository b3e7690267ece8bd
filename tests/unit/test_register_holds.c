/* tier: check */
/*
 * test_register_holds.c - holds and placements as the register decides them, on both stores.
 * Shows: each row of the table of a hold's states and that every other pair is refused; V1 to V8, V9 and V12 where they
 * are the register's, A7 (unknown and foreign alike), C1, C4 and C5 on a fake clock; rule H16; request ids and what
 * settles them; a restart in the middle; and, from a seed, that no bed is ever promised twice.
 */
#include "tests/unit/register_world.h"

#include "daemon/record/states.h"

#define AGENCY "leeds-fostering"
#define OTHER  "hull-fostering"
#define LEEDS  "spiffe://example.org/region/E12000003/team/E08000035/duty"
#define YORK   "spiffe://example.org/region/E12000003/team/E06000014/duty"
#define HOUR   (3600LL * 1000)

static uint64_t seed;

static void put_agency(struct world *world, const char *id, const char *authority)
{
    struct update *update = world_put_agency(world, id);
    update->as.agency_row.status = AGENCY_ACTIVE;
    strcpy(update->as.agency_row.authority, authority);
    assert_int_equal(world_apply(world, update).problem.code, ERR_NONE);
}

static int begin(void **state, bool disk)
{
    static struct world world;
    world_init(&world, seed, disk);
    world_open(&world);
    *state = &world;
    put_agency(&world, AGENCY, "E08000035");
    put_agency(&world, OTHER, "");
    return 0;
}

static int on_memory(void **state)
{
    return begin(state, false);
}

static int on_disk(void **state)
{
    return begin(state, true);
}

static int done(void **state)
{
    world_finish(*state);
    return 0;
}

static void reopen(struct world *world)
{
    world_close(world);
    world_open(world);
}

/* --- what agencies and teams ask --------------------------------------------------------------------------------- */

/* A home with as many places as beds, all vacant; its vacancy's id. */
static uint64_t offer_beds(struct world *world, const char *agency, const char *reference, uint32_t beds)
{
    struct update *push = world_put_carer(world, agency, reference);
    push->as.carer.places = beds;
    push->as.carer.placed_count = 0;
    push->as.carer.terms.care_types = 1u << CARE_SHORT_TERM;
    push->as.carer.approval_ends_on = DATE_NONE;
    assert_int_equal(world_apply(world, push).problem.code, ERR_NONE);
    push = world_put_vacancy(world, agency, reference);
    push->as.vacancy.beds = beds;
    struct update_result result = world_apply(world, push);
    assert_int_equal(result.problem.code, ERR_NONE);
    return result.vacancy_id;
}

static struct update *team_update(struct world *world, enum update_kind kind, const char *team)
{
    struct update *update = update_create(kind);
    strcpy(update->principal, team);
    strcpy(update->as.hold.holder, team);
    strcpy(update->as.hold.authority, strcmp(team, LEEDS) == 0 ? "E08000035" : "E06000014");
    update->method = "/vacancy.v1.PlacementService/HoldVacancy";
    update->as.hold.starts_on = DATE_NONE;
    world_request_id(world, update, world->wall_ms);
    return update;
}

static struct update *ask_beds(struct world *world, const char *team, uint64_t vacancy_id, uint32_t beds)
{
    struct update *update = team_update(world, UPDATE_HOLD, team);
    update->as.hold.vacancy_id = vacancy_id;
    update->as.hold.beds = beds;
    strcpy(update->as.hold.request_reference, "383-204417");
    return update;
}

static struct update *about(struct world *world, enum update_kind kind, const char *team, struct hold_token token)
{
    struct update *update = team_update(world, kind, team);
    update->as.hold.token = token;
    if (kind != UPDATE_PLACE)
        return update;
    update->as.hold.placement_code = 3;
    update->as.hold.starts_on = date_of_wall_ms(world->wall_ms);
    update->as.hold.provider_consent = update->as.hold.authorities_consent = CONSENT_GIVEN;
    update->as.hold.child_count = 1;
    update->as.hold.children[0] = (struct household_child){AGE_9_11, SEX_F};
    return update;
}

static struct update *answer(struct world *world, enum update_kind kind, const char *agency, struct hold_token token)
{
    struct update *update = world_update(world, kind, agency, NULL);
    update->as.hold.token = token;
    if (kind == UPDATE_DECLINE_HOLD)
        update->as.hold.decline_reason = DECLINE_NOT_SUITABLE;
    return update;
}

static struct update_result did(struct update_result result)
{
    if (result.problem.code != ERR_NONE)
        fail_msg("%s %s: %s", err_name(result.problem.code), result.problem.field, result.problem.text);
    return result;
}

static void refused(struct update_result result, enum err code, const char *field, const char *says)
{
    assert_int_equal(result.problem.code, code);
    assert_string_equal(result.problem.field, field);
    if (strstr(result.problem.text, says) == NULL)
        fail_msg("\"%s\" is not in: %s", says, result.problem.text);
}

static struct hold_token hold_beds(struct world *world, const char *team, uint64_t vacancy_id, uint32_t beds)
{
    return did(world_apply(world, ask_beds(world, team, vacancy_id, beds))).hold.token;
}

static struct home_carer get(struct world *world, const char *reference)
{
    struct home_carer home;
    assert_int_equal(home_get_carer(world->home, AGENCY, reference, &home), ERR_NONE);
    return home;
}

static struct hold get_hold(struct world *world, struct hold_token token)
{
    struct hold hold;
    assert_int_equal(home_get_hold(world->home, &token, &hold), ERR_NONE);
    return hold;
}

static void pass(struct world *world, int64_t ms)
{
    world->wall_ms += ms;
    world->boot_ms += ms;
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

    /* The other bed is another team's to hold. */
    struct hold_token other = hold_beds(world, YORK, vacancy, 1);
    assert_int_equal(get(world, "H-1").vacancy.state, VACANCY_HELD);
    reopen(world);
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
    refused(result, ERR_PRECONDITION, "beds", "1 asked for, 0 free: 1 held, 0 placed; the first hold ends at 2025-");
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
    pass(world, HOLD_DEFAULT_MS - 1);
    refused(world_apply(world, ask_beds(world, YORK, vacancy, 1)), ERR_PRECONDITION, "beds", "0 free");
    pass(world, 1);
    refused(world_apply(world, about(world, UPDATE_PLACE, LEEDS, token)), ERR_PRECONDITION, "hold_id", "EXPIRED");
    refused(world_apply(world, about(world, UPDATE_RELEASE_HOLD, LEEDS, token)), ERR_PRECONDITION, "hold_id",
            "EXPIRED");
    struct hold_token next = hold_beds(world, YORK, vacancy, 1);
    assert_int_equal(get_hold(world, token).state, HOLD_EXPIRED);
    assert_int_equal(get_hold(world, next).state, HOLD_ACTIVE);
    assert_int_equal(get(world, "H-1").hold_count, 1);
    assert_register_true(world);
}

int main(void)
{
    seed = seed_from_environment(20261122);
    const struct CMUnitTest tests[] = {
#define BOTH(test)                                                                                                     \
    cmocka_unit_test_setup_teardown(test, on_memory, done), cmocka_unit_test_setup_teardown(test, on_disk, done)
        BOTH(test_hold_and_release),
        BOTH(test_who_may_not_hold),
        BOTH(test_time_runs_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
