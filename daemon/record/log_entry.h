/*
 * log_entry.h - one entry of a region's log, in its final format (design section 9).
 *
 * An entry has a header and a payload. The header is 109 octets, big-endian:
 *
 *     offset  0  magic "VLE1"
 *             4  region, 9 ASCII characters, and a zero octet
 *            14  reserved, 3 zero octets
 *            17  epoch, 8        number of the epoch in which the entry was made
 *            25  sequence, 8     from 1, without gaps, across epochs
 *            33  previous, 32    SHA-256 of the previous header's octets; zeros before the first
 *            65  time, 8         wall clock, Unix milliseconds, never less than the previous entry's
 *            73  commitment, 32  SHA-256(salt, 32 || payload)
 *           105  payload size, 4
 *
 * The payload is an absolute post-state: table (1 octet), key size (2), key, then 0 (deletion) or 1 and the octets.
 * The salt goes with the payload when it is dropped, so that a dropped payload can't be confirmed by guessing.
 * An epoch-opening entry is an entry of table LOG_TABLE_EPOCH with key = epoch number (8) and octets = random id (16).
 * Not here: checkpoints, LtHash. Thread: any; no state.
 */
#ifndef VACANCY_RECORD_LOG_ENTRY_H
#define VACANCY_RECORD_LOG_ENTRY_H

#include "daemon/base/digest.h"
#include "daemon/base/error.h"
#include "daemon/record/carer.h"

#define LOG_HEADER_BYTES      109
#define LOG_SALT_BYTES        32
#define LOG_PAYLOAD_MAX_BYTES (64 * 1024)

enum log_table {
    LOG_TABLE_NONE = 0,
    LOG_TABLE_EPOCH,
    LOG_TABLE_AGENCY,
    LOG_TABLE_CARER,
    LOG_TABLE_OFFER,
    LOG_TABLE_HOLD,
    LOG_TABLE_END
};

struct log_header {
    char region[GSS_BYTES];
    uint64_t epoch, sequence;
    uint8_t previous[DIGEST_BYTES];
    int64_t time_ms;
    uint8_t commitment[DIGEST_BYTES];
    uint32_t payload_bytes;
};

struct log_payload {
    enum log_table table;
    struct octets key;
    bool deleted;
    struct octets value; /* empty when deleted */
};

void log_header_encode(const struct log_header *header, uint8_t out[LOG_HEADER_BYTES]);
/* ERR_INVALID for a wrong magic, size, region or nonzero reserved octets. */
enum err log_header_decode(const struct octets *octets, struct log_header *out);
size_t log_payload_bytes(const struct log_payload *payload);
/* out has log_payload_bytes(). */
void log_payload_encode(const struct log_payload *payload, uint8_t *out);
/* The views in *out point into *octets. */
enum err log_payload_decode(const struct octets *octets, struct log_payload *out);
void log_commitment(const uint8_t salt[LOG_SALT_BYTES], const struct octets *payload, uint8_t out[DIGEST_BYTES]);
void log_header_hash(const uint8_t header[LOG_HEADER_BYTES], uint8_t out[DIGEST_BYTES]);
/*
 * Whether `next` follows the header whose octets hash to previous_hash: region, sequence + 1, hash, time, epoch.
 * previous NULL and previous_hash zeros: whether it is the first. ERR_STORE_DAMAGED.
 */
enum err log_chain_check(const struct log_header *previous, const uint8_t previous_hash[DIGEST_BYTES],
                         const struct log_header *next, struct problem *problem);

#endif
