/*
 * model.c - see model.h. One thread.
 */
#include "tests/sim/model.h"

#include "tests/sim/hub.h"

#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

const char *agency_id(uint32_t agency)
{
    static const char *const ids[AGENCIES] = {"aire-fostering", "calder-homes", "wharfe-council"};
    return ids[agency];
}

void carer_reference(uint32_t agency, uint32_t reference, char out[AGENCY_REFERENCE_BYTES])
{
    snprintf(out, AGENCY_REFERENCE_BYTES, "Own.Ref-%c%u/2019", (char)('P' + agency), 7000 + reference);
}

void carer_postcode(uint32_t agency, uint32_t reference, uint32_t home, char out[POSTCODE_BYTES])
{
    static const char *const sectors[] = {"LS1 4",  "LS12 3", "LS13 2", "BD3 7", "HU5 2",
                                          "LS10 2", "LS11 6", "HU5 4",  "BD3 8"};
    uint32_t number = (agency * REFERENCES + reference) * HOMES_EACH + home;
    const char *letters = "ABDEFGHJLNPQRSTUWXYZ";
    snprintf(out, POSTCODE_BYTES, "%s%c%c", sectors[number % COUNT(sectors)], letters[number % 20],
             letters[(number * 7 + 3) % 20]);
}

/* --- what the register had to answer ------------------------------------------------------------------------------ */

/* Sets of outcomes and of errors that the contract allows. */
struct allowed {
    uint32_t outcomes, errors;
};
#define OUTCOME(x) (1u << (x))
#define ERROR(x)   (1u << (x))

static struct allowed allow_stale_or(int64_t observed_ms, int64_t stored_ms, bool same, uint32_t newer_outcomes)
{
    if (observed_ms < stored_ms || (observed_ms == stored_ms && !same))
        return (struct allowed){.errors = ERROR(ERR_STALE)};
    return (struct allowed){.outcomes = same ? OUTCOME(OUTCOME_CONFIRMED) : newer_outcomes};
}

static struct allowed expect_put_carer(const struct model_carer *carer, const struct operation *operation)
{
    if (!carer->known)
        return (struct allowed){.outcomes = OUTCOME(OUTCOME_CREATED)};
    const struct carer *stored = &carer->home.carer;
    if (stored->status == CARER_ENDED) {
        if (operation->observed_at_ms <= stored->ended_observed_at_ms)
            return (struct allowed){.errors = ERROR(ERR_STALE)};
        return (struct allowed){.outcomes = OUTCOME(OUTCOME_CREATED) | OUTCOME(OUTCOME_UPDATED)};
    }
    return allow_stale_or(operation->observed_at_ms, stored->observed_at_ms,
                          carer_same_content(stored, &operation->carer), OUTCOME(OUTCOME_UPDATED));
}

static struct allowed expect_end_carer(const struct model_carer *carer, const struct operation *operation)
{
    if (!carer->known)
        return (struct allowed){.errors = ERROR(ERR_NOT_FOUND) | ERROR(ERR_FORBIDDEN)};
    const struct carer *stored = &carer->home.carer;
    bool ended = stored->status == CARER_ENDED;
    int64_t stored_ms = ended ? stored->ended_observed_at_ms : stored->observed_at_ms;
    if (operation->observed_at_ms < stored_ms)
        return (struct allowed){.errors = ERROR(ERR_STALE)};
    struct allowed allowed = {.outcomes = OUTCOME(OUTCOME_ENDED)};
    if (ended)
        allowed.outcomes |= OUTCOME(OUTCOME_CONFIRMED);
    if (operation->observed_at_ms == stored_ms)
        allowed.errors = ERROR(ERR_STALE);
    return allowed;
}

