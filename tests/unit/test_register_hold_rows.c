/* tier: check */
/*
 * test_register_hold_rows.c - what is stored and shared of holds: in the log, the digest and what other hubs read; that
 * HOLDS, HOLD_LISTS and carers agree, or are damaged; and what a restore brings back.
 */
#include "daemon/record/lthash.h"
#include "tests/unit/hold_rows.h"
#include "tests/unit/restore_world.h"

#define HOUR_MS (3600LL * 1000)

/* The newest checkpoint's state is what an observer was shown, and what is on disk. */
static void assert_shared(struct world *world)
{
    struct lthash state;
    uint8_t digest[DIGEST_BYTES];
    lthash_init(&state);
    for (size_t i = 0; i < world->view->count; i++) {
        const struct view_item *item = &world->view->items[i];
        if (item->table < LOG_TABLE_END)
            lthash_add(&state, item->table, &(struct octets){item->key, item->key_size},
                       &(struct octets){item->value, item->value_size});
    }
    lthash_digest(&state, digest);
    assert_memory_equal(digest, newest(world).checkpoint.state, DIGEST_BYTES);
    assert_verifies(world);
    (void)assert_log_chain(world);
}

/* The hold's row as every other hub reads it. ERR_NOT_FOUND. */
static enum err shared_row(struct world *world, const struct hold_token *token, struct hold *out)
{
    struct log_reader reader = home_log_reader(world->home);
    struct arena arena;
    struct record_slice slice;
    enum log_table table = LOG_TABLE_NONE;
    struct octets after = {0};
    enum err err = ERR_NOT_FOUND;
    arena_init(&arena, 16 << 20);
    do {
        assert_int_equal(reader.records(reader.ctx, WORLD_REGION, table, &after, &arena, &slice), ERR_NONE);
        for (size_t i = 0; i < slice.count; i++) {
            const struct shared_record *record = &slice.records[i];
            table = record->table;
            after = record->key;
            if (table != LOG_TABLE_HOLD)
                continue;
            struct hold hold;
            assert_int_equal(hold_row_decode(&record->key, &record->value, &hold), ERR_NONE);
            if (hold.token.epoch == token->epoch && hold.token.sequence == token->sequence) {
                *out = hold;
                err = ERR_NONE;
            }
        }
    } while (slice.count > 0);
    arena_finish(&arena);
    return err;
}

static struct offer offer_of(struct world *world, uint64_t national_reference)
{
    uint8_t key[8];
    struct offer offer = {.vacancy_id = 0};
    put_be64(key, national_reference);
    for (size_t i = 0; i < world->view->count; i++) {
        const struct view_item *item = &world->view->items[i];
        if (item->table == LOG_TABLE_OFFER && item->key_size == 8 && memcmp(item->key, key, 8) == 0)
            assert_int_equal(offer_decode(&(struct octets){item->value, item->value_size}, &offer), ERR_NONE);
    }
    return offer;
}

static struct home_carer begin_with_carer(void)
{
    open_asking(&original, seed);
    assert_int_equal(apply(&original, UPDATE_DECIDE), ERR_NONE);
    assert_int_equal(world_apply(&original, world_put_agency(&original, AGENCY)).problem.code, ERR_NONE);
    return rows_carer(&original, AGENCY, "H-1");
}

/* A copy as a backup has it. */
static void back_up(void)
{
    world_init(&restored, seed + 1, false);
    restored.store->ops->close(restored.store);
    restored.store = store_memory_clone(original.store);
}

static void restore(void)
{
    restored.wall_ms = original.wall_ms;
    restored.has_peers = restored.restored = true;
    world_open(&restored);
    restored.restored = false;
}

/* --- shared ------------------------------------------------------------------------------------------------------ */

