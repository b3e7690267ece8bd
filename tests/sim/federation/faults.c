/*
 * faults.c - see faults.h. One thread.
 */
#include "tests/sim/federation/faults.h"

#include "tests/sim/federation/clients.h"
#include "tests/sim/federation/hubs.h"
#include "tests/sim/federation/moves.h"
#include "tests/sim/federation/network.h"
#include "tests/sim/federation/syncs.h"
#include "tests/sim/federation/teams.h"

#include <inttypes.h>
#include <stdlib.h>

#define MS_US     INT64_C(1000)
#define SECOND_US (1000 * MS_US)
#define MINUTE_US (60 * SECOND_US)
#define HOUR_US   (60 * MINUTE_US)

enum trouble {
    TROUBLE_CUTS,
    TROUBLE_RESETS,
    TROUBLE_SLOW,
    TROUBLE_KILLS,
    TROUBLE_DEATHS,
    TROUBLE_FULL,
    TROUBLE_COMMITS,
    TROUBLE_CLOCKS,
    TROUBLE_JUMPS,
    TROUBLE_LONG_OFF,
    TROUBLE_LIAR,
    TROUBLE_ROSTERS,
    TROUBLE_RESTORES,
    TROUBLE_CLONES,
    TROUBLE_PROMOTES,
    TROUBLE_LOST_REPLICAS,
    TROUBLES,
};

struct faults {
    uint32_t troubles; /* mask */
    int64_t start_at_us[WORLD_HUBS_MAX];
    bool lying, cloned;
    struct seam_image *backups[WORLD_REGIONS_MAX]; /* of the region's hub */
};

static struct fed_hub *some_hub(struct world *world)
{
    return world->hubs[below(&world->sim, world->hub_count)];
}

/* --- starts --------------------------------------------------------------------------------------------------------
 */

static enum seam_death some_death(struct sim *sim)
{
    return (enum seam_death)below(sim, 3);
}

static void plan_death(struct fed_hub *hub, int64_t most_calls)
{
    struct sim *sim = &hub->world->sim;
    struct seam *disk = once_in(sim, 2) ? hub->home_disk : hub->replica_disk;
    enum seam_call counted = once_in(sim, 3) ? CALL_COMMIT : CALL_ANY;
    int64_t calls = between(sim, 0, counted == CALL_COMMIT ? 3 : most_calls);
    seam_plan_death(disk, counted, calls, some_death(sim));
    sim_note(sim, "hub %u: the disk of its %s will die after %" PRId64 " %s", hub->index,
             disk == hub->home_disk ? "home" : "replica", calls, counted == CALL_COMMIT ? "commits" : "calls");
}

/* Whoever runs the hub starts it again, also where the machine dies while it starts. */
static void start(struct fed_hub *hub, bool troubled)
{
    struct world *world = hub->world;
    struct sim *sim = &world->sim;
    for (int attempt = 0; !hub->up; attempt++) {
        if (once_in(sim, 4))
            fed_hub_reboot(hub);
        if (troubled && attempt < 3 && once_in(sim, 4))
            plan_death(hub, 300);
        fed_hub_start(hub);
        if (hub->up)
            break;
        if (hub->disk_full && attempt > 0)
            fed_hub_room(hub);
        seam_revive(hub->home_disk, once_in(sim, 2));
        seam_revive(hub->replica_disk, once_in(sim, 2));
        sim_require(sim, attempt < 20, "hub %u does not start", hub->index);
    }
}

static int64_t off_for_us(struct world *world)
{
    struct sim *sim = &world->sim;
    if (world->faults->troubles & 1u << TROUBLE_LONG_OFF && once_in(sim, 4))
        return between(sim, SECOND_US, MINUTE_US);
    return between(sim, 0, once_in(sim, 3) ? 5 * SECOND_US : 100 * MS_US);
}

static void start_who_is_due(struct world *world)
{
    struct faults *faults = world->faults;
    for (uint32_t i = 0; i < world->hub_count; i++) {
        struct fed_hub *hub = world->hubs[i];
        if (hub->up && fed_hub_ails(hub) && once_in(&world->sim, 4)) /* D5: its operator is called */
            fed_hub_kill(hub, once_in(&world->sim, 2));
        if (hub->up || hub->gone) {
            faults->start_at_us[i] = -1;
        } else if (faults->start_at_us[i] < 0) {
            faults->start_at_us[i] = world->now_us + off_for_us(world);
        } else if (faults->start_at_us[i] <= world->now_us) {
            start(hub, (faults->troubles & 1u << TROUBLE_DEATHS) != 0);
        }
    }
}

/* --- what may happen ------------------------------------------------------------------------------------------------
 */

