/*
 * cmd_sync.c - vacancy sync: a CSV that is the agency's whole truth; the difference first, then one Submit stream.
 *
 * Owns: reading the file and the hub's lists, the words, the question whether to go on, sending the plan. Not here:
 * what the difference is (sync_plan.h), columns (push_sheet.h), answers (submit_stream.h). The client's one thread.
 * Invariant: nothing is sent before the whole file has been read and its difference shown.
 */
#include "client/command.h"
#include "client/memory.h"
#include "client/submit_stream.h"
#include "client/sync_plan.h"
#include "daemon/base/text.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define ROW_ARENA_BYTES     (1u << 20)
#define AHEAD_MAX_MS        (5 * 60 * 1000)
#define SHOWN_MAX           10u
#define AT_MOST_PERCENT     10u
#define REFERENCE_BYTES_MAX 64 /* an agency's own reference, as the hub takes it */

struct sync {
    struct cli *cli;
    const char *name; /* of the file, as people call it */
    int fd;
    struct stat status;
    bool cut_off; /* the last line has no end */
    unsigned percent;
    struct csv_file *file;
    struct sheet_map map;
    struct reference_set seen;
    uint64_t line; /* being read */
    struct report report;
    struct sync_plan plan;
    bool too_many;
};

/* --- what the hub has --------------------------------------------------------------------------------------------- */

static bool on_carer(void *context, const ProtobufCMessage *message)
{
    struct sync *sync = context;
    const Vacancy__V1__CarerView *view = ((const Vacancy__V1__ListCarersResponse *)message)->carer;
    sync->too_many = view != NULL && !sync_plan_know(&sync->plan, view);
    return !sync->too_many;
}

static enum exit_code read_hub(struct sync *sync)
{
    Vacancy__V1__ListCarersRequest request = VACANCY__V1__LIST_CARERS_REQUEST__INIT;
    struct problem problem = {0};
    request.include_ended = true;
    if (link_stream(sync->cli->link, "/vacancy.v1.AgencyService/ListCarers", &request.base,
                    &vacancy__v1__list_carers_response__descriptor, on_carer, sync, &problem) != ERR_NONE)
        return cli_failed(sync->cli, &problem);
    if (!sync->too_many)
        return EXIT_DONE;
    cli_say(sync->cli, "the hub has more than %u carers of yours, which is more than sync compares; use `vacancy push`",
            SYNC_CARERS_MAX);
    return EXIT_REFUSED;
}

/* --- the file ----------------------------------------------------------------------------------------------------- */

static void complain(void *context, const char *column, const char *text)
{
    struct sync *sync = context;
    report_rejected(&sync->report, sync->line, column, text);
}

/* Nothing of a file that is not whole is used: what is missing from it may be what is missing. */
static enum exit_code refuse_half(struct sync *sync, const char *why)
{
    progress_end(&sync->report.progress);
    cli_say(sync->cli, "%s:%" PRIu64 ": %s; the file is not whole, and nothing was done", sync->name, sync->line, why);
    return EXIT_USAGE;
}

static enum exit_code take_header(struct sync *sync, const struct csv_row *row)
{
    if (!sheet_header(&push_sheet, row, &sync->map, complain, sync))
        return EXIT_USAGE;
    if (sheet_has(&sync->map, "vacancy"))
        return EXIT_DONE;
    complain(sync, "vacancy",
             "the header lacks this column; a file that says nothing of vacancies is for `vacancy push`");
    return EXIT_USAGE;
}

/* A row that may be any household's: complained of, and noted. False: its reference says whose it is. */
static bool is_unsure(struct sync *sync, const char *reference)
{
    char text[128];
    if (!text_is_identifier(reference, REFERENCE_BYTES_MAX)) {
        snprintf(text, sizeof text, "1 to %d printable ASCII characters without a space at either end are accepted",
                 REFERENCE_BYTES_MAX);
    } else {
        uint64_t line = reference_set_add(&sync->seen, reference, sync->line);
        if (line == 0)
            return false;
        snprintf(text, sizeof text,
                 "the household of line %" PRIu64 " again; a file has one row for each, so this one is not used", line);
    }
    complain(sync, "agency_reference", text);
    sync_plan_unsure(&sync->plan);
    return true;
}

