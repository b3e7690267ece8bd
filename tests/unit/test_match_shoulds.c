/* tier: check */
/*
 * The SHOULDs S1 to S15 (domain.md 5.2; proto Rule and OrderStep) one at a time: each met, not met, not known, in the
 * reasons and in the planes; and the words of what is failed (design 4.9).
 */
#include "tests/unit/match_world.h"

/* --- a rule at a time ------------------------------------------------------------------------------------------- */

/* Of the only offer, by this step alone: what its field says. */
static uint64_t field_of(struct world *world, const struct criteria *asking, enum order_step step, uint8_t *bits)
{
    struct criteria criteria = *asking;
    struct asked asked;
    struct verdict verdict;
    struct order order;
    struct group_cursor cursor = {0};
    uint32_t slot, count;
    uint64_t keys[LANES];
    criteria.step_count = 1;
    criteria.steps[0] = (uint8_t)step;
    const struct match_version *version = index_pin(world->match, &slot);
    const struct fact_group *group = version_next_group(version, &cursor, &count);
    assert_int_equal(count, 1);
    asked_prepare(&criteria, &asked);
    rules_judge(group, 1, 1, &asked, &verdict);
    order_prepare(&criteria, gazetteer, version->agencies, &order);
    assert_int_equal(order_keys(&order, group, &verdict, 1, UINT64_MAX, keys), 1);
    index_unpin(world->match, slot);
    *bits = order.step_count ? order.steps[0].bits : 0;
    return order.step_count ? keys[0] >> order.steps[0].shift : 0;
}

/* The option's reason, and what the step finds. */
static void assert_comes_out(struct world *world, const struct criteria *criteria, const struct offer *offer,
                             enum rule rule, enum order_step step, enum rule_outcome expected)
{
    uint8_t bits;
    put(world, 1, offer);
    arena_reset(&world->arena);
    assert_int_equal(match_find(world->match, criteria, UINT32_MAX, &world->arena, &world->answer, NULL), ERR_NONE);
    assert_int_equal(world->answer.option_count, 1);
    const struct reason *reason = reason_of(&world->answer.options[0], rule);
    if (expected == RULE_OUTCOME_NONE) {
        assert_null(reason);
    } else {
        assert_non_null(reason);
        assert_int_equal(reason->outcome, expected);
    }
    if (step == STEP_NONE)
        return;
    uint64_t field = field_of(world, criteria, step, &bits);
    if (expected == RULE_OUTCOME_NONE || expected == RULE_MET)
        assert_int_equal(field, 0);
    else if (expected == RULE_NOT_KNOWN)
        assert_int_equal(field, 1);
    else
        assert_int_equal(field, bits == 1 ? 1 : 2);
    assert_true((bits == 0) == (expected == RULE_OUTCOME_NONE));
}

static const char *words(const struct world *world, enum rule rule)
{
    return reason_of(&world->answer.options[0], rule)->found;
}

/* domain.md S1: 20 miles are 32,187 metres. */
static void test_s1_near_home(void **state)
{
    struct world *world = *state;
    struct criteria criteria;
    struct offer offer;
    begin(&criteria, &offer);
    criteria.near_n_metres = N_METRES + 32187;
    assert_comes_out(world, &criteria, &offer, RULE_S1, STEP_NONE, RULE_MET);
    assert_string_equal(words(world, RULE_S1), "20.0 miles");
    criteria.near_n_metres++;
    assert_comes_out(world, &criteria, &offer, RULE_S1, STEP_NONE, RULE_NOT_MET);
}

/* domain.md S2, and reg 10 where a child is 14 or 15. */
static void test_s2_school(void **state)
{
    struct world *world = *state;
    struct criteria criteria;
    struct offer offer;
    begin(&criteria, &offer);
    assert_comes_out(world, &criteria, &offer, RULE_S2, STEP_SCHOOL, RULE_OUTCOME_NONE);
    criteria.school_count = 2;
    criteria.schools[0] = (struct point_wanted){E_METRES + 16093, N_METRES};
    criteria.schools[1] = (struct point_wanted){E_METRES, N_METRES - 3000};
    assert_comes_out(world, &criteria, &offer, RULE_S2, STEP_SCHOOL, RULE_MET);
    assert_string_equal(words(world, RULE_S2), "10.0, 1.9 miles");
    criteria.schools[0].e_metres++;
    assert_comes_out(world, &criteria, &offer, RULE_S2, STEP_SCHOOL, RULE_NOT_MET);
    uint8_t bits;
    assert_int_equal(field_of(world, &criteria, STEP_SCHOOL_KEY_STAGE_4, &bits), 0);
    assert_int_equal(bits, 0);
    criteria.key_stage_4 = true;
    assert_comes_out(world, &criteria, &offer, RULE_S2, STEP_SCHOOL_KEY_STAGE_4, RULE_NOT_MET);
}

