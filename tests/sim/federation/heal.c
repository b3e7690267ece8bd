/*
 * heal.c - see heal.h. One thread.
 */
#include "tests/sim/federation/heal.h"

#include "tests/sim/federation/clients.h"
#include "tests/sim/federation/faults.h"
#include "tests/sim/federation/hubs.h"
#include "tests/sim/federation/syncs.h"
#include "tests/sim/federation/teams.h"
#include "tests/sim/federation/told.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define MS_US         INT64_C(1000)
#define SECOND_US     (1000 * MS_US)
#define LOOK_US       (100 * MS_US)
#define ERASED_US     (60 * SECOND_US)
#define SETTLED_US    (10 * SECOND_US)
#define PROMOTED_US   (3 * SECOND_US)
#define HEALED_MAX_US (120 * SECOND_US) /* back-offs end within 10 s; a snapshot may have to be begun again */

/* The hub that decides about a region, or is to. */
static struct fed_hub *survivor(struct world *world, uint32_t region)
{
    struct fed_hub *found = NULL;
    for (uint32_t i = 0; i < world->hub_count; i++)
        if (world->hubs[i]->region == region && !world->hubs[i]->gone)
            found = world->hubs[i];
    return found;
}

/* --- equal ----------------------------------------------------------------------------------------------------------
 */

static bool stands_there(struct world *world, struct fed_hub *hub, uint32_t region, const struct checkpoint *at,
                         char why[160])
{
    struct replica_status status;
    if (replica_status(hub->replica, world_region(region), &status) != ERR_NONE)
        sim_fail(&world->sim, "hub %u knows nothing of %s", hub->index, world_region(region));
    snprintf(why, 160,
             "hub %u stands at %s %" PRIu64 ".%" PRIu64 " (%" PRIu64 " durable)%s%s, which is at %" PRIu64 ".%" PRIu64,
             hub->index, world_region(region), status.checkpoint.checkpoint.epoch,
             status.checkpoint.checkpoint.sequence, status.durable_sequence, status.present ? "" : ", absent",
             status.frozen != FROZEN_NOT ? ", frozen" : "", at->epoch, at->sequence);
    return status.present && status.frozen == FROZEN_NOT && status.durable_sequence == at->sequence &&
           status.checkpoint.checkpoint.sequence == at->sequence &&
           memcmp(status.checkpoint.checkpoint.head, at->head, DIGEST_BYTES) == 0;
}

static bool equal(struct world *world, char why[160])
{
    for (uint32_t region = 0; region < world->region_count; region++) {
        struct fed_hub *home = survivor(world, region);
        struct signed_checkpoint at;
        if (home_standing_now(home->home) != STANDING_DECIDING || home_checkpoint(home->home, &at) != ERR_NONE) {
            snprintf(why, 160, "hub %u does not decide about %s (standing %d)", home->index, world_region(region),
                     (int)home_standing_now(home->home));
            return false;
        }
        for (uint32_t i = 0; i < world->hub_count; i++)
            if (world->hubs[i]->up && world->hubs[i]->region != region &&
                !stands_there(world, world->hubs[i], region, &at.checkpoint, why))
                return false;
    }
    return true;
}

static void until_equal(struct world *world, int64_t most_us)
{
    int64_t until_us = world->now_us + most_us;
    char why[160] = "";
    while (!equal(world, why)) {
        sim_require(&world->sim, world->now_us < until_us, "all is well for %" PRId64 " s, but %s", most_us / SECOND_US,
                    why);
        world_run_until(world, world->now_us + LOOK_US);
        for (uint32_t i = 0; i < world->hub_count; i++)
            if (world->hubs[i]->up && world->hubs[i]->roster != world->roster)
                fed_hub_set_roster(world->hubs[i], world->roster);
    }
}

/* --- forks ----------------------------------------------------------------------------------------------------------
 */

static bool is_frozen(struct world *world, uint32_t region)
{
    struct replica_status status;
    for (uint32_t i = 0; i < world->hub_count; i++)
        if (world->hubs[i]->up && world->hubs[i]->region != region &&
            replica_status(world->hubs[i]->replica, world_region(region), &status) == ERR_NONE &&
            status.frozen != FROZEN_NOT)
            return true;
    return false;
}

/* Two hubs claim it, or did; or two restores opened an epoch of one number; or somebody else was to decide, or has
 * written on. */
static bool needs_an_operator(struct world *world, uint32_t region)
{
    enum home_standing standing = home_standing_now(survivor(world, region)->home);
    return world->claimed_twice[region] || world->truth->histories[region].forked || is_frozen(world, region) ||
           standing == STANDING_SUPERSEDED || standing == STANDING_BEHIND;
}

static bool decides(const struct fed_hub *hub)
{
    return home_standing_now(hub->home) == STANDING_DECIDING;
}

/* Opens the next epoch; once more where peers then show that there has been a later one. */
static void open_epoch(struct world *world, struct fed_hub *hub)
{
    uint64_t before, epoch, sequence;
    home_position(hub->home, &before, &sequence);
    for (int attempt = 0; attempt < 4; attempt++) {
        fed_hub_promote(hub, true, true);
        world_run_until(world, world->now_us + PROMOTED_US);
        home_position(hub->home, &epoch, &sequence);
        if (decides(hub) && epoch > before)
            return;
    }
    sim_fail(&world->sim, "hub %u was promoted and does not decide (standing %d)", hub->index,
             (int)home_standing_now(hub->home));
}

