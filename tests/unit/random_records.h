/*
 * random_records.h - random but plausible carers, vacancies and agencies from a seed, for the record and register
 * tests. Thread: one; all state is the caller's generator.
 */
#ifndef VACANCY_TESTS_RANDOM_RECORDS_H
#define VACANCY_TESTS_RANDOM_RECORDS_H

#include "daemon/base/randomness.h"
#include "daemon/record/hold.h"
#include "daemon/record/ids.h"
#include "daemon/record/offer.h"

#include <stdio.h>
#include <string.h>

static inline uint32_t random_up_to(struct seeded_random *random, uint32_t most)
{
    return (uint32_t)seeded_random_below(random, (uint64_t)most + 1);
}

/* A mask of codes 1 .. end-1. */
static inline uint32_t random_mask(struct seeded_random *random, int end)
{
    return (uint32_t)seeded_random_next(random) & (uint32_t)seeded_random_next(random) & ((1u << end) - 2);
}

static inline void random_carer(struct seeded_random *random, struct carer *out)
{
    static const char *const tags[] = {"pl", "ur", "pa", "bfi", "fr", "art-x-makaton", "so", "ar"};
    memset(out, 0, sizeof *out);
    strcpy(out->agency, "leeds-fostering");
    snprintf(out->agency_reference, sizeof out->agency_reference, "H-%u", random_up_to(random, 999999));
    out->observed_at_ms = 1764000000000 + random_up_to(random, 1000000);
    out->terms.max_children = 1 + random_up_to(random, 3);
    out->terms.max_children_if_siblings = out->terms.max_children + random_up_to(random, 2);
    out->terms.age_from_months = 12 * random_up_to(random, 10);
    out->terms.age_below_months = 132 + 12 * random_up_to(random, 7);
    out->terms.care_types = random_mask(random, CARE_TYPE_END) | 1u << CARE_SHORT_TERM;
    out->terms.sex = (uint8_t)random_up_to(random, 2);
    out->terms.named_child_only = random_up_to(random, 9) == 0;
    out->approved_on = 15000 + (date_days)random_up_to(random, 5000);
    out->approval_ends_on = random_up_to(random, 4) ? DATE_NONE : 25000;
    out->places = out->terms.max_children;
    out->bedrooms = 1 + random_up_to(random, 3);
    out->room_sharing = (uint8_t)random_up_to(random, 3);
    out->training_level = (uint8_t)random_up_to(random, 3);
    snprintf(out->home_postcode, sizeof out->home_postcode, "LS%u %uAB", 1 + random_up_to(random, 20),
             random_up_to(random, 9));
    strcpy(out->cell.authority, "E08000035");
    out->cell.square_e_km = 420 + random_up_to(random, 20);
    out->cell.square_n_km = 425 + random_up_to(random, 20);
    out->cell.size_km = 1;
    out->cell.point_e_metres = out->cell.square_e_km * 1000 + 500;
    out->cell.point_n_metres = out->cell.square_n_km * 1000 + 500;
    snprintf(out->cell.area, sizeof out->cell.area, "Leeds, LS%u", 1 + random_up_to(random, 20));
    out->home_features = random_mask(random, HOME_FEATURE_END);
    out->pets = random_mask(random, PET_END);
    out->cannot_take = random_mask(random, RISK_END);
    out->skills = random_mask(random, SKILL_END);
    out->placed_count = random_up_to(random, out->places);
    for (uint32_t i = 0; i < out->placed_count; i++) {
        out->placed[i] =
            (struct placed_child){(uint8_t)(1 + random_up_to(random, 5)), (uint8_t)(1 + random_up_to(random, 1)),
                                  (uint8_t)random_up_to(random, 2), "E08000035"};
    }
    out->household_count = random_up_to(random, 3);
    for (uint32_t i = 0; i < out->household_count; i++)
        out->household[i] =
            (struct household_child){(uint8_t)(1 + random_up_to(random, 5)), (uint8_t)(1 + random_up_to(random, 1))};
    out->exemption_count = random_up_to(random, 2);
    for (uint32_t i = 0; i < out->exemption_count; i++)
        out->exemptions[i] = (struct exemption){"E08000035", i ? DATE_NONE : 22000, 1};
    out->language_count = random_up_to(random, 3);
    for (uint32_t i = 0; i < out->language_count; i++) {
        strcpy(out->languages[i].tag, tags[random_up_to(random, 7)]);
        out->languages[i].level = (uint8_t)(1 + random_up_to(random, 1));
    }
    out->status = CARER_APPROVED;
}

