/*
 * convert_in.c - carers, vacancies and agencies as they are pushed, checked field by field.
 * No state, any thread.
 */
#include "daemon/base/text.h"
#include "daemon/service/check.h"
#include "daemon/service/convert.h"

#include <ctype.h>
#include <string.h>

#define AGE_18_MONTHS  216
#define AGE_21_MONTHS  252
#define BEDS_MAX       12
#define NAME_BYTES     120
#define CONTACT_BYTES  40
#define TIER_MAX       9
#define FRAMEWORKS_MAX 32

static enum err check_count(struct problem *problem, const struct path *at, const char *name, size_t count, size_t max)
{
    if (count <= max)
        return ERR_NONE;
    return wrong(problem, at, name, "%zu given; at most %zu are accepted", count, max);
}

/* M, F, or 0 for any. U is for a child in a search, not for what a home takes. */
static enum err check_sex_taken(struct problem *problem, const struct path *at, int value, uint8_t *out)
{
    if (value == SEX_U)
        return wrong(problem, at, "sex", "SEX_U is no sex to approve for; send M, F, or leave it out for any");
    return check_code(problem, at, "sex", value, SEX_U, false, "Sex", out);
}

/*
 * Searches ask in whole years from 12 months on, a child of 2 being anything from 24 to 35 months (domain.md 2.6): what
 * is approved or offered is, at either end, whole years as well, so that who is within is within as a whole.
 */
static enum err check_age(struct problem *problem, const struct path *at, const char *field, uint32_t months)
{
    return months > 12 && months % 12 != 0
               ? wrong(problem, at, field, "from 12 months on whole years (a multiple of 12) are accepted")
               : ERR_NONE;
}

/* --- carer ----------------------------------------------------------------------------------------------------- */

static enum err ages_from(const Vacancy__V1__Terms *in, const struct path *at, struct terms *out,
                          struct problem *problem)
{
    enum err err;
    if ((err = check_range(problem, at, "age_from_months", in->age_from_months, 0, AGE_18_MONTHS, "months")) !=
            ERR_NONE ||
        (err = check_age(problem, at, "age_from_months", in->age_from_months)) != ERR_NONE)
        return err;
    bool staying_put = code_in(out->care_types, CARE_STAYING_PUT);
    if (in->age_below_months > AGE_18_MONTHS && !staying_put)
        return wrong(problem, at, "age_below_months",
                     "at most 216 (the 18th birthday) unless STAYING_PUT is among the care types");
    if ((err = check_range(problem, at, "age_below_months", in->age_below_months, 1,
                           staying_put ? AGE_21_MONTHS : AGE_18_MONTHS, "months")) != ERR_NONE ||
        (err = check_age(problem, at, "age_below_months", in->age_below_months)) != ERR_NONE)
        return err;
    if (in->age_below_months <= in->age_from_months)
        return wrong(problem, at, "age_below_months", "no age is left: the oldest lies below the youngest");
    out->age_from_months = in->age_from_months;
    out->age_below_months = in->age_below_months;
    return ERR_NONE;
}

static enum err terms_from(const Vacancy__V1__Terms *in, const struct path *up, struct terms *out,
                           struct problem *problem)
{
    if (in == NULL)
        return wrong(problem, up, "terms", "required: the terms of approval");
    struct path at = {up, "terms", -1};
    enum err err;
    if ((err = check_range(problem, &at, "max_children", in->max_children, 1, CHILDREN_MAX, "children")) != ERR_NONE)
        return err;
    out->max_children = in->max_children;
    out->max_children_if_siblings = in->max_children_if_siblings == 0 ? in->max_children : in->max_children_if_siblings;
    if ((err = check_range(problem, &at, "max_children_if_siblings", out->max_children_if_siblings, in->max_children,
                           CHILDREN_MAX, "children")) != ERR_NONE)
        return err;
    if (in->n_care_types == 0)
        return wrong(problem, &at, "care_types", "required: at least one code of CareType");
    if ((err = check_mask(problem, &at, "care_types", in->care_types, in->n_care_types, CARE_TYPE_END, "CareType",
                          &out->care_types)) != ERR_NONE)
        return err;
    if ((err = ages_from(in, &at, out, problem)) != ERR_NONE)
        return err;
    out->named_child_only = in->named_child_only;
    return check_sex_taken(problem, &at, (int)in->sex, &out->sex);
}

