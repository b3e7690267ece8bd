/*
 * table.c - aligned tables (screen.h). Owns: the cells until they are printed. The client's one thread.
 * Invariant: cells are cleaned when they come in, so widths and output are of the same text.
 */
#include "client/memory.h"
#include "client/screen.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define COLUMNS_MAX 16
#define GAP         2
#define NEVER       SIZE_MAX
#define ELLIPSIS    "\xe2\x80\xa6"

struct table {
    struct {
        const char *heading;
        enum table_side side;
        size_t width;
        size_t least; /* may be cut down to; NEVER: may not */
    } columns[COLUMNS_MAX];
    size_t column_count;
    bool keep_last;
    char **cells; /* row by row */
    size_t cell_count, room;
};

struct table *table_create(void)
{
    return must_alloc(1, sizeof(struct table));
}

void table_destroy(struct table *table)
{
    if (table == NULL)
        return;
    for (size_t i = 0; i < table->cell_count; i++)
        free(table->cells[i]);
    free(table->cells);
    free(table);
}

void table_column(struct table *table, const char *heading, enum table_side side)
{
    if (table->column_count == COLUMNS_MAX)
        abort();
    table->columns[table->column_count].heading = heading;
    table->columns[table->column_count].side = side;
    table->columns[table->column_count].least = NEVER;
    table->columns[table->column_count++].width = text_columns(heading);
}

void table_may_shrink(struct table *table, size_t least)
{
    table->columns[table->column_count - 1].least = least;
}

void table_keep_last(struct table *table)
{
    table->keep_last = true;
}

void table_cell(struct table *table, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    char *text = must_vprint(format, arguments);
    va_end(arguments);
    if (table->cell_count == table->room) {
        table->room = table->room ? table->room * 2 : 64;
        table->cells = must_resize(table->cells, table->room, sizeof *table->cells);
    }
    size_t column = table->cell_count % table->column_count;
    char *clean = clean_text(text, 0);
    size_t width = text_columns(clean);
    if (width > table->columns[column].width)
        table->columns[column].width = width;
    table->cells[table->cell_count++] = clean;
    free(text);
}

size_t table_rows(const struct table *table)
{
    return table->column_count ? table->cell_count / table->column_count : 0;
}

/* Prints as much as fits into `room`, an ellipsis for the rest; returns the columns taken. */
static size_t print_cut(FILE *out, const char *text, size_t room)
{
    size_t columns = text_columns(text);
    if (columns <= room) {
        fputs(text, out);
        return columns;
    }
    char *part = must_copy(text);
    while (*part && text_columns(part) > room - 1) {
        size_t bytes = strlen(part) - 1;
        while (bytes > 0 && ((unsigned char)part[bytes] & 0xc0) == 0x80)
            bytes--;
        part[bytes] = '\0';
    }
    fprintf(out, "%s" ELLIPSIS, part);
    columns = text_columns(part) + 1;
    free(part);
    return columns;
}

/* Takes from a column what the line is too long by, or all that it may give; returns by what the line is shorter. */
static size_t shrink(size_t *width, size_t least, size_t too_long)
{
    if (least == 0) { /* a character or two of it would say nothing */
        size_t gone = *width + GAP;
        *width = 0;
        return gone;
    }
    size_t give = *width > least ? *width - least : 0;
    give = give < too_long ? give : too_long;
    *width -= give;
    return give;
}

/* Each column's width in a line of `width`; 0: left out. */
static void fit(const struct table *table, unsigned indent, unsigned width, size_t out[COLUMNS_MAX])
{
    size_t need = indent;
    for (size_t i = 0; i < table->column_count; i++) {
        bool last = i + 1 == table->column_count && !table->keep_last;
        out[i] = table->columns[i].width;
        need += last ? text_columns(table->columns[i].heading) : out[i] + (i + 1 < table->column_count ? GAP : 0);
    }
    for (int leave_out = 1; leave_out >= 0; leave_out--)
        for (size_t i = 0; i < table->column_count && need > width; i++)
            if (table->columns[i].least != NEVER && (table->columns[i].least == 0) == leave_out)
                need -= shrink(&out[i], table->columns[i].least, need - width);
}

static bool is_blank(const struct table *table, char *const *cells, size_t column, const size_t *widths)
{
    return widths[column] == 0 || *(cells ? cells[column] : table->columns[column].heading) == '\0';
}

static void print_row(const struct table *table, FILE *out, unsigned indent, unsigned width, const size_t *widths,
                      char *const *cells)
{
    size_t at = indent;
    fprintf(out, "%*s", (int)indent, "");
    for (size_t i = 0; i < table->column_count; i++) {
        const char *text = cells ? cells[i] : table->columns[i].heading;
        size_t room = at < width ? width - at : 0;
        size_t take = widths[i] < room ? widths[i] : room;
        if (widths[i] == 0)
            continue;
        if (take == 0)
            break;
        size_t pad = text_columns(text) < take ? take - text_columns(text) : 0;
        if (table->columns[i].side == TABLE_RIGHT)
            fprintf(out, "%*s", (int)pad, "");
        print_cut(out, text, take);
        /* Nothing but spaces after the last text of a line. */
        bool more = false;
        for (size_t j = i + 1; j < table->column_count; j++)
            more = more || !is_blank(table, cells, j, widths);
        if (!more || at + take + GAP >= width)
            break;
        if (table->columns[i].side == TABLE_LEFT)
            fprintf(out, "%*s", (int)pad, "");
        at += take + GAP;
        fprintf(out, "%*s", GAP, "");
    }
    fputc('\n', out);
}

void table_print(const struct table *table, FILE *out, unsigned indent, unsigned width)
{
    size_t widths[COLUMNS_MAX];
    fit(table, indent, width, widths);
    print_row(table, out, indent, width, widths, NULL);
    for (size_t row = 0; row < table_rows(table); row++)
        print_row(table, out, indent, width, widths, table->cells + row * table->column_count);
}
