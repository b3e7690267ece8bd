/* tier: check */
/* `vacancy find`: flags to request, the hub's fields to flags, and the answer's text, word for word. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "client/find_request.h"
#include "client/find_text.h"
#include "client/json.h"
#include "client/rule_words.h"
#include "client/screen.h"
#include "client/why_text.h"

#include <stdlib.h>
#include <string.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

struct made {
    struct options options;
    struct arena arena;
    Vacancy__V1__FindVacanciesRequest *request;
    struct problem problem;
};

static enum err make(struct made *made, const char *words)
{
    static char line[1024];
    const char *argv[64];
    int argc = 0;
    const struct option_spec *const tables[2] = {find_options, NULL};
    snprintf(line, sizeof line, "%s", words);
    for (char *word = strtok(line, " "); word; word = strtok(NULL, " "))
        argv[argc++] = word;
    *made = (struct made){0};
    arena_init(&made->arena, 64 * 1024);
    assert_int_equal(options_parse(tables, argc, argv, &made->options, &made->problem), ERR_NONE);
    return find_request_make(&made->options, &made->arena, &made->request, &made->problem);
}

static void drop(struct made *made)
{
    options_free(&made->options);
    arena_finish(&made->arena);
}

static void flags_make_a_request(void **state)
{
    (void)state;
    struct made made;
    assert_int_equal(make(&made,
                          "--near LS6 --child 14:M --child 8m --type long-term --need WHEELCHAIR --need step_free "
                          "--risk MISSING --no-pet DOG --alongside solo --avoid LS1:500 --avoid LS2 --language pl "
                          "--skill AUTISM --split --within 10 --limit 5 --starts 2026-12-01 --allow UNCONFIRMED "
                          "--purpose CONTINGENCY --order nearest --ref 383-204417"),
                     ERR_NONE);
    const Vacancy__V1__FindVacanciesRequest *r = made.request;
    assert_string_equal(r->near_postcode, "LS6");
    assert_int_equal(r->n_children, 2);
    assert_int_equal(r->children[0]->age_months, 168);
    assert_int_equal(r->children[1]->age_months, 8);
    assert_int_equal(r->children[1]->sex, VACANCY__V1__SEX__SEX_U);
    assert_int_equal(r->care_type, VACANCY__V1__CARE_TYPE__CARE_TYPE_LONG_TERM);
    assert_int_equal(r->n_home_features, 2);
    assert_int_equal(r->grouping, VACANCY__V1__GROUPING__GROUPING_SPLIT);
    assert_int_equal(r->avoid[0]->radius_metres, 500);
    assert_string_equal(r->avoid[0]->postcode, "LS1");
    assert_int_equal(r->avoid[1]->radius_metres, 1609);
    assert_int_equal(r->within_metres, 16093);
    assert_int_equal(r->limit, 5);
    assert_int_equal(r->purpose, VACANCY__V1__PURPOSE__PURPOSE_CONTINGENCY);
    assert_int_equal(r->n_overrides, 1);
    assert_string_equal(r->order_name, "nearest");
    drop(&made);
    assert_int_equal(make(&made, "--near LS6 --child 4:F --ref 383-204417"), ERR_NONE);
    assert_int_equal(made.request->care_type, VACANCY__V1__CARE_TYPE__CARE_TYPE_SHORT_TERM);
    assert_int_equal(made.request->purpose, VACANCY__V1__PURPOSE__PURPOSE_PLACEMENT);
    assert_int_equal(made.request->grouping, VACANCY__V1__GROUPING__GROUPING_TOGETHER);
    drop(&made);
}

/* The rest of the placements standard v2, the order, and what is to be told. */
static void every_field_has_its_flag(void **state)
{
    (void)state;
    struct made made;
    assert_int_equal(make(&made, "--near LS6 --child 8:F --child 10:F --ref 383-204417 --needed-by 5-days-or-more "
                                 "--starts 2026-12-01 --placement-code u4 --school LS61 --school LS2 --sibling-at BD1 "
                                 "--important-place HX1 --communication bsl,Makaton --communication esol "
                                 "--culture required --pets not-known --order 383-ours "
                                 "--order-steps within-rules,area --order-steps FRESH --framework E08000035:2 "
                                 "--show-rating --no-why --split-into 2"),
                     ERR_NONE);
    const Vacancy__V1__FindVacanciesRequest *r = made.request;
    assert_int_equal(r->needed_by, VACANCY__V1__NEEDED_BY__NEEDED_BY_5_DAYS_OR_MORE);
    assert_int_equal(r->placement_code, VACANCY__V1__PLACEMENT_CODE__PLACEMENT_CODE_U4);
    assert_int_equal(r->care_type, 0); /* the code says it */
    assert_int_equal(r->n_school_postcodes, 2);
    assert_string_equal(r->school_postcodes[1], "LS2");
    assert_int_equal(r->n_sibling_postcodes, 1);
    assert_string_equal(r->sibling_postcodes[0], "BD1");
    assert_int_equal(r->n_important_postcodes, 1);
    assert_string_equal(r->important_postcodes[0], "HX1");
    assert_int_equal(r->n_communication_needs, 3);
    assert_int_equal(r->communication_needs[0], VACANCY__V1__COMMUNICATION_NEED__COMMUNICATION_NEED_BSL);
    assert_int_equal(r->communication_needs[1], VACANCY__V1__COMMUNICATION_NEED__COMMUNICATION_NEED_MAKATON);
    assert_int_equal(r->communication_needs[2], VACANCY__V1__COMMUNICATION_NEED__COMMUNICATION_NEED_ESOL);
    assert_int_equal(r->cultural_needs, VACANCY__V1__CULTURAL_NEEDS__CULTURAL_NEEDS_REQUIRED);
    assert_int_equal(r->pets, VACANCY__V1__PETS_WISH__PETS_WISH_NOT_KNOWN);
    assert_string_equal(r->order_name, "383-ours");
    assert_int_equal(r->n_order_steps, 3);
    assert_int_equal(r->order_steps[1], VACANCY__V1__ORDER_STEP__ORDER_STEP_AREA);
    assert_int_equal(r->order_steps[2], VACANCY__V1__ORDER_STEP__ORDER_STEP_FRESH);
    assert_string_equal(r->framework, "E08000035");
    assert_int_equal(r->framework_tier, 2);
    assert_true(r->show_rating);
    assert_int_equal(r->explain, VACANCY__V1__EXPLAIN_WHEN__EXPLAIN_WHEN_NEVER);
    assert_int_equal(r->split_into, 2);
    drop(&made);
    assert_int_equal(make(&made, "--near LS6 --child 8:F --ref 383-204417 --placement-code U6 --type bridging "
                                 "--framework yorkshire"),
                     ERR_NONE);
    assert_int_equal(made.request->care_type, VACANCY__V1__CARE_TYPE__CARE_TYPE_BRIDGING);
    assert_string_equal(made.request->framework, "yorkshire");
    assert_int_equal(made.request->framework_tier, 0);
    assert_int_equal(made.request->explain, 0);
    drop(&made);
}

