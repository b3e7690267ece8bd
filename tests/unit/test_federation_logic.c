/* tier: check */
/*
 * test_federation_logic.c - the federation's logic alone: dialling, what is told, which source (R1, R3, R10), silence,
 * back-pressure, what each verdict of the replica writer brings (R5 to R9), snapshots and going on with them, protocol
 * violations (R11), this hub's own standing, and REPLICATED. Clock, randomness, ports, home and replica are the test's.
 */
#include "tests/unit/federation_world.h"

/* --- links ----------------------------------------------------------------------------------------------------- */

static void dials_with_growing_jittered_backoff(void **state)
{
    (void)state;
    int64_t step_ms = FEDERATION_BACKOFF_MS;
    struct problem why = {.code = ERR_UNAVAILABLE, .text = "refused"};
    tick();
    for (int round = 0; round < 8; round++) {
        assert_int_equal(world.federation->peers[A].state, PEER_DIALLING);
        federation_unlinked(world.federation, A, &why);
        int64_t wait_ms = world.federation->peers[A].dial.until_ms - world.now_ms;
        assert_in_range(wait_ms, step_ms / 2, step_ms);
        world.now_ms += wait_ms - 1;
        tick();
        assert_int_equal(world.federation->peers[A].state, PEER_DOWN);
        world.now_ms += 1;
        tick();
        step_ms = 2 * step_ms < FEDERATION_BACKOFF_MAX_MS ? 2 * step_ms : FEDERATION_BACKOFF_MAX_MS;
    }
    assert_int_equal(step_ms, FEDERATION_BACKOFF_MAX_MS);
    /* A link that worked begins anew; one that only opened does not. */
    link_to(A);
    federation_unlinked(world.federation, A, &why);
    assert_true(world.federation->peers[A].dial.step_ms == FEDERATION_BACKOFF_MAX_MS);
    /* Nor does one that says what it has and hangs up at once, but it is dialled more often than that. */
    link_having(A, A, (struct at){.sequence = 1});
    federation_unlinked(world.federation, A, &why);
    assert_true(world.federation->peers[A].dial.step_ms == FEDERATION_BACKOFF_SPOKE_MS);
    link_having(A, A, (struct at){.sequence = 1});
    pass_alive(FEDERATION_USEFUL_MS, 1u << A);
    federation_unlinked(world.federation, A, &why);
    assert_int_equal(world.federation->peers[A].dial.step_ms, FEDERATION_BACKOFF_MS);
}

/* It was dialled four to eight times a second for ever: saying what it has was all that the back-off asked for. */
static void who_hangs_up_at_once_is_dialled_ever_more_slowly(void **state)
{
    (void)state;
    for (int spoke = 0; spoke < 2; spoke++) {
        int64_t end_ms = world.now_ms + 60000;
        uint32_t dials = 0;
        while (world.now_ms < end_ms) {
            if (spoke)
                link_having(A, A, (struct at){.sequence = 1});
            else
                link_to(A);
            federation_unlinked(world.federation, A, NULL);
            forget_events();
            dials++;
        }
        assert_in_range(dials, spoke ? 30 : 6, spoke ? 64 : 18);
    }
}

static void a_dial_that_stands_still_is_given_up(void **state)
{
    (void)state;
    pass(DIAL_MS);
    assert_int_equal(count_said(SAID_HANG_UP, A), 1);
    assert_int_equal(world.federation->peers[A].state, PEER_DOWN);
}

static void positions_are_told(void **state)
{
    (void)state;
    have(A, (struct at){.sequence = 7});
    federation_destroy(world.federation);
    create_federation();
    link_to(A);
    const Vacancy__V1__FollowRequest *first = sent(A, VACANCY__V1__FOLLOW_REQUEST__ITEM_POSITIONS, 0);
    assert_non_null(first);
    assert_true(first->positions->complete);
    assert_int_equal(first->positions->n_checkpoints, 2); /* A's and ours */
    forget_events();
    say_has(A, true, A, (struct at){.sequence = 9});
    pass_alive(2 * FEDERATION_PING_MS, 1u << A);
    uint32_t lives = 0;
    for (uint32_t i = 0; i < world.event_count; i++) {
        const Vacancy__V1__FollowRequest *request = (const void *)world.events[i].message;
        if (world.events[i].said != SAID_SEND || request->item_case != VACANCY__V1__FOLLOW_REQUEST__ITEM_POSITIONS)
            continue;
        assert_int_equal(request->positions->n_checkpoints, 0);
        assert_false(request->positions->complete);
        lives++;
    }
    assert_in_range(lives, 2, 3);
    /* What becomes durable of the peer's own region is told at once; of ours with the next sign of life. */
    forget_events();
    say_whole_batch(A, A, 8, 9);
    home_has((struct at){.sequence = 101});
    federation_changed(world.federation);
    work_returns(VERDICT_APPLIED);
    const Vacancy__V1__FollowRequest *news = sent(A, VACANCY__V1__FOLLOW_REQUEST__ITEM_POSITIONS, 0);
    assert_non_null(news);
    assert_int_equal(news->positions->n_checkpoints, 1);
    assert_non_null(strstr(news->positions->checkpoints[0]->text, "sequence 9\n"));
    forget_events();
    pass_alive(FEDERATION_PING_MS, 1u << A);
    news = sent(A, VACANCY__V1__FOLLOW_REQUEST__ITEM_POSITIONS, 0);
    assert_non_null(news);
    assert_int_equal(news->positions->n_checkpoints, 1);
    assert_non_null(strstr(news->positions->checkpoints[0]->text, "sequence 101\n"));
}

