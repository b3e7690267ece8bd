/*
 * h2.c - a connection's turn: handshake, read, timers, write, and the end in good order.
 * Owns struct h2_conn. Thread: the connection's; two scratch buffers per thread, so that an idle connection owns none.
 * Invariant: with anything in `leftover`, nghttp2 is not asked for more, so what waits for the socket is bounded.
 */
#include "proto/wire/h2_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define READ_BYTES        16384       /* one TLS record */
#define GATHER_BYTES      16384       /* written with one call when there is so much */
#define FRAME_BYTES       (16384 + 9) /* what nghttp2 makes at most */
#define READ_BUDGET       (64 << 10)  /* per turn */
#define WRITE_BUDGET      (256 << 10) /* per turn */
#define ROUNDS_MAX        8           /* of callbacks and writing, per turn */
#define QUEUED_FRAMES_MAX 128         /* owed to a peer that does not read: read no more from it */
#define NOTICE_MS         100         /* from the announced to the final GOAWAY */
#define LINGER_MS         1000
#define LINGER_BYTES      (1 << 20)
#define POOL_IDLE         2
#define POOL_REST_MS      1000

const struct h2_limits h2_limits_default = {
    .streams_max = 100,
    .header_bytes_max = 16 << 10,
    .message_bytes_max = 1 << 20,
    .receive_bytes_max = 8 << 20,
    .stream_window_bytes = 64 << 10,
    .connection_window_bytes = 1 << 20,
    .send_high_bytes = 64 << 10,
    .send_low_bytes = 16 << 10,
    .resets_received_burst = 500,
    .resets_received_per_s = 33,
    .resets_sent_per_minute = 100,
    .idle_frames_burst = 1000,
    .idle_frames_per_s = 100,
    .continuations_max = 8,
    .acks_owed_max = 200,
    .handshake_ms = 10000,
    .first_request_ms = 10000,
    .body_ms = 30000,
    .write_progress_ms = 30000,
    .idle_ms = 600000,
    .ping_interval_ms = 0,
    .ping_timeout_ms = 2000,
};

static _Thread_local uint8_t read_scratch[READ_BYTES];
static _Thread_local uint8_t write_scratch[GATHER_BYTES + FRAME_BYTES];

/* --- states ---------------------------------------------------------------------------------------------------- */

static void set_reason(struct h2_conn *conn, const char *why)
{
    if (conn->reason == NULL)
        conn->reason = why;
}

void conn_touch(struct h2_conn *conn)
{
    if (conn->touched)
        return;
    conn->touched = true;
    conn->conn_callbacks->touched(conn);
}

void conn_die(struct h2_conn *conn, const char *why)
{
    set_reason(conn, why);
    conn->state = CONN_DEAD;
    conn->lost = true;
}

void conn_terminate(struct h2_conn *conn, uint32_t error_code, const char *why)
{
    set_reason(conn, why);
    if (nghttp2_session_terminate_session(conn->session, error_code) != 0)
        conn_die(conn, why);
}

static void terminate_abuse(struct h2_conn *conn)
{
    conn->terminate = false;
    conn_terminate(conn, NGHTTP2_ENHANCE_YOUR_CALM, "too many frames that carry nothing, or too many errors");
}

void conn_stream_deadline(struct h2_conn *conn, int64_t at_ms)
{
    if (at_ms < conn->stream_deadline_ms)
        conn->stream_deadline_ms = at_ms;
}

/* All is sent, or nothing can be: ends our side, and lets the peer read it before the descriptor goes. */
static void begin_linger(struct h2_conn *conn, const char *why)
{
    set_reason(conn, why);
    tls_session_shutdown(&conn->tls);
    conn->lost = true;
    streams_lose(conn);
    if (!conn->is_server || shutdown(conn->fd, SHUT_WR) != 0) {
        conn->state = CONN_DEAD;
        return;
    }
    conn->state = CONN_LINGER;
    conn->state_deadline_ms = conn->now_ms + LINGER_MS;
    conn->linger_bytes = 0;
}

static void linger(struct h2_conn *conn)
{
    for (int i = 0; i < 4; i++) {
        ssize_t got = recv(conn->fd, read_scratch, sizeof read_scratch, MSG_DONTWAIT);
        if (got < 0 && (errno == EAGAIN || errno == EINTR))
            return;
        if (got > 0)
            conn->linger_bytes += (uint32_t)got;
        if (got <= 0 || conn->linger_bytes > LINGER_BYTES) {
            conn->state = CONN_DEAD;
            return;
        }
    }
}

