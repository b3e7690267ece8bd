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

#define NO_CAP                  UINT32_MAX
#define OVER_THREE_MONTHS       36
#define STAYING_PUT_FROM_MONTHS 216

#define BIT(rule) (1u << (rule))

/* --- facts of an offer ----------------------------------------------------------------------------------------- */

static uint8_t sexes_that_fit(uint8_t sex)
{
    if (sex == SEX_ANY)
        return BIT(SEX_M) | BIT(SEX_F) | BIT(SEX_U);
    return sex == SEX_M || sex == SEX_F ? BIT(sex) : 0;
}

static uint32_t least(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
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

void facts_of_offer(const struct offer *offer, const struct box *box, struct facts *out)
{
    bool may_share = offer->room_sharing == SHARING_SIBLINGS || offer->room_sharing == SHARING_BY_AGREEMENT;
    uint32_t needed = bedrooms_needed(offer, may_share);
    *out = (struct facts){
        .vacancy_id = offer->vacancy_id,
        .valid_until_ms = offer->valid_until_ms,
        .point_e_metres = offer->cell.point_e_metres,
        .point_n_metres = offer->cell.point_n_metres,
        .approved_on = offer->approved_on,
        .approval_ends_on = offer->approval_ends_on,
        .from = offer->from,
        .until = offer->until,
        .care_types = (uint16_t)offer->care_types,
        .approved_care_types = (uint16_t)offer->approved_care_types,
        .age_from_months = (uint16_t)least(offer->age_from_months, UINT16_MAX),
        .age_below_months = (uint16_t)least(offer->age_below_months, UINT16_MAX),
        .home_features = (uint16_t)offer->home_features,
        .pets = (uint16_t)offer->pets,
        .cannot_take = (uint16_t)offer->cannot_take,
        .youngest_from_months = UINT16_MAX,
        .box = *box,
        .state = offer->state,
        .sexes = sexes_that_fit(offer->sex) & sexes_that_fit(offer->approved_sex),
        .beds_free = (uint8_t)least(offer->beds_free, UINT8_MAX),
        .max_children = (uint8_t)least(offer->max_children, UINT8_MAX),
        .max_children_if_siblings = (uint8_t)least(offer->max_children_if_siblings, UINT8_MAX),
        .others = (uint8_t)offer->child_count,
        .bedrooms_free = (uint8_t)least(offer->bedrooms > needed ? offer->bedrooms - needed : 0, UINT8_MAX),
        .kept_back = offer->bucket != BUCKET_NONE || offer->reserved_until != DATE_NONE,
        .siblings_may_share = may_share,
        .sibling_group_only = offer->sibling_group_only,
    };
    for (uint32_t i = 0; i < offer->child_count; i++) {
        const struct child_at_home *child = &offer->children[i];
        uint32_t from = age_band_from_months(child->age_band), below = age_band_below_months(child->age_band);
        out->placed += child->placed;
        if (from < out->youngest_from_months)
            out->youngest_from_months = (uint16_t)from;
        if (below > out->oldest_below_months)
            out->oldest_below_months = (uint16_t)below;
    }
}

bool facts_unconfirmed(const struct facts *facts, int64_t as_of_ms)
{
    return (facts->state == VACANCY_LAPSED) | (facts->valid_until_ms < as_of_ms);
}

/* --- the request ----------------------------------------------------------------------------------------------- */

static bool is_specialist(enum care_type type)
{
    return type == CARE_PARENT_AND_CHILD || type == CARE_REMAND || type == CARE_FOSTERING_FOR_ADOPTION ||
           type == CARE_SHORT_BREAKS;
}

void asked_prepare(const struct criteria *criteria, struct asked *out)
{
    *out = (struct asked){
        .criteria = criteria,
        .too_far_squared = UINT64_MAX,
        .youngest_months = UINT32_MAX,
        .together = criteria->grouping != GROUPING_SPLIT || criteria->child_count == 1,
        .staying_put = criteria->care_type == CARE_STAYING_PUT,
        .specialist = is_specialist(criteria->care_type),
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
    for (uint32_t i = 0; i < criteria->child_count; i++) {
        const struct child_sought *child = &criteria->children[i];
        out->youngest_months = least(out->youngest_months, child->age_months);
        if (child->age_months > out->oldest_months)
            out->oldest_months = child->age_months;
        out->over_three += child->age_months >= OVER_THREE_MONTHS;
        out->sexes |= (uint16_t)BIT(child->sex);
    }
}

/* --- one rule each: true when it is met ------------------------------------------------------------------------ */

static bool h1_approval(const struct facts *f, bool agency_active, const struct asked *a)
{
    date_days day = a->criteria->starts_on;
    return agency_active & (f->approved_on <= day) & ((f->approval_ends_on == DATE_NONE) | (day < f->approval_ends_on));
}

static bool h2_available(const struct facts *f, const struct asked *a)
{
    date_days day = a->criteria->starts_on;
    bool vacant = (f->state == VACANCY_VACANT) | ((f->state == VACANCY_LAPSED) & !f->kept_back);
    /* DATE_NONE as `from` is before every day. */
    return vacant & (f->from <= day) & ((f->until == DATE_NONE) | (day <= f->until));
}

static bool h3_care_type(const struct facts *f, const struct asked *a)
{
    return code_in(f->care_types, a->criteria->care_type);
}

/* From the youngest to the oldest, and every sex among them. */
static bool h3_children(const struct facts *f, const struct asked *a, uint32_t youngest, uint32_t oldest,
                        uint32_t sexes)
{
    return (youngest >= f->age_from_months) & (oldest < f->age_below_months) & ((sexes & ~(uint32_t)f->sexes) == 0) &
           (!a->staying_put | (youngest >= STAYING_PUT_FROM_MONTHS));
}

/* How many more children the terms allow. */
static uint32_t h4_terms_cap(const struct facts *f, const struct asked *a)
{
    uint32_t most = f->max_children;
    if (a->staying_put)
        return NO_CAP;
    if (f->placed == 0 && f->max_children_if_siblings > most)
        most = f->max_children_if_siblings;
    return most > f->placed ? most - f->placed : 0;
}

/* How many more before an exemption is needed: none when all the home fosters would be one sibling group. */
static uint32_t h5_limit_cap(const struct facts *f, const struct asked *a)
{
    if (a->staying_put || f->placed == 0)
        return NO_CAP;
    return f->placed < FOSTERING_LIMIT ? FOSTERING_LIMIT - (uint32_t)f->placed : 0;
}

/* How many children over 3 find a bedroom. */
static uint32_t h7_bedroom_cap(const struct facts *f)
{
    return f->siblings_may_share && f->bedrooms_free > 0 ? NO_CAP : f->bedrooms_free;
}

static bool h8_features(const struct facts *f, const struct asked *a)
{
    return (a->criteria->home_features & ~(uint32_t)f->home_features) == 0;
}

static bool h9_home(const struct facts *f, const struct asked *a)
{
    if (a->criteria->alongside == ALONGSIDE_SOLO)
        return f->others == 0;
    return a->criteria->alongside != ALONGSIDE_WITH_OTHER_CHILDREN || f->others > 0;
}

static bool h9_ages(const struct facts *f, const struct asked *a, uint32_t youngest, uint32_t oldest)
{
    if (f->others == 0)
        return true;
    if (a->criteria->alongside == ALONGSIDE_ONLY_WITH_OLDER)
        return f->youngest_from_months > oldest;
    return a->criteria->alongside != ALONGSIDE_ONLY_WITH_YOUNGER || f->oldest_below_months <= youngest;
}

static bool h10_avoided(const struct facts *f, const struct asked *a)
{
    for (uint32_t i = 0; i < a->criteria->avoided_count; i++) {
        const struct avoided *avoided = &a->criteria->avoided[i];
        const struct cell cell = {.west_km = f->box.west_km,
                                  .south_km = f->box.south_km,
                                  .east_km = f->box.east_km,
                                  .north_km = f->box.north_km};
        if (cell_touches_circle(&cell, (int32_t)avoided->e_metres, (int32_t)avoided->n_metres, avoided->radius_metres))
            return false;
    }
    return true;
}

static bool h11_risks(const struct facts *f, const struct asked *a)
{
    return (a->criteria->risks & f->cannot_take) == 0;
}

static bool h12_pets(const struct facts *f, const struct asked *a)
{
    return (a->criteria->no_pets & f->pets) == 0;
}

static bool h13_specialist(const struct facts *f, const struct asked *a)
{
    return !a->specialist || code_in(f->approved_care_types, a->criteria->care_type);
}

/* --- the judgement --------------------------------------------------------------------------------------------- */

/*
 * Rules that failed. `firmly`: those of them that no override lifts although it lifts the rule otherwise (H2: vacant at
 * all; H4: a bed). Sets instead of branches: a scan judges a hundred thousand offers, and no branch would be foreseen.
 */
struct failures {
    uint32_t all, firmly;
};

static uint32_t unless(bool met, enum rule rule)
{
    return (uint32_t)!met << rule;
}

/* H4, H5 and H7 for so many children, of whom so many over 3. */
static void judge_numbers(const struct facts *f, const struct asked *a, uint32_t count, uint32_t over_three,
                          struct failures *out)
{
    out->firmly |= unless(count <= f->beds_free, RULE_H4);
    out->all |= out->firmly | unless(count <= h4_terms_cap(f, a), RULE_H4) |
                unless(count <= h5_limit_cap(f, a), RULE_H5) | unless(over_three <= h7_bedroom_cap(f), RULE_H7);
}

/* All asked children in this home. */
static uint32_t judge_whole(const struct facts *f, const struct asked *a, struct failures *out)
{
    uint32_t count = a->criteria->child_count;
    bool fit = h3_children(f, a, a->youngest_months, a->oldest_months, a->sexes);
    bool enough = !f->sibling_group_only | (count > 1);
    out->all |= unless(fit & enough, RULE_H3) | unless(h9_ages(f, a, a->youngest_months, a->oldest_months), RULE_H9);
    judge_numbers(f, a, count, a->over_three, out);
    return count;
}

/* As many of the asked children as this home can take: see the top of the file. */
static uint32_t judge_some(const struct facts *f, const struct asked *a, struct failures *out)
{
    bool outside = code_in(a->lifted, RULE_H3);
    uint32_t rooms = code_in(a->lifted, RULE_H7) ? NO_CAP : h7_bedroom_cap(f);
    uint32_t terms = code_in(a->lifted, RULE_H4) ? NO_CAP : h4_terms_cap(f, a);
    uint32_t limit = code_in(a->lifted, RULE_H5) ? NO_CAP : h5_limit_cap(f, a);
    uint32_t inside_young = 0, inside_over = 0, outside_young = 0, outside_over = 0, best = 0, fewest = UINT32_MAX;
    for (uint32_t i = 0; i < a->criteria->child_count; i++) {
        uint32_t age = a->criteria->children[i].age_months;
        bool inside = h3_children(f, a, age, age, BIT(a->criteria->children[i].sex));
        bool over = age >= OVER_THREE_MONTHS, beside = h9_ages(f, a, age, age);
        /* The rules that this child alone fails, but for H4 and H5, which are the same for every child. */
        bool fits = outside | (inside & !f->sibling_group_only), housed = !over | (rooms > 0);
        uint32_t failed = (uint32_t)!fits + !housed + !beside;
        if (failed < fewest) {
            fewest = failed;
            best = unless(fits, RULE_H3) | unless(housed, RULE_H7) | unless(beside, RULE_H9);
        }
        inside_young += beside & inside & !over;
        inside_over += beside & inside & over;
        outside_young += beside & outside & !inside & !over;
        outside_over += beside & outside & !inside & over;
    }
    uint32_t count = inside_young + outside_young + least(rooms, inside_over + outside_over);
    count = least(least(count, f->beds_free), least(terms, limit));
    if (count == 0 || (count == 1 && f->sibling_group_only && !outside)) {
        out->firmly |= unless(f->beds_free > 0, RULE_H4);
        out->all |= out->firmly | best | unless(terms > 0, RULE_H4) | unless(limit > 0, RULE_H5);
        return 1;
    }
    uint32_t young = least(inside_young, count);
    uint32_t over = least(least(inside_over, rooms), count - young);
    uint32_t left = count - young - over;
    uint32_t young_outside = least(outside_young, left);
    out->all |= unless(left == 0 && (count > 1 || !f->sibling_group_only), RULE_H3);
    judge_numbers(f, a, count, over + left - young_outside, out);
    return count;
}

void rules_judge(const struct facts *f, bool agency_active, const struct asked *a, uint64_t distance_squared,
                 struct verdict *v)
{
    struct failures failures = {0};
    bool alone = a->criteria->child_count == 1, room_for_all = f->beds_free >= a->criteria->child_count;
    v->children_taken =
        a->together & (alone | room_for_all) ? judge_whole(f, a, &failures) : judge_some(f, a, &failures);
    bool approved = h13_specialist(f, a);
    failures.firmly |= unless(h2_available(f, a), RULE_H2);
    failures.all |= failures.firmly | unless(h1_approval(f, agency_active, a), RULE_H1) |
                    unless(!facts_unconfirmed(f, a->criteria->as_of_ms), RULE_H2) |
                    unless(!approved | h3_care_type(f, a), RULE_H3) |
                    unless(!a->together | alone | room_for_all, RULE_H6) | unless(h8_features(f, a), RULE_H8) |
                    unless(h9_home(f, a), RULE_H9) | unless(h10_avoided(f, a), RULE_H10) |
                    unless(h11_risks(f, a), RULE_H11) | unless(h12_pets(f, a), RULE_H12) | unless(approved, RULE_H13) |
                    unless(distance_squared < a->too_far_squared, RULE_DISTANCE);
    v->overridden = failures.all & ~failures.firmly & a->lifted;
    v->failed = failures.all & ~v->overridden;
}
