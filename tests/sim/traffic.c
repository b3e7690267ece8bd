/*
 * traffic.c - writes; see traffic.h. One thread; the operations are static and of one seed.
 */
#include "tests/sim/traffic.h"

#include "daemon/record/bytes.h"
#include "tests/sim/contents.h"
#include "tests/sim/requests.h"
#include "vacancy/v1/agency_service.pb-c.h"
#include "vacancy/v1/hub_service.pb-c.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define OPERATIONS  3000
#define SUBMIT_MOST 5
#define SENT_AGAIN  64 /* of the latest */

static struct operation operations[OPERATIONS];
static uint32_t operation_count;

void traffic_reset(void)
{
    operation_count = 0;
}

struct operation *traffic_new(enum update_kind kind)
{
    if (operation_count == OPERATIONS)
        return NULL;
    struct operation *operation = &operations[operation_count++];
    memset(operation, 0, sizeof *operation);
    operation->kind = kind;
    return operation;
}

/* --- who --------------------------------------------------------------------------------------------------------- */

const char *traffic_name(uint32_t principal, char out[PRINCIPAL_NAME_BYTES])
{
    if (principal < AGENCIES)
        snprintf(out, PRINCIPAL_NAME_BYTES, "%s%s", SIM_AGENCY, agency_id(principal));
    else
        strcpy(out, principal == AGENCIES ? SIM_TEAM : SIM_OPERATOR);
    if (principal >= PRINCIPALS)
        (void)traffic_team_name(principal - PRINCIPALS, out);
    return out;
}

bool traffic_refused(const struct sim_hub *hub, uint32_t principal)
{
    if (principal > AGENCIES)
        return false;
    return hub->model.suspended[principal] || (principal < AGENCIES && !hub->model.agency_known[principal]);
}

static uint32_t asker(const struct operation *operation)
{
    bool operators = operation->kind == UPDATE_PUT_AGENCY || operation->kind == UPDATE_SET_PRINCIPAL;
    if (of_team(operation->kind))
        return PRINCIPALS + operation->team;
    return operators ? AGENCIES + 1 : operation->agency;
}

/* --- what -------------------------------------------------------------------------------------------------------- */

static void put_agency(struct sim *sim, struct operation *operation)
{
    struct agency *row = &operation->agency_row;
    bool council = operation->agency == AGENCIES - 1;
    strcpy(row->id, agency_id(operation->agency));
    snprintf(row->name, sizeof row->name, "Agency %u, office %u", operation->agency, below(sim, 3));
    snprintf(row->phone, sizeof row->phone, "0113 496 000%u", below(sim, 3));
    row->kind = council ? AGENCY_LOCAL_AUTHORITY : AGENCY_INDEPENDENT;
    row->status = once_in(sim, 20) ? AGENCY_SUSPENDED : AGENCY_ACTIVE;
    strcpy(row->authority, council ? "E08000035" : "");
    strcpy(row->ofsted_urn, council ? "" : "SC123456");
}

static void put_carer(struct sim_hub *hub, struct operation *operation)
{
    struct sim *sim = hub->sim;
    const struct model_carer *known = &hub->model.carers[operation->agency][operation->reference];
    struct carer *carer = &operation->carer;
    if (known->known && once_in(sim, 2)) {
        memcpy(carer, &known->home.carer, sizeof *carer);
        if (once_in(sim, 2))
            carer->skills ^= 2;
        if (once_in(sim, 3)) /* moves house */
            carer_postcode(operation->agency, operation->reference, below(sim, HOMES_EACH), carer->home_postcode);
        if (carer->approval_ends_on != DATE_NONE && carer->approval_ends_on <= carer->approved_on)
            carer->approval_ends_on = DATE_NONE;
    } else {
        content_carer(sim, date_of_wall_ms(clock_wall_ms(&hub->clock)), operation, carer);
    }
    strcpy(carer->agency, agency_id(operation->agency));
    carer_reference(operation->agency, operation->reference, carer->agency_reference);
    carer->status = CARER_APPROVED;
    carer->end_reason[0] = '\0';
    carer->ended_observed_at_ms = 0;
    carer->observed_at_ms = operation->observed_at_ms;
}

static void put_vacancy(struct sim_hub *hub, struct operation *operation)
{
    const struct home_carer *known = &hub->model.carers[operation->agency][operation->reference].home;
    struct vacancy *vacancy = &operation->vacancy;
    if (known->vacancy.vacancy_id != 0 && once_in(hub->sim, 3)) {
        memcpy(vacancy, &known->vacancy, sizeof *vacancy);
        vacancy->vacancy_id = 0;
        vacancy->confirmed_at_ms = vacancy->valid_until_ms = 0;
        if (once_in(hub->sim, 4))
            vacancy->on_call = !vacancy->on_call;
    } else {
        content_vacancy(hub->sim, date_of_wall_ms(clock_wall_ms(&hub->clock)), &known->carer, vacancy);
    }
    vacancy->state = vacancy->stated;
    vacancy->observed_at_ms = operation->observed_at_ms;
}

