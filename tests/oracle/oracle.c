/* oracle.c - see oracle.h. Slow and literal: sets of children are tried one by one, orders step by step. */
#include "tests/oracle/oracle.h"

#include <math.h>
#include <string.h>

#define HOURS 3600000LL

/* One way to place: which of the asked children, and what speaks against it. */
struct attempt {
    unsigned children; /* bit n for child n */
    int size, outside_terms, over_three;
    unsigned failed, lifted;
    bool no_bed;
};

static int placed_in(const struct home_fact *home)
{
    int placed = 0;
    for (int i = 0; i < home->child_count; i++)
        placed += home->children[i].placed;
    return placed;
}

static int free_beds(const struct home_fact *home)
{
    int empty = home->places - placed_in(home);
    if (empty > home->beds)
        empty = home->beds;
    return empty > home->held ? empty - home->held : 0;
}

static int offered_from(const struct home_fact *home)
{
    return home->narrowed_from_months > home->from_months ? home->narrowed_from_months : home->from_months;
}

static int offered_below(const struct home_fact *home)
{
    if (home->narrowed_below_months == 0 || home->narrowed_below_months > home->below_months)
        return home->below_months;
    return home->narrowed_below_months;
}

static bool offers_care(const struct home_fact *home, int care)
{
    return home->care[care] && (!home->narrows_care || home->narrowed_care[care]);
}

static bool sex_fits(char terms, char child)
{
    return terms == '-' || (child != 'U' && terms == child);
}

/* What is offered lies outside what is approved: there is nothing that anybody could be placed in. */
static bool nothing_offered(const struct home_fact *home)
{
    bool any = false;
    for (int care = 1; care < CARE_TYPES; care++)
        any |= offers_care(home, care);
    bool other_sex = home->sex != '-' && home->narrowed_sex != '-' && home->sex != home->narrowed_sex;
    return !any || offered_from(home) >= offered_below(home) || other_sex;
}

static void against(const struct question *q, int rule, int lift, unsigned *failed, unsigned *lifted)
{
    if (lift && q->lifts[lift])
        *lifted |= 1u << rule;
    else
        *failed |= 1u << rule;
}

/* --- rules that depend on which children ----------------------------------------------------------------------- */

static bool within_terms(const struct home_fact *home, const struct question *q, const struct asked_child *child)
{
    if (q->care == STAYING_PUT && child->months < 18 * 12)
        return false;
    return child->months >= offered_from(home) && child->months < offered_below(home) &&
           sex_fits(home->sex, child->sex) && sex_fits(home->narrowed_sex, child->sex);
}

/* Children Act 1989 Sch 7, as domain.md 2.5 puts it; a named exemption is nothing that a search can know. */
static bool usual_limit_holds(const struct home_fact *home, int more)
{
    int groups[3 * MANY], total = 0;
    for (int i = 0; i < home->child_count; i++)
        if (home->children[i].placed)
            groups[total++] = home->children[i].sibling_group ? home->children[i].sibling_group : -1 - i;
    for (int i = 0; i < home->held; i++)
        groups[total++] = -1000 - i; /* who comes is nobody's sibling, as far as anybody knows */
    for (int i = 0; i < more; i++)
        groups[total++] = 1000;
    if (total <= 3)
        return true;
    for (int i = 1; i < total; i++)
        if (groups[i] != groups[0])
            return false;
    return true;
}

static int bedrooms_wanted(const struct home_fact *home, int asked_over_three)
{
    bool share = home->sharing == SHARE_SIBLINGS || home->sharing == SHARE_AGREED;
    int rooms = share ? asked_over_three > 0 : asked_over_three;
    rooms += home->held;
    for (int i = 0; i < home->child_count; i++) {
        const struct child_fact *child = &home->children[i];
        if (!child->placed || child->years_from < 3)
            continue;
        bool elder_sibling = false;
        for (int j = 0; j < i; j++)
            elder_sibling |= home->children[j].placed && home->children[j].years_from >= 3 &&
                             child->sibling_group != 0 && home->children[j].sibling_group == child->sibling_group;
        rooms += !(share && elder_sibling);
    }
    return rooms;
}

static bool may_live_beside(const struct home_fact *home, const struct question *q, const struct asked_child *child)
{
    for (int i = 0; i < home->child_count; i++) {
        /* The whole band must be older, or younger. */
        if (q->beside == BESIDE_OLDER && home->children[i].years_from * 12 <= child->months)
            return false;
        if (q->beside == BESIDE_YOUNGER && home->children[i].years_below * 12 > child->months)
            return false;
    }
    /* Nobody knows how old those are for whom beds are held. */
    return home->held == 0 || (q->beside != BESIDE_OLDER && q->beside != BESIDE_YOUNGER);
}

