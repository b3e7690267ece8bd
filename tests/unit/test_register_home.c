/* tier: check */
/*
 * test_register_home.c - what pushes, confirmations, withdrawals and time do to the register, on both stores.
 * Shows: V5 (request ids, after a restart too), V8, A7 (unknown and foreign alike), C2 (record time never goes back),
 * D13 (schema), D6 (a flipped octet is named), domain O1 (lapsing), design 4.9 (a home keeps its cell).
 */
#include "tests/unit/both_stores.h"

#include "daemon/register/home_parts.h"
#include "daemon/register/tables.h"
#include "vacancy/v1/agency_service.pb-c.h"

#define AGENCY "leeds-fostering"

/* One agency. */
static int furnish(struct world *world)
{
    return world_apply(world, world_put_agency(world, AGENCY)).problem.code;
}

#define assert_outcome(result, expected)                                                                               \
    do {                                                                                                               \
        struct update_result r_ = (result);                                                                            \
        if (r_.problem.code != ERR_NONE)                                                                               \
            fail_msg("%s %s: %s", err_name(r_.problem.code), r_.problem.field, r_.problem.text);                       \
        assert_int_equal(r_.outcome, expected);                                                                        \
    } while (0)

static struct home_carer get(struct world *world, const char *reference)
{
    struct home_carer home;
    assert_int_equal(home_get_carer(world->home, AGENCY, reference, &home), ERR_NONE);
    return home;
}

/* --- pushes ------------------------------------------------------------------------------------------------------ */

static void test_push_confirm_withdraw(void **state)
{
    struct world *world = *state;
    struct update *push = world_put_carer(world, AGENCY, "H-1");
    struct carer carer = push->as.carer;
    struct update_result created = world_apply(world, push);
    assert_outcome(created, OUTCOME_CREATED);
    assert_true(created.national_reference != 0);

    /* The same again: nothing is logged. */
    push = world_put_carer(world, AGENCY, "H-1");
    push->as.carer = carer;
    struct update_result again = world_apply(world, push);
    assert_outcome(again, OUTCOME_CONFIRMED);
    assert_int_equal(again.sequence, created.sequence);
    assert_true(again.national_reference == created.national_reference);

    struct update_result vacancy = world_apply(world, world_put_vacancy(world, AGENCY, "H-1"));
    assert_outcome(vacancy, OUTCOME_CREATED);
    assert_true(vacancy.vacancy_id != 0);
    assert_int_equal(vacancy.valid_until_ms, world->wall_ms + VACANCY_TTL_DEFAULT_MS);
    struct vacancy stated = get(world, "H-1").vacancy;

    /* Newer, unchanged: confirmed, and the offer with its new time is logged. */
    world->wall_ms += 3600000;
    push = world_put_vacancy(world, AGENCY, "H-1");
    push->as.vacancy = stated;
    struct update_result confirmed = world_apply(world, push);
    assert_outcome(confirmed, OUTCOME_CONFIRMED);
    assert_int_equal(confirmed.sequence, vacancy.sequence + 1);
    assert_true(confirmed.vacancy_id == vacancy.vacancy_id);
    assert_int_equal(confirmed.valid_until_ms, vacancy.valid_until_ms + 3600000);

    /* Older than what is stored. */
    push = world_put_vacancy(world, AGENCY, "H-1");
    push->observed_at_ms = world->wall_ms - 1;
    struct update_result stale = world_apply(world, push);
    assert_int_equal(stale.problem.code, ERR_STALE);
    assert_string_equal(stale.problem.field, "vacancy.observed_at_ms");
    assert_non_null(strstr(stale.problem.text, "2025-11-24T"));

    /* As old, but with other content. */
    push = world_put_vacancy(world, AGENCY, "H-1");
    push->as.vacancy = stated;
    push->as.vacancy.sibling_group_only = true;
    assert_int_equal(world_apply(world, push).problem.code, ERR_STALE);

    /* Ahead of the clock. */
    push = world_put_vacancy(world, AGENCY, "H-1");
    push->observed_at_ms = world->wall_ms + OBSERVED_AHEAD_MAX_MS + 1;
    assert_int_equal(world_apply(world, push).problem.code, ERR_INVALID);
    assert_true(stated.vacancy_id == get(world, "H-1").vacancy.vacancy_id);

    /* Withdrawn; the same withdrawal again; a new episode has a new id. */
    world->wall_ms += 1000;
    assert_outcome(world_apply(world, world_update(world, UPDATE_WITHDRAW, AGENCY, "H-1")), OUTCOME_ENDED);
    assert_outcome(world_apply(world, world_update(world, UPDATE_WITHDRAW, AGENCY, "H-1")), OUTCOME_ENDED);
    assert_true(get(world, "H-1").vacancy.vacancy_id == 0);
    world->wall_ms += 1000;
    assert_int_equal(world_apply(world, world_update(world, UPDATE_WITHDRAW, AGENCY, "H-1")).problem.code,
                     ERR_NOT_FOUND);
    struct update_result fresh = world_apply(world, world_put_vacancy(world, AGENCY, "H-1"));
    assert_outcome(fresh, OUTCOME_CREATED);
    assert_true(fresh.vacancy_id != vacancy.vacancy_id);
    assert_register_true(world);
    world_reopen(world);
    assert_true(get(world, "H-1").vacancy.vacancy_id == fresh.vacancy_id);
    assert_register_true(world);
}

