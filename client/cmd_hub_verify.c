/*
 * cmd_hub_verify.c - vacancy hub verify: is what lies on the hub's disk what the regions signed? The client's one
 * thread.
 */
#include "client/command.h"
#include "client/json.h"
#include "vacancy/v1/hub_service.pb-c.h"

#include <stdlib.h>

#define PATIENCE_MS   (10 * 60 * 1000) /* a million records are read between two answers */
#define LABEL_COLUMNS 11
#define DIGEST_SHORT  12

struct verifying {
    struct cli *cli;
    bool json;
    size_t count, unequal;
};

static void print_line(struct cli *cli, const Vacancy__V1__VerifyResponse *response)
{
    char records[GROUPED_TEXT_BYTES], sequence[GROUPED_TEXT_BYTES], *region = clean_text(response->region, 40);
    char *text = NULL;
    int length;
    if (response->equal)
        length = asprintf(&text, "equal: %s records at %s, state %.*s", grouped_text(response->records, records),
                          grouped_text(response->sequence, sequence), DIGEST_SHORT, response->state_digest);
    else
        length = asprintf(&text, "NOT EQUAL at %s: %s (%s records, state %.*s; signed %.*s)",
                          grouped_text(response->sequence, sequence),
                          response->problem[0] ? response->problem : "the records are not those that were signed",
                          grouped_text(response->records, records), DIGEST_SHORT, response->state_digest, DIGEST_SHORT,
                          response->signed_digest);
    if (length < 0)
        abort();
    print_wrapped(cli->out, 0, region, LABEL_COLUMNS, text, cli->width);
    fflush(cli->out);
    free(text);
    free(region);
}

static bool on_region(void *context, const ProtobufCMessage *message)
{
    struct verifying *verifying = context;
    const Vacancy__V1__VerifyResponse *response = (const Vacancy__V1__VerifyResponse *)message;
    verifying->unequal += !response->equal;
    if (verifying->json) {
        fputs(verifying->count ? ",\n " : "[\n ", verifying->cli->out);
        json_print_inline(verifying->cli->out, json_of_message(message));
    } else {
        print_line(verifying->cli, response);
    }
    verifying->count++;
    return !ferror(verifying->cli->out);
}

static enum exit_code run(struct cli *cli)
{
    Vacancy__V1__VerifyRequest request = VACANCY__V1__VERIFY_REQUEST__INIT;
    struct verifying verifying = {.cli = cli, .json = options_flag(&cli->options, "json")};
    struct problem problem = {0};
    const char *region = options_text(&cli->options, "region");
    if (region != NULL)
        request.region = (char *)region;
    enum exit_code code = cli_connect(cli);
    if (code != EXIT_DONE)
        return code;
    enum err err =
        link_slow_stream(cli->link, "/vacancy.v1.HubService/Verify", &request.base,
                         &vacancy__v1__verify_response__descriptor, PATIENCE_MS, on_region, &verifying, &problem);
    if (verifying.json)
        fputs(verifying.count ? "\n]\n" : "[]\n", cli->out);
    if (err != ERR_NONE)
        return cli_failed(cli, &problem);
    if (verifying.count == 0) {
        cli_say(cli, "nothing was verified: there is no region here");
        return EXIT_UNVERIFIED;
    }
    return verifying.unequal ? EXIT_UNVERIFIED : EXIT_DONE;
}

static const struct option_spec options[] = {
    {"region", "REGION", "only this one, a GSS code; default all", false},
    {"json", NULL, "as JSON", false},
    {0},
};

const struct command command_hub_verify = {
    .name = "hub verify",
    .arguments = "",
    .summary = "Recompute each region's state digest from the hub's disk, and compare it with what the region signed.",
    .example = "  vacancy hub verify\n  vacancy hub verify --region E12000006\n",
    .notes = "Reads every record; the hub does one at a time.\n"
             "Exits 5 when a region is not equal, or when there was nothing to verify.",
    .options = options,
    .run = run,
};
