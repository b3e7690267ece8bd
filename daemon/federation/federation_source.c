/*
 * federation_source.c - whose log of a region is taken, and what comes of it.
 *
 *     IDLE --choose--> TAKING --source_end--> IDLE      batches -> works -> verdicts
 *          --choose--> FETCHING (federation_snapshot.c) --source_end--> IDLE
 *
 * Owns: the choice, the take's cursor, batches gathered up to their checkpoint, works on their way. Not here: whether a
 * batch is true (the replica writer says so). Thread: as federation.h.
 * Invariant: a work carries its take's serial; a verdict on a take that is over changes nothing but the counts.
 */
#include "daemon/federation/federation_parts.h"

#include "daemon/base/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SERIAL_MASK  0xffffffu /* a work's source: serial, and the peer in the upper 8 bits */
#define LOOK_MS      250
#define THAW_LOOK_MS 1000
#define NO_SOURCE_MS FEDERATION_DEAD_MS /* before it is said */
_Static_assert(ROSTER_REGIONS_MAX <= 256, "a peer's number fits into a work's source");

uint32_t serial_next(struct federation *f)
{
    f->serial = (f->serial + 1) & SERIAL_MASK;
    if (f->serial == 0)
        f->serial = 1;
    return f->serial;
}

bool source_is_of_old_roster(const struct federation *f, uint32_t serial)
{
    return ((serial - f->era - 1) & SERIAL_MASK) > SERIAL_MASK / 2;
}

/* --- works on their way ---------------------------------------------------------------------------------------- */

struct replica_work *work_new(struct federation *f, uint32_t number, enum replica_work_kind kind)
{
    struct replica_work *work = replica_work_create(kind, region_name(f, number));
    if (work == NULL)
        source_end(f, number, true, "this hub is short of memory");
    return work;
}

static bool hand_over(struct federation *f, struct replica_work *work)
{
    return f->options.works.work(f->options.works.ctx, work) == ERR_NONE;
}

/* The replica writer has no room: kept here, in order. Bounded as what is under way from all peers is. */
static void hold(struct federation *f, struct replica_work *work)
{
    if (f->held_count == f->held_capacity) {
        f->held_capacity = f->held_capacity ? 2 * f->held_capacity : 64;
        f->held = realloc(f->held, f->held_capacity * sizeof *f->held);
        if (f->held == NULL)
            log_fatal("federation", "out of memory");
    }
    f->held[f->held_count++] = work;
    due_at(f, f->now_ms + LOOK_MS);
}

void works_flush(struct federation *f)
{
    size_t sent = 0;
    while (sent < f->held_count && hand_over(f, f->held[sent]))
        sent++;
    f->held_count -= sent;
    if (sent > 0)
        memmove(f->held, f->held + sent, f->held_count * sizeof *f->held);
    if (f->held_count > 0)
        due_at(f, f->now_ms + LOOK_MS);
}

void work_send(struct federation *f, uint32_t number, uint32_t peer, uint32_t serial, struct replica_work *work)
{
    work->source = serial | peer << 24;
    memcpy(work->peer, f->peers[peer].region, sizeof work->peer);
    f->regions[number].works_out++;
    f->peers[peer].works_out++;
    f->peers[peer].bytes_out += work->arena.used_bytes;
    if (f->held_count > 0 || !hand_over(f, work))
        hold(f, work);
    peer_flow(f, peer);
}

/* --- batches --------------------------------------------------------------------------------------------------- */

void gathering_end(struct federation *f, uint32_t number)
{
    struct region *region = &f->regions[number];
    struct gathering *gathering = &region->gathering;
    if (region->source != NO_PEER)
        f->peers[region->source].gathered_bytes -= gathering->arena.used_bytes;
    arena_finish(&gathering->arena);
    *gathering = (struct gathering){0};
    arena_init(&gathering->arena, REPLICA_COMMIT_MAX_BYTES);
    if (region->ours)
        standing_whole_end(f);
}

