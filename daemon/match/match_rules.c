/*
 * match_rules.c - the MUST rules H1 to H13 of the domain (section 5.1), and the caller's distance.
 *
 * One function per rule. Where the domain leaves room, this is decided:
 *
 * - Overrides. Whoever sends OUTSIDE_TERMS states that this is an emergency in the sense of reg 23, so it holds for
 *   every kind of care asked for, and lifts H3 (what the vacancy narrows included), H13 and the terms' number in H4.
 *   Beds free are never lifted: there is no bed. UNCONFIRMED lifts only the missing confirmation, not the dates, and
 *   only of what was vacant.
 * - A specialist kind of care that isn't approved is H13's; every other kind that isn't offered is H3's.
 * - A vacancy for sibling groups only does not fit one child (H3): a search can't know siblings of the children placed.
 * - H4 counts the children placed against the terms; max_children_if_siblings holds when none is placed, since the
 *   asked children are siblings of each other and of nobody there. H5 likewise.
 * - Staying Put (18 or over) is not fostering: it takes a bed and a bedroom, and counts neither against the terms'
 *   number nor against the usual fostering limit; no child under 18 fits it.
 * - H7: from the third birthday a child needs a bedroom of their own; younger ones need none. Where siblings may share
 *   (SIBLINGS, and BY_AGREEMENT, since one authority looks after them) a sibling group needs one bedroom; the rule has
 *   no word on sex or on how many, which is the agency's to say with the beds. Any other sharing is by the override.
 * - H6: a home with fewer beds free than the group fails H6; one with none fails H4 as well. For a home short of beds
 *   the rules about children are judged as for a split, so that "failed H6 alone" means: a split would find it.
 * - Split: the home takes the largest set of the asked children for whom H3, H4, H5, H7 and H9 are met or overridden;
 *   among sets of that size one with the fewest children outside terms, then with the fewest over 3. If it can take
 *   nobody, the rules are reported for the one child who fails fewest, the first such in the request's order.
 *
 * Not here: H14 (no offer exists), H15 and H16 (service, people). Thread: any; pure.
 */
#include "daemon/match/match_rules.h"

#include <assert.h>
#include <string.h>

#define NO_CAP                  LANES_TRUE
#define OVER_THREE_MONTHS       36
#define STAYING_PUT_FROM_MONTHS 216

#define BIT(rule) (1u << (rule))

static_assert(RULE_DISTANCE < 16, "a set of rules that exclude fits a lane");

/* --- lanes ----------------------------------------------------------------------------------------------------- */

static inline lanes all(uint32_t value)
{
    const uint16_t v = (uint16_t)value;
    return (lanes){v, v, v, v, v, v, v, v};
}

static inline lanes mask(bool condition)
{
    return all(condition ? LANES_TRUE : 0);
}

static inline lanes choose(lanes where, lanes there, lanes elsewhere)
{
    return (where & there) | (~where & elsewhere);
}

static inline lanes least(lanes a, lanes b)
{
    return choose((lanes)(a < b), a, b);
}

/* 1 where the mask is set: a count. */
static inline lanes one(lanes where)
{
    return where & all(1);
}

static inline bool any(lanes where)
{
    uint64_t words[2];
    memcpy(words, &where, sizeof words);
    return (words[0] | words[1]) != 0;
}

/* --- facts of an offer ----------------------------------------------------------------------------------------- */

static uint16_t sexes_that_fit(uint8_t sex)
{
    if (sex == SEX_ANY)
        return BIT(SEX_M) | BIT(SEX_F) | BIT(SEX_U);
    return sex == SEX_M || sex == SEX_F ? BIT(sex) : 0;
}

static uint16_t cut(uint32_t value)
{
    return value < UINT16_MAX ? (uint16_t)value : UINT16_MAX;
}

static uint16_t day_of(date_days day, uint16_t when_none)
{
    return day == DATE_NONE ? when_none : cut(day > 0 ? (uint32_t)day : 0);
}

static uint16_t left_of(uint32_t most, uint32_t used)
{
    return most > used ? cut(most - used) : 0;
}

