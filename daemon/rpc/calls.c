/*
 * calls.c - see calls.h. Owns the slots; the worker's thread.
 *
 * A call's serial is its slot and the slot's generation, which moves on when the call ends: a reply that comes later
 * finds another generation, and is an orphan.
 */
#include "daemon/rpc/calls.h"

#include "daemon/base/log.h"
#include "proto/wire/status.h"

#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>

#define CHUNK_CALLS 64
#define SOON_CALLS  8 /* what so many have made is still in the processor's cache */

struct live_call {
    struct call call; /* first: what the handler has */
    struct calls *calls;
    void *stream; /* NULL: finished or gone */
    const struct tls_peer *peer;
    uint32_t method_index;
    uint32_t slot, generation;
    uint32_t entered; /* handler functions on the stack */
    bool in_use;
    enum err outcome;
    int64_t began_boot_ms;
    struct timer deadline, wake;
    struct arena arena;
    struct call_list *waits_in; /* NULL: in none */
    struct live_call *next;     /* of the free, or of those that wait for writable() */
};

/* In the order in which they came. */
struct call_list {
    struct live_call *first, **end; /* end: where the next one goes, if there is a first */
    uint32_t count;
};

struct calls {
    struct calls_options options;
    struct live_call **chunks; /* of CHUNK_CALLS each: calls never move */
    uint32_t chunk_count, under_way;
    struct live_call *free;
    struct call_list soon, yielded;
    atomic_uint_fast64_t begun, ended[ERR_COUNT];
};

static const struct call_ops ops;

/* --- the pool -------------------------------------------------------------------------------------------------- */

static void on_deadline(struct timer *timer);
static void on_wake(struct timer *timer);

static void add_chunk(struct calls *calls)
{
    struct live_call **chunks = realloc(calls->chunks, (calls->chunk_count + 1) * sizeof *chunks);
    struct live_call *chunk = calloc(CHUNK_CALLS, sizeof *chunk);
    if (chunks == NULL || chunk == NULL)
        log_fatal("rpc", "out of memory for calls");
    calls->chunks = chunks;
    for (uint32_t i = CHUNK_CALLS; i-- > 0;) {
        chunk[i].calls = calls;
        chunk[i].slot = calls->chunk_count * CHUNK_CALLS + i;
        chunk[i].deadline.due = on_deadline;
        chunk[i].wake.due = on_wake;
        arena_init(&chunk[i].arena, CALL_ARENA_BYTES);
        chunk[i].next = calls->free;
        calls->free = &chunk[i];
    }
    calls->chunks[calls->chunk_count++] = chunk;
}

struct calls *calls_create(void)
{
    struct calls *calls = calloc(1, sizeof *calls);
    if (calls == NULL)
        log_fatal("rpc", "out of memory for calls");
    return calls;
}

void calls_set_up(struct calls *calls, const struct calls_options *options)
{
    calls->options = *options;
}

void calls_destroy(struct calls *calls)
{
    if (calls->under_way > 0)
        log_fatal("rpc", "%u calls are left at the end", calls->under_way);
    for (uint32_t i = 0; i < calls->chunk_count; i++) {
        for (uint32_t j = 0; j < CHUNK_CALLS; j++)
            arena_finish(&calls->chunks[i][j].arena);
        free(calls->chunks[i]);
    }
    free(calls->chunks);
    free(calls);
}

static struct live_call *find(struct calls *calls, uint64_t serial)
{
    uint32_t slot = (uint32_t)serial;
    if (slot / CHUNK_CALLS >= calls->chunk_count)
        return NULL;
    struct live_call *call = &calls->chunks[slot / CHUNK_CALLS][slot % CHUNK_CALLS];
    return call->in_use && call->generation == (uint32_t)(serial >> 32) ? call : NULL;
}

void calls_count(const struct calls *calls, struct call_counts *sum)
{
    struct calls *readable = (struct calls *)calls;
    sum->begun += atomic_load_explicit(&readable->begun, memory_order_relaxed);
    for (int i = 0; i < ERR_COUNT; i++)
        sum->ended[i] += atomic_load_explicit(&readable->ended[i], memory_order_relaxed);
}

/* --- a call's life --------------------------------------------------------------------------------------------- */

