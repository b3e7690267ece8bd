/*
 * replica_apply.c - works applied in a transaction: each verified before anything of it is written, all committed
 * together.
 *
 * Owns: struct apply and struct draft; batches of entries. The replica writer's thread.
 * Invariant: a work that fails its verification writes nothing; struct region learns of a group only after its commit;
 * observers were told before it, and are told the disk's truth if it fails.
 */
#include "daemon/base/log.h"
#include "daemon/record/bytes.h"
#include "daemon/register/replica_parts.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

typedef unsigned long long number;

/* --- the transaction --------------------------------------------------------------------------------------------- */

void apply_begin(struct replica *replica, struct apply *out)
{
    arena_reset(&replica->arena);
    *out = (struct apply){.replica = replica};
}

static bool apply_fail(struct apply *apply, enum err err)
{
    if (err != ERR_NONE && apply->failed == ERR_NONE)
        apply->failed = err;
    return err == ERR_NONE;
}

struct store_txn *apply_txn(struct apply *apply)
{
    struct store *store = apply->replica->store;
    if (apply->txn == NULL && apply->failed == ERR_NONE)
        (void)apply_fail(apply, store->ops->begin(store, true, &apply->txn));
    return apply->txn;
}

bool apply_get(struct apply *apply, enum store_table table, const struct table_key *key, struct octets *value,
               enum err *err)
{
    struct store_txn *txn = apply_txn(apply);
    struct octets k = key_octets(key);
    struct problem problem = {0};
    if (txn == NULL)
        return false;
    *err = tables_get(apply->replica->store, txn, table, &k, value, &problem);
    if (*err == ERR_STORE_DAMAGED)
        log_error("register", "%s", problem.text);
    return *err == ERR_NOT_FOUND || *err == ERR_STORE_DAMAGED || apply_fail(apply, *err);
}

bool apply_put(struct apply *apply, enum store_table table, const struct table_key *key, const struct octets *value)
{
    struct store_txn *txn = apply_txn(apply);
    struct octets k = key_octets(key);
    struct arena *arena = &apply->replica->put_arena;
    apply->dirty = true;
    arena_reset(arena);
    return txn != NULL && apply_fail(apply, tables_put(apply->replica->store, txn, arena, table, &k, value));
}

bool apply_del(struct apply *apply, enum store_table table, const struct table_key *key)
{
    struct store_txn *txn = apply_txn(apply);
    struct octets k = key_octets(key);
    apply->dirty = true;
    return txn != NULL && apply_fail(apply, apply->replica->store->ops->del(txn, table, &k));
}

struct draft *apply_draft(struct apply *apply, struct region *region)
{
    for (size_t i = 0; i < apply->draft_count; i++)
        if (apply->drafts[i]->region == region)
            return apply->drafts[i];
    struct draft *draft = arena_zalloc(&apply->replica->arena, sizeof *draft);
    if (draft == NULL || apply->draft_count == REPLICA_WORKS_MAX)
        log_fatal("register", "more than %d regions in a group of works", REPLICA_WORKS_MAX);
    draft->region = region;
    draft->row = region->row;
    draft->staging = region->staging;
    draft->first_seen_boot_ms = region->first_seen_boot_ms;
    apply->drafts[apply->draft_count++] = draft;
    return draft;
}

void draft_change(struct apply *apply, struct draft *draft, const struct change *change)
{
    if (draft->change_count == draft->change_capacity) {
        size_t capacity = draft->change_capacity ? 2 * draft->change_capacity : 64;
        struct change *changes = arena_alloc(&apply->replica->arena, capacity * sizeof *changes);
        if (changes == NULL) {
            (void)apply_fail(apply, ERR_LIMIT);
            return;
        }
        if (draft->change_count > 0)
            memcpy(changes, draft->changes, draft->change_count * sizeof *changes);
        draft->changes = changes;
        draft->change_capacity = capacity;
    }
    draft->changes[draft->change_count++] = *change;
}

void draft_seen(struct apply *apply, struct draft *draft, const struct signed_checkpoint *checkpoint)
{
    if (draft->row.proven.generation == 0 || checkpoint->checkpoint.time_ms != draft->row.newest.checkpoint.time_ms)
        draft->first_seen_boot_ms = clock_boot_ms(apply->replica->clock);
    draft->row.newest = *checkpoint;
    draft->changed = true;
}

