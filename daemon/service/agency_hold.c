/*
 * agency_hold.c - AgencyService: AcceptHold, DeclineHold, ListHolds.
 * On the call's worker.
 */
#include "daemon/service/check.h"
#include "daemon/service/convert.h"
#include "daemon/service/handlers.h"
#include "daemon/service/listing.h"
#include "daemon/service/updates.h"
#include "daemon/service/views.h"

#include <string.h>

#define PAGE_HOLDS       32
#define VIEW_ARENA_BYTES (64u * 1024)

/* --- AcceptHold, DeclineHold -------------------------------------------------------------------------------------- */

/* Its own region's only: an agency belongs to one, with all its carers. What no such hold has, it is not told. */
static enum err token_from(const struct service_context *ctx, const char *text, struct hold_token *out,
                           struct problem *problem)
{
    char region[GSS_BYTES];
    if (text[0] == '\0')
        return wrong(problem, NULL, "hold_id", "required: the hold's id, as ListHolds shows it");
    if (!hold_id_parse(text, region, out))
        return wrong(problem, NULL, "hold_id", "no hold's id; as ListHolds shows it (\"E12000003-1-4711\")");
    if (strcmp(region, ctx->region) != 0)
        return problem_set(problem, ERR_FORBIDDEN, "hold_id", "this agency has no such hold");
    return ERR_NONE;
}

static enum err fill_accept(const struct service_context *ctx, const struct principal *who,
                            const ProtobufCMessage *request, int64_t now_ms, struct update *update,
                            struct problem *problem)
{
    (void)who;
    (void)now_ms;
    return token_from(ctx, ((const Vacancy__V1__AcceptHoldRequest *)request)->hold_id, &update->as.hold.token, problem);
}

static ProtobufCMessage *reply_accept(const struct service_context *ctx, const struct update *update,
                                      struct arena *arena)
{
    NEW(Vacancy__V1__AcceptHoldResponse, out, vacancy__v1__accept_hold_response__init);
    out->receipt = hold_receipt_view(update, arena);
    out->hold = agency_hold_view(ctx, &update->result.hold, arena);
    return out->receipt != NULL && out->hold != NULL ? &out->base : NULL;
}

const struct update_type accept_hold_type = {
    .kind = UPDATE_ACCEPT_HOLD,
    .method = "/vacancy.v1.AgencyService/AcceptHold",
    .roles = ROLE_BIT(ROLE_AGENCY),
    .request_id_offset = offsetof(Vacancy__V1__AcceptHoldRequest, request_id),
    .fill = fill_accept,
    .reply = reply_accept,
};

static void accept_hold(struct call *call, const ProtobufCMessage *message)
{
    write_message(call, &accept_hold_type, message);
}

const struct call_handler accept_hold_handler = {
    .message = accept_hold, .resumed = write_resumed, .orphaned = write_orphaned};

/* APPROVAL_ENDED is the hub's own word. */
static enum err fill_decline(const struct service_context *ctx, const struct principal *who,
                             const ProtobufCMessage *request, int64_t now_ms, struct update *update,
                             struct problem *problem)
{
    (void)who;
    (void)now_ms;
    const Vacancy__V1__DeclineHoldRequest *in = (const Vacancy__V1__DeclineHoldRequest *)request;
    enum err err = token_from(ctx, in->hold_id, &update->as.hold.token, problem);
    if (err != ERR_NONE)
        return err;
    if (in->reason == VACANCY__V1__DECLINE_REASON__DECLINE_REASON_APPROVAL_ENDED)
        return wrong(problem, NULL, "reason", "APPROVAL_ENDED is said by the hub, where the approval has (EndCarer)");
    return check_code(problem, NULL, "reason", (int)in->reason, DECLINE_REASON_END, true, "DeclineReason",
                      &update->as.hold.decline_reason);
}

static ProtobufCMessage *reply_decline(const struct service_context *ctx, const struct update *update,
                                       struct arena *arena)
{
    NEW(Vacancy__V1__DeclineHoldResponse, out, vacancy__v1__decline_hold_response__init);
    out->receipt = hold_receipt_view(update, arena);
    out->hold = agency_hold_view(ctx, &update->result.hold, arena);
    return out->receipt != NULL && out->hold != NULL ? &out->base : NULL;
}

const struct update_type decline_hold_type = {
    .kind = UPDATE_DECLINE_HOLD,
    .method = "/vacancy.v1.AgencyService/DeclineHold",
    .roles = ROLE_BIT(ROLE_AGENCY),
    .request_id_offset = offsetof(Vacancy__V1__DeclineHoldRequest, request_id),
    .fill = fill_decline,
    .reply = reply_decline,
};

static void decline_hold(struct call *call, const ProtobufCMessage *message)
{
    write_message(call, &decline_hold_type, message);
}

const struct call_handler decline_hold_handler = {
    .message = decline_hold, .resumed = write_resumed, .orphaned = write_orphaned};

/* --- ListHolds ---------------------------------------------------------------------------------------------------- */

struct holds {
    struct listing listing; /* first: listing.h */
    bool include_ended;
    struct hold_token before;
    struct hold page[PAGE_HOLDS];
};

static bool load_holds(struct call *call, struct listing *listing)
{
    struct holds *holds = (struct holds *)listing;
    struct hold_token next;
    uint64_t subjects[2 * PAGE_HOLDS];
    enum err err = home_list_holds(call_context(call)->home, NULL, listing->who.id, holds->include_ended,
                                   &holds->before, holds->page, PAGE_HOLDS, &listing->count, &next);
    if (err != ERR_NONE)
        return listing_unreadable(call, err);
    holds->before = next;
    listing->last = next.epoch == 0;
    for (size_t i = 0; i < listing->count; i++) {
        subjects[2 * i] = holds->page[i].vacancy_id;
        subjects[2 * i + 1] = holds->page[i].national_reference;
    }
    return listing_shown(call, listing, subjects, 2 * listing->count);
}

static bool send_hold(struct call *call, struct listing *listing, size_t i, bool *more)
{
    const struct holds *holds = (const struct holds *)listing;
    Vacancy__V1__AgencyServiceListHoldsResponse out = VACANCY__V1__AGENCY_SERVICE_LIST_HOLDS_RESPONSE__INIT;
    out.hold = agency_hold_view(call_context(call), &holds->page[i], &listing->arena);
    return listing_send(call, out.hold != NULL, "a hold", &out.base, more);
}

static void list_holds(struct call *call, const ProtobufCMessage *message)
{
    static const struct listing_source source = {load_holds, send_hold};
    struct holds *holds = listing_begin(call, ROLE_BIT(ROLE_AGENCY), sizeof *holds, VIEW_ARENA_BYTES);
    if (holds == NULL)
        return;
    holds->listing.source = &source;
    holds->include_ended = ((const Vacancy__V1__AgencyServiceListHoldsRequest *)message)->include_ended;
    listing_turn(call);
}

const struct call_handler agency_list_holds_handler = {
    .message = list_holds, .writable = listing_turn, .closed = listing_closed};
