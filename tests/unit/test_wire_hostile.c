/* tier: check */
/*
 * Clients that keep no rules, frame by frame (rows W and G of faults.md). After each one the connection is over or
 * still serves, nothing is left open, and the next connection is served.
 */
#include "daemon/base/randomness.h"
#include "tests/lib/raw.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <nghttp2/nghttp2.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ACK = 1, END_STREAM = 1, END_HEADERS = 4, PADDED = 8 };

static struct pki *pki;
static struct tls_context *server_tls, *client_tls;
static struct pair pair;
static struct raw raw;
static unsigned messages_heard;

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

static void opened(struct pair *p, struct heard *call)
{
    /* The records are a ring here: floods open more than there is room for. */
    if (p->server_calls == PAIR_CALLS)
        p->server_calls = 0;
    if (strcmp(call->path, "/a.B/Unary") == 0)
        h2_stream_expect_one(call->stream);
    if (call->timeout_ms == 0) {
        struct problem problem;
        problem_set(&problem, ERR_DEADLINE, "", "past");
        h2_stream_finish(call->stream, &problem);
    }
}

static void echo(struct pair *p, struct heard *call, const uint8_t *data, size_t bytes)
{
    (void)p;
    messages_heard++;
    h2_stream_send_octets(call->stream, data, bytes);
    h2_stream_finish(call->stream, NULL);
}

static void begin(void)
{
    memset(&pair, 0, sizeof pair);
    int fd = pair_open_server(&pair, server_tls, NULL);
    pair.on_opened = opened;
    pair.on_message = echo;
    messages_heard = 0;
    raw_open(&raw, &pair, fd, pki, &(struct raw_options){.name = "agency"});
    raw_run(&raw);
    assert_true(pair.server_ready);
    raw_preface(&raw);
    raw_run(&raw);
}

static void end(void)
{
    if (pair.server != NULL) {
        h2_conn_abort(pair.server, "test over");
        assert_int_equal(h2_conn_streams(pair.server), 0);
    }
    raw_close(&raw);
    /* An honest client is served. */
    memset(&pair, 0, sizeof pair);
    pair_open(&pair, server_tls, client_tls, "hub.test", NULL);
    pair.on_opened = opened;
    pair.on_message = echo;
    struct heard *call;
    struct h2_stream *stream =
        pair_call(&pair, &(struct h2_call){.path = "/a.B/Unary", .one_reply = true, .timeout_ms = 1000}, &call);
    h2_stream_send_octets(stream, "x", 1);
    h2_stream_half_close(stream);
    pair_run(&pair);
    assert_int_equal(call->closed, 1);
    assert_int_equal(call->outcome.code, GRPC_OK);
    pair_close(&pair);
}

static bool is_over(void)
{
    if (pair.server != NULL)
        raw_pass(&raw, 1001); /* it lingers */
    return pair.server == NULL;
}

static void request(uint32_t stream, const char *path, uint8_t flags)
{
    uint8_t block[512];
    size_t bytes = raw_request(block, path);
    raw_frame(&raw, NGHTTP2_HEADERS, END_HEADERS | flags, stream, block, bytes);
}

/* A whole call is still answered on this very connection. */
static void still_serves(uint32_t stream)
{
    request(stream, "/a.B/Unary", 0);
    raw_frame(&raw, NGHTTP2_DATA, END_STREAM, stream, "\0\0\0\0\2hi", 7);
    raw_run(&raw);
    assert_int_equal(raw_grpc_status(&raw, stream), GRPC_OK);
}

/* --- gRPC framing ---------------------------------------------------------------------------------------------- */

struct framing {
    const char *what;
    const char *path;
    const char *data;
    size_t bytes;
    bool end;
    const char *name, *value; /* one more header */
    int status;
    unsigned messages;
};
#define F(what, path, data, end, status, messages)                                                                     \
    {                                                                                                                  \
        what, path, data, sizeof(data) - 1, end, NULL, NULL, status, messages                                          \
    }
#define H(what, name, value, status, messages)                                                                         \
    {                                                                                                                  \
        what, "/a.B/Unary", "\0\0\0\0\1x", 6, true, name, value, status, messages                                      \
    }

