/*
 * cmd_worklist.c - vacancy worklist: what waits for the agency, each kind with the command that deals with it.
 *
 * Owns: what makes a vacancy one to look at: reported since it was last confirmed, past its confirmation, or in the
 * last quarter of it. Not here: holds (agency_holds.h), rejected lines (rejected_lines.h). The client's one thread.
 */
#include "client/agency_holds.h"
#include "client/codes.h"
#include "client/command.h"
#include "client/json.h"
#include "client/memory.h"
#include "client/reference_set.h"
#include "client/rejected_lines.h"

#include <inttypes.h>
#include <stdlib.h>

#define VACANCIES_MAX 100000u
#define SHOWN_MAX     20u

enum reason { REPORTED, STALE, GOING_STALE, FINE };

struct vacancy {
    char *reference, *id;
    int64_t confirmed_at_ms, valid_until_ms, reported_at_ms;
    Vacancy__V1__VacancyState state;
};

struct worklist {
    struct cli *cli;
    int64_t now_ms;
    struct vacancy *vacancies;
    size_t count;
    struct reference_set by_id; /* index plus 1 */
    json_t *lost;               /* national references */
    json_t *placements;         /* whose children no push lists yet; as JSON, and rows of the table */
    struct table *placement_table;
    json_t *holds; /* those that await an answer; as JSON, and rows of the table */
    struct table *hold_table;
    struct rejected_kept rejected;
};

/* --- what there is ------------------------------------------------------------------------------------------------ */

static void add_placements(struct worklist *list, const Vacancy__V1__CarerView *view)
{
    for (size_t i = 0; i < view->n_placed_not_listed && json_array_size(list->placements) < VACANCIES_MAX; i++) {
        json_t *entry = json_of_message(&view->placed_not_listed[i]->base);
        json_object_set_new(entry, "agency_reference", json_of_text(view->carer->agency_reference));
        json_array_append_new(list->placements, entry);
        if (json_array_size(list->placements) <= SHOWN_MAX)
            placements_row(list->placement_table, view->carer->agency_reference, view->placed_not_listed[i]);
    }
}

static bool on_carer(void *context, const ProtobufCMessage *message)
{
    struct worklist *list = context;
    const Vacancy__V1__CarerView *view = ((const Vacancy__V1__ListCarersResponse *)message)->carer;
    if (view != NULL && view->lost_in_restore)
        json_array_append_new(list->lost, json_of_text(view->national_reference));
    if (view != NULL && view->carer != NULL)
        add_placements(list, view);
    if (view == NULL || view->carer == NULL || view->vacancy == NULL)
        return true;
    if (list->count == VACANCIES_MAX)
        return false;
    if ((list->count & (list->count - 1)) == 0)
        list->vacancies = must_resize(list->vacancies, list->count ? list->count * 2 : 1, sizeof *list->vacancies);
    list->vacancies[list->count++] = (struct vacancy){.reference = must_copy(view->carer->agency_reference),
                                                      .id = must_copy(view->vacancy->vacancy_id),
                                                      .confirmed_at_ms = view->vacancy->confirmed_at_ms,
                                                      .valid_until_ms = view->vacancy->valid_until_ms,
                                                      .state = view->vacancy->state};
    reference_set_add(&list->by_id, view->vacancy->vacancy_id, list->count);
    return true;
}

static bool on_event(void *context, const ProtobufCMessage *message)
{
    struct worklist *list = context;
    const Vacancy__V1__AgencyEvent *event = ((const Vacancy__V1__GetHistoryResponse *)message)->event;
    if (event == NULL || event->kind != VACANCY__V1__AGENCY_EVENT__KIND__KIND_REPORTED_UNAVAILABLE)
        return true;
    uint64_t index = reference_set_line(&list->by_id, event->vacancy_id);
    if (index > 0 && event->at_ms > list->vacancies[index - 1].reported_at_ms)
        list->vacancies[index - 1].reported_at_ms = event->at_ms;
    return true;
}

