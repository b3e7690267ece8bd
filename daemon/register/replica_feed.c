/*
 * replica_feed.c - what observers are told, and told anew where a commit failed.
 *
 * Owns: commits in parts; the difference of two generations; what was told in vain. The replica writer's thread, and at
 * start the thread that opens.
 * Invariant: parts always come to an end (observers hold a lock meanwhile); nothing new is applied before observers
 * have been told what the disk has.
 */
#include "daemon/base/log.h"
#include "daemon/register/replica_parts.h"

#include <string.h>

/* One commit on its way to observers; a part goes out when it is full. */
struct parts {
    const struct commit_observer *observers;
    int observer_count;
    struct replica *replica; /* with `noted` */
    struct undo *noted;      /* not NULL: remembers the keys, should the commit fail */
    struct commit commit;
    struct change changes[FEED_SLICE];
};

static void parts_begin(struct parts *parts, const struct commit_observer *observers, int count,
                        const struct region *region, const struct replica_state *state)
{
    parts->observers = observers;
    parts->observer_count = count;
    parts->noted = NULL;
    parts->commit = (struct commit){.region = region->code,
                                    .changes = parts->changes,
                                    .epoch = state->epoch,
                                    .sequence = state->sequence,
                                    .time_ms = state->time_ms};
}

static void parts_send(struct parts *parts, bool more)
{
    parts->commit.more = more;
    for (int i = 0; i < parts->observer_count; i++)
        parts->observers[i].committed(parts->observers[i].ctx, &parts->commit);
    parts->commit.count = 0;
}

static void *undo_alloc(struct replica *replica, size_t bytes)
{
    void *memory = arena_alloc(&replica->undo_arena, bytes);
    if (memory == NULL)
        log_fatal("register", "no memory for what a failed commit leaves to be told");
    return memory;
}

static void undo_key(struct replica *replica, struct undo *undo, const struct change *change)
{
    struct told *told = undo_alloc(replica, sizeof *told);
    uint8_t *key = undo_alloc(replica, change->key.size);
    memcpy(key, change->key.data, change->key.size);
    *told = (struct told){undo->told, change->table, {key, change->key.size}};
    undo->told = told;
}

static void parts_add(struct parts *parts, const struct change *change)
{
    if (parts->noted != NULL)
        undo_key(parts->replica, parts->noted, change);
    if (parts->commit.count == FEED_SLICE)
        parts_send(parts, true);
    parts->changes[parts->commit.count++] = *change;
}

/* --- records of a generation -------------------------------------------------------------------------------------- */

/* A place in a generation's records, in their order. Views live as long as the transaction writes nothing. */
struct records_at {
    struct store *store;
    struct store_txn *txn;
    struct table_key prefix, from;
    bool end;
    bool damaged; /* the record here does not pass its check */
    struct octets full_key;
    struct change record;
};

static enum err records_next(struct records_at *at)
{
    struct octets from = key_octets(&at->from);
    enum err err = tables_seek(at->store, at->txn, STORE_RECORDS, &from, false, &at->full_key, &at->record.value, NULL);
    at->damaged = err == ERR_STORE_DAMAGED;
    at->end = err == ERR_NOT_FOUND || (err == ERR_NONE && !key_begins(&at->full_key, &at->prefix)) ||
              (at->damaged && !key_begins(&at->full_key, &at->prefix));
    if (at->end)
        return ERR_NONE;
    if (err != ERR_NONE && !at->damaged)
        return err;
    size_t head = at->prefix.size + 1;
    if (at->full_key.size < head || at->full_key.size >= sizeof at->from.data)
        return ERR_STORE_DAMAGED;
    at->record.table = (enum log_table)at->full_key.data[at->prefix.size];
    at->record.key = (struct octets){at->full_key.data + head, at->full_key.size - head};
    key_step_past(&at->from, &at->full_key);
    return ERR_NONE;
}

static enum err records_begin(struct records_at *at, struct store *store, struct store_txn *txn, const char *region,
                              uint32_t generation)
{
    *at = (struct records_at){.store = store, .txn = txn, .prefix = key_of_generation(region, generation)};
    at->from = at->prefix;
    at->end = generation == 0;
    return at->end ? ERR_NONE : records_next(at);
}

