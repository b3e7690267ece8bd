/*
 * clients.c - see clients.h. One thread.
 */
#include "tests/sim/federation/clients.h"

#include "daemon/record/bytes.h"
#include "tests/sim/contents.h"
#include "tests/sim/federation/hubs.h"
#include "tests/sim/requests.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define AGENCIES_EACH CLIENTS_AGENCIES_EACH
#define CARERS_EACH   4 /* of an agency */
#define UNDER_WAY     256
#define ARENA_BYTES   (4u << 20)

struct clients {
    struct {
        bool registered;
        struct {
            bool known;
            struct carer carer;
        } carers[CARERS_EACH];
    } agencies[WORLD_REGIONS_MAX][AGENCIES_EACH];
    struct operation operations[UNDER_WAY]; /* a ring: what calls point to */
    uint32_t operation_count;
};

struct clients *clients_create(void)
{
    struct clients *clients = calloc(1, sizeof *clients);
    if (clients == NULL)
        abort();
    return clients;
}

void clients_destroy(struct clients *clients)
{
    free(clients);
}

/* --- writes ------------------------------------------------------------------------------------------------------ */

static void agency_name(uint32_t region, uint32_t agency, char out[AGENCY_ID_BYTES])
{
    snprintf(out, AGENCY_ID_BYTES, "agency-%u-%u", region, agency);
}

/* Places for texts that are the same in every seed (model.h): each agency of the federation has its own. */
static uint32_t agency_place(uint32_t region, uint32_t agency)
{
    return region * AGENCIES_EACH + agency;
}

static void put_agency(struct fed_hub *hub, uint32_t agency, struct operation *operation)
{
    struct agency *row = &operation->agency_row;
    operation->kind = UPDATE_PUT_AGENCY;
    agency_name(hub->region, agency, row->id);
    snprintf(row->name, sizeof row->name, "Agency %u of region %u", agency, hub->region);
    snprintf(row->phone, sizeof row->phone, "0113 496 000%u", below(&hub->world->sim, 3));
    row->kind = AGENCY_INDEPENDENT;
    row->status = once_in(&hub->world->sim, 10) ? AGENCY_SUSPENDED : AGENCY_ACTIVE;
    strcpy(row->ofsted_urn, "SC123456");
}

static void put_carer(struct clients *clients, struct fed_hub *hub, uint32_t agency, struct operation *operation)
{
    struct carer *carer = &operation->carer;
    operation->kind = UPDATE_PUT_CARER;
    content_carer(&hub->world->sim, date_of_wall_ms(clock_wall_ms(&hub->clock)), operation, carer);
    agency_name(hub->region, agency, carer->agency);
    carer_reference(operation->agency, operation->reference, carer->agency_reference);
    carer->status = CARER_APPROVED;
    carer->observed_at_ms = operation->observed_at_ms;
    clients->agencies[hub->region][agency].carers[operation->reference].carer = *carer;
    clients->agencies[hub->region][agency].carers[operation->reference].known = true;
}

static void put_vacancy(struct clients *clients, struct fed_hub *hub, uint32_t agency, struct operation *operation)
{
    const struct carer *carer = &clients->agencies[hub->region][agency].carers[operation->reference].carer;
    struct vacancy *vacancy = &operation->vacancy;
    operation->kind = UPDATE_PUT_VACANCY;
    content_vacancy(&hub->world->sim, date_of_wall_ms(clock_wall_ms(&hub->clock)), carer, vacancy);
    vacancy->state = vacancy->stated;
    vacancy->observed_at_ms = operation->observed_at_ms;
}

static void fill(struct clients *clients, struct fed_hub *hub, uint32_t agency, struct operation *operation)
{
    struct sim *sim = &hub->world->sim;
    memset(operation, 0, sizeof *operation);
    operation->agency = agency_place(hub->region, agency);
    operation->reference = below(sim, CARERS_EACH);
    operation->observed_at_ms = clock_wall_ms(&hub->clock);
    bool known = clients->agencies[hub->region][agency].carers[operation->reference].known;
    if (!clients->agencies[hub->region][agency].registered || once_in(sim, 40)) {
        put_agency(hub, agency, operation);
    } else if (!known || once_in(sim, 5)) {
        put_carer(clients, hub, agency, operation);
    } else if (once_in(sim, 12)) {
        operation->kind = UPDATE_WITHDRAW;
    } else if (once_in(sim, 8)) {
        operation->kind = UPDATE_CONFIRM;
        operation->confirm_all = true;
    } else if (once_in(sim, 30)) {
        operation->kind = UPDATE_ERASE_CARER;
        hub->world->carers_ended[hub->region] = true;
        clients->agencies[hub->region][agency].carers[operation->reference].known = false;
    } else if (once_in(sim, 30)) {
        operation->kind = UPDATE_END_CARER;
        hub->world->carers_ended[hub->region] = true;
        operation->ends_on = date_of_wall_ms(operation->observed_at_ms) + (date_days)below(sim, 28);
        strcpy(operation->end_reason, "AW1");
    } else {
        put_vacancy(clients, hub, agency, operation);
    }
}

