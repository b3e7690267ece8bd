/* tier: check */
/*
 * Two writers publish, home's and the replica's, three readers search (design 8: searches never block, a version is
 * seen whole). Every commit moves all offers of a pair together, the replica's in two parts, so that a search which saw
 * half of a commit would find a pair apart. TSan and ASan see the rest: a piece freed while somebody reads it.
 */
#include "tests/unit/match_fixture.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>

#include <cmocka.h>

#define READERS 3
#define PAIRS   20 /* of each region */
#define OPTIONS (4 * PAIRS)
#define COMMITS 3000

struct shared {
    struct match *match;
    _Atomic bool done;
    _Atomic uint64_t searches, torn, failed;
};

/* A region's pairs, and who writes them. */
struct writer {
    struct shared *shared;
    const char *region;
    uint64_t first_id, sequence;
    uint32_t random;
    bool in_parts;
};

static void begin(struct fixture_batch *batch, const struct writer *writer)
{
    fixture_begin(batch);
    batch->commit.region = writer->region;
}

/* Both of a pair have the same distance from the asked point in every version. */
static void commit_pair(struct writer *writer, uint32_t pair, uint32_t gap)
{
    struct match *match = writer->shared->match;
    struct fixture_batch batch;
    struct offer offer;
    begin(&batch, writer);
    fixture_offer(&offer, writer->first_id + 2 * pair, 420000 + gap, 430000);
    fixture_put(&batch, 2 * pair + 2, &offer);
    writer->sequence++;
    if (writer->in_parts) {
        batch.commit.more = true;
        fixture_commit(&batch, match, writer->sequence);
        begin(&batch, writer);
    }
    fixture_offer(&offer, writer->first_id + 2 * pair + 1, 420000 - gap, 430000);
    fixture_put(&batch, 2 * pair + 3, &offer);
    fixture_commit(&batch, match, writer->sequence);
}

static void write_first(struct writer *writer)
{
    struct fixture_batch batch;
    begin(&batch, writer);
    fixture_agency(&batch, "leeds", true);
    fixture_commit(&batch, writer->shared->match, ++writer->sequence);
    for (uint32_t pair = 0; pair < PAIRS; pair++)
        commit_pair(writer, pair, 1000 * pair);
}

/* Until every reader has had its turn as well. */
static void *write_on(void *argument)
{
    struct writer *writer = argument;
    struct shared *shared = writer->shared;
    for (uint32_t i = 0; i < COMMITS || (atomic_load(&shared->searches) < 10 * READERS && i < 1000 * COMMITS); i++) {
        writer->random = writer->random * 1664525 + 1013904223;
        commit_pair(writer, writer->random / 65536 % PAIRS, writer->random / 256 % 60000);
    }
    return NULL;
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
        criteria.limit = OPTIONS;
        budget = budget % 50 + 7;
        do {
            if (match_find(shared->match, &criteria, budget, &arena, &answer, &search) != ERR_NONE)
                atomic_fetch_add(&shared->failed, 1);
        } while (search);
        if (answer.option_count != OPTIONS || answer.position_count != 2)
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
    struct writer home = {.shared = &shared, .region = FIXTURE_REGION, .first_id = 2, .random = 12345};
    struct writer replica = {
        .shared = &shared, .region = "E12000009", .first_id = 1002, .random = 54321, .in_parts = true};
    pthread_t readers[READERS], other;
    uint64_t offers, bytes;
    write_first(&home);
    write_first(&replica);
    for (int i = 0; i < READERS; i++)
        assert_int_equal(pthread_create(&readers[i], NULL, read_on, &shared), 0);
    assert_int_equal(pthread_create(&other, NULL, write_on, &replica), 0);
    write_on(&home);
    pthread_join(other, NULL);
    atomic_store(&shared.done, true);
    for (int i = 0; i < READERS; i++)
        pthread_join(readers[i], NULL);
    assert_int_equal(shared.failed, 0);
    assert_int_equal(shared.torn, 0);
    assert_true(shared.searches >= 10 * READERS);
    match_stats(shared.match, &offers, &bytes);
    assert_int_equal(offers, 4 * PAIRS);
    match_destroy(shared.match);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_searches_see_whole_versions)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
