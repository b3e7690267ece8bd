/*
 * home_log.c - the region's log and shared state, as other hubs are given them (log_reader.h).
 * Owns: nothing. Any thread; each function is one read transaction: begin, copy out, end. Invariant: what is given is
 * durable, and a slice agrees with itself.
 */
#include "daemon/base/log.h"
#include "daemon/record/bytes.h"
#include "daemon/register/home_parts.h"

#include <string.h>

static const struct octets none;

static bool ours(const struct home *home, const char *region)
{
    return strcmp(home->options.region, region) == 0;
}

/* False when the arena has no room. */
static bool copy(struct arena *arena, const struct octets *from, struct octets *out)
{
    *out = none;
    if (from->size == 0)
        return true;
    uint8_t *data = arena_alloc(arena, from->size);
    if (data == NULL)
        return false;
    memcpy(data, from->data, from->size);
    *out = (struct octets){data, from->size};
    return true;
}

/* A transaction with where the log stands in it. */
static enum err begin(struct home *home, struct store_txn **txn, struct home_position *position,
                      struct problem *problem)
{
    enum err err = home->store->ops->begin(home->store, false, txn);
    if (err != ERR_NONE)
        return err;
    err = position_read(home, *txn, position, problem);
    if (err != ERR_NONE)
        home->store->ops->abort(*txn);
    return err;
}

/* A damaged record is said in the log: another hub gets only the error's name. */
static enum err end(struct home *home, struct store_txn *txn, enum err err, const struct problem *problem)
{
    home->store->ops->abort(txn);
    if (err == ERR_STORE_DAMAGED && problem->text[0] != '\0')
        log_error("register", "%s", problem->text);
    return err;
}

/* A view of an entry; one that is not there is damage, since the position says it is. */
static enum err get_entry(struct home *home, struct store_txn *txn, uint64_t sequence, struct octets *entry,
                          struct problem *problem)
{
    struct table_key key = key_of_id(home->options.region, sequence);
    struct octets k = key_octets(&key);
    enum err err = tables_get(home->store, txn, STORE_LOG, &k, entry, problem);
    if (err == ERR_NOT_FOUND || (err == ERR_NONE && entry->size < LOG_HEADER_BYTES))
        return problem_set(problem, ERR_STORE_DAMAGED, "", "store damaged: log entry %llu is missing",
                           (unsigned long long)sequence);
    return err;
}

static enum err newest(void *ctx, const char *region, struct signed_checkpoint *out)
{
    struct home *home = ctx;
    return ours(home, region) ? home_checkpoint(home, out) : ERR_NOT_FOUND;
}

/* --- entries ----------------------------------------------------------------------------------------------------- */

static enum err judge_cursor(struct home *home, struct store_txn *txn, const struct home_position *position,
                             const struct log_cursor *cursor, enum log_refusal *refusal, struct problem *problem)
{
    uint8_t head[DIGEST_BYTES] = {0};
    struct octets entry;
    *refusal = position->epoch == 0 ? LOG_NOT_HERE : cursor->sequence > position->sequence ? LOG_AHEAD : LOG_SERVED;
    if (*refusal != LOG_SERVED)
        return ERR_NONE;
    if (cursor->sequence > 0) {
        enum err err = get_entry(home, txn, cursor->sequence, &entry, problem);
        if (err != ERR_NONE)
            return err;
        log_header_hash(entry.data, head);
    }
    if (memcmp(head, cursor->head, DIGEST_BYTES) != 0)
        *refusal = LOG_OTHER_HISTORY;
    else if (cursor->sequence < position->horizon)
        *refusal = LOG_BEHIND_HORIZON;
    return ERR_NONE;
}

/* ERR_LIMIT: the arena has no room. */
static enum err copy_entry(const struct octets *entry, struct arena *arena, struct log_row *out)
{
    struct octets all;
    if (!copy(arena, entry, &all))
        return ERR_LIMIT;
    bool dropped = all.size == LOG_HEADER_BYTES;
    if (!dropped && all.size < LOG_HEADER_BYTES + LOG_SALT_BYTES)
        return ERR_STORE_DAMAGED;
    *out = (struct log_row){.header = {all.data, LOG_HEADER_BYTES}};
    if (dropped)
        return ERR_NONE;
    out->salt = (struct octets){all.data + LOG_HEADER_BYTES, LOG_SALT_BYTES};
    out->payload = (struct octets){out->salt.data + LOG_SALT_BYTES, all.size - LOG_HEADER_BYTES - LOG_SALT_BYTES};
    return ERR_NONE;
}

