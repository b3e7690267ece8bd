/*
 * federation_snapshot.c - a region taken whole: when the log won't do, or is more than the state.
 *
 * Owns: the fetch's phases, its works, going on after a break. The replica writer stages, proves and publishes; what it
 * serves meanwhile is the old data. Thread: as federation.h.
 * Invariant: one snapshot a peer, SNAPSHOTS_AT_ONCE over all; a snapshot counts only by its last work's verdict.
 */
#include "daemon/federation/federation_parts.h"

#include "daemon/base/log.h"

#include <string.h>

bool snapshot_wanted(const struct federation *f, uint32_t number, const struct claim *claim)
{
    const struct region *region = &f->regions[number];
    bool stands = region->have && !region->dead;
    uint64_t sequence = stands ? region->mine.checkpoint.sequence : 0;
    if (region->snapshot_needed || sequence < claim->horizon)
        return true;
    /* Only faster than the log: not to be tried for ever, and not for our own, of which the log tells more. */
    return !region->ours && claim->sequence > sequence && claim->sequence - sequence > SNAPSHOT_GAP_ENTRIES &&
           region->snapshot_failures < SNAPSHOT_TRIES;
}

static bool may_start(const struct federation *f, uint32_t peer)
{
    uint32_t under_way = 0;
    for (uint32_t i = 0; i < f->count; i++)
        under_way += f->regions[i].state == REGION_FETCHING;
    return under_way < SNAPSHOTS_AT_ONCE && f->peers[peer].fetching == NO_PEER;
}

bool snapshot_start(struct federation *f, uint32_t number, uint32_t peer)
{
    struct region *region = &f->regions[number];
    struct replica_status status = {0};
    if (!may_start(f, peer) ||
        (!region->ours && replica_status(f->options.replica, region_name(f, number), &status) != ERR_NONE))
        return false;
    if (region->ours)
        standing_whole_begin(f);
    Vacancy__V1__FetchSnapshotRequest request = VACANCY__V1__FETCH_SNAPSHOT_REQUEST__INIT;
    request.region = (char *)region_name(f, number);
    region->resumed = status.staging && !region->no_resume;
    if (region->resumed) {
        request.from_sequence = status.staged_from_sequence;
        request.from_head = (ProtobufCBinaryData){DIGEST_BYTES, status.staged_head};
        request.headers_until = status.staged_headers;
        request.after_table = (uint32_t)status.staged_table;
        request.after_key = (ProtobufCBinaryData){status.staged_key_bytes, status.staged_key};
    }
    region->no_resume = false;
    region->state = REGION_FETCHING;
    region->source = peer;
    region->serial = serial_next(f);
    region->phase = region->resumed ? FETCH_HEADERS : FETCH_BEGIN;
    region->fetch_over = false;
    region->heard_sequence = 0;
    region->heard_end = false;
    region->since_ms = region->progress_ms = f->now_ms;
    f->peers[peer].used++;
    f->peers[peer].fetching = number;
    log_info("federation", "snapshot of %s from %s %s", region_name(f, number), peer_name(f, peer),
             region->resumed ? "goes on" : "begins");
    f->options.links.fetch(f->options.links.ctx, peer, &request);
    return true;
}

/* --- what arrives ---------------------------------------------------------------------------------------------- */

/* Phases only go forward. */
static bool enter_phase(struct federation *f, struct region *region, enum fetch_phase phase)
{
    bool first = region->phase == FETCH_BEGIN;
    if (phase < region->phase || (first && phase != FETCH_BEGIN)) {
        peer_broke(f, region->source, "a snapshot's parts in the wrong order");
        return false;
    }
    region->phase = phase == FETCH_BEGIN ? FETCH_HEADERS : phase;
    return true;
}

static void begin_heard(struct federation *f, uint32_t number, const Vacancy__V1__SnapshotBegin *begin)
{
    struct region *region = &f->regions[number];
    struct signed_checkpoint checkpoint;
    if (region->phase != FETCH_BEGIN) {
        peer_broke(f, region->source, "a snapshot begins twice");
        return;
    }
    if (!checkpoint_from(begin->checkpoint, &checkpoint) ||
        strcmp(checkpoint.checkpoint.region, region_name(f, number)) != 0) {
        peer_broke(f, region->source, "begin.checkpoint is none of %s", region_name(f, number));
        return;
    }
    if (!enter_phase(f, region, FETCH_BEGIN) || region->ours)
        return;
    struct replica_work *work = work_new(f, number, WORK_SNAPSHOT_BEGIN);
    if (work == NULL)
        return;
    work->has_checkpoint = true;
    work->checkpoint = checkpoint;
    work_send(f, number, region->source, region->serial, work);
}

