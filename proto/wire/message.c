/*
 * message.c - the pre-scan walks the octets with the descriptor, on a stack of MESSAGE_DEPTH_MAX frames; only what has
 * passed it is unpacked. No state.
 */
#include "proto/wire/message.h"

#include "daemon/base/text.h"

#include <stdio.h>
#include <string.h>

enum wire_type { WIRE_VARINT = 0, WIRE_64 = 1, WIRE_BYTES = 2, WIRE_32 = 5 };

struct frame {
    const ProtobufCMessageDescriptor *descriptor;
    const uint8_t *start, *at, *end;
    const ProtobufCFieldDescriptor *field; /* being read; NULL: unknown to us */
};

struct scan {
    struct frame frames[MESSAGE_DEPTH_MAX];
    unsigned depth; /* frames in use */
    uint32_t fields;
    struct problem *problem;
};

/* At most 10 octets, the last of which holds one bit. */
static bool read_varint(const uint8_t **at, const uint8_t *end, uint64_t *out)
{
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 70 && *at < end; shift += 7) {
        uint8_t octet = *(*at)++;
        if (shift == 63 && octet > 1)
            return false;
        value |= (uint64_t)(octet & 0x7f) << shift;
        if (octet < 0x80) {
            *out = value;
            return true;
        }
    }
    return false;
}

/* Past a field's value; false if it doesn't fit. Only for what has been scanned before. */
static bool skip_value(const uint8_t **at, const uint8_t *end, unsigned wire)
{
    uint64_t value;
    size_t bytes = wire == WIRE_64 ? 8 : 4;
    if (wire == WIRE_VARINT)
        return read_varint(at, end, &value);
    if (wire == WIRE_BYTES) {
        if (!read_varint(at, end, &value) || value > (uint64_t)(end - *at))
            return false;
        bytes = value;
    }
    if (bytes > (size_t)(end - *at))
        return false;
    *at += bytes;
    return true;
}

/* Which one of a repeated field the frame is at: counted only when there is something to complain of. */
static unsigned occurrence(const struct frame *frame)
{
    unsigned count = 0;
    const uint8_t *at = frame->start;
    uint64_t tag;
    while (at < frame->at && read_varint(&at, frame->end, &tag)) {
        if (tag >> 3 == frame->field->id)
            count++;
        if (!skip_value(&at, frame->end, tag & 7))
            break;
    }
    return count > 0 ? count - 1 : 0;
}

static void write_path(const struct scan *scan, char out[PROBLEM_FIELD_BYTES])
{
    size_t n = 0;
    out[0] = '\0';
    for (unsigned i = 0; i < scan->depth; i++) {
        const struct frame *frame = &scan->frames[i];
        if (frame->field == NULL)
            break;
        int wrote = snprintf(out + n, PROBLEM_FIELD_BYTES - n, "%s%s", n > 0 ? "." : "", frame->field->name);
        n += (size_t)wrote;
        if (n < PROBLEM_FIELD_BYTES && frame->field->label == PROTOBUF_C_LABEL_REPEATED)
            n += (size_t)snprintf(out + n, PROBLEM_FIELD_BYTES - n, "[%u]", occurrence(frame));
        if (n >= PROBLEM_FIELD_BYTES)
            return;
    }
}

static enum err refuse(const struct scan *scan, const char *why)
{
    char path[PROBLEM_FIELD_BYTES];
    write_path(scan, path);
    return problem_set(scan->problem, ERR_INVALID, path, "%s", why);
}

static enum err count_field(struct scan *scan)
{
    if (++scan->fields <= MESSAGE_FIELDS_MAX)
        return ERR_NONE;
    return problem_set(scan->problem, ERR_LIMIT, "",
                       "the message has more than %d fields and elements; send fewer in one", MESSAGE_FIELDS_MAX);
}

static bool is_enum_value(const ProtobufCEnumDescriptor *descriptor, uint64_t value)
{
    return value <= INT32_MAX && protobuf_c_enum_descriptor_get_value(descriptor, (int)value) != NULL;
}

static enum wire_type wire_of(ProtobufCType type)
{
    switch (type) {
    case PROTOBUF_C_TYPE_SFIXED32:
    case PROTOBUF_C_TYPE_FIXED32:
    case PROTOBUF_C_TYPE_FLOAT:
        return WIRE_32;
    case PROTOBUF_C_TYPE_SFIXED64:
    case PROTOBUF_C_TYPE_FIXED64:
    case PROTOBUF_C_TYPE_DOUBLE:
        return WIRE_64;
    case PROTOBUF_C_TYPE_STRING:
    case PROTOBUF_C_TYPE_BYTES:
    case PROTOBUF_C_TYPE_MESSAGE:
        return WIRE_BYTES;
    default:
        return WIRE_VARINT;
    }
}

/* Elements of a packed repeated field. */
static enum err scan_packed(struct scan *scan, const ProtobufCFieldDescriptor *field, const uint8_t *at,
                            const uint8_t *end)
{
    enum wire_type wire = wire_of(field->type);
    size_t fixed = wire == WIRE_32 ? 4 : 8;
    if (wire != WIRE_VARINT && (size_t)(end - at) % fixed != 0)
        return refuse(scan, "is cut short inside a packed list");
    while (at < end) {
        uint64_t value = 0;
        if (wire != WIRE_VARINT)
            at += fixed;
        else if (!read_varint(&at, end, &value))
            return refuse(scan, "holds a number that is cut short or longer than 64 bits");
        if (field->type == PROTOBUF_C_TYPE_ENUM && !is_enum_value(field->descriptor, value))
            return refuse(scan, "has a value that this version of the contract does not know");
        enum err err = count_field(scan);
        if (err != ERR_NONE)
            return err;
    }
    return ERR_NONE;
}

