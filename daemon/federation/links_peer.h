/*
 * links_peer.h - the link to one peer: dialled, greeted (TLS, its certificate), then one Follow stream and at most one
 * FetchSnapshot call.
 *
 * Owns: the socket, the HTTP/2 connection, both streams, and the order in which the logic hears of them. Not here: the
 * loop and the mailbox (links.c), finding a socket (links_dial.h). Thread: the links'.
 * Invariant: the logic hears linked and unlinked, and why, only out of peer_settle: never from within its own calls.
 *
 *     DOWN --dial--> DIALLING --connected--> GREETING --the peer is who it should be--> LINKED
 *       ^               |  <----the next address----- |                                   |
 *       +-------------all were tried------------------+----------over: unlinked-----------+
 */
#ifndef VACANCY_FEDERATION_LINKS_PEER_H
#define VACANCY_FEDERATION_LINKS_PEER_H

#include "daemon/base/arena.h"
#include "daemon/federation/federation.h"
#include "daemon/federation/links_dial.h"
#include "proto/wire/h2.h"

enum peer_state { PEER_DOWN, PEER_DIALLING, PEER_GREETING, PEER_LINKED };

/* What all peers share; links.c's. */
struct peer_shared {
    struct federation *federation;
    struct resolver *resolver;
    struct tls_context *tls;
    char trust_domain[256];
    struct h2_limits limits;
    struct arena arena; /* one message's, while the logic hears it */
    int64_t now_ms;     /* of this turn */
};

struct peer {
    struct peer_shared *shared;
    uint32_t number;
    const struct roster_region *region; /* lives as long as the roster that links.c holds */
    enum peer_state state;
    struct dial dial;
    struct h2_conn *conn;
    struct h2_stream *follow, *fetch;
    bool paused;       /* the logic takes no more now */
    bool touched;      /* conn wants to be settled */
    bool over;         /* what is under way has ended or failed: peer_settle goes on from it */
    bool fetch_failed; /* before it began; told in peer_settle */
    struct problem why;
    char said[PROBLEM_TEXT_BYTES]; /* the last failure that was logged as news */
};

void peer_init(struct peer *peer, struct peer_shared *shared, uint32_t number, const struct roster_region *region);
/* Ends it without a word to the logic. */
void peer_finish(struct peer *peer);

/* What the logic asks for; see struct link_port. */
void peer_dial(struct peer *peer);
void peer_hang_up(struct peer *peer);
bool peer_send(struct peer *peer, const Vacancy__V1__FollowRequest *message);
void peer_fetch(struct peer *peer, const Vacancy__V1__FetchSnapshotRequest *request);
void peer_stop_fetch(struct peer *peer);
void peer_set_reading(struct peer *peer, bool on);

/* The resolver's answer. */
void peer_answer(struct peer *peer, uint64_t ticket, struct resolved *resolved);
/* Whether the peer's certificate would also be accepted with shared->tls; if not the link ends. */
void peer_recheck(struct peer *peer);

/* The loop's side. peer_fd: -1, nothing to wait for. peer_events: of poll(2). */
int peer_fd(const struct peer *peer);
short peer_events(const struct peer *peer);
int64_t peer_deadline_ms(const struct peer *peer);
void peer_event(struct peer *peer, short events);
/* The end of the turn: sends, and tells the logic what became of it. True: come again at once. */
bool peer_settle(struct peer *peer);

#endif