static void write_somewhere(struct world *world)
{
    struct fed_hub *hub = some_hub(world);
    for (uint32_t count = 1 + below(&world->sim, 3); hub->up && count > 0; count--)
        clients_write(world->clients, hub);
    if (hub->up && once_in(&world->sim, 4))
        syncs_run(world->syncs, hub);
    if (hub->up)
        moves_run(world->moves, hub);
}

static void ask_somewhere(struct world *world)
{
    struct fed_hub *hub = some_hub(world);
    for (uint32_t count = 1 + below(&world->sim, 3); hub->up && count > 0; count--)
        teams_ask(world->teams, hub);
}

static void search(struct world *world)
{
    struct fed_hub *hub = some_hub(world);
    if (hub->up)
        clients_compare(hub);
}

static void cut(struct world *world)
{
    struct sim *sim = &world->sim;
    uint32_t from = below(sim, world->hub_count), to = below(sim, world->hub_count);
    if (from == to)
        return;
    bool cut_it = !network_is_cut(world, from, to), both = once_in(sim, 2);
    network_cut(world, from, to, cut_it);
    if (both)
        network_cut(world, to, from, cut_it);
    sim_cover(both ? COVERED_CUT : COVERED_CUT_ONE_WAY);
    sim_note(sim, "hub %u %s %u: %s", from, both ? "and" : "to", to, cut_it ? "cut" : "healed");
}

static void isolate(struct world *world)
{
    uint32_t alone = below(&world->sim, world->hub_count);
    bool cut_it = once_in(&world->sim, 2);
    for (uint32_t i = 0; i < world->hub_count; i++)
        if (i != alone) {
            network_cut(world, alone, i, cut_it);
            network_cut(world, i, alone, cut_it);
        }
    sim_note(&world->sim, "hub %u is %s", alone, cut_it ? "cut off" : "reached again");
}

static void cut_or_isolate(struct world *world)
{
    if (once_in(&world->sim, 3))
        isolate(world);
    else
        cut(world);
}

static void reset(struct world *world)
{
    uint32_t a = below(&world->sim, world->hub_count), b = below(&world->sim, world->hub_count);
    network_reset(world, a, b);
    sim_note(&world->sim, "connections between hubs %u and %u break", a, b);
}

static void slow(struct world *world)
{
    static const int64_t spans_us[] = {100, 5 * MS_US, 50 * MS_US, 500 * MS_US, 3 * SECOND_US, HOUR_US};
    struct sim *sim = &world->sim;
    uint32_t from = below(sim, world->hub_count), to = below(sim, world->hub_count);
    int64_t most_us = between(sim, 50, spans_us[below(sim, 6)]);
    network_set_delay(world, from, to, most_us);
    sim_note(sim, "hub %u to %u takes up to %" PRId64 " us", from, to, most_us);
}

/* A machine whose disk is slow: works pile up. */
static void slow_writers(struct world *world)
{
    struct fed_hub *hub = some_hub(world);
    hub->writers_slow_us = hub->writers_slow_us > 0 ? 0 : between(&world->sim, SECOND_US, 20 * SECOND_US);
    sim_note(&world->sim, "hub %u: its writers take up to %" PRId64 " ms for a turn", hub->index,
             hub->writers_slow_us / MS_US);
}

static void kill_one(struct world *world)
{
    struct fed_hub *hub = some_hub(world);
    if (hub->up)
        fed_hub_kill(hub, once_in(&world->sim, 2));
}

static void let_die(struct world *world)
{
    struct fed_hub *hub = some_hub(world);
    if (hub->up)
        plan_death(hub, 200);
}

static void fill(struct world *world)
{
    struct sim *sim = &world->sim;
    struct fed_hub *hub = some_hub(world);
    if (hub->disk_full) {
        fed_hub_room(hub);
        sim_note(sim, "hub %u has room again", hub->index);
        return;
    }
    struct seam *disk = once_in(sim, 2) ? hub->home_disk : hub->replica_disk;
    hub->disk_full = true;
    if (once_in(sim, 2))
        seam_plan_full(disk, between(sim, 0, 60));
    else
        seam_limit(disk, below(sim, 6000), disk == hub->home_disk ? 20000 : 0);
    sim_note(sim, "hub %u: the disk of its %s is filling up", hub->index, disk == hub->home_disk ? "home" : "replica");
}

static void fail_commit(struct world *world)
{
    struct fed_hub *hub = some_hub(world);
    if (!hub->up)
        return;
    struct seam *disk = once_in(&world->sim, 2) ? hub->home_disk : hub->replica_disk;
    disk->commit_fails = true;
    sim_note(&world->sim, "hub %u: the next commit of its %s will fail", hub->index,
             disk == hub->home_disk ? "home" : "replica");
}

