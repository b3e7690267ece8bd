/*
 * network.c - see network.h. One thread.
 *
 *     dialer:    federation.c        | HELLO FOLLOW FETCH STOP BYE   >  UP        | acceptor: Follow,
 *                through link_port   | LINKED FOLLOW END             <  DOWN      | FetchSnapshot
 *                                    | SNAPSHOT SNAPSHOT_END         <  SNAPSHOT  | handlers
 */
#include "tests/sim/federation/network.h"

#include "tests/sim/federation/hubs.h"
#include "tests/sim/federation/liar.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define CONNECT_TIMEOUT_US (10 * SECOND_US)
#define INBOUND_DEAD_US    (2 * SECOND_US)
#define SECOND_US          INT64_C(1000000)
#define RETRANSMITTED_US   (3 * SECOND_US) /* after a cut: at most so long until it is noticed that messages get by */

enum message_kind {
    HELLO,
    FOLLOW,
    FETCH,
    STOP,
    BYE,
    LINKED,
    END,
    SNAPSHOT,
    SNAPSHOT_END,
};

enum pipe_name { PIPE_UP, PIPE_DOWN, PIPE_SNAPSHOT, PIPES };

struct message {
    struct message *next;
    enum message_kind kind;
    int64_t ready_us;
    uint64_t fetch; /* which fetch of the connection */
    enum err code;  /* of an end */
    uint8_t *data;
    size_t bytes;
};

struct pipe {
    struct message *first, *last;
    size_t bytes;
    uint32_t count;
    int64_t last_ready_us;
    bool booked;
};

struct connection {
    struct connection *next;
    uint64_t serial;
    uint32_t dialer, acceptor;
    bool dialer_open, acceptor_open; /* each end's own view */
    bool to_tell;                    /* the dialer's links know that it is gone, its logic doesn't yet */
    bool linked;                     /* the dialer was told so */
    bool reading;                    /* the dialer takes messages */
    struct sim_call *follow, *fetch; /* at the acceptor */
    bool fetching;                   /* as the dialer sees it */
    uint64_t fetches;                /* counted by the dialer */
    uint64_t fetch_serving;
    int64_t heard_us; /* by the acceptor */
    struct pipe pipes[PIPES];
};

struct network {
    struct connection *first;
    uint64_t serials;
    size_t room;    /* octets that a stream takes before its sender has to wait */
    size_t room_up; /* and before a dialer finds that its peer takes nothing */
    bool cut[WORLD_HUBS_MAX][WORLD_HUBS_MAX];
    int64_t delay_us[WORLD_HUBS_MAX][WORLD_HUBS_MAX];
    uint32_t liar;
    struct liar *lies;
};

/* --- pipes ------------------------------------------------------------------------------------------------------- */

static void deliver_up(struct world *world, const struct event *event);
static void deliver_down(struct world *world, const struct event *event);
static void deliver_snapshot(struct world *world, const struct event *event);

static uint32_t sender_of(const struct connection *connection, enum pipe_name name)
{
    return name == PIPE_UP ? connection->dialer : connection->acceptor;
}

static uint32_t receiver_of(const struct connection *connection, enum pipe_name name)
{
    return name == PIPE_UP ? connection->acceptor : connection->dialer;
}

static void pump(struct world *world, struct connection *connection, enum pipe_name name)
{
    static void (*const run[])(struct world * world, const struct event *event) = {deliver_up, deliver_down,
                                                                                   deliver_snapshot};
    struct pipe *pipe = &connection->pipes[name];
    if (pipe->booked || pipe->first == NULL)
        return;
    pipe->booked = true;
    world_book(world, pipe->first->ready_us - world->now_us, receiver_of(connection, name), run[name],
               connection->serial);
}

static void free_message(struct message *message)
{
    free(message->data);
    free(message);
}

static void pipe_clear(struct pipe *pipe)
{
    for (struct message *message; (message = pipe->first) != NULL;) {
        pipe->first = message->next;
        free_message(message);
    }
    pipe->last = NULL;
    pipe->bytes = pipe->count = 0;
}

static struct message *pipe_take(struct pipe *pipe)
{
    struct message *message = pipe->first;
    pipe->first = message->next;
    if (pipe->first == NULL)
        pipe->last = NULL;
    pipe->bytes -= message->bytes;
    pipe->count--;
    return message;
}

