/*
 * command_line.h - what vacancyd is asked to do.
 * Owns: the switches, their help, exit status. Thread: main's, at start.
 */
#ifndef VACANCY_COMMAND_LINE_H
#define VACANCY_COMMAND_LINE_H

#include <stdbool.h>

enum { EXIT_OK = 0, EXIT_FAILED = 1, EXIT_USAGE = 2 };

struct command {
    const char *config, *import_folder; /* of argv */
    bool check;
};

/* -1: go on with *out; else all is said, exit with this. */
int command_line_parse(int argc, char **argv, struct command *out);

#endif
