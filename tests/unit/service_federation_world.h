/*
 * service_federation_world.h - a hub whose log readers are made up: entries of a given size, a checkpoint after every
 * few, three regions in its roster; for the tests of what other hubs are given. Thread: one.
 */
#ifndef VACANCY_TESTS_SERVICE_FEDERATION_WORLD_H
#define VACANCY_TESTS_SERVICE_FEDERATION_WORLD_H

#include "tests/lib/fake_hub.h"
#include "vacancy/v1/federation_service.pb-c.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define FETCH "/vacancy.v1.FederationService/FetchSnapshot"
#define NORTH FAKE_DOMAIN "E12000001/hub"
#define WEST  FAKE_DOMAIN "E12000002/hub"

/* One region's made-up log and records. */
static struct made_up {
    const char *region;
    bool here;
    uint64_t sequence, horizon, batch; /* a checkpoint after every `batch` entries */
    int64_t time_ms;
    size_t payload_bytes, record_count;
    enum err fails;
    uint32_t reads;
} home_log, north_log, west_log;

static struct fake_hub hub;
static struct signer *root, *region_key;
static struct peer_positions *heard[64];
static uint32_t heard_count;

/* --- the log readers ------------------------------------------------------------------------------------------- */

static inline struct made_up *find(const char *region)
{
    struct made_up *all[] = {&home_log, &north_log, &west_log};
    for (int i = 0; i < 3; i++)
        if (all[i]->region != NULL && strcmp(all[i]->region, region) == 0 && all[i]->here)
            return all[i];
    return NULL;
}

static inline void make_header(const struct made_up *log, uint64_t sequence, uint8_t out[LOG_HEADER_BYTES])
{
    struct log_header header = {.epoch = 1, .sequence = sequence, .payload_bytes = (uint32_t)log->payload_bytes};
    strcpy(header.region, log->region);
    log_header_encode(&header, out);
}

static inline void make_head(const struct made_up *log, uint64_t sequence, uint8_t out[DIGEST_BYTES])
{
    uint8_t header[LOG_HEADER_BYTES];
    memset(out, 0, DIGEST_BYTES);
    if (sequence == 0)
        return;
    make_header(log, sequence, header);
    log_header_hash(header, out);
}

static inline void make_checkpoint(const struct made_up *log, uint64_t sequence, struct signed_checkpoint *out)
{
    struct checkpoint checkpoint = {
        .epoch = 1, .sequence = sequence, .horizon = log->horizon, .time_ms = log->time_ms, .records = 1};
    strcpy(checkpoint.region, log->region);
    make_head(log, sequence, checkpoint.head);
    checkpoint_sign(&checkpoint, region_key, out);
}

static inline enum err read_newest(void *ctx, const char *region, struct signed_checkpoint *out)
{
    (void)ctx;
    const struct made_up *log = find(region);
    if (log == NULL)
        return ERR_NOT_FOUND;
    make_checkpoint(log, log->sequence, out);
    return ERR_NONE;
}

static inline enum err read_entries(void *ctx, const char *region, const struct log_cursor *cursor, struct arena *arena,
                                    struct log_slice *out)
{
    (void)ctx;
    struct made_up *log = find(region);
    uint8_t head[DIGEST_BYTES];
    *out = (struct log_slice){.refusal = log == NULL ? LOG_NOT_HERE : LOG_SERVED};
    if (log == NULL)
        return ERR_NONE;
    log->reads++;
    make_head(log, cursor->sequence, head);
    if (cursor->sequence > log->sequence)
        out->refusal = LOG_AHEAD;
    else if (cursor->sequence < log->horizon)
        out->refusal = LOG_BEHIND_HORIZON;
    else if (memcmp(head, cursor->head, DIGEST_BYTES) != 0)
        out->refusal = LOG_OTHER_HISTORY;
    if (out->refusal != LOG_SERVED || log->fails != ERR_NONE)
        return log->fails;
    uint64_t end = (cursor->sequence / log->batch + 1) * log->batch;
    if (end > log->sequence)
        end = log->sequence;
    out->rows = arena_alloc(arena, LOG_SLICE_MAX_ROWS * sizeof *out->rows);
    assert_non_null(out->rows);
    size_t bytes = 0;
    for (uint64_t n = cursor->sequence + 1; n <= end && bytes < LOG_SLICE_MAX_BYTES; n++) {
        uint8_t *octets = arena_zalloc(arena, LOG_HEADER_BYTES + LOG_SALT_BYTES + log->payload_bytes);
        assert_non_null(octets);
        make_header(log, n, octets);
        out->rows[out->count++] = (struct log_row){{octets, LOG_HEADER_BYTES},
                                                   {octets + LOG_HEADER_BYTES, LOG_SALT_BYTES},
                                                   {octets + LOG_HEADER_BYTES + LOG_SALT_BYTES, log->payload_bytes}};
        bytes += LOG_HEADER_BYTES + LOG_SALT_BYTES + log->payload_bytes;
    }
    out->has_checkpoint = out->count > 0 && cursor->sequence + out->count == end;
    if (out->has_checkpoint)
        make_checkpoint(log, end, &out->checkpoint);
    return ERR_NONE;
}

