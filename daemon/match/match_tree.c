/*
 * match_tree.c - see match_tree.h.
 *
 * On the way down to where an offer goes, whatever is full shares with a neighbour or is split first, so that there is
 * always room above; on the way up, what became small is merged with a neighbour below the same parent, and each parent
 * sums up its child anew. "For change" is a piece made for the pen's version: the one that is there, or a copy in its
 * place.
 */
#include "daemon/match/match_tree.h"

#include "daemon/base/log.h"
#include "daemon/match/match_planes.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define GROUP_SHARES 48u /* offers: a neighbour with no more takes some of a full one's */
#define GROUP_SMALL  24u /* offers: then it is merged, if not more than GROUP_MERGED come together */
#define GROUP_MERGED 48u
#define BLOCK_SMALL  4u
#define BLOCK_MERGED 12u
#define NODE_SMALL   16u
#define NODE_MERGED  48u

static_assert(offsetof(struct fact_group, made) == 0 && offsetof(struct tree_node, made) == 0 &&
                  offsetof(struct tree_block, head) == 0 && offsetof(struct tree_inner, head) == 0,
              "every piece begins with the version it was made for");

/* --- keys ------------------------------------------------------------------------------------------------------ */

#define CURVE_BITS 16

/* The place of a point on Hilbert's curve through the National Grid, in steps of 32 metres. */
static uint32_t curve_of(uint32_t e_metres, uint32_t n_metres)
{
    const uint32_t most = (1u << CURVE_BITS) - 1;
    uint32_t x = e_metres >> 5 < most ? e_metres >> 5 : most, y = n_metres >> 5 < most ? n_metres >> 5 : most;
    uint32_t at = 0;
    for (uint32_t side = 1u << (CURVE_BITS - 1); side > 0; side >>= 1) {
        bool right = (x & side) != 0, upper = (y & side) != 0;
        at = at << 2 | (right ? 3u ^ upper : upper);
        if (upper)
            continue;
        if (right) {
            x = ~x;
            y = ~y;
        }
        uint32_t kept = x;
        x = y;
        y = kept;
    }
    return at;
}

/* What is not to be had keeps away from what is; on one point, those who are alike lie together. */
static uint64_t place_of(const struct facts *facts)
{
    bool never = !facts->vacant || facts->beds_free == 0;
    uint64_t alike =
        (uint64_t)(facts->care_types & 0x7FFF) << 16 | (uint64_t)facts->age_from_months << 8 | facts->age_below_months;
    return (uint64_t)never << 63 | (uint64_t)curve_of(facts->point_e_metres, facts->point_n_metres) << 31 | alike;
}

static struct tree_key key_of(const struct held_offer *held)
{
    return (struct tree_key){held->place, held->national_reference, held->region};
}

static int key_compare(const struct tree_key *a, const struct tree_key *b)
{
    if (a->place != b->place)
        return a->place < b->place ? -1 : 1;
    if (a->reference != b->reference)
        return a->reference < b->reference ? -1 : 1;
    return a->region < b->region ? -1 : a->region > b->region;
}

/* The child where a key belongs. */
static uint32_t slot_of(const struct tree_key *from, uint32_t count, const struct tree_key *key)
{
    uint32_t low = 0, high = count;
    while (high - low > 1) {
        uint32_t middle = low + (high - low) / 2;
        if (key_compare(&from[middle], key) <= 0)
            low = middle;
        else
            high = middle;
    }
    return low;
}

/* --- traits ---------------------------------------------------------------------------------------------------- */

static lanes used_of(uint32_t offers)
{
    return offers == 0 ? 0 : ~UINT64_C(0) >> (LANES - offers);
}

static void traits_of_codes(lanes *traits, const lanes *planes, uint32_t end, lanes flipped)
{
    for (uint32_t code = 0; code < end; code++)
        traits[code] = planes[code] ^ flipped;
}

/* From `least` on: a number's planes as "at least so many". */
static void traits_of_number(lanes *traits, struct number number, lanes who)
{
    for (uint32_t i = 0; i < TREE_ROOM; i++)
        traits[i] = who & ~below(number.bit, NUMBER_BITS, i + 1);
}

