/*
 * config.h - the configuration file, as one table.
 *
 * Owns: reading an INI file (inih) against a table of options, each with section, name, type, default, bounds and one
 * sentence of help. The same table prints `vacancyd --help-config` and is what vacancyd.conf(5) is checked against.
 * Unknown sections and names, doubled names and values out of bounds are errors that name file, line and option.
 * Thread: start-up (and the reloading thread). The struct filled in is the program's own.
 */
#ifndef VACANCY_BASE_CONFIG_H
#define VACANCY_BASE_CONFIG_H

#include "daemon/base/error.h"

#include <stdint.h>
#include <stdio.h>

enum config_type {
    CONFIG_TEXT,     /* char *, malloc'd */
    CONFIG_PATH,     /* char *, malloc'd; relative to the configuration file's folder */
    CONFIG_INTEGER,  /* int64_t, min..max */
    CONFIG_BOOLEAN,  /* bool: yes, no, true, false, on, off */
    CONFIG_DURATION, /* int64_t milliseconds; "250ms", "10s", "10m", "24h", "7d" */
    CONFIG_SIZE,     /* int64_t bytes; "64K", "16M", "4G" */
    CONFIG_LIST,     /* struct config_list: the option may be given many times */
};

struct config_list {
    char **items;
    uint32_t count;
};

struct config_option {
    const char *section;
    const char *name;
    enum config_type type;
    size_t offset;            /* in the struct that is filled */
    const char *default_text; /* as it would stand in the file; NULL: no default, and required unless optional */
    bool optional;
    int64_t min, max; /* CONFIG_INTEGER, CONFIG_DURATION (ms), CONFIG_SIZE; 0,0 = no bound */
    const char *help;
};

/*
 * Fills `target` (zeroed by the caller) from the file. On failure what was filled is freed.
 * ERR_NOT_FOUND, ERR_INVALID; *problem names line and option.
 */
enum err config_load(const char *path, const struct config_option *options, size_t count, void *target,
                     struct problem *problem) __attribute__((warn_unused_result));
/* Frees every text and list of `target` and zeroes them. */
void config_free(const struct config_option *options, size_t count, void *target);
/* "90m", "2h" as milliseconds, as CONFIG_DURATION takes it; false for anything else. */
bool config_duration(const char *text, int64_t *ms) __attribute__((warn_unused_result));
/* The reference: every option with default and help. */
void config_print_reference(const struct config_option *options, size_t count, FILE *out);

#endif
