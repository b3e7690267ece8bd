/*
 * federation_snapshot.c - FederationService: FetchSnapshot, a region's whole shared state.
 *
 * Fuzzy, as post-states allow: where the log stands is noted, headers and records are sent in slices, each read in a
 * transaction of its own, then the log from that place on until it covers the newest slice. One slice a turn, then the
 * worker's other calls have theirs. Two at a time for each hub.
 * On the call's worker. Invariant: the last batch's checkpoint stands at or after every slice of records.
 */
#include "daemon/service/check.h"
#include "daemon/service/federation_views.h"
#include "daemon/service/handlers.h"
#include "daemon/service/views.h"

#include "daemon/base/text.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define FETCHES_PER_HUB 2u
#define KEY_BYTES_MAX   64u

enum phase { PHASE_HEADERS, PHASE_RECORDS, PHASE_LOG };

struct fetch {
    struct fetch *next; /* of those under way */
    const struct service_context *ctx;
    struct principal who;
    const struct log_reader *reader;
    char region[GSS_BYTES];
    enum phase phase;
    uint64_t begin_sequence, headers_until;
    enum log_table after_table;
    uint8_t after_key[KEY_BYTES_MAX];
    size_t after_key_bytes;
    uint64_t read_at; /* the newest slice of records */
    struct log_cursor cursor;
    bool full, yielded;
    struct arena arena;
};

/* --- how many a hub has under way ------------------------------------------------------------------------------ */

static pthread_mutex_t under_way_lock = PTHREAD_MUTEX_INITIALIZER;
static struct fetch *under_way; /* of every hub in this process: the simulator has many */

static bool fetch_enter(struct fetch *fetch)
{
    uint32_t count = 0;
    pthread_mutex_lock(&under_way_lock);
    for (const struct fetch *other = under_way; other != NULL; other = other->next)
        count += other->ctx == fetch->ctx && strcmp(other->who.region, fetch->who.region) == 0;
    if (count < FETCHES_PER_HUB) {
        fetch->next = under_way;
        under_way = fetch;
    }
    pthread_mutex_unlock(&under_way_lock);
    return count < FETCHES_PER_HUB;
}

static void fetch_leave(struct fetch *fetch)
{
    pthread_mutex_lock(&under_way_lock);
    struct fetch **place = &under_way;
    while (*place != fetch)
        place = &(*place)->next;
    *place = fetch->next;
    pthread_mutex_unlock(&under_way_lock);
}

/* --- slices ---------------------------------------------------------------------------------------------------- */

static void fail_read(struct call *call, enum err err)
{
    const struct fetch *fetch = call->state;
    call_fail(call, err, "", "region %s can't be read", fetch->region);
}

static void send(struct call *call, Vacancy__V1__FetchSnapshotResponse *out)
{
    struct fetch *fetch = call->state;
    fetch->full = !call_send(call, &out->base);
    arena_reset(&fetch->arena);
}

static bool send_headers(struct call *call)
{
    struct fetch *fetch = call->state;
    Vacancy__V1__SnapshotHeaders headers = VACANCY__V1__SNAPSHOT_HEADERS__INIT;
    Vacancy__V1__FetchSnapshotResponse out = VACANCY__V1__FETCH_SNAPSHOT_RESPONSE__INIT;
    struct octets octets = {0};
    if (fetch->headers_until >= fetch->begin_sequence) {
        fetch->phase = PHASE_RECORDS;
        return true;
    }
    headers.first_sequence = fetch->headers_until + 1;
    enum err err = fetch->reader->headers(fetch->reader->ctx, fetch->region, headers.first_sequence,
                                          fetch->begin_sequence, &fetch->arena, &octets);
    if (err == ERR_NONE && octets.size == 0)
        err = ERR_STORE_DAMAGED;
    if (err != ERR_NONE) {
        fail_read(call, err);
        return false;
    }
    fetch->headers_until += octets.size / LOG_HEADER_BYTES;
    headers.headers = (ProtobufCBinaryData){octets.size, (uint8_t *)octets.data};
    out.item_case = VACANCY__V1__FETCH_SNAPSHOT_RESPONSE__ITEM_HEADERS;
    out.headers = &headers;
    send(call, &out);
    return true;
}

