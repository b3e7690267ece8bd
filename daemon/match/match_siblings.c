/*
 * match_siblings.c - see match_siblings.h.
 *
 * Children alike are of one kind; a part is how many it has of each kind (a bunch). All parts have a row, which holds
 * the part's homes once they were searched. The ways to part the children are gone through by the sizes of their parts;
 * for each way its parts are searched, largest first, and then their homes are combined.
 *
 * A home that takes a part takes any part of two or more within it: fewer children want fewer beds and bedrooms, and
 * a narrower span of ages. (Not one alone: some homes take siblings only.) So before a part is searched, those
 * within it are, and often it need not be.
 */
#include "daemon/match/match_siblings.h"

#include "daemon/gazetteer/grid.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* How many of each kind: KIND_BITS each, of which the top one is always 0. */
typedef uint64_t bunch;
#define KIND_BITS 5
#define KIND_MOST 15u

/* Work that is not offers, told as if it were: what a search costs even if it finds nothing; and, in glances (at two
 * homes together, about 4 ns), what it costs to see that homes are no better than those that tie, and to rank them. */
#define SEARCH_OFFERS    100
#define GLANCES_AN_OFFER 8
#define TIE_GLANCES      8
#define RANK_GLANCES     56

/* Of a part's homes at one point so many can be in one of the best splits: instead of any other, three of these that
 * are not in its split would each do as far from home and from the rest, with a smaller id. */
#define HOMES_AT_POINT_MAX (SPLITS_MAX + SPLIT_HOMES_MAX - 1)

static_assert(CHILDREN_MAX * KIND_BITS <= 64 && CHILDREN_MAX <= KIND_MOST, "a bunch of twelve kinds");
static_assert(PART_HOMES_MAX <= 32, "a mask of a part's homes");
static_assert(RULES_JUDGED <= 16, "a mask of rules in part_home");

struct part_home {
    const struct fact_group *group;
    uint32_t distance_metres;
    uint16_t overridden;
    uint8_t lane;
};

struct part {
    bunch bunch;
    struct part_home *homes;
    uint8_t size, count;
    bool known;
};

struct kind {
    uint32_t count, stride;       /* the number of a part's row: of each kind the count times its stride, summed */
    uint8_t places[CHILDREN_MAX]; /* in criteria.children, ascending */
};

struct ranked_split {
    uint32_t largest, band;
    struct split_found found;
};

/* [band][home]: the homes of another part that lie in this band of it, or nearer, and are not itself. */
typedef uint32_t homes_near[DISTANCE_BANDS][PART_HOMES_MAX];

/* The homes of a way's parts with each other: those in the nearest band first, then by the first part's home. */
struct combining {
    uint32_t part_count; /* 0: not at it */
    const struct part *parts[SPLIT_HOMES_MAX];
    uint32_t counts[SPLIT_HOMES_MAX]; /* of each part's homes, those that may be of use */
    uint32_t band, first;             /* where it is */
    homes_near first_second, first_third, second_third;
};

struct siblings {
    const struct match *match;
    const struct match_version *version;
    const struct criteria *criteria;
    uint32_t kind_count, row_count; /* the last row is of all children */
    struct kind kinds[CHILDREN_MAX];
    struct part *rows;
    uint16_t *by_size;                      /* rows, sorted by size, then number */
    uint32_t size_begins[CHILDREN_MAX + 2]; /* in by_size */
    struct search *search;                  /* unfinished: of the row `searching` */
    struct criteria part_criteria;
    uint32_t searching;
    /* Where it is: into how many homes (0: at the start), the sizes of the parts, descending, and which are the first
     * and the second part, as places in by_size. What is left is the third. */
    uint32_t homes, sizes[SPLIT_HOMES_MAX], first_at, second_at;
    struct combining combining;
    uint32_t split_count;
    struct ranked_split splits[SPLITS_MAX];
};

/* --- bunches ----------------------------------------------------------------------------------------------------- */

static uint32_t of_kind(bunch b, uint32_t kind)
{
    return (uint32_t)(b >> kind * KIND_BITS) & KIND_MOST;
}

static bunch one_of_kind(uint32_t kind)
{
    return UINT64_C(1) << kind * KIND_BITS;
}

static bool lies_within(bunch inner, bunch outer)
{
    bunch borrows = 0;
    for (uint32_t kind = 0; kind < CHILDREN_MAX; kind++)
        borrows |= UINT64_C(1) << (kind * KIND_BITS + KIND_BITS - 1);
    return (((outer | borrows) - inner) & borrows) == borrows;
}

