/* tier: check */
/*
 * test_register_placing.c - children placed, as the register decides it, on both stores.
 * Shows: rule H16 (consents, parent and child), what a placement means for what the agency lists, placements that never
 * began and are taken back.
 */
#include "tests/unit/both_stores.h"
#include "tests/unit/holds_world.h"
#include "vacancy/v1/agency_service.pb-c.h"

static int furnish(struct world *world)
{
    put_agencies(world);
    return 0;
}

/* --- placing (H16) ----------------------------------------------------------------------------------------------- */

static void test_consents_and_children(void **state)
{
    struct world *world = *state;
    struct update *place;
    uint64_t vacancy = offer_beds(world, OTHER, "H-1", 2);
    struct hold_token token = hold_beds(world, LEEDS, vacancy, 2);
#define WRONG(change, err, field, says)                                                                                \
    do {                                                                                                               \
        place = about(world, UPDATE_PLACE, LEEDS, token);                                                              \
        place->as.hold.child_count = 2;                                                                                \
        place->as.hold.children[1] = (struct household_child){AGE_3_5, SEX_M};                                         \
        change;                                                                                                        \
        refused(world_apply(world, place), err, field, says);                                                          \
    } while (0)
    date_days today = date_of_wall_ms(world->wall_ms);
    WRONG(place->as.hold.provider_consent = CONSENT_NONE, ERR_INVALID, "provider_consent", "required");
    WRONG(place->as.hold.provider_consent = CONSENT_END, ERR_INVALID, "provider_consent", "required");
    WRONG(place->as.hold.authorities_consent = CONSENT_NONE, ERR_INVALID, "authorities_consent", "required");
    WRONG(place->as.hold.provider_consent = CONSENT_NOT_NEEDED, ERR_PRECONDITION, "provider_consent", "needed");
    WRONG(place->as.hold.placement_code = 0, ERR_INVALID, "placement_code", "required");
    WRONG(place->as.hold.placement_code = 4, ERR_INVALID, "placement_code", "required");
    WRONG(place->as.hold.starts_on = DATE_NONE, ERR_INVALID, "starts_on", "required");
    WRONG(place->as.hold.starts_on = today + 366, ERR_INVALID, "starts_on", "at most");
    WRONG(place->as.hold.starts_on = today - 29, ERR_INVALID, "starts_on", "at most");
    WRONG(place->as.hold.child_count = 0, ERR_INVALID, "children", "for a hold of 2");
    WRONG(place->as.hold.child_count = 1, ERR_INVALID, "children", "for a hold of 2");
    WRONG(place->as.hold.child_count = 3, ERR_INVALID, "children", "for a hold of 2");
    place = about(world, UPDATE_PLACE, LEEDS, token);
    place->as.hold.child_count = 2;
    place->as.hold.children[1] = (struct household_child){AGE_3_5, SEX_M};
    place->as.hold.authorities_consent = CONSENT_NOT_NEEDED; /* nobody lives there */
    place->as.hold.asks_distance = true;
    struct update_result placed = did(world_apply(world, place));
    assert_int_equal(placed.hold.state, HOLD_PLACED);
    assert_int_equal(placed.hold.placement_code, 3);
    assert_int_equal(placed.hold.starts_on, today);
    assert_int_equal(placed.hold.provider_consent, CONSENT_GIVEN);
    assert_true(placed.home_postcode[0] != '\0');
    struct home_carer home;
    assert_int_equal(home_get_carer(world->home, OTHER, "H-1", &home), ERR_NONE);
    assert_int_equal(home.vacancy.state, VACANCY_PLACED);
    assert_int_equal(home.holds[0].child_count, 2);
    assert_int_equal(home.holds[0].children[0].age_band, AGE_9_11);
    assert_true(home.holds[0].children[0].sibling_group == home.holds[0].children[1].sibling_group);
    assert_string_equal(home.holds[0].children[1].responsible_authority, "E08000035");
    assert_register_true(world);
}

