/*
 * import.h - `vacancyd --import-postcodes DIR`: unit postcodes from the files that operators download.
 *
 * Owns: reading OS Code-Point Open (Data/CSV/ab.csv ..., no header line) and the ONS Postcode Directory (header line,
 * columns known by name), unzipped, into the one file that gazetteer_load takes. Great Britain is kept whole: a child's
 * home or an avoided place may lie in Wales or Scotland. Left out, and counted: postcodes without a location or without
 * an authority (found by their sector instead), withdrawn ones, and those off the British grid (Northern Ireland, the
 * islands).
 * Thread: one; blocks for some seconds. Memory: 16 octets a postcode, three times over at the end.
 * Invariant: the file under out_path is either the old one or the whole new one.
 */
#ifndef VACANCY_GAZETTEER_IMPORT_H
#define VACANCY_GAZETTEER_IMPORT_H

#include "daemon/base/digest.h"
#include "daemon/base/error.h"

#include <stdio.h>

#define IMPORT_EXAMPLES           5
#define IMPORT_EXAMPLE_BYTES      160
#define IMPORT_MALFORMED_ONE_IN   1000 /* more malformed rows than one in so many, and the import is refused */
#define IMPORT_EDITION_TEXT_BYTES 104

struct import_summary {
    char edition[IMPORT_EDITION_TEXT_BYTES];
    uint64_t files, rows; /* read */
    uint64_t kept;
    uint64_t without_location, without_authority, withdrawn, elsewhere, repeated, malformed;
    char examples[IMPORT_EXAMPLES][IMPORT_EXAMPLE_BYTES]; /* the first malformed rows: "ls.csv:17: why" */
    uint8_t digest[DIGEST_BYTES];
};

/* Called after each file. */
typedef void (*import_progress)(void *ctx, uint64_t files_done, uint64_t files, uint64_t rows_read);

/*
 * `directory` is the unzipped folder (or its Data, or Data/CSV). *summary is filled on failure too. ERR_NOT_FOUND: no
 * folder or no .csv in it; ERR_INVALID: neither layout, too many malformed rows, or nothing to keep; ERR_LIMIT: more
 * than 4,000,000 rows; ERR_STORE_FULL, ERR_STORE_IO: writing. progress may be NULL.
 */
enum err gazetteer_import(const char *directory, const char *out_path, import_progress progress, void *ctx,
                          struct import_summary *summary, struct problem *problem) __attribute__((warn_unused_result));
/* For people: what was read, kept, left out and why, in a few lines. */
void import_summary_print(const struct import_summary *summary, FILE *out);

#endif