/* From the comments of carer.proto: what an offer may not say against its approval. */
static bool fits(const struct carer *carer, const struct vacancy *vacancy, uint32_t settled)
{
    const struct terms *terms = &carer->terms;
    uint32_t from = vacancy->age_from_months ? vacancy->age_from_months : terms->age_from_months;
    uint32_t to = vacancy->age_below_months ? vacancy->age_below_months : terms->age_below_months;
    uint32_t others = carer->placed_count > settled ? carer->placed_count - settled : 0;
    return vacancy->beds + others <= carer->places && (vacancy->care_types & ~terms->care_types) == 0 &&
           from >= terms->age_from_months && to <= terms->age_below_months && from < to &&
           (vacancy->sex == SEX_ANY || terms->sex == SEX_ANY || vacancy->sex == terms->sex) &&
           (carer->approval_ends_on == DATE_NONE || vacancy->from == DATE_NONE ||
            vacancy->from < carer->approval_ends_on);
}

/* V8: what teams hold, and where children are placed, is part of the beds. */
static bool fits_claims(const struct model *model, const struct operation *operation)
{
    uint32_t held = model_held(model, operation->agency, operation->reference);
    return operation->vacancy.beds >= held + model_placed(model, operation->agency, operation->reference) &&
           (operation->vacancy.stated == VACANCY_VACANT || held == 0);
}

static struct allowed expect_put_vacancy(const struct model *model, const struct model_carer *carer,
                                         const struct operation *operation)
{
    if (!carer->known)
        return (struct allowed){.errors = ERROR(ERR_NOT_FOUND) | ERROR(ERR_FORBIDDEN)};
    const struct home_carer *home = &carer->home;
    bool live = home->vacancy.vacancy_id != 0;
    bool fit = home->carer.status == CARER_APPROVED &&
               fits(&home->carer, &operation->vacancy, model_settled(model, operation->agency, operation->reference)) &&
               fits_claims(model, operation);
    struct allowed allowed = allow_stale_or(operation->observed_at_ms, home->vacancy_observed_at_ms,
                                            live && vacancy_same_content(&home->vacancy, &operation->vacancy),
                                            live ? OUTCOME(OUTCOME_UPDATED) : OUTCOME(OUTCOME_CREATED));
    bool same = live && vacancy_same_content(&home->vacancy, &operation->vacancy);
    if (model_unclear(model, operation->agency, operation->reference))
        allowed.errors |= ERROR(ERR_PRECONDITION);
    else if (!fit && !same)
        allowed = (struct allowed){.errors = allowed.errors | ERROR(ERR_PRECONDITION)};
    return allowed;
}

static struct allowed expect_withdraw(const struct model *model, const struct model_carer *carer,
                                      const struct operation *operation)
{
    if (!carer->known)
        return (struct allowed){.errors = ERROR(ERR_NOT_FOUND) | ERROR(ERR_FORBIDDEN)};
    if (carer->home.vacancy.vacancy_id == 0)
        return (struct allowed){.outcomes = OUTCOME(OUTCOME_ENDED) | OUTCOME(OUTCOME_CONFIRMED),
                                .errors = ERROR(ERR_NOT_FOUND) | ERROR(ERR_PRECONDITION) | ERROR(ERR_STALE)};
    if (operation->observed_at_ms < carer->home.vacancy_observed_at_ms)
        return (struct allowed){.errors = ERROR(ERR_STALE)};
    if (model_held(model, operation->agency, operation->reference) > 0 &&
        !model_unclear(model, operation->agency, operation->reference))
        return (struct allowed){.errors = ERROR(ERR_PRECONDITION) | ERROR(ERR_STALE)};
    struct allowed allowed = {.outcomes = OUTCOME(OUTCOME_ENDED)};
    if (operation->observed_at_ms == carer->home.vacancy_observed_at_ms)
        allowed.errors = ERROR(ERR_STALE);
    if (model_held(model, operation->agency, operation->reference) > 0)
        allowed.errors |= ERROR(ERR_PRECONDITION);
    return allowed;
}

static bool confirms(const struct operation *operation, uint32_t reference)
{
    return operation->confirm_all || operation->confirm_one[reference];
}

