/*
 * options.c - see options.h. Owns: the list of what was given. The client's one thread.
 */
#include "client/options.h"

#include "client/memory.h"
#include "client/screen.h"

#include <stdlib.h>
#include <string.h>

#define HELP_COLUMNS 24

static const struct option_spec *find(const struct option_spec *const tables[2], const char *name, size_t bytes)
{
    for (int t = 0; t < 2; t++)
        for (const struct option_spec *spec = tables[t]; spec && spec->name; spec++)
            if (strlen(spec->name) == bytes && memcmp(spec->name, name, bytes) == 0)
                return spec;
    return NULL;
}

static enum err take(struct options *out, const struct option_spec *spec, const char *value, struct problem *problem)
{
    if (!spec->many && options_text(out, spec->name) != NULL)
        return problem_set(problem, ERR_INVALID, "", "--%s is given twice", spec->name);
    out->given = must_resize(out->given, out->count + 1, sizeof *out->given);
    out->given[out->count++] = (struct option_given){spec, value};
    return ERR_NONE;
}

/* One option at argv[*at]; moves *at past its value. */
static enum err parse_one(const struct option_spec *const tables[2], int argc, const char *const *argv, int *at,
                          struct options *out, struct problem *problem)
{
    const char *name = argv[*at] + 2, *equals = strchr(name, '=');
    size_t bytes = equals ? (size_t)(equals - name) : strlen(name);
    const struct option_spec *spec = find(tables, name, bytes);
    if (spec == NULL) {
        char *clean = clean_text(name, 40);
        problem_set(problem, ERR_INVALID, "", "there is no option --%.*s here; --help lists them",
                    (int)strcspn(clean, "="), clean);
        free(clean);
        return ERR_INVALID;
    }
    if (spec->value == NULL && equals != NULL)
        return problem_set(problem, ERR_INVALID, "", "--%s takes no value", spec->name);
    if (spec->value == NULL)
        return take(out, spec, "", problem);
    if (equals != NULL)
        return take(out, spec, equals + 1, problem);
    if (*at + 1 >= argc || strncmp(argv[*at + 1], "--", 2) == 0)
        return problem_set(problem, ERR_INVALID, "", "--%s needs a value: --%s %s", spec->name, spec->name,
                           spec->value);
    return take(out, spec, argv[++*at], problem);
}

enum err options_parse(const struct option_spec *const tables[2], int argc, const char *const *argv,
                       struct options *out, struct problem *problem)
{
    *out = (struct options){0};
    out->arguments = must_alloc((size_t)argc + 1, sizeof *out->arguments);
    bool only_arguments = false;
    for (int at = 0; at < argc; at++) {
        if (!only_arguments && strcmp(argv[at], "--") == 0) {
            only_arguments = true;
        } else if (!only_arguments && strcmp(argv[at], "-h") == 0) {
            static const char *const help[] = {"--help"};
            int zero = 0;
            if (parse_one(tables, 1, help, &zero, out, problem) != ERR_NONE)
                goto fail;
        } else if (!only_arguments && strncmp(argv[at], "--", 2) == 0) {
            if (parse_one(tables, argc, argv, &at, out, problem) != ERR_NONE)
                goto fail;
        } else if (!only_arguments && argv[at][0] == '-' && argv[at][1] != '\0') {
            problem_set(problem, ERR_INVALID, "", "options begin with two hyphens; --help lists them");
            goto fail;
        } else {
            out->arguments[out->argument_count++] = argv[at];
        }
    }
    return ERR_NONE;
fail:
    options_free(out);
    return ERR_INVALID;
}

void options_free(struct options *options)
{
    free(options->given);
    free(options->arguments);
    *options = (struct options){0};
}

const char *options_nth(const struct options *options, const char *name, size_t nth)
{
    for (size_t i = 0; i < options->count; i++)
        if (strcmp(options->given[i].spec->name, name) == 0 && nth-- == 0)
            return options->given[i].value;
    return NULL;
}

const char *options_text(const struct options *options, const char *name)
{
    return options_nth(options, name, 0);
}

bool options_flag(const struct options *options, const char *name)
{
    return options_text(options, name) != NULL;
}

void options_flag_of_field(const struct option_field *known, size_t count, char field[PROBLEM_FIELD_BYTES])
{
    size_t name_bytes = strcspn(field, ".[");
    unsigned long number = field[name_bytes] == '[' ? strtoul(field + name_bytes + 1, NULL, 10) + 1 : 0;
    for (size_t i = 0; i < count; i++) {
        if (strlen(known[i].field) != name_bytes || memcmp(known[i].field, field, name_bytes) != 0)
            continue;
        if (known[i].numbered && number > 0 && number < 1000)
            snprintf(field, PROBLEM_FIELD_BYTES, "--%s %lu", known[i].flag, number);
        else
            snprintf(field, PROBLEM_FIELD_BYTES, "--%s", known[i].flag);
        return;
    }
}

void options_print(const struct option_spec *table, FILE *out, unsigned width)
{
    for (const struct option_spec *spec = table; spec && spec->name; spec++) {
        char *label = must_print("--%s%s%s", spec->name, spec->value ? " " : "", spec->value ? spec->value : "");
        char *text = must_print("%s%s", spec->help, spec->many ? " (may be given more than once)" : "");
        bool long_label = strlen(label) + 2 > HELP_COLUMNS;
        if (long_label)
            fprintf(out, "  %s\n", label);
        print_wrapped(out, 2, long_label ? "" : label, HELP_COLUMNS, text, width);
        free(label);
        free(text);
    }
}
