/*
 * syncs.c - see syncs.h. One thread.
 */
#include "tests/sim/federation/syncs.h"

#include "tests/sim/contents.h"
#include "tests/sim/federation/hubs.h"
#include "tests/sim/requests.h"
#include "vacancy/v1/agency_service.pb-c.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CARERS          4
#define FIRST_REFERENCE 4 /* texts of their own (model.h) */
#define RECORDS_MAX     (2 * CARERS)
#define PACKED_MAX      2048
#define CUT_MAX_US      INT64_C(4000)
#define RUN_MAX_US      INT64_C(15000000) /* a call's deadline and more */
#define LOOK_US         INT64_C(50000)
#define SETTLED_US      INT64_C(500000)
#define SETTLED_MAX_US  INT64_C(30000000)
#define GRPC_REFUSED    9 /* FAILED_PRECONDITION */

/* What the agency's own system says of one carer. */
struct row {
    struct operation carer, vacancy;
    bool vacant;
};

/* What the hub lists of it. */
struct listed {
    bool carer_same, vacant, vacancy_same;
};

struct sync {
    struct row file[CARERS];
    bool written;
    struct listed listed[CARERS];
    struct operation operations[RECORDS_MAX]; /* of this run */
    uint32_t count, answered;
    uint32_t pushed_of;                /* bits: carers that this run pushes */
    uint32_t refused_of;               /* bits: carers of which a record was refused because of holds */
    struct sim_call *listing, *submit; /* under way */
    struct fed_hub *hub;
    uint32_t life;
    int64_t until_us; /* of the run */
    bool lost; /* some carer is listed without its reference: what vacancy it has shows when it was pushed again */
    bool whole, under_way, ended_well;
    char why[PROBLEM_TEXT_BYTES]; /* it ended as it did */
};

struct syncs {
    struct sync of[WORLD_REGIONS_MAX];
};

struct syncs *syncs_create(void)
{
    struct syncs *syncs = calloc(1, sizeof *syncs);
    if (syncs == NULL)
        abort();
    return syncs;
}

void syncs_destroy(struct syncs *syncs)
{
    free(syncs);
}

/* --- the file ----------------------------------------------------------------------------------------------------- */

static void agency_id_of(uint32_t region, char out[AGENCY_ID_BYTES])
{
    snprintf(out, AGENCY_ID_BYTES, "agency-%u-%u", region, SYNCS_AGENCY);
}

static void begin_operation(const struct fed_hub *hub, uint32_t i, enum update_kind kind, struct operation *out)
{
    memset(out, 0, sizeof *out);
    out->kind = kind;
    out->agency = hub->region;
    out->reference = FIRST_REFERENCE + i;
}

/* Never against its approval, so that only holds can refuse it. */
static void write_carer(struct fed_hub *hub, uint32_t i, struct row *row)
{
    struct sim *sim = &hub->world->sim;
    struct carer *carer = &row->carer.carer;
    begin_operation(hub, i, UPDATE_PUT_CARER, &row->carer);
    content_carer(sim, date_of_wall_ms(sim->now_ms), &row->carer, carer);
    carer->approval_ends_on = DATE_NONE;
    carer->places = 4;
    carer->placed_count = 0;
    carer->terms.max_children = carer->terms.max_children_if_siblings = 4;
}

static void write_vacancy(struct fed_hub *hub, uint32_t i, struct row *row)
{
    struct sim *sim = &hub->world->sim;
    struct vacancy *vacancy = &row->vacancy.vacancy;
    begin_operation(hub, i, UPDATE_PUT_VACANCY, &row->vacancy);
    vacancy->from = vacancy->until = vacancy->reserved_until = DATE_NONE;
    vacancy->stated = vacancy->state = VACANCY_VACANT;
    vacancy->beds = 1 + below(sim, 3);
    vacancy->on_call = once_in(sim, 3);
    row->vacant = !once_in(sim, 3);
}

static void write_file(struct fed_hub *hub, struct sync *sync)
{
    struct sim *sim = &hub->world->sim;
    for (uint32_t i = 0; i < CARERS; i++) {
        if (!sync->written || once_in(sim, 3))
            write_carer(hub, i, &sync->file[i]);
        if (!sync->written || once_in(sim, 2))
            write_vacancy(hub, i, &sync->file[i]);
    }
    sync->written = true;
}

/* --- what is listed ----------------------------------------------------------------------------------------------- */

static bool same_message(const ProtobufCMessage *a, const ProtobufCMessage *b)
{
    static uint8_t packed_a[PACKED_MAX], packed_b[PACKED_MAX];
    size_t bytes = protobuf_c_message_get_packed_size(a);
    if (bytes > PACKED_MAX || bytes != protobuf_c_message_get_packed_size(b))
        return false;
    protobuf_c_message_pack(a, packed_a);
    protobuf_c_message_pack(b, packed_b);
    return memcmp(packed_a, packed_b, bytes) == 0;
}

