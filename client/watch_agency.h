/*
 * watch_agency.h - vacancy watch with an agency's certificate: each event once, in order, across breaks and restarts.
 * Thread: the client's one thread.
 */
#ifndef VACANCY_CLIENT_WATCH_AGENCY_H
#define VACANCY_CLIENT_WATCH_AGENCY_H

#include "client/command.h"

/* Until it is interrupted. Uses --json, --run, --cursor, --from-now. */
enum exit_code watch_agency_run(struct cli *cli) __attribute__((warn_unused_result));

#endif
