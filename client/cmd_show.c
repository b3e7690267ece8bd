/*
 * cmd_show.c - vacancy show: one carer, as its agency pushed it. The client's one thread.
 */
#include "client/agency_holds.h"
#include "client/codes.h"
#include "client/command.h"
#include "client/json.h"
#include "client/memory.h"
#include "daemon/base/clock.h"
#include "vacancy/v1/agency_service.pb-c.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define LABEL_COLUMNS 28
#define INDENT        2
#define NOT_LISTED    13 /* CarerView.placed_not_listed */

static void print_fields(struct cli *cli, const ProtobufCMessage *message, unsigned indent);

/* Times and ages as people say them, everything else as its type says. */
static void add_number(struct grown_text *text, const char *name, int64_t number)
{
    char when[WHEN_TEXT_BYTES];
    size_t bytes = strlen(name);
    if (bytes > 3 && strcmp(name + bytes - 3, "_ms") == 0)
        grown_add(text, "%s", when_text(number, when));
    else if (bytes > 7 && strcmp(name + bytes - 7, "_months") == 0 && number % 12 == 0)
        grown_add(text, "%" PRId64 " years", number / 12);
    else if (bytes > 7 && strcmp(name + bytes - 7, "_months") == 0)
        grown_add(text, "%" PRId64 " months", number);
    else
        grown_add(text, "%" PRId64, number);
}

static void add_message(struct grown_text *text, const ProtobufCMessage *message);

static void add_value(struct grown_text *text, const ProtobufCFieldDescriptor *field, const void *at)
{
    char word[64];
    switch (field->type) {
    case PROTOBUF_C_TYPE_STRING:
        grown_add(text, "%s", *(char *const *)at);
        break;
    case PROTOBUF_C_TYPE_ENUM:
        grown_add(text, "%s", code_words(field->descriptor, *(const int *)at, word, sizeof word));
        break;
    case PROTOBUF_C_TYPE_BOOL:
        grown_add(text, "%s", *(const protobuf_c_boolean *)at ? "yes" : "no");
        break;
    case PROTOBUF_C_TYPE_UINT32:
        add_number(text, field->name, *(const uint32_t *)at);
        break;
    case PROTOBUF_C_TYPE_INT64:
        add_number(text, field->name, *(const int64_t *)at);
        break;
    case PROTOBUF_C_TYPE_MESSAGE:
        add_message(text, *(ProtobufCMessage *const *)at);
        break;
    default:
        break;
    }
}

/* A small message on one line: "6 8, F, 1, E08000035". */
static void add_message(struct grown_text *text, const ProtobufCMessage *message)
{
    for (unsigned i = 0; i < message->descriptor->n_fields; i++) {
        const ProtobufCFieldDescriptor *field = &message->descriptor->fields[i];
        grown_add(text, "%s", i ? ", " : "");
        add_value(text, field, (const char *)message + field->offset);
    }
}

static bool is_unset(const ProtobufCFieldDescriptor *field, const void *at)
{
    switch (field->type) {
    case PROTOBUF_C_TYPE_STRING:
        return **(char *const *)at == '\0';
    case PROTOBUF_C_TYPE_MESSAGE:
        return *(void *const *)at == NULL;
    case PROTOBUF_C_TYPE_INT64:
        return *(const int64_t *)at == 0;
    default:
        return *(const uint32_t *)at == 0;
    }
}

static void print_list(struct cli *cli, const ProtobufCFieldDescriptor *field, const ProtobufCMessage *message,
                       const char *label, unsigned indent)
{
    size_t count = *(const size_t *)((const char *)message + field->quantifier_offset);
    const char *items = *(const char *const *)((const char *)message + field->offset);
    size_t step = field->type == PROTOBUF_C_TYPE_ENUM || field->type == PROTOBUF_C_TYPE_UINT32 ? 4 : sizeof(void *);
    struct grown_text text = {0};
    for (size_t i = 0; i < count; i++) {
        grown_add(&text, "%s", i ? "; " : "");
        add_value(&text, field, items + i * step);
    }
    if (count > 0)
        print_wrapped(cli->out, indent, label, LABEL_COLUMNS, text.text, cli->width);
    grown_free(&text);
}

