/*
 * replica_evidence.c - forks: both signed statements are kept, the region is frozen at what was proven, until the
 * roster names the epoch that survives.
 *
 * Owns: EVIDENCE, freezing and thawing. The replica writer's thread; replica_evidence any.
 * Invariant: a frozen region changes in nothing but its thawing; evidence is never deleted.
 */
#include "daemon/base/log.h"
#include "daemon/register/replica_parts.h"

#include <stdio.h>
#include <string.h>

typedef unsigned long long number;

/* "epoch 3 (0123...), entry 4711" */
static void describe(const struct checkpoint *checkpoint, char *out, size_t bytes)
{
    char id[2 * EPOCH_ID_BYTES + 1];
    hex_encode(checkpoint->epoch_id, EPOCH_ID_BYTES, id);
    snprintf(out, bytes, "epoch %llu (%s), entry %llu", (number)checkpoint->epoch, id, (number)checkpoint->sequence);
}

static void freeze(struct draft *draft, enum replica_frozen frozen)
{
    snapshot_drop(draft);
    draft->row.frozen = frozen;
    draft->changed = draft->row_changed = true;
}

enum replica_verdict freeze_fork(struct apply *apply, struct draft *draft, struct replica_work *work,
                                 const struct signed_checkpoint *ours, const char *why)
{
    struct fork_evidence evidence = {.ours = *ours, .theirs = work->checkpoint};
    uint8_t octets[ROW_BYTES];
    char one[96], other[96];
    describe(&evidence.ours.checkpoint, one, sizeof one);
    describe(&evidence.theirs.checkpoint, other, sizeof other);
    snprintf(evidence.why, sizeof evidence.why, "%s", why);
    struct table_key key = key_of_id(draft->region->code, draft->row.evidence + 1);
    struct octets value = {octets, evidence_encode(&evidence, octets)};
    if (!apply_put(apply, STORE_EVIDENCE, &key, &value))
        return VERDICT_STORE;
    draft->row.evidence++;
    freeze(draft, FROZEN_FORK);
    snprintf(draft->row.frozen_why, sizeof draft->row.frozen_why, "fork: %s: entry %llu and entry %llu, both signed",
             why, (number)evidence.ours.checkpoint.sequence, (number)evidence.theirs.checkpoint.sequence);
    log_error("register",
              "region %s is FROZEN: fork: %s, both signed by its key: %s here, %s from elsewhere. What was proven is "
              "served on. Find out which hub of the region is right, let it open an epoch above both (vacancy hub "
              "promote), and have the root sign a roster with \"thaw %s epoch NUMBER ID\" that names it",
              draft->region->code, why, one, other, draft->region->code);
    return refuse(work, VERDICT_FROZEN, ERR_PRECONDITION, "%s", draft->row.frozen_why);
}

void freeze_unproven(struct draft *draft, const struct replica_work *work)
{
    freeze(draft, FROZEN_UNPROVEN);
    snprintf(draft->row.frozen_why, sizeof draft->row.frozen_why,
             "a second snapshot's records do not add up to the state signed at entry %llu",
             (number)work->checkpoint.checkpoint.sequence);
    log_error(
        "register",
        "region %s is FROZEN: %s. What was proven is served on. Let its hub recompute its digest (vacancy hub verify) "
        "and open an epoch (vacancy hub promote), and have the root sign a roster with \"thaw %s epoch NUMBER ID\"",
        draft->region->code, draft->row.frozen_why, draft->region->code);
}

/* --- thawing ----------------------------------------------------------------------------------------------------- */

/* A thaw counts once: a region that freezes again needs a roster that names another epoch. */
static bool is_new_thaw(const struct region *region)
{
    const struct region_row *row = &region->row;
    const struct roster_region *said = &region->rostered;
    return region->in_roster && said->thawed &&
           !(row->thawed && row->thaw_epoch == said->thaw_epoch &&
             memcmp(row->thaw_epoch_id, said->thaw_epoch_id, EPOCH_ID_BYTES) == 0);
}

static bool thaw(struct replica *replica, struct region *region)
{
    struct apply apply;
    apply_begin(replica, &apply);
    struct draft *draft = apply_draft(&apply, region);
    struct region_row *row = &draft->row;
    bool was_frozen = row->frozen != FROZEN_NOT;
    row->thawed = true;
    row->thaw_epoch = region->rostered.thaw_epoch;
    memcpy(row->thaw_epoch_id, region->rostered.thaw_epoch_id, EPOCH_ID_BYTES);
    row->frozen = FROZEN_NOT;
    row->frozen_why[0] = '\0';
    row->mismatches = 0;
    snapshot_drop(draft);
    draft->changed = draft->row_changed = true;
    enum err err = apply_end(&apply);
    if (err != ERR_NONE && !replica->thaw_due) /* said once */
        log_error("register", "region %s can't be thawed: %s; it is tried again", region->code, err_name(err));
    if (err == ERR_NONE && was_frozen)
        log_info("register", "region %s is thawed: the roster names its epoch %llu", region->code,
                 (number)row->thaw_epoch);
    return err == ERR_NONE;
}

bool replica_thaw(struct replica *replica)
{
    bool done = true;
    for (size_t i = 0; i < replica->region_count; i++) {
        struct region *region = replica->regions[i];
        if (!is_new_thaw(region))
            continue;
        if (region->rostered.thaw_epoch >= region->row.proven.epoch)
            done = thaw(replica, region) && done;
        else if (!replica->thaw_due)
            log_warn("register", "region %s: the roster's thaw names epoch %llu, but what is here is of epoch %llu",
                     region->code, (number)region->rostered.thaw_epoch, (number)region->row.proven.epoch);
    }
    replica->thaw_due = !done;
    return done;
}

/* --- showing ----------------------------------------------------------------------------------------------------- */

enum err replica_evidence(struct replica *replica, const char *code, struct fork_evidence *out)
{
    struct store_txn *txn;
    uint64_t newest = 0;
    pthread_mutex_lock(&replica->lock);
    const struct region *region = replica_region(replica, code);
    if (region != NULL)
        newest = region->row.evidence;
    pthread_mutex_unlock(&replica->lock);
    if (newest == 0)
        return ERR_NOT_FOUND;
    struct table_key key = key_of_id(code, newest);
    struct octets k = key_octets(&key), value;
    enum err err = replica->store->ops->begin(replica->store, false, &txn);
    if (err != ERR_NONE)
        return err;
    err = tables_get(replica->store, txn, STORE_EVIDENCE, &k, &value, NULL);
    if (err == ERR_NONE && !evidence_decode(&value, out))
        err = ERR_STORE_DAMAGED;
    replica->store->ops->abort(txn);
    return err;
}
