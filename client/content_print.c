/*
 * content_print.c - see content_print.h: FNV-1a, over what is our own agency's on both sides. No state, any thread.
 */
#include "client/content_print.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SEED UINT64_C(14695981039346656037)

static uint64_t add_octet(uint64_t print, unsigned char octet)
{
    return (print ^ octet) * UINT64_C(1099511628211);
}

static uint64_t add_number(uint64_t print, uint64_t number)
{
    for (int i = 0; i < 8; i++)
        print = add_octet(print, (unsigned char)(number >> (8 * i)));
    return print;
}

static uint64_t add_text(uint64_t print, const char *text)
{
    for (const char *c = text ? text : ""; *c; c++)
        if (*c != ' ')
            print = add_octet(print, (unsigned char)toupper((unsigned char)*c));
    return add_octet(print, '\0');
}

static bool is_left_out(const ProtobufCFieldDescriptor *field)
{
    return strcmp(field->name, "observed_at_ms") == 0 || strcmp(field->name, "agency_reference") == 0;
}

static uint64_t scalar(const ProtobufCFieldDescriptor *field, const void *at)
{
    switch (field->type) {
    case PROTOBUF_C_TYPE_ENUM:
    case PROTOBUF_C_TYPE_UINT32:
        return *(const uint32_t *)at;
    case PROTOBUF_C_TYPE_BOOL:
        return *(const protobuf_c_boolean *)at != 0;
    case PROTOBUF_C_TYPE_INT64:
        return *(const uint64_t *)at;
    default:
        abort(); /* no such field in what an agency states */
    }
}

/* "0: as max_children" */
static uint64_t filled_in(const ProtobufCFieldDescriptor *field, const ProtobufCMessage *message, uint64_t value)
{
    if (value != 0 || strcmp(field->name, "max_children_if_siblings") != 0)
        return value;
    const ProtobufCFieldDescriptor *most =
        protobuf_c_message_descriptor_get_field_by_name(message->descriptor, "max_children");
    return scalar(most, (const char *)message + most->offset);
}

static uint64_t add_field(uint64_t print, const ProtobufCFieldDescriptor *field, const ProtobufCMessage *message);

static uint64_t add_list(uint64_t print, const ProtobufCFieldDescriptor *field, const ProtobufCMessage *message)
{
    size_t count = *(const size_t *)((const char *)message + field->quantifier_offset);
    const void *list = *(void *const *)((const char *)message + field->offset);
    uint64_t codes = 0;
    if (field->type == PROTOBUF_C_TYPE_ENUM) {
        for (size_t i = 0; i < count; i++)
            codes |= UINT64_C(1) << (((const uint32_t *)list)[i] & 63);
        return add_number(print, codes);
    }
    if (field->type != PROTOBUF_C_TYPE_MESSAGE)
        abort(); /* no such field in what an agency states */
    for (size_t i = 0; i < count; i++) {
        const ProtobufCMessage *item = ((ProtobufCMessage *const *)list)[i];
        for (unsigned f = 0; f < item->descriptor->n_fields; f++)
            print = add_field(print, &item->descriptor->fields[f], item);
    }
    return add_number(print, count);
}

static uint64_t add_field(uint64_t print, const ProtobufCFieldDescriptor *field, const ProtobufCMessage *message)
{
    const void *at = (const char *)message + field->offset;
    if (field->label == PROTOBUF_C_LABEL_REPEATED)
        return add_list(print, field, message);
    if (field->type == PROTOBUF_C_TYPE_STRING)
        return add_text(print, *(char *const *)at);
    return add_number(print, filled_in(field, message, scalar(field, at)));
}

static bool is_submessage(const ProtobufCFieldDescriptor *field)
{
    return field->type == PROTOBUF_C_TYPE_MESSAGE && field->label != PROTOBUF_C_LABEL_REPEATED;
}

/* message NULL: it is not set, and says what an empty one would, but for being there. */
static void walk(const ProtobufCMessageDescriptor *type, const ProtobufCMessage *message, uint64_t *out, size_t *count)
{
    for (unsigned i = 0; i < type->n_fields; i++) {
        const ProtobufCFieldDescriptor *field = &type->fields[i];
        if (is_left_out(field))
            continue;
        if (is_submessage(field)) {
            const ProtobufCMessage *inner =
                message ? *(ProtobufCMessage *const *)((const char *)message + field->offset) : NULL;
            walk(field->descriptor, inner, out, count);
            continue;
        }
        if (*count == CONTENT_FIELDS_MAX)
            abort();
        out[(*count)++] = message ? add_field(SEED, field, message) : 0;
    }
}

void content_print(const ProtobufCMessage *message, uint64_t out[CONTENT_FIELDS_MAX])
{
    size_t count = 0;
    memset(out, 0, CONTENT_FIELDS_MAX * sizeof *out);
    walk(message->descriptor, message, out, &count);
}

/* Counts *nth down to the field; false: it is not in this type. */
static bool find_path(const ProtobufCMessageDescriptor *type, size_t *nth, char out[CONTENT_PATH_BYTES])
{
    size_t used = strlen(out);
    for (unsigned i = 0; i < type->n_fields; i++) {
        const ProtobufCFieldDescriptor *field = &type->fields[i];
        if (is_left_out(field))
            continue;
        snprintf(out + used, CONTENT_PATH_BYTES - used, "%s%s", used ? "." : "", field->name);
        if (is_submessage(field) ? find_path(field->descriptor, nth, out) : (*nth)-- == 0)
            return true;
        out[used] = '\0';
    }
    return false;
}

char *content_path(const ProtobufCMessageDescriptor *type, size_t nth, char out[CONTENT_PATH_BYTES])
{
    out[0] = '\0';
    if (!find_path(type, &nth, out))
        out[0] = '\0';
    return out;
}