static void handshake(struct h2_conn *conn)
{
    switch (tls_session_handshake(&conn->tls)) {
    case TLS_WANT_READ:
        conn->handshake_wants = H2_READABLE;
        return;
    case TLS_WANT_WRITE:
        conn->handshake_wants = H2_WRITABLE;
        return;
    case TLS_CLOSED:
        conn_die(conn, conn->tls.why);
        return;
    case TLS_FAILED:
        begin_linger(conn, conn->tls.why);
        return;
    case TLS_DONE:
        break;
    }
    conn->state = CONN_OPEN;
    conn->state_deadline_ms = INT64_MAX;
    conn->opened_ms = conn->last_active_ms = conn->last_heard_ms = conn->now_ms;
    conn->has_peer = tls_session_peer(&conn->tls, &conn->peer);
    if (!conn->has_peer)
        conn_die(conn, "the peer's certificate can't be read");
    else if (conn->conn_callbacks->ready != NULL && !conn->conn_callbacks->ready(conn, &conn->peer))
        conn_terminate(conn, NGHTTP2_ENHANCE_YOUR_CALM, "refused after the handshake");
}

/* --- reading --------------------------------------------------------------------------------------------------- */

/* The peer asks for much and takes nothing: no more of it is heard until it takes something. */
static bool is_read_blocked(const struct h2_conn *conn)
{
    return conn->leftover.size > 0 && nghttp2_session_get_outbound_queue_size(conn->session) > QUEUED_FRAMES_MAX;
}

static bool has_session(const struct h2_conn *conn)
{
    return conn->state == CONN_OPEN || conn->state == CONN_NOTICE || conn->state == CONN_DRAINING;
}

static void hear(struct h2_conn *conn, size_t bytes)
{
    conn->counters.bytes_in += bytes;
    conn->last_heard_ms = conn->now_ms;
    conn->ping_sent_ms = 0;
    ssize_t rc = nghttp2_session_mem_recv(conn->session, read_scratch, bytes);
    if (rc < 0)
        conn_die(conn, nghttp2_strerror((int)rc));
    else if (conn->terminate)
        terminate_abuse(conn);
    if (conn->state != CONN_DEAD)
        streams_dispatch(conn);
}

static void read_all(struct h2_conn *conn)
{
    conn->tls_wants_write_to_read = false;
    for (size_t budget = READ_BUDGET; budget > 0 && has_session(conn);) {
        size_t got;
        if (is_read_blocked(conn) || nghttp2_session_want_read(conn->session) == 0)
            return;
        switch (tls_session_read(&conn->tls, read_scratch, sizeof read_scratch, &got)) {
        case TLS_DONE:
            hear(conn, got);
            budget -= got < budget ? got : budget;
            break;
        case TLS_WANT_READ:
            return;
        case TLS_WANT_WRITE:
            conn->tls_wants_write_to_read = true;
            return;
        case TLS_CLOSED:
        case TLS_FAILED:
            conn_die(conn, conn->tls.why);
            return;
        }
    }
}

/* --- writing --------------------------------------------------------------------------------------------------- */

/* How many of the bytes the socket took; fewer: it is full, or the connection died. */
static size_t write_some(struct h2_conn *conn, const uint8_t *data, size_t bytes)
{
    size_t done = 0;
    conn->tls_wants_read_to_write = false;
    while (done < bytes) {
        size_t put;
        switch (tls_session_write(&conn->tls, data + done, bytes - done, &put)) {
        case TLS_DONE:
            done += put;
            conn->counters.bytes_out += put;
            conn->write_stalled_ms = 0;
            break;
        case TLS_WANT_READ:
            conn->tls_wants_read_to_write = true;
            return done;
        case TLS_WANT_WRITE:
            return done;
        case TLS_CLOSED:
        case TLS_FAILED:
            conn_die(conn, conn->tls.why);
            return done;
        }
    }
    return done;
}

static void keep_leftover(struct h2_conn *conn, const uint8_t *data, size_t bytes)
{
    uint8_t *room = octet_queue_room(&conn->leftover, bytes);
    if (room == NULL) {
        conn_die(conn, "out of memory");
        return;
    }
    memcpy(room, data, bytes);
    conn->leftover.size += bytes;
}

static bool write_leftover(struct h2_conn *conn)
{
    octet_queue_drop(&conn->leftover, write_some(conn, octet_queue_front(&conn->leftover), conn->leftover.size));
    if (conn->leftover.size == 0)
        octet_queue_reset(&conn->leftover, 0);
    return conn->leftover.size == 0;
}

/* Frames behind the `size` octets that are in write_scratch, until there is enough for one write; how much is there
 * then. A frame that does not fit goes to `leftover` with what is before it. */