static const struct framing framings[] = {
    F("good", "/a.B/Unary", "\0\0\0\0\1x", true, 0, 1),
    F("empty message", "/a.B/Unary", "\0\0\0\0\0", true, 0, 1),
    F("G1 prefix cut", "/a.B/Unary", "\0\0\0", true, 3, 0),
    F("G1 prefix cut in a stream", "/a.B/Stream", "\0\0\0", true, 3, 0),
    F("G2 length over data", "/a.B/Unary", "\0\0\0\0\5hi", true, 3, 0),
    F("G2 in a stream", "/a.B/Stream", "\0\0\0\0\5hi", true, 3, 0),
    F("G3 4 GiB", "/a.B/Unary", "\0\xff\xff\xff\xff", false, 8, 0),
    F("G3 1 GiB", "/a.B/Stream", "\0\x40\0\0\0", false, 8, 0),
    F("G8 64 MiB", "/a.B/Unary", "\0\x04\0\0\0xxxx", false, 8, 0),
    F("G4 compressed flag", "/a.B/Unary", "\1\0\0\0\1x", true, 13, 0),
    F("G5 flag 255", "/a.B/Unary", "\xff\0\0\0\1x", true, 13, 0),
    F("G6 none", "/a.B/Unary", "", true, 12, 0),
    F("G6 two", "/a.B/Unary", "\0\0\0\0\1x\0\0\0\0\1x", true, 12, 0),
    F("G6 two and no end", "/a.B/Unary", "\0\0\0\0\1x\0\0\0\0\1x", false, 12, 0),
    F("G7 trailing octet", "/a.B/Unary", "\0\0\0\0\1xy", true, 3, 0),
    H("G4 gzip", "grpc-encoding", "gzip", 12, 0),
    H("identity", "grpc-encoding", "identity", 0, 1),
    H("G12 0S", "grpc-timeout", "0S", 4, 0),
    H("G12 1n", "grpc-timeout", "1n", 4, 0),
    H("G12 malformed", "grpc-timeout", "10x", 3, 0),
    H("G12 huge", "grpc-timeout", "99999999H", 0, 1),
    H("G16 bad base64", "trace-bin", "a*b", 3, 0),
    H("G16 good base64", "trace-bin", "YWJj,YQ==", 0, 1),
    H("A8 identity in metadata", "x-forwarded-client-cert", "Subject=\"CN=king\"", 0, 1),
};

static void framing(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof framings / sizeof framings[0]; i++) {
        const struct framing *row = &framings[i];
        begin();
        uint8_t block[512];
        size_t bytes = raw_request(block, row->path);
        if (row->name != NULL)
            bytes = raw_header(block, bytes, row->name, row->value);
        raw_frame(&raw, NGHTTP2_HEADERS, END_HEADERS, 1, block, bytes);
        raw_frame(&raw, NGHTTP2_DATA, row->end ? END_STREAM : 0, 1, row->data, row->bytes);
        raw_run(&raw);
        if (raw_grpc_status(&raw, 1) != row->status || messages_heard != row->messages)
            fail_msg("%s: status %d, %u messages", row->what, raw_grpc_status(&raw, 1), messages_heard);
        assert_int_equal(raw_http_status(&raw, 1), 200);
        if (!row->end) /* the answer is whole, the request is not */
            assert_int_equal(raw_count(&raw, NGHTTP2_RST_STREAM, 1, NGHTTP2_NO_ERROR), 1);
        still_serves(3);
        assert_int_equal(h2_conn_streams(pair.server), 0);
        end();
    }
}

/* G10, G13: what is not gRPC. */
static void plain_requests(void **state)
{
    (void)state;
    static const struct {
        const char *method, *type;
        int http;
    } plain[] = {{"GET", NULL, 405},
                 {"PUT", "application/grpc", 405},
                 {"POST", NULL, 415},
                 {"POST", "text/html", 415},
                 {"POST", "application/grpc+json", 415}};
    for (size_t i = 0; i < sizeof plain / sizeof plain[0]; i++) {
        begin();
        uint8_t block[512];
        size_t bytes = raw_header(block, 0, ":method", plain[i].method);
        bytes = raw_header(block, bytes, ":scheme", "https");
        bytes = raw_header(block, bytes, ":authority", "hub.test");
        bytes = raw_header(block, bytes, ":path", "/a.B/Unary");
        if (plain[i].type != NULL)
            bytes = raw_header(block, bytes, "content-type", plain[i].type);
        raw_frame(&raw, NGHTTP2_HEADERS, END_HEADERS | (i % 2 ? END_STREAM : 0), 1, block, bytes);
        raw_run(&raw);
        assert_int_equal(raw_http_status(&raw, 1), plain[i].http);
        assert_int_equal(pair.server_calls, 0);
        still_serves(3);
        end();
    }
}