static struct allowed expect_confirm(const struct model *model, const struct operation *operation)
{
    struct allowed allowed = {.outcomes = OUTCOME(OUTCOME_CONFIRMED)};
    bool any = false, stale = false;
    for (uint32_t i = 0; i < REFERENCES; i++) {
        const struct home_carer *home = &model->carers[operation->agency][i].home;
        if (!confirms(operation, i) || home->vacancy.vacancy_id == 0)
            continue;
        any = true;
        stale = stale || operation->observed_at_ms < home->vacancy_observed_at_ms;
    }
    if (stale && !operation->confirm_all)
        return (struct allowed){.errors = ERROR(ERR_STALE)};
    if (!any)
        allowed.errors = ERROR(ERR_NOT_FOUND);
    return allowed;
}

static struct allowed expect(const struct model *model, const struct operation *operation)
{
    const struct model_carer *carer = &model->carers[operation->agency][operation->reference];
    struct allowed of_holds;
    if (of_hold(operation->kind)) {
        model_expect_hold(model, operation, &of_holds.outcomes, &of_holds.errors);
        return of_holds;
    }
    bool operators = operation->kind == UPDATE_PUT_AGENCY || operation->kind == UPDATE_SET_PRINCIPAL;
    if (!operators && !model->agency_known[operation->agency])
        return (struct allowed){.errors = ERROR(ERR_FORBIDDEN)};
    switch (operation->kind) {
    case UPDATE_PUT_CARER:
        return expect_put_carer(carer, operation);
    case UPDATE_END_CARER:
        return expect_end_carer(carer, operation);
    case UPDATE_PUT_VACANCY:
        return expect_put_vacancy(model, carer, operation);
    case UPDATE_WITHDRAW:
        return expect_withdraw(model, carer, operation);
    case UPDATE_CONFIRM:
        return expect_confirm(model, operation);
    case UPDATE_PUT_AGENCY:
        return (struct allowed){.outcomes = model->agency_known[operation->agency]
                                                ? OUTCOME(OUTCOME_UPDATED) | OUTCOME(OUTCOME_CONFIRMED)
                                                : OUTCOME(OUTCOME_CREATED)};
    case UPDATE_SET_PRINCIPAL:
        return (struct allowed){.outcomes =
                                    OUTCOME(OUTCOME_CREATED) | OUTCOME(OUTCOME_UPDATED) | OUTCOME(OUTCOME_CONFIRMED)};
    default: /* nobody asks for the others here */
        break;
    }
    return (struct allowed){0};
}

/* --- request ids ---------------------------------------------------------------------------------------------------
 */

static bool same_principal(const struct operation *a, const struct operation *b)
{
    bool a_operator = a->kind == UPDATE_PUT_AGENCY || a->kind == UPDATE_SET_PRINCIPAL;
    bool b_operator = b->kind == UPDATE_PUT_AGENCY || b->kind == UPDATE_SET_PRINCIPAL;
    if (of_team(a->kind) || of_team(b->kind))
        return of_team(a->kind) && of_team(b->kind) && a->team == b->team;
    return a_operator == b_operator && (a_operator || a->agency == b->agency);
}

static struct operation *answered_before(struct model *model, const struct operation *operation)
{
    uint32_t count = model->answered_count < ANSWERED ? model->answered_count : ANSWERED;
    for (uint32_t i = 0; operation->has_request_id && i < count; i++) {
        struct operation *other = model->answered[i];
        if (same_principal(other, operation) && memcmp(other->request_id, operation->request_id, REQUEST_ID_BYTES) == 0)
            return other;
    }
    return NULL;
}

