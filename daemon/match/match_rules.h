/*
 * match_rules.h - what "suitable" means: one offer against one request, as two sets of rules. Private to daemon/match.
 *
 * Owns: the facts of an offer that the rules look at, packed so that a scan touches nothing else; the request as the
 * rules want it; the judgement. Not here: words for people (match_reasons.h), finding offers (match_search.c).
 * Thread: any; pure functions.
 */
#ifndef VACANCY_MATCH_MATCH_RULES_H
#define VACANCY_MATCH_MATCH_RULES_H

#include "daemon/match/match.h"

/* The box that holds every home of a cell, [west, east] x [south, north] in kilometres. */
struct box {
    uint16_t west_km, south_km, east_km, north_km;
};

struct held_offer;

struct facts {
    uint64_t vacancy_id;
    const struct held_offer *held; /* the whole offer; the index's */
    int64_t valid_until_ms;
    uint32_t point_e_metres, point_n_metres;
    date_days approved_on, approval_ends_on, from, until;
    uint32_t agency; /* the index's number of it */
    uint16_t care_types, approved_care_types;
    uint16_t age_from_months, age_below_months;
    uint16_t home_features, pets, cannot_take;
    uint16_t youngest_from_months, oldest_below_months; /* of the children at home: whole bands */
    struct box box;
    uint8_t state, sexes; /* sexes: mask of those that fit */
    uint8_t beds_free, max_children, max_children_if_siblings;
    uint8_t placed, others; /* others: placed and the household's own */
    uint8_t bedrooms_free;  /* not needed by the children placed */
    bool kept_back;         /* reserved or not available before it lapsed */
    bool siblings_may_share, sibling_group_only;
};

/* Everything but `held` and `agency`. */
void facts_of_offer(const struct offer *offer, const struct box *box, struct facts *out);

/* A request in the form that the rules want. Borrows the criteria. */
struct asked {
    const struct criteria *criteria;
    uint64_t too_far_squared; /* square of the first whole metre beyond `within`; UINT64_MAX: anywhere */
    uint32_t youngest_months, oldest_months, over_three;
    uint32_t lifted; /* rules that the request's overrides lift */
    uint16_t sexes;
    bool together, staying_put, specialist;
};
void asked_prepare(const struct criteria *criteria, struct asked *out);

/* Sets of enum rule, bit n for rule n. `overridden`: failed, but the request allows that; read only if nothing failed.
 */
struct verdict {
    uint32_t failed, overridden, children_taken;
};
void rules_judge(const struct facts *facts, bool agency_active, const struct asked *asked, uint64_t distance_squared,
                 struct verdict *out);

/* Confirmation has run out at as_of, or the hub has lapsed it. */
bool facts_unconfirmed(const struct facts *facts, int64_t as_of_ms);

#endif
