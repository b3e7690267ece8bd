/* tier: check */
/*
 * test_service_watch.c - a standing search as its caller hears it, on a clock of the test's: what there is, what
 * appears, changes and goes, by commits and by time alone; how often there is a round; a slow reader; the trail; bounds
 * and its ends.
 */
#include "daemon/match/match_watch.h"
#include "daemon/record/ids.h"
#include "tests/lib/fake_hub.h"
#include "tests/unit/match_fixture.h"
#include "vacancy/v1/hub_service.pb-c.h"
#include "vacancy/v1/placement_service.pb-c.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define WATCH "/vacancy.v1.PlacementService/WatchVacancies"
#define HOUR  3600000LL

static struct fake_hub hub;
static struct fake_call *stream;
static size_t heard; /* of the stream's responses */
static uint64_t committed;

static struct {
    Vacancy__V1__WatchVacanciesRequest request;
    Vacancy__V1__FindVacanciesRequest question;
    Vacancy__V1__Child child, *child_at;
    Vacancy__V1__Override overrides[1];
} ask;

static void ask_init(void)
{
    vacancy__v1__watch_vacancies_request__init(&ask.request);
    vacancy__v1__find_vacancies_request__init(&ask.question);
    vacancy__v1__child__init(&ask.child);
    ask.request.question = &ask.question;
    ask.child.age_months = 96;
    ask.child.sex = VACANCY__V1__SEX__SEX_F;
    ask.child_at = &ask.child;
    ask.question.request_reference = (char *)"383-204417";
    ask.question.purpose = VACANCY__V1__PURPOSE__PURPOSE_PLACEMENT;
    ask.question.near_postcode = (char *)"LS1 4AP";
    ask.question.children = &ask.child_at;
    ask.question.n_children = 1;
    ask.question.care_type = VACANCY__V1__CARE_TYPE__CARE_TYPE_SHORT_TERM;
    ask.question.limit = 5;
    ask.question.order_name = (char *)"nearest";
    ask.overrides[0] = VACANCY__V1__OVERRIDE__OVERRIDE_UNCONFIRMED;
    ask.question.overrides = ask.overrides;
}

static int set_up(void **state)
{
    (void)state;
    fake_hub_open(&hub);
    ask_init();
    stream = NULL;
    heard = committed = 0;
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    uint64_t open, mails;
    fake_host_finish(&hub.host);
    match_watch_stats(hub.match, &open, &mails);
    assert_int_equal(open, 0);
    assert_int_equal(hub.host.reserved, 0);
    fake_host_init(&hub.host, hub.host.methods, hub.host.method_count, &hub.context, &hub.clock);
    fake_hub_close(&hub);
    return 0;
}

/* --- what happens ----------------------------------------------------------------------------------------------- */

/* `near`: how far east of the middle of Leeds, in kilometres. */
static struct offer home(uint64_t id, uint32_t near)
{
    struct offer offer;
    fixture_offer(&offer, id, 430000 + 1000 * near, 433500);
    offer.confirmed_at_ms = hub.now_ms - HOUR / 2;
    offer.valid_until_ms = hub.now_ms + 1000 * HOUR;
    return offer;
}

static void commit(uint64_t id, const struct offer *offer)
{
    struct fixture_batch batch;
    fixture_begin(&batch);
    fixture_put(&batch, id, offer);
    fixture_commit(&batch, hub.match, 1000 + ++committed);
}

static void put(uint64_t id, uint32_t near)
{
    struct offer offer = home(id, near);
    commit(id, &offer);
}

static void pass(int64_t ms)
{
    hub.now_ms += ms;
    fake_settle(&hub.host, &hub.writer);
}

/* Signed as fake_hub.c signs. */
static struct fake_call *watch(void)
{
    static const uint8_t issuer[DIGEST_BYTES] = {1};
    struct tls_peer peer = fake_peer(FAKE_TEAM, issuer);
    return fake_call_begin(&hub.host, WATCH, &peer);
}

static void start(void)
{
    stream = watch();
    fake_call_send(stream, &ask.request.base);
    fake_settle(&hub.host, &hub.writer);
}

static char text[4096];

