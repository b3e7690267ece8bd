/* tier: check */
/*
 * test_access_trail.c - the disclosures chain: rotation, torn tails, refused writes, and that no record can be altered,
 * dropped, swapped or cut off without being found (design 4.8).
 */
#include "daemon/access/trail.h"
#include "daemon/register/store.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define SEGMENT_BYTES 200u
#define RECORDS       24u
#define IMAGE_BYTES   4096u

static void open_trail(struct trail *trail, struct store *store)
{
    struct problem problem = {0};
    if (trail_open(trail, store, SEGMENT_BYTES, &problem) != ERR_NONE)
        fail_msg("%s", problem.text);
}

static void append(struct trail *trail, unsigned number)
{
    char text[40];
    int size = snprintf(text, sizeof text, "record %u%.*s", number, (int)(number % 17), "................");
    assert_int_equal(trail_append(trail, &(struct octets){(uint8_t *)text, (size_t)size}), ERR_NONE);
}

static void fill(struct trail *trail, struct store *store, unsigned records)
{
    open_trail(trail, store);
    for (unsigned i = 1; i <= records; i++)
        append(trail, i);
    assert_int_equal(trail_sync(trail), ERR_NONE);
}

/* Reads all, in pages of `page`; how many records came before the first error. Checks what comes against what was put.
 */
static uint64_t read_all(struct trail *trail, size_t page)
{
    struct arena arena;
    uint64_t read = 0;
    arena_init(&arena, 64 * 1024);
    for (;;) {
        struct audit_row rows[RECORDS];
        size_t got;
        if (trail_read(trail, read + 1, &arena, rows, page, &got) != ERR_NONE || got == 0)
            break;
        for (size_t i = 0; i < got; i++) {
            char text[40];
            int size = snprintf(text, sizeof text, "record %u%.*s", (unsigned)(read + 1), (int)((read + 1) % 17),
                                "................");
            assert_true(rows[i].sequence == ++read);
            assert_int_equal(rows[i].octets.size, size);
            assert_memory_equal(rows[i].octets.data, text, (size_t)size);
        }
        arena_reset(&arena);
    }
    arena_finish(&arena);
    return read;
}

static void name_of(unsigned segment, char out[40])
{
    snprintf(out, 40, "disclosures-%08u", segment);
}

static size_t load(struct store *store, unsigned segment, uint8_t *image)
{
    char name[40];
    size_t got = 0;
    name_of(segment, name);
    enum err err = store->ops->segment_read(store, name, 0, image, IMAGE_BYTES, &got);
    return err == ERR_NONE ? got : 0;
}

static void save(struct store *store, unsigned segment, const uint8_t *image, size_t size)
{
    char name[40];
    name_of(segment, name);
    assert_int_equal(store->ops->segment_truncate(store, name, 0), ERR_NONE);
    if (size > 0)
        assert_int_equal(store->ops->segment_append(store, name, &(struct octets){image, size}), ERR_NONE);
}

/* Whether a trail that a head covers up to RECORDS with this hash is seen to be whole. */
static bool whole(struct store *store, const uint8_t hash[DIGEST_BYTES])
{
    struct trail trail;
    struct problem problem = {0};
    uint8_t at_end[DIGEST_BYTES], before[DIGEST_BYTES];
    if (trail_open(&trail, store, SEGMENT_BYTES, &problem) != ERR_NONE)
        return false;
    bool good = trail.end.sequence >= RECORDS && trail_hash_at(&trail, RECORDS, at_end, &problem) == ERR_NONE &&
                memcmp(at_end, hash, DIGEST_BYTES) == 0 && trail_hash_at(&trail, 0, before, &problem) == ERR_NONE &&
                read_all(&trail, 7) == trail.end.sequence;
    trail_finish(&trail);
    return good;
}

