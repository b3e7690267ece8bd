/*
 * message_pack.c - packing in one pass, from the last octet to the first.
 *
 * Why not the library's: it walks a message twice, once for the sizes that stand before what they measure, and again to
 * write; for an answer of many small messages that was a third of a search. Written backwards, a size is known when its
 * place comes. The octets are those of protobuf_c_message_pack, which the tests compare for every kind of field.
 * No state; any thread.
 */
#include "proto/wire/message.h"

#include <stdlib.h>
#include <string.h>

enum wire_type { WIRE_VARINT = 0, WIRE_64 = 1, WIRE_BYTES = 2, WIRE_32 = 5 };

/* What was written lies from `at` on. */
struct backwards {
    uint8_t *begin, *at;
    bool failed; /* no room, or something that only the library packs */
};

static inline void put_octets(struct backwards *out, const void *data, size_t bytes)
{
    if (bytes > (size_t)(out->at - out->begin)) {
        out->failed = true;
        return;
    }
    out->at -= bytes;
    if (bytes > 0)
        memcpy(out->at, data, bytes);
}

static void put_long_varint(struct backwards *out, uint64_t value)
{
    uint8_t octets[10];
    size_t bytes = 0;
    for (; value >= 0x80; value >>= 7)
        octets[bytes++] = (uint8_t)(value | 0x80);
    octets[bytes++] = (uint8_t)value;
    put_octets(out, octets, bytes);
}

/* Nearly all are of one octet or two. */
static inline void put_varint(struct backwards *out, uint64_t value)
{
    if (value >= 0x4000 || out->at - out->begin < 2) {
        put_long_varint(out, value);
    } else if (value < 0x80) {
        *--out->at = (uint8_t)value;
    } else {
        *--out->at = (uint8_t)(value >> 7);
        *--out->at = (uint8_t)(value | 0x80);
    }
}

static inline void put_tag(struct backwards *out, const ProtobufCFieldDescriptor *field, enum wire_type wire)
{
    put_varint(out, (uint64_t)field->id << 3 | wire);
}

static void put_little_endian(struct backwards *out, uint64_t value, size_t bytes)
{
    uint8_t octets[8];
    for (size_t i = 0; i < bytes; i++)
        octets[i] = (uint8_t)(value >> 8 * i);
    put_octets(out, octets, bytes);
}

static void put_message(struct backwards *out, const ProtobufCMessage *message);

/* The value alone; how it is written. */
static enum wire_type put_value(struct backwards *out, const ProtobufCFieldDescriptor *field, const void *member)
{
    const uint8_t *end = out->at;
    const char *text;
    const ProtobufCBinaryData *data;
    switch (field->type) {
    case PROTOBUF_C_TYPE_INT32:
    case PROTOBUF_C_TYPE_ENUM:
        put_varint(out, (uint64_t)(int64_t) * (const int32_t *)member);
        return WIRE_VARINT;
    case PROTOBUF_C_TYPE_UINT32:
        put_varint(out, *(const uint32_t *)member);
        return WIRE_VARINT;
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_UINT64:
        put_varint(out, *(const uint64_t *)member);
        return WIRE_VARINT;
    case PROTOBUF_C_TYPE_BOOL:
        put_varint(out, *(const protobuf_c_boolean *)member != 0);
        return WIRE_VARINT;
    case PROTOBUF_C_TYPE_FIXED32:
    case PROTOBUF_C_TYPE_SFIXED32:
        put_little_endian(out, *(const uint32_t *)member, 4);
        return WIRE_32;
    case PROTOBUF_C_TYPE_FIXED64:
    case PROTOBUF_C_TYPE_SFIXED64:
        put_little_endian(out, *(const uint64_t *)member, 8);
        return WIRE_64;
    case PROTOBUF_C_TYPE_STRING:
        text = *(const char *const *)member;
        put_octets(out, text, text != NULL ? strlen(text) : 0);
        break;
    case PROTOBUF_C_TYPE_BYTES:
        data = member;
        put_octets(out, data->data, data->len);
        break;
    case PROTOBUF_C_TYPE_MESSAGE:
        if (*(const ProtobufCMessage *const *)member != NULL)
            put_message(out, *(const ProtobufCMessage *const *)member);
        break;
    default: /* zigzag and floating point: none in the contract */
        out->failed = true;
    }
    put_varint(out, (uint64_t)(end - out->at));
    return WIRE_BYTES;
}

