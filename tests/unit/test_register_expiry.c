/* tier: check */
/*
 * test_register_expiry.c - holds run out: when, by which clock, and what comes of it; a team's report that a vacancy is
 * not to be had.
 * Shows: C1 (the wall clock jumps), C2 (it went back before the start), C3 (a team's clock is another's), C4 (stopped
 * for longer than the hold), C5 (a restart, and a reboot, in the middle of a hold), V7 (placing what has run out).
 */
#include "tests/unit/register_world.h"

#include "daemon/register/home_parts.h"
#include "vacancy/v1/agency_service.pb-c.h"

#define AGENCY "leeds-fostering"
#define LEEDS  "spiffe://example.org/region/E12000003/team/E08000035/duty"
#define YORK   "spiffe://example.org/region/E12000003/team/E06000014/duty"
#define HOUR   (3600LL * 1000)
#define DAY    (24 * HOUR)

static struct world world;
static uint64_t vacancy_id;
static struct hold_token token;
static int64_t made_ms; /* lease clock */

static struct update *team_update(enum update_kind kind, const char *team)
{
    struct update *update = update_create(kind);
    strcpy(update->principal, team);
    strcpy(update->as.hold.holder, team);
    strcpy(update->as.hold.authority, strcmp(team, LEEDS) == 0 ? "E08000035" : "E06000014");
    update->method = "/vacancy.v1.PlacementService/HoldVacancy";
    update->as.hold.starts_on = DATE_NONE;
    update->as.hold.vacancy_id = vacancy_id;
    world_request_id(&world, update, world.wall_ms);
    return update;
}

static struct update_result ask(const char *team)
{
    struct update *update = team_update(UPDATE_HOLD, team);
    update->as.hold.beds = 1;
    update->as.hold.duration_ms = HOUR;
    strcpy(update->as.hold.request_reference, "383-204417");
    return world_apply(&world, update);
}

static void offer_home(const char *reference)
{
    struct update *push = world_put_carer(&world, AGENCY, reference);
    push->as.carer.places = 1;
    push->as.carer.placed_count = 0;
    push->as.carer.terms.care_types = 1u << CARE_SHORT_TERM;
    push->as.carer.approval_ends_on = DATE_NONE;
    assert_int_equal(world_apply(&world, push).problem.code, ERR_NONE);
    push = world_put_vacancy(&world, AGENCY, reference);
    push->as.vacancy.on_call = false;
    struct update_result result = world_apply(&world, push);
    assert_int_equal(result.problem.code, ERR_NONE);
    vacancy_id = result.vacancy_id;
}

/* A home with one bed, held for an hour. */
static int begin(void **state)
{
    (void)state;
    world_init(&world, 20261203, false);
    world_open(&world);
    struct update *agency = world_put_agency(&world, AGENCY);
    agency->as.agency_row.status = AGENCY_ACTIVE;
    (void)world_apply(&world, agency);
    offer_home("LF-1");
    struct update_result made = ask(LEEDS);
    assert_int_equal(made.problem.code, ERR_NONE);
    token = made.hold.token;
    made_ms = home_lease_ms(world.home);
    return 0;
}

static int done(void **state)
{
    (void)state;
    world_finish(&world);
    return 0;
}

static struct hold held(void)
{
    struct hold hold;
    assert_int_equal(home_get_hold(world.home, &token, &hold), ERR_NONE);
    return hold;
}

static struct home_carer carer(void)
{
    struct home_carer out;
    assert_int_equal(home_get_carer(world.home, AGENCY, "LF-1", &out), ERR_NONE);
    return out;
}

static void turn(void)
{
    int64_t next_ms;
    (void)home_heartbeat(world.home, NULL);
    (void)home_lapse(world.home, 100, &next_ms);
}

/* Exactly when its length has passed, and not a millisecond before. */
static void assert_runs_out_after(int64_t left_ms)
{
    world_pass(&world, left_ms - 1);
    turn();
    assert_int_equal(held().state, HOLD_ACTIVE);
    assert_int_equal(ask(YORK).problem.code, ERR_PRECONDITION);
    world_pass(&world, 1);
    turn();
    assert_int_equal(held().state, HOLD_EXPIRED);
    assert_register_true(&world);
    assert_int_equal(ask(YORK).problem.code, ERR_NONE);
}

