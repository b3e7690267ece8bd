/*
 * conn.c - see conn.h. The worker's thread.
 */
#include "daemon/net/conn.h"

#include "daemon/base/log.h"
#include "daemon/net/principals.h"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* A reload may have brought a list that revokes the peer: looked at once, before anything more is heard of it or said
 * to it. */
static bool is_still_accepted(struct conn *conn)
{
    const struct worker_shared *shared = worker_shared(conn->worker);
    unsigned generation = atomic_load(shared->tls_generation);
    if (generation == conn->tls_generation)
        return true;
    conn->tls_generation = generation;
    struct tls_context *tls = shared->tls(shared->tls_ctx);
    bool accepted = h2_conn_recheck(conn->h2, tls);
    tls_context_unref(tls);
    return accepted;
}

/* True: it was, and is no more. */
static bool shut_out(struct conn *conn)
{
    if (h2_conn_peer(conn->h2) == NULL || is_still_accepted(conn))
        return false;
    h2_conn_abort(conn->h2, "its certificate is no longer accepted: revoked, or of another authority");
    return true;
}

static void happened(struct conn *conn, unsigned what)
{
    if (!shut_out(conn))
        h2_conn_event(conn->h2, what, worker_now_ms(conn->worker));
    worker_touch(conn->worker, conn);
}

static void on_readable(evutil_socket_t fd, short what, void *ctx)
{
    (void)fd;
    (void)what;
    happened(ctx, H2_READABLE);
}

static void on_writable(evutil_socket_t fd, short what, void *ctx)
{
    (void)fd;
    (void)what;
    happened(ctx, H2_WRITABLE);
}

static void on_due(struct timer *timer)
{
    happened((struct conn *)((char *)timer - offsetof(struct conn, timer)), 0);
}

static void on_touched(struct h2_conn *h2)
{
    struct conn *conn = h2_conn_context(h2);
    worker_touch(conn->worker, conn);
}

/* Whose connections these are counted as: the certificate's name, or the certificate where the name is none (A1). */
static char *principal_of(const struct tls_peer *peer)
{
    char hex[DIGEST_HEX_SIZE];
    if (peer->uri_count == 1 && peer->uri_bytes <= TLS_URI_BYTES)
        return strndup((const char *)peer->uri, peer->uri_bytes);
    hex_encode(peer->certificate_sha256, sizeof peer->certificate_sha256, hex);
    return strdup(hex);
}

static bool on_ready(struct h2_conn *h2, const struct tls_peer *peer)
{
    struct conn *conn = h2_conn_context(h2);
    struct principals *principals = worker_shared(conn->worker)->principals;
    if (!is_still_accepted(conn)) {
        log_warn("net", "conn=%llu refused: its certificate was revoked during the handshake",
                 (unsigned long long)conn->id);
        return false;
    }
    char *principal = principal_of(peer);
    if (principal == NULL || !principals_enter(principals, principal)) {
        log_warn("net", "conn=%llu refused: its certificate's name has all the connections that one may have",
                 (unsigned long long)conn->id);
        free(principal);
        return false;
    }
    conn->principal = principal;
    return true;
}

static const struct h2_conn_callbacks callbacks = {.touched = on_touched, .ready = on_ready};

static void name_peer(int fd, char out[PEER_TEXT_BYTES])
{
    union socket_address address = {0};
    socklen_t length = sizeof address;
    char text[INET6_ADDRSTRLEN] = "?";
    out[0] = '\0';
    if (getpeername(fd, &address.any, &length) != 0)
        return;
    if (address.any.sa_family == AF_INET6) {
        inet_ntop(AF_INET6, &address.in6.sin6_addr, text, sizeof text);
        snprintf(out, PEER_TEXT_BYTES, "[%s]:%u", text, ntohs(address.in6.sin6_port));
    } else {
        inet_ntop(AF_INET, &address.in4.sin_addr, text, sizeof text);
        snprintf(out, PEER_TEXT_BYTES, "%s:%u", text, ntohs(address.in4.sin_port));
    }
}

