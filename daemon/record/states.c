/*
 * states.c - the tables of states.h, and what a refusal says.
 * Owns: the two state machines. Any thread; no state. Invariant: see states.h.
 */
#include "daemon/record/states.h"

#include <assert.h>
#include <stdbool.h>
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof *(array))
#define EVENTS_MAX   16
static_assert((int)HOLD_EVENT_END <= EVENTS_MAX && (int)VACANCY_EVENT_END <= EVENTS_MAX, "as many as are listed");

/* --- a hold ------------------------------------------------------------------------------------------------------ */

/* A placement that never began is taken back while the agency has listed none of its children and its vacancy lives. */
#define NOT_BEGUN "PLACEMENT_DID_NOT_BEGIN: none of its children is listed by the agency, its vacancy lives"

static const struct transition hold_rows[] = {
    {HOLD_NONE, HOLD_MAKE, HOLD_ACTIVE, ACTOR_TEAM, "as many beds are free"},

    {HOLD_ACTIVE, HOLD_EXTEND, HOLD_ACTIVE, ACTOR_TEAM, "once"},
    {HOLD_ACTIVE, HOLD_ACCEPT, HOLD_ACCEPTED, ACTOR_AGENCY, ""},
    {HOLD_ACTIVE, HOLD_DECLINE, HOLD_DECLINED, ACTOR_AGENCY | ACTOR_HUB, "by the hub: the approval ended"},
    {HOLD_ACTIVE, HOLD_RELEASE, HOLD_RELEASED, ACTOR_TEAM, ""},
    {HOLD_ACTIVE, HOLD_PLACE, HOLD_PLACED, ACTOR_TEAM, ""},
    {HOLD_ACTIVE, HOLD_EXPIRE, HOLD_EXPIRED, ACTOR_HUB, "its time has run out on the home hub's lease clock"},

    {HOLD_ACCEPTED, HOLD_EXTEND, HOLD_ACCEPTED, ACTOR_TEAM, "once"},
    {HOLD_ACCEPTED, HOLD_DECLINE, HOLD_DECLINED, ACTOR_AGENCY | ACTOR_HUB, "by the hub: the approval ended"},
    {HOLD_ACCEPTED, HOLD_RELEASE, HOLD_RELEASED, ACTOR_TEAM, ""},
    {HOLD_ACCEPTED, HOLD_PLACE, HOLD_PLACED, ACTOR_TEAM, ""},
    {HOLD_ACCEPTED, HOLD_EXPIRE, HOLD_EXPIRED, ACTOR_HUB, "its time has run out on the home hub's lease clock"},

    {HOLD_PLACED, HOLD_DECLINE, HOLD_DECLINED, ACTOR_AGENCY, NOT_BEGUN},
    {HOLD_PLACED, HOLD_RELEASE, HOLD_RELEASED, ACTOR_TEAM, NOT_BEGUN},
};

static const char *const hold_state_names[HOLD_STATE_END] = {
    [HOLD_NONE] = "none",         [HOLD_ACTIVE] = "ACTIVE",   [HOLD_ACCEPTED] = "ACCEPTED",
    [HOLD_RELEASED] = "RELEASED", [HOLD_EXPIRED] = "EXPIRED", [HOLD_DECLINED] = "DECLINED",
    [HOLD_PLACED] = "PLACED",
};

static const char *const hold_events[HOLD_EVENT_END] = {
    [0] = "",
    [HOLD_MAKE] = "hold beds",
    [HOLD_EXTEND] = "extend it",
    [HOLD_ACCEPT] = "accept it",
    [HOLD_DECLINE] = "decline it",
    [HOLD_RELEASE] = "release it",
    [HOLD_PLACE] = "place the children",
    [HOLD_EXPIRE] = "let it run out",
};

static const char *const hold_methods[HOLD_EVENT_END] = {
    [HOLD_MAKE] = "HoldVacancy",    [HOLD_EXTEND] = "ExtendHold",   [HOLD_ACCEPT] = "AcceptHold",
    [HOLD_DECLINE] = "DeclineHold", [HOLD_RELEASE] = "ReleaseHold", [HOLD_PLACE] = "PlaceChild",
};

