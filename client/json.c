/*
 * json.c - see json.h. Owns no state; the client's one thread.
 */
#include "client/json.h"

#include "client/codes.h"
#include "client/memory.h"
#include "client/screen.h"
#include "daemon/base/digest.h"

#include <stdlib.h>
#include <string.h>

json_t *json_of_text(const char *text)
{
    json_t *value = json_string(text);
    if (value != NULL)
        return value;
    char *clean = clean_text(text, 0);
    value = json_string(clean);
    free(clean);
    return value ? value : json_null();
}

static json_t *value_of(const ProtobufCFieldDescriptor *field, const void *at)
{
    switch (field->type) {
    case PROTOBUF_C_TYPE_MESSAGE:
        return json_of_message(*(ProtobufCMessage *const *)at);
    case PROTOBUF_C_TYPE_STRING:
        return json_of_text(*(char *const *)at);
    case PROTOBUF_C_TYPE_BYTES: {
        const ProtobufCBinaryData *octets = at;
        char *hex = must_alloc(octets->len * 2 + 1, 1);
        hex_encode(octets->data, octets->len, hex);
        json_t *value = json_string(hex);
        free(hex);
        return value;
    }
    case PROTOBUF_C_TYPE_ENUM: {
        const char *name = code_name(field->descriptor, *(const int *)at);
        return name ? json_string(name) : json_integer(*(const int *)at);
    }
    case PROTOBUF_C_TYPE_BOOL:
        return json_boolean(*(const protobuf_c_boolean *)at);
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_UINT64:
        return json_integer((json_int_t) * (const int64_t *)at);
    case PROTOBUF_C_TYPE_INT32:
        return json_integer(*(const int32_t *)at);
    case PROTOBUF_C_TYPE_UINT32:
        return json_integer(*(const uint32_t *)at);
    default:
        abort(); /* a type that the contract does not use */
    }
}

static size_t size_of(const ProtobufCFieldDescriptor *field)
{
    switch (field->type) {
    case PROTOBUF_C_TYPE_MESSAGE:
    case PROTOBUF_C_TYPE_STRING:
        return sizeof(void *);
    case PROTOBUF_C_TYPE_BYTES:
        return sizeof(ProtobufCBinaryData);
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_UINT64:
        return sizeof(int64_t);
    default:
        return sizeof(int32_t);
    }
}

static json_t *list_of(const ProtobufCFieldDescriptor *field, const ProtobufCMessage *message)
{
    json_t *list = json_array();
    size_t count = *(const size_t *)((const char *)message + field->quantifier_offset);
    const char *items = *(const char *const *)((const char *)message + field->offset);
    for (size_t i = 0; i < count; i++)
        json_array_append_new(list, value_of(field, items + i * size_of(field)));
    return list;
}

json_t *json_of_message(const ProtobufCMessage *message)
{
    json_t *object = json_object();
    for (unsigned i = 0; i < message->descriptor->n_fields; i++) {
        const ProtobufCFieldDescriptor *field = &message->descriptor->fields[i];
        const void *at = (const char *)message + field->offset;
        if (field->label == PROTOBUF_C_LABEL_REPEATED) {
            json_object_set_new(object, field->name, list_of(field, message));
            continue;
        }
        if ((field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) &&
            *(const uint32_t *)((const char *)message + field->quantifier_offset) != field->id)
            continue;
        if (field->type == PROTOBUF_C_TYPE_MESSAGE && *(ProtobufCMessage *const *)at == NULL)
            continue;
        json_object_set_new(object, field->name, value_of(field, at));
    }
    return object;
}

void json_print_inline(FILE *out, json_t *value)
{
    json_dumpf(value, out, JSON_ENSURE_ASCII | JSON_ENCODE_ANY);
    json_decref(value);
}

void json_print(FILE *out, json_t *value)
{
    json_dumpf(value, out, JSON_INDENT(2) | JSON_ENSURE_ASCII | JSON_ENCODE_ANY);
    fputc('\n', out);
    json_decref(value);
}
