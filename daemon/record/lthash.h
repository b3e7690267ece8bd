/*
 * lthash.h - LtHash16: a hash of a set of records that is updated per record and never recomputed (design 4.4).
 *
 * Owns: a state of 1024 lanes of 16 bits; a record's element is SHAKE128("vacancy record v1" || payload octets),
 * 2048 octets read as little-endian lanes, where the payload octets are those of a log entry that puts the record
 * (log_entry.h: table, key size, key, 1, octets). Adding and removing are lane-wise sums modulo 2^16, so the order does
 * not matter and partial sums can be made in parallel.
 * Source: Lewi, Kim, Maykov, Weis, "Securing Update Propagation with Homomorphic Hashing", 2019 (LtHash16, n = 1024);
 * SHAKE128: FIPS 202.
 * Not here: which records there are (register). Thread: any; no shared state.
 */
#ifndef VACANCY_RECORD_LTHASH_H
#define VACANCY_RECORD_LTHASH_H

#include "daemon/record/log_entry.h"

#define LTHASH_LANES 1024
#define LTHASH_BYTES 2048 /* little-endian lanes, as stored */

struct lthash {
    uint16_t lanes[LTHASH_LANES];
};

/* Zeroed: the empty set. */
static inline void lthash_init(struct lthash *state)
{
    *state = (struct lthash){0};
}
void lthash_add(struct lthash *state, enum log_table table, const struct octets *key, const struct octets *value);
void lthash_remove(struct lthash *state, enum log_table table, const struct octets *key, const struct octets *value);
/* Sums of two sets: parts that were computed apart. */
void lthash_join(struct lthash *state, const struct lthash *other);
void lthash_encode(const struct lthash *state, uint8_t out[LTHASH_BYTES]);
void lthash_decode(const uint8_t in[LTHASH_BYTES], struct lthash *out);
/* SHA-256 of the encoded state: what a checkpoint says. */
void lthash_digest(const struct lthash *state, uint8_t out[DIGEST_BYTES]);

#endif
