/*
 * match_siblings.c - see match_siblings.h.
 *
 * Children alike are of one kind; a part is how many it has of each kind (a bunch). All parts have a row, which holds
 * the part's homes once they were searched. The ways to part the children are gone through by the sizes of their parts;
 * for each way its parts are searched, largest first, and then their homes are combined (match_combine.h).
 *
 * A home that takes a part takes any part of two or more within it: fewer children want fewer beds and bedrooms, and
 * a narrower span of ages. (Not one alone: some homes take siblings only.) So before a part is searched, those
 * within it are, and often it need not be.
 *
 * Splits are looked for within the rules first; what the request allows beyond them counts once there is none.
 */
#include "daemon/match/match_combine.h"

#include <stdlib.h>
#include <string.h>

/* What a search costs even if it finds nothing, told as if it were offers. */
#define SEARCH_OFFERS 100

/* Of a part's homes at one point so many can be in one of the best splits: instead of any other, three of these that
 * are not in its split would each do as far from home and from the rest, with a smaller id. */
#define HOMES_AT_POINT_MAX (SPLITS_MAX + SPLIT_HOMES_MAX - 1)

/* --- bunches ----------------------------------------------------------------------------------------------------- */

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
    s->within_rules = true;
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
    if (s->within_rules && part != &s->rows[s->row_count - 1])
        s->part_criteria.overrides = 0;
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

/* All over again, with what the request allows. A home that takes all was looked for with it. False: it allows nothing,
 * or that was it. */
static bool begin_overridden(struct siblings *s)
{
    if (!s->within_rules || (s->criteria->overrides & ~(1u << OVERRIDE_UNCONFIRMED)) == 0)
        return false;
    s->within_rules = false;
    s->homes = 0;
    for (uint32_t i = 0; i + 1 < s->row_count; i++) {
        free(s->rows[i].homes);
        s->rows[i].homes = NULL;
        s->rows[i].count = 0;
        s->rows[i].known = false;
    }
    return next_ways(s);
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
        *looked += combine_begin(s, parts, count) / GLANCES_AN_OFFER;
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
        *looked += combine_some(s) / GLANCES_AN_OFFER;
        return ERR_NONE;
    }
    if (s->homes == 0) {
        enum err err = try_whole(s, done);
        if (err || *done || s->search != NULL)
            return err;
    }
    if (s->homes > 0 && s->first_at < s->size_begins[s->sizes[0] + 1])
        return try_way(s, looked);
    *done = !next_ways(s) && (s->split_count > 0 || !begin_overridden(s));
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