static size_t gather(struct h2_conn *conn, size_t size)
{
    while (size < GATHER_BYTES) {
        const uint8_t *frame;
        ssize_t bytes = nghttp2_session_mem_send(conn->session, &frame);
        if (bytes < 0)
            conn_die(conn, nghttp2_strerror((int)bytes));
        if (bytes <= 0)
            break;
        if ((size_t)bytes > sizeof write_scratch - size) {
            keep_leftover(conn, write_scratch, size);
            keep_leftover(conn, frame, (size_t)bytes);
            return 0;
        }
        memcpy(write_scratch + size, frame, (size_t)bytes);
        size += (size_t)bytes;
    }
    return size;
}

/* True: the socket would take more and there is more. Where much goes out, each write is one full TLS record: what is
 * past it begins the next. */
static bool flush(struct h2_conn *conn, size_t *budget)
{
    size_t size = 0;
    while (*budget > 0 && conn->state != CONN_DEAD) {
        if (conn->leftover.size > 0 && !write_leftover(conn))
            break;
        size = gather(conn, size);
        if (conn->state == CONN_DEAD || (size == 0 && conn->leftover.size == 0))
            return false;
        size_t bytes = size < GATHER_BYTES ? size : GATHER_BYTES, done = write_some(conn, write_scratch, bytes);
        size -= done;
        *budget -= done < *budget ? done : *budget;
        memmove(write_scratch, write_scratch + done, size);
        if (done < bytes)
            break;
    }
    if (size > 0 && conn->state != CONN_DEAD)
        keep_leftover(conn, write_scratch, size);
    if (conn->leftover.size > 0 && conn->write_stalled_ms == 0)
        conn->write_stalled_ms = conn->now_ms;
    return conn->state != CONN_DEAD && conn->leftover.size == 0;
}

/* --- timers ---------------------------------------------------------------------------------------------------- */

static int64_t earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static bool waits_for_request(const struct h2_conn *conn)
{
    return conn->state == CONN_OPEN && conn->is_server && !conn->first_request_seen;
}

static bool is_idle(const struct h2_conn *conn)
{
    return conn->state == CONN_OPEN && conn->stream_count == 0 && conn->limits.idle_ms != 0;
}

static bool pings(const struct h2_conn *conn)
{
    return has_session(conn) && conn->limits.ping_interval_ms != 0;
}

/* Memory of streams that have ended is kept for the next burst, but not for long. */
static bool pool_rests(const struct h2_conn *conn)
{
    return conn->stream_count == 0 && conn->pool_count > POOL_IDLE;
}

int64_t h2_conn_deadline_ms(const struct h2_conn *conn)
{
    int64_t at = conn->state_deadline_ms;
    if (conn->state == CONN_DEAD || conn->state == CONN_LINGER)
        return at;
    at = earlier(at, earlier(conn->drain_deadline_ms, conn->stream_deadline_ms));
    if (waits_for_request(conn))
        at = earlier(at, conn->opened_ms + conn->limits.first_request_ms);
    if (is_idle(conn))
        at = earlier(at, conn->last_active_ms + conn->limits.idle_ms);
    if (pool_rests(conn))
        at = earlier(at, conn->last_active_ms + POOL_REST_MS);
    if (conn->write_stalled_ms != 0)
        at = earlier(at, conn->write_stalled_ms + conn->limits.write_progress_ms);
    if (pings(conn))
        at = earlier(at, conn->ping_sent_ms != 0 ? conn->ping_sent_ms + conn->limits.ping_timeout_ms
                                                 : conn->last_heard_ms + conn->limits.ping_interval_ms);
    return at;
}

static void state_deadline(struct h2_conn *conn)
{
    conn->state_deadline_ms = INT64_MAX;
    switch (conn->state) {
    case CONN_HANDSHAKE:
        conn_die(conn, "no handshake in time");
        break;
    case CONN_NOTICE:
        conn->state = CONN_DRAINING;
        nghttp2_submit_goaway(conn->session, NGHTTP2_FLAG_NONE, nghttp2_session_get_last_proc_stream_id(conn->session),
                              NGHTTP2_NO_ERROR, NULL, 0);
        break;
    case CONN_LINGER:
        conn->state = CONN_DEAD;
        break;
    case CONN_OPEN:
    case CONN_DRAINING:
    case CONN_DEAD:
        break;
    }
}