/* Whether the answer to a placement has the distance, which is asked for. */
static bool told(struct world *world, const char *team, struct hold_token hold)
{
    struct update *place = about(world, UPDATE_PLACE, team, hold);
    place->as.hold.asks_distance = true;
    struct update *again = about(world, UPDATE_PLACE, team, hold);
    again->as.hold.asks_distance = true;
    memcpy(again->request_id, place->request_id, sizeof again->request_id);
    memcpy(again->content_hash, place->content_hash, sizeof again->content_hash);
    struct update_result first = did(world_apply(world, place));
    world_reopen(world);
    struct update_result repeated = did(world_apply(world, again)); /* its answer was lost */
    assert_int_equal(repeated.outcome, OUTCOME_REPEATED);
    assert_string_equal(repeated.home_postcode, first.home_postcode);
    assert_int_equal(first.distance_told, first.home_postcode[0] != '\0');
    return first.distance_told;
}

static bool told_and_taken_back(struct world *world, const char *team, uint64_t vacancy, bool accepted)
{
    struct hold_token hold = hold_beds(world, team, vacancy, 1);
    if (accepted)
        (void)did(world_apply(world, answer(world, UPDATE_ACCEPT_HOLD, OTHER, hold)));
    bool was_told = told(world, team, hold);
    (void)did(world_apply(world, did_not_begin(about(world, UPDATE_RELEASE_HOLD, team, hold))));
    return was_told;
}

/* Three distances tell where a home is: for the second its agency must have accepted the hold. */
static void test_one_distance_for_an_authority(void **state)
{
    struct world *world = *state;
    uint64_t vacancy = offer_beds(world, OTHER, "H-1", 3);
    struct hold_token hold = hold_beds(world, LEEDS, vacancy, 1);
    (void)did(world_apply(world, about(world, UPDATE_PLACE, LEEDS, hold))); /* not asked: not told */
    (void)did(world_apply(world, did_not_begin(about(world, UPDATE_RELEASE_HOLD, LEEDS, hold))));
    assert_true(told_and_taken_back(world, LEEDS, vacancy, false));
    assert_false(told_and_taken_back(world, LEEDS, vacancy, false));
    assert_true(told_and_taken_back(world, YORK, vacancy, false));
    assert_true(told_and_taken_back(world, LEEDS, vacancy, true));
    assert_false(told(world, LEEDS, hold_beds(world, LEEDS, vacancy, 1))); /* nor for a second bed */
    assert_register_true(world);
    /* Where its own council's carers live, an authority knows. */
    vacancy = offer_beds(world, AGENCY, "H-2", 2);
    assert_true(told(world, LEEDS, hold_beds(world, LEEDS, vacancy, 1)));
}

/* Rule H1: also of a bed that was held before. */
static void test_a_suspended_agency(void **state)
{
    struct world *world = *state;
    uint64_t vacancy = offer_beds(world, AGENCY, "H-1", 2);
    struct hold_token token = hold_beds(world, LEEDS, vacancy, 1);
    struct update *suspend = world_put_agency(world, AGENCY);
    suspend->as.agency_row.status = AGENCY_SUSPENDED;
    (void)did(world_apply(world, suspend));
    refused(world_apply(world, about(world, UPDATE_EXTEND_HOLD, LEEDS, token)), ERR_PRECONDITION, "hold_id",
            "not offered any more");
    refused(world_apply(world, about(world, UPDATE_PLACE, LEEDS, token)), ERR_PRECONDITION, "hold_id",
            "not offered any more");
    (void)did(world_apply(world, about(world, UPDATE_RELEASE_HOLD, LEEDS, token)));
}

/* NOT_NEEDED is taken where nobody has to: the team's own council's carer; no child of another authority. */
static void test_consents_that_are_not_needed(void **state)
{
    struct world *world = *state;
    uint64_t vacancy = offer_beds(world, AGENCY, "H-1", 3);
    struct hold_token leeds = hold_beds(world, LEEDS, vacancy, 1), york = hold_beds(world, YORK, vacancy, 1);
    struct update *place = about(world, UPDATE_PLACE, LEEDS, leeds);
    place->as.hold.provider_consent = place->as.hold.authorities_consent = CONSENT_NOT_NEEDED;
    (void)did(world_apply(world, place));
    place = about(world, UPDATE_PLACE, YORK, york);
    place->as.hold.provider_consent = CONSENT_NOT_NEEDED;
    refused(world_apply(world, place), ERR_PRECONDITION, "provider_consent", "needed");
    place = about(world, UPDATE_PLACE, YORK, york);
    place->as.hold.authorities_consent = CONSENT_NOT_NEEDED; /* a child of Leeds was placed there */
    refused(world_apply(world, place), ERR_PRECONDITION, "authorities_consent", "needed");
    (void)did(world_apply(world, about(world, UPDATE_PLACE, YORK, york)));
    /* Leeds again: there is a child of York now. */
    place = about(world, UPDATE_PLACE, LEEDS, hold_beds(world, LEEDS, vacancy, 1));
    place->as.hold.authorities_consent = CONSENT_NOT_NEEDED;
    refused(world_apply(world, place), ERR_PRECONDITION, "authorities_consent", "needed");
    assert_register_true(world);
}