void gathering_to_work(struct federation *f, uint32_t number, struct replica_work *work)
{
    struct gathering *gathering = &f->regions[number].gathering;
    f->peers[f->regions[number].source].gathered_bytes -= gathering->arena.used_bytes;
    arena_finish(&work->arena);
    work->arena = gathering->arena;
    work->entries = gathering->rows;
    work->entry_count = gathering->count;
    *gathering = (struct gathering){0};
    arena_init(&gathering->arena, REPLICA_COMMIT_MAX_BYTES);
}

static bool copy_octets(struct arena *arena, const ProtobufCBinaryData *from, struct octets *out)
{
    *out = (struct octets){0};
    if (from->len == 0)
        return true;
    uint8_t *copy = arena_alloc(arena, from->len);
    if (copy == NULL)
        return false;
    memcpy(copy, from->data, from->len);
    *out = (struct octets){copy, from->len};
    return true;
}

static bool grow(struct gathering *gathering)
{
    if (gathering->count < gathering->capacity)
        return true;
    size_t capacity = gathering->capacity ? 2 * gathering->capacity : 16;
    struct log_row *rows = arena_alloc(&gathering->arena, capacity * sizeof *rows);
    if (rows == NULL)
        return false;
    if (gathering->count > 0)
        memcpy(rows, gathering->rows, gathering->count * sizeof *rows);
    gathering->rows = rows;
    gathering->capacity = capacity;
    return true;
}

static bool gather_entry(struct gathering *gathering, const Vacancy__V1__Entry *entry)
{
    if (!grow(gathering))
        return false;
    struct log_row *row = &gathering->rows[gathering->count];
    if (!copy_octets(&gathering->arena, &entry->header, &row->header) ||
        !copy_octets(&gathering->arena, &entry->salt, &row->salt) ||
        !copy_octets(&gathering->arena, &entry->payload, &row->payload))
        return false;
    gathering->count++;
    return true;
}

/* Sizes only: what they say is the replica writer's to judge. */
static const char *wrong_with_entry(const Vacancy__V1__Entry *entry)
{
    if (entry->header.len != LOG_HEADER_BYTES)
        return "header is not of 109 octets";
    if (entry->salt.len != LOG_SALT_BYTES && entry->salt.len != 0)
        return "salt is not of 32 octets";
    if (entry->payload.len > LOG_PAYLOAD_MAX_BYTES)
        return "payload is larger than 64 KiB";
    if (entry->salt.len == 0 && entry->payload.len != 0)
        return "payload has no salt";
    return NULL;
}

bool batch_entries_are_sound(struct federation *f, uint32_t number, const Vacancy__V1__Batch *batch)
{
    for (size_t i = 0; i < batch->n_entries; i++) {
        const char *wrong = wrong_with_entry(batch->entries[i]);
        if (wrong == NULL)
            continue;
        peer_broke(f, f->regions[number].source, "batch of %s: entries[%zu].%s", region_name(f, number), i, wrong);
        return false;
    }
    return true;
}

bool gather(struct federation *f, uint32_t number, const Vacancy__V1__Batch *batch)
{
    struct region *region = &f->regions[number];
    struct gathering *gathering = &region->gathering;
    struct peer *peer = &f->peers[region->source];
    if (!batch_entries_are_sound(f, number, batch))
        return false;
    for (size_t i = 0; i < batch->n_entries; i++) {
        size_t before = gathering->arena.used_bytes;
        bool fits = gather_entry(gathering, batch->entries[i]);
        peer->gathered_bytes += gathering->arena.used_bytes - before;
        if (!fits || peer->gathered_bytes > GATHERED_BYTES_MAX) {
            source_end(f, number, true, "it sent more than %d MiB without a checkpoint",
                       REPLICA_COMMIT_MAX_BYTES >> 20);
            return false;
        }
    }
    return true;
}

