/*
 * calls.h - clients' calls without a network: call.h's face towards the shipped handlers.
 *
 * Owns: the calls under way at one hub, who makes them, and the mailbox through which the writer's answers come back.
 * Not here: what is asked and what the answer must be (traffic.c, reads.c).
 * Thread: the simulator's one. Invariant: every handler hears closed() once; what a handler sends after finish, or
 * shows before its disclosure is on the trail, fails the seed.
 */
#ifndef VACANCY_TESTS_SIM_CALLS_H
#define VACANCY_TESTS_SIM_CALLS_H

#include "daemon/base/digest.h"
#include "daemon/rpc/call.h"
#include "proto/wire/tls.h"
#include "tests/sim/sim.h"

struct sim_call;

/* What a client does with its answers. Any may be NULL. */
struct client {
    void (*answered)(struct sim_call *call, const ProtobufCMessage *message);
    /* Whether it takes more now; NULL: by chance. */
    bool (*has_room)(struct sim_call *call);
    void (*ended)(struct sim_call *call, const struct problem *problem); /* problem->code ERR_NONE: OK */
};

struct sim_call {
    struct call call; /* first: handlers know only this */
    struct calls *calls;
    struct sim_hub *hub; /* run_sim's */
    const struct client *client;
    void *user; /* the client's own */
    struct tls_peer peer;
    struct arena arena;
    uint64_t serial;
    uint64_t disclosed_before; /* appends to the trail when it began */
    uint32_t sent;
    bool shows; /* its answers show records: no message before a disclosure */
    bool finished, yielded, gone;
    bool not_reading;     /* the handler takes nothing more for now */
    bool was_forwarded;   /* its end's detail is of what was asked of another hub */
    bool outcome_unknown; /* which says: that may have been done */
    uint8_t *status;      /* google.rpc.Status octets of its end; NULL: none */
    size_t status_bytes;
    int64_t wake_boot_ms; /* when the handler wants to hear due(); 0: not */
    struct sim_call *next;
};

/* What the calls of a hub need of it. */
struct calls_hub {
    struct sim *sim;
    struct seam *seam; /* of the environment with the trail of disclosures */
    const struct clock_source *clock;
    void *context;           /* the services' */
    struct sim_hub *hub;     /* run_sim's */
    struct fed_hub *fed_hub; /* run_sim_federation's */
    uint32_t places;         /* for answers on their way */
};

struct calls {
    struct calls_hub of;
    struct mailbox *mailbox;
    struct sim_call *first;
    uint64_t serials;
};

void calls_open(struct calls *calls, const struct calls_hub *of);
/* As a kill does: nobody is told anything, everything is freed. */
void calls_drop(struct calls *calls);
void calls_close(struct calls *calls);

/* Begins a call in `name`'s name, whose certificate this key issued; messages follow with call_feed. It lives until
 * calls_turn after its end. */
struct sim_call *call_begin_as(struct calls *calls, const char *path, const char *name,
                               const uint8_t issuer[DIGEST_BYTES], const struct client *client, void *user);
/* The same from this hub's own issuer. */
#define SIM_ISSUER_OCTET 0x5a
struct sim_call *call_begin(struct calls *calls, const char *path, const char *name, const struct client *client,
                            void *user);
/* Hands the handler a message, unless the call is over. */
void call_feed(struct sim_call *call, const ProtobufCMessage *message);
void call_half_close(struct sim_call *call);
/* The client went away. */
void call_cancel(struct sim_call *call);
/* The worker's turn: answers from the writer, yielded work, ended calls closed and freed. */
void calls_turn(struct calls *calls);

#endif