/* The parent has a bed, and is not looked after. */
static void test_parent_and_child(void **state)
{
    struct world *world = *state;
    struct update *push = world_put_carer(world, AGENCY, "H-1");
    push->as.carer.places = 2;
    push->as.carer.placed_count = 0;
    push->as.carer.terms.care_types = 1u << CARE_PARENT_AND_CHILD;
    push->as.carer.approval_ends_on = DATE_NONE;
    (void)did(world_apply(world, push));
    push = world_put_vacancy(world, AGENCY, "H-1");
    push->as.vacancy.beds = 2;
    uint64_t vacancy = did(world_apply(world, push)).vacancy_id;
    struct update *place = about(world, UPDATE_PLACE, LEEDS, hold_beds(world, LEEDS, vacancy, 2));
    place->as.hold.children[0].age_band = AGE_0_2;
    struct update_result placed = did(world_apply(world, place));
    assert_int_equal(placed.beds_free, 0);
    assert_int_equal(get(world, "H-1").holds[0].child_count, 1);
    refused(world_apply(world, ask_beds(world, YORK, vacancy, 1)), ERR_PRECONDITION, "beds",
            "the vacancy is PLACED, 1 asked for, 0 free: 0 held, 2 placed; its agency says when there are more");
    assert_register_true(world);
}

/* The children count as placed until the agency, having seen them, lists them. */
static void test_the_agency_says_who_lives_there(void **state)
{
    struct world *world = *state;
    uint64_t vacancy = offer_beds(world, AGENCY, "H-1", 2);
    int64_t before_ms = world->wall_ms + 1;
    world_pass(world, 1000);
    struct hold_token token = hold_beds(world, LEEDS, vacancy, 1);
    (void)did(world_apply(world, about(world, UPDATE_PLACE, LEEDS, token)));
    struct carer carer = get(world, "H-1").carer;
    struct update *push = world_update(world, UPDATE_PUT_CARER, AGENCY, "H-1");
    push->as.carer = carer;
    push->observed_at_ms = before_ms; /* seen before they came */
    (void)did(world_apply(world, push));
    assert_int_equal(get(world, "H-1").holds[0].child_count, 1);
    world_pass(world, 1000);
    push = world_update(world, UPDATE_PUT_CARER, AGENCY, "H-1");
    push->as.carer = carer;
    push->as.carer.placed_count = 1;
    push->as.carer.placed[0] = (struct placed_child){AGE_9_11, SEX_F, 0, "E08000035"};
    (void)did(world_apply(world, push));
    struct home_carer home = get(world, "H-1");
    assert_int_equal(home.holds[0].child_count, 0);
    assert_int_equal(home.holds[0].state, HOLD_PLACED);
    assert_int_equal(beds_free(&home), 1);
    /* The other bed is still to be had, and the vacancy may be stated again as it is. */
    push = world_put_vacancy(world, AGENCY, "H-1");
    push->as.vacancy.beds = 2;
    push->as.vacancy.sibling_group_only = true;
    (void)did(world_apply(world, push));
    (void)hold_beds(world, YORK, vacancy, 1);
    assert_register_true(world);
}

/* What an agency's system exports: the carer as it was pushed last, with these children. */
static void push_children(struct world *world, const struct placed_child *children, uint32_t count)
{
    struct carer carer = get(world, "H-1").carer;
    world_pass(world, 1000);
    struct update *push = world_update(world, UPDATE_PUT_CARER, AGENCY, "H-1");
    push->as.carer = carer;
    push->as.carer.placed_count = count;
    memset(push->as.carer.placed, 0, sizeof push->as.carer.placed);
    if (count > 0)
        memcpy(push->as.carer.placed, children, count * sizeof *children);
    (void)did(world_apply(world, push));
    assert_register_true(world);
}

/* Of all holds: children whom the agency has not listed. */
static uint32_t unlisted(const struct home_carer *home)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < home->hold_count; i++)
        count += home->holds[i].child_count;
    return count;
}