static void step_clock(struct world *world)
{
    static const int64_t spans_ms[] = {SECOND_MS, 10 * MINUTE_MS, 5 * HOUR_MS, 8 * DAY_MS, 3 * 365 * DAY_MS};
    struct sim *sim = &world->sim;
    struct fed_hub *hub = some_hub(world);
    int64_t span_ms = spans_ms[below(sim, 5)];
    hub->wall_error_ms = once_in(sim, 3) ? 0 : between(sim, -span_ms, span_ms);
    world->clocks_stepped = true;
    sim_note(sim, "hub %u: its wall clock is now %+" PRId64 " ms wrong", hub->index, hub->wall_error_ms);
}

/* Hours pass in which nobody does anything (all machines sleep): whatever was under way is late, every timer is due. */
static void jump(struct world *world)
{
    int64_t span_us = between(&world->sim, SECOND_US, once_in(&world->sim, 3) ? 9 * HOUR_US : MINUTE_US);
    sim_note(&world->sim, "%" PRId64 " ms pass at once", span_us / 1000);
    sim_cover(COVERED_HOURS_LATE);
    world_jump(world, span_us);
}

static void lie(struct world *world)
{
    struct faults *faults = world->faults;
    faults->lying = !faults->lying;
    network_set_liar(world, faults->lying ? world->liar : UINT32_MAX);
    sim_note(&world->sim, faults->lying ? "hub %u lies" : "hub %u lies no more", world->liar);
}

/* A new roster reaches the hubs one after the other; some have it only at their next start. */
static void new_roster(struct world *world)
{
    if (world->roster_version < 6 && once_in(&world->sim, 3))
        world_new_roster(world);
    struct fed_hub *hub = some_hub(world);
    if (hub->up)
        fed_hub_set_roster(hub, world->roster);
}

/* A backup first, then some time, then its restore: with the replica that the hub had, or on a new machine. */
static void back_up_or_restore(struct world *world)
{
    struct sim *sim = &world->sim;
    uint32_t region = below(sim, world->region_count);
    struct fed_hub *hub = world->hubs[region];
    struct seam_image **backup = &world->faults->backups[region];
    if (*backup == NULL && hub->up && !hub->home_disk->dead) {
        *backup = seam_copy(hub->home_disk);
        sim_note(sim, "hub %u: a backup is made", hub->index);
    } else if (*backup != NULL && !world->claimed_twice[region] && !hub->gone) {
        bool lost = once_in(sim, 3);
        sim_note(sim, "hub %u: its backup is restored%s", hub->index, lost ? ", and its replica is lost" : "");
        sim_cover(COVERED_RESTORED);
        fed_hub_restore(hub, *backup, lost);
        *backup = NULL;
    }
}

static void lose_replica(struct world *world)
{
    struct fed_hub *hub = some_hub(world);
    if (hub->gone)
        return;
    sim_note(&world->sim, "hub %u: its replica is deleted", hub->index);
    sim_cover(COVERED_REPLICA_LOST);
    fed_hub_lose_replica(hub);
}

/* Somebody starts a copy of a hub's machine beside it. */
static void claim_twice(struct world *world)
{
    uint32_t region = below(&world->sim, world->region_count);
    struct fed_hub *hub = world->hubs[region];
    if (world->faults->cloned || !hub->up || hub->restored)
        return;
    world->faults->cloned = world->claimed_twice[region] = true;
    struct fed_hub *clone = fed_hub_clone(hub);
    world->faults->start_at_us[clone->index] = -1;
    sim_note(&world->sim, "hub %u is a copy of hub %u", clone->index, hub->index);
    sim_cover(COVERED_CLAIMED_TWICE);
    start(clone, false);
}

struct fed_hub *faults_settle_claims(struct world *world, uint32_t region)
{
    struct fed_hub *keeps = NULL;
    for (uint32_t i = 0; i < world->hub_count; i++) {
        struct fed_hub *hub = world->hubs[i];
        if (hub->region != region || hub->gone)
            continue;
        bool better = keeps == NULL || (hub->up && !keeps->up) || once_in(&world->sim, 2);
        struct fed_hub *goes = better ? keeps : hub;
        keeps = better ? hub : keeps;
        if (goes == NULL)
            continue;
        sim_note(&world->sim, "hub %u goes for good, hub %u keeps %s", goes->index, keeps->index, world_region(region));
        if (goes->up)
            fed_hub_kill(goes, once_in(&world->sim, 2));
        goes->gone = true;
        world->memories_lost[region]++;
    }
    return keeps;
}