/* Bedrooms that the children placed need: each over 3 one, or each sibling group one where siblings may share. */
static uint32_t bedrooms_needed(const struct offer *offer, bool siblings_may_share)
{
    uint32_t needed = 0;
    uint64_t groups_seen[4] = {0};
    for (uint32_t i = 0; i < offer->child_count; i++) {
        const struct child_at_home *child = &offer->children[i];
        if (!child->placed || age_band_from_months(child->age_band) < OVER_THREE_MONTHS)
            continue;
        uint64_t *word = &groups_seen[child->sibling_group / 64], bit = UINT64_C(1) << child->sibling_group % 64;
        if (siblings_may_share && child->sibling_group != 0 && *word & bit)
            continue;
        *word |= bit;
        needed++;
    }
    return needed;
}

/* How many more children the terms allow. */
static uint16_t terms_cap(const struct offer *offer, uint32_t placed)
{
    uint32_t most = offer->max_children;
    if (placed == 0 && offer->max_children_if_siblings > most)
        most = offer->max_children_if_siblings;
    return left_of(most, placed);
}

/* How many more before an exemption is needed: none when all the home fosters would be one sibling group. */
static uint16_t limit_cap(uint32_t placed)
{
    return placed == 0 ? NO_CAP : left_of(FOSTERING_LIMIT, placed);
}

/* How many children over 3 find a bedroom. */
static uint16_t bedroom_cap(const struct offer *offer)
{
    bool may_share = offer->room_sharing == SHARING_SIBLINGS || offer->room_sharing == SHARING_BY_AGREEMENT;
    uint16_t bedrooms_free = left_of(offer->bedrooms, bedrooms_needed(offer, may_share));
    return may_share && bedrooms_free > 0 ? NO_CAP : bedrooms_free;
}

static bool was_vacant(const struct offer *offer)
{
    bool kept_back = offer->bucket != BUCKET_NONE || offer->reserved_until != DATE_NONE;
    return offer->state == VACANCY_VACANT || (offer->state == VACANCY_LAPSED && !kept_back);
}

void facts_of_offer(const struct offer *offer, const struct box *box, struct facts *out)
{
    uint32_t placed = 0, youngest_from = UINT16_MAX, oldest_below = 0;
    for (uint32_t i = 0; i < offer->child_count; i++) {
        const struct child_at_home *child = &offer->children[i];
        uint32_t from = age_band_from_months(child->age_band), below = age_band_below_months(child->age_band);
        placed += child->placed;
        youngest_from = from < youngest_from ? from : youngest_from;
        oldest_below = below > oldest_below ? below : oldest_below;
    }
    *out = (struct facts){
        .vacancy_id = offer->vacancy_id,
        .valid_until_ms = offer->valid_until_ms,
        .point_e_metres = offer->cell.point_e_metres,
        .point_n_metres = offer->cell.point_n_metres,
        .approved_on = day_of(offer->approved_on, 0),
        .approval_ends_on = day_of(offer->approval_ends_on, LANES_TRUE),
        .from = day_of(offer->from, 0),
        .until = day_of(offer->until, LANES_TRUE),
        .care_types = (uint16_t)offer->care_types,
        .approved_care_types = (uint16_t)offer->approved_care_types,
        .age_from_months = cut(offer->age_from_months),
        .age_below_months = cut(offer->age_below_months),
        .sexes = sexes_that_fit(offer->sex) & sexes_that_fit(offer->approved_sex),
        .home_features = (uint16_t)offer->home_features,
        .pets = (uint16_t)offer->pets,
        .cannot_take = (uint16_t)offer->cannot_take,
        .youngest_from_months = (uint16_t)youngest_from,
        .oldest_below_months = (uint16_t)oldest_below,
        .beds_free = cut(offer->beds_free),
        .terms_cap = terms_cap(offer, placed),
        .limit_cap = limit_cap(placed),
        .bedroom_cap = bedroom_cap(offer),
        .vacant = was_vacant(offer) ? LANES_TRUE : 0,
        .lapsed = offer->state == VACANCY_LAPSED ? LANES_TRUE : 0,
        .sibling_group_only = offer->sibling_group_only ? LANES_TRUE : 0,
        .box = *box,
    };
}

