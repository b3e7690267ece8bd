/*
 * cmd_hub_suspend.c - vacancy hub suspend: shuts a principal out, or lets it in again. The client's one thread.
 */
#include "client/command.h"
#include "vacancy/v1/hub_service.pb-c.h"

static enum exit_code run(struct cli *cli)
{
    enum exit_code code = cli_connect(cli);
    if (code != EXIT_DONE)
        return code;
    Vacancy__V1__SuspendPrincipalRequest request = VACANCY__V1__SUSPEND_PRINCIPAL_REQUEST__INIT;
    const ProtobufCMessage *reply;
    struct problem problem = {0};
    request.request_id = cli_request_id();
    request.principal = (char *)cli->options.arguments[0];
    request.suspended = !options_flag(&cli->options, "resume");
    if (link_call(cli->link, "/vacancy.v1.HubService/SuspendPrincipal", &request.base,
                  &vacancy__v1__suspend_principal_response__descriptor, &reply, &problem) != ERR_NONE)
        return cli_failed(cli, &problem);
    fprintf(cli->out, "%s\n", request.suspended ? "shut out, whatever its certificate says" : "let in again");
    return EXIT_DONE;
}

static const struct option_spec options[] = {
    {"resume", NULL, "let it in again", false},
    {0},
};

const struct command command_hub_suspend = {
    .name = "hub suspend",
    .arguments = "NAME",
    .summary = "Shut a principal out at once, or let it in again (operators).",
    .example = "  vacancy hub suspend spiffe://fostering.example/region/E12000003/agency/example\n"
               "  vacancy hub suspend --resume spiffe://fostering.example/region/E12000003/agency/example\n",
    .notes = "NAME is the whole SPIFFE name, as the certificate has it.",
    .options = options,
    .arguments_min = 1,
    .arguments_max = 1,
    .run = run,
};