static void try_children(const struct home_fact *home, const struct question *q, struct attempt *t)
{
    int fostered = placed_in(home) + home->held;
    t->size = t->outside_terms = t->over_three = 0;
    t->failed = t->lifted = 0;
    t->no_bed = false;
    bool beside = true;
    for (int i = 0; i < q->child_count; i++) {
        if (!(t->children & 1u << i))
            continue;
        t->size++;
        t->outside_terms += !within_terms(home, q, &q->children[i]);
        t->over_three += q->children[i].months >= 36;
        beside &= may_live_beside(home, q, &q->children[i]);
    }
    if (t->outside_terms > 0 || (home->sibling_group_only && t->size < 2))
        against(q, 3, LIFT_TERMS, &t->failed, &t->lifted);
    if (t->size > free_beds(home)) {
        against(q, 4, 0, &t->failed, &t->lifted);
        t->no_bed = true;
    }
    int most = home->max_children;
    if (fostered == 0 && home->max_if_siblings > most)
        most = home->max_if_siblings;
    if (q->care != STAYING_PUT && fostered + t->size > most)
        against(q, 4, LIFT_TERMS, &t->failed, &t->lifted);
    if (q->care != STAYING_PUT && !usual_limit_holds(home, t->size))
        against(q, 5, LIFT_EXEMPTION, &t->failed, &t->lifted);
    if (t->over_three > 0 && bedrooms_wanted(home, t->over_three) > home->bedrooms)
        against(q, 7, LIFT_BEDROOM, &t->failed, &t->lifted);
    if (!beside)
        against(q, 9, 0, &t->failed, &t->lifted);
}

static bool better(const struct attempt *a, const struct attempt *b)
{
    if (a->size != b->size)
        return a->size > b->size;
    if (a->outside_terms != b->outside_terms)
        return a->outside_terms < b->outside_terms;
    return a->over_three < b->over_three;
}

/* The most children that the home can take; if none, the one child whom least speaks against. */
static void choose_children(const struct home_fact *home, const struct question *q, struct attempt *best)
{
    *best = (struct attempt){0};
    for (unsigned set = 1; set < 1u << q->child_count; set++) {
        struct attempt t = {.children = set};
        if (__builtin_popcount(set) > free_beds(home) || __builtin_popcount(set) < best->size)
            continue;
        try_children(home, q, &t);
        if (t.failed == 0 && (best->size == 0 || better(&t, best)))
            *best = t;
    }
    for (int i = 0; best->size == 0 && i < q->child_count; i++) {
        struct attempt t = {.children = 1u << i};
        try_children(home, q, &t);
        if (best->children == 0 || __builtin_popcount(t.failed) < __builtin_popcount(best->failed)) {
            *best = t;
            best->size = 0;
        }
    }
    if (best->size == 0)
        best->size = 1;
}

/* --- rules that do not ----------------------------------------------------------------------------------------- */

static bool lacks(const bool *wanted, const bool *there, int count)
{
    for (int i = 1; i < count; i++)
        if (wanted[i] && !there[i])
            return true;
    return false;
}

static bool meet(const bool *a, const bool *b, int count)
{
    for (int i = 1; i < count; i++)
        if (a[i] && b[i])
            return true;
    return false;
}

static bool near_avoided(const struct home_fact *home, const struct avoided_place *place)
{
    long e = place->e < home->west ? home->west : place->e > home->east ? home->east : place->e;
    long away = place->radius + place->reach;
    long n = place->n < home->south ? home->south : place->n > home->north ? home->north : place->n;
    return (place->e - e) * (place->e - e) + (place->n - n) * (place->n - n) <= away * away;
}

/* Whole metres, what is over cut off. */
long oracle_distance(long e1, long n1, long e2, long n2)
{
    long long e = e1 - e2, n = n1 - n2, sum = e * e + n * n;
    long long root = (long long)sqrt((double)sum);
    while (root * root > sum)
        root--;
    while ((root + 1) * (root + 1) <= sum)
        root++;
    return (long)root;
}

static long long believed_until(const struct home_fact *home)
{
    bool emergency = home->narrows_care ? home->narrowed_care[EMERGENCY] : home->care[EMERGENCY];
    long long until = home->confirmed_ms + (emergency ? 24 : 7 * 24) * HOURS; /* domain.md O1 */
    return home->reported_ms && home->reported_ms < until ? home->reported_ms : until;
}

