/*
 * convert_answer.c - what a search found, as a placement team sees it.
 * No state, any thread. Invariant: a card holds an offer's own fields, its cell's area and the agency's contact, and
 * nothing else of the home (design 4.9).
 */
#include "daemon/service/convert.h"
#include "daemon/service/views.h"

#include <string.h>

typedef Vacancy__V1__FindVacanciesResponse response;

/* S0 (s22C(7)(a) of the Children Act 1989): for people to answer, not for the register. */
#define ASK_FIRST                                                                                                      \
    "Has a relative, friend or other person connected with the child been considered first? (Children Act 1989 "       \
    "s22C(7)(a))"

/* --- one option ------------------------------------------------------------------------------------------------- */

static bool reasons_view(const struct option *option, Vacancy__V1__Option *out, struct arena *arena)
{
    NEW_LIST(out->reasons, option->reason_count, false);
    Vacancy__V1__Reason *reason = arena_alloc(arena, option->reason_count * sizeof *reason); /* they are many */
    if (reason == NULL)
        return false;
    for (uint32_t i = 0; i < option->reason_count; i++, reason++) {
        vacancy__v1__reason__init(reason);
        reason->rule = (Vacancy__V1__Rule)option->reasons[i].rule;
        reason->outcome = (Vacancy__V1__Reason__Outcome)option->reasons[i].outcome;
        reason->asked = (char *)option->reasons[i].asked;
        reason->found = (char *)option->reasons[i].found;
        out->reasons[out->n_reasons++] = reason;
    }
    return true;
}

Vacancy__V1__AgencyContact *contact_view(const struct agency *agency, struct arena *arena)
{
    NEW(Vacancy__V1__AgencyContact, out, vacancy__v1__agency_contact__init);
    out->agency = (char *)agency->id;
    out->name = (char *)agency->name;
    out->kind = (Vacancy__V1__AgencyKind)agency->kind;
    out->phone = (char *)agency->phone;
    out->email = (char *)agency->email;
    out->out_of_hours_phone = (char *)agency->out_of_hours_phone;
    return out;
}

/* Where it is, and what the regulations then ask for (Care Planning Regs 2010 reg 11). */
static void where_view(const struct service_context *ctx, const struct question *question, const struct offer *offer,
                       Vacancy__V1__Option *out)
{
    static const struct {
        Vacancy__V1__AuthorityRelation relation;
        Vacancy__V1__ApprovalNeeded approval;
    } needs[] = {
        [RELATION_IN_AREA] = {VACANCY__V1__AUTHORITY_RELATION__AUTHORITY_RELATION_IN_AREA,
                              VACANCY__V1__APPROVAL_NEEDED__APPROVAL_NEEDED_NONE},
        [RELATION_ADJOINING] = {VACANCY__V1__AUTHORITY_RELATION__AUTHORITY_RELATION_ADJOINING,
                                VACANCY__V1__APPROVAL_NEEDED__APPROVAL_NEEDED_NOMINATED_OFFICER},
        [RELATION_ACROSS_WATER] = {VACANCY__V1__AUTHORITY_RELATION__AUTHORITY_RELATION_ACROSS_WATER,
                                   VACANCY__V1__APPROVAL_NEEDED__APPROVAL_NEEDED_DIRECTOR},
        [RELATION_AT_A_DISTANCE] = {VACANCY__V1__AUTHORITY_RELATION__AUTHORITY_RELATION_AT_A_DISTANCE,
                                    VACANCY__V1__APPROVAL_NEEDED__APPROVAL_NEEDED_DIRECTOR},
    };
    const struct authority *authority = gazetteer_authority(ctx->gazetteer, offer->cell.authority);
    enum authority_relation relation =
        gazetteer_relation(ctx->gazetteer, question->team.authority, offer->cell.authority);
    out->area = (char *)offer->cell.area;
    out->home_authority = (char *)offer->cell.authority;
    if (authority != NULL)
        out->home_authority_name = (char *)authority->name;
    out->relation = needs[relation].relation;
    out->approval_needed = needs[relation].approval;
}

/* What is on offer: nothing of it is said of a vacancy whose card is withheld (match.h). */
static bool offer_view(const struct option *option, Vacancy__V1__Option *out, struct arena *arena)
{
    const struct offer *offer = &option->offer;
    out->beds_free = offer->beds_free;
    out->on_call = offer->on_call;
    out->confirmed_at_ms = offer->confirmed_at_ms;
    out->valid_until_ms = offer->valid_until_ms;
    out->unconfirmed = option->unconfirmed;
    out->children_taken = option->children_taken;
    return (out->care_types = view_codes(arena, offer->care_types, CARE_TYPE_END, &out->n_care_types)) != NULL &&
           (out->agency = contact_view(&option->agency, arena)) != NULL;
}

