/* tier: check */
/*
 * What removed the others, and the smallest relaxations: what each says is checked by asking again with that rule's
 * part of the request left out, or its override given, in random registers (MATCH_SEED).
 */
#include "tests/unit/match_random.h"

#define WORLDS    60
#define QUESTIONS 40

/* The request with one rule relaxed. False: no request says just that. */
static bool relax(struct criteria *criteria, enum rule rule)
{
    static const enum override overrides[RULE_END] = {[RULE_H2] = OVERRIDE_UNCONFIRMED,
                                                      [RULE_H5] = OVERRIDE_EXEMPTION,
                                                      [RULE_H7] = OVERRIDE_SHARED_BEDROOM,
                                                      [RULE_H11] = OVERRIDE_RISK};
    criteria->overrides |= overrides[rule] ? 1u << overrides[rule] : 0;
    if (rule == RULE_H6)
        criteria->grouping = GROUPING_SPLIT;
    if (rule == RULE_H8)
        criteria->home_features = 0;
    if (rule == RULE_H9)
        criteria->alongside = ALONGSIDE_UNSTATED;
    if (rule == RULE_H10)
        criteria->avoided_count = 0;
    if (rule == RULE_H12)
        criteria->no_pets = criteria->pets_must = 0;
    if (rule == RULE_DISTANCE)
        criteria->within_metres = 0;
    return rule != RULE_H3 && rule != RULE_H4 && rule != RULE_H13;
}

static const struct relaxation *relaxation_of(const struct answer *answer, enum rule first, enum rule second)
{
    for (uint32_t i = 0; i < answer->relaxation_count; i++)
        if (answer->relaxations[i].rules[0] == first && answer->relaxations[i].rules[1] == second)
            return &answer->relaxations[i];
    return NULL;
}

/* Whatever was found, in either list, is found again: relaxing never loses options. */
static void assert_none_lost(const struct answer *before, const struct answer *after)
{
    for (uint32_t i = 0; i < before->option_count; i++)
        assert_true(random_among(after->options, after->option_count, before->options[i].offer.vacancy_id));
    for (uint32_t i = 0; i < before->phone_first_count; i++)
        assert_true(
            random_among(after->phone_first, after->phone_first_count, before->phone_first[i].offer.vacancy_id));
}

static uint32_t least_new(const struct answer *before, const struct option *options, uint32_t count, uint32_t least)
{
    for (uint32_t i = 0; i < count; i++)
        if (!random_among(before->options, before->option_count, options[i].offer.vacancy_id) &&
            options[i].distance_metres < least)
            least = options[i].distance_metres;
    return least;
}

/* How many more there are, and how far the nearest of them is. H2 brings some to phone first. */
static uint32_t more_of(const struct answer *before, const struct answer *after, bool phoning, uint32_t *nearest_metres)
{
    *nearest_metres = least_new(before, after->options, after->option_count, UINT32_MAX);
    if (phoning)
        *nearest_metres = least_new(before, after->phone_first, after->phone_first_count, *nearest_metres);
    return after->option_count - before->option_count + (phoning ? after->phone_first_count : 0);
}

static bool about_children(enum rule rule)
{
    return rule == RULE_H5 || rule == RULE_H7 || rule == RULE_H9;
}

/* A home that may take part of the group, and takes nobody, has the failures of the child who fails fewest: relaxing a
 * rule that another child fails can bring it as well. Then there may be more than is said, but never fewer. */
static bool exact(const struct criteria *criteria, enum rule a, enum rule b)
{
    bool apart = criteria->grouping == GROUPING_SPLIT || (a != b && (a == RULE_H6 || b == RULE_H6));
    return !apart || criteria->child_count == 1 || (!about_children(a) && !about_children(b));
}

static void check_relaxation(struct random_world *world, const struct criteria *criteria, const struct answer *answer,
                             enum rule a, enum rule b)
{
    struct criteria relaxed = *criteria;
    struct answer after;
    uint32_t nearest_metres;
    bool said = relax(&relaxed, a);
    said = (a == b || relax(&relaxed, b)) && said;
    if (!said || (code_in(criteria->overrides, OVERRIDE_UNCONFIRMED) && (a == RULE_H2 || b == RULE_H2)))
        return;
    random_ask(world, &relaxed, &after);
    assert_none_lost(answer, &after);
    const struct relaxation *relaxation = relaxation_of(answer, a, a == b ? RULE_NONE : b);
    uint32_t more = more_of(answer, &after, a == RULE_H2 || b == RULE_H2, &nearest_metres);
    if (relaxation != NULL)
        assert_in_range(relaxation->count, 1, more);
    if (!exact(criteria, a, b) || answer->relaxation_count == RELAXATIONS_MAX)
        return;
    if (more > 0 && relaxation == NULL && a != b && answer->relaxations[0].rules[1] == RULE_NONE)
        return; /* a single rule helps */
    assert_int_equal(more, relaxation ? relaxation->count : 0);
    if (relaxation != NULL)
        assert_int_equal(nearest_metres, relaxation->nearest_metres);
}