/* When the agency's system says it saw it. stored: what the hub has. */
static int64_t observed(struct sim_hub *hub, int64_t stored_ms)
{
    struct sim *sim = hub->sim;
    int64_t now_ms = clock_wall_ms(&hub->clock);
    switch (below(sim, 20)) {
    case 0:
        return stored_ms > 0 ? stored_ms : now_ms;
    case 1:
        return stored_ms > 0 ? stored_ms - between(sim, 1, HOUR_MS) : now_ms;
    case 2:
        return stored_ms > 0 ? stored_ms + 1 : now_ms;
    case 3:
        return now_ms + between(sim, 0, 5 * MINUTE_MS);
    case 4:
        return now_ms + 5 * MINUTE_MS + between(sim, 1, HOUR_MS);
    case 5:
        return now_ms - between(sim, HOUR_MS, 10 * DAY_MS);
    default:
        return now_ms - between(sim, 0, 5 * SECOND_MS);
    }
}

void traffic_give_request_id(struct sim_hub *hub, struct operation *operation)
{
    struct sim *sim = hub->sim;
    int64_t made_ms = clock_wall_ms(&hub->clock) - between(sim, 0, SECOND_MS);
    if (once_in(sim, 30))
        made_ms -= 6 * DAY_MS;
    else if (once_in(sim, 60))
        made_ms -= 8 * DAY_MS;
    operation->has_request_id = true;
    put_be64(operation->request_id, (uint64_t)made_ms << 16);
    put_be64(operation->request_id + 8, seeded_random_next(&sim->chance));
    put_be16(operation->request_id + 6, (uint16_t)(0x7000 | below(sim, 0x1000)));
    operation->request_id[8] = (uint8_t)(0x80 | (operation->request_id[8] & 0x3f));
}

static void fill(struct sim_hub *hub, struct operation *operation)
{
    struct sim *sim = hub->sim;
    operation->reference = below(sim, REFERENCES);
    for (uint32_t i = 0; operation->kind != UPDATE_PUT_CARER && i < REFERENCES && !once_in(sim, 8); i++)
        if (!hub->model.carers[operation->agency][operation->reference].known)
            operation->reference = (operation->reference + 1) % REFERENCES;
    const struct home_carer *known = &hub->model.carers[operation->agency][operation->reference].home;
    bool of_carer = operation->kind == UPDATE_PUT_CARER || operation->kind == UPDATE_END_CARER;
    operation->observed_at_ms = observed(hub, of_carer ? known->carer.observed_at_ms : known->vacancy_observed_at_ms);
    if (once_in(sim, 2))
        traffic_give_request_id(hub, operation);
    switch (operation->kind) {
    case UPDATE_PUT_CARER:
        put_carer(hub, operation);
        break;
    case UPDATE_END_CARER:
        operation->ends_on = date_of_wall_ms(clock_wall_ms(&hub->clock)) + (date_days)below(sim, 28);
        snprintf(operation->end_reason, sizeof operation->end_reason, "AW%u", below(sim, 6));
        break;
    case UPDATE_PUT_VACANCY:
        put_vacancy(hub, operation);
        break;
    case UPDATE_CONFIRM:
        operation->confirm_all = once_in(sim, 2);
        for (uint32_t i = 0; !operation->confirm_all && i < REFERENCES; i++)
            operation->confirm_one[i] = i == operation->reference || once_in(sim, 3);
        break;
    case UPDATE_WITHDRAW:
        break;
    case UPDATE_PUT_AGENCY:
        operation->observed_at_ms = 0;
        put_agency(sim, operation);
        break;
    case UPDATE_SET_PRINCIPAL:
        operation->observed_at_ms = 0;
        operation->principal = below(sim, AGENCIES + 1);
        operation->suspended = !hub->model.suspended[operation->principal] && once_in(sim, 4);
        break;
    default: /* nobody asks for the others here */
        break;
    }
}

static enum update_kind any_kind(struct sim *sim, bool by_submit)
{
    static const uint8_t weights[] = {
        [UPDATE_PUT_CARER] = 26, [UPDATE_END_CARER] = 3,  [UPDATE_PUT_VACANCY] = 40,  [UPDATE_CONFIRM] = 14,
        [UPDATE_WITHDRAW] = 9,   [UPDATE_PUT_AGENCY] = 4, [UPDATE_SET_PRINCIPAL] = 4,
    };
    for (;;) {
        uint32_t at = below(sim, 100);
        enum update_kind kind = UPDATE_PUT_CARER;
        for (; at >= weights[kind]; kind++)
            at -= weights[kind];
        if (!by_submit || kind <= UPDATE_PUT_VACANCY || kind == UPDATE_WITHDRAW)
            return kind;
    }
}

