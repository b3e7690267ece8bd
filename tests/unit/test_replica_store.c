/* tier: check */
/*
 * test_replica_store.c - the replica and its disk: commits that fail, records that are damaged, what a relay gives on,
 * what is dropped, the writer's thread on LMDB.
 * Shows: D3 (full, and room again), D5 (a failed disk), D6 (a flipped record), R5 after a crash anywhere, design 4.4.
 */
#include "daemon/register/replica_writer.h"
#include "daemon/register/tables.h"
#include "tests/unit/replica_fixture.h"

#include <pthread.h>

static uint64_t seed;

struct pair {
    struct origin *a, *b;
    struct rig *rig;
};

static int set_up(void **state)
{
    struct pair *pair = calloc(1, sizeof *pair);
    pair->a = origin_started(REGION_A, seed, 8, 6);
    pair->b = origin_started(REGION_B, seed, 3, 4);
    pair->rig = rig_create(pair->a, pair->b);
    *state = pair;
    return 0;
}

static int tear_down(void **state)
{
    struct pair *pair = *state;
    rig_destroy(pair->rig);
    origin_destroy(pair->a);
    origin_destroy(pair->b);
    free(pair);
    return 0;
}

static const struct store_memory_plan no_faults = {.calls_until_crash = -1, .calls_until_full = -1};

static void stage_all(struct rig *rig, const struct origin *origin)
{
    assert_verdict(rig, begin_of(origin, origin->sequence), VERDICT_STAGED);
    assert_verdict(rig, headers_of(origin, 1, origin->sequence), VERDICT_STAGED);
    assert_verdict(rig, records_of(origin, 0, 1000), VERDICT_STAGED);
}

/* --- commits that fail ----------------------------------------------------------------------------------------------
 */

/*
 * The disk fails, or is full, at the n-th call: observers end up with what the disk has, by themselves or as soon as it
 * can be read again; then the same work is applied.
 */
static void fail_at_every_call(struct pair *pair, bool snapshot, bool full, bool durable)
{
    struct rig *rig = pair->rig;
    struct origin *a = pair->a;
    rig_follow(rig, a);
    for (int n = 1;; n++) {
        assert_true(n < 5000);
        struct origin *before = origin_branch(a, 0);
        origin_commit(a, 4, 30);
        if (snapshot)
            stage_all(rig, a);
        struct replica_work *work =
            snapshot ? log_of(a, a->sequence + 1, a->sequence) : batch_of(a, before->sequence + 1, a->sequence);
        store_memory_set_plan(rig->store, &(struct store_memory_plan){.calls_until_crash = full ? -1 : n,
                                                                      .crash_after_commit = durable,
                                                                      .calls_until_full = full ? n : -1});
        enum replica_verdict verdict = rig_give(rig, work);
        if (full)
            assert_int_equal(rig->shown[0].sequence, verdict == VERDICT_APPLIED ? a->sequence : before->sequence);
        store_memory_crash(rig->store, true);
        store_memory_set_plan(rig->store, &no_faults);
        (void)replica_tidy(rig->replica);
        uint64_t sequence = rig_status(rig, REGION_A).durable_sequence;
        if (verdict == VERDICT_APPLIED) {
            assert_replica_is(rig, a);
            branch_destroy(before);
            break;
        }
        assert_int_equal(verdict, VERDICT_STORE);
        assert_int_equal(rig->problem.code, full ? ERR_STORE_FULL : ERR_STORE_IO);
        assert_true(sequence == before->sequence || (durable && sequence == a->sequence));
        assert_replica_is(rig, sequence == a->sequence ? a : before);
        if (sequence != a->sequence)
            assert_verdict(rig, batch_of(a, before->sequence + 1, a->sequence), VERDICT_APPLIED);
        assert_replica_is(rig, a);
        branch_destroy(before);
        if (a->sequence > ORIGIN_ROWS - 20)
            break;
    }
    rig_restart(rig);
    assert_replica_is(rig, a);
}

