/*
 * match_combine.c - see match_combine.h.
 *
 * Of the parts' homes those that are nearest each other come first, band by band, and within a band by their way from
 * home: once the splits kept are as good as they can be, all that is left is passed over.
 */
#include "daemon/match/match_combine.h"

#include "daemon/gazetteer/grid.h"

#include <string.h>

/* In glances: what it costs to see that homes are no better than those that tie, and to rank them. */
#define TIE_GLANCES  8
#define RANK_GLANCES 56

/* --- which split is better --------------------------------------------------------------------------------------- */

static bool same_home(const struct found *a, const struct found *b)
{
    return a->group == b->group && a->lane == b->lane; /* a carer has at most one vacancy */
}

static bool same_homes(const struct split_found *a, const struct split_found *b)
{
    uint32_t same = 0;
    for (uint32_t i = 0; i < a->part_count; i++)
        for (uint32_t j = 0; j < b->part_count; j++)
            same += same_home(&a->parts[i].home, &b->parts[j].home);
    return a->part_count == b->part_count && same == a->part_count;
}

static int compare_numbers(uint64_t a, uint64_t b)
{
    return a < b ? -1 : a > b;
}

/* Below 0: a is better. */
static int compare_splits(const struct siblings *s, const struct ranked_split *a, const struct ranked_split *b)
{
    const struct split_found *x = &a->found, *y = &b->found;
    int order = compare_numbers(b->largest, a->largest);
    order = order ? order : compare_numbers(a->band, b->band);
    order = order ? order : compare_numbers(x->from_home_metres, y->from_home_metres);
    order = order ? order : compare_numbers(x->between_metres, y->between_metres);
    for (uint32_t i = 0; order == 0 && i < x->part_count; i++)
        order = compare_numbers(x->parts[i].home.vacancy_id, y->parts[i].home.vacancy_id);
    for (uint32_t i = 0; order == 0 && i < x->part_count; i++)
        order = strcmp(version_region(s->version, x->parts[i].home.group, x->parts[i].home.lane),
                       version_region(s->version, y->parts[i].home.group, y->parts[i].home.lane));
    for (uint32_t i = 0; order == 0 && i < x->part_count; i++)
        order = compare_numbers(x->parts[i].home.group->held[x->parts[i].home.lane]->national_reference,
                                y->parts[i].home.group->held[y->parts[i].home.lane]->national_reference);
    for (uint32_t i = 0; order == 0 && i < x->part_count; i++) {
        uint32_t differ = x->parts[i].children ^ y->parts[i].children;
        order = differ == 0 ? 0 : (x->parts[i].children & (differ & -differ)) ? -1 : 1;
    }
    return order;
}

/* Keeps the best, best first, one for each set of homes. */
static void keep_split(struct siblings *s, const struct ranked_split *split)
{
    uint32_t at = 0;
    while (at < s->split_count && !same_homes(&s->splits[at].found, &split->found))
        at++;
    if (at == SPLITS_MAX)
        at--;
    if (at < s->split_count && compare_splits(s, split, &s->splits[at]) >= 0)
        return;
    s->split_count += at == s->split_count;
    for (; at > 0 && compare_splits(s, split, &s->splits[at - 1]) < 0; at--)
        s->splits[at] = s->splits[at - 1];
    s->splits[at] = *split;
}

/* --- homes that fit together ------------------------------------------------------------------------------------- */

static uint64_t apart_squared(const struct part_home *a, const struct part_home *b)
{
    return facts_distance_squared(a->group, a->lane, b->group->point_e_metres[b->lane],
                                  b->group->point_n_metres[b->lane]);
}

static uint32_t band_of(uint64_t squared)
{
    uint32_t band = 0;
    for (; band < DISTANCE_BANDS - 1; band++)
        if (squared < (uint64_t)distance_band_below_metres[band] * distance_band_below_metres[band])
            break;
    return band;
}