/* The draft's rows, as far as they changed. */
static bool write_draft(struct apply *apply, const struct draft *draft)
{
    uint8_t octets[ROW_BYTES];
    struct table_key row_key = key_of_region(draft->region->code);
    struct table_key staging_key = key_of_staging(draft->region->code);
    if (draft->row_changed) {
        size_t bytes = region_row_encode(&draft->row, octets);
        if (!apply_put(apply, STORE_REGIONS, &row_key, &(struct octets){octets, bytes}))
            return false;
    }
    if (!draft->staging_changed)
        return true;
    if (draft->staging.state.generation == 0)
        return apply_del(apply, STORE_REGIONS, &staging_key);
    size_t bytes = staging_row_encode(&draft->staging, octets);
    return apply_put(apply, STORE_REGIONS, &staging_key, &(struct octets){octets, bytes});
}

static bool write_drafts(struct apply *apply)
{
    bool good = true;
    for (size_t i = 0; i < apply->draft_count && good; i++)
        good = write_draft(apply, apply->drafts[i]);
    return good && apply->failed == ERR_NONE;
}

static void publish_drafts(struct apply *apply)
{
    struct replica *replica = apply->replica;
    pthread_mutex_lock(&replica->lock);
    for (size_t i = 0; i < apply->draft_count; i++) {
        const struct draft *draft = apply->drafts[i];
        struct region *region = draft->region;
        if (!draft->changed)
            continue;
        region->row = draft->row;
        region->staging = draft->staging;
        region->first_seen_boot_ms = draft->first_seen_boot_ms;
        region->tidy_due = region->tidy_due || draft->tidy_due;
    }
    pthread_mutex_unlock(&replica->lock);
}

enum err apply_end(struct apply *apply)
{
    struct store *store = apply->replica->store;
    bool told = false;
    if (apply->failed == ERR_NONE && write_drafts(apply) && apply->dirty) {
        told = true;
        if (apply_fail(apply, feed_told(apply->replica, apply))) {
            (void)apply_fail(apply, store->ops->commit(apply->txn));
            apply->txn = NULL;
        }
    }
    store->ops->abort(apply->txn);
    apply->txn = NULL;
    if (apply->failed == ERR_NONE)
        publish_drafts(apply);
    else if (told)
        feed_undo(apply->replica, apply);
    feed_done(apply->replica);
    return apply->failed;
}

/* --- how a checkpoint stands to ours ----------------------------------------------------------------------------- */

void mismatch_mark(struct draft *draft, const struct replica_work *work)
{
    if (draft->row.mismatches++ == 0)
        memcpy(draft->row.mismatch_peer, work->peer, sizeof draft->row.mismatch_peer);
    draft->changed = draft->row_changed = true;
}

/* Our own disk's damage is nobody's false statement: it counts against no hub, so that one liar after it does not
 * freeze the region. */
static enum replica_verdict say_afresh(const struct draft *draft, struct replica_work *work, const char *what)
{
    log_error("register",
              "region %s: %s; what was proven up to entry %llu is still served, and the region is taken afresh",
              draft->region->code, what, (number)draft->row.proven.sequence);
    return refuse(work, VERDICT_MISMATCH, ERR_STORE_DAMAGED, "%s", what);
}

static enum replica_verdict mark_mismatch(struct draft *draft, struct replica_work *work, const char *what)
{
    mismatch_mark(draft, work);
    return say_afresh(draft, work, what);
}

/* What two checkpoints of one position say of it. */
static const char *contradiction(const uint8_t our_head[DIGEST_BYTES], const struct checkpoint *ours,
                                 const struct checkpoint *theirs)
{
    if (memcmp(theirs->head, our_head, DIGEST_BYTES) != 0)
        return "two entries for one position";
    if (ours != NULL && (memcmp(theirs->state, ours->state, DIGEST_BYTES) != 0 || theirs->records != ours->records))
        return "two states for one position";
    return NULL;
}

