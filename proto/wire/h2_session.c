/*
 * h2_session.c - the nghttp2 session: its options, and callbacks that only record what came and queue the stream for
 * h2_stream.c. Thread: the connection's.
 * Invariant: nothing here calls the owner, mem_send, mem_recv or session_del.
 */
#include "proto/wire/h2_internal.h"

#include <stdlib.h>

#define IDLE_FRAMES_AN_ANSWER 4
#define SMALL_WINDOW_UPDATE   64 /* more of these than of real ones only cost us frames (W15) */

/* A frame that carries nothing: a bucket of idle_frames_burst that refills by idle_frames_per_s. */
static void count_idle_frame(struct h2_conn *conn)
{
    int64_t elapsed = conn->now_ms - conn->idle_frames_ms;
    if (elapsed >= 1000) {
        int64_t forgiven = elapsed / 1000 * conn->limits.idle_frames_per_s;
        conn->idle_frames = forgiven >= conn->idle_frames ? 0 : conn->idle_frames - (uint32_t)forgiven;
        conn->idle_frames_ms += elapsed / 1000 * 1000;
    }
    if (++conn->idle_frames > conn->limits.idle_frames_burst)
        conn->terminate = true;
}

/* Clients ask about their bandwidth with a PING and a WINDOW_UPDATE or two for each answer (gRPC's own libraries do),
 * so a busy one sends more of them than any rate allows: every frame of an answer lets some pass. */
static void forgive_idle_frames(struct h2_conn *conn)
{
    conn->idle_frames = conn->idle_frames > IDLE_FRAMES_AN_ANSWER ? conn->idle_frames - IDLE_FRAMES_AN_ANSWER : 0;
}

/* A client that reads an answer message by message gives its window back in as small pieces, once for the stream and
 * once for the connection: no more octets of them than we sent are for nothing. */
static bool gives_back_what_we_sent(struct h2_conn *conn, uint32_t increment)
{
    if (increment > conn->window_owed_bytes)
        return false;
    conn->window_owed_bytes -= increment;
    return true;
}

/* Resets that the peer's own frames made us send (MadeYouReset). */
static void count_reset_sent(struct h2_conn *conn, uint32_t error_code)
{
    if (error_code == NGHTTP2_NO_ERROR || error_code == NGHTTP2_CANCEL)
        return; /* ours */
    conn->counters.resets_out++;
    if (error_code == NGHTTP2_REFUSED_STREAM) {
        count_idle_frame(conn); /* an honest client that has not seen our SETTINGS yet gets many of these */
        return;
    }
    if (conn->now_ms - conn->reset_window_ms >= 60000) {
        conn->reset_window_ms = conn->now_ms;
        conn->resets_in_window = 0;
    }
    if (++conn->resets_in_window > conn->limits.resets_sent_per_minute)
        conn->terminate = true;
}

static struct h2_stream *stream_of(nghttp2_session *session, int32_t id)
{
    return nghttp2_session_get_stream_user_data(session, id);
}

static int on_begin_headers(nghttp2_session *session, const nghttp2_frame *frame, void *ctx)
{
    struct h2_conn *conn = ctx;
    if (frame->hd.type != NGHTTP2_HEADERS || frame->headers.cat != NGHTTP2_HCAT_REQUEST)
        return 0;
    conn->first_request_seen = true;
    conn->refused_header_bytes = 0;
    struct h2_stream *stream = conn->stream_count < conn->limits.streams_max ? stream_create(conn) : NULL;
    if (stream == NULL) {
        nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, frame->hd.stream_id, NGHTTP2_REFUSED_STREAM);
        return 0;
    }
    stream->id = frame->hd.stream_id;
    conn->counters.streams_opened++;
    nghttp2_session_set_stream_user_data(session, stream->id, stream);
    return 0;
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name, size_t name_bytes,
                     const uint8_t *value, size_t value_bytes, uint8_t flags, void *ctx)
{
    (void)flags;
    struct h2_conn *conn = ctx;
    struct h2_stream *stream = stream_of(session, frame->hd.stream_id);
    uint32_t *counted = stream != NULL ? &stream->header_bytes : &conn->refused_header_bytes;
    *counted += (uint32_t)(name_bytes + value_bytes + 32);
    if (*counted > conn->limits.header_bytes_max)
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE; /* resets the stream and stops the callbacks */
    if (frame->hd.type != NGHTTP2_HEADERS || stream == NULL)
        return 0;
    if (!conn->is_server)
        client_header(stream, (const char *)name, name_bytes, (const char *)value, value_bytes);
    else if (frame->headers.cat == NGHTTP2_HCAT_REQUEST)
        server_header(stream, (const char *)name, name_bytes, (const char *)value, value_bytes);
    return 0;
}