static void push(struct world *world, struct connection *connection, enum pipe_name name, struct message *message)
{
    struct pipe *pipe = &connection->pipes[name];
    message->ready_us =
        world->now_us + network_delay_us(world, sender_of(connection, name), receiver_of(connection, name));
    if (message->ready_us < pipe->last_ready_us)
        message->ready_us = pipe->last_ready_us;
    pipe->last_ready_us = message->ready_us;
    message->next = NULL;
    if (pipe->last != NULL)
        pipe->last->next = message;
    else
        pipe->first = message;
    pipe->last = message;
    pipe->bytes += message->bytes;
    pipe->count++;
    pump(world, connection, name);
}

static struct message *make(enum message_kind kind, const ProtobufCMessage *content)
{
    struct message *message = calloc(1, sizeof *message);
    if (message == NULL)
        abort();
    message->kind = kind;
    if (content == NULL)
        return message;
    message->bytes = protobuf_c_message_get_packed_size(content);
    message->data = malloc(message->bytes + 1);
    if (message->data == NULL)
        abort();
    protobuf_c_message_pack(content, message->data);
    return message;
}

static void push_empty(struct world *world, struct connection *connection, enum pipe_name name, enum message_kind kind,
                       enum err code)
{
    struct message *message = make(kind, NULL);
    message->code = code;
    push(world, connection, name, message);
}

/* --- connections ------------------------------------------------------------------------------------------------- */

static struct connection *by_serial(const struct world *world, uint64_t serial)
{
    for (struct connection *at = world->network->first; at != NULL; at = at->next)
        if (at->serial == serial)
            return at;
    return NULL;
}

static uint32_t peer_of(const struct world *world, const struct connection *connection)
{
    return world->hubs[connection->acceptor]->region; /* the roster's regions are sorted as ours are */
}

static struct connection *to_peer(const struct fed_hub *hub, uint32_t peer)
{
    for (struct connection *at = hub->world->network->first; at != NULL; at = at->next)
        if (at->dialer == hub->index && at->dialer_open && peer_of(hub->world, at) == peer)
            return at;
    return NULL;
}

/* hang_up on what was never linked is followed by nothing. */
static void forget_to_tell(const struct fed_hub *hub, uint32_t peer)
{
    for (struct connection *at = hub->world->network->first; at != NULL; at = at->next)
        if (at->dialer == hub->index && peer_of(hub->world, at) == peer && !at->linked)
            at->to_tell = false;
}

/* Frees what nobody looks at any more. Never within a call of the hub's parts: after events only. */
static void sweep(struct network *network)
{
    for (struct connection **at = &network->first; *at != NULL;) {
        struct connection *connection = *at;
        if (connection->dialer_open || connection->to_tell || connection->acceptor_open ||
            (connection->pipes[PIPE_UP].first != NULL && connection->pipes[PIPE_UP].booked)) {
            at = &connection->next;
            continue;
        }
        *at = connection->next;
        for (int name = 0; name < PIPES; name++)
            pipe_clear(&connection->pipes[name]);
        free(connection);
    }
}

static void end_calls(struct connection *connection)
{
    if (connection->follow != NULL)
        call_cancel(connection->follow);
    if (connection->fetch != NULL)
        call_cancel(connection->fetch);
    connection->follow = connection->fetch = NULL;
}

/* The acceptor is done with it; the dialer hears so if it can. */
static void acceptor_closes(struct world *world, struct connection *connection, enum err code)
{
    if (!connection->acceptor_open)
        return;
    end_calls(connection);
    connection->acceptor_open = false;
    push_empty(world, connection, PIPE_DOWN, END, code);
}

static void dialer_closes(struct world *world, struct connection *connection)
{
    connection->dialer_open = false;
    pipe_clear(&connection->pipes[PIPE_DOWN]);
    pipe_clear(&connection->pipes[PIPE_SNAPSHOT]);
    push_empty(world, connection, PIPE_UP, BYE, ERR_NONE);
}

static void tell_unlinked(struct world *world, const struct event *event)
{
    struct connection *connection = by_serial(world, event->arg);
    struct fed_hub *hub = world->hubs[event->hub];
    struct problem why;
    if (connection == NULL || !connection->to_tell)
        return;
    connection->to_tell = false;
    (void)problem_set(&why, ERR_UNAVAILABLE, "", "the connection broke");
    federation_unlinked(hub->federation, peer_of(world, connection), &why);
    fed_hub_tick_soon(hub);
}

