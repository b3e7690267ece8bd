/*
 * match_order.c - see match_order.h.
 *
 * One function per step. Where proto OrderStep and Rule leave room, this is decided:
 *
 * - WITHIN_RULES does not look at a confirmation that has run out: those vacancies have a list of their own.
 * - A step whose rule the request does not ask for finds the same of every offer, and is left out of the key.
 * - A distance "within 10 miles" is whole metres, rounded down, of at most 16,093; a band's are less than its bound.
 * - Impact: a child of 18 or more is of the band after 15 to 17.
 * - Fresh: confirmed at most 48 hours before as_of, and no team was told since that it is not available; what its hub's
 *   clock dates later than as_of is fresh.
 *
 * A step tells its finding as planes, one for each bit of its field. Offers that are worse than `worst` by the fields
 * so far are dropped step by step, so that the costly steps see few. What all offers of a group have in common is
 * found of the group: its box, its one authority, its first and last day.
 */
#include "daemon/match/match_order.h"

#include "daemon/match/match_index.h"
#include "daemon/match/match_planes.h"

#include <assert.h>
#include <string.h>

#define BIT(code)       (1u << (code))
#define TIER_BITS       7
#define BAND_BITS       3
#define FIELD_BITS_MOST TIER_BITS

static_assert(TIER_NONE < BIT(TIER_BITS) && NUMBER_BITS <= FIELD_BITS_MOST, "a field holds every tier and number");

enum { AREA_OWN, AREA_ADJOINING, AREA_ELSEWHERE };

const uint32_t distance_band_below_metres[DISTANCE_BANDS - 1] = {8047, 16093, 32187, 80467};

/* Of proto Skill, those that stand for a kind of care or a language as well. */
enum {
    SKILL_THERAPEUTIC = 1,
    SKILL_PHYSICAL_DISABILITY = 5,
    SKILL_COMPLEX_HEALTH = 8,
    SKILL_PARENT_AND_CHILD = 10,
    SKILL_SIGNING = 12
};

/* Numbers of proto HomeFeature: wheelchair, adapted bathroom, hoist, lift, wheelchair vehicle, visual alarms. */
static const uint32_t scarce_home_features = BIT(2) | BIT(4) | BIT(5) | BIT(6) | BIT(7) | BIT(8);
static const uint32_t scarce_skills =
    BIT(SKILL_THERAPEUTIC) | BIT(SKILL_COMPLEX_HEALTH) | BIT(SKILL_PARENT_AND_CHILD) | BIT(SKILL_SIGNING);
static const uint32_t scarce_care_types =
    BIT(CARE_PARENT_AND_CHILD) | BIT(CARE_REMAND) | BIT(CARE_THERAPEUTIC) | BIT(CARE_DISABLED_CHILDREN);

uint32_t distance_band(uint32_t metres)
{
    uint32_t band = 0;
    while (band < DISTANCE_BANDS - 1 && metres >= distance_band_below_metres[band])
        band++;
    return band;
}

static uint32_t band_of_squared(uint64_t squared)
{
    uint32_t band = 0;
    for (; band < DISTANCE_BANDS - 1; band++)
        if (squared < (uint64_t)distance_band_below_metres[band] * distance_band_below_metres[band])
            break;
    return band;
}

/* --- what is scarce -------------------------------------------------------------------------------------------- */

static bool asks_for_signing(const struct criteria *c)
{
    for (uint32_t i = 0; i < c->language_count; i++)
        if (strcmp(c->languages[i], "bfi") == 0 || strcmp(c->languages[i], "art-x-makaton") == 0)
            return true;
    return false;
}

/* One need has several names: a home with the skill for the care that is asked for isn't wasted on this child. */
void scarce_unneeded(const struct criteria *c, struct scarce *out)
{
    uint32_t skills = c->skills, care = BIT(c->care_type);
    if (asks_for_signing(c))
        skills |= BIT(SKILL_SIGNING);
    if (c->care_type == CARE_THERAPEUTIC)
        skills |= BIT(SKILL_THERAPEUTIC);
    if (c->care_type == CARE_PARENT_AND_CHILD)
        skills |= BIT(SKILL_PARENT_AND_CHILD);
    if (code_in(c->skills, SKILL_THERAPEUTIC))
        care |= BIT(CARE_THERAPEUTIC);
    if (code_in(c->skills, SKILL_PARENT_AND_CHILD))
        care |= BIT(CARE_PARENT_AND_CHILD);
    if (c->skills & (BIT(SKILL_PHYSICAL_DISABILITY) | BIT(SKILL_COMPLEX_HEALTH)))
        care |= BIT(CARE_DISABLED_CHILDREN);
    if (c->home_features & scarce_home_features)
        care |= BIT(CARE_DISABLED_CHILDREN);
    out->home_features = scarce_home_features & ~c->home_features;
    out->skills = scarce_skills & ~skills;
    out->care_types = scarce_care_types & ~care;
}

