/*
 * scratch.h - a bounded piece of stack for protobuf-c to unpack into.
 *
 * Owns: an allocator that gives from a fixed buffer and frees nothing, so that decoding a stored record calls no malloc
 * and can't take more than was set aside. Not for messages from outside: those have an arena.
 * Thread: one owner; lives in one function.
 */
#ifndef VACANCY_RECORD_SCRATCH_H
#define VACANCY_RECORD_SCRATCH_H

#include "daemon/base/arena.h"
#include "daemon/base/digest.h"
#include "daemon/base/error.h"

#include <protobuf-c/protobuf-c.h>
#include <stdalign.h>
#include <stdint.h>

#define SCRATCH_BYTES (24 * 1024)

struct scratch {
    ProtobufCAllocator allocator;
    size_t used;
    alignas(16) uint8_t data[SCRATCH_BYTES];
};

/* data is left as it is: clearing 24 KiB for each record would cost more than decoding it. */
void scratch_init(struct scratch *scratch);

/* Copies a NUL-terminated string (NULL: empty) into a fixed array; false when it does not fit. */
bool copy_text(char *out, size_t out_bytes, const char *text) __attribute__((warn_unused_result));
/* Packs a message into the arena. ERR_LIMIT. */
enum err pack_message(const ProtobufCMessage *message, struct arena *arena, struct octets *out);

#endif
