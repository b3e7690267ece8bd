/* tier: check */
/*
 * The order of options and the SHOULDs S1 to S15 (domain.md 5.2; proto Rule and OrderStep): each rule met, not met, not
 * known, in the reasons and in the planes; keys against a comparator that goes step by step (SEED=n repeats a run).
 */
#include "daemon/match/match_index.h"
#include "daemon/match/match_order.h"
#include "daemon/match/match_reasons.h"
#include "tests/unit/match_fixture.h"

#include "daemon/base/randomness.h"
#include "daemon/gazetteer/grid.h"

#include <inttypes.h>
#include <time.h>

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define E_METRES 428000
#define N_METRES 436000
#define LEEDS    "E08000035"
#define BRADFORD "E08000032"
#define CORNWALL "E06000052"
#define HOUR     (3600 * 1000LL)
#define BIT(n)   (1u << (n))

static struct gazetteer *gazetteer;

struct world {
    struct match *match;
    struct arena arena;
    struct answer answer;
    uint64_t sequence;
};

/* With a tier and a rating, which the fixture's agencies don't have. */
static void put_agency(struct world *world, const char *id, uint8_t rating, uint8_t tier)
{
    struct agency agency = {.kind = AGENCY_INDEPENDENT, .status = AGENCY_ACTIVE, .rating = rating};
    struct fixture_batch batch;
    snprintf(agency.name, sizeof agency.name, "%s", id);
    if (tier > 0) {
        strcpy(agency.frameworks[0].framework, "another");
        agency.frameworks[0].tier = 1;
        strcpy(agency.frameworks[1].framework, "north");
        agency.frameworks[1].tier = tier;
        agency.framework_count = 2;
    }
    fixture_begin(&batch);
    batch.changes[0] = (struct change){.table = LOG_TABLE_AGENCY, .key = {(const uint8_t *)id, strlen(id)}};
    assert_int_equal(agency_encode(&agency, &batch.arena, &batch.changes[0].value), ERR_NONE);
    batch.commit.count = 1;
    fixture_commit(&batch, world->match, ++world->sequence);
}

