/* tier: check */
/*
 * test_service_read.c - what is shown: searches (each promise of FindVacanciesRequest as a row, H15, P10, P13),
 * listings with a slow reader, the hub's state, the audit trail; and that nothing leaves before it is on the trail
 * (design 4.8).
 */
#include "daemon/record/ids.h"
#include "tests/lib/fake_hub.h"
#include "tests/unit/match_fixture.h"
#include "vacancy/v1/hub_service.pb-c.h"
#include "vacancy/v1/placement_service.pb-c.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define AGENCY  "/vacancy.v1.AgencyService/"
#define HUB     "/vacancy.v1.HubService/"
#define FIND    "/vacancy.v1.PlacementService/FindVacancies"
#define EXPLAIN "/vacancy.v1.PlacementService/ExplainVacancy"

static struct fake_hub hub;

static int set_up(void **state)
{
    (void)state;
    fake_hub_open(&hub);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    fake_hub_close(&hub);
    return 0;
}

static void push(const char *principal, const char *reference, bool offered)
{
    struct fake_carer carer;
    struct fake_vacancy vacancy;
    fake_carer_init(&carer, reference, hub.now_ms);
    struct fake_call *call = fake_hub_ask(&hub, principal, AGENCY "PutCarer", &carer.request.base);
    fake_hub_answer(call);
    fake_call_destroy(call);
    if (!offered)
        return;
    fake_vacancy_init(&vacancy, reference, hub.now_ms);
    call = fake_hub_ask(&hub, principal, AGENCY "PutVacancy", &vacancy.request.base);
    fake_hub_answer(call);
    fake_call_destroy(call);
}

static void push_many(const char *principal, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        char reference[16];
        snprintf(reference, sizeof reference, "H-%03u", i);
        push(principal, reference, i % 2 == 0);
    }
}

/* --- FindVacancies ---------------------------------------------------------------------------------------------- */

static struct {
    Vacancy__V1__FindVacanciesRequest request;
    Vacancy__V1__Child children[13], *children_at[13];
    Vacancy__V1__AvoidedPlace avoid[9], *avoid_at[9];
    char *languages[5];
    int codes[4];
} find;

static void find_init(void)
{
    memset(&find, 0, sizeof find);
    vacancy__v1__find_vacancies_request__init(&find.request);
    for (size_t i = 0; i < 13; i++) {
        vacancy__v1__child__init(&find.children[i]);
        find.children[i].age_months = 96;
        find.children[i].sex = VACANCY__V1__SEX__SEX_F;
        find.children_at[i] = &find.children[i];
    }
    for (size_t i = 0; i < 9; i++) {
        vacancy__v1__avoided_place__init(&find.avoid[i]);
        find.avoid[i].postcode = (char *)"BS1";
        find.avoid[i].radius_metres = 1000;
        find.avoid_at[i] = &find.avoid[i];
    }
    for (size_t i = 0; i < 5; i++)
        find.languages[i] = (char *[]){(char *)"pl", (char *)"ur", (char *)"pa", (char *)"bn", (char *)"gu"}[i];
    find.request.request_reference = (char *)"383-204417";
    find.request.purpose = VACANCY__V1__PURPOSE__PURPOSE_PLACEMENT;
    find.request.near_postcode = (char *)"LS1 4AP";
    find.request.children = find.children_at;
    find.request.n_children = 1;
    find.request.care_type = VACANCY__V1__CARE_TYPE__CARE_TYPE_SHORT_TERM;
    find.request.avoid = find.avoid_at;
    find.request.languages = find.languages;
}

static void find_refused(const char *what, enum err code, const char *field)
{
    uint64_t shown = fake_hub_shown(&hub);
    struct fake_call *call = fake_hub_ask(&hub, FAKE_TEAM, FIND, &find.request.base);
    if (!call->finished || call->problem.code != code || strcmp(call->problem.field, field) != 0 ||
        call->problem.text[0] == '\0' || call->response_count != 0)
        fail_msg("%s: %s [%s] \"%s\"", what, err_name(call->problem.code), call->problem.field, call->problem.text);
    if (strstr(call->problem.text, "SECRET") != NULL || strstr(call->problem.text, "ZZ99") != NULL)
        fail_msg("%s: repeats what was sent: %s", what, call->problem.text);
    assert_true(fake_hub_shown(&hub) == shown);
    fake_call_destroy(call);
}