static Vacancy__V1__SnapshotRecords *records_view(const struct record_slice *slice, struct arena *arena)
{
    NEW(Vacancy__V1__SnapshotRecords, out, vacancy__v1__snapshot_records__init);
    NEW_LIST(out->records, slice->count, NULL);
    out->n_records = slice->count;
    out->read_at_sequence = slice->read_at_sequence;
    for (size_t i = 0; i < slice->count; i++) {
        const struct shared_record *from = &slice->records[i];
        NEW(Vacancy__V1__SnapshotRecord, record, vacancy__v1__snapshot_record__init);
        record->table = (uint32_t)from->table;
        record->key = (ProtobufCBinaryData){from->key.size, (uint8_t *)from->key.data};
        record->value = (ProtobufCBinaryData){from->value.size, (uint8_t *)from->value.data};
        out->records[i] = record;
    }
    return out;
}

static bool send_records(struct call *call)
{
    struct fetch *fetch = call->state;
    Vacancy__V1__FetchSnapshotResponse out = VACANCY__V1__FETCH_SNAPSHOT_RESPONSE__INIT;
    const struct octets after = {fetch->after_key, fetch->after_key_bytes};
    struct record_slice slice = {0};
    enum err err =
        fetch->reader->records(fetch->reader->ctx, fetch->region, fetch->after_table, &after, &fetch->arena, &slice);
    if (err == ERR_NONE && slice.count > 0 && slice.records[slice.count - 1].key.size > KEY_BYTES_MAX)
        err = ERR_STORE_DAMAGED;
    out.item_case = VACANCY__V1__FETCH_SNAPSHOT_RESPONSE__ITEM_RECORDS;
    if (err == ERR_NONE && (out.records = records_view(&slice, &fetch->arena)) == NULL)
        err = ERR_INTERNAL;
    if (err != ERR_NONE) {
        fail_read(call, err);
        return false;
    }
    if (slice.count == 0) {
        fetch->phase = PHASE_LOG;
        arena_reset(&fetch->arena);
        return true;
    }
    const struct shared_record *last = &slice.records[slice.count - 1];
    fetch->after_table = last->table;
    fetch->after_key_bytes = last->key.size;
    memcpy(fetch->after_key, last->key.data, last->key.size);
    if (slice.read_at_sequence > fetch->read_at)
        fetch->read_at = slice.read_at_sequence;
    send(call, &out);
    return true;
}

/* At the log's end the newest checkpoint stands for an empty batch. *more: the log has just grown instead. */
static enum err newest_here(struct fetch *fetch, struct log_slice *slice, bool *more)
{
    enum err err = fetch->reader->newest(fetch->reader->ctx, fetch->region, &slice->checkpoint);
    if (err != ERR_NONE)
        return err;
    *more = slice->checkpoint.checkpoint.sequence > fetch->cursor.sequence;
    slice->has_checkpoint = slice->checkpoint.checkpoint.sequence == fetch->cursor.sequence;
    return *more || slice->has_checkpoint ? ERR_NONE : ERR_OUT_OF_RANGE;
}

/* False: the call has ended, well or not. */
static bool send_log(struct call *call)
{
    struct fetch *fetch = call->state;
    Vacancy__V1__FetchSnapshotResponse out = VACANCY__V1__FETCH_SNAPSHOT_RESPONSE__INIT;
    struct log_slice slice = {0};
    bool more = false;
    enum err err = fetch->reader->entries(fetch->reader->ctx, fetch->region, &fetch->cursor, &fetch->arena, &slice);
    if (err == ERR_NONE && slice.refusal == LOG_SERVED && slice.count == 0)
        err = newest_here(fetch, &slice, &more);
    if (err != ERR_NONE) {
        fail_read(call, err);
        return false;
    }
    if (slice.refusal != LOG_SERVED) {
        call_fail(call, ERR_OUT_OF_RANGE, "", "the log since this snapshot began is no longer here: begin a new one");
        return false;
    }
    if (more)
        return true;
    out.item_case = VACANCY__V1__FETCH_SNAPSHOT_RESPONSE__ITEM_BATCH;
    out.batch = batch_view(fetch->region, &slice, &fetch->arena);
    if (out.batch == NULL) {
        fail_read(call, ERR_INTERNAL);
        return false;
    }
    cursor_advance(&fetch->cursor, &slice);
    send(call, &out);
    if (!slice.has_checkpoint || fetch->cursor.sequence < fetch->read_at)
        return true;
    call_finish(call, NULL);
    return false;
}

