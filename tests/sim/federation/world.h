/*
 * world.h - one seed's federation: hubs on one virtual time, and what happens when.
 *
 * Owns: the queue of events and the time (microseconds), the roster's versions, the hubs' places. Not here: a hub's
 * parts (hubs.h), messages between hubs (network.h), what is true (truth.h), what goes wrong (faults.h), the end
 * (heal.h).
 * Thread: the simulator's one.
 * Invariant: events run in the order of (time, serial), so that what happens is a function of (seed, steps) alone.
 */
#ifndef VACANCY_TESTS_SIM_WORLD_H
#define VACANCY_TESTS_SIM_WORLD_H

#include "daemon/record/roster.h"
#include "tests/sim/sim.h"

#define WORLD_REGIONS_MIN 3
#define WORLD_REGIONS_MAX 5
#define WORLD_HUBS_MAX    8 /* with those that claim a region that another hub has */
#define WORLD_DOMAIN      "sim.example"

struct fed_hub;
struct network;
struct truth;
struct clients;
struct faults;
struct beds;
struct forwards;
struct moves;
struct owners;
struct syncs;
struct teams;
struct world;

/* `life` is the hub's when the event was made: of a process that is gone it is dropped. */
struct event {
    int64_t at_us;
    uint64_t serial;
    void (*run)(struct world *world, const struct event *event);
    uint32_t hub, life;
    uint64_t arg;
};

struct world {
    struct sim sim; /* first */
    int64_t now_us;
    uint64_t serials;
    struct event *events; /* a heap */
    size_t event_count, event_capacity;

    uint32_t region_count, hub_count;
    struct fed_hub *hubs[WORLD_HUBS_MAX]; /* the first region_count are the regions' own */
    struct signer *root;
    const struct roster *roster; /* the newest; hubs may still have an older one */
    uint64_t roster_version;
    struct {
        bool thawed;
        uint64_t epoch;
        uint8_t epoch_id[EPOCH_ID_BYTES];
        uint32_t opened; /* the entry that opened it, in truth */
    } thaws[WORLD_REGIONS_MAX];

    struct network *network;
    struct truth *truth;
    struct clients *clients;
    struct faults *faults;
    struct beds *beds;
    struct forwards *forwards;
    struct teams *teams;
    struct moves *moves;
    struct owners *owners;
    struct syncs *syncs;
    /* How often the region's private tables (request ids, who holds) went back, or came to be twice. */
    uint32_t memories_lost[WORLD_REGIONS_MAX];
    bool carers_ended[WORLD_REGIONS_MAX]; /* some agency asked for it */
    bool clocks_stepped;                  /* some wall clock was ever wrong */
    /* An operator took a loss in this region, or two hubs claim it: promises are what the survivor keeps. */
    bool loss_accepted[WORLD_REGIONS_MAX], claimed_twice[WORLD_REGIONS_MAX];
    uint32_t liar;   /* who lies, when somebody does; UINT32_MAX: nobody in this seed */
    bool disks_lost; /* some replica: with a second disk, a region's own, promises may go */
};

static inline struct world *world_of(struct sim *sim)
{
    return (struct world *)sim;
}

/* Runs one seed. */
void world_run(struct sim *sim, uint64_t seed, uint32_t steps, const struct gazetteer *gazetteer);

/* Books an event `after_us` from now for the hub's process of now. */
void world_book(struct world *world, int64_t after_us, uint32_t hub,
                void (*run)(struct world *world, const struct event *event), uint64_t arg);
/* Runs everything that is due up to `until_us`; time stands there afterwards. */
void world_run_until(struct world *world, int64_t until_us);
/* Time passes at once: what would have happened meanwhile is late. */
void world_jump(struct world *world, int64_t span_us);
/* One event, if any is due before `until_us`. */
bool world_run_one(struct world *world, int64_t until_us);

/* The region's code; every seed has the same names. */
const char *world_region(uint32_t region);
uint32_t world_region_index(const struct world *world, const char *code); /* UINT32_MAX: none of them */
/* The authority whose teams are that region's. */
const char *world_authority(uint32_t region);
/* A roster of the next version, with the thaws as they stand. */
void world_new_roster(struct world *world);

#endif
