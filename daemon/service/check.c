/*
 * check.c - see check.h. No state, any thread.
 */
#include "daemon/service/check.h"

#include "daemon/base/text.h"
#include "daemon/register/home.h"

#include <stdio.h>
#include <string.h>

#define OBSERVED_EARLIEST_MS 946684800000LL /* 2000-01-01: seconds sent as milliseconds fall before it */

static size_t path_write(const struct path *at, char *out, size_t size)
{
    if (at == NULL)
        return 0;
    size_t used = path_write(at->up, out, size);
    int more = at->index < 0 ? snprintf(out + used, size - used, "%s%s", used > 0 ? "." : "", at->name)
                             : snprintf(out + used, size - used, "%s%s[%d]", used > 0 ? "." : "", at->name, at->index);
    used += more > 0 ? (size_t)more : 0;
    return used < size ? used : size - 1;
}

void path_text(const struct path *at, const char *name, char out[PROBLEM_FIELD_BYTES])
{
    out[0] = '\0';
    size_t used = path_write(at, out, PROBLEM_FIELD_BYTES);
    if (name != NULL)
        snprintf(out + used, PROBLEM_FIELD_BYTES - used, "%s%s", used > 0 ? "." : "", name);
}

enum err wrong(struct problem *problem, const struct path *at, const char *name, const char *format, ...)
{
    char field[PROBLEM_FIELD_BYTES], text[PROBLEM_TEXT_BYTES];
    path_text(at, name, field);
    va_list args;
    va_start(args, format);
    if (vsnprintf(text, sizeof text, format, args) < 0)
        text[0] = '\0';
    va_end(args);
    return problem_set(problem, ERR_INVALID, field, "%s", text);
}

enum err check_range(struct problem *problem, const struct path *at, const char *name, uint32_t value, uint32_t min,
                     uint32_t max, const char *what)
{
    if (value >= min && value <= max)
        return ERR_NONE;
    return wrong(problem, at, name, "%u %s given; %u to %u are accepted", value, what, min, max);
}

enum err check_code(struct problem *problem, const struct path *at, const char *name, int value, int end, bool required,
                    const char *list, uint8_t *out)
{
    if (value == 0 && required)
        return wrong(problem, at, name, "required: a code of %s, 1 to %d", list, end - 1);
    if (value < 0 || value >= end)
        return wrong(problem, at, name, "%d is not a code of %s; 1 to %d are", value, list, end - 1);
    *out = (uint8_t)value;
    return ERR_NONE;
}

enum err check_mask(struct problem *problem, const struct path *at, const char *name, const void *codes, size_t count,
                    int end, const char *list, uint32_t *out)
{
    const int *values = codes; /* protobuf-c makes every enum as large as an int */
    *out = 0;
    for (size_t i = 0; i < count; i++) {
        struct path element = {at, name, (int)i};
        if (values[i] <= 0 || values[i] >= end)
            return wrong(problem, &element, NULL, "%d is not a code of %s; 1 to %d are", values[i], list, end - 1);
        if (*out & 1u << values[i])
            return wrong(problem, &element, NULL, "code %d of %s is given twice; give each once", values[i], list);
        *out |= 1u << values[i];
    }
    return ERR_NONE;
}

enum err check_reference(struct problem *problem, const struct path *at, const char *name, const char *text,
                         char out[AGENCY_REFERENCE_BYTES])
{
    if (text[0] == '\0')
        return wrong(problem, at, name, "required: your own reference for the household");
    if (!text_is_identifier(text, AGENCY_REFERENCE_BYTES - 1))
        return wrong(problem, at, name, "1 to %d printable ASCII characters without a space at either end are accepted",
                     AGENCY_REFERENCE_BYTES - 1);
    strcpy(out, text);
    return ERR_NONE;
}

enum err check_date(struct problem *problem, const struct path *at, const char *name, const char *text, bool required,
                    date_days *out)
{
    *out = DATE_NONE;
    if (text[0] == '\0')
        return required ? wrong(problem, at, name, "required: a date, YYYY-MM-DD") : ERR_NONE;
    if (!date_parse(text, out))
        return wrong(problem, at, name, "not a date; YYYY-MM-DD with a year from 1900 to 2199 is accepted");
    return ERR_NONE;
}

enum err check_observed(struct problem *problem, const struct path *at, int64_t value, int64_t now_ms)
{
    if (value == 0)
        return wrong(problem, at, "observed_at_ms",
                     "required: when your system saw this, Unix time in milliseconds, UTC");
    if (value < OBSERVED_EARLIEST_MS)
        return wrong(problem, at, "observed_at_ms", "lies before the year 2000; Unix time in milliseconds is expected");
    if (value > now_ms + OBSERVED_AHEAD_MAX_MS)
        return wrong(problem, at, "observed_at_ms",
                     "lies more than 5 minutes ahead of this hub's clock; check your system's clock");
    return ERR_NONE;
}

enum err check_authority(struct problem *problem, const struct gazetteer *gazetteer, const struct path *at,
                         const char *name, const char *text, char out[GSS_BYTES])
{
    if (text[0] == '\0')
        return wrong(problem, at, name, "required: a local authority's GSS code, such as E08000035");
    if (!text_is_gss_code(text))
        return wrong(problem, at, name, "not a GSS code; a local authority's, such as E08000035, is accepted");
    if (text[0] == 'E' && gazetteer_authority(gazetteer, text) == NULL) {
        const char *successor = gazetteer_successor(gazetteer, text, 0);
        return successor != NULL
                   ? wrong(problem, at, name, "this authority's code was replaced; use %s", successor)
                   : wrong(problem, at, name, "not the code of an English authority with children's services");
    }
    strcpy(out, text);
    return ERR_NONE;
}

enum err check_text(struct problem *problem, const struct path *at, const char *name, const char *text,
                    size_t max_bytes, bool required, char *out)
{
    size_t size = strlen(text);
    if (size == 0 && required)
        return wrong(problem, at, name, "required");
    if (size > max_bytes)
        return wrong(problem, at, name, "%zu octets given; at most %zu are accepted", size, max_bytes);
    if (!text_is_plain(text))
        return wrong(problem, at, name, "holds control, direction or zero-width characters; plain text is accepted");
    memcpy(out, text, size + 1);
    return ERR_NONE;
}

enum err check_request_id(struct problem *problem, const char *text, int64_t now_ms, bool *given,
                          uint8_t out[REQUEST_ID_BYTES])
{
    *given = text[0] != '\0';
    if (!*given)
        return ERR_NONE;
    if (!request_id_parse(text, out))
        return wrong(problem, NULL, "request_id", "not a UUIDv7 (RFC 9562); leave it empty or send one");
    int64_t made_ms = request_id_ms(out);
    if (made_ms < now_ms - REQUEST_ID_KEPT_MS)
        return wrong(
            problem, NULL, "request_id",
            "made more than 7 days ago: whether it ran is no longer known; read the state, then use a new one");
    if (made_ms > now_ms + OBSERVED_AHEAD_MAX_MS)
        return wrong(problem, NULL, "request_id", "made more than 5 minutes ahead of this hub's clock; check yours");
    return ERR_NONE;
}
