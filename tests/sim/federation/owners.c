/*
 * owners.c - see owners.h. One thread.
 */
#include "tests/sim/federation/owners.h"

#include "daemon/record/bytes.h"
#include "vacancy/v1/shared.pb-c.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define CARERS_MAX 1024

struct owners {
    struct {
        uint64_t national_reference;
        struct standing {
            bool owned;
            uint32_t moved_to, moved_from; /* regions; UINT32_MAX: none */
        } in[WORLD_REGIONS_MAX];
    } carers[CARERS_MAX];
    uint32_t count;
    uint32_t last[WORLD_REGIONS_MAX]; /* each region's last entry + 1; 0: none */
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

/* Of an entry of the carer, or NULL. */
static struct standing standing_of(const struct world *world, const struct entry *entry)
{
    struct standing out = {.moved_to = UINT32_MAX, .moved_from = UINT32_MAX};
    if (entry == NULL || entry->deleted)
        return out;
    Vacancy__V1__CarerRow *row = vacancy__v1__carer_row__unpack(NULL, entry->value_bytes, entry->value);
    if (row == NULL)
        abort();
    out.owned = row->status != VACANCY__V1__CARER_STATUS__CARER_STATUS_MOVED;
    if (row->moved_to_region[0] != '\0')
        out.moved_to = world_region_index(world, row->moved_to_region);
    if (row->moved_from_region[0] != '\0')
        out.moved_from = world_region_index(world, row->moved_from_region);
    vacancy__v1__carer_row__free_unpacked(row, NULL);
    return out;
}

/* NULL: no log had it yet. */
static struct standing *standings(const struct world *world, uint64_t national_reference)
{
    struct owners *owners = world->owners;
    for (uint32_t i = 0; i < owners->count; i++)
        if (owners->carers[i].national_reference == national_reference)
            return owners->carers[i].in;
    return NULL;
}

static struct standing *new_standings(struct world *world, uint64_t national_reference)
{
    struct owners *owners = world->owners;
    sim_require(&world->sim, owners->count < CARERS_MAX, "more than %d carers", CARERS_MAX);
    owners->carers[owners->count].national_reference = national_reference;
    for (uint32_t region = 0; region < WORLD_REGIONS_MAX; region++)
        owners->carers[owners->count].in[region] = standing_of(world, NULL);
    return owners->carers[owners->count++].in;
}

static void check(struct world *world, uint32_t region, uint64_t national_reference, const struct standing *in,
                  const struct standing *before)
{
    if (!in[region].owned || world->owners->lost) /* a move may have been lost, too */
        return;
    for (uint32_t other = 0; other < world->region_count; other++)
        sim_require(&world->sim, other == region || !in[other].owned,
                    "carer %" PRIx64 " is in the log of %s at this moment, and %s has it still", national_reference,
                    world_region(region), world_region(other));
    uint32_t from = in[region].moved_from;
    if (from == UINT32_MAX || (before->owned && before->moved_from == from))
        return;
    sim_require(&world->sim, in[from].moved_to == region,
                "carer %" PRIx64 " is in the log of %s as from %s, whose log does not say that it went there",
                national_reference, world_region(region), world_region(from));
    sim_cover(COVERED_OWNER_CHANGED);
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

void owners_learn(struct world *world, uint32_t region, uint32_t index)
{
    const struct entry *entry = truth_entry(world, region, index);
    if (entry->parent + 1 != world->owners->last[region]) /* NO_ENTRY + 1 is 0 */
        go_back(world, region, entry->parent);
    world->owners->last[region] = index + 1;
    if (entry->table != LOG_TABLE_CARER || entry->key_bytes != 8)
        return;
    uint64_t national_reference = get_be64(entry->key);
    struct standing *in = standings(world, national_reference);
    if (in == NULL)
        in = new_standings(world, national_reference);
    struct standing before = in[region];
    in[region] = standing_of(world, entry);
    check(world, region, national_reference, in, &before);
}

bool owners_has(const struct world *world, uint32_t region, uint64_t national_reference)
{
    const struct standing *in = standings(world, national_reference);
    return in != NULL && in[region].owned;
}
