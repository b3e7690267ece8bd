/*
 * agency_transfer.c - AgencyService: ReleaseCarer, TakeOverCarer; and what another region's hub asks for one (let_go).
 *
 * Owns: what these requests must look like, their answers, and the two steps of a move between regions: the hub of the
 * code's region lets go (Forward), then this hub's register takes the carer. What a code is good for is the register's.
 * On the call's worker; its state is in the call's arena. Invariant: nobody is asked to let go of a carer that this hub
 * could not register at that moment; and once one has been let go, it is registered whatever became of the caller's
 * deadline. Whatever breaks off in between goes on when the same call is sent again.
 */
#include "daemon/base/text.h"
#include "daemon/record/scratch.h"
#include "daemon/service/check.h"
#include "daemon/service/convert.h"
#include "daemon/service/forwarding.h"
#include "daemon/service/handlers.h"
#include "daemon/service/updates.h"
#include "daemon/service/views.h"

#include <string.h>

/* --- ReleaseCarer ------------------------------------------------------------------------------------------------- */

static enum err fill_release(const struct service_context *ctx, const struct principal *who,
                             const ProtobufCMessage *request, int64_t now_ms, struct update *update,
                             struct problem *problem)
{
    (void)ctx;
    (void)who;
    (void)now_ms;
    const Vacancy__V1__ReleaseCarerRequest *in = (const Vacancy__V1__ReleaseCarerRequest *)request;
    _Static_assert(TRANSFER_SEED_BYTES == REQUEST_ID_BYTES, "a request id is a seed");
    if (update->has_request_id)
        memcpy(update->as.transfer.seed, update->request_id, TRANSFER_SEED_BYTES);
    return check_reference(problem, NULL, "agency_reference", in->agency_reference, update->agency_reference);
}

static ProtobufCMessage *reply_release(const struct service_context *ctx, const struct update *update,
                                       struct arena *arena)
{
    NEW(Vacancy__V1__ReleaseCarerResponse, out, vacancy__v1__release_carer_response__init);
    char *code = arena_alloc(arena, TRANSFER_CODE_BYTES);
    out->receipt = receipt_view(update, arena);
    if (code == NULL || out->receipt == NULL)
        return NULL;
    home_transfer_code(ctx->home, update, code);
    out->transfer_code = code;
    out->until_ms = update->result.valid_until_ms;
    return &out->base;
}

static const struct update_type release_carer_type = {
    .kind = UPDATE_RELEASE_CARER,
    .method = "/vacancy.v1.AgencyService/ReleaseCarer",
    .roles = ROLE_BIT(ROLE_AGENCY),
    .request_id_offset = offsetof(Vacancy__V1__ReleaseCarerRequest, request_id),
    .fill = fill_release,
    .reply = reply_release,
};

static void release_carer(struct call *call, const ProtobufCMessage *message)
{
    write_message(call, &release_carer_type, message);
}

const struct call_handler release_carer_handler = {
    .message = release_carer, .resumed = write_resumed, .orphaned = write_orphaned};

/* --- codes -------------------------------------------------------------------------------------------------------- */

static enum err code_from(const char *text, struct transfer_code *out, struct problem *problem)
{
    if (text[0] == '\0')
        return wrong(problem, NULL, "transfer_code", "required: the code that the other agency handed on");
    if (!transfer_code_parse(text, out))
        return wrong(
            problem, NULL, "transfer_code",
            "no transfer code: region and 24 characters (\"E12000003-7KQ2M9FW3TXB-...\"); a character is wrong, "
            "missing or too many");
    return ERR_NONE;
}

/* --- let_go: the old home's part ---------------------------------------------------------------------------------- */

/* Which hub asks, as.transfer.to_region, is the caller's to fill in. */
static enum err fill_let_go(const struct service_context *ctx, const struct principal *who,
                            const ProtobufCMessage *request, int64_t now_ms, struct update *update,
                            struct problem *problem)
{
    (void)now_ms;
    struct transfer_code code = {0};
    enum err err = code_from(((const Vacancy__V1__LetGoRequest *)request)->transfer_code, &code, problem);
    if (err != ERR_NONE)
        return err;
    if (strcmp(code.region, ctx->region) != 0)
        return problem_set(problem, ERR_FORBIDDEN, "transfer_code", "this code is of region %s", code.region);
    memset(update->agency, 0, sizeof update->agency); /* none of this register's */
    memcpy(update->as.transfer.to_agency, who->id, sizeof update->as.transfer.to_agency);
    update->as.transfer.national_reference = code.national_reference;
    transfer_code_hash(&code, update->as.transfer.hash);
    /* What is handed over must not come back with a restore of this hub. */
    update->wait_replicated = true;
    return ERR_NONE;
}

