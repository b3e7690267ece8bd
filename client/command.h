/*
 * command.h - what a command is, and what it is given to run with.
 *
 * Owns: the table's row, the running command's context, the words of failure. A new command is one file and one line in
 * main.c's table. Thread: the client's one thread.
 */
#ifndef VACANCY_CLIENT_COMMAND_H
#define VACANCY_CLIENT_COMMAND_H

#include "client/exit_code.h"
#include "client/link.h"
#include "client/options.h"
#include "client/screen.h"

struct cli;

struct command {
    const char *name;                  /* "find", "audit verify" */
    const char *arguments;             /* "FILE.csv|-"; "" when it takes none */
    const char *summary;               /* one line */
    const char *example;               /* shown first in its help: whole lines, each ends with a newline */
    const char *notes;                 /* after the options, a paragraph a line; NULL: none */
    const struct option_spec *options; /* its own; NULL: none but the common ones */
    size_t arguments_min, arguments_max;
    void (*more_help)(FILE *out, unsigned width); /* NULL: nothing more */
    enum exit_code (*run)(struct cli *cli);
};

struct cli {
    const struct command *command;
    struct options options;
    FILE *out, *err;
    unsigned width;    /* of out, columns */
    struct link *link; /* once cli_connect has been called */
};

extern const struct command command_push, command_confirm, command_withdraw, command_end, command_list, command_show,
    command_find, command_hub_agencies, command_hub_suspend, command_hub_status, command_audit_verify,
    command_audit_read, command_ping, command_hub_regions, command_hub_verify, command_hub_promote, command_hub_backup,
    command_carer_erase, command_why, command_watch, command_accept, command_decline, command_history,
    command_carer_release, command_carer_take_over, command_sync, command_worklist, command_hold, command_holds,
    command_extend, command_release, command_place, command_report;

/* EXIT_DONE, or what to end with; then it has been said why. main closes the link. */
enum exit_code cli_connect(struct cli *cli) __attribute__((warn_unused_result));
/* "vacancy find: TEXT" on err. */
void cli_say(struct cli *cli, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Says the problem, with the field if it names one, and gives the exit code of a failed call. */
enum exit_code cli_failed(struct cli *cli, const struct problem *problem);
/* Says that the command line is wrong; EXIT_USAGE. */
enum exit_code cli_usage(struct cli *cli, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Whether the certificate of the link is an agency's. */
bool cli_is_agency(const struct cli *cli);
/* The same before cli_connect, by the certificate's file; false when it can't be read, which cli_connect says. */
bool cli_will_be_agency(const struct cli *cli);
/* Nobody reads the output any more (`vacancy find | head -1`): no error, but no reason to go on either. */
bool cli_unread(const struct cli *cli);
/*
 * EXIT_DONE: --yes was given, or whoever sits at the terminal agreed. Else what to end with; it has been said why.
 */
enum exit_code cli_agreed(struct cli *cli, const char *question) __attribute__((warn_unused_result));
#define CLI_YES_OPTION                                                                                                 \
    {                                                                                                                  \
        "yes", NULL, "don't ask at the terminal; needed where there is none", false                                    \
    }
/* Unix milliseconds now. */
int64_t cli_now_ms(void);
/* A new request id; valid until the next. */
char *cli_request_id(void);
void command_help(const struct command *command, FILE *out, unsigned width);

#endif