static bool copy_into(struct replica_work *work, const ProtobufCBinaryData *from, struct octets *out)
{
    uint8_t *copy = arena_alloc(&work->arena, from->len);
    if (copy == NULL)
        return false;
    if (from->len > 0)
        memcpy(copy, from->data, from->len);
    *out = (struct octets){copy, from->len};
    return true;
}

static void headers_heard(struct federation *f, uint32_t number, const Vacancy__V1__SnapshotHeaders *headers)
{
    struct region *region = &f->regions[number];
    if (headers->headers.len == 0 || headers->headers.len % LOG_HEADER_BYTES != 0 ||
        headers->headers.len > LOG_SLICE_MAX_BYTES || headers->first_sequence == 0) {
        peer_broke(f, region->source, "headers.headers is no row of headers");
        return;
    }
    if (!enter_phase(f, region, FETCH_HEADERS))
        return;
    if (region->ours) {
        standing_whole_headers(f, headers);
        return;
    }
    struct replica_work *work = work_new(f, number, WORK_SNAPSHOT_HEADERS);
    if (work == NULL)
        return;
    work->first_sequence = headers->first_sequence;
    if (copy_into(work, &headers->headers, &work->headers)) {
        work_send(f, number, region->source, region->serial, work);
        return;
    }
    replica_work_destroy(work);
    source_end(f, number, true, "this hub is short of memory");
}

static const char *wrong_with_record(const Vacancy__V1__SnapshotRecord *record)
{
    if (record->table < LOG_TABLE_AGENCY || record->table >= LOG_TABLE_END)
        return "table is none that is shared";
    if (record->key.len == 0 || record->key.len > SHARED_KEY_BYTES_MAX)
        return "key has no octets or too many";
    if (record->value.len > LOG_PAYLOAD_MAX_BYTES)
        return "value is larger than 64 KiB";
    return NULL;
}

static bool copy_records(struct replica_work *work, const Vacancy__V1__SnapshotRecords *in)
{
    work->records = arena_alloc(&work->arena, (in->n_records + 1) * sizeof *work->records);
    if (work->records == NULL)
        return false;
    for (size_t i = 0; i < in->n_records; i++) {
        struct shared_record *out = &work->records[i];
        out->table = (enum log_table)in->records[i]->table;
        if (!copy_into(work, &in->records[i]->key, &out->key) || !copy_into(work, &in->records[i]->value, &out->value))
            return false;
    }
    work->record_count = in->n_records;
    work->read_at_sequence = in->read_at_sequence;
    return true;
}

static void records_heard(struct federation *f, uint32_t number, const Vacancy__V1__SnapshotRecords *records)
{
    struct region *region = &f->regions[number];
    for (size_t i = 0; i < records->n_records; i++) {
        const char *wrong = wrong_with_record(records->records[i]);
        if (wrong != NULL) {
            peer_broke(f, region->source, "records.records[%zu].%s", i, wrong);
            return;
        }
    }
    if (!enter_phase(f, region, FETCH_RECORDS))
        return;
    if (region->ours) {
        standing_whole_records(f, records);
        return;
    }
    struct replica_work *work = work_new(f, number, WORK_SNAPSHOT_RECORDS);
    if (work == NULL)
        return;
    if (copy_records(work, records)) {
        work_send(f, number, region->source, region->serial, work);
        return;
    }
    replica_work_destroy(work);
    source_end(f, number, true, "this hub is short of memory");
}