static int kinds_since(uint64_t after, int *kinds, size_t max)
{
    struct arena arena;
    struct event_row rows[16];
    size_t got;
    arena_init(&arena, 1 << 20);
    assert_int_equal(home_read_events(world.home, AGENCY, after, &arena, rows, max < 16 ? max : 16, &got), ERR_NONE);
    for (size_t i = 0; i < got; i++) {
        Vacancy__V1__AgencyEvent *event =
            vacancy__v1__agency_event__unpack(NULL, rows[i].octets.size, rows[i].octets.data);
        assert_non_null(event);
        kinds[i] = (int)event->kind;
        vacancy__v1__agency_event__free_unpacked(event, NULL);
    }
    arena_finish(&arena);
    return (int)got;
}

/* --- expiry ------------------------------------------------------------------------------------------------------ */

static void test_what_comes_of_it(void **state)
{
    (void)state;
    uint64_t told = home_events_end(world.home), epoch, before, after;
    struct audit_position audit, audited;
    int kinds[16];
    int64_t next_ms;
    assert_int_equal(carer().vacancy.state, VACANCY_HELD);
    home_audit_position(world.home, &audit);
    home_position(world.home, &epoch, &before);
    assert_int_equal(home_lapse(world.home, 100, &next_ms), 0);
    assert_int_equal(next_ms, world.wall_ms + HOUR); /* as the clocks go: no vacancy is due before */
    world_pass(&world, HOUR);
    assert_int_equal(home_lapse(world.home, 100, &next_ms), 1);
    assert_int_equal(held().state, HOLD_EXPIRED);
    assert_int_equal(held().ended_at_ms, world.wall_ms);
    assert_int_equal(carer().vacancy.state, VACANCY_VACANT);
    assert_int_equal(carer().hold_count, 0);
    home_position(world.home, &epoch, &after);
    assert_int_equal(after, before + 2); /* the hold's row and the offer */
    home_audit_position(world.home, &audited);
    assert_int_equal(audited.sequence, audit.sequence + 1);
    assert_int_equal(kinds_since(told, kinds, 16), 1);
    assert_int_equal(kinds[0], EVENT_HOLD_EXPIRED);
    assert_int_equal(home_lapse(world.home, 100, &next_ms), 0);
    assert_true(next_ms > world.wall_ms + HOUR);
    assert_register_true(&world);
}

/* C1 */
static void test_the_wall_clock_jumps(void **state)
{
    (void)state;
    static const int64_t steps[] = {HOUR, -HOUR, 366 * DAY, -366 * DAY - 30 * DAY};
    for (size_t i = 0; i < 4; i++) {
        world.wall_ms += steps[i];
        if (steps[i] < 2 * DAY) /* a year later the vacancy itself has lapsed */
            turn();
        (void)home_heartbeat(world.home, NULL);
        assert_int_equal(held().state, HOLD_ACTIVE);
        world_pass(&world, 60000);
    }
    world.wall_ms += 30 * DAY;
    assert_runs_out_after(HOUR - 4 * 60000);
}

/* C1: a year ahead the vacancy lapses; the hold does not end before its time. */
static void test_a_lapse_ends_no_hold(void **state)
{
    (void)state;
    world.wall_ms += 366 * DAY;
    turn();
    assert_int_equal(carer().vacancy.state, VACANCY_LAPSED);
    assert_int_equal(held().state, HOLD_ACTIVE);
    world.boot_ms += HOUR;
    turn();
    assert_int_equal(held().state, HOLD_EXPIRED);
    assert_register_true(&world);
}

/* C5, C2: with the hub down for a part of it, and the wall clock set back meanwhile. */
static void test_a_restart_in_the_middle(void **state)
{
    (void)state;
    world_pass(&world, 10 * 60000);
    world_close(&world);
    world_pass(&world, 20 * 60000);
    world.wall_ms -= 3 * HOUR;
    world_open(&world);
    world.wall_ms += 3 * HOUR; /* so that the vacancy is not seen ahead of the clock below */
    assert_runs_out_after(30 * 60000);
}

/* C5: it ran out while nobody was there: nobody who asks meanwhile finds it live. */
static void test_run_out_while_down(void **state)
{
    (void)state;
    world_close(&world);
    world_pass(&world, HOUR);
    world_open(&world);
    assert_int_equal(ask(YORK).problem.code, ERR_NONE);
    assert_int_equal(held().state, HOLD_EXPIRED);
    assert_register_true(&world);
}

