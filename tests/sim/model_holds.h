/*
 * model_holds.h - what teams were promised: the model's part about holds, placements and reports.
 *
 * Owns: every hold that was ever acknowledged, with what became of it and when it has to run out. Written from
 * placement_service.proto, docs/states.md and design.md section 9 (Time), not from daemon/register.
 * Not here: vacancies and carers (model.h). Thread: the simulator's one.
 * Invariant: a hold changes only where an update's result says so, or where its time is over: within one boot that is
 * known to the millisecond; over a reboot the register may tell it, and is believed.
 */
#ifndef VACANCY_TESTS_SIM_MODEL_HOLDS_H
#define VACANCY_TESTS_SIM_MODEL_HOLDS_H

#include "daemon/register/home.h"
#include "tests/sim/sim.h"

#define HOLD_TEAMS          3
#define HOLD_TEAM_AUTHORITY "E08000032" /* of no child that agencies push */
#define HOLD_REFERENCE      "380-20441"
#define SIM_HOLDS_EACH      2 /* the policy's: few, so that it is met */
#define MODEL_HOLDS         512

struct model;
struct model_carer;
struct operation;

struct model_hold {
    struct hold_token token;
    uint32_t agency, reference, team; /* indexes */
    uint64_t vacancy_id;
    uint32_t beds;
    uint8_t state; /* HOLD_NONE: ended with its carer, either declined or run out */
    bool extended, forgotten;
    int64_t until_ms;      /* by the wall clock, as told */
    int64_t ends_boot_ms;  /* by the boot clock */
    int64_t booted_at_ms;  /* of which boot; another one since: not known */
    int64_t ended_wall_ms; /* the latest that it may be */
    uint32_t child_count;  /* who live there, and their agency has not said so yet */
    struct placed_child children[CHILDREN_MAX];
};

struct model_holds {
    struct model_hold at[MODEL_HOLDS];
    uint32_t count;
    /* Of a carer: a push may have listed children who were placed; how many shows when it is read. */
    bool unclear[8][8]; /* [agency][reference] */
};

/* Whether this kind is asked by a team, or answers one. */
static inline bool of_team(enum update_kind kind)
{
    return (kind >= UPDATE_HOLD && kind <= UPDATE_PLACE) || kind == UPDATE_REPORT_UNAVAILABLE;
}
static inline bool of_hold(enum update_kind kind)
{
    return of_team(kind) || kind == UPDATE_ACCEPT_HOLD || kind == UPDATE_DECLINE_HOLD;
}

/* Beds of the carer's live vacancy. */
uint32_t model_held(const struct model *model, uint32_t agency, uint32_t reference);
uint32_t model_placed(const struct model *model, uint32_t agency, uint32_t reference);
/* Of those placed, how many its agency lists by now. */
uint32_t model_settled(const struct model *model, uint32_t agency, uint32_t reference);
/* Of its live vacancy: as its agency states it, or with no bed free HELD or PLACED. */
enum vacancy_state model_state(const struct model *model, uint32_t agency, uint32_t reference);
bool model_unclear(const struct model *model, uint32_t agency, uint32_t reference);

/* It may be kept no more, as the clocks went: who asked for it hears that. */
bool model_hold_may_be_forgotten(const struct model *model, const struct hold_token *token);

/* Sets of outcomes and errors, as model.c has them. */
void model_expect_hold(const struct model *model, const struct operation *operation, uint32_t *outcomes,
                       uint32_t *errors);
void model_take_hold(struct model *model, const struct operation *operation, const struct update *update);

/* What a batch, or time, did to those that had run out; before the batch's results are taken. all_ended: of those whose
 * time is over none is left. */
void model_learn_expired(struct model *model, bool all_ended);
/* The carer's agency pushed it, or it was approved no more, or its vacancy was withdrawn: before the model has that. */
void model_holds_pushed(struct model *model, uint32_t agency, uint32_t reference, const struct carer *pushed);
void model_holds_ended(struct model *model, uint32_t agency, uint32_t reference);
void model_holds_withdrawn(struct model *model, uint32_t agency, uint32_t reference);

/* The carer as it was read. */
void model_compare_holds(struct model *model, uint32_t agency, uint32_t reference, const struct home_carer *found);
/* Each hold as it is read by itself: by a new process. */
void model_compare_all_holds(struct model *model);

#endif
