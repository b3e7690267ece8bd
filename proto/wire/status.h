/*
 * status.h - gRPC's status codes, and a problem as google.rpc.Status.
 *
 * Owns: codes, names, and google.rpc.Status octets (with BadRequest naming the field, ErrorInfo naming our error, and
 * RetryInfo where the problem says when it may be different) made of a struct problem and read back. Thread: any; no
 * state. Invariant: err -> status -> err through the details gives the same err.
 */
#ifndef VACANCY_WIRE_STATUS_H
#define VACANCY_WIRE_STATUS_H

#include "daemon/base/arena.h"
#include "daemon/base/error.h"

#include <protobuf-c/protobuf-c.h>
#include <stdint.h>

enum grpc_code {
    GRPC_OK = 0,
    GRPC_CANCELLED = 1,
    GRPC_UNKNOWN = 2,
    GRPC_INVALID_ARGUMENT = 3,
    GRPC_DEADLINE_EXCEEDED = 4,
    GRPC_NOT_FOUND = 5,
    GRPC_ALREADY_EXISTS = 6,
    GRPC_PERMISSION_DENIED = 7,
    GRPC_RESOURCE_EXHAUSTED = 8,
    GRPC_FAILED_PRECONDITION = 9,
    GRPC_ABORTED = 10,
    GRPC_OUT_OF_RANGE = 11,
    GRPC_UNIMPLEMENTED = 12,
    GRPC_INTERNAL = 13,
    GRPC_UNAVAILABLE = 14,
    GRPC_DATA_LOSS = 15,
    GRPC_UNAUTHENTICATED = 16,
    GRPC_CODE_COUNT
};

enum grpc_code grpc_code_of_err(enum err err);
/* Where several errors share a code, the plainest one. */
enum err err_of_grpc_code(enum grpc_code code);
/* "INVALID_ARGUMENT"; "UNKNOWN" for numbers that gRPC has not. Never NULL. */
const char *grpc_code_name(enum grpc_code code);

/* HTTP's status as gRPC sees it when no grpc-status came. */
enum grpc_code grpc_code_of_http(unsigned http_status);

/* Enough for any struct problem and a detail of STATUS_DETAIL_MAX packed octets. */
#define STATUS_DETAILS_BYTES    2048
#define STATUS_DETAIL_MAX       1024
#define STATUS_DETAILS_SENT_MAX 4096
/*
 * google.rpc.Status octets; returns how many. problem->code must not be ERR_NONE. `detail` stands beside what the
 * problem gives; NULL: none. One that is too large is left out.
 */
size_t status_details_encode(const struct problem *problem, const ProtobufCMessage *detail,
                             uint8_t out[STATUS_DETAILS_BYTES]);
/*
 * What a server's status says, as a problem: from the code, the decoded grpc-message and the details (which may be
 * absent, foreign or broken: then from the code alone). Details are read with the bounds of message.h.
 */
void status_to_problem(enum grpc_code code, const char *message, const uint8_t *details, size_t details_bytes,
                       struct problem *out);

/*
 * The detail of this type in a server's google.rpc.Status (the octets that h2_outcome has), unpacked into the arena;
 * NULL: there is none, or it can't be read.
 */
const ProtobufCMessage *status_details_find(const uint8_t *details, size_t details_bytes,
                                            const ProtobufCMessageDescriptor *type, struct arena *arena)
    __attribute__((warn_unused_result));

#endif
