/* tier: check */
/*
 * test_service_holds.c - holds as teams and agencies meet them at their own region's hub: what each request must look
 * like, what each side sees and what it does not, whose a hold is, the same call again, and what is on the trail.
 */
#include "tests/lib/fake_hub.h"
#include "vacancy/v1/placement_service.pb-c.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define PLACEMENT "/vacancy.v1.PlacementService/"
#define AGENCY    "/vacancy.v1.AgencyService/"
#define OTHERS    FAKE_DOMAIN "E12000003/placement-team/E08000032/duty" /* Bradford's */
#define HOUR      3600000LL

static struct fake_hub hub;
static char vacancy_id[ID_TEXT_BYTES];

/* --- asking ------------------------------------------------------------------------------------------------------- */

/* Another one each time. */
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
    out.beds = 1;
    out.request_reference = (char *)"383-204417";
    return out;
}

static struct fake_call *ask(const char *who, const char *method, const ProtobufCMessage *request)
{
    char path[96];
    snprintf(path, sizeof path, "%s%s", strstr(who, "/agency/") != NULL ? AGENCY : PLACEMENT, method);
    return fake_hub_ask(&hub, who, path, request);
}

/* The first text of the answer's hold, as the token's holder keeps it. */
static char hold_id[64];

static struct fake_call *hold_it(const char *who, const Vacancy__V1__HoldVacancyRequest *request)
{
    struct fake_call *call = ask(who, "HoldVacancy", &request->base);
    const Vacancy__V1__HoldVacancyResponse *out = fake_hub_answer(call);
    snprintf(hold_id, sizeof hold_id, "%s", out->hold->hold_id);
    return call;
}

static void hold_one(void)
{
    Vacancy__V1__HoldVacancyRequest request = hold_request();
    fake_call_destroy(hold_it(FAKE_TEAM, &request));
}

static void refused_as(const char *who, const char *method, const ProtobufCMessage *request, enum err code,
                       const char *field)
{
    uint64_t log = fake_hub_log(&hub);
    struct fake_call *call = ask(who, method, request);
    assert_true(call->finished);
    if (call->problem.code != code || strcmp(call->problem.field, field) != 0)
        fail_msg("%s: %s \"%s\": %s; expected %s \"%s\"", method, err_name(call->problem.code), call->problem.field,
                 call->problem.text, err_name(code), field);
    assert_true(call->problem.text[0] != '\0');
    assert_int_equal(fake_hub_log(&hub), log);
    fake_call_destroy(call);
}

static const Vacancy__V1__VacancyView *vacancy_now(struct fake_call **call)
{
    Vacancy__V1__GetCarerRequest request = VACANCY__V1__GET_CARER_REQUEST__INIT;
    request.agency_reference = (char *)"H-1";
    *call = ask(FAKE_LEEDS, "GetCarer", &request.base);
    return ((const Vacancy__V1__GetCarerResponse *)fake_hub_answer(*call))->carer->vacancy;
}

static void assert_vacancy(Vacancy__V1__VacancyState state, uint32_t beds_free)
{
    struct fake_call *call;
    const Vacancy__V1__VacancyView *view = vacancy_now(&call);
    assert_int_equal(view->state, state);
    assert_int_equal(view->beds_free, beds_free);
    fake_call_destroy(call);
}
#define STATE(name) VACANCY__V1__VACANCY_STATE__VACANCY_STATE_##name
#define HOLD(name)  VACANCY__V1__HOLD_STATE__HOLD_STATE_##name

static int set_up(void **state)
{
    (void)state;
    struct fake_carer carer;
    struct fake_vacancy vacancy;
    fake_hub_open(&hub);
    fake_carer_init(&carer, "H-1", hub.now_ms);
    fake_call_destroy(ask(FAKE_LEEDS, "PutCarer", &carer.request.base));
    fake_vacancy_init(&vacancy, "H-1", hub.now_ms);
    struct fake_call *call = ask(FAKE_LEEDS, "PutVacancy", &vacancy.request.base);
    const Vacancy__V1__PutVacancyResponse *put = fake_hub_answer(call);
    snprintf(vacancy_id, sizeof vacancy_id, "%s", put->vacancy_id);
    fake_call_destroy(call);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    fake_hub_close(&hub);
    return 0;
}

/* --- holding ------------------------------------------------------------------------------------------------------ */

static void a_hold_and_what_its_team_sees(void **state)
{
    (void)state;
    Vacancy__V1__HoldVacancyRequest request = hold_request();
    uint64_t log = fake_hub_log(&hub);
    struct fake_call *call = hold_it(FAKE_TEAM, &request);
    const Vacancy__V1__HoldVacancyResponse *out = fake_hub_answer(call);
    assert_true(out->receipt->sequence > log);
    assert_false(out->receipt->repeated);
    assert_int_equal(out->receipt->durability, VACANCY__V1__DURABILITY__DURABILITY_LOCAL);
    assert_string_equal(out->hold->vacancy_id, vacancy_id);
    assert_string_equal(out->hold->region, FAKE_REGION);
    assert_string_equal(out->hold->request_reference, "383-204417");
    assert_string_equal(out->hold->request_id, request.request_id);
    assert_int_equal(out->hold->state, HOLD(ACTIVE));
    assert_int_equal(out->hold->until_ms, hub.now_ms + HOLD_DEFAULT_MS);
    assert_string_equal(out->hold->agency->phone, "0113 496 0000");
    /* Nothing of the home, and nothing that is the agency's. */
    assert_string_equal(out->hold->agency_reference, "");
    assert_string_equal(out->hold->holder, "");
    assert_string_equal(out->hold->authority, "");
    fake_call_destroy(call);
    assert_vacancy(STATE(VACANT), 1);
    request = hold_request();
    request.request_reference = (char *)"380-204417";
    fake_call_destroy(hold_it(OTHERS, &request));
    assert_vacancy(STATE(HELD), 0);
}

