/*
 * link.c - see link.h. Owns: the connection, its calls in a list, the wait. The client's one thread.
 * Invariant: a call's stream pointer is set exactly while the stream has not heard `closed`.
 */
#include "client/link.h"

#include "client/memory.h"
#include "daemon/base/arena.h"
#include "daemon/base/clock.h"
#include "proto/wire/h2.h"
#include "proto/wire/message.h"
#include "proto/wire/spiffe.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define CLOSING_MS    500
#define PING_AFTER_MS 20000 /* of silence: a hub whose machine is gone says nothing of it */
#define PING_MS       15000
#define WAIT_MS       1000

struct link {
    struct h2_conn *conn;
    struct tls_context *tls;
    bool dead;
    char *address;
    char region[SPIFFE_GSS_BYTES];
    struct spiffe_name self;
    bool has_self;
    struct link_call *calls;
    struct arena reply; /* of link_call: its reply, or its failure */
    struct link_failure failure;
};

struct link_call {
    struct link *link;
    struct link_call *next;
    struct link_want want;
    struct h2_stream *stream;
    struct arena arena;
    struct problem problem; /* once over */
    bool over, writable;
    struct link_failure failure; /* in the arena */
    int64_t heard_ms;            /* or sent */
};

static int64_t now_ms(void)
{
    return clock_boot_ms(clock_system());
}

/* --- what the connection says ----------------------------------------------------------------------------------- */

static void on_message(struct h2_stream *stream, const uint8_t *data, size_t bytes)
{
    struct link_call *call = h2_stream_context(stream);
    if (call == NULL || call->over)
        return;
    struct problem why;
    ProtobufCMessage *reply;
    call->heard_ms = now_ms();
    arena_reset(&call->arena);
    if (message_unpack(call->want.reply, data, bytes, &call->arena, &reply, &why) != ERR_NONE) {
        problem_set(&call->problem, ERR_INTERNAL, "",
                    "the hub's answer can't be read (%s); is this program older than the "
                    "hub?",
                    why.text);
        call->over = call->failure.outcome_unknown = true;
        h2_stream_cancel(stream);
        return;
    }
    if (call->want.message)
        call->want.message(call->want.context, reply);
}

static void on_writable(struct h2_stream *stream)
{
    struct link_call *call = h2_stream_context(stream);
    if (call != NULL)
        call->writable = true;
}

/* A hub that refuses says so; what says nothing, or only that the time was up, leaves open what became of the call. */
static void note_failure(struct link_call *call, const struct h2_outcome *outcome)
{
    struct link_failure *failure = &call->failure;
    arena_reset(&call->arena);
    failure->forward = (const Vacancy__V1__ForwardFailure *)status_details_find(
        outcome->details, outcome->details_bytes, &vacancy__v1__forward_failure__descriptor, &call->arena);
    if (failure->forward != NULL)
        failure->outcome_unknown = failure->forward->outcome_unknown;
    else if (outcome->said)
        failure->outcome_unknown = outcome->problem.code == ERR_DEADLINE || outcome->problem.code == ERR_CANCELLED ||
                                   outcome->code == GRPC_INTERNAL;
    else
        failure->outcome_unknown = !outcome->unprocessed;
}

static void on_closed(struct h2_stream *stream, const struct h2_outcome *outcome)
{
    struct link_call *call = h2_stream_context(stream);
    if (call == NULL)
        return;
    call->stream = NULL;
    if (call->over)
        return;
    call->over = true;
    call->problem = outcome->problem;
    if (call->problem.code != ERR_NONE)
        note_failure(call, outcome);
    if (outcome->end == H2_END_LOST)
        problem_set(&call->problem, ERR_UNAVAILABLE, "", "the connection to %s ended (%s)", call->link->address,
                    h2_conn_reason(call->link->conn));
    else if (outcome->end == H2_END_TIMEOUT)
        problem_set(&call->problem, ERR_DEADLINE, "", "%s did not answer in time; try again", call->link->address);
}