static void put_field(struct backwards *out, const ProtobufCFieldDescriptor *field, const void *member)
{
    put_tag(out, field, put_value(out, field, member));
}

static size_t element_bytes(const ProtobufCFieldDescriptor *field)
{
    switch (field->type) {
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_UINT64:
    case PROTOBUF_C_TYPE_FIXED64:
    case PROTOBUF_C_TYPE_SFIXED64:
        return 8;
    case PROTOBUF_C_TYPE_BOOL:
        return sizeof(protobuf_c_boolean);
    case PROTOBUF_C_TYPE_STRING:
    case PROTOBUF_C_TYPE_MESSAGE:
        return sizeof(void *);
    case PROTOBUF_C_TYPE_BYTES:
        return sizeof(ProtobufCBinaryData);
    default:
        return 4;
    }
}

static void put_repeated(struct backwards *out, const ProtobufCFieldDescriptor *field, size_t count,
                         const uint8_t *elements)
{
    bool together = (field->flags & PROTOBUF_C_FIELD_FLAG_PACKED) != 0;
    size_t bytes = element_bytes(field);
    const uint8_t *end = out->at;
    for (size_t i = count; i-- > 0 && !out->failed;)
        if (together)
            (void)put_value(out, field, elements + i * bytes);
        else
            put_field(out, field, elements + i * bytes);
    if (!together || count == 0)
        return;
    put_varint(out, (uint64_t)(end - out->at));
    put_tag(out, field, WIRE_BYTES);
}

/* What proto3 leaves out; of texts, put_text. */
static bool is_default(const ProtobufCFieldDescriptor *field, const void *member)
{
    switch (field->type) {
    case PROTOBUF_C_TYPE_BOOL:
        return *(const protobuf_c_boolean *)member == 0;
    case PROTOBUF_C_TYPE_BYTES:
        return ((const ProtobufCBinaryData *)member)->len == 0;
    case PROTOBUF_C_TYPE_MESSAGE:
        return *(const void *const *)member == NULL;
    default:
        return element_bytes(field) == 8 ? *(const uint64_t *)member == 0 : *(const uint32_t *)member == 0;
    }
}

/* Of a oneof only what its case names, and then also a default. */
static void put_one_of(struct backwards *out, const ProtobufCFieldDescriptor *field, uint32_t named, const void *member)
{
    bool pointer = field->type == PROTOBUF_C_TYPE_MESSAGE || field->type == PROTOBUF_C_TYPE_STRING;
    if (named != field->id)
        return;
    if (pointer && (*(const void *const *)member == NULL || *(const void *const *)member == field->default_value))
        return;
    put_field(out, field, member);
}

/* Most of what there is to pack. */
static inline void put_text(struct backwards *out, const ProtobufCFieldDescriptor *field, const char *text)
{
    if (text == NULL || *text == '\0')
        return;
    size_t bytes = strlen(text);
    put_octets(out, text, bytes);
    put_varint(out, bytes);
    put_tag(out, field, WIRE_BYTES);
}

static void put_message(struct backwards *out, const ProtobufCMessage *message)
{
    const ProtobufCMessageDescriptor *descriptor = message->descriptor;
    if (message->n_unknown_fields > 0)
        out->failed = true;
    for (unsigned i = descriptor->n_fields; i-- > 0 && !out->failed;) {
        const ProtobufCFieldDescriptor *field = &descriptor->fields[i];
        const uint8_t *member = (const uint8_t *)message + field->offset;
        const void *quantifier = (const uint8_t *)message + field->quantifier_offset;
        if (field->label == PROTOBUF_C_LABEL_REPEATED)
            put_repeated(out, field, *(const size_t *)quantifier, *(const uint8_t *const *)member);
        else if (field->label != PROTOBUF_C_LABEL_NONE)
            out->failed = true; /* proto2 */
        else if ((field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) != 0)
            put_one_of(out, field, *(const uint32_t *)quantifier, member);
        else if (field->type == PROTOBUF_C_TYPE_STRING)
            put_text(out, field, *(const char *const *)member);
        else if (!is_default(field, member))
            put_field(out, field, member);
    }
}

bool message_pack_at_end(const ProtobufCMessage *message, uint8_t *buffer, size_t bytes, struct octets *out)
{
    struct backwards at = {.begin = buffer, .at = buffer + bytes};
    put_message(&at, message);
    *out = (struct octets){at.at, (size_t)(buffer + bytes - at.at)};
    return !at.failed;
}