void tree_traits_of(const struct fact_group *f, uint32_t offers, lanes traits[TRAIT_END])
{
    struct number free = number_of(f->beds_free);
    lanes vacant = f->vacant[0], somebody = with_any(f->bands_at_home, AGE_BAND_END, BANDS_KNOWN);
    traits_of_number(traits + TRAIT_beds, free, vacant);
    traits_of_number(traits + TRAIT_room_for, least(free, least(number_of(f->terms_cap), number_of(f->limit_cap))),
                     vacant);
    traits_of_number(traits + TRAIT_bedrooms, number_of(f->bedroom_cap), ~UINT64_C(0));
    for (uint32_t year = 0; year < TREE_YEARS; year++)
        traits[TRAIT_years + year] =
            at_most(f->age_from_months, AGE_BITS, 12 * year + 11) & ~at_most(f->age_below_months, AGE_BITS, 12 * year);
    traits_of_codes(traits + TRAIT_sexes, f->sexes, SEX_U + 1, 0);
    traits_of_codes(traits + TRAIT_care_types, f->care_types, CARE_TYPE_END, 0);
    traits_of_codes(traits + TRAIT_features, f->home_features, HOME_FEATURE_END, 0);
    traits_of_codes(traits + TRAIT_lacks_pet, f->pets, PET_END, ~UINT64_C(0));
    traits_of_codes(traits + TRAIT_takes_risk, f->cannot_take, RISK_END, ~UINT64_C(0));
    traits_of_codes(traits + TRAIT_no_band, f->bands_at_home, AGE_BAND_END, ~UINT64_C(0));
    traits[TRAIT_pet] = with_any(f->pets, PET_END, (1u << PET_END) - 1);
    traits[TRAIT_nobody] = ~(somebody | f->bands_at_home[AGE_NONE]);
    traits[TRAIT_somebody] = somebody;
    traits[TRAIT_confirmed] = ~f->lapsed[0];
    for (uint32_t trait = 0; trait < TRAIT_END; trait++)
        traits[trait] &= used_of(offers);
}

static uint32_t asked_codes(uint8_t *traits, uint32_t count, enum trait first, uint32_t end, uint32_t codes)
{
    for (codes &= (1u << end) - 1; codes != 0; codes &= codes - 1)
        traits[count++] = (uint8_t)(first + (uint32_t)__builtin_ctz(codes));
    return count;
}

static uint32_t asked_number(uint8_t *traits, uint32_t count, enum trait first, uint32_t number)
{
    if (number > 0)
        traits[count++] = (uint8_t)(first + (number < TREE_ROOM ? number : TREE_ROOM) - 1);
    return count;
}

static uint32_t asked_year(uint8_t *traits, uint32_t count, uint32_t months)
{
    if (months / 12 < TREE_YEARS)
        traits[count++] = (uint8_t)(TRAIT_years + months / 12);
    return count;
}

static bool is_lifted(const struct asked *a, enum rule rule)
{
    return a->lifted >> rule & 1;
}

/* Of a group that may be split no more is asked than one of them needs, and that each may need otherwise. */
static uint32_t asked_of_children(const struct asked *a, uint8_t *traits, uint32_t count)
{
    const struct criteria *criteria = a->criteria;
    bool numbers_count = !a->staying_put && !is_lifted(a, RULE_H4) && !is_lifted(a, RULE_H5);
    count = asked_number(traits, count, numbers_count ? TRAIT_room_for : TRAIT_beds,
                         a->together ? criteria->child_count : 1);
    if (!a->together)
        return count;
    if (!is_lifted(a, RULE_H7))
        count = asked_number(traits, count, TRAIT_bedrooms, a->over_three);
    if (!is_lifted(a, RULE_H3)) {
        count = asked_year(traits, count, a->youngest_months);
        if (a->oldest_months / 12 != a->youngest_months / 12)
            count = asked_year(traits, count, a->oldest_months);
        count = asked_codes(traits, count, TRAIT_sexes, SEX_U + 1, a->sexes);
    }
    for (uint32_t band = AGE_NONE; band < AGE_BAND_END; band++) {
        bool known = band != AGE_NONE, older = known && age_band_from_months(band) > a->oldest_months;
        bool younger = known && age_band_below_months(band) <= a->youngest_months;
        if ((criteria->alongside == ALONGSIDE_ONLY_WITH_OLDER && !older) ||
            (criteria->alongside == ALONGSIDE_ONLY_WITH_YOUNGER && !younger))
            traits[count++] = (uint8_t)(TRAIT_no_band + band);
    }
    return count;
}

