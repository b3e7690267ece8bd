/*
 * h2_stream.c - streams: what was received becomes messages and callbacks, what is sent waits in a queue.
 * Owns struct h2_stream, from a small pool per connection. Thread: the connection's.
 * Invariant: a stream is freed only in deliver_closed (or with its connection), so no callback loses it underway.
 */
#include "proto/wire/h2_internal.h"

#include "daemon/base/log.h"
#include "proto/wire/message.h"

#include <stdlib.h>

#define POOL_MAX         32
#define POOL_QUEUE_BYTES 4096 /* what a pooled stream's queues may keep */

/* --- queues ---------------------------------------------------------------------------------------------------- */

uint8_t *octet_queue_room(struct octet_queue *queue, size_t bytes)
{
    size_t need = queue->size + bytes;
    if (queue->capacity - queue->head - queue->size >= bytes && queue->data != NULL)
        return octet_queue_front(queue) + queue->size;
    if (queue->capacity >= need && queue->head >= queue->size && queue->data != NULL) {
        memcpy(queue->data, octet_queue_front(queue), queue->size); /* more was used up than is left: cheap to move */
        queue->head = 0;
        return queue->data + queue->size;
    }
    size_t capacity = queue->capacity < 512 ? 512 : queue->capacity;
    while (capacity < need)
        capacity *= 2;
    uint8_t *data = malloc(capacity);
    if (data == NULL)
        return NULL;
    if (queue->size > 0)
        memcpy(data, octet_queue_front(queue), queue->size);
    free(queue->data);
    *queue = (struct octet_queue){data, 0, queue->size, capacity};
    return data + queue->size;
}

void octet_queue_drop(struct octet_queue *queue, size_t bytes)
{
    queue->size -= bytes;
    queue->head = queue->size == 0 ? 0 : queue->head + bytes;
}

void octet_queue_reset(struct octet_queue *queue, size_t keep)
{
    queue->head = queue->size = 0;
    if (queue->capacity > keep) {
        free(queue->data);
        *queue = (struct octet_queue){0};
    }
}

/* --- life ------------------------------------------------------------------------------------------------------ */

struct h2_stream *stream_create(struct h2_conn *conn)
{
    struct h2_stream *stream = conn->pool;
    struct octet_queue in = {0}, out = {0};
    if (stream != NULL) {
        conn->pool = stream->next;
        conn->pool_count--;
        in = stream->in;
        out = stream->out;
    } else {
        stream = malloc(sizeof *stream);
        if (stream == NULL)
            return NULL;
    }
    *stream = (struct h2_stream){.conn = conn, .next = conn->streams, .timeout_ms = -1, .in = in, .out = out};
    if (conn->streams != NULL)
        conn->streams->prev = stream;
    conn->streams = stream;
    conn->stream_count++;
    conn->last_active_ms = conn->now_ms;
    return stream;
}

static void free_memory(struct h2_stream *stream)
{
    octet_queue_reset(&stream->in, 0);
    octet_queue_reset(&stream->out, 0);
    free(stream);
}

void stream_free(struct h2_stream *stream)
{
    struct h2_conn *conn = stream->conn;
    if (stream->prev != NULL)
        stream->prev->next = stream->next;
    else
        conn->streams = stream->next;
    if (stream->next != NULL)
        stream->next->prev = stream->prev;
    conn->stream_count--;
    conn->receive_bytes -= stream->in.size;
    conn->last_active_ms = conn->now_ms;
    free(stream->status_message);
    free(stream->status_details);
    if (conn->pool_count == POOL_MAX) {
        free_memory(stream);
        return;
    }
    octet_queue_reset(&stream->in, POOL_QUEUE_BYTES);
    octet_queue_reset(&stream->out, POOL_QUEUE_BYTES);
    stream->next = conn->pool;
    conn->pool = stream;
    conn->pool_count++;
}

void stream_pool_trim(struct h2_conn *conn, uint32_t keep)
{
    while (conn->pool_count > keep) {
        struct h2_stream *stream = conn->pool;
        conn->pool = stream->next;
        conn->pool_count--;
        free_memory(stream);
    }
}

void stream_work(struct h2_stream *stream)
{
    struct h2_conn *conn = stream->conn;
    if (conn->dispatching == stream) {
        stream->work_again = true; /* it may be freed before its callbacks are over */
        return;
    }
    if (stream->in_work)
        return;
    stream->in_work = true;
    stream->next_work = NULL;
    if (conn->work_last != NULL)
        conn->work_last->next_work = stream;
    else
        conn->work_first = stream;
    conn->work_last = stream;
}