static void availability(const struct home_fact *home, const struct question *q, struct opinion *out)
{
    /* What nothing is offered of is not available, whether it was confirmed or not. */
    bool lapsed = home->lapsed && !nothing_offered(home);
    out->unconfirmed = lapsed || believed_until(home) <= q->as_of_ms;
    if (home->state != 'V' || nothing_offered(home) || strcmp(home->from, q->starts_on) > 0 ||
        (*home->until && strcmp(home->until, q->starts_on) < 0)) {
        out->failed |= 1u << 2;
        out->not_vacant = true;
        return;
    }
    if (out->unconfirmed)
        against(q, 2, LIFT_UNCONFIRMED, &out->failed, &out->lifted);
}

static bool specialist_care(int care)
{
    return care == PARENT_CHILD || care == REMAND || care == FFA || care == SHORT_BREAKS;
}

/* The rules that the request gives something to look at. */
static unsigned rules_asked(const struct question *q)
{
    unsigned asked = 1u << 1 | 1u << 2 | 1u << 3 | 1u << 4 | 1u << 5 | 1u << 7;
    bool feature = false, risk = false, pet = q->a_pet;
    for (int i = 1; i < FEATURES; i++)
        feature |= q->features[i];
    for (int i = 1; i < RISKS; i++)
        risk |= q->risks[i];
    for (int i = 1; i < PETS; i++)
        pet |= q->no_pets[i];
    asked |= (unsigned)(q->child_count > 1) << 6 | (unsigned)feature << 8 | (unsigned)(q->beside > BESIDE_ANY) << 9;
    asked |= (unsigned)(q->avoided_count > 0) << 10 | (unsigned)risk << 11 | (unsigned)pet << 12;
    return asked | (unsigned)specialist_care(q->care) << 13 | (unsigned)(q->within > 0) << WITHIN;
}

static bool wrong_pets(const struct home_fact *home, const struct question *q)
{
    bool any = false;
    for (int i = 1; i < PETS; i++)
        any |= home->pets[i];
    return meet(q->no_pets, home->pets, PETS) || (q->a_pet && !any);
}

void oracle_judge(const struct home_fact *home, const struct agency_fact *agency, const struct question *q,
                  struct opinion *out)
{
    memset(out, 0, sizeof *out);
    out->offered = home->live && !home->ended && !home->named_child_only;
    out->asked = rules_asked(q);
    struct attempt chosen = {.children = (1u << q->child_count) - 1};
    bool short_of_beds = q->child_count > 1 && free_beds(home) < q->child_count;
    if (q->split || short_of_beds)
        choose_children(home, q, &chosen);
    else
        try_children(home, q, &chosen);
    out->failed = chosen.failed;
    out->lifted = chosen.lifted;
    out->taken = chosen.size;
    out->no_bed = chosen.no_bed;
    if (!q->split && short_of_beds)
        against(q, 6, 0, &out->failed, &out->lifted);

    if (!agency->known || agency->suspended || strcmp(home->approved_on, q->starts_on) > 0 ||
        (*home->approval_ends_on && strcmp(home->approval_ends_on, q->starts_on) <= 0))
        against(q, 1, 0, &out->failed, &out->lifted);
    availability(home, q, out);
    out->withheld = (out->failed & 1u << 1) != 0 || home->state != 'V' || nothing_offered(home);
    if (specialist_care(q->care) && !home->care[q->care])
        against(q, 13, LIFT_TERMS, &out->failed, &out->lifted);
    else if (!offers_care(home, q->care))
        against(q, 3, LIFT_TERMS, &out->failed, &out->lifted);
    if (lacks(q->features, home->features, FEATURES))
        against(q, 8, 0, &out->failed, &out->lifted);
    if ((q->beside == BESIDE_NOBODY && home->child_count + home->held > 0) ||
        (q->beside == BESIDE_SOMEBODY && home->child_count == 0))
        against(q, 9, 0, &out->failed, &out->lifted);
    for (int i = 0; i < q->avoided_count; i++)
        if (near_avoided(home, &q->avoided[i]))
            against(q, 10, 0, &out->failed, &out->lifted);
    if (meet(q->risks, home->cannot_take, RISKS))
        against(q, 11, LIFT_RISK, &out->failed, &out->lifted);
    if (wrong_pets(home, q))
        against(q, 12, 0, &out->failed, &out->lifted);
    out->distance = oracle_distance(home->point_e, home->point_n, q->near_e, q->near_n);
    if (q->within > 0 && out->distance > q->within)
        against(q, WITHIN, 0, &out->failed, &out->lifted);
    out->lifted &= ~out->failed;
    out->suits = out->offered && out->failed == 0 && !out->unconfirmed;
    out->phone = out->offered && out->failed == 0 && out->unconfirmed;
}