static enum err scan_octets(struct scan *scan, const uint8_t *data, size_t bytes)
{
    const ProtobufCFieldDescriptor *field = scan->frames[scan->depth - 1].field;
    if (field == NULL || field->type == PROTOBUF_C_TYPE_BYTES)
        return ERR_NONE;
    if (field->type == PROTOBUF_C_TYPE_STRING) {
        if (memchr(data, '\0', bytes) != NULL)
            return refuse(scan, "holds a NUL character; send text without it");
        return text_is_utf8(data, bytes) ? ERR_NONE : refuse(scan, "is not well-formed UTF-8");
    }
    if (field->type == PROTOBUF_C_TYPE_MESSAGE) {
        if (scan->depth == MESSAGE_DEPTH_MAX)
            return refuse(scan, "is nested too deeply");
        scan->frames[scan->depth++] = (struct frame){field->descriptor, data, data, data + bytes, NULL};
        return ERR_NONE;
    }
    return scan_packed(scan, field, data, data + bytes);
}

/* Whether the contract allows this encoding of the field. */
static bool wire_fits(const ProtobufCFieldDescriptor *field, unsigned wire)
{
    if (field == NULL || wire == (unsigned)wire_of(field->type))
        return true;
    return wire == WIRE_BYTES && field->label == PROTOBUF_C_LABEL_REPEATED;
}

/* One field of the innermost frame. */
static enum err scan_field(struct scan *scan)
{
    struct frame *frame = &scan->frames[scan->depth - 1];
    uint64_t tag, value = 0;
    frame->field = NULL;
    enum err err = count_field(scan);
    if (err != ERR_NONE)
        return err;
    if (!read_varint(&frame->at, frame->end, &tag) || tag > UINT32_MAX || tag >> 3 == 0)
        return refuse(scan, "the message has a broken field number");
    unsigned wire = tag & 7;
    frame->field = protobuf_c_message_descriptor_get_field(frame->descriptor, (unsigned)(tag >> 3));
    if (wire != WIRE_VARINT && wire != WIRE_64 && wire != WIRE_BYTES && wire != WIRE_32)
        return refuse(scan, "the message has a field of a wire type that proto3 has not (groups included)");
    if (!wire_fits(frame->field, wire))
        return refuse(scan, "is encoded as another type than the contract's");
    switch ((enum wire_type)wire) {
    case WIRE_VARINT:
        if (!read_varint(&frame->at, frame->end, &value))
            return refuse(scan, "holds a number that is cut short or longer than 64 bits");
        if (frame->field != NULL && frame->field->type == PROTOBUF_C_TYPE_ENUM &&
            !is_enum_value(frame->field->descriptor, value))
            return refuse(scan, "has a value that this version of the contract does not know");
        return ERR_NONE;
    case WIRE_64:
    case WIRE_32:
        return skip_value(&frame->at, frame->end, wire) ? ERR_NONE : refuse(scan, "is cut short");
    case WIRE_BYTES:
        break;
    }
    if (!read_varint(&frame->at, frame->end, &value) || value > (uint64_t)(frame->end - frame->at))
        return refuse(scan, "is cut short: its length points past the end of the message");
    const uint8_t *data = frame->at;
    frame->at += value;
    return scan_octets(scan, data, value);
}

enum err message_scan(const ProtobufCMessageDescriptor *descriptor, const void *data, size_t bytes,
                      struct problem *problem)
{
    static const uint8_t nothing[1];
    const uint8_t *start = bytes > 0 ? data : nothing;
    struct scan scan = {.depth = 1, .problem = problem};
    scan.frames[0] = (struct frame){descriptor, start, start, start + bytes, NULL};
    while (scan.depth > 0) {
        const struct frame *frame = &scan.frames[scan.depth - 1];
        if (frame->at == frame->end) {
            scan.depth--;
            continue;
        }
        enum err err = scan_field(&scan);
        if (err != ERR_NONE)
            return err;
    }
    return ERR_NONE;
}

static void *allocate(void *arena, size_t bytes)
{
    return arena_alloc(arena, bytes);
}

static void release(void *arena, void *memory)
{
    (void)arena; /* dies with the arena */
    (void)memory;
}

enum err message_unpack(const ProtobufCMessageDescriptor *descriptor, const void *data, size_t bytes,
                        struct arena *arena, ProtobufCMessage **out, struct problem *problem)
{
    enum err err = message_scan(descriptor, data, bytes, problem);
    if (err != ERR_NONE)
        return err;
    ProtobufCAllocator allocator = {allocate, release, arena};
    *out = protobuf_c_message_unpack(descriptor, &allocator, bytes, data);
    /* What the scan lets through has only one way to fail. */
    if (*out == NULL)
        return problem_set(problem, ERR_LIMIT, "",
                           "the message takes more memory than one may (%zu bytes); send less in one",
                           arena->limit_bytes);
    return ERR_NONE;
}
