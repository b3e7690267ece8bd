/*
 * one_hub.c - the scheduler of one hub: a seed, step by step; see sim.h. One thread.
 */
#include "tests/sim/traffic.h"

#include <inttypes.h>
#include <string.h>

/* --- what may happen to a hub ----------------------------------------------------------------------------------------
 */

static void write_more(struct sim_hub *hub)
{
    if (hub->queue_count + 8 < SIM_QUEUE)
        traffic_write(hub);
}

static void ask_for_hold(struct sim_hub *hub)
{
    if (hub->queue_count + 2 < SIM_QUEUE)
        traffic_hold(hub);
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
    {write_more, 36},  {ask_for_hold, 10},   {writer, 26},       {lapse, 6},          {pass_time, 8}, {step_clock, 2},
    {traffic_find, 8}, {traffic_explain, 3}, {traffic_read, 5},  {plan_death, 3},     {kill_now, 1},  {hub_stop, 1},
    {fill_disk, 2},    {fail_commit, 1},     {hub_sign_head, 4}, {traffic_cancel, 2},
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
    struct sim_hub *hub = sim->hub;
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

void one_hub_run(struct sim *sim, uint64_t seed, uint32_t steps, const struct gazetteer *gazetteer)
{
    memset(sim, 0, sizeof *sim);
    sim->program = "run_sim";
    sim->seed = seed;
    sim->steps = steps;
    sim->gazetteer = gazetteer;
    sim->now_ms = SIM_BEGINNING_MS;
    seeded_random_init(&sim->chance, seed);
    traffic_reset();
    struct sim_hub *hub = sim->hub = hub_create(sim);
    bring_up(hub);
    traffic_begin(hub);
    hub_check(hub);
    for (sim->step = 1; sim->step <= steps; sim->step++)
        step(sim);
    /* Whatever is in flight ends; then everything is read back once more by a new process. */
    if (hub->up)
        hub_kill(hub, true);
    seam_room(hub->seam);
    hub->disk_full = false;
    hub_start(hub);
    hub_check(hub);
    hub_destroy(hub);
    sim->hub = NULL;
}
