/*
 * home_open.c - opening the register: a new one gets its schema, an old one is read through and checked.
 * Owns: META's records, which store belongs to whom. The thread that starts the hub. Invariant: what is opened was made
 * by this schema version, for this region, under this signing key, and passed register_check.
 */
#include "daemon/base/log.h"
#include "daemon/record/bytes.h"
#include "daemon/register/home_parts.h"

#include <stdlib.h>
#include <string.h>

#define SCHEMA_BYTES (4 + GSS_BYTES + PUBLIC_KEY_BYTES)

const struct table_key meta_schema = {"schema", 6};
const struct table_key meta_position = {"position", 8};

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
    put_be64(out + 120, position->horizon);
    put_be64(out + 128, position->erased);
    lease_encode(&position->lease, out + 136);
    put_be64(out + 176, position->events);
    put_be64(out + 184, position->events_gone);
}

void position_decode(const uint8_t in[POSITION_BYTES], struct home_position *out)
{
    out->epoch = get_be64(in);
    memcpy(out->epoch_id, in + 8, 16);
    out->sequence = get_be64(in + 24);
    memcpy(out->head, in + 32, DIGEST_BYTES);
    out->time_ms = (int64_t)get_be64(in + 64);
    out->audit.sequence = get_be64(in + 72);
    memcpy(out->audit.hash, in + 80, DIGEST_BYTES);
    out->forgotten_ms = (int64_t)get_be64(in + 112);
    out->horizon = get_be64(in + 120);
    out->erased = get_be64(in + 128);
    lease_decode(in + 136, &out->lease);
    out->events = get_be64(in + 176);
    out->events_gone = get_be64(in + 184);
}

enum err position_read(struct home *home, struct store_txn *txn, struct home_position *out, struct problem *problem)
{
    struct octets key = key_octets(&meta_position), value;
    enum err err = tables_get(home->store, txn, STORE_META, &key, &value, problem);
    if (err == ERR_NOT_FOUND || (err == ERR_NONE && value.size != POSITION_BYTES))
        return problem_set(problem, ERR_STORE_DAMAGED, "",
                           "store damaged: table meta: the position is missing; restore from a backup");
    if (err == ERR_NONE)
        position_decode(value.data, out);
    return err;
}

static void schema_encode(const struct home *home, uint8_t out[SCHEMA_BYTES])
{
    memset(out, 0, SCHEMA_BYTES);
    put_be32(out, SCHEMA_VERSION);
    memcpy(out + 4, home->options.region, GSS_BYTES);
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

/* An empty store gets its schema, and its first epoch at once where there is nobody to ask. */
static enum err create_register(struct home *home, struct problem *problem)
{
    struct batch batch;
    uint8_t schema[SCHEMA_BYTES];
    schema_encode(home, schema);
    struct octets schema_value = {schema, sizeof schema};
    lease_begin(home);
    enum err err = batch_begin(home, false, &batch);
    if (err != ERR_NONE)
        return problem_set(problem, err, "", "the store can't be written: %s", err_name(err));
    if (!batch_put(&batch, STORE_META, &meta_schema, &schema_value) || !state_store(&batch) ||
        (!home->options.has_peers && !epoch_open(&batch))) {
        batch_abort(&batch);
        err = batch.failed;
    } else {
        err = batch_commit(&batch);
    }
    return err == ERR_NONE ? err
                           : problem_set(problem, err, "", "the store can't be written: %s",
                                         err == ERR_STORE_FULL ? "no room" : err_name(err));
}

/* --- opening ----------------------------------------------------------------------------------------------------- */

static enum err open_register(struct home *home, const struct octets *schema, struct store_txn *txn,
                              struct problem *problem)
{
    enum err err = check_schema(home, schema, problem);
    if (err == ERR_NONE)
        err = position_read(home, txn, &home->position, problem);
    if (err == ERR_NONE)
        lease_go_on(home);
    if (err == ERR_NONE)
        err = standing_read(home, txn, problem);
    if (err == ERR_NONE)
        err = requests_read(home, txn, problem);
    if (err == ERR_NONE)
        err = roster_check(home, txn, problem);
    return err == ERR_NONE ? register_check(home, txn, problem) : err;
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
    struct octets key = key_octets(&meta_schema), schema;
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

/* A note of another moment than the register's would let old data pass for young; nothing is written then. */
static enum err begin_restored(struct home *home, struct problem *problem)
{
    const struct home_options *options = &home->options;
    if (home->position.epoch < options->restored_epoch || home->position.sequence < options->restored_sequence)
        return problem_set(problem, ERR_STORE_DAMAGED, "",
                           "the register ends at %llu, but the backup's note is of %llu: they are not of one backup; "
                           "unpack one into an empty folder",
                           (unsigned long long)home->position.sequence, (unsigned long long)options->restored_sequence);
    return standing_restored(home, problem);
}

/* A full store starts all the same; the heartbeat tries again. */
static enum err keep_roster(struct home *home, struct problem *problem)
{
    enum err err = roster_keep(home);
    return err == ERR_NONE || err == ERR_STORE_FULL
               ? ERR_NONE
               : problem_set(problem, err, "", "the store can't be written: %s", err_name(err));
}

enum err home_open(const struct home_options *options, struct store *store, struct home **out, struct problem *problem)
{
    struct home *home = calloc(1, sizeof *home);
    *out = NULL;
    if (home == NULL)
        return problem_set(problem, ERR_LIMIT, "", "no memory for the register");
    home->options = *options;
    policy_fill(&home->options.policy);
    home->store = store;
    home->standing = options->has_peers ? STANDING_ASKING : STANDING_DECIDING;
    home->roster_version = options->roster_version;
    home->erased_boot_ms = home->look_back_boot_ms = clock_boot_ms(options->clock);
    home->signed_boot_ms = home->erased_boot_ms - HEARTBEAT_MS;
    home->due = due_create();
    home->whose = vacancy_map_create();
    home->due_holds = due_create();
    arena_init(&home->arena, BATCH_ARENA_BYTES);
    pthread_mutex_init(&home->lock, NULL);
    enum err err = open_or_create(home, problem);
    if (err == ERR_NONE && options->restored)
        err = begin_restored(home, problem);
    if (err == ERR_NONE)
        err = keep_roster(home, problem);
    if (err != ERR_NONE) {
        home_close(home);
        return err;
    }
    *out = home;
    return ERR_NONE;
}