static bool batch_is_sound(struct federation *f, uint32_t peer, const Vacancy__V1__Batch *batch,
                           struct signed_checkpoint *checkpoint)
{
    const char *name = f->peers[peer].region;
    if (batch->n_entries == 0 && batch->checkpoint == NULL)
        peer_broke(f, peer, "a batch with neither entries nor a checkpoint");
    else if (batch->n_entries > LOG_SLICE_MAX_ROWS)
        peer_broke(f, peer, "a batch of %zu entries; at most %d are expected", batch->n_entries, LOG_SLICE_MAX_ROWS);
    else if (batch->checkpoint != NULL && !checkpoint_from(batch->checkpoint, checkpoint))
        peer_broke(f, peer, "batch.checkpoint from %s is no checkpoint", name);
    else if (batch->checkpoint != NULL && strcmp(checkpoint->checkpoint.region, batch->region) != 0)
        peer_broke(f, peer, "batch.checkpoint is of another region than the batch");
    else
        return true;
    return false;
}

/* Sequence after which the batch begins; false: its first header is none. */
static bool batch_begins_after(const Vacancy__V1__Batch *batch, const struct signed_checkpoint *checkpoint,
                               uint64_t *after)
{
    struct log_header header;
    if (batch->n_entries == 0) {
        *after = checkpoint->checkpoint.sequence;
        return true;
    }
    const struct octets octets = {batch->entries[0]->header.data, batch->entries[0]->header.len};
    if (octets.size != LOG_HEADER_BYTES || log_header_decode(&octets, &header) != ERR_NONE || header.sequence == 0)
        return false;
    *after = header.sequence - 1;
    return true;
}

static void on_gap(struct federation *f, uint32_t number)
{
    struct region *region = &f->regions[number];
    bool again = region->gap_seen;
    region->gap_seen = true;
    /* Once, the take is sent anew from what is on disk; then the source is to blame. */
    source_end(f, number, again, "entries are missing in what it sends");
}

/* The batch is whole: it goes to whoever judges it. */
static void submit_batch(struct federation *f, uint32_t number, const struct signed_checkpoint *checkpoint)
{
    struct region *region = &f->regions[number];
    if (checkpoint->checkpoint.sequence + 1 != region->next_sequence) {
        source_end(f, number, true, "its checkpoint does not stand at the batch's end");
        return;
    }
    if (region->ours) {
        standing_replay(f, checkpoint);
        return;
    }
    struct replica_work *work = work_new(f, number, WORK_BATCH);
    if (work == NULL)
        return;
    gathering_to_work(f, number, work);
    work->has_checkpoint = true;
    work->checkpoint = *checkpoint;
    work_send(f, number, region->source, region->serial, work);
}

void source_batch(struct federation *f, uint32_t peer, const Vacancy__V1__Batch *batch)
{
    uint32_t number = region_index(f, batch->region);
    struct signed_checkpoint checkpoint;
    uint64_t after;
    if (!batch_is_sound(f, peer, batch, &checkpoint))
        return;
    if (number == NO_PEER || f->regions[number].state != REGION_TAKING || f->regions[number].source != peer)
        return; /* of a take that is over */
    struct region *region = &f->regions[number];
    if (!batch_begins_after(batch, &checkpoint, &after)) {
        peer_broke(f, peer, "batch of %s: entries[0].header is none", batch->region);
        return;
    }
    if (after + 1 != region->next_sequence) {
        /* What was on its way before this take, or came twice, is passed over. */
        if (region->synced && after >= region->next_sequence)
            on_gap(f, number);
        return;
    }
    if (!gather(f, number, batch))
        return;
    region->synced = true;
    region->progress_ms = f->peers[peer].batch_ms = f->now_ms;
    region->next_sequence += batch->n_entries;
    if (batch->checkpoint != NULL)
        submit_batch(f, number, &checkpoint);
}

/* --- the end of a source --------------------------------------------------------------------------------------- */

