/*
 * replica_read.c - what this hub has of other regions, for other hubs and for whoever wants it proven again.
 *
 * Owns: the log_reader of replicated regions, replica_read, replica_verify. Any thread. Reads begin, copy out, end
 * within one call; the region's row is read in the same transaction, so a slice is consistent in itself, and is of the
 * proven generation. Invariant: nothing staged is ever given.
 */
#include "daemon/base/log.h"
#include "daemon/record/bytes.h"
#include "daemon/register/replica_parts.h"

#include <string.h>

typedef unsigned long long number;

struct reading {
    struct replica *replica;
    struct store_txn *txn;
    const char *region;
    struct region_row row;
    struct problem problem;
};

static bool is_shown(struct replica *replica, const char *code, struct signed_checkpoint *newest)
{
    pthread_mutex_lock(&replica->lock);
    const struct region *region = replica_region(replica, code);
    bool shown = region != NULL && region->in_roster && region->row.proven.generation != 0;
    if (shown && newest != NULL)
        *newest = region->row.newest;
    pthread_mutex_unlock(&replica->lock);
    return shown;
}

/* ERR_NOT_FOUND: nothing of the region is here. On ERR_NONE reading_end must follow. */
static enum err reading_begin(struct replica *replica, const char *region, struct reading *out)
{
    struct table_key key;
    struct octets k, value;
    *out = (struct reading){.replica = replica, .region = region};
    if (!is_shown(replica, region, NULL))
        return ERR_NOT_FOUND;
    enum err err = replica->store->ops->begin(replica->store, false, &out->txn);
    if (err != ERR_NONE)
        return err;
    key = key_of_region(region);
    k = key_octets(&key);
    err = tables_get(replica->store, out->txn, STORE_REGIONS, &k, &value, &out->problem);
    if (err == ERR_NONE && !region_row_decode(&value, &out->row))
        err = ERR_STORE_DAMAGED;
    if (err == ERR_NONE && out->row.proven.generation == 0)
        err = ERR_NOT_FOUND;
    if (err != ERR_NONE)
        replica->store->ops->abort(out->txn);
    return err;
}

static enum err reading_end(struct reading *reading, enum err err)
{
    reading->replica->store->ops->abort(reading->txn);
    if (err == ERR_STORE_DAMAGED)
        log_error("register", "region %s: %s", reading->region,
                  reading->problem.text[0] ? reading->problem.text : "a stored record is damaged");
    return err;
}

static enum err read_entry(struct reading *reading, uint64_t sequence, struct octets *value)
{
    struct table_key key = key_of_entry(reading->region, reading->row.proven.generation, sequence);
    struct octets k = key_octets(&key);
    enum err err = tables_get(reading->replica->store, reading->txn, STORE_REPLICA_LOG, &k, value, &reading->problem);
    if (err == ERR_NONE && value->size < LOG_HEADER_BYTES)
        err = ERR_STORE_DAMAGED;
    return err == ERR_NOT_FOUND ? ERR_STORE_DAMAGED : err;
}

/* A copy in the caller's arena; data NULL: it is full. */
static struct octets copy_of(struct arena *arena, const struct octets *octets)
{
    uint8_t *copy = arena_alloc(arena, octets->size);
    if (copy != NULL && octets->size > 0)
        memcpy(copy, octets->data, octets->size);
    return (struct octets){copy, octets->size};
}

enum err replica_read(struct replica *replica, const char *region, enum log_table table, const struct octets *key,
                      struct arena *arena, struct octets *out)
{
    struct reading reading;
    struct octets value;
    if (key->size > SHARED_KEY_MAX_BYTES)
        return ERR_NOT_FOUND;
    enum err err = reading_begin(replica, region, &reading);
    if (err != ERR_NONE)
        return err;
    struct table_key at = key_of_record(region, reading.row.proven.generation, table, key);
    struct octets k = key_octets(&at);
    err = tables_get(replica->store, reading.txn, STORE_RECORDS, &k, &value, &reading.problem);
    if (err == ERR_NONE) {
        *out = copy_of(arena, &value);
        err = out->data != NULL ? ERR_NONE : ERR_LIMIT;
    }
    return reading_end(&reading, err);
}

/* --- log_reader ----------------------------------------------------------------------------------------------------
 */

static enum err read_newest(void *ctx, const char *region, struct signed_checkpoint *out)
{
    return is_shown(ctx, region, out) ? ERR_NONE : ERR_NOT_FOUND;
}

static enum err cursor_stands(struct reading *reading, const struct log_cursor *cursor, enum log_refusal *refusal)
{
    static const uint8_t nothing[DIGEST_BYTES];
    const struct replica_state *state = &reading->row.proven;
    struct octets entry;
    uint8_t head[DIGEST_BYTES] = {0};
    *refusal = LOG_SERVED;
    if (cursor->sequence > state->sequence) {
        *refusal = LOG_AHEAD;
        return ERR_NONE;
    }
    if (cursor->sequence > 0) {
        enum err err = read_entry(reading, cursor->sequence, &entry);
        if (err != ERR_NONE)
            return err;
        log_header_hash(entry.data, head);
    }
    if (memcmp(cursor->head, cursor->sequence ? head : nothing, DIGEST_BYTES) != 0)
        *refusal = LOG_OTHER_HISTORY;
    else if (cursor->sequence < state->dropped)
        *refusal = LOG_BEHIND_HORIZON;
    return ERR_NONE;
}

