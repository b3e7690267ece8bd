/*
 * standing_whole.c - our own region as a snapshot: after a restore from a backup so old that peers no longer have the
 * payloads of what followed it.
 *
 * Owns: what has arrived of it, gathered into one UPDATE_REPLAY: headers after our own log's end, as rows without
 * payloads; the records; then the log from the snapshot's begin on. Not here: proving it (register/home).
 * Thread: as federation.h. Invariant: rows are without gaps from our own log's end on; at most WHOLE_BYTES_MAX.
 */
#include "daemon/federation/federation_parts.h"

#include "daemon/base/log.h"

#include <stdlib.h>
#include <string.h>

#define WHOLE_BYTES_MAX ((size_t)1 << 30)

struct whole {
    struct arena *arena; /* holds what follows, too */
    struct log_row *rows;
    struct shared_record *records;
    size_t row_count, row_capacity, record_count, record_capacity;
    uint64_t read_at; /* the newest slice of records */
};

void standing_whole_end(struct federation *f)
{
    struct whole *whole = f->standing.whole;
    f->standing.whole = NULL;
    if (whole != NULL && whole->arena != NULL)
        arena_finish(whole->arena);
    if (whole != NULL)
        free(whole->arena);
    free(whole);
}

void standing_whole_begin(struct federation *f)
{
    standing_whole_end(f);
    struct whole *whole = calloc(1, sizeof *whole);
    if (whole == NULL || (whole->arena = malloc(sizeof *whole->arena)) == NULL)
        log_fatal("federation", "out of memory");
    arena_init(whole->arena, WHOLE_BYTES_MAX);
    f->standing.whole = whole;
    f->regions[f->home].next_sequence = f->regions[f->home].have ? f->regions[f->home].mine.checkpoint.sequence + 1 : 1;
}

/* Room for one more; NULL: the limit. */
static void *grow(struct arena *arena, void *list, size_t count, size_t *capacity, size_t each)
{
    if (count < *capacity)
        return list;
    size_t more = *capacity ? 2 * *capacity : 256;
    void *grown = arena_alloc(arena, more * each);
    if (grown == NULL)
        return NULL;
    if (count > 0)
        memcpy(grown, list, count * each);
    *capacity = more;
    return grown;
}

static bool copy(struct arena *arena, const uint8_t *data, size_t size, struct octets *out)
{
    uint8_t *octets = arena_alloc(arena, size);
    if (octets == NULL)
        return false;
    if (size > 0)
        memcpy(octets, data, size);
    *out = (struct octets){octets, size};
    return true;
}

static void too_large(struct federation *f)
{
    source_end(f, f->home, true, "this region's state is larger than %zu MiB: restore from a newer backup",
               WHOLE_BYTES_MAX >> 20);
}

/* The next row of our log. False: the source was ended. */
static bool add_row(struct federation *f, const uint8_t *header, const ProtobufCBinaryData *salt,
                    const ProtobufCBinaryData *payload)
{
    struct whole *whole = f->standing.whole;
    struct region *region = &f->regions[f->home];
    struct log_row *rows = grow(whole->arena, whole->rows, whole->row_count, &whole->row_capacity, sizeof *whole->rows);
    if (rows == NULL) {
        too_large(f);
        return false;
    }
    whole->rows = rows;
    struct log_row *row = &rows[whole->row_count];
    *row = (struct log_row){0};
    if (!copy(whole->arena, header, LOG_HEADER_BYTES, &row->header) ||
        (salt != NULL && !copy(whole->arena, salt->data, salt->len, &row->salt)) ||
        (payload != NULL && !copy(whole->arena, payload->data, payload->len, &row->payload))) {
        too_large(f);
        return false;
    }
    whole->row_count++;
    region->next_sequence++;
    return true;
}

void standing_whole_headers(struct federation *f, const Vacancy__V1__SnapshotHeaders *in)
{
    struct region *region = &f->regions[f->home];
    size_t count = in->headers.len / LOG_HEADER_BYTES;
    for (size_t i = 0; i < count; i++) {
        uint64_t sequence = in->first_sequence + i;
        if (sequence < region->next_sequence)
            continue; /* we have it */
        if (sequence > region->next_sequence) {
            source_end(f, f->home, true, "headers are missing in its snapshot");
            return;
        }
        if (!add_row(f, in->headers.data + i * LOG_HEADER_BYTES, NULL, NULL))
            return;
    }
}

void standing_whole_records(struct federation *f, const Vacancy__V1__SnapshotRecords *in)
{
    struct whole *whole = f->standing.whole;
    for (size_t i = 0; i < in->n_records; i++) {
        struct shared_record *records =
            grow(whole->arena, whole->records, whole->record_count, &whole->record_capacity, sizeof *whole->records);
        if (records == NULL) {
            too_large(f);
            return;
        }
        whole->records = records;
        const Vacancy__V1__SnapshotRecord *from = in->records[i];
        struct shared_record *record = &records[whole->record_count];
        record->table = (enum log_table)from->table;
        if (!copy(whole->arena, from->key.data, from->key.len, &record->key) ||
            !copy(whole->arena, from->value.data, from->value.len, &record->value)) {
            too_large(f);
            return;
        }
        whole->record_count++;
    }
    if (in->read_at_sequence > whole->read_at)
        whole->read_at = in->read_at_sequence;
}

static void submit_whole(struct federation *f, const struct signed_checkpoint *checkpoint)
{
    struct whole *whole = f->standing.whole;
    struct update *update = update_create(UPDATE_REPLAY);
    if (update == NULL) {
        source_end(f, f->home, true, "this hub is short of memory");
        return;
    }
    update->as.replay.arena = whole->arena;
    update->as.replay.rows = whole->rows;
    update->as.replay.count = whole->row_count;
    update->as.replay.whole = true;
    update->as.replay.records = whole->records;
    update->as.replay.record_count = whole->record_count;
    update->as.replay.checkpoint = *checkpoint;
    whole->arena = NULL;
    standing_whole_end(f);
    standing_submit_replay(f, update, 0);
}

void standing_whole_log(struct federation *f, const Vacancy__V1__Batch *in, const struct signed_checkpoint *checkpoint)
{
    struct region *region = &f->regions[f->home];
    for (size_t i = 0; i < in->n_entries; i++) {
        const Vacancy__V1__Entry *entry = in->entries[i];
        struct log_header header;
        const struct octets octets = {entry->header.data, entry->header.len};
        if (log_header_decode(&octets, &header) != ERR_NONE || header.sequence > region->next_sequence) {
            source_end(f, f->home, true, "entries are missing in its snapshot");
            return;
        }
        if (header.sequence == region->next_sequence && !add_row(f, entry->header.data, &entry->salt, &entry->payload))
            return;
    }
    if (checkpoint != NULL && checkpoint->checkpoint.sequence >= f->standing.whole->read_at)
        submit_whole(f, checkpoint);
}
