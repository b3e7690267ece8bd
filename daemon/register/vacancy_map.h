/*
 * vacancy_map.h - which carer's the live vacancy of an id is, in memory.
 *
 * Owns: an open-addressed map from vacancy id to national reference. Rebuilt at open from the carers' records, so that
 * a new vacancy writes no table of ids (tables.h); a team's call names nothing but the id.
 * Thread: the writer's. Invariant: exactly the live vacancies are in it, each once.
 */
#ifndef VACANCY_REGISTER_VACANCY_MAP_H
#define VACANCY_REGISTER_VACANCY_MAP_H

#include <stddef.h>
#include <stdint.h>

struct vacancy_map;

/* Both abort when out of memory: their size follows what is registered, which was bounded when it came in. */
struct vacancy_map *vacancy_map_create(void);
void vacancy_map_destroy(struct vacancy_map *map);
/* national_reference 0: it is no more. vacancy_id is never 0. */
void vacancy_map_set(struct vacancy_map *map, uint64_t vacancy_id, uint64_t national_reference);
/* 0: none. */
uint64_t vacancy_map_get(const struct vacancy_map *map, uint64_t vacancy_id);
size_t vacancy_map_count(const struct vacancy_map *map);

#endif
