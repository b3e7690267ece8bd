/*
 * reads.c - searches and reads, and what they may show; see traffic.h. One thread.
 */
#include "tests/sim/traffic.h"

#include "daemon/record/bytes.h"
#include "tests/sim/contents.h"
#include "vacancy/v1/agency_service.pb-c.h"
#include "vacancy/v1/hub_service.pb-c.h"
#include "vacancy/v1/placement_service.pb-c.h"

#include <inttypes.h>
#include <string.h>

#define ARENA_BYTES (4u << 20)

/* --- what a generous search must find ------------------------------------------------------------------------------
 */

struct expected {
    const struct row *row;
    struct offer offer;
    bool unconfirmed;
};

static bool agency_active(const struct sim_hub *hub, const char *id)
{
    for (uint32_t agency = 0; agency < AGENCIES; agency++)
        if (strcmp(agency_id(agency), id) == 0)
            return hub->model.agencies[agency].status == AGENCY_ACTIVE;
    return false;
}

/* Those with a confirmation that holds, or those to telephone first. */
static uint32_t expect_options(struct sim_hub *hub, int64_t as_of_ms, bool unconfirmed, struct expected out[OFFERS_MAX])
{
    const struct rows *offers = proof_offers(&hub->proof);
    uint32_t count = 0;
    for (uint32_t i = 0; i < offers->count; i++) {
        struct expected *expected = &out[count];
        const struct octets octets = {offers->at[i].octets, offers->at[i].bytes};
        sim_require(hub->sim, offer_decode(&octets, &expected->offer) == ERR_NONE, "an offer can't be read");
        expected->row = &offers->at[i];
        expected->unconfirmed = expected->offer.state == VACANCY_LAPSED || expected->offer.valid_until_ms <= as_of_ms;
        count += expected->unconfirmed == unconfirmed &&
                 content_suits(&expected->offer, agency_active(hub, expected->offer.agency), as_of_ms, unconfirmed);
    }
    return count;
}

static const struct expected *expected_of(const struct expected *all, uint32_t count, uint64_t vacancy_id)
{
    for (uint32_t i = 0; i < count; i++)
        if (all[i].offer.vacancy_id == vacancy_id)
            return &all[i];
    return NULL;
}

static void compare_options(struct sim_hub *hub, const struct option *options, uint32_t found, int64_t as_of_ms,
                            bool unconfirmed)
{
    struct sim *sim = hub->sim;
    struct expected expected[OFFERS_MAX];
    uint32_t count = expect_options(hub, as_of_ms, unconfirmed, expected);
    struct arena arena;
    sim_require(sim, found == count, "a search finds %u options%s, the log's state has %u", found,
                unconfirmed ? " to telephone first" : "", count);
    arena_init(&arena, ARENA_BYTES);
    for (uint32_t i = 0; i < found; i++) {
        const struct expected *one = expected_of(expected, count, options[i].offer.vacancy_id);
        struct octets octets;
        sim_require(sim, one != NULL, "a search finds an option that the log does not lead to");
        sim_require(sim, offer_encode(&options[i].offer, &arena, &octets) == ERR_NONE, "an offer can't be encoded");
        sim_require(sim, octets.size == one->row->bytes && memcmp(octets.data, one->row->octets, octets.size) == 0,
                    "match holds an offer with other content than the log's");
        sim_require(sim, options[i].national_reference == get_be64(one->row->key), "match holds another carer's offer");
        sim_require(sim, options[i].unconfirmed == unconfirmed, "match shows an expired vacancy as confirmed");
    }
    arena_finish(&arena);
}

void traffic_compare_match(struct sim_hub *hub)
{
    struct sim *sim = hub->sim;
    struct criteria criteria;
    content_criteria(clock_wall_ms(&hub->clock), &criteria);
    uint64_t held, bytes;
    match_stats(hub->match, &held, &bytes);
    sim_require(sim, held == proof_offers(&hub->proof)->count, "match holds %" PRIu64 " offers, the log leads to %u",
                held, proof_offers(&hub->proof)->count);
    struct arena arena;
    struct answer answer;
    arena_init(&arena, ARENA_BYTES);
    enum err err = match_find(hub->match, &criteria, UINT32_MAX, &arena, &answer, NULL);
    sim_require(sim, err == ERR_NONE, "a search failed: %s", err_name(err));
    compare_options(hub, answer.options, answer.option_count, criteria.as_of_ms, false);
    compare_options(hub, answer.phone_first, answer.phone_first_count, criteria.as_of_ms, true);
    arena_finish(&arena);
}

