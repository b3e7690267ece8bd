/*
 * sure_call.h - an agency's call that changes something: sent again with the same request id while nobody knows what
 * became of it.
 *
 * Owns: the retries within the call's time (LINK_CALL_MS in all), the words when it stays unknown. Not here: holds of a
 * team, whose requests are remembered (hold_call.h). Thread: the client's one thread. Invariant: what an earlier try
 * may have done is never told as a failure of a later one.
 */
#ifndef VACANCY_CLIENT_SURE_CALL_H
#define VACANCY_CLIENT_SURE_CALL_H

#include "client/command.h"

/* Waits half a second for another try of a call that may last until until_ms (clock_boot_ms), and dials anew where the
 * link is gone. *left_ms: what is left then. False: no time for another. */
bool sure_call_try_again(struct cli *cli, int64_t until_ms, int64_t *left_ms) __attribute__((warn_unused_result));

struct sure_call {
    const char *path;
    const ProtobufCMessage *request; /* with a request id */
    const ProtobufCMessageDescriptor *reply;
};

/*
 * ERR_NONE: *reply, valid until the next call on the link. Else *unknown says whether it may have been done, and
 * *problem then is that of the newest try that left. For a command that has connected.
 */
enum err sure_call_run(struct cli *cli, const struct sure_call *call, const ProtobufCMessage **reply, bool *unknown,
                       struct problem *problem) __attribute__((warn_unused_result));
/* Says that it is not known, and what shows it. whose NULL: of the command's one. Its exit code. */
enum exit_code sure_call_not_known(struct cli *cli, const char *whose, const struct problem *problem, const char *next);

#endif