static void test_a_hold_is_shared_as_its_row(void **state)
{
    (void)state;
    struct world *world = &original;
    struct home_carer home = begin_with_carer();
    struct hold made = rows_make(world, &home, 1, HOUR_MS), row;
    struct stored_hold stored;
    uint64_t epoch, sequence;
    home_position(world->home, &epoch, &sequence);
    assert_true(made.token.epoch == epoch && made.token.sequence == sequence - 1); /* then the offer */
    assert_int_equal(shared_row(world, &made.token, &row), ERR_NONE);
    assert_string_equal(row.holder, "");
    assert_int_equal(row.state, HOLD_ACTIVE);
    assert_int_equal(offer_of(world, home.national_reference).beds_free, 1);
    assert_shared(world);

    struct hold second = rows_make(world, &home, 1, HOUR_MS);
    assert_int_equal(offer_of(world, home.national_reference).state, VACANCY_HELD);
    made = rows_end(world, made, HOLD_RELEASED);
    assert_int_equal(offer_of(world, home.national_reference).state, VACANCY_VACANT);
    assert_int_equal(shared_row(world, &made.token, &row), ERR_NONE);
    assert_int_equal(row.state, HOLD_RELEASED);
    assert_shared(world);
    reopen(world);
    assert_int_equal(apply(world, UPDATE_DECIDE), ERR_NONE);
    assert_shared(world); /* as an observer that comes later is fed */

    /* What is shared no longer is still known here. */
    struct batch batch;
    assert_int_equal(rows_get(world, &made.token, &stored), ERR_NONE);
    rows_begin(world, &batch);
    assert_int_equal(batch_get_hold(&batch, &made.token, &stored, NULL), ERR_NONE);
    assert_true(batch_drop_hold_row(&batch, &stored));
    assert_int_equal(batch_commit(&batch), ERR_NONE);
    assert_int_equal(shared_row(world, &made.token, &row), ERR_NOT_FOUND);
    assert_shared(world);
    reopen(world);
    assert_int_equal(apply(world, UPDATE_DECIDE), ERR_NONE);
    assert_shared(world);
    assert_int_equal(rows_get(world, &made.token, &stored), ERR_NONE);
    assert_memory_equal(&stored.hold, &made, sizeof made);
    assert_int_equal(stored.row.size, 0);
    made = rows_end(world, made, HOLD_RELEASED); /* again: nothing of it is logged */
    assert_int_equal(shared_row(world, &made.token, &row), ERR_NOT_FOUND);

    /* And what is removed leaves nothing. */
    rows_begin(world, &batch);
    assert_int_equal(batch_get_hold(&batch, &made.token, &stored, NULL), ERR_NONE);
    assert_true(batch_remove_hold(&batch, &stored));
    assert_int_equal(batch_commit(&batch), ERR_NONE);
    assert_int_equal(rows_get(world, &made.token, &stored), ERR_NOT_FOUND);
    assert_int_equal(rows_get(world, &second.token, &stored), ERR_NONE);
    reopen(world);
    world_finish(world);
}

/* --- agreement --------------------------------------------------------------------------------------------------- */

enum damage { NO_HOLD, NO_LINE, STRAY_LINE, NOT_LISTED, LISTED_TWICE, OTHER_BEDS, OTHER_STATE, DAMAGES };

static void spoil(struct batch *batch, enum damage damage, const struct hold *hold)
{
    struct table_key key = key_of_hold(WORLD_REGION, &hold->token);
    struct stored_carer carer;
    struct hold_lines lines;
    hold_lines_of(WORLD_REGION, hold, &lines);
    assert_int_equal(batch_get_carer(batch, hold->national_reference, &carer, NULL), ERR_NONE);
    struct live_hold *listed = &carer.home.holds[0];
    switch (damage) {
    case NO_HOLD:
        assert_true(batch_del(batch, STORE_HOLDS, &key));
        return;
    case NO_LINE:
        assert_true(batch_del(batch, STORE_HOLD_LISTS, &lines.keys[0]));
        return;
    case STRAY_LINE:
        lines.keys[0].data[12] ^= 1;
        assert_true(batch_put(batch, STORE_HOLD_LISTS, &lines.keys[0], &(struct octets){(const uint8_t *)"", 0}));
        return;
    case NOT_LISTED:
        carer.home.hold_count = 0;
        break;
    case LISTED_TWICE:
        carer.home.holds[carer.home.hold_count++] = *listed;
        break;
    case OTHER_BEDS:
        listed->beds++;
        break;
    default:
        listed->state = HOLD_PLACED;
    }
    assert_true(batch_store_carer(batch, &carer));
}

