/*
 * h2.h - gRPC over HTTP/2 over TLS, as a state machine for both roles, with no event loop in it.
 *
 * Owns: a connection (descriptor, TLS, HTTP/2 session, timers) and its streams (gRPC framing, flow control, status).
 * Not here: waiting for the descriptor (net's loop, the client's poll), what methods exist (rpc), deadlines of a
 * server's calls (rpc). nghttp2's types stop behind this file. Thread: a connection and its streams belong to one
 * thread. Callbacks come only out of h2_conn_event, h2_conn_settle and h2_conn_abort (never out of nghttp2), and may
 * call any function on their stream or connection but those three and h2_conn_destroy. Invariant: `closed` is the last
 * thing heard of a stream, exactly once for each stream that was opened or started.
 *
 * A turn of the caller's loop:
 *     ready or deadline past -> h2_conn_event(conn, what, now)      reads, hears timers; callbacks
 *     (anything else: sends, finishes, from a mailbox)              -> `touched` tells that the connection needs a
 * settle end of the turn        -> h2_conn_settle(conn, now)           writes, once; callbacks H2_WAIT: wait for
 * h2_conn_interest and h2_conn_deadline_ms; H2_AGAIN: the same with a zero wait, then h2_conn_event(conn, 0, now) (a
 * budget is used up, or TLS holds bytes that the descriptor won't announce); H2_DEAD: all streams have heard `closed`;
 * take it out of the loop, then h2_conn_destroy. now_ms is any clock that never goes back (the boot clock).
 */
#ifndef VACANCY_WIRE_H2_H
#define VACANCY_WIRE_H2_H

#include "proto/wire/status.h"
#include "proto/wire/tls.h"

#include <protobuf-c/protobuf-c.h>

struct h2_conn;
struct h2_stream;

/* --- limits ---------------------------------------------------------------------------------------------------- */

struct h2_limits {
    uint32_t streams_max;         /* open at a time, and those whose end nobody has heard yet */
    uint32_t header_bytes_max;    /* name + value + 32 of each field of one block */
    uint32_t message_bytes_max;   /* one message, packed */
    uint32_t receive_bytes_max;   /* held for all streams of one connection */
    uint32_t stream_window_bytes; /* what a peer may send before the stream's consumer takes something */
    uint32_t connection_window_bytes;
    uint32_t send_high_bytes;                              /* of one stream: h2_stream_send says false from here on */
    uint32_t send_low_bytes;                               /* and `writable` comes from here down */
    uint32_t resets_received_burst, resets_received_per_s; /* rapid reset */
    uint32_t resets_sent_per_minute;                       /* errors that a peer provokes */
    uint32_t idle_frames_burst,
        idle_frames_per_s; /* frames that carry nothing: empty DATA, PING, SETTINGS, PRIORITY ... */
    uint32_t continuations_max;
    uint32_t acks_owed_max;
    int64_t handshake_ms, first_request_ms;
    int64_t body_ms;           /* for one message to arrive whole */
    int64_t write_progress_ms; /* the peer takes nothing: of the socket, or of one stream (zero window) */
    int64_t idle_ms;           /* no stream open; 0: never */
    int64_t ping_interval_ms;  /* silent that long: a PING; 0: none */
    int64_t ping_timeout_ms;   /* and nothing back within this: dead */
};
/* design.md's defaults. */
extern const struct h2_limits h2_limits_default;

/* --- callbacks ------------------------------------------------------------------------------------------------- */

struct h2_request {
    const char *path;   /* "/vacancy.v1.AgencyService/PutCarer"; lives as long as the stream */
    int64_t timeout_ms; /* grpc-timeout; 0 is already past; -1: none given */
};

enum h2_end {
    H2_END_FINISHED,  /* server: the status was sent. Client: a status came */
    H2_END_CANCELLED, /* the peer reset the stream; on a client also h2_stream_cancel */
    H2_END_REFUSED,   /* a limit or the framing: this side reset it */
    H2_END_TIMEOUT,   /* body, zero window; on a client the call's deadline */
    H2_END_LOST,      /* the connection ended */
};
/* "finished", for logs. */
const char *h2_end_name(enum h2_end end);

