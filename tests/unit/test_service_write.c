/* tier: check */
/*
 * test_service_write.c - what agencies and the operator send: every promise of the contract's comments as a row that is
 * refused with the field named, and has no effect (the bad inputs of issue 2; rows P10, P13, V5, V9, V13, A7); then
 * what is taken, and Submit.
 */
#include "daemon/record/ids.h"
#include "tests/lib/fake_hub.h"
#include "vacancy/v1/hub_service.pb-c.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define AGENCY "/vacancy.v1.AgencyService/"
#define HUB    "/vacancy.v1.HubService/"

static struct fake_hub hub;
static struct fake_carer carer;
static struct fake_vacancy vacancy;

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

/* Refused with this code and field, one clear text, nothing written and nothing shown. */
static void refused(const char *what, const char *principal, const char *path, const ProtobufCMessage *request,
                    enum err code, const char *field)
{
    uint64_t log = fake_hub_log(&hub), shown = fake_hub_shown(&hub);
    struct fake_call *call = fake_hub_ask(&hub, principal, path, request);
    if (!call->finished || call->problem.code != code || strcmp(call->problem.field, field) != 0 ||
        call->problem.text[0] == '\0' || call->response_count != 0)
        fail_msg("%s: %s [%s] \"%s\", %zu responses", what, err_name(call->problem.code), call->problem.field,
                 call->problem.text, call->response_count);
    if (strstr(call->problem.text, "SECRET") != NULL || strstr(call->problem.text, "ZZ99") != NULL)
        fail_msg("%s: repeats what was sent: %s", what, call->problem.text);
    if (fake_hub_log(&hub) != log || fake_hub_shown(&hub) != shown)
        fail_msg("%s: had an effect", what);
    fake_call_destroy(call);
}

static void taken(const char *what, const char *principal, const char *path, const ProtobufCMessage *request)
{
    struct fake_call *call = fake_hub_ask(&hub, principal, path, request);
    if (call->problem.code != ERR_NONE || call->response_count != 1)
        fail_msg("%s: %s [%s] \"%s\"", what, err_name(call->problem.code), call->problem.field, call->problem.text);
    fake_call_destroy(call);
}

/* --- PutCarer --------------------------------------------------------------------------------------------------- */