static void test_disagreement_is_damage(void **state)
{
    (void)state;
    static const char *const says[DAMAGES] = {[NO_HOLD] = "a line leads to no such hold",
                                              [NO_LINE] = "not every hold has its lines",
                                              [STRAY_LINE] = "a line leads to no such hold",
                                              [NOT_LISTED] = "do not agree",
                                              [LISTED_TWICE] = "do not agree",
                                              [OTHER_BEDS] = "do not agree",
                                              [OTHER_STATE] = "do not agree"};
    for (int damage = 0; damage < DAMAGES; damage++) {
        struct home_carer home = begin_with_carer();
        struct hold hold = rows_make(&original, &home, 1, HOUR_MS);
        struct problem problem = {0};
        struct batch batch;
        rows_begin(&original, &batch);
        spoil(&batch, (enum damage)damage, &hold);
        assert_int_equal(batch_commit(&batch), ERR_NONE);
        world_close(&original);
        assert_int_equal(world_try_open(&original, &problem), ERR_STORE_DAMAGED);
        if (strstr(problem.text, says[damage]) == NULL)
            fail_msg("damage %d: %s", damage, problem.text);
        world_finish(&original);
    }
}

/* --- restored ---------------------------------------------------------------------------------------------------- */

static struct hold known(const struct hold_token *token)
{
    struct stored_hold stored;
    assert_int_equal(rows_get(&restored, token, &stored), ERR_NONE);
    assert_true(stored.row.size > 0);
    return stored.hold;
}

/* Made after the backup: its holder's name is gone, but not who it was to those that can name themselves; and the bed
 * is not promised again. */
static void test_a_hold_comes_back_after_a_restore(void **state)
{
    (void)state;
    uint8_t hash[DIGEST_BYTES];
    struct home_carer home = begin_with_carer(), back;
    back_up();
    struct hold made = rows_make(&original, &home, 1, 4 * HOUR_MS);
    struct hold ended = rows_end(&original, rows_make(&original, &home, 1, HOUR_MS), HOLD_RELEASED);
    world_pass(&original, HOUR_MS);
    restore();
    replay_all(&original, &restored);
    assert_same_view(original.view, restored.view);
    struct hold hold = known(&made.token);
    assert_string_equal(hold.holder, "");
    assert_string_equal(hold.request_reference, "");
    assert_string_equal(hold.agency, AGENCY);
    assert_string_equal(hold.agency_reference, "H-1");
    assert_int_equal(hold.state, HOLD_ACTIVE);
    hold_hash(restored.home->options.reference_secret, "holder", hold.vacancy_id, NULL, HOLD_TEAM, hash);
    assert_memory_equal(hash, hold.holder_hash, DIGEST_BYTES);
    assert_true(hold.until_lease_ms - home_lease_ms(restored.home) == 3 * HOUR_MS); /* an hour has passed */
    assert_int_equal(known(&ended.token).state, HOLD_RELEASED);
    assert_int_equal(home_get_carer(restored.home, AGENCY, "H-1", &back), ERR_NONE);
    assert_false(back.lost); /* the offer tells it all */
    assert_int_equal(back.hold_count, 1);
    assert_int_equal(beds_held(&back), 1);
    assert_int_equal(beds_free(&back), 1);
    assert_verifies(&restored);
    reopen(&restored);
    assert_int_equal(apply(&restored, UPDATE_DECIDE), ERR_NONE);
    /* It runs out when it would have, by the clock that no step of the wall clock moves. */
    restored.boot_ms += 3 * HOUR_MS - 1;
    (void)home_lapse(restored.home, 100, NULL);
    assert_int_equal(known(&made.token).state, HOLD_ACTIVE);
    restored.boot_ms++;
    (void)home_lapse(restored.home, 100, NULL);
    assert_int_equal(known(&made.token).state, HOLD_EXPIRED);
    assert_int_equal(offer_of(&restored, home.national_reference).beds_free, 2);
    assert_shared(&restored);
    reopen(&restored);
    end();
}