static void a_peer_that_has_it_makes_it_replicated(void **state)
{
    (void)state;
    hub.writer.peer_has_it = true;
    Vacancy__V1__HoldVacancyRequest request = hold_request();
    struct fake_call *call = hold_it(FAKE_TEAM, &request);
    const Vacancy__V1__HoldVacancyResponse *out = fake_hub_answer(call);
    assert_int_equal(out->receipt->durability, VACANCY__V1__DURABILITY__DURABILITY_REPLICATED);
    fake_call_destroy(call);
}

/* V5: also with the region named, which is no other request. */
static void the_same_again_is_the_first_answer(void **state)
{
    (void)state;
    Vacancy__V1__HoldVacancyRequest request = hold_request();
    struct fake_call *first = hold_it(FAKE_TEAM, &request);
    uint64_t log = fake_hub_log(&hub);
    request.region = (char *)FAKE_REGION;
    struct fake_call *again = hold_it(FAKE_TEAM, &request);
    const Vacancy__V1__HoldVacancyResponse *a = fake_hub_answer(first), *b = fake_hub_answer(again);
    assert_string_equal(a->hold->hold_id, b->hold->hold_id);
    assert_true(b->receipt->repeated);
    assert_int_equal(a->receipt->sequence, b->receipt->sequence);
    assert_int_equal(fake_hub_log(&hub), log);
    request.beds = 2;
    refused_as(FAKE_TEAM, "HoldVacancy", &request.base, ERR_PRECONDITION, "request_id");
    fake_call_destroy(first);
    fake_call_destroy(again);
}

static void what_is_not_free_is_not_held(void **state)
{
    (void)state;
    Vacancy__V1__HoldVacancyRequest request = hold_request();
    request.beds = 3;
    refused_as(FAKE_TEAM, "HoldVacancy", &request.base, ERR_PRECONDITION, "beds");
    hold_one();
    request = hold_request(); /* V3 */
    struct fake_call *call = ask(FAKE_TEAM, "HoldVacancy", &request.base);
    assert_int_equal(call->problem.code, ERR_PRECONDITION);
    fake_call_destroy(call);
    request = hold_request(); /* V2: who holds is not said */
    request.request_reference = (char *)"380-204417";
    request.beds = 2;
    call = ask(OTHERS, "HoldVacancy", &request.base);
    assert_int_equal(call->problem.code, ERR_PRECONDITION);
    assert_null(strstr(call->problem.text, "duty"));
    assert_null(strstr(call->problem.text, "E08000035"));
    fake_call_destroy(call);
    request = hold_request(); /* V1 */
    char other[ID_TEXT_BYTES];
    id_format(12345678901234567ULL & ((1ULL << 55) - 1), other);
    request.vacancy_id = other;
    refused_as(FAKE_TEAM, "HoldVacancy", &request.base, ERR_NOT_FOUND, "vacancy_id");
}

static void each_field_of_a_hold_is_checked(void **state)
{
    (void)state;
#define BAD(change, field_)                                                                                            \
    do {                                                                                                               \
        Vacancy__V1__HoldVacancyRequest request = hold_request();                                                      \
        change;                                                                                                        \
        refused_as(FAKE_TEAM, "HoldVacancy", &request.base, ERR_INVALID, field_);                                      \
    } while (0)
    BAD(request.request_id = (char *)"", "request_id");
    BAD(request.request_id = (char *)"0197", "request_id");
    BAD(request.vacancy_id = (char *)"", "vacancy_id");
    BAD(request.vacancy_id = (char *)"AAAA", "vacancy_id");
    BAD(request.region = (char *)"north", "region");
    BAD(request.beds = 0, "beds");
    BAD(request.beds = 13, "beds");
    BAD(request.request_reference = (char *)"", "request_reference");
    BAD(request.request_reference = (char *)"380-204417", "request_reference");
    BAD(request.request_reference = (char *)"Kim", "request_reference");
    BAD(request.duration_s = -1, "duration_s");
    BAD(request.duration_s = INT64_MAX, "duration_s");
    BAD(request.duration_s = INT64_MIN, "duration_s");
    BAD(request.duration_s = HOLD_MAX_MS / 1000 + 1, "duration_s");
#undef BAD
    Vacancy__V1__HoldVacancyRequest request = hold_request(); /* V10 */
    request.region = (char *)"E12000001";
    refused_as(FAKE_TEAM, "HoldVacancy", &request.base, ERR_PRECONDITION, "region");
    struct fake_call *agency = fake_hub_ask(&hub, FAKE_LEEDS, PLACEMENT "HoldVacancy", &request.base);
    assert_int_equal(agency->problem.code, ERR_FORBIDDEN);
    fake_call_destroy(agency);
}

/* --- what becomes of it ------------------------------------------------------------------------------------------- */