const struct state_machine hold_states = {
    .name = "hold",
    .told_end = HOLD_EVENT_END,
    .rows = hold_rows,
    .count = COUNT(hold_rows),
    .state_end = HOLD_STATE_END,
    .event_end = HOLD_EVENT_END,
    .states = hold_state_names,
    .events = hold_events,
    .methods = hold_methods,
};

/* --- a vacancy --------------------------------------------------------------------------------------------------- */

/* What the beds are then. */
#define FREE    "a bed is free"
#define HELD    "no bed is free, one is held"
#define PLACED  "no bed is free, none is held"
#define NO_HOLD "no bed is held"
#define NOT_ALL "a bed is free or held"
#define LONGER  "what it offers now is believed longer; "

/* The beds are counted, after the event. Nobody holds a bed of what is not stated vacant, or is full by placements. */
#define COUNTED(from, event, actor)                                                                                    \
    {from, event, VACANCY_VACANT, actor, FREE}, {from, event, VACANCY_HELD, actor, HELD},                              \
    {                                                                                                                  \
        from, event, VACANCY_PLACED, actor, PLACED                                                                     \
    }
#define COUNTED_NO_HOLD(from, event, actor)                                                                            \
    {from, event, VACANCY_VACANT, actor, FREE},                                                                        \
    {                                                                                                                  \
        from, event, VACANCY_PLACED, actor, PLACED                                                                     \
    }
/* The agency keeps it back, or takes it away: whoever holds a bed is answered first. */
#define KEPT_BACK(from)                                                                                                \
    {from, VACANCY_RESERVE, VACANCY_RESERVED, ACTOR_AGENCY, NO_HOLD},                                                  \
        {from, VACANCY_NOT_AVAILABLE_STATED, VACANCY_NOT_AVAILABLE, ACTOR_AGENCY, NO_HOLD},                            \
    {                                                                                                                  \
        from, VACANCY_WITHDRAW, VACANCY_NONE, ACTOR_AGENCY, NO_HOLD                                                    \
    }
#define LAPSES(from)                                                                                                   \
    {from, VACANCY_LAPSE, VACANCY_LAPSED, ACTOR_HUB, "nobody confirmed it"},                                           \
    {                                                                                                                  \
        from, VACANCY_CARER_CHANGED, VACANCY_LAPSED, ACTOR_AGENCY, "what it offers now is believed less long"          \
    }
#define ENDS_WITH_CARER(from)                                                                                          \
    {                                                                                                                  \
        from, VACANCY_CARER_GONE, VACANCY_NONE, ACTOR_AGENCY, "its live holds are declined: APPROVAL_ENDED"            \
    }
#define STAYS(state, event, actor)                                                                                     \
    {                                                                                                                  \
        state, event, state, actor, ""                                                                                 \
    }
/* Lapsed it stays while its beds come and go, until all of them are placed. */
#define STAYS_LAPSED(event, actor)                                                                                     \
    {VACANCY_LAPSED, event, VACANCY_LAPSED, actor, NOT_ALL},                                                           \
    {                                                                                                                  \
        VACANCY_LAPSED, event, VACANCY_PLACED, actor, PLACED                                                           \
    }
/* As the agency stated it. */
#define AS_STATED(event, before)                                                                                       \
    {VACANCY_LAPSED, event, VACANCY_VACANT, ACTOR_AGENCY, before "so stated; " FREE},                                  \
        {VACANCY_LAPSED, event, VACANCY_RESERVED, ACTOR_AGENCY, before "so stated"},                                   \
        {VACANCY_LAPSED, event, VACANCY_NOT_AVAILABLE, ACTOR_AGENCY, before "so stated"},                              \
        {VACANCY_LAPSED, event, VACANCY_HELD, ACTOR_AGENCY, before "stated vacant; " HELD},                            \
    {                                                                                                                  \
        VACANCY_LAPSED, event, VACANCY_PLACED, ACTOR_AGENCY, before "stated vacant; " PLACED                           \
    }

