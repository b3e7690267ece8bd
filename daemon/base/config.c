/*
 * config.c - reads the configuration file against the program's table.
 *
 * Owns: the reading (inih splits a line into section, name and value; we bring it the lines, so that we know their
 * numbers and nothing is cut silently), the value types, and the printed reference.
 * Thread: start-up and the reloading thread. Invariant: the first problem in the file is the one reported, and on any
 * problem the target is left empty.
 */
#include "daemon/base/config.h"

#include "daemon/base/log.h"
#include "daemon/base/text.h"

#include <errno.h>
#include <ini.h>
#include <libgen.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#define SHOWN_PATH_BYTES 72
#define WANTED_BYTES     144

struct reading {
    FILE *file;
    const struct config_option *options;
    size_t count;
    void *target;
    int *given_on; /* per option the line that gave it, 0 = none yet */
    char folder[PATH_MAX];
    char shown_path[SHOWN_PATH_BYTES + 4];
    int line;
    enum err code; /* once set, reading stops; problem is filled */
    struct problem *problem;
};

/* --- values ---------------------------------------------------------------------------------------------------- */

struct unit {
    const char *suffix;
    int64_t factor;
};

/* Smallest first; a list ends with a NULL suffix. */
static const struct unit plain_units[] = {{"", 1}, {NULL, 0}};
static const struct unit duration_units[] = {{"ms", 1},      {"s", 1000},     {"m", 60000},
                                             {"h", 3600000}, {"d", 86400000}, {NULL, 0}};
static const struct unit size_units[] = {{"", 1}, {"K", 1 << 10}, {"M", 1 << 20}, {"G", 1 << 30}, {NULL, 0}};

static const struct unit *units_of(enum config_type type)
{
    return type == CONFIG_DURATION ? duration_units : type == CONFIG_SIZE ? size_units : plain_units;
}

static bool parse_number(const char *text, enum config_type type, int64_t *out)
{
    bool negative = type == CONFIG_INTEGER && *text == '-';
    text += negative;
    char digits[20]; /* INT64_MAX has 19 */
    size_t length = strspn(text, "0123456789");
    if (length == 0 || length >= sizeof digits)
        return false;
    memcpy(digits, text, length);
    digits[length] = '\0';
    uint64_t value;
    if (!text_parse_u64(digits, INT64_MAX, &value))
        return false;
    for (const struct unit *unit = units_of(type); unit->suffix != NULL; unit++)
        if (strcmp(text + length, unit->suffix) == 0)
            return !__builtin_mul_overflow((int64_t)value, negative ? -unit->factor : unit->factor, out);
    return false;
}

bool config_duration(const char *text, int64_t *ms)
{
    return parse_number(text, CONFIG_DURATION, ms);
}

/* "24h" rather than 86400000: the largest unit that says it exactly. */
static void format_number(int64_t value, enum config_type type, char out[32])
{
    const struct unit *best = units_of(type);
    for (const struct unit *unit = best; unit->suffix != NULL && value != 0; unit++)
        if (value % unit->factor == 0)
            best = unit;
    snprintf(out, 32, "%lld%s", (long long)(value / best->factor), best->suffix);
}

static bool is_bounded(const struct config_option *option)
{
    return option->min != 0 || option->max != 0;
}

/* What the option takes, for messages and the reference. */
static void describe(const struct config_option *option, char out[WANTED_BYTES])
{
    static const char *const kinds[] = {
        [CONFIG_TEXT] = "a text",
        [CONFIG_PATH] = "a path, absolute or relative to this file's folder",
        [CONFIG_INTEGER] = "a whole number",
        [CONFIG_BOOLEAN] = "yes or no (true or false, on or off)",
        [CONFIG_DURATION] = "a duration with its unit (ms, s, m, h or d)",
        [CONFIG_SIZE] = "a size in bytes or with a unit (K, M or G)",
        [CONFIG_LIST] = "a text, on as many lines as there are items",
    };
    int length = snprintf(out, WANTED_BYTES, "%s", kinds[option->type]);
    if (!is_bounded(option))
        return;
    char min[32], max[32];
    format_number(option->min, option->type, min);
    format_number(option->max, option->type, max);
    if (option->max == INT64_MAX)
        snprintf(out + length, WANTED_BYTES - (size_t)length, " of at least %s", min);
    else
        snprintf(out + length, WANTED_BYTES - (size_t)length, " from %s to %s", min, max);
}

static void *must_have(void *memory)
{
    if (memory == NULL)
        log_fatal("base", "out of memory while reading the configuration");
    return memory;
}

static char *resolve_path(const char *folder, const char *value)
{
    char *path = NULL;
    if (value[0] == '/')
        return must_have(strdup(value));
    if (asprintf(&path, "%s/%s", folder, value) < 0)
        path = NULL;
    return must_have(path);
}

static void append(struct config_list *list, const char *value)
{
    list->items = must_have(realloc(list->items, (list->count + 1) * sizeof *list->items));
    list->items[list->count++] = must_have(strdup(value));
}