static void check_repeated(struct model *model, struct operation *operation, const struct operation *first,
                           const struct update *update)
{
    struct sim *sim = model->hub->sim;
    const struct update_result *now = &update->result, *then = &first->result;
    if (memcmp(operation, first, offsetof(struct operation, asked_at_ms)) != 0) {
        sim_cover(COVERED_ID_WITH_OTHER_CONTENT);
        sim_require(sim, now->problem.code == ERR_PRECONDITION, "a request id with other content was answered %s",
                    err_name(now->problem.code));
        return;
    }
    if (now->problem.code == ERR_PRECONDITION && model_hold_may_be_forgotten(model, &then->hold.token))
        return;
    sim_cover(first->life == model->hub->life ? COVERED_REPEATED : COVERED_REPEATED_AFTER_RESTART);
    sim_require(sim, now->problem.code == ERR_NONE && now->outcome == OUTCOME_REPEATED,
                "a request sent again was not recognised: %s, outcome %d", err_name(now->problem.code),
                (int)now->outcome);
    sim_require(
        sim,
        now->sequence == then->sequence && now->epoch == then->epoch &&
            now->hold.token.epoch == then->hold.token.epoch && now->hold.token.sequence == then->hold.token.sequence &&
            now->national_reference == then->national_reference && now->vacancy_id == then->vacancy_id &&
            now->valid_until_ms == then->valid_until_ms && now->confirmed == then->confirmed,
        "a request sent again got another answer: entry %" PRIu64 ", first %" PRIu64, now->sequence, then->sequence);
}

/* --- taking over ---------------------------------------------------------------------------------------------------
 */

static void new_episode(struct model *model, uint64_t vacancy_id)
{
    for (uint32_t i = 0; i < model->episode_count; i++)
        sim_require(model->hub->sim, model->episodes[i] != vacancy_id, "a vacancy id was given twice");
    if (model->episode_count < COUNT(model->episodes))
        model->episodes[model->episode_count++] = vacancy_id;
}

static void no_vacancy(struct home_carer *home)
{
    home->vacancy = (struct vacancy){.from = DATE_NONE, .until = DATE_NONE, .reserved_until = DATE_NONE};
}

/* What follows from the moment of the change is read back, and checked then. */
static void learn_validity(struct vacancy *vacancy)
{
    vacancy->valid_until_ms = 0;
    vacancy->state = vacancy->stated;
}

static void take_carer(struct model *model, struct model_carer *carer, const struct operation *operation,
                       const struct update_result *result)
{
    if (carer->known)
        sim_require(model->hub->sim, carer->home.national_reference == result->national_reference,
                    "a carer's national reference changed");
    else
        no_vacancy(&carer->home);
    model_holds_pushed(model, operation->agency, operation->reference, &operation->carer);
    carer->known = true;
    carer->home.national_reference = result->national_reference;
    carer->home.carer = operation->carer;
    carer->home.carer.status = CARER_APPROVED;
    /* Its terms say how long the vacancy is believed, so that may be longer or shorter now. */
    if (carer->home.vacancy.vacancy_id != 0)
        learn_validity(&carer->home.vacancy);
}

static void take_vacancy(struct model *model, struct model_carer *carer, const struct operation *operation,
                         const struct update_result *result)
{
    struct sim *sim = model->hub->sim;
    struct home_carer *home = &carer->home;
    if (result->outcome == OUTCOME_CREATED)
        new_episode(model, result->vacancy_id);
    else
        sim_require(sim, home->vacancy.vacancy_id == result->vacancy_id, "a live vacancy changed its id");
    int64_t reported_ms = result->outcome == OUTCOME_CREATED ? 0 : home->vacancy.reported_unavailable_at_ms;
    home->vacancy = operation->vacancy;
    home->vacancy.reported_unavailable_at_ms = reported_ms;
    home->vacancy.vacancy_id = result->vacancy_id;
    home->vacancy.observed_at_ms = operation->observed_at_ms;
    home->vacancy.state = operation->vacancy.stated;
    home->vacancy.valid_until_ms = result->valid_until_ms;
    home->vacancy_observed_at_ms = operation->observed_at_ms;
}

