/*
 * world.c - see world.h. One thread.
 */
#include "tests/sim/federation/world.h"

#include "daemon/base/text.h"
#include "tests/sim/federation/beds.h"
#include "tests/sim/federation/clients.h"
#include "tests/sim/federation/faults.h"
#include "tests/sim/federation/forwards.h"
#include "tests/sim/federation/heal.h"
#include "tests/sim/federation/hubs.h"
#include "tests/sim/federation/moves.h"
#include "tests/sim/federation/network.h"
#include "tests/sim/federation/owners.h"
#include "tests/sim/federation/syncs.h"
#include "tests/sim/federation/teams.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- events ------------------------------------------------------------------------------------------------------ */

static bool before(const struct event *a, const struct event *b)
{
    return a->at_us != b->at_us ? a->at_us < b->at_us : a->serial < b->serial;
}

static void heap_push(struct world *world, const struct event *event)
{
    if (world->event_count == world->event_capacity) {
        world->event_capacity = world->event_capacity ? 2 * world->event_capacity : 1024;
        world->events = realloc(world->events, world->event_capacity * sizeof *world->events);
        if (world->events == NULL)
            abort();
    }
    size_t at = world->event_count++;
    for (size_t parent; at > 0 && before(event, &world->events[parent = (at - 1) / 2]); at = parent)
        world->events[at] = world->events[parent];
    world->events[at] = *event;
}

static struct event heap_pop(struct world *world)
{
    struct event first = world->events[0], last = world->events[--world->event_count];
    size_t at = 0;
    for (size_t child; (child = 2 * at + 1) < world->event_count; at = child) {
        if (child + 1 < world->event_count && before(&world->events[child + 1], &world->events[child]))
            child++;
        if (!before(&world->events[child], &last))
            break;
        world->events[at] = world->events[child];
    }
    world->events[at] = last;
    return first;
}

void world_book(struct world *world, int64_t after_us, uint32_t hub,
                void (*run)(struct world *world, const struct event *event), uint64_t arg)
{
    const struct event event = {
        .at_us = world->now_us + (after_us > 0 ? after_us : 0),
        .serial = ++world->serials,
        .run = run,
        .hub = hub,
        .life = world->hubs[hub]->life,
        .arg = arg,
    };
    heap_push(world, &event);
}

static void stand_at(struct world *world, int64_t now_us)
{
    if (now_us > world->now_us)
        world->now_us = now_us;
    world->sim.now_ms = SIM_BEGINNING_MS + world->now_us / 1000;
}

bool world_run_one(struct world *world, int64_t until_us)
{
    if (world->event_count == 0 || world->events[0].at_us > until_us)
        return false;
    struct event event = heap_pop(world);
    stand_at(world, event.at_us);
    struct fed_hub *hub = world->hubs[event.hub];
    if (!hub->up || hub->life != event.life)
        return true;
    event.run(world, &event);
    fed_hub_after(hub);
    return true;
}

void world_run_until(struct world *world, int64_t until_us)
{
    while (world_run_one(world, until_us))
        ;
    stand_at(world, until_us);
}

void world_jump(struct world *world, int64_t span_us)
{
    stand_at(world, world->now_us + span_us);
}

/* --- regions and the roster -------------------------------------------------------------------------------------- */

const char *world_region(uint32_t region)
{
    static const char *const codes[WORLD_REGIONS_MAX] = {"E12000001", "E12000002", "E12000003", "E12000004",
                                                         "E12000005"};
    return codes[region];
}

const char *world_authority(uint32_t region)
{
    static const char *const codes[WORLD_REGIONS_MAX] = {"E06000047", "E08000003", "E08000035", "E06000018",
                                                         "E08000025"};
    return codes[region];
}

uint32_t world_region_index(const struct world *world, const char *code)
{
    for (uint32_t region = 0; region < world->region_count; region++)
        if (strcmp(world_region(region), code) == 0)
            return region;
    return UINT32_MAX;
}

