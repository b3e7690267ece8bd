/* tier: check */
/*
 * test_service_forwarded.c - what another hub asks here for its teams (Forward): decided as if it had been asked here,
 * for those of its teams that the roster says are its own, with the hub on the record; V10, V11, A5, A7, A9, and how
 * much one hub may have under way.
 */
#include "tests/lib/fake_hub.h"
#include "vacancy/v1/federation_service.pb-c.h"
#include "vacancy/v1/hub_service.pb-c.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define FORWARD     "/vacancy.v1.FederationService/Forward"
#define AGENCY      "/vacancy.v1.AgencyService/"
#define NORTH_HUB   FAKE_DOMAIN FAKE_NORTH "/hub"
#define NORTH_TEAM  FAKE_DOMAIN FAKE_NORTH "/placement-team/E06000047/duty"
#define NORTH_OTHER FAKE_DOMAIN FAKE_NORTH "/placement-team/E06000047/days"
#define REFERENCE   "840-204417"

typedef Vacancy__V1__ForwardRequest envelope;

static struct fake_hub hub;
static struct wakes *wakes;
static char vacancy_id[ID_TEXT_BYTES], hold_id[64];

/* --- asking ------------------------------------------------------------------------------------------------------- */

static char *request_id(void)
{
    static char text[8][REQUEST_ID_TEXT_BYTES];
    static uint16_t made;
    char *out = text[++made % 8];
    snprintf(out, REQUEST_ID_TEXT_BYTES, "%08" PRIx32 "-%04" PRIx16 "-7000-8000-00000000%04" PRIx16,
             (uint32_t)((uint64_t)hub.now_ms >> 16), (uint16_t)hub.now_ms, made);
    return out;
}

static Vacancy__V1__HoldVacancyRequest hold_request(void)
{
    Vacancy__V1__HoldVacancyRequest out = VACANCY__V1__HOLD_VACANCY_REQUEST__INIT;
    out.request_id = request_id();
    out.vacancy_id = vacancy_id;
    out.region = (char *)FAKE_REGION;
    out.beds = 1;
    out.request_reference = (char *)REFERENCE;
    return out;
}

static envelope of_hold(const char *principal, Vacancy__V1__HoldVacancyRequest *request)
{
    envelope out = VACANCY__V1__FORWARD_REQUEST__INIT;
    out.principal = (char *)principal;
    out.request_case = VACANCY__V1__FORWARD_REQUEST__REQUEST_HOLD;
    out.hold = request;
    return out;
}

static struct fake_call *ask(const char *who, const envelope *request)
{
    return fake_hub_ask(&hub, who, FORWARD, &request->base);
}

static const Vacancy__V1__ForwardResponse *answer_of(const struct fake_call *call,
                                                     Vacancy__V1__ForwardResponse__ResponseCase item)
{
    const Vacancy__V1__ForwardResponse *out = fake_hub_answer(call);
    assert_int_equal(out->response_case, item);
    return out;
}

static void refused(const char *who, const envelope *request, enum err code, const char *words)
{
    uint64_t log = fake_hub_log(&hub);
    struct fake_call *call = ask(who, request);
    assert_true(call->finished);
    if (call->problem.code != code || strstr(call->problem.text, words) == NULL)
        fail_msg("%s: %s; expected %s, \"%s\"", err_name(call->problem.code), call->problem.text, err_name(code),
                 words);
    assert_int_equal(fake_hub_log(&hub), log);
    fake_call_destroy(call);
}

static void hold_one(void)
{
    Vacancy__V1__HoldVacancyRequest request = hold_request();
    const envelope forward = of_hold(NORTH_TEAM, &request);
    struct fake_call *call = ask(NORTH_HUB, &forward);
    const Vacancy__V1__ForwardResponse *out = answer_of(call, VACANCY__V1__FORWARD_RESPONSE__RESPONSE_HOLD);
    snprintf(hold_id, sizeof hold_id, "%s", out->hold->hold->hold_id);
    fake_call_destroy(call);
}

