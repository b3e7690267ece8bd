/* tier: check */
/*
 * test_replica.c - batches of another region's log: what is applied, and every way to be refused.
 * Shows: R5 (duplicate, reordered, replayed), R6 (wrong previous hash), R7 (bad signature, another's key), R9 (gap),
 * R10 (head goes back), R11 (far sequences, batches of nothing and of too much), R12 (future-dated), design 4.4 and 9.
 */
#include "tests/unit/replica_fixture.h"

static uint64_t seed;

struct pair {
    struct origin *a, *b;
    struct rig *rig;
};

static int set_up(void **state)
{
    struct pair *pair = calloc(1, sizeof *pair);
    pair->a = origin_started(REGION_A, seed, 5, 8);
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

static void test_follows(void **state)
{
    struct pair *pair = *state;
    assert_false(rig_status(pair->rig, REGION_A).present);
    rig_follow(pair->rig, pair->a);
    assert_replica_is(pair->rig, pair->a);
    assert_false(rig_status(pair->rig, REGION_B).present);
    rig_follow(pair->rig, pair->b);
    assert_replica_is(pair->rig, pair->b);
    assert_replica_is(pair->rig, pair->a);
    rig_restart(pair->rig);
    assert_replica_is(pair->rig, pair->a);
    assert_replica_is(pair->rig, pair->b);
}

static void test_one_record(void **state)
{
    struct pair *pair = *state;
    struct origin *a = pair->a;
    struct arena arena;
    struct octets value;
    const struct octets nobody = {(const uint8_t *)"nobody!!", 8};
    arena_init(&arena, 1 << 20);
    assert_int_equal(replica_read(pair->rig->replica, REGION_A, LOG_TABLE_CARER, &nobody, &arena, &value),
                     ERR_NOT_FOUND);
    rig_follow(pair->rig, a);
    for (int round = 0; round < 2; round++) {
        for (size_t i = 0; i < a->records; i++) {
            const struct kept *kept = &a->state[i];
            const struct octets key = {kept->key, kept->key_bytes};
            assert_int_equal(replica_read(pair->rig->replica, REGION_A, kept->table, &key, &arena, &value), ERR_NONE);
            assert_int_equal(value.size, kept->value.size);
            assert_memory_equal(value.data, kept->value.data, value.size);
            assert_int_equal(replica_read(pair->rig->replica, REGION_B, kept->table, &key, &arena, &value),
                             ERR_NOT_FOUND);
        }
        assert_int_equal(replica_read(pair->rig->replica, REGION_A, LOG_TABLE_CARER, &nobody, &arena, &value),
                         ERR_NOT_FOUND);
        rig_restart(pair->rig);
    }
    arena_finish(&arena);
}

/* --- R5, R9, R10: what comes twice, early, late ------------------------------------------------------------------ */

static void test_duplicates_and_reordered_R5(void **state)
{
    struct pair *pair = *state;
    struct origin *a = pair->a;
    assert_verdict(pair->rig, batch_of(a, 10, 17), VERDICT_GAP);
    assert_verdict(pair->rig, batch_of(a, 1, 9), VERDICT_APPLIED);
    assert_verdict(pair->rig, batch_of(a, 1, 9), VERDICT_KNOWN);
    assert_verdict(pair->rig, batch_of(a, 1, 1), VERDICT_KNOWN);
    assert_verdict(pair->rig, batch_of(a, 18, 25), VERDICT_GAP);
    assert_int_equal(pair->rig->cursor.sequence, 9);
    assert_verdict(pair->rig, batch_of(a, 3, 17), VERDICT_APPLIED); /* what it has already is passed over */
    assert_verdict(pair->rig, batch_of(a, 10, 17), VERDICT_KNOWN);
    assert_verdict(pair->rig, batch_of(a, 18, a->sequence), VERDICT_APPLIED);
    assert_replica_is(pair->rig, a);
}

/* Any order, any number of times, two regions at once, many works in a call: equal in the end. */
static void test_any_order_R5(void **state)
{
    struct pair *pair = *state;
    struct seeded_random random;
    seeded_random_init(&random, seed);
    for (int round = 0; round < 60; round++) {
        struct origin *origin = random_up_to(&random, 1) ? pair->a : pair->b;
        origin_commit(origin, 1 + random_up_to(&random, 5), 30);
        struct replica_work *works[8];
        size_t count = 1 + random_up_to(&random, 7);
        for (size_t i = 0; i < count; i++) {
            origin = random_up_to(&random, 1) ? pair->a : pair->b;
            uint64_t last = origin->sequence;
            while (last > 1 && (origin->at[last].text[0] == '\0' || random_up_to(&random, 3) == 0))
                last--;
            while (origin->at[last].text[0] == '\0')
                last++;
            works[i] = batch_of(origin, 1 + random_up_to(&random, (uint32_t)last - 1), last);
        }
        replica_apply(pair->rig->replica, works, count);
        for (size_t i = 0; i < count; i++) {
            enum replica_verdict verdict = works[i]->verdict;
            if (verdict != VERDICT_APPLIED && verdict != VERDICT_KNOWN && verdict != VERDICT_GAP)
                fail_msg("%s: %s", replica_verdict_name(verdict), works[i]->problem.text);
            replica_work_destroy(works[i]);
        }
        if (random_up_to(&random, 9) == 0)
            rig_restart(pair->rig);
    }
    struct origin *both[] = {pair->a, pair->b};
    for (int i = 0; i < 2; i++) {
        (void)rig_give(pair->rig, batch_of(both[i], 1, both[i]->sequence));
        assert_replica_is(pair->rig, both[i]);
    }
}

static void test_gap_R9(void **state)
{
    struct pair *pair = *state;
    assert_verdict(pair->rig, batch_of(pair->a, 2, 9), VERDICT_GAP);
    assert_false(rig_status(pair->rig, REGION_A).present);
    assert_verdict(pair->rig, batch_of(pair->a, 1, 9), VERDICT_APPLIED);
    struct replica_work *work = batch_of(pair->a, 10, 17);
    memmove(work->entries + 3, work->entries + 4, (work->entry_count - 4) * sizeof *work->entries);
    work->entry_count--; /* one is missing within */
    assert_verdict(pair->rig, work, VERDICT_LIE);
    assert_verdict(pair->rig, batch_of(pair->a, 11, 17), VERDICT_GAP);
    assert_verdict(pair->rig, work_of(WORK_BATCH, pair->a, 1, 0, &pair->a->at[17]), VERDICT_GAP);
    assert_int_equal(rig_status(pair->rig, REGION_A).durable_sequence, 9);
}

static void test_head_goes_back_R10(void **state)
{
    struct pair *pair = *state;
    rig_follow(pair->rig, pair->a);
    assert_verdict(pair->rig, work_of(WORK_BATCH, pair->a, 1, 0, &pair->a->at[9]), VERDICT_KNOWN);
    assert_verdict(pair->rig, batch_of(pair->a, 1, 17), VERDICT_KNOWN);
    assert_verdict(pair->rig, begin_of(pair->a, 9), VERDICT_KNOWN);
    assert_replica_is(pair->rig, pair->a);
}

/* --- R6, R7: lies ------------------------------------------------------------------------------------------------- */

/* A copy of an entry's octets in the work, to be changed. */
static uint8_t *own(struct replica_work *work, struct octets *octets)
{
    uint8_t *copy = arena_alloc(&work->arena, octets->size);
    memcpy(copy, octets->data, octets->size);
    octets->data = copy;
    return copy;
}

static void test_wrong_previous_hash_R6(void **state)
{
    struct pair *pair = *state;
    rig_follow(pair->rig, pair->b);
    assert_verdict(pair->rig, batch_of(pair->a, 1, 9), VERDICT_APPLIED);
    struct replica_work *work = batch_of(pair->a, 10, 17);
    own(work, &work->entries[3].header)[40] ^= 1;
    assert_verdict(pair->rig, work, VERDICT_LIE);
    work = batch_of(pair->a, 10, 17);
    own(work, &work->entries[0].header)[40] ^= 1;
    assert_verdict(pair->rig, work, VERDICT_LIE);
    assert_int_equal(rig_status(pair->rig, REGION_A).durable_sequence, 9);
    assert_int_equal(rig_status(pair->rig, REGION_A).frozen, FROZEN_NOT);
    origin_commit(pair->b, 3, 30); /* others flow */
    rig_follow(pair->rig, pair->b);
    assert_replica_is(pair->rig, pair->b);
    rig_follow(pair->rig, pair->a);
    assert_replica_is(pair->rig, pair->a);
}

/* One octet of anything changed: a lie, and nothing of it is written. */
static void test_every_flipped_octet_R6(void **state)
{
    struct pair *pair = *state;
    struct seeded_random random;
    struct store_usage before, after;
    seeded_random_init(&random, seed);
    assert_verdict(pair->rig, batch_of(pair->a, 1, 9), VERDICT_APPLIED);
    assert_int_equal(pair->rig->store->ops->usage(pair->rig->store, &before), ERR_NONE);
    for (int i = 0; i < scaled(600); i++) {
        struct replica_work *work = batch_of(pair->a, 10, 17);
        struct log_row *row = &work->entries[random_up_to(&random, 7)];
        struct octets *parts[] = {&row->header, &row->salt, &row->payload};
        uint32_t what = random_up_to(&random, 4);
        uint8_t bit = (uint8_t)(1 << random_up_to(&random, 7));
        if (what < 3)
            own(work, parts[what])[random_up_to(&random, (uint32_t)parts[what]->size - 1)] ^= bit;
        else if (what == 3)
            work->checkpoint.text[random_up_to(&random, (uint32_t)strlen(work->checkpoint.text) - 1)] ^= (char)bit;
        else
            work->checkpoint.signature[random_up_to(&random, SIGNATURE_BYTES - 1)] ^= bit;
        enum replica_verdict verdict = rig_give(pair->rig, work);
        if (verdict != VERDICT_LIE && verdict != VERDICT_GAP) /* an entry that says it comes later */
            fail_msg("part %u: %s", what, replica_verdict_name(verdict));
    }
    assert_int_equal(pair->rig->store->ops->usage(pair->rig->store, &after), ERR_NONE);
    assert_int_equal(before.used_bytes, after.used_bytes);
    rig_follow(pair->rig, pair->a);
    assert_replica_is(pair->rig, pair->a);
}

static void test_bad_signatures_R7(void **state)
{
    struct pair *pair = *state;
    struct signed_checkpoint forged;
    struct checkpoint stated = pair->a->at[9].checkpoint;
    checkpoint_sign(&stated, pair->b->signer, &forged); /* B's key under A's statement */
    assert_verdict(pair->rig, work_of(WORK_BATCH, pair->a, 1, 9, &forged), VERDICT_LIE);
    assert_verdict(pair->rig, work_of(WORK_SNAPSHOT_BEGIN, pair->a, 1, 0, &forged), VERDICT_LIE);
    struct replica_work *work = batch_of(pair->b, 1, 5); /* B's log as A's */
    strcpy(work->region, REGION_A);
    assert_verdict(pair->rig, work, VERDICT_LIE);
    work = work_of(WORK_BATCH, pair->b, 1, 5, &pair->a->at[9]); /* B's entries before A's checkpoint */
    strcpy(work->region, REGION_A);
    assert_verdict(pair->rig, work, VERDICT_LIE);
    assert_verdict(pair->rig, work_of(WORK_BATCH, pair->a, 1, 9, NULL), VERDICT_LIE);
    assert_false(rig_status(pair->rig, REGION_A).present);

    /* The roster's key is another from now on: what the old one signs counts no more. */
    assert_verdict(pair->rig, batch_of(pair->a, 1, 9), VERDICT_APPLIED);
    struct signer *old = pair->a->signer;
    pair->a->signer = signer_from_seed((const uint8_t *)"region A has lost its first key");
    rig_set_roster(pair->rig, rig_roster(pair->rig, 2, pair->a, pair->b, ""));
    assert_verdict(pair->rig, batch_of(pair->a, 10, 17), VERDICT_LIE);
    for (uint64_t at = 10; at <= pair->a->sequence; at++)
        if (pair->a->at[at].text[0] != '\0') {
            stated = pair->a->at[at].checkpoint;
            checkpoint_sign(&stated, pair->a->signer, &pair->a->at[at]);
        }
    rig_follow(pair->rig, pair->a);
    assert_replica_is(pair->rig, pair->a);
    signer_destroy(old);
}

static void test_no_such_region(void **state)
{
    struct pair *pair = *state;
    struct replica_work *work = batch_of(pair->a, 1, 9);
    strcpy(work->region, OUR_REGION);
    assert_verdict(pair->rig, work, VERDICT_NO_REGION);
    work = batch_of(pair->a, 1, 9);
    strcpy(work->region, "E12000009");
    assert_verdict(pair->rig, work, VERDICT_NO_REGION);
    struct replica_status status[4];
    assert_int_equal(replica_list(pair->rig->replica, status, 4), 2);
    assert_string_equal(status[1].region, REGION_B);
    assert_int_equal(replica_status(pair->rig->replica, OUR_REGION, &status[0]), ERR_NOT_FOUND);
}

/* --- R11, R12: odd numbers ---------------------------------------------------------------------------------------- */

static void test_odd_sizes_and_sequences_R11(void **state)
{
    struct pair *pair = *state;
    struct signed_checkpoint far;
    rig_follow(pair->rig, pair->a);
    struct checkpoint stated = origin_states(pair->a);
    stated.sequence = UINT64_MAX;
    checkpoint_sign(&stated, pair->a->signer, &far);
    assert_verdict(pair->rig, work_of(WORK_BATCH, pair->a, 1, 0, &far), VERDICT_GAP);
    assert_verdict(pair->rig, work_of(WORK_BATCH, pair->a, 10, 17, &far), VERDICT_LIE);
    assert_verdict(pair->rig, work_of(WORK_BATCH, pair->a, 1, 0, &pair->a->at[pair->a->sequence]), VERDICT_KNOWN);
    stated.sequence = 0;
    checkpoint_sign(&stated, pair->a->signer, &far);
    assert_verdict(pair->rig, work_of(WORK_BATCH, pair->a, 1, 0, &far), VERDICT_LIE);

    static uint8_t large[LOG_PAYLOAD_MAX_BYTES + 1];
    struct replica_work *work = batch_of(pair->a, 1, 9);
    work->entries[0].payload = (struct octets){large, sizeof large};
    assert_verdict(pair->rig, work, VERDICT_TOO_LARGE);
    work = work_of(WORK_BATCH, pair->a, 1, 1400, &pair->a->at[9]);
    for (size_t i = 0; i < work->entry_count; i++)
        work->entries[i] = pair->a->rows[1], work->entries[i].payload = (struct octets){large, LOG_PAYLOAD_MAX_BYTES};
    assert_verdict(pair->rig, work, VERDICT_TOO_LARGE);
    assert_replica_is(pair->rig, pair->a);
}

static void test_future_dated_R12(void **state)
{
    struct pair *pair = *state;
    struct rig *rig = pair->rig;
    int64_t year_ms = 365LL * 24 * 3600 * 1000, differs;
    rig_follow(rig, pair->a);
    struct replica_status status = rig_status(rig, REGION_A);
    assert_int_equal(replica_age_ms(&status, rig->wall_ms, rig->boot_ms, &differs),
                     rig->wall_ms - pair->a->time_ms > 0 ? rig->wall_ms - pair->a->time_ms : 0);
    pair->a->time_ms += year_ms;
    origin_commit(pair->a, 2, 30);
    rig->boot_ms += 500;
    rig_follow(rig, pair->a);
    assert_replica_is(rig, pair->a);
    rig->boot_ms += 7000;
    rig->wall_ms += 7000;
    status = rig_status(rig, REGION_A);
    assert_int_equal(replica_age_ms(&status, rig->wall_ms, rig->boot_ms, &differs), 7000); /* by the boot clock */
    assert_int_equal(differs, pair->a->time_ms - rig->wall_ms);
}

/* --- signed again at rest ------------------------------------------------------------------------------------------
 */

static void test_signed_again(void **state)
{
    struct pair *pair = *state;
    struct rig *rig = pair->rig;
    rig_follow(rig, pair->a);
    int64_t before_ms = pair->a->time_ms;
    unsigned commits = rig->shown[0].commits;
    for (int i = 0; i < 3; i++) {
        pair->a->time_ms += 10000;
        rig->boot_ms += 10000;
        assert_verdict(rig, work_of(WORK_BATCH, pair->a, 1, 0, origin_sign(pair->a)), VERDICT_APPLIED);
        assert_verdict(rig, work_of(WORK_BATCH, pair->a, 1, 0, origin_sign(pair->a)), VERDICT_KNOWN);
        struct replica_status status = rig_status(rig, REGION_A);
        assert_int_equal(status.checkpoint.checkpoint.time_ms, pair->a->time_ms);
        assert_int_equal(status.first_seen_boot_ms, rig->boot_ms);
    }
    assert_int_equal(rig->shown[0].commits, commits); /* nobody is told that nothing changed */
    struct log_reader reader = replica_log_reader(rig->replica);
    struct signed_checkpoint newest;
    assert_int_equal(reader.newest(reader.ctx, REGION_A, &newest), ERR_NONE);
    assert_int_equal(newest.checkpoint.time_ms, pair->a->time_ms);
    pair->a->time_ms -= 20000;
    assert_verdict(rig, work_of(WORK_BATCH, pair->a, 1, 0, origin_sign(pair->a)), VERDICT_KNOWN);
    rig_restart(rig); /* it was kept in memory only */
    assert_int_equal(rig_status(rig, REGION_A).checkpoint.checkpoint.time_ms, before_ms);
    assert_replica_is(rig, pair->a);

    pair->a->horizon = 9;
    pair->a->time_ms += 60000;
    assert_verdict(rig, work_of(WORK_BATCH, pair->a, 1, 0, origin_sign(pair->a)), VERDICT_APPLIED);
    /* What has moved is news also from a clock that was set back. */
    pair->a->horizon = 10;
    pair->a->time_ms -= 3600000;
    assert_verdict(rig, work_of(WORK_BATCH, pair->a, 1, 0, origin_sign(pair->a)), VERDICT_APPLIED);
    assert_int_equal(rig_status(rig, REGION_A).checkpoint.checkpoint.horizon, 10);
    pair->a->time_ms += 3600000;
    pair->a->horizon = 8;
    pair->a->time_ms += 1000;
    assert_verdict(rig, work_of(WORK_BATCH, pair->a, 1, 0, origin_sign(pair->a)), VERDICT_LIE);
    origin_commit(pair->a, 2, 30);
    assert_verdict(rig, batch_of(pair->a, pair->a->sequence - 1, pair->a->sequence), VERDICT_LIE);
}

/* --- epochs and payloads -------------------------------------------------------------------------------------------
 */

static void test_epochs(void **state)
{
    struct pair *pair = *state;
    struct rig *rig = pair->rig;
    rig_follow(rig, pair->a);
    uint64_t at = pair->a->sequence;

    struct origin *branch = origin_branch(pair->a, 1); /* an epoch that no entry opens */
    branch->epoch = 2;
    origin_commit(branch, 1, 30);
    assert_verdict(rig, batch_of(branch, at + 1, branch->sequence), VERDICT_LIE);
    branch_destroy(branch);

    branch = origin_branch(pair->a, 2); /* opened by another id than is signed */
    origin_epoch(branch, 2, 0x22);
    memset(branch->epoch_id, 0x23, EPOCH_ID_BYTES);
    origin_sign(branch);
    assert_verdict(rig, batch_of(branch, at + 1, branch->sequence), VERDICT_LIE);
    branch_destroy(branch);

    branch = origin_branch(pair->a, 3); /* opened a second time */
    origin_epoch(branch, 1, 0x11);
    origin_sign(branch);
    assert_verdict(rig, batch_of(branch, at + 1, branch->sequence), VERDICT_LIE);
    branch_destroy(branch);

    struct origin *first = origin_create(REGION_B, seed); /* a log that does not begin with an epoch */
    first->epoch = 1;
    origin_commit(first, 1, 30);
    assert_verdict(rig, batch_of(first, 1, 1), VERDICT_LIE);
    origin_destroy(first);

    origin_epoch(pair->a, 7, 0x77); /* numbers may be left out */
    origin_commit(pair->a, 4, 30);
    rig_follow(rig, pair->a);
    assert_replica_is(rig, pair->a);
    assert_verdict(rig, work_of(WORK_BATCH, pair->a, 1, 0, &pair->a->at[at]), VERDICT_OLD_EPOCH);
    assert_verdict(rig, batch_of(pair->a, 1, at), VERDICT_OLD_EPOCH);
    assert_verdict(rig, begin_of(pair->a, at), VERDICT_OLD_EPOCH);
}

/* Entries that are signed, and still no shared records. */
static void test_payloads_that_cannot_be_read(void **state)
{
    struct pair *pair = *state;
    struct rig *rig = pair->rig;
    static const uint8_t junk[] = {0x0a, 0xff, 0x01}, key[8] = {1, 2, 3}, zeros[8] = {0};
    static const uint8_t table_9[] = {9, 0, 1, 'x', 1, 2, 3}, cut[] = {2, 0, 200, 'x'};
    static const uint8_t token[HOLD_KEY_BYTES] = {[7] = 1, [15] = 9}, no_token[HOLD_KEY_BYTES] = {[7] = 1};
    const struct octets value = {junk, sizeof junk}, keys[] = {{key, 8}, {key, 7}, {zeros, 8}};
    const struct octets tokens[] = {{token, sizeof token}, {token, 8}, {no_token, sizeof no_token}};
    rig_follow(rig, pair->a);
    uint64_t at = pair->a->sequence;
    for (int i = 0; i < 11; i++) {
        struct origin *branch = origin_branch(pair->a, (uint64_t)i);
        struct octets good = origin_value(branch, LOG_TABLE_OFFER), agency = origin_value(branch, LOG_TABLE_AGENCY),
                      hold = origin_value(branch, LOG_TABLE_HOLD);
        const struct octets long_id = {junk, 0}, nul = {(const uint8_t *)"a\0b", 3};
        if (i == 0)
            origin_log(branch, LOG_TABLE_OFFER, &keys[0], &value);
        else if (i == 1)
            origin_log(branch, LOG_TABLE_OFFER, &keys[1], &good);
        else if (i == 2)
            origin_log(branch, LOG_TABLE_OFFER, &keys[2], &good);
        else if (i == 3)
            origin_log(branch, LOG_TABLE_AGENCY, &long_id, &agency);
        else if (i == 4)
            origin_log(branch, LOG_TABLE_AGENCY, &nul, &agency);
        else if (i == 5)
            origin_log(branch, LOG_TABLE_CARER, &keys[0], &value);
        else if (i > 7)
            origin_log(branch, LOG_TABLE_HOLD, &tokens[i - 8], i == 8 ? &value : &hold);
        else
            origin_log_octets(branch,
                              i == 6 ? &(struct octets){table_9, sizeof table_9} : &(struct octets){cut, sizeof cut});
        origin_sign(branch);
        assert_verdict(rig, batch_of(branch, at + 1, branch->sequence), VERDICT_LIE);
        branch_destroy(branch);
    }
    struct replica_work *work; /* dropped payloads are no entries to apply */
    origin_commit(pair->a, 2, 30);
    work = batch_of(pair->a, at + 1, at + 2);
    work->entries[1].salt = work->entries[1].payload = (struct octets){0};
    assert_verdict(rig, work, VERDICT_LIE);
    rig_follow(rig, pair->a);
    assert_replica_is(rig, pair->a);
}

/* A newer hub's field that this one does not know is carried whole (R20). */
static void test_unknown_field_R20(void **state)
{
    struct pair *pair = *state;
    static const uint8_t newer[] = {0xfa, 0x07, 3, 'n', 'e', 'w'}, key[8] = {0, 0, 0, 0, 0, 0, 0, 9};
    struct octets offer = origin_value(pair->a, LOG_TABLE_OFFER);
    uint8_t *value = origin_alloc(pair->a, offer.size + sizeof newer);
    memcpy(value, offer.data, offer.size);
    memcpy(value + offer.size, newer, sizeof newer);
    const struct octets octets = {value, offer.size + sizeof newer}, k = {key, sizeof key};
    origin_keep(pair->a, LOG_TABLE_OFFER, &k, &octets);
    origin_log(pair->a, LOG_TABLE_OFFER, &k, &octets);
    origin_sign(pair->a);
    rig_follow(pair->rig, pair->a);
    assert_replica_is(pair->rig, pair->a);
}

/* --- groups ---------------------------------------------------------------------------------------------------------
 */

/* A bad work in the middle of a group harms nobody else. */
static void test_group(void **state)
{
    struct pair *pair = *state;
    struct origin *a = pair->a, *b = pair->b;
    struct replica_work *lie = batch_of(a, 10, 17);
    own(lie, &lie->entries[1].salt)[3] ^= 4;
    struct replica_work *works[] = {batch_of(a, 1, 9),   batch_of(b, 1, 5), lie,
                                    batch_of(a, 10, 17), batch_of(a, 1, 9), batch_of(b, 10, 13)};
    static const enum replica_verdict expected[] = {VERDICT_APPLIED, VERDICT_APPLIED, VERDICT_LIE,
                                                    VERDICT_APPLIED, VERDICT_KNOWN,   VERDICT_GAP};
    replica_apply(pair->rig->replica, works, 6);
    for (int i = 0; i < 6; i++) {
        assert_int_equal(works[i]->verdict, expected[i]);
        assert_int_equal(works[i]->cursor.sequence, works[i]->region[8] == '2' ? 17 : 5);
        replica_work_destroy(works[i]);
    }
    assert_int_equal(pair->rig->shown[0].commits, 1); /* one commit for both batches of A */
    rig_follow(pair->rig, a);
    rig_follow(pair->rig, b);
    assert_replica_is(pair->rig, a);
    assert_replica_is(pair->rig, b);
}

/* A region that leaves the roster is no longer shown; what is on disk is shown again when it comes back. */
static void test_leaves_the_roster(void **state)
{
    struct pair *pair = *state;
    struct rig *rig = pair->rig;
    struct replica_status status;
    struct signed_checkpoint newest;
    struct log_reader reader = replica_log_reader(rig->replica);
    rig_follow(rig, pair->a);
    rig_follow(rig, pair->b);
    rig_set_roster(rig, rig_roster(rig, 2, NULL, pair->b, ""));
    assert_int_equal(replica_status(rig->replica, REGION_A, &status), ERR_NOT_FOUND);
    assert_int_equal(reader.newest(reader.ctx, REGION_A, &newest), ERR_NOT_FOUND);
    assert_int_equal(rig->shown[0].count, 0);
    assert_verdict(rig, batch_of(pair->a, 1, 9), VERDICT_NO_REGION);
    rig_restart(rig);
    assert_int_equal(rig->shown[0].count, 0);
    rig_set_roster(rig, rig_roster(rig, 3, pair->a, pair->b, ""));
    assert_replica_is(rig, pair->a);
    assert_replica_is(rig, pair->b);
}

int main(void)
{
    seed = seed_from_environment(21);
#define ONE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        ONE(test_follows),
        ONE(test_one_record),
        ONE(test_duplicates_and_reordered_R5),
        ONE(test_any_order_R5),
        ONE(test_gap_R9),
        ONE(test_head_goes_back_R10),
        ONE(test_wrong_previous_hash_R6),
        ONE(test_every_flipped_octet_R6),
        ONE(test_bad_signatures_R7),
        ONE(test_no_such_region),
        ONE(test_odd_sizes_and_sequences_R11),
        ONE(test_future_dated_R12),
        ONE(test_signed_again),
        ONE(test_epochs),
        ONE(test_payloads_that_cannot_be_read),
        ONE(test_unknown_field_R20),
        ONE(test_group),
        ONE(test_leaves_the_roster),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
