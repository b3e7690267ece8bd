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
 * - A bed that a team holds is a child who is coming, and counts as one placed in H4, H5, H7 and H9: over 3, nobody's
 *   sibling, of an age that nobody knows, so neither wholly older nor younger. It may not come: WITH_OTHER_CHILDREN is
 *   met by those who are there. No bed is kept for whoever holds one: who holds it is not shared between hubs.
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
#include "daemon/match/match_planes.h"

#include <assert.h>
#include <string.h>

#define OVER_THREE_MONTHS       36
#define STAYING_PUT_FROM_MONTHS 216

#define BIT(rule) (1u << (rule))

static_assert(CHILDREN_MAX < NUMBER_MOST, "as many children as can be asked for compare with every cap");
static_assert(CARE_TYPE_END <= 16 && HOME_FEATURE_END <= 16 && PET_END <= 16 && RISK_END <= 16, "masks of a fact");
static_assert(SKILL_END <= 32 && LANGUAGE_CLASS_END <= 32, "masks of a fact that only the order looks at");

/* --- facts of an offer ----------------------------------------------------------------------------------------- */

static uint16_t sexes_that_fit(uint8_t sex)
{
    if (sex == SEX_ANY)
        return BIT(SEX_M) | BIT(SEX_F) | BIT(SEX_U);
    return sex == SEX_M || sex == SEX_F ? BIT(sex) : 0;
}

/* The most that so many bits hold stands for it and all that is more. */
static uint16_t cut(uint32_t value, uint32_t bits)
{
    return (uint16_t)(value < BIT(bits) - 1 ? value : BIT(bits) - 1);
}

static uint16_t day_of(date_days day, uint16_t when_none)
{
    return day == DATE_NONE ? when_none : cut(day > 0 ? (uint32_t)day : 0, 16);
}

static uint16_t left_of(uint32_t most, uint32_t used)
{
    return most > used ? cut(most - used, NUMBER_BITS) : 0;
}

/* Beds that teams hold, each a child who is coming: as many as count in any number. */
static uint32_t coming(const struct offer *offer)
{
    return cut(offer->beds_held, NUMBER_BITS);
}

/* Bedrooms that the children placed need: each over 3 one, or each sibling group one where siblings may share; and one
 * each child who is coming. */
