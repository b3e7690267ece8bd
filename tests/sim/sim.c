/*
 * sim.c - the scheduler: one seed, step by step; see sim.h. One thread.
 */
#include "tests/sim/sim.h"

#include "tests/sim/traffic.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BEGINNING_MS INT64_C(1767600000000) /* 2026-01-05T08:00Z, a Monday */

/* --- notes and failure ---------------------------------------------------------------------------------------------
 */

void sim_note(struct sim *sim, const char *format, ...)
{
    char *note = sim->notes[sim->noted++ % SIM_NOTES];
    int length =
        snprintf(note, SIM_NOTE_BYTES, "%4" PRIu32 " %+" PRId64 " ms  ", sim->step, sim->now_ms - BEGINNING_MS);
    va_list args;
    va_start(args, format);
    vsnprintf(note + length, SIM_NOTE_BYTES - (size_t)length, format, args);
    va_end(args);
}

static void print_notes(const struct sim *sim)
{
    uint64_t first = sim->noted > SIM_NOTES ? sim->noted - SIM_NOTES : 0;
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
    printf("\nreplay: SEED=%" PRIu64 " STEPS=%" PRIu32 " tests/run_sim\n", sim->seed, sim->steps);
    fflush(stdout);
    _exit(1);
}

void sim_report_signal(struct sim *sim, int number)
{
    printf("the last events (step, true time, what):\n");
    print_notes(sim);
    printf("sim: seed %" PRIu64 " failed at step %" PRIu32 ": the program under test ended by signal %d\n", sim->seed,
           sim->step, number);
    printf("replay: SEED=%" PRIu64 " STEPS=%" PRIu32 " tests/run_sim\n", sim->seed, sim->steps);
    fflush(stdout);
}

/* --- coverage ------------------------------------------------------------------------------------------------------
 */

static uint64_t covered[SIM_COVERED_COUNT];
static const char *const covered_names[] = {
#define SIM_COVERED_NAME(name) #name,
    SIM_COVERED(SIM_COVERED_NAME)};

void sim_cover(enum sim_covered what)
{
    covered[what]++;
}

bool sim_covered_all(void)
{
    bool all = true;
    for (int i = 0; i < SIM_COVERED_COUNT; i++) {
        if (covered[i] == 0)
            printf("sim: no seed met %s: the traffic no longer leads there\n", covered_names[i]);
        all = all && covered[i] > 0;
    }
    return all;
}

void sim_print_covered(void)
{
    for (int i = 0; i < SIM_COVERED_COUNT; i++)
        printf("%12" PRIu64 "  %s\n", covered[i], covered_names[i]);
}

/* --- what may happen to a hub ----------------------------------------------------------------------------------------
 */

static void write_more(struct sim_hub *hub)
{
    if (hub->queue_count + 8 < SIM_QUEUE)
        traffic_write(hub);
}

static void writer(struct sim_hub *hub)
{
    hub_writer_turn(hub, 1 + below(hub->sim, 8));
}

static void lapse(struct sim_hub *hub)
{
    hub_lapse(hub, once_in(hub->sim, 3) ? 1 : 1000);
}

static void pass_time(struct sim_hub *hub)
{
    struct sim *sim = hub->sim;
    static const int64_t spans_ms[] = {SECOND_MS, 12 * SECOND_MS, 10 * MINUTE_MS, 6 * HOUR_MS, 3 * DAY_MS};
    int64_t span_ms = between(sim, 1, spans_ms[below(sim, 5)]);
    if (!once_in(sim, 4)) /* mostly the writer is quicker */
        hub_writer_turn(hub, SIM_QUEUE);
    sim->now_ms += span_ms;
    sim_note(sim, "%" PRId64 " ms pass", span_ms);
}

/* C1: the wall clock jumps, now and then by a year. */
static void step_clock(struct sim_hub *hub)
{
    struct sim *sim = hub->sim;
    static const int64_t spans_ms[] = {MINUTE_MS, 10 * MINUTE_MS, HOUR_MS, DAY_MS, 8 * DAY_MS};
    int64_t span_ms = once_in(sim, 40) ? 365 * DAY_MS : spans_ms[below(sim, 5)];
    if (once_in(sim, 2))
        hub->wall_error_ms = 0;
    else
        hub->wall_error_ms += between(sim, -span_ms, span_ms);
    sim_note(sim, "the wall clock is now %+" PRId64 " ms wrong", hub->wall_error_ms);
}

static enum seam_death some_death(struct sim *sim)
{
    return (enum seam_death)below(sim, 3);
}

static void plan_death(struct sim_hub *hub)
{
    static const struct {
        int64_t most;
        const char *calls;
    } kinds[] = {[CALL_ANY] = {80, "calls"}, [CALL_COMMIT] = {1, "commits"}, [CALL_APPEND] = {2, "appends"}};
    enum seam_call counted = (enum seam_call)below(hub->sim, 3);
    int64_t calls = between(hub->sim, 0, kinds[counted].most);
    seam_plan_death(hub->seam, counted, calls, some_death(hub->sim));
    sim_note(hub->sim, "the disk will die after %" PRId64 " %s", calls, kinds[counted].calls);
}

