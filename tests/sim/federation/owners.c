/*
 * owners.c - see owners.h. One thread.
 */
#include "tests/sim/federation/owners.h"

#include "daemon/record/bytes.h"
#include "daemon/record/hold.h"
#include "daemon/record/offer.h"
#include "vacancy/v1/shared.pb-c.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CARERS_MAX 1024
#define LOOKED_MAX 64

struct owners {
    struct owned {
        uint64_t national_reference;
        struct standing {
            bool owned;
            uint32_t moved_to, moved_from; /* regions; UINT32_MAX: none */
            char agency[AGENCY_ID_BYTES];
        } in[WORLD_REGIONS_MAX];
        bool left[WORLD_REGIONS_MAX]; /* ever, also in a history that was lost */
    } carers[CARERS_MAX];
    uint32_t count;
    uint32_t last[WORLD_REGIONS_MAX]; /* each region's last entry + 1; 0: none */
    uint64_t left[LOOKED_MAX];        /* since the log's last end */
    uint32_t left_count;
    bool lost; /* some region's log went on from before its end: two hubs of it, or a loss that an operator took */
};

struct owners *owners_create(void)
{
    struct owners *owners = calloc(1, sizeof *owners);
    if (owners == NULL)
        abort();
    return owners;
}

void owners_destroy(struct owners *owners)
{
    free(owners);
}

/* By an entry of the carer, or NULL. */
static struct standing standing_of(const struct world *world, const struct entry *entry)
{
    struct standing out = {.moved_to = UINT32_MAX, .moved_from = UINT32_MAX};
    if (entry == NULL || entry->deleted)
        return out;
    Vacancy__V1__CarerRow *row = vacancy__v1__carer_row__unpack(NULL, entry->value_bytes, entry->value);
    if (row == NULL)
        abort();
    out.owned = row->status != VACANCY__V1__CARER_STATUS__CARER_STATUS_MOVED;
    snprintf(out.agency, sizeof out.agency, "%s", row->agency);
    if (row->moved_to_region[0] != '\0')
        out.moved_to = world_region_index(world, row->moved_to_region);
    if (row->moved_from_region[0] != '\0')
        out.moved_from = world_region_index(world, row->moved_from_region);
    vacancy__v1__carer_row__free_unpacked(row, NULL);
    return out;
}

/* NULL: no log had it yet. */
static struct owned *owned_find(const struct world *world, uint64_t national_reference)
{
    struct owners *owners = world->owners;
    for (uint32_t i = 0; i < owners->count; i++)
        if (owners->carers[i].national_reference == national_reference)
            return &owners->carers[i];
    return NULL;
}

static struct owned *owned_new(struct world *world, uint64_t national_reference)
{
    struct owners *owners = world->owners;
    sim_require(&world->sim, owners->count < CARERS_MAX, "more than %d carers", CARERS_MAX);
    struct owned *owned = &owners->carers[owners->count++];
    owned->national_reference = national_reference;
    for (uint32_t region = 0; region < WORLD_REGIONS_MAX; region++)
        owned->in[region] = standing_of(world, NULL);
    return owned;
}

static void check(struct world *world, uint32_t region, const struct owned *owned, const struct standing *before)
{
    const struct standing *in = owned->in;
    if (!in[region].owned || world->owners->lost) /* a move may have been lost, too */
        return;
    for (uint32_t other = 0; other < world->region_count; other++)
        sim_require(&world->sim, other == region || !in[other].owned,
                    "carer %" PRIx64 " is in the log of %s at this moment, and %s has it still",
                    owned->national_reference, world_region(region), world_region(other));
    uint32_t from = in[region].moved_from;
    if (from != UINT32_MAX && (!before->owned || before->moved_from != from))
        sim_require(&world->sim, in[from].moved_to == region,
                    "carer %" PRIx64 " is in the log of %s as from %s, whose log does not say that it went there",
                    owned->national_reference, world_region(region), world_region(from));
}

/* The log goes on from elsewhere: what it said beyond that is void. */
static void go_back(struct world *world, uint32_t region, uint32_t index)
{
    struct owners *owners = world->owners;
    owners->lost = true;
    for (uint32_t i = 0; i < owners->count; i++) {
        uint8_t key[8];
        put_be64(key, owners->carers[i].national_reference);
        owners->carers[i].in[region] =
            standing_of(world, truth_record(world, region, index, LOG_TABLE_CARER, key, sizeof key));
    }
}

/* --- leaving ------------------------------------------------------------------------------------------------------ */

static bool hold_of(const struct entry *entry, uint64_t national_reference, struct hold *out)
{
    const struct octets key = {entry->key, entry->key_bytes}, value = {entry->value, entry->value_bytes};
    return entry->table == LOG_TABLE_HOLD && !entry->deleted && hold_row_decode(&key, &value, out) == ERR_NONE &&
           out->national_reference == national_reference;
}