static void test_a_reboot_in_the_middle(void **state)
{
    (void)state;
    world_pass(&world, 10 * 60000);
    turn();
    world_close(&world);
    world_reboot(&world);
    world.wall_ms += 5 * 60000;
    world_open(&world);
    /* What was kept last is the hold's own commit: the ten minutes before the reboot are the wall clock's. */
    assert_int_equal(home_lease_ms(world.home), made_ms + 15 * 60000);
    assert_runs_out_after(45 * 60000);
}

/* C2: held on for no longer than the reboot took beyond its time. */
static void test_a_reboot_that_sets_the_clock_back(void **state)
{
    (void)state;
    world_pass(&world, 10 * 60000);
    assert_int_equal(world_apply(&world, world_put_agency(&world, "other-fostering")).problem.code, ERR_NONE);
    world_close(&world);
    world_reboot(&world);
    world.wall_ms -= 30 * DAY;
    world_open(&world);
    turn();
    assert_int_equal(held().state, HOLD_ACTIVE);
    world.wall_ms += 30 * DAY;
    assert_runs_out_after(50 * 60000);
}

/* C4: SIGSTOP, SIGCONT. The first call after it is decided as if the writer had never slept. */
static void test_stopped_for_longer(void **state)
{
    (void)state;
    struct update *place = team_update(UPDATE_PLACE, LEEDS);
    place->as.hold.token = token;
    place->as.hold.placement_code = 3;
    place->as.hold.starts_on = date_of_wall_ms(world.wall_ms);
    place->as.hold.provider_consent = place->as.hold.authorities_consent = CONSENT_GIVEN;
    place->as.hold.child_count = 1;
    place->as.hold.children[0] = (struct household_child){AGE_9_11, SEX_F};
    world_pass(&world, 2 * HOUR);
    struct update_result late = world_apply(&world, place);
    assert_int_equal(late.problem.code, ERR_PRECONDITION);
    assert_non_null(strstr(late.problem.text, "EXPIRED"));
    assert_int_equal(held().state, HOLD_EXPIRED);
    assert_int_equal(carer().vacancy.state, VACANCY_VACANT);
    /* Nor does it stand in the agency's way. */
    assert_int_equal(world_apply(&world, world_update(&world, UPDATE_WITHDRAW, AGENCY, "LF-1")).problem.code, ERR_NONE);
}

/* An extension moves it; a released one is not due. */
static void test_extended_and_released(void **state)
{
    (void)state;
    struct update *extend = team_update(UPDATE_EXTEND_HOLD, LEEDS);
    extend->as.hold.token = token;
    extend->as.hold.duration_ms = HOUR;
    assert_int_equal(world_apply(&world, extend).problem.code, ERR_NONE);
    world_close(&world);
    world_pass(&world, HOUR);
    world_open(&world);
    turn();
    assert_int_equal(held().state, HOLD_ACTIVE);
    struct update *release = team_update(UPDATE_RELEASE_HOLD, LEEDS);
    release->as.hold.token = token;
    assert_int_equal(world_apply(&world, release).problem.code, ERR_NONE);
    world_pass(&world, 3 * HOUR);
    assert_int_equal(home_lapse(world.home, 100, NULL), 0);
    assert_int_equal(held().state, HOLD_RELEASED);
}

/* A hub that may not decide ends nothing; once it may, all that has run out meanwhile ends at once. */
static void test_not_while_asking(void **state)
{
    (void)state;
    world_close(&world);
    world.has_peers = true;
    world_open(&world);
    world_pass(&world, 2 * HOUR);
    assert_int_equal(home_lapse(world.home, 100, NULL), 0);
    assert_int_equal(ask(YORK).problem.code, ERR_UNAVAILABLE);
    assert_int_equal(held().state, HOLD_EXPIRED); /* as it is read; but its beds are not given back yet */
    assert_int_equal(carer().hold_count, 1);
    assert_int_equal(world_apply(&world, world_update(&world, UPDATE_DECIDE, NULL, NULL)).problem.code, ERR_NONE);
    assert_int_equal(ask(YORK).problem.code, ERR_NONE);
    assert_int_equal(held().state, HOLD_EXPIRED);
    assert_int_equal(carer().holds[0].sequence > token.sequence, true); /* York's */
}

/* --- reports ----------------------------------------------------------------------------------------------------- */

