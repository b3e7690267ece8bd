/*
 * rejected_lines.h - which lines of the agency's last file were rejected, kept for `vacancy worklist`.
 *
 * Owns: the file "rejected-AGENCY" (state_file.h): the name of the CSV, when, and for each line its number and column;
 * for what has no line the agency's own reference. What was wrong is not kept: it may quote the cell, and a cell may
 * be personal (a postcode). Thread: the client's one thread. Invariant: at most REJECTED_LINES_MAX are kept.
 */
#ifndef VACANCY_CLIENT_REJECTED_LINES_H
#define VACANCY_CLIENT_REJECTED_LINES_H

#include "client/memory.h"

#include <stdbool.h>
#include <stdint.h>

#define REJECTED_LINES_MAX 1000u

struct cli;

/* Zeroed is empty. */
struct rejected_lines {
    struct grown_text text; /* "12 postcode\n" */
    uint64_t count;
};

void rejected_lines_add(struct rejected_lines *lines, uint64_t line, const char *column);
/*
 * Replaces what was kept before, and frees the lines. Only with an agency's certificate; a file that can't be written
 * is said, and is no failure.
 */
void rejected_lines_save(struct rejected_lines *lines, struct cli *cli, const char *file);

struct rejected_kept {
    char *file; /* as it was named, absolute; NULL: nothing is kept */
    int64_t at_ms;
    uint64_t count;
    struct rejected_line {
        uint64_t line; /* 0: of no line */
        char *column;  /* "" for the whole line; of no line: the reference */
    } * lines;
    size_t line_count;
};
/* What this agency's last push or sync left; nothing when it can't be read, which is said. */
void rejected_lines_load(struct rejected_kept *out, struct cli *cli);
void rejected_kept_free(struct rejected_kept *kept);

#endif
