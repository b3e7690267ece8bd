/*
 * agency_put.c - AgencyService: PutCarer, EndCarer, PutVacancy, WithdrawVacancy.
 * On the call's worker; no state.
 */
#include "daemon/service/check.h"
#include "daemon/service/convert.h"
#include "daemon/service/handlers.h"
#include "daemon/service/updates.h"
#include "daemon/service/views.h"

#include <string.h>

/* --- PutCarer -------------------------------------------------------------------------------------------------- */

static enum err fill_put_carer(const struct service_context *ctx, const struct principal *who,
                               const ProtobufCMessage *request, int64_t now_ms, struct update *update,
                               struct problem *problem)
{
    const Vacancy__V1__PutCarerRequest *in = (const Vacancy__V1__PutCarerRequest *)request;
    struct carer *carer = &update->as.carer;
    enum err err = carer_from(ctx, in->carer, now_ms, carer, problem);
    if (err != ERR_NONE)
        return err;
    memcpy(carer->agency, who->id, sizeof carer->agency);
    memcpy(update->agency_reference, carer->agency_reference, sizeof update->agency_reference);
    update->observed_at_ms = carer->observed_at_ms;
    return ERR_NONE;
}

static ProtobufCMessage *reply_put_carer(const struct service_context *ctx, const struct update *update,
                                         struct arena *arena)
{
    (void)ctx;
    NEW(Vacancy__V1__PutCarerResponse, out, vacancy__v1__put_carer_response__init);
    if ((out->receipt = receipt_view(update, arena)) == NULL ||
        (out->national_reference = view_id(arena, update->result.national_reference)) == NULL)
        return NULL;
    return &out->base;
}

const struct update_type put_carer_type = {
    .kind = UPDATE_PUT_CARER,
    .method = "/vacancy.v1.AgencyService/PutCarer",
    .roles = ROLE_BIT(ROLE_AGENCY),
    .request_id_offset = offsetof(Vacancy__V1__PutCarerRequest, request_id),
    .wait_for_offset = offsetof(Vacancy__V1__PutCarerRequest, wait_for),
    .fill = fill_put_carer,
    .reply = reply_put_carer,
};

static void put_carer(struct call *call, const ProtobufCMessage *message)
{
    write_message(call, &put_carer_type, message);
}

const struct call_handler put_carer_handler = {
    .message = put_carer, .resumed = write_resumed, .orphaned = write_orphaned};

/* --- EndCarer -------------------------------------------------------------------------------------------------- */

static enum err fill_end_carer(const struct service_context *ctx, const struct principal *who,
                               const ProtobufCMessage *request, int64_t now_ms, struct update *update,
                               struct problem *problem)
{
    (void)ctx;
    (void)who;
    const Vacancy__V1__EndCarerRequest *in = (const Vacancy__V1__EndCarerRequest *)request;
    enum err err;
    if ((err = check_reference(problem, NULL, "agency_reference", in->agency_reference, update->agency_reference)) !=
            ERR_NONE ||
        (err = check_observed(problem, NULL, in->observed_at_ms, now_ms)) != ERR_NONE ||
        (err = check_date(problem, NULL, "ends_on", in->ends_on, true, &update->as.end.ends_on)) != ERR_NONE)
        return err;
    if (strlen(in->reason) != 3 || strncmp(in->reason, "AW", 2) != 0 || in->reason[2] < '0' || in->reason[2] > '5')
        return wrong(problem, NULL, "reason", "required: Ofsted's withdrawal code, AW0 to AW5");
    memcpy(update->as.end.reason, in->reason, sizeof update->as.end.reason);
    update->observed_at_ms = in->observed_at_ms;
    return ERR_NONE;
}

static ProtobufCMessage *reply_end_carer(const struct service_context *ctx, const struct update *update,
                                         struct arena *arena)
{
    (void)ctx;
    NEW(Vacancy__V1__EndCarerResponse, out, vacancy__v1__end_carer_response__init);
    return (out->receipt = receipt_view(update, arena)) != NULL ? &out->base : NULL;
}

const struct update_type end_carer_type = {
    .kind = UPDATE_END_CARER,
    .method = "/vacancy.v1.AgencyService/EndCarer",
    .roles = ROLE_BIT(ROLE_AGENCY),
    .request_id_offset = offsetof(Vacancy__V1__EndCarerRequest, request_id),
    .wait_for_offset = offsetof(Vacancy__V1__EndCarerRequest, wait_for),
    .fill = fill_end_carer,
    .reply = reply_end_carer,
};

