/*
 * store_memory.c - the storage seam in memory, with a plan of faults: for the simulator and tests.
 *
 * Owns: sorted tables as committed, a write transaction's changes over them, segments with what of them is synced.
 * Thread: one at a time, as the simulator runs it. (The lock is for those who only count calls or change the plan from
 * another thread: a view would not outlive another thread's commit.) A read transaction sees the tables as they are.
 * Invariant: what a crash leaves is exactly what the last successful commit and sync made durable.
 */
#include "daemon/base/log.h"
#include "daemon/register/store.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define SEGMENTS_MAX 16

struct item {
    struct octets key, value; /* one allocation, at key.data; value.data NULL: deleted (in a transaction only) */
};

struct sorted {
    struct item *items;
    size_t count, capacity;
};

struct segment {
    char name[64];
    uint8_t *data;
    size_t size, synced, capacity;
};

struct store_txn {
    struct memory_store *store;
    bool write, reserve;
    struct sorted changes[STORE_TABLES];
    uint64_t bytes; /* put so far */
};

struct memory_store {
    struct store store;
    pthread_mutex_t lock;
    struct store_memory_plan plan;
    struct sorted tables[STORE_TABLES];
    uint64_t bytes;
    bool writing;
    struct segment segments[SEGMENTS_MAX];
};

static struct memory_store *memory_of(struct store *store)
{
    return (struct memory_store *)store;
}

static void *need(void *memory)
{
    if (memory == NULL)
        log_fatal("register", "no memory for the store in memory");
    return memory;
}

/* --- sorted arrays ----------------------------------------------------------------------------------------------- */

static int compare(const struct octets *a, const struct octets *b)
{
    size_t least = a->size < b->size ? a->size : b->size;
    int order = least ? memcmp(a->data, b->data, least) : 0;
    return order ? order : (a->size > b->size) - (a->size < b->size);
}

