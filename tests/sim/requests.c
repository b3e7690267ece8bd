/*
 * requests.c - see requests.h. One thread; one message at a time in static memory.
 */
#include "tests/sim/requests.h"

#include "daemon/base/text.h"
#include "tests/sim/hub.h"
#include "vacancy/v1/agency_service.pb-c.h"
#include "vacancy/v1/hub_service.pb-c.h"

#include <stdio.h>
#include <string.h>

#define CODES_MAX 32

static struct {
    char request_id[REQUEST_ID_TEXT_BYTES];
    char reference[AGENCY_REFERENCE_BYTES], references[REFERENCES][AGENCY_REFERENCE_BYTES];
    char *reference_list[REFERENCES];
    char dates[6][DATE_TEXT_BYTES];
    char principal[PRINCIPAL_NAME_BYTES];
    uint32_t codes[6][CODES_MAX];
    Vacancy__V1__Terms terms;
    Vacancy__V1__PlacedChild placed[CHILDREN_MAX], *placed_list[CHILDREN_MAX];
    Vacancy__V1__HouseholdChild household[CHILDREN_MAX], *household_list[CHILDREN_MAX];
    Vacancy__V1__SpokenLanguage languages[LANGUAGES_MAX], *language_list[LANGUAGES_MAX];
    Vacancy__V1__Carer carer;
    Vacancy__V1__Vacancy vacancy;
    Vacancy__V1__Agency agency;
    union {
        Vacancy__V1__PutCarerRequest put_carer;
        Vacancy__V1__EndCarerRequest end_carer;
        Vacancy__V1__EraseCarerRequest erase_carer;
        Vacancy__V1__PutVacancyRequest put_vacancy;
        Vacancy__V1__ConfirmVacanciesRequest confirm;
        Vacancy__V1__WithdrawVacancyRequest withdraw;
        Vacancy__V1__PutAgencyRequest put_agency;
        Vacancy__V1__SuspendPrincipalRequest suspend;
    } request;
    Vacancy__V1__SubmitRequest submit;
} m;

static char *date_text(unsigned which, date_days date)
{
    date_format(date, m.dates[which]);
    return m.dates[which];
}

/* The bits of a mask as codes; enums of the contract are of int's size. */
static void *codes_of(unsigned which, uint32_t mask, size_t *count)
{
    *count = 0;
    for (uint32_t code = 1; code < CODES_MAX; code++)
        if (mask & 1u << code)
            m.codes[which][(*count)++] = code;
    return m.codes[which];
}

static char *request_id(const struct operation *operation)
{
    m.request_id[0] = '\0';
    if (!operation->has_request_id)
        return m.request_id;
    char hex[2 * REQUEST_ID_BYTES + 1];
    hex_encode(operation->request_id, REQUEST_ID_BYTES, hex);
    snprintf(m.request_id, sizeof m.request_id, "%.8s-%.4s-%.4s-%.4s-%.12s", hex, hex + 8, hex + 12, hex + 16,
             hex + 20);
    return m.request_id;
}

static char *reference(const struct operation *operation)
{
    carer_reference(operation->agency, operation->reference, m.reference);
    return m.reference;
}

static Vacancy__V1__Terms *terms_message(const struct terms *terms)
{
    vacancy__v1__terms__init(&m.terms);
    m.terms.max_children = terms->max_children;
    m.terms.max_children_if_siblings = terms->max_children_if_siblings;
    m.terms.age_from_months = terms->age_from_months;
    m.terms.age_below_months = terms->age_below_months;
    m.terms.sex = (Vacancy__V1__Sex)terms->sex;
    m.terms.care_types = codes_of(0, terms->care_types, &m.terms.n_care_types);
    m.terms.named_child_only = terms->named_child_only;
    return &m.terms;
}

static void people_message(const struct carer *carer)
{
    for (uint32_t i = 0; i < carer->placed_count; i++) {
        vacancy__v1__placed_child__init(&m.placed[i]);
        m.placed[i].age_band = (Vacancy__V1__AgeBand)carer->placed[i].age_band;
        m.placed[i].sex = (Vacancy__V1__Sex)carer->placed[i].sex;
        m.placed[i].sibling_group = carer->placed[i].sibling_group;
        m.placed[i].responsible_authority = (char *)carer->placed[i].responsible_authority;
        m.placed_list[i] = &m.placed[i];
    }
    for (uint32_t i = 0; i < carer->household_count; i++) {
        vacancy__v1__household_child__init(&m.household[i]);
        m.household[i].age_band = (Vacancy__V1__AgeBand)carer->household[i].age_band;
        m.household[i].sex = (Vacancy__V1__Sex)carer->household[i].sex;
        m.household_list[i] = &m.household[i];
    }
    for (uint32_t i = 0; i < carer->language_count; i++) {
        vacancy__v1__spoken_language__init(&m.languages[i]);
        m.languages[i].tag = (char *)carer->languages[i].tag;
        m.languages[i].level = (Vacancy__V1__LanguageLevel)carer->languages[i].level;
        m.language_list[i] = &m.languages[i];
    }
    m.carer.n_placed_children = carer->placed_count;
    m.carer.placed_children = m.placed_list;
    m.carer.n_household_children = carer->household_count;
    m.carer.household_children = m.household_list;
    m.carer.n_languages = carer->language_count;
    m.carer.languages = m.language_list;
}