/* The carer's offer as a hub wrote it that did not tell of beds held. */
static void store_offer_of_before(struct world *world, uint64_t national_reference)
{
    struct batch batch;
    struct stored_carer carer;
    struct problem problem = {0};
    struct offer offer;
    rows_begin(world, &batch);
    assert_int_equal(batch_get_carer(&batch, national_reference, &carer, &problem), ERR_NONE);
    struct octets before = carer.shared.offer, log_key = {arena_alloc(batch.arena, 8), 8};
    assert_non_null(log_key.data);
    put_be64((uint8_t *)log_key.data, national_reference);
    assert_int_equal(offer_decode(&before, &offer), ERR_NONE);
    offer.beds_held = 0;
    assert_int_equal(offer_encode(&offer, batch.arena, &carer.shared.offer), ERR_NONE);
    assert_true(batch_log(&batch, LOG_TABLE_OFFER, &log_key, &before, false, &carer.shared.offer));
    assert_true(batch_store_carer(&batch, &carer));
    assert_int_equal(batch_commit(&batch), ERR_NONE);
}

/* Such a log is no damage and loses no carer; the hold's next change tells of it. */
static void test_an_offer_that_does_not_tell_of_beds_held(void **state)
{
    (void)state;
    struct home_carer home = begin_with_carer(), back;
    struct hold made = rows_make(&original, &home, 1, 4 * HOUR_MS);
    assert_int_equal(offer_of(&original, home.national_reference).beds_held, 1);
    back_up();
    store_offer_of_before(&original, home.national_reference);
    assert_int_equal(offer_of(&original, home.national_reference).beds_held, 0);
    reopen(&original);
    restore();
    replay_all(&original, &restored);
    assert_same_view(original.view, restored.view);
    assert_int_equal(home_get_carer(restored.home, AGENCY, "H-1", &back), ERR_NONE);
    assert_false(back.lost);
    assert_verifies(&restored);
    reopen(&restored);
    assert_int_equal(apply(&restored, UPDATE_DECIDE), ERR_NONE);
    made.extended = true;
    (void)rows_store(&restored, (struct stored_hold){.hold = made});
    assert_int_equal(offer_of(&restored, home.national_reference).beds_held, 1);
    assert_int_equal(offer_of(&restored, home.national_reference).beds_free, 1);
    assert_shared(&restored);
    end();
}

/* A clock that is wrong at the restore neither prolongs a hold beyond what it was given nor has it end before now. */
static void test_what_is_left_is_within_what_was_given(void **state)
{
    (void)state;
    struct home_carer home = begin_with_carer();
    for (int way = -1; way <= 1; way += 2) {
        back_up();
        struct hold made = rows_make(&original, &home, 1, 4 * HOUR_MS);
        restore();
        restored.wall_ms += way * 24 * HOUR_MS;
        replay_all(&original, &restored);
        int64_t left_ms = known(&made.token).until_lease_ms - home_lease_ms(restored.home);
        assert_true(left_ms == (way < 0 ? 4 * HOUR_MS : 0));
        world_finish(&restored);
    }
    world_finish(&original);
}

/* What the backup knew of it stays, and what came since is added. */
static void test_a_known_hold_goes_on(void **state)
{
    (void)state;
    struct home_carer home = begin_with_carer();
    struct hold first = rows_make(&original, &home, 1, HOUR_MS), second = rows_make(&original, &home, 1, HOUR_MS);
    back_up();
    first.extended = true;
    first.until_ms += HOUR_MS;
    first.until_lease_ms += HOUR_MS;
    (void)rows_store(&original, (struct stored_hold){.hold = first});
    struct hold declined = rows_end(&original, second, HOLD_DECLINED);
    restore();
    replay_all(&original, &restored);
    struct hold hold = known(&first.token);
    assert_memory_equal(&hold, &first, sizeof hold);
    hold = known(&second.token);
    assert_int_equal(hold.state, HOLD_DECLINED);
    assert_string_equal(hold.holder, HOLD_TEAM);
    assert_true(hold.ended_at_ms == declined.ended_at_ms);
    reopen(&restored);
    assert_verifies(&restored);
    /* Of one that had ended only the row goes; one that lives has no more of it than that. */
    struct batch batch;
    struct stored_hold stored;
    rows_begin(&original, &batch);
    assert_int_equal(batch_get_hold(&batch, &second.token, &stored, NULL), ERR_NONE);
    assert_true(batch_drop_hold_row(&batch, &stored));
    assert_int_equal(batch_commit(&batch), ERR_NONE);
    replay_all(&original, &restored);
    assert_int_equal(rows_get(&restored, &second.token, &stored), ERR_NONE);
    assert_int_equal(stored.row.size, 0);
    assert_string_equal(stored.hold.holder, HOLD_TEAM);
    reopen(&restored);
    end();
}