/* G14: headers that HTTP forbids are reset, and never echoed. */
static void forbidden_headers(void **state)
{
    (void)state;
    static const char *const fields[][2] = {
        {"x-test", "a\rb"}, {"x-test", "a\nb"}, {"X-Test", "upper"}, {"connection", "close"}, {":late", "x"}};
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
        begin();
        uint8_t block[512];
        size_t bytes = raw_header(block, raw_request(block, "/a.B/Unary"), fields[i][0], fields[i][1]);
        raw_frame(&raw, NGHTTP2_HEADERS, END_HEADERS | END_STREAM, 1, block, bytes);
        raw_run(&raw);
        assert_int_equal(pair.server_calls, 0);
        assert_int_equal(raw_count(&raw, NGHTTP2_RST_STREAM, 1, -1), 1);
        still_serves(3);
        end();
    }
}

/* --- HTTP/2 ---------------------------------------------------------------------------------------------------- */

static void put32(uint8_t out[4], uint32_t value)
{
    out[0] = (uint8_t)(value >> 24);
    out[1] = (uint8_t)(value >> 16);
    out[2] = (uint8_t)(value >> 8);
    out[3] = (uint8_t)value;
}

/* W1, W2 */
static void rapid_reset(void **state)
{
    (void)state;
    begin();
    uint8_t code[4];
    put32(code, NGHTTP2_CANCEL);
    for (uint32_t stream = 1; stream < 6000 && pair.server != NULL && !raw.over; stream += 2) {
        request(stream, "/a.B/Stream", 0);
        raw_frame(&raw, NGHTTP2_RST_STREAM, 0, stream, code, 4);
        assert_true(pair.server == NULL || h2_conn_streams(pair.server) <= 100);
    }
    raw_run(&raw);
    assert_true(is_over());
    end();
}

/* W3 to W5: resets that we are made to send. */
static void made_you_reset(void **state)
{
    (void)state;
    begin();
    uint8_t overflow[4];
    put32(overflow, 0x7fffffff);
    unsigned sent = 0;
    for (uint32_t stream = 1; stream < 6000 && pair.server != NULL && !raw.over; stream += 2) {
        request(stream, "/a.B/Stream", 0);
        raw_frame(&raw, NGHTTP2_WINDOW_UPDATE, 0, stream, overflow, 4);
        sent++;
    }
    raw_run(&raw);
    assert_true(is_over());
    assert_true(sent < 2000);
    assert_true(raw_count(&raw, NGHTTP2_GOAWAY, -1, NGHTTP2_ENHANCE_YOUR_CALM) == 1);
    end();
}

/* W10, W9, W8 in one: a block over the limit is reset, and the connection lives. */
static void header_lists(void **state)
{
    (void)state;
    begin();
    uint8_t *block = malloc(64 << 10);
    size_t bytes = raw_request(block, "/a.B/Stream");
    while (bytes < 15000)
        bytes = raw_header(block, bytes, "x", "y"); /* few octets, 32 more each in the count */
    raw_frame(&raw, NGHTTP2_HEADERS, END_HEADERS | END_STREAM, 1, block, bytes);
    raw_run(&raw);
    assert_int_equal(raw_count(&raw, NGHTTP2_RST_STREAM, 1, -1), 1);
    assert_int_equal(pair.server_calls, 0);
    still_serves(3);
    end();
    /* A bomb: one long entry in the table, named 10,000 times. */
    begin();
    bytes = raw_request(block, "/a.B/Stream");
    block[bytes++] = 0x40; /* literal with indexing */
    block[bytes++] = 1;
    block[bytes++] = 'x';
    block[bytes++] = 127;
    block[bytes++] = (uint8_t)((3900 - 127) & 127) | 128;
    block[bytes++] = (3900 - 127) >> 7;
    memset(block + bytes, 'y', 3900);
    bytes += 3900;
    memset(block + bytes, 0x80 | 62, 10000);
    bytes += 10000;
    raw_frame(&raw, NGHTTP2_HEADERS, END_HEADERS | END_STREAM, 1, block, bytes);
    raw_run(&raw);
    assert_int_equal(raw_count(&raw, NGHTTP2_RST_STREAM, 1, -1), 1);
    still_serves(3);
    free(block);
    end();
}