/* A wrong value is answered with what is accepted. */
static void wrong_values_are_told_what_is_accepted(void **state)
{
    (void)state;
    static const char *const table[][3] = {
        {"--needed-by soon", "--needed-by", "one of TODAY, UNDER_5_DAYS, 5_DAYS_OR_MORE"},
        {"--placement-code K1", "--placement-code", "one of U4, U5, U6"},
        {"--communication bsl,french", "--communication", "one of ESOL, BSL, MAKATON, OTHER, NONE"},
        {"--communication bsl,", "--communication", "one of ESOL, BSL, MAKATON, OTHER, NONE"},
        {"--culture yes", "--culture", "one of REQUIRED, NOT_REQUIRED, NOT_KNOWN, OTHER"},
        {"--pets dog", "--pets", "one of MUST, CAN, NO, NOT_KNOWN"},
        {"--pets must,can", "--pets", "one of MUST, CAN, NO, NOT_KNOWN"},
        {"--order-steps area,price", "--order-steps", "one of WITHIN_RULES, DISTANCE_BAND, SCHOOL_KEY_STAGE_4, "},
        {"--split-into 4", "--split-into", "2 or 3"},
        {"--split-into 1", "--split-into", "2 or 3"},
        {"--split-into two", "--split-into", "2 or 3"},
        {"--framework E08000035:0", "--framework", "tier, 1 to 99, as E08000035:2"},
        {"--framework E08000035:100", "--framework", "tier, 1 to 99, as E08000035:2"},
        {"--reasons some", "--reasons", "gaps or all"},
        {"--framework :2", "--framework", "a GSS code or a framework's id"},
    };
    for (size_t i = 0; i < COUNT(table); i++) {
        struct made made;
        char line[256];
        snprintf(line, sizeof line, "--near LS6 --child 4:F --ref 383-204417 %s", table[i][0]);
        assert_int_equal(make(&made, line), ERR_INVALID);
        assert_string_equal(made.problem.field, table[i][1]);
        assert_non_null(strstr(made.problem.text, table[i][2]));
        drop(&made);
    }
}

