/*
 * h2_client.c - calls: started, and how they ended. Thread: the connection's.
 * Invariant: every started call ends with exactly one outcome, and `unprocessed` is never said of a request that the
 * server may have acted on.
 */
#include "proto/wire/h2_internal.h"

#include <stdlib.h>

#define METADATA_MAX   8
#define TEXT_BYTES_MAX 8192 /* of grpc-message and details, as they stand in the header */

static bool is(const char *text, size_t bytes, const char *expected)
{
    return strlen(expected) == bytes && memcmp(text, expected, bytes) == 0;
}

static nghttp2_nv field(const char *name, const char *value)
{
    return (nghttp2_nv){(uint8_t *)name, (uint8_t *)value, strlen(name), strlen(value), NGHTTP2_NV_FLAG_NONE};
}

bool h2_conn_accepts_calls(const struct h2_conn *conn)
{
    return !conn->is_server && (conn->state == CONN_HANDSHAKE || conn->state == CONN_OPEN) && !conn->goaway_received &&
           conn->drain_deadline_ms == INT64_MAX && nghttp2_session_check_request_allowed(conn->session) != 0;
}

static int32_t submit(struct h2_conn *conn, const struct h2_call *call, struct h2_stream *stream)
{
    nghttp2_nv fields[8 + METADATA_MAX];
    char timeout[GRPC_TIMEOUT_BYTES];
    size_t count = 0;
    fields[count++] = field(":method", "POST");
    fields[count++] = field(":scheme", "https");
    fields[count++] = field(":path", call->path);
    fields[count++] = field(":authority", conn->server_name);
    fields[count++] = field("te", "trailers");
    fields[count++] = field("content-type", "application/grpc");
    fields[count++] = field("user-agent", "vacancy");
    if (call->timeout_ms > 0) {
        grpc_timeout_format(call->timeout_ms, timeout);
        fields[count++] = field("grpc-timeout", timeout);
    }
    for (size_t i = 0; i < call->metadata_count; i++)
        fields[count++] = field(call->metadata[i].name, call->metadata[i].value);
    nghttp2_data_provider provider = stream_provider(stream);
    return nghttp2_submit_request(conn->session, NULL, fields, count, &provider, stream);
}

struct h2_stream *h2_call_start(struct h2_conn *conn, const struct h2_call *call, int64_t now_ms)
{
    if (!h2_conn_accepts_calls(conn) || call->metadata_count > METADATA_MAX ||
        conn->stream_count >= conn->limits.streams_max)
        return NULL;
    if (now_ms > conn->now_ms)
        conn->now_ms = now_ms;
    struct h2_stream *stream = stream_create(conn);
    if (stream == NULL)
        return NULL;
    stream->id = submit(conn, call, stream);
    if (stream->id < 0) {
        stream_free(stream);
        return NULL;
    }
    conn->counters.streams_opened++;
    stream->announced = true;
    stream->context = call->context;
    stream->expect_one = call->one_reply;
    stream->message_bytes_max = call->reply_bytes_max;
    if (call->timeout_ms > 0) {
        int64_t timeout_ms = call->timeout_ms < GRPC_TIMEOUT_MAX_MS ? call->timeout_ms : GRPC_TIMEOUT_MAX_MS;
        stream->deadline_ms = conn->now_ms + timeout_ms;
        conn_stream_deadline(conn, stream->deadline_ms);
    }
    conn_touch(conn);
    return stream;
}

void h2_stream_half_close(struct h2_stream *stream)
{
    if (stream->finishing || stream->conn->is_server)
        return;
    stream->finishing = true;
    if (!stream->ended)
        stream_resume(stream);
}

bool h2_stream_has_left(const struct h2_stream *stream)
{
    return stream->headers_sent;
}

void client_cancel(struct h2_stream *stream, const struct problem *problem)
{
    if (stream->local.code != ERR_NONE)
        return;
    stream->local = *problem;
    stream->finishing = true;
    stream_discard(stream);
    if (stream->ended)
        stream_work(stream); /* it only waited to be read */
    else
        nghttp2_submit_rst_stream(stream->conn->session, NGHTTP2_FLAG_NONE, stream->id, NGHTTP2_CANCEL);
    conn_touch(stream->conn);
}

void h2_stream_cancel(struct h2_stream *stream)
{
    struct problem problem;
    problem_set(&problem, ERR_CANCELLED, "", "cancelled");
    if (!stream->conn->is_server) {
        stream->cancelled = true;
        client_cancel(stream, &problem);
        return;
    }
    if (stream->ended)
        return;
    stream->finishing = true;
    stream_discard(stream);
    nghttp2_submit_rst_stream(stream->conn->session, NGHTTP2_FLAG_NONE, stream->id, NGHTTP2_CANCEL);
    conn_touch(stream->conn);
}

static char *copy_value(const char *value, size_t bytes, size_t *out_bytes)
{
    char *copy = bytes <= TEXT_BYTES_MAX ? malloc(bytes + 1) : NULL;
    *out_bytes = copy != NULL ? bytes : 0;
    if (copy != NULL)
        memcpy(copy, value, bytes);
    return copy;
}

