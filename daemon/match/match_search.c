/*
 * match_search.c - the nearest suitable offers of one version, and what removed the others.
 *
 * Owns: walking the cells in rings round the asked point, nearest ring first, and the best options so far (a heap whose
 * top is the worst). Offers are judged on packed facts; the few that are returned are read at the end.
 * Not here: the rules (match_rules.c), the words (match_reasons.c), versions (match_index.c).
 * Thread: any; a search belongs to its caller.
 * Two walks: the first keeps what is suitable, and looks closer only at offers that are near enough and pass a glance.
 * If it finds fewer than asked for, a second judges every offer by every rule and counts what removed them.
 * Invariant: when ring r is begun, every offer not yet seen is at least ring_bound(r) metres away, so a full heap whose
 * worst is nearer is final. The counts are those of a whole second walk.
 */
#include "daemon/match/match_index.h"
#include "daemon/match/match_reasons.h"

#include "daemon/gazetteer/grid.h"

#include <stdlib.h>
#include <string.h>

#define AHEAD       8  /* buckets that are on their way from memory while others are judged */
#define TALLIED_MAX 31 /* groups, of which each adds at most 8 to a byte */

struct candidate {
    const struct fact_group *group;
    uint64_t vacancy_id;
    uint32_t lane, distance_metres, children_taken, overridden;
};

struct match_search {
    struct match *match;
    const struct match_version *version;
    uint32_t slot;
    struct asked asked;
    int64_t centre_east, centre_north; /* the cell of the asked point */
    uint32_t edge_metres;              /* from the point to the nearest side of its cell */
    int64_t ring, row;                 /* where it goes on: row is north of the centre */
    bool counting;      /* the second walk: the first found fewer than asked for, and the answer says why */
    uint64_t seen;      /* offers, in this walk */
    uint64_t looked_at; /* offers, in both */
    const struct bucket *ahead[AHEAD]; /* walked over, not yet looked into: a ring */
    uint32_t ahead_first, ahead_count;
    uint32_t limit, count;
    struct rule_count removed[RULE_END];
    uint64_t failed[RULES_JUDGED], failed_alone[RULES_JUDGED]; /* eight counts in bytes, not yet in `removed` */
    uint32_t tallied;                                          /* groups in them */
    struct candidate heap[OPTIONS_MAX];
};

/* --- the best so far ------------------------------------------------------------------------------------------- */

static const char *region_of(const struct match_search *s, const struct candidate *candidate)
{
    return s->version->agencies->slots[candidate->group->agency[candidate->lane]].region;
}

static uint64_t reference_of(const struct candidate *candidate)
{
    return candidate->group->held[candidate->lane]->national_reference;
}

/* Total over all offers there can be, and nothing in it depends on where or when they came. Two regions can give the
 * same id, by chance or not. */
static bool after(const struct match_search *s, const struct candidate *a, const struct candidate *b)
{
    if (a->distance_metres != b->distance_metres)
        return a->distance_metres > b->distance_metres;
    if (a->vacancy_id != b->vacancy_id)
        return a->vacancy_id > b->vacancy_id;
    int order = strcmp(region_of(s, a), region_of(s, b));
    return order != 0 ? order > 0 : reference_of(a) > reference_of(b);
}

static void sift_down(struct match_search *s, uint32_t count)
{
    struct candidate *heap = s->heap, moving = heap[0];
    uint32_t at = 0;
    for (uint32_t child; (child = 2 * at + 1) < count; at = child) {
        if (child + 1 < count && after(s, &heap[child + 1], &heap[child]))
            child++;
        if (!after(s, &heap[child], &moving))
            break;
        heap[at] = heap[child];
    }
    heap[at] = moving;
}

static void keep(struct match_search *s, const struct candidate *candidate)
{
    if (s->count == s->limit) {
        if (after(s, &s->heap[0], candidate)) {
            s->heap[0] = *candidate;
            sift_down(s, s->count);
        }
        return;
    }
    uint32_t at = s->count++;
    for (uint32_t parent; at > 0 && after(s, candidate, &s->heap[parent = (at - 1) / 2]); at = parent)
        s->heap[at] = s->heap[parent];
    s->heap[at] = *candidate;
}

/* The heap becomes a list, best first. */
static void sort_kept(struct match_search *s)
{
    for (uint32_t left = s->count; left > 1; left--) {
        struct candidate worst = s->heap[0];
        s->heap[0] = s->heap[left - 1];
        s->heap[left - 1] = worst;
        sift_down(s, left - 1);
    }
}

