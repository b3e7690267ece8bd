/*
 * links_world.h - the links' thread over loopback: a logic that only notes what it hears, a server of the test's own
 * with the test's callbacks, a roster and certificates for both.
 *
 * The functions of federation.h that links.c calls are this file's, so federation.c is not linked.
 */
#ifndef VACANCY_TESTS_LINKS_WORLD_H
#define VACANCY_TESTS_LINKS_WORLD_H

#include "daemon/federation/links.h"

#include "daemon/base/clock.h"
#include "daemon/base/log.h"
#include "daemon/base/thread.h"
#include "proto/wire/h2.h"
#include "tests/lib/pki.h"

#include <arpa/inet.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cmocka.h>

#define OWN     "E12000001"
#define PEER    1 /* its number: PKI_REGION, after OWN */
#define BOUND_S 20

static struct pki *pki;

/* --- a logic that notes what it hears and does what it is told ---------------------------------------------------- */

enum todo {
    DO_NOTHING,
    DO_DIAL,
    DO_HANG_UP,
    DO_SEND,
    DO_SEND_UNTIL_FULL,
    DO_FETCH,
    DO_STOP_FETCH,
    DO_PAUSE,
    DO_READ,
    DO_WORK,
    DO_BLOCK /* until world_unblock */
};

struct federation {
    pthread_mutex_t lock;
    struct link_port links;
    struct work_port works;
    enum todo todo;
    /* What it heard. */
    atomic_uint linked, unlinked, heard, snapshot_parts, snapshot_over, worked, peers_have, changed, ticks;
    uint32_t said_of; /* regions in what the peer has, the last time */
    uint64_t said_sequence;
    bool said_complete;
    struct problem unlinked_why, snapshot_why;
    bool full;
    enum err set_roster; /* what it answers */
};

static struct federation *logic_made;
static atomic_bool world_unblock;

struct federation *federation_create(const struct federation_options *options)
{
    struct federation *federation = calloc(1, sizeof *federation);
    pthread_mutex_init(&federation->lock, NULL);
    federation->links = options->links;
    federation->works = options->works;
    logic_made = federation;
    return federation;
}

void federation_destroy(struct federation *federation)
{
    pthread_mutex_destroy(&federation->lock);
    free(federation);
}

enum err federation_set_roster(struct federation *federation, const struct roster *roster, struct problem *problem)
{
    if (federation->set_roster != ERR_NONE)
        return problem_set(problem, federation->set_roster, "", "older");
    federation->links.peers_changed(federation->links.ctx, roster);
    return ERR_NONE;
}

#define NOTE(federation, what)                                                                                         \
    do {                                                                                                               \
        pthread_mutex_lock(&(federation)->lock);                                                                       \
        what;                                                                                                          \
        pthread_mutex_unlock(&(federation)->lock);                                                                     \
    } while (0)

void federation_linked(struct federation *federation, uint32_t peer)
{
    assert_int_equal(peer, PEER);
    NOTE(federation, federation->linked++);
}

void federation_unlinked(struct federation *federation, uint32_t peer, const struct problem *why)
{
    assert_int_equal(peer, PEER);
    assert_int_not_equal(why->code, ERR_NONE);
    NOTE(federation, federation->unlinked_why = *why; federation->unlinked++);
}

void federation_heard(struct federation *federation, uint32_t peer, const Vacancy__V1__FollowResponse *message)
{
    assert_int_equal(peer, PEER);
    assert_int_equal(message->item_case, VACANCY__V1__FOLLOW_RESPONSE__ITEM_REFUSAL);
    NOTE(federation, federation->heard++);
}

void federation_snapshot_heard(struct federation *federation, uint32_t peer,
                               const Vacancy__V1__FetchSnapshotResponse *message)
{
    assert_int_equal(peer, PEER);
    assert_int_equal(message->item_case, VACANCY__V1__FETCH_SNAPSHOT_RESPONSE__ITEM_HEADERS);
    NOTE(federation, federation->snapshot_parts++);
}

void federation_snapshot_over(struct federation *federation, uint32_t peer, const struct problem *problem)
{
    assert_int_equal(peer, PEER);
    NOTE(federation, federation->snapshot_why = *problem; federation->snapshot_over++);
}