/* What came since this was last asked, as "+1 ~2 -3 ready": appeared, changed, gone. A star: with positions. */
static const char *news(void)
{
    static const char signs[] = "?r+~-";
    text[0] = '\0';
    for (; heard < stream->response_count; heard++) {
        const Vacancy__V1__WatchVacanciesResponse *event = (const void *)stream->responses[heard].message;
        bool unconfirmed = event->option != NULL && event->option->unconfirmed;
        const char *name = event->option != NULL ? event->option->vacancy_id : event->vacancy_id;
        uint64_t id = 0;
        assert_int_equal(event->as_of_ms, hub.now_ms);
        assert_true(*name == '\0' || id_parse(name, &id));
        snprintf(text + strlen(text), sizeof text - strlen(text), "%s%c%s%.0" PRIu64 "%s%s", *text ? " " : "",
                 signs[event->event], event->event == 1 ? "eady" : "", id, unconfirmed ? "u" : "",
                 event->n_positions > 0 ? "*" : "");
    }
    return text;
}

/* --- tests ------------------------------------------------------------------------------------------------------ */

static void all_there_is_then_ready(void **state)
{
    (void)state;
    put(1, 3);
    put(2, 1);
    uint64_t shown = fake_hub_shown(&hub);
    start();
    assert_string_equal(news(), "+2 +1 ready*");
    assert_int_equal(fake_hub_shown(&hub), shown + 1);
    const Vacancy__V1__WatchVacanciesResponse *first = (const void *)stream->responses[0].message;
    assert_string_equal(first->option->agency->phone, "0113 496 0000");
    assert_true(first->option->n_reasons > 0);
    pass(3 * HOUR); /* how long ago it was confirmed is no change, */
    assert_string_equal(news(), "");
    assert_int_equal(fake_hub_shown(&hub), shown + 1);
    pass(48 * HOUR); /* that it is not fresh any more is */
    assert_string_equal(news(), "~2 ~1*");
}

static void nothing_there_is_on_the_trail_too(void **state)
{
    (void)state;
    uint64_t shown = fake_hub_shown(&hub);
    start();
    assert_string_equal(news(), "ready*");
    assert_int_equal(fake_hub_shown(&hub), shown + 1);
}

static void one_round_each_200_ms(void **state)
{
    (void)state;
    struct offer offer = home(2, 2);
    put(1, 1);
    put(2, 2);
    put(3, 3);
    start();
    (void)news();
    uint64_t shown = fake_hub_shown(&hub);
    commit(1, NULL);
    pass(0);
    offer.beds_free = 1;
    commit(2, &offer);
    put(4, 4);
    pass(199);
    assert_string_equal(news(), "");
    pass(1);
    assert_string_equal(news(), "-1 ~2 +4*");
    assert_int_equal(fake_hub_shown(&hub), shown + 1);
    pass(250);
    put(1, 1); /* there and gone again is nothing, and at once when the last round was long ago */
    commit(1, NULL);
    pass(0);
    assert_string_equal(news(), "");
    put(5, 1);
    pass(200);
    assert_string_equal(news(), "+5*");
    assert_int_equal(fake_hub_shown(&hub), shown + 2);
}

static void the_best_so_many(void **state)
{
    (void)state;
    ask.question.limit = 1;
    put(1, 2);
    start();
    assert_string_equal(news(), "+1 ready*");
    put(2, 3);
    pass(1000);
    assert_string_equal(news(), "");
    put(3, 1);
    pass(1000);
    assert_string_equal(news(), "-1 +3*");
    commit(3, NULL);
    pass(1000);
    assert_string_equal(news(), "-3 +1*");
}

static void time_alone_changes_it(void **state)
{
    (void)state;
    struct offer offer = home(1, 1), later = home(2, 2);
    offer.valid_until_ms = hub.now_ms + 5000;
    later.from = date_of_wall_ms(hub.now_ms) + 1;
    commit(1, &offer);
    commit(2, &later);
    start();
    assert_string_equal(news(), "+1 ready*");
    pass(4999);
    assert_string_equal(news(), "");
    pass(1);
    assert_string_equal(news(), "-1*");
    pass(86400000 - hub.now_ms % 86400000 - 1000);
    assert_string_equal(news(), "");
    pass(1000);
    assert_string_equal(news(), "+2*");
}

/* H1 and H2 are asked of the day; that it is another one is no change of a card. */
static void a_day_begins_and_nothing_is_told(void **state)
{
    (void)state;
    put(1, 1);
    start();
    assert_string_equal(news(), "+1 ready*");
    const Vacancy__V1__WatchVacanciesResponse *first = (const void *)stream->responses[0].message;
    assert_string_equal(first->option->reasons[0]->asked, "2026-06-01");
    pass(86400000 - hub.now_ms % 86400000);
    pass(1000);
    assert_string_equal(news(), "");
    struct offer offer = home(1, 1);
    offer.beds_free = 1;
    commit(1, &offer);
    pass(200);
    assert_string_equal(news(), "~1*");
}