static bool on_hold(void *context, const ProtobufCMessage *message)
{
    struct worklist *list = context;
    const Vacancy__V1__HoldView *hold = ((const Vacancy__V1__AgencyServiceListHoldsResponse *)message)->hold;
    if (hold == NULL || hold->state != VACANCY__V1__HOLD_STATE__HOLD_STATE_ACTIVE)
        return true;
    json_array_append_new(list->holds, json_of_message(&hold->base));
    agency_holds_row(list->hold_table, hold);
    return true;
}

static enum err read_all(struct worklist *list, struct problem *problem)
{
    Vacancy__V1__ListCarersRequest carers = VACANCY__V1__LIST_CARERS_REQUEST__INIT;
    Vacancy__V1__GetHistoryRequest history = VACANCY__V1__GET_HISTORY_REQUEST__INIT;
    Vacancy__V1__AgencyServiceListHoldsRequest holds = VACANCY__V1__AGENCY_SERVICE_LIST_HOLDS_REQUEST__INIT;
    struct link *link = list->cli->link;
    enum err err = link_stream(link, "/vacancy.v1.AgencyService/ListCarers", &carers.base,
                               &vacancy__v1__list_carers_response__descriptor, on_carer, list, problem);
    if (err == ERR_NONE)
        err = link_stream(link, "/vacancy.v1.AgencyService/GetHistory", &history.base,
                          &vacancy__v1__get_history_response__descriptor, on_event, list, problem);
    if (err == ERR_NONE)
        err = link_stream(link, "/vacancy.v1.AgencyService/ListHolds", &holds.base,
                          &vacancy__v1__agency_service_list_holds_response__descriptor, on_hold, list, problem);
    return err;
}

static enum reason reason_of(const struct worklist *list, const struct vacancy *vacancy)
{
    int64_t quarter_ms = (vacancy->valid_until_ms - vacancy->confirmed_at_ms) / 4;
    if (vacancy->reported_at_ms > vacancy->confirmed_at_ms)
        return REPORTED;
    if (vacancy->state == VACANCY__V1__VACANCY_STATE__VACANCY_STATE_PLACED) /* nothing is offered, nothing lapses */
        return FINE;
    if (vacancy->valid_until_ms <= list->now_ms || vacancy->state == VACANCY__V1__VACANCY_STATE__VACANCY_STATE_LAPSED)
        return STALE;
    return vacancy->valid_until_ms - quarter_ms <= list->now_ms ? GOING_STALE : FINE;
}

/* --- telling ------------------------------------------------------------------------------------------------------ */

/* "2 holds await an answer": a blank line before all but the first. */
static void heading(struct worklist *list, bool *any, uint64_t count, const char *one, const char *many,
                    const char *command)
{
    char number[GROUPED_TEXT_BYTES];
    char *text = must_print("%s %s: %s", grouped_text(count, number), count == 1 ? one : many, command);
    if (*any)
        fputc('\n', list->cli->out);
    *any = true;
    print_wrapped(list->cli->out, 0, "", 0, text, list->cli->width);
    free(text);
}

static void row_of(struct table *table, const struct worklist *list, const struct vacancy *vacancy, enum reason reason)
{
    char word[64], when[AGO_TEXT_BYTES];
    int64_t at_ms = reason == REPORTED ? vacancy->reported_at_ms : vacancy->valid_until_ms;
    table_cell(table, "%s", vacancy->reference);
    table_cell(table, "%s", vacancy->id);
    table_cell(table, "%s",
               code_words(&vacancy__v1__vacancy_state__descriptor, (int)vacancy->state, word, sizeof word));
    table_cell(table, "%s", ago_text(at_ms, list->now_ms, when));
}

