/*
 * hubs.h - one hub of the federation in the simulator: two stores that die together, and the shipped parts over them.
 *
 * Owns: the hub's clocks, disks and life (start, kill, restore), both writers' queues and their turns, the timers of
 * what runs beside. Not here: the network (network.h), clients (clients.h).
 * Thread: the simulator's one.
 * Invariant: while `up`, the parts are those that main.c would have wired; after a death only the disks are left.
 */
#ifndef VACANCY_TESTS_SIM_HUBS_H
#define VACANCY_TESTS_SIM_HUBS_H

#include "daemon/federation/federation.h"
#include "daemon/federation/wakes.h"
#include "daemon/register/replicated.h"
#include "daemon/service/service.h"
#include "tests/sim/calls.h"
#include "tests/sim/federation/truth.h"
#include "tests/sim/federation/world.h"
#include "tests/sim/seam.h"

#define HUB_QUEUE       96
#define HUB_HOLD_MS     (20 * SECOND_MS) /* a hold's usual length: some run out in every seed */
#define HUB_HOLD_MAX_MS (30 * MINUTE_MS)

struct fed_hub {
    struct world *world;
    uint32_t index, region;
    bool up, gone; /* gone: never started again */
    uint32_t life;
    int64_t wall_error_ms, booted_at_ms;
    uint32_t boots; /* the boot id */
    struct clock_source clock;
    struct randomness randomness;
    struct signer *signer;
    struct seam *home_disk, *replica_disk;
    bool disk_full;

    struct home *home;
    struct replica *replica;
    struct match *match;
    struct access *access;
    struct disclosures *disclosures;
    struct federation *federation;
    struct wakes *wakes, *events;
    struct service_context context;
    struct calls calls;
    const struct roster *roster; /* that it has */

    struct update *updates[HUB_QUEUE]; /* for the home writer */
    uint32_t update_count;
    struct replicated *waits; /* what is durable here and not yet elsewhere */
    uint64_t peers_epoch, peers_sequence;
    struct replica_work *works[REPLICA_WORKS_MAX];
    uint32_t work_count;
    struct replica_work *worked[REPLICA_WORKS_MAX * 2]; /* on their way back */
    uint32_t worked_count;
    struct update *updated[HUB_QUEUE];
    uint32_t updated_count;
    const struct roster *replica_roster; /* for the replica writer, soon; NULL: none */
    bool home_booked, replica_booked, worked_booked, updated_booked, turn_booked;
    uint64_t tick; /* counts what is booked: only the last counts */

    uint32_t head; /* of its own log, in truth */
    bool decides;  /* at the last look */
    uint64_t learned_commits, frozen_commits;
    uint8_t seed[32]; /* of its key */
    int64_t payload_kept_ms;
    int64_t writers_slow_us; /* how long a turn of its writers may be in coming; 0: as ever */
    bool restored;           /* its home disk was made of a backup, which no start has yet noticed */
    bool ailing;             /* a commit failed: this process writes no more (D5) */
};

struct fed_hub *fed_hub_create(struct world *world, uint32_t region);
/* A copy of both disks as they are: a second hub with the same key. */
struct fed_hub *fed_hub_clone(struct fed_hub *hub);
void fed_hub_destroy(struct fed_hub *hub);
/* Down, its machine is started anew: its boot clock is at 0, its boot id another. */
void fed_hub_reboot(struct fed_hub *hub);
void fed_hub_start(struct fed_hub *hub);
/* A commit failed: this process writes no more (D5). */
static inline bool fed_hub_ails(const struct fed_hub *hub)
{
    return hub->home_disk->commit_failed || hub->replica_disk->commit_failed;
}
/* silently: nobody's connection is told. */
void fed_hub_kill(struct fed_hub *hub, bool silently);
/* After each event: a hub whose disk died is gone; what changed is checked and told. */
void fed_hub_after(struct fed_hub *hub);
/* A new roster comes into force there. */
void fed_hub_set_roster(struct fed_hub *hub, const struct roster *roster);
/* Its home disk becomes what `backup` has (it is taken over), its replica disk empty if it was lost as well. Down. */
void fed_hub_restore(struct fed_hub *hub, struct seam_image *backup, bool replica_lost);
void fed_hub_lose_replica(struct fed_hub *hub);
/* An operator's word. */
void fed_hub_promote(struct fed_hub *hub, bool accept_loss, bool new_epoch);
/* The logic has heard something: it comes to its next tick. */
void fed_hub_tick_soon(struct fed_hub *hub);
/* Handlers have something to do: mails, room, slices. */
void fed_hub_turn_soon(struct fed_hub *hub);
/* What fills or empties its disks; what has room has it in both. */
void fed_hub_room(struct fed_hub *hub);
enum err fed_hub_submit(void *ctx, struct update *update);
/* Its SPIFFE name. */
void fed_hub_name(const struct fed_hub *hub, char out[SPIFFE_NAME_BYTES]);
void fed_hub_issuer(uint32_t region, uint8_t out[DIGEST_BYTES]);

#endif
