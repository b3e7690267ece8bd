/*
 * match_places.h - where each offer lies in the version that is being built. Private to daemon/match.
 *
 * Owns: a table from (region, national reference) to the cell and the offer held there: one region's reference never
 * leads to another region's offer. Thread: whoever holds the index's writer lock.
 */
#ifndef VACANCY_MATCH_MATCH_PLACES_H
#define VACANCY_MATCH_MATCH_PLACES_H

#include <stddef.h>
#include <stdint.h>

struct held_offer;

struct place_row {
    uint64_t national_reference;
    const struct held_offer *held; /* NULL: the row is free */
    uint16_t region;               /* the index's number of it */
    uint16_t east, north;          /* cell */
};

/* Zeroed: empty. */
struct places {
    struct place_row *rows; /* open addressing */
    size_t count, capacity; /* a power of two */
};

/* The offer's row, or the free one where it belongs, good until the next call: fill it and count it, and it is in. */
struct place_row *places_find(struct places *places, uint16_t region, uint64_t reference);
void places_remove(struct places *places, struct place_row *row);
void places_finish(struct places *places);

#endif
