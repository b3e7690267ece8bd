/*
 * beds.c - see beds.h. One thread.
 */
#include "tests/sim/federation/beds.h"

#include "daemon/record/bytes.h"
#include "daemon/record/hold.h"
#include "tests/sim/federation/hubs.h"

#include <inttypes.h>
#include <stdlib.h>

/* The boot clock is read in whole ms, when a hold is made and when it ends. */
#define READING_MS 2

struct made {
    uint32_t hub;
    struct hold_token token;
    int64_t booted_at_ms;         /* the hub's machine, then: the wall clock tells the length over a reboot */
    int64_t ends_at_ms, until_ms; /* in true time, and as its row then said */
};

struct beds {
    struct made *made;
    uint32_t count, capacity;
};

struct beds *beds_create(void)
{
    struct beds *beds = calloc(1, sizeof *beds);
    if (beds == NULL)
        abort();
    return beds;
}

void beds_destroy(struct beds *beds)
{
    free(beds->made);
    free(beds);
}

static bool row_of(const struct entry *entry, struct hold *out)
{
    const struct octets key = {entry->key, entry->key_bytes}, value = {entry->value, entry->value_bytes};
    return entry->table == LOG_TABLE_HOLD && !entry->deleted && hold_row_decode(&key, &value, out) == ERR_NONE;
}

static bool takes_beds(const struct hold *hold)
{
    return hold_live(hold) || hold->state == HOLD_PLACED;
}

struct taken {
    uint32_t held, placed;
};

static struct made *made_find(struct beds *beds, uint32_t hub, const struct hold_token *token)
{
    for (uint32_t i = 0; i < beds->count; i++)
        if (beds->made[i].hub == hub && beds->made[i].token.epoch == token->epoch &&
            beds->made[i].token.sequence == token->sequence)
            return &beds->made[i];
    return NULL;
}

/* In true time; an extension shows in its row. */
static int64_t end_of(const struct made *made, const struct hold *row)
{
    return made->ends_at_ms + row->until_ms - made->until_ms;
}

/* What the log's holds take of a vacancy in the state at an entry. */
static struct taken taken_of(const struct world *world, uint32_t region, uint32_t at, uint64_t vacancy_id)
{
    struct taken taken = {0};
    struct hold hold;
    for (uint32_t i = at; i != NO_ENTRY; i = truth_entry(world, region, i)->parent) {
        const struct entry *entry = truth_entry(world, region, i);
        if (!row_of(entry, &hold) || hold.vacancy_id != vacancy_id ||
            truth_record(world, region, at, LOG_TABLE_HOLD, entry->key, entry->key_bytes) != entry)
            continue;
        taken.held += hold_live(&hold) ? hold.beds : 0;
        taken.placed += hold.state == HOLD_PLACED ? hold.beds : 0;
    }
    return taken;
}

/* The offer of a carer in that state; false: there is none. */
static bool offer_at(const struct world *world, uint32_t region, uint32_t at, uint64_t national_reference,
                     struct offer *out)
{
    uint8_t key[8];
    put_be64(key, national_reference);
    const struct entry *entry = truth_record(world, region, at, LOG_TABLE_OFFER, key, sizeof key);
    if (entry == NULL || entry->deleted)
        return false;
    const struct octets octets = {entry->value, entry->value_bytes};
    if (offer_decode(&octets, out) != ERR_NONE)
        abort();
    return true;
}

/* --- time -------------------------------------------------------------------------------------------------------- */

void beds_forget(struct world *world, const struct fed_hub *hub)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < world->beds->count; i++)
        if (world->beds->made[i].hub != hub->index)
            world->beds->made[kept++] = world->beds->made[i];
    world->beds->count = kept;
}

static void note_made(struct beds *beds, const struct fed_hub *hub, const struct hold *hold)
{
    if (beds->count == beds->capacity) {
        beds->capacity = beds->capacity ? 2 * beds->capacity : 64;
        beds->made = realloc(beds->made, beds->capacity * sizeof *beds->made);
        if (beds->made == NULL)
            abort();
    }
    beds->made[beds->count++] = (struct made){.hub = hub->index,
                                              .token = hold->token,
                                              .booted_at_ms = hub->booted_at_ms,
                                              .ends_at_ms = hub->world->sim.now_ms + hold->until_ms - hold->made_at_ms,
                                              .until_ms = hold->until_ms};
}

/* What time makes of one row. `before`: the row that it replaces, or NULL. What another hub made of its region, where
 * two claim it, went by that machine's clocks. */
