/*
 * table.h - the methods that this hub has, by path.
 *
 * Owns: the table, made at start from what the services register. Not here: what a method does (service).
 * Thread: main's until the workers start; then constant. Invariant: a method's index never changes.
 */
#ifndef VACANCY_RPC_TABLE_H
#define VACANCY_RPC_TABLE_H

#include "daemon/rpc/call.h"

#define TABLE_METHODS_MAX 128

/* A method and what its calls are given as context. */
struct bound_method {
    const struct rpc_method *method;
    void *context;
};

struct method_table {
    struct bound_method methods[TABLE_METHODS_MAX]; /* in order of registration: the index is this one */
    uint32_t count;
    uint32_t by_path[TABLE_METHODS_MAX];
};

/* Adds methods; aborts on a path given twice or one too many. Methods and context are borrowed. */
void table_add(struct method_table *table, const struct rpc_method *methods, size_t count, void *context);
/* NULL: no such method. */
const struct bound_method *table_find(const struct method_table *table, const char *path);

#endif
