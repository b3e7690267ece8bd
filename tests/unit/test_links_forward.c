/* tier: check */
/*
 * Forwards over a link: answers, the home hub's own words, and what is said of each way in which one can break: it is
 * UNAVAILABLE only where the home hub has not begun on it. Bounds, deadlines, the end of the thread.
 *
 * What the server does with a request, its first octet says.
 */
#include "tests/unit/links_world.h"

#include "proto/wire/h2_internal.h"

#define FORWARD     "/vacancy.v1.FederationService/Forward"
#define DETAILS     "not looked at"
#define REPLY_BYTES 1000

enum {
    ANSWER = 'a',
    SAY = 's',      /* FAILED_PRECONDITION, with DETAILS */
    SAY_LATE = 't', /* DEADLINE_EXCEEDED */
    NEVER = 'n',
    DIE = 'd',
    SAY_OK = 'o', /* and no reply */
    RESET = 'r',
    REFUSE = 'u',    /* RST_STREAM with REFUSED_STREAM */
    GO_AWAY = 'g',   /* GOAWAY that does not count this stream */
    SHOUT = 'l',     /* 1 MiB */
    LAST_WORD = 'w', /* it stops, and answers this one */
};

static struct {
    atomic_uint forwards, cancelled;
    atomic_int timeout_ms; /* of the last one */
} seen;
static struct mailbox *replies;

/* --- the home hub ------------------------------------------------------------------------------------------------- */

static void opened(struct h2_stream *stream, const struct h2_request *request)
{
    if (strcmp(request->path, FORWARD) != 0)
        return;
    h2_stream_set_context(stream, server_of(stream));
    h2_stream_expect_one(stream);
    seen.timeout_ms = (int)request->timeout_ms;
}

static void reply(struct h2_stream *stream, const uint8_t *data, size_t bytes)
{
    uint8_t octets[REPLY_BYTES] = {0};
    memcpy(octets, data, bytes);
    h2_stream_send_octets(stream, octets, sizeof octets);
    h2_stream_finish(stream, NULL);
}

static void say(struct h2_stream *stream, enum err code)
{
    struct problem problem;
    problem_set(&problem, code, "beds", "the home hub's own word");
    if (code == ERR_PRECONDITION)
        h2_stream_set_details(stream, DETAILS, sizeof DETAILS);
    h2_stream_finish(stream, &problem);
}

static void message(struct h2_stream *stream, const uint8_t *data, size_t bytes)
{
    static const uint8_t large[1 << 20];
    struct server *server = server_of(stream);
    nghttp2_session *session = h2_stream_conn(stream)->session;
    if (h2_stream_context(stream) == NULL)
        return; /* Follow */
    seen.forwards++;
    switch (data[0]) {
    case ANSWER:
        reply(stream, data, bytes);
        break;
    case SAY:
        say(stream, ERR_PRECONDITION);
        break;
    case SAY_LATE:
        say(stream, ERR_DEADLINE);
        break;
    case DIE:
        conn_die(server->conn, "killed"); /* from within a callback nothing else may end it */
        break;
    case SAY_OK:
        h2_stream_finish(stream, NULL);
        break;
    case RESET:
        h2_stream_cancel(stream);
        break;
    case REFUSE:
        nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, h2_stream_id(stream), NGHTTP2_REFUSED_STREAM);
        break;
    case GO_AWAY:
        nghttp2_submit_goaway(session, NGHTTP2_FLAG_NONE, h2_stream_id(stream) - 2, NGHTTP2_NO_ERROR, NULL, 0);
        break;
    case SHOUT:
        h2_stream_send_octets(stream, large, sizeof large);
        h2_stream_finish(stream, NULL);
        break;
    case LAST_WORD:
        h2_conn_drain(server->conn, clock_boot_ms(clock_system()), INT64_MAX);
        reply(stream, data, bytes);
        break;
    default:
        break;
    }
}

