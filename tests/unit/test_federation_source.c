/* tier: check */
/*
 * test_federation_source.c - whose log of a region is taken (R1, R3, R10), batches and back-pressure, and what each
 * verdict of the replica writer brings (R5 to R9). Clock, randomness, ports, home and replica are the test's.
 */
#include "tests/unit/federation_world.h"

/* --- sources --------------------------------------------------------------------------------------------------- */

static void the_regions_own_hub_comes_first(void **state)
{
    (void)state;
    uint32_t peer = NO_PEER;
    have(A, (struct at){.sequence = 5});
    federation_destroy(world.federation);
    create_federation();
    link_having(B, A, (struct at){.sequence = 9});
    assert_source(A, B);
    link_having(A, A, (struct at){.sequence = 8});
    /* Home is back: the relay is told to stop, home is asked from our cursor on. */
    pass_alive(500, 1u << A | 1u << B);
    assert_source(A, A);
    assert_non_null(sent(B, VACANCY__V1__FOLLOW_REQUEST__ITEM_DROP, 0));
    const Vacancy__V1__Cursor *take = last_take(A, &peer);
    assert_int_equal(peer, A);
    assert_int_equal(take->sequence, 5);
    assert_memory_equal(take->head.data, world.replica.regions[A].checkpoint.checkpoint.head, DIGEST_BYTES);
    /* A link lost: the relay again. */
    federation_unlinked(world.federation, A, NULL);
    assert_source(A, B);
}

static void the_furthest_relay_then_the_least_used(void **state)
{
    (void)state;
    struct signed_checkpoint two[2] = {checkpoint_at(A, (struct at){.sequence = 4}),
                                       checkpoint_at(C, (struct at){.sequence = 4})};
    struct federation *f;
    link_to(B);
    say_positions(B, true, two, 2);
    f = world.federation;
    assert_source(A, B);
    assert_source(C, B);
    assert_int_equal(f->peers[B].used, 2);
    federation_unlinked(world.federation, B, NULL);
    link_to(B);
    link_having(C, A, (struct at){.sequence = 6});
    say_positions(B, true, two, 2);
    assert_source(A, C);
    assert_source(C, B);
}

/* R7: a claim ahead of ours that the region did not sign is none. */
static void what_is_not_signed_is_no_claim(void **state)
{
    (void)state;
    link_having(B, A, (struct at){.sequence = 1000, .forged = true});
    assert_source(A, NO_PEER);
    link_having(C, A, (struct at){.sequence = 10});
    assert_source(A, C);
}

/* A flood of such claims is not looked at one by one for ever; only that hub's, and only for a while. */
static void a_flood_of_unsigned_claims_is_not_looked_at(void **state)
{
    (void)state;
    link_to(B);
    for (uint64_t i = 0; i < 2 * ROSTER_REGIONS_MAX; i++)
        say_has(B, i == 0, A, (struct at){.sequence = 1000 + i, .forged = true});
    say_has(B, false, A, (struct at){.sequence = 10});
    assert_source(A, NO_PEER);
    link_having(C, A, (struct at){.sequence = 10});
    assert_source(A, C);
    federation_unlinked(world.federation, C, NULL);
    pass_alive(1000, 1u << B);
    say_has(B, false, A, (struct at){.sequence = 10});
    assert_source(A, B);
}

/* A hub that is behind us has nothing for us. */
static void who_is_behind_is_no_source(void **state)
{
    (void)state;
    have(A, (struct at){.sequence = 5});
    federation_destroy(world.federation);
    create_federation();
    link_having(A, A, (struct at){.sequence = 4});
    assert_source(A, NO_PEER);
    say_has(A, false, A, (struct at){.sequence = 5});
    assert_source(A, A);
}

