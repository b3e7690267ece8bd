/*
 * h2_internal.h - what the h2_*.c files share: the connection and the stream.
 *
 *   h2.c          a turn: read, timers, write, close
 *   h2_session.c  nghttp2's callbacks, which only record
 *   h2_stream.c   streams: received octets -> messages -> callbacks; the send queue
 *   h2_server.c   requests checked and answered
 *   h2_client.c   calls started, and how they ended
 *
 * Thread: the connection's.
 */
#ifndef VACANCY_WIRE_H2_INTERNAL_H
#define VACANCY_WIRE_H2_INTERNAL_H

#include "proto/wire/grpc.h"
#include "proto/wire/h2.h"
#include "proto/wire/tls_session.h"

#include <nghttp2/nghttp2.h>
#include <string.h>

/* Octets in a row: [0 .. head) used up, [head .. head + size) waiting. */
struct octet_queue {
    uint8_t *data;
    size_t head, size, capacity;
};

static inline uint8_t *octet_queue_front(const struct octet_queue *queue)
{
    return queue->data + queue->head;
}
/* Room for `bytes` more at the end, not counted yet; NULL when out of memory. */
uint8_t *octet_queue_room(struct octet_queue *queue, size_t bytes);
void octet_queue_drop(struct octet_queue *queue, size_t bytes);
/* Empties it, and frees what is more than `keep` bytes. */
void octet_queue_reset(struct octet_queue *queue, size_t keep);

enum conn_state {
    CONN_HANDSHAKE, /* TLS */
    CONN_OPEN,
    CONN_NOTICE,   /* server: drain announced, GOAWAY with the last stream follows in a moment */
    CONN_DRAINING, /* streams that are open finish, no new ones */
    CONN_LINGER,   /* all is sent and close_notify too; reads and drops, so that the peer gets the rest */
    CONN_DEAD,
};

#define H2_PATH_BYTES 128

struct h2_stream {
    struct h2_conn *conn;
    struct h2_stream *prev, *next; /* of the connection's, or of its pool */
    struct h2_stream *next_work;
    void *context;
    int32_t id;
    uint32_t header_bytes;

    /* What was seen of the peer, recorded by nghttp2's callbacks. */
    bool in_work, work_again; /* queued; queued again by its own callbacks */
    bool delivering;          /* `in` is being read by the owner */
    bool restamp;             /* sent outside a turn: stalled_since_ms is not known yet */
    bool headers_done;
    bool remote_ended;       /* END_STREAM came */
    bool ended;              /* nghttp2 has let go of it */
    uint32_t error_code;     /* with `ended` */
    bool over_receive_limit; /* with a reset of ours */

    /* What the owner knows and wants. */
    bool announced; /* `opened` was called (client: started) */
    bool muted;     /* answered here; the owner never hears of it */
    bool expect_one, paused;
    bool heard_half_closed;
    bool wants_writable;
    bool discard; /* what comes is no longer wanted */
    uint32_t messages_heard;
    uint32_t message_bytes_max; /* client; 0: the connection's */

    /* Sending. */
    bool response_begun; /* server: HEADERS submitted */
    bool finishing;      /* nothing more is added to `out` */
    bool sent_end;       /* END_STREAM has left */
    bool plain;          /* not gRPC: no trailers */
    bool headers_sent;   /* client */
    bool cancelled;      /* client: by us */
    bool timed_out;
    bool cut; /* client: reset because the server has said its status */

    struct octet_queue in, out;
    size_t in_credit;         /* of `in`: not yet given back to the peer's window */
    int64_t partial_since_ms; /* a message has begun and is not whole; 0: no */
    int64_t stalled_since_ms; /* `out` waits and nothing of it leaves; 0: no */
    int64_t deadline_ms;      /* client; 0: none */

    /* Server: the request. */
    char path[H2_PATH_BYTES];
    int64_t timeout_ms;
    bool is_post, is_grpc, bad_timeout, bad_encoding, bad_binary;

    /* The status: to be sent in trailers, or as it came. */
    uint32_t status_code;
    uint16_t http_status;
    bool has_status;
    char *status_message; /* percent-encoded; malloc'd or NULL */
    size_t status_message_bytes;
    char *status_details; /* base64; malloc'd or NULL */
    size_t status_details_bytes;
    struct problem local; /* client: why we ended it; ERR_NONE: we did not */
};

