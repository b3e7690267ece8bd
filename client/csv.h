/*
 * csv.h - reading a CSV file row by row (RFC 4180 and the quirks of real files), over libcsv.
 *
 * Owns: line numbers, the byte order mark, limits, and the words for what is not a CSV file. Not here: what a cell
 * means (sheet.h). Thread: the client's one thread.
 * Invariant: memory is bounded by the limits below whatever the file holds; a cell over CSV_CELL_BYTES is refused
 * before it is held. Line numbers count the file's lines (CRLF, LF or CR; those inside quotes too) from 1; a row has
 * the number of the line on which it begins.
 */
#ifndef VACANCY_CLIENT_CSV_H
#define VACANCY_CLIENT_CSV_H

#include "daemon/base/error.h"

#include <stdint.h>

#define CSV_CELL_BYTES (64 * 1024)
#define CSV_ROW_BYTES  (256 * 1024)
#define CSV_CELLS_MAX  64

struct csv_cell {
    const char *text; /* NUL-terminated; may hold more NULs when bytes says so */
    size_t bytes;
};

struct csv_row {
    uint64_t line;
    size_t count; /* true count; only the first CSV_CELLS_MAX are kept */
    struct csv_cell cells[CSV_CELLS_MAX];
};

struct csv_options {
    int fd; /* open for reading; the caller closes it */
    /* Called before each read of fd, which may block: the caller can wait in its own way. NULL: nothing. */
    void (*before_read)(void *context, int fd);
    void *context;
};

struct csv_file;
struct csv_file *csv_file_open(const struct csv_options *options);
/* NULL is fine. */
void csv_file_close(struct csv_file *file);
/*
 * The next row that is not blank; it is valid until the next call. ERR_NONE; ERR_NOT_FOUND at the end of the file;
 * ERR_INVALID: this is no CSV file from here on (*problem says at which line and column, and what to do), or it can't
 * be read. After an error the file is over.
 */
enum err csv_file_next(struct csv_file *file, struct csv_row *out, struct problem *problem)
    __attribute__((warn_unused_result));
/* How many bytes have been read so far. */
uint64_t csv_file_position(const struct csv_file *file);

#endif
