/* tier: check */
/*
 * One vacancy explained: it says of each vacancy what the list of all options says of it, and how many come before it;
 * in random registers (MATCH_SEED) and one case at a time.
 */
#include "tests/unit/match_random.h"

#define WORLDS    30
#define QUESTIONS 10

static void explain(struct random_world *world, const struct criteria *criteria, uint64_t vacancy_id,
                    struct explanation *out)
{
    struct match_explaining *resume = NULL;
    uint32_t budget = random_percent(&world->random, 50) ? UINT32_MAX : random_up_to(&world->random, 60);
    do
        assert_int_equal(match_explain(world->match, criteria, vacancy_id, budget, &world->arena, out, &resume),
                         ERR_NONE);
    while (resume != NULL);
}

static uint32_t place_in(const struct option *options, uint32_t count, uint64_t vacancy_id)
{
    uint32_t at = 0;
    while (at < count && options[at].offer.vacancy_id != vacancy_id)
        at++;
    return at;
}

static uint32_t failed_of(const struct option *option)
{
    uint32_t failed = 0;
    for (uint32_t i = 0; i < option->reason_count; i++)
        failed += option->reasons[i].outcome == RULE_FAILED;
    return failed;
}

/* Against the list of all options, and that of all to phone first. */
static void check(struct random_world *world, const struct criteria *criteria, const struct answer *answer,
                  uint64_t vacancy_id, uint32_t *seen)
{
    struct explanation out;
    explain(world, criteria, vacancy_id, &out);
    uint32_t at = place_in(answer->options, answer->option_count, vacancy_id);
    uint32_t to_phone = place_in(answer->phone_first, answer->phone_first_count, vacancy_id);
    const struct option *option = at < answer->option_count              ? &answer->options[at]
                                  : to_phone < answer->phone_first_count ? &answer->phone_first[to_phone]
                                                                         : NULL;
    assert_true(out.found);
    assert_int_equal(out.option.offer.vacancy_id, vacancy_id);
    assert_int_equal(out.suitable, option != NULL);
    assert_int_equal(out.position_count, 1);
    assert_int_equal(failed_of(&out.option) == 0, out.suitable);
    char region[GSS_BYTES];
    struct agency agency;
    assert_int_equal(match_where(world->match, vacancy_id, region, &agency), ERR_NONE);
    assert_string_equal(region, out.option.region);
    assert_string_equal(agency.id, out.option.agency.id);
    assert_string_equal(agency.phone, out.option.agency.phone);
    assert_int_equal(match_where(world->match, vacancy_id ^ UINT64_C(1) << 60, region, &agency), ERR_NOT_FOUND);
    seen[option == NULL ? 0 : at < answer->option_count ? 1 : 2]++;
    if (option == NULL)
        return;
    assert_int_equal(out.ahead, at < answer->option_count ? at : to_phone);
    assert_int_equal(out.option.distance_metres, option->distance_metres);
    assert_int_equal(out.option.children_taken, option->children_taken);
    assert_int_equal(out.option.reason_count, option->reason_count);
    for (uint32_t i = 0; i < option->reason_count; i++) {
        assert_int_equal(out.option.reasons[i].rule, option->reasons[i].rule);
        assert_int_equal(out.option.reasons[i].outcome, option->reasons[i].outcome);
        assert_string_equal(out.option.reasons[i].found, option->reasons[i].found);
    }
}

static void test_every_vacancy_is_explained_as_it_is_listed(void **state)
{
    static struct random_world world;
    uint64_t seed = random_seed();
    uint32_t seen[3] = {0};
    (void)state;
    for (uint32_t round = 0; round < WORLDS; round++) {
        random_world_open(&world, seed + round, RANDOM_OFFERS);
        for (uint32_t i = 0; i < QUESTIONS; i++) {
            struct criteria criteria;
            struct answer answer;
            arena_reset(&world.arena);
            random_criteria(&world.random, &criteria);
            random_ask(&world, &criteria, &answer);
            criteria.limit = 1; /* not looked at */
            for (uint32_t j = 0; j < world.count; j++)
                check(&world, &criteria, &answer, world.offers[j].vacancy_id, seen);
        }
        random_world_close(&world);
    }
    assert_true(seen[0] > 0 && seen[1] > 0 && seen[2] > 0);
}

/* --- one case at a time ------------------------------------------------------------------------------------------ */

static struct random_world world;
static struct criteria criteria;

static int open_world(void **state)
{
    (void)state;
    random_world_open(&world, 1, 0);
    fixture_criteria(&criteria, RANDOM_E_METRES, RANDOM_N_METRES);
    return 0;
}

static int close_world(void **state)
{
    (void)state;
    random_world_close(&world);
    return 0;
}

static void put_home(uint64_t vacancy_id, uint32_t east_metres)
{
    fixture_offer(&world.offers[world.count], vacancy_id, RANDOM_E_METRES + east_metres, RANDOM_N_METRES);
    random_world_put(&world, world.count++);
}

