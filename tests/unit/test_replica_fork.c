/* tier: check */
/*
 * test_replica_fork.c - two signed statements that can't both be; freezing, thawing; records that do not add up.
 * Shows: R8 (both kept as proof, region frozen, others flow), design 4.4 (on a mismatch taken afresh once, then frozen)
 * and section 9 (epochs, thaw).
 */
#include "tests/unit/replica_fixture.h"

static uint64_t seed;

struct fork {
    struct origin *a, *b, *branch; /* the branch leaves A at `at` */
    uint64_t at;
    struct rig *rig;
};

static int set_up(void **state)
{
    struct fork *fork = calloc(1, sizeof *fork);
    fork->a = origin_started(REGION_A, seed, 4, 5);
    fork->b = origin_started(REGION_B, seed, 2, 3);
    fork->at = fork->a->sequence;
    fork->branch = origin_branch(fork->a, 99);
    fork->rig = rig_create(fork->a, fork->b);
    *state = fork;
    return 0;
}

static int tear_down(void **state)
{
    struct fork *fork = *state;
    rig_destroy(fork->rig);
    branch_destroy(fork->branch);
    origin_destroy(fork->a);
    origin_destroy(fork->b);
    free(fork);
    return 0;
}

/* Frozen at what A proved, with both statements kept, across a restart; B flows. */
static void assert_forked(struct fork *fork, const struct origin *proven, const struct signed_checkpoint *theirs)
{
    struct rig *rig = fork->rig;
    for (int i = 0; i < 2; i++) {
        struct fork_evidence evidence;
        struct replica_status status = rig_status(rig, REGION_A);
        assert_int_equal(status.frozen, FROZEN_FORK);
        assert_non_null(strstr(status.frozen_why, "fork"));
        assert_int_equal(replica_evidence(rig->replica, REGION_A, &evidence), ERR_NONE);
        assert_string_equal(evidence.theirs.text, theirs->text);
        assert_memory_equal(evidence.theirs.signature, theirs->signature, SIGNATURE_BYTES);
        assert_string_equal(evidence.ours.checkpoint.region, REGION_A);
        assert_true(evidence.why[0] != '\0');
        if (proven->sequence > 0)
            assert_replica_is(rig, proven); /* still served */
        rig_restart(rig);
    }
    struct fork_evidence none;
    assert_int_equal(replica_evidence(rig->replica, REGION_B, &none), ERR_NOT_FOUND);
    struct origin *good = proven == fork->a ? fork->a : fork->branch;
    assert_verdict(rig, batch_of(good, 1, good->sequence), VERDICT_FROZEN);
    assert_verdict(rig, begin_of(good, good->sequence), VERDICT_FROZEN);
    origin_commit(fork->b, 2, 30);
    rig_follow(rig, fork->b);
    assert_replica_is(rig, fork->b);
}

/* Same position, another entry: as entries, as a bare statement, as a snapshot. */
static void test_two_entries_for_one_position_R8(void **state)
{
    struct fork *fork = *state;
    origin_commit(fork->a, 3, 30);
    origin_commit(fork->branch, 3, 30);
    const struct signed_checkpoint *theirs = &fork->branch->at[fork->branch->sequence];
    for (int i = 0; i < 3; i++) {
        rig_follow(fork->rig, fork->a);
        struct replica_work *work = i == 0   ? batch_of(fork->branch, fork->at + 1, fork->branch->sequence)
                                    : i == 1 ? work_of(WORK_BATCH, fork->branch, 1, 0, theirs)
                                             : begin_of(fork->branch, fork->branch->sequence);
        assert_verdict(fork->rig, work, VERDICT_FROZEN);
        assert_forked(fork, fork->a, theirs);
        if (i < 2) { /* a replica anew */
            rig_destroy(fork->rig);
            fork->rig = rig_create(fork->a, fork->b);
        }
    }
}

/* They have come further than we: their entries chain to a signed head, and not to ours. */
static void test_entries_that_do_not_follow_R8(void **state)
{
    struct fork *fork = *state;
    origin_commit(fork->a, 3, 30);
    origin_commit(fork->branch, 3, 30);
    uint64_t same = fork->branch->sequence;
    origin_commit(fork->branch, 4, 30);
    rig_follow(fork->rig, fork->a);
    const struct signed_checkpoint *theirs = &fork->branch->at[fork->branch->sequence];
    assert_verdict(fork->rig, batch_of(fork->branch, same + 1, fork->branch->sequence), VERDICT_FROZEN);
    assert_forked(fork, fork->a, theirs);
}