static ProtobufCMessage *reply_let_go(const struct service_context *ctx, const struct update *update,
                                      struct arena *arena)
{
    (void)ctx;
    struct scratch *scratch = arena_alloc(arena, sizeof *scratch);
    if (scratch == NULL)
        return NULL;
    scratch_init(scratch);
    Vacancy__V1__LetGoResponse *out = vacancy__v1__let_go_response__unpack(
        &scratch->allocator, update->result.let_go.size, update->result.let_go.data);
    return out != NULL ? &out->base : NULL;
}

const struct update_type let_go_type = {
    .kind = UPDATE_LET_GO,
    .method = "/vacancy.v1.AgencyService/TakeOverCarer",
    .roles = ROLE_BIT(ROLE_AGENCY),
    .request_id_offset = 0,
    .fill = fill_let_go,
    .reply = reply_let_go,
};

/* --- TakeOverCarer ------------------------------------------------------------------------------------------------ */

static enum err fill_take_over(const struct service_context *ctx, const struct principal *who,
                               const ProtobufCMessage *request, int64_t now_ms, struct update *update,
                               struct problem *problem)
{
    (void)who;
    (void)now_ms;
    const Vacancy__V1__TakeOverCarerRequest *in = (const Vacancy__V1__TakeOverCarerRequest *)request;
    struct transfer_code code = {0};
    enum err err = code_from(in->transfer_code, &code, problem);
    if (err == ERR_NONE)
        err = check_reference(problem, NULL, "agency_reference", in->agency_reference, update->agency_reference);
    if (err != ERR_NONE)
        return err;
    update->as.transfer.national_reference = code.national_reference;
    transfer_code_hash(&code, update->as.transfer.hash);
    if (strcmp(code.region, ctx->region) != 0)
        memcpy(update->as.transfer.from_region, code.region, GSS_BYTES);
    return ERR_NONE;
}

/* The carer as it is registered now; not set if it is no more. */
static ProtobufCMessage *reply_take_over(const struct service_context *ctx, const struct update *update,
                                         struct arena *arena)
{
    NEW(Vacancy__V1__TakeOverCarerResponse, out, vacancy__v1__take_over_carer_response__init);
    struct home_carer *home = arena_alloc(arena, sizeof *home);
    out->receipt = receipt_view(update, arena);
    if (home == NULL || out->receipt == NULL)
        return NULL;
    if (home_get_carer(ctx->home, update->agency, update->agency_reference, home) != ERR_NONE ||
        home->national_reference != update->result.national_reference)
        return &out->base;
    return (out->carer = carer_view(ctx, home, arena)) != NULL ? &out->base : NULL;
}

static const struct update_type take_over_type = {
    .kind = UPDATE_TAKE_OVER,
    .method = "/vacancy.v1.AgencyService/TakeOverCarer",
    .roles = ROLE_BIT(ROLE_AGENCY),
    .request_id_offset = offsetof(Vacancy__V1__TakeOverCarerRequest, request_id),
    .fill = fill_take_over,
    .reply = reply_take_over,
};

struct taking {
    struct update *update; /* while the other hub is asked; else NULL */
};

/* Whether the register could take it now: what it would refuse afterwards is refused before anybody lets go. */
static enum err check_room(const struct service_context *ctx, const struct update *update, struct problem *problem)
{
    struct home_carer home;
    if (home_standing_now(ctx->home) != STANDING_DECIDING || !home_writable(ctx->home))
        return problem_set(problem, ERR_UNAVAILABLE, "",
                           "this hub takes no writes at this moment; nobody was asked to let go of the carer: try "
                           "again later");
    uint64_t whose = 0;
    enum err err = home_get_carer(ctx->home, update->agency, update->agency_reference, &home);
    if (err == ERR_NONE)
        whose = home.national_reference;
    else if (err == ERR_NOT_FOUND)
        err = home_get_former(ctx->home, update->agency, update->agency_reference, &whose);
    if (err == ERR_NONE && whose != update->as.transfer.national_reference)
        return problem_set(
            problem, ERR_EXISTS, "agency_reference",
            "this agency has given this reference to a carer already; nothing was changed: send another");
    return err == ERR_NONE || err == ERR_NOT_FOUND ? ERR_NONE
                                                   : problem_set(problem, err, "", "the register could not be read");
}

/* Done already, by whatever code: the other hub, which may have forgotten the carer since, need not be asked. */
static bool taken_already(const struct service_context *ctx, struct update *update)
{
    struct home_carer home;
    if (home_get_carer(ctx->home, update->agency, update->agency_reference, &home) != ERR_NONE ||
        home.national_reference != update->as.transfer.national_reference || home.carer.status == CARER_MOVED ||
        strcmp(home.moved_from_region, update->as.transfer.from_region) != 0)
        return false;
    update->as.transfer.moves = home.moves;
    return true;
}

