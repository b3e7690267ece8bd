/*
 * teams.c - see teams.h. One thread.
 */
#include "tests/sim/federation/teams.h"

#include "daemon/base/text.h"
#include "daemon/record/bytes.h"
#include "daemon/record/hold.h"
#include "daemon/record/ids.h"
#include "proto/wire/message.h"
#include "tests/sim/federation/hubs.h"
#include "tests/sim/federation/network.h"
#include "vacancy/v1/agency_service.pb-c.h"
#include "vacancy/v1/federation_service.pb-c.h"
#include "vacancy/v1/placement_service.pb-c.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TEAMS_EACH  3 /* of a region */
#define ASKED       256
#define HOLDS       64
#define FLIGHTS     64
#define PLACEMENT   "/vacancy.v1.PlacementService/"
#define AGENCY      "/vacancy.v1.AgencyService/"
#define MS_US       INT64_C(1000)
#define LENGTHS     3
#define ARENA_BYTES (1u << 20)

static const struct {
    const char *authority, *dfe;
} authorities[WORLD_REGIONS_MAX] = {
    {"E08000021", "391"}, {"E08000003", "352"}, {"E08000035", "383"}, {"E06000018", "892"}, {"E08000025", "330"}};
static const int64_t lengths_s[LENGTHS] = {2, 60, 1800};

/* One call of a client's; lives in a ring, longer than any call does. */
struct asked {
    uint32_t hub, team;
    char request_id[REQUEST_ID_TEXT_BYTES], vacancy_id[ID_TEXT_BYTES], region[GSS_BYTES];
    uint32_t beds;
    int64_t length_s;
    bool used;
};

struct given {
    char hold_id[HOLD_ID_BYTES];
    uint32_t region, team; /* of the team */
    char agency[AGENCY_ID_BYTES];
    uint32_t beds;
};

/* A request from hub to hub. */
struct flight {
    struct forward *forward; /* NULL: free */
    struct world *world;
    uint64_t serial;
    uint32_t from, to, life;
    enum forward_end end;
    struct problem problem;
};

struct teams {
    struct asked asked[ASKED];
    struct given given[HOLDS];
    struct flight flights[FLIGHTS];
    uint32_t asked_count, given_count;
    uint64_t serials;
};

struct teams *teams_create(void)
{
    struct teams *teams = calloc(1, sizeof *teams);
    if (teams == NULL)
        abort();
    return teams;
}

void teams_destroy(struct teams *teams)
{
    for (int i = 0; i < FLIGHTS; i++)
        forward_destroy(teams->flights[i].forward);
    free(teams);
}

const char *teams_authority(uint32_t region)
{
    return authorities[region].authority;
}

/* --- from hub to hub ---------------------------------------------------------------------------------------------- */

static struct flight *flight_of(struct world *world, uint64_t serial)
{
    for (int i = 0; i < FLIGHTS; i++)
        if (world->teams->flights[i].forward != NULL && world->teams->flights[i].serial == serial)
            return &world->teams->flights[i];
    return NULL;
}

static void land(struct world *world, struct flight *flight, enum forward_end end, const struct problem *why)
{
    struct forward *forward = flight->forward;
    const struct mail mail = {
        .kind = forward->reply.kind, .to = forward->reply.to, .value = FORWARD_MAIL, .payload = forward};
    flight->forward = NULL;
    if (end == FORWARD_DOWN)
        forward->unreachable_since_ms = world->sim.now_ms;
    forward_settle(forward, end, why);
    mailbox_send_reserved(forward->reply.mailbox, &mail);
    fed_hub_turn_soon(world->hubs[flight->from]);
}

static void late(struct world *world, const struct event *event)
{
    struct flight *flight = flight_of(world, event->arg);
    if (flight != NULL) {
        sim_cover(COVERED_OUTCOME_UNKNOWN);
        land(world, flight, FORWARD_LATE, NULL);
    }
}

