/*
 * screen.h - text on a terminal: what may be shown, how wide it is, tables, wrapped lines, a progress bar.
 *
 * Owns: layout. Not here: any meaning. UTF-8 always; screen_init sets the character type for it.
 * Thread: the client's one thread. Invariant: nothing that a hub or a file said reaches a stream but through
 * clean_text: control characters, bidirectional controls and ill-formed UTF-8 come out as U+FFFD.
 */
#ifndef VACANCY_CLIENT_SCREEN_H
#define VACANCY_CLIENT_SCREEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* Call once, before anything else here. */
void screen_init(void);
/* Columns of the terminal behind `out`: COLUMNS, else what the terminal says, else 100. Between 40 and 240. */
unsigned screen_width(FILE *out);

/* A copy that is fit to be shown; the caller frees it. At most the first max_bytes of the text (0: 4096). */
char *clean_text(const char *text, size_t max_bytes);
/* Columns that a clean text takes (East Asian wide characters two, combining ones none). */
size_t text_columns(const char *text);

/* Bytes of the first line when a clean text is wrapped at spaces to `room` columns, at least 2. */
size_t text_line_bytes(const char *text, size_t room);

/* --- tables: every column as wide as its widest cell, the last one cut to the width ------------------------------ */

struct table;
enum table_side { TABLE_LEFT, TABLE_RIGHT };
struct table *table_create(void);
void table_destroy(struct table *table);
/* In order, before the first cell. heading is borrowed and must outlive the table. */
void table_column(struct table *table, const char *heading, enum table_side side);
/*
 * The column added last may be cut down to `least` columns (0: left out) where lines would else be too long for all
 * columns, the last one's text excepted. Those that can be left out go first, then those to the left give.
 */
void table_may_shrink(struct table *table, size_t least);
/* The last column is as wide as the others take it, and only cut where nothing else can give. */
void table_keep_last(struct table *table);
/* The next cell, row by row; cleaned and copied. */
void table_cell(struct table *table, const char *format, ...) __attribute__((format(printf, 2, 3)));
size_t table_rows(const struct table *table);
/* Prints the headings and all rows, each behind `indent` spaces; no line is wider than `width` columns. */
void table_print(const struct table *table, FILE *out, unsigned indent, unsigned width);

/*
 * "label  text ...", wrapped at spaces to `width`, later lines under the first one's text. The label takes
 * label_columns; the text is cleaned.
 */
void print_wrapped(FILE *out, unsigned indent, const char *label, unsigned label_columns, const char *text,
                   unsigned width);

/* "just now", "12 min ago", "2 h ago", "3 days ago"; "in 5 h" for the future. Returns out. */
#define AGO_TEXT_BYTES 32
char *ago_text(int64_t then_ms, int64_t now_ms, char out[AGO_TEXT_BYTES]);
/* How long something lasts: "3 s", "4 min", "2 h", "3 days". Returns out. */
char *age_text(int64_t ms, char out[AGO_TEXT_BYTES]);
/* "22 Nov 2026 04:10", local time. Returns out. */
#define WHEN_TEXT_BYTES 32
char *when_text(int64_t wall_ms, char out[WHEN_TEXT_BYTES]);
/* 12345 -> "12,345". Returns out. */
#define GROUPED_TEXT_BYTES 32
char *grouped_text(uint64_t number, char out[GROUPED_TEXT_BYTES]);
/* Metres as miles to one decimal, rounded ("1.2"). Returns out. */
char *miles_text(uint32_t metres, char out[GROUPED_TEXT_BYTES]);

/* --- progress: one line on stderr when that is a terminal, nothing otherwise ------------------------------------- */

struct progress {
    FILE *out; /* NULL: not a terminal, nothing is shown */
    const char *what;
    int64_t began_ms, shown_ms;
};
void progress_begin(struct progress *progress, const char *what, FILE *out);
/* share in 0..1, or below 0 when the end is not known; count is what is done so far. At most ten times a second. */
void progress_show(struct progress *progress, double share, uint64_t count);
/* Wipes the line. */
void progress_end(struct progress *progress);

#endif