static void test_batch_and_failing_disk_D5(void **state)
{
    fail_at_every_call(*state, false, false, false);
}
static void test_batch_durable_all_the_same_D5(void **state)
{
    fail_at_every_call(*state, false, false, true);
}
static void test_batch_and_full_disk_D3(void **state)
{
    fail_at_every_call(*state, false, true, false);
}
static void test_snapshot_and_failing_disk_D5(void **state)
{
    fail_at_every_call(*state, true, false, false);
}
static void test_snapshot_durable_all_the_same_D5(void **state)
{
    fail_at_every_call(*state, true, false, true);
}
static void test_snapshot_and_full_disk_D3(void **state)
{
    fail_at_every_call(*state, true, true, false);
}

/* No room for all: those that fit are applied. */
static void test_group_without_room_D3(void **state)
{
    struct pair *pair = *state;
    struct rig *rig = pair->rig;
    struct store_usage usage;
    assert_verdict(rig, batch_of(pair->b, 1, 1), VERDICT_APPLIED);
    assert_int_equal(rig->store->ops->usage(rig->store, &usage), ERR_NONE);
    struct store_memory_plan plan = no_faults;
    plan.limit_bytes = usage.used_bytes + 13000;
    store_memory_set_plan(rig->store, &plan);
    struct replica_work *works[] = {batch_of(pair->a, 1, 7), batch_of(pair->b, 2, pair->b->sequence),
                                    batch_of(pair->a, 8, pair->a->sequence)};
    replica_apply(rig->replica, works, 3);
    assert_int_equal(works[0]->verdict, VERDICT_APPLIED);
    assert_int_equal(works[2]->verdict, VERDICT_STORE);
    assert_int_equal(works[2]->problem.code, ERR_STORE_FULL);
    assert_int_equal(works[2]->cursor.sequence, 7);
    for (int i = 0; i < 3; i++)
        replica_work_destroy(works[i]);
    store_memory_set_plan(rig->store, &no_faults);
    rig_follow(rig, pair->a);
    rig_follow(rig, pair->b);
    assert_replica_is(rig, pair->a);
    assert_replica_is(rig, pair->b);
}

/* Freezing must be on disk, too: a fork that could not be stored is met again. */
static void test_fork_and_full_disk(void **state)
{
    struct pair *pair = *state;
    struct rig *rig = pair->rig;
    struct origin *branch = origin_branch(pair->a, 9);
    struct fork_evidence evidence;
    uint64_t at = pair->a->sequence;
    origin_commit(pair->a, 3, 30);
    origin_commit(branch, 3, 30);
    rig_follow(rig, pair->a);
    struct store_memory_plan plan = no_faults;
    plan.calls_until_full = 0;
    store_memory_set_plan(rig->store, &plan);
    assert_verdict(rig, batch_of(branch, at + 1, branch->sequence), VERDICT_STORE);
    assert_int_equal(rig_status(rig, REGION_A).frozen, FROZEN_NOT);
    assert_int_equal(replica_evidence(rig->replica, REGION_A, &evidence), ERR_NOT_FOUND);
    store_memory_set_plan(rig->store, &no_faults);
    assert_verdict(rig, batch_of(branch, at + 1, branch->sequence), VERDICT_FROZEN);
    assert_int_equal(replica_evidence(rig->replica, REGION_A, &evidence), ERR_NONE);
    branch_destroy(branch);
}

/* --- damage
 * ----------------------------------------------------------------------------------------------------------- */

/* The n-th row of a table, with one octet changed; `checked`: its check is made good again. */
static void damage(struct rig *rig, enum store_table table, const char *region, size_t n, bool checked)
{
    struct store *store = rig->store;
    struct store_txn *txn;
    struct arena arena;
    arena_init(&arena, 1 << 20);
    struct table_key from = key_of_region(region);
    struct octets at = key_octets(&from), key, value;
    assert_int_equal(store->ops->begin(store, true, &txn), ERR_NONE);
    assert_int_equal(store->ops->seek(txn, table, &at, false, &key, &value), ERR_NONE);
    for (size_t i = 0; i < n; i++) {
        key_step_past(&from, &key);
        at = key_octets(&from);
        assert_int_equal(store->ops->seek(txn, table, &at, false, &key, &value), ERR_NONE);
    }
    struct table_key copy = {.size = key.size};
    memcpy(copy.data, key.data, key.size);
    uint8_t *octets = arena_alloc(&arena, value.size);
    memcpy(octets, value.data, value.size);
    octets[value.size - 1] ^= 1;
    struct octets k = key_octets(&copy), v = {octets, value.size};
    if (checked) {
        v = (struct octets){octets + RECORD_PREFIX_BYTES, value.size - RECORD_PREFIX_BYTES};
        assert_int_equal(tables_put(store, txn, &arena, table, &k, &v), ERR_NONE);
    } else {
        assert_int_equal(store->ops->put(txn, table, &k, &v), ERR_NONE);
    }
    assert_int_equal(store->ops->commit(txn), ERR_NONE);
    arena_finish(&arena);
}

