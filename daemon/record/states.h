/*
 * states.h - the published state machines of a hold and of a vacancy, as tables.
 *
 * Owns: which event may follow which state, whose it is, and what comes of it. docs/states.md is printed from these
 * tables (tests/states), and the register asks nothing else whether a transition exists.
 * Not here: how many beds, whose hold, how long (register), what a request must look like (service).
 * Thread: any; no state. Invariant: what has no row is refused. Where one state and event have several rows, `when`
 * tells them apart by what the beds are then, and exactly one applies (vacancy_state_now, carer.h).
 */
#ifndef VACANCY_RECORD_STATES_H
#define VACANCY_RECORD_STATES_H

#include "daemon/base/error.h"
#include "daemon/record/codes.h"

/* Who brings an event about; a row has one or more. */
enum actor { ACTOR_TEAM = 1, ACTOR_AGENCY = 2, ACTOR_HUB = 4 };

enum hold_event {
    HOLD_MAKE = 1,
    HOLD_EXTEND,
    HOLD_ACCEPT,
    HOLD_DECLINE,
    HOLD_RELEASE,
    HOLD_PLACE,
    HOLD_EXPIRE,
    HOLD_EVENT_END
};

/*
 * What moves a vacancy from state to state. HOLD takes free beds; RELEASE, DECLINE and EXPIRE give some back, the first
 * two also placed ones whose placement never began; PLACE makes held ones placed. Which state follows depends on the
 * beds, so these have a row for each outcome.
 */
enum vacancy_event {
    VACANCY_STATE_VACANT_STATED = 1,
    VACANCY_RESERVE,
    VACANCY_NOT_AVAILABLE_STATED,
    VACANCY_CONFIRM,
    VACANCY_HOLD,
    VACANCY_RELEASE,
    VACANCY_DECLINE,
    VACANCY_EXPIRE,
    VACANCY_PLACE,
    VACANCY_REPORT, /* a team telephoned: needs a confirmation */
    VACANCY_LAPSE,
    VACANCY_WITHDRAW,
    VACANCY_CARER_CHANGED, /* its places, its terms */
    VACANCY_CARER_GONE,    /* approval ended, carer erased or moved */
    VACANCY_EVENT_END
};

struct transition {
    uint8_t from;     /* enum hold_state or vacancy_state; 0: before the first */
    uint8_t event;    /* enum hold_event or vacancy_event */
    uint8_t to;       /* 0: no longer live */
    uint8_t actor;    /* set of enum actor */
    const char *when; /* under which condition, for the documentation; "" always */
};

struct state_machine {
    const char *name; /* "hold" */
    const struct transition *rows;
    uint32_t count;
    uint32_t state_end, event_end;
    uint32_t told_end;          /* refusals name no event from here on: those are about its carer */
    const char *const *states;  /* names, by number; [0] "none" */
    const char *const *events;  /* what one does, by number: "accept it" */
    const char *const *methods; /* by event: the method to call, "DeclineHold"; NULL: none (the hub's own) */
};
extern const struct state_machine hold_states, vacancy_states;

/* NULL: there is no such transition. Of several (`when`) the first. */
const struct transition *states_find(const struct state_machine *machine, unsigned from, unsigned event);
/*
 * ERR_PRECONDITION unless there is one: "the hold is EXPIRED, nothing more can be done with it", "the hold is ACCEPTED:
 * the team may extend it (ExtendHold), release it (ReleaseHold) or place the children (PlaceChild), the agency may
 * decline it (DeclineHold)". Told is what changes the state or has a condition; each method once.
 */
enum err states_check(const struct state_machine *machine, unsigned from, unsigned event, const char *field,
                      struct problem *problem);

#endif
