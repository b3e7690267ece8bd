/*
 * convert_out.c - records as their agency, or the operator, reads them back.
 * No state, any thread; reads the holds of placements from the register. Invariant: texts point into the record given,
 * so a view must not outlive it.
 */
#include "daemon/service/convert.h"
#include "daemon/service/views.h"

void *view_codes(struct arena *arena, uint32_t mask, uint32_t end, size_t *count)
{
    *count = 0;
    int *codes = arena_alloc(arena, end * sizeof *codes);
    if (codes == NULL)
        return NULL;
    for (uint32_t code = 1; code < end; code++)
        if (code_in(mask, code))
            codes[(*count)++] = (int)code;
    return codes;
}

char *view_date(struct arena *arena, date_days date)
{
    char *text = arena_alloc(arena, DATE_TEXT_BYTES);
    if (text != NULL)
        date_format(date, text);
    return text;
}

char *view_id(struct arena *arena, uint64_t id)
{
    char *text = arena_alloc(arena, ID_TEXT_BYTES);
    if (text != NULL)
        id_format(id, text);
    return text;
}

/* --- carer ----------------------------------------------------------------------------------------------------- */

static Vacancy__V1__Terms *terms_view(const struct terms *terms, struct arena *arena)
{
    NEW(Vacancy__V1__Terms, out, vacancy__v1__terms__init);
    out->max_children = terms->max_children;
    out->max_children_if_siblings = terms->max_children_if_siblings;
    out->age_from_months = terms->age_from_months;
    out->age_below_months = terms->age_below_months;
    out->sex = (Vacancy__V1__Sex)terms->sex;
    out->named_child_only = terms->named_child_only;
    out->care_types = view_codes(arena, terms->care_types, CARE_TYPE_END, &out->n_care_types);
    return out->care_types != NULL ? out : NULL;
}

static Vacancy__V1__PlacedChild **placed_view(const struct placed_child *placed, uint32_t count, size_t *out_count,
                                              struct arena *arena)
{
    Vacancy__V1__PlacedChild **out;
    NEW_LIST(out, count, NULL);
    for (uint32_t i = 0; i < count; i++) {
        NEW(Vacancy__V1__PlacedChild, child, vacancy__v1__placed_child__init);
        child->age_band = (Vacancy__V1__AgeBand)placed[i].age_band;
        child->sex = (Vacancy__V1__Sex)placed[i].sex;
        child->sibling_group = placed[i].sibling_group;
        child->responsible_authority = (char *)placed[i].responsible_authority;
        out[(*out_count)++] = child;
    }
    return out;
}

static bool children_view(const struct carer *carer, Vacancy__V1__Carer *out, struct arena *arena)
{
    out->placed_children = placed_view(carer->placed, carer->placed_count, &out->n_placed_children, arena);
    if (out->placed_children == NULL)
        return false;
    NEW_LIST(out->household_children, carer->household_count, false);
    for (uint32_t i = 0; i < carer->household_count; i++) {
        NEW_OR(Vacancy__V1__HouseholdChild, child, vacancy__v1__household_child__init, false);
        child->age_band = (Vacancy__V1__AgeBand)carer->household[i].age_band;
        child->sex = (Vacancy__V1__Sex)carer->household[i].sex;
        out->household_children[out->n_household_children++] = child;
    }
    return true;
}

