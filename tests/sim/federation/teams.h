/*
 * teams.h - placement teams of every region hold, extend, release and place at their hub, whichever region has the
 * vacancy; agencies accept and decline. What they ask of another region's hub travels between hubs.
 *
 * Owns: what was asked and which holds were given (a ring), requests on their way between hubs: late, doubled by who
 * asks again, lost with a hub or a cut. Not here: whether what the logs then say is right (beds.h).
 * Thread: the simulator's one.
 */
#ifndef VACANCY_TESTS_SIM_TEAMS_H
#define VACANCY_TESTS_SIM_TEAMS_H

#include "daemon/federation/forward.h"
#include "tests/sim/federation/world.h"

struct teams;
struct teams *teams_create(void);
void teams_destroy(struct teams *teams);

/* The authority of a region's teams, for the roster. */
const char *teams_authority(uint32_t region);
/* Some team of the hub's region asks for something at that hub, or an agency of its region answers a hold. */
void teams_ask(struct fed_hub *hub);
/* A hub's way to the others' Forward. */
struct forward_port teams_forward_port(struct fed_hub *hub);
/* The hub's process is gone: nobody waits for what it asked any more. Before its calls are closed. */
void teams_hub_gone(struct world *world, const struct fed_hub *hub);

#endif
