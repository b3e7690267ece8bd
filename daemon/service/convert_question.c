/*
 * convert_question.c - a search as it is asked becomes criteria.
 *
 * Owns: every promise that the comments of FindVacanciesRequest make about a field, as a check. The answer is
 * convert_answer.c's. No state, any thread. Invariant: criteria come out whole, or one field is named.
 */
#include "daemon/base/text.h"
#include "daemon/service/check.h"
#include "daemon/service/convert.h"

#include <string.h>

#define AGE_14_MONTHS      168
#define AGE_16_MONTHS      192
#define AGE_18_MONTHS      216
#define AGE_LAST_MONTHS    251
#define STARTS_AHEAD_DAYS  366
#define SOON_DAYS          5 /* the placements standard's "under five days" */
#define RADIUS_MAX_METRES  50000
#define OPTIONS_DEFAULT    3
#define PURPOSE_END        5
#define NEEDED_BY_END      4
#define CULTURAL_NEEDS_END 5
#define PETS_WISH_END      5
#define EXPLAIN_WHEN_END   3
#define COMMUNICATION_END  6
#define FRAMEWORK_TIER_MAX 99
#define ORDER_OWN_MAX      32 /* characters after the authority's number */
#define EVERY_PET          ((1u << PET_END) - 2)

typedef Vacancy__V1__FindVacanciesRequest request;

/* --- who asks, and what for ------------------------------------------------------------------------------------ */

static bool begins_with_number(const char *text, unsigned dfe_number)
{
    return text[0] == (char)('0' + dfe_number / 100 % 10) && text[1] == (char)('0' + dfe_number / 10 % 10) &&
           text[2] == (char)('0' + dfe_number % 10) && text[3] == '-';
}

/* H15: a reference of the team's own authority, in which no name fits. */
static enum err reference_from(const struct authority *authority, const struct path *at, const char *text,
                               struct problem *problem)
{
    if (text[0] == '\0')
        return wrong(problem, at, "request_reference",
                     "required: your authority's DfE number (%03u), a hyphen and your own 4 to 10 digits",
                     authority->dfe_number);
    if (!request_reference_valid(text))
        return wrong(problem, at, "request_reference",
                     "your authority's DfE number (%03u), a hyphen and 4 to 10 digits are accepted; never a name",
                     authority->dfe_number);
    if (!begins_with_number(text, authority->dfe_number))
        return wrong(problem, at, "request_reference",
                     "begins with another authority's DfE number; a team of %s asks under %03u", authority->name,
                     authority->dfe_number);
    return ERR_NONE;
}

static const struct authority *authority_of(const struct service_context *ctx, const struct principal *team,
                                            struct problem *problem)
{
    const struct authority *authority = gazetteer_authority(ctx->gazetteer, team->authority);
    if (authority == NULL)
        (void)problem_set(problem, ERR_FORBIDDEN, "",
                          "%s is not an English authority with children's services today: "
                          "the team's certificate needs a current code",
                          team->authority);
    return authority;
}

enum err request_reference_from(const struct service_context *ctx, const struct principal *team, const char *text,
                                char out[REQUEST_REFERENCE_BYTES], struct problem *problem)
{
    const struct authority *authority = authority_of(ctx, team, problem);
    if (authority == NULL)
        return problem->code;
    enum err err = reference_from(authority, NULL, text, problem);
    if (err == ERR_NONE)
        strcpy(out, text); /* valid: 3 digits, a hyphen, at most 10 */
    return err;
}

static enum err frame_from(const struct authority *authority, const struct path *at, const request *in,
                           struct search_frame *frame, struct problem *problem)
{
    uint8_t purpose;
    enum err err = reference_from(authority, at, in->request_reference, problem);
    if (err == ERR_NONE)
        err = check_code(problem, at, "purpose", (int)in->purpose, PURPOSE_END, true, "Purpose", &purpose);
    if (err != ERR_NONE)
        return err;
    frame->request_reference = in->request_reference;
    frame->purpose = purpose;
    return ERR_NONE;
}

/* --- the children, the kind of care, the day -------------------------------------------------------------------- */