static void back(struct world *world, const struct event *event)
{
    struct flight *flight = flight_of(world, event->arg);
    if (flight != NULL)
        land(world, flight, flight->end, &flight->problem);
}

static void forward_answered(struct sim_call *call, const ProtobufCMessage *message)
{
    struct world *world = call->calls->of.fed_hub->world;
    struct flight *flight = flight_of(world, (uint64_t)(uintptr_t)call->user);
    if (flight == NULL)
        return;
    size_t bytes = protobuf_c_message_get_packed_size(message);
    uint8_t *data = malloc(bytes + 1);
    if (data == NULL)
        abort();
    free((void *)flight->forward->response.data);
    flight->forward->response = (struct octets){data, protobuf_c_message_pack(message, data)};
}

static int64_t way_us(struct world *world)
{
    return between(&world->sim, 100, once_in(&world->sim, 10) ? 3000 * MS_US : 20 * MS_US);
}

static void forward_ended(struct sim_call *call, const struct problem *problem)
{
    struct world *world = call->calls->of.fed_hub->world;
    struct flight *flight = flight_of(world, (uint64_t)(uintptr_t)call->user);
    if (flight == NULL || network_is_cut(world, flight->to, flight->from))
        return; /* the answer is lost */
    flight->end = problem->code == ERR_NONE ? FORWARD_ANSWERED : FORWARD_SAID;
    flight->problem = *problem;
    world_book(world, way_us(world), flight->from, back, flight->serial);
}

static void arrive(struct world *world, const struct event *event)
{
    static const struct client client = {.answered = forward_answered, .ended = forward_ended};
    struct flight *flight = flight_of(world, event->arg);
    if (flight == NULL || network_is_cut(world, flight->from, flight->to))
        return;
    struct fed_hub *to = world->hubs[flight->to], *from = world->hubs[flight->from];
    char name[SPIFFE_NAME_BYTES];
    uint8_t issuer[DIGEST_BYTES];
    struct arena arena;
    ProtobufCMessage *message;
    struct problem problem;
    fed_hub_name(from, name);
    fed_hub_issuer(from->region, issuer);
    arena_init(&arena, ARENA_BYTES);
    enum err err = message_unpack(&vacancy__v1__forward_request__descriptor, flight->forward->request.data,
                                  flight->forward->request.size, &arena, &message, &problem);
    sim_require(&world->sim, err == ERR_NONE, "what is forwarded can't be read: %s", problem.text);
    struct sim_call *call = call_begin_as(&to->calls, "/vacancy.v1.FederationService/Forward", name, issuer, &client,
                                          (void *)(uintptr_t)flight->serial);
    call_feed(call, message);
    arena_finish(&arena);
    fed_hub_turn_soon(to);
    sim_cover(COVERED_FORWARDED);
}

static enum err submit(void *ctx, struct forward *forward)
{
    struct fed_hub *hub = ctx;
    struct world *world = hub->world;
    uint32_t to = world_region_index(world, forward->region);
    struct flight *flight = NULL;
    for (int i = 0; i < FLIGHTS && flight == NULL; i++)
        if (world->teams->flights[i].forward == NULL)
            flight = &world->teams->flights[i];
    if (flight == NULL)
        return ERR_LIMIT;
    *flight = (struct flight){.forward = forward,
                              .world = world,
                              .serial = ++world->teams->serials,
                              .from = hub->index,
                              .to = to,
                              .life = hub->life,
                              .end = FORWARD_DOWN};
    if (to == UINT32_MAX || !world->hubs[to]->up || once_in(&world->sim, 20)) {
        flight->end = to == UINT32_MAX ? FORWARD_NO_REGION : FORWARD_DOWN;
        world_book(world, MS_US, hub->index, back, flight->serial);
        return ERR_NONE;
    }
    world_book(world, way_us(world), to, arrive, flight->serial);
    world_book(world, (forward->deadline_boot_ms - clock_boot_ms(&hub->clock)) * MS_US, hub->index, late,
               flight->serial);
    return ERR_NONE;
}