static enum err placed_from(const struct service_context *ctx, const Vacancy__V1__Carer *in, const struct path *up,
                            struct carer *out, struct problem *problem)
{
    enum err err = check_count(problem, up, "placed_children", in->n_placed_children, CHILDREN_MAX);
    if (err != ERR_NONE)
        return err;
    unsigned group_sizes[10] = {0};
    for (size_t i = 0; i < in->n_placed_children; i++) {
        const Vacancy__V1__PlacedChild *child = in->placed_children[i];
        struct placed_child *to = &out->placed[i];
        struct path at = {up, "placed_children", (int)i};
        if ((err = check_code(problem, &at, "age_band", (int)child->age_band, AGE_BAND_END, true, "AgeBand",
                              &to->age_band)) != ERR_NONE ||
            (err = check_code(problem, &at, "sex", (int)child->sex, SEX_U + 1, true, "Sex", &to->sex)) != ERR_NONE ||
            (err = check_range(problem, &at, "sibling_group", child->sibling_group, 0, 9, "as group number")) !=
                ERR_NONE ||
            (err = check_authority(problem, ctx->gazetteer, &at, "responsible_authority", child->responsible_authority,
                                   to->responsible_authority)) != ERR_NONE)
            return err;
        to->sibling_group = (uint8_t)child->sibling_group;
        group_sizes[child->sibling_group]++;
    }
    for (size_t i = 0; i < in->n_placed_children; i++) {
        struct path at = {up, "placed_children", (int)i};
        if (out->placed[i].sibling_group != 0 && group_sizes[out->placed[i].sibling_group] == 1)
            return wrong(problem, &at, "sibling_group",
                         "no other child placed here has this number; 0 means no sibling in this home");
    }
    out->placed_count = (uint32_t)in->n_placed_children;
    return ERR_NONE;
}

static enum err household_from(const Vacancy__V1__Carer *in, const struct path *up, struct carer *out,
                               struct problem *problem)
{
    enum err err = check_count(problem, up, "household_children", in->n_household_children, CHILDREN_MAX);
    for (size_t i = 0; err == ERR_NONE && i < in->n_household_children; i++) {
        const Vacancy__V1__HouseholdChild *child = in->household_children[i];
        struct path at = {up, "household_children", (int)i};
        err = check_code(problem, &at, "age_band", (int)child->age_band, AGE_BAND_END, true, "AgeBand",
                         &out->household[i].age_band);
        if (err == ERR_NONE)
            err = check_code(problem, &at, "sex", (int)child->sex, SEX_U + 1, true, "Sex", &out->household[i].sex);
    }
    out->household_count = (uint32_t)in->n_household_children;
    return err;
}

/* home_authority: of the authority where the home surely is; NULL when it is known to a sector only. */
static enum err exemptions_from(const struct service_context *ctx, const Vacancy__V1__Carer *in, const struct path *up,
                                const char *home_authority, struct carer *out, struct problem *problem)
{
    enum err err = check_count(problem, up, "exemptions", in->n_exemptions, EXEMPTIONS_MAX);
    for (size_t i = 0; err == ERR_NONE && i < in->n_exemptions; i++) {
        const Vacancy__V1__Exemption *exemption = in->exemptions[i];
        struct exemption *to = &out->exemptions[i];
        struct path at = {up, "exemptions", (int)i};
        if ((err = check_authority(problem, ctx->gazetteer, &at, "authority", exemption->authority, to->authority)) !=
                ERR_NONE ||
            (err = check_date(problem, &at, "until", exemption->until, false, &to->until)) != ERR_NONE ||
            (err = check_range(problem, &at, "children", exemption->children, 1, 9, "children")) != ERR_NONE)
            return err;
        if (home_authority != NULL && strcmp(home_authority, to->authority) != 0)
            return wrong(problem, &at, "authority",
                         "an exemption is granted by the authority where the home is, which is %s", home_authority);
        to->children = (uint8_t)exemption->children;
    }
    out->exemption_count = (uint32_t)in->n_exemptions;
    return err;
}