/* The last record of a chain but for the reading of it. */
static Vacancy__V1__AuditRecord *last_audit(Vacancy__V1__AuditChain chain)
{
    Vacancy__V1__ReadAuditRequest request = VACANCY__V1__READ_AUDIT_REQUEST__INIT;
    request.chain = chain;
    struct fake_call *call = fake_hub_ask(&hub, FAKE_ANN, "/vacancy.v1.HubService/ReadAudit", &request.base);
    Vacancy__V1__AuditRecord *out = NULL;
    for (size_t i = 0; i < call->response_count; i++) {
        const Vacancy__V1__ReadAuditResponse *one = (const Vacancy__V1__ReadAuditResponse *)call->responses[i].message;
        if (one->item_case != VACANCY__V1__READ_AUDIT_RESPONSE__ITEM_RECORD)
            continue;
        Vacancy__V1__AuditRecord *record =
            vacancy__v1__audit_record__unpack(NULL, one->record->octets.len, one->record->octets.data);
        assert_non_null(record);
        bool own = strcmp(record->principal, FAKE_ANN) == 0;
        if (!own && out != NULL)
            vacancy__v1__audit_record__free_unpacked(out, NULL);
        if (!own)
            out = record;
        else
            vacancy__v1__audit_record__free_unpacked(record, NULL);
    }
    fake_call_destroy(call);
    assert_non_null(out);
    return out;
}

/* --- tests -------------------------------------------------------------------------------------------------------- */

static void a_hold_from_afar_is_decided_here(void **state)
{
    (void)state;
    Vacancy__V1__HoldVacancyRequest request = hold_request();
    const envelope forward = of_hold(NORTH_TEAM, &request);
    uint64_t log = fake_hub_log(&hub);
    struct fake_call *call = ask(NORTH_HUB, &forward);
    const Vacancy__V1__HoldVacancyResponse *out = answer_of(call, VACANCY__V1__FORWARD_RESPONSE__RESPONSE_HOLD)->hold;
    assert_true(out->receipt->sequence > log);
    assert_string_equal(out->hold->region, FAKE_REGION);
    assert_string_equal(out->hold->vacancy_id, vacancy_id);
    assert_int_equal(out->hold->state, VACANCY__V1__HOLD_STATE__HOLD_STATE_ACTIVE);
    snprintf(hold_id, sizeof hold_id, "%s", out->hold->hold_id);
    fake_call_destroy(call);
    call = ask(NORTH_HUB, &forward); /* V5: the same again is the first answer */
    out = answer_of(call, VACANCY__V1__FORWARD_RESPONSE__RESPONSE_HOLD)->hold;
    assert_true(out->receipt->repeated);
    assert_string_equal(out->hold->hold_id, hold_id);
    fake_call_destroy(call);
    Vacancy__V1__AuditRecord *record = last_audit(VACANCY__V1__AUDIT_CHAIN__AUDIT_CHAIN_WRITES);
    assert_string_equal(record->principal, NORTH_TEAM); /* both answer for it */
    assert_string_equal(record->forwarded_by, FAKE_NORTH);
    assert_string_equal(record->method, "/vacancy.v1.PlacementService/HoldVacancy");
    assert_string_equal(record->request_reference, REFERENCE); /* for whom */
    vacancy__v1__audit_record__free_unpacked(record, NULL);
}