static void check_order(const struct answer *answer)
{
    for (uint32_t i = 1; i < answer->relaxation_count; i++) {
        const struct relaxation *a = &answer->relaxations[i - 1], *b = &answer->relaxations[i];
        assert_true(a->count > b->count || (a->count == b->count && a->nearest_metres <= b->nearest_metres));
        assert_int_equal(a->rules[1] == RULE_NONE, b->rules[1] == RULE_NONE);
    }
}

static void check_question(struct random_world *world, uint32_t *seen)
{
    struct criteria criteria;
    struct answer answer;
    arena_reset(&world->arena);
    random_criteria(&world->random, &criteria);
    random_ask(world, &criteria, &answer);
    assert_true(answer.explained);
    assert_int_equal(answer.considered, world->count);
    check_order(&answer);
    for (uint32_t i = 0; i < answer.relaxation_count; i++)
        seen[answer.relaxations[i].rules[1] == RULE_NONE ? answer.relaxations[i].rules[0] : RULE_NONE]++;
    bool single = answer.relaxation_count == 0 || answer.relaxations[0].rules[1] == RULE_NONE;
    for (int a = RULE_H2; a <= RULE_DISTANCE; a++) {
        arena_reset(&world->arena);
        random_ask(world, &criteria, &answer);
        check_relaxation(world, &criteria, &answer, (enum rule)a, (enum rule)a);
        for (int b = a + 1; !single && b <= RULE_DISTANCE; b++) {
            arena_reset(&world->arena);
            random_ask(world, &criteria, &answer);
            check_relaxation(world, &criteria, &answer, (enum rule)a, (enum rule)b);
        }
    }
}

static void test_relaxations_are_what_asking_again_would_find(void **state)
{
    static struct random_world world;
    uint64_t seed = random_seed();
    uint32_t seen[RULE_END] = {0};
    (void)state;
    for (uint32_t round = 0; round < WORLDS; round++) {
        random_world_open(&world, seed + round, round % 3 == 0 ? 8 : RANDOM_OFFERS);
        for (uint32_t i = 0; i < QUESTIONS; i++)
            check_question(&world, seen);
        random_world_close(&world);
    }
    for (int rule = 0; rule <= RULE_DISTANCE; rule++) /* RULE_NONE: pairs */
        if (rule != RULE_H1 && rule != RULE_H13 && rule != RULE_H14)
            assert_true(seen[rule] > 0);
    assert_int_equal(seen[RULE_H1], 0);
}

/* Property: adding a vacancy never removes another from the unlimited answer. */
static void test_one_more_vacancy_loses_none(void **state)
{
    static struct random_world world;
    uint64_t seed = random_seed();
    (void)state;
    for (uint32_t round = 0; round < WORLDS; round++) {
        struct criteria criteria;
        struct answer before, after;
        random_world_open(&world, seed + round, 30);
        for (; world.count < RANDOM_OFFERS; world.count++) {
            arena_reset(&world.arena);
            random_criteria(&world.random, &criteria);
            random_ask(&world, &criteria, &before);
            random_offer(&world.random, 1 + world.count, &world.offers[world.count]);
            random_world_put(&world, world.count);
            random_ask(&world, &criteria, &after);
            assert_none_lost(&before, &after);
            assert_int_equal(after.considered, before.considered + 1);
        }
        random_world_close(&world);
    }
}

/* Property: giving an override never loses options. */
static void test_an_override_loses_none(void **state)
{
    static struct random_world world;
    uint64_t seed = random_seed();
    (void)state;
    for (uint32_t round = 0; round < WORLDS; round++) {
        random_world_open(&world, seed + round, RANDOM_OFFERS);
        for (uint32_t i = 0; i < QUESTIONS; i++) {
            struct criteria criteria;
            struct answer before, after;
            arena_reset(&world.arena);
            random_criteria(&world.random, &criteria);
            random_ask(&world, &criteria, &before);
            criteria.overrides |= 1u << random_between(&world.random, 1, OVERRIDE_END - 1);
            random_ask(&world, &criteria, &after);
            assert_none_lost(&before, &after);
        }
        random_world_close(&world);
    }
}

/* --- one case at a time ------------------------------------------------------------------------------------------ */

static void ask_of(const struct offer *offers, uint32_t count, const struct criteria *criteria, struct answer *answer)
{
    static struct random_world world;
    random_world_open(&world, 1, 0);
    for (; world.count < count; world.count++) {
        world.offers[world.count] = offers[world.count];
        random_world_put(&world, world.count);
    }
    random_ask(&world, criteria, answer);
    random_world_close(&world); /* what is asserted of an answer here is in it, not in the arena */
}

