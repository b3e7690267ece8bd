/*
 * teams_request.c - see teams_request.h. One thread; one message at a time in static memory.
 */
#include "tests/sim/federation/teams_request.h"

#include "daemon/base/text.h"
#include "vacancy/v1/agency_service.pb-c.h"
#include "vacancy/v1/placement_service.pb-c.h"

#include <stdio.h>
#include <string.h>

static struct {
    char request_id[REQUEST_ID_TEXT_BYTES], vacancy_id[ID_TEXT_BYTES], hold_id[HOLD_ID_BYTES];
    char reference[REQUEST_REFERENCE_BYTES], starts_on[DATE_TEXT_BYTES];
    Vacancy__V1__Child children[CHILDREN_MAX], *child_list[CHILDREN_MAX];
    union {
        Vacancy__V1__HoldVacancyRequest hold;
        Vacancy__V1__ExtendHoldRequest extend;
        Vacancy__V1__ReleaseHoldRequest release;
        Vacancy__V1__PlaceChildRequest place;
        Vacancy__V1__ReportUnavailableRequest report;
        Vacancy__V1__AcceptHoldRequest accept;
        Vacancy__V1__DeclineHoldRequest decline;
        Vacancy__V1__GetHoldRequest get;
        Vacancy__V1__ListHoldsRequest list;
    } request;
} m;

void team_name(uint32_t region, uint32_t team, char out[PRINCIPAL_NAME_BYTES])
{
    snprintf(out, PRINCIPAL_NAME_BYTES, "spiffe://%s/region/%s/placement-team/%s/team-%u", WORLD_DOMAIN,
             world_region(region), world_authority(region), team);
}

const char *ask_path(const struct ask *ask)
{
    switch (ask->kind) {
    case UPDATE_HOLD:
        return "/vacancy.v1.PlacementService/HoldVacancy";
    case UPDATE_EXTEND_HOLD:
        return "/vacancy.v1.PlacementService/ExtendHold";
    case UPDATE_RELEASE_HOLD:
        return "/vacancy.v1.PlacementService/ReleaseHold";
    case UPDATE_PLACE:
        return "/vacancy.v1.PlacementService/PlaceChild";
    case UPDATE_REPORT_UNAVAILABLE:
        return "/vacancy.v1.PlacementService/ReportUnavailable";
    case UPDATE_ACCEPT_HOLD:
        return "/vacancy.v1.AgencyService/AcceptHold";
    default:
        return "/vacancy.v1.AgencyService/DeclineHold";
    }
}

static char *request_id(const struct ask *ask)
{
    char hex[2 * REQUEST_ID_BYTES + 1];
    hex_encode(ask->request_id, REQUEST_ID_BYTES, hex);
    snprintf(m.request_id, sizeof m.request_id, "%.8s-%.4s-%.4s-%.4s-%.12s", hex, hex + 8, hex + 12, hex + 16,
             hex + 20);
    return m.request_id;
}

static char *hold_id(uint32_t region, const struct hold_token *token)
{
    hold_id_format(world_region(region), token, m.hold_id);
    return m.hold_id;
}

static char *reference(const struct ask *ask, const struct gazetteer *gazetteer)
{
    const struct authority *authority = gazetteer_authority(gazetteer, world_authority(ask->who_region));
    snprintf(m.reference, sizeof m.reference, "%03u-%06u", authority->dfe_number, ask->who + 1000);
    return m.reference;
}

static void place_message(const struct ask *ask)
{
    vacancy__v1__place_child_request__init(&m.request.place);
    m.request.place.request_id = request_id(ask);
    m.request.place.hold_id = hold_id(ask->region, &ask->token);
    m.request.place.placement_code = VACANCY__V1__PLACEMENT_CODE__PLACEMENT_CODE_U5;
    m.request.place.provider_consent = VACANCY__V1__CONSENT__CONSENT_GIVEN;
    m.request.place.authorities_consent = VACANCY__V1__CONSENT__CONSENT_GIVEN;
    date_format(ask->starts_on, m.starts_on);
    m.request.place.starts_on = m.starts_on;
    for (uint32_t i = 0; i < ask->children; i++) {
        vacancy__v1__child__init(&m.children[i]);
        m.children[i].age_months = 60 + 12 * i;
        m.children[i].sex = VACANCY__V1__SEX__SEX_F;
        m.child_list[i] = &m.children[i];
    }
    m.request.place.n_children = ask->children;
    m.request.place.children = m.child_list;
}