static void extended_once(void **state)
{
    (void)state;
    hold_one();
    Vacancy__V1__ExtendHoldRequest request = VACANCY__V1__EXTEND_HOLD_REQUEST__INIT;
    request.request_id = request_id();
    request.hold_id = hold_id;
    request.duration_s = 3600;
    struct fake_call *call = ask(FAKE_TEAM, "ExtendHold", &request.base);
    const Vacancy__V1__ExtendHoldResponse *out = fake_hub_answer(call);
    assert_true(out->hold->extended);
    assert_int_equal(out->hold->until_ms, hub.now_ms + HOLD_DEFAULT_MS + HOUR);
    fake_call_destroy(call);
    request.request_id = request_id();
    call = ask(FAKE_TEAM, "ExtendHold", &request.base);
    assert_int_equal(call->problem.code, ERR_PRECONDITION);
    fake_call_destroy(call);
    request.request_id = (char *)"";
    refused_as(FAKE_TEAM, "ExtendHold", &request.base, ERR_INVALID, "request_id");
    request.request_id = request_id();
    request.duration_s = -5;
    refused_as(FAKE_TEAM, "ExtendHold", &request.base, ERR_INVALID, "duration_s");
    request.duration_s = 0;
    request.hold_id = (char *)"";
    refused_as(FAKE_TEAM, "ExtendHold", &request.base, ERR_INVALID, "hold_id");
    request.hold_id = (char *)"E12000003-1";
    refused_as(FAKE_TEAM, "ExtendHold", &request.base, ERR_INVALID, "hold_id");
}

static struct fake_call *release(const char *who, const char *id)
{
    Vacancy__V1__ReleaseHoldRequest request = VACANCY__V1__RELEASE_HOLD_REQUEST__INIT;
    request.request_id = request_id();
    request.hold_id = (char *)id;
    return ask(who, "ReleaseHold", &request.base);
}

/* A7, V4. */
static void only_its_own_team_releases_it(void **state)
{
    (void)state;
    hold_one();
    struct fake_call *foreign = release(OTHERS, hold_id), *unknown = release(FAKE_TEAM, "E12000003-1-999999");
    assert_int_equal(foreign->problem.code, ERR_FORBIDDEN);
    assert_int_equal(unknown->problem.code, ERR_FORBIDDEN);
    assert_string_equal(foreign->problem.text, unknown->problem.text);
    fake_call_destroy(foreign);
    fake_call_destroy(unknown);
    assert_vacancy(STATE(VACANT), 1);
    struct fake_call *call = release(FAKE_TEAM, hold_id);
    const Vacancy__V1__ReleaseHoldResponse *out = fake_hub_answer(call);
    assert_int_equal(out->hold->state, HOLD(RELEASED));
    assert_int_equal(out->hold->ended_at_ms, hub.now_ms);
    fake_call_destroy(call);
    assert_vacancy(STATE(VACANT), 2);
    call = release(FAKE_TEAM, hold_id);
    assert_int_equal(call->problem.code, ERR_PRECONDITION);
    assert_non_null(strstr(call->problem.text, "RELEASED"));
    fake_call_destroy(call);
}

static void the_agency_answers(void **state)
{
    (void)state;
    hold_one();
    Vacancy__V1__AcceptHoldRequest accept = VACANCY__V1__ACCEPT_HOLD_REQUEST__INIT;
    Vacancy__V1__DeclineHoldRequest decline = VACANCY__V1__DECLINE_HOLD_REQUEST__INIT;
    accept.hold_id = decline.hold_id = hold_id;
    refused_as(FAKE_HOMES, "AcceptHold", &accept.base, ERR_FORBIDDEN, "hold_id");
    struct fake_call *call = ask(FAKE_LEEDS, "AcceptHold", &accept.base);
    const Vacancy__V1__AcceptHoldResponse *accepted = fake_hub_answer(call);
    assert_int_equal(accepted->hold->state, HOLD(ACCEPTED));
    assert_string_equal(accepted->hold->holder, FAKE_TEAM);
    assert_string_equal(accepted->hold->authority, "E08000035");
    assert_string_equal(accepted->hold->agency_reference, "H-1");
    assert_string_equal(accepted->hold->request_id, "");
    fake_call_destroy(call);
    refused_as(FAKE_LEEDS, "DeclineHold", &decline.base, ERR_INVALID, "reason");
    decline.reason = VACANCY__V1__DECLINE_REASON__DECLINE_REASON_APPROVAL_ENDED; /* the hub's own word */
    refused_as(FAKE_LEEDS, "DeclineHold", &decline.base, ERR_INVALID, "reason");
    decline.reason = VACANCY__V1__DECLINE_REASON__DECLINE_REASON_BED_TAKEN;
    call = ask(FAKE_LEEDS, "DeclineHold", &decline.base);
    const Vacancy__V1__DeclineHoldResponse *declined = fake_hub_answer(call);
    assert_int_equal(declined->hold->state, HOLD(DECLINED));
    fake_call_destroy(call);
    Vacancy__V1__GetHoldRequest get = VACANCY__V1__GET_HOLD_REQUEST__INIT;
    get.hold_id = hold_id;
    call = ask(FAKE_TEAM, "GetHold", &get.base); /* what the team sees of the answer */
    const Vacancy__V1__GetHoldResponse *seen = fake_hub_answer(call);
    assert_int_equal(seen->hold->state, HOLD(DECLINED));
    assert_int_equal(seen->hold->decline_reason, VACANCY__V1__DECLINE_REASON__DECLINE_REASON_BED_TAKEN);
    assert_string_equal(seen->hold->agency_reference, "");
    fake_call_destroy(call);
    accept.hold_id = (char *)"";
    refused_as(FAKE_LEEDS, "AcceptHold", &accept.base, ERR_INVALID, "hold_id");
    accept.hold_id = (char *)"E12000001-1-4"; /* another region's agency's */
    refused_as(FAKE_LEEDS, "AcceptHold", &accept.base, ERR_FORBIDDEN, "hold_id");
}

/* --- placing ------------------------------------------------------------------------------------------------------ */

static struct {
    Vacancy__V1__PlaceChildRequest request;
    Vacancy__V1__Child children[13], *at[13];
} place;

