/* tier: check */
/*
 * test_replica_snapshot.c - a region taken afresh: staged, proven, published; never seen before that.
 * Shows: R19 (headers from the first one on, state from a proven snapshot), "a snapshot that lacks or adds one record",
 * design section 9 (fuzzy, resumable, one row changes, old data served until then).
 */
#include "tests/unit/replica_fixture.h"

static uint64_t seed;

struct source {
    struct origin *a, *b;
    struct rig *rig;
};

static int set_up(void **state)
{
    struct source *source = calloc(1, sizeof *source);
    source->a = origin_started(REGION_A, seed, 20, 10);
    source->b = origin_started(REGION_B, seed, 2, 3);
    source->rig = rig_create(source->a, source->b);
    *state = source;
    return 0;
}

static int tear_down(void **state)
{
    struct source *source = *state;
    rig_destroy(source->rig);
    origin_destroy(source->a);
    origin_destroy(source->b);
    free(source);
    return 0;
}

static void stage_headers(struct rig *rig, const struct origin *origin, uint64_t end)
{
    assert_verdict(rig, begin_of(origin, end), VERDICT_STAGED);
    for (uint64_t first = 1; first <= end; first += 50)
        assert_verdict(rig, headers_of(origin, first, first + 49 < end ? first + 49 : end), VERDICT_STAGED);
}

static void assert_nothing_shown(struct rig *rig)
{
    struct log_reader reader = replica_log_reader(rig->replica);
    struct signed_checkpoint newest;
    struct replica_status status = rig_status(rig, REGION_A);
    struct log_slice slice;
    struct record_slice records;
    struct arena arena;
    arena_init(&arena, 1 << 20);
    assert_false(status.present);
    assert_int_equal(rig->shown[0].count, 0);
    assert_int_equal(rig->shown[0].commits, 0);
    assert_int_equal(reader.newest(reader.ctx, REGION_A, &newest), ERR_NOT_FOUND);
    assert_int_equal(reader.entries(reader.ctx, REGION_A, &(struct log_cursor){0}, &arena, &slice), ERR_NONE);
    assert_int_equal(slice.refusal, LOG_NOT_HERE);
    assert_int_equal(reader.records(reader.ctx, REGION_A, LOG_TABLE_NONE, &(struct octets){0}, &arena, &records),
                     ERR_NOT_FOUND);
    arena_finish(&arena);
}

/* While it is scanned the register goes on: records of several moments, and the log that makes them one. */
static void test_fuzzy_R19(void **state)
{
    struct source *source = *state;
    struct rig *rig = source->rig;
    struct origin *a = source->a;
    uint64_t begin = a->sequence;
    stage_headers(rig, a, begin);
    for (size_t at = 0; at < a->records; at += 7) {
        assert_verdict(rig, records_of(a, at, at + 7), VERDICT_STAGED);
        assert_nothing_shown(rig);
        /* Changes only of records that keep their place: puts of known keys, so that `at` goes on where it was. */
        const struct kept kept = a->state[random_up_to(&a->random, (uint32_t)a->records - 1)];
        struct octets key = {kept.key, kept.key_bytes}, value = origin_value(a, kept.table);
        a->time_ms += 10;
        origin_log(a, kept.table, &key, &value);
        origin_keep(a, kept.table, &key, &value);
        origin_sign(a);
    }
    uint64_t first = begin + 1, end = begin + 3;
    assert_verdict(rig, log_of(a, first, end), VERDICT_STAGED); /* not yet at what was read last */
    assert_nothing_shown(rig);
    assert_verdict(rig, log_of(a, end + 1, a->sequence), VERDICT_APPLIED);
    assert_replica_is(rig, a);
    assert_int_equal(rig_status(rig, REGION_A).staging, false);
    rig_tidy(rig);
    rig_restart(rig);
    assert_replica_is(rig, a);
    origin_commit(a, 5, 40);
    rig_follow(rig, a);
    assert_replica_is(rig, a);
}