static Vacancy__V1__Carer *carer_message(const struct operation *operation)
{
    const struct carer *carer = &operation->carer;
    vacancy__v1__carer__init(&m.carer);
    m.carer.agency_reference = reference(operation);
    m.carer.observed_at_ms = operation->observed_at_ms;
    m.carer.terms = terms_message(&carer->terms);
    m.carer.approved_on = date_text(0, carer->approved_on);
    m.carer.approval_ends_on = date_text(1, carer->approval_ends_on);
    m.carer.places = carer->places;
    m.carer.bedrooms = carer->bedrooms;
    m.carer.room_sharing = (Vacancy__V1__RoomSharing)carer->room_sharing;
    m.carer.home_postcode = (char *)carer->home_postcode;
    m.carer.home_features = codes_of(1, carer->home_features, &m.carer.n_home_features);
    m.carer.pets = codes_of(2, carer->pets, &m.carer.n_pets);
    m.carer.cannot_take = codes_of(3, carer->cannot_take, &m.carer.n_cannot_take);
    m.carer.skills = codes_of(4, carer->skills, &m.carer.n_skills);
    m.carer.training_level = (Vacancy__V1__TrainingLevel)carer->training_level;
    people_message(carer);
    return &m.carer;
}

static Vacancy__V1__Vacancy *vacancy_message(const struct operation *operation)
{
    const struct vacancy *vacancy = &operation->vacancy;
    vacancy__v1__vacancy__init(&m.vacancy);
    m.vacancy.agency_reference = reference(operation);
    m.vacancy.observed_at_ms = operation->observed_at_ms;
    m.vacancy.state = (Vacancy__V1__VacancyState)vacancy->stated;
    m.vacancy.reason = (Vacancy__V1__NotAvailableReason)vacancy->reason;
    m.vacancy.beds = vacancy->beds;
    m.vacancy.care_types = codes_of(5, vacancy->care_types, &m.vacancy.n_care_types);
    m.vacancy.from = date_text(2, vacancy->from);
    m.vacancy.until = date_text(3, vacancy->until);
    m.vacancy.age_from_months = vacancy->age_from_months;
    m.vacancy.age_below_months = vacancy->age_below_months;
    m.vacancy.sex = (Vacancy__V1__Sex)vacancy->sex;
    m.vacancy.sibling_group_only = vacancy->sibling_group_only;
    m.vacancy.on_call = vacancy->on_call;
    m.vacancy.reserved_until = date_text(4, vacancy->reserved_until);
    return &m.vacancy;
}

static Vacancy__V1__Agency *agency_message(const struct agency *agency)
{
    vacancy__v1__agency__init(&m.agency);
    m.agency.id = (char *)agency->id;
    m.agency.name = (char *)agency->name;
    m.agency.kind = (Vacancy__V1__AgencyKind)agency->kind;
    m.agency.ofsted_urn = (char *)agency->ofsted_urn;
    m.agency.phone = (char *)agency->phone;
    m.agency.authority = (char *)agency->authority;
    m.agency.status = (Vacancy__V1__AgencyStatus)agency->status;
    return &m.agency;
}

static const ProtobufCMessage *confirm_message(const struct operation *operation)
{
    Vacancy__V1__ConfirmVacanciesRequest *out = &m.request.confirm;
    vacancy__v1__confirm_vacancies_request__init(out);
    out->request_id = request_id(operation);
    out->observed_at_ms = operation->observed_at_ms;
    out->all = operation->confirm_all;
    out->agency_references = m.reference_list;
    for (uint32_t i = 0; !operation->confirm_all && i < REFERENCES; i++)
        if (operation->confirm_one[i]) {
            carer_reference(operation->agency, i, m.references[i]);
            m.reference_list[out->n_agency_references++] = m.references[i];
        }
    return &out->base;
}

static const ProtobufCMessage *suspend_message(const struct operation *operation)
{
    Vacancy__V1__SuspendPrincipalRequest *out = &m.request.suspend;
    vacancy__v1__suspend_principal_request__init(out);
    snprintf(m.principal, sizeof m.principal, "%s%s", operation->principal < AGENCIES ? SIM_AGENCY : SIM_TEAM,
             operation->principal < AGENCIES ? agency_id(operation->principal) : "");
    out->request_id = request_id(operation);
    out->principal = m.principal;
    out->suspended = operation->suspended;
    return &out->base;
}