static void place_init(void)
{
    vacancy__v1__place_child_request__init(&place.request);
    for (size_t i = 0; i < 13; i++) {
        vacancy__v1__child__init(&place.children[i]);
        place.children[i].age_months = 96;
        place.children[i].sex = VACANCY__V1__SEX__SEX_F;
        place.at[i] = &place.children[i];
    }
    place.request.request_id = request_id();
    place.request.hold_id = hold_id;
    place.request.placement_code = VACANCY__V1__PLACEMENT_CODE__PLACEMENT_CODE_U6;
    place.request.starts_on = (char *)"2026-06-02";
    place.request.children = place.at;
    place.request.n_children = 1;
    place.request.provider_consent = VACANCY__V1__CONSENT__CONSENT_GIVEN;
    place.request.authorities_consent = VACANCY__V1__CONSENT__CONSENT_GIVEN;
    place.request.home_postcode = (char *)"LS1 4AP";
}

static void a_child_is_placed(void **state)
{
    (void)state;
    hold_one();
    place_init();
    struct fake_call *call = ask(FAKE_TEAM, "PlaceChild", &place.request.base);
    const Vacancy__V1__PlaceChildResponse *out = fake_hub_answer(call);
    assert_int_equal(out->hold->state, HOLD(PLACED));
    assert_string_equal(out->hold->starts_on, "2026-06-02");
    assert_int_equal(out->hold->placement_code, VACANCY__V1__PLACEMENT_CODE__PLACEMENT_CODE_U6);
    /* From the sector of LS1 4 to that of LS6 1: to the metre by hand, from the built-in sectors. */
    struct place from, to;
    struct problem problem;
    assert_int_equal(gazetteer_locate(hub.gazetteer, "", "LS1 4AP", &from, &problem), ERR_NONE);
    assert_int_equal(gazetteer_locate(hub.gazetteer, "", "LS6 1AB", &to, &problem), ERR_NONE);
    double east = from.easting_m - to.easting_m, north = from.northing_m - to.northing_m;
    double tenths = out->distance_tenth_miles * 160.9344;
    assert_true((tenths - 81) * (tenths - 81) < east * east + north * north);
    assert_true((tenths + 81) * (tenths + 81) > east * east + north * north);
    assert_true(out->distance_tenth_miles > 0);
    fake_call_destroy(call);
    struct fake_call *again = ask(FAKE_TEAM, "PlaceChild", &place.request.base);
    assert_true(((const Vacancy__V1__PlaceChildResponse *)fake_hub_answer(again))->receipt->repeated);
    fake_call_destroy(again);
    assert_vacancy(STATE(VACANT), 1);
}

static const Vacancy__V1__CarerView *carer_now(struct fake_call **call, const char *method)
{
    Vacancy__V1__GetCarerRequest one = VACANCY__V1__GET_CARER_REQUEST__INIT;
    Vacancy__V1__ListCarersRequest all = VACANCY__V1__LIST_CARERS_REQUEST__INIT;
    one.agency_reference = (char *)"H-1";
    bool list = strcmp(method, "ListCarers") == 0;
    *call = ask(FAKE_LEEDS, method, list ? &all.base : &one.base);
    assert_int_equal((*call)->problem.code, ERR_NONE);
    const void *out = (*call)->responses[0].message;
    return list ? ((const Vacancy__V1__ListCarersResponse *)out)->carer
                : ((const Vacancy__V1__GetCarerResponse *)out)->carer;
}

static size_t assert_not_listed(const char *method, int64_t placed_ms, size_t children)
{
    struct fake_call *call;
    const Vacancy__V1__CarerView *view = carer_now(&call, method);
    size_t count = view->n_placed_not_listed;
    if (count > 0) {
        const Vacancy__V1__PlacedNotListed *placement = view->placed_not_listed[0];
        assert_string_equal(placement->hold_id, hold_id);
        assert_string_equal(placement->holder, FAKE_TEAM);
        assert_string_equal(placement->request_reference, "383-204417");
        assert_string_equal(placement->starts_on, "2026-06-02");
        assert_int_equal(placement->placed_at_ms, placed_ms);
        assert_int_equal(placement->n_children, children);
        assert_int_equal(placement->children[0]->age_band, VACANCY__V1__AGE_BAND__AGE_BAND_6_8);
        assert_int_equal(placement->children[0]->sex, VACANCY__V1__SEX__SEX_F);
        assert_string_equal(placement->children[0]->responsible_authority, "E08000035");
    }
    fake_call_destroy(call);
    return count;
}

/* Its agency is told whom a team has placed until it lists them itself, one by one; a hold alone places nobody. */
static void the_agency_sees_whom_it_has_not_listed(void **state)
{
    (void)state;
    struct fake_carer push;
    Vacancy__V1__HoldVacancyRequest request = hold_request();
    request.beds = 2;
    fake_call_destroy(hold_it(FAKE_TEAM, &request));
    assert_int_equal(assert_not_listed("GetCarer", 0, 0), 0);
    place_init();
    place.request.n_children = 2;
    static const size_t left[] = {2, 2, 1}; /* at first another one lives there, then nobody, then one of the two */
    int64_t placed_ms = hub.now_ms;
    struct fake_call *call = ask(FAKE_TEAM, "PlaceChild", &place.request.base);
    assert_int_equal(call->problem.code, ERR_NONE);
    fake_call_destroy(call);
    for (size_t listed = 0; listed <= 2; listed++) {
        assert_int_equal(assert_not_listed("GetCarer", placed_ms, left[listed]), 1);
        assert_int_equal(assert_not_listed("ListCarers", placed_ms, left[listed]), 1);
        hub.now_ms += 1000;
        fake_carer_init(&push, "H-1", hub.now_ms);
        push.carer.n_placed_children = listed;
        push.carer.placed_children = push.placed_at;
        fake_call_destroy(ask(FAKE_LEEDS, "PutCarer", &push.request.base));
    }
    assert_int_equal(assert_not_listed("GetCarer", placed_ms, 0), 0);
    assert_int_equal(assert_not_listed("ListCarers", placed_ms, 0), 0);
}

