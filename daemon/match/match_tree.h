/*
 * match_tree.h - the groups of a version as a persistent tree. Private to daemon/match.
 *
 *     node (up to 64 children) -> ... -> block (up to 16 groups) -> fact_group (64 offers) -> held_offer
 *
 * A B+-tree: offers lie in the order of a key (what can never be found apart, then a space-filling curve), so that what
 * lies close together on the map lies close together here; within a group they are unsorted. What a search asks is a
 * set of traits, each yes or no of an offer, and each written so that an offer that lacks one of them can't suit. A
 * block knows the traits of each offer of its groups, as bit planes, a node of each of its children whether any offer
 * below has it: so one operation on a word rules out up to 64 offers, or 64 children.
 *
 * Owns: the tree, traits, what is copied when an offer comes or goes (one piece of each level).
 * Not here: versions and who reads them (match_index.h), the walk (match_search.h), what suits (match_rules.h).
 * Thread: readers any; a change: whoever holds the index's writer lock. Invariant: no piece made for another version
 * than the pen's is changed; every trait of a group follows from the group alone.
 */
#ifndef VACANCY_MATCH_MATCH_TREE_H
#define VACANCY_MATCH_MATCH_TREE_H

#include "daemon/match/match_pieces.h"
#include "daemon/match/match_rules.h"

#include "daemon/record/offer.h"

#define BLOCK_GROUPS  16u
#define NODE_CHILDREN 64u
/* Of nodes and blocks: at the least filled, that is far more offers than there are homes. */
#define TREE_LEVELS_MAX 8u

/* An offer read once, when it was committed: a struct offer without the part of its arrays that is not used. */
struct held_offer {
    uint64_t national_reference;
    uint64_t place; /* the first part of its key in the tree; the others are reference and region */
    uint32_t size;
    uint16_t region; /* the index's number of it */
    uint8_t bytes[];
};

struct tree_key {
    uint64_t place, reference;
    uint32_t region;
};

/*
 * X(name, how many): an offer has trait name + i if
 *   room_for + i: it is vacant and i + 1 more children find a bed within the terms and the usual limit (i: up to 3)
 *   beds + i: it is vacant and has i + 1 beds free; bedrooms + i: i + 1 children over 3 find a bedroom
 *   years + i: a child of i years (of any month of that year, at least) is within the terms
 *   sexes, care_types, features + i: code i; lacks_pet, takes_risk, no_band + i: not code i (a band: of a child there;
 *   AGE_NONE: of a bed held); nobody: no child there and no bed held; somebody: a child there
 *   confirmed: not lapsed by its hub. Its validity may have run out all the same
 */
#define TREE_ROOM  4
#define TREE_YEARS 21
#define TREE_TRAITS(X)                                                                                                 \
    X(room_for, TREE_ROOM)                                                                                             \
    X(beds, TREE_ROOM)                                                                                                 \
    X(bedrooms, TREE_ROOM)                                                                                             \
    X(years, TREE_YEARS)                                                                                               \
    X(sexes, SEX_U + 1)                                                                                                \
    X(care_types, CARE_TYPE_END)                                                                                       \
    X(features, HOME_FEATURE_END)                                                                                      \
    X(lacks_pet, PET_END)                                                                                              \
    X(takes_risk, RISK_END)                                                                                            \
    X(no_band, AGE_BAND_END)                                                                                           \
    X(pet, 1)                                                                                                          \
    X(nobody, 1)                                                                                                       \
    X(somebody, 1)                                                                                                     \
    X(confirmed, 1)

/* TRAIT_room_for is the number of its first; TRAIT_room_for_LAST of its last. */
enum trait {
#define TRAIT_NUMBER(name, how_many) TRAIT_##name, TRAIT_##name##_LAST = TRAIT_##name + (how_many)-1,
    TREE_TRAITS(TRAIT_NUMBER)
#undef TRAIT_NUMBER
        TRAIT_END
};

struct extent {
    uint32_t west_metres, east_metres, south_metres, north_metres;
};

/* What both kinds have in common. */
struct tree_node {
    uint64_t made;  /* the version it was made for */
    uint32_t level; /* 1: a block; children of a node are one level lower */
    uint32_t count; /* children, or groups */
};

struct tree_block {
    struct tree_node head;
    lanes traits[TRAIT_END][BLOCK_GROUPS]; /* 0 beyond the groups and their offers */
    struct extent extents[BLOCK_GROUPS];
    struct fact_group *groups[BLOCK_GROUPS];
    uint8_t offers[BLOCK_GROUPS];
    struct tree_key from[BLOCK_GROUPS]; /* no key of the group is less; that of the first counts for nothing */
};

struct tree_inner {
    struct tree_node head;
    uint64_t traits[TRAIT_END]; /* bit n: some offer below child n has it */
    struct extent extents[NODE_CHILDREN];
    struct tree_node *children[NODE_CHILDREN];
    struct tree_key from[NODE_CHILDREN];
};

struct tree {
    struct tree_node *root; /* NULL: no offers */
    uint64_t offers;
    uint32_t having[TRAIT_END]; /* how many have a trait */
};

/* What the writer changes trees with: the version that is being built, its octets, and where pieces go that it does not
 * reach any more. Out of memory is fatal. */
struct tree_pen {
    uint64_t made;
    uint64_t *bytes;
    struct pieces *pieces; /* where they come from */
    void (*retire)(void *ctx, void *piece, size_t bytes);
    void *ctx;
};

/* Sets facts->held->place. The key of `held` must be in no tree twice; both are borrowed as long as a version has them.
 */
void tree_insert(struct tree *tree, const struct tree_pen *pen, const struct facts *facts, struct held_offer *held);
/* False: it is not there. Its agency's number is told. Does not retire `held`. */
bool tree_remove(struct tree *tree, const struct tree_pen *pen, const struct held_offer *held, uint32_t *agency);
/* Gives back all pieces but the offers' own. */
void tree_free(struct tree *tree, struct pieces *pieces);

/* The next group in the order of keys: zero the places first. NULL: none is left. *count: its offers. */
const struct fact_group *tree_next_group(const struct tree *tree, uint32_t at[TREE_LEVELS_MAX], uint32_t *count);

/* Who of a group's offers have each trait. */
void tree_traits_of(const struct fact_group *group, uint32_t offers, lanes traits[TRAIT_END]);
/* The traits that whatever suits such a request has; at most TRAIT_END. */
uint32_t tree_traits_asked(const struct asked *asked, uint8_t traits[TRAIT_END]);

/* Square of the distance to the nearest place where an offer may lie. */
static inline uint64_t extent_nearest_squared(const struct extent *extent, uint32_t e_metres, uint32_t n_metres)
{
    uint64_t east = gap_of(e_metres, extent->west_metres, extent->east_metres);
    uint64_t north = gap_of(n_metres, extent->south_metres, extent->north_metres);
    return east * east + north * north;
}

#endif
