/*
 * cmd_holds.c - vacancy holds: a team's holds, numbered for the commands that follow; an agency's, with its
 * certificate. The client's one thread.
 */
#include "client/agency_holds.h"
#include "client/json.h"
#include "client/memory.h"
#include "client/screen.h"
#include "client/team_holds.h"

#include <stdlib.h>
#include <string.h>

/* --- numbers -------------------------------------------------------------------------------------------------------
 */

static bool is_listed(const struct team_list *list, const char *hold_id)
{
    for (size_t i = 0; i < list->count; i++)
        if (strcmp(list->rows[i].hold->hold_id, hold_id) == 0)
            return true;
    return false;
}

static bool is_unsettled(const struct team_memory *memory, const char *hold_id)
{
    for (size_t i = 0; i < memory->unsettled_count; i++)
        if (strcmp(memory->unsettled[i].subject, hold_id) == 0)
            return true;
    return false;
}

/* A hold keeps the number that it was told by; those that are neither listed nor asked about any more lose theirs. */
static bool number_rows(struct team_memory *memory, void *context, struct problem *problem)
{
    struct team_list *list = context;
    int64_t now_ms = cli_now_ms();
    size_t kept = 0;
    (void)problem;
    for (size_t i = 0; i < memory->hold_count; i++)
        if (is_listed(list, memory->holds[i].hold_id) || is_unsettled(memory, memory->holds[i].hold_id))
            memory->holds[kept++] = memory->holds[i];
    memory->hold_count = kept;
    for (size_t i = 0; i < list->count; i++)
        if (list->rows[i].hold->hold_id[0] != '\0')
            list->rows[i].number = team_hold_add(memory, list->rows[i].hold->hold_id, now_ms);
    return true;
}

static void number_list(struct cli *cli, const char *path, struct team_list *list)
{
    struct problem problem = {0};
    if (team_memory_change(path, number_rows, list, &problem) == ERR_NONE)
        return;
    for (size_t i = 0; i < list->count; i++)
        list->rows[i].number = 0;
    cli_say(cli, "these have no numbers, take their ids: %s", problem.text);
}

/* --- printing ------------------------------------------------------------------------------------------------------
 */

static void print_unsettled(struct cli *cli, const struct team_request *requests, size_t count)
{
    char when[WHEN_TEXT_BYTES];
    if (count == 0)
        return;
    struct table *table = table_create();
    table_column(table, "asked", TABLE_LEFT);
    table_column(table, "of", TABLE_LEFT);
    table_column(table, "region", TABLE_LEFT);
    table_column(table, "at", TABLE_LEFT);
    for (size_t i = 0; i < count; i++) {
        table_cell(table, "%s", requests[i].what);
        table_cell(table, "%s", requests[i].subject);
        table_cell(table, "%s", requests[i].region);
        table_cell(table, "%s", when_text(requests[i].asked_at_ms, when));
    }
    char *text = must_print("Of %zu request%s it is not known whether %s done; `vacancy holds --settle` asks:", count,
                            count == 1 ? "" : "s", count == 1 ? "it was" : "they were");
    fputc('\n', cli->out);
    print_wrapped(cli->out, 0, "", 0, text, cli->width);
    free(text);
    table_print(table, cli->out, 0, cli->width);
    table_destroy(table);
}

static void print_list(struct cli *cli, const struct team_list *list, const struct team_request *requests,
                       size_t unsettled)
{
    if (list->count == 0)
        fprintf(cli->out, "%s\n",
                options_flag(&cli->options, "all") ? "no holds" : "no live holds (--all: ended ones)");
    else
        hold_table_print(cli->out, cli->width, list->rows, list->count, cli_now_ms());
    if (list->cut)
        fprintf(cli->out, "There are more; the newest %zu are here.\n", list->count);
    print_unsettled(cli, requests, unsettled);
}

static void print_json(struct cli *cli, const struct team_list *list, const struct team_request *unsettled,
                       size_t count, json_t *settled)
{
    json_t *object = json_object(), *holds = json_array(), *unknown = json_array();
    for (size_t i = 0; i < list->count; i++) {
        json_t *hold = json_of_message(&list->rows[i].hold->base);
        json_object_set_new(hold, "number", json_integer(list->rows[i].number));
        json_array_append_new(holds, hold);
    }
    for (size_t i = 0; i < count; i++)
        json_array_append_new(unknown,
                              json_pack("{ss ss ss ss sI}", "what", unsettled[i].what, "request_id",
                                        unsettled[i].request_id, "region", unsettled[i].region, "subject",
                                        unsettled[i].subject, "asked_at_ms", (json_int_t)unsettled[i].asked_at_ms));
    json_object_set_new(object, "holds", holds);
    json_object_set_new(object, "unsettled", unknown);
    if (settled != NULL)
        json_object_set(object, "settled", settled);
    json_print(cli->out, object);
}