#define F (find.request)
#define ROW(field, statement)                                                                                          \
    find_init();                                                                                                       \
    statement;                                                                                                         \
    find_refused(#statement, ERR_INVALID, field)

static void test_find_fields(void **state)
{
    (void)state;
    push(FAKE_LEEDS, "H-1", true);
    ROW("request_reference", F.request_reference = (char *)""); /* H15 */
    ROW("request_reference", F.request_reference = (char *)"SECRET Smith");
    ROW("request_reference", F.request_reference = (char *)"383-123");
    ROW("request_reference", F.request_reference = (char *)"383-12345678901");
    ROW("request_reference", F.request_reference = (char *)"801-204417"); /* Bristol's */
    ROW("purpose", F.purpose = 0);
    ROW("purpose", F.purpose = (Vacancy__V1__Purpose)5);
    ROW("near_postcode", F.near_postcode = (char *)"");
    ROW("near_postcode", F.near_postcode = (char *)"SECRET");
    ROW("near_postcode", F.near_postcode = (char *)"ZZ99 9ZZ");
    ROW("children", F.n_children = 0);
    ROW("children", F.n_children = 13);
    ROW("children[0].sex", find.children[0].sex = 0);
    ROW("children[0].sex", find.children[0].sex = (Vacancy__V1__Sex)9999);
    ROW("children[0].age_months", find.children[0].age_months = 97);
    ROW("children[0].age_months", find.children[0].age_months = 252);
    ROW("children[1].age_months", F.n_children = 2; find.children[1].age_months = 216);
    ROW("care_type", F.care_type = 0);
    ROW("care_type", F.care_type = (Vacancy__V1__CareType)14);
    ROW("starts_on", F.starts_on = (char *)"01/06/2026");
    ROW("starts_on", F.starts_on = (char *)"2026-05-31");
    ROW("starts_on", F.starts_on = (char *)"2027-06-03");
    ROW("grouping", F.grouping = (Vacancy__V1__Grouping)3);
    ROW("alongside", F.alongside = (Vacancy__V1__CaredForAlongside)6);
    ROW("home_features[0]", F.n_home_features = 1; F.home_features = (Vacancy__V1__HomeFeature *)find.codes);
    ROW("risks[1]", F.n_risks = 2; find.codes[0] = find.codes[1] = 3; F.risks = (Vacancy__V1__Risk *)find.codes);
    ROW("no_pets[0]", F.n_no_pets = 1; find.codes[0] = 7; F.no_pets = (Vacancy__V1__Pet *)find.codes);
    ROW("skills[0]", F.n_skills = 1; find.codes[0] = 13; F.skills = (Vacancy__V1__Skill *)find.codes);
    ROW("overrides[0]", F.n_overrides = 1; find.codes[0] = 6; F.overrides = (Vacancy__V1__Override *)find.codes);
    ROW("avoid", F.n_avoid = 9);
    ROW("avoid[0].postcode", F.n_avoid = 1; find.avoid[0].postcode = (char *)"");
    ROW("avoid[1].radius_metres", F.n_avoid = 2; find.avoid[1].radius_metres = 50001);
    ROW("languages", F.n_languages = 5);
    ROW("languages[1]", F.n_languages = 2; find.languages[1] = (char *)"pol");
    ROW("languages[0]", F.n_languages = 1; find.languages[0] = (char *)"xx-klingon");
    ROW("limit", F.limit = 101);
    find_init();
    struct tls_peer peer = fake_peer(FAKE_DOMAIN "E12000003/placement-team/E99999999/duty", (uint8_t[DIGEST_BYTES]){1});
    struct fake_call *call = fake_unary(&hub.host, FIND, &peer, &find.request.base);
    assert_int_equal(call->problem.code, ERR_FORBIDDEN); /* no such authority */
    fake_call_destroy(call);
}

/* Who else asks gets nothing: A5, A9. */
static void test_find_roles(void **state)
{
    (void)state;
    static const char *const others[] = {FAKE_LEEDS, FAKE_OLIVE, FAKE_ANN, FAKE_HUB};
    find_init();
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        struct fake_call *call = fake_hub_ask(&hub, others[i], FIND, &find.request.base);
        assert_int_equal(call->problem.code, ERR_FORBIDDEN);
        assert_int_equal(call->response_count, 0);
        fake_call_destroy(call);
    }
}

