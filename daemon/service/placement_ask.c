/*
 * placement_ask.c - see placement_ask.h. On the call's worker; its state is in the call's arena.
 */
#include "daemon/service/placement_ask.h"

#include "daemon/base/log.h"
#include "daemon/record/bytes.h"
#include "daemon/record/scratch.h"
#include "daemon/service/convert.h"
#include "daemon/service/forwarding.h"
#include "daemon/service/placement.h"

#include <stdio.h>
#include <string.h>

enum phase {
    PHASE_HERE,     /* at this hub's writer */
    PHASE_NOTING,   /* that another region is asked, before it is */
    PHASE_AWAY,     /* at the other region's hub */
    PHASE_NOTED,    /* what it answered, before the caller hears it */
    PHASE_SETTLING, /* there again: it refused this try, and an earlier one may be done yet */
};

struct asking {
    const struct asking_type *type;
    struct principal team;
    enum phase phase;
    char region[GSS_BYTES];
    ProtobufCMessage *request;           /* ours: the call's message is gone by the time it is sent */
    Vacancy__V1__AgencyContact *contact; /* whom to telephone; NULL: not known */
    bool noted;                          /* asked is kept */
    bool others_open;                    /* another try of this request may have been done, or be done yet */
    bool done_before;                    /* one was, by what is noted */
    bool settled;                        /* that was asked, once */
    bool done_by_other, sent_again;      /* it was, and so this try will be answered as that one was */
    struct asked_hold asked;
    uint64_t subject;        /* the vacancy that it is about; 0: not known here */
    struct forward *forward; /* from PHASE_NOTED on; NULL: nobody was asked, for */
    struct problem problem;
};

static bool is_hold(const struct asking *asking)
{
    return asking->type->update->kind == UPDATE_HOLD;
}

/* A copy in the arena, with its region filled in, so that the hub there looks nothing up. NULL: it does not fit. */
static ProtobufCMessage *copy_of(const ProtobufCMessage *message, struct asking *asking, struct arena *arena)
{
    struct octets octets;
    struct scratch *scratch = arena_alloc(arena, sizeof *scratch);
    if (scratch == NULL || pack_message(message, arena, &octets) != ERR_NONE)
        return NULL;
    scratch_init(scratch);
    ProtobufCMessage *copy =
        protobuf_c_message_unpack(message->descriptor, &scratch->allocator, octets.size, octets.data);
    if (copy == NULL)
        return NULL;
    if (is_hold(asking))
        ((Vacancy__V1__HoldVacancyRequest *)copy)->region = asking->region;
    else if (asking->type->update->kind == UPDATE_REPORT_UNAVAILABLE)
        ((Vacancy__V1__ReportUnavailableRequest *)copy)->region = asking->region;
    return copy;
}

/* --- whom to telephone -------------------------------------------------------------------------------------------- */

/* Of a hold of another region, by what that region's log says. */
static bool contact_of_hold(const struct service_context *ctx, const char *region, const struct hold_token *token,
                            uint64_t *vacancy_id, Vacancy__V1__AgencyContact **out, struct arena *arena)
{
    uint8_t hold_bytes[HOLD_KEY_BYTES], carer_bytes[8], hash[DIGEST_BYTES];
    struct octets key = {hold_bytes, sizeof hold_bytes}, row;
    struct hold hold;
    char agency[AGENCY_ID_BYTES];
    *out = NULL;
    if (ctx->replica == NULL)
        return true;
    hold_key(token, hold_bytes);
    if (replica_read(ctx->replica, region, LOG_TABLE_HOLD, &key, arena, &row) != ERR_NONE ||
        hold_row_decode(&key, &row, &hold) != ERR_NONE)
        return true;
    *vacancy_id = hold.vacancy_id;
    put_be64(carer_bytes, hold.national_reference);
    key = (struct octets){carer_bytes, sizeof carer_bytes};
    if (replica_read(ctx->replica, region, LOG_TABLE_CARER, &key, arena, &row) != ERR_NONE ||
        carer_row_owner(&row, agency, hash) != ERR_NONE)
        return true;
    return contact_of(ctx, region, agency, out, arena);
}

static bool find_contact(const struct service_context *ctx, const struct update *update, const struct hold_token *token,
                         struct asking *asking, struct arena *arena)
{
    char region[GSS_BYTES];
    struct agency *agency;
    if (update == NULL || token->epoch != 0)
        return contact_of_hold(ctx, asking->region, token, &asking->subject, &asking->contact, arena);
    asking->subject = update->as.hold.vacancy_id;
    if ((agency = arena_alloc(arena, sizeof *agency)) == NULL)
        return false;
    if (update->as.hold.vacancy_id == 0 ||
        match_where(ctx->match, update->as.hold.vacancy_id, region, agency) != ERR_NONE || agency->id[0] == '\0' ||
        strcmp(region, asking->region) != 0)
        return true;
    memcpy(asking->asked.agency, agency->id, sizeof asking->asked.agency);
    return (asking->contact = contact_view(agency, arena)) != NULL;
}