static uint32_t at_home(const struct home_carer *home)
{
    struct offer offer;
    uint32_t count = 0;
    assert_true(offer_derive(home, &offer));
    for (uint32_t i = 0; i < offer.child_count; i++)
        count += offer.children[i].placed;
    return count;
}

#define NEEDS_CONSENT(world, vacancy)                                                                                  \
    do {                                                                                                               \
        struct update *other = about(world, UPDATE_PLACE, YORK, hold_beds(world, YORK, vacancy, 1));                   \
        struct hold_token held = other->as.hold.token;                                                                 \
        other->as.hold.authorities_consent = CONSENT_NOT_NEEDED;                                                       \
        refused(world_apply(world, other), ERR_PRECONDITION, "authorities_consent", "needed");                         \
        (void)did(world_apply(world, about(world, UPDATE_RELEASE_HOLD, YORK, held)));                                  \
    } while (0)

static const struct placed_child of_leeds = {AGE_9_11, SEX_F, 0, "E08000035"};
static const struct placed_child a_boy = {AGE_9_11, SEX_M, 0, "E08000035"};

/* The nightly export that does not know of the placement yet (H5, H9, H16). */
static void test_a_push_that_does_not_know_keeps_the_child(void **state)
{
    struct world *world = *state;
    uint64_t vacancy = offer_beds(world, AGENCY, "H-1", 3);
    struct hold_token token = hold_beds(world, LEEDS, vacancy, 1);
    (void)did(world_apply(world, about(world, UPDATE_PLACE, LEEDS, token)));
    push_children(world, NULL, 0);
    struct home_carer home = get(world, "H-1");
    assert_int_equal(unlisted(&home), 1);
    assert_int_equal(at_home(&home), 1);
    assert_int_equal(beds_free(&home), 2);
    NEEDS_CONSENT(world, vacancy);
    push_children(world, &a_boy, 1); /* another child: both live there */
    home = get(world, "H-1");
    assert_int_equal(unlisted(&home), 1);
    assert_int_equal(at_home(&home), 2);
    assert_int_equal(beds_free(&home), 1);
    NEEDS_CONSENT(world, vacancy);
    push_children(world, (struct placed_child[]){a_boy, of_leeds}, 2); /* now it knows */
    home = get(world, "H-1");
    assert_int_equal(unlisted(&home), 0);
    assert_int_equal(at_home(&home), 2);
    assert_int_equal(beds_free(&home), 1);
    NEEDS_CONSENT(world, vacancy);
}

/* One lives there already who could be taken for the one that is placed: a birthday makes no other child of her. */
static void test_a_child_listed_before_is_not_the_one_placed(void **state)
{
    struct world *world = *state;
    uint64_t vacancy = offer_beds(world, AGENCY, "H-1", 3);
    push_children(world, &of_leeds, 1);
    struct update *push = world_put_vacancy(world, AGENCY, "H-1");
    push->as.vacancy.beds = 2;
    (void)did(world_apply(world, push));
    struct hold_token token = hold_beds(world, LEEDS, vacancy, 1);
    (void)did(world_apply(world, about(world, UPDATE_PLACE, LEEDS, token)));
    struct placed_child older = of_leeds;
    older.age_band = AGE_12_14;
    push_children(world, &of_leeds, 1);
    struct home_carer home = get(world, "H-1");
    assert_int_equal(unlisted(&home), 1);
    push_children(world, &older, 1);
    home = get(world, "H-1");
    assert_int_equal(unlisted(&home), 1);
    assert_int_equal(at_home(&home), 2);
    assert_int_equal(beds_free(&home), 1);
    push_children(world, (struct placed_child[]){older, older}, 2); /* her birthday, too */
    home = get(world, "H-1");
    assert_int_equal(unlisted(&home), 0);
    assert_int_equal(at_home(&home), 2);
}

/* Two of one kind are two: listed one by one, they are handed over one by one; the vacancy can be stated in between. */
static void test_two_children_of_one_kind(void **state)
{
    struct world *world = *state;
    uint64_t vacancy = offer_beds(world, AGENCY, "H-1", 3);
    struct update *place = about(world, UPDATE_PLACE, LEEDS, hold_beds(world, LEEDS, vacancy, 2));
    place->as.hold.child_count = 2;
    place->as.hold.children[1] = place->as.hold.children[0];
    (void)did(world_apply(world, place));
    for (uint32_t listed = 0; listed <= 2; listed++) {
        push_children(world, (struct placed_child[]){of_leeds, of_leeds}, listed);
        struct home_carer home = get(world, "H-1");
        assert_int_equal(unlisted(&home), 2 - listed);
        assert_int_equal(at_home(&home), 2);
        assert_int_equal(beds_free(&home), 1);
        struct update *push = world_put_vacancy(world, AGENCY, "H-1");
        push->as.vacancy.beds = 3;
        push->as.vacancy.on_call = listed & 1;
        (void)did(world_apply(world, push));
    }
    push_children(world, (struct placed_child[]){of_leeds, of_leeds}, 2);
    struct home_carer home = get(world, "H-1");
    assert_int_equal(at_home(&home), 2);
}