/* domain.md S3 and reg 11: where, and who approves. */
static void test_s3_area(void **state)
{
    struct world *world = *state;
    struct criteria criteria;
    struct offer offer;
    uint8_t bits;
    begin(&criteria, &offer);
    assert_comes_out(world, &criteria, &offer, RULE_S3, STEP_AREA, RULE_MET);
    assert_string_equal(words(world, RULE_S3), "in area (Leeds)");
    strcpy(criteria.authority, BRADFORD);
    assert_comes_out(world, &criteria, &offer, RULE_S3, STEP_NONE, RULE_NOT_MET);
    assert_int_equal(field_of(world, &criteria, STEP_AREA, &bits), 1);
    assert_string_equal(words(world, RULE_S3), "adjoining (Leeds): a nominated officer approves (reg 11)");
    strcpy(criteria.authority, CORNWALL);
    assert_comes_out(world, &criteria, &offer, RULE_S3, STEP_AREA, RULE_NOT_MET);
    assert_string_equal(words(world, RULE_S3), "at a distance (Leeds): the Director of Children's Services approves, "
                                               "the area authority is consulted (reg 11)");
    strcpy(offer.cell.authority, "E06000045");
    strcpy(criteria.authority, "E06000046");
    assert_comes_out(world, &criteria, &offer, RULE_S3, STEP_AREA, RULE_NOT_MET);
    strcpy(offer.cell.authority, "W06000001");
    strcpy(criteria.authority, "W06000001"); /* no English authority: no number, no relation */
    assert_comes_out(world, &criteria, &offer, RULE_S3, STEP_AREA, RULE_NOT_MET);
    strcpy(criteria.authority, "");
    assert_comes_out(world, &criteria, &offer, RULE_S3, STEP_NONE, RULE_NOT_MET);
    assert_int_equal(field_of(world, &criteria, STEP_AREA, &bits), 0);
}

/* domain.md S4 */
static void test_s4_near_siblings(void **state)
{
    struct world *world = *state;
    struct criteria criteria;
    struct offer offer;
    begin(&criteria, &offer);
    assert_comes_out(world, &criteria, &offer, RULE_S4, STEP_NEAR_SIBLINGS, RULE_OUTCOME_NONE);
    criteria.sibling_place_count = 1;
    criteria.sibling_places[0] = (struct point_wanted){E_METRES, N_METRES + 16093};
    assert_comes_out(world, &criteria, &offer, RULE_S4, STEP_NEAR_SIBLINGS, RULE_MET);
    criteria.sibling_places[0].n_metres++;
    assert_comes_out(world, &criteria, &offer, RULE_S4, STEP_NEAR_SIBLINGS, RULE_NOT_MET);
}

/* Of another tag, in the same class. */
static void tag_like(const char *tag, char out[LANGUAGE_TAG_BYTES])
{
    for (int i = 0; i < 26 * 26; i++) {
        snprintf(out, LANGUAGE_TAG_BYTES, "%c%c", 'a' + i / 26, 'a' + i % 26);
        if (strcmp(out, tag) != 0 && language_class(out) == language_class(tag))
            return;
    }
    fail_msg("no tag is of the class of %s", tag);
}

/* domain.md S5: every language asked for, not only one of its class. */
static void test_s5_language(void **state)
{
    struct world *world = *state;
    struct criteria criteria;
    struct offer offer;
    begin(&criteria, &offer);
    assert_comes_out(world, &criteria, &offer, RULE_S5, STEP_LANGUAGE, RULE_OUTCOME_NONE);
    criteria.language_count = 2;
    strcpy(criteria.languages[0], "de");
    strcpy(criteria.languages[1], "bfi");
    assert_comes_out(world, &criteria, &offer, RULE_S5, STEP_LANGUAGE, RULE_NOT_KNOWN);
    offer.language_count = 2;
    strcpy(offer.languages[0].tag, "bfi");
    strcpy(offer.languages[1].tag, "de");
    offer.languages[0].level = offer.languages[1].level = 1;
    assert_comes_out(world, &criteria, &offer, RULE_S5, STEP_LANGUAGE, RULE_MET);
    assert_string_equal(words(world, RULE_S5), "bfi (some), de (some)");
    tag_like("de", offer.languages[1].tag);
    assert_comes_out(world, &criteria, &offer, RULE_S5, STEP_LANGUAGE, RULE_NOT_MET);
    offer.language_count = 1;
    assert_comes_out(world, &criteria, &offer, RULE_S5, STEP_LANGUAGE, RULE_NOT_MET);
}

/* domain.md S6: never known, and in no order. */
static void test_s6_culture(void **state)
{
    struct world *world = *state;
    struct criteria criteria;
    struct offer offer;
    begin(&criteria, &offer);
    assert_comes_out(world, &criteria, &offer, RULE_S6, STEP_NONE, RULE_OUTCOME_NONE);
    criteria.culture_asked = true;
    assert_comes_out(world, &criteria, &offer, RULE_S6, STEP_NONE, RULE_NOT_KNOWN);
    assert_string_equal(words(world, RULE_S6), "not stated: ask the agency");
}

/* domain.md S7 */
static void test_s7_skills(void **state)
{
    struct world *world = *state;
    struct criteria criteria;
    struct offer offer;
    begin(&criteria, &offer);
    assert_comes_out(world, &criteria, &offer, RULE_S7, STEP_SKILLS, RULE_OUTCOME_NONE);
    criteria.skills = BIT(2) | BIT(9);
    assert_comes_out(world, &criteria, &offer, RULE_S7, STEP_SKILLS, RULE_NOT_KNOWN);
    offer.skills = BIT(9) | BIT(5);
    assert_comes_out(world, &criteria, &offer, RULE_S7, STEP_SKILLS, RULE_NOT_MET);
    offer.skills = BIT(9) | BIT(2);
    assert_comes_out(world, &criteria, &offer, RULE_S7, STEP_SKILLS, RULE_MET);
}

