/*
 * watch_stream.c - see watch_stream.h. The client's one thread.
 */
#include "client/watch_stream.h"

#include "client/find_request.h"
#include "daemon/base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#define TURN_MS        1000
#define RETRY_FIRST_MS 500
#define RETRY_MOST_MS  30000

static volatile sig_atomic_t stopped;
static int woken[2] = {-1, -1}; /* a pipe: a signal between the last look and the poll must wake the poll as well */

static void on_signal(int number)
{
    int before = errno;
    stopped = stopped || number != SIGCHLD;
    if (write(woken[1], "", 1) < 0)
        errno = before; /* full: it wakes anyway */
}

static void drain(void)
{
    char octets[64];
    while (read(woken[0], octets, sizeof octets) > 0)
        continue;
}

/* The second interrupt ends it at once, as ever. */
static void take_signals(void)
{
    if (woken[0] < 0 && pipe2(woken, O_CLOEXEC | O_NONBLOCK) != 0)
        abort();
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = (int)SA_RESETHAND};
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    action.sa_flags = 0;
    sigaction(SIGCHLD, &action, NULL);
}

void watch_stream_stop(void)
{
    stopped = true;
}

static void hear(void *context, const ProtobufCMessage *message)
{
    struct watch_stream *stream = context;
    stream->heard = true;
    stream->hear(stream->context, message);
}

static bool is_over(const struct watch_stream *stream)
{
    return stopped || cli_unread(stream->cli);
}

/* Until it ends or is interrupted; true: it came to the end that we had set for it, and may be asked for again. */
static bool follow(struct watch_stream *stream, struct problem *problem)
{
    int64_t began_ms = clock_boot_ms(clock_system());
    struct link_want want = {.path = stream->path,
                             .reply = stream->reply,
                             .silence_ms = 2 * LINK_STREAM_MS,
                             .message = hear,
                             .context = stream};
    stream->heard = false;
    struct link_call *call = link_start(stream->cli->link, &want);
    link_send(call, stream->begin(stream->context));
    link_end(call);
    while (!is_over(stream) && !link_is_over(call, problem)) {
        link_turn_with(stream->cli->link, TURN_MS, woken[0]);
        drain();
        stream->turn(stream->context);
    }
    link_free(call);
    return problem->code == ERR_DEADLINE && clock_boot_ms(clock_system()) - began_ms > LINK_STREAM_MS - 60000;
}

static void wait_ms(struct watch_stream *stream, int64_t ms)
{
    int64_t until = clock_boot_ms(clock_system()) + ms, left;
    while (!is_over(stream) && (left = until - clock_boot_ms(clock_system())) > 0) {
        struct pollfd signals = {woken[0], POLLIN, 0};
        poll(&signals, 1, left > TURN_MS ? TURN_MS : (int)left);
        drain();
        stream->turn(stream->context);
    }
}

/* A new connection, however long that takes; EXIT_DONE with cli->link, or interrupted. */
static enum exit_code reconnect(struct watch_stream *stream, struct problem *problem, int64_t *retry_ms)
{
    struct cli *cli = stream->cli;
    struct settings settings;
    enum err err = ERR_UNAVAILABLE;
    if (settings_load(&cli->options, &settings, problem) != ERR_NONE)
        return cli_usage(cli, "%s", problem->text);
    while (err != ERR_NONE && !is_over(stream)) {
        wait_ms(stream, *retry_ms);
        *retry_ms = *retry_ms * 2 < RETRY_MOST_MS ? *retry_ms * 2 : RETRY_MOST_MS;
        link_close(cli->link);
        cli->link = NULL;
        err = is_over(stream) ? ERR_NONE : link_open(&settings, &cli->link, problem);
        if (err != ERR_NONE && exit_code_of_call(err) != EXIT_UNAVAILABLE)
            break;
    }
    settings_free(&settings);
    return err == ERR_NONE || is_over(stream) ? EXIT_DONE : cli_failed(cli, problem);
}

/* Said once for each time it goes away, whatever is tried. */
enum exit_code watch_stream_follow(struct watch_stream *stream)
{
    int64_t retry_ms = RETRY_FIRST_MS;
    bool away = false, heard_once = false; /* then the question is one that the hub answers */
    enum exit_code code = EXIT_DONE;
    take_signals();
    while (code == EXIT_DONE && !is_over(stream)) {
        struct problem problem = {0};
        bool in_time = follow(stream, &problem);
        if (is_over(stream))
            break;
        if (stream->heard) {
            away = false;
            heard_once = true;
            retry_ms = RETRY_FIRST_MS;
        }
        find_flag_of_field(problem.field);
        if (in_time)
            continue;
        if (problem.code != ERR_NONE && (!heard_once || exit_code_of_call(problem.code) != EXIT_UNAVAILABLE))
            return cli_failed(stream->cli, &problem);
        if (!away)
            cli_say(stream->cli, "the hub went away (%s); trying again until it is back",
                    problem.text[0] ? problem.text : "it ended the search");
        away = true;
        code = reconnect(stream, &problem, &retry_ms);
    }
    return code;
}