/* The backup knows a placement with its children; that it was taken back since, the row tells: nobody lives there. */
static void test_a_placement_that_was_taken_back(void **state)
{
    (void)state;
    struct home_carer home = begin_with_carer(), back;
    struct hold made = rows_make(&original, &home, 2, HOUR_MS);
    struct hold placed = rows_end(&original, made, HOLD_PLACED);
    struct stored_carer stored;
    struct batch batch;
    rows_begin(&original, &batch);
    assert_int_equal(batch_get_carer(&batch, home.national_reference, &stored, NULL), ERR_NONE);
    stored.home.holds[0].child_count = 2;
    for (int i = 0; i < 2; i++)
        stored.home.holds[0].children[i] = (struct placed_child){AGE_9_11, SEX_F, 1, "E08000035"};
    assert_true(batch_put_carer(&batch, &stored, true));
    assert_int_equal(batch_commit(&batch), ERR_NONE);
    assert_int_equal(offer_of(&original, home.national_reference).beds_free, 0);
    back_up();
    (void)rows_end(&original, placed, HOLD_RELEASED);
    restore();
    replay_all(&original, &restored);
    assert_same_view(original.view, restored.view);
    assert_int_equal(known(&made.token).state, HOLD_RELEASED);
    assert_int_equal(home_get_carer(restored.home, AGENCY, "H-1", &back), ERR_NONE);
    assert_false(back.lost);
    assert_int_equal(back.hold_count, 0);
    assert_int_equal(beds_free(&back), 2);
    assert_verifies(&restored);
    reopen(&restored);
    assert_shared(&restored);
    end();
}

/* The backup knows whom a team has placed; the carer is lost, and what its agency says then lists both: they are two.
 */
static void test_the_push_of_a_lost_carer_lists_the_placed(void **state)
{
    (void)state;
    struct home_carer home = begin_with_carer(), back;
    struct hold placed = rows_end(&original, rows_make(&original, &home, 2, HOUR_MS), HOLD_PLACED);
    const struct placed_child child = {AGE_9_11, SEX_F, 1, "E08000035"};
    struct stored_carer stored;
    struct batch batch;
    rows_begin(&original, &batch);
    assert_int_equal(batch_get_carer(&batch, home.national_reference, &stored, NULL), ERR_NONE);
    stored.home.holds[0].child_count = 2;
    stored.home.holds[0].children[0] = stored.home.holds[0].children[1] = child;
    assert_true(batch_put_carer(&batch, &stored, true));
    assert_int_equal(batch_commit(&batch), ERR_NONE);
    back_up();
    world_pass(&original, 1000);
    assert_int_equal(world_apply(&original, put_unshared(&original, AGENCY, "H-1")).problem.code, ERR_NONE);
    restore();
    replay_all(&original, &restored);
    reopen(&restored);
    assert_int_equal(apply(&restored, UPDATE_DECIDE), ERR_NONE);
    world_pass(&restored, 2000);
    struct update *push = world_put_carer(&restored, AGENCY, "H-1");
    push->as.carer.placed_count = 2;
    push->as.carer.placed[0] = push->as.carer.placed[1] = child;
    assert_int_equal(world_apply(&restored, push).problem.code, ERR_NONE);
    assert_int_equal(home_get_carer(restored.home, AGENCY, "H-1", &back), ERR_NONE);
    assert_false(back.lost);
    assert_int_equal(back.carer.placed_count, 2);
    assert_int_equal(back.hold_count, 1);
    assert_true(back.holds[0].sequence == placed.token.sequence && back.holds[0].some_listed);
    assert_int_equal(back.holds[0].child_count, 0);
    assert_shared(&restored);
    end();
}