static int compare_places(const struct records_at *a, const struct records_at *b)
{
    if (a->end || b->end)
        return (int)a->end - (int)b->end;
    size_t skip = a->prefix.size, x = a->full_key.size - skip, y = b->full_key.size - skip;
    int order = memcmp(a->full_key.data + skip, b->full_key.data + skip, x < y ? x : y);
    return order ? order : (x > y) - (x < y);
}

static bool same_value(const struct records_at *a, const struct records_at *b)
{
    const struct octets *x = &a->record.value, *y = &b->record.value;
    return !a->damaged && x->size == y->size && memcmp(x->data, y->data, x->size) == 0;
}

/* What makes generation `to` of generation `from`. Damage in `from` does not matter. */
static enum err add_difference(struct parts *parts, struct store *store, struct store_txn *txn, uint32_t from,
                               uint32_t to)
{
    struct records_at old, new;
    enum err err = records_begin(&old, store, txn, parts->commit.region, from);
    if (err == ERR_NONE)
        err = records_begin(&new, store, txn, parts->commit.region, to);
    while (err == ERR_NONE && !(old.end && new.end)) {
        int order = compare_places(&old, &new);
        if (order >= 0 && new.damaged)
            return ERR_STORE_DAMAGED;
        if (order < 0)
            parts_add(parts, &(struct change){.table = old.record.table, .key = old.record.key, .deleted = true});
        else if (order > 0 || !same_value(&old, &new))
            parts_add(parts, &new.record);
        if (order <= 0)
            err = records_next(&old);
        if (order >= 0 && err == ERR_NONE)
            err = records_next(&new);
    }
    return err;
}

/* --- before a commit ---------------------------------------------------------------------------------------------- */

/* The keys of a difference are remembered: part of what it was made of is in no generation once the commit failed. */
static enum err tell(struct replica *replica, struct apply *apply, struct draft *draft)
{
    struct parts parts;
    enum err err = ERR_NONE;
    parts_begin(&parts, replica->observers, replica->observer_count, draft->region, &draft->row.proven);
    if (draft->flipped) {
        draft->told = undo_alloc(replica, sizeof *draft->told);
        *draft->told = (struct undo){.region = draft->region};
        parts.replica = replica;
        parts.noted = draft->told;
        err = add_difference(&parts, replica->store, apply->txn, draft->flipped_from, draft->row.proven.generation);
    } else if (draft->change_count > 0) {
        parts.commit.changes = draft->changes;
        parts.commit.count = draft->change_count;
    }
    parts_send(&parts, false);
    return err;
}

enum err feed_told(struct replica *replica, struct apply *apply)
{
    enum err err = ERR_NONE;
    for (size_t i = 0; i < apply->draft_count && err == ERR_NONE; i++)
        if (apply->drafts[i]->moved)
            err = tell(replica, apply, apply->drafts[i]);
    return err;
}

/* --- after one that failed ---------------------------------------------------------------------------------------- */

static void undo_add(struct replica *replica, const struct draft *draft)
{
    struct undo *undo = draft->told;
    if (undo == NULL) {
        undo = undo_alloc(replica, sizeof *undo);
        *undo = (struct undo){.region = draft->region};
    }
    for (size_t i = 0; i < draft->change_count; i++)
        undo_key(replica, undo, &draft->changes[i]);
    undo->next = replica->undos;
    replica->undos = undo;
}

static enum err read_row(struct replica *replica, struct store_txn *txn, const char *region, struct region_row *out)
{
    struct table_key key = key_of_region(region);
    struct octets k = key_octets(&key), value;
    *out = (struct region_row){0};
    enum err err = tables_get(replica->store, txn, STORE_REGIONS, &k, &value, NULL);
    if (err == ERR_NONE && !region_row_decode(&value, out))
        err = ERR_STORE_DAMAGED;
    return err == ERR_NOT_FOUND ? ERR_NONE : err;
}

