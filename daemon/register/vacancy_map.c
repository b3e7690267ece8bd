/*
 * vacancy_map.c - see vacancy_map.h.
 * Owns: one array of pairs, at most half full. The writer's thread. Invariant: between a pair's home slot and its own
 * no slot is free, so that the first free one ends a search.
 */
#include "daemon/register/vacancy_map.h"

#include "daemon/base/log.h"

#include <stdbool.h>
#include <stdlib.h>

#define SLOTS_LEAST 128

struct pair {
    uint64_t vacancy_id; /* 0: free */
    uint64_t national_reference;
};

struct vacancy_map {
    struct pair *pairs;
    size_t count, slots; /* a power of two */
};

static struct pair *make_pairs(size_t slots)
{
    struct pair *pairs = calloc(slots, sizeof *pairs);
    if (pairs == NULL)
        log_fatal("register", "no memory for a map of %zu vacancies", slots / 2);
    return pairs;
}

struct vacancy_map *vacancy_map_create(void)
{
    struct vacancy_map *map = calloc(1, sizeof *map);
    if (map == NULL)
        log_fatal("register", "no memory for a map of vacancies");
    map->slots = SLOTS_LEAST;
    map->pairs = make_pairs(map->slots);
    return map;
}

void vacancy_map_destroy(struct vacancy_map *map)
{
    if (map == NULL)
        return;
    free(map->pairs);
    free(map);
}

/* Ids are random, but a mix costs nothing and keeps tests with small ones fast. */
static size_t home_slot(const struct vacancy_map *map, uint64_t vacancy_id)
{
    return (size_t)((vacancy_id * 0x9e3779b97f4a7c15u) >> 20) & (map->slots - 1);
}

/* Where the id is, or the free slot where it would go. */
static size_t find(const struct vacancy_map *map, uint64_t vacancy_id)
{
    size_t slot = home_slot(map, vacancy_id);
    while (map->pairs[slot].vacancy_id != 0 && map->pairs[slot].vacancy_id != vacancy_id)
        slot = (slot + 1) & (map->slots - 1);
    return slot;
}

static void grow(struct vacancy_map *map)
{
    struct vacancy_map larger = {make_pairs(2 * map->slots), map->count, 2 * map->slots};
    for (size_t i = 0; i < map->slots; i++)
        if (map->pairs[i].vacancy_id != 0)
            larger.pairs[find(&larger, map->pairs[i].vacancy_id)] = map->pairs[i];
    free(map->pairs);
    *map = larger;
}

/* Those that come after it move up, where a search would otherwise end before them. */
static void remove_at(struct vacancy_map *map, size_t hole)
{
    size_t mask = map->slots - 1;
    map->count--;
    for (size_t at = (hole + 1) & mask; map->pairs[at].vacancy_id != 0; at = (at + 1) & mask) {
        size_t wanted = home_slot(map, map->pairs[at].vacancy_id);
        if (((at - wanted) & mask) < ((at - hole) & mask))
            continue; /* its home lies after the hole */
        map->pairs[hole] = map->pairs[at];
        hole = at;
    }
    map->pairs[hole].vacancy_id = 0;
}

void vacancy_map_set(struct vacancy_map *map, uint64_t vacancy_id, uint64_t national_reference)
{
    size_t slot = find(map, vacancy_id);
    bool known = map->pairs[slot].vacancy_id != 0;
    if (national_reference == 0) {
        if (known)
            remove_at(map, slot);
        return;
    }
    map->pairs[slot] = (struct pair){vacancy_id, national_reference};
    map->count += !known;
    if (2 * map->count > map->slots)
        grow(map);
}

uint64_t vacancy_map_get(const struct vacancy_map *map, uint64_t vacancy_id)
{
    const struct pair *pair = &map->pairs[find(map, vacancy_id)];
    return pair->vacancy_id != 0 ? pair->national_reference : 0;
}

size_t vacancy_map_count(const struct vacancy_map *map)
{
    return map->count;
}
