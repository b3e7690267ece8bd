/*
 * links_hub.c - see links_hub.h. Owns struct peer's connection and streams. Thread: the links'.
 * Invariant: a connection is destroyed only outside of its own callbacks; a stream's context is its peer, a forward's
 * is its struct links_forward, or NULL once nothing of it is wanted.
 */
#include "daemon/federation/links_hub.h"

#include "daemon/base/log.h"
#include "proto/wire/message.h"
#include "proto/wire/spiffe.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define FOLLOW "/vacancy.v1.FederationService/Follow"
#define FETCH  "/vacancy.v1.FederationService/FetchSnapshot"
/* What waits on a Follow stream: far more than a healthy link ever has. */
#define SEND_MAX_BYTES ((size_t)1 << 20)

static int64_t now_ms(const struct links_hub *peer)
{
    return peer->shared->now_ms;
}

/* The first reason stays. */
static void end(struct links_hub *peer, const struct problem *why)
{
    if (peer->over)
        return;
    peer->over = true;
    peer->why = *why;
}

static void end_with(struct links_hub *peer, enum err code, const char *text, const char *more)
{
    struct problem why;
    problem_set(&why, code, "", "%s%s", text, more);
    end(peer, &why);
}

/* --- who it is -------------------------------------------------------------------------------------------------- */

static bool is_issuer(const struct roster_region *region, const uint8_t key_sha256[DIGEST_BYTES])
{
    for (uint32_t i = 0; i < region->issuer_count; i++)
        if (memcmp(region->issuers[i], key_sha256, DIGEST_BYTES) == 0)
            return true;
    return false;
}

static enum err check_peer(const struct links_hub *peer, const struct tls_peer *who, struct problem *problem)
{
    struct spiffe_name name;
    enum err err = tls_peer_check_leaf(who, problem);
    if (err != ERR_NONE)
        return err;
    if (who->uri_count != 1 || who->uri_bytes > TLS_URI_BYTES)
        return problem_set(problem, ERR_UNAUTHENTICATED, "", "its certificate has not exactly one URI name");
    err = spiffe_parse(who->uri, who->uri_bytes, peer->shared->trust_domain, &name, problem);
    if (err != ERR_NONE)
        return err;
    if (name.kind != SPIFFE_HUB)
        return problem_set(problem, ERR_UNAUTHENTICATED, "", "its certificate is not a hub's");
    if (strcmp(name.region, peer->region->region) != 0)
        return problem_set(problem, ERR_UNAUTHENTICATED, "", "it is the hub of %s by its certificate", name.region);
    if (!is_issuer(peer->region, who->issuer_key_sha256))
        return problem_set(problem, ERR_UNAUTHENTICATED, "",
                           "its certificate was not issued by an issuer that the roster names for %s", name.region);
    return ERR_NONE;
}

static bool on_ready(struct h2_conn *conn, const struct tls_peer *who)
{
    struct links_hub *peer = h2_conn_context(conn);
    struct problem why, text;
    if (check_peer(peer, who, &why) == ERR_NONE)
        return true;
    problem_set(&text, ERR_UNAUTHENTICATED, "", "%.100s:%u is not that region's hub: %.120s", dial_host(&peer->dial),
                dial_port(&peer->dial), why.text);
    end(peer, &text);
    return false;
}

/* --- what it says ----------------------------------------------------------------------------------------------- */

static void on_message(struct h2_stream *stream, const uint8_t *data, size_t bytes)
{
    struct links_hub *peer = h2_conn_context(h2_stream_conn(stream));
    void *context = h2_stream_context(stream);
    if (context == NULL)
        return; /* nothing of it is wanted */
    if (context != peer) {
        links_forward_heard(context, data, bytes);
        return;
    }
    if (peer->over)
        return;
    struct links_shared *shared = peer->shared;
    struct problem why;
    ProtobufCMessage *message;
    bool follow = stream == peer->follow;
    arena_reset(&shared->arena);
    if (message_unpack(follow ? &vacancy__v1__follow_response__descriptor
                              : &vacancy__v1__fetch_snapshot_response__descriptor,
                       data, bytes, &shared->arena, &message, &why) != ERR_NONE)
        end_with(peer, ERR_INVALID, "it says what can't be read: ", why.text);
    else if (follow)
        federation_heard(shared->federation, peer->number, (const Vacancy__V1__FollowResponse *)message);
    else
        federation_snapshot_heard(shared->federation, peer->number,
                                  (const Vacancy__V1__FetchSnapshotResponse *)message);
}

static void on_closed(struct h2_stream *stream, const struct h2_outcome *outcome)
{
    struct links_hub *peer = h2_conn_context(h2_stream_conn(stream));
    void *context = h2_stream_context(stream);
    if (context == NULL)
        return;
    if (context != peer) {
        links_forward_closed(context, outcome);
        return;
    }
    if (stream == peer->follow) {
        peer->follow = NULL;
        if (outcome->problem.code == ERR_NONE)
            end_with(peer, ERR_UNAVAILABLE, "it ended the stream", "");
        else
            end(peer, &outcome->problem);
        return;
    }
    peer->fetch = NULL;
    /* With the connection gone, unlinked says it all. */
    if (!peer->over && outcome->end != H2_END_LOST)
        federation_snapshot_over(peer->shared->federation, peer->number, &outcome->problem);
}

