/*
 * both_stores.h - each test of a file on the store in memory and on the one on disk. Thread: one.
 */
#ifndef VACANCY_TESTS_BOTH_STORES_H
#define VACANCY_TESTS_BOTH_STORES_H

#include "tests/unit/register_world.h"

static uint64_t seed; /* main's */

/* The file's: what is in the register when a test begins. 0 when it stands. */
static int furnish(struct world *world);

static int begin(void **state, bool on_disk)
{
    static struct world world;
    world_init(&world, seed, on_disk);
    world_open(&world);
    *state = &world;
    return furnish(&world);
}

static int on_memory(void **state)
{
    return begin(state, false);
}

static int on_disk(void **state)
{
    return begin(state, true);
}

static int done(void **state)
{
    world_finish(*state);
    return 0;
}

#define BOTH(test)                                                                                                     \
    cmocka_unit_test_setup_teardown(test, on_memory, done), cmocka_unit_test_setup_teardown(test, on_disk, done)

#endif