/* All but when it was seen; and children whom teams have placed since. */
static bool same_carer(const Vacancy__V1__Carer *listed, const struct operation *operation)
{
    const Vacancy__V1__PutCarerRequest *request = (const Vacancy__V1__PutCarerRequest *)request_message(operation);
    Vacancy__V1__Carer carer = *listed;
    carer.observed_at_ms = request->carer->observed_at_ms;
    carer.n_placed_children = 0;
    return same_message(&carer.base, &request->carer->base);
}

static bool same_vacancy(const Vacancy__V1__Vacancy *listed, const struct operation *operation)
{
    const Vacancy__V1__PutVacancyRequest *request = (const Vacancy__V1__PutVacancyRequest *)request_message(operation);
    Vacancy__V1__Vacancy vacancy = *listed;
    vacancy.observed_at_ms = request->vacancy->observed_at_ms;
    return same_message(&vacancy.base, &request->vacancy->base);
}

static void take_listed(struct sim_call *call, const ProtobufCMessage *message)
{
    struct sync *sync = call->user;
    const Vacancy__V1__CarerView *view = ((const Vacancy__V1__ListCarersResponse *)message)->carer;
    char text[AGENCY_REFERENCE_BYTES];
    sync->lost = sync->lost || view->lost_in_restore;
    for (uint32_t i = 0; i < CARERS && view->carer != NULL; i++) {
        const struct row *row = &sync->file[i];
        struct listed *listed = &sync->listed[i];
        carer_reference(row->carer.agency, row->carer.reference, text);
        if (strcmp(view->carer->agency_reference, text) != 0)
            continue;
        listed->carer_same = same_carer(view->carer, &row->carer);
        listed->vacant = view->vacancy != NULL;
        listed->vacancy_same = listed->vacant &&
                               view->vacancy->state != VACANCY__V1__VACANCY_STATE__VACANCY_STATE_LAPSED &&
                               same_vacancy(view->vacancy->vacancy, &row->vacancy);
    }
}

static void add(struct sync *sync, const struct operation *operation, enum update_kind kind, int64_t observed_at_ms)
{
    struct operation *out = &sync->operations[sync->count++];
    *out = *operation;
    out->kind = kind;
    out->observed_at_ms = observed_at_ms;
}

static void make_difference(struct sync *sync, int64_t observed_at_ms)
{
    sync->count = sync->pushed_of = 0;
    for (uint32_t i = 0; i < CARERS; i++) {
        const struct row *row = &sync->file[i];
        const struct listed *listed = &sync->listed[i];
        if (!listed->carer_same) {
            add(sync, &row->carer, UPDATE_PUT_CARER, observed_at_ms);
            sync->pushed_of |= 1u << i;
        }
        if (row->vacant && !listed->vacancy_same)
            add(sync, &row->vacancy, UPDATE_PUT_VACANCY, observed_at_ms);
        if (!row->vacant && listed->vacant)
            add(sync, &row->vacancy, UPDATE_WITHDRAW, observed_at_ms);
    }
}

/* --- the stream --------------------------------------------------------------------------------------------------- */

static struct sim_call *begin_call(struct sync *sync, const char *path, const struct client *client)
{
    char id[AGENCY_ID_BYTES], name[PRINCIPAL_NAME_BYTES];
    uint8_t issuer[DIGEST_BYTES];
    uint32_t region = sync->hub->region;
    agency_id_of(region, id);
    snprintf(name, sizeof name, "spiffe://%s/region/%s/agency/%s", WORLD_DOMAIN, world_region(region), id);
    fed_hub_issuer(region, issuer);
    return call_begin_as(&sync->hub->calls, path, name, issuer, client, sync);
}

static void submit_answered(struct sim_call *call, const ProtobufCMessage *message)
{
    struct sync *sync = call->user;
    struct world *world = sync->hub->world;
    const Vacancy__V1__SubmitResponse *response = (const Vacancy__V1__SubmitResponse *)message;
    sim_require(&world->sim, response->tag == sync->answered && response->tag < sync->count,
                "hub %u answers record %" PRIu64 " of a stream where %u was next", sync->hub->index, response->tag,
                sync->answered);
    const struct operation *operation = &sync->operations[sync->answered++];
    sim_note(&world->sim, "hub %u: record %" PRIu64 " of a sync, kind %d: %u %s", sync->hub->index, response->tag,
             (int)operation->kind, response->code, response->message);
    if (response->code == GRPC_REFUSED)
        sync->refused_of |= 1u << (operation->reference - FIRST_REFERENCE);
}

