/*
 * forwarding.c - see forwarding.h. On the call's worker; no state.
 */
#include "daemon/service/forwarding.h"

#include <stdio.h>
#include <string.h>

/* --- there -------------------------------------------------------------------------------------------------------- */

static bool knows_region(const struct service_context *ctx, const char *region)
{
    const struct roster *roster = access_roster(ctx->access);
    bool known = roster != NULL && roster_find(roster, region) != NULL;
    roster_unref(roster);
    return known;
}

enum err forwarding_check(const struct service_context *ctx, const char *region, struct problem *problem)
{
    if (ctx->federation.forward.submit == NULL)
        return problem_set(problem, ERR_PRECONDITION, "",
                           "the hub of region %s decides this, and this hub is in no federation: ask there", region);
    if (!knows_region(ctx, region))
        return problem_set(problem, ERR_PRECONDITION, "", "region %s is not in this hub's roster; nobody was asked",
                           region);
    return ERR_NONE;
}

static enum err check_way(struct call *call, const char *region, int64_t deadline_ms, struct problem *problem)
{
    enum err err = forwarding_check(call_context(call), region, problem);
    if (err == ERR_NONE && deadline_ms <= clock_boot_ms(call->clock))
        err = problem_set(problem, ERR_DEADLINE, "",
                          "less than %d ms were left, too little to ask the hub of region %s; nobody was asked",
                          FORWARD_MARGIN_MS, region);
    return err;
}

static int64_t deadline_of(const struct call *call)
{
    int64_t most_ms = clock_boot_ms(call->clock) + FORWARD_DEADLINE_MS;
    int64_t callers_ms = call->deadline_boot_ms - FORWARD_MARGIN_MS;
    return callers_ms < most_ms ? callers_ms : most_ms;
}

static struct forward *make(struct call *call, const char *region, const Vacancy__V1__ForwardRequest *request)
{
    size_t size = protobuf_c_message_get_packed_size(&request->base);
    uint8_t *octets = arena_alloc(call->arena, size);
    if (octets == NULL)
        return NULL;
    protobuf_c_message_pack(&request->base, octets);
    return forward_create(region, &(struct octets){octets, size}, deadline_of(call));
}

enum err forwarding_send(struct call *call, const char *region, const Vacancy__V1__ForwardRequest *request,
                         struct problem *problem)
{
    const struct forward_port *port = &call_context(call)->federation.forward;
    enum err err = check_way(call, region, deadline_of(call), problem);
    if (err != ERR_NONE)
        return err;
    struct forward *forward = make(call, region, request);
    if (forward == NULL)
        return problem_set(problem, ERR_LIMIT, "", "this hub is short of memory; nobody was asked: try again");
    err = call_reserve_reply(call, &forward->reply);
    if (err == ERR_NONE && (err = port->submit(port->ctx, forward)) == ERR_NONE)
        return ERR_NONE;
    if (forward->reply.mailbox != NULL)
        call_unreserve_reply(call);
    forward_destroy(forward);
    return problem_set(problem, err, "", "%s; nobody was asked: try again",
                       err == ERR_LIMIT ? "too many calls to other hubs are under way" : "this hub is stopping");
}

/* --- and back ----------------------------------------------------------------------------------------------------- */

const ProtobufCMessage *forwarding_response(struct call *call, struct forward *forward,
                                            Vacancy__V1__ForwardResponse__ResponseCase item)
{
    const Vacancy__V1__ForwardResponse *response;
    struct problem why;
    if (forward->problem.code != ERR_NONE)
        return NULL;
    if (forward_response(forward, call->arena, &response, &why) == ERR_NONE) {
        /* All members of the union are pointers to messages. */
        if (response->response_case == item && response->hold != NULL)
            return &response->hold->base;
        problem_set(&why, ERR_INVALID, "", "its answer is to another question");
    }
    forward_settle(forward, FORWARD_LOST, &why);
    return NULL;
}

/* "2026-11-22T14:31Z" */
static void format_minute(int64_t wall_ms, char out[TIME_TEXT_BYTES])
{
    time_format(wall_ms, out);
    memcpy(out + strlen("2026-11-22T14:31"), "Z", 2);
}

static void set_text(struct problem *problem, const struct forward *forward, const Vacancy__V1__AgencyContact *contact,
                     const char *how)
{
    char since[TIME_TEXT_BYTES];
    if (forward->outcome_unknown && how == NULL) {
        problem_set(problem, problem->code, "", "the hub of region %s did not answer: ask again", forward->region);
    } else if (forward->outcome_unknown && forward->by_home) {
        problem_set(problem, problem->code, problem->field,
                    "%.90s: the hub of region %s may have done it all the same: %s", forward->problem.text,
                    forward->region, how);
    } else if (forward->outcome_unknown) {
        problem_set(problem, problem->code, "", "the hub of region %s may have done this, its answer did not come: %s",
                    forward->region, how);
    } else if (forward->unreachable_since_ms != 0) {
        format_minute(forward->unreachable_since_ms, since);
        /* With the longest name and number that an agency can have (offer.h) it still fits a problem's text. */
        problem_set(problem, problem->code, "", "region %s's hub can't be reached since %s; %s. %s%s%s%s",
                    forward->region, since, how != NULL ? "nothing was done" : "it was not asked",
                    contact != NULL ? "Telephone " : "Try again later", contact != NULL ? contact->name : "",
                    contact != NULL ? ", " : "", contact != NULL ? contact->phone : "");
    }
}

static void fail_with_detail(struct call *call, const struct forward *forward,
                             const Vacancy__V1__AgencyContact *contact, const char *how)
{
    Vacancy__V1__ForwardFailure failure = VACANCY__V1__FORWARD_FAILURE__INIT;
    struct problem problem = forward->problem;
    set_text(&problem, forward, contact, how);
    failure.outcome_unknown = forward->outcome_unknown;
    failure.region = (char *)forward->region;
    failure.unreachable_since_ms = forward->unreachable_since_ms;
    failure.agency = (Vacancy__V1__AgencyContact *)contact;
    call_finish_with(call, &problem, &(struct call_details){.problem = &problem, .detail = &failure.base});
}

void forwarding_fail(struct call *call, const struct forward *forward, const Vacancy__V1__AgencyContact *contact)
{
    forwarding_fail_saying(call, forward, contact,
                           "send the same call with the same request id again, or ask GetHold for that request id");
}

void forwarding_fail_saying(struct call *call, const struct forward *forward, const Vacancy__V1__AgencyContact *contact,
                            const char *how)
{
    if (!forward->by_home || forward->outcome_unknown)
        fail_with_detail(call, forward, contact, how);
    else if (forward->details.size > 0)
        call_finish_with(call, &forward->problem,
                         &(struct call_details){.problem = &forward->problem,
                                                .status = forward->details.data,
                                                .status_bytes = forward->details.size});
    else
        call_finish(call, &forward->problem);
}

void forwarding_finish(struct call *call, const struct mail *mail, Vacancy__V1__ForwardResponse__ResponseCase item,
                       const Vacancy__V1__AgencyContact *contact)
{
    struct forward *forward = mail->payload;
    const ProtobufCMessage *response = forwarding_response(call, forward, item);
    if (response != NULL)
        call_answer(call, response);
    else
        forwarding_fail(call, forward, contact);
    forward_destroy(forward);
}

void forwarding_orphaned(const struct mail *mail)
{
    forward_destroy(mail->payload);
}
