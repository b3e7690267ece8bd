/*
 * told.h - what agencies were told of holds: one event for each thing that befell each hold, and no other.
 *
 * Owns nothing: reads a hub's events as a watcher does that goes on from its cursor, and the region's log (truth.h).
 * Not here: who is let see them, and how they are sent (service). Thread: the simulator's one.
 */
#ifndef VACANCY_TESTS_SIM_TOLD_H
#define VACANCY_TESTS_SIM_TOLD_H

#include "tests/sim/federation/hubs.h"

/* At the region's hub, up; of a region whose events are all of this seed: none was restored, erased or too old. */
void told_check(struct world *world, struct fed_hub *home);

#endif