static void wrong_flags_are_named(void **state)
{
    (void)state;
    static const char *const table[][2] = {
        {"--child 4:F --ref 383-204417", "--near"},
        {"--near LS6 --ref 383-204417", "--child"},
        {"--near LS6 --child 4:F", "--ref"}, /* a search without a request reference */
        {"--near LS6 --child 4:F --child x --ref 1", "--child 2"},
        {"--near LS6 --child 4:X --ref 1", "--child 1"},
        {"--near LS6 --child 4:F --ref 1 --type NICE", "--type"},
        {"--near LS6 --child 4:F --ref 1 --within far", "--within"},
        {"--near LS6 --child 4:F --ref 1 --within 1.2.3", "--within"},
        {"--near LS6 --child 4:F --ref 1 --within 0", "--within"},
        {"--near LS6 --child 4:F --ref 1 --limit 0", "--limit"},
        {"--near LS6 --child 4:F --ref 1 --avoid LS1:near", "--avoid"},
        {"--near LS6 --child 4:F --ref 1 --together --split", "--split"},
    };
    for (size_t i = 0; i < COUNT(table); i++) {
        struct made made;
        assert_int_equal(make(&made, table[i][0]), ERR_INVALID);
        assert_string_equal(made.problem.field, table[i][1]);
        drop(&made);
    }
}

static void fields_become_flags(void **state)
{
    (void)state;
    static const char *const table[][2] = {
        {"children[1].age_months", "--child 2"},
        {"near_postcode", "--near"},
        {"avoid[0].postcode", "--avoid 1"},
        {"request_reference", "--ref"},
        {"home_features", "--need"},
        {"starts_on", "--starts"},
        {"", ""},
        {"unheard_of", "unheard_of"},
        {"question.school_postcodes[1]", "--school 2"},
        {"question.near_postcode", "--near"},
        {"sibling_postcodes[0]", "--sibling-at 1"},
        {"important_postcodes[3]", "--important-place 4"},
        {"order_steps[0]", "--order-steps"},
        {"communication_needs[1]", "--communication"},
        {"placement_code", "--placement-code"},
        {"needed_by", "--needed-by"},
        {"framework_tier", "--framework"},
        {"split_into", "--split-into"},
        {"cultural_needs", "--culture"},
        {"pets", "--pets"},
        {"order_name", "--order"},
    };
    for (size_t i = 0; i < COUNT(table); i++) {
        char field[PROBLEM_FIELD_BYTES];
        snprintf(field, sizeof field, "%s", table[i][0]);
        find_flag_of_field(field);
        assert_string_equal(field, table[i][1]);
    }
}

/* --- the answer -------------------------------------------------------------------------------------------------- */

#define HOUR_MS INT64_C(3600000)
#define AS_OF   INT64_C(1795316811000) /* 2026-11-22 03:06 UTC */

static Vacancy__V1__Reason reasons[5];

static void set_reason(int at, Vacancy__V1__Rule rule, Vacancy__V1__Reason__Outcome outcome, const char *asked,
                       const char *found)
{
    vacancy__v1__reason__init(&reasons[at]);
    reasons[at].rule = rule;
    reasons[at].outcome = outcome;
    reasons[at].asked = (char *)asked;
    reasons[at].found = (char *)found;
}

static void set_reasons(void)
{
    set_reason(0, VACANCY__V1__RULE__RULE_H1_APPROVAL, VACANCY__V1__REASON__OUTCOME__OUTCOME_MET, "2026-11-22",
               "approved from 2020-01-01");
    set_reason(1, VACANCY__V1__RULE__RULE_H3_TERMS, VACANCY__V1__REASON__OUTCOME__OUTCOME_MET, "14 M",
               "approved 5 to 17 any");
    set_reason(2, VACANCY__V1__RULE__RULE_H5_FOSTERING_LIMIT, VACANCY__V1__REASON__OUTCOME__OUTCOME_OVERRIDDEN, "1",
               "3 placed; exemption needed from Leeds");
    set_reason(3, VACANCY__V1__RULE__RULE_S5_LANGUAGE, VACANCY__V1__REASON__OUTCOME__OUTCOME_NOT_MET, "pl", "en");
    set_reason(4, VACANCY__V1__RULE__RULE_S7_SKILLS, VACANCY__V1__REASON__OUTCOME__OUTCOME_NOT_KNOWN, "autism", "");
}

static Vacancy__V1__Reason *reason_list[] = {&reasons[0], &reasons[1], &reasons[2], &reasons[3], &reasons[4]};

static char *full_text_of(const Vacancy__V1__FindVacanciesRequest *request,
                          const Vacancy__V1__FindVacanciesResponse *response, unsigned width, bool all_reasons)
{
    char *text = NULL;
    size_t bytes;
    FILE *out = open_memstream(&text, &bytes);
    find_text_print(out, width, all_reasons, request, response);
    fclose(out);
    return text;
}

static char *text_of(const Vacancy__V1__FindVacanciesRequest *request,
                     const Vacancy__V1__FindVacanciesResponse *response, unsigned width)
{
    return full_text_of(request, response, width, false);
}

static Vacancy__V1__AgencyContact bradford = VACANCY__V1__AGENCY_CONTACT__INIT;