static void test_carer_changes_its_offer(void **state)
{
    struct world *world = *state;
    struct update *push = world_put_carer(world, AGENCY, "H-1");
    struct carer carer = push->as.carer;
    assert_outcome(world_apply(world, push), OUTCOME_CREATED);
    assert_outcome(world_apply(world, world_put_vacancy(world, AGENCY, "H-1")), OUTCOME_CREATED);

    /* Same postcode with another cell: the old cell stays. Another postcode: the new one. */
    world->wall_ms += 1000;
    push = world_put_carer(world, AGENCY, "H-1");
    push->as.carer = carer;
    push->as.carer.bedrooms++;
    push->as.carer.cell.square_e_km = 1;
    assert_outcome(world_apply(world, push), OUTCOME_UPDATED);
    assert_int_equal(get(world, "H-1").carer.cell.square_e_km, carer.cell.square_e_km);
    world->wall_ms += 1000;
    push = world_put_carer(world, AGENCY, "H-1");
    push->as.carer = carer;
    strcpy(push->as.carer.home_postcode, "BD1 1AA");
    push->as.carer.cell.square_e_km = 1;
    assert_outcome(world_apply(world, push), OUTCOME_UPDATED);
    assert_int_equal(get(world, "H-1").carer.cell.square_e_km, 1);
    assert_register_true(world);

    /* V8: more beds than places left. */
    struct update *vacancy = world_put_vacancy(world, AGENCY, "H-1");
    vacancy->as.vacancy.beds = 4;
    struct update_result refused = world_apply(world, vacancy);
    assert_int_equal(refused.problem.code, ERR_PRECONDITION);
    assert_string_equal(refused.problem.field, "vacancy.beds");

    /* The approval ends: so does the vacancy; a late push of before the end changes nothing. */
    world->wall_ms += 1000;
    struct update *end = world_update(world, UPDATE_END_CARER, AGENCY, "H-1");
    end->as.end.ends_on = carer.approved_on;
    strcpy(end->as.end.reason, "AW3");
    refused = world_apply(world, end); /* ends before it begins */
    assert_int_equal(refused.problem.code, ERR_PRECONDITION);
    assert_string_equal(refused.problem.field, "ends_on");
    end = world_update(world, UPDATE_END_CARER, AGENCY, "H-1");
    end->as.end.ends_on = 20450;
    strcpy(end->as.end.reason, "AW3");
    assert_outcome(world_apply(world, end), OUTCOME_ENDED);
    struct home_carer home = get(world, "H-1");
    assert_int_equal(home.carer.status, CARER_ENDED);
    assert_string_equal(home.carer.end_reason, "AW3");
    assert_true(home.vacancy.vacancy_id == 0);
    push = world_put_carer(world, AGENCY, "H-1");
    push->as.carer = carer;
    push->observed_at_ms = world->wall_ms - 500;
    assert_int_equal(world_apply(world, push).problem.code, ERR_STALE);
    world->wall_ms += 1000;
    assert_int_equal(world_apply(world, world_put_vacancy(world, AGENCY, "H-1")).problem.code, ERR_PRECONDITION);
    assert_register_true(world);

    /* Approved anew: the same national reference. */
    push = world_put_carer(world, AGENCY, "H-1");
    push->as.carer = carer;
    struct update_result anew = world_apply(world, push);
    assert_outcome(anew, OUTCOME_UPDATED);
    assert_true(anew.national_reference == home.national_reference);
    world_reopen(world);
    assert_int_equal(get(world, "H-1").carer.status, CARER_APPROVED);
}

