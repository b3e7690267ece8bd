/* tier: check */
/*
 * test_register_standing.c - whether a hub decides: at start, on the operator's word, superseded by another hub of its
 * region, and shown more of its own log than it has (design section 9: Epoch). What a restore takes back:
 * test_register_restore.c.
 */
#include "tests/unit/restore_world.h"

/* --- deciding ---------------------------------------------------------------------------------------------------- */

static void test_asks_before_it_decides(void **state)
{
    (void)state;
    struct world *world = &original;
    struct signed_checkpoint none;
    uint64_t epoch, sequence;
    open_asking(world, seed);
    assert_standing(world, STANDING_ASKING);
    home_position(world->home, &epoch, &sequence);
    assert_int_equal(epoch + sequence, 0); /* opens no epoch of its own */
    assert_int_equal(home_checkpoint(world->home, &none), ERR_NOT_FOUND);
    assert_no_write(world, "vacancy hub promote");
    assert_false(home_heartbeat(world->home, NULL));
    reopen(world);

    assert_int_equal(apply(world, UPDATE_DECIDE), ERR_NONE);
    assert_standing(world, STANDING_DECIDING);
    home_position(world->home, &epoch, &sequence);
    assert_int_equal(epoch, 1);
    assert_int_equal(sequence, 1);
    assert_int_equal(world_apply(world, world_put_agency(world, AGENCY)).problem.code, ERR_NONE);
    assert_int_equal(world_apply(world, world_put_carer(world, AGENCY, "H-1")).problem.code, ERR_NONE);
    struct update_result vacancy = world_apply(world, world_put_vacancy(world, AGENCY, "H-1"));
    assert_int_equal(vacancy.problem.code, ERR_NONE);

    /* Asks again at each start; no new epoch for that. Nothing lapses and nothing is signed meanwhile. */
    reopen(world);
    assert_standing(world, STANDING_ASKING);
    world->wall_ms = vacancy.valid_until_ms + LAPSE_MS;
    world->boot_ms += HEARTBEAT_MS;
    assert_int_equal(home_lapse(world->home, 10, NULL), 0);
    assert_false(home_heartbeat(world->home, NULL));
    assert_int_equal(apply(world, UPDATE_DECIDE), ERR_NONE);
    assert_int_equal(newest(world).checkpoint.epoch, 1);
    assert_int_equal(home_lapse(world->home, 10, NULL), 1);
    assert_true(home_heartbeat(world->home, NULL) || newest(world).checkpoint.time_ms == world->wall_ms);
    assert_register_true(world);
    world_finish(world);
}

static void test_the_operators_word(void **state)
{
    (void)state;
    struct world *world = &original;
    open_asking(world, seed);
    struct update_result decided = world_apply(world, promote(world, false, false));
    assert_int_equal(decided.problem.code, ERR_NONE);
    assert_int_equal(decided.epoch, 1);
    assert_standing(world, STANDING_DECIDING);
    struct signed_checkpoint before = newest(world);
    decided = world_apply(world, promote(world, false, false)); /* nothing to do */
    assert_int_equal(decided.epoch, 1);
    assert_string_equal(newest(world).text, before.text);
    decided = world_apply(world, promote(world, false, true));
    assert_int_equal(decided.epoch, 2);
    struct signed_checkpoint after = newest(world);
    assert_int_equal(after.checkpoint.epoch, 2);
    assert_int_equal(after.checkpoint.sequence, before.checkpoint.sequence + 1);
    assert_memory_not_equal(after.checkpoint.epoch_id, before.checkpoint.epoch_id, EPOCH_ID_BYTES);
    assert_int_equal(apply(world, UPDATE_DECIDE), ERR_NONE);
    assert_int_equal(newest(world).checkpoint.epoch, 2);
    reopen(world);
    assert_int_equal(newest(world).checkpoint.epoch, 2);
    assert_int_equal(apply(world, UPDATE_DECIDE), ERR_NONE);
    assert_register_true(world);
    world_finish(world);
}

/* --- superseded -------------------------------------------------------------------------------------------------- */

