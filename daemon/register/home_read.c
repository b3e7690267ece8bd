/*
 * home_read.c - reading the register: begin, copy out, end within each function.
 * Owns: nothing. Any thread. Invariant: no view leaves a function; what is copied out has passed its check.
 */
#include "daemon/base/log.h"
#include "daemon/record/bytes.h"
#include "daemon/register/home_parts.h"

#include <string.h>

static enum err begin_read(struct home *home, struct store_txn **out)
{
    return home->store->ops->begin(home->store, false, out);
}

static void end_read(struct home *home, struct store_txn *txn)
{
    home->store->ops->abort(txn);
}

/* A damaged record is said in the log: whoever reads gets only the error's name. */
static enum err told(enum err err, const struct problem *problem)
{
    if (err == ERR_STORE_DAMAGED && problem->text[0] != '\0')
        log_error("register", "%s", problem->text);
    return err;
}

static enum err read_carer(struct home *home, struct store_txn *txn, const struct octets *reference,
                           struct home_carer *out, struct problem *problem)
{
    if (reference->size != 8)
        return ERR_STORE_DAMAGED;
    uint64_t id = get_be64(reference->data);
    struct table_key key = key_of_id(home->options.region, id);
    struct octets k = key_octets(&key), value;
    enum err err = tables_get(home->store, txn, STORE_CARERS, &k, &value, problem);
    if (err == ERR_NOT_FOUND)
        return ERR_STORE_DAMAGED;
    return err == ERR_NONE ? home_carer_decode(&value, id, out, NULL) : err;
}

enum err home_get_carer(struct home *home, const char *agency, const char *agency_reference, struct home_carer *out)
{
    struct store_txn *txn;
    struct problem problem = {0};
    struct table_key key = key_of_reference(home->options.region, agency, agency_reference);
    struct octets k = key_octets(&key), value;
    enum err err = begin_read(home, &txn);
    if (err != ERR_NONE)
        return err;
    err = tables_get(home->store, txn, STORE_REFERENCES, &k, &value, &problem);
    if (err == ERR_NOT_FOUND) {
        uint8_t hash[DIGEST_BYTES];
        agency_reference_hash(home->options.reference_secret, agency, agency_reference, hash);
        key = key_of_orphan(home->options.region, agency, hash);
        k = key_octets(&key);
        err = tables_get(home->store, txn, STORE_ORPHANS, &k, &value, &problem);
    }
    if (err == ERR_NONE)
        err = read_carer(home, txn, &value, out, &problem);
    end_read(home, txn);
    return told(err, &problem);
}

enum err home_get_former(struct home *home, const char *agency, const char *agency_reference, uint64_t *out)
{
    struct store_txn *txn;
    struct problem problem = {0};
    uint8_t hash[DIGEST_BYTES];
    struct octets value;
    bool nobody = false;
    agency_reference_hash(home->options.reference_secret, agency, agency_reference, hash);
    struct table_key key = key_of_orphan(home->options.region, agency, hash);
    struct octets k = key_octets(&key);
    enum err err = begin_read(home, &txn);
    if (err != ERR_NONE)
        return err;
    err = tables_get(home->store, txn, STORE_FORMER, &k, &value, &problem);
    if (err == ERR_NONE)
        err = former_names_nobody(home, txn, &value, &nobody);
    if (err == ERR_STORE_DAMAGED && problem.text[0] == '\0')
        problem_set(&problem, err, "", "store damaged: a former reference can't be read");
    if (err == ERR_NONE && nobody)
        err = ERR_NOT_FOUND;
    if (err == ERR_NONE)
        *out = get_be64(value.data);
    end_read(home, txn);
    return told(err, &problem);
}

/* Makes *next the smallest key after *key, which may lie in *next itself. */
static void step_past(struct table_key *next, const struct octets *key)
{
    memmove(next->data, key->data, key->size);
    next->data[key->size] = 0;
    next->size = key->size + 1;
}

/* The carers to which the rows of `table` from *from on lead, while keys have its first prefix_bytes. */
static enum err list_carers(struct home *home, enum store_table table, struct table_key from, size_t prefix_bytes,
                            struct home_carer *out, size_t max, size_t *got)
{
    struct store_txn *txn;
    struct problem problem = {0};
    struct octets first, key, value;
    *got = 0;
    enum err err = begin_read(home, &txn);
    if (err != ERR_NONE)
        return err;
    while (err == ERR_NONE && *got < max) {
        first = key_octets(&from);
        err = tables_seek(home->store, txn, table, &first, false, &key, &value, &problem);
        if (err != ERR_NONE || key.size < prefix_bytes || memcmp(key.data, from.data, prefix_bytes) != 0)
            break;
        err = read_carer(home, txn, &value, &out[*got], &problem);
        *got += err == ERR_NONE;
        step_past(&from, &key);
    }
    end_read(home, txn);
    return err == ERR_NOT_FOUND ? ERR_NONE : told(err, &problem);
}

enum err home_list_carers(struct home *home, const char *agency, const char *after, struct home_carer *out, size_t max,
                          size_t *got)
{
    size_t prefix_bytes = key_of_reference(home->options.region, agency, "").size;
    struct table_key from = key_of_reference(home->options.region, agency, after);
    struct octets last = key_octets(&from);
    if (after[0] != '\0')
        step_past(&from, &last);
    return list_carers(home, STORE_REFERENCES, from, prefix_bytes, out, max, got);
}

