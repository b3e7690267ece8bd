/*
 * log_entry.c - the octets of a log entry and the check of a chain.
 * Owns: header and payload encoding as drawn in log_entry.h. Any thread; no state.
 * Invariant: decode accepts exactly what encode makes.
 */
#include "daemon/record/log_entry.h"

#include "daemon/base/text.h"
#include "daemon/record/bytes.h"

#include <string.h>

static const uint8_t magic[4] = {'V', 'L', 'E', '1'};

enum {
    AT_REGION = 4,
    AT_RESERVED = 14,
    AT_EPOCH = 17,
    AT_SEQUENCE = 25,
    AT_PREVIOUS = 33,
    AT_TIME = 65,
    AT_COMMITMENT = 73,
    AT_PAYLOAD_BYTES = 105,
};

void log_header_encode(const struct log_header *header, uint8_t out[LOG_HEADER_BYTES])
{
    memset(out, 0, LOG_HEADER_BYTES);
    memcpy(out, magic, sizeof magic);
    memcpy(out + AT_REGION, header->region, GSS_BYTES - 1);
    put_be64(out + AT_EPOCH, header->epoch);
    put_be64(out + AT_SEQUENCE, header->sequence);
    memcpy(out + AT_PREVIOUS, header->previous, DIGEST_BYTES);
    put_be64(out + AT_TIME, (uint64_t)header->time_ms);
    memcpy(out + AT_COMMITMENT, header->commitment, DIGEST_BYTES);
    put_be32(out + AT_PAYLOAD_BYTES, header->payload_bytes);
}

enum err log_header_decode(const struct octets *octets, struct log_header *out)
{
    const uint8_t *in = octets->data;
    if (octets->size != LOG_HEADER_BYTES || memcmp(in, magic, sizeof magic) != 0)
        return ERR_INVALID;
    struct log_header header = {
        .epoch = get_be64(in + AT_EPOCH),
        .sequence = get_be64(in + AT_SEQUENCE),
        .time_ms = (int64_t)get_be64(in + AT_TIME),
        .payload_bytes = get_be32(in + AT_PAYLOAD_BYTES),
    };
    memcpy(header.region, in + AT_REGION, GSS_BYTES);
    memcpy(header.previous, in + AT_PREVIOUS, DIGEST_BYTES);
    memcpy(header.commitment, in + AT_COMMITMENT, DIGEST_BYTES);
    static const uint8_t zeros[AT_EPOCH - AT_RESERVED];
    if (header.region[GSS_BYTES - 1] != '\0' || !text_is_gss_code(header.region) ||
        memcmp(in + AT_RESERVED, zeros, sizeof zeros) != 0 || header.payload_bytes > LOG_PAYLOAD_MAX_BYTES)
        return ERR_INVALID;
    *out = header;
    return ERR_NONE;
}

#define PAYLOAD_FIXED_BYTES 4 /* table, key size, deletion mark */

size_t log_payload_bytes(const struct log_payload *payload)
{
    return PAYLOAD_FIXED_BYTES + payload->key.size + (payload->deleted ? 0 : payload->value.size);
}

void log_payload_encode(const struct log_payload *payload, uint8_t *out)
{
    *out++ = (uint8_t)payload->table;
    put_be16(out, (uint16_t)payload->key.size);
    out += 2;
    memcpy(out, payload->key.data, payload->key.size);
    out += payload->key.size;
    *out++ = payload->deleted ? 0 : 1;
    if (!payload->deleted && payload->value.size > 0)
        memcpy(out, payload->value.data, payload->value.size);
}

enum err log_payload_decode(const struct octets *octets, struct log_payload *out)
{
    if (octets->size < PAYLOAD_FIXED_BYTES)
        return ERR_INVALID;
    const uint8_t *in = octets->data;
    size_t key_bytes = get_be16(in + 1);
    if (in[0] == LOG_TABLE_NONE || in[0] >= LOG_TABLE_END || key_bytes > octets->size - PAYLOAD_FIXED_BYTES)
        return ERR_INVALID;
    const uint8_t *mark = in + 3 + key_bytes;
    size_t left = octets->size - PAYLOAD_FIXED_BYTES - key_bytes;
    if (*mark > 1 || (*mark == 0 && left > 0))
        return ERR_INVALID;
    *out = (struct log_payload){
        .table = (enum log_table)in[0],
        .key = {in + 3, key_bytes},
        .deleted = *mark == 0,
        .value = {mark + 1, left},
    };
    return ERR_NONE;
}

void log_commitment(const uint8_t salt[LOG_SALT_BYTES], const struct octets *payload, uint8_t out[DIGEST_BYTES])
{
    struct octets parts[] = {{salt, LOG_SALT_BYTES}, *payload};
    digest_sha256_parts(parts, 2, out);
}

void log_header_hash(const uint8_t header[LOG_HEADER_BYTES], uint8_t out[DIGEST_BYTES])
{
    digest_sha256(header, LOG_HEADER_BYTES, out);
}

enum err log_chain_check(const struct log_header *previous, const uint8_t previous_hash[DIGEST_BYTES],
                         const struct log_header *next, struct problem *problem)
{
    unsigned long long sequence = next->sequence, expected = previous ? previous->sequence + 1 : 1;
    if (previous && strcmp(previous->region, next->region) != 0)
        return problem_set(problem, ERR_STORE_DAMAGED, "region",
                           "log entry %llu is of region %s, its predecessor of %s", sequence, next->region,
                           previous->region);
    if (sequence != expected)
        return problem_set(problem, ERR_STORE_DAMAGED, "sequence", "log entry %llu stands where %llu was expected",
                           sequence, expected);
    if (!octets_equal(next->previous, previous_hash, DIGEST_BYTES))
        return problem_set(problem, ERR_STORE_DAMAGED, "previous",
                           "log entry %llu does not carry its predecessor's hash", sequence);
    if (previous && (next->time_ms < previous->time_ms || next->epoch < previous->epoch))
        return problem_set(problem, ERR_STORE_DAMAGED, "time", "log entry %llu goes back in time or epoch", sequence);
    return ERR_NONE;
}