static uint32_t least(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

/* --- walking --------------------------------------------------------------------------------------------------- */

/* How many bits are set in each byte, byte by byte: a machine's own count needs more than the oldest x86-64. */
static uint64_t bits_of_bytes(uint64_t word)
{
    word -= word >> 1 & UINT64_C(0x5555555555555555);
    word = (word & UINT64_C(0x3333333333333333)) + (word >> 2 & UINT64_C(0x3333333333333333));
    return (word + (word >> 4)) & UINT64_C(0x0F0F0F0F0F0F0F0F);
}

static uint32_t sum_of_bytes(uint64_t word)
{
    word = (word & UINT64_C(0x00FF00FF00FF00FF)) + (word >> 8 & UINT64_C(0x00FF00FF00FF00FF));
    return (uint32_t)(word * UINT64_C(0x0001000100010001) >> 48);
}

/* Counts are added to `removed` before a byte could overflow. */
static void tally_flush(struct match_search *s)
{
    for (int rule = 0; rule < RULES_JUDGED; rule++) {
        s->removed[rule].failed += sum_of_bytes(s->failed[rule]);
        s->removed[rule].failed_alone += sum_of_bytes(s->failed_alone[rule]);
    }
    memset(s->failed, 0, sizeof s->failed);
    memset(s->failed_alone, 0, sizeof s->failed_alone);
    s->tallied = 0;
}

static void count_removed(struct match_search *s, const lanes failed[RULES_JUDGED])
{
    lanes once = 0, more = 0;
    for (int rule = 0; rule < RULES_JUDGED; rule++) {
        more |= once & failed[rule];
        once |= failed[rule];
    }
    for (int rule = 0; rule < RULES_JUDGED; rule++) {
        s->failed[rule] += bits_of_bytes(failed[rule]);
        s->failed_alone[rule] += bits_of_bytes(failed[rule] & ~more);
    }
    if (++s->tallied == TALLIED_MAX)
        tally_flush(s);
}

/* True if whatever lies at this distance could be among the best; one metre is what rounding down may hide. */
static bool near_enough(const struct match_search *s, uint64_t distance_squared)
{
    uint64_t beyond = (uint64_t)s->heap[0].distance_metres + 1;
    return distance_squared < s->asked.too_far_squared && (s->count < s->limit || distance_squared < beyond * beyond);
}

static void keep_lane(struct match_search *s, const struct fact_group *group, uint32_t lane,
                      const struct verdict *verdict)
{
    const struct criteria *criteria = s->asked.criteria;
    struct candidate candidate = {
        .group = group,
        .lane = lane,
        .vacancy_id = group->vacancy_id[lane],
        .distance_metres =
            grid_distance_metres((int32_t)group->point_e_metres[lane], (int32_t)group->point_n_metres[lane],
                                 (int32_t)criteria->near_e_metres, (int32_t)criteria->near_n_metres),
        .children_taken = number_of_lane(&verdict->children_taken, lane),
    };
    for (uint32_t rule = 0; rule < RULES_JUDGED; rule++)
        candidate.overridden |= (uint32_t)(verdict->overridden[rule] >> lane & 1) << rule;
    keep(s, &candidate);
}

/* The lanes whose agency is active: as a rule every agency is. */
static lanes active_of(const struct match_search *s, const struct fact_group *group, lanes judged)
{
    const struct agency_slot *agencies = s->version->agencies->slots;
    lanes active = 0;
    if (s->version->inactive == 0)
        return ~UINT64_C(0);
    for (lanes left = judged; left != 0; left &= left - 1) {
        uint32_t lane = (uint32_t)__builtin_ctzll(left);
        active |= (lanes)agencies[group->agency[lane]].active << lane;
    }
    return active;
}

/* Those of a group that could be among the best: most are too far, or fall at a glance. */
static lanes promising(const struct match_search *s, const struct fact_group *group, lanes used)
{
    uint32_t e = s->asked.criteria->near_e_metres, n = s->asked.criteria->near_n_metres;
    lanes found = 0;
    if (!near_enough(s, facts_nearest_squared(group, e, n)))
        return 0;
    lanes passed = rules_glance(group, &s->asked) & used;
    if (s->count < s->limit && s->asked.criteria->within_metres == 0)
        return passed;
    for (lanes left = passed; left != 0; left &= left - 1) {
        uint32_t lane = (uint32_t)__builtin_ctzll(left);
        if (near_enough(s, facts_distance_squared(group, lane, e, n)))
            found |= UINT64_C(1) << lane;
    }
    return found;
}

static void look_at(struct match_search *s, const struct fact_group *group, uint32_t count)
{
    struct verdict verdict;
    lanes used = ~UINT64_C(0) >> (LANES - count);
    lanes judged = s->counting ? used : promising(s, group, used);
    if (judged == 0)
        return;
    rules_judge(group, judged, active_of(s, group, judged), &s->asked, &verdict);
    if (s->counting)
        count_removed(s, verdict.failed);
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

static void look_into_next(struct match_search *s)
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

static void look_into_all(struct match_search *s)
{
    while (s->ahead_count > 0)
        look_into_next(s);
}

static void walk_over(struct match_search *s, int64_t east, int64_t north)
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
static uint64_t ring_bound(const struct match_search *s)
{
    return s->ring == 0 ? 0 : (uint64_t)(s->ring - 1) * CELL_METRES + s->edge_metres;
}

static bool finished(const struct match_search *s)
{
    uint32_t within_metres = s->asked.criteria->within_metres;
    if (s->seen == s->version->offers)
        return true;
    return !s->counting && ((s->count == s->limit && s->heap[0].distance_metres < ring_bound(s)) ||
                            (within_metres > 0 && within_metres < ring_bound(s)));
}

/* The row of the ring that is next; a ring is one row of cells, pairs of cells, and one more row. */
static void walk_row(struct match_search *s)
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

static void walk_begin(struct match_search *s, bool counting)
{
    s->counting = counting;
    s->ring = s->row = 0;
    s->seen = 0;
    s->ahead_first = s->ahead_count = 0;
    s->count = 0;
    memset(s->removed, 0, sizeof s->removed);
    memset(s->failed, 0, sizeof s->failed);
    memset(s->failed_alone, 0, sizeof s->failed_alone);
    s->tallied = 0;
}

static enum err search_begin(struct match_search *s, struct match *match, const struct criteria *criteria)
{
    s->match = match;
    s->version = index_pin(match, &s->slot);
    if (s->version == NULL)
        return ERR_UNAVAILABLE;
    s->limit = criteria->limit < 1 ? 1 : least(criteria->limit, OPTIONS_MAX);
    s->centre_east = cell_east(criteria->near_e_metres);
    s->centre_north = cell_north(criteria->near_n_metres);
    /* A point off the grid is moved to its edge for the bounds: that brings no offer farther away. */
    uint32_t e = least(criteria->near_e_metres, CELLS_EAST * CELL_METRES - 1) % CELL_METRES;
    uint32_t n = least(criteria->near_n_metres, CELLS_NORTH * CELL_METRES - 1) % CELL_METRES;
    s->edge_metres = least(least(e, CELL_METRES - e), least(n, CELL_METRES - n));
    s->looked_at = 0;
    walk_begin(s, false);
    return ERR_NONE;
}

/* True when the answer is known; false when the budget ran out before. */
static bool search_run(struct match_search *s, const struct criteria *criteria, uint32_t work_budget, bool may_stop)
{
    uint64_t stop_at = s->looked_at + work_budget;
    asked_prepare(criteria, &s->asked);
    for (;;) {
        if (finished(s)) {
            if (s->counting || s->count == s->limit)
                return true;
            walk_begin(s, true);
            continue;
        }
        walk_row(s);
        if (may_stop && s->looked_at >= stop_at)
            return false;
    }
}

static void option_fill(const struct match_search *s, const struct candidate *candidate, struct option *option)
{
    const struct held_offer *held = candidate->group->held[candidate->lane];
    held_read(held, &option->offer);
    /* An active agency is a known one. */
    option->agency = *s->version->agencies->slots[candidate->group->agency[candidate->lane]].row;
    memcpy(option->region, region_of(s, candidate), sizeof option->region);
    option->national_reference = held->national_reference;
    option->distance_metres = candidate->distance_metres;
    option->children_taken = candidate->children_taken;
    option->unconfirmed = facts_unconfirmed(candidate->group, candidate->lane, s->asked.criteria->as_of_ms);
    reasons_fill(&s->asked, candidate->overridden, index_gazetteer(s->match), option);
}

static enum err search_answer(struct match_search *s, struct arena *arena, struct answer *answer)
{
    const struct position_list *positions = s->version->positions;
    answer->positions = arena_alloc(arena, positions->count * sizeof *answer->positions);
    if (answer->positions == NULL)
        return ERR_LIMIT;
    memcpy(answer->positions, positions->rows, positions->count * sizeof *answer->positions);
    answer->position_count = positions->count;
    if (s->count < s->limit) {
        tally_flush(s);
        answer->explained = true;
        answer->considered = (uint32_t)s->seen;
        memcpy(answer->removed, s->removed, sizeof answer->removed);
    }
    for (uint32_t i = 0; i < s->count; i++)
        __builtin_prefetch(s->heap[i].group->held[s->heap[i].lane]);
    sort_kept(s);
    answer->options = arena_alloc(arena, s->count * sizeof *answer->options);
    if (answer->options == NULL)
        return ERR_LIMIT;
    for (; answer->option_count < s->count; answer->option_count++)
        option_fill(s, &s->heap[answer->option_count], &answer->options[answer->option_count]);
    return ERR_NONE;
}

void match_search_abandon(struct match_search *search)
{
    if (search == NULL)
        return;
    index_unpin(search->match, search->slot);
    free(search);
}

enum err match_find(struct match *match, const struct criteria *criteria, uint32_t work_budget, struct arena *arena,
                    struct answer *answer, struct match_search **resume)
{
    struct match_search fresh, *s = &fresh;
    if (resume != NULL && *resume != NULL)
        s = *resume;
    *answer = (struct answer){0};
    if (s == &fresh) {
        enum err err = search_begin(s, match, criteria);
        if (err)
            return err;
    }
    if (!search_run(s, criteria, work_budget, resume != NULL)) {
        if (s == &fresh) {
            struct match_search *left = malloc(sizeof *left);
            if (left == NULL) {
                index_unpin(match, s->slot);
                return ERR_LIMIT;
            }
            *left = *s;
            *resume = left;
        }
        return ERR_NONE;
    }
    enum err err = search_answer(s, arena, answer);
    index_unpin(match, s->slot);
    if (s != &fresh) {
        free(s);
        *resume = NULL;
    }
    return err;
}