static void each_request_has_its_answer(void **state)
{
    (void)state;
    hold_one();
    envelope forward = VACANCY__V1__FORWARD_REQUEST__INIT;
    forward.principal = (char *)NORTH_TEAM;
    Vacancy__V1__ExtendHoldRequest extend = VACANCY__V1__EXTEND_HOLD_REQUEST__INIT;
    extend.request_id = request_id();
    extend.hold_id = hold_id;
    forward.request_case = VACANCY__V1__FORWARD_REQUEST__REQUEST_EXTEND;
    forward.extend = &extend;
    struct fake_call *call = ask(NORTH_HUB, &forward);
    assert_true(answer_of(call, VACANCY__V1__FORWARD_RESPONSE__RESPONSE_EXTEND)->extend->hold->extended);
    fake_call_destroy(call);
    Vacancy__V1__AuditRecord *written = last_audit(VACANCY__V1__AUDIT_CHAIN__AUDIT_CHAIN_WRITES);
    assert_string_equal(written->request_reference, REFERENCE); /* the hold's */
    vacancy__v1__audit_record__free_unpacked(written, NULL);

    Vacancy__V1__GetHoldRequest get = VACANCY__V1__GET_HOLD_REQUEST__INIT;
    get.hold_id = hold_id;
    forward.request_case = VACANCY__V1__FORWARD_REQUEST__REQUEST_GET;
    forward.get = &get;
    uint64_t shown = fake_hub_shown(&hub);
    call = ask(NORTH_HUB, &forward);
    assert_string_equal(answer_of(call, VACANCY__V1__FORWARD_RESPONSE__RESPONSE_GET)->get->hold->hold_id, hold_id);
    fake_call_destroy(call);
    assert_int_equal(fake_hub_shown(&hub), shown + 1);
    Vacancy__V1__AuditRecord *record = last_audit(VACANCY__V1__AUDIT_CHAIN__AUDIT_CHAIN_DISCLOSURES);
    assert_string_equal(record->principal, NORTH_TEAM);
    assert_string_equal(record->forwarded_by, FAKE_NORTH);
    vacancy__v1__audit_record__free_unpacked(record, NULL);
    forward.principal = (char *)NORTH_OTHER; /* A7 */
    refused(NORTH_HUB, &forward, ERR_FORBIDDEN, "");
    forward.principal = (char *)NORTH_TEAM;

    get.hold_id = (char *)"";
    get.request_id = request_id(); /* of a hold that was never asked for: it won't be any more */
    get.region = (char *)FAKE_REGION;
    call = ask(NORTH_HUB, &forward);
    assert_int_equal(call->problem.code, ERR_NOT_FOUND);
    fake_call_destroy(call);
    get.hold_id = hold_id;
    refused(NORTH_HUB, &forward, ERR_INVALID, "one or the other");

    Vacancy__V1__ReportUnavailableRequest report = VACANCY__V1__REPORT_UNAVAILABLE_REQUEST__INIT;
    report.request_id = request_id();
    report.request_reference = (char *)REFERENCE;
    forward.request_case = VACANCY__V1__FORWARD_REQUEST__REQUEST_REPORT;
    forward.report = &report;
    refused(NORTH_HUB, &forward, ERR_INVALID, "the vacancy's id"); /* checked as here, field by field */
    report.vacancy_id = vacancy_id;
    report.region = (char *)FAKE_REGION;
    call = ask(NORTH_HUB, &forward);
    assert_non_null(answer_of(call, VACANCY__V1__FORWARD_RESPONSE__RESPONSE_REPORT)->report->receipt);
    fake_call_destroy(call);

    Vacancy__V1__ReleaseHoldRequest release = VACANCY__V1__RELEASE_HOLD_REQUEST__INIT;
    release.request_id = request_id();
    release.hold_id = hold_id;
    forward.request_case = VACANCY__V1__FORWARD_REQUEST__REQUEST_RELEASE;
    forward.release = &release;
    call = ask(NORTH_HUB, &forward);
    assert_int_equal(answer_of(call, VACANCY__V1__FORWARD_RESPONSE__RESPONSE_RELEASE)->release->hold->state,
                     VACANCY__V1__HOLD_STATE__HOLD_STATE_RELEASED);
    fake_call_destroy(call);

    Vacancy__V1__PlaceChildRequest place = VACANCY__V1__PLACE_CHILD_REQUEST__INIT;
    place.request_id = request_id();
    place.hold_id = hold_id;
    forward.request_case = VACANCY__V1__FORWARD_REQUEST__REQUEST_PLACE;
    forward.place = &place;
    refused(NORTH_HUB, &forward, ERR_INVALID, "required");
}