static void on_touched(struct h2_conn *conn)
{
    struct links_hub *peer = h2_conn_context(conn);
    peer->touched = true;
}

static const struct h2_callbacks callbacks = {.message = on_message, .closed = on_closed};
static const struct h2_conn_callbacks conn_callbacks = {.touched = on_touched, .ready = on_ready};

/* --- life ------------------------------------------------------------------------------------------------------- */

void links_hub_init(struct links_hub *peer, struct links_shared *shared, uint32_t number,
                    const struct roster_region *region)
{
    *peer = (struct links_hub){
        .shared = shared, .number = number, .region = region, .down_since_ms = clock_wall_ms(shared->clock)};
    dial_init(&peer->dial, shared->resolver, number, region);
}

static void disconnect(struct links_hub *peer)
{
    links_forwards_lose(peer);
    if (peer->state == HUB_LINKED)
        peer->down_since_ms = clock_wall_ms(peer->shared->clock);
    h2_conn_destroy(peer->conn);
    peer->conn = NULL;
    peer->follow = peer->fetch = NULL;
    peer->paused = peer->touched = peer->over = peer->fetch_failed = false;
}

static void go_down(struct links_hub *peer)
{
    disconnect(peer);
    dial_stop(&peer->dial);
    peer->state = HUB_DOWN;
}

void links_hub_finish(struct links_hub *peer)
{
    go_down(peer);
    dial_finish(&peer->dial);
}

static void greet(struct links_hub *peer)
{
    const struct h2_options options = {.tls = peer->shared->tls,
                                       .limits = &peer->shared->limits,
                                       .callbacks = &callbacks,
                                       .conn_callbacks = &conn_callbacks,
                                       .context = peer,
                                       .server_name = dial_host(&peer->dial)};
    peer->state = HUB_GREETING;
    peer->conn = h2_conn_create(&options, dial_take(&peer->dial), now_ms(peer));
    if (peer->conn == NULL)
        end_with(peer, ERR_LIMIT, "out of memory for a connection", "");
}

/* Where dialling stands now. */
static void dialled(struct links_hub *peer, enum dial_turn turn)
{
    peer->state = HUB_DIALLING;
    if (turn == DIAL_CONNECTED)
        greet(peer);
    else if (turn == DIAL_FAILED)
        end(peer, &peer->dial.why);
}

/* --- what the logic asks for ------------------------------------------------------------------------------------ */

void links_hub_dial(struct links_hub *peer)
{
    if (peer->state == HUB_DOWN)
        dialled(peer, dial_start(&peer->dial, now_ms(peer)));
}

void links_hub_hang_up(struct links_hub *peer)
{
    /* A connection that is not linked has no callbacks through which this could be called. */
    if (peer->state == HUB_LINKED)
        end_with(peer, ERR_CANCELLED, "hung up", "");
    else
        go_down(peer);
}

static bool is_linked(const struct links_hub *peer)
{
    return peer->state == HUB_LINKED && !peer->over;
}

bool links_hub_send(struct links_hub *peer, const Vacancy__V1__FollowRequest *message)
{
    if (!is_linked(peer) || peer->follow == NULL)
        return false;
    if (h2_stream_queued_bytes(peer->follow) + protobuf_c_message_get_packed_size(&message->base) > SEND_MAX_BYTES) {
        end_with(peer, ERR_LIMIT, "it takes nothing of what we send", "");
        return false;
    }
    (void)h2_stream_send(peer->follow, &message->base); /* false: half full, or over, and then `closed` comes */
    return true;
}

void links_hub_fetch(struct links_hub *peer, const Vacancy__V1__FetchSnapshotRequest *request)
{
    if (!is_linked(peer) || peer->fetch != NULL)
        return;
    const struct h2_call call = {.path = FETCH, .context = peer};
    peer->fetch = h2_call_start(peer->conn, &call, now_ms(peer));
    if (peer->fetch == NULL) {
        peer->fetch_failed = true;
        return;
    }
    h2_stream_send(peer->fetch, &request->base);
    h2_stream_half_close(peer->fetch);
    h2_stream_set_reading(peer->fetch, !peer->paused);
}

void links_hub_stop_fetch(struct links_hub *peer)
{
    peer->fetch_failed = false;
    if (peer->fetch == NULL)
        return;
    h2_stream_set_context(peer->fetch, NULL);
    h2_stream_cancel(peer->fetch);
    peer->fetch = NULL;
}

void links_hub_set_reading(struct links_hub *peer, bool on)
{
    peer->paused = !on;
    if (peer->follow != NULL)
        h2_stream_set_reading(peer->follow, on);
    if (peer->fetch != NULL)
        h2_stream_set_reading(peer->fetch, on);
}

/* --- the loop's side -------------------------------------------------------------------------------------------- */