/* --- a placement that never began -------------------------------------------------------------------------------- */

/* Two siblings of Leeds in both beds of H-1. */
static struct hold_token place_two(struct world *world, uint64_t vacancy)
{
    struct update *place = about(world, UPDATE_PLACE, LEEDS, hold_beds(world, LEEDS, vacancy, 2));
    place->as.hold.child_count = 2;
    place->as.hold.children[1] = (struct household_child){AGE_9_11, SEX_M};
    return did(world_apply(world, place)).hold.token;
}

/* The newest event of the agency. */
static Vacancy__V1__AgencyEvent *last_event(struct world *world)
{
    static struct event_row rows[256];
    struct arena arena;
    size_t got;
    arena_init(&arena, 1 << 20);
    assert_int_equal(home_read_events(world->home, AGENCY, 0, &arena, rows, 256, &got), ERR_NONE);
    assert_true(got > 0);
    Vacancy__V1__AgencyEvent *event =
        vacancy__v1__agency_event__unpack(NULL, rows[got - 1].octets.size, rows[got - 1].octets.data);
    arena_finish(&arena);
    assert_non_null(event);
    return event;
}

static void assert_taken_back(struct world *world, uint64_t vacancy, struct update_result result, unsigned state,
                              unsigned kind)
{
    assert_int_equal(did(result).hold.state, state);
    assert_int_equal(result.beds_free, 2);
    struct hold hold = get_hold(world, result.hold.token);
    assert_int_equal(hold.state, state);
    assert_int_equal(hold.decline_reason, DECLINE_PLACEMENT_DID_NOT_BEGIN);
    assert_int_equal(hold.ended_at_ms, world->wall_ms);
    struct home_carer home = get(world, "H-1");
    assert_int_equal(home.hold_count, 0);
    assert_int_equal(home.vacancy.state, VACANCY_VACANT);
    assert_int_equal(at_home(&home), 0);
    assert_int_equal(beds_free(&home), 2);
    Vacancy__V1__AgencyEvent *event = last_event(world);
    assert_int_equal(event->kind, kind);
    assert_int_equal(event->decline_reason, DECLINE_PLACEMENT_DID_NOT_BEGIN);
    assert_int_equal(event->beds_free, 2);
    vacancy__v1__agency_event__free_unpacked(event, NULL);
    assert_register_true(world);
    /* Nobody lives there: York needs no consent of Leeds; what it places is another's affair. */
    struct update *place = about(world, UPDATE_PLACE, YORK, hold_beds(world, YORK, vacancy, 1));
    place->as.hold.authorities_consent = CONSENT_NOT_NEEDED;
    struct hold_token york = did(world_apply(world, place)).hold.token;
    (void)did(world_apply(world, did_not_begin(about(world, UPDATE_RELEASE_HOLD, YORK, york))));
}