struct flood {
    const char *what;
    uint8_t type, flags;
    bool on_stream;
    const char *payload;
    size_t bytes;
    unsigned count;
};

/* W6, W7, W15, W17, W20, W21, W26, W32: frames that carry nothing, 20,000 of each. */
static void floods(void **state)
{
    (void)state;
    static const struct flood rows[] = {
        {"SETTINGS", NGHTTP2_SETTINGS, 0, false, "", 0, 20000},
        {"PING", NGHTTP2_PING, 0, false, "12345678", 8, 20000},
        {"empty DATA", NGHTTP2_DATA, 0, true, "", 0, 20000},
        {"PRIORITY", NGHTTP2_PRIORITY, 0, true, "\0\0\0\0\1", 5, 20000},
        {"GOAWAY", NGHTTP2_GOAWAY, 0, false, "\0\0\0\0\0\0\0\0", 8, 20000},
        {"small WINDOW_UPDATE", NGHTTP2_WINDOW_UPDATE, 0, false, "\0\0\0\1", 4, 20000},
        {"CONTINUATION", NGHTTP2_CONTINUATION, 0, true, "", 0, 20000},
        {"window overflow", NGHTTP2_WINDOW_UPDATE, 0, false, "\x7f\xff\xff\xff", 4, 20},
        {"RST on idle", NGHTTP2_RST_STREAM, 0, true, "\0\0\0\x8", 4, 2},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const struct flood *row = &rows[i];
        begin();
        uint8_t block[512];
        size_t bytes = raw_request(block, "/a.B/Stream");
        bool open_block = row->type == NGHTTP2_CONTINUATION;
        raw_frame(&raw, NGHTTP2_HEADERS, open_block ? 0 : END_HEADERS, 1, block, bytes);
        uint32_t stream = row->type == NGHTTP2_RST_STREAM ? 9 : 1;
        for (unsigned n = 0; n < row->count && pair.server != NULL && !raw.over; n++)
            raw_frame(&raw, row->type, row->flags, row->on_stream ? stream : 0, row->payload, row->bytes);
        raw_run(&raw);
        if (!is_over())
            fail_msg("%s: still there", row->what);
        end();
    }
}

/* Not hostile at all: a client that measures its bandwidth with each answer, as gRPC's own libraries do, and is quick.
 * A hub once cut such a client off after about a thousand calls. */
static void pings_of_a_busy_client(void **state)
{
    (void)state;
    begin();
    for (uint32_t call = 0; call < 3000; call++) {
        raw_frame(&raw, NGHTTP2_PING, 0, 0, "12345678", 8);
        raw_frame(&raw, NGHTTP2_WINDOW_UPDATE, 0, 0, "\0\0\0\7", 4);
        request(2 * call + 1, "/a.B/Unary", 0);
        raw_frame(&raw, NGHTTP2_DATA, END_STREAM, 2 * call + 1, "\0\0\0\0\2hi", 7);
        raw_run(&raw);
        assert_non_null(pair.server);
        assert_int_equal(messages_heard, call + 1);
    }
    end();
}

/* Nor is one that reads a long answer message by message and gives each one's window back, to the stream and to the
 * connection. An agency that pushed some thousand updates by gRPC's own library was cut off where a hub answered many
 * at once. More octets than were sent are a flood as before. */
static void windows_given_back_in_small_pieces(void **state)
{
    (void)state;
    enum { MESSAGE = 60000, DATA_MAX = 16384, PIECE = 8 };
    static uint8_t message[5 + MESSAGE] = {0, 0, 0, MESSAGE >> 8, MESSAGE & 255};
    begin();
    request(1, "/a.B/Unary", 0);
    for (size_t at = 0; at < sizeof message; at += DATA_MAX) {
        bool last = sizeof message - at <= DATA_MAX;
        raw_frame(&raw, NGHTTP2_DATA, last ? END_STREAM : 0, 1, message + at, last ? sizeof message - at : DATA_MAX);
    }
    raw_run(&raw);
    assert_int_equal(messages_heard, 1);
    for (size_t given = 0; given + PIECE <= 2 * MESSAGE; given += PIECE)
        raw_frame(&raw, NGHTTP2_WINDOW_UPDATE, 0, 0, "\0\0\0\10", 4);
    raw_run(&raw);
    still_serves(3);
    for (unsigned n = 0; n < 3000 && pair.server != NULL && !raw.over; n++)
        raw_frame(&raw, NGHTTP2_WINDOW_UPDATE, 0, 0, "\0\0\0\10", 4);
    raw_run(&raw);
    assert_true(is_over());
    end();
}