const ProtobufCMessage *ask_message(const struct ask *ask, const struct gazetteer *gazetteer)
{
    id_format(ask->vacancy_id, m.vacancy_id);
    switch (ask->kind) {
    case UPDATE_HOLD:
        vacancy__v1__hold_vacancy_request__init(&m.request.hold);
        m.request.hold.request_id = request_id(ask);
        m.request.hold.vacancy_id = m.vacancy_id;
        m.request.hold.region = (char *)world_region(ask->region);
        m.request.hold.beds = ask->beds;
        m.request.hold.request_reference = reference(ask, gazetteer);
        m.request.hold.duration_s = ask->duration_s;
        return &m.request.hold.base;
    case UPDATE_EXTEND_HOLD:
        vacancy__v1__extend_hold_request__init(&m.request.extend);
        m.request.extend.request_id = request_id(ask);
        m.request.extend.hold_id = hold_id(ask->region, &ask->token);
        m.request.extend.duration_s = ask->duration_s;
        return &m.request.extend.base;
    case UPDATE_RELEASE_HOLD:
        vacancy__v1__release_hold_request__init(&m.request.release);
        m.request.release.request_id = request_id(ask);
        m.request.release.hold_id = hold_id(ask->region, &ask->token);
        m.request.release.placement_did_not_begin = ask->did_not_begin;
        return &m.request.release.base;
    case UPDATE_PLACE:
        place_message(ask);
        return &m.request.place.base;
    case UPDATE_REPORT_UNAVAILABLE:
        vacancy__v1__report_unavailable_request__init(&m.request.report);
        m.request.report.request_id = request_id(ask);
        m.request.report.vacancy_id = m.vacancy_id;
        m.request.report.region = (char *)world_region(ask->region);
        m.request.report.request_reference = reference(ask, gazetteer);
        return &m.request.report.base;
    case UPDATE_ACCEPT_HOLD:
        vacancy__v1__accept_hold_request__init(&m.request.accept);
        m.request.accept.request_id = request_id(ask);
        m.request.accept.hold_id = hold_id(ask->region, &ask->token);
        return &m.request.accept.base;
    default:
        vacancy__v1__decline_hold_request__init(&m.request.decline);
        m.request.decline.request_id = request_id(ask);
        m.request.decline.hold_id = hold_id(ask->region, &ask->token);
        m.request.decline.reason = ask->did_not_begin
                                       ? VACANCY__V1__DECLINE_REASON__DECLINE_REASON_PLACEMENT_DID_NOT_BEGIN
                                       : VACANCY__V1__DECLINE_REASON__DECLINE_REASON_NOT_SUITABLE;
        return &m.request.decline.base;
    }
}

const ProtobufCMessage *ask_settling_message(const struct ask *ask)
{
    vacancy__v1__get_hold_request__init(&m.request.get);
    m.request.get.request_id = request_id(ask);
    m.request.get.region = (char *)world_region(ask->region);
    return &m.request.get.base;
}

const ProtobufCMessage *ask_reading_message(uint32_t region, const struct hold_token *token)
{
    vacancy__v1__get_hold_request__init(&m.request.get);
    m.request.get.hold_id = hold_id(region, token);
    return &m.request.get.base;
}

const ProtobufCMessage *ask_listing_message(bool ended)
{
    vacancy__v1__list_holds_request__init(&m.request.list);
    m.request.list.include_ended = ended;
    return &m.request.list.base;
}

void ask_answer_parts(const ProtobufCMessage *message, struct answer_parts *out)
{
    const ProtobufCMessageDescriptor *is = message->descriptor;
    *out = (struct answer_parts){0};
    if (is == &vacancy__v1__get_hold_response__descriptor) {
        out->hold = ((const Vacancy__V1__GetHoldResponse *)message)->hold;
    } else if (is == &vacancy__v1__list_holds_response__descriptor) {
        out->hold = ((const Vacancy__V1__ListHoldsResponse *)message)->hold;
    } else if (is == &vacancy__v1__report_unavailable_response__descriptor) {
        out->receipt = ((const Vacancy__V1__ReportUnavailableResponse *)message)->receipt;
    } else { /* the others begin alike: receipt, hold */
        const Vacancy__V1__ReleaseHoldResponse *response = (const Vacancy__V1__ReleaseHoldResponse *)message;
        out->receipt = response->receipt;
        out->hold = response->hold;
    }
}
