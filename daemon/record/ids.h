/*
 * ids.h - random ids with a check character, and request ids.
 *
 * A national reference and a vacancy id are 55 random bits, never all zero. People see 11 characters of Crockford's
 * base 32 and a check character in three groups: "7KQ2-M9FW-3TXB". Reading back takes lower case, O for 0, I and L for
 * 1, and any or no hyphens; the check character finds every single wrong character and every swap of neighbours. Stored
 * and used as keys: 8 bytes, big-endian. 0 is no id. Thread: any; no state.
 */
#ifndef VACANCY_RECORD_IDS_H
#define VACANCY_RECORD_IDS_H

#include "daemon/base/randomness.h"

#include <stdbool.h>
#include <stdint.h>

#define ID_TEXT_BYTES 15 /* 12 characters, 2 hyphens, NUL */

uint64_t id_random(const struct randomness *source);
void id_format(uint64_t id, char out[ID_TEXT_BYTES]);
bool id_parse(const char *text, uint64_t *out) __attribute__((warn_unused_result));

/* A UUIDv7 (RFC 9562): 16 octets; its first 48 bits are Unix milliseconds. */
#define REQUEST_ID_BYTES      16
#define REQUEST_ID_TEXT_BYTES 37
bool request_id_parse(const char *text, uint8_t out[REQUEST_ID_BYTES]) __attribute__((warn_unused_result));
int64_t request_id_ms(const uint8_t id[REQUEST_ID_BYTES]);

/* ^[0-9]{3}-[0-9]{4,10}$ : the authority's DfE number, then its own digits. No name fits. */
bool request_reference_valid(const char *text);

#endif
