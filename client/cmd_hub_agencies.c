/*
 * cmd_hub_agencies.c - vacancy hub agencies: lists them, or registers them from a CSV, many calls at a time.
 *
 * Owns: which call belongs to which line; at most UNDER_WAY calls. The client's one thread.
 */
#include "client/agency_sheet.h"
#include "client/codes.h"
#include "client/command.h"
#include "client/json.h"
#include "client/report.h"
#include "vacancy/v1/hub_service.pb-c.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define UNDER_WAY       32
#define ROW_ARENA_BYTES (1u << 20)
#define BATCH_ROOT      "put_agency."

/* --- registering ------------------------------------------------------------------------------------------------- */

struct put {
    struct cli *cli;
    struct report report;
    struct {
        struct link_call *call; /* NULL: free */
        uint64_t line;
    } slots[UNDER_WAY];
    uint64_t line, done;
    struct problem problem; /* that ended it all */
};

static void complain(void *context, const char *column, const char *text)
{
    struct put *put = context;
    report_rejected(&put->report, put->line, column, text);
}

static void reap_one(struct put *put, size_t i, const struct problem *problem)
{
    char field[PROBLEM_FIELD_BYTES + sizeof BATCH_ROOT];
    link_free(put->slots[i].call);
    put->slots[i].call = NULL;
    if (problem->code == ERR_NONE) {
        put->report.updated++;
        return;
    }
    if (exit_code_of_call(problem->code) == EXIT_UNAVAILABLE || problem->code == ERR_FORBIDDEN) {
        put->problem = *problem; /* the same for all lines */
        return;
    }
    snprintf(field, sizeof field, BATCH_ROOT "%s", problem->field);
    const struct sheet_column *column = sheet_column_of_field(&agency_sheet, field);
    report_rejected(&put->report, put->slots[i].line, column ? column->name : NULL, problem->text);
}

/* Takes in what is over; returns a free slot, or UNDER_WAY when there is none. *busy counts those under way. */
static size_t reap(struct put *put, size_t *busy)
{
    size_t room = UNDER_WAY;
    *busy = 0;
    for (size_t i = 0; i < UNDER_WAY; i++) {
        struct problem problem = {0};
        if (put->slots[i].call != NULL && link_is_over(put->slots[i].call, &problem))
            reap_one(put, i, &problem);
        if (put->slots[i].call == NULL)
            room = i;
        else
            ++*busy;
    }
    return room;
}

static void put_agency(struct put *put, Vacancy__V1__PutAgencyRequest *request)
{
    static const struct link_want want = {.path = "/vacancy.v1.HubService/PutAgency",
                                          .reply = &vacancy__v1__put_agency_response__descriptor,
                                          .one_reply = true};
    size_t busy, room = reap(put, &busy);
    while (room == UNDER_WAY && put->problem.code == ERR_NONE) {
        link_turn(put->cli->link, LINK_CALL_MS);
        room = reap(put, &busy);
    }
    if (put->problem.code != ERR_NONE)
        return;
    request->request_id = cli_request_id();
    put->slots[room].line = put->line;
    put->slots[room].call = link_start(put->cli->link, &want);
    link_send(put->slots[room].call, &request->base);
    link_end(put->slots[room].call);
    progress_show(&put->report.progress, -1, ++put->done);
}

static enum exit_code put_file(struct put *put, struct csv_file *file)
{
    struct csv_row row;
    struct sheet_map map = {.count = 0};
    struct problem problem = {0};
    struct arena arena;
    enum exit_code code = EXIT_DONE;
    enum err err = ERR_NONE;
    arena_init(&arena, ROW_ARENA_BYTES);
    while (code == EXIT_DONE && put->problem.code == ERR_NONE &&
           (err = csv_file_next(file, &row, &problem)) == ERR_NONE) {
        ProtobufCMessage *roots[SHEET_ROOTS_MAX];
        put->line = row.line;
        arena_reset(&arena);
        if (map.count == 0)
            code = sheet_header(&agency_sheet, &row, &map, complain, put) ? EXIT_DONE : EXIT_USAGE;
        else if (sheet_row(&agency_sheet, &map, &row, &arena, roots, complain, put))
            put_agency(put, (Vacancy__V1__PutAgencyRequest *)roots[0]);
    }
    arena_finish(&arena);
    if (err == ERR_INVALID || (err == ERR_NOT_FOUND && map.count == 0)) {
        cli_say(put->cli, "%s",
                err == ERR_INVALID ? problem.text : "the file is empty; its first line names the columns");
        code = EXIT_USAGE;
    }
    return code;
}