/* The documented procedure: one hub stays, opens the next epoch, and the next roster names it. */
static void end_fork(struct world *world, uint32_t region)
{
    struct fed_hub *hub = faults_settle_claims(world, region);
    struct signed_checkpoint at;
    open_epoch(world, hub);
    sim_require(&world->sim, home_checkpoint(hub->home, &at) == ERR_NONE, "hub %u has no checkpoint", hub->index);
    world->claimed_twice[region] = false;
    truth_release_promises(world, region, hub->head);
    world->thaws[region].thawed = true;
    world->thaws[region].epoch = at.checkpoint.epoch;
    world->thaws[region].opened = truth_entry(world, region, hub->head)->opened;
    memcpy(world->thaws[region].epoch_id, at.checkpoint.epoch_id, EPOCH_ID_BYTES);
    sim_note(&world->sim, "%s is thawed in epoch %" PRIu64, world_region(region), at.checkpoint.epoch);
    sim_cover(COVERED_THAWED);
    world_new_roster(world);
}

/* --- digests --------------------------------------------------------------------------------------------------------
 */

static void check_digests(struct world *world)
{
    for (uint32_t region = 0; region < world->region_count; region++) {
        struct fed_hub *home = survivor(world, region);
        struct signed_checkpoint at;
        uint8_t state[DIGEST_BYTES], digest[DIGEST_BYTES];
        uint64_t records;
        struct problem problem;
        enum err err = home_verify(home->home, &at, &records, state, &problem);
        sim_require(&world->sim, err == ERR_NONE, "hub %u does not verify: %s", home->index, problem.text);
        truth_digest(world, region, home->head, digest);
        sim_require(&world->sim, memcmp(state, digest, DIGEST_BYTES) == 0,
                    "hub %u has another digest than its log leads to", home->index);
        for (uint32_t i = 0; i < world->hub_count; i++) {
            struct fed_hub *hub = world->hubs[i];
            if (!hub->up || hub->region == region)
                continue;
            err = replica_verify(hub->replica, world_region(region), &records, state, &problem);
            sim_require(&world->sim, err == ERR_NONE, "hub %u does not verify %s: %s", hub->index, world_region(region),
                        problem.text);
            sim_require(&world->sim, memcmp(state, digest, DIGEST_BYTES) == 0 && records == at.checkpoint.records,
                        "hub %u has another digest of %s than its own hub", hub->index, world_region(region));
        }
    }
}

static void check_answers(struct world *world)
{
    for (uint32_t i = 0; i < world->hub_count; i++) {
        if (!world->hubs[i]->up)
            continue;
        clients_compare(world->hubs[i]);
        clients_same_answer(world->hubs[survivor(world, 0)->index], world->hubs[i]);
    }
}

/* Design section 9, Horizon: what was said of a carer who was then erased is on no disk any more. */
static void check_erased(struct world *world, uint32_t region, uint32_t erased)
{
    const struct entry *end = truth_entry(world, region, erased);
    for (uint32_t i = end->parent; i != NO_ENTRY; i = truth_entry(world, region, i)->parent) {
        const struct entry *entry = truth_entry(world, region, i);
        const struct octets value = {entry->value, entry->value_bytes};
        if ((entry->table != LOG_TABLE_CARER && entry->table != LOG_TABLE_OFFER) || entry->deleted ||
            entry->key_bytes != end->key_bytes || memcmp(entry->key, end->key, end->key_bytes) != 0)
            continue;
        sim_cover(COVERED_ERASED_EVERYWHERE);
        for (uint32_t hub = 0; hub < world->hub_count; hub++)
            sim_require(&world->sim,
                        world->hubs[hub]->gone || (!seam_contains(world->hubs[hub]->home_disk, &value) &&
                                                   !seam_contains(world->hubs[hub]->replica_disk, &value)),
                        "hub %u has entry %" PRIu64 " of %s still, about a carer erased by entry %" PRIu64, hub,
                        entry->sequence, world_region(region), end->sequence);
    }
}

static void check_all_erased(struct world *world)
{
    bool waited = false;
    for (uint32_t region = 0; region < world->region_count; region++)
        for (uint32_t i = survivor(world, region)->head; i != NO_ENTRY; i = truth_entry(world, region, i)->parent) {
            const struct entry *entry = truth_entry(world, region, i);
            if (entry->table != LOG_TABLE_CARER || !entry->deleted)
                continue;
            if (!waited)
                world_run_until(world, world->now_us + ERASED_US);
            waited = true;
            check_erased(world, region, i);
        }
}

static void restart_all(struct world *world)
{
    for (uint32_t i = 0; i < world->hub_count; i++)
        if (world->hubs[i]->up)
            fed_hub_kill(world->hubs[i], once_in(&world->sim, 2));
    faults_end_all(world);
}

void heal(struct world *world)
{
    sim_note(&world->sim, "all is well from here on");
    faults_end_all(world);
    world_run_until(world, world->now_us + SETTLED_US);
    for (uint32_t region = 0; region < world->region_count; region++)
        if (needs_an_operator(world, region))
            end_fork(world, region);
    until_equal(world, HEALED_MAX_US);
    for (uint32_t region = 0; region < world->region_count; region++)
        clients_write(world->clients, survivor(world, region));
    for (uint32_t region = 0; region < world->region_count; region++)
        syncs_check(world, survivor(world, region));
    world_run_until(world, world->now_us + SECOND_US);
    until_equal(world, HEALED_MAX_US);
    check_all_erased(world);
    until_equal(world, HEALED_MAX_US); /* a hold may have run out meanwhile */
    check_digests(world);
    check_answers(world);
    for (uint32_t region = 0; region < world->region_count; region++) {
        truth_check_promises(world, survivor(world, region));
        teams_check(world, survivor(world, region));
        told_check(world, survivor(world, region));
    }
    if (once_in(&world->sim, 4)) {
        restart_all(world);
        until_equal(world, HEALED_MAX_US);
        check_digests(world);
        check_answers(world);
    }
}