static enum err children_from(const struct path *up, const request *in, struct criteria *out, struct problem *problem)
{
    if (in->n_children == 0)
        return wrong(problem, up, "children", "required: 1 to %d children", CHILDREN_MAX);
    if (in->n_children > CHILDREN_MAX)
        return wrong(problem, up, "children", "%zu given; at most %d are accepted", in->n_children, CHILDREN_MAX);
    for (size_t i = 0; i < in->n_children; i++) {
        struct path at = {up, "children", (int)i};
        uint32_t age = in->children[i]->age_months;
        enum err err = check_range(problem, &at, "age_months", age, 0, AGE_LAST_MONTHS, "months");
        if (err == ERR_NONE && age > 12 && age % 12 != 0)
            err = wrong(problem, &at, "age_months", "from 12 months on whole years (a multiple of 12) are accepted");
        if (err == ERR_NONE && age >= AGE_18_MONTHS && out->care_type != CARE_STAYING_PUT)
            err = wrong(problem, &at, "age_months", "18 or over is accepted only with care_type STAYING_PUT");
        if (err == ERR_NONE && age < AGE_18_MONTHS && out->care_type == CARE_STAYING_PUT)
            err = wrong(problem, &at, "age_months",
                        "STAYING_PUT is for those of 18 and over (216 months); a child under 18 is fostered: ask for "
                        "another care_type, and for each by itself where brothers and sisters are of both");
        if (err == ERR_NONE)
            err = check_code(problem, &at, "sex", (int)in->children[i]->sex, SEX_U + 1, true, "Sex",
                             &out->children[i].sex);
        if (err != ERR_NONE)
            return err;
        out->children[i].age_months = age;
        out->key_stage_4 |= age >= AGE_14_MONTHS && age < AGE_16_MONTHS;
    }
    out->child_count = (uint32_t)in->n_children;
    return ERR_NONE;
}

/* The SSDA903 code and the kind of care say one thing: each in the words of the other where both are given. */
static enum err care_from(const struct path *at, const request *in, struct criteria *out, struct problem *problem)
{
    uint8_t care, code;
    enum err err = check_code(problem, at, "placement_code", (int)in->placement_code, PLACEMENT_CODE_END, false,
                              "PlacementCode", &code);
    if (err == ERR_NONE)
        err = check_code(problem, at, "care_type", (int)in->care_type, CARE_TYPE_END, code == 0, "CareType", &care);
    if (err != ERR_NONE)
        return err;
    switch ((Vacancy__V1__PlacementCode)code) {
    case VACANCY__V1__PLACEMENT_CODE__PLACEMENT_CODE_U4:
        if (care != CARE_NONE && care != CARE_LONG_TERM)
            return wrong(problem, at, "placement_code", "U4 is long term: care_type LONG_TERM, or none, goes with it");
        care = CARE_LONG_TERM;
        break;
    case VACANCY__V1__PLACEMENT_CODE__PLACEMENT_CODE_U5:
        if (care != CARE_NONE && care != CARE_FOSTERING_FOR_ADOPTION)
            return wrong(problem, at, "placement_code",
                         "U5 is with an approved adopter: care_type FOSTERING_FOR_ADOPTION, or none, goes with it");
        care = CARE_FOSTERING_FOR_ADOPTION;
        break;
    case VACANCY__V1__PLACEMENT_CODE__PLACEMENT_CODE_U6:
        if (care == CARE_LONG_TERM || care == CARE_FOSTERING_FOR_ADOPTION)
            return wrong(problem, at, "placement_code",
                         "U6 is neither long term nor with an approved adopter: with this care_type it is %s",
                         care == CARE_LONG_TERM ? "U4" : "U5");
        if (care == CARE_NONE)
            care = CARE_SHORT_TERM;
        break;
    default:
        break;
    }
    out->care_type = (enum care_type)care;
    out->long_term_plan = care == CARE_LONG_TERM;
    return ERR_NONE;
}