static enum exit_code take_row(struct sync *sync, const struct csv_row *row, struct arena *arena)
{
    char text[128];
    struct push_row read;
    if (row->count != sync->map.count) {
        snprintf(text, sizeof text, "%zu cells, but the header names %zu", row->count, sync->map.count);
        return refuse_half(sync, text);
    }
    const char *reference = sheet_text(&sync->map, row, "agency_reference");
    if (*reference == '\0')
        return refuse_half(sync, "no agency_reference, so nobody can say whose vacancy it is");
    if (sync->plan.rows == SYNC_CARERS_MAX)
        return refuse_half(sync, "more rows than sync takes (100,000)");
    if (is_unsure(sync, reference))
        return EXIT_DONE;
    if (push_row_read(&sync->map, row, sync->plan.file_ms, arena, &read, complain, sync))
        sync_plan_row(&sync->plan, sync->line, &read);
    else
        sync_plan_keep(&sync->plan, reference);
    return EXIT_DONE;
}

static enum exit_code read_file(struct sync *sync)
{
    struct csv_row row;
    struct problem problem = {0};
    struct arena arena;
    bool headed = false;
    enum exit_code code = EXIT_DONE;
    enum err err = ERR_NONE;
    arena_init(&arena, ROW_ARENA_BYTES);
    while (code == EXIT_DONE && (err = csv_file_next(sync->file, &row, &problem)) == ERR_NONE) {
        sync->line = row.line;
        arena_reset(&arena);
        code = headed ? take_row(sync, &row, &arena) : take_header(sync, &row);
        headed = true;
    }
    arena_finish(&arena);
    if (code != EXIT_DONE)
        return code;
    if (err == ERR_INVALID) {
        cli_say(sync->cli, "%s, %s; nothing was done", sync->name, problem.text);
        return EXIT_USAGE;
    }
    if (!headed) {
        sync->line = 1;
        complain(sync, NULL, "the file is empty; its first line must name the columns (`vacancy sync --help`)");
        return EXIT_USAGE;
    }
    sync_plan_finish(&sync->plan);
    return EXIT_DONE;
}

/* --- the difference, for people ----------------------------------------------------------------------------------- */

static void add_rows(struct table *table, const struct sync_plan *plan, enum sync_kind kind)
{
    static const char *const words[SYNC_KINDS] = {"added", "changed", "ended", "not used"};
    char number[GROUPED_TEXT_BYTES];
    uint64_t shown = 0;
    for (size_t i = 0; i < plan->shown_count && shown < SHOWN_MAX; i++) {
        const struct sync_row *row = &plan->shown[i];
        if (row->kind != kind)
            continue;
        shown++;
        table_cell(table, "%s", words[kind]);
        table_cell(table, "%s", row->reference);
        table_cell(table, row->line ? "%" PRIu64 : "", row->line);
        table_cell(table, "%s", row->what);
    }
    if (plan->counts[kind] > shown) {
        table_cell(table, "%s", words[kind]);
        table_cell(table, "and %s more", grouped_text(plan->counts[kind] - shown, number));
        table_cell(table, "%s", "");
        table_cell(table, "%s", "");
    }
}

static void show_missing(struct sync *sync)
{
    struct grown_text text = {0};
    const struct sync_plan *plan = &sync->plan;
    if (plan->missing_count == 0)
        return;
    grown_add(&text, "%zu %s not in the file and %s registered, without a vacancy: ", plan->missing_count,
              plan->missing_count == 1 ? "carer is" : "carers are", plan->missing_count == 1 ? "stays" : "stay");
    for (size_t i = 0; i < plan->missing_count && i < SHOWN_MAX; i++)
        grown_add(&text, "%s%s", i ? ", " : "", plan->missing[i]);
    grown_add(&text, "%s; where an approval has ended, say `vacancy end`",
              plan->missing_count > SHOWN_MAX ? " and others" : "");
    print_wrapped(sync->cli->out, 0, "", 0, text.text, sync->cli->width);
    grown_free(&text);
}

static void show_kept(struct sync *sync)
{
    struct grown_text text = {0};
    const struct sync_plan *plan = &sync->plan;
    if (plan->kept_count == 0)
        return;
    bool one = plan->kept_count == 1;
    grown_add(&text, "%zu %s not in the file and %s: ", plan->kept_count, one ? "vacancy is" : "vacancies are",
              one ? "stays" : "stay");
    for (size_t i = 0; i < plan->kept_count && i < SHOWN_MAX; i++)
        grown_add(&text, "%s%s", i ? ", " : "", plan->kept[i]);
    grown_add(&text,
              "%s; of %" PRIu64 " rejected %s nobody can say whose %s, so %s may be meant. Mend the file, or give "
              "--yes: then %s withdrawn",
              plan->kept_count > SHOWN_MAX ? " and others" : "", plan->unsure, plan->unsure == 1 ? "line" : "lines",
              plan->unsure == 1 ? "it is" : "they are", one ? "it" : "one of them", one ? "it is" : "they are");
    print_wrapped(sync->cli->out, 0, "", 0, text.text, sync->cli->width);
    grown_free(&text);
}