/* The dialer finds the connection gone. */
static void dialer_lost(struct world *world, struct connection *connection)
{
    dialer_closes(world, connection);
    connection->to_tell = true;
    world_book(world, between(&world->sim, 0, 1000), connection->dialer, tell_unlinked, connection->serial);
}

/* --- what the acceptor's handlers say ----------------------------------------------------------------------------- */

static bool has_room(struct sim_call *call)
{
    const struct connection *connection = call->user;
    const struct fed_hub *hub = call->calls->of.fed_hub;
    const struct pipe *pipe = &connection->pipes[call == connection->fetch ? PIPE_SNAPSHOT : PIPE_DOWN];
    return pipe->bytes < hub->world->network->room;
}

static void said(struct sim_call *call, enum pipe_name name, const ProtobufCMessage *content)
{
    struct connection *connection = call->user;
    struct world *world = call->calls->of.fed_hub->world;
    struct message *message = make(name == PIPE_DOWN ? FOLLOW : SNAPSHOT, content);
    message->fetch = connection->fetch_serving;
    sim_require(&world->sim, message->bytes < 1u << 20, "a message of %zu octets", message->bytes);
    if (world->network->liar == connection->acceptor) {
        struct lie lie;
        liar_tells(world->network->lies, &world->sim, name == PIPE_SNAPSHOT, message->data, message->bytes, &lie);
        for (uint32_t i = 0; i < lie.count; i++) {
            struct message *told = make(message->kind, NULL);
            told->fetch = message->fetch;
            told->data = lie.said[i].data;
            told->bytes = lie.said[i].bytes;
            push(world, connection, name, told);
        }
        free_message(message);
        return;
    }
    push(world, connection, name, message);
}

static void follow_said(struct sim_call *call, const ProtobufCMessage *content)
{
    said(call, PIPE_DOWN, content);
}

static void snapshot_said(struct sim_call *call, const ProtobufCMessage *content)
{
    said(call, PIPE_SNAPSHOT, content);
}

static void follow_ended(struct sim_call *call, const struct problem *problem)
{
    struct connection *connection = call->user;
    struct world *world = call->calls->of.fed_hub->world;
    sim_note(&world->sim, "hub %u ends the Follow of hub %u: %s %s", connection->acceptor, connection->dialer,
             err_name(problem->code), problem->text);
    connection->follow = NULL;
    acceptor_closes(world, connection, problem->code);
}

static void snapshot_ended(struct sim_call *call, const struct problem *problem)
{
    struct connection *connection = call->user;
    struct world *world = call->calls->of.fed_hub->world;
    struct message *message = make(SNAPSHOT_END, NULL);
    message->code = problem->code;
    message->fetch = connection->fetch_serving;
    connection->fetch = NULL;
    sim_note(&world->sim, "hub %u ends the snapshot for hub %u: %s %s", connection->acceptor, connection->dialer,
             err_name(problem->code), problem->text);
    push(world, connection, PIPE_SNAPSHOT, message);
}

/* --- what the acceptor hears -------------------------------------------------------------------------------------- */

static struct sim_call *inbound(struct world *world, struct connection *connection, const char *path,
                                const struct client *client)
{
    struct fed_hub *acceptor = world->hubs[connection->acceptor];
    const struct fed_hub *dialer = world->hubs[connection->dialer];
    char name[SPIFFE_NAME_BYTES];
    uint8_t issuer[DIGEST_BYTES];
    fed_hub_name(dialer, name);
    fed_hub_issuer(dialer->region, issuer);
    struct sim_call *call = call_begin_as(&acceptor->calls, path, name, issuer, client, connection);
    call->call.deadline_boot_ms = INT64_MAX;
    return call;
}

/* TCP keeps trying, TLS and HTTP/2 pings do not: whoever hears nothing for so long gives up. */
static void look_after(struct world *world, const struct event *event)
{
    struct connection *connection = by_serial(world, event->arg);
    if (connection == NULL || !connection->acceptor_open)
        return;
    if (world->now_us - connection->heard_us > INBOUND_DEAD_US) {
        sim_cover(COVERED_INBOUND_GIVEN_UP);
        acceptor_closes(world, connection, ERR_DEADLINE);
        return;
    }
    world_book(world, SECOND_US / 2, connection->acceptor, look_after, connection->serial);
}

