/* tier: check */
/*
 * test_federation_standing.c - whether this hub may decide for its own region, as its logic learns it from the others,
 * what it takes back of its log, and REPLICATED. Clock, randomness, ports, home and replica are the test's.
 */
#include "tests/unit/federation_world.h"

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

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
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
