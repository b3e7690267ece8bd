/*
 * links_hub.h - the link to one peer: dialled, greeted (TLS, its certificate), then one Follow stream, at most one
 * FetchSnapshot call, and calls of Forward (links_forward.c).
 *
 * Owns: the socket, the HTTP/2 connection, its streams, and the order in which the logic hears of them. Not here: the
 * loop and the mailbox (links.c), finding a socket (links_dial.h). Thread: the links'.
 * Invariant: the logic hears linked and unlinked, and why, only out of links_hub_settle: never from within its own
 * calls.
 *
 *     DOWN --dial--> DIALLING --connected--> GREETING --the peer is who it should be--> LINKED
 *       ^               |  <----the next address----- |                                   |
 *       +-------------all were tried------------------+----------over: unlinked-----------+
 */
#ifndef VACANCY_FEDERATION_LINKS_HUB_H
#define VACANCY_FEDERATION_LINKS_HUB_H

#include "daemon/base/arena.h"
#include "daemon/federation/federation.h"
#include "daemon/federation/forward.h"
#include "daemon/federation/links_dial.h"
#include "proto/wire/h2.h"

enum links_hub_state { HUB_DOWN, HUB_DIALLING, HUB_GREETING, HUB_LINKED };

/* What all peers share; links.c's. */
struct links_shared {
    struct federation *federation;
    struct resolver *resolver;
    struct tls_context *tls;
    char trust_domain[256];
    struct h2_limits limits;
    struct arena arena; /* one message's, while the logic hears it */
    int64_t now_ms;     /* of this turn */
    const struct clock_source *clock;
    /* A forward whose problem is filled in; takes it. */
    void (*answered)(void *ctx, struct forward *forward);
    void *answered_ctx;
};

struct links_hub {
    struct links_shared *shared;
    uint32_t number;
    const struct roster_region *region; /* lives as long as the roster that links.c holds */
    enum links_hub_state state;
    struct dial dial;
    struct h2_conn *conn;
    struct h2_stream *follow, *fetch;
    bool paused;       /* the logic takes no more now */
    bool touched;      /* conn wants to be settled */
    bool over;         /* what is under way has ended or failed: links_hub_settle goes on from it */
    bool fetch_failed; /* before it began; told in links_hub_settle */
    struct problem why;
    int64_t down_since_ms; /* wall clock; while not linked */
    struct links_forward *forwards;
    uint32_t forward_count;
    int64_t forward_due_ms; /* with forwards: the earliest deadline, or earlier */
    int64_t stopping_ms;    /* the peer takes no more calls, and ours are waited for until then; 0: no */
};

void links_hub_init(struct links_hub *peer, struct links_shared *shared, uint32_t number,
                    const struct roster_region *region);
/* Ends it without a word to the logic; forwards under way are answered. */
void links_hub_finish(struct links_hub *peer);

/* What the logic asks for; see struct link_port. */
void links_hub_dial(struct links_hub *peer);
void links_hub_hang_up(struct links_hub *peer);
bool links_hub_send(struct links_hub *peer, const Vacancy__V1__FollowRequest *message);
void links_hub_fetch(struct links_hub *peer, const Vacancy__V1__FetchSnapshotRequest *request);
void links_hub_stop_fetch(struct links_hub *peer);
void links_hub_set_reading(struct links_hub *peer, bool on);

/* Takes it: answered through shared->answered, at once or later. */
void links_hub_forward(struct links_hub *peer, struct forward *forward);
/* links_forward.c's part of the rest. `context`: of the stream. */
void links_forward_heard(void *context, const uint8_t *data, size_t bytes);
void links_forward_closed(void *context, const struct h2_outcome *outcome);
/* The connection is about to go. */
void links_forwards_lose(struct links_hub *peer);
/* Answers those whose deadline has passed. */
void links_forwards_expire(struct links_hub *peer);
/* The peer takes no more calls: whether it is waited for because it has begun on some. */
bool links_forwards_wait(struct links_hub *peer);
int64_t links_forwards_due_ms(const struct links_hub *peer);

/* The resolver's answer. */
void links_hub_answer(struct links_hub *peer, uint64_t ticket, struct resolved *resolved);
/* Whether the peer's certificate would also be accepted with shared->tls; if not the link ends. */
void links_hub_recheck(struct links_hub *peer);

/* The loop's side. links_hub_fd: -1, nothing to wait for. links_hub_events: of poll(2). */
int links_hub_fd(const struct links_hub *peer);
short links_hub_events(const struct links_hub *peer);
int64_t links_hub_deadline_ms(const struct links_hub *peer);
void links_hub_event(struct links_hub *peer, short events);
/* The end of the turn: sends, and tells the logic what became of it. True: come again at once. */
bool links_hub_settle(struct links_hub *peer);

#endif
