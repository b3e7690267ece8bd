/*
 * syncs.h - in each region an agency that keeps a file of all its carers and applies it as a difference: what is listed
 * is compared with the file, and only what differs is submitted, on one stream, which may break off at any record.
 *
 * Owns: each such agency's file and its run. Not here: agencies that push one thing at a time (clients.h), what pushes
 * lead to (truth.h). Thread: the simulator's one.
 * Invariant: a run reads nothing but what the hub lists; nothing is remembered from one run to the next but the file.
 */
#ifndef VACANCY_TESTS_SIM_SYNCS_H
#define VACANCY_TESTS_SIM_SYNCS_H

#include "tests/sim/federation/clients.h"

#define SYNCS_AGENCY CLIENTS_AGENCIES_EACH /* the one after those: one of each region */

struct syncs;
struct syncs *syncs_create(void);
void syncs_destroy(struct syncs *syncs);

/* The hub's agency runs its file, changed now and then; often the run is cut off. */
void syncs_run(struct syncs *syncs, struct fed_hub *hub);
/* At the region's hub, when all is well: a run that nothing cuts off leaves nothing to do for the next one, and the
 * region's log has the vacancies of the file. What holds refuse (V8) is left out of it. */
void syncs_check(struct world *world, struct fed_hub *home);

#endif
