/*
 * replica_snapshot.c - a whole region taken afresh: staged under a new generation, proven at a signed checkpoint,
 * published by the change of one row.
 *
 * Owns: struct staging_row. The replica writer's thread. Each work is one part of one transaction, and the staging row
 * is in it, so a snapshot goes on after a restart, and with another source, from where it stood.
 * Invariant: what is staged is seen by nobody; it is published only if its chain leads from the first header to the
 * head that the checkpoint signs, and its records add up to the state that it signs.
 */
#include "daemon/base/log.h"
#include "daemon/record/bytes.h"
#include "daemon/register/replica_parts.h"

#include <string.h>

typedef unsigned long long number;

void snapshot_drop(struct draft *draft)
{
    if (draft->staging.state.generation == 0)
        return;
    draft->staging = (struct staging_row){0};
    draft->changed = draft->staging_changed = draft->tidy_due = true;
}

static enum replica_verdict give_up(struct draft *draft, struct replica_work *work, enum replica_verdict verdict,
                                    const char *why)
{
    snapshot_drop(draft);
    return refuse(work, verdict, ERR_INVALID, "%s", why);
}

static enum replica_verdict staged(struct draft *draft)
{
    draft->changed = draft->staging_changed = true;
    return VERDICT_STAGED;
}

/* --- begin ---------------------------------------------------------------------------------------------------------
 */

static enum replica_verdict work_begin(struct apply *apply, struct draft *draft, struct replica_work *work)
{
    enum replica_verdict verdict = verify_checkpoint(draft->region, work);
    if (verdict != VERDICT_NONE)
        return verdict;
    switch (apply_relate(apply, draft, work, &verdict)) {
    case RELATION_REFUSED:
        return verdict;
    case RELATION_BEFORE_THAW:
        return refuse(work, VERDICT_OLD_EPOCH, ERR_STALE, "signed in epoch %llu; the roster names epoch %llu",
                      (number)work->checkpoint.checkpoint.epoch, (number)draft->row.thaw_epoch);
    case RELATION_BEHIND:
        return refuse(work, VERDICT_KNOWN, ERR_STALE, "a snapshot from before our position");
    case RELATION_SAME:
    case RELATION_AHEAD:
    case RELATION_OTHER:
        break;
    }
    snapshot_drop(draft);
    draft->row.last_generation++;
    draft->row_changed = true;
    draft->staging.begin = work->checkpoint;
    draft->staging.state.generation = draft->row.last_generation;
    memcpy(draft->staging.peer, work->peer, sizeof draft->staging.peer);
    return staged(draft);
}

/* --- headers -------------------------------------------------------------------------------------------------------
 */

static bool headers_whole(const struct staging_row *staging)
{
    return staging->state.sequence >= staging->begin.checkpoint.sequence;
}

/* The entry at a position of ours or of what is staged. False: it can't be read. */
static bool read_entry(struct apply *apply, const struct draft *draft, uint64_t generation, uint64_t sequence,
                       struct log_header *header, uint8_t hash[DIGEST_BYTES])
{
    struct table_key key = key_of_entry(draft->region->code, generation, sequence);
    struct octets value;
    enum err err;
    if (!apply_get(apply, STORE_REPLICA_LOG, &key, &value, &err) || err != ERR_NONE || value.size < LOG_HEADER_BYTES ||
        log_header_decode(&(struct octets){value.data, LOG_HEADER_BYTES}, header) != ERR_NONE)
        return false;
    log_header_hash(value.data, hash);
    return true;
}

/*
 * A history that leaves ours must leave it by the opening of a later epoch: another entry of the same epoch at the same
 * position is a fork, however high the epochs that follow. Not after a thaw: the roster has said which one is meant.
 * Asked when the headers are whole, and before what is staged takes the place of ours, which may have gone on since.
 * Chains that part differ from there on, so the place is found by halving: up to `same` they agree, from `differ` on
 * they don't.
 */
