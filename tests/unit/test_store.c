/* tier: check */
/*
 * test_store.c - the storage seam: one suite over both implementations, then what only a disk can do.
 * Shows D3 (full disk, and room again), D4 (full at first start), D6 (bit flips, zeroed pages, truncation), D9 (second
 * daemon), D10 (the folder).
 */
#include "daemon/register/tables.h"
#include "tests/unit/register_world.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>

static uint64_t seed;

/* --- both -------------------------------------------------------------------------------------------------------- */

static int on_memory(void **state)
{
    static struct world world;
    world_init(&world, seed, false);
    *state = &world;
    return 0;
}

static int on_disk(void **state)
{
    static struct world world;
    struct problem problem = {0};
    world_init(&world, seed, true);
    const struct store_lmdb_options options = world_disk_options(&world);
    *state = &world;
    return store_lmdb_open(&options, &world.store, &problem);
}

static int done(void **state)
{
    world_finish(*state);
    return 0;
}

static struct octets text_octets(const char *text)
{
    return (struct octets){(const uint8_t *)text, strlen(text)};
}

static void put(struct store *store, struct store_txn *txn, const char *key, const char *value)
{
    struct octets k = text_octets(key), v = text_octets(value);
    assert_int_equal(store->ops->put(txn, STORE_CARERS, &k, &v), ERR_NONE);
}

static void assert_value(struct store *store, struct store_txn *txn, const char *key, const char *expected)
{
    struct octets k = text_octets(key), v;
    enum err err = store->ops->get(txn, STORE_CARERS, &k, &v);
    assert_int_equal(err, expected ? ERR_NONE : ERR_NOT_FOUND);
    if (expected == NULL)
        return;
    assert_int_equal(v.size, strlen(expected));
    assert_memory_equal(v.data, expected, v.size);
}

static void assert_seek(struct store *store, struct store_txn *txn, const char *from, bool backwards,
                        const char *expected)
{
    struct octets f = text_octets(from), key, value;
    enum err err = store->ops->seek(txn, STORE_CARERS, &f, backwards, &key, &value);
    assert_int_equal(err, expected ? ERR_NONE : ERR_NOT_FOUND);
    if (expected == NULL)
        return;
    assert_int_equal(key.size, strlen(expected));
    assert_memory_equal(key.data, expected, key.size);
}

static void test_transactions(void **state)
{
    struct store *store = ((struct world *)*state)->store;
    struct store_txn *txn;
    assert_int_equal(store->ops->begin(store, true, &txn), ERR_NONE);
    assert_seek(store, txn, "", false, NULL);
    assert_seek(store, txn, "", true, NULL);
    put(store, txn, "b", "1");
    put(store, txn, "a", "2");
    put(store, txn, "c", "");
    put(store, txn, "b", "3");
    assert_value(store, txn, "b", "3");
    assert_seek(store, txn, "", false, "a");
    assert_int_equal(store->ops->commit(txn), ERR_NONE);

    assert_int_equal(store->ops->begin(store, true, &txn), ERR_NONE);
    struct octets dead = text_octets("b"), missing = text_octets("x");
    assert_int_equal(store->ops->del(txn, STORE_CARERS, &dead), ERR_NONE);
    assert_int_equal(store->ops->del(txn, STORE_CARERS, &missing), ERR_NONE);
    put(store, txn, "d", "4");
    assert_value(store, txn, "b", NULL);
    assert_seek(store, txn, "b", false, "c");
    assert_seek(store, txn, "", true, "d");
    store->ops->abort(txn);

    assert_int_equal(store->ops->begin(store, false, &txn), ERR_NONE);
    assert_value(store, txn, "b", "3");
    assert_value(store, txn, "c", "");
    assert_value(store, txn, "d", NULL);
    assert_seek(store, txn, "", false, "a");
    assert_seek(store, txn, "aa", false, "b");
    assert_seek(store, txn, "cc", false, NULL);
    assert_seek(store, txn, "", true, "c");
    /* A second reader on the same thread. */
    struct store_txn *second;
    assert_int_equal(store->ops->begin(store, false, &second), ERR_NONE);
    assert_value(store, second, "a", "2");
    store->ops->abort(second);
    store->ops->abort(txn);
    store->ops->abort(NULL);

    struct store_usage usage;
    assert_int_equal(store->ops->usage(store, &usage), ERR_NONE);
    assert_int_equal(usage.entries[STORE_CARERS], 3);
    assert_int_equal(usage.entries[STORE_LOG], 0);
}

