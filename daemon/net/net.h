/*
 * net.h - the port: accepts connections, gives each to a worker thread, and stops in good order.
 *
 * Owns: the listener, the workers, the limits on connections, the TLS context that new connections get, signals (its
 * loop runs on the main thread). Not here: what a connection's calls mean (rpc), TLS and HTTP/2 (wire).
 * Thread: everything here belongs to main's, unless it says otherwise.
 * Invariant: a connection stays on the worker that it was given to, from handshake to close.
 */
#ifndef VACANCY_NET_NET_H
#define VACANCY_NET_NET_H

#include "daemon/base/error.h"
#include "daemon/base/mailbox.h"
#include "proto/wire/h2.h"
#include "proto/wire/tls.h"

struct net;
struct worker;

/* Kinds of mail that net itself takes; rpc's begin at NET_MAIL_UPPER. */
enum net_mail { NET_MAIL_CONNECTION = 1, NET_MAIL_DRAIN, NET_MAIL_UPPER = 16 };

/* Who is served: rpc. */
struct net_upper {
    /* On the worker's thread, before its first turn: its state there. Never NULL. */
    void *(*worker_start)(void *ctx, struct worker *worker);
    /* On the worker's thread, when its last connection has gone. */
    void (*worker_stop)(void *state);
    /* At the end of each turn, before connections are flushed. */
    void (*turn)(void *state);
    /* Mail of kind NET_MAIL_UPPER or above. */
    void (*mail)(void *state, const struct mail *mail);
    /* The same for mail found when the worker's thread has ended: only free the payload. On main's thread. */
    void (*undelivered)(void *ctx, const struct mail *mail);
    const struct h2_callbacks *callbacks; /* of the streams: net_conn_state is the way to the worker's state */
};

struct net_options {
    const char *listen; /* "192.0.2.1:8443", "[::]:0"; port 0: a free one */
    uint32_t workers;
    uint32_t connections_max, connections_per_principal_max;
    uint32_t mailbox_capacity; /* per worker: replies under way and connections handed over */
    int64_t drain_ms;
    struct h2_limits limits;
    struct tls_context *tls; /* its reference is taken over, on failure too */
    const struct clock_source *clock;
};

/* Binds and listens; serves nothing yet. ERR_INVALID, ERR_UNAVAILABLE (address in use, not ours). */
enum err net_open(const struct net_options *options, const struct net_upper *upper, void *upper_ctx, struct net **out,
                  struct problem *problem) __attribute__((warn_unused_result));
/* As bound. */
uint16_t net_port(const struct net *net);
/* Starts the workers. */
void net_start(struct net *net);

struct net_signals {
    void (*reload)(void *ctx);   /* SIGHUP */
    void (*stopping)(void *ctx); /* SIGTERM, SIGINT: the listener is closed, calls under way go on */
    void *ctx;
};
/*
 * Accepts until SIGTERM or SIGINT, then drains: GOAWAY, calls finish, at the latest after drain_ms connections are cut.
 * Returns when the workers have ended; mail that comes later waits for net_destroy.
 */
void net_run(struct net *net, const struct net_signals *signals);
/* New connections get this context; its reference is taken over. Any thread. */
void net_set_tls(struct net *net, struct tls_context *tls);
/* Open now. Any thread. */
uint32_t net_connections(const struct net *net);
/* For rpc, on the connection's worker: what worker_start gave, and the connection's number in the log. */
void *net_conn_state(struct h2_conn *h2);
uint64_t net_conn_id(struct h2_conn *h2);
/* After net_run (or without net_start), when nobody can send mail any more. NULL is fine. */
void net_destroy(struct net *net);

#endif