static void test_who_may(void **state)
{
    struct world *world = *state;
    /* A7: unknown and another agency's are alike. */
    assert_outcome(world_apply(world, world_put_agency(world, "other-agency")), OUTCOME_CREATED);
    assert_outcome(world_apply(world, world_put_carer(world, AGENCY, "H-1")), OUTCOME_CREATED);
    struct update_result foreign = world_apply(world, world_put_vacancy(world, "other-agency", "H-1"));
    struct update_result unknown = world_apply(world, world_put_vacancy(world, "other-agency", "H-2"));
    assert_int_equal(foreign.problem.code, ERR_FORBIDDEN);
    assert_int_equal(foreign.problem.code, unknown.problem.code);
    assert_string_equal(foreign.problem.field, unknown.problem.field);
    assert_string_equal(foreign.problem.text, unknown.problem.text);
    assert_int_equal(world_apply(world, world_put_carer(world, "no-such-agency", "H-1")).problem.code, ERR_FORBIDDEN);

    struct update *suspend = world_put_agency(world, AGENCY);
    suspend->as.agency_row.status = AGENCY_SUSPENDED;
    assert_outcome(world_apply(world, suspend), OUTCOME_UPDATED);
    /* H1: nothing of it is offered, but what it says is still taken. */
    assert_outcome(world_apply(world, world_put_vacancy(world, AGENCY, "H-1")), OUTCOME_CREATED);

    struct update *shut_out = world_update(world, UPDATE_SET_PRINCIPAL, NULL, NULL);
    strcpy(shut_out->as.standing.name, "spiffe://example.org/region/E12000003/placement-team/E08000035/duty");
    shut_out->as.standing.suspended = true;
    uint64_t epoch, before, after;
    home_position(world->home, &epoch, &before);
    assert_outcome(world_apply(world, shut_out), OUTCOME_UPDATED);
    home_position(world->home, &epoch, &after);
    assert_int_equal(before, after); /* private: not in the log */
    assert_register_true(world);

    struct update *late = world_put_carer(world, "other-agency", "H-9");
    late->expires_boot_ms = world->boot_ms - 1;
    assert_int_equal(world_apply(world, late).problem.code, ERR_DEADLINE);
}

static void test_lists(void **state)
{
    struct world *world = *state;
    static struct home_carer carers[8];
    struct agency agencies[4];
    size_t got;
    assert_outcome(world_apply(world, world_put_agency(world, "leeds-fostering-2")), OUTCOME_CREATED);
    for (int i = 0; i < 5; i++) {
        char reference[16];
        snprintf(reference, sizeof reference, "H-%d", (i * 3) % 5);
        assert_outcome(world_apply(world, world_put_carer(world, AGENCY, reference)), OUTCOME_CREATED);
        assert_outcome(world_apply(world, world_put_carer(world, "leeds-fostering-2", reference)), OUTCOME_CREATED);
    }
    assert_int_equal(home_list_carers(world->home, AGENCY, "", carers, 3, &got), ERR_NONE);
    assert_int_equal(got, 3);
    assert_string_equal(carers[2].carer.agency_reference, "H-2");
    assert_int_equal(home_list_carers(world->home, AGENCY, "H-2", carers, 8, &got), ERR_NONE);
    assert_int_equal(got, 2);
    assert_string_equal(carers[0].carer.agency_reference, "H-3");
    assert_int_equal(home_list_agencies(world->home, "", agencies, 4, &got), ERR_NONE);
    assert_int_equal(got, 2);
    assert_int_equal(home_list_agencies(world->home, AGENCY, agencies, 4, &got), ERR_NONE);
    assert_int_equal(got, 1);
    assert_string_equal(agencies[0].id, "leeds-fostering-2");
    assert_int_equal(home_get_agency(world->home, "nobody", agencies), ERR_NOT_FOUND);
}