static bool forks_ours(struct apply *apply, const struct draft *draft)
{
    const struct replica_state *ours = &draft->row.proven, *theirs = &draft->staging.state;
    uint64_t last = ours->sequence < theirs->sequence ? ours->sequence : theirs->sequence;
    struct log_header our_header, their_header;
    uint8_t our_hash[DIGEST_BYTES], their_hash[DIGEST_BYTES];
    bool later = true; /* at `differ`: theirs is of a later epoch */
    if (ours->generation == 0 || draft->row.thawed)
        return false;
    for (uint64_t same = 0, differ = last + 1, at = last; differ - same > 1; at = same + (differ - same) / 2) {
        if (!read_entry(apply, draft, ours->generation, at, &our_header, our_hash) ||
            !read_entry(apply, draft, theirs->generation, at, &their_header, their_hash))
            return false;
        if (memcmp(our_hash, their_hash, DIGEST_BYTES) == 0) {
            same = at;
        } else {
            differ = at;
            later = their_header.epoch > our_header.epoch;
        }
    }
    return !later;
}

static enum replica_verdict freeze_staged(struct apply *apply, struct draft *draft, struct replica_work *work)
{
    return freeze_fork(apply, draft, work, &draft->row.newest, "two entries for one position of one epoch");
}

static enum replica_verdict stage_header(struct apply *apply, struct draft *draft, struct replica_work *work,
                                         const struct octets *octets)
{
    struct staging_row *staging = &draft->staging;
    struct replica_state *state = &staging->state;
    struct log_header header,
        previous = {.epoch = state->epoch, .sequence = state->sequence, .time_ms = state->time_ms};
    uint8_t hash[DIGEST_BYTES];
    memcpy(previous.region, draft->region->code, GSS_BYTES);
    if (log_header_decode(octets, &header) != ERR_NONE || strcmp(header.region, draft->region->code) != 0 ||
        header.epoch == 0)
        return give_up(draft, work, VERDICT_LIE, "a header can't be read, or is another region's");
    if (log_chain_check(state->sequence ? &previous : NULL, state->head, &header, &work->problem) != ERR_NONE) {
        snapshot_drop(draft);
        return VERDICT_LIE;
    }
    log_header_hash(octets->data, hash);
    struct table_key key = key_of_entry(draft->region->code, state->generation, header.sequence);
    if (!apply_put(apply, STORE_REPLICA_LOG, &key, octets))
        return VERDICT_STORE;
    state->sequence = state->dropped = header.sequence;
    state->epoch = header.epoch;
    state->time_ms = header.time_ms;
    memcpy(state->head, hash, DIGEST_BYTES);
    return VERDICT_NONE;
}

static enum replica_verdict work_headers(struct apply *apply, struct draft *draft, struct replica_work *work)
{
    struct staging_row *staging = &draft->staging;
    const struct checkpoint *begin = &staging->begin.checkpoint;
    size_t count = work->headers.size / LOG_HEADER_BYTES;
    if (work->headers.size % LOG_HEADER_BYTES != 0 || count == 0 || work->first_sequence == 0)
        return refuse(work, VERDICT_LIE, ERR_INVALID, "headers of %zu octets", work->headers.size);
    if (count > LOG_HEADERS_PER_READ)
        return refuse(work, VERDICT_TOO_LARGE, ERR_LIMIT, "%zu headers in one part", count);
    if (headers_whole(staging))
        return VERDICT_STAGED; /* sent again */
    if (work->first_sequence > staging->state.sequence + 1)
        return refuse(work, VERDICT_GAP, ERR_OUT_OF_RANGE, "headers after %llu are missing",
                      (number)staging->state.sequence);
    for (size_t i = staging->state.sequence + 1 - work->first_sequence; i < count && !headers_whole(staging); i++) {
        const struct octets header = {work->headers.data + i * LOG_HEADER_BYTES, LOG_HEADER_BYTES};
        enum replica_verdict verdict = stage_header(apply, draft, work, &header);
        if (verdict != VERDICT_NONE)
            return verdict;
    }
    if (headers_whole(staging) &&
        (memcmp(staging->state.head, begin->head, DIGEST_BYTES) != 0 || staging->state.epoch != begin->epoch))
        return give_up(draft, work, VERDICT_LIE, "the headers do not lead to the head that is signed");
    if (headers_whole(staging) && forks_ours(apply, draft)) { /* not before: a single header is anybody's to make up */
        work->checkpoint = staging->begin;
        return freeze_staged(apply, draft, work);
    }
    if (headers_whole(staging))
        memcpy(staging->state.epoch_id, begin->epoch_id, EPOCH_ID_BYTES);
    return staged(draft);
}

/* --- records -------------------------------------------------------------------------------------------------------
 */