/* R3: a peer that hears us but isn't heard. */
static void a_silent_peer_is_hung_up(void **state)
{
    (void)state;
    link_having(A, A, (struct at){.sequence = 1});
    pass(FEDERATION_DEAD_MS - 1);
    assert_int_equal(count_said(SAID_HANG_UP, A), 0);
    pass(1);
    assert_int_equal(count_said(SAID_HANG_UP, A), 1);
    /* Not dialled before links says that it is closed. */
    pass(FEDERATION_BACKOFF_MAX_MS / 2);
    assert_int_equal(world.federation->peers[A].state, PEER_CLOSING);
    federation_unlinked(world.federation, A, NULL);
    tick();
    assert_int_equal(world.federation->peers[A].state, PEER_DIALLING);
}

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

/* --- snapshots ------------------------------------------------------------------------------------------------- */

static void say_snapshot(uint32_t peer, Vacancy__V1__FetchSnapshotResponse *message)
{
    federation_snapshot_heard(world.federation, peer, message);
    tick();
}

static void say_begin(uint32_t peer, uint32_t region, struct at at)
{
    struct signed_checkpoint checkpoint = checkpoint_at(region, at);
    Vacancy__V1__SignedCheckpoint in;
    Vacancy__V1__SnapshotBegin begin = VACANCY__V1__SNAPSHOT_BEGIN__INIT;
    Vacancy__V1__FetchSnapshotResponse message = VACANCY__V1__FETCH_SNAPSHOT_RESPONSE__INIT;
    checkpoint_message(&checkpoint, &in);
    begin.checkpoint = &in;
    message.item_case = VACANCY__V1__FETCH_SNAPSHOT_RESPONSE__ITEM_BEGIN;
    message.begin = &begin;
    say_snapshot(peer, &message);
}

static void say_headers(uint32_t peer, size_t bytes)
{
    static uint8_t octets[10 * LOG_HEADER_BYTES];
    Vacancy__V1__SnapshotHeaders headers = VACANCY__V1__SNAPSHOT_HEADERS__INIT;
    Vacancy__V1__FetchSnapshotResponse message = VACANCY__V1__FETCH_SNAPSHOT_RESPONSE__INIT;
    headers.first_sequence = 1;
    headers.headers = (ProtobufCBinaryData){bytes, octets};
    message.item_case = VACANCY__V1__FETCH_SNAPSHOT_RESPONSE__ITEM_HEADERS;
    message.headers = &headers;
    say_snapshot(peer, &message);
}

static void say_records(uint32_t peer, uint32_t table, size_t key_bytes)
{
    static uint8_t octets[200];
    Vacancy__V1__SnapshotRecord record = VACANCY__V1__SNAPSHOT_RECORD__INIT, *list = &record;
    Vacancy__V1__SnapshotRecords records = VACANCY__V1__SNAPSHOT_RECORDS__INIT;
    Vacancy__V1__FetchSnapshotResponse message = VACANCY__V1__FETCH_SNAPSHOT_RESPONSE__INIT;
    record.table = table;
    record.key = (ProtobufCBinaryData){key_bytes, octets};
    record.value = (ProtobufCBinaryData){20, octets};
    records.records = &list;
    records.n_records = 1;
    records.read_at_sequence = 30002;
    message.item_case = VACANCY__V1__FETCH_SNAPSHOT_RESPONSE__ITEM_RECORDS;
    message.records = &records;
    say_snapshot(peer, &message);
}

static void say_log(uint32_t peer, uint32_t region, uint64_t first, uint64_t last)
{
    static struct batch_room room;
    Vacancy__V1__FetchSnapshotResponse message = VACANCY__V1__FETCH_SNAPSHOT_RESPONSE__INIT;
    const struct at at = {.sequence = last};
    message.item_case = VACANCY__V1__FETCH_SNAPSHOT_RESPONSE__ITEM_BATCH;
    for (; first <= last; first += 64) {
        bool whole = first + 63 >= last;
        message.batch = make_batch(&room, region, first, whole ? last : first + 63, whole ? &at : NULL);
        say_snapshot(peer, &message);
    }
}

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