static enum err verify(struct rig *rig, const char *region, char *why)
{
    struct problem problem = {0};
    uint64_t records;
    uint8_t digest[DIGEST_BYTES];
    enum err err = replica_verify(rig->replica, region, &records, digest, &problem);
    strcpy(why, problem.text);
    return err;
}

/* Found by verify, whether or not its own check was made good; that region alone. */
static void test_flipped_record_is_found_D6(void **state)
{
    struct pair *pair = *state;
    struct rig *rig = pair->rig;
    char why[PROBLEM_TEXT_BYTES];
    assert_int_equal(verify(rig, REGION_A, why), ERR_NOT_FOUND);
    rig_follow(rig, pair->a);
    rig_follow(rig, pair->b);
    assert_int_equal(verify(rig, REGION_A, why), ERR_NONE);
    damage(rig, STORE_RECORDS, REGION_A, 3, true);
    assert_int_equal(verify(rig, REGION_A, why), ERR_STORE_DAMAGED);
    assert_non_null(strstr(why, "add up"));
    damage(rig, STORE_RECORDS, REGION_A, 3, true);
    assert_int_equal(verify(rig, REGION_A, why), ERR_NONE);
    damage(rig, STORE_RECORDS, REGION_A, 3, false);
    assert_int_equal(verify(rig, REGION_A, why), ERR_STORE_DAMAGED);
    assert_non_null(strstr(why, "check"));
    assert_int_equal(verify(rig, REGION_B, why), ERR_NONE);
}

/* At start a damaged region is dropped, and nothing else; it is fetched again. */
static void test_damaged_at_start_D6(void **state)
{
    struct pair *pair = *state;
    struct rig *rig = pair->rig;
    static const enum store_table tables[] = {STORE_RECORDS, STORE_REPLICA_LOG, STORE_REPLICA_CHECKPOINTS,
                                              STORE_REGIONS};
    for (size_t i = 0; i < 4; i++) {
        rig_follow(rig, pair->a);
        rig_follow(rig, pair->b);
        damage(rig, tables[i], REGION_A, 0, false);
        rig_restart(rig);
        assert_false(rig_status(rig, REGION_A).present);
        assert_replica_is(rig, pair->b);
        assert_verdict(rig, batch_of(pair->a, 1, 7), VERDICT_APPLIED);
        rig_follow(rig, pair->a);
        assert_replica_is(rig, pair->a);
        rig_tidy(rig); /* what was left of the dropped one */
        struct store_usage usage;
        assert_int_equal(rig->store->ops->usage(rig->store, &usage), ERR_NONE);
        assert_int_equal(usage.entries[STORE_REPLICA_LOG], pair->a->sequence + pair->b->sequence);
        assert_replica_is(rig, pair->a);
    }
    stage_all(rig, pair->a); /* a damaged snapshot is given up, what is proven stands */
    damage(rig, STORE_REGIONS, REGION_A, 1, false);
    rig_restart(rig);
    assert_false(rig_status(rig, REGION_A).staging);
    assert_replica_is(rig, pair->a);
}

/* A snapshot that lacks a record. */
static void stage_false(struct rig *rig, const struct origin *origin, const char *peer)
{
    uint64_t end = origin->sequence;
    struct replica_work *works[] = {begin_of(origin, end), headers_of(origin, 1, end), records_of(origin, 1, 1000),
                                    log_of(origin, end + 1, end)};
    for (int i = 0; i < 4; i++) {
        snprintf(works[i]->peer, sizeof works[i]->peer, "%s", peer);
        assert_verdict(rig, works[i], i == 3 ? VERDICT_MISMATCH : VERDICT_STAGED);
    }
}

