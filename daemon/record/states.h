/*
 * states.h - the published state machines of a hold and of a vacancy, as tables.
 *
 * Owns: which event may follow which state, whose it is, and what comes of it. docs/states.md is printed from these
 * tables (tests/states), and the register asks nothing else whether a transition exists.
 * Not here: how many beds, whose hold, how long (register), what a request must look like (service).
 * Thread: any; no state. Invariant: a pair of state and event has at most one row; what has no row is refused.
 */
#ifndef VACANCY_RECORD_STATES_H
#define VACANCY_RECORD_STATES_H

#include "daemon/base/error.h"
#include "daemon/record/codes.h"

/* Who brings an event about. */
enum actor { ACTOR_TEAM = 1, ACTOR_AGENCY, ACTOR_HUB };

enum hold_event { HOLD_EXTEND = 1, HOLD_ACCEPT, HOLD_DECLINE, HOLD_RELEASE, HOLD_PLACE, HOLD_EXPIRE, HOLD_EVENT_END };

/*
 * What moves a vacancy from state to state. HOLD takes free beds, FREE gives some back (a hold that was released,
 * declined or ran out), PLACE makes held ones placed; which state follows depends on the beds, so these have a row for
 * each outcome, told apart by `when`.
 */
enum vacancy_event {
    VACANCY_STATE_VACANT_STATED = 1, /* the agency states VACANT, or confirms what it had stated */
    VACANCY_RESERVE,
    VACANCY_NOT_AVAILABLE_STATED,
    VACANCY_HOLD,
    VACANCY_FREE,
    VACANCY_PLACE,
    VACANCY_REPORT, /* a team telephoned: needs a confirmation */
    VACANCY_LAPSE,
    VACANCY_WITHDRAW,
    VACANCY_EVENT_END
};

struct transition {
    uint8_t from;     /* enum hold_state or vacancy_state; 0: before the first */
    uint8_t event;    /* enum hold_event or vacancy_event */
    uint8_t to;       /* 0: no longer live */
    uint8_t actor;    /* enum actor */
    const char *when; /* under which condition, for the documentation; "" always */
};

struct state_machine {
    const char *name; /* "hold" */
    const struct transition *rows;
    uint32_t count;
    const char *const *states;  /* names, by number; [0] "none" */
    const char *const *events;  /* verbs, by number: "accept" */
    const char *const *methods; /* by event: the method to call, "DeclineHold"; NULL: none (the hub's own) */
};
extern const struct state_machine hold_states, vacancy_states;

/* NULL: there is no such transition. Of several (`when`) the first. */
const struct transition *states_find(const struct state_machine *machine, unsigned from, unsigned event);
/*
 * ERR_PRECONDITION unless there is one: "the hold is EXPIRED, nothing more can be done with it", "the hold is ACCEPTED:
 * the team may extend (ExtendHold), release (ReleaseHold) or place (PlaceChild) it, the agency may decline it
 * (DeclineHold)".
 */
enum err states_check(const struct state_machine *machine, unsigned from, unsigned event, const char *field,
                      struct problem *problem);

#endif
