/*
 * replica_open.c - reading the replica back at start.
 *
 * Owns: the schema record; the look at every record's check and at each log's end. Thread: the one that starts the hub.
 * Invariant: a region that opens has all records and entries that its row counts, each with its check; one that has not
 * is dropped, to be fetched again, and that is said in the log. (That they add up is what replica_verify looks at.)
 */
#include "daemon/base/log.h"
#include "daemon/record/bytes.h"
#include "daemon/register/replica_parts.h"

#include <string.h>

#define CLEAR_SLICE 1000

typedef unsigned long long number;

/* --- schema ------------------------------------------------------------------------------------------------------ */

static enum err is_empty(struct store *store, struct store_txn *txn, bool *empty)
{
    *empty = true;
    for (unsigned table = store_first_table(STORE_REPLICA); table < store_end_table(STORE_REPLICA); table++) {
        struct octets first = {0}, key, value;
        enum err err = store->ops->seek(txn, (enum store_table)table, &first, false, &key, &value);
        if (err == ERR_NONE)
            *empty = false;
        else if (err != ERR_NOT_FOUND)
            return err;
    }
    return ERR_NONE;
}

/* Deletes a slice of a table from its front; *more: there may be more. */
static enum err clear_slice(struct store *store, enum store_table table, bool *more)
{
    struct store_txn *txn;
    struct octets first = {0}, key, value;
    enum err err = store->ops->begin(store, true, &txn);
    *more = false;
    if (err != ERR_NONE)
        return err;
    for (int i = 0; i < CLEAR_SLICE && err == ERR_NONE; i++) {
        struct table_key copy;
        err = store->ops->seek(txn, table, &first, false, &key, &value);
        if (err != ERR_NONE)
            break;
        *more = true;
        if (key.size > sizeof copy.data)
            err = ERR_STORE_DAMAGED;
        else {
            memcpy(copy.data, key.data, key.size);
            err = store->ops->del(txn, table, &(struct octets){copy.data, key.size});
        }
    }
    if (err == ERR_NONE || err == ERR_NOT_FOUND)
        return store->ops->commit(txn);
    store->ops->abort(txn);
    return err;
}

static enum err clear_all(struct store *store)
{
    enum err err = ERR_NONE;
    for (unsigned table = store_first_table(STORE_REPLICA); table < store_end_table(STORE_REPLICA); table++)
        for (bool more = true; more && err == ERR_NONE;)
            err = clear_slice(store, (enum store_table)table, &more);
    return err;
}

static enum err write_schema(struct replica *replica)
{
    struct apply apply;
    uint8_t octets[4];
    put_be32(octets, REPLICA_SCHEMA_VERSION);
    apply_begin(replica, &apply);
    (void)apply_put(&apply, STORE_REGIONS, &replica_schema_key, &(struct octets){octets, sizeof octets});
    return apply_end(&apply);
}

/* A new store gets its schema, one of another schema is emptied. */
static enum err settle_schema(struct replica *replica)
{
    struct store *store = replica->store;
    struct store_txn *txn;
    struct octets key = key_octets(&replica_schema_key), value;
    bool empty = false, good = false;
    enum err err = store->ops->begin(store, false, &txn);
    if (err != ERR_NONE)
        return err;
    err = tables_get(store, txn, STORE_REGIONS, &key, &value, NULL);
    good = err == ERR_NONE && value.size == 4 && get_be32(value.data) == REPLICA_SCHEMA_VERSION;
    if (err == ERR_NOT_FOUND || err == ERR_STORE_DAMAGED)
        err = ERR_NONE;
    if (err == ERR_NONE && !good)
        err = is_empty(store, txn, &empty);
    store->ops->abort(txn);
    if (err != ERR_NONE || good)
        return err;
    if (!empty) {
        log_error("register",
                  "the replica's store is not of schema version %d: it is emptied, and the other regions are "
                  "fetched again",
                  REPLICA_SCHEMA_VERSION);
        err = clear_all(store);
    }
    return err == ERR_NONE ? write_schema(replica) : err;
}

/* --- rows -------------------------------------------------------------------------------------------------------- */

static void take_row(struct replica *replica, const struct octets *key, const struct octets *value, bool damaged)
{
    char code[GSS_BYTES];
    bool staging;
    if (!region_of_key(key, code, &staging))
        return; /* the schema */
    struct region *region = replica_region_add(replica, code);
    region->tidy_due = true;
    if (staging) {
        if (damaged || !staging_row_decode(value, &region->staging))
            region->staging = (struct staging_row){0};
    } else if (damaged || !region_row_decode(value, &region->row)) {
        region->row = (struct region_row){0};
        log_error("register", "region %s: its row is damaged; it is dropped and fetched again", code);
    }
}

static enum err read_rows(struct replica *replica, struct store_txn *txn)
{
    struct table_key from = {.size = 0};
    for (;;) {
        struct octets at = key_octets(&from), key, value = {0};
        enum err err = tables_seek(replica->store, txn, STORE_REGIONS, &at, false, &key, &value, NULL);
        if (err == ERR_NOT_FOUND)
            return ERR_NONE;
        if ((err != ERR_NONE && err != ERR_STORE_DAMAGED) || key.size >= sizeof from.data)
            return err;
        take_row(replica, &key, &value, err == ERR_STORE_DAMAGED);
        key_step_past(&from, &key);
    }
}

/* --- what a row counts is there ---------------------------------------------------------------------------------- */

struct count {
    uint64_t rows;
    uint8_t last_head[DIGEST_BYTES]; /* of the log */
};

