/*
 * find_text.h - a search's answer in the words of a placement team. Nothing of a carer is in it.
 * Thread: the client's one thread; no state.
 */
#ifndef VACANCY_CLIENT_FIND_TEXT_H
#define VACANCY_CLIENT_FIND_TEXT_H

#include "vacancy/v1/placement_service.pb-c.h"

#include <stdio.h>

/* Options as a table, then each with reasons, gaps, approvals and whom to call; why there are few or none. */
void find_text_print(FILE *out, unsigned width, const Vacancy__V1__FindVacanciesRequest *request,
                     const Vacancy__V1__FindVacanciesResponse *response);

#endif
