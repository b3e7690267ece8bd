/*
 * match_random.h - a random register in match and random questions to it, small enough that an answer of 100 options is
 * all there are: for the tests of properties. Its seed is printed; MATCH_SEED asks for one again.
 */
#ifndef VACANCY_TESTS_MATCH_RANDOM_H
#define VACANCY_TESTS_MATCH_RANDOM_H

#include "tests/unit/match_fixture.h"
#include "tests/unit/random_records.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <time.h>

#include <cmocka.h>

#define RANDOM_E_METRES  428000u
#define RANDOM_N_METRES  436000u
#define RANDOM_OFFERS    90 /* at most OPTIONS_MAX */
#define RANDOM_SUSPENDED "york"

struct random_world {
    struct seeded_random random;
    struct match *match;
    struct arena arena;
    uint64_t sequence;
    uint32_t count;
    struct offer offers[RANDOM_OFFERS]; /* the national reference of offers[i] is i + 1 */
};

static inline uint64_t random_seed(void)
{
    const char *given = getenv("MATCH_SEED");
    uint64_t seed = given ? strtoull(given, NULL, 10) : (uint64_t)time(NULL);
    printf("MATCH_SEED=%" PRIu64 "\n", seed);
    return seed;
}

static inline bool random_percent(struct seeded_random *random, uint32_t percent)
{
    return seeded_random_below(random, 100) < percent;
}

static inline uint32_t random_between(struct seeded_random *random, uint32_t least, uint32_t most)
{
    return least + random_up_to(random, most - least);
}

/* Most rules are met by most offers: so that few are failed at a time. */
static inline void random_offer(struct seeded_random *random, uint64_t vacancy_id, struct offer *offer)
{
    uint32_t spread = random_percent(random, 30) ? 3000 : 60000;
    fixture_offer(offer, vacancy_id, RANDOM_E_METRES + random_up_to(random, spread),
                  RANDOM_N_METRES + random_up_to(random, spread));
    offer->beds_free = random_percent(random, 10) ? 0 : random_between(random, 1, 4);
    offer->beds_held = random_percent(random, 15) ? random_between(random, 1, 2) : 0;
    offer->beds = offer->beds_free + offer->beds_held + 1;
    offer->max_children = random_between(random, offer->beds_free > 1 ? offer->beds_free - 1 : 1, 5);
    offer->max_children_if_siblings = offer->max_children + random_up_to(random, 1);
    offer->bedrooms = random_between(random, 0, 5);
    offer->room_sharing = (uint8_t)random_up_to(random, ROOM_SHARING_END - 1);
    offer->age_from_months = 12 * random_up_to(random, 6);
    offer->age_below_months = 216 - 12 * random_up_to(random, 6);
    offer->sibling_group_only = random_percent(random, 5);
    if (random_percent(random, 15))
        offer->sex = (uint8_t)random_between(random, SEX_M, SEX_F);
    if (random_percent(random, 10))
        offer->care_types = 1u << CARE_LONG_TERM;
    if (random_percent(random, 8))
        offer->state = VACANCY_LAPSED;
    if (random_percent(random, 4))
        offer->state = VACANCY_NOT_AVAILABLE;
    if (random_percent(random, 8))
        offer->valid_until_ms = FIXTURE_AS_OF - 1;
    if (random_percent(random, 4))
        offer->approval_ends_on = FIXTURE_DAY;
    if (random_percent(random, 4))
        snprintf(offer->agency, sizeof offer->agency, RANDOM_SUSPENDED);
    offer->home_features = random_mask(random, HOME_FEATURE_END) | random_mask(random, HOME_FEATURE_END);
    offer->pets = random_mask(random, PET_END) & random_mask(random, PET_END);
    offer->cannot_take = random_mask(random, RISK_END) & random_mask(random, RISK_END);
    offer->child_count = random_percent(random, 50) ? 0 : random_between(random, 1, 3);
    for (uint32_t i = 0; i < offer->child_count; i++)
        offer->children[i] = (struct child_at_home){.age_band = (uint8_t)random_between(random, AGE_0_2, AGE_15_17),
                                                    .sex = (uint8_t)random_between(random, SEX_M, SEX_F),
                                                    .sibling_group = (uint8_t)random_up_to(random, 1),
                                                    .placed = random_percent(random, 60)};
}