#define C (carer.carer)
#define T (carer.terms)
#define CARER(path_, statement)                                                                                        \
    fake_carer_init(&carer, "H-1", hub.now_ms);                                                                        \
    statement;                                                                                                         \
    refused(#statement, FAKE_LEEDS, AGENCY "PutCarer", &carer.request.base, ERR_INVALID, path_)
#define CARER_GOOD(statement)                                                                                          \
    fake_carer_init(&carer, "H-1", hub.now_ms += 1000);                                                                \
    statement;                                                                                                         \
    taken(#statement, FAKE_LEEDS, AGENCY "PutCarer", &carer.request.base)

static char sixty_five[] = "01234567890123456789012345678901234567890123456789012345678901234";

static void test_carer_fields(void **state)
{
    (void)state;
    CARER("carer", carer.request.carer = NULL); /* P13 */
    CARER("carer.agency_reference", C.agency_reference = (char *)"");
    CARER("carer.agency_reference", C.agency_reference = sixty_five);
    CARER("carer.agency_reference", C.agency_reference = (char *)" SECRET");
    CARER("carer.agency_reference", C.agency_reference = (char *)"SECR\xc3\x89T"); /* V13 */
    CARER("carer.agency_reference", C.agency_reference = (char *)"SECRET\n");
    CARER("carer.observed_at_ms", C.observed_at_ms = 0);
    CARER("carer.observed_at_ms", C.observed_at_ms = -1);
    CARER("carer.observed_at_ms", C.observed_at_ms = hub.now_ms / 1000); /* seconds */
    CARER("carer.observed_at_ms", C.observed_at_ms = hub.now_ms + 5 * 60 * 1000 + 1);
    CARER("carer.observed_at_ms", C.observed_at_ms = INT64_MAX);
    CARER("carer.terms", C.terms = NULL);
    CARER("carer.terms.max_children", T.max_children = 0);
    CARER("carer.terms.max_children", T.max_children = 13);
    CARER("carer.terms.max_children_if_siblings", T.max_children_if_siblings = 2);
    CARER("carer.terms.max_children_if_siblings", T.max_children_if_siblings = 13);
    CARER("carer.terms.age_from_months", T.age_from_months = 217);
    CARER("carer.terms.age_from_months", T.age_from_months = 61);
    CARER("carer.terms.age_below_months", T.age_below_months = 217); /* 18+ without Staying Put */
    CARER("carer.terms.age_below_months", T.age_below_months = 0);
    CARER("carer.terms.age_below_months", T.age_from_months = 0; T.age_below_months = 13);
    CARER("carer.terms.age_below_months", T.age_from_months = 0; T.age_below_months = 30);
    CARER("carer.terms.age_below_months", T.age_below_months = 215);
    CARER("carer.terms.age_below_months", T.age_below_months = 60);
    CARER("carer.terms.age_below_months", T.age_below_months = 253;
          T.care_types[0] = VACANCY__V1__CARE_TYPE__CARE_TYPE_STAYING_PUT);
    CARER("carer.terms.sex", T.sex = VACANCY__V1__SEX__SEX_U);
    CARER("carer.terms.sex", T.sex = (Vacancy__V1__Sex)9999); /* P10 */
    CARER("carer.terms.care_types", T.n_care_types = 0);
    CARER("carer.terms.care_types[1]", T.care_types[1] = T.care_types[0]);
    CARER("carer.terms.care_types[0]", T.care_types[0] = (Vacancy__V1__CareType)0);
    CARER("carer.terms.care_types[1]", T.care_types[1] = (Vacancy__V1__CareType)9999);
    CARER("carer.terms.care_types[1]", T.care_types[1] = (Vacancy__V1__CareType)-1);
    CARER("carer.approved_on", C.approved_on = (char *)"");
    CARER("carer.approved_on", C.approved_on = (char *)"2025-02-30");
    CARER("carer.approved_on", C.approved_on = (char *)"01/03/2020");
    CARER("carer.approved_on", C.approved_on = (char *)"0000-01-01"); /* V9 */
    CARER("carer.approved_on", C.approved_on = (char *)"9999-12-31");
    CARER("carer.approval_ends_on", C.approval_ends_on = (char *)"2020-03-01");
    CARER("carer.approval_ends_on", C.approval_ends_on = (char *)"2019-01-01"); /* ends before it begins */
    CARER("carer.places", C.places = 0);
    CARER("carer.places", C.places = 13);
    CARER("carer.bedrooms", C.bedrooms = 0);
    CARER("carer.bedrooms", C.bedrooms = 99);
    CARER("carer.room_sharing", C.room_sharing = (Vacancy__V1__RoomSharing)4);
    CARER("carer.training_level", C.training_level = (Vacancy__V1__TrainingLevel)4);
}

static void test_carer_home(void **state)
{
    (void)state;
    CARER("carer.home_postcode", C.home_postcode = (char *)"");
    CARER("carer.home_postcode", C.home_postcode = (char *)"SECRET");
    CARER("carer.home_postcode", C.home_postcode = (char *)"ZZ99 9ZZ"); /* does not exist */
    CARER("carer.home_postcode", C.home_postcode = (char *)"LS6");
    CARER_GOOD(C.home_postcode = (char *)"ls6  1ab");
    CARER_GOOD(C.home_postcode = (char *)"LS6 1");
    hub.context.allow_sector = false;
    CARER("carer.home_postcode", C.home_postcode = (char *)"LS6 1AB");
    CARER("carer.home_postcode", C.home_postcode = (char *)"LS6 1");
    hub.context.allow_sector = true;
}

static void test_carer_lists(void **state)
{
    (void)state;
    CARER("carer.placed_children", C.n_placed_children = 13);
    CARER("carer.placed_children[0].age_band", carer.placed[0].age_band = 0);
    CARER("carer.placed_children[0].age_band", carer.placed[0].age_band = (Vacancy__V1__AgeBand)7);
    CARER("carer.placed_children[0].sex", carer.placed[0].sex = 0);
    CARER("carer.placed_children[0].sibling_group", carer.placed[0].sibling_group = 10);
    CARER("carer.placed_children[1].sibling_group", carer.placed[1].sibling_group = 2; C.n_placed_children = 2);
    CARER("carer.placed_children[0].responsible_authority", carer.placed[0].responsible_authority = (char *)"");
    CARER("carer.placed_children[0].responsible_authority", carer.placed[0].responsible_authority = (char *)"Leeds");
    CARER("carer.placed_children[0].responsible_authority",
          carer.placed[0].responsible_authority = (char *)"E99999999");
    CARER("carer.household_children", C.n_household_children = 13);
    CARER("carer.household_children[0].age_band", carer.household[0].age_band = 0);
    CARER("carer.household_children[0].sex", carer.household[0].sex = 0);
    CARER("carer.exemptions", C.n_exemptions = 5);
    CARER("carer.exemptions[0].authority", C.n_exemptions = 1; carer.exemptions[0].authority = (char *)"E99999999");
    CARER("carer.exemptions[0].until", C.n_exemptions = 1; carer.exemptions[0].until = (char *)"soon");
    CARER("carer.exemptions[0].children", C.n_exemptions = 1; carer.exemptions[0].children = 0);
    CARER("carer.exemptions[0].children", C.n_exemptions = 1; carer.exemptions[0].children = 10);
    CARER("carer.home_features[0]", C.n_home_features = 1; carer.codes[0] = 10;
          C.home_features = (Vacancy__V1__HomeFeature *)carer.codes);
    CARER("carer.pets[1]", C.n_pets = 2; carer.codes[0] = carer.codes[1] = 1; C.pets = (Vacancy__V1__Pet *)carer.codes);
    CARER("carer.cannot_take[0]", C.n_cannot_take = 1; carer.codes[0] = 12;
          C.cannot_take = (Vacancy__V1__Risk *)carer.codes);
    CARER("carer.skills[0]", C.n_skills = 1; carer.codes[0] = 0; C.skills = (Vacancy__V1__Skill *)carer.codes);
    CARER("carer.languages", C.n_languages = 9);
    CARER("carer.languages[1].tag", carer.languages[1].tag = (char *)"POL"); /* the same as "pl" */
    CARER("carer.languages[0].tag", carer.languages[0].tag = (char *)"");
    CARER("carer.languages[0].tag", carer.languages[0].tag = (char *)"klingon");
    CARER("carer.languages[0].level", carer.languages[0].level = 0);
    CARER("carer.languages[0].level", carer.languages[0].level = (Vacancy__V1__LanguageLevel)3);
    /* The bounds themselves are taken. */
    CARER_GOOD(T.max_children = T.max_children_if_siblings = 12; C.places = C.bedrooms = 12);
    CARER_GOOD(T.age_from_months = 0; T.age_below_months = 216);
    CARER_GOOD(T.age_from_months = 3; T.age_below_months = 11);
    CARER_GOOD(T.age_from_months = 12; T.age_below_months = 24);
    CARER_GOOD(T.age_from_months = 216; T.age_below_months = 252;
               T.care_types[0] = VACANCY__V1__CARE_TYPE__CARE_TYPE_STAYING_PUT);
    CARER_GOOD(C.n_placed_children = 12; C.n_household_children = 12; C.n_exemptions = 4; C.n_languages = 8);
    CARER_GOOD(C.n_placed_children = 2; carer.placed[0].sibling_group = carer.placed[1].sibling_group = 9);
    CARER_GOOD(C.observed_at_ms = hub.now_ms + 5 * 60 * 1000);
}

/* What a search can never tell, its own agency reads back as it sent it. */
static void test_carer_reads_back(void **state)
{
    (void)state;
    fake_carer_init(&carer, "H-1", hub.now_ms);
    C.n_exemptions = 1;
    carer.exemptions[0].until = (char *)"2027-01-31";
    carer.languages[1].tag = (char *)"URD";
    C.home_postcode = (char *)"ls61ab";
    taken("carer", FAKE_LEEDS, AGENCY "PutCarer", &carer.request.base);
    fake_vacancy_init(&vacancy, "H-1", hub.now_ms);
    vacancy.vacancy.from = (char *)"2026-07-01";
    taken("vacancy", FAKE_LEEDS, AGENCY "PutVacancy", &vacancy.request.base);

    Vacancy__V1__GetCarerRequest get = VACANCY__V1__GET_CARER_REQUEST__INIT;
    get.agency_reference = (char *)"H-1";
    uint64_t shown = fake_hub_shown(&hub);
    struct fake_call *call = fake_hub_ask(&hub, FAKE_LEEDS, AGENCY "GetCarer", &get.base);
    const Vacancy__V1__CarerView *view = ((const Vacancy__V1__GetCarerResponse *)fake_hub_answer(call))->carer;
    assert_true(fake_hub_shown(&hub) == shown + 1);
    assert_string_equal(view->agency, "leeds");
    assert_string_equal(view->home_authority, "E08000035");
    assert_string_equal(view->carer->home_postcode, "LS6 1AB");
    assert_string_equal(view->carer->approved_on, "2020-03-01");
    assert_string_equal(view->carer->approval_ends_on, "");
    assert_string_equal(view->carer->exemptions[0]->until, "2027-01-31");
    assert_string_equal(view->carer->languages[1]->tag, "ur");
    assert_int_equal(view->carer->terms->max_children_if_siblings, 3);
    assert_int_equal(view->carer->n_placed_children, 1);
    assert_string_equal(view->carer->placed_children[0]->responsible_authority, "E08000035");
    assert_int_equal(view->status, VACANCY__V1__CARER_STATUS__CARER_STATUS_APPROVED);
    assert_non_null(view->vacancy);
    assert_int_equal(view->vacancy->beds_free, 2);
    assert_string_equal(view->vacancy->vacancy->from, "2026-07-01");
    assert_string_equal(view->vacancy->vacancy->until, "");
    uint64_t id;
    assert_true(id_parse(view->national_reference, &id));
    fake_call_destroy(call);
    /* Unknown and foreign alike (A7). */
    refused("foreign", FAKE_HOMES, AGENCY "GetCarer", &get.base, ERR_FORBIDDEN, "agency_reference");
    get.agency_reference = (char *)"H-2";
    refused("unknown", FAKE_LEEDS, AGENCY "GetCarer", &get.base, ERR_FORBIDDEN, "agency_reference");
    get.agency_reference = (char *)"";
    refused("empty", FAKE_LEEDS, AGENCY "GetCarer", &get.base, ERR_INVALID, "agency_reference");
}

/* --- PutVacancy and the others ---------------------------------------------------------------------------------- */

#define V (vacancy.vacancy)
#define VACANCY(path_, statement)                                                                                      \
    fake_vacancy_init(&vacancy, "H-1", hub.now_ms);                                                                    \
    statement;                                                                                                         \
    refused(#statement, FAKE_LEEDS, AGENCY "PutVacancy", &vacancy.request.base, ERR_INVALID, path_)

static void put_home(void)
{
    fake_carer_init(&carer, "H-1", hub.now_ms);
    taken("carer", FAKE_LEEDS, AGENCY "PutCarer", &carer.request.base);
}

static void test_vacancy_fields(void **state)
{
    (void)state;
    put_home();
    VACANCY("vacancy", vacancy.request.vacancy = NULL); /* P13 */
    VACANCY("vacancy.agency_reference", V.agency_reference = (char *)"");
    VACANCY("vacancy.observed_at_ms", V.observed_at_ms = 0);
    VACANCY("vacancy.observed_at_ms", V.observed_at_ms = hub.now_ms + 6 * 60 * 1000);
    VACANCY("vacancy.state", V.state = 0);
    VACANCY("vacancy.state", V.state = VACANCY__V1__VACANCY_STATE__VACANCY_STATE_LAPSED);
    VACANCY("vacancy.state", V.state = (Vacancy__V1__VacancyState)9999);
    VACANCY("vacancy.reason", V.state = VACANCY__V1__VACANCY_STATE__VACANCY_STATE_NOT_AVAILABLE);
    VACANCY("vacancy.reason", V.reason = VACANCY__V1__NOT_AVAILABLE_REASON__NOT_AVAILABLE_REASON_CARER_BREAK);
    VACANCY("vacancy.reason", V.reason = (Vacancy__V1__NotAvailableReason)13);
    VACANCY("vacancy.reserved_until", V.state = VACANCY__V1__VACANCY_STATE__VACANCY_STATE_RESERVED);
    VACANCY("vacancy.reserved_until", V.reserved_until = (char *)"2026-07-01");
    VACANCY("vacancy.beds", V.beds = 0);
    VACANCY("vacancy.beds", V.beds = 99);
    VACANCY("vacancy.care_types[1]", V.n_care_types = 2; vacancy.care_types[1] = vacancy.care_types[0]);
    VACANCY("vacancy.care_types[0]", V.n_care_types = 1; vacancy.care_types[0] = (Vacancy__V1__CareType)14);
    VACANCY("vacancy.from", V.from = (char *)"tomorrow");
    VACANCY("vacancy.until", V.from = (char *)"2026-07-02"; V.until = (char *)"2026-07-01");
    VACANCY("vacancy.age_from_months", V.age_from_months = 253);
    VACANCY("vacancy.age_below_months", V.age_from_months = 120; V.age_below_months = 120);
    VACANCY("vacancy.age_from_months", V.age_from_months = 66);
    VACANCY("vacancy.age_below_months", V.age_below_months = 150);
    VACANCY("vacancy.sex", V.sex = VACANCY__V1__SEX__SEX_U);
    assert_int_equal(fake_hub_log(&hub), fake_hub_log(&hub));
    fake_vacancy_init(&vacancy, "H-1", hub.now_ms);
    taken("one day", FAKE_LEEDS, AGENCY "PutVacancy", &vacancy.request.base);
}

/* An unknown carer and another agency's give the same answer. */
static void test_others_carers(void **state)
{
    (void)state;
    put_home();
    char texts[2][PROBLEM_TEXT_BYTES];
    for (int i = 0; i < 2; i++) {
        fake_vacancy_init(&vacancy, i == 0 ? "H-1" : "H-2", hub.now_ms);
        uint64_t log = fake_hub_log(&hub);
        struct fake_call *call = fake_hub_ask(&hub, FAKE_HOMES, AGENCY "PutVacancy", &vacancy.request.base);
        assert_int_equal(call->problem.code, ERR_FORBIDDEN);
        strcpy(texts[i], call->problem.text);
        assert_true(fake_hub_log(&hub) == log);
        fake_call_destroy(call);
    }
    assert_string_equal(texts[0], texts[1]);
}

static void test_end_withdraw_confirm(void **state)
{
    (void)state;
    put_home();
    Vacancy__V1__EndCarerRequest end = VACANCY__V1__END_CARER_REQUEST__INIT;
    refused("empty end", FAKE_LEEDS, AGENCY "EndCarer", &end.base, ERR_INVALID, "agency_reference");
    end.agency_reference = (char *)"H-1";
    refused("no time", FAKE_LEEDS, AGENCY "EndCarer", &end.base, ERR_INVALID, "observed_at_ms");
    end.observed_at_ms = hub.now_ms;
    refused("no day", FAKE_LEEDS, AGENCY "EndCarer", &end.base, ERR_INVALID, "ends_on");
    end.ends_on = (char *)"2026-06-01";
    static const char *const reasons[] = {"", "AW6", "AW", "AW11", "aw1", "XX1"};
    for (size_t i = 0; i < sizeof reasons / sizeof reasons[0]; i++) {
        end.reason = (char *)reasons[i];
        refused(reasons[i], FAKE_LEEDS, AGENCY "EndCarer", &end.base, ERR_INVALID, "reason");
    }

    Vacancy__V1__WithdrawVacancyRequest withdraw = VACANCY__V1__WITHDRAW_VACANCY_REQUEST__INIT;
    refused("empty withdrawal", FAKE_LEEDS, AGENCY "WithdrawVacancy", &withdraw.base, ERR_INVALID, "agency_reference");
    withdraw.agency_reference = (char *)"H-1";
    refused("no time", FAKE_LEEDS, AGENCY "WithdrawVacancy", &withdraw.base, ERR_INVALID, "observed_at_ms");

    Vacancy__V1__ConfirmVacanciesRequest confirm = VACANCY__V1__CONFIRM_VACANCIES_REQUEST__INIT;
    char *references[1001] = {(char *)"H-1", (char *)"H-2", (char *)"H-1"};
    refused("empty confirmation", FAKE_LEEDS, AGENCY "ConfirmVacancies", &confirm.base, ERR_INVALID, "observed_at_ms");
    confirm.observed_at_ms = hub.now_ms;
    refused("none", FAKE_LEEDS, AGENCY "ConfirmVacancies", &confirm.base, ERR_INVALID, "agency_references");
    confirm.agency_references = references;
    confirm.n_agency_references = 3;
    refused("twice", FAKE_LEEDS, AGENCY "ConfirmVacancies", &confirm.base, ERR_INVALID, "agency_references");
    confirm.n_agency_references = 2;
    confirm.all = true;
    refused("both", FAKE_LEEDS, AGENCY "ConfirmVacancies", &confirm.base, ERR_INVALID, "agency_references");
    confirm.all = false;
    references[1] = (char *)"";
    refused("one empty", FAKE_LEEDS, AGENCY "ConfirmVacancies", &confirm.base, ERR_INVALID, "agency_references[1]");
    for (size_t i = 0; i < 1001; i++)
        references[i] = (char *)"H-1";
    confirm.n_agency_references = 1001;
    refused("1,001", FAKE_LEEDS, AGENCY "ConfirmVacancies", &confirm.base, ERR_INVALID, "agency_references");
}

static void test_confirm_answers(void **state)
{
    (void)state;
    put_home();
    fake_vacancy_init(&vacancy, "H-1", hub.now_ms);
    taken("vacancy", FAKE_LEEDS, AGENCY "PutVacancy", &vacancy.request.base);
    hub.now_ms += 1000;
    Vacancy__V1__ConfirmVacanciesRequest confirm = VACANCY__V1__CONFIRM_VACANCIES_REQUEST__INIT;
    char *references[] = {(char *)"H-9", (char *)"H-1"};
    confirm.observed_at_ms = hub.now_ms;
    confirm.agency_references = references;
    confirm.n_agency_references = 2;
    struct fake_call *call = fake_hub_ask(&hub, FAKE_LEEDS, AGENCY "ConfirmVacancies", &confirm.base);
    const Vacancy__V1__ConfirmVacanciesResponse *out = fake_hub_answer(call);
    assert_int_equal(out->confirmed, 1);
    assert_int_equal(out->n_not_found, 1);
    assert_string_equal(out->not_found[0], "H-9");
    fake_call_destroy(call);
}

/* --- request ids (V5) ------------------------------------------------------------------------------------------- */

static void uuid(int64_t at_ms, char out[REQUEST_ID_TEXT_BYTES])
{
    char hex[13];
    snprintf(hex, sizeof hex, "%012llx", (unsigned long long)at_ms & 0xffffffffffffull);
    snprintf(out, REQUEST_ID_TEXT_BYTES, "%.8s-%.4s-7000-8000-000000000001", hex, hex + 8);
}

static void test_request_ids(void **state)
{
    (void)state;
    char id[REQUEST_ID_TEXT_BYTES];
    fake_carer_init(&carer, "H-1", hub.now_ms);
    carer.request.request_id = id;
#define REQUEST_ID(text)                                                                                               \
    snprintf(id, sizeof id, "%s", text);                                                                               \
    refused(text, FAKE_LEEDS, AGENCY "PutCarer", &carer.request.base, ERR_INVALID, "request_id")
    REQUEST_ID("SECRET");
    REQUEST_ID("018f3a5e-0000-4000-8000-000000000000"); /* version 4 */
#undef REQUEST_ID
    uuid(hub.now_ms - 8LL * 24 * 3600 * 1000, id);
    refused("8 days old", FAKE_LEEDS, AGENCY "PutCarer", &carer.request.base, ERR_INVALID, "request_id");
    uuid(hub.now_ms + 3600 * 1000, id);
    refused("an hour ahead", FAKE_LEEDS, AGENCY "PutCarer", &carer.request.base, ERR_INVALID, "request_id");

    uuid(hub.now_ms, id);
    taken("first", FAKE_LEEDS, AGENCY "PutCarer", &carer.request.base);
    uint64_t log = fake_hub_log(&hub);
    hub.now_ms += 60 * 1000;
    struct fake_call *call = fake_hub_ask(&hub, FAKE_LEEDS, AGENCY "PutCarer", &carer.request.base);
    const Vacancy__V1__PutCarerResponse *out = fake_hub_answer(call);
    assert_int_equal(out->receipt->outcome, VACANCY__V1__RECEIPT__OUTCOME__OUTCOME_REPEATED);
    fake_call_destroy(call);
    assert_true(fake_hub_log(&hub) == log);
    C.bedrooms = 1;
    call = fake_hub_ask(&hub, FAKE_LEEDS, AGENCY "PutCarer", &carer.request.base);
    assert_int_equal(call->problem.code, ERR_PRECONDITION);
    fake_call_destroy(call);
    assert_true(fake_hub_log(&hub) == log);
}

/* --- waiting for a peer ----------------------------------------------------------------------------------------- */

static void assert_durability(Vacancy__V1__Durability wait_for, bool peer_has_it, Vacancy__V1__Durability expected)
{
    hub.now_ms += 1000;
    hub.writer.peer_has_it = peer_has_it;
    fake_carer_init(&carer, "H-1", hub.now_ms);
    carer.request.wait_for = wait_for;
    struct fake_call *call = fake_hub_ask(&hub, FAKE_LEEDS, AGENCY "PutCarer", &carer.request.base);
    const Vacancy__V1__PutCarerResponse *out = fake_hub_answer(call);
    assert_int_equal(out->receipt->durability, expected);
    fake_call_destroy(call);
}

static void test_wait_for(void **state)
{
    (void)state;
    put_home();
    char id[REQUEST_ID_TEXT_BYTES];
    Vacancy__V1__EndCarerRequest end = VACANCY__V1__END_CARER_REQUEST__INIT;
    Vacancy__V1__WithdrawVacancyRequest withdraw = VACANCY__V1__WITHDRAW_VACANCY_REQUEST__INIT;
    Vacancy__V1__ConfirmVacanciesRequest confirm = VACANCY__V1__CONFIRM_VACANCIES_REQUEST__INIT;
    fake_carer_init(&carer, "H-1", hub.now_ms);
    fake_vacancy_init(&vacancy, "H-1", hub.now_ms);
    end.wait_for = withdraw.wait_for = confirm.wait_for = carer.request.wait_for = vacancy.request.wait_for =
        (Vacancy__V1__Durability)3;
    refused("carer", FAKE_LEEDS, AGENCY "PutCarer", &carer.request.base, ERR_INVALID, "wait_for");
    refused("vacancy", FAKE_LEEDS, AGENCY "PutVacancy", &vacancy.request.base, ERR_INVALID, "wait_for");
    refused("end", FAKE_LEEDS, AGENCY "EndCarer", &end.base, ERR_INVALID, "wait_for");
    refused("withdrawal", FAKE_LEEDS, AGENCY "WithdrawVacancy", &withdraw.base, ERR_INVALID, "wait_for");
    refused("confirmation", FAKE_LEEDS, AGENCY "ConfirmVacancies", &confirm.base, ERR_INVALID, "wait_for");

    assert_durability(VACANCY__V1__DURABILITY__DURABILITY_UNSPECIFIED, true, VACANCY__V1__DURABILITY__DURABILITY_LOCAL);
    assert_durability(VACANCY__V1__DURABILITY__DURABILITY_LOCAL, true, VACANCY__V1__DURABILITY__DURABILITY_LOCAL);
    assert_durability(VACANCY__V1__DURABILITY__DURABILITY_REPLICATED, true,
                      VACANCY__V1__DURABILITY__DURABILITY_REPLICATED);
    assert_durability(VACANCY__V1__DURABILITY__DURABILITY_REPLICATED, false, VACANCY__V1__DURABILITY__DURABILITY_LOCAL);

    /* How long somebody waits is not what they say: the same request, asked for more patiently. */
    uuid(hub.now_ms, id);
    fake_carer_init(&carer, "H-1", hub.now_ms);
    carer.request.request_id = id;
    taken("local", FAKE_LEEDS, AGENCY "PutCarer", &carer.request.base);
    carer.request.wait_for = VACANCY__V1__DURABILITY__DURABILITY_REPLICATED;
    struct fake_call *call = fake_hub_ask(&hub, FAKE_LEEDS, AGENCY "PutCarer", &carer.request.base);
    const Vacancy__V1__PutCarerResponse *out = fake_hub_answer(call);
    assert_int_equal(out->receipt->outcome, VACANCY__V1__RECEIPT__OUTCOME__OUTCOME_REPEATED);
    fake_call_destroy(call);
}

/* --- agencies and principals ------------------------------------------------------------------------------------ */

static void test_agency_fields(void **state)
{
    (void)state;
    char long_name[122];
    memset(long_name, 'n', sizeof long_name - 1);
    long_name[sizeof long_name - 1] = '\0';
    Vacancy__V1__Agency a;
    Vacancy__V1__FrameworkMembership membership, *memberships[33];
    Vacancy__V1__PutAgencyRequest request = VACANCY__V1__PUT_AGENCY_REQUEST__INIT;
    refused("empty", FAKE_OLIVE, HUB "PutAgency", &request.base, ERR_INVALID, "agency"); /* P13 */
    request.agency = &a;
#define AGENCY_ROW(path_, statement)                                                                                   \
    vacancy__v1__agency__init(&a);                                                                                     \
    vacancy__v1__framework_membership__init(&membership);                                                              \
    membership.framework = (char *)"E08000035";                                                                        \
    membership.tier = 2;                                                                                               \
    for (size_t i = 0; i < 33; i++)                                                                                    \
        memberships[i] = &membership;                                                                                  \
    a.id = (char *)"third";                                                                                            \
    a.name = (char *)"Third";                                                                                          \
    a.kind = VACANCY__V1__AGENCY_KIND__AGENCY_KIND_INDEPENDENT;                                                        \
    a.frameworks = memberships;                                                                                        \
    statement;                                                                                                         \
    refused(#statement, FAKE_OLIVE, HUB "PutAgency", &request.base, ERR_INVALID, path_)
    AGENCY_ROW("agency.id", a.id = (char *)"");
    AGENCY_ROW("agency.id", a.id = (char *)"Third");
    AGENCY_ROW("agency.id", a.id = (char *)"-third");
    AGENCY_ROW("agency.id", a.id = sixty_five);
    AGENCY_ROW("agency.name", a.name = (char *)"");
    AGENCY_ROW("agency.name", a.name = long_name);
    AGENCY_ROW("agency.name", a.name = (char *)"Th\nird");           /* V13 */
    AGENCY_ROW("agency.name", a.name = (char *)"Th\xe2\x80\xaeird"); /* right-to-left override */
    AGENCY_ROW("agency.name", a.name = (char *)"Th\xe2\x80\x8bird"); /* zero width */
    AGENCY_ROW("agency.kind", a.kind = 0);
    AGENCY_ROW("agency.kind", a.kind = (Vacancy__V1__AgencyKind)3);
    AGENCY_ROW("agency.ofsted_urn", a.ofsted_urn = (char *)"SC1234567");
    AGENCY_ROW("agency.ofsted_urn", a.ofsted_urn = (char *)"123456");
    AGENCY_ROW("agency.ofsted_rating", a.ofsted_rating = (Vacancy__V1__OfstedRating)5);
    AGENCY_ROW("agency.authority", a.authority = (char *)"E08000035");
    AGENCY_ROW("agency.authority", a.kind = VACANCY__V1__AGENCY_KIND__AGENCY_KIND_LOCAL_AUTHORITY);
    AGENCY_ROW("agency.ofsted_urn", a.kind = VACANCY__V1__AGENCY_KIND__AGENCY_KIND_LOCAL_AUTHORITY;
               a.authority = (char *)"E08000035"; a.ofsted_urn = (char *)"SC012345");
    AGENCY_ROW("agency.phone", a.phone = sixty_five);
    AGENCY_ROW("agency.email", a.email = (char *)"third at example");
    AGENCY_ROW("agency.frameworks", a.n_frameworks = 33);
    AGENCY_ROW("agency.frameworks[1].framework", a.n_frameworks = 2);
    AGENCY_ROW("agency.frameworks[0].framework", a.n_frameworks = 1; membership.framework = (char *)"The North");
    AGENCY_ROW("agency.frameworks[0].tier", a.n_frameworks = 1; membership.tier = 0);
    AGENCY_ROW("agency.frameworks[0].tier", a.n_frameworks = 1; membership.tier = 10);
    AGENCY_ROW("agency.status", a.status = (Vacancy__V1__AgencyStatus)3);
#undef AGENCY_ROW
}

static void test_roles_and_suspension(void **state)
{
    (void)state;
    Vacancy__V1__PutAgencyRequest agency = VACANCY__V1__PUT_AGENCY_REQUEST__INIT;
    refused("A5", FAKE_TEAM, HUB "PutAgency", &agency.base, ERR_FORBIDDEN, "");
    refused("an auditor writes", FAKE_ANN, HUB "PutAgency", &agency.base, ERR_FORBIDDEN, "");
    fake_carer_init(&carer, "H-1", hub.now_ms);
    refused("a team pushes", FAKE_TEAM, AGENCY "PutCarer", &carer.request.base, ERR_FORBIDDEN, "");
    refused("an operator pushes", FAKE_OLIVE, AGENCY "PutCarer", &carer.request.base, ERR_FORBIDDEN, "");
    refused("an unregistered agency", FAKE_DOMAIN "E12000003/agency/ghost", AGENCY "PutCarer", &carer.request.base,
            ERR_FORBIDDEN, "");

    Vacancy__V1__SuspendPrincipalRequest suspend = VACANCY__V1__SUSPEND_PRINCIPAL_REQUEST__INIT;
    refused("empty", FAKE_OLIVE, HUB "SuspendPrincipal", &suspend.base, ERR_INVALID, "principal");
    suspend.principal = (char *)"leeds";
    refused("no name", FAKE_OLIVE, HUB "SuspendPrincipal", &suspend.base, ERR_INVALID, "principal");
    suspend.principal = (char *)FAKE_OLIVE;
    suspend.suspended = true;
    refused("oneself", FAKE_OLIVE, HUB "SuspendPrincipal", &suspend.base, ERR_PRECONDITION, "principal");
    suspend.principal = (char *)FAKE_LEEDS;
    taken("suspended", FAKE_OLIVE, HUB "SuspendPrincipal", &suspend.base);
    refused("suspended", FAKE_LEEDS, AGENCY "PutCarer", &carer.request.base, ERR_FORBIDDEN, "");
    suspend.suspended = false;
    taken("let in again", FAKE_OLIVE, HUB "SuspendPrincipal", &suspend.base);
    taken("let in again", FAKE_LEEDS, AGENCY "PutCarer", &carer.request.base);
}

/* --- Submit ----------------------------------------------------------------------------------------------------- */

static const Vacancy__V1__SubmitResponse *response(const struct fake_call *call, size_t index)
{
    assert_true(index < call->response_count);
    return (const Vacancy__V1__SubmitResponse *)call->responses[index].message;
}

static struct fake_call *begin_submit(const char *principal)
{
    static const uint8_t issuer[DIGEST_BYTES] = {1};
    struct tls_peer peer = fake_peer(principal, issuer);
    return fake_call_begin(&hub.host, AGENCY "Submit", &peer);
}

static bool submit_carer(struct fake_call *call, uint64_t tag, const char *reference, uint32_t places)
{
    Vacancy__V1__SubmitRequest request = VACANCY__V1__SUBMIT_REQUEST__INIT;
    fake_carer_init(&carer, reference, hub.now_ms);
    C.places = places;
    request.tag = tag;
    request.update_case = VACANCY__V1__SUBMIT_REQUEST__UPDATE_PUT_CARER;
    request.put_carer = &carer.request;
    return fake_call_send(call, &request.base);
}

/* Answers come in order of arrival, each with its own status; good ones among bad ones are done. */
static void test_submit_answers_each(void **state)
{
    (void)state;
    struct fake_call *call = begin_submit(FAKE_LEEDS);
    Vacancy__V1__SubmitRequest nothing = VACANCY__V1__SUBMIT_REQUEST__INIT;
    nothing.tag = 8;
    assert_true(submit_carer(call, 7, "H-1", 3));
    assert_true(fake_call_send(call, &nothing.base));
    assert_true(submit_carer(call, 9, "H-2", 99));
    Vacancy__V1__SubmitRequest offer = VACANCY__V1__SUBMIT_REQUEST__INIT;
    fake_vacancy_init(&vacancy, "H-1", hub.now_ms);
    offer.tag = UINT64_MAX;
    offer.update_case = VACANCY__V1__SUBMIT_REQUEST__UPDATE_PUT_VACANCY;
    offer.put_vacancy = &vacancy.request;
    assert_true(fake_call_send(call, &offer.base));
    assert_int_equal(call->response_count, 0); /* the bad ones wait for the good one before them */
    fake_call_half_close(call);
    fake_settle(&hub.host, &hub.writer);
    assert_true(call->finished);
    assert_int_equal(call->problem.code, ERR_NONE);
    assert_int_equal(call->response_count, 4);
    assert_int_equal(response(call, 0)->tag, 7);
    assert_int_equal(response(call, 0)->code, 0);
    assert_int_equal(strlen(response(call, 0)->national_reference), 14);
    assert_int_equal(response(call, 1)->tag, 8);
    assert_int_equal(response(call, 1)->code, 3);
    assert_string_equal(response(call, 1)->field, "update");
    assert_int_equal(response(call, 2)->code, 3);
    assert_string_equal(response(call, 2)->field, "put_carer.carer.places");
    assert_null(response(call, 2)->receipt);
    assert_true(response(call, 3)->tag == UINT64_MAX);
    assert_int_equal(response(call, 3)->code, 0);
    assert_int_equal(strlen(response(call, 3)->vacancy_id), 14);
    fake_call_destroy(call);
}

static void test_submit_backs_pressure(void **state)
{
    (void)state;
    struct fake_call *call = begin_submit(FAKE_LEEDS);
    unsigned sent = 0;
    char reference[16];
    /* 256 under way, then nothing is read. */
    while (snprintf(reference, sizeof reference, "H-%u", sent), submit_carer(call, sent, reference, 3))
        sent++;
    assert_int_equal(sent, 256);
    assert_false(call->reading);
    fake_settle(&hub.host, &hub.writer);
    assert_true(call->reading);
    assert_int_equal(call->response_count, 256);
    /* A client that takes no responses is read no further. */
    fake_call_take(call, 10);
    for (unsigned i = 0; i < 100; i++) {
        snprintf(reference, sizeof reference, "H-%u", sent);
        if (!submit_carer(call, sent, reference, 3))
            break;
        sent++;
    }
    fake_settle(&hub.host, &hub.writer);
    assert_int_equal(call->response_count, 266);
    assert_false(call->reading);
    fake_call_take(call, UINT32_MAX);
    fake_settle(&hub.host, &hub.writer);
    assert_true(call->reading);
    fake_call_half_close(call);
    fake_settle(&hub.host, &hub.writer);
    assert_true(call->finished);
    assert_int_equal(call->response_count, sent);
    for (unsigned i = 0; i < sent; i++) {
        assert_int_equal(response(call, i)->tag, i);
        assert_int_equal(response(call, i)->code, 0);
    }
    fake_call_destroy(call);
}

/* A writer's queue and a mailbox that are full hold a stream up; they lose nothing. */
static void test_submit_waits_for_the_writer(void **state)
{
    (void)state;
    struct fake_call *call = begin_submit(FAKE_LEEDS);
    char reference[16];
    unsigned sent = 0;
    hub.writer.limit = 3;
    for (unsigned round = 0; round < 20; round++) {
        while (snprintf(reference, sizeof reference, "H-%u", sent), sent < 40 && submit_carer(call, sent, reference, 3))
            sent++;
        if (round == 5)
            hub.host.replies_max = 1;
        fake_host_turn(&hub.host);
        fake_writer_turn(&hub.writer);
    }
    fake_call_half_close(call);
    hub.host.replies_max = 4096;
    fake_settle(&hub.host, &hub.writer);
    assert_true(sent > 10);
    assert_true(call->finished);
    assert_int_equal(call->problem.code, ERR_NONE);
    assert_int_equal(call->response_count, sent);
    for (unsigned i = 0; i < sent; i++)
        assert_int_equal(response(call, i)->tag, i);
    fake_call_destroy(call);
}

/* A client gone in mid-stream: what was under way is done or not, nothing leaks, nothing else is touched. */
static void test_submit_client_gone(void **state)
{
    (void)state;
    struct fake_call *call = begin_submit(FAKE_LEEDS);
    hub.writer.limit = 2;
    for (unsigned i = 0; i < 5; i++) {
        char reference[16];
        snprintf(reference, sizeof reference, "H-%u", i);
        submit_carer(call, i, reference, i == 1 ? 99 : 3);
    }
    fake_call_cancel(call);
    fake_call_destroy(call);
    fake_settle(&hub.host, &hub.writer);
    hub.writer.limit = FAKE_QUEUE_MAX;
    put_home();
}

static void test_submit_who(void **state)
{
    (void)state;
    struct fake_call *call = begin_submit(FAKE_TEAM);
    fake_call_half_close(call);
    assert_int_equal(call->problem.code, ERR_FORBIDDEN);
    fake_call_destroy(call);
    call = begin_submit(FAKE_LEEDS);
    fake_call_half_close(call);
    assert_true(call->finished);
    assert_int_equal(call->problem.code, ERR_NONE);
    fake_call_destroy(call);
    /* Suspended in mid-stream. */
    call = begin_submit(FAKE_LEEDS);
    assert_true(submit_carer(call, 1, "H-1", 3));
    Vacancy__V1__SuspendPrincipalRequest suspend = VACANCY__V1__SUSPEND_PRINCIPAL_REQUEST__INIT;
    suspend.principal = (char *)FAKE_LEEDS;
    suspend.suspended = true;
    taken("suspended", FAKE_OLIVE, HUB "SuspendPrincipal", &suspend.base);
    assert_true(submit_carer(call, 2, "H-2", 3));
    assert_true(call->finished);
    assert_int_equal(call->problem.code, ERR_FORBIDDEN);
    assert_int_equal(call->response_count, 1);
    fake_call_destroy(call);
}

/* A disk that is full says so, keeps what was acknowledged, and goes on when there is room (D3). */
static void test_full_disk(void **state)
{
    (void)state;
    put_home();
    struct store_memory_plan full = {.calls_until_crash = -1, .calls_until_full = 0};
    struct store_memory_plan fine = {.calls_until_crash = -1, .calls_until_full = -1};
    fake_carer_init(&carer, "H-2", hub.now_ms);
    uint64_t log = fake_hub_log(&hub);
    store_memory_set_plan(hub.store, &full);
    struct fake_call *call = fake_hub_ask(&hub, FAKE_LEEDS, AGENCY "PutCarer", &carer.request.base);
    assert_int_equal(call->problem.code, ERR_STORE_FULL);
    fake_call_destroy(call);
    store_memory_set_plan(hub.store, &fine);
    assert_true(fake_hub_log(&hub) == log);
    taken("room again", FAKE_LEEDS, AGENCY "PutCarer", &carer.request.base);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_carer_fields),
        TEST(test_carer_home),
        TEST(test_carer_lists),
        TEST(test_carer_reads_back),
        TEST(test_vacancy_fields),
        TEST(test_others_carers),
        TEST(test_end_withdraw_confirm),
        TEST(test_confirm_answers),
        TEST(test_request_ids),
        TEST(test_wait_for),
        TEST(test_agency_fields),
        TEST(test_roles_and_suspension),
        TEST(test_submit_answers_each),
        TEST(test_submit_backs_pressure),
        TEST(test_submit_waits_for_the_writer),
        TEST(test_submit_client_gone),
        TEST(test_submit_who),
        TEST(test_full_disk),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
