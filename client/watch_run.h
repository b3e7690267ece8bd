/*
 * watch_run.h - runs a program for each event of a watch, one at a time, in their order.
 *
 * Owns: the queue (at most WATCH_RUN_MAX; a full one waits for the program), the child. The program gets no argument
 * and no shell sees anything of the hub's: which event it is for stands in VACANCY_EVENT (appeared, changed, gone) and
 * VACANCY_ID; of an agency's event also in VACANCY_REFERENCE, VACANCY_HOLD and VACANCY_CURSOR. Its standard output goes
 * to standard error, its input is empty. Thread: the client's one thread.
 */
#ifndef VACANCY_CLIENT_WATCH_RUN_H
#define VACANCY_CLIENT_WATCH_RUN_H

#include "daemon/base/error.h"

#include <stdbool.h>
#include <stdint.h>

#define WATCH_RUN_MAX 1000

struct watch_run;
/* Whether it can be run now, found as it will be; false: why, in *problem. */
bool watch_run_can(const char *program, struct problem *problem) __attribute__((warn_unused_result));
/* program is borrowed and must outlive it. */
struct watch_run *watch_run_create(const char *program);
/* Lets a program that runs end by itself. NULL is fine. */
void watch_run_destroy(struct watch_run *run);
/* False: the id is none (letters, digits, hyphens), so nothing is run for it. */
bool watch_run_add(struct watch_run *run, const char *event, const char *id);

/* Texts are copied. What an event does not have is "", and then not in the program's environment. */
struct watch_run_event {
    const char *event;
    const char *id, *hold; /* letters, digits, hyphens */
    const char *reference; /* the agency's own: printable ASCII */
    uint64_t cursor;       /* 0: none */
};
/* False: a text is none of that kind, or too long, so nothing is run for it. */
bool watch_run_add_event(struct watch_run *run, const struct watch_run_event *event);
/* The cursor of the newest event whose program has ended, other than by SIGINT, SIGTERM or SIGHUP; 0: none yet. */
uint64_t watch_run_done(const struct watch_run *run);
/* Whether every event's program has ended so. NULL is fine. */
bool watch_run_is_idle(const struct watch_run *run);
/* Waits for the program that runs now; those that wait are not started. NULL is fine. */
void watch_run_finish(struct watch_run *run);

/* Looks whether the program has ended, and starts it for the next event. NULL is fine. */
void watch_run_turn(struct watch_run *run);
/*
 * errno of a start that failed; 0: none did. From then on nothing is started: that event and those after it are not
 * dealt with. NULL is fine.
 */
int watch_run_broken(const struct watch_run *run);
/* Programs that did not end with 0, so far, but for those that were stopped. */
unsigned long watch_run_failures(const struct watch_run *run);

#endif
