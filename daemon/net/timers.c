/*
 * timers.c - the heap. Owns nothing but it; its owner's thread.
 * Invariant: heap[n]->due >= heap[n / 2]->due for n > 1.
 */
#include "daemon/net/timers.h"

#include "daemon/base/log.h"

#include <stdlib.h>

static void place(struct timers *timers, struct timer *timer, size_t at)
{
    timers->heap[at] = timer;
    timer->place = at;
}

static void rise(struct timers *timers, struct timer *timer, size_t at)
{
    for (; at > 1 && timers->heap[at / 2]->due_boot_ms > timer->due_boot_ms; at /= 2)
        place(timers, timers->heap[at / 2], at);
    place(timers, timer, at);
}

static void sink(struct timers *timers, struct timer *timer, size_t at)
{
    for (size_t child; (child = 2 * at) <= timers->count; at = child) {
        if (child < timers->count && timers->heap[child + 1]->due_boot_ms < timers->heap[child]->due_boot_ms)
            child++;
        if (timers->heap[child]->due_boot_ms >= timer->due_boot_ms)
            break;
        place(timers, timers->heap[child], at);
    }
    place(timers, timer, at);
}

static void resettle(struct timers *timers, struct timer *timer, size_t at)
{
    rise(timers, timer, at);
    sink(timers, timer, timer->place);
}

static void grow(struct timers *timers)
{
    size_t capacity = timers->capacity ? 2 * timers->capacity : 64;
    struct timer **heap = realloc(timers->heap, (capacity + 1) * sizeof *heap);
    if (heap == NULL)
        log_fatal("net", "out of memory for %zu timers", capacity);
    timers->heap = heap;
    timers->capacity = capacity;
}

void timer_cancel(struct timers *timers, struct timer *timer)
{
    size_t at = timer->place;
    if (at == 0)
        return;
    timer->place = 0;
    struct timer *last = timers->heap[timers->count--];
    if (last != timer)
        resettle(timers, last, at);
}

void timer_set(struct timers *timers, struct timer *timer, int64_t due_boot_ms)
{
    if (due_boot_ms == TIMER_NEVER) {
        timer_cancel(timers, timer);
        return;
    }
    timer->due_boot_ms = due_boot_ms;
    if (timer->place != 0) {
        resettle(timers, timer, timer->place);
        return;
    }
    if (timers->count == timers->capacity)
        grow(timers);
    rise(timers, timer, ++timers->count);
}

int64_t timers_next(const struct timers *timers)
{
    return timers->count > 0 ? timers->heap[1]->due_boot_ms : TIMER_NEVER;
}

size_t timers_run(struct timers *timers, int64_t now_boot_ms, size_t max)
{
    size_t run = 0;
    for (; run < max && timers_next(timers) <= now_boot_ms; run++) {
        struct timer *timer = timers->heap[1];
        timer_cancel(timers, timer);
        timer->due(timer);
    }
    return run;
}

void timers_finish(struct timers *timers)
{
    free(timers->heap);
    *timers = (struct timers){0};
}