static void log_heard(struct federation *f, uint32_t number, const Vacancy__V1__Batch *batch)
{
    struct region *region = &f->regions[number];
    struct signed_checkpoint checkpoint;
    if (batch->n_entries > LOG_SLICE_MAX_ROWS || strcmp(batch->region, region_name(f, number)) != 0 ||
        (batch->checkpoint != NULL && (!checkpoint_from(batch->checkpoint, &checkpoint) ||
                                       strcmp(checkpoint.checkpoint.region, batch->region) != 0))) {
        peer_broke(f, region->source, "a snapshot's batch is none of %s", region_name(f, number));
        return;
    }
    if (!enter_phase(f, region, FETCH_LOG))
        return;
    if (region->ours) {
        if (region->works_out == 0 && batch_entries_are_sound(f, number, batch))
            standing_whole_log(f, batch, batch->checkpoint != NULL ? &checkpoint : NULL);
        return;
    }
    if (!gather(f, number, batch) || batch->checkpoint == NULL)
        return;
    struct replica_work *work = work_new(f, number, WORK_SNAPSHOT_LOG);
    if (work == NULL)
        return;
    gathering_to_work(f, number, work);
    work->has_checkpoint = true;
    work->checkpoint = checkpoint;
    work_send(f, number, region->source, region->serial, work);
}

static bool is_further(struct region *region, uint64_t sequence)
{
    bool further = sequence > region->heard_sequence;
    if (further)
        region->heard_sequence = sequence;
    return further;
}

/* What may bring the snapshot on. The same again, and nothing, are as good as silence: else a hub could keep a region,
 * and one of the few places for snapshots, for ever. */
static bool is_progress(struct region *region, const Vacancy__V1__FetchSnapshotResponse *message)
{
    struct log_header header;
    switch (message->item_case) {
    case VACANCY__V1__FETCH_SNAPSHOT_RESPONSE__ITEM_BEGIN:
        return true;
    case VACANCY__V1__FETCH_SNAPSHOT_RESPONSE__ITEM_HEADERS:
        return is_further(region,
                          message->headers->first_sequence + message->headers->headers.len / LOG_HEADER_BYTES - 1);
    case VACANCY__V1__FETCH_SNAPSHOT_RESPONSE__ITEM_RECORDS:
        return message->records->n_records > 0; /* the replica writer takes each key once */
    case VACANCY__V1__FETCH_SNAPSHOT_RESPONSE__ITEM_BATCH:
        break;
    default:
        return false;
    }
    size_t count = message->batch->n_entries;
    if (count == 0) {
        bool first = message->batch->checkpoint != NULL && !region->heard_end;
        region->heard_end |= first;
        return first;
    }
    const ProtobufCBinaryData *last = &message->batch->entries[count - 1]->header;
    return log_header_decode(&(struct octets){last->data, last->len}, &header) != ERR_NONE || /* it will be refused */
           is_further(region, header.sequence);
}

static size_t bytes_of(const Vacancy__V1__FetchSnapshotResponse *message)
{
    size_t bytes = 0;
    if (message->item_case == VACANCY__V1__FETCH_SNAPSHOT_RESPONSE__ITEM_HEADERS)
        return message->headers->headers.len;
    if (message->item_case == VACANCY__V1__FETCH_SNAPSHOT_RESPONSE__ITEM_RECORDS)
        for (size_t i = 0; i < message->records->n_records; i++)
            bytes += message->records->records[i]->key.len + message->records->records[i]->value.len;
    if (message->item_case == VACANCY__V1__FETCH_SNAPSHOT_RESPONSE__ITEM_BATCH)
        for (size_t i = 0; i < message->batch->n_entries; i++)
            bytes += message->batch->entries[i]->header.len + message->batch->entries[i]->payload.len;
    return bytes;
}

void snapshot_heard(struct federation *f, uint32_t peer, const Vacancy__V1__FetchSnapshotResponse *message)
{
    uint32_t number = f->peers[peer].fetching;
    if (number == NO_PEER)
        return; /* of a fetch that was stopped */
    if (!is_progress(&f->regions[number], message))
        return;
    f->regions[number].progress_ms = f->now_ms;
    f->regions[number].drip.bytes += bytes_of(message);
    switch (message->item_case) {
    case VACANCY__V1__FETCH_SNAPSHOT_RESPONSE__ITEM_BEGIN:
        begin_heard(f, number, message->begin);
        break;
    case VACANCY__V1__FETCH_SNAPSHOT_RESPONSE__ITEM_HEADERS:
        headers_heard(f, number, message->headers);
        break;
    case VACANCY__V1__FETCH_SNAPSHOT_RESPONSE__ITEM_RECORDS:
        records_heard(f, number, message->records);
        break;
    case VACANCY__V1__FETCH_SNAPSHOT_RESPONSE__ITEM_BATCH:
        log_heard(f, number, message->batch);
        break;
    default:
        break;
    }
}

