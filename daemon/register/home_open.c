/*
 * home_open.c - opening the register: a new one gets its first epoch, an old one is read through and checked.
 * Owns: META's records, the checks at start, the first feeding of an observer. The thread that starts the hub.
 * Invariant: a register that opens has every record's check, both chains from their first entry to where META says
 * they end, and each reference leading to a carer.
 */
#include "daemon/base/log.h"
#include "daemon/record/bytes.h"
#include "daemon/register/home_parts.h"
#include "vacancy/v1/home.pb-c.h"

#include <stdlib.h>
#include <string.h>

#define SCHEMA_BYTES (4 + GSS_BYTES + PUBLIC_KEY_BYTES)
#define FEED_SLICE   512

static const struct table_key schema_key = {"schema", 6};
static const struct table_key position_key = {"position", 8};

/* --- META -------------------------------------------------------------------------------------------------------- */

void position_encode(const struct home_position *position, uint8_t out[POSITION_BYTES])
{
    put_be64(out, position->epoch);
    memcpy(out + 8, position->epoch_id, 16);
    put_be64(out + 24, position->sequence);
    memcpy(out + 32, position->head, DIGEST_BYTES);
    put_be64(out + 64, (uint64_t)position->time_ms);
    put_be64(out + 72, position->audit.sequence);
    memcpy(out + 80, position->audit.hash, DIGEST_BYTES);
    put_be64(out + 112, (uint64_t)position->forgotten_ms);
}

static void position_decode(const uint8_t in[POSITION_BYTES], struct home_position *out)
{
    out->epoch = get_be64(in);
    memcpy(out->epoch_id, in + 8, 16);
    out->sequence = get_be64(in + 24);
    memcpy(out->head, in + 32, DIGEST_BYTES);
    out->time_ms = (int64_t)get_be64(in + 64);
    out->audit.sequence = get_be64(in + 72);
    memcpy(out->audit.hash, in + 80, DIGEST_BYTES);
    out->forgotten_ms = (int64_t)get_be64(in + 112);
}

static void schema_encode(const struct home *home, uint8_t out[SCHEMA_BYTES])
{
    memset(out, 0, SCHEMA_BYTES);
    put_be32(out, SCHEMA_VERSION);
    memcpy(out + 4, home->options.region, GSS_BYTES);
    if (home->options.signer != NULL)
        signer_public_key(home->options.signer, out + 4 + GSS_BYTES);
}

static enum err check_schema(const struct home *home, const struct octets *value, struct problem *problem)
{
    uint8_t expected[SCHEMA_BYTES];
    schema_encode(home, expected);
    uint32_t version = value->size >= 4 ? get_be32(value->data) : 0;
    if (version != SCHEMA_VERSION)
        return problem_set(
            problem, ERR_PRECONDITION, "",
            "the store has schema version %u, this program reads version %u; use the program that made it", version,
            SCHEMA_VERSION);
    if (value->size != SCHEMA_BYTES)
        return problem_set(problem, ERR_STORE_DAMAGED, "", "store damaged: the schema record is of a wrong size");
    if (memcmp(value->data + 4, expected + 4, GSS_BYTES) != 0)
        return problem_set(problem, ERR_PRECONDITION, "", "the store is of region %.9s, the configuration says %s",
                           (const char *)value->data + 4, home->options.region);
    if (memcmp(value->data + 4 + GSS_BYTES, expected + 4 + GSS_BYTES, PUBLIC_KEY_BYTES) != 0)
        return problem_set(problem, ERR_PRECONDITION, "",
                           "the region's signing key is not the one this store was made with; configure that one");
    return ERR_NONE;
}

