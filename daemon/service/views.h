/*
 * views.h - building a response message in an arena. Private to daemon/service.
 * Thread: any; no state. The macros return from the function around them when the arena's limit is reached.
 */
#ifndef VACANCY_SERVICE_VIEWS_H
#define VACANCY_SERVICE_VIEWS_H

#include "daemon/base/arena.h"
#include "daemon/base/clock.h"
#include "daemon/record/codes.h"
#include "daemon/record/ids.h"

/* A message at its defaults in `arena`; else returns `otherwise`. */
#define NEW_OR(type, name, init, otherwise)                                                                            \
    type *name = arena_alloc(arena, sizeof *name);                                                                     \
    if (name == NULL)                                                                                                  \
        return otherwise;                                                                                              \
    init(name)
#define NEW(type, name, init) NEW_OR(type, name, init, NULL)
/* Room for `count` elements of a repeated field. */
#define NEW_LIST(field, count, otherwise)                                                                              \
    do {                                                                                                               \
        (field) = arena_alloc(arena, (count) * sizeof *(field));                                                       \
        if ((field) == NULL)                                                                                           \
            return otherwise;                                                                                          \
    } while (0)

/* NULL when the arena's limit is reached. A mask as codes; a date, empty when not given; an id as people see it. */
void *view_codes(struct arena *arena, uint32_t mask, uint32_t end, size_t *count);
char *view_date(struct arena *arena, date_days date);
char *view_id(struct arena *arena, uint64_t id);

#endif