static void closed(struct h2_stream *stream, const struct h2_outcome *outcome)
{
    if (h2_stream_context(stream) != NULL && outcome->end == H2_END_CANCELLED)
        seen.cancelled++;
}

static const struct h2_callbacks callbacks = {.opened = opened, .message = message, .closed = closed};

/* --- who asks ----------------------------------------------------------------------------------------------------- */

static enum err try_ask(const char *region, char what, uint32_t number, int64_t within_ms)
{
    const uint8_t request[3] = {(uint8_t)what, (uint8_t)(number >> 8), (uint8_t)number};
    struct forward *forward =
        forward_create(region, &(struct octets){request, sizeof request}, clock_boot_ms(clock_system()) + within_ms);
    assert_non_null(forward);
    assert_int_equal(mailbox_reserve(replies), ERR_NONE);
    forward->reply = (struct reply_address){.mailbox = replies, .to = number, .kind = 7};
    enum err err = links_forward(world.links, forward);
    if (err != ERR_NONE) {
        mailbox_unreserve(replies);
        forward_destroy(forward);
    }
    return err;
}

static void ask(char what, uint32_t number, int64_t within_ms)
{
    assert_int_equal(try_ask(PKI_REGION, what, number, within_ms), ERR_NONE);
}

static struct forward *answer(void)
{
    struct mail mail;
    if (mailbox_wait(replies, &mail, 1, BOUND_S * 1000) != 1)
        fail_msg("no answer came");
    struct forward *forward = mail.payload;
    assert_int_equal(mail.kind, 7);
    assert_int_equal(mail.to, forward->request.data[1] << 8 | forward->request.data[2]);
    return forward;
}

/* Not begun on: to be sent again without a thought. */
static void expect_unavailable(bool down)
{
    struct forward *forward = answer();
    assert_int_equal(forward->problem.code, ERR_UNAVAILABLE);
    assert_false(forward->outcome_unknown);
    assert_false(forward->by_home);
    assert_int_equal(forward->unreachable_since_ms != 0, down);
    forward_destroy(forward);
}

static void expect_unknown(void)
{
    struct forward *forward = answer();
    assert_int_equal(forward->problem.code, ERR_DEADLINE);
    assert_true(forward->outcome_unknown);
    assert_false(forward->by_home);
    assert_int_equal(forward->unreachable_since_ms, 0);
    forward_destroy(forward);
}

static void expect_answer(void)
{
    struct forward *forward = answer();
    if (forward->problem.code != ERR_NONE)
        fail_msg("%s: %s", err_name(forward->problem.code), forward->problem.text);
    assert_int_equal(forward->response.size, REPLY_BYTES);
    assert_memory_equal(forward->response.data, forward->request.data, forward->request.size);
    forward_destroy(forward);
}

static void link_up(struct server *server)
{
    start(endpoint_of(server, "127.0.0.1"), true);
    tell(DO_DIAL);
    WAIT_FOR(world.logic->linked == 1);
}

/* --- tests -------------------------------------------------------------------------------------------------------- */

static void many_are_answered_each_with_its_own(void **state)
{
    (void)state;
    struct server server;
    server_start(&server, "hub", 0, &callbacks);
    link_up(&server);
    for (uint32_t round = 0; round < 3; round++) {
        for (uint32_t i = 0; i < FORWARDS_EACH_MAX; i++) /* more than the server takes at a time */
            ask(ANSWER, round << 10 | i, 20000);
        for (uint32_t i = 0; i < FORWARDS_EACH_MAX; i++)
            expect_answer();
    }
    assert_int_equal(server.connections, 1);
    assert_true(seen.timeout_ms > 0 && seen.timeout_ms <= 20000); /* the home hub knows how long we wait */
    stop();
    server_stop(&server);
}