static enum err languages_from(const struct service_context *ctx, const Vacancy__V1__Carer *in, const struct path *up,
                               struct carer *out, struct problem *problem)
{
    enum err err = check_count(problem, up, "languages", in->n_languages, LANGUAGES_MAX);
    for (size_t i = 0; err == ERR_NONE && i < in->n_languages; i++) {
        struct path at = {up, "languages", (int)i};
        const struct language_entry *known;
        char field[PROBLEM_FIELD_BYTES];
        path_text(&at, "tag", field);
        if ((err = gazetteer_language(ctx->gazetteer, field, in->languages[i]->tag, &known, problem)) != ERR_NONE ||
            (err = check_code(problem, &at, "level", (int)in->languages[i]->level, 3, true, "LanguageLevel",
                              &out->languages[i].level)) != ERR_NONE)
            return err;
        for (size_t k = 0; k < i; k++)
            if (strcmp(out->languages[k].tag, known->tag) == 0)
                return wrong(problem, &at, "tag", "this language is given twice; give each once");
        memcpy(out->languages[i].tag, known->tag, LANGUAGE_TAG_BYTES);
    }
    out->language_count = (uint32_t)in->n_languages;
    return err;
}

static void cell_from(const struct cell *cell, struct home_cell *out)
{
    memcpy(out->authority, cell->authority, GSS_BYTES);
    out->square_e_km = (uint32_t)cell->square_e_km;
    out->square_n_km = (uint32_t)cell->square_n_km;
    out->size_km = (uint32_t)cell->size_km;
    out->point_e_metres = (uint32_t)cell->point_e_m;
    out->point_n_metres = (uint32_t)cell->point_n_m;
    memcpy(out->area, cell->area_name, AREA_BYTES);
}
_Static_assert(sizeof((struct home_cell *)0)->area == AREA_TEXT_BYTES && GSS_BYTES == GSS_TEXT_BYTES,
               "the record holds what the gazetteer gives");

/* *sure: the postcode itself is known, so its authority is no guess. */
static enum err home_from(const struct service_context *ctx, const Vacancy__V1__Carer *in, const struct path *at,
                          struct carer *out, bool *sure, struct problem *problem)
{
    struct postcode postcode;
    struct place place;
    struct cell cell;
    char field[PROBLEM_FIELD_BYTES];
    path_text(at, "home_postcode", field);
    if (in->home_postcode[0] == '\0')
        return wrong(problem, at, "home_postcode", "required: the postcode of the home");
    enum err err = postcode_parse(field, in->home_postcode, &postcode, problem);
    if (err != ERR_NONE || (err = gazetteer_find(ctx->gazetteer, field, &postcode, &place, problem)) != ERR_NONE)
        return err;
    *sure = place.precision == PLACE_UNIT;
    if (postcode.kind == POSTCODE_OUTCODE || place.precision == PLACE_OUTCODE)
        return wrong(problem, at, "home_postcode",
                     "known to no more than its first half; the full postcode of the home is needed");
    if (!*sure && !ctx->allow_sector) {
        if (gazetteer_has_units(ctx->gazetteer))
            return wrong(problem, at, "home_postcode",
                         "not a postcode of this hub's edition (%s); send the full current postcode, or the operator "
                         "sets allow-sector = yes in [gazetteer]",
                         gazetteer_edition(ctx->gazetteer));
        return wrong(problem, at, "home_postcode",
                     "this hub knows postcodes to their sector only, and the authority must be sure; the operator "
                     "imports unit postcodes (vacancyd --import-postcodes) or sets allow-sector = yes in [gazetteer]");
    }
    if ((err = gazetteer_cell(ctx->gazetteer, field, &place, &cell, problem)) != ERR_NONE)
        return err;
    memcpy(out->home_postcode, postcode.text, POSTCODE_BYTES);
    cell_from(&cell, &out->cell);
    return ERR_NONE;
}
_Static_assert(POSTCODE_BYTES == POSTCODE_TEXT_BYTES && LANGUAGE_TAG_BYTES == sizeof((struct language_entry *)0)->tag,
               "the record holds a canonical postcode and a canonical tag");