/* Deletions and new keys meanwhile, too. */
static void test_fuzzy_with_deletions(void **state)
{
    struct source *source = *state;
    struct rig *rig = source->rig;
    struct origin *a = source->a;
    for (int round = 0; round < scaled(15) && a->sequence < ORIGIN_ROWS - 100; round++) {
        uint64_t begin = a->sequence;
        stage_headers(rig, a, begin);
        struct kept last = {0};
        for (bool more = true; more;) {
            size_t at = 0;
            struct octets key = {last.key, last.key_bytes};
            while (at < a->records && kept_compare(&a->state[at], last.table, &key) <= 0)
                at++;
            more = at < a->records;
            if (!more)
                break;
            size_t end = at + 1 + random_up_to(&a->random, 9);
            assert_verdict(rig, records_of(a, at, end), VERDICT_STAGED);
            last = a->state[end < a->records ? end - 1 : a->records - 1];
            if (random_up_to(&a->random, 3) == 0)
                rig_restart(rig);
            origin_commit(a, 1 + random_up_to(&a->random, 3), 60);
        }
        uint64_t from = begin + 1;
        enum replica_verdict verdict = VERDICT_STAGED;
        for (uint64_t at = from; at <= a->sequence; at++)
            if (a->at[at].text[0] != '\0') {
                verdict = rig_give(rig, log_of(a, from, at));
                if (verdict == VERDICT_APPLIED) { /* proven, maybe before the end */
                    rig_follow(rig, a);
                    break;
                }
                assert_int_equal(verdict, VERDICT_STAGED);
                from = at + 1;
            }
        assert_int_equal(verdict, VERDICT_APPLIED);
        assert_replica_is(rig, a);
        rig_tidy(rig);
    }
}

/* --- one record too few, too many, or another --------------------------------------------------------------------- */

static void test_lacks_or_adds_one(void **state)
{
    struct source *source = *state;
    struct rig *rig = source->rig;
    struct origin *a = source->a;
    uint64_t end = a->sequence;
    for (int wrong = 0; wrong < 3; wrong++) {
        stage_headers(rig, a, end);
        if (wrong == 0) {
            assert_verdict(rig, records_of(a, 0, 20), VERDICT_STAGED);
            assert_verdict(rig, records_of(a, 21, 1000), VERDICT_STAGED);
        } else {
            struct replica_work *work = records_of(a, 0, 1000);
            struct shared_record *last = &work->records[work->record_count - 1];
            static const uint8_t key[HOLD_KEY_BYTES] = {0xff, 1, [15] = 1};
            if (wrong == 1) {
                struct shared_record *more = arena_alloc(&work->arena, (work->record_count + 1) * sizeof *more);
                memcpy(more, work->records, work->record_count * sizeof *more);
                more[work->record_count] = *last;
                more[work->record_count++].key =
                    (struct octets){key, last->table == LOG_TABLE_HOLD ? HOLD_KEY_BYTES : 8};
                work->records = more;
            } else {
                last->value = origin_value(a, last->table);
            }
            assert_verdict(rig, work, VERDICT_STAGED);
        }
        assert_verdict(rig, log_of(a, end + 1, end), wrong == 1 ? VERDICT_FROZEN : VERDICT_MISMATCH);
        assert_nothing_shown(rig);
        assert_false(rig_status(rig, REGION_A).staging);
        if (wrong == 1) { /* the second time; anew, for the third way */
            assert_int_equal(rig_status(rig, REGION_A).frozen, FROZEN_UNPROVEN);
            rig_destroy(rig);
            rig = source->rig = rig_create(source->a, source->b);
        }
    }
    rig_tidy(rig);
    struct store_usage usage;
    assert_int_equal(rig->store->ops->usage(rig->store, &usage), ERR_NONE);
    assert_int_equal(usage.entries[STORE_RECORDS] + usage.entries[STORE_REPLICA_LOG], 0);
}

static struct replica_work *from(const char *peer, struct replica_work *work)
{
    snprintf(work->peer, sizeof work->peer, "%s", peer);
    return work;
}

