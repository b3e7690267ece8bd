/*
 * sheet_cell.h - one cell into one field. For sheet.c. Thread: the client's one thread; no state.
 */
#ifndef VACANCY_CLIENT_SHEET_CELL_H
#define VACANCY_CLIENT_SHEET_CELL_H

#include "client/sheet.h"

/*
 * Reads a cell that is not empty, well-formed UTF-8 without NUL, into `field` of `message`; what it needs comes from
 * the arena. False: not accepted, and the field is as it was (a list may have grown).
 */
bool cell_read(const struct sheet_column *column, const ProtobufCFieldDescriptor *field, ProtobufCMessage *message,
               const char *text, size_t bytes, struct arena *arena) __attribute__((warn_unused_result));
/* What such a cell accepts; field is NULL for a column of the caller's own. */
void cell_accepts(const struct sheet_column *column, const ProtobufCFieldDescriptor *field,
                  char out[ACCEPTS_TEXT_BYTES]);

/* "2026-11-22T09:30:00Z", seconds with a fraction too, to Unix milliseconds. */
bool moment_parse(const char *text, int64_t *out_ms) __attribute__((warn_unused_result));

#endif
