/*
 * cmd_answer.c - vacancy accept, vacancy decline: an agency answers a hold. The client's one thread.
 */
#include "client/codes.h"
#include "client/command.h"
#include "client/json.h"
#include "client/sure_call.h"
#include "vacancy/v1/agency_service.pb-c.h"

#include <stdlib.h>
#include <string.h>

#define SHOWS_IT "`vacancy holds --all` shows it; say it again if the hold still awaits an answer"
#define HUBS_OWN VACANCY__V1__DECLINE_REASON__DECLINE_REASON_APPROVAL_ENDED /* why the hub itself ends a hold */

static void print_hold(struct cli *cli, const char *done, const Vacancy__V1__HoldView *hold)
{
    char when[WHEN_TEXT_BYTES];
    if (hold == NULL) {
        fprintf(cli->out, "%s\n", done);
        return;
    }
    char *reference = clean_text(hold->agency_reference, 64), *request = clean_text(hold->request_reference, 40);
    fprintf(cli->out, "%s: %s, %u bed%s for %s", done, reference, hold->beds, hold->beds == 1 ? "" : "s", request);
    if (hold->ended_at_ms == 0)
        fprintf(cli->out, ", the team's until %s", when_text(hold->until_ms, when));
    fputc('\n', cli->out);
    free(reference);
    free(request);
}

/* Says the answer as the hub gave it; an agency's answer waits for no other hub. */
static enum exit_code finish(struct cli *cli, const char *done, const ProtobufCMessage *reply,
                             const Vacancy__V1__HoldReceipt *receipt, const Vacancy__V1__HoldView *hold)
{
    if (options_flag(&cli->options, "json")) {
        json_print(cli->out, json_of_message(reply));
        return EXIT_DONE;
    }
    print_hold(cli, done, hold);
    if (receipt != NULL && receipt->durability == VACANCY__V1__DURABILITY__DURABILITY_LOCAL)
        fputs("on your hub's disk; the others get it within seconds\n", cli->out);
    return EXIT_DONE;
}

static enum exit_code run_accept(struct cli *cli)
{
    Vacancy__V1__AcceptHoldRequest request = VACANCY__V1__ACCEPT_HOLD_REQUEST__INIT;
    const ProtobufCMessage *reply;
    struct problem problem = {0};
    bool unknown;
    enum exit_code code = cli_connect(cli);
    if (code != EXIT_DONE)
        return code;
    request.request_id = cli_request_id();
    request.hold_id = (char *)cli->options.arguments[0];
    const struct sure_call call = {"/vacancy.v1.AgencyService/AcceptHold", &request.base,
                                   &vacancy__v1__accept_hold_response__descriptor};
    enum err err = sure_call_run(cli, &call, &reply, &unknown, &problem);
    if (unknown)
        return sure_call_not_known(cli, NULL, &problem, SHOWS_IT);
    if (err != ERR_NONE)
        return cli_failed(cli, &problem);
    const Vacancy__V1__AcceptHoldResponse *response = (const Vacancy__V1__AcceptHoldResponse *)reply;
    return finish(cli, "accepted", reply, response->receipt, response->hold);
}

/* What an agency may say. */
static const char *reasons(char *out, size_t out_bytes)
{
    size_t used = 0;
    const char *name;
    for (int i = 1; (name = code_name(&vacancy__v1__decline_reason__descriptor, i)) != NULL && used < out_bytes; i++)
        if (i != HUBS_OWN)
            used += (size_t)snprintf(out + used, out_bytes - used, "%s%s", used ? ", " : "", name);
    return out;
}

static enum exit_code run_decline(struct cli *cli)
{
    Vacancy__V1__DeclineHoldRequest request = VACANCY__V1__DECLINE_HOLD_REQUEST__INIT;
    const ProtobufCMessage *reply;
    struct problem problem = {0};
    const char *text = options_text(&cli->options, "reason");
    char list[256];
    bool unknown;
    int reason = 0;
    if (text == NULL || !code_parse(&vacancy__v1__decline_reason__descriptor, text, strlen(text), &reason) ||
        reason == HUBS_OWN)
        return cli_usage(cli, "--reason is needed: one of %s", reasons(list, sizeof list));
    enum exit_code code = cli_connect(cli);
    if (code != EXIT_DONE)
        return code;
    request.request_id = cli_request_id();
    request.hold_id = (char *)cli->options.arguments[0];
    request.reason = (Vacancy__V1__DeclineReason)reason;
    const struct sure_call call = {"/vacancy.v1.AgencyService/DeclineHold", &request.base,
                                   &vacancy__v1__decline_hold_response__descriptor};
    enum err err = sure_call_run(cli, &call, &reply, &unknown, &problem);
    if (unknown)
        return sure_call_not_known(cli, NULL, &problem, SHOWS_IT);
    if (err != ERR_NONE) {
        if (strcmp(problem.field, "reason") == 0)
            snprintf(problem.field, sizeof problem.field, "--reason");
        return cli_failed(cli, &problem);
    }
    const Vacancy__V1__DeclineHoldResponse *response = (const Vacancy__V1__DeclineHoldResponse *)reply;
    return finish(cli, "declined", reply, response->receipt, response->hold);
}

static const struct option_spec accept_options[] = {
    {"json", NULL, "the receipt and the hold as JSON", false},
    {0},
};

const struct command command_accept = {
    .name = "accept",
    .arguments = "HOLD",
    .summary = "Answer a hold: yes, the home takes the children for whom it was made.",
    .example = "  vacancy accept E12000003-1-4711\n",
    .notes = "`vacancy holds` and `vacancy worklist` list the holds. The beds are the team's until the hold's end, as "
             "before; the team places the children.",
    .options = accept_options,
    .arguments_min = 1,
    .arguments_max = 1,
    .run = run_accept,
};

static void print_reasons(FILE *out, unsigned width)
{
    char list[256];
    print_wrapped(out, 0, "reasons: ", 9, reasons(list, sizeof list), width);
}

static const struct option_spec decline_options[] = {
    {"reason", "CODE", "why; needed", false},
    {"json", NULL, "the receipt and the hold as JSON", false},
    {0},
};

const struct command command_decline = {
    .name = "decline",
    .arguments = "HOLD",
    .summary = "Answer a hold: no. The beds are free again.",
    .example = "  vacancy decline E12000003-1-4711 --reason NEEDS_OF_CURRENT_CHILD\n",
    .notes = "The team is told the reason. A vacancy with live holds can only be withdrawn when they are declined. A "
             "placement that never began is taken back with PLACEMENT_DID_NOT_BEGIN, as long as no push of yours lists "
             "its children.",
    .options = decline_options,
    .more_help = print_reasons,
    .arguments_min = 1,
    .arguments_max = 1,
    .run = run_decline,
};
