/*
 * moves.c - see moves.h. One thread.
 */
#include "tests/sim/federation/moves.h"

#include "tests/sim/contents.h"
#include "tests/sim/federation/hubs.h"
#include "tests/sim/requests.h"
#include "vacancy/v1/agency_service.pb-c.h"
#include "vacancy/v1/shared.pb-c.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CODES           32 /* a ring */
#define CARERS          2  /* pushed by each */
#define FIRST_REFERENCE 8
#define TAKEN_REFERENCE                                                                                                \
    16 /* and after, by code: a code has one reference, as an agency would send the same call again */

struct moves {
    char codes[CODES][TRANSFER_CODE_BYTES];
    uint32_t count;
    bool registered[WORLD_REGIONS_MAX][MOVES_EACH];
    uint32_t taken[WORLD_REGIONS_MAX][MOVES_EACH]; /* the reference of the last; 0: none */
};

/* Who asks for what. */
struct mover {
    struct moves *moves;
    struct fed_hub *hub;
    uint32_t agency;
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

static void agency_id_of(const struct mover *mover, char out[AGENCY_ID_BYTES])
{
    snprintf(out, AGENCY_ID_BYTES, "agency-%u-%u", mover->hub->region, MOVES_AGENCY + mover->agency);
}

static void ask(const struct mover *mover, const char *path, bool operator, const struct client * client,
                const ProtobufCMessage *message)
{
    struct fed_hub *hub = mover->hub;
    char id[AGENCY_ID_BYTES], name[PRINCIPAL_NAME_BYTES];
    uint8_t issuer[DIGEST_BYTES];
    agency_id_of(mover, id);
    if (operator)
        snprintf(name, sizeof name, "spiffe://%s/region/%s/operator/duty", WORLD_DOMAIN, world_region(hub->region));
    else
        snprintf(name, sizeof name, "spiffe://%s/region/%s/agency/%s", WORLD_DOMAIN, world_region(hub->region), id);
    fed_hub_issuer(hub->region, issuer);
    call_feed(call_begin_as(&hub->calls, path, name, issuer, client, hub->world), message);
    fed_hub_turn_soon(hub);
}

/* Mostly one of the last few; there is one. */
static uint32_t some_code(const struct mover *mover)
{
    struct sim *sim = &mover->hub->world->sim;
    uint32_t known = mover->moves->count < CODES ? mover->moves->count : CODES;
    uint32_t back = below(sim, once_in(sim, 4) || known < 3 ? known : 3);
    return (mover->moves->count - 1 - back) % CODES;
}

/* --- pushes ------------------------------------------------------------------------------------------------------- */

static void push(const struct mover *mover, enum update_kind kind, uint32_t reference)
{
    static const struct client nobody;
    static struct operation operation;
    struct sim *sim = &mover->hub->world->sim;
    memset(&operation, 0, sizeof operation);
    operation.kind = kind;
    operation.agency = mover->hub->region;
    operation.reference = reference;
    operation.observed_at_ms = clock_wall_ms(&mover->hub->clock);
    struct agency *row = &operation.agency_row;
    struct carer *carer = &operation.carer;
    struct vacancy *vacancy = &operation.vacancy;
    switch (kind) {
    case UPDATE_PUT_AGENCY:
        agency_id_of(mover, row->id);
        strcpy(row->name, "Agency whose carers move");
        strcpy(row->phone, "0113 496 0008");
        strcpy(row->ofsted_urn, "SC654322");
        row->kind = AGENCY_INDEPENDENT;
        row->status = AGENCY_ACTIVE;
        break;
    case UPDATE_PUT_CARER:
        content_carer(sim, date_of_wall_ms(operation.observed_at_ms), &operation, carer);
        carer->approval_ends_on = DATE_NONE;
        carer->places = carer->terms.max_children = carer->terms.max_children_if_siblings = 4;
        carer->placed_count = 0;
        break;
    default:
        vacancy->from = vacancy->until = vacancy->reserved_until = DATE_NONE;
        vacancy->stated = vacancy->state = VACANCY_VACANT;
        vacancy->beds = 1 + below(sim, 3);
        break;
    }
    ask(mover, request_path(&operation), kind == UPDATE_PUT_AGENCY, &nobody, request_message(&operation));
}

static void put(const struct mover *mover)
{
    uint32_t reference = FIRST_REFERENCE + below(&mover->hub->world->sim, CARERS);
    push(mover, UPDATE_PUT_CARER, reference);
    push(mover, UPDATE_PUT_VACANCY, reference);
}

static uint32_t taken_last(const struct mover *mover)
{
    return mover->moves->taken[mover->hub->region][mover->agency];
}

static void state_anew(const struct mover *mover)
{
    if (taken_last(mover) != 0)
        push(mover, UPDATE_PUT_VACANCY, taken_last(mover));
}

/* --- moves -------------------------------------------------------------------------------------------------------- */

static void released(struct sim_call *call, const ProtobufCMessage *message)
{
    struct moves *moves = ((struct world *)call->user)->moves;
    const Vacancy__V1__ReleaseCarerResponse *response = (const Vacancy__V1__ReleaseCarerResponse *)message;
    snprintf(moves->codes[moves->count++ % CODES], TRANSFER_CODE_BYTES, "%s", response->transfer_code);
    sim_cover(COVERED_CARER_RELEASED);
}

/* One that it pushed, or one that it took over. */
static void release(const struct mover *mover)
{
    static const struct client client = {.answered = released};
    struct sim *sim = &mover->hub->world->sim;
    Vacancy__V1__ReleaseCarerRequest request = VACANCY__V1__RELEASE_CARER_REQUEST__INIT;
    char reference[AGENCY_REFERENCE_BYTES];
    bool taken = taken_last(mover) != 0 && once_in(sim, 3);
    carer_reference(mover->hub->region, taken ? taken_last(mover) : FIRST_REFERENCE + below(sim, CARERS), reference);
    request.agency_reference = reference;
    ask(mover, "/vacancy.v1.AgencyService/ReleaseCarer", false, &client, &request.base);
}

static void taken(struct sim_call *call, const ProtobufCMessage *message)
{
    const Vacancy__V1__TakeOverCarerResponse *response = (const Vacancy__V1__TakeOverCarerResponse *)message;
    const struct fed_hub *hub = call->calls->of.fed_hub;
    char text[AGENCY_REFERENCE_BYTES];
    sim_cover(COVERED_CARER_TAKEN_OVER);
    for (uint32_t i = 0; response->carer != NULL && response->carer->carer != NULL && i < CODES * MOVES_EACH; i++) {
        carer_reference(hub->region, TAKEN_REFERENCE + i, text);
        if (strcmp(response->carer->carer->agency_reference, text) == 0)
            hub->world->moves->taken[hub->region][i % MOVES_EACH] = TAKEN_REFERENCE + i;
    }
}

/* Now and then twice at once: whoever waits too long asks again. */
static void take_over(const struct mover *mover)
{
    static const struct client client = {.answered = taken};
    Vacancy__V1__TakeOverCarerRequest request = VACANCY__V1__TAKE_OVER_CARER_REQUEST__INIT;
    char reference[AGENCY_REFERENCE_BYTES];
    if (mover->moves->count == 0)
        return;
    uint32_t which = some_code(mover);
    carer_reference(mover->hub->region, TAKEN_REFERENCE + which * MOVES_EACH + mover->agency, reference);
    request.transfer_code = mover->moves->codes[which];
    request.agency_reference = reference;
    for (uint32_t times = once_in(&mover->hub->world->sim, 4) ? 2 : 1; times > 0; times--)
        ask(mover, "/vacancy.v1.AgencyService/TakeOverCarer", false, &client, &request.base);
}

void moves_run(struct moves *moves, struct fed_hub *hub)
{
    static void (*const actions[])(const struct mover *mover) = {put,     state_anew, state_anew, release,
                                                                 release, take_over,  take_over,  take_over};
    struct sim *sim = &hub->world->sim;
    const struct mover mover = {moves, hub, below(sim, MOVES_EACH)};
    bool *registered = &moves->registered[hub->region][mover.agency];
    if (!*registered || once_in(sim, 40)) {
        push(&mover, UPDATE_PUT_AGENCY, 0);
        *registered = true;
        put(&mover);
    } else {
        actions[below(sim, sizeof actions / sizeof actions[0])](&mover);
    }
}
