/*
 * link.h - one connection to a hub, and calls over it, with poll(2) as the loop.
 *
 * Owns: connecting, waiting, deadlines (15 s for a call, 15 s of silence for a stream), the words when the hub can't be
 * reached. Not here: HTTP/2 and TLS (proto/wire), what calls mean. Thread: the client's one thread.
 * Invariant: callbacks come only out of link_turn and the functions here that wait, and every call that was started
 * ends with its problem known, within its deadline.
 */
#ifndef VACANCY_CLIENT_LINK_H
#define VACANCY_CLIENT_LINK_H

#include "client/settings.h"
#include "proto/wire/spiffe.h"
#include "vacancy/v1/placement_service.pb-c.h"

#include <protobuf-c/protobuf-c.h>
#include <stdint.h>

#define LINK_CALL_MS   15000
#define LINK_STREAM_MS (60 * 60 * 1000) /* a stream's deadline; a hub cuts calls without one after 10 s */

struct link;
/*
 * Connects; the handshake is done when it returns. ERR_UNAVAILABLE (not there, no answer), ERR_UNAUTHENTICATED (not the
 * hub it should be by its certificate), ERR_INVALID, ERR_NOT_FOUND, ERR_FORBIDDEN (our files).
 */
enum err link_open(const struct settings *settings, struct link **out, struct problem *problem)
    __attribute__((warn_unused_result));
/* The same within timeout_ms instead of 15 s. */
enum err link_open_within(const struct settings *settings, int64_t timeout_ms, struct link **out,
                          struct problem *problem) __attribute__((warn_unused_result));
/* In good order if nothing is under way. NULL is fine. */
void link_close(struct link *link);
/* False: the connection has ended, and no call goes over it any more. */
bool link_lives(const struct link *link);
/* The region of the hub's certificate, GSS code. */
const char *link_region(const struct link *link);
/* Who we are by our own certificate; NULL: nobody by its name (the hub will say so). Valid as long as the link. */
const struct spiffe_name *link_self(const struct link *link);
/* The same without a connection; false: the files can't be used, or name nobody. */
bool link_self_of(const struct settings *settings, struct spiffe_name *out) __attribute__((warn_unused_result));

/* One request, one reply. *out is valid until the next link_call or link_stream on this link, or link_close. */
enum err link_call(struct link *link, const char *path, const ProtobufCMessage *request,
                   const ProtobufCMessageDescriptor *reply, const ProtobufCMessage **out, struct problem *problem)
    __attribute__((warn_unused_result));

/* The same within timeout_ms, more than 0. */
enum err link_call_within(struct link *link, const char *path, const ProtobufCMessage *request,
                          const ProtobufCMessageDescriptor *reply, int64_t timeout_ms, const ProtobufCMessage **out,
                          struct problem *problem) __attribute__((warn_unused_result));
/* What is known of a call that failed, beside the problem. */
struct link_failure {
    bool outcome_unknown; /* what was asked may have been done, or may still be */
    const Vacancy__V1__ForwardFailure
        *forward; /* the hub asked another region's: how that ended; NULL: it says nothing */
};
/* Of the last link_call; valid until the next, or link_close. */
const struct link_failure *link_failure(const struct link *link);

/* A reply is valid until `each` returns; false stops the stream (and link_stream returns ERR_NONE). */
typedef bool (*link_each)(void *context, const ProtobufCMessage *reply);
enum err link_stream(struct link *link, const char *path, const ProtobufCMessage *request,
                     const ProtobufCMessageDescriptor *reply, link_each each, void *context, struct problem *problem)
    __attribute__((warn_unused_result));
/* The same for what a hub may work on for long before it says something: silence_ms is how long. */
enum err link_slow_stream(struct link *link, const char *path, const ProtobufCMessage *request,
                          const ProtobufCMessageDescriptor *reply, int64_t silence_ms, link_each each, void *context,
                          struct problem *problem) __attribute__((warn_unused_result));

/* --- many at once ------------------------------------------------------------------------------------------------ */

struct link_call;
struct link_want {
    const char *path;
    const ProtobufCMessageDescriptor *reply;
    bool one_reply;     /* unary: timeout_ms for all of it. Else the time counts from what was last sent or heard. */
    int64_t timeout_ms; /* of a unary call; 0: LINK_CALL_MS */
    int64_t silence_ms; /* how long may pass so; 0: LINK_CALL_MS */
    /* Each reply, valid until it returns. May be NULL. */
    void (*message)(void *context, const ProtobufCMessage *reply);
    void *context;
};
/* Never NULL; a call that can't start is over already. The caller frees it. */
struct link_call *link_start(struct link *link, const struct link_want *want);
/* False: its queue is full, wait (link_turn) until link_writable; the message was taken. */
bool link_send(struct link_call *call, const ProtobufCMessage *message);
bool link_writable(const struct link_call *call);
/* Nothing more to send. */
void link_end(struct link_call *call);
/* Over: *problem, if not NULL, becomes how (code ERR_NONE: well). */
bool link_is_over(const struct link_call *call, struct problem *problem);
/* Cancels it if it is not over. NULL is fine. */
void link_free(struct link_call *call);

/* One turn: sends, waits at most wait_ms for something to happen, hears it. */
void link_turn(struct link *link, int64_t wait_ms);
/* The same, and wakes when the descriptor can be read. */
void link_turn_with(struct link *link, int64_t wait_ms, int fd);
/* Turns until the descriptor can be read (or is at its end). For input that may be slow. */
void link_wait_for(struct link *link, int fd);

#endif