static void test_find_answers(void **state)
{
    (void)state;
    push_many(FAKE_LEEDS, 10);
    find_init();
    F.limit = 4;
    uint64_t shown = fake_hub_shown(&hub);
    struct fake_call *call = fake_hub_ask(&hub, FAKE_TEAM, FIND, &find.request.base);
    const Vacancy__V1__FindVacanciesResponse *out = fake_hub_answer(call);
    assert_int_equal(out->n_options, 4);
    assert_int_equal(out->n_removed, 0);
    assert_true(out->as_of_ms == hub.now_ms);
    assert_int_equal(out->n_positions, 1);
    assert_string_equal(out->positions[0]->region, FAKE_REGION);
    assert_true(out->positions[0]->sequence == fake_hub_log(&hub));
    assert_int_equal(strlen(out->gazetteer_digest), 64);
    assert_string_equal(out->policy, "default");
    assert_true(out->n_order_steps > 0);
    assert_non_null(strstr(out->ask_first, "relative"));
    assert_string_equal(out->near_precision, "sector");
    for (size_t i = 0; i < out->n_options; i++) {
        const Vacancy__V1__Option *option = out->options[i];
        uint64_t id;
        assert_true(id_parse(option->vacancy_id, &id));
        assert_string_equal(option->home_authority, "E08000035");
        assert_string_equal(option->home_authority_name, "Leeds");
        assert_int_equal(option->relation, VACANCY__V1__AUTHORITY_RELATION__AUTHORITY_RELATION_IN_AREA);
        assert_int_equal(option->approval_needed, VACANCY__V1__APPROVAL_NEEDED__APPROVAL_NEEDED_NONE);
        assert_string_equal(option->agency->name, "Leeds City Council");
        assert_string_equal(option->agency->phone, "0113 496 0000");
        assert_true(option->n_reasons > 0);
        assert_int_equal(option->children_taken, 1);
        assert_int_equal(option->beds_free, 2);
    }
    assert_true(fake_hub_shown(&hub) == shown + 1);
    fake_call_destroy(call);

    /* A search that nothing satisfies says why, and is on the trail as well. */
    F.care_type = VACANCY__V1__CARE_TYPE__CARE_TYPE_REMAND;
    call = fake_hub_ask(&hub, FAKE_TEAM, FIND, &find.request.base);
    out = fake_hub_answer(call);
    assert_int_equal(out->n_options, 0);
    assert_int_equal(out->considered, 5);
    assert_true(out->n_removed > 0);
    assert_true(fake_hub_shown(&hub) == shown + 2);
    fake_call_destroy(call);
}

/* No field of an answer holds what names the home: its postcode, the agency's reference, the national reference. */
static void test_find_shows_no_carer(void **state)
{
    (void)state;
    push(FAKE_LEEDS, "HOUSEHOLD-77", true);
    struct home_carer home;
    char reference[ID_TEXT_BYTES];
    assert_int_equal(home_get_carer(hub.home, "leeds", "HOUSEHOLD-77", &home), ERR_NONE);
    id_format(home.national_reference, reference);
    find_init();
    struct fake_call *call = fake_hub_ask(&hub, FAKE_TEAM, FIND, &find.request.base);
    assert_int_equal(((const Vacancy__V1__FindVacanciesResponse *)fake_hub_answer(call))->n_options, 1);
    const struct fake_response *response = &call->responses[0];
    assert_null(memmem(response->octets, response->size, "HOUSEHOLD", 9));
    assert_null(memmem(response->octets, response->size, "1AB", 3));
    assert_null(memmem(response->octets, response->size, reference, strlen(reference)));
    fake_call_destroy(call);
}

