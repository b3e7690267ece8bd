/*
 * codes.c - see codes.h. Owns no state; any thread.
 */
#include "client/codes.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#define NOT_GIVEN "UNSPECIFIED"

/* Bytes of the prefix that every value of the list begins with: value 0 is always PREFIX_UNSPECIFIED. */
static size_t prefix_bytes(const ProtobufCEnumDescriptor *list)
{
    const ProtobufCEnumValue *zero = protobuf_c_enum_descriptor_get_value(list, 0);
    size_t bytes = zero ? strlen(zero->name) : 0;
    return bytes >= strlen(NOT_GIVEN) ? bytes - strlen(NOT_GIVEN) : 0;
}

const char *code_name(const ProtobufCEnumDescriptor *list, int value)
{
    if (value == 0)
        return "";
    const ProtobufCEnumValue *found = protobuf_c_enum_descriptor_get_value(list, value);
    return found ? found->name + prefix_bytes(list) : NULL;
}

static bool same_code(const char *name, const char *text, size_t bytes)
{
    if (strlen(name) != bytes)
        return false;
    for (size_t i = 0; i < bytes; i++) {
        char c = text[i] == '-' || text[i] == ' ' ? '_' : (char)toupper((unsigned char)text[i]);
        if (c != name[i])
            return false;
    }
    return true;
}

bool code_parse(const ProtobufCEnumDescriptor *list, const char *text, size_t bytes, int *out)
{
    size_t prefix = prefix_bytes(list);
    for (unsigned i = 0; i < list->n_values; i++) {
        if (list->values[i].value == 0 || !same_code(list->values[i].name + prefix, text, bytes))
            continue;
        *out = list->values[i].value;
        return true;
    }
    return false;
}

char *code_list(const ProtobufCEnumDescriptor *list, char *out, size_t out_bytes)
{
    size_t used = 0, prefix = prefix_bytes(list);
    out[0] = '\0';
    for (unsigned i = 0; i < list->n_values && used < out_bytes; i++) {
        if (list->values[i].value == 0)
            continue;
        int length = snprintf(out + used, out_bytes - used, "%s%s", used ? ", " : "", list->values[i].name + prefix);
        used += (size_t)length;
    }
    return out;
}

char *code_words(const ProtobufCEnumDescriptor *list, int value, char *out, size_t out_bytes)
{
    const char *name = code_name(list, value);
    snprintf(out, out_bytes, "%s", name ? name : "?");
    /* UASC and SSDA903's M, F and U are written in capitals. */
    if (strcmp(out, "UASC") == 0 || strlen(out) == 1)
        return out;
    char between = isdigit((unsigned char)out[0]) ? '-' : ' '; /* an age band: "6-8" */
    for (char *at = out; *at; at++)
        *at = *at == '_' ? between : (char)tolower((unsigned char)*at);
    return out;
}

bool age_parse(const char *text, size_t bytes, unsigned *months, bool *in_months)
{
    bool by_month = bytes > 1 && (text[bytes - 1] == 'm' || text[bytes - 1] == 'M');
    size_t digits = by_month ? bytes - 1 : bytes;
    if (digits < 1 || digits > (by_month ? 3 : 2))
        return false;
    unsigned number = 0;
    for (size_t i = 0; i < digits; i++) {
        if (!isdigit((unsigned char)text[i]))
            return false;
        number = number * 10 + (unsigned)(text[i] - '0');
    }
    *months = by_month ? number : number * 12;
    if (in_months)
        *in_months = by_month;
    return true;
}
