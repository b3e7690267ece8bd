/*
 * liar.c - see liar.h. One thread.
 */
#include "tests/sim/federation/liar.h"

#include "daemon/record/checkpoint.h"
#include "vacancy/v1/federation_service.pb-c.h"

#include <stdlib.h>
#include <string.h>

#define RECORDED    48
#define TRUTH_AMONG 3 /* of so many messages one is a lie */

struct liar {
    struct signer *key; /* its own, which no region has */
    struct {
        uint8_t *data;
        size_t bytes;
    } recorded[2][RECORDED], held[2]; /* of each kind of stream */
    uint32_t count[2];
    bool withholds;
};

struct liar *liar_create(struct sim *sim)
{
    struct liar *liar = calloc(1, sizeof *liar);
    struct randomness chance = seeded_random_source(&sim->chance);
    uint8_t seed[32];
    if (liar == NULL)
        abort();
    random_fill(&chance, seed, sizeof seed);
    liar->key = signer_from_seed(seed);
    return liar;
}

void liar_forget(struct liar *liar)
{
    for (int kind = 0; kind < 2; kind++) {
        for (int i = 0; i < RECORDED; i++)
            free(liar->recorded[kind][i].data);
        free(liar->held[kind].data);
    }
    memset(liar->recorded, 0, sizeof liar->recorded);
    memset(liar->held, 0, sizeof liar->held);
    memset(liar->count, 0, sizeof liar->count);
    liar->withholds = false;
}

void liar_destroy(struct liar *liar)
{
    liar_forget(liar);
    signer_destroy(liar->key);
    free(liar);
}

static uint8_t *copy_of(const uint8_t *data, size_t bytes)
{
    uint8_t *copy = malloc(bytes + 1);
    if (copy == NULL)
        abort();
    memcpy(copy, data, bytes);
    return copy;
}

static void say(struct lie *out, const uint8_t *data, size_t bytes)
{
    out->said[out->count].data = copy_of(data, bytes);
    out->said[out->count++].bytes = bytes;
}

static void say_message(struct lie *out, const ProtobufCMessage *message)
{
    size_t bytes = protobuf_c_message_get_packed_size(message);
    uint8_t *data = malloc(bytes + 1);
    if (data == NULL)
        abort();
    protobuf_c_message_pack(message, data);
    out->said[out->count].data = data;
    out->said[out->count++].bytes = bytes;
}

static void record(struct liar *liar, bool snapshot, const uint8_t *data, size_t bytes)
{
    uint32_t at = liar->count[snapshot]++ % RECORDED;
    free(liar->recorded[snapshot][at].data);
    liar->recorded[snapshot][at].data = copy_of(data, bytes);
    liar->recorded[snapshot][at].bytes = bytes;
}

/* --- lies about content ------------------------------------------------------------------------------------------ */

static void flip_one(struct sim *sim, ProtobufCBinaryData *octets)
{
    if (octets->len > 0)
        octets->data[below(sim, (uint32_t)octets->len)] ^= (uint8_t)(1u << below(sim, 8));
}

/* Leaves one of an array's elements out: frees it and closes the gap. */
static void leave_out(struct sim *sim, void ***array, size_t *count)
{
    if (*count == 0)
        return;
    uint32_t at = below(sim, (uint32_t)*count);
    protobuf_c_message_free_unpacked((*array)[at], NULL);
    (*count)--;
    memmove(&(*array)[at], &(*array)[at + 1], (*count - at) * sizeof **array);
}

/* Another statement, signed by a key that is not the region's. */
static void forge(struct liar *liar, struct sim *sim, Vacancy__V1__SignedCheckpoint *checkpoint)
{
    struct signed_checkpoint stated, forged;
    if (checkpoint == NULL || checkpoint_read(checkpoint->text, strlen(checkpoint->text), checkpoint->signature.data,
                                              checkpoint->signature.len, &stated) != ERR_NONE)
        return;
    switch (below(sim, 4)) {
    case 0:
        stated.checkpoint.sequence += 1 + below(sim, 3);
        break;
    case 1:
        stated.checkpoint.state[below(sim, DIGEST_BYTES)] ^= 1;
        break;
    case 2:
        stated.checkpoint.epoch += 1;
        stated.checkpoint.epoch_id[0] ^= 1;
        break;
    default:
        stated.checkpoint.time_ms += DAY_MS;
    }
    checkpoint_sign(&stated.checkpoint, liar->key, &forged);
    free(checkpoint->text);
    checkpoint->text = strdup(forged.text);
    if (checkpoint->text == NULL)
        abort();
    if (checkpoint->signature.len == SIGNATURE_BYTES && once_in(sim, 2))
        memcpy(checkpoint->signature.data, forged.signature, SIGNATURE_BYTES);
}