struct live_call *calls_begin(struct calls *calls, const struct bound_method *method, void *stream,
                              const struct tls_peer *peer, int64_t timeout_ms, struct problem *problem)
{
    if (timeout_ms == 0) {
        problem_set(problem, ERR_DEADLINE, "", "the deadline had passed when the call arrived");
        return NULL;
    }
    if (calls->under_way >= calls->options.calls_max) {
        problem_set(problem, ERR_LIMIT, "", "too many calls are under way: try again in a moment");
        return NULL;
    }
    if (calls->free == NULL)
        add_chunk(calls);
    struct live_call *call = calls->free;
    calls->free = call->next;
    calls->under_way++;
    atomic_fetch_add_explicit(&calls->begun, 1, memory_order_relaxed);

    if (timeout_ms < 0)
        timeout_ms = method->method->kind == CALL_UNARY ? calls->options.unary_ms : calls->options.streaming_ms;
    call->began_boot_ms = clock_boot_ms(calls->options.clock);
    call->call = (struct call){.ops = &ops,
                               .method = method->method,
                               .context = method->context,
                               .arena = &call->arena,
                               .clock = calls->options.clock};
    if (__builtin_add_overflow(call->began_boot_ms, timeout_ms, &call->call.deadline_boot_ms))
        call->call.deadline_boot_ms = INT64_MAX - 1;
    call->stream = stream;
    call->peer = peer;
    call->method_index = (uint32_t)(method - calls->options.table->methods);
    call->outcome = ERR_NONE;
    call->in_use = true;
    call->next = NULL;
    timer_set(calls->options.timers, &call->deadline, call->call.deadline_boot_ms);
    return call;
}

static void wait_in(struct call_list *list, struct live_call *call)
{
    if (call->waits_in != NULL)
        return;
    *(list->first != NULL ? list->end : &list->first) = call;
    list->end = &call->next;
    list->count++;
    call->next = NULL;
    call->waits_in = list;
}

static void wait_no_more(struct live_call *call)
{
    struct call_list *list = call->waits_in;
    struct live_call **place = &list->first;
    while (*place != call)
        place = &(*place)->next;
    *place = call->next;
    if (call->next == NULL)
        list->end = place;
    list->count--;
    call->waits_in = NULL;
}

static void end(struct live_call *call)
{
    struct calls *calls = call->calls;
    const struct call_handler *handler = call->call.method->handler;
    timer_cancel(calls->options.timers, &call->deadline);
    timer_cancel(calls->options.timers, &call->wake);
    call->entered++; /* so that a finish in closed() ends nothing twice */
    if (handler->closed != NULL)
        handler->closed(&call->call);
    call->entered--;
    if (call->waits_in != NULL)
        wait_no_more(call);
    log_debug("rpc", "call %s code=%s ms=%lld", call->call.method->path,
              grpc_code_name(grpc_code_of_err(call->outcome)),
              (long long)(clock_boot_ms(calls->options.clock) - call->began_boot_ms));
    atomic_fetch_add_explicit(&calls->ended[call->outcome], 1, memory_order_relaxed);
    arena_reset(&call->arena);
    call->in_use = false;
    call->generation++;
    call->next = calls->free;
    calls->free = call;
    calls->under_way--;
}

static void run_list(struct call_list *list);

static void enter(struct live_call *call)
{
    call->entered++;
}

static void leave(struct live_call *call)
{
    if (--call->entered == 0 && call->stream == NULL)
        end(call);
}

static void finish(struct live_call *call, const struct problem *problem)
{
    if (call->stream == NULL)
        return;
    void *stream = call->stream;
    call->stream = NULL;
    call->outcome = problem ? problem->code : ERR_NONE;
    call->calls->options.stream_ops->finish(stream, problem);
}

static void on_deadline(struct timer *timer)
{
    struct live_call *call = (struct live_call *)((char *)timer - offsetof(struct live_call, deadline));
    struct problem problem;
    problem_set(&problem, ERR_DEADLINE, "", "the call's deadline has passed; what it asked for may still happen");
    calls_fail(call, &problem);
}

static void on_wake(struct timer *timer)
{
    struct live_call *call = (struct live_call *)((char *)timer - offsetof(struct live_call, wake));
    enter(call);
    call->call.method->handler->due(&call->call);
    leave(call);
}

/* --- what the stream tells ------------------------------------------------------------------------------------- */

void calls_message(struct live_call *call, const ProtobufCMessage *message)
{
    struct calls *calls = call->calls;
    enter(call);
    if (call->call.method->handler->message != NULL)
        call->call.method->handler->message(&call->call, message);
    leave(call);
    if (calls->soon.count >= SOON_CALLS)
        run_list(&calls->soon);
}

void calls_half_closed(struct live_call *call)
{
    enter(call);
    if (call->call.method->handler->half_closed != NULL)
        call->call.method->handler->half_closed(&call->call);
    leave(call);
}

void calls_writable(struct live_call *call)
{
    enter(call);
    if (call->call.method->handler->writable != NULL)
        call->call.method->handler->writable(&call->call);
    leave(call);
}