struct forward_port teams_forward_port(struct fed_hub *hub)
{
    return (struct forward_port){.submit = submit, .ctx = hub};
}

void teams_hub_gone(struct world *world, const struct fed_hub *hub)
{
    for (int i = 0; i < FLIGHTS; i++) {
        struct flight *flight = &world->teams->flights[i];
        if (flight->forward == NULL || flight->from != hub->index)
            continue;
        mailbox_unreserve(flight->forward->reply.mailbox);
        forward_destroy(flight->forward);
        flight->forward = NULL;
    }
}

/* --- what they are answered --------------------------------------------------------------------------------------- */

/* What is acknowledged is in the log of the region that has the vacancy, and nowhere else decided. */
static void check_given(struct world *world, const Vacancy__V1__HoldView *view)
{
    char region[GSS_BYTES];
    struct hold_token token;
    uint8_t key[HOLD_KEY_BYTES];
    sim_require(&world->sim, hold_id_parse(view->hold_id, region, &token), "a hold's id is %s", view->hold_id);
    uint32_t index = world_region_index(world, region);
    sim_require(&world->sim, index != UINT32_MAX, "a hold of region %s", region);
    hold_key(&token, key);
    const struct history *history = &world->truth->histories[index];
    for (uint32_t i = 0; i < history->count; i++) {
        const struct entry *entry = &history->entries[i];
        if (entry->table == LOG_TABLE_HOLD && entry->sequence == token.sequence && entry->epoch == token.epoch)
            return;
    }
    sim_fail(&world->sim, "hold %s was acknowledged, and no log has it", view->hold_id);
}

static void hold_answered(struct sim_call *call, const ProtobufCMessage *message)
{
    struct fed_hub *hub = call->calls->of.fed_hub;
    struct world *world = hub->world;
    const struct asked *asked = call->user;
    const Vacancy__V1__HoldView *view = ((const Vacancy__V1__HoldVacancyResponse *)message)->hold;
    struct given *given = &world->teams->given[world->teams->given_count++ % HOLDS];
    check_given(world, view);
    *given = (struct given){.region = hub->region, .team = asked->team, .beds = asked->beds};
    snprintf(given->hold_id, sizeof given->hold_id, "%s", view->hold_id);
    sim_cover(COVERED_HELD);
}

static void ended(struct sim_call *call, const struct problem *problem)
{
    struct fed_hub *hub = call->calls->of.fed_hub;
    switch (problem->code) {
    case ERR_NONE:
    case ERR_NOT_FOUND:
    case ERR_FORBIDDEN: /* lost in a restore */
    case ERR_PRECONDITION:
    case ERR_UNAVAILABLE:
    case ERR_DEADLINE:
    case ERR_LIMIT:
    case ERR_STALE:
    case ERR_STORE_FULL:
    case ERR_STORE_IO:
    case ERR_INVALID: /* the clock jumped */
        break;
    default:
        sim_fail(&hub->world->sim, "hub %u: %s was answered %s: %s", hub->index, call->call.method->path,
                 err_name(problem->code), problem->text);
    }
}

/* --- what they ask ------------------------------------------------------------------------------------------------ */

static void new_request_id(struct fed_hub *hub, char out[REQUEST_ID_TEXT_BYTES])
{
    int64_t made_ms = clock_wall_ms(&hub->clock);
    uint64_t chance = seeded_random_next(&hub->world->sim.chance);
    snprintf(out, REQUEST_ID_TEXT_BYTES, "%08" PRIx64 "-%04" PRIx64 "-7%03" PRIx64 "-8%03" PRIx64 "-%012" PRIx64,
             (uint64_t)made_ms >> 16 & 0xffffffff, (uint64_t)made_ms & 0xffff, chance >> 60 & 0xfff,
             chance >> 48 & 0xfff, chance & 0xffffffffffff);
}