static struct update *superseded(struct world *world, uint64_t epoch, uint8_t id, const struct signer *signer)
{
    struct update *update = world_update(world, UPDATE_SUPERSEDED, NULL, NULL);
    struct checkpoint theirs = newest(world).checkpoint;
    theirs.epoch = epoch;
    if (id != 0)
        memset(theirs.epoch_id, id, EPOCH_ID_BYTES);
    checkpoint_sign(&theirs, signer, &update->as.superseded);
    return update;
}

static void test_superseded_for_good(void **state)
{
    (void)state;
    struct world *world = &original;
    uint8_t other_seed[32] = {9};
    struct signer *other = signer_from_seed(other_seed);
    open_asking(world, seed);
    /* A hub without any epoch has nothing that could be superseded: it replays. */
    struct update *early = world_update(world, UPDATE_SUPERSEDED, NULL, NULL);
    struct checkpoint theirs = {.region = WORLD_REGION, .epoch = 3, .epoch_id = {1}, .sequence = 9, .time_ms = 1};
    checkpoint_sign(&theirs, world->signer, &early->as.superseded);
    assert_int_equal(world_apply(world, early).problem.code, ERR_PRECONDITION);
    assert_int_equal(apply(world, UPDATE_DECIDE), ERR_NONE);

    assert_int_equal(world_apply(world, superseded(world, 2, 1, other)).problem.code, ERR_INVALID);
    assert_int_equal(world_apply(world, superseded(world, 1, 0, world->signer)).problem.code, ERR_PRECONDITION);
    assert_standing(world, STANDING_DECIDING);
    struct update *good = superseded(world, 5, 1, world->signer);
    good->as.superseded.text[40] ^= 1;
    assert_int_equal(world_apply(world, good).problem.code, ERR_INVALID);
    assert_int_equal(world_apply(world, superseded(world, 5, 1, world->signer)).problem.code, ERR_NONE);
    assert_standing(world, STANDING_SUPERSEDED);
    for (int restart = 0; restart < 2; restart++) {
        assert_no_write(world, "another hub decides");
        assert_int_equal(apply(world, UPDATE_DECIDE), ERR_UNAVAILABLE);
        world->boot_ms += HEARTBEAT_MS;
        assert_false(home_heartbeat(world->home, NULL));
        struct update_result refused = world_apply(world, promote(world, false, true));
        assert_int_equal(refused.problem.code, ERR_PRECONDITION);
        assert_string_equal(refused.problem.field, "accept_loss");
        refused = world_apply(world, promote(world, true, false));
        assert_string_equal(refused.problem.field, "new_epoch");
        reopen(world);
        assert_standing(world, STANDING_SUPERSEDED);
    }
    /* The survivor of a fork, chosen by its operator: in an epoch later than both. */
    struct update_result survivor = world_apply(world, promote(world, true, true));
    assert_int_equal(survivor.problem.code, ERR_NONE);
    assert_int_equal(survivor.epoch, 6);
    reopen(world);
    assert_standing(world, STANDING_ASKING);
    assert_int_equal(apply(world, UPDATE_DECIDE), ERR_NONE);
    assert_register_true(world);
    signer_destroy(other);
    world_finish(world);
}

/* The other hub went on into later epochs: a promoted one opens its own after all that were heard of. */
static void test_superseded_ever_later(void **state)
{
    (void)state;
    struct world *world = &original;
    open_asking(world, seed);
    assert_int_equal(apply(world, UPDATE_DECIDE), ERR_NONE);
    assert_int_equal(world_apply(world, superseded(world, 5, 1, world->signer)).problem.code, ERR_NONE);
    assert_int_equal(world_apply(world, superseded(world, 8, 2, world->signer)).problem.code, ERR_NONE);
    assert_int_equal(world_apply(world, superseded(world, 6, 3, world->signer)).problem.code, ERR_NONE);
    reopen(world);
    assert_standing(world, STANDING_SUPERSEDED);
    assert_int_equal(world_apply(world, promote(world, true, true)).epoch, 9);
    assert_register_true(world);
    world_finish(world);
}