static void offer(const char *reference)
{
    struct fake_carer carer;
    struct fake_vacancy vacancy;
    fake_carer_init(&carer, reference, hub.now_ms);
    fake_call_destroy(fake_hub_ask(&hub, FAKE_LEEDS, AGENCY "PutCarer", &carer.request.base));
    fake_vacancy_init(&vacancy, reference, hub.now_ms);
    struct fake_call *call = fake_hub_ask(&hub, FAKE_LEEDS, AGENCY "PutVacancy", &vacancy.request.base);
    const Vacancy__V1__PutVacancyResponse *put = fake_hub_answer(call);
    snprintf(vacancy_id, sizeof vacancy_id, "%s", put->vacancy_id);
    fake_call_destroy(call);
}

/* A team's reports are its own, whichever hub vouches for it: the next is refused, with when it may be, and what stands
 * beside it is nobody's loss. */
static void a_team_from_afar_reports_so_many_a_day(void **state)
{
    (void)state;
    Vacancy__V1__ReportUnavailableRequest report = VACANCY__V1__REPORT_UNAVAILABLE_REQUEST__INIT;
    envelope forward = VACANCY__V1__FORWARD_REQUEST__INIT;
    report.request_reference = (char *)REFERENCE;
    report.vacancy_id = vacancy_id;
    report.region = (char *)FAKE_REGION;
    forward.principal = (char *)NORTH_TEAM;
    forward.request_case = VACANCY__V1__FORWARD_REQUEST__REQUEST_REPORT;
    forward.report = &report;
    for (int i = 0; i < REPORTS_EACH; i++) {
        char reference[16];
        report.request_id = request_id();
        struct fake_call *call = ask(NORTH_HUB, &forward);
        assert_non_null(answer_of(call, VACANCY__V1__FORWARD_RESPONSE__RESPONSE_REPORT)->report->receipt);
        fake_call_destroy(call);
        snprintf(reference, sizeof reference, "H-2%d", i);
        offer(reference);
    }
    report.request_id = request_id();
    refused(NORTH_HUB, &forward, ERR_LIMIT, "may report 20; the next one can be reported at 2026-06-02T12:00:00.000Z");
    forward.principal = (char *)NORTH_OTHER;
    report.request_id = request_id();
    struct fake_call *call = ask(NORTH_HUB, &forward);
    assert_non_null(answer_of(call, VACANCY__V1__FORWARD_RESPONSE__RESPONSE_REPORT)->report->receipt);
    fake_call_destroy(call);
}

/* Who may: only another hub of the roster, and only for its own. */
static void a_hub_vouches_for_its_own_teams_only(void **state)
{
    (void)state;
    Vacancy__V1__HoldVacancyRequest request = hold_request();
    envelope forward = of_hold(FAKE_TEAM, &request);
    refused(NORTH_HUB, &forward, ERR_FORBIDDEN, "can't vouch for a principal of region " FAKE_REGION);
    forward = of_hold(FAKE_DOMAIN FAKE_NORTH "/placement-team/E08000035/duty", &request);
    refused(NORTH_HUB, &forward, ERR_FORBIDDEN, "roster");
    forward = of_hold(FAKE_DOMAIN FAKE_NORTH "/agency/tyne", &request);
    refused(NORTH_HUB, &forward, ERR_FORBIDDEN, "a fostering agency");
    forward = of_hold("", &request);
    refused(NORTH_HUB, &forward, ERR_INVALID, "required");
    forward = of_hold("duty", &request);
    refused(NORTH_HUB, &forward, ERR_UNAUTHENTICATED, "");
    forward = of_hold(NORTH_TEAM, &request);
    refused(FAKE_TEAM, &forward, ERR_FORBIDDEN, "another hub");
    refused(FAKE_LEEDS, &forward, ERR_FORBIDDEN, "another hub");
    refused(FAKE_HUB, &forward, ERR_FORBIDDEN, "a region has one hub");
    refused(FAKE_DOMAIN "E12000002/hub", &forward, ERR_UNAUTHENTICATED, "issuer"); /* no region of the roster */
}

