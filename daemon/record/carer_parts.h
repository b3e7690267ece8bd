/*
 * carer_parts.h - pieces of messages that carer.c, offer.c and hold.c build and read alike.
 * Thread: any; no state. Only daemon/record includes this.
 */
#ifndef VACANCY_RECORD_CARER_PARTS_H
#define VACANCY_RECORD_CARER_PARTS_H

#include "daemon/record/carer.h"
#include "vacancy/v1/shared.pb-c.h"

/* The view in *out points into *cell. */
void cell_to_message(const struct home_cell *cell, Vacancy__V1__Cell *out);
bool cell_from_message(const Vacancy__V1__Cell *message, struct home_cell *out);
/* False for a code that is not 0 .. end-1. */
bool read_code(int code, int end, uint8_t *out);
/* Where a bytes field's octets stand in the record itself: a view that outlives the scratch. */
struct octets view_in(const struct octets *record, const ProtobufCBinaryData *field);

#endif