static struct update_result report(const char *team)
{
    return world_apply(&world, team_update(UPDATE_REPORT_UNAVAILABLE, team));
}

static struct update_result confirm(void)
{
    struct update *all = world_update(&world, UPDATE_CONFIRM, AGENCY, NULL);
    all->as.confirm.all = true;
    return world_apply(&world, all);
}

static void test_reported_unavailable(void **state)
{
    (void)state;
    uint64_t told = home_events_end(world.home);
    int kinds[16];
    world_pass(&world, 1000);
    struct update_result reported = report(YORK);
    assert_int_equal(reported.problem.code, ERR_NONE);
    assert_int_equal(reported.outcome, OUTCOME_UPDATED);
    assert_int_equal(carer().vacancy.valid_until_ms, world.wall_ms);
    assert_int_equal(carer().vacancy.reported_unavailable_at_ms, world.wall_ms);
    assert_int_equal(carer().vacancy.stage, STAGE_STALE);
    assert_int_equal(kinds_since(told, kinds, 16), 1);
    assert_int_equal(kinds[0], EVENT_REPORTED_UNAVAILABLE);
    assert_register_true(&world);
    /* Told once: neither again as stale, nor by the same team. */
    told = home_events_end(world.home);
    int64_t at_ms = world.wall_ms;
    world_pass(&world, REPORT_EVERY_MS / 2);
    turn();
    assert_int_equal(report(YORK).problem.code, ERR_NONE);
    assert_int_equal(carer().vacancy.reported_unavailable_at_ms, at_ms);
    assert_int_equal(kinds_since(told, kinds, 16), 1);
    assert_int_equal(kinds[0], EVENT_HOLD_EXPIRED);
    /* A carer's push is no answer, nor is what was seen before the report. */
    struct update *push = world_put_carer(&world, AGENCY, "LF-1");
    push->as.carer.terms.care_types = 1u << CARE_SHORT_TERM;
    push->as.carer.placed_count = 0;
    assert_int_equal(world_apply(&world, push).problem.code, ERR_NONE);
    assert_int_equal(carer().vacancy.valid_until_ms, at_ms);
    struct update *old = world_update(&world, UPDATE_CONFIRM, AGENCY, NULL);
    old->as.confirm.all = true;
    old->observed_at_ms = at_ms - 500;
    assert_int_equal(world_apply(&world, old).problem.code, ERR_NONE);
    assert_int_equal(carer().vacancy.reported_unavailable_at_ms, at_ms);
    assert_int_equal(carer().vacancy.valid_until_ms, at_ms);
    /* A confirmation is. */
    assert_int_equal(confirm().confirmed, 1);
    assert_int_equal(carer().vacancy.reported_unavailable_at_ms, 0);
    assert_int_equal(carer().vacancy.valid_until_ms, world.wall_ms + VACANCY_TTL_DEFAULT_MS);
    /* The same team too soon: nothing; another, or later: again. */
    assert_int_equal(report(YORK).outcome, OUTCOME_CONFIRMED);
    assert_int_equal(carer().vacancy.reported_unavailable_at_ms, 0);
    world_pass(&world, 1000);
    assert_int_equal(report(LEEDS).outcome, OUTCOME_UPDATED);
    assert_int_equal(carer().vacancy.reported_unavailable_at_ms, world.wall_ms);
    world_pass(&world, 1000);
    assert_int_equal(confirm().confirmed, 1);
    world_pass(&world, REPORT_EVERY_MS / 2);
    assert_int_equal(report(YORK).outcome, OUTCOME_UPDATED);
    world_close(&world);
    world_open(&world);
    assert_int_equal(carer().vacancy.stage, STAGE_STALE);
    assert_int_equal(carer().vacancy.reported_unavailable_at_ms, world.wall_ms);
    assert_register_true(&world);
}

static void test_a_push_answers_a_report(void **state)
{
    (void)state;
    world_pass(&world, HOUR);
    assert_int_equal(report(YORK).problem.code, ERR_NONE);
    world_pass(&world, 1000);
    struct update *push = world_put_vacancy(&world, AGENCY, "LF-1");
    push->as.vacancy.on_call = true;
    assert_int_equal(world_apply(&world, push).outcome, OUTCOME_UPDATED);
    assert_int_equal(carer().vacancy.reported_unavailable_at_ms, 0);
    assert_int_equal(carer().vacancy.stage, STAGE_FRESH);
    assert_int_equal(carer().vacancy.valid_until_ms, world.wall_ms + VACANCY_TTL_DEFAULT_MS);
}

