/* tier: check */
/*
 * test_service_positions.c - what an answer says of each region: where this hub stands in its log, how old that is, and
 * what to mind (design 4.6); each option's region.
 */
#include "daemon/service/convert.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define HOME "E12000003"

struct asked {
    struct service_context ctx;
    struct question question;
    struct arena arena;
};

static int set_up(void **state)
{
    struct asked *asked = calloc(1, sizeof *asked);
    struct gazetteer *gazetteer;
    struct problem problem;
    assert_int_equal(gazetteer_load(NULL, &gazetteer, &problem), ERR_NONE);
    asked->ctx.gazetteer = gazetteer;
    strcpy(asked->ctx.region, HOME);
    asked->question.team = (struct principal){.role = ROLE_TEAM, .region = HOME, .authority = "E08000035"};
    asked->question.frame = (struct search_frame){.order_name = "default", .near_precision = PLACE_SECTOR};
    arena_init(&asked->arena, 1 << 20);
    *state = asked;
    return 0;
}

static int tear_down(void **state)
{
    struct asked *asked = *state;
    gazetteer_destroy((struct gazetteer *)asked->ctx.gazetteer);
    arena_finish(&asked->arena);
    free(asked);
    return 0;
}

static const Vacancy__V1__FindVacanciesResponse *view(struct asked *asked, const struct answer *answer,
                                                      const struct replica_age *ages, size_t age_count)
{
    asked->question.ages = ages;
    asked->question.age_count = age_count;
    const Vacancy__V1__FindVacanciesResponse *out = answer_view(&asked->ctx, &asked->question, answer, &asked->arena);
    assert_non_null(out);
    return out;
}

static void assert_position(const Vacancy__V1__FindVacanciesResponse *out, size_t at,
                            const Vacancy__V1__RegionPosition *expected)
{
    assert_true(at < out->n_positions);
    const Vacancy__V1__RegionPosition *position = out->positions[at];
    assert_string_equal(position->region, expected->region);
    assert_int_equal(position->epoch, expected->epoch);
    assert_int_equal(position->sequence, expected->sequence);
    assert_int_equal(position->age_ms, expected->age_ms);
    assert_int_equal(position->stale, expected->stale);
    assert_int_equal(position->missing, expected->missing);
    assert_int_equal(position->frozen, expected->frozen);
    assert_int_equal(position->clock_differs_ms, expected->clock_differs_ms);
}
#define POSITION(...) (&(const Vacancy__V1__RegionPosition){__VA_ARGS__})

static void test_a_hub_without_federation(void **state)
{
    struct region_position home = {HOME, 1, 17};
    const struct answer answer = {.positions = &home, .position_count = 1};
    const Vacancy__V1__FindVacanciesResponse *out = view(*state, &answer, NULL, 0);
    assert_int_equal(out->n_positions, 1);
    assert_position(out, 0, POSITION(.region = (char *)HOME, .epoch = 1, .sequence = 17));
}

/* Every region of the roster has its line, in the order of their codes, whatever is here of it. */
static void test_every_region_of_the_roster(void **state)
{
    struct region_position searched[] = {
        {"E12000001", 1, 5}, {HOME, 2, 17}, {"E12000004", 1, 8}, {"E12000006", 3, 9}, {"E12000007", 1, 4}};
    const struct answer answer = {.positions = searched, .position_count = 5};
    const struct replica_age ages[] = {
        {.region = "E12000001", .present = true, .age_ms = STALE_AFTER_DEFAULT_MS},
        {.region = "E12000002"},
        {.region = "E12000004", .present = true, .age_ms = STALE_AFTER_DEFAULT_MS + 1},
        {.region = "E12000005", .frozen = true},
        {.region = "E12000006", .present = true, .frozen = true, .age_ms = 3000, .clock_differs_ms = 7200000},
        {.region = "E12000009"},
    };
    const Vacancy__V1__FindVacanciesResponse *out = view(*state, &answer, ages, 6);
    assert_int_equal(out->n_positions, 8);
    assert_position(out, 0, POSITION(.region = (char *)"E12000001", .epoch = 1, .sequence = 5, .age_ms = 60000));
    assert_position(out, 1, POSITION(.region = (char *)"E12000002", .missing = true));
    assert_position(out, 2, POSITION(.region = (char *)HOME, .epoch = 2, .sequence = 17));
    assert_position(out, 3,
                    POSITION(.region = (char *)"E12000004", .epoch = 1, .sequence = 8, .age_ms = 60001, .stale = true));
    assert_position(out, 4, POSITION(.region = (char *)"E12000005", .missing = true, .frozen = true));
    assert_position(out, 5,
                    POSITION(.region = (char *)"E12000006", .epoch = 3, .sequence = 9, .age_ms = 3000, .frozen = true,
                             .clock_differs_ms = 7200000));
    assert_position(out, 6, POSITION(.region = (char *)"E12000007", .epoch = 1, .sequence = 4, .stale = true));
    assert_position(out, 7, POSITION(.region = (char *)"E12000009", .missing = true));
}