static enum err tell_disk(struct replica *replica, struct store_txn *txn, const struct undo *undo)
{
    struct region_row disk;
    struct parts parts;
    enum err err = read_row(replica, txn, undo->region->code, &disk);
    if (err != ERR_NONE)
        return err;
    uint32_t generation = disk.proven.generation;
    parts_begin(&parts, replica->observers, replica->observer_count, undo->region, &disk.proven);
    for (const struct told *told = undo->told; told != NULL && err == ERR_NONE; told = told->next) {
        struct table_key key = key_of_record(undo->region->code, generation, told->table, &told->key);
        struct change change = {.table = told->table, .key = told->key};
        struct octets k = key_octets(&key);
        err = tables_get(replica->store, txn, STORE_RECORDS, &k, &change.value, NULL);
        change.deleted = err == ERR_NOT_FOUND;
        err = change.deleted ? ERR_NONE : err;
        if (err == ERR_NONE)
            parts_add(&parts, &change);
    }
    parts_send(&parts, false);
    const struct replica_state *believed = &undo->region->row.proven;
    if (err == ERR_NONE && (disk.proven.sequence != believed->sequence || generation != believed->generation)) {
        pthread_mutex_lock(&replica->lock); /* the commit failed, and is on disk all the same */
        undo->region->row = disk;
        if (undo->region->staging.state.generation == generation)
            undo->region->staging = (struct staging_row){0};
        pthread_mutex_unlock(&replica->lock);
    }
    return err;
}

bool feed_settle(struct replica *replica)
{
    struct store_txn *txn;
    if (replica->undos == NULL)
        return true;
    if (replica->store->ops->begin(replica->store, false, &txn) != ERR_NONE)
        return false;
    enum err err = ERR_NONE;
    while (replica->undos != NULL && err == ERR_NONE) {
        err = tell_disk(replica, txn, replica->undos);
        if (err == ERR_NONE)
            replica->undos = replica->undos->next;
    }
    replica->store->ops->abort(txn);
    if (replica->undos == NULL)
        arena_reset(&replica->undo_arena);
    return replica->undos == NULL;
}

void feed_done(struct replica *replica)
{
    if (replica->undos == NULL)
        arena_reset(&replica->undo_arena);
}

void feed_undo(struct replica *replica, struct apply *apply)
{
    for (size_t i = 0; i < apply->draft_count; i++)
        if (apply->drafts[i]->moved)
            undo_add(replica, apply->drafts[i]);
    if (!feed_settle(replica))
        log_error("register", "the replica's store can't be read; searches may show what is not on disk until it can");
}

/* --- all that stands -----------------------------------------------------------------------------------------------
 */

/* One slice with a transaction of its own; *more tells whether to come again. */
static enum err feed_slice(struct replica *replica, struct parts *parts, struct records_at *at, bool gone, bool *more)
{
    struct store_txn *txn;
    enum err err = replica->store->ops->begin(replica->store, false, &txn);
    *more = false;
    at->txn = txn;
    if (err == ERR_NONE)
        err = records_next(at);
    while (err == ERR_NONE && !at->end && !*more) {
        at->record.deleted = gone;
        if (at->damaged && !gone)
            err = ERR_STORE_DAMAGED;
        else
            parts_add(parts, &at->record);
        *more = parts->commit.count == FEED_SLICE;
        if (err == ERR_NONE && !*more)
            err = records_next(at);
    }
    parts_send(parts, err == ERR_NONE && *more);
    replica->store->ops->abort(txn);
    return err;
}

enum err feed_region(struct replica *replica, const struct commit_observer *observers, int count,
                     const struct region *region, bool gone)
{
    const struct replica_state none = {0}, *state = &region->row.proven;
    struct records_at at = {.store = replica->store, .prefix = key_of_generation(region->code, state->generation)};
    struct parts parts;
    enum err err = ERR_NONE;
    if (state->generation == 0)
        return ERR_NONE;
    at.from = at.prefix;
    parts_begin(&parts, observers, count, region, gone ? &none : state);
    for (bool more = true; more && err == ERR_NONE;)
        err = feed_slice(replica, &parts, &at, gone, &more);
    return err;
}
