/*
 * tables.c - keys and per-record checks, see tables.h.
 * Owns: the key forms and the prefix of a stored value. Any thread; no state.
 * Invariant: no octets leave a table unchecked.
 */
#include "daemon/register/tables.h"

#include "daemon/base/log.h"
#include "daemon/record/bytes.h"
#include "daemon/record/carer.h"

#include <string.h>

#define CHECK_BYTES 8
#define OWNER_BYTES 16

const char *tables_name(enum store_table table)
{
    static const char *const names[STORE_TABLES] = {
        [STORE_META] = "meta",
        [STORE_CARERS] = "carers",
        [STORE_REFERENCES] = "references",
        [STORE_AGENCIES] = "agencies",
        [STORE_PRINCIPALS] = "principals",
        [STORE_LOG] = "log",
        [STORE_AUDIT] = "audit",
        [STORE_REQUESTS] = "requests",
        [STORE_CHECKPOINTS] = "checkpoints",
        [STORE_ORPHANS] = "orphans",
        [STORE_HOLDS] = "holds",
        [STORE_HOLD_LISTS] = "hold-lists",
        [STORE_EVENTS] = "events",
        [STORE_ASKED] = "asked",
        [STORE_REPORTS] = "reports",
        [STORE_FORMER] = "former",
        [STORE_REGIONS] = "regions",
        [STORE_RECORDS] = "records",
        [STORE_REPLICA_LOG] = "replica-log",
        [STORE_REPLICA_CHECKPOINTS] = "replica-checkpoints",
        [STORE_EVIDENCE] = "evidence",
    };
    return names[table];
}

static void append(struct table_key *key, const void *data, size_t bytes)
{
    if (bytes > sizeof key->data - key->size)
        log_fatal("register", "a key of %zu octets", key->size + bytes);
    if (bytes > 0)
        memcpy(key->data + key->size, data, bytes);
    key->size += bytes;
}

static void append_be64(struct table_key *key, uint64_t number)
{
    uint8_t octets[8];
    put_be64(octets, number);
    append(key, octets, sizeof octets);
}

struct table_key key_of_region(const char *region)
{
    struct table_key key;
    key.size = 0;
    append(&key, region, GSS_BYTES - 1);
    return key;
}

struct table_key key_of_id(const char *region, uint64_t id)
{
    struct table_key key = key_of_region(region);
    append_be64(&key, id);
    return key;
}

struct table_key key_of_text(const char *region, const char *text)
{
    struct table_key key = key_of_region(region);
    append(&key, text, strlen(text));
    return key;
}

struct table_key key_of_reference(const char *region, const char *agency, const char *agency_reference)
{
    struct table_key key = key_of_region(region);
    append(&key, agency, strlen(agency) + 1);
    append(&key, agency_reference, strlen(agency_reference));
    return key;
}

struct table_key key_of_orphan(const char *region, const char *agency, const uint8_t hash[DIGEST_BYTES])
{
    struct table_key key = key_of_region(region);
    append(&key, agency, strlen(agency) + 1);
    append(&key, hash, DIGEST_BYTES);
    return key;
}

struct table_key key_of_event(const char *region, const char *agency, uint64_t number)
{
    struct table_key key = key_of_region(region);
    append(&key, agency, strlen(agency) + 1);
    append_be64(&key, number);
    return key;
}

struct table_key key_of_request(const char *region, const uint8_t request_id[REQUEST_ID_BYTES], const char *principal)
{
    struct table_key key = key_of_region(region);
    uint8_t hash[DIGEST_BYTES];
    digest_sha256(principal, strlen(principal), hash);
    append(&key, request_id, REQUEST_ID_BYTES);
    append(&key, hash, 16);
    return key;
}

static void put_token(const struct hold_token *token, uint8_t out[HOLD_KEY_BYTES])
{
    put_be64(out, token->epoch);
    put_be64(out + 8, token->sequence);
}

struct table_key key_of_hold(const char *region, const struct hold_token *token)
{
    struct table_key key = key_of_region(region);
    uint8_t octets[HOLD_KEY_BYTES];
    put_token(token, octets);
    append(&key, octets, sizeof octets);
    return key;
}

static void append_owner(struct table_key *key, const char *list, const char *owner)
{
    uint8_t hash[DIGEST_BYTES];
    struct octets parts[] = {{(const uint8_t *)list, strlen(list) + 1}, {(const uint8_t *)owner, strlen(owner)}};
    digest_sha256_parts(parts, 2, hash);
    append(key, hash, OWNER_BYTES);
}

static void append_complement(struct table_key *key, const uint8_t *octets, size_t bytes)
{
    append(key, octets, bytes);
    for (size_t i = key->size - bytes; i < key->size; i++)
        key->data[i] = (uint8_t)~key->data[i];
}

struct table_key key_of_hold_list(const char *region, enum hold_list list, const char *owner,
                                  const struct hold_token *token)
{
    static const char *const lists[] = {[HOLD_LIST_TEAM] = "team",
                                        [HOLD_LIST_TEAM_LIVE] = "team, live",
                                        [HOLD_LIST_AGENCY] = "agency",
                                        [HOLD_LIST_AGENCY_LIVE] = "agency, live",
                                        [HOLD_LIST_CARER] = "carer"};
    struct table_key key = key_of_region(region);
    uint8_t octets[HOLD_KEY_BYTES];
    append_owner(&key, lists[list], owner);
    if (token == NULL)
        return key;
    put_token(token, octets);
    append_complement(&key, octets, sizeof octets);
    return key;
}