static void begin_fetch(struct world *world, struct connection *connection, const struct message *message)
{
    static const struct client client = {.answered = snapshot_said, .has_room = has_room, .ended = snapshot_ended};
    if (connection->fetch != NULL)
        call_cancel(connection->fetch);
    Vacancy__V1__FetchSnapshotRequest *request =
        vacancy__v1__fetch_snapshot_request__unpack(NULL, message->bytes, message->data);
    sim_require(&world->sim, request != NULL, "a request for a snapshot can't be unpacked");
    connection->fetch_serving = message->fetch;
    struct sim_call *call = inbound(world, connection, "/vacancy.v1.FederationService/FetchSnapshot", &client);
    connection->fetch = call;
    call_feed(call, &request->base);
    call_half_close(call);
    vacancy__v1__fetch_snapshot_request__free_unpacked(request, NULL);
}

static void hello(struct world *world, struct connection *connection)
{
    static const struct client client = {.answered = follow_said, .has_room = has_room, .ended = follow_ended};
    connection->acceptor_open = true;
    connection->follow = inbound(world, connection, "/vacancy.v1.FederationService/Follow", &client);
    push_empty(world, connection, PIPE_DOWN, LINKED, ERR_NONE);
    world_book(world, SECOND_US / 2, connection->acceptor, look_after, connection->serial);
}

static void hear_up(struct world *world, struct connection *connection, const struct message *message)
{
    connection->heard_us = world->now_us;
    if (!connection->acceptor_open && message->kind != HELLO && message->kind != BYE) {
        /* A machine that knows nothing of this connection says so. */
        if (connection->dialer_open && connection->pipes[PIPE_DOWN].first == NULL)
            push_empty(world, connection, PIPE_DOWN, END, ERR_UNAVAILABLE);
        return;
    }
    switch (message->kind) {
    case HELLO:
        hello(world, connection);
        break;
    case FOLLOW: {
        Vacancy__V1__FollowRequest *request = vacancy__v1__follow_request__unpack(NULL, message->bytes, message->data);
        sim_require(&world->sim, request != NULL, "a request to follow can't be unpacked");
        if (connection->follow != NULL)
            call_feed(connection->follow, &request->base);
        vacancy__v1__follow_request__free_unpacked(request, NULL);
        break;
    }
    case FETCH:
        begin_fetch(world, connection, message);
        break;
    case STOP:
        if (connection->fetch != NULL && connection->fetch_serving == message->fetch) {
            call_cancel(connection->fetch);
            connection->fetch = NULL;
            pipe_clear(&connection->pipes[PIPE_SNAPSHOT]);
        }
        break;
    default: /* BYE */
        end_calls(connection);
        connection->acceptor_open = false;
    }
}

static void deliver_up(struct world *world, const struct event *event)
{
    struct connection *connection = by_serial(world, event->arg);
    if (connection == NULL)
        return;
    struct pipe *pipe = &connection->pipes[PIPE_UP];
    pipe->booked = false;
    bool full = connection->follow != NULL && connection->follow->not_reading;
    if (pipe->first == NULL || full || world->network->cut[connection->dialer][connection->acceptor])
        return;
    struct message *message = pipe_take(pipe);
    hear_up(world, connection, message);
    free_message(message);
    fed_hub_turn_soon(world->hubs[connection->acceptor]);
    pump(world, connection, PIPE_UP);
}

/* --- what the dialer hears ---------------------------------------------------------------------------------------- */

static void hear_follow(struct world *world, struct connection *connection, const struct message *message)
{
    struct fed_hub *hub = world->hubs[connection->dialer];
    Vacancy__V1__FollowResponse *response = vacancy__v1__follow_response__unpack(NULL, message->bytes, message->data);
    if (response == NULL) { /* a lie; links ends a connection on which it hears nonsense */
        sim_cover(COVERED_NONSENSE_HEARD);
        dialer_lost(world, connection);
        return;
    }
    federation_heard(hub->federation, peer_of(world, connection), response);
    vacancy__v1__follow_response__free_unpacked(response, NULL);
}