static void test_confirm_many(void **state)
{
    struct world *world = *state;
    for (int i = 0; i < 4; i++) {
        char reference[16];
        snprintf(reference, sizeof reference, "H-%d", i);
        assert_outcome(world_apply(world, world_put_carer(world, AGENCY, reference)), OUTCOME_CREATED);
        if (i != 2)
            assert_outcome(world_apply(world, world_put_vacancy(world, AGENCY, reference)), OUTCOME_CREATED);
    }
    world->wall_ms += 5000;
    struct update *named = world_update(world, UPDATE_CONFIRM, AGENCY, NULL);
    named->as.confirm.references = calloc(4, AGENCY_REFERENCE_BYTES);
    named->as.confirm.count = 4;
    for (int i = 0; i < 4; i++)
        snprintf(named->as.confirm.references[i], AGENCY_REFERENCE_BYTES, "H-%d", 3 - i);
    strcpy(named->as.confirm.references[3], "H-77");
    world_request_id(world, named, world->wall_ms);
    home_apply(world->home, &named, 1);
    assert_outcome(named->result, OUTCOME_CONFIRMED);
    assert_int_equal(named->result.confirmed, 2);
    assert_int_equal(named->result.not_found_count, 2);
    assert_int_equal(named->result.not_found[0], 1);
    assert_int_equal(named->result.not_found[1], 3);
    uint64_t sequence = named->result.sequence;
    world_reopen(world); /* V5: the same answer after a restart */
    home_apply(world->home, &named, 1);
    assert_outcome(named->result, OUTCOME_REPEATED);
    assert_int_equal(named->result.confirmed, 2);
    assert_int_equal(named->result.not_found_count, 2);
    assert_int_equal(named->result.not_found[1], 3);
    assert_int_equal(named->result.sequence, sequence);
    update_destroy(named);

    world->wall_ms += 5000;
    struct update *all = world_update(world, UPDATE_CONFIRM, AGENCY, NULL);
    all->as.confirm.all = true;
    struct update_result result = world_apply(world, all);
    assert_outcome(result, OUTCOME_CONFIRMED);
    assert_int_equal(result.confirmed, 3);
    assert_int_equal(get(world, "H-0").vacancy.confirmed_at_ms, world->wall_ms);

    /* Only what was confirmed is counted: of H-1 something newer is known by then. */
    int64_t confirmed_at_ms = world->wall_ms;
    world->wall_ms += 5000;
    assert_outcome(world_apply(world, world_put_vacancy(world, AGENCY, "H-1")), OUTCOME_CONFIRMED);
    int64_t newer_ms = get(world, "H-1").vacancy.observed_at_ms;
    assert_true(newer_ms > confirmed_at_ms + 1);
    for (int again = 0; again < 2; again++) {
        all = world_update(world, UPDATE_CONFIRM, AGENCY, NULL);
        all->as.confirm.all = true;
        all->observed_at_ms = confirmed_at_ms + 1;
        result = world_apply(world, all);
        assert_outcome(result, OUTCOME_CONFIRMED);
        assert_int_equal(result.confirmed, 2);
    }
    assert_int_equal(get(world, "H-1").vacancy.observed_at_ms, newer_ms);
    assert_int_equal(get(world, "H-0").vacancy.observed_at_ms, confirmed_at_ms + 1);
    assert_register_true(world);
}

/* --- request ids: V5 ---------------------------------------------------------------------------------------------- */