/* Same epoch, before our position: it must say what we have there. */
static enum relation relate_before(struct apply *apply, struct draft *draft, struct replica_work *work,
                                   enum replica_verdict *verdict)
{
    const struct checkpoint *theirs = &work->checkpoint.checkpoint;
    struct table_key key = key_of_entry(draft->region->code, draft->row.proven.generation, theirs->sequence);
    struct signed_checkpoint stored;
    struct octets entry, value;
    uint8_t head[DIGEST_BYTES];
    enum err err, kept_err;
    *verdict = VERDICT_STORE;
    if (!apply_get(apply, STORE_REPLICA_LOG, &key, &entry, &err) ||
        !apply_get(apply, STORE_REPLICA_CHECKPOINTS, &key, &value, &kept_err))
        return RELATION_REFUSED;
    if (err != ERR_NONE || entry.size < LOG_HEADER_BYTES) {
        *verdict = say_afresh(draft, work, "a stored entry is damaged");
        return RELATION_REFUSED;
    }
    log_header_hash(entry.data, head);
    bool kept = kept_err == ERR_NONE && checkpoint_decode(&value, &stored) == ERR_NONE;
    const char *why = contradiction(head, kept ? &stored.checkpoint : NULL, theirs);
    if (why == NULL)
        return RELATION_BEHIND;
    *verdict = freeze_fork(apply, draft, work, kept ? &stored : &draft->row.newest, why);
    return RELATION_REFUSED;
}

static enum relation refuse_epoch(struct draft *draft, struct replica_work *work, enum replica_verdict *verdict)
{
    *verdict = refuse(work, VERDICT_OLD_EPOCH, ERR_STALE, "signed in epoch %llu; %s %llu",
                      (number)work->checkpoint.checkpoint.epoch,
                      draft->row.thawed ? "the roster names another branch, with epoch" : "here stands epoch",
                      (number)(draft->row.thawed ? draft->row.thaw_epoch : draft->row.proven.epoch));
    return RELATION_REFUSED;
}

enum relation apply_relate(struct apply *apply, struct draft *draft, struct replica_work *work,
                           enum replica_verdict *verdict)
{
    const struct checkpoint *theirs = &work->checkpoint.checkpoint;
    const struct region_row *row = &draft->row;
    const struct replica_state *ours = &row->proven;
    bool named = row->thawed && theirs->epoch == row->thaw_epoch;
    if (theirs->epoch < ours->epoch || (named && memcmp(theirs->epoch_id, row->thaw_epoch_id, EPOCH_ID_BYTES) != 0))
        return refuse_epoch(draft, work, verdict);
    if (row->thawed && theirs->epoch < row->thaw_epoch)
        return theirs->sequence > ours->sequence ? RELATION_BEFORE_THAW : refuse_epoch(draft, work, verdict);
    if (ours->generation == 0)
        return RELATION_AHEAD;
    if (theirs->epoch > ours->epoch)
        return theirs->sequence > ours->sequence ? RELATION_AHEAD : RELATION_OTHER;
    if (memcmp(theirs->epoch_id, ours->epoch_id, EPOCH_ID_BYTES) != 0) {
        if (named)
            return RELATION_OTHER;
        *verdict = freeze_fork(apply, draft, work, &row->newest, "two epochs of one number");
        return RELATION_REFUSED;
    }
    if (theirs->sequence > ours->sequence)
        return RELATION_AHEAD;
    if (theirs->sequence < ours->sequence)
        return relate_before(apply, draft, work, verdict);
    const char *why = contradiction(ours->head, &row->newest.checkpoint, theirs);
    if (why == NULL)
        return RELATION_SAME;
    *verdict = freeze_fork(apply, draft, work, &row->newest, why);
    return RELATION_REFUSED;
}

/* --- the digest -------------------------------------------------------------------------------------------------- */

bool digest_agrees(const struct replica_state *state, const struct checkpoint *checkpoint)
{
    uint8_t digest[DIGEST_BYTES];
    lthash_digest(&state->hash, digest);
    return state->records == checkpoint->records && memcmp(digest, checkpoint->state, DIGEST_BYTES) == 0;
}

