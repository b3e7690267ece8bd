/*
 * sheet_cell.c - see sheet_cell.h. Owns no state; the client's one thread.
 */
#include "client/sheet_cell.h"

#include "client/codes.h"
#include "daemon/base/clock.h"
#include "daemon/base/text.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#define LIST_MAX 64

/* The bytes up to the separator; *text moves past it, and becomes NULL at the end. */
static size_t next_item(const char **text, const char **item, char separator)
{
    const char *begin = *text + strspn(*text, " "), *end = strchr(begin, separator);
    size_t bytes = end ? (size_t)(end - begin) : strlen(begin);
    *item = begin;
    *text = end ? end + 1 : NULL;
    while (bytes > 0 && begin[bytes - 1] == ' ')
        bytes--;
    return bytes;
}

bool moment_parse(const char *text, int64_t *out_ms)
{
    char day[DATE_TEXT_BYTES];
    date_days date;
    if (strlen(text) < 20 || (text[10] != 'T' && text[10] != 't'))
        return false;
    snprintf(day, sizeof day, "%.10s", text);
    unsigned hour, minute, second, used = 0, fraction = 0;
    if (!date_parse(day, &date) || strspn(text + 11, "0123456789:") != 8 ||
        sscanf(text + 11, "%2u:%2u:%2u%n", &hour, &minute, &second, (int *)&used) != 3 || used != 8 || hour > 23 ||
        minute > 59 || second > 60)
        return false;
    const char *rest = text + 19;
    if (*rest == '.') {
        unsigned scale = 100;
        size_t digits = strspn(++rest, "0123456789");
        if (digits == 0 || digits > 9)
            return false;
        for (size_t i = 0; i < digits; i++, scale /= 10)
            fraction += (unsigned)(rest[i] - '0') * scale;
        rest += digits;
    }
    if (strcmp(rest, "Z") != 0 && strcmp(rest, "z") != 0 && strcmp(rest, "+00:00") != 0)
        return false;
    *out_ms = ((int64_t)date * 86400 + hour * 3600 + minute * 60 + second) * 1000 + fraction;
    return true;
}

static bool parse_yes_no(const char *text, size_t bytes, bool *out)
{
    static const struct {
        const char *word;
        bool value;
    } words[] = {{"yes", true}, {"no", false}, {"y", true}, {"n", false}, {"true", true}, {"false", false}};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (strlen(words[i].word) == bytes && strncasecmp(words[i].word, text, bytes) == 0) {
            *out = words[i].value;
            return true;
        }
    }
    return false;
}

/* One value of the field's own type to `at`. */
static bool read_value(const ProtobufCFieldDescriptor *field, void *at, const char *text, size_t bytes,
                       struct arena *arena)
{
    char number[16];
    uint64_t value;
    bool flag;
    switch (field->type) {
    case PROTOBUF_C_TYPE_STRING:
        return (*(char **)at = arena_copy_text(arena, text, bytes)) != NULL;
    case PROTOBUF_C_TYPE_UINT32:
        if (bytes >= sizeof number)
            return false;
        memcpy(number, text, bytes);
        number[bytes] = '\0';
        if (!text_parse_u64(number, UINT32_MAX, &value))
            return false;
        *(uint32_t *)at = (uint32_t)value;
        return true;
    case PROTOBUF_C_TYPE_ENUM:
        return code_parse(field->descriptor, text, bytes, at);
    case PROTOBUF_C_TYPE_BOOL:
        if (!parse_yes_no(text, bytes, &flag))
            return false;
        *(protobuf_c_boolean *)at = flag;
        return true;
    default:
        return false;
    }
}

static bool read_codes(const ProtobufCFieldDescriptor *field, ProtobufCMessage *message, const char *text,
                       struct arena *arena)
{
    int *list = arena_alloc(arena, LIST_MAX * sizeof *list);
    size_t count = 0;
    while (list != NULL && text != NULL && count < LIST_MAX) {
        const char *item;
        size_t bytes = next_item(&text, &item, ';');
        if (!code_parse(field->descriptor, item, bytes, &list[count++]))
            return false;
    }
    *(size_t *)((char *)message + field->quantifier_offset) = count;
    *(int **)((char *)message + field->offset) = list;
    return list != NULL && text == NULL;
}

