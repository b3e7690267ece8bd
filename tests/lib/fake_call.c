/*
 * fake_call.c - see fake_call.h.
 */
#include "tests/lib/fake_call.h"

#include "daemon/base/log.h"
#include "proto/wire/status.h"

#include <stdlib.h>
#include <string.h>

static void *need(void *memory)
{
    if (memory == NULL)
        log_fatal("test", "out of memory");
    return memory;
}

/* --- what a call asks ------------------------------------------------------------------------------------------ */

static void close_call(struct fake_call *fake)
{
    if (fake->closed)
        return;
    fake->closed = fake->finished = true;
    if (fake->call.method->handler->closed != NULL)
        fake->call.method->handler->closed(&fake->call);
}

static bool op_send(struct call *call, const ProtobufCMessage *message)
{
    struct fake_call *fake = (struct fake_call *)call;
    if (fake->finished)
        log_fatal("test", "a response after the finish");
    if (message->descriptor != call->method->response)
        log_fatal("test", "a response of another type than the method's");
    if (fake->response_count == fake->response_capacity) {
        fake->response_capacity = fake->response_capacity ? 2 * fake->response_capacity : 8;
        fake->responses = need(realloc(fake->responses, fake->response_capacity * sizeof *fake->responses));
    }
    struct fake_response *response = &fake->responses[fake->response_count++];
    response->size = protobuf_c_message_get_packed_size(message);
    response->octets = need(malloc(response->size + 1));
    protobuf_c_message_pack(message, response->octets);
    response->message = need(protobuf_c_message_unpack(message->descriptor, NULL, response->size, response->octets));
    if (fake->room != UINT32_MAX && fake->room > 0)
        fake->room--;
    fake->waits_for_room = fake->room == 0;
    return fake->room > 0;
}

static void op_finish(struct call *call, const struct problem *problem)
{
    struct fake_call *fake = (struct fake_call *)call;
    if (fake->finished)
        log_fatal("test", "finished twice");
    if (problem != NULL && problem->code == ERR_NONE)
        log_fatal("test", "finished with a problem that is none");
    if (problem != NULL)
        fake->problem = *problem;
    close_call(fake);
}

static enum err op_reserve_reply(struct call *call, struct reply_address *out)
{
    struct fake_call *fake = (struct fake_call *)call;
    if (fake->host->reserved >= fake->host->replies_max || mailbox_reserve(fake->host->mailbox) != ERR_NONE)
        return ERR_LIMIT;
    fake->host->reserved++;
    fake->reserved++;
    /* The kind tells the method, as in rpc: who is to free a reply whose call is gone. */
    *out =
        (struct reply_address){fake->host->mailbox, fake->serial, (uint32_t)(fake->call.method - fake->host->methods)};
    return ERR_NONE;
}

static void op_unreserve_reply(struct call *call)
{
    struct fake_call *fake = (struct fake_call *)call;
    mailbox_unreserve(fake->host->mailbox);
    fake->host->reserved--;
    fake->reserved--;
}

static void op_set_reading(struct call *call, bool on)
{
    ((struct fake_call *)call)->reading = on;
}

static void op_yield(struct call *call)
{
    ((struct fake_call *)call)->wants_turn = true;
}

static const struct tls_peer *op_peer(struct call *call)
{
    return &((struct fake_call *)call)->peer;
}

static void op_wake_at(struct call *call, int64_t boot_ms)
{
    ((struct fake_call *)call)->wake_boot_ms = boot_ms;
}

static void op_attach(struct call *call, const struct call_details *details)
{
    struct fake_call *fake = (struct fake_call *)call;
    uint8_t octets[STATUS_DETAILS_BYTES];
    const void *from = details->status;
    size_t bytes = details->status_bytes;
    if (bytes == 0) {
        bytes = status_details_encode(details->problem, details->detail, octets);
        from = octets;
    }
    free(fake->details);
    fake->details = need(malloc(bytes));
    memcpy(fake->details, from, bytes);
    fake->details_bytes = bytes;
}

