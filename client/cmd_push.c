/*
 * cmd_push.c - vacancy push: a CSV of carers and vacancies through Submit, pipelined.
 *
 * Owns: which updates the rows of the file become, row by row as they are read. Not here: the CSV's columns
 * (push_sheet.c), the stream and its answers (submit_stream.c). The client's one thread.
 */
#include "client/command.h"
#include "client/push_sheet.h"
#include "client/reference_set.h"
#include "client/submit_stream.h"

#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define ROW_ARENA_BYTES (1u << 20)

struct push {
    struct cli *cli;
    struct submit_stream stream;
    struct csv_file *file;
    struct sheet_map map;
    struct report report;
    uint64_t line; /* being read */
    uint64_t file_bytes;
    bool listed;                     /* `live` has been asked for */
    struct reference_set live, seen; /* vacancies at the hub; rows of this file */
    struct problem problem;          /* of the listing */
};

/* --- updates ---------------------------------------------------------------------------------------------------- */

static bool stopped(const struct push *push)
{
    return submit_is_over(&push->stream) || push->problem.code != ERR_NONE;
}

static bool note_live(void *context, const ProtobufCMessage *message)
{
    const Vacancy__V1__ListVacanciesResponse *response = (const Vacancy__V1__ListVacanciesResponse *)message;
    if (response->vacancy && response->vacancy->vacancy)
        reference_set_add(context, response->vacancy->vacancy->agency_reference, 1);
    return true;
}

/* Whether the carer has a vacancy to withdraw; asks the hub once for all of them, so that NONE costs nothing. */
static bool has_vacancy(struct push *push, const char *reference)
{
    if (!push->listed) {
        Vacancy__V1__ListVacanciesRequest request = VACANCY__V1__LIST_VACANCIES_REQUEST__INIT;
        push->listed = true;
        submit_settle(&push->stream); /* the list must know what this file offered so far */
        if (link_stream(push->cli->link, "/vacancy.v1.AgencyService/ListVacancies", &request.base,
                        &vacancy__v1__list_vacancies_response__descriptor, note_live, &push->live,
                        &push->problem) != ERR_NONE)
            return false;
    }
    return reference_set_has(&push->live, reference);
}

static void set_wait(struct push_row *row, Vacancy__V1__Durability wait_for)
{
    row->put_carer->wait_for = wait_for;
    row->put_vacancy->wait_for = wait_for;
    row->end_carer->wait_for = wait_for;
    row->withdraw_vacancy->wait_for = wait_for;
}

static void send_row(struct push *push, struct push_row *row)
{
    Vacancy__V1__SubmitRequest request = VACANCY__V1__SUBMIT_REQUEST__INIT;
    struct submit_slot slot = {.line = push->line};
    set_wait(row, push->report.receipts.wait_for);
    if (row->with_end) {
        request.update_case = VACANCY__V1__SUBMIT_REQUEST__UPDATE_END_CARER;
        request.end_carer = row->end_carer;
        row->end_carer->request_id = cli_request_id();
        submit_send(&push->stream, &request, &slot);
        return;
    }
    if (row->with_carer) {
        request.update_case = VACANCY__V1__SUBMIT_REQUEST__UPDATE_PUT_CARER;
        request.put_carer = row->put_carer;
        row->put_carer->request_id = cli_request_id();
        slot.carer = true;
        submit_send(&push->stream, &request, &slot);
        slot.carer = false;
    }
    if (row->vacancy == ROW_VACANCY_OFFERED) {
        request.update_case = VACANCY__V1__SUBMIT_REQUEST__UPDATE_PUT_VACANCY;
        request.put_vacancy = row->put_vacancy;
        row->put_vacancy->request_id = cli_request_id();
        submit_send(&push->stream, &request, &slot);
        if (push->listed)
            reference_set_add(&push->live, row->reference, 1);
    } else if (row->vacancy == ROW_VACANCY_NONE && has_vacancy(push, row->reference)) {
        request.update_case = VACANCY__V1__SUBMIT_REQUEST__UPDATE_WITHDRAW_VACANCY;
        request.withdraw_vacancy = row->withdraw_vacancy;
        row->withdraw_vacancy->request_id = cli_request_id();
        slot.withdraw = true;
        submit_send(&push->stream, &request, &slot);
    }
}

/* --- the file --------------------------------------------------------------------------------------------------- */

static void complain(void *context, const char *column, const char *text)
{
    struct push *push = context;
    submit_settle(&push->stream); /* so that rejected lines come in the file's order */
    report_rejected(&push->report, push->line, column, text);
}

/* A household has one row a file: nobody could say which of two is true. */
static bool is_first_row(struct push *push, const struct push_row *row)
{
    char text[128];
    uint64_t line = reference_set_add(&push->seen, row->reference, push->line);
    if (line == 0)
        return true;
    snprintf(text, sizeof text,
             "the household of line %" PRIu64 " again; a file has one row for each, so this one was not sent", line);
    complain(push, "agency_reference", text);
    return false;
}