static struct part *part_of(const struct siblings *s, bunch b)
{
    uint32_t row = 0;
    for (uint32_t kind = 0; kind < s->kind_count; kind++)
        row += of_kind(b, kind) * s->kinds[kind].stride;
    return &s->rows[row];
}

static bunch everybody(const struct siblings *s)
{
    return s->rows[s->row_count - 1].bunch;
}

/* Which children: the first of each kind that are not yet `taken`. */
static uint32_t children_of(const struct siblings *s, bunch b, uint32_t taken)
{
    uint32_t children = 0;
    for (uint32_t kind = 0; kind < s->kind_count; kind++) {
        uint32_t wanted = of_kind(b, kind);
        for (uint32_t i = 0; wanted > 0; i++) {
            uint32_t child = 1u << s->kinds[kind].places[i];
            if (taken & child)
                continue;
            children |= child;
            wanted--;
        }
    }
    return children;
}

static void find_kinds(struct siblings *s)
{
    const struct criteria *criteria = s->criteria;
    for (uint32_t i = 0; i < criteria->child_count; i++) {
        const struct child_sought *child = &criteria->children[i];
        uint32_t kind = 0;
        for (; kind < s->kind_count; kind++) {
            const struct child_sought *alike = &criteria->children[s->kinds[kind].places[0]];
            if (alike->age_months == child->age_months && alike->sex == child->sex)
                break;
        }
        s->kind_count += kind == s->kind_count;
        s->kinds[kind].places[s->kinds[kind].count++] = (uint8_t)i;
    }
    s->row_count = 1;
    for (uint32_t kind = 0; kind < s->kind_count; kind++) {
        s->kinds[kind].stride = s->row_count;
        s->row_count *= s->kinds[kind].count + 1;
    }
}

static void fill_rows(struct siblings *s)
{
    uint32_t at = 0;
    for (uint32_t row = 0; row < s->row_count; row++) {
        for (uint32_t kind = 0; kind < s->kind_count; kind++) {
            uint32_t count = row / s->kinds[kind].stride % (s->kinds[kind].count + 1);
            s->rows[row].bunch |= count * one_of_kind(kind);
            s->rows[row].size += (uint8_t)count;
        }
    }
    for (uint32_t size = 0; size <= s->criteria->child_count; size++) {
        s->size_begins[size] = at;
        for (uint32_t row = 0; row < s->row_count; row++)
            if (s->rows[row].size == size)
                s->by_size[at++] = (uint16_t)row;
    }
    s->size_begins[s->criteria->child_count + 1] = at;
}

struct siblings *siblings_new(const struct match *match, const struct match_version *version,
                              const struct criteria *criteria)
{
    struct siblings *s = calloc(1, sizeof *s);
    if (s == NULL)
        return NULL;
    s->match = match;
    s->version = version;
    s->criteria = criteria;
    find_kinds(s);
    s->rows = calloc(s->row_count, sizeof *s->rows);
    s->by_size = malloc(s->row_count * sizeof *s->by_size);
    if (s->rows == NULL || s->by_size == NULL) {
        siblings_free(s);
        return NULL;
    }
    fill_rows(s);
    return s;
}

void siblings_free(struct siblings *s)
{
    if (s == NULL)
        return;
    for (uint32_t row = 0; s->rows != NULL && row < s->row_count; row++)
        free(s->rows[row].homes);
    search_free(s->search);
    free(s->rows);
    free(s->by_size);
    free(s);
}

/* --- a part's homes ---------------------------------------------------------------------------------------------- */

void siblings_part(const struct criteria *criteria, uint32_t children, struct criteria *out)
{
    *out = *criteria;
    out->child_count = 0;
    out->key_stage_4 = false;
    for (uint32_t i = 0; i < criteria->child_count; i++) {
        if ((children >> i & 1) == 0)
            continue;
        uint32_t years = criteria->children[i].age_months / 12;
        out->children[out->child_count++] = criteria->children[i];
        out->key_stage_4 |= years == 14 || years == 15;
    }
    out->grouping = GROUPING_TOGETHER;
    out->overrides &= ~(1u << OVERRIDE_UNCONFIRMED);
    out->limit = PART_HOMES_MAX;
    out->unexplained = true;
    out->split_into = 0;
}

