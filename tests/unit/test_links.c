/* tier: check */
/*
 * The links' thread over loopback: who is let in as a peer, endpoints in their order, names, streams, back-pressure,
 * the end of a link and of the thread. Forwards: test_links_forward.c.
 */
#include "tests/unit/links_world.h"

/* --- what the hub does ------------------------------------------------------------------------------------------- */

enum manner { ANSWERS, GARBAGE, REFUSES, READS_NOTHING, ENDS, FLOODS, STOPS, SHOUTS };

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

static const struct h2_callbacks callbacks = {
    .opened = on_opened, .message = on_message, .writable = on_writable, .closed = on_closed};
/* --- tests -------------------------------------------------------------------------------------------------------- */

static void a_link_carries_both_streams(void **state)
{
    (void)state;
    struct server server;
    server_start(&server, "hub", ANSWERS, &callbacks);
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
        server_start(&server, cases[i].certificate, ANSWERS, &callbacks);
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
    server_start(&wrong, "agency", ANSWERS, &callbacks);
    server_start(&right, "hub", ANSWERS, &callbacks);
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
        server_start(&server, "hub", cases[i].manner, &callbacks);
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
    server_start(&server, "hub", READS_NOTHING, &callbacks);
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
    server_start(&server, "hub", FLOODS, &callbacks);
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

/* Each commit at home posts it, just when followers are sent what was committed. */
static void what_changed_at_home_is_heard_and_wakes_nobody(void **state)
{
    (void)state;
    enum { TICK_MS = 50 }; /* of the world's logic */
    start("", true);
    links_changed(world.links);
    WAIT_FOR(world.logic->changed == 1);
    int64_t began_ms = clock_boot_ms(clock_system());
    for (unsigned times = 2; times <= 4; times++) {
        links_changed(world.links);
        WAIT_FOR(world.logic->changed == times);
    }
    /* Of the turns that heard the second and the fourth, at most one other reason to wake was between. */
    assert_true(clock_boot_ms(clock_system()) - began_ms >= TICK_MS - 1);
    stop();
}

static void a_new_roster_and_a_revocation_are_heard(void **state)
{
    (void)state;
    struct server first, second;
    server_start(&first, "hub", ANSWERS, &callbacks);
    server_start(&second, "revoked", ANSWERS, &callbacks);
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
    world_set_up();
    pki_issue(pki, "revoked", &(struct pki_leaf){.uris = {PKI_HUB}, .names = hub_names});
    pki_issue(pki, "agency", &(struct pki_leaf){.uris = {PKI_AGENCY}, .names = hub_names});
    pki_issue(pki, "other-region",
              &(struct pki_leaf){.uris = {"spiffe://" PKI_DOMAIN "/region/E12000004/hub"}, .names = hub_names});
    pki_issue(pki, "other-domain",
              &(struct pki_leaf){.uris = {"spiffe://else.example/region/" PKI_REGION "/hub"}, .names = hub_names});
    pki_issue(pki, "elsewhere", &(struct pki_leaf){.uris = {PKI_HUB}, .names = "DNS:elsewhere.test"});
    pki_issue(pki, "foreign", &(struct pki_leaf){.uris = {PKI_HUB}, .names = hub_names, .signer = PKI_BY_OTHER_ROOT});
    pki_issue(pki, "two-names", &(struct pki_leaf){.uris = {PKI_HUB, PKI_AGENCY}, .names = hub_names});
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
        cmocka_unit_test(what_changed_at_home_is_heard_and_wakes_nobody),
        cmocka_unit_test(a_new_roster_and_a_revocation_are_heard),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
