/*
 * forwards.c - see forwards.h. One thread.
 */
#include "tests/sim/federation/forwards.h"

#include "proto/wire/h2.h"
#include "proto/wire/status.h"
#include "tests/sim/federation/hubs.h"
#include "tests/sim/federation/network.h"

#include <stdlib.h>
#include <string.h>

#define LOOK_US  INT64_C(100000) /* how soon a hub knows that the connection under a request has ended */
#define AGAIN_US INT64_C(200000) /* how often TCP tries again at a cut */

struct passage {
    struct passage *next;
    uint64_t serial, link;
    uint32_t dialer, acceptor;
    struct forward *forward; /* NULL: nobody waits for it any more */
    struct sim_call *call;   /* at the acceptor */
    bool on_its_way;         /* there */
    bool on_its_way_back;
    int64_t timeout_ms; /* as it left */
    uint8_t *request;
    size_t request_bytes;
    /* As the acceptor answered: */
    struct problem problem;
    uint8_t *response, *status;
    size_t response_bytes, status_bytes;
    bool replied;
};

struct forwards {
    struct passage *first;
    uint64_t serials;
};

static struct passage *by_serial(const struct world *world, uint64_t serial)
{
    for (struct passage *at = world->forwards->first; at != NULL; at = at->next)
        if (at->serial == serial)
            return at;
    return NULL;
}

static void sweep(struct forwards *forwards)
{
    for (struct passage **at = &forwards->first; *at != NULL;) {
        struct passage *passage = *at;
        if (passage->forward != NULL || passage->call != NULL || passage->on_its_way || passage->on_its_way_back) {
            at = &passage->next;
            continue;
        }
        *at = passage->next;
        free(passage->request);
        free(passage->response);
        free(passage->status);
        free(passage);
    }
}

static uint8_t *copied(const void *data, size_t bytes)
{
    uint8_t *copy = malloc(bytes + 1);
    if (copy == NULL)
        abort();
    if (bytes > 0)
        memcpy(copy, data, bytes);
    return copy;
}

/* --- how it ends -------------------------------------------------------------------------------------------------- */

static void settle(struct world *world, struct passage *passage, enum forward_end end, const struct problem *why)
{
    static const enum sim_covered met[] = {
        [FORWARD_ANSWERED] = COVERED_FORWARD_ANSWERED, [FORWARD_SAID] = COVERED_FORWARD_REFUSED,
        [FORWARD_DOWN] = COVERED_FORWARD_DOWN,         [FORWARD_UNBEGUN] = COVERED_FORWARD_UNBEGUN,
        [FORWARD_LATE] = COVERED_FORWARD_LATE,         [FORWARD_LOST] = COVERED_FORWARD_LOST,
    };
    struct fed_hub *hub = world->hubs[passage->dialer];
    struct forward *forward = passage->forward;
    passage->forward = NULL;
    if (end == FORWARD_DOWN)
        forward->unreachable_since_ms = clock_wall_ms(&hub->clock) - 1;
    forward_settle(forward, end, why);
    sim_cover(met[end]);
    sim_note(&world->sim, "hub %u: forward %llu to hub %u ends: %s %s", hub->index, (unsigned long long)passage->serial,
             passage->acceptor, err_name(forward->problem.code), forward->problem.text);
    mailbox_send_reserved(forward->reply.mailbox, &(struct mail){.kind = forward->reply.kind,
                                                                 .error = forward->problem.code,
                                                                 .to = forward->reply.to,
                                                                 .value = FORWARD_MAIL,
                                                                 .payload = forward});
    fed_hub_turn_soon(hub);
}

/* As HTTP/2 saw the end of the stream. */
static void settle_as(struct world *world, struct passage *passage, const struct h2_outcome *outcome)
{
    settle(world, passage, forward_end_of(outcome, passage->forward->response.data != NULL), &outcome->problem);
}

static struct h2_outcome broken(enum h2_end end, bool unprocessed)
{
    struct h2_outcome outcome = {.end = end, .code = GRPC_UNAVAILABLE, .unprocessed = unprocessed};
    (void)problem_set(&outcome.problem, ERR_UNAVAILABLE, "", "the stream ended");
    return outcome;
}

