/*
 * sim.h - one seed's world: virtual time, one source of chance, and what happened last.
 *
 * Two programs share it: run_sim has one hub (one_hub.c) and looks at the register closely; run_sim_federation has
 * several (tests/sim/federation).
 * Owns: struct sim, notes, failure, coverage (sim.c). Not here: a hub's parts (hub.h), what clients ask for
 * (traffic.h), what must hold (model.h, proof.h), which seeds are run (program.h).
 * Thread: one for everything; the shipped code under test starts none here.
 * Invariant: what happens is a function of (seed, steps) alone, so that a failing seed replays exactly.
 */
#ifndef VACANCY_TESTS_SIM_H
#define VACANCY_TESTS_SIM_H

#include "daemon/base/randomness.h"
#include "daemon/gazetteer/gazetteer.h"

#include <stdbool.h>
#include <stdint.h>

#define SECOND_MS INT64_C(1000)
#define MINUTE_MS (60 * SECOND_MS)
#define HOUR_MS   (60 * MINUTE_MS)
#define DAY_MS    (24 * HOUR_MS)

#define SIM_BEGINNING_MS INT64_C(1767600000000) /* 2026-01-05T08:00Z, a Monday */

#define SIM_NOTES       4096 /* kept; of which the last SIM_NOTES_SHOWN are shown, or NOTES= so many */
#define SIM_NOTES_SHOWN 48
#define SIM_NOTE_BYTES  160
#define SIM_STEPS_USUAL 300

struct sim_hub;

struct sim {
    const char *program; /* its name */
    uint64_t seed;
    uint32_t step, steps;
    struct seeded_random chance;
    int64_t now_ms; /* true time; hubs' clocks err from it */
    const struct gazetteer *gazetteer;
    struct sim_hub *hub;                   /* run_sim's */
    char notes[SIM_NOTES][SIM_NOTE_BYTES]; /* a ring: the last events */
    uint64_t noted;
};

/* Runs one seed of run_sim: returns when every step passed; ends the program otherwise (sim_fail). */
void one_hub_run(struct sim *sim, uint64_t seed, uint32_t steps, const struct gazetteer *gazetteer);