static void test_rotates_and_reads_back(void **state)
{
    (void)state;
    struct store *store = store_memory_create();
    struct trail trail;
    struct audit_position expected = {0};
    fill(&trail, store, RECORDS);
    assert_true(trail.count >= 3);
    for (size_t page = 1; page <= RECORDS; page++)
        assert_true(read_all(&trail, page) == RECORDS);
    for (unsigned i = 1; i <= RECORDS; i++) {
        char text[40];
        uint8_t hash[DIGEST_BYTES];
        struct problem problem;
        int size = snprintf(text, sizeof text, "record %u%.*s", i, (int)(i % 17), "................");
        audit_chain_next(&expected, &(struct octets){(uint8_t *)text, (size_t)size});
        assert_int_equal(trail_hash_at(&trail, i, hash, &problem), ERR_NONE);
        assert_memory_equal(hash, expected.hash, DIGEST_BYTES);
    }
    assert_memory_equal(trail.end.hash, expected.hash, DIGEST_BYTES);
    trail_finish(&trail);

    open_trail(&trail, store);
    assert_true(trail.end.sequence == RECORDS);
    assert_memory_equal(trail.end.hash, expected.hash, DIGEST_BYTES);
    append(&trail, RECORDS + 1);
    assert_true(read_all(&trail, 5) == RECORDS + 1);
    trail_finish(&trail);
    store->ops->close(store);
}

static void test_reads_from_anywhere(void **state)
{
    (void)state;
    struct store *store = store_memory_create();
    struct trail trail;
    struct arena arena;
    fill(&trail, store, RECORDS);
    arena_init(&arena, 64 * 1024);
    for (unsigned round = 0; round < 200; round++) {
        uint64_t from = 1 + (round * 7) % RECORDS;
        struct audit_row row;
        size_t got;
        assert_int_equal(trail_read(&trail, from, &arena, &row, 1, &got), ERR_NONE);
        assert_int_equal(got, 1);
        assert_true(row.sequence == from);
        arena_reset(&arena);
    }
    struct audit_row row;
    size_t got = 9;
    assert_int_equal(trail_read(&trail, RECORDS + 1, &arena, &row, 1, &got), ERR_NONE);
    assert_int_equal(got, 0);
    arena_finish(&arena);
    /* An arena too small for a record says so and loses no place. */
    arena_init(&arena, 16);
    assert_int_equal(trail_read(&trail, 16, &arena, &row, 1, &got), ERR_LIMIT);
    arena_finish(&arena);
    assert_true(read_all(&trail, 3) == RECORDS);
    trail_finish(&trail);
    store->ops->close(store);
}

/* Reads that go through to the store, counted. */
static const struct store_ops *counted_ops;
static unsigned reads_counted;

static enum err counted_read(struct store *store, const char *segment, uint64_t offset, uint8_t *out, size_t size,
                             size_t *got)
{
    reads_counted++;
    return counted_ops->segment_read(store, segment, offset, out, size, got);
}

/* Readers side by side each go on where they stopped: once, two auditors sent each other back to the segment's start
 * for every page. */
static void test_readers_side_by_side(void **state)
{
    (void)state;
    struct store *store = store_memory_create();
    struct trail trail;
    struct arena arena;
    fill(&trail, store, RECORDS);
    arena_init(&arena, 64 * 1024);
    counted_ops = store->ops;
    struct store_ops counting = *store->ops;
    counting.segment_read = counted_read;
    store->ops = &counting;
    reads_counted = 0;
    for (uint64_t next = 1; next <= RECORDS; next++)
        for (unsigned reader = 0; reader < 4; reader++) {
            uint64_t from = (next + reader * RECORDS / 4) % RECORDS + 1;
            struct audit_row row;
            size_t got;
            assert_int_equal(trail_read(&trail, from, &arena, &row, 1, &got), ERR_NONE);
            assert_true(got == 1 && row.sequence == from);
            arena_reset(&arena);
        }
    assert_in_range(reads_counted, 1, 4 * RECORDS * 3); /* two for each record, and what segments' ends cost */
    store->ops = counted_ops;
    arena_finish(&arena);
    trail_finish(&trail);
    store->ops->close(store);
}

