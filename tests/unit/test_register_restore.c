/* tier: check */
/*
 * test_register_restore.c - whether a hub decides: at start, on the operator's word, after a restore, superseded; its
 * own entries replayed from its peers; carers of which they tell only the shared part (design section 9: Epoch,
 * Restore). Shows: LOST_IN_RESTORE, no duplicates after a restore, R10 (older than what peers have), R6 and R7 for
 * replays.
 */
#include "tests/unit/restore_world.h"

#include "daemon/record/lthash.h"
#include "daemon/register/tables.h"

static uint64_t holds_back; /* holds that take beds and were seen to come back */

/* --- deciding ---------------------------------------------------------------------------------------------------- */

static void assert_no_write(struct world *world, const char *says)
{
    struct update_result refused = world_apply(world, world_put_agency(world, "refused"));
    struct agency agency;
    assert_int_equal(refused.problem.code, ERR_UNAVAILABLE);
    if (strstr(refused.problem.text, says) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", refused.problem.text, says);
    assert_int_equal(home_get_agency(world->home, "refused", &agency), ERR_NOT_FOUND);
}

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

static struct update *promote(struct world *world, bool accept_loss, bool new_epoch)
{
    struct update *update = world_update(world, UPDATE_PROMOTE, NULL, NULL);
    update->as.promote.accept_loss = accept_loss;
    update->as.promote.new_epoch = new_epoch;
    return update;
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

/* --- replay ------------------------------------------------------------------------------------------------------ */

/* What was erased between the backup and the loss is erased here too: the horizon passes it. (The simulator.) */
static void test_a_replayed_erasure_moves_the_horizon(void **state)
{
    (void)state;
    int64_t next_ms = 0;
    begin(20, 0);
    assert_int_equal(world_apply(&original, world_put_carer(&original, AGENCY, "X-1")).problem.code, ERR_NONE);
    struct update_result erased = world_apply(&original, world_update(&original, UPDATE_ERASE_CARER, AGENCY, "X-1"));
    assert_int_equal(erased.problem.code, ERR_NONE);
    replay_all(&original, &restored);
    assert_int_equal(apply(&restored, UPDATE_DECIDE), ERR_NONE);
    for (int i = 0; i < 4; i++) {
        restored.boot_ms += HEARTBEAT_MS;
        restored.wall_ms += HEARTBEAT_MS;
        (void)home_heartbeat(restored.home, &next_ms);
    }
    assert_int_equal(newest(&restored).checkpoint.horizon, erased.sequence);
    end();
}

static size_t lost_of(struct world *world, const char *agency)
{
    static struct home_carer page[4];
    uint8_t after[DIGEST_BYTES];
    size_t count = 0, got;
    do {
        assert_int_equal(home_list_lost(world->home, agency, count ? after : NULL, page, 4, &got), ERR_NONE);
        for (size_t i = 0; i < got; i++) {
            assert_true(page[i].lost);
            assert_string_equal(page[i].carer.agency, agency);
            assert_string_equal(page[i].carer.agency_reference, "");
        }
        if (got > 0)
            memcpy(after, page[got - 1].reference_hash, DIGEST_BYTES);
        count += got;
    } while (got > 0);
    return count;
}

static void assert_same_position(struct world *a, struct world *b)
{
    assert_string_equal(newest(a).text, newest(b).text);
    assert_same_view(a->view, b->view);
}

/* Every hold is what it was, but for what nobody else ever had; and takes as many beds of a home that it took. */
static void assert_holds_came_back(const char *agency)
{
    static struct hold page[256];
    struct hold_token before = {0, 0};
    size_t got;
    do {
        got = 0;
        assert_int_equal(home_list_holds(original.home, NULL, agency, true, &before, page, 256, &got, &before),
                         ERR_NONE);
        for (size_t i = 0; i < got; i++) {
            struct hold back;
            struct home_carer last, known;
            assert_int_equal(home_get_hold(restored.home, &page[i].token, &back), ERR_NONE);
            assert_int_equal(back.state, page[i].state);
            assert_true(back.until_ms == page[i].until_ms && back.ended_at_ms == page[i].ended_at_ms);
            assert_memory_equal(back.holder_hash, page[i].holder_hash, DIGEST_BYTES);
            assert_true(back.holder[0] == '\0' || strcmp(back.holder, page[i].holder) == 0);
            assert_true(home_is_holder(restored.home, &back, page[i].holder));
            assert_false(home_is_holder(restored.home, &back, "spiffe://fostering.example/nobody"));
            const char *reference = page[i].agency_reference;
            assert_int_equal(home_get_carer(original.home, agency, reference, &last), ERR_NONE);
            assert_int_equal(home_get_carer(restored.home, agency, reference, &known), ERR_NONE);
            if (known.vacancy.vacancy_id != last.vacancy.vacancy_id)
                continue;
            assert_int_equal(beds_held(&known), beds_held(&last));
            assert_int_equal(beds_placed(&known), beds_placed(&last));
            holds_back += hold_live(&back) || back.state == HOLD_PLACED;
        }
    } while (got == 256);
}

/* What the restored hub believes to know is what the first one knew last, also of what nobody else ever had. */
static void assert_nothing_silently_older(const char *agency)
{
    static struct home_carer page[CARERS + 1];
    size_t got;
    assert_int_equal(home_list_carers(original.home, agency, "", page, CARERS + 1, &got), ERR_NONE);
    for (size_t i = 0; i < got; i++) {
        const struct home_carer *last = &page[i];
        struct home_carer known;
        assert_int_equal(home_get_carer(restored.home, agency, last->carer.agency_reference, &known), ERR_NONE);
        if (known.lost)
            continue;
        assert_true(carer_same_content(&known.carer, &last->carer));
        assert_int_equal(known.carer.status, last->carer.status);
        assert_string_equal(known.carer.end_reason, last->carer.end_reason);
        assert_true(known.vacancy.vacancy_id == last->vacancy.vacancy_id);
        assert_int_equal(known.vacancy.reason, last->vacancy.reason);
        assert_int_equal(known.vacancy.stated, last->vacancy.stated);
    }
}

/* Every carer that the first register knows is pushed again; the national references stay. */
static void push_everything_again(const char *agency)
{
    static struct home_carer page[CARERS + 1];
    size_t got, lost = lost_of(&restored, agency);
    restored.wall_ms = original.wall_ms > restored.wall_ms ? original.wall_ms : restored.wall_ms;
    assert_int_equal(home_list_carers(original.home, agency, "", page, CARERS + 1, &got), ERR_NONE);
    for (size_t i = 0; i < got; i++) {
        struct home_carer known;
        assert_int_equal(home_get_carer(restored.home, agency, page[i].carer.agency_reference, &known), ERR_NONE);
        assert_true(known.national_reference == page[i].national_reference);
        restored.wall_ms += 10;
        struct update *push = world_update(&restored, UPDATE_PUT_CARER, agency, page[i].carer.agency_reference);
        push->as.carer = page[i].carer;
        struct update_result result = world_apply(&restored, push);
        assert_int_equal(result.problem.code, ERR_NONE);
        assert_true(result.national_reference == page[i].national_reference);
        lost -= known.lost;
        assert_int_equal(result.lost_in_restore, lost);
        if (page[i].vacancy.vacancy_id == 0 || page[i].carer.status == CARER_ENDED)
            continue;
        push = world_update(&restored, UPDATE_PUT_VACANCY, agency, page[i].carer.agency_reference);
        push->as.vacancy = page[i].vacancy;
        result = world_apply(&restored, push);
        assert_true(result.problem.code == ERR_NONE || result.problem.code == ERR_PRECONDITION);
    }
    assert_int_equal(lost_of(&restored, agency), 0);
}

static void test_replay_gives_the_same_register(void **state)
{
    (void)state;
    holds_back = 0;
    for (int round = 0; round < scaled(6); round++) {
        seed++;
        begin(60, 10 + 30 * round);
        assert_standing(&restored, STANDING_RESTORING);
        assert_no_write(&restored, "vacancy hub promote --accept-loss");
        replay_all(&original, &restored);
        assert_same_position(&original, &restored);
        assert_verifies(&restored);
        assert_nothing_silently_older(AGENCY);
        assert_nothing_silently_older(OTHER);
        assert_holds_came_back(AGENCY);
        assert_holds_came_back(OTHER);
        reopen(&restored);
        assert_same_position(&original, &restored);
        assert_int_equal(apply(&restored, UPDATE_DECIDE), ERR_NONE);
        assert_int_equal(newest(&restored).checkpoint.epoch, 2);
        assert_int_equal(newest(&restored).checkpoint.sequence, newest(&original).checkpoint.sequence + 1);
        assert_register_true(&restored);
        push_everything_again(AGENCY);
        push_everything_again(OTHER);
        assert_register_true(&restored);
        assert_verifies(&restored);
        reopen(&restored);
        assert_standing(&restored, STANDING_ASKING);
        end();
    }
    assert_true(holds_back > 0);
}

/* What only confirms, lapses or withdraws is understood, and so is a new vacancy: nobody is lost by that. */
static void test_what_the_offer_tells_is_not_lost(void **state)
{
    (void)state;
    begin(0, 0);
    world_finish(&restored);
    static const char *const references[] = {"H-1", "H-2", "H-3", "H-4", "H-5"};
    for (int i = 0; i < 5; i++)
        assert_int_equal(world_apply(&original, world_put_carer(&original, AGENCY, references[i])).problem.code,
                         ERR_NONE);
    for (int i = 0; i < 4; i++)
        assert_int_equal(world_apply(&original, world_put_vacancy(&original, AGENCY, references[i])).problem.code,
                         ERR_NONE);
    world_init(&restored, seed + 1, false);
    restored.store->ops->close(restored.store);
    restored.store = store_memory_clone(original.store);
    restored.has_peers = restored.restored = true;
    world_open(&restored);
    restored.restored = false;

    original.wall_ms += 3600000;
    assert_int_equal(world_apply(&original, world_update(&original, UPDATE_WITHDRAW, AGENCY, "H-1")).problem.code,
                     ERR_NONE);
    struct update *confirm = world_update(&original, UPDATE_CONFIRM, AGENCY, NULL);
    confirm->as.confirm.all = true;
    assert_int_equal(world_apply(&original, confirm).confirmed, 3);
    struct update *stated = world_put_vacancy(&original, AGENCY, "H-3");
    stated->observed_at_ms = original.wall_ms += 1000;
    stated->as.vacancy.stated = stated->as.vacancy.state = VACANCY_RESERVED;
    stated->as.vacancy.reserved_until = 20500;
    assert_int_equal(world_apply(&original, stated).problem.code, ERR_NONE);
    stated = world_put_vacancy(&original, AGENCY, "H-5");
    struct update_result fifth = world_apply(&original, stated);
    assert_int_equal(fifth.problem.code, ERR_NONE);
    original.wall_ms += VACANCY_TTL_DEFAULT_MS - 500;
    assert_int_equal(home_lapse(original.home, 10, NULL), 4); /* their agency is told that they go stale */
    original.wall_ms += LAPSE_MS;
    assert_int_equal(home_lapse(original.home, 10, NULL),
                     4); /* H-2, H-4: confirmed before the others, which are stale */
    restored.wall_ms = original.wall_ms;
    replay_all(&original, &restored);
    assert_same_position(&original, &restored);
    assert_int_equal(lost_of(&restored, AGENCY), 0);
    struct home_carer a, b;
    for (int i = 0; i < 5; i++) {
        assert_int_equal(home_get_carer(original.home, AGENCY, references[i], &a), ERR_NONE);
        assert_int_equal(home_get_carer(restored.home, AGENCY, references[i], &b), ERR_NONE);
        assert_true(a.vacancy.vacancy_id == b.vacancy.vacancy_id);
        assert_int_equal(a.vacancy.state, b.vacancy.state);
        assert_int_equal(a.vacancy.stated, b.vacancy.stated);
        assert_int_equal(a.vacancy.valid_until_ms, b.vacancy.valid_until_ms);
        assert_int_equal(a.carer.observed_at_ms, b.carer.observed_at_ms);
    }
    assert_int_equal(apply(&restored, UPDATE_DECIDE), ERR_NONE);
    assert_register_true(&restored);
    end();
}

/* What only this hub knows changes after the backup, and nothing of what is shared: the push is not taken back
 * silently.
 */
static void test_an_unshared_change_is_not_silently_lost(void **state)
{
    (void)state;
    begin(0, 0);
    world_finish(&restored);
    struct home_carer first, second;
    assert_int_equal(world_apply(&original, world_put_carer(&original, AGENCY, "H-1")).problem.code, ERR_NONE);
    assert_int_equal(world_apply(&original, world_put_carer(&original, AGENCY, "H-2")).problem.code, ERR_NONE);
    assert_int_equal(home_get_carer(original.home, AGENCY, "H-1", &first), ERR_NONE);
    assert_true(first.revision == 0);
    world_init(&restored, seed + 1, false);
    restored.store->ops->close(restored.store);
    restored.store = store_memory_clone(original.store);
    restored.has_peers = restored.restored = true;
    world_open(&restored);
    restored.restored = false;

    uint64_t epoch, before, after;
    home_position(original.home, &epoch, &before);
    original.wall_ms += 1000;
    struct update *push = put_unshared(&original, AGENCY, "H-1");
    struct carer pushed = push->as.carer;
    int64_t at_ms = push->observed_at_ms;
    assert_int_equal(world_apply(&original, push).outcome, OUTCOME_UPDATED);
    home_position(original.home, &epoch, &after);
    assert_int_equal(after, before + 1); /* its row, though it says the same but for the number */
    for (int later_ms = 0; later_ms < 2000; later_ms += 1000) {
        original.wall_ms = at_ms + later_ms; /* the same push again, and what only confirms */
        struct update *again = world_update(&original, UPDATE_PUT_CARER, AGENCY, "H-1");
        again->as.carer = pushed;
        assert_int_equal(world_apply(&original, again).outcome, OUTCOME_CONFIRMED);
        home_position(original.home, &epoch, &after);
        assert_int_equal(after, before + 1);
    }
    assert_verifies(&original);
    restored.wall_ms = original.wall_ms;
    replay_all(&original, &restored);
    assert_same_position(&original, &restored);
    assert_int_equal(lost_of(&restored, AGENCY), 1);
    assert_int_equal(home_get_carer(restored.home, AGENCY, "H-1", &second), ERR_NONE);
    assert_true(second.lost && second.national_reference == first.national_reference);
    assert_int_equal(home_get_carer(restored.home, AGENCY, "H-2", &second), ERR_NONE);
    assert_false(second.lost);
    assert_int_equal(apply(&restored, UPDATE_DECIDE), ERR_NONE);
    push_everything_again(AGENCY);
    assert_int_equal(home_get_carer(restored.home, AGENCY, "H-1", &second), ERR_NONE);
    assert_true(!second.lost && carer_same_content(&second.carer, &pushed));
    assert_true(second.national_reference == first.national_reference);
    assert_register_true(&restored);
    end();
}

/* --- a lost carer ------------------------------------------------------------------------------------------------ */

/* One carer with an offer that the backup did not have. */
static struct update_result begin_with_a_lost_one(void)
{
    begin(0, 0);
    assert_int_equal(world_apply(&original, world_put_carer(&original, AGENCY, "H-1")).problem.code, ERR_NONE);
    struct update_result vacancy = world_apply(&original, world_put_vacancy(&original, AGENCY, "H-1"));
    assert_int_equal(vacancy.problem.code, ERR_NONE);
    replay_all(&original, &restored);
    assert_int_equal(apply(&restored, UPDATE_DECIDE), ERR_NONE);
    assert_int_equal(lost_of(&restored, AGENCY), 1);
    assert_same_view(original.view, restored.view); /* its offer is offered as it was */
    return vacancy;
}

static bool is_offered(struct world *world)
{
    for (size_t i = 0; i < world->view->count; i++)
        if (world->view->items[i].table == LOG_TABLE_OFFER)
            return true;
    return false;
}

static void test_a_lost_carer_must_be_pushed_first(void **state)
{
    (void)state;
    struct update_result vacancy = begin_with_a_lost_one();
    restored.wall_ms += 1000;
    struct update_result refused = world_apply(&restored, world_put_vacancy(&restored, AGENCY, "H-1"));
    assert_int_equal(refused.problem.code, ERR_PRECONDITION);
    assert_string_equal(refused.problem.field, "vacancy.agency_reference");
    assert_non_null(strstr(refused.problem.text, "LOST_IN_RESTORE"));
    assert_int_equal(refused.lost_in_restore, 1);
    struct update *update = world_update(&restored, UPDATE_END_CARER, AGENCY, "H-1");
    update->as.end.ends_on = 21000;
    strcpy(update->as.end.reason, "AW0");
    assert_int_equal(world_apply(&restored, update).problem.code, ERR_PRECONDITION);
    update = world_update(&restored, UPDATE_CONFIRM, AGENCY, NULL);
    update->as.confirm.count = 1;
    update->as.confirm.references = calloc(1, AGENCY_REFERENCE_BYTES);
    strcpy(update->as.confirm.references[0], "H-1");
    home_apply(restored.home, &update, 1);
    assert_int_equal(update->result.confirmed, 0);
    assert_int_equal(update->result.not_found_count, 1);
    update_destroy(update);
    /* Another agency's same reference is nothing of it (A7). */
    assert_int_equal(world_apply(&restored, world_put_vacancy(&restored, OTHER, "H-1")).problem.code, ERR_FORBIDDEN);
    assert_true(is_offered(&restored));
    struct update *push = world_put_carer(&restored, AGENCY, "H-1");
    struct home_carer known;
    assert_int_equal(home_get_carer(original.home, AGENCY, "H-1", &known), ERR_NONE);
    push->as.carer = known.carer;
    struct update_result pushed = world_apply(&restored, push);
    assert_int_equal(pushed.problem.code, ERR_NONE);
    assert_int_equal(pushed.outcome, OUTCOME_UPDATED);
    assert_int_equal(pushed.lost_in_restore, 0);
    assert_true(pushed.national_reference == known.national_reference);
    assert_true(pushed.vacancy_id == vacancy.vacancy_id); /* the vacancy goes on */
    push = world_update(&restored, UPDATE_PUT_VACANCY, AGENCY, "H-1");
    push->as.vacancy = known.vacancy;
    push->observed_at_ms = known.vacancy.observed_at_ms; /* the same file again is no older than what is known */
    pushed = world_apply(&restored, push);
    assert_int_equal(pushed.problem.code, ERR_NONE);
    assert_true(pushed.vacancy_id == vacancy.vacancy_id);
    assert_register_true(&restored);
    end();
}

static void test_a_lost_carers_offer_lapses(void **state)
{
    (void)state;
    struct update_result vacancy = begin_with_a_lost_one();
    int64_t next_ms;
    reopen(&restored);
    assert_int_equal(apply(&restored, UPDATE_DECIDE), ERR_NONE);
    assert_int_equal(home_lapse(restored.home, 10, &next_ms), 0);
    assert_int_equal(next_ms, vacancy.valid_until_ms + LAPSE_MS);
    restored.wall_ms = next_ms;
    assert_int_equal(home_lapse(restored.home, 10, &next_ms), 1);
    assert_true(next_ms == INT64_MAX);
    assert_false(is_offered(&restored));
    assert_int_equal(lost_of(&restored, AGENCY), 1);
    assert_register_true(&restored);
    end();
}

static void test_a_lost_carer_withdrawn_and_erased(void **state)
{
    (void)state;
    (void)begin_with_a_lost_one();
    restored.wall_ms += 1000;
    assert_int_equal(world_apply(&restored, world_update(&restored, UPDATE_WITHDRAW, AGENCY, "H-1")).problem.code,
                     ERR_NONE);
    assert_false(is_offered(&restored));
    assert_register_true(&restored);
    struct update_result erased = world_apply(&restored, world_update(&restored, UPDATE_ERASE_CARER, AGENCY, "H-1"));
    assert_int_equal(erased.problem.code, ERR_NONE);
    assert_int_equal(erased.lost_in_restore, 0);
    struct home_carer none;
    assert_int_equal(home_get_carer(restored.home, AGENCY, "H-1", &none), ERR_NOT_FOUND);
    assert_register_true(&restored);
    end();
}

/* --- replays that are refused ------------------------------------------------------------------------------------ */

static void assert_refused(struct update *replay, enum err code, const char *says)
{
    struct signed_checkpoint before = newest(&restored);
    struct update_result result = world_apply(&restored, replay);
    if (result.problem.code != code || strstr(result.problem.text, says) == NULL)
        fail_msg("%s: \"%s\", not %s: \"%s\"", err_name(result.problem.code), result.problem.text, err_name(code),
                 says);
    assert_string_equal(newest(&restored).text, before.text);
    assert_verifies(&restored);
}

static void sign_again(struct update *replay, struct signer *signer)
{
    struct checkpoint copy = replay->as.replay.checkpoint.checkpoint;
    checkpoint_sign(&copy, signer, &replay->as.replay.checkpoint);
}

static void flip(struct octets *octets, size_t at)
{
    ((uint8_t *)octets->data)[at] ^= 1;
}

static void test_refused_replays(void **state)
{
    (void)state;
    uint8_t other_seed[32] = {9};
    struct signer *other = signer_from_seed(other_seed);
    begin(30, 30);
    struct update *replay = next_replay(&original, &restored);
    sign_again(replay, other);
    assert_refused(replay, ERR_INVALID, "key signed");
    replay = next_replay(&original, &restored);
    replay->as.replay.checkpoint.checkpoint.state[0] ^= 1;
    sign_again(replay, restored.signer);
    assert_refused(replay, ERR_INVALID, "do not add up");
    replay = next_replay(&original, &restored);
    flip(&replay->as.replay.rows[0].payload, replay->as.replay.rows[0].payload.size - 1);
    assert_refused(replay, ERR_INVALID, "not what its header says");
    replay = next_replay(&original, &restored);
    flip(&replay->as.replay.rows[0].header, 40);
    assert_refused(replay, ERR_STORE_DAMAGED, "predecessor");
    replay = next_replay(&original, &restored);
    replay->as.replay.rows[0].salt = replay->as.replay.rows[0].payload = (struct octets){0};
    assert_refused(replay, ERR_INVALID, "without its payload");
    replay = next_replay(&original, &restored);
    replay->as.replay.checkpoint.checkpoint.head[3] ^= 1;
    sign_again(replay, restored.signer);
    assert_refused(replay, ERR_INVALID, "do not end where");
    replay = next_replay(&original, &restored);
    replay->as.replay.rows++;
    replay->as.replay.count--;
    assert_refused(replay, ERR_PRECONDITION, "do not follow");
    /* In a batch with others it is refused alone. */
    struct update *batch[3] = {world_put_agency(&restored, "x"), next_replay(&original, &restored),
                               world_put_agency(&restored, "y")};
    flip(&batch[1]->as.replay.rows[0].payload, 1);
    home_apply(restored.home, batch, 3);
    assert_int_equal(batch[0]->result.problem.code, ERR_UNAVAILABLE);
    assert_int_equal(batch[1]->result.problem.code, ERR_INVALID);
    assert_int_equal(batch[2]->result.problem.code, ERR_UNAVAILABLE);
    for (int i = 0; i < 3; i++)
        update_destroy(batch[i]);
    /* Who decides has the log; nothing is replayed into it. */
    replay = next_replay(&original, &restored);
    assert_int_equal(world_apply(&restored, promote(&restored, false, false)).problem.code, ERR_PRECONDITION);
    assert_int_equal(world_apply(&restored, promote(&restored, true, false)).problem.code, ERR_NONE);
    assert_int_equal(newest(&restored).checkpoint.epoch, 2);
    (void)home_lapse(restored.home, 1000, NULL); /* holds that have run out end now, whatever else is asked */
    assert_refused(replay, ERR_PRECONDITION, "decides");
    assert_register_true(&restored);
    signer_destroy(other);
    end();
}

/* A hub that was not told that it was restored finds out when a peer has more of its epoch (R10). */
static void test_behind_while_asking(void **state)
{
    (void)state;
    begin(20, 0);
    world_finish(&restored);
    world_init(&restored, seed + 1, false);
    restored.store->ops->close(restored.store);
    restored.store = store_memory_clone(original.store);
    restored.has_peers = true;
    random_updates(&original, 20);
    restored.wall_ms = original.wall_ms;
    world_open(&restored);
    assert_standing(&restored, STANDING_ASKING);
    assert_int_equal(world_apply(&restored, next_replay(&original, &restored)).problem.code, ERR_NONE);
    assert_standing(&restored, STANDING_RESTORING);
    reopen(&restored);
    assert_standing(&restored, STANDING_RESTORING);
    replay_all(&original, &restored);
    assert_same_position(&original, &restored);
    end();
}

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

/* With nothing left but the keys: all of the log comes back, every carer is lost and found again by its reference. */
static void test_from_nothing(void **state)
{
    (void)state;
    begin(80, 0);
    world_finish(&restored);
    open_asking(&restored, seed + 1);
    restored.wall_ms = original.wall_ms;
    replay_all(&original, &restored);
    assert_same_position(&original, &restored);
    struct home_counts counts;
    assert_int_equal(home_counts(restored.home, &counts), ERR_NONE);
    assert_int_equal(lost_of(&restored, AGENCY) + lost_of(&restored, OTHER), counts.carers);
    assert_int_equal(apply(&restored, UPDATE_DECIDE), ERR_NONE);
    push_everything_again(AGENCY);
    push_everything_again(OTHER);
    assert_register_true(&restored);
    end();
}

/* A backup of before the last restore: the entries of the later epoch are its own. */
static void test_replay_over_epochs(void **state)
{
    (void)state;
    begin(20, 10);
    assert_int_equal(world_apply(&original, promote(&original, false, true)).problem.code, ERR_NONE);
    random_updates(&original, 10);
    replay_all(&original, &restored);
    assert_same_position(&original, &restored);
    assert_int_equal(apply(&restored, UPDATE_DECIDE), ERR_NONE);
    assert_int_equal(newest(&restored).checkpoint.epoch, 3);
    assert_register_true(&restored);
    end();
}

/* Nobody to ask: decides when its writer starts, in a new epoch all the same. */
static void test_restored_without_peers(void **state)
{
    (void)state;
    begin(10, 0);
    world_close(&restored);
    restored.has_peers = false;
    world_open(&restored);
    assert_standing(&restored, STANDING_RESTORING);
    assert_true(home_heartbeat(restored.home, NULL) || true);
    assert_standing(&restored, STANDING_DECIDING);
    assert_int_equal(newest(&restored).checkpoint.epoch, 2);
    assert_register_true(&restored);
    end();
}

/* --- where payloads are gone: a whole state ----------------------------------------------------------------------- */

/* A record that is missing, altered, too much or twice is found. */
static void assert_wrong_states_are_refused(void)
{
    struct update *wrong = whole_replay(&original, &restored, 0);
    wrong->as.replay.record_count--;
    assert_refused(wrong, ERR_INVALID, "do not add up");
    wrong = whole_replay(&original, &restored, 0);
    struct shared_record *first = &wrong->as.replay.records[0], *last = first + wrong->as.replay.record_count - 1;
    flip(&first->value, first->value.size - 1);
    assert_refused(wrong, ERR_INVALID, "");
    wrong = whole_replay(&original, &restored, 0);
    last = &wrong->as.replay.records[wrong->as.replay.record_count++ - 1];
    last[1] = *last;
    assert_refused(wrong, ERR_INVALID, "out of order");
    wrong = whole_replay(&original, &restored, 0);
    first = wrong->as.replay.records;
    memmove(first + 1, first, wrong->as.replay.record_count++ * sizeof *first);
    static const uint8_t before_all[1] = {1};
    first[0] = (struct shared_record){first[1].table, {before_all, 1}, first[1].value};
    assert_refused(wrong, ERR_INVALID, "");
    wrong = whole_replay(&original, &restored, 0);
    wrong->as.replay.whole = false;
    assert_refused(wrong, ERR_INVALID, "without its payload");
}

static void test_replay_of_a_whole_state(void **state)
{
    (void)state;
    for (int round = 0; round < scaled(4); round++) {
        seed++;
        begin(50, 40);
        restored.wall_ms = original.wall_ms;
        assert_wrong_states_are_refused();
        struct update *replay = whole_replay(&original, &restored, 3);
        struct update_result result = world_apply(&restored, replay);
        if (result.problem.code != ERR_NONE)
            fail_msg("whole replay: %s", result.problem.text);
        replay_all(&original, &restored); /* what came since */
        struct signed_checkpoint a = newest(&original), b = newest(&restored);
        assert_string_equal(a.text, b.text);
        assert_same_view(original.view, restored.view);
        assert_verifies(&restored);
        assert_nothing_silently_older(AGENCY);
        assert_nothing_silently_older(OTHER);
        assert_holds_came_back(AGENCY);
        assert_holds_came_back(OTHER);
        reopen(&restored);
        assert_int_equal(apply(&restored, UPDATE_DECIDE), ERR_NONE);
        assert_true(newest(&restored).checkpoint.horizon > 0); /* whoever is behind what has no payload here is told */
        assert_register_true(&restored);
        push_everything_again(AGENCY);
        push_everything_again(OTHER);
        assert_register_true(&restored);
        end();
    }
}

/* A backup of a hub that stood back, as BEHIND or SUPERSEDED, is restored like any other: what others then have in the
 * epoch that came after is the rest of its own log. Kept as it was, the restored hub would have taken that epoch for
 * somebody else's, and the operator's only way on would have lost it for the whole nation. */
static void stand_back(enum update_kind kind)
{
    struct update *update = world_update(&original, kind, NULL, NULL);
    struct checkpoint said = newest(&original).checkpoint;
    said.sequence += 3;
    said.epoch += kind == UPDATE_SUPERSEDED;
    checkpoint_sign(&said, original.signer, kind == UPDATE_SUPERSEDED ? &update->as.superseded : &update->as.ahead);
    assert_int_equal(world_apply(&original, update).problem.code, ERR_NONE);
    assert_standing(&original, kind == UPDATE_SUPERSEDED ? STANDING_SUPERSEDED : STANDING_BEHIND);
}

static void test_restored_from_a_backup_of_a_hub_that_stood_back(void **state)
{
    (void)state;
    static const enum update_kind kinds[] = {UPDATE_BEHIND, UPDATE_SUPERSEDED};
    for (size_t i = 0; i < 2; i++) {
        open_asking(&original, seed);
        assert_int_equal(apply(&original, UPDATE_DECIDE), ERR_NONE);
        assert_int_equal(world_apply(&original, world_put_agency(&original, AGENCY)).problem.code, ERR_NONE);
        stand_back(kinds[i]);
        world_init(&restored, seed + 1, false);
        restored.store->ops->close(restored.store);
        restored.store = store_memory_clone(original.store);
        assert_int_equal(world_apply(&original, promote(&original, true, true)).problem.code, ERR_NONE);
        random_updates(&original, 20);
        restored.wall_ms = original.wall_ms;
        restored.has_peers = restored.restored = true;
        world_open(&restored);
        assert_standing(&restored, STANDING_RESTORING);
        replay_all(&original, &restored);
        assert_int_equal(apply(&restored, UPDATE_DECIDE), ERR_NONE);
        assert_true(newest(&restored).checkpoint.epoch > newest(&original).checkpoint.epoch);
        assert_register_true(&restored);
        end();
    }
}

int main(void)
{
    seed = seed_from_environment(20261124);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_asks_before_it_decides),
        cmocka_unit_test(test_restored_from_a_backup_of_a_hub_that_stood_back),
        cmocka_unit_test(test_the_operators_word),
        cmocka_unit_test(test_superseded_for_good),
        cmocka_unit_test(test_superseded_by_another_id),
        cmocka_unit_test(test_superseded_ever_later),
        cmocka_unit_test(test_promoted_though_behind),
        cmocka_unit_test(test_replay_gives_the_same_register),
        cmocka_unit_test(test_what_the_offer_tells_is_not_lost),
        cmocka_unit_test(test_an_unshared_change_is_not_silently_lost),
        cmocka_unit_test(test_a_lost_carer_must_be_pushed_first),
        cmocka_unit_test(test_a_lost_carers_offer_lapses),
        cmocka_unit_test(test_a_lost_carer_withdrawn_and_erased),
        cmocka_unit_test(test_a_replayed_erasure_moves_the_horizon),
        cmocka_unit_test(test_refused_replays),
        cmocka_unit_test(test_behind_while_asking),
        cmocka_unit_test(test_shown_more_while_it_decides),
        cmocka_unit_test(test_shown_more_and_given_up),
        cmocka_unit_test(test_shown_more_between_decision_and_commit),
        cmocka_unit_test(test_from_nothing),
        cmocka_unit_test(test_replay_over_epochs),
        cmocka_unit_test(test_restored_without_peers),
        cmocka_unit_test(test_replay_of_a_whole_state),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
