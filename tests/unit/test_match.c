/* tier: check */
/*
 * Matching one case at a time: the words of the reasons, what the file comment of match_rules.c decides, the borders of
 * the index's cells, unfinished searches. That the rules are the domain's is the oracle's business (tests/oracle).
 */
#include "tests/unit/match_fixture.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define E_METRES 428000
#define N_METRES 436000

struct world {
    struct match *match;
    struct arena arena;
    struct answer answer;
    uint64_t sequence;
};

static int world_open(void **state)
{
    struct world *world = calloc(1, sizeof *world);
    struct fixture_batch batch;
    world->match = match_create(NULL, FIXTURE_REGION);
    arena_init(&world->arena, (size_t)2 << 20);
    fixture_begin(&batch);
    fixture_agency(&batch, "leeds", true);
    fixture_commit(&batch, world->match, ++world->sequence);
    *state = world;
    return 0;
}

static int world_close(void **state)
{
    struct world *world = *state;
    match_destroy(world->match);
    arena_finish(&world->arena);
    free(world);
    return 0;
}

static void put(struct world *world, uint64_t reference, const struct offer *offer)
{
    struct fixture_batch batch;
    fixture_begin(&batch);
    fixture_put(&batch, reference, offer);
    fixture_commit(&batch, world->match, ++world->sequence);
}

static uint32_t find(struct world *world, const struct criteria *criteria)
{
    arena_reset(&world->arena);
    assert_int_equal(match_find(world->match, criteria, UINT32_MAX, &world->arena, &world->answer, NULL), ERR_NONE);
    return world->answer.option_count;
}

static const struct reason *reason_of(const struct world *world, enum rule rule)
{
    const struct option *option = &world->answer.options[0];
    for (uint32_t i = 0; i < option->reason_count; i++)
        if (option->reasons[i].rule == rule)
            return &option->reasons[i];
    fail_msg("no reason for rule %d", rule);
    return NULL;
}

/* Exactly this rule removed the only offer. */
static void assert_removed_by(const struct world *world, enum rule rule)
{
    assert_int_equal(world->answer.option_count, 0);
    assert_true(world->answer.explained);
    assert_int_equal(world->answer.considered, 1);
    for (int other = 1; other < RULE_END; other++)
        assert_int_equal(world->answer.removed[other].failed, other == (int)rule);
    assert_int_equal(world->answer.removed[rule].failed_alone, 1);
}

/* Issue 2 item 8: "H3 age: asked 14, approved 5-12". */
static void test_reasons_carry_what_was_asked_and_found(void **state)
{
    struct world *world = *state;
    struct offer offer;
    struct criteria criteria;
    fixture_offer(&offer, 7, E_METRES, N_METRES);
    offer.age_below_months = 120;
    snprintf(offer.languages[0].tag, sizeof offer.languages[0].tag, "pl");
    offer.languages[0].level = 2;
    offer.language_count = 1;
    put(world, 1, &offer);
    fixture_criteria(&criteria, E_METRES, N_METRES + 5);
    snprintf(criteria.languages[0], sizeof criteria.languages[0], "ur");
    criteria.language_count = 1;
    criteria.skills = 1u << 2;
    assert_int_equal(find(world, &criteria), 1);
    assert_int_equal(world->answer.options[0].distance_metres, 5);
    assert_string_equal(world->answer.options[0].agency.phone, "0113 000 0000");
    assert_string_equal(reason_of(world, RULE_H3)->asked, "8 F, short term");
    assert_string_equal(reason_of(world, RULE_H3)->found, "approved 5 to 12, offered 5 to 9 any");
    assert_string_equal(reason_of(world, RULE_H4)->found, "2 of 2 beds free, terms 2");
    assert_int_equal(reason_of(world, RULE_S5)->outcome, RULE_NOT_MET);
    assert_string_equal(reason_of(world, RULE_S5)->asked, "ur");
    assert_string_equal(reason_of(world, RULE_S5)->found, "pl");
    assert_int_equal(reason_of(world, RULE_S7)->outcome, RULE_NOT_KNOWN);
    criteria.children[0].age_months = 168;
    find(world, &criteria);
    assert_removed_by(world, RULE_H3);
    criteria.overrides = 1u << OVERRIDE_OUTSIDE_TERMS;
    assert_int_equal(find(world, &criteria), 1);
    assert_int_equal(reason_of(world, RULE_H3)->outcome, RULE_OVERRIDDEN);
    assert_string_equal(reason_of(world, RULE_H3)->found,
                        "approved 5 to 12, offered 5 to 9 any; emergency, at most 6 working days (reg 23)");
}