static enum err starts_from(const struct path *at, const request *in, int64_t now_ms, struct criteria *out,
                            struct problem *problem)
{
    date_days today = date_of_wall_ms(now_ms);
    enum err err = check_date(problem, at, "starts_on", in->starts_on, false, &out->starts_on);
    if (err != ERR_NONE)
        return err;
    if (out->starts_on == DATE_NONE)
        out->starts_on = today;
    if (out->starts_on < today)
        return wrong(problem, at, "starts_on", "lies in the past; today, or up to a year ahead, is accepted");
    if (out->starts_on > today + STARTS_AHEAD_DAYS)
        return wrong(problem, at, "starts_on",
                     "lies more than a year ahead; today, or up to a year ahead, is accepted");
    return ERR_NONE;
}

/* After starts_from: the standard's word must fit the day. */
static enum err needed_by_from(const struct path *at, const request *in, int64_t now_ms, struct criteria *out,
                               struct problem *problem)
{
    date_days ahead = out->starts_on - date_of_wall_ms(now_ms);
    uint8_t needed;
    enum err err = check_code(problem, at, "needed_by", (int)in->needed_by, NEEDED_BY_END, false, "NeededBy", &needed);
    if (err != ERR_NONE)
        return err;
    switch ((Vacancy__V1__NeededBy)needed) {
    case VACANCY__V1__NEEDED_BY__NEEDED_BY_TODAY:
        if (ahead != 0)
            return wrong(problem, at, "needed_by", "TODAY goes with today as starts_on, or with none");
        break;
    case VACANCY__V1__NEEDED_BY__NEEDED_BY_UNDER_5_DAYS:
        if (ahead >= SOON_DAYS)
            return wrong(problem, at, "needed_by",
                         "UNDER_5_DAYS goes with a starts_on at most 4 days ahead, or with none");
        break;
    case VACANCY__V1__NEEDED_BY__NEEDED_BY_5_DAYS_OR_MORE:
        if (in->starts_on[0] == '\0')
            return wrong(problem, at, "starts_on", "required with needed_by 5_DAYS_OR_MORE: the first day, YYYY-MM-DD");
        if (ahead < SOON_DAYS)
            return wrong(problem, at, "needed_by", "5_DAYS_OR_MORE goes with a starts_on at least 5 days ahead");
        break;
    default:
        break;
    }
    if (code_in(out->overrides, OVERRIDE_OUTSIDE_TERMS) && ahead >= SOON_DAYS)
        return wrong(problem, at, "overrides",
                     "EMERGENCY_OUTSIDE_TERMS is for an emergency (reg 23): a first day %d or more days ahead is none",
                     SOON_DAYS);
    out->on_call_asked = needed == VACANCY__V1__NEEDED_BY__NEEDED_BY_TODAY || out->care_type == CARE_EMERGENCY ||
                         in->purpose == VACANCY__V1__PURPOSE__PURPOSE_EMERGENCY_PLACEMENT;
    return ERR_NONE;
}

/* --- places ---------------------------------------------------------------------------------------------------- */

static enum err near_from(const struct gazetteer *gazetteer, const struct path *at, const request *in,
                          struct question *out, struct problem *problem)
{
    struct place place;
    char field[PROBLEM_FIELD_BYTES];
    if (in->near_postcode[0] == '\0')
        return wrong(problem, at, "near_postcode", "required: a postcode, a sector or an outcode");
    path_text(at, "near_postcode", field);
    enum err err = gazetteer_locate(gazetteer, field, in->near_postcode, &place, problem);
    if (err != ERR_NONE)
        return err;
    out->criteria.near_e_metres = (uint32_t)place.easting_m;
    out->criteria.near_n_metres = (uint32_t)place.northing_m;
    out->frame.near_precision = place.precision;
    return ERR_NONE;
}

/*
 * H10: what is known by a sector or an outcode is avoided as that whole area. Where the sector isn't known the outcode
 * stands for nothing that was asked: the postcode may lie beyond all that is known of it.
 */