/* Nobody answers: it lapses that much after the report. */
static void test_a_report_that_nobody_answers(void **state)
{
    (void)state;
    world_pass(&world, HOUR);
    turn();
    assert_int_equal(report(YORK).problem.code, ERR_NONE);
    world_pass(&world, LAPSE_MS - 1);
    turn();
    assert_int_equal(carer().vacancy.state, VACANCY_VACANT);
    world_pass(&world, 1);
    turn();
    assert_int_equal(carer().vacancy.state, VACANCY_LAPSED);
}

static void test_reports_of_what_is_not_offered(void **state)
{
    (void)state;
    struct update *unknown = team_update(UPDATE_REPORT_UNAVAILABLE, YORK);
    unknown->as.hold.vacancy_id ^= 1;
    assert_int_equal(world_apply(&world, unknown).problem.code, ERR_NOT_FOUND);
    world_pass(&world, HOUR);
    struct update *push = world_put_vacancy(&world, AGENCY, "LF-1");
    push->as.vacancy.stated = VACANCY_NOT_AVAILABLE;
    push->as.vacancy.reason = VACANCY__V1__NOT_AVAILABLE_REASON__NOT_AVAILABLE_REASON_CARER_BREAK;
    assert_int_equal(world_apply(&world, push).problem.code, ERR_NONE);
    struct update_result refused = report(YORK);
    assert_int_equal(refused.problem.code, ERR_PRECONDITION);
    assert_non_null(strstr(refused.problem.text, "NOT_AVAILABLE"));
    assert_int_equal(carer().vacancy.reported_unavailable_at_ms, 0);
}

/* --- many at once ------------------------------------------------------------------------------------------------ */

#define MANY (5 * EXPIRE_BATCH_MAX)

static struct {
    uint64_t vacancy_id;
    struct hold_token token;
} many[MANY];

static void many_reference(int i, char out[16])
{
    snprintf(out, 16, "LF-M%d", i);
}

/* Yorks, on homes of their own; all of an hour, from the same moment on. */
static int begin_with_many(void **state)
{
    (void)begin(state);
    world_close(&world);
    world.policy.holds_each = MANY;
    world_open(&world);
    for (int i = 0; i < MANY; i++) {
        char reference[16];
        many_reference(i, reference);
        offer_home(reference);
        struct update_result made = ask(YORK);
        assert_int_equal(made.problem.code, ERR_NONE);
        many[i].vacancy_id = vacancy_id;
        many[i].token = made.hold.token;
    }
    return 0;
}

/* How many of them are not ended yet, as it is stored. */
static int unended(void)
{
    int count = 0;
    for (int i = 0; i < MANY; i++) {
        struct home_carer home;
        char reference[16];
        many_reference(i, reference);
        assert_int_equal(home_get_carer(world.home, AGENCY, reference, &home), ERR_NONE);
        count += home.hold_count > 0 && home.holds[0].sequence == many[i].token.sequence;
    }
    return count;
}

static struct update_result ask_for(const char *team, int i)
{
    vacancy_id = many[i].vacancy_id;
    return ask(team);
}

/* The last that are due: their turn is far away. */
static void assert_as_if_ended(int i)
{
    struct hold hold;
    char reference[16];
    struct update *extend = team_update(UPDATE_EXTEND_HOLD, YORK);
    extend->as.hold.token = many[i].token;
    struct update *withdraw, *updates[3] = {extend};
    assert_int_equal(home_get_hold(world.home, &many[i].token, &hold), ERR_NONE);
    assert_int_equal(hold.state, HOLD_EXPIRED);
    many_reference(i - 1, reference);
    updates[1] = withdraw = world_update(&world, UPDATE_WITHDRAW, AGENCY, reference);
    vacancy_id = many[i].vacancy_id;
    struct update *again = updates[2] = team_update(UPDATE_HOLD, YORK); /* whose limit the others do not fill */
    again->as.hold.beds = 1;
    strcpy(again->as.hold.request_reference, "383-204417");
    home_apply(world.home, updates, 3);
    assert_int_equal(extend->result.problem.code, ERR_PRECONDITION);
    assert_non_null(strstr(extend->result.problem.text, "EXPIRED"));
    assert_int_equal(withdraw->result.problem.code, ERR_NONE);
    assert_int_equal(again->result.problem.code, ERR_NONE);
    for (int k = 0; k < 3; k++)
        update_destroy(updates[k]);
}

