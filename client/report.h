/*
 * report.h - what became of the lines of a file: rejected lines as they come, and the sum at the end.
 *
 * For people: rejected lines on err, the sum on out. For machines (--json): one object on out, in which the rejected
 * come first, because they are written as they happen and never held. Thread: the client's one thread.
 */
#ifndef VACANCY_CLIENT_REPORT_H
#define VACANCY_CLIENT_REPORT_H

#include "client/receipt.h"
#include "client/rejected_lines.h"

struct report {
    struct cli *cli;
    const char *file; /* as people call it */
    bool json;
    const char *done; /* the hub doesn't say whether it was new: "registered"; NULL: it does */
    int64_t began_ms;
    uint64_t created, updated, confirmed, ended, unchanged; /* `done`: all in updated */
    struct receipts receipts;                               /* filled by the caller */
    uint64_t rejected;                                      /* complaints */
    uint64_t rejected_line;                                 /* the last one, to count lines once */
    uint64_t rejected_lines;
    json_t *more; /* with --json its members are members of the sum; the report's own once set. NULL: none */
    struct rejected_lines kept;
    struct progress progress;
};

void report_begin(struct report *report, struct cli *cli, const char *file, const char *what);
/* column NULL: the whole line. line 0: of no line; `column` is then what it is about. */
void report_rejected(struct report *report, uint64_t line, const char *column, const char *text);
/* The sum; once, also after a failure. Which lines were rejected is kept for the worklist. */
void report_end(struct report *report);
/* Ends where nothing was done: no sum for people. */
void report_end_idle(struct report *report);
/* Ends where it was only looked at: likewise, and what the worklist has is left. */
void report_end_shown(struct report *report);

#endif