static void is_late(struct world *world, const struct event *event)
{
    struct passage *passage = by_serial(world, event->arg);
    if (passage == NULL || passage->forward == NULL)
        return;
    const struct h2_outcome outcome = broken(H2_END_TIMEOUT, false);
    settle_as(world, passage, &outcome);
    if (passage->call != NULL && once_in(&world->sim, 2)) { /* its end hears of it, or never does */
        call_cancel(passage->call);
        passage->call = NULL;
    }
    sweep(world->forwards);
}

static void look_after(struct world *world, const struct event *event)
{
    struct passage *passage = by_serial(world, event->arg);
    if (passage == NULL || passage->forward == NULL)
        return;
    if (network_link_open(world, passage->link, true)) {
        world_book(world, LOOK_US, passage->dialer, look_after, passage->serial);
        return;
    }
    const struct h2_outcome outcome = broken(H2_END_LOST, false);
    settle_as(world, passage, &outcome);
    sweep(world->forwards);
}

/* --- back --------------------------------------------------------------------------------------------------------- */

static void comes_back(struct world *world, const struct event *event)
{
    struct passage *passage = by_serial(world, event->arg);
    if (passage == NULL)
        return;
    bool waited_for = passage->forward != NULL && network_link_open(world, passage->link, true);
    if (waited_for && network_is_cut(world, passage->acceptor, passage->dialer)) {
        world_book(world, AGAIN_US, passage->dialer, comes_back, passage->serial);
        return;
    }
    passage->on_its_way_back = false;
    if (waited_for) {
        struct forward *forward = passage->forward;
        const struct h2_outcome outcome = {.end = H2_END_FINISHED,
                                           .code = (enum grpc_code)err_status(passage->problem.code),
                                           .problem = passage->problem,
                                           .said = true};
        if (passage->replied)
            forward->response = (struct octets){passage->response, passage->response_bytes};
        if (passage->status != NULL)
            forward->details = (struct octets){passage->status, passage->status_bytes};
        passage->response = passage->replied ? NULL : passage->response;
        passage->status = NULL;
        settle_as(world, passage, &outcome);
    }
    sweep(world->forwards);
}

static void answered(struct sim_call *call, const ProtobufCMessage *message)
{
    struct world *world = call->calls->of.fed_hub->world;
    struct passage *passage = by_serial(world, (uint64_t)(uintptr_t)call->user);
    size_t bytes = protobuf_c_message_get_packed_size(message);
    passage->response = malloc(bytes + 1);
    if (passage->response == NULL)
        abort();
    passage->response_bytes = protobuf_c_message_pack(message, passage->response);
    passage->replied = true;
}

static void ended(struct sim_call *call, const struct problem *problem)
{
    struct world *world = call->calls->of.fed_hub->world;
    struct passage *passage = by_serial(world, (uint64_t)(uintptr_t)call->user);
    passage->call = NULL;
    passage->problem = *problem;
    if (call->status != NULL) {
        passage->status = copied(call->status, call->status_bytes);
        passage->status_bytes = call->status_bytes;
    }
    const struct fed_hub *dialer = world->hubs[passage->dialer];
    if (passage->forward == NULL || !dialer->up || !network_link_open(world, passage->link, false))
        return; /* nobody is there; what is left of it goes at the next sweep */
    passage->on_its_way_back = true;
    world_book(world, network_delay_us(world, passage->acceptor, passage->dialer), passage->dialer, comes_back,
               passage->serial);
}

/* --- there -------------------------------------------------------------------------------------------------------- */