/* --- the built-in orders --------------------------------------------------------------------------------------- */

bool criteria_order(struct criteria *criteria, const char *name)
{
    static const struct {
        const char *name;
        uint8_t steps[ORDER_STEPS_MAX];
    } orders[] = {
        {"default",
         {STEP_WITHIN_RULES, STEP_DISTANCE_BAND, STEP_CHILDREN_TAKEN, STEP_SCHOOL_KEY_STAGE_4, STEP_AREA,
          STEP_NEAR_SIBLINGS, STEP_LANGUAGE, STEP_SKILLS, STEP_LENGTH, STEP_SCHOOL, STEP_IMPACT, STEP_WISHES,
          STEP_ON_CALL, STEP_FRESH, STEP_SCARCE, STEP_APPROVED_TODAY}},
        {"nearest", {STEP_WITHIN_RULES}},
    };
    for (size_t i = 0; i < sizeof orders / sizeof orders[0]; i++) {
        if (strcmp(orders[i].name, name) != 0)
            continue;
        memcpy(criteria->steps, orders[i].steps, sizeof criteria->steps);
        for (criteria->step_count = 0; criteria->step_count < ORDER_STEPS_MAX; criteria->step_count++)
            if (criteria->steps[criteria->step_count] == STEP_NONE)
                break;
        return true;
    }
    return false;
}

/* --- the request ----------------------------------------------------------------------------------------------- */

/* How many bits a step's finding needs; 0: it is the same of every offer. */
static uint8_t field_bits(const struct criteria *c, enum order_step step)
{
    switch (step) {
    case STEP_WITHIN_RULES:
        return (c->overrides & ~(BIT(OVERRIDE_NONE) | BIT(OVERRIDE_UNCONFIRMED))) != 0;
    case STEP_DISTANCE_BAND:
        return BAND_BITS;
    case STEP_SCHOOL_KEY_STAGE_4:
        return c->key_stage_4 && c->school_count > 0;
    case STEP_SCHOOL:
        return c->school_count > 0;
    case STEP_AREA:
        return *c->authority ? 2 : 0;
    case STEP_NEAR_SIBLINGS:
        return c->sibling_place_count > 0;
    case STEP_LANGUAGE:
        return c->language_count > 0 ? 2 : 0;
    case STEP_SKILLS:
        return c->skills != 0 ? 2 : 0;
    case STEP_LENGTH:
        return c->long_term_plan;
    case STEP_ON_CALL:
        return c->on_call_asked;
    case STEP_WISHES:
        return c->important_count > 0;
    case STEP_TIER:
        return *c->framework ? TIER_BITS : 0;
    case STEP_RATING:
        return 3;
    case STEP_CHILDREN_TAKEN:
        return c->grouping == GROUPING_SPLIT && c->child_count > 1 ? NUMBER_BITS : 0;
    case STEP_IMPACT:
    case STEP_FRESH:
    case STEP_SCARCE:
    case STEP_APPROVED_TODAY:
        return 1;
    case STEP_NONE:
    case STEP_END:
        break;
    }
    return 0;
}

void order_prepare(const struct criteria *criteria, const struct gazetteer *gazetteer,
                   const struct agency_list *agencies, struct order *out)
{
    uint32_t left = 64, seen = 0;
    out->criteria = criteria;
    out->gazetteer = gazetteer;
    out->agencies = agencies;
    out->step_count = 0;
    memset(out->relations, 0, sizeof out->relations);
    scarce_unneeded(criteria, &out->unneeded);
    for (uint32_t i = 0; i < criteria->language_count; i++)
        out->language_classes[i] = (uint8_t)language_class(criteria->languages[i]);
    for (uint32_t i = 0; i < criteria->step_count && i < ORDER_STEPS_MAX; i++) {
        uint8_t step = criteria->steps[i], bits = field_bits(criteria, step);
        if (bits == 0 || code_in(seen, step))
            continue;
        assert(bits <= left); /* all steps together take 34 of the 64 */
        seen |= BIT(step);
        left -= bits;
        out->steps[out->step_count].step = step;
        out->steps[out->step_count].bits = bits;
        out->steps[out->step_count++].shift = (uint8_t)left;
    }
}