static void print_vacancies(struct worklist *list, bool *any, enum reason reason)
{
    static const struct {
        const char *one, *many, *when, *command;
    } words[] = {
        [REPORTED] = {"vacancy was reported not available by a team that telephoned",
                      "vacancies were reported not available by teams that telephoned", "reported",
                      "`vacancy confirm REF` if it is there, else `vacancy withdraw REF`, or push what is true"},
        [STALE] = {"vacancy is stale, in the list to phone first, or lapsed",
                   "vacancies are stale, in the list to phone first, or lapsed", "ran out",
                   "`vacancy confirm REF` if it is there still, else `vacancy withdraw REF`"},
        [GOING_STALE] = {"vacancy goes stale soon", "vacancies go stale soon", "runs out",
                         "`vacancy confirm REF`, or `vacancy confirm --all`"},
    };
    uint64_t count = 0;
    struct table *table = table_create();
    table_column(table, "reference", TABLE_LEFT);
    table_column(table, "vacancy", TABLE_LEFT);
    table_column(table, "state", TABLE_LEFT);
    table_column(table, words[reason].when, TABLE_LEFT);
    for (size_t i = 0; i < list->count; i++)
        if (reason_of(list, &list->vacancies[i]) == reason && count++ < SHOWN_MAX)
            row_of(table, list, &list->vacancies[i], reason);
    if (count > 0) {
        heading(list, any, count, words[reason].one, words[reason].many, words[reason].command);
        table_print(table, list->cli->out, 2, list->cli->width);
    }
    if (count > SHOWN_MAX)
        fprintf(list->cli->out, "  and %" PRIu64 " more; --json has all\n", count - SHOWN_MAX);
    table_destroy(table);
}

static void print_holds(struct worklist *list, bool *any)
{
    if (json_array_size(list->holds) == 0)
        return;
    heading(list, any, json_array_size(list->holds), "hold awaits an answer", "holds await an answer",
            "`vacancy accept HOLD`, or `vacancy decline HOLD --reason CODE`");
    table_print(list->hold_table, list->cli->out, 2, list->cli->width);
}

static void print_placements(struct worklist *list, bool *any)
{
    size_t count = json_array_size(list->placements);
    if (count == 0)
        return;
    heading(list, any, count, "placement is not in your pushes yet", "placements are not in your pushes yet",
            PLACEMENTS_NEXT);
    table_print(list->placement_table, list->cli->out, 2, list->cli->width);
    if (count > SHOWN_MAX)
        fprintf(list->cli->out, "  and %zu more; --json has all\n", count - SHOWN_MAX);
}

static void print_lost(struct worklist *list, bool *any)
{
    size_t count = json_array_size(list->lost);
    if (count == 0)
        return;
    heading(list, any, count, "carer is known only in part after a restore of the hub",
            "carers are known only in part after a restore of the hub",
            "send your file again, `vacancy sync FILE.csv`");
    for (size_t i = 0; i < count && i < SHOWN_MAX; i++)
        fprintf(list->cli->out, "  national reference %s\n", json_string_value(json_array_get(list->lost, i)));
}

static void print_rejected(struct worklist *list, bool *any)
{
    const struct rejected_kept *kept = &list->rejected;
    char when[WHEN_TEXT_BYTES];
    if (kept->file == NULL || kept->count == 0)
        return;
    heading(list, any, kept->count, "complaint about your last file", "complaints about your last file",
            "correct these and send it again; `vacancy sync FILE.csv --dry-run` says what is wrong in its cells");
    char *file = clean_text(kept->file, 0);
    fprintf(list->cli->out, "  %s, sent %s\n", file, when_text(kept->at_ms, when));
    free(file);
    for (size_t i = 0; i < kept->line_count && i < SHOWN_MAX; i++) {
        char *column = clean_text(kept->lines[i].column, 64);
        if (kept->lines[i].line == 0)
            fprintf(list->cli->out, "  not in the file: %s\n", column);
        else
            fprintf(list->cli->out, "  line %" PRIu64 "%s%s\n", kept->lines[i].line, *column ? ": " : "", column);
        free(column);
    }
    if (kept->count > SHOWN_MAX)
        fprintf(list->cli->out, "  and %" PRIu64 " more\n", kept->count - SHOWN_MAX);
}

static void print(struct worklist *list)
{
    bool any = false;
    print_holds(list, &any);
    print_placements(list, &any);
    print_vacancies(list, &any, REPORTED);
    print_vacancies(list, &any, STALE);
    print_vacancies(list, &any, GOING_STALE);
    print_lost(list, &any);
    print_rejected(list, &any);
    if (!any)
        fputs("nothing waits for you\n", list->cli->out);
}