/* Takes the update. */
static void register_here(struct call *call, struct update *update)
{
    if (update_send(call, update) == ERR_NONE)
        return;
    update_destroy(update);
    call_fail(call, ERR_UNAVAILABLE, "", "too many updates are waiting at this hub; send the same call again");
}

static enum err ask_to_let_go(struct call *call, const struct update *update, const char *code, struct problem *problem)
{
    Vacancy__V1__ForwardRequest request = VACANCY__V1__FORWARD_REQUEST__INIT;
    Vacancy__V1__LetGoRequest let_go = VACANCY__V1__LET_GO_REQUEST__INIT;
    const char *region = update->as.transfer.from_region;
    let_go.transfer_code = (char *)code;
    request.principal = (char *)update->principal;
    request.request_case = VACANCY__V1__FORWARD_REQUEST__REQUEST_LET_GO;
    request.let_go = &let_go;
    enum err err = forwarding_check(call_context(call), region, problem);
    if (err == ERR_NONE)
        err = check_room(call_context(call), update, problem);
    return err == ERR_NONE ? forwarding_send(call, region, &request, problem) : err;
}

static void take_over(struct call *call, const ProtobufCMessage *message)
{
    struct principal who;
    if (!call_identify(call, take_over_type.roles, &who))
        return;
    struct taking *taking = arena_zalloc(call->arena, sizeof *taking);
    struct update *update = taking != NULL ? update_read(call, &take_over_type, &who, message) : NULL;
    if (update == NULL) {
        call_short_of_memory(call);
        return;
    }
    struct problem problem = update->result.problem;
    call->state = taking;
    if (problem.code == ERR_NONE &&
        (update->as.transfer.from_region[0] == '\0' || taken_already(call_context(call), update))) {
        register_here(call, update);
        return;
    }
    taking->update = update;
    if (problem.code != ERR_NONE ||
        ask_to_let_go(call, update, ((const Vacancy__V1__TakeOverCarerRequest *)message)->transfer_code, &problem) !=
            ERR_NONE)
        call_finish(call, &problem);
}

/* What the other hub let go of, into the update. */
static enum err read_let_go(const Vacancy__V1__LetGoResponse *in, struct update *update, struct problem *problem)
{
    const struct octets carer = {in->carer.data, in->carer.len}, row = {in->carer_row.data, in->carer_row.len};
    uint8_t hash[DIGEST_BYTES];
    update->as.transfer.moves = in->moves;
    update->as.transfer.let_go_ms = in->at_ms;
    if (in->national_reference == update->as.transfer.national_reference && in->moves > 0 &&
        carer_row_owner(&row, update->as.transfer.from_agency, hash) == ERR_NONE &&
        carer_stated_decode(&carer, &row, &update->as.transfer.carer) == ERR_NONE)
        return ERR_NONE;
    return problem_set(problem, ERR_INTERNAL, "",
                       "the hub of region %s has let go of the carer, but what it handed over can't be read here; the "
                       "code goes on: tell the operators of both hubs",
                       update->as.transfer.from_region);
}

static void let_go_answered(struct call *call, struct taking *taking, struct forward *forward)
{
    struct update *update = taking->update;
    struct problem problem = {0};
    const ProtobufCMessage *response =
        forwarding_response(call, forward, VACANCY__V1__FORWARD_RESPONSE__RESPONSE_LET_GO);
    if (response == NULL) {
        forwarding_fail_saying(call, forward, NULL,
                               "send the same call again, with the same code: it goes on from there");
    } else if (read_let_go((const Vacancy__V1__LetGoResponse *)response, update, &problem) != ERR_NONE) {
        call_finish(call, &problem);
    } else {
        taking->update = NULL;
        update->expires_boot_ms = 0;
        register_here(call, update);
    }
    forward_destroy(forward);
}

static void take_over_resumed(struct call *call, const struct mail *mail)
{
    if (mail->value == FORWARD_MAIL) {
        let_go_answered(call, call->state, mail->payload);
        return;
    }
    struct update *update = mail->payload;
    update_hide_unknown(update);
    if (update->result.problem.code != ERR_NONE)
        call_finish(call, &update->result.problem);
    else
        call_answer(call, take_over_type.reply(call_context(call), update, call->arena));
    update_destroy(update);
}

static void take_over_orphaned(const struct mail *mail)
{
    if (mail->value == FORWARD_MAIL)
        forwarding_orphaned(mail);
    else
        update_destroy(mail->payload);
}

static void take_over_closed(struct call *call)
{
    struct taking *taking = call->state;
    if (taking != NULL)
        update_destroy(taking->update);
    call->state = NULL;
}

const struct call_handler take_over_carer_handler = {
    .message = take_over, .resumed = take_over_resumed, .orphaned = take_over_orphaned, .closed = take_over_closed};