/* An empty store: schema, and epoch 1 opened by its entry. */
static enum err create_register(struct home *home, struct problem *problem)
{
    struct batch batch;
    uint8_t schema[SCHEMA_BYTES];
    schema_encode(home, schema);
    struct octets schema_value = {schema, sizeof schema};
    enum err err = batch_begin(home, false, &batch);
    if (err != ERR_NONE)
        return problem_set(problem, err, "", "the store can't be written: %s", err_name(err));
    batch.position.epoch = 1;
    random_fill(home->options.randomness, batch.position.epoch_id, sizeof batch.position.epoch_id);
    uint8_t number[8];
    put_be64(number, batch.position.epoch);
    struct octets key = {number, sizeof number}, id = {batch.position.epoch_id, sizeof batch.position.epoch_id};
    if (!batch_put(&batch, STORE_META, &schema_key, &schema_value) ||
        !batch_log(&batch, LOG_TABLE_EPOCH, &key, false, &id)) {
        batch_abort(&batch);
        err = batch.failed;
    } else {
        err = batch_commit(&batch);
    }
    return err == ERR_NONE ? err
                           : problem_set(problem, err, "", "the store can't be written: %s",
                                         err == ERR_STORE_FULL ? "no room" : err_name(err));
}

/* --- reading through --------------------------------------------------------------------------------------------- */

struct reading {
    struct home *home;
    struct store_txn *txn;
    struct problem *problem;
    uint64_t carers, vacancies, agencies, references;
    struct log_header last;
    uint8_t head[DIGEST_BYTES];
    struct audit_position audit;
    uint8_t epoch_id[16];
    uint64_t epoch;
};

static enum err damaged(struct reading *reading, enum store_table table, const char *what)
{
    return problem_set(reading->problem, ERR_STORE_DAMAGED, "", "store damaged: table %s: %s; restore from a backup",
                       tables_name(table), what);
}

static enum err read_meta(struct reading *reading, const struct octets *rest, const struct octets *value)
{
    (void)rest;
    (void)value;
    (void)reading;
    return ERR_NONE; /* its check is enough; what it says is compared at the end */
}

static enum err read_carer(struct reading *reading, const struct octets *rest, const struct octets *value)
{
    struct home_carer home;
    struct home_carer_shared shared;
    struct offer offer;
    if (rest->size != 8 || home_carer_decode(value, get_be64(rest->data), &home, &shared) != ERR_NONE ||
        (shared.offer.size > 0 && offer_decode(&shared.offer, &offer) != ERR_NONE))
        return damaged(reading, STORE_CARERS, "a record can't be read");
    reading->carers++;
    if (home.vacancy.vacancy_id == 0)
        return ERR_NONE;
    reading->vacancies++;
    if (home.vacancy.state != VACANCY_LAPSED)
        due_set(reading->home->due, home.national_reference, home.vacancy.valid_until_ms);
    return ERR_NONE;
}

static enum err read_reference(struct reading *reading, const struct octets *rest, const struct octets *value)
{
    (void)rest;
    struct octets ignored;
    if (value->size != 8)
        return damaged(reading, STORE_REFERENCES, "a record is of a wrong size");
    struct table_key key = key_of_id(reading->home->options.region, get_be64(value->data));
    struct octets k = key_octets(&key);
    if (reading->home->store->ops->get(reading->txn, STORE_CARERS, &k, &ignored) != ERR_NONE)
        return damaged(reading, STORE_REFERENCES, "a reference leads to no carer");
    reading->references++;
    return ERR_NONE;
}

static enum err read_agency(struct reading *reading, const struct octets *rest, const struct octets *value)
{
    char id[AGENCY_ID_BYTES] = {0};
    struct agency agency;
    if (rest->size == 0 || rest->size >= sizeof id)
        return damaged(reading, STORE_AGENCIES, "a key is of a wrong size");
    memcpy(id, rest->data, rest->size);
    if (agency_decode(id, value, &agency) != ERR_NONE)
        return damaged(reading, STORE_AGENCIES, "a record can't be read");
    reading->agencies++;
    return ERR_NONE;
}

static enum err read_plain(struct reading *reading, const struct octets *rest, const struct octets *value)
{
    (void)reading;
    (void)rest;
    (void)value;
    return ERR_NONE; /* its check is enough */
}