/* The first stored checkpoint after the cursor. */
static enum err next_checkpoint(struct reading *reading, uint64_t after, struct signed_checkpoint *out)
{
    uint32_t generation = reading->row.proven.generation;
    struct table_key prefix = key_of_generation(reading->region, generation);
    struct table_key from = key_of_entry(reading->region, generation, after + 1);
    struct octets at = key_octets(&from), key, value;
    enum err err = tables_seek(reading->replica->store, reading->txn, STORE_REPLICA_CHECKPOINTS, &at, false, &key,
                               &value, &reading->problem);
    if (err == ERR_NOT_FOUND || (err == ERR_NONE && !key_begins(&key, &prefix)))
        return ERR_STORE_DAMAGED;
    return err == ERR_NONE ? checkpoint_decode(&value, out) : err;
}

static enum err copy_rows(struct reading *reading, uint64_t after, uint64_t end, struct arena *arena,
                          struct log_slice *out)
{
    size_t bytes = 0, max = end - after < LOG_SLICE_MAX_ROWS ? (size_t)(end - after) : LOG_SLICE_MAX_ROWS;
    out->rows = arena_alloc(arena, max * sizeof *out->rows);
    if (out->rows == NULL)
        return ERR_LIMIT;
    for (; out->count < max; out->count++) {
        struct octets entry, copy;
        enum err err = read_entry(reading, after + out->count + 1, &entry);
        if (err == ERR_NONE && entry.size < LOG_HEADER_BYTES + LOG_SALT_BYTES)
            err = ERR_STORE_DAMAGED;
        if (err != ERR_NONE)
            return err;
        bytes += entry.size;
        if (out->count > 0 && bytes > LOG_SLICE_MAX_BYTES)
            break;
        copy = copy_of(arena, &entry);
        if (copy.data == NULL)
            return out->count > 0 ? ERR_NONE : ERR_LIMIT;
        const uint8_t *salt = copy.data + LOG_HEADER_BYTES;
        out->rows[out->count] = (struct log_row){
            {copy.data, LOG_HEADER_BYTES},
            {salt, LOG_SALT_BYTES},
            {salt + LOG_SALT_BYTES, copy.size - LOG_HEADER_BYTES - LOG_SALT_BYTES},
        };
    }
    return ERR_NONE;
}

static enum err read_entries(void *ctx, const char *region, const struct log_cursor *cursor, struct arena *arena,
                             struct log_slice *out)
{
    struct reading reading;
    *out = (struct log_slice){.refusal = LOG_NOT_HERE};
    enum err err = reading_begin(ctx, region, &reading);
    if (err != ERR_NONE)
        return err == ERR_NOT_FOUND ? ERR_NONE : err;
    err = cursor_stands(&reading, cursor, &out->refusal);
    if (err == ERR_NONE && out->refusal == LOG_SERVED && cursor->sequence < reading.row.proven.sequence) {
        err = next_checkpoint(&reading, cursor->sequence, &out->checkpoint);
        uint64_t end = out->checkpoint.checkpoint.sequence;
        if (err == ERR_NONE)
            err = copy_rows(&reading, cursor->sequence, end, arena, out);
        out->has_checkpoint = err == ERR_NONE && cursor->sequence + out->count == end;
    }
    return reading_end(&reading, err);
}

static enum err read_headers(void *ctx, const char *region, uint64_t first, uint64_t last, struct arena *arena,
                             struct octets *out)
{
    struct reading reading;
    *out = (struct octets){0};
    enum err err = reading_begin(ctx, region, &reading);
    if (err != ERR_NONE)
        return err;
    if (first == 0 || last < first || last > reading.row.proven.sequence)
        return reading_end(&reading, ERR_OUT_OF_RANGE);
    size_t count = last - first < LOG_HEADERS_PER_READ ? (size_t)(last - first + 1) : LOG_HEADERS_PER_READ;
    uint8_t *headers = arena_alloc(arena, count * LOG_HEADER_BYTES);
    if (headers == NULL)
        return reading_end(&reading, ERR_LIMIT);
    for (size_t i = 0; i < count && err == ERR_NONE; i++) {
        struct octets entry;
        err = read_entry(&reading, first + i, &entry);
        if (err == ERR_NONE)
            memcpy(headers + i * LOG_HEADER_BYTES, entry.data, LOG_HEADER_BYTES);
    }
    if (err == ERR_NONE)
        *out = (struct octets){headers, count * LOG_HEADER_BYTES};
    return reading_end(&reading, err);
}