/* A batch that meets a damaged record: taken afresh, as for any other mismatch. */
static void test_damage_met_by_a_batch(void **state)
{
    struct pair *pair = *state;
    struct rig *rig = pair->rig;
    rig_follow(rig, pair->a);
    for (size_t i = 0; i < pair->a->records; i++)
        damage(rig, STORE_RECORDS, REGION_A, i, false);
    uint64_t at = pair->a->sequence;
    const struct kept kept = pair->a->state[0];
    struct octets key = {kept.key, kept.key_bytes};
    origin_keep(pair->a, kept.table, &key, NULL);
    origin_log(pair->a, kept.table, &key, NULL);
    origin_sign(pair->a);
    assert_verdict(rig, batch_of(pair->a, at + 1, at + 1), VERDICT_MISMATCH);
    uint64_t end = pair->a->sequence;
    stage_false(rig, pair->a, "E12000007"); /* a liar's snapshot after it freezes nothing: the damage was ours */
    assert_int_equal(rig_status(rig, REGION_A).frozen, FROZEN_NOT);
    stage_all(rig, pair->a);
    assert_verdict(rig, log_of(pair->a, end + 1, end), VERDICT_APPLIED);
    rig_tidy(rig);
    assert_replica_is(rig, pair->a);
}

static void test_other_schema_D13(void **state)
{
    struct pair *pair = *state;
    struct rig *rig = pair->rig;
    struct store_txn *txn;
    struct arena arena;
    arena_init(&arena, 4096);
    rig_follow(rig, pair->a);
    struct octets key = {(const uint8_t *)"schema", 6}, value = {(const uint8_t *)"\0\0\0\x09", 4};
    assert_int_equal(rig->store->ops->begin(rig->store, true, &txn), ERR_NONE);
    assert_int_equal(tables_put(rig->store, txn, &arena, STORE_REGIONS, &key, &value), ERR_NONE);
    assert_int_equal(rig->store->ops->commit(txn), ERR_NONE);
    rig_restart(rig);
    assert_false(rig_status(rig, REGION_A).present);
    rig_follow(rig, pair->a);
    rig_restart(rig);
    assert_replica_is(rig, pair->a);
    arena_finish(&arena);
}

/* --- what a relay gives on
 * -------------------------------------------------------------------------------------------- */

static struct log_cursor cursor_of(const struct rig *rig, const char *region)
{
    struct replica_status status = rig_status((struct rig *)rig, region);
    struct log_cursor cursor = {.sequence = status.durable_sequence};
    if (status.present)
        memcpy(cursor.head, status.checkpoint.checkpoint.head, DIGEST_BYTES);
    return cursor;
}

/* One batch from the reader, as a Follow stream would send it; false at the end. */
static bool relay_batch(const struct log_reader *reader, struct rig *to, const char *region,
                        enum replica_verdict expected)
{
    struct replica_work *work = replica_work_create(WORK_BATCH, region);
    struct log_cursor cursor = cursor_of(to, region);
    struct log_slice slice = {0};
    work->entries = arena_alloc(&work->arena, ORIGIN_ROWS * sizeof *work->entries);
    while (!slice.has_checkpoint) {
        assert_int_equal(reader->entries(reader->ctx, region, &cursor, &work->arena, &slice), ERR_NONE);
        assert_int_equal(slice.refusal, LOG_SERVED);
        if (slice.count == 0) {
            replica_work_destroy(work);
            return false;
        }
        memcpy(work->entries + work->entry_count, slice.rows, slice.count * sizeof *slice.rows);
        work->entry_count += slice.count;
        cursor.sequence += slice.count;
        log_header_hash(slice.rows[slice.count - 1].header.data, cursor.head);
    }
    work->has_checkpoint = true;
    work->checkpoint = slice.checkpoint;
    assert_verdict(to, work, expected);
    return true;
}

