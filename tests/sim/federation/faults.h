/*
 * faults.h - what befalls a federation, step by step: clients' requests among cuts, deaths, restores, lies and clocks.
 *
 * Owns: which kinds of trouble a seed has (each one or not: swarm testing), when who is started again, the backups.
 * Not here: how it ends (heal.h). Thread: the simulator's one.
 */
#ifndef VACANCY_TESTS_SIM_FAULTS_H
#define VACANCY_TESTS_SIM_FAULTS_H

#include "tests/sim/federation/world.h"

struct faults;

/* Starts every hub. */
struct faults *faults_create(struct world *world);
void faults_destroy(struct faults *faults);
/* Some time passes, then something happens. */
void faults_step(struct world *world);
/* Of two hubs that claim the region, one goes for good; the other one is given. */
struct fed_hub *faults_settle_claims(struct world *world, uint32_t region);
/* Nothing goes wrong any more: paths, disks, the liar. Hubs are up afterwards, but for those that are gone. */
void faults_end_all(struct world *world);

#endif