static void wait_for_input(void *context, int fd)
{
    link_wait_for(((struct push *)context)->cli->link, fd);
}

/* Reads and sends all rows. EXIT_USAGE: the file can't be read on; it has been said why. */
static enum exit_code send_file(struct push *push)
{
    struct csv_row row;
    struct problem problem = {0};
    struct arena arena;
    bool headed = false;
    enum exit_code code = EXIT_DONE;
    enum err err = ERR_NONE;
    arena_init(&arena, ROW_ARENA_BYTES);
    while (code == EXIT_DONE && !stopped(push) && (err = csv_file_next(push->file, &row, &problem)) == ERR_NONE) {
        struct push_row read;
        push->line = row.line;
        if (!headed) {
            headed = true;
            if (!sheet_header(&push_sheet, &row, &push->map, complain, push))
                code = EXIT_USAGE;
            continue;
        }
        arena_reset(&arena);
        if (push_row_read(&push->map, &row, cli_now_ms(), &arena, &read, complain, push) && is_first_row(push, &read))
            send_row(push, &read);
        double share = push->file_bytes ? (double)csv_file_position(push->file) / (double)push->file_bytes : -1;
        progress_show(&push->report.progress, share, push->stream.answered);
    }
    arena_finish(&arena);
    if (err == ERR_NOT_FOUND && !headed) {
        push->line = 1;
        complain(push, NULL, "the file is empty; its first line must name the columns (`vacancy push --help`)");
        code = EXIT_USAGE;
    } else if (err == ERR_INVALID) {
        cli_say(push->cli, "%s, %s; the rows before it were sent, the rest was not", push->report.file, problem.text);
        code = EXIT_USAGE;
    }
    return code;
}

/* All answers. What the push ends with; said if it is bad. */
static enum exit_code settle(struct push *push, enum exit_code code)
{
    struct problem problem = push->problem;
    if (problem.code == ERR_NONE)
        submit_end(&push->stream, 0, &problem);
    else
        submit_abandon(&push->stream);
    report_end(&push->report);
    if (problem.code != ERR_NONE) {
        enum exit_code failed = cli_failed(push->cli, &problem);
        if (push->stream.answered < push->stream.sent)
            cli_say(push->cli,
                    "what became of the rows from line %" PRIu64 " on is not known; push the file again, "
                    "that is safe",
                    push->stream.slots[push->stream.answered % SUBMIT_WINDOW].line);
        return code == EXIT_DONE ? failed : code;
    }
    if (code == EXIT_DONE && push->report.rejected > 0)
        code = EXIT_PARTLY;
    return receipts_end(&push->report.receipts, push->cli, code);
}

static enum exit_code push_from(struct cli *cli, int fd, const char *name)
{
    static struct push push; /* one a process, and large */
    struct stat status;
    push = (struct push){.cli = cli};
    if (fstat(fd, &status) == 0 && S_ISDIR(status.st_mode))
        return cli_usage(cli, "%s is a folder; give a CSV file", name);
    push.file_bytes = S_ISREG(status.st_mode) ? (uint64_t)status.st_size : 0;
    enum exit_code code = cli_connect(cli);
    if (code != EXIT_DONE)
        return code;
    struct csv_options options = {.fd = fd, .before_read = wait_for_input, .context = &push};
    push.file = csv_file_open(&options);
    report_begin(&push.report, cli, name, "pushing");
    submit_begin(&push.stream, cli, &push.report);
    code = settle(&push, send_file(&push));
    csv_file_close(push.file);
    reference_set_free(&push.live);
    reference_set_free(&push.seen);
    return code;
}

static enum exit_code run(struct cli *cli)
{
    const char *name = cli->options.arguments[0];
    if (strcmp(name, "-") == 0)
        return push_from(cli, STDIN_FILENO, "standard input");
    int fd = open(name, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return cli_usage(cli, "%s can't be opened: %m", name);
    enum exit_code code = push_from(cli, fd, name);
    close(fd);
    return code;
}

static const struct option_spec options[] = {
    RECEIPT_OPTION,
    {"json", NULL, "the sum and the rejected lines as JSON on standard output", false},
    {0},
};

const struct command command_push = {
    .name = "push",
    .arguments = "FILE.csv|-",
    .summary = "Send carers and their vacancies, one row a household, to your hub.",
    .example = "  vacancy push carers.csv\n  reports/export-carers | vacancy push -\n",
    .notes =
        "A row replaces what was known of the household; the same again confirms it. Pushing a file twice is safe. "
        "Carers that are not in the file stay as they are. A household has one row a file; a second one is rejected.\n"
        "A file without any column of the carer's (from approved_on to languages) sends vacancies only.\n"
        "Every rejected line is printed as FILE:LINE: COLUMN: what is wrong and what is accepted. The other lines are "
        "taken.",
    .options = options,
    .arguments_min = 1,
    .arguments_max = 1,
    .more_help = push_sheet_help,
    .run = run,
};
