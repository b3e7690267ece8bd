/*
 * hold_call.c - see hold_call.h. The client's one thread.
 */
#include "client/hold_call.h"

#include "client/contact_text.h"
#include "client/said.h"
#include "daemon/base/clock.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>

#define RETRY_MS      500
#define LABEL_COLUMNS 12
#define INDENT        3

/* --- words -------------------------------------------------------------------------------------------------------- */

static void flag_of_field(char field[PROBLEM_FIELD_BYTES])
{
    static const struct option_field known[] = {
        {"beds", "beds", false},
        {"region", "region", false},
        {"request_reference", "ref", false},
        {"duration_s", "for", false},
        {"placement_code", "code", false},
        {"starts_on", "starts", false},
        {"children", "child", true},
        {"provider_consent", "provider-consent", false},
        {"authorities_consent", "authorities-consent", false},
        {"home_postcode", "near", false},
        {"placement_did_not_begin", "placement-did-not-begin", false},
    };
    options_flag_of_field(known, sizeof known / sizeof known[0], field);
}

static void print_contact(struct cli *cli, const Vacancy__V1__AgencyContact *agency)
{
    struct grown_text text = {0};
    contact_add(&text, agency);
    if (text.bytes > 0)
        print_wrapped(cli->err, INDENT, "telephone", LABEL_COLUMNS, text.text, cli->width);
    grown_free(&text);
}

enum exit_code hold_call_failed(struct cli *cli, struct problem *problem, const struct link_failure *failure)
{
    const Vacancy__V1__ForwardFailure *forward = failure->forward;
    char when[WHEN_TEXT_BYTES], ago[AGO_TEXT_BYTES];
    if (forward == NULL || problem->code != ERR_UNAVAILABLE || forward->unreachable_since_ms == 0) {
        flag_of_field(problem->field);
        enum exit_code code = cli_failed(cli, problem);
        print_contact(cli, forward ? forward->agency : NULL);
        return code;
    }
    cli_say(cli,
            "the hub of %s decides this and can't be reached since %s (%s); it has not heard of it, nothing was done",
            forward->region, when_text(forward->unreachable_since_ms, when),
            ago_text(forward->unreachable_since_ms, cli_now_ms(), ago));
    print_contact(cli, forward->agency);
    return EXIT_UNAVAILABLE;
}

/* --- the memory --------------------------------------------------------------------------------------------------- */

static bool note(struct team_memory *memory, void *context, struct problem *problem)
{
    if (team_request_add(memory, context))
        return true;
    problem_set(problem, ERR_LIMIT, "",
                "of %d requests it is not known whether they were done: `vacancy holds --settle`", TEAM_UNSETTLED_MAX);
    return false;
}

struct went {
    const char *request_id, *region;
};

static bool note_region(struct team_memory *memory, void *context, struct problem *problem)
{
    const struct went *went = context;
    (void)problem;
    team_request_set_region(memory, went->request_id, went->region);
    return true;
}

struct settled {
    const char *request_id, *hold_id;
    uint32_t number;
};

static bool forget(struct team_memory *memory, void *context, struct problem *problem)
{
    struct settled *settled = context;
    (void)problem;
    team_request_remove(memory, settled->request_id);
    if (settled->hold_id != NULL)
        settled->number = team_hold_add(memory, settled->hold_id, cli_now_ms());
    return true;
}

uint32_t hold_call_settle(struct cli *cli, const char *memory_path, const char *request_id, const char *hold_id)
{
    struct settled settled = {request_id, hold_id, 0};
    struct problem problem = {0};
    if (team_memory_change(memory_path, forget, &settled, &problem) != ERR_NONE)
        cli_say(cli, "what became of it can't be kept: %s", problem.text);
    return settled.number;
}

/* --- the call ----------------------------------------------------------------------------------------------------- */

bool hold_call_is_decision(enum err err)
{
    return err == ERR_INVALID || err == ERR_NOT_FOUND || err == ERR_PRECONDITION || err == ERR_STALE;
}

static void say_unknown(struct cli *cli, const struct problem *problem)
{
    char *text = said_text(problem->text);
    cli_say(cli, "it is not known whether it was done: %s", text);
    free(text);
}

static enum exit_code not_known(struct cli *cli, const char *memory_path, const struct hold_call *call,
                                const struct problem *problem)
{
    const struct link_failure *failure = link_failure(cli->link);
    struct problem ignored; /* --settle then finds the region out by the hub's list */
    char when[WHEN_TEXT_BYTES];
    if (call->asked.what[0] && failure->forward != NULL)
        (void)!team_memory_change(memory_path, note_region,
                                  &(struct went){call->asked.request_id, failure->forward->region}, &ignored);
    /* The last try may not have left; an earlier one did. */
    if (failure->forward != NULL && failure->forward->unreachable_since_ms != 0)
        cli_say(cli, "it is not known whether it was done: the hub of %s decides this and can't be reached since %s",
                failure->forward->region, when_text(failure->forward->unreachable_since_ms, when));
    else
        say_unknown(cli, problem);
    print_wrapped(cli->err, INDENT, "next", LABEL_COLUMNS,
                  call->asked.what[0] ? "`vacancy holds --settle` asks what became of it; until then do nothing else "
                                        "about it"
                                      : "say it again: that is safe",
                  cli->width);
    print_contact(cli, failure->forward ? failure->forward->agency : NULL);
    return EXIT_UNAVAILABLE;
}

static void reconnect(struct cli *cli, int64_t left_ms)
{
    struct settings settings;
    struct problem problem = {0};
    struct link *link = NULL;
    if (settings_load(&cli->options, &settings, &problem) != ERR_NONE)
        return;
    if (link_open_within(&settings, left_ms, &link, &problem) == ERR_NONE) {
        link_close(cli->link);
        cli->link = link;
    }
    settings_free(&settings);
}

enum exit_code hold_call_run(struct cli *cli, const char *memory_path, const struct hold_call *call,
                             const ProtobufCMessage **reply)
{
    struct problem problem = {0};
    bool unknown = false;
    if (call->asked.what[0] && team_memory_change(memory_path, note, (void *)&call->asked, &problem) != ERR_NONE) {
        cli_say(cli, "nothing was asked: %s", problem.text);
        return EXIT_USAGE;
    }
    int64_t until_ms = clock_boot_ms(clock_system()) + LINK_CALL_MS, left_ms = LINK_CALL_MS;
    for (;;) {
        enum err err = link_call_within(cli->link, call->path, call->request, call->reply, left_ms, reply, &problem);
        if (err == ERR_NONE)
            return EXIT_DONE;
        unknown = unknown || link_failure(cli->link)->outcome_unknown;
        if (!unknown || hold_call_is_decision(err))
            break;
        left_ms = until_ms - clock_boot_ms(clock_system()) - RETRY_MS;
        if (exit_code_of_call(err) != EXIT_UNAVAILABLE || left_ms <= 0)
            return not_known(cli, memory_path, call, &problem);
        poll(NULL, 0, RETRY_MS);
        if (!link_lives(cli->link))
            reconnect(cli, left_ms);
        left_ms = until_ms - clock_boot_ms(clock_system());
        if (left_ms <= 0)
            return not_known(cli, memory_path, call, &problem);
    }
    if (call->asked.what[0])
        hold_call_settle(cli, memory_path, call->asked.request_id, NULL);
    return hold_call_failed(cli, &problem, link_failure(cli->link));
}
