/*
 * watch_shown.h - what a watch has told so far, so that it tells only differences, also after it had to ask anew.
 *
 * Owns: a line and a digest for each option that is shown, by vacancy id; at most WATCH_SHOWN_MAX. Not here:
 * connections, printing. Thread: the client's one thread. Invariant: what is shown is what was told and not taken back.
 */
#ifndef VACANCY_CLIENT_WATCH_SHOWN_H
#define VACANCY_CLIENT_WATCH_SHOWN_H

#include "vacancy/v1/placement_service.pb-c.h"

#include <stdbool.h>
#include <stddef.h>

#define WATCH_SHOWN_MAX 1000 /* a hub that keeps to its contract shows 200 at most */

struct watch_shown;
struct watch_shown *watch_shown_create(void);
void watch_shown_destroy(struct watch_shown *shown);

/* A stream begins: until READY it says what there is, whatever was told of it before. */
void watch_shown_begin(struct watch_shown *shown);

/*
 * Hears an event and gives `tell` what is new about it, none, one or (READY: what is gone since) several events. `line`
 * is the option in words; of what is gone, the words that were told last.
 */
typedef void (*watch_tell)(void *context, const Vacancy__V1__WatchVacanciesResponse *event, const char *line);
void watch_shown_hear(struct watch_shown *shown, const Vacancy__V1__WatchVacanciesResponse *event, watch_tell tell,
                      void *context);

/* How many are shown now. */
size_t watch_shown_count(const struct watch_shown *shown);

#endif
