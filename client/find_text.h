/*
 * find_text.h - a search's answer in the words of a placement team. Nothing of a carer is in it.
 * Thread: the client's one thread; no state.
 */
#ifndef VACANCY_CLIENT_FIND_TEXT_H
#define VACANCY_CLIENT_FIND_TEXT_H

#include "vacancy/v1/placement_service.pb-c.h"

#include <stdbool.h>
#include <stdio.h>

/* What stands before an option, and what people call it by: "1", "P2" (letter "P"), of a split "1a". From 0. */
#define FIND_LABEL_BYTES 24
void find_label(const char *letter, size_t at, char out[FIND_LABEL_BYTES]);
void find_part_label(size_t split, size_t part, char out[FIND_LABEL_BYTES]);

/*
 * Options as a table, then each with gaps, approvals, what is met and whom to call; those to phone first, apart; splits
 * of siblings; why there are few or none, and what would bring more; the order in two sentences; what to ask first.
 * all_reasons: what is met in full too.
 */
void find_text_print(FILE *out, unsigned width, bool all_reasons, const Vacancy__V1__FindVacanciesRequest *request,
                     const Vacancy__V1__FindVacanciesResponse *response);

/* The moment for which an answer is true, and how old what the hub has of the other regions is. */
void find_positions_print(FILE *out, unsigned width, Vacancy__V1__RegionPosition *const *positions, size_t count,
                          int64_t as_of_ms);

#endif
