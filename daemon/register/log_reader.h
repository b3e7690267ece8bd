/*
 * log_reader.h - a region's log and shared state, as a hub gives them to another: the same face for the home region
 * (home.h) and for replicated ones (replica.h).
 *
 * Owns: the interface. Everything it gives is durable and proven. Reads begin, copy out, end within one call, so a
 * slice is consistent in itself; what is asked for next may have grown. Thread: any. Copies live in the caller's arena.
 */
#ifndef VACANCY_REGISTER_LOG_READER_H
#define VACANCY_REGISTER_LOG_READER_H

#include "daemon/base/arena.h"
#include "daemon/record/checkpoint.h"
#include "daemon/record/log_entry.h"

#define LOG_SLICE_MAX_BYTES  (256 * 1024) /* of entries, headers or records in one slice; one entry may be larger */
#define LOG_SLICE_MAX_ROWS   1024
#define LOG_HEADERS_PER_READ (LOG_SLICE_MAX_BYTES / LOG_HEADER_BYTES)

/* An entry as stored. salt and payload are empty where the payload was dropped. */
struct log_row {
    struct octets header, salt, payload;
};

/* Up to where somebody has a region's log. */
struct log_cursor {
    uint64_t sequence;          /* 0: nothing */
    uint8_t head[DIGEST_BYTES]; /* hash of that entry's header; zeros for nothing */
};

/* Numbers are those of proto Refusal.Reason. */
enum log_refusal {
    LOG_SERVED,
    LOG_NOT_HERE,
    LOG_BEHIND_HORIZON,
    LOG_OTHER_HISTORY,
    LOG_AHEAD,
};

struct log_slice {
    enum log_refusal refusal; /* not LOG_SERVED: nothing else is filled in */
    struct log_row *rows;
    size_t count;        /* 0: the cursor is at the end */
    bool has_checkpoint; /* stands at the last row: the slice ends a batch. Else more parts follow it */
    struct signed_checkpoint checkpoint;
};

struct shared_record {
    enum log_table table; /* AGENCY, CARER, OFFER */
    struct octets key, value;
};

struct record_slice {
    struct shared_record *records;
    size_t count; /* 0: the end */
    uint64_t read_at_sequence;
};

struct log_reader {
    void *ctx;
    /* The newest durable checkpoint, signed again at rest included. ERR_NOT_FOUND: nothing of the region is here. */
    enum err (*newest)(void *ctx, const char *region, struct signed_checkpoint *out);
    /* Entries after the cursor, up to the next stored checkpoint or LOG_SLICE_MAX_*. */
    enum err (*entries)(void *ctx, const char *region, const struct log_cursor *cursor, struct arena *arena,
                        struct log_slice *out);
    /* Headers first to last (inclusive), at most LOG_HEADERS_PER_READ, one after the other. */
    enum err (*headers)(void *ctx, const char *region, uint64_t first, uint64_t last, struct arena *arena,
                        struct octets *out);
    /* Records after (table, key) in that order; table LOG_TABLE_NONE: from the first. */
    enum err (*records)(void *ctx, const char *region, enum log_table after_table, const struct octets *after_key,
                        struct arena *arena, struct record_slice *out);
};

#endif