static void hear_snapshot(struct world *world, struct connection *connection, const struct message *message)
{
    struct fed_hub *hub = world->hubs[connection->dialer];
    struct problem problem = {0};
    if (message->fetch != connection->fetches)
        return; /* of one that was stopped */
    if (message->kind == SNAPSHOT_END) {
        connection->fetches++; /* nothing more of it counts */
        if (message->code != ERR_NONE)
            (void)problem_set(&problem, message->code, "", "the peer ended it");
        connection->fetching = false;
        federation_snapshot_over(hub->federation, peer_of(world, connection), &problem);
        return;
    }
    Vacancy__V1__FetchSnapshotResponse *response =
        vacancy__v1__fetch_snapshot_response__unpack(NULL, message->bytes, message->data);
    if (response == NULL) {
        sim_cover(COVERED_NONSENSE_HEARD);
        dialer_lost(world, connection);
        return;
    }
    federation_snapshot_heard(hub->federation, peer_of(world, connection), response);
    vacancy__v1__fetch_snapshot_response__free_unpacked(response, NULL);
}

static void hear_down(struct world *world, struct connection *connection, const struct message *message)
{
    struct fed_hub *hub = world->hubs[connection->dialer];
    switch (message->kind) {
    case LINKED:
        connection->linked = true;
        federation_linked(hub->federation, peer_of(world, connection));
        break;
    case FOLLOW:
        hear_follow(world, connection, message);
        break;
    case END:
        dialer_lost(world, connection);
        break;
    default:
        hear_snapshot(world, connection, message);
    }
}

static void deliver(struct world *world, uint64_t serial, enum pipe_name name)
{
    struct connection *connection = by_serial(world, serial);
    if (connection == NULL)
        return;
    struct pipe *pipe = &connection->pipes[name];
    pipe->booked = false;
    if (pipe->first == NULL || !connection->dialer_open ||
        world->network->cut[connection->acceptor][connection->dialer])
        return;
    bool content = pipe->first->kind == FOLLOW || pipe->first->kind == SNAPSHOT;
    if (!connection->reading && content)
        return;
    bool was_full = pipe->bytes >= world->network->room;
    struct message *message = pipe_take(pipe);
    hear_down(world, connection, message);
    free_message(message);
    fed_hub_tick_soon(world->hubs[connection->dialer]);
    if (was_full && world->hubs[connection->acceptor]->up)
        fed_hub_turn_soon(world->hubs[connection->acceptor]);
    pump(world, connection, name);
}

static void deliver_down(struct world *world, const struct event *event)
{
    deliver(world, event->arg, PIPE_DOWN);
}

static void deliver_snapshot(struct world *world, const struct event *event)
{
    deliver(world, event->arg, PIPE_SNAPSHOT);
}

/* --- link_port --------------------------------------------------------------------------------------------------- */

static uint32_t some_hub_of(struct world *world, uint32_t region)
{
    uint32_t at = region, seen = 0;
    for (uint32_t i = 0; i < world->hub_count; i++)
        if (world->hubs[i]->region == region && world->hubs[i]->up && below(&world->sim, ++seen) == 0)
            at = i;
    return at;
}

static void give_up_dialling(struct world *world, const struct event *event)
{
    struct connection *connection = by_serial(world, event->arg);
    if (connection != NULL && connection->dialer_open && !connection->linked)
        dialer_lost(world, connection);
}

static void port_dial(void *ctx, uint32_t peer)
{
    struct fed_hub *hub = ctx;
    struct world *world = hub->world;
    if (to_peer(hub, peer) != NULL)
        return; /* as links does */
    sim_require(&world->sim, peer != hub->region && peer < world->region_count, "hub %u dials peer %u", hub->index,
                peer);
    struct connection *connection = calloc(1, sizeof *connection);
    if (connection == NULL)
        abort();
    *connection = (struct connection){
        .next = world->network->first,
        .serial = ++world->network->serials,
        .dialer = hub->index,
        .acceptor = some_hub_of(world, peer),
        .dialer_open = true,
        .reading = true,
    };
    world->network->first = connection;
    world_book(world, CONNECT_TIMEOUT_US, hub->index, give_up_dialling, connection->serial);
    if (world->hubs[connection->acceptor]->up)
        push_empty(world, connection, PIPE_UP, HELLO, ERR_NONE);
    else if (once_in(&world->sim, 2)) /* refused at once; else its machine is off */
        push_empty(world, connection, PIPE_DOWN, END, ERR_UNAVAILABLE);
}