/* An adjoining home of every kind of reason. */
static void set_option(Vacancy__V1__Option *option)
{
    static Vacancy__V1__CareType care[] = {VACANCY__V1__CARE_TYPE__CARE_TYPE_SHORT_TERM,
                                           VACANCY__V1__CARE_TYPE__CARE_TYPE_UASC};
    set_reasons();
    vacancy__v1__option__init(option);
    bradford.name = (char *)"Bradford\x1b[31m Fostering"; /* nothing of a hub's reaches the terminal raw */
    bradford.kind = VACANCY__V1__AGENCY_KIND__AGENCY_KIND_INDEPENDENT;
    bradford.phone = (char *)"01632 960000";
    bradford.email = (char *)"placements@example.org";
    option->vacancy_id = (char *)"7KQ2-M9FW-3TXB";
    option->distance_metres = 12345;
    option->area = (char *)"Bradford, BD1";
    option->home_authority = (char *)"E08000032";
    option->home_authority_name = (char *)"Bradford";
    option->relation = VACANCY__V1__AUTHORITY_RELATION__AUTHORITY_RELATION_ADJOINING;
    option->approval_needed = VACANCY__V1__APPROVAL_NEEDED__APPROVAL_NEEDED_NOMINATED_OFFICER;
    option->beds_free = 2;
    option->n_care_types = 2;
    option->care_types = care;
    option->on_call = true;
    option->n_reasons = COUNT(reason_list);
    option->reasons = reason_list;
    option->confirmed_at_ms = AS_OF - 2 * HOUR_MS;
    option->agency = &bradford;
    option->children_taken = 1;
}

/* No line is wider than asked for, and none ends with a space. */
static void assert_lines_fit(const char *text, unsigned width)
{
    for (const char *at = text; *at; at += strcspn(at, "\n") + 1) {
        char line[1024];
        snprintf(line, sizeof line, "%.*s", (int)strcspn(at, "\n"), at);
        if (text_columns(line) > width)
            fail_msg("wider than %u: %s", width, line);
        if (*line && line[strlen(line) - 1] == ' ')
            fail_msg("a space at the end: \"%s\"", line);
    }
}

static void an_answer_reads_well(void **state)
{
    (void)state;
    Vacancy__V1__FindVacanciesRequest request = VACANCY__V1__FIND_VACANCIES_REQUEST__INIT;
    Vacancy__V1__FindVacanciesResponse response = VACANCY__V1__FIND_VACANCIES_RESPONSE__INIT;
    Vacancy__V1__Option option, far, *options[] = {&option, &far};
    Vacancy__V1__RegionPosition own = VACANCY__V1__REGION_POSITION__INIT, *positions[] = {&own};
    Vacancy__V1__OrderStep steps[] = {
        VACANCY__V1__ORDER_STEP__ORDER_STEP_WITHIN_RULES, VACANCY__V1__ORDER_STEP__ORDER_STEP_DISTANCE_BAND,
        VACANCY__V1__ORDER_STEP__ORDER_STEP_AREA, VACANCY__V1__ORDER_STEP__ORDER_STEP_LANGUAGE};
    set_option(&option);
    set_option(&far);
    far.vacancy_id = (char *)"9XWV-7T5R-3PNM";
    far.area = (char *)"Kingston upon Hull, HU5";
    far.home_authority_name = (char *)"Kingston upon Hull";
    far.distance_metres = 83000;
    far.relation = VACANCY__V1__AUTHORITY_RELATION__AUTHORITY_RELATION_AT_A_DISTANCE;
    far.approval_needed = VACANCY__V1__APPROVAL_NEEDED__APPROVAL_NEEDED_DIRECTOR;
    far.n_reasons = 2;
    far.on_call = false;
    request.n_children = 1;
    request.limit = 2;
    request.n_languages = 1; /* the step counts */
    own.region = (char *)"E12000003";
    response.n_options = 2;
    response.options = options;
    response.as_of_ms = AS_OF;
    response.n_positions = 1;
    response.positions = positions;
    response.policy = (char *)"default";
    response.n_order_steps = COUNT(steps);
    response.order_steps = steps;
    response.ask_first = (char *)"Has a relative been considered first?";
    char *text = text_of(&request, &response, 80);
    assert_string_equal(text, "   miles  area                     where          approval  beds  call\n"
                              "1    7.7  Bradford, BD1            adjoining      officer      2  01632 960000\n"
                              "2   51.6  Kingston upon Hull, HU5  at a distance  Director     2  01632 960000\n"
                              "\n"
                              "1  Bradford, BD1  (vacancy 7KQ2-M9FW-3TXB)\n"
                              "   overridden  fostering limit: 3 placed; exemption needed from Leeds\n"
                              "   approval    adjoining (Bradford): a nominated officer approves (reg 11)\n"
                              "   not met     language: asked pl; found en\n"
                              "   not known   skills: asked autism; ask the agency\n"
                              "   met         approval, terms of approval\n"
                              "   offers      short term, UASC; takes a child outside office hours; confirmed 2\n"
                              "               h ago\n"
                              "   call        Bradford\xef\xbf\xbd[31m Fostering (independent), 01632 960000,\n"
                              "               placements@example.org\n"
                              "\n"
                              "2  Kingston upon Hull, HU5  (vacancy 9XWV-7T5R-3PNM)\n"
                              "   approval    at a distance (Kingston upon Hull): the Director of Children's\n"
                              "               Services approves, the area authority is consulted and given the\n"
                              "               care plan (reg 11)\n"
                              "   met         approval, terms of approval\n"
                              "   offers      short term, UASC; confirmed 2 h ago\n"
                              "   call        Bradford\xef\xbf\xbd[31m Fostering (independent), 01632 960000,\n"
                              "               placements@example.org\n"
                              "\n"
                              "Order \"default\": homes that meet every rule first, then the nearest distance\n"
                              "band (5, 10, 20, 50 miles, beyond). Within a band it goes by the first of these\n"
                              "that tells two homes apart: in area (then adjoining); language; at last the\n"
                              "nearer one.\n"
                              "\n"
                              "Has a relative been considered first?\n"
                              "\n"
                              "As of 22 Nov 2026 03:06.\n");
    assert_lines_fit(text, 80);
    free(text);
    text = text_of(&request, &response, 60);
    assert_lines_fit(text, 60);
    assert_non_null(strstr(text, "  01632 960000\n2 ")); /* whom to call is never cut */
    free(text);
    text = full_text_of(&request, &response, 100, true);
    assert_non_null(strstr(text, "   met         approval: asked 2026-11-22; found approved from 2020-01-01\n"
                                 "               terms of approval: asked 14 M; found approved 5 to 17 any\n"));
    free(text);
    json_t *json = json_of_message(&response.base);
    json_t *first = json_array_get(json_object_get(json, "options"), 0);
    assert_string_equal(json_string_value(json_object_get(first, "relation")), "ADJOINING");
    assert_int_equal(json_integer_value(json_object_get(first, "distance_metres")), 12345);
    assert_string_equal(json_string_value(json_array_get(json_object_get(first, "care_types"), 1)), "UASC");
    json_decref(json);
}

