/*
 * convert_search.c - a search as it is asked, and its answer as a placement team sees it.
 * No state, any thread. Invariant: a card holds an offer's own fields, its cell's area and the agency's contact, and
 * nothing else of the home (design 4.9).
 */
#include "daemon/service/check.h"
#include "daemon/service/convert.h"
#include "daemon/service/views.h"

#include <string.h>

#define AGE_18_MONTHS     216
#define AGE_LAST_MONTHS   251
#define STARTS_AHEAD_DAYS 366
#define RADIUS_MAX_METRES 50000
#define OPTIONS_DEFAULT   3
#define PURPOSE_END       5

/* --- the question ---------------------------------------------------------------------------------------------- */

/* H15: a reference of the team's own authority, in which no name fits, and a purpose. */
static enum err frame_from(const struct service_context *ctx, const struct principal *team,
                           const Vacancy__V1__FindVacanciesRequest *in, struct search_frame *frame,
                           struct problem *problem)
{
    const struct authority *authority = gazetteer_authority(ctx->gazetteer, team->authority);
    if (authority == NULL)
        return problem_set(problem, ERR_FORBIDDEN, "",
                           "%s is not an English authority with children's services today: "
                           "the team's certificate needs a current code",
                           team->authority);
    if (in->request_reference[0] == '\0')
        return wrong(problem, NULL, "request_reference",
                     "required: your authority's DfE number (%03u), a hyphen and your own 4 to 10 digits",
                     authority->dfe_number);
    if (!request_reference_valid(in->request_reference))
        return wrong(problem, NULL, "request_reference",
                     "your authority's DfE number (%03u), a hyphen and 4 to 10 digits are accepted; never a name",
                     authority->dfe_number);
    unsigned number = (unsigned)(in->request_reference[0] - '0') * 100 +
                      (unsigned)(in->request_reference[1] - '0') * 10 + (unsigned)(in->request_reference[2] - '0');
    if (number != authority->dfe_number)
        return wrong(problem, NULL, "request_reference",
                     "begins with another authority's DfE number; a team of %s asks under %03u", authority->name,
                     authority->dfe_number);
    uint8_t purpose;
    enum err err = check_code(problem, NULL, "purpose", (int)in->purpose, PURPOSE_END, true, "Purpose", &purpose);
    frame->request_reference = in->request_reference;
    frame->purpose = purpose;
    return err;
}

static enum err children_from(const Vacancy__V1__FindVacanciesRequest *in, struct criteria *out,
                              struct problem *problem)
{
    if (in->n_children == 0)
        return wrong(problem, NULL, "children", "required: 1 to %d children", CHILDREN_MAX);
    if (in->n_children > CHILDREN_MAX)
        return wrong(problem, NULL, "children", "%zu given; at most %d are accepted", in->n_children, CHILDREN_MAX);
    for (size_t i = 0; i < in->n_children; i++) {
        struct path at = {NULL, "children", (int)i};
        uint32_t age = in->children[i]->age_months;
        enum err err = check_range(problem, &at, "age_months", age, 0, AGE_LAST_MONTHS, "months");
        if (err == ERR_NONE && age > 12 && age % 12 != 0)
            err = wrong(problem, &at, "age_months", "from 12 months on whole years (a multiple of 12) are accepted");
        if (err == ERR_NONE && age >= AGE_18_MONTHS && out->care_type != CARE_STAYING_PUT)
            err = wrong(problem, &at, "age_months", "18 or over is accepted only with care_type STAYING_PUT");
        if (err == ERR_NONE)
            err = check_code(problem, &at, "sex", (int)in->children[i]->sex, SEX_U + 1, true, "Sex",
                             &out->children[i].sex);
        if (err != ERR_NONE)
            return err;
        out->children[i].age_months = age;
    }
    out->child_count = (uint32_t)in->n_children;
    return ERR_NONE;
}

