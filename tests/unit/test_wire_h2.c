/* tier: check */
/*
 * A server's and a client's connection against each other: the four kinds of call, errors with details, back-pressure,
 * cancelling, deadlines, draining, every stream cut into single octets (G6, G11, G12, W14, W16, W28, W43).
 */
#include "google/rpc/status.pb-c.h"
#include "tests/lib/pair.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct pki *pki;
static struct tls_context *server_tls, *client_tls;
static struct pair pair;

static int setup(void **state)
{
    (void)state;
    signal(SIGPIPE, SIG_IGN);
    pki = pki_create();
    pki_issue(pki, "hub", &(struct pki_leaf){.uris = {PKI_HUB}, .names = "DNS:hub.test"});
    pki_issue(pki, "agency", &(struct pki_leaf){.uris = {PKI_AGENCY}});
    return pki_context(pki, TLS_SERVER, "hub", false, &server_tls, NULL) != ERR_NONE ||
           pki_context(pki, TLS_CLIENT, "agency", false, &client_tls, NULL) != ERR_NONE;
}

static int teardown(void **state)
{
    (void)state;
    tls_context_unref(server_tls);
    tls_context_unref(client_tls);
    pki_destroy(pki);
    return 0;
}

static void open_with(const struct h2_limits *limits)
{
    memset(&pair, 0, sizeof pair);
    pair_open(&pair, server_tls, client_tls, "hub.test", limits);
}

/* --- the server's behaviour, by path --------------------------------------------------------------------------- */

static void expect_one(struct pair *p, struct heard *call)
{
    (void)p;
    h2_stream_expect_one(call->stream);
}

/* Unary: answers with what came. */
static void echo_unary(struct pair *p, struct heard *call, const uint8_t *data, size_t bytes)
{
    (void)p;
    h2_stream_send_octets(call->stream, data, bytes);
    h2_stream_finish(call->stream, NULL);
}

/* Each message is answered; the end is answered with the end. */
static void echo_each(struct pair *p, struct heard *call, const uint8_t *data, size_t bytes)
{
    (void)p;
    h2_stream_send_octets(call->stream, data, bytes);
}

static void finish(struct pair *p, struct heard *call)
{
    (void)p;
    h2_stream_finish(call->stream, NULL);
}

static void finish_with_count(struct pair *p, struct heard *call)
{
    (void)p;
    uint8_t count = (uint8_t)call->messages;
    h2_stream_send_octets(call->stream, &count, 1);
    h2_stream_finish(call->stream, NULL);
}

static void send_ten(struct pair *p, struct heard *call, const uint8_t *data, size_t bytes)
{
    (void)p, (void)data, (void)bytes;
    for (uint8_t i = 0; i < 10; i++)
        h2_stream_send_octets(call->stream, &i, 1);
    h2_stream_finish(call->stream, NULL);
}

static void refuse(struct pair *p, struct heard *call, const uint8_t *data, size_t bytes)
{
    (void)p, (void)data, (void)bytes;
    struct problem problem;
    problem_set(&problem, ERR_PRECONDITION, "vacancy.beds", "100%% full \xc3\xa9\n");
    h2_stream_finish(call->stream, &problem);
    h2_stream_finish(call->stream, NULL);                      /* ignored */
    assert_false(h2_stream_send_octets(call->stream, "x", 1)); /* dropped */
}

/* --- kinds ----------------------------------------------------------------------------------------------------- */