static void assert_relaxation(const struct answer *answer, uint32_t at, enum rule first, enum rule second,
                              uint32_t count, uint32_t nearest_metres)
{
    assert_true(at < answer->relaxation_count);
    assert_int_equal(answer->relaxations[at].rules[0], first);
    assert_int_equal(answer->relaxations[at].rules[1], second);
    assert_int_equal(answer->relaxations[at].count, count);
    assert_int_equal(answer->relaxations[at].nearest_metres, nearest_metres);
}

/* The one with most options first, then nearest, then rules; pairs only where nothing single helps. */
static void test_single_rules_come_before_pairs(void **state)
{
    struct offer offers[5];
    struct criteria criteria;
    struct answer answer;
    (void)state;
    for (uint32_t i = 0; i < 5; i++)
        fixture_offer(&offers[i], 10 + i, RANDOM_E_METRES + 1000 * (i + 1), RANDOM_N_METRES);
    fixture_criteria(&criteria, RANDOM_E_METRES, RANDOM_N_METRES);
    criteria.home_features = 1u << 2;
    criteria.risks = 1u << 3;
    for (uint32_t i = 0; i < 5; i++)
        offers[i].cannot_take = 1u << 3;
    ask_of(offers, 5, &criteria, &answer);
    assert_int_equal(answer.relaxation_count, 1);
    assert_relaxation(&answer, 0, RULE_H8, RULE_H11, 5, 1000);
    offers[1].home_features = 1u << 2;
    offers[2].cannot_take = 0;
    offers[4].cannot_take = 0;
    ask_of(offers, 5, &criteria, &answer);
    assert_int_equal(answer.relaxation_count, 2);
    assert_relaxation(&answer, 0, RULE_H8, RULE_NONE, 2, 3000);
    assert_relaxation(&answer, 1, RULE_H11, RULE_NONE, 1, 2000);
    criteria.unexplained = true;
    ask_of(offers, 5, &criteria, &answer);
    assert_false(answer.explained);
    assert_int_equal(answer.relaxation_count + answer.considered, 0);
}

/* A bed, a vacancy and an approval are nobody's to relax; a confirmation is. */
static void test_what_nobody_can_relax(void **state)
{
    struct offer offers[5];
    struct criteria criteria;
    struct answer answer;
    (void)state;
    for (uint32_t i = 0; i < 5; i++)
        fixture_offer(&offers[i], 10 + i, RANDOM_E_METRES + 1000 * (i + 1), RANDOM_N_METRES);
    offers[0].beds_free = 0;
    offers[1].state = VACANCY_NOT_AVAILABLE;
    offers[2].approval_ends_on = FIXTURE_DAY - 1;
    offers[3].from = FIXTURE_DAY + 1;
    snprintf(offers[4].agency, sizeof offers[4].agency, RANDOM_SUSPENDED);
    fixture_criteria(&criteria, RANDOM_E_METRES, RANDOM_N_METRES);
    ask_of(offers, 5, &criteria, &answer);
    assert_int_equal(answer.considered, 5);
    assert_int_equal(answer.relaxation_count, 0);
    offers[3].from = DATE_NONE;
    offers[3].valid_until_ms = FIXTURE_AS_OF;
    ask_of(offers, 5, &criteria, &answer);
    assert_int_equal(answer.relaxation_count, 1);
    assert_relaxation(&answer, 0, RULE_H2, RULE_NONE, 1, 4000);
    criteria.overrides = 1u << OVERRIDE_UNCONFIRMED;
    ask_of(offers, 5, &criteria, &answer);
    assert_int_equal(answer.phone_first_count, 1);
    assert_int_equal(answer.relaxation_count, 0);
    assert_int_equal(answer.removed[RULE_H2].failed, 2);
}

/* H6 relaxed counts homes that would take part of the group: also those with beds for all, but not terms for each. */
static void test_relaxing_together(void **state)
{
    struct offer offers[3];
    struct criteria criteria;
    struct answer answer;
    (void)state;
    for (uint32_t i = 0; i < 3; i++)
        fixture_offer(&offers[i], 10 + i, RANDOM_E_METRES + 1000 * (i + 1), RANDOM_N_METRES);
    fixture_criteria(&criteria, RANDOM_E_METRES, RANDOM_N_METRES);
    criteria.child_count = 2;
    criteria.children[1] = (struct child_sought){168, SEX_M};
    offers[1].beds_free = 1;
    offers[2].age_below_months = 12;
    ask_of(offers, 3, &criteria, &answer);
    assert_int_equal(answer.relaxation_count, 2);
    assert_relaxation(&answer, 0, RULE_H3, RULE_NONE, 2, 1000);
    assert_relaxation(&answer, 1, RULE_H6, RULE_NONE, 2, 1000);
    assert_int_equal(answer.removed[RULE_H6].failed_alone, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_relaxations_are_what_asking_again_would_find),
        cmocka_unit_test(test_one_more_vacancy_loses_none),
        cmocka_unit_test(test_an_override_loses_none),
        cmocka_unit_test(test_single_rules_come_before_pairs),
        cmocka_unit_test(test_what_nobody_can_relax),
        cmocka_unit_test(test_relaxing_together),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
