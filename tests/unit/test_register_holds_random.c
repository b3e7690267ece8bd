/* tier: check */
/*
 * test_register_holds_random.c - teams, agencies, time and restarts at random against a plain model of holds.
 * Shows: V2, V7, V12's register part (many in one transaction for one bed), C1 and C5: what the model says of each call
 * is what the register answers, beds free included, and no bed is ever promised twice.
 */
#include "tests/unit/holds_world.h"

#define HOMES 5
#define TEAMS 3
#define BATCH 6
#define MADE  4096

static uint64_t seed;

static const char *const teams[TEAMS] = {LEEDS, YORK, "spiffe://example.org/region/E12000003/team/E06000010/night"};

struct promise {
    struct hold_token token;
    int home, team;
    uint32_t beds;
    unsigned state;
    bool extended;
    int64_t until_boot_ms;
};

struct model {
    struct world *world;
    uint64_t vacancies[HOMES];
    uint32_t beds[HOMES];
    struct promise made[MADE];
    int count;
};

/* One call, and what the model says of it. */
struct turn {
    struct update *update;
    enum update_kind kind;
    struct promise *about;
    int home, team;
    int64_t for_ms;
    bool done;
    uint32_t free;
};

static bool live(const struct promise *promise)
{
    return promise->state == HOLD_ACTIVE || promise->state == HOLD_ACCEPTED;
}

static void run_out(struct model *model)
{
    for (int i = 0; i < model->count; i++)
        if (live(&model->made[i]) && model->made[i].until_boot_ms <= model->world->boot_ms)
            model->made[i].state = HOLD_EXPIRED;
}

static uint32_t taken(const struct model *model, int home)
{
    uint32_t beds = 0;
    for (int i = 0; i < model->count; i++)
        if (model->made[i].home == home && (live(&model->made[i]) || model->made[i].state == HOLD_PLACED))
            beds += model->made[i].beds;
    return beds;
}

static bool holds_it(const struct model *model, int home, int team)
{
    for (int i = 0; i < model->count; i++)
        if (model->made[i].home == home && model->made[i].team == team && live(&model->made[i]))
            return true;
    return false;
}

/* --- the model's word -------------------------------------------------------------------------------------------- */

static void foresee_hold(struct model *model, struct turn *turn, uint32_t beds)
{
    uint32_t free = model->beds[turn->home] - taken(model, turn->home);
    turn->done = !holds_it(model, turn->home, turn->team) && beds <= free;
    if (!turn->done)
        return;
    assert_true(model->count < MADE);
    turn->about = &model->made[model->count++];
    *turn->about = (struct promise){.home = turn->home,
                                    .team = turn->team,
                                    .beds = beds,
                                    .state = HOLD_ACTIVE,
                                    .until_boot_ms = model->world->boot_ms + turn->for_ms};
}

static void foresee(struct turn *turn)
{
    static const unsigned events[] = {[UPDATE_EXTEND_HOLD - UPDATE_HOLD] = HOLD_EXTEND,
                                      [UPDATE_RELEASE_HOLD - UPDATE_HOLD] = HOLD_RELEASE,
                                      [UPDATE_PLACE - UPDATE_HOLD] = HOLD_PLACE,
                                      [UPDATE_ACCEPT_HOLD - UPDATE_HOLD] = HOLD_ACCEPT,
                                      [UPDATE_DECLINE_HOLD - UPDATE_HOLD] = HOLD_DECLINE};
    struct promise *about = turn->about;
    const struct transition *row = states_find(&hold_states, about->state, events[turn->kind - UPDATE_HOLD]);
    bool ends = turn->kind == UPDATE_RELEASE_HOLD || turn->kind == UPDATE_DECLINE_HOLD;
    bool said = turn->update->as.hold.decline_reason == DECLINE_PLACEMENT_DID_NOT_BEGIN;
    turn->done = row != NULL && (!ends || said == (about->state == HOLD_PLACED)) &&
                 (turn->kind != UPDATE_EXTEND_HOLD || !about->extended) &&
                 (turn->kind == UPDATE_ACCEPT_HOLD || turn->kind == UPDATE_DECLINE_HOLD || turn->team == about->team);
    if (!turn->done)
        return;
    about->state = row->to;
    if (turn->kind == UPDATE_EXTEND_HOLD) {
        about->extended = true;
        about->until_boot_ms += turn->for_ms;
    }
}