/* Once for all rows: it is the file that is old, not each of them. */
static void show_older(struct sync *sync)
{
    const struct sync_plan *plan = &sync->plan;
    char number[GROUPED_TEXT_BYTES], when[WHEN_TEXT_BYTES];
    if (plan->older == 0)
        return;
    char *text = must_print("%s of %s %s older than what the hub has; the file is from %s: export it again",
                            grouped_text(plan->older, number), sync->name, plan->older == 1 ? "is" : "are",
                            when_text(plan->file_ms, when));
    print_wrapped(sync->cli->out, 0, "", 0, text, sync->cli->width);
    free(text);
}

static char *totals(const struct sync_plan *plan)
{
    char numbers[5][GROUPED_TEXT_BYTES];
    return must_print("%s added, %s changed, %s ended, %s unchanged (%s of them confirmed anew)",
                      grouped_text(plan->counts[SYNC_ADDED], numbers[0]),
                      grouped_text(plan->counts[SYNC_CHANGED], numbers[1]),
                      grouped_text(plan->counts[SYNC_ENDED], numbers[2]), grouped_text(plan->unchanged, numbers[3]),
                      grouped_text(plan->confirmed, numbers[4]));
}

static void show_difference(struct sync *sync)
{
    const struct sync_plan *plan = &sync->plan;
    char when[WHEN_TEXT_BYTES];
    struct table *table = table_create();
    table_column(table, "", TABLE_LEFT);
    table_column(table, "reference", TABLE_LEFT);
    table_column(table, "line", TABLE_RIGHT);
    table_column(table, "what", TABLE_LEFT);
    add_rows(table, plan, SYNC_NOT_USED);
    add_rows(table, plan, SYNC_ENDED);
    add_rows(table, plan, SYNC_CHANGED);
    add_rows(table, plan, SYNC_ADDED);
    if (table_rows(table) > 0)
        table_print(table, sync->cli->out, 0, sync->cli->width);
    table_destroy(table);
    char *text = totals(plan);
    fprintf(sync->cli->out, "%s, as of %s\n", text, when_text(plan->file_ms, when));
    free(text);
    show_older(sync);
    show_missing(sync);
    show_kept(sync);
    fflush(sync->cli->out);
}

/* --- whether to go on --------------------------------------------------------------------------------------------- */

/* Why somebody must say yes; NULL: nobody need. The caller frees it. */
static char *objection(const struct sync *sync)
{
    const struct sync_plan *plan = &sync->plan;
    if (sync->cut_off)
        return must_print("The last line of %s has no end: the file may be cut off.", sync->name);
    if (sync_plan_is_of_another(plan))
        return must_print("None of the references in %s is known to the hub, and none of those that it knows is in the "
                          "file: it may be another agency's.",
                          sync->name);
    if (!sync_plan_ends_too_much(plan, sync->percent))
        return NULL;
    if (plan->rows == 0)
        return must_print("%s has no rows: that would end everything.", sync->name);
    return must_print("This ends %" PRIu64 " of %" PRIu64 " vacancies and %" PRIu64 " of %" PRIu64
                      " approvals, more than %u %%.",
                      plan->vacancies_ended, plan->live, plan->approvals_ended, plan->approved, sync->percent);
}

/* EXIT_DONE: go on. */
static enum exit_code agree(struct sync *sync)
{
    char *against = objection(sync);
    enum exit_code code = EXIT_DONE;
    if (against != NULL && !options_flag(&sync->cli->options, "yes") && !isatty(STDIN_FILENO))
        cli_say(sync->cli, "%s Nothing was done.", against);
    if (against != NULL || isatty(STDIN_FILENO)) {
        char *text = totals(&sync->plan),
             *question = must_print("%s%s%s.", against ? against : "", against ? " " : "", text);
        code = cli_agreed(sync->cli, question);
        free(text);
        free(question);
    }
    free(against);
    return code;
}