static void test_request_ids_V5(void **state)
{
    struct world *world = *state;
    struct update *push = world_put_carer(world, AGENCY, "H-1");
    world_request_id(world, push, world->wall_ms);
    struct update first = *push;
    struct update_result done_once = world_apply(world, push);
    assert_outcome(done_once, OUTCOME_CREATED);
    for (int restart = 0; restart < 2; restart++) {
        uint64_t epoch, before, after;
        home_position(world->home, &epoch, &before);
        struct update *same = update_create(UPDATE_PUT_CARER);
        *same = first;
        struct update_result repeated = world_apply(world, same);
        assert_outcome(repeated, OUTCOME_REPEATED);
        assert_true(repeated.national_reference == done_once.national_reference);
        assert_int_equal(repeated.sequence, done_once.sequence);
        home_position(world->home, &epoch, &after);
        assert_int_equal(before, after);
        struct update *other = update_create(UPDATE_PUT_CARER);
        *other = first;
        other->content_hash[0] ^= 1;
        assert_int_equal(world_apply(world, other).problem.code, ERR_PRECONDITION);
        world_reopen(world);
    }
    /* Another principal's id of the same number is another id. */
    struct update *stranger = update_create(UPDATE_PUT_CARER);
    *stranger = first;
    strcpy(stranger->principal, "spiffe://example.org/region/E12000003/agency/other");
    assert_outcome(world_apply(world, stranger), OUTCOME_CONFIRMED);
    /* Seven days later it is refused, forgotten or not. */
    for (int lapsed = 0; lapsed < 2; lapsed++) {
        if (lapsed == 0)
            world->wall_ms += REQUEST_ID_KEPT_MS;
        else
            home_lapse(world->home, 10, NULL);
        struct update *late = update_create(UPDATE_PUT_CARER);
        *late = first;
        struct update_result refused = world_apply(world, late);
        assert_int_equal(refused.problem.code, ERR_INVALID);
        assert_string_equal(refused.problem.field, "request_id");
    }
    struct home_counts counts;
    assert_int_equal(home_counts(world->home, &counts), ERR_NONE);
    assert_int_equal(counts.usage.entries[STORE_REQUESTS], 0);
    struct update *ahead = world_put_carer(world, AGENCY, "H-2");
    world_request_id(world, ahead, world->wall_ms + OBSERVED_AHEAD_MAX_MS + 1000);
    assert_int_equal(world_apply(world, ahead).problem.code, ERR_INVALID);
    /* A refused update leaves its id free. */
    struct update *bad = world_put_vacancy(world, AGENCY, "H-3");
    world_request_id(world, bad, world->wall_ms);
    struct update again = *bad;
    assert_int_equal(world_apply(world, bad).problem.code, ERR_FORBIDDEN);
    assert_outcome(world_apply(world, world_put_carer(world, AGENCY, "H-3")), OUTCOME_CREATED);
    bad = update_create(UPDATE_PUT_VACANCY);
    *bad = again;
    assert_outcome(world_apply(world, bad), OUTCOME_CREATED);
}

/* --- time --------------------------------------------------------------------------------------------------------- */

/* What its agency was told since `after`, in order; 0 after the last. */
static void told_since(struct world *world, uint64_t after, int *kinds, size_t max)
{
    struct arena arena;
    struct event_row rows[64];
    size_t got;
    arena_init(&arena, 1 << 20);
    assert_int_equal(home_read_events(world->home, AGENCY, after, &arena, rows, 64, &got), ERR_NONE);
    assert_true(got < max);
    for (size_t i = 0; i < got; i++) {
        Vacancy__V1__AgencyEvent *event =
            vacancy__v1__agency_event__unpack(NULL, rows[i].octets.size, rows[i].octets.data);
        assert_non_null(event);
        kinds[i] = (int)event->kind;
        vacancy__v1__agency_event__free_unpacked(event, NULL);
    }
    kinds[got] = 0;
    arena_finish(&arena);
}

static void assert_told(struct world *world, uint64_t *since, int count, ...)
{
    int kinds[64];
    va_list expected;
    told_since(world, *since, kinds, 64);
    va_start(expected, count);
    for (int i = 0; i < count; i++)
        assert_int_equal(kinds[i], va_arg(expected, int));
    va_end(expected);
    assert_int_equal(kinds[count], 0);
    *since = home_events_end(world->home);
}

