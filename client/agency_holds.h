/*
 * agency_holds.h - the holds on an agency's vacancies, for `vacancy holds` with an agency's certificate and for the
 * worklist; and placements whose children the agency has not listed yet, for that and for `vacancy show`.
 * Thread: the client's one thread; no state.
 */
#ifndef VACANCY_CLIENT_AGENCY_HOLDS_H
#define VACANCY_CLIENT_AGENCY_HOLDS_H

#include "client/command.h"
#include "vacancy/v1/agency_service.pb-c.h"

/*
 * AgencyService.ListHolds, printed: a table, or with --json an array. For a command that has connected and whose
 * options have "all" (ended ones too) and "json".
 */
enum exit_code agency_holds_run(struct cli *cli) __attribute__((warn_unused_result));

/* The table's columns, and one hold as a row of it. */
struct table *agency_holds_table(void);
void agency_holds_row(struct table *table, const Vacancy__V1__HoldView *hold);

/* Likewise placements of a carer: a row for each child, as the file's column "placed" is to have it. */
struct table *placements_table(void);
void placements_row(struct table *table, const char *reference, const Vacancy__V1__PlacedNotListed *placement);
/* What to do with them, as a sentence without its end. */
#define PLACEMENTS_NEXT "list the children in your next push (column \"placed\"), beside the others who live there"

#endif
