/*
 * holds_world.h - teams and agencies that ask for holds, on top of register_world.h; for the tests of holds. Thread:
 * one.
 */
#ifndef VACANCY_TESTS_HOLDS_WORLD_H
#define VACANCY_TESTS_HOLDS_WORLD_H

#include "tests/unit/register_world.h"

#include "daemon/record/states.h"

#ifndef AGENCY
#define AGENCY "leeds-fostering"
#define OTHER  "good-homes"
#endif
#define LEEDS "spiffe://example.org/region/E12000003/team/E08000035/duty"
#define YORK  "spiffe://example.org/region/E12000003/team/E06000014/duty"
#define HOUR  (3600LL * 1000)

static inline void put_agency(struct world *world, const char *id, const char *authority)
{
    struct update *update = world_put_agency(world, id);
    update->as.agency_row.status = AGENCY_ACTIVE;
    strcpy(update->as.agency_row.authority, authority);
    assert_int_equal(world_apply(world, update).problem.code, ERR_NONE);
}

/* A council's service, and an independent one. */
static inline void put_agencies(struct world *world)
{
    put_agency(world, AGENCY, "E08000035");
    put_agency(world, OTHER, "");
}

/* --- what agencies and teams ask --------------------------------------------------------------------------------- */

/* A home with as many places as beds, all vacant; its vacancy's id. */
static inline uint64_t offer_beds(struct world *world, const char *agency, const char *reference, uint32_t beds)
{
    struct update *push = world_put_carer(world, agency, reference);
    push->as.carer.places = beds;
    push->as.carer.placed_count = 0;
    push->as.carer.terms.care_types = 1u << CARE_SHORT_TERM;
    push->as.carer.approval_ends_on = DATE_NONE;
    assert_int_equal(world_apply(world, push).problem.code, ERR_NONE);
    push = world_put_vacancy(world, agency, reference);
    push->as.vacancy.beds = beds;
    struct update_result result = world_apply(world, push);
    assert_int_equal(result.problem.code, ERR_NONE);
    return result.vacancy_id;
}

static inline struct update *of_team(struct world *world, enum update_kind kind, const char *team)
{
    struct update *update = update_create(kind);
    strcpy(update->principal, team);
    strcpy(update->as.hold.holder, team);
    strcpy(update->as.hold.authority, strcmp(team, LEEDS) == 0 ? "E08000035" : "E06000014");
    update->method = "/vacancy.v1.PlacementService/HoldVacancy";
    update->as.hold.starts_on = DATE_NONE;
    world_request_id(world, update, world->wall_ms);
    return update;
}

static inline struct update *ask_beds(struct world *world, const char *team, uint64_t vacancy_id, uint32_t beds)
{
    struct update *update = of_team(world, UPDATE_HOLD, team);
    update->as.hold.vacancy_id = vacancy_id;
    update->as.hold.beds = beds;
    strcpy(update->as.hold.request_reference, "383-204417");
    return update;
}

static inline struct update *about(struct world *world, enum update_kind kind, const char *team,
                                   struct hold_token token)
{
    struct update *update = of_team(world, kind, team);
    update->as.hold.token = token;
    if (kind != UPDATE_PLACE)
        return update;
    update->as.hold.placement_code = 3;
    update->as.hold.starts_on = date_of_wall_ms(world->wall_ms);
    update->as.hold.provider_consent = update->as.hold.authorities_consent = CONSENT_GIVEN;
    update->as.hold.child_count = 1;
    update->as.hold.children[0] = (struct household_child){AGE_9_11, SEX_F};
    return update;
}

static inline struct update *answer(struct world *world, enum update_kind kind, const char *agency,
                                    struct hold_token token)
{
    struct update *update = world_update(world, kind, agency, NULL);
    update->as.hold.token = token;
    if (kind == UPDATE_DECLINE_HOLD)
        update->as.hold.decline_reason = DECLINE_NOT_SUITABLE;
    return update;
}

static inline struct update *did_not_begin(struct update *update)
{
    update->as.hold.decline_reason = DECLINE_PLACEMENT_DID_NOT_BEGIN;
    return update;
}

static inline struct update_result did(struct update_result result)
{
    if (result.problem.code != ERR_NONE)
        fail_msg("%s %s: %s", err_name(result.problem.code), result.problem.field, result.problem.text);
    return result;
}

static inline void refused(struct update_result result, enum err code, const char *field, const char *says)
{
    assert_int_equal(result.problem.code, code);
    assert_string_equal(result.problem.field, field);
    if (strstr(result.problem.text, says) == NULL)
        fail_msg("\"%s\" is not in: %s", says, result.problem.text);
}

static inline struct hold_token hold_beds(struct world *world, const char *team, uint64_t vacancy_id, uint32_t beds)
{
    return did(world_apply(world, ask_beds(world, team, vacancy_id, beds))).hold.token;
}

static inline struct home_carer get(struct world *world, const char *reference)
{
    struct home_carer home;
    assert_int_equal(home_get_carer(world->home, AGENCY, reference, &home), ERR_NONE);
    return home;
}

static inline struct hold get_hold(struct world *world, struct hold_token token)
{
    struct hold hold;
    assert_int_equal(home_get_hold(world->home, &token, &hold), ERR_NONE);
    return hold;
}

static inline void pass(struct world *world, int64_t ms)
{
    world->wall_ms += ms;
    world->boot_ms += ms;
}

#endif