/* Going stale, stale, lapsed: the first two are the agency's to know, the third is an entry. Restarts between them. */
static void test_lapsing_O1(void **state)
{
    struct world *world = *state;
    int64_t next, until_ms = WORLD_START_MS + VACANCY_TTL_DEFAULT_MS;
    uint64_t epoch, sequence, before, told = home_events_end(world->home);
    for (int i = 0; i < 3; i++) {
        char reference[16];
        snprintf(reference, sizeof reference, "H-%d", i);
        assert_outcome(world_apply(world, world_put_carer(world, AGENCY, reference)), OUTCOME_CREATED);
        assert_outcome(world_apply(world, world_put_vacancy(world, AGENCY, reference)), OUTCOME_CREATED);
        world->wall_ms += 1000;
    }
    assert_told(world, &told, 6, EVENT_CARER_REGISTERED, EVENT_VACANCY_OFFERED, EVENT_CARER_REGISTERED,
                EVENT_VACANCY_OFFERED, EVENT_CARER_REGISTERED, EVENT_VACANCY_OFFERED);
    home_position(world->home, &epoch, &before);
    assert_int_equal(home_lapse(world->home, 10, &next), 0);
    assert_int_equal(next, until_ms - VACANCY_TTL_DEFAULT_MS / 4);
    world->wall_ms = next;
    world_reopen(world); /* due times are rebuilt */
    assert_int_equal(home_lapse(world->home, 10, &next), 1);
    assert_int_equal(next, until_ms + 1000 - VACANCY_TTL_DEFAULT_MS / 4);
    assert_int_equal(get(world, "H-0").vacancy.stage, STAGE_GOING_STALE);
    world_reopen(world);
    assert_int_equal(home_lapse(world->home, 10, &next), 0);
    world->wall_ms = until_ms;
    assert_int_equal(home_lapse(world->home, 10, &next), 3); /* stale; going stale, twice */
    assert_told(world, &told, 4, EVENT_GOING_STALE, EVENT_GOING_STALE, EVENT_GOING_STALE, EVENT_STALE);
    assert_int_equal(get(world, "H-0").vacancy.stage, STAGE_STALE);
    assert_int_equal(get(world, "H-0").vacancy.state, VACANCY_VACANT);
    home_position(world->home, &epoch, &sequence);
    assert_int_equal(sequence, before);
    assert_int_equal(next, until_ms + 1000);
    world->wall_ms = until_ms + LAPSE_MS - 1;
    assert_int_equal(home_lapse(world->home, 10, &next), 2);
    assert_told(world, &told, 2, EVENT_STALE, EVENT_STALE);
    assert_int_equal(next, until_ms + LAPSE_MS);
    world->wall_ms = next;
    world_reopen(world);
    assert_int_equal(home_lapse(world->home, 10, &next), 1);
    assert_int_equal(next, until_ms + LAPSE_MS + 1000);
    assert_told(world, &told, 1, EVENT_LAPSED);
    assert_int_equal(get(world, "H-0").vacancy.state, VACANCY_LAPSED);
    assert_int_equal(get(world, "H-0").vacancy.stated, VACANCY_VACANT);
    assert_int_equal(get(world, "H-1").vacancy.state, VACANCY_VACANT);
    assert_register_true(world);
    world->wall_ms += 10000;
    assert_int_equal(home_lapse(world->home, 1, &next), 1);
    assert_int_equal(home_lapse(world->home, 10, &next), 1);
    assert_int_equal(next, INT64_MAX);
    assert_told(world, &told, 2, EVENT_LAPSED, EVENT_LAPSED);
    /* A confirmation brings it back, and is no event. */
    struct update *all = world_update(world, UPDATE_CONFIRM, AGENCY, NULL);
    all->as.confirm.all = true;
    assert_int_equal(world_apply(world, all).confirmed, 3);
    assert_int_equal(get(world, "H-0").vacancy.state, VACANCY_VACANT);
    assert_int_equal(get(world, "H-0").vacancy.stage, STAGE_FRESH);
    assert_told(world, &told, 0);
    /* What was seen long ago is lapsed on arrival, or stale soon. */
    world->wall_ms += 2 * VACANCY_TTL_DEFAULT_MS + LAPSE_MS;
    for (int i = 0; i < 2; i++) {
        struct update *old = world_put_vacancy(world, AGENCY, i ? "H-1" : "H-2");
        old->as.vacancy.on_call = get(world, i ? "H-1" : "H-2").vacancy.on_call;
        old->observed_at_ms = world->wall_ms - VACANCY_TTL_DEFAULT_MS - (i ? LAPSE_MS : 0);
        assert_outcome(world_apply(world, old), OUTCOME_CONFIRMED);
    }
    assert_int_equal(get(world, "H-1").vacancy.state, VACANCY_LAPSED);
    assert_int_equal(get(world, "H-2").vacancy.state, VACANCY_VACANT);
    assert_int_equal(home_lapse(world->home, 10, &next), 2); /* H-0 has lapsed meanwhile, in one step */
    assert_told(world, &told, 2, EVENT_LAPSED, EVENT_STALE);
    assert_register_true(world);
}