/* No turn ends more than it says, and others' updates come between; what is not ended yet is decided on as if it was.
 */
static void test_many_at_once(void **state)
{
    (void)state;
    int64_t next_ms = 0;
    world_pass(&world, HOUR);
    assert_int_equal(unended(), MANY);
    assert_int_equal(home_lapse(world.home, EXPIRE_BATCH_MAX, &next_ms), EXPIRE_BATCH_MAX);
    assert_int_equal(next_ms, world.wall_ms); /* the rest at once */
    int before = unended();
    assert_int_equal(before, MANY - EXPIRE_BATCH_MAX + 1); /* Leeds' of the first home was among them */
    assert_int_equal(world_apply(&world, world_put_carer(&world, AGENCY, "LF-other")).problem.code, ERR_NONE);
    assert_int_equal(unended(), before - EXPIRE_BATCH_MAX);
    before = unended();
    assert_as_if_ended(MANY - 1);
    assert_int_equal(unended(), before - EXPIRE_BATCH_MAX - 2);
    assert_register_true(&world);
    int turns = 0;
    for (next_ms = world.wall_ms; next_ms <= world.wall_ms; turns++)
        (void)home_lapse(world.home, EXPIRE_BATCH_MAX, &next_ms);
    assert_int_equal(turns, 2);
    assert_int_equal(unended(), 0);
    assert_int_equal(ask_for(LEEDS, 0).problem.code, ERR_NONE);
    assert_register_true(&world);
}

#define HOMES 5

static struct update_result report_of(const char *team, uint64_t id)
{
    struct update *update = team_update(UPDATE_REPORT_UNAVAILABLE, team);
    update->as.hold.vacancy_id = id;
    return world_apply(&world, update);
}

static void offer_homes(uint64_t ids[HOMES])
{
    for (int i = 0; i < HOMES; i++) {
        char reference[16];
        snprintf(reference, sizeof reference, "LF-1%d", i);
        offer_home(reference);
        ids[i] = vacancy_id;
    }
}

static void assert_too_many(const char *team, uint64_t id, int64_t next_ms)
{
    char next[TIME_TEXT_BYTES];
    uint64_t told = home_events_end(world.home);
    struct update_result refused = report_of(team, id);
    time_format(next_ms, next);
    assert_int_equal(refused.problem.code, ERR_LIMIT);
    assert_non_null(strstr(refused.problem.text, "may report 3"));
    if (strstr(refused.problem.text, next) == NULL)
        fail_msg("%s: not %s", refused.problem.text, next);
    assert_int_equal(home_events_end(world.home), told);
}

static int begin_with_three_reports(void **state)
{
    (void)begin(state);
    world_close(&world);
    world.policy.reports_each = 3;
    world_open(&world);
    return 0;
}

/* So many within a day of the lease clock, whatever the wall clock does, also over a restart. */
static void test_reports_of_one_team(void **state)
{
    (void)state;
    uint64_t ids[HOMES];
    offer_homes(ids);
    int64_t first_ms = world.wall_ms;
    for (int i = 0; i < 3; i++) {
        assert_int_equal(report_of(YORK, ids[i]).outcome, OUTCOME_UPDATED);
        world_pass(&world, HOUR);
    }
    assert_too_many(YORK, ids[3], first_ms + DAY);
    assert_int_equal(report_of(YORK, ids[1]).outcome, OUTCOME_CONFIRMED); /* it knows, and counts nothing */
    assert_int_equal(report_of(LEEDS, ids[3]).outcome, OUTCOME_UPDATED);  /* another team's day */
    world.wall_ms += 30 * DAY;
    assert_too_many(YORK, ids[4], first_ms + 31 * DAY);
    world.wall_ms -= 30 * DAY;
    world_close(&world);
    world_open(&world);
    world_pass(&world, 21 * HOUR - 1);
    assert_too_many(YORK, ids[4], first_ms + DAY);
    world_pass(&world, 1);
    assert_int_equal(report_of(YORK, ids[4]).outcome, OUTCOME_UPDATED);
    assert_too_many(YORK, ids[3], first_ms + HOUR + DAY);
    assert_register_true(&world);
}