/* The operator's limit, not the default. */
static void test_the_configured_age(void **state)
{
    struct asked *asked = *state;
    struct region_position searched[] = {{"E12000001", 1, 5}, {HOME, 2, 17}};
    const struct answer answer = {.positions = searched, .position_count = 2};
    struct replica_age age = {.region = "E12000001", .present = true, .age_ms = 5000};
    asked->ctx.stale_after_ms = 5000;
    assert_false(view(asked, &answer, &age, 1)->positions[0]->stale);
    age.age_ms = 5001;
    assert_true(view(asked, &answer, &age, 1)->positions[0]->stale);
}

static void test_an_option_says_its_region(void **state)
{
    static struct option options[2] = {{.region = "E12000007", .offer.cell.authority = "E08000035"},
                                       {.region = HOME, .offer.cell.authority = "E08000035"}};
    struct region_position home = {HOME, 1, 17};
    const struct answer answer = {.options = options, .option_count = 2, .positions = &home, .position_count = 1};
    const Vacancy__V1__FindVacanciesResponse *out = view(*state, &answer, NULL, 0);
    assert_int_equal(out->n_options, 2);
    assert_string_equal(out->options[0]->region, "E12000007");
    assert_string_equal(out->options[1]->region, HOME);
}

/* A federation of every council's hub. */
static void test_two_hundred_regions(void **state)
{
    struct asked *asked = *state;
    static struct replica_age ages[ROSTER_REGIONS_MAX];
    static struct region_position searched[ROSTER_REGIONS_MAX + 1];
    for (int i = 0; i < ROSTER_REGIONS_MAX; i++) {
        ages[i] = (struct replica_age){.present = true, .age_ms = i};
        snprintf(ages[i].region, GSS_BYTES, "E%08d", 1 + i);
        searched[i] = (struct region_position){.epoch = 1, .sequence = (uint64_t)i};
        strcpy(searched[i].region, ages[i].region);
    }
    searched[ROSTER_REGIONS_MAX] = (struct region_position){HOME, 1, 1};
    const struct answer answer = {.positions = searched, .position_count = ROSTER_REGIONS_MAX + 1};
    const Vacancy__V1__FindVacanciesResponse *out = view(asked, &answer, ages, ROSTER_REGIONS_MAX);
    assert_int_equal(out->n_positions, ROSTER_REGIONS_MAX + 1);
    for (size_t i = 0; i < ROSTER_REGIONS_MAX; i++)
        assert_true(out->positions[i]->age_ms == (int64_t)i && !out->positions[i]->stale);
    struct arena small;
    arena_init(&small, 1000);
    assert_null(answer_view(&asked->ctx, &asked->question, &answer, &small));
    arena_finish(&small);
}

int main(void)
{
#define CASE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CASE(test_a_hub_without_federation),  CASE(test_every_region_of_the_roster), CASE(test_the_configured_age),
        CASE(test_an_option_says_its_region), CASE(test_two_hundred_regions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