static size_t roster_text(struct world *world, char *out, size_t size)
{
    char hex[2 * DIGEST_BYTES + 1], issuer_hex[2 * DIGEST_BYTES + 1];
    uint8_t key[PUBLIC_KEY_BYTES], issuer[DIGEST_BYTES];
    size_t at = (size_t)snprintf(out, size, "vacancy roster v1\nversion %" PRIu64 "\n", ++world->roster_version);
    for (uint32_t region = 0; region < world->region_count; region++) {
        signer_public_key(world->hubs[region]->signer, key);
        fed_hub_issuer(region, issuer);
        hex_encode(key, sizeof key, hex);
        hex_encode(issuer, sizeof issuer, issuer_hex);
        at += (size_t)snprintf(out + at, size - at, "region %s key %s issuer %s\nendpoint %s hub%u.example:8443\n",
                               world_region(region), hex, issuer_hex, world_region(region), region);
        at += (size_t)snprintf(out + at, size - at, "team %s %s\n", world_authority(region), world_region(region));
        hex_encode(world->thaws[region].epoch_id, EPOCH_ID_BYTES, hex);
        if (world->thaws[region].thawed)
            at += (size_t)snprintf(out + at, size - at, "thaw %s epoch %" PRIu64 " %s\n", world_region(region),
                                   world->thaws[region].epoch, hex);
    }
    return at;
}

void world_new_roster(struct world *world)
{
    char text[8192], hex[2 * SIGNATURE_BYTES + 1];
    uint8_t key[PUBLIC_KEY_BYTES], signature[SIGNATURE_BYTES];
    struct problem problem;
    size_t bytes = roster_text(world, text, sizeof text);
    signer_public_key(world->root, key);
    signer_sign(world->root, text, bytes, signature);
    hex_encode(signature, sizeof signature, hex);
    bytes += (size_t)snprintf(text + bytes, sizeof text - bytes, "signature %s\n", hex);
    roster_unref(world->roster);
    world->roster = NULL;
    enum err err = roster_parse(text, bytes, key, &world->roster, &problem);
    sim_require(&world->sim, err == ERR_NONE, "the roster is not taken: %s\n%s", problem.text, text);
}

/* --- a seed ------------------------------------------------------------------------------------------------------ */

static void begin(struct world *world)
{
    struct sim *sim = &world->sim;
    uint8_t seed[32];
    struct randomness chance = seeded_random_source(&sim->chance);
    random_fill(&chance, seed, sizeof seed);
    world->root = signer_from_seed(seed);
    world->region_count = WORLD_REGIONS_MIN + below(sim, WORLD_REGIONS_MAX - WORLD_REGIONS_MIN + 1);
    world->truth = truth_create();
    world->beds = beds_create();
    world->network = network_create(world);
    world->clients = clients_create();
    world->forwards = forwards_create();
    world->teams = teams_create();
    world->moves = moves_create();
    world->owners = owners_create();
    world->syncs = syncs_create();
    for (uint32_t region = 0; region < world->region_count; region++)
        (void)fed_hub_create(world, region);
    world_new_roster(world);
    world->faults = faults_create(world);
}

static void end(struct world *world)
{
    for (uint32_t i = 0; i < world->hub_count; i++)
        if (world->hubs[i]->up)
            fed_hub_kill(world->hubs[i], true);
    network_destroy(world->network);
    forwards_destroy(world->forwards);
    for (uint32_t i = 0; i < world->hub_count; i++)
        fed_hub_destroy(world->hubs[i]);
    faults_destroy(world->faults);
    clients_destroy(world->clients);
    teams_destroy(world->teams);
    moves_destroy(world->moves);
    owners_destroy(world->owners);
    syncs_destroy(world->syncs);
    truth_destroy(world->truth);
    beds_destroy(world->beds);
    roster_unref(world->roster);
    signer_destroy(world->root);
    free(world->events);
}

void world_run(struct sim *sim, uint64_t seed, uint32_t steps, const struct gazetteer *gazetteer)
{
    struct world *world = world_of(sim);
    memset(world, 0, sizeof *world);
    sim->program = "run_sim_federation";
    sim->seed = seed;
    sim->steps = steps;
    sim->gazetteer = gazetteer;
    stand_at(world, 0);
    seeded_random_init(&sim->chance, seed);
    begin(world);
    for (sim->step = 1; sim->step <= steps; sim->step++)
        faults_step(world);
    heal(world);
    end(world);
}