static enum err dates_from(const Vacancy__V1__Carer *in, const struct path *at, struct carer *out,
                           struct problem *problem)
{
    enum err err = check_date(problem, at, "approved_on", in->approved_on, true, &out->approved_on);
    if (err == ERR_NONE)
        err = check_date(problem, at, "approval_ends_on", in->approval_ends_on, false, &out->approval_ends_on);
    if (err == ERR_NONE && out->approval_ends_on != DATE_NONE && out->approval_ends_on <= out->approved_on)
        err = wrong(problem, at, "approval_ends_on", "must lie after approved_on: the approval ends before it begins");
    return err;
}

static enum err lists_from(const Vacancy__V1__Carer *in, const struct path *at, struct carer *out,
                           struct problem *problem)
{
    enum err err;
    if ((err = check_mask(problem, at, "home_features", in->home_features, in->n_home_features, HOME_FEATURE_END,
                          "HomeFeature", &out->home_features)) != ERR_NONE ||
        (err = check_mask(problem, at, "pets", in->pets, in->n_pets, PET_END, "Pet", &out->pets)) != ERR_NONE ||
        (err = check_mask(problem, at, "cannot_take", in->cannot_take, in->n_cannot_take, RISK_END, "Risk",
                          &out->cannot_take)) != ERR_NONE ||
        (err = check_mask(problem, at, "skills", in->skills, in->n_skills, SKILL_END, "Skill", &out->skills)) !=
            ERR_NONE ||
        (err = check_code(problem, at, "training_level", (int)in->training_level, TRAINING_END, false, "TrainingLevel",
                          &out->training_level)) != ERR_NONE ||
        (err = check_code(problem, at, "room_sharing", (int)in->room_sharing, ROOM_SHARING_END, false, "RoomSharing",
                          &out->room_sharing)) != ERR_NONE)
        return err;
    return ERR_NONE;
}

enum err carer_from(const struct service_context *ctx, const Vacancy__V1__Carer *in, int64_t now_ms, struct carer *out,
                    struct problem *problem)
{
    if (in == NULL)
        return wrong(problem, NULL, "carer", "required: the household");
    struct path at = {NULL, "carer", -1};
    bool sure = false;
    enum err err;
    memset(out, 0, sizeof *out);
    out->status = CARER_APPROVED;
    out->observed_at_ms = in->observed_at_ms;
    out->places = in->places;
    out->bedrooms = in->bedrooms;
    if ((err = check_reference(problem, &at, "agency_reference", in->agency_reference, out->agency_reference)) !=
            ERR_NONE ||
        (err = check_observed(problem, &at, in->observed_at_ms, now_ms)) != ERR_NONE ||
        (err = terms_from(in->terms, &at, &out->terms, problem)) != ERR_NONE ||
        (err = dates_from(in, &at, out, problem)) != ERR_NONE ||
        (err = check_range(problem, &at, "places", in->places, 1, BEDS_MAX, "places")) != ERR_NONE ||
        (err = check_range(problem, &at, "bedrooms", in->bedrooms, 1, BEDS_MAX, "bedrooms")) != ERR_NONE ||
        (err = home_from(ctx, in, &at, out, &sure, problem)) != ERR_NONE ||
        (err = placed_from(ctx, in, &at, out, problem)) != ERR_NONE ||
        (err = household_from(in, &at, out, problem)) != ERR_NONE ||
        (err = exemptions_from(ctx, in, &at, sure ? out->cell.authority : NULL, out, problem)) != ERR_NONE ||
        (err = lists_from(in, &at, out, problem)) != ERR_NONE)
        return err;
    return languages_from(ctx, in, &at, out, problem);
}

/* --- vacancy --------------------------------------------------------------------------------------------------- */