uint32_t tree_traits_asked(const struct asked *a, uint8_t traits[TRAIT_END])
{
    const struct criteria *criteria = a->criteria;
    uint32_t count = asked_of_children(a, traits, 0);
    if (!is_lifted(a, RULE_H3))
        traits[count++] = (uint8_t)(TRAIT_care_types + criteria->care_type);
    if (!is_lifted(a, RULE_H2))
        traits[count++] = TRAIT_confirmed;
    if (!is_lifted(a, RULE_H11))
        count = asked_codes(traits, count, TRAIT_takes_risk, RISK_END, criteria->risks);
    if (criteria->alongside == ALONGSIDE_SOLO)
        traits[count++] = TRAIT_nobody;
    if (criteria->alongside == ALONGSIDE_WITH_OTHER_CHILDREN)
        traits[count++] = TRAIT_somebody;
    if (criteria->pets_must)
        traits[count++] = TRAIT_pet;
    count = asked_codes(traits, count, TRAIT_features, HOME_FEATURE_END, criteria->home_features);
    return asked_codes(traits, count, TRAIT_lacks_pet, PET_END, criteria->no_pets);
}

/* --- pieces ---------------------------------------------------------------------------------------------------- */

/* Zeroed, but for what it was made for. */
static void *piece_new(const struct tree_pen *pen, size_t bytes)
{
    uint64_t *piece = pieces_get(pen->pieces, bytes);
    memset(piece, 0, bytes);
    *piece = pen->made;
    *pen->bytes += bytes;
    return piece;
}

static void *piece_for_change(const struct tree_pen *pen, void *old, size_t bytes)
{
    uint64_t *copy;
    if (*(uint64_t *)old == pen->made)
        return old;
    copy = pieces_get(pen->pieces, bytes);
    memcpy(copy, old, bytes);
    *copy = pen->made;
    *pen->bytes += bytes;
    pen->retire(pen->ctx, old, bytes);
    return copy;
}

static struct tree_block *block_of(struct tree_node *node)
{
    return (struct tree_block *)node;
}

static struct tree_inner *inner_of(struct tree_node *node)
{
    return (struct tree_inner *)node;
}

static size_t node_bytes(const struct tree_node *node)
{
    return node->level == 1 ? sizeof(struct tree_block) : sizeof(struct tree_inner);
}

static struct tree_node *node_new(const struct tree_pen *pen, uint32_t level)
{
    struct tree_node *node = piece_new(pen, level == 1 ? sizeof(struct tree_block) : sizeof(struct tree_inner));
    node->level = level;
    return node;
}

static void node_retire(const struct tree_pen *pen, struct tree_node *node)
{
    pen->retire(pen->ctx, node, node_bytes(node));
}

static bool is_full(const struct tree_node *node)
{
    return node->count == (node->level == 1 ? BLOCK_GROUPS : NODE_CHILDREN);
}

static const struct tree_key *node_from(struct tree_node *node)
{
    return node->level == 1 ? block_of(node)->from : inner_of(node)->from;
}

static uint64_t bits_below(uint32_t bit)
{
    return bit == 64 ? ~UINT64_C(0) : (UINT64_C(1) << bit) - 1;
}

/* `room` empty places for children at `at`. */
static void node_open(struct tree_node *node, uint32_t at, uint32_t room)
{
#define OPEN(of, row) memmove(&(of)->row[at + room], &(of)->row[at], ((of)->head.count - at) * sizeof((of)->row[0]))
    if (node->level == 1) {
        struct tree_block *block = block_of(node);
        for (uint32_t trait = 0; trait < TRAIT_END; trait++)
            OPEN(block, traits[trait]);
        OPEN(block, extents);
        OPEN(block, groups);
        OPEN(block, offers);
        OPEN(block, from);
    } else {
        struct tree_inner *inner = inner_of(node);
        for (uint32_t trait = 0; trait < TRAIT_END; trait++) {
            uint64_t word = inner->traits[trait], above = word & ~bits_below(at);
            inner->traits[trait] = (word ^ above) | above << room;
        }
        OPEN(inner, extents);
        OPEN(inner, children);
        OPEN(inner, from);
    }
#undef OPEN
    node->count += room;
}