static void end_carer(struct call *call, const ProtobufCMessage *message)
{
    write_message(call, &end_carer_type, message);
}

const struct call_handler end_carer_handler = {
    .message = end_carer, .resumed = write_resumed, .orphaned = write_orphaned};

/* --- PutVacancy ------------------------------------------------------------------------------------------------ */

static enum err fill_put_vacancy(const struct service_context *ctx, const struct principal *who,
                                 const ProtobufCMessage *request, int64_t now_ms, struct update *update,
                                 struct problem *problem)
{
    (void)ctx;
    (void)who;
    const Vacancy__V1__PutVacancyRequest *in = (const Vacancy__V1__PutVacancyRequest *)request;
    update->observed_at_ms = in->vacancy != NULL ? in->vacancy->observed_at_ms : 0;
    return vacancy_from(in->vacancy, now_ms, &update->as.vacancy, update->agency_reference, problem);
}

static ProtobufCMessage *reply_put_vacancy(const struct service_context *ctx, const struct update *update,
                                           struct arena *arena)
{
    (void)ctx;
    NEW(Vacancy__V1__PutVacancyResponse, out, vacancy__v1__put_vacancy_response__init);
    out->valid_until_ms = update->result.valid_until_ms;
    if ((out->receipt = receipt_view(update, arena)) == NULL ||
        (out->vacancy_id = view_id(arena, update->result.vacancy_id)) == NULL)
        return NULL;
    return &out->base;
}

const struct update_type put_vacancy_type = {
    .kind = UPDATE_PUT_VACANCY,
    .method = "/vacancy.v1.AgencyService/PutVacancy",
    .roles = ROLE_BIT(ROLE_AGENCY),
    .request_id_offset = offsetof(Vacancy__V1__PutVacancyRequest, request_id),
    .wait_for_offset = offsetof(Vacancy__V1__PutVacancyRequest, wait_for),
    .fill = fill_put_vacancy,
    .reply = reply_put_vacancy,
};

static void put_vacancy(struct call *call, const ProtobufCMessage *message)
{
    write_message(call, &put_vacancy_type, message);
}

const struct call_handler put_vacancy_handler = {
    .message = put_vacancy, .resumed = write_resumed, .orphaned = write_orphaned};

/* --- WithdrawVacancy ------------------------------------------------------------------------------------------- */

static enum err fill_withdraw(const struct service_context *ctx, const struct principal *who,
                              const ProtobufCMessage *request, int64_t now_ms, struct update *update,
                              struct problem *problem)
{
    (void)ctx;
    (void)who;
    const Vacancy__V1__WithdrawVacancyRequest *in = (const Vacancy__V1__WithdrawVacancyRequest *)request;
    enum err err = check_reference(problem, NULL, "agency_reference", in->agency_reference, update->agency_reference);
    if (err == ERR_NONE)
        err = check_observed(problem, NULL, in->observed_at_ms, now_ms);
    update->observed_at_ms = in->observed_at_ms;
    return err;
}

static ProtobufCMessage *reply_withdraw(const struct service_context *ctx, const struct update *update,
                                        struct arena *arena)
{
    (void)ctx;
    NEW(Vacancy__V1__WithdrawVacancyResponse, out, vacancy__v1__withdraw_vacancy_response__init);
    return (out->receipt = receipt_view(update, arena)) != NULL ? &out->base : NULL;
}

const struct update_type withdraw_vacancy_type = {
    .kind = UPDATE_WITHDRAW,
    .method = "/vacancy.v1.AgencyService/WithdrawVacancy",
    .roles = ROLE_BIT(ROLE_AGENCY),
    .request_id_offset = offsetof(Vacancy__V1__WithdrawVacancyRequest, request_id),
    .wait_for_offset = offsetof(Vacancy__V1__WithdrawVacancyRequest, wait_for),
    .fill = fill_withdraw,
    .reply = reply_withdraw,
};

static void withdraw_vacancy(struct call *call, const ProtobufCMessage *message)
{
    write_message(call, &withdraw_vacancy_type, message);
}

const struct call_handler withdraw_vacancy_handler = {
    .message = withdraw_vacancy, .resumed = write_resumed, .orphaned = write_orphaned};