static uint32_t number(const char *value, size_t bytes, uint32_t otherwise)
{
    uint32_t n = 0;
    for (size_t i = 0; i < bytes; i++) {
        if (i == 4 || value[i] < '0' || value[i] > '9')
            return otherwise;
        n = n * 10 + (uint32_t)(value[i] - '0');
    }
    return bytes > 0 ? n : otherwise;
}

void client_header(struct h2_stream *stream, const char *name, size_t name_bytes, const char *value, size_t value_bytes)
{
    if (is(name, name_bytes, ":status")) {
        stream->http_status = (uint16_t)number(value, value_bytes, 0);
    } else if (is(name, name_bytes, "content-type")) {
        stream->is_grpc = grpc_content_type_ok(value, value_bytes);
    } else if (is(name, name_bytes, "grpc-status")) {
        stream->has_status = true;
        stream->status_code = number(value, value_bytes, GRPC_UNKNOWN);
    } else if (is(name, name_bytes, "grpc-message") && stream->status_message == NULL) {
        stream->status_message = copy_value(value, value_bytes, &stream->status_message_bytes);
    } else if (is(name, name_bytes, "grpc-status-details-bin") && stream->status_details == NULL) {
        stream->status_details = copy_value(value, value_bytes, &stream->status_details_bytes);
    } else if (is(name, name_bytes, "grpc-encoding")) {
        stream->bad_encoding |= !is(value, value_bytes, "identity");
    }
}

/* The status that came, into a problem. */
static void read_status(struct h2_stream *stream, struct h2_outcome *out)
{
    out->code = stream->status_code < GRPC_CODE_COUNT ? (enum grpc_code)stream->status_code : GRPC_UNKNOWN;
    out->said = true;
    if (out->code == GRPC_OK)
        return;
    if (stream->status_message != NULL) {
        size_t bytes =
            grpc_percent_decode(stream->status_message, stream->status_message_bytes, stream->status_message);
        stream->status_message[bytes] = '\0';
    }
    /* In its place: what is written is never past what was read. */
    uint8_t *details = (uint8_t *)stream->status_details;
    size_t bytes = 0;
    if (stream->status_details_bytes == 0 ||
        !grpc_base64_decode(stream->status_details, stream->status_details_bytes, details, &bytes))
        bytes = 0;
    status_to_problem(out->code, stream->status_message, details, bytes, &out->problem);
    out->details = details;
    out->details_bytes = bytes;
}

static void set_end(struct h2_outcome *out, enum h2_end end, enum err err, const char *text)
{
    out->end = end;
    problem_set(&out->problem, err, "", "%s", text);
    out->code = grpc_code_of_err(err);
}

static void reset_outcome(const struct h2_stream *stream, struct h2_outcome *out)
{
    switch (stream->error_code) {
    case NGHTTP2_REFUSED_STREAM:
        set_end(out, H2_END_CANCELLED, ERR_UNAVAILABLE,
                "the server refused the call before it looked at it; try again");
        out->unprocessed = true;
        break;
    case NGHTTP2_CANCEL:
        set_end(out, H2_END_CANCELLED, ERR_CANCELLED, "the server cancelled the call");
        break;
    case NGHTTP2_ENHANCE_YOUR_CALM:
        set_end(out, H2_END_CANCELLED, ERR_LIMIT, "the server says that this is too much at a time");
        break;
    case NGHTTP2_NO_ERROR:
        set_end(out, H2_END_CANCELLED, ERR_INTERNAL, "the server ended the call without a status");
        break;
    default:
        set_end(out, H2_END_CANCELLED, ERR_INTERNAL, "the server reset the call");
        break;
    }
}

void client_outcome(struct h2_stream *stream, struct h2_outcome *out)
{
    struct h2_conn *conn = stream->conn;
    out->end = H2_END_FINISHED;
    if (stream->local.code != ERR_NONE) {
        out->end = stream->cancelled ? H2_END_CANCELLED : stream->timed_out ? H2_END_TIMEOUT : H2_END_REFUSED;
        out->problem = stream->local;
        out->unprocessed = !stream->headers_sent;
        out->code = grpc_code_of_err(stream->local.code);
    } else if (stream->over_receive_limit) {
        set_end(out, H2_END_REFUSED, ERR_LIMIT, "the server sends more than this client holds");
    } else if (!stream->ended) {
        set_end(out, H2_END_LOST, ERR_UNAVAILABLE, "the connection ended before the answer");
        problem_set(&out->problem, ERR_UNAVAILABLE, "", "the connection ended before the answer: %s", conn->reason);
        out->unprocessed = !stream->headers_sent;
    } else if (stream->has_status && stream->http_status == 200 && stream->remote_ended) {
        read_status(stream, out);
        if (out->code == GRPC_OK && stream->expect_one && stream->messages_heard == 0) {
            set_end(out, H2_END_FINISHED, ERR_INTERNAL, "the server said OK without a reply");
            out->said = false;
        }
    } else if (stream->http_status != 0 && (stream->http_status != 200 || !stream->is_grpc)) {
        out->code = grpc_code_of_http(stream->http_status);
        problem_set(&out->problem, err_of_grpc_code(out->code), "", "the server answered HTTP %u, not gRPC",
                    stream->http_status);
    } else {
        reset_outcome(stream, out);
    }
}
