/*
 * sheet.h - from a row of cells to messages, by one table of columns.
 *
 * Owns: what a cell may hold, the header row, the words when one is wrong, the column behind a field that the hub
 * complains of. The kind of a cell follows from the contract's field that its path names; the table adds only what the
 * contract can't say (ages in years, dates, lists of parts). Not here: whether values make sense together: the hub
 * decides that. Thread: the client's one thread.
 * Invariant: every column of the table is in --help and in vacancy(1), and a header has no others.
 */
#ifndef VACANCY_CLIENT_SHEET_H
#define VACANCY_CLIENT_SHEET_H

#include "client/csv.h"
#include "daemon/base/arena.h"

#include <protobuf-c/protobuf-c.h>
#include <stdio.h>

#define SHEET_ROOTS_MAX 4

enum cell_kind {
    CELL_PLAIN,    /* as the field's type says: text, number, code, codes "A;B", yes or no */
    CELL_DATE,     /* "2026-11-22", into a text field */
    CELL_MOMENT,   /* "2026-11-22T09:30:00Z", into milliseconds */
    CELL_AGE_FROM, /* "5" years or "6m" months, into months */
    CELL_AGE_TO,   /* the same, inclusive: "12" is through the age of 12, 156 months */
    CELL_PARTS,    /* "a:b;a:b", into a repeated message; `parts` names its fields in order */
    CELL_OWN,      /* no field: the caller reads it with sheet_text */
};

struct sheet_column {
    const char *name;
    const char
        *paths[SHEET_ROOTS_MAX]; /* "put_carer.carer.places"; the first part names a root. As the hub reports it */
    enum cell_kind kind;
    const char *parts;   /* "age_band:sex" */
    const char *accepts; /* what may stand in it: for help and errors; NULL: said by the kind */
    const char *help;    /* what it means */
    bool required;       /* must be in the header */
};

struct sheet_root {
    const char *name; /* "put_carer" */
    const ProtobufCMessageDescriptor *type;
};

struct sheet {
    const struct sheet_column *columns;
    size_t count;
    struct sheet_root roots[SHEET_ROOTS_MAX];
    size_t root_count;
};

/* Which column stands where; filled by sheet_header. */
struct sheet_map {
    const struct sheet_column *at[CSV_CELLS_MAX];
    size_t count;
};

/* Hears of each bad cell: the column (NULL: the row) and what is wrong with it and accepted. */
typedef void (*sheet_complaint)(void *context, const char *column, const char *text);

/* Reads the header row. False: each wrong name was complained of, and which columns are accepted. */
bool sheet_header(const struct sheet *sheet, const struct csv_row *row, struct sheet_map *out, sheet_complaint complain,
                  void *context) __attribute__((warn_unused_result));
bool sheet_has(const struct sheet_map *map, const char *column);
/* Whether any column of the header feeds this root, the ones in `besides` (NULL-terminated) left out. */
bool sheet_feeds(const struct sheet_map *map, const char *root, const char *const *besides);
/* The text of a column in a row that sheet_row accepted; "" when it isn't in the file. */
const char *sheet_text(const struct sheet_map *map, const struct csv_row *row, const char *column);

/*
 * Makes the roots' messages of a row, in the arena (which the caller resets between rows). False: at least one cell is
 * bad, each was complained of.
 */
bool sheet_row(const struct sheet *sheet, const struct sheet_map *map, const struct csv_row *row, struct arena *arena,
               ProtobufCMessage *out[SHEET_ROOTS_MAX], sheet_complaint complain, void *context)
    __attribute__((warn_unused_result));

/* The column behind a field's path ("put_carer.carer.terms.care_types[1]"), or NULL. */
const struct sheet_column *sheet_column_of_field(const struct sheet *sheet, const char *field);
/* What a cell of the column accepts, into out. Returns out. */
#define ACCEPTS_TEXT_BYTES 512
char *sheet_accepts(const struct sheet *sheet, const struct sheet_column *column, char out[ACCEPTS_TEXT_BYTES]);
/* The list of columns, for --help. */
void sheet_print_columns(const struct sheet *sheet, FILE *out, unsigned width);

#endif
