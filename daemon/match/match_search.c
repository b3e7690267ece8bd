/*
 * match_search.c - see match_search.h.
 *
 * Best first: what is still to be looked into waits in a queue, nearest first, and the walk is over when the nearest is
 * farther away than whatever could still be kept. What lacks a trait that is asked for is passed over, up to 64
 * children or offers at a time (match_tree.h); only offers that have them all are judged by every rule. When hardly any
 * block can have one, the blocks below a node are looked through at once instead of waiting for their turn. When the
 * queue is full, a node is walked depth first instead: a path is all that this needs.
 * Invariant: every offer that suits and could be kept is in the lists, below something in the queue, or below what is
 * left of the path.
 */
#include "daemon/match/match_search.h"

#include "daemon/gazetteer/grid.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#ifndef QUEUE_MOST /* a test has a short one */
#define QUEUE_MOST 512u
#endif
static_assert(QUEUE_MOST > NODE_CHILDREN, "there is room for the root and its children");

/* A node, a block or a group that is still to be looked into. */
struct pending {
    uint64_t nearest_squared;
    const void *piece;
    uint64_t wanted; /* of a group: the offers that have all traits; of a node: the children left, 0: not known yet */
    uint32_t level;  /* 0: a group */
};

#define AHEAD 6 /* blocks that are on their way from memory while others are looked into */

struct path_step {
    const struct tree_node *node;
    uint64_t left; /* children that were not looked into */
};

struct search {
    const struct match_version *version;
    struct asked asked;
    uint32_t e_metres, n_metres, limit;
    bool phoning;                     /* phone_first is asked for */
    bool rare_in_block, rare_in_node; /* as a rule nobody below one has all traits */
    uint64_t reach_squared;           /* what is as far as this, or farther, is in no list; UINT64_MAX: not known yet */
    uint64_t band_bounds[DISTANCE_BANDS]; /* no key of a band is lower */
    uint32_t trait_count, queued, depth;
    uint8_t traits[TRAIT_END]; /* that are asked for; the rarest first */
    struct path_step path[TREE_LEVELS_MAX];
    uint64_t looked_at;
    /* Not zeroed from here on. */
    struct order order;
    struct search_list options, phone_first; /* heaps until the walk is done */
    struct pending queue[QUEUE_MOST];        /* a heap */
};