static enum err avoided_place_from(const struct gazetteer *gazetteer, const struct path *at,
                                   const Vacancy__V1__AvoidedPlace *in, struct avoided *out, struct problem *problem)
{
    struct postcode postcode;
    struct place place;
    char field[PROBLEM_FIELD_BYTES];
    path_text(at, "postcode", field);
    enum err err = check_range(problem, at, "radius_metres", in->radius_metres, 0, RADIUS_MAX_METRES, "metres");
    if (err != ERR_NONE || (err = postcode_parse(field, in->postcode, &postcode, problem)) != ERR_NONE ||
        (err = gazetteer_find(gazetteer, field, &postcode, &place, problem)) != ERR_NONE)
        return err;
    if (place.precision == PLACE_OUTCODE && postcode.kind != POSTCODE_OUTCODE)
        return wrong(
            problem, at, "postcode",
            "no such sector is known of this outcode; check it, give another postcode or sector near there, or "
            "the outcode alone, to avoid all of it");
    *out = (struct avoided){.e_metres = (uint32_t)place.easting_m,
                            .n_metres = (uint32_t)place.northing_m,
                            .radius_metres = in->radius_metres,
                            .reach_metres = place.reach_metres};
    if (place.precision == PLACE_OUTCODE)
        postcode_outcode(&postcode, out->area);
    else if (place.precision == PLACE_SECTOR)
        (void)postcode_sector(&postcode, out->area); /* there is one: the place was found by it */
    return ERR_NONE;
}

static enum err avoided_from(const struct gazetteer *gazetteer, const struct path *up, const request *in,
                             struct criteria *out, struct problem *problem)
{
    if (in->n_avoid > AVOIDED_MAX)
        return wrong(problem, up, "avoid", "%zu given; at most %d are accepted", in->n_avoid, AVOIDED_MAX);
    for (size_t i = 0; i < in->n_avoid; i++) {
        struct path at = {up, "avoid", (int)i};
        enum err err = avoided_place_from(gazetteer, &at, in->avoid[i], &out->avoided[i], problem);
        if (err != ERR_NONE)
            return err;
    }
    out->avoided_count = (uint32_t)in->n_avoid;
    return ERR_NONE;
}

/* Places to be near to: an outcode is too wide to say that a school is ten miles away. */
static enum err points_from(const struct gazetteer *gazetteer, const struct path *up, const char *name, char **texts,
                            size_t count, struct point_wanted out[PLACES_WANTED_MAX], uint32_t *out_count,
                            struct problem *problem)
{
    if (count > PLACES_WANTED_MAX)
        return wrong(problem, up, name, "%zu given; at most %d are accepted", count, PLACES_WANTED_MAX);
    for (size_t i = 0; i < count; i++) {
        struct path at = {up, name, (int)i};
        struct place place;
        char field[PROBLEM_FIELD_BYTES];
        path_text(&at, NULL, field);
        enum err err = gazetteer_locate(gazetteer, field, texts[i], &place, problem);
        if (err != ERR_NONE)
            return err;
        if (place.precision < PLACE_SECTOR)
            return wrong(problem, &at, NULL,
                         "no more than an outcode is known of it; a postcode or a sector is needed");
        out[i] = (struct point_wanted){(uint32_t)place.easting_m, (uint32_t)place.northing_m};
    }
    *out_count = (uint32_t)count;
    return ERR_NONE;
}

static enum err places_from(const struct gazetteer *gazetteer, const struct path *at, const request *in,
                            struct question *question, struct problem *problem)
{
    struct criteria *out = &question->criteria;
    enum err err;
    if ((err = near_from(gazetteer, at, in, question, problem)) != ERR_NONE ||
        (err = avoided_from(gazetteer, at, in, out, problem)) != ERR_NONE ||
        (err = points_from(gazetteer, at, "school_postcodes", in->school_postcodes, in->n_school_postcodes,
                           out->schools, &out->school_count, problem)) != ERR_NONE ||
        (err = points_from(gazetteer, at, "sibling_postcodes", in->sibling_postcodes, in->n_sibling_postcodes,
                           out->sibling_places, &out->sibling_place_count, problem)) != ERR_NONE)
        return err;
    return points_from(gazetteer, at, "important_postcodes", in->important_postcodes, in->n_important_postcodes,
                       out->important, &out->important_count, problem);
}

/* --- needs and wishes -------------------------------------------------------------------------------------------- */