void federation_worked(struct federation *federation, struct replica_work *work)
{
    free(work);
    NOTE(federation, federation->worked++);
}

void federation_updated(struct federation *federation, struct update *update)
{
    (void)federation;
    update_destroy(update);
}

void federation_peer_has(struct federation *federation, struct peer_positions *positions)
{
    uint32_t count = positions->count;
    uint64_t sequence = count > 0 ? positions->checkpoints[0].checkpoint.sequence : 0;
    bool complete = positions->complete;
    free(positions);
    NOTE(federation, (federation->said_of = count, federation->said_sequence = sequence,
                      federation->said_complete = complete, federation->peers_have++));
}

void federation_held_up(struct federation *federation, int64_t held_ms)
{
    (void)federation;
    (void)held_ms;
}

void federation_changed(struct federation *federation)
{
    NOTE(federation, federation->changed++);
}

void replica_work_destroy(struct replica_work *work)
{
    free(work);
}

static atomic_uint woken;

void wakes_all(struct wakes *wakes)
{
    (void)wakes;
    woken++;
}

static void send_until_full(struct federation *federation)
{
    static char text[60000];
    memset(text, 'x', sizeof text - 1);
    const Vacancy__V1__FollowRequest request = {.base =
                                                    PROTOBUF_C_MESSAGE_INIT(&vacancy__v1__follow_request__descriptor),
                                                .item_case = VACANCY__V1__FOLLOW_REQUEST__ITEM_DROP,
                                                .drop = text};
    int sent = 0;
    while (sent < 1000 && federation->links.send(federation->links.ctx, PEER, &request))
        sent++;
    NOTE(federation, federation->full = sent < 1000);
}

static void send_one(struct federation *federation)
{
    const Vacancy__V1__FollowRequest request = {.base =
                                                    PROTOBUF_C_MESSAGE_INIT(&vacancy__v1__follow_request__descriptor),
                                                .item_case = VACANCY__V1__FOLLOW_REQUEST__ITEM_DROP,
                                                .drop = (char *)OWN};
    assert_true(federation->links.send(federation->links.ctx, PEER, &request));
}

static void do_it(struct federation *federation, enum todo todo)
{
    const struct link_port *links = &federation->links;
    Vacancy__V1__FetchSnapshotRequest fetch = VACANCY__V1__FETCH_SNAPSHOT_REQUEST__INIT;
    switch (todo) {
    case DO_NOTHING:
        break;
    case DO_DIAL:
        links->dial(links->ctx, PEER);
        break;
    case DO_HANG_UP:
        links->hang_up(links->ctx, PEER);
        break;
    case DO_SEND:
        send_one(federation);
        break;
    case DO_SEND_UNTIL_FULL:
        send_until_full(federation);
        break;
    case DO_FETCH:
        fetch.region = (char *)PKI_REGION;
        links->fetch(links->ctx, PEER, &fetch);
        break;
    case DO_STOP_FETCH:
        links->stop_fetch(links->ctx, PEER);
        break;
    case DO_PAUSE:
    case DO_READ:
        links->set_reading(links->ctx, PEER, todo == DO_READ);
        break;
    case DO_BLOCK:
        while (!world_unblock)
            poll(NULL, 0, 1);
        break;
    case DO_WORK:
        assert_int_equal(federation->works.work(federation->works.ctx, calloc(1, sizeof(struct replica_work))),
                         ERR_NONE);
        break;
    }
}

int64_t federation_tick(struct federation *federation)
{
    enum todo todo;
    NOTE(federation, federation->ticks++; todo = federation->todo; federation->todo = DO_NOTHING);
    do_it(federation, todo);
    return clock_boot_ms(clock_system()) + 50;
}

/* --- a hub to link to --------------------------------------------------------------------------------------------- */

struct server {
    int manner; /* the test's own */
    const struct h2_callbacks *callbacks;
    const struct h2_limits *limits; /* NULL: the defaults */
    struct tls_context *tls;
    int listener, stop;
    uint16_t port;
    pthread_t thread;
    struct h2_conn *conn;
    bool touched;
    atomic_uint connections, requests, fetches, cancelled, sent;
};

