/*
 * health.h - grpc.health.v1.Health: can the hub answer?
 *
 * Owns: one state for the hub and all its services, and the calls that watch it.
 * Not here: how the hub is in detail (HubService.GetStatus).
 * Thread: health_set any; handlers on their workers. Invariant: a watcher that is linked holds one reserved reply.
 */
#ifndef VACANCY_SERVICE_HEALTH_H
#define VACANCY_SERVICE_HEALTH_H

#include "daemon/rpc/call.h"

struct access;
struct health;

enum health_state {
    HEALTH_STARTING, /* NOT_SERVING */
    HEALTH_SERVING,
    HEALTH_STOPPING, /* NOT_SERVING, and watching calls end, so that they hold up no stop */
};

/* `services`: full names and how many there are in the end; borrowed, complete before the first call. `access` is
 * borrowed: any principal that it can identify may ask. */
struct health *health_create(const char *const *services, const uint32_t *count, struct access *access);
/* NULL is fine. No call may be left. */
void health_destroy(struct health *health);
void health_set(struct health *health, enum health_state state);
/* Their context is the struct health. */
const struct rpc_method *health_methods(size_t *count);

#endif