static bool has_language(const struct criteria *criteria, const char *tag)
{
    for (uint32_t i = 0; i < criteria->language_count; i++)
        if (strcmp(criteria->languages[i], tag) == 0)
            return true;
    return false;
}

static enum err languages_from(const struct gazetteer *gazetteer, const struct path *up, const request *in,
                               struct criteria *out, struct problem *problem)
{
    if (in->n_languages > WANTED_LANGUAGES_MAX)
        return wrong(problem, up, "languages", "%zu given; at most %d are accepted", in->n_languages,
                     WANTED_LANGUAGES_MAX);
    for (size_t i = 0; i < in->n_languages; i++) {
        struct path at = {up, "languages", (int)i};
        const struct language_entry *known;
        char field[PROBLEM_FIELD_BYTES];
        path_text(&at, NULL, field);
        enum err err = gazetteer_language(gazetteer, field, in->languages[i], &known, problem);
        if (err != ERR_NONE)
            return err;
        if (has_language(out, known->tag))
            return wrong(problem, &at, NULL, "this language is given twice; give each once");
        memcpy(out->languages[out->language_count++], known->tag, LANGUAGE_TAG_BYTES);
    }
    return ERR_NONE;
}

/* After languages_from, which signs join. */
static enum err communication_from(const struct path *at, const request *in, struct criteria *out,
                                   struct problem *problem)
{
    static const struct {
        Vacancy__V1__CommunicationNeed need;
        char tag[LANGUAGE_TAG_BYTES];
    } signs[] = {{VACANCY__V1__COMMUNICATION_NEED__COMMUNICATION_NEED_BSL, "bfi"},
                 {VACANCY__V1__COMMUNICATION_NEED__COMMUNICATION_NEED_MAKATON, "art-x-makaton"}};
    uint32_t needs;
    enum err err = check_mask(problem, at, "communication_needs", in->communication_needs, in->n_communication_needs,
                              COMMUNICATION_END, "CommunicationNeed", &needs);
    if (err != ERR_NONE)
        return err;
    if (code_in(needs, VACANCY__V1__COMMUNICATION_NEED__COMMUNICATION_NEED_NONE) && in->n_communication_needs > 1)
        return wrong(problem, at, "communication_needs", "NONE goes with no other need");
    for (size_t i = 0; i < sizeof signs / sizeof signs[0]; i++) {
        if (!code_in(needs, signs[i].need) || has_language(out, signs[i].tag))
            continue;
        if (out->language_count == WANTED_LANGUAGES_MAX)
            return wrong(problem, at, "communication_needs",
                         "BSL and MAKATON count among languages, of which at most %d are accepted",
                         WANTED_LANGUAGES_MAX);
        memcpy(out->languages[out->language_count++], signs[i].tag, LANGUAGE_TAG_BYTES);
    }
    return ERR_NONE;
}

static enum err pets_from(const struct path *at, const request *in, struct criteria *out, struct problem *problem)
{
    uint8_t pets;
    enum err err = check_mask(problem, at, "no_pets", in->no_pets, in->n_no_pets, PET_END, "Pet", &out->no_pets);
    if (err == ERR_NONE)
        err = check_code(problem, at, "pets", (int)in->pets, PETS_WISH_END, false, "PetsWish", &pets);
    if (err != ERR_NONE)
        return err;
    out->pets_must = pets == VACANCY__V1__PETS_WISH__PETS_WISH_MUST;
    if (out->pets_must && out->no_pets == EVERY_PET)
        return wrong(problem, at, "pets", "MUST, but no_pets names every kind of animal; leave one of them out");
    if (pets == VACANCY__V1__PETS_WISH__PETS_WISH_NO)
        out->no_pets = EVERY_PET;
    return ERR_NONE;
}