enum err home_list_lost(struct home *home, const char *agency, const uint8_t *after_hash, struct home_carer *out,
                        size_t max, size_t *got)
{
    static const uint8_t zeros[DIGEST_BYTES];
    struct table_key from = key_of_orphan(home->options.region, agency, after_hash != NULL ? after_hash : zeros);
    struct octets last = key_octets(&from);
    size_t prefix_bytes = from.size - DIGEST_BYTES;
    if (after_hash != NULL)
        step_past(&from, &last);
    return list_carers(home, STORE_ORPHANS, from, prefix_bytes, out, max, got);
}

enum err home_get_agency(struct home *home, const char *id, struct agency *out)
{
    struct store_txn *txn;
    struct problem problem = {0};
    struct table_key key = key_of_text(home->options.region, id);
    struct octets k = key_octets(&key), value;
    enum err err = begin_read(home, &txn);
    if (err != ERR_NONE)
        return err;
    err = tables_get(home->store, txn, STORE_AGENCIES, &k, &value, &problem);
    if (err == ERR_NONE)
        err = agency_decode(id, &value, out);
    end_read(home, txn);
    return told(err, &problem);
}

enum err home_list_agencies(struct home *home, const char *after_id, struct agency *out, size_t max, size_t *got)
{
    struct store_txn *txn;
    struct problem problem = {0};
    struct table_key from = key_of_text(home->options.region, after_id);
    struct octets first = key_octets(&from), key, value, rest;
    *got = 0;
    if (after_id[0] != '\0')
        step_past(&from, &first);
    enum err err = begin_read(home, &txn);
    if (err != ERR_NONE)
        return err;
    while (err == ERR_NONE && *got < max) {
        char id[AGENCY_ID_BYTES] = {0};
        first = key_octets(&from);
        err = tables_seek(home->store, txn, STORE_AGENCIES, &first, false, &key, &value, &problem);
        if (err != ERR_NONE || !key_in_region(&key, home->options.region, &rest))
            break;
        if (rest.size >= sizeof id) {
            err = ERR_STORE_DAMAGED;
            break;
        }
        memcpy(id, rest.data, rest.size);
        err = agency_decode(id, &value, &out[*got]);
        *got += err == ERR_NONE;
        step_past(&from, &key);
    }
    end_read(home, txn);
    return err == ERR_NOT_FOUND ? ERR_NONE : told(err, &problem);
}

/* Rows of a table by sequence, each copied into the arena and handed to `row`; ends at `max` or where there are no
 * more. */
static enum err read_rows(struct home *home, enum store_table table, uint64_t from_sequence, struct arena *arena,
                          enum err (*row)(void *out, size_t at, uint64_t sequence, const struct octets *octets),
                          void *out, size_t max, size_t *got)
{
    struct store_txn *txn;
    struct problem problem = {0};
    *got = 0;
    enum err err = begin_read(home, &txn);
    if (err != ERR_NONE)
        return err;
    for (uint64_t sequence = from_sequence ? from_sequence : 1; *got < max; sequence++) {
        struct table_key key = key_of_id(home->options.region, sequence);
        struct octets k = key_octets(&key), view;
        err = tables_get(home->store, txn, table, &k, &view, &problem);
        if (err != ERR_NONE)
            break;
        uint8_t *copy = arena_alloc(arena, view.size);
        if (copy == NULL) {
            err = *got > 0 ? ERR_NOT_FOUND : ERR_LIMIT; /* as many as fit */
            break;
        }
        memcpy(copy, view.data, view.size);
        err = row(out, *got, sequence, &(struct octets){copy, view.size});
        if (err != ERR_NONE)
            break;
        (*got)++;
    }
    end_read(home, txn);
    return err == ERR_NOT_FOUND ? ERR_NONE : told(err, &problem);
}

static enum err audit_row_out(void *out, size_t at, uint64_t sequence, const struct octets *octets)
{
    ((struct audit_row *)out)[at] = (struct audit_row){sequence, *octets};
    return ERR_NONE;
}

enum err home_read_audit(struct home *home, uint64_t from_sequence, struct arena *arena, struct audit_row *out,
                         size_t max, size_t *got)
{
    return read_rows(home, STORE_AUDIT, from_sequence, arena, audit_row_out, out, max, got);
}

static enum err log_row_out(void *out, size_t at, uint64_t sequence, const struct octets *octets)
{
    (void)sequence;
    struct log_row *row = &((struct log_row *)out)[at];
    *row = (struct log_row){.header = {octets->data, LOG_HEADER_BYTES}};
    if (octets->size == LOG_HEADER_BYTES)
        return ERR_NONE; /* its payload was dropped */
    if (octets->size < LOG_HEADER_BYTES + LOG_SALT_BYTES)
        return ERR_STORE_DAMAGED;
    const uint8_t *salt = octets->data + LOG_HEADER_BYTES;
    row->salt = (struct octets){salt, LOG_SALT_BYTES};
    row->payload = (struct octets){salt + LOG_SALT_BYTES, octets->size - LOG_HEADER_BYTES - LOG_SALT_BYTES};
    return ERR_NONE;
}

enum err home_read_log(struct home *home, uint64_t from_sequence, struct arena *arena, struct log_row *out, size_t max,
                       size_t *got)
{
    return read_rows(home, STORE_LOG, from_sequence, arena, log_row_out, out, max, got);
}