/* domain.md 2.5: the fourth child needs an exemption from the authority where the home is. */
static void test_beyond_three_is_exemption_needed(void **state)
{
    struct world *world = *state;
    struct offer offer;
    struct criteria criteria;
    fixture_offer(&offer, 7, E_METRES, N_METRES);
    offer.max_children = offer.max_children_if_siblings = 4;
    offer.bedrooms = 4;
    offer.child_count = 3;
    for (int i = 0; i < 3; i++)
        offer.children[i] = (struct child_at_home){AGE_9_11, SEX_F, 1, true};
    put(world, 1, &offer);
    fixture_criteria(&criteria, E_METRES, N_METRES);
    find(world, &criteria);
    assert_removed_by(world, RULE_H5);
    criteria.overrides = 1u << OVERRIDE_EXEMPTION;
    assert_int_equal(find(world, &criteria), 1);
    assert_string_equal(reason_of(world, RULE_H5)->found, "3 placed; exemption needed from E08000035");
}

static const char *found_of(struct world *world, const struct criteria *criteria, enum rule rule)
{
    assert_int_equal(find(world, criteria), 1);
    return reason_of(world, rule)->found;
}

/* Beds that teams hold are children who are coming, and nobody's siblings: five beds, of which three are held. */
static void test_beds_held_count_as_children_who_are_coming(void **state)
{
    struct world *world = *state;
    struct offer offer;
    struct criteria criteria;
    fixture_offer(&offer, 7, E_METRES, N_METRES);
    offer.beds = offer.bedrooms = 5;
    offer.beds_free = 2;
    offer.beds_held = 3;
    offer.max_children = 4;
    offer.max_children_if_siblings = 5;
    put(world, 1, &offer);
    fixture_criteria(&criteria, E_METRES, N_METRES);
    find(world, &criteria);
    assert_removed_by(world, RULE_H5); /* the fourth */
    criteria.overrides = 1u << OVERRIDE_EXEMPTION;
    assert_string_equal(found_of(world, &criteria, RULE_H5), "0 placed, 3 held; exemption needed from E08000035");
    assert_string_equal(reason_of(world, RULE_H4)->found, "2 of 5 beds free, 3 held, terms 4 (5 if siblings)");
    assert_string_equal(reason_of(world, RULE_H7)->found,
                        "bedrooms: 5 for 0 placed, 3 held and 1 more, sharing: not stated");

    criteria.child_count = 2; /* the fifth, and no sibling of the three */
    criteria.children[1] = criteria.children[0];
    find(world, &criteria);
    assert_removed_by(world, RULE_H4);
    criteria.overrides |= 1u << OVERRIDE_OUTSIDE_TERMS;
    assert_string_equal(
        found_of(world, &criteria, RULE_H4),
        "2 of 5 beds free, 3 held, terms 4 (5 if siblings); emergency, at most 6 working days (reg 23)");
    criteria.child_count = 1;
    criteria.overrides = 0;

    offer.beds_held = 2; /* of the limit, one is left; who is asked for may share with nobody who is coming */
    offer.bedrooms = 2;
    offer.room_sharing = SHARING_SIBLINGS;
    put(world, 1, &offer);
    find(world, &criteria);
    assert_removed_by(world, RULE_H7);
    offer.bedrooms = 3;
    put(world, 1, &offer);
    assert_string_equal(found_of(world, &criteria, RULE_H5), "0 placed, 2 held, usual limit 3");
}