static void check_unary(size_t piece)
{
    open_with(NULL);
    pair.piece_bytes = piece;
    pair.on_opened = expect_one;
    pair.on_message = echo_unary;
    struct heard *call;
    struct h2_metadata metadata[] = {{"x-forwarded-client-cert", "somebody"}};
    struct h2_stream *stream = pair_call(
        &pair,
        &(struct h2_call){
            .path = "/a.B/C", .timeout_ms = 5000, .one_reply = true, .metadata = metadata, .metadata_count = 1},
        &call);
    assert_non_null(stream);
    assert_true(h2_stream_send_octets(stream, "hello", 5));
    h2_stream_half_close(stream);
    pair_run(&pair);
    assert_int_equal(call->closed, 1);
    assert_int_equal(call->outcome.end, H2_END_FINISHED);
    assert_int_equal(call->outcome.code, GRPC_OK);
    assert_int_equal(call->outcome.problem.code, ERR_NONE);
    assert_int_equal(call->messages, 1);
    assert_int_equal(call->half_closed, 1);
    assert_memory_equal(call->last, "hello", 5);
    const struct heard *heard = &pair.at_server[0];
    assert_int_equal(pair.server_calls, 1);
    assert_string_equal(heard->path, "/a.B/C");
    assert_int_equal(heard->timeout_ms, 5000);
    assert_int_equal(heard->messages, 1);
    assert_int_equal(heard->closed, 1);
    assert_int_equal(heard->outcome.end, H2_END_FINISHED);
    assert_int_equal(h2_conn_streams(pair.server), 0);
    assert_int_equal(h2_conn_streams(pair.client), 0);
    pair_close(&pair);
}

static void unary(void **state)
{
    (void)state;
    check_unary(0);
}

static void unary_in_single_octets(void **state)
{
    (void)state;
    check_unary(1);
    check_unary(7);
}

static void client_stream(void **state)
{
    (void)state;
    for (size_t piece = 0; piece < 2; piece++) {
        open_with(NULL);
        pair.piece_bytes = piece;
        pair.on_half_closed = finish_with_count;
        struct heard *call;
        struct h2_stream *stream = pair_call(&pair, &(struct h2_call){.path = "/a.B/C", .one_reply = true}, &call);
        for (int i = 0; i < 20; i++) {
            h2_stream_send_octets(stream, "abc", 3);
            if (i % 3 == 0)
                pair_run(&pair);
        }
        h2_stream_half_close(stream);
        pair_run(&pair);
        assert_int_equal(call->closed, 1);
        assert_int_equal(call->outcome.code, GRPC_OK);
        assert_int_equal(call->last[0], 20);
        assert_int_equal(pair.at_server[0].bytes, 60);
        pair_close(&pair);
    }
}

static void server_stream(void **state)
{
    (void)state;
    for (size_t piece = 0; piece < 2; piece++) {
        open_with(NULL);
        pair.piece_bytes = piece;
        pair.on_opened = expect_one;
        pair.on_message = send_ten;
        struct heard *call;
        struct h2_stream *stream = pair_call(&pair, &(struct h2_call){.path = "/a.B/C"}, &call);
        h2_stream_send_octets(stream, NULL, 0);
        h2_stream_half_close(stream);
        pair_run(&pair);
        assert_int_equal(call->messages, 10);
        assert_int_equal(call->last[0], 9);
        assert_int_equal(call->closed, 1);
        assert_int_equal(call->outcome.code, GRPC_OK);
        pair_close(&pair);
    }
}

static void both_ways(void **state)
{
    (void)state;
    open_with(NULL);
    pair.on_message = echo_each;
    pair.on_half_closed = finish;
    struct heard *call;
    struct h2_stream *stream = pair_call(&pair, &(struct h2_call){.path = "/a.B/C"}, &call);
    for (uint8_t i = 0; i < 50; i++) {
        h2_stream_send_octets(stream, &i, 1);
        pair_run(&pair);
        assert_int_equal(call->messages, i + 1);
        assert_int_equal(call->last[0], i);
        assert_int_equal(call->closed, 0);
    }
    h2_stream_half_close(stream);
    pair_run(&pair);
    assert_int_equal(call->closed, 1);
    assert_int_equal(call->outcome.code, GRPC_OK);
    pair_close(&pair);
}