/* They are behind us, in a history that is not ours. */
static void test_behind_and_not_ours_R8(void **state)
{
    struct fork *fork = *state;
    origin_commit(fork->branch, 2, 30);
    origin_commit(fork->a, 3, 30);
    origin_commit(fork->a, 3, 30);
    rig_follow(fork->rig, fork->a);
    const struct signed_checkpoint *theirs = &fork->branch->at[fork->branch->sequence];
    assert_verdict(fork->rig, work_of(WORK_BATCH, fork->branch, 1, 0, theirs), VERDICT_FROZEN);
    assert_forked(fork, fork->a, theirs);
}

/* One log, and two sums for it: now, or of a position that is past. */
static void test_two_states_for_one_position_R8(void **state)
{
    struct fork *fork = *state;
    struct signed_checkpoint other;
    for (int i = 0; i < 2; i++) {
        if (i == 1) {
            rig_destroy(fork->rig);
            fork->rig = rig_create(fork->a, fork->b);
            while (fork->a->sequence < 3 * 256) /* its block's last checkpoint is kept */
                origin_commit(fork->a, 5, 30);
        }
        rig_follow(fork->rig, fork->a);
        struct checkpoint stated = origin_states(fork->a);
        for (uint64_t at = 2 * 256 - 1; i == 1 && at > 0; at--)
            if (fork->a->at[at].text[0] != '\0') {
                stated = fork->a->at[at].checkpoint;
                break;
            }
        stated.state[0] ^= 1;
        checkpoint_sign(&stated, fork->a->signer, &other);
        assert_verdict(fork->rig, work_of(WORK_BATCH, fork->a, 1, 0, &other), VERDICT_FROZEN);
        assert_forked(fork, fork->a, &other);
    }
}

static void test_two_epochs_of_one_number_R8(void **state)
{
    struct fork *fork = *state;
    origin_epoch(fork->a, 2, 0x2a);
    origin_commit(fork->a, 3, 30);
    origin_epoch(fork->branch, 2, 0x2b);
    origin_commit(fork->branch, 9, 30);
    rig_follow(fork->rig, fork->a);
    const struct signed_checkpoint *theirs = &fork->branch->at[fork->branch->sequence];
    assert_verdict(fork->rig, batch_of(fork->branch, fork->at + 1, fork->branch->sequence), VERDICT_FROZEN);
    assert_forked(fork, fork->a, theirs);
}

/* A snapshot of a later epoch that hides a fork in its headers: one position of one epoch, two entries. */
static void test_fork_in_headers_R8(void **state)
{
    struct fork *fork = *state;
    origin_commit(fork->a, 3, 30);
    origin_commit(fork->branch, 1, 30); /* the fork */
    origin_epoch(fork->branch, 2, 0x2b);
    origin_commit(fork->branch, 1, 30);
    rig_follow(fork->rig, fork->a);
    uint64_t end = fork->branch->sequence;
    assert_verdict(fork->rig, begin_of(fork->branch, end), VERDICT_STAGED);
    assert_verdict(fork->rig, headers_of(fork->branch, 1, end), VERDICT_FROZEN);
    assert_false(rig_status(fork->rig, REGION_A).staging);
    assert_forked(fork, fork->a, &fork->branch->at[end]);
}

/* The headers were whole, and ours went on into the fork, before the snapshot did. */
static void test_fork_while_a_snapshot_waits_R8(void **state)
{
    struct fork *fork = *state;
    struct rig *rig = fork->rig;
    rig_follow(rig, fork->a);
    origin_commit(fork->a, 7, 30);
    origin_commit(fork->branch, 9, 30);
    uint64_t end = fork->branch->sequence;
    assert_verdict(rig, begin_of(fork->branch, end), VERDICT_STAGED);
    assert_verdict(rig, headers_of(fork->branch, 1, end), VERDICT_STAGED); /* they go on from ours */
    assert_verdict(rig, batch_of(fork->a, fork->at + 1, fork->a->sequence), VERDICT_APPLIED);
    assert_verdict(rig, records_of(fork->branch, 0, 1000), VERDICT_STAGED);
    assert_verdict(rig, log_of(fork->branch, end + 1, end), VERDICT_FROZEN);
    assert_false(rig_status(rig, REGION_A).staging);
    assert_forked(fork, fork->a, &fork->branch->at[end]);
}