/* --- what is noted ------------------------------------------------------------------------------------------------ */

static bool send_note(struct call *call, struct asking *asking, int64_t expires_boot_ms)
{
    struct update *note = update_create(UPDATE_NOTE_ASKED);
    if (note == NULL)
        return false;
    memcpy(note->principal, asking->team.name, sizeof note->principal);
    note->method = asking->type->update->method;
    note->expires_boot_ms = expires_boot_ms;
    note->as.asked = asking->asked;
    if (update_send(call, note) == ERR_NONE)
        return true;
    update_destroy(note);
    return false;
}

/* What is to be noted of a hold that is asked there. */
static void note_of(struct call *call, const struct update *update, struct asking *asking)
{
    struct asked_hold *asked = &asking->asked;
    asking->noted = true;
    asked->step = ASKED_BEGUN;
    memcpy(asked->holder, asking->team.name, sizeof asked->holder);
    memcpy(asked->region, asking->region, sizeof asked->region);
    memcpy(asked->request_id, update->request_id, sizeof asked->request_id);
    memcpy(asked->request_reference, update->as.hold.request_reference, sizeof asked->request_reference);
    asked->vacancy_id = update->as.hold.vacancy_id;
    asked->beds = update->as.hold.beds;
    asked->asked_at_ms = clock_wall_ms(call->clock);
    asked->code = err_status(ERR_DEADLINE);
}

/* What the home hub says of a request id that settles it: nothing was done with it, and it is spent. */
static bool settles(const struct forward *forward)
{
    return forward->by_home && !forward->outcome_unknown && forward->problem.code == ERR_NOT_FOUND;
}

static const Vacancy__V1__HoldView *hold_of(const struct asking *asking, const ProtobufCMessage *response)
{
    switch (asking->type->response) {
    case VACANCY__V1__FORWARD_RESPONSE__RESPONSE_HOLD:
        return ((const Vacancy__V1__HoldVacancyResponse *)response)->hold;
    case VACANCY__V1__FORWARD_RESPONSE__RESPONSE_EXTEND:
        return ((const Vacancy__V1__ExtendHoldResponse *)response)->hold;
    case VACANCY__V1__FORWARD_RESPONSE__RESPONSE_RELEASE:
        return ((const Vacancy__V1__ReleaseHoldResponse *)response)->hold;
    case VACANCY__V1__FORWARD_RESPONSE__RESPONSE_PLACE:
        return ((const Vacancy__V1__PlaceChildResponse *)response)->hold;
    case VACANCY__V1__FORWARD_RESPONSE__RESPONSE_GET:
        return ((const Vacancy__V1__GetHoldResponse *)response)->hold;
    default:
        return NULL;
    }
}

/* hold NULL: none is told. */
static bool note_hold(struct asking *asking, const Vacancy__V1__HoldView *hold)
{
    struct asked_hold *asked = &asking->asked;
    char region[GSS_BYTES];
    struct hold_token token;
    if (hold == NULL || !hold_id_parse(hold->hold_id, region, &token) || strcmp(region, asking->region) != 0)
        return false;
    asked->token = token;
    asked->until_ms = hold->until_ms;
    asked->code = 0;
    asked->step = ASKED_DONE;
    return true;
}

/* True: there is something to note. */
static bool note_answer(struct asking *asking, const ProtobufCMessage *response)
{
    struct asked_hold *asked = &asking->asked;
    if (!asking->noted)
        return false;
    if (response != NULL && note_hold(asking, hold_of(asking, response)))
        return true;
    if (response != NULL || (is_hold(asking) ? asking->forward->outcome_unknown : !settles(asking->forward)))
        return false; /* as it was: not known */
    asked->step = is_hold(asking) ? ASKED_REFUSED : ASKED_SETTLED;
    asked->code = err_status(asking->forward->problem.code);
    return true;
}

/* --- the trail ---------------------------------------------------------------------------------------------------- */

/*
 * What is asked of another hub is on this one's trail before it is sent, as not known, and again with what came of it:
 * of a hold that is asked for it is the note that says so (home_apply.c).
 */
