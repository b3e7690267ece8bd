/*
 * agency_erase.c - AgencyService: EraseCarer, for a person's right to erasure.
 * On the call's worker; no state.
 */
#include "daemon/service/check.h"
#include "daemon/service/handlers.h"
#include "daemon/service/updates.h"
#include "daemon/service/views.h"

static enum err fill_erase(const struct service_context *ctx, const struct principal *who,
                           const ProtobufCMessage *request, int64_t now_ms, struct update *update,
                           struct problem *problem)
{
    (void)ctx;
    (void)who;
    (void)now_ms;
    const Vacancy__V1__EraseCarerRequest *in = (const Vacancy__V1__EraseCarerRequest *)request;
    return check_reference(problem, NULL, "agency_reference", in->agency_reference, update->agency_reference);
}

static ProtobufCMessage *reply_erase(const struct service_context *ctx, const struct update *update,
                                     struct arena *arena)
{
    (void)ctx;
    NEW(Vacancy__V1__EraseCarerResponse, out, vacancy__v1__erase_carer_response__init);
    return (out->receipt = receipt_view(update, arena)) != NULL ? &out->base : NULL;
}

static const struct update_type erase_carer_type = {
    .kind = UPDATE_ERASE_CARER,
    .method = "/vacancy.v1.AgencyService/EraseCarer",
    .roles = ROLE_BIT(ROLE_AGENCY),
    .request_id_offset = offsetof(Vacancy__V1__EraseCarerRequest, request_id),
    .fill = fill_erase,
    .reply = reply_erase,
};

static void erase_carer(struct call *call, const ProtobufCMessage *message)
{
    write_message(call, &erase_carer_type, message);
}

const struct call_handler erase_carer_handler = {
    .message = erase_carer, .resumed = write_resumed, .orphaned = write_orphaned};
