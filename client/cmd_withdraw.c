/*
 * cmd_withdraw.c - vacancy withdraw: vacancies that are gone. The client's one thread.
 */
#include "client/memory.h"
#include "client/receipt.h"
#include "client/sure_call.h"

#include <stdlib.h>

static enum exit_code not_known(struct cli *cli, const char *reference, const struct problem *problem)
{
    char *next = must_print("`vacancy history %s` shows it; to say it again is safe, and refused where there is no "
                            "vacancy any more",
                            reference);
    enum exit_code code = sure_call_not_known(cli, reference, problem, next);
    free(next);
    return code;
}

static enum exit_code withdraw(struct cli *cli, const char *reference, struct receipts *receipts)
{
    Vacancy__V1__WithdrawVacancyRequest request = VACANCY__V1__WITHDRAW_VACANCY_REQUEST__INIT;
    const ProtobufCMessage *reply;
    struct problem problem = {0};
    bool unknown;
    request.request_id = cli_request_id();
    request.agency_reference = (char *)reference;
    request.observed_at_ms = cli_now_ms();
    request.wait_for = receipts->wait_for;
    const struct sure_call call = {"/vacancy.v1.AgencyService/WithdrawVacancy", &request.base,
                                   &vacancy__v1__withdraw_vacancy_response__descriptor};
    enum err err = sure_call_run(cli, &call, &reply, &unknown, &problem);
    if (unknown)
        return not_known(cli, reference, &problem);
    if (err != ERR_NONE)
        cli_say(cli, "%s: %s", reference, problem.text);
    else
        receipts_take(receipts, ((const Vacancy__V1__WithdrawVacancyResponse *)reply)->receipt);
    return exit_code_of_call(err);
}

static enum exit_code run(struct cli *cli)
{
    enum exit_code code = cli_connect(cli), last = EXIT_DONE;
    size_t done = 0, count = cli->options.argument_count;
    struct receipts receipts;
    receipts_begin(&receipts, cli);
    for (size_t i = 0; code == EXIT_DONE && i < count && last != EXIT_UNAVAILABLE; i++) {
        enum exit_code one = withdraw(cli, cli->options.arguments[i], &receipts);
        done += one == EXIT_DONE;
        if (one != EXIT_DONE)
            last = one;
    }
    if (code != EXIT_DONE)
        return code;
    if (last != EXIT_UNAVAILABLE || done > 0)
        fprintf(cli->out, "%zu of %zu %swithdrawn\n", done, count, last == EXIT_UNAVAILABLE ? "known to be " : "");
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
        "the middle, also when it is not known of one whether it was done: to say it again is safe, and `vacancy "
        "history REF` shows it.",
    .options = options,
    .arguments_min = 1,
    .arguments_max = SIZE_MAX,
    .run = run,
};