static struct server *server_of(struct h2_stream *stream)
{
    return h2_conn_context(h2_stream_conn(stream));
}

static void on_touched(struct h2_conn *conn)
{
    ((struct server *)h2_conn_context(conn))->touched = true;
}

static const struct h2_conn_callbacks conn_callbacks = {.touched = on_touched};

static void accept_one(struct server *server)
{
    int fd = accept4(server->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0)
        return;
    const struct h2_options options = {.tls = server->tls,
                                       .callbacks = server->callbacks,
                                       .limits = server->limits,
                                       .conn_callbacks = &conn_callbacks,
                                       .context = server};
    h2_conn_destroy(server->conn);
    server->conn = h2_conn_create(&options, fd, clock_boot_ms(clock_system()));
    server->connections++;
}

static void *serve(void *arg)
{
    struct server *server = arg;
    struct pollfd polled[3] = {{.fd = server->stop, .events = POLLIN}, {.fd = server->listener, .events = POLLIN}};
    while (polled[0].revents == 0) {
        bool again = false;
        int64_t now = clock_boot_ms(clock_system());
        polled[2] = (struct pollfd){.fd = -1};
        if (server->conn != NULL) {
            enum h2_turn turn = h2_conn_settle(server->conn, now);
            again = turn == H2_AGAIN;
            if (turn == H2_DEAD) {
                h2_conn_destroy(server->conn);
                server->conn = NULL;
            } else {
                unsigned interest = h2_conn_interest(server->conn);
                polled[2] = (struct pollfd){
                    .fd = h2_conn_fd(server->conn),
                    .events = (short)((interest & H2_READABLE ? POLLIN : 0) | (interest & H2_WRITABLE ? POLLOUT : 0))};
            }
        }
        poll(polled, 3, again ? 0 : 20);
        if (polled[1].revents != 0)
            accept_one(server);
        else if (server->conn != NULL)
            h2_conn_event(server->conn, (polled[2].revents != 0 ? H2_READABLE : 0u) | H2_WRITABLE,
                          clock_boot_ms(clock_system()));
    }
    h2_conn_destroy(server->conn);
    return NULL;
}

/* Listening on a free port; not serving yet. */
static void server_listen(struct server *server)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t bytes = sizeof address;
    server->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    assert_int_equal(bind(server->listener, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(server->listener, 8), 0);
    assert_int_equal(getsockname(server->listener, (struct sockaddr *)&address, &bytes), 0);
    server->port = ntohs(address.sin_port);
}

static void server_start_with(struct server *server, const char *certificate, int manner,
                              const struct h2_callbacks *callbacks, const struct h2_limits *limits)
{
    struct problem problem;
    *server =
        (struct server){.manner = manner, .callbacks = callbacks, .limits = limits, .stop = eventfd(0, EFD_CLOEXEC)};
    assert_int_equal(pki_context(pki, TLS_SERVER, certificate, true, &server->tls, &problem), ERR_NONE);
    server_listen(server);
    server->thread = thread_start("server", serve, server);
}

static void server_start(struct server *server, const char *certificate, int manner,
                         const struct h2_callbacks *callbacks)
{
    server_start_with(server, certificate, manner, callbacks, NULL);
}

static void server_stop(struct server *server)
{
    assert_int_equal(eventfd_write(server->stop, 1), 0);
    pthread_join(server->thread, NULL);
    close(server->listener);
    close(server->stop);
    tls_context_unref(server->tls);
}

/* --- the links under test ----------------------------------------------------------------------------------------- */

static struct {
    struct links *links;
    struct federation *logic;
    const struct roster *roster;
    struct signer *root;
    atomic_uint works;
    struct replica_work *kept; /* taken, not sent back yet */
    bool keep;
} world;

static enum err take_work(void *ctx, struct replica_work *work)
{
    (void)ctx;
    world.works++;
    if (world.keep) {
        world.kept = work;
        return ERR_NONE;
    }
    const struct mail mail = {.kind = work->reply.kind, .to = work->reply.to, .payload = work};
    mailbox_send_reserved(work->reply.mailbox, &mail);
    return ERR_NONE;
}