static void relay_snapshot(const struct log_reader *reader, struct rig *to, const char *region)
{
    struct replica_work *work = replica_work_create(WORK_SNAPSHOT_BEGIN, region);
    struct signed_checkpoint begin;
    assert_int_equal(reader->newest(reader->ctx, region, &begin), ERR_NONE);
    work->checkpoint = begin;
    work->has_checkpoint = true;
    assert_verdict(to, work, VERDICT_STAGED);
    uint64_t end = begin.checkpoint.sequence;
    for (uint64_t first = 1; first <= end;) {
        work = replica_work_create(WORK_SNAPSHOT_HEADERS, region);
        assert_int_equal(reader->headers(reader->ctx, region, first, end, &work->arena, &work->headers), ERR_NONE);
        work->first_sequence = first;
        first += work->headers.size / LOG_HEADER_BYTES;
        assert_verdict(to, work, VERDICT_STAGED);
    }
    enum log_table table = LOG_TABLE_NONE;
    uint8_t key_octets_of[64];
    struct octets key = {key_octets_of, 0};
    for (;;) {
        struct record_slice slice;
        work = replica_work_create(WORK_SNAPSHOT_RECORDS, region);
        assert_int_equal(reader->records(reader->ctx, region, table, &key, &work->arena, &slice), ERR_NONE);
        work->records = slice.records;
        work->record_count = slice.count;
        work->read_at_sequence = slice.read_at_sequence;
        if (slice.count == 0)
            break;
        table = slice.records[slice.count - 1].table;
        key.size = slice.records[slice.count - 1].key.size;
        memcpy(key_octets_of, slice.records[slice.count - 1].key.data, key.size);
        assert_verdict(to, work, VERDICT_STAGED);
    }
    replica_work_destroy(work);
    work = replica_work_create(WORK_SNAPSHOT_LOG, region);
    work->checkpoint = begin;
    work->has_checkpoint = true;
    assert_verdict(to, work, VERDICT_APPLIED);
}

/* A third hub that never meets the home: the same by batches, the same by snapshot. */
static void test_relayed(void **state)
{
    struct pair *pair = *state;
    struct rig *third = rig_create(pair->a, pair->b);
    struct log_reader reader = replica_log_reader(pair->rig->replica);
    while (pair->a->sequence < 1100)
        origin_commit(pair->a, 1 + random_up_to(&pair->a->random, 12), 60);
    rig_follow(pair->rig, pair->a);
    struct store_usage usage; /* of 256 sequences the last checkpoint is kept, and the newest */
    assert_int_equal(pair->rig->store->ops->usage(pair->rig->store, &usage), ERR_NONE);
    assert_in_range(usage.entries[STORE_REPLICA_CHECKPOINTS], 4, 5);
    while (relay_batch(&reader, third, REGION_A, VERDICT_APPLIED))
        ;
    assert_replica_is(third, pair->a);
    rig_destroy(third);
    third = rig_create(pair->a, pair->b);
    relay_snapshot(&reader, third, REGION_A);
    assert_replica_is(third, pair->a);
    struct log_reader from_third = replica_log_reader(third->replica);
    struct rig *fourth = rig_create(pair->a, pair->b);
    struct arena arena;
    struct log_slice slice;
    arena_init(&arena, 1 << 20); /* who has no payloads has none to give */
    assert_int_equal(from_third.entries(from_third.ctx, REGION_A, &(struct log_cursor){0}, &arena, &slice), ERR_NONE);
    assert_int_equal(slice.refusal, LOG_BEHIND_HORIZON);
    relay_snapshot(&from_third, fourth, REGION_A);
    assert_replica_is(fourth, pair->a);
    rig_destroy(fourth);
    rig_destroy(third);
    arena_finish(&arena);
}

static enum log_refusal refusal_at(struct rig *rig, uint64_t sequence, const uint8_t head[DIGEST_BYTES])
{
    struct log_reader reader = replica_log_reader(rig->replica);
    struct log_cursor cursor = {.sequence = sequence};
    struct log_slice slice;
    struct arena arena;
    arena_init(&arena, 1 << 20);
    memcpy(cursor.head, head, DIGEST_BYTES);
    assert_int_equal(reader.entries(reader.ctx, REGION_A, &cursor, &arena, &slice), ERR_NONE);
    arena_finish(&arena);
    return slice.refusal;
}

