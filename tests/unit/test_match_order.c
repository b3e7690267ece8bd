/* tier: check */
/*
 * The order of options: the built-in ones, numbers of authorities, and keys against a comparator that goes step by step
 * through proto OrderStep, over random offers that come and go (SEED=n repeats a run).
 */
#include "tests/unit/match_world.h"

#include "daemon/base/randomness.h"

#include <inttypes.h>
#include <time.h>

static void test_built_in_orders(void **state)
{
    static const uint8_t steps[] = {STEP_WITHIN_RULES, STEP_DISTANCE_BAND, STEP_CHILDREN_TAKEN, STEP_SCHOOL_KEY_STAGE_4,
                                    STEP_AREA,         STEP_NEAR_SIBLINGS, STEP_LANGUAGE,       STEP_SKILLS,
                                    STEP_LENGTH,       STEP_SCHOOL,        STEP_IMPACT,         STEP_WISHES,
                                    STEP_ON_CALL,      STEP_FRESH,         STEP_SCARCE,         STEP_APPROVED_TODAY};
    struct criteria criteria = {0};
    (void)state;
    assert_true(criteria_order(&criteria, "default"));
    assert_int_equal(criteria.step_count, sizeof steps);
    assert_memory_equal(criteria.steps, steps, sizeof steps);
    assert_true(criteria_order(&criteria, "nearest"));
    assert_int_equal(criteria.step_count, 1);
    assert_int_equal(criteria.steps[0], STEP_WITHIN_RULES);
    assert_false(criteria_order(&criteria, "383-sufficiency"));
    assert_false(criteria_order(&criteria, ""));
}

/* Every authority of the gazetteer has a number of its own, and its code comes back from it. */
static void test_authority_numbers(void **state)
{
    static const char *const others[] = {"",          "E0600001",  "E060000011", "E06000000", "E06000256",
                                         "E0600001A", "W06000001", "E07000001",  "E12000003"};
    bool seen[AUTHORITY_NUMBERS] = {false};
    char gss[GSS_BYTES];
    (void)state;
    for (size_t i = 0; i < gazetteer_authority_count(gazetteer); i++) {
        const char *code = gazetteer_authority_at(gazetteer, i)->gss;
        uint32_t number = authority_number(code);
        assert_in_range(number, 1, AUTHORITY_NUMBERS - 1);
        assert_false(seen[number]);
        seen[number] = true;
        authority_of_number(number, gss);
        assert_string_equal(gss, code);
    }
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        assert_int_equal(authority_number(others[i]), 0);
    authority_of_number(0, gss);
    assert_string_equal(gss, "");
}

/* --- at random -------------------------------------------------------------------------------------------------- */

#define OFFERS 230
#define ROUNDS 150

static const char *const some_authorities[] = {LEEDS,       BRADFORD,    CORNWALL,    "E06000045", "E06000046",
                                               "E08000034", "E10000023", "W06000001", ""};
static const char *const some_tags[] = {"pl", "ur", "bfi", "art-x-makaton", "de", "fr", "es", "it", "pt", "zh"};
static const char *const some_agencies[] = {"leeds", "north-one", "north-two", "rated", "unheard-of"};
static const int32_t some_distances[] = {0, 1000, 8046, 8047, 16092, 16093, 16094, 32187, 32188, 80466, 80467, 120000};

static uint32_t up_to(struct seeded_random *random, uint32_t most)
{
    return (uint32_t)seeded_random_below(random, (uint64_t)most + 1);
}

static uint32_t few_of(struct seeded_random *random, uint32_t end)
{
    return (uint32_t)(seeded_random_next(random) & seeded_random_next(random)) & (BIT(end) - 2);
}

#define ONE_OF(random, list) (list)[up_to(random, sizeof(list) / sizeof(list)[0] - 1)]

/* Often on a border of something. */
static void random_point(struct seeded_random *random, uint32_t *e_metres, uint32_t *n_metres)
{
    int32_t east = ONE_OF(random, some_distances), north = up_to(random, 3) ? 0 : ONE_OF(random, some_distances);
    *e_metres = (uint32_t)(E_METRES + (up_to(random, 1) ? east : -east));
    *n_metres = (uint32_t)(N_METRES + (up_to(random, 1) ? north : -north));
}

