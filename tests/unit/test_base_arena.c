/* tier: check */
/* The arena: memory counted before it is given (design.md 4.10). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "daemon/base/arena.h"
#include "daemon/base/randomness.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void the_limit_is_exact(void **state)
{
    (void)state;
    struct arena arena;
    arena_init(&arena, 1024);
    assert_non_null(arena_alloc(&arena, 1000)); /* counts 1008 */
    assert_null(arena_alloc(&arena, 17));
    assert_non_null(arena_alloc(&arena, 16));
    assert_int_equal(arena.used_bytes, 1024);
    assert_null(arena_alloc(&arena, 0));
    assert_null(arena_alloc(&arena, 1));
    arena_finish(&arena);
    assert_non_null(arena_alloc(&arena, 1024));
    arena_finish(&arena);

    arena_init(&arena, 0);
    assert_null(arena_alloc(&arena, 0));
    arena_finish(&arena);
}

static void huge_sizes_are_refused(void **state)
{
    (void)state;
    struct arena arena;
    arena_init(&arena, SIZE_MAX);
    assert_null(arena_alloc(&arena, SIZE_MAX));
    assert_null(arena_alloc(&arena, SIZE_MAX - 15));
    assert_null(arena_copy_text(&arena, "", SIZE_MAX));
    arena_finish(&arena);
}

static void pieces_are_aligned_apart_and_within_the_limit(void **state)
{
    (void)state;
    enum { LIMIT = 1 << 20, MOST = 20000 };
    const char *seed_text = getenv("SEED");
    uint64_t seed = seed_text ? strtoull(seed_text, NULL, 10) : 1;
    print_message("SEED=%llu\n", (unsigned long long)seed);
    struct seeded_random random;
    seeded_random_init(&random, seed);
    static struct {
        uint8_t *at;
        size_t bytes;
    } pieces[MOST];
    struct arena arena;
    arena_init(&arena, LIMIT);
    for (int round = 0; round < 3; round++) {
        size_t count = 0, sum = 0;
        while (count < MOST) {
            size_t bytes = seeded_random_below(&random, 100) ? seeded_random_below(&random, 200)
                                                             : seeded_random_below(&random, 100000);
            uint8_t *at = arena_alloc(&arena, bytes);
            if (at == NULL)
                break;
            assert_int_equal((uintptr_t)at % 16, 0);
            memset(at, (int)(count & 0xff), bytes);
            pieces[count].at = at;
            pieces[count++].bytes = bytes;
            sum += bytes;
        }
        assert_true(sum <= LIMIT && arena.used_bytes <= LIMIT);
        for (size_t i = 0; i < count; i++)
            for (size_t j = 0; j < pieces[i].bytes; j++)
                if (pieces[i].at[j] != (uint8_t)i)
                    fail_msg("piece %zu was overwritten", i);
        arena_reset(&arena);
        assert_int_equal(arena.used_bytes, 0);
    }
    arena_finish(&arena);
}

static void reset_keeps_an_ordinary_block_only(void **state)
{
    (void)state;
    struct arena arena;
    arena_init(&arena, 1 << 20);
    void *first = arena_alloc(&arena, 64);
    assert_non_null(arena_alloc(&arena, 100000));
    arena_reset(&arena);
    assert_ptr_equal(arena_alloc(&arena, 64), first);
    arena_finish(&arena);
    assert_non_null(arena_alloc(&arena, 500000));
    arena_reset(&arena);
    assert_null(arena.blocks);
    arena_finish(&arena);
    arena_finish(&arena);
}

static void texts_are_copied_and_formatted(void **state)
{
    (void)state;
    struct arena arena;
    arena_init(&arena, 256);
    assert_string_equal(arena_copy_text(&arena, "Leeds City", 5), "Leeds");
    assert_string_equal(arena_copy_text(&arena, NULL, 0), "");
    assert_string_equal(arena_printf(&arena, "children[%d].%s", 1, "age_months"), "children[1].age_months");
    uint8_t *zeros = arena_zalloc(&arena, 48);
    for (int i = 0; i < 48; i++)
        assert_int_equal(zeros[i], 0);
    assert_null(arena_printf(&arena, "%300d", 1));
    assert_null(arena_zalloc(&arena, 300));
    arena_finish(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_limit_is_exact),
        cmocka_unit_test(huge_sizes_are_refused),
        cmocka_unit_test(pieces_are_aligned_apart_and_within_the_limit),
        cmocka_unit_test(reset_keeps_an_ordinary_block_only),
        cmocka_unit_test(texts_are_copied_and_formatted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
