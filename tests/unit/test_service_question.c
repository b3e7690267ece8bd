/* tier: check */
/*
 * test_service_question.c - what FindVacanciesRequest promises of the placements standard's fields, of the order and of
 * how much of an answer is wanted: each refusal names its field and repeats nothing, and each value becomes the
 * criteria that match is asked with. The fields of issue 2 are test_service_read.c's.
 */
#include "daemon/service/convert.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define NOW_MS 1780315200000LL /* 2026-06-01T12:00:00Z */
#define LEEDS  "E08000035"     /* 383 */

#define EVERY_KIND_OF_PET 0x7eu

static struct {
    struct service_context ctx;
    Vacancy__V1__FindVacanciesRequest request;
    Vacancy__V1__Child children[3], *children_at[3];
    char *texts[5];
    int codes[ORDER_STEPS_MAX + 1];
    struct path at;
    struct question out;
    struct problem problem;
} q;

static int set_up(void **state)
{
    (void)state;
    struct gazetteer *gazetteer;
    memset(&q, 0, sizeof q);
    assert_int_equal(gazetteer_load(NULL, &gazetteer, &q.problem), ERR_NONE);
    q.ctx.gazetteer = gazetteer;
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    gazetteer_destroy((struct gazetteer *)q.ctx.gazetteer);
    return 0;
}

/* One girl of eight near the middle of Leeds, for Leeds. */
static void plain(void)
{
    vacancy__v1__find_vacancies_request__init(&q.request);
    for (size_t i = 0; i < 3; i++) {
        vacancy__v1__child__init(&q.children[i]);
        q.children[i].age_months = 96;
        q.children[i].sex = VACANCY__V1__SEX__SEX_F;
        q.children_at[i] = &q.children[i];
    }
    for (size_t i = 0; i < 5; i++)
        q.texts[i] = (char *)"LS6 1";
    memset(q.codes, 0, sizeof q.codes);
    q.request.request_reference = (char *)"383-204417";
    q.request.purpose = VACANCY__V1__PURPOSE__PURPOSE_PLACEMENT;
    q.request.near_postcode = (char *)"LS1 4AP";
    q.request.children = q.children_at;
    q.request.n_children = 1;
    q.request.care_type = VACANCY__V1__CARE_TYPE__CARE_TYPE_SHORT_TERM;
}

static enum err ask(const struct path *at)
{
    q.problem = (struct problem){0};
    q.out = (struct question){.team = {.role = ROLE_TEAM, .region = "E12000003", .authority = LEEDS}};
    return question_from(&q.ctx, at, &q.request, NOW_MS, &q.out, &q.problem);
}

static void refused(const char *what, const char *field)
{
    const struct path at = {NULL, "question", -1};
    char within[PROBLEM_FIELD_BYTES];
    path_text(&at, field, within);
    for (size_t i = 0; i < 2; i++) {
        enum err err = ask(i == 0 ? NULL : &at);
        if (err != ERR_INVALID || strcmp(q.problem.field, i == 0 ? field : within) != 0 || q.problem.text[0] == '\0' ||
            strstr(q.problem.text, "SECRET") != NULL)
            fail_msg("%s: %s [%s] \"%s\"", what, err_name(err), q.problem.field, q.problem.text);
    }
}

static const struct criteria *taken(const char *what)
{
    enum err err = ask(NULL);
    if (err != ERR_NONE)
        fail_msg("%s: %s [%s] \"%s\"", what, err_name(err), q.problem.field, q.problem.text);
    return &q.out.criteria;
}

