/*
 * main.c - the simulator's program: runs seeds until one fails.
 *
 *     build/plain/tests/run_sim             CHECK_TIER long: ten times as many seeds; night: a thousand times
 *     SEED=17 build/plain/tests/run_sim     that one alone, with the hub's own log shown
 *
 * Also STEPS=400, FIRST_SEED=5000, CHECK_SCALE=0.1, and COVERAGE=1 to show how often each thing was met.
 *
 * Interrupted (SIGINT, SIGTERM), it ends after the seed under way and says how far it came.
 * Exit status 0: all seeds passed; 1: one failed, and the line "sim: seed N failed at step M: ..." says what.
 */
#include "daemon/base/log.h"
#include "tests/sim/sim.h"

#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SEEDS_CHECK        2000
#define SEEDS_FOR_COVERAGE 500

static struct sim sim;
static volatile sig_atomic_t told_to_stop;

static void on_stop(int number)
{
    (void)number;
    told_to_stop = 1;
}

static void on_crash(int number)
{
    signal(number, SIG_DFL);
    sim_report_signal(&sim, number);
    raise(number);
}

static uint64_t number_from(const char *name, uint64_t otherwise)
{
    const char *text = getenv(name);
    return text != NULL && *text != '\0' ? strtoull(text, NULL, 10) : otherwise;
}

static uint64_t seeds_wanted(void)
{
    const char *tier = getenv("CHECK_TIER"), *scale = getenv("CHECK_SCALE");
    double wanted = SEEDS_CHECK;
    if (tier != NULL && strcmp(tier, "long") == 0)
        wanted *= 10;
    if (tier != NULL && strcmp(tier, "night") == 0)
        wanted *= 1000;
    if (scale != NULL && *scale != '\0')
        wanted *= strtod(scale, NULL);
    return wanted < 1 ? 1 : (uint64_t)wanted;
}

/* The hubs' logs tell of thousands of dead disks; they are of use only where one seed is looked at. */
static void hide_logs(void)
{
    int nothing = open("/dev/null", O_WRONLY | O_CLOEXEC);
    if (nothing >= 0)
        dup2(nothing, STDERR_FILENO);
    log_set_level(LOG_LEVEL_ERROR);
}

int main(void)
{
    struct gazetteer *gazetteer;
    struct problem problem;
    if (gazetteer_load(NULL, &gazetteer, &problem) != ERR_NONE) {
        printf("sim: %s\n", problem.text);
        return 1;
    }
    uint32_t steps = (uint32_t)number_from("STEPS", SIM_STEPS_USUAL);
    bool one = getenv("SEED") != NULL;
    uint64_t first = one ? number_from("SEED", 1) : number_from("FIRST_SEED", 1);
    uint64_t seeds = one ? 1 : seeds_wanted(), done = 0;
    if (!one)
        hide_logs();
    signal(SIGINT, on_stop);
    signal(SIGTERM, on_stop);
    signal(SIGABRT, on_crash);
    signal(SIGSEGV, on_crash);
    for (; done < seeds && !told_to_stop; done++)
        sim_run(&sim, first + done, steps, gazetteer);
    gazetteer_destroy(gazetteer);
    if (getenv("COVERAGE") != NULL)
        sim_print_covered();
    if (done >= SEEDS_FOR_COVERAGE && !sim_covered_all())
        return 1;
    printf("sim: %" PRIu64 " seeds, %" PRIu64 " steps, passed\n", done, done * steps);
    return 0;
}