static void submit_ended(struct sim_call *call, const struct problem *problem)
{
    struct sync *sync = call->user;
    sync->submit = NULL;
    sync->under_way = false;
    sync->ended_well = problem->code == ERR_NONE;
    snprintf(sync->why, sizeof sync->why, "%s", problem->text);
    if (!sync->ended_well)
        return;
    sim_require(&sync->hub->world->sim, sync->answered == sync->count,
                "hub %u ends a stream of %u records well, and has answered %u", sync->hub->index, sync->count,
                sync->answered);
    sim_cover(COVERED_SYNC_RUN);
}

/* What has reached the hub of the stream is all that will; or the hub goes as well. */
static void cut_off(struct world *world, const struct event *event)
{
    struct fed_hub *hub = world->hubs[event->hub];
    struct sync *sync = &world->syncs->of[hub->region];
    if (sync->hub != hub || sync->life != hub->life || sync->submit == NULL || !hub->up)
        return;
    sim_note(&world->sim, "hub %u: a sync is cut off after %u of %u answers", hub->index, sync->answered, sync->count);
    sim_cover(COVERED_SYNC_CUT);
    bool crash = once_in(&world->sim, 4) && world->sim.step <= world->sim.steps;
    call_cancel(sync->submit);
    sync->submit = NULL;
    sync->under_way = false;
    if (crash)
        fed_hub_kill(hub, once_in(&world->sim, 2));
    else
        fed_hub_turn_soon(hub);
}

static void send_difference(struct sync *sync)
{
    static const struct client client = {.answered = submit_answered, .ended = submit_ended};
    struct world *world = sync->hub->world;
    uint32_t most = sync->whole ? sync->count : below(&world->sim, sync->count + 1);
    struct sim_call *call = begin_call(sync, "/vacancy.v1.AgencyService/Submit", &client);
    sync->submit = call;
    sync->answered = 0;
    for (uint32_t i = 0; i < most; i++)
        call_feed(call, request_submit(&sync->operations[i], i));
    if (most == sync->count)
        call_half_close(call);
    if (!sync->whole)
        world_book(world, between(&world->sim, 0, CUT_MAX_US), sync->hub->index, cut_off, 0);
}

static void listing_ended(struct sim_call *call, const struct problem *problem)
{
    struct sync *sync = call->user;
    sync->listing = NULL;
    sync->under_way = false;
    sync->ended_well = problem->code == ERR_NONE;
    snprintf(sync->why, sizeof sync->why, "%s", problem->text);
    if (!sync->ended_well)
        return;
    make_difference(sync, sync->hub->world->sim.now_ms);
    if (sync->count == 0)
        return;
    sync->under_way = true;
    send_difference(sync);
    fed_hub_turn_soon(sync->hub);
}

/* What took too long is given up: it would answer the next run. Of a process that is gone nothing is left. */
static void give_up(struct sync *sync)
{
    bool alive = sync->hub != NULL && sync->hub->up && sync->life == sync->hub->life;
    if (alive && sync->listing != NULL)
        call_cancel(sync->listing);
    if (alive && sync->submit != NULL)
        call_cancel(sync->submit);
    sync->listing = sync->submit = NULL;
}

static void run(struct sync *sync, struct fed_hub *hub, bool whole)
{
    static const struct client client = {.answered = take_listed, .ended = listing_ended};
    static const Vacancy__V1__ListCarersRequest all = VACANCY__V1__LIST_CARERS_REQUEST__INIT;
    give_up(sync);
    memset(sync->listed, 0, sizeof sync->listed);
    sync->count = sync->answered = sync->refused_of = 0;
    sync->hub = hub;
    sync->life = hub->life;
    sync->until_us = hub->world->now_us + RUN_MAX_US;
    sync->whole = whole;
    sync->under_way = true;
    sync->lost = sync->ended_well = false;
    sync->why[0] = '\0';
    sync->listing = begin_call(sync, "/vacancy.v1.AgencyService/ListCarers", &client);
    call_feed(sync->listing, &all.base);
    fed_hub_turn_soon(hub);
}

/* --- the agency itself -------------------------------------------------------------------------------------------- */

static void put_agency(struct fed_hub *hub)
{
    static const struct client nobody;
    static struct operation operation;
    struct agency *row = &operation.agency_row;
    char name[PRINCIPAL_NAME_BYTES];
    uint8_t issuer[DIGEST_BYTES];
    memset(&operation, 0, sizeof operation);
    operation.kind = UPDATE_PUT_AGENCY;
    agency_id_of(hub->region, row->id);
    snprintf(row->name, sizeof row->name, "Agency with a file, of region %u", hub->region);
    strcpy(row->phone, "0113 496 0009");
    row->kind = AGENCY_INDEPENDENT;
    row->status = AGENCY_ACTIVE;
    strcpy(row->ofsted_urn, "SC654321");
    snprintf(name, sizeof name, "spiffe://%s/region/%s/operator/duty", WORLD_DOMAIN, world_region(hub->region));
    fed_hub_issuer(hub->region, issuer);
    struct sim_call *call = call_begin_as(&hub->calls, request_path(&operation), name, issuer, &nobody, NULL);
    call_feed(call, request_message(&operation));
    fed_hub_turn_soon(hub);
}