static void messages_of_all_sizes(void **state)
{
    (void)state;
    static const size_t sizes[] = {0, 1, 16378, 16379, 16384, 65530, 65536, 70000, 300000, 1 << 20};
    uint8_t *data = calloc(1, 1 << 20);
    for (size_t i = 0; i < (1 << 20); i++)
        data[i] = (uint8_t)(i * 7);
    open_with(NULL);
    pair.on_opened = expect_one;
    pair.on_message = echo_unary;
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        struct heard *call;
        struct h2_stream *stream = pair_call(&pair, &(struct h2_call){.path = "/a.B/C", .one_reply = true}, &call);
        h2_stream_send_octets(stream, data, sizes[i]);
        h2_stream_half_close(stream);
        pair_run(&pair);
        assert_int_equal(call->closed, 1);
        assert_int_equal(call->outcome.code, GRPC_OK);
        assert_int_equal(call->bytes, sizes[i]);
        assert_memory_equal(call->last, data, call->last_bytes);
    }
    /* G8: one octet more, refused by its length alone. */
    struct heard *call;
    uint8_t *more = calloc(1, (1 << 20) + 1);
    struct h2_stream *stream = pair_call(&pair, &(struct h2_call){.path = "/a.B/C"}, &call);
    h2_stream_send_octets(stream, more, (1 << 20) + 1);
    h2_stream_half_close(stream);
    pair_run(&pair);
    assert_int_equal(call->outcome.code, GRPC_RESOURCE_EXHAUSTED);
    free(more);
    free(data);
    pair_close(&pair);
}

static void many_at_a_time(void **state)
{
    (void)state;
    open_with(NULL);
    pair.on_opened = expect_one;
    pair.on_message = echo_unary;
    for (int i = 0; i < 100; i++) {
        struct heard *call;
        struct h2_stream *stream = pair_call(&pair, &(struct h2_call){.path = "/a.B/C", .one_reply = true}, &call);
        assert_non_null(stream);
        h2_stream_send_octets(stream, &i, sizeof i);
        h2_stream_half_close(stream);
    }
    assert_null(h2_call_start(pair.client, &(struct h2_call){.path = "/a.B/C"}, pair.now_ms)); /* no room */
    pair_run(&pair);
    for (int i = 0; i < 100; i++) {
        assert_int_equal(pair.at_client[i].closed, 1);
        assert_int_equal(pair.at_client[i].outcome.code, GRPC_OK);
        assert_memory_equal(pair.at_client[i].last, &i, sizeof i);
    }
    struct h2_counters counters;
    h2_conn_counters(pair.server, &counters);
    assert_int_equal(counters.streams_opened, 100);
    assert_int_equal(counters.messages_in, 100);
    assert_int_equal(counters.messages_out, 100);
    assert_int_equal(counters.resets_out, 0);
    pair_close(&pair);
}

/* --- errors ---------------------------------------------------------------------------------------------------- */

static void errors_come_with_their_field(void **state)
{
    (void)state;
    open_with(NULL);
    pair.on_message = refuse;
    struct heard *call;
    struct h2_stream *stream = pair_call(&pair, &(struct h2_call){.path = "/a.B/C", .one_reply = true}, &call);
    h2_stream_send_octets(stream, "x", 1); /* and stays open: the server ends it */
    pair_run(&pair);
    assert_int_equal(call->closed, 1);
    assert_int_equal(call->outcome.end, H2_END_FINISHED);
    assert_int_equal(call->outcome.code, GRPC_FAILED_PRECONDITION);
    assert_int_equal(call->outcome.problem.code, ERR_PRECONDITION);
    assert_string_equal(call->outcome.problem.field, "vacancy.beds");
    assert_string_equal(call->outcome.problem.text, "100% full \xc3\xa9\n");
    assert_int_equal(pair.at_server[0].closed, 1);
    pair_close(&pair);
}

static void errors_after_messages(void **state)
{
    (void)state;
    open_with(NULL);
    pair.on_message = echo_each;
    struct heard *call;
    struct h2_stream *stream = pair_call(&pair, &(struct h2_call){.path = "/a.B/C"}, &call);
    h2_stream_send_octets(stream, "x", 1);
    pair_run(&pair);
    pair.on_message = refuse;
    h2_stream_send_octets(stream, "y", 1);
    pair_run(&pair);
    assert_int_equal(call->messages, 1);
    assert_int_equal(call->closed, 1);
    assert_int_equal(call->outcome.code, GRPC_FAILED_PRECONDITION);
    pair_close(&pair);
}