static enum err state_from(const Vacancy__V1__Vacancy *in, const struct path *at, struct vacancy *out,
                           struct problem *problem)
{
    enum err err;
    if ((int)in->state == VACANCY_LAPSED)
        return wrong(problem, at, "state", "LAPSED is set by the hub; VACANT, RESERVED or NOT_AVAILABLE are accepted");
    if ((err = check_code(problem, at, "state", (int)in->state, VACANCY_LAPSED, true, "VacancyState", &out->stated)) !=
            ERR_NONE ||
        (err = check_code(problem, at, "reason", (int)in->reason, NOT_AVAILABLE_REASON_END, false, "NotAvailableReason",
                          &out->reason)) != ERR_NONE ||
        (err = check_date(problem, at, "reserved_until", in->reserved_until, false, &out->reserved_until)) != ERR_NONE)
        return err;
    out->state = out->stated;
    if (out->stated == VACANCY_NOT_AVAILABLE && out->reason == 0)
        return wrong(problem, at, "reason", "required when NOT_AVAILABLE: why, such as CARER_BREAK");
    if (out->stated != VACANCY_NOT_AVAILABLE && out->reason != 0)
        return wrong(problem, at, "reason", "accepted only when the state is NOT_AVAILABLE");
    if (out->stated == VACANCY_RESERVED && out->reserved_until == DATE_NONE)
        return wrong(problem, at, "reserved_until", "required when RESERVED: a date, YYYY-MM-DD");
    if (out->stated != VACANCY_RESERVED && out->reserved_until != DATE_NONE)
        return wrong(problem, at, "reserved_until", "accepted only when the state is RESERVED");
    return ERR_NONE;
}

static enum err narrowing_from(const Vacancy__V1__Vacancy *in, const struct path *at, struct vacancy *out,
                               struct problem *problem)
{
    enum err err;
    if ((err = check_mask(problem, at, "care_types", in->care_types, in->n_care_types, CARE_TYPE_END, "CareType",
                          &out->care_types)) != ERR_NONE ||
        (err = check_range(problem, at, "age_from_months", in->age_from_months, 0, AGE_21_MONTHS, "months")) !=
            ERR_NONE ||
        (err = check_age(problem, at, "age_from_months", in->age_from_months)) != ERR_NONE ||
        (err = check_range(problem, at, "age_below_months", in->age_below_months, 0, AGE_21_MONTHS, "months")) !=
            ERR_NONE ||
        (err = check_age(problem, at, "age_below_months", in->age_below_months)) != ERR_NONE)
        return err;
    if (in->age_below_months != 0 && in->age_below_months <= in->age_from_months)
        return wrong(problem, at, "age_below_months", "no age is left: the oldest lies below the youngest");
    out->age_from_months = in->age_from_months;
    out->age_below_months = in->age_below_months;
    out->sibling_group_only = in->sibling_group_only;
    out->on_call = in->on_call;
    return check_sex_taken(problem, at, (int)in->sex, &out->sex);
}

enum err vacancy_from(const Vacancy__V1__Vacancy *in, int64_t now_ms, struct vacancy *out,
                      char reference[AGENCY_REFERENCE_BYTES], struct problem *problem)
{
    if (in == NULL)
        return wrong(problem, NULL, "vacancy", "required: the vacancy");
    struct path at = {NULL, "vacancy", -1};
    enum err err;
    memset(out, 0, sizeof *out);
    out->observed_at_ms = in->observed_at_ms;
    out->beds = in->beds;
    if ((err = check_reference(problem, &at, "agency_reference", in->agency_reference, reference)) != ERR_NONE ||
        (err = check_observed(problem, &at, in->observed_at_ms, now_ms)) != ERR_NONE ||
        (err = state_from(in, &at, out, problem)) != ERR_NONE ||
        (err = check_range(problem, &at, "beds", in->beds, 1, BEDS_MAX, "beds")) != ERR_NONE ||
        (err = check_date(problem, &at, "from", in->from, false, &out->from)) != ERR_NONE ||
        (err = check_date(problem, &at, "until", in->until, false, &out->until)) != ERR_NONE)
        return err;
    if (out->from != DATE_NONE && out->until != DATE_NONE && out->until < out->from)
        return wrong(problem, &at, "until", "must not lie before `from`: the vacancy ends before it begins");
    return narrowing_from(in, &at, out, problem);
}

/* --- agency ---------------------------------------------------------------------------------------------------- */

/* ^(SC[0-9]{6}|[0-9]{7})$ : domain.md 2.2 */
static bool is_urn(const char *text)
{
    size_t digits = strncmp(text, "SC", 2) == 0 ? 6 : 7;
    if (digits == 6)
        text += 2;
    return strlen(text) == digits && strspn(text, "0123456789") == digits;
}

