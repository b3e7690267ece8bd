/* tier: check */
/*
 * test_federation_snapshot.c - a region taken whole: when its log won't do, from whom, going on elsewhere, and what is
 * dropped. Clock, randomness, ports, home and replica are the test's.
 */
#include "tests/unit/federation_world.h"

/* --- snapshots ------------------------------------------------------------------------------------------------- */

static void a_snapshot_is_staged_and_proven(void **state)
{
    (void)state;
    uint32_t peer = NO_PEER;
    link_having(A, A, (struct at){.sequence = 30000});
    const Vacancy__V1__FetchSnapshotRequest *request = last_fetch(&peer);
    assert_non_null(request);
    assert_int_equal(peer, A);
    assert_int_equal(request->from_sequence, 0);
    assert_source(A, A);
    say_begin(A, A, (struct at){.sequence = 30000});
    say_headers(A, 10 * LOG_HEADER_BYTES);
    say_records(A, LOG_TABLE_OFFER, 17);
    say_log(A, A, 30001, 30002);
    static const enum replica_work_kind kinds[] = {WORK_SNAPSHOT_BEGIN, WORK_SNAPSHOT_HEADERS, WORK_SNAPSHOT_RECORDS,
                                                   WORK_SNAPSHOT_LOG};
    assert_int_equal(world.work_count, 4);
    for (int i = 0; i < 4; i++)
        assert_int_equal(world.works[i]->kind, kinds[i]);
    assert_int_equal(world.works[2]->read_at_sequence, 30002);
    assert_int_equal(world.works[3]->entry_count, 2);
    federation_snapshot_over(world.federation, A, NULL);
    for (int i = 0; i < 3; i++)
        work_returns(VERDICT_STAGED);
    forget_events();
    work_returns(VERDICT_APPLIED);
    /* From here on by its log. */
    const Vacancy__V1__Cursor *take = last_take(A, &peer);
    assert_non_null(take);
    assert_int_equal(take->sequence, 30002);
}

static void a_short_log_needs_no_snapshot(void **state)
{
    (void)state;
    uint32_t peer = NO_PEER;
    link_having(A, A, (struct at){.sequence = SNAPSHOT_GAP_ENTRIES});
    assert_null(last_fetch(&peer));
    assert_non_null(last_take(A, &peer));
}

static void behind_the_horizon_a_snapshot_is_needed(void **state)
{
    (void)state;
    uint32_t peer = NO_PEER;
    link_having(A, A, (struct at){.sequence = 50, .horizon = 10});
    assert_non_null(last_fetch(&peer)); /* it says so itself */
    tear_down(NULL);
    set_up(NULL);
    link_having(A, A, (struct at){.sequence = 50});
    say_refusal(A, A, LOG_BEHIND_HORIZON, &(struct at){.sequence = 50});
    tick();
    assert_non_null(last_fetch(&peer));
}

/* Who refuses with a horizon what it has nothing beyond is left: else its snapshot would be taken again and again. */
static void a_made_up_horizon_needs_no_snapshot(void **state)
{
    (void)state;
    uint32_t peer = NO_PEER;
    have(A, (struct at){.sequence = 50});
    federation_destroy(world.federation);
    create_federation();
    link_having(B, A, (struct at){.sequence = 50});
    say_refusal(B, A, LOG_BEHIND_HORIZON, &(struct at){.sequence = 50});
    tick();
    assert_null(last_fetch(&peer));
    assert_source(A, NO_PEER);
}

static void another_history_needs_a_snapshot(void **state)
{
    (void)state;
    uint32_t peer = NO_PEER;
    have(A, (struct at){.sequence = 40});
    federation_destroy(world.federation);
    create_federation();
    link_having(A, A, (struct at){.sequence = 35, .epoch = 2, .id = 2});
    say_refusal(A, A, LOG_OTHER_HISTORY, &(struct at){.sequence = 35, .epoch = 2, .id = 2});
    tick();
    assert_non_null(last_fetch(&peer));
    assert_int_equal(peer, A);
}

/* A later epoch began before where we are, after a restore: what we have beyond it is nobody's any more. */
static void ahead_of_a_later_epoch_needs_a_snapshot(void **state)
{
    (void)state;
    uint32_t peer = NO_PEER;
    have(A, (struct at){.sequence = 40});
    federation_destroy(world.federation);
    create_federation();
    link_having(A, A, (struct at){.sequence = 35, .epoch = 2, .id = 2});
    say_refusal(A, A, LOG_AHEAD, &(struct at){.sequence = 35, .epoch = 2, .id = 2});
    tick();
    assert_non_null(last_fetch(&peer));
    assert_int_equal(peer, A);
}