static void say_dropped(struct federation *f, uint32_t number, uint32_t peer, const char *format, va_list args)
{
    char why[PROBLEM_TEXT_BYTES + 64];
    if (vsnprintf(why, sizeof why, format, args) < 0)
        why[0] = '\0';
    log_warn("federation", "%s is not taken from %s for a while: %s", region_name(f, number), peer_name(f, peer), why);
}

void source_end(struct federation *f, uint32_t number, bool bar, const char *format, ...)
{
    struct region *region = &f->regions[number];
    if (region->state == REGION_IDLE)
        return;
    uint32_t source = region->source;
    struct peer *peer = &f->peers[source];
    enum region_state was = region->state;
    gathering_end(f, number);
    region->state = REGION_IDLE;
    region->source = NO_PEER;
    region->serial = 0;
    region->drip = (struct drip){0};
    region->since_ms = f->now_ms;
    region->look_ms = 0;
    peer->used--;
    if (bar) {
        va_list args;
        va_start(args, format);
        say_dropped(f, number, source, format, args);
        va_end(args);
        backoff_more(f, &pair_of(f, source, number)->barred, BAR_MS);
    }
    bool fetching = peer->fetching == number;
    if (fetching)
        peer->fetching = NO_PEER;
    if (peer->state != PEER_LINKED)
        return;
    if (was == REGION_TAKING) {
        Vacancy__V1__FollowRequest request = VACANCY__V1__FOLLOW_REQUEST__INIT;
        request.item_case = VACANCY__V1__FOLLOW_REQUEST__ITEM_DROP;
        request.drop = (char *)region_name(f, number);
        f->options.links.send(f->options.links.ctx, source, &request);
    } else if (fetching && !region->fetch_over) {
        f->options.links.stop_fetch(f->options.links.ctx, source);
    }
}

void source_lost(struct federation *f, uint32_t peer)
{
    for (uint32_t i = 0; i < f->count; i++)
        if (f->regions[i].source == peer)
            source_end(f, i, false, "the link was lost");
}

static const char *refusal_words(Vacancy__V1__Refusal__Reason reason)
{
    switch (reason) {
    case VACANCY__V1__REFUSAL__REASON__REASON_NOT_HERE:
        return "nothing of it is there";
    case VACANCY__V1__REFUSAL__REASON__REASON_BEHIND_HORIZON:
        return "its log there begins after our position";
    case VACANCY__V1__REFUSAL__REASON__REASON_OTHER_HISTORY:
        return "its log there has another entry at our position";
    case VACANCY__V1__REFUSAL__REASON__REASON_AHEAD:
        return "its log there ends before our position";
    default:
        return "it refuses, and does not say why";
    }
}

void source_refused(struct federation *f, uint32_t peer, const Vacancy__V1__Refusal *refusal)
{
    uint32_t number = region_index(f, refusal->region);
    struct signed_checkpoint checkpoint;
    if (refusal->checkpoint != NULL && (!checkpoint_from(refusal->checkpoint, &checkpoint) ||
                                        strcmp(checkpoint.checkpoint.region, refusal->region) != 0)) {
        peer_broke(f, peer, "refusal.checkpoint is none of this region");
        return;
    }
    if (number == NO_PEER)
        return;
    struct region *region = &f->regions[number];
    pair_of(f, peer, number)->claim.have = false;
    if (refusal->checkpoint != NULL)
        claim_heard(f, peer, number, &checkpoint);
    if (region->state != REGION_TAKING || region->source != peer)
        return;
    int order = claim_compare(&pair_of(f, peer, number)->claim, region);
    switch (refusal->reason) {
    case VACANCY__V1__REFUSAL__REASON__REASON_OTHER_HISTORY:
        if (region->ours) {
            standing_other_history(f, peer);
        } else if (pair_of(f, peer, number)->claim.have && order > 0) {
            region->snapshot_needed = true;
            source_end(f, number, false, "another history");
            return;
        }
        break;
    case VACANCY__V1__REFUSAL__REASON__REASON_AHEAD:
        /* Its epoch is later, and began before where we are: what we have beyond was lost in a restore. */
        if (!region->ours && region->have && pair_of(f, peer, number)->claim.have && order > 0) {
            region->snapshot_needed = true;
            source_end(f, number, false, "ahead of its epoch");
            return;
        }
        break;
    case VACANCY__V1__REFUSAL__REASON__REASON_BEHIND_HORIZON:
        /* Who has nothing beyond where we are has no snapshot for us either: it would be taken again and again. */
        if (pair_of(f, peer, number)->claim.have && order > 0) {
            region->snapshot_needed = true;
            source_end(f, number, false, "behind the horizon");
            return;
        }
        break;
    default:
        break;
    }
    source_end(f, number, true, "%s", refusal_words(refusal->reason));
}

