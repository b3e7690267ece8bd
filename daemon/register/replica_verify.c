/*
 * replica_verify.c - what can be said of a batch without looking into the store.
 *
 * Owns: the checks of a checkpoint's text and signature, of a chain of entries, of how they stand to a state's end, and
 * of what they say. Not here: the digest, which needs what was stored before (replica_apply.c).
 * Thread: any; no state. Invariant: what passes was committed to by a header that chains to a head that the region
 * signed, and every value in it can be read by whoever is told of it.
 */
#include "daemon/base/log.h"
#include "daemon/record/bytes.h"
#include "daemon/record/hold.h"
#include "daemon/record/offer.h"
#include "daemon/record/scratch.h"
#include "daemon/register/replica_parts.h"
#include "vacancy/v1/shared.pb-c.h"

#include <stdlib.h>
#include <string.h>

typedef unsigned long long number;

enum replica_verdict verify_checkpoint(const struct region *region, struct replica_work *work)
{
    const struct signed_checkpoint *given = &work->checkpoint;
    struct signed_checkpoint checkpoint;
    if (!work->has_checkpoint)
        return refuse(work, VERDICT_LIE, ERR_INVALID, "no checkpoint ends it");
    if (checkpoint_read(given->text, strnlen(given->text, sizeof given->text), given->signature, SIGNATURE_BYTES,
                        &checkpoint) != ERR_NONE)
        return refuse(work, VERDICT_LIE, ERR_INVALID, "the checkpoint's text is not canonical");
    if (strcmp(checkpoint.checkpoint.region, region->code) != 0)
        return refuse(work, VERDICT_LIE, ERR_INVALID, "the checkpoint is of region %s", checkpoint.checkpoint.region);
    if (checkpoint.checkpoint.sequence == 0)
        return refuse(work, VERDICT_LIE, ERR_INVALID, "the checkpoint states nothing");
    if (!checkpoint_verify(&checkpoint, region->rostered.key))
        return refuse(work, VERDICT_LIE, ERR_UNAUTHENTICATED, "the checkpoint is not signed by the roster's key");
    work->checkpoint = checkpoint;
    return VERDICT_NONE;
}

/* --- the entries alone ------------------------------------------------------------------------------------------- */

static enum replica_verdict verify_size(struct replica_work *work)
{
    size_t bytes = 0;
    for (size_t i = 0; i < work->entry_count; i++) {
        const struct log_row *row = &work->entries[i];
        if (row->payload.size > LOG_PAYLOAD_MAX_BYTES)
            return refuse(work, VERDICT_TOO_LARGE, ERR_LIMIT, "an entry has %zu octets", row->payload.size);
        bytes += row->header.size + row->salt.size + row->payload.size;
        if (bytes > REPLICA_COMMIT_MAX_BYTES)
            return refuse(work, VERDICT_TOO_LARGE, ERR_LIMIT, "more than %d octets up to one checkpoint",
                          REPLICA_COMMIT_MAX_BYTES);
    }
    return VERDICT_NONE;
}

/* An entry's payload is what its header commits to; both it and the salt may be gone. */
static bool committed_to(const struct log_header *header, const struct log_row *row)
{
    uint8_t commitment[DIGEST_BYTES];
    if (row->payload.size == 0 && row->salt.size == 0)
        return true;
    if (row->salt.size != LOG_SALT_BYTES || row->payload.size != header->payload_bytes)
        return false;
    log_commitment(row->salt.data, &row->payload, commitment);
    return memcmp(commitment, header->commitment, DIGEST_BYTES) == 0;
}

