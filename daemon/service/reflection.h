/*
 * reflection.h - grpc.reflection.v1.ServerReflection: the contract, for tools that have no .proto file.
 *
 * Owns: an index over the descriptors built into the program: files by name, files by what they declare.
 * Thread: any after reflection_create; nothing changes.
 * Invariant: what is handed out is what the program was built from, octet for octet.
 */
#ifndef VACANCY_SERVICE_REFLECTION_H
#define VACANCY_SERVICE_REFLECTION_H

#include "daemon/rpc/call.h"

struct access;
struct reflection;

/* `access` is borrowed: any principal that it can identify may ask. */
struct reflection *reflection_create(struct access *access);
/* NULL is fine. No call may be left. */
void reflection_destroy(struct reflection *reflection);
/* Their context is the struct reflection. */
const struct rpc_method *reflection_methods(size_t *count);

#endif
