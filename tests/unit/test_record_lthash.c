/* tier: check */
/*
 * test_record_lthash.c - the hash of a set of records: what another program computes, in whatever order it comes
 * about, and that whatever differs in the set differs in the hash.
 */
#include "daemon/base/randomness.h"
#include "daemon/record/lthash.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static uint64_t seed;

/* Record i of the vectors below: table 2 to 4, key i in 8 octets, value i octets of i mod 251. */
struct record {
    enum log_table table;
    struct octets key, value;
    uint8_t key_octets[8], value_octets[400];
};

static void make_record(uint32_t i, struct record *out)
{
    *out = (struct record){.table = (enum log_table)(LOG_TABLE_AGENCY + i % 3),
                           .key_octets = {[6] = (uint8_t)(i >> 8), [7] = (uint8_t)i}};
    memset(out->value_octets, (int)(i % 251), i);
    out->key = (struct octets){out->key_octets, 8};
    out->value = (struct octets){out->value_octets, i};
}

static void add(struct lthash *state, uint32_t i)
{
    struct record record;
    make_record(i, &record);
    lthash_add(state, record.table, &record.key, &record.value);
}

static void take_out(struct lthash *state, uint32_t i)
{
    struct record record;
    make_record(i, &record);
    lthash_remove(state, record.table, &record.key, &record.value);
}

/*
 * python3 - <<'END'
 * import hashlib
 * lanes = [0] * 1024
 * def digest(): return hashlib.sha256(b"".join(x.to_bytes(2, "little") for x in lanes)).hexdigest()
 * for i in range(401):
 *     if i in (0, 1, 2, 100, 400): print(i, digest())
 *     e = hashlib.shake_128(b"vacancy record v1" + bytes([2 + i % 3, 0, 8]) + i.to_bytes(8, "big") + b"\1"
 *                           + bytes([i % 251]) * i).digest(2048)
 *     lanes = [(x + int.from_bytes(e[2 * l:2 * l + 2], "little")) % 65536 for l, x in enumerate(lanes)]
 * END
 */
static const struct {
    uint32_t records;
    const char *digest;
} vectors[] = {
    {0, "e5a00aa9991ac8a5ee3109844d84a55583bd20572ad3ffcd42792f3c36b183ad"},
    {1, "c918e9d57754bb4d9d6f4e12ccd697451d4d6927e9d7899e878f8791de9ff7e4"},
    {2, "928a308f66b2b56b9c9becd8b281ec0ef4517b33c8f8226043594a594978ff67"},
    {100, "80ba7d3f28e024b9f5ea4a68d862dff2684542f7cb591398b079a60f1447fb1d"},
    {400, "0f5b724703ff84f71ff390a512533a97561cd895e9cbf1561da1e8607a4dc3c6"},
};

static void check_digest(const struct lthash *state, const char *expected)
{
    uint8_t digest[DIGEST_BYTES];
    char hex[DIGEST_HEX_SIZE];
    lthash_digest(state, digest);
    hex_encode(digest, sizeof digest, hex);
    assert_string_equal(hex, expected);
}

static void sets_hash_as_another_program_says(void **unused)
{
    (void)unused;
    struct lthash state;
    lthash_init(&state);
    uint32_t records = 0;
    for (size_t v = 0; v < sizeof vectors / sizeof vectors[0]; v++) {
        for (; records < vectors[v].records; records++)
            add(&state, records);
        check_digest(&state, vectors[v].digest);
    }
    assert_int_equal(state.lanes[0], 64821); /* of the same program: lanes are summed, not their octets */
    assert_int_equal(state.lanes[1], 55986);
    assert_int_equal(state.lanes[1023], 46743);
    while (records > 100)
        take_out(&state, --records);
    check_digest(&state, vectors[3].digest);
}

/* The element is that of a log entry's payload, octet for octet: a follower may hash what it was sent. */
static void an_element_is_of_the_payloads_octets(void **unused)
{
    (void)unused;
    static const char domain[] = "vacancy record v1";
    struct record record;
    make_record(300, &record);
    struct log_payload payload = {.table = record.table, .key = record.key, .value = record.value};
    uint8_t octets[512], element[LTHASH_BYTES], encoded[LTHASH_BYTES];
    assert_true(log_payload_bytes(&payload) <= sizeof octets);
    log_payload_encode(&payload, octets);
    const struct octets parts[] = {{(const uint8_t *)domain, strlen(domain)}, {octets, log_payload_bytes(&payload)}};
    digest_shake128(parts, 2, element, sizeof element);
    struct lthash state;
    lthash_init(&state);
    add(&state, 300);
    lthash_encode(&state, encoded);
    assert_memory_equal(encoded, element, LTHASH_BYTES);
}