/* --- verdicts -------------------------------------------------------------------------------------------------- */

void source_freeze(struct federation *f, uint32_t number, const struct problem *why)
{
    struct region *region = &f->regions[number];
    if (!region->frozen) /* the replica says what to do about it */
        log_error("federation", "ALARM: %s is taken from nobody, as it is frozen: %s", region_name(f, number),
                  why->text);
    region->frozen = true;
    source_end(f, number, false, "frozen");
}

void source_store_refuses(struct federation *f, uint32_t number, const struct problem *why)
{
    struct region *region = &f->regions[number];
    if (!region->said_store)
        log_error("federation", "%s can't be stored now, tried again later: %s (%s)", region_name(f, number), why->text,
                  err_name(why->code));
    region->said_store = true;
    backoff_more(f, &region->rest, FEDERATION_BACKOFF_MS);
    source_end(f, number, false, "the store refuses");
}

static void on_applied(struct federation *f, uint32_t number, uint32_t peer)
{
    struct region *region = &f->regions[number];
    if (!region->drip.goal.have) /* not for each drop of one that drips */
        backoff_clear(&pair_of(f, peer, number)->barred);
    backoff_clear(&region->rest);
    region->gap_seen = region->said_store = false;
    region->progress_ms = f->now_ms;
}

static void on_verdict(struct federation *f, uint32_t number, const struct replica_work *work)
{
    struct region *region = &f->regions[number];
    uint32_t peer = region->source;
    switch (work->verdict) {
    case VERDICT_APPLIED:
    case VERDICT_KNOWN:
    case VERDICT_STAGED:
        on_applied(f, number, peer);
        break;
    case VERDICT_GAP:
        on_gap(f, number);
        break;
    case VERDICT_OTHER_HISTORY:
        region->snapshot_needed = true;
        source_end(f, number, false, "another history");
        break;
    case VERDICT_MISMATCH:
        region->snapshot_needed = true;
        region->snapshot_avoid = peer;
        source_end(f, number, true, "%s", work->problem.text);
        break;
    case VERDICT_FROZEN:
        source_freeze(f, number, &work->problem);
        break;
    case VERDICT_STORE:
        source_store_refuses(f, number, &work->problem);
        break;
    case VERDICT_NO_REGION: /* the replica writer has not yet heard of the new roster */
        backoff_more(f, &region->rest, FEDERATION_BACKOFF_MS);
        source_end(f, number, false, "not in the roster");
        break;
    case VERDICT_NONE:
    case VERDICT_LIE:
    case VERDICT_OLD_EPOCH:
    case VERDICT_TOO_LARGE:
        pair_of(f, peer, number)->claim.have = false;
        source_end(f, number, true, "%s: %s", replica_verdict_name(work->verdict), work->problem.text);
        break;
    }
}

