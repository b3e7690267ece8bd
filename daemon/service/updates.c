/*
 * updates.c - see updates.h. On the call's worker; no state.
 */
#include "daemon/service/updates.h"

#include "daemon/service/check.h"
#include "daemon/service/content_hash.h"
#include "daemon/service/views.h"

#include <string.h>

/* Whether the caller waits until another hub has it, too. */
static enum err read_wait_for(const struct update_type *type, const ProtobufCMessage *request, bool *wait,
                              struct problem *problem)
{
    if (type->wait_for_offset == 0)
        return ERR_NONE;
    int wait_for = *(const int *)((const uint8_t *)request + type->wait_for_offset);
    *wait = wait_for == VACANCY__V1__DURABILITY__DURABILITY_REPLICATED;
    if (!*wait && wait_for != VACANCY__V1__DURABILITY__DURABILITY_LOCAL &&
        wait_for != VACANCY__V1__DURABILITY__DURABILITY_UNSPECIFIED)
        return wrong(problem, NULL, "wait_for", "%d is no code of Durability; send LOCAL or REPLICATED", wait_for);
    return ERR_NONE;
}

struct update *update_read(struct call *call, const struct update_type *type, const struct principal *who,
                           const ProtobufCMessage *request)
{
    struct update *update = update_create(type->kind);
    if (update == NULL)
        return NULL;
    int64_t now_ms = clock_wall_ms(call->clock);
    const char *request_id =
        type->request_id_offset != 0 ? *(char *const *)((const uint8_t *)request + type->request_id_offset) : "";
    struct problem *problem = &update->result.problem;
    memcpy(update->principal, who->name, sizeof update->principal);
    if (who->role == ROLE_AGENCY)
        memcpy(update->agency, who->id, sizeof update->agency);
    update->method = type->method;
    update->expires_boot_ms = call->deadline_boot_ms;
    if (check_request_id(problem, request_id, now_ms, &update->has_request_id, update->request_id) != ERR_NONE)
        return update;
    if (read_wait_for(type, request, &update->wait_replicated, problem) != ERR_NONE)
        return update;
    if (update->has_request_id)
        content_hash(type->method, request, update->content_hash);
    if (type->fill(call_context(call), who, request, now_ms, update, problem) == ERR_NONE)
        problem->code = ERR_NONE;
    return update;
}

struct update *update_make(struct call *call, const struct update_type *type, const struct principal *who,
                           const ProtobufCMessage *request)
{
    struct update *update = update_read(call, type, who, request);
    char region[GSS_BYTES];
    if (update == NULL || update->result.problem.code != ERR_NONE || type->region == NULL)
        return update;
    type->region(call_context(call), who, request, region);
    if (strcmp(region, call_context(call)->region) != 0)
        (void)problem_set(
            &update->result.problem, ERR_PRECONDITION, "",
            "the hub of region %s decides this and no other: ask there, or through the hub of your region", region);
    return update;
}

struct update *update_or_end(struct call *call, struct update *made)
{
    if (made != NULL && made->result.problem.code == ERR_NONE)
        return made;
    if (made == NULL) {
        call_short_of_memory(call);
    } else {
        struct problem problem = made->result.problem;
        update_destroy(made);
        call_finish(call, &problem);
    }
    return NULL;
}

enum err update_send(struct call *call, struct update *update)
{
    const struct update_port *port = &call_context(call)->updates;
    enum err err = call_reserve_reply(call, &update->reply);
    if (err != ERR_NONE)
        return err;
    err = port->submit(port->ctx, update);
    if (err != ERR_NONE)
        call_unreserve_reply(call);
    return err;
}

void update_hide_unknown(struct update *update)
{
    if (update->result.problem.code == ERR_NOT_FOUND && update->agency[0] != '\0')
        update->result.problem.code = ERR_FORBIDDEN;
}

Vacancy__V1__Durability durability_view(const struct update *update)
{
    return update->result.replicated ? VACANCY__V1__DURABILITY__DURABILITY_REPLICATED
                                     : VACANCY__V1__DURABILITY__DURABILITY_LOCAL;
}

Vacancy__V1__Receipt *receipt_view(const struct update *update, struct arena *arena)
{
    NEW(Vacancy__V1__Receipt, receipt, vacancy__v1__receipt__init);
    receipt->epoch = update->result.epoch;
    receipt->sequence = update->result.sequence;
    receipt->durability = durability_view(update);
    receipt->lost_in_restore = update->result.lost_in_restore;
    receipt->outcome = (Vacancy__V1__Receipt__Outcome)update->result.outcome;
    return receipt;
}
_Static_assert((int)OUTCOME_REPEATED == (int)VACANCY__V1__RECEIPT__OUTCOME__OUTCOME_REPEATED &&
                   (int)OUTCOME_CREATED == (int)VACANCY__V1__RECEIPT__OUTCOME__OUTCOME_CREATED,
               "the register's outcomes are the contract's");

void write_message(struct call *call, const struct update_type *type, const ProtobufCMessage *request)
{
    struct principal who;
    if (!call_identify(call, type->roles, &who))
        return;
    struct update *update = update_or_end(call, update_make(call, type, &who, request));
    if (update == NULL)
        return;
    call->state = (void *)type;
    if (update_send(call, update) != ERR_NONE) {
        update_destroy(update);
        call_fail(call, ERR_UNAVAILABLE, "", "too many updates are waiting at this hub; try again");
    }
}

void write_resumed(struct call *call, const struct mail *mail)
{
    const struct update_type *type = call->state;
    struct update *update = mail->payload;
    update_hide_unknown(update);
    if (update->result.problem.code != ERR_NONE)
        call_finish(call, &update->result.problem);
    else
        call_answer(call, type->reply(call_context(call), update, call->arena));
    update_destroy(update);
}

void write_orphaned(const struct mail *mail)
{
    update_destroy(mail->payload);
}
