/* tier: check */
/*
 * The links' thread over loopback, with a server of the test's own and a logic that only notes what it hears: who is
 * let in as a peer, endpoints in their order, names, streams, back-pressure, the end of a link and of the thread.
 *
 * The functions of federation.h that links.c calls are this file's, so federation.c is not linked.
 */
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
    DO_WORK
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

enum manner { ANSWERS, GARBAGE, REFUSES, READS_NOTHING, ENDS, FLOODS, STOPS, SHOUTS };

struct server {
    enum manner manner;
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

static bool is_fetch(const struct h2_request *request)
{
    return strcmp(request->path, "/vacancy.v1.FederationService/FetchSnapshot") == 0;
}

static bool say(struct server *server, struct h2_stream *stream)
{
    Vacancy__V1__Refusal refusal = VACANCY__V1__REFUSAL__INIT;
    Vacancy__V1__FollowResponse response = VACANCY__V1__FOLLOW_RESPONSE__INIT;
    response.item_case = VACANCY__V1__FOLLOW_RESPONSE__ITEM_REFUSAL;
    response.refusal = &refusal;
    refusal.region = (char *)OWN;
    refusal.reason = VACANCY__V1__REFUSAL__REASON__REASON_NOT_HERE;
    server->sent++;
    return h2_stream_send(stream, &response.base);
}

static const uint8_t too_much[3 << 20]; /* in one message */

static void on_opened(struct h2_stream *stream, const struct h2_request *request)
{
    static const struct problem refusal = {.code = ERR_FORBIDDEN, .text = "not for you"};
    struct server *server = server_of(stream);
    h2_stream_set_context(stream, is_fetch(request) ? server : NULL);
    if (!is_fetch(request) && server->manner == REFUSES)
        h2_stream_finish(stream, &refusal);
    else if (!is_fetch(request) && server->manner == ENDS)
        h2_stream_finish(stream, NULL);
    else if (!is_fetch(request) && server->manner == GARBAGE)
        h2_stream_send_octets(stream, "\xff\xff\xff", 3);
    else if (!is_fetch(request) && server->manner == SHOUTS)
        h2_stream_send_octets(stream, too_much, sizeof too_much);
    else if (!is_fetch(request) && server->manner == READS_NOTHING)
        h2_stream_set_reading(stream, false);
    else if (!is_fetch(request) && server->manner == STOPS)
        h2_conn_drain(server->conn, clock_boot_ms(clock_system()), INT64_MAX);
    else if (!is_fetch(request) && server->manner == FLOODS)
        while (say(server, stream))
            ;
}

static void on_message(struct h2_stream *stream, const uint8_t *data, size_t bytes)
{
    struct server *server = server_of(stream);
    (void)data, (void)bytes;
    if (h2_stream_context(stream) == NULL) {
        server->requests++;
        say(server, stream);
        return;
    }
    server->fetches++;
    uint8_t headers[1000] = {0};
    Vacancy__V1__SnapshotHeaders part = VACANCY__V1__SNAPSHOT_HEADERS__INIT;
    Vacancy__V1__FetchSnapshotResponse response = VACANCY__V1__FETCH_SNAPSHOT_RESPONSE__INIT;
    response.item_case = VACANCY__V1__FETCH_SNAPSHOT_RESPONSE__ITEM_HEADERS;
    response.headers = &part;
    part.headers = (ProtobufCBinaryData){sizeof headers, headers};
    for (int i = 0; i < 3; i++)
        h2_stream_send(stream, &response.base);
    if (server->manner != FLOODS) /* else it goes on for ever */
        h2_stream_finish(stream, NULL);
}

static void on_writable(struct h2_stream *stream)
{
    struct server *server = server_of(stream);
    if (server->manner == FLOODS && h2_stream_context(stream) == NULL)
        while (say(server, stream))
            ;
}

static void on_closed(struct h2_stream *stream, const struct h2_outcome *outcome)
{
    if (outcome->end == H2_END_CANCELLED)
        server_of(stream)->cancelled++;
}

static void on_touched(struct h2_conn *conn)
{
    ((struct server *)h2_conn_context(conn))->touched = true;
}

static const struct h2_callbacks callbacks = {
    .opened = on_opened, .message = on_message, .writable = on_writable, .closed = on_closed};
static const struct h2_conn_callbacks conn_callbacks = {.touched = on_touched};

static void accept_one(struct server *server)
{
    int fd = accept4(server->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0)
        return;
    const struct h2_options options = {
        .tls = server->tls, .callbacks = &callbacks, .conn_callbacks = &conn_callbacks, .context = server};
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

static void server_start(struct server *server, const char *certificate, enum manner manner)
{
    struct problem problem;
    *server = (struct server){.manner = manner, .stop = eventfd(0, EFD_CLOEXEC)};
    assert_int_equal(pki_context(pki, TLS_SERVER, certificate, true, &server->tls, &problem), ERR_NONE);
    server_listen(server);
    server->thread = thread_start("server", serve, server);
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

/* --- tests -------------------------------------------------------------------------------------------------------- */

static void a_link_carries_both_streams(void **state)
{
    (void)state;
    struct server server;
    server_start(&server, "hub", ANSWERS);
    start(endpoint_of(&server, "127.0.0.1"), true);
    tell(DO_DIAL);
    WAIT_FOR(world.logic->linked == 1);
    for (unsigned i = 1; i <= 3; i++) {
        tell(DO_SEND);
        WAIT_FOR(world.logic->heard == i);
    }
    tell(DO_FETCH);
    WAIT_FOR(world.logic->snapshot_over == 1);
    assert_int_equal(world.logic->snapshot_parts, 3);
    assert_int_equal(world.logic->snapshot_why.code, ERR_NONE);
    tell(DO_FETCH); /* again, on the same connection */
    WAIT_FOR(world.logic->snapshot_over == 2);
    assert_int_equal(server.connections, 1);
    unsigned before = woken;
    WAIT_FOR(woken >= before + 2); /* inbound streams say that they live */
    tell(DO_HANG_UP);
    WAIT_FOR(world.logic->unlinked == 1);
    assert_int_equal(world.logic->unlinked_why.code, ERR_CANCELLED);
    tell(DO_DIAL);
    WAIT_FOR(world.logic->linked == 2);
    stop();
    server_stop(&server);
}

/* R14, A11: the peer proves to be that region's hub, by an issuer that the roster names for it, or is not heard. */
static void only_that_regions_hub_is_heard(void **state)
{
    (void)state;
    static const struct {
        const char *certificate, *host, *words;
        bool with_issuer;
    } cases[] = {
        {"agency", "127.0.0.1", "not a hub's", true},
        {"other-region", "127.0.0.1", "the hub of E12000004", true},
        {"other-domain", "127.0.0.1", "trust domain", true},
        {"hub", "127.0.0.1", "not issued by an issuer that the roster names", false},
        {"elsewhere", "127.0.0.1", "address mismatch", true}, /* a name that is not the endpoint's */
        {"foreign", "127.0.0.1", "certificate", true},        /* another root */
        {"two-names", "127.0.0.1", "one URI", true},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct server server;
        server_start(&server, cases[i].certificate, ANSWERS);
        start(endpoint_of(&server, cases[i].host), cases[i].with_issuer);
        tell(DO_DIAL);
        WAIT_FOR(world.logic->unlinked == 1);
        assert_int_equal(world.logic->linked, 0);
        assert_int_equal(server.requests, 0);
        if (strstr(world.logic->unlinked_why.text, cases[i].words) == NULL)
            fail_msg("%s: \"%s\" does not say \"%s\"", cases[i].certificate, world.logic->unlinked_why.text,
                     cases[i].words);
        stop();
        server_stop(&server);
    }
}

static void endpoints_are_tried_in_their_order(void **state)
{
    (void)state;
    struct server wrong, right, closed = {0};
    char endpoints[512];
    server_start(&wrong, "agency", ANSWERS);
    server_start(&right, "hub", ANSWERS);
    server_listen(&closed);
    close(closed.listener);
    snprintf(endpoints, sizeof endpoints,
             "endpoint " PKI_REGION " nowhere.invalid:1\nendpoint " PKI_REGION " 127.0.0.1:%u\nendpoint " PKI_REGION
             " 127.0.0.1:%u\nendpoint " PKI_REGION " localhost:%u\n",
             closed.port, wrong.port, right.port);
    start(endpoints, true);
    tell(DO_DIAL);
    WAIT_FOR(world.logic->linked == 1);
    assert_true(wrong.connections >= 1);
    tell(DO_SEND);
    WAIT_FOR(world.logic->heard == 1);
    assert_int_equal(world.logic->unlinked, 0);
    server_stop(&right); /* and from now on nobody is there */
    WAIT_FOR(world.logic->unlinked == 1);
    tell(DO_DIAL);
    WAIT_FOR(world.logic->unlinked == 2);
    assert_int_equal(world.logic->linked, 1);
    stop();
    server_stop(&wrong);
}

static void a_link_ends_with_its_reason(void **state)
{
    (void)state;
    static const struct {
        enum manner manner;
        enum err code;
        const char *words;
    } cases[] = {
        {GARBAGE, ERR_INVALID, "can't be read"},     {REFUSES, ERR_FORBIDDEN, "not for you"},
        {ENDS, ERR_UNAVAILABLE, "ended the stream"}, {STOPS, ERR_UNAVAILABLE, "is stopping"},
        {SHOUTS, ERR_LIMIT, "over the limit"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct server server;
        server_start(&server, "hub", cases[i].manner);
        start(endpoint_of(&server, "127.0.0.1"), true);
        tell(DO_DIAL);
        WAIT_FOR(world.logic->unlinked == 1);
        assert_int_equal(world.logic->linked, 1);
        assert_int_equal(world.logic->heard, 0);
        assert_int_equal(world.logic->unlinked_why.code, cases[i].code);
        assert_non_null(strstr(world.logic->unlinked_why.text, cases[i].words));
        stop();
        server_stop(&server);
    }
}

/* A peer that opens a stream and never reads costs a bounded queue, and its link. */
static void a_peer_that_reads_nothing_is_left(void **state)
{
    (void)state;
    struct server server;
    server_start(&server, "hub", READS_NOTHING);
    start(endpoint_of(&server, "127.0.0.1"), true);
    tell(DO_DIAL);
    WAIT_FOR(world.logic->linked == 1);
    tell(DO_SEND_UNTIL_FULL);
    WAIT_FOR(world.logic->unlinked == 1);
    assert_true(world.logic->full);
    assert_int_equal(world.logic->unlinked_why.code, ERR_LIMIT);
    stop();
    server_stop(&server);
}

/* R13: a stream that never ends is stopped by flow control while the logic does not read. */
static void a_flood_waits_while_we_do_not_read(void **state)
{
    (void)state;
    struct server server;
    server_start(&server, "hub", FLOODS);
    start(endpoint_of(&server, "127.0.0.1"), true);
    tell(DO_DIAL);
    WAIT_FOR(world.logic->heard > 1000);
    tell(DO_PAUSE);
    unsigned sent, heard;
    do { /* until nothing moves for a while */
        sent = server.sent;
        NOTE(world.logic, heard = world.logic->heard);
        poll(NULL, 0, 200);
    } while (server.sent != sent || world.logic->heard != heard);
    tell(DO_FETCH);
    WAIT_FOR(server.fetches == 1); /* the connection itself goes on */
    assert_int_equal(world.logic->snapshot_parts, 0);
    tell(DO_READ);
    WAIT_FOR(world.logic->heard > heard + 1000 && world.logic->snapshot_parts == 3);
    tell(DO_STOP_FETCH);
    WAIT_FOR(server.cancelled == 1);
    assert_int_equal(world.logic->snapshot_over, 0);
    assert_int_equal(world.logic->unlinked, 0);
    stop();
    server_stop(&server);
}

static void hanging_up_while_dialling_says_nothing(void **state)
{
    (void)state;
    struct server silent = {0}; /* its kernel accepts, and then nobody speaks */
    server_listen(&silent);
    start(endpoint_of(&silent, "127.0.0.1"), true);
    tell(DO_DIAL);
    WAIT_FOR(world.logic->todo == DO_NOTHING);
    tell(DO_HANG_UP);
    WAIT_FOR(world.logic->todo == DO_NOTHING);
    tell(DO_HANG_UP);
    unsigned ticks = world.logic->ticks;
    WAIT_FOR(world.logic->ticks > ticks + 3);
    assert_int_equal(world.logic->unlinked + world.logic->linked, 0);
    stop();
    close(silent.listener);
}

static void what_the_writers_have_comes_back_before_the_end(void **state)
{
    (void)state;
    start("", true);
    tell(DO_WORK);
    WAIT_FOR(world.logic->worked == 1);
    world.keep = true;
    tell(DO_WORK);
    WAIT_FOR(world.works == 2);
    links_peer_has(world.links, calloc(1, sizeof(struct peer_positions)));
    WAIT_FOR(world.logic->peers_have == 1);
    tell(DO_DIAL); /* no endpoint */
    WAIT_FOR(world.logic->unlinked == 1);
    links_changed(world.links);
    const struct mail mail = {.kind = world.kept->reply.kind, .payload = world.kept};
    struct mailbox *mailbox = world.kept->reply.mailbox;
    mailbox_send_reserved(mailbox, &mail); /* perhaps while it stops */
    links_stop(world.links);
    links_changed(world.links); /* others may still post */
    links_peer_has(world.links, calloc(1, sizeof(struct peer_positions)));
    links_reload(world.links, NULL, own_tls());
    stop();
}

static struct peer_positions *said(bool complete, uint64_t sequence)
{
    struct peer_positions *out = calloc(1, sizeof *out + ROSTER_REGIONS_MAX * sizeof out->checkpoints[0]);
    assert_non_null(out);
    strcpy(out->peer, PKI_REGION);
    out->complete = complete;
    out->count = ROSTER_REGIONS_MAX;
    for (uint32_t i = 0; i < out->count; i++) {
        snprintf(out->checkpoints[i].checkpoint.region, GSS_BYTES, "E12%06u", i % 1000000);
        out->checkpoints[i].checkpoint.sequence = sequence;
    }
    return out;
}

/* R15: a hub that floods us with positions costs one place, and one look a turn; the newest of each region count. */
static void a_flood_of_positions_is_one(void **state)
{
    (void)state;
    enum { FLOOD = 2000 };
    start("", true);
    links_stop(world.links); /* the thread is busy */
    for (uint64_t i = 1; i <= FLOOD; i++)
        links_peer_has(world.links, said(i == 1, i));
    struct peer_positions *last = said(false, FLOOD + 1);
    last->count = 1;
    links_peer_has(world.links, last);
    links_start(world.links);
    WAIT_FOR(world.logic->peers_have > 0);
    assert_int_equal(world.logic->peers_have, 1);
    assert_int_equal(world.logic->said_of, ROSTER_REGIONS_MAX);
    assert_int_equal(world.logic->said_sequence, FLOOD + 1);
    assert_true(world.logic->said_complete);
    stop();
}

static void a_new_roster_and_a_revocation_are_heard(void **state)
{
    (void)state;
    struct server first, second;
    server_start(&first, "hub", ANSWERS);
    server_start(&second, "revoked", ANSWERS);
    start(endpoint_of(&first, "127.0.0.1"), true);
    tell(DO_DIAL);
    WAIT_FOR(world.logic->linked == 1);

    NOTE(world.logic, world.logic->set_roster = ERR_STALE);
    links_reload(world.links, make_roster(1, "", true), NULL);
    tell(DO_SEND); /* the old one stays in use */
    WAIT_FOR(world.logic->heard == 1);
    NOTE(world.logic, world.logic->set_roster = ERR_NONE);
    links_reload(world.links, make_roster(2, endpoint_of(&second, "127.0.0.1"), true), NULL);
    WAIT_FOR(atomic_load(&world.works) == 0);
    tell(DO_DIAL);
    WAIT_FOR(world.logic->linked == 2);
    assert_int_equal(second.connections, 1);

    pki_revoke(pki, "revoked");
    pki_write_crl(pki, 3600, true);
    links_reload(world.links, NULL, own_tls());
    WAIT_FOR(world.logic->unlinked == 1);
    assert_int_equal(world.logic->unlinked_why.code, ERR_UNAUTHENTICATED);
    tell(DO_DIAL);
    WAIT_FOR(world.logic->unlinked == 2);
    assert_int_equal(world.logic->linked, 2);
    stop();
    server_stop(&first);
    server_stop(&second);
}

static int set_up(void **state)
{
    (void)state;
    static const char names[] = "IP:127.0.0.1,DNS:localhost";
    signal(SIGPIPE, SIG_IGN);
    log_set_level(LOG_LEVEL_ERROR);
    pki = pki_create();
    pki_issue(pki, "own", &(struct pki_leaf){.uris = {"spiffe://" PKI_DOMAIN "/region/" OWN "/hub"}});
    pki_issue(pki, "hub", &(struct pki_leaf){.uris = {PKI_HUB}, .names = names});
    pki_issue(pki, "revoked", &(struct pki_leaf){.uris = {PKI_HUB}, .names = names});
    pki_issue(pki, "agency", &(struct pki_leaf){.uris = {PKI_AGENCY}, .names = names});
    pki_issue(pki, "other-region",
              &(struct pki_leaf){.uris = {"spiffe://" PKI_DOMAIN "/region/E12000004/hub"}, .names = names});
    pki_issue(pki, "other-domain",
              &(struct pki_leaf){.uris = {"spiffe://else.example/region/" PKI_REGION "/hub"}, .names = names});
    pki_issue(pki, "elsewhere", &(struct pki_leaf){.uris = {PKI_HUB}, .names = "DNS:elsewhere.test"});
    pki_issue(pki, "foreign", &(struct pki_leaf){.uris = {PKI_HUB}, .names = names, .signer = PKI_BY_OTHER_ROOT});
    pki_issue(pki, "two-names", &(struct pki_leaf){.uris = {PKI_HUB, PKI_AGENCY}, .names = names});
    pki_write_crl(pki, 3600, true);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    pki_destroy(pki);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_link_carries_both_streams),
        cmocka_unit_test(only_that_regions_hub_is_heard),
        cmocka_unit_test(endpoints_are_tried_in_their_order),
        cmocka_unit_test(a_link_ends_with_its_reason),
        cmocka_unit_test(a_peer_that_reads_nothing_is_left),
        cmocka_unit_test(a_flood_waits_while_we_do_not_read),
        cmocka_unit_test(hanging_up_while_dialling_says_nothing),
        cmocka_unit_test(what_the_writers_have_comes_back_before_the_end),
        cmocka_unit_test(a_flood_of_positions_is_one),
        cmocka_unit_test(a_new_roster_and_a_revocation_are_heard),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