/* G6 */
static void one_message_means_one(void **state)
{
    (void)state;
    open_with(NULL);
    pair.on_opened = expect_one;
    pair.on_message = echo_unary;
    for (int count = 0; count <= 2; count += 2) {
        struct heard *call;
        struct h2_stream *stream = pair_call(&pair, &(struct h2_call){.path = "/a.B/C"}, &call);
        for (int i = 0; i < count; i++)
            h2_stream_send_octets(stream, "x", 1);
        h2_stream_half_close(stream);
        pair_run(&pair);
        assert_int_equal(call->closed, 1);
        assert_int_equal(call->outcome.code, GRPC_UNIMPLEMENTED);
        assert_int_equal(pair.at_server[pair.server_calls - 1].messages, 0);
    }
    /* And of the client's own: more replies than one, or none with OK. */
    pair.on_message = send_ten;
    struct heard *call;
    struct h2_stream *stream = pair_call(&pair, &(struct h2_call){.path = "/a.B/C", .one_reply = true}, &call);
    h2_stream_send_octets(stream, "x", 1);
    h2_stream_half_close(stream);
    pair_run(&pair);
    assert_int_equal(call->outcome.code, GRPC_INTERNAL);
    assert_int_equal(call->messages, 1);
    assert_int_equal(call->closed, 1);
    pair.on_opened = NULL;
    pair.on_message = NULL;
    pair.on_half_closed = finish;
    stream = pair_call(&pair, &(struct h2_call){.path = "/a.B/C", .one_reply = true}, &call);
    h2_stream_half_close(stream);
    pair_run(&pair);
    assert_int_equal(call->outcome.code, GRPC_INTERNAL);
    pair_close(&pair);
}

/* --- flow control ---------------------------------------------------------------------------------------------- */

static void pause_reading(struct pair *p, struct heard *call)
{
    (void)p;
    h2_stream_set_reading(call->stream, false);
}

/* A server that takes nothing stops the client: its queue stays, and resumes. */
static void a_slow_server_stops_the_client(void **state)
{
    (void)state;
    open_with(NULL);
    pair.on_opened = pause_reading;
    pair.on_half_closed = finish;
    static const uint8_t block[8000];
    struct heard *call;
    struct h2_stream *stream = pair_call(&pair, &(struct h2_call){.path = "/a.B/C"}, &call);
    unsigned sent = 0;
    bool more = true;
    while (more) {
        more = h2_stream_send_octets(stream, block, sizeof block);
        sent++;
        pair_run(&pair);
        assert_true(sent < 100);
    }
    assert_true(h2_stream_queued_bytes(stream) >= 64 << 10);
    assert_int_equal(pair.at_server[0].messages, 0);
    assert_int_equal(call->writable, 0);
    /* Another call on the connection is not held up. */
    pair.on_opened = expect_one;
    pair.on_message = echo_unary;
    struct heard *other;
    struct h2_stream *quick = pair_call(&pair, &(struct h2_call){.path = "/a.B/Q", .one_reply = true}, &other);
    h2_stream_send_octets(quick, "q", 1);
    h2_stream_half_close(quick);
    pair_run(&pair);
    assert_int_equal(other->closed, 1);
    assert_int_equal(other->outcome.code, GRPC_OK);
    pair.on_message = NULL;
    h2_stream_set_reading(pair.at_server[0].stream, true);
    pair_run(&pair);
    assert_int_equal(pair.at_server[0].messages, sent);
    assert_int_equal(call->writable, 1);
    h2_stream_half_close(stream);
    pair_run(&pair);
    assert_int_equal(call->closed, 1);
    assert_int_equal(call->outcome.code, GRPC_OK);
    pair_close(&pair);
}

static void pour(struct pair *p, struct heard *call)
{
    static const uint8_t block[5000];
    unsigned *sent = p->state;
    while (*sent < 400) {
        ++*sent;
        if (!h2_stream_send_octets(call->stream, block, sizeof block))
            return;
    }
    h2_stream_finish(call->stream, NULL);
}

