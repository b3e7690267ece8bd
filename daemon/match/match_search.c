/*
 * match_search.c - see match_search.h.
 *
 * Walks the cells in rings round the asked point, nearest ring first, and keeps the best so far in heaps whose top is
 * the worst. Offers are judged on packed facts, and looked at closer only when they are near enough and pass a glance.
 * Invariant: when ring r is begun, every offer not yet seen is at least ring_bound(r) metres away, so full heaps whose
 * worst are nearer are final.
 */
#include "daemon/match/match_search.h"

#include "daemon/gazetteer/grid.h"

#include <stdlib.h>
#include <string.h>

#define AHEAD 8 /* buckets that are on their way from memory while others are judged */

struct search {
    const struct match_version *version;
    struct asked asked;
    int64_t centre_east, centre_north; /* the cell of the asked point */
    uint32_t edge_metres;              /* from the point to the nearest side of its cell */
    int64_t ring, row;                 /* where it goes on: row is north of the centre */
    uint64_t seen;                     /* offers */
    uint64_t looked_at;
    const struct bucket *ahead[AHEAD]; /* walked over, not yet looked into: a ring */
    uint32_t ahead_first, ahead_count;
    uint32_t limit;
    bool phoning;           /* phone_first is asked for */
    uint64_t reach_squared; /* what is as far as this, or farther, is in no list; UINT64_MAX: not known yet */
    struct search_list options, phone_first; /* heaps until the walk is done */
};

/* --- the best so far ------------------------------------------------------------------------------------------- */

static const char *region_of(const struct match_version *version, const struct found *found)
{
    return version->agencies->slots[found->group->agency[found->lane]].region;
}

static uint64_t reference_of(const struct found *found)
{
    return found->group->held[found->lane]->national_reference;
}

/* Total over all offers there can be, and nothing in it depends on where or when they came. Two regions can give the
 * same id, by chance or not. */
bool found_before(const struct match_version *version, const struct found *a, const struct found *b)
{
    if (a->key != b->key)
        return a->key < b->key;
    if (a->distance_metres != b->distance_metres)
        return a->distance_metres < b->distance_metres;
    if (a->vacancy_id != b->vacancy_id)
        return a->vacancy_id < b->vacancy_id;
    int order = strcmp(region_of(version, a), region_of(version, b));
    return order != 0 ? order < 0 : reference_of(a) < reference_of(b);
}

static void sift_down(const struct search *s, struct found *heap, uint32_t count)
{
    struct found moving = heap[0];
    uint32_t at = 0;
    for (uint32_t child; (child = 2 * at + 1) < count; at = child) {
        if (child + 1 < count && found_before(s->version, &heap[child], &heap[child + 1]))
            child++;
        if (!found_before(s->version, &moving, &heap[child]))
            break;
        heap[at] = heap[child];
    }
    heap[at] = moving;
}

static uint64_t reach_of(const struct search *s, const struct search_list *list)
{
    /* One metre is what rounding down may hide. */
    uint64_t beyond = (uint64_t)list->best[0].distance_metres + 1;
    return list->count < s->limit ? UINT64_MAX : beyond * beyond;
}

static void keep(struct search *s, struct search_list *list, const struct found *found)
{
    struct found *heap = list->best;
    if (list->count == s->limit) {
        if (!found_before(s->version, found, &heap[0]))
            return;
        heap[0] = *found;
        sift_down(s, heap, list->count);
    } else {
        uint32_t at = list->count++;
        for (uint32_t parent; at > 0 && found_before(s->version, &heap[parent = (at - 1) / 2], found); at = parent)
            heap[at] = heap[parent];
        heap[at] = *found;
    }
    uint64_t reach = reach_of(s, &s->options), phoned = s->phoning ? reach_of(s, &s->phone_first) : 0;
    s->reach_squared = reach > phoned ? reach : phoned;
}

/* The heap becomes a list, best first. */
static void sort_kept(const struct search *s, struct search_list *list)
{
    for (uint32_t left = list->count; left > 1; left--) {
        struct found worst = list->best[0];
        list->best[0] = list->best[left - 1];
        list->best[left - 1] = worst;
        sift_down(s, list->best, left - 1);
    }
}