uint64_t order_bound(const struct order *order, uint64_t nearest_squared)
{
    for (uint32_t i = 0; i < order->step_count; i++)
        if (order->steps[i].step == STEP_DISTANCE_BAND)
            return (uint64_t)band_of_squared(nearest_squared) << order->steps[i].shift;
    return 0;
}

/* --- one step each --------------------------------------------------------------------------------------------- */

/* A group under judgement, and the lanes that still count. */
struct judging {
    struct order *order;
    const struct fact_group *group;
    const struct verdict *verdict; /* NULL: not yet judged, so perhaps within all rules */
    lanes left;
};

/* A field of every offer: plane n is bit n. */
struct field {
    lanes bit[FIELD_BITS_MOST];
};

static struct field same(uint32_t value)
{
    struct field field;
    for (uint32_t i = 0; i < FIELD_BITS_MOST; i++)
        field.bit[i] = all(value >> i & 1);
    return field;
}

static void field_put(struct field *field, uint32_t lane, uint32_t value)
{
    for (; value != 0; value &= value - 1)
        field->bit[__builtin_ctz(value)] |= UINT64_C(1) << lane;
}

/* A step that knows of every offer whether it is met. */
static struct field met_or_not(lanes met)
{
    return (struct field){{~met}};
}

static struct field three(lanes met, lanes unknown)
{
    return (struct field){{[0] = unknown & ~met, [1] = ~met & ~unknown}};
}

static struct field within_rules(const struct judging *j)
{
    lanes overridden = 0;
    for (uint32_t rule = 0; j->verdict && rule < RULES_JUDGED; rule++)
        overridden |= rule == RULE_H2 ? 0 : j->verdict->overridden[rule];
    return met_or_not(~overridden);
}

/* How many of the asked children it leaves to other homes. */
static struct field children_left(const struct judging *j)
{
    struct field field = {0};
    if (j->verdict == NULL)
        return field;
    struct number left = minus(same_number(j->order->criteria->child_count), j->verdict->children_taken);
    memcpy(field.bit, left.bit, sizeof left.bit);
    return field;
}

static struct field band(const struct judging *j)
{
    uint32_t e = j->order->criteria->near_e_metres, n = j->order->criteria->near_n_metres;
    struct field field = {0};
    uint32_t nearest = band_of_squared(facts_nearest_squared(j->group, e, n));
    if (nearest == band_of_squared(facts_farthest_squared(j->group, e, n)))
        return same(nearest);
    for (lanes left = j->left; left != 0; left &= left - 1) {
        uint32_t lane = (uint32_t)__builtin_ctzll(left);
        field_put(&field, lane, band_of_squared(facts_distance_squared(j->group, lane, e, n)));
    }
    return field;
}

/* Those that are near one place. */
static lanes nearby(const struct judging *j, const struct point_wanted *place, lanes wanted)
{
    const uint64_t too_far = (uint64_t)(NEARBY_METRES + 1) * (NEARBY_METRES + 1);
    lanes met = 0;
    if (facts_nearest_squared(j->group, place->e_metres, place->n_metres) >= too_far)
        return 0;
    if (facts_farthest_squared(j->group, place->e_metres, place->n_metres) < too_far)
        return wanted;
    for (; wanted != 0; wanted &= wanted - 1)
        if (facts_distance_squared(j->group, (uint32_t)__builtin_ctzll(wanted), place->e_metres, place->n_metres) <
            too_far)
            met |= wanted & -wanted;
    return met;
}

static struct field near_all(const struct judging *j, const struct point_wanted *places, uint32_t count)
{
    lanes met = j->left;
    for (uint32_t i = 0; i < count && met != 0; i++)
        met = nearby(j, &places[i], met);
    return met_or_not(met);
}

enum authority_relation relation_between(const struct gazetteer *gazetteer, const char *asking, const char *home)
{
    if (authority_number(home) == 0)
        return RELATION_AT_A_DISTANCE;
    if (gazetteer)
        return gazetteer_relation(gazetteer, asking, home);
    return strcmp(home, asking) == 0 ? RELATION_IN_AREA : RELATION_AT_A_DISTANCE;
}