static struct operation *make(struct sim_hub *hub, uint32_t agency, bool by_submit)
{
    struct operation *operation = traffic_new(any_kind(hub->sim, by_submit));
    if (operation == NULL)
        return NULL;
    operation->agency = agency;
    fill(hub, operation);
    return operation;
}

/* Changes something that the request's message says. */
static void alter(struct sim_hub *hub, struct operation *operation)
{
    switch (operation->kind) {
    case UPDATE_PUT_CARER:
        put_carer(hub, operation);
        break;
    case UPDATE_CONFIRM:
        operation->confirm_all = !operation->confirm_all;
        memset(operation->confirm_one, 0, sizeof operation->confirm_one);
        operation->confirm_one[operation->reference] = !operation->confirm_all;
        break;
    case UPDATE_PUT_AGENCY:
        operation->agency_row.phone[0] ^= 1;
        break;
    case UPDATE_SET_PRINCIPAL:
        operation->suspended = !operation->suspended;
        break;
    case UPDATE_END_CARER:
    case UPDATE_PUT_VACANCY:
    case UPDATE_WITHDRAW:
        operation->reference = (operation->reference + 1) % REFERENCES;
        break;
    default: /* nobody asks for the others here */
        break;
    }
}

/* The same request once more; now and then its id with another content. */
static struct operation *make_again(struct sim_hub *hub)
{
    struct sim *sim = hub->sim;
    if (operation_count == 0 || operation_count == OPERATIONS)
        return NULL;
    uint32_t back = 1 + below(sim, operation_count < SENT_AGAIN ? operation_count : SENT_AGAIN);
    const struct operation *old = &operations[operation_count - back];
    if (!old->has_request_id)
        return NULL;
    struct operation *operation = traffic_new(old->kind);
    memcpy(operation, old, offsetof(struct operation, asked_at_ms));
    if (once_in(sim, 6))
        alter(hub, operation);
    return operation;
}

/* --- asking ------------------------------------------------------------------------------------------------------ */

/* A request that the services refused before it reached the register. */
static void check_refused(struct sim_hub *hub, const struct operation *operation, const struct problem *problem)
{
    int64_t now_ms = operation->asked_at_ms;
    sim_cover(COVERED_REFUSED_BY_SERVICE);
    switch (problem->code) {
    case ERR_FORBIDDEN:
        sim_require(hub->sim, traffic_refused(hub, asker(operation)), "forbidden, though in good standing: %s",
                    problem->text);
        return;
    case ERR_INVALID: {
        int64_t made_ms = request_id_ms(operation->request_id);
        bool of_id = operation->has_request_id && (made_ms < now_ms - 7 * DAY_MS || made_ms > now_ms + 5 * MINUTE_MS);
        bool of_day = operation->kind == UPDATE_PLACE; /* sent again much later, it lies too far back */
        sim_require(hub->sim, of_id || of_day || operation->observed_at_ms > now_ms + 5 * MINUTE_MS,
                    "a right request is invalid: %s: %s", problem->field, problem->text);
        return;
    }
    case ERR_UNAVAILABLE:
        sim_require(hub->sim, hub->queue_count == SIM_QUEUE, "unavailable, though the queue has room");
        return;
    default:
        sim_fail(hub->sim, "refused with %s: %s", err_name(problem->code), problem->text);
    }
}

/* Whatever the client hears is what the writer said. */
static void check_answer(struct sim_hub *hub, const struct operation *operation, bool done, uint64_t sequence)
{
    sim_require(hub->sim, operation->submitted && operation->settled,
                "a write was answered that the register never did");
    sim_require(hub->sim, done == (operation->code == ERR_NONE),
                "a client was told otherwise than the register decided");
    if (done && operation->kind != UPDATE_SET_PRINCIPAL)
        sim_require(hub->sim, sequence == operation->result.sequence, "a receipt names another entry");
}

static uint64_t receipt_sequence(const struct operation *operation, const ProtobufCMessage *message)
{
    switch (operation->kind) {
    case UPDATE_PUT_CARER:
        return ((const Vacancy__V1__PutCarerResponse *)message)->receipt->sequence;
    case UPDATE_END_CARER:
        return ((const Vacancy__V1__EndCarerResponse *)message)->receipt->sequence;
    case UPDATE_PUT_VACANCY:
        return ((const Vacancy__V1__PutVacancyResponse *)message)->receipt->sequence;
    case UPDATE_WITHDRAW:
        return ((const Vacancy__V1__WithdrawVacancyResponse *)message)->receipt->sequence;
    case UPDATE_CONFIRM:
        return ((const Vacancy__V1__ConfirmVacanciesResponse *)message)->receipt->sequence;
    case UPDATE_PUT_AGENCY:
        return ((const Vacancy__V1__PutAgencyResponse *)message)->sequence;
    case UPDATE_SET_PRINCIPAL:
        break;
    default:
        return request_hold_receipt(message);
    }
    return 0;
}