static void test_what_is_not_there_is_not_found(void **state)
{
    struct explanation out;
    (void)state;
    explain(&world, &criteria, 7, &out);
    assert_false(out.found);
    put_home(7, 100);
    explain(&world, &criteria, 8, &out);
    assert_false(out.found);
    assert_int_equal(out.position_count, 1);
    explain(&world, &criteria, 7, &out);
    assert_true(out.found && out.suitable);
}

/* What it fails is said in words, and what it meets as well. */
static void test_failed_rules_have_reasons(void **state)
{
    struct explanation out;
    const struct reason *terms = NULL;
    (void)state;
    put_home(7, 100);
    criteria.children[0].age_months = 168;
    criteria.within_metres = 50;
    explain(&world, &criteria, 7, &out);
    assert_true(out.found);
    assert_false(out.suitable);
    assert_int_equal(out.ahead, 0);
    assert_int_equal(failed_of(&out.option), 2);
    for (uint32_t i = 0; i < out.option.reason_count; i++)
        if (out.option.reasons[i].rule == RULE_H3)
            terms = &out.option.reasons[i];
    assert_non_null(terms);
    assert_int_equal(terms->outcome, RULE_FAILED);
    assert_string_equal(terms->asked, "14 F, short term");
}

/* An offer whose agency nobody has told of yet has no card, and a reason. */
static void test_an_unknown_agency(void **state)
{
    struct explanation out;
    (void)state;
    put_home(7, 100);
    snprintf(world.offers[0].agency, sizeof world.offers[0].agency, "nobody");
    random_world_put(&world, 0);
    explain(&world, &criteria, 7, &out);
    assert_true(out.found);
    assert_false(out.suitable);
    assert_int_equal(failed_of(&out.option), 1);
    assert_int_equal(out.option.agency.name[0], '\0');
}

/* Two regions can give the same id, by chance or not: the first by code is meant. */
static void test_two_regions_with_the_same_id(void **state)
{
    static const char *const regions[] = {"E12000005", "E12000001", "E12000009"};
    struct explanation out;
    (void)state;
    put_home(7, 100);
    for (uint32_t i = 0; i < 3; i++) {
        struct fixture_batch batch;
        struct offer offer;
        fixture_begin(&batch);
        batch.commit.region = regions[i];
        fixture_agency(&batch, "leeds", true);
        fixture_offer(&offer, 7, RANDOM_E_METRES + 1000 * (i + 1), RANDOM_N_METRES);
        fixture_put(&batch, 99, &offer);
        fixture_commit(&batch, world.match, 1);
    }
    explain(&world, &criteria, 7, &out);
    assert_string_equal(out.option.region, "E12000001");
    assert_int_equal(out.option.distance_metres, 2000);
    assert_int_equal(out.ahead, 2);
    assert_int_equal(out.position_count, 4);
}

/* It keeps the version that it began with, stops when told to, and gives back what it has when it is abandoned. */
static void test_unfinished(void **state)
{
    struct match_explaining *resume = NULL, *abandoned = NULL;
    struct explanation out;
    int turns = 0;
    (void)state;
    for (uint32_t i = 0; i < RANDOM_OFFERS; i++)
        put_home(10 + i, 700 * i);
    assert_int_equal(match_explain(world.match, &criteria, 99, 1, &world.arena, &out, &resume), ERR_NONE);
    assert_int_equal(match_explain(world.match, &criteria, 99, 1, &world.arena, &out, &abandoned), ERR_NONE);
    assert_non_null(resume);
    assert_non_null(abandoned);
    match_explain_abandon(abandoned);
    match_explain_abandon(NULL);
    world.offers[0].state = VACANCY_NOT_AVAILABLE;
    random_world_put(&world, 0);
    for (; resume != NULL; turns++)
        assert_int_equal(match_explain(world.match, &criteria, 99, 1, &world.arena, &out, &resume), ERR_NONE);
    assert_true(turns > 2);
    assert_int_equal(out.ahead, RANDOM_OFFERS - 1);
    explain(&world, &criteria, 99, &out);
    assert_int_equal(out.ahead, RANDOM_OFFERS - 2);
}

static void test_a_short_arena_is_a_limit(void **state)
{
    struct explanation out;
    struct arena small;
    (void)state;
    put_home(7, 100);
    arena_init(&small, 100);
    assert_int_equal(match_explain(world.match, &criteria, 7, UINT32_MAX, &small, &out, NULL), ERR_LIMIT);
    arena_finish(&small);
}

int main(void)
{
#define CASE(test) cmocka_unit_test_setup_teardown(test, open_world, close_world)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_vacancy_is_explained_as_it_is_listed),
        CASE(test_what_is_not_there_is_not_found),
        CASE(test_failed_rules_have_reasons),
        CASE(test_an_unknown_agency),
        CASE(test_two_regions_with_the_same_id),
        CASE(test_unfinished),
        CASE(test_a_short_arena_is_a_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
