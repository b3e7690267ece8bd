/*
 * conn.h - one connection on its worker: the socket's events, the timer and the limits around wire's state machine.
 *
 * Owns: wire's connection (which owns the descriptor), its libevent events. Not here: TLS and HTTP/2 (wire), streams
 * (rpc). Thread: the worker's. Invariant: interest, timer and death are derived once, in conn_settle, at the end of a
 * turn that touched the connection. Private to daemon/net.
 */
#ifndef VACANCY_NET_CONN_H
#define VACANCY_NET_CONN_H

#include "daemon/net/timers.h"
#include "daemon/net/worker.h"

#include <event2/event.h>
#include <netinet/in.h>

/* What the kernel says of either end of a TCP socket. */
union socket_address {
    struct sockaddr any;
    struct sockaddr_in in4;
    struct sockaddr_in6 in6;
};

#define PEER_TEXT_BYTES (INET6_ADDRSTRLEN + 8) /* "[::1]:5123" */

struct conn {
    struct worker *worker;
    struct conn *next, **link; /* all connections of the worker */
    struct conn *touched_next; /* those to settle at the end of this turn */
    bool touched, dead;
    bool again; /* wire asked for another turn */
    uint64_t id;
    struct h2_conn *h2;
    struct event *readable, *writable;
    unsigned interest; /* H2_READABLE | H2_WRITABLE as the events stand */
    struct timer timer;
    char *principal; /* holds one place in `principals`; NULL until the handshake is done */
    char peer[PEER_TEXT_BYTES];
    unsigned tls_generation; /* of the context that its certificate was last checked with */
};

/* Takes the descriptor. NULL when there is no memory for it (closed and logged). */
struct conn *conn_create(struct worker *worker, int fd, uint64_t id);
/* Writes, derives interest and timer, finds out whether it is dead. */
void conn_settle(struct conn *conn);
/* Says good-bye: GOAWAY; open calls end, or are cut at the deadline. */
void conn_drain(struct conn *conn, int64_t deadline_boot_ms);
void conn_destroy(struct conn *conn);

/* worker.c: have it settled at the end of this turn. */
void worker_touch(struct worker *worker, struct conn *conn);

#endif