static enum err needs_from(const struct gazetteer *gazetteer, const struct path *at, const request *in,
                           struct criteria *out, struct problem *problem)
{
    uint8_t grouping, alongside, culture;
    enum err err;
    if ((err = check_code(problem, at, "grouping", (int)in->grouping, GROUPING_SPLIT + 1, false, "Grouping",
                          &grouping)) != ERR_NONE ||
        (err = check_code(problem, at, "alongside", (int)in->alongside, ALONGSIDE_END, false, "CaredForAlongside",
                          &alongside)) != ERR_NONE ||
        (err = check_code(problem, at, "cultural_needs", (int)in->cultural_needs, CULTURAL_NEEDS_END, false,
                          "CulturalNeeds", &culture)) != ERR_NONE ||
        (err = check_mask(problem, at, "home_features", in->home_features, in->n_home_features, HOME_FEATURE_END,
                          "HomeFeature", &out->home_features)) != ERR_NONE ||
        (err = check_mask(problem, at, "risks", in->risks, in->n_risks, RISK_END, "Risk", &out->risks)) != ERR_NONE ||
        (err = pets_from(at, in, out, problem)) != ERR_NONE ||
        (err = check_mask(problem, at, "overrides", in->overrides, in->n_overrides, OVERRIDE_END, "Override",
                          &out->overrides)) != ERR_NONE ||
        (err = languages_from(gazetteer, at, in, out, problem)) != ERR_NONE ||
        (err = communication_from(at, in, out, problem)) != ERR_NONE ||
        (err = check_mask(problem, at, "skills", in->skills, in->n_skills, SKILL_END, "Skill", &out->skills)) !=
            ERR_NONE)
        return err;
    out->grouping = grouping == GROUPING_UNSTATED ? GROUPING_TOGETHER : (enum grouping)grouping;
    out->alongside = alongside == ALONGSIDE_UNSTATED ? ALONGSIDE_NO_PREFERENCE : (enum alongside)alongside;
    out->culture_asked = culture == VACANCY__V1__CULTURAL_NEEDS__CULTURAL_NEEDS_REQUIRED ||
                         culture == VACANCY__V1__CULTURAL_NEEDS__CULTURAL_NEEDS_OTHER;
    return ERR_NONE;
}

/* --- the order --------------------------------------------------------------------------------------------------- */

static enum err framework_from(const struct path *at, const request *in, struct criteria *out, struct problem *problem)
{
    const char *name = in->framework;
    enum err err = check_range(problem, at, "framework_tier", in->framework_tier, 0, FRAMEWORK_TIER_MAX, "as tier");
    if (err != ERR_NONE)
        return err;
    if (name[0] == '\0' && in->framework_tier > 0)
        return wrong(problem, at, "framework_tier", "a tier of what? It goes only with framework");
    if (name[0] != '\0' && !text_is_gss_code(name) && !text_is_slug(name, AGENCY_ID_BYTES - 1))
        return wrong(problem, at, "framework",
                     "an authority's GSS code, or the consortium's short name in lower-case letters, digits and "
                     "hyphens, is accepted");
    strcpy(out->framework, name);
    out->framework_tier = in->framework_tier;
    return ERR_NONE;
}

/* Which steps an authority of its own takes is its affair; that each is said, and said once, is ours. */
static enum err steps_from(const struct path *up, const request *in, struct criteria *out, struct problem *problem)
{
    uint32_t given;
    if (in->n_order_steps == 0)
        return wrong(problem, up, "order_steps", "required with an order of your own: its steps, best first");
    if (in->n_order_steps > ORDER_STEPS_MAX)
        return wrong(problem, up, "order_steps", "%zu given; at most %d are accepted", in->n_order_steps,
                     ORDER_STEPS_MAX);
    enum err err =
        check_mask(problem, up, "order_steps", in->order_steps, in->n_order_steps, STEP_END, "OrderStep", &given);
    if (err != ERR_NONE)
        return err;
    for (size_t i = 0; i < in->n_order_steps; i++) {
        struct path at = {up, "order_steps", (int)i};
        if (in->order_steps[i] == VACANCY__V1__ORDER_STEP__ORDER_STEP_TIER && out->framework[0] == '\0')
            return wrong(problem, &at, NULL, "the tier of what? ORDER_STEP_TIER goes only with framework");
        out->steps[i] = (uint8_t)in->order_steps[i];
    }
    out->step_count = (uint32_t)in->n_order_steps;
    out->rating_asked |= code_in(given, STEP_RATING);
    return ERR_NONE;
}

