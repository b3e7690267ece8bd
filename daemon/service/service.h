/*
 * service.h - the hub's services as one table of methods, and what their handlers share.
 *
 * Owns: the method table and the shared context's shape. One file per group of methods checks the request, calls the
 * parts and shapes the answer. Not here: identity (access), decisions and order (register), suitability (match), calls
 * themselves (rpc).
 * Thread: handlers run on their call's worker; the context is constant after start, but for its counters.
 * Invariant: nothing that shows a record is sent before its disclosure was recorded.
 */
#ifndef VACANCY_SERVICE_SERVICE_H
#define VACANCY_SERVICE_SERVICE_H

#include "daemon/access/access.h"
#include "daemon/access/disclosure.h"
#include "daemon/federation/federation.h"
#include "daemon/federation/forward.h"
#include "daemon/federation/wakes.h"
#include "daemon/gazetteer/gazetteer.h"
#include "daemon/match/match.h"
#include "daemon/register/backup.h"
#include "daemon/register/home.h"
#include "daemon/register/replica.h"
#include "daemon/rpc/call.h"
#include "daemon/service/verifier.h"

#include <stdatomic.h>

/* Where updates go: the home writer's queue (writer_submit), or the simulator's own. Takes the update on ERR_NONE. */
struct update_port {
    enum err (*submit)(void *ctx, struct update *update);
    void *ctx;
};

/* What only rpc and net know, for GetStatus. */
struct service_counters {
    uint32_t connections;
    uint64_t calls;
};

/*
 * What the federation's methods need beside home, replica and access; empty on a hub without a roster: then no other
 * hub is served.
 */
struct federation_port {
    struct log_reader home_log, replica_log; /* home_log_reader, replica_log_reader */
    /* Inbound streams wait here. wakes_all after each commit of home or replicas, and every FEDERATION_PING_MS (the
     * links' loop does both): this is also what sends their signs of life. */
    struct wakes *wakes;
    struct federation *federation; /* for federation_status */
    /* A hub that follows us said what it has: links_peer_has. Takes it. */
    void (*peer_has)(void *ctx, struct peer_positions *positions);
    void *peer_has_ctx;
    /* Requests to other regions' hubs: links_forward. submit NULL: a hub without federation. */
    struct forward_port forward;
};

#define STALE_AFTER_DEFAULT_MS 60000

/*
 * What may be unfinished at one time, that is, wait for a further turn with the index's version pinned: questions
 * (FindVacancies, ExplainVacancy) of one principal, of all, and rounds of standing searches. Far fewer than match can
 * pin, so that whatever needs no second turn is answered, however much is asked.
 */
#define QUESTIONS_EACH 16
#define QUESTIONS_MAX  1024
#define ROUNDS_MAX     1024
_Static_assert(QUESTIONS_MAX + ROUNDS_MAX <= MATCH_SEARCHES_MAX / 2, "room for what needs one turn");
/* And how long one may be worked on, whatever its deadline: what it pins is as old as this at most. */
#define QUESTION_MAX_MS 10000

/* WatchAgency: streams open at one time. */
#define AGENCY_WATCHES_MAX 4096

struct service_context {
    struct home *home;
    struct replica *replica; /* NULL: a hub without federation */
    struct update_port updates;
    struct match *match;
    const struct gazetteer *gazetteer;
    struct access *access;
    struct disclosures *disclosures;
    struct federation_port federation;
    struct wakes *events;      /* agencies' streams wait here: wakes_all after each commit of home, and at the end */
    struct verifier *verifier; /* NULL: Verify is not served */
    struct backups *backups;   /* NULL: none can be made */
    void (*counters)(void *ctx, struct service_counters *out); /* NULL: zeros */
    void *counters_ctx;
    char region[GSS_BYTES];
    bool allow_sector;      /* take carers whose home is known to a sector only */
    int64_t stale_after_ms; /* older data of a region is marked; 0: STALE_AFTER_DEFAULT_MS */
    const char *version;    /* static text */
    int64_t started_boot_ms;
    atomic_uint forwarded[ROSTER_REGIONS_MAX]; /* Forward calls under way, by the hub's place in the roster */
    atomic_uint_fast64_t searches;             /* answered */
    /* Owners (placement.h) of the unfinished questions, 0: a free place; and how many rounds are unfinished. */
    atomic_uint_fast64_t questions[QUESTIONS_MAX];
    atomic_uint rounds;
    atomic_uint watches; /* of agencies */
};

/* Every method of the hub. call->context of each is a struct service_context. Static storage. */
const struct rpc_method *service_methods(size_t *count);

#endif