/* A relay that withholds: it has the link, says what it has, and sends nothing. */
static void a_source_that_is_silent_is_left(void **state)
{
    (void)state;
    uint32_t both = 1u << B | 1u << C;
    link_having(B, A, (struct at){.sequence = 9});
    link_having(C, A, (struct at){.sequence = 9});
    assert_source(A, B);
    pass_alive(FEDERATION_DEAD_MS - 250, both);
    assert_source(A, B);
    pass_alive(3 * 250, both);
    assert_source(A, C);
    /* It sends: it stays, though B says the same. */
    say_whole_batch(C, A, 1, 9);
    work_returns(VERDICT_APPLIED);
    pass_alive(4 * FEDERATION_DEAD_MS, both);
    assert_source(A, C);
    /* C withholds what B says is there. */
    say_has(B, false, A, (struct at){.sequence = 10});
    pass_alive(FEDERATION_DEAD_MS + 3 * 250, both);
    assert_source(A, B);
}

/* `count` entries a second for so long, each second's as one work that is applied at once. */
static void drips(uint32_t peer, uint64_t *next, uint64_t count, int64_t seconds, uint32_t alive_too)
{
    for (int64_t second = 0; second < seconds; second++) {
        say_whole_batch(peer, A, *next, *next + count - 1);
        *next += count;
        while (world.work_count > 0)
            work_returns(VERDICT_APPLIED);
        pass_alive(1000, 1u << peer | alive_too);
    }
}

/* A relay that drips: never silent, and withholds all the same. */
static void a_source_that_drips_is_left(void **state)
{
    (void)state;
    uint64_t next = 1;
    link_having(B, A, (struct at){.sequence = 9000});
    link_having(C, A, (struct at){.sequence = 9000});
    assert_source(A, B);
    drips(B, &next, 2, DRIP_MS / 1000 - 2, 1u << C);
    assert_source(A, B);
    drips(B, &next, 2, 2, 1u << C);
    pass_alive(500, 1u << B | 1u << C);
    assert_source(A, C);
    assert_true(pair_of(world.federation, B, A)->barred.until_ms > world.now_ms);
}

/* Another one would be no better: who sends enough, or all that there is, or is the only one that has it. */
static void a_source_that_is_fast_enough_stays(void **state)
{
    (void)state;
    uint64_t next = 1;
    link_having(B, A, (struct at){.sequence = 9000});
    link_having(C, A, (struct at){.sequence = 9000});
    drips(B, &next, DRIP_ENTRIES * 1000 / DRIP_MS + 10, 4 * DRIP_MS / 1000, 1u << C);
    assert_source(A, B);
}

static void a_source_that_drips_new_entries_stays(void **state)
{
    (void)state;
    uint64_t next = 1;
    link_having(B, A, (struct at){.sequence = 1});
    link_having(C, A, (struct at){.sequence = 1});
    for (int second = 0; second < 40; second++) { /* what C says first comes from B a moment later */
        say_has(C, false, A, (struct at){.sequence = next + 1});
        drips(B, &next, 2, 1, 1u << C);
    }
    assert_source(A, B);
}

static void the_only_one_that_has_more_may_drip(void **state)
{
    (void)state;
    uint64_t next = 1;
    link_having(B, A, (struct at){.sequence = 9000});
    link_having(C, C, (struct at){.sequence = 1});
    drips(B, &next, 1, 40, 1u << C);
    assert_source(A, B);
}

/* What waits for our own disk is not the source's fault. */
static void a_slow_disk_is_no_drip(void **state)
{
    (void)state;
    link_having(B, A, (struct at){.sequence = 9000});
    link_having(C, A, (struct at){.sequence = 9000});
    say_whole_batch(B, A, 1, 3);
    pass_alive(4 * DRIP_MS, 1u << B | 1u << C);
    assert_source(A, B);
}

static void a_region_that_waits_for_its_turn_is_not_silent(void **state)
{
    (void)state;
    struct signed_checkpoint two[2] = {checkpoint_at(A, (struct at){.sequence = 50}),
                                       checkpoint_at(C, (struct at){.sequence = 50})};
    link_to(B);
    say_positions(B, true, two, 2);
    tick();
    for (uint64_t n = 1; n <= 6; n++) { /* six seconds of C's log, none of A's */
        pass_alive(1000, 1u << B);
        say_batch(B, C, n, n, NULL);
    }
    assert_source(A, B);
    for (uint64_t n = 7; n <= 11; n++) { /* but not for ever */
        pass_alive(1000, 1u << B);
        say_batch(B, C, n, n, NULL);
    }
    assert_source(A, NO_PEER);
    assert_source(C, B);
}