static const struct transition vacancy_rows[] = {
    {VACANCY_NONE, VACANCY_STATE_VACANT_STATED, VACANCY_VACANT, ACTOR_AGENCY, ""},
    {VACANCY_NONE, VACANCY_RESERVE, VACANCY_RESERVED, ACTOR_AGENCY, ""},
    {VACANCY_NONE, VACANCY_NOT_AVAILABLE_STATED, VACANCY_NOT_AVAILABLE, ACTOR_AGENCY, ""},

    COUNTED(VACANCY_VACANT, VACANCY_STATE_VACANT_STATED, ACTOR_AGENCY),
    KEPT_BACK(VACANCY_VACANT),
    STAYS(VACANCY_VACANT, VACANCY_CONFIRM, ACTOR_AGENCY),
    {VACANCY_VACANT, VACANCY_HOLD, VACANCY_VACANT, ACTOR_TEAM, FREE},
    {VACANCY_VACANT, VACANCY_HOLD, VACANCY_HELD, ACTOR_TEAM, HELD},
    STAYS(VACANCY_VACANT, VACANCY_RELEASE, ACTOR_TEAM),
    STAYS(VACANCY_VACANT, VACANCY_DECLINE, ACTOR_AGENCY),
    STAYS(VACANCY_VACANT, VACANCY_EXPIRE, ACTOR_HUB),
    STAYS(VACANCY_VACANT, VACANCY_PLACE, ACTOR_TEAM),
    STAYS(VACANCY_VACANT, VACANCY_REPORT, ACTOR_TEAM),
    COUNTED(VACANCY_VACANT, VACANCY_CARER_CHANGED, ACTOR_AGENCY),
    LAPSES(VACANCY_VACANT),
    ENDS_WITH_CARER(VACANCY_VACANT),

    COUNTED_NO_HOLD(VACANCY_RESERVED, VACANCY_STATE_VACANT_STATED, ACTOR_AGENCY),
    KEPT_BACK(VACANCY_RESERVED),
    STAYS(VACANCY_RESERVED, VACANCY_CONFIRM, ACTOR_AGENCY),
    STAYS(VACANCY_RESERVED, VACANCY_RELEASE, ACTOR_TEAM),
    STAYS(VACANCY_RESERVED, VACANCY_DECLINE, ACTOR_AGENCY),
    STAYS(VACANCY_RESERVED, VACANCY_REPORT, ACTOR_TEAM),
    LAPSES(VACANCY_RESERVED),
    ENDS_WITH_CARER(VACANCY_RESERVED),

    COUNTED_NO_HOLD(VACANCY_NOT_AVAILABLE, VACANCY_STATE_VACANT_STATED, ACTOR_AGENCY),
    KEPT_BACK(VACANCY_NOT_AVAILABLE),
    STAYS(VACANCY_NOT_AVAILABLE, VACANCY_CONFIRM, ACTOR_AGENCY),
    STAYS(VACANCY_NOT_AVAILABLE, VACANCY_RELEASE, ACTOR_TEAM),
    STAYS(VACANCY_NOT_AVAILABLE, VACANCY_DECLINE, ACTOR_AGENCY),
    LAPSES(VACANCY_NOT_AVAILABLE),
    ENDS_WITH_CARER(VACANCY_NOT_AVAILABLE),

    COUNTED(VACANCY_HELD, VACANCY_STATE_VACANT_STATED, ACTOR_AGENCY),
    STAYS(VACANCY_HELD, VACANCY_CONFIRM, ACTOR_AGENCY),
    COUNTED(VACANCY_HELD, VACANCY_RELEASE, ACTOR_TEAM),
    COUNTED(VACANCY_HELD, VACANCY_DECLINE, ACTOR_AGENCY),
    COUNTED(VACANCY_HELD, VACANCY_EXPIRE, ACTOR_HUB),
    {VACANCY_HELD, VACANCY_PLACE, VACANCY_HELD, ACTOR_TEAM, "another bed is held"},
    {VACANCY_HELD, VACANCY_PLACE, VACANCY_PLACED, ACTOR_TEAM, "no other bed is held"},
    STAYS(VACANCY_HELD, VACANCY_REPORT, ACTOR_TEAM),
    COUNTED(VACANCY_HELD, VACANCY_CARER_CHANGED, ACTOR_AGENCY),
    LAPSES(VACANCY_HELD),
    ENDS_WITH_CARER(VACANCY_HELD),

    COUNTED_NO_HOLD(VACANCY_PLACED, VACANCY_STATE_VACANT_STATED, ACTOR_AGENCY),
    KEPT_BACK(VACANCY_PLACED),
    STAYS(VACANCY_PLACED, VACANCY_CONFIRM, ACTOR_AGENCY),
    COUNTED_NO_HOLD(VACANCY_PLACED, VACANCY_RELEASE, ACTOR_TEAM),
    COUNTED_NO_HOLD(VACANCY_PLACED, VACANCY_DECLINE, ACTOR_AGENCY),
    COUNTED_NO_HOLD(VACANCY_PLACED, VACANCY_CARER_CHANGED, ACTOR_AGENCY),
    {VACANCY_PLACED, VACANCY_CARER_CHANGED, VACANCY_LAPSED, ACTOR_AGENCY, "a bed is free; nobody confirmed it"},
    ENDS_WITH_CARER(VACANCY_PLACED),

    COUNTED(VACANCY_LAPSED, VACANCY_STATE_VACANT_STATED, ACTOR_AGENCY),
    KEPT_BACK(VACANCY_LAPSED),
    AS_STATED(VACANCY_CONFIRM, ""),
    STAYS_LAPSED(VACANCY_RELEASE, ACTOR_TEAM),
    STAYS_LAPSED(VACANCY_DECLINE, ACTOR_AGENCY),
    STAYS_LAPSED(VACANCY_EXPIRE, ACTOR_HUB),
    STAYS_LAPSED(VACANCY_PLACE, ACTOR_TEAM),
    STAYS(VACANCY_LAPSED, VACANCY_REPORT, ACTOR_TEAM),
    {VACANCY_LAPSED, VACANCY_CARER_CHANGED, VACANCY_LAPSED, ACTOR_AGENCY, "what it offers now is believed no longer"},
    AS_STATED(VACANCY_CARER_CHANGED, LONGER),
    ENDS_WITH_CARER(VACANCY_LAPSED),
};

