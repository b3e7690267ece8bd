/*
 * scratch.c - see scratch.h.
 * Owns: the bump allocator behind protobuf-c's allocator interface. One owner; no state of its own.
 * Invariant: never gives past SCRATCH_BYTES; protobuf-c then fails the unpacking.
 */
#include "daemon/record/scratch.h"

#include <string.h>

static void *scratch_alloc(void *data, size_t bytes)
{
    struct scratch *scratch = data;
    if (bytes > SCRATCH_BYTES - scratch->used)
        return NULL;
    void *piece = scratch->data + scratch->used;
    scratch->used += (bytes + 15) & ~(size_t)15;
    return piece;
}

static void scratch_free(void *data, void *pointer)
{
    (void)data;
    (void)pointer;
}

void scratch_init(struct scratch *scratch)
{
    scratch->allocator = (ProtobufCAllocator){scratch_alloc, scratch_free, scratch};
    scratch->used = 0;
}

bool copy_text(char *out, size_t out_bytes, const char *text)
{
    size_t length = text ? strlen(text) : 0;
    if (length >= out_bytes)
        return false;
    if (length > 0)
        memcpy(out, text, length);
    memset(out + length, 0, out_bytes - length);
    return true;
}

enum err pack_message(const ProtobufCMessage *message, struct arena *arena, struct octets *out)
{
    size_t size = protobuf_c_message_get_packed_size(message);
    uint8_t *octets = arena_alloc(arena, size);
    if (octets == NULL)
        return ERR_LIMIT;
    protobuf_c_message_pack(message, octets);
    *out = (struct octets){octets, size};
    return ERR_NONE;
}