/* The one name of a certificate, in whatever trust domain. */
static bool read_name(const struct tls_peer *peer, struct spiffe_name *out)
{
    static const char scheme[] = "spiffe://";
    char domain[SPIFFE_DOMAIN_BYTES];
    struct problem ignored;
    if (peer->uri_count != 1 || peer->uri_bytes > TLS_URI_BYTES || peer->uri_bytes < sizeof scheme)
        return false;
    const uint8_t *host = peer->uri + sizeof scheme - 1, *end = memchr(host, '/', peer->uri_bytes - sizeof scheme + 1);
    if (end == NULL || (size_t)(end - host) >= sizeof domain)
        return false;
    memcpy(domain, host, (size_t)(end - host));
    domain[end - host] = '\0';
    return spiffe_parse(peer->uri, peer->uri_bytes, domain, out, &ignored) == ERR_NONE;
}

/* The certificate must be a hub's: a team's or an agency's with a fitting DNS name is no hub. */
static bool on_ready(struct h2_conn *conn, const struct tls_peer *peer)
{
    struct link *link = h2_conn_context(conn);
    struct spiffe_name name;
    if (!read_name(peer, &name) || name.kind != SPIFFE_HUB)
        return false;
    memcpy(link->region, name.region, sizeof link->region);
    return true;
}

static void on_touched(struct h2_conn *conn)
{
    (void)conn; /* every turn settles */
}

static const struct h2_callbacks callbacks = {.message = on_message, .writable = on_writable, .closed = on_closed};
static const struct h2_conn_callbacks conn_callbacks = {.touched = on_touched, .ready = on_ready};

/* --- the loop --------------------------------------------------------------------------------------------------- */

static void end_silent_calls(struct link *link, int64_t now)
{
    for (struct link_call *call = link->calls; call; call = call->next) {
        int64_t silence_ms = call->want.silence_ms ? call->want.silence_ms : LINK_CALL_MS;
        if (call->over || call->want.one_reply || now - call->heard_ms < silence_ms)
            continue;
        problem_set(&call->problem, ERR_DEADLINE, "", "%s has said nothing for %d s; try again", link->address,
                    (int)(silence_ms / 1000));
        call->over = true;
        if (call->stream)
            h2_stream_cancel(call->stream);
    }
}

/* Settles; true: go on. */
static enum h2_turn settle(struct link *link)
{
    enum h2_turn turn = h2_conn_settle(link->conn, now_ms());
    link->dead = turn == H2_DEAD;
    return turn;
}

static int to_poll(int64_t wait_ms)
{
    return wait_ms < 0 ? 0 : wait_ms > WAIT_MS ? WAIT_MS : (int)wait_ms;
}

/* One turn that also wakes for `fd` (-1: none); returns whether fd has something. */
static bool turn_with(struct link *link, int64_t wait_ms, int fd)
{
    if (link->dead)
        return true;
    enum h2_turn turn = settle(link);
    if (turn == H2_DEAD)
        return true;
    int64_t now = now_ms(), due = h2_conn_deadline_ms(link->conn);
    if (turn == H2_AGAIN)
        wait_ms = 0;
    else if (due != INT64_MAX && due - now < wait_ms)
        wait_ms = due - now;
    unsigned interest = h2_conn_interest(link->conn);
    struct pollfd polled[] = {{h2_conn_fd(link->conn),
                               (short)((interest & H2_READABLE ? POLLIN : 0) | (interest & H2_WRITABLE ? POLLOUT : 0)),
                               0},
                              {fd, POLLIN, 0}};
    if (poll(polled, fd < 0 ? 1 : 2, to_poll(wait_ms)) < 0 && errno != EINTR)
        abort();
    short got = polled[0].revents;
    unsigned what = (got & (POLLIN | POLLERR | POLLHUP) ? H2_READABLE : 0u) |
                    (got & (POLLOUT | POLLERR | POLLHUP) ? H2_WRITABLE : 0u);
    h2_conn_event(link->conn, what & (interest | (got & (POLLERR | POLLHUP) ? ~0u : 0u)), now_ms());
    end_silent_calls(link, now_ms());
    settle(link);
    return polled[1].revents != 0;
}