/* A whole snapshot that lacks a record; its records from `first`, the rest from `second`. */
static enum replica_verdict false_snapshot(struct source *source, const char *first, const char *second)
{
    struct rig *rig = source->rig;
    uint64_t end = source->a->sequence;
    assert_verdict(rig, from(first, begin_of(source->a, end)), VERDICT_STAGED);
    assert_verdict(rig, from(first, headers_of(source->a, 1, end)), VERDICT_STAGED);
    assert_verdict(rig, from(first, records_of(source->a, 1, 1000)), VERDICT_STAGED);
    return rig_give(rig, from(second, log_of(source->a, end + 1, end)));
}

/* One hub's false snapshots, however many, freeze nothing, nor does one that two hubs gave parts of; those of two do.
 */
static void test_one_liar_freezes_nothing(void **state)
{
    struct source *source = *state;
    for (int i = 0; i < 3; i++) {
        assert_int_equal(false_snapshot(source, "E12000007", "E12000007"), VERDICT_MISMATCH);
        rig_restart(source->rig);
        assert_int_equal(false_snapshot(source, "E12000007", "E12000008"), VERDICT_MISMATCH);
    }
    assert_int_equal(rig_status(source->rig, REGION_A).frozen, FROZEN_NOT);
    assert_int_equal(false_snapshot(source, "E12000008", "E12000008"), VERDICT_FROZEN);
    assert_int_equal(rig_status(source->rig, REGION_A).frozen, FROZEN_UNPROVEN);
}

static void test_out_of_order(void **state)
{
    struct source *source = *state;
    struct rig *rig = source->rig;
    struct origin *a = source->a;
    uint64_t end = a->sequence;
    assert_verdict(rig, headers_of(a, 1, 50), VERDICT_GAP); /* nothing was begun */
    assert_verdict(rig, records_of(a, 0, 5), VERDICT_GAP);
    assert_verdict(rig, log_of(a, end + 1, end), VERDICT_GAP);
    assert_verdict(rig, begin_of(a, end), VERDICT_STAGED);
    assert_verdict(rig, headers_of(a, 2, 50), VERDICT_GAP);
    assert_verdict(rig, headers_of(a, 1, 50), VERDICT_STAGED);
    assert_verdict(rig, records_of(a, 0, 5), VERDICT_GAP); /* headers first */
    assert_verdict(rig, log_of(a, end + 1, end), VERDICT_GAP);
    assert_verdict(rig, headers_of(a, 31, 100), VERDICT_STAGED); /* what it has is passed over */
    assert_verdict(rig, headers_of(a, 1, 60), VERDICT_STAGED);
    assert_verdict(rig, headers_of(a, 101, end), VERDICT_STAGED);
    assert_verdict(rig, records_of(a, 5, 10), VERDICT_STAGED);
    assert_verdict(rig, records_of(a, 9, 12), VERDICT_LIE); /* 9 came already */
    assert_false(rig_status(rig, REGION_A).staging);

    stage_headers(rig, a, end);
    struct replica_work *work = records_of(a, 0, 5);
    struct shared_record swapped = work->records[2];
    work->records[2] = work->records[3];
    work->records[3] = swapped;
    assert_verdict(rig, work, VERDICT_LIE);
    stage_headers(rig, a, end);
    work = records_of(a, 0, 5);
    work->records[4].table = (enum log_table)9;
    assert_verdict(rig, work, VERDICT_LIE);
    stage_headers(rig, a, end);
    work = records_of(a, 0, 5);
    work->records[4].key.size = 0;
    assert_verdict(rig, work, VERDICT_LIE);

    assert_verdict(rig, begin_of(a, end), VERDICT_STAGED); /* headers that lead elsewhere */
    struct origin *branch = origin_branch(a, 7);
    branch->sequence = end - 1;
    memcpy(branch->head, a->rows[end].header.data + 33, DIGEST_BYTES);
    origin_change(branch, 30);
    assert_verdict(rig, headers_of(branch, 1, end), VERDICT_LIE);
    branch_destroy(branch);
    assert_verdict(rig, begin_of(a, end), VERDICT_STAGED);
    work = headers_of(a, 1, end);
    work->headers.size -= 5;
    assert_verdict(rig, work, VERDICT_LIE);
    work = headers_of(a, 1, end);
    ((uint8_t *)work->headers.data)[20 * LOG_HEADER_BYTES + 70] ^= 1;
    assert_verdict(rig, work, VERDICT_LIE);
    assert_nothing_shown(rig);
    assert_verdict(rig, replica_work_create(WORK_SNAPSHOT_DROP, REGION_A), VERDICT_KNOWN);
    stage_headers(rig, a, end);
    assert_verdict(rig, replica_work_create(WORK_SNAPSHOT_DROP, REGION_A), VERDICT_KNOWN);
    assert_false(rig_status(rig, REGION_A).staging);
}

