/*
 * forwards.h - requests from hub to hub: what links_forward.c and HTTP/2 do, without sockets.
 *
 * Owns: for each hub an implementation of forward_port; each request's way over the link of the moment to the other
 * hub's Forward handler and back, packed and unpacked. It may be refused unbegun, wait at a cut, be late, be done and
 * its answer lost; which problem follows from which end is forward.c's.
 * Not here: connections (network.h), who asks (teams.h). Thread: the simulator's one.
 * Invariant: each forward taken is answered once, unless its hub's process is gone.
 */
#ifndef VACANCY_TESTS_SIM_FORWARDS_H
#define VACANCY_TESTS_SIM_FORWARDS_H

#include "daemon/federation/forward.h"
#include "tests/sim/federation/world.h"

struct forwards;
struct forwards *forwards_create(void);
void forwards_destroy(struct forwards *forwards);

/* A hub's face to it. Its ctx is the hub. */
struct forward_port forwards_port(struct fed_hub *hub);
/* The hub's process is gone; before its calls and mailbox are. */
void forwards_hub_gone(struct world *world, const struct fed_hub *hub);

#endif