static void random_offer(struct seeded_random *random, uint64_t id, struct offer *offer)
{
    uint32_t e_metres, n_metres;
    random_point(random, &e_metres, &n_metres);
    fixture_offer(offer, id, e_metres, n_metres);
    strcpy(offer->agency, ONE_OF(random, some_agencies));
    strcpy(offer->cell.authority, ONE_OF(random, some_authorities));
    offer->state = up_to(random, 9) ? VACANCY_VACANT : VACANCY_LAPSED;
    offer->care_types = offer->approved_care_types = few_of(random, CARE_STAYING_PUT) | BIT(CARE_SHORT_TERM);
    offer->age_below_months = up_to(random, 3) ? 156 : 84;
    offer->approved_on = FIXTURE_DAY - 2 + (date_days)up_to(random, 4);
    offer->confirmed_at_ms = FIXTURE_AS_OF - 47 * HOUR - (int64_t)up_to(random, 2) * HOUR;
    offer->beds = offer->beds_free = 1 + up_to(random, 3);
    offer->home_features = few_of(random, HOME_FEATURE_END);
    offer->skills = up_to(random, 2) ? few_of(random, SKILL_END) : 0;
    offer->on_call = up_to(random, 1);
    live_there(offer, up_to(random, 3), (enum age_band)(1 + up_to(random, 5)));
    offer->language_count = up_to(random, 2);
    for (uint32_t i = 0; i < offer->language_count; i++)
        strcpy(offer->languages[i].tag, ONE_OF(random, some_tags));
}

static uint32_t random_places(struct seeded_random *random, struct point_wanted places[PLACES_WANTED_MAX])
{
    uint32_t count = up_to(random, 2);
    for (uint32_t i = 0; i < count; i++)
        random_point(random, &places[i].e_metres, &places[i].n_metres);
    return count;
}

static void random_steps(struct seeded_random *random, struct criteria *criteria)
{
    uint8_t left[STEP_END - 1];
    for (uint32_t i = 0; i < STEP_END - 1; i++)
        left[i] = (uint8_t)(i + 1);
    for (criteria->step_count = 0; criteria->step_count < ORDER_STEPS_MAX; criteria->step_count++) {
        uint32_t at = up_to(random, STEP_END - 2 - criteria->step_count);
        criteria->steps[criteria->step_count] = left[at];
        left[at] = left[STEP_END - 2 - criteria->step_count];
    }
    criteria->step_count = up_to(random, 3) ? up_to(random, ORDER_STEPS_MAX) : ORDER_STEPS_MAX;
}

static void random_criteria(struct seeded_random *random, struct criteria *criteria)
{
    fixture_criteria(criteria, E_METRES, N_METRES);
    if (up_to(random, 2) == 0)
        random_point(random, &criteria->near_e_metres, &criteria->near_n_metres);
    criteria->child_count = 1 + up_to(random, 2);
    for (uint32_t i = 0; i < criteria->child_count; i++)
        criteria->children[i] = (struct child_sought){12 * up_to(random, 19), SEX_M};
    criteria->grouping = up_to(random, 1) ? GROUPING_SPLIT : GROUPING_TOGETHER;
    criteria->starts_on = FIXTURE_DAY + (date_days)up_to(random, 3);
    criteria->as_of_ms = FIXTURE_AS_OF + (up_to(random, 1) ? HOUR / 2 : 0); /* 48 hours before: within an hour */
    criteria->home_features = few_of(random, HOME_FEATURE_END) & few_of(random, HOME_FEATURE_END);
    criteria->skills = up_to(random, 1) ? few_of(random, SKILL_END) : 0;
    criteria->overrides = up_to(random, 1) ? (uint32_t)seeded_random_next(random) & (BIT(OVERRIDE_END) - 2) : 0;
    criteria->language_count = up_to(random, 2);
    for (uint32_t i = 0; i < criteria->language_count; i++)
        strcpy(criteria->languages[i], ONE_OF(random, some_tags));
    strcpy(criteria->authority, ONE_OF(random, some_authorities));
    strcpy(criteria->framework, up_to(random, 1) ? "north" : "");
    criteria->framework_tier = up_to(random, 3);
    criteria->long_term_plan = up_to(random, 1);
    criteria->on_call_asked = up_to(random, 1);
    criteria->rating_asked = up_to(random, 1);
    criteria->culture_asked = up_to(random, 1);
    criteria->key_stage_4 = up_to(random, 1);
    criteria->school_count = random_places(random, criteria->schools);
    criteria->sibling_place_count = random_places(random, criteria->sibling_places);
    criteria->important_count = random_places(random, criteria->important);
    random_steps(random, criteria);
}