/* Where emergencies are offered a day is all, and the operator's own time. */
static void test_lapsing_of_emergency_care(void **state)
{
    struct world *world = *state;
    int64_t next;
    world->policy.lapse_emergency_ms = 3600 * 1000;
    world_reopen(world);
    struct update *carer = world_put_carer(world, AGENCY, "H-1");
    carer->as.carer.terms.care_types = 1u << CARE_EMERGENCY;
    assert_outcome(world_apply(world, carer), OUTCOME_CREATED);
    assert_outcome(world_apply(world, world_put_vacancy(world, AGENCY, "H-1")), OUTCOME_CREATED);
    int64_t until_ms = WORLD_START_MS + VACANCY_TTL_EMERGENCY_MS;
    static const int64_t steps[] = {-VACANCY_TTL_EMERGENCY_MS / 4, 0, 3600 * 1000};
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(home_lapse(world->home, 10, &next), 0);
        assert_int_equal(next, until_ms + steps[i]);
        world->wall_ms = next;
        assert_int_equal(home_lapse(world->home, 10, &next), 1);
    }
    assert_int_equal(get(world, "H-1").vacancy.state, VACANCY_LAPSED);
}

/* A push of the carer alone is no confirmation: what was told of its vacancy is not told again. */
static void test_a_push_of_the_carer_repeats_no_stage(void **state)
{
    struct world *world = *state;
    assert_outcome(world_apply(world, world_put_carer(world, AGENCY, "H-1")), OUTCOME_CREATED);
    assert_outcome(world_apply(world, world_put_vacancy(world, AGENCY, "H-1")), OUTCOME_CREATED);
    world->wall_ms += VACANCY_TTL_DEFAULT_MS;
    assert_int_equal(home_lapse(world->home, 10, NULL), 1);
    uint64_t told = home_events_end(world->home);
    assert_int_equal(world_apply(world, world_put_carer(world, AGENCY, "H-1")).problem.code, ERR_NONE);
    assert_int_equal(get(world, "H-1").vacancy.stage, STAGE_STALE);
    assert_int_equal(home_lapse(world->home, 10, NULL), 0);
    assert_told(world, &told, 1, EVENT_CARER_CHANGED);
}

static void test_record_time_never_goes_back_C2(void **state)
{
    struct world *world = *state;
    assert_outcome(world_apply(world, world_put_carer(world, AGENCY, "H-1")), OUTCOME_CREATED);
    world->wall_ms -= 30LL * 24 * 3600 * 1000;
    world_reopen(world);
    assert_outcome(world_apply(world, world_put_carer(world, AGENCY, "H-2")), OUTCOME_CREATED);
    assert_register_true(world); /* asserts that the times in the headers ascend */
}

/* --- damage --------------------------------------------------------------------------------------------------------
 */

/* Any octet of any record flipped: the register does not open, and says which record (D6). */
static void test_damaged_record_is_named(void **state)
{
    struct world *world = *state;
    for (int i = 0; i < 3; i++) {
        char reference[16];
        snprintf(reference, sizeof reference, "H-%d", i);
        assert_outcome(world_apply(world, world_put_carer(world, AGENCY, reference)), OUTCOME_CREATED);
        struct update *vacancy = world_put_vacancy(world, AGENCY, reference);
        world_request_id(world, vacancy, world->wall_ms);
        assert_outcome(world_apply(world, vacancy), OUTCOME_CREATED);
    }
    world_close(world);
    if (world->on_disk) {
        struct problem problem;
        const struct store_lmdb_options disk = world_disk_options(world);
        assert_int_equal(store_lmdb_open(&disk, &world->store, &problem), ERR_NONE);
    }
    for (int round = 0; round < scaled(60); round++) {
        struct store_txn *txn;
        struct octets first = {0}, key, value;
        enum store_table table = (enum store_table)seeded_random_below(&world->random, STORE_HOME_TABLES);
        assert_int_equal(world->store->ops->begin(world->store, true, &txn), ERR_NONE);
        if (world->store->ops->seek(txn, table, &first, seeded_random_below(&world->random, 2), &key, &value) !=
            ERR_NONE) {
            world->store->ops->abort(txn);
            continue;
        }
        uint8_t right[4096], wrong[4096], key_copy[300];
        memcpy(right, value.data, value.size);
        memcpy(wrong, value.data, value.size);
        memcpy(key_copy, key.data, key.size);
        wrong[seeded_random_below(&world->random, value.size)] ^=
            (uint8_t)(1 << seeded_random_below(&world->random, 8));
        struct octets k = {key_copy, key.size}, bad = {wrong, value.size}, good = {right, value.size};
        assert_int_equal(world->store->ops->put(txn, table, &k, &bad), ERR_NONE);
        assert_int_equal(world->store->ops->commit(txn), ERR_NONE);
        struct problem problem = {0};
        assert_int_equal(world_try_open(world, &problem), ERR_STORE_DAMAGED);
        assert_non_null(strstr(problem.text, tables_name(table)));
        assert_int_equal(world->store->ops->begin(world->store, true, &txn), ERR_NONE);
        assert_int_equal(world->store->ops->put(txn, table, &k, &good), ERR_NONE);
        assert_int_equal(world->store->ops->commit(txn), ERR_NONE);
    }
    struct problem problem = {0};
    assert_int_equal(world_try_open(world, &problem), ERR_NONE);
}

