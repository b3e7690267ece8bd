/*
 * cmd_push.c - vacancy push: a CSV of carers and vacancies through Submit, pipelined.
 *
 * Owns: reading ahead of the answers, by at most WINDOW updates, and which line each answer belongs to:
 *
 *     answered .. sent   slot n is slots[n % WINDOW]; the hub answers in the order in which it was asked
 *
 * Not here: the CSV's columns (push_sheet.c). The client's one thread.
 * Invariant: an update is counted as done only when the hub has said that it is.
 */
#include "client/command.h"
#include "client/push_sheet.h"
#include "client/reference_set.h"
#include "client/report.h"
#include "proto/wire/status.h"

#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define WINDOW          512u
#define TURN_EVERY      64u
#define ROW_ARENA_BYTES (1u << 20)

struct slot {
    uint64_t line;
    bool carer;    /* a PutCarer, whose failure explains that of the vacancy after it */
    bool withdraw; /* of a row that says NONE: that there is no vacancy is fine */
};

struct push {
    struct cli *cli;
    struct link_call *call;
    struct csv_file *file;
    struct sheet_map map;
    struct report report;
    uint64_t answered, sent;
    struct slot slots[WINDOW];
    uint64_t failed_carer_line;
    uint64_t line; /* being read */
    uint64_t file_bytes;
    bool listed;                     /* `live` has been asked for */
    struct reference_set live, seen; /* vacancies at the hub; rows of this file */
    struct problem problem;          /* of the listing */
};

/* --- answers ---------------------------------------------------------------------------------------------------- */

static void count_outcome(struct report *report, const Vacancy__V1__Receipt *receipt)
{
    switch (receipt ? receipt->outcome : VACANCY__V1__RECEIPT__OUTCOME__OUTCOME_UNSPECIFIED) {
    case VACANCY__V1__RECEIPT__OUTCOME__OUTCOME_CREATED:
        report->created++;
        break;
    case VACANCY__V1__RECEIPT__OUTCOME__OUTCOME_UPDATED:
        report->updated++;
        break;
    case VACANCY__V1__RECEIPT__OUTCOME__OUTCOME_CONFIRMED:
        report->confirmed++;
        break;
    case VACANCY__V1__RECEIPT__OUTCOME__OUTCOME_ENDED:
        report->ended++;
        break;
    default:
        report->unchanged++;
    }
}

static void hear(void *context, const ProtobufCMessage *message)
{
    struct push *push = context;
    const Vacancy__V1__SubmitResponse *response = (const Vacancy__V1__SubmitResponse *)message;
    if (push->answered == push->sent || response->tag != push->answered)
        return; /* not an answer to anything; the count at the end will not add up and say so */
    const struct slot *slot = &push->slots[push->answered++ % WINDOW];
    if (response->code == GRPC_OK) {
        count_outcome(&push->report, response->receipt);
        receipts_take(&push->report.receipts, response->receipt);
        return;
    }
    if (slot->withdraw && (response->code == GRPC_NOT_FOUND || response->code == GRPC_FAILED_PRECONDITION))
        return;
    if (!slot->carer && push->failed_carer_line == slot->line)
        return;
    if (slot->carer)
        push->failed_carer_line = slot->line;
    const struct sheet_column *column = sheet_column_of_field(&push_sheet, response->field);
    report_rejected(&push->report, slot->line, column ? column->name : NULL,
                    response->message[0] ? response->message : grpc_code_name(response->code));
}

/* --- updates ---------------------------------------------------------------------------------------------------- */

static bool stopped(const struct push *push)
{
    return link_is_over(push->call, NULL) || push->problem.code != ERR_NONE;
}