static enum err read_log_entry(struct reading *reading, const struct octets *rest, const struct octets *value)
{
    struct log_header header;
    struct log_payload payload;
    if (value->size < LOG_HEADER_BYTES + LOG_SALT_BYTES)
        return damaged(reading, STORE_LOG, "an entry is short");
    struct octets header_octets = {value->data, LOG_HEADER_BYTES};
    const uint8_t *salt = value->data + LOG_HEADER_BYTES;
    struct octets payload_octets = {salt + LOG_SALT_BYTES, value->size - LOG_HEADER_BYTES - LOG_SALT_BYTES};
    uint8_t commitment[DIGEST_BYTES];
    log_commitment(salt, &payload_octets, commitment);
    if (log_header_decode(&header_octets, &header) != ERR_NONE || header.payload_bytes != payload_octets.size ||
        memcmp(commitment, header.commitment, DIGEST_BYTES) != 0 ||
        log_payload_decode(&payload_octets, &payload) != ERR_NONE || rest->size != 8 ||
        get_be64(rest->data) != header.sequence || strcmp(header.region, reading->home->options.region) != 0)
        return damaged(reading, STORE_LOG, "an entry is not what its header says");
    const struct log_header *last = reading->last.sequence ? &reading->last : NULL;
    enum err err = log_chain_check(last, reading->head, &header, reading->problem);
    if (err != ERR_NONE)
        return err;
    if (payload.table == LOG_TABLE_EPOCH && payload.key.size == 8 && payload.value.size == 16) {
        reading->epoch = get_be64(payload.key.data);
        memcpy(reading->epoch_id, payload.value.data, 16);
    }
    reading->last = header;
    log_header_hash(header_octets.data, reading->head);
    return ERR_NONE;
}

static enum err read_audit_row(struct reading *reading, const struct octets *rest, const struct octets *value)
{
    if (rest->size != 8 || get_be64(rest->data) != reading->audit.sequence + 1)
        return damaged(reading, STORE_AUDIT, "a record is missing");
    audit_chain_next(&reading->audit, value);
    return ERR_NONE;
}

/* Whether the key comes after the last one, which `from` is with a zero octet added. Else reading might never end. */
static bool is_past(const struct octets *key, const struct table_key *from)
{
    if (from->size == 0)
        return true;
    size_t last = from->size - 1, least = key->size < last ? key->size : last;
    int order = memcmp(key->data, from->data, least);
    return order > 0 || (order == 0 && key->size > last);
}

static enum err read_table(struct reading *reading, enum store_table table,
                           enum err (*row)(struct reading *reading, const struct octets *rest,
                                           const struct octets *value))
{
    struct home *home = reading->home;
    struct table_key from = {.size = 0};
    for (;;) {
        struct octets at = key_octets(&from), key, value, rest = {0};
        enum err err = tables_seek(home->store, reading->txn, table, &at, false, &key, &value, reading->problem);
        if (err == ERR_NOT_FOUND)
            return ERR_NONE;
        if (err != ERR_NONE)
            return err == ERR_STORE_DAMAGED ? err : problem_set(reading->problem, err, "", "the store can't be read");
        if (key.size >= sizeof from.data)
            return damaged(reading, table, "a key is too long");
        if (!is_past(&key, &from))
            return damaged(reading, table, "keys are out of order");
        if (table != STORE_META && !key_in_region(&key, home->options.region, &rest))
            return damaged(reading, table, "a record of another region");
        err = row(reading, &rest, &value);
        if (err != ERR_NONE)
            return err;
        memcpy(from.data, key.data, key.size);
        from.data[key.size] = 0;
        from.size = key.size + 1;
    }
}

static enum err read_through(struct reading *reading)
{
    static enum err (*const rows[STORE_HOME_TABLES])(struct reading *, const struct octets *, const struct octets *) = {
        [STORE_META] = read_meta,       [STORE_CARERS] = read_carer,     [STORE_REFERENCES] = read_reference,
        [STORE_AGENCIES] = read_agency, [STORE_PRINCIPALS] = read_plain, [STORE_LOG] = read_log_entry,
        [STORE_AUDIT] = read_audit_row, [STORE_REQUESTS] = read_plain,
    };
    for (int table = 0; table < STORE_HOME_TABLES; table++) {
        enum err err = read_table(reading, (enum store_table)table, rows[table]);
        if (err != ERR_NONE)
            return err;
    }
    return ERR_NONE;
}