/* The value says it. */
static void cut_unit(char *label)
{
    static const char *const units[] = {" ms", " months"};
    size_t bytes = strlen(label);
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++)
        if (bytes > strlen(units[i]) && strcmp(label + bytes - strlen(units[i]), units[i]) == 0)
            label[bytes - strlen(units[i])] = '\0';
}

static void print_fields(struct cli *cli, const ProtobufCMessage *message, unsigned indent)
{
    for (unsigned i = 0; i < message->descriptor->n_fields; i++) {
        const ProtobufCFieldDescriptor *field = &message->descriptor->fields[i];
        const void *at = (const char *)message + field->offset;
        char label[64];
        snprintf(label, sizeof label, "%s", field->name);
        for (char *c = label; *c; c++)
            *c = *c == '_' ? ' ' : *c;
        cut_unit(label);
        if (field->id == NOT_LISTED && message->descriptor == &vacancy__v1__carer_view__descriptor) {
            continue; /* print_placements */
        } else if (field->label == PROTOBUF_C_LABEL_REPEATED) {
            print_list(cli, field, message, label, indent);
        } else if (!is_unset(field, at) && field->type == PROTOBUF_C_TYPE_MESSAGE) {
            fprintf(cli->out, "%*s%s\n", (int)indent, "", label);
            print_fields(cli, *(ProtobufCMessage *const *)at, indent + INDENT);
        } else if (!is_unset(field, at)) {
            struct grown_text text = {0};
            add_value(&text, field, at);
            print_wrapped(cli->out, indent, label, LABEL_COLUMNS, text.text ? text.text : "", cli->width);
            grown_free(&text);
        }
    }
}

/* Whom teams have placed there since the last push that could know it. */
static void print_placements(struct cli *cli, const Vacancy__V1__CarerView *view)
{
    size_t count = view->n_placed_not_listed;
    struct table *table = placements_table();
    for (size_t i = 0; i < count; i++)
        placements_row(table, view->carer != NULL ? view->carer->agency_reference : "", view->placed_not_listed[i]);
    char *heading =
        must_print("%zu placement%s that your pushes do not list yet: " PLACEMENTS_NEXT, count, count == 1 ? "" : "s");
    if (count > 0) {
        print_wrapped(cli->out, 0, "", 0, heading, cli->width);
        table_print(table, cli->out, INDENT, cli->width);
    }
    free(heading);
    table_destroy(table);
}

static enum exit_code run(struct cli *cli)
{
    enum exit_code code = cli_connect(cli);
    if (code != EXIT_DONE)
        return code;
    Vacancy__V1__GetCarerRequest request = VACANCY__V1__GET_CARER_REQUEST__INIT;
    const ProtobufCMessage *reply;
    struct problem problem = {0};
    request.agency_reference = (char *)cli->options.arguments[0];
    if (link_call(cli->link, "/vacancy.v1.AgencyService/GetCarer", &request.base,
                  &vacancy__v1__get_carer_response__descriptor, &reply, &problem) != ERR_NONE)
        return cli_failed(cli, &problem);
    const Vacancy__V1__CarerView *view = ((const Vacancy__V1__GetCarerResponse *)reply)->carer;
    if (view == NULL) {
        cli_say(cli, "the hub answered without a carer");
        return EXIT_REFUSED;
    }
    if (options_flag(&cli->options, "json")) {
        json_print(cli->out, json_of_message(&view->base));
    } else {
        print_fields(cli, &view->base, 0);
        print_placements(cli, view);
    }
    return EXIT_DONE;
}

static const struct option_spec options[] = {
    {"json", NULL, "as JSON", false},
    {0},
};

const struct command command_show = {
    .name = "show",
    .arguments = "REF",
    .summary = "Show one of your carers, with the vacancy, as the register has it.",
    .example = "  vacancy show L-00017\n",
    .notes =
        "REF is your own reference of the carer. Children whom a team has placed there and no push of yours lists yet "
        "stand below the rest, as the column \"placed\" is to have them.",
    .options = options,
    .arguments_min = 1,
    .arguments_max = 1,
    .run = run,
};