/* --- thawing ---------------------------------------------------------------------------------------------------------
 */

static void set_thaw(struct fork *fork, uint64_t version, uint64_t epoch, uint8_t id)
{
    char line[128], hex[2 * EPOCH_ID_BYTES + 1];
    uint8_t octets[EPOCH_ID_BYTES];
    memset(octets, id, sizeof octets);
    hex_encode(octets, sizeof octets, hex);
    snprintf(line, sizeof line, "thaw " REGION_A " epoch %llu %s\n", (unsigned long long)epoch, hex);
    rig_set_roster(fork->rig, rig_roster(fork->rig, version, fork->a, fork->b, line));
}

static void freeze_by_epochs(struct fork *fork)
{
    origin_epoch(fork->a, 2, 0x2a);
    origin_commit(fork->a, 3, 30);
    origin_epoch(fork->branch, 2, 0x2b);
    origin_commit(fork->branch, 9, 30);
    rig_follow(fork->rig, fork->a);
    assert_verdict(fork->rig, batch_of(fork->branch, fork->at + 1, fork->branch->sequence), VERDICT_FROZEN);
}

static void take_snapshot(struct rig *rig, const struct origin *origin)
{
    uint64_t end = origin->sequence;
    assert_verdict(rig, begin_of(origin, end), VERDICT_STAGED);
    assert_verdict(rig, headers_of(origin, 1, end), VERDICT_STAGED);
    assert_verdict(rig, records_of(origin, 0, 1000), VERDICT_STAGED);
    assert_verdict(rig, log_of(origin, end + 1, end), VERDICT_APPLIED);
}

/* The roster names our branch: it goes on; what comes of the other is refused. */
static void test_thaw_for_ours(void **state)
{
    struct fork *fork = *state;
    struct fork_evidence evidence;
    freeze_by_epochs(fork);
    set_thaw(fork, 2, 2, 0x2a);
    assert_int_equal(rig_status(fork->rig, REGION_A).frozen, FROZEN_NOT);
    rig_restart(fork->rig);
    assert_int_equal(rig_status(fork->rig, REGION_A).frozen, FROZEN_NOT);
    assert_int_equal(replica_evidence(fork->rig->replica, REGION_A, &evidence), ERR_NONE);
    assert_verdict(fork->rig, batch_of(fork->branch, fork->at + 1, fork->branch->sequence), VERDICT_OLD_EPOCH);
    assert_verdict(fork->rig, begin_of(fork->branch, fork->branch->sequence), VERDICT_OLD_EPOCH);
    origin_commit(fork->a, 3, 30);
    rig_follow(fork->rig, fork->a);
    assert_replica_is(fork->rig, fork->a);
}

/* It names the other: ours is served until a snapshot of that one is proven. */
static void test_thaw_for_theirs(void **state)
{
    struct fork *fork = *state;
    freeze_by_epochs(fork);
    set_thaw(fork, 2, 2, 0x2b);
    assert_int_equal(rig_status(fork->rig, REGION_A).frozen, FROZEN_NOT);
    assert_replica_is(fork->rig, fork->a);
    origin_commit(fork->a, 1, 30); /* the branch that lost goes on in vain */
    assert_verdict(fork->rig, batch_of(fork->a, fork->at + 5, fork->a->sequence), VERDICT_OLD_EPOCH);
    assert_verdict(fork->rig, batch_of(fork->branch, fork->at + 1, fork->branch->sequence), VERDICT_OTHER_HISTORY);
    take_snapshot(fork->rig, fork->branch);
    assert_replica_is(fork->rig, fork->branch);
    rig_restart(fork->rig);
    origin_commit(fork->branch, 3, 30);
    rig_follow(fork->rig, fork->branch);
    assert_replica_is(fork->rig, fork->branch);
}