/* From `sequence` to `last`, as many as fit; at least one. */
static enum err copy_entries(struct home *home, struct store_txn *txn, uint64_t sequence, uint64_t last,
                             struct arena *arena, struct log_slice *out, struct problem *problem)
{
    size_t max = last - sequence < LOG_SLICE_MAX_ROWS ? (size_t)(last - sequence + 1) : LOG_SLICE_MAX_ROWS, bytes = 0;
    out->rows = arena_alloc(arena, max * sizeof *out->rows);
    if (out->rows == NULL)
        return ERR_LIMIT;
    while (out->count < max) {
        struct octets entry;
        enum err err = get_entry(home, txn, sequence + out->count, &entry, problem);
        if (err != ERR_NONE)
            return err;
        bytes += entry.size;
        if (out->count > 0 && bytes > LOG_SLICE_MAX_BYTES)
            return ERR_NONE;
        err = copy_entry(&entry, arena, &out->rows[out->count]);
        if (err != ERR_NONE)
            return err == ERR_LIMIT && out->count > 0 ? ERR_NONE : err;
        out->count++;
    }
    return ERR_NONE;
}

static enum err entries_within(struct home *home, struct store_txn *txn, const struct home_position *position,
                               const struct log_cursor *cursor, struct arena *arena, struct log_slice *out,
                               struct problem *problem)
{
    enum err err = judge_cursor(home, txn, position, cursor, &out->refusal, problem);
    if (err != ERR_NONE || out->refusal != LOG_SERVED || cursor->sequence == position->sequence)
        return err;
    err = checkpoint_seek(home, txn, cursor->sequence + 1, &out->checkpoint, problem);
    if (err == ERR_NOT_FOUND)
        return problem_set(problem, ERR_STORE_DAMAGED, "", "store damaged: the newest checkpoint is missing");
    if (err != ERR_NONE)
        return err;
    err = copy_entries(home, txn, cursor->sequence + 1, out->checkpoint.checkpoint.sequence, arena, out, problem);
    out->has_checkpoint = cursor->sequence + out->count == out->checkpoint.checkpoint.sequence;
    return err;
}

static enum err entries(void *ctx, const char *region, const struct log_cursor *cursor, struct arena *arena,
                        struct log_slice *out)
{
    struct home *home = ctx;
    struct store_txn *txn;
    struct home_position position;
    struct problem problem = {0};
    memset(out, 0, sizeof *out);
    out->refusal = LOG_NOT_HERE;
    if (!ours(home, region))
        return ERR_NONE;
    enum err err = begin(home, &txn, &position, &problem);
    if (err != ERR_NONE)
        return err;
    err = entries_within(home, txn, &position, cursor, arena, out, &problem);
    return end(home, txn, err, &problem);
}

static enum err headers(void *ctx, const char *region, uint64_t first, uint64_t last, struct arena *arena,
                        struct octets *out)
{
    struct home *home = ctx;
    struct store_txn *txn;
    struct home_position position;
    struct problem problem = {0};
    *out = none;
    if (!ours(home, region))
        return ERR_NOT_FOUND;
    enum err err = begin(home, &txn, &position, &problem);
    if (err != ERR_NONE)
        return err;
    last = last < position.sequence ? last : position.sequence;
    first = first > 0 ? first : 1;
    size_t count = first > last                           ? 0
                   : last - first >= LOG_HEADERS_PER_READ ? LOG_HEADERS_PER_READ
                                                          : (size_t)(last - first + 1);
    uint8_t *data = count > 0 ? arena_alloc(arena, count * LOG_HEADER_BYTES) : NULL;
    if (count > 0 && data == NULL)
        err = ERR_LIMIT;
    for (size_t i = 0; err == ERR_NONE && i < count; i++) {
        struct octets entry;
        err = get_entry(home, txn, first + i, &entry, &problem);
        if (err == ERR_NONE)
            memcpy(data + i * LOG_HEADER_BYTES, entry.data, LOG_HEADER_BYTES);
    }
    if (err == ERR_NONE)
        *out = (struct octets){data, count * LOG_HEADER_BYTES};
    return end(home, txn, err, &problem);
}

/* --- records ----------------------------------------------------------------------------------------------------- */

struct scan {
    struct home *home;
    struct store_txn *txn;
    struct arena *arena;
    struct record_slice *out;
    size_t bytes;
    bool full;
    struct problem problem;
};

