/* tier: check */
/*
 * test_record_hold.c - a hold's octets, its token in text, and its hashes: what is encoded reads back, what is not a
 * token is refused, and no two holds of a team have a hash in common.
 */
#include "daemon/record/hold.h"
#include "tests/unit/random_records.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static uint64_t seed;
static const uint8_t secret[32] = "a region's secret, 32 bytes long";

static struct octets key_of(const struct hold *hold, uint8_t out[HOLD_KEY_BYTES])
{
    hold_key(&hold->token, out);
    return (struct octets){out, HOLD_KEY_BYTES};
}

static void test_holds_read_back(void **state)
{
    (void)state;
    struct seeded_random random;
    struct arena arena;
    seeded_random_init(&random, seed);
    arena_init(&arena, 1 << 20);
    for (int i = 0; i < 3000; i++) {
        struct hold hold, back;
        struct octets row, octets, view, again;
        uint8_t key_octets[HOLD_KEY_BYTES];
        random_hold(&random, &hold);
        struct octets key = key_of(&hold, key_octets);
        assert_int_equal(hold_row_encode(&hold, &arena, &row), ERR_NONE);
        assert_int_equal(home_hold_encode(&hold, &row, &arena, &octets), ERR_NONE);
        assert_int_equal(home_hold_decode(&key, &octets, &back, &view), ERR_NONE);
        assert_memory_equal(&hold, &back, sizeof hold);
        assert_int_equal(view.size, row.size);
        assert_memory_equal(view.data, row.data, row.size);
        assert_int_equal(home_hold_encode(&back, &view, &arena, &again), ERR_NONE);
        assert_int_equal(again.size, octets.size);
        assert_memory_equal(again.data, octets.data, octets.size);
        /* Once its row is gone the hold is still whole. */
        assert_int_equal(home_hold_encode(&hold, &(struct octets){0}, &arena, &octets), ERR_NONE);
        assert_int_equal(home_hold_decode(&key, &octets, &back, &view), ERR_NONE);
        assert_memory_equal(&hold, &back, sizeof hold);
        assert_int_equal(view.size, 0);
        arena_reset(&arena);
    }
    arena_finish(&arena);
}

/* What every hub gets tells neither who holds nor for whom. */
static void test_row_has_what_is_shared_and_no_more(void **state)
{
    (void)state;
    struct seeded_random random;
    struct arena arena;
    struct octets row;
    struct hold hold, back;
    uint8_t key_octets[HOLD_KEY_BYTES];
    seeded_random_init(&random, seed);
    arena_init(&arena, 1 << 20);
    do {
        random_hold(&random, &hold);
    } while (hold.holder[0] == '\0');
    struct octets key = key_of(&hold, key_octets);
    assert_int_equal(hold_row_encode(&hold, &arena, &row), ERR_NONE);
    assert_null(memmem(row.data, row.size, hold.holder, strlen(hold.holder)));
    assert_null(memmem(row.data, row.size, hold.request_reference, strlen(hold.request_reference)));
    assert_null(memmem(row.data, row.size, hold.agency_reference, strlen(hold.agency_reference)));
    assert_int_equal(hold_row_decode(&key, &row, &back), ERR_NONE);
    assert_string_equal(back.holder, "");
    assert_string_equal(back.request_reference, "");
    assert_true(back.token.epoch == hold.token.epoch && back.token.sequence == hold.token.sequence);
    assert_true(back.national_reference == hold.national_reference && back.vacancy_id == hold.vacancy_id);
    assert_int_equal(back.beds, hold.beds);
    assert_int_equal(back.state, hold.state);
    assert_true(back.made_at_ms == hold.made_at_ms && back.until_ms == hold.until_ms);
    assert_true(back.extended == hold.extended && back.ended_at_ms == hold.ended_at_ms);
    assert_memory_equal(back.holder_hash, hold.holder_hash, DIGEST_BYTES);
    assert_memory_equal(back.request_hash, hold.request_hash, DIGEST_BYTES);
    key.size--;
    assert_int_equal(hold_row_decode(&key, &row, &back), ERR_STORE_DAMAGED);
    arena_finish(&arena);
}

