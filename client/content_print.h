/*
 * content_print.h - a fingerprint of each field of a message, so that what a file says can be compared with what the
 * hub has without holding either.
 *
 * Owns: what counts as the same: code lists without order and repeats, postcodes without spaces, letters in either
 * case, defaults that the hub fills in. observed_at_ms and agency_reference are left out. Fields of a single submessage
 * stand in its place, in the contract's order. Thread: any; no state.
 */
#ifndef VACANCY_CLIENT_CONTENT_PRINT_H
#define VACANCY_CLIENT_CONTENT_PRINT_H

#include <protobuf-c/protobuf-c.h>

#define CONTENT_FIELDS_MAX 32
#define CONTENT_PATH_BYTES 96

/* Aborts for a message with more fields, which only this program's own contract could have. */
void content_print(const ProtobufCMessage *message, uint64_t out[CONTENT_FIELDS_MAX]);
/* "terms.max_children" for the nth fingerprint of a message of this type; "" past the last. Returns out. */
char *content_path(const ProtobufCMessageDescriptor *type, size_t nth, char out[CONTENT_PATH_BYTES]);

#endif
