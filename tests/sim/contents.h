/*
 * contents.h - carers and vacancies as agencies have them: mostly right, now and then against their approval; and a
 * search that is generous, with what it must find.
 *
 * Not here: who pushes them and when (traffic.c, federation/clients.c). Thread: the simulator's one.
 */
#ifndef VACANCY_TESTS_SIM_CONTENTS_H
#define VACANCY_TESTS_SIM_CONTENTS_H

#include "daemon/match/match.h"
#include "tests/sim/model.h"

/* Everything but whose it is, its status and when it was observed. */
void content_carer(struct sim *sim, date_days today, const struct operation *operation, struct carer *carer);
void content_vacancy(struct sim *sim, date_days today, const struct carer *carer, struct vacancy *vacancy);

/* A generous search, with every override; what suits it is easily said again. */
#define CONTENT_ASKED_MONTHS 120
void content_criteria(int64_t as_of_ms, struct criteria *out);
bool content_suits(const struct offer *offer, bool agency_active, int64_t as_of_ms, bool unconfirmed_too);

#endif
