/*
 * cmd_hub_promote.c - vacancy hub promote: the operator's word that this hub may decide. The client's one thread.
 */
#include "client/command.h"
#include "client/json.h"
#include "vacancy/v1/hub_service.pb-c.h"

#include <inttypes.h>

static const char *question(const struct cli *cli)
{
    if (options_flag(&cli->options, "accept-loss"))
        return "This hub will decide for its region although other hubs were not asked what they have of it. Updates "
               "that only those have are lost for good.";
    if (options_flag(&cli->options, "new-epoch"))
        return "This hub will open the next epoch of its region. Any other hub that decides for the region now will "
               "stop "
               "for good.";
    return "This hub will decide for its region without an answer from any other hub. Only do this when no other hub "
           "decides for it.";
}

static void print(struct cli *cli, const Vacancy__V1__PromoteResponse *response)
{
    char number[GROUPED_TEXT_BYTES];
    char *id = clean_text(response->epoch_id, 64);
    fprintf(cli->out,
            "The hub decides in epoch %" PRIu64 ", from entry %s on. The epoch's id, which a thaw names, is\n%s\n",
            response->epoch, grouped_text(response->sequence, number), id);
    free(id);
    if (response->n_not_asked == 0)
        return;
    fputs("Not asked:", cli->out);
    for (size_t i = 0; i < response->n_not_asked; i++) {
        char *region = clean_text(response->not_asked[i], 40);
        fprintf(cli->out, " %s", region);
        free(region);
    }
    fprintf(
        cli->out,
        "\nWhat only they had is lost: entries %s and later of the epochs before. Their agencies push again what they "
        "sent since.\n",
        number);
}

static enum exit_code run(struct cli *cli)
{
    Vacancy__V1__PromoteRequest request = VACANCY__V1__PROMOTE_REQUEST__INIT;
    const ProtobufCMessage *reply;
    struct problem problem = {0};
    enum exit_code code = cli_agreed(cli, question(cli));
    if (code == EXIT_DONE)
        code = cli_connect(cli);
    if (code != EXIT_DONE)
        return code;
    request.accept_loss = options_flag(&cli->options, "accept-loss");
    request.new_epoch = options_flag(&cli->options, "new-epoch");
    if (link_call(cli->link, "/vacancy.v1.HubService/Promote", &request.base,
                  &vacancy__v1__promote_response__descriptor, &reply, &problem) != ERR_NONE)
        return cli_failed(cli, &problem);
    if (options_flag(&cli->options, "json"))
        json_print(cli->out, json_of_message(reply));
    else
        print(cli, (const Vacancy__V1__PromoteResponse *)reply);
    return EXIT_DONE;
}

static const struct option_spec options[] = {
    {"accept-loss", NULL,
     "after a restore: decide although not every other hub was asked; what they alone have is lost", false},
    {"new-epoch", NULL, "open the next epoch although this one could go on: for the surviving hub of a fork", false},
    CLI_YES_OPTION,
    {"json", NULL, "as JSON", false},
    {0},
};

const struct command command_hub_promote = {
    .name = "hub promote",
    .arguments = "",
    .summary =
        "Let a hub decide for its region without its peers' answer, after a restore, or after a fork (operators).",
    .example = "  vacancy hub promote\n  vacancy hub promote --accept-loss\n",
    .notes =
        "A hub that was restored or that finds no peer takes no writes until it has asked the others, or until this "
        "is said. It prints the epoch's id: after a fork, the roster's line `thaw REGION epoch N ID` names it.",
    .options = options,
    .run = run,
};