/* --- batches and back-pressure --------------------------------------------------------------------------------- */

static void parts_make_one_work(void **state)
{
    (void)state;
    link_having(A, A, (struct at){.sequence = 30});
    say_batch(A, A, 1, 10, NULL);
    say_batch(A, A, 11, 20, NULL);
    assert_int_equal(world.work_count, 0);
    say_whole_batch(A, A, 21, 30);
    assert_int_equal(world.work_count, 1);
    assert_int_equal(world.works[0]->kind, WORK_BATCH);
    assert_int_equal(world.works[0]->entry_count, 30);
    assert_int_equal(world.works[0]->checkpoint.checkpoint.sequence, 30);
    for (uint64_t n = 1; n <= 30; n++) {
        uint8_t header[LOG_HEADER_BYTES];
        header_of(A, n, MAIN, header);
        assert_memory_equal(world.works[0]->entries[n - 1].header.data, header, sizeof header);
    }
    work_returns(VERDICT_APPLIED);
    /* Signed again at rest: a work without entries. */
    say_batch(A, A, 31, 30, &(struct at){.sequence = 30, .time_ms = 11000});
    assert_int_equal(world.work_count, 1);
    assert_int_equal(world.works[0]->entry_count, 0);
}

/* R5: what comes twice, or from a take before, is passed over. */
static void duplicates_are_passed_over(void **state)
{
    (void)state;
    link_having(A, A, (struct at){.sequence = 30});
    say_whole_batch(A, A, 7, 9); /* of a take before this one */
    assert_int_equal(world.work_count, 0);
    say_whole_batch(A, A, 1, 3);
    say_whole_batch(A, A, 1, 3);
    assert_int_equal(world.work_count, 1);
    say_whole_batch(B, A, 4, 5); /* not the source; not even linked */
    assert_int_equal(world.work_count, 1);
    say_whole_batch(A, A, 4, 5);
    assert_int_equal(world.work_count, 2);
}

/* R9: a gap is asked for once, then the source is at fault. */
static void a_gap_is_asked_for_again(void **state)
{
    (void)state;
    uint32_t peer = NO_PEER;
    link_having(A, A, (struct at){.sequence = 30});
    say_whole_batch(A, A, 1, 3);
    forget_events();
    say_whole_batch(A, A, 5, 6);
    tick();
    assert_null(last_take(A, &peer)); /* not before what is under way has come back */
    work_returns(VERDICT_APPLIED);
    const Vacancy__V1__Cursor *take = last_take(A, &peer);
    assert_non_null(take);
    assert_int_equal(take->sequence, 3);
    say_whole_batch(A, A, 4, 5);
    work_returns(VERDICT_APPLIED);
    say_whole_batch(A, A, 6, 7);
    work_returns(VERDICT_GAP);
    assert_source(A, A);
    say_whole_batch(A, A, 6, 7);
    work_returns(VERDICT_GAP);
    assert_source(A, NO_PEER);
}

static void a_checkpoint_inside_its_batch_is_refused(void **state)
{
    (void)state;
    link_having(A, A, (struct at){.sequence = 30});
    say_batch(A, A, 1, 5, &(struct at){.sequence = 4});
    assert_int_equal(world.work_count, 0);
    assert_source(A, NO_PEER);
}

static void works_under_way_are_bounded(void **state)
{
    (void)state;
    link_having(A, A, (struct at){.sequence = 1000});
    for (uint64_t n = 1; n <= WORKS_OUT_MAX; n++)
        say_whole_batch(A, A, n, n);
    assert_int_equal(world.work_count, WORKS_OUT_MAX);
    assert_int_equal(count_said(SAID_READING, A), 1);
    assert_false(world.events[world.event_count - 1].on);
    /* Not reading is no silence of the peer's. */
    pass(3 * FEDERATION_DEAD_MS);
    assert_int_equal(count_said(SAID_HANG_UP, A), 0);
    while (world.work_count > WORKS_OUT_MAX / 2 + 1)
        work_returns(VERDICT_APPLIED);
    assert_int_equal(count_said(SAID_READING, A), 1);
    forget_events();
    work_returns(VERDICT_APPLIED);
    assert_int_equal(count_said(SAID_READING, A), 1);
    pass(FEDERATION_DEAD_MS - 1); /* counted from here on */
    assert_int_equal(count_said(SAID_HANG_UP, A), 0);
}

