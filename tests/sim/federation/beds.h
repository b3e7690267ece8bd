/*
 * beds.h - no bed is promised twice: what a region's log says of holds, added up anew whenever it grows.
 *
 * Owns: when each hold was made, in true time. Not here: how the register decides; only its log's rows are read, and
 * nothing of them is believed but beds, states and lengths.
 * Thread: the simulator's one.
 */
#ifndef VACANCY_TESTS_SIM_BEDS_H
#define VACANCY_TESTS_SIM_BEDS_H

#include "tests/sim/federation/truth.h"

struct beds;
struct beds *beds_create(void);
void beds_destroy(struct beds *beds);

/*
 * The hub's own log grew in this moment, from the entry `before` on up to its head. At each entry: held and placed beds
 * of a vacancy are not more than it has; a hold that ended stays so; none runs out before its time, or is
 * kept beyond it where another is made. At the head: what
 * an offer says is free is not held or placed.
 */
void beds_check(struct world *world, const struct fed_hub *hub, uint32_t before);
/* Its disk is a backup's from here on: how long its holds have left is what the wall clock says. */
void beds_forget(struct world *world, const struct fed_hub *hub);

#endif