/* A home that waits for a child is nobody's own, nor does anybody know that child's age; and it may not come. */
static void test_alongside_a_child_who_is_coming(void **state)
{
    static const bool alone[ALONGSIDE_END] = {[ALONGSIDE_UNSTATED] = true,
                                              [ALONGSIDE_NO_PREFERENCE] = true,
                                              [ALONGSIDE_SOLO] = true,
                                              [ALONGSIDE_ONLY_WITH_OLDER] = true,
                                              [ALONGSIDE_ONLY_WITH_YOUNGER] = true};
    struct world *world = *state;
    struct offer offer;
    struct criteria criteria;
    fixture_offer(&offer, 7, E_METRES, N_METRES);
    offer.beds = offer.bedrooms = offer.max_children = 3;
    fixture_criteria(&criteria, E_METRES, N_METRES);
    for (int alongside = 0; alongside < ALONGSIDE_END; alongside++)
        for (uint32_t held = 0; held < 2; held++) {
            criteria.alongside = (enum alongside)alongside;
            offer.beds_held = held;
            put(world, 1, &offer);
            if (held == 0 ? alone[alongside] : alongside <= ALONGSIDE_NO_PREFERENCE) {
                assert_int_equal(find(world, &criteria), 1);
                continue;
            }
            find(world, &criteria);
            assert_removed_by(world, RULE_H9);
        }
    offer.child_count = 1; /* one of 9 to 11 is there, and one is coming */
    offer.children[0] = (struct child_at_home){AGE_9_11, SEX_F, 0, true};
    put(world, 1, &offer);
    criteria.alongside = ALONGSIDE_WITH_OTHER_CHILDREN;
    assert_string_equal(found_of(world, &criteria, RULE_H9), "1 placed, 1 held, 0 of the household's own");
    criteria.alongside = ALONGSIDE_ONLY_WITH_OLDER;
    find(world, &criteria);
    assert_removed_by(world, RULE_H9);
}

/* There is no bed: no override brings one. A group short of beds fails H6 alone, since a split would find the home. */
static void test_beds_and_groups(void **state)
{
    struct world *world = *state;
    struct offer offer;
    struct criteria criteria;
    fixture_offer(&offer, 7, E_METRES, N_METRES);
    put(world, 1, &offer);
    fixture_criteria(&criteria, E_METRES, N_METRES);
    criteria.child_count = 3;
    criteria.children[1] = criteria.children[2] = criteria.children[0];
    find(world, &criteria);
    assert_removed_by(world, RULE_H6);
    criteria.grouping = GROUPING_SPLIT;
    assert_int_equal(find(world, &criteria), 1);
    assert_int_equal(world->answer.options[0].children_taken, 2);
    offer.beds_free = 0;
    put(world, 1, &offer);
    criteria.overrides = ~0u;
    find(world, &criteria);
    assert_removed_by(world, RULE_H4);
}

/* domain.md H7: own bedroom from the third birthday; sharing by agreement only on request, and said so. */
static void test_bedrooms(void **state)
{
    struct world *world = *state;
    struct offer offer;
    struct criteria criteria;
    fixture_offer(&offer, 7, E_METRES, N_METRES);
    offer.bedrooms = 1;
    offer.child_count = 1;
    offer.children[0] = (struct child_at_home){AGE_3_5, SEX_M, 0, true};
    offer.max_children = 3;
    put(world, 1, &offer);
    fixture_criteria(&criteria, E_METRES, N_METRES);
    find(world, &criteria);
    assert_removed_by(world, RULE_H7);
    criteria.overrides = 1u << OVERRIDE_SHARED_BEDROOM;
    assert_int_equal(find(world, &criteria), 1);
    assert_string_equal(reason_of(world, RULE_H7)->found,
                        "bedrooms: 1, sharing: not stated; needs agreement of each authority");
    offer.children[0].age_band = AGE_0_2;
    put(world, 1, &offer);
    criteria.overrides = 0;
    assert_int_equal(find(world, &criteria), 1);
}