static void node_close(struct tree_node *node, uint32_t at, uint32_t gone)
{
    node->count -= gone;
#define CLOSE(of, row) memmove(&(of)->row[at], &(of)->row[at + gone], ((of)->head.count - at) * sizeof((of)->row[0]))
    if (node->level == 1) {
        struct tree_block *block = block_of(node);
        for (uint32_t trait = 0; trait < TRAIT_END; trait++) {
            CLOSE(block, traits[trait]);
            memset(&block->traits[trait][node->count], 0, gone * sizeof block->traits[trait][0]);
        }
        CLOSE(block, extents);
        CLOSE(block, groups);
        CLOSE(block, offers);
        CLOSE(block, from);
    } else {
        struct tree_inner *inner = inner_of(node);
        for (uint32_t trait = 0; trait < TRAIT_END; trait++) {
            uint64_t word = inner->traits[trait], above = word & ~bits_below(at + gone);
            inner->traits[trait] = (word & bits_below(at)) | (gone < NODE_CHILDREN ? above >> gone : 0);
        }
        CLOSE(inner, extents);
        CLOSE(inner, children);
        CLOSE(inner, from);
    }
#undef CLOSE
}

/* `count` children of `from`, from `first` on, go to `at` in `to`; fewer than NODE_CHILDREN. */
static void node_move(struct tree_node *to, uint32_t at, struct tree_node *from, uint32_t first, uint32_t count)
{
    node_open(to, at, count);
#define MOVE(a, b, row) memcpy(&(a)->row[at], &(b)->row[first], count * sizeof((a)->row[0]))
    if (to->level == 1) {
        struct tree_block *a = block_of(to), *b = block_of(from);
        for (uint32_t trait = 0; trait < TRAIT_END; trait++)
            MOVE(a, b, traits[trait]);
        MOVE(a, b, extents);
        MOVE(a, b, groups);
        MOVE(a, b, offers);
        MOVE(a, b, from);
    } else {
        struct tree_inner *a = inner_of(to), *b = inner_of(from);
        for (uint32_t trait = 0; trait < TRAIT_END; trait++)
            a->traits[trait] =
                (a->traits[trait] & ~(bits_below(count) << at)) | (b->traits[trait] >> first & bits_below(count)) << at;
        MOVE(a, b, extents);
        MOVE(a, b, children);
        MOVE(a, b, from);
    }
#undef MOVE
    node_close(from, first, count);
}

/* --- summing up ------------------------------------------------------------------------------------------------ */

static struct extent extent_of(const struct extent *extents, uint32_t count)
{
    struct extent whole = {UINT32_MAX, 0, UINT32_MAX, 0};
    for (uint32_t i = 0; i < count; i++) {
        const struct extent *one = &extents[i];
        whole.west_metres = one->west_metres < whole.west_metres ? one->west_metres : whole.west_metres;
        whole.east_metres = one->east_metres > whole.east_metres ? one->east_metres : whole.east_metres;
        whole.south_metres = one->south_metres < whole.south_metres ? one->south_metres : whole.south_metres;
        whole.north_metres = one->north_metres > whole.north_metres ? one->north_metres : whole.north_metres;
    }
    return whole;
}

/* After group `at` has changed. */
static void group_sum_up(struct tree_block *block, uint32_t at)
{
    struct fact_group *group = block->groups[at];
    lanes traits[TRAIT_END];
    facts_sum_up(group, block->offers[at]);
    tree_traits_of(group, block->offers[at], traits);
    for (uint32_t trait = 0; trait < TRAIT_END; trait++)
        block->traits[trait][at] = traits[trait];
    block->extents[at] =
        (struct extent){group->west_metres, group->east_metres, group->south_metres, group->north_metres};
}

/* After child `at` has changed. */
static void child_sum_up(struct tree_inner *inner, uint32_t at)
{
    struct tree_node *child = inner->children[at];
    const uint64_t bit = UINT64_C(1) << at;
    for (uint32_t trait = 0; trait < TRAIT_END; trait++) {
        uint64_t any = 0;
        if (child->level == 1)
            for (uint32_t i = 0; i < BLOCK_GROUPS; i++)
                any |= block_of(child)->traits[trait][i];
        else
            any = inner_of(child)->traits[trait];
        inner->traits[trait] = (inner->traits[trait] & ~bit) | (any != 0 ? bit : 0);
    }
    inner->extents[at] =
        extent_of(child->level == 1 ? block_of(child)->extents : inner_of(child)->extents, child->count);
}