/* Each octet of each segment, one bit of it turned. */
static void test_altered(void **state)
{
    (void)state;
    struct store *store = store_memory_create();
    struct trail trail;
    uint8_t hash[DIGEST_BYTES], image[IMAGE_BYTES];
    fill(&trail, store, RECORDS);
    memcpy(hash, trail.end.hash, DIGEST_BYTES);
    size_t segments = trail.count;
    trail_finish(&trail);
    assert_true(whole(store, hash));
    for (unsigned segment = 1; segment <= segments; segment++) {
        size_t size = load(store, segment, image);
        for (size_t i = 0; i < size; i++) {
            image[i] ^= (uint8_t)(1u << (i % 8));
            save(store, segment, image, size);
            if (whole(store, hash))
                fail_msg("segment %u octet %zu altered and not found", segment, i);
            image[i] ^= (uint8_t)(1u << (i % 8));
            /* The later ones may have been cut by the start that found it. */
            save(store, segment, image, size);
        }
    }
    assert_true(whole(store, hash));
    store->ops->close(store);
}

/* Where the frames of a segment begin; the last entry is its end. */
static size_t frames(const uint8_t *image, size_t size, size_t *at)
{
    size_t count = 0;
    for (size_t offset = 52; offset < size;) {
        at[count++] = offset;
        offset += 12 + ((size_t)image[offset] << 24 | (size_t)image[offset + 1] << 16 | (size_t)image[offset + 2] << 8 |
                        image[offset + 3]);
    }
    at[count] = size;
    return count;
}

static void test_dropped_swapped_doubled(void **state)
{
    (void)state;
    struct store *store = store_memory_create();
    struct trail trail;
    uint8_t hash[DIGEST_BYTES], image[IMAGE_BYTES], other[IMAGE_BYTES];
    size_t at[RECORDS + 1];
    fill(&trail, store, RECORDS);
    memcpy(hash, trail.end.hash, DIGEST_BYTES);
    size_t segments = trail.count;
    trail_finish(&trail);
    for (unsigned segment = 1; segment <= segments; segment++) {
        size_t size = load(store, segment, image);
        size_t count = frames(image, size, at);
        for (size_t i = 0; i < count; i++) {
            size_t frame = at[i + 1] - at[i];
            memcpy(other, image, at[i]); /* dropped */
            memcpy(other + at[i], image + at[i + 1], size - at[i + 1]);
            save(store, segment, other, size - frame);
            assert_false(whole(store, hash));
            memcpy(other, image, at[i + 1]); /* doubled */
            memcpy(other + at[i + 1], image + at[i], size - at[i]);
            save(store, segment, other, size + frame);
            /* The last one doubled is a tail that is no frame of this chain: cut, and nothing is missing. */
            assert_true(whole(store, hash) == (segment == segments && i + 1 == count));
            if (i + 1 < count) { /* swapped with the next */
                size_t next = at[i + 2] - at[i + 1];
                memcpy(other, image, size);
                memcpy(other + at[i], image + at[i + 1], next);
                memcpy(other + at[i] + next, image + at[i], frame);
                save(store, segment, other, size);
                assert_false(whole(store, hash));
            }
            save(store, segment, image, size);
        }
    }
    /* A whole segment gone, or two of them swapped. */
    size_t size = load(store, 2, image), size_of_other = load(store, 1, other);
    save(store, 2, image, 0);
    assert_false(whole(store, hash));
    save(store, 2, other, size_of_other);
    save(store, 1, image, size);
    assert_false(whole(store, hash));
    save(store, 1, other, size_of_other);
    save(store, 2, image, size);
    assert_true(whole(store, hash));
    store->ops->close(store);
}

