/* tier: check */
/*
 * One writer publishes, three readers search (design 8: searches never block, a version is seen whole). Every commit
 * moves all offers of a pair together, so that a search which saw half of a commit would find a pair apart. TSan and
 * ASan see the rest: a piece freed while somebody reads it.
 */
#include "tests/unit/match_fixture.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>

#include <cmocka.h>

#define READERS 3
#define PAIRS   30
#define COMMITS 3000

struct shared {
    struct match *match;
    _Atomic bool done;
    _Atomic uint64_t searches, torn, failed;
};

/* Both of a pair have the same distance from the asked point in every version. */
static void commit_pair(struct match *match, uint32_t pair, uint32_t gap, uint64_t sequence)
{
    struct fixture_batch batch;
    struct offer offer;
    fixture_begin(&batch);
    fixture_offer(&offer, 2 * pair + 2, 420000 + gap, 430000);
    fixture_put(&batch, 2 * pair + 2, &offer);
    fixture_offer(&offer, 2 * pair + 3, 420000 - gap, 430000);
    fixture_put(&batch, 2 * pair + 3, &offer);
    fixture_commit(&batch, match, sequence);
}

static void *read_on(void *argument)
{
    struct shared *shared = argument;
    struct arena arena;
    arena_init(&arena, (size_t)2 << 20);
    uint32_t budget = 5;
    while (!atomic_load(&shared->done)) {
        struct criteria criteria;
        struct answer answer;
        struct match_search *search = NULL;
        fixture_criteria(&criteria, 420000, 430000);
        criteria.limit = 2 * PAIRS;
        budget = budget % 50 + 7;
        do {
            if (match_find(shared->match, &criteria, budget, &arena, &answer, &search) != ERR_NONE)
                atomic_fetch_add(&shared->failed, 1);
        } while (search);
        if (answer.option_count != 2 * PAIRS)
            atomic_fetch_add(&shared->torn, 1);
        for (uint32_t i = 0; i < answer.option_count; i++) {
            uint32_t other = answer.option_count;
            for (uint32_t j = 0; j < answer.option_count; j++)
                if (answer.options[j].offer.vacancy_id == (answer.options[i].offer.vacancy_id ^ 1))
                    other = j;
            if (other == answer.option_count ||
                answer.options[other].distance_metres != answer.options[i].distance_metres)
                atomic_fetch_add(&shared->torn, 1);
        }
        arena_reset(&arena);
        atomic_fetch_add(&shared->searches, 1);
    }
    arena_finish(&arena);
    return NULL;
}

static void test_searches_see_whole_versions(void **state)
{
    (void)state;
    struct shared shared = {.match = match_create(NULL, FIXTURE_REGION)};
    struct fixture_batch batch;
    pthread_t readers[READERS];
    uint64_t offers, bytes, sequence = 0;
    uint32_t random = 12345;
    fixture_begin(&batch);
    fixture_agency(&batch, "leeds", true);
    fixture_commit(&batch, shared.match, ++sequence);
    for (uint32_t pair = 0; pair < PAIRS; pair++)
        commit_pair(shared.match, pair, 1000 * pair, ++sequence);
    match_stats(shared.match, &offers, &bytes);
    for (int i = 0; i < READERS; i++)
        assert_int_equal(pthread_create(&readers[i], NULL, read_on, &shared), 0);
    /* Until every reader has had its turn as well. */
    for (uint32_t i = 0; i < COMMITS || (atomic_load(&shared.searches) < 10 * READERS && i < 1000 * COMMITS); i++) {
        random = random * 1664525 + 1013904223;
        commit_pair(shared.match, random / 65536 % PAIRS, random / 256 % 60000, ++sequence);
    }
    atomic_store(&shared.done, true);
    for (int i = 0; i < READERS; i++)
        pthread_join(readers[i], NULL);
    assert_int_equal(shared.failed, 0);
    assert_int_equal(shared.torn, 0);
    assert_true(shared.searches >= 10 * READERS);
    match_stats(shared.match, &offers, &bytes);
    assert_int_equal(offers, 2 * PAIRS);
    match_destroy(shared.match);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_searches_see_whole_versions)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