#define RECORDS 60

static void shuffle(struct seeded_random *random, uint32_t *items, uint32_t count)
{
    for (uint32_t i = count; i > 1; i--) {
        uint32_t j = (uint32_t)seeded_random_below(random, i), item = items[i - 1];
        items[i - 1] = items[j];
        items[j] = item;
    }
}

/* Records come, go and come back in random order and in parts apart; what is left decides, nothing else. */
static void only_the_set_matters(void **unused)
{
    (void)unused;
    struct seeded_random random;
    seeded_random_init(&random, seed);
    for (int round = 0; round < 20; round++) {
        struct lthash straight, parts[3], joined;
        bool in[RECORDS] = {false};
        lthash_init(&straight);
        lthash_init(&joined);
        for (int p = 0; p < 3; p++)
            lthash_init(&parts[p]);
        for (int step = 0; step < 300; step++) {
            uint32_t i = (uint32_t)seeded_random_below(&random, RECORDS);
            struct lthash *part = &parts[seeded_random_below(&random, 3)]; /* also below zero: sums wrap */
            in[i] ? take_out(part, i) : add(part, i);
            in[i] = !in[i];
        }
        uint32_t order[RECORDS];
        for (uint32_t i = 0; i < RECORDS; i++)
            order[i] = i;
        shuffle(&random, order, RECORDS);
        for (uint32_t i = 0; i < RECORDS; i++)
            if (in[order[i]])
                add(&straight, order[i]);
        for (int p = 0; p < 3; p++)
            lthash_join(&joined, &parts[(p + round) % 3]);
        assert_memory_equal(&joined, &straight, sizeof joined);
    }
}

static void a_state_reads_back(void **unused)
{
    (void)unused;
    struct seeded_random random;
    seeded_random_init(&random, seed + 1);
    struct randomness source = seeded_random_source(&random);
    uint8_t octets[LTHASH_BYTES], again[LTHASH_BYTES];
    random_fill(&source, octets, sizeof octets);
    struct lthash state;
    lthash_decode(octets, &state);
    assert_int_equal(state.lanes[3], octets[6] | octets[7] << 8);
    lthash_encode(&state, again);
    assert_memory_equal(again, octets, sizeof octets);
}

/* Table, key, value, where one ends and the next begins, and how often a record is in: each is seen. */
static void every_difference_is_seen(void **unused)
{
    (void)unused;
    static const struct {
        enum log_table table;
        const char *key, *value;
    } sets[] = {
        {LOG_TABLE_CARER, "key", "value"}, {LOG_TABLE_OFFER, "key", "value"}, {LOG_TABLE_CARER, "keyv", "alue"},
        {LOG_TABLE_CARER, "kez", "value"}, {LOG_TABLE_CARER, "key", "valuf"}, {LOG_TABLE_CARER, "key", "value2"},
        {LOG_TABLE_CARER, "key", ""},      {LOG_TABLE_CARER, "", "value"},    {LOG_TABLE_CARER, "", ""},
    };
    enum { SETS = sizeof sets / sizeof sets[0] };
    uint8_t digests[SETS + 2][DIGEST_BYTES];
    struct lthash state;
    for (int i = 0; i < SETS; i++) {
        lthash_init(&state);
        struct octets key = {(const uint8_t *)sets[i].key, strlen(sets[i].key)};
        struct octets value = {(const uint8_t *)sets[i].value, strlen(sets[i].value)};
        lthash_add(&state, sets[i].table, &key, &value);
        lthash_digest(&state, digests[i]);
    }
    struct lthash twice = state;
    lthash_join(&twice, &state);
    lthash_digest(&twice, digests[SETS]);
    lthash_init(&state);
    lthash_digest(&state, digests[SETS + 1]);
    for (int i = 0; i < SETS + 2; i++)
        for (int j = 0; j < i; j++)
            assert_memory_not_equal(digests[i], digests[j], DIGEST_BYTES);
}

int main(void)
{
    const char *text = getenv("SEED");
    seed = text ? strtoull(text, NULL, 10) : 20261123;
    printf("SEED=%llu\n", (unsigned long long)seed);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sets_hash_as_another_program_says),
        cmocka_unit_test(an_element_is_of_the_payloads_octets),
        cmocka_unit_test(only_the_set_matters),
        cmocka_unit_test(a_state_reads_back),
        cmocka_unit_test(every_difference_is_seen),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
