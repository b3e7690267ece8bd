/*
 * cmd_why.c - vacancy why: how one vacancy comes out against a question, rule by rule. The client's one thread.
 */
#include "client/command.h"
#include "client/find_request.h"
#include "client/find_text.h"
#include "client/json.h"
#include "client/why_text.h"

static enum exit_code explain(struct cli *cli, Vacancy__V1__FindVacanciesRequest *question)
{
    Vacancy__V1__ExplainVacancyRequest request = VACANCY__V1__EXPLAIN_VACANCY_REQUEST__INIT;
    const ProtobufCMessage *reply;
    struct problem problem = {0};
    request.question = question;
    request.vacancy_id = (char *)cli->options.arguments[0];
    enum exit_code code = cli_connect(cli);
    if (code != EXIT_DONE)
        return code;
    if (link_call(cli->link, "/vacancy.v1.PlacementService/ExplainVacancy", &request.base,
                  &vacancy__v1__explain_vacancy_response__descriptor, &reply, &problem) != ERR_NONE) {
        find_flag_of_field(problem.field);
        return cli_failed(cli, &problem);
    }
    const Vacancy__V1__ExplainVacancyResponse *response = (const Vacancy__V1__ExplainVacancyResponse *)reply;
    if (options_flag(&cli->options, "json"))
        json_print(cli->out, json_of_message(reply));
    else
        why_text_print(cli->out, cli->width, response);
    return response->suitable ? EXIT_DONE : EXIT_PARTLY;
}

static enum exit_code run(struct cli *cli)
{
    return find_request_run(cli, explain);
}

const struct command command_why = {
    .name = "why",
    .arguments = "VACANCY-ID",
    .arguments_min = 1,
    .arguments_max = 1,
    .summary = "Why this vacancy, or why not: how it comes out against a question, rule by rule.",
    .example = "  vacancy why 7KQ2-M9FW-3TXB --near LS6 --child 14:M --type EMERGENCY --ref 383-204417\n",
    .notes = "The question is that of `vacancy find`; give its flags again. --limit, --split-into and --no-why make no "
             "difference here.\n"
             "Exits 0 when the vacancy suits, 1 when it does not, 3 when no live vacancy has this id.\n"
             "Asking is written to the audit trail like a search.",
    .options = why_options,
    .more_help = find_print_codes,
    .run = run,
};
