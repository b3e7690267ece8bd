/*
 * register_world.h - a register with its clock, randomness, store and observer, for the register's tests.
 *
 * Owns: a hub's worth of register on virtual time from one seed, on either store; what an observer has seen; the checks
 * that hold after anything that happens. Thread: one.
 */
#ifndef VACANCY_TESTS_REGISTER_WORLD_H
#define VACANCY_TESTS_REGISTER_WORLD_H

#include "daemon/record/bytes.h"
#include "daemon/register/home.h"
#include "daemon/register/tables.h"
#include "tests/unit/random_records.h"

#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define WORLD_START_MS 1764000000000LL
#define WORLD_REGION   "E12000003"
#define WORLD_VIEW_MAX 4096

/* What an observer believes: the last octets of each (table, key). */
struct view_item {
    enum log_table table;
    uint8_t key[300], *value;
    size_t key_size, value_size;
};
struct view {
    struct view_item items[WORLD_VIEW_MAX];
    size_t count;
    uint64_t sequence;
};

struct world {
    int64_t wall_ms, boot_ms;
    uint8_t boot;                     /* which boot of the machine it is */
    struct seeded_random random, ids; /* what happens; what the register draws */
    struct randomness source;
    struct clock_source clock;
    struct signer *signer;
    const char *region; /* NULL: WORLD_REGION */
    bool has_peers, restored;
    int64_t payload_kept_ms;
    struct home_policy policy;
    uint64_t roster_version;
    struct store *store; /* survives world_close of a memory store */
    bool on_disk;
    char folder[64];
    struct home *home;
    struct view *view;
};

static inline void view_committed(void *ctx, const struct commit *commit)
{
    struct view *view = ctx;
    view->sequence = commit->sequence;
    for (size_t i = 0; i < commit->count; i++) {
        const struct change *change = &commit->changes[i];
        size_t at = 0;
        while (at < view->count &&
               (view->items[at].table != change->table || view->items[at].key_size != change->key.size ||
                memcmp(view->items[at].key, change->key.data, change->key.size) != 0))
            at++;
        struct view_item *item = &view->items[at];
        if (change->deleted) {
            assert_true(at < view->count);
            free(item->value);
            *item = view->items[--view->count];
            continue;
        }
        assert_true(at < WORLD_VIEW_MAX && change->key.size <= sizeof item->key);
        if (at == view->count)
            *item = (struct view_item){.table = change->table, .key_size = change->key.size};
        view->count += at == view->count;
        memcpy(item->key, change->key.data, change->key.size);
        free(item->value);
        item->value = malloc(change->value.size + 1);
        memcpy(item->value, change->value.data, change->value.size);
        item->value_size = change->value.size;
    }
}

static inline void view_free(struct view *view)
{
    for (size_t i = 0; view != NULL && i < view->count; i++)
        free(view->items[i].value);
    free(view);
}

static inline void assert_same_view(const struct view *a, const struct view *b)
{
    assert_int_equal(a->count, b->count);
    for (size_t i = 0; i < a->count; i++) {
        size_t at = 0;
        while (at < b->count &&
               (b->items[at].table != a->items[i].table || b->items[at].key_size != a->items[i].key_size ||
                memcmp(b->items[at].key, a->items[i].key, a->items[i].key_size) != 0))
            at++;
        assert_true(at < b->count);
        assert_int_equal(a->items[i].value_size, b->items[at].value_size);
        assert_memory_equal(a->items[i].value, b->items[at].value, a->items[i].value_size);
    }
}

static inline int64_t world_wall(void *ctx)
{
    return ((struct world *)ctx)->wall_ms;
}
static inline int64_t world_boot(void *ctx)
{
    return ((struct world *)ctx)->boot_ms;
}

static inline void world_boot_id(void *ctx, uint8_t out[BOOT_ID_BYTES])
{
    memset(out, ((struct world *)ctx)->boot, BOOT_ID_BYTES);
}

/* The machine starts anew, with the register closed: its boot clock begins again. */
static inline void world_reboot(struct world *world)
{
    world->boot++;
    world->boot_ms = 500;
}

/* Both clocks. */
static inline void world_pass(struct world *world, int64_t ms)
{
    world->wall_ms += ms;
    world->boot_ms += ms;
}

/* A folder of ours with everything in it. */
static inline int world_remove_one(const char *path, const struct stat *stat, int type, struct FTW *walk)
{
    (void)stat;
    (void)type;
    (void)walk;
    return remove(path);
}

