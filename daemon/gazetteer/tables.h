/*
 * tables.h - the octets of daemon/gazetteer/data as they stand in the program, and reading their rows.
 * Private to daemon/gazetteer. Thread: any; the tables are constants.
 */
#ifndef VACANCY_GAZETTEER_TABLES_H
#define VACANCY_GAZETTEER_TABLES_H

#include <stdbool.h>
#include <stddef.h>

enum table_id {
    TABLE_SECTORS,
    TABLE_OUTCODES,
    TABLE_CELLS,
    TABLE_AUTHORITIES,
    TABLE_REGIONS,
    TABLE_ADJOINING,
    TABLE_CODE_CHANGES,
    TABLE_LANGUAGES,
    TABLE_COUNT
};

struct table {
    const char *name;
    const char *data;
    size_t bytes;
};

struct table table_get(enum table_id id);
/* NUL-terminated. */
const char *table_attribution(void);

#define TABLE_LINE_BYTES 512
#define TABLE_FIELDS_MAX 16
/* Splits one line (without its end) in place by RFC 4180; how many fields, 0 if malformed or more than max. */
size_t csv_split(char *line, char **fields, size_t max);

/* Walks the rows; comments and the column header are skipped. A row of other than `columns` fields aborts: the tables
 * are part of the program. */
struct table_rows {
    struct table table;
    size_t at;
    size_t columns;
    bool header_seen;
    char line[TABLE_LINE_BYTES];
    char *fields[TABLE_FIELDS_MAX];
};
void table_rows_begin(struct table_rows *rows, enum table_id id, size_t columns);
bool table_rows_next(struct table_rows *rows);
/* The field as a number; aborts if it isn't one. */
int table_rows_int(const struct table_rows *rows, size_t field);
/* Copies the field into a text of `bytes` (with NUL); aborts if it is too long. */
void table_rows_text(const struct table_rows *rows, size_t field, char *out, size_t bytes);
/* An upper bound of the rows, for allocation. */
size_t table_lines(enum table_id id);

#endif
