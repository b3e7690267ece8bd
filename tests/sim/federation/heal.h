/*
 * heal.h - the end of a seed: trouble ends, operators do what the documents say, and all hubs must come to be equal.
 *
 * Thread: the simulator's one.
 */
#ifndef VACANCY_TESTS_SIM_HEAL_H
#define VACANCY_TESTS_SIM_HEAL_H

#include "tests/sim/federation/world.h"

void heal(struct world *world);

#endif