static bool lists_view(const struct carer *carer, Vacancy__V1__Carer *out, struct arena *arena)
{
    NEW_LIST(out->exemptions, carer->exemption_count, false);
    for (uint32_t i = 0; i < carer->exemption_count; i++) {
        NEW_OR(Vacancy__V1__Exemption, exemption, vacancy__v1__exemption__init, false);
        exemption->authority = (char *)carer->exemptions[i].authority;
        exemption->children = carer->exemptions[i].children;
        if ((exemption->until = view_date(arena, carer->exemptions[i].until)) == NULL)
            return false;
        out->exemptions[out->n_exemptions++] = exemption;
    }
    NEW_LIST(out->languages, carer->language_count, false);
    for (uint32_t i = 0; i < carer->language_count; i++) {
        NEW_OR(Vacancy__V1__SpokenLanguage, language, vacancy__v1__spoken_language__init, false);
        language->tag = (char *)carer->languages[i].tag;
        language->level = (Vacancy__V1__LanguageLevel)carer->languages[i].level;
        out->languages[out->n_languages++] = language;
    }
    out->home_features = view_codes(arena, carer->home_features, HOME_FEATURE_END, &out->n_home_features);
    out->pets = view_codes(arena, carer->pets, PET_END, &out->n_pets);
    out->cannot_take = view_codes(arena, carer->cannot_take, RISK_END, &out->n_cannot_take);
    out->skills = view_codes(arena, carer->skills, SKILL_END, &out->n_skills);
    return out->home_features != NULL && out->pets != NULL && out->cannot_take != NULL && out->skills != NULL;
}

static Vacancy__V1__Carer *pushed_carer(const struct carer *carer, struct arena *arena)
{
    NEW(Vacancy__V1__Carer, out, vacancy__v1__carer__init);
    out->agency_reference = (char *)carer->agency_reference;
    out->observed_at_ms = carer->observed_at_ms;
    out->places = carer->places;
    out->bedrooms = carer->bedrooms;
    out->room_sharing = (Vacancy__V1__RoomSharing)carer->room_sharing;
    out->training_level = (Vacancy__V1__TrainingLevel)carer->training_level;
    out->home_postcode = (char *)carer->home_postcode;
    if ((out->terms = terms_view(&carer->terms, arena)) == NULL ||
        (out->approved_on = view_date(arena, carer->approved_on)) == NULL ||
        (out->approval_ends_on = view_date(arena, carer->approval_ends_on)) == NULL ||
        !children_view(carer, out, arena) || !lists_view(carer, out, arena))
        return NULL;
    return out;
}

/* Of a hold that can't be read the register has said so in the log; the children are told all the same. */
static Vacancy__V1__PlacedNotListed *not_listed_view(const struct service_context *ctx, const struct live_hold *listing,
                                                     struct arena *arena)
{
    const struct hold_token token = {listing->epoch, listing->sequence};
    NEW(Vacancy__V1__PlacedNotListed, out, vacancy__v1__placed_not_listed__init);
    struct hold *hold = arena_alloc(arena, sizeof *hold);
    if (hold == NULL || (out->hold_id = hold_id_view(ctx->region, &token, arena)) == NULL ||
        (out->children = placed_view(listing->children, listing->child_count, &out->n_children, arena)) == NULL)
        return NULL;
    if (home_get_hold(ctx->home, &token, hold) != ERR_NONE)
        return out;
    out->holder = hold->holder;
    out->request_reference = hold->request_reference;
    out->placed_at_ms = hold->ended_at_ms;
    return (out->starts_on = view_date(arena, hold->starts_on)) != NULL ? out : NULL;
}

static bool add_not_listed(const struct service_context *ctx, const struct home_carer *home,
                           Vacancy__V1__CarerView *out, struct arena *arena)
{
    NEW_LIST(out->placed_not_listed, home->hold_count, false);
    for (uint32_t i = 0; i < home->hold_count; i++) {
        size_t at = out->n_placed_not_listed;
        if (home->holds[i].child_count == 0)
            continue;
        if ((out->placed_not_listed[at] = not_listed_view(ctx, &home->holds[i], arena)) == NULL)
            return false;
        out->n_placed_not_listed++;
    }
    return true;
}

