/*
 * owners.h - no moment with two owners (issue 5, point 6): whose a carer is, by the regions' logs, at each entry; and
 * what it leaves behind.
 *
 * Owns: for each carer the regions whose log has it as theirs, up to the last entry that the region ever made durable.
 * Not here: who asks for moves (moves.h); nothing is asked of a register.
 * Thread: the simulator's one.
 *
 * What is promised, and looked for whenever a log grows, entry by entry, so that a mistake that is mended later shows:
 * while one region's log has a carer as its own (approved or ended), no other region's does; and the entry that says
 * from where a carer came is made when the log of that region says already that it went here. (Whoever reads copies of
 * the two logs may have the new one before the old one's last entries: so one owner is promised of the logs, not of a
 * reader's copies.) Whoever it leaves, also for another agency of the region: by the entry that says so its holds have
 * ended, and its offer is gone where the log then ends; what is offered of it there from then on is its owner's.
 */
#ifndef VACANCY_TESTS_SIM_OWNERS_H
#define VACANCY_TESTS_SIM_OWNERS_H

#include "tests/sim/federation/truth.h"

struct owners;
struct owners *owners_create(void);
void owners_destroy(struct owners *owners);

/* The region's log has this entry, which nobody has seen before; after those before it. */
void owners_learn(struct world *world, uint32_t region, uint32_t index);
/* The region's log was read to its end; in one commit, or at a start. */
void owners_learned(struct world *world, uint32_t region, uint32_t head);
/* Whether the carer ever left an agency of this region. */
bool owners_left(const struct world *world, uint32_t region, uint64_t national_reference);

#endif
