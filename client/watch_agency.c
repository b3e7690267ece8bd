/*
 * watch_agency.c - see watch_agency.h.
 *
 * Owns: how far events were heard, and how far they are dealt with: printed, and their program has ended.
 *
 *     .. kept in the file (dealt with) .. heard (printed; its program waits or runs)
 *
 * Not here: the file (watch_cursor.h), programs (watch_run.h), the stream (watch_stream.h). The client's one thread.
 * Invariant: the file never says more than was dealt with, and a stream begins after what was heard.
 */
#include "client/watch_agency.h"

#include "client/agency_event.h"
#include "client/json.h"
#include "client/watch_cursor.h"
#include "client/watch_run.h"
#include "client/watch_stream.h"

#include <string.h>

struct agency_watch {
    struct cli *cli;
    Vacancy__V1__WatchAgencyRequest request;
    struct watch_cursor cursor;
    struct watch_run *run; /* NULL: no program */
    struct watch_stream stream;
    uint64_t heard;
    bool from_now; /* until READY has said where that is */
    bool ready;    /* all that there was has been told */
    bool json, failed;
};

static const ProtobufCMessage *begin(void *context)
{
    struct agency_watch *watch = context;
    watch->request.from_now = watch->from_now;
    watch->request.after_cursor = watch->from_now ? 0 : watch->heard;
    return &watch->request.base;
}

/* Without its file it would repeat itself: said, and the end. */
static void keep(struct agency_watch *watch, uint64_t cursor)
{
    struct problem problem = {0};
    if (watch->failed || watch_cursor_keep(&watch->cursor, cursor, &problem) == ERR_NONE)
        return;
    watch->failed = true;
    cli_say(watch->cli, "%s", problem.text);
    watch_stream_stop();
}

static void keep_what_is_done(struct agency_watch *watch)
{
    if (watch_run_is_idle(watch->run))
        keep(watch, watch->heard);
    else if (watch_run_done(watch->run) != 0)
        keep(watch, watch_run_done(watch->run));
}

static void run_program(struct agency_watch *watch, const Vacancy__V1__AgencyEvent *event)
{
    char word[EVENT_WORD_BYTES];
    struct watch_run_event out = {agency_event_word(event->kind, word), event->vacancy_id, event->hold_id,
                                  event->agency_reference, watch->heard};
    if (watch->run != NULL && !watch_run_add_event(watch->run, &out))
        cli_say(watch->cli, "an id that is none: nothing is run for it");
}

/* A program that can't be started any more: the next run goes on with the event that it was for. */
static void stop_if_broken(struct agency_watch *watch)
{
    int error = watch_run_broken(watch->run);
    if (watch->failed || error == 0)
        return;
    watch->failed = true;
    cli_say(watch->cli, "%s can't be run: %s; the next run goes on with the event that it was for",
            options_text(&watch->cli->options, "run"), strerror(error));
    watch_stream_stop();
}

static void tell(struct agency_watch *watch, const Vacancy__V1__WatchAgencyResponse *response)
{
    FILE *out = watch->cli->out;
    if (watch->json) {
        json_print_inline(out, json_of_message(&response->base));
        fputc('\n', out);
    } else if (response->event != NULL) {
        agency_event_print(out, response->event);
    } else {
        fputs("that is all so far; what happens follows, until Ctrl-C\n", out);
    }
    fflush(out);
}

static void hear(void *context, const ProtobufCMessage *message)
{
    struct agency_watch *watch = context;
    const Vacancy__V1__WatchAgencyResponse *response = (const Vacancy__V1__WatchAgencyResponse *)message;
    bool ready = response->event == NULL;
    if (watch->failed || cli_unread(watch->cli))
        return; /* nobody would read it, and the next run tells it */
    if (!ready && !watch->from_now && response->cursor <= watch->heard)
        return; /* it was told */
    if (!ready || !watch->ready)
        tell(watch, response);
    if (watch->from_now || response->cursor > watch->heard)
        watch->heard = response->cursor;
    watch->from_now = false;
    watch->ready = watch->ready || ready;
    if (!ready)
        run_program(watch, response->event);
    keep_what_is_done(watch);
    stop_if_broken(watch);
}

static void turn(void *context)
{
    struct agency_watch *watch = context;
    watch_run_turn(watch->run);
    keep_what_is_done(watch);
    stop_if_broken(watch);
    watch_cursor_sync(&watch->cursor);
}

static enum exit_code follow(struct agency_watch *watch)
{
    const char *program = options_text(&watch->cli->options, "run");
    watch->heard = watch->cursor.cursor;
    watch->run = program ? watch_run_create(program) : NULL;
    enum exit_code code = watch_stream_follow(&watch->stream);
    watch_run_finish(watch->run);
    keep_what_is_done(watch);
    if (code == EXIT_REFUSED && !watch->ready)
        cli_say(watch->cli,
                "if it says that the events after the cursor are no longer there: `vacancy history` has what "
                "is kept, and --from-now begins anew");
    if (watch->run != NULL && watch_run_failures(watch->run) > 0)
        cli_say(watch->cli, "%s failed %lu times", program, watch_run_failures(watch->run));
    watch_run_destroy(watch->run);
    return watch->failed ? EXIT_USAGE : code;
}

enum exit_code watch_agency_run(struct cli *cli)
{
    struct agency_watch watch = {
        .cli = cli, .json = options_flag(&cli->options, "json"), .from_now = options_flag(&cli->options, "from-now")};
    struct problem problem = {0};
    char whose[64];
    vacancy__v1__watch_agency_request__init(&watch.request);
    enum exit_code code = cli_connect(cli);
    if (code != EXIT_DONE)
        return code;
    snprintf(whose, sizeof whose, "%s/%s", link_self(cli->link)->region, link_self(cli->link)->id);
    if (watch_cursor_open(options_text(&cli->options, "cursor"), whose, &watch.cursor, &problem) != ERR_NONE) {
        cli_say(cli, "%s", problem.text);
        return EXIT_USAGE;
    }
    watch.stream = (struct watch_stream){.cli = cli,
                                         .path = "/vacancy.v1.AgencyService/WatchAgency",
                                         .reply = &vacancy__v1__watch_agency_response__descriptor,
                                         .begin = begin,
                                         .hear = hear,
                                         .turn = turn,
                                         .context = &watch};
    code = follow(&watch);
    watch_cursor_close(&watch.cursor);
    return code;
}
