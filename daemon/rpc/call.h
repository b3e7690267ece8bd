/*
 * call.h - a call as handlers see it: the only face of rpc that service knows, so that the simulator can make calls
 * without a network.
 *
 * Owns: the handler interface and the operations on a call. Not here: HTTP/2, TLS (wire), threads (net).
 * Thread: a call lives on one worker; its handler's functions and the call_* functions run there only.
 * Invariant: closed() is the last thing a handler hears of a call, exactly once, also after call_finish.
 */
#ifndef VACANCY_RPC_CALL_H
#define VACANCY_RPC_CALL_H

#include "daemon/base/arena.h"
#include "daemon/base/clock.h"
#include "daemon/base/error.h"
#include "daemon/base/mailbox.h"

#include <protobuf-c/protobuf-c.h>

struct call;
struct tls_peer; /* proto/wire/tls.h */

enum call_kind { CALL_UNARY, CALL_CLIENT_STREAM, CALL_SERVER_STREAM, CALL_BIDI };

/* What a method does. Any function but `message` may be NULL. */
struct call_handler {
    /* One request message, checked against its descriptor; valid until the function returns. Unary and server-stream
     * methods hear exactly one. */
    void (*message)(struct call *call, const ProtobufCMessage *message);
    /* The client has sent all (streaming methods). */
    void (*half_closed)(struct call *call);
    /* A reply to call_reply_address arrived. The payload is the handler's (also when the call has been finished). */
    void (*resumed)(struct call *call, const struct mail *mail);
    /* A reply for a call that is gone: only free the payload. No call to speak of. */
    void (*orphaned)(const struct mail *mail);
    /* The send queue has room again (after call_send returned false), or call_yield's or call_soon's turn has come. */
    void (*writable)(struct call *call);
    /* The moment that call_wake_at asked for has come. */
    void (*due)(struct call *call);
    /* Over: finished, cancelled, past its deadline. Free call_state. */
    void (*closed)(struct call *call);
};

struct rpc_method {
    const char *path; /* "/vacancy.v1.AgencyService/PutCarer" */
    enum call_kind kind;
    const ProtobufCMessageDescriptor *request, *response;
    const struct call_handler *handler;
};

/* What goes with a problem in google.rpc.Status.details. */
struct call_details {
    const struct problem *problem;
    const ProtobufCMessage *detail; /* beside what is made of the problem; NULL: none */
    const void *status;             /* google.rpc.Status octets as another hub made them, in place of all that */
    size_t status_bytes;            /* 0: none */
};

/* Implemented by rpc over wire, and by the simulator. */
struct call_ops {
    bool (*send)(struct call *call, const ProtobufCMessage *message);
    void (*finish)(struct call *call, const struct problem *problem);
    enum err (*reserve_reply)(struct call *call, struct reply_address *out);
    void (*unreserve_reply)(struct call *call);
    void (*set_reading)(struct call *call, bool on);
    void (*yield)(struct call *call);
    void (*soon)(struct call *call);
    const struct tls_peer *(*peer)(struct call *call);
    void (*wake_at)(struct call *call, int64_t boot_ms);
    /* NULL: what is attached is dropped. */
    void (*attach)(struct call *call, const struct call_details *details);
};

struct call {
    const struct call_ops *ops;
    const struct rpc_method *method;
    void *context;       /* given with the method table: the services' shared context */
    void *state;         /* the handler's own */
    struct arena *arena; /* the call's memory; freed after closed() */
    const struct clock_source *clock;
    int64_t deadline_boot_ms; /* never 0 */
};

/* Queues a response (copied). False: the high mark is reached; it was taken, but send no more before writable(). */
static inline bool call_send(struct call *call, const ProtobufCMessage *message)
{
    return call->ops->send(call, message);
}
/* Ends the call after what was sent; problem NULL: OK. Nothing may be sent after it. */
static inline void call_finish(struct call *call, const struct problem *problem)
{
    call->ops->finish(call, problem);
}
/* The same with more than the problem says. Copied. */
static inline void call_finish_with(struct call *call, const struct problem *problem,
                                    const struct call_details *details)
{
    if (call->ops->attach != NULL)
        call->ops->attach(call, details);
    call->ops->finish(call, problem);
}
/* A place for one reply through the worker's mailbox. ERR_LIMIT: too much is under way; refuse or stop reading. */
static inline enum err call_reserve_reply(struct call *call, struct reply_address *out)
{
    return call->ops->reserve_reply(call, out);
}
/* Gives a reserved place back when the request was not taken on after all. */
static inline void call_unreserve_reply(struct call *call)
{
    call->ops->unreserve_reply(call);
}
/* Off: takes no more messages from the client (flow control stops it). */
static inline void call_set_reading(struct call *call, bool on)
{
    call->ops->set_reading(call, on);
}
/* Asks for writable() in a later turn: long work in slices. */
static inline void call_yield(struct call *call)
{
    call->ops->yield(call);
}
/* Asks for writable() in this turn, but with a few others: for what is cheaper done together. */
static inline void call_soon(struct call *call)
{
    call->ops->soon(call);
}
/* Asks for due() once, at this moment of the boot clock; in place of what it asked for before. */
static inline void call_wake_at(struct call *call, int64_t boot_ms)
{
    call->ops->wake_at(call, boot_ms);
}
/* Who calls, as TLS proved it. */
static inline const struct tls_peer *call_peer(struct call *call)
{
    return call->ops->peer(call);
}

#endif