static void a_distance_that_is_not_known(void **state)
{
    (void)state;
    hold_one();
    place_init();
    place.request.home_postcode = (char *)"";
    struct fake_call *call = ask(FAKE_TEAM, "PlaceChild", &place.request.base);
    assert_int_equal(((const Vacancy__V1__PlaceChildResponse *)fake_hub_answer(call))->distance_tenth_miles, 9999);
    fake_call_destroy(call);
}

static void each_field_of_a_placement_is_checked(void **state)
{
    (void)state;
    hold_one();
#define BAD(change, field_)                                                                                            \
    do {                                                                                                               \
        place_init();                                                                                                  \
        change;                                                                                                        \
        refused_as(FAKE_TEAM, "PlaceChild", &place.request.base, ERR_INVALID, field_);                                 \
    } while (0)
    BAD(place.request.request_id = (char *)"", "request_id");
    BAD(place.request.hold_id = (char *)"", "hold_id");
    BAD(place.request.placement_code = 0, "placement_code");
    BAD(place.request.placement_code = 9999, "placement_code");
    BAD(place.request.starts_on = (char *)"", "starts_on");
    BAD(place.request.starts_on = (char *)"0000-01-01", "starts_on"); /* V9 */
    BAD(place.request.starts_on = (char *)"9999-12-31", "starts_on");
    BAD(place.request.starts_on = (char *)"2026-06-02T00:00:00+01:00", "starts_on");
    BAD(place.request.starts_on = (char *)"2026-05-03", "starts_on"); /* 29 days past */
    BAD(place.request.starts_on = (char *)"2027-06-03", "starts_on");
    BAD(place.request.n_children = 0, "children");
    BAD(place.request.n_children = 13, "children");
    BAD(place.children[0].age_months = 216, "children[0].age_months");
    BAD(place.children[0].age_months = 13, "children[0].age_months");
    BAD(place.children[0].sex = 0, "children[0].sex");
    BAD(place.request.provider_consent = 0, "provider_consent");
    BAD(place.request.provider_consent = 3, "provider_consent");
    BAD(place.request.authorities_consent = 0, "authorities_consent");
    BAD(place.request.home_postcode = (char *)"LS1", "home_postcode");
    BAD(place.request.home_postcode = (char *)"no place", "home_postcode");
#undef BAD
    place_init();
    place.request.n_children = 2; /* the hold has one bed */
    refused_as(FAKE_TEAM, "PlaceChild", &place.request.base, ERR_INVALID, "children");
    place_init(); /* a Leeds child lives there, so another authority's team needs its consent; and its own is not given
                   */
    fake_call_destroy(release(FAKE_TEAM, hold_id));
    refused_as(FAKE_TEAM, "PlaceChild", &place.request.base, ERR_PRECONDITION, "hold_id");
}

/* --- reading ------------------------------------------------------------------------------------------------------ */

static void a_hold_is_read_by_its_team_alone_and_on_the_trail(void **state)
{
    (void)state;
    hold_one();
    Vacancy__V1__GetHoldRequest get = VACANCY__V1__GET_HOLD_REQUEST__INIT;
    get.hold_id = hold_id;
    uint64_t shown = fake_hub_shown(&hub);
    fake_call_destroy(ask(FAKE_TEAM, "GetHold", &get.base));
    assert_int_equal(fake_hub_shown(&hub), shown + 1);
    struct fake_call *foreign = ask(OTHERS, "GetHold", &get.base);
    get.hold_id = (char *)"E12000003-1-999999";
    struct fake_call *unknown = ask(FAKE_TEAM, "GetHold", &get.base);
    assert_int_equal(foreign->problem.code, ERR_FORBIDDEN);
    assert_int_equal(unknown->problem.code, ERR_FORBIDDEN);
    assert_string_equal(foreign->problem.text, unknown->problem.text);
    fake_call_destroy(foreign);
    fake_call_destroy(unknown);
    get.request_id = request_id();
    refused_as(FAKE_TEAM, "GetHold", &get.base, ERR_INVALID, "request_id");
    get.request_id = (char *)"";
    get.hold_id = (char *)"";
    refused_as(FAKE_TEAM, "GetHold", &get.base, ERR_INVALID, "hold_id");
}

static void what_became_of_a_request_id(void **state)
{
    (void)state;
    Vacancy__V1__HoldVacancyRequest request = hold_request();
    fake_call_destroy(hold_it(FAKE_TEAM, &request));
    Vacancy__V1__GetHoldRequest get = VACANCY__V1__GET_HOLD_REQUEST__INIT;
    get.request_id = request.request_id;
    struct fake_call *call = ask(FAKE_TEAM, "GetHold", &get.base);
    const Vacancy__V1__GetHoldResponse *out = fake_hub_answer(call);
    assert_string_equal(out->hold->hold_id, hold_id);
    assert_string_equal(out->hold->request_id, request.request_id);
    fake_call_destroy(call);
    fake_call_destroy(release(FAKE_TEAM, hold_id));
    request = hold_request(); /* one that never arrived: from here on it never will */
    get.request_id = request.request_id;
    call = ask(FAKE_TEAM, "GetHold", &get.base);
    assert_int_equal(call->problem.code, ERR_NOT_FOUND);
    fake_call_destroy(call);
    call = ask(FAKE_TEAM, "HoldVacancy", &request.base);
    assert_true(call->problem.code != ERR_NONE);
    fake_call_destroy(call);
    assert_vacancy(STATE(VACANT), 2);
}

