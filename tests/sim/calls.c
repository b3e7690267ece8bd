/*
 * calls.c - see calls.h. One thread.
 */
#include "tests/sim/calls.h"

#include "daemon/service/service.h"
#include "proto/wire/status.h"
#include "tests/sim/seam.h"
#include "vacancy/v1/placement_service.pb-c.h"

#include <stdlib.h>
#include <string.h>

#define CALL_ARENA_BYTES (2u << 20)
#define CALL_DEADLINE_MS (10 * SECOND_MS)

static struct sim_call *of(struct call *call)
{
    return (struct sim_call *)call;
}

/* --- what handlers may do ---------------------------------------------------------------------------------------- */

static bool ops_send(struct call *call, const ProtobufCMessage *message)
{
    struct sim_call *self = of(call);
    struct sim *sim = self->calls->of.sim;
    sim_require(sim, !self->finished, "%s sent a message after it had finished", call->method->path);
    sim_require(sim, !self->shows || self->calls->of.seam->trail_appends > self->disclosed_before,
                "%s answered before its disclosure was on the trail", call->method->path);
    sim_require(sim, protobuf_c_message_check(message), "%s sent an ill-formed message", call->method->path);
    self->sent++;
    if (self->client->answered != NULL && !self->gone)
        self->client->answered(self, message);
    if (self->client->has_room != NULL)
        return self->client->has_room(self);
    return !once_in(sim, 4); /* a client that is slow now and then */
}

static void ops_finish(struct call *call, const struct problem *problem)
{
    struct sim_call *self = of(call);
    sim_require(self->calls->of.sim, !self->finished, "%s finished twice", call->method->path);
    self->finished = true;
    if (self->client->ended != NULL && !self->gone)
        self->client->ended(self, problem != NULL ? problem : &(struct problem){.code = ERR_NONE});
}

/* A mail's kind says which method's it is, also when the call is gone. */
static uint32_t kind_of(const struct rpc_method *method)
{
    size_t count;
    return (uint32_t)(method - service_methods(&count));
}

static enum err ops_reserve_reply(struct call *call, struct reply_address *out)
{
    struct sim_call *self = of(call);
    struct mailbox *mailbox = self->calls->mailbox;
    enum err err = mailbox_reserve(mailbox);
    *out = (struct reply_address){.mailbox = mailbox, .to = self->serial, .kind = kind_of(call->method)};
    return err;
}

static void ops_unreserve_reply(struct call *call)
{
    mailbox_unreserve(of(call)->calls->mailbox);
}

static void ops_set_reading(struct call *call, bool on)
{
    of(call)->not_reading = !on; /* run_sim's clients never send more than the handler must take */
}

static void ops_yield(struct call *call)
{
    of(call)->yielded = true;
}

static const struct tls_peer *ops_peer(struct call *call)
{
    return &of(call)->peer;
}

static void ops_wake_at(struct call *call, int64_t boot_ms)
{
    of(call)->wake_boot_ms = boot_ms;
}

/* As rpc sends it: what another hub made goes on as it is, else it is made of the problem and the detail. */
static void ops_attach(struct call *call, const struct call_details *details)
{
    struct sim_call *self = of(call);
    const ProtobufCMessage *detail = details->detail;
    self->was_forwarded = detail != NULL && detail->descriptor == &vacancy__v1__forward_failure__descriptor;
    if (self->was_forwarded)
        self->outcome_unknown = ((const Vacancy__V1__ForwardFailure *)detail)->outcome_unknown;
    uint8_t octets[STATUS_DETAILS_BYTES];
    self->status_bytes = details->status_bytes;
    if (details->status_bytes == 0)
        self->status_bytes = status_details_encode(details->problem, detail, octets);
    self->status = malloc(self->status_bytes + 1);
    if (self->status == NULL)
        abort();
    memcpy(self->status, details->status_bytes > 0 ? details->status : octets, self->status_bytes);
}

/* --- calls ------------------------------------------------------------------------------------------------------- */

static void peer_of(const char *name, const uint8_t issuer[DIGEST_BYTES], struct tls_peer *out)
{
    *out = (struct tls_peer){
        .uri_count = 1,
        .uri_bytes = (uint32_t)strlen(name),
        .not_before_ms = 0,
        .not_after_ms = INT64_MAX,
        .key_usage_critical = true,
        .may_sign = true,
        .has_eku = true,
        .eku_server = true,
        .eku_client = true,
    };
    memcpy(out->uri, name, strlen(name));
    memcpy(out->issuer_key_sha256, issuer, DIGEST_BYTES);
}

static const struct rpc_method *method_of(struct sim *sim, const char *path)
{
    size_t count;
    const struct rpc_method *methods = service_methods(&count);
    for (size_t i = 0; i < count; i++)
        if (strcmp(methods[i].path, path) == 0)
            return &methods[i];
    sim_fail(sim, "the hub has no method %s", path);
}