/* --- one offer at a time, as proto Rule and OrderStep are written --- */

struct seen {
    struct offer offer;
    const struct agency *agency; /* NULL: not known */
    uint32_t distance_metres, overridden, children_taken;
    uint64_t key;
};

enum { PLAIN_MET, PLAIN_NOT_KNOWN, PLAIN_NOT_MET };

static uint32_t plain_met(bool met)
{
    return met ? PLAIN_MET : PLAIN_NOT_MET;
}

static uint32_t plain_near(const struct seen *s, const struct point_wanted *places, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        if (grid_distance_metres((int32_t)s->offer.cell.point_e_metres, (int32_t)s->offer.cell.point_n_metres,
                                 (int32_t)places[i].e_metres, (int32_t)places[i].n_metres) > 16093)
            return PLAIN_NOT_MET;
    return PLAIN_MET;
}

static uint32_t plain_band(uint32_t metres)
{
    return metres < 8047 ? 0 : metres < 16093 ? 1 : metres < 32187 ? 2 : metres < 80467 ? 3 : 4;
}

static uint32_t plain_language(const struct criteria *c, const struct offer *offer)
{
    if (c->language_count == 0)
        return PLAIN_MET;
    if (offer->language_count == 0)
        return PLAIN_NOT_KNOWN;
    for (uint32_t i = 0; i < c->language_count; i++) {
        bool spoken = false;
        for (uint32_t j = 0; j < offer->language_count; j++)
            spoken |= strcmp(c->languages[i], offer->languages[j].tag) == 0;
        if (!spoken)
            return PLAIN_NOT_MET;
    }
    return PLAIN_MET;
}

/* Years in bands of three; a child of 18 or more is in the seventh. */
static uint32_t plain_impact(const struct criteria *c, const struct offer *offer)
{
    for (uint32_t i = 0; i < c->child_count; i++)
        for (uint32_t j = 0; j < offer->child_count; j++) {
            int asked = (int)c->children[i].age_months / 36 + 1, there = offer->children[j].age_band;
            if (abs((asked > 7 ? 7 : asked) - there) > 1)
                return PLAIN_NOT_MET;
        }
    return plain_met(offer->child_count <= 2);
}

static bool plain_needs_skill(const struct criteria *c, uint32_t skill)
{
    for (uint32_t i = 0; i < c->language_count; i++)
        if (skill == 12 && (strcmp(c->languages[i], "bfi") == 0 || strcmp(c->languages[i], "art-x-makaton") == 0))
            return true;
    return code_in(c->skills, skill) || (skill == 1 && c->care_type == CARE_THERAPEUTIC) ||
           (skill == 10 && c->care_type == CARE_PARENT_AND_CHILD);
}

static bool plain_needs_care(const struct criteria *c, uint32_t care)
{
    if (c->care_type == (enum care_type)care)
        return true;
    switch (care) {
    case CARE_THERAPEUTIC:
        return code_in(c->skills, 1);
    case CARE_PARENT_AND_CHILD:
        return code_in(c->skills, 10);
    case CARE_DISABLED_CHILDREN:
        return code_in(c->skills, 5) || code_in(c->skills, 8) || (c->home_features & 0x1f4) != 0;
    default:
        return false;
    }
}

static uint32_t plain_scarce(const struct criteria *c, const struct offer *offer)
{
    static const uint32_t features[] = {2, 4, 5, 6, 7, 8}, capabilities[] = {1, 8, 10, 12}, care[] = {6, 7, 10, 11};
    for (uint32_t i = 0; i < 6; i++)
        if (code_in(offer->home_features, features[i]) && !code_in(c->home_features, features[i]))
            return PLAIN_NOT_MET;
    for (uint32_t i = 0; i < 4; i++)
        if ((code_in(offer->skills, capabilities[i]) && !plain_needs_skill(c, capabilities[i])) ||
            (code_in(offer->care_types, care[i]) && !plain_needs_care(c, care[i])))
            return PLAIN_NOT_MET;
    return plain_met(c->child_count > 1 || offer->beds_free < 3);
}