void facts_put(struct fact_group *group, uint32_t lane, const struct facts *facts)
{
#define PUT(name) group->name[lane] = facts->name;
    FACT_COLUMNS(PUT)
#undef PUT
    group->valid_until_ms[lane] = facts->valid_until_ms;
    group->point_e_metres[lane] = facts->point_e_metres;
    group->point_n_metres[lane] = facts->point_n_metres;
    group->agency[lane] = facts->agency;
    group->box[lane] = facts->box;
    group->vacancy_id[lane] = facts->vacancy_id;
    group->held[lane] = facts->held;
}

void facts_move(struct fact_group *to, uint32_t to_lane, const struct fact_group *from, uint32_t from_lane)
{
#define MOVE(name) to->name[to_lane] = from->name[from_lane];
    FACT_COLUMNS(MOVE)
#undef MOVE
    to->valid_until_ms[to_lane] = from->valid_until_ms[from_lane];
    to->point_e_metres[to_lane] = from->point_e_metres[from_lane];
    to->point_n_metres[to_lane] = from->point_n_metres[from_lane];
    to->agency[to_lane] = from->agency[from_lane];
    to->box[to_lane] = from->box[from_lane];
    to->vacancy_id[to_lane] = from->vacancy_id[from_lane];
    to->held[to_lane] = from->held[from_lane];
}

bool facts_unconfirmed(const struct fact_group *group, uint32_t lane, int64_t as_of_ms)
{
    return group->lapsed[lane] != 0 || group->valid_until_ms[lane] <= as_of_ms;
}

/* --- the request ----------------------------------------------------------------------------------------------- */

static bool is_specialist(enum care_type type)
{
    return type == CARE_PARENT_AND_CHILD || type == CARE_REMAND || type == CARE_FOSTERING_FOR_ADOPTION ||
           type == CARE_SHORT_BREAKS;
}

void asked_prepare(const struct criteria *criteria, struct asked *out)
{
    uint32_t youngest = UINT16_MAX, oldest = 0, over_three = 0, sexes = 0;
    for (uint32_t i = 0; i < criteria->child_count; i++) {
        const struct child_sought *child = &criteria->children[i];
        youngest = child->age_months < youngest ? child->age_months : youngest;
        oldest = child->age_months > oldest ? child->age_months : oldest;
        over_three += child->age_months >= OVER_THREE_MONTHS;
        sexes |= BIT(child->sex);
    }
    uint16_t day = day_of(criteria->starts_on, 0);
    *out = (struct asked){
        .criteria = criteria,
        .too_far_squared = UINT64_MAX,
        .together = criteria->grouping != GROUPING_SPLIT || criteria->child_count == 1,
        .alone = criteria->child_count == 1,
        .day = all(day < FACT_DAY_MAX ? day : FACT_DAY_MAX),
        .care_type = all(BIT(criteria->care_type)),
        .home_features = all(criteria->home_features),
        .risks = all(criteria->risks),
        .no_pets = all(criteria->no_pets),
        .count = all(criteria->child_count),
        .youngest_months = all(youngest),
        .oldest_months = all(oldest),
        .over_three = all(over_three),
        .sexes = all(sexes),
        .staying_put = mask(criteria->care_type == CARE_STAYING_PUT),
        .specialist = mask(is_specialist(criteria->care_type)),
        .solo = mask(criteria->alongside == ALONGSIDE_SOLO),
        .with_others = mask(criteria->alongside == ALONGSIDE_WITH_OTHER_CHILDREN),
        .only_older = mask(criteria->alongside == ALONGSIDE_ONLY_WITH_OLDER),
        .only_younger = mask(criteria->alongside == ALONGSIDE_ONLY_WITH_YOUNGER),
    };
    if (code_in(criteria->overrides, OVERRIDE_OUTSIDE_TERMS))
        out->lifted |= BIT(RULE_H3) | BIT(RULE_H4) | BIT(RULE_H13);
    if (code_in(criteria->overrides, OVERRIDE_EXEMPTION))
        out->lifted |= BIT(RULE_H5);
    if (code_in(criteria->overrides, OVERRIDE_SHARED_BEDROOM))
        out->lifted |= BIT(RULE_H7);
    if (code_in(criteria->overrides, OVERRIDE_UNCONFIRMED))
        out->lifted |= BIT(RULE_H2);
    if (code_in(criteria->overrides, OVERRIDE_RISK))
        out->lifted |= BIT(RULE_H11);
    if (criteria->within_metres > 0 && criteria->within_metres < UINT32_MAX)
        out->too_far_squared = ((uint64_t)criteria->within_metres + 1) * ((uint64_t)criteria->within_metres + 1);
}

