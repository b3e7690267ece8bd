/*
 * offer.c - the shared records: offer, carer row, agency row.
 * Owns: how they are derived from what the home hub knows, their octets, and reading them back as a view.
 * Any thread; no state. Invariant: nothing is offered that is not approved at this moment, and beds_free is never more
 * than the places that no child has.
 */
#include "daemon/record/offer.h"

#include "daemon/record/bytes.h"
#include "daemon/record/carer_parts.h"
#include "daemon/record/scratch.h"

#include <stdio.h>
#include <string.h>

#define CODED_TEXT_BYTES 64 /* "tag:level", "framework:tier" */

static uint32_t least(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

static uint32_t most(uint32_t a, uint32_t b)
{
    return a > b ? a : b;
}

/* A number for siblings that no other group of the children placed has. */
static uint8_t unused_group(const struct offer *offer)
{
    uint8_t group = 1;
    for (uint32_t i = 0; i < offer->child_count; i++)
        if (offer->children[i].placed && offer->children[i].sibling_group == group) {
            group++;
            i = UINT32_MAX; /* from the first again */
        }
    return group;
}

/* Placed through the register, and not yet told by their agency: the children of one hold are siblings. */
static void add_placed_now(const struct live_hold *hold, struct offer *out)
{
    uint8_t group = hold->child_count > 1 ? unused_group(out) : 0;
    for (uint32_t i = 0; i < hold->child_count && out->child_count < OFFER_CHILDREN_MAX; i++)
        out->children[out->child_count++] = (struct child_at_home){
            .age_band = hold->children[i].age_band,
            .sex = hold->children[i].sex,
            .sibling_group = group,
            .placed = true,
        };
}

static void add_children(const struct home_carer *home, struct offer *out)
{
    const struct carer *carer = &home->carer;
    for (uint32_t i = 0; i < carer->placed_count; i++)
        out->children[out->child_count++] = (struct child_at_home){
            .age_band = carer->placed[i].age_band,
            .sex = carer->placed[i].sex,
            .sibling_group = carer->placed[i].sibling_group,
            .placed = true,
        };
    for (uint32_t i = 0; i < home->hold_count; i++)
        add_placed_now(&home->holds[i], out);
    for (uint32_t i = 0; i < carer->household_count && out->child_count < OFFER_CHILDREN_MAX; i++)
        out->children[out->child_count++] = (struct child_at_home){
            .age_band = carer->household[i].age_band,
            .sex = carer->household[i].sex,
        };
}

/* Narrows what is offered to what is approved; where nothing is left the place is not available. */
static void narrow(const struct terms *terms, const struct vacancy *vacancy, struct offer *out)
{
    out->care_types = vacancy->care_types ? vacancy->care_types & terms->care_types : terms->care_types;
    out->sex = vacancy->sex != SEX_ANY ? vacancy->sex : terms->sex;
    out->age_from_months = most(vacancy->age_from_months, terms->age_from_months);
    out->age_below_months =
        vacancy->age_below_months ? least(vacancy->age_below_months, terms->age_below_months) : terms->age_below_months;
    bool other_sex = terms->sex != SEX_ANY && out->sex != terms->sex;
    if (out->care_types != 0 && out->age_from_months < out->age_below_months && !other_sex)
        return;
    out->state = VACANCY_NOT_AVAILABLE;
    out->bucket = BUCKET_MATCHING;
}

bool offer_derive(const struct home_carer *home, struct offer *out)
{
    const struct carer *carer = &home->carer;
    const struct vacancy *vacancy = &home->vacancy;
    const struct terms *terms = &carer->terms;
    if (vacancy->vacancy_id == 0 || carer->status != CARER_APPROVED || terms->named_child_only)
        return false;
    memset(out, 0, sizeof *out);
    memcpy(out->agency, carer->agency, sizeof out->agency);
    out->vacancy_id = vacancy->vacancy_id;
    out->state = (uint8_t)vacancy_state_now(home);
    /* Kept when lapsed, so that a lapsed one that was not available is not taken for vacant. */
    out->bucket = vacancy->stated == VACANCY_NOT_AVAILABLE ? (uint8_t)reason_bucket_of(vacancy->reason) : BUCKET_NONE;
    out->beds = vacancy->beds;
    out->beds_free = beds_free(home);
    out->beds_held = beds_held(home);
    out->from = vacancy->from;
    out->until = vacancy->until;
    out->reserved_until = vacancy->reserved_until;
    out->sibling_group_only = vacancy->sibling_group_only;
    out->on_call = vacancy->on_call;
    out->observed_at_ms = vacancy->observed_at_ms;
    out->confirmed_at_ms = vacancy->confirmed_at_ms;
    out->valid_until_ms = vacancy->valid_until_ms;
    out->reported_unavailable_at_ms = vacancy->reported_unavailable_at_ms;
    out->max_children = terms->max_children;
    out->max_children_if_siblings = terms->max_children_if_siblings;
    out->approved_care_types = terms->care_types;
    out->approved_age_from_months = terms->age_from_months;
    out->approved_age_below_months = terms->age_below_months;
    out->approved_sex = terms->sex;
    out->approved_on = carer->approved_on;
    out->approval_ends_on = carer->approval_ends_on;
    out->bedrooms = carer->bedrooms;
    out->room_sharing = carer->room_sharing;
    out->training_level = carer->training_level;
    out->home_features = carer->home_features;
    out->pets = carer->pets;
    out->cannot_take = carer->cannot_take;
    out->skills = carer->skills;
    out->language_count = carer->language_count;
    memcpy(out->languages, carer->languages, sizeof out->languages);
    out->cell = carer->cell;
    add_children(home, out);
    narrow(terms, vacancy, out);
    return true;
}

bool offer_recount(const struct home_carer *home, struct offer *offer)
{
    uint32_t held = beds_held(home), placed = beds_placed(home), taken = held, beds = offer->beds;
    uint8_t state = offer->state;
    for (uint32_t i = 0; i < offer->child_count; i++)
        taken += offer->children[i].placed;
    beds -= least(beds, held + placed);
    beds = least(beds, home->carer.places - least(home->carer.places, taken));
    if (state == VACANCY_VACANT || state == VACANCY_HELD || state == VACANCY_PLACED)
        state = beds > 0 || held + placed == 0 ? VACANCY_VACANT : held > 0 ? VACANCY_HELD : VACANCY_PLACED;
    if (offer->beds_free == beds && offer->beds_held == held && offer->state == state)
        return false;
    offer->beds_free = beds;
    offer->beds_held = held;
    offer->state = state;
    return true;
}

/* HELD and PLACED are what the hub makes of VACANT; of a lapsed one it is not known. */
static uint8_t vacancy_stated_of(uint8_t state)
{
    return state == VACANCY_LAPSED || state == VACANCY_HELD || state == VACANCY_PLACED ? VACANCY_VACANT : state;
}

void vacancy_from_offer(const struct offer *offer, struct vacancy *out)
{
    *out = (struct vacancy){
        .vacancy_id = offer->vacancy_id,
        .observed_at_ms = offer->observed_at_ms,
        .confirmed_at_ms = offer->confirmed_at_ms,
        .valid_until_ms = offer->valid_until_ms,
        .state = offer->state,
        .stated = vacancy_stated_of(offer->state),
        .reported_unavailable_at_ms = offer->reported_unavailable_at_ms,
        .sex = offer->sex,
        .beds = offer->beds,
        .care_types = offer->care_types,
        .from = offer->from,
        .until = offer->until,
        .reserved_until = offer->reserved_until,
        .age_from_months = offer->age_from_months,
        .age_below_months = offer->age_below_months,
        .sibling_group_only = offer->sibling_group_only,
        .on_call = offer->on_call,
    };
}

/* --- offer: octets ----------------------------------------------------------------------------------------------- */

/* In a shared record a day not given is 0. So 1970-01-01, which a spreadsheet may make of an empty cell, is told as the
 * day before: over for as long, and not "never". */
static int32_t day_out(date_days day)
{
    if (day == DATE_NONE)
        return 0;
    return day == 0 ? -1 : day;
}

static date_days day_in(int32_t day)
{
    return day == 0 ? DATE_NONE : day;
}

static void offer_facts_to_message(const struct offer *offer, Vacancy__V1__Offer *m)
{
    m->max_children = offer->max_children;
    m->max_children_if_siblings = offer->max_children_if_siblings;
    m->approved_care_types = offer->approved_care_types;
    m->approved_age_from_months = offer->approved_age_from_months;
    m->approved_age_below_months = offer->approved_age_below_months;
    m->approved_sex = (Vacancy__V1__Sex)offer->approved_sex;
    m->approved_on_days = day_out(offer->approved_on);
    m->approval_ends_on_days = day_out(offer->approval_ends_on);
    m->bedrooms = offer->bedrooms;
    m->room_sharing = (Vacancy__V1__RoomSharing)offer->room_sharing;
    m->home_features = offer->home_features;
    m->pets = offer->pets;
    m->cannot_take = offer->cannot_take;
    m->skills = offer->skills;
    m->training_level = (Vacancy__V1__TrainingLevel)offer->training_level;
}

static void offer_vacancy_to_message(const struct offer *offer, Vacancy__V1__Offer *m)
{
    m->agency = (char *)offer->agency;
    m->state = (Vacancy__V1__VacancyState)offer->state;
    m->bucket = (Vacancy__V1__ReasonBucket)offer->bucket;
    m->beds = offer->beds;
    m->beds_free = offer->beds_free;
    m->beds_held = offer->beds_held;
    m->care_types = offer->care_types;
    m->from_days = day_out(offer->from);
    m->until_days = day_out(offer->until);
    m->reserved_until_days = day_out(offer->reserved_until);
    m->age_from_months = offer->age_from_months;
    m->age_below_months = offer->age_below_months;
    m->sex = (Vacancy__V1__Sex)offer->sex;
    m->sibling_group_only = offer->sibling_group_only;
    m->on_call = offer->on_call;
    m->observed_at_ms = offer->observed_at_ms;
    m->confirmed_at_ms = offer->confirmed_at_ms;
    m->valid_until_ms = offer->valid_until_ms;
    m->reported_unavailable_at_ms = offer->reported_unavailable_at_ms;
}

/* "pl:2" */
static char *coded_text(char out[CODED_TEXT_BYTES], const char *text, uint32_t number)
{
    snprintf(out, CODED_TEXT_BYTES, "%s:%u", text, number);
    return out;
}

enum err offer_encode(const struct offer *offer, struct arena *arena, struct octets *out)
{
    Vacancy__V1__Offer m;
    Vacancy__V1__Cell cell;
    Vacancy__V1__ChildAtHome children[OFFER_CHILDREN_MAX], *child_list[OFFER_CHILDREN_MAX];
    char languages[LANGUAGES_MAX][CODED_TEXT_BYTES], *language_list[LANGUAGES_MAX];
    uint8_t id[8];
    vacancy__v1__offer__init(&m);
    offer_vacancy_to_message(offer, &m);
    offer_facts_to_message(offer, &m);
    put_be64(id, offer->vacancy_id);
    m.vacancy_id = (ProtobufCBinaryData){sizeof id, id};
    for (uint32_t i = 0; i < offer->language_count; i++)
        language_list[i] = coded_text(languages[i], offer->languages[i].tag, offer->languages[i].level);
    m.n_languages = offer->language_count;
    m.languages = language_list;
    for (uint32_t i = 0; i < offer->child_count; i++) {
        vacancy__v1__child_at_home__init(&children[i]);
        children[i].age_band = (Vacancy__V1__AgeBand)offer->children[i].age_band;
        children[i].sex = (Vacancy__V1__Sex)offer->children[i].sex;
        children[i].sibling_group = offer->children[i].sibling_group;
        children[i].placed = offer->children[i].placed;
        child_list[i] = &children[i];
    }
    m.n_children = offer->child_count;
    m.children = child_list;
    cell_to_message(&offer->cell, &cell);
    m.cell = &cell;
    return pack_message(&m.base, arena, out);
}

/* "pl:2" -> "pl", 2; the number is one digit. */
static bool read_coded_text(const char *coded, char *out, size_t out_bytes, uint8_t *number)
{
    size_t length = strlen(coded);
    if (length < 3 || length - 2 >= out_bytes || coded[length - 2] != ':' || coded[length - 1] < '0' ||
        coded[length - 1] > '9')
        return false;
    memset(out, 0, out_bytes);
    memcpy(out, coded, length - 2);
    *number = (uint8_t)(coded[length - 1] - '0');
    return true;
}

static void read_offer_facts(const Vacancy__V1__Offer *m, struct offer *out)
{
    out->approved_sex = (uint8_t)m->approved_sex;
    out->approved_on = day_in(m->approved_on_days);
    out->approval_ends_on = day_in(m->approval_ends_on_days);
    out->max_children = m->max_children;
    out->max_children_if_siblings = m->max_children_if_siblings;
    out->approved_care_types = m->approved_care_types;
    out->approved_age_from_months = m->approved_age_from_months;
    out->approved_age_below_months = m->approved_age_below_months;
    out->bedrooms = m->bedrooms;
    out->room_sharing = (uint8_t)m->room_sharing;
    out->training_level = (uint8_t)m->training_level;
    out->home_features = m->home_features;
    out->pets = m->pets;
    out->cannot_take = m->cannot_take;
    out->skills = m->skills;
}

static void read_offer_vacancy(const Vacancy__V1__Offer *m, struct offer *out)
{
    out->vacancy_id = get_be64(m->vacancy_id.data);
    out->state = (uint8_t)m->state;
    out->bucket = (uint8_t)m->bucket;
    out->sex = (uint8_t)m->sex;
    out->sibling_group_only = m->sibling_group_only;
    out->on_call = m->on_call;
    out->beds = m->beds;
    out->beds_free = m->beds_free;
    out->beds_held = m->beds_held;
    out->care_types = m->care_types;
    out->from = day_in(m->from_days);
    out->until = day_in(m->until_days);
    out->reserved_until = day_in(m->reserved_until_days);
    out->age_from_months = m->age_from_months;
    out->age_below_months = m->age_below_months;
    out->observed_at_ms = m->observed_at_ms;
    out->confirmed_at_ms = m->confirmed_at_ms;
    out->valid_until_ms = m->valid_until_ms;
    out->reported_unavailable_at_ms = m->reported_unavailable_at_ms;
}

/* A code that this hub does not know may come from a newer one; what is refused is what does not fit its byte. */
static bool codes_fit(const Vacancy__V1__Offer *m)
{
    unsigned all = (unsigned)m->state | (unsigned)m->bucket | (unsigned)m->sex | (unsigned)m->approved_sex |
                   (unsigned)m->room_sharing | (unsigned)m->training_level;
    return all <= INT8_MAX;
}

enum err offer_decode(const struct octets *octets, struct offer *out)
{
    struct scratch scratch;
    scratch_init(&scratch);
    memset(out, 0, sizeof *out);
    const Vacancy__V1__Offer *m = vacancy__v1__offer__unpack(&scratch.allocator, octets->size, octets->data);
    if (m == NULL || m->vacancy_id.len != 8 || m->n_languages > LANGUAGES_MAX || m->n_children > OFFER_CHILDREN_MAX ||
        !codes_fit(m))
        return ERR_STORE_DAMAGED;
    read_offer_vacancy(m, out);
    read_offer_facts(m, out);
    bool good = copy_text(out->agency, sizeof out->agency, m->agency) && cell_from_message(m->cell, &out->cell);
    out->language_count = (uint32_t)m->n_languages;
    for (uint32_t i = 0; i < out->language_count; i++)
        good = good &&
               read_coded_text(m->languages[i], out->languages[i].tag, LANGUAGE_TAG_BYTES, &out->languages[i].level);
    out->child_count = (uint32_t)m->n_children;
    for (uint32_t i = 0; i < out->child_count; i++) {
        const Vacancy__V1__ChildAtHome *child = m->children[i];
        good = good && (unsigned)child->age_band < AGE_BAND_END && (unsigned)child->sex <= SEX_U &&
               child->sibling_group <= UINT8_MAX;
        out->children[i] = (struct child_at_home){(uint8_t)child->age_band, (uint8_t)child->sex,
                                                  (uint8_t)child->sibling_group, child->placed};
    }
    return good ? ERR_NONE : ERR_STORE_DAMAGED;
}

/* --- carer row --------------------------------------------------------------------------------------------------- */

void agency_reference_hash(const uint8_t reference_secret[32], const char *agency, const char *agency_reference,
                           uint8_t out[DIGEST_BYTES])
{
    char named[AGENCY_ID_BYTES + AGENCY_REFERENCE_BYTES];
    size_t agency_bytes = strlen(agency) + 1, reference_bytes = strlen(agency_reference);
    memcpy(named, agency, agency_bytes);
    memcpy(named + agency_bytes, agency_reference, reference_bytes);
    digest_hmac_sha256(reference_secret, 32, named, agency_bytes + reference_bytes, out);
}

enum err carer_row_owner(const struct octets *row, char agency[AGENCY_ID_BYTES], uint8_t hash[DIGEST_BYTES])
{
    struct scratch scratch;
    scratch_init(&scratch);
    const Vacancy__V1__CarerRow *m = vacancy__v1__carer_row__unpack(&scratch.allocator, row->size, row->data);
    if (m == NULL || m->agency_reference_hash.len != DIGEST_BYTES || m->cell == NULL ||
        !copy_text(agency, AGENCY_ID_BYTES, m->agency))
        return ERR_STORE_DAMAGED;
    memcpy(hash, m->agency_reference_hash.data, DIGEST_BYTES);
    return ERR_NONE;
}

bool carer_row_came_from(const struct octets *row, const char *region)
{
    struct scratch scratch;
    scratch_init(&scratch);
    const Vacancy__V1__CarerRow *m = vacancy__v1__carer_row__unpack(&scratch.allocator, row->size, row->data);
    return m != NULL && strcmp(m->moved_from_region, region) == 0 && strcmp(m->moved_to_region, region) != 0;
}

bool carer_row_moved(const struct octets *row, uint64_t *revision, uint32_t *moves, char to_region[GSS_BYTES])
{
    struct scratch scratch;
    scratch_init(&scratch);
    const Vacancy__V1__CarerRow *m = vacancy__v1__carer_row__unpack(&scratch.allocator, row->size, row->data);
    if (m == NULL || m->status != VACANCY__V1__CARER_STATUS__CARER_STATUS_MOVED ||
        !copy_text(to_region, GSS_BYTES, m->moved_to_region))
        return false;
    *revision = m->revision;
    *moves = m->moves;
    return true;
}

enum err carer_row_encode(const struct home_carer *home, const uint8_t reference_secret[32], struct arena *arena,
                          struct octets *out)
{
    const struct carer *carer = &home->carer;
    uint8_t hash[DIGEST_BYTES];
    agency_reference_hash(reference_secret, carer->agency, carer->agency_reference, hash);

    Vacancy__V1__CarerRow m;
    Vacancy__V1__Cell cell;
    vacancy__v1__carer_row__init(&m);
    m.agency = (char *)carer->agency;
    m.agency_reference_hash = (ProtobufCBinaryData){sizeof hash, hash};
    m.approved_on_days = day_out(carer->approved_on);
    m.approval_ends_on_days = day_out(carer->approval_ends_on);
    m.approval_ends = carer->approval_ends_on != DATE_NONE;
    m.max_children = carer->terms.max_children;
    m.max_children_if_siblings = carer->terms.max_children_if_siblings;
    m.age_from_months = carer->terms.age_from_months;
    m.age_below_months = carer->terms.age_below_months;
    m.sex = (Vacancy__V1__Sex)carer->terms.sex;
    m.care_types = carer->terms.care_types;
    m.named_child_only = carer->terms.named_child_only;
    m.places = carer->places;
    m.status = (Vacancy__V1__CarerStatus)carer->status;
    cell_to_message(&carer->cell, &cell);
    m.cell = &cell;
    m.revision = home->revision;
    m.moved_to_region = (char *)home->moved_to_region;
    m.moved_from_region = (char *)home->moved_from_region;
    m.moves = home->moves;
    return pack_message(&m.base, arena, out);
}

/* --- agency ------------------------------------------------------------------------------------------------------ */

#define FRAMEWORKS_MAX (sizeof((struct agency *)0)->frameworks / sizeof((struct agency *)0)->frameworks[0])

enum err agency_encode(const struct agency *agency, struct arena *arena, struct octets *out)
{
    Vacancy__V1__AgencyRow m;
    char frameworks[FRAMEWORKS_MAX][CODED_TEXT_BYTES], *framework_list[FRAMEWORKS_MAX];
    vacancy__v1__agency_row__init(&m);
    m.name = (char *)agency->name;
    m.kind = (Vacancy__V1__AgencyKind)agency->kind;
    m.ofsted_urn = (char *)agency->ofsted_urn;
    m.ofsted_rating = (Vacancy__V1__OfstedRating)agency->rating;
    m.phone = (char *)agency->phone;
    m.email = (char *)agency->email;
    m.out_of_hours_phone = (char *)agency->out_of_hours_phone;
    m.status = (Vacancy__V1__AgencyStatus)agency->status;
    m.authority = (char *)agency->authority;
    for (uint32_t i = 0; i < agency->framework_count; i++)
        framework_list[i] = coded_text(frameworks[i], agency->frameworks[i].framework, agency->frameworks[i].tier);
    m.n_frameworks = agency->framework_count;
    m.frameworks = framework_list;
    return pack_message(&m.base, arena, out);
}

enum err agency_decode(const char *id, const struct octets *octets, struct agency *out)
{
    struct scratch scratch;
    scratch_init(&scratch);
    memset(out, 0, sizeof *out);
    const Vacancy__V1__AgencyRow *m = vacancy__v1__agency_row__unpack(&scratch.allocator, octets->size, octets->data);
    if (m == NULL || m->n_frameworks > FRAMEWORKS_MAX)
        return ERR_STORE_DAMAGED;
    unsigned codes = (unsigned)m->kind | (unsigned)m->ofsted_rating | (unsigned)m->status;
    out->kind = (uint8_t)m->kind;
    out->rating = (uint8_t)m->ofsted_rating;
    out->status = (uint8_t)m->status;
    bool good = codes <= INT8_MAX && copy_text(out->id, sizeof out->id, id) &&
                copy_text(out->name, sizeof out->name, m->name) &&
                copy_text(out->ofsted_urn, sizeof out->ofsted_urn, m->ofsted_urn) &&
                copy_text(out->phone, sizeof out->phone, m->phone) &&
                copy_text(out->email, sizeof out->email, m->email) &&
                copy_text(out->out_of_hours_phone, sizeof out->out_of_hours_phone, m->out_of_hours_phone) &&
                copy_text(out->authority, sizeof out->authority, m->authority);
    out->framework_count = (uint32_t)m->n_frameworks;
    for (uint32_t i = 0; i < out->framework_count; i++)
        good = good && read_coded_text(m->frameworks[i], out->frameworks[i].framework, AGENCY_ID_BYTES,
                                       &out->frameworks[i].tier);
    return good ? ERR_NONE : ERR_STORE_DAMAGED;
}