struct h2_outcome {
    enum h2_end end;
    /* Client: how the call ended, whatever the reason. `problem` is ERR_NONE for OK. */
    enum grpc_code code;
    struct problem problem;
    bool unprocessed; /* client: the server has certainly not seen the request: trying again is safe */
    bool said;        /* client: `code` is the server's own grpc-status, and not what became of the call on its way */
    /* Client: the google.rpc.Status octets that came with it, as they came; valid until `closed` returns. */
    const uint8_t *details;
    size_t details_bytes;
};

/* Of streams. Any may be NULL. */
struct h2_callbacks {
    /* Server: a gRPC request's headers, already checked (method, content type, encoding, timeout). */
    void (*opened)(struct h2_stream *stream, const struct h2_request *request);
    /* One whole message, without prefix; valid until the function returns. */
    void (*message)(struct h2_stream *stream, const uint8_t *data, size_t bytes);
    /* The peer has sent all of its messages. (Client: `closed` follows.) */
    void (*half_closed)(struct h2_stream *stream);
    /* The queue is at the low mark, after h2_stream_send said false. */
    void (*writable)(struct h2_stream *stream);
    /* Over. The stream is gone when the function returns. */
    void (*closed)(struct h2_stream *stream, const struct h2_outcome *outcome);
};

/* Of the connection. `touched` must be set, `ready` may be NULL. */
struct h2_conn_callbacks {
    /* Something was done to it outside h2_conn_event and h2_conn_settle: settle it at the end of this turn. Comes once
     * until then; may not call back into the connection. */
    void (*touched)(struct h2_conn *conn);
    /* The handshake is done and the peer is known; false closes the connection (a limit per principal). */
    bool (*ready)(struct h2_conn *conn, const struct tls_peer *peer);
};

/* --- connections ----------------------------------------------------------------------------------------------- */

struct h2_options {
    struct tls_context *tls;              /* its role is the connection's; the connection takes its own reference */
    const struct h2_limits *limits;       /* copied; NULL: the defaults */
    const struct h2_callbacks *callbacks; /* must outlive the connection */
    const struct h2_conn_callbacks *conn_callbacks; /* must outlive the connection */
    void *context;                                  /* h2_conn_context */
    const char *server_name; /* client: DNS name or address that the certificate must have, and :authority; copied */
};

enum { H2_READABLE = 1, H2_WRITABLE = 2 };
enum h2_turn { H2_WAIT, H2_AGAIN, H2_DEAD };

/*
 * Over a connected (or, client, connecting) non-blocking stream socket. Takes the descriptor, on failure too: it is
 * closed by h2_conn_destroy. NULL: out of memory. A client may start calls at once.
 */
struct h2_conn *h2_conn_create(const struct h2_options *options, int fd, int64_t now_ms)
    __attribute__((warn_unused_result));
/* NULL is fine. Streams that are still there hear nothing more: use h2_conn_abort first if they should. */
void h2_conn_destroy(struct h2_conn *conn);

/* `what`: H2_READABLE | H2_WRITABLE, or 0 (a deadline, H2_AGAIN). Always followed by h2_conn_settle in the same turn.
 */
void h2_conn_event(struct h2_conn *conn, unsigned what, int64_t now_ms);
enum h2_turn h2_conn_settle(struct h2_conn *conn, int64_t now_ms);
/* H2_READABLE | H2_WRITABLE to wait for. After h2_conn_settle said H2_WAIT or H2_AGAIN. */
unsigned h2_conn_interest(const struct h2_conn *conn);
/* When h2_conn_event is due even if nothing happens; INT64_MAX: never. */
int64_t h2_conn_deadline_ms(const struct h2_conn *conn);

/*
 * Ends it in good order: server: notice, GOAWAY, open streams finish; client: no new calls, open ones finish. What is
 * still open at deadline_ms is cut. H2_DEAD follows in some later settle. Idempotent (an earlier deadline wins).
 */
void h2_conn_drain(struct h2_conn *conn, int64_t now_ms, int64_t deadline_ms);
/* At once: streams hear `closed` (LOST) now; the next settle says H2_DEAD. `why` is a static text for the log. */
void h2_conn_abort(struct h2_conn *conn, const char *why);

