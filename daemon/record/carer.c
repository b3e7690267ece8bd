/*
 * carer.c - a household and its vacancy: their rules and their stored octets.
 * Owns: HomeCarer <-> struct home_carer, sameness of content, the rules between a vacancy and its approval.
 * Any thread; no state. Invariant: decode(encode(x)) == x, and equal structs give equal octets.
 */
#include "daemon/record/carer.h"

#include "daemon/record/carer_parts.h"
#include "daemon/record/offer.h"
#include "daemon/record/scratch.h"
#include "vacancy/v1/carer.pb-c.h"
#include "vacancy/v1/home.pb-c.h"

#include <inttypes.h>
#include <string.h>

#define CODES_MAX 32 /* a mask's bits */

int64_t vacancy_ttl_ms(const struct carer *carer, const struct vacancy *vacancy)
{
    uint32_t offered = vacancy->care_types ? vacancy->care_types : carer->terms.care_types;
    return code_in(offered, CARE_EMERGENCY) ? VACANCY_TTL_EMERGENCY_MS : VACANCY_TTL_DEFAULT_MS;
}

/* --- beds ------------------------------------------------------------------------------------------------------ */

static uint32_t least(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

uint32_t beds_held(const struct home_carer *home)
{
    uint32_t beds = 0;
    for (uint32_t i = 0; i < home->hold_count; i++)
        if (home->holds[i].state == HOLD_ACTIVE || home->holds[i].state == HOLD_ACCEPTED)
            beds += home->holds[i].beds;
    return beds;
}

uint32_t beds_placed(const struct home_carer *home)
{
    uint32_t beds = 0;
    for (uint32_t i = 0; i < home->hold_count; i++)
        if (home->holds[i].state == HOLD_PLACED)
            beds += home->holds[i].beds;
    return beds;
}

uint32_t beds_free(const struct home_carer *home)
{
    const struct carer *carer = &home->carer;
    uint32_t beds = home->vacancy.beds, children = carer->placed_count;
    for (uint32_t i = 0; i < home->hold_count; i++) {
        beds -= least(beds, home->holds[i].beds);
        children += home->holds[i].child_count;
    }
    uint32_t held = beds_held(home), places = carer->places - least(carer->places, children);
    return least(beds, places - least(places, held));
}

enum vacancy_state vacancy_state_now(const struct home_carer *home)
{
    const struct vacancy *vacancy = &home->vacancy;
    if (vacancy->vacancy_id == 0)
        return VACANCY_NONE;
    bool full = vacancy->stated == VACANCY_VACANT && home->hold_count > 0 && beds_free(home) == 0;
    if (full && beds_held(home) == 0)
        return VACANCY_PLACED;
    if (vacancy->state == VACANCY_LAPSED)
        return VACANCY_LAPSED;
    return full ? VACANCY_HELD : (enum vacancy_state)vacancy->stated;
}

/* --- same content ----------------------------------------------------------------------------------------------- */

static bool same_terms(const struct terms *a, const struct terms *b)
{
    return a->max_children == b->max_children && a->max_children_if_siblings == b->max_children_if_siblings &&
           a->age_from_months == b->age_from_months && a->age_below_months == b->age_below_months &&
           a->care_types == b->care_types && a->sex == b->sex && a->named_child_only == b->named_child_only;
}

static bool same_children(const struct carer *a, const struct carer *b)
{
    if (a->placed_count != b->placed_count || a->household_count != b->household_count)
        return false;
    for (uint32_t i = 0; i < a->placed_count; i++) {
        const struct placed_child *x = &a->placed[i], *y = &b->placed[i];
        if (x->age_band != y->age_band || x->sex != y->sex || x->sibling_group != y->sibling_group ||
            strcmp(x->responsible_authority, y->responsible_authority) != 0)
            return false;
    }
    for (uint32_t i = 0; i < a->household_count; i++)
        if (a->household[i].age_band != b->household[i].age_band || a->household[i].sex != b->household[i].sex)
            return false;
    return true;
}

static bool same_lists(const struct carer *a, const struct carer *b)
{
    if (a->exemption_count != b->exemption_count || a->language_count != b->language_count)
        return false;
    for (uint32_t i = 0; i < a->exemption_count; i++) {
        const struct exemption *x = &a->exemptions[i], *y = &b->exemptions[i];
        if (x->until != y->until || x->children != y->children || strcmp(x->authority, y->authority) != 0)
            return false;
    }
    for (uint32_t i = 0; i < a->language_count; i++)
        if (a->languages[i].level != b->languages[i].level || strcmp(a->languages[i].tag, b->languages[i].tag) != 0)
            return false;
    return true;
}

bool carer_same_content(const struct carer *a, const struct carer *b)
{
    return strcmp(a->agency, b->agency) == 0 && strcmp(a->agency_reference, b->agency_reference) == 0 &&
           same_terms(&a->terms, &b->terms) && a->approved_on == b->approved_on &&
           a->approval_ends_on == b->approval_ends_on && a->places == b->places && a->bedrooms == b->bedrooms &&
           a->room_sharing == b->room_sharing && a->training_level == b->training_level &&
           strcmp(a->home_postcode, b->home_postcode) == 0 && a->home_features == b->home_features &&
           a->pets == b->pets && a->cannot_take == b->cannot_take && a->skills == b->skills && same_children(a, b) &&
           same_lists(a, b);
}

bool vacancy_same_content(const struct vacancy *a, const struct vacancy *b)
{
    return a->stated == b->stated && a->reason == b->reason && a->sex == b->sex && a->beds == b->beds &&
           a->care_types == b->care_types && a->from == b->from && a->until == b->until &&
           a->reserved_until == b->reserved_until && a->age_from_months == b->age_from_months &&
           a->age_below_months == b->age_below_months && a->sibling_group_only == b->sibling_group_only &&
           a->on_call == b->on_call;
}

/* --- rules between a vacancy and its approval -------------------------------------------------------------------- */

static enum err check_ages(const struct terms *terms, const struct vacancy *vacancy, struct problem *problem)
{
    uint32_t from = vacancy->age_from_months ? vacancy->age_from_months : terms->age_from_months;
    uint32_t below = vacancy->age_below_months ? vacancy->age_below_months : terms->age_below_months;
    if (from < terms->age_from_months || from >= terms->age_below_months)
        return problem_set(problem, ERR_PRECONDITION, "vacancy.age_from_months",
                           "offered from %u months, approved for %u to below %u; offer ages within the approval", from,
                           terms->age_from_months, terms->age_below_months);
    if (below > terms->age_below_months || below <= from)
        return problem_set(
            problem, ERR_PRECONDITION, "vacancy.age_below_months",
            "offered from %u to below %u months, approved for %u to below %u; offer ages within the approval", from,
            below, terms->age_from_months, terms->age_below_months);
    return ERR_NONE;
}

/* Of placements through the register: beds of the children whom the agency counts among its own by now. */
static uint32_t beds_settled(const struct home_carer *home)
{
    uint32_t beds = 0;
    for (uint32_t i = 0; i < home->hold_count; i++)
        if (home->holds[i].state == HOLD_PLACED)
            beds += home->holds[i].beds - least(home->holds[i].beds, home->holds[i].child_count);
    return beds;
}

/* A team that holds a bed is answered first; what is held and placed is part of the beds (faults.md V8). */
static enum err check_claims(const struct home_carer *home, const struct vacancy *vacancy, struct problem *problem)
{
    uint32_t held = beds_held(home), placed = beds_placed(home);
    if (vacancy->beds < held + placed)
        return problem_set(
            problem, ERR_PRECONDITION, "vacancy.beds",
            "%u beds offered, but %u are held and %u placed of this vacancy; count those too, or decline "
            "the hold first (DeclineHold)",
            vacancy->beds, held, placed);
    if (vacancy->stated != VACANCY_VACANT && held > 0)
        return problem_set(problem, ERR_PRECONDITION, "vacancy.state",
                           "a team holds %u beds of this vacancy; decline the hold first (DeclineHold)", held);
    return ERR_NONE;
}

enum err vacancy_check(const struct home_carer *home, const struct vacancy *vacancy, struct problem *problem)
{
    const struct carer *carer = &home->carer;
    const struct terms *terms = &carer->terms;
    if (carer->status != CARER_APPROVED)
        return problem_set(problem, ERR_PRECONDITION, "vacancy.agency_reference",
                           "the carer's approval has ended; push the carer again if it is approved anew");
    if (carer->approval_ends_on != DATE_NONE && vacancy->from != DATE_NONE && vacancy->from >= carer->approval_ends_on)
        return problem_set(
            problem, ERR_PRECONDITION, "vacancy.from",
            "the vacancy begins when the approval is no longer in force; push the carer's new terms first");
    uint32_t outside = vacancy->care_types & ~terms->care_types;
    if (outside != 0)
        return problem_set(problem, ERR_PRECONDITION, "vacancy.care_types",
                           "care type %d is not in the terms of approval; offer only what is approved",
                           __builtin_ctz(outside));
    if (vacancy->sex != SEX_ANY && terms->sex != SEX_ANY && vacancy->sex != terms->sex)
        return problem_set(problem, ERR_PRECONDITION, "vacancy.sex",
                           "the carer is approved for the other sex; leave it out or offer what is approved");
    uint32_t settled = beds_settled(home), others = carer->placed_count - least(carer->placed_count, settled);
    uint32_t places = carer->places - least(carer->places, others);
    if (vacancy->beds > places)
        return problem_set(problem, ERR_PRECONDITION, "vacancy.beds",
                           "%u beds offered, but %u places less %u children placed leave %u", vacancy->beds,
                           carer->places, others, places);
    enum err err = check_claims(home, vacancy, problem);
    return err == ERR_NONE ? check_ages(terms, vacancy, problem) : err;
}

/* --- octets: encode ---------------------------------------------------------------------------------------------- */

void cell_to_message(const struct home_cell *cell, Vacancy__V1__Cell *out)
{
    vacancy__v1__cell__init(out);
    out->authority = (char *)cell->authority;
    out->square_e_km = cell->square_e_km;
    out->square_n_km = cell->square_n_km;
    out->size_km = cell->size_km;
    out->point_e_metres = cell->point_e_metres;
    out->point_n_metres = cell->point_n_metres;
    out->area = (char *)cell->area;
}

/* A mask as the list of its codes, ascending; returns how many. protobuf-c's enums are int-sized. */
static size_t codes_of(uint32_t mask, int codes[CODES_MAX])
{
    size_t count = 0;
    for (; mask != 0; mask &= mask - 1)
        codes[count++] = __builtin_ctz(mask);
    return count;
}

/* Everything a Carer message points to while it is packed. */
struct carer_message {
    Vacancy__V1__Carer carer;
    Vacancy__V1__Terms terms;
    Vacancy__V1__PlacedChild placed[CHILDREN_MAX], *placed_list[CHILDREN_MAX];
    Vacancy__V1__HouseholdChild household[CHILDREN_MAX], *household_list[CHILDREN_MAX];
    Vacancy__V1__Exemption exemptions[EXEMPTIONS_MAX], *exemption_list[EXEMPTIONS_MAX];
    Vacancy__V1__SpokenLanguage languages[LANGUAGES_MAX], *language_list[LANGUAGES_MAX];
    int care_types[CODES_MAX], features[CODES_MAX], pets[CODES_MAX], risks[CODES_MAX], skills[CODES_MAX];
    char approved_on[DATE_TEXT_BYTES], approval_ends_on[DATE_TEXT_BYTES], until[EXEMPTIONS_MAX][DATE_TEXT_BYTES];
};

static char *date_text(date_days date, char out[DATE_TEXT_BYTES])
{
    date_format(date, out);
    return out;
}

static void lists_to_message(const struct carer *carer, struct carer_message *m)
{
    for (uint32_t i = 0; i < carer->placed_count; i++) {
        const struct placed_child *child = &carer->placed[i];
        vacancy__v1__placed_child__init(&m->placed[i]);
        m->placed[i].age_band = (Vacancy__V1__AgeBand)child->age_band;
        m->placed[i].sex = (Vacancy__V1__Sex)child->sex;
        m->placed[i].sibling_group = child->sibling_group;
        m->placed[i].responsible_authority = (char *)child->responsible_authority;
        m->placed_list[i] = &m->placed[i];
    }
    for (uint32_t i = 0; i < carer->household_count; i++) {
        vacancy__v1__household_child__init(&m->household[i]);
        m->household[i].age_band = (Vacancy__V1__AgeBand)carer->household[i].age_band;
        m->household[i].sex = (Vacancy__V1__Sex)carer->household[i].sex;
        m->household_list[i] = &m->household[i];
    }
    for (uint32_t i = 0; i < carer->exemption_count; i++) {
        vacancy__v1__exemption__init(&m->exemptions[i]);
        m->exemptions[i].authority = (char *)carer->exemptions[i].authority;
        m->exemptions[i].until = date_text(carer->exemptions[i].until, m->until[i]);
        m->exemptions[i].children = carer->exemptions[i].children;
        m->exemption_list[i] = &m->exemptions[i];
    }
    for (uint32_t i = 0; i < carer->language_count; i++) {
        vacancy__v1__spoken_language__init(&m->languages[i]);
        m->languages[i].tag = (char *)carer->languages[i].tag;
        m->languages[i].level = (Vacancy__V1__LanguageLevel)carer->languages[i].level;
        m->language_list[i] = &m->languages[i];
    }
    m->carer.n_placed_children = carer->placed_count;
    m->carer.placed_children = m->placed_list;
    m->carer.n_household_children = carer->household_count;
    m->carer.household_children = m->household_list;
    m->carer.n_exemptions = carer->exemption_count;
    m->carer.exemptions = m->exemption_list;
    m->carer.n_languages = carer->language_count;
    m->carer.languages = m->language_list;
}

static void carer_to_message(const struct carer *carer, struct carer_message *m)
{
    vacancy__v1__carer__init(&m->carer);
    vacancy__v1__terms__init(&m->terms);
    m->terms.max_children = carer->terms.max_children;
    m->terms.max_children_if_siblings = carer->terms.max_children_if_siblings;
    m->terms.age_from_months = carer->terms.age_from_months;
    m->terms.age_below_months = carer->terms.age_below_months;
    m->terms.sex = (Vacancy__V1__Sex)carer->terms.sex;
    m->terms.n_care_types = codes_of(carer->terms.care_types, m->care_types);
    m->terms.care_types = (Vacancy__V1__CareType *)m->care_types;
    m->terms.named_child_only = carer->terms.named_child_only;
    m->carer.agency_reference = (char *)carer->agency_reference;
    m->carer.observed_at_ms = carer->observed_at_ms;
    m->carer.terms = &m->terms;
    m->carer.approved_on = date_text(carer->approved_on, m->approved_on);
    m->carer.approval_ends_on = date_text(carer->approval_ends_on, m->approval_ends_on);
    m->carer.places = carer->places;
    m->carer.bedrooms = carer->bedrooms;
    m->carer.room_sharing = (Vacancy__V1__RoomSharing)carer->room_sharing;
    m->carer.home_postcode = (char *)carer->home_postcode;
    m->carer.n_home_features = codes_of(carer->home_features, m->features);
    m->carer.home_features = (Vacancy__V1__HomeFeature *)m->features;
    m->carer.n_pets = codes_of(carer->pets, m->pets);
    m->carer.pets = (Vacancy__V1__Pet *)m->pets;
    m->carer.n_cannot_take = codes_of(carer->cannot_take, m->risks);
    m->carer.cannot_take = (Vacancy__V1__Risk *)m->risks;
    m->carer.n_skills = codes_of(carer->skills, m->skills);
    m->carer.skills = (Vacancy__V1__Skill *)m->skills;
    m->carer.training_level = (Vacancy__V1__TrainingLevel)carer->training_level;
    lists_to_message(carer, m);
}

static enum err vacancy_encode(const struct vacancy *vacancy, struct arena *arena, struct octets *out)
{
    Vacancy__V1__Vacancy m;
    int care_types[CODES_MAX];
    char from[DATE_TEXT_BYTES], until[DATE_TEXT_BYTES], reserved_until[DATE_TEXT_BYTES];
    vacancy__v1__vacancy__init(&m);
    m.observed_at_ms = vacancy->observed_at_ms;
    m.state = (Vacancy__V1__VacancyState)vacancy->stated;
    m.reason = (Vacancy__V1__NotAvailableReason)vacancy->reason;
    m.beds = vacancy->beds;
    m.n_care_types = codes_of(vacancy->care_types, care_types);
    m.care_types = (Vacancy__V1__CareType *)care_types;
    m.from = date_text(vacancy->from, from);
    m.until = date_text(vacancy->until, until);
    m.age_from_months = vacancy->age_from_months;
    m.age_below_months = vacancy->age_below_months;
    m.sex = (Vacancy__V1__Sex)vacancy->sex;
    m.sibling_group_only = vacancy->sibling_group_only;
    m.on_call = vacancy->on_call;
    m.reserved_until = date_text(vacancy->reserved_until, reserved_until);
    return pack_message(&m.base, arena, out);
}

static ProtobufCBinaryData binary(const struct octets *octets)
{
    return (ProtobufCBinaryData){octets->size, (uint8_t *)octets->data};
}

/* What a HomeCarer message points to for its holds. */
struct holds_message {
    Vacancy__V1__LiveHold holds[LIVE_HOLDS_MAX], *list[LIVE_HOLDS_MAX];
    Vacancy__V1__PlacedNow children[LIVE_HOLDS_MAX][CHILDREN_MAX], *child_lists[LIVE_HOLDS_MAX][CHILDREN_MAX];
};

static void holds_to_message(const struct home_carer *home, struct holds_message *m, Vacancy__V1__HomeCarer *out)
{
    for (uint32_t i = 0; i < home->hold_count; i++) {
        const struct live_hold *hold = &home->holds[i];
        Vacancy__V1__LiveHold *to = &m->holds[i];
        vacancy__v1__live_hold__init(to);
        to->epoch = hold->epoch;
        to->sequence = hold->sequence;
        to->beds = hold->beds;
        to->state = (Vacancy__V1__HoldState)hold->state;
        to->some_listed = hold->some_listed;
        for (uint32_t c = 0; c < hold->child_count; c++) {
            Vacancy__V1__PlacedNow *child = &m->children[i][c];
            vacancy__v1__placed_now__init(child);
            child->age_band = (Vacancy__V1__AgeBand)hold->children[c].age_band;
            child->sex = (Vacancy__V1__Sex)hold->children[c].sex;
            child->sibling_group = hold->children[c].sibling_group;
            child->responsible_authority = (char *)hold->children[c].responsible_authority;
            m->child_lists[i][c] = child;
        }
        to->n_children = hold->child_count;
        to->children = m->child_lists[i];
        m->list[i] = to;
    }
    out->n_holds = home->hold_count;
    out->holds = m->list;
}

/* Nothing but what is shared, and the holds, which are shared too. */
static enum err lost_encode(const struct home_carer *home, const struct home_carer_shared *shared, struct arena *arena,
                            struct octets *out)
{
    Vacancy__V1__HomeCarer h;
    struct holds_message holds;
    vacancy__v1__home_carer__init(&h);
    h.agency = (char *)home->carer.agency;
    h.carer_row = binary(&shared->carer_row);
    h.offer = binary(&shared->offer);
    h.lost_in_restore = true;
    holds_to_message(home, &holds, &h);
    return pack_message(&h.base, arena, out);
}

enum err home_carer_encode(const struct home_carer *home, const struct home_carer_shared *shared, struct arena *arena,
                           struct octets *out)
{
    struct carer_message m;
    struct octets carer, vacancy = {0};
    if (home->lost)
        return lost_encode(home, shared, arena, out);
    carer_to_message(&home->carer, &m);
    enum err err = pack_message(&m.carer.base, arena, &carer);
    if (err == ERR_NONE && home->vacancy.vacancy_id != 0)
        err = vacancy_encode(&home->vacancy, arena, &vacancy);
    if (err != ERR_NONE)
        return err;
    Vacancy__V1__HomeCarer h;
    struct holds_message holds;
    vacancy__v1__home_carer__init(&h);
    holds_to_message(home, &holds, &h);
    h.agency = (char *)home->carer.agency;
    h.carer = binary(&carer);
    h.vacancy = binary(&vacancy);
    h.carer_row = binary(&shared->carer_row);
    h.offer = binary(&shared->offer);
    h.vacancy_observed_at_ms = home->vacancy_observed_at_ms;
    h.end_reason = (char *)home->carer.end_reason;
    h.ended_observed_at_ms = home->carer.ended_observed_at_ms;
    if (home->vacancy.vacancy_id != 0) {
        h.vacancy_id = home->vacancy.vacancy_id;
        h.vacancy_state = (Vacancy__V1__VacancyState)home->vacancy.state;
        h.confirmed_at_ms = home->vacancy.confirmed_at_ms;
        h.valid_until_ms = home->vacancy.valid_until_ms;
        h.reported_unavailable_at_ms = home->vacancy.reported_unavailable_at_ms;
        h.stage = home->vacancy.stage;
    }
    if (home->transfer_until_ms != 0) {
        h.transfer_hash = (ProtobufCBinaryData){DIGEST_BYTES, (uint8_t *)home->transfer_hash};
        h.transfer_until_ms = home->transfer_until_ms;
    }
    h.moved_to_agency = (char *)home->moved_to_agency;
    h.moved_at_ms = home->moved_at_ms;
    h.distance_told_to = (char *)home->distance_told_to;
    return pack_message(&h.base, arena, out);
}

/* --- octets: decode ---------------------------------------------------------------------------------------------- */

bool cell_from_message(const Vacancy__V1__Cell *m, struct home_cell *out)
{
    if (m == NULL)
        return false;
    out->square_e_km = m->square_e_km;
    out->square_n_km = m->square_n_km;
    out->size_km = m->size_km;
    out->point_e_metres = m->point_e_metres;
    out->point_n_metres = m->point_n_metres;
    return copy_text(out->authority, sizeof out->authority, m->authority) &&
           copy_text(out->area, sizeof out->area, m->area);
}

static bool read_mask(const int *codes, size_t count, int end, uint32_t *out)
{
    *out = 0;
    for (size_t i = 0; i < count; i++) {
        if (codes[i] < 1 || codes[i] >= end)
            return false;
        *out |= 1u << codes[i];
    }
    return true;
}

bool read_code(int code, int end, uint8_t *out)
{
    *out = (uint8_t)code;
    return code >= 0 && code < end;
}

static bool read_date(const char *text, date_days *out)
{
    *out = DATE_NONE;
    return text[0] == '\0' || date_parse(text, out);
}

static bool read_children(const Vacancy__V1__Carer *m, struct carer *out)
{
    if (m->n_placed_children > CHILDREN_MAX || m->n_household_children > CHILDREN_MAX)
        return false;
    out->placed_count = (uint32_t)m->n_placed_children;
    out->household_count = (uint32_t)m->n_household_children;
    bool good = true;
    for (uint32_t i = 0; i < out->placed_count; i++) {
        const Vacancy__V1__PlacedChild *child = m->placed_children[i];
        struct placed_child *to = &out->placed[i];
        to->sibling_group = (uint8_t)child->sibling_group;
        good = good && child->sibling_group <= UINT8_MAX &&
               read_code((int)child->age_band, AGE_BAND_END, &to->age_band) &&
               read_code((int)child->sex, SEX_U + 1, &to->sex) &&
               copy_text(to->responsible_authority, sizeof to->responsible_authority, child->responsible_authority);
    }
    for (uint32_t i = 0; i < out->household_count; i++)
        good = good && read_code((int)m->household_children[i]->age_band, AGE_BAND_END, &out->household[i].age_band) &&
               read_code((int)m->household_children[i]->sex, SEX_U + 1, &out->household[i].sex);
    return good;
}

static bool read_lists(const Vacancy__V1__Carer *m, struct carer *out)
{
    if (m->n_exemptions > EXEMPTIONS_MAX || m->n_languages > LANGUAGES_MAX)
        return false;
    out->exemption_count = (uint32_t)m->n_exemptions;
    out->language_count = (uint32_t)m->n_languages;
    bool good = true;
    for (uint32_t i = 0; i < out->exemption_count; i++) {
        out->exemptions[i].children = (uint8_t)m->exemptions[i]->children;
        good = good && m->exemptions[i]->children <= UINT8_MAX &&
               read_date(m->exemptions[i]->until, &out->exemptions[i].until) &&
               copy_text(out->exemptions[i].authority, GSS_BYTES, m->exemptions[i]->authority);
    }
    for (uint32_t i = 0; i < out->language_count; i++)
        good = good && read_code((int)m->languages[i]->level, 3, &out->languages[i].level) &&
               copy_text(out->languages[i].tag, LANGUAGE_TAG_BYTES, m->languages[i]->tag);
    return good;
}

static bool read_terms(const Vacancy__V1__Terms *m, struct terms *out)
{
    if (m == NULL)
        return false;
    out->max_children = m->max_children;
    out->max_children_if_siblings = m->max_children_if_siblings;
    out->age_from_months = m->age_from_months;
    out->age_below_months = m->age_below_months;
    out->named_child_only = m->named_child_only;
    return read_code((int)m->sex, SEX_U + 1, &out->sex) &&
           read_mask((const int *)m->care_types, m->n_care_types, CARE_TYPE_END, &out->care_types);
}

static bool read_carer(const ProtobufCBinaryData *octets, struct scratch *scratch, struct carer *out)
{
    const Vacancy__V1__Carer *m = vacancy__v1__carer__unpack(&scratch->allocator, octets->len, octets->data);
    if (m == NULL)
        return false;
    out->observed_at_ms = m->observed_at_ms;
    out->places = m->places;
    out->bedrooms = m->bedrooms;
    return copy_text(out->agency_reference, sizeof out->agency_reference, m->agency_reference) &&
           copy_text(out->home_postcode, sizeof out->home_postcode, m->home_postcode) &&
           read_terms(m->terms, &out->terms) && read_date(m->approved_on, &out->approved_on) &&
           read_date(m->approval_ends_on, &out->approval_ends_on) &&
           read_code((int)m->room_sharing, ROOM_SHARING_END, &out->room_sharing) &&
           read_code((int)m->training_level, TRAINING_END, &out->training_level) &&
           read_mask((const int *)m->home_features, m->n_home_features, HOME_FEATURE_END, &out->home_features) &&
           read_mask((const int *)m->pets, m->n_pets, PET_END, &out->pets) &&
           read_mask((const int *)m->cannot_take, m->n_cannot_take, RISK_END, &out->cannot_take) &&
           read_mask((const int *)m->skills, m->n_skills, SKILL_END, &out->skills) && read_children(m, out) &&
           read_lists(m, out);
}

static bool read_vacancy(const Vacancy__V1__HomeCarer *h, struct scratch *scratch, struct vacancy *out)
{
    const Vacancy__V1__Vacancy *m = vacancy__v1__vacancy__unpack(&scratch->allocator, h->vacancy.len, h->vacancy.data);
    if (m == NULL)
        return false;
    out->vacancy_id = h->vacancy_id;
    out->confirmed_at_ms = h->confirmed_at_ms;
    out->valid_until_ms = h->valid_until_ms;
    out->reported_unavailable_at_ms = h->reported_unavailable_at_ms;
    out->stage = (uint8_t)h->stage;
    out->observed_at_ms = m->observed_at_ms;
    out->beds = m->beds;
    out->age_from_months = m->age_from_months;
    out->age_below_months = m->age_below_months;
    out->sibling_group_only = m->sibling_group_only;
    out->on_call = m->on_call;
    return h->stage <= STAGE_STALE && read_code((int)h->vacancy_state, VACANCY_STATE_END, &out->state) &&
           read_code((int)m->state, VACANCY_LAPSED, &out->stated) &&
           read_code((int)m->reason, NOT_AVAILABLE_REASON_END, &out->reason) &&
           read_code((int)m->sex, SEX_U + 1, &out->sex) &&
           read_mask((const int *)m->care_types, m->n_care_types, CARE_TYPE_END, &out->care_types) &&
           read_date(m->from, &out->from) && read_date(m->until, &out->until) &&
           read_date(m->reserved_until, &out->reserved_until);
}

static bool read_hold(const Vacancy__V1__LiveHold *m, struct live_hold *out)
{
    out->epoch = m->epoch;
    out->sequence = m->sequence;
    out->beds = m->beds;
    out->child_count = (uint32_t)m->n_children;
    out->some_listed = m->some_listed;
    bool good = m->n_children <= CHILDREN_MAX && read_code((int)m->state, HOLD_STATE_END, &out->state);
    for (uint32_t i = 0; good && i < out->child_count; i++) {
        const Vacancy__V1__PlacedNow *child = m->children[i];
        struct placed_child *to = &out->children[i];
        to->sibling_group = (uint8_t)child->sibling_group;
        good = child->sibling_group <= UINT8_MAX && read_code((int)child->age_band, AGE_BAND_END, &to->age_band) &&
               read_code((int)child->sex, SEX_U + 1, &to->sex) &&
               copy_text(to->responsible_authority, sizeof to->responsible_authority, child->responsible_authority);
    }
    return good;
}

/* The holds, and the code of a transfer that is out. */
static bool read_claims(const Vacancy__V1__HomeCarer *h, struct home_carer *out)
{
    if (h->n_holds > LIVE_HOLDS_MAX)
        return false;
    out->hold_count = (uint32_t)h->n_holds;
    bool good = true;
    for (uint32_t i = 0; good && i < out->hold_count; i++)
        good = read_hold(h->holds[i], &out->holds[i]);
    out->moved_at_ms = h->moved_at_ms;
    out->transfer_until_ms = h->transfer_until_ms;
    if (good && h->transfer_until_ms != 0) {
        good = h->transfer_hash.len == DIGEST_BYTES;
        if (good)
            memcpy(out->transfer_hash, h->transfer_hash.data, DIGEST_BYTES);
    }
    return good;
}

struct octets view_in(const struct octets *record, const ProtobufCBinaryData *field)
{
    const uint8_t *at = field->len ? memmem(record->data, record->size, field->data, field->len) : NULL;
    return (struct octets){at, at ? field->len : 0};
}

/* As far as the shared part tells. */
static bool read_lost(const Vacancy__V1__HomeCarer *h, const Vacancy__V1__CarerRow *row, struct home_carer *out)
{
    struct offer offer;
    struct octets octets = {h->offer.data, h->offer.len};
    out->lost = true;
    if (row->agency_reference_hash.len != DIGEST_BYTES ||
        (octets.size > 0 && offer_decode(&octets, &offer) != ERR_NONE))
        return false;
    memcpy(out->reference_hash, row->agency_reference_hash.data, DIGEST_BYTES);
    out->carer.places = row->places;
    if (octets.size > 0)
        vacancy_from_offer(&offer, &out->vacancy);
    return true;
}

enum err home_carer_decode(const struct octets *octets, uint64_t national_reference, struct home_carer *out,
                           struct home_carer_shared *shared)
{
    struct scratch scratch;
    scratch_init(&scratch);
    memset(out, 0, sizeof *out);
    out->national_reference = national_reference;
    out->vacancy.from = out->vacancy.until = out->vacancy.reserved_until = DATE_NONE;
    const Vacancy__V1__HomeCarer *h = vacancy__v1__home_carer__unpack(&scratch.allocator, octets->size, octets->data);
    if (h == NULL)
        return ERR_STORE_DAMAGED;
    out->vacancy_observed_at_ms = h->vacancy_observed_at_ms;
    out->carer.ended_observed_at_ms = h->ended_observed_at_ms;
    bool good = copy_text(out->carer.agency, sizeof out->carer.agency, h->agency) &&
                copy_text(out->carer.end_reason, sizeof out->carer.end_reason, h->end_reason) &&
                copy_text(out->moved_to_agency, sizeof out->moved_to_agency, h->moved_to_agency) &&
                copy_text(out->distance_told_to, sizeof out->distance_told_to, h->distance_told_to) &&
                read_claims(h, out) && (h->lost_in_restore || read_carer(&h->carer, &scratch, &out->carer));
    if (good && h->vacancy_id != 0)
        good = read_vacancy(h, &scratch, &out->vacancy);
    const Vacancy__V1__CarerRow *row =
        good ? vacancy__v1__carer_row__unpack(&scratch.allocator, h->carer_row.len, h->carer_row.data) : NULL;
    good = row != NULL && cell_from_message(row->cell, &out->carer.cell) &&
           read_code((int)row->status, CARER_STATUS_END, &out->carer.status) &&
           copy_text(out->moved_to_region, GSS_BYTES, row->moved_to_region) &&
           copy_text(out->moved_from_region, GSS_BYTES, row->moved_from_region);
    if (good) {
        out->revision = row->revision;
        out->moves = row->moves;
    }
    if (good && h->lost_in_restore)
        good = read_lost(h, row, out);
    if (good && shared != NULL)
        *shared = (struct home_carer_shared){view_in(octets, &h->carer_row), view_in(octets, &h->offer)};
    return good ? ERR_NONE : ERR_STORE_DAMAGED;
}

enum err carer_stated_encode(const struct carer *carer, struct arena *arena, struct octets *out)
{
    struct carer_message m;
    carer_to_message(carer, &m);
    m.carer.agency_reference = (char *)"";
    return pack_message(&m.carer.base, arena, out);
}

enum err carer_stated_decode(const struct octets *carer, const struct octets *row, struct carer *out)
{
    struct scratch scratch;
    scratch_init(&scratch);
    memset(out, 0, sizeof *out);
    const ProtobufCBinaryData stated = binary(carer);
    const Vacancy__V1__CarerRow *m = vacancy__v1__carer_row__unpack(&scratch.allocator, row->size, row->data);
    bool good = m != NULL && cell_from_message(m->cell, &out->cell) && read_carer(&stated, &scratch, out);
    return good ? ERR_NONE : ERR_STORE_DAMAGED;
}

enum err home_carer_shared_decode(const struct octets *octets, struct home_carer_shared *out)
{
    struct scratch scratch;
    scratch_init(&scratch);
    const Vacancy__V1__HomeCarer *h = vacancy__v1__home_carer__unpack(&scratch.allocator, octets->size, octets->data);
    if (h == NULL)
        return ERR_STORE_DAMAGED;
    *out = (struct home_carer_shared){view_in(octets, &h->carer_row), view_in(octets, &h->offer)};
    return out->carer_row.size > 0 ? ERR_NONE : ERR_STORE_DAMAGED;
}
