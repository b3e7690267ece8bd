/*
 * convert_hold.c - holds as their team and their agency see them.
 * No state, any thread; reads the agency's contact from the register or its replica. Invariant: a team sees nothing of
 * the home beyond the vacancy's id and its agency's contact, and nothing of other holders (design 4.9); texts point
 * into the hold given or lie in the arena.
 */
#include "daemon/service/convert.h"
#include "daemon/service/updates.h"
#include "daemon/service/views.h"

#include <stdio.h>
#include <string.h>

char *hold_id_view(const char *region, const struct hold_token *token, struct arena *arena)
{
    char *text = arena_alloc(arena, HOLD_ID_BYTES);
    if (text != NULL)
        hold_id_format(region, token, text);
    return text;
}

static char *request_id_view(const uint8_t id[REQUEST_ID_BYTES], struct arena *arena)
{
    char *text = arena_alloc(arena, REQUEST_ID_TEXT_BYTES);
    if (text == NULL)
        return NULL;
    for (size_t i = 0, at = 0; i < REQUEST_ID_BYTES; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10)
            text[at++] = '-';
        at += (size_t)snprintf(text + at, 3, "%02x", id[i]);
    }
    return text;
}

bool contact_of(const struct service_context *ctx, const char *region, const char *agency,
                Vacancy__V1__AgencyContact **out, struct arena *arena)
{
    struct octets key = {(const uint8_t *)agency, strlen(agency)}, row;
    struct agency *known = arena_alloc(arena, sizeof *known);
    enum err err = ERR_NOT_FOUND;
    *out = NULL;
    if (known == NULL)
        return false;
    if (strcmp(region, ctx->region) == 0)
        err = home_get_agency(ctx->home, agency, known);
    else if (ctx->replica != NULL && key.size > 0)
        err = replica_read(ctx->replica, region, LOG_TABLE_AGENCY, &key, arena, &row);
    if (err == ERR_NONE && strcmp(region, ctx->region) != 0)
        err = agency_decode(agency, &row, known);
    return err != ERR_NONE ? err != ERR_LIMIT : (*out = contact_view(known, arena)) != NULL;
}

/* What everybody who may see the hold sees of it. */
static Vacancy__V1__HoldView *hold_view(const char *region, const struct hold *hold, struct arena *arena)
{
    NEW(Vacancy__V1__HoldView, out, vacancy__v1__hold_view__init);
    out->region = (char *)region;
    out->beds = hold->beds;
    out->state = (Vacancy__V1__HoldState)hold->state;
    out->made_at_ms = hold->made_at_ms;
    out->until_ms = hold->until_ms;
    out->ended_at_ms = hold->ended_at_ms;
    out->extended = hold->extended;
    out->request_reference = (char *)hold->request_reference;
    out->decline_reason = (Vacancy__V1__DeclineReason)hold->decline_reason;
    out->placement_code = (Vacancy__V1__PlacementCode)hold->placement_code;
    if ((out->hold_id = hold_id_view(region, &hold->token, arena)) == NULL ||
        (out->vacancy_id = view_id(arena, hold->vacancy_id)) == NULL ||
        (hold->state == HOLD_PLACED && (out->starts_on = view_date(arena, hold->starts_on)) == NULL))
        return NULL;
    return out;
}

Vacancy__V1__HoldView *team_hold_view(const struct service_context *ctx, const struct hold *hold,
                                      const uint8_t *request_id, struct arena *arena)
{
    Vacancy__V1__HoldView *out = hold_view(ctx->region, hold, arena);
    if (out == NULL || !contact_of(ctx, ctx->region, hold->agency, &out->agency, arena) ||
        (request_id != NULL && (out->request_id = request_id_view(request_id, arena)) == NULL))
        return NULL;
    return out;
}

Vacancy__V1__HoldView *agency_hold_view(const struct service_context *ctx, const struct hold *hold, struct arena *arena)
{
    Vacancy__V1__HoldView *out = hold_view(ctx->region, hold, arena);
    if (out == NULL)
        return NULL;
    out->holder = (char *)hold->holder;
    out->authority = (char *)hold->authority;
    out->agency_reference = (char *)hold->agency_reference;
    const struct authority *authority = gazetteer_authority(ctx->gazetteer, hold->authority);
    out->authority_name = (char *)(authority != NULL ? authority->name : "");
    return out;
}

Vacancy__V1__HoldReceipt *hold_receipt_view(const struct update *update, struct arena *arena)
{
    NEW(Vacancy__V1__HoldReceipt, out, vacancy__v1__hold_receipt__init);
    out->epoch = update->result.epoch;
    out->sequence = update->result.sequence;
    out->durability = durability_view(update);
    out->repeated = update->result.outcome == OUTCOME_REPEATED;
    return out;
}

Vacancy__V1__HoldView *asked_hold_view(const struct service_context *ctx, const struct asked_hold *asked,
                                       const struct hold *shared, struct arena *arena)
{
    struct hold hold = {.vacancy_id = asked->vacancy_id,
                        .beds = asked->beds,
                        .made_at_ms = asked->asked_at_ms,
                        .until_ms = asked->until_ms};
    if (shared != NULL)
        hold = *shared;
    hold.token = asked->token;
    hold.starts_on = DATE_NONE; /* its home hub alone knows */
    Vacancy__V1__HoldView *out = hold_view(asked->region, &hold, arena);
    if (out == NULL || !contact_of(ctx, asked->region, asked->agency, &out->agency, arena) ||
        (out->request_id = request_id_view(asked->request_id, arena)) == NULL)
        return NULL;
    if (asked->token.epoch == 0)
        out->hold_id = (char *)"";
    out->request_reference = (char *)asked->request_reference;
    out->outcome_unknown = asked->token.epoch == 0;
    return out;
}