/* --- protocol -------------------------------------------------------------------------------------------------- */

#define assert_hung_up(peer)                                                                                           \
    do {                                                                                                               \
        assert_int_equal(count_said(SAID_HANG_UP, peer), 1);                                                           \
        assert_int_equal(world.federation->peers[peer].state, PEER_CLOSING);                                           \
        assert_int_equal(world.work_count, 0);                                                                         \
        tear_down(NULL);                                                                                               \
        set_up(NULL);                                                                                                  \
    } while (0)

static void say_raw_batch(uint32_t peer, Vacancy__V1__Batch *batch)
{
    Vacancy__V1__FollowResponse message = VACANCY__V1__FOLLOW_RESPONSE__INIT;
    message.item_case = VACANCY__V1__FOLLOW_RESPONSE__ITEM_BATCH;
    message.batch = batch;
    federation_heard(world.federation, peer, &message);
}

/* R11: whoever breaks the protocol is hung up, and nothing is made of it. */
static void violations_hang_up(void **state)
{
    (void)state;
    static struct batch_room room;
    static uint8_t large[LOG_PAYLOAD_MAX_BYTES + 1];
    struct signed_checkpoint checkpoint;

    link_to(A); /* the first positions are not complete */
    alive(A);
    assert_hung_up(A);

    link_to(A); /* no checkpoint */
    checkpoint = checkpoint_at(A, (struct at){.sequence = 1});
    checkpoint.text[3] ^= 1;
    say_positions(A, true, &checkpoint, 1);
    assert_hung_up(A);

    link_having(A, A, (struct at){.sequence = 9}); /* neither entries nor a checkpoint */
    say_raw_batch(A, make_batch(&room, A, 2, 1, NULL));
    assert_hung_up(A);

    link_having(A, A, (struct at){.sequence = 9}); /* a short header */
    make_batch(&room, A, 1, 1, NULL);
    room.entries[0].header.len--;
    say_raw_batch(A, &room.batch);
    assert_hung_up(A);

    link_having(A, A, (struct at){.sequence = 9}); /* a header that is none */
    make_batch(&room, A, 1, 1, NULL);
    room.headers[0][0] ^= 1;
    say_raw_batch(A, &room.batch);
    assert_hung_up(A);

    link_having(A, A, (struct at){.sequence = 9}); /* an oversized payload */
    make_batch(&room, A, 1, 1, NULL);
    room.entries[0].payload = (ProtobufCBinaryData){sizeof large, large};
    say_raw_batch(A, &room.batch);
    assert_hung_up(A);

    link_having(A, A, (struct at){.sequence = 9}); /* a salt of another size */
    make_batch(&room, A, 1, 1, NULL);
    room.entries[0].salt.len = 31;
    say_raw_batch(A, &room.batch);
    assert_hung_up(A);

    link_having(A, A, (struct at){.sequence = 9}); /* another region's checkpoint */
    make_batch(&room, A, 1, 1, &(struct at){.sequence = 1});
    room.batch.region = (char *)region_code(B);
    say_raw_batch(A, &room.batch);
    assert_hung_up(A);

    link_having(A, A, (struct at){.sequence = 30000}); /* a snapshot in the wrong order */
    say_records(A, LOG_TABLE_OFFER, 17);
    assert_hung_up(A);

    link_having(A, A, (struct at){.sequence = 30000}); /* another region's snapshot */
    say_begin(A, B, (struct at){.sequence = 30000});
    assert_hung_up(A);

    link_having(A, A, (struct at){.sequence = 30000});
    say_begin(A, A, (struct at){.sequence = 30000});
    work_returns(VERDICT_STAGED);
    say_headers(A, LOG_HEADER_BYTES + 1);
    assert_hung_up(A);

    link_having(A, A, (struct at){.sequence = 30000}); /* a table that is not shared */
    say_begin(A, A, (struct at){.sequence = 30000});
    work_returns(VERDICT_STAGED);
    say_records(A, LOG_TABLE_EPOCH, 8);
    assert_hung_up(A);

    link_having(A, A, (struct at){.sequence = 30000}); /* a key that is none of ours */
    say_begin(A, A, (struct at){.sequence = 30000});
    work_returns(VERDICT_STAGED);
    say_records(A, LOG_TABLE_OFFER, SHARED_KEY_BYTES_MAX + 1);
    assert_hung_up(A);
}