/* "6-8:F:1:E08000035" into a new message; parts that are left out at the end stay as they are. */
static ProtobufCMessage *read_parts(const ProtobufCMessageDescriptor *type, const char *names, const char *text,
                                    struct arena *arena)
{
    ProtobufCMessage *message = arena_zalloc(arena, type->sizeof_message);
    if (message == NULL)
        return NULL;
    protobuf_c_message_init(type, message);
    while (text != NULL) {
        const char *item, *name;
        char field_name[64];
        if (names == NULL)
            return NULL;
        size_t bytes = next_item(&text, &item, ':');
        size_t name_bytes = next_item(&names, &name, ':');
        snprintf(field_name, sizeof field_name, "%.*s", (int)name_bytes, name);
        const ProtobufCFieldDescriptor *field = protobuf_c_message_descriptor_get_field_by_name(type, field_name);
        if (field == NULL || (bytes > 0 && !read_value(field, (char *)message + field->offset, item, bytes, arena)))
            return NULL;
    }
    return message;
}

static bool read_list(const struct sheet_column *column, const ProtobufCFieldDescriptor *field,
                      ProtobufCMessage *message, const char *text, struct arena *arena)
{
    ProtobufCMessage **list = arena_alloc(arena, LIST_MAX * sizeof *list);
    size_t count = 0;
    while (list != NULL && text != NULL && count < LIST_MAX) {
        const char *item;
        size_t bytes = next_item(&text, &item, ';');
        char *copy = arena_copy_text(arena, item, bytes);
        if (copy == NULL || bytes == 0 ||
            (list[count++] = read_parts(field->descriptor, column->parts, copy, arena)) == NULL)
            return false;
    }
    *(size_t *)((char *)message + field->quantifier_offset) = count;
    *(ProtobufCMessage ***)((char *)message + field->offset) = list;
    return list != NULL && text == NULL;
}

static bool read_age(const struct sheet_column *column, const char *text, size_t bytes, uint32_t *out)
{
    unsigned months;
    bool in_months;
    if (!age_parse(text, bytes, &months, &in_months))
        return false;
    if (column->kind == CELL_AGE_TO)
        months += in_months ? 1 : 12;
    *out = months;
    return true;
}

bool cell_read(const struct sheet_column *column, const ProtobufCFieldDescriptor *field, ProtobufCMessage *message,
               const char *text, size_t bytes, struct arena *arena)
{
    void *at = (char *)message + field->offset;
    date_days date;
    switch (column->kind) {
    case CELL_PLAIN:
        return field->label == PROTOBUF_C_LABEL_REPEATED ? read_codes(field, message, text, arena)
                                                         : read_value(field, at, text, bytes, arena);
    case CELL_DATE:
        return date_parse(text, &date) && read_value(field, at, text, bytes, arena);
    case CELL_MOMENT:
        return moment_parse(text, at);
    case CELL_AGE_FROM:
    case CELL_AGE_TO:
        return read_age(column, text, bytes, at);
    case CELL_PARTS:
        return read_list(column, field, message, text, arena);
    case CELL_OWN:
        return true;
    }
    return false;
}

void cell_accepts(const struct sheet_column *column, const ProtobufCFieldDescriptor *field,
                  char out[ACCEPTS_TEXT_BYTES])
{
    static const char *const words[] = {
        [CELL_DATE] = "a day that exists, as YYYY-MM-DD",
        [CELL_MOMENT] = "a moment in UTC, as 2026-11-22T09:30:00Z",
        [CELL_AGE_FROM] = "years (5) or months (6m)",
        [CELL_AGE_TO] = "years (12: through the age of 12) or months (6m)",
    };
    bool many = field && field->label == PROTOBUF_C_LABEL_REPEATED;
    char list[ACCEPTS_TEXT_BYTES - 40];
    if (column->kind != CELL_PLAIN)
        snprintf(out, ACCEPTS_TEXT_BYTES, "%s", column->kind < CELL_PARTS ? words[column->kind] : "text");
    else if (field && field->type == PROTOBUF_C_TYPE_ENUM)
        snprintf(out, ACCEPTS_TEXT_BYTES, "%s%s", many ? "any of these with ; between: " : "one of ",
                 code_list(field->descriptor, list, sizeof list));
    else if (field && field->type == PROTOBUF_C_TYPE_UINT32)
        snprintf(out, ACCEPTS_TEXT_BYTES, "a whole number");
    else if (field && field->type == PROTOBUF_C_TYPE_BOOL)
        snprintf(out, ACCEPTS_TEXT_BYTES, "yes or no");
    else
        snprintf(out, ACCEPTS_TEXT_BYTES, "text");
}
