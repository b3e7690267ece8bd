/*
 * match_world.h - a register of one region with a gazetteer, an ordinary home and an ordinary question, for the tests
 * of the order of options and of the SHOULDs. Header only, so that each test program stays one file.
 */
#ifndef VACANCY_TESTS_MATCH_WORLD_H
#define VACANCY_TESTS_MATCH_WORLD_H

#include "daemon/gazetteer/grid.h"
#include "daemon/match/match_index.h"
#include "daemon/match/match_order.h"
#include "daemon/match/match_reasons.h"
#include "tests/unit/match_fixture.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define E_METRES 428000
#define N_METRES 436000
#define LEEDS    "E08000035"
#define BRADFORD "E08000032"
#define CORNWALL "E06000052"
#define HOUR     (3600 * 1000LL)
#define BIT(n)   (1u << (n))

static struct gazetteer *gazetteer;

struct world {
    struct match *match;
    struct arena arena;
    struct answer answer;
    uint64_t sequence;
};

/* With a tier and a rating, which the fixture's agencies don't have. */
static inline void put_agency(struct world *world, const char *id, uint8_t rating, uint8_t tier)
{
    struct agency agency = {.kind = AGENCY_INDEPENDENT, .status = AGENCY_ACTIVE, .rating = rating};
    struct fixture_batch batch;
    snprintf(agency.name, sizeof agency.name, "%s", id);
    if (tier > 0) {
        strcpy(agency.frameworks[0].framework, "another");
        agency.frameworks[0].tier = 1;
        strcpy(agency.frameworks[1].framework, "north");
        agency.frameworks[1].tier = tier;
        agency.framework_count = 2;
    }
    fixture_begin(&batch);
    batch.changes[0] = (struct change){.table = LOG_TABLE_AGENCY, .key = {(const uint8_t *)id, strlen(id)}};
    assert_int_equal(agency_encode(&agency, &batch.arena, &batch.changes[0].value), ERR_NONE);
    batch.commit.count = 1;
    fixture_commit(&batch, world->match, ++world->sequence);
}

static inline int world_open(void **state)
{
    struct world *world = calloc(1, sizeof *world);
    world->match = match_create(gazetteer, FIXTURE_REGION);
    arena_init(&world->arena, (size_t)4 << 20);
    put_agency(world, "leeds", 0, 0);
    *state = world;
    return 0;
}

static inline int world_close(void **state)
{
    struct world *world = *state;
    match_destroy(world->match);
    arena_finish(&world->arena);
    free(world);
    return 0;
}

static inline void put(struct world *world, uint64_t reference, const struct offer *offer)
{
    struct fixture_batch batch;
    fixture_begin(&batch);
    fixture_put(&batch, reference, offer);
    fixture_commit(&batch, world->match, ++world->sequence);
}

/* An ordinary home for the ordinary question: every SHOULD is met, and none but those always reported is asked. */
static inline void begin(struct criteria *criteria, struct offer *offer)
{
    fixture_criteria(criteria, E_METRES, N_METRES);
    strcpy(criteria->authority, LEEDS);
    fixture_offer(offer, 7, E_METRES, N_METRES);
    offer->confirmed_at_ms = FIXTURE_AS_OF - HOUR;
}

static inline const struct reason *reason_of(const struct option *option, enum rule rule)
{
    for (uint32_t i = 0; i < option->reason_count; i++)
        if (option->reasons[i].rule == rule)
            return &option->reasons[i];
    return NULL;
}

static inline void live_there(struct offer *offer, uint32_t count, enum age_band band)
{
    offer->child_count = count;
    for (uint32_t i = 0; i < count; i++)
        offer->children[i] = (struct child_at_home){.age_band = (uint8_t)band, .sex = SEX_M};
}

/* Runs the tests with the gazetteer. */
#define WORLD_RUN(tests)                                                                                               \
    struct problem problem;                                                                                            \
    if (gazetteer_load(NULL, &gazetteer, &problem) != ERR_NONE)                                                        \
        return 1;                                                                                                      \
    int failed = cmocka_run_group_tests(tests, NULL, NULL);                                                            \
    gazetteer_destroy(gazetteer);                                                                                      \
    return failed

#endif