static enum err copy_record(struct arena *arena, const struct octets *key, size_t prefix_bytes,
                            const struct octets *value, struct shared_record *out)
{
    if (key->size <= prefix_bytes)
        return ERR_STORE_DAMAGED;
    struct octets key_part = {key->data + prefix_bytes + 1, key->size - prefix_bytes - 1};
    *out = (struct shared_record){(enum log_table)key->data[prefix_bytes], copy_of(arena, &key_part),
                                  copy_of(arena, value)};
    return out->key.data == NULL || out->value.data == NULL ? ERR_LIMIT : ERR_NONE;
}

static enum err read_records(void *ctx, const char *region, enum log_table after_table, const struct octets *after_key,
                             struct arena *arena, struct record_slice *out)
{
    struct reading reading;
    *out = (struct record_slice){0};
    enum err err = reading_begin(ctx, region, &reading);
    if (err != ERR_NONE)
        return err;
    uint32_t generation = reading.row.proven.generation;
    struct table_key prefix = key_of_generation(region, generation), from = prefix;
    if (after_table != LOG_TABLE_NONE && after_key->size <= SHARED_KEY_MAX_BYTES) {
        from = key_of_record(region, generation, after_table, after_key);
        struct octets last = key_octets(&from);
        key_step_past(&from, &last);
    }
    out->read_at_sequence = reading.row.proven.sequence;
    out->records = arena_alloc(arena, LOG_SLICE_MAX_ROWS * sizeof *out->records);
    err = out->records == NULL ? ERR_LIMIT : ERR_NONE;
    for (size_t bytes = 0; err == ERR_NONE && out->count < LOG_SLICE_MAX_ROWS;) {
        struct octets at = key_octets(&from), key, value;
        err =
            tables_seek(reading.replica->store, reading.txn, STORE_RECORDS, &at, false, &key, &value, &reading.problem);
        if (err == ERR_NOT_FOUND || (err == ERR_NONE && !key_begins(&key, &prefix))) {
            err = ERR_NONE;
            break;
        }
        if (err != ERR_NONE || (out->count > 0 && bytes + value.size > LOG_SLICE_MAX_BYTES))
            break;
        err = copy_record(arena, &key, prefix.size, &value, &out->records[out->count]);
        bytes += key.size + value.size;
        if (err == ERR_LIMIT && out->count > 0) {
            err = ERR_NONE; /* as many as fit */
            break;
        }
        out->count += err == ERR_NONE;
        key_step_past(&from, &key);
    }
    return reading_end(&reading, err);
}

struct log_reader replica_log_reader(struct replica *replica)
{
    return (struct log_reader){replica, read_newest, read_entries, read_headers, read_records};
}

/* --- proving again -------------------------------------------------------------------------------------------------
 */

static enum err sum_records(struct reading *reading, uint64_t *records, struct lthash *sum)
{
    struct table_key prefix = key_of_generation(reading->region, reading->row.proven.generation), from = prefix;
    lthash_init(sum);
    *records = 0;
    for (;;) {
        struct octets at = key_octets(&from), key, value;
        enum err err = tables_seek(reading->replica->store, reading->txn, STORE_RECORDS, &at, false, &key, &value,
                                   &reading->problem);
        if (err == ERR_NOT_FOUND || (err == ERR_NONE && !key_begins(&key, &prefix)))
            return ERR_NONE;
        if (err != ERR_NONE)
            return err;
        if (key.size <= prefix.size || key.size >= sizeof from.data)
            return problem_set(&reading->problem, ERR_STORE_DAMAGED, "", "store damaged: a key is of a wrong size");
        struct octets rest = {key.data + prefix.size + 1, key.size - prefix.size - 1};
        lthash_add(sum, (enum log_table)key.data[prefix.size], &rest, &value);
        (*records)++;
        key_step_past(&from, &key);
    }
}

enum err replica_verify(struct replica *replica, const char *region, uint64_t *records, uint8_t state[DIGEST_BYTES],
                        struct problem *problem)
{
    struct reading reading;
    struct lthash sum;
    enum err err = reading_begin(replica, region, &reading);
    if (err != ERR_NONE)
        return problem_set(problem, err, "region", "%s",
                           err == ERR_NOT_FOUND ? "nothing of it is here" : err_name(err));
    err = sum_records(&reading, records, &sum);
    lthash_digest(&sum, state);
    const struct checkpoint *signed_state = &reading.row.newest.checkpoint;
    if (err == ERR_NONE && (*records != signed_state->records || memcmp(state, signed_state->state, DIGEST_BYTES) != 0))
        err = problem_set(&reading.problem, ERR_STORE_DAMAGED, "",
                          "%llu records on disk do not add up to the %llu that were signed at entry %llu",
                          (number)*records, (number)signed_state->records, (number)signed_state->sequence);
    if (err != ERR_NONE)
        (void)problem_set(problem, err, "", "%s", reading.problem.text[0] ? reading.problem.text : err_name(err));
    return reading_end(&reading, err);
}