/* V10, V11: nothing is decided here for another region, and nothing sent on to it. */
static void what_another_region_decides_is_refused_by_its_name(void **state)
{
    (void)state;
    Vacancy__V1__HoldVacancyRequest request = hold_request();
    request.region = (char *)"E12000002";
    envelope forward = of_hold(NORTH_TEAM, &request);
    refused(NORTH_HUB, &forward, ERR_PRECONDITION, "E12000002");
    Vacancy__V1__ReleaseHoldRequest release = VACANCY__V1__RELEASE_HOLD_REQUEST__INIT;
    release.request_id = request_id();
    release.hold_id = (char *)"E12000002-1-4711";
    forward.request_case = VACANCY__V1__FORWARD_REQUEST__REQUEST_RELEASE;
    forward.release = &release;
    refused(NORTH_HUB, &forward, ERR_PRECONDITION, "E12000002");
    Vacancy__V1__GetHoldRequest get = VACANCY__V1__GET_HOLD_REQUEST__INIT;
    get.hold_id = (char *)"E12000002-1-4711";
    forward.request_case = VACANCY__V1__FORWARD_REQUEST__REQUEST_GET;
    forward.get = &get;
    refused(NORTH_HUB, &forward, ERR_PRECONDITION, "E12000002");
}

static void an_envelope_without_a_request_is_refused(void **state)
{
    (void)state;
    envelope forward = VACANCY__V1__FORWARD_REQUEST__INIT;
    forward.principal = (char *)NORTH_TEAM;
    refused(NORTH_HUB, &forward, ERR_INVALID, "required");
}

/* Another hub's flood is its own trouble: the next one waits for none of it. */
static void one_hub_has_a_bounded_number_under_way(void **state)
{
    (void)state;
    static const uint8_t issuer[DIGEST_BYTES] = {1};
    static struct fake_call *calls[FORWARDS_EACH_MAX];
    struct tls_peer peer = fake_peer(NORTH_HUB, issuer);
    Vacancy__V1__HoldVacancyRequest request = hold_request();
    const envelope forward = of_hold(NORTH_TEAM, &request);
    for (uint32_t i = 0; i < FORWARDS_EACH_MAX; i++) {
        calls[i] = fake_unary(&hub.host, FORWARD, &peer, &forward.base); /* the writer has not had its turn */
        assert_false(calls[i]->finished);
    }
    struct fake_call *more = fake_unary(&hub.host, FORWARD, &peer, &forward.base);
    assert_true(more->finished);
    assert_int_equal(more->problem.code, ERR_LIMIT);
    fake_call_destroy(more);
    fake_call_cancel(calls[0]); /* gives its place back */
    more = fake_unary(&hub.host, FORWARD, &peer, &forward.base);
    assert_false(more->finished);
    fake_settle(&hub.host, &hub.writer);
    fake_call_destroy(more);
    for (uint32_t i = 0; i < FORWARDS_EACH_MAX; i++) {
        assert_true(calls[i]->finished);
        fake_call_destroy(calls[i]);
    }
    for (uint32_t i = 0; i < ROSTER_REGIONS_MAX; i++)
        assert_int_equal(hub.context.forwarded[i], 0);
}

/* --- the hub ------------------------------------------------------------------------------------------------------ */

static int set_up(void **state)
{
    (void)state;
    fake_hub_open(&hub);
    fake_hub_set_roster(&hub);
    hub.context.federation.wakes = wakes = wakes_create();
    offer("H-1");
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    fake_hub_close(&hub);
    wakes_destroy(wakes);
    return 0;
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_hold_from_afar_is_decided_here),         TEST(each_request_has_its_answer),
        TEST(a_hub_vouches_for_its_own_teams_only),     TEST(what_another_region_decides_is_refused_by_its_name),
        TEST(an_envelope_without_a_request_is_refused), TEST(one_hub_has_a_bounded_number_under_way),
        TEST(a_team_from_afar_reports_so_many_a_day),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