#define F (q.request)
#define C (q.out.criteria)
#define CODES(field, ...)                                                                                              \
    (memcpy(q.codes, (int[]){__VA_ARGS__}, sizeof(int[]){__VA_ARGS__}),                                                \
     F.n_##field = sizeof(int[]){__VA_ARGS__} / sizeof(int), F.field = (void *)q.codes)
#define TEXTS(field, n) (F.n_##field = (n), F.field = q.texts)
#define REFUSED(field, statement)                                                                                      \
    plain();                                                                                                           \
    statement;                                                                                                         \
    refused(#statement, field)
#define TAKEN(statement)                                                                                               \
    plain();                                                                                                           \
    statement;                                                                                                         \
    taken(#statement)

/* --- when ------------------------------------------------------------------------------------------------------- */

static void test_needed_by(void **state)
{
    (void)state;
    const date_days today = date_of_wall_ms(NOW_MS);
    REFUSED("needed_by", F.needed_by = (Vacancy__V1__NeededBy)4);
    REFUSED("needed_by", F.needed_by = VACANCY__V1__NEEDED_BY__NEEDED_BY_TODAY; F.starts_on = (char *)"2026-06-02");
    REFUSED("needed_by", F.needed_by = VACANCY__V1__NEEDED_BY__NEEDED_BY_UNDER_5_DAYS;
            F.starts_on = (char *)"2026-06-06");
    REFUSED("starts_on", F.needed_by = VACANCY__V1__NEEDED_BY__NEEDED_BY_5_DAYS_OR_MORE);
    REFUSED("needed_by", F.needed_by = VACANCY__V1__NEEDED_BY__NEEDED_BY_5_DAYS_OR_MORE;
            F.starts_on = (char *)"2026-06-05");

    /* What is days ahead is no emergency (reg 23). */
    REFUSED("overrides", CODES(overrides, OVERRIDE_OUTSIDE_TERMS); F.starts_on = (char *)"2026-06-06");
    TAKEN(CODES(overrides, OVERRIDE_OUTSIDE_TERMS); F.starts_on = (char *)"2026-06-05");
    TAKEN(CODES(overrides, OVERRIDE_EXEMPTION); F.starts_on = (char *)"2026-06-06");
    TAKEN(F.needed_by = 0);
    assert_true(C.starts_on == today && !C.on_call_asked);
    TAKEN(F.needed_by = VACANCY__V1__NEEDED_BY__NEEDED_BY_TODAY);
    assert_true(C.starts_on == today && C.on_call_asked);
    TAKEN(F.needed_by = VACANCY__V1__NEEDED_BY__NEEDED_BY_TODAY; F.starts_on = (char *)"2026-06-01");
    TAKEN(F.needed_by = VACANCY__V1__NEEDED_BY__NEEDED_BY_UNDER_5_DAYS; F.starts_on = (char *)"2026-06-05");
    assert_true(C.starts_on == today + 4 && !C.on_call_asked);
    TAKEN(F.needed_by = VACANCY__V1__NEEDED_BY__NEEDED_BY_UNDER_5_DAYS);
    assert_true(C.starts_on == today); /* as NeededBy says */
    TAKEN(F.needed_by = VACANCY__V1__NEEDED_BY__NEEDED_BY_5_DAYS_OR_MORE; F.starts_on = (char *)"2026-06-06");
    assert_true(C.starts_on == today + 5);
    /* S11 is asked for by each of three. */
    TAKEN(F.purpose = VACANCY__V1__PURPOSE__PURPOSE_EMERGENCY_PLACEMENT);
    assert_true(C.on_call_asked);
    TAKEN(F.care_type = VACANCY__V1__CARE_TYPE__CARE_TYPE_EMERGENCY);
    assert_true(C.on_call_asked);
}

/* SSDA903: U4 long term, U5 approved adopter, U6 neither. */
static void test_placement_code(void **state)
{
    (void)state;
    REFUSED("care_type", F.care_type = 0);
    REFUSED("placement_code", F.placement_code = (Vacancy__V1__PlacementCode)4);
    REFUSED("placement_code", F.placement_code = VACANCY__V1__PLACEMENT_CODE__PLACEMENT_CODE_U4);
    REFUSED("placement_code", F.placement_code = VACANCY__V1__PLACEMENT_CODE__PLACEMENT_CODE_U5);
    REFUSED("placement_code", F.placement_code = VACANCY__V1__PLACEMENT_CODE__PLACEMENT_CODE_U6;
            F.care_type = VACANCY__V1__CARE_TYPE__CARE_TYPE_LONG_TERM);
    REFUSED("placement_code", F.placement_code = VACANCY__V1__PLACEMENT_CODE__PLACEMENT_CODE_U6;
            F.care_type = VACANCY__V1__CARE_TYPE__CARE_TYPE_FOSTERING_FOR_ADOPTION);

    TAKEN(F.placement_code = VACANCY__V1__PLACEMENT_CODE__PLACEMENT_CODE_U4; F.care_type = 0);
    assert_true(C.care_type == CARE_LONG_TERM && C.long_term_plan);
    TAKEN(F.placement_code = VACANCY__V1__PLACEMENT_CODE__PLACEMENT_CODE_U4;
          F.care_type = VACANCY__V1__CARE_TYPE__CARE_TYPE_LONG_TERM);
    assert_true(C.care_type == CARE_LONG_TERM && C.long_term_plan);
    TAKEN(F.placement_code = VACANCY__V1__PLACEMENT_CODE__PLACEMENT_CODE_U5; F.care_type = 0);
    assert_true(C.care_type == CARE_FOSTERING_FOR_ADOPTION && !C.long_term_plan);
    TAKEN(F.placement_code = VACANCY__V1__PLACEMENT_CODE__PLACEMENT_CODE_U6; F.care_type = 0);
    assert_true(C.care_type == CARE_SHORT_TERM && !C.long_term_plan);
    TAKEN(F.placement_code = VACANCY__V1__PLACEMENT_CODE__PLACEMENT_CODE_U6;
          F.care_type = VACANCY__V1__CARE_TYPE__CARE_TYPE_EMERGENCY);
    assert_true(C.care_type == CARE_EMERGENCY);
    TAKEN(F.care_type = VACANCY__V1__CARE_TYPE__CARE_TYPE_LONG_TERM);
    assert_true(C.long_term_plan);
}

/* Reg 10: 14 and 15, and whoever of the group is. */
static void test_key_stage_4(void **state)
{
    (void)state;
    static const struct {
        uint32_t months;
        bool is;
    } rows[] = {{156, false}, {168, true}, {180, true}, {192, false}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        plain();
        F.n_children = 3;
        q.children[1].age_months = rows[i].months;
        assert_int_equal(taken("an age")->key_stage_4, rows[i].is);
    }
}

/* Staying Put is not fostering: no child under 18 gets past the terms and the usual limit by that name. */
static void test_staying_put(void **state)
{
    (void)state;
    static const int outside_terms[] = {OVERRIDE_OUTSIDE_TERMS};
#define STAYING_PUT F.care_type = VACANCY__V1__CARE_TYPE__CARE_TYPE_STAYING_PUT
    REFUSED("children[0].age_months", STAYING_PUT);
    REFUSED("children[0].age_months", STAYING_PUT; q.children[0].age_months = 204; F.n_overrides = 1;
            F.overrides = (Vacancy__V1__Override *)outside_terms);
    REFUSED("children[1].age_months", STAYING_PUT; F.n_children = 2; q.children[0].age_months = 216);
    REFUSED("children[0].age_months", q.children[0].age_months = 216);
    TAKEN(STAYING_PUT; F.n_children = 2; q.children[0].age_months = 216; q.children[1].age_months = 240);
    assert_true(C.care_type == CARE_STAYING_PUT && C.child_count == 2);
}

/* --- where ------------------------------------------------------------------------------------------------------ */

static void test_places(void **state)
{
    (void)state;
    struct place leeds, york;
    assert_int_equal(gazetteer_locate(q.ctx.gazetteer, "", "LS6 1", &leeds, &q.problem), ERR_NONE);
    assert_int_equal(gazetteer_locate(q.ctx.gazetteer, "", "YO1 7", &york, &q.problem), ERR_NONE);
#define PLACES(field, list, count)                                                                                     \
    REFUSED(#field, TEXTS(field, 5));                                                                                  \
    REFUSED(#field "[1]", TEXTS(field, 2); q.texts[1] = (char *)"");                                                   \
    REFUSED(#field "[3]", TEXTS(field, 4); q.texts[3] = (char *)"SECRET");                                             \
    REFUSED(#field "[0]", TEXTS(field, 1); q.texts[0] = (char *)"ZZ99 9ZZ");                                           \
    REFUSED(#field "[2]", TEXTS(field, 3); q.texts[2] = (char *)"LS6"); /* an outcode is too wide */                   \
    TAKEN(TEXTS(field, 4); q.texts[2] = (char *)"yo17hh");                                                             \
    assert_int_equal(C.count, 4);                                                                                      \
    assert_true(C.list[0].e_metres == (uint32_t)leeds.easting_m && C.list[0].n_metres == (uint32_t)leeds.northing_m);  \
    assert_true(C.list[2].e_metres == (uint32_t)york.easting_m && C.list[2].n_metres == (uint32_t)york.northing_m);    \
    TAKEN((void)0);                                                                                                    \
    assert_int_equal(C.count, 0)
    PLACES(school_postcodes, schools, school_count);
    PLACES(sibling_postcodes, sibling_places, sibling_place_count);
    PLACES(important_postcodes, important, important_count);
    assert_string_equal(C.authority, LEEDS);
}

/* H10: what is known by more than a point is avoided as the area that it is. */
static void test_avoided(void **state)
{
    (void)state;
    static Vacancy__V1__AvoidedPlace place, *place_at[] = {&place};
    static const struct {
        const char *text, *area;
    } known[] = {{"LS6", "LS6"}, {"ls6 1", "LS6 1"}, {"LS6 1AB", "LS6 1"}, {"DL8", "DL8"}};
#define AVOID(text, metres)                                                                                            \
    (vacancy__v1__avoided_place__init(&place), place.postcode = (char *)(text), place.radius_metres = (metres),        \
     F.avoid = place_at, F.n_avoid = 1)
    REFUSED("avoid[0].postcode", AVOID("SW1A 9", 0)); /* a sector that isn't known, of an outcode that is */
    REFUSED("avoid[0].postcode", AVOID("SW1A 9AA", 50000));
    REFUSED("avoid[0].postcode", AVOID("QQ1", 0));
    REFUSED("avoid[0].radius_metres", AVOID("LS6", 50001));
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        struct place there;
        assert_int_equal(gazetteer_locate(q.ctx.gazetteer, "", known[i].text, &there, &q.problem), ERR_NONE);
        TAKEN(AVOID(known[i].text, 1000));
        assert_int_equal(C.avoided_count, 1);
        assert_string_equal(C.avoided[0].area, known[i].area);
        assert_int_equal(C.avoided[0].radius_metres, 1000);
        assert_true(there.reach_metres > 0 && C.avoided[0].reach_metres == there.reach_metres);
    }
    assert_true(C.avoided[0].reach_metres > 30000); /* DL8 is the widest of Yorkshire */
}

/* --- needs ------------------------------------------------------------------------------------------------------ */

static bool asks_language(const char *tag)
{
    uint32_t times = 0;
    for (uint32_t i = 0; i < C.language_count; i++)
        times += strcmp(C.languages[i], tag) == 0;
    assert_true(times <= 1);
    return times == 1;
}

static void test_communication(void **state)
{
    (void)state;
    enum { ESOL = 1, BSL, MAKATON, OTHER, NONE };
    REFUSED("communication_needs[0]", CODES(communication_needs, 6));
    REFUSED("communication_needs[1]", CODES(communication_needs, BSL, 0));
    REFUSED("communication_needs[1]", CODES(communication_needs, BSL, BSL));
    REFUSED("communication_needs", CODES(communication_needs, NONE, ESOL));
    REFUSED("communication_needs", CODES(communication_needs, BSL, MAKATON); TEXTS(languages, 3);
            q.texts[0] = (char *)"pl"; q.texts[1] = (char *)"ur"; q.texts[2] = (char *)"pa");

    TAKEN(CODES(communication_needs, NONE));
    assert_int_equal(C.language_count, 0);
    TAKEN(CODES(communication_needs, ESOL, OTHER));
    assert_int_equal(C.language_count, 0);
    TAKEN(CODES(communication_needs, BSL, MAKATON); TEXTS(languages, 2); q.texts[0] = (char *)"pl";
          q.texts[1] = (char *)"ur");
    assert_int_equal(C.language_count, 4);
    assert_true(asks_language("bfi") && asks_language("art-x-makaton") && asks_language("pl") && asks_language("ur"));
    /* Said twice, in two ways, is said once: also where there is no room for more. */
    TAKEN(CODES(communication_needs, BSL); TEXTS(languages, 4); q.texts[0] = (char *)"pl"; q.texts[1] = (char *)"bfi";
          q.texts[2] = (char *)"ur"; q.texts[3] = (char *)"pa");
    assert_int_equal(C.language_count, 4);
    assert_true(asks_language("bfi"));
}

static void test_culture(void **state)
{
    (void)state;
    static const bool asked[] = {false, true, false, false, true};
    REFUSED("cultural_needs", F.cultural_needs = (Vacancy__V1__CulturalNeeds)5);
    for (int i = 0; i < 5; i++) {
        TAKEN(F.cultural_needs = (Vacancy__V1__CulturalNeeds)i);
        assert_int_equal(C.culture_asked, asked[i]);
    }
}

static void test_pets(void **state)
{
    (void)state;
    const Vacancy__V1__PetsWish MUST = 1, CAN = 2, NO = 3, NOT_KNOWN = 4;
    REFUSED("pets", F.pets = (Vacancy__V1__PetsWish)5);
    REFUSED("pets", F.pets = MUST; CODES(no_pets, 1, 2, 3, 4, 5, 6));
    TAKEN(F.pets = MUST; CODES(no_pets, 1, 2, 3, 4, 5));
    assert_true(C.pets_must && C.no_pets == (EVERY_KIND_OF_PET & ~(1u << 6)));
    TAKEN(F.pets = NO);
    assert_true(!C.pets_must && C.no_pets == EVERY_KIND_OF_PET);
    TAKEN(F.pets = NO; CODES(no_pets, 2));
    assert_true(!C.pets_must && C.no_pets == EVERY_KIND_OF_PET);
    for (int i = (int)CAN; i <= (int)NOT_KNOWN; i += 2) {
        TAKEN(F.pets = (Vacancy__V1__PetsWish)i; CODES(no_pets, 2));
        assert_true(!C.pets_must && C.no_pets == 1u << 2);
    }
}

/* --- the order -------------------------------------------------------------------------------------------------- */

static void test_order(void **state)
{
    (void)state;
    REFUSED("order_name", F.order_name = (char *)"distance"); /* what issue 2 called it */
    REFUSED("order_name", F.order_name = (char *)"SECRET");
    REFUSED("order_name", F.order_name = (char *)"383-"; CODES(order_steps, STEP_AREA));
    REFUSED("order_name", F.order_name = (char *)"383-Needs"; CODES(order_steps, STEP_AREA));
    REFUSED("order_name", F.order_name = (char *)"383-a b"; CODES(order_steps, STEP_AREA));
    REFUSED("order_name", F.order_name = (char *)"3830-a"; CODES(order_steps, STEP_AREA));
    REFUSED("order_name", F.order_name = (char *)"383-aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
            CODES(order_steps, STEP_AREA));
    REFUSED("order_name", F.order_name = (char *)"801-needs"; CODES(order_steps, STEP_AREA)); /* Bristol's */
    REFUSED("order_steps", CODES(order_steps, STEP_AREA));
    REFUSED("order_steps", F.order_name = (char *)"nearest"; CODES(order_steps, STEP_AREA));
    REFUSED("order_steps", F.order_name = (char *)"383-needs");
    REFUSED("order_steps[1]", F.order_name = (char *)"383-needs"; CODES(order_steps, STEP_AREA, STEP_END));
    REFUSED("order_steps[0]", F.order_name = (char *)"383-needs"; CODES(order_steps, STEP_NONE));
    REFUSED("order_steps[2]", F.order_name = (char *)"383-needs"; CODES(order_steps, STEP_AREA, STEP_FRESH, STEP_AREA));
    REFUSED("order_steps", F.order_name = (char *)"383-needs"; F.framework = (char *)LEEDS;
            CODES(order_steps, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 1));
    TAKEN(F.order_name = (char *)"383-needs"; F.framework = (char *)LEEDS;
          CODES(order_steps, 18, 17, 16, 15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1));
    REFUSED("order_steps[1]", F.order_name = (char *)"383-needs"; CODES(order_steps, STEP_AREA, STEP_TIER));

    TAKEN((void)0);
    assert_string_equal(q.out.frame.order_name, "default");
    assert_true(C.step_count > 1 && !C.rating_asked);
    for (uint32_t i = 0; i < C.step_count; i++) /* nobody's price, tier or rating (design 4.11) */
        assert_true(C.steps[i] != STEP_TIER && C.steps[i] != STEP_RATING);
    TAKEN(F.order_name = (char *)"nearest");
    assert_string_equal(q.out.frame.order_name, "nearest");
    TAKEN(F.order_name = (char *)"383-aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
          CODES(order_steps, STEP_FRESH, STEP_RATING, STEP_AREA));
    assert_string_equal(q.out.frame.order_name, F.order_name);
    assert_int_equal(C.step_count, 3);
    assert_true(C.steps[0] == STEP_FRESH && C.steps[1] == STEP_RATING && C.steps[2] == STEP_AREA);
    assert_true(C.rating_asked); /* what orders is also told */
    TAKEN(F.order_name = (char *)"383-0-"; CODES(order_steps, STEP_TIER); F.framework = (char *)LEEDS);
    assert_int_equal(C.steps[0], STEP_TIER);
}

static void test_framework(void **state)
{
    (void)state;
    REFUSED("framework", F.framework = (char *)"SECRET Framework");
    REFUSED("framework", F.framework = (char *)"E0800003");
    REFUSED("framework", F.framework = (char *)"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa");
    REFUSED("framework_tier", F.framework_tier = 1);
    REFUSED("framework_tier", F.framework = (char *)"white-rose"; F.framework_tier = 100);
    TAKEN(F.framework = (char *)"white-rose"; F.framework_tier = 99; F.show_rating = 1);
    assert_string_equal(C.framework, "white-rose");
    assert_true(C.framework_tier == 99 && C.rating_asked);
    TAKEN(F.framework = (char *)LEEDS);
    assert_string_equal(C.framework, LEEDS);
    assert_true(C.framework_tier == 0 && !C.rating_asked);
}

/* --- how much --------------------------------------------------------------------------------------------------- */

static void test_extent(void **state)
{
    (void)state;
    REFUSED("explain", F.explain = (Vacancy__V1__ExplainWhen)3);
    REFUSED("split_into", F.split_into = 4);
    REFUSED("split_into", F.n_children = 2; F.split_into = 2; F.grouping = VACANCY__V1__GROUPING__GROUPING_SPLIT);
    TAKEN(F.explain = VACANCY__V1__EXPLAIN_WHEN__EXPLAIN_WHEN_NEVER);
    assert_true(C.unexplained);
    TAKEN(F.explain = VACANCY__V1__EXPLAIN_WHEN__EXPLAIN_WHEN_SHORT);
    assert_false(C.unexplained);
    TAKEN((void)0);
    assert_true(!C.unexplained && C.split_into == 0 && C.limit == 3);

    /* Never into more homes than there are children. */
    static const uint32_t rows[][3] = {{1, 0, 0}, {1, 3, 0}, {2, 1, 0}, {2, 2, 2}, {2, 3, 2}, {3, 2, 2}, {3, 3, 3}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        TAKEN(F.n_children = rows[i][0]; F.split_into = rows[i][1]);
        assert_int_equal(C.split_into, rows[i][2]);
    }
    TAKEN(F.n_children = 2; F.split_into = 1; F.grouping = VACANCY__V1__GROUPING__GROUPING_SPLIT);
    assert_true(C.grouping == GROUPING_SPLIT && C.split_into == 0);
}

int main(void)
{
#define CASE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CASE(test_needed_by),   CASE(test_placement_code), CASE(test_key_stage_4),   CASE(test_places),
        CASE(test_staying_put), CASE(test_avoided),        CASE(test_communication), CASE(test_culture),
        CASE(test_pets),        CASE(test_order),          CASE(test_framework),     CASE(test_extent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