static void test_appended_in_any_order(void **state)
{
    struct store *store = ((struct world *)*state)->store;
    static const char *const order[] = {"k1", "k3", "k2", "k9", "k0", "k9"};
    struct store_txn *txn;
    assert_int_equal(store->ops->begin(store, true, &txn), ERR_NONE);
    for (size_t i = 0; i < sizeof order / sizeof *order; i++) {
        struct octets key = text_octets(order[i]), value = text_octets("v");
        assert_int_equal(store->ops->put(txn, STORE_LOG, &key, &value), ERR_NONE);
    }
    assert_int_equal(store->ops->commit(txn), ERR_NONE);
    struct store_usage usage;
    assert_int_equal(store->ops->usage(store, &usage), ERR_NONE);
    assert_int_equal(usage.entries[STORE_LOG], 5);
}

static void assert_segment(struct store *store, const char *expected)
{
    uint8_t read[64];
    size_t got;
    assert_int_equal(store->ops->segment_read(store, "trail-1", 0, read, sizeof read, &got), ERR_NONE);
    assert_int_equal(got, strlen(expected));
    assert_memory_equal(read, expected, got);
}

static void test_segments(void **state)
{
    struct world *world = *state;
    struct store *store = world->store;
    struct octets one = text_octets("one"), two = text_octets("two");
    assert_segment(store, "");
    assert_int_equal(store->ops->segment_append(store, "trail-1", &one), ERR_NONE);
    assert_int_equal(store->ops->segment_sync(store, "trail-1"), ERR_NONE);
    assert_int_equal(store->ops->segment_append(store, "trail-1", &two), ERR_NONE);
    assert_segment(store, "onetwo");
    if (!world->on_disk) {
        store_memory_crash(store, true);
        assert_segment(store, "onetwo");
        store_memory_crash(store, false);
        assert_segment(store, "one");
        assert_int_equal(store->ops->segment_append(store, "trail-1", &two), ERR_NONE);
    }
    assert_int_equal(store->ops->segment_truncate(store, "trail-1", 4), ERR_NONE);
    assert_segment(store, "onet");
    if (world->on_disk)
        assert_int_equal(store->ops->segment_append(store, "../trail", &one), ERR_INVALID);
}

/* --- the folder: D9, D10 ------------------------------------------------------------------------------------------ */

static enum err try_open(const char *folder, struct problem *problem)
{
    struct store *store;
    const struct store_lmdb_options options = {
        .folder = folder, .map_bytes = 256 << 20, .limit_bytes = 200 << 20, .reserve_bytes = 8 << 20};
    enum err err = store_lmdb_open(&options, &store, problem);
    if (err == ERR_NONE)
        store->ops->close(store);
    return err;
}

static void test_second_daemon_D9(void **state)
{
    struct world *world = *state;
    struct problem problem = {0};
    assert_int_equal(try_open(world->folder, &problem), ERR_UNAVAILABLE);
    assert_non_null(strstr(problem.text, "in use"));
    world->store->ops->close(world->store);
    world->store = NULL;
    assert_int_equal(try_open(world->folder, &problem), ERR_NONE);
}

static void test_folder_D10(void **state)
{
    (void)state;
    struct world world;
    struct problem problem = {0};
    world_init(&world, seed, true);
    char inside[128];
    snprintf(inside, sizeof inside, "%s/missing", world.folder);
    assert_int_equal(try_open(inside, &problem), ERR_NOT_FOUND);
    assert_non_null(strstr(problem.text, "missing"));
    snprintf(inside, sizeof inside, "%s/file", world.folder);
    close(open(inside, O_CREAT | O_WRONLY, 0600));
    assert_int_equal(try_open(inside, &problem), ERR_INVALID);
    assert_int_equal(chmod(world.folder, 0770), 0);
    assert_int_equal(try_open(world.folder, &problem), ERR_FORBIDDEN);
    assert_int_equal(chmod(world.folder, 0700), 0);
    if (geteuid() == 0) {
        assert_int_equal(chown(world.folder, 12345, 12345), 0);
        assert_int_equal(try_open(world.folder, &problem), ERR_FORBIDDEN);
        assert_non_null(strstr(problem.text, "12345"));
        assert_int_equal(chown(world.folder, 0, 0), 0);
    }
    world_finish(&world);
}