/* What came of a checkpoint that contradicts ours. */
static void on_evidence(struct federation *f, uint32_t number, uint32_t peer, const struct replica_work *work)
{
    struct region *region = &f->regions[number];
    region->evidence = 0;
    if (work->verdict == VERDICT_FROZEN)
        source_freeze(f, number, &work->problem);
    else if (work->verdict == VERDICT_OTHER_HISTORY)
        region->snapshot_needed = true;
    else /* it stays unused, and is looked at again when it is said again */
        backoff_more(f, &pair_of(f, peer, number)->barred, BAR_MS);
}

/* What it sent, it has: its own positions may say so later. */
static void claim_proven(struct federation *f, uint32_t number, uint32_t peer, const struct replica_work *work)
{
    const struct checkpoint *proven = &work->checkpoint.checkpoint;
    struct claim *claim = &pair_of(f, peer, number)->claim;
    if (!work->has_checkpoint ||
        (claim->have &&
         (claim->epoch > proven->epoch || (claim->epoch == proven->epoch && claim->sequence > proven->sequence))))
        return;
    *claim = (struct claim){true, proven->epoch, proven->sequence, proven->horizon, proven->time_ms};
}

void source_worked(struct federation *f, struct replica_work *work)
{
    uint32_t serial = work->source & SERIAL_MASK, peer = work->source >> 24;
    uint32_t number = region_index(f, work->region);
    if (source_is_of_old_roster(f, serial) || number == NO_PEER || peer >= f->count)
        return;
    struct region *region = &f->regions[number];
    region->works_out--;
    region->look_ms = 0;
    f->peers[peer].works_out--;
    f->peers[peer].bytes_out -= work->arena.used_bytes;
    if (work->verdict == VERDICT_APPLIED || work->verdict == VERDICT_KNOWN) {
        region_refresh(f, number);
        if (serial != region->evidence)
            claim_proven(f, number, peer, work);
    }
    if (serial == region->evidence)
        on_evidence(f, number, peer, work);
    else if (serial == region->serial && region->state == REGION_FETCHING)
        snapshot_worked(f, number, work);
    else if (serial == region->serial && region->state == REGION_TAKING)
        on_verdict(f, number, work);
    else if (work->verdict == VERDICT_FROZEN)
        source_freeze(f, number, &work->problem);
    peer_flow(f, peer);
}

/* --- the choice ------------------------------------------------------------------------------------------------ */

static bool may_serve(struct federation *f, uint32_t peer, uint32_t number)
{
    const struct region *region = &f->regions[number];
    struct pair *pair = pair_of(f, peer, number);
    if (!peer_usable(f, peer) || !pair->claim.have || !is_due(f, pair->barred.until_ms))
        return false;
    int order = claim_compare(&pair->claim, region);
    return region->ours ? order > 0 : order >= 0;
}

static bool is_better(struct federation *f, uint32_t peer, uint32_t than, uint32_t number)
{
    const struct claim *a = &pair_of(f, peer, number)->claim, *b = &pair_of(f, than, number)->claim;
    if (a->epoch != b->epoch)
        return a->epoch > b->epoch;
    if (a->sequence != b->sequence)
        return a->sequence > b->sequence;
    return f->peers[peer].used < f->peers[than].used;
}

/* The region's own hub, else whoever is furthest. NO_PEER: none but `avoid`. */
static uint32_t choose_but(struct federation *f, uint32_t number, uint32_t avoid)
{
    const struct region *region = &f->regions[number];
    uint32_t best = NO_PEER;
    for (uint32_t peer = 0; peer < f->count; peer++) {
        if (peer == avoid || !may_serve(f, peer, number))
            continue;
        if (peer == number && !region->ours)
            return peer;
        if (best == NO_PEER || is_better(f, peer, best, number))
            best = peer;
    }
    return best;
}

