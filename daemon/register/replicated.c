/*
 * replicated.c - see replicated.h. A list in order of arrival.
 * Invariant: the first `looked_at` of them are not reached by the furthest position that is known, and nobody's time is
 * up before `first_up_ms`.
 */
#include "daemon/register/replicated.h"

#include "daemon/base/log.h"

#include <stdlib.h>
#include <string.h>

struct wait {
    struct update *update;
    int64_t until_boot_ms;
};

struct replicated {
    size_t max, count;
    size_t looked_at;         /* of the first, which are known not to be reached yet */
    int64_t first_up_ms;      /* INT64_MAX: nobody waits */
    uint64_t epoch, sequence; /* the furthest that a peer has */
    struct wait list[];
};

struct replicated *replicated_create(size_t max)
{
    struct replicated *waits = calloc(1, sizeof *waits + max * sizeof waits->list[0]);
    if (waits == NULL)
        log_fatal("register", "no memory for %zu updates that wait", max);
    waits->max = max;
    waits->first_up_ms = INT64_MAX;
    return waits;
}

void replicated_destroy(struct replicated *waits)
{
    if (waits != NULL && waits->count > 0)
        log_fatal("register", "%zu updates still wait", waits->count);
    free(waits);
}

bool replicated_wait(struct replicated *waits, struct update *update, int64_t now_boot_ms)
{
    if (waits->count == waits->max)
        return false;
    int64_t until_ms = now_boot_ms + REPLICATED_WAIT_MS;
    if (update->expires_boot_ms != 0 && update->expires_boot_ms - REPLICATED_RESERVE_MS < until_ms)
        until_ms = update->expires_boot_ms - REPLICATED_RESERVE_MS;
    waits->list[waits->count++] = (struct wait){update, until_ms};
    if (until_ms < waits->first_up_ms)
        waits->first_up_ms = until_ms;
    return true;
}

void replicated_reached(struct replicated *waits, uint64_t epoch, uint64_t sequence)
{
    if (epoch < waits->epoch || (epoch == waits->epoch && sequence <= waits->sequence))
        return;
    waits->epoch = epoch;
    waits->sequence = sequence;
    waits->looked_at = 0;
}

/* A position of a later epoch covers what came before it in the same log; one of an earlier epoch may lie on a branch
 * that a restore has left. */
static bool is_reached(const struct replicated *waits, const struct update *update)
{
    return waits->epoch >= update->result.epoch && waits->sequence >= update->result.sequence;
}

static struct update *take(struct replicated *waits, size_t at, bool replicated)
{
    struct update *update = waits->list[at].update;
    waits->count--;
    memmove(&waits->list[at], &waits->list[at + 1], (waits->count - at) * sizeof waits->list[0]);
    if (at < waits->looked_at)
        waits->looked_at--;
    update->result.replicated = replicated;
    return update;
}

/* The first in order of arrival whose time is up; where there is none, when that will be is known anew. */
static struct update *take_late(struct replicated *waits, int64_t now_boot_ms)
{
    int64_t first_up_ms = INT64_MAX;
    if (waits->first_up_ms > now_boot_ms)
        return NULL;
    for (size_t i = 0; i < waits->count; i++) {
        if (waits->list[i].until_boot_ms <= now_boot_ms)
            return take(waits, i, false);
        if (waits->list[i].until_boot_ms < first_up_ms)
            first_up_ms = waits->list[i].until_boot_ms;
    }
    waits->first_up_ms = first_up_ms;
    return NULL;
}

struct update *replicated_next(struct replicated *waits, int64_t now_boot_ms)
{
    for (; waits->looked_at < waits->count; waits->looked_at++)
        if (is_reached(waits, waits->list[waits->looked_at].update))
            return take(waits, waits->looked_at, true);
    return take_late(waits, now_boot_ms);
}

struct update *replicated_give_up(struct replicated *waits)
{
    return waits->count > 0 ? take(waits, 0, is_reached(waits, waits->list[0].update)) : NULL;
}

size_t replicated_count(const struct replicated *waits)
{
    return waits->count;
}

int64_t replicated_deadline(const struct replicated *waits)
{
    return waits->count > 0 ? waits->first_up_ms : INT64_MAX;
}