static void port_hang_up(void *ctx, uint32_t peer)
{
    struct fed_hub *hub = ctx;
    struct connection *connection = to_peer(hub, peer);
    forget_to_tell(hub, peer);
    if (connection == NULL)
        return;
    sim_note(&hub->world->sim, "hub %u hangs up on %u", hub->index, peer);
    if (connection->linked)
        dialer_lost(hub->world, connection);
    else
        dialer_closes(hub->world, connection);
}

static bool port_send(void *ctx, uint32_t peer, const Vacancy__V1__FollowRequest *content)
{
    struct fed_hub *hub = ctx;
    struct connection *connection = to_peer(hub, peer);
    if (connection == NULL || !connection->linked)
        return false;
    if (connection->pipes[PIPE_UP].bytes >= hub->world->network->room_up) {
        dialer_lost(hub->world, connection);
        return false;
    }
    push(hub->world, connection, PIPE_UP, make(FOLLOW, &content->base));
    return true;
}

static void port_fetch(void *ctx, uint32_t peer, const Vacancy__V1__FetchSnapshotRequest *request)
{
    struct fed_hub *hub = ctx;
    struct connection *connection = to_peer(hub, peer);
    if (connection == NULL || !connection->linked || connection->fetching)
        return;
    connection->fetching = true;
    sim_note(&hub->world->sim, "hub %u fetches %s from %u, after %" PRIu64 " and %u", hub->index, request->region, peer,
             request->headers_until, request->after_table);
    sim_cover(request->from_sequence > 0 ? COVERED_SNAPSHOT_RESUMED : COVERED_SNAPSHOT_ASKED);
    struct message *message = make(FETCH, &request->base);
    message->fetch = ++connection->fetches;
    push(hub->world, connection, PIPE_UP, message);
}

static void port_stop_fetch(void *ctx, uint32_t peer)
{
    struct fed_hub *hub = ctx;
    struct connection *connection = to_peer(hub, peer);
    if (connection == NULL || !connection->fetching)
        return;
    connection->fetching = false;
    struct message *message = make(STOP, NULL);
    message->fetch = connection->fetches++;
    pipe_clear(&connection->pipes[PIPE_SNAPSHOT]);
    push(hub->world, connection, PIPE_UP, message);
}

static void port_set_reading(void *ctx, uint32_t peer, bool on)
{
    struct fed_hub *hub = ctx;
    struct connection *connection = to_peer(hub, peer);
    if (connection == NULL)
        return;
    connection->reading = on;
    pump(hub->world, connection, PIPE_DOWN);
    pump(hub->world, connection, PIPE_SNAPSHOT);
}

static void port_peers_changed(void *ctx, const struct roster *roster)
{
    struct fed_hub *hub = ctx;
    (void)roster;
    for (struct connection *at = hub->world->network->first; at != NULL; at = at->next)
        if (at->dialer == hub->index) {
            at->to_tell = false;
            if (at->dialer_open)
                dialer_closes(hub->world, at);
        }
}

struct link_port network_port(struct fed_hub *hub)
{
    return (struct link_port){
        .ctx = hub,
        .dial = port_dial,
        .hang_up = port_hang_up,
        .send = port_send,
        .fetch = port_fetch,
        .stop_fetch = port_stop_fetch,
        .set_reading = port_set_reading,
        .peers_changed = port_peers_changed,
    };
}

/* --- what befalls it --------------------------------------------------------------------------------------------- */

void network_turn(struct world *world, struct fed_hub *hub)
{
    calls_turn(&hub->calls);
    for (struct connection *at = world->network->first; at != NULL; at = at->next)
        if (at->acceptor == hub->index && at->acceptor_open)
            pump(world, at, PIPE_UP); /* a handler may read again */
    sweep(world->network);
}

void network_hub_gone(struct world *world, struct fed_hub *hub, bool silently)
{
    for (struct connection *at = world->network->first; at != NULL; at = at->next) {
        if (at->acceptor == hub->index) {
            at->follow = at->fetch = NULL; /* the hub's calls went with it */
            pipe_clear(&at->pipes[PIPE_UP]);
            at->pipes[PIPE_UP].booked = false; /* for the process that is gone */
            if (once_in(&world->sim, 2)) {     /* what it had sent is lost, or some of it still arrives */
                pipe_clear(&at->pipes[PIPE_DOWN]);
                pipe_clear(&at->pipes[PIPE_SNAPSHOT]);
            }
            if (at->acceptor_open && at->dialer_open && !silently)
                push_empty(world, at, PIPE_DOWN, END, ERR_UNAVAILABLE);
            at->acceptor_open = false;
        }
        if (at->dialer == hub->index)
            at->to_tell = false;
        if (at->dialer == hub->index && at->dialer_open) {
            at->dialer_open = false;
            pipe_clear(&at->pipes[PIPE_DOWN]);
            pipe_clear(&at->pipes[PIPE_SNAPSHOT]);
            if (!silently)
                push_empty(world, at, PIPE_UP, BYE, ERR_NONE);
        }
    }
    sweep(world->network);
}

