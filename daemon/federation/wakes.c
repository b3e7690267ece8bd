/*
 * wakes.c - see wakes.h. Owns the set, an array under one lock. Any thread.
 */
#include "daemon/federation/wakes.h"

#include "daemon/base/log.h"

#include <pthread.h>
#include <stdlib.h>

struct armed {
    struct reply_address address;
    unsigned logs;
};

struct wakes {
    pthread_mutex_t lock;
    struct armed *armed;
    size_t count, capacity; /* at most one for each open stream, which rpc bounds */
};

struct wakes *wakes_create(void)
{
    struct wakes *wakes = calloc(1, sizeof *wakes);
    if (wakes == NULL)
        log_fatal("federation", "out of memory");
    pthread_mutex_init(&wakes->lock, NULL);
    return wakes;
}

void wakes_destroy(struct wakes *wakes)
{
    if (wakes == NULL)
        return;
    pthread_mutex_destroy(&wakes->lock);
    free(wakes->armed);
    free(wakes);
}

void wakes_arm(struct wakes *wakes, const struct reply_address *address, unsigned logs)
{
    pthread_mutex_lock(&wakes->lock);
    if (wakes->count == wakes->capacity) {
        wakes->capacity = wakes->capacity ? 2 * wakes->capacity : 64;
        wakes->armed = realloc(wakes->armed, wakes->capacity * sizeof *wakes->armed);
        if (wakes->armed == NULL)
            log_fatal("federation", "out of memory");
    }
    wakes->armed[wakes->count++] = (struct armed){*address, logs};
    pthread_mutex_unlock(&wakes->lock);
}

bool wakes_disarm(struct wakes *wakes, const struct reply_address *address)
{
    bool found = false;
    pthread_mutex_lock(&wakes->lock);
    for (size_t i = 0; !found && i < wakes->count; i++) {
        const struct reply_address *armed = &wakes->armed[i].address;
        if (armed->mailbox == address->mailbox && armed->to == address->to && armed->kind == address->kind) {
            wakes->armed[i] = wakes->armed[--wakes->count];
            found = true;
        }
    }
    pthread_mutex_unlock(&wakes->lock);
    return found;
}

static void wake(struct wakes *wakes, unsigned logs, bool all)
{
    size_t left = 0;
    pthread_mutex_lock(&wakes->lock);
    for (size_t i = 0; i < wakes->count; i++) {
        const struct armed armed = wakes->armed[i];
        const struct mail mail = {.kind = armed.address.kind, .to = armed.address.to};
        if (all || (armed.logs & logs) != 0)
            mailbox_send_reserved(armed.address.mailbox, &mail);
        else
            wakes->armed[left++] = armed;
    }
    wakes->count = left;
    pthread_mutex_unlock(&wakes->lock);
}

void wakes_of(struct wakes *wakes, unsigned logs)
{
    wake(wakes, logs, false);
}

void wakes_all(struct wakes *wakes)
{
    wake(wakes, 0, true);
}
