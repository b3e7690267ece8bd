/*
 * moves.h - in each region two agencies whose carers move: they release them, and take others over with their codes, of
 * another region or of their own; what they have is offered, held and placed as any other agency's.
 *
 * Owns: the codes that were handed on. Not here: whose a carer is and what it leaves behind (owners.h), who holds
 * (teams.h).
 * Thread: the simulator's one.
 */
#ifndef VACANCY_TESTS_SIM_MOVES_H
#define VACANCY_TESTS_SIM_MOVES_H

#include "tests/sim/federation/syncs.h"

#define MOVES_AGENCY (SYNCS_AGENCY + 1) /* the first of each region */
#define MOVES_EACH   2

struct moves;
struct moves *moves_create(void);
void moves_destroy(struct moves *moves);

/* One of the hub's pushes, releases or takes over a carer: also with a code that was used, or released anew since. */
void moves_run(struct moves *moves, struct fed_hub *hub);

#endif
