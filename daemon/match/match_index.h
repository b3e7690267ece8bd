/*
 * match_index.h - all offers as immutable versions. Private to daemon/match.
 *
 * A version is a persistent tree over the National Grid:
 *
 *     match_version -> block (4 x 4 cells, 64 km) -> bucket (one 16 km cell) -> fact_group (64 offers) -> held_offer
 *
 * Owns: the versions, who reads them, when their pieces are freed. A commit copies the pieces it changes (a root, and a
 * block and a bucket per offer) and publishes the new root through an atomic pointer.
 * Thread: index_pin, index_unpin: any; the commit observer: the writers', one at a time (a lock).
 * Invariant: what a pinned version can reach is neither changed nor freed. A piece that version v no longer reaches is
 * freed once no reader announces a version below v.
 */
#ifndef VACANCY_MATCH_MATCH_INDEX_H
#define VACANCY_MATCH_MATCH_INDEX_H

#include "daemon/match/match_rules.h"
#include "daemon/record/roster.h"

#define REGIONS_MAX  (ROSTER_REGIONS_MAX + 1) /* those of a roster, and one's own */
#define CELL_METRES  16000u
#define CELLS_EAST   44u /* 704 km */
#define CELLS_NORTH  82u /* 1,304 km */
#define BLOCK_CELLS  4u
#define BLOCKS_EAST  ((CELLS_EAST + BLOCK_CELLS - 1) / BLOCK_CELLS)
#define BLOCKS_NORTH ((CELLS_NORTH + BLOCK_CELLS - 1) / BLOCK_CELLS)

/* An offer read once, when it was committed: a struct offer without the part of its arrays that is not used. */
struct held_offer {
    uint64_t national_reference;
    uint32_t size;
    uint8_t bytes[];
};

void held_read(const struct held_offer *held, struct offer *out);

/* All groups but the last are full. */
struct bucket {
    uint64_t made; /* the version it was made for: only that one's writer may change it; of a group as well */
    uint32_t count, capacity; /* offers; groups that there is room for */
    struct fact_group *groups[];
};

struct block {
    uint64_t made;
    struct bucket *buckets[BLOCK_CELLS * BLOCK_CELLS];
};

/* Numbers are given once and never used again for another agency. An agency is one region's: two regions' agencies with
 * the same id are two. */
struct agency_list {
    uint64_t made;
    uint32_t count, capacity;
    struct agency_slot {
        const struct agency *row; /* NULL: an offer names it, but it isn't known */
        const char *region;       /* whose it is, and each of its offers: its code, which outlives the versions */
        bool active;
    } slots[];
};

/* Sorted by region. */
struct position_list {
    uint32_t count;
    struct region_position rows[];
};

struct match_version {
    uint64_t number, offers, bytes;
    uint32_t inactive; /* agencies that have offers: as a rule none, and nobody looks at each offer's */
    struct agency_list *agencies;
    struct position_list *positions;
    /* Cells that may hold offers lie within these, inclusive. */
    uint32_t first_east, last_east, first_north, last_north;
    struct block *blocks[BLOCKS_EAST * BLOCKS_NORTH];
};

/* The current version, kept until index_unpin; NULL when MATCH_SEARCHES_MAX are pinned. */
const struct match_version *index_pin(struct match *match, uint32_t *slot);
void index_unpin(struct match *match, uint32_t slot);
const struct gazetteer *index_gazetteer(const struct match *match);

/* Every group of a version, one after the other, in the index's own order: zero the cursor, then call until NULL.
 * *count: offers in the group; its lanes from 0. The order may differ between versions, not between walks of one. */
struct group_cursor {
    uint32_t at[4]; /* the index's */
};
const struct fact_group *version_next_group(const struct match_version *version, struct group_cursor *cursor,
                                            uint32_t *count);

static inline lanes lanes_used(uint32_t count)
{
    return ~UINT64_C(0) >> (LANES - count);
}

/* The lanes among `judged` whose agency is active: as a rule every agency is. */
static inline lanes version_active(const struct match_version *version, const struct fact_group *group, lanes judged)
{
    const struct agency_slot *agencies = version->agencies->slots;
    lanes active = 0;
    if (version->inactive == 0)
        return ~UINT64_C(0);
    for (lanes left = judged; left != 0; left &= left - 1) {
        uint32_t lane = (uint32_t)__builtin_ctzll(left);
        active |= (lanes)agencies[group->agency[lane]].active << lane;
    }
    return active;
}

/* The cell of a point; points outside the grid belong to its nearest cell. */
static inline uint32_t cell_east(uint32_t e_metres)
{
    return e_metres / CELL_METRES < CELLS_EAST ? e_metres / CELL_METRES : CELLS_EAST - 1;
}

static inline uint32_t cell_north(uint32_t n_metres)
{
    return n_metres / CELL_METRES < CELLS_NORTH ? n_metres / CELL_METRES : CELLS_NORTH - 1;
}

/* May be NULL. */
static inline const struct bucket *version_bucket(const struct match_version *version, uint32_t east, uint32_t north)
{
    const struct block *block = version->blocks[north / BLOCK_CELLS * BLOCKS_EAST + east / BLOCK_CELLS];
    return block ? block->buckets[north % BLOCK_CELLS * BLOCK_CELLS + east % BLOCK_CELLS] : NULL;
}

#endif