void calls_fail(struct live_call *call, const struct problem *problem)
{
    enter(call);
    finish(call, problem);
    leave(call);
}

void calls_gone(struct live_call *call, enum err why)
{
    enter(call);
    if (call->stream != NULL)
        call->outcome = why;
    call->stream = NULL;
    leave(call);
}

const struct rpc_method *live_call_method(const struct live_call *call)
{
    return call->call.method;
}

/* --- replies and turns ----------------------------------------------------------------------------------------- */

void calls_orphan(const struct method_table *table, uint32_t first_mail_kind, const struct mail *mail)
{
    uint32_t index = mail->kind - first_mail_kind;
    if (mail->kind < first_mail_kind || index >= table->count)
        log_fatal("rpc", "mail of kind %u is for no method", mail->kind);
    const struct call_handler *handler = table->methods[index].method->handler;
    if (handler->orphaned != NULL)
        handler->orphaned(mail);
    else if (mail->payload != NULL)
        log_fatal("rpc", "%s does not free its orphaned replies", table->methods[index].method->path);
}

void calls_mail(struct calls *calls, const struct mail *mail)
{
    struct live_call *call = find(calls, mail->to);
    if (call == NULL) {
        calls_orphan(calls->options.table, calls->options.first_mail_kind, mail);
        return;
    }
    enter(call);
    call->call.method->handler->resumed(&call->call, mail);
    leave(call);
}

/* Those that are in the list now. */
static void run_list(struct call_list *list)
{
    for (uint32_t left = list->count; left > 0 && list->first != NULL; left--) {
        struct live_call *call = list->first;
        wait_no_more(call);
        calls_writable(call);
    }
}

void calls_turn(struct calls *calls)
{
    run_list(&calls->soon);
    run_list(&calls->yielded); /* those that yield again have their turn in the next one */
    run_list(&calls->soon);
}

/* --- what the handler asks ------------------------------------------------------------------------------------- */

static bool op_send(struct call *call, const ProtobufCMessage *message)
{
    struct live_call *live = (struct live_call *)call;
    return live->stream == NULL || live->calls->options.stream_ops->send(live->stream, message);
}

/* Also called when no function of the handler is on the stack; then the call ends here. */
static void op_finish(struct call *call, const struct problem *problem)
{
    struct live_call *live = (struct live_call *)call;
    enter(live);
    finish(live, problem);
    leave(live);
}

static enum err op_reserve_reply(struct call *call, struct reply_address *out)
{
    struct live_call *live = (struct live_call *)call;
    const struct calls_options *options = &live->calls->options;
    enum err err = mailbox_reserve(options->mailbox);
    if (err != ERR_NONE)
        return err;
    *out = (struct reply_address){.mailbox = options->mailbox,
                                  .to = (uint64_t)live->generation << 32 | live->slot,
                                  .kind = options->first_mail_kind + live->method_index};
    return ERR_NONE;
}

static void op_unreserve_reply(struct call *call)
{
    mailbox_unreserve(((struct live_call *)call)->calls->options.mailbox);
}

static void op_set_reading(struct call *call, bool on)
{
    struct live_call *live = (struct live_call *)call;
    if (live->stream != NULL)
        live->calls->options.stream_ops->set_reading(live->stream, on);
}

static void op_yield(struct call *call)
{
    struct live_call *live = (struct live_call *)call;
    const struct calls_options *options = &live->calls->options;
    if (live->waits_in != NULL)
        return;
    wait_in(&live->calls->yielded, live);
    options->again(options->again_ctx);
}

static void op_soon(struct call *call)
{
    struct live_call *live = (struct live_call *)call;
    wait_in(&live->calls->soon, live);
}

static void op_wake_at(struct call *call, int64_t boot_ms)
{
    struct live_call *live = (struct live_call *)call;
    if (live->stream != NULL)
        timer_set(live->calls->options.timers, &live->wake, boot_ms);
}

static const struct tls_peer *op_peer(struct call *call)
{
    return ((struct live_call *)call)->peer;
}

static void op_attach(struct call *call, const struct call_details *details)
{
    struct live_call *live = (struct live_call *)call;
    if (live->stream != NULL)
        live->calls->options.stream_ops->attach(live->stream, details);
}

static const struct call_ops ops = {
    .send = op_send,
    .finish = op_finish,
    .reserve_reply = op_reserve_reply,
    .unreserve_reply = op_unreserve_reply,
    .set_reading = op_set_reading,
    .yield = op_yield,
    .soon = op_soon,
    .peer = op_peer,
    .wake_at = op_wake_at,
    .attach = op_attach,
};
