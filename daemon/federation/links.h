/*
 * links.h - the thread of outbound hub links: sockets for the logic of federation.h.
 *
 * Owns: one thread with a poll(2) loop; dialling the roster's endpoints (in their order), TLS as this hub, checking
 * that the peer's certificate names that region's hub and was issued by that region's issuer (roster), the Follow
 * stream, the FetchSnapshot call and calls of Forward on one HTTP/2 connection a peer; the mailbox through which works,
 * updates and inbound positions come back to the logic. Not here: what to say (federation.c), inbound links (net,
 * service/federation.c), how a name becomes a socket (links_dial.h). Thread: create to destroy from main, the rest any.
 * Invariant: at most one connection to a peer; nothing is heard from a peer whose name or issuer is not the roster's.
 */
#ifndef VACANCY_FEDERATION_LINKS_H
#define VACANCY_FEDERATION_LINKS_H

#include "daemon/federation/federation.h"
#include "daemon/federation/forward.h"
#include "daemon/federation/wakes.h"
#include "proto/wire/tls.h"

struct links_options {
    struct federation_options federation; /* its links port is filled in here; works.work and works.update are called
                                             with the reply address set, and only once links_start was */
    char trust_domain[256];
    struct tls_context *tls; /* client role; its reference is taken over */
    size_t message_bytes_max;
    struct wakes *wakes; /* woken at least every FEDERATION_PING_MS; may be NULL */
};

struct links;
/* The logic and the mailbox, no thread yet: from here on the functions below may be called. NULL: no memory. */
struct links *links_create(const struct links_options *options) __attribute__((warn_unused_result));
void links_start(struct links *links);
/*
 * Ends the links, answers the forwards that are under way (so before those who wait for them go) and takes no more,
 * waits for what the writers have of ours (so before they stop), ends the thread. NULL is fine, as is a thread that was
 * never started. What others still post is kept or dropped until links_destroy.
 */
void links_stop(struct links *links);
/* After everybody who posts. NULL is fine. */
void links_destroy(struct links *links);
/* The logic, for federation_status. */
struct federation *links_federation(struct links *links);
/* Any thread. A new roster or TLS context (references taken over; NULL: unchanged), soon; problems are logged. */
void links_reload(struct links *links, const struct roster *roster, struct tls_context *tls);
/* Any thread: federation_peer_has, on the links' thread, soon; joined with what that peer said since its last turn.
 * Takes it. */
void links_peer_has(struct links *links, struct peer_positions *positions);
/* Any thread: a forward_port's submit (forward.h); ctx is the links. */
enum err links_forward(void *links, struct forward *forward);
/* Any thread: federation_changed, when the loop wakes next: within FEDERATION_PING_MS. */
void links_changed(struct links *links);

#endif