static enum err starts_from(const Vacancy__V1__FindVacanciesRequest *in, int64_t now_ms, struct criteria *out,
                            struct problem *problem)
{
    date_days today = date_of_wall_ms(now_ms);
    enum err err = check_date(problem, NULL, "starts_on", in->starts_on, false, &out->starts_on);
    if (err != ERR_NONE)
        return err;
    if (out->starts_on == DATE_NONE)
        out->starts_on = today;
    if (out->starts_on < today)
        return wrong(problem, NULL, "starts_on", "lies in the past; today, or up to a year ahead, is accepted");
    if (out->starts_on > today + STARTS_AHEAD_DAYS)
        return wrong(problem, NULL, "starts_on",
                     "lies more than a year ahead; today, or up to a year ahead, is accepted");
    return ERR_NONE;
}

static enum err places_from(const struct service_context *ctx, const Vacancy__V1__FindVacanciesRequest *in,
                            struct criteria *out, struct search_frame *frame, struct problem *problem)
{
    struct place place;
    if (in->near_postcode[0] == '\0')
        return wrong(problem, NULL, "near_postcode", "required: a postcode, a sector or an outcode");
    enum err err = gazetteer_locate(ctx->gazetteer, "near_postcode", in->near_postcode, &place, problem);
    if (err != ERR_NONE)
        return err;
    out->near_e_metres = (uint32_t)place.easting_m;
    out->near_n_metres = (uint32_t)place.northing_m;
    frame->near_precision = place.precision;
    if (in->n_avoid > AVOIDED_MAX)
        return wrong(problem, NULL, "avoid", "%zu given; at most %d are accepted", in->n_avoid, AVOIDED_MAX);
    for (size_t i = 0; i < in->n_avoid; i++) {
        struct path at = {NULL, "avoid", (int)i};
        char field[PROBLEM_FIELD_BYTES];
        path_text(&at, "postcode", field);
        if ((err = check_range(problem, &at, "radius_metres", in->avoid[i]->radius_metres, 0, RADIUS_MAX_METRES,
                               "metres")) != ERR_NONE ||
            (err = gazetteer_locate(ctx->gazetteer, field, in->avoid[i]->postcode, &place, problem)) != ERR_NONE)
            return err;
        out->avoided[i] = (struct avoided){.e_metres = (uint32_t)place.easting_m,
                                           .n_metres = (uint32_t)place.northing_m,
                                           .radius_metres = in->avoid[i]->radius_metres};
    }
    out->avoided_count = (uint32_t)in->n_avoid;
    return ERR_NONE;
}

static enum err wishes_from(const struct service_context *ctx, const Vacancy__V1__FindVacanciesRequest *in,
                            struct criteria *out, struct problem *problem)
{
    if (in->n_languages > WANTED_LANGUAGES_MAX)
        return wrong(problem, NULL, "languages", "%zu given; at most %d are accepted", in->n_languages,
                     WANTED_LANGUAGES_MAX);
    for (size_t i = 0; i < in->n_languages; i++) {
        struct path at = {NULL, "languages", (int)i};
        const struct language_entry *known;
        char field[PROBLEM_FIELD_BYTES];
        path_text(&at, NULL, field);
        enum err err = gazetteer_language(ctx->gazetteer, field, in->languages[i], &known, problem);
        if (err != ERR_NONE)
            return err;
        for (size_t k = 0; k < i; k++)
            if (strcmp(out->languages[k], known->tag) == 0)
                return wrong(problem, &at, NULL, "this language is given twice; give each once");
        memcpy(out->languages[i], known->tag, LANGUAGE_TAG_BYTES);
    }
    out->language_count = (uint32_t)in->n_languages;
    return check_mask(problem, NULL, "skills", in->skills, in->n_skills, SKILL_END, "Skill", &out->skills);
}