/* --- one rule each: a mask of the offers that meet it ------------------------------------------------------------ */

static inline lanes h1_approval(const struct fact_group *f, lanes agency_active, const struct asked *a)
{
    return agency_active & (lanes)(f->approved_on <= a->day) & (lanes)(a->day < f->approval_ends_on);
}

static inline lanes h2_available(const struct fact_group *f, const struct asked *a)
{
    return f->vacant & (lanes)(f->from <= a->day) & (lanes)(a->day <= f->until);
}

/* Nearly always all are: the hub lapses what has run out. */
static inline lanes h2_confirmed(const struct fact_group *f, const struct asked *a)
{
    lanes met = ~f->lapsed;
    bool run_out = false;
    for (uint32_t i = 0; i < LANES; i++)
        run_out |= f->valid_until_ms[i] <= a->criteria->as_of_ms;
    for (uint32_t i = 0; run_out && i < LANES; i++)
        if (f->valid_until_ms[i] <= a->criteria->as_of_ms)
            met[i] = 0;
    return met;
}

static inline lanes h3_care_type(const struct fact_group *f, const struct asked *a)
{
    return (lanes)((f->care_types & a->care_type) != 0);
}

/* From the youngest to the oldest, and every sex among them. */
static inline lanes h3_children(const struct fact_group *f, const struct asked *a, lanes youngest, lanes oldest,
                                lanes sexes)
{
    return (lanes)(youngest >= f->age_from_months) & (lanes)(oldest < f->age_below_months) &
           (lanes)((sexes & ~f->sexes) == 0) & (~a->staying_put | (lanes)(youngest >= all(STAYING_PUT_FROM_MONTHS)));
}

/* Staying Put is not fostering: neither the terms' number nor the limit counts. */
static inline lanes h4_terms_cap(const struct fact_group *f, const struct asked *a)
{
    return f->terms_cap | (a->staying_put & all(NO_CAP));
}

static inline lanes h5_limit_cap(const struct fact_group *f, const struct asked *a)
{
    return f->limit_cap | (a->staying_put & all(NO_CAP));
}

static inline lanes h8_features(const struct fact_group *f, const struct asked *a)
{
    return (lanes)((a->home_features & ~f->home_features) == 0);
}

static inline lanes nobody_else(const struct fact_group *f)
{
    return (lanes)(f->youngest_from_months == LANES_TRUE);
}

static inline lanes h9_home(const struct fact_group *f, const struct asked *a)
{
    return (~a->solo | nobody_else(f)) & (~a->with_others | ~nobody_else(f));
}

static inline lanes h9_ages(const struct fact_group *f, const struct asked *a, lanes youngest, lanes oldest)
{
    lanes older = (lanes)(f->youngest_from_months > oldest), younger = (lanes)(f->oldest_below_months <= youngest);
    return nobody_else(f) | ((~a->only_older | older) & (~a->only_younger | younger));
}