static void take_confirmation(struct model *model, const struct operation *operation,
                              const struct update_result *result)
{
    uint32_t confirmed = 0, missing = 0;
    for (uint32_t i = 0; i < REFERENCES; i++) {
        struct home_carer *home = &model->carers[operation->agency][i].home;
        if (!confirms(operation, i))
            continue;
        if (home->vacancy.vacancy_id == 0) {
            missing += !operation->confirm_all;
            continue;
        }
        confirmed += operation->observed_at_ms >= home->vacancy_observed_at_ms;
        if (operation->observed_at_ms <= home->vacancy_observed_at_ms)
            continue; /* it is known to have been true later, or just then */
        learn_validity(&home->vacancy);
        home->vacancy.observed_at_ms = operation->observed_at_ms;
        home->vacancy_observed_at_ms = operation->observed_at_ms;
    }
    sim_require(model->hub->sim, confirmed == result->confirmed && missing == result->not_found_count,
                "%u vacancies confirmed, %u not found; it had to be %u and %u", result->confirmed,
                result->not_found_count, confirmed, missing);
}

static void take_over(struct model *model, const struct operation *operation, const struct update_result *result)
{
    struct model_carer *carer = &model->carers[operation->agency][operation->reference];
    switch (operation->kind) {
    case UPDATE_PUT_CARER:
        take_carer(model, carer, operation, result);
        break;
    case UPDATE_END_CARER:
        model_holds_ended(model, operation->agency, operation->reference);
        carer->home.carer.status = CARER_ENDED;
        carer->home.carer.ended_observed_at_ms = operation->observed_at_ms;
        memcpy(carer->home.carer.end_reason, operation->end_reason, sizeof operation->end_reason);
        carer->home.carer.approval_ends_on = operation->ends_on;
        if (operation->observed_at_ms > carer->home.vacancy_observed_at_ms)
            carer->home.vacancy_observed_at_ms = operation->observed_at_ms;
        no_vacancy(&carer->home);
        break;
    case UPDATE_PUT_VACANCY:
        take_vacancy(model, carer, operation, result);
        break;
    case UPDATE_WITHDRAW:
        model_holds_withdrawn(model, operation->agency, operation->reference);
        no_vacancy(&carer->home);
        carer->home.vacancy_observed_at_ms = operation->observed_at_ms;
        break;
    case UPDATE_CONFIRM:
        take_confirmation(model, operation, result);
        break;
    case UPDATE_PUT_AGENCY:
        model->agency_known[operation->agency] = true;
        model->agencies[operation->agency] = operation->agency_row;
        break;
    case UPDATE_SET_PRINCIPAL:
        model->suspended[operation->principal] = operation->suspended;
        break;
    default: /* nobody asks for the others here */
        break;
    }
}

/* What has nothing to do with the content: the disk, the deadline. */
static bool excused(const struct sim_hub *hub, const struct update *update)
{
    int64_t now_ms = clock_wall_ms(&hub->clock);
    switch (update->result.problem.code) {
    case ERR_STORE_FULL:
        return hub->disk_full;
    case ERR_STORE_IO:
    case ERR_UNAVAILABLE:
        return hub->seam->dead || !home_writable(hub->home);
    case ERR_DEADLINE:
        return update->expires_boot_ms <= clock_boot_ms(&hub->clock);
    case ERR_INVALID: /* the clock went on, or back, since the request was checked */
        return update->observed_at_ms > now_ms + 5 * MINUTE_MS ||
               (update->has_request_id && (request_id_ms(update->request_id) > now_ms + 5 * MINUTE_MS ||
                                           request_id_ms(update->request_id) <= hub->latest_wall_ms - 7 * DAY_MS));
    default:
        return false;
    }
}

static void cover_done(const struct sim_hub *hub, const struct operation *operation, const struct update_result *result)
{
    static const enum sim_covered kinds[] = {
        [UPDATE_END_CARER] = COVERED_CARER_ENDED,
        [UPDATE_CONFIRM] = COVERED_VACANCIES_CONFIRMED,
        [UPDATE_WITHDRAW] = COVERED_VACANCY_WITHDRAWN,
        [UPDATE_PUT_AGENCY] = COVERED_AGENCY_CHANGED,
        [UPDATE_SET_PRINCIPAL] = COVERED_PRINCIPAL_SUSPENDED,
    };
    bool created = result->outcome == OUTCOME_CREATED, updated = result->outcome == OUTCOME_UPDATED;
    if (of_hold(operation->kind)) /* model_take_hold covers what it met */
        return;
    if (operation->kind == UPDATE_PUT_CARER)
        sim_cover(created ? COVERED_CARER_CREATED : COVERED_CARER_UPDATED);
    else if (operation->kind == UPDATE_PUT_VACANCY)
        sim_cover(created ? COVERED_VACANCY_CREATED : updated ? COVERED_VACANCY_UPDATED : COVERED_VACANCY_CONFIRMED);
    else if (operation->kind != UPDATE_CONFIRM || result->confirmed > 0)
        sim_cover(kinds[operation->kind]);
    if (hub->disk_full && hub->refused_for_room)
        sim_cover(COVERED_DONE_FROM_RESERVE);
}

