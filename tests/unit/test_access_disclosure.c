/* tier: check */
/*
 * test_access_disclosure.c - signed heads over both chains, and what a restart makes of a trail that is not the one the
 * last head covers (design 4.8; the audit items of issue 2).
 */
#include "daemon/record/ids.h"
#include "tests/lib/fake_hub.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>
#include <pthread.h>

static struct fake_hub hub;

static int set_up(void **state)
{
    (void)state;
    fake_hub_open(&hub);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    fake_hub_close(&hub);
    return 0;
}

static enum err record(uint64_t subject)
{
    struct audit_entry entry = {.at_ms = hub.now_ms,
                                .principal = FAKE_TEAM,
                                .method = "/vacancy.v1.PlacementService/FindVacancies",
                                .request_reference = "383-204417",
                                .purpose = 1,
                                .subjects = &subject,
                                .subject_count = 1};
    return disclosure_record(hub.disclosures, &entry);
}

static enum err reopen(const struct signer *signer, struct problem *problem)
{
    disclosures_close(hub.disclosures);
    hub.disclosures = NULL;
    memset(problem, 0, sizeof *problem);
    return disclosures_open(hub.store, hub.home, FAKE_REGION, &hub.clock, signer, &hub.disclosures, problem);
}

static void test_head_covers_both_chains(void **state)
{
    (void)state;
    struct signed_head head, again;
    struct audit_position writes;
    assert_int_equal(record(1), ERR_NONE);
    assert_int_equal(record(2), ERR_NONE);
    assert_int_equal(disclosures_last_head(hub.disclosures, &head), ERR_NONE);
    home_audit_position(hub.home, &writes);
    assert_true(writes.sequence >= 2); /* the two agencies */
    assert_true(head.head.writes.sequence == writes.sequence);
    assert_memory_equal(head.head.writes.hash, writes.hash, DIGEST_BYTES);
    assert_true(head.head.disclosures.sequence == 2);
    assert_true(signature_verify(head.public_key, head.text, strlen(head.text), head.signature));
    /* Nothing moved: the same head. */
    hub.now_ms += 1000;
    assert_int_equal(disclosures_last_head(hub.disclosures, &again), ERR_NONE);
    assert_string_equal(head.text, again.text);
    assert_int_equal(record(3), ERR_NONE);
    hub.now_ms -= 5000; /* a clock that steps back signs no earlier time */
    assert_int_equal(disclosures_last_head(hub.disclosures, &again), ERR_NONE);
    assert_true(again.head.disclosures.sequence == 3);
    assert_true(again.head.at_ms >= head.head.at_ms);
}

static void test_restart(void **state)
{
    (void)state;
    struct problem problem;
    struct signed_head before, after;
    for (uint64_t i = 1; i <= 5; i++)
        assert_int_equal(record(i), ERR_NONE);
    assert_int_equal(disclosures_last_head(hub.disclosures, &before), ERR_NONE);
    assert_int_equal(record(6), ERR_NONE); /* not headed: handed to the operating system only */
    assert_int_equal(reopen(hub.signer, &problem), ERR_NONE);
    assert_int_equal(disclosures_last_head(hub.disclosures, &after), ERR_NONE);
    assert_true(after.head.disclosures.sequence == 6);
}

static void test_heads_go_round(void **state)
{
    (void)state;
    struct problem problem;
    struct signed_head before, after;
    for (uint64_t i = 1; i <= 600; i++) {
        hub.now_ms += 100;
        assert_int_equal(record(i), ERR_NONE);
        assert_int_equal(disclosure_head(hub.disclosures), ERR_NONE);
    }
    assert_int_equal(disclosures_last_head(hub.disclosures, &before), ERR_NONE);
    assert_int_equal(reopen(hub.signer, &problem), ERR_NONE);
    assert_int_equal(disclosures_last_head(hub.disclosures, &after), ERR_NONE);
    assert_string_equal(before.text, after.text);
    for (int which = 0; which < 2; which++) {
        uint8_t octets[128 * 1024];
        size_t got = 0;
        assert_int_equal(hub.store->ops->segment_read(hub.store, which ? "disclosure-heads-b" : "disclosure-heads-a", 0,
                                                      octets, sizeof octets, &got),
                         ERR_NONE);
        assert_in_range(got, 1, 64 * 1024);
    }
}