/* Whose snapshot was not true is not asked for another one, where somebody else has more than we as well. */
static uint32_t choose(struct federation *f, uint32_t number)
{
    const struct region *region = &f->regions[number];
    uint32_t best = choose_but(f, number, NO_PEER);
    if (best == NO_PEER || best != region->snapshot_avoid ||
        !snapshot_wanted(f, number, &pair_of(f, best, number)->claim))
        return best;
    uint32_t other = choose_but(f, number, best);
    bool helps = other != NO_PEER && (claim_compare(&pair_of(f, other, number)->claim, region) > 0 ||
                                      claim_compare(&pair_of(f, best, number)->claim, region) <= 0);
    return helps ? other : best;
}

void source_take(struct federation *f, uint32_t number, uint32_t peer)
{
    struct region *region = &f->regions[number];
    static const uint8_t no_head[DIGEST_BYTES];
    region->state = REGION_TAKING;
    region->source = peer;
    region->serial = serial_next(f);
    region->next_sequence = region->have ? region->mine.checkpoint.sequence + 1 : 1;
    region->synced = false;
    region->since_ms = region->progress_ms = f->now_ms;
    f->peers[peer].used++;
    Vacancy__V1__FollowRequest request = VACANCY__V1__FOLLOW_REQUEST__INIT;
    Vacancy__V1__Cursor take = VACANCY__V1__CURSOR__INIT;
    take.region = (char *)region_name(f, number);
    take.sequence = region->next_sequence - 1;
    take.head = (ProtobufCBinaryData){DIGEST_BYTES, (uint8_t *)(region->have ? region->mine.checkpoint.head : no_head)};
    request.item_case = VACANCY__V1__FOLLOW_REQUEST__ITEM_TAKE;
    request.take = &take;
    f->options.links.send(f->options.links.ctx, peer, &request);
}

static void say_source(struct federation *f, uint32_t number)
{
    struct region *region = &f->regions[number];
    const char *name = peer_name(f, region->source);
    if (strcmp(region->logged_source, name) == 0)
        return;
    if (region->source == NO_PEER && !is_due(f, region->since_ms + NO_SOURCE_MS))
        return;
    memcpy(region->logged_source, name, strlen(name) + 1);
    if (region->source == NO_PEER)
        log_warn("federation", "no hub is linked that has %s", region_name(f, number));
    else
        log_info("federation", "%s is taken from %s", region_name(f, number),
                 region->source == number ? "its own hub" : name);
}

static void find_source(struct federation *f, uint32_t number)
{
    uint32_t peer = choose(f, number);
    if (peer == NO_PEER)
        return;
    if (snapshot_wanted(f, number, &pair_of(f, peer, number)->claim))
        snapshot_start(f, number, peer);
    else
        source_take(f, number, peer);
}

/* Whether somebody has more than what this take has brought so far. */
static bool is_waiting(struct federation *f, uint32_t number)
{
    const struct region *region = &f->regions[number];
    const struct checkpoint *mine = &region->mine.checkpoint;
    for (uint32_t peer = 0; peer < f->count; peer++) {
        const struct claim *claim = &pair_of(f, peer, number)->claim;
        if (!claim->have || !peer_usable(f, peer) || claim_compare(claim, region) < 0)
            continue;
        if (!region->have || claim->epoch > mine->epoch || claim->sequence >= region->next_sequence ||
            (claim->sequence == mine->sequence && claim->time_ms > mine->time_ms))
            return true;
    }
    return false;
}

/* Ends a take whose source sends nothing although there is more, or whose region's own hub is back. */
static void watch_take(struct federation *f, uint32_t number)
{
    struct region *region = &f->regions[number];
    const struct peer *peer = &f->peers[region->source];
    if (!region->ours && region->source != number && choose(f, number) == number) {
        source_end(f, number, false, "its own hub is back");
        return;
    }
    if (peer->paused || region->works_out > 0 || !is_waiting(f, number)) {
        region->progress_ms = f->now_ms;
        return;
    }
    int64_t silent_ms = f->now_ms - region->progress_ms;
    if (silent_ms >= REGION_SILENCE_MS ||
        (silent_ms >= FEDERATION_DEAD_MS && f->now_ms - peer->batch_ms >= FEDERATION_DEAD_MS))
        source_end(f, number, true, "it sent nothing for %lld ms although there is more", (long long)silent_ms);
}

