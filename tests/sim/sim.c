/*
 * sim.c - notes, failure and coverage; see sim.h. One thread.
 */
#include "tests/sim/sim.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* --- notes and failure ---------------------------------------------------------------------------------------------
 */

void sim_note(struct sim *sim, const char *format, ...)
{
    char *note = sim->notes[sim->noted++ % SIM_NOTES];
    int length =
        snprintf(note, SIM_NOTE_BYTES, "%4" PRIu32 " %+" PRId64 " ms  ", sim->step, sim->now_ms - SIM_BEGINNING_MS);
    va_list args;
    va_start(args, format);
    vsnprintf(note + length, SIM_NOTE_BYTES - (size_t)length, format, args);
    va_end(args);
}

static void print_notes(const struct sim *sim)
{
    const char *wanted = getenv("NOTES");
    uint64_t shown = wanted != NULL ? strtoull(wanted, NULL, 10) : SIM_NOTES_SHOWN;
    shown = shown < SIM_NOTES ? shown : SIM_NOTES;
    uint64_t first = sim->noted > shown ? sim->noted - shown : 0;
    for (uint64_t i = first; i < sim->noted; i++)
        printf("    %s\n", sim->notes[i % SIM_NOTES]);
}

void sim_fail(struct sim *sim, const char *format, ...)
{
    va_list args;
    printf("the last events (step, true time, what):\n");
    print_notes(sim);
    printf("sim: seed %" PRIu64 " failed at step %" PRIu32 ": ", sim->seed, sim->step);
    va_start(args, format);
    vprintf(format, args);
    va_end(args);
    printf("\nreplay: SEED=%" PRIu64 " STEPS=%" PRIu32 " tests/%s\n", sim->seed, sim->steps, sim->program);
    fflush(stdout);
    _exit(1);
}

void sim_report_signal(struct sim *sim, int number)
{
    printf("the last events (step, true time, what):\n");
    print_notes(sim);
    printf("sim: seed %" PRIu64 " failed at step %" PRIu32 ": the program under test ended by signal %d\n", sim->seed,
           sim->step, number);
    printf("replay: SEED=%" PRIu64 " STEPS=%" PRIu32 " tests/%s\n", sim->seed, sim->steps, sim->program);
    fflush(stdout);
}

/* --- coverage ------------------------------------------------------------------------------------------------------
 */

static uint64_t covered[SIM_COVERED_COUNT];
static const char *const covered_names[] = {
#define SIM_COVERED_NAME(name) #name,
    SIM_COVERED(SIM_COVERED_NAME) "", FEDERATION_COVERED(SIM_COVERED_NAME)};

void sim_cover(enum sim_covered what)
{
    covered[what]++;
}

bool sim_covered_all(enum sim_covered first, enum sim_covered end)
{
    bool all = true;
    for (int i = (int)first; i < (int)end; i++) {
        if (covered[i] == 0)
            printf("sim: no seed met %s: the traffic no longer leads there\n", covered_names[i]);
        all = all && covered[i] > 0;
    }
    return all;
}

void sim_print_covered(enum sim_covered first, enum sim_covered end)
{
    for (int i = (int)first; i < (int)end; i++)
        printf("%12" PRIu64 "  %s\n", covered[i], covered_names[i]);
}