/* Index of the first item at or after the key. */
static size_t lower_bound(const struct sorted *sorted, const struct octets *key)
{
    /* Appending is the common case. */
    if (sorted->count == 0 || compare(&sorted->items[sorted->count - 1].key, key) < 0)
        return sorted->count;
    size_t low = 0, high = sorted->count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (compare(&sorted->items[middle].key, key) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static struct item *find(const struct sorted *sorted, const struct octets *key)
{
    size_t at = lower_bound(sorted, key);
    return at < sorted->count && compare(&sorted->items[at].key, key) == 0 ? &sorted->items[at] : NULL;
}

static struct item item_create(const struct octets *key, const struct octets *value)
{
    uint8_t *copy = need(malloc(key->size + (value ? value->size : 0) + 1));
    memcpy(copy, key->data, key->size);
    struct item item = {.key = {copy, key->size}};
    if (value != NULL) {
        item.value = (struct octets){copy + key->size, value->size};
        if (value->size > 0)
            memcpy(copy + key->size, value->data, value->size);
    }
    return item;
}

static void item_free(struct item *item)
{
    free((void *)item->key.data);
}

static uint64_t item_bytes(const struct item *item)
{
    return item->key.size + item->value.size;
}

/* Takes the item over. */
static void sorted_put(struct sorted *sorted, struct item item)
{
    size_t at = lower_bound(sorted, &item.key);
    if (at < sorted->count && compare(&sorted->items[at].key, &item.key) == 0) {
        item_free(&sorted->items[at]);
        sorted->items[at] = item;
        return;
    }
    if (sorted->count == sorted->capacity) {
        sorted->capacity = sorted->capacity ? 2 * sorted->capacity : 16;
        sorted->items = need(realloc(sorted->items, sorted->capacity * sizeof *sorted->items));
    }
    memmove(&sorted->items[at + 1], &sorted->items[at], (sorted->count - at) * sizeof *sorted->items);
    sorted->items[at] = item;
    sorted->count++;
}

static void sorted_remove(struct sorted *sorted, const struct octets *key)
{
    struct item *item = find(sorted, key);
    if (item == NULL)
        return;
    item_free(item);
    sorted->count--;
    memmove(item, item + 1, (size_t)(sorted->items + sorted->count - item) * sizeof *item);
}

static void sorted_clear(struct sorted *sorted)
{
    for (size_t i = 0; i < sorted->count; i++)
        item_free(&sorted->items[i]);
    free(sorted->items);
    *sorted = (struct sorted){0};
}

/* --- faults ------------------------------------------------------------------------------------------------------ */

/* Counts one call; true when the machine has crashed before it. Under the lock. */
static bool crashed(struct memory_store *memory)
{
    if (memory->plan.calls_until_crash == 0)
        return true;
    if (memory->plan.calls_until_crash > 0)
        memory->plan.calls_until_crash--;
    return memory->plan.calls_until_crash == 0;
}

static bool full(struct memory_store *memory)
{
    if (memory->plan.calls_until_full > 0)
        memory->plan.calls_until_full--;
    return memory->plan.calls_until_full == 0;
}

static bool past_limit(const struct store_txn *txn, uint64_t more)
{
    const struct memory_store *memory = txn->store;
    uint64_t limit = memory->plan.limit_bytes;
    if (limit == 0)
        return false;
    if (!txn->reserve)
        limit = limit > memory->plan.reserve_bytes ? limit - memory->plan.reserve_bytes : 0;
    return memory->bytes + txn->bytes + more > limit;
}

/* --- transactions ------------------------------------------------------------------------------------------------ */

static enum err memory_begin(struct store *store, bool write, struct store_txn **out)
{
    struct memory_store *memory = memory_of(store);
    *out = NULL;
    pthread_mutex_lock(&memory->lock);
    bool down = crashed(memory);
    if (!down && write) {
        if (memory->writing)
            log_fatal("register", "a second write transaction");
        memory->writing = true;
    }
    pthread_mutex_unlock(&memory->lock);
    if (down)
        return ERR_STORE_IO;
    *out = need(calloc(1, sizeof **out));
    (*out)->store = memory;
    (*out)->write = write;
    return ERR_NONE;
}

static void memory_abort(struct store_txn *txn)
{
    if (txn == NULL)
        return;
    pthread_mutex_lock(&txn->store->lock);
    if (txn->write)
        txn->store->writing = false;
    pthread_mutex_unlock(&txn->store->lock);
    for (int table = 0; table < STORE_TABLES; table++)
        sorted_clear(&txn->changes[table]);
    free(txn);
}

static void apply_changes(struct store_txn *txn)
{
    struct memory_store *memory = txn->store;
    for (int table = 0; table < STORE_TABLES; table++) {
        struct sorted *changes = &txn->changes[table], *to = &memory->tables[table];
        for (size_t i = 0; i < changes->count; i++) {
            struct item *old = find(to, &changes->items[i].key);
            memory->bytes -= old ? item_bytes(old) : 0;
            if (changes->items[i].value.data == NULL) {
                sorted_remove(to, &changes->items[i].key);
                item_free(&changes->items[i]);
            } else {
                memory->bytes += item_bytes(&changes->items[i]);
                sorted_put(to, changes->items[i]);
            }
        }
        changes->count = 0;
    }
}

static enum err memory_commit(struct store_txn *txn)
{
    struct memory_store *memory = txn->store;
    pthread_mutex_lock(&memory->lock);
    bool down_before = memory->plan.calls_until_crash == 0;
    enum err err = crashed(memory) ? ERR_STORE_IO : full(memory) ? ERR_STORE_FULL : ERR_NONE;
    if (err == ERR_NONE || (err == ERR_STORE_IO && !down_before && memory->plan.crash_after_commit))
        apply_changes(txn);
    pthread_mutex_unlock(&memory->lock);
    memory_abort(txn);
    return err;
}

static void memory_use_reserve(struct store_txn *txn)
{
    txn->reserve = true;
}

static enum err memory_get(struct store_txn *txn, enum store_table table, const struct octets *key,
                           struct octets *value)
{
    struct memory_store *memory = txn->store;
    pthread_mutex_lock(&memory->lock);
    enum err err = crashed(memory) ? ERR_STORE_IO : ERR_NOT_FOUND;
    if (err == ERR_NOT_FOUND) {
        const struct item *item = find(&txn->changes[table], key);
        if (item == NULL)
            item = find(&memory->tables[table], key);
        if (item != NULL && item->value.data != NULL) {
            *value = item->value;
            err = ERR_NONE;
        }
    }
    pthread_mutex_unlock(&memory->lock);
    return err;
}

static enum err change(struct store_txn *txn, enum store_table table, const struct octets *key,
                       const struct octets *value)
{
    struct memory_store *memory = txn->store;
    if (!txn->write)
        log_fatal("register", "a write in a read transaction");
    struct item item = item_create(key, value);
    pthread_mutex_lock(&memory->lock);
    enum err err = crashed(memory) ? ERR_STORE_IO : ERR_NONE;
    if (err == ERR_NONE && value != NULL && (full(memory) || past_limit(txn, item_bytes(&item))))
        err = ERR_STORE_FULL;
    if (err == ERR_NONE) {
        txn->bytes += value ? item_bytes(&item) : 0;
        sorted_put(&txn->changes[table], item);
    }
    pthread_mutex_unlock(&memory->lock);
    if (err != ERR_NONE)
        item_free(&item);
    return err;
}

static enum err memory_put(struct store_txn *txn, enum store_table table, const struct octets *key,
                           const struct octets *value)
{
    return change(txn, table, key, value);
}

static enum err memory_del(struct store_txn *txn, enum store_table table, const struct octets *key)
{
    return change(txn, table, key, NULL);
}

/* Merges the transaction's changes with the committed table. */
static const struct item *seek_forwards(const struct sorted *changes, const struct sorted *table,
                                        const struct octets *from)
{
    size_t i = lower_bound(changes, from), j = lower_bound(table, from);
    for (;;) {
        const struct item *changed = i < changes->count ? &changes->items[i] : NULL;
        const struct item *stored = j < table->count ? &table->items[j] : NULL;
        if (changed == NULL)
            return stored;
        int order = stored ? compare(&changed->key, &stored->key) : -1;
        if (order > 0)
            return stored;
        if (changed->value.data != NULL)
            return changed;
        i++;
        j += order == 0;
    }
}

static const struct item *seek_last(const struct sorted *changes, const struct sorted *table)
{
    size_t i = changes->count, j = table->count;
    for (;;) {
        const struct item *changed = i > 0 ? &changes->items[i - 1] : NULL;
        const struct item *stored = j > 0 ? &table->items[j - 1] : NULL;
        if (changed == NULL)
            return stored;
        int order = stored ? compare(&changed->key, &stored->key) : 1;
        if (order < 0)
            return stored;
        if (changed->value.data != NULL)
            return changed;
        i--;
        j -= order == 0;
    }
}

static enum err memory_seek(struct store_txn *txn, enum store_table table, const struct octets *from, bool backwards,
                            struct octets *key, struct octets *value)
{
    struct memory_store *memory = txn->store;
    pthread_mutex_lock(&memory->lock);
    enum err err = crashed(memory) ? ERR_STORE_IO : ERR_NOT_FOUND;
    if (err == ERR_NOT_FOUND) {
        const struct sorted *changes = &txn->changes[table], *stored = &memory->tables[table];
        const struct item *item = backwards ? seek_last(changes, stored) : seek_forwards(changes, stored, from);
        if (item != NULL) {
            *key = item->key;
            *value = item->value;
            err = ERR_NONE;
        }
    }
    pthread_mutex_unlock(&memory->lock);
    return err;
}

static enum err memory_usage(struct store *store, struct store_usage *out)
{
    struct memory_store *memory = memory_of(store);
    pthread_mutex_lock(&memory->lock);
    *out = (struct store_usage){.used_bytes = memory->bytes, .limit_bytes = memory->plan.limit_bytes};
    for (int table = 0; table < STORE_TABLES; table++)
        out->entries[table] = memory->tables[table].count;
    pthread_mutex_unlock(&memory->lock);
    return ERR_NONE;
}

/* --- segments ---------------------------------------------------------------------------------------------------- */

static struct segment *segment_of(struct memory_store *memory, const char *name, bool create)
{
    for (int i = 0; i < SEGMENTS_MAX; i++) {
        struct segment *segment = &memory->segments[i];
        if (segment->name[0] == '\0' && !create)
            return NULL;
        if (segment->name[0] == '\0')
            strncpy(segment->name, name, sizeof segment->name - 1);
        if (strcmp(segment->name, name) == 0)
            return segment;
    }
    log_fatal("register", "more than %d segments", SEGMENTS_MAX);
}

static enum err memory_segment_append(struct store *store, const char *name, const struct octets *octets)
{
    struct memory_store *memory = memory_of(store);
    pthread_mutex_lock(&memory->lock);
    enum err err = crashed(memory) ? ERR_STORE_IO : full(memory) ? ERR_STORE_FULL : ERR_NONE;
    if (err == ERR_NONE) {
        struct segment *segment = segment_of(memory, name, true);
        if (segment->size + octets->size > segment->capacity) {
            segment->capacity = 2 * (segment->size + octets->size);
            segment->data = need(realloc(segment->data, segment->capacity));
        }
        memcpy(segment->data + segment->size, octets->data, octets->size);
        segment->size += octets->size;
    }
    pthread_mutex_unlock(&memory->lock);
    return err;
}

static enum err memory_segment_sync(struct store *store, const char *name)
{
    struct memory_store *memory = memory_of(store);
    pthread_mutex_lock(&memory->lock);
    enum err err = crashed(memory) ? ERR_STORE_IO : ERR_NONE;
    struct segment *segment = segment_of(memory, name, false);
    if (err == ERR_NONE && segment != NULL)
        segment->synced = segment->size;
    pthread_mutex_unlock(&memory->lock);
    return err;
}

static enum err memory_segment_read(struct store *store, const char *name, uint64_t offset, uint8_t *out, size_t size,
                                    size_t *got)
{
    struct memory_store *memory = memory_of(store);
    *got = 0;
    pthread_mutex_lock(&memory->lock);
    enum err err = crashed(memory) ? ERR_STORE_IO : ERR_NONE;
    const struct segment *segment = segment_of(memory, name, false);
    if (err == ERR_NONE && segment != NULL && offset < segment->size) {
        *got = segment->size - offset < size ? segment->size - offset : size;
        memcpy(out, segment->data + offset, *got);
    }
    pthread_mutex_unlock(&memory->lock);
    return err;
}

static enum err memory_segment_truncate(struct store *store, const char *name, uint64_t bytes)
{
    struct memory_store *memory = memory_of(store);
    pthread_mutex_lock(&memory->lock);
    enum err err = crashed(memory) ? ERR_STORE_IO : ERR_NONE;
    struct segment *segment = segment_of(memory, name, false);
    if (err == ERR_NONE && segment != NULL && bytes < segment->size) {
        segment->size = bytes;
        segment->synced = segment->synced < bytes ? segment->synced : bytes;
    }
    pthread_mutex_unlock(&memory->lock);
    return err;
}

/* --- life -------------------------------------------------------------------------------------------------------- */

static void memory_close(struct store *store)
{
    struct memory_store *memory = memory_of(store);
    if (memory == NULL)
        return;
    for (int table = 0; table < STORE_TABLES; table++)
        sorted_clear(&memory->tables[table]);
    for (int i = 0; i < SEGMENTS_MAX; i++)
        free(memory->segments[i].data);
    pthread_mutex_destroy(&memory->lock);
    free(memory);
}

struct store *store_memory_create(void)
{
    static const struct store_ops ops = {
        .begin = memory_begin,
        .commit = memory_commit,
        .abort = memory_abort,
        .use_reserve = memory_use_reserve,
        .get = memory_get,
        .put = memory_put,
        .del = memory_del,
        .seek = memory_seek,
        .usage = memory_usage,
        .segment_append = memory_segment_append,
        .segment_sync = memory_segment_sync,
        .segment_read = memory_segment_read,
        .segment_truncate = memory_segment_truncate,
        .close = memory_close,
    };
    struct memory_store *memory = calloc(1, sizeof *memory);
    if (memory == NULL)
        return NULL;
    memory->store.ops = &ops;
    memory->plan = (struct store_memory_plan){.calls_until_crash = -1, .calls_until_full = -1};
    pthread_mutex_init(&memory->lock, NULL);
    return &memory->store;
}

void store_memory_set_plan(struct store *store, const struct store_memory_plan *plan)
{
    struct memory_store *memory = memory_of(store);
    pthread_mutex_lock(&memory->lock);
    memory->plan = *plan;
    pthread_mutex_unlock(&memory->lock);
}

void store_memory_crash(struct store *store, bool keep_unsynced)
{
    struct memory_store *memory = memory_of(store);
    pthread_mutex_lock(&memory->lock);
    memory->plan.calls_until_crash = -1;
    for (int i = 0; i < SEGMENTS_MAX; i++)
        if (!keep_unsynced)
            memory->segments[i].size = memory->segments[i].synced;
    pthread_mutex_unlock(&memory->lock);
}

struct store *store_memory_clone(struct store *store)
{
    struct memory_store *from = memory_of(store);
    struct store *clone = store_memory_create();
    if (clone == NULL)
        return NULL;
    struct memory_store *to = memory_of(clone);
    pthread_mutex_lock(&from->lock);
    for (int table = 0; table < STORE_HOME_TABLES; table++)
        for (size_t i = 0; i < from->tables[table].count; i++) {
            const struct item *item = &from->tables[table].items[i];
            sorted_put(&to->tables[table], item_create(&item->key, &item->value));
            to->bytes += item_bytes(item);
        }
    for (int i = 0; i < SEGMENTS_MAX; i++) {
        const struct segment *segment = &from->segments[i];
        to->segments[i] = *segment;
        to->segments[i].data = segment->size > 0 ? need(malloc(segment->size)) : NULL;
        to->segments[i].capacity = to->segments[i].synced = segment->size;
        if (segment->size > 0)
            memcpy(to->segments[i].data, segment->data, segment->size);
    }
    pthread_mutex_unlock(&from->lock);
    return clone;
}