/* --- receiving ------------------------------------------------------------------------------------------------- */

bool stream_receive(struct h2_stream *stream, const uint8_t *data, size_t bytes)
{
    struct h2_conn *conn = stream->conn;
    if (conn->receive_bytes + bytes > conn->limits.receive_bytes_max)
        return false;
    uint8_t *room = octet_queue_room(&stream->in, bytes);
    if (room == NULL)
        return false;
    memcpy(room, data, bytes);
    stream->in.size += bytes;
    stream->in_credit += bytes;
    conn->receive_bytes += bytes;
    return true;
}

/* Gives the peer's window back what was credited beyond `keep` octets. */
static void give_credit(struct h2_stream *stream, size_t keep)
{
    if (stream->in_credit <= keep)
        return;
    if (!stream->ended && !stream->remote_ended)
        nghttp2_session_consume_stream(stream->conn->session, stream->id, stream->in_credit - keep);
    stream->in_credit = keep;
}

void stream_discard(struct h2_stream *stream)
{
    stream->discard = true;
    stream->conn->receive_bytes -= stream->in.size;
    octet_queue_reset(&stream->in, stream->delivering ? SIZE_MAX : POOL_QUEUE_BYTES);
    give_credit(stream, 0);
    stream->partial_since_ms = 0;
}

void stream_fail(struct h2_stream *stream, enum h2_end end, const struct problem *problem)
{
    if (end == H2_END_TIMEOUT)
        stream->timed_out = true;
    if (stream->conn->is_server)
        h2_stream_finish(stream, problem);
    else
        client_cancel(stream, problem);
}

static void refuse(struct h2_stream *stream, enum err code, const char *text)
{
    struct problem problem;
    problem_set(&problem, code, "", "%s", text);
    stream_fail(stream, H2_END_REFUSED, &problem);
}

/* Checks the prefix at the front. True: *bytes is the length of a message that may come. */
static bool check_prefix(struct h2_stream *stream, size_t *bytes)
{
    uint8_t flag;
    uint32_t most = stream->conn->limits.message_bytes_max;
    if (stream->message_bytes_max != 0 && stream->message_bytes_max < most)
        most = stream->message_bytes_max;
    *bytes = grpc_prefix_read(octet_queue_front(&stream->in), &flag);
    if (flag == 1)
        refuse(stream, ERR_INTERNAL,
               "a message is marked compressed and no grpc-encoding was named; send it uncompressed");
    else if (flag != 0)
        refuse(stream, ERR_INTERNAL, "a message has flags that gRPC does not know");
    else if (*bytes <= most)
        return true;
    else {
        struct problem problem;
        problem_set(&problem, ERR_LIMIT, "", "a message of %zu bytes is over the limit of %u; send less in one", *bytes,
                    most);
        stream_fail(stream, H2_END_REFUSED, &problem);
    }
    return false;
}

/* The message at the front goes to the owner. */
static void deliver_message(struct h2_stream *stream, size_t bytes)
{
    struct h2_conn *conn = stream->conn;
    stream->messages_heard++;
    conn->counters.messages_in++;
    stream->delivering = true;
    if (conn->callbacks->message != NULL)
        conn->callbacks->message(stream, octet_queue_front(&stream->in) + GRPC_PREFIX_BYTES, bytes);
    stream->delivering = false;
    if (stream->discard) { /* by what the owner did: already emptied */
        octet_queue_reset(&stream->in, POOL_QUEUE_BYTES);
        return;
    }
    octet_queue_drop(&stream->in, GRPC_PREFIX_BYTES + bytes);
    conn->receive_bytes -= GRPC_PREFIX_BYTES + bytes;
    give_credit(stream, stream->in.size);
}

/* One message is expected, and whether more follows must be known first. False: nothing to deliver now. */
static bool one_is_ready(struct h2_stream *stream, size_t bytes)
{
    if (!stream->conn->is_server) {
        if (stream->messages_heard == 0)
            return true;
        refuse(stream, ERR_INTERNAL, "the server sent more than one reply");
        return false;
    }
    size_t rest = stream->in.size - GRPC_PREFIX_BYTES - bytes;
    if (rest >= GRPC_PREFIX_BYTES)
        refuse(stream, ERR_UNIMPLEMENTED, "this method takes one message, and more than one came");
    else if (stream->remote_ended && rest > 0)
        refuse(stream, ERR_INVALID, "octets follow the message");
    return rest == 0 && stream->remote_ended;
}

