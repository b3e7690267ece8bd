/*
 * cmd_carer_move.c - vacancy carer release, vacancy carer take-over: a carer moves from one agency to another.
 * Owns nothing: a transfer code is printed once and kept nowhere. The client's one thread.
 */
#include "client/json.h"
#include "client/memory.h"
#include "client/receipt.h"
#include "client/sure_call.h"

#include <stdlib.h>
#include <string.h>

static enum exit_code run_release(struct cli *cli)
{
    Vacancy__V1__ReleaseCarerRequest request = VACANCY__V1__RELEASE_CARER_REQUEST__INIT;
    const ProtobufCMessage *reply;
    struct problem problem = {0};
    bool unknown;
    char when[WHEN_TEXT_BYTES];
    enum exit_code code = cli_connect(cli);
    if (code != EXIT_DONE)
        return code;
    request.request_id = cli_request_id();
    request.agency_reference = (char *)cli->options.arguments[0];
    const struct sure_call call = {"/vacancy.v1.AgencyService/ReleaseCarer", &request.base,
                                   &vacancy__v1__release_carer_response__descriptor};
    enum err err = sure_call_run(cli, &call, &reply, &unknown, &problem);
    if (unknown)
        return sure_call_not_known(cli, NULL, &problem,
                                   "say it again: that makes a new code, and one that was made before is void");
    if (err != ERR_NONE)
        return cli_failed(cli, &problem);
    const Vacancy__V1__ReleaseCarerResponse *response = (const Vacancy__V1__ReleaseCarerResponse *)reply;
    if (options_flag(&cli->options, "json")) {
        json_print(cli->out, json_of_message(reply));
        return EXIT_DONE;
    }
    char *transfer = clean_text(response->transfer_code, 80);
    fprintf(cli->out, "%s\n", transfer);
    fprintf(cli->err,
            "This is the transfer code. It is shown this once and kept nowhere; hand it on as you would a key. Until "
            "%s the other agency takes the carer over with it; until it does, the carer is yours.\n",
            when_text(response->until_ms, when));
    free(transfer);
    return EXIT_DONE;
}

/* The code must not be read by who looks at the list of processes. */
static bool read_code(struct cli *cli, char out[128])
{
    const char *given = cli->options.arguments[0];
    if (strcmp(given, "-") != 0) {
        snprintf(out, 128, "%s", given);
        return strlen(given) < 128;
    }
    if (fgets(out, 128, stdin) == NULL)
        return false;
    out[strcspn(out, "\r\n")] = '\0';
    return true;
}

static enum exit_code run_take_over(struct cli *cli)
{
    Vacancy__V1__TakeOverCarerRequest request = VACANCY__V1__TAKE_OVER_CARER_REQUEST__INIT;
    const ProtobufCMessage *reply;
    struct problem problem = {0};
    char transfer[128];
    const char *as = options_text(&cli->options, "as"), *id = options_text(&cli->options, "request-id");
    if (as == NULL)
        return cli_usage(cli, "--as is needed: the reference that you give the household");
    if (!read_code(cli, transfer))
        return cli_usage(cli, "that is no transfer code");
    enum exit_code code = cli_connect(cli);
    if (code != EXIT_DONE)
        return code;
    char *request_id = must_copy(id ? id : cli_request_id());
    request.request_id = request_id;
    request.transfer_code = transfer;
    request.agency_reference = (char *)as;
    if (link_call(cli->link, "/vacancy.v1.AgencyService/TakeOverCarer", &request.base,
                  &vacancy__v1__take_over_carer_response__descriptor, &reply, &problem) != ERR_NONE) {
        if (strcmp(problem.field, "agency_reference") == 0)
            snprintf(problem.field, sizeof problem.field, "--as");
        code = cli_failed(cli, &problem);
        if (code == EXIT_UNAVAILABLE && link_failure(cli->link)->outcome_unknown)
            cli_say(cli, "what became of it is not known; say it again with --request-id %s, that is safe", request_id);
    } else if (options_flag(&cli->options, "json")) {
        json_print(cli->out, json_of_message(reply));
    } else {
        const Vacancy__V1__CarerView *view = ((const Vacancy__V1__TakeOverCarerResponse *)reply)->carer;
        char *national = clean_text(view ? view->national_reference : "", 40), *mine = clean_text(as, 64);
        fprintf(cli->out, "taken over as %s, national reference %s; push it anew where something has changed\n", mine,
                national);
        free(national);
        free(mine);
    }
    free(request_id);
    return code;
}

static const struct option_spec release_options[] = {
    {"json", NULL, "the code, its end and the receipt as JSON", false},
    {0},
};

const struct command command_carer_release = {
    .name = "carer release",
    .arguments = "REF",
    .summary = "Give a carer up to another agency: prints the transfer code, once.",
    .example = "  vacancy carer release L-00017\n",
    .notes = "REF is your own reference of the carer. The carer stays yours until somebody shows the code; it is good "
             "for 14 days, and void when you release the carer anew or end the approval.",
    .options = release_options,
    .arguments_min = 1,
    .arguments_max = 1,
    .run = run_release,
};

static const struct option_spec take_over_options[] = {
    {"as", "REF", "the reference that you give the household; needed", false},
    {"request-id", "ID", "that of an earlier try whose outcome is not known", false},
    {"json", NULL, "the receipt and the carer as JSON", false},
    {0},
};

const struct command command_carer_take_over = {
    .name = "carer take-over",
    .arguments = "CODE|-",
    .summary = "Take a carer over from another agency, with the transfer code that it gave you.",
    .example = "  vacancy carer take-over E12000003-7KQ2M9FW3TXB-RZNMF9QWD2KH --as B-204\n",
    .notes = "With - the code is read from standard input, so that it does not stand in the list of processes. The "
             "national reference and the approval's history stay; the vacancy ends, offer it anew with `vacancy push`.",
    .options = take_over_options,
    .arguments_min = 1,
    .arguments_max = 1,
    .run = run_take_over,
};