enum replica_verdict apply_digest(struct apply *apply, struct replica_work *work, const struct replica_state *state,
                                  struct plan *plan)
{
    size_t count = 0;
    struct element *elements = arena_alloc(&apply->replica->arena, 2 * plan->change_count * sizeof *elements + 1);
    if (elements == NULL)
        return refuse(work, VERDICT_TOO_LARGE, ERR_LIMIT, "%zu records up to one checkpoint", plan->change_count);
    for (size_t i = 0; i < plan->change_count; i++) {
        const struct change *change = &plan->changes[i];
        struct table_key key = key_of_record(work->region, state->generation, change->table, &change->key);
        struct octets old;
        enum err err = ERR_NOT_FOUND;
        if (state->generation != 0 && !apply_get(apply, STORE_RECORDS, &key, &old, &err))
            return VERDICT_STORE;
        if (err == ERR_STORE_DAMAGED)
            return VERDICT_MISMATCH;
        if (err == ERR_NONE)
            elements[count++] = (struct element){true, change->table, change->key, old};
        if (!change->deleted)
            elements[count++] = (struct element){false, change->table, change->key, change->value};
        plan->after.records += (uint64_t)!change->deleted - (uint64_t)(err == ERR_NONE);
    }
    hash_pool_sum(apply->replica->pool, elements, count, &plan->after.hash);
    return VERDICT_NONE;
}

/* --- writing ----------------------------------------------------------------------------------------------------- */

static bool write_entry(struct apply *apply, const char *region, uint32_t generation, uint64_t sequence,
                        const struct log_row *row)
{
    struct table_key key = key_of_entry(region, generation, sequence);
    size_t bytes = row->header.size + row->salt.size + row->payload.size;
    uint8_t *entry = apply->replica->entry;
    if (bytes > sizeof apply->replica->entry)
        log_fatal("register", "an entry of %zu octets", bytes);
    memcpy(entry, row->header.data, row->header.size);
    memcpy(entry + row->header.size, row->salt.data, row->salt.size);
    memcpy(entry + row->header.size + row->salt.size, row->payload.data, row->payload.size);
    return apply_put(apply, STORE_REPLICA_LOG, &key, &(struct octets){entry, bytes});
}

/* The newest, and of those before it the last of each block. */
static bool write_checkpoint(struct apply *apply, const char *region, uint32_t generation,
                             const struct signed_checkpoint *checkpoint, uint64_t before)
{
    uint8_t octets[CHECKPOINT_STORED_BYTES];
    uint64_t sequence = checkpoint->checkpoint.sequence;
    struct table_key key = key_of_entry(region, generation, sequence), old = key_of_entry(region, generation, before);
    struct octets value = {octets, 0};
    value.size = checkpoint_encode(checkpoint, octets);
    if (before != 0 && before != sequence && before / CHECKPOINT_BLOCK == sequence / CHECKPOINT_BLOCK &&
        !apply_del(apply, STORE_REPLICA_CHECKPOINTS, &old))
        return false;
    return apply_put(apply, STORE_REPLICA_CHECKPOINTS, &key, &value);
}

bool apply_plan(struct apply *apply, const struct draft *draft, const struct replica_work *work,
                const struct plan *plan, uint64_t checkpoint_before)
{
    const char *region = draft->region->code;
    uint32_t generation = plan->after.generation;
    uint64_t sequence = plan->after.sequence - (work->entry_count - plan->first_new);
    for (size_t i = 0; i < plan->change_count; i++) {
        const struct change *change = &plan->changes[i];
        struct table_key key = key_of_record(region, generation, change->table, &change->key);
        if (change->deleted ? !apply_del(apply, STORE_RECORDS, &key)
                            : !apply_put(apply, STORE_RECORDS, &key, &change->value))
            return false;
    }
    for (size_t i = plan->first_new; i < work->entry_count; i++)
        if (!write_entry(apply, region, generation, ++sequence, &work->entries[i]))
            return false;
    return write_checkpoint(apply, region, generation, &work->checkpoint, checkpoint_before);
}

/* --- a batch ----------------------------------------------------------------------------------------------------- */

/* The same position, signed again: kept in memory, written with the next batch. */
static enum replica_verdict signed_again(struct apply *apply, struct draft *draft, struct replica_work *work)
{
    const struct checkpoint *theirs = &work->checkpoint.checkpoint, *ours = &draft->row.newest.checkpoint;
    /* A horizon that has moved is news also from a hub whose clock was set back meanwhile. */
    if (theirs->time_ms <= ours->time_ms && theirs->horizon <= ours->horizon)
        return VERDICT_KNOWN;
    if (theirs->horizon < ours->horizon)
        return refuse(work, VERDICT_LIE, ERR_INVALID, "its horizon goes back");
    draft->tidy_due = draft->tidy_due || theirs->horizon > ours->horizon;
    draft_seen(apply, draft, &work->checkpoint);
    return VERDICT_APPLIED;
}

