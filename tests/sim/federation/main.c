/*
 * main.c - the simulator of a federation: several hubs in one process; see tests/sim/program.h for how to run it.
 */
#include "tests/sim/federation/world.h"
#include "tests/sim/program.h"

static struct world world;

int main(void)
{
    static const struct sim_program program = {
        .sim = &world.sim,
        .run = world_run,
        .seeds = 1000,
        .times_long = 9, /* with those of check 10,000 */
        .steps = 120,
        .first_covered = (enum sim_covered)(SIM_COVERED_END + 1),
        .end_covered = SIM_COVERED_COUNT,
    };
    return program_run(&program);
}