/* A trail shorter than its last signed head is refused, with what to do. */
static void test_cut_trail(void **state)
{
    (void)state;
    struct problem problem;
    uint8_t image[4096];
    size_t size = 0;
    for (uint64_t i = 1; i <= 4; i++)
        assert_int_equal(record(i), ERR_NONE);
    assert_int_equal(disclosure_head(hub.disclosures), ERR_NONE);
    assert_int_equal(hub.store->ops->segment_read(hub.store, "disclosures-00000001", 0, image, sizeof image, &size),
                     ERR_NONE);
    for (size_t cut = 0; cut < size; cut += 13) {
        assert_int_equal(hub.store->ops->segment_truncate(hub.store, "disclosures-00000001", cut), ERR_NONE);
        assert_int_equal(reopen(hub.signer, &problem), ERR_STORE_DAMAGED);
        assert_non_null(strstr(problem.text, "part of it is missing"));
        assert_int_equal(hub.store->ops->segment_truncate(hub.store, "disclosures-00000001", 0), ERR_NONE);
        assert_int_equal(
            hub.store->ops->segment_append(hub.store, "disclosures-00000001", &(struct octets){image, size}), ERR_NONE);
        assert_int_equal(reopen(hub.signer, &problem), ERR_NONE);
    }
}

/* Another trail of the same length, made by the same program: only the signed head tells. */
static void test_other_trail(void **state)
{
    (void)state;
    struct problem problem;
    uint8_t mine[4096];
    size_t size = 0;
    for (uint64_t i = 1; i <= 4; i++)
        assert_int_equal(record(i), ERR_NONE);
    assert_int_equal(disclosure_head(hub.disclosures), ERR_NONE);
    struct fake_hub other;
    fake_hub_open(&other);
    struct fake_hub keep = hub;
    hub = other;
    for (uint64_t i = 1; i <= 4; i++)
        assert_int_equal(record(i + 100), ERR_NONE);
    assert_int_equal(disclosure_head(hub.disclosures), ERR_NONE);
    assert_int_equal(hub.store->ops->segment_read(hub.store, "disclosures-00000001", 0, mine, sizeof mine, &size),
                     ERR_NONE);
    other = hub;
    hub = keep;
    fake_hub_close(&other);
    assert_int_equal(hub.store->ops->segment_truncate(hub.store, "disclosures-00000001", 0), ERR_NONE);
    assert_int_equal(hub.store->ops->segment_append(hub.store, "disclosures-00000001", &(struct octets){mine, size}),
                     ERR_NONE);
    assert_int_equal(reopen(hub.signer, &problem), ERR_STORE_DAMAGED);
    assert_non_null(strstr(problem.text, "not the one"));
}

static void test_other_key(void **state)
{
    (void)state;
    struct problem problem;
    uint8_t seed[32] = {8};
    struct signer *other = signer_from_seed(seed);
    assert_int_equal(record(1), ERR_NONE);
    assert_int_equal(disclosure_head(hub.disclosures), ERR_NONE);
    assert_int_equal(reopen(other, &problem), ERR_PRECONDITION);
    assert_non_null(strstr(problem.text, "signing key"));
    assert_int_equal(reopen(hub.signer, &problem), ERR_NONE);
    signer_destroy(other);
}

/* A kill keeps what was handed over; a power cut may take what no head covers, and nothing else. */
static void test_crashes(void **state)
{
    (void)state;
    struct problem problem;
    struct signed_head head;
    for (uint64_t i = 1; i <= 3; i++)
        assert_int_equal(record(i), ERR_NONE);
    assert_int_equal(disclosure_head(hub.disclosures), ERR_NONE);
    assert_int_equal(record(4), ERR_NONE);
    store_memory_crash(hub.store, true);
    assert_int_equal(reopen(hub.signer, &problem), ERR_NONE);
    assert_int_equal(disclosures_last_head(hub.disclosures, &head), ERR_NONE);
    assert_true(head.head.disclosures.sequence == 4);
    assert_int_equal(record(5), ERR_NONE);
    store_memory_crash(hub.store, false);
    assert_int_equal(reopen(hub.signer, &problem), ERR_NONE);
    assert_int_equal(disclosures_last_head(hub.disclosures, &head), ERR_NONE);
    assert_true(head.head.disclosures.sequence == 4);
}

