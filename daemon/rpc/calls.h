/*
 * calls.h - the calls of one worker: admission, deadlines, replies from other threads, their end.
 *
 * Owns: the pool of calls (a slot and a generation make a call's serial), call_ops, the handlers' turn. What lies below
 * a call is a stream behind stream_ops, so that all this is tested without a network.
 * Not here: HTTP/2 and messages (serve.c over wire), what methods do (service).
 * Thread: the worker's, but for counts. Invariant: a call ends (closed(), memory freed, slot reused) only when none of
 * its handler's functions is on the stack, and exactly once.
 */
#ifndef VACANCY_RPC_CALLS_H
#define VACANCY_RPC_CALLS_H

#include "daemon/net/timers.h"
#include "daemon/rpc/table.h"

#define CALL_ARENA_BYTES ((size_t)4 << 20)

/* What a call asks of its stream. */
struct stream_ops {
    bool (*send)(void *stream, const ProtobufCMessage *message); /* as call_send */
    /* The last that the stream hears: afterwards it must not speak of the call again. */
    void (*finish)(void *stream, const struct problem *problem);
    void (*set_reading)(void *stream, bool on);
    void (*attach)(void *stream, const struct call_details *details); /* before finish: as call_finish_with */
};

struct calls_options {
    const struct method_table *table;
    const struct stream_ops *stream_ops;
    struct mailbox *mailbox;  /* of the worker */
    uint32_t first_mail_kind; /* replies have this kind plus the method's index */
    struct timers *timers;    /* of the worker */
    const struct clock_source *clock;
    void (*again)(void *ctx); /* calls_turn wants to be called once more, soon */
    void *again_ctx;
    uint32_t calls_max;
    int64_t unary_ms, streaming_ms; /* deadline of a call that brings none */
};

struct calls;
struct live_call;

/* Its counts can be read from now on. */
struct calls *calls_create(void);
/* On the worker's thread, before the first call. */
void calls_set_up(struct calls *calls, const struct calls_options *options);
/* No call may be left. */
void calls_destroy(struct calls *calls);

/*
 * A request has begun. timeout_ms < 0: it brought no deadline. NULL: refused, *problem says why (ERR_LIMIT,
 * ERR_DEADLINE) and the stream is still the caller's to finish. `peer` must outlive the stream.
 */
struct live_call *calls_begin(struct calls *calls, const struct bound_method *method, void *stream,
                              const struct tls_peer *peer, int64_t timeout_ms, struct problem *problem)
    __attribute__((warn_unused_result));
/* What the stream tells. Each may end the call; stream_ops.finish has then been called. */
void calls_message(struct live_call *call, const ProtobufCMessage *message);
void calls_half_closed(struct live_call *call);
void calls_writable(struct live_call *call);
/* What came from the client is wrong: answers with the problem. */
void calls_fail(struct live_call *call, const struct problem *problem);
/* The stream is gone without finish: ERR_CANCELLED (the client went away, the connection broke), ERR_DEADLINE,
 * ERR_LIMIT. */
void calls_gone(struct live_call *call, enum err why);

/* A reply; one for a call that is gone goes to its method's orphaned(). */
void calls_mail(struct calls *calls, const struct mail *mail);
/* The same without any calls: after the worker's end. */
void calls_orphan(const struct method_table *table, uint32_t first_mail_kind, const struct mail *mail);
/* Once a turn: writable() for calls that yielded. */
void calls_turn(struct calls *calls);

const struct rpc_method *live_call_method(const struct live_call *call);

struct call_counts {
    uint64_t ended[ERR_COUNT]; /* by outcome; ERR_NONE: OK */
    uint64_t begun;
};
/* Any thread: adds to *sum. */
void calls_count(const struct calls *calls, struct call_counts *sum);

#endif