static enum err codes_from(const Vacancy__V1__FindVacanciesRequest *in, struct criteria *out, struct problem *problem)
{
    uint8_t care_type, grouping, alongside;
    enum err err;
    if ((err = check_code(problem, NULL, "care_type", (int)in->care_type, CARE_TYPE_END, true, "CareType",
                          &care_type)) != ERR_NONE ||
        (err = check_code(problem, NULL, "grouping", (int)in->grouping, GROUPING_SPLIT + 1, false, "Grouping",
                          &grouping)) != ERR_NONE ||
        (err = check_code(problem, NULL, "alongside", (int)in->alongside, ALONGSIDE_END, false, "CaredForAlongside",
                          &alongside)) != ERR_NONE ||
        (err = check_mask(problem, NULL, "home_features", in->home_features, in->n_home_features, HOME_FEATURE_END,
                          "HomeFeature", &out->home_features)) != ERR_NONE ||
        (err = check_mask(problem, NULL, "risks", in->risks, in->n_risks, RISK_END, "Risk", &out->risks)) != ERR_NONE ||
        (err = check_mask(problem, NULL, "no_pets", in->no_pets, in->n_no_pets, PET_END, "Pet", &out->no_pets)) !=
            ERR_NONE ||
        (err = check_mask(problem, NULL, "overrides", in->overrides, in->n_overrides, OVERRIDE_END, "Override",
                          &out->overrides)) != ERR_NONE)
        return err;
    out->care_type = (enum care_type)care_type;
    out->grouping = grouping == GROUPING_UNSTATED ? GROUPING_TOGETHER : (enum grouping)grouping;
    out->alongside = alongside == ALONGSIDE_UNSTATED ? ALONGSIDE_NO_PREFERENCE : (enum alongside)alongside;
    return ERR_NONE;
}

enum err criteria_from(const struct service_context *ctx, const struct principal *team,
                       const Vacancy__V1__FindVacanciesRequest *in, int64_t now_ms, struct criteria *out,
                       struct search_frame *frame, struct problem *problem)
{
    enum err err;
    memset(out, 0, sizeof *out);
    out->as_of_ms = now_ms;
    out->within_metres = in->within_metres;
    out->limit = in->limit == 0 ? OPTIONS_DEFAULT : in->limit;
    if ((err = frame_from(ctx, team, in, frame, problem)) != ERR_NONE ||
        (err = codes_from(in, out, problem)) != ERR_NONE || (err = children_from(in, out, problem)) != ERR_NONE ||
        (err = starts_from(in, now_ms, out, problem)) != ERR_NONE ||
        (err = places_from(ctx, in, out, frame, problem)) != ERR_NONE ||
        (err = wishes_from(ctx, in, out, problem)) != ERR_NONE)
        return err;
    return check_range(problem, NULL, "limit", out->limit, 1, OPTIONS_MAX, "options");
}

/* --- the answer ------------------------------------------------------------------------------------------------ */

static bool reasons_view(const struct option *option, Vacancy__V1__Option *out, struct arena *arena)
{
    NEW_LIST(out->reasons, option->reason_count, false);
    for (uint32_t i = 0; i < option->reason_count; i++) {
        NEW_OR(Vacancy__V1__Reason, reason, vacancy__v1__reason__init, false);
        reason->rule = (Vacancy__V1__Rule)option->reasons[i].rule;
        reason->outcome = (Vacancy__V1__Reason__Outcome)option->reasons[i].outcome;
        reason->asked = (char *)option->reasons[i].asked;
        reason->found = (char *)option->reasons[i].found;
        out->reasons[out->n_reasons++] = reason;
    }
    return true;
}

static Vacancy__V1__AgencyContact *contact_view(const struct agency *agency, struct arena *arena)
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

static Vacancy__V1__AuthorityRelation relation_view(enum authority_relation relation)
{
    switch (relation) {
    case RELATION_IN_AREA:
        return VACANCY__V1__AUTHORITY_RELATION__AUTHORITY_RELATION_IN_AREA;
    case RELATION_ADJOINING:
        return VACANCY__V1__AUTHORITY_RELATION__AUTHORITY_RELATION_ADJOINING;
    case RELATION_ACROSS_WATER:
        return VACANCY__V1__AUTHORITY_RELATION__AUTHORITY_RELATION_ACROSS_WATER;
    case RELATION_AT_A_DISTANCE:
        break;
    }
    return VACANCY__V1__AUTHORITY_RELATION__AUTHORITY_RELATION_AT_A_DISTANCE;
}