static inline void random_world_put(struct random_world *world, uint32_t at)
{
    struct fixture_batch batch;
    fixture_begin(&batch);
    fixture_put(&batch, at + 1, &world->offers[at]);
    fixture_commit(&batch, world->match, ++world->sequence);
}

static inline void random_world_open(struct random_world *world, uint64_t seed, uint32_t count)
{
    struct fixture_batch batch;
    seeded_random_init(&world->random, seed);
    world->match = match_create(NULL, FIXTURE_REGION);
    world->sequence = world->count = 0;
    arena_init(&world->arena, (size_t)16 << 20);
    fixture_begin(&batch);
    fixture_agency(&batch, "leeds", true);
    fixture_agency(&batch, RANDOM_SUSPENDED, false);
    fixture_commit(&batch, world->match, ++world->sequence);
    for (; world->count < count; world->count++) {
        random_offer(&world->random, 1000 + seeded_random_below(&world->random, 100000) * 100 + world->count,
                     &world->offers[world->count]);
        random_world_put(world, world->count);
    }
}

static inline void random_world_close(struct random_world *world)
{
    match_destroy(world->match);
    arena_finish(&world->arena);
}

/* Whom to place; the rest is the fixture's. */
static inline void random_children(struct seeded_random *random, uint32_t most, struct criteria *criteria)
{
    fixture_criteria(criteria, RANDOM_E_METRES + random_up_to(random, 20000),
                     RANDOM_N_METRES + random_up_to(random, 20000));
    criteria->child_count = random_between(random, 1, most);
    for (uint32_t i = 0; i < criteria->child_count; i++)
        criteria->children[i] =
            (struct child_sought){12 * random_up_to(random, 17), (uint8_t)(1 + random_up_to(random, 1))};
    criteria->limit = OPTIONS_MAX;
}

static inline void random_criteria(struct seeded_random *random, struct criteria *criteria)
{
    random_children(random, random_percent(random, 50) ? 1 : 4, criteria);
    if (random_percent(random, 20))
        criteria->grouping = GROUPING_SPLIT;
    if (random_percent(random, 30))
        criteria->within_metres = random_between(random, 2000, 60000);
    if (random_percent(random, 30))
        criteria->home_features = 1u << random_between(random, 1, HOME_FEATURE_END - 1);
    if (random_percent(random, 30))
        criteria->risks = 1u << random_between(random, 1, RISK_END - 1);
    if (random_percent(random, 30))
        criteria->no_pets = 1u << random_between(random, 1, PET_END - 1);
    if (random_percent(random, 10))
        criteria->pets_must = true;
    if (random_percent(random, 40))
        criteria->alongside = (enum alongside)random_up_to(random, ALONGSIDE_END - 1);
    if (random_percent(random, 20)) {
        criteria->avoided_count = 1;
        criteria->avoided[0] = (struct avoided){RANDOM_E_METRES + random_up_to(random, 60000),
                                                RANDOM_N_METRES + random_up_to(random, 60000),
                                                random_up_to(random, 30000), random_up_to(random, 10000), ""};
    }
    if (random_percent(random, 20))
        criteria->overrides = (uint32_t)seeded_random_next(random) & ((1u << OVERRIDE_END) - 2);
    if (random_percent(random, 50) && !criteria_order(criteria, random_percent(random, 70) ? "default" : "nearest"))
        abort();
}

/* Asks with a random budget, so that it is now and then put off. */
static inline void random_ask(struct random_world *world, const struct criteria *criteria, struct answer *answer)
{
    struct match_search *resume = NULL;
    uint32_t budget = random_percent(&world->random, 50) ? UINT32_MAX : random_up_to(&world->random, 100);
    do
        assert_int_equal(match_find(world->match, criteria, budget, &world->arena, answer, &resume), ERR_NONE);
    while (resume != NULL);
}

static inline bool random_among(const struct option *options, uint32_t count, uint64_t vacancy_id)
{
    for (uint32_t i = 0; i < count; i++)
        if (options[i].offer.vacancy_id == vacancy_id)
            return true;
    return false;
}

#endif