/* Entries that chain to a head that the region signed, and not to ours. */
static enum replica_verdict other_branch(struct apply *apply, struct draft *draft, struct replica_work *work)
{
    if (draft->row.proven.generation == 0)
        return refuse(work, VERDICT_LIE, ERR_INVALID, "the first entry has a predecessor");
    if (work->checkpoint.checkpoint.epoch > draft->row.proven.epoch)
        return refuse(work, VERDICT_OTHER_HISTORY, ERR_STALE, "epoch %llu began before our position",
                      (number)work->checkpoint.checkpoint.epoch);
    return freeze_fork(apply, draft, work, &draft->row.newest, "its entries do not follow ours");
}

static enum replica_verdict apply_entries(struct apply *apply, struct draft *draft, struct replica_work *work,
                                          size_t first_new)
{
    struct replica_state state = draft->row.proven;
    uint64_t checkpoint_before = state.generation ? draft->row.newest.checkpoint.sequence : 0;
    struct plan plan;
    if (state.generation == 0)
        state.generation = draft->row.last_generation + 1;
    enum replica_verdict verdict = verify_entries(&state, work, first_new, &apply->replica->arena, &plan);
    if (verdict == VERDICT_NONE && draft->row.proven.epoch == work->checkpoint.checkpoint.epoch &&
        work->checkpoint.checkpoint.horizon < draft->row.newest.checkpoint.horizon)
        return refuse(work, VERDICT_LIE, ERR_INVALID, "its horizon goes back");
    if (verdict == VERDICT_NONE)
        verdict = apply_digest(apply, work, &state, &plan);
    if (verdict == VERDICT_MISMATCH)
        return say_afresh(draft, work, "a stored record is damaged");
    if (verdict == VERDICT_NONE && !digest_agrees(&plan.after, &work->checkpoint.checkpoint))
        return mark_mismatch(draft, work, "its records do not add up to the signed state");
    if (verdict != VERDICT_NONE)
        return verdict;
    if (!apply_plan(apply, draft, work, &plan, checkpoint_before))
        return VERDICT_STORE;
    draft_seen(apply, draft, &work->checkpoint);
    draft->row.proven = plan.after;
    draft->row.last_generation =
        draft->row.last_generation > state.generation ? draft->row.last_generation : state.generation;
    draft->row.mismatches = 0;
    draft->row_changed = draft->moved = true;
    draft->tidy_due = draft->tidy_due || work->checkpoint.checkpoint.horizon > plan.after.dropped;
    /* A part of a snapshot that the log has overtaken is of no use, and what is erased meanwhile would stay in it. */
    const struct checkpoint *begin = &draft->staging.begin.checkpoint;
    if (plan.after.epoch >= begin->epoch && plan.after.sequence >= begin->sequence)
        snapshot_drop(draft);
    for (size_t i = 0; i < plan.change_count; i++)
        draft_change(apply, draft, &plan.changes[i]);
    return VERDICT_APPLIED;
}

static enum replica_verdict batch_work(struct apply *apply, struct draft *draft, struct replica_work *work)
{
    enum replica_verdict verdict = verify_checkpoint(draft->region, work);
    size_t first_new = 0;
    if (verdict == VERDICT_NONE)
        verdict = verify_chain(draft->region->code, work);
    if (verdict != VERDICT_NONE)
        return verdict;
    switch (apply_relate(apply, draft, work, &verdict)) {
    case RELATION_REFUSED:
        return verdict;
    case RELATION_BEHIND:
        return VERDICT_KNOWN;
    case RELATION_SAME:
        return signed_again(apply, draft, work);
    case RELATION_OTHER:
    case RELATION_BEFORE_THAW:
        return refuse(work, VERDICT_OTHER_HISTORY, ERR_STALE, "epoch %llu: a snapshot is needed",
                      (number)work->checkpoint.checkpoint.epoch);
    case RELATION_AHEAD:
        break;
    }
    if (work->entry_count == 0)
        return refuse(work, VERDICT_GAP, ERR_OUT_OF_RANGE, "a checkpoint ahead of us, without entries");
    switch (verify_link(&draft->row.proven, work, &first_new)) {
    case LINK_FOLLOWS:
        return apply_entries(apply, draft, work, first_new);
    case LINK_GAP:
        return refuse(work, VERDICT_GAP, ERR_OUT_OF_RANGE, "entries after %llu are missing",
                      (number)draft->row.proven.sequence);
    case LINK_KNOWN:
        return VERDICT_KNOWN;
    case LINK_OTHER:
        break;
    }
    return other_branch(apply, draft, work);
}