struct conn *conn_create(struct worker *worker, int fd, uint64_t id)
{
    const struct worker_shared *shared = worker_shared(worker);
    struct conn *conn = calloc(1, sizeof *conn);
    if (conn == NULL) {
        close(fd);
        return NULL;
    }
    conn->worker = worker;
    conn->id = id;
    conn->timer.due = on_due;
    name_peer(fd, conn->peer);
    static const int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    conn->readable = event_new(worker_base(worker), fd, EV_READ | EV_PERSIST, on_readable, conn);
    conn->writable = event_new(worker_base(worker), fd, EV_WRITE | EV_PERSIST, on_writable, conn);
    conn->tls_generation = atomic_load(shared->tls_generation);
    struct tls_context *tls = shared->tls(shared->tls_ctx);
    struct h2_options options = {.tls = tls,
                                 .limits = &shared->options->limits,
                                 .callbacks = shared->upper->callbacks,
                                 .conn_callbacks = &callbacks,
                                 .context = conn};
    conn->h2 = h2_conn_create(&options, fd, worker_now_ms(worker));
    tls_context_unref(tls);
    if (conn->h2 == NULL || conn->readable == NULL || conn->writable == NULL) {
        log_error("net", "conn=%llu refused: out of memory", (unsigned long long)id);
        conn_destroy(conn); /* the descriptor is closed: by wire */
        return NULL;
    }
    log_debug("net", "accepted conn=%llu peer=%s worker=%u", (unsigned long long)id, conn->peer, worker_index(worker));
    return conn;
}

static void set_interest(struct conn *conn, unsigned wanted)
{
    unsigned changed = conn->interest ^ wanted;
    if (changed & H2_READABLE)
        (wanted & H2_READABLE) ? event_add(conn->readable, NULL) : event_del(conn->readable);
    if (changed & H2_WRITABLE)
        (wanted & H2_WRITABLE) ? event_add(conn->writable, NULL) : event_del(conn->writable);
    conn->interest = wanted;
}

void conn_settle(struct conn *conn)
{
    int64_t now_ms = worker_now_ms(conn->worker);
    if (!shut_out(conn) && conn->again)
        h2_conn_event(conn->h2, 0, now_ms);
    enum h2_turn turn = h2_conn_settle(conn->h2, now_ms);
    conn->again = turn == H2_AGAIN;
    conn->dead = turn == H2_DEAD;
    set_interest(conn, conn->dead ? 0 : h2_conn_interest(conn->h2));
    timer_set(worker_timers(conn->worker), &conn->timer, conn->dead ? TIMER_NEVER : h2_conn_deadline_ms(conn->h2));
}

void conn_drain(struct conn *conn, int64_t deadline_boot_ms)
{
    h2_conn_drain(conn->h2, worker_now_ms(conn->worker), deadline_boot_ms);
    worker_touch(conn->worker, conn);
}

void conn_destroy(struct conn *conn)
{
    timer_cancel(worker_timers(conn->worker), &conn->timer);
    if (conn->readable != NULL)
        event_free(conn->readable);
    if (conn->writable != NULL)
        event_free(conn->writable);
    if (conn->principal != NULL)
        principals_leave(worker_shared(conn->worker)->principals, conn->principal);
    if (conn->h2 != NULL)
        log_info("net", "closed conn=%llu peer=%s: %s", (unsigned long long)conn->id, conn->peer,
                 h2_conn_reason(conn->h2));
    h2_conn_destroy(conn->h2);
    free(conn->principal);
    free(conn);
}

void *net_conn_state(struct h2_conn *h2)
{
    return worker_upper_state(((struct conn *)h2_conn_context(h2))->worker);
}
uint64_t net_conn_id(struct h2_conn *h2)
{
    return ((struct conn *)h2_conn_context(h2))->id;
}