static void test_refused_cursors(void **state)
{
    struct pair *pair = *state;
    static const uint8_t zeros[DIGEST_BYTES], ones[DIGEST_BYTES] = {1};
    uint64_t end = pair->a->sequence;
    assert_int_equal(refusal_at(pair->rig, 0, zeros), LOG_NOT_HERE);
    rig_follow(pair->rig, pair->a);
    assert_int_equal(refusal_at(pair->rig, 0, zeros), LOG_SERVED);
    assert_int_equal(refusal_at(pair->rig, 0, ones), LOG_OTHER_HISTORY);
    assert_int_equal(refusal_at(pair->rig, 7, pair->a->at[7].checkpoint.head), LOG_SERVED);
    assert_int_equal(refusal_at(pair->rig, 7, ones), LOG_OTHER_HISTORY);
    assert_int_equal(refusal_at(pair->rig, end, pair->a->head), LOG_SERVED);
    assert_int_equal(refusal_at(pair->rig, end, ones), LOG_OTHER_HISTORY);
    assert_int_equal(refusal_at(pair->rig, end + 1, ones), LOG_AHEAD);
    assert_int_equal(refusal_at(pair->rig, UINT64_MAX, ones), LOG_AHEAD);
    struct log_reader reader = replica_log_reader(pair->rig->replica);
    struct octets out;
    struct arena arena;
    arena_init(&arena, 1 << 20);
    assert_int_equal(reader.headers(reader.ctx, REGION_A, 0, 3, &arena, &out), ERR_OUT_OF_RANGE);
    assert_int_equal(reader.headers(reader.ctx, REGION_A, 3, end + 1, &arena, &out), ERR_OUT_OF_RANGE);
    assert_int_equal(reader.headers(reader.ctx, REGION_A, 3, 4, &arena, &out), ERR_NONE);
    assert_int_equal(out.size, 2 * LOG_HEADER_BYTES);
    assert_memory_equal(out.data, pair->a->rows[3].header.data, LOG_HEADER_BYTES);
    arena_finish(&arena);
}

/* Payloads up to the signed horizon go, whichever way it was heard of; headers and records stay. */
static void test_horizon(void **state)
{
    struct pair *pair = *state;
    struct rig *rig = pair->rig;
    struct origin *a = pair->a;
    struct store_usage before, after;
    rig_follow(rig, a);
    assert_int_equal(rig->store->ops->usage(rig->store, &before), ERR_NONE);
    a->horizon = 13;
    a->time_ms += 10000;
    assert_verdict(rig, work_of(WORK_BATCH, a, 1, 0, origin_sign(a)), VERDICT_APPLIED);
    rig_tidy(rig);
    assert_int_equal(rig->store->ops->usage(rig->store, &after), ERR_NONE);
    assert_true(after.used_bytes < before.used_bytes);
    assert_int_equal(refusal_at(rig, 12, a->rows[13].header.data + 33), LOG_BEHIND_HORIZON);
    assert_int_equal(refusal_at(rig, 13, a->at[13].checkpoint.head), LOG_SERVED);
    rig_restart(rig);
    assert_int_equal(rig_status(rig, REGION_A).checkpoint.checkpoint.horizon, 13);
    assert_int_equal(refusal_at(rig, 12, a->rows[13].header.data + 33), LOG_BEHIND_HORIZON);
    origin_commit(a, 3, 30);
    rig_follow(rig, a);
    a->horizon = a->sequence;
    origin_commit(a, 3, 30);
    rig_follow(rig, a);
    rig_tidy(rig);
    assert_int_equal(refusal_at(rig, 13, a->at[13].checkpoint.head), LOG_BEHIND_HORIZON);
    assert_replica_is(rig, a);
}

/* --- on disk, with its thread ----------------------------------------------------------------------------------------
 */

struct told {
    pthread_mutex_t lock;
    unsigned changed;
};

static void count_changed(void *ctx)
{
    struct told *told = ctx;
    pthread_mutex_lock(&told->lock);
    told->changed++;
    pthread_mutex_unlock(&told->lock);
}