/* Every row of a generation in a table: its check, and for the log that none is missing. */
static enum err count_rows(struct replica *replica, struct store_txn *txn, enum store_table table, const char *region,
                           uint32_t generation, struct count *out)
{
    struct table_key prefix = key_of_generation(region, generation), from = prefix;
    *out = (struct count){0};
    for (;;) {
        struct octets at = key_octets(&from), key, value;
        enum err err = tables_seek(replica->store, txn, table, &at, false, &key, &value, NULL);
        if (err == ERR_NOT_FOUND || (err == ERR_NONE && !key_begins(&key, &prefix)))
            return ERR_NONE;
        if (err != ERR_NONE && !(err == ERR_STORE_DAMAGED && !key_begins(&key, &prefix)))
            return err;
        if (err != ERR_NONE)
            return ERR_NONE; /* another region's: found when that is counted */
        out->rows++;
        if (table == STORE_REPLICA_LOG) {
            if (key.size != prefix.size + 8 || get_be64(key.data + prefix.size) != out->rows ||
                value.size < LOG_HEADER_BYTES)
                return ERR_STORE_DAMAGED;
            log_header_hash(value.data, out->last_head);
        }
        if (key.size >= sizeof from.data)
            return ERR_STORE_DAMAGED;
        key_step_past(&from, &key);
    }
}

static enum err check_state(struct replica *replica, struct store_txn *txn, const char *region,
                            const struct replica_state *state)
{
    struct count records, log, checkpoints;
    if (state->generation == 0)
        return ERR_NONE;
    enum err err = count_rows(replica, txn, STORE_RECORDS, region, state->generation, &records);
    if (err == ERR_NONE)
        err = count_rows(replica, txn, STORE_REPLICA_LOG, region, state->generation, &log);
    if (err == ERR_NONE)
        err = count_rows(replica, txn, STORE_REPLICA_CHECKPOINTS, region, state->generation, &checkpoints);
    if (err != ERR_NONE)
        return err;
    bool whole = records.rows == state->records && log.rows >= state->sequence &&
                 (log.rows > state->sequence || memcmp(log.last_head, state->head, DIGEST_BYTES) == 0);
    return whole ? ERR_NONE : ERR_STORE_DAMAGED;
}

/* The highest generation that anything of a region is of: for one whose row is lost. */
static uint32_t highest_generation(struct replica *replica, struct store_txn *txn, const char *region)
{
    static const enum store_table tables[] = {STORE_RECORDS, STORE_REPLICA_LOG, STORE_REPLICA_CHECKPOINTS};
    uint32_t highest = 0;
    for (size_t i = 0; i < sizeof tables / sizeof *tables; i++) {
        struct table_key prefix = key_of_region(region), from = prefix;
        struct octets at = key_octets(&from), key, value;
        while (replica->store->ops->seek(txn, tables[i], &at, false, &key, &value) == ERR_NONE &&
               key_begins(&key, &prefix) && key.size >= prefix.size + 4) {
            uint32_t generation = get_be32(key.data + prefix.size);
            highest = generation > highest ? generation : highest;
            if (generation == UINT32_MAX)
                break;
            from = key_of_generation(region, generation + 1);
            at = key_octets(&from);
        }
    }
    return highest;
}

/* What is found of a region; the row in the draft says what is to be of it. */
static enum err check_region(struct replica *replica, struct store_txn *txn, const struct region *region,
                             struct region_row *row, struct staging_row *staging)
{
    uint32_t highest = highest_generation(replica, txn, region->code);
    enum err err = check_state(replica, txn, region->code, &row->proven);
    if (err == ERR_STORE_DAMAGED) {
        log_error("register", "region %s: what is stored of it is damaged; it is dropped and fetched again",
                  region->code);
        row->proven = (struct replica_state){0};
        row->newest = (struct signed_checkpoint){0};
        *staging = (struct staging_row){0};
    } else if (err != ERR_NONE) {
        return err;
    }
    err = check_state(replica, txn, region->code, &staging->state);
    if (err == ERR_STORE_DAMAGED)
        *staging = (struct staging_row){0};
    else if (err != ERR_NONE)
        return err;
    row->last_generation = highest > row->last_generation ? highest : row->last_generation;
    return ERR_NONE;
}

static enum err settle_region(struct replica *replica, struct region *region)
{
    struct store_txn *txn;
    struct region_row row = region->row;
    struct staging_row staging = region->staging;
    struct apply apply;
    enum err err = replica->store->ops->begin(replica->store, false, &txn);
    if (err != ERR_NONE)
        return err;
    err = check_region(replica, txn, region, &row, &staging);
    replica->store->ops->abort(txn);
    region->first_seen_boot_ms = clock_boot_ms(replica->clock);
    if (err != ERR_NONE ||
        (row.proven.generation == region->row.proven.generation && row.last_generation == region->row.last_generation &&
         staging.state.generation == region->staging.state.generation))
        return err;
    apply_begin(replica, &apply);
    struct draft *draft = apply_draft(&apply, region);
    draft->row = row;
    draft->staging = staging;
    draft->changed = draft->row_changed = draft->staging_changed = true;
    return apply_end(&apply);
}

enum err replica_read_back(struct replica *replica, struct problem *problem)
{
    struct store_txn *txn;
    enum err err = settle_schema(replica);
    if (err == ERR_NONE)
        err = replica->store->ops->begin(replica->store, false, &txn);
    if (err == ERR_NONE) {
        err = read_rows(replica, txn);
        replica->store->ops->abort(txn);
    }
    for (size_t i = 0; i < replica->region_count && err == ERR_NONE; i++)
        err = settle_region(replica, replica->regions[i]);
    if (err == ERR_NONE)
        return ERR_NONE;
    return problem_set(problem, err, "", "the replica's store can't be read: %s; it can be deleted and fetched again",
                       err_name(err));
}