static void turn(struct call *call)
{
    struct fetch *fetch = call->state;
    bool goes_on = fetch->phase == PHASE_HEADERS   ? send_headers(call)
                   : fetch->phase == PHASE_RECORDS ? send_records(call)
                                                   : send_log(call);
    if (!goes_on || fetch->full)
        return;
    fetch->yielded = true;
    call_yield(call);
}

/* As Follow's: a yield's turn while there is no room is none. */
static void fetch_writable(struct call *call)
{
    struct fetch *fetch = call->state;
    if (fetch->yielded) {
        fetch->yielded = false;
        if (fetch->full)
            return;
    }
    fetch->full = false;
    turn(call);
}

/* --- where it begins ------------------------------------------------------------------------------------------- */

static enum err check_request(const Vacancy__V1__FetchSnapshotRequest *in, struct problem *problem)
{
    if (!text_is_gss_code(in->region))
        return problem_set(problem, ERR_INVALID, "region", "required: the GSS code of a region");
    if (in->from_sequence > (uint64_t)INT64_MAX)
        return problem_set(problem, ERR_INVALID, "from_sequence", "no log is that long");
    if (in->from_sequence == 0 &&
        (in->from_head.len != 0 || in->headers_until != 0 || in->after_table != 0 || in->after_key.len != 0))
        return problem_set(problem, ERR_INVALID, "from_sequence", "required in order to go on with a snapshot");
    if (in->from_sequence != 0 && in->from_head.len != DIGEST_BYTES)
        return problem_set(problem, ERR_INVALID, "from_head", "%zu octets given; 32 are expected", in->from_head.len);
    if (in->headers_until > in->from_sequence)
        return problem_set(problem, ERR_INVALID, "headers_until", "past from_sequence");
    if (in->after_table != 0 && (in->after_table < LOG_TABLE_AGENCY || in->after_table >= LOG_TABLE_END))
        return problem_set(problem, ERR_INVALID, "after_table", "no table that is shared");
    if (in->after_key.len > KEY_BYTES_MAX || (in->after_key.len == 0) != (in->after_table == 0))
        return problem_set(problem, ERR_INVALID, "after_key", "1 to %u octets with after_table, else none",
                           KEY_BYTES_MAX);
    return ERR_NONE;
}

/* The log still goes on from where that snapshot began, and began there here as well. */
static enum err check_resumable(struct fetch *fetch, const Vacancy__V1__FetchSnapshotRequest *in,
                                const struct checkpoint *newest, struct problem *problem)
{
    struct octets header = {0};
    uint8_t head[DIGEST_BYTES] = {0};
    if (in->from_sequence > newest->sequence)
        return problem_set(problem, ERR_OUT_OF_RANGE, "from_sequence", "this hub's log of the region ends at %llu",
                           (unsigned long long)newest->sequence);
    if (in->from_sequence < newest->horizon)
        return problem_set(problem, ERR_OUT_OF_RANGE, "from_sequence",
                           "the log after it is no longer here: begin a new snapshot");
    enum err err = fetch->reader->headers(fetch->reader->ctx, fetch->region, in->from_sequence, in->from_sequence,
                                          &fetch->arena, &header);
    if (err == ERR_NONE && header.size == LOG_HEADER_BYTES)
        log_header_hash(header.data, head);
    arena_reset(&fetch->arena);
    if (err != ERR_NONE)
        return problem_set(problem, err, "", "region %s can't be read", fetch->region);
    if (memcmp(head, in->from_head.data, DIGEST_BYTES) != 0)
        return problem_set(problem, ERR_PRECONDITION, "from_head",
                           "this hub's log of the region has another entry there: begin a new snapshot");
    return ERR_NONE;
}

