/*
 * team_hold.h - what the commands about one hold have in common: which hold is meant, the call, its answer printed.
 * Thread: the client's one thread; no state.
 */
#ifndef VACANCY_CLIENT_TEAM_HOLD_H
#define VACANCY_CLIENT_TEAM_HOLD_H

#include "client/hold_call.h"
#include "vacancy/v1/placement_service.pb-c.h"

/* --for, as seconds. False: it has been said that it is none; 0 when it isn't given. */
bool team_hold_seconds(struct cli *cli, int64_t *out) __attribute__((warn_unused_result));

/* The hold that the first argument means: a number of the last list, or an id. The rest of the call to come. */
struct team_hold_target {
    char *path; /* of the memory */
    char hold_id[TEAM_HOLD_BYTES];
};
/* EXIT_DONE, connected; else what to end with, it has been said why. team_hold_target_free in either case. */
enum exit_code team_hold_target(struct cli *cli, struct team_hold_target *out) __attribute__((warn_unused_result));
void team_hold_target_free(struct team_hold_target *target);

/* A request to remember, of now. */
struct team_request team_hold_request(const char *what, const char *region, const char *subject);

struct team_hold_answer {
    const ProtobufCMessage *message; /* for --json */
    const Vacancy__V1__HoldReceipt *receipt;
    const Vacancy__V1__HoldView *hold;
};
/* Settles the request and prints the answer. */
enum exit_code team_hold_finish(struct cli *cli, const char *path, const char *request_id,
                                const struct team_hold_answer *answer);

#endif
