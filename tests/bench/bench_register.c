/*
 * bench_register.c - home_apply on LMDB beside raw LMDB, in batches of 64 on one disk in one run.
 * Raw: one random-key record of the same size per update, full sync. Usage: bench_register [carers] [batches]; the data
 * goes to a new folder under TMPDIR. Prints updates a second and the ratio; asserts nothing.
 */
#include "tests/unit/register_world.h"

#include <lmdb.h>
#include <time.h>

#define AGENCY "leeds-fostering"
#define BATCH  64

static double now_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static double bench_raw(const char *folder, struct seeded_random *random, uint32_t records, int batches)
{
    MDB_env *env;
    MDB_txn *txn;
    MDB_dbi dbi;
    uint8_t value[700] = {1};
    mkdir(folder, 0700);
    mdb_env_create(&env);
    mdb_env_set_mapsize(env, 1 << 30);
    if (mdb_env_open(env, folder, MDB_NOTLS, 0600) != 0)
        return 0;
    double start = 0;
    for (int b = -(int)(records / 1024 + 1); b < batches; b++) {
        start = b == 0 ? now_s() : start;
        mdb_txn_begin(env, NULL, 0, &txn);
        mdb_dbi_open(txn, NULL, 0, &dbi);
        for (int i = 0; i < (b < 0 ? 1024 : BATCH); i++) {
            /* Keys spread as random references do. */
            uint64_t key = (b < 0 ? (uint64_t)(b + (int)(records / 1024 + 1)) * 1024 + (uint64_t)i
                                  : seeded_random_below(random, records)) *
                           0x9e3779b97f4a7c15u;
            MDB_val k = {8, &key}, v = {sizeof value, value};
            mdb_put(txn, dbi, &k, &v, 0);
        }
        mdb_txn_commit(txn);
    }
    double taken = now_s() - start;
    mdb_env_close(env);
    return batches * BATCH / taken;
}

static void apply(struct world *world, struct update **updates, int count)
{
    home_apply(world->home, updates, (size_t)count);
    for (int i = 0; i < count; i++) {
        if (updates[i]->result.problem.code != ERR_NONE)
            fprintf(stderr, "%s\n", updates[i]->result.problem.text);
        update_destroy(updates[i]);
    }
}

static void fill(struct world *world, uint32_t carers)
{
    struct update *updates[2 * BATCH];
    for (uint32_t done = 0; done < carers; done += BATCH) {
        for (uint32_t i = 0; i < BATCH; i++) {
            char reference[16];
            snprintf(reference, sizeof reference, "H-%u", done + i);
            updates[i] = world_put_carer(world, AGENCY, reference);
            updates[BATCH + i] = world_put_vacancy(world, AGENCY, reference);
        }
        apply(world, updates, 2 * BATCH);
    }
}

static double bench_home(struct world *world, uint32_t carers, int batches, double *cpu_s)
{
    double taken = 0;
    clock_t cpu = 0;
    for (int b = 0; b < batches; b++) {
        struct update *updates[BATCH];
        world->wall_ms += 1000;
        for (int i = 0; i < BATCH; i++) {
            char reference[16];
            snprintf(reference, sizeof reference, "H-%u", random_up_to(&world->random, carers - 1));
            updates[i] = world_put_vacancy(world, AGENCY, reference);
            updates[i]->observed_at_ms += i;
            world_request_id(world, updates[i], world->wall_ms);
        }
        double start = now_s();
        clock_t cpu_start = clock();
        home_apply(world->home, updates, BATCH);
        taken += now_s() - start;
        cpu += clock() - cpu_start;
        for (int i = 0; i < BATCH; i++)
            update_destroy(updates[i]);
    }
    *cpu_s = (double)cpu / CLOCKS_PER_SEC;
    return batches * BATCH / taken;
}

int main(int argc, char **argv)
{
    uint32_t carers = argc > 1 ? (uint32_t)atoi(argv[1]) : 20000;
    int batches = argc > 2 ? atoi(argv[2]) : 300;
    static struct world world;
    char raw[128];
    double cpu_s;
    world_init(&world, 1, true);
    struct problem problem = {0};
    const struct store_lmdb_options disk = {
        .folder = world.folder, .map_bytes = 4ULL << 30, .limit_bytes = 3ULL << 30, .reserve_bytes = 16 << 20};
    struct home_options options = world_options(&world);
    options.randomness = random_system();
    if (store_lmdb_open(&disk, &world.store, &problem) != ERR_NONE ||
        home_open(&options, world.store, &world.home, &problem) != ERR_NONE) {
        fprintf(stderr, "%s\n", problem.text);
        return 1;
    }
    struct update *agency = world_put_agency(&world, AGENCY);
    apply(&world, &agency, 1);
    fill(&world, carers);
    snprintf(raw, sizeof raw, "%s/raw", world.folder);
    double raw_rate = bench_raw(raw, &world.random, carers, batches);
    double home_rate = bench_home(&world, carers, batches, &cpu_s);
    printf("raw LMDB, one random record: %.0f updates/s\nhome_apply: %.0f updates/s, %.1f us CPU each\nratio %.2f\n",
           raw_rate, home_rate, cpu_s * 1e6 / (batches * BATCH), home_rate / raw_rate);
    world_finish(&world);
    return 0;
}