/* --- the SHOULDs ----------------------------------------------------------------------------------------------- */

#define MILES_10 16093
#define MILES_20 32187

static int met_if(bool met)
{
    return met ? MET : NOT_MET;
}

/* S2, S4, S12: within 10 miles of each of them; 0 when there is none. */
static int near_all(const struct home_fact *home, const struct point *points, int count)
{
    bool near = true;
    for (int i = 0; i < count; i++)
        near &= oracle_distance(home->point_e, home->point_n, points[i].e, points[i].n) <= MILES_10;
    return count > 0 ? met_if(near) : 0;
}

static int language(const struct home_fact *home, const struct question *q)
{
    for (int i = 0; home->language_count > 0 && i < q->language_count; i++) {
        bool spoken = false;
        for (int j = 0; j < home->language_count; j++)
            spoken |= strcmp(home->languages[j], q->languages[i]) == 0;
        if (!spoken)
            return NOT_MET;
    }
    return q->language_count == 0 ? 0 : home->language_count == 0 ? NOT_KNOWN : MET;
}

static int skill(const struct home_fact *home, const struct question *q)
{
    bool asked = false, states = false;
    for (int i = 1; i < SKILLS; i++) {
        asked |= q->skills[i];
        states |= home->skills[i];
    }
    return !asked ? 0 : !states ? NOT_KNOWN : met_if(!lacks(q->skills, home->skills, SKILLS));
}

/* Bands of three years; 18 and over is the band after 15 to 17. */
static int impact(const struct home_fact *home, const struct question *q)
{
    bool fine = home->child_count <= 2;
    for (int i = 0; i < home->child_count; i++) {
        for (int j = 0; j < q->child_count; j++) {
            int there = home->children[i].years_from / 3, asked = q->children[j].months / 36;
            asked = asked > 6 ? 6 : asked;
            fine &= there - asked <= 1 && asked - there <= 1;
        }
    }
    return met_if(fine);
}

/* A skill may be asked for by its own name, as a language, or as a kind of care. */
static bool skill_needed(const struct question *q, int skill)
{
    bool signs = false;
    for (int i = 0; i < q->language_count; i++)
        signs |= !strcmp(q->languages[i], "bfi") || !strcmp(q->languages[i], "art-x-makaton");
    return q->skills[skill] || (skill == 12 && signs) || (skill == 1 && q->care == THERAPEUTIC) ||
           (skill == 10 && q->care == PARENT_CHILD);
}

/* And a kind of care by what it takes. */
static bool care_needed(const struct question *q, int care)
{
    if (q->care == care)
        return true;
    if (care == DISABLED)
        return q->skills[5] || q->skills[8] || q->features[2] || q->features[4] || q->features[5] || q->features[6] ||
               q->features[7] || q->features[8];
    return (care == THERAPEUTIC && q->skills[1]) || (care == PARENT_CHILD && q->skills[10]);
}

/* What few homes have, this child does not need, and would be used up. */
static bool uses_up(const struct home_fact *home, const struct question *q)
{
    static const int features[] = {2, 4, 5, 6, 7, 8}, skills[] = {1, 8, 10, 12},
                     care[] = {PARENT_CHILD, REMAND, THERAPEUTIC, DISABLED};
    for (size_t i = 0; i < sizeof features / sizeof *features; i++)
        if (home->features[features[i]] && !q->features[features[i]])
            return true;
    for (size_t i = 0; i < sizeof skills / sizeof *skills; i++)
        if (home->skills[skills[i]] && !skill_needed(q, skills[i]))
            return true;
    for (size_t i = 0; i < sizeof care / sizeof *care; i++)
        if (offers_care(home, care[i]) && !care_needed(q, care[i]))
            return true;
    return q->child_count == 1 && free_beds(home) >= 3;
}

static int tier_of(const struct agency_fact *agency, const struct question *q)
{
    int tier = q->framework < 0 || !agency->known ? 0 : agency->tiers[q->framework];
    return tier == 0 ? 100 : tier;
}

/* Asked for by name, or by the step. */
static bool rating_reported(const struct question *q)
{
    bool reported = q->rating;
    for (int i = 0; i < q->step_count; i++)
        reported |= q->steps[i] == BY_RATING;
    return reported;
}