/* domain.md S8 */
static void test_s8_length(void **state)
{
    struct world *world = *state;
    struct criteria criteria;
    struct offer offer;
    begin(&criteria, &offer);
    assert_comes_out(world, &criteria, &offer, RULE_S8, STEP_LENGTH, RULE_OUTCOME_NONE);
    criteria.long_term_plan = true;
    assert_comes_out(world, &criteria, &offer, RULE_S8, STEP_LENGTH, RULE_MET);
    offer.care_types = BIT(CARE_SHORT_TERM); /* approved for long term, not offered */
    assert_comes_out(world, &criteria, &offer, RULE_S8, STEP_LENGTH, RULE_NOT_MET);
}

/* domain.md S9, NMS 15.1 */
static void test_s9_impact(void **state)
{
    static const struct {
        uint32_t youngest_months, oldest_months, there;
        enum age_band band;
        enum rule_outcome expected;
    } rows[] = {
        {96, 96, 0, AGE_NONE, RULE_MET},      {96, 96, 2, AGE_6_8, RULE_MET},
        {96, 96, 3, AGE_6_8, RULE_NOT_MET},   {96, 96, 1, AGE_3_5, RULE_MET},
        {96, 96, 1, AGE_9_11, RULE_MET},      {96, 96, 1, AGE_0_2, RULE_NOT_MET},
        {96, 96, 1, AGE_12_14, RULE_NOT_MET}, {60, 96, 1, AGE_9_11, RULE_NOT_MET},
        {60, 96, 1, AGE_3_5, RULE_MET},       {60, 96, 1, AGE_6_8, RULE_MET},
        {60, 144, 1, AGE_6_8, RULE_NOT_MET},  {60, 108, 1, AGE_6_8, RULE_MET},
        {216, 216, 1, AGE_15_17, RULE_MET},   {216, 216, 1, AGE_12_14, RULE_NOT_MET},
        {180, 180, 1, AGE_12_14, RULE_MET},   {0, 0, 1, AGE_3_5, RULE_MET},
        {0, 0, 1, AGE_6_8, RULE_NOT_MET},
    };
    struct world *world = *state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct criteria criteria;
        struct offer offer;
        begin(&criteria, &offer);
        offer.age_from_months = offer.approved_age_from_months = 0;
        offer.age_below_months = offer.approved_age_below_months = 252;
        criteria.child_count = 2;
        criteria.children[0] = (struct child_sought){rows[i].oldest_months, SEX_F};
        criteria.children[1] = (struct child_sought){rows[i].youngest_months, SEX_M};
        live_there(&offer, rows[i].there, rows[i].band);
        assert_comes_out(world, &criteria, &offer, RULE_S9, STEP_IMPACT, rows[i].expected);
    }
}

/* domain.md S10: 48 hours, as of the moment of the question. */
static void test_s10_fresh(void **state)
{
    struct world *world = *state;
    struct criteria criteria;
    struct offer offer;
    begin(&criteria, &offer);
    offer.confirmed_at_ms = FIXTURE_AS_OF - 48 * HOUR;
    assert_comes_out(world, &criteria, &offer, RULE_S10, STEP_FRESH, RULE_MET);
    offer.confirmed_at_ms--;
    assert_comes_out(world, &criteria, &offer, RULE_S10, STEP_FRESH, RULE_NOT_MET);
    assert_string_equal(words(world, RULE_S10), "confirmed 2 days ago");
    offer.confirmed_at_ms = FIXTURE_AS_OF + 1;
    assert_comes_out(world, &criteria, &offer, RULE_S10, STEP_FRESH, RULE_MET);
    assert_string_equal(words(world, RULE_S10), "confirmed 0 hours ago");
    offer.reported_unavailable_at_ms = FIXTURE_AS_OF - HOUR; /* valid_until_ms stays: S10 does not hang on H2 */
    assert_comes_out(world, &criteria, &offer, RULE_S10, STEP_FRESH, RULE_NOT_MET);
    assert_string_equal(words(world, RULE_S10), "not since a team was told that it is not available");
}

/* domain.md S11 */
static void test_s11_on_call(void **state)
{
    struct world *world = *state;
    struct criteria criteria;
    struct offer offer;
    begin(&criteria, &offer);
    assert_comes_out(world, &criteria, &offer, RULE_S11, STEP_ON_CALL, RULE_OUTCOME_NONE);
    criteria.on_call_asked = true;
    assert_comes_out(world, &criteria, &offer, RULE_S11, STEP_ON_CALL, RULE_NOT_MET);
    offer.on_call = true;
    assert_comes_out(world, &criteria, &offer, RULE_S11, STEP_ON_CALL, RULE_MET);
}

/* domain.md S12 */
static void test_s12_wishes(void **state)
{
    struct world *world = *state;
    struct criteria criteria;
    struct offer offer;
    begin(&criteria, &offer);
    assert_comes_out(world, &criteria, &offer, RULE_S12, STEP_WISHES, RULE_OUTCOME_NONE);
    criteria.important_count = PLACES_WANTED_MAX;
    for (int i = 0; i < PLACES_WANTED_MAX; i++)
        criteria.important[i] = (struct point_wanted){E_METRES - 16093, N_METRES};
    assert_comes_out(world, &criteria, &offer, RULE_S12, STEP_WISHES, RULE_MET);
    criteria.important[PLACES_WANTED_MAX - 1].e_metres--;
    assert_comes_out(world, &criteria, &offer, RULE_S12, STEP_WISHES, RULE_NOT_MET);
}