/* From the moment at which its confirmation runs out, long before it lapses. */
static void test_stale_ones_are_to_phone_first(void **state)
{
    struct world *world = *state;
    struct offer offer;
    struct criteria criteria;
    fixture_offer(&offer, 7, E_METRES, N_METRES);
    fixture_criteria(&criteria, E_METRES, N_METRES);
    for (int stale = 0; stale < 2; stale++) {
        offer.valid_until_ms = FIXTURE_AS_OF + !stale;
        put(world, 1, &offer);
        assert_int_equal(find(world, &criteria), !stale);
    }
    assert_removed_by(world, RULE_H2);
    criteria.overrides = 1u << OVERRIDE_UNCONFIRMED;
    assert_int_equal(find(world, &criteria), 0);
    assert_int_equal(world->answer.phone_first_count, 1);
    assert_int_equal(world->answer.phone_first[0].offer.state, VACANCY_VACANT);
    assert_true(world->answer.phone_first[0].unconfirmed);
}

static void test_unconfirmed_only_on_request_and_only_what_was_vacant(void **state)
{
    struct world *world = *state;
    struct offer offer;
    struct criteria criteria;
    fixture_offer(&offer, 7, E_METRES, N_METRES);
    offer.state = VACANCY_LAPSED;
    put(world, 1, &offer);
    fixture_criteria(&criteria, E_METRES, N_METRES);
    find(world, &criteria);
    assert_removed_by(world, RULE_H2);
    criteria.overrides = 1u << OVERRIDE_UNCONFIRMED;
    find(world, &criteria);
    assert_removed_by(world, RULE_H2);
    assert_int_equal(world->answer.phone_first_count, 1);
    assert_true(world->answer.phone_first[0].unconfirmed);
    assert_int_equal(world->answer.phone_first[0].reasons[1].rule, RULE_H2);
    assert_int_equal(world->answer.phone_first[0].reasons[1].outcome, RULE_OVERRIDDEN);
    offer.bucket = BUCKET_CARER;
    put(world, 1, &offer);
    find(world, &criteria);
    assert_removed_by(world, RULE_H2);
    assert_int_equal(world->answer.phone_first_count, 0);
}

/* The farthest distance that can be asked for is no limit; once its square ran over, and nothing was near enough. */
static void test_farthest_distance(void **state)
{
    struct world *world = *state;
    struct offer offer;
    struct criteria criteria;
    fixture_offer(&offer, 7, E_METRES, N_METRES);
    put(world, 1, &offer);
    fixture_criteria(&criteria, E_METRES, N_METRES + 500000);
    static const uint32_t far_enough[] = {0, 500000, UINT32_MAX - 1, UINT32_MAX};
    for (size_t i = 0; i < sizeof far_enough / sizeof far_enough[0]; i++) {
        criteria.within_metres = far_enough[i];
        assert_int_equal(find(world, &criteria), 1);
    }
    criteria.within_metres = 499999;
    find(world, &criteria);
    assert_removed_by(world, RULE_DISTANCE);
}

static void test_suspended_and_unknown_agencies(void **state)
{
    struct world *world = *state;
    struct fixture_batch batch;
    struct offer offer;
    struct criteria criteria;
    fixture_offer(&offer, 7, E_METRES, N_METRES);
    put(world, 1, &offer);
    fixture_criteria(&criteria, E_METRES, N_METRES);
    assert_int_equal(find(world, &criteria), 1);
    fixture_begin(&batch);
    fixture_agency(&batch, "leeds", false);
    fixture_commit(&batch, world->match, ++world->sequence);
    find(world, &criteria);
    assert_removed_by(world, RULE_H1);
    assert_int_equal(world->answer.positions[0].sequence, world->sequence);
    snprintf(offer.agency, sizeof offer.agency, "york");
    put(world, 1, &offer);
    find(world, &criteria);
    assert_removed_by(world, RULE_H1);
}

/*
 * Two offers at the same distance, one of them across the border where the next ring begins, with the smaller id: the
 * asked point is one metre west of a border of cells (16 km).
 */
static void test_tie_across_a_ring_border(void **state)
{
    struct world *world = *state;
    struct offer offer;
    struct criteria criteria;
    fixture_criteria(&criteria, 431999, 434000);
    criteria.limit = 1;
    for (uint32_t rings = 0; rings < 3; rings++) {
        uint32_t gap = 1 + 16000 * rings;
        fixture_offer(&offer, 9, 431999 - gap, 434000);
        put(world, 1, &offer);
        fixture_offer(&offer, 5, 431999 + gap, 434000);
        put(world, 2, &offer);
        assert_int_equal(find(world, &criteria), 1);
        assert_int_equal(world->answer.options[0].offer.vacancy_id, 5);
        assert_int_equal(world->answer.options[0].distance_metres, gap);
    }
}

