/*
 * uuid.c - see uuid.h. Owns no state; any thread.
 */
#include "client/uuid.h"

#include "daemon/base/digest.h"

#include <stdio.h>

void uuid_make(int64_t wall_ms, const struct randomness *random, char out[UUID_TEXT_BYTES])
{
    uint8_t octets[16];
    char hex[33];
    random_fill(random, octets, sizeof octets);
    for (int i = 0; i < 6; i++)
        octets[i] = (uint8_t)((uint64_t)wall_ms >> (40 - 8 * i));
    octets[6] = (uint8_t)((octets[6] & 0x0f) | 0x70);
    octets[8] = (uint8_t)((octets[8] & 0x3f) | 0x80);
    hex_encode(octets, sizeof octets, hex);
    snprintf(out, UUID_TEXT_BYTES, "%.8s-%.4s-%.4s-%.4s-%.12s", hex, hex + 8, hex + 12, hex + 16, hex + 20);
}
