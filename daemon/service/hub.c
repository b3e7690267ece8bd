/*
 * hub.c - HubService: PutAgency, ListAgencies, SuspendPrincipal, GetStatus.
 * On the call's worker.
 */
#include "daemon/service/check.h"
#include "daemon/service/convert.h"
#include "daemon/service/handlers.h"
#include "daemon/service/updates.h"
#include "daemon/service/views.h"

#include <stdlib.h>
#include <string.h>

/* --- PutAgency ------------------------------------------------------------------------------------------------- */

static enum err fill_put_agency(const struct service_context *ctx, const struct principal *who,
                                const ProtobufCMessage *request, int64_t now_ms, struct update *update,
                                struct problem *problem)
{
    (void)who;
    (void)now_ms;
    const Vacancy__V1__PutAgencyRequest *in = (const Vacancy__V1__PutAgencyRequest *)request;
    return agency_from(ctx, in->agency, &update->as.agency_row, problem);
}

static ProtobufCMessage *reply_put_agency(const struct service_context *ctx, const struct update *update,
                                          struct arena *arena)
{
    (void)ctx;
    NEW(Vacancy__V1__PutAgencyResponse, out, vacancy__v1__put_agency_response__init);
    out->epoch = update->result.epoch;
    out->sequence = update->result.sequence;
    return &out->base;
}

static const struct update_type put_agency_type = {
    .kind = UPDATE_PUT_AGENCY,
    .method = "/vacancy.v1.HubService/PutAgency",
    .roles = ROLE_BIT(ROLE_OPERATOR),
    .request_id_offset = offsetof(Vacancy__V1__PutAgencyRequest, request_id),
    .fill = fill_put_agency,
    .reply = reply_put_agency,
};

static void put_agency(struct call *call, const ProtobufCMessage *message)
{
    write_message(call, &put_agency_type, message);
}

const struct call_handler put_agency_handler = {
    .message = put_agency, .resumed = write_resumed, .orphaned = write_orphaned};

/* --- SuspendPrincipal ------------------------------------------------------------------------------------------ */

static enum err fill_suspend(const struct service_context *ctx, const struct principal *who,
                             const ProtobufCMessage *request, int64_t now_ms, struct update *update,
                             struct problem *problem)
{
    (void)now_ms;
    const Vacancy__V1__SuspendPrincipalRequest *in = (const Vacancy__V1__SuspendPrincipalRequest *)request;
    if (in->principal[0] == '\0')
        return wrong(problem, NULL, "principal", "required: the SPIFFE name, as it stands in the certificate");
    enum err err = access_check_name(ctx->access, in->principal, problem);
    if (err != ERR_NONE)
        return wrong(problem, NULL, "principal", "no certificate of this federation can bear this name");
    if (in->suspended && strcmp(in->principal, who->name) == 0)
        return problem_set(problem, ERR_PRECONDITION, "principal",
                           "an operator can't suspend themselves: nobody might be left to undo it");
    strcpy(update->as.standing.name, in->principal);
    update->as.standing.suspended = in->suspended;
    return ERR_NONE;
}

static ProtobufCMessage *reply_suspend(const struct service_context *ctx, const struct update *update,
                                       struct arena *arena)
{
    (void)ctx;
    (void)update;
    NEW(Vacancy__V1__SuspendPrincipalResponse, out, vacancy__v1__suspend_principal_response__init);
    return &out->base;
}

static const struct update_type suspend_type = {
    .kind = UPDATE_SET_PRINCIPAL,
    .method = "/vacancy.v1.HubService/SuspendPrincipal",
    .roles = ROLE_BIT(ROLE_OPERATOR),
    .request_id_offset = offsetof(Vacancy__V1__SuspendPrincipalRequest, request_id),
    .fill = fill_suspend,
    .reply = reply_suspend,
};

static void suspend_principal(struct call *call, const ProtobufCMessage *message)
{
    write_message(call, &suspend_type, message);
}

const struct call_handler suspend_principal_handler = {
    .message = suspend_principal, .resumed = write_resumed, .orphaned = write_orphaned};

/* --- ListAgencies ---------------------------------------------------------------------------------------------- */

#define COUNT_PAGE       32
#define VIEW_ARENA_BYTES (64u * 1024)

/* One agency at a time: its carers are counted by reading them, a page a turn. */
struct agencies {
    char after_id[AGENCY_ID_BYTES];
    bool have; /* an agency is being counted */
    struct agency agency;
    char after_reference[AGENCY_REFERENCE_BYTES];
    bool in_lost, has_hash; /* after those with a reference, those that are lost in a restore */
    uint8_t after_hash[DIGEST_BYTES];
    uint32_t carers, vacancies, lost;
    struct arena arena;
    struct home_carer page[COUNT_PAGE];
};

