/*
 * clients.h - agencies of every region push to their hub; teams search at any hub.
 *
 * Owns: what was pushed last, so that most of it is right. Not here: what pushes lead to (truth.h). Thread: the
 * simulator's one.
 */
#ifndef VACANCY_TESTS_SIM_CLIENTS_H
#define VACANCY_TESTS_SIM_CLIENTS_H

#include "tests/sim/federation/world.h"

#define CLIENTS_AGENCIES_EACH 2 /* of a region */

struct clients;
struct clients *clients_create(void);
void clients_destroy(struct clients *clients);

/* Some agency of the hub's region asks for something, now and then for a receipt that says REPLICATED. */
void clients_write(struct clients *clients, struct fed_hub *hub);
/* What match finds at this hub is what the logs lead to where each region stands there, octet by octet. */
void clients_compare(struct fed_hub *hub);
/* A generous search at both hubs gives the same options, if both stand where the other does. */
void clients_same_answer(struct fed_hub *a, struct fed_hub *b);

#endif