void link_turn(struct link *link, int64_t wait_ms)
{
    turn_with(link, wait_ms, -1);
}

void link_turn_with(struct link *link, int64_t wait_ms, int fd)
{
    turn_with(link, wait_ms, fd);
}

void link_wait_for(struct link *link, int fd)
{
    struct pollfd input = {fd, POLLIN, 0};
    while (!link->dead && poll(&input, 1, 0) == 0) {
        turn_with(link, WAIT_MS, fd);
        /* Our own silence is not the hub's. */
        for (struct link_call *call = link->calls; call; call = call->next)
            call->heard_ms = now_ms();
    }
}

/* --- opening and closing ---------------------------------------------------------------------------------------- */

/* A connected non-blocking socket to one address, or -1 with errno. */
static int connect_to(const struct addrinfo *address, int64_t deadline_ms)
{
    int fd = socket(address->ai_family, address->ai_socktype | SOCK_NONBLOCK | SOCK_CLOEXEC, address->ai_protocol);
    if (fd < 0)
        return -1;
    int error = connect(fd, address->ai_addr, address->ai_addrlen) == 0 ? 0 : errno;
    while (error == EINPROGRESS) {
        struct pollfd polled = {fd, POLLOUT, 0};
        int64_t left = deadline_ms - now_ms();
        if (left <= 0) {
            error = ETIMEDOUT;
        } else if (poll(&polled, 1, to_poll(left)) > 0) {
            socklen_t size = sizeof error;
            if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) != 0)
                error = errno;
        }
    }
    int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (error == 0)
        return fd;
    close(fd);
    errno = error;
    return -1;
}

static int connect_any(const struct settings *settings, int64_t deadline_ms, struct problem *problem)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV}, *list = NULL;
    int failed = getaddrinfo(settings->host, settings->port, &hints, &list);
    if (failed != 0) {
        problem_set(problem, ERR_UNAVAILABLE, "", "the hub's name \"%.100s\" can't be found (%s); check --hub",
                    settings->host, gai_strerror(failed));
        return -1;
    }
    int fd = -1, error = 0;
    for (const struct addrinfo *at = list; at && fd < 0; at = at->ai_next) {
        fd = connect_to(at, deadline_ms);
        error = errno;
    }
    freeaddrinfo(list);
    if (fd < 0)
        problem_set(problem, ERR_UNAVAILABLE, "",
                    "%.100s:%s can't be reached (%s); is the hub running, is --hub right?", settings->host,
                    settings->port, strerror(error));
    return fd;
}

static enum err shake_hands(struct link *link, int64_t deadline_ms, struct problem *problem)
{
    while (!link->dead && h2_conn_peer(link->conn) == NULL && now_ms() < deadline_ms)
        link_turn(link, deadline_ms - now_ms());
    if (h2_conn_distrusts(link->conn))
        return problem_set(problem, ERR_UNAUTHENTICATED, "",
                           "%s is not to be trusted: its certificate does not prove that it is that hub (%s); check "
                           "--hub and --ca",
                           link->address, h2_conn_reason(link->conn));
    if (h2_conn_peer(link->conn) == NULL)
        return problem_set(problem, ERR_UNAVAILABLE, "", "no secure connection to %s (%s)", link->address,
                           link->dead ? h2_conn_reason(link->conn) : "no answer in time");
    if (link->region[0] == '\0')
        return problem_set(problem, ERR_UNAUTHENTICATED, "", "%s is not a hub by its certificate; check --hub",
                           link->address);
    return ERR_NONE;
}

static enum err make_context(const struct settings *settings, struct tls_context **out, struct problem *problem)
{
    struct tls_options tls = {.role = TLS_CLIENT,
                              .certificate_path = settings->certificate,
                              .key_path = settings->key,
                              .ca_path = settings->ca};
    return tls_context_create(&tls, out, problem);
}