/* domain.md S13: what proto Rule lists, and nothing else, unless the child needs it. */
static void test_s13_scarce(void **state)
{
    const uint32_t features = BIT(2) | BIT(4) | BIT(5) | BIT(6) | BIT(7) | BIT(8);
    const uint32_t capabilities = BIT(1) | BIT(8) | BIT(10) | BIT(12);
    const uint32_t care =
        BIT(CARE_PARENT_AND_CHILD) | BIT(CARE_REMAND) | BIT(CARE_THERAPEUTIC) | BIT(CARE_DISABLED_CHILDREN);
    struct world *world = *state;
    struct criteria criteria;
    struct offer offer;
    for (uint32_t code = 1; code < HOME_FEATURE_END; code++) {
        begin(&criteria, &offer);
        offer.home_features = BIT(code);
        assert_comes_out(world, &criteria, &offer, RULE_S13, STEP_SCARCE,
                         code_in(features, code) ? RULE_NOT_MET : RULE_MET);
        criteria.home_features = BIT(code);
        assert_comes_out(world, &criteria, &offer, RULE_S13, STEP_SCARCE, RULE_MET);
    }
    for (uint32_t code = 1; code < SKILL_END; code++) {
        begin(&criteria, &offer);
        offer.skills = BIT(code);
        assert_comes_out(world, &criteria, &offer, RULE_S13, STEP_SCARCE,
                         code_in(capabilities, code) ? RULE_NOT_MET : RULE_MET);
        criteria.skills = BIT(code);
        assert_comes_out(world, &criteria, &offer, RULE_S13, STEP_SCARCE, RULE_MET);
    }
    for (uint32_t code = 1; code < CARE_STAYING_PUT; code++) {
        begin(&criteria, &offer);
        offer.care_types = offer.approved_care_types = BIT(code) | BIT(CARE_SHORT_TERM);
        assert_comes_out(world, &criteria, &offer, RULE_S13, STEP_SCARCE,
                         code_in(care, code) ? RULE_NOT_MET : RULE_MET);
        criteria.care_type = code;
        assert_comes_out(world, &criteria, &offer, RULE_S13, STEP_SCARCE, RULE_MET);
    }
    begin(&criteria, &offer);
    offer.beds = offer.beds_free = 3;
    assert_comes_out(world, &criteria, &offer, RULE_S13, STEP_SCARCE, RULE_NOT_MET);
    assert_string_equal(words(world, RULE_S13), "3 beds free for one child");
    criteria.child_count = 2;
    criteria.children[1] = criteria.children[0];
    assert_comes_out(world, &criteria, &offer, RULE_S13, STEP_SCARCE, RULE_MET);
}

/* What the child needs is not wasted on it, by whichever of its names it is asked for. */
static void test_s13_a_need_by_its_other_names(void **state)
{
    static const struct {
        const char *language;
        uint32_t asked_care, asked_skills, asked_features, skills, care;
        enum rule_outcome outcome;
    } rows[] = {
        {"bfi", 0, 0, 0, BIT(12), 0, RULE_MET},
        {"art-x-makaton", 0, 0, 0, BIT(12), 0, RULE_MET},
        {"pl", 0, 0, 0, BIT(12), 0, RULE_NOT_MET},
        {"bfi", 0, 0, 0, BIT(8), 0, RULE_NOT_MET},
        {"", CARE_THERAPEUTIC, 0, 0, BIT(1), 0, RULE_MET},
        {"", CARE_THERAPEUTIC, 0, 0, BIT(10), 0, RULE_NOT_MET},
        {"", CARE_PARENT_AND_CHILD, 0, 0, BIT(10), 0, RULE_MET},
        {"", CARE_PARENT_AND_CHILD, 0, 0, BIT(1), 0, RULE_NOT_MET},
        {"", CARE_DISABLED_CHILDREN, 0, 0, BIT(8), 0, RULE_NOT_MET}, /* not the other way round */
        {"", 0, BIT(1), 0, 0, CARE_THERAPEUTIC, RULE_MET},
        {"", 0, BIT(1), 0, 0, CARE_PARENT_AND_CHILD, RULE_NOT_MET},
        {"", 0, BIT(10), 0, 0, CARE_PARENT_AND_CHILD, RULE_MET},
        {"", 0, BIT(10), 0, 0, CARE_THERAPEUTIC, RULE_NOT_MET},
        {"", 0, BIT(5), 0, 0, CARE_DISABLED_CHILDREN, RULE_MET},
        {"", 0, BIT(8), 0, 0, CARE_DISABLED_CHILDREN, RULE_MET},
        {"", 0, BIT(6), 0, 0, CARE_DISABLED_CHILDREN, RULE_NOT_MET},
        {"", 0, 0, BIT(2), 0, CARE_DISABLED_CHILDREN, RULE_MET},
        {"", 0, 0, BIT(4), 0, CARE_DISABLED_CHILDREN, RULE_MET},
        {"", 0, 0, BIT(5), 0, CARE_DISABLED_CHILDREN, RULE_MET},
        {"", 0, 0, BIT(6), 0, CARE_DISABLED_CHILDREN, RULE_MET},
        {"", 0, 0, BIT(7), 0, CARE_DISABLED_CHILDREN, RULE_MET},
        {"", 0, 0, BIT(8), 0, CARE_DISABLED_CHILDREN, RULE_MET},
        {"", 0, 0, BIT(1), 0, CARE_DISABLED_CHILDREN, RULE_NOT_MET},
        {"", 0, BIT(8), BIT(2), 0, CARE_REMAND, RULE_NOT_MET},
    };
    struct world *world = *state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct criteria criteria;
        struct offer offer;
        begin(&criteria, &offer);
        criteria.language_count = *rows[i].language != '\0';
        strcpy(criteria.languages[0], rows[i].language);
        if (rows[i].asked_care)
            criteria.care_type = rows[i].asked_care;
        criteria.skills = rows[i].asked_skills;
        criteria.home_features = offer.home_features = rows[i].asked_features;
        offer.skills = rows[i].skills;
        offer.care_types = BIT(criteria.care_type) | (rows[i].care ? BIT(rows[i].care) : 0);
        offer.approved_care_types = offer.care_types;
        assert_comes_out(world, &criteria, &offer, RULE_S13, STEP_SCARCE, rows[i].outcome);
    }
}