/* A tail cut at any octet: the whole records before it stand, and the next one follows them. */
static void test_torn_tail(void **state)
{
    (void)state;
    uint8_t image[IMAGE_BYTES], after[IMAGE_BYTES];
    size_t at[RECORDS + 1];
    struct store *store = store_memory_create();
    struct trail trail;
    fill(&trail, store, RECORDS);
    unsigned last = (unsigned)trail.count;
    uint64_t base = trail.segments[last - 1].base.sequence;
    trail_finish(&trail);
    size_t size = load(store, last, image);
    size_t count = frames(image, size, at);
    for (size_t cut = 0; cut < size; cut++) {
        save(store, last, image, cut);
        size_t kept = 0;
        while (kept < count && at[kept + 1] <= cut)
            kept++;
        open_trail(&trail, store);
        assert_true(trail.end.sequence == base + kept);
        assert_true(read_all(&trail, 4) == base + kept);
        if (cut >= at[0]) /* opening takes nothing away: what looks torn may be evidence */
            assert_int_equal(load(store, last, after), cut);
        append(&trail, (unsigned)(base + kept) + 1);
        assert_true(read_all(&trail, 4) == base + kept + 1);
        trail_finish(&trail);
        open_trail(&trail, store);
        assert_true(trail.end.sequence == base + kept + 1);
        trail_finish(&trail);
        /* Whatever segment that last append went to, as it was: */
        for (unsigned segment = last + 1; load(store, segment, (uint8_t[IMAGE_BYTES]){0}) > 0; segment++)
            save(store, segment, image, 0);
        save(store, last, image, size);
    }
    store->ops->close(store);
}

/* Every call of an append that fails leaves the chain where it was, and the next one goes on (D15). */
static void test_refused_append(void **state)
{
    (void)state;
    for (int64_t calls = 0; calls < 3; calls++) {
        struct store *store = store_memory_create();
        struct trail trail;
        fill(&trail, store, 3);
        struct store_memory_plan full = {.calls_until_crash = -1, .calls_until_full = calls};
        struct store_memory_plan fine = {.calls_until_crash = -1, .calls_until_full = -1};
        store_memory_set_plan(store, &full);
        for (unsigned i = 0; i < 5; i++) {
            uint64_t before = trail.end.sequence;
            if (trail_append(&trail, &(struct octets){(const uint8_t *)"x", 1}) != ERR_NONE)
                assert_true(trail.end.sequence == before);
        }
        store_memory_set_plan(store, &fine);
        uint64_t stands = trail.end.sequence;
        append(&trail, 4);
        assert_true(trail.end.sequence == stands + 1);
        trail_finish(&trail);
        open_trail(&trail, store);
        assert_true(trail.end.sequence == stands + 1);
        trail_finish(&trail);
        store->ops->close(store);
    }
}

/* D5: after a failed sync nothing more is promised. */
static void test_failed_sync(void **state)
{
    (void)state;
    struct store *store = store_memory_create();
    struct trail trail;
    fill(&trail, store, 3);
    append(&trail, 4);
    struct store_memory_plan crash = {.calls_until_crash = 0, .calls_until_full = -1};
    store_memory_set_plan(store, &crash);
    assert_int_equal(trail_sync(&trail), ERR_STORE_IO);
    store_memory_crash(store, true);
    assert_int_equal(trail_append(&trail, &(struct octets){(const uint8_t *)"x", 1}), ERR_STORE_IO);
    assert_int_equal(trail_sync(&trail), ERR_STORE_IO);
    trail_finish(&trail);
    store->ops->close(store);
}

/* On a disk, with more segments than the store keeps open. */
static void test_many_segments_on_disk(void **state)
{
    (void)state;
    char folder[] = "/tmp/vacancy-trail-XXXXXX", command[64];
    assert_non_null(mkdtemp(folder));
    struct store_lmdb_options options = {
        .folder = folder, .map_bytes = 64u << 20, .limit_bytes = 32u << 20, .reserve_bytes = 1u << 20};
    struct problem problem = {0};
    for (int opened = 0; opened < 2; opened++) {
        struct store *store;
        struct trail trail;
        if (store_lmdb_open(&options, &store, &problem) != ERR_NONE)
            fail_msg("%s", problem.text);
        open_trail(&trail, store);
        for (unsigned i = 0; i < 200; i++)
            append(&trail, (unsigned)trail.end.sequence + 1);
        assert_int_equal(trail_sync(&trail), ERR_NONE);
        assert_true(trail.count > 20);
        assert_true(read_all(&trail, 7) == 200u * (unsigned)(opened + 1));
        trail_finish(&trail);
        store->ops->close(store);
    }
    snprintf(command, sizeof command, "rm -r %s", folder);
    assert_int_equal(system(command), 0);
}