static enum authority_relation relation_of(struct order *order, uint32_t number)
{
    char home[GSS_BYTES];
    uint8_t *known = &order->relations[number];
    if (*known == 0) {
        authority_of_number(number, home);
        *known = (uint8_t)(1 + relation_between(order->gazetteer, order->criteria->authority, home));
    }
    return (enum authority_relation)(*known - 1);
}

static uint32_t area_value(struct order *order, uint32_t number)
{
    enum authority_relation relation = relation_of(order, number);
    return relation == RELATION_IN_AREA ? AREA_OWN : relation == RELATION_ADJOINING ? AREA_ADJOINING : AREA_ELSEWHERE;
}

static struct field area(const struct judging *j)
{
    const struct fact_group *group = j->group;
    struct field field = {0};
    if (group->all_authority.first == group->all_authority.last)
        return same(area_value(j->order, group->all_authority.first));
    for (lanes left = j->left; left != 0; left &= left - 1) {
        uint32_t lane = (uint32_t)__builtin_ctzll(left);
        field_put(&field, lane, area_value(j->order, group->authority[lane]));
    }
    return field;
}

static struct field language(const struct judging *j)
{
    const struct criteria *criteria = j->order->criteria;
    lanes met = j->left;
    for (uint32_t i = 0; i < criteria->language_count; i++)
        met &= j->group->languages[j->order->language_classes[i]];
    for (uint32_t i = 0; i < criteria->language_count; i++) {
        if (j->order->language_classes[i] <= LANGUAGES_OF_OWN_CLASS)
            continue;
        for (lanes may = met; may != 0; may &= may - 1)
            if (!held_speaks(j->group->held[__builtin_ctzll(may)], criteria->languages[i]))
                met &= ~(may & -may);
    }
    return three(met, j->group->languages[0]);
}

static struct field skills(const struct judging *j)
{
    return three(with_every(j->group->skills, SKILL_END, j->order->criteria->skills), j->group->skills[0]);
}

uint32_t age_band_of(uint32_t months)
{
    uint32_t band = AGE_0_2;
    while (band < AGE_BAND_END && months >= age_band_below_months(band))
        band++;
    return band;
}

static struct field impact(const struct judging *j)
{
    const struct criteria *criteria = j->order->criteria;
    uint32_t youngest = AGE_BAND_END, oldest = 0, against = 0;
    for (uint32_t i = 0; i < criteria->child_count; i++) {
        uint32_t asked = age_band_of(criteria->children[i].age_months);
        youngest = asked < youngest ? asked : youngest;
        oldest = asked > oldest ? asked : oldest;
    }
    for (uint32_t home = AGE_0_2; home < AGE_BAND_END; home++) /* NMS 15.1: on those who are there */
        if (home + 1 < oldest || home > youngest + 1)
            against |= BIT(home);
    return met_or_not(~(j->group->many_at_home[0] | with_any(j->group->bands_at_home, AGE_BAND_END, against)));
}

static struct field fresh(const struct judging *j)
{
    const struct fact_group *group = j->group;
    int64_t since_ms = j->order->criteria->as_of_ms - FRESH_MS;
    uint32_t hour = hour_of(since_ms);
    if (group->first_confirmed_at_ms >= since_ms || group->last_confirmed_at_ms < since_ms)
        return met_or_not(all(group->first_confirmed_at_ms >= since_ms));
    lanes met = ~below(group->confirmed_hour, HOUR_BITS, hour);
    for (lanes left = met & below(group->confirmed_hour, HOUR_BITS, hour + 1) & j->left; left != 0; left &= left - 1)
        if (group->confirmed_at_ms[__builtin_ctzll(left)] < since_ms)
            met &= ~(left & -left);
    return met_or_not(met);
}

static struct field scarce(const struct judging *j)
{
    const struct scarce *unneeded = &j->order->unneeded;
    const struct fact_group *f = j->group;
    lanes used_up = with_any(f->home_features, HOME_FEATURE_END, unneeded->home_features) |
                    with_any(f->skills, SKILL_END, unneeded->skills) |
                    with_any(f->care_types, CARE_TYPE_END, unneeded->care_types);
    if (j->order->criteria->child_count == 1)
        used_up |= ~below(f->beds_free, NUMBER_BITS, SCARCE_BEDS);
    return met_or_not(~used_up);
}

static struct field approved_today(const struct judging *j)
{
    const struct fact_group *group = j->group;
    date_days today = date_of_wall_ms(j->order->criteria->as_of_ms);
    lanes met = 0;
    if (group->all_approved_on.last <= today)
        return met_or_not(all(true));
    for (lanes left = j->left; left != 0; left &= left - 1)
        if (group->approved_on[__builtin_ctzll(left)] <= today)
            met |= left & -left;
    return met_or_not(met);
}