/* Apart from what suits, and said to be. */
static void what_is_to_be_phoned_first_is_a_list_of_its_own(void **state)
{
    (void)state;
    Vacancy__V1__FindVacanciesRequest request = VACANCY__V1__FIND_VACANCIES_REQUEST__INIT;
    Vacancy__V1__FindVacanciesResponse response = VACANCY__V1__FIND_VACANCIES_RESPONSE__INIT;
    Vacancy__V1__Option option, *options[] = {&option};
    set_option(&option);
    option.area = (char *)"Leeds, LS6";
    option.home_authority_name = (char *)"Leeds";
    option.relation = VACANCY__V1__AUTHORITY_RELATION__AUTHORITY_RELATION_IN_AREA;
    option.approval_needed = VACANCY__V1__APPROVAL_NEEDED__APPROVAL_NEEDED_NONE;
    option.confirmed_at_ms = AS_OF - 30 * HOUR_MS;
    option.unconfirmed = true;
    option.n_reasons = 1;
    option.children_taken = 1;
    request.n_children = 2;
    response.n_phone_first = 1;
    response.phone_first = options;
    response.as_of_ms = AS_OF;
    request.explain = VACANCY__V1__EXPLAIN_WHEN__EXPLAIN_WHEN_NEVER;
    char *text = text_of(&request, &response, 80);
    assert_string_equal(text, "Nothing suits.\n"
                              "\n"
                              "PHONE FIRST: this one suits, but the confirmation has run out, so it may be\n"
                              "taken.\n"
                              "\n"
                              "    miles  area        confirmed  where    approval  beds  call\n"
                              "P1    7.7  Leeds, LS6  30 h ago   in area               2  01632 960000\n"
                              "\n"
                              "P1  Leeds, LS6  (vacancy 7KQ2-M9FW-3TXB)\n"
                              "   phone       its confirmation has run out\n"
                              "   takes       1 of the 2 children\n"
                              "   met         approval\n"
                              "   offers      short term, UASC; takes a child outside office hours; last\n"
                              "               confirmed 30 h ago\n"
                              "   call        Bradford\xef\xbf\xbd[31m Fostering (independent), 01632 960000,\n"
                              "               placements@example.org\n"
                              "\n"
                              "As of 22 Nov 2026 03:06.\n");
    free(text);
}