static void count_traits(struct tree *tree, const struct tree_block *block, uint32_t at, uint32_t lane, uint32_t one)
{
    for (uint32_t trait = 0; trait < TRAIT_END; trait++)
        tree->having[trait] += one * (uint32_t)(block->traits[trait][at] >> lane & 1);
}

/* --- making room ----------------------------------------------------------------------------------------------- */

struct keyed_lane {
    struct tree_key key;
    const struct fact_group *group;
    uint32_t lane;
};

static int by_key(const void *a, const void *b)
{
    return key_compare(&((const struct keyed_lane *)a)->key, &((const struct keyed_lane *)b)->key);
}

static uint32_t keyed_lanes(const struct tree_block *block, uint32_t at, struct keyed_lane *out)
{
    for (uint32_t lane = 0; lane < block->offers[at]; lane++)
        out[lane] = (struct keyed_lane){key_of(block->groups[at]->held[lane]), block->groups[at], lane};
    return block->offers[at];
}

/* A group made of these offers; what was in its place is not retired. */
static void group_fill(const struct tree_pen *pen, struct tree_block *block, uint32_t at,
                       const struct keyed_lane *offers, uint32_t count)
{
    struct fact_group *group = piece_new(pen, sizeof *group);
    for (uint32_t i = 0; i < count; i++)
        facts_move(group, i, offers[i].group, offers[i].lane);
    block->groups[at] = group;
    block->offers[at] = (uint8_t)count;
    group_sum_up(block, at);
}

/* A full group shares with a neighbour that has room, so that groups are well filled; else it becomes two. */
static void relieve_group(const struct tree_pen *pen, struct tree_block *block, uint32_t at)
{
    struct keyed_lane offers[2 * LANES];
    uint32_t left = at;
    bool shares = true;
    if (at + 1 < block->head.count && block->offers[at + 1] <= GROUP_SHARES)
        left = at;
    else if (at > 0 && block->offers[at - 1] <= GROUP_SHARES)
        left = at - 1;
    else
        shares = false;
    uint32_t count = keyed_lanes(block, left, offers);
    pen->retire(pen->ctx, block->groups[left], sizeof *block->groups[left]);
    if (shares) {
        count += keyed_lanes(block, left + 1, offers + count);
        pen->retire(pen->ctx, block->groups[left + 1], sizeof *block->groups[left + 1]);
    } else {
        node_open(&block->head, left + 1, 1);
    }
    qsort(offers, count, sizeof offers[0], by_key);
    group_fill(pen, block, left, offers, count / 2);
    group_fill(pen, block, left + 1, offers + count / 2, count - count / 2);
    block->from[left + 1] = offers[count / 2].key; /* that of the left one stays: what lies before its offers is its */
}

static struct tree_node *child_for_change(const struct tree_pen *pen, struct tree_inner *inner, uint32_t at)
{
    return inner->children[at] = piece_for_change(pen, inner->children[at], node_bytes(inner->children[at]));
}

/* After children `left` and the next have exchanged some. */
static void neighbours_sum_up(struct tree_inner *inner, uint32_t left)
{
    inner->from[left + 1] = node_from(inner->children[left + 1])[0];
    child_sum_up(inner, left);
    child_sum_up(inner, left + 1);
}

/* The first child's own key may be lower than any it has: it counts once others come before it. */
static void first_key_counts(struct tree_inner *inner, uint32_t at)
{
    struct tree_node *child = inner->children[at];
    if (child->level == 1)
        block_of(child)->from[0] = inner->from[at];
    else
        inner_of(child)->from[0] = inner->from[at];
}

/* Likewise of a full child; the node has room. */
static void relieve_child(const struct tree_pen *pen, struct tree_inner *inner, uint32_t at)
{
    struct tree_node *full = child_for_change(pen, inner, at);
    uint32_t shares = full->count / 4 * 3;
    if (at + 1 < inner->head.count && inner->children[at + 1]->count <= shares) {
        struct tree_node *right = child_for_change(pen, inner, at + 1);
        uint32_t count = (full->count - right->count) / 2;
        first_key_counts(inner, at + 1);
        node_move(right, 0, full, full->count - count, count);
        neighbours_sum_up(inner, at);
    } else if (at > 0 && inner->children[at - 1]->count <= shares) {
        struct tree_node *left = child_for_change(pen, inner, at - 1);
        first_key_counts(inner, at);
        node_move(left, left->count, full, 0, (full->count - left->count) / 2);
        neighbours_sum_up(inner, at - 1);
    } else {
        struct tree_node *right = node_new(pen, full->level);
        node_move(right, 0, full, full->count / 2, full->count - full->count / 2);
        node_open(&inner->head, at + 1, 1);
        inner->children[at + 1] = right;
        neighbours_sum_up(inner, at);
    }
}