static enum err on_trail(struct call *call, const struct asking *asking, uint32_t code,
                         const Vacancy__V1__HoldView *hold)
{
    uint64_t subject = asking->subject;
    const char *reference = asking->asked.request_reference;
    if (hold != NULL && request_reference_valid(hold->request_reference))
        reference = hold->request_reference;
    if (hold != NULL && !id_parse(hold->vacancy_id, &subject))
        subject = asking->subject;
    const struct shown shown = {.request_reference = reference,
                                .asked_of = asking->region,
                                .code = code,
                                .subjects = &subject,
                                .subject_count = subject != 0};
    return call_record(call, &asking->team, &shown);
}

/* That it was not done: its caller may hear it also where that can't be written, for that it was asked is. */
static void refusal_on_trail(struct call *call, const struct asking *asking, enum err code)
{
    if (!is_hold(asking) && on_trail(call, asking, err_status(code), NULL) != ERR_NONE)
        log_warn("service", "what region %s answered is not on the audit trail, which can't be written",
                 asking->region);
}

/* --- there and back ----------------------------------------------------------------------------------------------- */

/* As it is kept that nobody was asked: DEADLINE_EXCEEDED is what nobody knows the outcome of. */
static enum err unsent_as(enum err code)
{
    return code == ERR_DEADLINE ? ERR_UNAVAILABLE : code;
}

static void tell(struct call *call);

static void send_away(struct call *call)
{
    struct asking *asking = call->state;
    Vacancy__V1__ForwardRequest request = VACANCY__V1__FORWARD_REQUEST__INIT;
    request.principal = asking->team.name;
    request.request_case = asking->type->request;
    request.hold = (Vacancy__V1__HoldVacancyRequest *)asking->request; /* all members of the union are pointers */
    if (!is_hold(asking) && on_trail(call, asking, err_status(ERR_DEADLINE), NULL) != ERR_NONE) {
        call_fail(call, ERR_UNAVAILABLE, "",
                  "the audit trail can't be written, so nobody was asked; the hub's operator sees why in its log");
        return;
    }
    asking->phase = PHASE_AWAY;
    if (forwarding_send(call, asking->region, &request, &asking->problem) == ERR_NONE)
        return;
    asking->phase = PHASE_NOTED;
    asking->asked.code = err_status(unsent_as(asking->problem.code));
    refusal_on_trail(call, asking, unsent_as(asking->problem.code));
    asking->asked.step = ASKED_REFUSED;
    if (!is_hold(asking) || !send_note(call, asking, 0))
        tell(call);
}

/*
 * What another hub shows of a hold is shown here: on this hub's trail too, before it leaves. Where that can't be
 * written, a question is refused; but what was done there is not denied: of its outcome nothing is said.
 */
static bool disclose(struct call *call, const struct asking *asking, const ProtobufCMessage *response)
{
    if (on_trail(call, asking, 0, hold_of(asking, response)) == ERR_NONE)
        return true;
    if (asking->type->update->kind == UPDATE_SETTLE_HOLD) {
        call_fail(call, ERR_UNAVAILABLE, "",
                  "the audit trail can't be written, so nothing can be shown; the hub's operator sees why in its log");
        return false;
    }
    log_warn("service", "what region %s answered can't be shown, the audit trail can't be written", asking->region);
    forward_settle(asking->forward, FORWARD_LOST, NULL);
    forwarding_fail(call, asking->forward, asking->contact);
    return false;
}

/* This try did nothing; another one of the same request may have, and its outcome is not known. Or it is, but the home
 * hub was not heard: "nothing was done" would be untrue of the request. */
static void keep_unknown(const struct asking *asking)
{
    struct forward *forward = asking->forward;
    bool done_unheard = asking->done_before && !forward->by_home;
    if ((!asking->others_open && !done_unheard) || forward->outcome_unknown)
        return;
    forward->outcome_unknown = true;
    forward->problem.code = ERR_DEADLINE;
}

static void fail(struct call *call, const struct asking *asking)
{
    if (asking->type->response == VACANCY__V1__FORWARD_RESPONSE__RESPONSE_GET)
        forwarding_fail_saying(call, asking->forward, asking->contact, NULL);
    else
        forwarding_fail(call, asking->forward, asking->contact);
}

static void tell(struct call *call)
{
    struct asking *asking = call->state;
    if (asking->forward == NULL) {
        call_finish(call, &asking->problem);
        return;
    }
    const ProtobufCMessage *response = forwarding_response(call, asking->forward, asking->type->response);
    if (response == NULL) {
        keep_unknown(asking);
        if (!asking->forward->outcome_unknown)
            refusal_on_trail(call, asking, asking->forward->problem.code);
        fail(call, asking);
    } else if (disclose(call, asking, response)) {
        call_answer(call, response);
    }
}

