/*
 * worker.h - one thread that serves connections: an event loop, a mailbox, timers, the end of each turn.
 *
 * A turn: wait for something -> hear all of it (sockets, mail, timers) -> flush and settle each connection that was
 * touched -> free the dead. Nothing is freed, written out or re-armed before the end of the turn.
 * Owns: its connections. Not here: accepting (net), streams (rpc).
 * Thread: its own, but for worker_create to worker_join. Invariant: after a turn no connection is both touched and
 * forgotten: it waits for its socket, for a timer, or for the next turn.
 */
#ifndef VACANCY_NET_WORKER_H
#define VACANCY_NET_WORKER_H

#include "daemon/base/clock.h"
#include "daemon/net/net.h"
#include "daemon/net/timers.h"

#include <event2/event.h>
#include <stdatomic.h>

struct conn;
struct principals;

/* What all workers share. */
struct worker_shared {
    const struct net_options *options;
    const struct net_upper *upper;
    void *upper_ctx;
    struct principals *principals;
    struct tls_context *(*tls)(void *ctx); /* a reference to the context of the moment; any thread */
    void *tls_ctx;
    const atomic_uint *tls_generation; /* counts contexts; raised after the newer one can be had */
};

struct worker *worker_create(const struct worker_shared *shared, uint32_t index);
void worker_start(struct worker *worker);
/* Any thread; once. */
void worker_drain(struct worker *worker);
/* main's thread: waits for the end of a drained worker. */
void worker_join(struct worker *worker);
/* Hands mail that nobody took to `undelivered`, and frees. */
void worker_destroy(struct worker *worker);
/* Any thread. Takes the descriptor on ERR_NONE. */
enum err worker_hand_over(struct worker *worker, int fd, uint64_t id) __attribute__((warn_unused_result));
/* Any thread. */
uint32_t worker_connections(const struct worker *worker);

/* For rpc, on the worker's thread. */
struct mailbox *worker_mailbox(struct worker *worker);
struct timers *worker_timers(struct worker *worker);
/* Boot clock, read once or twice a turn. */
int64_t worker_now_ms(struct worker *worker);
/* Another turn follows this one without waiting. */
void worker_again(struct worker *worker);
uint32_t worker_index(const struct worker *worker);

/* For conn.c, on the worker's thread. */
struct event_base *worker_base(struct worker *worker);
const struct worker_shared *worker_shared(const struct worker *worker);
void *worker_upper_state(struct worker *worker);

#endif