/* Within the carer's approval. */
static inline void random_vacancy(struct seeded_random *random, const struct carer *carer, struct vacancy *out)
{
    memset(out, 0, sizeof *out);
    out->from = out->until = out->reserved_until = DATE_NONE;
    out->observed_at_ms = carer->observed_at_ms + random_up_to(random, 100000);
    out->stated = (uint8_t)(1 + random_up_to(random, 2));
    out->state = out->stated;
    if (out->stated == VACANCY_NOT_AVAILABLE)
        out->reason = (uint8_t)(1 + random_up_to(random, NOT_AVAILABLE_REASON_END - 2));
    if (out->stated == VACANCY_RESERVED)
        out->reserved_until = 20500;
    out->beds =
        carer->places > carer->placed_count ? 1 + random_up_to(random, carer->places - carer->placed_count - 1) : 0;
    out->care_types = carer->terms.care_types & (uint32_t)seeded_random_next(random);
    if (random_up_to(random, 2) == 0)
        out->from = 20400 + (date_days)random_up_to(random, 100);
    if (out->from != DATE_NONE && random_up_to(random, 1))
        out->until = out->from + (date_days)random_up_to(random, 300);
    if (random_up_to(random, 2) == 0)
        out->age_from_months = carer->terms.age_from_months + 6;
    out->sex = carer->terms.sex;
    out->sibling_group_only = random_up_to(random, 5) == 0;
    out->on_call = random_up_to(random, 5) == 0;
}

/* Of the live vacancy, as many beds as it has at most. */
static inline void random_live_holds(struct seeded_random *random, struct home_carer *out)
{
    uint32_t beds = out->vacancy.beds;
    while (beds > 0 && random_up_to(random, 2) == 0) {
        struct live_hold *hold = &out->holds[out->hold_count++];
        hold->epoch = 1;
        hold->sequence = out->hold_count + random_up_to(random, 1000);
        hold->state = (uint8_t[]){HOLD_ACTIVE, HOLD_ACCEPTED, HOLD_PLACED}[random_up_to(random, 2)];
        hold->beds = 1 + random_up_to(random, beds - 1);
        beds -= hold->beds;
        hold->child_count = hold->state == HOLD_PLACED && random_up_to(random, 1) ? hold->beds : 0;
        hold->some_listed = hold->state == HOLD_PLACED && random_up_to(random, 1);
        for (uint32_t i = 0; i < hold->child_count; i++)
            hold->children[i] = (struct placed_child){(uint8_t)(1 + random_up_to(random, 5)),
                                                      (uint8_t)(1 + random_up_to(random, 1)), 0, "E08000036"};
    }
}

static inline void random_home_carer(struct seeded_random *random, struct home_carer *out)
{
    struct randomness source = seeded_random_source(random);
    memset(out, 0, sizeof *out);
    out->national_reference = id_random(&source);
    random_carer(random, &out->carer);
    out->vacancy.from = out->vacancy.until = out->vacancy.reserved_until = DATE_NONE;
    out->revision = random_up_to(random, 1) ? id_random(&source) : 0;
    if (random_up_to(random, 4) == 0) {
        out->carer.status = CARER_ENDED;
        out->carer.ended_observed_at_ms = out->carer.observed_at_ms + 5;
        strcpy(out->carer.end_reason, "AW3");
    } else if (random_up_to(random, 4) > 0 && out->carer.places > out->carer.placed_count) {
        random_vacancy(random, &out->carer, &out->vacancy);
        out->vacancy.vacancy_id = id_random(&source);
        out->vacancy.confirmed_at_ms = out->vacancy.observed_at_ms + 10;
        out->vacancy.valid_until_ms = out->vacancy.confirmed_at_ms + VACANCY_TTL_DEFAULT_MS;
        if (random_up_to(random, 5) == 0)
            out->vacancy.state = VACANCY_LAPSED;
        out->vacancy_observed_at_ms = out->vacancy.observed_at_ms;
        out->vacancy.stage = (uint8_t)random_up_to(random, STAGE_STALE);
        out->vacancy.reported_unavailable_at_ms =
            random_up_to(random, 5) == 0 ? out->vacancy.confirmed_at_ms + random_up_to(random, 1000) : 0;
        random_live_holds(random, out);
        out->vacancy.state = (uint8_t)vacancy_state_now(out);
    }
    if (out->carer.status == CARER_APPROVED && random_up_to(random, 5) == 0) {
        random_fill(&source, out->transfer_hash, sizeof out->transfer_hash);
        out->transfer_until_ms = out->carer.observed_at_ms + random_up_to(random, 100000);
    }
    if (out->carer.status == CARER_ENDED && random_up_to(random, 2) == 0) {
        out->carer.status = CARER_MOVED;
        strcpy(out->moved_to_agency, "wigan-fostering");
        strcpy(out->moved_to_region, "E12000002");
        out->moved_at_ms = out->carer.observed_at_ms + random_up_to(random, 100000);
    } else if (random_up_to(random, 5) == 0) {
        strcpy(out->moved_from_region, "E12000001");
    }
    out->moves = random_up_to(random, 4);
}