/* Points that no place has must neither crash nor change the order. */
static void test_points_off_the_grid(void **state)
{
    static const uint32_t points[][2] = {{0, 0}, {699999, 1299999}, {900000, 1500000}, {0, 2000000}, {428000, 436000}};
    struct world *world = *state;
    struct offer offer;
    struct criteria criteria;
    for (uint32_t i = 0; i < 5; i++) {
        fixture_offer(&offer, 10 + i, points[i][0], points[i][1]);
        put(world, 1 + i, &offer);
    }
    for (uint32_t i = 0; i < 5; i++) {
        fixture_criteria(&criteria, points[i][0], points[i][1]);
        assert_int_equal(find(world, &criteria), 3);
        assert_int_equal(world->answer.options[0].offer.vacancy_id, 10 + i);
        assert_true(world->answer.options[1].distance_metres <= world->answer.options[2].distance_metres);
    }
}

/* An unfinished search goes on in its version, whatever is committed meanwhile. */
static void test_an_unfinished_search_keeps_its_version(void **state)
{
    struct world *world = *state;
    struct fixture_batch batch;
    struct offer offer;
    struct criteria criteria;
    struct match_search *search = NULL, *abandoned = NULL;
    for (uint32_t i = 0; i < 10 * FIXTURE_BATCH; i++) {
        if (i % FIXTURE_BATCH == 0)
            fixture_begin(&batch);
        fixture_offer(&offer, 1000 + i, 400000 + 97 * i, 400000 + 131 * (i % 100));
        fixture_put(&batch, 1 + i, &offer);
        if (i % FIXTURE_BATCH == FIXTURE_BATCH - 1)
            fixture_commit(&batch, world->match, ++world->sequence);
    }
    uint64_t before = world->sequence;
    fixture_criteria(&criteria, 400000, 400000);
    criteria.limit = 100;
    criteria.children[0].age_months = 200; /* nobody: every offer is looked at */
    assert_int_equal(match_find(world->match, &criteria, 10, &world->arena, &world->answer, &search), ERR_NONE);
    assert_int_equal(match_find(world->match, &criteria, 10, &world->arena, &world->answer, &abandoned), ERR_NONE);
    assert_non_null(search);
    assert_non_null(abandoned);
    for (uint32_t i = 0; i < 10 * FIXTURE_BATCH; i++)
        put(world, 1 + i, NULL);
    match_search_abandon(abandoned);
    int turns = 0;
    while (search && turns++ < 1000)
        assert_int_equal(match_find(world->match, &criteria, 10, &world->arena, &world->answer, &search), ERR_NONE);
    assert_true(turns > 5);
    assert_int_equal(world->answer.positions[0].sequence, before);
    assert_int_equal(world->answer.considered, 10 * FIXTURE_BATCH);
    assert_int_equal(world->answer.removed[RULE_H3].failed_alone, 10 * FIXTURE_BATCH);
    find(world, &criteria);
    assert_int_equal(world->answer.considered, 0);
    match_search_abandon(NULL);
}

static void test_a_short_arena_is_a_limit(void **state)
{
    struct world *world = *state;
    struct offer offer;
    struct criteria criteria;
    struct arena small;
    fixture_offer(&offer, 7, E_METRES, N_METRES);
    put(world, 1, &offer);
    fixture_criteria(&criteria, E_METRES, N_METRES);
    arena_init(&small, 100);
    assert_int_equal(match_find(world->match, &criteria, 10, &small, &world->answer, NULL), ERR_LIMIT);
    arena_finish(&small);
}