/* The operator's word does not make a fork of what a peer is known to have. */
static void test_promoted_though_behind(void **state)
{
    (void)state;
    struct world *world = &original;
    open_asking(world, seed);
    assert_int_equal(apply(world, UPDATE_DECIDE), ERR_NONE);
    reopen(world);
    struct update *behind = promote(world, false, false);
    behind->as.promote.behind = true;
    struct update_result refused = world_apply(world, behind);
    assert_int_equal(refused.problem.code, ERR_PRECONDITION);
    assert_string_equal(refused.problem.field, "accept_loss");
    assert_standing(world, STANDING_ASKING);
    behind = promote(world, true, false);
    behind->as.promote.behind = true;
    assert_int_equal(world_apply(world, behind).epoch, 2);
    assert_standing(world, STANDING_DECIDING);
    assert_register_true(world);
    world_finish(world);
}

/* The same number with another id: a fork, seen from inside. */
static void test_superseded_by_another_id(void **state)
{
    (void)state;
    struct world *world = &original;
    open_asking(world, seed);
    assert_int_equal(apply(world, UPDATE_DECIDE), ERR_NONE);
    assert_int_equal(world_apply(world, superseded(world, 1, 7, world->signer)).problem.code, ERR_NONE);
    assert_standing(world, STANDING_SUPERSEDED);
    world_finish(world);
}

/* --- shown more -------------------------------------------------------------------------------------------------- */

/* A copy of the original as it stood when `begin` was called, which decides by its operator's word. */
static void begin_old_copy(int after)
{
    begin(20, 0);
    world_finish(&restored);
    world_init(&restored, seed + 1, false);
    restored.store->ops->close(restored.store);
    restored.store = store_memory_clone(original.store);
    restored.has_peers = true;
    random_updates(&original, after);
    restored.wall_ms = original.wall_ms;
    world_open(&restored);
    assert_int_equal(world_apply(&restored, promote(&restored, false, false)).problem.code, ERR_NONE);
    assert_standing(&restored, STANDING_DECIDING);
}

static void show_newest(struct world *from, struct world *to)
{
    const struct signed_checkpoint theirs = newest(from);
    home_shown(to->home, theirs.checkpoint.epoch, theirs.checkpoint.sequence);
}

static struct update *behind(struct world *world, const struct signed_checkpoint *theirs)
{
    struct update *update = world_update(world, UPDATE_BEHIND, NULL, NULL);
    update->as.ahead = *theirs;
    return update;
}

static void test_shown_more_while_it_decides(void **state)
{
    (void)state;
    struct world *world = &restored;
    begin_old_copy(20);
    const struct signed_checkpoint before = newest(world), theirs = newest(&original);
    struct signed_checkpoint evidence;
    /* From the moment it is shown: nothing is written, nothing lapses, nothing is signed. */
    show_newest(&original, world);
    assert_no_write(world, "vacancy hub promote");
    world->wall_ms += 400LL * 24 * 3600 * 1000;
    world->boot_ms += 10 * HEARTBEAT_MS;
    assert_int_equal(home_lapse(world->home, 100, NULL), 0);
    assert_false(home_heartbeat(world->home, NULL));
    assert_string_equal(newest(world).text, before.text);
    assert_int_equal(home_stands_back_for(world->home, &evidence), ERR_NOT_FOUND);
    /* Durably, with what it was shown; forged or not further, it is nothing. */
    struct update *forged = behind(world, &theirs);
    forged->as.ahead.signature[3] ^= 1;
    assert_int_equal(world_apply(world, forged).problem.code, ERR_INVALID);
    assert_int_equal(world_apply(world, behind(world, &before)).problem.code, ERR_NONE);
    assert_standing(world, STANDING_DECIDING);
    assert_int_equal(world_apply(world, behind(world, &theirs)).problem.code, ERR_NONE);
    for (int restart = 0; restart < 2; restart++) {
        assert_standing(world, STANDING_BEHIND);
        assert_no_write(world, "vacancy hub promote");
        assert_int_equal(apply(world, UPDATE_DECIDE), ERR_UNAVAILABLE);
        assert_int_equal(home_stands_back_for(world->home, &evidence), ERR_NONE);
        assert_string_equal(evidence.text, theirs.text);
        reopen(world);
    }
    /* What it lacks it takes back; it decides by its operator's word, in the next epoch. */
    struct update *early = promote(world, false, false);
    early->as.promote.behind = true;
    assert_string_equal(world_apply(world, early).problem.field, "accept_loss");
    struct update *replay;
    while ((replay = next_replay(&original, world)) != NULL)
        assert_int_equal(world_apply(world, replay).problem.code, ERR_NONE);
    assert_standing(world, STANDING_BEHIND);
    assert_same_position(&original, world);
    early = promote(world, false, false);
    early->as.promote.unasked = true;
    assert_string_equal(world_apply(world, early).problem.field, "accept_loss");
    assert_int_equal(apply(world, UPDATE_DECIDE), ERR_UNAVAILABLE);
    assert_int_equal(world_apply(world, promote(world, false, false)).epoch, 2);
    assert_standing(world, STANDING_DECIDING);
    assert_int_equal(home_stands_back_for(world->home, &evidence), ERR_NOT_FOUND);
    assert_register_true(world);
    end();
}