/* --- coming and going ------------------------------------------------------------------------------------------ */

/* From the root to a block: the slot taken in each. */
struct path {
    struct tree_inner *inners[TREE_LEVELS_MAX];
    uint32_t slots[TREE_LEVELS_MAX], depth;
    struct tree_block *block;
    uint32_t slot;
};

static struct tree_node *root_with_room(struct tree *tree, const struct tree_pen *pen)
{
    if (tree->root == NULL) {
        tree->root = node_new(pen, 1);
        block_of(tree->root)->groups[0] = piece_new(pen, sizeof(struct fact_group));
        tree->root->count = 1;
    }
    tree->root = piece_for_change(pen, tree->root, node_bytes(tree->root));
    if (is_full(tree->root)) {
        struct tree_node *above = node_new(pen, tree->root->level + 1);
        if (above->level > TREE_LEVELS_MAX)
            log_fatal("match", "too many offers");
        above->count = 1;
        inner_of(above)->children[0] = tree->root;
        tree->root = above;
        relieve_child(pen, inner_of(above), 0);
    }
    return tree->root;
}

/* All for change, and with room. */
static void path_with_room(struct tree *tree, const struct tree_pen *pen, const struct tree_key *key, struct path *path)
{
    struct tree_node *node = root_with_room(tree, pen);
    path->depth = 0;
    while (node->level > 1) {
        struct tree_inner *inner = inner_of(node);
        uint32_t slot = slot_of(inner->from, node->count, key);
        if (is_full(inner->children[slot])) {
            relieve_child(pen, inner, slot);
            slot = slot_of(inner->from, node->count, key);
        }
        node = child_for_change(pen, inner, slot);
        path->inners[path->depth] = inner;
        path->slots[path->depth++] = slot;
    }
    path->block = block_of(node);
    path->slot = slot_of(path->block->from, node->count, key);
    if (path->block->offers[path->slot] == LANES) {
        relieve_group(pen, path->block, path->slot);
        path->slot = slot_of(path->block->from, node->count, key);
        if (path->block->offers[path->slot] == LANES)
            log_fatal("match", "a group has no room for an offer that belongs there");
    }
    struct fact_group **group = &path->block->groups[path->slot];
    *group = piece_for_change(pen, *group, sizeof **group);
}

void tree_insert(struct tree *tree, const struct tree_pen *pen, const struct facts *facts, struct held_offer *held)
{
    struct path path;
    held->place = place_of(facts);
    const struct tree_key key = key_of(held);
    path_with_room(tree, pen, &key, &path);
    uint32_t lane = path.block->offers[path.slot]++;
    facts_put(path.block->groups[path.slot], lane, facts);
    group_sum_up(path.block, path.slot);
    count_traits(tree, path.block, path.slot, lane, 1);
    while (path.depth-- > 0)
        child_sum_up(path.inners[path.depth], path.slots[path.depth]);
    tree->offers++;
}

/* Small neighbours become one. True: the slot is gone, or another group's. */
static void merge_group(const struct tree_pen *pen, struct tree_block *block, uint32_t at)
{
    uint32_t left = at > 0 ? at - 1 : at, right = left + 1;
    if (block->offers[at] == 0) {
        pen->retire(pen->ctx, block->groups[at], sizeof *block->groups[at]);
        node_close(&block->head, at, 1);
        return;
    }
    if (block->offers[at] > GROUP_SMALL || right == block->head.count ||
        block->offers[left] + block->offers[right] > (int)GROUP_MERGED)
        return;
    struct fact_group *to = block->groups[left] = piece_for_change(pen, block->groups[left], sizeof *to);
    for (uint32_t lane = 0; lane < block->offers[right]; lane++)
        facts_move(to, block->offers[left]++, block->groups[right], lane);
    pen->retire(pen->ctx, block->groups[right], sizeof *to);
    node_close(&block->head, right, 1);
    group_sum_up(block, left);
}