static void a_full_replica_writer_loses_nothing(void **state)
{
    (void)state;
    link_having(A, A, (struct at){.sequence = 1000});
    world.works_full = true;
    for (uint64_t n = 1; n <= 5; n++)
        say_whole_batch(A, A, n, n);
    assert_int_equal(world.work_count, 0);
    world.works_full = false;
    pass_alive(500, 1u << A);
    assert_int_equal(world.work_count, 5);
    for (uint64_t n = 1; n <= 5; n++)
        assert_int_equal(world.works[n - 1]->checkpoint.checkpoint.sequence, n);
    assert_source(A, A);
}

/* --- verdicts -------------------------------------------------------------------------------------------------- */

/* B is linked and serves A's log; so does C. The first work comes back with the verdict. */
static void judged(enum replica_verdict verdict)
{
    link_having(B, A, (struct at){.sequence = 9});
    link_having(C, A, (struct at){.sequence = 9});
    assert_source(A, B);
    say_whole_batch(B, A, 1, 3);
    say_whole_batch(B, A, 4, 6);
    forget_events();
    work_returns(verdict);
}

/* R6, R7 */
static void a_lie_costs_the_liar_this_region(void **state)
{
    (void)state;
    judged(VERDICT_LIE);
    assert_source(A, NO_PEER); /* until the other work is back */
    work_returns(VERDICT_GAP);
    assert_source(A, C);
    assert_true(pair_of(world.federation, B, A)->barred.until_ms > world.now_ms);
    assert_int_equal(count_said(SAID_HANG_UP, B), 0); /* other regions flow */
    /* What the liar still sends is not taken. */
    say_whole_batch(B, A, 1, 3);
    assert_int_equal(world.work_count, 0);
}

static void a_bar_grows_and_ends(void **state)
{
    (void)state;
    link_having(B, A, (struct at){.sequence = 9});
    int64_t step_ms = BAR_MS;
    for (int round = 0; round < 4; round++) {
        assert_source(A, B);
        say_whole_batch(B, A, 1, 3);
        work_returns(VERDICT_LIE);
        assert_source(A, NO_PEER);
        int64_t wait_ms = pair_of(world.federation, B, A)->barred.until_ms - world.now_ms;
        assert_in_range(wait_ms, step_ms / 2, step_ms);
        say_has(B, false, A, (struct at){.sequence = 9});
        pass_alive(wait_ms + 250, 1u << B);
        step_ms = 2 * step_ms < FEDERATION_BACKOFF_MAX_MS ? 2 * step_ms : FEDERATION_BACKOFF_MAX_MS;
    }
    assert_source(A, B);
    say_whole_batch(B, A, 1, 3);
    work_returns(VERDICT_APPLIED);
    assert_int_equal(pair_of(world.federation, B, A)->barred.step_ms, 0);
}

/* R8 */
static void a_frozen_region_is_dropped_until_it_is_thawed(void **state)
{
    (void)state;
    judged(VERDICT_FROZEN);
    world.replica.regions[A].frozen = FROZEN_FORK;
    work_returns(VERDICT_FROZEN);
    assert_source(A, NO_PEER);
    pass_alive(60000, 1u << B | 1u << C);
    assert_source(A, NO_PEER);
    world.replica.regions[A].frozen = FROZEN_NOT;
    say_has(B, false, A, (struct at){.sequence = 9});
    pass_alive(2000, 1u << B | 1u << C);
    assert_string_not_equal(source_of(A), "");
}

static void a_store_that_refuses_is_asked_again_later(void **state)
{
    (void)state;
    judged(VERDICT_STORE);
    work_returns(VERDICT_STORE);
    assert_source(A, NO_PEER);
    pass_alive(FEDERATION_BACKOFF_MS * 2, 1u << B | 1u << C);
    assert_string_not_equal(source_of(A), "");
    assert_int_equal(pair_of(world.federation, B, A)->barred.step_ms, 0); /* nobody's fault */
}

