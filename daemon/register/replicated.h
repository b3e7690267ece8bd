/*
 * replicated.h - updates that are durable here and wait until a peer hub has them durably too (design 4.2).
 *
 * Owns: the updates given to it, until it gives them back with result.replicated said. Not here: the writer's thread
 * (writer.c), what peers have (federation). Time comes in as an argument: the simulator runs this code.
 * Thread: one. Invariant: an update comes back once: replicated, after REPLICATED_WAIT_MS, or while its caller can
 * still be answered (REPLICATED_RESERVE_MS before its expires_boot_ms), whichever is first; never more than `max` wait.
 */
#ifndef VACANCY_REGISTER_REPLICATED_H
#define VACANCY_REGISTER_REPLICATED_H

#include "daemon/register/home.h"

/* What is left of a caller's deadline for the way back: what is committed here must not be answered with the deadline's
 * error for want of a peer. */
#define REPLICATED_RESERVE_MS 50

struct replicated;

struct replicated *replicated_create(size_t max);  /* aborts when out of memory */
void replicated_destroy(struct replicated *waits); /* nothing may wait any more; NULL is fine */
/* Takes the update, done at result.epoch and result.sequence. False: too many wait, it stays the caller's. */
bool replicated_wait(struct replicated *waits, struct update *update, int64_t now_boot_ms)
    __attribute__((warn_unused_result));
/* A peer has this hub's own log up to there, durably. Positions may come in any order. */
void replicated_reached(struct replicated *waits, uint64_t epoch, uint64_t sequence);
/* The next one that need not wait any longer, in the order in which they came; NULL: none. */
struct update *replicated_next(struct replicated *waits, int64_t now_boot_ms);
/* As if everybody's time were up: for the end. */
struct update *replicated_give_up(struct replicated *waits);
size_t replicated_count(const struct replicated *waits);
/* When to look next: nobody's time is up before, on the boot clock; INT64_MAX: nobody waits. */
int64_t replicated_deadline(const struct replicated *waits);

#endif
