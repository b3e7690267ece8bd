/*
 * cmd_carer_erase.c - vacancy carer erase: forgets a carer, at every hub. The client's one thread.
 */
#include "client/command.h"
#include "client/json.h"
#include "client/sure_call.h"
#include "vacancy/v1/agency_service.pb-c.h"

static enum exit_code run(struct cli *cli)
{
    Vacancy__V1__EraseCarerRequest request = VACANCY__V1__ERASE_CARER_REQUEST__INIT;
    const ProtobufCMessage *reply;
    struct problem problem = {0};
    bool unknown;
    enum exit_code code = cli_agreed(
        cli, "Every record of this carer will be erased, here and at every other hub. Nothing brings it back. "
             "A region from which it was taken over keeps the row of its move, with its old agency's reference, until "
             "that agency erases it too. To end an approval, `vacancy end` is enough.");
    if (code == EXIT_DONE)
        code = cli_connect(cli);
    if (code != EXIT_DONE)
        return code;
    request.request_id = cli_request_id();
    request.agency_reference = (char *)cli->options.arguments[0];
    const struct sure_call call = {"/vacancy.v1.AgencyService/EraseCarer", &request.base,
                                   &vacancy__v1__erase_carer_response__descriptor};
    enum err err = sure_call_run(cli, &call, &reply, &unknown, &problem);
    if (unknown)
        return sure_call_not_known(
            cli, NULL, &problem, "`vacancy show` of the carer shows it: once erased, there is none of this reference");
    if (err != ERR_NONE)
        return cli_failed(cli, &problem);
    if (options_flag(&cli->options, "json"))
        json_print(cli->out, json_of_message(reply));
    else
        fputs("erased here; other hubs follow within seconds, or as soon as they can be reached. If it was taken over "
              "from another region, its old agency there erases what that keeps: the row of the move, and its own "
              "reference\n",
              cli->out);
    return EXIT_DONE;
}

static const struct option_spec options[] = {
    CLI_YES_OPTION,
    {"json", NULL, "the receipt as JSON", false},
    {0},
};

const struct command command_carer_erase = {
    .name = "carer erase",
    .arguments = "REF",
    .summary = "Erase a carer for good, at every hub: for a person's right to erasure.",
    .example = "  vacancy carer erase L-00017\n",
    .notes =
        "REF is your own reference of the carer. What the audit trail says of who did and saw what stays; it holds "
        "the national reference only. Backups run out at their stated maximum age.",
    .options = options,
    .arguments_min = 1,
    .arguments_max = 1,
    .run = run,
};
