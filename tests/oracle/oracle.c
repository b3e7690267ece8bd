/* oracle.c - see oracle.h. Slow and literal: sets of children are tried one by one. */
#include "tests/oracle/oracle.h"

#include <math.h>
#include <string.h>

#define HOURS 3600000LL

/* One way to place: which of the asked children, and what speaks against it. */
struct attempt {
    unsigned children; /* bit n for child n */
    int size, outside_terms, over_three;
    unsigned failed, lifted;
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
    if (empty < 0)
        empty = 0;
    return home->beds < empty ? home->beds : empty;
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
    int groups[2 * MANY], total = 0;
    for (int i = 0; i < home->child_count; i++)
        if (home->children[i].placed)
            groups[total++] = home->children[i].sibling_group ? home->children[i].sibling_group : -1 - i;
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
    return true;
}

static void try_children(const struct home_fact *home, const struct question *q, struct attempt *t)
{
    int placed = placed_in(home);
    t->size = t->outside_terms = t->over_three = 0;
    t->failed = t->lifted = 0;
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
    if (t->size > free_beds(home))
        against(q, 4, 0, &t->failed, &t->lifted);
    int most = home->max_children;
    if (placed == 0 && home->max_if_siblings > most)
        most = home->max_if_siblings;
    if (q->care != STAYING_PUT && placed + t->size > most)
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
    if (home->size_km == 0)
        return true; /* the whole authority, with nobody to ask how far that reaches */
    long west = home->square_e_km * 1000L, south = home->square_n_km * 1000L, size = home->size_km * 1000L;
    long e = place->e < west ? west : place->e > west + size ? west + size : place->e;
    long n = place->n < south ? south : place->n > south + size ? south + size : place->n;
    return (place->e - e) * (place->e - e) + (place->n - n) * (place->n - n) <= place->radius * place->radius;
}

static long distance(const struct home_fact *home, const struct question *q)
{
    long long e = home->point_e - q->near_e, n = home->point_n - q->near_n, sum = e * e + n * n;
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
    return home->confirmed_ms + (emergency ? 24 : 7 * 24) * HOURS; /* domain.md O1 */
}

static void availability(const struct home_fact *home, const struct question *q, struct opinion *out)
{
    if (home->state != 'V' || nothing_offered(home) || strcmp(home->from, q->starts_on) > 0 ||
        (*home->until && strcmp(home->until, q->starts_on) < 0)) {
        out->failed |= 1u << 2;
        return;
    }
    out->unconfirmed = home->lapsed || believed_until(home) <= q->as_of_ms;
    if (out->unconfirmed)
        against(q, 2, LIFT_UNCONFIRMED, &out->failed, &out->lifted);
}

static void preferences(const struct home_fact *home, const struct question *q, struct opinion *out)
{
    bool states_skills = false;
    for (int i = 1; i < SKILLS; i++)
        states_skills |= home->skills[i];
    out->skill = !states_skills ? NOT_KNOWN : lacks(q->skills, home->skills, SKILLS) ? NOT_MET : MET;
    out->language = home->language_count == 0 ? NOT_KNOWN : MET;
    for (int i = 0; home->language_count > 0 && i < q->language_count; i++) {
        bool spoken = false;
        for (int j = 0; j < home->language_count; j++)
            spoken |= strcmp(home->languages[j], q->languages[i]) == 0;
        if (!spoken)
            out->language = NOT_MET;
    }
}

void oracle_judge(const struct home_fact *home, const struct agency_fact *agency, const struct question *q,
                  struct opinion *out)
{
    memset(out, 0, sizeof *out);
    out->offered = home->live && !home->ended && !home->named_child_only;
    struct attempt chosen = {.children = (1u << q->child_count) - 1};
    bool short_of_beds = q->child_count > 1 && free_beds(home) < q->child_count;
    if (q->split || short_of_beds)
        choose_children(home, q, &chosen);
    else
        try_children(home, q, &chosen);
    out->failed = chosen.failed;
    out->lifted = chosen.lifted;
    out->taken = chosen.size;
    if (!q->split && short_of_beds)
        against(q, 6, 0, &out->failed, &out->lifted);

    if (!agency->known || agency->suspended || strcmp(home->approved_on, q->starts_on) > 0 ||
        (*home->approval_ends_on && strcmp(home->approval_ends_on, q->starts_on) <= 0))
        against(q, 1, 0, &out->failed, &out->lifted);
    availability(home, q, out);
    bool specialist = q->care == PARENT_CHILD || q->care == REMAND || q->care == FFA || q->care == SHORT_BREAKS;
    if (specialist && !home->care[q->care])
        against(q, 13, LIFT_TERMS, &out->failed, &out->lifted);
    else if (!offers_care(home, q->care))
        against(q, 3, LIFT_TERMS, &out->failed, &out->lifted);
    if (lacks(q->features, home->features, FEATURES))
        against(q, 8, 0, &out->failed, &out->lifted);
    if ((q->beside == BESIDE_NOBODY && home->child_count > 0) ||
        (q->beside == BESIDE_SOMEBODY && home->child_count == 0))
        against(q, 9, 0, &out->failed, &out->lifted);
    for (int i = 0; i < q->avoided_count; i++)
        if (near_avoided(home, &q->avoided[i]))
            against(q, 10, 0, &out->failed, &out->lifted);
    if (meet(q->risks, home->cannot_take, RISKS))
        against(q, 11, LIFT_RISK, &out->failed, &out->lifted);
    if (meet(q->no_pets, home->pets, PETS))
        against(q, 12, 0, &out->failed, &out->lifted);
    out->distance = distance(home, q);
    if (q->within > 0 && out->distance > q->within)
        against(q, WITHIN, 0, &out->failed, &out->lifted);
    out->lifted &= ~out->failed;
    preferences(home, q, out);
}
