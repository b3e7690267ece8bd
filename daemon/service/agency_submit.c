/*
 * agency_submit.c - AgencyService: Submit, many updates on one stream.
 *
 * A ring of at most 256 updates, in order of arrival; each leaves at the head once it and all before it are answered.
 *
 *     head .. sent | sent .. end | free          head..sent: at the writer or answered; sent..end: made, to be sent
 *
 * The stream is read only while the ring has room, everything in it is at the writer, and the client takes responses.
 * On the call's worker. Invariant: updates of one stream reach the writer in the order in which they came.
 */
#include "daemon/service/handlers.h"
#include "daemon/service/updates.h"
#include "daemon/service/views.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define UNDER_WAY_MAX        256u
#define RESPONSE_ARENA_BYTES 4096u

struct slot {
    uint64_t tag;          /* the client's */
    const char *field;     /* member of the oneof, before a path; "" when there was no update */
    struct update *update; /* at the writer: owned there, but its address is kept to know it by */
    bool answered;
};

struct submit {
    uint64_t head, sent, end; /* counted from the stream's start; slot n is slots[n % UNDER_WAY_MAX] */
    bool half_closed;
    bool full; /* the client takes no more responses for now */
    struct arena arena;
    struct slot slots[UNDER_WAY_MAX];
};

static struct slot *slot_of(struct submit *submit, uint64_t number)
{
    return &submit->slots[number % UNDER_WAY_MAX];
}

/* Sends what is to be sent, in order; stops where there is no room. */
static void send_updates(struct call *call, struct submit *submit)
{
    while (submit->sent < submit->end) {
        struct slot *slot = slot_of(submit, submit->sent);
        if (!slot->answered) {
            enum err err = update_send(call, slot->update);
            if (err == ERR_LIMIT)
                return;
            if (err != ERR_NONE) {
                problem_set(&slot->update->result.problem, ERR_UNAVAILABLE, "",
                            "the register takes no updates now; "
                            "try again later");
                slot->answered = true;
            }
        }
        submit->sent++;
    }
}

/* False when the arena's limit was reached: never, the response being of bounded size. */
static bool fill_response(const struct slot *slot, Vacancy__V1__SubmitResponse *out, struct arena *arena)
{
    const struct update_result *result = &slot->update->result;
    out->tag = slot->tag;
    if (result->problem.code != ERR_NONE) {
        out->code = err_status(result->problem.code);
        out->message = (char *)result->problem.text;
        out->field =
            arena_printf(arena, "%s%s%s", slot->field,
                         slot->field[0] != '\0' && result->problem.field[0] != '\0' ? "." : "", result->problem.field);
        return out->field != NULL;
    }
    if (slot->update->kind == UPDATE_PUT_CARER)
        out->national_reference = view_id(arena, result->national_reference);
    if (slot->update->kind == UPDATE_PUT_VACANCY)
        out->vacancy_id = view_id(arena, result->vacancy_id);
    out->receipt = receipt_view(slot->update, arena);
    return out->receipt != NULL && out->national_reference != NULL && out->vacancy_id != NULL;
}

/* Answers from the head on as far as answers are there and the client takes them. False: the call was ended. */
static bool answer(struct call *call, struct submit *submit)
{
    while (!submit->full && submit->head < submit->sent && slot_of(submit, submit->head)->answered) {
        struct slot *slot = slot_of(submit, submit->head);
        Vacancy__V1__SubmitResponse out = VACANCY__V1__SUBMIT_RESPONSE__INIT;
        if (!fill_response(slot, &out, &submit->arena)) {
            call_fail(call, ERR_INTERNAL, "", "a response could not be made");
            return false;
        }
        submit->full = !call_send(call, &out.base);
        arena_reset(&submit->arena);
        update_destroy(slot->update);
        slot->update = NULL;
        submit->head++;
    }
    return true;
}

/* After anything happened: moves what can move, then decides whether to read on or to end. */
static void turn(struct call *call)
{
    struct submit *submit = call->state;
    send_updates(call, submit);
    if (!answer(call, submit))
        return;
    if (submit->half_closed && submit->head == submit->end) {
        call_finish(call, NULL);
        return;
    }
    bool room = submit->end - submit->head < UNDER_WAY_MAX && submit->sent == submit->end && !submit->full;
    call_set_reading(call, room && !submit->half_closed);
    /* Nothing of this stream is at the writer whose answer would wake it: ask for another turn. */
    if (submit->sent < submit->end && submit->head == submit->sent && !submit->full)
        call_yield(call);
}