static void resume(struct fetch *fetch, const Vacancy__V1__FetchSnapshotRequest *in, const struct checkpoint *newest)
{
    fetch->begin_sequence = fetch->cursor.sequence = in->from_sequence;
    memcpy(fetch->cursor.head, in->from_head.data, DIGEST_BYTES);
    fetch->headers_until = in->headers_until;
    fetch->after_table = (enum log_table)in->after_table;
    fetch->after_key_bytes = in->after_key.len;
    if (in->after_key.len > 0)
        memcpy(fetch->after_key, in->after_key.data, in->after_key.len);
    fetch->read_at = newest->sequence; /* records that were sent before were read by then */
}

static void send_begin(struct call *call, const struct signed_checkpoint *newest)
{
    struct fetch *fetch = call->state;
    Vacancy__V1__SnapshotBegin begin = VACANCY__V1__SNAPSHOT_BEGIN__INIT;
    Vacancy__V1__FetchSnapshotResponse out = VACANCY__V1__FETCH_SNAPSHOT_RESPONSE__INIT;
    fetch->begin_sequence = fetch->cursor.sequence = fetch->read_at = newest->checkpoint.sequence;
    memcpy(fetch->cursor.head, newest->checkpoint.head, DIGEST_BYTES);
    begin.checkpoint = signed_checkpoint_view(newest, &fetch->arena);
    out.item_case = VACANCY__V1__FETCH_SNAPSHOT_RESPONSE__ITEM_BEGIN;
    out.begin = &begin;
    send(call, &out);
}

/* NULL: the call was ended. */
static struct fetch *begin_fetch(struct call *call, const struct principal *who, const char *region)
{
    struct fetch *fetch = calloc(1, sizeof *fetch);
    if (fetch == NULL) {
        call_short_of_memory(call);
        return NULL;
    }
    fetch->ctx = call_context(call);
    fetch->who = *who;
    fetch->reader = reader_of(fetch->ctx, region);
    memcpy(fetch->region, region, sizeof fetch->region);
    arena_init(&fetch->arena, SLICE_ARENA_BYTES);
    if (!fetch_enter(fetch)) {
        free(fetch);
        call_fail(call, ERR_LIMIT, "", "%u snapshots are on their way to that hub already; ask again when one is there",
                  FETCHES_PER_HUB);
        return NULL;
    }
    call->state = fetch;
    return fetch;
}

static void fetch_message(struct call *call, const ProtobufCMessage *message)
{
    const Vacancy__V1__FetchSnapshotRequest *in = (const Vacancy__V1__FetchSnapshotRequest *)message;
    struct principal who;
    struct problem problem = {0};
    struct signed_checkpoint newest;
    if (!call_identify_hub(call, &who))
        return;
    if (check_request(in, &problem) != ERR_NONE) {
        call_finish(call, &problem);
        return;
    }
    struct fetch *fetch = begin_fetch(call, &who, in->region);
    if (fetch == NULL)
        return;
    enum err err = fetch->reader->newest(fetch->reader->ctx, fetch->region, &newest);
    if (err != ERR_NONE) {
        call_fail(call, err, "region", "nothing of region %s is here", fetch->region);
        return;
    }
    if (in->from_sequence == 0) {
        send_begin(call, &newest);
    } else if (check_resumable(fetch, in, &newest.checkpoint, &problem) == ERR_NONE) {
        resume(fetch, in, &newest.checkpoint);
    } else {
        call_finish(call, &problem);
        return;
    }
    if (!fetch->full)
        turn(call);
}

static void fetch_closed(struct call *call)
{
    struct fetch *fetch = call->state;
    if (fetch == NULL)
        return;
    call->state = NULL;
    fetch_leave(fetch);
    arena_finish(&fetch->arena);
    free(fetch);
}

const struct call_handler fetch_snapshot_handler = {
    .message = fetch_message, .writable = fetch_writable, .closed = fetch_closed};
