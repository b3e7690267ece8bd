/*
 * requests.h - an operation as the contract's message, and as a call.
 *
 * Owns: the messages' memory (one at a time, static). Not here: what is asked for (traffic.c).
 * Thread: the simulator's one.
 */
#ifndef VACANCY_TESTS_SIM_REQUESTS_H
#define VACANCY_TESTS_SIM_REQUESTS_H

#include "tests/sim/model.h"

#include <protobuf-c/protobuf-c.h>

/* The method's path. */
const char *request_path(const struct operation *operation);
/* The request of the operation's own method; valid until the next call. */
const ProtobufCMessage *request_message(const struct operation *operation);
/* Those of holds (requests_holds.c). */
const ProtobufCMessage *request_hold_message(const struct operation *operation);
uint64_t request_hold_receipt(const ProtobufCMessage *message);
/* The same as a SubmitRequest; NULL where Submit doesn't take this kind. */
const ProtobufCMessage *request_submit(const struct operation *operation, uint64_t tag);

#endif