/* Counts a page. *done: that was the last. */
static enum err count_page(struct call *call, struct agencies *agencies, bool *done)
{
    struct home *home = call_context(call)->home;
    const char *id = agencies->agency.id;
    size_t got = 0;
    enum err err = agencies->in_lost
                       ? home_list_lost(home, id, agencies->has_hash ? agencies->after_hash : NULL, agencies->page,
                                        COUNT_PAGE, &got)
                       : home_list_carers(home, id, agencies->after_reference, agencies->page, COUNT_PAGE, &got);
    for (size_t i = 0; err == ERR_NONE && i < got; i++) {
        agencies->carers += agencies->page[i].carer.status != CARER_ENDED;
        agencies->lost += agencies->page[i].lost && agencies->page[i].carer.status != CARER_ENDED;
        agencies->vacancies += agencies->page[i].vacancy.vacancy_id != 0;
    }
    const struct home_carer *last = got > 0 ? &agencies->page[got - 1] : NULL;
    if (last != NULL && agencies->in_lost) {
        memcpy(agencies->after_hash, last->reference_hash, DIGEST_BYTES);
        agencies->has_hash = true;
    } else if (last != NULL) {
        memcpy(agencies->after_reference, last->carer.agency_reference, sizeof agencies->after_reference);
    }
    *done = got < COUNT_PAGE && agencies->in_lost;
    agencies->in_lost |= got < COUNT_PAGE;
    return err;
}

static void send_agency(struct call *call, struct agencies *agencies)
{
    Vacancy__V1__ListAgenciesResponse out = VACANCY__V1__LIST_AGENCIES_RESPONSE__INIT;
    out.carers = agencies->carers;
    out.vacancies = agencies->vacancies;
    out.lost_in_restore = agencies->lost;
    out.agency = agency_view(&agencies->agency, &agencies->arena);
    if (out.agency == NULL) {
        call_fail(call, ERR_LIMIT, "", "an agency's record is larger than this hub gives");
        return;
    }
    bool more = call_send(call, &out.base);
    arena_reset(&agencies->arena);
    agencies->have = false;
    if (more)
        call_yield(call);
}

static void agencies_turn(struct call *call)
{
    struct agencies *agencies = call->state;
    enum err err = ERR_NONE;
    bool done = false;
    if (!agencies->have) {
        size_t got = 0;
        err = home_list_agencies(call_context(call)->home, agencies->after_id, &agencies->agency, 1, &got);
        if (err == ERR_NONE && got == 0) {
            call_finish(call, NULL);
            return;
        }
        memcpy(agencies->after_id, agencies->agency.id, sizeof agencies->after_id);
        agencies->after_reference[0] = '\0';
        agencies->in_lost = agencies->has_hash = false;
        agencies->carers = agencies->vacancies = agencies->lost = 0;
        agencies->have = true;
    }
    if (err == ERR_NONE)
        err = count_page(call, agencies, &done);
    if (err != ERR_NONE)
        call_fail(call, err, "", "the register could not be read");
    else if (done)
        send_agency(call, agencies);
    else
        call_yield(call);
}

static void list_agencies(struct call *call, const ProtobufCMessage *message)
{
    const Vacancy__V1__ListAgenciesRequest *in = (const Vacancy__V1__ListAgenciesRequest *)message;
    struct principal who;
    if (!call_identify(call, ROLE_BIT(ROLE_OPERATOR), &who))
        return;
    if (strlen(in->after_id) >= AGENCY_ID_BYTES) {
        call_fail(call, ERR_INVALID, "after_id", "longer than an agency's id; at most 40 characters are accepted");
        return;
    }
    struct agencies *agencies = call_begin_state(call, sizeof *agencies);
    if (agencies == NULL)
        return;
    strcpy(agencies->after_id, in->after_id);
    arena_init(&agencies->arena, VIEW_ARENA_BYTES);
    agencies_turn(call);
}

static void agencies_closed(struct call *call)
{
    struct agencies *agencies = call->state;
    if (agencies == NULL)
        return;
    call->state = NULL;
    arena_finish(&agencies->arena);
    free(agencies);
}

const struct call_handler list_agencies_handler = {
    .message = list_agencies, .writable = agencies_turn, .closed = agencies_closed};

/* --- GetStatus ------------------------------------------------------------------------------------------------- */

static void get_status(struct call *call, const ProtobufCMessage *message)
{
    (void)message;
    struct service_context *ctx = call_context(call);
    struct principal who;
    struct home_counts counts;
    struct service_counters counters = {0};
    char digest_hex[DIGEST_HEX_SIZE];
    uint8_t digest[DIGEST_BYTES];
    if (!call_identify(call, ROLE_BIT(ROLE_OPERATOR) | ROLE_BIT(ROLE_AUDITOR), &who))
        return;
    enum err err = home_counts(ctx->home, &counts);
    if (err != ERR_NONE) {
        call_fail(call, err, "", "the register could not be read");
        return;
    }
    if (ctx->counters != NULL)
        ctx->counters(ctx->counters_ctx, &counters);
    gazetteer_digest(ctx->gazetteer, digest);
    hex_encode(digest, sizeof digest, digest_hex);

    Vacancy__V1__GetStatusResponse out = VACANCY__V1__GET_STATUS_RESPONSE__INIT;
    home_position(ctx->home, &out.epoch, &out.sequence);
    out.region = ctx->region;
    out.version = (char *)ctx->version;
    out.uptime_ms = clock_boot_ms(call->clock) - ctx->started_boot_ms;
    out.agencies = counts.agencies;
    out.carers = counts.carers;
    out.vacancies = counts.vacancies;
    out.store_limit_bytes = counts.usage.limit_bytes;
    out.store_used_bytes = counts.usage.used_bytes;
    out.connections = counters.connections;
    out.calls = counters.calls;
    out.searches = atomic_load_explicit(&ctx->searches, memory_order_relaxed);
    out.gazetteer_digest = digest_hex;
    out.gazetteer_edition = (char *)gazetteer_edition(ctx->gazetteer);
    out.writable = home_writable(ctx->home);
    call_answer(call, &out.base);
}

const struct call_handler get_status_handler = {.message = get_status};