static void note_partial(struct h2_stream *stream)
{
    bool waits = !stream->discard && !stream->paused && !stream->remote_ended && !stream->ended &&
                 (stream->in.size > 0 || (stream->expect_one && stream->conn->is_server));
    if (!waits) {
        stream->partial_since_ms = 0;
    } else if (stream->partial_since_ms == 0) {
        stream->partial_since_ms = stream->conn->now_ms;
        conn_stream_deadline(stream->conn, stream->partial_since_ms + stream->conn->limits.body_ms);
    }
}

/* What is not gRPC has no messages in it; the status line says what happened. */
static bool is_foreign(const struct h2_stream *stream)
{
    return !stream->conn->is_server && stream->headers_done && (stream->http_status != 200 || !stream->is_grpc);
}

static void deliver_messages(struct h2_stream *stream)
{
    if (!stream->discard && is_foreign(stream))
        stream_discard(stream);
    uint32_t heard = stream->messages_heard;
    while (!stream->discard && !stream->paused && stream->in.size >= GRPC_PREFIX_BYTES) {
        size_t bytes;
        if (!check_prefix(stream, &bytes) || stream->in.size - GRPC_PREFIX_BYTES < bytes)
            break;
        if (stream->expect_one && !one_is_ready(stream, bytes))
            break;
        deliver_message(stream, bytes);
    }
    if (stream->discard)
        return;
    if (!stream->paused)
        give_credit(stream, 0);
    if (stream->messages_heard != heard)
        stream->partial_since_ms = 0; /* each message has its own time */
    note_partial(stream);
}

/* A server that has said its status wants nothing more of us. */
static void end_client_side(struct h2_stream *stream)
{
    if (stream->conn->is_server || !stream->remote_ended || stream->ended || stream->sent_end || stream->cut)
        return;
    stream->cut = stream->finishing = true;
    nghttp2_submit_rst_stream(stream->conn->session, NGHTTP2_FLAG_NONE, stream->id, NGHTTP2_NO_ERROR);
}

/* The peer has sent all, and all of it was heard. */
static void deliver_half_closed(struct h2_stream *stream)
{
    end_client_side(stream);
    if (!stream->remote_ended || stream->heard_half_closed || stream->discard || stream->paused)
        return;
    if (stream->in.size > 0) {
        refuse(stream, ERR_INVALID, "the last message is cut short");
        return;
    }
    if (stream->conn->is_server && stream->expect_one && stream->messages_heard == 0) {
        refuse(stream, ERR_UNIMPLEMENTED, "this method takes one message, and none came");
        return;
    }
    stream->heard_half_closed = true;
    if (stream->conn->callbacks->half_closed != NULL)
        stream->conn->callbacks->half_closed(stream);
}

/* --- the end --------------------------------------------------------------------------------------------------- */

static enum h2_end server_end(const struct h2_stream *stream)
{
    if (stream->conn->lost && !stream->ended)
        return H2_END_LOST;
    if (stream->timed_out)
        return H2_END_TIMEOUT;
    if (stream->sent_end)
        return H2_END_FINISHED;
    return stream->over_receive_limit ? H2_END_REFUSED : H2_END_CANCELLED;
}

static void deliver_closed(struct h2_stream *stream)
{
    struct h2_conn *conn = stream->conn;
    if (stream->announced && !stream->muted && conn->callbacks->closed != NULL) {
        struct h2_outcome outcome = {0};
        if (conn->is_server)
            outcome.end = server_end(stream);
        else
            client_outcome(stream, &outcome);
        conn->callbacks->closed(stream, &outcome);
    }
    stream_free(stream);
}

/* A client's call that ended well is heard to its last message first, as fast as the owner reads. */
static bool has_unheard(const struct h2_stream *stream)
{
    return !stream->conn->is_server && stream->error_code == NGHTTP2_NO_ERROR && stream->remote_ended &&
           !stream->discard && (stream->in.size > 0 || !stream->heard_half_closed);
}

static void announce(struct h2_stream *stream)
{
    struct h2_request request = {stream->path, stream->timeout_ms};
    stream->announced = true;
    if (!server_check_request(stream))
        stream->muted = true;
    else if (stream->conn->callbacks->opened != NULL)
        stream->conn->callbacks->opened(stream, &request);
}

static void restamp(struct h2_stream *stream)
{
    stream->restamp = false;
    if (stream->out.size == 0)
        return;
    stream->stalled_since_ms = stream->conn->now_ms;
    conn_stream_deadline(stream->conn, stream->stalled_since_ms + stream->conn->limits.write_progress_ms);
}

