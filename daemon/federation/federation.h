/*
 * federation.h - which hub's log is followed from whom, and whether this hub may decide: the logic.
 *
 * Owns: peers of the roster and what each has; per region one source (home first, else any peer that has it, switching
 * on silence), take and drop, when a snapshot is needed, what a verdict means for its source; back-off; this hub's own
 * standing (standing.c: may it decide, must it restore, was it superseded); what peers have durably (for REPLICATED).
 * Not here: sockets and threads (links.h), verifying and applying (register/replica.h), answering other hubs' Follow
 * (service/federation.c).
 * Thread: everything but federation_status: the links' thread, or the simulator's one. Time comes from the clock given,
 * randomness too, messages through the functions below: the simulator runs this code.
 * Invariant: a region has at most one source at a time; nothing that a peer says is believed but through a verdict of
 * the replica writer, or a checkpoint that the region's key of the roster signed.
 */
#ifndef VACANCY_FEDERATION_FEDERATION_H
#define VACANCY_FEDERATION_FEDERATION_H

#include "daemon/base/randomness.h"
#include "daemon/register/home.h"
#include "daemon/register/replica.h"
#include "vacancy/v1/federation_service.pb-c.h"

#define FEDERATION_PING_MS          500
#define FEDERATION_DEAD_MS          2000
#define FEDERATION_HELD_UP_MS       500   /* woken later than asked by more than this: held up */
#define FEDERATION_BACKOFF_MS       250   /* the first; doubles */
#define FEDERATION_BACKOFF_MAX_MS   10000 /* each is drawn between half of it and itself */
#define FEDERATION_BACKOFF_SPOKE_MS 2000  /* the most after a link on which positions were exchanged */
#define FEDERATION_USEFUL_MS        2000 /* positions were exchanged and the link lasted so long: the next dial is a first */
#define FEDERATION_EMPTY_WAIT_MS    3000 /* after the first answer, while this hub's own register is empty */

/* What the logic asks of links. A peer's number is its region's place in the roster it was given last. */
struct link_port {
    void *ctx;
    /* Connect, then Follow; federation_linked or federation_unlinked follows. */
    void (*dial)(void *ctx, uint32_t peer);
    /* federation_unlinked follows, unless it was not linked. */
    void (*hang_up)(void *ctx, uint32_t peer);
    /* On the peer's Follow stream. False: nothing more fits now (bounded); it was dropped and the link will be ended.
     */
    bool (*send)(void *ctx, uint32_t peer, const Vacancy__V1__FollowRequest *message);
    /* FetchSnapshot on the same connection; one at a time and peer. */
    void (*fetch)(void *ctx, uint32_t peer, const Vacancy__V1__FetchSnapshotRequest *request);
    void (*stop_fetch)(void *ctx, uint32_t peer);
    /* Off: takes no more from this peer, of either stream (flow control stops it). */
    void (*set_reading)(void *ctx, uint32_t peer, bool on);
    /* The roster changed: peers are numbered anew; all links are down. */
    void (*peers_changed)(void *ctx, const struct roster *roster);
};

/* Where works and updates go; both come back through federation_worked and federation_updated. */
struct work_port {
    void *ctx;
    enum err (*work)(void *ctx, struct replica_work *work); /* takes it on ERR_NONE */
    enum err (*update)(void *ctx, struct update *update);   /* takes it on ERR_NONE */
    /* A peer has this much of our own log, durably. */
    void (*replicated)(void *ctx, uint64_t epoch, uint64_t sequence);
    void (*roster)(void *ctx, const struct roster *roster); /* for the replica writer */
};

struct federation_options {
    char region[GSS_BYTES];
    const struct clock_source *clock;
    const struct randomness *randomness;
    const struct roster *roster; /* a reference is taken */
    struct home *home;
    struct replica *replica;
    struct link_port links;
    struct work_port works;
};

struct federation;
struct federation *federation_create(const struct federation_options *options);
void federation_destroy(struct federation *federation);

/* A new roster: links are ended and dialled anew, thaws are passed on. An older version is refused (ERR_STALE). */
enum err federation_set_roster(struct federation *federation, const struct roster *roster, struct problem *problem);

/* What links report. */
void federation_linked(struct federation *federation, uint32_t peer);
void federation_unlinked(struct federation *federation, uint32_t peer, const struct problem *why);
void federation_heard(struct federation *federation, uint32_t peer, const Vacancy__V1__FollowResponse *message);
void federation_snapshot_heard(struct federation *federation, uint32_t peer,
                               const Vacancy__V1__FetchSnapshotResponse *message);
void federation_snapshot_over(struct federation *federation, uint32_t peer, const struct problem *problem);
/* What comes back. Both take what they are given. */
void federation_worked(struct federation *federation, struct replica_work *work);
void federation_updated(struct federation *federation, struct update *update);

/* A hub that follows us said what it has (from its inbound Follow stream). Takes it. */
struct peer_positions {
    char peer[GSS_BYTES]; /* the hub's region, from its certificate */
    bool complete;
    uint32_t count;
    struct signed_checkpoint checkpoints[];
};
void federation_peer_has(struct federation *federation, struct peer_positions *positions);

/* We were held up for so long (a pause of the machine, a stopped process): that silence is not the peers', who may have
 * been paused as well or whose words lie unread. Their time to be heard in goes on where it stood; what they are shown
 * as last heard at moves with it. Before what came meanwhile is reported. */
void federation_held_up(struct federation *federation, int64_t held_ms);

/* Our own checkpoint changed: the peers are told with the next sign of life. */
void federation_changed(struct federation *federation);

/* Does what is due and what was heard makes due (so: once after each turn in which anything above was called); returns
 * the boot-clock moment at which to come again. */
int64_t federation_tick(struct federation *federation);

/* Any thread: what ListRegions and metrics show beside replica_status. */
struct federation_peer {
    char region[GSS_BYTES];
    bool linked;                  /* our Follow stream to it is up */
    bool answered;                /* said what it has since our start: asked about our own log */
    bool has_more;                /* of our own log than we have, by our key's signature */
    int64_t heard_boot_ms;        /* last sign of life; 0: never */
    char source[GSS_BYTES];       /* whose log of this region we follow: a peer's region; "": none */
    uint64_t replicated_sequence; /* of our own log, what it has durably */
};
size_t federation_status(struct federation *federation, struct federation_peer *out, size_t max);

#endif
