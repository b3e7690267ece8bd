/*
 * trail.c - see trail.h.
 * Owns segments and frames. One thread at a time. Invariant: `end` moves only after a whole frame was appended.
 */
#include "daemon/access/trail.h"

#include "daemon/base/log.h"
#include "daemon/record/bytes.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HEADER_BYTES       52
#define CHECK_BYTES        8
#define FRAME_HEAD_BYTES   (4 + CHECK_BYTES)
#define SEGMENT_NAME_BYTES 40
#define SEGMENTS_MAX       99999999u

static const uint8_t magic[4] = {'V', 'D', 'T', '1'};

static void segment_name(size_t index, char out[SEGMENT_NAME_BYTES])
{
    snprintf(out, SEGMENT_NAME_BYTES, "disclosures-%08zu", index + 1);
}

/* A segment that isn't there reads as empty. */
static enum err read_at(struct trail *trail, size_t segment, uint64_t offset, uint8_t *out, size_t size, size_t *got)
{
    char name[SEGMENT_NAME_BYTES];
    segment_name(segment, name);
    *got = 0;
    enum err err = trail->store->ops->segment_read(trail->store, name, offset, out, size, got);
    if (err == ERR_NOT_FOUND) {
        *got = 0;
        return ERR_NONE;
    }
    return err;
}

static void header_encode(const struct audit_position *base, uint8_t out[HEADER_BYTES])
{
    uint8_t hash[DIGEST_BYTES];
    memcpy(out, magic, sizeof magic);
    put_be64(out + 4, base->sequence);
    memcpy(out + 12, base->hash, DIGEST_BYTES);
    digest_sha256(out, HEADER_BYTES - CHECK_BYTES, hash);
    memcpy(out + HEADER_BYTES - CHECK_BYTES, hash, CHECK_BYTES);
}

static bool header_decode(const uint8_t in[HEADER_BYTES], struct audit_position *base)
{
    uint8_t hash[DIGEST_BYTES];
    digest_sha256(in, HEADER_BYTES - CHECK_BYTES, hash);
    if (memcmp(in, magic, sizeof magic) != 0 || memcmp(hash, in + HEADER_BYTES - CHECK_BYTES, CHECK_BYTES) != 0)
        return false;
    base->sequence = get_be64(in + 4);
    memcpy(base->hash, in + 12, DIGEST_BYTES);
    return true;
}

/*
 * The next whole frame at *offset of a segment, checked against the chain at *position; moves both past it.
 * ERR_NOT_FOUND: no octets there. ERR_STORE_DAMAGED: octets that are no such frame. *record is a view of the buffer.
 */
static enum err next_frame(struct trail *trail, size_t segment, uint64_t *offset, struct audit_position *position,
                           struct octets *record)
{
    uint8_t *frame = trail->buffer;
    size_t got;
    enum err err = read_at(trail, segment, *offset, frame, FRAME_HEAD_BYTES, &got);
    if (err != ERR_NONE)
        return err;
    if (got == 0)
        return ERR_NOT_FOUND;
    if (got < FRAME_HEAD_BYTES)
        return ERR_STORE_DAMAGED;
    uint32_t length = get_be32(frame);
    if (length > TRAIL_RECORD_BYTES)
        return ERR_STORE_DAMAGED;
    err = read_at(trail, segment, *offset + FRAME_HEAD_BYTES, frame + FRAME_HEAD_BYTES, length, &got);
    if (err != ERR_NONE)
        return err;
    if (got < length)
        return ERR_STORE_DAMAGED;
    struct audit_position next = *position;
    *record = (struct octets){frame + FRAME_HEAD_BYTES, length};
    audit_chain_next(&next, record);
    if (memcmp(next.hash, frame + 4, CHECK_BYTES) != 0)
        return ERR_STORE_DAMAGED;
    *position = next;
    *offset += FRAME_HEAD_BYTES + length;
    return ERR_NONE;
}

static enum err segment_add(struct trail *trail, const struct audit_position *base, uint64_t bytes)
{
    if (trail->count == trail->capacity) {
        size_t capacity = trail->capacity ? 2 * trail->capacity : 16;
        struct trail_segment *grown = realloc(trail->segments, capacity * sizeof *grown);
        if (grown == NULL)
            return ERR_LIMIT;
        trail->segments = grown;
        trail->capacity = capacity;
    }
    trail->segments[trail->count++] = (struct trail_segment){.base = *base, .bytes = bytes};
    return ERR_NONE;
}

