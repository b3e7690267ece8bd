/*
 * team_holds.h - a team's holds as its hub lists them, and what became of the requests of which nobody knows.
 * Thread: the client's one thread.
 */
#ifndef VACANCY_CLIENT_TEAM_HOLDS_H
#define VACANCY_CLIENT_TEAM_HOLDS_H

#include "client/hold_call.h"
#include "client/hold_text.h"
#include "daemon/base/arena.h"

#include <jansson.h>

#define TEAM_LIST_MAX 4096 /* more are not held */

/* Zeroed is empty. */
struct team_list {
    struct arena arena;
    struct hold_row *rows; /* live ones first, then those not known, then ended ones; newest first among each */
    size_t count;
    bool cut; /* there are more */
};

/* Asks the hub. EXIT_DONE, or what to end with: it has been said why. team_list_free in either case. */
enum exit_code team_list_ask(struct cli *cli, bool ended, struct team_list *out) __attribute__((warn_unused_result));
void team_list_free(struct team_list *list);

/* The memory's and the hub's own requests that are not settled, at most `max` into out; returns how many. */
size_t team_unsettled(const struct team_memory *memory, const struct team_list *list, struct team_request *out,
                      size_t max);
/*
 * Asks what became of it, prints that (with `settled`, an array, into it instead) and forgets it unless it still is not
 * known.
 */
enum exit_code team_settle(struct cli *cli, const char *memory_path, const struct team_request *request,
                           json_t *settled);

#endif