/* W22, W30, W33 to W38: against the protocol. */
static void violations(void **state)
{
    (void)state;
    static const struct {
        const char *what;
        uint8_t type, flags;
        uint32_t stream;
        const char *payload;
        size_t bytes;
    } rows[] = {
        {"W34 DATA on idle", NGHTTP2_DATA, 0, 5, "x", 1},
        {"W35 even id", NGHTTP2_HEADERS, END_HEADERS, 2, "\x82", 1},
        {"W36 PUSH_PROMISE", NGHTTP2_PUSH_PROMISE, END_HEADERS, 1, "\0\0\0\2\x82", 5},
        {"W11 HPACK index", NGHTTP2_HEADERS, END_HEADERS, 1, "\xff\xff\x7f", 3},
        {"W13 table size", NGHTTP2_HEADERS, END_HEADERS, 1, "\x3f\xff\xff\x7f", 4},
        {"SETTINGS of 5", NGHTTP2_SETTINGS, 0, 0, "12345", 5},
        {"PING of 7", NGHTTP2_PING, 0, 0, "1234567", 7},
        {"connection's DATA", NGHTTP2_DATA, 0, 0, "x", 1},
        {"CONTINUATION alone", NGHTTP2_CONTINUATION, END_HEADERS, 1, "\x82", 1},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        begin();
        raw_frame(&raw, rows[i].type, rows[i].flags, rows[i].stream, rows[i].payload, rows[i].bytes);
        raw_run(&raw);
        if (!is_over())
            fail_msg("%s: still there", rows[i].what);
        assert_int_equal(raw_count(&raw, NGHTTP2_GOAWAY, -1, -1), 1);
        end();
    }
    begin(); /* W30: 16 MiB of length, in the head alone */
    raw_send(&raw, "\xff\xff\xff\0\0\0\0\0\1", 9);
    raw_run(&raw);
    assert_true(is_over());
    end();
}

/* W38 and more: what a paused stream may be sent is its window, and no more is held. */
static void beyond_the_window(void **state)
{
    (void)state;
    begin();
    request(1, "/a.B/Paused", 0);
    raw_run(&raw);
    h2_stream_set_reading(pair.at_server[0].stream, false);
    static const uint8_t block[16384];
    for (int i = 0; i < 5 && !raw.over; i++)
        raw_frame(&raw, NGHTTP2_DATA, 0, 1, block, sizeof block);
    raw_run(&raw);
    assert_true(raw_count(&raw, NGHTTP2_RST_STREAM, 1, NGHTTP2_FLOW_CONTROL_ERROR) == 1 || is_over());
    end();
}

/* Many large halves of messages: what one connection may hold is bounded. */
static void many_halves(void **state)
{
    (void)state;
    begin();
    static uint8_t block[16384] = {0, 0, 0x0f, 0xff, 0xff};
    static const uint8_t more[16384];
    unsigned refused = 0;
    for (uint32_t stream = 1; stream < 40; stream += 2) {
        request(stream, "/a.B/Stream", 0);
        raw_frame(&raw, NGHTTP2_DATA, 0, stream, block, sizeof block);
        for (int i = 0; i < 60 && !raw.over; i++) {
            raw_frame(&raw, NGHTTP2_DATA, 0, stream, more, sizeof more);
            raw_run(&raw);
        }
        refused += raw_count(&raw, NGHTTP2_RST_STREAM, stream, NGHTTP2_ENHANCE_YOUR_CALM) != 0;
    }
    assert_true(refused > 5);
    assert_non_null(pair.server);
    end();
}