static void siblings_are_told_apart(void **state)
{
    (void)state;
    Vacancy__V1__FindVacanciesRequest request = VACANCY__V1__FIND_VACANCIES_REQUEST__INIT;
    Vacancy__V1__FindVacanciesResponse response = VACANCY__V1__FIND_VACANCIES_RESPONSE__INIT;
    Vacancy__V1__Child children[3], *child_list[] = {&children[0], &children[1], &children[2]};
    Vacancy__V1__Option homes[2];
    Vacancy__V1__SplitPart parts[] = {VACANCY__V1__SPLIT_PART__INIT, VACANCY__V1__SPLIT_PART__INIT};
    Vacancy__V1__SplitPart *part_list[] = {&parts[0], &parts[1]};
    Vacancy__V1__Split split = VACANCY__V1__SPLIT__INIT, *splits[] = {&split};
    uint32_t larger[] = {0, 2}, smaller[] = {1};
    for (uint32_t i = 0; i < 3; i++) {
        vacancy__v1__child__init(&children[i]);
        children[i].age_months = i == 2 ? 8 : 96 + 24 * i;
        children[i].sex = VACANCY__V1__SEX__SEX_F;
    }
    for (uint32_t i = 0; i < 2; i++) {
        set_option(&homes[i]);
        homes[i].n_reasons = 1;
        parts[i].option = &homes[i];
        parts[i].children = i ? smaller : larger;
        parts[i].n_children = i ? 1 : 2;
    }
    request.n_children = 3;
    request.children = child_list;
    request.split_into = 2;
    request.explain = VACANCY__V1__EXPLAIN_WHEN__EXPLAIN_WHEN_NEVER;
    split.n_parts = 2;
    split.parts = part_list;
    split.between_metres = 5000;
    response.n_splits = 1;
    response.splits = splits;
    response.as_of_ms = AS_OF;
    /* One to telephone first takes them all: no confirmed home does. */
    response.n_phone_first = 1;
    response.phone_first = (Vacancy__V1__Option *[]){&homes[0]};
    request.near_postcode = (char *)"DL8 7AA";
    response.near_precision = (char *)"outcode";
    char *phoned = text_of(&request, &response, 80);
    assert_non_null(strstr(phoned, "\nNo confirmed home can take all 3 together.\n"));
    assert_non_null(strstr(phoned, "\nMiles are measured from the middle of the outcode of DL8 7AA.\n"));
    free(phoned);
    response.near_precision = (char *)"unit";
    response.n_phone_first = 0;
    char *text = text_of(&request, &response, 80);
    assert_string_equal(text, "Nothing suits.\n"
                              "\n"
                              "No home can take all 3 together.\n"
                              "\n"
                              "Two homes, 3.1 miles apart:\n"
                              "    for        miles  area           where      approval  beds  call\n"
                              "1a  8 F, 8m F    7.7  Bradford, BD1  adjoining  officer      2  01632 960000\n"
                              "1b  10 F         7.7  Bradford, BD1  adjoining  officer      2  01632 960000\n"
                              "\n"
                              "1a  Bradford, BD1, for 8 F, 8m F  (vacancy 7KQ2-M9FW-3TXB)\n"
                              "   approval    adjoining (Bradford): a nominated officer approves (reg 11)\n"
                              "   met         approval\n"
                              "   offers      short term, UASC; takes a child outside office hours; confirmed 2\n"
                              "               h ago\n"
                              "   call        Bradford\xef\xbf\xbd[31m Fostering (independent), 01632 960000,\n"
                              "               placements@example.org\n"
                              "\n"
                              "1b  Bradford, BD1, for 10 F  (vacancy 7KQ2-M9FW-3TXB)\n"
                              "   approval    adjoining (Bradford): a nominated officer approves (reg 11)\n"
                              "   met         approval\n"
                              "   offers      short term, UASC; takes a child outside office hours; confirmed 2\n"
                              "               h ago\n"
                              "   call        Bradford\xef\xbf\xbd[31m Fostering (independent), 01632 960000,\n"
                              "               placements@example.org\n"
                              "\n"
                              "As of 22 Nov 2026 03:06.\n");
    assert_lines_fit(text, 80);
    free(text);
}