static void test_its_team_takes_a_placement_back(void **state)
{
    struct world *world = *state;
    uint64_t vacancy = offer_beds(world, AGENCY, "H-1", 2);
    struct hold_token token = place_two(world, vacancy);
    assert_int_equal(get(world, "H-1").vacancy.state, VACANCY_PLACED);
    world_pass(world, 2 * HOLD_DEFAULT_MS); /* whatever the hold's time was */
    refused(world_apply(world, about(world, UPDATE_RELEASE_HOLD, LEEDS, token)), ERR_PRECONDITION,
            "placement_did_not_begin", "the hold is PLACED");
    refused(world_apply(world, did_not_begin(about(world, UPDATE_RELEASE_HOLD, YORK, token))), ERR_FORBIDDEN, "hold_id",
            "no hold of");
    struct update *back = did_not_begin(about(world, UPDATE_RELEASE_HOLD, LEEDS, token));
    struct update *again = did_not_begin(about(world, UPDATE_RELEASE_HOLD, LEEDS, token));
    memcpy(again->request_id, back->request_id, sizeof again->request_id);
    memcpy(again->content_hash, back->content_hash, sizeof again->content_hash);
    struct update_result result = world_apply(world, back);
    assert_taken_back(world, vacancy, result, HOLD_RELEASED, VACANCY__V1__AGENCY_EVENT__KIND__KIND_HOLD_RELEASED);
    world_reopen(world);
    struct update_result repeated = did(world_apply(world, again)); /* its answer was lost */
    assert_int_equal(repeated.outcome, OUTCOME_REPEATED);
    assert_true(repeated.sequence == result.sequence && repeated.hold.state == HOLD_RELEASED);
    refused(world_apply(world, did_not_begin(about(world, UPDATE_RELEASE_HOLD, LEEDS, token))), ERR_PRECONDITION,
            "hold_id", "RELEASED");
    assert_register_true(world);
}

static void test_its_agency_declines_a_placement(void **state)
{
    struct world *world = *state;
    uint64_t vacancy = offer_beds(world, AGENCY, "H-1", 2);
    struct hold_token token = place_two(world, vacancy);
    refused(world_apply(world, answer(world, UPDATE_DECLINE_HOLD, AGENCY, token)), ERR_PRECONDITION, "reason",
            "the hold is PLACED");
    refused(world_apply(world, did_not_begin(answer(world, UPDATE_DECLINE_HOLD, OTHER, token))), ERR_FORBIDDEN,
            "hold_id", "no hold on");
    assert_taken_back(world, vacancy,
                      world_apply(world, did_not_begin(answer(world, UPDATE_DECLINE_HOLD, AGENCY, token))),
                      HOLD_DECLINED, VACANCY__V1__AGENCY_EVENT__KIND__KIND_HOLD_DECLINED);
}

/* What is not placed has not failed to begin. */
static void test_only_a_placement_is_taken_back(void **state)
{
    struct world *world = *state;
    struct hold_token token = hold_beds(world, LEEDS, offer_beds(world, AGENCY, "H-1", 1), 1);
    for (int accepted = 0; accepted < 2; accepted++) {
        refused(world_apply(world, did_not_begin(about(world, UPDATE_RELEASE_HOLD, LEEDS, token))), ERR_PRECONDITION,
                "placement_did_not_begin", accepted ? "ACCEPTED" : "ACTIVE");
        refused(world_apply(world, did_not_begin(answer(world, UPDATE_DECLINE_HOLD, AGENCY, token))), ERR_PRECONDITION,
                "reason", accepted ? "ACCEPTED" : "ACTIVE");
        if (!accepted)
            (void)did(world_apply(world, answer(world, UPDATE_ACCEPT_HOLD, AGENCY, token)));
    }
    assert_int_equal(get_hold(world, token).state, HOLD_ACCEPTED);
    assert_register_true(world);
}

/* Once the agency lists one of its children it has begun; a push that can't know, or doesn't, says nothing of it. */
static void test_a_placement_that_began_is_not_taken_back(void **state)
{
    struct world *world = *state;
    uint64_t vacancy = offer_beds(world, AGENCY, "H-1", 3);
    int64_t before_ms = world->wall_ms + 1;
    world_pass(world, 1000);
    struct hold_token token = place_two(world, vacancy);
    struct update *push = world_update(world, UPDATE_PUT_CARER, AGENCY, "H-1");
    push->as.carer = get(world, "H-1").carer;
    push->as.carer.placed_count = 1;
    push->as.carer.placed[0] = of_leeds;
    push->observed_at_ms = before_ms; /* another girl of Leeds: these had not come */
    (void)did(world_apply(world, push));
    assert_false(get(world, "H-1").holds[0].some_listed);
    push_children(world, &of_leeds, 1);
    assert_false(get(world, "H-1").holds[0].some_listed);
    push_children(world, (struct placed_child[]){of_leeds, a_boy}, 2);
    assert_true(get(world, "H-1").holds[0].some_listed);
    assert_int_equal(get(world, "H-1").holds[0].child_count, 1);
    for (int all = 0; all < 2; all++) {
        world_reopen(world);
        refused(world_apply(world, did_not_begin(about(world, UPDATE_RELEASE_HOLD, LEEDS, token))), ERR_PRECONDITION,
                "hold_id", "the placement began");
        refused(world_apply(world, did_not_begin(answer(world, UPDATE_DECLINE_HOLD, AGENCY, token))), ERR_PRECONDITION,
                "hold_id", "the placement began");
        push_children(world, (struct placed_child[]){of_leeds, a_boy, of_leeds}, 3);
    }
    assert_int_equal(get_hold(world, token).state, HOLD_PLACED);
}