static void check_time(struct world *world, const struct fed_hub *hub, const struct entry *entry,
                       const struct hold *hold, const struct hold *before)
{
    struct made *made = made_find(world->beds, hub->index, &hold->token);
    if (before == NULL && hold_live(hold) && made == NULL && hub->decides) /* else it replays what it had decided */
        note_made(world->beds, hub, hold);
    if (made == NULL || entry->made_by != hub->index)
        return;
    if (before != NULL && hold_live(before) && hold->state == HOLD_EXPIRED) {
        sim_require(&world->sim,
                    made->booted_at_ms != hub->booted_at_ms || world->sim.now_ms + READING_MS >= end_of(made, before),
                    "hub %u: hold %" PRIu64 ".%" PRIu64 " ran out %" PRId64 " ms early", hub->index, hold->token.epoch,
                    hold->token.sequence, end_of(made, before) - world->sim.now_ms);
        sim_cover(COVERED_HOLD_EXPIRED);
    }
}

/* --- the log ----------------------------------------------------------------------------------------------------- */

/* Where a hold is made now, every other one of its vacancy that has run out has ended before it. */
static void check_none_late(struct world *world, const struct fed_hub *hub, uint32_t at, const struct hold *new)
{
    struct hold hold;
    for (uint32_t i = at; i != NO_ENTRY; i = truth_entry(world, hub->region, i)->parent) {
        const struct entry *entry = truth_entry(world, hub->region, i);
        const struct made *made = NULL;
        if (row_of(entry, &hold) && hold_live(&hold) && hold.vacancy_id == new->vacancy_id &&
            truth_record(world, hub->region, at, LOG_TABLE_HOLD, entry->key, entry->key_bytes) == entry)
            made = made_find(world->beds, hub->index, &hold.token);
        sim_require(&world->sim,
                    made == NULL || made->booted_at_ms != hub->booted_at_ms ||
                        world->sim.now_ms <= end_of(made, &hold) + READING_MS,
                    "hub %u: hold %" PRIu64 ".%" PRIu64 " is kept %" PRId64 " ms beyond its end", hub->index,
                    hold.token.epoch, hold.token.sequence, world->sim.now_ms - end_of(made, &hold));
    }
}

static void check_row(struct world *world, const struct fed_hub *hub, uint32_t index, const struct hold *hold)
{
    const struct entry *entry = truth_entry(world, hub->region, index), *replaced;
    struct hold before;
    struct offer offer;
    replaced = entry->parent == NO_ENTRY
                   ? NULL
                   : truth_record(world, hub->region, entry->parent, LOG_TABLE_HOLD, entry->key, entry->key_bytes);
    bool known = replaced != NULL && row_of(replaced, &before);
    sim_require(&world->sim, !known || !takes_beds(hold) || hold_live(&before) || before.state == hold->state,
                "hub %u: hold %" PRIu64 ".%" PRIu64 " of state %d takes beds again (%d)", hub->index, hold->token.epoch,
                hold->token.sequence, before.state, hold->state);
    check_time(world, hub, entry, hold, known ? &before : NULL);
    if (!known && hub->decides)
        check_none_late(world, hub, index, hold);
    if (!takes_beds(hold) || !offer_at(world, hub->region, index, hold->national_reference, &offer) ||
        offer.vacancy_id != hold->vacancy_id)
        return;
    struct taken taken = taken_of(world, hub->region, index, hold->vacancy_id);
    sim_require(&world->sim, taken.held + taken.placed <= offer.beds,
                "hub %u: at entry %" PRIu64 " %u beds are held and %u placed of %u: promised twice", hub->index,
                entry->sequence, taken.held, taken.placed, offer.beds);
    if (hold->state == HOLD_PLACED)
        sim_cover(COVERED_CHILDREN_PLACED);
}

/* Where the log ends, its rows agree with each other. */
static void check_head(struct world *world, const struct fed_hub *hub, uint64_t national_reference)
{
    struct offer offer;
    if (!offer_at(world, hub->region, hub->head, national_reference, &offer))
        return;
    struct taken taken = taken_of(world, hub->region, hub->head, offer.vacancy_id);
    sim_require(&world->sim, offer.beds_free + taken.held + taken.placed <= offer.beds,
                "hub %u: %u of %u beds are said to be free, %u are held and %u placed", hub->index, offer.beds_free,
                offer.beds, taken.held, taken.placed);
    sim_require(&world->sim, offer.beds_held == taken.held, "hub %u: %u beds are said to be held, and %u are",
                hub->index, offer.beds_held, taken.held);
}

void beds_check(struct world *world, const struct fed_hub *hub, uint32_t before)
{
    uint32_t indexes[256], count = 0;
    for (uint32_t i = hub->head; i != before && i != NO_ENTRY; i = truth_entry(world, hub->region, i)->parent)
        if (count < sizeof indexes / sizeof indexes[0])
            indexes[count++] = i;
    while (count-- > 0) {
        const struct entry *entry = truth_entry(world, hub->region, indexes[count]);
        struct hold hold;
        if (row_of(entry, &hold)) {
            check_row(world, hub, indexes[count], &hold);
            check_head(world, hub, hold.national_reference);
        } else if (entry->table == LOG_TABLE_OFFER && entry->key_bytes == 8) {
            check_head(world, hub, get_be64(entry->key));
        }
    }
}