static inline void random_hold(struct seeded_random *random, struct hold *out)
{
    struct randomness source = seeded_random_source(random);
    memset(out, 0, sizeof *out);
    out->token = (struct hold_token){1 + random_up_to(random, 3), 1 + seeded_random_below(random, 1ULL << 40)};
    out->national_reference = id_random(&source);
    out->vacancy_id = id_random(&source);
    out->beds = 1 + random_up_to(random, 11);
    out->state = (uint8_t)(1 + random_up_to(random, HOLD_STATE_END - 2));
    out->extended = random_up_to(random, 1);
    out->made_at_ms = 1764000000000 + random_up_to(random, 1000000);
    out->until_ms = out->made_at_ms + random_up_to(random, 4 * 3600 * 1000);
    out->ended_at_ms = hold_live(out) || out->state == HOLD_PLACED ? 0 : out->until_ms - 5;
    random_fill(&source, out->holder_hash, sizeof out->holder_hash);
    random_fill(&source, out->request_hash, sizeof out->request_hash);
    strcpy(out->agency, "leeds-fostering");
    snprintf(out->agency_reference, sizeof out->agency_reference, "H-%u", random_up_to(random, 999999));
    if (random_up_to(random, 4) == 0)
        return; /* as a restore leaves it */
    snprintf(out->holder, sizeof out->holder, "spiffe://vacancy.example/team/t%u", random_up_to(random, 99));
    strcpy(out->authority, "E08000035");
    if (random_up_to(random, 1))
        strcpy(out->forwarded_by, "E12000002");
    snprintf(out->request_reference, sizeof out->request_reference, "383-%u", 1000 + random_up_to(random, 99999));
    out->until_lease_ms = random_up_to(random, 100000000);
    if (out->state == HOLD_ACCEPTED || out->state == HOLD_DECLINED)
        out->answered_at_ms = out->made_at_ms + random_up_to(random, 1000);
    if (out->state == HOLD_DECLINED)
        out->decline_reason = (uint8_t)(1 + random_up_to(random, DECLINE_REASON_END - 2));
    if (out->state == HOLD_PLACED) {
        out->placement_code = (uint8_t)(1 + random_up_to(random, PLACEMENT_CODE_END - 2));
        out->provider_consent = out->authorities_consent = CONSENT_GIVEN;
        out->starts_on = 20450 + (date_days)random_up_to(random, 100);
    }
}

static inline void random_agency(struct seeded_random *random, struct agency *out)
{
    memset(out, 0, sizeof *out);
    snprintf(out->id, sizeof out->id, "agency-%u", random_up_to(random, 999));
    strcpy(out->name, "Example Fostering");
    out->kind = (uint8_t)(1 + random_up_to(random, 1));
    out->rating = (uint8_t)random_up_to(random, 4);
    out->status = AGENCY_ACTIVE;
    strcpy(out->ofsted_urn, "SC123456");
    strcpy(out->phone, "0113 496 0000");
    strcpy(out->email, "placements@example.org");
    if (out->kind == AGENCY_LOCAL_AUTHORITY)
        strcpy(out->authority, "E08000035");
    out->framework_count = random_up_to(random, 5);
    for (uint32_t i = 0; i < out->framework_count; i++) {
        strcpy(out->frameworks[i].framework, "E08000035");
        out->frameworks[i].tier = (uint8_t)(1 + random_up_to(random, 8));
    }
}

#endif