/* The carer is lost, its hold is not: nobody else gets the bed, and it is free again when the hold ends. */
static void test_a_hold_of_a_lost_carer(void **state)
{
    (void)state;
    static struct home_carer lost[2];
    size_t got;
    struct home_carer home = begin_with_carer();
    back_up();
    struct hold made = rows_make(&original, &home, 2, HOUR_MS);
    world_pass(&original, 1000);
    struct update *push = put_unshared(&original, AGENCY, "H-1");
    assert_int_equal(world_apply(&original, push).problem.code, ERR_NONE);
    restore();
    replay_all(&original, &restored);
    assert_same_view(original.view, restored.view);
    assert_int_equal(home_list_lost(restored.home, AGENCY, NULL, lost, 2, &got), ERR_NONE);
    assert_int_equal(got, 1);
    assert_int_equal(lost[0].hold_count, 1);
    assert_int_equal(beds_held(&lost[0]), 2);
    reopen(&restored);
    assert_int_equal(apply(&restored, UPDATE_DECIDE), ERR_NONE);
    assert_int_equal(offer_of(&restored, home.national_reference).state, VACANCY_HELD);
    assert_int_equal(offer_of(&restored, home.national_reference).beds_held, 2);
    (void)rows_end(&restored, known(&made.token), HOLD_EXPIRED);
    assert_int_equal(offer_of(&restored, home.national_reference).beds_held, 0);
    assert_int_equal(offer_of(&restored, home.national_reference).state, VACANCY_VACANT);
    assert_int_equal(offer_of(&restored, home.national_reference).beds_free, 2);
    assert_shared(&restored);
    reopen(&restored);
    end();
}

/* Where payloads are gone: the whole state, which has holds that the entries after it tell again. */
static void test_holds_in_a_whole_state(void **state)
{
    (void)state;
    struct home_carer home = begin_with_carer(), back;
    struct hold gone = rows_make(&original, &home, 1, HOUR_MS);
    back_up();
    (void)rows_end(&original, gone, HOLD_RELEASED);
    struct home_carer other = rows_carer(&original, AGENCY, "H-2");
    struct hold made = rows_make(&original, &other, 2, HOUR_MS), row;
    struct batch batch;
    struct stored_hold stored;
    rows_begin(&original, &batch);
    assert_int_equal(batch_get_hold(&batch, &gone.token, &stored, NULL), ERR_NONE);
    assert_true(batch_drop_hold_row(&batch, &stored));
    assert_int_equal(batch_commit(&batch), ERR_NONE);
    restore();
    struct update_result result = world_apply(&restored, whole_replay(&original, &restored, 0));
    if (result.problem.code != ERR_NONE)
        fail_msg("whole replay: %s", result.problem.text);
    assert_same_view(original.view, restored.view);
    assert_int_equal(rows_get(&restored, &gone.token, &stored), ERR_NOT_FOUND); /* it lived when it was last known */
    assert_int_equal(shared_row(&restored, &made.token, &row), ERR_NONE);
    assert_int_equal(home_get_carer(restored.home, AGENCY, "H-1", &back), ERR_NONE);
    assert_int_equal(back.hold_count, 0);
    reopen(&restored);
    assert_verifies(&restored);
    assert_int_equal(apply(&restored, UPDATE_DECIDE), ERR_NONE);
    assert_shared(&restored);
    end();
}

int main(void)
{
    seed = seed_from_environment(20261122);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_hold_is_shared_as_its_row),
        cmocka_unit_test(test_disagreement_is_damage),
        cmocka_unit_test(test_a_hold_comes_back_after_a_restore),
        cmocka_unit_test(test_an_offer_that_does_not_tell_of_beds_held),
        cmocka_unit_test(test_what_is_left_is_within_what_was_given),
        cmocka_unit_test(test_a_known_hold_goes_on),
        cmocka_unit_test(test_a_placement_that_was_taken_back),
        cmocka_unit_test(test_the_push_of_a_lost_carer_lists_the_placed),
        cmocka_unit_test(test_a_hold_of_a_lost_carer),
        cmocka_unit_test(test_holds_in_a_whole_state),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