static void test_a_placement_of_an_ended_vacancy_is_not_taken_back(void **state)
{
    struct world *world = *state;
    struct hold_token token = place_two(world, offer_beds(world, AGENCY, "H-1", 2));
    world_pass(world, 1000);
    (void)did(world_apply(world, world_update(world, UPDATE_WITHDRAW, AGENCY, "H-1")));
    refused(world_apply(world, did_not_begin(about(world, UPDATE_RELEASE_HOLD, LEEDS, token))), ERR_PRECONDITION,
            "hold_id", "its vacancy has ended");
    assert_int_equal(get(world, "H-1").carer.placed_count, 2);
    assert_register_true(world);
}

/* Its beds are free, but kept back: the agency had stated so meanwhile. */
static void test_taken_back_where_the_agency_keeps_the_bed_back(void **state)
{
    struct world *world = *state;
    struct hold_token token = place_two(world, offer_beds(world, AGENCY, "H-1", 2));
    world_pass(world, 1000);
    struct update *push = world_put_vacancy(world, AGENCY, "H-1");
    push->as.vacancy.beds = 2;
    push->as.vacancy.stated = VACANCY_NOT_AVAILABLE;
    push->as.vacancy.reason = 1;
    (void)did(world_apply(world, push));
    (void)did(world_apply(world, did_not_begin(about(world, UPDATE_RELEASE_HOLD, LEEDS, token))));
    assert_int_equal(get(world, "H-1").vacancy.state, VACANCY_NOT_AVAILABLE);
    assert_register_true(world);
}

/* No child moves out because its vacancy was withdrawn: the next one has a bed less, and asks whose it is. */
static void test_a_child_outlives_its_vacancy(void **state)
{
    struct world *world = *state;
    struct hold_token token = hold_beds(world, LEEDS, offer_beds(world, AGENCY, "H-1", 2), 1);
    (void)did(world_apply(world, about(world, UPDATE_PLACE, LEEDS, token)));
    world_pass(world, 1000);
    (void)did(world_apply(world, world_update(world, UPDATE_WITHDRAW, AGENCY, "H-1")));
    assert_int_equal(get(world, "H-1").carer.placed_count, 1);
    assert_string_equal(get(world, "H-1").carer.placed[0].responsible_authority, "E08000035");
    world_pass(world, 1000);
    struct update *push = world_put_vacancy(world, AGENCY, "H-1");
    push->as.vacancy.beds = 2;
    refused(world_apply(world, push), ERR_PRECONDITION, "vacancy.beds", "1 children placed leave 1");
    uint64_t vacancy = did(world_apply(world, world_put_vacancy(world, AGENCY, "H-1"))).vacancy_id;
    struct update *place = about(world, UPDATE_PLACE, YORK, hold_beds(world, YORK, vacancy, 1));
    place->as.hold.authorities_consent = CONSENT_NOT_NEEDED;
    refused(world_apply(world, place), ERR_PRECONDITION, "authorities_consent", "another authority");
    assert_register_true(world);
}

int main(void)
{
    seed = seed_from_environment(20261122);
    const struct CMUnitTest tests[] = {
        BOTH(test_a_child_outlives_its_vacancy),
        BOTH(test_consents_and_children),
        BOTH(test_one_distance_for_an_authority),
        BOTH(test_a_suspended_agency),
        BOTH(test_consents_that_are_not_needed),
        BOTH(test_parent_and_child),
        BOTH(test_the_agency_says_who_lives_there),
        BOTH(test_a_push_that_does_not_know_keeps_the_child),
        BOTH(test_a_child_listed_before_is_not_the_one_placed),
        BOTH(test_two_children_of_one_kind),
        BOTH(test_its_team_takes_a_placement_back),
        BOTH(test_its_agency_declines_a_placement),
        BOTH(test_only_a_placement_is_taken_back),
        BOTH(test_a_placement_that_began_is_not_taken_back),
        BOTH(test_a_placement_of_an_ended_vacancy_is_not_taken_back),
        BOTH(test_taken_back_where_the_agency_keeps_the_bed_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
