/* tier: check */
/*
 * test_federation_peer.c - the federation's links as its logic sees them: dialling, what is told, silence, protocol
 * violations (R11), a new roster. Clock, randomness, ports, home and replica are the test's.
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

/* A machine that was paused hangs up on nobody; a dead peer has its usual time beside the pauses, however many. */
static void our_own_pause_is_not_the_peers_silence(void **state)
{
    (void)state;
    link_having(A, A, (struct at){.sequence = 1});
    pass(FEDERATION_DEAD_MS / 2);
    for (int pause = 0; pause < 3; pause++) {
        world.now_ms += 10 * FEDERATION_DEAD_MS;
        federation_held_up(world.federation, 10 * FEDERATION_DEAD_MS);
        tick();
        assert_int_equal(count_said(SAID_HANG_UP, A), 0);
    }
    pass(FEDERATION_DEAD_MS / 2 - 1);
    assert_int_equal(count_said(SAID_HANG_UP, A), 0);
    pass(1);
    assert_int_equal(count_said(SAID_HANG_UP, A), 1);
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

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(dials_with_growing_jittered_backoff),
        TEST(who_hangs_up_at_once_is_dialled_ever_more_slowly),
        TEST(a_dial_that_stands_still_is_given_up),
        TEST(positions_are_told),
        TEST(a_silent_peer_is_hung_up),
        TEST(our_own_pause_is_not_the_peers_silence),
        TEST(violations_hang_up),
        TEST(unknown_regions_are_ignored),
        TEST(a_new_roster_begins_anew),
        TEST(a_thaw_for_the_other_side_takes_a_snapshot),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