static void shoulds(const struct home_fact *home, const struct agency_fact *agency, const struct question *q,
                    struct opinion *o)
{
    int tier = tier_of(agency, q);
    o->should[S1] = met_if(o->distance <= MILES_20);
    o->should[S2] = near_all(home, q->schools, q->school_count);
    o->should[S3] = met_if(places_relation(q->authority, home->authority) == IN_AREA);
    o->should[S4] = near_all(home, q->siblings, q->sibling_count);
    o->should[S5] = language(home, q);
    o->should[S6] = q->culture ? NOT_KNOWN : 0;
    o->should[S7] = skill(home, q);
    o->should[S8] = q->long_term ? met_if(offers_care(home, LONG_TERM)) : 0;
    o->should[S9] = impact(home, q);
    o->should[S10] = met_if(!home->reported_ms && q->as_of_ms - home->confirmed_ms <= 48 * HOURS);
    o->should[S11] = q->on_call ? met_if(home->on_call) : 0;
    o->should[S12] = near_all(home, q->important, q->important_count);
    o->should[S13] = met_if(!uses_up(home, q));
    if (q->framework >= 0)
        o->should[S14_TIER] = met_if(tier < 100 && (q->worst_tier == 0 || tier <= q->worst_tier));
    if (rating_reported(q))
        o->should[S14_RATING] =
            agency->rating == NO_RATING || !agency->known ? NOT_KNOWN : met_if(agency->rating <= GOOD);
    o->should[S15] = met_if(strcmp(home->approved_on, q->today) <= 0);
}

/* --- the order ------------------------------------------------------------------------------------------------- */

int oracle_band(long metres)
{
    return metres < 8047 ? 0 : metres < 16093 ? 1 : metres < 32187 ? 2 : metres < 80467 ? 3 : 4;
}

void oracle_prefer(const struct home_fact *home, const struct agency_fact *agency, const struct question *q,
                   struct opinion *o)
{
    static const int rank_of_outcome[] = {0, 0, 2, 1}; /* met, not known, not met; what isn't asked ties */
    static const int rank_of_rating[RATINGS] = {2, 0, 1, 3, 4};
    static const int rule_of_step[STEPS] = {
        [BY_SCHOOL] = S2,  [BY_SIBLINGS] = S4, [BY_LANGUAGE] = S5,       [BY_SKILLS] = S7,
        [BY_LENGTH] = S8,  [BY_IMPACT] = S9,   [BY_FRESH] = S10,         [BY_ON_CALL] = S11,
        [BY_WISHES] = S12, [BY_SCARCE] = S13,  [BY_APPROVED_TODAY] = S15};
    bool key_stage_4 = false;
    shoulds(home, agency, q, o);
    for (int i = 0; i < q->child_count; i++)
        key_stage_4 |= q->children[i].months / 12 == 14 || q->children[i].months / 12 == 15;
    for (int step = 1; step < STEPS; step++)
        o->key[step] = rank_of_outcome[o->should[rule_of_step[step]]];
    o->key[BY_WITHIN_RULES] = (o->lifted & ~(1u << 2)) != 0; /* what is to be phoned has its own list */
    o->key[BY_BAND] = oracle_band(o->distance);
    o->key[BY_SCHOOL_KS4] = key_stage_4 ? o->key[BY_SCHOOL] : 0;
    int relation = places_relation(q->authority, home->authority);
    o->key[BY_AREA] = relation == IN_AREA ? 0 : relation == ADJOINING ? 1 : 2;
    o->key[BY_TIER] = tier_of(agency, q);
    o->key[BY_RATING] = rank_of_rating[agency->rating];
    o->key[BY_CHILDREN_TAKEN] = q->split ? q->child_count - o->taken : 0;
}

int oracle_step_between(const struct question *q, const struct opinion *a, const struct opinion *b, int *difference)
{
    for (int i = 0; i < q->step_count; i++) {
        *difference = a->key[q->steps[i]] - b->key[q->steps[i]];
        if (*difference != 0)
            return q->steps[i];
    }
    *difference = 0;
    return 0;
}

bool oracle_nearer(const struct found *a, const struct found *b)
{
    if (a->opinion.distance != b->opinion.distance)
        return a->opinion.distance < b->opinion.distance;
    if (a->home->vacancy != b->home->vacancy)
        return a->home->vacancy < b->home->vacancy;
    if (a->agency->rank != b->agency->rank)
        return a->agency->rank < b->agency->rank;
    return a->home->reference < b->home->reference;
}

bool oracle_before(const struct question *q, const struct found *a, const struct found *b)
{
    int difference;
    return oracle_step_between(q, &a->opinion, &b->opinion, &difference) ? difference < 0 : oracle_nearer(a, b);
}