static void who_refuses_is_left(void **state)
{
    (void)state;
    link_having(B, A, (struct at){.sequence = 9});
    link_having(C, A, (struct at){.sequence = 9});
    say_refusal(B, A, LOG_NOT_HERE, NULL);
    assert_source(A, C);
    say_refusal(C, A, LOG_AHEAD, &(struct at){.sequence = 8});
    assert_source(A, NO_PEER);
}

static void two_snapshots_at_a_time(void **state)
{
    (void)state;
    struct signed_checkpoint all[3] = {checkpoint_at(A, (struct at){.sequence = 30000}),
                                       checkpoint_at(B, (struct at){.sequence = 30000}),
                                       checkpoint_at(C, (struct at){.sequence = 30000})};
    uint32_t peer = NO_PEER;
    for (uint32_t i = 0; i < REGIONS; i++)
        if (i != OURS) {
            link_to(i);
            say_positions(i, true, all, 3);
        }
    pass_alive(500, 0xf);
    uint32_t fetches = count_said(SAID_FETCH, A) + count_said(SAID_FETCH, B) + count_said(SAID_FETCH, C);
    assert_int_equal(fetches, SNAPSHOTS_AT_ONCE);
    /* One ends: the third begins. */
    last_fetch(&peer);
    struct problem gone = {.code = ERR_UNAVAILABLE, .text = "gone"};
    federation_snapshot_over(world.federation, peer, &gone);
    pass_alive(500, 0xf);
    assert_true(count_said(SAID_FETCH, A) + count_said(SAID_FETCH, B) + count_said(SAID_FETCH, C) > fetches);
}

static void a_broken_snapshot_goes_on_elsewhere(void **state)
{
    (void)state;
    uint32_t peer = NO_PEER;
    link_having(A, A, (struct at){.sequence = 30000});
    link_having(B, A, (struct at){.sequence = 30000});
    say_begin(A, A, (struct at){.sequence = 30000});
    work_returns(VERDICT_STAGED);
    struct replica_status *status = &world.replica.regions[A];
    status->staging = true;
    status->staged_from_sequence = 30000;
    status->staged_headers = 1200;
    status->staged_table = LOG_TABLE_CARER;
    status->staged_key_bytes = 17;
    memset(status->staged_head, 3, sizeof status->staged_head);
    forget_events();
    federation_unlinked(world.federation, A, NULL);
    tick();
    const Vacancy__V1__FetchSnapshotRequest *request = last_fetch(&peer);
    assert_non_null(request);
    assert_int_equal(peer, B);
    assert_int_equal(request->from_sequence, 30000);
    assert_int_equal(request->headers_until, 1200);
    assert_int_equal(request->after_table, LOG_TABLE_CARER);
    assert_int_equal(request->after_key.len, 17);
    assert_memory_equal(request->from_head.data, status->staged_head, DIGEST_BYTES);
    /* B does not know that snapshot: a new one. */
    struct problem refused = {.code = ERR_PRECONDITION, .text = "another entry there"};
    forget_events();
    federation_snapshot_over(world.federation, B, &refused);
    tick();
    request = last_fetch(&peer);
    assert_non_null(request);
    assert_int_equal(peer, B);
    assert_int_equal(request->from_sequence, 0);
}

static void a_false_snapshot_is_dropped(void **state)
{
    (void)state;
    uint32_t peer = NO_PEER;
    link_having(A, A, (struct at){.sequence = 30000});
    link_having(B, A, (struct at){.sequence = 30000});
    say_begin(A, A, (struct at){.sequence = 30000});
    forget_events();
    work_returns(VERDICT_LIE);
    assert_int_equal(count_said(SAID_STOP_FETCH, A), 1);
    assert_int_equal(world.work_count, 1);
    assert_int_equal(world.works[0]->kind, WORK_SNAPSHOT_DROP);
    work_returns(VERDICT_STAGED);
    assert_non_null(last_fetch(&peer));
    assert_int_equal(peer, B);
}

static void a_snapshot_that_ends_unproven_has_failed(void **state)
{
    (void)state;
    link_having(A, A, (struct at){.sequence = 30000});
    say_begin(A, A, (struct at){.sequence = 30000});
    federation_snapshot_over(world.federation, A, NULL);
    assert_source(A, A); /* its last work may yet prove it */
    work_returns(VERDICT_STAGED);
    assert_source(A, NO_PEER);
}