static void cover_refused(struct sim_hub *hub, const struct operation *operation, enum err code)
{
    switch (code) {
    case ERR_STALE:
        sim_cover(COVERED_REFUSED_STALE);
        break;
    case ERR_PRECONDITION:
        sim_cover(of_hold(operation->kind) ? COVERED_TEAM_REFUSED : COVERED_REFUSED_PRECONDITION);
        break;
    case ERR_FORBIDDEN:
        sim_cover(COVERED_REFUSED_FORBIDDEN);
        break;
    case ERR_INVALID:
        if (operation->has_request_id &&
            request_id_ms(operation->request_id) > clock_wall_ms(&hub->clock) - 7 * DAY_MS &&
            request_id_ms(operation->request_id) <= clock_wall_ms(&hub->clock) &&
            operation->observed_at_ms <= clock_wall_ms(&hub->clock))
            sim_cover(COVERED_ID_FORGOTTEN);
        break;
    case ERR_LIMIT:
        sim_cover(COVERED_TEAM_LIMIT);
        break;
    case ERR_DEADLINE:
        sim_cover(COVERED_DEADLINE_PASSED);
        break;
    case ERR_STORE_FULL:
        sim_cover(COVERED_DISK_FULL);
        break;
    case ERR_STORE_IO:
        sim_cover(hub->seam->dead ? COVERED_DIED_BEFORE_COMMIT : COVERED_COMMIT_FAILED);
        break;
    default:
        break;
    }
}

void model_apply(struct model *model, struct operation *operation, const struct update *update)
{
    struct sim_hub *hub = model->hub;
    const struct update_result *result = &update->result;
    sim_note(hub->sim, "  kind %d agency %u carer %u observed %" PRId64 "%s: %s outcome %d entry %" PRIu64,
             (int)operation->kind, operation->agency, operation->reference, operation->observed_at_ms,
             operation->has_request_id ? " with id" : "", err_name(result->problem.code), (int)result->outcome,
             result->sequence);
    if (of_hold(operation->kind))
        sim_note(hub->sim, "    team %u hold %" PRIu64 " of vacancy %" PRIx64 ", %u beds", operation->team,
                 operation->kind == UPDATE_HOLD ? result->hold.token.sequence : operation->token.sequence,
                 operation->vacancy_id, operation->beds);
    operation->settled = true;
    operation->code = result->problem.code;
    operation->result = *result;
    operation->result.not_found = NULL;
    cover_refused(hub, operation, result->problem.code);
    if (result->problem.code == ERR_NONE && hub->seam->dead)
        sim_cover(COVERED_DIED_AFTER_COMMIT);
    if (result->problem.code != ERR_NONE)
        hub->refused_for_room = result->problem.code == ERR_STORE_FULL;
    if (excused(hub, update))
        return;
    if (result->problem.code == ERR_NONE)
        sim_require(hub->sim, hub->batch_committed, "an update was acknowledged, but nothing was committed");
    struct operation *first = answered_before(model, operation);
    if (first != NULL) {
        check_repeated(model, operation, first, update);
        return;
    }
    struct allowed allowed = expect(model, operation);
    if (result->problem.code != ERR_NONE) {
        sim_require(hub->sim, allowed.errors & ERROR(result->problem.code),
                    "refused with %s (%s), which had to be done", err_name(result->problem.code), result->problem.text);
        return;
    }
    sim_require(hub->sim, allowed.outcomes & OUTCOME(result->outcome), "done with outcome %d, allowed were mask %x%s",
                (int)result->outcome, allowed.outcomes, allowed.errors ? " or a refusal" : "");
    model->applied++;
    cover_done(hub, operation, result);
    if (of_hold(operation->kind))
        model_take_hold(model, operation, update);
    else
        take_over(model, operation, result);
    operation->life = hub->life;
    if (operation->has_request_id)
        model->answered[model->answered_count++ % ANSWERED] = operation;
}