static uint32_t least(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

/* --- walking --------------------------------------------------------------------------------------------------- */

/* True if whatever lies at this distance could be among the best. */
static bool near_enough(const struct search *s, uint64_t distance_squared)
{
    return distance_squared < s->asked.too_far_squared && distance_squared < s->reach_squared;
}

static void keep_lane(struct search *s, const struct fact_group *group, uint32_t lane, const struct verdict *verdict)
{
    const struct criteria *criteria = s->asked.criteria;
    struct found found = {
        .group = group,
        .lane = lane,
        .vacancy_id = group->vacancy_id[lane],
        .distance_metres =
            grid_distance_metres((int32_t)group->point_e_metres[lane], (int32_t)group->point_n_metres[lane],
                                 (int32_t)criteria->near_e_metres, (int32_t)criteria->near_n_metres),
        .children_taken = number_of_lane(&verdict->children_taken, lane),
    };
    for (uint32_t rule = 0; rule < RULES_JUDGED; rule++)
        found.overridden |= (uint32_t)(verdict->overridden[rule] >> lane & 1) << rule;
    keep(s, code_in(found.overridden, RULE_H2) ? &s->phone_first : &s->options, &found);
}

/* Those of a group that could be among the best: most are too far, or fall at a glance. */
static lanes promising(const struct search *s, const struct fact_group *group, lanes used)
{
    uint32_t e = s->asked.criteria->near_e_metres, n = s->asked.criteria->near_n_metres;
    lanes found = 0;
    if (!near_enough(s, facts_nearest_squared(group, e, n)))
        return 0;
    lanes passed = rules_glance(group, &s->asked) & used;
    if (s->reach_squared == UINT64_MAX && s->asked.too_far_squared == UINT64_MAX)
        return passed;
    for (lanes left = passed; left != 0; left &= left - 1) {
        uint32_t lane = (uint32_t)__builtin_ctzll(left);
        if (near_enough(s, facts_distance_squared(group, lane, e, n)))
            found |= UINT64_C(1) << lane;
    }
    return found;
}

static void look_at(struct search *s, const struct fact_group *group, uint32_t count)
{
    struct verdict verdict;
    lanes judged = promising(s, group, lanes_used(count));
    if (judged == 0)
        return;
    rules_judge(group, judged, version_active(s->version, group, judged), &s->asked, &verdict);
    for (lanes left = verdict.suitable; left != 0; left &= left - 1)
        keep_lane(s, group, (uint32_t)__builtin_ctzll(left), &verdict);
}

static bool within_reach(const struct match_version *version, int64_t east, int64_t north)
{
    return east >= version->first_east && east <= version->last_east && north >= version->first_north &&
           north <= version->last_north;
}

/* A scan waits for memory more than for anything else, so a group is sent for some time before it is looked at. */
static void fetch(const struct fact_group *group)
{
    for (size_t line = 0; line < offsetof(struct fact_group, approved_on); line += 64)
        __builtin_prefetch((const char *)group + line);
}

static void look_into_next(struct search *s)
{
    const struct bucket *bucket = s->ahead[s->ahead_first];
    s->ahead_first = (s->ahead_first + 1) % AHEAD;
    s->ahead_count--;
    for (uint32_t i = 0; i < bucket->count; i += LANES) {
        if (i + LANES < bucket->count)
            fetch(bucket->groups[i / LANES + 1]);
        look_at(s, bucket->groups[i / LANES], least(bucket->count - i, LANES));
    }
    s->seen += bucket->count;
    s->looked_at += bucket->count;
}

static void look_into_all(struct search *s)
{
    while (s->ahead_count > 0)
        look_into_next(s);
}

static void walk_over(struct search *s, int64_t east, int64_t north)
{
    if (!within_reach(s->version, east, north))
        return;
    const struct bucket *bucket = version_bucket(s->version, (uint32_t)east, (uint32_t)north);
    if (bucket == NULL)
        return;
    /* First the bucket, and when it has come, its first group. */
    __builtin_prefetch(bucket);
    if (s->ahead_count >= AHEAD / 2) {
        const struct bucket *come = s->ahead[(s->ahead_first + s->ahead_count - AHEAD / 2) % AHEAD];
        if (come->count > 0)
            fetch(come->groups[0]);
    }
    if (s->ahead_count == AHEAD)
        look_into_next(s);
    s->ahead[(s->ahead_first + s->ahead_count++) % AHEAD] = bucket;
}

/* No offer of this ring or a farther one is nearer than this. */
static uint64_t ring_bound(const struct search *s)
{
    return s->ring == 0 ? 0 : (uint64_t)(s->ring - 1) * CELL_METRES + s->edge_metres;
}

static bool finished(const struct search *s)
{
    uint64_t bound = ring_bound(s);
    return s->seen == s->version->offers || (bound > 0 && !near_enough(s, bound * bound));
}

/* The row of the ring that is next; a ring is one row of cells, pairs of cells, and one more row. */
static void walk_row(struct search *s)
{
    const struct match_version *version = s->version;
    int64_t north = s->centre_north + s->row;
    if (north >= version->first_north && north <= version->last_north) {
        if (s->row == -s->ring || s->row == s->ring) {
            int64_t first = s->centre_east - s->ring, last = s->centre_east + s->ring;
            first = first < version->first_east ? version->first_east : first;
            last = last > version->last_east ? version->last_east : last;
            for (int64_t east = first; east <= last; east++)
                walk_over(s, east, north);
        } else {
            walk_over(s, s->centre_east - s->ring, north);
            walk_over(s, s->centre_east + s->ring, north);
        }
    }
    if (s->row < s->ring) {
        s->row++;
        if (s->centre_north + s->row < version->first_north && s->row < s->ring) /* straight to the first that counts */
            s->row =
                version->first_north - s->centre_north < s->ring ? version->first_north - s->centre_north : s->ring;
        return;
    }
    look_into_all(s);
    s->ring++;
    s->row = -s->ring;
}

struct search *search_new(const struct match *match, const struct match_version *version,
                          const struct criteria *criteria)
{
    struct search *s = malloc(sizeof *s);
    (void)match;
    if (s == NULL)
        return NULL;
    memset(s, 0, offsetof(struct search, options));
    s->options.count = s->phone_first.count = 0;
    s->version = version;
    s->limit = criteria->limit < 1 ? 1 : least(criteria->limit, OPTIONS_MAX);
    s->phoning = code_in(criteria->overrides, OVERRIDE_UNCONFIRMED);
    s->reach_squared = UINT64_MAX;
    s->centre_east = cell_east(criteria->near_e_metres);
    s->centre_north = cell_north(criteria->near_n_metres);
    /* A point off the grid is moved to its edge for the bounds: that brings no offer farther away. */
    uint32_t e = least(criteria->near_e_metres, CELLS_EAST * CELL_METRES - 1) % CELL_METRES;
    uint32_t n = least(criteria->near_n_metres, CELLS_NORTH * CELL_METRES - 1) % CELL_METRES;
    s->edge_metres = least(least(e, CELL_METRES - e), least(n, CELL_METRES - n));
    asked_prepare(criteria, &s->asked);
    return s;
}

void search_free(struct search *search)
{
    free(search);
}

bool search_run(struct search *s, uint32_t work_budget, uint64_t *looked_at)
{
    uint64_t before = s->looked_at;
    bool done = finished(s);
    while (!done) {
        walk_row(s);
        done = finished(s);
        if (s->looked_at - before >= work_budget)
            break;
    }
    if (looked_at != NULL)
        *looked_at += s->looked_at - before;
    if (done) {
        sort_kept(s, &s->options);
        sort_kept(s, &s->phone_first);
    }
    return done;
}

const struct search_list *search_options(const struct search *search)
{
    return &search->options;
}

const struct search_list *search_phone_first(const struct search *search)
{
    return &search->phone_first;
}
