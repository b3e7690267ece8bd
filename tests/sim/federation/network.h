/*
 * network.h - connections between hubs: what links.c and net do, without sockets.
 *
 * Owns: for each hub an implementation of link_port, whose peers are other hubs' Follow and FetchSnapshot handlers;
 * messages are packed and unpacked, so that nothing is shared; pipes keep the order within a stream (as TCP and HTTP/2
 * do), hold back what meets a cut, and lose it when either end gives the connection up; what a lying hub does to what
 * it sends (liar.c).
 * Thread: the simulator's one.
 * Invariant: a hub hears of a connection only what really reached it: nobody is told that a silent cut has come.
 */
#ifndef VACANCY_TESTS_SIM_NETWORK_H
#define VACANCY_TESTS_SIM_NETWORK_H

#include "daemon/federation/federation.h"
#include "tests/sim/federation/world.h"

struct network *network_create(struct world *world);
void network_destroy(struct network *network);

/* A hub's face to it. Its ctx is the hub. */
struct link_port network_port(struct fed_hub *hub);
/* The hub's process is gone. Peers are told, unless the machine went with it or the path is cut. */
void network_hub_gone(struct world *world, struct fed_hub *hub, bool silently);
/* Hands the hub's services what their calls may send again, and peers what has waited for them. */
void network_turn(struct world *world, struct fed_hub *hub);

/* Whether messages get from hub to hub; what is under way meanwhile waits. */
void network_cut(struct world *world, uint32_t from, uint32_t to, bool cut);
bool network_is_cut(const struct world *world, uint32_t from, uint32_t to);
/* How long a message takes from hub to hub, this time. */
int64_t network_delay_us(struct world *world, uint32_t from, uint32_t to);
/* The hub's link to the peer's region: its serial and the hub at its other end. 0: not linked. */
uint64_t network_link(const struct fed_hub *hub, uint32_t peer, uint32_t *acceptor);
/* What its dialer, and its acceptor, believes of it. */
bool network_link_open(const struct world *world, uint64_t link, bool dialers_view);
/* Breaks the connections between the two, whoever dialled; either end is told, the other one with it or not. */
void network_reset(struct world *world, uint32_t a, uint32_t b);
/* How slow a path is: each message takes between a tenth of this and this. */
void network_set_delay(struct world *world, uint32_t from, uint32_t to, int64_t most_us);
/* From here on this hub lies to those who follow it; UINT32_MAX: nobody does. */
void network_set_liar(struct world *world, uint32_t hub);

#endif