static uint32_t plain_area(const struct criteria *c, const struct offer *offer)
{
    if (strncmp(offer->cell.authority, "E", 1) != 0 || *c->authority == '\0')
        return 2;
    enum authority_relation relation = gazetteer_relation(gazetteer, c->authority, offer->cell.authority);
    return relation == RELATION_IN_AREA ? 0 : relation == RELATION_ADJOINING ? 1 : 2;
}

static uint32_t plain_tier(const struct criteria *c, const struct seen *s)
{
    for (uint32_t i = 0; s->agency && i < s->agency->framework_count; i++)
        if (strcmp(s->agency->frameworks[i].framework, c->framework) == 0)
            return s->agency->frameworks[i].tier;
    return 100;
}

static uint32_t plain_rating(const struct seen *s)
{
    static const uint32_t places[] = {2, 0, 1, 3, 4};
    return s->agency ? places[s->agency->rating] : 2;
}

static uint32_t plain_finding(const struct criteria *c, const struct seen *s, enum order_step step)
{
    const struct offer *offer = &s->offer;
    switch (step) {
    case STEP_WITHIN_RULES:
        return (s->overridden & ~BIT(RULE_H2)) != 0;
    case STEP_DISTANCE_BAND:
        return plain_band(s->distance_metres);
    case STEP_SCHOOL_KEY_STAGE_4:
        return c->key_stage_4 ? plain_near(s, c->schools, c->school_count) : PLAIN_MET;
    case STEP_SCHOOL:
        return plain_near(s, c->schools, c->school_count);
    case STEP_AREA:
        return plain_area(c, offer);
    case STEP_NEAR_SIBLINGS:
        return plain_near(s, c->sibling_places, c->sibling_place_count);
    case STEP_WISHES:
        return plain_near(s, c->important, c->important_count);
    case STEP_LANGUAGE:
        return plain_language(c, offer);
    case STEP_SKILLS:
        return c->skills == 0       ? PLAIN_MET
               : offer->skills == 0 ? PLAIN_NOT_KNOWN
                                    : plain_met((c->skills & offer->skills) == c->skills);
    case STEP_LENGTH:
        return plain_met(!c->long_term_plan || code_in(offer->care_types, CARE_LONG_TERM));
    case STEP_IMPACT:
        return plain_impact(c, offer);
    case STEP_FRESH:
        return plain_met(c->as_of_ms - offer->confirmed_at_ms <= 48 * HOUR);
    case STEP_ON_CALL:
        return plain_met(!c->on_call_asked || offer->on_call);
    case STEP_SCARCE:
        return plain_scarce(c, offer);
    case STEP_TIER:
        return *c->framework ? plain_tier(c, s) : 0;
    case STEP_RATING:
        return plain_rating(s);
    case STEP_APPROVED_TODAY:
        return plain_met(offer->approved_on <= FIXTURE_DAY);
    case STEP_CHILDREN_TAKEN:
        return c->grouping == GROUPING_SPLIT ? c->child_count - s->children_taken : 0;
    default:
        return 0;
    }
}

static int plain_compare(const struct criteria *c, const struct seen *a, const struct seen *b)
{
    for (uint32_t i = 0; i < c->step_count; i++) {
        uint32_t of_a = plain_finding(c, a, c->steps[i]), of_b = plain_finding(c, b, c->steps[i]);
        if (of_a != of_b)
            return of_a < of_b ? -1 : 1;
    }
    return 0;
}

/* --- and the planes against it --- */

struct country {
    struct world *world;
    const struct match_version *version;
    struct seeded_random random;
    struct seen seen[OFFERS];
    uint32_t count;
};

/* A lower worst key leaves exactly those that are no worse, with the same keys. */
static void check_worst(struct country *country, struct order *order, const struct fact_group *group,
                        const struct verdict *verdict, lanes used, const uint64_t keys[LANES], uint32_t count)
{
    uint64_t some[LANES], worst = keys[up_to(&country->random, count - 1)];
    worst = up_to(&country->random, 3) ? worst : worst - 1;
    lanes wanted = used & seeded_random_next(&country->random),
          left = order_keys(order, group, verdict, wanted, worst, some);
    lanes glanced = order_glance(order, group, wanted, worst);
    assert_true((left & ~glanced) == 0 && (glanced & ~wanted) == 0);
    if (order->criteria->overrides == 0 && order->criteria->grouping != GROUPING_SPLIT)
        assert_true(glanced == left);
    for (uint32_t lane = 0; lane < count; lane++) {
        bool expected = (wanted >> lane & 1) && keys[lane] <= worst;
        assert_int_equal(left >> lane & 1, expected);
        if (expected)
            assert_int_equal(some[lane], keys[lane]);
    }
}