static void arrives(struct world *world, const struct event *event)
{
    static const struct client client = {.answered = answered, .ended = ended};
    struct passage *passage = by_serial(world, event->arg);
    if (passage == NULL)
        return;
    struct fed_hub *acceptor = world->hubs[passage->acceptor];
    bool open = network_link_open(world, passage->link, false);
    if (open && network_is_cut(world, passage->dialer, passage->acceptor)) {
        world_book(world, AGAIN_US, passage->acceptor, arrives, passage->serial);
        return;
    }
    passage->on_its_way = false;
    if (!open || (passage->forward == NULL && once_in(&world->sim, 2))) {
        sweep(world->forwards);
        return;
    }
    char name[SPIFFE_NAME_BYTES];
    uint8_t issuer[DIGEST_BYTES];
    Vacancy__V1__ForwardRequest *request =
        vacancy__v1__forward_request__unpack(NULL, passage->request_bytes, passage->request);
    sim_require(&world->sim, request != NULL, "a forwarded request can't be unpacked");
    fed_hub_name(world->hubs[passage->dialer], name);
    fed_hub_issuer(world->hubs[passage->dialer]->region, issuer);
    struct sim_call *call = call_begin_as(&acceptor->calls, "/vacancy.v1.FederationService/Forward", name, issuer,
                                          &client, (void *)(uintptr_t)passage->serial);
    call->call.deadline_boot_ms = clock_boot_ms(&acceptor->clock) + passage->timeout_ms;
    passage->call = call;
    call_feed(call, &request->base);
    vacancy__v1__forward_request__free_unpacked(request, NULL);
    fed_hub_turn_soon(acceptor);
}

/* Onto the connection, where there is one. */
static void leaves(struct world *world, const struct event *event)
{
    struct passage *passage = by_serial(world, event->arg);
    struct fed_hub *hub = world->hubs[event->hub];
    struct forward *forward = passage->forward;
    passage->timeout_ms = forward->deadline_boot_ms - clock_boot_ms(&hub->clock);
    passage->link = network_link(hub, world_region_index(world, forward->region), &passage->acceptor);
    if (passage->link == 0) {
        settle(world, passage, FORWARD_DOWN, NULL);
    } else if (passage->timeout_ms <= 0 || once_in(&world->sim, 20)) { /* its end takes no more streams */
        const struct h2_outcome outcome = broken(H2_END_CANCELLED, true);
        settle_as(world, passage, &outcome);
    } else {
        passage->on_its_way = world->hubs[passage->acceptor]->up;
        if (passage->on_its_way)
            world_book(world, network_delay_us(world, hub->index, passage->acceptor), passage->acceptor, arrives,
                       passage->serial);
        world_book(world, LOOK_US, hub->index, look_after, passage->serial);
        world_book(world, passage->timeout_ms * 1000, hub->index, is_late, passage->serial);
    }
    sweep(world->forwards);
}

static enum err submit(void *ctx, struct forward *forward)
{
    struct fed_hub *hub = ctx;
    struct world *world = hub->world;
    struct passage *passage = calloc(1, sizeof *passage);
    if (passage == NULL)
        abort();
    *passage = (struct passage){.next = world->forwards->first,
                                .serial = ++world->forwards->serials,
                                .dialer = hub->index,
                                .forward = forward,
                                .request = copied(forward->request.data, forward->request.size),
                                .request_bytes = forward->request.size};
    world->forwards->first = passage;
    world_book(world, between(&world->sim, 0, 2000), hub->index, leaves, passage->serial);
    return ERR_NONE;
}

struct forward_port forwards_port(struct fed_hub *hub)
{
    return (struct forward_port){.submit = submit, .ctx = hub};
}

/* --- ends of processes -------------------------------------------------------------------------------------------- */

void forwards_hub_gone(struct world *world, const struct fed_hub *hub)
{
    for (struct passage *at = world->forwards->first; at != NULL; at = at->next) {
        if (at->dialer == hub->index) {
            if (at->forward != NULL)
                mailbox_unreserve(at->forward->reply.mailbox);
            forward_destroy(at->forward);
            at->forward = NULL;
            at->on_its_way_back = false;
        }
        if (at->acceptor == hub->index && at->link != 0) {
            at->call = NULL; /* goes with the hub's calls */
            at->on_its_way = false;
        }
    }
    sweep(world->forwards);
}

struct forwards *forwards_create(void)
{
    struct forwards *forwards = calloc(1, sizeof *forwards);
    if (forwards == NULL)
        abort();
    return forwards;
}

void forwards_destroy(struct forwards *forwards)
{
    sweep(forwards);
    free(forwards);
}