/* What has to be known before *part is: a part within it that isn't, or itself. False: nobody takes it, because nobody
 * takes a part within it. */
static bool first_unknown(const struct siblings *s, struct part **part)
{
    for (uint32_t kind = 0; kind < s->kind_count;) {
        bunch whole = (*part)->bunch;
        struct part *within = of_kind(whole, kind) ? part_of(s, whole - one_of_kind(kind)) : NULL;
        kind++;
        if (within == NULL || within->size < 2)
            continue;
        if (within->known && within->count == 0)
            return false;
        if (!within->known) {
            *part = within;
            kind = 0;
        }
    }
    return true;
}

static enum err search_for(struct siblings *s, struct part *part)
{
    s->searching = (uint32_t)(part - s->rows);
    siblings_part(s->criteria, children_of(s, part->bunch, 0), &s->part_criteria);
    s->part_criteria.step_count = 0; /* the nearest */
    s->search = search_new(s->match, s->version, &s->part_criteria);
    return s->search ? ERR_NONE : ERR_LIMIT;
}

/* One step towards knowing a part. */
static enum err look_for(struct siblings *s, struct part *part)
{
    struct part *first = part;
    if (first_unknown(s, &first))
        return search_for(s, first);
    part->known = true;
    return ERR_NONE;
}

static bool one_point(const struct part_home *a, const struct part_home *b)
{
    return a->group->point_e_metres[a->lane] == b->group->point_e_metres[b->lane] &&
           a->group->point_n_metres[a->lane] == b->group->point_n_metres[b->lane];
}

/* The nearest first; those at one distance by id. */
static void keep_home(struct part *part, const struct part_home *home)
{
    uint32_t at_point = 0;
    for (uint32_t i = part->count; i > 0 && part->homes[i - 1].distance_metres == home->distance_metres; i--)
        at_point += one_point(&part->homes[i - 1], home);
    if (at_point < HOMES_AT_POINT_MAX)
        part->homes[part->count++] = *home;
}

static enum err keep_homes(struct siblings *s)
{
    const struct search_list *found = search_options(s->search);
    struct part *part = &s->rows[s->searching];
    if (found->count > 0 && (part->homes = malloc(found->count * sizeof *part->homes)) == NULL)
        return ERR_LIMIT;
    part->count = 0;
    for (uint32_t i = 0; i < found->count; i++) {
        const struct found *home = &found->best[i];
        keep_home(part, &(struct part_home){.group = home->group,
                                            .distance_metres = home->distance_metres,
                                            .overridden = (uint16_t)home->overridden,
                                            .lane = (uint8_t)home->lane});
    }
    part->known = true;
    search_free(s->search);
    s->search = NULL;
    return ERR_NONE;
}

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

/* Returns the glances. */
static uint32_t begin_combining(struct siblings *s, struct part *const parts[], uint32_t count)
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

/* One home of the first part in one band, or several as long as they cost next to nothing; returns the glances. */
static uint32_t combine(struct siblings *s)
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

/* --- the ways to part them --------------------------------------------------------------------------------------- */

/* The next sizes, descending: the largest part, then the second. False: there are none for so many homes. */
static bool next_sizes(struct siblings *s)
{
    uint32_t count = s->criteria->child_count, *sizes = s->sizes;
    if (s->homes == 2) {
        sizes[0]--;
        sizes[1] = count - sizes[0];
        return sizes[0] >= sizes[1];
    }
    if (sizes[1] > sizes[2] + 1) {
        sizes[1]--;
        sizes[2]++;
        return true;
    }
    sizes[0]--;
    uint32_t left = count - sizes[0];
    sizes[1] = left - 1 < sizes[0] ? left - 1 : sizes[0];
    sizes[2] = left - sizes[1];
    return sizes[1] >= sizes[2] && sizes[0] >= sizes[1];
}

/* To the first way of the sizes it is at. */
static void begin_sizes(struct siblings *s)
{
    s->first_at = s->size_begins[s->sizes[0]];
    s->second_at = s->size_begins[s->sizes[1]];
}

static bool begin_homes(struct siblings *s, uint32_t homes)
{
    uint32_t count = s->criteria->child_count;
    s->homes = homes;
    /* As if the sizes before the first had been tried. */
    s->sizes[0] = count - homes + 2;
    s->sizes[1] = s->sizes[2] = 0;
    return count >= homes && next_sizes(s);
}

