/*
 * tables.c - see tables.h. The assembler takes the files in as they are (.incbin; the Makefile rebuilds this object
 * when one changes), so that what is reviewed is what runs. Thread: any.
 */
#include "daemon/gazetteer/tables.h"

#include "daemon/base/log.h"

#include <stdlib.h>
#include <string.h>

#define EMBED(symbol, file)                                                                                            \
    __asm__(".pushsection .rodata\n"                                                                                   \
            ".hidden gazetteer_" #symbol "\n.global gazetteer_" #symbol "\ngazetteer_" #symbol ":\n"                   \
            ".incbin \"daemon/gazetteer/data/" file "\"\n"                                                             \
            ".hidden gazetteer_" #symbol "_end\n.global gazetteer_" #symbol "_end\ngazetteer_" #symbol "_end:\n"       \
            ".byte 0\n"                                                                                                \
            ".popsection\n");                                                                                          \
    extern const char gazetteer_##symbol[], gazetteer_##symbol##_end[]

EMBED(sectors, "sectors.csv");
EMBED(outcodes, "outcodes.csv");
EMBED(cells, "cells.csv");
EMBED(authorities, "authorities.csv");
EMBED(regions, "regions.csv");
EMBED(adjoining, "adjoining.csv");
EMBED(code_changes, "code_changes.csv");
EMBED(languages, "languages/languages.csv");
EMBED(notice, "NOTICE");

#define TABLE(id, symbol) [id] = {#symbol, gazetteer_##symbol, gazetteer_##symbol##_end}
static const struct {
    const char *name, *data, *end;
} tables[TABLE_COUNT] = {
    TABLE(TABLE_SECTORS, sectors),           TABLE(TABLE_OUTCODES, outcodes),   TABLE(TABLE_CELLS, cells),
    TABLE(TABLE_AUTHORITIES, authorities),   TABLE(TABLE_REGIONS, regions),     TABLE(TABLE_ADJOINING, adjoining),
    TABLE(TABLE_CODE_CHANGES, code_changes), TABLE(TABLE_LANGUAGES, languages),
};

struct table table_get(enum table_id id)
{
    return (struct table){tables[id].name, tables[id].data, (size_t)(tables[id].end - tables[id].data)};
}

const char *table_attribution(void)
{
    return gazetteer_notice;
}

/* One field, in place: *at moves behind its comma; false if a quote is out of place. */
static bool split_field(char **at, char **field, bool *last)
{
    char *in = *at, *out = in;
    *field = in;
    if (*in == '"') {
        for (in++;; in++) {
            if (!*in)
                return false;
            if (*in == '"' && *++in != '"')
                break;
            *out++ = *in;
        }
    } else {
        while (*in && *in != ',' && *in != '"')
            *out++ = *in++;
    }
    if (*in && *in != ',')
        return false;
    *last = !*in;
    *out = 0;
    *at = in + 1;
    return true;
}

size_t csv_split(char *line, char **fields, size_t max)
{
    size_t count = 0;
    for (bool last = false; !last; count++)
        if (count == max || !split_field(&line, &fields[count], &last))
            return 0;
    return count;
}

void table_rows_begin(struct table_rows *rows, enum table_id id, size_t columns)
{
    rows->table = table_get(id);
    rows->at = 0;
    rows->columns = columns;
    rows->header_seen = false;
}

bool table_rows_next(struct table_rows *rows)
{
    const struct table *table = &rows->table;
    while (rows->at < table->bytes) {
        const char *line = table->data + rows->at;
        const char *end = memchr(line, '\n', table->bytes - rows->at);
        if (!end)
            log_fatal("gazetteer", "built-in table %s has no end of line at octet %zu", table->name, rows->at);
        size_t bytes = (size_t)(end - line);
        rows->at += bytes + 1;
        if (*line == '#')
            continue;
        if (!rows->header_seen) {
            rows->header_seen = true;
            continue;
        }
        if (bytes >= TABLE_LINE_BYTES)
            log_fatal("gazetteer", "built-in table %s has an over-long line", table->name);
        memcpy(rows->line, line, bytes);
        rows->line[bytes] = 0;
        if (csv_split(rows->line, rows->fields, TABLE_FIELDS_MAX) != rows->columns)
            log_fatal("gazetteer", "built-in table %s: a row before octet %zu is malformed", table->name, rows->at);
        return true;
    }
    return false;
}

int table_rows_int(const struct table_rows *rows, size_t field)
{
    char *end;
    long value = strtol(rows->fields[field], &end, 10);
    if (end == rows->fields[field] || *end || value < 0 || value > 2000000)
        log_fatal("gazetteer", "built-in table %s: a number before octet %zu is malformed", rows->table.name, rows->at);
    return (int)value;
}

void table_rows_text(const struct table_rows *rows, size_t field, char *out, size_t bytes)
{
    size_t length = strlen(rows->fields[field]);
    if (length >= bytes)
        log_fatal("gazetteer", "built-in table %s: a text before octet %zu is too long", rows->table.name, rows->at);
    memcpy(out, rows->fields[field], length + 1);
}

size_t table_lines(enum table_id id)
{
    struct table table = table_get(id);
    size_t lines = 0;
    for (const char *at = table.data, *end = at + table.bytes; (at = memchr(at, '\n', (size_t)(end - at))); at++)
        lines++;
    return lines;
}