/* --- found = acknowledged --------------------------------------------------------------------------------------------
 */

/* domain.md O1: 24 hours where emergencies are offered, else 7 days. */
static int64_t believed_for_ms(const struct carer *carer, const struct vacancy *vacancy)
{
    uint32_t offered = vacancy->care_types != 0 ? vacancy->care_types : carer->terms.care_types;
    return offered & 1u << CARE_EMERGENCY ? DAY_MS : 7 * DAY_MS;
}

static void compare_vacancy(struct model *model, uint32_t agency, uint32_t reference, const struct home_carer *found,
                            int64_t all_lapsed_before_ms)
{
    struct model_carer *carer = &model->carers[agency][reference];
    struct sim_hub *hub = model->hub;
    struct vacancy *known = &carer->home.vacancy;
    const struct vacancy *stored = &found->vacancy;
    sim_require(hub->sim, known->vacancy_id == stored->vacancy_id, "a vacancy acknowledged is not the one found (%s)",
                stored->vacancy_id == 0  ? "none"
                : known->vacancy_id == 0 ? "none was expected"
                                         : "other id");
    sim_require(hub->sim, carer->home.vacancy_observed_at_ms == found->vacancy_observed_at_ms,
                "a vacancy's time of observation is not the one acknowledged");
    if (stored->vacancy_id == 0)
        return;
    sim_require(hub->sim, vacancy_same_content(known, stored) && known->observed_at_ms == stored->observed_at_ms,
                "a vacancy's content is not the one acknowledged");
    int64_t ttl_ms = believed_for_ms(&carer->home.carer, known);
    int64_t believed_ms = stored->confirmed_at_ms + ttl_ms, reported_ms = stored->reported_unavailable_at_ms;
    sim_require(hub->sim,
                (reported_ms != 0 ? stored->valid_until_ms <= believed_ms && stored->valid_until_ms <= reported_ms
                                  : stored->valid_until_ms == believed_ms) &&
                    stored->confirmed_at_ms <= stored->observed_at_ms,
                "a vacancy is believed for longer than its terms say");
    sim_require(hub->sim,
                reported_ms == known->reported_unavailable_at_ms ||
                    (reported_ms == 0 && known->reported_unavailable_at_ms < known->observed_at_ms),
                "that a vacancy was reported is not as it was acknowledged");
    known->reported_unavailable_at_ms = reported_ms;
    if (known->valid_until_ms == 0)
        known->valid_until_ms = stored->valid_until_ms;
    sim_require(hub->sim, known->valid_until_ms == stored->valid_until_ms, "a vacancy's valid_until changed by itself");
    int64_t latest_ms = hub->latest_wall_ms > hub->proof.last.time_ms ? hub->latest_wall_ms : hub->proof.last.time_ms;
    int64_t now_ms = clock_wall_ms(&hub->clock);
    latest_ms = now_ms > latest_ms ? now_ms : latest_ms;
    int64_t lapses_ms = stored->valid_until_ms + (ttl_ms == DAY_MS ? SIM_LAPSE_EMERGENCY_MS : SIM_LAPSE_MS);
    if (stored->state == VACANCY_LAPSED)
        sim_require(hub->sim, lapses_ms <= latest_ms, "a vacancy lapsed before its time");
    else
        sim_require(hub->sim,
                    stored->state == model_state(model, agency, reference) &&
                        (known->state != VACANCY_LAPSED || stored->state == VACANCY_PLACED),
                    "a vacancy is of state %d, had to be %d; it was %d", stored->state,
                    model_state(model, agency, reference), known->state);
    sim_require(hub->sim, stored->stage == STAGE_FRESH || stored->valid_until_ms - ttl_ms / 4 <= latest_ms,
                "an agency was told too early that a vacancy goes stale");
    sim_require(hub->sim, stored->stage != STAGE_STALE || stored->valid_until_ms <= latest_ms,
                "a vacancy was stale before its time");
    known->state = stored->state;
    if (vacancy_state_now(found) == VACANCY_PLACED) /* full: there is nothing left that could lapse */
        return;
    if (stored->valid_until_ms - ttl_ms / 4 < all_lapsed_before_ms)
        sim_require(hub->sim, stored->state == VACANCY_LAPSED || stored->stage != STAGE_FRESH,
                    "a vacancy was going stale and its agency not told");
    if (stored->valid_until_ms < all_lapsed_before_ms)
        sim_require(hub->sim, stored->state == VACANCY_LAPSED || stored->stage == STAGE_STALE,
                    "a vacancy was stale and its agency not told");
    if (lapses_ms < all_lapsed_before_ms)
        sim_require(hub->sim, stored->state == VACANCY_LAPSED, "a vacancy was due to lapse and did not");
}