static void a_mismatch_takes_a_snapshot_from_another(void **state)
{
    (void)state;
    uint32_t peer = NO_PEER;
    judged(VERDICT_MISMATCH);
    work_returns(VERDICT_GAP);
    assert_non_null(last_fetch(&peer));
    assert_int_equal(peer, C);
}

static void a_mismatch_takes_a_snapshot_from_the_same_if_there_is_no_other(void **state)
{
    (void)state;
    uint32_t peer = NO_PEER;
    link_having(B, A, (struct at){.sequence = 9});
    say_whole_batch(B, A, 1, 3);
    work_returns(VERDICT_MISMATCH);
    pass_alive(BAR_MS + 500, 1u << B);
    assert_non_null(last_fetch(&peer));
    assert_int_equal(peer, B);
}

static void an_older_epoch_is_no_source(void **state)
{
    (void)state;
    judged(VERDICT_OLD_EPOCH);
    work_returns(VERDICT_OLD_EPOCH);
    assert_source(A, C);
}

/* A checkpoint that contradicts what is proven goes to the replica writer as evidence (R8, R10). */
static void contradictions_are_evidence(void **state)
{
    (void)state;
    static const struct at contradictions[] = {
        {.sequence = 20, .branch = FORK},
        {.sequence = 15, .branch = FORK},
        {.sequence = 25, .id = 9},
    };
    for (size_t i = 0; i < sizeof contradictions / sizeof contradictions[0]; i++) {
        set_up_bare(NULL);
        have(A, (struct at){.sequence = 20});
        create_federation();
        link_having(B, A, (struct at){.sequence = 15}); /* behind, and of one history */
        assert_int_equal(world.work_count, 0);
        struct at forged = contradictions[i];
        forged.forged = true;
        say_has(B, false, A, forged);
        assert_int_equal(world.work_count, 0); /* anybody can say that */
        say_has(B, false, A, contradictions[i]);
        assert_int_equal(world.work_count, 1);
        assert_int_equal(world.works[0]->entry_count, 0);
        assert_int_equal(world.works[0]->checkpoint.checkpoint.sequence, contradictions[i].sequence);
        say_has(B, false, A, contradictions[i]);
        assert_int_equal(world.work_count, 1); /* one at a time */
        work_returns(VERDICT_FROZEN);
        assert_true(world.federation->regions[A].frozen);
        if (i + 1 < sizeof contradictions / sizeof contradictions[0])
            tear_down(NULL);
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(the_regions_own_hub_comes_first),
        TEST(the_furthest_relay_then_the_least_used),
        TEST(what_is_not_signed_is_no_claim),
        TEST(a_flood_of_unsigned_claims_is_not_looked_at),
        TEST(who_is_behind_is_no_source),
        TEST(a_source_that_is_silent_is_left),
        TEST(a_source_that_drips_is_left),
        TEST(a_source_that_is_fast_enough_stays),
        TEST(a_source_that_drips_new_entries_stays),
        TEST(the_only_one_that_has_more_may_drip),
        TEST(a_slow_disk_is_no_drip),
        TEST(a_region_that_waits_for_its_turn_is_not_silent),
        TEST(parts_make_one_work),
        TEST(duplicates_are_passed_over),
        TEST(a_gap_is_asked_for_again),
        TEST(a_checkpoint_inside_its_batch_is_refused),
        TEST(works_under_way_are_bounded),
        TEST(a_full_replica_writer_loses_nothing),
        TEST(a_lie_costs_the_liar_this_region),
        TEST(a_bar_grows_and_ends),
        TEST(a_frozen_region_is_dropped_until_it_is_thawed),
        TEST(a_store_that_refuses_is_asked_again_later),
        TEST(a_mismatch_takes_a_snapshot_from_another),
        TEST(a_mismatch_takes_a_snapshot_from_the_same_if_there_is_no_other),
        TEST(an_older_epoch_is_no_source),
        cmocka_unit_test_setup_teardown(contradictions_are_evidence, NULL, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