/* R11: a region nobody knows, and our own, are no concern of a peer's batch. */
static void unknown_regions_are_ignored(void **state)
{
    (void)state;
    static struct batch_room room;
    link_having(A, A, (struct at){.sequence = 9});
    make_batch(&room, A, 1, 3, NULL);
    room.batch.region = (char *)"E12000099";
    say_raw_batch(A, &room.batch);
    say_whole_batch(A, OURS, 101, 103);
    assert_int_equal(count_said(SAID_HANG_UP, A), 0);
    assert_int_equal(world.work_count + world.update_count, 0);
}

/* --- the roster ------------------------------------------------------------------------------------------------ */

static void a_new_roster_begins_anew(void **state)
{
    (void)state;
    struct problem problem;
    const struct roster *older = make_roster(1, REGIONS, NULL), *newer = make_roster(2, 3, NULL);
    link_having(A, A, (struct at){.sequence = 9});
    say_whole_batch(A, A, 1, 3);
    assert_int_equal(federation_set_roster(world.federation, newer, &problem), ERR_NONE);
    assert_int_equal(count_said(SAID_PEERS_CHANGED, 0), 1);
    assert_int_equal(world.rosters_passed, 1);
    assert_int_equal(world.home.roster_version, 2);
    assert_true(world.federation->peers[A].answered);
    struct federation_peer peers[REGIONS];
    assert_int_equal(federation_status(world.federation, peers, REGIONS), 2);
    /* A work of before changes no count of now. */
    work_returns(VERDICT_APPLIED);
    assert_int_equal(world.federation->peers[A].works_out, 0);
    assert_int_equal(world.federation->regions[A].works_out, 0);
    assert_int_equal(federation_set_roster(world.federation, older, &problem), ERR_STALE);
    roster_unref(older);
    roster_unref(newer);
    link_having(A, A, (struct at){.sequence = 9});
    assert_source(A, A);
}

/* The roster names the other side of a fork as the surviving one. */
static void a_thaw_for_the_other_side_takes_a_snapshot(void **state)
{
    (void)state;
    uint32_t peer = NO_PEER;
    struct problem problem;
    char thaw[128];
    have(A, (struct at){.sequence = 20, .epoch = 3, .id = 1});
    federation_destroy(world.federation);
    create_federation();
    snprintf(thaw, sizeof thaw, "thaw %s epoch 3 02020202020202020202020202020202", region_code(A));
    const struct roster *roster = make_roster(2, REGIONS, thaw);
    assert_int_equal(federation_set_roster(world.federation, roster, &problem), ERR_NONE);
    roster_unref(roster);
    link_having(B, A, (struct at){.sequence = 22, .epoch = 3, .id = 1}); /* the dead one */
    assert_source(A, NO_PEER);
    link_having(A, A, (struct at){.sequence = 18, .epoch = 3, .id = 2});
    assert_non_null(last_fetch(&peer));
    assert_int_equal(peer, A);
    assert_int_equal(world.work_count, 0);
}

/* --- our own standing ------------------------------------------------------------------------------------------ */

static void starts_as(enum home_standing standing)
{
    federation_destroy(world.federation);
    world.home.standing = standing;
    create_federation();
}

/* (a) */
static void one_answer_is_enough_to_decide(void **state)
{
    (void)state;
    starts_as(STANDING_ASKING);
    pass(1000);
    assert_int_equal(world.update_count, 0);
    link_having(A, OURS, (struct at){.sequence = 90});
    assert_int_equal(world.update_count, 1);
    pass_alive(1000, 1u << A);
    assert_int_equal(world.update_count, 1); /* once */
    /* The disk refused: again, later. */
    update_returns(UPDATE_DECIDE, ERR_STORE_FULL);
    assert_int_equal(world.update_count, 0);
    pass_alive(500, 1u << A);
    world.home.standing = STANDING_DECIDING;
    update_returns(UPDATE_DECIDE, ERR_NONE);
    pass_alive(5000, 1u << A);
    assert_int_equal(world.update_count, 0);
}

/* An empty folder: the first to answer may lack the region as well, and a second epoch 1 would be a fork. */
static void an_empty_register_asks_every_hub(void **state)
{
    (void)state;
    uint32_t peer = NO_PEER;
    world.home.have = false;
    starts_as(STANDING_ASKING);
    pass(1000);
    link_having(A, A, (struct at){.sequence = 1});
    pass_alive(FEDERATION_EMPTY_WAIT_MS / 2, 1u << A);
    assert_int_equal(world.update_count, 0);
    link_having(B, OURS, (struct at){.sequence = 90}); /* it has what we lost */
    assert_non_null(last_take(OURS, &peer));
    assert_int_equal(peer, B);
    pass_alive(2 * FEDERATION_EMPTY_WAIT_MS, 1u << A);
    assert_int_equal(world.update_count, 0);
}