static inline lanes h10_avoided(const struct fact_group *f, const struct asked *a)
{
    lanes met = all(LANES_TRUE);
    for (uint32_t i = 0; i < a->criteria->avoided_count; i++) {
        const struct avoided *avoided = &a->criteria->avoided[i];
        for (uint32_t lane = 0; lane < LANES; lane++) {
            const struct cell cell = {.west_km = f->box[lane].west_km,
                                      .south_km = f->box[lane].south_km,
                                      .east_km = f->box[lane].east_km,
                                      .north_km = f->box[lane].north_km};
            if (cell_touches_circle(&cell, (int32_t)avoided->e_metres, (int32_t)avoided->n_metres,
                                    avoided->radius_metres))
                met[lane] = 0;
        }
    }
    return met;
}

static inline lanes h11_risks(const struct fact_group *f, const struct asked *a)
{
    return (lanes)((a->risks & f->cannot_take) == 0);
}

static inline lanes h12_pets(const struct fact_group *f, const struct asked *a)
{
    return (lanes)((a->no_pets & f->pets) == 0);
}

static inline lanes h13_specialist(const struct fact_group *f, const struct asked *a)
{
    return ~a->specialist | (lanes)((f->approved_care_types & a->care_type) != 0);
}

/* A cell lies wholly on one side, as a rule. */
static inline lanes distance_within(const struct asked *a, const uint64_t distance_squared[LANES])
{
    uint32_t near = 0;
    if (a->too_far_squared == UINT64_MAX)
        return all(LANES_TRUE);
    for (uint32_t i = 0; i < LANES; i++)
        near += distance_squared[i] < a->too_far_squared;
    lanes met = mask(near > 0);
    for (uint32_t i = 0; near > 0 && near < LANES && i < LANES; i++)
        if (distance_squared[i] >= a->too_far_squared)
            met[i] = 0;
    return met;
}

/* --- the judgement --------------------------------------------------------------------------------------------- */

/*
 * Rules that failed. `firmly`: those of them that no override lifts although it lifts the rule otherwise (H2: vacant at
 * all; H4: a bed).
 */
struct failures {
    lanes all, firmly;
};

static inline lanes unless(lanes met, enum rule rule)
{
    return ~met & all(BIT(rule));
}

/* H4, H5 and H7 for so many children, of whom so many over 3. */
static inline void judge_numbers(const struct fact_group *f, const struct asked *a, lanes count, lanes over_three,
                                 struct failures *out)
{
    out->firmly |= unless((lanes)(count <= f->beds_free), RULE_H4);
    out->all |= out->firmly | unless((lanes)(count <= h4_terms_cap(f, a)), RULE_H4) |
                unless((lanes)(count <= h5_limit_cap(f, a)), RULE_H5) |
                unless((lanes)(over_three <= f->bedroom_cap), RULE_H7);
}

/* All asked children in this home. */
static inline lanes judge_whole(const struct fact_group *f, const struct asked *a, struct failures *out)
{
    lanes fit = h3_children(f, a, a->youngest_months, a->oldest_months, a->sexes);
    lanes enough = ~f->sibling_group_only | (lanes)(a->count > 1);
    out->all |= unless(fit & enough, RULE_H3) | unless(h9_ages(f, a, a->youngest_months, a->oldest_months), RULE_H9);
    judge_numbers(f, a, a->count, a->over_three, out);
    return a->count;
}

/* Which of the asked children a home can take one by one, and the rules of the one who fails fewest. */
struct takers {
    lanes inside_young, inside_over, outside_young, outside_over, best;
};

static inline void judge_each(const struct fact_group *f, const struct asked *a, lanes rooms, lanes outside,
                              struct takers *out)
{
    lanes fewest = all(UINT16_MAX);
    for (uint32_t i = 0; i < a->criteria->child_count; i++) {
        lanes age = all(a->criteria->children[i].age_months);
        lanes inside = h3_children(f, a, age, age, all(BIT(a->criteria->children[i].sex)));
        lanes over = (lanes)(age >= all(OVER_THREE_MONTHS)), beside = h9_ages(f, a, age, age);
        /* The rules that this child alone fails, but for H4 and H5, which are the same for every child. */
        lanes fits = outside | (inside & ~f->sibling_group_only), housed = ~over | (lanes)(rooms > 0);
        lanes failed = one(~fits) + one(~housed) + one(~beside);
        lanes better = (lanes)(failed < fewest);
        fewest = choose(better, failed, fewest);
        out->best =
            choose(better, unless(fits, RULE_H3) | unless(housed, RULE_H7) | unless(beside, RULE_H9), out->best);
        out->inside_young += one(beside & inside & ~over);
        out->inside_over += one(beside & inside & over);
        out->outside_young += one(beside & outside & ~inside & ~over);
        out->outside_over += one(beside & outside & ~inside & over);
    }
}

