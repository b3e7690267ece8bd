/*
 * cmd_history.c - vacancy history: what happened to an agency's carers, vacancies and holds. The client's one thread.
 */
#include "client/agency_event.h"
#include "client/command.h"
#include "client/json.h"

struct history {
    struct cli *cli;
    bool json;
    size_t count;
};

static bool on_event(void *context, const ProtobufCMessage *message)
{
    struct history *history = context;
    const Vacancy__V1__AgencyEvent *event = ((const Vacancy__V1__GetHistoryResponse *)message)->event;
    if (event == NULL)
        return true;
    if (history->json) {
        fputs(history->count ? ",\n " : "[\n ", history->cli->out);
        json_print_inline(history->cli->out, json_of_message(&event->base));
    } else {
        agency_event_print(history->cli->out, event);
    }
    history->count++;
    return !ferror(history->cli->out);
}

static enum exit_code run(struct cli *cli)
{
    Vacancy__V1__GetHistoryRequest request = VACANCY__V1__GET_HISTORY_REQUEST__INIT;
    const char *vacancy = options_text(&cli->options, "vacancy");
    struct history history = {.cli = cli, .json = options_flag(&cli->options, "json")};
    struct problem problem = {0};
    enum exit_code code = cli_connect(cli);
    if (code != EXIT_DONE)
        return code;
    if (cli->options.argument_count > 0)
        request.agency_reference = (char *)cli->options.arguments[0];
    if (vacancy != NULL)
        request.vacancy_id = (char *)vacancy;
    enum err err = link_stream(cli->link, "/vacancy.v1.AgencyService/GetHistory", &request.base,
                               &vacancy__v1__get_history_response__descriptor, on_event, &history, &problem);
    if (history.json)
        fputs(history.count ? "\n]\n" : "[]\n", cli->out);
    else if (history.count == 0 && err == ERR_NONE)
        fputs("nothing is known to have happened\n", cli->out);
    return err == ERR_NONE ? EXIT_DONE : cli_failed(cli, &problem);
}

static const struct option_spec options[] = {
    {"vacancy", "ID", "only of this vacancy, which may have ended", false},
    {"json", NULL, "the events as JSON", false},
    {0},
};

const struct command command_history = {
    .name = "history",
    .arguments = "[REF]",
    .summary = "What happened to your carers, vacancies and holds, when and by whom.",
    .example = "  vacancy history L-00017\n  vacancy history --vacancy 7KQ2-M9FW-3TXB\n",
    .notes = "REF is your own reference of the carer; without it, everything. Oldest first; kept for 400 days. "
             "Confirmations are not in it.",
    .options = options,
    .arguments_max = 1,
    .run = run,
};