/* Puts the value in its place in the target; false when it is not what the option takes. */
static bool store_value(struct reading *reading, const struct config_option *option, const char *value)
{
    void *place = (char *)reading->target + option->offset;
    int64_t number;
    switch (option->type) {
    case CONFIG_TEXT:
        *(char **)place = must_have(strdup(value));
        return true;
    case CONFIG_PATH:
        *(char **)place = resolve_path(reading->folder, value);
        return true;
    case CONFIG_LIST:
        append(place, value);
        return true;
    case CONFIG_BOOLEAN:
        *(bool *)place = strcmp(value, "yes") == 0 || strcmp(value, "true") == 0 || strcmp(value, "on") == 0;
        return *(bool *)place || strcmp(value, "no") == 0 || strcmp(value, "false") == 0 || strcmp(value, "off") == 0;
    case CONFIG_INTEGER:
    case CONFIG_DURATION:
    case CONFIG_SIZE:
        if (!parse_number(value, option->type, &number))
            return false;
        *(int64_t *)place = number;
        return !is_bounded(option) || (number >= option->min && number <= option->max);
    }
    return false;
}

/* --- the file -------------------------------------------------------------------------------------------------- */

/* Notes the first problem; `section` and `name` may be NULL when no option is to blame. Line 0 stands for the file. */
__attribute__((format(printf, 5, 6))) static void fail(struct reading *reading, int line, const char *section,
                                                       const char *name, const char *format, ...)
{
    char what[PROBLEM_TEXT_BYTES], where[32] = "", option[128] = "", field[PROBLEM_FIELD_BYTES] = "";
    va_list args;
    va_start(args, format);
    vsnprintf(what, sizeof what, format, args);
    va_end(args);
    if (line > 0)
        snprintf(where, sizeof where, " line %d", line);
    if (name != NULL) {
        snprintf(option, sizeof option, " [%.50s] %.50s", section, name);
        snprintf(field, sizeof field, "%.46s.%.46s", section, name);
    }
    reading->code =
        problem_set(reading->problem, ERR_INVALID, field, "%s%s:%s %s", reading->shown_path, where, option, what);
}

static const struct config_option *find_option(const struct reading *reading, const char *section, const char *name)
{
    for (size_t i = 0; i < reading->count; i++)
        if (strcmp(reading->options[i].section, section) == 0 &&
            (name == NULL || strcmp(reading->options[i].name, name) == 0))
            return &reading->options[i];
    return NULL;
}

/* inih tells of a section only by what stands in it, and one that is misspelt may be empty. */
static void check_section(struct reading *reading, const char *line)
{
    const char *end = strchr(line, ']');
    if (line[0] != '[' || end == NULL)
        return;
    char section[64];
    snprintf(section, sizeof section, "%.*s", (int)(end - line - 1 < 63 ? end - line - 1 : 63), line + 1);
    if (find_option(reading, section, NULL) == NULL)
        fail(reading, reading->line, NULL, NULL, "there is no section [%s]: see the manual page", section);
}

/* The rest of the current line into `out`, without its line end; -1 at the end of the file, or when it failed. */
static int read_line(struct reading *reading, char *out, int size)
{
    int length = 0, c;
    bool any = false;
    while ((c = getc_unlocked(reading->file)) != EOF && c != '\n') {
        any = true;
        if (length == 0 && (c == ' ' || c == '\t'))
            continue; /* inih would take an indented line for more of the value above it */
        if (length >= size - 1) {
            fail(reading, reading->line, NULL, NULL, "longer than %d characters: shorten it", size - 1);
            return -1;
        }
        if (c == '\0') {
            fail(reading, reading->line, NULL, NULL, "holds a NUL character: this is not a text file");
            return -1;
        }
        out[length++] = c == '\t' ? ' ' : (char)c;
    }
    if (ferror(reading->file)) {
        fail(reading, 0, NULL, NULL, "can't be read: %s", strerror(errno));
        return -1;
    }
    if (c == EOF && !any)
        return -1;
    if (length > 0 && out[length - 1] == '\r')
        length--;
    out[length] = '\0';
    return length;
}

/* inih's reader: one line, or NULL at the end or after a problem. */
static char *next_line(char *out, int size, void *stream)
{
    struct reading *reading = stream;
    if (reading->code != ERR_NONE)
        return NULL;
    reading->line++;
    if (read_line(reading, out, size) < 0)
        return NULL;
    if (reading->line == 1 && strncmp(out, "\xef\xbb\xbf", 3) == 0)
        memmove(out, out + 3, strlen(out + 3) + 1);
    if (!text_is_plain(out)) {
        fail(reading, reading->line, NULL, NULL, "holds a control or invisible character, or is not UTF-8");
        return NULL;
    }
    check_section(reading, out);
    return reading->code == ERR_NONE ? out : NULL;
}