/* A source that says that it read later than there was can't keep an honest one from finishing. */
static void test_claimed_reading(void **state)
{
    struct source *source = *state;
    struct origin *a = source->a;
    uint64_t end = a->sequence;
    stage_headers(source->rig, a, end);
    struct replica_work *work = records_of(a, 0, 1000);
    work->read_at_sequence = UINT64_MAX;
    assert_verdict(source->rig, work, VERDICT_STAGED);
    assert_verdict(source->rig, log_of(a, end + 1, end), VERDICT_APPLIED);
    assert_replica_is(source->rig, a);
}

/* Nor fill the disk with records that nobody signed. */
static void test_far_too_many_records(void **state)
{
    struct source *source = *state;
    struct rig *rig = source->rig;
    uint64_t end = source->a->sequence, key = 1;
    struct octets value = origin_value(source->a, LOG_TABLE_CARER);
    enum replica_verdict verdict = VERDICT_STAGED;
    stage_headers(rig, source->a, end);
    while (verdict == VERDICT_STAGED && key < 200000) {
        struct replica_work *work = replica_work_create(WORK_SNAPSHOT_RECORDS, REGION_A);
        work->records = arena_alloc(&work->arena, 1000 * sizeof *work->records);
        for (; work->record_count < 1000; key++) {
            uint8_t *octets = arena_alloc(&work->arena, 8);
            put_be64(octets, key);
            work->records[work->record_count++] = (struct shared_record){LOG_TABLE_CARER, {octets, 8}, value};
        }
        verdict = rig_give(rig, work);
    }
    assert_int_equal(verdict, VERDICT_TOO_LARGE);
    assert_true(key < 2 * source->a->records + 70000);
    rig_tidy(rig);
    struct store_usage usage;
    assert_int_equal(rig->store->ops->usage(rig->store, &usage), ERR_NONE);
    assert_int_equal(usage.entries[STORE_RECORDS], 0);
}

/* The proof must be of the epoch that the log is in. */
static void test_proof_of_another_epoch(void **state)
{
    struct source *source = *state;
    struct origin *a = source->a;
    uint64_t end = a->sequence;
    struct signed_checkpoint other;
    struct checkpoint stated = origin_states(a);
    stated.epoch = 2;
    checkpoint_sign(&stated, a->signer, &other);
    stage_headers(source->rig, a, end);
    assert_verdict(source->rig, records_of(a, 0, 1000), VERDICT_STAGED);
    assert_verdict(source->rig, work_of(WORK_SNAPSHOT_LOG, a, 1, 0, &other), VERDICT_LIE);
    stated.epoch = 1;
    stated.epoch_id[3] ^= 1;
    checkpoint_sign(&stated, a->signer, &other);
    assert_verdict(source->rig, work_of(WORK_SNAPSHOT_LOG, a, 1, 0, &other), VERDICT_FROZEN);
    assert_nothing_shown(source->rig);
}

/* --- going on ---------------------------------------------------------------------------------------------------- */