/* A fork within an epoch: the hub that is right opens a later one, and the roster names that. */
static void test_thaw_by_a_later_epoch(void **state)
{
    struct fork *fork = *state;
    origin_commit(fork->a, 3, 30);
    origin_commit(fork->branch, 4, 30);
    rig_follow(fork->rig, fork->a);
    assert_verdict(fork->rig, batch_of(fork->branch, fork->at + 1, fork->branch->sequence), VERDICT_FROZEN);
    set_thaw(fork, 2, 1, 0x11); /* names both branches: thaws, and the next look finds the same fork */
    assert_int_equal(rig_status(fork->rig, REGION_A).frozen, FROZEN_NOT);
    assert_verdict(fork->rig, batch_of(fork->branch, fork->at + 1, fork->branch->sequence), VERDICT_FROZEN);
    set_thaw(fork, 3, 1, 0x11); /* said once already */
    assert_int_equal(rig_status(fork->rig, REGION_A).frozen, FROZEN_FORK);
    origin_epoch(fork->branch, 2, 0x2b);
    origin_sign(fork->branch);
    set_thaw(fork, 4, 2, 0x2b);
    assert_int_equal(rig_status(fork->rig, REGION_A).frozen, FROZEN_NOT);
    assert_verdict(fork->rig, batch_of(fork->a, 1, fork->at + 3), VERDICT_OLD_EPOCH);
    origin_commit(fork->a, 3, 30); /* goes on from ours, but is of an epoch before the one named */
    assert_verdict(fork->rig, batch_of(fork->a, fork->at + 4, fork->a->sequence), VERDICT_OTHER_HISTORY);
    assert_verdict(fork->rig, begin_of(fork->a, fork->a->sequence), VERDICT_OLD_EPOCH);
    assert_verdict(fork->rig, batch_of(fork->branch, fork->at + 1, fork->branch->sequence), VERDICT_OTHER_HISTORY);
    take_snapshot(fork->rig, fork->branch);
    assert_replica_is(fork->rig, fork->branch);
}

/* Where ours is the history that the named epoch goes on from, no snapshot is needed. */
static void test_thaw_and_go_on(void **state)
{
    struct fork *fork = *state;
    origin_commit(fork->a, 3, 30);
    origin_commit(fork->branch, 4, 30);
    rig_follow(fork->rig, fork->a);
    assert_verdict(fork->rig, batch_of(fork->branch, fork->at + 1, fork->branch->sequence), VERDICT_FROZEN);
    uint64_t at = fork->a->sequence;
    origin_epoch(fork->a, 2, 0x2a);
    origin_commit(fork->a, 3, 30);
    set_thaw(fork, 2, 2, 0x2a);
    assert_verdict(fork->rig, batch_of(fork->a, at + 1, fork->a->sequence), VERDICT_APPLIED);
    assert_replica_is(fork->rig, fork->a);
}

/* A thaw that finds no room is tried again. */
static void test_thaw_without_room_D3(void **state)
{
    struct fork *fork = *state;
    struct store_memory_plan plan = {.calls_until_crash = -1, .calls_until_full = 0};
    freeze_by_epochs(fork);
    store_memory_set_plan(fork->rig->store, &plan);
    set_thaw(fork, 2, 2, 0x2a);
    assert_false(replica_tidy(fork->rig->replica));
    assert_int_equal(rig_status(fork->rig, REGION_A).frozen, FROZEN_FORK);
    plan.calls_until_full = -1;
    store_memory_set_plan(fork->rig->store, &plan);
    rig_tidy(fork->rig);
    assert_int_equal(rig_status(fork->rig, REGION_A).frozen, FROZEN_NOT);
}

/* A hub that is new after a thaw takes a snapshot of the epoch that survived, never the log of an earlier one. */
static void test_new_after_a_thaw(void **state)
{
    struct fork *fork = *state;
    origin_epoch(fork->a, 2, 0x2a);
    origin_commit(fork->a, 3, 30);
    set_thaw(fork, 2, 2, 0x2a);
    assert_verdict(fork->rig, batch_of(fork->a, 1, fork->at), VERDICT_OTHER_HISTORY);
    assert_verdict(fork->rig, begin_of(fork->a, fork->at), VERDICT_OLD_EPOCH);
    take_snapshot(fork->rig, fork->a);
    assert_replica_is(fork->rig, fork->a);
}

/* --- a later epoch, without a fork
 * ------------------------------------------------------------------------------------ */