static bool is_own_order(const char *name)
{
    size_t size = strlen(name);
    return size > 4 && size <= 4 + ORDER_OWN_MAX && strspn(name, "0123456789") == 3 && name[3] == '-' &&
           strspn(name + 4, "abcdefghijklmnopqrstuvwxyz0123456789-") == size - 4;
}

static enum err order_from(const struct authority *authority, const struct path *at, const request *in,
                           struct question *out, struct problem *problem)
{
    const char *name = in->order_name[0] != '\0' ? in->order_name : "default";
    out->frame.order_name = name;
    if (criteria_order(&out->criteria, name))
        return in->n_order_steps == 0 ? ERR_NONE
                                      : wrong(problem, at, "order_steps",
                                              "go only with an order_name of your own (%03u-...); \"%s\" is built in",
                                              authority->dfe_number, name);
    if (!is_own_order(name))
        return wrong(
            problem, at, "order_name",
            "\"default\", \"nearest\", or your authority's DfE number (%03u), a hyphen and 1 to %d of a-z, 0-9 "
            "and hyphens, is accepted",
            authority->dfe_number, ORDER_OWN_MAX);
    if (!begins_with_number(name, authority->dfe_number))
        return wrong(problem, at, "order_name",
                     "begins with another authority's DfE number; an order of %s begins with %03u", authority->name,
                     authority->dfe_number);
    return steps_from(at, in, &out->criteria, problem);
}

/* --- how much of an answer --------------------------------------------------------------------------------------- */

static enum err extent_from(const struct path *at, const request *in, struct criteria *out, struct problem *problem)
{
    uint8_t explain;
    enum err err;
    out->within_metres = in->within_metres;
    out->limit = in->limit == 0 ? OPTIONS_DEFAULT : in->limit;
    if ((err = check_range(problem, at, "limit", out->limit, 1, OPTIONS_MAX, "options")) != ERR_NONE ||
        (err = check_code(problem, at, "explain", (int)in->explain, EXPLAIN_WHEN_END, false, "ExplainWhen",
                          &explain)) != ERR_NONE ||
        (err = check_range(problem, at, "split_into", in->split_into, 0, SPLIT_HOMES_MAX, "homes")) != ERR_NONE)
        return err;
    if (in->split_into > 1 && out->grouping == GROUPING_SPLIT)
        return wrong(problem, at, "split_into",
                     "is sought where nobody takes all together; with grouping SPLIT each option takes whom it can");
    out->unexplained = explain == VACANCY__V1__EXPLAIN_WHEN__EXPLAIN_WHEN_NEVER;
    /* No more homes than children; one home is no split. */
    out->split_into = in->split_into < out->child_count ? in->split_into : out->child_count;
    if (out->split_into < 2)
        out->split_into = 0;
    return ERR_NONE;
}

enum err question_from(const struct service_context *ctx, const struct path *at, const request *in, int64_t now_ms,
                       struct question *out, struct problem *problem)
{
    const struct gazetteer *gazetteer = ctx->gazetteer;
    const struct authority *authority = authority_of(ctx, &out->team, problem);
    struct criteria *criteria = &out->criteria;
    enum err err;
    if (authority == NULL)
        return problem->code;
    *criteria = (struct criteria){.as_of_ms = now_ms, .rating_asked = in->show_rating};
    memcpy(criteria->authority, authority->gss, GSS_BYTES);
    if ((err = frame_from(authority, at, in, &out->frame, problem)) != ERR_NONE ||
        (err = care_from(at, in, criteria, problem)) != ERR_NONE ||
        (err = needs_from(gazetteer, at, in, criteria, problem)) != ERR_NONE ||
        (err = children_from(at, in, criteria, problem)) != ERR_NONE ||
        (err = starts_from(at, in, now_ms, criteria, problem)) != ERR_NONE ||
        (err = needed_by_from(at, in, now_ms, criteria, problem)) != ERR_NONE ||
        (err = places_from(gazetteer, at, in, out, problem)) != ERR_NONE ||
        (err = framework_from(at, in, criteria, problem)) != ERR_NONE ||
        (err = order_from(authority, at, in, out, problem)) != ERR_NONE)
        return err;
    return extent_from(at, in, criteria, problem);
}