static const struct roster *make_roster(unsigned version, const char *endpoints, bool with_issuer)
{
    char text[2048], issuer[65], key[65], signature[129];
    uint8_t digest[DIGEST_BYTES], root_key[PUBLIC_KEY_BYTES], signed_octets[SIGNATURE_BYTES];
    pki_issuer_key(pki, digest);
    if (!with_issuer)
        digest[0] ^= 1;
    hex_encode(digest, sizeof digest, issuer);
    signer_public_key(world.root, root_key); /* any key does for a region's */
    hex_encode(root_key, sizeof root_key, key);
    int length = snprintf(text, sizeof text,
                          "vacancy roster v1\nversion %u\nregion " OWN " key %s issuer %s\nregion " PKI_REGION
                          " key %s issuer %s\nendpoint " OWN " 127.0.0.1:1\n%s",
                          version, key, issuer, key, issuer, endpoints);
    signer_sign(world.root, text, (size_t)length, signed_octets);
    hex_encode(signed_octets, sizeof signed_octets, signature);
    length += snprintf(text + length, sizeof text - (size_t)length, "signature %s\n", signature);
    const struct roster *roster;
    struct problem problem = {0};
    if (roster_parse(text, (size_t)length, root_key, &roster, &problem) != ERR_NONE)
        fail_msg("%s", problem.text);
    return roster;
}

static struct tls_context *own_tls(void)
{
    struct tls_context *tls;
    struct problem problem;
    assert_int_equal(pki_context(pki, TLS_CLIENT, "own", true, &tls, &problem), ERR_NONE);
    return tls;
}

static void start(const char *endpoints, bool with_issuer)
{
    memset(&world, 0, sizeof world);
    world.root = signer_from_seed((const uint8_t[32]){7});
    world.roster = make_roster(1, endpoints, with_issuer);
    struct links_options options = {
        .federation = {.region = OWN, .clock = clock_system(), .roster = world.roster, .works = {.work = take_work}},
        .trust_domain = PKI_DOMAIN,
        .tls = own_tls(),
        .message_bytes_max = 1 << 20,
        .wakes = (struct wakes *)&world};
    world.links = links_create(&options);
    assert_non_null(world.links);
    world.logic = logic_made;
    assert_ptr_equal(links_federation(world.links), world.logic);
    links_start(world.links);
}

static void stop(void)
{
    links_stop(world.links);
    links_destroy(world.links);
    roster_unref(world.roster);
    signer_destroy(world.root);
}

static void tell(enum todo todo)
{
    NOTE(world.logic, world.logic->todo = todo);
    links_changed(world.links);
}

#define WAIT_FOR(condition)                                                                                            \
    do {                                                                                                               \
        int64_t until = clock_boot_ms(clock_system()) + BOUND_S * 1000;                                                \
        bool met = false;                                                                                              \
        while (!met) {                                                                                                 \
            NOTE(world.logic, met = (condition));                                                                      \
            if (!met && clock_boot_ms(clock_system()) > until)                                                         \
                fail_msg("in vain: %s; unlinked: %s", #condition, world.logic->unlinked_why.text);                     \
            if (!met)                                                                                                  \
                poll(NULL, 0, 2);                                                                                      \
        }                                                                                                              \
    } while (0)

static const char *endpoint_of(const struct server *server, const char *host)
{
    static char line[256];
    snprintf(line, sizeof line, "endpoint " PKI_REGION " %s:%u\n", host, server->port);
    return line;
}

static const char hub_names[] = "IP:127.0.0.1,DNS:localhost";

/* Certificates of this hub ("own") and of the peer ("hub"). */
static void world_set_up(void)
{
    signal(SIGPIPE, SIG_IGN);
    log_set_level(LOG_LEVEL_ERROR);
    pki = pki_create();
    pki_issue(pki, "own", &(struct pki_leaf){.uris = {"spiffe://" PKI_DOMAIN "/region/" OWN "/hub"}});
    pki_issue(pki, "hub", &(struct pki_leaf){.uris = {PKI_HUB}, .names = hub_names});
    pki_write_crl(pki, 3600, true);
}

#endif
