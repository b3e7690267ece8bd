/*
 * cmd_hub_regions.c - vacancy hub regions: what a hub has of each region, and how old that is. The client's one thread.
 */
#include "client/codes.h"
#include "client/command.h"
#include "client/json.h"
#include "client/memory.h"
#include "daemon/base/digest.h"
#include "vacancy/v1/hub_service.pb-c.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>

#define DIGEST_SHORT 12
#define LONG_COLUMNS 240

typedef Vacancy__V1__Region region_state;

static const char *standing_words(Vacancy__V1__Standing standing)
{
    switch (standing) {
    case VACANCY__V1__STANDING__STANDING_DECIDING:
        return "own, decides";
    case VACANCY__V1__STANDING__STANDING_ASKING:
        return "own, asking";
    case VACANCY__V1__STANDING__STANDING_RESTORING:
        return "own, restoring";
    case VACANCY__V1__STANDING__STANDING_SUPERSEDED:
        return "own, superseded";
    case VACANCY__V1__STANDING__STANDING_BEHIND:
        return "own, behind";
    default:
        return "own";
    }
}

static const char *frozen_words(Vacancy__V1__Frozen frozen)
{
    return frozen == VACANCY__V1__FROZEN__FROZEN_FORK ? "frozen: fork" : "frozen: unproven";
}

/* "stale, snapshot arriving, clock 3 h ahead" */
static char *state_words(const region_state *region)
{
    struct grown_text text = {0};
    char age[AGO_TEXT_BYTES];
    if (region->home)
        grown_add(&text, "%s", standing_words(region->standing));
    else if (region->frozen != VACANCY__V1__FROZEN__FROZEN_UNSPECIFIED)
        grown_add(&text, "%s", frozen_words(region->frozen));
    else if (!region->present)
        grown_add(&text, "missing");
    else
        grown_add(&text, "%s", region->stale ? "stale" : "ok");
    if (region->fetching_snapshot)
        grown_add(&text, ", snapshot arriving");
    if (region->clock_differs_ms >= 1000)
        grown_add(&text, ", clock ahead by %s", age_text(region->clock_differs_ms, age));
    return text.text;
}

static void add_row(struct table *table, const region_state *region, bool whole)
{
    char number[GROUPED_TEXT_BYTES], age[AGO_TEXT_BYTES], *state = state_words(region);
    bool here = region->present || region->home;
    table_cell(table, "%s", region->region);
    if (here)
        table_cell(table, "%" PRIu64, region->epoch);
    else
        table_cell(table, "-");
    table_cell(table, "%s", here ? grouped_text(region->sequence, number) : "-");
    table_cell(table, "%s", here ? grouped_text(region->records, number) : "-");
    table_cell(table, "%.*s", whole ? DIGEST_HEX_SIZE : DIGEST_SHORT, here ? region->state_digest : "-");
    table_cell(table, "%s", region->home || !here ? "-" : age_text(region->age_ms, age));
    table_cell(table, "%s", region->home ? "-" : region->from[0] ? region->from : "nobody");
    table_cell(table, "%s", state);
    free(state);
}

static void remark(struct cli *cli, const char *region, const char *format, ...) __attribute__((format(printf, 3, 4)));
static void remark(struct cli *cli, const char *region, const char *format, ...)
{
    char *clean = clean_text(region, 0), *label = must_print("%s  ", clean);
    va_list arguments;
    va_start(arguments, format);
    char *text = must_vprint(format, arguments);
    va_end(arguments);
    fputc('\n', cli->out);
    print_wrapped(cli->out, 0, label, (unsigned)text_columns(label), text, cli->width);
    free(label);
    free(clean);
    free(text);
}