/* --- how it ends ----------------------------------------------------------------------------------------------- */

/* The stream has ended and every work has come back, unproven. */
static void not_proven(struct federation *f, uint32_t number)
{
    f->regions[number].snapshot_failures++;
    source_end(f, number, true, "its snapshot ended before it was proven");
}

void snapshot_over(struct federation *f, uint32_t peer, const struct problem *problem)
{
    uint32_t number = f->peers[peer].fetching;
    if (number == NO_PEER)
        return;
    struct region *region = &f->regions[number];
    region->fetch_over = true;
    f->peers[peer].fetching = NO_PEER;
    if (problem == NULL || problem->code == ERR_NONE) {
        if (region->works_out == 0)
            not_proven(f, number);
        return;
    }
    /* It does not know the snapshot that we have a part of: a new one then, of it or of another. */
    bool not_resumable = region->resumed && (problem->code == ERR_PRECONDITION || problem->code == ERR_OUT_OF_RANGE ||
                                             problem->code == ERR_NOT_FOUND);
    region->no_resume = not_resumable;
    region->snapshot_failures += !not_resumable;
    source_end(f, number, !not_resumable, "its snapshot broke off: %s", problem->text);
}

static void proven(struct federation *f, uint32_t number)
{
    struct region *region = &f->regions[number];
    log_info("federation", "snapshot of %s from %s is proven at %llu", region_name(f, number),
             peer_name(f, region->source), (unsigned long long)region->mine.checkpoint.sequence);
    backoff_clear(&pair_of(f, region->source, number)->barred);
    backoff_clear(&region->rest);
    region->snapshot_needed = region->dead;
    region->snapshot_avoid = NO_PEER;
    region->snapshot_failures = 0;
    region->gap_seen = region->said_store = false;
    source_end(f, number, false, "proven");
}

/* What is staged is worth nothing any more. */
static void drop_staged(struct federation *f, uint32_t number, uint32_t peer)
{
    struct replica_work *work = replica_work_create(WORK_SNAPSHOT_DROP, region_name(f, number));
    if (work == NULL)
        f->regions[number].no_resume = true; /* a new begin drops it as well */
    else
        work_send(f, number, peer, serial_next(f), work);
}

void snapshot_worked(struct federation *f, uint32_t number, const struct replica_work *work)
{
    struct region *region = &f->regions[number];
    uint32_t peer = region->source;
    switch (work->verdict) {
    case VERDICT_STAGED:
    case VERDICT_KNOWN:
        if (region->fetch_over && region->works_out == 0)
            not_proven(f, number);
        return;
    case VERDICT_APPLIED:
        proven(f, number);
        return;
    case VERDICT_FROZEN:
        source_freeze(f, number, &work->problem);
        return;
    case VERDICT_STORE: /* what is staged stays: it goes on from there */
        source_store_refuses(f, number, &work->problem);
        return;
    case VERDICT_NO_REGION:
        backoff_more(f, &region->rest, FEDERATION_BACKOFF_MS);
        source_end(f, number, false, "not in the roster");
        return;
    case VERDICT_GAP: /* the break was elsewhere than we thought */
        region->snapshot_failures++;
        source_end(f, number, true, "parts are missing in its snapshot");
        return;
    case VERDICT_NONE:
    case VERDICT_LIE:
    case VERDICT_OTHER_HISTORY:
    case VERDICT_OLD_EPOCH:
    case VERDICT_MISMATCH:
    case VERDICT_TOO_LARGE:
        region->snapshot_failures++;
        region->snapshot_avoid = peer;
        source_end(f, number, true, "snapshot: %s: %s", replica_verdict_name(work->verdict), work->problem.text);
        drop_staged(f, number, peer);
        return;
    }
}

void snapshots_tick(struct federation *f)
{
    for (uint32_t i = 0; i < f->count; i++) {
        struct region *region = &f->regions[i];
        if (region->state != REGION_FETCHING)
            continue;
        if (f->peers[region->source].paused || region->works_out > 0)
            region->progress_ms = f->now_ms;
        if (is_due(f, region->progress_ms + SNAPSHOT_SILENCE_MS)) {
            region->snapshot_failures++;
            source_end(f, i, true, "its snapshot stands still");
        }
    }
}
