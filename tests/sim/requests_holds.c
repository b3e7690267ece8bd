/*
 * requests_holds.c - what teams ask and agencies answer about holds, as the contract's messages; see requests.h. One
 * thread; one message at a time in static memory.
 */
#include "tests/sim/requests.h"

#include "daemon/base/text.h"
#include "tests/sim/hub.h"
#include "vacancy/v1/agency_service.pb-c.h"
#include "vacancy/v1/placement_service.pb-c.h"

#include <stdio.h>
#include <string.h>

#define CHILD_MONTHS 84

static struct {
    char request_id[REQUEST_ID_TEXT_BYTES], vacancy_id[ID_TEXT_BYTES], hold_id[HOLD_ID_BYTES];
    char starts_on[DATE_TEXT_BYTES];
    Vacancy__V1__Child children[CHILDREN_MAX], *child_list[CHILDREN_MAX];
    union {
        Vacancy__V1__HoldVacancyRequest hold;
        Vacancy__V1__ExtendHoldRequest extend;
        Vacancy__V1__ReleaseHoldRequest release;
        Vacancy__V1__PlaceChildRequest place;
        Vacancy__V1__ReportUnavailableRequest report;
        Vacancy__V1__AcceptHoldRequest accept;
        Vacancy__V1__DeclineHoldRequest decline;
    } request;
} m;

static char *request_id(const struct operation *operation)
{
    char hex[2 * REQUEST_ID_BYTES + 1];
    m.request_id[0] = '\0';
    if (!operation->has_request_id)
        return m.request_id;
    hex_encode(operation->request_id, REQUEST_ID_BYTES, hex);
    snprintf(m.request_id, sizeof m.request_id, "%.8s-%.4s-%.4s-%.4s-%.12s", hex, hex + 8, hex + 12, hex + 16,
             hex + 20);
    return m.request_id;
}

static char *hold_id(const struct operation *operation)
{
    hold_id_format(SIM_REGION, &operation->token, m.hold_id);
    return m.hold_id;
}

static char *vacancy_id(const struct operation *operation)
{
    id_format(operation->vacancy_id, m.vacancy_id);
    return m.vacancy_id;
}

static const ProtobufCMessage *place_message(const struct operation *operation)
{
    Vacancy__V1__PlaceChildRequest *out = &m.request.place;
    vacancy__v1__place_child_request__init(out);
    out->request_id = request_id(operation);
    out->hold_id = hold_id(operation);
    out->placement_code = VACANCY__V1__PLACEMENT_CODE__PLACEMENT_CODE_U5;
    out->provider_consent = VACANCY__V1__CONSENT__CONSENT_GIVEN;
    out->authorities_consent = VACANCY__V1__CONSENT__CONSENT_GIVEN;
    date_format(operation->starts_on, m.starts_on);
    out->starts_on = m.starts_on;
    for (uint32_t i = 0; i < operation->beds; i++) {
        vacancy__v1__child__init(&m.children[i]);
        m.children[i].age_months = CHILD_MONTHS;
        m.children[i].sex = VACANCY__V1__SEX__SEX_F;
        m.child_list[i] = &m.children[i];
    }
    out->n_children = operation->beds;
    out->children = m.child_list;
    return &out->base;
}

const ProtobufCMessage *request_hold_message(const struct operation *operation)
{
    switch (operation->kind) {
    case UPDATE_HOLD:
        vacancy__v1__hold_vacancy_request__init(&m.request.hold);
        m.request.hold.request_id = request_id(operation);
        m.request.hold.vacancy_id = vacancy_id(operation);
        m.request.hold.region = (char *)SIM_REGION;
        m.request.hold.beds = operation->beds;
        m.request.hold.request_reference = (char *)HOLD_REFERENCE;
        m.request.hold.duration_s = operation->duration_s;
        return &m.request.hold.base;
    case UPDATE_EXTEND_HOLD:
        vacancy__v1__extend_hold_request__init(&m.request.extend);
        m.request.extend.request_id = request_id(operation);
        m.request.extend.hold_id = hold_id(operation);
        m.request.extend.duration_s = operation->duration_s;
        return &m.request.extend.base;
    case UPDATE_RELEASE_HOLD:
        vacancy__v1__release_hold_request__init(&m.request.release);
        m.request.release.request_id = request_id(operation);
        m.request.release.hold_id = hold_id(operation);
        return &m.request.release.base;
    case UPDATE_PLACE:
        return place_message(operation);
    case UPDATE_REPORT_UNAVAILABLE:
        vacancy__v1__report_unavailable_request__init(&m.request.report);
        m.request.report.request_id = request_id(operation);
        m.request.report.vacancy_id = vacancy_id(operation);
        m.request.report.region = (char *)SIM_REGION;
        m.request.report.request_reference = (char *)HOLD_REFERENCE;
        return &m.request.report.base;
    case UPDATE_ACCEPT_HOLD:
        vacancy__v1__accept_hold_request__init(&m.request.accept);
        m.request.accept.request_id = request_id(operation);
        m.request.accept.hold_id = hold_id(operation);
        return &m.request.accept.base;
    case UPDATE_DECLINE_HOLD:
        vacancy__v1__decline_hold_request__init(&m.request.decline);
        m.request.decline.request_id = request_id(operation);
        m.request.decline.hold_id = hold_id(operation);
        m.request.decline.reason = VACANCY__V1__DECLINE_REASON__DECLINE_REASON_NOT_SUITABLE;
        return &m.request.decline.base;
    default:
        return NULL;
    }
}

uint64_t request_hold_receipt(const ProtobufCMessage *message)
{
    /* All begin alike. */
    return ((const Vacancy__V1__ReleaseHoldResponse *)message)->receipt->sequence;
}