static void an_empty_answer_says_why_and_what_would_bring_more(void **state)
{
    (void)state;
    Vacancy__V1__FindVacanciesRequest request = VACANCY__V1__FIND_VACANCIES_REQUEST__INIT;
    Vacancy__V1__FindVacanciesResponse response = VACANCY__V1__FIND_VACANCIES_RESPONSE__INIT;
    Vacancy__V1__RuleCount counts[] = {VACANCY__V1__RULE_COUNT__INIT, VACANCY__V1__RULE_COUNT__INIT,
                                       VACANCY__V1__RULE_COUNT__INIT};
    Vacancy__V1__RuleCount *list[] = {&counts[0], &counts[1], &counts[2]};
    Vacancy__V1__Relaxation relaxations[] = {VACANCY__V1__RELAXATION__INIT, VACANCY__V1__RELAXATION__INIT};
    Vacancy__V1__Relaxation *relaxation_list[] = {&relaxations[0], &relaxations[1]};
    Vacancy__V1__Rule alone[] = {VACANCY__V1__RULE__RULE_DISTANCE};
    Vacancy__V1__Rule pair[] = {VACANCY__V1__RULE__RULE_H7_BEDROOM, VACANCY__V1__RULE__RULE_H12_PETS};
    request.n_children = 1;
    counts[0].rule = VACANCY__V1__RULE__RULE_H14_KINSHIP;
    counts[0].failed = 40;
    counts[0].failed_alone = 3;
    counts[1].rule = VACANCY__V1__RULE__RULE_DISTANCE;
    counts[1].failed = 11000;
    counts[1].failed_alone = 14;
    counts[2].rule = VACANCY__V1__RULE__RULE_H8_ACCESSIBILITY;
    counts[2].failed = 900;
    relaxations[0].rules = alone;
    relaxations[0].n_rules = 1;
    relaxations[0].count = 14;
    relaxations[0].nearest_metres = 20000;
    relaxations[1].rules = pair;
    relaxations[1].n_rules = 2;
    relaxations[1].count = 1;
    relaxations[1].nearest_metres = 3000;
    response.n_removed = 3;
    response.removed = list;
    response.considered = 11300;
    response.as_of_ms = AS_OF;
    char *text = text_of(&request, &response, 80);
    assert_non_null(strstr(text, "Lifting one of these rules, or two together, would bring no more.\n"));
    free(text);
    response.n_relaxations = 2;
    response.relaxations = relaxation_list;
    text = text_of(&request, &response, 80);
    assert_string_equal(text, "Nothing suits.\n"
                              "\n"
                              "11,300 vacancies were looked at. What ruled them out (one may fail several\n"
                              "rules):\n"
                              "  ruled out  by it alone  because\n"
                              "     11,000           14  farther than --within\n"
                              "         40            3  approved for a named child only\n"
                              "        900            0  lacks what the child needs of the home\n"
                              "\n"
                              "What would bring more, if those who must agree do:\n"
                              "  14 more, the nearest 12.4 miles away, if the rule on distance is lifted: a\n"
                              "  wider --within\n"
                              "  1 more, 1.9 miles away, if the rules on bedrooms and pets are lifted: --allow\n"
                              "  SHARED_BEDROOM (each responsible authority must agree); and fewer --no-pet, or\n"
                              "  another --pets\n"
                              "\n"
                              "As of 22 Nov 2026 03:06.\n");
    assert_lines_fit(text, 80);
    free(text);
    response.considered = 0;
    response.n_removed = 0;
    text = text_of(&request, &response, 80);
    assert_string_equal(text, "Nothing suits.\n\nThere are no vacancies in the register at all.\n\n"
                              "As of 22 Nov 2026 03:06.\n");
    free(text);
}

/* --- orders ------------------------------------------------------------------------------------------------------ */

static void an_order_is_told_in_two_sentences(void **state)
{
    (void)state;
    static Vacancy__V1__OrderStep nearest[] = {VACANCY__V1__ORDER_STEP__ORDER_STEP_WITHIN_RULES};
    static Vacancy__V1__OrderStep own[] = {VACANCY__V1__ORDER_STEP__ORDER_STEP_SCHOOL,
                                           VACANCY__V1__ORDER_STEP__ORDER_STEP_DISTANCE_BAND,
                                           VACANCY__V1__ORDER_STEP__ORDER_STEP_RATING};
    static const struct {
        const char *name;
        Vacancy__V1__OrderStep *steps;
        size_t count;
        const char *text;
    } table[] = {
        {"nearest", nearest, 1,
         "Order \"nearest\": homes that meet every rule first. Of those that are alike there the nearer home comes "
         "first."},
        {"383-ours", own, 3,
         "Order \"383-ours\": school first. After that it goes by the first of these that tells two homes apart: "
         "the nearest distance band (5, 10, 20, 50 miles, beyond); rating; at last the nearer one."},
    };
    Vacancy__V1__FindVacanciesRequest request = VACANCY__V1__FIND_VACANCIES_REQUEST__INIT;
    Vacancy__V1__Child child = VACANCY__V1__CHILD__INIT, *children[] = {&child, &child};
    char *postcode[] = {(char *)"LS6 1"};
    /* Nobody asked for a school: all are alike there. */
    char *text = order_sentences("383-ours", own, 3, &request);
    assert_string_equal(text,
                        "Order \"383-ours\": the nearest distance band (5, 10, 20, 50 miles, beyond) first. Within "
                        "a band it goes by the first of these that tells two homes apart: rating; at last the "
                        "nearer one.");
    free(text);
    request.n_children = 2;
    request.children = children;
    request.grouping = VACANCY__V1__GROUPING__GROUPING_SPLIT;
    child.age_months = 15 * 12;
    request.n_school_postcodes = request.n_sibling_postcodes = request.n_important_postcodes = 1;
    request.school_postcodes = request.sibling_postcodes = request.important_postcodes = postcode;
    request.n_languages = request.n_skills = 1;
    request.placement_code = VACANCY__V1__PLACEMENT_CODE__PLACEMENT_CODE_U4;
    request.needed_by = VACANCY__V1__NEEDED_BY__NEEDED_BY_TODAY;
    for (size_t i = 0; i < COUNT(table); i++) {
        text = order_sentences(table[i].name, table[i].steps, table[i].count, &request);
        assert_string_equal(text, table[i].text);
        free(text);
    }
    /* Every step that the contract knows has words, and counts once it is asked for. */
    for (unsigned i = 1; i < vacancy__v1__order_step__descriptor.n_values; i++) {
        Vacancy__V1__OrderStep step = (Vacancy__V1__OrderStep)vacancy__v1__order_step__descriptor.values[i].value;
        text = order_sentences("x", &step, 1, &request);
        assert_null(strstr(text, "doesn't know"));
        assert_non_null(strstr(text, " first. "));
        free(text);
    }
    /* And every rule. */
    for (unsigned i = 1; i < vacancy__v1__rule__descriptor.n_values; i++)
        assert_string_not_equal(rule_words((Vacancy__V1__Rule)vacancy__v1__rule__descriptor.values[i].value)->name,
                                "another rule");
}