static bool is_after(const struct staging_row *staging, const struct shared_record *record)
{
    if ((unsigned)record->table != staging->last_table)
        return (unsigned)record->table > staging->last_table;
    size_t x = record->key.size, y = staging->last_key_bytes;
    int order = memcmp(record->key.data, staging->last_key, x < y ? x : y);
    return order > 0 || (order == 0 && x > y);
}

/*
 * Records that are read after the log was begun may be older than entries applied meanwhile, so the log is taken from
 * the beginning once more: what it says are post-states.
 */
static bool rewind_log(struct apply *apply, struct draft *draft)
{
    struct staging_row *staging = &draft->staging;
    const struct checkpoint *begin = &staging->begin.checkpoint;
    struct table_key key = key_of_entry(draft->region->code, staging->state.generation, begin->sequence);
    struct log_header header;
    struct octets value;
    enum err err;
    if (staging->state.sequence == begin->sequence)
        return true;
    if (!apply_get(apply, STORE_REPLICA_LOG, &key, &value, &err) || err != ERR_NONE || value.size < LOG_HEADER_BYTES ||
        log_header_decode(&(struct octets){value.data, LOG_HEADER_BYTES}, &header) != ERR_NONE)
        return false;
    staging->state.sequence = begin->sequence;
    staging->state.epoch = begin->epoch;
    staging->state.time_ms = header.time_ms;
    memcpy(staging->state.head, begin->head, DIGEST_BYTES);
    memcpy(staging->state.epoch_id, begin->epoch_id, EPOCH_ID_BYTES);
    return true;
}

static enum replica_verdict stage_record(struct apply *apply, struct draft *draft, struct replica_work *work,
                                         const struct shared_record *record, struct element *elements, size_t *count)
{
    struct staging_row *staging = &draft->staging;
    struct octets old;
    enum err err = ERR_NOT_FOUND;
    if (record->table < LOG_TABLE_AGENCY || record->table >= LOG_TABLE_END ||
        !shared_record_good(record->table, &record->key, &record->value))
        return give_up(draft, work, VERDICT_LIE, "a record can't be read");
    if (!is_after(staging, record))
        return give_up(draft, work, VERDICT_LIE, "the records are not in order");
    if (staging->state.records / 2 > staging->begin.checkpoint.records + STAGED_SURPLUS / 2)
        return give_up(draft, work, VERDICT_TOO_LARGE, "far more records than were signed");
    struct table_key key = key_of_record(draft->region->code, staging->state.generation, record->table, &record->key);
    if (!apply_get(apply, STORE_RECORDS, &key, &old, &err))
        return VERDICT_STORE;
    if (err == ERR_STORE_DAMAGED)
        return give_up(draft, work, VERDICT_MISMATCH, "a staged record is damaged");
    if (err == ERR_NONE) { /* the log brought it */
        lthash_remove(&staging->state.hash, record->table, &record->key, &old);
        staging->state.records--;
    }
    elements[(*count)++] = (struct element){false, record->table, record->key, record->value};
    staging->state.records++;
    staging->last_table = (uint8_t)record->table;
    staging->last_key_bytes = (uint8_t)record->key.size;
    memcpy(staging->last_key, record->key.data, record->key.size);
    return apply_put(apply, STORE_RECORDS, &key, &record->value) ? VERDICT_NONE : VERDICT_STORE;
}

static enum replica_verdict work_records(struct apply *apply, struct draft *draft, struct replica_work *work)
{
    struct staging_row *staging = &draft->staging;
    struct element *elements = arena_alloc(&apply->replica->arena, work->record_count * sizeof *elements + 1);
    size_t count = 0;
    if (elements == NULL)
        return refuse(work, VERDICT_TOO_LARGE, ERR_LIMIT, "%zu records in one part", work->record_count);
    if (!headers_whole(staging))
        return refuse(work, VERDICT_GAP, ERR_OUT_OF_RANGE, "headers after %llu are missing",
                      (number)staging->state.sequence);
    if (work->record_count > 0 && !rewind_log(apply, draft))
        return apply->failed ? VERDICT_STORE : give_up(draft, work, VERDICT_MISMATCH, "a staged header is damaged");
    for (size_t i = 0; i < work->record_count; i++) {
        enum replica_verdict verdict = stage_record(apply, draft, work, &work->records[i], elements, &count);
        if (verdict != VERDICT_NONE)
            return verdict;
    }
    hash_pool_sum(apply->replica->pool, elements, count, &staging->state.hash);
    if (work->read_at_sequence > staging->read_at)
        staging->read_at = work->read_at_sequence;
    return staged(draft);
}