static void write_ended(struct sim_call *call, const struct problem *problem)
{
    const struct operation *operation = call->user;
    struct fed_hub *hub = call->calls->of.fed_hub;
    struct clients *clients = hub->world->clients;
    uint32_t region = operation->agency / AGENCIES_EACH, agency = operation->agency % AGENCIES_EACH;
    switch (problem->code) {
    case ERR_NONE:
        if (operation->kind == UPDATE_PUT_AGENCY)
            clients->agencies[region][agency].registered = true;
        sim_cover(operation->kind == UPDATE_ERASE_CARER ? COVERED_ERASED : COVERED_WRITTEN);
        break;
    case ERR_FORBIDDEN: /* lost in a restore */
        clients->agencies[region][agency].registered = false;
        break;
    case ERR_UNAVAILABLE:
        sim_cover(COVERED_WRITE_UNAVAILABLE);
        break;
    case ERR_NOT_FOUND:
    case ERR_PRECONDITION:
    case ERR_STALE:
    case ERR_STORE_FULL:
    case ERR_STORE_IO:
    case ERR_LIMIT:
    case ERR_INVALID: /* the clock jumped */
    case ERR_DEADLINE:
        break;
    default:
        sim_fail(&hub->world->sim, "hub %u: %s was answered %s: %s", hub->index, call->call.method->path,
                 err_name(problem->code), problem->text);
    }
}

void clients_write(struct clients *clients, struct fed_hub *hub)
{
    static const struct client client = {.ended = write_ended};
    uint32_t agency = below(&hub->world->sim, AGENCIES_EACH);
    struct operation *operation = &clients->operations[clients->operation_count++ % UNDER_WAY];
    char id[AGENCY_ID_BYTES], name[PRINCIPAL_NAME_BYTES];
    uint8_t issuer[DIGEST_BYTES];
    fill(clients, hub, agency, operation);
    agency_name(hub->region, agency, id);
    if (operation->kind == UPDATE_PUT_AGENCY)
        snprintf(name, sizeof name, "spiffe://%s/region/%s/operator/duty", WORLD_DOMAIN, world_region(hub->region));
    else
        snprintf(name, sizeof name, "spiffe://%s/region/%s/agency/%s", WORLD_DOMAIN, world_region(hub->region), id);
    fed_hub_issuer(hub->region, issuer);
    struct sim_call *call = call_begin_as(&hub->calls, request_path(operation), name, issuer, &client, operation);
    call_feed(call, request_message(operation));
    fed_hub_turn_soon(hub);
}

/* --- searches ---------------------------------------------------------------------------------------------------- */

static bool agency_active(const struct world *world, uint32_t region, uint32_t at, const char *id)
{
    struct agency agency;
    const struct entry *entry = truth_record(world, region, at, LOG_TABLE_AGENCY, id, strlen(id));
    if (entry == NULL)
        return false;
    const struct octets octets = {entry->value, entry->value_bytes};
    return agency_decode(id, &octets, &agency) == ERR_NONE && agency.status == AGENCY_ACTIVE;
}

/* What the state of a region at an entry has for a generous search: options, those to be phoned first, offers at all.
 */
struct expected {
    uint32_t options, phone_first;
    uint64_t offers;
};

static void expect(const struct world *world, uint32_t region, uint32_t at, int64_t as_of_ms, struct expected *out)
{
    for (uint32_t i = at; i != NO_ENTRY; i = truth_entry(world, region, i)->parent) {
        const struct entry *entry = truth_entry(world, region, i);
        struct offer offer;
        if (entry->table != LOG_TABLE_OFFER ||
            truth_record(world, region, at, entry->table, entry->key, entry->key_bytes) != entry)
            continue;
        const struct octets octets = {entry->value, entry->value_bytes};
        if (offer_decode(&octets, &offer) != ERR_NONE)
            abort();
        bool active = agency_active(world, region, at, offer.agency);
        bool confirmed = content_suits(&offer, active, as_of_ms, false);
        out->offers++;
        out->options += confirmed;
        out->phone_first += !confirmed && content_suits(&offer, active, as_of_ms, true);
    }
}