void network_cut(struct world *world, uint32_t from, uint32_t to, bool cut)
{
    world->network->cut[from][to] = cut;
    if (cut)
        return;
    for (struct connection *at = world->network->first; at != NULL; at = at->next)
        for (int name = 0; name < PIPES; name++)
            if (sender_of(at, (enum pipe_name)name) == from && receiver_of(at, (enum pipe_name)name) == to &&
                at->pipes[name].first != NULL && !at->pipes[name].booked) {
                at->pipes[name].first->ready_us = world->now_us + between(&world->sim, 0, RETRANSMITTED_US);
                if (at->pipes[name].last_ready_us < at->pipes[name].first->ready_us)
                    at->pipes[name].last_ready_us = at->pipes[name].first->ready_us;
                pump(world, at, (enum pipe_name)name);
            }
}

int64_t network_delay_us(struct world *world, uint32_t from, uint32_t to)
{
    int64_t most_us = world->network->delay_us[from][to];
    return between(&world->sim, most_us / 10, most_us);
}

uint64_t network_link(const struct fed_hub *hub, uint32_t peer, uint32_t *acceptor)
{
    const struct connection *connection = to_peer(hub, peer);
    if (connection == NULL || !connection->linked)
        return 0;
    *acceptor = connection->acceptor;
    return connection->serial;
}

bool network_link_open(const struct world *world, uint64_t link, bool dialers_view)
{
    const struct connection *connection = by_serial(world, link);
    return connection != NULL && (dialers_view ? connection->dialer_open : connection->acceptor_open);
}

bool network_is_cut(const struct world *world, uint32_t from, uint32_t to)
{
    return world->network->cut[from][to];
}

void network_reset(struct world *world, uint32_t a, uint32_t b)
{
    for (struct connection *at = world->network->first; at != NULL; at = at->next) {
        if ((at->dialer != a || at->acceptor != b) && (at->dialer != b || at->acceptor != a))
            continue;
        for (int name = 0; name < PIPES; name++)
            if (once_in(&world->sim, 2))
                pipe_clear(&at->pipes[name]);
        bool tell_dialer = !once_in(&world->sim, 3), tell_acceptor = !once_in(&world->sim, 3);
        if (at->acceptor_open && tell_acceptor) {
            end_calls(at);
            at->acceptor_open = false;
        }
        if (at->dialer_open && tell_dialer) {
            at->dialer_open = false;
            at->to_tell = true;
            world_book(world, between(&world->sim, 0, 1000), at->dialer, tell_unlinked, at->serial);
        }
        /* Who was not told hears nothing more, and has to find out. */
    }
}

void network_set_delay(struct world *world, uint32_t from, uint32_t to, int64_t most_us)
{
    world->network->delay_us[from][to] = most_us;
}

void network_set_liar(struct world *world, uint32_t hub)
{
    world->network->liar = hub;
    liar_forget(world->network->lies);
}

struct network *network_create(struct world *world)
{
    static const size_t rooms[] = {1, 2000, 16384, 256 * 1024};
    struct network *network = calloc(1, sizeof *network);
    if (network == NULL)
        abort();
    network->liar = UINT32_MAX;
    network->room = rooms[below(&world->sim, 4)];
    network->room_up = once_in(&world->sim, 4) ? 4000 : 65536;
    for (uint32_t from = 0; from < WORLD_HUBS_MAX; from++)
        for (uint32_t to = 0; to < WORLD_HUBS_MAX; to++)
            network->delay_us[from][to] = between(&world->sim, 50, 20000);
    network->lies = liar_create(&world->sim);
    return network;
}

void network_destroy(struct network *network)
{
    for (struct connection *at = network->first; at != NULL; at = at->next)
        at->dialer_open = at->to_tell = at->acceptor_open = at->pipes[PIPE_UP].booked = false;
    sweep(network);
    liar_destroy(network->lies);
    free(network);
}