/* The trail can't be written: UNAVAILABLE and nothing shown, for every method that shows; then all is well again. */
static void test_nothing_unrecorded(void **state)
{
    (void)state;
    push(FAKE_LEEDS, "H-1", true);
    find_init();
    Vacancy__V1__GetCarerRequest get = VACANCY__V1__GET_CARER_REQUEST__INIT;
    Vacancy__V1__ListCarersRequest carers = VACANCY__V1__LIST_CARERS_REQUEST__INIT;
    Vacancy__V1__ListVacanciesRequest vacancies = VACANCY__V1__LIST_VACANCIES_REQUEST__INIT;
    Vacancy__V1__ReadAuditRequest audit = VACANCY__V1__READ_AUDIT_REQUEST__INIT;
    Vacancy__V1__ExplainVacancyRequest explain = VACANCY__V1__EXPLAIN_VACANCY_REQUEST__INIT;
    struct home_carer home;
    char id[ID_TEXT_BYTES];
    assert_int_equal(home_get_carer(hub.home, "leeds", "H-1", &home), ERR_NONE);
    id_format(home.vacancy.vacancy_id, id);
    explain.question = &find.request;
    explain.vacancy_id = id;
    get.agency_reference = (char *)"H-1";
    const struct {
        const char *principal, *path;
        const ProtobufCMessage *request;
    } shows[] = {
        {FAKE_TEAM, FIND, &find.request.base},
        {FAKE_TEAM, EXPLAIN, &explain.base},
        {FAKE_LEEDS, AGENCY "GetCarer", &get.base},
        {FAKE_LEEDS, AGENCY "ListCarers", &carers.base},
        {FAKE_LEEDS, AGENCY "ListVacancies", &vacancies.base},
        {FAKE_ANN, HUB "ReadAudit", &audit.base},
    };
    struct store_memory_plan full = {.calls_until_crash = -1, .calls_until_full = 0};
    struct store_memory_plan fine = {.calls_until_crash = -1, .calls_until_full = -1};
    for (size_t i = 0; i < sizeof shows / sizeof shows[0]; i++) {
        store_memory_set_plan(hub.store, &full);
        struct fake_call *call = fake_hub_ask(&hub, shows[i].principal, shows[i].path, shows[i].request);
        if (call->problem.code != ERR_UNAVAILABLE || call->response_count != 0)
            fail_msg("%s: %s, %zu shown", shows[i].path, err_name(call->problem.code), call->response_count);
        fake_call_destroy(call);
        store_memory_set_plan(hub.store, &fine);
        call = fake_hub_ask(&hub, shows[i].principal, shows[i].path, shows[i].request);
        assert_int_equal(call->problem.code, ERR_NONE);
        assert_true(call->response_count > 0);
        fake_call_destroy(call);
    }
}

/* That there is no such vacancy tells something too. */
static void test_nothing_there_is_recorded(void **state)
{
    (void)state;
    struct store_memory_plan full = {.calls_until_crash = -1, .calls_until_full = 0};
    struct store_memory_plan fine = {.calls_until_crash = -1, .calls_until_full = -1};
    Vacancy__V1__ExplainVacancyRequest explain = VACANCY__V1__EXPLAIN_VACANCY_REQUEST__INIT;
    char id[ID_TEXT_BYTES];
    id_format(4711, id);
    find_init();
    explain.question = &find.request;
    explain.vacancy_id = id;
    uint64_t shown = fake_hub_shown(&hub);
    struct fake_call *call = fake_hub_ask(&hub, FAKE_TEAM, EXPLAIN, &explain.base);
    assert_int_equal(call->problem.code, ERR_NOT_FOUND);
    assert_string_equal(call->problem.field, "vacancy_id");
    assert_true(fake_hub_shown(&hub) == shown + 1);
    fake_call_destroy(call);
    store_memory_set_plan(hub.store, &full);
    call = fake_hub_ask(&hub, FAKE_TEAM, EXPLAIN, &explain.base);
    assert_int_equal(call->problem.code, ERR_UNAVAILABLE);
    fake_call_destroy(call);
    store_memory_set_plan(hub.store, &fine);
}

#define MANY 40000 /* some slices of work */

/* So many homes, one after the other away from the middle of Leeds; the last one's id is `count`. Of every `lapsing`th
 * the confirmation has run out; 0: of none. */
