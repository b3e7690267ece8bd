/*
 * cmd_watch.c - vacancy watch: a standing search, told as it changes, until it is interrupted.
 *
 * Owns: the stream, and asking anew when the hub goes away. Not here: what is new about an event (watch_shown.h), the
 * programs that are run (watch_run.h). The client's one thread.
 */
#include "client/command.h"
#include "client/find_request.h"
#include "client/json.h"
#include "client/memory.h"
#include "client/watch_run.h"
#include "client/watch_shown.h"
#include "daemon/base/clock.h"

#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define TURN_MS        1000
#define RETRY_FIRST_MS 500
#define RETRY_MOST_MS  30000
#define EVENT_COLUMNS  8

#define EVENT(name) VACANCY__V1__WATCH_VACANCIES_RESPONSE__EVENT__EVENT_##name

struct watch {
    struct cli *cli;
    Vacancy__V1__WatchVacanciesRequest request;
    struct watch_shown *shown;
    struct watch_run *run; /* NULL: no program */
    bool json, coloured;
    bool ready; /* it has once heard what there is: from here on a hub that goes away is waited for */
    bool heard; /* something, since the last stream began */
};

static volatile sig_atomic_t stopped;

static void on_signal(int number)
{
    stopped = stopped || number != SIGCHLD; /* a child's end only wakes the poll */
}

/* The second interrupt ends it at once, as ever. */
static void take_signals(void)
{
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = (int)SA_RESETHAND};
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    action.sa_flags = 0;
    sigaction(SIGCHLD, &action, NULL);
}

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
    watch->heard = true;
    watch->ready = watch->ready || event->event == EVENT(READY);
    watch_shown_hear(watch->shown, event, tell, watch);
}

/* --- one stream, and the next ------------------------------------------------------------------------------------- */

static bool is_over(const struct watch *watch)
{
    return stopped || cli_unread(watch->cli);
}

/* Until it ends or is interrupted; true: it came to the end that we had set for it, and may be asked for again. */
static bool follow(struct watch *watch, struct problem *problem)
{
    int64_t began_ms = clock_boot_ms(clock_system());
    struct link_want want = {.path = "/vacancy.v1.PlacementService/WatchVacancies",
                             .reply = &vacancy__v1__watch_vacancies_response__descriptor,
                             .silence_ms = 2 * LINK_STREAM_MS,
                             .message = hear,
                             .context = watch};
    watch_shown_begin(watch->shown);
    watch->heard = false;
    struct link_call *call = link_start(watch->cli->link, &want);
    link_send(call, &watch->request.base);
    link_end(call);
    while (!is_over(watch) && !link_is_over(call, problem)) {
        link_turn(watch->cli->link, TURN_MS);
        watch_run_turn(watch->run);
    }
    link_free(call);
    return problem->code == ERR_DEADLINE && clock_boot_ms(clock_system()) - began_ms > LINK_STREAM_MS - 60000;
}

static void wait_ms(struct watch *watch, int64_t ms)
{
    int64_t until = clock_boot_ms(clock_system()) + ms, left;
    while (!is_over(watch) && (left = until - clock_boot_ms(clock_system())) > 0) {
        poll(NULL, 0, left > TURN_MS ? TURN_MS : (int)left);
        watch_run_turn(watch->run);
    }
}

/* A new connection, however long that takes; EXIT_DONE with cli->link, or interrupted. */
static enum exit_code reconnect(struct watch *watch, struct problem *problem, int64_t *retry_ms)
{
    struct cli *cli = watch->cli;
    struct settings settings;
    enum err err = ERR_UNAVAILABLE;
    if (settings_load(&cli->options, &settings, problem) != ERR_NONE)
        return cli_usage(cli, "%s", problem->text);
    while (err != ERR_NONE && !is_over(watch)) {
        wait_ms(watch, *retry_ms);
        *retry_ms = *retry_ms * 2 < RETRY_MOST_MS ? *retry_ms * 2 : RETRY_MOST_MS;
        link_close(cli->link);
        cli->link = NULL;
        err = is_over(watch) ? ERR_NONE : link_open(&settings, &cli->link, problem);
        if (err != ERR_NONE && exit_code_of_call(err) != EXIT_UNAVAILABLE)
            break;
    }
    settings_free(&settings);
    return err == ERR_NONE || is_over(watch) ? EXIT_DONE : cli_failed(cli, problem);
}

/* Said once for each time it goes away, whatever is tried. */
static enum exit_code follow_on(struct watch *watch)
{
    int64_t retry_ms = RETRY_FIRST_MS;
    bool away = false;
    enum exit_code code = EXIT_DONE;
    while (code == EXIT_DONE && !is_over(watch)) {
        struct problem problem = {0};
        bool in_time = follow(watch, &problem);
        if (is_over(watch))
            break;
        if (watch->heard) {
            away = false;
            retry_ms = RETRY_FIRST_MS;
        }
        find_flag_of_field(problem.field);
        if (in_time)
            continue;
        if (problem.code != ERR_NONE && (!watch->ready || exit_code_of_call(problem.code) != EXIT_UNAVAILABLE))
            return cli_failed(watch->cli, &problem);
        if (!away)
            cli_say(watch->cli, "the hub went away (%s); trying again until it is back",
                    problem.text[0] ? problem.text : "it ended the search");
        away = true;
        code = reconnect(watch, &problem, &retry_ms);
    }
    return code;
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
    take_signals();
    watch.shown = watch_shown_create();
    watch.run = program ? watch_run_create(program) : NULL;
    code = follow_on(&watch);
    if (watch.run != NULL && watch_run_failures(watch.run) > 0)
        cli_say(cli, "%s could not be run, or failed, %lu times", program, watch_run_failures(watch.run));
    watch_run_destroy(watch.run);
    watch_shown_destroy(watch.shown);
    return code;
}

static enum exit_code run(struct cli *cli)
{
    return find_request_run(cli, watch_question);
}

const struct command command_watch = {
    .name = "watch",
    .arguments = "",
    .summary = "A standing search: what suits now, then a line for each that appears, changes or goes.",
    .example = "  vacancy watch --near LS6 --child 14:M --type EMERGENCY --ref 383-204417\n"
               "  vacancy watch --near LS6 --child 14:M --ref 383-204417 --run ./tell-the-duty-team\n",
    .notes =
        "The question is that of `vacancy find`; --split-into and --no-why make no difference here.\n"
        "It runs until it is interrupted (Ctrl-C), and then exits 0. When the hub goes away it says so once, tries "
        "again "
        "until it is back, and then tells only what is different.\n"
        "The program of --run is run once for each line, the first ones too, one at a time: VACANCY_EVENT is appeared, "
        "changed or gone, VACANCY_ID the vacancy. No shell sees them; what it prints goes to standard error.\n"
        "Each vacancy that it shows is written to the audit trail.",
    .options = watch_options,
    .more_help = find_print_codes,
    .run = run,
};