/* False: it is over and gone. */
static bool dispatch(struct h2_stream *stream)
{
    struct h2_conn *conn = stream->conn;
    if (stream->ended && !has_unheard(stream)) {
        deliver_closed(stream);
        return false;
    }
    if (stream->restamp)
        restamp(stream);
    if (conn->is_server && !stream->announced && stream->headers_done)
        announce(stream);
    if (stream->announced && !stream->muted) {
        deliver_messages(stream);
        deliver_half_closed(stream);
    }
    if (stream->wants_writable && stream->out.size <= conn->limits.send_low_bytes && !stream->finishing) {
        stream->wants_writable = false;
        if (conn->callbacks->writable != NULL)
            conn->callbacks->writable(stream);
    }
    if (!stream->ended || has_unheard(stream))
        return true;
    deliver_closed(stream);
    return false;
}

bool streams_dispatch(struct h2_conn *conn)
{
    bool any = conn->work_first != NULL;
    /* A stream may be queued again by its own callback: then it waits for the next round, not for ever. */
    struct h2_stream *stream = conn->work_first;
    conn->work_first = conn->work_last = NULL;
    while (stream != NULL) {
        struct h2_stream *next = stream->next_work;
        stream->in_work = false;
        conn->dispatching = stream;
        bool lives = dispatch(stream);
        conn->dispatching = NULL;
        if (lives && stream->work_again) {
            stream->work_again = false;
            stream_work(stream);
        }
        stream = next;
    }
    return any;
}

void streams_lose(struct h2_conn *conn)
{
    conn->work_first = conn->work_last = NULL;
    while (conn->streams != NULL) {
        struct h2_stream *stream = conn->streams;
        /* A reply that came whole is not lost. */
        stream->paused = false;
        if (stream->ended && has_unheard(stream)) {
            deliver_messages(stream);
            deliver_half_closed(stream);
        }
        deliver_closed(stream);
        if (conn->streams == stream)
            log_fatal("wire", "a stream is still listed after its end");
    }
}

void streams_expire(struct h2_conn *conn)
{
    int64_t now = conn->now_ms;
    conn->stream_deadline_ms = INT64_MAX;
    for (struct h2_stream *stream = conn->streams; stream != NULL; stream = stream->next) {
        struct problem problem = {0};
        if (stream->ended)
            continue;
        if (stream->stalled_since_ms != 0 && !stream->restamp &&
            now >= stream->stalled_since_ms + conn->limits.write_progress_ms) {
            stream->timed_out = true;
            problem_set(&problem, ERR_DEADLINE, "", "the peer did not take what waits for it");
            stream->local = problem;
            stream->stalled_since_ms = 0;
            nghttp2_submit_rst_stream(conn->session, NGHTTP2_FLAG_NONE, stream->id, NGHTTP2_CANCEL);
            continue;
        }
        if (stream->partial_since_ms != 0 && now >= stream->partial_since_ms + conn->limits.body_ms) {
            problem_set(&problem, ERR_DEADLINE, "", "the message did not arrive whole in time");
            stream_fail(stream, H2_END_TIMEOUT, &problem);
        } else if (stream->deadline_ms != 0 && now >= stream->deadline_ms) {
            problem_set(&problem, ERR_DEADLINE, "", "the server did not answer in time");
            stream_fail(stream, H2_END_TIMEOUT, &problem);
            stream->deadline_ms = 0;
        }
        if (stream->stalled_since_ms != 0)
            conn_stream_deadline(conn, stream->stalled_since_ms + conn->limits.write_progress_ms);
        if (stream->partial_since_ms != 0)
            conn_stream_deadline(conn, stream->partial_since_ms + conn->limits.body_ms);
        if (stream->deadline_ms != 0)
            conn_stream_deadline(conn, stream->deadline_ms);
    }
}

/* --- sending --------------------------------------------------------------------------------------------------- */

/* nghttp2 asks for up to `length` octets of DATA. */
static ssize_t read_out(nghttp2_session *session, int32_t id, uint8_t *buffer, size_t length, uint32_t *flags,
                        nghttp2_data_source *source, void *ctx)
{
    (void)session, (void)id, (void)ctx;
    struct h2_stream *stream = source->ptr;
    size_t bytes = stream->out.size < length ? stream->out.size : length;
    if (bytes > 0) {
        memcpy(buffer, octet_queue_front(&stream->out), bytes);
        octet_queue_drop(&stream->out, bytes);
        stream->stalled_since_ms = stream->out.size > 0 ? stream->conn->now_ms : 0;
        if (stream->wants_writable && stream->out.size <= stream->conn->limits.send_low_bytes)
            stream_work(stream);
    }
    if (stream->out.size > 0)
        return (ssize_t)bytes;
    if (!stream->finishing)
        return bytes > 0 ? (ssize_t)bytes : NGHTTP2_ERR_DEFERRED;
    *flags |= NGHTTP2_DATA_FLAG_EOF;
    if (stream->conn->is_server && !stream->plain) {
        *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
        if (server_submit_trailers(stream) != 0)
            return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    }
    return (ssize_t)bytes;
}