static bool one_home(const struct part_home *a, const struct part_home *b)
{
    return a->group == b->group && a->lane == b->lane;
}

static struct found found_of(const struct part *part, const struct part_home *home)
{
    return (struct found){.group = home->group,
                          .lane = home->lane,
                          .vacancy_id = home->group->vacancy_id[home->lane],
                          .distance_metres = home->distance_metres,
                          .children_taken = part->size,
                          .overridden = home->overridden};
}

/* Largest part first, then as the nearest order has it; then it is said which children of a kind are where. */
static void order_parts(const struct siblings *s, const struct part *const parts[], struct split_found *found)
{
    bunch bunches[SPLIT_HOMES_MAX];
    uint32_t taken = 0;
    for (uint32_t i = 0; i < found->part_count; i++) {
        struct found home = found->parts[i].home;
        uint32_t at = i;
        for (; at > 0; at--) {
            const struct found *before = &found->parts[at - 1].home;
            if (home.children_taken < before->children_taken ||
                (home.children_taken == before->children_taken && !found_before(s->version, &home, before)))
                break;
            found->parts[at].home = *before;
            bunches[at] = bunches[at - 1];
        }
        found->parts[at].home = home;
        bunches[at] = parts[i]->bunch;
    }
    for (uint32_t i = 0; i < found->part_count; i++) {
        found->parts[i].children = children_of(s, bunches[i], taken);
        taken |= found->parts[i].children;
    }
}

/* Homes that are at least so far apart, and from home: all that are kept have as large a largest part. */
static bool no_better(const struct siblings *s, uint32_t band, uint32_t from_home_metres)
{
    const struct ranked_split *worst = &s->splits[SPLITS_MAX - 1];
    if (s->split_count < SPLITS_MAX)
        return false;
    return band > worst->band || (band == worst->band && from_home_metres > worst->found.from_home_metres);
}

static uint32_t metres_between(const struct part_home *a, const struct part_home *b)
{
    return grid_distance_metres((int32_t)a->group->point_e_metres[a->lane], (int32_t)a->group->point_n_metres[a->lane],
                                (int32_t)b->group->point_e_metres[b->lane], (int32_t)b->group->point_n_metres[b->lane]);
}

static void try_homes(struct siblings *s, const struct part *const parts[], const struct part_home *const homes[],
                      uint32_t count)
{
    struct ranked_split split = {.largest = parts[0]->size, .found.part_count = count};
    for (uint32_t i = 0; i < count; i++) {
        split.found.parts[i].home = found_of(parts[i], homes[i]);
        split.found.from_home_metres += homes[i]->distance_metres;
        for (uint32_t j = 0; j < i; j++) {
            uint32_t metres = metres_between(homes[i], homes[j]);
            if (metres > split.found.between_metres)
                split.found.between_metres = metres;
        }
    }
    split.band = distance_band(split.found.between_metres);
    order_parts(s, parts, &split.found);
    keep_split(s, &split);
}

/* Below 0: these ids, in the order in which the parts are shown, come before those of the worst split kept. */
static int compare_ids(const struct siblings *s, const struct part_home *const homes[])
{
    const struct combining *c = &s->combining;
    uint32_t shown[SPLIT_HOMES_MAX];
    uint64_t ids[SPLIT_HOMES_MAX];
    int order = 0;
    for (uint32_t i = 0; i < c->part_count; i++) {
        uint64_t id = homes[i]->group->vacancy_id[homes[i]->lane];
        uint32_t at = i;
        for (; at > 0 && c->parts[shown[at - 1]]->size == c->parts[i]->size; at--) {
            uint32_t nearer = homes[shown[at - 1]]->distance_metres;
            if (nearer < homes[i]->distance_metres || (nearer == homes[i]->distance_metres && ids[at - 1] <= id))
                break;
            shown[at] = shown[at - 1];
            ids[at] = ids[at - 1];
        }
        shown[at] = i;
        ids[at] = id;
    }
    for (uint32_t i = 0; order == 0 && i < c->part_count; i++)
        order = compare_numbers(ids[i], s->splits[SPLITS_MAX - 1].found.parts[i].home.vacancy_id);
    return order;
}