static void note_frame(struct h2_conn *conn, const nghttp2_frame *frame)
{
    switch (frame->hd.type) {
    case NGHTTP2_DATA:
        if (frame->hd.length == 0 && (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) == 0)
            count_idle_frame(conn);
        break;
    case NGHTTP2_HEADERS:
        break;
    case NGHTTP2_RST_STREAM:
        conn->counters.resets_in++;
        break;
    case NGHTTP2_WINDOW_UPDATE:
        if (frame->window_update.window_size_increment < SMALL_WINDOW_UPDATE &&
            !gives_back_what_we_sent(conn, (uint32_t)frame->window_update.window_size_increment))
            count_idle_frame(conn);
        break;
    case NGHTTP2_PING:
        if ((frame->hd.flags & NGHTTP2_FLAG_ACK) == 0)
            count_idle_frame(conn);
        else
            conn->ping_sent_ms = 0;
        break;
    case NGHTTP2_GOAWAY:
        conn->goaway_received = true;
        count_idle_frame(conn);
        break;
    case NGHTTP2_SETTINGS:
        count_idle_frame(conn);
        break;
    default: /* on_begin_frame */
        break;
    }
}

/* nghttp2 passes over priorities, and says nothing else of them. (Of unknown frames nothing at all: they cost bytes.)
 */
static int on_begin_frame(nghttp2_session *session, const nghttp2_frame_hd *head, void *ctx)
{
    (void)session;
    if (head->type == NGHTTP2_PRIORITY)
        count_idle_frame(ctx);
    return 0;
}

static int on_frame_recv(nghttp2_session *session, const nghttp2_frame *frame, void *ctx)
{
    struct h2_conn *conn = ctx;
    note_frame(conn, frame);
    if (frame->hd.type != NGHTTP2_DATA && frame->hd.type != NGHTTP2_HEADERS)
        return 0;
    struct h2_stream *stream = stream_of(session, frame->hd.stream_id);
    if (stream == NULL)
        return 0;
    if (frame->hd.type == NGHTTP2_HEADERS)
        stream->headers_done = true;
    if (frame->hd.flags & NGHTTP2_FLAG_END_STREAM)
        stream->remote_ended = true;
    stream_work(stream);
    return 0;
}

/* Streams that are gone come here too. */
static int on_data_chunk(nghttp2_session *session, uint8_t flags, int32_t id, const uint8_t *data, size_t bytes,
                         void *ctx)
{
    (void)flags, (void)ctx;
    struct h2_stream *stream = stream_of(session, id);
    /* The connection's window is always given back: a stream whose consumer waits stops only itself. What it may hold
     * is bounded by its own window and by receive_bytes_max. */
    nghttp2_session_consume_connection(session, bytes);
    if (stream == NULL || stream->discard) {
        nghttp2_session_consume_stream(session, id, bytes);
        return 0;
    }
    if (!stream_receive(stream, data, bytes)) {
        stream->over_receive_limit = true;
        stream->discard = true;
        nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, id, NGHTTP2_ENHANCE_YOUR_CALM);
    }
    stream_work(stream);
    return 0;
}

static int on_stream_close(nghttp2_session *session, int32_t id, uint32_t error_code, void *ctx)
{
    (void)ctx;
    struct h2_stream *stream = stream_of(session, id);
    if (stream == NULL)
        return 0;
    nghttp2_session_set_stream_user_data(session, id, NULL);
    stream->ended = true;
    stream->error_code = error_code;
    stream_work(stream);
    return 0;
}

