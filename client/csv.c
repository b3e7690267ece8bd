/*
 * csv.c - see csv.h. libcsv is fed one physical line at a time, so that the line of everything is known: a row ends
 * only at the end of a line, and begins where the parser stands between rows. The client's one thread.
 */
#include "client/csv.h"

#include "client/memory.h"

#include <csv.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CHUNK_BYTES   (64 * 1024)
#define BETWEEN_ROWS  0 /* libcsv's ROW_NOT_BEGUN, which its header does not name */
#define CELL_BLOCK    4096
#define CELL_HARD_MAX (CSV_CELL_BYTES + CELL_BLOCK)

struct csv_file {
    struct csv_options options;
    struct csv_parser parser;
    char chunk[CHUNK_BYTES];
    size_t chunk_bytes, chunk_used;
    uint64_t position;
    uint64_t line;      /* of the next byte */
    uint64_t cell_line; /* where the cell under way begins */
    uint64_t row_line;
    bool started, after_cr, at_end, over;
    /* The row under way; offsets until it is whole, since `text` may move. */
    char *text;
    size_t text_bytes, text_room, count;
    size_t offsets[CSV_CELLS_MAX], sizes[CSV_CELLS_MAX];
    bool row_done, row_too_long, cell_too_long;
};

/* libcsv has no context for its allocator, so the bound on a cell is by the size that is asked for. */
static void *bounded_realloc(void *old, size_t bytes)
{
    return bytes > CELL_HARD_MAX ? NULL : realloc(old, bytes);
}

struct csv_file *csv_file_open(const struct csv_options *options)
{
    struct csv_file *file = must_alloc(1, sizeof *file);
    file->options = *options;
    file->line = 1;
    if (csv_init(&file->parser, CSV_STRICT | CSV_STRICT_FINI) != 0)
        abort();
    csv_set_realloc_func(&file->parser, bounded_realloc);
    csv_set_blk_size(&file->parser, CELL_BLOCK);
    return file;
}

void csv_file_close(struct csv_file *file)
{
    if (file == NULL)
        return;
    csv_free(&file->parser);
    free(file->text);
    free(file);
}

uint64_t csv_file_position(const struct csv_file *file)
{
    return file->position;
}

static void on_cell(void *cell, size_t bytes, void *context)
{
    struct csv_file *file = context;
    size_t index = file->count++;
    file->cell_line = file->line;
    if (index >= CSV_CELLS_MAX)
        return;
    if (bytes > CSV_CELL_BYTES) {
        file->cell_too_long = true;
        return;
    }
    if (file->text_bytes + bytes + 1 > CSV_ROW_BYTES) {
        file->row_too_long = true;
        return;
    }
    if (file->text_bytes + bytes + 1 > file->text_room) {
        file->text_room = (file->text_bytes + bytes + 1) * 2;
        file->text = must_resize(file->text, file->text_room, 1);
    }
    if (bytes > 0)
        memcpy(file->text + file->text_bytes, cell, bytes);
    file->offsets[index] = file->text_bytes;
    file->sizes[index] = bytes;
    file->text_bytes += bytes;
    file->text[file->text_bytes++] = '\0';
}

static void on_row(int terminator, void *context)
{
    (void)terminator;
    ((struct csv_file *)context)->row_done = true;
}

static enum err stop(struct csv_file *file, struct problem *problem, const char *text)
{
    file->over = true;
    return problem_set(problem, ERR_INVALID, "", "line %" PRIu64 ", column %zu: %s", file->cell_line, file->count + 1,
                       text);
}

/* What was read is no CSV file at all, by its first bytes. */
static const char *other_format(const char *at, size_t bytes)
{
    if (bytes >= 2 && (memcmp(at, "\xff\xfe", 2) == 0 || memcmp(at, "\xfe\xff", 2) == 0))
        return "the file is UTF-16; save it as \"CSV UTF-8\"";
    if (bytes >= 4 && memcmp(at, "PK\x03\x04", 4) == 0)
        return "the file is a workbook, not CSV; save it as \"CSV UTF-8\"";
    return NULL;
}