/* What META says of the ends must be what was found: a lost tail is damage, too. */
static enum err check_ends(struct reading *reading, const struct home_position *position)
{
    if (position->sequence != reading->last.sequence || memcmp(position->head, reading->head, DIGEST_BYTES) != 0 ||
        position->epoch != reading->epoch || memcmp(position->epoch_id, reading->epoch_id, 16) != 0)
        return damaged(reading, STORE_LOG, "it does not end where it should");
    if (position->audit.sequence != reading->audit.sequence ||
        memcmp(position->audit.hash, reading->audit.hash, DIGEST_BYTES) != 0)
        return damaged(reading, STORE_AUDIT, "it does not end where it should");
    if (reading->carers != reading->references)
        return damaged(reading, STORE_REFERENCES, "not every carer has its reference");
    return ERR_NONE;
}

static enum err open_register(struct home *home, const struct octets *schema, struct store_txn *txn,
                              struct problem *problem)
{
    struct reading reading = {.home = home, .txn = txn, .problem = problem};
    struct octets key = key_octets(&position_key), value;
    enum err err = check_schema(home, schema, problem);
    if (err == ERR_NONE)
        err = tables_get(home->store, txn, STORE_META, &key, &value, problem);
    if (err == ERR_NOT_FOUND || (err == ERR_NONE && value.size != POSITION_BYTES))
        return damaged(&reading, STORE_META, "the position is missing");
    if (err != ERR_NONE)
        return err;
    position_decode(value.data, &home->position);
    err = read_through(&reading);
    if (err == ERR_NONE)
        err = check_ends(&reading, &home->position);
    home->carers = reading.carers;
    home->vacancies = reading.vacancies;
    home->agencies = reading.agencies;
    return err;
}

/* No schema: a new store must be empty in every table. */
static enum err is_empty(struct home *home, struct store_txn *txn, bool *empty)
{
    *empty = true;
    for (int table = 0; table < STORE_HOME_TABLES; table++) {
        struct octets first = {0}, key, value;
        enum err err = home->store->ops->seek(txn, (enum store_table)table, &first, false, &key, &value);
        if (err == ERR_NONE)
            *empty = false;
        else if (err != ERR_NOT_FOUND)
            return err;
    }
    return ERR_NONE;
}

static enum err open_or_create(struct home *home, struct problem *problem)
{
    struct store_txn *txn;
    struct octets key = key_octets(&schema_key), schema;
    bool empty = false;
    enum err err = home->store->ops->begin(home->store, false, &txn);
    if (err != ERR_NONE)
        return problem_set(problem, err, "", "the store can't be read: %s", err_name(err));
    err = tables_get(home->store, txn, STORE_META, &key, &schema, problem);
    if (err == ERR_NONE) {
        err = open_register(home, &schema, txn, problem);
    } else if (err == ERR_NOT_FOUND) {
        err = is_empty(home, txn, &empty);
        if (err != ERR_NONE || !empty)
            err =
                problem_set(problem, err ? err : ERR_STORE_DAMAGED, "", "store damaged: it has records but no schema");
    }
    home->store->ops->abort(txn);
    return empty && err == ERR_NONE ? create_register(home, problem) : err;
}

enum err home_open(const struct home_options *options, struct store *store, struct home **out, struct problem *problem)
{
    struct home *home = calloc(1, sizeof *home);
    *out = NULL;
    if (home == NULL)
        return problem_set(problem, ERR_LIMIT, "", "no memory for the register");
    home->options = *options;
    home->store = store;
    home->due = due_create();
    arena_init(&home->arena, BATCH_ARENA_BYTES);
    pthread_mutex_init(&home->lock, NULL);
    enum err err = open_or_create(home, problem);
    if (err != ERR_NONE) {
        home_close(home);
        return err;
    }
    *out = home;
    return ERR_NONE;
}

/* --- observers --------------------------------------------------------------------------------------------------- */

struct feeding {
    struct home *home;
    const struct commit_observer *observer;
    struct arena arena;
    struct change changes[2 * FEED_SLICE + 2];
    size_t count;
};