static enum err cut(struct trail *trail, size_t segment, uint64_t bytes)
{
    char name[SEGMENT_NAME_BYTES];
    segment_name(segment, name);
    return trail->store->ops->segment_truncate(trail->store, name, bytes);
}

/* Finds the segments by their headers; a last one without a whole header is cut to nothing. */
static enum err find_segments(struct trail *trail, struct problem *problem)
{
    for (size_t i = 0; i < SEGMENTS_MAX; i++) {
        uint8_t header[HEADER_BYTES];
        struct audit_position base;
        size_t got;
        enum err err = read_at(trail, i, 0, header, sizeof header, &got);
        if (err != ERR_NONE)
            return problem_set(problem, err, "", "segment %zu of the disclosures trail can't be read", i + 1);
        if (got == 0)
            return ERR_NONE;
        if (got < sizeof header || !header_decode(header, &base)) {
            log_warn("access", "cut a torn beginning of a segment off the disclosures trail segment=%zu", i + 1);
            err = cut(trail, i, 0);
            return err == ERR_NONE ? ERR_NONE
                                   : problem_set(problem, err, "",
                                                 "segment %zu of the disclosures trail is torn and "
                                                 "can't be cut",
                                                 i + 1);
        }
        if ((err = segment_add(trail, &base, HEADER_BYTES)) != ERR_NONE)
            return problem_set(problem, err, "", "out of memory for the disclosures trail");
    }
    return problem_set(problem, ERR_LIMIT, "", "the disclosures trail has too many segments");
}

/* Reads the last segment to its end. What is no whole frame stays until the next append: an altered trail, which the
 * signed head tells from a torn one, is refused with its evidence in place. */
static enum err read_last(struct trail *trail, struct problem *problem)
{
    size_t last = trail->count - 1;
    uint64_t offset = HEADER_BYTES;
    struct audit_position position = trail->segments[last].base;
    struct octets record;
    enum err err;
    while ((err = next_frame(trail, last, &offset, &position, &record)) == ERR_NONE)
        continue;
    if (err == ERR_STORE_DAMAGED) {
        log_warn("access",
                 "the disclosures trail has a torn tail segment=%zu offset=%" PRIu64 " last_sequence=%" PRIu64,
                 last + 1, offset, position.sequence);
        trail->torn = true;
    } else if (err != ERR_NOT_FOUND) {
        return problem_set(problem, err, "", "the last segment of the disclosures trail can't be read");
    }
    trail->segments[last].bytes = offset;
    trail->end = position;
    trail->synced_bytes = 0; /* what a killed daemon handed over may not be on disk yet */
    return ERR_NONE;
}

enum err trail_open(struct trail *trail, struct store *store, uint64_t segment_bytes, struct problem *problem)
{
    *trail = (struct trail){.store = store, .segment_bytes = segment_bytes};
    trail->buffer = malloc(FRAME_HEAD_BYTES + TRAIL_RECORD_BYTES);
    if (trail->buffer == NULL)
        return problem_set(problem, ERR_LIMIT, "", "out of memory for the disclosures trail");
    enum err err = find_segments(trail, problem);
    if (err == ERR_NONE && trail->count > 0)
        err = read_last(trail, problem);
    if (err != ERR_NONE)
        trail_finish(trail);
    return err;
}

void trail_finish(struct trail *trail)
{
    free(trail->segments);
    free(trail->buffer);
    *trail = (struct trail){0};
}

/* Takes away what a failed append may have left, or a killed daemon, so that the next frame follows a whole one. */
static enum err mend(struct trail *trail)
{
    if (!trail->torn)
        return ERR_NONE;
    struct trail_segment *last = &trail->segments[trail->count - 1];
    enum err err = cut(trail, trail->count - 1, last->bytes);
    if (err == ERR_NONE)
        trail->torn = false;
    return err;
}

static enum err append_octets(struct trail *trail, const struct octets *octets)
{
    struct trail_segment *last = &trail->segments[trail->count - 1];
    char name[SEGMENT_NAME_BYTES];
    segment_name(trail->count - 1, name);
    enum err err = trail->store->ops->segment_append(trail->store, name, octets);
    if (err != ERR_NONE) {
        trail->torn = true;
        return err;
    }
    last->bytes += octets->size;
    return ERR_NONE;
}

