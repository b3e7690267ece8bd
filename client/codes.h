/*
 * codes.h - code lists as people type and read them: the contract's enums without their prefix ("SHORT_TERM").
 *
 * Owns: the translation, from the descriptors that protobuf-c generates, so that the contract is the only list.
 * Thread: any; no state. Invariant: a code that is written is read back as the same value.
 */
#ifndef VACANCY_CLIENT_CODES_H
#define VACANCY_CLIENT_CODES_H

#include "daemon/base/error.h"

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>
#include <stddef.h>

/* "SHORT_TERM"; "" for 0; NULL for a value that this program doesn't know (a newer hub's). */
const char *code_name(const ProtobufCEnumDescriptor *list, int value);
/*
 * Either case, "-" and " " as "_" ("short-term"). False when it isn't of the list; 0 ("UNSPECIFIED") never is.
 */
bool code_parse(const ProtobufCEnumDescriptor *list, const char *text, size_t bytes, int *out)
    __attribute__((warn_unused_result));
/* "VACANT, RESERVED, NOT_AVAILABLE" into out, cut at its end. Returns out. */
char *code_list(const ProtobufCEnumDescriptor *list, char *out, size_t out_bytes);
/* "short term", as people write it, into out; "?" for a value not known. Returns out. */
char *code_words(const ProtobufCEnumDescriptor *list, int value, char *out, size_t out_bytes);

/*
 * An age in months: "5" years, "8m" months. False for anything else or above 99 years. *in_months, if not NULL, says
 * which of the two it was.
 */
bool age_parse(const char *text, size_t bytes, unsigned *months, bool *in_months) __attribute__((warn_unused_result));

#endif
