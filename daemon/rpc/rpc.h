/*
 * rpc.h - calls over connections: from a stream's first octet to a method's handler and back.
 *
 * Owns: the method table, each worker's calls, unpacking of requests. Not here: connections and threads (net), HTTP/2
 * and status (wire), what methods do (service).
 * Thread: main's for set-up; calls on net's workers. Invariant: a handler hears only whole messages that passed
 * wire's checks against the method's request type.
 */
#ifndef VACANCY_RPC_RPC_H
#define VACANCY_RPC_RPC_H

#include "daemon/net/net.h"
#include "daemon/rpc/calls.h"

struct rpc;

struct rpc_options {
    const struct clock_source *clock;
    uint32_t workers;               /* as net's */
    uint32_t calls_per_worker;      /* more are refused */
    size_t unpacked_max_bytes;      /* one request message in memory */
    int64_t unary_ms, streaming_ms; /* deadline of a call that brings none */
};

struct rpc *rpc_create(const struct rpc_options *options);
/* Before net_start. `context` is what the methods' calls have as context; both are borrowed. */
void rpc_add(struct rpc *rpc, const struct rpc_method *methods, size_t count, void *context);
/* To give to net_open, with the struct rpc as its ctx. */
const struct net_upper *rpc_upper(void);
/* Any thread: all workers' counts together. */
void rpc_counts(const struct rpc *rpc, struct call_counts *out);
/* After net_destroy. NULL is fine. */
void rpc_destroy(struct rpc *rpc);

#endif