static const struct call_ops ops = {op_send,  op_finish, op_reserve_reply, op_unreserve_reply, op_set_reading,
                                    op_yield, op_yield,  op_peer,          op_wake_at,         op_attach};

/* --- host ------------------------------------------------------------------------------------------------------ */

void fake_host_init(struct fake_host *host, const struct rpc_method *methods, size_t count, void *context,
                    const struct clock_source *clock)
{
    *host = (struct fake_host){.methods = methods,
                               .method_count = count,
                               .context = context,
                               .clock = clock,
                               .mailbox = mailbox_create(4096),
                               .replies_max = 4096};
}

static struct fake_call *find_call(struct fake_host *host, uint64_t serial)
{
    for (struct fake_call *fake = host->calls; fake != NULL; fake = fake->next)
        if (fake->serial == serial)
            return fake;
    return NULL;
}

static bool deliver(struct fake_host *host)
{
    struct mail mail;
    bool any = false;
    while (mailbox_take(host->mailbox, &mail, 1) == 1) {
        struct fake_call *fake = find_call(host, mail.to);
        any = true;
        host->reserved--;
        if (fake != NULL)
            fake->reserved--;
        if (fake != NULL && !fake->finished)
            fake->call.method->handler->resumed(&fake->call, &mail);
        else
            host->methods[mail.kind].handler->orphaned(&mail);
    }
    return any;
}

bool fake_host_turn(struct fake_host *host)
{
    bool any = deliver(host);
    for (struct fake_call *fake = host->calls, *next; fake != NULL; fake = next) {
        next = fake->next;
        if (!fake->finished && fake->wake_boot_ms != 0 && fake->wake_boot_ms <= clock_boot_ms(host->clock)) {
            fake->wake_boot_ms = 0;
            any = true;
            fake->call.method->handler->due(&fake->call);
        }
        if (fake->finished || !fake->wants_turn)
            continue;
        fake->wants_turn = false;
        any = true;
        fake->call.method->handler->writable(&fake->call);
    }
    return any;
}

void fake_host_finish(struct fake_host *host)
{
    while (host->calls != NULL)
        fake_call_destroy(host->calls);
    deliver(host);
    mailbox_destroy(host->mailbox);
}

/* --- calls ----------------------------------------------------------------------------------------------------- */

struct fake_call *fake_call_begin(struct fake_host *host, const char *path, const struct tls_peer *peer)
{
    const struct rpc_method *method = NULL;
    for (size_t i = 0; i < host->method_count; i++)
        if (strcmp(host->methods[i].path, path) == 0)
            method = &host->methods[i];
    if (method == NULL)
        log_fatal("test", "no such method path=%s", path);
    struct fake_call *fake = need(calloc(1, sizeof *fake));
    arena_init(&fake->arena, FAKE_ARENA_BYTES);
    fake->call = (struct call){.ops = &ops,
                               .method = method,
                               .context = host->context,
                               .arena = &fake->arena,
                               .clock = host->clock,
                               .deadline_boot_ms = clock_boot_ms(host->clock) + 10000};
    fake->host = host;
    fake->peer = *peer;
    fake->serial = ++host->serials;
    fake->room = UINT32_MAX;
    fake->reading = true;
    fake->next = host->calls;
    host->calls = fake;
    return fake;
}

bool fake_call_send(struct fake_call *fake, const ProtobufCMessage *request)
{
    if (fake->finished || !fake->reading)
        return false;
    size_t size = protobuf_c_message_get_packed_size(request);
    uint8_t *octets = need(malloc(size + 1));
    protobuf_c_message_pack(request, octets);
    ProtobufCMessage *copy = need(protobuf_c_message_unpack(fake->call.method->request, NULL, size, octets));
    free(octets);
    fake->call.method->handler->message(&fake->call, copy);
    protobuf_c_message_free_unpacked(copy, NULL);
    return true;
}