/* --- what happens while a head waits for the disk ----------------------------------------------------------------- */

static struct {
    struct store_ops ops;
    enum err (*sync)(struct store *store, const char *segment);
    uint64_t recorded; /* beside the sync of the disclosures; 0: not yet */
    enum err answer;   /* to the next sync of the disclosures, once */
} beside;

static enum err sync_slowly(struct store *store, const char *segment)
{
    enum err answer = beside.answer;
    if (strncmp(segment, "disclosures-", 12) != 0)
        return beside.sync(store, segment);
    beside.answer = ERR_NONE;
    if (beside.recorded == 0) {
        beside.recorded = 77;
        /* On this same thread: it would never come back if the head held up those who record. */
        assert_int_equal(record(beside.recorded), ERR_NONE);
    }
    return answer == ERR_NONE ? beside.sync(store, segment) : answer;
}

static void slow_down(enum err answer)
{
    beside.ops = *hub.store->ops;
    beside.sync = hub.store->ops->segment_sync;
    beside.recorded = 0;
    beside.answer = answer;
    beside.ops.segment_sync = sync_slowly;
    hub.store->ops = &beside.ops;
}

/* A record goes on the trail while a head is synced; that head does not cover it, the next one does. */
static void test_record_beside_sync(void **state)
{
    (void)state;
    struct signed_head head;
    assert_int_equal(record(1), ERR_NONE);
    assert_int_equal(record(2), ERR_NONE);
    slow_down(ERR_NONE);
    assert_int_equal(disclosures_last_head(hub.disclosures, &head), ERR_NONE);
    assert_true(head.head.disclosures.sequence == 2);
    assert_int_equal(disclosures_last_head(hub.disclosures, &head), ERR_NONE);
    assert_true(head.head.disclosures.sequence == 3);
}

/* D15: a sync that had no room lost nothing, and the next one covers all. */
static void test_no_room_to_sync(void **state)
{
    (void)state;
    struct signed_head head;
    assert_int_equal(record(1), ERR_NONE);
    slow_down(ERR_STORE_FULL);
    assert_int_equal(disclosure_head(hub.disclosures), ERR_STORE_FULL);
    assert_int_equal(record(2), ERR_NONE);
    assert_int_equal(disclosures_last_head(hub.disclosures, &head), ERR_NONE);
    assert_true(head.head.disclosures.sequence == 3);
}

/* D5: after a failed sync nothing is shown and no head is signed, whatever later syncs would say, until a restart. */
static void test_failed_sync(void **state)
{
    (void)state;
    struct problem problem;
    struct signed_head head;
    assert_int_equal(record(1), ERR_NONE);
    slow_down(ERR_STORE_IO);
    assert_int_equal(disclosure_head(hub.disclosures), ERR_STORE_IO);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(record(2), ERR_STORE_IO);
        assert_int_equal(disclosure_head(hub.disclosures), ERR_STORE_IO);
        assert_int_equal(disclosures_last_head(hub.disclosures, &head), ERR_STORE_IO);
    }
    assert_int_equal(reopen(hub.signer, &problem), ERR_NONE);
    assert_int_equal(record(3), ERR_NONE);
    assert_int_equal(disclosures_last_head(hub.disclosures, &head), ERR_NONE);
    assert_true(head.head.disclosures.sequence == 3);
}

/* --- several at once --------------------------------------------------------------------------------------------- */

#define TOGETHER 1000 /* some batches */