static void one_message_and_pause(struct pair *p, struct heard *call)
{
    (void)p;
    h2_stream_set_reading(call->stream, false);
}

/* And the other way: 2 MB towards a client that reads one message at a time. */
static void a_slow_client_stops_the_server(void **state)
{
    (void)state;
    open_with(NULL);
    unsigned sent = 0;
    pair.state = &sent;
    pair.on_half_closed = pour;
    pair.on_writable = pour;
    pair.on_client_message = one_message_and_pause;
    struct heard *call;
    struct h2_stream *stream = pair_call(&pair, &(struct h2_call){.path = "/a.B/C"}, &call);
    h2_stream_half_close(stream);
    pair_run(&pair);
    assert_int_equal(call->messages, 1);
    assert_true(sent * 5005 < 200 << 10);
    for (int i = 2; i <= 400; i++) {
        assert_int_equal(call->closed, 0);
        assert_true(sent < 400 ||
                    h2_stream_queued_bytes(pair.at_server[0].stream ? pair.at_server[0].stream : stream) < 200 << 10);
        h2_stream_set_reading(call->stream, true);
        pair_run(&pair);
        assert_int_equal(call->messages, i);
    }
    if (call->closed == 0) {
        h2_stream_set_reading(call->stream, true);
        pair_run(&pair);
    }
    assert_int_equal(call->closed, 1);
    assert_int_equal(call->outcome.code, GRPC_OK);
    assert_int_equal(call->bytes, 400 * 5000);
    pair_close(&pair);
}

/* W14: a stream whose window stays closed is ended by the timer, the connection is not. */
static void a_stalled_stream_is_ended(void **state)
{
    (void)state;
    open_with(NULL);
    unsigned sent = 0;
    pair.state = &sent;
    pair.on_half_closed = pour;
    pair.on_writable = pour;
    pair.on_client_message = one_message_and_pause;
    struct heard *call;
    struct h2_stream *stream = pair_call(&pair, &(struct h2_call){.path = "/a.B/C"}, &call);
    h2_stream_half_close(stream);
    pair_run(&pair);
    pair_pass(&pair, 29000);
    assert_int_equal(pair.at_server[0].closed, 0);
    pair_pass(&pair, 1001);
    assert_int_equal(pair.at_server[0].closed, 1);
    assert_int_equal(pair.at_server[0].outcome.end, H2_END_TIMEOUT);
    assert_int_equal(call->closed, 1);
    assert_int_equal(call->outcome.code, GRPC_CANCELLED);
    assert_non_null(pair.server);
    pair_close(&pair);
}

/* A send long after the last event does not count as stalled since then. */
static void a_late_send_has_its_own_time(void **state)
{
    (void)state;
    open_with(NULL);
    struct heard *call;
    struct h2_stream *stream = pair_call(&pair, &(struct h2_call){.path = "/a.B/C"}, &call);
    h2_stream_half_close(stream);
    pair_run(&pair);
    h2_stream_set_reading(stream, false);
    pair.now_ms += 100000; /* nothing is due: no turn */
    static const uint8_t block[100000];
    pair.touched = 0;
    h2_stream_send_octets(pair.at_server[0].stream, block, sizeof block);
    assert_int_equal(pair.touched, 1);
    pair_run(&pair);
    pair_pass(&pair, 29000);
    assert_int_equal(pair.at_server[0].closed, 0);
    pair_pass(&pair, 1001);
    assert_int_equal(pair.at_server[0].closed, 1);
    pair_close(&pair);
}

