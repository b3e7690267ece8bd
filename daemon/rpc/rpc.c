/*
 * rpc.c - see rpc.h: the table over net's and wire's callbacks. Owns each worker's struct calls and its scratch memory.
 * Invariant: a stream's context is its call, or NULL once the call has ended (its status may still be on its way out).
 */
#include "daemon/rpc/rpc.h"

#include "daemon/base/log.h"
#include "daemon/net/worker.h"
#include "proto/wire/message.h"
#include "proto/wire/status.h"

#include <stdlib.h>

#define FAILURES_LOGGED_PER_SECOND 20 /* of one worker */

struct rpc_worker {
    struct rpc *rpc;
    struct calls *calls;
    struct arena message; /* one request message, while its handler looks at it */
    int64_t log_second;   /* of the boot clock: the one that `logged` counts for */
    uint32_t logged;
    uint64_t withheld;
};

struct rpc {
    struct rpc_options options;
    struct method_table table;
    struct rpc_worker workers[];
};

/* One line says why a call failed (faults.md: "one clear log line with the reason"), but a client that does nothing
 * else can't fill the disk with them: past the allowance of this second they are counted, and the next line tells how
 * many. */
static void log_failure(struct h2_stream *stream, const char *path, const struct problem *problem)
{
    struct rpc_worker *worker = net_conn_state(h2_stream_conn(stream));
    int64_t second = clock_boot_ms(worker->rpc->options.clock) / 1000;
    if (second != worker->log_second) {
        worker->log_second = second;
        worker->logged = 0;
    }
    if (worker->logged == FAILURES_LOGGED_PER_SECOND) {
        worker->withheld++;
        return;
    }
    worker->logged++;
    log_info("rpc", "conn=%llu call failed: %s code=%s: %s%s%s",
             (unsigned long long)net_conn_id(h2_stream_conn(stream)), path,
             grpc_code_name(grpc_code_of_err(problem->code)), problem->field, *problem->field ? ": " : "",
             problem->text);
    if (worker->withheld > 0)
        log_info("rpc", "%llu more failed calls were not logged", (unsigned long long)worker->withheld);
    worker->withheld = 0;
}

/* --- what calls ask of a stream -------------------------------------------------------------------------------- */

static bool stream_send(void *stream, const ProtobufCMessage *message)
{
    return h2_stream_send(stream, message);
}

static void stream_finish(void *stream, const struct problem *problem)
{
    if (problem != NULL && problem->code != ERR_NONE)
        log_failure(stream, live_call_method(h2_stream_context(stream))->path, problem);
    h2_stream_set_context(stream, NULL);
    h2_stream_finish(stream, problem);
}

static void stream_set_reading(void *stream, bool on)
{
    h2_stream_set_reading(stream, on);
}

static void stream_attach(void *stream, const struct call_details *details)
{
    uint8_t octets[STATUS_DETAILS_BYTES];
    if (details->status_bytes > 0)
        h2_stream_set_details(stream, details->status, details->status_bytes);
    else
        h2_stream_set_details(stream, octets, status_details_encode(details->problem, details->detail, octets));
}

static const struct stream_ops stream_ops = {
    .send = stream_send, .finish = stream_finish, .set_reading = stream_set_reading, .attach = stream_attach};

/* --- what streams tell ----------------------------------------------------------------------------------------- */

static void on_opened(struct h2_stream *stream, const struct h2_request *request)
{
    struct h2_conn *conn = h2_stream_conn(stream);
    struct rpc_worker *worker = net_conn_state(conn);
    const struct bound_method *method = table_find(&worker->rpc->table, request->path);
    struct problem problem;
    struct live_call *call = NULL;
    if (method == NULL)
        problem_set(&problem, ERR_UNIMPLEMENTED, "",
                    "this hub has no such method: server reflection names those it has");
    else
        call = calls_begin(worker->calls, method, stream, h2_conn_peer(conn), request->timeout_ms, &problem);
    if (call == NULL) {
        /* An unknown path is the client's own words: not for the log. */
        log_failure(stream, method ? method->method->path : "unknown method", &problem);
        h2_stream_finish(stream, &problem);
        return;
    }
    h2_stream_set_context(stream, call);
    if (method->method->kind == CALL_UNARY || method->method->kind == CALL_SERVER_STREAM)
        h2_stream_expect_one(stream);
}

