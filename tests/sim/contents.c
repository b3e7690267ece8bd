/*
 * contents.c - see contents.h. One thread.
 */
#include "tests/sim/contents.h"

#include <string.h>

static void set_terms(struct sim *sim, struct carer *carer)
{
    struct terms *terms = &carer->terms;
    terms->max_children = 1 + below(sim, 4);
    terms->max_children_if_siblings = terms->max_children + below(sim, 3);
    terms->age_from_months = 12 * below(sim, 6);
    terms->age_below_months = 216 - 12 * below(sim, 5);
    terms->care_types = 1u << CARE_SHORT_TERM;
    if (once_in(sim, 3))
        terms->care_types |= 1u << CARE_EMERGENCY;
    if (once_in(sim, 2))
        terms->care_types |= 1u << (CARE_LONG_TERM + below(sim, 4));
    terms->named_child_only = once_in(sim, 12);
}

void content_carer(struct sim *sim, date_days today, const struct operation *operation, struct carer *carer)
{
    memset(carer, 0, sizeof *carer);
    set_terms(sim, carer);
    carer->approved_on = 15000 + (date_days)below(sim, 4000);
    carer->approval_ends_on = DATE_NONE;
    if (once_in(sim, 10))
        carer->approval_ends_on = today + (date_days)below(sim, 400) - 20;
    carer->places = 1 + below(sim, 4);
    carer->bedrooms = 1 + below(sim, 4);
    carer->room_sharing = (uint8_t)below(sim, ROOM_SHARING_END);
    carer->placed_count = below(sim, carer->places + (once_in(sim, 5) ? 1 : 0));
    for (uint32_t i = 0; i < carer->placed_count; i++)
        carer->placed[i] =
            (struct placed_child){(uint8_t)(1 + below(sim, 6)), (uint8_t)(1 + below(sim, 2)), 0, "E08000035"};
    carer->household_count = below(sim, 3);
    for (uint32_t i = 0; i < carer->household_count; i++)
        carer->household[i] = (struct household_child){(uint8_t)(1 + below(sim, 6)), (uint8_t)(1 + below(sim, 2))};
    if (once_in(sim, 3)) {
        carer->language_count = 1;
        strcpy(carer->languages[0].tag, once_in(sim, 2) ? "pl" : "ur");
        carer->languages[0].level = (uint8_t)(1 + below(sim, 2));
    }
    carer->skills = below(sim, 1u << 6) << 1;
    carer->training_level = (uint8_t)below(sim, TRAINING_END);
    carer_postcode(operation->agency, operation->reference, below(sim, HOMES_EACH), carer->home_postcode);
}

void content_vacancy(struct sim *sim, date_days today, const struct carer *carer, struct vacancy *vacancy)
{
    uint32_t room = carer->places > carer->placed_count ? carer->places - carer->placed_count : 1;
    memset(vacancy, 0, sizeof *vacancy);
    vacancy->from = vacancy->until = vacancy->reserved_until = DATE_NONE;
    vacancy->stated = once_in(sim, 4) ? (uint8_t)(VACANCY_RESERVED + below(sim, 2)) : VACANCY_VACANT;
    if (vacancy->stated == VACANCY_RESERVED)
        vacancy->reserved_until = today + (date_days)below(sim, 30);
    if (vacancy->stated == VACANCY_NOT_AVAILABLE)
        vacancy->reason = (uint8_t)(1 + below(sim, NOT_AVAILABLE_REASON_END - 1));
    vacancy->beds = once_in(sim, 8) ? 1 + below(sim, 6) : 1 + below(sim, room);
    if (once_in(sim, 3))
        vacancy->care_types = 1u << (once_in(sim, 2) ? CARE_SHORT_TERM : CARE_EMERGENCY);
    if (once_in(sim, 4))
        vacancy->from = today - 20 + (date_days)below(sim, 40);
    if (vacancy->from != DATE_NONE && once_in(sim, 2))
        vacancy->until = vacancy->from + (date_days)below(sim, 40);
    if (once_in(sim, 5))
        vacancy->age_below_months = 60 + 12 * below(sim, 14);
    if (vacancy->age_below_months > 216)
        vacancy->age_below_months = 216;
    vacancy->sibling_group_only = once_in(sim, 10);
    vacancy->on_call = once_in(sim, 10);
}

void content_criteria(int64_t as_of_ms, struct criteria *out)
{
    *out = (struct criteria){
        .near_e_metres = 429500,
        .near_n_metres = 433500,
        .child_count = 1,
        .children = {{CONTENT_ASKED_MONTHS, SEX_M}},
        .care_type = CARE_SHORT_TERM,
        .grouping = GROUPING_TOGETHER,
        .alongside = ALONGSIDE_NO_PREFERENCE,
        .limit = OPTIONS_MAX,
        .overrides = (1u << OVERRIDE_END) - 2,
        .starts_on = date_of_wall_ms(as_of_ms),
        .as_of_ms = as_of_ms,
    };
}

/* One child of ten, short term, from that day, with every override: of the MUST rules approval (H1), availability (H2)
 * and beds (H4) are left. */
bool content_suits(const struct offer *offer, bool agency_active, int64_t as_of_ms, bool unconfirmed_too)
{
    date_days day = date_of_wall_ms(as_of_ms);
    bool vacant = offer->state == VACANCY_VACANT || (offer->state == VACANCY_LAPSED && offer->bucket == BUCKET_NONE &&
                                                     offer->reserved_until == DATE_NONE);
    bool unconfirmed = offer->state == VACANCY_LAPSED || offer->valid_until_ms <= as_of_ms;
    return vacant && (unconfirmed_too || !unconfirmed) && agency_active && offer->approved_on <= day &&
           (offer->approval_ends_on == DATE_NONE || day < offer->approval_ends_on) &&
           (offer->from == DATE_NONE || offer->from <= day) && (offer->until == DATE_NONE || day <= offer->until) &&
           offer->beds_free >= 1;
}