static void offer_many(uint32_t count, uint32_t lapsing)
{
    for (uint32_t i = 1; i <= count;) {
        struct fixture_batch batch;
        fixture_begin(&batch);
        for (; i <= count && batch.commit.count < FIXTURE_BATCH; i++) {
            struct offer offer;
            fixture_offer(&offer, i, 430000 + i, 433500 + i);
            offer.valid_until_ms = hub.now_ms + (lapsing > 0 && i % lapsing == 0 ? -1000 : 1000);
            fixture_put(&batch, i, &offer);
        }
        fixture_commit(&batch, hub.match, 1000 + i);
    }
}

/* The longest answer there is fits, and all of it is on the trail: two ids for each vacancy, in records of 128. */
static void test_the_longest_answer(void **state)
{
    (void)state;
    Vacancy__V1__Override unconfirmed = VACANCY__V1__OVERRIDE__OVERRIDE_UNCONFIRMED;
    offer_many(300, 2);
    find_init();
    F.limit = OPTIONS_MAX;
    F.n_overrides = 1;
    F.overrides = &unconfirmed;
    F.n_languages = 4;
    F.n_avoid = 1;
    F.cultural_needs = VACANCY__V1__CULTURAL_NEEDS__CULTURAL_NEEDS_REQUIRED;
    F.needed_by = VACANCY__V1__NEEDED_BY__NEEDED_BY_TODAY;
    F.framework = (char *)"white-rose";
    F.show_rating = true;
    F.n_school_postcodes = F.n_sibling_postcodes = F.n_important_postcodes = 1;
    F.school_postcodes = F.sibling_postcodes = F.important_postcodes = (char *[]){(char *)"LS6 1"};
    uint64_t shown = fake_hub_shown(&hub);
    struct fake_call *call = fake_hub_ask(&hub, FAKE_TEAM, FIND, &find.request.base);
    const Vacancy__V1__FindVacanciesResponse *out = fake_hub_answer(call);
    assert_int_equal(out->n_options, OPTIONS_MAX);
    assert_int_equal(out->n_phone_first, OPTIONS_MAX);
    for (size_t i = 0; i < OPTIONS_MAX; i++)
        assert_true(!out->options[i]->unconfirmed && out->phone_first[i]->unconfirmed &&
                    out->options[i]->n_reasons > 15);
    assert_true(fake_hub_shown(&hub) - shown == (2 * 2 * OPTIONS_MAX + 127) / 128);
    fake_call_destroy(call);
}

/* Issue 4 item 6: one that takes long gives the others on its worker their turns, and can be left in the middle. */
static void test_long_questions_yield(void **state)
{
    (void)state;
    static const uint8_t issuer[DIGEST_BYTES] = {1};
    struct tls_peer peer = fake_peer(FAKE_TEAM, issuer);
    Vacancy__V1__ExplainVacancyRequest explain = VACANCY__V1__EXPLAIN_VACANCY_REQUEST__INIT;
    char id[ID_TEXT_BYTES];
    offer_many(MANY, 0);
    find_init();
    id_format(MANY, id);
    F.order_name = (char *)"nearest";
    explain.question = &find.request;
    explain.vacancy_id = id;
    for (int left = 0; left < 2; left++) {
        struct fake_call *call = fake_call_begin(&hub.host, EXPLAIN, &peer);
        fake_call_send(call, &explain.base);
        assert_true(!call->finished && call->wants_turn);
        /* Meanwhile another is answered at once: once it is on the trail. */
        struct fake_call *other = fake_call_begin(&hub.host, FIND, &peer);
        fake_call_send(other, &find.request.base);
        other->wants_turn = false;
        other->call.method->handler->writable(&other->call);
        assert_true(other->finished && other->response_count == 1 && !call->finished);
        fake_call_destroy(other);
        if (left == 0) {
            fake_settle(&hub.host, &hub.writer);
            const Vacancy__V1__ExplainVacancyResponse *out = fake_hub_answer(call);
            assert_true(out->suitable && out->ahead == MANY - 1);
            assert_string_equal(out->policy, "nearest");
        } else {
            fake_call_cancel(call);
        }
        fake_call_destroy(call);
    }
}