/* --- the log, and the proof ----------------------------------------------------------------------------------------
 */

/* Whether what is staged may still take the place of what was proven meanwhile. */
static enum replica_verdict still_wanted(struct apply *apply, struct draft *draft, struct replica_work *work)
{
    enum replica_verdict verdict = VERDICT_NONE;
    switch (apply_relate(apply, draft, work, &verdict)) {
    case RELATION_REFUSED:
        if (verdict == VERDICT_OLD_EPOCH)
            snapshot_drop(draft);
        return verdict;
    case RELATION_BEFORE_THAW:
        return give_up(draft, work, VERDICT_OLD_EPOCH, "the roster names a later epoch");
    case RELATION_BEHIND:
        return work->checkpoint.checkpoint.sequence < draft->staging.read_at
                   ? VERDICT_NONE
                   : give_up(draft, work, VERDICT_KNOWN, "a snapshot from before our position");
    case RELATION_SAME:
    case RELATION_AHEAD:
    case RELATION_OTHER:
        break;
    }
    return VERDICT_NONE;
}

/* The entries that are new to the staged log, applied to the staged records. */
static enum replica_verdict stage_log(struct apply *apply, struct draft *draft, struct replica_work *work)
{
    struct staging_row *staging = &draft->staging;
    const struct checkpoint *end = &work->checkpoint.checkpoint;
    struct plan plan;
    size_t first_new = 0;
    enum link link = LINK_KNOWN;
    if (work->entry_count > 0)
        link = verify_link(&staging->state, work, &first_new);
    else if (end->sequence > staging->state.sequence)
        link = LINK_GAP;
    else if (end->sequence == staging->state.sequence && memcmp(end->head, staging->state.head, DIGEST_BYTES) != 0)
        link = LINK_OTHER;
    if (link == LINK_GAP)
        return refuse(work, VERDICT_GAP, ERR_OUT_OF_RANGE, "entries after %llu are missing",
                      (number)staging->state.sequence);
    if (link == LINK_OTHER && end->epoch < staging->state.epoch)
        return refuse(work, VERDICT_OLD_EPOCH, ERR_STALE, "signed in epoch %llu; what is staged is in %llu",
                      (number)end->epoch, (number)staging->state.epoch);
    if (link == LINK_OTHER && end->epoch == staging->state.epoch)
        return freeze_fork(apply, draft, work, &staging->begin, "its entries do not follow the snapshot's");
    if (link == LINK_OTHER)
        return give_up(draft, work, VERDICT_OTHER_HISTORY, "an epoch began before the snapshot's position");
    if (link == LINK_KNOWN)
        return VERDICT_NONE;
    enum replica_verdict verdict = verify_entries(&staging->state, work, first_new, &apply->replica->arena, &plan);
    if (verdict == VERDICT_NONE)
        verdict = apply_digest(apply, work, &staging->state, &plan);
    if (verdict == VERDICT_MISMATCH)
        return give_up(draft, work, verdict, "a staged record is damaged");
    if (verdict != VERDICT_NONE)
        return verdict;
    uint64_t before = staging->state.sequence > staging->begin.checkpoint.sequence ? staging->state.sequence : 0;
    if (!apply_plan(apply, draft, work, &plan, before))
        return VERDICT_STORE;
    staging->state = plan.after;
    return VERDICT_NONE;
}

static enum replica_verdict publish(struct apply *apply, struct draft *draft, struct replica_work *work)
{
    struct region_row *row = &draft->row;
    struct table_key key =
        key_of_entry(draft->region->code, draft->staging.state.generation, work->checkpoint.checkpoint.sequence);
    uint8_t octets[CHECKPOINT_STORED_BYTES];
    struct octets value = {octets, checkpoint_encode(&work->checkpoint, octets)};
    if (!apply_put(apply, STORE_REPLICA_CHECKPOINTS, &key, &value))
        return VERDICT_STORE;
    draft_seen(apply, draft, &work->checkpoint);
    draft->flipped = draft->moved = true;
    draft->flipped_from = row->proven.generation;
    row->proven = draft->staging.state;
    row->mismatches = 0;
    draft->row_changed = true;
    snapshot_drop(draft);
    return VERDICT_APPLIED;
}