/* One principal's rounds cost no more with more streams. */
static void the_more_it_has_the_rarer(void **state)
{
    (void)state;
    for (uint32_t i = 1; i <= 40; i++)
        start();
    (void)news();
    put(1, 1);
    pass(499);
    assert_string_equal(news(), "");
    pass(1);
    assert_string_equal(news(), "+1*");
    while (hub.host.calls->next != NULL && hub.host.calls->next->next != NULL)
        fake_call_destroy(hub.host.calls == stream ? hub.host.calls->next : hub.host.calls);
    put(2, 2);
    pass(500);
    assert_string_equal(news(), "+2*");
    put(3, 3);
    pass(199);
    assert_string_equal(news(), "");
    pass(1);
    assert_string_equal(news(), "+3*");
}

static void what_is_to_be_phoned_first_is_flagged(void **state)
{
    (void)state;
    struct offer offer = home(1, 1);
    offer.valid_until_ms = hub.now_ms + 5000;
    commit(1, &offer);
    put(2, 2);
    ask.question.n_overrides = 1;
    start();
    assert_string_equal(news(), "+1 +2 ready*");
    pass(5000);
    assert_string_equal(news(), "~1u*");
    offer.valid_until_ms += 100 * HOUR;
    commit(1, &offer);
    pass(200);
    assert_string_equal(news(), "~1*");
    commit(1, NULL);
    pass(200);
    assert_string_equal(news(), "-1*");
}

static void an_agency_changes_all_its_cards(void **state)
{
    (void)state;
    struct fixture_batch batch;
    put(1, 1);
    start();
    (void)news();
    fixture_begin(&batch);
    fixture_agency(&batch, "leeds", true);
    fixture_commit(&batch, hub.match, 2000);
    pass(200);
    assert_string_equal(news(), "~1*");
    fixture_begin(&batch);
    fixture_agency(&batch, "leeds", false);
    fixture_commit(&batch, hub.match, 2001);
    pass(200);
    assert_string_equal(news(), "-1*");
}

/* It is told what is, not all that was; and a round of one that takes nothing is not even begun. */
static void a_slow_reader_hears_what_is(void **state)
{
    (void)state;
    for (uint64_t i = 1; i <= 4; i++)
        put(i, (uint32_t)i);
    stream = watch();
    fake_call_take(stream, 1);
    fake_call_send(stream, &ask.request.base);
    pass(0);
    assert_string_equal(news(), "+1");
    uint64_t shown = fake_hub_shown(&hub);
    for (uint32_t i = 0; i < 100; i++) {
        put(5, i % 2 + 1);
        commit(2, NULL);
        pass(200);
    }
    assert_int_equal(fake_hub_shown(&hub), shown);
    fake_call_take(stream, 2);
    pass(0);
    assert_string_equal(news(), "+5 +3");
    fake_call_take(stream, 1);
    pass(0);
    assert_string_equal(news(), "+4");
    fake_call_take(stream, UINT32_MAX);
    pass(0);
    assert_string_equal(news(), "ready*");
    commit(5, NULL);
    pass(200);
    assert_string_equal(news(), "-5*");
}

/* Homes that nothing but the day rules out: each is judged. */
static void put_many_for_tomorrow(void)
{
    for (uint64_t id = 100; id < 100 + 40000; id += FIXTURE_BATCH) {
        struct fixture_batch batch;
        fixture_begin(&batch);
        for (uint64_t i = 0; i < FIXTURE_BATCH; i++) {
            struct offer offer = home(id + i, (uint32_t)((id + i) % 90));
            offer.from = date_of_wall_ms(hub.now_ms) + 1;
            fixture_put(&batch, id + i, &offer);
        }
        fixture_commit(&batch, hub.match, 1000 + ++committed);
    }
}

static void what_is_committed_while_it_searches_is_not_missed(void **state)
{
    (void)state;
    put_many_for_tomorrow();
    stream = watch();
    fake_call_send(stream, &ask.request.base);
    assert_true(stream->wants_turn); /* it has not looked at all of them yet */
    put(1, 1);
    pass(0);
    assert_string_equal(news(), "ready*");
    pass(200);
    assert_string_equal(news(), "+1*");
    commit(1, NULL);
    hub.now_ms += 200;
    fake_host_turn(&hub.host);
    assert_true(stream->wants_turn);
    put(2, 1);
    fake_call_cancel(stream); /* with its mail on the way and its search unfinished */
    pass(0);
}