/* Restored from a backup that was behind us: a snapshot, nothing is undone in place. */
static void test_epoch_that_began_before_our_position(void **state)
{
    struct fork *fork = *state;
    origin_commit(fork->a, 6, 30);
    rig_follow(fork->rig, fork->a);
    origin_epoch(fork->branch, 2, 0x2b);
    origin_sign(fork->branch);
    const struct signed_checkpoint *theirs = &fork->branch->at[fork->branch->sequence];
    assert_verdict(fork->rig, work_of(WORK_BATCH, fork->branch, 1, 0, theirs), VERDICT_OTHER_HISTORY);
    for (int i = 0; i < 4; i++)
        origin_commit(fork->branch, 3, 30);
    assert_verdict(fork->rig, batch_of(fork->branch, fork->at + 1, fork->branch->sequence), VERDICT_OTHER_HISTORY);
    assert_replica_is(fork->rig, fork->a);
    take_snapshot(fork->rig, fork->branch);
    assert_replica_is(fork->rig, fork->branch);
    assert_verdict(fork->rig, batch_of(fork->a, fork->at + 1, fork->a->sequence), VERDICT_OLD_EPOCH);
    assert_int_equal(rig_status(fork->rig, REGION_A).frozen, FROZEN_NOT);
}

/* What is staged has followed the log into a later epoch; a hub that still has what the restore lost goes on with the
 * old one: no fork. */
static void test_staged_past_an_epoch(void **state)
{
    struct fork *fork = *state;
    struct rig *rig = fork->rig;
    uint64_t begin = fork->at;
    origin_commit(fork->a, 6, 30);
    origin_epoch(fork->branch, 2, 0x2b);
    origin_sign(fork->branch);
    assert_verdict(rig, begin_of(fork->branch, begin), VERDICT_STAGED);
    assert_verdict(rig, headers_of(fork->branch, 1, begin), VERDICT_STAGED);
    struct replica_work *records = records_of(fork->branch, 1, 1000);
    records->read_at_sequence = fork->branch->sequence + 1;
    assert_verdict(rig, records, VERDICT_STAGED);
    assert_verdict(rig, log_of(fork->branch, begin + 1, fork->branch->sequence), VERDICT_STAGED);
    assert_verdict(rig, log_of(fork->a, begin + 1, fork->a->sequence), VERDICT_OLD_EPOCH);
    assert_int_equal(rig_status(rig, REGION_A).frozen, FROZEN_NOT);
    /* Nor is what does not add up then any hub's false statement. */
    uint64_t end = fork->branch->sequence;
    for (int i = 0; i < 2; i++) {
        struct replica_work *works[] = {begin_of(fork->branch, begin), headers_of(fork->branch, 1, begin),
                                        records_of(fork->branch, 1, 1000), log_of(fork->branch, begin + 1, end)};
        for (int j = 0; j < 4; j++) {
            snprintf(works[j]->peer, sizeof works[j]->peer, "E1200000%d", 7 + i);
            assert_verdict(rig, works[j], j == 3 ? VERDICT_MISMATCH : VERDICT_STAGED);
        }
        assert_int_equal(rig_status(rig, REGION_A).frozen, FROZEN_NOT);
    }
    take_snapshot(rig, fork->branch);
    assert_replica_is(rig, fork->branch);
}

/* --- records that do not add up
 * ---------------------------------------------------------------------------------------- */

/* A commit whose checkpoint signs another state, or count, than its entries make. */
static void commit_wrongly(struct origin *origin, bool count)
{
    origin_commit(origin, 3, 30);
    struct checkpoint stated = origin_states(origin);
    if (count)
        stated.records++;
    else
        stated.state[5] ^= 1;
    checkpoint_sign(&stated, origin->signer, &origin->at[origin->sequence]);
}