/* --- FindVacancies -------------------------------------------------------------------------------------------------
 */

static const char *team_name(void)
{
    return SIM_TEAM;
}

struct finding {
    bool unconfirmed_too;
    uint32_t limit;
};

/* One of an answer's two lists: what suits, or what is to be telephoned first. */
static void check_options(struct sim_hub *hub, const struct finding *finding, int64_t as_of_ms,
                          Vacancy__V1__Option *const *options, size_t found, bool unconfirmed)
{
    struct expected expected[OFFERS_MAX];
    uint32_t count = expect_options(hub, as_of_ms, unconfirmed, expected);
    uint32_t shown = unconfirmed && !finding->unconfirmed_too ? 0 : count < finding->limit ? count : finding->limit;
    sim_require(hub->sim, found == shown, "FindVacancies shows %zu %s where %u suit", found,
                unconfirmed ? "to telephone first" : "options", shown);
    for (size_t i = 0; i < found; i++) {
        uint64_t id;
        sim_require(hub->sim, id_parse(options[i]->vacancy_id, &id), "a vacancy id can't be read");
        const struct expected *one = expected_of(expected, count, id);
        sim_require(hub->sim, one != NULL, "FindVacancies shows what does not suit");
        sim_require(hub->sim, options[i]->beds_free == one->offer.beds_free && options[i]->beds_free > 0,
                    "FindVacancies shows other beds than are free");
        sim_require(hub->sim,
                    options[i]->unconfirmed == unconfirmed && (unconfirmed || options[i]->valid_until_ms > as_of_ms),
                    "FindVacancies shows an expired vacancy as confirmed");
        sim_cover(!unconfirmed                         ? COVERED_OPTION_SHOWN
                  : one->offer.state == VACANCY_LAPSED ? COVERED_OPTION_UNCONFIRMED
                                                       : COVERED_OPTION_EXPIRED_BUT_NOT_LAPSED);
    }
}

static void find_answered(struct sim_call *call, const ProtobufCMessage *message)
{
    const Vacancy__V1__FindVacanciesResponse *response = (const Vacancy__V1__FindVacanciesResponse *)message;
    const struct finding *finding = call->user;
    struct sim_hub *hub = call->hub;
    const char *ids[2 * OPTIONS_MAX];
    size_t shown = 0;
    check_options(hub, finding, response->as_of_ms, response->options, response->n_options, false);
    check_options(hub, finding, response->as_of_ms, response->phone_first, response->n_phone_first, true);
    for (size_t i = 0; i < response->n_options; i++)
        ids[shown++] = response->options[i]->vacancy_id;
    for (size_t i = 0; i < response->n_phone_first; i++)
        ids[shown++] = response->phone_first[i]->vacancy_id;
    if (shown == 0)
        sim_cover(COVERED_NOTHING_FOUND);
    sim_require(hub->sim, response->n_positions == 1 && response->positions[0]->sequence <= hub->proof.last.sequence,
                "FindVacancies names a position that is not in the log");
    proof_disclosed(&hub->proof, team_name(), "/vacancy.v1.PlacementService/FindVacancies", ids, shown);
}

/* Reads fail only for the disk's sake, or for whom they are refused. */
static void read_ended(struct sim_call *call, const struct problem *problem, uint32_t principal)
{
    struct sim_hub *hub = call->hub;
    bool refused = traffic_refused(hub, principal);
    if (problem->code == ERR_NONE) {
        sim_require(hub->sim, !refused, "%s answered who is suspended or not registered", call->call.method->path);
        return;
    }
    bool disk = hub->seam->dead || hub->disk_full;
    if (!refused && problem->code == ERR_UNAVAILABLE)
        sim_cover(COVERED_READ_REFUSED_FOR_TRAIL);
    sim_require(hub->sim, refused ? problem->code == ERR_FORBIDDEN : disk, "%s failed: %s: %s", call->call.method->path,
                err_name(problem->code), problem->text);
}

