/*
 * replicated.c - see replicated.h. A list in order of arrival, so of deadlines too: all wait equally long.
 * Invariant: the first `looked_at` of them are not reached by the furthest position that is known.
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
    uint64_t epoch, sequence; /* the furthest that a peer has */
    struct wait list[];
};

struct replicated *replicated_create(size_t max)
{
    struct replicated *waits = calloc(1, sizeof *waits + max * sizeof waits->list[0]);
    if (waits == NULL)
        log_fatal("register", "no memory for %zu updates that wait", max);
    waits->max = max;
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
    waits->list[waits->count++] = (struct wait){update, now_boot_ms + REPLICATED_WAIT_MS};
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

struct update *replicated_next(struct replicated *waits, int64_t now_boot_ms)
{
    for (; waits->looked_at < waits->count; waits->looked_at++)
        if (is_reached(waits, waits->list[waits->looked_at].update))
            return take(waits, waits->looked_at, true);
    return waits->count > 0 && waits->list[0].until_boot_ms <= now_boot_ms ? take(waits, 0, false) : NULL;
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
    return waits->count > 0 ? waits->list[0].until_boot_ms : INT64_MAX;
}