static const char *const vacancy_state_names[VACANCY_STATE_END] = {
    [VACANCY_NONE] = "none",         [VACANCY_VACANT] = "VACANT",
    [VACANCY_RESERVED] = "RESERVED", [VACANCY_NOT_AVAILABLE] = "NOT_AVAILABLE",
    [VACANCY_LAPSED] = "LAPSED",     [VACANCY_HELD] = "HELD",
    [VACANCY_PLACED] = "PLACED",
};

static const char *const vacancy_events[VACANCY_EVENT_END] = {
    [0] = "",
    [VACANCY_STATE_VACANT_STATED] = "state it vacant",
    [VACANCY_RESERVE] = "state it reserved",
    [VACANCY_NOT_AVAILABLE_STATED] = "state it not available",
    [VACANCY_CONFIRM] = "confirm it",
    [VACANCY_HOLD] = "hold beds",
    [VACANCY_RELEASE] = "release a hold",
    [VACANCY_DECLINE] = "decline a hold",
    [VACANCY_EXPIRE] = "let a hold run out",
    [VACANCY_PLACE] = "place children",
    [VACANCY_REPORT] = "report it not available",
    [VACANCY_LAPSE] = "let it lapse",
    [VACANCY_WITHDRAW] = "withdraw it",
    [VACANCY_CARER_CHANGED] = "change its carer",
    [VACANCY_CARER_GONE] = "end the approval",
};

static const char *const vacancy_methods[VACANCY_EVENT_END] = {
    [VACANCY_STATE_VACANT_STATED] = "PutVacancy",
    [VACANCY_RESERVE] = "PutVacancy",
    [VACANCY_NOT_AVAILABLE_STATED] = "PutVacancy",
    [VACANCY_CONFIRM] = "ConfirmVacancies",
    [VACANCY_HOLD] = "HoldVacancy",
    [VACANCY_RELEASE] = "ReleaseHold",
    [VACANCY_DECLINE] = "DeclineHold",
    [VACANCY_PLACE] = "PlaceChild",
    [VACANCY_REPORT] = "ReportUnavailable",
    [VACANCY_WITHDRAW] = "WithdrawVacancy",
    [VACANCY_CARER_CHANGED] = "PutCarer",
    [VACANCY_CARER_GONE] = "EndCarer",
};