static void check_option(struct fed_hub *hub, const struct option *option, struct arena *arena)
{
    struct world *world = hub->world;
    uint32_t region = world_region_index(world, option->region);
    uint8_t key[8];
    struct octets octets;
    sim_require(&world->sim, region != UINT32_MAX, "hub %u finds an option of region %s", hub->index, option->region);
    put_be64(key, option->national_reference);
    uint32_t at = world->truth->shown[hub->index][region].entry;
    const struct entry *entry = truth_record(world, region, at, LOG_TABLE_OFFER, key, sizeof key);
    sim_require(&world->sim, entry != NULL, "hub %u finds an offer of %s that is not in the state where it stands",
                hub->index, option->region);
    sim_require(&world->sim, offer_encode(&option->offer, arena, &octets) == ERR_NONE, "an offer can't be encoded");
    sim_require(&world->sim, octets.size == entry->value_bytes && memcmp(octets.data, entry->value, octets.size) == 0,
                "hub %u finds an offer of %s with other content than its log has", hub->index, option->region);
}

static void check_positions(struct fed_hub *hub, const struct answer *answer)
{
    struct world *world = hub->world;
    for (uint32_t i = 0; i < answer->position_count; i++) {
        uint32_t region = world_region_index(world, answer->positions[i].region);
        const struct shown *shown = &world->truth->shown[hub->index][region];
        sim_require(&world->sim,
                    answer->positions[i].sequence == shown->sequence && answer->positions[i].epoch == shown->epoch,
                    "hub %u says it searched %s at %" PRIu64 ", but was told of %" PRIu64, hub->index,
                    answer->positions[i].region, answer->positions[i].sequence, shown->sequence);
    }
}

static void find(struct fed_hub *hub, int64_t as_of_ms, struct arena *arena, struct answer *answer)
{
    struct criteria criteria;
    content_criteria(as_of_ms, &criteria);
    arena_init(arena, ARENA_BYTES);
    enum err err = match_find(hub->match, &criteria, UINT32_MAX, arena, answer, NULL);
    sim_require(&hub->world->sim, err == ERR_NONE, "a search at hub %u failed: %s", hub->index, err_name(err));
}

static void compare_count(struct fed_hub *hub, const char *what, uint32_t found, uint32_t expected)
{
    sim_require(&hub->world->sim, found == (expected < OPTIONS_MAX ? expected : OPTIONS_MAX),
                "a search at hub %u finds %u %s, the logs' states have %u", hub->index, found, what, expected);
}

void clients_compare(struct fed_hub *hub)
{
    struct world *world = hub->world;
    struct arena arena;
    struct answer answer;
    int64_t as_of_ms = clock_wall_ms(&hub->clock);
    uint64_t held, bytes;
    struct expected expected = {0};
    find(hub, as_of_ms, &arena, &answer);
    for (uint32_t region = 0; region < world->region_count; region++)
        expect(world, region, world->truth->shown[hub->index][region].entry, as_of_ms, &expected);
    match_stats(hub->match, &held, &bytes);
    sim_require(&world->sim, held == expected.offers, "hub %u holds %" PRIu64 " offers, the logs lead to %" PRIu64,
                hub->index, held, expected.offers);
    compare_count(hub, "options", answer.option_count, expected.options);
    compare_count(hub, "to phone first", answer.phone_first_count, expected.phone_first);
    for (uint32_t i = 0; i < answer.option_count; i++)
        check_option(hub, &answer.options[i], &arena);
    for (uint32_t i = 0; i < answer.phone_first_count; i++)
        check_option(hub, &answer.phone_first[i], &arena);
    check_positions(hub, &answer);
    if (expected.options > 0)
        sim_cover(COVERED_FOUND_IN_FEDERATION);
    arena_finish(&arena);
}

static void same_list(struct fed_hub *a, struct fed_hub *b, const struct option *at_a, uint32_t count_a,
                      const struct option *at_b, uint32_t count_b)
{
    struct sim *sim = &a->world->sim;
    sim_require(sim, count_a == count_b, "hubs %u and %u stand alike and find %u and %u options", a->index, b->index,
                count_a, count_b);
    for (uint32_t i = 0; i < count_a; i++)
        sim_require(sim,
                    at_a[i].offer.vacancy_id == at_b[i].offer.vacancy_id &&
                        at_a[i].distance_metres == at_b[i].distance_metres,
                    "hubs %u and %u stand alike, but option %u differs", a->index, b->index, i);
}

void clients_same_answer(struct fed_hub *a, struct fed_hub *b)
{
    struct sim *sim = &a->world->sim;
    struct arena arena_a, arena_b;
    struct answer at_a, at_b;
    for (uint32_t region = 0; region < a->world->region_count; region++)
        if (a->world->truth->shown[a->index][region].entry != a->world->truth->shown[b->index][region].entry)
            return;
    find(a, sim->now_ms, &arena_a, &at_a);
    find(b, sim->now_ms, &arena_b, &at_b);
    same_list(a, b, at_a.options, at_a.option_count, at_b.options, at_b.option_count);
    same_list(a, b, at_a.phone_first, at_a.phone_first_count, at_b.phone_first, at_b.phone_first_count);
    arena_finish(&arena_a);
    arena_finish(&arena_b);
}