/* --- the full disk: D3, D4 ---------------------------------------------------------------------------------------- */

/* The kernel refuses to let any file grow past this, as a full disk does (EFBIG for ENOSPC). */
static void limit_files(rlim_t bytes)
{
    struct rlimit limit;
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = bytes;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static void test_full_at_first_start_D4(void **state)
{
    (void)state;
    struct world world;
    struct problem problem = {0};
    world_init(&world, seed, true);
    static const rlim_t limits[] = {0, 4096, 8192, 12288, 16384};
    for (size_t i = 0; i < sizeof limits / sizeof *limits; i++) {
        limit_files(limits[i]);
        enum err err = try_open(world.folder, &problem);
        limit_files(RLIM_INFINITY);
        if (err == ERR_NONE)
            break;
        assert_int_equal(err, ERR_STORE_FULL);
        assert_non_null(strstr(problem.text, "full"));
    }
    assert_int_equal(try_open(world.folder, &problem), ERR_NONE);
    world_finish(&world);
}

static void test_full_and_room_again_D3(void **state)
{
    (void)state;
    struct world world;
    world_init(&world, seed, true);
    world_open(&world);
    assert_int_equal(world_apply(&world, world_put_agency(&world, "leeds-fostering")).problem.code, ERR_NONE);
    char path[128], reference[16];
    struct stat file;
    snprintf(path, sizeof path, "%s/home/data.mdb", world.folder);
    assert_int_equal(stat(path, &file), 0);
    for (int round = 0; round < 3; round++) {
        limit_files((rlim_t)file.st_size + 65536);
        int stored = 0;
        enum err err = ERR_NONE;
        while (err == ERR_NONE && stored < 2000) {
            snprintf(reference, sizeof reference, "H-%d-%d", round, stored);
            err = world_apply(&world, world_put_carer(&world, "leeds-fostering", reference)).problem.code;
            stored += err == ERR_NONE;
        }
        assert_int_equal(err, ERR_STORE_FULL);
        assert_false(home_writable(world.home)); /* as GetStatus says while it is full */
        ;
        for (int i = 0; i < stored; i++) {
            struct home_carer home;
            snprintf(reference, sizeof reference, "H-%d-%d", round, i);
            assert_int_equal(home_get_carer(world.home, "leeds-fostering", reference, &home), ERR_NONE);
        }
        limit_files(RLIM_INFINITY);
        assert_int_equal(world_apply(&world, world_put_carer(&world, "leeds-fostering", "H-room")).problem.code,
                         ERR_NONE);
        assert_register_true(&world);
        assert_int_equal(stat(path, &file), 0);
        world.wall_ms += 1000;
    }
    world_close(&world);
    world_open(&world);
    assert_register_true(&world);
    world_finish(&world);
}

/* The own limit, below the map: D7 never comes; the reserve lets a withdrawal through. */
static void test_own_limit(void **state)
{
    (void)state;
    struct world world;
    struct problem problem = {0};
    world_init(&world, seed, true);
    const struct store_lmdb_options disk = {
        .folder = world.folder, .map_bytes = 64 << 20, .limit_bytes = 4 << 20, .reserve_bytes = 2 << 20};
    assert_int_equal(store_lmdb_open(&disk, &world.store, &problem), ERR_NONE);
    world_open(&world);
    assert_int_equal(world_apply(&world, world_put_agency(&world, "leeds-fostering")).problem.code, ERR_NONE);
    assert_int_equal(world_apply(&world, world_put_carer(&world, "leeds-fostering", "H-0")).problem.code, ERR_NONE);
    assert_int_equal(world_apply(&world, world_put_vacancy(&world, "leeds-fostering", "H-0")).problem.code, ERR_NONE);
    enum err err = ERR_NONE;
    int stored = 0;
    char reference[16];
    for (; err == ERR_NONE && stored < 20000; stored++) {
        snprintf(reference, sizeof reference, "N-%d", stored);
        err = world_apply(&world, world_put_carer(&world, "leeds-fostering", reference)).problem.code;
    }
    assert_int_equal(err, ERR_STORE_FULL);
    assert_true(stored > 100);
    world.wall_ms += 1000;
    assert_int_equal(world_apply(&world, world_update(&world, UPDATE_WITHDRAW, "leeds-fostering", "H-0")).problem.code,
                     ERR_NONE);
    struct home_counts counts;
    assert_int_equal(home_counts(world.home, &counts), ERR_NONE);
    assert_true(counts.usage.used_bytes <= counts.usage.limit_bytes);
    assert_log_chain(&world);
    world_finish(&world);
}

/* --- damage: D6 --------------------------------------------------------------------------------------------------- */

struct image {
    uint8_t *data;
    size_t size;
    char path[128];
};

static void image_read(struct image *image)
{
    struct stat file;
    int fd = open(image->path, O_RDONLY);
    assert_true(fd >= 0 && fstat(fd, &file) == 0);
    image->size = (size_t)file.st_size;
    image->data = malloc(image->size);
    assert_int_equal(read(fd, image->data, image->size), image->size);
    close(fd);
}

static void image_write(const struct image *image, const uint8_t *data, size_t size)
{
    int fd = open(image->path, O_WRONLY | O_TRUNC);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, data, size), size);
    close(fd);
}