/* By the entry at `index` it leaves: what it had was ended before it, in the same step or earlier. */
static void check_holds(struct world *world, uint32_t region, uint32_t index, uint64_t national_reference)
{
    struct hold hold;
    for (uint32_t i = index; i != NO_ENTRY; i = truth_entry(world, region, i)->parent) {
        const struct entry *entry = truth_entry(world, region, i);
        if (!hold_of(entry, national_reference, &hold) ||
            truth_record(world, region, index, LOG_TABLE_HOLD, entry->key, entry->key_bytes) != entry)
            continue;
        sim_require(&world->sim, !hold_live(&hold),
                    "%s: carer %" PRIx64 " leaves its agency at entry %" PRIu64 ", hold %" PRIu64 ".%" PRIu64
                    " goes on",
                    world_region(region), national_reference, truth_entry(world, region, index)->sequence,
                    hold.token.epoch, hold.token.sequence);
        if (hold.state == HOLD_PLACED)
            sim_cover(COVERED_MOVED_WITH_PLACED);
        else if (hold.state == HOLD_DECLINED && truth_entry(world, region, index)->sequence - entry->sequence < 4)
            sim_cover(COVERED_MOVED_WITH_HOLD);
    }
}

static bool offer_at(const struct world *world, uint32_t region, uint32_t at, uint64_t national_reference,
                     struct offer *out)
{
    uint8_t key[8];
    put_be64(key, national_reference);
    const struct entry *entry =
        at != NO_ENTRY ? truth_record(world, region, at, LOG_TABLE_OFFER, key, sizeof key) : NULL;
    if (entry == NULL)
        return false;
    const struct octets octets = {entry->value, entry->value_bytes};
    if (offer_decode(&octets, out) != ERR_NONE)
        abort();
    return true;
}

static void leaves(struct world *world, uint32_t region, uint32_t index, struct owned *owned)
{
    struct owners *owners = world->owners;
    struct offer offer;
    owned->left[region] = true;
    sim_cover(owned->in[region].owned ? COVERED_OWNER_CHANGED_WITHIN : COVERED_OWNER_CHANGED);
    if (offer_at(world, region, index, owned->national_reference, &offer))
        sim_cover(COVERED_MOVED_WITH_VACANCY);
    check_holds(world, region, index, owned->national_reference);
    sim_require(&world->sim, owners->left_count < LOOKED_MAX, "more than %d carers leave at once", LOOKED_MAX);
    owners->left[owners->left_count++] = owned->national_reference;
}

void owners_learned(struct world *world, uint32_t region, uint32_t head)
{
    struct owners *owners = world->owners;
    struct offer offer;
    for (uint32_t i = 0; i < owners->left_count; i++) {
        const struct owned *owned = owned_find(world, owners->left[i]);
        sim_require(&world->sim,
                    !offer_at(world, region, head, owners->left[i], &offer) ||
                        (owned->in[region].owned && strcmp(offer.agency, owned->in[region].agency) == 0),
                    "%s: carer %" PRIx64 " has left its agency, and is offered still", world_region(region),
                    owners->left[i]);
    }
    owners->left_count = 0;
}

bool owners_left(const struct world *world, uint32_t region, uint64_t national_reference)
{
    const struct owned *owned = owned_find(world, national_reference);
    return owned != NULL && owned->left[region];
}

/* --- the log ------------------------------------------------------------------------------------------------------ */

/* What is offered is its owner's. */
static void check_offered(struct world *world, uint32_t region, uint32_t index, const struct owned *owned)
{
    const struct entry *entry = truth_entry(world, region, index);
    struct offer offer;
    if (entry->deleted || !owned->left[region] || !offer_at(world, region, index, owned->national_reference, &offer))
        return;
    sim_require(&world->sim, owned->in[region].owned && strcmp(offer.agency, owned->in[region].agency) == 0,
                "%s: carer %" PRIx64 " is offered by %s at entry %" PRIu64 ", whose it isn't", world_region(region),
                owned->national_reference, offer.agency, entry->sequence);
    sim_cover(COVERED_MOVED_STATES_ANEW);
}

void owners_learn(struct world *world, uint32_t region, uint32_t index)
{
    const struct entry *entry = truth_entry(world, region, index);
    if (entry->parent + 1 != world->owners->last[region]) /* NO_ENTRY + 1 is 0 */
        go_back(world, region, entry->parent);
    world->owners->last[region] = index + 1;
    if ((entry->table != LOG_TABLE_CARER && entry->table != LOG_TABLE_OFFER) || entry->key_bytes != 8)
        return;
    uint64_t national_reference = get_be64(entry->key);
    struct owned *owned = owned_find(world, national_reference);
    if (owned == NULL)
        owned = owned_new(world, national_reference);
    if (entry->table == LOG_TABLE_OFFER) {
        check_offered(world, region, index, owned);
        return;
    }
    struct standing before = owned->in[region];
    owned->in[region] = standing_of(world, entry);
    check(world, region, owned, &before);
    if (before.owned && !entry->deleted &&
        (!owned->in[region].owned || strcmp(before.agency, owned->in[region].agency) != 0))
        leaves(world, region, index, owned);
}