/* Reads the next chunk. The first one is read until there is enough of it to know what the file is. */
static enum err fill(struct csv_file *file, struct problem *problem)
{
    file->chunk_bytes = file->chunk_used = 0;
    size_t wanted = file->started ? 1 : 4;
    while (!file->at_end && file->chunk_bytes < wanted) {
        if (file->options.before_read)
            file->options.before_read(file->options.context, file->options.fd);
        ssize_t got = read(file->options.fd, file->chunk + file->chunk_bytes, CHUNK_BYTES - file->chunk_bytes);
        if (got < 0 && (errno == EINTR || errno == EAGAIN))
            continue;
        if (got < 0) {
            file->over = true;
            return problem_set(problem, ERR_INVALID, "", "reading failed: %s", strerror(errno));
        }
        file->at_end = got == 0;
        file->chunk_bytes += (size_t)got;
        file->position += (uint64_t)got;
    }
    if (file->started)
        return ERR_NONE;
    file->started = true;
    const char *other = other_format(file->chunk, file->chunk_bytes);
    if (other != NULL) {
        file->cell_line = 1;
        return stop(file, problem, other);
    }
    if (file->chunk_bytes >= 3 && memcmp(file->chunk, "\xef\xbb\xbf", 3) == 0)
        file->chunk_used = 3;
    return ERR_NONE;
}

/* Bytes from the front of the chunk to the end of the physical line, its terminator included. */
static size_t line_bytes(const struct csv_file *file, char *terminator)
{
    const char *at = file->chunk + file->chunk_used, *end = file->chunk + file->chunk_bytes;
    *terminator = '\0';
    for (const char *c = at; c < end; c++) {
        if (*c != '\n' && *c != '\r')
            continue;
        *terminator = *c;
        return (size_t)(c - at) + 1;
    }
    return (size_t)(end - at);
}

static enum err parse_failed(struct csv_file *file, struct problem *problem)
{
    if (csv_error(&file->parser) == CSV_ENOMEM)
        return stop(file, problem, "the cell is over 64 KiB; a closing quote may be missing");
    return stop(file, problem, "a quote inside the cell; put the whole cell in quotes and double the ones inside");
}

static enum err feed(struct csv_file *file, struct problem *problem)
{
    char terminator;
    size_t bytes = line_bytes(file, &terminator);
    char *at = file->chunk + file->chunk_used;
    bool second_half = file->after_cr && at[0] == '\n';
    if (second_half)
        file->line--; /* of a CRLF, which was counted at its CR */
    else if (file->parser.pstate == BETWEEN_ROWS)
        file->row_line = file->cell_line = file->line;
    file->after_cr = terminator == '\r';
    file->chunk_used += bytes;
    if (csv_parse(&file->parser, at, bytes, on_cell, on_row, file) != bytes)
        return parse_failed(file, problem);
    file->line += terminator != '\0';
    return ERR_NONE;
}

static enum err finish(struct csv_file *file, struct problem *problem)
{
    file->over = true;
    if (csv_fini(&file->parser, on_cell, on_row, file) != 0)
        return stop(file, problem, "the file ends inside quotes; a closing quote is missing");
    return ERR_NONE;
}

enum err csv_file_next(struct csv_file *file, struct csv_row *out, struct problem *problem)
{
    file->row_done = false;
    file->text_bytes = file->count = 0;
    while (!file->row_done) {
        if (file->over)
            return ERR_NOT_FOUND;
        enum err err = ERR_NONE;
        if (file->chunk_used < file->chunk_bytes)
            err = feed(file, problem);
        else if (file->at_end)
            err = finish(file, problem);
        else
            err = fill(file, problem);
        if (err == ERR_NONE && file->cell_too_long) {
            file->count--;
            err = stop(file, problem, "the cell is over 64 KiB; a closing quote may be missing");
        }
        if (err == ERR_NONE && file->row_too_long)
            err = stop(file, problem, "the row is over 256 KiB; a closing quote may be missing");
        if (err != ERR_NONE)
            return err;
    }
    out->line = file->row_line;
    out->count = file->count;
    for (size_t i = 0; i < file->count && i < CSV_CELLS_MAX; i++)
        out->cells[i] = (struct csv_cell){file->text + file->offsets[i], file->sizes[i]};
    return ERR_NONE;
}
