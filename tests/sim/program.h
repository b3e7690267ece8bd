/*
 * program.h - what both simulators' programs do: run seeds until one fails.
 *
 *     build/plain/tests/run_sim             CHECK_TIER long: more seeds; night: a thousand times as many
 *     SEED=17 build/plain/tests/run_sim     that one alone, with the hubs' own logs shown
 *
 * Also STEPS=400, FIRST_SEED=5000, CHECK_SCALE=0.1, NOTES=1000 to show more of what led to a failure, and COVERAGE=1 to
 * show how often each thing was met.
 *
 * Interrupted (SIGINT, SIGTERM), it ends after the seed under way and says how far it came.
 * Exit status 0: all seeds passed; 1: one failed, and the line "sim: seed N failed at step M: ..." says what.
 */
#ifndef VACANCY_TESTS_SIM_PROGRAM_H
#define VACANCY_TESTS_SIM_PROGRAM_H

#include "tests/sim/sim.h"

struct sim_program {
    struct sim *sim;
    void (*run)(struct sim *sim, uint64_t seed, uint32_t steps, const struct gazetteer *gazetteer);
    double seeds, times_long; /* of the tier check, and how many times as many in the tier long */
    uint32_t steps;
    enum sim_covered first_covered, end_covered;
};

/* The program's exit status. */
int program_run(const struct sim_program *what);

#endif