static void an_empty_register_waits_no_longer_than_it_must(void **state)
{
    (void)state;
    world.home.have = false;
    starts_as(STANDING_ASKING);
    pass(3 * FEDERATION_EMPTY_WAIT_MS); /* counted from the first answer on */
    link_having(A, A, (struct at){.sequence = 1});
    int64_t first_ms = world.now_ms;
    while (world.update_count == 0 && world.now_ms < first_ms + 2 * FEDERATION_EMPTY_WAIT_MS)
        pass_alive(50, 1u << A);
    assert_in_range(world.now_ms - first_ms, FEDERATION_EMPTY_WAIT_MS, FEDERATION_EMPTY_WAIT_MS + 100);
    world.home.standing = STANDING_DECIDING;
    update_returns(UPDATE_DECIDE, ERR_NONE);
    /* All have answered: at once. */
    starts_as(STANDING_ASKING);
    for (uint32_t other = 0; other < REGIONS; other++) {
        assert_int_equal(world.update_count, 0);
        if (other != OURS)
            link_having(other, other, (struct at){.sequence = 1});
    }
    assert_int_equal(world.update_count, 1);
}

static struct peer_positions *inbound(uint32_t peer, bool complete, const struct signed_checkpoint *checkpoint)
{
    struct peer_positions *out = calloc(1, sizeof *out + sizeof out->checkpoints[0]);
    assert_non_null(out);
    strcpy(out->peer, region_code(peer));
    out->complete = complete;
    out->count = checkpoint != NULL;
    if (checkpoint != NULL)
        out->checkpoints[0] = *checkpoint;
    return out;
}

static void an_answer_counts_in_either_direction(void **state)
{
    (void)state;
    starts_as(STANDING_ASKING);
    federation_peer_has(world.federation, inbound(C, true, NULL));
    tick();
    assert_int_equal(world.update_count, 1);
    update_returns(UPDATE_DECIDE, ERR_NONE);
    struct peer_positions *stranger = inbound(C, true, NULL);
    strcpy(stranger->peer, "E12000099");
    federation_peer_has(world.federation, stranger); /* not in the roster: nothing */
}

/* (b) */
static void lost_entries_are_taken_back(void **state)
{
    (void)state;
    uint32_t peer = NO_PEER;
    starts_as(STANDING_ASKING);
    link_having(A, OURS, (struct at){.sequence = 103});
    assert_int_equal(world.update_count, 0);
    const Vacancy__V1__Cursor *take = last_take(OURS, &peer);
    assert_non_null(take);
    assert_int_equal(peer, A);
    assert_int_equal(take->sequence, 100);
    struct federation_peer peers[REGIONS];
    tick();
    size_t count = federation_status(world.federation, peers, REGIONS);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(peers[i].has_more, strcmp(peers[i].region, region_code(A)) == 0);
    say_whole_batch(A, OURS, 101, 103);
    assert_int_equal(world.update_count, 1);
    assert_int_equal(world.updates[0]->kind, UPDATE_REPLAY);
    assert_int_equal(world.updates[0]->as.replay.count, 3);
    assert_int_equal(world.updates[0]->as.replay.checkpoint.checkpoint.sequence, 103);
    home_has((struct at){.sequence = 103});
    world.home.standing = STANDING_RESTORING;
    update_returns(UPDATE_REPLAY, ERR_NONE);
    /* Every hub of the roster is asked before this one decides. */
    pass_alive(5000, 1u << A);
    assert_int_equal(world.update_count, 0);
    link_having(B, OURS, (struct at){.sequence = 104});
    pass_alive(500, 1u << A | 1u << B);
    say_whole_batch(B, OURS, 104, 104);
    home_has((struct at){.sequence = 104});
    update_returns(UPDATE_REPLAY, ERR_NONE);
    pass_alive(500, 1u << A | 1u << B);
    assert_int_equal(world.update_count, 0);
    link_having(C, C, (struct at){.sequence = 1});
    assert_int_equal(world.update_count, 1);
    assert_int_equal(world.updates[0]->kind, UPDATE_DECIDE);
}