static void test_memory_is_given_back(void **state)
{
    struct world *world = *state;
    struct offer offer;
    uint64_t offers, empty, full, bytes;
    match_stats(world->match, &offers, &empty);
    for (uint32_t round = 0; round < 3; round++) {
        for (uint32_t i = 0; i < 100; i++) {
            fixture_offer(&offer, 1 + i, 400000 + i, 400000);
            put(world, 1 + i, &offer);
        }
        match_stats(world->match, &offers, &bytes);
        assert_int_equal(offers, 100);
        if (round == 0)
            full = bytes;
        assert_true(bytes <= full + sizeof(void *) && bytes > empty);
        for (uint32_t i = 0; i < 100; i++)
            put(world, 1 + i, NULL);
        match_stats(world->match, &offers, &bytes);
        assert_int_equal(offers, 0);
    }
}

/* domain.md H12 with the placements standard's "must": an animal has to live there, and none the child can't live with.
 */
static void test_an_animal_must_live_there(void **state)
{
    struct world *world = *state;
    struct offer offer;
    struct criteria criteria;
    fixture_offer(&offer, 7, E_METRES, N_METRES);
    put(world, 1, &offer);
    fixture_criteria(&criteria, E_METRES, N_METRES);
    assert_int_equal(find(world, &criteria), 1);
    criteria.pets_must = true;
    find(world, &criteria);
    assert_removed_by(world, RULE_H12);
    offer.pets = 1u << 2;
    put(world, 1, &offer);
    assert_int_equal(find(world, &criteria), 1);
    criteria.no_pets = 1u << 2;
    find(world, &criteria);
    assert_removed_by(world, RULE_H12);
    criteria.no_pets = 1u << 1;
    assert_int_equal(find(world, &criteria), 1);
}

/* H10 with the gazetteer: a cell that also takes an authority's scattered places is judged by all that it may hold. */
static void test_avoided_place_and_the_rest_of_an_authority(void **state)
{
    struct world *world = *state;
    struct gazetteer *gazetteer;
    struct problem problem;
    struct offer offer;
    struct criteria criteria;
    assert_int_equal(gazetteer_load(NULL, &gazetteer, &problem), ERR_NONE);
    const struct authority *leeds = gazetteer_authority(gazetteer, "E08000035");
    assert_non_null(leeds);
    match_destroy(world->match);
    world->match = match_create(gazetteer, FIXTURE_REGION);
    struct fixture_batch batch;
    fixture_begin(&batch);
    fixture_agency(&batch, "leeds", true);
    fixture_commit(&batch, world->match, 1);
    fixture_offer(&offer, 7, E_METRES, N_METRES);
    offer.cell.square_e_km = offer.cell.square_n_km = offer.cell.size_km = 0;
    put(world, 1, &offer);
    fixture_criteria(&criteria, E_METRES, N_METRES);
    criteria.avoided_count = 1;
    criteria.avoided[0] =
        (struct avoided){(uint32_t)leeds->west_km * 1000 - 600, (uint32_t)leeds->south_km * 1000 + 1000, 500, 0, ""};
    assert_int_equal(find(world, &criteria), 1);
    criteria.avoided[0].radius_metres = 600;
    find(world, &criteria);
    assert_removed_by(world, RULE_H10);
    match_destroy(world->match);
    world->match = match_create(NULL, FIXTURE_REGION);
    gazetteer_destroy(gazetteer);
}

int main(void)
{
#define CASE(test) cmocka_unit_test_setup_teardown(test, world_open, world_close)
    const struct CMUnitTest tests[] = {
        CASE(test_reasons_carry_what_was_asked_and_found),
        CASE(test_beyond_three_is_exemption_needed),
        CASE(test_beds_held_count_as_children_who_are_coming),
        CASE(test_alongside_a_child_who_is_coming),
        CASE(test_beds_and_groups),
        CASE(test_bedrooms),
        CASE(test_stale_ones_are_to_phone_first),
        CASE(test_unconfirmed_only_on_request_and_only_what_was_vacant),
        CASE(test_farthest_distance),
        CASE(test_suspended_and_unknown_agencies),
        CASE(test_tie_across_a_ring_border),
        CASE(test_points_off_the_grid),
        CASE(test_an_unfinished_search_keeps_its_version),
        CASE(test_a_short_arena_is_a_limit),
        CASE(test_memory_is_given_back),
        CASE(test_an_animal_must_live_there),
        CASE(test_avoided_place_and_the_rest_of_an_authority),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