static void lie_in_batch(struct liar *liar, struct sim *sim, Vacancy__V1__Batch *batch)
{
    Vacancy__V1__Entry *some = batch->n_entries > 0 ? batch->entries[below(sim, (uint32_t)batch->n_entries)] : NULL;
    switch (below(sim, 6)) {
    case 0:
        leave_out(sim, (void ***)&batch->entries, &batch->n_entries);
        break;
    case 1:
        if (some != NULL)
            flip_one(sim, &some->payload);
        break;
    case 2:
        if (some != NULL)
            flip_one(sim, &some->header);
        break;
    case 3:
        if (some != NULL)
            flip_one(sim, &some->salt);
        break;
    case 4:
        if (batch->checkpoint != NULL && once_in(sim, 2)) { /* more would follow, but doesn't */
            vacancy__v1__signed_checkpoint__free_unpacked(batch->checkpoint, NULL);
            batch->checkpoint = NULL;
            break;
        }
        /* fall through */
    default:
        forge(liar, sim, batch->checkpoint);
    }
}

static void lie_in_positions(struct liar *liar, struct sim *sim, Vacancy__V1__Positions *positions)
{
    if (positions->n_checkpoints > 0 && once_in(sim, 2))
        forge(liar, sim, positions->checkpoints[below(sim, (uint32_t)positions->n_checkpoints)]);
    else
        leave_out(sim, (void ***)&positions->checkpoints, &positions->n_checkpoints);
}

static void lie_in_follow(struct liar *liar, struct sim *sim, const uint8_t *data, size_t bytes, struct lie *out)
{
    Vacancy__V1__FollowResponse *response = vacancy__v1__follow_response__unpack(NULL, bytes, data);
    if (response == NULL)
        return;
    if (response->item_case == VACANCY__V1__FOLLOW_RESPONSE__ITEM_BATCH)
        lie_in_batch(liar, sim, response->batch);
    else if (response->item_case == VACANCY__V1__FOLLOW_RESPONSE__ITEM_POSITIONS)
        lie_in_positions(liar, sim, response->positions);
    else if (response->item_case == VACANCY__V1__FOLLOW_RESPONSE__ITEM_REFUSAL)
        response->refusal->reason = (Vacancy__V1__Refusal__Reason)below(sim, 6);
    say_message(out, &response->base);
    vacancy__v1__follow_response__free_unpacked(response, NULL);
}

static void lie_in_records(struct sim *sim, Vacancy__V1__SnapshotRecords *records)
{
    if (records->n_records == 0 || once_in(sim, 4)) {
        records->read_at_sequence += below(sim, 5);
        return;
    }
    Vacancy__V1__SnapshotRecord *some = records->records[below(sim, (uint32_t)records->n_records)];
    switch (below(sim, 3)) {
    case 0:
        leave_out(sim, (void ***)&records->records, &records->n_records);
        break;
    case 1:
        flip_one(sim, &some->value);
        break;
    default: /* one more: the key of a carer that there isn't */
        flip_one(sim, &some->key);
    }
}

static void lie_in_snapshot(struct liar *liar, struct sim *sim, const uint8_t *data, size_t bytes, struct lie *out)
{
    Vacancy__V1__FetchSnapshotResponse *response = vacancy__v1__fetch_snapshot_response__unpack(NULL, bytes, data);
    if (response == NULL)
        return;
    switch (response->item_case) {
    case VACANCY__V1__FETCH_SNAPSHOT_RESPONSE__ITEM_BEGIN:
        forge(liar, sim, response->begin->checkpoint);
        break;
    case VACANCY__V1__FETCH_SNAPSHOT_RESPONSE__ITEM_HEADERS:
        if (once_in(sim, 2))
            flip_one(sim, &response->headers->headers);
        else
            response->headers->first_sequence += 1 + below(sim, 3);
        break;
    case VACANCY__V1__FETCH_SNAPSHOT_RESPONSE__ITEM_RECORDS:
        lie_in_records(sim, response->records);
        break;
    case VACANCY__V1__FETCH_SNAPSHOT_RESPONSE__ITEM_BATCH:
        lie_in_batch(liar, sim, response->batch);
        break;
    default:
        break;
    }
    say_message(out, &response->base);
    vacancy__v1__fetch_snapshot_response__free_unpacked(response, NULL);
}