static void submit(struct replica_writer *writer, struct mailbox *mailbox, struct replica_work *work)
{
    assert_int_equal(mailbox_reserve(mailbox), ERR_NONE);
    work->reply = (struct reply_address){mailbox, 7, 3};
    assert_int_equal(replica_writer_submit(writer, work), ERR_NONE);
}

static void take_back(struct mailbox *mailbox, size_t count, enum replica_verdict expected)
{
    struct mail mail;
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(mailbox_wait(mailbox, &mail, 1, 20000), 1);
        struct replica_work *work = mail.payload;
        assert_int_equal(mail.to, 7);
        assert_int_equal(mail.kind, 3);
        if (work->verdict != expected)
            fail_msg("%s: %s", replica_verdict_name(work->verdict), work->problem.text);
        replica_work_destroy(work);
    }
}

static void test_writer_on_disk(void **state)
{
    struct pair *pair = *state;
    struct rig *rig = pair->rig;
    struct told told = {PTHREAD_MUTEX_INITIALIZER, 0};
    struct world world;
    struct problem problem = {0};
    struct store *memory = rig->store;
    world_init(&world, seed, true);
    struct store_lmdb_options options = world_disk_options(&world);
    options.kind = STORE_REPLICA;
    struct replica_writer *writer;
    struct mailbox *mailbox = mailbox_create(100);
    rig_close(rig);
    rig->hash_threads = 2;
    assert_int_equal(store_lmdb_open(&options, &rig->store, &problem), ERR_NONE);
    rig_open(rig);
    const struct change_port port = {count_changed, &told};
    assert_int_equal(replica_writer_start(rig->replica, 64, &port, &writer), ERR_NONE);
    size_t count = 0;
    for (uint64_t from = 1, at = 1; at <= pair->a->sequence; at++)
        if (pair->a->at[at].text[0] != '\0') {
            submit(writer, mailbox, batch_of(pair->a, from, at));
            from = at + 1;
            count++;
        }
    take_back(mailbox, count, VERDICT_APPLIED);
    const struct roster *without = rig_roster(rig, 2, pair->a, NULL, "");
    replica_writer_set_roster(writer, without);
    roster_unref(without);
    submit(writer, mailbox, batch_of(pair->b, 1, 5));
    take_back(mailbox, 1, VERDICT_NO_REGION);
    replica_writer_set_roster(writer, rig->roster);
    submit(writer, mailbox, batch_of(pair->b, 1, pair->b->sequence));
    replica_writer_stop(writer); /* what was queued is answered */
    take_back(mailbox, 1, VERDICT_APPLIED);
    assert_true(told.changed >= 2 && told.changed <= count + 1);
    assert_replica_is(rig, pair->a);
    assert_replica_is(rig, pair->b);

    uint64_t end = pair->a->sequence;
    stage_all(rig, pair->a);
    assert_verdict(rig, log_of(pair->a, end + 1, end), VERDICT_APPLIED);
    rig_tidy(rig);
    rig_close(rig);
    rig->store->ops->close(rig->store);
    assert_int_equal(store_lmdb_open(&options, &rig->store, &problem), ERR_NONE);
    rig_open(rig);
    assert_replica_is(rig, pair->a);
    assert_replica_is(rig, pair->b);
    rig_close(rig);
    rig->store->ops->close(rig->store);
    rig->store = memory;
    rig_open(rig);
    mailbox_destroy(mailbox);
    world_finish(&world);
}

int main(void)
{
    seed = seed_from_environment(24);
#define ONE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        ONE(test_batch_and_failing_disk_D5),
        ONE(test_batch_durable_all_the_same_D5),
        ONE(test_batch_and_full_disk_D3),
        ONE(test_snapshot_and_failing_disk_D5),
        ONE(test_snapshot_durable_all_the_same_D5),
        ONE(test_snapshot_and_full_disk_D3),
        ONE(test_group_without_room_D3),
        ONE(test_fork_and_full_disk),
        ONE(test_flipped_record_is_found_D6),
        ONE(test_damaged_at_start_D6),
        ONE(test_damage_met_by_a_batch),
        ONE(test_other_schema_D13),
        ONE(test_relayed),
        ONE(test_refused_cursors),
        ONE(test_horizon),
        ONE(test_writer_on_disk),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