static Vacancy__V1__Option *card(const struct service_context *ctx, const struct principal *team,
                                 const struct option *option, struct arena *arena)
{
    const struct offer *offer = &option->offer;
    const struct authority *authority = gazetteer_authority(ctx->gazetteer, offer->cell.authority);
    NEW(Vacancy__V1__Option, out, vacancy__v1__option__init);
    out->distance_metres = option->distance_metres;
    out->area = (char *)offer->cell.area;
    out->home_authority = (char *)offer->cell.authority;
    if (authority != NULL)
        out->home_authority_name = (char *)authority->name;
    out->relation = relation_view(gazetteer_relation(ctx->gazetteer, team->authority, offer->cell.authority));
    out->region = (char *)option->region;
    out->beds_free = offer->beds_free;
    out->on_call = offer->on_call;
    out->confirmed_at_ms = offer->confirmed_at_ms;
    out->valid_until_ms = offer->valid_until_ms;
    out->unconfirmed = option->unconfirmed;
    out->children_taken = option->children_taken;
    if ((out->vacancy_id = view_id(arena, offer->vacancy_id)) == NULL ||
        (out->care_types = view_codes(arena, offer->care_types, CARE_TYPE_END, &out->n_care_types)) == NULL ||
        (out->agency = contact_view(&option->agency, arena)) == NULL || !reasons_view(option, out, arena))
        return NULL;
    return out;
}

static bool removed_view(const struct answer *answer, Vacancy__V1__FindVacanciesResponse *out, struct arena *arena)
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

/* The regions that were searched, and those of the roster: two lists by code become one. */
static bool positions_view(const struct service_context *ctx, const struct answer *answer,
                           const struct replica_age *ages, size_t age_count, Vacancy__V1__FindVacanciesResponse *out,
                           struct arena *arena)
{
    const struct region_position *searched = answer->positions, *end = searched + answer->position_count;
    size_t most = answer->position_count + age_count, at = 0;
    Vacancy__V1__RegionPosition *position = arena_alloc(arena, most * sizeof *position);
    if (position == NULL)
        return false;
    NEW_LIST(out->positions, most, false);
    for (; searched < end || at < age_count; position++) {
        int order = searched == end ? 1 : at == age_count ? -1 : strcmp(searched->region, ages[at].region);
        vacancy__v1__region_position__init(position);
        if (order > 0 && !missing_view(&ages[at], position, arena))
            return false;
        if (order <= 0)
            searched_view(ctx, searched++, order == 0 ? &ages[at] : NULL, position);
        at += order >= 0;
        out->positions[out->n_positions++] = position;
    }
    return true;
}

/* What makes the answer repeatable (design 4.7). */
static bool inputs_view(const struct service_context *ctx, const struct search_frame *frame,
                        Vacancy__V1__FindVacanciesResponse *out, struct arena *arena)
{
    static const char *const precisions[] = {
        [PLACE_OUTCODE] = "outcode", [PLACE_SECTOR] = "sector", [PLACE_UNIT] = "unit"};
    uint8_t digest[DIGEST_BYTES];
    if ((out->gazetteer_digest = arena_alloc(arena, DIGEST_HEX_SIZE)) == NULL)
        return false;
    gazetteer_digest(ctx->gazetteer, digest);
    hex_encode(digest, sizeof digest, out->gazetteer_digest);
    out->policy = (char *)"distance";
    out->near_precision = (char *)precisions[frame->near_precision];
    return true;
}

Vacancy__V1__FindVacanciesResponse *answer_view(const struct service_context *ctx, const struct principal *team,
                                                const struct criteria *criteria, const struct search_frame *frame,
                                                const struct answer *answer, const struct replica_age *ages,
                                                size_t age_count, struct arena *arena)
{
    NEW(Vacancy__V1__FindVacanciesResponse, out, vacancy__v1__find_vacancies_response__init);
    out->as_of_ms = criteria->as_of_ms;
    NEW_LIST(out->options, answer->option_count, NULL);
    for (uint32_t i = 0; i < answer->option_count; i++) {
        if ((out->options[i] = card(ctx, team, &answer->options[i], arena)) == NULL)
            return NULL;
        out->n_options++;
    }
    if (!removed_view(answer, out, arena) || !positions_view(ctx, answer, ages, age_count, out, arena) ||
        !inputs_view(ctx, frame, out, arena))
        return NULL;
    return out;
}