/* --- sending ------------------------------------------------------------------------------------------------------ */

static void set_wait(Vacancy__V1__SubmitRequest *request, Vacancy__V1__Durability wait_for)
{
    switch (request->update_case) {
    case VACANCY__V1__SUBMIT_REQUEST__UPDATE_PUT_CARER:
        request->put_carer->wait_for = wait_for;
        break;
    case VACANCY__V1__SUBMIT_REQUEST__UPDATE_PUT_VACANCY:
        request->put_vacancy->wait_for = wait_for;
        break;
    case VACANCY__V1__SUBMIT_REQUEST__UPDATE_END_CARER:
        request->end_carer->wait_for = wait_for;
        break;
    default:
        request->withdraw_vacancy->wait_for = wait_for;
    }
}

/* The sum, and where in the log the last change stands: with --json within it. */
static void tell_end(struct sync *sync, const struct submit_stream *stream)
{
    const char *region = link_region(sync->cli->link);
    if (sync->report.json && stream->sequence > 0)
        json_object_set_new(sync->report.more, "receipt",
                            json_pack("{s:s,s:I,s:I}", "region", region, "epoch", (json_int_t)stream->epoch, "sequence",
                                      (json_int_t)stream->sequence));
    report_end(&sync->report);
    if (!sync->report.json && stream->sequence > 0)
        fprintf(sync->cli->out, "receipt: %s, epoch %" PRIu64 ", sequence %" PRIu64 "\n", region, stream->epoch,
                stream->sequence);
}

/* Something in the file was not taken. */
static bool is_partly(const struct sync *sync)
{
    return sync->report.rejected > 0 || sync->plan.counts[SYNC_NOT_USED] > 0;
}

static enum exit_code send_plan(struct sync *sync)
{
    static struct submit_stream stream; /* one a process, and large */
    const struct sync_plan *plan = &sync->plan;
    struct problem problem = {0};
    progress_begin(&sync->report.progress, "syncing", sync->cli->err);
    submit_begin(&stream, sync->cli, &sync->report);
    for (size_t i = 0; i < plan->update_count && !submit_is_over(&stream); i++) {
        const struct sync_update *update = &plan->updates[i];
        struct submit_slot slot = {update->line, update->reference, update->carer, update->withdraw};
        ProtobufCMessage *message =
            protobuf_c_message_unpack(&vacancy__v1__submit_request__descriptor, NULL, update->bytes, update->octets);
        if (message == NULL)
            abort(); /* it is what we packed */
        set_wait((Vacancy__V1__SubmitRequest *)message, sync->report.receipts.wait_for);
        submit_send(&stream, (Vacancy__V1__SubmitRequest *)message, &slot);
        protobuf_c_message_free_unpacked(message, NULL);
        progress_show(&sync->report.progress, (double)stream.answered / (double)plan->update_count, stream.answered);
    }
    submit_end(&stream, plan->update_count, &problem);
    tell_end(sync, &stream);
    if (problem.code != ERR_NONE) {
        enum exit_code code = cli_failed(sync->cli, &problem);
        cli_say(sync->cli, "%" PRIu64 " of %zu updates were answered; run it again, that does the rest",
                stream.answered, plan->update_count);
        return code;
    }
    return receipts_end(&sync->report.receipts, sync->cli, is_partly(sync) ? EXIT_PARTLY : EXIT_DONE);
}

/* The whole file and the hub's lists are compared. */
static enum exit_code go_on(struct sync *sync)
{
    bool json = sync->report.json;
    if (json) {
        sync->report.more = json_object();
        json_object_set_new(sync->report.more, "difference", sync_plan_json(&sync->plan));
    } else {
        show_difference(sync);
    }
    enum exit_code code = EXIT_DONE;
    bool nothing = sync->plan.update_count == 0, only_shown = options_flag(&sync->cli->options, "dry-run");
    if (!nothing && !only_shown && (code = agree(sync)) == EXIT_DONE)
        return send_plan(sync);
    if (nothing)
        report_end_idle(&sync->report);
    else
        report_end_shown(&sync->report);
    if (code == EXIT_DONE && nothing && !json && sync->plan.counts[SYNC_NOT_USED] == 0)
        fputs("nothing to do\n", sync->cli->out);
    return code == EXIT_DONE && is_partly(sync) ? EXIT_PARTLY : code;
}

