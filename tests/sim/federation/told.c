/*
 * told.c - see told.h. One thread.
 */
#include "tests/sim/federation/told.h"

#include "daemon/record/hold.h"
#include "tests/sim/federation/moves.h"
#include "vacancy/v1/agency_service.pb-c.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PAGE_MAX    8
#define ARENA_BYTES (1u << 20)
#define KINDS       (VACANCY__V1__AGENCY_EVENT__KIND__KIND_PLACED + 1)

/* Of one hold: how often each kind of event was told, and how often the log has it. */
struct tally {
    struct hold_token token;
    uint32_t told[KINDS], logged[KINDS];
};

struct tallies {
    struct tally *holds;
    uint32_t count;
};

static struct tally *tally_of(struct tallies *tallies, const struct hold_token *token)
{
    for (uint32_t i = 0; i < tallies->count; i++)
        if (tallies->holds[i].token.epoch == token->epoch && tallies->holds[i].token.sequence == token->sequence)
            return &tallies->holds[i];
    tallies->holds = realloc(tallies->holds, (tallies->count + 1) * sizeof *tallies->holds);
    if (tallies->holds == NULL)
        abort();
    tallies->holds[tallies->count] = (struct tally){.token = *token};
    return &tallies->holds[tallies->count++];
}

static void take_event(struct world *world, const struct fed_hub *home, const struct event_row *row,
                       struct tallies *tallies)
{
    char region[GSS_BYTES];
    struct hold_token token;
    Vacancy__V1__AgencyEvent *event = vacancy__v1__agency_event__unpack(NULL, row->octets.size, row->octets.data);
    sim_require(&world->sim, event != NULL, "hub %u: an event can't be read", home->index);
    if (event->hold_id[0] != '\0') {
        sim_require(&world->sim, hold_id_parse(event->hold_id, region, &token), "hub %u: an event's hold is %s",
                    home->index, event->hold_id);
        if ((uint32_t)event->kind < KINDS)
            tally_of(tallies, &token)->told[event->kind]++;
    }
    vacancy__v1__agency_event__free_unpacked(event, NULL);
}

/* In pages of any size, each from the last one's cursor on. */
static void read_events(struct world *world, struct fed_hub *home, uint32_t agency, struct tallies *tallies)
{
    char id[AGENCY_ID_BYTES];
    struct event_row rows[PAGE_MAX];
    struct arena arena;
    uint64_t cursor = 0;
    size_t got, wanted;
    snprintf(id, sizeof id, "agency-%u-%u", home->region, agency);
    arena_init(&arena, ARENA_BYTES);
    do {
        wanted = 1 + below(&world->sim, PAGE_MAX);
        enum err err = home_read_events(home->home, id, cursor, &arena, rows, wanted, &got);
        sim_require(&world->sim, err == ERR_NONE, "hub %u: events after %" PRIu64 " can't be read: %s", home->index,
                    cursor, err_name(err));
        for (size_t i = 0; i < got; i++) {
            sim_require(&world->sim, rows[i].cursor > cursor, "hub %u: event %" PRIu64 " follows %" PRIu64, home->index,
                        rows[i].cursor, cursor);
            cursor = rows[i].cursor;
            take_event(world, home, &rows[i], tallies);
        }
        arena_reset(&arena);
    } while (got == wanted);
    arena_finish(&arena);
}

static bool row_of(const struct entry *entry, struct hold *out)
{
    const struct octets key = {entry->key, entry->key_bytes}, value = {entry->value, entry->value_bytes};
    return entry != NULL && entry->table == LOG_TABLE_HOLD && !entry->deleted &&
           hold_row_decode(&key, &value, out) == ERR_NONE;
}

/* What befell the hold by this entry. */
static uint32_t kind_of(const struct world *world, uint32_t region, const struct entry *entry, const struct hold *hold)
{
    static const uint32_t kinds[] = {
        [HOLD_ACCEPTED] = VACANCY__V1__AGENCY_EVENT__KIND__KIND_HOLD_ACCEPTED,
        [HOLD_RELEASED] = VACANCY__V1__AGENCY_EVENT__KIND__KIND_HOLD_RELEASED,
        [HOLD_EXPIRED] = VACANCY__V1__AGENCY_EVENT__KIND__KIND_HOLD_EXPIRED,
        [HOLD_DECLINED] = VACANCY__V1__AGENCY_EVENT__KIND__KIND_HOLD_DECLINED,
        [HOLD_PLACED] = VACANCY__V1__AGENCY_EVENT__KIND__KIND_PLACED,
    };
    struct hold before;
    const struct entry *replaced =
        entry->parent == NO_ENTRY
            ? NULL
            : truth_record(world, region, entry->parent, LOG_TABLE_HOLD, entry->key, entry->key_bytes);
    if (replaced == NULL || !row_of(replaced, &before))
        return VACANCY__V1__AGENCY_EVENT__KIND__KIND_HELD;
    if (before.state != hold->state)
        return kinds[hold->state];
    return before.extended != hold->extended ? VACANCY__V1__AGENCY_EVENT__KIND__KIND_HOLD_EXTENDED : 0;
}

static void read_log(const struct world *world, const struct fed_hub *home, struct tallies *tallies)
{
    struct hold hold;
    for (uint32_t i = home->head; i != NO_ENTRY; i = truth_entry(world, home->region, i)->parent) {
        const struct entry *entry = truth_entry(world, home->region, i);
        if (row_of(entry, &hold))
            tally_of(tallies, &hold.token)->logged[kind_of(world, home->region, entry, &hold)]++;
    }
}

void told_check(struct world *world, struct fed_hub *home)
{
    struct tallies tallies = {0};
    if (world->memories_lost[home->region] > 0 || world->carers_ended[home->region] || world->clocks_stepped)
        return;
    home->home_disk->looking++;
    for (uint32_t agency = 0; agency < MOVES_AGENCY + MOVES_EACH; agency++)
        read_events(world, home, agency, &tallies);
    home->home_disk->looking--;
    read_log(world, home, &tallies);
    for (uint32_t i = 0; i < tallies.count; i++)
        for (uint32_t kind = 1; kind < KINDS; kind++)
            sim_require(&world->sim, tallies.holds[i].told[kind] == tallies.holds[i].logged[kind],
                        "hub %u: of hold %" PRIu64 ".%" PRIu64 " %u events of kind %u were told, the log has %u",
                        home->index, tallies.holds[i].token.epoch, tallies.holds[i].token.sequence,
                        tallies.holds[i].told[kind], kind, tallies.holds[i].logged[kind]);
    if (tallies.count > 0)
        sim_cover(COVERED_AGENCIES_TOLD);
    free(tallies.holds);
}
