/*
 * table.c - see table.h. Owns nothing else.
 */
#include "daemon/rpc/table.h"

#include "daemon/base/log.h"

#include <string.h>

/* Where in by_path the path is, or would be. */
static uint32_t place_of(const struct method_table *table, const char *path, bool *there)
{
    uint32_t low = 0, high = table->count;
    *there = false;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        int order = strcmp(path, table->methods[table->by_path[middle]].method->path);
        if (order == 0) {
            *there = true;
            return middle;
        }
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

void table_add(struct method_table *table, const struct rpc_method *methods, size_t count, void *context)
{
    for (size_t i = 0; i < count; i++) {
        bool there;
        uint32_t place = place_of(table, methods[i].path, &there);
        if (there || table->count == TABLE_METHODS_MAX)
            log_fatal("rpc", "method %s is there already, or there is no room for it", methods[i].path);
        memmove(&table->by_path[place + 1], &table->by_path[place], (table->count - place) * sizeof table->by_path[0]);
        table->by_path[place] = table->count;
        table->methods[table->count++] = (struct bound_method){&methods[i], context};
    }
}

const struct bound_method *table_find(const struct method_table *table, const char *path)
{
    bool there;
    uint32_t place = place_of(table, path, &there);
    return there ? &table->methods[table->by_path[place]] : NULL;
}
