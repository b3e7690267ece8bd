/*
 * links_forward.c - see links_hub.h: requests to the home hub, as unary calls on the connection of the link.
 *
 * Owns: a peer's list of forwards under way. Not here: who waits for the answer (links.c), which problem follows from
 * which end (forward.c). Thread: the links'.
 * Invariant: a forward is in the list exactly while its stream has it as its context; it leaves by `finish`, once.
 */
#include "daemon/federation/links_hub.h"

#include "daemon/base/log.h"

#include <stdlib.h>
#include <string.h>

#define FORWARD "/vacancy.v1.FederationService/Forward"
/* How long a hub that stops is waited for while it has forwards of ours. */
#define STOPPING_MS 1000

struct links_forward {
    struct links_hub *peer;
    struct forward *forward;
    struct h2_stream *stream;
    struct links_forward *previous, *next;
};

static void answer(struct links_hub *peer, struct forward *forward, enum forward_end end, const struct problem *why)
{
    if (end == FORWARD_DOWN)
        forward->unreachable_since_ms = peer->down_since_ms;
    forward_settle(forward, end, why);
    peer->shared->answered(peer->shared->answered_ctx, forward);
}

static void finish(struct links_forward *call, enum forward_end end, const struct problem *why)
{
    struct links_hub *peer = call->peer;
    struct forward *forward = call->forward;
    if (call->previous != NULL)
        call->previous->next = call->next;
    else
        peer->forwards = call->next;
    if (call->next != NULL)
        call->next->previous = call->previous;
    peer->forward_count--;
    free(call);
    answer(peer, forward, end, why);
}

/* Whatever its stream still says is not heard. */
static void abandon(struct links_forward *call, enum forward_end end, const struct problem *why)
{
    bool left = h2_stream_has_left(call->stream);
    h2_stream_set_context(call->stream, NULL);
    finish(call, left ? end : FORWARD_UNBEGUN, why);
}

static void start(struct links_hub *peer, struct links_forward *call, struct forward *forward)
{
    *call = (struct links_forward){.peer = peer, .forward = forward, .next = peer->forwards};
    const struct h2_call unary = {.path = FORWARD,
                                  .timeout_ms = forward->deadline_boot_ms - peer->shared->now_ms,
                                  .context = call,
                                  .one_reply = true,
                                  .reply_bytes_max = FORWARD_REPLY_MAX_BYTES};
    call->stream = h2_call_start(peer->conn, &unary, peer->shared->now_ms);
    if (call->stream == NULL) {
        free(call);
        answer(peer, forward, FORWARD_UNBEGUN, NULL);
        return;
    }
    (void)h2_stream_send_octets(call->stream, forward->request.data, forward->request.size);
    h2_stream_half_close(call->stream);
    if (call->next != NULL)
        call->next->previous = call;
    peer->forwards = call;
    peer->forward_count++;
    if (peer->forward_count == 1 || forward->deadline_boot_ms < peer->forward_due_ms)
        peer->forward_due_ms = forward->deadline_boot_ms;
}

void links_hub_forward(struct links_hub *peer, struct forward *forward)
{
    struct links_forward *call = NULL;
    if (peer->state != HUB_LINKED || peer->over)
        answer(peer, forward, FORWARD_DOWN, NULL);
    else if (peer->forward_count >= FORWARDS_EACH_MAX)
        answer(peer, forward, FORWARD_CROWDED, NULL);
    else if (forward->deadline_boot_ms <= peer->shared->now_ms || (call = malloc(sizeof *call)) == NULL)
        answer(peer, forward, FORWARD_UNBEGUN, NULL);
    else
        start(peer, call, forward);
}

void links_forward_heard(void *context, const uint8_t *data, size_t bytes)
{
    struct links_forward *call = context;
    uint8_t *copy = malloc(bytes + 1); /* at most FORWARD_REPLY_MAX_BYTES, and once: `one_reply` */
    if (copy == NULL)
        return; /* closed without an answer */
    if (bytes > 0)
        memcpy(copy, data, bytes);
    call->forward->response.data = copy;
    call->forward->response.size = bytes;
}

static void keep_details(struct forward *forward, const struct h2_outcome *outcome)
{
    uint8_t *copy = outcome->details_bytes > 0 && outcome->details_bytes <= STATUS_DETAILS_SENT_MAX
                        ? malloc(outcome->details_bytes)
                        : NULL;
    if (copy == NULL)
        return;
    memcpy(copy, outcome->details, outcome->details_bytes);
    forward->details = (struct octets){copy, outcome->details_bytes};
}

void links_forward_closed(void *context, const struct h2_outcome *outcome)
{
    struct links_forward *call = context;
    enum forward_end end = forward_end_of(outcome, call->forward->response.data != NULL);
    if (end == FORWARD_SAID)
        keep_details(call->forward, outcome);
    finish(call, end, &outcome->problem);
}

void links_forwards_lose(struct links_hub *peer)
{
    for (struct links_forward *call = peer->forwards, *next; call != NULL; call = next) {
        next = call->next;
        abandon(call, FORWARD_LOST, peer->over ? &peer->why : NULL);
    }
    peer->stopping_ms = 0;
}

void links_forwards_expire(struct links_hub *peer)
{
    int64_t now = peer->shared->now_ms, due = INT64_MAX;
    if (peer->forwards == NULL || now < peer->forward_due_ms)
        return;
    for (struct links_forward *call = peer->forwards, *next; call != NULL; call = next) {
        next = call->next;
        int64_t at = call->forward->deadline_boot_ms;
        if (at > now) {
            due = at < due ? at : due;
            continue;
        }
        struct h2_stream *stream = call->stream;
        abandon(call, FORWARD_LATE, NULL);
        h2_stream_cancel(stream);
    }
    peer->forward_due_ms = due;
}

bool links_forwards_wait(struct links_hub *peer)
{
    int64_t now = peer->shared->now_ms;
    if (peer->forwards == NULL)
        return false;
    if (peer->stopping_ms == 0)
        peer->stopping_ms = now + STOPPING_MS;
    return now < peer->stopping_ms;
}

int64_t links_forwards_due_ms(const struct links_hub *peer)
{
    if (peer->forwards == NULL)
        return INT64_MAX;
    return peer->stopping_ms != 0 && peer->stopping_ms < peer->forward_due_ms ? peer->stopping_ms
                                                                              : peer->forward_due_ms;
}