static uint32_t bedrooms_needed(const struct offer *offer, bool siblings_may_share)
{
    uint32_t needed = coming(offer);
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

/* How many more children the terms allow. fostered: placed, and coming. */
static uint16_t terms_cap(const struct offer *offer, uint32_t fostered)
{
    uint32_t most = offer->max_children;
    if (fostered == 0 && offer->max_children_if_siblings > most)
        most = offer->max_children_if_siblings;
    return left_of(most, fostered);
}

/* How many more before an exemption is needed: none when all the home fosters would be one sibling group. */
static uint16_t limit_cap(uint32_t fostered)
{
    return fostered == 0 ? NUMBER_MOST : left_of(FOSTERING_LIMIT, fostered);
}

/* How many children over 3 find a bedroom. */
static uint16_t bedroom_cap(const struct offer *offer)
{
    bool may_share = offer->room_sharing == SHARING_SIBLINGS || offer->room_sharing == SHARING_BY_AGREEMENT;
    uint16_t bedrooms_free = left_of(offer->bedrooms, bedrooms_needed(offer, may_share));
    return may_share && bedrooms_free > 0 ? NUMBER_MOST : bedrooms_free;
}

uint32_t language_class(const char *tag)
{
    static const char usual[LANGUAGES_OF_OWN_CLASS][LANGUAGE_TAG_BYTES] = {
        "pl", "ur", "pa", "bn", "gu",  "ar",  "so",  "ti",  "am",  "fa",           "ps",
        "sq", "vi", "tr", "ro", "prs", "ckb", "kmr", "rom", "bfi", "art-x-makaton"};
    uint32_t hash = 2166136261u; /* FNV-1a */
    for (uint32_t i = 0; i < LANGUAGES_OF_OWN_CLASS; i++)
        if (strcmp(usual[i], tag) == 0)
            return 1 + i;
    for (; *tag; tag++)
        hash = (hash ^ (uint8_t)*tag) * 16777619u;
    return 1 + LANGUAGES_OF_OWN_CLASS + (hash ^ hash >> 16) % (LANGUAGE_CLASS_END - 1 - LANGUAGES_OF_OWN_CLASS);
}

static uint32_t language_classes(const struct offer *offer)
{
    uint32_t classes = offer->language_count == 0;
    for (uint32_t i = 0; i < offer->language_count; i++)
        classes |= BIT(language_class(offer->languages[i].tag));
    return classes;
}

/* Unitary authorities, metropolitan districts, London boroughs, counties: each kind counts from 1. */
static const char authority_kinds[][4] = {"E06", "E08", "E09", "E10"};

uint32_t authority_number(const char *gss)
{
    uint32_t number = 0;
    if (strlen(gss) != GSS_BYTES - 1)
        return 0;
    for (const char *digit = gss + 3; *digit; digit++) {
        if (*digit < '0' || *digit > '9')
            return 0;
        number = 10 * number + (uint32_t)(*digit - '0');
    }
    for (uint32_t kind = 0; kind < AUTHORITY_NUMBERS / 256 && number > 0 && number < 256; kind++)
        if (memcmp(gss, authority_kinds[kind], 3) == 0)
            return kind * 256 + number;
    return 0;
}

void authority_of_number(uint32_t number, char gss[GSS_BYTES])
{
    *gss = '\0';
    if (number % 256 == 0 || number >= AUTHORITY_NUMBERS)
        return;
    memcpy(gss, authority_kinds[number / 256], 3);
    memcpy(gss + 3, "000000", GSS_BYTES - 3);
    uint32_t left = number % 256;
    for (char *digit = gss + GSS_BYTES - 2; left > 0; left /= 10)
        *digit-- = (char)('0' + left % 10);
}

static bool was_vacant(const struct offer *offer)
{
    bool kept_back = offer->bucket != BUCKET_NONE || offer->reserved_until != DATE_NONE;
    return offer->state == VACANCY_VACANT || (offer->state == VACANCY_LAPSED && !kept_back);
}

/* A report that it is not to be had ends what the confirmation said: S10. */
static int64_t believed_since_ms(const struct offer *offer)
{
    return offer->reported_unavailable_at_ms != 0 ? 0 : offer->confirmed_at_ms;
}

void facts_of_offer(const struct offer *offer, const struct box *box, struct facts *out)
{
    uint32_t held = coming(offer), fostered = held, bands = held > 0 ? BIT(AGE_NONE) : 0;
    for (uint32_t i = 0; i < offer->child_count; i++) {
        fostered += offer->children[i].placed;
        bands |= BIT(offer->children[i].age_band);
    }
    *out = (struct facts){
        .vacancy_id = offer->vacancy_id,
        .valid_until_ms = offer->valid_until_ms,
        .point_e_metres = offer->cell.point_e_metres,
        .point_n_metres = offer->cell.point_n_metres,
        .approved_on = day_of(offer->approved_on, 0),
        .approval_ends_on = day_of(offer->approval_ends_on, UINT16_MAX),
        .from = day_of(offer->from, 0),
        .until = day_of(offer->until, UINT16_MAX),
        .care_types = (uint16_t)offer->care_types,
        .approved_care_types = (uint16_t)offer->approved_care_types,
        .age_from_months = cut(offer->age_from_months, AGE_BITS),
        .age_below_months = cut(offer->age_below_months, AGE_BITS),
        .sexes = sexes_that_fit(offer->sex) & sexes_that_fit(offer->approved_sex),
        .home_features = (uint16_t)offer->home_features,
        .pets = (uint16_t)offer->pets,
        .cannot_take = (uint16_t)offer->cannot_take,
        .bands_at_home = (uint16_t)bands,
        .beds_free = cut(offer->beds_free, NUMBER_BITS),
        .terms_cap = terms_cap(offer, fostered),
        .limit_cap = limit_cap(fostered),
        .bedroom_cap = bedroom_cap(offer),
        .vacant = was_vacant(offer),
        .lapsed = offer->state == VACANCY_LAPSED,
        .sibling_group_only = offer->sibling_group_only,
        .on_call = offer->on_call,
        .many_at_home = offer->child_count > IMPACT_CHILDREN_MAX,
        .skills = offer->skills ? offer->skills : BIT(0),
        .confirmed_hour = hour_of(believed_since_ms(offer)),
        .languages = language_classes(offer),
        .confirmed_at_ms = believed_since_ms(offer),
        .authority = (uint16_t)authority_number(offer->cell.authority),
        .box = *box,
    };
}

static inline void planes_put(lanes *planes, uint32_t bits, uint32_t lane, uint32_t value)
{
    for (uint32_t i = 0; i < bits; i++)
        planes[i] = (planes[i] & ~(UINT64_C(1) << lane)) | (uint64_t)(value >> i & 1) << lane;
}

void facts_put(struct fact_group *group, uint32_t lane, const struct facts *facts)
{
#define PUT(name, bits) planes_put(group->name, bits, lane, facts->name);
#define PUT_DAY(name)   group->name[lane] = facts->name;
    FACT_COLUMNS(PUT)
    SHOULD_COLUMNS(PUT)
    DAY_COLUMNS(PUT_DAY)
#undef PUT
#undef PUT_DAY
    group->valid_until_ms[lane] = facts->valid_until_ms;
    group->confirmed_at_ms[lane] = facts->confirmed_at_ms;
    group->authority[lane] = facts->authority;
    group->point_e_metres[lane] = facts->point_e_metres;
    group->point_n_metres[lane] = facts->point_n_metres;
    group->agency[lane] = facts->agency;
    group->boxes[lane] = facts->box;
    group->vacancy_id[lane] = facts->vacancy_id;
    group->held[lane] = facts->held;
}

void facts_move(struct fact_group *to, uint32_t to_lane, const struct fact_group *from, uint32_t from_lane)
{
#define MOVE(name, bits)                                                                                               \
    for (uint32_t i = 0; i < (bits); i++)                                                                              \
        planes_put(&to->name[i], 1, to_lane, (uint32_t)(from->name[i] >> from_lane & 1));
#define MOVE_DAY(name) to->name[to_lane] = from->name[from_lane];
    FACT_COLUMNS(MOVE)
    SHOULD_COLUMNS(MOVE)
    DAY_COLUMNS(MOVE_DAY)
#undef MOVE
#undef MOVE_DAY
    to->valid_until_ms[to_lane] = from->valid_until_ms[from_lane];
    to->confirmed_at_ms[to_lane] = from->confirmed_at_ms[from_lane];
    to->authority[to_lane] = from->authority[from_lane];
    to->point_e_metres[to_lane] = from->point_e_metres[from_lane];
    to->point_n_metres[to_lane] = from->point_n_metres[from_lane];
    to->agency[to_lane] = from->agency[from_lane];
    to->boxes[to_lane] = from->boxes[from_lane];
    to->vacancy_id[to_lane] = from->vacancy_id[from_lane];
    to->held[to_lane] = from->held[from_lane];
}

static inline void widen(uint32_t *first, uint32_t *last, uint32_t value)
{
    *first = value < *first ? value : *first;
    *last = value > *last ? value : *last;
}

static struct stretch stretch_of(const uint16_t *days, uint32_t count)
{
    struct stretch stretch = {UINT16_MAX, 0};
    for (uint32_t i = 0; i < count; i++) {
        stretch.first = days[i] < stretch.first ? days[i] : stretch.first;
        stretch.last = days[i] > stretch.last ? days[i] : stretch.last;
    }
    return stretch;
}

void facts_sum_up(struct fact_group *group, uint32_t count)
{
    int64_t first_valid_until_ms = INT64_MAX, first_confirmed_at_ms = INT64_MAX, last_confirmed_at_ms = INT64_MIN;
    uint32_t west = UINT32_MAX, east = 0, south = UINT32_MAX, north = 0;
    struct box box = {UINT16_MAX, UINT16_MAX, 0, 0};
    for (uint32_t i = 0; i < count; i++) {
        const struct box *one = &group->boxes[i];
        if (group->valid_until_ms[i] < first_valid_until_ms)
            first_valid_until_ms = group->valid_until_ms[i];
        if (group->confirmed_at_ms[i] < first_confirmed_at_ms)
            first_confirmed_at_ms = group->confirmed_at_ms[i];
        if (group->confirmed_at_ms[i] > last_confirmed_at_ms)
            last_confirmed_at_ms = group->confirmed_at_ms[i];
        widen(&west, &east, group->point_e_metres[i]);
        widen(&south, &north, group->point_n_metres[i]);
        box = (struct box){one->west_km < box.west_km ? one->west_km : box.west_km,
                           one->south_km < box.south_km ? one->south_km : box.south_km,
                           one->east_km > box.east_km ? one->east_km : box.east_km,
                           one->north_km > box.north_km ? one->north_km : box.north_km};
    }
    group->first_valid_until_ms = first_valid_until_ms;
    group->first_confirmed_at_ms = first_confirmed_at_ms;
    group->last_confirmed_at_ms = last_confirmed_at_ms;
    group->all_authority = stretch_of(group->authority, count);
    group->west_metres = west;
    group->east_metres = east;
    group->south_metres = south;
    group->north_metres = north;
    group->box = box;
#define SUM_UP(name) group->all_##name = stretch_of(group->name, count);
    DAY_COLUMNS(SUM_UP)
#undef SUM_UP
}

bool facts_unconfirmed(const struct fact_group *group, uint32_t lane, int64_t as_of_ms)
{
    return (group->lapsed[0] >> lane & 1) != 0 || group->valid_until_ms[lane] <= as_of_ms;
}

/* --- the request ----------------------------------------------------------------------------------------------- */

static bool is_specialist(enum care_type type)
{
    return type == CARE_PARENT_AND_CHILD || type == CARE_REMAND || type == CARE_FOSTERING_FOR_ADOPTION ||
           type == CARE_SHORT_BREAKS;
}

void asked_prepare(const struct criteria *criteria, struct asked *out)
{
    uint32_t youngest = AGE_ASKED_MOST, oldest = 0, day = day_of(criteria->starts_on, 0);
    *out = (struct asked){
        .criteria = criteria,
        .too_far_squared = UINT64_MAX,
        .together = criteria->grouping != GROUPING_SPLIT || criteria->child_count == 1,
        .staying_put = criteria->care_type == CARE_STAYING_PUT,
        .specialist = is_specialist(criteria->care_type),
        .day = day < DAY_ASKED_MOST ? day : DAY_ASKED_MOST,
    };
    for (uint32_t i = 0; i < criteria->child_count; i++) {
        const struct child_sought *child = &criteria->children[i];
        youngest = child->age_months < youngest ? child->age_months : youngest;
        oldest = child->age_months > oldest ? child->age_months : oldest;
        out->over_three += child->age_months >= OVER_THREE_MONTHS;
        out->sexes |= BIT(child->sex);
    }
    out->youngest_months = youngest;
    out->oldest_months = oldest < AGE_ASKED_MOST ? oldest : AGE_ASKED_MOST;
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

/* --- one rule each: the offers that meet it ---------------------------------------------------------------------- */

/* Those whose day is before this one: as a rule the first and the last of the group decide. */
static inline lanes before(const uint16_t days[LANES], struct stretch stretch, uint32_t day)
{
    lanes met = 0;
    if (stretch.last < day || stretch.first >= day)
        return all(stretch.last < day);
    for (uint32_t i = 0; i < LANES; i++)
        met |= (lanes)(days[i] < day) << i;
    return met;
}

static inline lanes h1_approval(const struct fact_group *f, lanes agency_active, const struct asked *a)
{
    return agency_active & before(f->approved_on, f->all_approved_on, a->day + 1) &
           ~before(f->approval_ends_on, f->all_approval_ends_on, a->day + 1);
}

static inline lanes h2_available(const struct fact_group *f, const struct asked *a)
{
    return f->vacant[0] & before(f->from, f->all_from, a->day + 1) & ~before(f->until, f->all_until, a->day);
}

/* Nearly always all are: the hub lapses what has run out. */
static inline lanes h2_confirmed(const struct fact_group *f, const struct asked *a)
{
    lanes met = ~f->lapsed[0];
    if (f->first_valid_until_ms > a->criteria->as_of_ms)
        return met;
    for (uint32_t i = 0; i < LANES; i++)
        if (f->valid_until_ms[i] <= a->criteria->as_of_ms)
            met &= ~(UINT64_C(1) << i);
    return met;
}

static inline lanes h3_care_type(const struct fact_group *f, const struct asked *a)
{
    return f->care_types[a->criteria->care_type];
}

/* From the youngest to the oldest, and every sex among them. */
static inline lanes h3_children(const struct fact_group *f, const struct asked *a, uint32_t youngest, uint32_t oldest,
                                uint32_t sexes)
{
    return at_most(f->age_from_months, AGE_BITS, youngest) & ~at_most(f->age_below_months, AGE_BITS, oldest) &
           with_every(f->sexes, SEX_U + 1, sexes) & all(!a->staying_put || youngest >= STAYING_PUT_FROM_MONTHS);
}

/* Staying Put is not fostering: neither the terms' number nor the limit counts. */
static inline struct number h4_terms_cap(const struct fact_group *f, const struct asked *a)
{
    return a->staying_put ? same_number(NUMBER_MOST) : number_of(f->terms_cap);
}

static inline struct number h5_limit_cap(const struct fact_group *f, const struct asked *a)
{
    return a->staying_put ? same_number(NUMBER_MOST) : number_of(f->limit_cap);
}

static inline lanes h8_features(const struct fact_group *f, const struct asked *a)
{
    return with_every(f->home_features, HOME_FEATURE_END, a->criteria->home_features);
}

static inline lanes h9_home(const struct fact_group *f, const struct asked *a)
{
    lanes somebody = with_any(f->bands_at_home, AGE_BAND_END, BANDS_KNOWN);
    return a->criteria->alongside == ALONGSIDE_SOLO                  ? ~(somebody | f->bands_at_home[AGE_NONE])
           : a->criteria->alongside == ALONGSIDE_WITH_OTHER_CHILDREN ? somebody
                                                                     : all(true);
}

/* No child at home is of a band that is not wholly older, or younger, than those asked for. */
static inline lanes h9_ages(const struct fact_group *f, const struct asked *a, uint32_t youngest, uint32_t oldest)
{
    enum alongside alongside = a->criteria->alongside;
    uint32_t against = BIT(AGE_NONE); /* of unknown age is neither */
    if (alongside != ALONGSIDE_ONLY_WITH_OLDER && alongside != ALONGSIDE_ONLY_WITH_YOUNGER)
        return all(true);
    for (uint32_t band = AGE_0_2; band < AGE_BAND_END; band++) {
        bool older = age_band_from_months(band) > oldest, younger = age_band_below_months(band) <= youngest;
        if (alongside == ALONGSIDE_ONLY_WITH_OLDER ? !older : !younger)
            against |= BIT(band);
    }
    return ~with_any(f->bands_at_home, AGE_BAND_END, against);
}

static inline bool touches(const struct box *box, const struct avoided *avoided)
{
    const struct cell cell = {
        .west_km = box->west_km, .south_km = box->south_km, .east_km = box->east_km, .north_km = box->north_km};
    return cell_touches_circle(&cell, (int32_t)avoided->e_metres, (int32_t)avoided->n_metres,
                               avoided->radius_metres + avoided->reach_metres);
}

static inline lanes h10_avoided(const struct fact_group *f, lanes used, const struct asked *a)
{
    lanes met = all(true);
    for (uint32_t i = 0; i < a->criteria->avoided_count; i++) {
        const struct avoided *avoided = &a->criteria->avoided[i];
        if (!touches(&f->box, avoided))
            continue;
        for (lanes left = used & met; left != 0; left &= left - 1)
            if (touches(&f->boxes[__builtin_ctzll(left)], avoided))
                met &= ~(left & -left);
    }
    return met;
}

static inline lanes h11_risks(const struct fact_group *f, const struct asked *a)
{
    return ~with_any(f->cannot_take, RISK_END, a->criteria->risks);
}

static inline lanes h12_pets(const struct fact_group *f, const struct asked *a)
{
    lanes some = a->criteria->pets_must ? with_any(f->pets, PET_END, BIT(PET_END) - 1) : all(true);
    return some & ~with_any(f->pets, PET_END, a->criteria->no_pets);
}

static inline lanes h13_specialist(const struct fact_group *f, const struct asked *a)
{
    return a->specialist ? f->approved_care_types[a->criteria->care_type] : all(true);
}

/* A group lies wholly on one side, as a rule. */
static inline lanes distance_within(const struct fact_group *f, lanes used, const struct asked *a)
{
    uint32_t e = a->criteria->near_e_metres, n = a->criteria->near_n_metres;
    lanes met = 0;
    if (a->too_far_squared == UINT64_MAX || facts_farthest_squared(f, e, n) < a->too_far_squared)
        return all(true);
    if (facts_nearest_squared(f, e, n) >= a->too_far_squared)
        return 0;
    for (lanes left = used; left != 0; left &= left - 1)
        if (facts_distance_squared(f, (uint32_t)__builtin_ctzll(left), e, n) < a->too_far_squared)
            met |= left & -left;
    return met;
}

/* --- the judgement --------------------------------------------------------------------------------------------- */

/* The rules about how many children, and which, and the offers that failed them. No override lifts `no_bed`, a part of
 * h4. */
struct fit {
    lanes h3, h4, no_bed, h5, h7, h9;
    struct number taken;
};

/* H4, H5 and H7 for so many children, of whom so many over 3. */
static inline void judge_numbers(const struct fact_group *f, const struct asked *a, struct number count,
                                 struct number over_three, struct fit *out)
{
    out->no_bed = is_less(number_of(f->beds_free), count);
    out->h4 = out->no_bed | is_less(h4_terms_cap(f, a), count);
    out->h5 = is_less(h5_limit_cap(f, a), count);
    out->h7 = is_less(number_of(f->bedroom_cap), over_three);
    out->taken = count;
}

/* All asked children in this home. */
static inline void judge_whole(const struct fact_group *f, const struct asked *a, struct fit *out)
{
    lanes fit = h3_children(f, a, a->youngest_months, a->oldest_months, a->sexes);
    lanes enough = ~f->sibling_group_only[0] | all(a->criteria->child_count > 1);
    out->h3 = ~(fit & enough);
    out->h9 = ~h9_ages(f, a, a->youngest_months, a->oldest_months);
    judge_numbers(f, a, same_number(a->criteria->child_count), same_number(a->over_three), out);
}

/* Which of the asked children a home can take one by one, and the rules of the one who fails fewest. */
struct takers {
    struct number inside_young, inside_over, outside_young, outside_over;
    lanes h3, h7, h9;
};

static inline void judge_each(const struct fact_group *f, const struct asked *a, struct number rooms, lanes outside,
                              struct takers *out)
{
    struct number fewest = same_number(NUMBER_MOST);
    for (uint32_t i = 0; i < a->criteria->child_count; i++) {
        const struct child_sought *child = &a->criteria->children[i];
        uint32_t age = child->age_months < AGE_ASKED_MOST ? child->age_months : AGE_ASKED_MOST;
        lanes inside = h3_children(f, a, age, age, BIT(child->sex)), beside = h9_ages(f, a, age, age);
        lanes over = all(age >= OVER_THREE_MONTHS);
        /* The rules that this child alone fails, but for H4 and H5, which are the same for every child. */
        lanes fits = outside | (inside & ~f->sibling_group_only[0]), housed = ~over | is_some(rooms);
        struct number failed = same_number(0);
        add_one(&failed, ~fits);
        add_one(&failed, ~housed);
        add_one(&failed, ~beside);
        lanes better = is_less(failed, fewest), room = is_some(number_of(f->bedroom_cap));
        fewest = number_choose(better, failed, fewest);
        /* What is lifted is failed all the same: it comes out as overridden. */
        out->h3 = choose(better, ~(inside & ~f->sibling_group_only[0]), out->h3);
        out->h7 = choose(better, over & ~room, out->h7);
        out->h9 = choose(better, ~beside, out->h9);
        add_one(&out->inside_young, beside & inside & ~over);
        add_one(&out->inside_over, beside & inside & over);
        add_one(&out->outside_young, beside & outside & ~inside & ~over);
        add_one(&out->outside_over, beside & outside & ~inside & over);
    }
}

/* As many of the asked children as this home can take: see the top of the file. */
static void judge_some(const struct fact_group *f, const struct asked *a, struct fit *out)
{
    const struct number no_cap = same_number(NUMBER_MOST), beds = number_of(f->beds_free);
    lanes outside = all(code_in(a->lifted, RULE_H3)), groups_only = f->sibling_group_only[0];
    struct number rooms = code_in(a->lifted, RULE_H7) ? no_cap : number_of(f->bedroom_cap);
    struct number terms = code_in(a->lifted, RULE_H4) ? no_cap : h4_terms_cap(f, a);
    struct number limit = code_in(a->lifted, RULE_H5) ? no_cap : h5_limit_cap(f, a);
    struct takers takers = {0};
    judge_each(f, a, rooms, outside, &takers);
    struct number count = plus(plus(takers.inside_young, takers.outside_young),
                               least(rooms, plus(takers.inside_over, takers.outside_over)));
    count = least(least(count, beds), least(terms, limit));

    struct number young = least(takers.inside_young, count);
    struct number over = least(least(takers.inside_over, rooms), minus(count, young));
    struct number left = minus(minus(count, young), over);
    struct number young_outside = least(takers.outside_young, left);
    judge_numbers(f, a, count, minus(plus(over, left), young_outside), out);
    out->h3 = is_some(left) | (~is_more_than_one(count) & groups_only);
    out->h9 = 0;

    lanes nobody = ~is_some(count) | (~is_more_than_one(count) & groups_only & ~outside);
    out->no_bed = choose(nobody, ~is_some(beds), out->no_bed);
    out->h3 = choose(nobody, takers.h3, out->h3);
    out->h4 = choose(nobody, out->no_bed | ~is_some(h4_terms_cap(f, a)), out->h4);
    out->h5 = choose(nobody, ~is_some(h5_limit_cap(f, a)), out->h5);
    out->h7 = choose(nobody, takers.h7, out->h7);
    out->h9 = choose(nobody, takers.h9, out->h9);
    out->taken = number_choose(nobody, same_number(1), count);
}

static inline void fit_choose(lanes where, const struct fit *there, struct fit *elsewhere)
{
    elsewhere->h3 = choose(where, there->h3, elsewhere->h3);
    elsewhere->h4 = choose(where, there->h4, elsewhere->h4);
    elsewhere->no_bed = choose(where, there->no_bed, elsewhere->no_bed);
    elsewhere->h5 = choose(where, there->h5, elsewhere->h5);
    elsewhere->h7 = choose(where, there->h7, elsewhere->h7);
    elsewhere->h9 = choose(where, there->h9, elsewhere->h9);
    elsewhere->taken = number_choose(where, there->taken, elsewhere->taken);
}

void rules_judge(const struct fact_group *f, lanes used, lanes agency_active, const struct asked *a, struct verdict *v)
{
    struct fit fit, part;
    uint32_t count = a->criteria->child_count;
    lanes room_for_all = count == 1 ? all(true) : ~below(f->beds_free, NUMBER_BITS, count);
    lanes whole = a->together ? room_for_all : 0;
    judge_whole(f, a, &fit);
    if ((used & ~whole) != 0) {
        judge_some(f, a, &part);
        fit_choose(~whole, &part, &fit);
    }
    lanes approved = h13_specialist(f, a), unavailable = ~h2_available(f, a);
    *v = (struct verdict){.suitable = used, .children_taken = fit.taken};
    v->failed[RULE_H1] = ~h1_approval(f, agency_active, a);
    v->failed[RULE_H2] = unavailable | ~h2_confirmed(f, a);
    v->failed[RULE_H3] = fit.h3 | (approved & ~h3_care_type(f, a));
    v->failed[RULE_H4] = fit.h4;
    v->failed[RULE_H5] = fit.h5;
    v->failed[RULE_H6] = a->together ? ~room_for_all : 0;
    v->failed[RULE_H7] = fit.h7;
    v->failed[RULE_H8] = ~h8_features(f, a);
    v->failed[RULE_H9] = fit.h9 | ~h9_home(f, a);
    v->failed[RULE_H10] = ~h10_avoided(f, used, a);
    v->failed[RULE_H11] = ~h11_risks(f, a);
    v->failed[RULE_H12] = ~h12_pets(f, a);
    v->failed[RULE_H13] = ~approved;
    v->failed[RULE_DISTANCE] = ~distance_within(f, used, a);
    for (uint32_t lifted = a->lifted; lifted != 0; lifted &= lifted - 1) {
        uint32_t rule = (uint32_t)__builtin_ctz(lifted);
        /* Failed in a way that no override lifts, although it lifts the rule otherwise. */
        lanes firmly = rule == RULE_H2 ? unavailable : rule == RULE_H4 ? fit.no_bed : 0;
        v->overridden[rule] = v->failed[rule] & ~firmly;
        v->failed[rule] &= firmly;
    }
    for (uint32_t rule = 0; rule < RULES_JUDGED; rule++) {
        v->failed[rule] &= used;
        v->suitable &= ~v->failed[rule];
    }
}
