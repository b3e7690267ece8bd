/* tier: check */
/*
 * test_service_agency_watch.c - an agency's events as it hears them, on a clock of the test's: all there is, then each
 * as it is committed; from any cursor on without gaps or repeats; a slow reader; whose they are; the trail; its ends.
 * And the history, which is the same read once.
 */
#include "daemon/match/match_watch.h"
#include "daemon/record/ids.h"
#include "tests/lib/fake_hub.h"
#include "vacancy/v1/hub_service.pb-c.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define AGENCY "/vacancy.v1.AgencyService/"

static struct fake_hub hub;
static struct fake_call *stream;
static size_t heard;

static int set_up(void **state)
{
    (void)state;
    fake_hub_open(&hub);
    stream = NULL;
    heard = 0;
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    fake_host_finish(&hub.host);
    assert_int_equal(hub.host.reserved, 0);
    assert_int_equal(atomic_load(&hub.context.watches), 0);
    fake_host_init(&hub.host, hub.host.methods, hub.host.method_count, &hub.context, &hub.clock);
    fake_hub_close(&hub);
    return 0;
}

/* --- what happens ------------------------------------------------------------------------------------------------- */

static void pass(int64_t ms)
{
    hub.now_ms += ms;
    fake_settle(&hub.host, &hub.writer);
}

static void put_carer(const char *agency, const char *reference)
{
    struct fake_carer carer;
    fake_carer_init(&carer, reference, hub.now_ms);
    struct fake_call *call = fake_hub_ask(&hub, agency, AGENCY "PutCarer", &carer.request.base);
    fake_hub_answer(call);
    fake_call_destroy(call);
}

static void put_vacancy(const char *reference)
{
    struct fake_vacancy vacancy;
    fake_vacancy_init(&vacancy, reference, hub.now_ms);
    struct fake_call *call = fake_hub_ask(&hub, FAKE_LEEDS, AGENCY "PutVacancy", &vacancy.request.base);
    fake_hub_answer(call);
    fake_call_destroy(call);
}

static void suspend(const char *name)
{
    Vacancy__V1__SuspendPrincipalRequest request = VACANCY__V1__SUSPEND_PRINCIPAL_REQUEST__INIT;
    request.principal = (char *)name;
    request.suspended = true;
    struct fake_call *call = fake_hub_ask(&hub, FAKE_OLIVE, "/vacancy.v1.HubService/SuspendPrincipal", &request.base);
    fake_hub_answer(call);
    fake_call_destroy(call);
}

static struct fake_call *watch(const char *agency, uint64_t after, bool from_now, uint32_t room)
{
    static const uint8_t issuer[DIGEST_BYTES] = {1}; /* as fake_hub.c signs */
    struct tls_peer peer = fake_peer(agency, issuer);
    Vacancy__V1__WatchAgencyRequest request = VACANCY__V1__WATCH_AGENCY_REQUEST__INIT;
    struct fake_call *call = fake_call_begin(&hub.host, AGENCY "WatchAgency", &peer);
    request.after_cursor = after;
    request.from_now = from_now;
    fake_call_take(call, room);
    fake_call_send(call, &request.base);
    fake_settle(&hub.host, &hub.writer);
    return call;
}

static const Vacancy__V1__WatchAgencyResponse *response(const struct fake_call *call, size_t i)
{
    assert_true(i < call->response_count);
    return (const void *)call->responses[i].message;
}

/* What came since this was last asked: "registered H-1, offered H-1, ready". Cursors grow. */
static const char *news(void)
{
    static const char *const kinds[] = {"?", "registered", "changed", "ended", "offered", "changed", "withdrawn"};
    static char text[4096];
    text[0] = '\0';
    for (; heard < stream->response_count; heard++) {
        const Vacancy__V1__WatchAgencyResponse *said = response(stream, heard);
        const Vacancy__V1__AgencyEvent *event = said->event;
        assert_true(heard == 0 || said->cursor >= response(stream, heard - 1)->cursor);
        assert_true(event == NULL || event->cursor == said->cursor);
        snprintf(text + strlen(text), sizeof text - strlen(text), "%s%s%s%s", *text ? ", " : "",
                 event == NULL                                         ? "ready"
                 : event->kind < (int)(sizeof kinds / sizeof kinds[0]) ? kinds[event->kind]
                                                                       : "?",
                 event == NULL ? "" : " ", event == NULL ? "" : event->agency_reference);
    }
    return text;
}

/* --- tests -------------------------------------------------------------------------------------------------------- */

