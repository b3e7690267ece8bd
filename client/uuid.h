/*
 * uuid.h - request ids: UUIDs of version 7 (RFC 9562), so that a retry can be told from a new request.
 * Thread: any; no state of its own.
 */
#ifndef VACANCY_CLIENT_UUID_H
#define VACANCY_CLIENT_UUID_H

#include "daemon/base/randomness.h"

#define UUID_TEXT_BYTES 37

/* "018f3a5e-7b1c-7d4e-9a2b-0123456789ab" of this moment. */
void uuid_make(int64_t wall_ms, const struct randomness *random, char out[UUID_TEXT_BYTES]);

#endif