/* Appended by one thread, synced by another, on a disk: what a sync says is durable was appended before it. */
struct syncing {
    struct trail *trail;
    pthread_mutex_t lock;
    atomic_bool stop;
    unsigned syncs;
};

static void *sync_on(void *arg)
{
    struct syncing *syncing = arg;
    uint64_t before = 0;
    while (!atomic_load(&syncing->stop)) {
        struct trail_mark mark;
        pthread_mutex_lock(&syncing->lock);
        enum err err = trail_sync_begin(syncing->trail, &mark);
        pthread_mutex_unlock(&syncing->lock);
        if (err == ERR_NONE)
            err = trail_sync_run(syncing->trail, &mark);
        pthread_mutex_lock(&syncing->lock);
        err = trail_sync_end(syncing->trail, &mark, err);
        bool forwards = mark.end.sequence >= before && mark.end.sequence <= syncing->trail->end.sequence;
        pthread_mutex_unlock(&syncing->lock);
        if (err != ERR_NONE || !forwards)
            return syncing;
        before = mark.end.sequence;
        syncing->syncs++;
    }
    return NULL;
}

static void test_sync_beside_append(void **state)
{
    (void)state;
    char folder[] = "/tmp/vacancy-trail-XXXXXX", command[64];
    assert_non_null(mkdtemp(folder));
    struct store_lmdb_options options = {
        .folder = folder, .map_bytes = 64u << 20, .limit_bytes = 32u << 20, .reserve_bytes = 1u << 20};
    struct problem problem = {0};
    struct store *store;
    struct trail trail;
    if (store_lmdb_open(&options, &store, &problem) != ERR_NONE)
        fail_msg("%s", problem.text);
    open_trail(&trail, store);
    struct syncing syncing = {.trail = &trail};
    pthread_mutex_init(&syncing.lock, NULL);
    pthread_t thread;
    void *failed;
    assert_int_equal(pthread_create(&thread, NULL, sync_on, &syncing), 0);
    for (unsigned i = 1; i <= 300; i++) {
        pthread_mutex_lock(&syncing.lock);
        append(&trail, i);
        if (i % 50 == 0)
            assert_true(read_all(&trail, RECORDS) == i);
        pthread_mutex_unlock(&syncing.lock);
    }
    atomic_store(&syncing.stop, true);
    pthread_join(thread, &failed);
    assert_null(failed);
    pthread_mutex_destroy(&syncing.lock);
    trail_finish(&trail);
    open_trail(&trail, store);
    assert_true(trail.end.sequence == 300);
    assert_int_equal(trail_sync(&trail), ERR_NONE); /* writes anew what was there */
    assert_true(read_all(&trail, 7) == 300);
    trail_finish(&trail);
    store->ops->close(store);
    snprintf(command, sizeof command, "rm -r %s", folder);
    assert_int_equal(system(command), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rotates_and_reads_back),  cmocka_unit_test(test_reads_from_anywhere),
        cmocka_unit_test(test_readers_side_by_side),    cmocka_unit_test(test_altered),
        cmocka_unit_test(test_dropped_swapped_doubled), cmocka_unit_test(test_torn_tail),
        cmocka_unit_test(test_refused_append),          cmocka_unit_test(test_failed_sync),
        cmocka_unit_test(test_many_segments_on_disk),   cmocka_unit_test(test_sync_beside_append),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