/* An old copy of the data that was let decide, or a double that writes: the next entry here would be a fork. */
static void who_decides_and_is_shown_more_stops(void **state)
{
    (void)state;
    uint32_t peer = NO_PEER, all = 1u << A | 1u << B | 1u << C;
    link_having(A, OURS, (struct at){.sequence = 100});
    assert_int_equal(world.home.shown_sequence, 0);
    say_has(A, false, OURS, (struct at){.sequence = 105, .forged = true});
    assert_int_equal(world.home.shown_sequence, 0);
    say_has(A, false, OURS, (struct at){.sequence = 103});
    assert_int_equal(world.home.shown_epoch, 1); /* at once: before any tick or update */
    assert_int_equal(world.home.shown_sequence, 103);
    tick();
    assert_int_equal(world.update_count, 1);
    assert_int_equal(world.updates[0]->as.ahead.checkpoint.sequence, 103);
    update_returns(UPDATE_BEHIND, ERR_STORE_FULL); /* again, later */
    pass_alive(500, 1u << A);
    assert_int_equal(world.update_count, 1);
    assert_null(last_take(OURS, &peer)); /* not while it is thought to decide */
    world.home.standing = STANDING_BEHIND;
    update_returns(UPDATE_BEHIND, ERR_NONE);
    pass_alive(500, 1u << A);
    const Vacancy__V1__Cursor *take = last_take(OURS, &peer);
    assert_non_null(take);
    assert_int_equal(take->sequence, 100);
    say_whole_batch(A, OURS, 101, 103);
    home_has((struct at){.sequence = 103});
    update_returns(UPDATE_REPLAY, ERR_NONE);
    assert_int_equal(world.home.shown_sequence, 0);
    /* It has everything back, every hub has answered: the operator decides all the same. */
    link_having(B, OURS, (struct at){.sequence = 103});
    link_having(C, OURS, (struct at){.sequence = 103});
    pass_alive(10000, all);
    assert_int_equal(world.update_count, 0);
    say_has(B, false, OURS, (struct at){.sequence = 110, .epoch = 2}); /* unless another hub does */
    pass_alive(500, all);
    assert_int_equal(world.update_count, 1);
    assert_int_equal(world.updates[0]->kind, UPDATE_SUPERSEDED);
}

/* The position comes while the decision is on its way: the home writer hears of it before it commits. */
static void what_comes_after_the_word_to_decide_is_shown(void **state)
{
    (void)state;
    starts_as(STANDING_ASKING);
    link_having(A, A, (struct at){.sequence = 1});
    assert_int_equal(world.update_count, 1);
    assert_int_equal(world.home.shown_sequence, 0);
    link_to(B);
    say_has(B, true, OURS, (struct at){.sequence = 103});
    assert_int_equal(world.home.shown_epoch, 1);
    assert_int_equal(world.home.shown_sequence, 103);
    update_returns(UPDATE_DECIDE, ERR_UNAVAILABLE);
    assert_true(world.federation->standing.restoring);
    /* A later epoch, or the same number with another id, is beyond all that we have. */
    say_has(B, false, OURS, (struct at){.sequence = 3, .epoch = 1, .id = 4});
    assert_int_equal(world.home.shown_epoch, 1);
    assert_true(world.home.shown_sequence == UINT64_MAX);
}

static void a_replay_that_is_refused_is_taken_from_another(void **state)
{
    (void)state;
    uint32_t peer = NO_PEER;
    starts_as(STANDING_RESTORING);
    link_having(A, OURS, (struct at){.sequence = 103});
    link_having(B, OURS, (struct at){.sequence = 103});
    say_whole_batch(A, OURS, 101, 103);
    forget_events();
    update_returns(UPDATE_REPLAY, ERR_INVALID);
    assert_non_null(last_take(OURS, &peer));
    assert_int_equal(peer, B);
}

/* From a backup so old that the peers dropped payloads of what followed: our own region as a snapshot. */
static void behind_the_horizon_our_own_region_comes_whole(void **state)
{
    (void)state;
    uint32_t peer = NO_PEER;
    home_has((struct at){.sequence = 2});
    starts_as(STANDING_RESTORING);
    link_having(A, OURS, (struct at){.sequence = 10, .horizon = 5});
    const Vacancy__V1__FetchSnapshotRequest *request = last_fetch(&peer);
    assert_non_null(request);
    assert_int_equal(peer, A);
    assert_string_equal(request->region, region_code(OURS));
    assert_int_equal(request->from_sequence, 0);
    say_begin(A, OURS, (struct at){.sequence = 10, .horizon = 5});
    say_headers(A, 10 * LOG_HEADER_BYTES);
    say_records(A, LOG_TABLE_CARER, 17);
    say_records(A, LOG_TABLE_OFFER, 17);
    say_log(A, OURS, 11, 29999);
    assert_int_equal(world.update_count, 0); /* not yet at the newest slice of records */
    say_log(A, OURS, 30000, 30002);
    assert_int_equal(world.work_count, 0);
    assert_int_equal(world.update_count, 1);
    const struct update *update = world.updates[0];
    assert_true(update->as.replay.whole);
    assert_int_equal(update->as.replay.record_count, 2);
    assert_int_equal(update->as.replay.count, 30000); /* from 3 on */
    assert_int_equal(update->as.replay.rows[7].payload.size, 0);
    assert_int_equal(update->as.replay.rows[8].payload.size, 10);
    assert_int_equal(update->as.replay.checkpoint.checkpoint.sequence, 30002);
    home_has((struct at){.sequence = 30002});
    update_returns(UPDATE_REPLAY, ERR_NONE);
    assert_int_equal(count_said(SAID_STOP_FETCH, A), 1);
    assert_int_equal(world.federation->regions[OURS].state, REGION_IDLE);
    assert_null(world.federation->standing.whole);
}

