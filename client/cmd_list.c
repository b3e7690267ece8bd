/*
 * cmd_list.c - vacancy list: an agency's carers or vacancies. The client's one thread.
 */
#include "client/codes.h"
#include "client/command.h"
#include "client/json.h"
#include "client/memory.h"
#include "vacancy/v1/agency_service.pb-c.h"

#include <stdlib.h>
#include <string.h>

struct list {
    struct cli *cli;
    struct table *table; /* NULL: JSON, printed as it comes */
    size_t count;
    size_t lost; /* carers known only in part */
};

static void print_json(struct list *list, const ProtobufCMessage *message)
{
    fputs(list->count++ ? ",\n " : "[\n ", list->cli->out);
    json_print_inline(list->cli->out, json_of_message(message));
}

/* "short term, respite"; the caller frees it. */
static char *care_words(const Vacancy__V1__CareType *types, size_t count)
{
    struct grown_text text = {0};
    char word[64];
    grown_add(&text, "%s", count ? "" : "as approved");
    for (size_t i = 0; i < count; i++)
        grown_add(&text, "%s%s", i ? ", " : "",
                  code_words(&vacancy__v1__care_type__descriptor, (int)types[i], word, sizeof word));
    return text.text;
}

/* All that the hub knows of it after a restore. */
static void add_lost(struct list *list, const Vacancy__V1__CarerView *view)
{
    list->lost++;
    table_cell(list->table, "?");
    table_cell(list->table, "%s", view->national_reference);
    table_cell(list->table, "lost in restore");
    for (int i = 0; i < 5; i++)
        table_cell(list->table, "%s", i == 3 ? view->area : "");
}

static bool on_carer(void *context, const ProtobufCMessage *message)
{
    struct list *list = context;
    const Vacancy__V1__CarerView *view = ((const Vacancy__V1__ListCarersResponse *)message)->carer;
    if (view == NULL || (view->carer == NULL && !view->lost_in_restore))
        return true;
    if (list->table == NULL) {
        print_json(list, &view->base);
        return !ferror(list->cli->out);
    }
    if (view->lost_in_restore) {
        add_lost(list, view);
        return true;
    }
    const Vacancy__V1__Terms *terms = view->carer->terms;
    char word[64], state[64] = "";
    char *care = care_words(terms ? terms->care_types : NULL, terms ? terms->n_care_types : 0);
    if (view->vacancy != NULL)
        code_words(&vacancy__v1__vacancy_state__descriptor, (int)view->vacancy->state, state, sizeof state);
    table_cell(list->table, "%s", view->carer->agency_reference);
    table_cell(list->table, "%s", view->national_reference);
    table_cell(list->table, "%s",
               code_words(&vacancy__v1__carer_status__descriptor, (int)view->status, word, sizeof word));
    table_cell(list->table, "%u", view->carer->places);
    table_cell(list->table, "%zu", view->carer->n_placed_children);
    table_cell(list->table, "%s", state);
    table_cell(list->table, "%s", view->area);
    table_cell(list->table, "%s", care);
    free(care);
    return true;
}

static bool on_vacancy(void *context, const ProtobufCMessage *message)
{
    struct list *list = context;
    const Vacancy__V1__VacancyView *view = ((const Vacancy__V1__ListVacanciesResponse *)message)->vacancy;
    if (view == NULL || view->vacancy == NULL)
        return true;
    if (list->table == NULL) {
        print_json(list, &view->base);
        return !ferror(list->cli->out);
    }
    char word[64], confirmed[AGO_TEXT_BYTES], stale[AGO_TEXT_BYTES];
    char *care = care_words(view->vacancy->care_types, view->vacancy->n_care_types);
    table_cell(list->table, "%s", view->vacancy->agency_reference);
    table_cell(list->table, "%s", view->vacancy_id);
    table_cell(list->table, "%s",
               code_words(&vacancy__v1__vacancy_state__descriptor, (int)view->state, word, sizeof word));
    table_cell(list->table, "%u of %u", view->beds_free, view->vacancy->beds);
    table_cell(list->table, "%s", ago_text(view->confirmed_at_ms, cli_now_ms(), confirmed));
    table_cell(list->table, "%s", ago_text(view->valid_until_ms, cli_now_ms(), stale));
    table_cell(list->table, "%s", care);
    free(care);
    return true;
}

static struct table *make_table(bool carers)
{
    static const char *const carer_headings[] = {"reference", "national ref", "status", "places",
                                                 "placed",    "vacancy",      "area",   "care"};
    static const char *const vacancy_headings[] = {"reference", "vacancy", "state", "beds free",
                                                   "confirmed", "stale",   "care"};
    struct table *table = table_create();
    const char *const *headings = carers ? carer_headings : vacancy_headings;
    size_t count = carers ? 8 : 7;
    for (size_t i = 0; i < count; i++)
        table_column(table, headings[i], carers && (i == 3 || i == 4) ? TABLE_RIGHT : TABLE_LEFT);
    return table;
}

static enum exit_code run(struct cli *cli)
{
    const char *what = cli->options.argument_count ? cli->options.arguments[0] : "vacancies";
    bool carers = strcmp(what, "carers") == 0, json = options_flag(&cli->options, "json");
    if (!carers && strcmp(what, "vacancies") != 0)
        return cli_usage(cli, "\"%s\" can't be listed; `vacancy list carers` or `vacancy list vacancies`", what);
    enum exit_code code = cli_connect(cli);
    if (code != EXIT_DONE)
        return code;
    Vacancy__V1__ListCarersRequest of_carers = VACANCY__V1__LIST_CARERS_REQUEST__INIT;
    Vacancy__V1__ListVacanciesRequest of_vacancies = VACANCY__V1__LIST_VACANCIES_REQUEST__INIT;
    of_carers.include_ended = options_flag(&cli->options, "ended");
    struct list list = {.cli = cli, .table = json ? NULL : make_table(carers)};
    struct problem problem = {0};
    enum err err = link_stream(
        cli->link, carers ? "/vacancy.v1.AgencyService/ListCarers" : "/vacancy.v1.AgencyService/ListVacancies",
        carers ? &of_carers.base : &of_vacancies.base,
        carers ? &vacancy__v1__list_carers_response__descriptor : &vacancy__v1__list_vacancies_response__descriptor,
        carers ? on_carer : on_vacancy, &list, &problem);
    if (json)
        fputs(list.count ? "\n]\n" : "[]\n", cli->out);
    else if (table_rows(list.table) > 0)
        table_print(list.table, cli->out, 0, cli->width);
    else if (err == ERR_NONE)
        fprintf(cli->out, "no %s; `vacancy push` sends them\n", what);
    table_destroy(list.table);
    if (list.lost > 0)
        fprintf(cli->out, "\n%zu known only in part after a restore of the hub: push %s again\n", list.lost,
                list.lost == 1 ? "it" : "them");
    return err == ERR_NONE ? EXIT_DONE : cli_failed(cli, &problem);
}

static const struct option_spec options[] = {
    {"ended", NULL, "carers whose approval has ended too", false},
    {"json", NULL, "everything that the hub knows, as JSON", false},
    {0},
};

const struct command command_list = {
    .name = "list",
    .arguments = "[carers|vacancies]",
    .summary = "List your agency's carers, or its live vacancies and when their confirmation runs out.",
    .example = "  vacancy list vacancies\n",
    .options = options,
    .arguments_max = 1,
    .run = run,
};
