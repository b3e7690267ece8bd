/*
 * worker.c - the turn. Owns the loop, the mailbox, the timers, the lists of connections.
 * Thread: its own. Invariant: `touched` is empty when the loop waits, but for connections that asked for another turn,
 * and then it does not wait.
 */
#include "daemon/net/worker.h"

#include "daemon/base/log.h"
#include "daemon/base/thread.h"
#include "daemon/net/conn.h"

#include <event2/event.h>
#include <malloc.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#define MAIL_PER_TURN     1024
#define TIMERS_PER_TURN   1024
#define CROWD_CONNECTIONS 16u

struct worker {
    const struct worker_shared *shared;
    uint32_t index;
    struct event_base *base;
    struct mailbox *mailbox;
    struct event *mail_event, *timer_event;
    struct timers timers;
    int64_t now_ms, timer_armed_ms; /* what timer_event is set to */
    struct conn *conns, *touched;
    bool draining;
    bool more;      /* work is left for the next turn, which doesn't wait */
    bool now_known; /* now_ms is this turn's */
    atomic_uint connections;
    uint32_t crowd; /* the most connections since memory was given back */
    void *upper;
    pthread_t thread;
    bool started;
};

struct mailbox *worker_mailbox(struct worker *worker)
{
    return worker->mailbox;
}
struct timers *worker_timers(struct worker *worker)
{
    return &worker->timers;
}
int64_t worker_now_ms(struct worker *worker)
{
    if (!worker->now_known)
        worker->now_ms = clock_boot_ms(worker->shared->options->clock);
    worker->now_known = true;
    return worker->now_ms;
}
void worker_again(struct worker *worker)
{
    worker->more = true;
}
uint32_t worker_index(const struct worker *worker)
{
    return worker->index;
}
struct event_base *worker_base(struct worker *worker)
{
    return worker->base;
}
const struct worker_shared *worker_shared(const struct worker *worker)
{
    return worker->shared;
}
void *worker_upper_state(struct worker *worker)
{
    return worker->upper;
}
uint32_t worker_connections(const struct worker *worker)
{
    return atomic_load_explicit(&((struct worker *)worker)->connections, memory_order_relaxed);
}

/* --- from other threads ---------------------------------------------------------------------------------------- */

enum err worker_hand_over(struct worker *worker, int fd, uint64_t id)
{
    struct mail mail = {.kind = NET_MAIL_CONNECTION, .to = id, .value = (uint64_t)fd};
    /* Counted here, so that the acceptor sees at once whom it has loaded. */
    atomic_fetch_add_explicit(&worker->connections, 1, memory_order_relaxed);
    enum err err = mailbox_send(worker->mailbox, &mail);
    if (err != ERR_NONE)
        atomic_fetch_sub_explicit(&worker->connections, 1, memory_order_relaxed);
    return err;
}

void worker_drain(struct worker *worker)
{
    struct mail mail = {.kind = NET_MAIL_DRAIN};
    mailbox_send_reserved(worker->mailbox, &mail);
}

/* --- connections ----------------------------------------------------------------------------------------------- */

void worker_touch(struct worker *worker, struct conn *conn)
{
    if (conn->touched)
        return;
    conn->touched = true;
    conn->touched_next = worker->touched;
    worker->touched = conn;
}

static void forget(struct worker *worker)
{
    atomic_fetch_sub_explicit(&worker->connections, 1, memory_order_relaxed);
}

static void take_connection(struct worker *worker, int fd, uint64_t id)
{
    if (worker->draining) {
        close(fd);
        forget(worker);
        return;
    }
    struct conn *conn = conn_create(worker, fd, id);
    if (conn == NULL) {
        forget(worker);
        return;
    }
    conn->next = worker->conns;
    conn->link = &worker->conns;
    if (conn->next != NULL)
        conn->next->link = &conn->next;
    worker->conns = conn;
    worker_touch(worker, conn);
}

static void reap(struct worker *worker, struct conn *conn)
{
    *conn->link = conn->next;
    if (conn->next != NULL)
        conn->next->link = conn->link;
    conn_destroy(conn);
    forget(worker);
}

/* --- the turn -------------------------------------------------------------------------------------------------- */

static void start_draining(struct worker *worker)
{
    int64_t deadline_ms = worker_now_ms(worker) + worker->shared->options->drain_ms;
    worker->draining = true;
    for (struct conn *conn = worker->conns; conn != NULL; conn = conn->next)
        conn_drain(conn, deadline_ms);
}

static void take_mail(struct worker *worker)
{
    struct mail mail[64];
    uint32_t taken = 0, got;
    do {
        got = mailbox_take(worker->mailbox, mail, sizeof mail / sizeof mail[0]);
        for (uint32_t i = 0; i < got; i++)
            if (mail[i].kind == NET_MAIL_CONNECTION)
                take_connection(worker, (int)mail[i].value, mail[i].to);
            else if (mail[i].kind == NET_MAIL_DRAIN)
                start_draining(worker);
            else
                worker->shared->upper->mail(worker->upper, &mail[i]);
        taken += got;
    } while (got > 0 && taken < MAIL_PER_TURN);
}

