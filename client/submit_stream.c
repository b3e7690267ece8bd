/*
 * submit_stream.c - see submit_stream.h. The client's one thread.
 */
#include "client/submit_stream.h"

#include "client/push_sheet.h"
#include "proto/wire/status.h"

#define TURN_EVERY 64u

static void count_outcome(struct report *report, const Vacancy__V1__Receipt *receipt)
{
    switch (receipt ? receipt->outcome : VACANCY__V1__RECEIPT__OUTCOME__OUTCOME_UNSPECIFIED) {
    case VACANCY__V1__RECEIPT__OUTCOME__OUTCOME_CREATED:
        report->created++;
        break;
    case VACANCY__V1__RECEIPT__OUTCOME__OUTCOME_UPDATED:
        report->updated++;
        break;
    case VACANCY__V1__RECEIPT__OUTCOME__OUTCOME_CONFIRMED:
        report->confirmed++;
        break;
    case VACANCY__V1__RECEIPT__OUTCOME__OUTCOME_ENDED:
        report->ended++;
        break;
    default:
        report->unchanged++;
    }
}

static void note_receipt(struct submit_stream *stream, const Vacancy__V1__Receipt *receipt)
{
    count_outcome(stream->report, receipt);
    receipts_take(&stream->report->receipts, receipt);
    if (receipt != NULL) {
        stream->epoch = receipt->epoch;
        stream->sequence = receipt->sequence;
    }
}

static void hear(void *context, const ProtobufCMessage *message)
{
    struct submit_stream *stream = context;
    const Vacancy__V1__SubmitResponse *response = (const Vacancy__V1__SubmitResponse *)message;
    if (stream->answered == stream->sent || response->tag != stream->answered)
        return; /* not an answer to anything; the count at the end will not add up and say so */
    const struct submit_slot *slot = &stream->slots[stream->answered++ % SUBMIT_WINDOW];
    if (response->code == GRPC_OK) {
        note_receipt(stream, response->receipt);
        return;
    }
    if (slot->withdraw && response->code == GRPC_NOT_FOUND)
        return;
    if (!slot->carer && slot->line != 0 && stream->failed_carer_line == slot->line)
        return;
    if (slot->carer)
        stream->failed_carer_line = slot->line;
    const struct sheet_column *column = sheet_column_of_field(&push_sheet, response->field);
    const char *where = slot->line == 0 ? slot->reference : column ? column->name : NULL;
    report_rejected(stream->report, slot->line, where,
                    response->message[0] ? response->message : grpc_code_name(response->code));
}

void submit_begin(struct submit_stream *stream, struct cli *cli, struct report *report)
{
    struct link_want want = {.path = "/vacancy.v1.AgencyService/Submit",
                             .reply = &vacancy__v1__submit_response__descriptor,
                             .message = hear,
                             .context = stream};
    *stream = (struct submit_stream){.cli = cli, .report = report};
    stream->call = link_start(cli->link, &want);
}

bool submit_is_over(const struct submit_stream *stream)
{
    return link_is_over(stream->call, NULL);
}

void submit_send(struct submit_stream *stream, Vacancy__V1__SubmitRequest *request, const struct submit_slot *slot)
{
    while (!submit_is_over(stream) &&
           (stream->sent - stream->answered >= SUBMIT_WINDOW || !link_writable(stream->call)))
        link_turn(stream->cli->link, LINK_CALL_MS);
    if (submit_is_over(stream))
        return;
    request->tag = stream->sent;
    stream->slots[stream->sent++ % SUBMIT_WINDOW] = *slot;
    link_send(stream->call, &request->base);
    if (stream->sent % TURN_EVERY == 0)
        link_turn(stream->cli->link, 0);
}

void submit_settle(struct submit_stream *stream)
{
    while (!submit_is_over(stream) && stream->answered < stream->sent)
        link_turn(stream->cli->link, LINK_CALL_MS);
}

enum err submit_end(struct submit_stream *stream, uint64_t total, struct problem *problem)
{
    link_end(stream->call);
    while (!link_is_over(stream->call, problem)) {
        link_turn(stream->cli->link, LINK_CALL_MS);
        progress_show(&stream->report->progress, total ? (double)stream->answered / (double)total : -1,
                      stream->answered);
    }
    if (problem->code == ERR_NONE && stream->answered < stream->sent)
        problem_set(problem, ERR_UNAVAILABLE, "", "the hub stopped answering before the end");
    submit_abandon(stream);
    return problem->code;
}

void submit_abandon(struct submit_stream *stream)
{
    link_free(stream->call);
    stream->call = NULL;
}