const ProtobufCMessage *request_message(const struct operation *operation)
{
    switch (operation->kind) {
    case UPDATE_PUT_CARER:
        vacancy__v1__put_carer_request__init(&m.request.put_carer);
        m.request.put_carer.request_id = request_id(operation);
        m.request.put_carer.carer = carer_message(operation);
        return &m.request.put_carer.base;
    case UPDATE_END_CARER:
        vacancy__v1__end_carer_request__init(&m.request.end_carer);
        m.request.end_carer.request_id = request_id(operation);
        m.request.end_carer.agency_reference = reference(operation);
        m.request.end_carer.observed_at_ms = operation->observed_at_ms;
        m.request.end_carer.ends_on = date_text(5, operation->ends_on);
        m.request.end_carer.reason = (char *)operation->end_reason;
        return &m.request.end_carer.base;
    case UPDATE_ERASE_CARER:
        vacancy__v1__erase_carer_request__init(&m.request.erase_carer);
        m.request.erase_carer.request_id = request_id(operation);
        m.request.erase_carer.agency_reference = reference(operation);
        return &m.request.erase_carer.base;
    case UPDATE_PUT_VACANCY:
        vacancy__v1__put_vacancy_request__init(&m.request.put_vacancy);
        m.request.put_vacancy.request_id = request_id(operation);
        m.request.put_vacancy.vacancy = vacancy_message(operation);
        return &m.request.put_vacancy.base;
    case UPDATE_WITHDRAW:
        vacancy__v1__withdraw_vacancy_request__init(&m.request.withdraw);
        m.request.withdraw.request_id = request_id(operation);
        m.request.withdraw.agency_reference = reference(operation);
        m.request.withdraw.observed_at_ms = operation->observed_at_ms;
        return &m.request.withdraw.base;
    case UPDATE_CONFIRM:
        return confirm_message(operation);
    case UPDATE_PUT_AGENCY:
        vacancy__v1__put_agency_request__init(&m.request.put_agency);
        m.request.put_agency.request_id = request_id(operation);
        m.request.put_agency.agency = agency_message(&operation->agency_row);
        return &m.request.put_agency.base;
    case UPDATE_SET_PRINCIPAL:
        return suspend_message(operation);
    default:
        return request_hold_message(operation);
    }
}

const ProtobufCMessage *request_submit(const struct operation *operation, uint64_t tag)
{
    const ProtobufCMessage *message = request_message(operation);
    vacancy__v1__submit_request__init(&m.submit);
    m.submit.tag = tag;
    switch (operation->kind) {
    case UPDATE_PUT_CARER:
        m.submit.update_case = VACANCY__V1__SUBMIT_REQUEST__UPDATE_PUT_CARER;
        m.submit.put_carer = (Vacancy__V1__PutCarerRequest *)message;
        break;
    case UPDATE_END_CARER:
        m.submit.update_case = VACANCY__V1__SUBMIT_REQUEST__UPDATE_END_CARER;
        m.submit.end_carer = (Vacancy__V1__EndCarerRequest *)message;
        break;
    case UPDATE_PUT_VACANCY:
        m.submit.update_case = VACANCY__V1__SUBMIT_REQUEST__UPDATE_PUT_VACANCY;
        m.submit.put_vacancy = (Vacancy__V1__PutVacancyRequest *)message;
        break;
    case UPDATE_WITHDRAW:
        m.submit.update_case = VACANCY__V1__SUBMIT_REQUEST__UPDATE_WITHDRAW_VACANCY;
        m.submit.withdraw_vacancy = (Vacancy__V1__WithdrawVacancyRequest *)message;
        break;
    default:
        return NULL;
    }
    return &m.submit.base;
}

const char *request_path(const struct operation *operation)
{
    static const char *const paths[] = {
        [UPDATE_PUT_CARER] = "/vacancy.v1.AgencyService/PutCarer",
        [UPDATE_END_CARER] = "/vacancy.v1.AgencyService/EndCarer",
        [UPDATE_ERASE_CARER] = "/vacancy.v1.AgencyService/EraseCarer",
        [UPDATE_PUT_VACANCY] = "/vacancy.v1.AgencyService/PutVacancy",
        [UPDATE_CONFIRM] = "/vacancy.v1.AgencyService/ConfirmVacancies",
        [UPDATE_WITHDRAW] = "/vacancy.v1.AgencyService/WithdrawVacancy",
        [UPDATE_PUT_AGENCY] = "/vacancy.v1.HubService/PutAgency",
        [UPDATE_SET_PRINCIPAL] = "/vacancy.v1.HubService/SuspendPrincipal",
        [UPDATE_HOLD] = "/vacancy.v1.PlacementService/HoldVacancy",
        [UPDATE_EXTEND_HOLD] = "/vacancy.v1.PlacementService/ExtendHold",
        [UPDATE_RELEASE_HOLD] = "/vacancy.v1.PlacementService/ReleaseHold",
        [UPDATE_PLACE] = "/vacancy.v1.PlacementService/PlaceChild",
        [UPDATE_REPORT_UNAVAILABLE] = "/vacancy.v1.PlacementService/ReportUnavailable",
        [UPDATE_ACCEPT_HOLD] = "/vacancy.v1.AgencyService/AcceptHold",
        [UPDATE_DECLINE_HOLD] = "/vacancy.v1.AgencyService/DeclineHold",
    };
    return paths[operation->kind];
}
