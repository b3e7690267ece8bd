/*
 * text.h - what may stand in a string that came from outside, and exact text helpers.
 * Thread: any; no state.
 */
#ifndef VACANCY_BASE_TEXT_H
#define VACANCY_BASE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Well-formed UTF-8 (RFC 3629: no surrogates, no overlong forms, at most U+10FFFF) without NUL. */
bool text_is_utf8(const void *data, size_t bytes);
/* UTF-8 without control characters (C0, C1, DEL), bidirectional controls, zero-width characters, U+FEFF (V13). */
bool text_is_plain(const char *text);
/* Only printable ASCII (0x20..0x7e), 1 to max_bytes, no space at either end. */
bool text_is_identifier(const char *text, size_t max_bytes);
/* [a-z0-9-], 1 to max_bytes, starts and ends with a letter or digit: agency, team and other ids. */
bool text_is_slug(const char *text, size_t max_bytes);
/* Nine characters: E, W, S or N, then eight digits. */
bool text_is_gss_code(const char *text);
/* Decimal digits only, no sign, within [0, max]. */
bool text_parse_u64(const char *text, uint64_t max, uint64_t *out) __attribute__((warn_unused_result));

#endif
