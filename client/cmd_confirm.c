/*
 * cmd_confirm.c - vacancy confirm: "no change", for named vacancies or all. The client's one thread.
 */
#include "client/command.h"
#include "client/json.h"
#include "client/receipt.h"

#include <inttypes.h>

#define AT_A_TIME 1000u

struct sums {
    uint64_t confirmed;
    json_t *not_found;
    struct receipts receipts;
};

static enum err confirm(struct cli *cli, size_t from, size_t count, struct sums *sums, struct problem *problem)
{
    Vacancy__V1__ConfirmVacanciesRequest request = VACANCY__V1__CONFIRM_VACANCIES_REQUEST__INIT;
    const ProtobufCMessage *reply;
    request.request_id = cli_request_id();
    request.observed_at_ms = cli_now_ms();
    request.all = count == 0;
    request.n_agency_references = count;
    request.agency_references = (char **)(cli->options.arguments + from);
    request.wait_for = sums->receipts.wait_for;
    enum err err = link_call(cli->link, "/vacancy.v1.AgencyService/ConfirmVacancies", &request.base,
                             &vacancy__v1__confirm_vacancies_response__descriptor, &reply, problem);
    if (err != ERR_NONE)
        return err;
    const Vacancy__V1__ConfirmVacanciesResponse *response = (const Vacancy__V1__ConfirmVacanciesResponse *)reply;
    sums->confirmed += response->confirmed;
    if (response->confirmed > 0)
        receipts_take(&sums->receipts, response->receipt);
    for (size_t i = 0; i < response->n_not_found; i++)
        json_array_append_new(sums->not_found, json_of_text(response->not_found[i]));
    return ERR_NONE;
}

static void print(struct cli *cli, const struct sums *sums)
{
    char number[GROUPED_TEXT_BYTES];
    if (options_flag(&cli->options, "json")) {
        json_t *all = json_pack("{s:I,s:O}", "confirmed", (json_int_t)sums->confirmed, "not_found", sums->not_found);
        receipts_json(&sums->receipts, all);
        json_print(cli->out, all);
        return;
    }
    fprintf(cli->out, "%s %s confirmed\n", grouped_text(sums->confirmed, number),
            sums->confirmed == 1 ? "vacancy" : "vacancies");
    for (size_t i = 0; i < json_array_size(sums->not_found); i++)
        cli_say(cli, "%s has no live vacancy; offer it again with `vacancy push`",
                json_string_value(json_array_get(sums->not_found, i)));
}

static enum exit_code run(struct cli *cli)
{
    bool all = options_flag(&cli->options, "all");
    size_t count = cli->options.argument_count;
    if (all == (count > 0))
        return cli_usage(cli, "%s",
                         all ? "give references or --all, not both"
                             : "give your references of the carers, or --all for every live vacancy");
    enum exit_code code = cli_connect(cli);
    if (code != EXIT_DONE)
        return code;
    struct sums sums = {.not_found = json_array()};
    receipts_begin(&sums.receipts, cli);
    struct problem problem = {0};
    enum err err = ERR_NONE;
    size_t from = 0;
    do {
        size_t take = count - from < AT_A_TIME ? count - from : AT_A_TIME;
        err = confirm(cli, from, take, &sums, &problem);
        from += take;
    } while (err == ERR_NONE && from < count);
    if (err != ERR_NONE) {
        code = cli_failed(cli, &problem);
    } else {
        print(cli, &sums);
        code = receipts_end(&sums.receipts, cli, json_array_size(sums.not_found) ? EXIT_PARTLY : EXIT_DONE);
    }
    json_decref(sums.not_found);
    return code;
}

static const struct option_spec options[] = {
    {"all", NULL, "every live vacancy of your agency", false},
    RECEIPT_OPTION,
    {"json", NULL, "the sum as JSON", false},
    {0},
};

const struct command command_confirm = {
    .name = "confirm",
    .arguments = "[REF ...]",
    .summary = "Say that vacancies are still true, so that they don't go stale.",
    .example = "  vacancy confirm --all\n  vacancy confirm L-00017 L-00112\n",
    .notes = "REF is your own reference of the carer. Of a vacancy that nobody confirms in time teams are told to "
             "telephone first; much later it lapses.",
    .options = options,
    .arguments_max = SIZE_MAX,
    .run = run,
};