/* W16: a peer that doesn't read its socket. */
static void a_deaf_client_is_cut(void **state)
{
    (void)state;
    open_with(NULL);
    pair_run(&pair);
    unsigned sent = 0;
    pair.state = &sent;
    pair.on_half_closed = pour;
    pair.on_writable = pour;
    for (int i = 0; i < 60; i++) {
        struct heard *call;
        struct h2_stream *stream = pair_call(&pair, &(struct h2_call){.path = "/a.B/C"}, &call);
        h2_stream_half_close(stream);
    }
    pair.stop_to_client = true;
    pair_run(&pair);
    assert_non_null(pair.server);
    pair_pass(&pair, 30001);
    assert_null(pair.server);
    assert_true(strcmp(pair.server_reason, "the peer does not read") == 0 || pair.at_server[0].closed == 1);
    for (unsigned i = 0; i < pair.server_calls; i++)
        assert_int_equal(pair.at_server[i].closed, 1);
    pair_close(&pair);
}

/* --- cancelling and deadlines ---------------------------------------------------------------------------------- */

static void a_client_cancels(void **state)
{
    (void)state;
    open_with(NULL);
    struct heard *call;
    struct h2_stream *stream = pair_call(&pair, &(struct h2_call){.path = "/a.B/C"}, &call);
    h2_stream_send_octets(stream, "x", 1);
    pair_run(&pair);
    assert_int_equal(pair.at_server[0].messages, 1);
    h2_stream_cancel(stream);
    h2_stream_cancel(stream);
    pair_run(&pair);
    assert_int_equal(call->closed, 1);
    assert_int_equal(call->outcome.end, H2_END_CANCELLED);
    assert_int_equal(call->outcome.code, GRPC_CANCELLED);
    assert_int_equal(pair.at_server[0].closed, 1);
    assert_int_equal(pair.at_server[0].outcome.end, H2_END_CANCELLED);
    assert_int_equal(h2_conn_streams(pair.server), 0);
    /* Before anything was sent. */
    stream = pair_call(&pair, &(struct h2_call){.path = "/a.B/C"}, &call);
    h2_stream_cancel(stream);
    pair_run(&pair);
    assert_int_equal(call->closed, 1);
    assert_int_equal(call->outcome.code, GRPC_CANCELLED);
    pair_close(&pair);
}

static void a_client_has_a_deadline(void **state)
{
    (void)state;
    open_with(NULL);
    struct heard *call;
    struct h2_stream *stream = pair_call(&pair, &(struct h2_call){.path = "/a.B/C", .timeout_ms = 1500}, &call);
    h2_stream_half_close(stream);
    pair_run(&pair);
    assert_int_equal(pair.at_server[0].timeout_ms, 1500);
    pair_pass(&pair, 1499);
    assert_int_equal(call->closed, 0);
    pair_pass(&pair, 1);
    assert_int_equal(call->closed, 1);
    assert_int_equal(call->outcome.end, H2_END_TIMEOUT);
    assert_int_equal(call->outcome.code, GRPC_DEADLINE_EXCEEDED);
    assert_int_equal(pair.at_server[0].closed, 1);
    pair_close(&pair);
}

/* G9 */
static void a_slow_body_is_ended(void **state)
{
    (void)state;
    open_with(NULL);
    pair.on_opened = expect_one;
    struct heard *call;
    struct h2_stream *stream = pair_call(&pair, &(struct h2_call){.path = "/a.B/C"}, &call);
    h2_stream_send_octets(stream, "x", 1); /* and never half-closed */
    pair_run(&pair);
    pair_pass(&pair, 29999);
    assert_int_equal(call->closed, 0);
    pair_pass(&pair, 2);
    assert_int_equal(call->closed, 1);
    assert_int_equal(call->outcome.code, GRPC_DEADLINE_EXCEEDED);
    assert_int_equal(pair.at_server[0].closed, 1);
    assert_int_equal(pair.at_server[0].outcome.end, H2_END_TIMEOUT);
    /* A stream that just waits for its next message is let be. */
    pair.on_opened = NULL;
    stream = pair_call(&pair, &(struct h2_call){.path = "/a.B/C"}, &call);
    h2_stream_send_octets(stream, "x", 1);
    pair_run(&pair);
    pair_pass(&pair, 300000);
    assert_int_equal(call->closed, 0);
    pair_close(&pair);
}

/* --- the connection's end -------------------------------------------------------------------------------------- */

