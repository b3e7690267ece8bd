/*
 * agency_holds.c - see agency_holds.h. Owns no state; the client's one thread.
 */
#include "client/agency_holds.h"

#include "client/codes.h"
#include "client/json.h"

#include <string.h>

struct holds {
    struct cli *cli;
    struct table *table; /* NULL: JSON, printed as it comes */
    size_t count;
};

struct table *agency_holds_table(void)
{
    struct table *table = table_create();
    table_column(table, "hold", TABLE_LEFT);
    table_column(table, "reference", TABLE_LEFT);
    table_column(table, "beds", TABLE_RIGHT);
    table_column(table, "state", TABLE_LEFT);
    table_column(table, "ends", TABLE_LEFT);
    table_column(table, "request", TABLE_LEFT);
    table_column(table, "authority", TABLE_LEFT);
    return table;
}

void agency_holds_row(struct table *table, const Vacancy__V1__HoldView *hold)
{
    char word[64], ends[AGO_TEXT_BYTES];
    table_cell(table, "%s", hold->hold_id);
    table_cell(table, "%s", hold->agency_reference);
    table_cell(table, "%u", hold->beds);
    table_cell(table, "%s", code_words(&vacancy__v1__hold_state__descriptor, (int)hold->state, word, sizeof word));
    table_cell(table, "%s", ago_text(hold->ended_at_ms ? hold->ended_at_ms : hold->until_ms, cli_now_ms(), ends));
    table_cell(table, "%s", hold->request_reference);
    table_cell(table, "%s", hold->authority_name[0] ? hold->authority_name : hold->authority);
}

struct table *placements_table(void)
{
    struct table *table = table_create();
    table_column(table, "hold", TABLE_LEFT);
    table_column(table, "reference", TABLE_LEFT);
    table_column(table, "from", TABLE_LEFT);
    table_column(table, "team", TABLE_LEFT);
    table_may_shrink(table, 12);
    table_column(table, "placed", TABLE_LEFT);
    table_keep_last(table);
    return table;
}

/* "E08000035/duty" of "spiffe://.../region/E12000003/placement-team/E08000035/duty" */
static const char *team_of(const Vacancy__V1__PlacedNotListed *placement)
{
    const char *team = strstr(placement->holder, "team/");
    return team != NULL ? team + strlen("team/") : placement->holder;
}

void placements_row(struct table *table, const char *reference, const Vacancy__V1__PlacedNotListed *placement)
{
    for (size_t i = 0; i < placement->n_children; i++) {
        const Vacancy__V1__PlacedChild *child = placement->children[i];
        char band[64], sex[64];
        table_cell(table, "%s", i == 0 ? placement->hold_id : "");
        table_cell(table, "%s", i == 0 ? reference : "");
        table_cell(table, "%s", i == 0 ? placement->starts_on : "");
        table_cell(table, "%s", i == 0 ? team_of(placement) : "");
        table_cell(table, "%s:%s:%u:%s",
                   code_words(&vacancy__v1__age_band__descriptor, (int)child->age_band, band, sizeof band),
                   code_words(&vacancy__v1__sex__descriptor, (int)child->sex, sex, sizeof sex), child->sibling_group,
                   child->responsible_authority);
    }
}

static bool on_hold(void *context, const ProtobufCMessage *message)
{
    struct holds *holds = context;
    const Vacancy__V1__HoldView *hold = ((const Vacancy__V1__AgencyServiceListHoldsResponse *)message)->hold;
    if (hold == NULL)
        return true;
    if (holds->table == NULL) {
        fputs(holds->count++ ? ",\n " : "[\n ", holds->cli->out);
        json_print_inline(holds->cli->out, json_of_message(&hold->base));
        return !ferror(holds->cli->out);
    }
    holds->count++;
    agency_holds_row(holds->table, hold);
    return true;
}

enum exit_code agency_holds_run(struct cli *cli)
{
    Vacancy__V1__AgencyServiceListHoldsRequest request = VACANCY__V1__AGENCY_SERVICE_LIST_HOLDS_REQUEST__INIT;
    bool json = options_flag(&cli->options, "json");
    struct holds holds = {.cli = cli, .table = json ? NULL : agency_holds_table()};
    struct problem problem = {0};
    request.include_ended = options_flag(&cli->options, "all");
    enum err err = link_stream(cli->link, "/vacancy.v1.AgencyService/ListHolds", &request.base,
                               &vacancy__v1__agency_service_list_holds_response__descriptor, on_hold, &holds, &problem);
    if (json)
        fputs(holds.count ? "\n]\n" : "[]\n", cli->out);
    else if (holds.count > 0)
        table_print(holds.table, cli->out, 0, cli->width);
    else if (err == ERR_NONE)
        fprintf(cli->out, "no %s on your vacancies\n", request.include_ended ? "holds" : "live holds");
    table_destroy(holds.table);
    return err == ERR_NONE ? EXIT_DONE : cli_failed(cli, &problem);
}
