/*
 * timers.h - which of many moments comes first.
 *
 * Owns: a binary heap of timers that lie inside their owners (a connection, a call), so that setting one allocates
 * nothing and an owner can take its own out. Not here: the clock and the loop that waits (worker).
 * Thread: one owner. Invariant: heap[0] is due first, and heap[timer->place] is the timer itself.
 */
#ifndef VACANCY_NET_TIMERS_H
#define VACANCY_NET_TIMERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TIMER_NEVER INT64_MAX

struct timer {
    int64_t due_boot_ms;
    size_t place; /* in the heap, 1 first; 0: not set. A zeroed timer is a timer that is not set. */
    void (*due)(struct timer *timer);
};

struct timers {
    struct timer **heap; /* [1..count] */
    size_t count, capacity;
};

/* Sets or moves it; TIMER_NEVER takes it out. Aborts when out of memory (8 bytes a timer). */
void timer_set(struct timers *timers, struct timer *timer, int64_t due_boot_ms);
void timer_cancel(struct timers *timers, struct timer *timer);
/* TIMER_NEVER when none is set. */
int64_t timers_next(const struct timers *timers);
/* Takes out and calls those due, in order, at most `max` (the rest is due at once again); returns how many. */
size_t timers_run(struct timers *timers, int64_t now_boot_ms, size_t max);
/* Frees the heap; no timer may be set. */
void timers_finish(struct timers *timers);

#endif