/* --- listings --------------------------------------------------------------------------------------------------- */

static void test_listing_with_a_slow_reader(void **state)
{
    (void)state;
    static const uint8_t issuer[DIGEST_BYTES] = {1};
    push_many(FAKE_LEEDS, 100);
    push(FAKE_HOMES, "H-000", true);
    for (uint32_t room = 1; room <= 40; room += 13) {
        Vacancy__V1__ListCarersRequest request = VACANCY__V1__LIST_CARERS_REQUEST__INIT;
        struct tls_peer peer = fake_peer(FAKE_LEEDS, issuer);
        uint64_t shown = fake_hub_shown(&hub);
        struct fake_call *call = fake_call_begin(&hub.host, AGENCY "ListCarers", &peer);
        fake_call_take(call, room);
        fake_call_send(call, &request.base);
        for (unsigned turn = 0; turn < 500 && !call->finished; turn++) {
            size_t before = call->response_count;
            while (fake_host_turn(&hub.host))
                continue;
            assert_true(call->response_count - before <= room);
            /* What was sent is on the trail, and at most a page more. */
            uint64_t recorded = fake_hub_shown(&hub) - shown;
            assert_true(recorded * 10 >= call->response_count && recorded <= 1 + call->response_count / 10);
            fake_call_take(call, room);
        }
        assert_true(call->finished);
        assert_int_equal(call->problem.code, ERR_NONE);
        assert_int_equal(call->response_count, 100);
        for (unsigned i = 0; i < 100; i++) {
            char reference[16];
            snprintf(reference, sizeof reference, "H-%03u", i);
            const Vacancy__V1__CarerView *view =
                ((const Vacancy__V1__ListCarersResponse *)call->responses[i].message)->carer;
            assert_string_equal(view->carer->agency_reference, reference);
            assert_string_equal(view->agency, "leeds");
        }
        fake_call_destroy(call);
    }
    /* A client gone in mid-listing. */
    Vacancy__V1__ListCarersRequest request = VACANCY__V1__LIST_CARERS_REQUEST__INIT;
    struct tls_peer peer = fake_peer(FAKE_LEEDS, issuer);
    struct fake_call *call = fake_call_begin(&hub.host, AGENCY "ListCarers", &peer);
    fake_call_take(call, 5);
    fake_call_send(call, &request.base);
    fake_call_cancel(call);
    fake_call_destroy(call);
}

static void test_listing_filters(void **state)
{
    (void)state;
    push_many(FAKE_LEEDS, 40);
    Vacancy__V1__ListVacanciesRequest vacancies = VACANCY__V1__LIST_VACANCIES_REQUEST__INIT;
    struct fake_call *call = fake_hub_ask(&hub, FAKE_LEEDS, AGENCY "ListVacancies", &vacancies.base);
    assert_int_equal(call->response_count, 20);
    fake_call_destroy(call);
    vacancies.after_reference = (char *)"H-029";
    call = fake_hub_ask(&hub, FAKE_LEEDS, AGENCY "ListVacancies", &vacancies.base);
    assert_int_equal(call->response_count, 5);
    fake_call_destroy(call);
    vacancies.lapsing_before_ms = hub.now_ms;
    call = fake_hub_ask(&hub, FAKE_LEEDS, AGENCY "ListVacancies", &vacancies.base);
    assert_int_equal(call->response_count, 0);
    assert_int_equal(call->problem.code, ERR_NONE);
    fake_call_destroy(call);
    vacancies.lapsing_before_ms = -1;
    call = fake_hub_ask(&hub, FAKE_LEEDS, AGENCY "ListVacancies", &vacancies.base);
    assert_int_equal(call->problem.code, ERR_INVALID);
    fake_call_destroy(call);

    Vacancy__V1__EndCarerRequest end = VACANCY__V1__END_CARER_REQUEST__INIT;
    end.agency_reference = (char *)"H-000";
    end.observed_at_ms = hub.now_ms += 1000;
    end.ends_on = (char *)"2026-06-01";
    end.reason = (char *)"AW3";
    call = fake_hub_ask(&hub, FAKE_LEEDS, AGENCY "EndCarer", &end.base);
    fake_hub_answer(call);
    fake_call_destroy(call);
    Vacancy__V1__ListCarersRequest carers = VACANCY__V1__LIST_CARERS_REQUEST__INIT;
    call = fake_hub_ask(&hub, FAKE_LEEDS, AGENCY "ListCarers", &carers.base);
    assert_int_equal(call->response_count, 39);
    fake_call_destroy(call);
    carers.include_ended = true;
    call = fake_hub_ask(&hub, FAKE_LEEDS, AGENCY "ListCarers", &carers.base);
    assert_int_equal(call->response_count, 40);
    const Vacancy__V1__CarerView *view = ((const Vacancy__V1__ListCarersResponse *)call->responses[0].message)->carer;
    assert_string_equal(view->end_reason, "AW3");
    assert_null(view->vacancy);
    fake_call_destroy(call);
    carers.after_reference = (char *)"\x01";
    call = fake_hub_ask(&hub, FAKE_LEEDS, AGENCY "ListCarers", &carers.base);
    assert_int_equal(call->problem.code, ERR_INVALID);
    assert_string_equal(call->problem.field, "after_reference");
    fake_call_destroy(call);
}