enum replica_verdict verify_chain(const char *region, struct replica_work *work)
{
    struct log_header previous = {0}, header;
    uint8_t hash[DIGEST_BYTES] = {0};
    const struct checkpoint *end = &work->checkpoint.checkpoint;
    enum replica_verdict verdict = verify_size(work);
    for (size_t i = 0; i < work->entry_count && verdict == VERDICT_NONE; i++) {
        const struct log_row *row = &work->entries[i];
        if (log_header_decode(&row->header, &header) != ERR_NONE || header.sequence == 0)
            verdict = refuse(work, VERDICT_LIE, ERR_INVALID, "entry %zu of the batch has no sound header", i);
        else if (strcmp(header.region, region) != 0)
            verdict = refuse(work, VERDICT_LIE, ERR_INVALID, "entry %llu is of region %s", (number)header.sequence,
                             header.region);
        else if (i > 0 && log_chain_check(&previous, hash, &header, &work->problem) != ERR_NONE)
            verdict = VERDICT_LIE;
        else if (!committed_to(&header, row))
            verdict = refuse(work, VERDICT_LIE, ERR_INVALID, "entry %llu is not what its header commits to",
                             (number)header.sequence);
        if (verdict == VERDICT_NONE)
            log_header_hash(row->header.data, hash);
        previous = header;
    }
    if (verdict == VERDICT_NONE && work->entry_count > 0 &&
        (previous.sequence != end->sequence || memcmp(hash, end->head, DIGEST_BYTES) != 0))
        verdict = refuse(work, VERDICT_LIE, ERR_INVALID, "the entries do not end where the checkpoint says");
    return verdict;
}

enum link verify_link(const struct replica_state *state, const struct replica_work *work, size_t *first_new)
{

    struct log_header header;
    uint8_t hash[DIGEST_BYTES];
    *first_new = 0;
    if (log_header_decode(&work->entries[0].header, &header) != ERR_NONE)
        log_fatal("register", "entries that were not looked at");
    uint64_t first = header.sequence;
    if (first > state->sequence + 1)
        return LINK_GAP;
    if (first == state->sequence + 1)
        return memcmp(header.previous, state->head, DIGEST_BYTES) == 0 ? LINK_FOLLOWS : LINK_OTHER;
    uint64_t known = state->sequence + 1 - first;
    if (known > work->entry_count)
        return LINK_KNOWN; /* ends before our head: the store has to say whether it is ours */
    log_header_hash(work->entries[known - 1].header.data, hash);
    if (memcmp(hash, state->head, DIGEST_BYTES) != 0)
        return LINK_OTHER;
    *first_new = (size_t)known;
    return known == work->entry_count ? LINK_KNOWN : LINK_FOLLOWS;
}

/* --- what the new ones say --------------------------------------------------------------------------------------- */

static bool carer_row_good(const struct octets *value)
{
    struct scratch scratch;
    scratch_init(&scratch);
    return vacancy__v1__carer_row__unpack(&scratch.allocator, value->size, value->data) != NULL;
}

bool shared_record_good(enum log_table table, const struct octets *key, const struct octets *value)
{
    struct agency agency;
    struct offer offer;
    struct hold hold = {.token = {0, 0}};
    char id[AGENCY_ID_BYTES];
    if (table == LOG_TABLE_AGENCY) {
        if (key->size == 0 || key->size >= sizeof id || memchr(key->data, 0, key->size) != NULL)
            return false;
        memcpy(id, key->data, key->size);
        id[key->size] = '\0';
        return value == NULL || agency_decode(id, value, &agency) == ERR_NONE;
    }
    if (table == LOG_TABLE_HOLD)
        return hold_key_read(key, &hold.token) && hold.token.epoch != 0 && hold.token.sequence != 0 &&
               (value == NULL || hold_row_decode(key, value, &hold) == ERR_NONE);
    if (key->size != 8 || get_be64(key->data) == 0)
        return false;
    if (table == LOG_TABLE_CARER)
        return value == NULL || carer_row_good(value);
    return table == LOG_TABLE_OFFER && (value == NULL || offer_decode(value, &offer) == ERR_NONE);
}

struct item {
    struct change change;
    size_t order;
};

static int compare_items(const void *left, const void *right)
{
    const struct item *a = left, *b = right;
    if (a->change.table != b->change.table)
        return a->change.table < b->change.table ? -1 : 1;
    const struct octets *x = &a->change.key, *y = &b->change.key;
    int order = memcmp(x->data, y->data, x->size < y->size ? x->size : y->size);
    if (order == 0 && x->size != y->size)
        order = x->size < y->size ? -1 : 1;
    return order ? order : (a->order > b->order) - (a->order < b->order);
}

static bool same_key(const struct change *a, const struct change *b)
{
    return a->table == b->table && a->key.size == b->key.size && memcmp(a->key.data, b->key.data, a->key.size) == 0;
}