static enum replica_verdict not_proven(struct draft *draft, struct replica_work *work)
{
    static const char why[] = "the snapshot's records do not add up to the signed state";
    log_error("register", "region %s: %s", draft->region->code, why);
    /* Records that were read before an epoch opened may be of entries that a restore has lost. */
    bool mixed = draft->staging.mixed || draft->staging.state.epoch != draft->staging.begin.checkpoint.epoch;
    bool from_another = work->peer[0] == '\0' || strcmp(work->peer, draft->row.mismatch_peer) != 0;
    if (draft->row.mismatches > 0 && from_another && !mixed) {
        freeze_unproven(draft, work);
        return refuse(work, VERDICT_FROZEN, ERR_STORE_DAMAGED, "%s", draft->row.frozen_why);
    }
    if (!mixed)
        mismatch_mark(draft, work);
    snapshot_drop(draft);
    return refuse(work, VERDICT_MISMATCH, ERR_STORE_DAMAGED, "%s", why);
}

/* The staged state's end and the checkpoint's are one position: they must name one epoch. */
static enum replica_verdict same_epoch(struct apply *apply, struct draft *draft, struct replica_work *work)
{
    const struct replica_state *state = &draft->staging.state;
    const struct checkpoint *end = &work->checkpoint.checkpoint;
    if (end->epoch == state->epoch && memcmp(end->epoch_id, state->epoch_id, EPOCH_ID_BYTES) == 0)
        return VERDICT_NONE;
    if (end->epoch == draft->staging.begin.checkpoint.epoch)
        return freeze_fork(apply, draft, work, &draft->staging.begin, "two epochs of one number");
    return refuse(work, VERDICT_LIE, ERR_INVALID, "the checkpoint's epoch is not the one in force at %llu",
                  (number)end->sequence);
}

static enum replica_verdict work_log(struct apply *apply, struct draft *draft, struct replica_work *work)
{
    struct staging_row *staging = &draft->staging;
    enum replica_verdict verdict = verify_checkpoint(draft->region, work);
    if (verdict == VERDICT_NONE)
        verdict = verify_chain(draft->region->code, work);
    if (verdict != VERDICT_NONE)
        return verdict;
    if (!headers_whole(staging))
        return refuse(work, VERDICT_GAP, ERR_OUT_OF_RANGE, "headers after %llu are missing",
                      (number)staging->state.sequence);
    verdict = still_wanted(apply, draft, work);
    if (verdict == VERDICT_NONE)
        verdict = stage_log(apply, draft, work);
    if (verdict != VERDICT_NONE)
        return verdict;
    uint64_t end = work->checkpoint.checkpoint.sequence;
    if (end < staging->state.sequence)
        return staged(draft); /* sent again after a break: what follows is new */
    verdict = same_epoch(apply, draft, work);
    if (verdict != VERDICT_NONE)
        return verdict;
    /* Who claims a later reading than there was can't keep a snapshot from being proven. */
    if (digest_agrees(&staging->state, &work->checkpoint.checkpoint))
        return forks_ours(apply, draft) ? freeze_staged(apply, draft, work) : publish(apply, draft, work);
    return end < staging->read_at ? staged(draft) : not_proven(draft, work);
}

enum replica_verdict snapshot_work(struct apply *apply, struct draft *draft, struct replica_work *work)
{
    if (work->kind == WORK_SNAPSHOT_BEGIN)
        return work_begin(apply, draft, work);
    if (draft->staging.state.generation == 0)
        return refuse(work, VERDICT_GAP, ERR_PRECONDITION, "no snapshot was begun");
    draft->staging.mixed |= strcmp(draft->staging.peer, work->peer) != 0;
    if (work->kind == WORK_SNAPSHOT_HEADERS)
        return work_headers(apply, draft, work);
    if (work->kind == WORK_SNAPSHOT_RECORDS)
        return work_records(apply, draft, work);
    if (work->kind == WORK_SNAPSHOT_LOG)
        return work_log(apply, draft, work);
    return refuse(work, VERDICT_LIE, ERR_INVALID, "a work of kind %d", (int)work->kind);
}