Vacancy__V1__Option *option_view(const struct service_context *ctx, const struct question *question,
                                 const struct option *option, struct arena *arena)
{
    NEW(Vacancy__V1__Option, out, vacancy__v1__option__init);
    out->distance_metres = option->distance_metres;
    out->region = (char *)option->region;
    where_view(ctx, question, &option->offer, out);
    if ((out->vacancy_id = view_id(arena, option->offer.vacancy_id)) == NULL || !reasons_view(option, out, arena) ||
        (!option->withheld && !offer_view(option, out, arena)))
        return NULL;
    return out;
}

static bool options_view(const struct service_context *ctx, const struct question *question,
                         const struct option *options, size_t count, Vacancy__V1__Option ***out, size_t *out_count,
                         struct arena *arena)
{
    NEW_LIST(*out, count, false);
    for (size_t i = 0; i < count; i++) {
        if (((*out)[i] = option_view(ctx, question, &options[i], arena)) == NULL)
            return false;
        (*out_count)++;
    }
    return true;
}

/* --- why there are few ------------------------------------------------------------------------------------------ */

static bool removed_view(const struct answer *answer, response *out, struct arena *arena)
{
    if (!answer->explained)
        return true;
    out->considered = answer->considered;
    NEW_LIST(out->removed, (size_t)RULE_END, false);
    for (uint32_t rule = 1; rule < RULE_END; rule++) {
        if (answer->removed[rule].failed == 0)
            continue;
        NEW_OR(Vacancy__V1__RuleCount, count, vacancy__v1__rule_count__init, false);
        count->rule = (Vacancy__V1__Rule)rule;
        count->failed = answer->removed[rule].failed;
        count->failed_alone = answer->removed[rule].failed_alone;
        out->removed[out->n_removed++] = count;
    }
    return true;
}

static bool relaxations_view(const struct answer *answer, response *out, struct arena *arena)
{
    NEW_LIST(out->relaxations, (size_t)answer->relaxation_count, false);
    for (uint32_t i = 0; i < answer->relaxation_count; i++) {
        const struct relaxation *relaxation = &answer->relaxations[i];
        NEW_OR(Vacancy__V1__Relaxation, view, vacancy__v1__relaxation__init, false);
        NEW_LIST(view->rules, (size_t)RELAXED_TOGETHER_MAX, false);
        while (view->n_rules < RELAXED_TOGETHER_MAX && relaxation->rules[view->n_rules] != RULE_NONE) {
            view->rules[view->n_rules] = (Vacancy__V1__Rule)relaxation->rules[view->n_rules];
            view->n_rules++;
        }
        view->count = relaxation->count;
        view->nearest_metres = relaxation->nearest_metres;
        out->relaxations[out->n_relaxations++] = view;
    }
    return true;
}

/* --- siblings in several homes ---------------------------------------------------------------------------------- */

static Vacancy__V1__SplitPart *part_view(const struct service_context *ctx, const struct question *question,
                                         const struct split_part *part, struct arena *arena)
{
    NEW(Vacancy__V1__SplitPart, out, vacancy__v1__split_part__init);
    NEW_LIST(out->children, (size_t)CHILDREN_MAX, NULL);
    for (uint32_t child = 0; child < question->criteria.child_count; child++)
        if (code_in(part->children, child))
            out->children[out->n_children++] = child;
    out->option = option_view(ctx, question, part->option, arena);
    return out->option != NULL ? out : NULL;
}

static bool splits_view(const struct service_context *ctx, const struct question *question, const struct answer *answer,
                        response *out, struct arena *arena)
{
    NEW_LIST(out->splits, (size_t)answer->split_count, false);
    for (uint32_t i = 0; i < answer->split_count; i++) {
        const struct split *split = &answer->splits[i];
        NEW_OR(Vacancy__V1__Split, view, vacancy__v1__split__init, false);
        view->between_metres = split->between_metres;
        view->from_home_metres = split->from_home_metres;
        NEW_LIST(view->parts, (size_t)split->part_count, false);
        for (uint32_t part = 0; part < split->part_count; part++, view->n_parts++)
            if ((view->parts[part] = part_view(ctx, question, &split->parts[part], arena)) == NULL)
                return false;
        out->splits[out->n_splits++] = view;
    }
    return true;
}

/* --- what the answer was taken from ----------------------------------------------------------------------------- */

static void age_view(const struct service_context *ctx, const struct replica_age *age, Vacancy__V1__RegionPosition *out)
{
    int64_t limit_ms = ctx->stale_after_ms > 0 ? ctx->stale_after_ms : STALE_AFTER_DEFAULT_MS;
    out->age_ms = age->age_ms;
    out->clock_differs_ms = age->clock_differs_ms;
    out->frozen = age->frozen;
    out->stale = !age->present || age->age_ms > limit_ms;
}

/* age NULL: our own region, or one that is just leaving the roster. */
static void searched_view(const struct service_context *ctx, const struct region_position *searched,
                          const struct replica_age *age, Vacancy__V1__RegionPosition *out)
{
    out->region = (char *)searched->region;
    out->epoch = searched->epoch;
    out->sequence = searched->sequence;
    if (age != NULL)
        age_view(ctx, age, out);
    else
        out->stale = strcmp(searched->region, ctx->region) != 0;
}