const struct state_machine vacancy_states = {
    .name = "vacancy",
    .told_end = VACANCY_CARER_CHANGED,
    .rows = vacancy_rows,
    .count = COUNT(vacancy_rows),
    .state_end = VACANCY_STATE_END,
    .event_end = VACANCY_EVENT_END,
    .states = vacancy_state_names,
    .events = vacancy_events,
    .methods = vacancy_methods,
};

/* --- asking ------------------------------------------------------------------------------------------------------ */

const struct transition *states_find(const struct state_machine *machine, unsigned from, unsigned event)
{
    for (uint32_t i = 0; i < machine->count; i++)
        if (machine->rows[i].from == from && machine->rows[i].event == event)
            return &machine->rows[i];
    return NULL;
}

/* The sentence of a refusal as it grows; what does not fit is left out. */
struct sentence {
    char text[PROBLEM_TEXT_BYTES];
    size_t size;
};

static void say(struct sentence *sentence, const char *words)
{
    size_t bytes = strlen(words);
    if (bytes >= sizeof sentence->text - sentence->size)
        bytes = sizeof sentence->text - sentence->size - 1;
    memcpy(sentence->text + sentence->size, words, bytes);
    sentence->size += bytes;
    sentence->text[sentence->size] = '\0';
}

/* Whether somebody who is told the state is told this event: it leads elsewhere, or not always. */
static bool worth_telling(const struct state_machine *machine, unsigned from, unsigned event, unsigned actor)
{
    if (machine->methods[event] == NULL)
        return false;
    for (uint32_t i = 0; i < machine->count; i++) {
        const struct transition *row = &machine->rows[i];
        if (row->from == from && row->event == event && (row->actor & actor) &&
            (row->to != from || row->when[0] != '\0'))
            return true;
    }
    return false;
}

/* What is told of one actor, in the order of the events, a method that was told before left out; how many. */
static uint32_t list_events(const struct state_machine *machine, unsigned from, unsigned actor, unsigned out[])
{
    uint32_t count = 0;
    for (unsigned event = 1; event < machine->told_end; event++) {
        bool told = !worth_telling(machine, from, event, actor);
        for (uint32_t i = 0; !told && i < count; i++)
            told = strcmp(machine->methods[out[i]], machine->methods[event]) == 0;
        if (!told)
            out[count++] = event;
    }
    return count;
}

/* " the team may release it (ReleaseHold) or place the children (PlaceChild)"; false: may do nothing. */
static bool say_actor(struct sentence *sentence, const struct state_machine *machine, unsigned from, unsigned actor,
                      const char *subject)
{
    unsigned events[EVENTS_MAX];
    uint32_t count = list_events(machine, from, actor, events);
    for (uint32_t i = 0; i < count; i++) {
        say(sentence, i == 0 ? subject : i + 1 == count ? " or " : ", ");
        say(sentence, machine->events[events[i]]);
        say(sentence, " (");
        say(sentence, machine->methods[events[i]]);
        say(sentence, ")");
    }
    return count > 0;
}

enum err states_check(const struct state_machine *machine, unsigned from, unsigned event, const char *field,
                      struct problem *problem)
{
    if (from < machine->state_end && states_find(machine, from, event) != NULL)
        return ERR_NONE;
    struct sentence sentence = {.size = 0};
    say(&sentence, from == 0 ? "there is no " : "the ");
    say(&sentence, machine->name);
    if (from != 0) {
        say(&sentence, " is ");
        say(&sentence, from < machine->state_end ? machine->states[from] : "in a state that this hub does not know");
    }
    size_t stated = sentence.size;
    say(&sentence, ": ");
    bool team = say_actor(&sentence, machine, from, ACTOR_TEAM, "the team may ");
    bool agency = say_actor(&sentence, machine, from, ACTOR_AGENCY, team ? ", the agency may " : "the agency may ");
    if (!team && !agency) {
        sentence.size = stated;
        say(&sentence, ", nothing more can be done with it");
    }
    return problem_set(problem, ERR_PRECONDITION, field, "%s", sentence.text);
}