/* domain.md S14: only when asked; the tier itself orders. */
static void test_s14_tier(void **state)
{
    struct world *world = *state;
    struct criteria criteria;
    struct offer offer;
    uint8_t bits;
    begin(&criteria, &offer);
    assert_comes_out(world, &criteria, &offer, RULE_S14_TIER, STEP_TIER, RULE_OUTCOME_NONE);
    strcpy(criteria.framework, "north");
    assert_comes_out(world, &criteria, &offer, RULE_S14_TIER, STEP_NONE, RULE_NOT_MET);
    uint64_t none = field_of(world, &criteria, STEP_TIER, &bits);
    assert_string_equal(words(world, RULE_S14_TIER), "not on it");
    put_agency(world, "leeds", 0, 9);
    assert_comes_out(world, &criteria, &offer, RULE_S14_TIER, STEP_NONE, RULE_MET);
    assert_int_equal(field_of(world, &criteria, STEP_TIER, &bits), 9);
    assert_true(none > 9);
    criteria.framework_tier = 2;
    assert_comes_out(world, &criteria, &offer, RULE_S14_TIER, STEP_NONE, RULE_NOT_MET);
    put_agency(world, "leeds", 0, 2);
    assert_comes_out(world, &criteria, &offer, RULE_S14_TIER, STEP_NONE, RULE_MET);
    assert_int_equal(field_of(world, &criteria, STEP_TIER, &bits), 2);
}

/* domain.md S14: outstanding, good, none held, requires improvement, inadequate. */
static void test_s14_rating(void **state)
{
    static const struct {
        uint8_t rating;
        enum rule_outcome outcome;
    } rows[] = {{1, RULE_MET}, {2, RULE_MET}, {0, RULE_NOT_KNOWN}, {3, RULE_NOT_MET}, {4, RULE_NOT_MET}};
    struct world *world = *state;
    struct criteria criteria;
    struct offer offer;
    uint8_t bits;
    begin(&criteria, &offer);
    assert_comes_out(world, &criteria, &offer, RULE_S14_RATING, STEP_NONE, RULE_OUTCOME_NONE);
    for (uint32_t i = 0; i < 5; i++) {
        put_agency(world, "leeds", rows[i].rating, 0);
        criteria.rating_asked = true;
        criteria.step_count = 0;
        assert_comes_out(world, &criteria, &offer, RULE_S14_RATING, STEP_NONE, rows[i].outcome);
        assert_int_equal(field_of(world, &criteria, STEP_RATING, &bits), i);
        criteria.rating_asked = false;
        criteria.step_count = 1;
        criteria.steps[0] = STEP_RATING; /* whoever orders by it is told */
        assert_comes_out(world, &criteria, &offer, RULE_S14_RATING, STEP_NONE, rows[i].outcome);
    }
}

/* domain.md S15 and H1: approval is due before the start date, not on it. */
static void test_s15_approved_today(void **state)
{
    struct world *world = *state;
    struct criteria criteria;
    struct offer offer;
    begin(&criteria, &offer);
    criteria.starts_on = FIXTURE_DAY + 10;
    offer.approved_on = FIXTURE_DAY;
    assert_comes_out(world, &criteria, &offer, RULE_S15, STEP_APPROVED_TODAY, RULE_MET);
    offer.approved_on = FIXTURE_DAY + 1;
    assert_comes_out(world, &criteria, &offer, RULE_S15, STEP_APPROVED_TODAY, RULE_NOT_MET);
    offer.approved_on = FIXTURE_DAY + 10;
    assert_comes_out(world, &criteria, &offer, RULE_S15, STEP_APPROVED_TODAY, RULE_NOT_MET);
    offer.approved_on = FIXTURE_DAY + 11;
    put(world, 1, &offer);
    assert_int_equal(match_find(world->match, &criteria, UINT32_MAX, &world->arena, &world->answer, NULL), ERR_NONE);
    assert_int_equal(world->answer.option_count, 0);
    assert_int_equal(world->answer.removed[RULE_H1].failed_alone, 1);
}