static void our_own_region_with_a_gap_is_not_replayed(void **state)
{
    (void)state;
    starts_as(STANDING_RESTORING);
    link_having(A, OURS, (struct at){.sequence = 200, .horizon = 150});
    say_begin(A, OURS, (struct at){.sequence = 200, .horizon = 150});
    say_log(A, OURS, 201, 202); /* and 101 to 200? */
    assert_int_equal(world.update_count, 0);
    assert_int_equal(world.federation->regions[OURS].state, REGION_IDLE);
}

/* (c) */
/* A new roster ends the links and with them what was said on them: whoever had more of our log than we is asked anew,
 * before we decide without it. (The simulator.) */
static void a_new_roster_does_not_cut_a_restore_short(void **state)
{
    (void)state;
    uint32_t peer = NO_PEER;
    starts_as(STANDING_RESTORING);
    link_having(B, OURS, (struct at){.sequence = 100});
    link_having(C, OURS, (struct at){.sequence = 100});
    link_having(A, OURS, (struct at){.sequence = 103});
    assert_non_null(last_take(OURS, &peer));
    const struct roster *roster = make_roster(2, REGIONS, NULL);
    assert_int_equal(federation_set_roster(world.federation, roster, NULL), ERR_NONE);
    roster_unref(roster);
    pass(1000);
    assert_int_equal(world.update_count, 0);
    link_having(A, OURS, (struct at){.sequence = 100}); /* it may have lost them meanwhile; then that is all there is */
    pass_alive(1000, 1u << A);
    assert_int_equal(world.update_count, 1);
    assert_int_equal(world.updates[0]->kind, UPDATE_DECIDE);
}

/* The other branch of a fork that the roster has ended supersedes nobody. (The simulator.) */
static void a_branch_that_was_left_supersedes_nobody(void **state)
{
    (void)state;
    char thaw[128];
    starts_as(STANDING_DECIDING);
    uint8_t id[EPOCH_ID_BYTES];
    struct signed_checkpoint mine = checkpoint_at(OURS, (struct at){.sequence = 100});
    memcpy(id, mine.checkpoint.epoch_id, sizeof id);
    char hex[2 * EPOCH_ID_BYTES + 1];
    hex_encode(id, sizeof id, hex);
    snprintf(thaw, sizeof thaw, "thaw %s epoch %llu %s", region_code(OURS), (unsigned long long)mine.checkpoint.epoch,
             hex);
    const struct roster *roster = make_roster(2, REGIONS, thaw);
    assert_int_equal(federation_set_roster(world.federation, roster, NULL), ERR_NONE);
    roster_unref(roster);
    link_having(A, OURS, (struct at){.sequence = 90, .id = 4});
    pass_alive(1000, 1u << A);
    assert_int_equal(world.update_count, 0);
    say_has(A, false, OURS, (struct at){.sequence = 90, .epoch = 2}); /* a later one does */
    pass_alive(1000, 1u << A);
    assert_int_equal(world.update_count, 1);
    assert_int_equal(world.updates[0]->kind, UPDATE_SUPERSEDED);
}

static void a_later_epoch_supersedes(void **state)
{
    (void)state;
    static const struct at later[] = {{.sequence = 90, .epoch = 2}, {.sequence = 90, .id = 4}};
    for (int i = 0; i < 4; i++) {
        struct at at = later[i % 2];
        starts_as(i < 2 ? STANDING_DECIDING : STANDING_ASKING);
        at.forged = true;
        link_having(A, OURS, at);
        while (world.update_count > 0) /* who asks has its answer, false as it is */
            update_returns(UPDATE_DECIDE, ERR_UNAVAILABLE);
        at.forged = false;
        say_has(A, false, OURS, at);
        pass_alive(1000, 1u << A);
        assert_int_equal(world.update_count, 1);
        if (world.updates[0]->kind == UPDATE_DECIDE) { /* was on its way again */
            update_returns(UPDATE_DECIDE, ERR_UNAVAILABLE);
            pass_alive(1000, 1u << A);
        }
        assert_int_equal(world.updates[0]->as.superseded.checkpoint.epoch, at.epoch ? at.epoch : 1);
        world.home.standing = STANDING_SUPERSEDED;
        update_returns(UPDATE_SUPERSEDED, ERR_NONE);
        at.horizon = 40; /* what is to be forgotten reaches it, too */
        say_has(A, false, OURS, at);
        assert_int_equal(world.home.told_horizon, 40);
        pass_alive(1000, 1u << A);
        assert_int_equal(world.update_count, 0);
        /* A still later epoch is news. */
        say_has(A, false, OURS, (struct at){.sequence = 95, .epoch = 4});
        pass_alive(1000, 1u << A);
        assert_int_equal(world.update_count, 1);
        assert_int_equal(world.updates[0]->as.superseded.checkpoint.epoch, 4);
        update_returns(UPDATE_SUPERSEDED, ERR_NONE);
    }
}

