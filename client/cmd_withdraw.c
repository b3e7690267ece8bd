/*
 * cmd_withdraw.c - vacancy withdraw: vacancies that are gone. The client's one thread.
 */
#include "client/receipt.h"

static enum err withdraw(struct cli *cli, const char *reference, struct receipts *receipts, struct problem *problem)
{
    Vacancy__V1__WithdrawVacancyRequest request = VACANCY__V1__WITHDRAW_VACANCY_REQUEST__INIT;
    const ProtobufCMessage *reply;
    request.request_id = cli_request_id();
    request.agency_reference = (char *)reference;
    request.observed_at_ms = cli_now_ms();
    request.wait_for = receipts->wait_for;
    enum err err = link_call(cli->link, "/vacancy.v1.AgencyService/WithdrawVacancy", &request.base,
                             &vacancy__v1__withdraw_vacancy_response__descriptor, &reply, problem);
    if (err == ERR_NONE)
        receipts_take(receipts, ((const Vacancy__V1__WithdrawVacancyResponse *)reply)->receipt);
    return err;
}

static enum exit_code run(struct cli *cli)
{
    enum exit_code code = cli_connect(cli), last = EXIT_DONE;
    size_t done = 0, count = cli->options.argument_count;
    struct receipts receipts;
    receipts_begin(&receipts, cli);
    for (size_t i = 0; code == EXIT_DONE && i < count && last != EXIT_UNAVAILABLE; i++) {
        struct problem problem = {0};
        enum err err = withdraw(cli, cli->options.arguments[i], &receipts, &problem);
        done += err == ERR_NONE;
        if (err != ERR_NONE) {
            cli_say(cli, "%s: %s", cli->options.arguments[i], problem.text);
            last = exit_code_of_call(err);
        }
    }
    if (code != EXIT_DONE)
        return code;
    fprintf(cli->out, "%zu of %zu withdrawn\n", done, count);
    return receipts_end(&receipts, cli, last == EXIT_REFUSED && done > 0 ? EXIT_PARTLY : last);
}

static const struct option_spec options[] = {
    RECEIPT_OPTION,
    {0},
};

const struct command command_withdraw = {
    .name = "withdraw",
    .arguments = "REF ...",
    .summary = "Take vacancies out of the register.",
    .example = "  vacancy withdraw L-00017\n",
    .notes =
        "REF is your own reference of the carer. The carer stays registered.\n"
        "Exits 0 when all are withdrawn, 1 when some are, 3 when the hub refused every one, 4 when it went away in "
        "the middle: then say it again, that is safe.",
    .options = options,
    .arguments_min = 1,
    .arguments_max = SIZE_MAX,
    .run = run,
};