/* Proto OrderStep: bands end below 5, 10, 20 and 50 miles; what needs an override comes later. */
static void test_bands_and_overrides(void **state)
{
    static const uint32_t bounds[] = {8047, 16093, 32187, 80467};
    struct world *world = *state;
    struct criteria criteria;
    struct offer offer;
    uint8_t bits;
    begin(&criteria, &offer);
    put(world, 1, &offer);
    for (uint32_t i = 0; i < 4; i++) {
        criteria.near_e_metres = E_METRES + bounds[i] - 1;
        assert_int_equal(field_of(world, &criteria, STEP_DISTANCE_BAND, &bits), i);
        assert_int_equal(distance_band(bounds[i] - 1), i);
        criteria.near_e_metres++;
        assert_int_equal(field_of(world, &criteria, STEP_DISTANCE_BAND, &bits), i + 1);
        assert_int_equal(distance_band(bounds[i]), i + 1);
    }
    criteria.children[0].age_months = 180;
    criteria.overrides = BIT(OVERRIDE_OUTSIDE_TERMS) | BIT(OVERRIDE_UNCONFIRMED);
    assert_int_equal(field_of(world, &criteria, STEP_WITHIN_RULES, &bits), 1);
    criteria.children[0].age_months = 96;
    assert_int_equal(field_of(world, &criteria, STEP_WITHIN_RULES, &bits), 0);
    offer.state = VACANCY_LAPSED; /* a list of its own, not a later place */
    put(world, 1, &offer);
    assert_int_equal(field_of(world, &criteria, STEP_WITHIN_RULES, &bits), 0);
}

/* --- what is explained ------------------------------------------------------------------------------------------ */

/* The option of the only offer, with everything that it fails. */
static void explain(struct world *world, const struct criteria *criteria, const struct offer *offer,
                    struct option *option)
{
    struct asked asked;
    struct verdict verdict;
    struct group_cursor cursor = {0};
    uint32_t slot, count, failed = 0, overridden = 0;
    put(world, 1, offer);
    arena_reset(&world->arena);
    const struct match_version *version = index_pin(world->match, &slot);
    const struct fact_group *group = version_next_group(version, &cursor, &count);
    const struct agency_slot *agency = &version->agencies->slots[group->agency[0]];
    asked_prepare(criteria, &asked);
    rules_judge(group, 1, agency->active, &asked, &verdict);
    for (uint32_t rule = 0; rule < RULES_JUDGED; rule++) {
        failed |= (uint32_t)(verdict.failed[rule] & 1) << rule;
        overridden |= (uint32_t)(verdict.overridden[rule] & 1) << rule;
    }
    *option = (struct option){.offer = *offer};
    option->agency = agency->row ? *agency->row : (struct agency){0};
    option->children_taken = number_of_lane(&verdict.children_taken, 0);
    option->unconfirmed = facts_unconfirmed(group, 0, criteria->as_of_ms);
    option->distance_metres =
        grid_distance_metres((int32_t)offer->cell.point_e_metres, (int32_t)offer->cell.point_n_metres,
                             (int32_t)criteria->near_e_metres, (int32_t)criteria->near_n_metres);
    index_unpin(world->match, slot);
    assert_true(reasons_fill(&asked, overridden, failed, gazetteer, &world->arena, option));
}

#define NOT_OFFERED "not offered on this day"

static void assert_fails(struct world *world, const struct criteria *criteria, const struct offer *offer,
                         enum rule rule, const char *found)
{
    struct option option;
    explain(world, criteria, offer, &option);
    const struct reason *reason = reason_of(&option, rule);
    assert_non_null(reason);
    assert_int_equal(reason->outcome, RULE_FAILED);
    assert_string_equal(reason->found, found);
}

/* The card is withheld, and nothing is said but that these of H1 and H2 fail. NULL: it doesn't. */
static void assert_withheld(struct world *world, const struct criteria *criteria, const struct offer *offer,
                            const char *approval, const char *available)
{
    struct option option;
    explain(world, criteria, offer, &option);
    const struct reason *h1 = reason_of(&option, RULE_H1), *h2 = reason_of(&option, RULE_H2);
    assert_true(option.withheld);
    assert_int_equal(option.reason_count, (approval != NULL) + (available != NULL));
    assert_int_equal(h1 != NULL, approval != NULL);
    assert_int_equal(h2 != NULL, available != NULL);
    for (uint32_t i = 0; i < option.reason_count; i++) {
        assert_int_equal(option.reasons[i].outcome, RULE_FAILED);
        assert_string_equal(option.reasons[i].asked, "2026-05-27");
    }
    if (approval)
        assert_string_equal(h1->found, approval);
    if (available)
        assert_string_equal(h2->found, available);
}

