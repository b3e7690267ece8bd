/*
 * postcode.c - see postcode.h. Reads shapes only: letters and digits in the places where Royal Mail puts them. The
 * letters C I K M O V are in no inward part. Thread: any.
 */
#include "daemon/gazetteer/postcode.h"

#include <string.h>

#define TYPED_MAX_BYTES 32

static bool is_letter(char c)
{
    return c >= 'A' && c <= 'Z';
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* A9 A99 A9A AA9 AA99 AA9A */
static bool is_outward(const char *text, size_t bytes)
{
    if (bytes < 2 || bytes > 4 || !is_letter(text[0]))
        return false;
    size_t digit = is_letter(text[1]) ? 2 : 1;
    if (digit >= bytes || !is_digit(text[digit]))
        return false;
    size_t rest = bytes - digit - 1;
    return rest == 0 || (rest == 1 && (is_digit(text[bytes - 1]) || is_letter(text[bytes - 1])));
}

static bool is_inward(const char *text)
{
    return is_digit(text[0]) && is_letter(text[1]) && is_letter(text[2]) && !strchr("CIKMOV", text[1]) &&
           !strchr("CIKMOV", text[2]);
}

/* Where the last inner space was. */
enum spacing { SPACED_NOWHERE, SPACED_BEFORE_LAST, SPACED_EARLIER };

/* Capitals without spaces; how many, or 0 when it can't be a postcode. */
static size_t squeeze(const char *text, char out[8], enum spacing *spacing)
{
    size_t count = 0;
    bool space = false;
    *spacing = SPACED_NOWHERE;
    if (strnlen(text, TYPED_MAX_BYTES + 1) > TYPED_MAX_BYTES)
        return 0;
    for (size_t i = 0; text[i]; i++) {
        char c = text[i];
        if (c == ' ' || c == '\t') {
            space = true;
            continue;
        }
        if (c >= 'a' && c <= 'z')
            c = (char)(c - 'a' + 'A');
        if ((!is_letter(c) && !is_digit(c)) || count == 7)
            return 0;
        if (space && count)
            *spacing = SPACED_BEFORE_LAST;
        else if (*spacing != SPACED_NOWHERE)
            *spacing = SPACED_EARLIER;
        space = false;
        out[count++] = c;
    }
    out[count] = 0;
    return count;
}

static void canonical(struct postcode *out, enum postcode_kind kind, const char *text, size_t outward, size_t inward)
{
    memset(out, 0, sizeof *out);
    out->kind = kind;
    memcpy(out->text, text, outward);
    if (!inward)
        return;
    out->text[outward] = ' ';
    memcpy(out->text + outward + 1, text + outward, inward);
}

enum err postcode_parse(const char *field, const char *text, struct postcode *out, struct problem *problem)
{
    char typed[8];
    enum spacing spacing;
    size_t count = squeeze(text ? text : "", typed, &spacing);
    if (count >= 5 && is_inward(typed + count - 3) && is_outward(typed, count - 3))
        canonical(out, POSTCODE_UNIT, typed, count - 3, 3);
    else if (count >= 3 && is_digit(typed[count - 1]) && is_outward(typed, count - 1) &&
             (spacing == SPACED_BEFORE_LAST || (spacing == SPACED_NOWHERE && !is_outward(typed, count))))
        canonical(out, POSTCODE_SECTOR, typed, count - 1, 1);
    else if (is_outward(typed, count))
        canonical(out, POSTCODE_OUTCODE, typed, count, 0);
    else
        return problem_set(problem, ERR_INVALID, field,
                           "expected a postcode such as LS6 1AB, a sector such as LS6 1, or an outcode such as LS6");
    return ERR_NONE;
}

static void copy_until(const char *text, size_t bytes, char out[POSTCODE_TEXT_BYTES])
{
    memset(out, 0, POSTCODE_TEXT_BYTES);
    memcpy(out, text, bytes);
}

bool postcode_sector(const struct postcode *postcode, char out[POSTCODE_TEXT_BYTES])
{
    if (postcode->kind == POSTCODE_OUTCODE)
        return false;
    copy_until(postcode->text, strcspn(postcode->text, " ") + 2, out);
    return true;
}

void postcode_outcode(const struct postcode *postcode, char out[POSTCODE_TEXT_BYTES])
{
    copy_until(postcode->text, strcspn(postcode->text, " "), out);
}

static uint64_t digit37(char c)
{
    return is_digit(c) ? (uint64_t)(c - '0') + 1 : is_letter(c) ? (uint64_t)(c - 'A') + 11 : 0;
}

static uint64_t outward_key(const struct postcode *postcode, size_t outward)
{
    uint64_t key = 0;
    for (size_t i = 0; i < 4; i++)
        key = key * 37 + (i < outward ? digit37(postcode->text[i]) : 0);
    return key;
}

uint64_t postcode_key(const struct postcode *unit)
{
    size_t outward = strcspn(unit->text, " ");
    uint64_t key = outward_key(unit, outward);
    for (size_t i = outward + 1; i < outward + 4; i++)
        key = key * 37 + digit37(unit->text[i]);
    return key;
}

uint64_t postcode_first_key(const struct postcode *group, uint64_t *below)
{
    size_t outward = strcspn(group->text, " ");
    uint64_t key = outward_key(group, outward), wide = UINT64_C(37) * 37;
    if (group->kind == POSTCODE_OUTCODE)
        wide *= 37;
    else
        key = key * 37 + digit37(group->text[outward + 1]);
    *below = (key + 1) * wide;
    return key * wide;
}