/* Whole metres are counted: from here on it is more of them. */
static uint64_t farther_squared(uint32_t metres)
{
    return ((uint64_t)metres + 1) * ((uint64_t)metres + 1);
}

/* Homes in the band and as far from home as the worst split kept: they are farther apart, or their ids come later. */
static bool ties_and_loses(const struct siblings *s, const struct part_home *const homes[])
{
    const struct combining *c = &s->combining;
    const struct split_found *worst = &s->splits[SPLITS_MAX - 1].found;
    uint64_t between = 0;
    for (uint32_t i = 1; i < c->part_count; i++)
        for (uint32_t j = 0; j < i; j++) {
            uint64_t apart = apart_squared(homes[i], homes[j]);
            between = apart > between ? apart : between;
        }
    if (between >= farther_squared(worst->between_metres))
        return true;
    return between >= (uint64_t)worst->between_metres * worst->between_metres && compare_ids(s, homes) > 0;
}

/* As far as can be told: no_better does not hold, yet they tie with the worst. */
static bool ties(const struct siblings *s, uint32_t from_home_metres)
{
    const struct ranked_split *worst = &s->splits[SPLITS_MAX - 1];
    return s->split_count == SPLITS_MAX && s->combining.band == worst->band &&
           from_home_metres == worst->found.from_home_metres;
}

/* Of homes that tie: the first two settle it, whatever the third is, as they are too far apart; or by their ids, when
 * those of the worst split kept lie at one point. Not so where parts are as large: they may be shown the other way
 * round. */
static bool first_two_lose(const struct siblings *s, const struct part_home *const homes[])
{
    const struct combining *c = &s->combining;
    const struct split_found *worst = &s->splits[SPLITS_MAX - 1].found;
    int order = worst->between_metres == 0 ? 0 : -1;
    if (apart_squared(homes[0], homes[1]) >= farther_squared(worst->between_metres))
        return true;
    for (uint32_t i = 0; order == 0 && i < 2; i++) {
        if (i + 1 < c->part_count && c->parts[i + 1]->size == c->parts[i]->size)
            return false;
        order = compare_numbers(homes[i]->group->vacancy_id[homes[i]->lane], worst->parts[i].home.vacancy_id);
    }
    return order > 0;
}

/* Returns the glances that it cost. */
static uint32_t try_combination(struct siblings *s, const struct part_home *const homes[], uint32_t from_home_metres)
{
    if (ties(s, from_home_metres) && ties_and_loses(s, homes))
        return TIE_GLANCES;
    try_homes(s, s->combining.parts, homes, s->combining.part_count);
    return RANK_GLANCES;
}

/* The third home for two that are chosen, among these. A part's homes are nearest first: so once they are too far, all
 * after are. */
static uint32_t try_third(struct siblings *s, const struct part_home *homes[], uint32_t among)
{
    const struct part *part = s->combining.parts[2];
    uint32_t from_home = homes[0]->distance_metres + homes[1]->distance_metres, glances = 0;
    for (; among != 0; among &= among - 1) {
        homes[2] = &part->homes[__builtin_ctz(among)];
        uint32_t sum = from_home + homes[2]->distance_metres;
        if (no_better(s, s->combining.band, sum))
            break;
        glances += try_combination(s, homes, sum);
    }
    return glances;
}

