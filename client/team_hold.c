/*
 * team_hold.c - see team_hold.h. The client's one thread.
 */
#include "client/team_hold.h"

#include "client/hold_text.h"
#include "client/json.h"
#include "client/memory.h"
#include "daemon/base/config.h"
#include "daemon/base/text.h"

#include <stdlib.h>
#include <string.h>

bool team_hold_seconds(struct cli *cli, int64_t *out)
{
    const char *text = options_text(&cli->options, "for");
    int64_t ms = 0;
    *out = 0;
    if (text == NULL)
        return true;
    if (!config_duration(text, &ms) || ms < 1000) {
        cli_usage(cli, "--for is a duration with its unit, as 90m or 2h");
        return false;
    }
    *out = ms / 1000;
    return true;
}

static enum exit_code find_hold(struct cli *cli, struct team_hold_target *target)
{
    const char *argument = cli->options.arguments[0];
    struct problem problem = {0};
    if (!team_is_number(argument)) {
        if (!text_is_identifier(argument, sizeof target->hold_id - 1) || strchr(argument, ' ') != NULL)
            return cli_usage(cli, "a hold is a number of `vacancy holds`, or an id as E12000003-1-4711");
        snprintf(target->hold_id, sizeof target->hold_id, "%s", argument);
        return EXIT_DONE;
    }
    struct team_memory *memory;
    const struct team_hold *hold = NULL;
    if (team_memory_load(target->path, &memory, &problem) == ERR_NONE)
        hold = team_hold_find(memory, argument, cli_now_ms(), &problem);
    if (hold != NULL)
        memcpy(target->hold_id, hold->hold_id, sizeof target->hold_id);
    free(memory);
    return hold ? EXIT_DONE : cli_usage(cli, "%s", problem.text);
}

enum exit_code team_hold_target(struct cli *cli, struct team_hold_target *out)
{
    struct problem problem = {0};
    *out = (struct team_hold_target){0};
    if (team_memory_path(&cli->options, &out->path, &problem) != ERR_NONE)
        return cli_usage(cli, "%s", problem.text);
    enum exit_code code = find_hold(cli, out);
    return code == EXIT_DONE ? cli_connect(cli) : code;
}

void team_hold_target_free(struct team_hold_target *target)
{
    free(target->path);
}

/* Where a field of the contract is, in a message of which only the descriptor is known. */
static void *field_of(const ProtobufCMessage *message, const char *name)
{
    const ProtobufCFieldDescriptor *field = protobuf_c_message_descriptor_get_field_by_name(message->descriptor, name);
    if (field == NULL)
        abort();
    return (char *)message + field->offset;
}

static void print_answer(struct cli *cli, uint32_t number, const ProtobufCMessage *reply)
{
    const Vacancy__V1__HoldReceipt *receipt = *(Vacancy__V1__HoldReceipt **)field_of(reply, "receipt");
    struct hold_row row = {number, *(Vacancy__V1__HoldView **)field_of(reply, "hold")};
    if (options_flag(&cli->options, "json")) {
        json_t *object = json_of_message(reply);
        json_object_set_new(object, "number", json_integer(number));
        json_print(cli->out, object);
    } else if (row.hold != NULL) {
        hold_sentence_print(cli->out, cli->width, &row, cli_now_ms());
        hold_lines_print(cli->out, cli->width, &row, receipt);
    } else {
        cli_say(cli, "it is done; the hub says nothing of the hold: is this program older than the hub?");
    }
}

enum exit_code team_hold_run(struct cli *cli, const char *memory_path, const struct team_hold_call *call,
                             const ProtobufCMessage **reply)
{
    struct team_request asked = {.asked_at_ms = cli_now_ms()};
    snprintf(asked.what, sizeof asked.what, "%s", call->what);
    snprintf(asked.request_id, sizeof asked.request_id, "%s", cli_request_id());
    snprintf(asked.region, sizeof asked.region, "%s", *call->region ? call->region : "-");
    snprintf(asked.subject, sizeof asked.subject, "%s", call->subject);
    char *method = must_print("/vacancy.v1.PlacementService/%s", call->method);
    *(char **)field_of(call->request, "request_id") = asked.request_id;
    *reply = NULL;
    enum exit_code code = hold_call_run(
        cli, memory_path,
        &(struct hold_call){.path = method, .request = call->request, .reply = call->reply, .asked = asked}, reply);
    free(method);
    if (code != EXIT_DONE) {
        *reply = NULL;
        return code;
    }
    const Vacancy__V1__HoldView *hold = *(Vacancy__V1__HoldView **)field_of(*reply, "hold");
    print_answer(cli, hold_call_settle(cli, memory_path, asked.request_id, hold ? hold->hold_id : NULL), *reply);
    return EXIT_DONE;
}
