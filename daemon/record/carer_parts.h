/*
 * carer_parts.h - pieces of messages that carer.c and offer.c both build and read.
 * Thread: any; no state. Only daemon/record includes this.
 */
#ifndef VACANCY_RECORD_CARER_PARTS_H
#define VACANCY_RECORD_CARER_PARTS_H

#include "daemon/record/carer.h"
#include "vacancy/v1/shared.pb-c.h"

/* The view in *out points into *cell. */
void cell_to_message(const struct home_cell *cell, Vacancy__V1__Cell *out);
bool cell_from_message(const Vacancy__V1__Cell *message, struct home_cell *out);

#endif