/* Remembers an event for the report of a failure. */
void sim_note(struct sim *sim, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* A property does not hold: prints the seed, the last events and what was found, and exits with status 1. */
_Noreturn void sim_fail(struct sim *sim, const char *format, ...) __attribute__((format(printf, 2, 3)));
#define sim_require(sim, condition, ...)                                                                               \
    do {                                                                                                               \
        if (!(condition))                                                                                              \
            sim_fail(sim, __VA_ARGS__);                                                                                \
    } while (0)
/*
 * What the seeds of a run must have met, or they prove little: each place counts itself, and a run of many seeds fails
 * where one was never reached.
 */
#define SIM_COVERED(X)                                                                                                 \
    X(CARER_CREATED)                                                                                                   \
    X(CARER_UPDATED)                                                                                                   \
    X(CARER_ENDED)                                                                                                     \
    X(VACANCY_CREATED)                                                                                                 \
    X(VACANCY_UPDATED)                                                                                                 \
    X(VACANCY_CONFIRMED)                                                                                               \
    X(VACANCY_WITHDRAWN)                                                                                               \
    X(VACANCIES_CONFIRMED)                                                                                             \
    X(VACANCIES_LAPSED)                                                                                                \
    X(AGENCY_CHANGED)                                                                                                  \
    X(PRINCIPAL_SUSPENDED)                                                                                             \
    X(REPEATED)                                                                                                        \
    X(REPEATED_AFTER_RESTART)                                                                                          \
    X(ID_WITH_OTHER_CONTENT)                                                                                           \
    X(ID_FORGOTTEN)                                                                                                    \
    X(REFUSED_STALE)                                                                                                   \
    X(REFUSED_PRECONDITION)                                                                                            \
    X(REFUSED_FORBIDDEN)                                                                                               \
    X(REFUSED_BY_SERVICE)                                                                                              \
    X(DEADLINE_PASSED)                                                                                                 \
    X(DISK_FULL)                                                                                                       \
    X(DONE_FROM_RESERVE)                                                                                               \
    X(COMMIT_FAILED)                                                                                                   \
    X(DIED_BEFORE_COMMIT)                                                                                              \
    X(DIED_AFTER_COMMIT)                                                                                               \
    X(DIED_AT_START)                                                                                                   \
    X(APPEND_TORN)                                                                                                     \
    X(POWER_CUT_TOOK_DISCLOSURES)                                                                                      \
    X(OPTION_SHOWN)                                                                                                    \
    X(OPTION_UNCONFIRMED)                                                                                              \
    X(OPTION_EXPIRED_BUT_NOT_LAPSED)                                                                                   \
    X(NOTHING_FOUND)                                                                                                   \
    X(EXPLAINED_SUITABLE)                                                                                              \
    X(EXPLAINED_UNSUITABLE)                                                                                            \
    X(READ_REFUSED_FOR_TRAIL)                                                                                          \
    X(LISTED)                                                                                                          \
    X(SUBMIT_ANSWERED)                                                                                                 \
    X(CALL_CANCELLED)                                                                                                  \
    X(TEAM_HOLD_MADE)                                                                                                  \
    X(TEAM_HOLD_EXTENDED)                                                                                              \
    X(TEAM_HOLD_RELEASED)                                                                                              \
    X(TEAM_PLACED)                                                                                                     \
    X(TEAM_HOLD_ACCEPTED)                                                                                              \
    X(TEAM_HOLD_DECLINED)                                                                                              \
    X(TEAM_HOLD_EXPIRED)                                                                                               \
    X(TEAM_HOLD_EXPIRED_AFTER_REBOOT)                                                                                  \
    X(TEAM_HOLD_ENDED_WITH_CARER)                                                                                      \
    X(TEAM_REPORTED)                                                                                                   \
    X(TEAM_REFUSED)                                                                                                    \
    X(TEAM_LIMIT)                                                                                                      \
    X(HEAD_SIGNED)                                                                                                     \
    X(SEARCHED_BESIDE_SYNC)

/* The same for run_sim_federation. */
#define FEDERATION_COVERED(X)                                                                                          \
    X(WRITTEN)                                                                                                         \
    X(WRITE_UNAVAILABLE)                                                                                               \
    X(FOUND_IN_FEDERATION)                                                                                             \
    X(CUT)                                                                                                             \
    X(CUT_ONE_WAY)                                                                                                     \
    X(HOURS_LATE)                                                                                                      \
    X(LAPSED_IN_FEDERATION)                                                                                            \
    X(VERDICT_APPLIED)                                                                                                 \
    X(VERDICT_STAGED)                                                                                                  \
    X(VERDICT_KNOWN)                                                                                                   \
    X(VERDICT_GAP)                                                                                                     \
    X(VERDICT_LIE)                                                                                                     \
    X(VERDICT_FROZEN)                                                                                                  \
    X(VERDICT_STORE)                                                                                                   \
    X(SNAPSHOT_PUBLISHED)                                                                                              \
    X(HUB_DIED_AT_START)                                                                                               \
    X(HOME_DIED)                                                                                                       \
    X(REPLICA_DIED)                                                                                                    \
    X(LIE_FLIPPED)                                                                                                     \
    X(LIE_WITHHELD)                                                                                                    \
    X(LIE_DOUBLED)                                                                                                     \
    X(LIE_REPLAYED)                                                                                                    \
    X(LIE_REORDERED)                                                                                                   \
    X(LIE_IN_CONTENT)                                                                                                  \
    X(INBOUND_GIVEN_UP)                                                                                                \
    X(NONSENSE_HEARD)                                                                                                  \
    X(SNAPSHOT_RESUMED)                                                                                                \
    X(SNAPSHOT_ASKED)                                                                                                  \
    X(FORK_MADE)                                                                                                       \
    X(HISTORY_LEFT)                                                                                                    \
    X(REPLICATED)                                                                                                      \
    X(ERASED)                                                                                                          \
    X(ERASED_EVERYWHERE)                                                                                               \
    X(RESTORED)                                                                                                        \
    X(REPLICA_LOST)                                                                                                    \
    X(CLAIMED_TWICE)                                                                                                   \
    X(THAWED)                                                                                                          \
    X(PROMISE_RELEASED)                                                                                                \
    X(FORWARD_ANSWERED)                                                                                                \
    X(FORWARD_REFUSED)                                                                                                 \
    X(FORWARD_DOWN)                                                                                                    \
    X(FORWARD_UNBEGUN)                                                                                                 \
    X(FORWARD_LATE)                                                                                                    \
    X(FORWARD_LOST)                                                                                                    \
    X(HOLD_MADE)                                                                                                       \
    X(HOLD_REPLICATED)                                                                                                 \
    X(HOLD_REFUSED)                                                                                                    \
    X(HOLD_REPEATED)                                                                                                   \
    X(HOLD_UNKNOWN)                                                                                                    \
    X(HOLD_SETTLED_DONE)                                                                                               \
    X(HOLD_SETTLED_SPENT)                                                                                              \
    X(HOLD_EXTENDED_BY_TEAM)                                                                                           \
    X(HOLD_RELEASED_BY_TEAM)                                                                                           \
    X(HOLD_PLACED_BY_TEAM)                                                                                             \
    X(PLACEMENT_TAKEN_BACK)                                                                                            \
    X(HOLD_ACCEPTED_BY_AGENCY)                                                                                         \
    X(HOLD_DECLINED_BY_AGENCY)                                                                                         \
    X(HOLD_EXPIRED)                                                                                                    \
    X(HOLD_READ)                                                                                                       \
    X(HOLDS_LISTED)                                                                                                    \
    X(HOLDS_LISTED_AWAY)                                                                                               \
    X(CHILDREN_PLACED)                                                                                                 \
    X(REPORTED_UNAVAILABLE)                                                                                            \
    X(AGENCIES_TOLD)                                                                                                   \
    X(CARER_RELEASED)                                                                                                  \
    X(CARER_TAKEN_OVER)                                                                                                \
    X(OWNER_CHANGED)                                                                                                   \
    X(OWNER_CHANGED_WITHIN)                                                                                            \
    X(MOVED_WITH_VACANCY)                                                                                              \
    X(MOVED_WITH_HOLD)                                                                                                 \
    X(MOVED_WITH_PLACED)                                                                                               \
    X(MOVED_STATES_ANEW)                                                                                               \
    X(SYNC_RUN)                                                                                                        \
    X(SYNC_CUT)                                                                                                        \
    X(SYNC_SETTLED)                                                                                                    \
    X(SYNC_REFUSED_FOR_HOLDS)

enum sim_covered {
#define SIM_COVERED_ENUM(name) COVERED_##name,
    SIM_COVERED(SIM_COVERED_ENUM) SIM_COVERED_END,
    FEDERATION_COVERED(SIM_COVERED_ENUM) SIM_COVERED_COUNT
};
void sim_cover(enum sim_covered what);
/* Of those from first on and before end: true when everything was met; else prints what wasn't. */
bool sim_covered_all(enum sim_covered first, enum sim_covered end);
void sim_print_covered(enum sim_covered first, enum sim_covered end);

/* For signal handlers: which seed is running. */
void sim_report_signal(struct sim *sim, int number);

/* Uniform in [0, below); true once in `times`. */
static inline uint32_t below(struct sim *sim, uint32_t bound)
{
    return (uint32_t)seeded_random_below(&sim->chance, bound);
}
static inline bool once_in(struct sim *sim, uint32_t times)
{
    return below(sim, times) == 0;
}
static inline int64_t between(struct sim *sim, int64_t least, int64_t most)
{
    return least + (int64_t)seeded_random_below(&sim->chance, (uint64_t)(most - least) + 1);
}

#endif