static void look_at_lane(struct country *country, const struct criteria *criteria, const struct order *order,
                         const struct fact_group *group, const struct verdict *verdict, uint32_t lane, uint64_t key)
{
    struct seen *s = &country->seen[country->count++];
    uint64_t squared = facts_distance_squared(group, lane, criteria->near_e_metres, criteria->near_n_metres);
    *s = (struct seen){.key = key};
    held_read(group->held[lane], &s->offer);
    s->agency = country->version->agencies->slots[group->agency[lane]].row;
    s->distance_metres =
        grid_distance_metres((int32_t)group->point_e_metres[lane], (int32_t)group->point_n_metres[lane],
                             (int32_t)criteria->near_e_metres, (int32_t)criteria->near_n_metres);
    s->children_taken = 0;
    for (uint32_t bit = 0; bit < NUMBER_BITS; bit++)
        s->children_taken |= (uint32_t)(verdict->children_taken.bit[bit] >> lane & 1) << bit;
    for (uint32_t rule = 0; rule < RULES_JUDGED; rule++)
        s->overridden |= (uint32_t)(verdict->overridden[rule] >> lane & 1) << rule;
    assert_true(order_bound(order, squared) <= key);
    assert_true(order_bound(order, squared / 2) <= order_bound(order, squared));
}

static void look_at_all(struct country *country, const struct criteria *criteria)
{
    struct group_cursor cursor = {0};
    struct asked asked;
    struct order order;
    const struct fact_group *group;
    uint32_t count;
    asked_prepare(criteria, &asked);
    order_prepare(criteria, gazetteer, country->version->agencies, &order);
    country->count = 0;
    while ((group = version_next_group(country->version, &cursor, &count)) != NULL) {
        struct verdict verdict;
        lanes used = ~UINT64_C(0) >> (LANES - count);
        uint64_t keys[LANES];
        rules_judge(group, used, ~UINT64_C(0), &asked, &verdict);
        assert_int_equal(order_keys(&order, group, &verdict, used, UINT64_MAX, keys), used);
        for (uint32_t lane = 0; lane < count; lane++)
            look_at_lane(country, criteria, &order, group, &verdict, lane, keys[lane]);
        check_worst(country, &order, group, &verdict, used, keys, count);
    }
    uint64_t offers, bytes;
    match_stats(country->world->match, &offers, &bytes);
    assert_int_equal(country->count, offers);
}

/* What the reasons say of a SHOULD is what its step finds. */
static void check_reasons(struct country *country, const struct criteria *criteria, const struct seen *s)
{
    static const struct {
        enum rule rule;
        enum order_step step;
    } pairs[] = {{RULE_S2, STEP_SCHOOL},  {RULE_S4, STEP_NEAR_SIBLINGS},  {RULE_S5, STEP_LANGUAGE},
                 {RULE_S7, STEP_SKILLS},  {RULE_S8, STEP_LENGTH},         {RULE_S9, STEP_IMPACT},
                 {RULE_S10, STEP_FRESH},  {RULE_S11, STEP_ON_CALL},       {RULE_S12, STEP_WISHES},
                 {RULE_S13, STEP_SCARCE}, {RULE_S15, STEP_APPROVED_TODAY}};
    static const enum rule_outcome outcomes[] = {RULE_MET, RULE_NOT_KNOWN, RULE_NOT_MET};
    struct option option = {.offer = s->offer, .distance_metres = s->distance_metres, .children_taken = 1};
    struct asked asked;
    char approved_on[DATE_TEXT_BYTES];
    asked_prepare(criteria, &asked);
    option.agency = s->agency ? *s->agency : (struct agency){0};
    arena_reset(&country->world->arena);
    uint32_t failed = BIT(up_to(&country->random, RULES_JUDGED - 1)) & ~BIT(RULE_H1); /* with which all is withheld */
    assert_true(reasons_fill(&asked, s->overridden, failed, gazetteer, &country->world->arena, &option));
    assert_false(option.withheld);
    date_format(s->offer.approved_on, approved_on);
    for (uint32_t i = 0; i < option.reason_count; i++) {
        const struct reason *reason = &option.reasons[i];
        assert_in_range(strlen(reason->asked), 1, REASON_TEXT_BYTES - 1);
        assert_in_range(strlen(reason->found), 1, REASON_TEXT_BYTES - 1);
        assert_null(strstr(reason->found, approved_on));
        assert_null(strstr(reason->found, "suspend"));
    }
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
        const struct reason *reason = reason_of(&option, pairs[i].rule);
        uint32_t plain = plain_finding(criteria, s, pairs[i].step);
        assert_int_equal(reason ? reason->outcome : RULE_MET, outcomes[plain]);
    }
}

