/*
 * federation_forward.c - FederationService: Forward, what other hubs ask here for their teams, and for agencies that
 * take carers over.
 *
 * Owns: whom a hub may vouch for is access's; this file says which request is which type of update, answers in the
 * envelope, and counts what each hub has under way. The requests themselves are checked and decided as if they had been
 * asked here (placement_hold.c, placement_get_hold.c, agency_transfer.c), and only here: what another region's hub
 * decides is refused by its name, never sent on (V10, V11). On the call's worker. Invariant: a call is counted for its
 * hub from the moment it is taken until it is closed.
 */
#include "daemon/service/convert.h"
#include "daemon/service/federation_views.h"
#include "daemon/service/handlers.h"
#include "daemon/service/placement.h"
#include "daemon/service/updates.h"
#include "daemon/service/views.h"

#include <string.h>

typedef Vacancy__V1__ForwardRequest envelope;

struct kind {
    Vacancy__V1__ForwardRequest__RequestCase request;
    Vacancy__V1__ForwardResponse__ResponseCase response;
    const struct update_type *type;
};

static const struct kind kinds[] = {
    {VACANCY__V1__FORWARD_REQUEST__REQUEST_HOLD, VACANCY__V1__FORWARD_RESPONSE__RESPONSE_HOLD, &hold_vacancy_type},
    {VACANCY__V1__FORWARD_REQUEST__REQUEST_EXTEND, VACANCY__V1__FORWARD_RESPONSE__RESPONSE_EXTEND, &extend_hold_type},
    {VACANCY__V1__FORWARD_REQUEST__REQUEST_RELEASE, VACANCY__V1__FORWARD_RESPONSE__RESPONSE_RELEASE,
     &release_hold_type},
    {VACANCY__V1__FORWARD_REQUEST__REQUEST_PLACE, VACANCY__V1__FORWARD_RESPONSE__RESPONSE_PLACE, &place_child_type},
    {VACANCY__V1__FORWARD_REQUEST__REQUEST_REPORT, VACANCY__V1__FORWARD_RESPONSE__RESPONSE_REPORT,
     &report_unavailable_type},
    {VACANCY__V1__FORWARD_REQUEST__REQUEST_GET, VACANCY__V1__FORWARD_RESPONSE__RESPONSE_GET, &settle_hold_type},
    {VACANCY__V1__FORWARD_REQUEST__REQUEST_LET_GO, VACANCY__V1__FORWARD_RESPONSE__RESPONSE_LET_GO, &let_go_type},
};

struct forwarded {
    const struct kind *kind;
    struct principal hub, who;
    atomic_uint *count; /* of the hub's; NULL: not counted */
};

/* --- how much one hub may have under way -------------------------------------------------------------------------- */

/* Places go with the roster: under a new one a hub may for a moment be counted with another's. */
static atomic_uint *count_of(struct service_context *ctx, const char *region)
{
    const struct roster *roster = access_roster(ctx->access);
    const struct roster_region *found = roster != NULL ? roster_find(roster, region) : NULL;
    atomic_uint *count = found != NULL ? &ctx->forwarded[found - roster->regions] : NULL;
    roster_unref(roster);
    return count;
}

/* False: the call was ended. */
static bool count(struct call *call, struct forwarded *forwarded)
{
    atomic_uint *place = count_of(call_context(call), forwarded->hub.region);
    if (place == NULL) {
        call_fail(call, ERR_FORBIDDEN, "", "region %s is no longer in this hub's roster", forwarded->hub.region);
        return false;
    }
    if (atomic_fetch_add(place, 1) >= FORWARDS_EACH_MAX) {
        atomic_fetch_sub(place, 1);
        call_fail(call, ERR_LIMIT, "",
                  "the hub of region %s has %d requests under way here; nothing was done: try again",
                  forwarded->hub.region, FORWARDS_EACH_MAX);
        return false;
    }
    forwarded->count = place;
    return true;
}

/* --- answers ------------------------------------------------------------------------------------------------------ */

/* inner NULL: the arena's limit was reached. */
static void answer(struct call *call, const ProtobufCMessage *inner)
{
    const struct forwarded *forwarded = call->state;
    Vacancy__V1__ForwardResponse out = VACANCY__V1__FORWARD_RESPONSE__INIT;
    out.response_case = forwarded->kind->response;
    out.hold = (Vacancy__V1__HoldVacancyResponse *)inner; /* all members of the union are pointers to messages */
    call_answer(call, inner != NULL ? &out.base : NULL);
}

