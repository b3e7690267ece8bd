/* tier: check */
/*
 * test_service_quota.c - how many questions may be unfinished, of one principal and of all, and for how long, on a
 * clock of the test's: who is refused and how, that what needs one turn never is, and that each way out gives the place
 * back.
 */
#include "daemon/record/ids.h"
#include "tests/lib/fake_hub.h"
#include "tests/unit/match_fixture.h"
#include "vacancy/v1/placement_service.pb-c.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define FIND     "/vacancy.v1.PlacementService/FindVacancies"
#define EXPLAIN  "/vacancy.v1.PlacementService/ExplainVacancy"
#define TODAY    "2026-06-01"
#define TOMORROW "2026-06-02"
#define FARTHEST 179u
#define MANY     40000u

static struct fake_hub hub;

static struct {
    Vacancy__V1__FindVacanciesRequest find;
    Vacancy__V1__ExplainVacancyRequest explain;
    Vacancy__V1__Child child, *child_at;
    char id[ID_TEXT_BYTES];
} ask;

static void ask_init(void)
{
    vacancy__v1__find_vacancies_request__init(&ask.find);
    vacancy__v1__explain_vacancy_request__init(&ask.explain);
    vacancy__v1__child__init(&ask.child);
    ask.child.age_months = 96;
    ask.child.sex = VACANCY__V1__SEX__SEX_F;
    ask.child_at = &ask.child;
    ask.find.request_reference = (char *)"383-204417";
    ask.find.purpose = VACANCY__V1__PURPOSE__PURPOSE_PLACEMENT;
    ask.find.near_postcode = (char *)"LS1 4AP";
    ask.find.children = &ask.child_at;
    ask.find.n_children = 1;
    ask.find.care_type = VACANCY__V1__CARE_TYPE__CARE_TYPE_SHORT_TERM;
    ask.find.order_name = (char *)"nearest";
    id_format(FARTHEST, ask.id);
    ask.explain.question = &ask.find;
    ask.explain.vacancy_id = ask.id;
}

/* Homes that only the day rules out today: each is judged. Tomorrow the nearest are found at once. */
static void put_many_for_tomorrow(void)
{
    for (uint64_t id = 100; id < 100 + MANY; id += FIXTURE_BATCH) {
        struct fixture_batch batch;
        fixture_begin(&batch);
        for (uint64_t i = id; i < id + FIXTURE_BATCH; i++) {
            struct offer offer;
            fixture_offer(&offer, i, 430000 + 1000 * (uint32_t)(i % 90), 433500);
            offer.confirmed_at_ms = hub.now_ms;
            offer.valid_until_ms = hub.now_ms + 3600000LL * 1000;
            offer.from = date_of_wall_ms(hub.now_ms) + 1;
            fixture_put(&batch, i, &offer);
        }
        fixture_commit(&batch, hub.match, 1000 + id);
    }
}

static int set_up(void **state)
{
    (void)state;
    fake_hub_open(&hub);
    ask_init();
    put_many_for_tomorrow();
    return 0;
}

static uint32_t counted(void)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < QUESTIONS_MAX; i++)
        count += atomic_load(&hub.context.questions[i]) != 0;
    return count;
}

static int tear_down(void **state)
{
    (void)state;
    fake_host_finish(&hub.host);
    assert_int_equal(counted(), 0);
    fake_host_init(&hub.host, hub.host.methods, hub.host.method_count, &hub.context, &hub.clock);
    fake_hub_close(&hub);
    return 0;
}

static struct fake_call *begin(uint32_t team, const char *path, const ProtobufCMessage *request)
{
    static const uint8_t issuer[DIGEST_BYTES] = {1};
    char name[160];
    snprintf(name, sizeof name, FAKE_DOMAIN "E12000003/placement-team/E08000035/team-%u", team);
    struct tls_peer peer = fake_peer(name, issuer);
    struct fake_call *call = fake_call_begin(&hub.host, path, &peer);
    fake_call_send(call, request);
    return call;
}

/* Needs several turns. */
static struct fake_call *find_long(uint32_t team)
{
    ask.find.starts_on = (char *)TODAY;
    return begin(team, FIND, &ask.find.base);
}

static struct fake_call *explain_long(uint32_t team)
{
    ask.find.starts_on = (char *)TOMORROW;
    return begin(team, EXPLAIN, &ask.explain.base);
}

static void under_way(struct fake_call *call)
{
    assert_true(!call->finished && call->wants_turn);
}

static void refused(struct fake_call *call, enum err code, const char *words)
{
    assert_true(call->finished && call->closed && !call->wants_turn);
    assert_int_equal(call->problem.code, code);
    assert_non_null(strstr(call->problem.text, words));
    fake_call_destroy(call);
}

