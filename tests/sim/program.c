/*
 * program.c - see program.h. One thread.
 */
#include "tests/sim/program.h"

#include "daemon/base/log.h"

#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SEEDS_FOR_COVERAGE 500

static const struct sim_program *program;
static volatile sig_atomic_t told_to_stop;

static void on_stop(int number)
{
    (void)number;
    told_to_stop = 1;
}

static void on_crash(int number)
{
    signal(number, SIG_DFL);
    sim_report_signal(program->sim, number);
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
    double wanted = program->seeds;
    if (tier != NULL && strcmp(tier, "long") == 0)
        wanted *= program->times_long;
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

int program_run(const struct sim_program *what)
{
    program = what;
    struct gazetteer *gazetteer;
    struct problem problem;
    if (gazetteer_load(NULL, &gazetteer, &problem) != ERR_NONE) {
        printf("sim: %s\n", problem.text);
        return 1;
    }
    uint32_t steps = (uint32_t)number_from("STEPS", what->steps);
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
        what->run(what->sim, first + done, steps, gazetteer);
    gazetteer_destroy(gazetteer);
    if (getenv("COVERAGE") != NULL)
        sim_print_covered(what->first_covered, what->end_covered);
    if (done >= SEEDS_FOR_COVERAGE && !sim_covered_all(what->first_covered, what->end_covered))
        return 1;
    printf("sim: %" PRIu64 " seeds, %" PRIu64 " steps, passed\n", done, done * steps);
    return 0;
}
