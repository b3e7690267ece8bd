/*
 * options.h - a command's flags, by one table that also prints its help.
 *
 * Owns: parsing "--name value", "--name=value", flags, "--", and what is left over. Not here: what values mean.
 * Thread: the client's one thread. Invariant: what parsed names an option of the table, the number of arguments is
 * right.
 */
#ifndef VACANCY_CLIENT_OPTIONS_H
#define VACANCY_CLIENT_OPTIONS_H

#include "daemon/base/error.h"

#include <stdio.h>

struct option_spec {
    const char *name;  /* "near"; a table ends with NULL */
    const char *value; /* "POSTCODE"; NULL: a flag without value */
    const char *help;
    bool many; /* may be given more than once */
};

struct option_given {
    const struct option_spec *spec;
    const char *value; /* "" for a flag */
};

struct options {
    struct option_given *given;
    size_t count;
    const char **arguments; /* what is left over */
    size_t argument_count;
};

/*
 * tables: two, either NULL (the command's own, the common ones). Values are borrowed from argv. ERR_INVALID with what
 * is wrong; *out is freed then.
 */
enum err options_parse(const struct option_spec *const tables[2], int argc, const char *const *argv,
                       struct options *out, struct problem *problem) __attribute__((warn_unused_result));
void options_free(struct options *options);
/* NULL when it wasn't given. */
const char *options_text(const struct options *options, const char *name);
bool options_flag(const struct options *options, const char *name);
/* The nth (from 0) value of an option that may be given more than once; NULL past the last. */
const char *options_nth(const struct options *options, const char *name, size_t nth);
/* "children[1].age_months" becomes "--child 2" in place, by a table of fields; what is not in it stays. */
struct option_field {
    const char *field, *flag; /* "children", "child" */
    bool numbered;            /* say which of them */
};
void options_flag_of_field(const struct option_field *known, size_t count, char field[PROBLEM_FIELD_BYTES]);
void options_print(const struct option_spec *table, FILE *out, unsigned width);

#endif