static enum err gather(uint64_t subject, struct disclosure_batch **out)
{
    struct audit_entry entry = {.at_ms = hub.now_ms,
                                .principal = FAKE_TEAM,
                                .method = "/vacancy.v1.PlacementService/FindVacancies",
                                .request_reference = "383-204417",
                                .purpose = 1,
                                .subjects = &subject,
                                .subject_count = 1};
    return disclosure_gather(hub.disclosures, &entry, out);
}

static uint64_t trail_end(void)
{
    struct signed_head head;
    assert_int_equal(disclosures_last_head(hub.disclosures, &head), ERR_NONE);
    return head.head.disclosures.sequence;
}

/* One that is awaited takes all that were gathered with it; each is there once and in order, after a restart too. */
static void test_gathered(void **state)
{
    (void)state;
    static struct disclosure_batch *batches[TOGETHER];
    static struct audit_row rows[TOGETHER];
    struct problem problem;
    struct arena arena;
    size_t got;
    for (uint64_t i = 0; i < TOGETHER; i++)
        assert_int_equal(gather(i + 1, &batches[i]), ERR_NONE);
    assert_true(trail_end() < TOGETHER);                      /* the last are not written before somebody awaits them */
    disclosure_leave(hub.disclosures, batches[TOGETHER - 1]); /* left unawaited */
    for (uint64_t i = 0; i < TOGETHER - 1; i++) {
        assert_int_equal(disclosure_await(hub.disclosures, batches[i]), ERR_NONE);
        disclosure_leave(hub.disclosures, batches[i]);
    }
    assert_true(trail_end() == TOGETHER);
    assert_int_equal(record(TOGETHER + 1), ERR_NONE);
    assert_int_equal(reopen(hub.signer, &problem), ERR_NONE);
    assert_true(trail_end() == TOGETHER + 1);
    arena_init(&arena, 4 << 20);
    assert_int_equal(disclosures_read(hub.disclosures, 1, &arena, rows, TOGETHER, &got), ERR_NONE);
    assert_int_equal(got, TOGETHER);
    arena_finish(&arena);
}

/* What can't be written is refused to each that awaits it, and goes on when there is room (D3, D15). */
static void test_gathered_without_room(void **state)
{
    (void)state;
    struct disclosure_batch *first, *second, *later;
    struct store_memory_plan full = {.calls_until_crash = -1, .calls_until_full = 0};
    struct store_memory_plan fine = {.calls_until_crash = -1, .calls_until_full = -1};
    assert_int_equal(gather(1, &first), ERR_NONE);
    assert_int_equal(gather(2, &second), ERR_NONE);
    store_memory_set_plan(hub.store, &full);
    assert_int_equal(disclosure_await(hub.disclosures, first), ERR_STORE_FULL);
    store_memory_set_plan(hub.store, &fine);
    assert_int_equal(disclosure_await(hub.disclosures, second), ERR_STORE_FULL); /* it was refused with the first */
    assert_int_equal(gather(3, &later), ERR_NONE);
    assert_int_equal(disclosure_await(hub.disclosures, later), ERR_NONE);
    disclosure_leave(hub.disclosures, first);
    disclosure_leave(hub.disclosures, second);
    disclosure_leave(hub.disclosures, later);
    assert_true(trail_end() == 1);
}

static void *gather_many(void *arg)
{
    (void)arg;
    for (uint64_t i = 0; i < TOGETHER; i++) {
        struct disclosure_batch *batch;
        if (gather(i + 1, &batch) != ERR_NONE || disclosure_await(hub.disclosures, batch) != ERR_NONE)
            return (void *)1;
        disclosure_leave(hub.disclosures, batch);
    }
    return NULL;
}

static void test_gathered_by_several_threads(void **state)
{
    (void)state;
    pthread_t threads[4];
    void *failed;
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, gather_many, NULL), 0);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(pthread_join(threads[i], &failed), 0);
        assert_null(failed);
    }
    assert_true(trail_end() == 4 * TOGETHER);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_head_covers_both_chains, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_restart, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_heads_go_round, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_cut_trail, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_other_trail, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_other_key, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_crashes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_record_beside_sync, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_no_room_to_sync, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_failed_sync, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_gathered, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_gathered_without_room, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_gathered_by_several_threads, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
