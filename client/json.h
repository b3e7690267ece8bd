/*
 * json.h - messages as JSON for machines: the contract's field names, codes without their prefix, octets as hex,
 * numbers as numbers. Everything but ASCII is escaped, so that nothing of a hub's reaches a terminal raw.
 * Thread: the client's one thread; no state.
 */
#ifndef VACANCY_CLIENT_JSON_H
#define VACANCY_CLIENT_JSON_H

#include <jansson.h>
#include <protobuf-c/protobuf-c.h>
#include <stdio.h>

/* A new reference, never NULL. Submessages and members of a oneof that are not set are left out. */
json_t *json_of_message(const ProtobufCMessage *message);
/* Prints, with a line end, and drops the reference. */
void json_print(FILE *out, json_t *value);
/* The same on one line, without a line end. */
void json_print_inline(FILE *out, json_t *value);
/* A new reference; what is not UTF-8 becomes U+FFFD. */
json_t *json_of_text(const char *text);

#endif
