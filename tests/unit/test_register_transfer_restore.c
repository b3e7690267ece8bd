/* tier: check */
/*
 * test_register_transfer_restore.c - a hub is restored from a backup that does not know of a carer's move yet, and its
 * peers' log tells it: gone to another region, to another agency of this one, or come from afar and gone on. No owner
 * comes back, by no code.
 */
#include "tests/unit/restore_world.h"

static struct transfer_code released(struct world *world, const char *agency, const char *reference)
{
    struct update *update = world_update(world, UPDATE_RELEASE_CARER, agency, reference);
    struct transfer_code code;
    char text[TRANSFER_CODE_BYTES];
    home_apply(world->home, &update, 1);
    assert_int_equal(update->result.problem.code, ERR_NONE);
    home_transfer_code(world->home, update, text);
    assert_true(transfer_code_parse(text, &code));
    update_destroy(update);
    return code;
}

static struct update *with_code(struct world *world, enum update_kind kind, const char *agency, const char *reference,
                                const struct transfer_code *code)
{
    struct update *update = world_update(world, kind, agency, reference);
    update->as.transfer.national_reference = code->national_reference;
    transfer_code_hash(code, update->as.transfer.hash);
    if (kind == UPDATE_LET_GO) {
        strcpy(update->as.transfer.to_agency, "north-fostering");
        strcpy(update->as.transfer.to_region, "E12000001");
    }
    return update;
}

static enum err let_go(struct world *world, const struct transfer_code *code)
{
    return world_apply(world, with_code(world, UPDATE_LET_GO, NULL, NULL, code)).problem.code;
}

/* A carer with a vacancy, released, as the backup has it. */
static struct transfer_code begin_released(void)
{
    begin(10, 0);
    world_finish(&restored);
    original.wall_ms += 1000;
    assert_int_equal(world_apply(&original, world_put_carer(&original, AGENCY, "T-1")).problem.code, ERR_NONE);
    assert_int_equal(world_apply(&original, world_put_vacancy(&original, AGENCY, "T-1")).problem.code, ERR_NONE);
    return released(&original, AGENCY, "T-1");
}

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
    replay_all(&original, &restored);
    assert_int_equal(apply(&restored, UPDATE_DECIDE), ERR_NONE);
    assert_standing(&restored, STANDING_DECIDING);
    reopen(&restored);
    assert_int_equal(apply(&restored, UPDATE_DECIDE), ERR_NONE);
    assert_register_true(&restored);
    assert_verifies(&restored);
}

static struct home_carer carer_of(struct world *world, const char *agency, const char *reference)
{
    struct home_carer out;
    assert_int_equal(home_get_carer(world->home, agency, reference, &out), ERR_NONE);
    return out;
}

static enum err push(struct world *world, const char *agency, const char *reference)
{
    world->wall_ms += 1000;
    return world_apply(world, world_put_carer(world, agency, reference)).problem.code;
}

static void test_gone_to_another_region(void **state)
{
    (void)state;
    struct transfer_code code = begin_released();
    back_up();
    assert_int_equal(let_go(&original, &code), ERR_NONE);
    restore();
    struct home_carer home = carer_of(&restored, AGENCY, "T-1"), known = carer_of(&original, AGENCY, "T-1");
    assert_int_equal(home.carer.status, CARER_MOVED);
    assert_false(home.lost);
    assert_true(home.vacancy.vacancy_id == 0);
    assert_string_equal(home.moved_to_region, "E12000001");
    assert_string_equal(home.carer.home_postcode, known.carer.home_postcode);
    assert_int_equal(home.moves, known.moves);
    assert_int_equal(push(&restored, AGENCY, "T-1"), ERR_PRECONDITION);
    /* A taker who has not heard yet goes on; nobody else of the other region does after that, or of this one. */
    assert_int_equal(let_go(&restored, &code), ERR_NONE);
    assert_int_equal(world_apply(&restored, with_code(&restored, UPDATE_TAKE_OVER, OTHER, "X-1", &code)).problem.code,
                     ERR_FORBIDDEN);
    end();
}

/* What the agency said between backup and move is not known: nothing older is handed over in its place. */
static void test_gone_with_more_than_is_known(void **state)
{
    (void)state;
    struct transfer_code code = begin_released();
    back_up();
    assert_int_equal(push(&original, AGENCY, "T-1"), ERR_NONE);
    assert_int_equal(let_go(&original, &code), ERR_NONE);
    restore();
    struct home_carer home = carer_of(&restored, AGENCY, "T-1");
    assert_true(home.lost && home.carer.status == CARER_MOVED);
    assert_string_equal(home.carer.home_postcode, "");
    assert_int_equal(let_go(&restored, &code), ERR_FORBIDDEN);
    assert_int_equal(push(&restored, AGENCY, "T-1"), ERR_PRECONDITION); /* and is not its own again by that */
    end();
}

