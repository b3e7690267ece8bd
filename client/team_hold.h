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

/* A call to PlacementService about a hold: its request has a request_id, its reply a receipt and a hold. */
struct team_hold_call {
    const char *method, *what; /* "ExtendHold", "extend" */
    const char *subject;       /* the hold; of HoldVacancy the vacancy */
    const char *region;        /* "": not known */
    ProtobufCMessage *request; /* request_id is filled in */
    const ProtobufCMessageDescriptor *reply;
};
/*
 * Makes it and prints the answer; *reply as hold_call_run gives it, NULL when it came to nothing. For a command that
 * has connected.
 */
enum exit_code team_hold_run(struct cli *cli, const char *memory_path, const struct team_hold_call *call,
                             const ProtobufCMessage **reply);

#endif