static bool missing_view(const struct replica_age *age, Vacancy__V1__RegionPosition *out, struct arena *arena)
{
    out->missing = true;
    out->frozen = age->frozen;
    return (out->region = arena_copy_text(arena, age->region, strlen(age->region))) != NULL;
}

/* Two lists by code become one. */
bool positions_view(const struct service_context *ctx, const struct question *question,
                    const struct region_position *searched, size_t searched_count, Vacancy__V1__RegionPosition ***out,
                    size_t *out_count, struct arena *arena)
{
    const struct region_position *end = searched + searched_count;
    const struct replica_age *ages = question->ages;
    size_t most = searched_count + question->age_count, at = 0;
    Vacancy__V1__RegionPosition *position = arena_alloc(arena, most * sizeof *position);
    if (position == NULL)
        return false;
    NEW_LIST(*out, most, false);
    for (*out_count = 0; searched < end || at < question->age_count; position++) {
        int order = searched == end ? 1 : at == question->age_count ? -1 : strcmp(searched->region, ages[at].region);
        vacancy__v1__region_position__init(position);
        if (order > 0 && !missing_view(&ages[at], position, arena))
            return false;
        if (order <= 0)
            searched_view(ctx, searched++, order == 0 ? &ages[at] : NULL, position);
        at += order >= 0;
        (*out)[(*out_count)++] = position;
    }
    return true;
}

char *gazetteer_view(const struct service_context *ctx, struct arena *arena)
{
    uint8_t digest[DIGEST_BYTES];
    char *out = arena_alloc(arena, DIGEST_HEX_SIZE);
    if (out == NULL)
        return NULL;
    gazetteer_digest(ctx->gazetteer, digest);
    hex_encode(digest, sizeof digest, out);
    return out;
}

bool order_view(const struct question *question, Vacancy__V1__OrderStep **out, size_t *out_count, struct arena *arena)
{
    const struct criteria *criteria = &question->criteria;
    NEW_LIST(*out, (size_t)criteria->step_count, false);
    for (*out_count = 0; *out_count < criteria->step_count; ++*out_count)
        (*out)[*out_count] = (Vacancy__V1__OrderStep)criteria->steps[*out_count];
    return true;
}

/* What makes the answer repeatable (design 4.7). */
static bool inputs_view(const struct service_context *ctx, const struct question *question, response *out,
                        struct arena *arena)
{
    static const char *const precisions[] = {
        [PLACE_OUTCODE] = "outcode", [PLACE_SECTOR] = "sector", [PLACE_UNIT] = "unit"};
    const struct criteria *criteria = &question->criteria;
    out->as_of_ms = criteria->as_of_ms;
    out->policy = (char *)question->frame.order_name;
    out->near_precision = (char *)precisions[question->frame.near_precision];
    return order_view(question, &out->order_steps, &out->n_order_steps, arena) &&
           (out->gazetteer_digest = gazetteer_view(ctx, arena)) != NULL;
}

/* --- the answers ------------------------------------------------------------------------------------------------ */

response *answer_view(const struct service_context *ctx, const struct question *question, const struct answer *answer,
                      struct arena *arena)
{
    NEW(response, out, vacancy__v1__find_vacancies_response__init);
    out->ask_first = (char *)ASK_FIRST;
    if (!options_view(ctx, question, answer->options, answer->option_count, &out->options, &out->n_options, arena) ||
        !options_view(ctx, question, answer->phone_first, answer->phone_first_count, &out->phone_first,
                      &out->n_phone_first, arena) ||
        !removed_view(answer, out, arena) || !relaxations_view(answer, out, arena) ||
        !splits_view(ctx, question, answer, out, arena) ||
        !positions_view(ctx, question, answer->positions, answer->position_count, &out->positions, &out->n_positions,
                        arena) ||
        !inputs_view(ctx, question, out, arena))
        return NULL;
    return out;
}

Vacancy__V1__ExplainVacancyResponse *explanation_view(const struct service_context *ctx,
                                                      const struct question *question,
                                                      const struct explanation *explanation, struct arena *arena)
{
    const struct option *option = &explanation->option;
    NEW(Vacancy__V1__ExplainVacancyResponse, out, vacancy__v1__explain_vacancy_response__init);
    out->suitable = explanation->suitable;
    out->ahead = explanation->ahead;
    out->as_of_ms = question->criteria.as_of_ms;
    out->policy = (char *)question->frame.order_name;
    if ((out->option = option_view(ctx, question, option, arena)) == NULL ||
        !positions_view(ctx, question, explanation->positions, explanation->position_count, &out->positions,
                        &out->n_positions, arena) ||
        !order_view(question, &out->order_steps, &out->n_order_steps, arena) ||
        (out->gazetteer_digest = gazetteer_view(ctx, arena)) == NULL)
        return NULL;
    return out;
}