/* The limit was made smaller: as many must have passed as are too many. */
static void test_a_smaller_limit_of_reports(void **state)
{
    (void)state;
    uint64_t ids[HOMES];
    offer_homes(ids);
    world_close(&world);
    world.policy.reports_each = 0; /* the default */
    world_open(&world);
    int64_t first_ms = world.wall_ms;
    for (int i = 0; i < 4; i++) {
        assert_int_equal(report_of(YORK, ids[i]).outcome, OUTCOME_UPDATED);
        world_pass(&world, HOUR);
    }
    world_close(&world);
    world.policy.reports_each = 3;
    world_open(&world);
    assert_too_many(YORK, ids[4], first_ms + HOUR + DAY);
}

/* Once a day, however much else has happened to the agency since. */
static void test_a_report_among_many_events(void **state)
{
    (void)state;
    assert_int_equal(report_of(YORK, vacancy_id).outcome, OUTCOME_UPDATED);
    for (int told = 0; told < 5000;) {
        struct update *batch[APPLY_BATCH_MAX];
        for (int i = 0; i < APPLY_BATCH_MAX; i++) {
            world_pass(&world, 1);
            batch[i] = world_put_carer(&world, AGENCY, "LF-2");
        }
        home_apply(world.home, batch, APPLY_BATCH_MAX);
        for (int i = 0; i < APPLY_BATCH_MAX; i++) {
            told += batch[i]->result.outcome == OUTCOME_UPDATED;
            update_destroy(batch[i]);
        }
    }
    assert_int_equal(confirm().confirmed, 1);
    assert_int_equal(report_of(YORK, vacancy_id).outcome, OUTCOME_CONFIRMED);
    assert_int_equal(carer().vacancy.reported_unavailable_at_ms, 0);
}

static size_t report_rows(void)
{
    struct store_txn *txn;
    struct table_key from = key_of_region(WORLD_REGION);
    struct octets key, value;
    size_t rows = 0;
    assert_int_equal(world.store->ops->begin(world.store, false, &txn), ERR_NONE);
    for (struct octets at = key_octets(&from);
         world.store->ops->seek(txn, STORE_REPORTS, &at, false, &key, &value) == ERR_NONE; rows++) {
        key_step_past(&from, &key);
        at = key_octets(&from);
    }
    world.store->ops->abort(txn);
    return rows;
}

/* Kept no longer than they count, but for an hour. */
static void test_old_reports_are_forgotten(void **state)
{
    (void)state;
    assert_int_equal(report(YORK).problem.code, ERR_NONE);
    world_pass(&world, DAY / 2);
    assert_int_equal(report(LEEDS).problem.code, ERR_NONE);
    turn();
    assert_int_equal(report_rows(), 2);
    world_pass(&world, DAY / 2);
    turn();
    assert_int_equal(report_rows(), 1);
    world_pass(&world, DAY / 2);
    turn();
    assert_int_equal(report_rows(), 0);
}

int main(void)
{
#define WITH_HOLD(test) cmocka_unit_test_setup_teardown(test, begin, done)
    const struct CMUnitTest tests[] = {
        WITH_HOLD(test_what_comes_of_it),
        WITH_HOLD(test_the_wall_clock_jumps),
        WITH_HOLD(test_a_lapse_ends_no_hold),
        WITH_HOLD(test_a_restart_in_the_middle),
        WITH_HOLD(test_run_out_while_down),
        WITH_HOLD(test_a_reboot_in_the_middle),
        WITH_HOLD(test_a_reboot_that_sets_the_clock_back),
        WITH_HOLD(test_stopped_for_longer),
        WITH_HOLD(test_extended_and_released),
        WITH_HOLD(test_not_while_asking),
        WITH_HOLD(test_reported_unavailable),
        WITH_HOLD(test_a_push_answers_a_report),
        WITH_HOLD(test_a_report_that_nobody_answers),
        WITH_HOLD(test_reports_of_what_is_not_offered),
        cmocka_unit_test_setup_teardown(test_many_at_once, begin_with_many, done),
        cmocka_unit_test_setup_teardown(test_reports_of_one_team, begin_with_three_reports, done),
        cmocka_unit_test_setup_teardown(test_a_smaller_limit_of_reports, begin_with_three_reports, done),
        WITH_HOLD(test_a_report_among_many_events),
        WITH_HOLD(test_old_reports_are_forgotten),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