/* The furthest that another peer could send us beyond what we have; !have: nobody. */
static struct claim offered_elsewhere(struct federation *f, uint32_t number)
{
    const struct region *region = &f->regions[number];
    struct claim best = {0};
    for (uint32_t peer = 0; peer < f->count; peer++) {
        const struct claim *claim = &pair_of(f, peer, number)->claim;
        if (peer == region->source || !may_serve(f, peer, number) || claim_compare(claim, region) <= 0)
            continue;
        if (!best.have || claim->epoch > best.epoch || (claim->epoch == best.epoch && claim->sequence > best.sequence))
            best = *claim;
    }
    return best;
}

static bool has_brought_enough(const struct region *region)
{
    const struct drip *drip = &region->drip;
    if (claim_compare(&drip->goal, region) <= 0)
        return true;
    return region->state == REGION_FETCHING
               ? drip->bytes >= DRIP_BYTES
               : region->have && region->mine.checkpoint.sequence - drip->from >= DRIP_ENTRIES;
}

/* Ends a take or a fetch that comes on so slowly that it may as well be withheld, where somebody else can be asked. */
static void watch_drip(struct federation *f, uint32_t number)
{
    struct region *region = &f->regions[number];
    struct drip *drip = &region->drip;
    const struct claim offered = offered_elsewhere(f, number);
    bool busy = f->peers[region->source].paused || region->works_out > 0;
    if (!offered.have || !drip->goal.have || has_brought_enough(region)) {
        *drip = (struct drip){.goal = offered,
                              .from = region->have ? region->mine.checkpoint.sequence : 0,
                              .seen_ms = f->now_ms,
                              .busy = busy};
        return;
    }
    if (!drip->busy)
        drip->waited_ms += f->now_ms - drip->seen_ms;
    drip->seen_ms = f->now_ms;
    drip->busy = busy;
    if (drip->waited_ms < DRIP_MS)
        return;
    region->snapshot_failures += region->state == REGION_FETCHING;
    source_end(f, number, true, "in %lld ms it brought us from %llu to %llu only, and others have %llu",
               (long long)drip->waited_ms, (unsigned long long)drip->from,
               (unsigned long long)(region->have ? region->mine.checkpoint.sequence : 0),
               (unsigned long long)drip->goal.sequence);
}

static void look(struct federation *f, uint32_t number)
{
    struct region *region = &f->regions[number];
    bool wanted = region->ours ? standing_replays(f) : !region->frozen;
    if (!wanted)
        source_end(f, number, false, "not wanted");
    else if (region->state == REGION_TAKING)
        watch_take(f, number);
    if (region->state != REGION_IDLE)
        watch_drip(f, number);
    if (wanted && region->state == REGION_IDLE && region->works_out == 0 && is_due(f, region->rest.until_ms))
        find_source(f, number);
    if (!region->ours && !region->frozen)
        say_source(f, number);
    region->look_ms = f->now_ms + LOOK_MS;
}

/* A roster's thaw reaches the replica writer, not us: its status says when it has taken effect. */
static void look_for_thaws(struct federation *f)
{
    if (!is_due(f, f->thaw_look_ms))
        return;
    f->thaw_look_ms = f->now_ms + THAW_LOOK_MS;
    for (uint32_t i = 0; i < f->count; i++) {
        if (!f->regions[i].frozen)
            continue;
        region_refresh(f, i);
        if (!f->regions[i].frozen)
            log_info("federation", "region %s is thawed", region_name(f, i));
    }
}

void sources_tick(struct federation *f)
{
    look_for_thaws(f);
    for (uint32_t i = 0; i < f->count; i++) {
        if (is_due(f, f->regions[i].look_ms))
            look(f, i);
        due_at(f, f->regions[i].look_ms);
    }
}