static void answered(struct fake_call *call)
{
    assert_true(call->finished && call->response_count == 1);
    assert_int_equal(call->problem.code, ERR_NONE);
    fake_call_destroy(call);
}

/* Is searched in one turn, and never counted: the next one only puts it on the trail. */
static void a_short_one_is_answered(uint32_t team)
{
    uint32_t before = counted();
    ask.find.starts_on = (char *)TOMORROW;
    struct fake_call *call = begin(team, FIND, &ask.find.base);
    under_way(call);
    assert_int_equal(counted(), before);
    call->wants_turn = false;
    call->call.method->handler->writable(&call->call);
    answered(call);
    assert_int_equal(counted(), before);
}

static void fill(struct fake_call *calls[QUESTIONS_EACH], uint32_t team)
{
    for (uint32_t i = 0; i < QUESTIONS_EACH; i++)
        under_way(calls[i] = i % 2 == 0 ? find_long(team) : explain_long(team));
}

static void so_many_of_one_principal(void **state)
{
    (void)state;
    struct fake_call *calls[QUESTIONS_EACH];
    fill(calls, 1);
    assert_int_equal(counted(), QUESTIONS_EACH);
    refused(find_long(1), ERR_LIMIT,
            "16 long questions of this principal already: wait for one's answer, or cancel one");
    refused(explain_long(1), ERR_LIMIT, "16 long questions of this principal already");
    assert_int_equal(counted(), QUESTIONS_EACH);
    a_short_one_is_answered(1);
    struct fake_call *other = find_long(2);
    under_way(other);
    fake_settle(&hub.host, &hub.writer);
    answered(other);
    for (uint32_t i = 0; i < QUESTIONS_EACH; i++)
        answered(calls[i]);
    assert_int_equal(counted(), 0);
}

static void each_way_out_gives_a_place_back(void **state)
{
    (void)state;
    struct fake_call *calls[QUESTIONS_EACH];
    fill(calls, 1);
    for (uint32_t i = 0; i < QUESTIONS_EACH; i++) { /* left: cancelled, past its deadline, its connection gone */
        fake_call_cancel(calls[i]);
        assert_int_equal(counted(), QUESTIONS_EACH - 1);
        fake_call_destroy(calls[i]);
        under_way(calls[i] = i % 2 == 0 ? explain_long(1) : find_long(1));
        refused(find_long(1), ERR_LIMIT, "16 long questions");
    }
    hub.now_ms += QUESTION_MAX_MS + 1; /* worked on for too long */
    fake_host_turn(&hub.host);
    assert_int_equal(counted(), 0);
    for (uint32_t i = 0; i < QUESTIONS_EACH; i++)
        fake_call_destroy(calls[i]);
    fill(calls, 1);
    struct store_memory_plan full = {.calls_until_crash = -1, .calls_until_full = 0};
    struct store_memory_plan fine = {.calls_until_crash = -1, .calls_until_full = -1};
    store_memory_set_plan(hub.store, &full); /* without a trail there is no answer */
    fake_settle(&hub.host, &hub.writer);
    store_memory_set_plan(hub.store, &fine);
    assert_int_equal(counted(), 0);
    for (uint32_t i = 0; i < QUESTIONS_EACH; i++)
        refused(calls[i], ERR_UNAVAILABLE, "");
}

static void so_many_of_all(void **state)
{
    (void)state;
    struct fake_call *calls[QUESTIONS_EACH];
    for (uint32_t team = 1; team <= QUESTIONS_MAX / QUESTIONS_EACH; team++)
        fill(calls, team);
    assert_int_equal(counted(), QUESTIONS_MAX);
    refused(find_long(1000), ERR_LIMIT, "1024 long questions already: ask again in a moment");
    refused(explain_long(1000), ERR_LIMIT, "1024 long questions already");
    a_short_one_is_answered(1000);
    a_short_one_is_answered(1);
    fake_call_cancel(calls[3]);
    under_way(find_long(1000));
    refused(find_long(1001), ERR_LIMIT, "1024 long questions already");
}

static void for_so_long(void **state)
{
    (void)state;
    struct fake_call *find = find_long(1), *explain = explain_long(1);
    hub.now_ms += QUESTION_MAX_MS;
    fake_host_turn(&hub.host);
    fake_settle(&hub.host, &hub.writer);
    answered(find);
    answered(explain);
    find = find_long(1);
    explain = explain_long(1);
    hub.now_ms += QUESTION_MAX_MS + 1;
    fake_host_turn(&hub.host);
    refused(find, ERR_DEADLINE, "10 s at most: ask more narrowly (within_metres, split_into), or with explain NEVER");
    refused(explain, ERR_DEADLINE, "10 s at most: ask more narrowly");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(so_many_of_one_principal),
        TEST(each_way_out_gives_a_place_back),
        TEST(so_many_of_all),
        TEST(for_so_long),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