/* Child `at`, for change as it is, has lost something. */
static void merge_child(const struct tree_pen *pen, struct tree_inner *inner, uint32_t at)
{
    struct tree_node *child = inner->children[at];
    uint32_t left = at > 0 ? at - 1 : at, right = left + 1;
    if (child->count == 0) {
        node_retire(pen, child);
        node_close(&inner->head, at, 1);
        return;
    }
    child_sum_up(inner, at);
    if (child->count > (child->level == 1 ? BLOCK_SMALL : NODE_SMALL) || right == inner->head.count ||
        inner->children[left]->count + inner->children[right]->count > (child->level == 1 ? BLOCK_MERGED : NODE_MERGED))
        return;
    struct tree_node *to = child_for_change(pen, inner, left), *from = child_for_change(pen, inner, right);
    first_key_counts(inner, right);
    node_move(to, to->count, from, 0, from->count);
    node_retire(pen, from);
    node_close(&inner->head, right, 1);
    child_sum_up(inner, left);
}

static void shrink_root(struct tree *tree, const struct tree_pen *pen)
{
    while (tree->root->count == 0 || (tree->root->level > 1 && tree->root->count == 1)) {
        struct tree_node *old = tree->root;
        tree->root = old->count == 0 ? NULL : inner_of(old)->children[0];
        node_retire(pen, old);
        if (tree->root == NULL)
            return;
    }
}

/* UINT32_MAX: it is not there. */
static uint32_t lane_of(struct tree *tree, const struct held_offer *held, struct path *path)
{
    const struct tree_key key = key_of(held);
    struct tree_node *node = tree->root;
    path->depth = 0;
    if (node == NULL)
        return UINT32_MAX;
    while (node->level > 1) {
        uint32_t slot = path->slots[path->depth++] = slot_of(inner_of(node)->from, node->count, &key);
        node = inner_of(node)->children[slot];
    }
    path->block = block_of(node);
    path->slot = slot_of(path->block->from, node->count, &key);
    for (uint32_t lane = 0; lane < path->block->offers[path->slot]; lane++)
        if (path->block->groups[path->slot]->held[lane] == held)
            return lane;
    return UINT32_MAX;
}

bool tree_remove(struct tree *tree, const struct tree_pen *pen, const struct held_offer *held, uint32_t *agency)
{
    struct path path;
    uint32_t lane = lane_of(tree, held, &path);
    if (lane == UINT32_MAX)
        return false;
    struct tree_node *node = tree->root = piece_for_change(pen, tree->root, node_bytes(tree->root));
    for (uint32_t i = 0; i < path.depth; i++) {
        path.inners[i] = inner_of(node);
        node = child_for_change(pen, path.inners[i], path.slots[i]);
    }
    struct tree_block *block = block_of(node);
    struct fact_group *group = block->groups[path.slot] =
        piece_for_change(pen, block->groups[path.slot], sizeof *group);
    *agency = group->agency[lane];
    count_traits(tree, block, path.slot, lane, UINT32_MAX); /* minus one */
    facts_move(group, lane, group, --block->offers[path.slot]);
    if (block->offers[path.slot] > 0)
        group_sum_up(block, path.slot);
    merge_group(pen, block, path.slot);
    while (path.depth-- > 0)
        merge_child(pen, path.inners[path.depth], path.slots[path.depth]);
    shrink_root(tree, pen);
    tree->offers--;
    return true;
}

/* --- the whole ------------------------------------------------------------------------------------------------- */

const struct fact_group *tree_next_group(const struct tree *tree, uint32_t at[TREE_LEVELS_MAX], uint32_t *count)
{
    while (tree->root != NULL) {
        struct tree_node *node = tree->root;
        uint32_t depth = 0;
        while (node->level > 1 && at[depth] < node->count)
            node = inner_of(node)->children[at[depth++]];
        if (at[depth] < node->count) {
            *count = block_of(node)->offers[at[depth]];
            return block_of(node)->groups[at[depth]++];
        }
        if (depth == 0)
            return NULL;
        at[depth] = 0;
        at[depth - 1]++;
    }
    return NULL;
}

static void node_free(struct tree_node *node, struct pieces *pieces)
{
    for (uint32_t i = 0; i < node->count; i++) {
        if (node->level > 1)
            node_free(inner_of(node)->children[i], pieces);
        else
            pieces_put(pieces, block_of(node)->groups[i]);
    }
    pieces_put(pieces, node);
}

void tree_free(struct tree *tree, struct pieces *pieces)
{
    if (tree->root != NULL)
        node_free(tree->root, pieces);
    *tree = (struct tree){0};
}