/* An operator decides, rightly or in a hurry. */
static void promote(struct world *world)
{
    struct fed_hub *hub = some_hub(world);
    if (hub->up)
        fed_hub_promote(hub, once_in(&world->sim, 2), once_in(&world->sim, 2));
}

static const struct {
    void (*run)(struct world *world);
    int trouble; /* -1: always */
    uint32_t weight;
} actions[] = {
    {write_somewhere, -1, 60},
    {ask_somewhere, -1, 60},
    {search, -1, 6},
    {cut_or_isolate, TROUBLE_CUTS, 10},
    {reset, TROUBLE_RESETS, 8},
    {slow, TROUBLE_SLOW, 6},
    {slow_writers, TROUBLE_SLOW, 3},
    {kill_one, TROUBLE_KILLS, 5},
    {let_die, TROUBLE_DEATHS, 8},
    {fill, TROUBLE_FULL, 6},
    {fail_commit, TROUBLE_COMMITS, 4},
    {step_clock, TROUBLE_CLOCKS, 5},
    {jump, TROUBLE_JUMPS, 3},
    {lie, TROUBLE_LIAR, 6},
    {new_roster, TROUBLE_ROSTERS, 4},
    {back_up_or_restore, TROUBLE_RESTORES, 5},
    {lose_replica, TROUBLE_LOST_REPLICAS, 2},
    {claim_twice, TROUBLE_CLONES, 2},
    {promote, TROUBLE_PROMOTES, 2},
};

static void pass_time(struct world *world)
{
    struct sim *sim = &world->sim;
    int64_t most_us = once_in(sim, 12) ? 8 * SECOND_US : once_in(sim, 3) ? SECOND_US : 60 * MS_US;
    world_run_until(world, world->now_us + between(sim, 0, most_us));
}

void faults_step(struct world *world)
{
    uint32_t total = 0, at;
    pass_time(world);
    start_who_is_due(world);
    for (size_t i = 0; i < sizeof actions / sizeof actions[0]; i++)
        if (actions[i].trouble < 0 || world->faults->troubles & 1u << actions[i].trouble)
            total += actions[i].weight;
    at = below(&world->sim, total);
    for (size_t i = 0; i < sizeof actions / sizeof actions[0]; i++) {
        if (actions[i].trouble >= 0 && !(world->faults->troubles & 1u << actions[i].trouble))
            continue;
        if (at < actions[i].weight) {
            actions[i].run(world);
            break;
        }
        at -= actions[i].weight;
    }
    for (uint32_t i = 0; i < world->hub_count; i++)
        fed_hub_after(world->hubs[i]);
}

struct faults *faults_create(struct world *world)
{
    struct faults *faults = calloc(1, sizeof *faults);
    if (faults == NULL)
        abort();
    world->faults = faults;
    faults->troubles = (uint32_t)seeded_random_next(&world->sim.chance) & ((1u << TROUBLES) - 1);
    if (once_in(&world->sim, 2)) /* few kinds at a time find other things than all at once */
        faults->troubles &= (uint32_t)seeded_random_next(&world->sim.chance);
    if (!once_in(&world->sim, 3)) /* what no promise of a region survives would hide too much in every seed */
        faults->troubles &= ~(1u << TROUBLE_CLONES | 1u << TROUBLE_PROMOTES | 1u << TROUBLE_LOST_REPLICAS);
    world->liar = faults->troubles & 1u << TROUBLE_LIAR ? below(&world->sim, world->region_count) : UINT32_MAX;
    for (uint32_t i = 0; i < world->region_count; i++) {
        faults->start_at_us[i] = -1;
        start(world->hubs[i], false);
    }
    return faults;
}

void faults_destroy(struct faults *faults)
{
    for (int region = 0; region < WORLD_REGIONS_MAX; region++)
        seam_image_destroy(faults->backups[region]);
    free(faults);
}

void faults_end_all(struct world *world)
{
    world->faults->lying = false;
    network_set_liar(world, UINT32_MAX);
    for (uint32_t i = 0; i < world->hub_count; i++) {
        struct fed_hub *hub = world->hubs[i];
        for (uint32_t k = 0; k < world->hub_count; k++) {
            network_set_delay(world, i, k, between(&world->sim, 50, 20 * MS_US));
            network_cut(world, i, k, false);
        }
        fed_hub_room(hub);
        hub->writers_slow_us = 0;
        hub->home_disk->calls_until_death = hub->replica_disk->calls_until_death = -1;
        hub->home_disk->commit_fails = hub->replica_disk->commit_fails = false;
        if (hub->up && fed_hub_ails(hub))
            fed_hub_kill(hub, false);
        if (!hub->up && !hub->gone)
            start(hub, false);
    }
}