/* --- the hub ---------------------------------------------------------------------------------------------------- */

static void count_fixed(void *ctx, struct service_counters *out)
{
    (void)ctx;
    *out = (struct service_counters){.connections = 3, .calls = 77};
}

static void test_hub_state(void **state)
{
    (void)state;
    push_many(FAKE_LEEDS, 40);
    push(FAKE_HOMES, "H-1", false);
    hub.context.counters = count_fixed;
    hub.now_ms += 5000;
    Vacancy__V1__GetStatusRequest status = VACANCY__V1__GET_STATUS_REQUEST__INIT;
    struct fake_call *call = fake_hub_ask(&hub, FAKE_ANN, HUB "GetStatus", &status.base);
    const Vacancy__V1__GetStatusResponse *out = fake_hub_answer(call);
    assert_string_equal(out->region, FAKE_REGION);
    assert_string_equal(out->version, "test");
    assert_true(out->uptime_ms == 5000);
    assert_true(out->sequence == fake_hub_log(&hub));
    assert_int_equal(out->agencies, 2);
    assert_int_equal(out->carers, 41);
    assert_int_equal(out->vacancies, 20);
    assert_int_equal(out->connections, 3);
    assert_int_equal(out->calls, 77);
    assert_true(out->writable);
    fake_call_destroy(call);

    Vacancy__V1__ListAgenciesRequest list = VACANCY__V1__LIST_AGENCIES_REQUEST__INIT;
    call = fake_hub_ask(&hub, FAKE_OLIVE, HUB "ListAgencies", &list.base);
    assert_int_equal(call->response_count, 2);
    const Vacancy__V1__ListAgenciesResponse *first = (const void *)call->responses[0].message;
    const Vacancy__V1__ListAgenciesResponse *second = (const void *)call->responses[1].message;
    assert_string_equal(first->agency->id, "homes");
    assert_int_equal(first->carers, 1);
    assert_int_equal(first->vacancies, 0);
    assert_string_equal(second->agency->id, "leeds");
    assert_int_equal(second->carers, 40);
    assert_int_equal(second->vacancies, 20);
    fake_call_destroy(call);
    call = fake_hub_ask(&hub, FAKE_ANN, HUB "ListAgencies", &list.base);
    assert_int_equal(call->problem.code, ERR_FORBIDDEN);
    fake_call_destroy(call);
}

