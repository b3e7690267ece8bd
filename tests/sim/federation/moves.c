/*
 * moves.c - see moves.h. One thread.
 */
#include "tests/sim/federation/moves.h"

#include "tests/sim/contents.h"
#include "tests/sim/federation/hubs.h"
#include "tests/sim/requests.h"
#include "vacancy/v1/agency_service.pb-c.h"
#include "vacancy/v1/shared.pb-c.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CODES           32 /* a ring */
#define CARERS          3  /* pushed by each */
#define FIRST_REFERENCE 8

struct moves {
    char codes[CODES][TRANSFER_CODE_BYTES];
    uint32_t count;
    bool registered[WORLD_REGIONS_MAX];
};

struct moves *moves_create(void)
{
    struct moves *moves = calloc(1, sizeof *moves);
    if (moves == NULL)
        abort();
    return moves;
}

void moves_destroy(struct moves *moves)
{
    free(moves);
}

/* --- what is asked ------------------------------------------------------------------------------------------------ */

static void ask(struct fed_hub *hub, const char *path, bool operator, const struct client * client,
                const ProtobufCMessage *message)
{
    char name[PRINCIPAL_NAME_BYTES];
    uint8_t issuer[DIGEST_BYTES];
    if (operator)
        snprintf(name, sizeof name, "spiffe://%s/region/%s/operator/duty", WORLD_DOMAIN, world_region(hub->region));
    else
        snprintf(name, sizeof name, "spiffe://%s/region/%s/agency/agency-%u-%u", WORLD_DOMAIN,
                 world_region(hub->region), hub->region, MOVES_AGENCY);
    fed_hub_issuer(hub->region, issuer);
    call_feed(call_begin_as(&hub->calls, path, name, issuer, client, hub->world), message);
    fed_hub_turn_soon(hub);
}

static void put(struct moves *moves, struct fed_hub *hub)
{
    static const struct client nobody;
    static struct operation operation;
    struct sim *sim = &hub->world->sim;
    bool agency = !moves->registered[hub->region] || once_in(sim, 10);
    memset(&operation, 0, sizeof operation);
    operation.agency = hub->region;
    operation.reference = FIRST_REFERENCE + below(sim, CARERS);
    operation.observed_at_ms = clock_wall_ms(&hub->clock);
    operation.kind = agency ? UPDATE_PUT_AGENCY : UPDATE_PUT_CARER;
    if (agency) {
        snprintf(operation.agency_row.id, AGENCY_ID_BYTES, "agency-%u-%u", hub->region, MOVES_AGENCY);
        strcpy(operation.agency_row.name, "Agency whose carers move");
        strcpy(operation.agency_row.phone, "0113 496 0008");
        strcpy(operation.agency_row.ofsted_urn, "SC654322");
        operation.agency_row.kind = AGENCY_INDEPENDENT;
        operation.agency_row.status = AGENCY_ACTIVE;
        moves->registered[hub->region] = true;
    } else {
        content_carer(sim, date_of_wall_ms(operation.observed_at_ms), &operation, &operation.carer);
    }
    ask(hub, request_path(&operation), agency, &nobody, request_message(&operation));
}

static void released(struct sim_call *call, const ProtobufCMessage *message)
{
    struct moves *moves = ((struct world *)call->user)->moves;
    const Vacancy__V1__ReleaseCarerResponse *response = (const Vacancy__V1__ReleaseCarerResponse *)message;
    snprintf(moves->codes[moves->count++ % CODES], TRANSFER_CODE_BYTES, "%s", response->transfer_code);
    sim_cover(COVERED_CARER_RELEASED);
}

static void release(struct fed_hub *hub)
{
    static const struct client client = {.answered = released};
    Vacancy__V1__ReleaseCarerRequest request = VACANCY__V1__RELEASE_CARER_REQUEST__INIT;
    char reference[AGENCY_REFERENCE_BYTES];
    carer_reference(hub->region, FIRST_REFERENCE + below(&hub->world->sim, CARERS), reference);
    request.agency_reference = reference;
    ask(hub, "/vacancy.v1.AgencyService/ReleaseCarer", false, &client, &request.base);
}

static void taken(struct sim_call *call, const ProtobufCMessage *message)
{
    (void)call;
    (void)message;
    sim_cover(COVERED_CARER_TAKEN_OVER);
}

static void take_over(struct moves *moves, struct fed_hub *hub)
{
    static const struct client client = {.answered = taken};
    Vacancy__V1__TakeOverCarerRequest request = VACANCY__V1__TAKE_OVER_CARER_REQUEST__INIT;
    char reference[AGENCY_REFERENCE_BYTES];
    if (moves->count == 0)
        return;
    uint32_t which = below(&hub->world->sim, moves->count < CODES ? moves->count : CODES);
    snprintf(reference, sizeof reference, "Taken-%u", which);
    request.transfer_code = moves->codes[which];
    request.agency_reference = reference;
    ask(hub, "/vacancy.v1.AgencyService/TakeOverCarer", false, &client, &request.base);
}

void moves_run(struct moves *moves, struct fed_hub *hub)
{
    uint32_t which = below(&hub->world->sim, 4);
    if (which == 0 || !moves->registered[hub->region])
        put(moves, hub);
    else if (which == 1)
        release(hub);
    else
        take_over(moves, hub);
}