static void write_answered(struct sim_call *call, const ProtobufCMessage *message)
{
    const struct operation *operation = call->user;
    check_answer(call->hub, operation, true, receipt_sequence(operation, message));
}

static void write_ended(struct sim_call *call, const struct problem *problem)
{
    const struct operation *operation = call->user;
    if (problem->code != ERR_NONE && !operation->submitted)
        check_refused(call->hub, operation, problem);
    else if (problem->code != ERR_NONE)
        check_answer(call->hub, operation, false, 0);
    else
        sim_require(call->hub->sim, call->sent == 1, "a write ended without its answer");
}

void traffic_ask(struct sim_hub *hub, struct operation *operation)
{
    static const struct client client = {.answered = write_answered, .ended = write_ended};
    char name[PRINCIPAL_NAME_BYTES];
    struct sim_call *call =
        call_begin(&hub->calls, request_path(operation), traffic_name(asker(operation), name), &client, operation);
    operation->asked_at_ms = clock_wall_ms(&hub->clock);
    hub->submitting = operation;
    call_feed(call, request_message(operation));
    hub->submitting = NULL;
}

/* --- Submit: the tag is the operation's index -------------------------------------------------------------------- */

static void submit_answered(struct sim_call *call, const ProtobufCMessage *message)
{
    const Vacancy__V1__SubmitResponse *response = (const Vacancy__V1__SubmitResponse *)message;
    const struct operation *operation = &operations[response->tag];
    uint32_t *next = call->user;
    sim_require(call->hub->sim, response->tag == *next, "Submit answered %" PRIu64 " where %u was next", response->tag,
                *next);
    (*next)++;
    sim_cover(COVERED_SUBMIT_ANSWERED);
    if (operation->submitted)
        check_answer(call->hub, operation, response->code == 0, response->receipt ? response->receipt->sequence : 0);
    else
        sim_require(call->hub->sim, response->code != 0, "Submit acknowledged what never reached the register");
}

static void submit_ended(struct sim_call *call, const struct problem *problem)
{
    (void)problem; /* a suspended agency's stream ends with an error, at any message */
    call->user = NULL;
}

static void submit(struct sim_hub *hub)
{
    static const struct client client = {.answered = submit_answered, .ended = submit_ended};
    static uint32_t next[64];
    static uint32_t streams;
    char name[PRINCIPAL_NAME_BYTES];
    uint32_t agency = below(hub->sim, AGENCIES), count = 1 + below(hub->sim, SUBMIT_MOST);
    uint32_t *expected = &next[streams++ % 64];
    *expected = operation_count;
    struct sim_call *call =
        call_begin(&hub->calls, "/vacancy.v1.AgencyService/Submit", traffic_name(agency, name), &client, expected);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t tag = operation_count;
        struct operation *operation = make(hub, agency, true);
        if (operation == NULL)
            break;
        operation->asked_at_ms = clock_wall_ms(&hub->clock);
        hub->submitting = operation;
        call_feed(call, request_submit(operation, tag));
        hub->submitting = NULL;
    }
    call_half_close(call);
}

/* --- what clients do --------------------------------------------------------------------------------------------- */

void traffic_write(struct sim_hub *hub)
{
    struct sim *sim = hub->sim;
    if (once_in(sim, 4)) {
        submit(hub);
        return;
    }
    uint32_t count = 1 + below(sim, 3);
    for (uint32_t i = 0; i < count; i++) {
        struct operation *operation = once_in(sim, 6) ? make_again(hub) : NULL;
        if (operation == NULL)
            operation = make(hub, below(sim, AGENCIES), false);
        if (operation != NULL)
            traffic_ask(hub, operation);
    }
}

void traffic_begin(struct sim_hub *hub)
{
    for (uint32_t agency = 0; agency < AGENCIES; agency++) {
        struct operation *operation = traffic_new(UPDATE_PUT_AGENCY);
        operation->agency = agency;
        put_agency(hub->sim, operation);
        operation->agency_row.status = AGENCY_ACTIVE;
        traffic_ask(hub, operation);
    }
    hub_writer_turn(hub, AGENCIES);
}

void traffic_cancel(struct sim_hub *hub)
{
    for (struct sim_call *call = hub->calls.first; call != NULL; call = call->next)
        if (!call->finished && once_in(hub->sim, 3)) {
            sim_cover(COVERED_CALL_CANCELLED);
            call_cancel(call);
            return;
        }
}