/* What an operator should do something about. */
static void print_remarks(struct cli *cli, const region_state *region)
{
    if (region->frozen != VACANCY__V1__FROZEN__FROZEN_UNSPECIFIED)
        remark(cli, region->region, "is frozen at what was proven: %s. %s", region->frozen_why,
               region->frozen == VACANCY__V1__FROZEN__FROZEN_FORK
                   ? "The roster must name the surviving epoch (vacancyd(8)); --json shows both signed proofs."
                   : "It goes on by itself once a source sends what can be proven.");
    if (!region->home)
        return;
    if (region->standing == VACANCY__V1__STANDING__STANDING_ASKING)
        remark(cli, region->region,
               "takes no writes yet: no other hub of the roster has answered since it started. If none can, "
               "`vacancy hub promote` lets it decide.");
    else if (region->standing == VACANCY__V1__STANDING__STANDING_RESTORING)
        remark(
            cli, region->region,
            "takes no writes yet: after a restore it fetches its own later entries from the other hubs. If some can't "
            "be asked, `vacancy hub promote --accept-loss` says which, and what may be lost.");
    else if (region->standing == VACANCY__V1__STANDING__STANDING_SUPERSEDED)
        remark(cli, region->region, "decides no more: another hub opened a later epoch of this region.");
    else if (region->standing == VACANCY__V1__STANDING__STANDING_BEHIND)
        remark(cli, region->region,
               "takes no writes: other hubs have entries of its log, signed by its key, that it did not make. Another "
               "machine runs with that key, or this one's data is an old copy: find out which, stop the other, then "
               "`vacancy hub promote`. --json shows both signed positions.");
}

static void print(struct cli *cli, const Vacancy__V1__ListRegionsResponse *response)
{
    static const char *const headings[] = {"region", "epoch", "sequence", "records", "state", "age", "from", "how"};
    bool whole = options_flag(&cli->options, "long");
    struct table *table = table_create();
    for (size_t i = 0; i < sizeof headings / sizeof headings[0]; i++)
        table_column(table, headings[i], (i >= 1 && i <= 3) || i == 5 ? TABLE_RIGHT : TABLE_LEFT);
    for (size_t i = 0; i < response->n_regions; i++)
        add_row(table, response->regions[i], whole);
    table_print(table, cli->out, 0, whole ? LONG_COLUMNS : cli->width);
    table_destroy(table);
    for (size_t i = 0; i < response->n_regions; i++)
        print_remarks(cli, response->regions[i]);
}

static enum exit_code run(struct cli *cli)
{
    enum exit_code code = cli_connect(cli);
    if (code != EXIT_DONE)
        return code;
    Vacancy__V1__ListRegionsRequest request = VACANCY__V1__LIST_REGIONS_REQUEST__INIT;
    const ProtobufCMessage *reply;
    struct problem problem = {0};
    if (link_call(cli->link, "/vacancy.v1.HubService/ListRegions", &request.base,
                  &vacancy__v1__list_regions_response__descriptor, &reply, &problem) != ERR_NONE)
        return cli_failed(cli, &problem);
    const Vacancy__V1__ListRegionsResponse *response = (const Vacancy__V1__ListRegionsResponse *)reply;
    if (options_flag(&cli->options, "json"))
        json_print(cli->out, json_of_message(reply));
    else
        print(cli, response);
    for (size_t i = 0; i < response->n_regions; i++)
        if (response->regions[i]->frozen != VACANCY__V1__FROZEN__FROZEN_UNSPECIFIED)
            return EXIT_UNVERIFIED;
    return EXIT_DONE;
}

static const struct option_spec options[] = {
    {"long", NULL, "state digests whole, however wide the terminal is", false},
    {"json", NULL, "everything, as JSON", false},
    {0},
};

const struct command command_hub_regions = {
    .name = "hub regions",
    .arguments = "",
    .summary = "Show what the hub has of each region: up to where, in which state, how old, from whom.",
    .example = "  vacancy hub regions\n",
    .notes =
        "Two hubs that show the same state digest of a region hold the same records of it. The age is counted from the "
        "last position that the region's own hub signed.\n"
        "Exits 5 when a region is frozen, else 0.",
    .options = options,
    .run = run,
};