static void send_update(struct push *push, Vacancy__V1__SubmitRequest *request, const struct slot *slot)
{
    while (!stopped(push) && (push->sent - push->answered >= WINDOW || !link_writable(push->call)))
        link_turn(push->cli->link, LINK_CALL_MS);
    if (stopped(push))
        return;
    request->tag = push->sent;
    push->slots[push->sent++ % WINDOW] = *slot;
    link_send(push->call, &request->base);
    if (push->sent % TURN_EVERY == 0)
        link_turn(push->cli->link, 0);
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
        while (!stopped(push) && push->answered < push->sent)
            link_turn(push->cli->link, LINK_CALL_MS); /* the list must know what this file offered so far */
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
    struct slot slot = {.line = push->line};
    set_wait(row, push->report.receipts.wait_for);
    if (row->with_end) {
        request.update_case = VACANCY__V1__SUBMIT_REQUEST__UPDATE_END_CARER;
        request.end_carer = row->end_carer;
        row->end_carer->request_id = cli_request_id();
        send_update(push, &request, &slot);
        return;
    }
    if (row->with_carer) {
        request.update_case = VACANCY__V1__SUBMIT_REQUEST__UPDATE_PUT_CARER;
        request.put_carer = row->put_carer;
        row->put_carer->request_id = cli_request_id();
        slot.carer = true;
        send_update(push, &request, &slot);
        slot.carer = false;
    }
    if (row->vacancy == ROW_VACANCY_OFFERED) {
        request.update_case = VACANCY__V1__SUBMIT_REQUEST__UPDATE_PUT_VACANCY;
        request.put_vacancy = row->put_vacancy;
        row->put_vacancy->request_id = cli_request_id();
        send_update(push, &request, &slot);
        if (push->listed)
            reference_set_add(&push->live, row->reference, 1);
    } else if (row->vacancy == ROW_VACANCY_NONE && has_vacancy(push, row->reference)) {
        request.update_case = VACANCY__V1__SUBMIT_REQUEST__UPDATE_WITHDRAW_VACANCY;
        request.withdraw_vacancy = row->withdraw_vacancy;
        row->withdraw_vacancy->request_id = cli_request_id();
        slot.withdraw = true;
        send_update(push, &request, &slot);
    }
}

/* --- the file --------------------------------------------------------------------------------------------------- */

static void complain(void *context, const char *column, const char *text)
{
    struct push *push = context;
    while (!stopped(push) && push->answered < push->sent)
        link_turn(push->cli->link, LINK_CALL_MS); /* so that rejected lines come in the file's order */
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
        progress_show(&push->report.progress, share, push->answered);
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
    struct problem problem = {0};
    link_end(push->call);
    while (!link_is_over(push->call, &problem) && push->problem.code == ERR_NONE) {
        link_turn(push->cli->link, LINK_CALL_MS);
        progress_show(&push->report.progress, -1, push->answered);
    }
    if (push->problem.code != ERR_NONE)
        problem = push->problem;
    if (problem.code == ERR_NONE && push->answered < push->sent)
        problem_set(&problem, ERR_UNAVAILABLE, "", "the hub stopped answering before the end");
    report_end(&push->report);
    if (problem.code != ERR_NONE) {
        enum exit_code failed = cli_failed(push->cli, &problem);
        if (push->answered < push->sent)
            cli_say(push->cli,
                    "what became of the rows from line %" PRIu64 " on is not known; push the file again, "
                    "that is safe",
                    push->slots[push->answered % WINDOW].line);
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
    struct link_want want = {.path = "/vacancy.v1.AgencyService/Submit",
                             .reply = &vacancy__v1__submit_response__descriptor,
                             .message = hear,
                             .context = &push};
    push.file = csv_file_open(&options);
    push.call = link_start(cli->link, &want);
    report_begin(&push.report, cli, name, "pushing");
    code = settle(&push, send_file(&push));
    link_free(push.call);
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

static void columns_help(FILE *out, unsigned width)
{
    fputs("columns (the first line names those that the file has, in any order):\n", out);
    sheet_print_columns(&push_sheet, out, width);
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
    .more_help = columns_help,
    .run = run,
};
