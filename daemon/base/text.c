/*
 * text.c - checks on text that came from outside.
 * Owns no state. Any thread. Invariant: nothing here reads past the given end, whatever the octets are.
 */
#include "daemon/base/text.h"

#include <string.h>

/*
 * Decodes one sequence of well-formed UTF-8 (RFC 3629 section 4) at the front; returns its length, 0 when it is not
 * well-formed.
 */
static size_t decode(const uint8_t *at, size_t bytes, uint32_t *code)
{
    if (bytes == 0)
        return 0;
    uint8_t lead = at[0];
    if (lead < 0x80)
        return *code = lead, 1;
    size_t length = lead < 0xc2 ? 0 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : lead < 0xf5 ? 4 : 0;
    if (length == 0 || length > bytes)
        return 0;
    uint32_t value = lead & (0x7f >> length);
    for (size_t i = 1; i < length; i++) {
        if ((at[i] & 0xc0) != 0x80)
            return 0;
        value = value << 6 | (at[i] & 0x3f);
    }
    bool overlong = (length == 3 && value < 0x800) || (length == 4 && value < 0x10000);
    if (overlong || (value >= 0xd800 && value <= 0xdfff) || value > 0x10ffff)
        return 0;
    return *code = value, length;
}

bool text_is_utf8(const void *data, size_t bytes)
{
    const uint8_t *at = data;
    while (bytes > 0) {
        uint32_t code;
        size_t length = decode(at, bytes, &code);
        if (length == 0 || code == 0)
            return false;
        at += length;
        bytes -= length;
    }
    return true;
}

/* Characters that have no place of their own on a screen, and with which text can be made to look like another. */
static bool is_hidden(uint32_t code)
{
    static const struct {
        uint32_t first, last;
    } ranges[] = {
        {0x00, 0x1f},       /* C0 */
        {0x7f, 0x9f},       /* DEL, C1 */
        {0x061c, 0x061c},   /* Arabic letter mark */
        {0x180e, 0x180e},   /* Mongolian vowel separator */
        {0x200b, 0x200f},   /* zero-width space, non-joiner, joiner; left-to-right and right-to-left mark */
        {0x2028, 0x202e},   /* line and paragraph separator; bidirectional embeddings and overrides */
        {0x2060, 0x206f},   /* word joiner, invisible operators, bidirectional isolates, retired format controls */
        {0xfeff, 0xfeff},   /* zero-width no-break space, byte order mark */
        {0xe0000, 0xe007f}, /* tags: invisible copies of ASCII */
    };
    for (size_t i = 0; i < sizeof ranges / sizeof ranges[0]; i++)
        if (code >= ranges[i].first && code <= ranges[i].last)
            return true;
    return false;
}

bool text_is_plain(const char *text)
{
    const uint8_t *at = (const uint8_t *)text;
    size_t bytes = strlen(text);
    while (bytes > 0) {
        uint32_t code;
        size_t length = decode(at, bytes, &code);
        if (length == 0 || is_hidden(code))
            return false;
        at += length;
        bytes -= length;
    }
    return true;
}

/* The length if it is 1 to max_bytes, else 0. */
static size_t bounded_length(const char *text, size_t max_bytes)
{
    size_t length = 0;
    while (text[length] != '\0')
        if (++length > max_bytes)
            return 0;
    return length;
}

bool text_is_identifier(const char *text, size_t max_bytes)
{
    size_t length = bounded_length(text, max_bytes);
    for (size_t i = 0; i < length; i++)
        if (text[i] < 0x20 || text[i] > 0x7e)
            return false;
    return length > 0 && text[0] != ' ' && text[length - 1] != ' ';
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

bool text_is_slug(const char *text, size_t max_bytes)
{
    size_t length = bounded_length(text, max_bytes);
    for (size_t i = 0; i < length; i++)
        if (!is_digit(text[i]) && !(text[i] >= 'a' && text[i] <= 'z') && text[i] != '-')
            return false;
    return length > 0 && text[0] != '-' && text[length - 1] != '-';
}

bool text_is_gss_code(const char *text)
{
    if (bounded_length(text, 9) != 9 || (text[0] != 'E' && text[0] != 'W' && text[0] != 'S' && text[0] != 'N'))
        return false;
    for (int i = 1; i < 9; i++)
        if (!is_digit(text[i]))
            return false;
    return true;
}

bool text_parse_u64(const char *text, uint64_t max, uint64_t *out)
{
    uint64_t value = 0;
    if (*text == '\0')
        return false;
    for (; *text != '\0'; text++) {
        if (!is_digit(*text) || __builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, (uint64_t)(*text - '0'), &value))
            return false;
    }
    if (value > max)
        return false;
    *out = value;
    return true;
}