bool link_self_of(const struct settings *settings, struct spiffe_name *out)
{
    struct tls_context *tls = NULL;
    struct tls_peer own;
    struct problem ignored;
    if (make_context(settings, &tls, &ignored) != ERR_NONE)
        return false;
    tls_context_own_names(tls, &own);
    tls_context_unref(tls);
    return read_name(&own, out);
}

enum err link_open(const struct settings *settings, struct link **out, struct problem *problem)
{
    return link_open_within(settings, LINK_CALL_MS, out, problem);
}

enum err link_open_within(const struct settings *settings, int64_t timeout_ms, struct link **out,
                          struct problem *problem)
{
    struct link *link = must_alloc(1, sizeof *link);
    link->address = must_print("%.100s:%s", settings->host, settings->port);
    arena_init(&link->reply, MESSAGE_UNPACKED_BYTES);
    int64_t deadline_ms = now_ms() + timeout_ms;
    enum err err = make_context(settings, &link->tls, problem);
    int fd = err == ERR_NONE ? connect_any(settings, deadline_ms, problem) : -1;
    struct tls_peer own = {0};
    if (err == ERR_NONE)
        tls_context_own_names(link->tls, &own);
    link->has_self = read_name(&own, &link->self);
    if (fd < 0) {
        err = err == ERR_NONE ? ERR_UNAVAILABLE : err;
        goto fail;
    }
    struct h2_limits limits = h2_limits_default;
    limits.ping_interval_ms = PING_AFTER_MS;
    limits.ping_timeout_ms = PING_MS;
    struct h2_options options = {.tls = link->tls,
                                 .limits = &limits,
                                 .callbacks = &callbacks,
                                 .conn_callbacks = &conn_callbacks,
                                 .context = link,
                                 .server_name = settings->host};
    link->conn = h2_conn_create(&options, fd, now_ms());
    if (link->conn == NULL)
        err = problem_set(problem, ERR_INTERNAL, "", "out of memory for the connection");
    else
        err = shake_hands(link, deadline_ms, problem);
    if (err != ERR_NONE)
        goto fail;
    *out = link;
    return ERR_NONE;
fail:
    link->dead = true;
    link_close(link);
    return err;
}

void link_close(struct link *link)
{
    if (link == NULL)
        return;
    if (!link->dead) {
        int64_t until = now_ms() + CLOSING_MS;
        h2_conn_drain(link->conn, now_ms(), until);
        while (!link->dead && now_ms() < until)
            link_turn(link, until - now_ms());
    }
    h2_conn_destroy(link->conn);
    tls_context_unref(link->tls);
    arena_finish(&link->reply);
    free(link->address);
    free(link);
}

bool link_lives(const struct link *link)
{
    return !link->dead && h2_conn_accepts_calls(link->conn);
}

const char *link_region(const struct link *link)
{
    return link->region;
}

const struct spiffe_name *link_self(const struct link *link)
{
    return link->has_self ? &link->self : NULL;
}

/* --- calls ------------------------------------------------------------------------------------------------------ */

struct link_call *link_start(struct link *link, const struct link_want *want)
{
    struct link_call *call = must_alloc(1, sizeof *call);
    call->link = link;
    call->want = *want;
    call->writable = true;
    call->heard_ms = now_ms();
    arena_init(&call->arena, MESSAGE_UNPACKED_BYTES);
    call->next = link->calls;
    link->calls = call;
    struct h2_call options = {.path = want->path,
                              .timeout_ms = !want->one_reply   ? LINK_STREAM_MS
                                            : want->timeout_ms ? want->timeout_ms
                                                               : LINK_CALL_MS,
                              .context = call,
                              .one_reply = want->one_reply};
    if (!link->dead)
        call->stream = h2_call_start(link->conn, &options, now_ms());
    if (call->stream == NULL) {
        call->over = true;
        problem_set(&call->problem, ERR_UNAVAILABLE, "", "the connection to %s ended (%s)", link->address,
                    h2_conn_reason(link->conn));
    }
    return call;
}

bool link_send(struct link_call *call, const ProtobufCMessage *message)
{
    if (call->over || call->stream == NULL)
        return false;
    call->heard_ms = now_ms();
    call->writable = h2_stream_send(call->stream, message);
    return call->writable;
}

