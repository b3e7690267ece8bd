/*
 * watch_run.h - runs a program for each event of a watch, one at a time, in their order.
 *
 * Owns: the queue (at most WATCH_RUN_MAX; a full one waits for the program), the child. The program gets no argument
 * and no shell sees anything of the hub's: which event it is for stands in VACANCY_EVENT (appeared, changed, gone) and
 * VACANCY_ID. Its standard output goes to standard error, its input is empty. Thread: the client's one thread.
 */
#ifndef VACANCY_CLIENT_WATCH_RUN_H
#define VACANCY_CLIENT_WATCH_RUN_H

#include <stdbool.h>

#define WATCH_RUN_MAX 1000

struct watch_run;
/* program is borrowed and must outlive it. */
struct watch_run *watch_run_create(const char *program);
/* Lets a program that runs end by itself. NULL is fine. */
void watch_run_destroy(struct watch_run *run);
/* False: the id is none (letters, digits, hyphens), so nothing is run for it. */
bool watch_run_add(struct watch_run *run, const char *event, const char *id);
/* Looks whether the program has ended, and starts it for the next event. NULL is fine. */
void watch_run_turn(struct watch_run *run);
/* Programs that could not be started or did not end with 0, so far. */
unsigned long watch_run_failures(const struct watch_run *run);

#endif