/* The last segment has room, or a new one is begun after the last is on disk. A segment of 0 bytes needs its header. */
static enum err make_room(struct trail *trail)
{
    enum err err;
    if (trail->count == 0 || trail->segments[trail->count - 1].bytes >= trail->segment_bytes) {
        if ((err = trail_sync(trail)) != ERR_NONE || (err = segment_add(trail, &trail->end, 0)) != ERR_NONE)
            return err;
        trail->synced_bytes = 0;
    }
    if (trail->segments[trail->count - 1].bytes > 0)
        return ERR_NONE;
    uint8_t header[HEADER_BYTES];
    header_encode(&trail->end, header);
    return append_octets(trail, &(struct octets){header, sizeof header});
}

/* As many as one write takes, from the first on, as frames in the buffer; how many. *next is where the chain stands
 * after them. */
static size_t frame_some(struct trail *trail, const struct octets *records, size_t count, size_t *bytes,
                         struct audit_position *next)
{
    size_t framed = 0;
    *bytes = 0;
    *next = trail->end;
    while (framed < count &&
           *bytes + FRAME_HEAD_BYTES + records[framed].size <= FRAME_HEAD_BYTES + TRAIL_RECORD_BYTES) {
        const struct octets *record = &records[framed++];
        uint8_t *frame = trail->buffer + *bytes;
        audit_chain_next(next, record);
        put_be32(frame, (uint32_t)record->size);
        memcpy(frame + 4, next->hash, CHECK_BYTES);
        memcpy(frame + FRAME_HEAD_BYTES, record->data, record->size);
        *bytes += FRAME_HEAD_BYTES + record->size;
    }
    return framed;
}

enum err trail_append_all(struct trail *trail, const struct octets *records, size_t count)
{
    struct audit_position next;
    enum err err = trail->failed ? ERR_STORE_IO : ERR_NONE;
    for (size_t done = 0, framed, bytes; err == ERR_NONE && done < count; done += framed) {
        if ((err = mend(trail)) != ERR_NONE || (err = make_room(trail)) != ERR_NONE)
            return err;
        framed = frame_some(trail, records + done, count - done, &bytes, &next);
        if (framed == 0)
            return ERR_LIMIT;
        err = append_octets(trail, &(struct octets){trail->buffer, bytes});
        if (err == ERR_NONE)
            trail->end = next;
    }
    return err;
}

enum err trail_append(struct trail *trail, const struct octets *record)
{
    return trail_append_all(trail, record, 1);
}

enum err trail_sync_begin(const struct trail *trail, struct trail_mark *mark)
{
    if (trail->failed)
        return ERR_STORE_IO;
    *mark = (struct trail_mark){.end = trail->end};
    if (trail->count > 0) {
        mark->segment = trail->count - 1;
        mark->bytes = trail->segments[mark->segment].bytes;
        mark->needed = mark->bytes > trail->synced_bytes;
    }
    return ERR_NONE;
}

enum err trail_sync_run(const struct trail *trail, const struct trail_mark *mark)
{
    char name[SEGMENT_NAME_BYTES];
    if (!mark->needed)
        return ERR_NONE;
    segment_name(mark->segment, name);
    return trail->store->ops->segment_sync(trail->store, name);
}

enum err trail_sync_end(struct trail *trail, const struct trail_mark *mark, enum err ran)
{
    /* For want of room nothing was lost yet; after anything else what is on disk is not known. */
    if (ran != ERR_NONE && ran != ERR_STORE_FULL)
        trail->failed = true;
    if (trail->failed)
        return ERR_STORE_IO;
    /* If a segment was begun meanwhile, the one before it was synced for that. */
    if (ran == ERR_NONE && mark->needed && mark->segment == trail->count - 1 && mark->bytes > trail->synced_bytes)
        trail->synced_bytes = mark->bytes;
    return ran;
}

enum err trail_sync(struct trail *trail)
{
    struct trail_mark mark;
    enum err err = trail_sync_begin(trail, &mark);
    return err == ERR_NONE ? trail_sync_end(trail, &mark, trail_sync_run(trail, &mark)) : err;
}

/* The segment that holds record `sequence`. There is one: sequence is at most the end's. */
static size_t segment_of(const struct trail *trail, uint64_t sequence)
{
    size_t low = 0, high = trail->count;
    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;
        if (trail->segments[middle].base.sequence < sequence)
            low = middle;
        else
            high = middle;
    }
    return low;
}

/* The cursor to read on with at record `sequence`: the nearest before it in its segment, else the one unused longest,
 * put at the segment's beginning. Another reader's, far behind, is left to that reader. */