static void test_mismatch_then_batch(void **state)
{
    struct fork *fork = *state;
    rig_follow(fork->rig, fork->a);
    for (int i = 0; i < 2; i++) {
        commit_wrongly(fork->branch, i == 0);
        assert_verdict(fork->rig, batch_of(fork->branch, fork->at + 1, fork->branch->sequence), VERDICT_MISMATCH);
        assert_int_equal(rig_status(fork->rig, REGION_A).frozen, FROZEN_NOT);
        assert_replica_is(fork->rig, fork->a);
    }
    origin_commit(fork->a, 3, 30); /* what adds up takes the mark away */
    rig_follow(fork->rig, fork->a);
    assert_replica_is(fork->rig, fork->a);
    uint64_t end = fork->a->sequence;
    assert_verdict(fork->rig, begin_of(fork->a, end), VERDICT_STAGED);
    assert_verdict(fork->rig, headers_of(fork->a, 1, end), VERDICT_STAGED);
    assert_verdict(fork->rig, records_of(fork->a, 1, 1000), VERDICT_STAGED); /* lacks one */
    assert_verdict(fork->rig, log_of(fork->a, end + 1, end), VERDICT_MISMATCH);
    assert_int_equal(rig_status(fork->rig, REGION_A).frozen, FROZEN_NOT);
}

/* A header of a snapshot that the region never signed is a lie of whoever sends it, and no fork. */
static void test_made_up_header_is_no_fork(void **state)
{
    struct fork *fork = *state;
    rig_follow(fork->rig, fork->a);
    uint64_t end = fork->a->sequence;
    assert_verdict(fork->rig, begin_of(fork->a, end), VERDICT_STAGED);
    struct replica_work *work = headers_of(fork->a, 1, end);
    ((uint8_t *)work->headers.data)[work->headers.size - 10] ^= 1; /* in the last one's commitment */
    assert_verdict(fork->rig, work, VERDICT_LIE);
    assert_int_equal(rig_status(fork->rig, REGION_A).frozen, FROZEN_NOT);
    assert_replica_is(fork->rig, fork->a);
}

/* Once more after a mismatch, from a snapshot: the region is frozen, others are not; survives a restart. */
static void test_mismatch_twice_freezes(void **state)
{
    struct fork *fork = *state;
    struct rig *rig = fork->rig;
    rig_follow(rig, fork->a);
    rig_follow(rig, fork->b);
    commit_wrongly(fork->branch, false);
    uint64_t end = fork->branch->sequence;
    assert_verdict(rig, batch_of(fork->branch, fork->at + 1, end), VERDICT_MISMATCH);
    rig_restart(rig);
    assert_verdict(rig, begin_of(fork->branch, end), VERDICT_STAGED);
    assert_verdict(rig, headers_of(fork->branch, 1, end), VERDICT_STAGED);
    assert_verdict(rig, records_of(fork->branch, 0, 1000), VERDICT_STAGED);
    assert_verdict(rig, log_of(fork->branch, end + 1, end), VERDICT_FROZEN);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(rig_status(rig, REGION_A).frozen, FROZEN_UNPROVEN);
        assert_replica_is(rig, fork->a);
        rig_restart(rig);
    }
    struct fork_evidence none;
    assert_int_equal(replica_evidence(rig->replica, REGION_A, &none), ERR_NOT_FOUND);
    origin_commit(fork->b, 2, 30);
    rig_follow(rig, fork->b);
    assert_replica_is(rig, fork->b);
    origin_epoch(fork->a, 2, 0x2a); /* the operator's way out */
    origin_sign(fork->a);
    set_thaw(fork, 2, 2, 0x2a);
    rig_follow(rig, fork->a);
    assert_replica_is(rig, fork->a);
}

int main(void)
{
    seed = seed_from_environment(22);
#define ONE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        ONE(test_two_entries_for_one_position_R8),
        ONE(test_entries_that_do_not_follow_R8),
        ONE(test_behind_and_not_ours_R8),
        ONE(test_two_states_for_one_position_R8),
        ONE(test_two_epochs_of_one_number_R8),
        ONE(test_fork_in_headers_R8),
        ONE(test_fork_while_a_snapshot_waits_R8),
        ONE(test_thaw_for_ours),
        ONE(test_thaw_for_theirs),
        ONE(test_thaw_by_a_later_epoch),
        ONE(test_thaw_and_go_on),
        ONE(test_thaw_without_room_D3),
        ONE(test_new_after_a_thaw),
        ONE(test_epoch_that_began_before_our_position),
        ONE(test_made_up_header_is_no_fork),
        ONE(test_staged_past_an_epoch),
        ONE(test_mismatch_then_batch),
        ONE(test_mismatch_twice_freezes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