/* A vacancy that some region's log had at some time; most are gone or changed since. False: none yet. */
static bool some_vacancy(struct world *world, struct asked *asked)
{
    uint32_t region = below(&world->sim, world->region_count);
    const struct history *history = &world->truth->histories[region];
    for (uint32_t tries = 0; tries < 40 && history->count > 0; tries++) {
        uint32_t near = history->count < 60 ? history->count : 60;
        const struct entry *entry = &history->entries[history->count - 1 - below(&world->sim, near)];
        const struct octets octets = {entry->value, entry->value_bytes};
        struct offer offer;
        if (entry->table != LOG_TABLE_OFFER || entry->deleted || offer_decode(&octets, &offer) != ERR_NONE ||
            (offer.beds_free == 0 && !once_in(&world->sim, 2)))
            continue;
        id_format(offer.vacancy_id, asked->vacancy_id);
        memcpy(asked->region, world_region(region), sizeof asked->region);
        asked->beds = 1 + below(&world->sim, offer.beds < 3 ? offer.beds : 2);
        return true;
    }
    return false;
}

static void begin(struct fed_hub *hub, const char *path, uint32_t team, const ProtobufCMessage *message,
                  const struct client *client, struct asked *asked)
{
    char name[PRINCIPAL_NAME_BYTES];
    uint8_t issuer[DIGEST_BYTES];
    snprintf(name, sizeof name, "spiffe://%s/region/%s/placement-team/%s/team-%u", WORLD_DOMAIN,
             world_region(hub->region), authorities[hub->region].authority, team);
    fed_hub_issuer(hub->region, issuer);
    call_feed(call_begin_as(&hub->calls, path, name, issuer, client, asked), message);
    fed_hub_turn_soon(hub);
}

static void ask_hold(struct fed_hub *hub)
{
    static const struct client client = {.answered = hold_answered, .ended = ended};
    struct world *world = hub->world;
    struct sim *sim = &world->sim;
    struct teams *teams = world->teams;
    struct asked *asked = &teams->asked[below(sim, ASKED)];
    char reference[REQUEST_REFERENCE_BYTES];
    if (asked->used && world->hubs[asked->hub]->region == hub->region && once_in(sim, 2)) {
        sim_cover(COVERED_HOLD_ASKED_AGAIN); /* the same call once more */
    } else {
        asked = &teams->asked[teams->asked_count++ % ASKED];
        *asked = (struct asked){.hub = hub->index, .team = below(sim, TEAMS_EACH), .used = true};
        if (!some_vacancy(world, asked)) {
            asked->used = false;
            return;
        }
        asked->length_s = lengths_s[below(sim, LENGTHS)];
        new_request_id(hub, asked->request_id);
    }
    Vacancy__V1__HoldVacancyRequest request = VACANCY__V1__HOLD_VACANCY_REQUEST__INIT;
    snprintf(reference, sizeof reference, "%s-204417", authorities[hub->region].dfe);
    request.request_id = asked->request_id;
    request.vacancy_id = asked->vacancy_id;
    request.region = asked->region;
    request.beds = asked->beds;
    request.duration_s = asked->length_s;
    request.request_reference = reference;
    begin(hub, PLACEMENT "HoldVacancy", asked->team, &request.base, &client, asked);
}

static void place(struct fed_hub *hub, const struct given *given, char *id, const struct client *client)
{
    Vacancy__V1__PlaceChildRequest request = VACANCY__V1__PLACE_CHILD_REQUEST__INIT;
    Vacancy__V1__Child children[CHILDREN_MAX], *list[CHILDREN_MAX];
    char starts_on[DATE_TEXT_BYTES];
    date_format(date_of_wall_ms(clock_wall_ms(&hub->clock)), starts_on);
    for (uint32_t i = 0; i < given->beds && i < CHILDREN_MAX; i++) {
        vacancy__v1__child__init(&children[i]);
        children[i].age_months = 120;
        children[i].sex = VACANCY__V1__SEX__SEX_F;
        list[i] = &children[i];
    }
    request.request_id = id;
    request.hold_id = (char *)given->hold_id;
    request.placement_code = VACANCY__V1__PLACEMENT_CODE__PLACEMENT_CODE_U6;
    request.starts_on = starts_on;
    request.n_children = given->beds;
    request.children = list;
    request.provider_consent = VACANCY__V1__CONSENT__CONSENT_GIVEN;
    request.authorities_consent = VACANCY__V1__CONSENT__CONSENT_GIVEN;
    begin(hub, PLACEMENT "PlaceChild", given->team, &request.base, client, NULL);
}

