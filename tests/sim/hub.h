/*
 * hub.h - one hub in the simulator: the shipped register, index, access, trail and services over a disk that can die.
 *
 * Owns: the hub's clocks, its disk, the parts' life (start, kill, power cut, restart), the writer's queue and its turn.
 * Not here: what clients do (traffic.h), what must hold (model.h, proof.h).
 * Thread: the simulator's one.
 * Invariant: while `up`, the parts are those that main.c would have wired; after a death they are gone and only the
 * disk is left.
 */
#ifndef VACANCY_TESTS_SIM_HUB_H
#define VACANCY_TESTS_SIM_HUB_H

#include "daemon/service/service.h"
#include "tests/sim/calls.h"
#include "tests/sim/model.h"
#include "tests/sim/proof.h"
#include "tests/sim/seam.h"
#include "tests/sim/sim.h"

#define SIM_REGION   "E12000003"
#define SIM_DOMAIN   "sim.example"
#define SIM_OPERATOR "spiffe://sim.example/region/E12000003/operator/duty"
#define SIM_TEAM     "spiffe://sim.example/region/E12000003/placement-team/E08000035/team-1"
#define SIM_AGENCY   "spiffe://sim.example/region/E12000003/agency/"
#define SIM_QUEUE    64
/* Not the defaults: what is a region's policy is no fact of time. Short, so that much lapses. */
#define SIM_LAPSE_EMERGENCY_MS (4 * HOUR_MS)
#define SIM_LAPSE_MS           (30 * HOUR_MS)
#define PRINCIPALS             (AGENCIES + 2) /* agencies, the team, the operator */

/* An update on its way to the writer, and the operation that it came from. */
struct queued {
    struct update *update;
    struct operation *operation;
};

struct sim_hub {
    struct sim *sim;
    bool up;
    int64_t wall_error_ms; /* this hub's wall clock less true time */
    int64_t booted_at_ms;  /* true time at which its boot clock was 0 */
    struct clock_source clock;
    struct randomness randomness;
    struct signer *signer;
    struct issuer_binding issuer;
    struct seam *seam;

    struct home *home;
    struct match *match;
    struct access *access;
    struct disclosures *disclosures;
    struct service_context context;

    struct calls calls;
    struct queued queue[SIM_QUEUE];
    uint32_t queue_count;
    struct operation *submitting; /* whose message a handler is looking at */

    struct model model;
    struct proof proof;
    bool disk_full;        /* or may be: puts may answer STORE_FULL */
    bool power_was_cut;    /* since it was last up */
    bool batch_committed;  /* the last batch */
    bool refused_for_room; /* the last update refused was */
    uint32_t life;         /* counts starts */
    uint64_t checked_commits;
    int64_t latest_wall_ms; /* the latest this hub's wall clock ever showed */
};

struct sim_hub *hub_create(struct sim *sim);
void hub_destroy(struct sim_hub *hub);

/* Opens what the disk holds, as main.c does. A death planned within it may leave the hub down; anything else fails. */
void hub_start(struct sim_hub *hub);
/* A process is gone from one moment to the next. */
void hub_kill(struct sim_hub *hub, bool power_cut);
/* SIGTERM: what is queued is applied and answered, the trail is headed. */
void hub_stop(struct sim_hub *hub);

/* The writer's turn: at most `most` of the queue in one batch, then its answers. */
void hub_writer_turn(struct sim_hub *hub, uint32_t most);
void hub_lapse(struct sim_hub *hub, size_t most);
/* Signs a head over both chains and checks it. */
void hub_sign_head(struct sim_hub *hub);
/* If the disk died under it, the process is gone too: kill and leave it down. True if it was dead. */
bool hub_bury(struct sim_hub *hub, bool power_cut);

/* Everything that must hold after a step. */
void hub_check(struct sim_hub *hub);

#endif