static enum exit_code run_with(struct sync *sync)
{
    enum exit_code code = cli_connect(sync->cli);
    if (code != EXIT_DONE)
        return code;
    struct csv_options options = {.fd = sync->fd};
    sync->file = csv_file_open(&options);
    report_begin(&sync->report, sync->cli, sync->name, "reading");
    code = read_hub(sync);
    if (code == EXIT_DONE)
        code = read_file(sync);
    if (code == EXIT_DONE)
        code = go_on(sync);
    else
        report_end_idle(&sync->report);
    csv_file_close(sync->file);
    reference_set_free(&sync->seen);
    sync_plan_free(&sync->plan);
    return code;
}

/* The file's own time, and whether its last line is whole. False: it can't be used; it has been said why. */
static bool look_at(struct sync *sync)
{
    char last = '\n';
    if (fstat(sync->fd, &sync->status) != 0 || !S_ISREG(sync->status.st_mode)) {
        cli_usage(sync->cli, "%s is no file; give a CSV file, whose time says when it was true", sync->name);
        return false;
    }
    sync->plan.now_ms = cli_now_ms();
    sync->plan.file_ms = (int64_t)sync->status.st_mtim.tv_sec * 1000 + sync->status.st_mtim.tv_nsec / 1000000;
    if (sync->plan.file_ms > sync->plan.now_ms + AHEAD_MAX_MS) {
        cli_usage(sync->cli, "the time of %s lies ahead; set the clock right, or touch the file", sync->name);
        return false;
    }
    if (sync->status.st_size > 0 && pread(sync->fd, &last, 1, sync->status.st_size - 1) != 1)
        last = '\n';
    sync->cut_off = last != '\n' && last != '\r';
    return true;
}

static enum exit_code run(struct cli *cli)
{
    const char *percent = options_text(&cli->options, "end-at-most");
    static struct sync sync; /* one a process, and large */
    sync = (struct sync){.cli = cli, .name = cli->options.arguments[0], .percent = AT_MOST_PERCENT};
    if (percent != NULL) {
        char *end;
        unsigned long value = strtoul(percent, &end, 10);
        if (*percent < '0' || *percent > '9' || (strcmp(end, "%") != 0 && *end != '\0') || value > 100)
            return cli_usage(cli, "--end-at-most: a share from 0 to 100, as 10%%");
        sync.percent = (unsigned)value;
    }
    sync.plan.end_in_doubt = options_flag(&cli->options, "yes");
    sync.fd = open(sync.name, O_RDONLY | O_CLOEXEC);
    if (sync.fd < 0)
        return cli_usage(cli, "%s can't be opened: %m", sync.name);
    enum exit_code code = look_at(&sync) ? run_with(&sync) : EXIT_USAGE;
    close(sync.fd);
    return code;
}

static const struct option_spec options[] = {
    {"end-at-most", "N%",
     "end at most this share of the vacancies, or of the approvals, without being told; 10% if not given", false},
    {"dry-run", NULL, "show the difference and do nothing", false},
    {"yes", NULL,
     "don't ask; also when more would end, or the file seems cut off or another agency's; and end what is "
     "missing although a line's reference can't be used",
     false},
    RECEIPT_OPTION,
    {"json", NULL, "the difference, the sum and the rejected lines as JSON", false},
    {0},
};

const struct command command_sync = {
    .name = "sync",
    .arguments = "FILE.csv",
    .summary = "Make the hub have what the file says, and nothing else: the file is your whole truth.",
    .example = "  vacancy sync carers.csv\n  vacancy sync carers.csv --dry-run\n",
    .notes =
        "Shows the difference first. A vacancy whose household is not in the file is withdrawn; the carer stays "
        "registered and is named, `vacancy end` ends an approval. Unchanged vacancies are confirmed anew.\n"
        "The file is as old as its modification time, unless it has the column observed_at: then a row is as old as "
        "that, and is confirmed only when that is newer. The same file again does nothing; after a break it does the "
        "rest.\n"
        "At a terminal it asks. Elsewhere it needs --yes only when more than the share of --end-at-most would end, or "
        "the file seems to be cut off or another agency's.\n"
        "A line that is rejected leaves its household as it is. Where its reference can't be used, or stands in an "
        "earlier line, nobody can say whose it is: then nothing ends for not being in the file, unless --yes is given. "
        "A vacancy with a live hold is not withdrawn: decline the hold first.",
    .options = options,
    .arguments_min = 1,
    .arguments_max = 1,
    .more_help = push_sheet_help,
    .run = run,
};