nghttp2_data_provider stream_provider(struct h2_stream *stream)
{
    return (nghttp2_data_provider){.source = {.ptr = stream}, .read_callback = read_out};
}

void stream_resume(struct h2_stream *stream)
{
    /* -501: not deferred, or gone; harmless. */
    nghttp2_session_resume_data(stream->conn->session, stream->id);
    conn_touch(stream->conn);
}

/* Room for one message behind its prefix; NULL: the stream takes no more. */
static uint8_t *reserve_message(struct h2_stream *stream, size_t bytes)
{
    const struct h2_limits *limits = &stream->conn->limits;
    if (stream->finishing || stream->ended || stream->conn->state == CONN_DEAD || bytes > UINT32_MAX)
        return NULL;
    /* An owner that goes on after false gets so far. */
    if (stream->out.size > (size_t)limits->send_high_bytes + limits->message_bytes_max + GRPC_PREFIX_BYTES)
        return NULL;
    uint8_t *room = octet_queue_room(&stream->out, GRPC_PREFIX_BYTES + bytes);
    if (room == NULL)
        return NULL;
    grpc_prefix_write(room, (uint32_t)bytes);
    return room + GRPC_PREFIX_BYTES;
}

static bool commit_message(struct h2_stream *stream, size_t bytes)
{
    struct h2_conn *conn = stream->conn;
    bool was_empty = stream->out.size == 0;
    stream->out.size += GRPC_PREFIX_BYTES + bytes;
    conn->counters.messages_out++;
    if (was_empty && conn->in_turn) {
        restamp(stream);
    } else if (was_empty) {
        stream->restamp = true; /* now_ms is of some earlier turn */
        stream_work(stream);
    }
    if (conn->is_server && !stream->response_begun)
        server_begin_response(stream);
    else if (was_empty)
        stream_resume(stream);
    if (stream->out.size < conn->limits.send_high_bytes)
        return true;
    stream->wants_writable = true;
    return false;
}

/* Most messages are far smaller; larger ones are packed by the library. */
#define PACK_BYTES (32u * 1024)
static _Thread_local uint8_t pack_scratch[PACK_BYTES];

bool h2_stream_send(struct h2_stream *stream, const ProtobufCMessage *message)
{
    struct octets packed;
    if (message_pack_at_end(message, pack_scratch, sizeof pack_scratch, &packed))
        return h2_stream_send_octets(stream, packed.data, packed.size);
    size_t bytes = protobuf_c_message_get_packed_size(message);
    uint8_t *room = reserve_message(stream, bytes);
    if (room == NULL)
        return false;
    protobuf_c_message_pack(message, room);
    return commit_message(stream, bytes);
}

bool h2_stream_send_octets(struct h2_stream *stream, const void *data, size_t bytes)
{
    uint8_t *room = reserve_message(stream, bytes);
    if (room == NULL)
        return false;
    if (bytes > 0)
        memcpy(room, data, bytes);
    return commit_message(stream, bytes);
}

/* --- small things ---------------------------------------------------------------------------------------------- */

void h2_stream_expect_one(struct h2_stream *stream)
{
    stream->expect_one = true;
}

void h2_stream_set_reading(struct h2_stream *stream, bool on)
{
    if (stream->paused == !on)
        return;
    stream->paused = !on;
    if (on) {
        stream_work(stream);
        conn_touch(stream->conn);
    } else {
        stream->partial_since_ms = 0;
    }
}

size_t h2_stream_queued_bytes(const struct h2_stream *stream)
{
    return stream->out.size;
}

int32_t h2_stream_id(const struct h2_stream *stream)
{
    return stream->id;
}

struct h2_conn *h2_stream_conn(struct h2_stream *stream)
{
    return stream->conn;
}

void h2_stream_set_context(struct h2_stream *stream, void *context)
{
    stream->context = context;
}

void *h2_stream_context(const struct h2_stream *stream)
{
    return stream->context;
}

const char *h2_end_name(enum h2_end end)
{
    static const char *const names[] = {"finished", "cancelled", "refused", "timeout", "lost"};
    return names[end];
}