static void compare_carer(struct model *model, uint32_t agency, uint32_t reference, int64_t all_lapsed_before_ms)
{
    struct sim *sim = model->hub->sim;
    struct model_carer *carer = &model->carers[agency][reference];
    struct home_carer found;
    char text[AGENCY_REFERENCE_BYTES];
    carer_reference(agency, reference, text);
    enum err err = home_get_carer(model->hub->home, agency_id(agency), text, &found);
    if (!carer->known) {
        sim_require(sim, err == ERR_NOT_FOUND, "a carer that was never acknowledged is found: %s", err_name(err));
        return;
    }
    sim_require(sim, err == ERR_NONE, "a carer acknowledged is not found: %s", err_name(err));
    const struct carer *known = &carer->home.carer;
    sim_require(sim, carer->home.national_reference == found.national_reference,
                "a carer's national reference changed");
    sim_require(sim, known->status == found.carer.status, "a carer's status is not the one acknowledged");
    sim_require(sim, carer_same_content(known, &found.carer), "a carer's content is not the one acknowledged");
    sim_require(sim, known->observed_at_ms == found.carer.observed_at_ms,
                "a carer's time of observation is not the one acknowledged");
    if (known->status == CARER_ENDED)
        sim_require(sim,
                    strcmp(known->end_reason, found.carer.end_reason) == 0 &&
                        known->ended_observed_at_ms == found.carer.ended_observed_at_ms,
                    "how a carer's approval ended is not as acknowledged");
    model_compare_holds(model, agency, reference, &found);
    compare_vacancy(model, agency, reference, &found, all_lapsed_before_ms);
}

static void compare_agency(struct model *model, uint32_t agency)
{
    struct sim *sim = model->hub->sim;
    struct agency found;
    enum err err = home_get_agency(model->hub->home, agency_id(agency), &found);
    sim_require(sim, err == (model->agency_known[agency] ? ERR_NONE : ERR_NOT_FOUND), "agency %u: %s", agency,
                err_name(err));
    if (err == ERR_NONE)
        sim_require(sim,
                    strcmp(found.name, model->agencies[agency].name) == 0 &&
                        strcmp(found.phone, model->agencies[agency].phone) == 0 &&
                        found.kind == model->agencies[agency].kind && found.status == model->agencies[agency].status,
                    "an agency's row is not the one acknowledged");
}

void model_compare(struct model *model, int64_t all_lapsed_before_ms)
{
    model->hub->seam->looking++;
    for (uint32_t agency = 0; agency < AGENCIES; agency++) {
        compare_agency(model, agency);
        for (uint32_t reference = 0; reference < REFERENCES; reference++)
            compare_carer(model, agency, reference, all_lapsed_before_ms);
    }
    model->hub->seam->looking--;
}