void fake_call_half_close(struct fake_call *fake)
{
    if (!fake->finished && fake->call.method->handler->half_closed != NULL)
        fake->call.method->handler->half_closed(&fake->call);
}

void fake_call_cancel(struct fake_call *fake)
{
    if (!fake->finished)
        fake->problem.code = ERR_CANCELLED;
    close_call(fake);
}

void fake_call_take(struct fake_call *fake, uint32_t room)
{
    fake->room = room;
    if (!fake->waits_for_room || room == 0)
        return;
    fake->waits_for_room = false;
    if (!fake->finished)
        fake->call.method->handler->writable(&fake->call);
}

void fake_call_destroy(struct fake_call *fake)
{
    fake_call_cancel(fake);
    for (struct fake_call **at = &fake->host->calls; *at != NULL; at = &(*at)->next)
        if (*at == fake) {
            *at = fake->next;
            break;
        }
    for (size_t i = 0; i < fake->response_count; i++) {
        protobuf_c_message_free_unpacked(fake->responses[i].message, NULL);
        free(fake->responses[i].octets);
    }
    free(fake->responses);
    free(fake->details);
    arena_finish(&fake->arena);
    free(fake);
}

struct fake_call *fake_unary(struct fake_host *host, const char *path, const struct tls_peer *peer,
                             const ProtobufCMessage *request)
{
    struct fake_call *fake = fake_call_begin(host, path, peer);
    fake_call_send(fake, request);
    fake_call_half_close(fake);
    return fake;
}

/* --- writer ---------------------------------------------------------------------------------------------------- */

void fake_writer_init(struct fake_writer *writer, struct home *home)
{
    *writer = (struct fake_writer){.home = home, .limit = FAKE_QUEUE_MAX};
}

static enum err submit(void *ctx, struct update *update)
{
    struct fake_writer *writer = ctx;
    if (writer->count >= writer->limit)
        return ERR_LIMIT;
    writer->queue[writer->count++] = update;
    return ERR_NONE;
}

struct update_port fake_writer_port(struct fake_writer *writer)
{
    return (struct update_port){submit, writer};
}

uint32_t fake_writer_turn(struct fake_writer *writer)
{
    uint32_t count = writer->count < APPLY_BATCH_MAX ? writer->count : APPLY_BATCH_MAX;
    if (count == 0)
        return 0;
    home_apply(writer->home, writer->queue, count);
    if (writer->wakes != NULL)
        wakes_of(writer->wakes, WAKE_HOME);
    for (uint32_t i = 0; i < count; i++) {
        const struct reply_address *to = &writer->queue[i]->reply;
        struct mail mail = {.kind = to->kind, .to = to->to, .payload = writer->queue[i]};
        writer->queue[i]->result.replicated = writer->queue[i]->wait_replicated && writer->peer_has_it;
        mailbox_send_reserved(to->mailbox, &mail);
    }
    writer->count -= count;
    memmove(writer->queue, writer->queue + count, writer->count * sizeof *writer->queue);
    return count;
}

void fake_settle(struct fake_host *host, struct fake_writer *writer)
{
    for (;;) {
        bool moved = fake_host_turn(host);
        if (fake_writer_turn(writer) == 0 && !moved)
            return;
    }
}

struct tls_peer fake_peer(const char *spiffe_name, const uint8_t issuer[DIGEST_BYTES])
{
    struct tls_peer peer = {.uri_count = 1,
                            .uri_bytes = (uint32_t)strlen(spiffe_name),
                            .not_before_ms = 1577836800000LL,
                            .not_after_ms = 4070908800000LL,
                            .key_usage_critical = true,
                            .may_sign = true,
                            .has_eku = true,
                            .eku_server = true,
                            .eku_client = true};
    memcpy(peer.uri, spiffe_name, peer.uri_bytes < TLS_URI_BYTES ? peer.uri_bytes : TLS_URI_BYTES);
    memcpy(peer.issuer_key_sha256, issuer, DIGEST_BYTES);
    return peer;
}