bool link_writable(const struct link_call *call)
{
    return call->writable;
}

void link_end(struct link_call *call)
{
    if (!call->over && call->stream)
        h2_stream_half_close(call->stream);
}

bool link_is_over(const struct link_call *call, struct problem *problem)
{
    if (call->over && problem)
        *problem = call->problem;
    return call->over;
}

void link_free(struct link_call *call)
{
    if (call == NULL)
        return;
    for (struct link_call **at = &call->link->calls; *at; at = &(*at)->next) {
        if (*at == call) {
            *at = call->next;
            break;
        }
    }
    if (call->stream != NULL) {
        h2_stream_set_context(call->stream, NULL);
        h2_stream_cancel(call->stream);
    }
    arena_finish(&call->arena);
    free(call);
}

static enum err run_to_end(struct link_call *call, const ProtobufCMessage *request, struct problem *problem)
{
    link_send(call, request);
    link_end(call);
    while (!link_is_over(call, problem))
        link_turn(call->link, WAIT_MS);
    return problem->code;
}

struct one_reply {
    const ProtobufCMessage *reply;
};

static void keep_reply(void *context, const ProtobufCMessage *reply)
{
    ((struct one_reply *)context)->reply = reply;
}

enum err link_call(struct link *link, const char *path, const ProtobufCMessage *request,
                   const ProtobufCMessageDescriptor *reply, const ProtobufCMessage **out, struct problem *problem)
{
    return link_call_within(link, path, request, reply, LINK_CALL_MS, out, problem);
}

enum err link_call_within(struct link *link, const char *path, const ProtobufCMessage *request,
                          const ProtobufCMessageDescriptor *reply, int64_t timeout_ms, const ProtobufCMessage **out,
                          struct problem *problem)
{
    struct one_reply kept = {NULL};
    struct link_want want = {.path = path,
                             .reply = reply,
                             .one_reply = true,
                             .timeout_ms = timeout_ms,
                             .message = keep_reply,
                             .context = &kept};
    struct link_call *call = link_start(link, &want);
    enum err err = run_to_end(call, request, problem);
    /* The reply's memory outlives the call. */
    arena_finish(&link->reply);
    link->reply = call->arena;
    link->failure = call->failure;
    arena_init(&call->arena, MESSAGE_UNPACKED_BYTES);
    link_free(call);
    if (err == ERR_NONE && kept.reply == NULL)
        err = problem_set(problem, ERR_INTERNAL, "", "the hub answered without saying anything");
    *out = kept.reply;
    return err;
}

const struct link_failure *link_failure(const struct link *link)
{
    return &link->failure;
}

struct stream_reader {
    link_each each;
    void *context;
    bool stopped;
};

static void hand_on(void *context, const ProtobufCMessage *reply)
{
    struct stream_reader *reader = context;
    if (!reader->stopped)
        reader->stopped = !reader->each(reader->context, reply);
}

enum err link_stream(struct link *link, const char *path, const ProtobufCMessage *request,
                     const ProtobufCMessageDescriptor *reply, link_each each, void *context, struct problem *problem)
{
    return link_slow_stream(link, path, request, reply, LINK_CALL_MS, each, context, problem);
}

enum err link_slow_stream(struct link *link, const char *path, const ProtobufCMessage *request,
                          const ProtobufCMessageDescriptor *reply, int64_t silence_ms, link_each each, void *context,
                          struct problem *problem)
{
    struct stream_reader reader = {each, context, false};
    struct link_want want = {
        .path = path, .reply = reply, .silence_ms = silence_ms, .message = hand_on, .context = &reader};
    struct link_call *call = link_start(link, &want);
    link_send(call, request);
    link_end(call);
    while (!reader.stopped && !link_is_over(call, problem))
        link_turn(link, WAIT_MS);
    if (reader.stopped)
        *problem = (struct problem){.code = ERR_NONE};
    link_free(call);
    return problem->code;
}