static uint32_t least(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

/* --- the best so far ------------------------------------------------------------------------------------------- */

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
    int order = strcmp(version_region(version, a->group, a->lane), version_region(version, b->group, b->lane));
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

static uint64_t squared(uint64_t metres)
{
    return metres * metres;
}

/* What is in a band whose best key comes before the worst that is kept may come before it at any distance; in a band
 * where it ties, if it is nearer. One metre is what rounding down may hide. */
static uint64_t reach_of(const struct search *s, const struct search_list *list)
{
    const struct found *worst = &list->best[0];
    uint32_t band = 0;
    if (list->count < s->limit)
        return UINT64_MAX;
    while (band < DISTANCE_BANDS && s->band_bounds[band] < worst->key)
        band++;
    if (band == DISTANCE_BANDS)
        return UINT64_MAX;
    uint64_t from = band == 0 ? 0 : squared(distance_band_below_metres[band - 1]);
    uint64_t reach = squared((uint64_t)worst->distance_metres + 1);
    return s->band_bounds[band] > worst->key || reach < from ? from : reach;
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

/* True if whatever lies at this distance could be among the best. */
static bool near_enough(const struct search *s, uint64_t distance_squared)
{
    return distance_squared < s->asked.too_far_squared && distance_squared < s->reach_squared;
}

/* --- what waits ------------------------------------------------------------------------------------------------ */

/* What is as near as a node that it may be below of comes first: so little waits when much lies on one point. */
static bool pending_before(const struct pending *a, const struct pending *b)
{
    return a->nearest_squared != b->nearest_squared ? a->nearest_squared < b->nearest_squared : a->level < b->level;
}

static void put(struct search *s, const struct pending *pending)
{
    uint32_t at = s->queued++;
    for (uint32_t parent; at > 0 && pending_before(pending, &s->queue[parent = (at - 1) / 2]); at = parent)
        s->queue[at] = s->queue[parent];
    s->queue[at] = *pending;
}

static struct pending take(struct search *s)
{
    struct pending first = s->queue[0], moving = s->queue[--s->queued];
    uint32_t at = 0;
    for (uint32_t child; (child = 2 * at + 1) < s->queued; at = child) {
        if (child + 1 < s->queued && pending_before(&s->queue[child + 1], &s->queue[child]))
            child++;
        if (!pending_before(&s->queue[child], &moving))
            break;
        s->queue[at] = s->queue[child];
    }
    s->queue[at] = moving;
    return first;
}

/* --- looking --------------------------------------------------------------------------------------------------- */

struct found found_make(const struct criteria *criteria, const struct fact_group *group, uint32_t lane,
                        const struct verdict *verdict, uint64_t key)
{
    struct found found = {
        .group = group,
        .key = key,
        .lane = lane,
        .vacancy_id = group->vacancy_id[lane],
        .distance_metres =
            grid_distance_metres((int32_t)group->point_e_metres[lane], (int32_t)group->point_n_metres[lane],
                                 (int32_t)criteria->near_e_metres, (int32_t)criteria->near_n_metres),
        .children_taken = number_of_lane(&verdict->children_taken, lane),
    };
    if (criteria->overrides != 0)
        for (uint32_t rule = 0; rule < RULES_JUDGED; rule++)
            found.overridden |= (uint32_t)(verdict->overridden[rule] >> lane & 1) << rule;
    return found;
}

static void keep_lanes(struct search *s, struct search_list *list, const struct fact_group *group, lanes suitable,
                       const struct verdict *verdict)
{
    uint64_t keys[LANES], worst = list->count < s->limit ? UINT64_MAX : list->best[0].key;
    if (suitable == 0)
        return;
    if (s->order.step_count > 0)
        suitable = order_keys(&s->order, group, verdict, suitable, worst, keys);
    for (lanes left = suitable; left != 0; left &= left - 1) {
        uint32_t lane = (uint32_t)__builtin_ctzll(left);
        struct found found =
            found_make(s->asked.criteria, group, lane, verdict, s->order.step_count > 0 ? keys[lane] : 0);
        keep(s, list, &found);
    }
}

static lanes near_lanes(const struct search *s, const struct fact_group *group, lanes wanted)
{
    lanes near = 0;
    if (s->reach_squared == UINT64_MAX && s->asked.too_far_squared == UINT64_MAX)
        return wanted;
    for (lanes left = wanted; left != 0; left &= left - 1)
        if (near_enough(s, facts_distance_squared(group, (uint32_t)__builtin_ctzll(left), s->e_metres, s->n_metres)))
            near |= left & -left;
    return near;
}

/* The highest key that either list would still take. */
static uint64_t worst_key(const struct search *s)
{
    uint64_t worst = s->options.count < s->limit ? UINT64_MAX : s->options.best[0].key;
    if (s->phoning && s->phone_first.count < s->limit)
        return UINT64_MAX;
    return s->phoning && s->phone_first.best[0].key > worst ? s->phone_first.best[0].key : worst;
}

static void look_at(struct search *s, const struct fact_group *group, lanes wanted)
{
    struct verdict verdict;
    uint64_t worst = worst_key(s);
    lanes judged = near_lanes(s, group, wanted);
    s->looked_at++;
    if (judged != 0 && worst != UINT64_MAX)
        judged = order_glance(&s->order, group, judged, worst);
    if (judged == 0)
        return;
    rules_judge(group, judged, version_active(s->version, group, judged), &s->asked, &verdict);
    keep_lanes(s, &s->options, group, verdict.suitable & ~verdict.overridden[RULE_H2], &verdict);
    keep_lanes(s, &s->phone_first, group, verdict.suitable & verdict.overridden[RULE_H2], &verdict);
    s->looked_at += (uint64_t)__builtin_popcountll(judged);
}

static uint64_t nearest_squared(const struct search *s, const struct extent *extent)
{
    return extent_nearest_squared(extent, s->e_metres, s->n_metres);
}

/* The children that may have somebody with all traits. */
static uint64_t children_wanted(const struct search *s, const struct tree_inner *inner)
{
    uint64_t wanted = ~UINT64_C(0) >> (NODE_CHILDREN - inner->head.count);
    for (uint32_t i = 0; i < s->trait_count && wanted != 0; i++)
        wanted &= inner->traits[s->traits[i]];
    return wanted;
}

/* Two words in one register, on any x86-64. */
typedef lanes two_lanes __attribute__((vector_size(16)));
#define BLOCK_PAIRS (BLOCK_GROUPS / 2)
static_assert(offsetof(struct tree_block, traits) % sizeof(two_lanes) == 0, "a block's rows are aligned");

/* The offers of each group that have all traits; false if there are none. */
static bool offers_wanted(const struct search *s, const struct tree_block *block, two_lanes wanted[BLOCK_PAIRS])
{
    two_lanes left[BLOCK_PAIRS];
    memcpy(left, block->traits[s->traits[0]], sizeof left);
    for (uint32_t i = 1; i < s->trait_count; i++) {
        const two_lanes *having = (const two_lanes *)block->traits[s->traits[i]];
        two_lanes any = {0};
        for (uint32_t pair = 0; pair < BLOCK_PAIRS; pair++)
            any |= left[pair] &= having[pair];
        if ((any[0] | any[1]) == 0)
            return false;
    }
    memcpy(wanted, left, sizeof left);
    return true;
}

static lanes offers_wanted_of(const struct search *s, const struct tree_block *block, uint32_t group)
{
    lanes wanted = ~UINT64_C(0);
    for (uint32_t i = 0; i < s->trait_count && wanted != 0; i++)
        wanted &= block->traits[s->traits[i]][group];
    return wanted;
}

/* There is room for all of the block's groups. */
static void look_into_block(struct search *s, const struct tree_block *block)
{
    two_lanes pairs[BLOCK_PAIRS];
    s->looked_at++;
    if (!offers_wanted(s, block, pairs))
        return;
    for (uint32_t i = 0; i < block->head.count; i++) {
        lanes wanted = pairs[i / 2][i % 2];
        struct pending group = {nearest_squared(s, &block->extents[i]), block->groups[i], wanted, 0};
        if (wanted != 0 && near_enough(s, group.nearest_squared))
            put(s, &group);
    }
}

static void fetch_block(const struct search *s, const struct tree_node *block)
{
    for (uint32_t i = 0; i < least(s->trait_count, 3); i++)
        for (size_t at = 0; at < BLOCK_GROUPS; at += 8)
            __builtin_prefetch(&((const struct tree_block *)block)->traits[s->traits[i]][at]);
}

static bool has_room(const struct search *s, uint32_t pieces)
{
    return s->queued + pieces <= QUEUE_MOST;
}

/* Children of a node, and how near each is. */
struct nearness {
    uint64_t children, nearest_squared;
    uint32_t nearest;
    uint64_t squared[NODE_CHILDREN];
};

static void nearness_of(const struct search *s, const struct tree_inner *inner, uint64_t wanted, struct nearness *out)
{
    out->children = 0;
    out->nearest_squared = UINT64_MAX;
    out->nearest = 0;
    for (uint64_t left = wanted; left != 0; left &= left - 1) {
        uint32_t at = (uint32_t)__builtin_ctzll(left);
        uint64_t distance = out->squared[at] = nearest_squared(s, &inner->extents[at]);
        if (!near_enough(s, distance))
            continue;
        out->children |= left & -left;
        if (distance < out->nearest_squared) {
            out->nearest_squared = distance;
            out->nearest = at;
        }
    }
}

/* Now; those that don't find room wait. */
static void look_into_blocks(struct search *s, const struct tree_inner *inner, const struct nearness *near,
                             uint64_t blocks)
{
    uint64_t ahead = blocks;
    for (uint32_t i = 0; i < AHEAD && ahead != 0; i++, ahead &= ahead - 1)
        fetch_block(s, inner->children[__builtin_ctzll(ahead)]);
    for (uint64_t left = blocks; left != 0; left &= left - 1) {
        uint32_t at = (uint32_t)__builtin_ctzll(left);
        if (ahead != 0)
            fetch_block(s, inner->children[__builtin_ctzll(ahead)]);
        ahead &= ahead - 1;
        if (has_room(s, BLOCK_GROUPS + NODE_CHILDREN + 1))
            look_into_block(s, (const struct tree_block *)inner->children[at]);
        else
            put(s, &(struct pending){near->squared[at], inner->children[at], 0, 1});
    }
}

/* Those whose turn comes soon, if somebody is found at all before long. */
static uint64_t horizon_of(const struct search *s, const struct tree_inner *inner, const struct nearness *near)
{
    const struct extent *nearest = &inner->extents[near->nearest];
    return s->rare_in_node ? UINT64_MAX
                           : 4 * near->nearest_squared + squared(nearest->east_metres - nearest->west_metres);
}

/* There is room for all children and the node. Children beyond a horizon wait with their node: as a rule nobody comes
 * back for them. */
static void look_into_inner(struct search *s, const struct tree_inner *inner, uint64_t wanted)
{
    struct nearness near;
    struct pending rest = {UINT64_MAX, inner, 0, inner->head.level};
    s->looked_at++;
    nearness_of(s, inner, wanted, &near);
    if (near.children == 0)
        return;
    uint64_t horizon = horizon_of(s, inner, &near);
    bool at_once = s->rare_in_block && inner->head.level == 2;
    for (uint64_t left = near.children; left != 0; left &= left - 1) {
        uint32_t at = (uint32_t)__builtin_ctzll(left);
        if (near.squared[at] > horizon) {
            rest.wanted |= left & -left;
            rest.nearest_squared = near.squared[at] < rest.nearest_squared ? near.squared[at] : rest.nearest_squared;
        } else if (!at_once) {
            put(s, &(struct pending){near.squared[at], inner->children[at], 0, inner->head.level - 1});
        }
    }
    if (rest.wanted != 0)
        put(s, &rest);
    if (at_once)
        look_into_blocks(s, inner, &near, near.children & ~rest.wanted);
}

/* --- the walk -------------------------------------------------------------------------------------------------- */

static uint64_t groups_wanted(const struct search *s, const struct tree_block *block)
{
    two_lanes pairs[BLOCK_PAIRS];
    uint64_t groups = 0;
    if (!offers_wanted(s, block, pairs))
        return 0;
    for (uint32_t i = 0; i < block->head.count; i++)
        groups |= (uint64_t)(pairs[i / 2][i % 2] != 0) << i;
    return groups;
}

static uint64_t wanted_below(const struct search *s, const struct tree_node *node)
{
    return node->level > 1 ? children_wanted(s, (const struct tree_inner *)node)
                           : groups_wanted(s, (const struct tree_block *)node);
}

static void go_down(struct search *s, const struct tree_node *node, uint64_t wanted)
{
    s->looked_at++;
    s->path[s->depth++] = (struct path_step){node, wanted};
}

/* The next that is left on the path. */
static void go_on(struct search *s)
{
    struct path_step *step = &s->path[s->depth - 1];
    if (step->left == 0) {
        s->depth--;
        return;
    }
    uint32_t at = (uint32_t)__builtin_ctzll(step->left);
    step->left &= step->left - 1;
    if (step->node->level == 1) {
        const struct tree_block *block = (const struct tree_block *)step->node;
        if (near_enough(s, nearest_squared(s, &block->extents[at])))
            look_at(s, block->groups[at], offers_wanted_of(s, block, at));
    } else {
        const struct tree_inner *inner = (const struct tree_inner *)step->node;
        if (near_enough(s, nearest_squared(s, &inner->extents[at])))
            go_down(s, inner->children[at], wanted_below(s, inner->children[at]));
    }
}

/* A search waits for memory more than for anything else: the group that is likely next is sent for meanwhile. */
static void send_for(const struct fact_group *group)
{
    for (size_t line = 0; line < offsetof(struct fact_group, approved_on); line += 64)
        __builtin_prefetch((const char *)group + line);
    for (size_t line = offsetof(struct fact_group, point_e_metres); line < offsetof(struct fact_group, agency);
         line += 64)
        __builtin_prefetch((const char *)group + line);
}

static void look_into_nearest(struct search *s)
{
    const struct pending nearest = take(s);
    if (s->queued > 0 && s->queue[0].level == 0)
        send_for(s->queue[0].piece);
    if (nearest.level == 0) {
        look_at(s, nearest.piece, nearest.wanted);
    } else if (nearest.level == 1 && has_room(s, BLOCK_GROUPS)) {
        look_into_block(s, nearest.piece);
    } else {
        uint64_t wanted = nearest.wanted != 0 ? nearest.wanted : wanted_below(s, nearest.piece);
        if (nearest.level > 1 && has_room(s, NODE_CHILDREN + 1))
            look_into_inner(s, nearest.piece, wanted);
        else
            go_down(s, nearest.piece, wanted);
    }
}

static bool is_done(const struct search *s)
{
    return s->depth == 0 && (s->queued == 0 || !near_enough(s, s->queue[0].nearest_squared));
}

/* --- a search -------------------------------------------------------------------------------------------------- */

/* The rarest trait first, since most is then over after the first few; and how many may be expected in a block if each
 * trait came for itself: only how the walk goes depends on it, never what it finds. */
static void ask_traits(struct search *s)
{
    const struct tree *tree = &s->version->tree;
    double expected = BLOCK_GROUPS * LANES;
    s->trait_count = tree_traits_asked(&s->asked, s->traits);
    for (uint32_t i = 0; i < s->trait_count; i++) {
        uint8_t trait = s->traits[i];
        uint32_t at = i;
        for (; at > 0 && tree->having[s->traits[at - 1]] > tree->having[trait]; at--)
            s->traits[at] = s->traits[at - 1];
        s->traits[at] = trait;
        expected *= tree->having[trait];
        expected /= (double)(tree->offers + 1);
    }
    s->rare_in_block = expected < 0.25;
    s->rare_in_node = expected * NODE_CHILDREN < 1;
}

struct search *search_new(const struct match *match, const struct match_version *version,
                          const struct criteria *criteria)
{
    struct search *s = malloc(sizeof *s);
    if (s == NULL)
        return NULL;
    memset(s, 0, offsetof(struct search, order));
    s->options.count = s->phone_first.count = 0;
    s->version = version;
    s->e_metres = criteria->near_e_metres;
    s->n_metres = criteria->near_n_metres;
    s->limit = criteria->limit < 1 ? 1 : least(criteria->limit, OPTIONS_MAX);
    s->phoning = code_in(criteria->overrides, OVERRIDE_UNCONFIRMED);
    s->reach_squared = UINT64_MAX;
    asked_prepare(criteria, &s->asked);
    order_prepare(criteria, index_gazetteer(match), version->agencies, &s->order);
    for (uint32_t band = 0; band < DISTANCE_BANDS; band++)
        s->band_bounds[band] = order_bound(&s->order, band > 0 ? squared(distance_band_below_metres[band - 1]) : 0);
    ask_traits(s);
    if (version->tree.root != NULL)
        put(s, &(struct pending){0, version->tree.root, 0, version->tree.root->level});
    return s;
}

void search_free(struct search *search)
{
    free(search);
}

bool search_run(struct search *s, uint32_t work_budget, uint64_t *looked_at)
{
    uint64_t before = s->looked_at;
    bool done = is_done(s);
    while (!done) {
        if (s->depth > 0)
            go_on(s);
        else
            look_into_nearest(s);
        done = is_done(s);
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

uint64_t search_reach_squared(const struct search *search)
{
    return search->reach_squared;
}
