/*
 * home_feed.c - the first feeding of an observer: everything that stands when it comes.
 * Owns: nothing of its own. The thread that starts the hub. Invariant: an observer gets what it would have got had it
 * been there from the first commit on, and from then on each commit.
 */
#include "daemon/register/home_parts.h"

#include <stdlib.h>
#include <string.h>

#define FEED_SLICE 512

struct feeding {
    struct home *home;
    const struct commit_observer *observer;
    struct arena arena;
    struct change changes[2 * FEED_SLICE + 2];
    size_t count;
};

static enum err feed_add(struct feeding *feeding, enum log_table table, const struct octets *key,
                         const struct octets *value)
{
    uint8_t *copy = arena_alloc(&feeding->arena, key->size + value->size);
    if (copy == NULL)
        return ERR_LIMIT;
    memcpy(copy, key->data, key->size);
    if (value->size > 0)
        memcpy(copy + key->size, value->data, value->size);
    feeding->changes[feeding->count++] =
        (struct change){.table = table, .key = {copy, key->size}, .value = {copy + key->size, value->size}};
    return ERR_NONE;
}

/* Carers come as their row and, where there is one, their offer, verbatim as last logged. */
static enum err feed_row(struct feeding *feeding, enum store_table table, const struct octets *rest,
                         const struct octets *value)
{
    if (table == STORE_AGENCIES)
        return feed_add(feeding, LOG_TABLE_AGENCY, rest, value);
    if (table == STORE_PRINCIPALS)
        return feed_add(feeding, CHANGE_PRINCIPAL, rest, value);
    if (table == STORE_HOLDS) {
        struct hold hold;
        struct octets row;
        enum err err = home_hold_decode(rest, value, &hold, &row);
        return err == ERR_NONE && row.size > 0 ? feed_add(feeding, LOG_TABLE_HOLD, rest, &row) : err;
    }
    struct home_carer_shared shared;
    enum err err = home_carer_shared_decode(value, &shared);
    if (err == ERR_NONE)
        err = feed_add(feeding, LOG_TABLE_CARER, rest, &shared.carer_row);
    if (err == ERR_NONE && shared.offer.size > 0)
        err = feed_add(feeding, LOG_TABLE_OFFER, rest, &shared.offer);
    return err;
}

static void feed_flush(struct feeding *feeding)
{
    const struct home_position *position = &feeding->home->position;
    const struct commit commit = {.region = feeding->home->options.region,
                                  .changes = feeding->changes,
                                  .count = feeding->count,
                                  .epoch = position->epoch,
                                  .sequence = position->sequence,
                                  .time_ms = position->time_ms};
    if (feeding->count > 0)
        feeding->observer->committed(feeding->observer->ctx, &commit);
    feeding->count = 0;
    arena_reset(&feeding->arena);
}

/* One slice of a table; *more tells whether to come again. */
static enum err feed_slice(struct feeding *feeding, enum store_table table, struct table_key *from, bool *more)
{
    struct home *home = feeding->home;
    struct store_txn *txn;
    *more = true;
    enum err err = home->store->ops->begin(home->store, false, &txn);
    while (err == ERR_NONE && feeding->count < 2 * FEED_SLICE) {
        struct octets at = key_octets(from), key, value, rest;
        err = tables_seek(home->store, txn, table, &at, false, &key, &value, NULL);
        if (err == ERR_NONE && key_in_region(&key, home->options.region, &rest) && key.size < sizeof from->data) {
            err = feed_row(feeding, table, &rest, &value);
            memcpy(from->data, key.data, key.size);
            from->data[key.size] = 0;
            from->size = key.size + 1;
        } else if (err == ERR_NONE || err == ERR_NOT_FOUND) {
            *more = false;
            err = ERR_NONE;
            break;
        }
    }
    home->store->ops->abort(txn);
    return err;
}

enum err home_observe(struct home *home, const struct commit_observer *observer)
{
    static const enum store_table tables[] = {STORE_AGENCIES, STORE_PRINCIPALS, STORE_CARERS, STORE_HOLDS};
    if (home->observer_count == HOME_OBSERVERS_MAX)
        return ERR_LIMIT;
    struct feeding *feeding = calloc(1, sizeof *feeding);
    if (feeding == NULL)
        return ERR_LIMIT;
    feeding->home = home;
    feeding->observer = observer;
    arena_init(&feeding->arena, 64 << 20);
    enum err err = ERR_NONE;
    for (size_t i = 0; err == ERR_NONE && i < sizeof tables / sizeof *tables; i++) {
        struct table_key from = {.size = 0};
        for (bool more = true; err == ERR_NONE && more;) {
            err = feed_slice(feeding, tables[i], &from, &more);
            if (err == ERR_NONE)
                feed_flush(feeding);
        }
    }
    arena_finish(&feeding->arena);
    free(feeding);
    if (err == ERR_NONE)
        home->observers[home->observer_count++] = *observer;
    return err;
}
