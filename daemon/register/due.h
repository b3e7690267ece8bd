/*
 * due.h - when time does something to each live vacancy, carer that moved away, or hold, next; in memory.
 *
 * Owns: a heap by (time, number) with one entry per number: of carers (wall clock) or of holds (lease clock). Rebuilt
 * at open from their records, so that a confirmation writes no table of due times (tables.h). Thread: the writer's.
 * Invariant: exactly those to which time has something to do are in it, each once.
 */
#ifndef VACANCY_REGISTER_DUE_H
#define VACANCY_REGISTER_DUE_H

#include <stddef.h>
#include <stdint.h>

struct due;

/* Both abort when out of memory: their size follows what is registered, which was bounded when it came in. */
struct due *due_create(void);
void due_destroy(struct due *due);
/* Sets, moves or (at_ms INT64_MAX) removes the entry. */
void due_set(struct due *due, uint64_t national_reference, int64_t at_ms);
/* The earliest time, INT64_MAX when empty; *national_reference (may be NULL) is whose. */
int64_t due_first(const struct due *due, uint64_t *national_reference);
size_t due_count(const struct due *due);

#endif