static void find_ended(struct sim_call *call, const struct problem *problem)
{
    read_ended(call, problem, AGENCIES);
}

/* A boy of ten, short term, today, with every override; or with all but UNCONFIRMED. Borrowed by its request. */
struct question {
    uint32_t overrides[5];
    Vacancy__V1__Child child, *children[1];
    Vacancy__V1__FindVacanciesRequest request;
    char starts_on[DATE_TEXT_BYTES];
};

static void question_init(const struct sim_hub *hub, bool unconfirmed_too, struct question *out)
{
    Vacancy__V1__FindVacanciesRequest *request = &out->request;
    *out = (struct question){.overrides = {OVERRIDE_OUTSIDE_TERMS, OVERRIDE_EXEMPTION, OVERRIDE_SHARED_BEDROOM,
                                           OVERRIDE_RISK, OVERRIDE_UNCONFIRMED}};
    vacancy__v1__child__init(&out->child);
    vacancy__v1__find_vacancies_request__init(request);
    out->child.age_months = CONTENT_ASKED_MONTHS;
    out->child.sex = VACANCY__V1__SEX__SEX_M;
    out->children[0] = &out->child;
    date_format(date_of_wall_ms(clock_wall_ms(&hub->clock)), out->starts_on);
    request->request_reference = (char *)"383-20441";
    request->purpose = VACANCY__V1__PURPOSE__PURPOSE_PLACEMENT;
    request->near_postcode = (char *)"LS1 4AB";
    request->n_children = 1;
    request->children = out->children;
    request->care_type = VACANCY__V1__CARE_TYPE__CARE_TYPE_SHORT_TERM;
    request->starts_on = out->starts_on;
    request->overrides = (Vacancy__V1__Override *)out->overrides;
    request->n_overrides = unconfirmed_too ? 5 : 4;
}

void traffic_find(struct sim_hub *hub)
{
    static const struct client client = {.answered = find_answered, .ended = find_ended};
    static struct finding finding;
    struct sim *sim = hub->sim;
    struct question question;
    finding = (struct finding){.unconfirmed_too = once_in(sim, 2), .limit = once_in(sim, 4) ? 2 : OPTIONS_MAX};
    question_init(hub, finding.unconfirmed_too, &question);
    question.request.limit = finding.limit;
    sim_note(sim, "find%s, limit %u", finding.unconfirmed_too ? ", unconfirmed too" : "", finding.limit);
    struct sim_call *call =
        call_begin(&hub->calls, "/vacancy.v1.PlacementService/FindVacancies", SIM_TEAM, &client, &finding);
    call->shows = true;
    call_feed(call, &question.request.base);
    calls_turn(&hub->calls);
}

/* --- ExplainVacancy ---------------------------------------------------------------------------------------------- */

struct explaining {
    bool unconfirmed_too;
    uint64_t vacancy_id;
};

static void explain_answered(struct sim_call *call, const ProtobufCMessage *message)
{
    const Vacancy__V1__ExplainVacancyResponse *response = (const Vacancy__V1__ExplainVacancyResponse *)message;
    const struct explaining *explaining = call->user;
    struct sim_hub *hub = call->hub;
    struct expected expected[OFFERS_MAX];
    bool suits = false;
    for (int unconfirmed = 0; unconfirmed <= explaining->unconfirmed_too; unconfirmed++) {
        uint32_t count = expect_options(hub, response->as_of_ms, unconfirmed, expected);
        suits |= expected_of(expected, count, explaining->vacancy_id) != NULL;
    }
    sim_require(hub->sim, response->suitable == suits, "ExplainVacancy says that what %s does%s",
                suits ? "suits" : "doesn't suit", suits ? " not" : "");
    sim_cover(suits ? COVERED_EXPLAINED_SUITABLE : COVERED_EXPLAINED_UNSUITABLE);
    const char *ids[] = {response->option->vacancy_id};
    proof_disclosed(&hub->proof, team_name(), call->call.method->path, ids, 1);
}