/* --- one turn ---------------------------------------------------------------------------------------------------- */

static void make_hold(struct model *model, struct turn *turn)
{
    struct world *world = model->world;
    uint32_t beds = 1 + random_up_to(&world->random, 1);
    turn->home = (int)random_up_to(&world->random, HOMES - 1);
    turn->update = ask_beds(world, teams[turn->team], model->vacancies[turn->home], beds);
    turn->update->as.hold.duration_ms = turn->for_ms;
    foresee_hold(model, turn, beds);
}

static void make_turn(struct model *model, struct turn *turn, int known)
{
    struct world *world = model->world;
    uint32_t what = random_up_to(&world->random, 9);
    *turn = (struct turn){.kind = UPDATE_HOLD, .team = (int)random_up_to(&world->random, TEAMS - 1)};
    turn->for_ms = HOLD_LEAST_MS + (int64_t)random_up_to(&world->random, 2 * 3600) * 1000;
    if (what < 5 || known == 0) {
        make_hold(model, turn);
    } else {
        static const enum update_kind kinds[] = {UPDATE_EXTEND_HOLD, UPDATE_RELEASE_HOLD, UPDATE_PLACE,
                                                 UPDATE_ACCEPT_HOLD, UPDATE_DECLINE_HOLD};
        turn->kind = kinds[random_up_to(&world->random, 4)];
        if (turn->kind == UPDATE_PLACE && random_up_to(&world->random, 3) > 0)
            turn->kind = UPDATE_RELEASE_HOLD;
        int back = (int)random_up_to(&world->random, known < 12 ? (uint32_t)known - 1 : 11);
        turn->about = &model->made[known - 1 - back]; /* one of the last dozen */
        turn->home = turn->about->home;
        if (random_up_to(&world->random, 5) > 0)
            turn->team = turn->about->team;
        turn->update = turn->kind == UPDATE_ACCEPT_HOLD || turn->kind == UPDATE_DECLINE_HOLD
                           ? answer(world, turn->kind, AGENCY, turn->about->token)
                           : about(world, turn->kind, teams[turn->team], turn->about->token);
        if ((turn->kind == UPDATE_RELEASE_HOLD || turn->kind == UPDATE_DECLINE_HOLD) &&
            random_up_to(&world->random, turn->about->state == HOLD_PLACED ? 1 : 7) == 0)
            turn->update->as.hold.decline_reason = DECLINE_PLACEMENT_DID_NOT_BEGIN;
        turn->update->as.hold.duration_ms = turn->kind == UPDATE_EXTEND_HOLD ? turn->for_ms : 0;
        turn->update->as.hold.child_count = turn->about->beds;
        for (uint32_t i = 0; i < turn->about->beds; i++)
            turn->update->as.hold.children[i] = (struct household_child){AGE_6_8, SEX_M};
        foresee(turn);
    }
    turn->free = model->beds[turn->home] - taken(model, turn->home);
}

static void compare(struct turn *turn)
{
    const struct update_result *result = &turn->update->result;
    if (turn->done != (result->problem.code == ERR_NONE))
        fail_msg("kind %d of a hold that is %u: %s %s", (int)turn->kind, turn->about ? turn->about->state : 0,
                 err_name(result->problem.code), result->problem.text);
    if (turn->done && turn->kind == UPDATE_HOLD)
        turn->about->token = result->hold.token;
    if (turn->done)
        assert_int_equal(result->beds_free, turn->free);
    if (!turn->done)
        assert_true(result->problem.code == ERR_PRECONDITION || result->problem.code == ERR_FORBIDDEN);
    update_destroy(turn->update);
}