static void ask_of_hold(struct fed_hub *hub, const struct given *given)
{
    static const struct client client = {.ended = ended};
    char id[REQUEST_ID_TEXT_BYTES];
    new_request_id(hub, id);
    uint32_t team = once_in(&hub->world->sim, 12) ? below(&hub->world->sim, TEAMS_EACH) : given->team;
    switch (below(&hub->world->sim, 4)) {
    case 0: {
        Vacancy__V1__ExtendHoldRequest request = VACANCY__V1__EXTEND_HOLD_REQUEST__INIT;
        request.request_id = id;
        request.hold_id = (char *)given->hold_id;
        request.duration_s = lengths_s[below(&hub->world->sim, LENGTHS)];
        begin(hub, PLACEMENT "ExtendHold", team, &request.base, &client, NULL);
        break;
    }
    case 1: {
        Vacancy__V1__ReleaseHoldRequest request = VACANCY__V1__RELEASE_HOLD_REQUEST__INIT;
        request.request_id = id;
        request.hold_id = (char *)given->hold_id;
        begin(hub, PLACEMENT "ReleaseHold", team, &request.base, &client, NULL);
        break;
    }
    case 2: {
        Vacancy__V1__GetHoldRequest request = VACANCY__V1__GET_HOLD_REQUEST__INIT;
        request.hold_id = (char *)given->hold_id;
        begin(hub, PLACEMENT "GetHold", team, &request.base, &client, NULL);
        break;
    }
    default:
        place(hub, given, id, &client);
    }
}

/* The agency of any of the region's answers; most often not the hold's own. */
static void answer(struct fed_hub *hub, const struct given *given)
{
    static const struct client client = {.ended = ended};
    char name[PRINCIPAL_NAME_BYTES];
    uint8_t issuer[DIGEST_BYTES];
    snprintf(name, sizeof name, "spiffe://%s/region/%s/agency/agency-%u-%u", WORLD_DOMAIN, world_region(hub->region),
             hub->region, below(&hub->world->sim, 2));
    fed_hub_issuer(hub->region, issuer);
    Vacancy__V1__AcceptHoldRequest accept = VACANCY__V1__ACCEPT_HOLD_REQUEST__INIT;
    Vacancy__V1__DeclineHoldRequest decline = VACANCY__V1__DECLINE_HOLD_REQUEST__INIT;
    bool yes = once_in(&hub->world->sim, 2);
    accept.hold_id = decline.hold_id = (char *)given->hold_id;
    decline.reason = VACANCY__V1__DECLINE_REASON__DECLINE_REASON_NOT_SUITABLE;
    call_feed(call_begin_as(&hub->calls, yes ? AGENCY "AcceptHold" : AGENCY "DeclineHold", name, issuer, &client, NULL),
              yes ? &accept.base : &decline.base);
    fed_hub_turn_soon(hub);
}

void teams_ask(struct fed_hub *hub)
{
    struct teams *teams = hub->world->teams;
    struct sim *sim = &hub->world->sim;
    uint32_t known = teams->given_count < HOLDS ? teams->given_count : HOLDS;
    const struct given *given = known > 0 ? &teams->given[below(sim, known)] : NULL;
    if (given == NULL || once_in(sim, 2))
        ask_hold(hub);
    else if (given->region == hub->region)
        ask_of_hold(hub, given);
    else if (strncmp(given->hold_id, world_region(hub->region), GSS_BYTES - 1) == 0)
        answer(hub, given);
}