void traffic_explain(struct sim_hub *hub)
{
    static const struct client client = {.answered = explain_answered, .ended = find_ended};
    static struct explaining explaining;
    const struct rows *offers = proof_offers(&hub->proof);
    Vacancy__V1__ExplainVacancyRequest request = VACANCY__V1__EXPLAIN_VACANCY_REQUEST__INIT;
    struct question question;
    struct offer offer;
    char id[ID_TEXT_BYTES];
    if (offers->count == 0)
        return;
    const struct row *row = &offers->at[below(hub->sim, offers->count)];
    const struct octets octets = {row->octets, row->bytes};
    sim_require(hub->sim, offer_decode(&octets, &offer) == ERR_NONE, "an offer can't be read");
    explaining = (struct explaining){.unconfirmed_too = once_in(hub->sim, 2), .vacancy_id = offer.vacancy_id};
    question_init(hub, explaining.unconfirmed_too, &question);
    id_format(offer.vacancy_id, id);
    request.question = &question.request;
    request.vacancy_id = id;
    sim_note(hub->sim, "explain %s%s", id, explaining.unconfirmed_too ? ", unconfirmed too" : "");
    struct sim_call *call =
        call_begin(&hub->calls, "/vacancy.v1.PlacementService/ExplainVacancy", SIM_TEAM, &client, &explaining);
    call->shows = true;
    call_feed(call, &request.base);
    calls_turn(&hub->calls);
}

/* --- an agency's own -------------------------------------------------------------------------------------------------
 */

struct reading {
    uint32_t agency, reference;
    uint32_t carers, vacancies; /* expected */
    uint32_t seen;
    bool full; /* a listing of vacancies */
};

static void check_view(struct sim_hub *hub, const struct reading *reading, const Vacancy__V1__CarerView *view)
{
    const struct model_carer *known = NULL;
    for (uint32_t i = 0; i < REFERENCES; i++) {
        char text[AGENCY_REFERENCE_BYTES];
        carer_reference(reading->agency, i, text);
        if (strcmp(text, view->carer->agency_reference) == 0)
            known = &hub->model.carers[reading->agency][i];
    }
    sim_require(hub->sim, known != NULL && known->known && strcmp(view->agency, agency_id(reading->agency)) == 0,
                "an agency is shown a carer that is not its own");
    const struct carer *carer = &known->home.carer;
    sim_require(hub->sim,
                view->carer->observed_at_ms == carer->observed_at_ms && view->carer->places == carer->places &&
                    strcmp(view->carer->home_postcode, carer->home_postcode) == 0 &&
                    view->carer->terms->max_children == carer->terms.max_children &&
                    view->carer->n_placed_children == carer->placed_count &&
                    (view->vacancy != NULL) == (known->home.vacancy.vacancy_id != 0),
                "an agency is shown other than was acknowledged");
    if (view->vacancy != NULL)
        sim_require(hub->sim,
                    view->vacancy->vacancy->beds == known->home.vacancy.beds &&
                        view->vacancy->valid_until_ms == known->home.vacancy.valid_until_ms,
                    "an agency is shown another vacancy than was acknowledged");
}

static void get_answered(struct sim_call *call, const ProtobufCMessage *message)
{
    const Vacancy__V1__GetCarerResponse *response = (const Vacancy__V1__GetCarerResponse *)message;
    struct reading *reading = call->user;
    check_view(call->hub, reading, response->carer);
    const char *ids[] = {response->carer->national_reference};
    char name[PRINCIPAL_NAME_BYTES];
    proof_disclosed(&call->hub->proof, traffic_name(reading->agency, name), call->call.method->path, ids, 1);
}

static void get_ended(struct sim_call *call, const struct problem *problem)
{
    const struct reading *reading = call->user;
    struct sim_hub *hub = call->hub;
    bool known = hub->model.carers[reading->agency][reading->reference].known;
    if (problem->code == ERR_FORBIDDEN && !known)
        return;
    sim_require(hub->sim, known || problem->code != ERR_NONE, "a carer that was never pushed is shown");
    read_ended(call, problem, reading->agency);
}

static void list_answered(struct sim_call *call, const ProtobufCMessage *message)
{
    struct reading *reading = call->user;
    reading->seen++;
    sim_cover(COVERED_LISTED);
    if (!reading->full)
        check_view(call->hub, reading, ((const Vacancy__V1__ListCarersResponse *)message)->carer);
}