/* Rounds that need several turns: so many of all, and none for long. */
static void long_rounds_are_bounded(void **state)
{
    (void)state;
    put_many_for_tomorrow();
    atomic_store(&hub.context.rounds, ROUNDS_MAX);
    start();
    pass(200);
    assert_true(!stream->finished && !stream->wants_turn);
    assert_string_equal(news(), "");
    assert_int_equal(atomic_load(&hub.context.rounds), ROUNDS_MAX);
    atomic_store(&hub.context.rounds, ROUNDS_MAX - 1);
    pass(200);
    assert_string_equal(news(), "ready*");
    assert_int_equal(atomic_load(&hub.context.rounds), ROUNDS_MAX - 1);
    atomic_store(&hub.context.rounds, 0);
    for (int left = 0; left < 2; left++) {
        stream = watch();
        fake_call_send(stream, &ask.request.base);
        assert_true(stream->wants_turn);
        assert_int_equal(atomic_load(&hub.context.rounds), 1);
        if (left == 0) {
            fake_call_cancel(stream);
        } else {
            hub.now_ms += QUESTION_MAX_MS + 1;
            while (!stream->finished && fake_host_turn(&hub.host))
                continue;
            assert_int_equal(stream->problem.code, ERR_DEADLINE);
        }
        fake_settle(&hub.host, &hub.writer);
        assert_int_equal(atomic_load(&hub.context.rounds), 0);
    }
}

static void suspended_is_over(void **state)
{
    (void)state;
    Vacancy__V1__SuspendPrincipalRequest suspend = VACANCY__V1__SUSPEND_PRINCIPAL_REQUEST__INIT;
    put(1, 1);
    start();
    suspend.principal = (char *)FAKE_TEAM;
    suspend.suspended = true;
    fake_call_destroy(fake_hub_ask(&hub, FAKE_OLIVE, "/vacancy.v1.HubService/SuspendPrincipal", &suspend.base));
    pass(200);
    assert_true(stream->finished);
    assert_int_equal(stream->problem.code, ERR_FORBIDDEN);
}

static void without_a_trail_nothing_is_shown(void **state)
{
    (void)state;
    struct store_memory_plan full = {.calls_until_crash = -1, .calls_until_full = 0};
    struct store_memory_plan fine = {.calls_until_crash = -1, .calls_until_full = -1};
    start();
    assert_string_equal(news(), "ready*");
    put(1, 1);
    store_memory_set_plan(hub.store, &full);
    pass(200);
    store_memory_set_plan(hub.store, &fine);
    assert_string_equal(news(), "");
    assert_true(stream->finished);
    assert_int_equal(stream->problem.code, ERR_UNAVAILABLE);
}

static void the_hub_stops(void **state)
{
    (void)state;
    start();
    match_watch_end(hub.match);
    pass(200);
    assert_true(stream->finished);
    assert_int_equal(stream->problem.code, ERR_UNAVAILABLE);
}

static void so_many_for_one_principal(void **state)
{
    (void)state;
    for (uint32_t i = 0; i <= WATCHES_EACH; i++) {
        start();
        assert_int_equal(stream->finished, i == WATCHES_EACH);
    }
    assert_int_equal(stream->problem.code, ERR_LIMIT);
    fake_call_destroy(hub.host.calls->next);
    start();
    assert_false(stream->finished);
}

static void refused(const char *field)
{
    start();
    assert_true(stream->finished);
    assert_int_equal(stream->problem.code, ERR_INVALID);
    assert_string_equal(stream->problem.field, field);
    ask_init();
}

static void a_question_is_checked(void **state)
{
    (void)state;
    ask.request.question = NULL;
    refused("question");
    ask.question.purpose = 0;
    refused("question.purpose");
    ask.question.limit = 101;
    refused("question.limit");
    ask.question.split_into = 77; /* not looked at */
    start();
    assert_string_equal(news(), "ready*");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(all_there_is_then_ready),
        TEST(nothing_there_is_on_the_trail_too),
        TEST(one_round_each_200_ms),
        TEST(the_best_so_many),
        TEST(time_alone_changes_it),
        TEST(a_day_begins_and_nothing_is_told),
        TEST(the_more_it_has_the_rarer),
        TEST(what_is_to_be_phoned_first_is_flagged),
        TEST(an_agency_changes_all_its_cards),
        TEST(a_slow_reader_hears_what_is),
        TEST(what_is_committed_while_it_searches_is_not_missed),
        TEST(long_rounds_are_bounded),
        TEST(suspended_is_over),
        TEST(without_a_trail_nothing_is_shown),
        TEST(the_hub_stops),
        TEST(so_many_for_one_principal),
        TEST(a_question_is_checked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