static void all_there_is_then_ready_then_each(void **state)
{
    (void)state;
    put_carer(FAKE_LEEDS, "H-1");
    put_vacancy("H-1");
    uint64_t shown = fake_hub_shown(&hub);
    stream = watch(FAKE_LEEDS, 0, false, UINT32_MAX);
    assert_string_equal(news(), "registered H-1, offered H-1, ready");
    assert_int_equal(fake_hub_shown(&hub), shown + 1);
    assert_int_equal(response(stream, 2)->cursor, response(stream, 1)->cursor);
    put_carer(FAKE_LEEDS, "H-2");
    pass(199);
    assert_string_equal(news(), ""); /* a round each 200 ms */
    pass(1);
    assert_string_equal(news(), "registered H-2");
    pass(300);
    put_carer(FAKE_LEEDS, "H-3");
    pass(0);
    assert_string_equal(news(), "registered H-3"); /* at once, after a while of nothing */
    assert_int_equal(fake_hub_shown(&hub), shown + 3);
    const Vacancy__V1__AgencyEvent *event = response(stream, 1)->event;
    uint64_t vacancy_id;
    assert_string_equal(event->by, FAKE_LEEDS);
    assert_int_equal(event->beds, 2);
    assert_true(id_parse(event->vacancy_id, &vacancy_id));
}

static void others_events_are_not_told(void **state)
{
    (void)state;
    put_carer(FAKE_HOMES, "H-9");
    stream = watch(FAKE_LEEDS, 0, false, UINT32_MAX);
    assert_string_equal(news(), "ready");
    pass(1000);
    put_carer(FAKE_HOMES, "H-8");
    pass(1000);
    assert_string_equal(news(), "");
    put_carer(FAKE_LEEDS, "H-1");
    pass(1000);
    assert_string_equal(news(), "registered H-1");
}

/* From every cursor on: the rest, whole. Many pages. */
static void goes_on_from_any_cursor(void **state)
{
    (void)state;
    enum { EVENTS = 150 };
    uint64_t cursors[EVENTS + 1] = {0};
    char reference[16];
    for (int i = 0; i < EVENTS; i++) {
        snprintf(reference, sizeof reference, "H-%d", i);
        put_carer(FAKE_LEEDS, reference);
        if (i % 3 == 0)
            put_carer(FAKE_HOMES, reference);
    }
    stream = watch(FAKE_LEEDS, 0, false, UINT32_MAX);
    assert_int_equal(stream->response_count, EVENTS + 1);
    for (size_t i = 0; i < EVENTS; i++)
        cursors[i + 1] = response(stream, i)->cursor;
    for (size_t i = 0; i <= EVENTS; i += 7) {
        struct fake_call *again = watch(FAKE_LEEDS, cursors[i], false, UINT32_MAX);
        assert_int_equal(again->response_count, EVENTS - i + 1);
        for (size_t j = i; j < EVENTS; j++) {
            snprintf(reference, sizeof reference, "H-%zu", j);
            assert_string_equal(response(again, j - i)->event->agency_reference, reference);
            assert_int_equal(response(again, j - i)->cursor, cursors[j + 1]);
        }
        fake_call_destroy(again);
    }
}

static void from_now_on(void **state)
{
    (void)state;
    put_carer(FAKE_LEEDS, "H-1");
    stream = watch(FAKE_LEEDS, 0, true, UINT32_MAX);
    assert_string_equal(news(), "ready");
    assert_int_equal(response(stream, 0)->cursor, home_events_end(hub.home));
    put_carer(FAKE_LEEDS, "H-2");
    pass(200);
    assert_string_equal(news(), "registered H-2");
    struct fake_call *both = watch(FAKE_LEEDS, 1, true, UINT32_MAX);
    assert_int_equal(both->problem.code, ERR_INVALID);
    assert_string_equal(both->problem.field, "from_now");
    fake_call_destroy(both);
}

static void a_cursor_past_the_end(void **state)
{
    (void)state;
    put_carer(FAKE_LEEDS, "H-1");
    stream = watch(FAKE_LEEDS, home_events_end(hub.home) + 1, false, UINT32_MAX);
    assert_int_equal(stream->problem.code, ERR_OUT_OF_RANGE);
    assert_string_equal(stream->problem.field, "after_cursor");
    assert_int_equal(stream->response_count, 0);
}

/* What it keeps for one that takes nothing is a page; and nothing is missed, nothing told twice. */
static void a_slow_reader_misses_nothing(void **state)
{
    (void)state;
    char reference[16];
    stream = watch(FAKE_LEEDS, 0, false, 1); /* full with READY */
    for (int i = 0; i < 200; i++) {
        snprintf(reference, sizeof reference, "H-%d", i);
        put_carer(FAKE_LEEDS, reference);
        pass(100);
    }
    assert_true(stream->response_count <= 1);
    for (int i = 0; i < 400 && stream->response_count < 201; i++) {
        size_t before = stream->response_count;
        fake_call_take(stream, 3);
        pass(100);
        assert_true(stream->response_count <= before + 3);
    }
    assert_int_equal(stream->response_count, 201);
    for (size_t i = 0; i < 200; i++) {
        snprintf(reference, sizeof reference, "H-%zu", i);
        assert_string_equal(response(stream, i + 1)->event->agency_reference, reference);
    }
}