static int on_frame_send(nghttp2_session *session, const nghttp2_frame *frame, void *ctx)
{
    struct h2_conn *conn = ctx;
    if (frame->hd.type == NGHTTP2_RST_STREAM) {
        count_reset_sent(conn, frame->rst_stream.error_code);
        return 0;
    }
    if (frame->hd.type == NGHTTP2_GOAWAY && frame->goaway.error_code != NGHTTP2_NO_ERROR && conn->reason == NULL)
        conn->reason = nghttp2_http2_strerror(frame->goaway.error_code);
    if (frame->hd.type != NGHTTP2_HEADERS && frame->hd.type != NGHTTP2_DATA)
        return 0;
    if (frame->hd.type == NGHTTP2_DATA)
        conn->window_owed_bytes += 2 * (uint64_t)frame->hd.length;
    if (frame->hd.length > 0)
        forgive_idle_frames(conn);
    struct h2_stream *stream = stream_of(session, frame->hd.stream_id);
    if (stream == NULL)
        return 0;
    stream->headers_sent = true;
    if ((frame->hd.flags & NGHTTP2_FLAG_END_STREAM) == 0)
        return 0;
    stream->sent_end = true;
    /* The answer is complete and the request is not: tell the client to stop (RFC 9113 8.1). */
    if (conn->is_server && !stream->remote_ended)
        nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, stream->id, NGHTTP2_NO_ERROR);
    return 0;
}

static nghttp2_session_callbacks *make_callbacks(void)
{
    nghttp2_session_callbacks *callbacks;
    if (nghttp2_session_callbacks_new(&callbacks) != 0)
        return NULL;
    nghttp2_session_callbacks_set_on_begin_frame_callback(callbacks, on_begin_frame);
    nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, on_begin_headers);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame_recv);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data_chunk);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_stream_close);
    nghttp2_session_callbacks_set_on_frame_send_callback(callbacks, on_frame_send);
    return callbacks;
}

static nghttp2_option *make_options(const struct h2_limits *limits)
{
    nghttp2_option *option;
    if (nghttp2_option_new(&option) != 0)
        return NULL;
    nghttp2_option_set_no_auto_window_update(option, 1);
    nghttp2_option_set_no_closed_streams(option, 1);
    nghttp2_option_set_max_outbound_ack(option, limits->acks_owed_max);
    nghttp2_option_set_max_continuations(option, limits->continuations_max);
    nghttp2_option_set_stream_reset_rate_limit(option, limits->resets_received_burst, limits->resets_received_per_s);
    return option;
}

static bool submit_settings(struct h2_conn *conn)
{
    const struct h2_limits *limits = &conn->limits;
    nghttp2_settings_entry settings[] = {
        {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, limits->stream_window_bytes},
        {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, limits->header_bytes_max},
        {NGHTTP2_SETTINGS_NO_RFC7540_PRIORITIES, 1},
        /* The last one is the role's. */
        {conn->is_server ? NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS : NGHTTP2_SETTINGS_ENABLE_PUSH,
         conn->is_server ? limits->streams_max : 0},
    };
    return nghttp2_submit_settings(conn->session, NGHTTP2_FLAG_NONE, settings, sizeof settings / sizeof settings[0]) ==
               0 &&
           nghttp2_session_set_local_window_size(conn->session, NGHTTP2_FLAG_NONE, 0,
                                                 (int32_t)limits->connection_window_bytes) == 0;
}

bool session_create(struct h2_conn *conn)
{
    nghttp2_session_callbacks *callbacks = make_callbacks();
    nghttp2_option *option = callbacks != NULL ? make_options(&conn->limits) : NULL;
    int rc = NGHTTP2_ERR_NOMEM;
    if (option != NULL)
        rc = conn->is_server ? nghttp2_session_server_new2(&conn->session, callbacks, conn, option)
                             : nghttp2_session_client_new2(&conn->session, callbacks, conn, option);
    nghttp2_option_del(option);
    nghttp2_session_callbacks_del(callbacks);
    return rc == 0 && submit_settings(conn);
}
