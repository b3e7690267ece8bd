/*
 * pair.c - see pair.h. Thread: the test's.
 */
#include "tests/lib/pair.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define ROUNDS_MAX 200000

static struct pair *pair_of(struct h2_stream *stream)
{
    return h2_conn_context(h2_stream_conn(stream));
}

static void record(struct heard *call, const uint8_t *data, size_t bytes)
{
    call->messages++;
    call->bytes += bytes;
    call->last_bytes = bytes < sizeof call->last ? bytes : sizeof call->last;
    memcpy(call->last, data, call->last_bytes);
}

static void server_opened(struct h2_stream *stream, const struct h2_request *request)
{
    struct pair *pair = pair_of(stream);
    if (pair->server_calls == PAIR_CALLS)
        abort();
    struct heard *call = &pair->at_server[pair->server_calls++];
    *call = (struct heard){.stream = stream, .opened = 1, .timeout_ms = request->timeout_ms};
    snprintf(call->path, sizeof call->path, "%s", request->path);
    h2_stream_set_context(stream, call);
    if (pair->on_opened != NULL)
        pair->on_opened(pair, call);
}

static void server_message(struct h2_stream *stream, const uint8_t *data, size_t bytes)
{
    struct pair *pair = pair_of(stream);
    struct heard *call = h2_stream_context(stream);
    record(call, data, bytes);
    if (pair->on_message != NULL)
        pair->on_message(pair, call, data, bytes);
}

static void server_half_closed(struct h2_stream *stream)
{
    struct pair *pair = pair_of(stream);
    struct heard *call = h2_stream_context(stream);
    call->half_closed++;
    if (pair->on_half_closed != NULL)
        pair->on_half_closed(pair, call);
}

static void server_writable(struct h2_stream *stream)
{
    struct pair *pair = pair_of(stream);
    struct heard *call = h2_stream_context(stream);
    call->writable++;
    if (pair->on_writable != NULL)
        pair->on_writable(pair, call);
}

static void any_closed(struct h2_stream *stream, const struct h2_outcome *outcome)
{
    struct heard *call = h2_stream_context(stream);
    call->closed++;
    call->outcome = *outcome;
    call->stream = NULL;
}

static void client_message(struct h2_stream *stream, const uint8_t *data, size_t bytes)
{
    struct pair *pair = pair_of(stream);
    struct heard *call = h2_stream_context(stream);
    record(call, data, bytes);
    if (pair->on_client_message != NULL)
        pair->on_client_message(pair, call);
}

static void client_half_closed(struct h2_stream *stream)
{
    ((struct heard *)h2_stream_context(stream))->half_closed++;
}

static void client_writable(struct h2_stream *stream)
{
    ((struct heard *)h2_stream_context(stream))->writable++;
}

static void touched(struct h2_conn *conn)
{
    ((struct pair *)h2_conn_context(conn))->touched++;
}

static bool ready(struct h2_conn *conn, const struct tls_peer *peer)
{
    struct pair *pair = h2_conn_context(conn);
    if (conn == pair->server) {
        pair->server_sees = *peer;
        pair->server_ready = true;
    } else {
        pair->client_sees = *peer;
        pair->client_ready = true;
    }
    return true;
}

static const struct h2_callbacks server_callbacks = {server_opened, server_message, server_half_closed, server_writable,
                                                     any_closed};
static const struct h2_callbacks client_callbacks = {NULL, client_message, client_half_closed, client_writable,
                                                     any_closed};
static const struct h2_conn_callbacks conn_callbacks = {touched, ready};

static void make_sockets(int out[2])
{
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, out) != 0)
        abort();
}

int pair_open_server(struct pair *pair, struct tls_context *server, const struct h2_limits *limits)
{
    int sockets[2];
    make_sockets(sockets);
    pair->now_ms = 1000;
    pair->relay[0] = pair->relay[1] = -1;
    pair->server = h2_conn_create(&(struct h2_options){.tls = server,
                                                       .limits = limits,
                                                       .callbacks = &server_callbacks,
                                                       .conn_callbacks = &conn_callbacks,
                                                       .context = pair},
                                  sockets[0], pair->now_ms);
    if (pair->server == NULL)
        abort();
    return sockets[1];
}