static uint32_t rating_value(const struct agency *agency)
{
    /* Outstanding, good, none held, requires improvement, inadequate. */
    return agency->rating == 0   ? 2
           : agency->rating <= 2 ? agency->rating - 1u
           : agency->rating <= 4 ? agency->rating
                                 : 4;
}

uint32_t agency_tier(const struct agency *agency, const char *framework)
{
    uint32_t tier = TIER_NONE;
    for (uint32_t i = 0; i < agency->framework_count; i++)
        if (agency->frameworks[i].tier < tier && strcmp(agency->frameworks[i].framework, framework) == 0)
            tier = agency->frameworks[i].tier;
    return tier;
}

/* What the step finds of the agency; an agency that isn't known is nothing and on nothing. */
static struct field of_agency(const struct judging *j, enum order_step step)
{
    static const struct agency unknown;
    struct field field = {0};
    for (lanes left = j->left; left != 0; left &= left - 1) {
        uint32_t lane = (uint32_t)__builtin_ctzll(left);
        const struct agency *agency = j->order->agencies->slots[j->group->agency[lane]].row;
        agency = agency ? agency : &unknown;
        field_put(&field, lane,
                  step == STEP_TIER ? agency_tier(agency, j->order->criteria->framework) : rating_value(agency));
    }
    return field;
}

static struct field find(const struct judging *j, enum order_step step)
{
    const struct criteria *c = j->order->criteria;
    switch (step) {
    case STEP_WITHIN_RULES:
        return within_rules(j);
    case STEP_DISTANCE_BAND:
        return band(j);
    case STEP_SCHOOL_KEY_STAGE_4:
    case STEP_SCHOOL:
        return near_all(j, c->schools, c->school_count);
    case STEP_AREA:
        return area(j);
    case STEP_NEAR_SIBLINGS:
        return near_all(j, c->sibling_places, c->sibling_place_count);
    case STEP_WISHES:
        return near_all(j, c->important, c->important_count);
    case STEP_LANGUAGE:
        return language(j);
    case STEP_SKILLS:
        return skills(j);
    case STEP_LENGTH:
        return met_or_not(j->group->care_types[CARE_LONG_TERM]);
    case STEP_IMPACT:
        return impact(j);
    case STEP_FRESH:
        return fresh(j);
    case STEP_ON_CALL:
        return met_or_not(j->group->on_call[0]);
    case STEP_SCARCE:
        return scarce(j);
    case STEP_TIER:
    case STEP_RATING:
        return of_agency(j, step);
    case STEP_APPROVED_TODAY:
        return approved_today(j);
    case STEP_CHILDREN_TAKEN:
        return children_left(j);
    case STEP_NONE:
    case STEP_END:
        break;
    }
    return (struct field){0};
}

/* --- the keys -------------------------------------------------------------------------------------------------- */

/* Without keys: only which are left. */
static inline lanes sift(struct judging *j, uint64_t worst, uint64_t *keys)
{
    const struct order *order = j->order;
    lanes better = 0, tied = j->left;
    for (uint32_t i = 0; i < order->step_count && j->left != 0; i++) {
        struct field field = find(j, order->steps[i].step);
        for (uint32_t bit = order->steps[i].bits; bit-- > 0;) {
            uint64_t place = UINT64_C(1) << (order->steps[i].shift + bit);
            lanes set = field.bit[bit];
            better |= worst & place ? tied & ~set : 0;
            tied &= worst & place ? set : ~set;
            for (lanes left = keys ? set & (better | tied) : 0; left != 0; left &= left - 1)
                keys[__builtin_ctzll(left)] |= place;
        }
        j->left = better | tied;
    }
    return j->left;
}

lanes order_keys(struct order *order, const struct fact_group *group, const struct verdict *verdict, lanes wanted,
                 uint64_t worst, uint64_t keys[LANES])
{
    struct judging judging = {order, group, verdict, wanted};
    for (lanes left = wanted; left != 0; left &= left - 1)
        keys[__builtin_ctzll(left)] = 0;
    return sift(&judging, worst, keys);
}

lanes order_glance(struct order *order, const struct fact_group *group, lanes wanted, uint64_t worst)
{
    struct judging judging = {order, group, NULL, wanted};
    return sift(&judging, worst, NULL);
}
