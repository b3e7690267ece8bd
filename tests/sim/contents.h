/*
 * contents.h - carers and vacancies as agencies have them: mostly right, now and then against their approval.
 *
 * Not here: who pushes them and when (traffic.c, federation/clients.c). Thread: the simulator's one.
 */
#ifndef VACANCY_TESTS_SIM_CONTENTS_H
#define VACANCY_TESTS_SIM_CONTENTS_H

#include "tests/sim/model.h"

/* Everything but whose it is, its status and when it was observed. */
void content_carer(struct sim *sim, date_days today, const struct operation *operation, struct carer *carer);
void content_vacancy(struct sim *sim, date_days today, const struct carer *carer, struct vacancy *vacancy);

#endif
