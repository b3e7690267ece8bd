/*
 * replica_rows.c - a region's row, a snapshot's row and a fork's evidence as stored octets.
 * Owns: their format: fixed fields in the order of the structs, texts and keys preceded by their size. Any thread.
 * Invariant: what decodes is complete and within its bounds.
 */
#include "daemon/base/log.h"
#include "daemon/record/bytes.h"
#include "daemon/register/replica_parts.h"

#include <string.h>

const struct table_key replica_schema_key = {"schema", 6};
static const char staged[] = "staged";

struct table_key key_of_staging(const char *region)
{
    return key_of_text(region, staged);
}

bool region_of_key(const struct octets *key, char region[GSS_BYTES], bool *staging)
{
    size_t code_bytes = GSS_BYTES - 1, rest = key->size - code_bytes;
    if (key->size < code_bytes)
        return false;
    memcpy(region, key->data, code_bytes);
    region[code_bytes] = '\0';
    *staging = rest == strlen(staged) && memcmp(key->data + code_bytes, staged, rest) == 0;
    return rest == 0 || *staging;
}

struct writing {
    uint8_t *at, *end;
};

static void write_octets(struct writing *to, const void *data, size_t bytes)
{
    if (bytes > (size_t)(to->end - to->at))
        log_fatal("register", "a row of more than %d octets", ROW_BYTES);
    memcpy(to->at, data, bytes);
    to->at += bytes;
}

static void write_64(struct writing *to, uint64_t value)
{
    uint8_t octets[8];
    put_be64(octets, value);
    write_octets(to, octets, sizeof octets);
}

static void write_sized(struct writing *to, const void *data, size_t bytes)
{
    uint8_t octets[2];
    put_be16(octets, (uint16_t)bytes);
    write_octets(to, octets, sizeof octets);
    write_octets(to, data, bytes);
}

static void write_checkpoint(struct writing *to, const struct signed_checkpoint *checkpoint)
{
    uint8_t octets[CHECKPOINT_STORED_BYTES];
    write_sized(to, octets, checkpoint_encode(checkpoint, octets));
}

static void write_state(struct writing *to, const struct replica_state *state)
{
    uint8_t hash[LTHASH_BYTES];
    write_64(to, state->generation);
    write_64(to, state->sequence);
    write_octets(to, state->head, DIGEST_BYTES);
    write_64(to, (uint64_t)state->time_ms);
    write_64(to, state->epoch);
    write_octets(to, state->epoch_id, EPOCH_ID_BYTES);
    write_64(to, state->dropped);
    write_64(to, state->records);
    lthash_encode(&state->hash, hash);
    write_octets(to, hash, sizeof hash);
}

struct reading {
    const uint8_t *at, *end;
    bool good;
};

static void read_octets(struct reading *from, void *out, size_t bytes)
{
    from->good = from->good && bytes <= (size_t)(from->end - from->at);
    if (!from->good) {
        memset(out, 0, bytes);
        return;
    }
    memcpy(out, from->at, bytes);
    from->at += bytes;
}

static uint64_t read_64(struct reading *from)
{
    uint8_t octets[8];
    read_octets(from, octets, sizeof octets);
    return get_be64(octets);
}

static size_t read_sized(struct reading *from, void *out, size_t max)
{
    uint8_t octets[2];
    read_octets(from, octets, sizeof octets);
    size_t bytes = get_be16(octets);
    from->good = from->good && bytes <= max;
    if (from->good)
        read_octets(from, out, bytes);
    return from->good ? bytes : 0;
}

static void read_checkpoint(struct reading *from, struct signed_checkpoint *out)
{
    uint8_t octets[CHECKPOINT_STORED_BYTES];
    size_t bytes = read_sized(from, octets, sizeof octets);
    from->good = from->good && checkpoint_decode(&(struct octets){octets, bytes}, out) == ERR_NONE;
}

