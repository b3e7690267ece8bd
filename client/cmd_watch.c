/*
 * cmd_watch.c - vacancy watch: a standing search, told as it changes, until it is interrupted.
 *
 * Not here: the stream, and asking anew when the hub goes away (watch_stream.h), what is new about an event
 * (watch_shown.h), the programs that are run (watch_run.h), an agency's events (watch_agency.h). The client's one
 * thread.
 */
#include "client/command.h"
#include "client/find_request.h"
#include "client/json.h"
#include "client/memory.h"
#include "client/watch_agency.h"
#include "client/watch_run.h"
#include "client/watch_shown.h"
#include "client/watch_stream.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define EVENT_COLUMNS 8

#define EVENT(name) VACANCY__V1__WATCH_VACANCIES_RESPONSE__EVENT__EVENT_##name

struct watch {
    struct cli *cli;
    Vacancy__V1__WatchVacanciesRequest request;
    struct watch_shown *shown;
    struct watch_run *run; /* NULL: no program */
    bool json, coloured;
    struct watch_stream stream;
};

/* --- telling ------------------------------------------------------------------------------------------------------ */

static const struct event_words {
    Vacancy__V1__WatchVacanciesResponse__Event event;
    const char *words, *colour;
} events[] = {
    {EVENT(APPEARED), "appeared", "\x1b[32m"},
    {EVENT(CHANGED), "changed", "\x1b[33m"},
    {EVENT(GONE), "gone", "\x1b[31m"},
    {EVENT(READY), "ready", ""},
};

static const struct event_words *words_of(Vacancy__V1__WatchVacanciesResponse__Event event)
{
    size_t at = 0;
    while (events[at].event != event && events[at].event != EVENT(READY))
        at++;
    return &events[at];
}

static void print_line(const struct watch *watch, const struct event_words *words, int64_t as_of_ms, const char *line,
                       const char *id)
{
    time_t seconds = (time_t)(as_of_ms / 1000);
    struct tm local;
    char when[16] = "";
    if (localtime_r(&seconds, &local) != NULL)
        strftime(when, sizeof when, "%H:%M:%S", &local);
    char *clean = clean_text(line, 0), *clean_id = clean_text(id, 64);
    fprintf(watch->cli->out, "%s  %s%-*s%s  %s%s%s%s\n", when, watch->coloured ? words->colour : "", EVENT_COLUMNS,
            words->words, watch->coloured && *words->colour ? "\x1b[0m" : "", clean, *clean_id ? " (" : "", clean_id,
            *clean_id ? ")" : "");
    free(clean);
    free(clean_id);
}

static void tell(void *context, const Vacancy__V1__WatchVacanciesResponse *event, const char *line)
{
    struct watch *watch = context;
    const struct event_words *words = words_of(event->event);
    const char *id = event->option ? event->option->vacancy_id : event->vacancy_id;
    size_t count = watch_shown_count(watch->shown);
    if (watch->json) {
        json_print_inline(watch->cli->out, json_of_message(&event->base));
        fputc('\n', watch->cli->out);
    } else if (event->event == EVENT(READY)) {
        char *text = must_print("%zu option%s now; changes follow, until Ctrl-C", count, count == 1 ? "" : "s");
        print_line(watch, words, event->as_of_ms, text, "");
        free(text);
    } else {
        print_line(watch, words, event->as_of_ms, line, id);
    }
    fflush(watch->cli->out);
    if (watch->run != NULL && event->event != EVENT(READY) && !watch_run_add(watch->run, words->words, id))
        cli_say(watch->cli, "an id that is none: nothing is run for it");
}

static void hear(void *context, const ProtobufCMessage *message)
{
    struct watch *watch = context;
    const Vacancy__V1__WatchVacanciesResponse *event = (const Vacancy__V1__WatchVacanciesResponse *)message;
    watch_shown_hear(watch->shown, event, tell, watch);
}

static const ProtobufCMessage *begin(void *context)
{
    struct watch *watch = context;
    watch_shown_begin(watch->shown);
    return &watch->request.base;
}

