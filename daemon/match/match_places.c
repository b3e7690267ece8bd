/* match_places.c - see match_places.h. Invariant: at least half of the rows are free, so that a look-up is short. */
#include "daemon/match/match_places.h"

#include "daemon/base/log.h"
#include "daemon/match/match_tree.h"

#include <stdlib.h>

/* References are random, in all regions together; a multiplication spreads those of tests as well. */
static size_t home_of(const struct places *places, uint64_t reference)
{
    return (size_t)(reference * UINT64_C(0x9E3779B97F4A7C15) >> 20) & (places->capacity - 1);
}

static struct held_offer **find(const struct places *places, uint16_t region, uint64_t reference)
{
    size_t at = home_of(places, reference);
    for (struct held_offer **row; row = &places->rows[at], *row != NULL; at = (at + 1) & (places->capacity - 1))
        if ((*row)->national_reference == reference && (*row)->region == region)
            return row;
    return &places->rows[at];
}

static void grow(struct places *places)
{
    struct places old = *places;
    places->capacity = old.capacity ? 2 * old.capacity : 1024;
    places->rows = calloc(places->capacity, sizeof *places->rows);
    if (places->rows == NULL)
        log_fatal("match", "out of memory for %zu offers", places->capacity);
    for (size_t i = 0; i < old.capacity; i++)
        if (old.rows[i] != NULL)
            *find(places, old.rows[i]->region, old.rows[i]->national_reference) = old.rows[i];
    free(old.rows);
}

struct held_offer **places_find(struct places *places, uint16_t region, uint64_t reference)
{
    if (2 * (places->count + 1) > places->capacity)
        grow(places);
    return find(places, region, reference);
}

/* Closes the gap, so that no row needs a tombstone. */
void places_remove(struct places *places, struct held_offer **row)
{
    size_t mask = places->capacity - 1, gap = (size_t)(row - places->rows);
    for (size_t at = (gap + 1) & mask; places->rows[at] != NULL; at = (at + 1) & mask) {
        size_t home = home_of(places, places->rows[at]->national_reference);
        if (((at - home) & mask) < ((at - gap) & mask))
            continue;
        places->rows[gap] = places->rows[at];
        gap = at;
    }
    places->rows[gap] = NULL;
    places->count--;
}

void places_finish(struct places *places)
{
    for (size_t i = 0; i < places->capacity; i++)
        free(places->rows[i]);
    free(places->rows);
    *places = (struct places){0};
}