/* As many of the asked children as this home can take: see the top of the file. */
static lanes judge_some(const struct fact_group *f, const struct asked *a, struct failures *out)
{
    lanes outside = mask(code_in(a->lifted, RULE_H3));
    lanes rooms = code_in(a->lifted, RULE_H7) ? all(NO_CAP) : f->bedroom_cap;
    lanes terms = code_in(a->lifted, RULE_H4) ? all(NO_CAP) : h4_terms_cap(f, a);
    lanes limit = code_in(a->lifted, RULE_H5) ? all(NO_CAP) : h5_limit_cap(f, a);
    struct takers takers = {0};
    judge_each(f, a, rooms, outside, &takers);
    lanes count = takers.inside_young + takers.outside_young + least(rooms, takers.inside_over + takers.outside_over);
    count = least(least(count, f->beds_free), least(terms, limit));

    lanes nobody = (lanes)(count == 0) | ((lanes)(count == 1) & f->sibling_group_only & ~outside);
    struct failures none = {.firmly = unless((lanes)(f->beds_free > 0), RULE_H4)};
    none.all = none.firmly | takers.best | unless((lanes)(terms > 0), RULE_H4) | unless((lanes)(limit > 0), RULE_H5);

    lanes young = least(takers.inside_young, count);
    lanes over = least(least(takers.inside_over, rooms), count - young);
    lanes left = count - young - over;
    lanes young_outside = least(takers.outside_young, left);
    struct failures some = {.all = unless((lanes)(left == 0) & ((lanes)(count > 1) | ~f->sibling_group_only), RULE_H3)};
    judge_numbers(f, a, count, over + left - young_outside, &some);

    out->all |= choose(nobody, none.all, some.all);
    out->firmly |= choose(nobody, none.firmly, some.firmly);
    return choose(nobody, all(1), count);
}

void rules_judge(const struct fact_group *f, lanes agency_active, const struct asked *a,
                 const uint64_t distance_squared[LANES], struct verdict *v)
{
    struct failures failures = {0}, parts = {0};
    lanes room_for_all = mask(a->alone) | (lanes)(f->beds_free >= a->count);
    lanes whole = mask(a->together) & room_for_all;
    v->children_taken = judge_whole(f, a, &failures);
    if (any(~whole)) {
        v->children_taken = choose(whole, v->children_taken, judge_some(f, a, &parts));
        failures.all = choose(whole, failures.all, parts.all);
        failures.firmly = choose(whole, failures.firmly, parts.firmly);
    }
    lanes approved = h13_specialist(f, a);
    failures.firmly |= unless(h2_available(f, a), RULE_H2);
    failures.all |= failures.firmly | unless(h1_approval(f, agency_active, a), RULE_H1) |
                    unless(h2_confirmed(f, a), RULE_H2) | unless(~approved | h3_care_type(f, a), RULE_H3) |
                    unless(mask(!a->together) | room_for_all, RULE_H6) | unless(h8_features(f, a), RULE_H8) |
                    unless(h9_home(f, a), RULE_H9) | unless(h10_avoided(f, a), RULE_H10) |
                    unless(h11_risks(f, a), RULE_H11) | unless(h12_pets(f, a), RULE_H12) | unless(approved, RULE_H13) |
                    unless(distance_within(a, distance_squared), RULE_DISTANCE);
    v->overridden = failures.all & ~failures.firmly & all(a->lifted);
    v->failed = failures.all & ~v->overridden;
}