static void test_other_schema_D13(void **state)
{
    struct world *world = *state;
    struct store_txn *txn;
    struct octets key = {(const uint8_t *)"schema", 6}, value;
    struct arena arena;
    arena_init(&arena, 4096);
    home_close(world->home);
    view_free(world->view);
    world->home = NULL;
    world->view = NULL;
    assert_int_equal(world->store->ops->begin(world->store, true, &txn), ERR_NONE);
    assert_int_equal(tables_get(world->store, txn, STORE_META, &key, &value, NULL), ERR_NONE);
    uint8_t newer[128];
    memcpy(newer, value.data, value.size);
    newer[3]++;
    struct octets octets = {newer, value.size};
    assert_int_equal(tables_put(world->store, txn, &arena, STORE_META, &key, &octets), ERR_NONE);
    assert_int_equal(world->store->ops->commit(txn), ERR_NONE);
    struct problem problem = {0};
    assert_int_equal(world_try_open(world, &problem), ERR_PRECONDITION);
    assert_non_null(strstr(problem.text, "version 5"));
    assert_non_null(strstr(problem.text, "version 4"));
    arena_finish(&arena);
}

/* --- many -----------------------------------------------------------------------------------------------------------
 */

static void test_random_days(void **state)
{
    struct world *world = *state;
    struct update *batch[16];
    for (int round = 0; round < scaled(200); round++) {
        size_t count = 1 + random_up_to(&world->random, 15);
        for (size_t i = 0; i < count; i++) {
            char reference[16];
            snprintf(reference, sizeof reference, "H-%u", random_up_to(&world->random, 40));
            uint32_t what = random_up_to(&world->random, 9);
            batch[i] = what < 3    ? world_put_carer(world, AGENCY, reference)
                       : what < 6  ? world_put_vacancy(world, AGENCY, reference)
                       : what == 6 ? world_update(world, UPDATE_WITHDRAW, AGENCY, reference)
                       : what == 7 ? world_update(world, UPDATE_END_CARER, AGENCY, reference)
                                   : world_update(world, UPDATE_CONFIRM, AGENCY, NULL);
            if (what == 7) {
                batch[i]->as.end.ends_on = 21000;
                strcpy(batch[i]->as.end.reason, "AW0");
            }
            if (what > 7)
                batch[i]->as.confirm.all = true;
            batch[i]->observed_at_ms -= random_up_to(&world->random, 20) * 60000;
        }
        home_apply(world->home, batch, count);
        for (size_t i = 0; i < count; i++)
            update_destroy(batch[i]);
        world->wall_ms += random_up_to(&world->random, 7200) * 1000LL;
        home_lapse(world->home, 100, NULL);
        if (round % 50 == 49)
            world_reopen(world);
    }
    assert_register_true(world);
}

int main(void)
{
    seed = seed_from_environment(20261122);
    const struct CMUnitTest tests[] = {
        BOTH(test_push_confirm_withdraw),
        BOTH(test_carer_changes_its_offer),
        BOTH(test_who_may),
        BOTH(test_lists),
        BOTH(test_confirm_many),
        BOTH(test_request_ids_V5),
        BOTH(test_lapsing_O1),
        BOTH(test_lapsing_of_emergency_care),
        BOTH(test_a_push_of_the_carer_repeats_no_stage),
        BOTH(test_record_time_never_goes_back_C2),
        BOTH(test_damaged_record_is_named),
        BOTH(test_other_schema_D13),
        BOTH(test_random_days),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
