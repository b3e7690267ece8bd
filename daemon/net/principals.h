/*
 * principals.h - how many connections each certificate's name holds (rows X6, W28).
 *
 * Owns: a count per name, shared by all workers. Not here: what a name may do (access).
 * Thread: any; one lock, taken twice in a connection's life.
 * Invariant: no name counts more than the limit, and a name without connections takes no memory.
 */
#ifndef VACANCY_NET_PRINCIPALS_H
#define VACANCY_NET_PRINCIPALS_H

#include <stdbool.h>
#include <stdint.h>

struct principals;

/* At most `names_max` names can hold connections at a time: pass the limit of connections. */
struct principals *principals_create(uint32_t names_max, uint32_t connections_each);
/* NULL is fine. */
void principals_destroy(struct principals *principals);
/* Counts one connection of `name`; false at its limit. */
bool principals_enter(struct principals *principals, const char *name) __attribute__((warn_unused_result));
/* Undoes one principals_enter that returned true. */
void principals_leave(struct principals *principals, const char *name);

#endif