enum harm { HARM_FLIP, HARM_ZERO_PAGE, HARM_TRUNCATE };

static size_t do_harm(struct seeded_random *random, enum harm harm, uint8_t *data, size_t size)
{
    size_t at = seeded_random_below(random, size);
    if (harm == HARM_FLIP)
        data[at] ^= (uint8_t)(1 << seeded_random_below(random, 8));
    else if (harm == HARM_ZERO_PAGE)
        memset(data + at / 4096 * 4096, 0, 4096);
    return harm == HARM_TRUNCATE ? at : size;
}

/* Either it refuses with a clear word, or what it holds is what was there, and it can be written to. Never a signal. */
static bool survives(struct world *world, const struct view *right)
{
    struct problem problem = {0};
    enum err err = world_try_open(world, &problem);
    if (err != ERR_NONE) {
        assert_true(err == ERR_STORE_DAMAGED);
        assert_non_null(strstr(problem.text, "damaged"));
        world_close(world);
        return false;
    }
    assert_same_view(world->view, right);
    struct update *updates[4];
    world->wall_ms += 1000;
    for (int i = 0; i < 4; i++) {
        char reference[16];
        snprintf(reference, sizeof reference, "H-%u", 15 * (unsigned)i + random_up_to(&world->random, 14));
        updates[i] = world_put_carer(world, "leeds-fostering", reference);
    }
    home_apply(world->home, updates, 4);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(updates[i]->result.problem.code, ERR_NONE);
        update_destroy(updates[i]);
    }
    world_close(world);
    return true;
}

