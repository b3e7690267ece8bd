/*
 * content_hash.c - see content_hash.h. No state, any thread. Write requests hold no oneof and no fixed or floating
 * types; a field of such a type aborts at its first use, in the first test that sends it.
 */
#include "daemon/service/content_hash.h"

#include "daemon/base/log.h"
#include "daemon/record/bytes.h"

#include <string.h>

static void add_number(struct digest_stream *stream, uint64_t value)
{
    uint8_t octets[8];
    put_be64(octets, value);
    digest_stream_add(stream, octets, sizeof octets);
}

static void add_octets(struct digest_stream *stream, const void *data, size_t size)
{
    add_number(stream, size);
    digest_stream_add(stream, data, size);
}

static size_t element_bytes(const ProtobufCFieldDescriptor *field)
{
    switch (field->type) {
    case PROTOBUF_C_TYPE_UINT64:
    case PROTOBUF_C_TYPE_INT64:
        return sizeof(uint64_t);
    case PROTOBUF_C_TYPE_UINT32:
    case PROTOBUF_C_TYPE_INT32:
    case PROTOBUF_C_TYPE_ENUM:
        return sizeof(uint32_t);
    case PROTOBUF_C_TYPE_BOOL:
        return sizeof(protobuf_c_boolean);
    case PROTOBUF_C_TYPE_BYTES:
        return sizeof(ProtobufCBinaryData);
    case PROTOBUF_C_TYPE_STRING:
    case PROTOBUF_C_TYPE_MESSAGE:
        return sizeof(void *);
    default:
        log_fatal("service", "content hash of a field type that no write has field=%s", field->name);
    }
}

static uint64_t number_of(const ProtobufCFieldDescriptor *field, const void *value)
{
    switch (element_bytes(field)) {
    case sizeof(uint64_t):
        return *(const uint64_t *)value;
    default:
        return field->type == PROTOBUF_C_TYPE_BOOL ? *(const protobuf_c_boolean *)value != 0 : *(const uint32_t *)value;
    }
}

static bool is_default(const ProtobufCFieldDescriptor *field, const void *value)
{
    switch (field->type) {
    case PROTOBUF_C_TYPE_STRING: {
        const char *text = *(char *const *)value;
        return text == NULL || text[0] == '\0';
    }
    case PROTOBUF_C_TYPE_BYTES:
        return ((const ProtobufCBinaryData *)value)->len == 0;
    case PROTOBUF_C_TYPE_MESSAGE:
        return *(ProtobufCMessage *const *)value == NULL;
    default:
        return number_of(field, value) == 0;
    }
}

static void add_message(struct digest_stream *stream, const ProtobufCMessage *message);

/* What identifies a request, and how long its caller waits, is not what it says. */
static bool is_content(const ProtobufCFieldDescriptor *field)
{
    return strcmp(field->name, "request_id") != 0 && strcmp(field->name, "wait_for") != 0;
}

static void add_value(struct digest_stream *stream, const ProtobufCFieldDescriptor *field, const void *value)
{
    switch (field->type) {
    case PROTOBUF_C_TYPE_STRING: {
        const char *text = *(char *const *)value;
        add_octets(stream, text, strlen(text));
        return;
    }
    case PROTOBUF_C_TYPE_BYTES: {
        const ProtobufCBinaryData *bytes = value;
        add_octets(stream, bytes->data, bytes->len);
        return;
    }
    case PROTOBUF_C_TYPE_MESSAGE:
        add_message(stream, *(ProtobufCMessage *const *)value);
        return;
    default:
        add_number(stream, number_of(field, value));
    }
}

static void add_message(struct digest_stream *stream, const ProtobufCMessage *message)
{
    const ProtobufCMessageDescriptor *descriptor = message->descriptor;
    for (unsigned i = 0; i < descriptor->n_fields; i++) {
        const ProtobufCFieldDescriptor *field = &descriptor->fields[i];
        const uint8_t *member = (const uint8_t *)message + field->offset;
        if (!is_content(field))
            continue;
        if (field->label == PROTOBUF_C_LABEL_REPEATED) {
            size_t count = *(const size_t *)((const uint8_t *)message + field->quantifier_offset);
            const uint8_t *elements = *(uint8_t *const *)member;
            if (count == 0)
                continue;
            add_number(stream, field->id);
            add_number(stream, field->type);
            add_number(stream, count);
            for (size_t k = 0; k < count; k++)
                add_value(stream, field, elements + k * element_bytes(field));
        } else if (!is_default(field, member)) {
            add_number(stream, field->id);
            add_number(stream, field->type);
            add_value(stream, field, member);
        }
    }
    add_number(stream, 0); /* end: no field has the number 0 */
}

void content_hash(const char *method, const ProtobufCMessage *request, uint8_t out[DIGEST_BYTES])
{
    struct digest_stream *stream = digest_stream_create();
    add_octets(stream, method, strlen(method));
    add_message(stream, request);
    digest_stream_finish(stream, out);
}
