/*
 * contact_text.h - whom to call, in a line. Thread: the client's one thread; no state.
 */
#ifndef VACANCY_CLIENT_CONTACT_TEXT_H
#define VACANCY_CLIENT_CONTACT_TEXT_H

#include "client/memory.h"
#include "vacancy/v1/placement_service.pb-c.h"

/* "Beacon Fostering (independent), 01632 960219, out of hours 0808 157 0219, mail@beacon.example.org"; NULL: nothing.
 */
void contact_add(struct grown_text *to, const Vacancy__V1__AgencyContact *agency);
/* What a table has room for: the telephone, else the address, else the name; "" for nobody. Borrowed. */
const char *contact_short(const Vacancy__V1__AgencyContact *agency);

#endif
