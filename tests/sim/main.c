/*
 * main.c - the simulator of one hub; see program.h for how to run it.
 */
#include "tests/sim/program.h"

static struct sim sim;

int main(void)
{
    static const struct sim_program program = {
        .sim = &sim,
        .run = one_hub_run,
        .seeds = 2000,
        .times_long = 3,
        .steps = SIM_STEPS_USUAL,
        .first_covered = (enum sim_covered)0,
        .end_covered = SIM_COVERED_END,
    };
    return program_run(&program);
}