static void test_damaged_file_D6(void **state)
{
    (void)state;
    struct world world;
    world_init(&world, seed, true);
    world_open(&world);
    assert_int_equal(world_apply(&world, world_put_agency(&world, "leeds-fostering")).problem.code, ERR_NONE);
    for (int i = 0; i < 60; i++) {
        char reference[16];
        snprintf(reference, sizeof reference, "H-%d", i);
        assert_int_equal(world_apply(&world, world_put_carer(&world, "leeds-fostering", reference)).problem.code,
                         ERR_NONE);
        struct update *vacancy = world_put_vacancy(&world, "leeds-fostering", reference);
        world_request_id(&world, vacancy, world.wall_ms);
        assert_int_equal(world_apply(&world, vacancy).problem.code, ERR_NONE);
    }
    struct view *right = world.view;
    world.view = NULL;
    world_close(&world);
    struct image image;
    snprintf(image.path, sizeof image.path, "%s/home/data.mdb", world.folder);
    image_read(&image);
    uint8_t *harmed = malloc(image.size);
    static const char *const names[] = {"bit flips", "zeroed pages", "truncations"};
    for (enum harm harm = HARM_FLIP; harm <= HARM_TRUNCATE; harm++) {
        int survived = 0, rounds = scaled(300);
        for (int round = 0; round < rounds; round++) {
            memcpy(harmed, image.data, image.size);
            size_t size = do_harm(&world.random, harm, harmed, image.size);
            image_write(&image, harmed, size);
            survived += survives(&world, right);
        }
        print_message("%d %s: %d refused, %d harmless\n", rounds, names[harm], rounds - survived, survived);
    }
    image_write(&image, image.data, image.size);
    assert_true(survives(&world, right));
    view_free(right);
    free(harmed);
    free(image.data);
    world_finish(&world);
}

/* --- the replica environment -------------------------------------------------------------------------------------- */

static struct store *open_replica(const struct world *world)
{
    struct store *store;
    struct problem problem = {0};
    struct store_lmdb_options options = world_disk_options(world);
    options.kind = STORE_REPLICA;
    assert_int_equal(store_lmdb_open(&options, &store, &problem), ERR_NONE);
    return store;
}

static uint64_t evidence_count(struct store *store)
{
    struct store_usage usage;
    assert_int_equal(store->ops->usage(store, &usage), ERR_NONE);
    return usage.entries[STORE_EVIDENCE];
}

/* Opened beside the home one, under its lock; what is damaged of it is put aside and made anew, home's is not touched.
 */
static void test_replica_environment_D6(void **state)
{
    struct world *world = *state;
    struct store *home = world->store, *replica = open_replica(world);
    struct store_txn *txn;
    assert_int_equal(home->ops->begin(home, true, &txn), ERR_NONE);
    put(home, txn, "a", "home's");
    assert_int_equal(home->ops->commit(txn), ERR_NONE);
    struct octets key = text_octets("k"), value = text_octets("v");
    assert_int_equal(replica->ops->begin(replica, true, &txn), ERR_NONE);
    assert_int_equal(replica->ops->put(txn, STORE_EVIDENCE, &key, &value), ERR_NONE);
    assert_int_equal(replica->ops->commit(txn), ERR_NONE);
    replica->ops->close(replica);
    replica = open_replica(world);
    assert_int_equal(evidence_count(replica), 1);
    replica->ops->close(replica);

    for (int round = 0; round < 2; round++) {
        struct image image;
        snprintf(image.path, sizeof image.path, "%s/replica/data.mdb", world->folder);
        image_read(&image);
        image_write(&image, image.data, 3 * 4096);
        free(image.data);
        replica = open_replica(world);
        assert_int_equal(evidence_count(replica), 0);
        replica->ops->close(replica);
        snprintf(image.path, sizeof image.path, "%s/replica.damaged/data.mdb", world->folder);
        assert_int_equal(access(image.path, F_OK), 0);
    }
    assert_int_equal(home->ops->begin(home, false, &txn), ERR_NONE);
    assert_value(home, txn, "a", "home's");
    home->ops->abort(txn);
}

#define BOTH(test)                                                                                                     \
    cmocka_unit_test_setup_teardown(test, on_memory, done), cmocka_unit_test_setup_teardown(test, on_disk, done)

int main(void)
{
    seed = seed_from_environment(11);
    const struct CMUnitTest tests[] = {
        BOTH(test_transactions),
        BOTH(test_appended_in_any_order),
        BOTH(test_segments),
        cmocka_unit_test_setup_teardown(test_second_daemon_D9, on_disk, done),
        cmocka_unit_test(test_folder_D10),
        cmocka_unit_test(test_full_at_first_start_D4),
        cmocka_unit_test(test_full_and_room_again_D3),
        cmocka_unit_test(test_own_limit),
        cmocka_unit_test(test_damaged_file_D6),
        cmocka_unit_test_setup_teardown(test_replica_environment_D6, on_disk, done),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