/* W43 */
static void draining_finishes_what_is_open(void **state)
{
    (void)state;
    open_with(NULL);
    struct heard *calls[20];
    for (int i = 0; i < 20; i++) {
        struct h2_stream *stream = pair_call(&pair, &(struct h2_call){.path = "/a.B/C", .one_reply = true}, &calls[i]);
        h2_stream_send_octets(stream, "x", 1);
        h2_stream_half_close(stream);
    }
    pair_run(&pair);
    h2_conn_drain(pair.server, pair.now_ms, pair.now_ms + 10000);
    pair_run(&pair);
    assert_false(h2_conn_accepts_calls(pair.client));
    pair_pass(&pair, 101);
    assert_non_null(pair.server);
    for (int i = 0; i < 20; i++) {
        h2_stream_send_octets(pair.at_server[i].stream, "y", 1);
        h2_stream_finish(pair.at_server[i].stream, NULL);
    }
    pair_run(&pair);
    for (int i = 0; i < 20; i++) {
        assert_int_equal(calls[i]->closed, 1);
        assert_int_equal(calls[i]->outcome.code, GRPC_OK);
        assert_int_equal(calls[i]->messages, 1);
    }
    assert_null(pair.client);
    pair_pass(&pair, 1001);
    assert_null(pair.server);
    assert_string_equal(pair.server_reason, "draining");
    pair_close(&pair);
}

static void draining_has_a_deadline(void **state)
{
    (void)state;
    open_with(NULL);
    struct heard *call;
    struct h2_stream *stream = pair_call(&pair, &(struct h2_call){.path = "/a.B/C"}, &call);
    h2_stream_half_close(stream);
    pair_run(&pair);
    h2_conn_drain(pair.server, pair.now_ms, pair.now_ms + 10000);
    pair_pass(&pair, 9999);
    assert_non_null(pair.server);
    pair_pass(&pair, 1);
    assert_null(pair.server);
    assert_int_equal(pair.at_server[0].outcome.end, H2_END_LOST);
    assert_int_equal(call->closed, 1);
    assert_int_equal(call->outcome.end, H2_END_LOST);
    assert_int_equal(call->outcome.code, GRPC_UNAVAILABLE);
    assert_false(call->outcome.unprocessed); /* it may have been acted on */
    pair_close(&pair);
}

static void a_client_drains(void **state)
{
    (void)state;
    open_with(NULL);
    pair.on_half_closed = finish_with_count;
    struct heard *call;
    struct h2_stream *stream = pair_call(&pair, &(struct h2_call){.path = "/a.B/C"}, &call);
    pair_run(&pair);
    h2_conn_drain(pair.client, pair.now_ms, pair.now_ms + 1000);
    assert_null(h2_call_start(pair.client, &(struct h2_call){.path = "/a.B/C"}, pair.now_ms));
    pair_run(&pair);
    assert_int_equal(call->closed, 0);
    h2_stream_half_close(stream);
    pair_run(&pair);
    assert_int_equal(call->closed, 1);
    assert_int_equal(call->outcome.code, GRPC_OK);
    assert_null(pair.client);
    pair_pass(&pair, 1001);
    assert_null(pair.server);
    pair_close(&pair);
}

/* W28 and the first request's time */
static void idle_connections_end(void **state)
{
    (void)state;
    open_with(NULL);
    pair_run(&pair);
    pair_pass(&pair, 9999);
    assert_non_null(pair.server);
    pair_pass(&pair, 2);
    pair_pass(&pair, 1001);
    assert_null(pair.server);
    assert_string_equal(pair.server_reason, "no request in time");
    pair_close(&pair);

    open_with(NULL);
    pair.on_half_closed = finish;
    struct heard *call;
    struct h2_stream *stream = pair_call(&pair, &(struct h2_call){.path = "/a.B/C"}, &call);
    h2_stream_half_close(stream);
    pair_run(&pair);
    assert_int_equal(call->closed, 1);
    pair_pass(&pair, 599999);
    assert_non_null(pair.server);
    pair_pass(&pair, 2);
    pair_pass(&pair, 200);
    pair_pass(&pair, 1001);
    assert_null(pair.server);
    assert_string_equal(pair.server_reason, "idle");
    pair_close(&pair);
}