/* What replica_status says is where to go on: after a restart at any point, and from another source. */
static void test_resumed_anywhere(void **state)
{
    struct source *source = *state;
    struct rig *rig = source->rig;
    struct origin *a = source->a;
    uint64_t begin = a->sequence;
    unsigned steps = 0;
    assert_verdict(rig, begin_of(a, begin), VERDICT_STAGED);
    for (enum replica_verdict verdict = VERDICT_STAGED; verdict != VERDICT_APPLIED; steps++) {
        assert_true(steps < 1000);
        rig_restart(rig);
        struct replica_status status = rig_status(rig, REGION_A);
        assert_true(status.staging);
        assert_int_equal(status.staged_from_sequence, begin);
        assert_memory_equal(status.staged_head, a->at[begin].checkpoint.head, DIGEST_BYTES);
        assert_nothing_shown(rig);
        if (status.staged_headers < begin) {
            uint64_t last = status.staged_headers + 37;
            verdict = rig_give(rig, headers_of(a, status.staged_headers + 1, last < begin ? last : begin));
            continue;
        }
        size_t at = 0;
        struct octets key = {status.staged_key, status.staged_key_bytes};
        while (at < a->records && kept_compare(&a->state[at], status.staged_table, &key) <= 0)
            at++;
        if (at < a->records) {
            verdict = rig_give(rig, records_of(a, at, at + 11));
            assert_int_equal(verdict, VERDICT_STAGED);
            origin_commit(a, 2, 60);
            continue;
        }
        for (uint64_t from = begin + 1, end = from; end <= a->sequence && verdict != VERDICT_APPLIED; end++)
            if (a->at[end].text[0] != '\0') { /* the log always from the beginning */
                verdict = rig_give(rig, log_of(a, from, end));
                assert_true(verdict == VERDICT_STAGED || verdict == VERDICT_APPLIED);
                from = end + 1;
                if (random_up_to(&a->random, 4) == 0)
                    break;
            }
    }
    rig_follow(rig, a);
    assert_replica_is(rig, a);
    rig_restart(rig);
    assert_replica_is(rig, a);
}

/* A crash between any two calls of the store: nothing unproven is ever shown, and it always gets there. */
static void test_crash_anywhere(void **state)
{
    struct source *source = *state;
    struct rig *rig = source->rig;
    struct origin *a = source->a;
    struct seeded_random random;
    seeded_random_init(&random, seed);
    for (int round = 0; round < scaled(40) && a->sequence < ORIGIN_ROWS - 100; round++) {
        struct store_memory_plan plan = {.calls_until_crash = 1 + random_up_to(&random, 1500),
                                         .crash_after_commit = random_up_to(&random, 1),
                                         .calls_until_full = -1};
        uint64_t proven = rig_status(rig, REGION_A).durable_sequence;
        store_memory_set_plan(rig->store, &plan);
        origin_commit(a, 2, 60);
        uint64_t end = a->sequence;
        (void)rig_give(rig, begin_of(a, end));
        for (uint64_t first = 1; first <= end; first += 100)
            (void)rig_give(rig, headers_of(a, first, first + 99 < end ? first + 99 : end));
        for (size_t at = 0; at < a->records; at += 20)
            (void)rig_give(rig, records_of(a, at, at + 20));
        enum replica_verdict verdict = rig_give(rig, log_of(a, end + 1, end));
        (void)replica_tidy(rig->replica);
        rig_restart(rig);
        struct replica_status status = rig_status(rig, REGION_A);
        assert_true(!status.present || status.durable_sequence == proven || status.durable_sequence == end);
        assert_true(verdict != VERDICT_APPLIED || status.durable_sequence == end);
        if (status.durable_sequence == end)
            assert_replica_is(rig, a);
        plan.calls_until_crash = -1;
        store_memory_set_plan(rig->store, &plan);
        if (round % 7 == 0) {
            rig_tidy(rig);
            (void)rig_give(rig, batch_of(a, rig_status(rig, REGION_A).durable_sequence + 1, end));
        }
    }
}

