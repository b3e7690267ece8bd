/*
 * hold_call.c - see hold_call.h. The client's one thread.
 */
#include "client/hold_call.h"

#include "client/contact_text.h"
#include "client/json.h"
#include "client/said.h"
#include "client/sure_call.h"
#include "daemon/base/clock.h"

#include <stdlib.h>
#include <string.h>

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

static void print_telephone(struct cli *cli, const struct grown_text *contact)
{
    if (contact->bytes > 0)
        print_wrapped(cli->err, INDENT, "telephone", LABEL_COLUMNS, contact->text, cli->width);
}

static void print_contact(struct cli *cli, const Vacancy__V1__AgencyContact *agency)
{
    struct grown_text text = {0};
    contact_add(&text, agency);
    print_telephone(cli, &text);
    grown_free(&text);
}

/* `so`: what follows for the caller from that its hub was not reached. */
static enum exit_code failed(struct cli *cli, struct problem *problem, const struct link_failure *failure,
                             const char *so)
{
    const Vacancy__V1__ForwardFailure *forward = failure->forward;
    char when[WHEN_TEXT_BYTES], ago[AGO_TEXT_BYTES];
    if (forward == NULL || problem->code != ERR_UNAVAILABLE || forward->unreachable_since_ms == 0) {
        flag_of_field(problem->field);
        enum exit_code code = cli_failed(cli, problem);
        print_contact(cli, forward ? forward->agency : NULL);
        return code;
    }
    cli_say(cli, "the hub of %s decides this and can't be reached since %s (%s); %s", forward->region,
            when_text(forward->unreachable_since_ms, when), ago_text(forward->unreachable_since_ms, cli_now_ms(), ago),
            so);
    print_contact(cli, forward->agency);
    return EXIT_UNAVAILABLE;
}

enum exit_code hold_call_failed(struct cli *cli, struct problem *problem, const struct link_failure *failure)
{
    return failed(cli, problem, failure, "it has not heard of it, nothing was done");
}

enum exit_code hold_question_failed(struct cli *cli, struct problem *problem, const struct link_failure *failure)
{
    return failed(cli, problem, failure, "it may have been done: ask again later");
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

/* What the tries so far say together: the last one may not have left, where an earlier one did. */
struct tries {
    bool unknown;           /* one of them may have been done */
    struct problem problem; /* of the first such: of a later one there may have been no time left to ask anybody */
    char region[TEAM_REGION_BYTES]; /* whose hub decides; "" while nobody said */
    int64_t unreachable_since_ms;   /* as the last try found; 0: not said */
    struct grown_text contact;
};

static void tries_add(struct tries *tries, const struct problem *problem, const struct link_failure *failure)
{
    const Vacancy__V1__ForwardFailure *forward = failure->forward;
    if (failure->outcome_unknown && !tries->unknown) {
        tries->unknown = true;
        tries->problem = *problem;
    }
    tries->unreachable_since_ms = forward ? forward->unreachable_since_ms : 0;
    if (forward == NULL)
        return;
    snprintf(tries->region, sizeof tries->region, "%s", forward->region);
    if (forward->agency != NULL) {
        grown_free(&tries->contact);
        contact_add(&tries->contact, forward->agency);
    }
}

static void print_unknown_json(struct cli *cli, const struct hold_call *call, const struct tries *tries)
{
    if (options_flag(&cli->options, "json") && call->asked.what[0])
        json_print(cli->out, json_pack("{sb ss ss ss}", "outcome_unknown", 1, "what", call->asked.what, "request_id",
                                       call->asked.request_id, "region", tries->region));
}

static enum exit_code not_known(struct cli *cli, const char *memory_path, const struct hold_call *call,
                                const struct tries *tries)
{
    struct problem ignored; /* --settle then finds the region out by the hub's list */
    char when[WHEN_TEXT_BYTES];
    if (call->asked.what[0] && tries->region[0])
        (void)!team_memory_change(memory_path, note_region, &(struct went){call->asked.request_id, tries->region},
                                  &ignored);
    if (tries->unreachable_since_ms != 0)
        cli_say(cli, "it is not known whether it was done: the hub of %s decides this and can't be reached since %s",
                tries->region, when_text(tries->unreachable_since_ms, when));
    else
        say_unknown(cli, &tries->problem);
    print_unknown_json(cli, call, tries);
    print_wrapped(cli->err, INDENT, "next", LABEL_COLUMNS,
                  call->asked.what[0] ? "`vacancy holds --settle` asks what became of it; ask that before anything "
                                        "else about it, or telephone"
                                      : "say it again: that is safe",
                  cli->width);
    print_telephone(cli, &tries->contact);
    return EXIT_UNAVAILABLE;
}

/* Until it is decided, or time is over. *decided: `problem` says by what. */
static enum err try_on(struct cli *cli, const struct hold_call *call, struct tries *tries,
                       const ProtobufCMessage **reply, struct problem *problem, bool *decided)
{
    int64_t until_ms = clock_boot_ms(clock_system()) + LINK_CALL_MS, left_ms = LINK_CALL_MS;
    for (;;) {
        enum err err = link_call_within(cli->link, call->path, call->request, call->reply, left_ms, reply, problem);
        if (err != ERR_NONE)
            tries_add(tries, problem, link_failure(cli->link));
        *decided = err == ERR_NONE || !tries->unknown || hold_call_is_decision(err);
        if (*decided || exit_code_of_call(err) != EXIT_UNAVAILABLE || !sure_call_try_again(cli, until_ms, &left_ms))
            return err;
    }
}

enum exit_code hold_call_run(struct cli *cli, const char *memory_path, const struct hold_call *call,
                             const ProtobufCMessage **reply)
{
    struct problem problem = {0};
    struct tries tries = {0};
    bool decided;
    if (call->asked.what[0] && team_memory_change(memory_path, note, (void *)&call->asked, &problem) != ERR_NONE) {
        cli_say(cli, "nothing was asked: %s", problem.text);
        return EXIT_USAGE;
    }
    enum exit_code code = EXIT_DONE;
    enum err err = try_on(cli, call, &tries, reply, &problem, &decided);
    if (!decided) {
        code = not_known(cli, memory_path, call, &tries);
    } else if (err != ERR_NONE) {
        if (call->asked.what[0])
            hold_call_settle(cli, memory_path, call->asked.request_id, NULL);
        code = hold_call_failed(cli, &problem, link_failure(cli->link));
    }
    grown_free(&tries.contact);
    return code;
}