static size_t listed(const char *who, const ProtobufCMessage *request, struct fake_call **call)
{
    *call = ask(who, "ListHolds", request);
    assert_true((*call)->finished);
    assert_int_equal((*call)->problem.code, ERR_NONE);
    return (*call)->response_count;
}

static void holds_are_listed_newest_first(void **state)
{
    (void)state;
    Vacancy__V1__ListHoldsRequest mine = VACANCY__V1__LIST_HOLDS_REQUEST__INIT;
    Vacancy__V1__AgencyServiceListHoldsRequest theirs = VACANCY__V1__AGENCY_SERVICE_LIST_HOLDS_REQUEST__INIT;
    struct fake_call *call;
    for (int i = 0; i < 40; i++) { /* more than a page */
        hub.now_ms += 1000;
        hold_one();
        fake_call_destroy(release(FAKE_TEAM, hold_id));
    }
    hold_one();
    uint64_t shown = fake_hub_shown(&hub);
    assert_int_equal(listed(FAKE_TEAM, &mine.base, &call), 1);
    const Vacancy__V1__ListHoldsResponse *first = (const void *)call->responses[0].message;
    assert_string_equal(first->hold->hold_id, hold_id);
    assert_string_equal(first->hold->agency->name, "Leeds City Council");
    assert_int_equal(fake_hub_shown(&hub), shown + 1);
    fake_call_destroy(call);
    mine.include_ended = true;
    assert_int_equal(listed(FAKE_TEAM, &mine.base, &call), 41);
    for (size_t i = 1; i < 41; i++) {
        const Vacancy__V1__ListHoldsResponse *a = (const void *)call->responses[i - 1].message,
                                             *b = (const void *)call->responses[i].message;
        assert_true(a->hold->made_at_ms >= b->hold->made_at_ms);
        assert_string_not_equal(a->hold->hold_id, b->hold->hold_id);
    }
    fake_call_destroy(call);
    assert_int_equal(listed(OTHERS, &mine.base, &call), 0);
    fake_call_destroy(call);
    assert_int_equal(listed(FAKE_LEEDS, &theirs.base, &call), 1);
    const Vacancy__V1__AgencyServiceListHoldsResponse *held = (const void *)call->responses[0].message;
    assert_string_equal(held->hold->holder, FAKE_TEAM);
    assert_string_equal(held->hold->agency_reference, "H-1");
    fake_call_destroy(call);
    theirs.include_ended = true;
    assert_int_equal(listed(FAKE_LEEDS, &theirs.base, &call), 41);
    fake_call_destroy(call);
    assert_int_equal(listed(FAKE_HOMES, &theirs.base, &call), 0);
    fake_call_destroy(call);
}

static void a_slow_reader_of_a_list_gets_all_of_it(void **state)
{
    (void)state;
    static const uint8_t issuer[DIGEST_BYTES] = {1};
    struct tls_peer peer = fake_peer(FAKE_TEAM, issuer);
    Vacancy__V1__ListHoldsRequest mine = VACANCY__V1__LIST_HOLDS_REQUEST__INIT;
    mine.include_ended = true;
    for (int i = 0; i < 20; i++) {
        hold_one();
        fake_call_destroy(release(FAKE_TEAM, hold_id));
    }
    struct fake_call *call = fake_call_begin(&hub.host, PLACEMENT "ListHolds", &peer);
    fake_call_take(call, 1);
    fake_call_send(call, &mine.base);
    for (int i = 0; i < 30 && !call->finished; i++) {
        assert_true(call->response_count <= (size_t)i + 1);
        fake_call_take(call, 1);
        fake_settle(&hub.host, &hub.writer);
    }
    assert_true(call->finished);
    assert_int_equal(call->response_count, 20);
    fake_call_destroy(call);
}

/* --- another region ---------------------------------------------------------------------------------------------- */

/* A link of the test's: what was sent, and what becomes of it. */
static struct forward *sent;
static struct asked_hold noted; /* when it was sent */
static char away_id[REQUEST_ID_TEXT_BYTES];
static struct problem away_said; /* to who asked */

static enum err take_forward(void *ctx, struct forward *forward)
{
    uint8_t id[REQUEST_ID_BYTES];
    (void)ctx;
    assert_null(sent);
    sent = forward;
    assert_true(request_id_parse(away_id, id));
    assert_int_equal(home_get_asked(hub.home, FAKE_TEAM, id, &noted), ERR_NONE);
    return ERR_NONE;
}

/* Asks for a hold in the north, whose hub ends it so; the status that is noted then. */
static uint32_t asked_away(char *id, enum forward_end end, enum err code)
{
    uint8_t octets[REQUEST_ID_BYTES];
    struct asked_hold after;
    Vacancy__V1__HoldVacancyRequest request = hold_request();
    snprintf(away_id, sizeof away_id, "%s", id);
    request.request_id = away_id;
    request.region = (char *)FAKE_NORTH;
    struct fake_call *call = ask(FAKE_TEAM, "HoldVacancy", &request.base);
    assert_false(call->finished);
    assert_non_null(sent);
    assert_string_equal(sent->region, FAKE_NORTH);
    assert_int_equal(noted.code, 4); /* durably, before it left: the outcome is not known */
    const struct problem why = {.code = code, .text = "said so"};
    forward_settle(sent, end, &why);
    const struct mail mail = {.kind = sent->reply.kind, .to = sent->reply.to, .value = FORWARD_MAIL, .payload = sent};
    mailbox_send_reserved(sent->reply.mailbox, &mail);
    sent = NULL;
    fake_settle(&hub.host, &hub.writer);
    assert_true(call->finished);
    assert_true(call->problem.code != ERR_NONE);
    away_said = call->problem;
    fake_call_destroy(call);
    assert_true(request_id_parse(away_id, octets));
    assert_int_equal(home_get_asked(hub.home, FAKE_TEAM, octets, &after), ERR_NONE);
    return after.code;
}

