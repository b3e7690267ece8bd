/*
 * principals.c - a chained hash table under a lock. Owns its entries; any thread.
 * Invariant: an entry's count is between 1 and the limit.
 */
#include "daemon/net/principals.h"

#include "daemon/base/log.h"
#include "daemon/base/randomness.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

struct entry {
    struct entry *next;
    uint32_t count;
    char name[];
};

struct principals {
    pthread_mutex_t lock;
    uint32_t connections_each, bucket_count;
    uint64_t seed; /* so that nobody can choose names that fall into one chain */
    struct entry *buckets[];
};

struct principals *principals_create(uint32_t names_max, uint32_t connections_each)
{
    uint32_t bucket_count = 64;
    while (bucket_count < names_max && bucket_count < 1u << 16)
        bucket_count *= 2;
    struct principals *principals = calloc(1, sizeof *principals + bucket_count * sizeof principals->buckets[0]);
    if (principals == NULL)
        log_fatal("net", "out of memory for the table of principals");
    pthread_mutex_init(&principals->lock, NULL);
    principals->connections_each = connections_each;
    principals->bucket_count = bucket_count;
    random_fill(random_system(), &principals->seed, sizeof principals->seed);
    return principals;
}

void principals_destroy(struct principals *principals)
{
    if (principals == NULL)
        return;
    for (uint32_t i = 0; i < principals->bucket_count; i++)
        for (struct entry *entry = principals->buckets[i], *next; entry != NULL; entry = next) {
            next = entry->next;
            free(entry);
        }
    pthread_mutex_destroy(&principals->lock);
    free(principals);
}

/* Where the pointer to the name's entry is, or would be. Under the lock. */
static struct entry **find(struct principals *principals, const char *name)
{
    uint64_t hash = principals->seed ^ 14695981039346656037u;
    for (const char *c = name; *c != '\0'; c++)
        hash = (hash ^ (uint8_t)*c) * 1099511628211u;
    hash ^= hash >> 32;
    struct entry **place = &principals->buckets[hash & (principals->bucket_count - 1)];
    while (*place != NULL && strcmp((*place)->name, name) != 0)
        place = &(*place)->next;
    return place;
}

bool principals_enter(struct principals *principals, const char *name)
{
    pthread_mutex_lock(&principals->lock);
    struct entry **place = find(principals, name);
    if (*place == NULL) {
        size_t bytes = strlen(name) + 1;
        *place = calloc(1, sizeof **place + bytes);
        if (*place != NULL)
            memcpy((*place)->name, name, bytes);
    }
    bool entered = *place != NULL && (*place)->count < principals->connections_each;
    if (entered)
        (*place)->count++;
    pthread_mutex_unlock(&principals->lock);
    return entered;
}

void principals_leave(struct principals *principals, const char *name)
{
    pthread_mutex_lock(&principals->lock);
    struct entry **place = find(principals, name);
    if (*place == NULL)
        log_fatal("net", "a principal leaves that never entered");
    if (--(*place)->count == 0) {
        struct entry *gone = *place;
        *place = gone->next;
        free(gone);
    }
    pthread_mutex_unlock(&principals->lock);
}
