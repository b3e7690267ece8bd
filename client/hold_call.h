/*
 * hold_call.h - a call about a hold that may go on to another region's hub: sent again with the same request id while
 * nobody knows what became of it.
 *
 * Owns: the request's place in the team's memory, retries within the call's time, the words of a call that failed or
 * whose outcome is not known. Thread: the client's one thread. Invariant: what was sent is in the memory until it is
 * known what became of it.
 */
#ifndef VACANCY_CLIENT_HOLD_CALL_H
#define VACANCY_CLIENT_HOLD_CALL_H

#include "client/command.h"
#include "client/team_memory.h"

struct hold_call {
    const char *path;
    const ProtobufCMessage *request;
    const ProtobufCMessageDescriptor *reply;
    struct team_request asked; /* what "": a second one changes nothing, so that it need not be remembered */
};

/*
 * EXIT_DONE: *reply, valid until the next call on the link; the request is still remembered: hold_call_settle. Else
 * what to end with: it has been said why, and what to do next. For a command that has connected.
 */
enum exit_code hold_call_run(struct cli *cli, const char *memory_path, const struct hold_call *call,
                             const ProtobufCMessage **reply) __attribute__((warn_unused_result));
/* Forgets the request, and gives the hold (NULL: none) its number in the memory; 0: it has none. */
uint32_t hold_call_settle(struct cli *cli, const char *memory_path, const char *request_id, const char *hold_id);

/* A decision that an earlier attempt of unknown outcome could not have come to otherwise. For tests. */
bool hold_call_is_decision(enum err err);

/* What a failed call's problem says, with the flag for the field, and whom to telephone; its exit code. */
enum exit_code hold_call_failed(struct cli *cli, struct problem *problem, const struct link_failure *failure);
/* The same of a question what became of a call: that it was not answered says nothing of the call. */
enum exit_code hold_question_failed(struct cli *cli, struct problem *problem, const struct link_failure *failure);

#endif