static void note_it(struct call *call, struct asking *asking)
{
    asking->phase = PHASE_NOTED;
    if (send_note(call, asking, 0))
        return;
    log_warn("service", "what region %s answered could not be noted: its outcome stays unknown in ListHolds",
             asking->region);
    tell(call);
}

static void answered(struct call *call, struct forward *forward)
{
    struct asking *asking = call->state;
    forward_destroy(asking->forward);
    asking->forward = forward;
    if (note_answer(asking, forwarding_response(call, forward, asking->type->response)))
        note_it(call, asking);
    else
        tell(call);
}

/* --- a refusal while another try is open -------------------------------------------------------------------------- */

static bool must_settle(const struct asking *asking)
{
    const struct forward *forward = asking->forward;
    return forward != NULL && forward->problem.code != ERR_NONE && forward->by_home && asking->others_open &&
           !asking->settled;
}

/* Asks what became of the request id, so that what the caller hears is the end of it. */
static void settle(struct call *call)
{
    struct asking *asking = call->state;
    Vacancy__V1__GetHoldRequest get = VACANCY__V1__GET_HOLD_REQUEST__INIT;
    Vacancy__V1__ForwardRequest request = VACANCY__V1__FORWARD_REQUEST__INIT;
    struct problem ignored;
    get.request_id = ((Vacancy__V1__HoldVacancyRequest *)asking->request)->request_id;
    get.region = asking->region;
    request.principal = asking->team.name;
    request.request_case = VACANCY__V1__FORWARD_REQUEST__REQUEST_GET;
    request.get = &get;
    asking->settled = true;
    asking->phase = PHASE_SETTLING;
    if (forwarding_send(call, asking->region, &request, &ignored) != ERR_NONE)
        tell(call);
}

static void settled(struct call *call, struct forward *answer)
{
    struct asking *asking = call->state;
    const Vacancy__V1__GetHoldResponse *response = (const Vacancy__V1__GetHoldResponse *)forwarding_response(
        call, answer, VACANCY__V1__FORWARD_RESPONSE__RESPONSE_GET);
    bool spent = response == NULL && settles(answer);
    asking->done_by_other = response != NULL && note_hold(asking, response->hold);
    forward_destroy(answer);
    if (spent) {
        asking->others_open = false;
        asking->asked.step = ASKED_SETTLED;
    }
    if (spent || asking->done_by_other)
        note_it(call, asking);
    else
        tell(call);
}

/* The state before anything else: what is freed with the call. */
static struct asking *begin(struct call *call, const struct asking_type *type, const struct principal *team,
                            const char *region)
{
    struct asking *asking = arena_alloc(call->arena, sizeof *asking);
    if (asking == NULL)
        return NULL;
    *asking = (struct asking){.type = type, .team = *team};
    memcpy(asking->region, region, sizeof asking->region);
    call->state = asking;
    return asking;
}

/* False: no room. */
static bool begin_note(struct call *call, const struct update *update, struct asking *asking)
{
    const struct service_context *ctx = call_context(call);
    if (is_hold(asking)) {
        note_of(call, update, asking);
    } else if (update->kind != UPDATE_SETTLE_HOLD) {
        memcpy(asking->asked.request_reference, update->as.hold.request_reference, REQUEST_REFERENCE_BYTES);
    } else if (home_get_asked(ctx->home, asking->team.name, update->request_id, &asking->asked) == ERR_NONE) {
        asking->noted = true; /* the answer may settle it */
        asking->subject = asking->asked.vacancy_id;
        if (strcmp(asking->asked.region, asking->region) == 0)
            return contact_of(ctx, asking->region, asking->asked.agency, &asking->contact, call->arena);
    }
    return true;
}

/* update NULL: a question about the hold of this token. */
static void go_away(struct call *call, const struct update *update, const struct hold_token *token,
                    const ProtobufCMessage *message)
{
    struct asking *asking = call->state;
    struct problem problem = {0};
    if (forwarding_check(call_context(call), asking->region, &problem) != ERR_NONE) {
        snprintf(problem.field, sizeof problem.field, "%s",
                 update != NULL ? asking->type->update->region_field : "hold_id");
        call_finish(call, &problem);
        return;
    }
    asking->request = copy_of(message, asking, call->arena);
    if (asking->request == NULL || !find_contact(call_context(call), update, token, asking, call->arena)) {
        call_short_of_memory(call);
        return;
    }
    if (update != NULL && !begin_note(call, update, asking)) {
        call_short_of_memory(call);
        return;
    }
    if (!is_hold(asking)) {
        send_away(call);
        return;
    }
    asking->phase = PHASE_NOTING;
    if (!send_note(call, asking, call->deadline_boot_ms))
        call_fail(call, ERR_UNAVAILABLE, "", "too many updates are waiting at this hub; nobody was asked: try again");
}

