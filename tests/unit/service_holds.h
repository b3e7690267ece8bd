/*
 * service_holds.h - holds asked for and answered over a hub's services (fake_hub.h): one home of Leeds with a vacancy
 * of two beds, its id, and the calls of teams and agencies about it. Thread: one.
 */
#ifndef VACANCY_TESTS_SERVICE_HOLDS_H
#define VACANCY_TESTS_SERVICE_HOLDS_H

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
static inline char *request_id(void)
{
    static char text[8][REQUEST_ID_TEXT_BYTES];
    static uint16_t made;
    char *out = text[++made % 8];
    snprintf(out, REQUEST_ID_TEXT_BYTES, "%08" PRIx32 "-%04" PRIx16 "-7000-8000-00000000%04" PRIx16,
             (uint32_t)((uint64_t)hub.now_ms >> 16), (uint16_t)hub.now_ms, made);
    return out;
}

static inline Vacancy__V1__HoldVacancyRequest hold_request(void)
{
    Vacancy__V1__HoldVacancyRequest out = VACANCY__V1__HOLD_VACANCY_REQUEST__INIT;
    out.request_id = request_id();
    out.vacancy_id = vacancy_id;
    out.beds = 1;
    out.request_reference = (char *)"383-204417";
    return out;
}

static inline struct fake_call *ask(const char *who, const char *method, const ProtobufCMessage *request)
{
    char path[96];
    snprintf(path, sizeof path, "%s%s", strstr(who, "/agency/") != NULL ? AGENCY : PLACEMENT, method);
    return fake_hub_ask(&hub, who, path, request);
}

/* The first text of the answer's hold, as the token's holder keeps it. */
static char hold_id[64];

static inline struct fake_call *hold_it(const char *who, const Vacancy__V1__HoldVacancyRequest *request)
{
    struct fake_call *call = ask(who, "HoldVacancy", &request->base);
    const Vacancy__V1__HoldVacancyResponse *out = fake_hub_answer(call);
    snprintf(hold_id, sizeof hold_id, "%s", out->hold->hold_id);
    return call;
}

static inline void hold_one(void)
{
    Vacancy__V1__HoldVacancyRequest request = hold_request();
    fake_call_destroy(hold_it(FAKE_TEAM, &request));
}

static inline void refused_as(const char *who, const char *method, const ProtobufCMessage *request, enum err code,
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

static inline const Vacancy__V1__VacancyView *vacancy_now(struct fake_call **call)
{
    Vacancy__V1__GetCarerRequest request = VACANCY__V1__GET_CARER_REQUEST__INIT;
    request.agency_reference = (char *)"H-1";
    *call = ask(FAKE_LEEDS, "GetCarer", &request.base);
    return ((const Vacancy__V1__GetCarerResponse *)fake_hub_answer(*call))->carer->vacancy;
}

static inline void assert_vacancy(Vacancy__V1__VacancyState state, uint32_t beds_free)
{
    struct fake_call *call;
    const Vacancy__V1__VacancyView *view = vacancy_now(&call);
    assert_int_equal(view->state, state);
    assert_int_equal(view->beds_free, beds_free);
    fake_call_destroy(call);
}
#define STATE(name) VACANCY__V1__VACANCY_STATE__VACANCY_STATE_##name
#define HOLD(name)  VACANCY__V1__HOLD_STATE__HOLD_STATE_##name

static inline int set_up(void **state)
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

static inline int tear_down(void **state)
{
    (void)state;
    fake_hub_close(&hub);
    return 0;
}

static inline size_t listed(const char *who, const ProtobufCMessage *request, struct fake_call **call)
{
    *call = ask(who, "ListHolds", request);
    assert_true((*call)->finished);
    assert_int_equal((*call)->problem.code, ERR_NONE);
    return (*call)->response_count;
}

#endif
