/* tier: check */
/*
 * test_register_crash.c - a scripted day on the store in memory, with the n-th store call crashing, or the disk full
 * from the n-th on, for n = 1, 2, 3, ... until nothing happens any more. After each: what was acknowledged is found,
 * what was not may be there only whole, the chains verify, and observers know what a rescan finds. In the day a carer
 * is erased and the horizon passes it. Shows D1 to D3, D5 in the small.
 */
#include "tests/unit/register_world.h"

#define AGENCY     "leeds-fostering"
#define REFERENCES 4
#define BATCHES    14
#define BATCH      4

static uint64_t seed;

/* What the last acknowledged update of a carer left, and whether a later one's fate is unknown. */
struct known {
    bool exists, in_doubt;
    struct update_result last;
    enum update_kind kind;
};

struct day {
    struct world world;
    struct known known[REFERENCES];
    bool agency_known, agency_in_doubt;
    int acknowledged, refused;
};

static void reference_of(int index, char out[16])
{
    snprintf(out, 16, "H-%d", index);
}

/* The script: the same updates in the same order, whatever fails. */
static struct update *scripted(struct world *world, int step, int *reference)
{
    char text[16];
    *reference = (step * 7 + step / 5) % REFERENCES;
    reference_of(*reference, text);
    world->wall_ms += 1000;
    switch (step % 7) {
    case 0:
    case 3:
        return world_put_carer(world, AGENCY, text);
    case 5:
        return world_update(world, step % 2 ? UPDATE_WITHDRAW : UPDATE_END_CARER, AGENCY, text);
    default:
        return world_put_vacancy(world, AGENCY, text);
    }
}

static void note(struct day *day, const struct update *update, int reference)
{
    struct known *known = &day->known[reference];
    enum err code = update->result.problem.code;
    day->acknowledged += code == ERR_NONE;
    day->refused += code != ERR_NONE;
    if (code == ERR_NONE)
        *known = (struct known){.exists = true, .last = update->result, .kind = update->kind};
    else if (code == ERR_STORE_IO)
        known->in_doubt = true;
}

static void run_batch(struct day *day, int batch)
{
    struct update *updates[BATCH];
    int references[BATCH];
    for (int i = 0; i < BATCH; i++)
        updates[i] = scripted(&day->world, batch * BATCH + i, &references[i]);
    home_apply(day->world.home, updates, BATCH);
    for (int i = 0; i < BATCH; i++) {
        note(day, updates[i], references[i]);
        update_destroy(updates[i]);
    }
}

static void assert_acknowledged_found(struct day *day)
{
    for (int i = 0; i < REFERENCES; i++) {
        const struct known *known = &day->known[i];
        char reference[16];
        struct home_carer home;
        reference_of(i, reference);
        enum err err = home_get_carer(day->world.home, AGENCY, reference, &home);
        if (known->in_doubt) {
            assert_true(err == ERR_NONE || (err == ERR_NOT_FOUND && !known->exists));
            continue;
        }
        assert_int_equal(err, known->exists ? ERR_NONE : ERR_NOT_FOUND);
        if (!known->exists)
            continue;
        assert_true(home.national_reference == known->last.national_reference);
        if (known->kind == UPDATE_PUT_VACANCY || known->kind == UPDATE_PUT_CARER) {
            assert_true(home.vacancy.vacancy_id == known->last.vacancy_id);
            assert_int_equal(home.vacancy.valid_until_ms, known->last.valid_until_ms);
        } else {
            assert_true(home.vacancy.vacancy_id == 0);
        }
        uint64_t epoch, sequence;
        home_position(day->world.home, &epoch, &sequence);
        assert_true(known->last.sequence <= sequence);
    }
}

/* A carer that is registered and erased within the day, and the horizon that passes it. */
static void register_to_erase(struct day *day)
{
    (void)world_apply(&day->world, world_put_carer(&day->world, AGENCY, "E-1"));
    (void)world_apply(&day->world, world_put_vacancy(&day->world, AGENCY, "E-1"));
}

static void erase_and_pass(struct day *day)
{
    int64_t next_ms;
    (void)world_apply(&day->world, world_update(&day->world, UPDATE_ERASE_CARER, AGENCY, "E-1"));
    day->world.boot_ms += 2 * HEARTBEAT_MS;
    for (int turn = 0; turn < 3; turn++)
        (void)home_heartbeat(day->world.home, &next_ms);
}

static void day_run(struct day *day)
{
    struct update_result agency = world_apply(&day->world, world_put_agency(&day->world, AGENCY));
    day->agency_known = agency.problem.code == ERR_NONE;
    for (int batch = 0; batch < BATCHES; batch++) {
        run_batch(day, batch);
        if (batch % 4 == 1)
            register_to_erase(day);
        if (batch % 4 == 2)
            erase_and_pass(day);
        if (batch % 4 == 3) {
            day->world.wall_ms += VACANCY_TTL_DEFAULT_MS / 2;
            home_lapse(day->world.home, 10, NULL);
            /* A lapse that was refused or not leaves times as they were. */
        }
    }
}

