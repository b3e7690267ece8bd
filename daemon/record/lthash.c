/*
 * lthash.c - LtHash16 over the shared records, as lthash.h draws it.
 * Owns: a record's element and the sums of lanes. Any thread; no state of its own.
 * Invariant: removing what was added leaves the state as it was, in whatever order.
 */
#include "daemon/record/lthash.h"

#include "daemon/record/bytes.h"

#include <endian.h>
#include <string.h>

static const uint8_t domain[] = {'v', 'a', 'c', 'a', 'n', 'c', 'y', ' ', 'r', 'e', 'c', 'o', 'r', 'd', ' ', 'v', '1'};
_Static_assert(LTHASH_BYTES == sizeof(uint16_t) * LTHASH_LANES, "a state's octets are its lanes");

/* Lanes as they lie in the octets: little-endian whatever the machine. */
static void element_of(enum log_table table, const struct octets *key, const struct octets *value,
                       uint16_t element[LTHASH_LANES])
{
    uint8_t head[3] = {(uint8_t)table}; /* as log_payload_encode begins */
    put_be16(head + 1, (uint16_t)key->size);
    static const uint8_t put = 1;
    const struct octets parts[] = {{domain, sizeof domain}, {head, sizeof head}, *key, {&put, 1}, *value};
    digest_shake128(parts, sizeof parts / sizeof parts[0], (uint8_t *)element, LTHASH_BYTES);
}

void lthash_add(struct lthash *state, enum log_table table, const struct octets *key, const struct octets *value)
{
    uint16_t element[LTHASH_LANES];
    element_of(table, key, value, element);
    for (size_t i = 0; i < LTHASH_LANES; i++)
        state->lanes[i] = (uint16_t)(state->lanes[i] + le16toh(element[i]));
}

void lthash_remove(struct lthash *state, enum log_table table, const struct octets *key, const struct octets *value)
{
    uint16_t element[LTHASH_LANES];
    element_of(table, key, value, element);
    for (size_t i = 0; i < LTHASH_LANES; i++)
        state->lanes[i] = (uint16_t)(state->lanes[i] - le16toh(element[i]));
}

void lthash_join(struct lthash *state, const struct lthash *other)
{
    for (size_t i = 0; i < LTHASH_LANES; i++)
        state->lanes[i] = (uint16_t)(state->lanes[i] + other->lanes[i]);
}

void lthash_encode(const struct lthash *state, uint8_t out[LTHASH_BYTES])
{
    uint16_t lanes[LTHASH_LANES];
    for (size_t i = 0; i < LTHASH_LANES; i++)
        lanes[i] = htole16(state->lanes[i]);
    memcpy(out, lanes, LTHASH_BYTES);
}

void lthash_decode(const uint8_t in[LTHASH_BYTES], struct lthash *out)
{
    memcpy(out->lanes, in, LTHASH_BYTES);
    for (size_t i = 0; i < LTHASH_LANES; i++)
        out->lanes[i] = le16toh(out->lanes[i]);
}

void lthash_digest(const struct lthash *state, uint8_t out[DIGEST_BYTES])
{
    uint8_t octets[LTHASH_BYTES];
    lthash_encode(state, octets);
    digest_sha256(octets, sizeof octets, out);
}