static void check_ping(struct h2_conn *conn)
{
    if (conn->ping_sent_ms != 0) {
        if (conn->now_ms >= conn->ping_sent_ms + conn->limits.ping_timeout_ms)
            conn_die(conn, "the peer is silent");
    } else if (conn->now_ms >= conn->last_heard_ms + conn->limits.ping_interval_ms) {
        nghttp2_submit_ping(conn->session, NGHTTP2_FLAG_NONE, NULL);
        conn->ping_sent_ms = conn->now_ms;
    }
}

static void check_timers(struct h2_conn *conn)
{
    int64_t now = conn->now_ms;
    if (now >= conn->state_deadline_ms)
        state_deadline(conn);
    if (conn->state == CONN_LINGER || conn->state == CONN_DEAD)
        return;
    if (now >= conn->drain_deadline_ms) {
        conn_die(conn, "calls did not end in time");
        return;
    }
    if (conn->write_stalled_ms != 0 && now >= conn->write_stalled_ms + conn->limits.write_progress_ms) {
        conn_die(conn, "the peer does not read");
        return;
    }
    if (now >= conn->stream_deadline_ms)
        streams_expire(conn);
    if (waits_for_request(conn) && now >= conn->opened_ms + conn->limits.first_request_ms)
        conn_terminate(conn, NGHTTP2_NO_ERROR, "no request in time");
    if (is_idle(conn) && now >= conn->last_active_ms + conn->limits.idle_ms) {
        set_reason(conn, "idle");
        h2_conn_drain(conn, now, now + conn->limits.write_progress_ms);
    }
    if (pool_rests(conn) && now >= conn->last_active_ms + POOL_REST_MS)
        stream_pool_trim(conn, POOL_IDLE);
    if (pings(conn))
        check_ping(conn);
}

/* --- a turn ---------------------------------------------------------------------------------------------------- */

static void set_now(struct h2_conn *conn, int64_t now_ms)
{
    if (now_ms > conn->now_ms)
        conn->now_ms = now_ms;
}

void h2_conn_event(struct h2_conn *conn, unsigned what, int64_t now_ms)
{
    conn->touched = conn->in_turn = true;
    set_now(conn, now_ms);
    /* What has arrived counts before the time that has passed: a late turn is not the peer's fault. */
    if (conn->state == CONN_HANDSHAKE && what != 0)
        handshake(conn);
    if (conn->state == CONN_LINGER && (what & H2_READABLE) != 0)
        linger(conn);
    else if (has_session(conn) &&
             ((what & H2_READABLE) != 0 || conn->tls_wants_write_to_read || tls_session_has_pending(&conn->tls)))
        read_all(conn);
    check_timers(conn);
}

static enum h2_turn end_turn(struct h2_conn *conn, enum h2_turn turn)
{
    if (conn->state == CONN_DEAD)
        turn = H2_DEAD;
    if (turn == H2_DEAD)
        streams_lose(conn);
    conn->touched = turn == H2_DEAD;
    conn->in_turn = false;
    return turn;
}

enum h2_turn h2_conn_settle(struct h2_conn *conn, int64_t now_ms)
{
    conn->touched = conn->in_turn = true;
    set_now(conn, now_ms);
    if (conn->state == CONN_HANDSHAKE) {
        streams_dispatch(conn);
        return end_turn(conn, H2_WAIT);
    }
    if (!has_session(conn))
        return end_turn(conn, H2_WAIT);
    size_t budget = WRITE_BUDGET;
    bool more = true;
    for (int round = 0; more && round < ROUNDS_MAX; round++) {
        streams_dispatch(conn);
        more = flush(conn, &budget) || conn->work_first != NULL;
        if (conn->terminate) {
            terminate_abuse(conn);
            more = true;
        }
        if (budget == 0)
            break;
    }
    if (conn->state != CONN_DEAD && conn->leftover.size == 0 && nghttp2_session_want_read(conn->session) == 0 &&
        nghttp2_session_want_write(conn->session) == 0)
        begin_linger(conn, "ended in good order");
    else if (conn->state != CONN_DEAD && !is_read_blocked(conn) && tls_session_has_pending(&conn->tls))
        more = true;
    return end_turn(conn, more ? H2_AGAIN : H2_WAIT);
}

unsigned h2_conn_interest(const struct h2_conn *conn)
{
    if (conn->state == CONN_HANDSHAKE)
        return conn->handshake_wants;
    if (conn->state == CONN_LINGER)
        return H2_READABLE;
    if (conn->state == CONN_DEAD)
        return 0;
    unsigned interest = 0;
    if ((!is_read_blocked(conn) && nghttp2_session_want_read(conn->session) != 0) || conn->tls_wants_read_to_write)
        interest |= H2_READABLE;
    if ((conn->leftover.size > 0 && !conn->tls_wants_read_to_write) || conn->tls_wants_write_to_read)
        interest |= H2_WRITABLE;
    return interest;
}