static inline enum err read_headers(void *ctx, const char *region, uint64_t first, uint64_t last, struct arena *arena,
                                    struct octets *out)
{
    (void)ctx;
    const struct made_up *log = find(region);
    uint64_t count = last - first + 1 < 100 ? last - first + 1 : 100;
    uint8_t *octets = arena_alloc(arena, count * LOG_HEADER_BYTES);
    assert_non_null(octets);
    for (uint64_t i = 0; i < count; i++)
        make_header(log, first + i, octets + i * LOG_HEADER_BYTES);
    *out = (struct octets){octets, count * LOG_HEADER_BYTES};
    return ERR_NONE;
}

/* Record n has key n, four octets; table CARER. The log grows by one with each slice, as on a busy hub. */
static inline enum err read_records(void *ctx, const char *region, enum log_table after_table,
                                    const struct octets *after_key, struct arena *arena, struct record_slice *out)
{
    (void)ctx;
    struct made_up *log = find(region);
    uint32_t n = 0;
    if (after_table != LOG_TABLE_NONE) {
        assert_int_equal(after_key->size, 4);
        memcpy(&n, after_key->data, 4);
        n++;
    }
    *out = (struct record_slice){.read_at_sequence = ++log->sequence};
    out->records = arena_alloc(arena, 10 * sizeof *out->records);
    assert_non_null(out->records);
    for (; n < log->record_count && out->count < 10; n++) {
        uint8_t *octets = arena_zalloc(arena, 100);
        assert_non_null(octets);
        memcpy(octets, &n, 4);
        out->records[out->count++] = (struct shared_record){LOG_TABLE_CARER, {octets, 4}, {octets + 4, 96}};
    }
    return ERR_NONE;
}

/* --- set-up ---------------------------------------------------------------------------------------------------- */

static inline void peer_has(void *ctx, struct peer_positions *positions)
{
    (void)ctx;
    assert_true(heard_count < 64);
    heard[heard_count++] = positions;
}

static inline void set_roster(void)
{
    static const uint8_t issuer[DIGEST_BYTES] = {1};
    static const char *const regions[] = {"E12000001", "E12000002", FAKE_REGION};
    char text[4096], key_hex[65], issuer_hex[65], signature_hex[129];
    uint8_t key[PUBLIC_KEY_BYTES], signature[SIGNATURE_BYTES];
    struct problem problem;
    const struct roster *roster;
    signer_public_key(region_key, key);
    hex_encode(key, sizeof key, key_hex);
    hex_encode(issuer, sizeof issuer, issuer_hex);
    int size = snprintf(text, sizeof text, "vacancy roster v1\nversion 3\n");
    for (int i = 0; i < 3; i++)
        size += snprintf(text + size, sizeof text - (size_t)size, "region %s key %s issuer %s\n", regions[i], key_hex,
                         issuer_hex);
    signer_sign(root, text, (size_t)size, signature);
    hex_encode(signature, sizeof signature, signature_hex);
    size += snprintf(text + size, sizeof text - (size_t)size, "signature %s\n", signature_hex);
    signer_public_key(root, key);
    if (roster_parse(text, (size_t)size, key, &roster, &problem) != ERR_NONE)
        fail_msg("roster: %s %s", problem.field, problem.text);
    access_set_roster(hub.access, roster);
    roster_unref(roster);
}

static inline int set_up(void **state)
{
    (void)state;
    static const uint8_t root_seed[32] = {1}, key_seed[32] = {2};
    root = signer_from_seed(root_seed);
    region_key = signer_from_seed(key_seed);
    fake_hub_open(&hub);
    set_roster();
    struct log_reader reader = {NULL, read_newest, read_entries, read_headers, read_records};
    hub.context.federation = (struct federation_port){
        .home_log = reader, .replica_log = reader, .wakes = wakes_create(), .peer_has = peer_has};
    home_log = (struct made_up){
        .region = FAKE_REGION, .here = true, .sequence = 10, .batch = 5, .time_ms = 1000, .payload_bytes = 50};
    north_log = home_log;
    north_log.region = "E12000001";
    west_log = home_log;
    west_log.region = "E12000002";
    west_log.here = false;
    return 0;
}

static inline int tear_down(void **state)
{
    (void)state;
    fake_hub_close(&hub);
    wakes_destroy(hub.context.federation.wakes);
    while (heard_count > 0)
        free(heard[--heard_count]);
    signer_destroy(root);
    signer_destroy(region_key);
    return 0;
}

/* --- calls ------------------------------------------------------------------------------------------------------- */

static inline struct fake_call *begin(const char *principal, const char *path)
{
    static const uint8_t issuer[DIGEST_BYTES] = {1};
    struct tls_peer peer = fake_peer(principal, issuer);
    return fake_call_begin(&hub.host, path, &peer);
}

static inline void settle(void)
{
    fake_settle(&hub.host, &hub.writer);
}

static inline void wake(void)
{
    wakes_all(hub.context.federation.wakes);
    settle();
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

#endif