/* Whose snapshot was false is asked again where nobody else has more than we have. (The simulator: two hubs that had
 * nothing new for each other took turns, and the region's own hub was never asked again.) */
static void a_false_snapshot_does_not_bar_the_only_way(void **state)
{
    (void)state;
    uint32_t peer = NO_PEER;
    have(A, (struct at){.sequence = 28});
    federation_destroy(world.federation);
    create_federation();
    link_having(B, A, (struct at){.sequence = 28});
    link_having(A, A, (struct at){.sequence = 50, .horizon = 40});
    assert_non_null(last_fetch(&peer));
    say_begin(A, A, (struct at){.sequence = 50, .horizon = 40});
    work_returns(VERDICT_LIE);
    work_returns(VERDICT_STAGED); /* what was staged is dropped */
    forget_events();
    say_has(A, false, A, (struct at){.sequence = 50, .horizon = 40});
    pass_alive(BAR_MS + 500, 1u << A | 1u << B);
    assert_non_null(last_fetch(&peer));
    assert_int_equal(peer, A);
    assert_in_range(count_said(SAID_SEND, B), 0, 20);
}

static void a_snapshot_that_stands_still_is_left(void **state)
{
    (void)state;
    link_having(A, A, (struct at){.sequence = 30000});
    say_begin(A, A, (struct at){.sequence = 30000});
    work_returns(VERDICT_STAGED);
    pass_alive(SNAPSHOT_SILENCE_MS + 1, 1u << A);
    assert_int_equal(count_said(SAID_STOP_FETCH, A), 1);
}

/* The same part again and again, or nothing in many messages, is no progress. */
/* A relay that drips a snapshot: each part brings it on, and none brings it home. */
static void a_snapshot_that_drips_is_left(void **state)
{
    (void)state;
    uint32_t peer = NO_PEER;
    have(A, (struct at){.sequence = 2});
    federation_destroy(world.federation);
    create_federation();
    link_having(B, A, (struct at){.sequence = 10, .horizon = 5});
    link_having(C, A, (struct at){.sequence = 10, .horizon = 5});
    assert_non_null(last_fetch(&peer));
    assert_int_equal(peer, B);
    say_begin(B, A, (struct at){.sequence = 10, .horizon = 5});
    work_returns(VERDICT_STAGED);
    for (int64_t waited = 0; waited < DRIP_MS + 2000 && world.federation->regions[A].source == B; waited += 1000) {
        say_records(B, LOG_TABLE_CARER, 17);
        while (world.work_count > 0)
            work_returns(VERDICT_STAGED);
        pass_alive(1000, 1u << B | 1u << C);
    }
    assert_non_null(last_fetch(&peer));
    assert_int_equal(peer, C);
}

static void a_snapshot_that_is_said_again_and_again_is_left(void **state)
{
    (void)state;
    link_having(A, A, (struct at){.sequence = 30000});
    say_begin(A, A, (struct at){.sequence = 30000});
    work_returns(VERDICT_STAGED);
    for (int64_t ms = 0; ms <= SNAPSHOT_SILENCE_MS + 1000; ms += 1000) {
        Vacancy__V1__FetchSnapshotResponse nothing = VACANCY__V1__FETCH_SNAPSHOT_RESPONSE__INIT;
        assert_int_equal(count_said(SAID_STOP_FETCH, A), ms >= SNAPSHOT_SILENCE_MS);
        say_headers(A, 10 * LOG_HEADER_BYTES);
        if (world.work_count > 0)
            work_returns(VERDICT_STAGED);
        say_snapshot(A, &nothing);
        pass_alive(1000, 1u << A);
    }
    assert_int_equal(count_said(SAID_STOP_FETCH, A), 1);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_snapshot_is_staged_and_proven),
        TEST(a_short_log_needs_no_snapshot),
        TEST(behind_the_horizon_a_snapshot_is_needed),
        TEST(a_made_up_horizon_needs_no_snapshot),
        TEST(another_history_needs_a_snapshot),
        TEST(ahead_of_a_later_epoch_needs_a_snapshot),
        TEST(who_refuses_is_left),
        TEST(two_snapshots_at_a_time),
        TEST(a_broken_snapshot_goes_on_elsewhere),
        TEST(a_false_snapshot_is_dropped),
        TEST(a_snapshot_that_ends_unproven_has_failed),
        TEST(a_false_snapshot_does_not_bar_the_only_way),
        TEST(a_snapshot_that_stands_still_is_left),
        TEST(a_snapshot_that_drips_is_left),
        TEST(a_snapshot_that_is_said_again_and_again_is_left),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