static void ends_when_the_agency_is_shut_out(void **state)
{
    (void)state;
    stream = watch(FAKE_LEEDS, 0, false, UINT32_MAX);
    pass(1000);
    suspend(FAKE_HOMES);
    pass(1000);
    assert_false(stream->finished);
    suspend(FAKE_LEEDS);
    pass(200);
    assert_true(stream->finished);
    assert_int_equal(stream->problem.code, ERR_FORBIDDEN);
}

static void ends_when_the_hub_stops(void **state)
{
    (void)state;
    stream = watch(FAKE_LEEDS, 0, false, UINT32_MAX);
    pass(1000);
    match_watch_end(hub.match);
    wakes_all(hub.events);
    pass(0);
    assert_true(stream->finished);
    assert_int_equal(stream->problem.code, ERR_UNAVAILABLE);
}

/* Without a place for its wake it looks by the clock. */
static void a_full_mailbox_delays_it(void **state)
{
    (void)state;
    uint32_t places = hub.host.replies_max;
    hub.host.replies_max = 0;
    stream = watch(FAKE_LEEDS, 0, false, UINT32_MAX);
    assert_string_equal(news(), "ready");
    hub.host.replies_max = places;
    put_carer(FAKE_LEEDS, "H-1");
    pass(200);
    assert_string_equal(news(), "registered H-1");
}

static void only_so_many(void **state)
{
    (void)state;
    atomic_store(&hub.context.watches, AGENCY_WATCHES_MAX);
    struct fake_call *call = watch(FAKE_LEEDS, 0, false, UINT32_MAX);
    assert_int_equal(call->problem.code, ERR_LIMIT);
    assert_int_equal(atomic_load(&hub.context.watches), AGENCY_WATCHES_MAX);
    atomic_store(&hub.context.watches, 0);
}

static size_t history(const char *agency, const Vacancy__V1__GetHistoryRequest *request, struct fake_call **call)
{
    *call = fake_hub_ask(&hub, agency, AGENCY "GetHistory", &request->base);
    assert_true((*call)->finished);
    return (*call)->response_count;
}

static void the_history_of_all_and_of_one(void **state)
{
    (void)state;
    Vacancy__V1__GetHistoryRequest request = VACANCY__V1__GET_HISTORY_REQUEST__INIT;
    struct fake_call *call;
    put_carer(FAKE_LEEDS, "H-1");
    put_carer(FAKE_LEEDS, "H-2");
    put_vacancy("H-2");
    assert_int_equal(history(FAKE_LEEDS, &request, &call), 3);
    const Vacancy__V1__GetHistoryResponse *last = (const void *)call->responses[2].message,
                                          *first = (const void *)call->responses[0].message;
    char vacancy_id[ID_TEXT_BYTES];
    snprintf(vacancy_id, sizeof vacancy_id, "%s", last->event->vacancy_id);
    uint64_t cursor = first->event->cursor;
    fake_call_destroy(call);
    uint64_t shown = fake_hub_shown(&hub);
    request.agency_reference = (char *)"H-2";
    assert_int_equal(history(FAKE_LEEDS, &request, &call), 2);
    assert_true(fake_hub_shown(&hub) > shown);
    fake_call_destroy(call);
    request.vacancy_id = vacancy_id;
    assert_int_equal(history(FAKE_LEEDS, &request, &call), 1);
    fake_call_destroy(call);
    request.agency_reference = (char *)"H-1";
    shown = fake_hub_shown(&hub);
    assert_int_equal(history(FAKE_LEEDS, &request, &call), 0);
    assert_int_equal(fake_hub_shown(&hub), shown); /* nothing was: the trail says so */
    fake_call_destroy(call);
    request = (Vacancy__V1__GetHistoryRequest)VACANCY__V1__GET_HISTORY_REQUEST__INIT;
    request.after_cursor = cursor;
    assert_int_equal(history(FAKE_LEEDS, &request, &call), 2);
    fake_call_destroy(call);
    request.after_cursor = 0;
    assert_int_equal(history(FAKE_HOMES, &request, &call), 0);
    fake_call_destroy(call);
    request.vacancy_id = (char *)"AAAA";
    (void)history(FAKE_LEEDS, &request, &call);
    assert_int_equal(call->problem.code, ERR_INVALID);
    assert_string_equal(call->problem.field, "vacancy_id");
    fake_call_destroy(call);
}

int main(void)
{
#define ONE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        ONE(all_there_is_then_ready_then_each),
        ONE(others_events_are_not_told),
        ONE(goes_on_from_any_cursor),
        ONE(from_now_on),
        ONE(a_cursor_past_the_end),
        ONE(a_slow_reader_misses_nothing),
        ONE(ends_when_the_agency_is_shut_out),
        ONE(ends_when_the_hub_stops),
        ONE(a_full_mailbox_delays_it),
        ONE(only_so_many),
        ONE(the_history_of_all_and_of_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
