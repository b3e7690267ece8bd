/*
 * fake_call.h - calls without a network: call_ops for tests and the simulator.
 *
 * Owns: a host with a mailbox and its calls; every request goes through its octets, so that a handler that keeps a
 * pointer into a message is caught by the sanitizers. A client's slowness is a number of responses it still takes.
 * Not here: identity (the test gives a tls_peer), deadlines (the test cancels).
 * Thread: one. Invariant: closed() is called once for each call, at the finish, the cancel or the destroy.
 */
#ifndef VACANCY_TESTS_FAKE_CALL_H
#define VACANCY_TESTS_FAKE_CALL_H

#include "daemon/access/access.h"
#include "daemon/rpc/call.h"
#include "daemon/service/service.h"

#define FAKE_ARENA_BYTES ((size_t)4 << 20)

struct fake_response {
    uint8_t *octets;
    size_t size;
    ProtobufCMessage *message;
};

struct fake_call {
    struct call call; /* first: ops get this */
    struct fake_host *host;
    struct fake_call *next;
    struct tls_peer peer;
    struct arena arena;
    uint64_t serial;
    struct fake_response *responses;
    size_t response_count, response_capacity;
    uint32_t room; /* responses that the client takes before send says "no more"; UINT32_MAX: any number */
    bool waits_for_room, wants_turn, reading, finished, closed;
    int64_t wake_boot_ms; /* 0: not asked for */
    uint32_t reserved;
    struct problem problem; /* code ERR_NONE: OK */
    uint8_t *details;       /* what was attached to it; NULL: nothing */
    size_t details_bytes;
};

struct fake_host {
    const struct rpc_method *methods;
    size_t method_count;
    void *context;
    const struct clock_source *clock;
    struct mailbox *mailbox;
    struct fake_call *calls;
    uint64_t serials;
    uint32_t replies_max; /* reserve_reply refuses past it */
    uint32_t reserved;
};

/* Methods and context are borrowed. */
void fake_host_init(struct fake_host *host, const struct rpc_method *methods, size_t count, void *context,
                    const struct clock_source *clock);
/* Destroys the calls that are left; their late replies are orphaned first. */
void fake_host_finish(struct fake_host *host);
/* Delivers replies that have come, wakes calls that are due, and gives turns to calls that yielded. False: there was
 * nothing to do. */
bool fake_host_turn(struct fake_host *host);

/* Aborts for a path that isn't in the table. */
struct fake_call *fake_call_begin(struct fake_host *host, const char *path, const struct tls_peer *peer);
/* Sends one request; false when the call has finished or does not read. */
bool fake_call_send(struct fake_call *call, const ProtobufCMessage *request);
void fake_call_half_close(struct fake_call *call);
/* The client goes away. */
void fake_call_cancel(struct fake_call *call);
/* The client takes `room` responses more. */
void fake_call_take(struct fake_call *call, uint32_t room);
void fake_call_destroy(struct fake_call *call);

/* A whole unary call but for the answer: begin, send, half close. */
struct fake_call *fake_unary(struct fake_host *host, const char *path, const struct tls_peer *peer,
                             const ProtobufCMessage *request);

/* An update_port that applies what has queued up when the test says so. */
#define FAKE_QUEUE_MAX 512
struct fake_writer {
    struct home *home;
    uint32_t limit; /* queue bound: ERR_LIMIT past it */
    uint32_t count;
    struct update *queue[FAKE_QUEUE_MAX];
    bool peer_has_it;    /* whoever waits for a peer is told so */
    struct wakes *wakes; /* told after each batch; may be NULL */
};
void fake_writer_init(struct fake_writer *writer, struct home *home);
struct update_port fake_writer_port(struct fake_writer *writer);
/* Applies one batch and sends the replies; returns how many updates. */
uint32_t fake_writer_turn(struct fake_writer *writer);

/* Turns of host and writer until nothing moves. */
void fake_settle(struct fake_host *host, struct fake_writer *writer);

/* An acceptable certificate with this name, signed by the issuer whose key hashes to `issuer`, valid from 2020 to 2099.
 */
struct tls_peer fake_peer(const char *spiffe_name, const uint8_t issuer[DIGEST_BYTES]);

#endif