/* A backup of an earlier epoch: what came after it, later epochs too, is replayed if it goes on from there. */
static void a_restore_follows_its_log_into_later_epochs(void **state)
{
    (void)state;
    uint32_t peer = NO_PEER;
    starts_as(STANDING_RESTORING);
    link_having(A, OURS, (struct at){.sequence = 110, .epoch = 2});
    assert_int_equal(world.update_count, 0);
    assert_non_null(last_take(OURS, &peer));
    /* It does not: then another hub decides. */
    say_refusal(A, OURS, LOG_OTHER_HISTORY, &(struct at){.sequence = 110, .epoch = 2});
    tick();
    assert_int_equal(world.update_count, 1);
    assert_int_equal(world.updates[0]->kind, UPDATE_SUPERSEDED);
}

static void replicated_is_told(void **state)
{
    (void)state;
    link_having(A, OURS, (struct at){.sequence = 99});
    assert_int_equal(world.replicated_sequence, 99);
    assert_int_equal(world.replicated_epoch, 1);
    struct signed_checkpoint at_100 = checkpoint_at(OURS, (struct at){.sequence = 100});
    federation_peer_has(world.federation, inbound(A, false, &at_100));
    assert_int_equal(world.replicated_sequence, 100);
    uint32_t count = world.replicated_count;
    say_has(A, false, OURS, (struct at){.sequence = 100, .branch = FORK}); /* not our entry */
    say_has(A, false, OURS, (struct at){.sequence = 50, .epoch = 7, .forged = true});
    assert_int_equal(world.replicated_count, count);
    /* What the home register has by now, not what it had when last looked at. */
    home_has((struct at){.sequence = 101});
    say_has(A, false, OURS, (struct at){.sequence = 101});
    assert_int_equal(world.replicated_sequence, 101);
    struct federation_peer peers[REGIONS];
    tick();
    federation_status(world.federation, peers, REGIONS);
    assert_int_equal(peers[0].replicated_sequence, 101);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

/* The answer of a peer that went away is from before: it may hear more from whoever else writes with our key, and the
 * operator is to be told that it was not asked. */
static void behind_answers_of_who_is_away_do_not_count(void **state)
{
    (void)state;
    struct federation_peer peers[REGIONS];
    link_having(A, OURS, (struct at){.sequence = 100});
    link_having(B, OURS, (struct at){.sequence = 100});
    link_having(C, OURS, (struct at){.sequence = 100});
    federation_unlinked(world.federation, C, NULL);
    say_has(A, false, OURS, (struct at){.sequence = 103});
    tick();
    world.home.standing = STANDING_BEHIND;
    update_returns(UPDATE_BEHIND, ERR_NONE);
    pass_alive(500, 1u << A | 1u << B);
    size_t count = federation_status(world.federation, peers, REGIONS);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(peers[i].answered, peers[i].linked);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(dials_with_growing_jittered_backoff),
        TEST(who_hangs_up_at_once_is_dialled_ever_more_slowly),
        TEST(a_dial_that_stands_still_is_given_up),
        TEST(positions_are_told),
        TEST(a_silent_peer_is_hung_up),
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
        TEST(violations_hang_up),
        TEST(unknown_regions_are_ignored),
        TEST(a_new_roster_begins_anew),
        TEST(a_thaw_for_the_other_side_takes_a_snapshot),
        TEST(one_answer_is_enough_to_decide),
        TEST(an_empty_register_asks_every_hub),
        TEST(an_empty_register_waits_no_longer_than_it_must),
        TEST(an_answer_counts_in_either_direction),
        TEST(lost_entries_are_taken_back),
        TEST(behind_answers_of_who_is_away_do_not_count),
        TEST(who_decides_and_is_shown_more_stops),
        TEST(what_comes_after_the_word_to_decide_is_shown),
        TEST(a_replay_that_is_refused_is_taken_from_another),
        TEST(behind_the_horizon_our_own_region_comes_whole),
        TEST(our_own_region_with_a_gap_is_not_replayed),
        TEST(a_new_roster_does_not_cut_a_restore_short),
        TEST(a_branch_that_was_left_supersedes_nobody),
        TEST(a_later_epoch_supersedes),
        TEST(a_restore_follows_its_log_into_later_epochs),
        TEST(replicated_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