static void what_is_asked_of_another_region_is_noted(void **state)
{
    (void)state;
    char id[REQUEST_ID_TEXT_BYTES];
    Vacancy__V1__ListHoldsRequest mine = VACANCY__V1__LIST_HOLDS_REQUEST__INIT;
    struct fake_call *call;
    fake_hub_set_roster(&hub);
    hub.context.federation.forward = (struct forward_port){.submit = take_forward};
    assert_int_equal(asked_away(request_id(), FORWARD_SAID, ERR_NOT_FOUND), 5);
    assert_int_equal(asked_away(request_id(), FORWARD_DOWN, ERR_NONE), 14); /* it never left */
    assert_int_equal(away_said.code, ERR_UNAVAILABLE);
    assert_int_equal(listed(FAKE_TEAM, &mine.base, &call), 0); /* no holds, these */
    fake_call_destroy(call);
    snprintf(id, sizeof id, "%s", request_id());
    assert_int_equal(asked_away(id, FORWARD_LOST, ERR_NONE), 4);
    assert_int_equal(asked_away(id, FORWARD_DOWN, ERR_NONE), 4); /* the first may have been done all the same */
    assert_int_equal(away_said.code, ERR_DEADLINE);
    assert_non_null(strstr(away_said.text, "may have done this"));
    assert_int_equal(asked_away(id, FORWARD_SAID, ERR_LIMIT), 4);
    assert_int_equal(away_said.code, ERR_LIMIT);
    assert_non_null(strstr(away_said.text, "may have done it all the same"));
    assert_int_equal(listed(FAKE_TEAM, &mine.base, &call), 1);
    const Vacancy__V1__ListHoldsResponse *unknown = (const void *)call->responses[0].message;
    assert_true(unknown->hold->outcome_unknown);
    assert_string_equal(unknown->hold->request_id, id);
    assert_string_equal(unknown->hold->region, FAKE_NORTH);
    fake_call_destroy(call);
    assert_int_equal(asked_away(id, FORWARD_SAID, ERR_PRECONDITION), 9); /* that settles it */
    assert_int_equal(listed(FAKE_TEAM, &mine.base, &call), 0);
    fake_call_destroy(call);
}

/* Any number of refusals is looked through in slices, not in one turn. */
static void refusals_are_passed_over_in_slices(void **state)
{
    (void)state;
    static const uint8_t issuer[DIGEST_BYTES] = {1};
    struct tls_peer peer = fake_peer(FAKE_TEAM, issuer);
    Vacancy__V1__ListHoldsRequest mine = VACANCY__V1__LIST_HOLDS_REQUEST__INIT;
    fake_hub_set_roster(&hub);
    hub.context.federation.forward = (struct forward_port){.submit = take_forward};
    assert_int_equal(asked_away(request_id(), FORWARD_LOST, ERR_NONE), 4);
    for (int i = 0; i < 40; i++) /* more than two pages */
        assert_int_equal(asked_away(request_id(), FORWARD_SAID, ERR_NOT_FOUND), 5);
    struct fake_call *call = fake_call_begin(&hub.host, PLACEMENT "ListHolds", &peer);
    fake_call_send(call, &mine.base);
    assert_false(call->finished);
    assert_int_equal(call->response_count, 0);
    fake_settle(&hub.host, &hub.writer);
    assert_true(call->finished);
    assert_int_equal(call->problem.code, ERR_NONE);
    assert_int_equal(call->response_count, 1);
    fake_call_destroy(call);
}

/* The north has made it: its answer. */
static void come_back_held(const char *id)
{
    Vacancy__V1__HoldView view = VACANCY__V1__HOLD_VIEW__INIT;
    Vacancy__V1__HoldVacancyResponse inner = VACANCY__V1__HOLD_VACANCY_RESPONSE__INIT;
    Vacancy__V1__ForwardResponse response = VACANCY__V1__FORWARD_RESPONSE__INIT;
    view.hold_id = (char *)id;
    view.vacancy_id = vacancy_id;
    view.until_ms = hub.now_ms + HOUR;
    inner.hold = &view;
    response.response_case = VACANCY__V1__FORWARD_RESPONSE__RESPONSE_HOLD;
    response.hold = &inner;
    size_t size = protobuf_c_message_get_packed_size(&response.base);
    uint8_t *octets = malloc(size);
    assert_non_null(octets);
    assert_non_null(sent);
    sent->response = (struct octets){octets, protobuf_c_message_pack(&response.base, octets)};
    forward_settle(sent, FORWARD_ANSWERED, NULL);
    const struct mail mail = {.kind = sent->reply.kind, .to = sent->reply.to, .value = FORWARD_MAIL, .payload = sent};
    mailbox_send_reserved(sent->reply.mailbox, &mail);
    sent = NULL;
    fake_settle(&hub.host, &hub.writer);
}