void links_hub_answer(struct links_hub *peer, uint64_t ticket, struct resolved *resolved)
{
    enum dial_turn turn = dial_answer(&peer->dial, ticket, resolved, now_ms(peer));
    if (peer->state == HUB_DIALLING && !peer->over)
        dialled(peer, turn);
}

void links_hub_recheck(struct links_hub *peer)
{
    if (is_linked(peer) && !h2_conn_recheck(peer->conn, peer->shared->tls))
        end_with(peer, ERR_UNAUTHENTICATED, "its certificate is no longer accepted", "");
}

int links_hub_fd(const struct links_hub *peer)
{
    return peer->conn != NULL ? h2_conn_fd(peer->conn) : peer->dial.fd;
}

short links_hub_events(const struct links_hub *peer)
{
    if (peer->conn == NULL)
        return POLLOUT;
    unsigned interest = h2_conn_interest(peer->conn);
    return (short)((interest & H2_READABLE ? POLLIN : 0) | (interest & H2_WRITABLE ? POLLOUT : 0));
}

int64_t links_hub_deadline_ms(const struct links_hub *peer)
{
    if (peer->conn == NULL)
        return peer->dial.deadline_ms;
    int64_t at = h2_conn_deadline_ms(peer->conn), forwards = links_forwards_due_ms(peer);
    return forwards < at ? forwards : at;
}

void links_hub_event(struct links_hub *peer, short events)
{
    if (peer->over)
        return;
    if (peer->state == HUB_DIALLING) {
        enum dial_turn turn = dial_event(&peer->dial, events != 0, now_ms(peer));
        if (turn != DIAL_WAIT)
            dialled(peer, turn);
        return;
    }
    if (peer->conn == NULL)
        return;
    bool broken = (events & (POLLERR | POLLHUP | POLLNVAL)) != 0;
    h2_conn_event(peer->conn,
                  (events & POLLIN || broken ? H2_READABLE : 0u) | (events & POLLOUT || broken ? H2_WRITABLE : 0u),
                  now_ms(peer));
    peer->touched = true;
}

static void link_up(struct links_hub *peer)
{
    const struct h2_call call = {.path = FOLLOW, .context = peer};
    peer->follow = h2_call_start(peer->conn, &call, now_ms(peer));
    if (peer->follow == NULL) {
        end_with(peer, ERR_UNAVAILABLE, "no stream can be had", "");
        return;
    }
    peer->state = HUB_LINKED;
    log_debug("federation", "linked region=%s endpoint=%s port=%u", peer->region->region, dial_host(&peer->dial),
              dial_port(&peer->dial));
    federation_linked(peer->shared->federation, peer->number);
}

/* What is over: the next address, or the logic is told. */
static void go_on(struct links_hub *peer)
{
    struct problem why = peer->why;
    enum links_hub_state was = peer->state;
    disconnect(peer);
    if (was == HUB_GREETING) {
        log_debug("federation", "no link to region=%s: %s", peer->region->region, why.text);
        peer->state = HUB_DIALLING;
        dialled(peer, dial_next(&peer->dial, &why, now_ms(peer)));
        return;
    }
    go_down(peer);
    federation_unlinked(peer->shared->federation, peer->number, &why);
}

static void greeting_failed(struct links_hub *peer)
{
    struct problem why;
    problem_set(&why, ERR_UNAVAILABLE, "", "%.100s:%u: %.120s", dial_host(&peer->dial), dial_port(&peer->dial),
                h2_conn_reason(peer->conn));
    end(peer, &why);
}

/* True: it wants another turn at once. */
static bool settle_conn(struct links_hub *peer)
{
    peer->touched = false;
    switch (h2_conn_settle(peer->conn, now_ms(peer))) {
    case H2_DEAD:
        if (peer->state == HUB_GREETING)
            greeting_failed(peer);
        else
            end_with(peer, ERR_UNAVAILABLE, "the connection ended: ", h2_conn_reason(peer->conn));
        return true;
    case H2_AGAIN:
        peer->touched = true; /* and an event, which poll won't announce */
        return true;
    case H2_WAIT:
        break;
    }
    return peer->touched;
}

bool links_hub_settle(struct links_hub *peer)
{
    bool again = false;
    if (peer->fetch_failed) {
        struct problem why;
        problem_set(&why, ERR_UNAVAILABLE, "", "no stream can be had");
        peer->fetch_failed = false;
        federation_snapshot_over(peer->shared->federation, peer->number, &why);
        again = true;
    }
    links_forwards_expire(peer);
    if (peer->conn != NULL && peer->touched)
        again |= settle_conn(peer);
    /* A hub that stops waits for its calls to end, and Follow never would. */
    if (peer->state == HUB_LINKED && !peer->over && !h2_conn_accepts_calls(peer->conn) && !links_forwards_wait(peer))
        end_with(peer, ERR_UNAVAILABLE, "it is stopping", "");
    if (peer->over) {
        go_on(peer);
        return true;
    }
    if (peer->state == HUB_GREETING && h2_conn_peer(peer->conn) != NULL) {
        link_up(peer);
        return true;
    }
    return again || peer->touched;
}