/* A request that asks for all there is, in an order that names every step: each has its place in the key. */
static void test_every_step_fits_one_key(void **state)
{
    struct world *world = *state;
    struct seeded_random random;
    struct criteria criteria;
    struct order order;
    uint32_t slot, named = 0;
    seeded_random_init(&random, 1);
    random_criteria(&random, &criteria);
    random_steps(&random, &criteria);
    criteria.step_count = ORDER_STEPS_MAX;
    criteria.child_count = 2;
    criteria.grouping = GROUPING_SPLIT;
    criteria.overrides = BIT(OVERRIDE_END) - 2;
    criteria.skills = BIT(1);
    criteria.language_count = criteria.school_count = criteria.sibling_place_count = criteria.important_count = 1;
    criteria.key_stage_4 = criteria.long_term_plan = criteria.on_call_asked = true;
    strcpy(criteria.languages[0], "pl");
    strcpy(criteria.authority, LEEDS);
    strcpy(criteria.framework, "north");
    order_prepare(&criteria, gazetteer, index_pin(world->match, &slot)->agencies, &order);
    for (uint32_t i = 0; i < order.step_count; i++)
        named |= BIT(order.steps[i].step);
    assert_int_equal(named, BIT(STEP_END) - 2);
    index_unpin(world->match, slot);
}

static void test_keys_compare_as_the_steps_do(void **state)
{
    struct country *country = calloc(1, sizeof *country);
    struct world *world = country->world = *state;
    struct seeded_random *random = &country->random;
    const char *given = getenv("SEED");
    uint64_t seed = given ? strtoull(given, NULL, 10) : (uint64_t)time(NULL);
    print_message("SEED=%llu\n", (unsigned long long)seed);
    seeded_random_init(random, seed);
    put_agency(world, "north-one", 2, 1);
    put_agency(world, "north-two", 0, 2);
    put_agency(world, "rated", 4, 0);
    for (uint32_t round = 0; round < ROUNDS; round++) {
        struct criteria criteria;
        struct offer offer;
        uint32_t slot, changes = round == 0 ? OFFERS : 20;
        for (uint32_t i = 0; i < changes; i++) {
            uint32_t reference = round == 0 ? i : up_to(random, OFFERS - 1);
            random_offer(random, 1000 + reference, &offer);
            put(world, 1 + reference, up_to(random, 5) ? &offer : NULL); /* what goes moves another one */
        }
        random_criteria(random, &criteria);
        country->version = index_pin(world->match, &slot);
        look_at_all(country, &criteria);
        for (uint32_t i = 0; i < country->count; i++) {
            const struct seen *a = &country->seen[i];
            check_reasons(country, &criteria, a);
            for (uint32_t j = 0; j < i; j++) {
                const struct seen *b = &country->seen[j];
                int keys = a->key < b->key ? -1 : a->key > b->key;
                if (plain_compare(&criteria, a, b) != keys)
                    fail_msg("round %u: %" PRIx64 " and %" PRIx64 " compare otherwise", round, a->key, b->key);
            }
        }
        index_unpin(world->match, slot);
    }
    free(country);
}

int main(void)
{
#define CASE(test) cmocka_unit_test_setup_teardown(test, world_open, world_close)
    const struct CMUnitTest tests[] = {
        CASE(test_built_in_orders),
        CASE(test_authority_numbers),
        CASE(test_every_step_fits_one_key),
        CASE(test_keys_compare_as_the_steps_do),
    };
    WORLD_RUN(tests);
}
