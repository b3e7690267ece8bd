/*
 * content_hash.h - what a write asks for, as one hash: a request id seen again must come with the same content.
 * Private to daemon/service. Thread: any; no state.
 *
 * SHA-256 over the method's path and every field that the hub knows and that is not at its default, in the order of the
 * descriptor: number, type, then the value (8 octets, or length and octets; repeated: count first; message: its fields
 * and an end mark). Unknown fields, `request_id` and `wait_for` don't count, so the same request hashes alike however
 * it was packed, however long its caller waits, and whichever version of the hub reads it.
 */
#ifndef VACANCY_SERVICE_CONTENT_HASH_H
#define VACANCY_SERVICE_CONTENT_HASH_H

#include "daemon/base/digest.h"

#include <protobuf-c/protobuf-c.h>

void content_hash(const char *method, const ProtobufCMessage *request, uint8_t out[DIGEST_BYTES]);

#endif
