/*
 * h2_server.c - requests: their headers judged as they come, without keeping them; answers and trailers.
 * Thread: the connection's. Nothing of a request is ever echoed (G14).
 */
#include "proto/wire/h2_internal.h"

#include <stdio.h>
#include <stdlib.h>

#define NV(name, value) NV_BYTES(name, value, sizeof(value) - 1)
#define NV_BYTES(name, value, value_bytes)                                                                             \
    {                                                                                                                  \
        (uint8_t *)(name), (uint8_t *)(value), sizeof(name) - 1, value_bytes,                                          \
            NGHTTP2_NV_FLAG_NO_COPY_NAME | NGHTTP2_NV_FLAG_NO_COPY_VALUE                                               \
    }
/* The value is copied. */
#define NV_COPIED(name, value, value_bytes)                                                                            \
    {                                                                                                                  \
        (uint8_t *)(name), (uint8_t *)(value), sizeof(name) - 1, value_bytes, NGHTTP2_NV_FLAG_NO_COPY_NAME             \
    }

#define CONTENT_TYPE "application/grpc"

static bool is(const char *text, size_t bytes, const char *expected)
{
    return strlen(expected) == bytes && memcmp(text, expected, bytes) == 0;
}

/* G16: what claims to be base64 must be. */
static bool is_base64(const char *value, size_t bytes)
{
    uint8_t out[3 * 256 + 3];
    size_t got;
    /* Several values may be joined by commas; in pieces of four characters the buffer need not be the header's size. */
    while (bytes > 0) {
        const char *comma = memchr(value, ',', bytes);
        size_t part = comma != NULL ? (size_t)(comma - value) : bytes;
        size_t left = part;
        for (const char *at = value; left > 0;) {
            size_t piece = left > 1024 ? 1024 : left;
            if ((left > piece && memchr(at, '=', piece) != NULL) || !grpc_base64_decode(at, piece, out, &got))
                return false;
            at += piece;
            left -= piece;
        }
        value += part + (comma != NULL);
        bytes -= part + (comma != NULL);
    }
    return true;
}

void server_header(struct h2_stream *stream, const char *name, size_t name_bytes, const char *value, size_t value_bytes)
{
    if (is(name, name_bytes, ":path")) {
        /* A longer one is no method's. */
        size_t bytes = value_bytes < H2_PATH_BYTES ? value_bytes : 0;
        memcpy(stream->path, value, bytes);
        stream->path[bytes] = '\0';
    } else if (is(name, name_bytes, ":method")) {
        stream->is_post = is(value, value_bytes, "POST");
    } else if (is(name, name_bytes, "content-type")) {
        stream->is_grpc = grpc_content_type_ok(value, value_bytes);
    } else if (is(name, name_bytes, "grpc-timeout")) {
        stream->bad_timeout |= !grpc_timeout_parse(value, value_bytes, &stream->timeout_ms);
    } else if (is(name, name_bytes, "grpc-encoding")) {
        stream->bad_encoding |= !is(value, value_bytes, "identity");
    } else if (name_bytes > 4 && memcmp(name + name_bytes - 4, "-bin", 4) == 0) {
        stream->bad_binary |= !is_base64(value, value_bytes);
    }
}

/* Not gRPC, or not POST: an HTTP status and a line of text. */
static void answer_plain(struct h2_stream *stream, const char *status, const char *text)
{
    nghttp2_nv headers[] = {
        NV_BYTES(":status", status, 3),
        NV("content-type", "text/plain; charset=utf-8"),
        NV("allow", "POST"),
    };
    stream->plain = stream->finishing = stream->response_begun = true;
    size_t bytes = strlen(text);
    uint8_t *room = octet_queue_room(&stream->out, bytes);
    if (room != NULL) {
        memcpy(room, text, bytes);
        stream->out.size += bytes;
    }
    nghttp2_data_provider provider = stream_provider(stream);
    nghttp2_submit_response(stream->conn->session, stream->id, headers, 3, &provider);
    stream_discard(stream);
    conn_touch(stream->conn);
}

bool server_check_request(struct h2_stream *stream)
{
    struct problem problem = {0};
    if (!stream->is_post) {
        answer_plain(stream, "405", "This port speaks gRPC: use POST.\n");
        return false;
    }
    if (!stream->is_grpc) {
        answer_plain(stream, "415", "This port speaks gRPC: content-type must be application/grpc.\n");
        return false;
    }
    if (stream->bad_encoding)
        problem_set(&problem, ERR_UNIMPLEMENTED, "", "messages must come uncompressed (grpc-encoding: identity)");
    else if (stream->bad_timeout)
        problem_set(&problem, ERR_INVALID, "", "grpc-timeout takes 1 to 8 digits and one of H, M, S, m, u, n");
    else if (stream->bad_binary)
        problem_set(&problem, ERR_INVALID, "", "metadata whose name ends in -bin must be base64");
    if (problem.code == ERR_NONE)
        return true;
    h2_stream_finish(stream, &problem);
    return false;
}