static enum err feed_add(struct feeding *feeding, enum log_table table, const struct octets *key,
                         const struct octets *value)
{
    uint8_t *copy = arena_alloc(&feeding->arena, key->size + value->size);
    if (copy == NULL)
        return ERR_LIMIT;
    memcpy(copy, key->data, key->size);
    if (value->size > 0)
        memcpy(copy + key->size, value->data, value->size);
    feeding->changes[feeding->count++] =
        (struct change){.table = table, .key = {copy, key->size}, .value = {copy + key->size, value->size}};
    return ERR_NONE;
}

/* Carers come as their row and, where there is one, their offer, verbatim as last logged. */
static enum err feed_row(struct feeding *feeding, enum store_table table, const struct octets *rest,
                         const struct octets *value)
{
    if (table == STORE_AGENCIES)
        return feed_add(feeding, LOG_TABLE_AGENCY, rest, value);
    if (table == STORE_PRINCIPALS)
        return feed_add(feeding, CHANGE_PRINCIPAL, rest, value);
    struct home_carer home;
    struct home_carer_shared shared;
    enum err err = home_carer_decode(value, 1, &home, &shared);
    if (err == ERR_NONE)
        err = feed_add(feeding, LOG_TABLE_CARER, rest, &shared.carer_row);
    if (err == ERR_NONE && shared.offer.size > 0)
        err = feed_add(feeding, LOG_TABLE_OFFER, rest, &shared.offer);
    return err;
}

static void feed_flush(struct feeding *feeding)
{
    const struct home_position *position = &feeding->home->position;
    const struct commit commit = {.region = feeding->home->options.region,
                                  .changes = feeding->changes,
                                  .count = feeding->count,
                                  .epoch = position->epoch,
                                  .sequence = position->sequence,
                                  .time_ms = position->time_ms};
    if (feeding->count > 0)
        feeding->observer->committed(feeding->observer->ctx, &commit);
    feeding->count = 0;
    arena_reset(&feeding->arena);
}

/* One slice of a table; *more tells whether to come again. */
static enum err feed_slice(struct feeding *feeding, enum store_table table, struct table_key *from, bool *more)
{
    struct home *home = feeding->home;
    struct store_txn *txn;
    *more = true;
    enum err err = home->store->ops->begin(home->store, false, &txn);
    while (err == ERR_NONE && feeding->count < 2 * FEED_SLICE) {
        struct octets at = key_octets(from), key, value, rest;
        err = tables_seek(home->store, txn, table, &at, false, &key, &value, NULL);
        if (err == ERR_NONE && key_in_region(&key, home->options.region, &rest) && key.size < sizeof from->data) {
            err = feed_row(feeding, table, &rest, &value);
            memcpy(from->data, key.data, key.size);
            from->data[key.size] = 0;
            from->size = key.size + 1;
        } else if (err == ERR_NONE || err == ERR_NOT_FOUND) {
            *more = false;
            err = ERR_NONE;
            break;
        }
    }
    home->store->ops->abort(txn);
    return err;
}

enum err home_observe(struct home *home, const struct commit_observer *observer)
{
    static const enum store_table tables[] = {STORE_AGENCIES, STORE_PRINCIPALS, STORE_CARERS};
    if (home->observer_count == HOME_OBSERVERS_MAX)
        return ERR_LIMIT;
    struct feeding *feeding = calloc(1, sizeof *feeding);
    if (feeding == NULL)
        return ERR_LIMIT;
    feeding->home = home;
    feeding->observer = observer;
    arena_init(&feeding->arena, 64 << 20);
    enum err err = ERR_NONE;
    for (size_t i = 0; err == ERR_NONE && i < sizeof tables / sizeof *tables; i++) {
        struct table_key from = {.size = 0};
        for (bool more = true; err == ERR_NONE && more;) {
            err = feed_slice(feeding, tables[i], &from, &more);
            if (err == ERR_NONE)
                feed_flush(feeding);
        }
    }
    arena_finish(&feeding->arena);
    free(feeding);
    if (err == ERR_NONE)
        home->observers[home->observer_count++] = *observer;
    return err;
}