static void forward_resumed(struct call *call, const struct mail *mail)
{
    const struct forwarded *forwarded = call->state;
    struct update *update = mail->payload;
    update_hide_unknown(update);
    if (update->result.problem.code != ERR_NONE)
        call_finish(call, &update->result.problem);
    else
        answer(call, forwarded->kind->type->reply(call_context(call), update, call->arena));
    update_destroy(update);
}

/* --- requests ----------------------------------------------------------------------------------------------------- */

/* A read, and on the trail before it leaves. */
static void get_by_id(struct call *call, const Vacancy__V1__GetHoldRequest *in)
{
    const struct forwarded *forwarded = call->state;
    struct problem problem = {0};
    struct hold hold;
    Vacancy__V1__GetHoldResponse out = VACANCY__V1__GET_HOLD_RESPONSE__INIT;
    if (in->request_id[0] != '\0' || in->region[0] != '\0') {
        call_fail(call, ERR_INVALID, in->request_id[0] != '\0' ? "request_id" : "region",
                  "goes with no hold_id: give one or the other");
        return;
    }
    if (hold_read(call_context(call), &forwarded->who, in->hold_id, &hold, &problem) != ERR_NONE) {
        call_finish(call, &problem);
        return;
    }
    out.hold = team_hold_view(call_context(call), &hold, NULL, call->arena);
    const uint64_t subjects[] = {hold.vacancy_id, hold.national_reference};
    const struct shown shown = {.request_reference = hold.request_reference,
                                .subjects = subjects,
                                .subject_count = 2,
                                .forwarded_by = forwarded->hub.region};
    if (out.hold == NULL || call_disclose(call, &forwarded->who, &shown))
        answer(call, out.hold != NULL ? &out.base : NULL);
}

static void decide(struct call *call, const ProtobufCMessage *request)
{
    const struct forwarded *forwarded = call->state;
    struct update *update = update_make(call, forwarded->kind->type, &forwarded->who, request);
    if (update == NULL) {
        call_short_of_memory(call);
        return;
    }
    struct problem problem = update->result.problem;
    char *asks = update->kind == UPDATE_LET_GO ? update->as.transfer.to_region : update->as.hold.forwarded_by;
    memcpy(asks, forwarded->hub.region, GSS_BYTES);
    if (problem.code == ERR_NONE && update_send(call, update) == ERR_NONE)
        return;
    update_destroy(update);
    if (problem.code != ERR_NONE)
        call_finish(call, &problem);
    else
        call_fail(call, ERR_UNAVAILABLE, "", "too many updates are waiting at this hub; try again");
}

static const struct kind *kind_of(const envelope *in)
{
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        if (kinds[i].request == in->request_case)
            return &kinds[i];
    return NULL;
}

/* False: the call was ended. */
static bool take(struct call *call, const envelope *in)
{
    struct forwarded *forwarded = arena_zalloc(call->arena, sizeof *forwarded);
    struct problem problem = {0};
    if (forwarded == NULL) {
        call_short_of_memory(call);
        return false;
    }
    call->state = forwarded;
    if (!call_identify_hub(call, &forwarded->hub) || !count(call, forwarded))
        return false;
    forwarded->kind = kind_of(in);
    if (in->principal[0] == '\0')
        problem_set(&problem, ERR_INVALID, "principal", "required: the SPIFFE name of who asks");
    else if (in->request_case == VACANCY__V1__FORWARD_REQUEST__REQUEST__NOT_SET)
        problem_set(&problem, ERR_INVALID, "request",
                    "required: one of hold, extend, release, place, report, get, let_go");
    else if (forwarded->kind == NULL)
        problem_set(&problem, ERR_UNIMPLEMENTED, "request", "this hub has no such request for other hubs");
    else if (access_vouched(call_context(call)->access, &forwarded->hub, in->principal, forwarded->kind->type->roles,
                            &forwarded->who, &problem) == ERR_NONE)
        return true;
    call_finish(call, &problem);
    return false;
}

static void forward(struct call *call, const ProtobufCMessage *message)
{
    const envelope *in = (const envelope *)message;
    if (!take(call, in))
        return;
    if (in->request_case == VACANCY__V1__FORWARD_REQUEST__REQUEST_GET && in->get->hold_id[0] != '\0')
        get_by_id(call, in->get);
    else
        decide(call, &in->hold->base); /* the union's, whichever it is */
}

static void forward_closed(struct call *call)
{
    struct forwarded *forwarded = call->state;
    if (forwarded != NULL && forwarded->count != NULL)
        atomic_fetch_sub(forwarded->count, 1);
    call->state = NULL;
}

const struct call_handler forward_handler = {
    .message = forward, .resumed = forward_resumed, .orphaned = write_orphaned, .closed = forward_closed};
