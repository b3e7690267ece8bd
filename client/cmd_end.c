/*
 * cmd_end.c - vacancy end: an approval ends. The client's one thread.
 */
#include "client/receipt.h"
#include "client/sure_call.h"

#include <ctype.h>
#include <string.h>

#define CODE_BYTES 8 /* "AW1"; the hub says what is wrong with a longer one */

/* Codes are taken in either case, as everywhere in this program. */
static void in_capitals(const char *code, char out[CODE_BYTES])
{
    size_t used = 0;
    for (; code[used] && used + 1 < CODE_BYTES; used++)
        out[used] = (char)toupper((unsigned char)code[used]);
    out[used] = '\0';
}

static enum exit_code run(struct cli *cli)
{
    char code_of_reason[CODE_BYTES];
    struct receipts receipts;
    const char *on = options_text(&cli->options, "on"), *reason = options_text(&cli->options, "reason");
    if (on == NULL || reason == NULL)
        return cli_usage(cli, "--on and --reason are needed: --on 2026-11-30 --reason AW1");
    enum exit_code code = cli_connect(cli);
    if (code != EXIT_DONE)
        return code;
    Vacancy__V1__EndCarerRequest request = VACANCY__V1__END_CARER_REQUEST__INIT;
    const ProtobufCMessage *reply;
    struct problem problem = {0};
    bool unknown;
    request.request_id = cli_request_id();
    request.agency_reference = (char *)cli->options.arguments[0];
    request.observed_at_ms = cli_now_ms();
    request.ends_on = (char *)on;
    in_capitals(reason, code_of_reason);
    request.reason = code_of_reason;
    receipts_begin(&receipts, cli);
    request.wait_for = receipts.wait_for;
    const struct sure_call call = {"/vacancy.v1.AgencyService/EndCarer", &request.base,
                                   &vacancy__v1__end_carer_response__descriptor};
    enum err err = sure_call_run(cli, &call, &reply, &unknown, &problem);
    if (unknown)
        return sure_call_not_known(
            cli, NULL, &problem,
            "`vacancy show` of the carer shows whether its approval ends; to say it again is safe");
    if (err != ERR_NONE) {
        static const struct {
            const char *field, *flag;
        } flags[] = {{"ends_on", "--on"}, {"reason", "--reason"}, {"agency_reference", "REF"}};
        for (size_t i = 0; i < sizeof flags / sizeof flags[0]; i++)
            if (strcmp(problem.field, flags[i].field) == 0)
                snprintf(problem.field, sizeof problem.field, "%s", flags[i].flag);
        return cli_failed(cli, &problem);
    }
    fprintf(cli->out, "ended\n");
    receipts_take(&receipts, ((const Vacancy__V1__EndCarerResponse *)reply)->receipt);
    return receipts_end(&receipts, cli, EXIT_DONE);
}

static const struct option_spec options[] = {
    {"on", "DATE", "day from which the approval is no longer in force, YYYY-MM-DD", false},
    {"reason", "CODE", "Ofsted's withdrawal code, AW0 to AW5", false},
    RECEIPT_OPTION,
    {0},
};

const struct command command_end = {
    .name = "end",
    .arguments = "REF",
    .summary = "End a carer's approval, and with it the vacancy.",
    .example = "  vacancy end L-00017 --on 2026-11-30 --reason AW1\n",
    .notes = "REF is your own reference of the carer.",
    .options = options,
    .arguments_min = 1,
    .arguments_max = 1,
    .run = run,
};