/* W27: over the limit of streams. */
static void too_many_streams(void **state)
{
    (void)state;
    begin();
    for (uint32_t stream = 1; stream < 5000 && !raw.over; stream += 2)
        request(stream, "/a.B/Stream", 0);
    raw_run(&raw);
    assert_true(pair.server == NULL || h2_conn_streams(pair.server) <= 100);
    end();
    /* A burst from a client that has not seen the limit yet is refused, safe to try again, and costs it nothing else.
     */
    begin();
    for (uint32_t stream = 1; stream < 800; stream += 2)
        request(stream, "/a.B/Stream", 0);
    raw_run(&raw);
    assert_non_null(pair.server);
    assert_int_equal(h2_conn_streams(pair.server), 100);
    assert_int_equal(raw_count(&raw, NGHTTP2_RST_STREAM, -1, NGHTTP2_REFUSED_STREAM), 300);
    assert_int_equal(raw_count(&raw, NGHTTP2_RST_STREAM, -1, -1), 300);
    end();
}

/* T16 */
static void key_updates(void **state)
{
    (void)state;
    begin();
    for (int i = 0; i < 500 && !raw.over; i++) {
        assert_int_equal(SSL_key_update(raw.ssl, SSL_KEY_UPDATE_REQUESTED), 1);
        raw_frame(&raw, NGHTTP2_PING, ACK, 0, "12345678", 8);
        if (i % 50 == 0)
            raw_run(&raw);
    }
    raw_run(&raw);
    still_serves(1);
    end();
}

/* W31 */
static void unknown_frames_are_ignored(void **state)
{
    (void)state;
    begin();
    for (int i = 0; i < 50; i++)
        raw_frame(&raw, (uint8_t)(0x20 + i), 0xff, 0, "whatever", 8);
    raw_run(&raw);
    still_serves(1);
    end();
}

/* W29, T14 */
static void no_preface(void **state)
{
    (void)state;
    memset(&pair, 0, sizeof pair);
    int fd = pair_open_server(&pair, server_tls, NULL);
    raw_open(&raw, &pair, fd, pki, &(struct raw_options){.name = "agency"});
    raw_run(&raw);
    raw_send(&raw, "GET / HTTP/1.1\r\nHost: x\r\n\r\n", 27);
    raw_run(&raw);
    assert_true(is_over());
    end();
}

/* W41: frames with random heads and bodies, over a good beginning. */
static void random_frames(void **state)
{
    (void)state;
    const char *text = getenv("SEED"), *scale = getenv("CHECK_SCALE");
    uint64_t seed = text != NULL ? strtoull(text, NULL, 10) : 20261122;
    printf("seed %llu\n", (unsigned long long)seed);
    struct seeded_random random;
    seeded_random_init(&random, seed);
    for (int i = 0; i < (int)(300 * (scale != NULL ? strtod(scale, NULL) : 1)); i++) {
        begin();
        request(1, "/a.B/Stream", 0);
        request(3, "/a.B/Unary", 0);
        for (int n = 0; n < 40 && pair.server != NULL && !raw.over; n++) {
            uint8_t payload[64];
            for (size_t k = 0; k < sizeof payload; k++)
                payload[k] = (uint8_t)seeded_random_next(&random);
            raw_frame(&raw, (uint8_t)seeded_random_below(&random, 11), (uint8_t)seeded_random_next(&random),
                      (uint32_t)seeded_random_below(&random, 8), payload, seeded_random_below(&random, sizeof payload));
        }
        raw_run(&raw);
        if (pair.server != NULL)
            h2_conn_abort(pair.server, "test over");
        raw_close(&raw);
    }
    begin();
    end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(framing),
        cmocka_unit_test(plain_requests),
        cmocka_unit_test(forbidden_headers),
        cmocka_unit_test(rapid_reset),
        cmocka_unit_test(made_you_reset),
        cmocka_unit_test(header_lists),
        cmocka_unit_test(floods),
        cmocka_unit_test(pings_of_a_busy_client),
        cmocka_unit_test(windows_given_back_in_small_pieces),
        cmocka_unit_test(violations),
        cmocka_unit_test(beyond_the_window),
        cmocka_unit_test(many_halves),
        cmocka_unit_test(too_many_streams),
        cmocka_unit_test(key_updates),
        cmocka_unit_test(unknown_frames_are_ignored),
        cmocka_unit_test(no_preface),
        cmocka_unit_test(random_frames),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
