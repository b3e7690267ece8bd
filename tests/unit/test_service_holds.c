/* tier: check */
/*
 * test_service_holds.c - holds as teams and agencies meet them at their own region's hub: what each request must look
 * like, what each side sees and what it does not, whose a hold is, the same call again, and what is on the trail. Those
 * of another region: test_service_holds_away.c.
 */
#include "tests/unit/service_holds.h"

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
    assert_string_equal(accepted->hold->authority_name, "Leeds");
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

/* By its team with the word for it, by its agency with the reason; neither otherwise, and the word of no other hold. */
static void a_placement_that_never_began_is_taken_back(void **state)
{
    (void)state;
    Vacancy__V1__ReleaseHoldRequest back = VACANCY__V1__RELEASE_HOLD_REQUEST__INIT;
    Vacancy__V1__DeclineHoldRequest decline = VACANCY__V1__DECLINE_HOLD_REQUEST__INIT;
    back.hold_id = decline.hold_id = hold_id;
    for (int by_agency = 0; by_agency < 2; by_agency++) {
        hold_one();
        back.request_id = request_id();
        back.placement_did_not_begin = true;
        refused_as(FAKE_TEAM, "ReleaseHold", &back.base, ERR_PRECONDITION, "placement_did_not_begin");
        decline.reason = VACANCY__V1__DECLINE_REASON__DECLINE_REASON_PLACEMENT_DID_NOT_BEGIN;
        refused_as(FAKE_LEEDS, "DeclineHold", &decline.base, ERR_PRECONDITION, "reason");
        place_init();
        fake_call_destroy(ask(FAKE_TEAM, "PlaceChild", &place.request.base));
        assert_vacancy(STATE(VACANT), 1);
        back.request_id = request_id();
        back.placement_did_not_begin = false;
        refused_as(FAKE_TEAM, "ReleaseHold", &back.base, ERR_PRECONDITION, "placement_did_not_begin");
        decline.reason = VACANCY__V1__DECLINE_REASON__DECLINE_REASON_NOT_SUITABLE;
        refused_as(FAKE_LEEDS, "DeclineHold", &decline.base, ERR_PRECONDITION, "reason");
        back.request_id = request_id();
        back.placement_did_not_begin = true;
        decline.reason = VACANCY__V1__DECLINE_REASON__DECLINE_REASON_PLACEMENT_DID_NOT_BEGIN;
        struct fake_call *call =
            by_agency ? ask(FAKE_LEEDS, "DeclineHold", &decline.base) : ask(FAKE_TEAM, "ReleaseHold", &back.base);
        const void *out = fake_hub_answer(call);
        const Vacancy__V1__HoldView *view = by_agency ? ((const Vacancy__V1__DeclineHoldResponse *)out)->hold
                                                      : ((const Vacancy__V1__ReleaseHoldResponse *)out)->hold;
        assert_int_equal(view->state, by_agency ? HOLD(DECLINED) : HOLD(RELEASED));
        assert_int_equal(view->decline_reason, VACANCY__V1__DECLINE_REASON__DECLINE_REASON_PLACEMENT_DID_NOT_BEGIN);
        assert_int_equal(view->placement_code, VACANCY__V1__PLACEMENT_CODE__PLACEMENT_CODE_U6);
        fake_call_destroy(call);
        assert_vacancy(STATE(VACANT), 2);
        assert_int_equal(assert_not_listed("GetCarer", 0, 0), 0);
    }
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
        ONE(a_placement_that_never_began_is_taken_back),
        ONE(a_distance_that_is_not_known),
        ONE(each_field_of_a_placement_is_checked),
        ONE(a_hold_is_read_by_its_team_alone_and_on_the_trail),
        ONE(what_became_of_a_request_id),
        ONE(holds_are_listed_newest_first),
        ONE(a_slow_reader_of_a_list_gets_all_of_it),
        ONE(a_report_needs_its_reference),
        ONE(a_report_ends_the_confirmation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