/* All homes of the band with one of the first part: so in one go at most 32 x 32 combinations are ranked. */
static uint32_t try_first(struct siblings *s)
{
    const struct combining *c = &s->combining;
    const struct part_home *homes[SPLIT_HOMES_MAX] = {&c->parts[0]->homes[c->first]};
    uint32_t glances = 1, i = c->first, band = c->band, nearer = band > 0 ? c->first_second[band - 1][i] : 0;
    uint32_t among = c->part_count == 2 ? c->first_second[band][i] & ~nearer : c->first_second[band][i];
    uint32_t least = homes[0]->distance_metres + (c->part_count == 3 ? c->parts[2]->homes[0].distance_metres : 0);
    for (; among != 0; among &= among - 1, glances++) {
        uint32_t j = (uint32_t)__builtin_ctz(among);
        homes[1] = &c->parts[1]->homes[j];
        if (no_better(s, band, least + homes[1]->distance_metres))
            break;
        if (ties(s, least + homes[1]->distance_metres) && first_two_lose(s, homes)) {
            glances += TIE_GLANCES / 2;
            continue;
        }
        if (c->part_count == 2) {
            glances += try_combination(s, homes, least + homes[1]->distance_metres);
            continue;
        }
        uint32_t third = c->first_third[band][i] & c->second_third[band][j];
        if (nearer >> j & 1)
            third &= ~(c->first_third[band - 1][i] & c->second_third[band - 1][j]);
        glances += try_third(s, homes, third);
    }
    return glances;
}

/* Returns the glances. */
static uint32_t see_who_is_near(homes_near near, const struct part *from, uint32_t from_count, const struct part *to,
                                uint32_t to_count)
{
    for (uint32_t i = 0; i < from_count; i++) {
        for (uint32_t band = 0; band < DISTANCE_BANDS; band++)
            near[band][i] = 0;
        for (uint32_t j = 0; j < to_count; j++)
            if (!one_home(&from->homes[i], &to->homes[j]))
                near[band_of(apart_squared(&from->homes[i], &to->homes[j]))][i] |= 1u << j;
        for (uint32_t band = 1; band < DISTANCE_BANDS; band++)
            near[band][i] |= near[band - 1][i];
    }
    return from_count * to_count;
}

/* Once the splits kept are as near each other as can be, none of a part's homes is of use that is too far from home
 * even with the nearest of the others. False: so it is with all. */
static bool count_useful(const struct siblings *s, struct combining *c)
{
    uint32_t nearest = 0;
    for (uint32_t i = 0; i < c->part_count; i++)
        nearest += c->parts[i]->homes[0].distance_metres;
    for (uint32_t i = 0; i < c->part_count; i++) {
        const struct part_home *homes = c->parts[i]->homes;
        uint32_t others = nearest - homes[0].distance_metres;
        c->counts[i] = c->parts[i]->count;
        while (c->counts[i] > 0 && no_better(s, 0, others + homes[c->counts[i] - 1].distance_metres))
            c->counts[i]--;
        if (c->counts[i] == 0)
            return false;
    }
    return true;
}

uint32_t combine_begin(struct siblings *s, struct part *const parts[], uint32_t count)
{
    struct combining *c = &s->combining;
    uint32_t glances = 1;
    c->band = c->first = 0;
    c->part_count = count;
    for (uint32_t i = 0; i < count; i++)
        c->parts[i] = parts[i];
    if (!count_useful(s, c)) {
        c->part_count = 0;
        return glances;
    }
    glances += see_who_is_near(c->first_second, parts[0], c->counts[0], parts[1], c->counts[1]);
    if (count == 2)
        return glances;
    glances += see_who_is_near(c->first_third, parts[0], c->counts[0], parts[2], c->counts[2]);
    return glances + see_who_is_near(c->second_third, parts[1], c->counts[1], parts[2], c->counts[2]);
}

uint32_t combine_some(struct siblings *s)
{
    struct combining *c = &s->combining;
    uint32_t glances = 0;
    while (c->part_count > 0 && glances < GLANCES_AN_OFFER) {
        glances += try_first(s);
        if (++c->first < c->counts[0])
            continue;
        c->first = 0;
        if (++c->band == DISTANCE_BANDS || no_better(s, c->band, 0))
            c->part_count = 0;
    }
    return glances;
}