static enum err add_record(struct scan *scan, enum log_table table, const struct octets *key,
                           const struct octets *value)
{
    struct record_slice *out = scan->out;
    struct shared_record *record = &out->records[out->count];
    scan->bytes += key->size + value->size;
    scan->full = out->count == LOG_SLICE_MAX_ROWS || (out->count > 0 && scan->bytes > LOG_SLICE_MAX_BYTES);
    if (scan->full)
        return ERR_NONE;
    record->table = table;
    if (!copy(scan->arena, key, &record->key) || !copy(scan->arena, value, &record->value)) {
        scan->full = true; /* as many as fit */
        return out->count > 0 ? ERR_NONE : ERR_LIMIT;
    }
    out->count++;
    return ERR_NONE;
}

/* What is shared of one row. */
static enum err scan_row(struct scan *scan, enum log_table table, const struct octets *rest, const struct octets *value)
{
    struct home_carer_shared shared;
    struct hold hold;
    struct octets row;
    if (table == LOG_TABLE_AGENCY)
        return add_record(scan, table, rest, value);
    if (table == LOG_TABLE_HOLD) {
        enum err err = home_hold_decode(rest, value, &hold, &row);
        return err == ERR_NONE && row.size > 0 ? add_record(scan, table, rest, &row) : err;
    }
    enum err err = home_carer_shared_decode(value, &shared);
    if (err != ERR_NONE)
        return err;
    if (table == LOG_TABLE_CARER)
        return add_record(scan, table, rest, &shared.carer_row);
    return shared.offer.size > 0 ? add_record(scan, table, rest, &shared.offer) : ERR_NONE;
}

/* The rows of one table of records; `after` empty: from the first. */
static enum err scan_table(struct scan *scan, enum log_table table, const struct octets *after)
{
    struct home *home = scan->home;
    enum store_table stored = table == LOG_TABLE_AGENCY ? STORE_AGENCIES
                              : table == LOG_TABLE_HOLD ? STORE_HOLDS
                                                        : STORE_CARERS;
    struct table_key from = key_of_region(home->options.region);
    if (from.size + after->size + 1 > sizeof from.data)
        return ERR_INVALID;
    if (after->size > 0) {
        memcpy(from.data + from.size, after->data, after->size);
        from.size += after->size;
        from.data[from.size++] = 0;
    }
    while (!scan->full) {
        struct octets at = key_octets(&from), key, value, rest;
        enum err err = tables_seek(home->store, scan->txn, stored, &at, false, &key, &value, &scan->problem);
        if (err == ERR_NOT_FOUND || (err == ERR_NONE && !key_in_region(&key, home->options.region, &rest)))
            return ERR_NONE;
        if (err == ERR_NONE && key.size >= sizeof from.data)
            err = ERR_STORE_DAMAGED;
        if (err == ERR_NONE)
            err = scan_row(scan, table, &rest, &value);
        if (err != ERR_NONE)
            return err;
        memcpy(from.data, key.data, key.size);
        from.data[key.size] = 0;
        from.size = key.size + 1;
    }
    return ERR_NONE;
}

static enum err records(void *ctx, const char *region, enum log_table after_table, const struct octets *after_key,
                        struct arena *arena, struct record_slice *out)
{
    struct home *home = ctx;
    struct scan scan = {.home = home, .arena = arena, .out = out};
    struct home_position position;
    memset(out, 0, sizeof *out);
    if (!ours(home, region))
        return ERR_NOT_FOUND;
    out->records = arena_alloc(arena, LOG_SLICE_MAX_ROWS * sizeof *out->records);
    if (out->records == NULL)
        return ERR_LIMIT;
    enum err err = begin(home, &scan.txn, &position, &scan.problem);
    if (err != ERR_NONE)
        return err;
    out->read_at_sequence = position.sequence;
    int first = after_table > LOG_TABLE_AGENCY ? (int)after_table : LOG_TABLE_AGENCY;
    for (int table = first; err == ERR_NONE && !scan.full && table < LOG_TABLE_END; table++)
        err = scan_table(&scan, (enum log_table)table, table == (int)after_table ? after_key : &none);
    return end(home, scan.txn, err, &scan.problem);
}

struct log_reader home_log_reader(struct home *home)
{
    return (struct log_reader){
        .ctx = home, .newest = newest, .entries = entries, .headers = headers, .records = records};
}
