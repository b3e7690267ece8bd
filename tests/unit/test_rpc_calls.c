/* tier: check */
/*
 * Calls without a network: admission, deadlines (G12), replies and orphans, yields, and the one rule that everything
 * rests on: closed() is the last thing heard, exactly once. Streams and the clock are the test's own.
 */
#include "daemon/rpc/calls.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define MAIL_KIND 16
#define CALLS_MAX 9

/* --- a world for calls ----------------------------------------------------------------------------------------- */

struct stream {
    int sent, finished;
    enum err code;
    bool reading;
};

static struct {
    int64_t now_ms;
    struct timers timers;
    struct mailbox *mailbox;
    struct method_table table;
    struct calls *calls;
    int again;
    /* what the handler of the test heard */
    int messages, half_closed, resumed, orphaned, writable, due, closed;
    bool in_handler;
    void (*on_message)(struct call *call);
    void (*on_closed)(struct call *call);
} world;

static int64_t clock_now(void *ctx)
{
    (void)ctx;
    return world.now_ms;
}
static const struct clock_source test_clock = {.wall_ms = clock_now, .boot_ms = clock_now, .ctx = NULL};

static bool stream_send(void *stream, const ProtobufCMessage *message)
{
    (void)message;
    return ++((struct stream *)stream)->sent < 2;
}
static void stream_finish(void *stream, const struct problem *problem)
{
    ((struct stream *)stream)->finished++;
    ((struct stream *)stream)->code = problem ? problem->code : ERR_NONE;
}
static void stream_set_reading(void *stream, bool on)
{
    ((struct stream *)stream)->reading = on;
}
static const struct stream_ops stream_ops = {stream_send, stream_finish, stream_set_reading, NULL};

static void on_message(struct call *call, const ProtobufCMessage *message)
{
    (void)message;
    world.messages++;
    world.in_handler = true;
    if (world.on_message != NULL)
        world.on_message(call);
    world.in_handler = false;
}
static void on_half_closed(struct call *call)
{
    (void)call;
    world.half_closed++;
}
static void on_resumed(struct call *call, const struct mail *mail)
{
    (void)call;
    free(mail->payload);
    world.resumed++;
}
static void on_orphaned(const struct mail *mail)
{
    free(mail->payload);
    world.orphaned++;
}
static void on_writable(struct call *call)
{
    world.writable++;
    if (world.writable < 3)
        call_yield(call);
}
static void on_due(struct call *call)
{
    world.due++;
    if (world.due == 1)
        call_wake_at(call, world.now_ms + 30);
}
static void on_closed(struct call *call)
{
    assert_false(world.in_handler);
    world.closed++;
    if (world.on_closed != NULL)
        world.on_closed(call);
}
static const struct call_handler handler = {on_message,  on_half_closed, on_resumed, on_orphaned,
                                            on_writable, on_due,         on_closed};

static const struct rpc_method methods[] = {
    {.path = "/s/Unary", .kind = CALL_UNARY, .handler = &handler},
    {.path = "/s/Bidi", .kind = CALL_BIDI, .handler = &handler},
    {.path = "/a/First", .kind = CALL_UNARY, .handler = &handler},
};

static void on_again(void *ctx)
{
    (void)ctx;
    world.again++;
}

static int set_up(void **state)
{
    (void)state;
    memset(&world, 0, sizeof world);
    world.now_ms = 1000;
    world.mailbox = mailbox_create(4);
    world.calls = calls_create();
    table_add(&world.table, methods, sizeof methods / sizeof methods[0], &world);
    const struct calls_options options = {.table = &world.table,
                                          .stream_ops = &stream_ops,
                                          .mailbox = world.mailbox,
                                          .first_mail_kind = MAIL_KIND,
                                          .timers = &world.timers,
                                          .clock = &test_clock,
                                          .again = on_again,
                                          .calls_max = CALLS_MAX,
                                          .unary_ms = 10000,
                                          .streaming_ms = 3600000};
    calls_set_up(world.calls, &options);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    calls_destroy(world.calls); /* aborts if a call is left */
    mailbox_destroy(world.mailbox);
    timers_finish(&world.timers);
    return 0;
}

static struct live_call *begin(const char *path, struct stream *stream, int64_t timeout_ms)
{
    struct problem problem;
    *stream = (struct stream){.reading = true};
    struct live_call *call =
        calls_begin(world.calls, table_find(&world.table, path), stream, NULL, timeout_ms, &problem);
    assert_non_null(call);
    return call;
}

static void pass(int64_t ms)
{
    world.now_ms += ms;
    timers_run(&world.timers, world.now_ms, 100);
}

static void deliver(void)
{
    struct mail mail;
    while (mailbox_take(world.mailbox, &mail, 1) == 1)
        calls_mail(world.calls, &mail);
}

static uint64_t ended(enum err code)
{
    struct call_counts counts = {0};
    calls_count(world.calls, &counts);
    return counts.ended[code];
}

/* --- tests ----------------------------------------------------------------------------------------------------- */