/* One crash at the n-th call from the opening on. False when the day ended before it. */
static bool crash_at(int64_t n, bool after_commit, bool keep_unsynced)
{
    static struct day day;
    memset(&day, 0, sizeof day);
    world_init(&day.world, seed, false);
    store_memory_set_plan(day.world.store, &(struct store_memory_plan){.calls_until_crash = n,
                                                                       .calls_until_full = -1,
                                                                       .crash_after_commit = after_commit});
    struct problem problem = {0};
    bool opened = world_try_open(&day.world, &problem) == ERR_NONE;
    if (opened)
        day_run(&day);
    bool crashed = !opened || !home_writable(day.world.home);
    world_close(&day.world);
    store_memory_crash(day.world.store, keep_unsynced);
    store_memory_set_plan(day.world.store,
                          &(struct store_memory_plan){.calls_until_crash = -1, .calls_until_full = -1});
    world_open(&day.world);
    assert_acknowledged_found(&day);
    assert_register_true(&day.world);
    /* And it goes on. */
    struct update_result result = world_apply(&day.world, world_put_agency(&day.world, "another"));
    assert_int_equal(result.problem.code, ERR_NONE);
    assert_register_true(&day.world);
    world_finish(&day.world);
    return crashed;
}

static void sweep_crashes(bool after_commit)
{
    const char *scale = getenv("CHECK_SCALE");
    int64_t step = scale && atof(scale) < 1 ? 7 : 1, n = 1;
    for (int missed = 0; missed < 1; n += step)
        missed += !crash_at(n, after_commit, n % 2);
    print_message("%lld crash points\n", (long long)n);
    assert_true(n > 300);
}

static void test_crash_between_any_two_calls(void **state)
{
    (void)state;
    sweep_crashes(false);
}

/* The commit is durable, but the answer is never given: in doubt, and whole. */
static void test_crash_after_any_commit(void **state)
{
    (void)state;
    sweep_crashes(true);
}

/* D3: full from the n-th put on: refused whole with STORE_FULL, reads go on, and with room writes do again. */
static void test_full_at_any_put(void **state)
{
    (void)state;
    static struct day day;
    bool refused_any = true;
    int64_t n = 0;
    for (; refused_any; n += 3) {
        memset(&day, 0, sizeof day);
        world_init(&day.world, seed, false);
        world_open(&day.world);
        store_memory_set_plan(day.world.store,
                              &(struct store_memory_plan){.calls_until_crash = -1, .calls_until_full = n});
        day_run(&day);
        refused_any = false;
        struct update_result full = world_apply(&day.world, world_put_agency(&day.world, "no-room"));
        refused_any = full.problem.code == ERR_STORE_FULL;
        assert_true(refused_any || full.problem.code == ERR_NONE);
        assert_acknowledged_found(&day);
        store_memory_set_plan(day.world.store,
                              &(struct store_memory_plan){.calls_until_crash = -1, .calls_until_full = -1});
        assert_register_true(&day.world);
        assert_int_equal(world_apply(&day.world, world_put_agency(&day.world, "room-again")).problem.code, ERR_NONE);
        assert_register_true(&day.world);
        assert_true(home_writable(day.world.home));
        world_close(&day.world);
        world_open(&day.world);
        assert_register_true(&day.world);
        world_finish(&day.world);
    }
    print_message("%lld full points\n", (long long)n);
    assert_true(n > 100);
}

/* D3, D7: at the limit, what makes room or keeps the register true still goes through, from the reserve. */
static void test_reserve_is_for_withdrawals(void **state)
{
    (void)state;
    struct world world;
    world_init(&world, seed, false);
    world_open(&world);
    assert_int_equal(world_apply(&world, world_put_agency(&world, AGENCY)).problem.code, ERR_NONE);
    for (int i = 0; i < 2; i++) {
        char reference[16];
        reference_of(i, reference);
        assert_int_equal(world_apply(&world, world_put_carer(&world, AGENCY, reference)).problem.code, ERR_NONE);
        assert_int_equal(world_apply(&world, world_put_vacancy(&world, AGENCY, reference)).problem.code, ERR_NONE);
    }
    struct home_counts counts;
    assert_int_equal(home_counts(world.home, &counts), ERR_NONE);
    store_memory_set_plan(world.store, &(struct store_memory_plan){.calls_until_crash = -1,
                                                                   .calls_until_full = -1,
                                                                   .limit_bytes = counts.usage.used_bytes + 65536,
                                                                   .reserve_bytes = 65536});
    world.wall_ms += 1000;
    struct update *batch[3] = {world_put_carer(&world, AGENCY, "H-5"),
                               world_update(&world, UPDATE_WITHDRAW, AGENCY, "H-0"),
                               world_update(&world, UPDATE_CONFIRM, AGENCY, NULL)};
    batch[2]->as.confirm.all = true;
    home_apply(world.home, batch, 3);
    assert_int_equal(batch[0]->result.problem.code, ERR_STORE_FULL);
    assert_int_equal(batch[1]->result.problem.code, ERR_NONE);
    assert_int_equal(batch[2]->result.problem.code, ERR_NONE);
    assert_int_equal(batch[2]->result.confirmed, 1);
    for (int i = 0; i < 3; i++)
        update_destroy(batch[i]);
    assert_register_true(&world);
    world_finish(&world);
}

int main(void)
{
    seed = seed_from_environment(7);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_crash_between_any_two_calls),
        cmocka_unit_test(test_crash_after_any_commit),
        cmocka_unit_test(test_full_at_any_put),
        cmocka_unit_test(test_reserve_is_for_withdrawals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