void asking_elsewhere(struct call *call, const struct asking_type *type, const struct principal *team,
                      const char *region, const struct hold_token *token, const ProtobufCMessage *message)
{
    if (begin(call, type, team, region) == NULL)
        call_short_of_memory(call);
    else
        go_away(call, NULL, token, message);
}

/* One id is one call: what it asked of another region before, and what may have come of it, is not asked again of other
 * beds (V5). */
static bool is_anothers(struct call *call, const struct update *update, const char *region, struct problem *problem)
{
    struct asked_hold before;
    if (update->kind != UPDATE_HOLD ||
        home_get_asked(call_context(call)->home, update->principal, update->request_id, &before) != ERR_NONE ||
        (before.code != 0 && before.code != err_status(ERR_DEADLINE)) ||
        (strcmp(before.region, region) == 0 && before.vacancy_id == update->as.hold.vacancy_id))
        return false;
    (void)problem_set(problem, ERR_PRECONDITION, "request_id",
                      "this id was used before for another content; use a new one");
    return true;
}

/* --- the handler -------------------------------------------------------------------------------------------------- */

/* Takes the update. */
static void begin_here(struct call *call, struct update *update)
{
    if (update_send(call, update) == ERR_NONE)
        return;
    update_destroy(update);
    call_fail(call, ERR_UNAVAILABLE, "", "too many updates are waiting at this hub; try again");
}

void asking_message(struct call *call, const struct asking_type *type, const ProtobufCMessage *message)
{
    struct principal team;
    char region[GSS_BYTES];
    if (!call_identify(call, type->update->roles, &team))
        return;
    struct update *update = update_or_end(call, update_read(call, type->update, &team, message));
    if (update == NULL)
        return;
    type->update->region(call_context(call), &team, message, region);
    struct problem problem;
    if (is_anothers(call, update, region, &problem)) {
        update_destroy(update);
        call_finish(call, &problem);
    } else if (begin(call, type, &team, region) == NULL) {
        update_destroy(update);
        call_short_of_memory(call);
    } else if (strcmp(region, call_context(call)->region) == 0) {
        begin_here(call, update);
    } else {
        go_away(call, update, &update->as.hold.token, message);
        update_destroy(update);
    }
}

static void noted(struct call *call, struct update *note)
{
    struct asking *asking = call->state;
    struct problem problem = note->result.problem;
    asking->others_open = note->as.asked.open > 1;
    asking->done_before = note->as.asked.token.epoch != 0;
    update_destroy(note);
    if (problem.code == ERR_NONE)
        send_away(call);
    else
        call_finish(call, &problem);
}

static void answer_noted(struct call *call, struct update *note)
{
    struct asking *asking = call->state;
    bool again = asking->done_by_other && !asking->sent_again;
    if (note->result.problem.code == ERR_NONE)
        asking->others_open = note->as.asked.open > 0 || asking->done_by_other;
    update_destroy(note);
    asking->sent_again = asking->sent_again || again;
    if (again)
        send_away(call);
    else if (must_settle(asking))
        settle(call);
    else
        tell(call);
}

static void decided(struct call *call, struct update *update)
{
    const struct asking *asking = call->state;
    if (update->result.problem.code != ERR_NONE)
        call_finish(call, &update->result.problem);
    else
        call_answer(call, asking->type->update->reply(call_context(call), update, call->arena));
    update_destroy(update);
}

void asking_resumed(struct call *call, const struct mail *mail)
{
    const struct asking *asking = call->state;
    switch (asking->phase) {
    case PHASE_HERE:
        decided(call, mail->payload);
        break;
    case PHASE_NOTING:
        noted(call, mail->payload);
        break;
    case PHASE_AWAY:
        answered(call, mail->payload);
        break;
    case PHASE_NOTED:
        answer_noted(call, mail->payload);
        break;
    case PHASE_SETTLING:
        settled(call, mail->payload);
        break;
    }
}

void asking_orphaned(const struct mail *mail)
{
    if (mail->value == FORWARD_MAIL)
        forwarding_orphaned(mail);
    else
        update_destroy(mail->payload);
}

void asking_closed(struct call *call)
{
    struct asking *asking = call->state;
    if (asking == NULL)
        return;
    call->state = NULL;
    forward_destroy(asking->forward);
}