static void methods_are_found_by_path(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof methods / sizeof methods[0]; i++)
        assert_ptr_equal(table_find(&world.table, methods[i].path), &world.table.methods[i]);
    assert_null(table_find(&world.table, "/s/unary"));
    assert_null(table_find(&world.table, ""));
}

static void finish_ok(struct call *call)
{
    call_send(call, NULL);
    call_finish(call, NULL);
    call_finish(call, NULL);            /* ignored */
    assert_true(call_send(call, NULL)); /* so is this */
    assert_int_equal(world.closed, 0);  /* not while the handler runs */
}

static void an_answered_call_ends_once(void **state)
{
    (void)state;
    struct stream stream;
    world.on_message = finish_ok;
    calls_message(begin("/s/Unary", &stream, -1), NULL);
    assert_int_equal(stream.sent, 1);
    assert_int_equal(stream.finished, 1);
    assert_int_equal(world.closed, 1);
    pass(20000); /* its deadline has gone with it */
    assert_int_equal(world.closed, 1);
    assert_int_equal(ended(ERR_NONE), 1);
}

static void a_call_without_a_deadline_has_ours(void **state)
{
    (void)state;
    struct stream unary, bidi;
    struct live_call *call = begin("/s/Bidi", &bidi, -1);
    begin("/s/Unary", &unary, -1);
    pass(9999);
    assert_int_equal(unary.finished, 0);
    pass(1);
    assert_int_equal(unary.finished, 1);
    assert_int_equal(unary.code, ERR_DEADLINE);
    assert_int_equal(world.closed, 1);
    assert_int_equal(bidi.finished, 0);
    calls_gone(call, ERR_CANCELLED);
    assert_int_equal(world.closed, 2);
    assert_int_equal(ended(ERR_DEADLINE), 1);
    assert_int_equal(ended(ERR_CANCELLED), 1);
}

static void a_callers_deadline_counts(void **state)
{
    (void)state;
    struct stream stream;
    struct problem problem;
    assert_null(calls_begin(world.calls, table_find(&world.table, "/s/Unary"), &stream, NULL, 0, &problem));
    assert_int_equal(problem.code, ERR_DEADLINE);
    begin("/s/Bidi", &stream, 50);
    pass(50);
    assert_int_equal(stream.code, ERR_DEADLINE);
    assert_int_equal(world.closed, 1);
    struct live_call *call = begin("/s/Unary", &stream, INT64_MAX); /* no overflow */
    pass(1000000);
    assert_int_equal(stream.finished, 0);
    calls_gone(call, ERR_CANCELLED);
}

static void calls_beyond_the_limit_are_refused(void **state)
{
    (void)state;
    struct stream streams[CALLS_MAX + 1];
    struct live_call *calls[CALLS_MAX];
    struct problem problem;
    for (int i = 0; i < CALLS_MAX; i++)
        calls[i] = begin("/s/Bidi", &streams[i], -1);
    assert_null(calls_begin(world.calls, table_find(&world.table, "/s/Bidi"), &streams[CALLS_MAX], NULL, -1, &problem));
    assert_int_equal(problem.code, ERR_LIMIT);
    calls_gone(calls[1], ERR_CANCELLED);
    calls[1] = begin("/s/Bidi", &streams[CALLS_MAX], -1);
    for (int i = 0; i < CALLS_MAX; i++)
        calls_gone(calls[i], ERR_CANCELLED);
}

static struct reply_address address;
static void reserve(struct call *call)
{
    assert_int_equal(call_reserve_reply(call, &address), ERR_NONE);
}

static void reply(void)
{
    struct mail mail = {.kind = address.kind, .to = address.to, .payload = malloc(1)};
    mailbox_send_reserved(address.mailbox, &mail);
}

static void a_reply_finds_its_call(void **state)
{
    (void)state;
    struct stream stream;
    world.on_message = reserve;
    struct live_call *call = begin("/s/Bidi", &stream, -1);
    calls_message(call, NULL);
    reply();
    deliver();
    assert_int_equal(world.resumed, 1);
    calls_gone(call, ERR_CANCELLED);
}

/* Also when the slot has been given to another call meanwhile, and after the worker's end. */
static void a_late_reply_is_an_orphan(void **state)
{
    (void)state;
    struct stream stream;
    world.on_message = reserve;
    struct live_call *call = begin("/s/Unary", &stream, 10);
    calls_message(call, NULL);
    pass(10);
    assert_int_equal(world.closed, 1);
    struct stream other;
    struct live_call *second = begin("/s/Unary", &other, -1);
    assert_ptr_equal(second, call);
    reply();
    deliver();
    assert_int_equal(world.resumed, 0);
    assert_int_equal(world.orphaned, 1);

    calls_message(second, NULL);
    calls_gone(second, ERR_CANCELLED);
    reply();
    struct mail mail;
    assert_int_equal(mailbox_take(world.mailbox, &mail, 1), 1);
    calls_orphan(&world.table, MAIL_KIND, &mail);
    assert_int_equal(world.orphaned, 2);
}

