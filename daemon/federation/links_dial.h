/*
 * links_dial.h - from a region's endpoints in the roster to a connected socket, without ever blocking the links' loop.
 *
 * Owns: the order in which endpoints and their addresses are tried, the time each gets, non-blocking connects. Numeric
 * addresses are used at once; names are looked up by one thread of its own with getaddrinfo(3), and what it found is
 * kept for DIAL_KNOWN_MS, and beyond that for as long as a new look-up fails. Not here: TLS and what is said (links.c).
 * Thread: the links'. Invariant: at most one socket at a time; a look-up that never ends holds up only the names behind
 * it, and nobody who stops.
 */
#ifndef VACANCY_FEDERATION_LINKS_DIAL_H
#define VACANCY_FEDERATION_LINKS_DIAL_H

#include "daemon/base/mailbox.h"
#include "daemon/record/roster.h"

#include <sys/socket.h>

#define DIAL_ADDRESSES_MAX 8
#define DIAL_RESOLVE_MS    3000
#define DIAL_CONNECT_MS    2000
#define DIAL_KNOWN_MS      (5 * 60 * 1000)

/* What a look-up found; malloc'd. */
struct resolved {
    uint32_t count; /* 0: nothing, see why */
    struct {
        struct sockaddr_storage address;
        socklen_t bytes;
    } addresses[DIAL_ADDRESSES_MAX];
    const char *why; /* static text */
};

struct resolver;
/* Answers come as mail of this kind: `to` as asked, `value` the ticket, payload a struct resolved. At start-up only. */
struct resolver *resolver_create(struct mailbox *answers, uint32_t kind);
/* Doesn't wait for a look-up that is under way; after it nothing is answered any more. NULL is fine. */
void resolver_destroy(struct resolver *resolver);
/* The answer's ticket, never given twice; 0: too many names wait. */
uint64_t resolver_ask(struct resolver *resolver, const char *host, uint16_t port, uint64_t to);

enum dial_turn {
    DIAL_WAIT,      /* for dial->fd, dial->deadline_ms or an answer of the resolver */
    DIAL_CONNECTED, /* dial_take */
    DIAL_FAILED,    /* all were tried; dial->why is of the last */
};

struct dial {
    struct resolver *resolver;
    uint64_t id; /* `to` of its answers */
    const struct roster_region *region;
    uint32_t endpoint, address; /* that is being tried */
    uint32_t tried;             /* endpoints that failed, of this dial */
    uint32_t first;             /* where the next dial begins */
    uint64_t ticket;            /* of the answer that is waited for; 0: none */
    int fd;                     /* connecting; -1: none */
    int64_t deadline_ms;
    struct {
        struct resolved *resolved;
        int64_t until_ms; /* good until then; 0: look it up again, unless that fails */
    } known[ROSTER_ENDPOINTS_MAX];
    struct problem why;
};

void dial_init(struct dial *dial, struct resolver *resolver, uint64_t id, const struct roster_region *region);
void dial_finish(struct dial *dial);
/* From the first endpoint on; from the next one, if the last dial was stopped while it waited for one. */
enum dial_turn dial_start(struct dial *dial, int64_t now_ms);
/* What dial_take gave was no good, as `why` says: the next. */
enum dial_turn dial_next(struct dial *dial, const struct problem *why, int64_t now_ms);
/* dial->fd is writable (or in error), or the deadline has passed. */
enum dial_turn dial_event(struct dial *dial, bool ready, int64_t now_ms);
/* An answer for this dial, which takes it; old ones are told by their ticket. */
enum dial_turn dial_answer(struct dial *dial, uint64_t ticket, struct resolved *resolved, int64_t now_ms);
/* The connected socket: the caller's from here on. */
int dial_take(struct dial *dial);
/* Gives up. */
void dial_stop(struct dial *dial);
/* Host of the endpoint that is being tried: what its certificate must be for. */
const char *dial_host(const struct dial *dial);
uint16_t dial_port(const struct dial *dial);

#endif