struct sim_call *call_begin_as(struct calls *calls, const char *path, const char *name,
                               const uint8_t issuer[DIGEST_BYTES], const struct client *client, void *user)
{
    static const struct call_ops ops = {
        .send = ops_send,
        .finish = ops_finish,
        .reserve_reply = ops_reserve_reply,
        .unreserve_reply = ops_unreserve_reply,
        .set_reading = ops_set_reading,
        .yield = ops_yield,
        .soon = ops_yield,
        .peer = ops_peer,
        .wake_at = ops_wake_at,
        .attach = ops_attach,
    };
    const struct calls_hub *hub = &calls->of;
    struct sim_call *self = calloc(1, sizeof *self);
    if (self == NULL)
        abort();
    arena_init(&self->arena, CALL_ARENA_BYTES);
    self->call = (struct call){
        .ops = &ops,
        .method = method_of(hub->sim, path),
        .context = hub->context,
        .arena = &self->arena,
        .clock = hub->clock,
        .deadline_boot_ms = clock_boot_ms(hub->clock) + CALL_DEADLINE_MS,
    };
    self->calls = calls;
    self->hub = hub->hub;
    self->client = client;
    self->user = user;
    self->serial = ++calls->serials;
    self->disclosed_before = hub->seam->trail_appends;
    peer_of(name, issuer, &self->peer);
    self->next = calls->first;
    calls->first = self;
    return self;
}

struct sim_call *call_begin(struct calls *calls, const char *path, const char *name, const struct client *client,
                            void *user)
{
    uint8_t issuer[DIGEST_BYTES];
    memset(issuer, SIM_ISSUER_OCTET, sizeof issuer);
    return call_begin_as(calls, path, name, issuer, client, user);
}

void call_feed(struct sim_call *self, const ProtobufCMessage *message)
{
    if (!self->finished)
        self->call.method->handler->message(&self->call, message);
}

void call_half_close(struct sim_call *self)
{
    if (!self->finished && self->call.method->handler->half_closed != NULL)
        self->call.method->handler->half_closed(&self->call);
}

void call_cancel(struct sim_call *self)
{
    self->finished = self->gone = true;
}

static void free_call(struct sim_call *self)
{
    if (self->call.method->handler->closed != NULL)
        self->call.method->handler->closed(&self->call);
    arena_finish(&self->arena);
    free(self->status);
    free(self);
}

static void sweep(struct calls *calls)
{
    for (struct sim_call **at = &calls->first; *at != NULL;) {
        struct sim_call *self = *at;
        if (!self->finished) {
            at = &self->next;
            continue;
        }
        *at = self->next;
        free_call(self);
    }
}

static struct sim_call *find(struct calls *calls, uint64_t serial)
{
    for (struct sim_call *self = calls->first; self != NULL; self = self->next)
        if (self->serial == serial)
            return self;
    return NULL;
}

static void orphan(const struct mail *mail)
{
    size_t count;
    const struct call_handler *handler = service_methods(&count)[mail->kind].handler;
    if (handler->orphaned != NULL)
        handler->orphaned(mail);
}

static void deliver(struct calls *calls, struct mail *mail)
{
    struct sim_call *self = find(calls, mail->to);
    if (self == NULL || self->finished)
        orphan(mail);
    else
        self->call.method->handler->resumed(&self->call, mail);
}

static bool run_yielded(struct calls *calls)
{
    bool ran = false;
    for (struct sim_call *self = calls->first; self != NULL; self = self->next) {
        bool due = !self->finished && self->call.method->handler->writable != NULL &&
                   (self->client->has_room == NULL || self->client->has_room(self)) &&
                   (self->yielded || self->call.method->kind != CALL_UNARY);
        if (!due || (!self->yielded && self->sent == 0))
            continue;
        uint32_t sent = self->sent;
        ran = ran || self->yielded;
        self->yielded = false;
        self->call.method->handler->writable(&self->call);
        ran = ran || self->sent > sent || self->finished;
    }
    return ran;
}

static void run_due(struct calls *calls)
{
    int64_t now_ms = clock_boot_ms(calls->of.clock);
    for (struct sim_call *self = calls->first; self != NULL; self = self->next) {
        if (self->finished || self->wake_boot_ms == 0 || self->wake_boot_ms > now_ms)
            continue;
        self->wake_boot_ms = 0;
        self->call.method->handler->due(&self->call);
    }
}

void calls_turn(struct calls *calls)
{
    struct mail mail[16];
    uint32_t got;
    sweep(calls);
    run_due(calls);
    do {
        got = mailbox_take(calls->mailbox, mail, 16);
        for (uint32_t i = 0; i < got; i++)
            deliver(calls, &mail[i]);
        sweep(calls);
    } while (run_yielded(calls) || got > 0);
    sweep(calls);
}

void calls_open(struct calls *calls, const struct calls_hub *of_hub)
{
    *calls = (struct calls){.of = *of_hub, .mailbox = mailbox_create(of_hub->places)};
}

void calls_drop(struct calls *calls)
{
    struct mail mail[16];
    uint32_t got;
    for (struct sim_call *self = calls->first; self != NULL; self = self->next)
        self->finished = self->gone = true;
    while ((got = mailbox_take(calls->mailbox, mail, 16)) > 0)
        for (uint32_t i = 0; i < got; i++)
            orphan(&mail[i]);
    sweep(calls);
}

void calls_close(struct calls *calls)
{
    calls_drop(calls);
    mailbox_destroy(calls->mailbox);
    calls->mailbox = NULL;
}
