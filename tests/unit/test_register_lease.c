/* tier: check */
/*
 * test_register_lease.c - the clock on which holds run out: over steps of the wall clock, restarts and reboots.
 * Shows: C1 (a wall clock that jumps), C2 (one that went back before the start), C4 (stopped for long), C5 (a restart
 * in the middle of a lease), C6 (a wall clock that is too fast or too slow); design section 9 (Time).
 */
#include "tests/unit/register_world.h"

#include "daemon/register/home_parts.h"

#define HOUR_MS (3600LL * 1000)
#define DAY_MS  (24 * HOUR_MS)

static struct world world;

static int open_world(void **state)
{
    (void)state;
    world_init(&world, 20261201, false);
    world_open(&world);
    return 0;
}

static int close_world(void **state)
{
    (void)state;
    world_finish(&world);
    return 0;
}

static void commit(void)
{
    assert_int_equal(world_apply(&world, world_put_agency(&world, "leeds-fostering")).problem.code, ERR_NONE);
}

static void heartbeat(void)
{
    (void)home_heartbeat(world.home, NULL);
}

static void restart(void)
{
    world_close(&world);
    world_open(&world);
}

static void reboot(int64_t wall_passed_ms)
{
    world_close(&world);
    world_reboot(&world);
    world.wall_ms += wall_passed_ms;
    world_open(&world);
}

/* C1, C6 */
static void test_it_goes_with_the_boot_clock(void **state)
{
    (void)state;
    static const int64_t steps[] = {HOUR_MS, -HOUR_MS, 366 * DAY_MS, -30 * DAY_MS};
    int64_t begun_ms = home_lease_ms(world.home), passed_ms = 0;
    assert_int_equal(begun_ms, 0);
    for (size_t i = 0; i < 4; i++) {
        world.wall_ms += steps[i];
        assert_int_equal(home_lease_ms(world.home), passed_ms);
        heartbeat();
        commit();
        world.boot_ms += 5000;
        world.wall_ms += i % 2 ? 50000 : 500;
        passed_ms += 5000;
        assert_int_equal(home_lease_ms(world.home), passed_ms);
    }
}

/* C4: both clocks went on while the process stood. */
static void test_stopped_for_long(void **state)
{
    (void)state;
    commit();
    world_pass(&world, 9 * HOUR_MS);
    assert_int_equal(home_lease_ms(world.home), 9 * HOUR_MS);
}

/* C5, C2: exact, also where the wall clock was set back while the hub was down. */
static void test_a_restart_in_the_same_boot(void **state)
{
    (void)state;
    world_pass(&world, 1000);
    commit();
    world_pass(&world, 700); /* after the last commit */
    restart();
    assert_int_equal(home_lease_ms(world.home), 1700);
    world_close(&world);
    world_pass(&world, HOUR_MS);
    world.wall_ms -= 30 * DAY_MS;
    world_open(&world);
    assert_int_equal(home_lease_ms(world.home), HOUR_MS + 1700);
    commit();
    restart();
    assert_int_equal(home_lease_ms(world.home), HOUR_MS + 1700);
}

static void test_a_reboot(void **state)
{
    (void)state;
    world_pass(&world, 10000);
    commit();
    reboot(90000);
    assert_int_equal(home_lease_ms(world.home), 100000);
    world_pass(&world, 5);
    assert_int_equal(home_lease_ms(world.home), 100005);
    restart(); /* before anything was committed in this boot */
    assert_int_equal(home_lease_ms(world.home), 100005);
    heartbeat(); /* keeps it, though no clock was stepped */
    world.wall_ms += DAY_MS;
    restart();
    assert_int_equal(home_lease_ms(world.home), 100005);
}

/* C2 */
static void test_a_reboot_with_the_clock_set_back(void **state)
{
    (void)state;
    world_pass(&world, 10000);
    commit();
    reboot(-30 * DAY_MS);
    assert_int_equal(home_lease_ms(world.home), 10000);
    world_pass(&world, 1);
    assert_int_equal(home_lease_ms(world.home), 10001);
}

/* A step before the reboot is no time that went by. */
static void test_a_step_and_then_a_reboot(void **state)
{
    (void)state;
    commit();
    world.wall_ms += DAY_MS;
    heartbeat();
    reboot(60000);
    assert_int_equal(home_lease_ms(world.home), 60000);
    commit();
    world.wall_ms -= DAY_MS;
    heartbeat();
    reboot(60000);
    assert_int_equal(home_lease_ms(world.home), 120000);
}

/* A heartbeat writes nothing while the clocks go together. */
static void test_kept_only_when_it_must_be(void **state)
{
    (void)state;
    commit();
    struct lease kept = world.home->position.lease;
    world_pass(&world, 5000);
    world.wall_ms += 900;
    heartbeat();
    assert_int_equal(world.home->position.lease.boot_ms, kept.boot_ms);
    world.wall_ms += 200;
    heartbeat();
    assert_int_equal(world.home->position.lease.boot_ms, kept.boot_ms + 5000);
}

/* Restored onto another machine, or within a time namespace: the boot clock is behind under the same id. */
static void test_a_boot_clock_that_is_behind(void **state)
{
    (void)state;
    world_pass(&world, 10000);
    commit();
    world_close(&world);
    world.boot_ms = 3;
    world.wall_ms += 4000;
    world_open(&world);
    assert_int_equal(home_lease_ms(world.home), 14000);
}

int main(void)
{
#define WITH_WORLD(test) cmocka_unit_test_setup_teardown(test, open_world, close_world)
    const struct CMUnitTest tests[] = {
        WITH_WORLD(test_it_goes_with_the_boot_clock),      WITH_WORLD(test_stopped_for_long),
        WITH_WORLD(test_a_restart_in_the_same_boot),       WITH_WORLD(test_a_reboot),
        WITH_WORLD(test_a_reboot_with_the_clock_set_back), WITH_WORLD(test_a_step_and_then_a_reboot),
        WITH_WORLD(test_kept_only_when_it_must_be),        WITH_WORLD(test_a_boot_clock_that_is_behind),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