static void list_ended(struct sim_call *call, const struct problem *problem)
{
    struct reading *reading = call->user;
    read_ended(call, problem, reading->agency);
    uint32_t expected = reading->full ? reading->vacancies : reading->carers;
    if (problem->code == ERR_NONE)
        sim_require(call->hub->sim, reading->seen == expected, "%s lists %u where there are %u",
                    call->call.method->path, reading->seen, expected);
}

static void get_carer(struct sim_hub *hub, struct reading *reading)
{
    static const struct client client = {.answered = get_answered, .ended = get_ended};
    Vacancy__V1__GetCarerRequest request = VACANCY__V1__GET_CARER_REQUEST__INIT;
    char reference[AGENCY_REFERENCE_BYTES], name[PRINCIPAL_NAME_BYTES];
    carer_reference(reading->agency, reading->reference, reference);
    request.agency_reference = reference;
    struct sim_call *call = call_begin(&hub->calls, "/vacancy.v1.AgencyService/GetCarer",
                                       traffic_name(reading->agency, name), &client, reading);
    call->shows = true;
    call_feed(call, &request.base);
}

static void list(struct sim_hub *hub, struct reading *reading)
{
    static const struct client client = {.answered = list_answered, .ended = list_ended};
    Vacancy__V1__ListCarersRequest carers = VACANCY__V1__LIST_CARERS_REQUEST__INIT;
    Vacancy__V1__ListVacanciesRequest vacancies = VACANCY__V1__LIST_VACANCIES_REQUEST__INIT;
    char name[PRINCIPAL_NAME_BYTES];
    for (uint32_t i = 0; i < REFERENCES; i++) {
        const struct model_carer *carer = &hub->model.carers[reading->agency][i];
        reading->carers += carer->known;
        reading->vacancies += carer->known && carer->home.vacancy.vacancy_id != 0;
    }
    carers.include_ended = true;
    struct sim_call *call = call_begin(
        &hub->calls, reading->full ? "/vacancy.v1.AgencyService/ListVacancies" : "/vacancy.v1.AgencyService/ListCarers",
        traffic_name(reading->agency, name), &client, reading);
    call->shows = true;
    call_feed(call, reading->full ? &vacancies.base : &carers.base);
}

static void status_answered(struct sim_call *call, const ProtobufCMessage *message)
{
    const Vacancy__V1__GetStatusResponse *status = (const Vacancy__V1__GetStatusResponse *)message;
    const struct model *model = &call->hub->model;
    uint64_t agencies = 0, vacancies = 0;
    for (uint32_t agency = 0; agency < AGENCIES; agency++) {
        agencies += model->agency_known[agency];
        for (uint32_t i = 0; i < REFERENCES; i++)
            vacancies += model->carers[agency][i].known && model->carers[agency][i].home.vacancy.vacancy_id != 0;
    }
    sim_require(call->hub->sim, status->agencies == agencies && status->vacancies == vacancies,
                "GetStatus counts %" PRIu64 " agencies and %" PRIu64 " vacancies; there are %" PRIu64 " and %" PRIu64,
                status->agencies, status->vacancies, agencies, vacancies);
}

static void status_ended(struct sim_call *call, const struct problem *problem)
{
    read_ended(call, problem, AGENCIES + 1);
}

void traffic_read(struct sim_hub *hub)
{
    static const struct client client = {.answered = status_answered, .ended = status_ended};
    static struct reading reading;
    struct sim *sim = hub->sim;
    reading =
        (struct reading){.agency = below(sim, AGENCIES), .reference = below(sim, REFERENCES), .full = once_in(sim, 2)};
    switch (below(sim, 4)) {
    case 0: {
        Vacancy__V1__GetStatusRequest request = VACANCY__V1__GET_STATUS_REQUEST__INIT;
        call_feed(call_begin(&hub->calls, "/vacancy.v1.HubService/GetStatus", SIM_OPERATOR, &client, NULL),
                  &request.base);
        break;
    }
    case 1:
        list(hub, &reading);
        break;
    default:
        get_carer(hub, &reading);
    }
    calls_turn(&hub->calls);
}