int h2_conn_fd(const struct h2_conn *conn);
void *h2_conn_context(const struct h2_conn *conn);
/* NULL until the handshake is done; then as long as the connection lives. */
const struct tls_peer *h2_conn_peer(const struct h2_conn *conn);
/* After the handshake: whether the peer's certificate would also be accepted with `tls`. */
bool h2_conn_recheck(const struct h2_conn *conn, struct tls_context *tls);
/* Streams that have not heard `closed` yet. */
uint32_t h2_conn_streams(const struct h2_conn *conn);
/* Why it ended ("peer closed", "handshake: certificate expired"): one line without anything a peer chose. */
const char *h2_conn_reason(const struct h2_conn *conn);
/* It ended in the handshake because we don't accept the peer's certificate: trying again won't help. */
bool h2_conn_distrusts(const struct h2_conn *conn);
/* The stream of this id, or NULL if it is gone: what a mailbox's message names. */
struct h2_stream *h2_conn_stream(struct h2_conn *conn, int32_t id);

struct h2_counters {
    uint64_t bytes_in, bytes_out, streams_opened, messages_in, messages_out, resets_in, resets_out;
};
void h2_conn_counters(const struct h2_conn *conn, struct h2_counters *out);

/* --- streams, both roles --------------------------------------------------------------------------------------- */

int32_t h2_stream_id(const struct h2_stream *stream);
struct h2_conn *h2_stream_conn(struct h2_stream *stream);
/* The owner's pointer, NULL at first. */
void h2_stream_set_context(struct h2_stream *stream, void *context);
void *h2_stream_context(const struct h2_stream *stream);

/*
 * Exactly one message is to come (a unary request; a unary reply). A server calls it in `opened`: the message is then
 * heard only when the client has sent all and it was the only one (G6). On a client, a second reply ends the call
 * INTERNAL, and none at all with OK too.
 */
void h2_stream_expect_one(struct h2_stream *stream);
/* Off: `message` pauses, and flow control stops the peer. On at first. */
void h2_stream_set_reading(struct h2_stream *stream, bool on);

/*
 * Queues a message (packed or copied now). True: below the high mark. False: at it; the message was taken, but wait for
 * `writable`; or the stream is over, then it was dropped and `closed` comes.
 */
bool h2_stream_send(struct h2_stream *stream, const ProtobufCMessage *message);
bool h2_stream_send_octets(struct h2_stream *stream, const void *data, size_t bytes);
/* Bytes that wait to be sent. */
size_t h2_stream_queued_bytes(const struct h2_stream *stream);

/* --- server ---------------------------------------------------------------------------------------------------- */

/* Ends the call after what was queued: status and details from the problem, NULL: OK. Later calls are ignored. */
void h2_stream_finish(struct h2_stream *stream, const struct problem *problem);
/* Before it: the google.rpc.Status octets to send with a problem, in place of those made of it (at most
 * STATUS_DETAILS_SENT_MAX; more is not sent). Copied. */
void h2_stream_set_details(struct h2_stream *stream, const void *octets, size_t bytes);

/* --- client ---------------------------------------------------------------------------------------------------- */

struct h2_metadata {
    const char *name, *value; /* lower case, printable ASCII */
};
struct h2_call {
    const char *path;
    int64_t timeout_ms; /* sent along, and kept here too: past it the call ends DEADLINE_EXCEEDED; 0: none */
    const struct h2_metadata *metadata;
    size_t metadata_count; /* at most 8 */
    void *context;
    bool one_reply; /* h2_stream_expect_one */
    uint32_t
        reply_bytes_max; /* a larger message ends the call ERR_LIMIT before it is held; 0: the connection's limit */
};
/* NULL: the connection is ending (open another), or the call has no room. Copies what it is given. */
struct h2_stream *h2_call_start(struct h2_conn *conn, const struct h2_call *call, int64_t now_ms)
    __attribute__((warn_unused_result));
/* No more messages from us. */
void h2_stream_half_close(struct h2_stream *stream);
/* RST_STREAM; `closed` follows in the next settle. A server's handler uses h2_stream_finish instead. */
void h2_stream_cancel(struct h2_stream *stream);
/* Whether anything of the request was given to the connection. False: the server has nothing of it, and won't have if
 * the call is cancelled now. */
bool h2_stream_has_left(const struct h2_stream *stream);
/* False: start no more calls here (GOAWAY, draining, ended). */
bool h2_conn_accepts_calls(const struct h2_conn *conn);

#endif
