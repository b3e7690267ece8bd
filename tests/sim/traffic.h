/*
 * traffic.h - what clients do: writes of every kind, right, late, early, repeated and altered; searches and reads.
 *
 * Owns: the operations made in a seed (traffic.c), the checks of what clients are shown (reads.c).
 * Thread: the simulator's one.
 */
#ifndef VACANCY_TESTS_SIM_TRAFFIC_H
#define VACANCY_TESTS_SIM_TRAFFIC_H

#include "tests/sim/hub.h"

/* Forgets the operations of the seed before. */
void traffic_reset(void);
/* Registers every agency, so that there is something to do. */
void traffic_begin(struct sim_hub *hub);
/* One client asks for something: a unary write, a Submit of several, or something sent again. */
void traffic_write(struct sim_hub *hub);
/* A team asks for a hold or goes on with one, an agency answers one (traffic_holds.c). */
void traffic_hold(struct sim_hub *hub);
/* For traffic_holds.c: NULL when a seed has enough of them; its answer is checked as a push's is. */
struct operation *traffic_new(enum update_kind kind);
void traffic_give_request_id(struct sim_hub *hub, struct operation *operation);
void traffic_ask(struct sim_hub *hub, struct operation *operation);
/* The name in a team's certificate that holds. */
const char *traffic_team_name(uint32_t team, char out[PRINCIPAL_NAME_BYTES]);
/* Some call that waits loses its client. */
void traffic_cancel(struct sim_hub *hub);

/* FindVacancies as a team; the answer is checked against the log's state, its disclosure against the trail. */
void traffic_find(struct sim_hub *hub);
/* ExplainVacancy of one of the log's offers, checked likewise. */
void traffic_explain(struct sim_hub *hub);
/* GetCarer, ListCarers or ListVacancies as an agency; GetStatus as the operator. */
void traffic_read(struct sim_hub *hub);
/* What match holds is what the log leads to, octet by octet. */
void traffic_compare_match(struct sim_hub *hub);

/* The standing that access must know: a call by this principal is refused. Index as in operation.principal. */
bool traffic_refused(const struct sim_hub *hub, uint32_t principal);
/* The name in its certificate. */
const char *traffic_name(uint32_t principal, char out[PRINCIPAL_NAME_BYTES]);

#endif