static bool busy(const struct sync *sync, const struct world *world)
{
    return sync->under_way && sync->hub->up && sync->life == sync->hub->life && world->now_us < sync->until_us;
}

void syncs_run(struct syncs *syncs, struct fed_hub *hub)
{
    struct sync *sync = &syncs->of[hub->region];
    struct sim *sim = &hub->world->sim;
    if (busy(sync, hub->world))
        return;
    bool registered = sync->written && !once_in(sim, 8);
    if (!sync->written || once_in(sim, 2))
        write_file(hub, sync);
    if (registered)
        run(sync, hub, once_in(sim, 3));
    else
        put_agency(hub);
}

/* --- at the end --------------------------------------------------------------------------------------------------- */

/* A writer's turn that was slow when it was booked may be some seconds in coming; and a restore may have lost the
 * agency. */
static void run_to_its_end(struct sync *sync, struct fed_hub *home)
{
    struct world *world = home->world;
    int64_t until_us = world->now_us + SETTLED_MAX_US;
    for (;;) {
        run(sync, home, true);
        while (busy(sync, world))
            world_run_until(world, world->now_us + LOOK_US);
        if (!sync->under_way && sync->ended_well)
            return;
        sim_require(&world->sim, world->now_us < until_us, "all is well, but at hub %u a sync does not end: %s",
                    home->index, sync->why);
        put_agency(home);
        world_run_until(world, world->now_us + SETTLED_US);
    }
}

static uint32_t logged_offers(const struct world *world, const struct fed_hub *home)
{
    char id[AGENCY_ID_BYTES];
    uint32_t count = 0;
    agency_id_of(home->region, id);
    for (uint32_t i = home->head; i != NO_ENTRY; i = truth_entry(world, home->region, i)->parent) {
        const struct entry *entry = truth_entry(world, home->region, i);
        const struct octets octets = {entry->value, entry->value_bytes};
        struct offer offer;
        if (entry->table != LOG_TABLE_OFFER || entry->deleted ||
            truth_record(world, home->region, home->head, entry->table, entry->key, entry->key_bytes) != entry)
            continue;
        if (offer_decode(&octets, &offer) != ERR_NONE)
            abort();
        count += strcmp(offer.agency, id) == 0;
    }
    return count;
}

/* What a carer's push has made lapse, being believed less long now, is the next run's to confirm (docs/states.md):
 * whether that is all it had to do, beside what holds keep refusing. */
static bool only_lapsed(const struct sync *sync, uint32_t pushed_of, uint32_t refused_of)
{
    bool any = false;
    for (uint32_t i = 0; i < sync->count; i++) {
        uint32_t carer = 1u << (sync->operations[i].reference - FIRST_REFERENCE);
        bool lapsed = sync->operations[i].kind == UPDATE_PUT_VACANCY && (pushed_of & carer) != 0;
        if (!lapsed && (refused_of & carer) == 0)
            return false;
        any = any || lapsed;
    }
    return any;
}

void syncs_check(struct world *world, struct fed_hub *home)
{
    struct sync *sync = &world->syncs->of[home->region];
    uint32_t wanted = 0;
    if (!sync->written)
        write_file(home, sync);
    home->wall_error_ms = 0; /* or nothing that the agency's right clock says would be taken */
    run_to_its_end(sync, home);
    if (sync->lost)
        run_to_its_end(sync, home);
    uint32_t refused = sync->refused_of, done = sync->count, pushed = sync->pushed_of;
    run_to_its_end(sync, home);
    if (only_lapsed(sync, pushed, refused)) {
        refused |= sync->refused_of;
        run_to_its_end(sync, home);
    }
    for (uint32_t i = 0; i < sync->count; i++)
        sim_require(&world->sim, refused & 1u << (sync->operations[i].reference - FIRST_REFERENCE),
                    "hub %u: a sync of %u records ran to its end, and the next one finds kind %d for carer %u to do",
                    home->index, done, (int)sync->operations[i].kind, sync->operations[i].reference);
    for (uint32_t i = 0; i < CARERS; i++)
        wanted += sync->file[i].vacant && !sync->file[i].carer.carer.terms.named_child_only; /* those aren't shared */
    if (refused == 0)
        sim_require(&world->sim, logged_offers(world, home) == wanted,
                    "hub %u: the log has %u offers of a file that has %u", home->index, logged_offers(world, home),
                    wanted);
    sim_cover(refused == 0 ? COVERED_SYNC_SETTLED : COVERED_SYNC_REFUSED_FOR_HOLDS);
}