/* --- groups of works --------------------------------------------------------------------------------------------- */

enum replica_verdict refuse(struct replica_work *work, enum replica_verdict verdict, enum err code, const char *format,
                            ...)
{
    va_list args;
    char text[PROBLEM_TEXT_BYTES];
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    (void)problem_set(&work->problem, code, "", "%s", text);
    return verdict;
}

static enum replica_verdict one_work(struct apply *apply, struct replica_work *work)
{
    struct replica *replica = apply->replica;
    struct region *region = replica_region(replica, work->region);
    if (region == NULL || !region->in_roster)
        return refuse(work, VERDICT_NO_REGION, ERR_NOT_FOUND, "region %.9s is not in the roster, or our own",
                      work->region);
    struct draft *draft = apply_draft(apply, region);
    if (work->kind == WORK_SNAPSHOT_DROP) {
        snapshot_drop(draft);
        return VERDICT_KNOWN;
    }
    if (draft->row.frozen != FROZEN_NOT)
        return refuse(work, VERDICT_FROZEN, ERR_PRECONDITION, "%s", draft->row.frozen_why);
    return work->kind == WORK_BATCH ? batch_work(apply, draft, work) : snapshot_work(apply, draft, work);
}

/* A failed group's works did nothing; what was found wrong with one by itself still is. */
static void group_failed(struct replica_work **works, size_t count, enum err err)
{
    for (size_t i = 0; i < count; i++) {
        enum replica_verdict verdict = works[i]->verdict;
        if (verdict != VERDICT_LIE && verdict != VERDICT_NO_REGION && verdict != VERDICT_TOO_LARGE)
            works[i]->verdict =
                refuse(works[i], VERDICT_STORE, err, "the replica's store takes nothing: %s", err_name(err));
    }
}

/* False: there was no room for all of them together; nothing was done. */
static bool apply_group(struct replica *replica, struct replica_work **works, size_t count)
{
    struct apply apply;
    apply_begin(replica, &apply);
    for (size_t i = 0; i < count; i++)
        works[i]->verdict = VERDICT_NONE;
    for (size_t i = 0; i < count && apply.failed == ERR_NONE; i++) {
        works[i]->problem = (struct problem){0};
        works[i]->verdict = one_work(&apply, works[i]);
    }
    enum err err = apply_end(&apply);
    if (count > 1 && (err == ERR_STORE_FULL || err == ERR_LIMIT) && replica->undos == NULL)
        return false;
    if (err != ERR_NONE)
        group_failed(works, count, err);
    return true;
}

/* How many of the works go into one transaction. What may publish a snapshot has one of its own. */
static size_t group_size(struct replica_work **works, size_t count)
{
    size_t bytes = 0, size = 0;
    while (size < count && size < REPLICA_WORKS_MAX) {
        bytes += works[size]->arena.used_bytes;
        if (size > 0 && (bytes > GROUP_BYTES || works[size]->kind == WORK_SNAPSHOT_LOG))
            break;
        size++;
        if (works[size - 1]->kind == WORK_SNAPSHOT_LOG)
            break;
    }
    return size;
}

void replica_apply(struct replica *replica, struct replica_work **works, size_t count)
{
    if (!feed_settle(replica))
        group_failed(works, count, ERR_STORE_IO);
    for (size_t done = 0; done < count && replica->undos == NULL;) {
        size_t size = group_size(works + done, count - done);
        if (!apply_group(replica, works + done, size))
            for (size_t i = 0; i < size; i++)
                (void)apply_group(replica, works + done + i, 1);
        done += size;
        if (replica->undos != NULL)
            group_failed(works + done, count - done, ERR_STORE_IO);
    }
    for (size_t i = 0; i < count; i++) {
        const struct region *region = replica_region(replica, works[i]->region);
        works[i]->cursor = (struct log_cursor){0};
        if (region != NULL && region->row.proven.generation != 0) {
            works[i]->cursor.sequence = region->row.proven.sequence;
            memcpy(works[i]->cursor.head, region->row.proven.head, DIGEST_BYTES);
        }
    }
}