void pair_open(struct pair *pair, struct tls_context *server, struct tls_context *client, const char *server_name,
               const struct h2_limits *limits)
{
    int sockets[2];
    int server_side = pair_open_server(pair, server, limits);
    make_sockets(sockets);
    pair->relay[0] = server_side;
    pair->relay[1] = sockets[1];
    pair->client = h2_conn_create(&(struct h2_options){.tls = client,
                                                       .callbacks = &client_callbacks,
                                                       .conn_callbacks = &conn_callbacks,
                                                       .context = pair,
                                                       .server_name = server_name},
                                  sockets[0], pair->now_ms);
    if (pair->client == NULL)
        abort();
}

void pair_close(struct pair *pair)
{
    if (pair->server != NULL)
        h2_conn_abort(pair->server, "test over");
    if (pair->client != NULL)
        h2_conn_abort(pair->client, "test over");
    h2_conn_destroy(pair->server);
    h2_conn_destroy(pair->client);
    for (int i = 0; i < 2; i++) {
        if (pair->relay[i] >= 0)
            close(pair->relay[i]);
    }
    pair->server = pair->client = NULL;
}

/* Moves octets from one socket to another; what the other can't take stays in the first. */
static bool relay(struct pair *pair, int from, int to)
{
    uint8_t buffer[65536];
    size_t most = pair->piece_bytes != 0 ? pair->piece_bytes : sizeof buffer;
    if (from < 0 || to < 0)
        return false;
    ssize_t got = recv(from, buffer, most, MSG_PEEK);
    if (got == 0)
        return shutdown(to, SHUT_WR) == 0 && false;
    if (got < 0)
        return false;
    ssize_t put = send(to, buffer, (size_t)got, MSG_NOSIGNAL);
    if (put <= 0 && errno == EPIPE)
        put = got; /* nobody there: gone */
    if (put <= 0)
        return false;
    return recv(from, buffer, (size_t)put, 0) > 0;
}

static bool turn(struct pair *pair, struct h2_conn **conn, char reason[128])
{
    if (*conn == NULL)
        return false;
    struct pollfd fd = {.fd = h2_conn_fd(*conn)};
    unsigned interest = h2_conn_interest(*conn);
    fd.events = (short)((interest & H2_READABLE ? POLLIN : 0) | (interest & H2_WRITABLE ? POLLOUT : 0));
    poll(&fd, 1, 0);
    unsigned what =
        (fd.revents & (POLLIN | POLLHUP | POLLERR) ? H2_READABLE : 0) | (fd.revents & POLLOUT ? H2_WRITABLE : 0);
    bool due = pair->now_ms >= h2_conn_deadline_ms(*conn);
    h2_conn_event(*conn, what, pair->now_ms);
    enum h2_turn said = h2_conn_settle(*conn, pair->now_ms);
    if (said == H2_DEAD) {
        snprintf(reason, 128, "%s", h2_conn_reason(*conn));
        h2_conn_destroy(*conn);
        *conn = NULL;
    }
    return what != 0 || said != H2_WAIT || due;
}

bool pair_step(struct pair *pair)
{
    pair->touched = 0;
    bool moved = turn(pair, &pair->server, pair->server_reason);
    moved |= turn(pair, &pair->client, pair->client_reason);
    if (!pair->stop_to_client)
        moved |= relay(pair, pair->relay[0], pair->relay[1]);
    moved |= relay(pair, pair->relay[1], pair->relay[0]);
    return moved || pair->touched > 0;
}

void pair_run(struct pair *pair)
{
    int rounds = 0;
    while (pair_step(pair)) {
        if (++rounds > ROUNDS_MAX) {
            fprintf(stderr, "pair: still moving after %d rounds\n", rounds);
            abort();
        }
    }
}

void pair_pass(struct pair *pair, int64_t ms)
{
    pair->now_ms += ms;
    pair_run(pair);
}

struct h2_stream *pair_call(struct pair *pair, const struct h2_call *call, struct heard **out)
{
    if (pair->client_calls == PAIR_CALLS)
        abort();
    struct heard *heard = &pair->at_client[pair->client_calls++];
    struct h2_call copy = *call;
    copy.context = heard;
    *heard = (struct heard){0};
    heard->stream = h2_call_start(pair->client, &copy, pair->now_ms);
    *out = heard;
    return heard->stream;
}