static void the_home_hubs_word_comes_back(void **state)
{
    (void)state;
    struct server server;
    server_start(&server, "hub", 0, &callbacks);
    link_up(&server);
    ask(SAY, 1, 20000);
    struct forward *forward = answer();
    assert_int_equal(forward->problem.code, ERR_PRECONDITION);
    assert_string_equal(forward->problem.text, "the home hub's own word");
    assert_true(forward->by_home);
    assert_false(forward->outcome_unknown);
    assert_int_equal(forward->details.size, sizeof DETAILS);
    assert_memory_equal(forward->details.data, DETAILS, sizeof DETAILS);
    forward_destroy(forward);
    ask(SAY_LATE, 2, 20000); /* it does not know either */
    forward = answer();
    assert_int_equal(forward->problem.code, ERR_DEADLINE);
    assert_string_equal(forward->problem.field, "beds"); /* of the details that it made of its problem */
    assert_true(forward->by_home);
    assert_true(forward->outcome_unknown);
    forward_destroy(forward);
    stop();
    server_stop(&server);
}

/* Whatever breaks once it has left. All but the death leave the link as it was. */
static void a_broken_call_is_unknown(void **state)
{
    (void)state;
    struct server server;
    server_start(&server, "hub", 0, &callbacks);
    link_up(&server);
    ask(SAY_OK, 1, 20000);
    expect_unknown();
    ask(RESET, 2, 20000);
    expect_unknown();
    ask(SHOUT, 3, 20000);
    expect_unknown();
    ask(ANSWER, 4, 20000);
    expect_answer();
    unsigned cancelled = seen.cancelled;
    int64_t began = clock_boot_ms(clock_system());
    ask(NEVER, 5, 300);
    expect_unknown();
    int64_t took = clock_boot_ms(clock_system()) - began;
    assert_true(took >= 300 && took < BOUND_S * 1000 / 2);
    WAIT_FOR(seen.cancelled == cancelled + 1); /* the home hub need not go on */
    ask(ANSWER, 6, 20000);
    expect_answer();
    assert_int_equal(world.logic->unlinked, 0);
    began = clock_boot_ms(clock_system());
    ask(NEVER, 7, 600000);
    ask(DIE, 8, 600000); /* neither waits for its deadline */
    expect_unknown();
    expect_unknown();
    WAIT_FOR(world.logic->unlinked == 1);
    stop();
    server_stop(&server);
}

static void what_was_not_begun_on_is_unavailable(void **state)
{
    (void)state;
    struct server server;
    server_start(&server, "hub", 0, &callbacks);
    link_up(&server);
    ask(REFUSE, 1, 20000);
    expect_unavailable(false);
    assert_int_equal(world.logic->unlinked, 0);
    ask(GO_AWAY, 2, 20000);
    expect_unavailable(false);
    WAIT_FOR(world.logic->unlinked == 1);
    stop();
    server_stop(&server);
}

/* The hub takes no further stream, so that it never leaves. */
static void one_that_waits_for_a_stream_never_left(void **state)
{
    (void)state;
    struct server server;
    struct h2_limits one = h2_limits_default;
    one.streams_max = 2; /* Follow, and one more */
    server_start_with(&server, "hub", 0, &callbacks, &one);
    link_up(&server);
    unsigned before = seen.forwards;
    ask(NEVER, 1, 600000);
    WAIT_FOR(seen.forwards == before + 1);
    ask(ANSWER, 2, 300);
    expect_unavailable(false);
    assert_int_equal(seen.forwards, before + 1);
    stop();
    expect_unknown(); /* the first */
    server_stop(&server);
}

