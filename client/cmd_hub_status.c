/*
 * cmd_hub_status.c - vacancy hub status: how the hub is. The client's one thread.
 */
#include "client/command.h"
#include "client/json.h"
#include "vacancy/v1/hub_service.pb-c.h"

#include <inttypes.h>

static void print_row(FILE *out, const char *label, const char *text)
{
    print_wrapped(out, 0, label, 16, text, 240);
}

static void print_count(FILE *out, const char *label, uint64_t count)
{
    char number[GROUPED_TEXT_BYTES];
    print_row(out, label, grouped_text(count, number));
}

static void print(FILE *out, const Vacancy__V1__GetStatusResponse *status)
{
    char text[128], days[GROUPED_TEXT_BYTES];
    int64_t minutes = status->uptime_ms / 60000;
    print_row(out, "region", status->region);
    print_row(out, "version", status->version);
    snprintf(text, sizeof text, "%s days %" PRId64 " h %" PRId64 " min",
             grouped_text((uint64_t)(minutes < 0 ? 0 : minutes / 1440), days), minutes / 60 % 24, minutes % 60);
    print_row(out, "up for", text);
    snprintf(text, sizeof text, "epoch %" PRIu64 ", entry %" PRIu64, status->epoch, status->sequence);
    print_row(out, "log", text);
    print_count(out, "agencies", status->agencies);
    print_count(out, "carers", status->carers);
    print_count(out, "vacancies", status->vacancies);
    snprintf(text, sizeof text, "%.1f of %.1f MiB%s", (double)status->store_used_bytes / 1048576,
             (double)status->store_limit_bytes / 1048576,
             status->writable ? "" : "; takes no changes now: the disk is full or failed, see the hub's log");
    print_row(out, "store", text);
    print_count(out, "connections", status->connections);
    print_count(out, "calls", status->calls);
    print_count(out, "searches", status->searches);
    print_row(out, "postcodes", status->gazetteer_edition);
}

static enum exit_code run(struct cli *cli)
{
    enum exit_code code = cli_connect(cli);
    if (code != EXIT_DONE)
        return code;
    Vacancy__V1__GetStatusRequest request = VACANCY__V1__GET_STATUS_REQUEST__INIT;
    const ProtobufCMessage *reply;
    struct problem problem = {0};
    if (link_call(cli->link, "/vacancy.v1.HubService/GetStatus", &request.base,
                  &vacancy__v1__get_status_response__descriptor, &reply, &problem) != ERR_NONE)
        return cli_failed(cli, &problem);
    if (options_flag(&cli->options, "json"))
        json_print(cli->out, json_of_message(reply));
    else
        print(cli->out, (const Vacancy__V1__GetStatusResponse *)reply);
    return EXIT_DONE;
}

static const struct option_spec options[] = {
    {"json", NULL, "as JSON", false},
    {0},
};

const struct command command_hub_status = {
    .name = "hub status",
    .arguments = "",
    .summary = "Show how the hub is: what it holds, how full it is, what it has answered.",
    .example = "  vacancy hub status\n",
    .options = options,
    .run = run,
};
