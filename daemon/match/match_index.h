/*
 * match_index.h - all offers as immutable versions. Private to daemon/match.
 *
 * Owns: the versions, who reads them, when their pieces are freed. A commit copies the pieces it changes (a root, and
 * one piece of each level of the tree per offer: match_tree.h) and publishes the new root through an atomic pointer.
 * Thread: index_pin, index_unpin: any; the commit observer: the writers', one at a time (a lock).
 * Invariant: what a pinned version can reach is neither changed nor freed. A piece that version v no longer reaches is
 * freed once no reader announces a version below v.
 */
#ifndef VACANCY_MATCH_MATCH_INDEX_H
#define VACANCY_MATCH_MATCH_INDEX_H

#include "daemon/match/match_tree.h"
#include "daemon/record/roster.h"

#define REGIONS_MAX (ROSTER_REGIONS_MAX + 1) /* those of a roster, and one's own */

void held_read(const struct held_offer *held, struct offer *out);
/* Does the household state this language? Without reading the rest of it. */
bool held_speaks(const struct held_offer *held, const char *tag);

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
    uint64_t number, bytes;
    uint32_t inactive; /* agencies that have offers: as a rule none, and nobody looks at each offer's */
    struct agency_list *agencies;
    struct position_list *positions;
    struct tree tree;
};

/* The current version, kept until index_unpin; NULL when MATCH_SEARCHES_MAX are pinned. */
const struct match_version *index_pin(struct match *match, uint32_t *slot);
void index_unpin(struct match *match, uint32_t slot);
const struct gazetteer *index_gazetteer(const struct match *match);

/* Every group of a version, one after the other, in the index's own order: zero the cursor, then call until NULL.
 * *count: offers in the group; its lanes from 0. The order may differ between versions, not between walks of one. */
struct group_cursor {
    uint32_t at[TREE_LEVELS_MAX]; /* the index's */
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

/* Whose register an offer is in: its region's code, which outlives the version. */
static inline const char *version_region(const struct match_version *version, const struct fact_group *group,
                                         uint32_t lane)
{
    return version->agencies->slots[group->agency[lane]].region;
}

#endif