/* Design 4.9 and domain.md 2.3: what is in the way, and no more than the card would show. */
static void test_failing_to_be_offered_is_told(void **state)
{
    struct world *world = *state;
    struct criteria criteria;
    struct offer offer;
    begin(&criteria, &offer);
    offer.approved_on = FIXTURE_DAY + 1;
    assert_withheld(world, &criteria, &offer, NOT_OFFERED, NULL);
    begin(&criteria, &offer);
    offer.approval_ends_on = FIXTURE_DAY;
    assert_withheld(world, &criteria, &offer, NOT_OFFERED, NULL);
    offer.from = FIXTURE_DAY + 1; /* no date of a home that is withheld */
    assert_withheld(world, &criteria, &offer, NOT_OFFERED, "not vacant, or not confirmed");
    offer.from = DATE_NONE;
    offer.valid_until_ms = FIXTURE_AS_OF - 1;
    assert_withheld(world, &criteria, &offer, NOT_OFFERED, "not vacant, or not confirmed");
    criteria.overrides = BIT(OVERRIDE_UNCONFIRMED);
    assert_withheld(world, &criteria, &offer, NOT_OFFERED, NULL);
    begin(&criteria, &offer);
    strcpy(offer.agency, "york"); /* not known here */
    assert_withheld(world, &criteria, &offer, NOT_OFFERED, NULL);
    begin(&criteria, &offer);
    criteria.children[0].age_months = 180; /* fails H3 as well, which isn't told */
    offer.state = VACANCY_RESERVED;
    offer.reserved_until = FIXTURE_DAY + 3;
    assert_withheld(world, &criteria, &offer, NULL, "reserved");
    offer.approval_ends_on = FIXTURE_DAY;
    assert_withheld(world, &criteria, &offer, NOT_OFFERED, "reserved");
    offer.approval_ends_on = DATE_NONE;
    offer.state = VACANCY_LAPSED;
    assert_withheld(world, &criteria, &offer, NULL, "reserved");
    offer.state = VACANCY_NOT_AVAILABLE;
    offer.reserved_until = DATE_NONE;
    offer.bucket = BUCKET_AGENCY;
    assert_withheld(world, &criteria, &offer, NULL, "not available (agency)");
    offer.state = VACANCY_LAPSED;
    offer.bucket = BUCKET_CARER;
    assert_withheld(world, &criteria, &offer, NULL, "not available (carer)");
    begin(&criteria, &offer);
    offer.state = VACANCY_PLACED;
    assert_withheld(world, &criteria, &offer, NULL, "placed");
    begin(&criteria, &offer);
    offer.state = VACANCY_HELD;
    offer.beds_free = 0;
    assert_fails(world, &criteria, &offer, RULE_H2, "no bed is free: held");
    begin(&criteria, &offer);
    offer.reported_unavailable_at_ms = FIXTURE_AS_OF - 3600 * 1000;
    offer.valid_until_ms = offer.reported_unavailable_at_ms;
    assert_fails(world, &criteria, &offer, RULE_H2,
                 "vacant; on 2026-05-26T23:00 a team was told that it is not available, telephone first");
    begin(&criteria, &offer);
    offer.state = VACANCY_LAPSED;
    assert_fails(world, &criteria, &offer, RULE_H2, "vacant; unconfirmed since 2026-05-27T00:00, telephone first");
    begin(&criteria, &offer);
    offer.from = FIXTURE_DAY + 1;
    assert_fails(world, &criteria, &offer, RULE_H2, "vacant from 2026-05-28");
}

static void test_failing_terms_and_numbers_is_told(void **state)
{
    struct world *world = *state;
    struct criteria criteria;
    struct offer offer;
    begin(&criteria, &offer);
    criteria.children[0].age_months = 180;
    criteria.care_type = CARE_EMERGENCY;
    assert_fails(world, &criteria, &offer, RULE_H3, "approved 5 to 12 any, not for emergency");
    begin(&criteria, &offer);
    offer.beds_free = 0;
    assert_fails(world, &criteria, &offer, RULE_H4, "0 of 2 beds free, terms 2");
    begin(&criteria, &offer);
    live_there(&offer, 3, AGE_6_8);
    for (int i = 0; i < 3; i++)
        offer.children[i].placed = true;
    offer.max_children = 4;
    assert_fails(world, &criteria, &offer, RULE_H5, "3 placed, usual limit 3");
    begin(&criteria, &offer);
    criteria.child_count = 3;
    criteria.children[1] = criteria.children[2] = criteria.children[0];
    assert_fails(world, &criteria, &offer, RULE_H6, "takes 2");
    begin(&criteria, &offer);
    offer.bedrooms = 0;
    assert_fails(world, &criteria, &offer, RULE_H7, "bedrooms: 0 for 0 placed and 1 more, sharing: not stated");
}

static void test_failing_about_the_home_is_told(void **state)
{
    struct world *world = *state;
    struct criteria criteria;
    struct offer offer;
    begin(&criteria, &offer);
    criteria.home_features = BIT(1) | BIT(5);
    offer.home_features = BIT(1) | BIT(9);
    assert_fails(world, &criteria, &offer, RULE_H8, "lacks: hoist");
    begin(&criteria, &offer);
    criteria.alongside = ALONGSIDE_SOLO;
    live_there(&offer, 1, AGE_6_8);
    assert_fails(world, &criteria, &offer, RULE_H9, "0 placed, 1 of the household's own");
    begin(&criteria, &offer);
    criteria.avoided_count = 1;
    criteria.avoided[0] = (struct avoided){E_METRES, N_METRES, 500, 0, ""};
    assert_fails(world, &criteria, &offer, RULE_H10, "some part of the area near");
    begin(&criteria, &offer);
    criteria.avoided_count = 1; /* 2 km off: an area that reaches that far is not avoided by its middle alone */
    criteria.avoided[0] = (struct avoided){E_METRES, N_METRES + 3000, 0, 3000, "LS6"};
    assert_fails(world, &criteria, &offer, RULE_H10, "some part of the area near");
    begin(&criteria, &offer);
    criteria.risks = BIT(1) | BIT(9);
    offer.cannot_take = BIT(9) | BIT(8);
    assert_fails(world, &criteria, &offer, RULE_H11, "can't take: fire setting");
    begin(&criteria, &offer);
    criteria.no_pets = BIT(1);
    offer.pets = BIT(1) | BIT(2);
    assert_fails(world, &criteria, &offer, RULE_H12, "dog");
    begin(&criteria, &offer);
    criteria.pets_must = true;
    assert_fails(world, &criteria, &offer, RULE_H12, "none");
    begin(&criteria, &offer);
    criteria.care_type = CARE_REMAND;
    assert_fails(world, &criteria, &offer, RULE_H13, "not approved");
    begin(&criteria, &offer);
    criteria.within_metres = 1609;
    criteria.near_n_metres += 6759;
    assert_fails(world, &criteria, &offer, RULE_DISTANCE, "4.2 miles");
}