static void turn(void *context)
{
    struct watch *watch = context;
    watch_run_turn(watch->run);
    if (watch_run_broken(watch->run) != 0)
        watch_stream_stop();
}

static enum exit_code watch_question(struct cli *cli, Vacancy__V1__FindVacanciesRequest *question)
{
    const char *term = getenv("TERM"), *program = options_text(&cli->options, "run");
    struct watch watch = {.cli = cli, .json = options_flag(&cli->options, "json")};
    vacancy__v1__watch_vacancies_request__init(&watch.request);
    watch.request.question = question;
    watch.coloured =
        isatty(fileno(cli->out)) && getenv("NO_COLOR") == NULL && term != NULL && strcmp(term, "dumb") != 0;
    enum exit_code code = cli_connect(cli);
    if (code != EXIT_DONE)
        return code;
    watch.stream = (struct watch_stream){.cli = cli,
                                         .path = "/vacancy.v1.PlacementService/WatchVacancies",
                                         .reply = &vacancy__v1__watch_vacancies_response__descriptor,
                                         .begin = begin,
                                         .hear = hear,
                                         .turn = turn,
                                         .context = &watch};
    watch.shown = watch_shown_create();
    watch.run = program ? watch_run_create(program) : NULL;
    code = watch_stream_follow(&watch.stream);
    int error = watch_run_broken(watch.run);
    if (error != 0) {
        cli_say(cli, "%s can't be run: %s", program, strerror(error));
        code = EXIT_USAGE;
    }
    if (watch.run != NULL && watch_run_failures(watch.run) > 0)
        cli_say(cli, "%s failed %lu times", program, watch_run_failures(watch.run));
    watch_run_destroy(watch.run);
    watch_shown_destroy(watch.shown);
    return code;
}

/* An agency asks no question. */
static bool is_of_agency(const struct cli *cli)
{
    return options_text(&cli->options, "near") == NULL && options_text(&cli->options, "child") == NULL &&
           cli_will_be_agency(cli);
}

static enum exit_code run(struct cli *cli)
{
    const char *program = options_text(&cli->options, "run");
    struct problem problem = {0};
    if (program != NULL && !watch_run_can(program, &problem))
        return cli_usage(cli, "%s", problem.text);
    if (is_of_agency(cli))
        return watch_agency_run(cli);
    if (options_flag(&cli->options, "cursor") || options_flag(&cli->options, "from-now"))
        return cli_usage(cli, "--cursor and --from-now are for an agency's events");
    return find_request_run(cli, watch_question);
}

const struct command command_watch = {
    .name = "watch",
    .arguments = "",
    .summary = "A standing search, told as it changes; for an agency, what happens to its carers, vacancies and holds.",
    .example = "  vacancy watch --near LS6 --child 14:M --type EMERGENCY --ref 383-204417\n"
               "  vacancy watch --near LS6 --child 14:M --ref 383-204417 --run ./tell-the-duty-team\n"
               "  vacancy watch --run ./tell-the-office            (an agency)\n",
    .notes =
        "The question is that of `vacancy find`; --split-into and --no-why make no difference here.\n"
        "It runs until it is interrupted (Ctrl-C), and then exits 0. When the hub goes away it says so once, tries "
        "again "
        "until it is back, and then tells only what is different.\n"
        "The program of --run is run once for each line, the first ones too, one at a time: VACANCY_EVENT is appeared, "
        "changed or gone, VACANCY_ID the vacancy. No shell sees them; what it prints goes to standard error.\n"
        "Each vacancy that it shows is written to the audit trail.\n"
        "With an agency's certificate and without a question it tells each event of the agency once, in order, from "
        "where "
        "the last run stopped, which a file keeps; it may be stopped, killed or cut off at any time. The program is "
        "told "
        "VACANCY_CURSOR, VACANCY_REFERENCE and VACANCY_HOLD, too, and an event counts as dealt with when it has ended.",
    .options = watch_options,
    .more_help = find_print_codes,
    .run = run,
};