/* What an auditor does with the trail: both chains computed anew lead to the signed head. */
static void test_audit_proves_itself(void **state)
{
    (void)state;
    static const uint8_t issuer[DIGEST_BYTES] = {1};
    push_many(FAKE_LEEDS, 100);
    find_init();
    for (unsigned i = 0; i < 150; i++)
        fake_call_destroy(fake_hub_ask(&hub, FAKE_TEAM, FIND, &find.request.base));
    Vacancy__V1__ReadAuditRequest request = VACANCY__V1__READ_AUDIT_REQUEST__INIT;
    struct tls_peer peer = fake_peer(FAKE_ANN, issuer);
    struct fake_call *call = fake_call_begin(&hub.host, HUB "ReadAudit", &peer);
    fake_call_take(call, 50);
    fake_call_send(call, &request.base);
    for (unsigned turn = 0; turn < 100 && !call->finished; turn++) {
        while (fake_host_turn(&hub.host))
            continue;
        find.request.limit = 1 + turn % 5; /* the trail grows while it is read */
        fake_call_destroy(fake_hub_ask(&hub, FAKE_TEAM, FIND, &find.request.base));
        fake_call_take(call, 50);
    }
    assert_true(call->finished);
    assert_int_equal(call->problem.code, ERR_NONE);
    struct audit_position chains[2] = {0};
    struct audit_head head = {0};
    for (size_t i = 0; i < call->response_count; i++) {
        const Vacancy__V1__ReadAuditResponse *out = (const void *)call->responses[i].message;
        if (out->item_case == VACANCY__V1__READ_AUDIT_RESPONSE__ITEM_HEAD) {
            assert_int_equal(i, call->response_count - 1);
            assert_true(signature_verify(out->head->public_key.data, out->head->text, strlen(out->head->text),
                                         out->head->signature.data));
            assert_int_equal(audit_head_parse(out->head->text, strlen(out->head->text), &head), ERR_NONE);
            continue;
        }
        unsigned chain = out->record->chain == VACANCY__V1__AUDIT_CHAIN__AUDIT_CHAIN_WRITES ? 0 : 1;
        assert_true(out->record->sequence == chains[chain].sequence + 1);
        audit_chain_next(&chains[chain], &(struct octets){out->record->octets.data, out->record->octets.len});
    }
    assert_true(head.writes.sequence == chains[0].sequence && chains[0].sequence >= 150);
    assert_memory_equal(head.writes.hash, chains[0].hash, DIGEST_BYTES);
    assert_true(head.disclosures.sequence == chains[1].sequence && chains[1].sequence == 151);
    assert_memory_equal(head.disclosures.hash, chains[1].hash, DIGEST_BYTES);

    /* The last disclosure before this one: the search, who, why, what. */
    const Vacancy__V1__ReadAuditResponse *out = (const void *)call->responses[call->response_count - 3].message;
    Vacancy__V1__AuditRecord *record =
        vacancy__v1__audit_record__unpack(NULL, out->record->octets.len, out->record->octets.data);
    assert_non_null(record);
    assert_string_equal(record->principal, FAKE_TEAM);
    assert_string_equal(record->method, FIND);
    assert_string_equal(record->request_reference, "383-204417");
    assert_int_equal(record->purpose, VACANCY__V1__PURPOSE__PURPOSE_PLACEMENT);
    assert_int_equal(record->n_subjects, 6); /* three options: vacancy, and whose */
    vacancy__v1__audit_record__free_unpacked(record, NULL);
    fake_call_destroy(call);

    /* One chain, from the middle; then from past its end: the head alone. */
    request.chain = VACANCY__V1__AUDIT_CHAIN__AUDIT_CHAIN_DISCLOSURES;
    request.from_sequence = 100;
    call = fake_hub_ask(&hub, FAKE_OLIVE, HUB "ReadAudit", &request.base);
    out = (const void *)call->responses[0].message;
    assert_true(out->record->sequence == 100);
    fake_call_destroy(call);
    request.from_sequence = UINT64_MAX;
    call = fake_hub_ask(&hub, FAKE_OLIVE, HUB "ReadAudit", &request.base);
    assert_int_equal(call->response_count, 1);
    fake_call_destroy(call);
    call = fake_hub_ask(&hub, FAKE_LEEDS, HUB "ReadAudit", &request.base);
    assert_int_equal(call->problem.code, ERR_FORBIDDEN);
    fake_call_destroy(call);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_find_fields),          TEST(test_find_roles),         TEST(test_find_answers),
        TEST(test_find_shows_no_carer),  TEST(test_nothing_unrecorded), TEST(test_nothing_there_is_recorded),
        TEST(test_long_questions_yield), TEST(test_the_longest_answer), TEST(test_listing_with_a_slow_reader),
        TEST(test_listing_filters),      TEST(test_hub_state),          TEST(test_audit_proves_itself),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