static void read_state(struct reading *from, struct replica_state *out)
{
    uint8_t hash[LTHASH_BYTES];
    out->generation = (uint32_t)read_64(from);
    out->sequence = read_64(from);
    read_octets(from, out->head, DIGEST_BYTES);
    out->time_ms = (int64_t)read_64(from);
    out->epoch = read_64(from);
    read_octets(from, out->epoch_id, EPOCH_ID_BYTES);
    out->dropped = read_64(from);
    out->records = read_64(from);
    read_octets(from, hash, sizeof hash);
    lthash_decode(hash, &out->hash);
}

size_t region_row_encode(const struct region_row *row, uint8_t out[ROW_BYTES])
{
    struct writing to = {out, out + ROW_BYTES};
    write_state(&to, &row->proven);
    write_64(&to, row->last_generation);
    write_64(&to, row->frozen);
    write_sized(&to, row->frozen_why, strlen(row->frozen_why));
    write_64(&to, row->mismatches);
    write_sized(&to, row->mismatch_peer, strlen(row->mismatch_peer));
    write_64(&to, row->evidence);
    write_64(&to, row->thawed);
    write_64(&to, row->thaw_epoch);
    write_octets(&to, row->thaw_epoch_id, EPOCH_ID_BYTES);
    if (row->proven.generation != 0)
        write_checkpoint(&to, &row->newest);
    return (size_t)(to.at - out);
}

bool region_row_decode(const struct octets *octets, struct region_row *out)
{
    struct reading from = {octets->data, octets->data + octets->size, true};
    memset(out, 0, sizeof *out);
    read_state(&from, &out->proven);
    out->last_generation = (uint32_t)read_64(&from);
    out->frozen = (enum replica_frozen)read_64(&from);
    read_sized(&from, out->frozen_why, FROZEN_WHY_BYTES - 1);
    out->mismatches = (uint32_t)read_64(&from);
    read_sized(&from, out->mismatch_peer, GSS_BYTES - 1);
    out->evidence = read_64(&from);
    out->thawed = read_64(&from) != 0;
    out->thaw_epoch = read_64(&from);
    read_octets(&from, out->thaw_epoch_id, EPOCH_ID_BYTES);
    if (out->proven.generation != 0)
        read_checkpoint(&from, &out->newest);
    return from.good && from.at == from.end && out->frozen <= FROZEN_UNPROVEN &&
           out->last_generation >= out->proven.generation;
}

size_t staging_row_encode(const struct staging_row *row, uint8_t out[ROW_BYTES])
{
    struct writing to = {out, out + ROW_BYTES};
    write_state(&to, &row->state);
    write_checkpoint(&to, &row->begin);
    write_64(&to, row->read_at);
    write_64(&to, row->last_table);
    write_sized(&to, row->last_key, row->last_key_bytes);
    write_sized(&to, row->peer, strlen(row->peer));
    write_64(&to, row->mixed);
    return (size_t)(to.at - out);
}

bool staging_row_decode(const struct octets *octets, struct staging_row *out)
{
    struct reading from = {octets->data, octets->data + octets->size, true};
    memset(out, 0, sizeof *out);
    read_state(&from, &out->state);
    read_checkpoint(&from, &out->begin);
    out->read_at = read_64(&from);
    out->last_table = (uint8_t)read_64(&from);
    out->last_key_bytes = (uint8_t)read_sized(&from, out->last_key, sizeof out->last_key);
    read_sized(&from, out->peer, GSS_BYTES - 1);
    out->mixed = read_64(&from) != 0;
    return from.good && from.at == from.end && out->state.generation != 0;
}

size_t evidence_encode(const struct fork_evidence *evidence, uint8_t out[ROW_BYTES])
{
    struct writing to = {out, out + ROW_BYTES};
    write_sized(&to, evidence->why, strlen(evidence->why));
    write_checkpoint(&to, &evidence->ours);
    write_checkpoint(&to, &evidence->theirs);
    return (size_t)(to.at - out);
}

bool evidence_decode(const struct octets *octets, struct fork_evidence *out)
{
    struct reading from = {octets->data, octets->data + octets->size, true};
    memset(out, 0, sizeof *out);
    read_sized(&from, out->why, sizeof out->why - 1);
    read_checkpoint(&from, &out->ours);
    read_checkpoint(&from, &out->theirs);
    return from.good && from.at == from.end;
}
