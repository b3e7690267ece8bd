/*
 * message.h - protobuf messages from outside, bounded before they are unpacked.
 *
 * Owns: the pre-scan of the octets against the descriptor, unpacking into an arena, and packing (message_pack.c).
 * Not here: what a field's value means (the services check that).
 * Thread: any; no state.
 * Invariant: what message_unpack returns holds only strings of well-formed UTF-8 without NUL and enum values that the
 * contract knows, and took no more memory than the arena's limit.
 */
#ifndef VACANCY_WIRE_MESSAGE_H
#define VACANCY_WIRE_MESSAGE_H

#include "daemon/base/arena.h"
#include "daemon/base/digest.h"
#include "daemon/base/error.h"

#include <protobuf-c/protobuf-c.h>

#define MESSAGE_DEPTH_MAX      16
#define MESSAGE_FIELDS_MAX     40000     /* fields and packed elements in one message, unknown ones included */
#define MESSAGE_UNPACKED_BYTES (2 << 20) /* the limit that an arena for one message is given */

/*
 * Checks the octets and allocates nothing. ERR_INVALID with the field's path (P1 to P7, P10), ERR_LIMIT (P8, P14).
 */
enum err message_scan(const ProtobufCMessageDescriptor *descriptor, const void *data, size_t bytes,
                      struct problem *problem) __attribute__((warn_unused_result));
/*
 * Scans, then unpacks into the arena, whose memory the message is: never free it by itself. Unknown fields are dropped
 * from view (never packed again). ERR_INVALID, ERR_LIMIT.
 */
enum err message_unpack(const ProtobufCMessageDescriptor *descriptor, const void *data, size_t bytes,
                        struct arena *arena, ProtobufCMessage **out, struct problem *problem)
    __attribute__((warn_unused_result));

/*
 * Packs into the end of a buffer; *out is what lies there, the octets of protobuf_c_message_pack. False: it does not
 * fit, or has what only the library packs (unknown fields; kinds of fields that the contract does not use).
 */
bool message_pack_at_end(const ProtobufCMessage *message, uint8_t *buffer, size_t bytes, struct octets *out)
    __attribute__((warn_unused_result));

#endif
