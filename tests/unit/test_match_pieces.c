/* tier: check */
/*
 * The tree's memory: pieces of several sizes at random, each line-aligned and its owner's alone, given back and taken
 * again; what is given back goes to the system, chunk by chunk.
 */
#include "daemon/base/randomness.h"
#include "daemon/match/match_pieces.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define SEED   20261122
#define PIECES 600
#define STEPS  60000

static const size_t sizes[] = {2000, 14000, 24000};

static struct {
    uint8_t *piece;
    size_t bytes;
    uint8_t mark;
} pieces_of[PIECES];

static void write_marks(size_t at)
{
    memset(pieces_of[at].piece, pieces_of[at].mark, pieces_of[at].bytes);
}

static bool has_marks(size_t at)
{
    const uint8_t *piece = pieces_of[at].piece;
    return piece[0] == pieces_of[at].mark && memcmp(piece, piece + 1, pieces_of[at].bytes - 1) == 0;
}

static void each_is_its_owners_alone(void **state)
{
    (void)state;
    struct seeded_random random;
    struct pieces *pieces = pieces_create();
    seeded_random_init(&random, SEED);
    print_message("seed %d\n", SEED);
    for (uint32_t step = 0; step < STEPS; step++) {
        /* Grows, shrinks to nothing, and grows again. */
        bool grows = step / (STEPS / 4) % 2 == 0;
        size_t at = (size_t)seeded_random_below(&random, PIECES);
        if (pieces_of[at].piece == NULL && (grows || seeded_random_below(&random, 8) == 0)) {
            pieces_of[at].bytes = sizes[seeded_random_below(&random, sizeof sizes / sizeof sizes[0])];
            pieces_of[at].piece = pieces_get(pieces, pieces_of[at].bytes);
            pieces_of[at].mark = (uint8_t)step;
            assert_int_equal((uintptr_t)pieces_of[at].piece % 64, 0);
            write_marks(at);
        } else if (pieces_of[at].piece != NULL && (!grows || seeded_random_below(&random, 8) == 0)) {
            assert_true(has_marks(at));
            pieces_put(pieces, pieces_of[at].piece);
            pieces_of[at].piece = NULL;
        }
    }
    for (size_t at = 0; at < PIECES; at++)
        if (pieces_of[at].piece != NULL) {
            assert_true(has_marks(at));
            pieces_put(pieces, pieces_of[at].piece);
            pieces_of[at].piece = NULL;
        }
    pieces_destroy(pieces);
}

static size_t mapped_kib(void)
{
    size_t pages = 0;
    FILE *file = fopen("/proc/self/statm", "re");
    assert_non_null(file);
    assert_int_equal(fscanf(file, "%zu", &pages), 1);
    fclose(file);
    return pages * 4;
}

static void what_is_given_back_goes_to_the_system(void **state)
{
    (void)state;
    static void *many[4000];
    struct pieces *pieces = pieces_create();
    size_t before = mapped_kib();
    for (size_t i = 0; i < 4000; i++)
        many[i] = pieces_get(pieces, 24000);
    size_t most = mapped_kib();
    for (size_t i = 0; i < 4000; i++)
        pieces_put(pieces, many[i]);
    size_t after = mapped_kib();
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
    assert_true(most - before > 80 * 1024);
    assert_true(after < before + 4 * 1024);
#else
    (void)before, (void)most, (void)after; /* their own memory is mapped beside it */
#endif
    pieces_destroy(pieces);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_is_its_owners_alone),
        cmocka_unit_test(what_is_given_back_goes_to_the_system),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
