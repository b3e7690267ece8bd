/*
 * replica_tidy.c - dropping what is no longer needed, a slice at a time: generations that are neither proven nor
 * staged, and payloads behind a region's horizon. Owns: nothing but the slices. The replica writer's thread. Invariant:
 * what is proven or staged loses nothing but payloads that its region's signed horizon covers.
 */
#include "daemon/base/log.h"
#include "daemon/record/bytes.h"
#include "daemon/register/replica_parts.h"

#include <string.h>

#define TIDY_SLICE 500

/* Deletes from a table what belongs to no generation in use, at most *budget rows. */
static bool drop_slice(struct apply *apply, const struct draft *draft, enum store_table table, int *budget)
{
    struct store *store = apply->replica->store;
    struct table_key prefix = key_of_region(draft->region->code), from = prefix;
    struct store_txn *txn = apply_txn(apply);
    while (txn != NULL && *budget > 0) {
        struct octets at = key_octets(&from), key, value;
        enum err err = store->ops->seek(txn, table, &at, false, &key, &value);
        if (err == ERR_NOT_FOUND || (err == ERR_NONE && !key_begins(&key, &prefix)))
            return true;
        if (err != ERR_NONE || key.size < prefix.size + 4 || key.size >= sizeof from.data)
            return false;
        uint32_t generation = get_be32(key.data + prefix.size);
        if (generation == draft->row.proven.generation || generation == draft->staging.state.generation) {
            if (generation == UINT32_MAX)
                return true;
            from = key_of_generation(draft->region->code, generation + 1);
            continue;
        }
        struct table_key dead = {.size = key.size};
        memcpy(dead.data, key.data, key.size);
        if (!apply_del(apply, table, &dead))
            return false;
        (*budget)--;
    }
    return txn != NULL;
}

/* An entry without salt and payload. */
static bool drop_payload(struct apply *apply, const struct draft *draft, uint64_t sequence)
{
    struct table_key key = key_of_entry(draft->region->code, draft->row.proven.generation, sequence);
    struct octets value;
    uint8_t header[LOG_HEADER_BYTES];
    enum err err;
    if (!apply_get(apply, STORE_REPLICA_LOG, &key, &value, &err))
        return false;
    if (err != ERR_NONE || value.size <= LOG_HEADER_BYTES)
        return true;
    memcpy(header, value.data, LOG_HEADER_BYTES);
    return apply_put(apply, STORE_REPLICA_LOG, &key, &(struct octets){header, sizeof header});
}

static bool drop_payloads(struct apply *apply, struct draft *draft, int *budget)
{
    struct replica_state *proven = &draft->row.proven;
    uint64_t horizon = draft->row.newest.checkpoint.horizon;
    if (proven->generation == 0 || proven->dropped >= horizon)
        return true;
    for (; proven->dropped<horizon && * budget> 0; (*budget)--, proven->dropped++)
        if (!drop_payload(apply, draft, proven->dropped + 1))
            return false;
    draft->changed = draft->row_changed = true;
    return true;
}

/* True when there is more to do at once. */
static bool tidy_region(struct replica *replica, struct region *region)
{
    static const enum store_table tables[] = {STORE_RECORDS, STORE_REPLICA_LOG, STORE_REPLICA_CHECKPOINTS};
    struct apply apply;
    int budget = TIDY_SLICE;
    apply_begin(replica, &apply);
    struct draft *draft = apply_draft(&apply, region);
    bool good = true;
    for (size_t i = 0; i < sizeof tables / sizeof *tables && good; i++)
        good = drop_slice(&apply, draft, tables[i], &budget);
    good = good && drop_payloads(&apply, draft, &budget);
    enum err err = apply_end(&apply);
    bool failed = !good || err != ERR_NONE;
    if (failed && !region->tidy_failed)
        log_warn("register", "region %s can't be tidied: %s; it is tried again", region->code, err_name(err));
    region->tidy_failed = failed;
    region->tidy_due = failed || budget == 0;
    return !failed && budget == 0;
}

bool replica_tidy(struct replica *replica)
{
    if (!feed_settle(replica))
        return false;
    if (replica->thaw_due)
        (void)replica_thaw(replica);
    for (size_t i = 0; i < replica->region_count; i++)
        if (replica->regions[i]->tidy_due && tidy_region(replica, replica->regions[i]))
            return true;
    return false;
}