static void test_damage_is_refused_or_read(void **state)
{
    (void)state;
    struct seeded_random random;
    struct arena arena;
    seeded_random_init(&random, seed + 1);
    arena_init(&arena, 1 << 20);
    for (int i = 0; i < 20000; i++) {
        struct hold hold;
        struct octets row, octets, view;
        uint8_t key_octets[HOLD_KEY_BYTES];
        random_hold(&random, &hold);
        struct octets key = key_of(&hold, key_octets);
        (void)hold_row_encode(&hold, &arena, &row);
        (void)home_hold_encode(&hold, &row, &arena, &octets);
        if (i % 2)
            octets = row;
        uint8_t *copy = malloc(octets.size);
        memcpy(copy, octets.data, octets.size);
        for (uint64_t flips = 1 + seeded_random_below(&random, 6); flips > 0; flips--)
            copy[seeded_random_below(&random, octets.size)] ^= (uint8_t)(1 << seeded_random_below(&random, 8));
        octets = (struct octets){copy, octets.size - (i % 5 == 0 ? seeded_random_below(&random, octets.size) : 0)};
        enum err err = i % 2 ? hold_row_decode(&key, &octets, &hold) : home_hold_decode(&key, &octets, &hold, &view);
        assert_true(err == ERR_NONE || err == ERR_STORE_DAMAGED);
        if (err == ERR_NONE && i % 2 == 0)
            assert_true(hold.state > HOLD_NONE && hold.state < HOLD_STATE_END);
        free(copy);
        arena_reset(&arena);
    }
    arena_finish(&arena);
}

static void test_token_in_text(void **state)
{
    (void)state;
    static const uint64_t numbers[] = {1, 9, 10, 4711, UINT64_MAX - 1, UINT64_MAX};
    char text[HOLD_ID_BYTES], region[GSS_BYTES];
    struct hold_token back;
    for (size_t e = 0; e < 6; e++)
        for (size_t s = 0; s < 6; s++) {
            const struct hold_token token = {numbers[e], numbers[s]};
            hold_id_format("E12000003", &token, text);
            assert_true(hold_id_parse(text, region, &back));
            assert_string_equal(region, "E12000003");
            assert_true(back.epoch == token.epoch && back.sequence == token.sequence);
        }
    hold_id_format("E12000003", &(struct hold_token){1, 4711}, text);
    assert_string_equal(text, "E12000003-1-4711");
    static const char *const wrong[] = {"",
                                        "E12000003",
                                        "E12000003-1",
                                        "E12000003-1-",
                                        "E12000003--1",
                                        "E12000003-0-1",
                                        "E12000003-1-0",
                                        "E12000003-01-1",
                                        "E12000003-1-+1",
                                        "E12000003-1-1 ",
                                        " E12000003-1-1",
                                        "E12000003-1-1-1",
                                        "E1200003-1-1",
                                        "e12000003-1-1",
                                        "E120000031-1-1",
                                        "E12000003-18446744073709551616-1",
                                        "E12000003-1-99999999999999999999"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        assert_false(hold_id_parse(wrong[i], region, &back));
    uint8_t key[HOLD_KEY_BYTES], later[HOLD_KEY_BYTES];
    hold_key(&(struct hold_token){1, 255}, key);
    hold_key(&(struct hold_token){1, 256}, later);
    assert_true(memcmp(key, later, sizeof key) < 0);
    assert_true(hold_key_read(&(struct octets){later, sizeof later}, &back) && back.sequence == 256);
    assert_false(hold_key_read(&(struct octets){later, 15}, &back));
}

static void test_hashes_name_the_vacancy(void **state)
{
    (void)state;
    static const char team[] = "spiffe://vacancy.example/team/leeds", other[] = "spiffe://vacancy.example/team/leedt";
    uint8_t one[REQUEST_ID_BYTES] = {1}, two[REQUEST_ID_BYTES] = {2}, hash[7][DIGEST_BYTES], same[DIGEST_BYTES];
    hold_hash(secret, "holder", 5, NULL, team, hash[0]);
    hold_hash(secret, "holder", 6, NULL, team, hash[1]);
    hold_hash(secret, "holder", 5, NULL, other, hash[2]);
    hold_hash(secret, "request", 5, one, team, hash[3]);
    hold_hash(secret, "request", 5, two, team, hash[4]);
    hold_hash(secret, "request", 5, one, other, hash[5]);
    hold_hash((const uint8_t *)"another region's secret, 32 long", "holder", 5, NULL, team, hash[6]);
    for (int i = 0; i < 7; i++)
        for (int j = 0; j < i; j++)
            assert_memory_not_equal(hash[i], hash[j], DIGEST_BYTES);
    hold_hash(secret, "request", 5, one, team, same);
    assert_memory_equal(same, hash[3], DIGEST_BYTES);
}

int main(void)
{
    const char *text = getenv("SEED");
    seed = text ? strtoull(text, NULL, 10) : 20261122;
    printf("SEED=%llu\n", (unsigned long long)seed);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_holds_read_back),           cmocka_unit_test(test_row_has_what_is_shared_and_no_more),
        cmocka_unit_test(test_damage_is_refused_or_read), cmocka_unit_test(test_token_in_text),
        cmocka_unit_test(test_hashes_name_the_vacancy),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