static void keep_details(struct h2_stream *stream, const void *octets, size_t bytes)
{
    free(stream->status_details);
    stream->status_details_bytes = 0;
    stream->status_details = bytes <= STATUS_DETAILS_SENT_MAX ? malloc(GRPC_BASE64_BYTES(bytes)) : NULL;
    if (stream->status_details != NULL)
        stream->status_details_bytes = grpc_base64_encode(octets, bytes, stream->status_details);
}

void h2_stream_set_details(struct h2_stream *stream, const void *octets, size_t bytes)
{
    if (!stream->finishing)
        keep_details(stream, octets, bytes);
}

/* Keeps the status for the trailers. Out of memory costs text, not the code. */
static void set_status(struct h2_stream *stream, const struct problem *problem)
{
    stream->status_code = problem != NULL ? (uint32_t)grpc_code_of_err(problem->code) : GRPC_OK;
    if (stream->status_code == GRPC_OK)
        return;
    size_t text_bytes = strlen(problem->text);
    stream->status_message = malloc(3 * text_bytes + 1);
    if (stream->status_message != NULL)
        stream->status_message_bytes = grpc_percent_encode(problem->text, text_bytes, stream->status_message);
    uint8_t details[STATUS_DETAILS_BYTES];
    if (stream->status_details == NULL)
        keep_details(stream, details, status_details_encode(problem, NULL, details));
}

/* grpc-status and what goes with it; returns how many. `code` holds the number's text until it is submitted. */
static size_t status_fields(const struct h2_stream *stream, char code[4], nghttp2_nv out[3])
{
    size_t n = 0;
    int digits = snprintf(code, 4, "%u", stream->status_code % 100);
    out[n++] = (nghttp2_nv)NV_COPIED("grpc-status", code, (size_t)digits);
    if (stream->status_message_bytes > 0)
        out[n++] = (nghttp2_nv)NV_COPIED("grpc-message", stream->status_message, stream->status_message_bytes);
    if (stream->status_details_bytes > 0)
        out[n++] =
            (nghttp2_nv)NV_COPIED("grpc-status-details-bin", stream->status_details, stream->status_details_bytes);
    return n;
}

int server_submit_trailers(struct h2_stream *stream)
{
    static const nghttp2_nv ok = NV("grpc-status", "0");
    if (stream->status_code == GRPC_OK)
        return nghttp2_submit_trailer(stream->conn->session, stream->id, &ok, 1);
    char code[4];
    nghttp2_nv fields[3];
    size_t count = status_fields(stream, code, fields);
    return nghttp2_submit_trailer(stream->conn->session, stream->id, fields, count);
}

bool server_begin_response(struct h2_stream *stream)
{
    static const nghttp2_nv headers[] = {NV(":status", "200"), NV("content-type", CONTENT_TYPE)};
    stream->response_begun = true;
    nghttp2_data_provider provider = stream_provider(stream);
    conn_touch(stream->conn);
    return nghttp2_submit_response(stream->conn->session, stream->id, headers, 2, &provider) == 0;
}

/* An error before any message: one HEADERS frame. */
static void answer_trailers_only(struct h2_stream *stream)
{
    nghttp2_nv fields[6] = {NV(":status", "200"), NV("content-type", CONTENT_TYPE)};
    char code[4];
    size_t count = 2 + status_fields(stream, code, fields + 2);
    if (stream->bad_encoding)
        fields[count++] = (nghttp2_nv)NV("grpc-accept-encoding", "identity");
    stream->response_begun = true;
    nghttp2_submit_response(stream->conn->session, stream->id, fields, count, NULL);
    conn_touch(stream->conn);
}

void h2_stream_finish(struct h2_stream *stream, const struct problem *problem)
{
    if (stream->finishing)
        return;
    stream->finishing = true;
    stream_discard(stream);
    if (stream->ended)
        return;
    set_status(stream, problem);
    if (stream->response_begun)
        stream_resume(stream);
    else if (stream->status_code == GRPC_OK)
        server_begin_response(stream);
    else
        answer_trailers_only(stream);
}