/* --- why --------------------------------------------------------------------------------------------------------- */

static void why_not_this_one(void **state)
{
    (void)state;
    Vacancy__V1__ExplainVacancyResponse response = VACANCY__V1__EXPLAIN_VACANCY_RESPONSE__INIT;
    Vacancy__V1__Option option;
    char *text = NULL;
    size_t bytes;
    set_option(&option);
    reasons[1].outcome = VACANCY__V1__REASON__OUTCOME__OUTCOME_FAILED;
    reasons[1].found = (char *)"approved 5 to 12, offered 6 to 9 any, not for emergency, sibling groups";
    response.option = &option;
    response.as_of_ms = AS_OF;
    response.policy = (char *)"default";
    FILE *out = open_memstream(&text, &bytes);
    why_text_print(out, 80, &response);
    fclose(out);
    assert_string_equal(text,
                        "Does not suit. It fails: terms of approval.\n"
                        "Bradford, BD1, 7.7 miles, adjoining (vacancy 7KQ2-M9FW-3TXB); call Bradford\xef\xbf\xbd[31m\n"
                        "Fostering, 01632 960000; a nominated officer approves (reg 11).\n"
                        "\n"
                        "rule               outcome     asked       found\n"
                        "approval           met         2026-11-22  approved from 2020-01-01\n"
                        "terms of approval  FAILED      14 M        approved 5 to 12, offered 6 to 9 any,\n"
                        "                                           not for emergency, sibling groups\n"
                        "fostering limit    overridden  1           3 placed; exemption needed from Leeds\n"
                        "language           not met     pl          en\n"
                        "skills             not known   autism\n"
                        "\n"
                        "As of 22 Nov 2026 03:06.\n");
    assert_lines_fit(text, 80);
    free(text);
    static const struct {
        uint32_t ahead;
        bool unconfirmed;
        const char *first;
    } table[] = {
        {0, false, "Suits. None comes before it in the order \"default\".\n"},
        {1, false, "Suits. 1 comes before it in the order \"default\".\n"},
        {1234, false, "Suits. 1,234 come before it in the order \"default\".\n"},
        {2, true,
         "Suits, but its confirmation has run out: phone first. 2 come before it, of those to phone first, in the "
         "order "
         "\"default\".\n"},
    };
    response.suitable = true;
    for (size_t i = 0; i < COUNT(table); i++) {
        response.ahead = table[i].ahead;
        option.unconfirmed = table[i].unconfirmed;
        out = open_memstream(&text, &bytes);
        why_text_print(out, 200, &response);
        fclose(out);
        assert_memory_equal(text, table[i].first, strlen(table[i].first));
        free(text);
    }
    out = open_memstream(&text, &bytes);
    why_text_print(out, 60, &response);
    fclose(out);
    assert_lines_fit(text, 60);
    free(text);
}

int main(void)
{
    setenv("TZ", "UTC", 1);
    screen_init();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(flags_make_a_request),
        cmocka_unit_test(every_field_has_its_flag),
        cmocka_unit_test(wrong_values_are_told_what_is_accepted),
        cmocka_unit_test(wrong_flags_are_named),
        cmocka_unit_test(fields_become_flags),
        cmocka_unit_test(an_answer_reads_well),
        cmocka_unit_test(what_is_to_be_phoned_first_is_a_list_of_its_own),
        cmocka_unit_test(siblings_are_told_apart),
        cmocka_unit_test(an_empty_answer_says_why_and_what_would_bring_more),
        cmocka_unit_test(an_order_is_told_in_two_sentences),
        cmocka_unit_test(why_not_this_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