static inline void world_remove(const char *folder)
{
    nftw(folder, world_remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static inline struct store_lmdb_options world_disk_options(const struct world *world)
{
    return (struct store_lmdb_options){
        .folder = world->folder, .map_bytes = 256 << 20, .limit_bytes = 200 << 20, .reserve_bytes = 8 << 20};
}

static inline void world_init(struct world *world, uint64_t seed, bool on_disk)
{
    memset(world, 0, sizeof *world);
    world->wall_ms = WORLD_START_MS;
    world->boot_ms = 1000;
    world->clock =
        (struct clock_source){.wall_ms = world_wall, .boot_ms = world_boot, .boot_id = world_boot_id, .ctx = world};
    seeded_random_init(&world->random, seed);
    seeded_random_init(&world->ids, seed ^ 0x5eed);
    world->source = seeded_random_source(&world->ids);
    uint8_t key_seed[32] = {42};
    world->signer = signer_from_seed(key_seed);
    world->on_disk = on_disk;
    if (on_disk) {
        strcpy(world->folder, "/tmp/vacancy-test-XXXXXX");
        if (mkdtemp(world->folder) == NULL)
            abort();
    } else {
        world->store = store_memory_create();
    }
}

static inline struct home_options world_options(struct world *world)
{
    return (struct home_options){.region = WORLD_REGION,
                                 .clock = &world->clock,
                                 .randomness = &world->source,
                                 .signer = world->signer,
                                 .reference_secret = {1, 2, 3},
                                 .has_peers = world->has_peers,
                                 .restored = world->restored,
                                 .payload_kept_ms = world->payload_kept_ms,
                                 .policy = world->policy,
                                 .roster_version = world->roster_version};
}

static inline enum err world_try_open(struct world *world, struct problem *problem)
{
    struct home_options options = world_options(world);
    if (world->region != NULL)
        strcpy(options.region, world->region);
    if (world->on_disk && world->store == NULL) {
        const struct store_lmdb_options disk = world_disk_options(world);
        enum err err = store_lmdb_open(&disk, &world->store, problem);
        if (err != ERR_NONE)
            return err;
    }
    enum err err = home_open(&options, world->store, &world->home, problem);
    if (err != ERR_NONE)
        return err;
    world->view = calloc(1, sizeof *world->view);
    const struct commit_observer observer = {view_committed, world->view};
    return home_observe(world->home, &observer);
}

static inline void world_open(struct world *world)
{
    struct problem problem = {0};
    if (world_try_open(world, &problem) != ERR_NONE)
        fail_msg("open: %s %s", err_name(problem.code), problem.text);
}

/* As a process that ends: memory keeps what is durable, the disk is closed. */
static inline void world_close(struct world *world)
{
    home_close(world->home);
    view_free(world->view);
    world->home = NULL;
    world->view = NULL;
    if (world->on_disk && world->store != NULL) {
        world->store->ops->close(world->store);
        world->store = NULL;
    }
}

static inline void world_reopen(struct world *world)
{
    world_close(world);
    world_open(world);
}

static inline void world_finish(struct world *world)
{
    world_close(world);
    signer_destroy(world->signer);
    if (world->store != NULL)
        world->store->ops->close(world->store);
    if (world->on_disk)
        world_remove(world->folder);
}

/* --- updates ----------------------------------------------------------------------------------------------------- */

static inline struct update *world_update(struct world *world, enum update_kind kind, const char *agency,
                                          const char *reference)
{
    struct update *update = update_create(kind);
    strcpy(update->principal, "spiffe://example.org/region/E12000003/agency/leeds-fostering");
    update->method = "/vacancy.v1.AgencyService/Submit";
    if (agency != NULL)
        strcpy(update->agency, agency);
    if (reference != NULL)
        strcpy(update->agency_reference, reference);
    update->observed_at_ms = world->wall_ms;
    return update;
}

static inline struct update *world_put_carer(struct world *world, const char *agency, const char *reference)
{
    struct update *update = world_update(world, UPDATE_PUT_CARER, agency, reference);
    random_carer(&world->random, &update->as.carer);
    update->as.carer.terms.named_child_only = false;
    update->as.carer.terms.care_types &= ~(1u << CARE_EMERGENCY);
    update->as.carer.places = 3;
    update->as.carer.placed_count = update->as.carer.placed_count > 2 ? 2 : update->as.carer.placed_count;
    strcpy(update->as.carer.agency, agency);
    strcpy(update->as.carer.agency_reference, reference);
    return update;
}

static inline struct update *world_put_vacancy(struct world *world, const char *agency, const char *reference)
{
    struct update *update = world_update(world, UPDATE_PUT_VACANCY, agency, reference);
    update->as.vacancy = (struct vacancy){.stated = VACANCY_VACANT,
                                          .state = VACANCY_VACANT,
                                          .beds = 1,
                                          .from = DATE_NONE,
                                          .until = DATE_NONE,
                                          .reserved_until = DATE_NONE,
                                          .on_call = random_up_to(&world->random, 1)};
    return update;
}

static inline struct update *world_put_agency(struct world *world, const char *id)
{
    struct update *update = world_update(world, UPDATE_PUT_AGENCY, NULL, NULL);
    random_agency(&world->random, &update->as.agency_row);
    strcpy(update->as.agency_row.id, id);
    return update;
}

static inline void world_request_id(struct world *world, struct update *update, int64_t at_ms)
{
    random_fill(&(struct randomness){world->source.fill, &world->random}, update->request_id, REQUEST_ID_BYTES);
    for (int i = 0; i < 6; i++)
        update->request_id[i] = (uint8_t)(at_ms >> (40 - 8 * i));
    update->request_id[6] = (uint8_t)(0x70 | (update->request_id[6] & 15));
    update->request_id[8] = (uint8_t)(0x80 | (update->request_id[8] & 63));
    update->has_request_id = true;
    memset(update->content_hash, (int)seeded_random_next(&world->random), DIGEST_BYTES);
}

/* Request ids as traffic leaves them behind: confirmations of nothing. */
static inline void world_fill_requests(struct world *world, const char *agency, int count)
{
    while (count > 0) {
        struct update *batch[APPLY_BATCH_MAX];
        int size = 0;
        for (; size < APPLY_BATCH_MAX && count > 0; count--) {
            batch[size] = world_update(world, UPDATE_CONFIRM, agency, NULL);
            world_request_id(world, batch[size++], world->wall_ms);
        }
        home_apply(world->home, batch, (size_t)size);
        for (int i = 0; i < size; i++) {
            assert_int_equal(batch[i]->result.problem.code, ERR_NONE);
            update_destroy(batch[i]);
        }
    }
}

/* How many request ids' outcomes tell of the carer. */
static inline int world_requests_of(struct world *world, uint64_t national_reference)
{
    struct store_txn *txn;
    struct table_key from = key_of_region(WORLD_REGION);
    struct octets at = key_octets(&from), key, value;
    uint8_t named[8];
    int found = 0;
    put_be64(named, national_reference);
    assert_int_equal(world->store->ops->begin(world->store, false, &txn), ERR_NONE);
    while (world->store->ops->seek(txn, STORE_REQUESTS, &at, false, &key, &value) == ERR_NONE) {
        found += memmem(value.data, value.size, named, sizeof named) != NULL;
        key_step_past(&from, &key);
        at = key_octets(&from);
    }
    world->store->ops->abort(txn);
    return found;
}

/* Applies one update, frees it, and returns a copy of what became of it (without not_found). */
static inline struct update_result world_apply(struct world *world, struct update *update)
{
    home_apply(world->home, &update, 1);
    struct update_result result = update->result;
    result.not_found = NULL;
    result.let_go = (struct octets){0};
    update_destroy(update);
    return result;
}

/* --- what must always hold ---------------------------------------------------------------------------------------- */

/* The whole log, read back and verified without any of the register's own checking. Returns its length. */
static inline uint64_t assert_log_chain(struct world *world)
{
    struct arena arena;
    arena_init(&arena, 64 << 20);
    uint8_t previous[DIGEST_BYTES] = {0};
    struct log_row rows[128];
    uint64_t next = 1, epoch, sequence;
    int64_t time_ms = 0;
    size_t got;
    do {
        assert_int_equal(home_read_log(world->home, next, &arena, rows, 128, &got), ERR_NONE);
        for (size_t i = 0; i < got; i++, next++) {
            const uint8_t *h = rows[i].header.data;
            uint64_t stored_sequence = 0, stored_time = 0;
            uint8_t commitment[DIGEST_BYTES], message[LOG_SALT_BYTES + LOG_PAYLOAD_MAX_BYTES];
            for (int b = 0; b < 8; b++) {
                stored_sequence = stored_sequence << 8 | h[25 + b];
                stored_time = stored_time << 8 | h[65 + b];
            }
            bool dropped = rows[i].payload.size == 0;
            assert_int_equal(rows[i].header.size, 109);
            assert_memory_equal(h, "VLE1" WORLD_REGION, 13);
            assert_int_equal(stored_sequence, next);
            assert_memory_equal(h + 33, previous, DIGEST_BYTES);
            assert_true((int64_t)stored_time >= time_ms);
            time_ms = (int64_t)stored_time;
            digest_sha256(h, 109, previous);
            if (dropped) { /* behind the horizon: the newest checkpoint names it */
                struct signed_checkpoint newest;
                assert_int_equal(rows[i].salt.size, 0);
                assert_int_equal(home_checkpoint(world->home, &newest), ERR_NONE);
                assert_true(next <= newest.checkpoint.horizon);
                continue;
            }
            memcpy(message, rows[i].salt.data, LOG_SALT_BYTES);
            memcpy(message + LOG_SALT_BYTES, rows[i].payload.data, rows[i].payload.size);
            digest_sha256(message, LOG_SALT_BYTES + rows[i].payload.size, commitment);
            assert_memory_equal(commitment, h + 73, DIGEST_BYTES);
            /* Only what may leave the hub is in it. */
            assert_true(rows[i].payload.data[0] >= LOG_TABLE_EPOCH && rows[i].payload.data[0] < LOG_TABLE_END);
            assert_true(rows[i].payload.data[0] == LOG_TABLE_EPOCH || next != 1);
        }
        arena_reset(&arena);
    } while (got > 0);
    arena_finish(&arena);
    home_position(world->home, &epoch, &sequence);
    assert_int_equal(sequence, next - 1);
    return next - 1;
}

static inline void assert_audit_chain(struct world *world)
{
    struct arena arena;
    arena_init(&arena, 64 << 20);
    struct audit_position found = {0}, said;
    struct audit_row rows[128];
    size_t got;
    do {
        assert_int_equal(home_read_audit(world->home, found.sequence + 1, &arena, rows, 128, &got), ERR_NONE);
        for (size_t i = 0; i < got; i++) {
            uint8_t message[DIGEST_BYTES + 8192];
            assert_int_equal(rows[i].sequence, found.sequence + 1);
            memcpy(message, found.hash, DIGEST_BYTES);
            memcpy(message + DIGEST_BYTES, rows[i].octets.data, rows[i].octets.size);
            digest_sha256(message, DIGEST_BYTES + rows[i].octets.size, found.hash);
            found.sequence++;
        }
        arena_reset(&arena);
    } while (got > 0);
    arena_finish(&arena);
    home_audit_position(world->home, &said);
    assert_int_equal(said.sequence, found.sequence);
    assert_memory_equal(said.hash, found.hash, DIGEST_BYTES);
}

/* What the observer was told equals what a new one is told. */
static inline void assert_observer_true(struct world *world)
{
    struct view *fresh = calloc(1, sizeof *fresh);
    const struct home_options options = world_options(world);
    struct problem problem = {0};
    struct home *again = NULL;
    const struct commit_observer observer = {view_committed, fresh};
    if (home_open(&options, world->store, &again, &problem) != ERR_NONE)
        fail_msg("open again: %s", problem.text);
    assert_int_equal(home_observe(again, &observer), ERR_NONE);
    assert_same_view(world->view, fresh);
    struct home_counts a, b;
    assert_int_equal(home_counts(world->home, &a), ERR_NONE);
    assert_int_equal(home_counts(again, &b), ERR_NONE);
    assert_int_equal(a.vacancies, b.vacancies);
    assert_int_equal(a.carers, b.carers);
    assert_int_equal(a.agencies, b.agencies);
    home_close(again);
    view_free(fresh);
}

static inline void assert_register_true(struct world *world)
{
    assert_log_chain(world);
    assert_audit_chain(world);
    assert_observer_true(world);
}

static inline int scaled(int count)
{
    const char *scale = getenv("CHECK_SCALE");
    double number = count * (scale ? atof(scale) : 1.0);
    return number < 1 ? 1 : (int)number;
}

static inline uint64_t seed_from_environment(uint64_t fallback)
{
    const char *text = getenv("SEED");
    uint64_t seed = text ? strtoull(text, NULL, 10) : fallback;
    printf("SEED=%llu\n", (unsigned long long)seed);
    return seed;
}

#endif