/* V5, also where two hubs would decide: neither of them knows what the other was asked. */
static void one_id_is_one_call_in_every_region(void **state)
{
    (void)state;
    Vacancy__V1__HoldVacancyRequest request = hold_request(), other;
    fake_hub_set_roster(&hub);
    hub.context.federation.forward = (struct forward_port){.submit = take_forward};
    snprintf(away_id, sizeof away_id, "%s", request.request_id);
    request.region = (char *)FAKE_NORTH;
    struct fake_call *call = ask(FAKE_TEAM, "HoldVacancy", &request.base);
    come_back_held(FAKE_NORTH "-1-4711");
    (void)fake_hub_answer(call);
    fake_call_destroy(call);
    other = request;
    other.region = (char *)FAKE_REGION;
    refused_as(FAKE_TEAM, "HoldVacancy", &other.base, ERR_PRECONDITION, "request_id");
    other = request;
    char text[ID_TEXT_BYTES];
    id_format(4711, text);
    other.vacancy_id = text;
    refused_as(FAKE_TEAM, "HoldVacancy", &other.base, ERR_PRECONDITION, "request_id");
    assert_null(sent);
    call = ask(FAKE_TEAM, "HoldVacancy", &request.base); /* the same again is asked again */
    come_back_held(FAKE_NORTH "-1-4711");
    (void)fake_hub_answer(call);
    fake_call_destroy(call);
    /* One that never left may be used for what is chosen instead. */
    assert_int_equal(asked_away(request_id(), FORWARD_DOWN, ERR_NONE), 14);
    other = hold_request();
    other.request_id = away_id;
    other.region = (char *)FAKE_REGION;
    fake_call_destroy(hold_it(FAKE_TEAM, &other));
}

static enum err no_append(struct store *store, const char *segment, const struct octets *octets)
{
    (void)store;
    (void)segment;
    (void)octets;
    return ERR_STORE_FULL;
}

/* It is done there, whatever this hub may show of it: not UNAVAILABLE, which says that it never left. */
static void what_can_not_be_shown_is_done_all_the_same(void **state)
{
    (void)state;
    Vacancy__V1__HoldVacancyRequest request = hold_request();
    const struct store_ops *whole = hub.store->ops;
    struct store_ops full = *whole;
    full.segment_append = no_append;
    fake_hub_set_roster(&hub);
    hub.context.federation.forward = (struct forward_port){.submit = take_forward};
    snprintf(away_id, sizeof away_id, "%s", request.request_id);
    request.region = (char *)FAKE_NORTH;
    struct fake_call *call = ask(FAKE_TEAM, "HoldVacancy", &request.base);
    hub.store->ops = &full;
    come_back_held(FAKE_NORTH "-1-4711");
    hub.store->ops = whole;
    assert_true(call->finished);
    assert_int_equal(call->response_count, 0);
    assert_int_equal(call->problem.code, ERR_DEADLINE);
    assert_non_null(strstr(call->problem.text, "same request id"));
    fake_call_destroy(call);
}

/* --- reports ------------------------------------------------------------------------------------------------------ */

static void a_report_needs_its_reference(void **state)
{
    (void)state;
    Vacancy__V1__ReportUnavailableRequest request = VACANCY__V1__REPORT_UNAVAILABLE_REQUEST__INIT;
    request.request_id = request_id();
    request.vacancy_id = vacancy_id;
    refused_as(FAKE_TEAM, "ReportUnavailable", &request.base, ERR_INVALID, "request_reference");
    request.request_reference = (char *)"383-204417";
    request.vacancy_id = (char *)"";
    refused_as(FAKE_TEAM, "ReportUnavailable", &request.base, ERR_INVALID, "vacancy_id");
    request.vacancy_id = vacancy_id;
    request.request_id = (char *)"";
    refused_as(FAKE_TEAM, "ReportUnavailable", &request.base, ERR_INVALID, "request_id");
}

static void a_report_ends_the_confirmation(void **state)
{
    (void)state;
    Vacancy__V1__ReportUnavailableRequest request = VACANCY__V1__REPORT_UNAVAILABLE_REQUEST__INIT;
    request.request_id = request_id();
    request.vacancy_id = vacancy_id;
    request.request_reference = (char *)"383-204417";
    hub.now_ms += HOUR;
    struct fake_call *call = ask(FAKE_TEAM, "ReportUnavailable", &request.base);
    assert_true(((const Vacancy__V1__ReportUnavailableResponse *)fake_hub_answer(call))->receipt->sequence > 0);
    fake_call_destroy(call);
    const Vacancy__V1__VacancyView *view = vacancy_now(&call);
    assert_true(view->valid_until_ms <= hub.now_ms);
    fake_call_destroy(call);
}

int main(void)
{
#define ONE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        ONE(a_hold_and_what_its_team_sees),
        ONE(a_peer_that_has_it_makes_it_replicated),
        ONE(the_same_again_is_the_first_answer),
        ONE(what_is_not_free_is_not_held),
        ONE(each_field_of_a_hold_is_checked),
        ONE(extended_once),
        ONE(only_its_own_team_releases_it),
        ONE(the_agency_answers),
        ONE(a_child_is_placed),
        ONE(the_agency_sees_whom_it_has_not_listed),
        ONE(a_distance_that_is_not_known),
        ONE(each_field_of_a_placement_is_checked),
        ONE(a_hold_is_read_by_its_team_alone_and_on_the_trail),
        ONE(what_became_of_a_request_id),
        ONE(holds_are_listed_newest_first),
        ONE(a_slow_reader_of_a_list_gets_all_of_it),
        ONE(what_is_asked_of_another_region_is_noted),
        ONE(refusals_are_passed_over_in_slices),
        ONE(one_id_is_one_call_in_every_region),
        ONE(what_can_not_be_shown_is_done_all_the_same),
        ONE(a_report_needs_its_reference),
        ONE(a_report_ends_the_confirmation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