static void on_message(struct h2_stream *stream, const uint8_t *data, size_t bytes)
{
    struct live_call *call = h2_stream_context(stream);
    if (call == NULL)
        return;
    struct rpc_worker *worker = net_conn_state(h2_stream_conn(stream));
    ProtobufCMessage *message;
    struct problem problem;
    if (message_unpack(live_call_method(call)->request, data, bytes, &worker->message, &message, &problem) == ERR_NONE)
        calls_message(call, message);
    else
        calls_fail(call, &problem);
    arena_reset(&worker->message);
}

static void on_half_closed(struct h2_stream *stream)
{
    struct live_call *call = h2_stream_context(stream);
    if (call != NULL)
        calls_half_closed(call);
}

static void on_writable(struct h2_stream *stream)
{
    struct live_call *call = h2_stream_context(stream);
    if (call != NULL)
        calls_writable(call);
}

static void on_closed(struct h2_stream *stream, const struct h2_outcome *outcome)
{
    struct live_call *call = h2_stream_context(stream);
    if (call == NULL)
        return;
    h2_stream_set_context(stream, NULL);
    calls_gone(call, outcome->end == H2_END_TIMEOUT   ? ERR_DEADLINE
                     : outcome->end == H2_END_REFUSED ? ERR_LIMIT
                                                      : ERR_CANCELLED);
}

static const struct h2_callbacks callbacks = {
    .opened = on_opened,
    .message = on_message,
    .half_closed = on_half_closed,
    .writable = on_writable,
    .closed = on_closed,
};

/* --- workers --------------------------------------------------------------------------------------------------- */

static void again(void *ctx)
{
    worker_again(ctx);
}

static void *worker_begin(void *ctx, struct worker *worker)
{
    struct rpc *rpc = ctx;
    struct rpc_worker *state = &rpc->workers[worker_index(worker)];
    const struct calls_options options = {.table = &rpc->table,
                                          .stream_ops = &stream_ops,
                                          .mailbox = worker_mailbox(worker),
                                          .first_mail_kind = NET_MAIL_UPPER,
                                          .timers = worker_timers(worker),
                                          .clock = rpc->options.clock,
                                          .again = again,
                                          .again_ctx = worker,
                                          .calls_max = rpc->options.calls_per_worker,
                                          .unary_ms = rpc->options.unary_ms,
                                          .streaming_ms = rpc->options.streaming_ms};
    calls_set_up(state->calls, &options);
    return state;
}

static void worker_end(void *state)
{
    arena_finish(&((struct rpc_worker *)state)->message);
}

static void worker_mail(void *state, const struct mail *mail)
{
    calls_mail(((struct rpc_worker *)state)->calls, mail);
}

static void worker_turn(void *state)
{
    calls_turn(((struct rpc_worker *)state)->calls);
}

static void undelivered(void *ctx, const struct mail *mail)
{
    calls_orphan(&((struct rpc *)ctx)->table, NET_MAIL_UPPER, mail);
}

const struct net_upper *rpc_upper(void)
{
    static const struct net_upper upper = {.worker_start = worker_begin,
                                           .worker_stop = worker_end,
                                           .turn = worker_turn,
                                           .mail = worker_mail,
                                           .undelivered = undelivered,
                                           .callbacks = &callbacks};
    return &upper;
}

/* --- set-up ---------------------------------------------------------------------------------------------------- */

struct rpc *rpc_create(const struct rpc_options *options)
{
    struct rpc *rpc = calloc(1, sizeof *rpc + options->workers * sizeof rpc->workers[0]);
    if (rpc == NULL)
        log_fatal("rpc", "out of memory");
    rpc->options = *options;
    for (uint32_t i = 0; i < options->workers; i++) {
        rpc->workers[i].rpc = rpc;
        rpc->workers[i].calls = calls_create();
        arena_init(&rpc->workers[i].message, options->unpacked_max_bytes);
    }
    return rpc;
}

void rpc_add(struct rpc *rpc, const struct rpc_method *methods, size_t count, void *context)
{
    table_add(&rpc->table, methods, count, context);
}

void rpc_counts(const struct rpc *rpc, struct call_counts *out)
{
    *out = (struct call_counts){0};
    for (uint32_t i = 0; i < rpc->options.workers; i++)
        calls_count(rpc->workers[i].calls, out);
}

void rpc_destroy(struct rpc *rpc)
{
    if (rpc == NULL)
        return;
    for (uint32_t i = 0; i < rpc->options.workers; i++)
        calls_destroy(rpc->workers[i].calls);
    free(rpc);
}