static void kill_now(struct sim_hub *hub)
{
    hub_kill(hub, once_in(hub->sim, 2));
}

static void fill_disk(struct sim_hub *hub)
{
    struct sim *sim = hub->sim;
    if (hub->disk_full) {
        seam_room(hub->seam);
        hub->disk_full = false;
        sim_note(sim, "the disk has room again");
        return;
    }
    hub->disk_full = true;
    if (once_in(sim, 2))
        seam_plan_full(hub->seam, between(sim, 0, 40));
    else
        seam_limit(hub->seam, below(sim, 3000), 20000);
    sim_note(sim, "the disk is filling up");
}

static void fail_commit(struct sim_hub *hub)
{
    hub->seam->commit_fails = true;
    sim_note(hub->sim, "the next commit will fail");
}

static const struct {
    void (*run)(struct sim_hub *hub);
    uint32_t weight;
} actions[] = {
    {write_more, 36},  {writer, 26},      {lapse, 6},         {pass_time, 8},      {step_clock, 2},
    {traffic_find, 8}, {traffic_read, 5}, {plan_death, 3},    {kill_now, 1},       {hub_stop, 1},
    {fill_disk, 2},    {fail_commit, 1},  {hub_sign_head, 4}, {traffic_cancel, 2},
};

static void act(struct sim_hub *hub)
{
    uint32_t total = 0, at;
    for (size_t i = 0; i < sizeof actions / sizeof actions[0]; i++)
        total += actions[i].weight;
    at = below(hub->sim, total);
    for (size_t i = 0;; i++) {
        if (at < actions[i].weight) {
            actions[i].run(hub);
            return;
        }
        at -= actions[i].weight;
    }
}

/* Whoever runs the hub starts it again, also where the machine dies while it starts. */
static void bring_up(struct sim_hub *hub)
{
    struct sim *sim = hub->sim;
    for (int attempt = 0; !hub->up; attempt++) {
        if (once_in(sim, 2))
            sim->now_ms += between(sim, 1, HOUR_MS);
        if (once_in(sim, 4)) {
            hub->booted_at_ms = sim->now_ms; /* the machine was started anew: its boot clock is at 0 */
            sim_note(sim, "reboot");
        }
        if (attempt < 3 && once_in(sim, 4))
            seam_plan_death(hub->seam, CALL_ANY, between(sim, 0, 400), some_death(sim));
        hub_start(hub);
        if (!hub->up && hub->disk_full && !hub->seam->dead)
            fill_disk(hub);
        (void)hub_bury(hub, once_in(sim, 2));
    }
    sim_note(sim, "up");
}

static void step(struct sim *sim)
{
    struct sim_hub *hub = sim->hubs[below(sim, SIM_HUBS)];
    sim->now_ms += between(sim, 1, 40);
    act(hub);
    if (hub->up && !hub->seam->dead)
        calls_turn(&hub->calls);
    (void)hub_bury(hub, once_in(sim, 2));
    /* D5: a hub whose disk has failed takes no more writes; it is started again sooner or later. */
    if (hub->up && !home_writable(hub->home) && once_in(sim, 4))
        hub_kill(hub, once_in(sim, 2));
    if (hub->disk_full && once_in(sim, 10))
        fill_disk(hub);
    if (!hub->up)
        bring_up(hub);
    hub_check(hub);
}

void sim_run(struct sim *sim, uint64_t seed, uint32_t steps, const struct gazetteer *gazetteer)
{
    memset(sim, 0, sizeof *sim);
    sim->seed = seed;
    sim->steps = steps;
    sim->gazetteer = gazetteer;
    sim->now_ms = BEGINNING_MS;
    seeded_random_init(&sim->chance, seed);
    traffic_reset();
    for (int i = 0; i < SIM_HUBS; i++) {
        sim->hubs[i] = hub_create(sim);
        bring_up(sim->hubs[i]);
        traffic_begin(sim->hubs[i]);
        hub_check(sim->hubs[i]);
    }
    for (sim->step = 1; sim->step <= steps; sim->step++)
        step(sim);
    for (int i = 0; i < SIM_HUBS; i++) {
        /* Whatever is in flight ends; then everything is read back once more by a new process. */
        if (sim->hubs[i]->up)
            hub_kill(sim->hubs[i], true);
        seam_room(sim->hubs[i]->seam);
        sim->hubs[i]->disk_full = false;
        hub_start(sim->hubs[i]);
        hub_check(sim->hubs[i]);
        hub_destroy(sim->hubs[i]);
        sim->hubs[i] = NULL;
    }
}