/* --- a team's ------------------------------------------------------------------------------------------------------
 */

#define UNSETTLED_MAX (2 * TEAM_UNSETTLED_MAX)

/* The list, and the requests that are not settled, into `requests`. */
static enum exit_code ask(struct cli *cli, const char *path, struct team_list *list, struct team_request *requests,
                          size_t *count)
{
    struct team_memory *memory;
    struct problem problem = {0};
    enum exit_code code = team_list_ask(cli, options_flag(&cli->options, "all"), list);
    if (code != EXIT_DONE)
        return code;
    if (team_memory_load(path, &memory, &problem) != ERR_NONE)
        cli_say(cli, "%s", problem.text);
    *count = team_unsettled(memory, list, requests, UNSETTLED_MAX);
    free(memory);
    return EXIT_DONE;
}

static enum exit_code settle_all(struct cli *cli, const char *path, const struct team_request *requests, size_t count,
                                 json_t *settled)
{
    enum exit_code code = EXIT_DONE;
    if (count == 0 && settled == NULL)
        fputs("Of every request it is known what became of it.\n", cli->out);
    for (size_t i = 0; i < count; i++) {
        enum exit_code one = team_settle(cli, path, &requests[i], settled);
        code = one == EXIT_DONE ? code : one;
    }
    if (settled == NULL)
        fputc('\n', cli->out);
    return code;
}

static enum exit_code list_holds(struct cli *cli, const char *path)
{
    struct team_request requests[UNSETTLED_MAX];
    struct team_list list;
    size_t count = 0;
    bool json = options_flag(&cli->options, "json"), settle = options_flag(&cli->options, "settle");
    json_t *settled = json && settle ? json_array() : NULL;
    enum exit_code code = ask(cli, path, &list, requests, &count), last = EXIT_DONE;
    if (code == EXIT_DONE && settle) {
        last = settle_all(cli, path, requests, count, settled);
        team_list_free(&list);
        code = ask(cli, path, &list, requests, &count);
    }
    if (code == EXIT_DONE) {
        number_list(cli, path, &list);
        if (json)
            print_json(cli, &list, requests, count, settled);
        else
            print_list(cli, &list, requests, count);
    }
    json_decref(settled);
    team_list_free(&list);
    return code == EXIT_DONE ? last : code;
}

static enum exit_code run(struct cli *cli)
{
    char *path = NULL;
    struct problem problem = {0};
    if (team_memory_path(&cli->options, &path, &problem) != ERR_NONE)
        return cli_usage(cli, "%s", problem.text);
    enum exit_code code = cli_connect(cli);
    if (code == EXIT_DONE && cli_is_agency(cli))
        code = options_flag(&cli->options, "settle") ? cli_usage(cli, "--settle is for placement teams")
                                                     : agency_holds_run(cli);
    else if (code == EXIT_DONE)
        code = list_holds(cli, path);
    free(path);
    return code;
}

static const struct option_spec options[] = {
    {"all", NULL, "those that have ended, too; they are kept for 90 days", false},
    {"settle", NULL, "ask what became of requests of which it is not known whether they were done", false},
    {"json", NULL, "as JSON", false},
    {0},
};

const struct command command_holds = {
    .name = "holds",
    .arguments = "",
    .summary =
        "Your team's holds in every region, numbered, live ones first; with an agency's certificate those on its "
        "vacancies.",
    .example = "  vacancy holds\n"
               "  vacancy holds --settle\n",
    .notes =
        "The numbers are for `vacancy place`, `extend` and `release`, for 12 hours.\n"
        "Holds of other regions are as their logs say.\n"
        "--settle asks the home hubs. Of a hold \"was not done\" is certain then: that request will never be done. "
        "Of an extension, a release or a placement it is what the hold's state says now. Exits 4 when something "
        "is still not known.",
    .options = options,
    .run = run,
};