static enum err frameworks_from(const Vacancy__V1__Agency *in, const struct path *up, struct agency *out,
                                struct problem *problem)
{
    enum err err = check_count(problem, up, "frameworks", in->n_frameworks, FRAMEWORKS_MAX);
    for (size_t i = 0; err == ERR_NONE && i < in->n_frameworks; i++) {
        struct path at = {up, "frameworks", (int)i};
        const char *name = in->frameworks[i]->framework;
        if (!text_is_gss_code(name) && !text_is_slug(name, AGENCY_ID_BYTES - 1))
            return wrong(problem, &at, "framework",
                         "an authority's GSS code, or the consortium's short name in lower-case letters, digits and "
                         "hyphens, is accepted");
        for (size_t k = 0; k < i; k++)
            if (strcmp(out->frameworks[k].framework, name) == 0)
                return wrong(problem, &at, "framework", "this framework is given twice; give each once");
        err = check_range(problem, &at, "tier", in->frameworks[i]->tier, 1, TIER_MAX, "as tier");
        strcpy(out->frameworks[i].framework, name);
        out->frameworks[i].tier = (uint8_t)in->frameworks[i]->tier;
    }
    out->framework_count = (uint32_t)in->n_frameworks;
    return err;
}

/* What only a council, or only an independent agency, has. */
static enum err kind_from(const struct service_context *ctx, const Vacancy__V1__Agency *in, const struct path *at,
                          struct agency *out, struct problem *problem)
{
    enum err err;
    if ((err = check_code(problem, at, "kind", (int)in->kind, AGENCY_KIND_END, true, "AgencyKind", &out->kind)) !=
            ERR_NONE ||
        (err = check_code(problem, at, "ofsted_rating", (int)in->ofsted_rating, 5, false, "OfstedRating",
                          &out->rating)) != ERR_NONE)
        return err;
    if (out->kind == AGENCY_LOCAL_AUTHORITY) {
        if (in->ofsted_urn[0] != '\0')
            return wrong(problem, at, "ofsted_urn",
                         "a council's fostering service has no URN of its own; leave it empty");
        if (out->rating != 0)
            return wrong(problem, at, "ofsted_rating", "a council's fostering service has no grade of its own");
        return check_authority(problem, ctx->gazetteer, at, "authority", in->authority, out->authority);
    }
    if (in->authority[0] != '\0')
        return wrong(problem, at, "authority", "accepted only for a council; leave it empty");
    if (in->ofsted_urn[0] != '\0' && !is_urn(in->ofsted_urn))
        return wrong(problem, at, "ofsted_urn", "SC and six digits, or seven digits, are accepted");
    strcpy(out->ofsted_urn, in->ofsted_urn);
    return ERR_NONE;
}

enum err agency_from(const struct service_context *ctx, const Vacancy__V1__Agency *in, struct agency *out,
                     struct problem *problem)
{
    if (in == NULL)
        return wrong(problem, NULL, "agency", "required: the agency");
    struct path at = {NULL, "agency", -1};
    enum err err;
    memset(out, 0, sizeof *out);
    if (!text_is_slug(in->id, AGENCY_ID_BYTES - 1))
        return wrong(problem, &at, "id",
                     "1 to 40 lower-case letters, digits and hyphens are accepted, as in the "
                     "agency's certificates");
    strcpy(out->id, in->id);
    if ((err = check_text(problem, &at, "name", in->name, NAME_BYTES, true, out->name)) != ERR_NONE ||
        (err = kind_from(ctx, in, &at, out, problem)) != ERR_NONE ||
        (err = check_text(problem, &at, "phone", in->phone, CONTACT_BYTES, false, out->phone)) != ERR_NONE ||
        (err = check_text(problem, &at, "email", in->email, NAME_BYTES, false, out->email)) != ERR_NONE ||
        (err = check_text(problem, &at, "out_of_hours_phone", in->out_of_hours_phone, CONTACT_BYTES, false,
                          out->out_of_hours_phone)) != ERR_NONE ||
        (err = frameworks_from(in, &at, out, problem)) != ERR_NONE)
        return err;
    if (in->email[0] != '\0' && (strchr(in->email, '@') == NULL || strchr(in->email, ' ') != NULL))
        return wrong(problem, &at, "email", "not an e-mail address");
    err = check_code(problem, &at, "status", (int)in->status, AGENCY_STATUS_END, false, "AgencyStatus", &out->status);
    if (out->status == AGENCY_STATUS_NONE)
        out->status = AGENCY_ACTIVE;
    return err;
}