static void take_turns(struct model *model)
{
    struct turn turns[BATCH];
    struct update *updates[BATCH];
    int known = model->count;
    size_t count = 1 + random_up_to(&model->world->random, BATCH - 1);
    run_out(model);
    for (size_t i = 0; i < count; i++) {
        make_turn(model, &turns[i], known);
        updates[i] = turns[i].update;
    }
    home_apply(model->world->home, updates, count);
    for (size_t i = 0; i < count; i++)
        compare(&turns[i]);
}

/* What is stored is what the model has, and no more beds are promised than there are. */
static void look(struct model *model)
{
    run_out(model);
    for (int i = 0; i < HOMES; i++) {
        char reference[16];
        snprintf(reference, sizeof reference, "H-%d", i);
        struct home_carer home = get(model->world, reference);
        assert_true(beds_held(&home) + beds_placed(&home) <= model->beds[i]);
        assert_int_equal(beds_held(&home) + beds_placed(&home), taken(model, i));
    }
    for (int i = 0; i < model->count; i++)
        assert_int_equal(get_hold(model->world, model->made[i].token).state, model->made[i].state);
}

static void something_happens(struct model *model)
{
    struct world *world = model->world;
    uint32_t what = random_up_to(&world->random, 19);
    world_pass(world, (int64_t)random_up_to(&world->random, 900) * 1000);
    if (what == 0) {
        world_close(world);
        world_open(world);
    }
    if (what == 1) /* a step of the wall clock, but not so far that the vacancies' confirmations run out */
        world->wall_ms += ((int64_t)random_up_to(&world->random, 120) - 60) * 60000;
    if (what > 10) {
        while (home_lapse(world->home, 100, NULL) > 0)
            ;
        look(model);
    }
}

static void play(bool disk, int rounds)
{
    static struct world world;
    static struct model model;
    world_init(&world, seed, disk);
    world_open(&world);
    put_agencies(&world);
    memset(&model, 0, sizeof model);
    model.world = &world;
    for (int i = 0; i < HOMES; i++) {
        char reference[16];
        snprintf(reference, sizeof reference, "H-%d", i);
        model.beds[i] = 1 + random_up_to(&world.random, 2);
        model.vacancies[i] = offer_beds(&world, AGENCY, reference, model.beds[i]);
    }
    for (int i = 0; i < rounds; i++) {
        take_turns(&model);
        something_happens(&model);
    }
    assert_register_true(&world);
    world_finish(&world);
}

static void test_no_bed_is_promised_twice(void **state)
{
    (void)state;
    for (int i = 0; i < scaled(20); i++, seed++)
        play(false, 150);
    play(true, 100);
}

/* V12: all at once, in one transaction, for one bed: one has it. */
static void test_many_for_one_bed(void **state)
{
    (void)state;
    static struct world world;
    world_init(&world, seed, false);
    world_open(&world);
    put_agencies(&world);
    uint64_t vacancy = offer_beds(&world, AGENCY, "H-1", 1);
    for (int round = 0; round < scaled(100); round++) {
        struct update *updates[100];
        struct hold_token token = {0};
        char team[100];
        int got = 0;
        for (int i = 0; i < 100; i++) {
            snprintf(team, sizeof team, "spiffe://example.org/region/E12000003/team/E06000014/t%d", i);
            updates[i] = ask_beds(&world, team, vacancy, 1);
        }
        home_apply(world.home, updates, 100);
        for (int i = 0; i < 100; i++) {
            if (updates[i]->result.problem.code == ERR_NONE) {
                strcpy(team, updates[i]->principal);
                token = updates[i]->result.hold.token;
                got++;
            } else {
                assert_int_equal(updates[i]->result.problem.code, ERR_PRECONDITION);
            }
            update_destroy(updates[i]);
        }
        assert_int_equal(got, 1);
        (void)did(world_apply(&world, about(&world, UPDATE_RELEASE_HOLD, team, token)));
    }
    assert_register_true(&world);
    world_finish(&world);
}

int main(void)
{
    seed = seed_from_environment(20261122);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_no_bed_is_promised_twice),
        cmocka_unit_test(test_many_for_one_bed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