/* The number of an epoch that an entry opens; false when it does not. */
static bool opens_epoch(const struct log_header *header, const struct log_payload *payload, struct replica_state *after)
{
    if (payload->deleted || payload->key.size != 8 || payload->value.size != EPOCH_ID_BYTES ||
        get_be64(payload->key.data) != header->epoch || header->epoch <= after->epoch)
        return false;
    after->epoch = header->epoch;
    memcpy(after->epoch_id, payload->value.data, EPOCH_ID_BYTES);
    return true;
}

/* One new entry; *after moves on to it. */
static enum replica_verdict verify_entry(struct replica_work *work, const struct log_row *row,
                                         struct replica_state *after, struct log_payload *payload)
{
    struct log_header header,
        previous = {.epoch = after->epoch, .sequence = after->sequence, .time_ms = after->time_ms};
    if (log_header_decode(&row->header, &header) != ERR_NONE)
        log_fatal("register", "entries that were not looked at");
    memcpy(previous.region, header.region, GSS_BYTES);
    if (log_chain_check(after->sequence ? &previous : NULL, after->head, &header, &work->problem) != ERR_NONE)
        return VERDICT_LIE;
    number sequence = header.sequence;
    if (row->payload.size == 0)
        return refuse(work, VERDICT_LIE, ERR_INVALID, "entry %llu comes without its payload", sequence);
    if (log_payload_decode(&row->payload, payload) != ERR_NONE)
        return refuse(work, VERDICT_LIE, ERR_INVALID, "the payload of entry %llu can't be read", sequence);
    if (payload->table == LOG_TABLE_EPOCH) {
        if (!opens_epoch(&header, payload, after))
            return refuse(work, VERDICT_LIE, ERR_INVALID, "entry %llu does not open epoch %llu", sequence,
                          (number)header.epoch);
    } else if (header.epoch != after->epoch || header.epoch == 0) {
        return refuse(work, VERDICT_LIE, ERR_INVALID, "entry %llu is of epoch %llu, which no entry opened", sequence,
                      (number)header.epoch);
    } else if (!shared_record_good(payload->table, &payload->key, payload->deleted ? NULL : &payload->value)) {
        return refuse(work, VERDICT_LIE, ERR_INVALID, "the record of entry %llu can't be read", sequence);
    }
    after->sequence = header.sequence;
    after->time_ms = header.time_ms;
    log_header_hash(row->header.data, after->head);
    return VERDICT_NONE;
}

/* Of several changes of one key only the last counts. */
static void keep_last_of_each(struct item *items, size_t count, struct plan *plan)
{
    if (count > 0)
        qsort(items, count, sizeof *items, compare_items);
    plan->change_count = 0;
    for (size_t i = 0; i < count; i++)
        if (i + 1 == count || !same_key(&items[i].change, &items[i + 1].change))
            plan->changes[plan->change_count++] = items[i].change;
}

enum replica_verdict verify_entries(const struct replica_state *state, struct replica_work *work, size_t first_new,
                                    struct arena *arena, struct plan *plan)
{
    size_t count = work->entry_count - first_new, item_count = 0;
    struct item *items = arena_alloc(arena, count * sizeof *items + 1);
    *plan = (struct plan){.first_new = first_new, .after = *state};
    plan->changes = arena_alloc(arena, count * sizeof *plan->changes + 1);
    if (items == NULL || plan->changes == NULL)
        return refuse(work, VERDICT_TOO_LARGE, ERR_LIMIT, "%zu entries up to one checkpoint", count);
    for (size_t i = first_new; i < work->entry_count; i++) {
        struct log_payload payload = {0};
        enum replica_verdict verdict = verify_entry(work, &work->entries[i], &plan->after, &payload);
        if (verdict != VERDICT_NONE)
            return verdict;
        if (payload.table == LOG_TABLE_EPOCH)
            continue;
        items[item_count] = (struct item){{payload.table, payload.key, payload.deleted, payload.value}, item_count};
        item_count++;
    }
    keep_last_of_each(items, item_count, plan);
    const struct checkpoint *end = &work->checkpoint.checkpoint;
    if (plan->after.epoch != end->epoch || memcmp(plan->after.epoch_id, end->epoch_id, EPOCH_ID_BYTES) != 0)
        return refuse(work, VERDICT_LIE, ERR_INVALID, "the checkpoint's epoch is not the one in force at %llu",
                      (number)end->sequence);
    return VERDICT_NONE;
}