void h2_conn_drain(struct h2_conn *conn, int64_t now_ms, int64_t deadline_ms)
{
    set_now(conn, now_ms);
    conn->drain_deadline_ms = earlier(conn->drain_deadline_ms, deadline_ms);
    if (conn->state == CONN_HANDSHAKE && conn->stream_count == 0) {
        conn_die(conn, "draining");
    } else if (conn->state == CONN_OPEN) {
        set_reason(conn, "draining");
        if (conn->is_server) {
            nghttp2_submit_shutdown_notice(conn->session);
            conn->state = CONN_NOTICE;
            conn->state_deadline_ms = conn->now_ms + NOTICE_MS;
        } else {
            nghttp2_submit_goaway(conn->session, NGHTTP2_FLAG_NONE, 0, NGHTTP2_NO_ERROR, NULL, 0);
            conn->state = CONN_DRAINING;
        }
    }
    conn_touch(conn);
}

void h2_conn_abort(struct h2_conn *conn, const char *why)
{
    conn_touch(conn);
    conn_die(conn, why);
    streams_lose(conn);
}

/* --- life ------------------------------------------------------------------------------------------------------ */

static bool open_conn(struct h2_conn *conn, const struct h2_options *options)
{
    const char *name = options->server_name;
    conn->tls_context = tls_context_ref(options->tls);
    if (!conn->is_server && name == NULL)
        return false;
    conn->server_name = name != NULL ? strdup(name) : NULL;
    return (name == NULL || conn->server_name != NULL) &&
           tls_session_open(&conn->tls, conn->tls_context, conn->fd, name) && session_create(conn);
}

struct h2_conn *h2_conn_create(const struct h2_options *options, int fd, int64_t now_ms)
{
    struct h2_conn *conn = malloc(sizeof *conn);
    if (conn == NULL) {
        close(fd);
        return NULL;
    }
    *conn = (struct h2_conn){
        .callbacks = options->callbacks,
        .conn_callbacks = options->conn_callbacks,
        .context = options->context,
        .limits = options->limits != NULL ? *options->limits : h2_limits_default,
        .fd = fd,
        .is_server = tls_context_role(options->tls) == TLS_SERVER,
        .now_ms = now_ms,
        .last_active_ms = now_ms,
        .last_heard_ms = now_ms,
        .idle_frames_ms = now_ms,
        .reset_window_ms = now_ms,
        .drain_deadline_ms = INT64_MAX,
        .stream_deadline_ms = INT64_MAX,
    };
    conn->state_deadline_ms = now_ms + conn->limits.handshake_ms;
    conn->handshake_wants = conn->is_server ? H2_READABLE : H2_WRITABLE;
    if (open_conn(conn, options))
        return conn;
    h2_conn_destroy(conn);
    return NULL;
}

void h2_conn_destroy(struct h2_conn *conn)
{
    if (conn == NULL)
        return;
    while (conn->streams != NULL)
        stream_free(conn->streams);
    stream_pool_trim(conn, 0);
    nghttp2_session_del(conn->session);
    tls_session_close(&conn->tls);
    tls_context_unref(conn->tls_context);
    octet_queue_reset(&conn->leftover, 0);
    close(conn->fd);
    free(conn->server_name);
    free(conn);
}

/* --- small things ---------------------------------------------------------------------------------------------- */

int h2_conn_fd(const struct h2_conn *conn)
{
    return conn->fd;
}

void *h2_conn_context(const struct h2_conn *conn)
{
    return conn->context;
}

const struct tls_peer *h2_conn_peer(const struct h2_conn *conn)
{
    return conn->has_peer ? &conn->peer : NULL;
}

bool h2_conn_recheck(const struct h2_conn *conn, struct tls_context *tls)
{
    return tls_session_recheck(&conn->tls, tls);
}

uint32_t h2_conn_streams(const struct h2_conn *conn)
{
    return conn->stream_count;
}

const char *h2_conn_reason(const struct h2_conn *conn)
{
    return conn->reason != NULL ? conn->reason : "open";
}

bool h2_conn_distrusts(const struct h2_conn *conn)
{
    return conn->tls.distrusts;
}

struct h2_stream *h2_conn_stream(struct h2_conn *conn, int32_t id)
{
    return nghttp2_session_get_stream_user_data(conn->session, id);
}

void h2_conn_counters(const struct h2_conn *conn, struct h2_counters *out)
{
    *out = conn->counters;
}