/* --- publishing
 * --------------------------------------------------------------------------------------------------------- */

/* Over what stood before: observers get one commit that holds the difference, in parts; the old is dropped in slices.
 */
static void test_difference(void **state)
{
    struct source *source = *state;
    struct rig *rig = source->rig;
    struct origin *a = source->a;
    rig_follow(rig, a);
    unsigned commits = rig->shown[0].commits;
    struct store_usage before, after;
    assert_int_equal(rig->store->ops->usage(rig->store, &before), ERR_NONE);
    uint64_t end = a->sequence;
    stage_headers(rig, a, end);
    assert_verdict(rig, records_of(a, 0, 1000), VERDICT_STAGED);
    assert_verdict(rig, log_of(a, end + 1, end), VERDICT_APPLIED);
    assert_int_equal(rig->shown[0].commits, commits + 1); /* nothing differed, and it fits one part */
    assert_replica_is(rig, a);
    rig_tidy(rig);
    assert_int_equal(rig->store->ops->usage(rig->store, &after), ERR_NONE);
    assert_int_equal(before.entries[STORE_RECORDS], after.entries[STORE_RECORDS]);
    assert_int_equal(before.entries[STORE_REPLICA_LOG], after.entries[STORE_REPLICA_LOG]);
    assert_replica_is(rig, a);

    for (int i = 0; i < 30; i++)
        origin_commit(a, 10, 90);
    end = a->sequence;
    stage_headers(rig, a, end);
    origin_commit(source->b, 3, 30); /* others flow meanwhile */
    rig_follow(rig, source->b);
    assert_verdict(rig, records_of(a, 0, 1000), VERDICT_STAGED);
    assert_verdict(rig, log_of(a, end + 1, end), VERDICT_APPLIED);
    assert_replica_is(rig, a);
    assert_replica_is(rig, source->b);
}

/* Batches overtake a snapshot on its way: it is not published over what is newer. */
static void test_overtaken(void **state)
{
    struct source *source = *state;
    struct rig *rig = source->rig;
    struct origin *a = source->a;
    uint64_t end = a->sequence;
    assert_verdict(rig, batch_of(a, 1, 11), VERDICT_APPLIED);
    stage_headers(rig, a, end);
    assert_verdict(rig, records_of(a, 0, 1000), VERDICT_STAGED);
    origin_commit(a, 3, 40);
    assert_true(rig_status(rig, REGION_A).staging);
    rig_follow(rig, a);
    assert_false(rig_status(rig, REGION_A).staging); /* or what is erased later would stay in it */
    assert_verdict(rig, log_of(a, end + 1, end), VERDICT_GAP);
    rig_tidy(rig);
    rig_restart(rig);
    assert_false(rig_status(rig, REGION_A).staging);
    assert_replica_is(rig, a);
}

/* Threads only share the sum. */
static void test_hash_threads(void **state)
{
    struct source *source = *state;
    struct rig *rig = source->rig;
    rig->hash_threads = 3;
    rig_restart(rig);
    uint64_t end = source->a->sequence;
    for (int i = 0; i < 10; i++) {
        stage_headers(rig, source->a, end);
        assert_verdict(rig, records_of(source->a, 0, 1000), VERDICT_STAGED);
        assert_verdict(rig, log_of(source->a, end + 1, end), VERDICT_APPLIED);
        assert_replica_is(rig, source->a);
    }
}

int main(void)
{
    seed = seed_from_environment(23);
#define ONE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        ONE(test_fuzzy_R19),
        ONE(test_fuzzy_with_deletions),
        ONE(test_lacks_or_adds_one),
        ONE(test_one_liar_freezes_nothing),
        ONE(test_out_of_order),
        ONE(test_claimed_reading),
        ONE(test_far_too_many_records),
        ONE(test_proof_of_another_epoch),
        ONE(test_resumed_anywhere),
        ONE(test_crash_anywhere),
        ONE(test_difference),
        ONE(test_overtaken),
        ONE(test_hash_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
