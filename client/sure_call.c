/*
 * sure_call.c - see sure_call.h. The client's one thread.
 */
#include "client/sure_call.h"

#include "client/hold_call.h"
#include "daemon/base/clock.h"

#include <poll.h>

#define RETRY_MS      500
#define LABEL_COLUMNS 12
#define INDENT        3

static void reconnect(struct cli *cli, int64_t left_ms)
{
    struct settings settings;
    struct problem ignored = {0};
    struct link *link = NULL;
    if (settings_load(&cli->options, &settings, &ignored) != ERR_NONE)
        return;
    if (link_open_within(&settings, left_ms, &link, &ignored) == ERR_NONE) {
        link_close(cli->link);
        cli->link = link;
    }
    settings_free(&settings);
}

bool sure_call_try_again(struct cli *cli, int64_t until_ms, int64_t *left_ms)
{
    *left_ms = until_ms - clock_boot_ms(clock_system()) - RETRY_MS;
    if (*left_ms <= 0)
        return false;
    poll(NULL, 0, RETRY_MS);
    if (!link_lives(cli->link))
        reconnect(cli, *left_ms);
    *left_ms = until_ms - clock_boot_ms(clock_system());
    return *left_ms > 0;
}

enum err sure_call_run(struct cli *cli, const struct sure_call *call, const ProtobufCMessage **reply, bool *unknown,
                       struct problem *problem)
{
    int64_t until_ms = clock_boot_ms(clock_system()) + LINK_CALL_MS, left_ms = LINK_CALL_MS;
    *unknown = false;
    for (;;) {
        struct problem now = {0};
        enum err err = link_call_within(cli->link, call->path, call->request, call->reply, left_ms, reply, &now);
        bool may_be_done = err != ERR_NONE && link_failure(cli->link)->outcome_unknown;
        if (err == ERR_NONE || hold_call_is_decision(err))
            *unknown = false;
        if (may_be_done || !*unknown)
            *problem = now;
        *unknown = *unknown || may_be_done;
        if (!*unknown || exit_code_of_call(err) != EXIT_UNAVAILABLE || !sure_call_try_again(cli, until_ms, &left_ms))
            return err;
    }
}

enum exit_code sure_call_not_known(struct cli *cli, const char *whose, const struct problem *problem, const char *next)
{
    cli_say(cli, "%s%sit is not known whether it was done: %s", whose ? whose : "", whose ? ": " : "", problem->text);
    print_wrapped(cli->err, INDENT, "next", LABEL_COLUMNS, next, cli->width);
    return EXIT_UNAVAILABLE;
}
