/*
 * match_fixture.h - offers and commits for the tests and the bench of match: an ordinary home, changed as a test wants.
 * Header only, so that each test program stays one file.
 */
#ifndef VACANCY_TESTS_MATCH_FIXTURE_H
#define VACANCY_TESTS_MATCH_FIXTURE_H

#include "daemon/match/match.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FIXTURE_DAY    20600 /* 2026-05-27 */
#define FIXTURE_AS_OF  (FIXTURE_DAY * 86400000LL)
#define FIXTURE_BATCH  64
#define FIXTURE_REGION "E12000003"

/* Two beds for children of 5 to 12, nobody else in the home, of the agency "leeds". */
static inline void fixture_offer(struct offer *offer, uint64_t vacancy_id, uint32_t e_metres, uint32_t n_metres)
{
    *offer = (struct offer){
        .vacancy_id = vacancy_id,
        .agency = "leeds",
        .state = VACANCY_VACANT,
        .beds = 2,
        .beds_free = 2,
        .care_types = 1u << CARE_SHORT_TERM | 1u << CARE_LONG_TERM,
        .approved_care_types = 1u << CARE_SHORT_TERM | 1u << CARE_LONG_TERM,
        .from = DATE_NONE,
        .until = DATE_NONE,
        .approved_on = FIXTURE_DAY - 100,
        .approval_ends_on = DATE_NONE,
        .reserved_until = DATE_NONE,
        .age_from_months = 60,
        .age_below_months = 156,
        .approved_age_from_months = 60,
        .approved_age_below_months = 156,
        .valid_until_ms = FIXTURE_AS_OF + 1000,
        .max_children = 2,
        .max_children_if_siblings = 2,
        .bedrooms = 2,
        .cell = {.authority = "E08000035",
                 .square_e_km = e_metres / 1000,
                 .square_n_km = n_metres / 1000,
                 .size_km = 1,
                 .point_e_metres = e_metres,
                 .point_n_metres = n_metres,
                 .area = "Leeds, LS6"},
    };
}

/* One child of 8, short term, three options. */
static inline void fixture_criteria(struct criteria *criteria, uint32_t e_metres, uint32_t n_metres)
{
    *criteria = (struct criteria){
        .near_e_metres = e_metres,
        .near_n_metres = n_metres,
        .child_count = 1,
        .children = {{96, SEX_F}},
        .care_type = CARE_SHORT_TERM,
        .starts_on = FIXTURE_DAY,
        .limit = 3,
        .as_of_ms = FIXTURE_AS_OF,
    };
}

struct fixture_batch {
    struct arena arena;
    struct change changes[FIXTURE_BATCH];
    uint8_t keys[FIXTURE_BATCH][8];
    struct commit commit;
};

/* Of the home region; a test may set another in batch->commit. */
static inline void fixture_begin(struct fixture_batch *batch)
{
    arena_init(&batch->arena, (size_t)4 << 20);
    batch->commit = (struct commit){.region = FIXTURE_REGION, .changes = batch->changes};
}

/* offer NULL: it is deleted. At most FIXTURE_BATCH in one commit. */
static inline void fixture_put(struct fixture_batch *batch, uint64_t reference, const struct offer *offer)
{
    size_t at = batch->commit.count++;
    for (int i = 0; i < 8; i++)
        batch->keys[at][i] = (uint8_t)(reference >> (56 - 8 * i));
    batch->changes[at] =
        (struct change){.table = LOG_TABLE_OFFER, .key = {batch->keys[at], 8}, .deleted = offer == NULL};
    if (offer && offer_encode(offer, &batch->arena, &batch->changes[at].value))
        abort();
}

static inline void fixture_agency(struct fixture_batch *batch, const char *id, bool active)
{
    struct agency agency = {.kind = AGENCY_INDEPENDENT, .phone = "0113 000 0000"};
    size_t at = batch->commit.count++;
    snprintf(agency.name, sizeof agency.name, "An agency of %s", batch->commit.region);
    agency.status = active ? AGENCY_ACTIVE : AGENCY_SUSPENDED;
    batch->changes[at] = (struct change){.table = LOG_TABLE_AGENCY, .key = {(const uint8_t *)id, strlen(id)}};
    if (agency_encode(&agency, &batch->arena, &batch->changes[at].value))
        abort();
}

static inline void fixture_commit_at(struct fixture_batch *batch, struct match *match, uint64_t epoch,
                                     uint64_t sequence)
{
    struct commit_observer observer = match_observer(match);
    batch->commit.epoch = epoch;
    batch->commit.sequence = sequence;
    observer.committed(observer.ctx, &batch->commit);
    arena_finish(&batch->arena);
}

static inline void fixture_commit(struct fixture_batch *batch, struct match *match, uint64_t sequence)
{
    fixture_commit_at(batch, match, 1, sequence);
}

#endif
