/*
 * match_places.h - which offer is the region's of this national reference, in the version being built. Private to
 * daemon/match.
 *
 * Owns: a table from (region, national reference) to the offer that is held: one region's reference never leads to
 * another region's offer. Where it lies in the tree is in the offer. Thread: whoever holds the index's writer lock.
 */
#ifndef VACANCY_MATCH_MATCH_PLACES_H
#define VACANCY_MATCH_MATCH_PLACES_H

#include <stddef.h>
#include <stdint.h>

struct held_offer;

/* Zeroed: empty. */
struct places {
    struct held_offer **rows; /* open addressing; NULL: the row is free */
    size_t count, capacity;   /* a power of two */
};

/* The offer's row, or the free one where it belongs, good until the next call: fill it and count it, and it is in. */
struct held_offer **places_find(struct places *places, uint16_t region, uint64_t reference);
/* Whose offer may be gone already. */
void places_remove(struct places *places, struct held_offer **row);
/* Frees the offers as well. */
void places_finish(struct places *places);

#endif
