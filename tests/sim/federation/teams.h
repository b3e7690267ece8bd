/*
 * teams.h - placement teams at every hub ask for holds of any region, agencies answer them; and what must come of it.
 *
 * Owns: every request that was made, under its request id, with what its attempts were told. What was told is held
 * against the regions' logs (truth.h) alone, by the published states of a hold: nothing here asks the register.
 * Not here: the way between hubs (forwards.h), what the logs must add up to at each entry (beds.h).
 * Thread: the simulator's one.
 */
#ifndef VACANCY_TESTS_SIM_TEAMS_H
#define VACANCY_TESTS_SIM_TEAMS_H

#include "tests/sim/federation/hubs.h"

struct teams;
struct teams *teams_create(void);
void teams_destroy(struct teams *teams);

/* A team, or an agency, asks this hub for something: anew, or for the second time with the same request id. */
void teams_ask(struct teams *teams, struct fed_hub *hub);
/* The region's hub has all that there is: each hold in its log was asked for and is what became of it by what was
 * asked; what was told is in the log; what was refused is not. */
void teams_check(struct world *world, const struct fed_hub *home);

#endif
