/*
 * agency_event.h - what happened to an agency's carers, vacancies and holds, as a line for people and a word for
 * programs. Thread: the client's one thread; no state.
 */
#ifndef VACANCY_CLIENT_AGENCY_EVENT_H
#define VACANCY_CLIENT_AGENCY_EVENT_H

#include "vacancy/v1/agency_service.pb-c.h"

#include <stdio.h>

/* "reported-unavailable", for VACANCY_EVENT. Returns out. */
#define EVENT_WORD_BYTES 64
char *agency_event_word(Vacancy__V1__AgencyEvent__Kind kind, char out[EVENT_WORD_BYTES]);
/* "2026-11-22 14:31:07  held  L-00017  1 bed for 383-204417 until 22 Nov 2026 18:31, ..."; with a line end. */
void agency_event_print(FILE *out, const Vacancy__V1__AgencyEvent *event);

#endif
