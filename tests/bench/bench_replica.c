/*
 * bench_replica.c - a replica on LMDB that catches up with a region of 20,000 homes: entries a second by the size of
 * the home's commits, and what of it is verification. Output: one JSON object. Asserts nothing but that all is applied.
 *
 * The region is a home on a store in memory, so that what is applied is what a home writes. Timed: replica_apply, with
 * all its disk syncs; beside it, on the same works, the functions that verify: signature and chain, payloads, digest
 * (on one thread, as for small commits). The data goes to a new folder under TMPDIR. Thread: one, and the digest's.
 */
#include "daemon/base/log.h"
#include "daemon/register/replica_parts.h"
#include "daemon/register/replica_writer.h"
#include "tests/unit/replica_fixture.h"

#include <time.h>

#define AGENCY  "leeds-fostering"
#define CARERS  20000u
#define FILLING 128u
#define OURS    "E12000001"

static const struct {
    unsigned updates, commits;
} sizes[] = {{1, 2000}, {64, 300}, {256, 80}};

static double seconds(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void must(enum err err, const char *what)
{
    if (err == ERR_NONE)
        return;
    fprintf(stderr, "bench_replica: %s: %s\n", what, err_name(err));
    exit(1);
}

/* --- the region ----------------------------------------------------------------------------------------------------
 */

static void home_takes(struct world *world, struct update **updates, size_t count)
{
    home_apply(world->home, updates, count);
    for (size_t i = 0; i < count; i++) {
        must(updates[i]->result.problem.code, "an update");
        update_destroy(updates[i]);
    }
}

static void home_fill(struct world *world)
{
    struct update *updates[2 * FILLING], *agency = world_put_agency(world, AGENCY);
    home_takes(world, &agency, 1);
    for (unsigned done = 0; done < CARERS; done += FILLING) {
        unsigned count = CARERS - done < FILLING ? CARERS - done : FILLING;
        for (unsigned i = 0; i < count; i++) {
            char reference[16];
            snprintf(reference, sizeof reference, "H-%u", done + i);
            updates[i] = world_put_carer(world, AGENCY, reference);
            updates[count + i] = world_put_vacancy(world, AGENCY, reference);
        }
        home_takes(world, updates, (size_t)2 * count);
    }
}

static void home_commit(struct world *world, unsigned count)
{
    struct update *updates[APPLY_BATCH_MAX];
    world->wall_ms += 1000;
    for (unsigned i = 0; i < count; i++) {
        char reference[16];
        snprintf(reference, sizeof reference, "H-%u", random_up_to(&world->random, CARERS - 1));
        updates[i] = world_put_vacancy(world, AGENCY, reference);
        updates[i]->observed_at_ms += i;
        world_request_id(world, updates[i], world->wall_ms);
    }
    home_takes(world, updates, count);
}

/* --- what is given to the replica ------------------------------------------------------------------------------------
 */

struct gathering {
    struct replica_work *work;
    size_t capacity;
};

static void add_rows(struct gathering *into, const struct log_slice *slice, struct arena *from)
{
    struct replica_work *work = into->work;
    if (work->entry_count + slice->count > into->capacity) {
        into->capacity = 2 * (work->entry_count + slice->count);
        struct log_row *rows = arena_alloc(&work->arena, into->capacity * sizeof *rows);
        if (work->entry_count > 0)
            memcpy(rows, work->entries, work->entry_count * sizeof *rows);
        work->entries = rows;
    }
    for (size_t i = 0; i < slice->count; i++) {
        const struct octets *parts[] = {&slice->rows[i].header, &slice->rows[i].salt, &slice->rows[i].payload};
        struct octets copies[3];
        for (int part = 0; part < 3; part++) {
            uint8_t *copy = arena_alloc(&work->arena, parts[part]->size + 1);
            memcpy(copy, parts[part]->data, parts[part]->size);
            copies[part] = (struct octets){copy, parts[part]->size};
        }
        work->entries[work->entry_count++] = (struct log_row){copies[0], copies[1], copies[2]};
    }
    arena_reset(from);
}

/* The next commit of the home after the cursor; NULL: none. */
static struct replica_work *next_work(struct world *world, struct log_cursor *cursor, struct arena *arena)
{
    const struct log_reader reader = home_log_reader(world->home);
    struct gathering into = {.work = replica_work_create(WORK_BATCH, WORLD_REGION)};
    for (;;) {
        struct log_slice slice = {0};
        must(reader.entries(reader.ctx, WORLD_REGION, cursor, arena, &slice), "the home's log");
        if (slice.count == 0) {
            replica_work_destroy(into.work);
            return NULL;
        }
        const struct log_row *last = &slice.rows[slice.count - 1];
        cursor->sequence += slice.count;
        log_header_hash(last->header.data, cursor->head);
        into.work->has_checkpoint = slice.has_checkpoint;
        if (slice.has_checkpoint)
            into.work->checkpoint = slice.checkpoint;
        add_rows(&into, &slice, arena);
        if (into.work->has_checkpoint)
            return into.work;
    }
}

/* --- measured ------------------------------------------------------------------------------------------------------
 */

struct timing {
    double wall_s, cpu_s, verify_cpu_s, digest_cpu_s;
    size_t entries, works;
};

/* What replica_apply asks of these works, once more and by itself. The digest's old values are as long as the new. */
static void time_verification(const struct region *region, const struct replica_state *before,
                              struct replica_work **works, size_t count, struct timing *timing)
{
    struct replica_state state = *before;
    struct arena arena;
    arena_init(&arena, APPLY_ARENA_BYTES);
    for (size_t i = 0; i < count; i++) {
        struct plan plan;
        double began = seconds(CLOCK_THREAD_CPUTIME_ID);
        if (verify_checkpoint(region, works[i]) != VERDICT_NONE ||
            verify_chain(region->code, works[i]) != VERDICT_NONE ||
            verify_entries(&state, works[i], 0, &arena, &plan) != VERDICT_NONE)
            must(ERR_INVALID, works[i]->problem.text);
        timing->verify_cpu_s += seconds(CLOCK_THREAD_CPUTIME_ID) - began;
        began = seconds(CLOCK_THREAD_CPUTIME_ID);
        for (size_t at = 0; at < plan.change_count; at++) {
            const struct change *change = &plan.changes[at];
            lthash_remove(&plan.after.hash, change->table, &change->key, &change->value);
            lthash_add(&plan.after.hash, change->table, &change->key, &change->value);
        }
        timing->digest_cpu_s += seconds(CLOCK_THREAD_CPUTIME_ID) - began;
        state = plan.after;
        arena_reset(&arena);
    }
    arena_finish(&arena);
}

static void give(struct replica *replica, struct replica_work **works, size_t count, struct timing *timing)
{
    struct region *region = replica_region(replica, WORLD_REGION);
    const struct replica_state before = region->row.proven;
    double wall = seconds(CLOCK_MONOTONIC), cpu = seconds(CLOCK_PROCESS_CPUTIME_ID);
    replica_apply(replica, works, count);
    timing->wall_s += seconds(CLOCK_MONOTONIC) - wall;
    timing->cpu_s += seconds(CLOCK_PROCESS_CPUTIME_ID) - cpu;
    for (size_t i = 0; i < count; i++) {
        if (works[i]->verdict != VERDICT_APPLIED)
            must(works[i]->problem.code ? works[i]->problem.code : ERR_INVALID,
                 replica_verdict_name(works[i]->verdict));
        timing->entries += works[i]->entry_count;
    }
    timing->works += count;
    time_verification(region, &before, works, count, timing);
    for (size_t i = 0; i < count; i++)
        replica_work_destroy(works[i]);
}

/* All that the home has and the replica has not, in groups as the replica's writer takes them. */
static struct timing catch_up(struct world *world, struct replica *replica, struct log_cursor *cursor)
{
    struct timing timing = {0};
    struct replica_work *works[REPLICA_WORKS_MAX], *work;
    struct arena arena;
    size_t count = 0;
    arena_init(&arena, 64 << 20);
    while ((work = next_work(world, cursor, &arena)) != NULL) {
        works[count++] = work;
        if (count == REPLICA_WORKS_MAX) {
            give(replica, works, count, &timing);
            count = 0;
        }
    }
    if (count > 0)
        give(replica, works, count, &timing);
    arena_finish(&arena);
    return timing;
}

static const struct roster *bench_roster(struct world *world)
{
    static const char issuer[] = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
    struct signer *root = signer_from_seed((const uint8_t *)"the national root's roster key..");
    uint8_t key[PUBLIC_KEY_BYTES], root_key[PUBLIC_KEY_BYTES], signature[SIGNATURE_BYTES];
    char text[2048], hex[2 * SIGNATURE_BYTES + 1], root_hex[2 * PUBLIC_KEY_BYTES + 1];
    signer_public_key(root, root_key);
    signer_public_key(world->signer, key);
    hex_encode(root_key, sizeof root_key, root_hex);
    hex_encode(key, sizeof key, hex);
    size_t bytes = (size_t)snprintf(text, sizeof text,
                                    "vacancy roster v1\nversion 1\nregion " OURS
                                    " key %s issuer %s\nregion " WORLD_REGION " key %s issuer %s\n",
                                    root_hex, issuer, hex, issuer);
    signer_sign(root, text, bytes, signature);
    hex_encode(signature, sizeof signature, hex);
    bytes += (size_t)snprintf(text + bytes, sizeof text - bytes, "signature %s\n", hex);
    const struct roster *roster = NULL;
    struct problem problem = {0};
    if (roster_parse(text, bytes, root_key, &roster, &problem) != ERR_NONE)
        must(ERR_INVALID, problem.text);
    signer_destroy(root);
    return roster;
}

int main(void)
{
    static struct world world;
    char folder[128];
    struct problem problem = {0};
    world_init(&world, 1, true);
    struct home_options options = world_options(&world);
    options.randomness = random_system();
    struct store *home_store = store_memory_create(), *store;
    must(home_open(&options, home_store, &world.home, &problem), problem.text);
    snprintf(folder, sizeof folder, "%s/replica", world.folder);
    mkdir(folder, 0700);
    const struct store_lmdb_options disk = {.folder = folder,
                                            .kind = STORE_REPLICA,
                                            .map_bytes = 4ULL << 30,
                                            .limit_bytes = 3ULL << 30,
                                            .reserve_bytes = 16 << 20};
    must(store_lmdb_open(&disk, &store, &problem), problem.text);
    const struct roster *roster = bench_roster(&world);
    const struct replica_options given = {
        .home_region = OURS, .clock = &world.clock, .roster = roster, .hash_threads = 2};
    struct replica *replica;
    must(replica_open(&given, store, &replica, &problem), problem.text);

    struct log_cursor cursor = {0};
    home_fill(&world);
    const struct timing filled = catch_up(&world, replica, &cursor);
    printf("{\"filled_entries\": %zu, \"filled_per_second\": %.0f, \"batches\": [", filled.entries,
           (double)filled.entries / filled.wall_s);
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        for (unsigned commit = 0; commit < sizes[i].commits; commit++)
            home_commit(&world, sizes[i].updates);
        const struct timing timing = catch_up(&world, replica, &cursor);
        const double entries = (double)timing.entries;
        printf(
            "%s{\"updates\": %u, \"commits\": %zu, \"per_second\": %.0f, \"cpu_us\": %.2f, \"verifying_share\": %.4f, "
            "\"digest_share\": %.4f}",
            i ? ", " : "", sizes[i].updates, timing.works, entries / timing.wall_s, timing.cpu_s * 1e6 / entries,
            (timing.verify_cpu_s + timing.digest_cpu_s) / timing.cpu_s, timing.digest_cpu_s / timing.cpu_s);
    }
    printf("]}\n");
    replica_close(replica);
    store->ops->close(store);
    roster_unref(roster);
    world_finish(&world);
    home_store->ops->close(home_store);
    return 0;
}
