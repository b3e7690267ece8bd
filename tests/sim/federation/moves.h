/*
 * moves.h - in each region an agency whose carers move: it releases them, and takes others over with their codes.
 *
 * Owns: the codes that were handed on. Not here: whose a carer is (owners.h), vacancies and holds of carers that move.
 * Thread: the simulator's one.
 */
#ifndef VACANCY_TESTS_SIM_MOVES_H
#define VACANCY_TESTS_SIM_MOVES_H

#include "tests/sim/federation/syncs.h"

#define MOVES_AGENCY (SYNCS_AGENCY + 1)

struct moves;
struct moves *moves_create(void);
void moves_destroy(struct moves *moves);

/* The hub's agency pushes, releases or takes over a carer: also with a code that was used, or released anew since. */
void moves_run(struct moves *moves, struct fed_hub *hub);

#endif
