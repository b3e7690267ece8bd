/*
 * why_text.h - ExplainVacancy's answer: whether the vacancy suits, how many come before it, and every rule in a table.
 * Thread: the client's one thread; no state.
 */
#ifndef VACANCY_CLIENT_WHY_TEXT_H
#define VACANCY_CLIENT_WHY_TEXT_H

#include "vacancy/v1/placement_service.pb-c.h"

#include <stdio.h>

void why_text_print(FILE *out, unsigned width, const Vacancy__V1__ExplainVacancyResponse *response);

#endif
