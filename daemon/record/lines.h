/*
 * lines.h - reading texts that hubs and the root sign, from the front, with one way only to write each field.
 * Owns: a place in such a text. Thread: any; no state. Invariant: nothing reads past the end, and what does not fit
 * leaves the place where it was.
 */
#ifndef VACANCY_RECORD_LINES_H
#define VACANCY_RECORD_LINES_H

#include "daemon/base/text.h"
#include "daemon/record/carer.h"

#include <string.h>

struct place {
    const char *at, *end;
};

static inline size_t place_left(const struct place *place)
{
    return (size_t)(place->end - place->at);
}

/* Exactly these words stand next; they are passed over. */
static inline bool take_words(struct place *place, const char *words)
{
    size_t length = strlen(words);
    if (place_left(place) < length || memcmp(place->at, words, length) != 0)
        return false;
    place->at += length;
    return true;
}

/* Decimal without sign or leading zeros, at most max; ends before the first other character. */
static inline bool take_number(struct place *place, uint64_t max, uint64_t *out)
{
    char digits[21] = ""; /* what 2^64 - 1 has, and NUL */
    size_t count = 0;
    while (count < place_left(place) && place->at[count] >= '0' && place->at[count] <= '9') {
        if (count + 1 == sizeof digits)
            return false;
        digits[count] = place->at[count];
        count++;
    }
    if ((digits[0] == '0' && count > 1) || !text_parse_u64(digits, max, out))
        return false;
    place->at += count;
    return true;
}

/* Lower-case hex of exactly so many octets. */
static inline bool take_hex(struct place *place, uint8_t *out, size_t bytes)
{
    if (place_left(place) < 2 * bytes)
        return false;
    for (size_t i = 0; i < 2 * bytes; i++)
        if (place->at[i] >= 'A' && place->at[i] <= 'F')
            return false;
    if (!hex_decode(place->at, 2 * bytes, out, bytes))
        return false;
    place->at += 2 * bytes;
    return true;
}

static inline bool take_gss_code(struct place *place, char out[GSS_BYTES])
{
    char code[GSS_BYTES] = "";
    if (place_left(place) < GSS_BYTES - 1)
        return false;
    memcpy(code, place->at, GSS_BYTES - 1);
    if (!text_is_gss_code(code))
        return false;
    memcpy(out, code, GSS_BYTES);
    place->at += GSS_BYTES - 1;
    return true;
}

#endif