static struct trail_cursor *pick_cursor(struct trail *trail, size_t segment, uint64_t sequence)
{
    struct trail_cursor *nearest = NULL, *oldest = &trail->cursors[0];
    for (size_t i = 0; i < TRAIL_CURSORS; i++) {
        struct trail_cursor *cursor = &trail->cursors[i];
        if (cursor->used < oldest->used)
            oldest = cursor;
        if (cursor->offset != 0 && cursor->segment == segment && cursor->before.sequence < sequence &&
            (nearest == NULL || cursor->before.sequence > nearest->before.sequence))
            nearest = cursor;
    }
    struct trail_cursor *picked = nearest != NULL && nearest->before.sequence + 1 == sequence ? nearest : oldest;
    if (nearest != NULL)
        *picked = *nearest;
    else
        *picked =
            (struct trail_cursor){.segment = segment, .offset = HEADER_BYTES, .before = trail->segments[segment].base};
    picked->used = ++trail->reads;
    return picked;
}

/* A cursor before record `sequence`, by the shortest way. */
static enum err seek(struct trail *trail, uint64_t sequence, struct trail_cursor **out)
{
    size_t segment = segment_of(trail, sequence);
    struct trail_cursor *cursor = pick_cursor(trail, segment, sequence);
    struct octets record;
    enum err err = ERR_NONE;
    while (err == ERR_NONE && cursor->before.sequence + 1 < sequence)
        err = next_frame(trail, segment, &cursor->offset, &cursor->before, &record);
    *out = cursor;
    return err;
}

/* The record after the cursor; crosses into the next segment, which must begin where this one ends. */
static enum err step(struct trail *trail, struct trail_cursor *cursor, struct octets *record)
{
    enum err err = next_frame(trail, cursor->segment, &cursor->offset, &cursor->before, record);
    if (err != ERR_NOT_FOUND || cursor->segment + 1 >= trail->count)
        return err;
    const struct audit_position *base = &trail->segments[cursor->segment + 1].base;
    if (base->sequence != cursor->before.sequence || memcmp(base->hash, cursor->before.hash, DIGEST_BYTES) != 0)
        return ERR_STORE_DAMAGED;
    cursor->segment++;
    cursor->offset = HEADER_BYTES;
    return next_frame(trail, cursor->segment, &cursor->offset, &cursor->before, record);
}

/* What a failed read of records that must be there means: octets that are missing are damage as well. */
static enum err damaged(struct trail_cursor *cursor, enum err err)
{
    cursor->offset = 0;
    return err == ERR_NOT_FOUND ? ERR_STORE_DAMAGED : err;
}

enum err trail_read(struct trail *trail, uint64_t from, struct arena *arena, struct audit_row *out, size_t max,
                    size_t *got)
{
    *got = 0;
    if (from == 0)
        from = 1;
    if (from > trail->end.sequence)
        return ERR_NONE;
    struct trail_cursor *cursor;
    enum err err = seek(trail, from, &cursor);
    if (err != ERR_NONE)
        return damaged(cursor, err);
    while (*got < max && from + *got <= trail->end.sequence) {
        struct octets record;
        if ((err = step(trail, cursor, &record)) != ERR_NONE)
            return damaged(cursor, err);
        uint8_t *copy = arena_alloc(arena, record.size);
        if (copy == NULL) {
            cursor->offset = 0; /* this record was passed but not given */
            return *got > 0 ? ERR_NONE : ERR_LIMIT;
        }
        memcpy(copy, record.data, record.size);
        out[*got] = (struct audit_row){.sequence = from + *got, .octets = {copy, record.size}};
        (*got)++;
    }
    return ERR_NONE;
}

enum err trail_hash_at(struct trail *trail, uint64_t sequence, uint8_t out[DIGEST_BYTES], struct problem *problem)
{
    memset(out, 0, DIGEST_BYTES);
    if (trail->end.sequence == 0 && sequence == 0)
        return ERR_NONE;
    if (sequence > trail->end.sequence)
        return problem_set(problem, ERR_STORE_DAMAGED, "", "the disclosures trail ends before record %" PRIu64,
                           sequence);
    if (sequence == trail->end.sequence) {
        memcpy(out, trail->end.hash, DIGEST_BYTES);
        return ERR_NONE;
    }
    struct octets record;
    struct trail_cursor *cursor;
    enum err err = seek(trail, sequence + 1, &cursor);
    if (err == ERR_NONE)
        memcpy(out, cursor->before.hash, DIGEST_BYTES);
    while (err == ERR_NONE && cursor->before.sequence < trail->end.sequence)
        err = step(trail, cursor, &record);
    if (err != ERR_NONE)
        return problem_set(problem, damaged(cursor, err), "", "the disclosures trail is damaged after record %" PRIu64,
                           cursor->before.sequence);
    return ERR_NONE;
}