/* Settling a connection may touch it, or another one, again: that is for the next turn, which then comes at once. */
static void settle_touched(struct worker *worker)
{
    struct conn *conn = worker->touched;
    worker->touched = NULL;
    for (struct conn *next; conn != NULL; conn = next) {
        next = conn->touched_next;
        conn->touched = false;
        conn_settle(conn);
        if (conn->again)
            worker_touch(worker, conn);
        if (conn->dead && !conn->touched) /* nothing of it is on the stack, and nobody has it in a list */
            reap(worker, conn);
    }
    worker->more |= worker->touched != NULL;
}

static void arm_timer(struct worker *worker)
{
    int64_t next_ms = timers_next(&worker->timers);
    if (next_ms == worker->timer_armed_ms)
        return;
    worker->timer_armed_ms = next_ms;
    if (next_ms == TIMER_NEVER) {
        evtimer_del(worker->timer_event);
        return;
    }
    int64_t now_ms = worker_now_ms(worker), left_ms = next_ms > now_ms ? next_ms - now_ms : 0;
    struct timeval left = {.tv_sec = left_ms / 1000, .tv_usec = left_ms % 1000 * 1000};
    evtimer_add(worker->timer_event, &left);
}

/*
 * After a crowd has left, its memory goes back: freed pieces between others' would stay with the process, and the next
 * crowd's would come on top.
 */
static void give_memory_back(struct worker *worker)
{
    uint32_t count = worker_connections(worker);
    if (count > worker->crowd)
        worker->crowd = count;
    if (worker->crowd - count < CROWD_CONNECTIONS)
        return;
    worker->crowd = count;
    malloc_trim(0);
}

static void end_turn(struct worker *worker)
{
    worker->now_known = false;
    if (timers_run(&worker->timers, worker_now_ms(worker), TIMERS_PER_TURN) == TIMERS_PER_TURN)
        worker->more = true;
    worker->shared->upper->turn(worker->upper);
    settle_touched(worker);
    give_memory_back(worker);
    arm_timer(worker);
}

static void on_mail(evutil_socket_t fd, short what, void *ctx)
{
    (void)fd;
    (void)what;
    take_mail(ctx);
}

/* Timers are run at the end of each turn; this only makes one. */
static void on_timer(evutil_socket_t fd, short what, void *ctx)
{
    (void)fd;
    (void)what;
    ((struct worker *)ctx)->timer_armed_ms = TIMER_NEVER;
}

static void *run(void *arg)
{
    struct worker *worker = arg;
    const struct worker_shared *shared = worker->shared;
    worker->upper = shared->upper->worker_start(shared->upper_ctx, worker);
    while (!worker->draining || worker->conns != NULL) {
        bool wait = !worker->more;
        worker->more = worker->now_known = false;
        event_base_loop(worker->base, EVLOOP_ONCE | (wait ? 0 : EVLOOP_NONBLOCK));
        end_turn(worker);
    }
    shared->upper->worker_stop(worker->upper);
    return NULL;
}

/* --- life ------------------------------------------------------------------------------------------------------ */

struct worker *worker_create(const struct worker_shared *shared, uint32_t index)
{
    struct worker *worker = calloc(1, sizeof *worker);
    struct event_config *config = event_config_new();
    if (worker == NULL || config == NULL)
        log_fatal("net", "out of memory for a worker");
    worker->shared = shared;
    worker->index = index;
    worker->timer_armed_ms = TIMER_NEVER;
    worker->mailbox = mailbox_create(shared->options->mailbox_capacity);
    if (mailbox_reserve(worker->mailbox) != ERR_NONE) /* for NET_MAIL_DRAIN */
        log_fatal("net", "the workers' mailboxes are too small");
    /* One thread only: no locks in the loop; timers to the millisecond. */
    event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK | EVENT_BASE_FLAG_PRECISE_TIMER);
    worker->base = event_base_new_with_config(config);
    event_config_free(config);
    if (worker->base == NULL)
        log_fatal("net", "no event loop can be had");
    worker->mail_event = event_new(worker->base, mailbox_fd(worker->mailbox), EV_READ | EV_PERSIST, on_mail, worker);
    worker->timer_event = evtimer_new(worker->base, on_timer, worker);
    if (worker->mail_event == NULL || worker->timer_event == NULL || event_add(worker->mail_event, NULL) != 0)
        log_fatal("net", "a worker's mailbox can't be heard");
    return worker;
}

void worker_start(struct worker *worker)
{
    char name[16];
    snprintf(name, sizeof name, "net-%u", worker->index % 1000);
    worker->thread = thread_start(name, run, worker);
    worker->started = true;
}

void worker_join(struct worker *worker)
{
    pthread_join(worker->thread, NULL);
    worker->started = false;
}

void worker_destroy(struct worker *worker)
{
    if (worker->started)
        log_fatal("net", "a worker is destroyed while it runs");
    struct mail mail;
    while (mailbox_take(worker->mailbox, &mail, 1) == 1)
        if (mail.kind == NET_MAIL_CONNECTION)
            close((int)mail.value);
        else if (mail.kind >= NET_MAIL_UPPER)
            worker->shared->upper->undelivered(worker->shared->upper_ctx, &mail);
    event_free(worker->mail_event);
    event_free(worker->timer_event);
    event_base_free(worker->base);
    mailbox_destroy(worker->mailbox);
    timers_finish(&worker->timers);
    free(worker);
}