/* inih's handler: 0 makes it report this line. */
static int take_option(void *user, const char *section, const char *name, const char *value)
{
    struct reading *reading = user;
    if (reading->code != ERR_NONE)
        return 0;
    const struct config_option *option = find_option(reading, section, name);
    int *given_on = option ? &reading->given_on[option - reading->options] : NULL;
    if (section[0] == '\0')
        fail(reading, reading->line, NULL, NULL, "option %.50s stands before any [section]", name);
    else if (option == NULL)
        fail(reading, reading->line, section, name, "is not an option: see the manual page");
    else if (*given_on != 0 && option->type != CONFIG_LIST)
        fail(reading, reading->line, section, name, "is given on line %d already: remove one of them", *given_on);
    else if (value[0] == '\0')
        fail(reading, reading->line, section, name, "has no value: give one, or remove the line");
    else if (!store_value(reading, option, value)) {
        char wanted[WANTED_BYTES];
        describe(option, wanted);
        fail(reading, reading->line, section, name, "takes %s, and is \"%.40s\"", wanted, value);
    } else {
        *given_on = reading->line;
    }
    return reading->code == ERR_NONE;
}

static void apply_defaults(struct reading *reading)
{
    for (size_t i = 0; i < reading->count && reading->code == ERR_NONE; i++) {
        const struct config_option *option = &reading->options[i];
        if (reading->given_on[i] != 0)
            continue;
        if (option->default_text != NULL) {
            if (!store_value(reading, option, option->default_text))
                log_fatal("base", "the default of option [%s] %s is out of bounds", option->section, option->name);
        } else if (!option->optional) {
            fail(reading, 0, option->section, option->name, "is missing, and has no default: %s", option->help);
        }
    }
}

static void show_path(struct reading *reading, const char *path)
{
    size_t length = strlen(path);
    bool cut = length > SHOWN_PATH_BYTES;
    snprintf(reading->shown_path, sizeof reading->shown_path, "%s%s", cut ? "..." : "",
             cut ? path + length - SHOWN_PATH_BYTES : path);
}

/* The file's folder, absolute, so that a later chdir changes nothing. */
static bool find_folder(struct reading *reading, const char *path)
{
    char *copy = must_have(strdup(path));
    bool found = realpath(dirname(copy), reading->folder) != NULL;
    free(copy);
    return found;
}

static void read_options(struct reading *reading)
{
    int bad_line = ini_parse_stream(next_line, reading, take_option, reading);
    if (bad_line < 0)
        log_fatal("base", "out of memory while reading the configuration");
    /* inih goes on after a line that it can't read, so a later problem of ours may have come first to the eye. */
    if (bad_line > 0 && (reading->code == ERR_NONE || bad_line < reading->line))
        fail(reading, bad_line, NULL, NULL, "is no [section], no \"name = value\" and no # comment");
    apply_defaults(reading);
}

enum err config_load(const char *path, const struct config_option *options, size_t count, void *target,
                     struct problem *problem)
{
    struct reading reading = {.options = options, .count = count, .target = target, .problem = problem};
    show_path(&reading, path);
    reading.file = fopen(path, "re");
    if (reading.file == NULL || !find_folder(&reading, path)) {
        enum err code = problem_set(problem, ERR_NOT_FOUND, "", "configuration file %s can't be opened: %s",
                                    reading.shown_path, strerror(errno));
        if (reading.file != NULL)
            fclose(reading.file);
        return code;
    }
    reading.given_on = must_have(calloc(count + 1, sizeof *reading.given_on));
    read_options(&reading);
    if (reading.code != ERR_NONE)
        config_free(options, count, target);
    free(reading.given_on);
    fclose(reading.file);
    return reading.code;
}

void config_free(const struct config_option *options, size_t count, void *target)
{
    for (size_t i = 0; i < count; i++) {
        void *place = (char *)target + options[i].offset;
        if (options[i].type == CONFIG_TEXT || options[i].type == CONFIG_PATH) {
            free(*(char **)place);
            *(char **)place = NULL;
        } else if (options[i].type == CONFIG_LIST) {
            struct config_list *list = place;
            for (uint32_t item = 0; item < list->count; item++)
                free(list->items[item]);
            free(list->items);
            *list = (struct config_list){0};
        }
    }
}

void config_print_reference(const struct config_option *options, size_t count, FILE *out)
{
    for (size_t i = 0; i < count; i++) {
        const struct config_option *option = &options[i];
        char wanted[WANTED_BYTES];
        describe(option, wanted);
        if (i == 0 || strcmp(option->section, options[i - 1].section) != 0)
            fprintf(out, "%s[%s]\n", i == 0 ? "" : "\n", option->section);
        fprintf(out, "# %s\n# Takes %s.\n", option->help, wanted);
        if (option->default_text != NULL)
            fprintf(out, "#%s = %s\n", option->name, option->default_text);
        else if (option->optional)
            fprintf(out, "#%s =\n", option->name);
        else
            fprintf(out, "# Required.\n%s =\n", option->name);
    }
}