static void a_link_that_is_down_says_since_when(void **state)
{
    (void)state;
    struct server server;
    int64_t before = clock_wall_ms(clock_system());
    server_start(&server, "hub", 0, &callbacks);
    start(endpoint_of(&server, "127.0.0.1"), true);
    ask(ANSWER, 1, 20000);
    struct forward *forward = answer(); /* never dialled: since the start */
    assert_int_equal(forward->problem.code, ERR_UNAVAILABLE);
    assert_in_range(forward->unreachable_since_ms, before, clock_wall_ms(clock_system()));
    forward_destroy(forward);
    assert_int_equal(try_ask("E12000009", ANSWER, 2, 20000), ERR_NONE);
    expect_unavailable(false); /* not in the roster */
    tell(DO_DIAL);
    WAIT_FOR(world.logic->linked == 1);
    ask(ANSWER, 3, 20000);
    expect_answer();
    int64_t up = clock_wall_ms(clock_system());
    ask(DIE, 4, 20000);
    expect_unknown();
    WAIT_FOR(world.logic->unlinked == 1);
    int64_t down = clock_wall_ms(clock_system());
    links_reload(world.links, make_roster(2, "", true), NULL); /* the same region, and nowhere to dial */
    tell(DO_DIAL);
    WAIT_FOR(world.logic->unlinked == 2);
    ask(ANSWER, 5, 20000);
    forward = answer();
    assert_in_range(forward->unreachable_since_ms, up, down); /* neither the dial nor the roster counts */
    forward_destroy(forward);
    stop();
    server_stop(&server);
}

static void a_hub_that_stops_has_the_last_word(void **state)
{
    (void)state;
    struct server server;
    server_start(&server, "hub", 0, &callbacks);
    link_up(&server);
    ask(LAST_WORD, 1, 20000);
    expect_answer();
    WAIT_FOR(world.logic->unlinked == 1);
    assert_non_null(strstr(world.logic->unlinked_why.text, "stopping"));
    stop();
    server_stop(&server);
}

static void there_is_a_bound_for_one_hub_and_for_all(void **state)
{
    (void)state;
    struct server server;
    server_start(&server, "hub", 0, &callbacks);
    link_up(&server);
    world_unblock = false;
    tell(DO_BLOCK); /* nothing is looked at meanwhile */
    WAIT_FOR(world.logic->todo == DO_NOTHING);
    for (uint32_t i = 0; i < FORWARDS_MAX; i++)
        ask(NEVER, i, 600000);
    assert_int_equal(try_ask(PKI_REGION, NEVER, 0, 600000), ERR_LIMIT);
    world_unblock = true;
    for (uint32_t i = FORWARDS_EACH_MAX; i < FORWARDS_MAX; i++) {
        struct forward *forward = answer();
        assert_int_equal(forward->problem.code, ERR_LIMIT);
        assert_false(forward->outcome_unknown);
        forward_destroy(forward);
    }
    stop(); /* answers the rest: those that left and those that did not */
    for (uint32_t i = 0; i < FORWARDS_EACH_MAX; i++) {
        struct forward *forward = answer();
        assert_int_equal(forward->problem.code, forward->outcome_unknown ? ERR_DEADLINE : ERR_UNAVAILABLE);
        forward_destroy(forward);
    }
    server_stop(&server);
}

static void *stop_links(void *arg)
{
    links_stop(world.links);
    return arg;
}

static void after_the_stop_none_is_taken(void **state)
{
    (void)state;
    struct server server;
    server_start(&server, "hub", 0, &callbacks);
    link_up(&server);
    world_unblock = false;
    tell(DO_BLOCK);
    WAIT_FOR(world.logic->todo == DO_NOTHING);
    ask(ANSWER, 1, 600000);
    pthread_t stopper = thread_start("stopper", stop_links, NULL);
    world_unblock = true;
    pthread_join(stopper, NULL);
    struct forward *forward = answer(); /* whether it was seen or not, it is answered */
    forward_destroy(forward);
    assert_int_equal(try_ask(PKI_REGION, ANSWER, 2, 600000), ERR_UNAVAILABLE);
    stop();
    server_stop(&server);
}