/* --- for machines ------------------------------------------------------------------------------------------------- */

static json_t *vacancy_json(const struct vacancy *vacancy)
{
    json_t *entry = json_object();
    json_object_set_new(entry, "agency_reference", json_of_text(vacancy->reference));
    json_object_set_new(entry, "vacancy_id", json_of_text(vacancy->id));
    json_object_set_new(entry, "state",
                        json_string(code_name(&vacancy__v1__vacancy_state__descriptor, (int)vacancy->state)));
    json_object_set_new(entry, "confirmed_at_ms", json_integer(vacancy->confirmed_at_ms));
    json_object_set_new(entry, "valid_until_ms", json_integer(vacancy->valid_until_ms));
    json_object_set_new(entry, "reported_at_ms", json_integer(vacancy->reported_at_ms));
    return entry;
}

static json_t *rejected_json(const struct rejected_kept *kept)
{
    if (kept->file == NULL || kept->count == 0)
        return json_null();
    json_t *lines = json_array();
    for (size_t i = 0; i < kept->line_count; i++) {
        const struct rejected_line *line = &kept->lines[i];
        json_t *entry = json_object();
        json_object_set_new(entry, "line", line->line ? json_integer((json_int_t)line->line) : json_null());
        json_object_set_new(entry, line->line ? "column" : "agency_reference", json_of_text(line->column));
        json_array_append_new(lines, entry);
    }
    return json_pack("{s:o,s:I,s:I,s:o}", "file", json_of_text(kept->file), "at_ms", (json_int_t)kept->at_ms,
                     "rejected", (json_int_t)kept->count, "lines", lines);
}

static void print_json(struct worklist *list)
{
    static const char *const names[] = {"reported_unavailable", "stale", "going_stale"};
    json_t *all = json_object();
    json_object_set(all, "holds", list->holds);
    json_object_set(all, "placed_not_listed", list->placements);
    for (int reason = REPORTED; reason < FINE; reason++) {
        json_t *some = json_array();
        for (size_t i = 0; i < list->count; i++)
            if ((int)reason_of(list, &list->vacancies[i]) == reason)
                json_array_append_new(some, vacancy_json(&list->vacancies[i]));
        json_object_set_new(all, names[reason], some);
    }
    json_object_set(all, "lost_in_restore", list->lost);
    json_object_set_new(all, "rejected", rejected_json(&list->rejected));
    json_print(list->cli->out, all);
}

static void finish(struct worklist *list)
{
    for (size_t i = 0; i < list->count; i++) {
        free(list->vacancies[i].reference);
        free(list->vacancies[i].id);
    }
    free(list->vacancies);
    reference_set_free(&list->by_id);
    json_decref(list->lost);
    json_decref(list->holds);
    json_decref(list->placements);
    table_destroy(list->placement_table);
    table_destroy(list->hold_table);
    rejected_kept_free(&list->rejected);
}

static enum exit_code run(struct cli *cli)
{
    enum exit_code code = cli_connect(cli);
    if (code != EXIT_DONE)
        return code;
    struct worklist list = {.cli = cli,
                            .now_ms = cli_now_ms(),
                            .lost = json_array(),
                            .holds = json_array(),
                            .placements = json_array(),
                            .placement_table = placements_table(),
                            .hold_table = agency_holds_table()};
    struct problem problem = {0};
    if (read_all(&list, &problem) != ERR_NONE) {
        code = cli_failed(cli, &problem);
    } else {
        rejected_lines_load(&list.rejected, cli);
        if (options_flag(&cli->options, "json"))
            print_json(&list);
        else
            print(&list);
    }
    finish(&list);
    return code;
}

static const struct option_spec options[] = {
    {"json", NULL, "all of it as JSON", false},
    {0},
};

const struct command command_worklist = {
    .name = "worklist",
    .arguments = "",
    .summary = "What waits for you: holds to answer, placed children to list, vacancies reported or going stale, "
               "rejected lines.",
    .example = "  vacancy worklist\n",
    .notes =
        "Each with the command that deals with it. A vacancy goes stale soon when three quarters of its confirmation "
        "have passed.",
    .options = options,
    .run = run,
};