static const struct update_type *type_of(const Vacancy__V1__SubmitRequest *in, const ProtobufCMessage **request,
                                         const char **field)
{
    switch (in->update_case) {
    case VACANCY__V1__SUBMIT_REQUEST__UPDATE_PUT_CARER:
        *request = &in->put_carer->base;
        *field = "put_carer";
        return &put_carer_type;
    case VACANCY__V1__SUBMIT_REQUEST__UPDATE_END_CARER:
        *request = &in->end_carer->base;
        *field = "end_carer";
        return &end_carer_type;
    case VACANCY__V1__SUBMIT_REQUEST__UPDATE_PUT_VACANCY:
        *request = &in->put_vacancy->base;
        *field = "put_vacancy";
        return &put_vacancy_type;
    case VACANCY__V1__SUBMIT_REQUEST__UPDATE_WITHDRAW_VACANCY:
        *request = &in->withdraw_vacancy->base;
        *field = "withdraw_vacancy";
        return &withdraw_vacancy_type;
    default:
        *field = "";
        return NULL;
    }
}

static struct update *make(struct call *call, const struct principal *who, const Vacancy__V1__SubmitRequest *in,
                           const char **field)
{
    const ProtobufCMessage *request = NULL;
    const struct update_type *type = type_of(in, &request, field);
    if (type != NULL)
        return update_make(call, type, who, request);
    struct update *update = update_create(UPDATE_PUT_CARER);
    if (update != NULL)
        problem_set(&update->result.problem, ERR_INVALID, "update",
                    "required: one of put_carer, end_carer, put_vacancy, withdraw_vacancy");
    return update;
}

static struct submit *submit_begin(struct call *call)
{
    struct submit *submit = call_begin_state(call, sizeof *submit);
    if (submit == NULL)
        return NULL;
    arena_init(&submit->arena, RESPONSE_ARENA_BYTES);
    return submit;
}

static void submit_message(struct call *call, const ProtobufCMessage *message)
{
    const Vacancy__V1__SubmitRequest *in = (const Vacancy__V1__SubmitRequest *)message;
    struct submit *submit = call->state;
    struct principal who;
    /* Each update anew: whoever was suspended since the stream began is out. */
    if (!call_identify(call, ROLE_BIT(ROLE_AGENCY), &who))
        return;
    if (submit == NULL && (submit = submit_begin(call)) == NULL)
        return;
    if (submit->end - submit->head >= UNDER_WAY_MAX) {
        call_fail(call, ERR_LIMIT, "", "more than %u updates under way", UNDER_WAY_MAX);
        return;
    }
    struct slot *slot = slot_of(submit, submit->end);
    *slot = (struct slot){.tag = in->tag};
    slot->update = make(call, &who, in, &slot->field);
    if (slot->update == NULL) {
        call_short_of_memory(call);
        return;
    }
    slot->answered = slot->update->result.problem.code != ERR_NONE;
    slot->update->tag = submit->end;
    submit->end++;
    turn(call);
}

static void submit_half_closed(struct call *call)
{
    struct submit *submit = call->state;
    struct principal who;
    if (submit == NULL) { /* not one update: who calls was not asked yet */
        if (call_identify(call, ROLE_BIT(ROLE_AGENCY), &who))
            call_finish(call, NULL);
        return;
    }
    submit->half_closed = true;
    turn(call);
}

static void submit_resumed(struct call *call, const struct mail *mail)
{
    struct submit *submit = call->state;
    struct update *update = mail->payload;
    update_hide_unknown(update);
    slot_of(submit, update->tag)->answered = true;
    turn(call);
}

static void submit_writable(struct call *call)
{
    struct submit *submit = call->state;
    submit->full = false;
    turn(call);
}

/* What is at the writer comes back as mail to nobody (orphaned); the rest is freed here. */
static void submit_closed(struct call *call)
{
    struct submit *submit = call->state;
    if (submit == NULL)
        return;
    call->state = NULL;
    for (uint64_t n = submit->head; n < submit->end; n++)
        if (slot_of(submit, n)->answered || n >= submit->sent)
            update_destroy(slot_of(submit, n)->update);
    arena_finish(&submit->arena);
    free(submit);
}

const struct call_handler submit_handler = {.message = submit_message,
                                            .half_closed = submit_half_closed,
                                            .resumed = submit_resumed,
                                            .orphaned = write_orphaned,
                                            .writable = submit_writable,
                                            .closed = submit_closed};