/* The decision alone: which problem for which end. */
static void each_end_has_its_problem(void **state)
{
    (void)state;
    static const struct {
        enum forward_end end;
        enum err why, code;
        bool by_home, unknown;
    } rows[] = {
        {FORWARD_ANSWERED, ERR_NONE, ERR_NONE, false, false},
        {FORWARD_SAID, ERR_FORBIDDEN, ERR_FORBIDDEN, true, false},
        {FORWARD_SAID, ERR_UNAVAILABLE, ERR_UNAVAILABLE, true, false},
        {FORWARD_SAID, ERR_LIMIT, ERR_LIMIT, true, false},
        {FORWARD_SAID, ERR_DEADLINE, ERR_DEADLINE, true, true},
        {FORWARD_SAID, ERR_CANCELLED, ERR_CANCELLED, true, true},
        {FORWARD_SAID, ERR_INTERNAL, ERR_INTERNAL, true, true},
        {FORWARD_SAID, ERR_STORE_IO, ERR_STORE_IO, true, true},
        {FORWARD_NO_REGION, ERR_NONE, ERR_UNAVAILABLE, false, false},
        {FORWARD_DOWN, ERR_NONE, ERR_UNAVAILABLE, false, false},
        {FORWARD_CROWDED, ERR_NONE, ERR_LIMIT, false, false},
        {FORWARD_UNBEGUN, ERR_NONE, ERR_UNAVAILABLE, false, false},
        {FORWARD_LATE, ERR_NONE, ERR_DEADLINE, false, true},
        {FORWARD_LOST, ERR_UNAVAILABLE, ERR_DEADLINE, false, true},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct forward *forward = forward_create(PKI_REGION, &(struct octets){(const uint8_t *)"x", 1}, 1);
        struct problem why = {.code = rows[i].why, .text = "why"};
        forward_settle(forward, rows[i].end, &why);
        assert_int_equal(forward->problem.code, rows[i].code);
        assert_int_equal(forward->by_home, rows[i].by_home);
        assert_int_equal(forward->outcome_unknown, rows[i].unknown);
        forward_destroy(forward);
    }
    /* A status that the server did not say (a proxy's HTTP 503, say) proves nothing. */
    assert_int_equal(forward_end_of(&(struct h2_outcome){.code = GRPC_UNAVAILABLE}, false), FORWARD_LOST);
    assert_int_equal(forward_end_of(&(struct h2_outcome){.code = GRPC_UNAVAILABLE, .said = true}, false), FORWARD_SAID);
    assert_int_equal(forward_end_of(&(struct h2_outcome){.code = GRPC_UNAVAILABLE, .unprocessed = true}, false),
                     FORWARD_UNBEGUN);
    assert_int_equal(forward_end_of(&(struct h2_outcome){.code = GRPC_UNAVAILABLE, .said = true}, true), FORWARD_SAID);
    assert_int_equal(forward_end_of(&(struct h2_outcome){.code = GRPC_DEADLINE_EXCEEDED, .end = H2_END_TIMEOUT}, false),
                     FORWARD_LATE);
    assert_int_equal(forward_end_of(&(struct h2_outcome){.code = GRPC_OK}, true), FORWARD_ANSWERED);
    assert_int_equal(forward_end_of(&(struct h2_outcome){.code = GRPC_OK}, false), FORWARD_LOST);
}

static int set_up(void **state)
{
    (void)state;
    world_set_up();
    replies = mailbox_create(2 * FORWARDS_MAX);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    mailbox_destroy(replies);
    pki_destroy(pki);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(many_are_answered_each_with_its_own),
        cmocka_unit_test(the_home_hubs_word_comes_back),
        cmocka_unit_test(a_broken_call_is_unknown),
        cmocka_unit_test(what_was_not_begun_on_is_unavailable),
        cmocka_unit_test(one_that_waits_for_a_stream_never_left),
        cmocka_unit_test(a_link_that_is_down_says_since_when),
        cmocka_unit_test(a_hub_that_stops_has_the_last_word),
        cmocka_unit_test(there_is_a_bound_for_one_hub_and_for_all),
        cmocka_unit_test(after_the_stop_none_is_taken),
        cmocka_unit_test(each_end_has_its_problem),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