Vacancy__V1__CarerView *carer_view(const struct service_context *ctx, const struct home_carer *home,
                                   struct arena *arena)
{
    NEW(Vacancy__V1__CarerView, out, vacancy__v1__carer_view__init);
    out->agency = (char *)home->carer.agency;
    out->status = (Vacancy__V1__CarerStatus)home->carer.status;
    out->home_authority = (char *)home->carer.cell.authority;
    out->area = (char *)home->carer.cell.area;
    out->end_reason = (char *)home->carer.end_reason;
    out->lost_in_restore = home->lost;
    out->moved_to_agency = (char *)home->moved_to_agency;
    out->moved_to_region = (char *)home->moved_to_region;
    out->moved_from_region = (char *)home->moved_from_region;
    if ((out->national_reference = view_id(arena, home->national_reference)) == NULL)
        return NULL;
    if (home->lost)
        return out;
    if ((out->carer = pushed_carer(&home->carer, arena)) == NULL || !add_not_listed(ctx, home, out, arena))
        return NULL;
    if (home->vacancy.vacancy_id != 0 && (out->vacancy = vacancy_view(home, arena)) == NULL)
        return NULL;
    return out;
}

/* --- vacancy --------------------------------------------------------------------------------------------------- */

static Vacancy__V1__Vacancy *pushed_vacancy(const struct home_carer *home, struct arena *arena)
{
    const struct vacancy *vacancy = &home->vacancy;
    NEW(Vacancy__V1__Vacancy, out, vacancy__v1__vacancy__init);
    out->agency_reference = (char *)home->carer.agency_reference;
    out->observed_at_ms = vacancy->observed_at_ms;
    out->state = (Vacancy__V1__VacancyState)vacancy->stated;
    out->reason = (Vacancy__V1__NotAvailableReason)vacancy->reason;
    out->beds = vacancy->beds;
    out->age_from_months = vacancy->age_from_months;
    out->age_below_months = vacancy->age_below_months;
    out->sex = (Vacancy__V1__Sex)vacancy->sex;
    out->sibling_group_only = vacancy->sibling_group_only;
    out->on_call = vacancy->on_call;
    if ((out->care_types = view_codes(arena, vacancy->care_types, CARE_TYPE_END, &out->n_care_types)) == NULL ||
        (out->from = view_date(arena, vacancy->from)) == NULL ||
        (out->until = view_date(arena, vacancy->until)) == NULL ||
        (out->reserved_until = view_date(arena, vacancy->reserved_until)) == NULL)
        return NULL;
    return out;
}

Vacancy__V1__VacancyView *vacancy_view(const struct home_carer *home, struct arena *arena)
{
    NEW(Vacancy__V1__VacancyView, out, vacancy__v1__vacancy_view__init);
    out->state = (Vacancy__V1__VacancyState)vacancy_state_now(home);
    out->beds_free = beds_free(home);
    out->confirmed_at_ms = home->vacancy.confirmed_at_ms;
    out->valid_until_ms = home->vacancy.valid_until_ms;
    if ((out->vacancy_id = view_id(arena, home->vacancy.vacancy_id)) == NULL ||
        (out->vacancy = pushed_vacancy(home, arena)) == NULL)
        return NULL;
    return out;
}

/* --- agency ---------------------------------------------------------------------------------------------------- */

Vacancy__V1__Agency *agency_view(const struct agency *agency, struct arena *arena)
{
    NEW(Vacancy__V1__Agency, out, vacancy__v1__agency__init);
    out->id = (char *)agency->id;
    out->name = (char *)agency->name;
    out->kind = (Vacancy__V1__AgencyKind)agency->kind;
    out->ofsted_urn = (char *)agency->ofsted_urn;
    out->ofsted_rating = (Vacancy__V1__OfstedRating)agency->rating;
    out->phone = (char *)agency->phone;
    out->email = (char *)agency->email;
    out->out_of_hours_phone = (char *)agency->out_of_hours_phone;
    out->status = (Vacancy__V1__AgencyStatus)agency->status;
    out->authority = (char *)agency->authority;
    NEW_LIST(out->frameworks, agency->framework_count, NULL);
    for (uint32_t i = 0; i < agency->framework_count; i++) {
        NEW(Vacancy__V1__FrameworkMembership, membership, vacancy__v1__framework_membership__init);
        membership->framework = (char *)agency->frameworks[i].framework;
        membership->tier = agency->frameworks[i].tier;
        out->frameworks[out->n_frameworks++] = membership;
    }
    return out;
}