bool key_hold_list_token(const struct octets *key, struct hold_token *out)
{
    uint8_t octets[HOLD_KEY_BYTES];
    size_t before = GSS_BYTES - 1 + OWNER_BYTES;
    if (key->size != before + sizeof octets)
        return false;
    for (size_t i = 0; i < sizeof octets; i++)
        octets[i] = (uint8_t)~key->data[before + i];
    *out = (struct hold_token){get_be64(octets), get_be64(octets + 8)};
    return true;
}

struct table_key key_of_asked(const char *region, const char *holder, const uint8_t *request_id)
{
    struct table_key key = key_of_region(region);
    append_owner(&key, "asked", holder);
    if (request_id != NULL)
        append_complement(&key, request_id, REQUEST_ID_BYTES);
    return key;
}

struct table_key key_of_reports(const char *region, const char *holder)
{
    struct table_key key = key_of_region(region);
    append_owner(&key, "reports", holder);
    return key;
}

struct table_key key_of_generation(const char *region, uint32_t generation)
{
    struct table_key key = key_of_region(region);
    uint8_t octets[4];
    put_be32(octets, generation);
    append(&key, octets, sizeof octets);
    return key;
}

struct table_key key_of_entry(const char *region, uint32_t generation, uint64_t sequence)
{
    struct table_key key = key_of_generation(region, generation);
    append_be64(&key, sequence);
    return key;
}

struct table_key key_of_record(const char *region, uint32_t generation, unsigned table, const struct octets *key)
{
    struct table_key out = key_of_generation(region, generation);
    uint8_t octet = (uint8_t)table;
    append(&out, &octet, 1);
    append(&out, key->data, key->size);
    return out;
}

void key_step_past(struct table_key *next, const struct octets *key)
{
    if (key->size >= sizeof next->data)
        log_fatal("register", "a key of %zu octets", key->size);
    memmove(next->data, key->data, key->size);
    next->data[key->size] = 0;
    next->size = key->size + 1;
}

bool key_begins(const struct octets *key, const struct table_key *prefix)
{
    return key->size >= prefix->size && memcmp(key->data, prefix->data, prefix->size) == 0;
}

struct octets key_octets(const struct table_key *key)
{
    return (struct octets){key->data, key->size};
}

static void check_of(enum store_table table, const struct octets *key, const struct octets *octets,
                     uint8_t out[CHECK_BYTES])
{
    uint8_t hash[DIGEST_BYTES], head[4] = {RECORD_VERSION, (uint8_t)table};
    put_be16(head + 2, (uint16_t)key->size);
    struct octets parts[] = {{head, sizeof head}, *key, *octets};
    digest_sha256_parts(parts, 3, hash);
    memcpy(out, hash, CHECK_BYTES);
}

enum err tables_open_value(enum store_table table, const struct octets *key, const struct octets *stored,
                           struct octets *value, struct problem *problem)
{
    uint8_t check[CHECK_BYTES];
    if (stored->size >= RECORD_PREFIX_BYTES && stored->data[0] == RECORD_VERSION) {
        *value = (struct octets){stored->data + RECORD_PREFIX_BYTES, stored->size - RECORD_PREFIX_BYTES};
        check_of(table, key, value, check);
        if (memcmp(check, stored->data + 1, CHECK_BYTES) == 0)
            return ERR_NONE;
    }
    char hex[2 * 64 + 1];
    hex_encode(key->data, key->size < 64 ? key->size : 64, hex);
    return problem_set(problem, ERR_STORE_DAMAGED, "", "store damaged: table %s, record %s does not pass its check; %s",
                       tables_name(table), hex,
                       table < STORE_HOME_TABLES ? "restore from a backup" : "it is fetched again");
}

enum err tables_get(struct store *store, struct store_txn *txn, enum store_table table, const struct octets *key,
                    struct octets *value, struct problem *problem)
{
    struct octets stored;
    enum err err = store->ops->get(txn, table, key, &stored);
    return err == ERR_NONE ? tables_open_value(table, key, &stored, value, problem) : err;
}

enum err tables_seek(struct store *store, struct store_txn *txn, enum store_table table, const struct octets *from,
                     bool backwards, struct octets *key, struct octets *value, struct problem *problem)
{
    struct octets stored;
    enum err err = store->ops->seek(txn, table, from, backwards, key, &stored);
    return err == ERR_NONE ? tables_open_value(table, key, &stored, value, problem) : err;
}

enum err tables_put(struct store *store, struct store_txn *txn, struct arena *arena, enum store_table table,
                    const struct octets *key, const struct octets *value)
{
    uint8_t *stored = arena_alloc(arena, RECORD_PREFIX_BYTES + value->size);
    if (stored == NULL)
        return ERR_LIMIT;
    stored[0] = RECORD_VERSION;
    check_of(table, key, value, stored + 1);
    if (value->size > 0)
        memcpy(stored + RECORD_PREFIX_BYTES, value->data, value->size);
    struct octets octets = {stored, RECORD_PREFIX_BYTES + value->size};
    return store->ops->put(txn, table, key, &octets);
}