static enum exit_code put_agencies(struct cli *cli, const char *name)
{
    struct put put = {.cli = cli};
    int fd = strcmp(name, "-") == 0 ? dup(STDIN_FILENO) : open(name, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return cli_usage(cli, "%s can't be opened: %m", name);
    struct csv_options csv = {.fd = fd};
    struct csv_file *file = csv_file_open(&csv);
    report_begin(&put.report, cli, name, "registering agencies");
    put.report.done = "registered";
    enum exit_code code = put_file(&put, file);
    size_t busy;
    for (reap(&put, &busy); busy > 0; reap(&put, &busy))
        link_turn(cli->link, LINK_CALL_MS);
    report_end(&put.report);
    csv_file_close(file);
    close(fd);
    if (put.problem.code != ERR_NONE)
        return cli_failed(cli, &put.problem);
    return code == EXIT_DONE && put.report.rejected ? EXIT_PARTLY : code;
}

/* --- listing ----------------------------------------------------------------------------------------------------- */

struct list {
    struct cli *cli;
    struct table *table; /* NULL: JSON */
    size_t count;
};

static bool on_agency(void *context, const ProtobufCMessage *message)
{
    struct list *list = context;
    const Vacancy__V1__ListAgenciesResponse *response = (const Vacancy__V1__ListAgenciesResponse *)message;
    const Vacancy__V1__Agency *agency = response->agency;
    char kind[64], status[64], number[GROUPED_TEXT_BYTES];
    if (agency == NULL)
        return true;
    if (list->table == NULL) {
        fputs(list->count++ ? ",\n " : "[\n ", list->cli->out);
        json_print_inline(list->cli->out, json_of_message(message));
        return !ferror(list->cli->out);
    }
    table_cell(list->table, "%s", agency->id);
    table_cell(list->table, "%s",
               code_words(&vacancy__v1__agency_kind__descriptor, (int)agency->kind, kind, sizeof kind));
    table_cell(list->table, "%s",
               code_words(&vacancy__v1__agency_status__descriptor, (int)agency->status, status, sizeof status));
    table_cell(list->table, "%s", grouped_text(response->carers, number));
    table_cell(list->table, "%s", grouped_text(response->vacancies, number));
    table_cell(list->table, "%s", agency->phone);
    table_cell(list->table, "%s", agency->name);
    return true;
}

static enum exit_code list_agencies(struct cli *cli)
{
    static const char *const headings[] = {"id", "kind", "status", "carers", "vacancies", "phone", "name"};
    Vacancy__V1__ListAgenciesRequest request = VACANCY__V1__LIST_AGENCIES_REQUEST__INIT;
    struct list list = {.cli = cli, .table = options_flag(&cli->options, "json") ? NULL : table_create()};
    struct problem problem = {0};
    for (size_t i = 0; list.table && i < 7; i++)
        table_column(list.table, headings[i], i == 3 || i == 4 ? TABLE_RIGHT : TABLE_LEFT);
    enum err err = link_stream(cli->link, "/vacancy.v1.HubService/ListAgencies", &request.base,
                               &vacancy__v1__list_agencies_response__descriptor, on_agency, &list, &problem);
    if (list.table == NULL)
        fputs(list.count ? "\n]\n" : "[]\n", cli->out);
    else if (table_rows(list.table) > 0)
        table_print(list.table, cli->out, 0, cli->width);
    else if (err == ERR_NONE)
        fprintf(cli->out, "no agencies; `vacancy hub agencies --put agencies.csv` registers them\n");
    table_destroy(list.table);
    return err == ERR_NONE ? EXIT_DONE : cli_failed(cli, &problem);
}

static enum exit_code run(struct cli *cli)
{
    const char *file = options_text(&cli->options, "put");
    if (file != NULL && access(file, R_OK) != 0 && strcmp(file, "-") != 0)
        return cli_usage(cli, "%s can't be read: %m", file);
    enum exit_code code = cli_connect(cli);
    if (code != EXIT_DONE)
        return code;
    return file ? put_agencies(cli, file) : list_agencies(cli);
}

static void columns_help(FILE *out, unsigned width)
{
    fputs("columns of the file (its first line names those that it has, in any order):\n", out);
    sheet_print_columns(&agency_sheet, out, width);
}

static const struct option_spec options[] = {
    {"put", "FILE.csv", "register the agencies of this file, or replace what was known of them (operators)", false},
    {"json", NULL, "as JSON", false},
    {0},
};

const struct command command_hub_agencies = {
    .name = "hub agencies",
    .arguments = "",
    .summary = "List the agencies of this hub, or register them from a CSV.",
    .example = "  vacancy hub agencies\n  vacancy hub agencies --put agencies.csv\n",
    .options = options,
    .more_help = columns_help,
    .run = run,
};
