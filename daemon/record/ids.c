/*
 * ids.c - random ids as people read them, and request ids.
 * Owns: Crockford's base 32 and the check character; the text forms of a UUIDv7 and of a request reference.
 * Any thread; no state. Invariant: id_parse(id_format(id)) == id, and no id has two readings.
 *
 * The check character makes the sum of all twelve, each multiplied by its place's power of x in the field of 32
 * elements (modulo x^5 + x^2 + 1), zero. The powers x^0 to x^11 differ, so one wrong character, or two unlike
 * neighbours swapped (the check character's too), always leaves a sum that is not zero.
 */
#include "daemon/record/ids.h"

#include "daemon/record/bytes.h"

#include <stddef.h>

#define DIGITS 11 /* of 5 bits */

static const char alphabet[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/* Value of one character, -1 when it is none. */
static int digit_value(char c)
{
    if (c >= 'a' && c <= 'z')
        c = (char)(c - 'a' + 'A');
    if (c == 'O')
        c = '0';
    if (c == 'I' || c == 'L')
        c = '1';
    for (int i = 0; i < 32; i++)
        if (alphabet[i] == c)
            return i;
    return -1;
}

static void split_digits(uint64_t id, uint8_t digits[DIGITS])
{
    for (int i = DIGITS - 1; i >= 0; i--, id >>= 5)
        digits[i] = id & 31;
}

static uint8_t times_x(uint8_t value)
{
    return (uint8_t)((value << 1) ^ (value & 16 ? 0x25 : 0));
}

/* By Horner's rule; the check character's own place is x^0. */
static uint8_t check_of(const uint8_t digits[DIGITS])
{
    uint8_t sum = 0;
    for (int i = 0; i < DIGITS; i++)
        sum = times_x(sum ^ digits[i]);
    return sum;
}

uint64_t id_random(const struct randomness *source)
{
    uint64_t id = 0;
    while (id == 0) {
        uint8_t bytes[8];
        random_fill(source, bytes, sizeof bytes);
        id = get_be64(bytes) & (((uint64_t)1 << (5 * DIGITS)) - 1);
    }
    return id;
}

void id_format(uint64_t id, char out[ID_TEXT_BYTES])
{
    uint8_t digits[DIGITS];
    split_digits(id, digits);
    int at = 0;
    for (int i = 0; i <= DIGITS; i++) {
        if (i > 0 && i % 4 == 0)
            out[at++] = '-';
        out[at++] = alphabet[i < DIGITS ? digits[i] : check_of(digits)];
    }
    out[at] = '\0';
}

bool id_parse(const char *text, uint64_t *out)
{
    uint8_t digits[DIGITS] = {0};
    int count = 0, check = -1;
    size_t length = 0;
    for (; *text != '\0'; text++) {
        if (++length > 32)
            return false;
        if (*text == '-')
            continue;
        int value = digit_value(*text);
        if (value < 0 || count > DIGITS)
            return false;
        if (count == DIGITS)
            check = value;
        else
            digits[count] = (uint8_t)value;
        count++;
    }
    if (count != DIGITS + 1 || check != check_of(digits))
        return false;
    uint64_t id = 0;
    for (int i = 0; i < DIGITS; i++)
        id = id << 5 | digits[i];
    *out = id;
    return id != 0;
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

bool request_id_parse(const char *text, uint8_t out[REQUEST_ID_BYTES])
{
    uint8_t id[REQUEST_ID_BYTES] = {0};
    int nibbles = 0;
    for (int i = 0; i < REQUEST_ID_TEXT_BYTES - 1; i++) {
        bool hyphen = i == 8 || i == 13 || i == 18 || i == 23;
        if (text[i] == '\0' || hyphen != (text[i] == '-'))
            return false;
        if (hyphen)
            continue;
        int value = hex_value(text[i]);
        if (value < 0)
            return false;
        id[nibbles / 2] = (uint8_t)(id[nibbles / 2] << 4 | value);
        nibbles++;
    }
    if (text[REQUEST_ID_TEXT_BYTES - 1] != '\0' || id[6] >> 4 != 7 || id[8] >> 6 != 2)
        return false;
    for (int i = 0; i < REQUEST_ID_BYTES; i++)
        out[i] = id[i];
    return true;
}

int64_t request_id_ms(const uint8_t id[REQUEST_ID_BYTES])
{
    int64_t ms = 0;
    for (int i = 0; i < 6; i++)
        ms = ms << 8 | id[i];
    return ms;
}

bool request_reference_valid(const char *text)
{
    int i = 0;
    for (; i < 3; i++)
        if (text[i] < '0' || text[i] > '9')
            return false;
    if (text[i++] != '-')
        return false;
    int digits = 0;
    for (; text[i] >= '0' && text[i] <= '9'; i++)
        if (++digits > 10)
            return false;
    return text[i] == '\0' && digits >= 4;
}
