/*
 * find_request.h - from the flags of `vacancy find`, `why` and `watch` to the question, and from the hub's fields back
 * to the flags.
 *
 * Not here: whether values make sense; the hub decides that and names the field. Thread: the client's one thread.
 */
#ifndef VACANCY_CLIENT_FIND_REQUEST_H
#define VACANCY_CLIENT_FIND_REQUEST_H

#include "client/command.h"
#include "client/options.h"
#include "daemon/base/arena.h"
#include "vacancy/v1/placement_service.pb-c.h"

/* The flags of `vacancy find`, `vacancy why` and `vacancy watch`. Each ends with NULL. */
extern const struct option_spec find_options[], why_options[], watch_options[];

/* *out lives in the arena and borrows the options' texts. ERR_INVALID: problem->field is the flag ("--child 2"). */
enum err find_request_make(const struct options *options, struct arena *arena, Vacancy__V1__FindVacanciesRequest **out,
                           struct problem *problem) __attribute__((warn_unused_result));
/* Makes the question of a command's flags, and has it asked; `ask` borrows it. Flags that make none are told. */
enum exit_code find_request_run(struct cli *cli,
                                enum exit_code (*ask)(struct cli *cli, Vacancy__V1__FindVacanciesRequest *question));
/* The children of --child, in the arena. ERR_INVALID likewise. */
enum err find_children_read(const struct options *options, struct arena *arena, Vacancy__V1__Child ***children,
                            size_t *count, struct problem *problem) __attribute__((warn_unused_result));
/* "children[1].age_months" becomes "--child 2" in place; what is no flag stays. */
void find_flag_of_field(char field[PROBLEM_FIELD_BYTES]);
/* The codes that the flags take, for --help. */
void find_print_codes(FILE *out, unsigned width);

#endif