/* To the first way of the next sizes. False: nothing better is left to try. */
static bool next_ways(struct siblings *s)
{
    uint32_t largest = s->sizes[0];
    bool more =
        s->homes == 0 ? begin_homes(s, 2) : next_sizes(s) && !(s->split_count == SPLITS_MAX && s->sizes[0] < largest);
    if (!more && s->split_count == 0 && s->homes == 2 && s->criteria->split_into > 2)
        more = begin_homes(s, 3);
    if (more)
        begin_sizes(s);
    return more;
}

static void next_first(struct siblings *s)
{
    s->first_at++;
    s->second_at = s->size_begins[s->sizes[1]];
}

/* --- one step after the other ------------------------------------------------------------------------------------ */

/* A home that takes all is better than any split. When they were to stay together, there is none: the options said so.
 */
static enum err try_whole(struct siblings *s, bool *taken)
{
    struct part *whole = &s->rows[s->row_count - 1];
    if (s->criteria->grouping == GROUPING_SPLIT && !whole->known)
        return search_for(s, whole);
    *taken = whole->count > 0;
    return ERR_NONE;
}

/* The parts of the way it is at. False: it is not one, or one that was tried with its parts the other way round. */
static bool parts_of_way(const struct siblings *s, struct part *parts[SPLIT_HOMES_MAX])
{
    parts[0] = &s->rows[s->by_size[s->first_at]];
    bunch left = everybody(s) - parts[0]->bunch;
    if (s->homes == 2) {
        parts[1] = part_of(s, left);
        return parts[1]->size < parts[0]->size || parts[1] <= parts[0];
    }
    parts[1] = &s->rows[s->by_size[s->second_at]];
    if ((parts[1]->size == parts[0]->size && parts[1] > parts[0]) || !lies_within(parts[1]->bunch, left))
        return false;
    parts[2] = part_of(s, left - parts[1]->bunch);
    return parts[2]->size < parts[1]->size || parts[2] <= parts[1];
}

static void next_way(struct siblings *s)
{
    if (s->homes == 2 || ++s->second_at == s->size_begins[s->sizes[1] + 1])
        next_first(s);
}

/* One way: its parts become known, the largest first, and then their homes are to be combined. */
static enum err try_way(struct siblings *s, uint64_t *looked)
{
    struct part *parts[SPLIT_HOMES_MAX] = {&s->rows[s->by_size[s->first_at]]};
    uint32_t count = s->homes == 2 ? 2 : 3;
    if (!parts[0]->known)
        return look_for(s, parts[0]);
    if (parts[0]->count == 0) {
        next_first(s);
        return ERR_NONE;
    }
    bool fits = parts_of_way(s, parts);
    for (uint32_t i = 1; fits && i < count; i++) {
        if (!parts[i]->known)
            return look_for(s, parts[i]);
        fits = parts[i]->count > 0;
    }
    if (fits)
        *looked += begin_combining(s, parts, count) / GLANCES_AN_OFFER;
    next_way(s);
    return ERR_NONE;
}

static enum err step(struct siblings *s, uint32_t work_budget, uint64_t *looked, bool *done)
{
    *looked += 1;
    if (s->search != NULL) {
        if (!search_run(s->search, work_budget, looked))
            return ERR_NONE;
        *looked += SEARCH_OFFERS;
        return keep_homes(s);
    }
    if (s->combining.part_count > 0) {
        *looked += combine(s) / GLANCES_AN_OFFER;
        return ERR_NONE;
    }
    if (s->homes == 0) {
        enum err err = try_whole(s, done);
        if (err || *done || s->search != NULL)
            return err;
    }
    if (s->homes > 0 && s->first_at < s->size_begins[s->sizes[0] + 1])
        return try_way(s, looked);
    *done = !next_ways(s);
    return ERR_NONE;
}

enum err siblings_run(struct siblings *s, uint32_t work_budget, uint64_t *looked_at, bool *done)
{
    uint64_t looked = 0;
    enum err err = ERR_NONE;
    *done = false;
    do
        err = step(s, looked < work_budget ? work_budget - (uint32_t)looked : 0, &looked, done);
    while (!err && !*done && looked < work_budget);
    if (looked_at != NULL)
        *looked_at += looked;
    return err;
}

uint32_t siblings_found(const struct siblings *s, struct split_found out[SPLITS_MAX])
{
    for (uint32_t i = 0; i < s->split_count; i++)
        out[i] = s->splits[i].found;
    return s->split_count;
}