/* Its loss accepted: the next epoch comes after all that was shown. */
static void test_shown_more_and_given_up(void **state)
{
    (void)state;
    begin_old_copy(20);
    assert_int_equal(world_apply(&original, promote(&original, false, true)).epoch, 2);
    show_newest(&original, &restored);
    assert_int_equal(world_apply(&restored, promote(&restored, false, true)).problem.code, ERR_UNAVAILABLE);
    assert_int_equal(world_apply(&restored, promote(&restored, true, false)).epoch, 3);
    assert_int_equal(world_apply(&restored, world_put_agency(&restored, AGENCY)).problem.code, ERR_NONE);
    assert_register_true(&restored);
    end();
}

/* Said while the batch is under way, as by the links' thread: between the decision and its commit. */
static int64_t boot_when_shown(void *ctx)
{
    show_newest(&original, &restored);
    return world_boot(ctx);
}

static void test_shown_more_between_decision_and_commit(void **state)
{
    (void)state;
    struct world *world = &restored;
    for (int deciding = 0; deciding < 2; deciding++) {
        begin_old_copy(20);
        const struct signed_checkpoint before = newest(world);
        if (!deciding)
            reopen(world);
        struct update *batch[] = {deciding ? world_put_agency(world, "one-more")
                                           : world_update(world, UPDATE_DECIDE, NULL, NULL),
                                  world_put_agency(world, "another"), world_put_agency(world, "late")};
        batch[2]->expires_boot_ms = world->boot_ms + 1; /* looks at the clock, once the others are done */
        world->clock.boot_ms = boot_when_shown;
        home_apply(world->home, batch, 3);
        world->clock.boot_ms = world_boot;
        for (int i = 0; i < 3; i++) {
            assert_int_equal(batch[i]->result.problem.code, ERR_UNAVAILABLE);
            assert_non_null(strstr(batch[i]->result.problem.text, "vacancy hub promote"));
            update_destroy(batch[i]);
        }
        assert_string_equal(newest(world).text, before.text);
        assert_register_true(world);
        end();
    }
    /* An empty register: not even its first epoch. */
    begin(5, 0);
    world_finish(world);
    open_asking(world, seed + 1);
    show_newest(&original, world);
    assert_int_equal(apply(world, UPDATE_DECIDE), ERR_UNAVAILABLE);
    assert_standing(world, STANDING_ASKING);
    home_shown(world->home, 0, 0); /* whoever showed it lost it */
    assert_int_equal(apply(world, UPDATE_DECIDE), ERR_NONE);
    end();
}

int main(void)
{
    seed = seed_from_environment(20261124);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_asks_before_it_decides),
        cmocka_unit_test(test_the_operators_word),
        cmocka_unit_test(test_superseded_for_good),
        cmocka_unit_test(test_superseded_by_another_id),
        cmocka_unit_test(test_superseded_ever_later),
        cmocka_unit_test(test_promoted_though_behind),
        cmocka_unit_test(test_shown_more_while_it_decides),
        cmocka_unit_test(test_shown_more_and_given_up),
        cmocka_unit_test(test_shown_more_between_decision_and_commit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