static void wake_in_20(struct call *call)
{
    call_wake_at(call, world.now_ms + 5);
    call_wake_at(call, world.now_ms + 20);
}

static void wake_and_finish(struct call *call)
{
    call_wake_at(call, world.now_ms + 20);
    call_finish(call, NULL);
    call_wake_at(call, world.now_ms + 20);
}

static void a_call_is_woken_when_it_asked(void **state)
{
    (void)state;
    struct stream stream;
    world.on_message = wake_in_20;
    struct live_call *call = begin("/s/Bidi", &stream, -1);
    calls_message(call, NULL);
    pass(19);
    assert_int_equal(world.due, 0);
    pass(1);
    assert_int_equal(world.due, 1);
    pass(30);
    assert_int_equal(world.due, 2);
    pass(1000);
    assert_int_equal(world.due, 2);
    calls_message(call, NULL);
    calls_gone(call, ERR_CANCELLED);
    world.on_message = wake_and_finish;
    calls_message(begin("/s/Unary", &stream, -1), NULL);
    pass(1000);
    assert_int_equal(world.due, 2); /* those are over */
    assert_int_equal(world.closed, 2);
}

static void reserve_all(struct call *call)
{
    struct reply_address unused;
    for (int i = 0; i < 4; i++)
        assert_int_equal(call_reserve_reply(call, &unused), ERR_NONE);
    assert_int_equal(call_reserve_reply(call, &unused), ERR_LIMIT);
}
static void unreserve_all(struct call *call)
{
    for (int i = 0; i < 4; i++)
        call_unreserve_reply(call);
}

static void places_for_replies_run_out_and_come_back(void **state)
{
    (void)state;
    struct stream stream;
    world.on_message = reserve_all;
    world.on_closed = unreserve_all;
    for (int i = 0; i < 2; i++) {
        struct live_call *call = begin("/s/Unary", &stream, -1);
        calls_message(call, NULL);
        calls_gone(call, ERR_CANCELLED);
    }
}

static void yield_twice(struct call *call)
{
    call_yield(call);
    call_yield(call);
}

static void a_yield_is_one_turn(void **state)
{
    (void)state;
    struct stream stream;
    world.on_message = yield_twice;
    struct live_call *call = begin("/s/Bidi", &stream, -1);
    calls_message(call, NULL);
    assert_int_equal(world.again, 1);
    for (int turn = 1; turn <= 3; turn++) {
        calls_turn(world.calls);
        assert_int_equal(world.writable, turn);
    }
    calls_turn(world.calls);
    assert_int_equal(world.writable, 3);
    world.writable = 0;
    calls_message(call, NULL);
    calls_gone(call, ERR_CANCELLED); /* with a turn owed */
    calls_turn(world.calls);
    assert_int_equal(world.writable, 0);
}

static void ask_for_soon(struct call *call)
{
    call_soon(call);
}

/* Several at once: when there are eight, or when the turn ends, without another turn being asked for. */
static void soon_is_in_the_same_turn(void **state)
{
    (void)state;
    struct stream streams[9] = {{0}};
    struct live_call *calls[9];
    world.on_message = ask_for_soon;
    world.writable = 3; /* no more yields */
    for (int i = 0; i < 9; i++) {
        calls[i] = begin("/s/Bidi", &streams[i], -1);
        calls_message(calls[i], NULL);
        assert_int_equal(world.writable, i < 7 ? 3 : 11);
    }
    assert_int_equal(world.again, 0);
    calls_gone(calls[8], ERR_CANCELLED); /* with one owed */
    calls_message(calls[0], NULL);
    calls_turn(world.calls);
    assert_int_equal(world.writable, 12);
    for (int i = 0; i < 8; i++)
        calls_gone(calls[i], ERR_CANCELLED);
}

static void bad_input_ends_the_call(void **state)
{
    (void)state;
    struct stream stream;
    struct problem problem;
    struct live_call *call = begin("/s/Bidi", &stream, -1);
    problem_set(&problem, ERR_INVALID, "beds", "wrong");
    calls_half_closed(call);
    calls_fail(call, &problem);
    assert_int_equal(world.half_closed, 1);
    assert_int_equal(stream.code, ERR_INVALID);
    assert_int_equal(world.closed, 1);
    assert_int_equal(ended(ERR_INVALID), 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(methods_are_found_by_path),
        TEST(an_answered_call_ends_once),
        TEST(a_call_without_a_deadline_has_ours),
        TEST(a_callers_deadline_counts),
        TEST(calls_beyond_the_limit_are_refused),
        TEST(a_reply_finds_its_call),
        TEST(a_late_reply_is_an_orphan),
        TEST(a_call_is_woken_when_it_asked),
        TEST(places_for_replies_run_out_and_come_back),
        TEST(a_yield_is_one_turn),
        TEST(soon_is_in_the_same_turn),
        TEST(bad_input_ends_the_call),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
