/*
 * placement_get_hold.c - PlacementService: GetHold.
 *
 * By its id it is a read, on the trail before it leaves. By the request id of a HoldVacancy it is the writer's: what
 * was not done by then never will be, so the id is spent, and the answer stands. On the call's worker; no state.
 */
#include "daemon/service/check.h"
#include "daemon/service/convert.h"
#include "daemon/service/handlers.h"
#include "daemon/service/placement.h"
#include "daemon/service/placement_ask.h"
#include "daemon/service/updates.h"
#include "daemon/service/views.h"

#include "daemon/base/text.h"

#include <string.h>

typedef Vacancy__V1__GetHoldRequest request;

/* --- by request id ------------------------------------------------------------------------------------------------ */

static enum err fill_settle(const struct service_context *ctx, const struct principal *who,
                            const ProtobufCMessage *message, int64_t now_ms, struct update *update,
                            struct problem *problem)
{
    (void)ctx;
    (void)now_ms;
    const request *in = (const request *)message;
    if (!update->has_request_id)
        return wrong(problem, NULL, "hold_id", "required: the hold's id, or the request_id of a HoldVacancy");
    if (in->region[0] != '\0' && !text_is_gss_code(in->region))
        return wrong(problem, NULL, "region", "no GSS code of a region; send the one that was asked");
    memcpy(update->as.hold.holder, who->name, sizeof update->as.hold.holder);
    memcpy(update->as.hold.authority, who->authority, sizeof update->as.hold.authority);
    return ERR_NONE;
}

/* As given, or as this hub has noted when it asked there. */
static void region_of_settle(const struct service_context *ctx, const struct principal *who,
                             const ProtobufCMessage *message, char out[GSS_BYTES])
{
    const request *in = (const request *)message;
    uint8_t id[REQUEST_ID_BYTES];
    struct asked_hold asked;
    memcpy(out, ctx->region, GSS_BYTES);
    if (in->region[0] != '\0')
        memcpy(out, in->region, GSS_BYTES);
    else if (request_id_parse(in->request_id, id) && home_get_asked(ctx->home, who->name, id, &asked) == ERR_NONE)
        memcpy(out, asked.region, GSS_BYTES);
}

static ProtobufCMessage *reply_settle(const struct service_context *ctx, const struct update *update,
                                      struct arena *arena)
{
    NEW(Vacancy__V1__GetHoldResponse, out, vacancy__v1__get_hold_response__init);
    out->hold = team_hold_view(ctx, &update->result.hold, update->request_id, arena);
    return out->hold != NULL ? &out->base : NULL;
}

const struct update_type settle_hold_type = {
    .kind = UPDATE_SETTLE_HOLD,
    .method = "/vacancy.v1.PlacementService/GetHold",
    .roles = ROLE_BIT(ROLE_TEAM),
    .request_id_offset = offsetof(request, request_id),
    .fill = fill_settle,
    .region = region_of_settle,
    .region_field = "region",
    .reply = reply_settle,
};

/* --- by its id ---------------------------------------------------------------------------------------------------- */

enum err hold_read(const struct service_context *ctx, const struct principal *team, const char *hold_id,
                   struct hold *out, struct problem *problem)
{
    char region[GSS_BYTES];
    struct hold_token token;
    if (!hold_id_parse(hold_id, region, &token))
        return wrong(problem, NULL, "hold_id", "no hold's id; as HoldVacancy gave it (\"E12000003-1-4711\")");
    if (strcmp(region, ctx->region) != 0)
        return problem_set(problem, ERR_PRECONDITION, "hold_id", "the hub of region %s keeps this hold and no other",
                           region);
    enum err err = home_get_hold(ctx->home, &token, out);
    if (err == ERR_NOT_FOUND || (err == ERR_NONE && !home_is_holder(ctx->home, out, team->name)))
        return problem_set(problem, ERR_FORBIDDEN, "hold_id", "this team has no such hold");
    if (err != ERR_NONE)
        return problem_set(problem, err, "", "the register could not be read");
    return ERR_NONE;
}

bool hold_disclose(struct call *call, const struct principal *who, const struct hold *hold)
{
    const uint64_t subjects[] = {hold->vacancy_id, hold->national_reference};
    return call_disclose(
        call, who,
        &(struct shown){.request_reference = hold->request_reference, .subjects = subjects, .subject_count = 2});
}

static void get_by_id(struct call *call, const struct principal *team, const char *hold_id)
{
    struct hold hold;
    struct problem problem = {0};
    if (hold_read(call_context(call), team, hold_id, &hold, &problem) != ERR_NONE) {
        call_finish(call, &problem);
        return;
    }
    Vacancy__V1__GetHoldResponse out = VACANCY__V1__GET_HOLD_RESPONSE__INIT;
    out.hold = team_hold_view(call_context(call), &hold, NULL, call->arena);
    if (out.hold != NULL && !hold_disclose(call, team, &hold))
        return;
    call_answer(call, out.hold != NULL ? &out.base : NULL);
}

static const struct asking_type asking = {.update = &settle_hold_type,
                                          .request = VACANCY__V1__FORWARD_REQUEST__REQUEST_GET,
                                          .response = VACANCY__V1__FORWARD_RESPONSE__RESPONSE_GET};

static void get_hold(struct call *call, const ProtobufCMessage *message)
{
    const request *in = (const request *)message;
    struct principal team;
    struct hold_token token;
    char region[GSS_BYTES];
    if (in->hold_id[0] == '\0') {
        asking_message(call, &asking, message);
        return;
    }
    if (!call_identify(call, ROLE_BIT(ROLE_TEAM), &team))
        return;
    if (in->request_id[0] != '\0' || in->region[0] != '\0')
        call_fail(call, ERR_INVALID, in->request_id[0] != '\0' ? "request_id" : "region",
                  "goes with no hold_id: give one or the other");
    else if (hold_id_parse(in->hold_id, region, &token) && strcmp(region, call_context(call)->region) != 0)
        asking_elsewhere(call, &asking, &team, region, &token, message);
    else
        get_by_id(call, &team, in->hold_id);
}

const struct call_handler get_hold_handler = {
    .message = get_hold, .resumed = asking_resumed, .orphaned = asking_orphaned, .closed = asking_closed};