static int world_open(void **state)
{
    struct world *world = calloc(1, sizeof *world);
    world->match = match_create(gazetteer, FIXTURE_REGION);
    arena_init(&world->arena, (size_t)4 << 20);
    put_agency(world, "leeds", 0, 0);
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

/* --- a rule at a time ------------------------------------------------------------------------------------------- */

/* An ordinary home for the ordinary question: every SHOULD is met, and none but those always reported is asked. */
static void begin(struct criteria *criteria, struct offer *offer)
{
    fixture_criteria(criteria, E_METRES, N_METRES);
    strcpy(criteria->authority, LEEDS);
    fixture_offer(offer, 7, E_METRES, N_METRES);
    offer->confirmed_at_ms = FIXTURE_AS_OF - HOUR;
}

static const struct reason *reason_of(const struct option *option, enum rule rule)
{
    for (uint32_t i = 0; i < option->reason_count; i++)
        if (option->reasons[i].rule == rule)
            return &option->reasons[i];
    return NULL;
}

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
    strcpy(criteria.languages[0], "pl");
    strcpy(criteria.languages[1], "bfi");
    assert_comes_out(world, &criteria, &offer, RULE_S5, STEP_LANGUAGE, RULE_NOT_KNOWN);
    offer.language_count = 2;
    strcpy(offer.languages[0].tag, "bfi");
    strcpy(offer.languages[1].tag, "pl");
    offer.languages[0].level = offer.languages[1].level = 1;
    assert_comes_out(world, &criteria, &offer, RULE_S5, STEP_LANGUAGE, RULE_MET);
    assert_string_equal(words(world, RULE_S5), "bfi (some), pl (some)");
    tag_like("pl", offer.languages[1].tag);
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

static void live_there(struct offer *offer, uint32_t count, enum age_band band)
{
    offer->child_count = count;
    for (uint32_t i = 0; i < count; i++)
        offer->children[i] = (struct child_at_home){.age_band = (uint8_t)band, .sex = SEX_M};
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

static void test_built_in_orders(void **state)
{
    static const uint8_t steps[] = {STEP_WITHIN_RULES, STEP_DISTANCE_BAND, STEP_SCHOOL_KEY_STAGE_4,
                                    STEP_AREA,         STEP_NEAR_SIBLINGS, STEP_LANGUAGE,
                                    STEP_SKILLS,       STEP_LENGTH,        STEP_SCHOOL,
                                    STEP_IMPACT,       STEP_WISHES,        STEP_ON_CALL,
                                    STEP_FRESH,        STEP_SCARCE,        STEP_APPROVED_TODAY};
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

/* Design 4.9 and domain.md 2.3: what is in the way, and no more than the card would show. */
static void test_failed_rules_are_told(void **state)
{
    struct world *world = *state;
    struct criteria criteria;
    struct offer offer;
    begin(&criteria, &offer);
    offer.approved_on = FIXTURE_DAY + 1;
    assert_fails(world, &criteria, &offer, RULE_H1, "not in force");
    begin(&criteria, &offer);
    offer.approval_ends_on = FIXTURE_DAY;
    assert_fails(world, &criteria, &offer, RULE_H1, "not in force");
    begin(&criteria, &offer);
    strcpy(offer.agency, "york"); /* not known here */
    assert_fails(world, &criteria, &offer, RULE_H1, "not offered now");
    begin(&criteria, &offer);
    offer.state = VACANCY_RESERVED;
    offer.reserved_until = FIXTURE_DAY + 3;
    assert_fails(world, &criteria, &offer, RULE_H2, "reserved");
    offer.state = VACANCY_NOT_AVAILABLE;
    offer.reserved_until = DATE_NONE;
    offer.bucket = BUCKET_AGENCY;
    assert_fails(world, &criteria, &offer, RULE_H2, "not available (agency)");
    offer.state = VACANCY_LAPSED;
    offer.bucket = BUCKET_CARER;
    assert_fails(world, &criteria, &offer, RULE_H2, "not available (carer)");
    offer.bucket = BUCKET_NONE;
    assert_fails(world, &criteria, &offer, RULE_H2, "vacant; unconfirmed since 2026-05-27T00:00, telephone first");
    begin(&criteria, &offer);
    offer.from = FIXTURE_DAY + 1;
    assert_fails(world, &criteria, &offer, RULE_H2, "vacant from 2026-05-28");
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
    criteria.avoided[0] = (struct avoided){E_METRES, N_METRES, 500};
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
            criteria.avoided[i] = (struct avoided){E_METRES, N_METRES, 50000};
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
        offer.approval_ends_on = FIXTURE_DAY;
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
    assert_fails(world, &criteria, &offer, RULE_H1, "not offered now");
    offer.approval_ends_on = FIXTURE_DAY - 1; /* nor is which of the two it is */
    assert_fails(world, &criteria, &offer, RULE_H1, "not offered now");
}

/* --- at random -------------------------------------------------------------------------------------------------- */

#define OFFERS 230
#define ROUNDS 150

static const char *const some_authorities[] = {LEEDS,       BRADFORD,    CORNWALL,    "E06000045", "E06000046",
                                               "E08000034", "E10000023", "W06000001", ""};
static const char *const some_tags[] = {"pl", "ur", "bfi", "art-x-makaton", "so"};
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
    criteria->step_count = up_to(random, ORDER_STEPS_MAX);
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
    uint32_t distance_metres, overridden;
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

static uint32_t plain_scarce(const struct criteria *c, const struct offer *offer)
{
    static const uint32_t features[] = {2, 4, 5, 6, 7, 8}, capabilities[] = {1, 8, 10, 12}, care[] = {6, 7, 10, 11};
    for (uint32_t i = 0; i < 6; i++)
        if (code_in(offer->home_features, features[i]) && !code_in(c->home_features, features[i]))
            return PLAIN_NOT_MET;
    for (uint32_t i = 0; i < 4; i++)
        if ((code_in(offer->skills, capabilities[i]) && !code_in(c->skills, capabilities[i])) ||
            (code_in(offer->care_types, care[i]) && c->care_type != (enum care_type)care[i]))
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
    if (order->criteria->overrides == 0)
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
    for (uint32_t rule = 0; rule < RULES_JUDGED; rule++)
        s->overridden |= (uint32_t)(verdict->overridden[rule] >> lane & 1) << rule;
    assert_int_equal(key & ((UINT64_C(1) << ORDER_KEY_FREE_BITS) - 1), 0);
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
    assert_true(reasons_fill(&asked, s->overridden, 1u << up_to(&country->random, RULES_JUDGED - 1), gazetteer,
                             &country->world->arena, &option));
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
        CASE(test_s14_tier),
        CASE(test_s14_rating),
        CASE(test_s15_approved_today),
        CASE(test_bands_and_overrides),
        CASE(test_built_in_orders),
        CASE(test_authority_numbers),
        CASE(test_failed_rules_are_told),
        CASE(test_the_longest_words),
        CASE(test_a_suspended_agency_is_not_named_so),
        CASE(test_keys_compare_as_the_steps_do),
    };
    struct problem problem;
    if (gazetteer_load(NULL, &gazetteer, &problem) != ERR_NONE)
        return 1;
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    gazetteer_destroy(gazetteer);
    return failed;
}