/* --- lies about what was said when -------------------------------------------------------------------------------- */

static void say_held(struct liar *liar, bool snapshot, struct lie *out)
{
    if (liar->held[snapshot].data == NULL)
        return;
    out->said[out->count].data = liar->held[snapshot].data;
    out->said[out->count++].bytes = liar->held[snapshot].bytes;
    liar->held[snapshot].data = NULL;
}

static void say_recorded(struct liar *liar, struct sim *sim, bool snapshot, struct lie *out)
{
    uint32_t count = liar->count[snapshot] < RECORDED ? liar->count[snapshot] : RECORDED;
    if (count == 0)
        return;
    uint32_t at = below(sim, count);
    say(out, liar->recorded[snapshot][at].data, liar->recorded[snapshot][at].bytes);
}

static void lie(struct liar *liar, struct sim *sim, bool snapshot, const uint8_t *data, size_t bytes, struct lie *out)
{
    switch (below(sim, 10)) {
    case 0:
        sim_cover(COVERED_LIE_FLIPPED);
        say(out, data, bytes);
        if (bytes > 0)
            out->said[out->count - 1].data[below(sim, (uint32_t)bytes)] ^= (uint8_t)(1u << below(sim, 8));
        break;
    case 1:
        sim_cover(COVERED_LIE_WITHHELD);
        break;
    case 2:
        sim_cover(COVERED_LIE_DOUBLED);
        say(out, data, bytes);
        say(out, data, bytes);
        break;
    case 3:
        sim_cover(COVERED_LIE_REPLAYED);
        say_recorded(liar, sim, snapshot, out);
        if (once_in(sim, 2))
            say(out, data, bytes);
        break;
    case 4:
        if (liar->held[snapshot].data == NULL) { /* told after the next one */
            sim_cover(COVERED_LIE_REORDERED);
            liar->held[snapshot].data = copy_of(data, bytes);
            liar->held[snapshot].bytes = bytes;
            return;
        }
        /* fall through */
    default:
        sim_cover(COVERED_LIE_IN_CONTENT);
        if (snapshot)
            lie_in_snapshot(liar, sim, data, bytes, out);
        else
            lie_in_follow(liar, sim, data, bytes, out);
    }
    say_held(liar, snapshot, out);
}

/* Of how many such messages one is a lie: most of all where only the digest of a whole snapshot can tell. */
static uint32_t lies_among(bool snapshot, const uint8_t *data, size_t bytes, bool *batch)
{
    uint32_t among = TRUTH_AMONG;
    if (snapshot) {
        Vacancy__V1__FetchSnapshotResponse *part = vacancy__v1__fetch_snapshot_response__unpack(NULL, bytes, data);
        among = part != NULL && part->item_case == VACANCY__V1__FETCH_SNAPSHOT_RESPONSE__ITEM_RECORDS ? 2 : 10;
        if (part != NULL)
            vacancy__v1__fetch_snapshot_response__free_unpacked(part, NULL);
        return among;
    }
    Vacancy__V1__FollowResponse *response = vacancy__v1__follow_response__unpack(NULL, bytes, data);
    *batch = response != NULL && response->item_case == VACANCY__V1__FOLLOW_RESPONSE__ITEM_BATCH;
    if (response != NULL)
        vacancy__v1__follow_response__free_unpacked(response, NULL);
    return among;
}

void liar_tells(struct liar *liar, struct sim *sim, bool snapshot, const uint8_t *data, size_t bytes, struct lie *out)
{
    out->count = 0;
    if (once_in(sim, 200))
        liar->withholds = !liar->withholds;
    bool batch = false;
    uint32_t one_in = lies_among(snapshot, data, bytes, &batch);
    if (liar->withholds && batch)
        sim_cover(COVERED_LIE_WITHHELD);
    else if (once_in(sim, one_in))
        lie(liar, sim, snapshot, data, bytes, out);
    else {
        say(out, data, bytes);
        say_held(liar, snapshot, out);
    }
    record(liar, snapshot, data, bytes);
}