/* Everything asked, everything stated, everything failed: no text is cut, none is empty. */
static void test_the_longest_words(void **state)
{
    struct world *world = *state;
    struct criteria criteria;
    struct offer offer;
    struct option option;
    for (uint32_t overrides = 0; overrides < 2; overrides++) {
        begin(&criteria, &offer);
        strcpy(criteria.authority, "E06000058"); /* Bournemouth, Christchurch and Poole */
        strcpy(offer.cell.authority, "E06000058");
        criteria.overrides = overrides ? BIT(OVERRIDE_END) - 2 : 0;
        criteria.child_count = CHILDREN_MAX;
        for (int i = 0; i < CHILDREN_MAX; i++)
            criteria.children[i] = (struct child_sought){10 + (uint32_t)i % 2, SEX_U};
        criteria.care_type = CARE_FOSTERING_FOR_ADOPTION;
        criteria.home_features = BIT(HOME_FEATURE_END) - 2;
        criteria.risks = offer.cannot_take = BIT(RISK_END) - 2;
        criteria.no_pets = offer.pets = BIT(PET_END) - 2;
        criteria.pets_must = criteria.culture_asked = criteria.long_term_plan = criteria.on_call_asked = true;
        criteria.rating_asked = true;
        criteria.alongside = ALONGSIDE_SOLO;
        criteria.skills = BIT(2);
        offer.skills = BIT(SKILL_END) - 2;
        criteria.within_metres = 1;
        criteria.near_n_metres += 700000;
        criteria.avoided_count = AVOIDED_MAX;
        for (int i = 0; i < AVOIDED_MAX; i++)
            criteria.avoided[i] = (struct avoided){E_METRES, N_METRES, 50000, 99999, "WC99W 9"};
        criteria.language_count = WANTED_LANGUAGES_MAX;
        offer.language_count = LANGUAGES_MAX;
        for (int i = 0; i < LANGUAGES_MAX; i++) {
            strcpy(criteria.languages[i % WANTED_LANGUAGES_MAX], "art-x-makaton");
            strcpy(offer.languages[i].tag, "art-x-makaton");
        }
        criteria.school_count = criteria.sibling_place_count = criteria.important_count = PLACES_WANTED_MAX;
        memset(criteria.framework, 'f', sizeof criteria.framework - 1);
        criteria.framework_tier = 99;
        offer.sibling_group_only = true;
        offer.max_children_if_siblings = 12;
        live_there(&offer, 2 * CHILDREN_MAX, AGE_15_17);
        for (int i = 0; i < CHILDREN_MAX; i++)
            offer.children[i].placed = true;
        offer.age_from_months = 11;
        offer.age_below_months = 12;
        offer.approved_age_below_months = 250;
        offer.valid_until_ms = FIXTURE_AS_OF - 1;
        offer.approved_on = FIXTURE_DAY - 1;
        offer.approval_ends_on = FIXTURE_DAY + 1; /* in force, or all but H1 is withheld */
        explain(world, &criteria, &offer, &option);
        assert_int_equal(option.reason_count, RULE_END - 2); /* no option can fail H14 */
        for (uint32_t i = 0; i < option.reason_count; i++) {
            assert_in_range(strlen(option.reasons[i].asked), 1, REASON_TEXT_BYTES - 2);
            assert_in_range(strlen(option.reasons[i].found), 1, REASON_TEXT_BYTES - 2);
        }
    }
}

/* An agency's suspension is between it and its hub. */
static void test_a_suspended_agency_is_not_named_so(void **state)
{
    struct world *world = *state;
    struct fixture_batch batch;
    struct criteria criteria;
    struct offer offer;
    fixture_begin(&batch);
    fixture_agency(&batch, "leeds", false);
    fixture_commit(&batch, world->match, ++world->sequence);
    begin(&criteria, &offer);
    assert_withheld(world, &criteria, &offer, NOT_OFFERED, NULL);
    offer.approval_ends_on = FIXTURE_DAY - 1; /* nor is which of the two it is */
    assert_withheld(world, &criteria, &offer, NOT_OFFERED, NULL);
}

int main(void)
{
#define CASE(test) cmocka_unit_test_setup_teardown(test, world_open, world_close)
    const struct CMUnitTest tests[] = {
        CASE(test_s1_near_home),
        CASE(test_s2_school),
        CASE(test_s3_area),
        CASE(test_s4_near_siblings),
        CASE(test_s5_language),
        CASE(test_s6_culture),
        CASE(test_s7_skills),
        CASE(test_s8_length),
        CASE(test_s9_impact),
        CASE(test_s10_fresh),
        CASE(test_s11_on_call),
        CASE(test_s12_wishes),
        CASE(test_s13_scarce),
        CASE(test_s13_a_need_by_its_other_names),
        CASE(test_s14_tier),
        CASE(test_s14_rating),
        CASE(test_s15_approved_today),
        CASE(test_bands_and_overrides),
        CASE(test_failing_to_be_offered_is_told),
        CASE(test_failing_terms_and_numbers_is_told),
        CASE(test_failing_about_the_home_is_told),
        CASE(test_the_longest_words),
        CASE(test_a_suspended_agency_is_not_named_so),
    };
    WORLD_RUN(tests);
}