static void silence_is_noticed(void **state)
{
    (void)state;
    struct h2_limits limits = h2_limits_default;
    limits.ping_interval_ms = 500;
    limits.ping_timeout_ms = 2000;
    open_with(&limits);
    struct heard *call;
    pair_call(&pair, &(struct h2_call){.path = "/a.B/C"}, &call);
    pair_run(&pair);
    for (int i = 0; i < 20; i++)
        pair_pass(&pair, 600);
    assert_non_null(pair.server); /* pinged, and answered */
    pair.stop_to_client = true;
    pair_pass(&pair, 600);
    pair_pass(&pair, 2001);
    assert_null(pair.server);
    assert_string_equal(pair.server_reason, "the peer is silent");
    pair_close(&pair);
}

static void an_abort_is_heard_by_every_stream(void **state)
{
    (void)state;
    open_with(NULL);
    struct heard *calls[5];
    for (int i = 0; i < 5; i++)
        pair_call(&pair, &(struct h2_call){.path = "/a.B/C"}, &calls[i]);
    pair_run(&pair);
    h2_conn_abort(pair.server, "test");
    for (int i = 0; i < 5; i++) {
        assert_int_equal(pair.at_server[i].closed, 1);
        assert_int_equal(pair.at_server[i].outcome.end, H2_END_LOST);
    }
    pair_run(&pair);
    assert_null(pair.server);
    assert_null(pair.client);
    for (int i = 0; i < 5; i++)
        assert_int_equal(calls[i]->closed, 1);
    pair_close(&pair);
}

static void protobuf_messages_travel(void **state)
{
    (void)state;
    open_with(NULL);
    Google__Rpc__Status message = GOOGLE__RPC__STATUS__INIT;
    message.code = 5;
    message.message = (char *)"text";
    struct heard *call;
    struct h2_stream *stream = pair_call(&pair, &(struct h2_call){.path = "/a.B/C"}, &call);
    assert_true(h2_stream_send(stream, &message.base));
    pair_run(&pair);
    uint8_t packed[32];
    size_t bytes = google__rpc__status__pack(&message, packed);
    assert_int_equal(pair.at_server[0].last_bytes, bytes);
    assert_memory_equal(pair.at_server[0].last, packed, bytes);
    assert_ptr_equal(h2_conn_stream(pair.server, h2_stream_id(pair.at_server[0].stream)), pair.at_server[0].stream);
    assert_null(h2_conn_stream(pair.server, 99));
    pair_close(&pair);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(unary),
        cmocka_unit_test(unary_in_single_octets),
        cmocka_unit_test(client_stream),
        cmocka_unit_test(server_stream),
        cmocka_unit_test(both_ways),
        cmocka_unit_test(messages_of_all_sizes),
        cmocka_unit_test(many_at_a_time),
        cmocka_unit_test(errors_come_with_their_field),
        cmocka_unit_test(errors_after_messages),
        cmocka_unit_test(one_message_means_one),
        cmocka_unit_test(a_slow_server_stops_the_client),
        cmocka_unit_test(a_slow_client_stops_the_server),
        cmocka_unit_test(a_stalled_stream_is_ended),
        cmocka_unit_test(a_late_send_has_its_own_time),
        cmocka_unit_test(a_deaf_client_is_cut),
        cmocka_unit_test(a_client_cancels),
        cmocka_unit_test(a_client_has_a_deadline),
        cmocka_unit_test(a_slow_body_is_ended),
        cmocka_unit_test(draining_finishes_what_is_open),
        cmocka_unit_test(draining_has_a_deadline),
        cmocka_unit_test(a_client_drains),
        cmocka_unit_test(idle_connections_end),
        cmocka_unit_test(silence_is_noticed),
        cmocka_unit_test(an_abort_is_heard_by_every_stream),
        cmocka_unit_test(protobuf_messages_travel),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
