/*
 * postcode.h - what people type as a postcode, in canonical form.
 *
 * Owns: the shape of a unit postcode ("LS6 1AB"), a sector ("LS6 1") and an outcode ("LS6"), and the order-keeping key
 * under which unit postcodes are stored. Not here: whether such a postcode exists (gazetteer.h).
 * Thread: any; no state. Invariant: a struct postcode filled by postcode_parse is canonical, so equal places compare
 * equal as text.
 */
#ifndef VACANCY_GAZETTEER_POSTCODE_H
#define VACANCY_GAZETTEER_POSTCODE_H

#include "daemon/base/error.h"

#include <stdint.h>

enum postcode_kind { POSTCODE_OUTCODE, POSTCODE_SECTOR, POSTCODE_UNIT };

#define POSTCODE_TEXT_BYTES 9 /* "SW1A 1AA" and a NUL */

struct postcode {
    char text[POSTCODE_TEXT_BYTES]; /* capitals; one space before the inward part */
    enum postcode_kind kind;
};

/*
 * Takes either case and spaces anywhere: "ls61ab", " LS6  1AB". Where a text without a space could be an outcode or a
 * sector ("M11"), it is the outcode; "M1 1" is the sector. ERR_INVALID with *problem naming `field`; the text itself is
 * not repeated. `text` NULL is an empty text.
 */
enum err postcode_parse(const char *field, const char *text, struct postcode *out, struct problem *problem)
    __attribute__((warn_unused_result));

/* "LS6 1" and "LS6" of a unit postcode (or of themselves); false where there is none (the sector of an outcode). */
bool postcode_sector(const struct postcode *postcode, char out[POSTCODE_TEXT_BYTES]);
void postcode_outcode(const struct postcode *postcode, char out[POSTCODE_TEXT_BYTES]);

/* A unit postcode as a number below 2^37; the numbers sort as outward part, then inward part. */
uint64_t postcode_key(const struct postcode *unit);
/* The keys of all unit postcodes of a sector or an outcode: from `first` on, below `*below`. */
uint64_t postcode_first_key(const struct postcode *group, uint64_t *below);

#endif