struct h2_conn {
    struct tls_session tls;
    struct tls_context *tls_context;
    nghttp2_session *session;
    const struct h2_callbacks *callbacks;
    const struct h2_conn_callbacks *conn_callbacks;
    void *context;
    struct h2_limits limits;
    char *server_name;
    int fd;
    bool is_server;
    enum conn_state state;
    const char *reason;
    struct tls_peer peer;
    bool has_peer;

    bool in_turn;   /* between event and the end of settle: now_ms is now */
    bool touched;   /* a settle will come */
    bool terminate; /* a callback of nghttp2's found too much: terminate outside of it */
    bool goaway_received;
    bool lost; /* streams that end now end because the connection did */
    bool tls_wants_write_to_read, tls_wants_read_to_write;
    unsigned handshake_wants;
    uint32_t linger_bytes;

    struct h2_stream *streams, *pool;
    uint32_t stream_count, pool_count;
    struct h2_stream *work_first, *work_last;
    struct h2_stream *dispatching;
    size_t receive_bytes; /* in all streams' `in` */

    struct octet_queue leftover; /* what the socket did not take */

    int64_t now_ms;
    int64_t opened_ms; /* handshake done */
    bool first_request_seen;
    uint32_t refused_header_bytes; /* of a request that has no stream object */
    int64_t state_deadline_ms;     /* handshake, notice, linger */
    int64_t drain_deadline_ms;     /* INT64_MAX: not draining */
    int64_t last_active_ms;        /* a stream was open, or began */
    int64_t last_heard_ms;
    int64_t write_stalled_ms;   /* since when `leftover` waits; 0: it doesn't */
    int64_t stream_deadline_ms; /* the earliest of the streams', or earlier */
    int64_t ping_sent_ms;       /* 0: none under way */

    int64_t reset_window_ms;
    uint32_t resets_in_window;
    uint32_t idle_frames; /* since idle_frames_ms, less what has been forgiven */
    int64_t idle_frames_ms;
    uint64_t
        window_owed_bytes; /* DATA sent, less what small WINDOW_UPDATEs gave back; twice, for stream and connection */
    struct h2_counters counters;
};

/* h2.c */
void conn_touch(struct h2_conn *conn);
/* Nothing more is read or written; streams end LOST. */
void conn_die(struct h2_conn *conn, const char *why);
/* GOAWAY with an error, then the end. */
void conn_terminate(struct h2_conn *conn, uint32_t error_code, const char *why);
void conn_stream_deadline(struct h2_conn *conn, int64_t at_ms);

/* h2_session.c: false when out of memory. */
bool session_create(struct h2_conn *conn);

/* h2_stream.c */
struct h2_stream *stream_create(struct h2_conn *conn);
void stream_free(struct h2_stream *stream);
void stream_pool_trim(struct h2_conn *conn, uint32_t keep);
void stream_work(struct h2_stream *stream);
/* Callbacks for all that was recorded; true if there was any. */
bool streams_dispatch(struct h2_conn *conn);
void streams_expire(struct h2_conn *conn);
/* Every stream hears that the connection has ended. */
void streams_lose(struct h2_conn *conn);
void stream_fail(struct h2_stream *stream, enum h2_end end, const struct problem *problem);
/* No more is wanted of the peer's octets; its windows are given back. */
void stream_discard(struct h2_stream *stream);
bool stream_receive(struct h2_stream *stream, const uint8_t *data, size_t bytes);
/* Lets nghttp2 ask for more of `out`. */
void stream_resume(struct h2_stream *stream);
nghttp2_data_provider stream_provider(struct h2_stream *stream);

/* h2_server.c */
void server_header(struct h2_stream *stream, const char *name, size_t name_bytes, const char *value,
                   size_t value_bytes);
/* Answers what is not a good gRPC request; true if it is one. */
bool server_check_request(struct h2_stream *stream);
/* In nghttp2's data callback. */
int server_submit_trailers(struct h2_stream *stream);
bool server_begin_response(struct h2_stream *stream);

/* h2_client.c */
void client_header(struct h2_stream *stream, const char *name, size_t name_bytes, const char *value,
                   size_t value_bytes);
void client_outcome(struct h2_stream *stream, struct h2_outcome *out);
void client_cancel(struct h2_stream *stream, const struct problem *problem);

#endif
