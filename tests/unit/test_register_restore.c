/* tier: check */
/*
 * test_register_restore.c - a hub's own entries replayed from its peers after a restore, and carers of which they tell
 * only the shared part (design section 9: Restore). Shows: LOST_IN_RESTORE, no duplicates after a restore, R10 (older
 * than what peers have), R6 and R7 for replays. When such a hub decides: test_register_standing.c.
 */
#include "tests/unit/restore_world.h"

#include "daemon/register/tables.h"

static uint64_t holds_back; /* holds that take beds and were seen to come back */

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
        cmocka_unit_test(test_restored_from_a_backup_of_a_hub_that_stood_back),
        cmocka_unit_test(test_replay_gives_the_same_register),
        cmocka_unit_test(test_what_the_offer_tells_is_not_lost),
        cmocka_unit_test(test_an_unshared_change_is_not_silently_lost),
        cmocka_unit_test(test_a_lost_carer_must_be_pushed_first),
        cmocka_unit_test(test_a_lost_carers_offer_lapses),
        cmocka_unit_test(test_a_lost_carer_withdrawn_and_erased),
        cmocka_unit_test(test_a_replayed_erasure_moves_the_horizon),
        cmocka_unit_test(test_refused_replays),
        cmocka_unit_test(test_behind_while_asking),
        cmocka_unit_test(test_from_nothing),
        cmocka_unit_test(test_replay_over_epochs),
        cmocka_unit_test(test_restored_without_peers),
        cmocka_unit_test(test_replay_of_a_whole_state),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