static void test_gone_to_another_agency(void **state)
{
    (void)state;
    struct transfer_code code = begin_released();
    back_up();
    assert_int_equal(world_apply(&original, with_code(&original, UPDATE_TAKE_OVER, OTHER, "X-1", &code)).problem.code,
                     ERR_NONE);
    restore();
    struct home_carer none;
    assert_int_equal(home_get_carer(restored.home, AGENCY, "T-1", &none), ERR_NOT_FOUND);
    assert_int_equal(world_apply(&restored, with_code(&restored, UPDATE_TAKE_OVER, OTHER, "X-2", &code)).problem.code,
                     ERR_FORBIDDEN);
    assert_int_equal(push(&restored, OTHER, "X-1"), ERR_NONE);
    assert_true(carer_of(&restored, OTHER, "X-1").national_reference == code.national_reference);
    assert_int_equal(push(&restored, AGENCY, "T-1"), ERR_PRECONDITION); /* nor is it a second household there */
    end();
}

/* The how manieth move of the carer it is: to OTHER of this region, from one of the north. */
static struct update_result take_from_afar(struct world *world, uint32_t moves)
{
    struct update *push = world_put_carer(world, OTHER, "X-1"), *take = update_create(0);
    *take = *push;
    take->kind = UPDATE_TAKE_OVER;
    take->as.transfer.carer = push->as.carer;
    update_destroy(push);
    take->as.transfer.national_reference = 0x7A3E;
    memset(take->as.transfer.hash, (int)moves, DIGEST_BYTES);
    strcpy(take->as.transfer.from_agency, "north-fostering");
    strcpy(take->as.transfer.from_region, "E12000001");
    take->as.transfer.moves = moves;
    take->as.transfer.let_go_ms = world->wall_ms - 1;
    return world_apply(world, take);
}

/* The north may answer its code again, for as long as it has not seen the carer here. */
static void test_come_from_afar(void **state)
{
    (void)state;
    begin(10, 0);
    world_finish(&restored);
    back_up();
    assert_int_equal(take_from_afar(&original, 1).outcome, OUTCOME_CREATED);
    restore();
    assert_true(carer_of(&restored, OTHER, "X-1").lost);
    /* The same once more tells all that was lost. */
    assert_int_equal(take_from_afar(&restored, 1).problem.code, ERR_NONE);
    struct home_carer home = carer_of(&restored, OTHER, "X-1");
    assert_true(!home.lost && home.moves == 1 && home.carer.status == CARER_APPROVED);
    assert_int_equal(take_from_afar(&restored, 1).outcome, OUTCOME_CONFIRMED);
    assert_register_true(&restored);
    end();
}

/* It has another owner by now: by a code of before nobody takes it here. */
static void test_come_from_afar_and_gone_on(void **state)
{
    (void)state;
    begin(10, 0);
    world_finish(&restored);
    back_up();
    assert_int_equal(take_from_afar(&original, 1).outcome, OUTCOME_CREATED);
    struct transfer_code code = released(&original, OTHER, "X-1");
    assert_int_equal(let_go(&original, &code), ERR_NONE);
    restore();
    struct home_carer home = carer_of(&restored, OTHER, "X-1");
    assert_true(home.lost && home.carer.status == CARER_MOVED && home.moves == 2);
    assert_int_equal(take_from_afar(&restored, 1).problem.code, ERR_FORBIDDEN);
    assert_int_equal(take_from_afar(&restored, 2).problem.code, ERR_FORBIDDEN);
    assert_int_equal(carer_of(&restored, OTHER, "X-1").carer.status, CARER_MOVED);
    /* Come back since, it is taken. */
    assert_int_equal(take_from_afar(&restored, 3).problem.code, ERR_NONE);
    home = carer_of(&restored, OTHER, "X-1");
    assert_true(!home.lost && home.moves == 3 && home.carer.status == CARER_APPROVED);
    assert_register_true(&restored);
    end();
}

int main(void)
{
    const char *given = getenv("CHECK_SEED");
    seed = given ? strtoull(given, NULL, 0) : 20261122;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gone_to_another_region),     cmocka_unit_test(test_gone_with_more_than_is_known),
        cmocka_unit_test(test_gone_to_another_agency),     cmocka_unit_test(test_come_from_afar),
        cmocka_unit_test(test_come_from_afar_and_gone_on),
    };
    return cmocka_run_group_tests_name("register_transfer_restore", tests, NULL, NULL);
}
