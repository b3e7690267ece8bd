/*
 * match_rules.h - what "suitable" means: offers against one request, as two sets of rules each. Private to
 * daemon/match.
 *
 * Owns: the facts of an offer that the rules look at, packed so that a scan touches nothing else; the request as the
 * rules want it; the judgement, of LANES offers at a time: a search that finds little judges every offer there is, so
 * each fact is a column of 16-bit lanes, and a rule is a few operations on whole columns without a branch.
 * Not here: words for people (match_reasons.h), finding offers (match_search.c).
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

#define LANES 8
/* One 16-bit value for each of LANES offers; comparisons give masks (all ones: true). Compilers have it for any
 * machine. */
typedef uint16_t lanes __attribute__((vector_size(2 * LANES)));

/*
 * What the rules look at, one lane each. Masks are 0 or LANES_TRUE. Days are those since 1970, cut to 0 to LANES_TRUE:
 * the day asked for lies well between (FACT_DAY_MAX), so what is cut compares as it would uncut, and "no end" is
 * LANES_TRUE.
 */
#define FACT_COLUMNS(X)                                                                                                \
    X(approved_on)                                                                                                     \
    X(approval_ends_on)                                                                                                \
    X(from)                                                                                                            \
    X(until)                                                                                                           \
    X(care_types)                                                                                                      \
    X(approved_care_types)                                                                                             \
    X(age_from_months)                                                                                                 \
    X(age_below_months)                                                                                                \
    X(sexes)                                                                                                           \
    X(home_features)                                                                                                   \
    X(pets)                                                                                                            \
    X(cannot_take)                                                                                                     \
    X(youngest_from_months) /* of the children at home, placed or not, whole bands; nobody: LANES_TRUE */              \
    X(oldest_below_months)                                                                                             \
    X(beds_free)                                                                                                       \
    X(terms_cap)          /* how many more children the terms allow */                                                 \
    X(limit_cap)          /* how many more before an exemption is needed */                                            \
    X(bedroom_cap)        /* how many children over 3 find a bedroom */                                                \
    X(vacant)             /* mask: vacant, or was until it lapsed */                                                   \
    X(lapsed)             /* mask */                                                                                   \
    X(sibling_group_only) /* mask */

#define LANES_TRUE   UINT16_MAX
#define FACT_DAY_MAX (UINT16_MAX - 1)

/* One offer, on its way into a group. */
struct facts {
    uint64_t vacancy_id;
    const struct held_offer *held; /* the whole offer; the index's */
    int64_t valid_until_ms;
    uint32_t point_e_metres, point_n_metres;
    uint32_t agency; /* the index's number of it */
#define FACT_FIELD(name) uint16_t name;
    FACT_COLUMNS(FACT_FIELD)
#undef FACT_FIELD
    struct box box;
};

/* LANES offers, column by column; what few searches look at is at the end. */
struct fact_group {
#define FACT_LANES(name) lanes name;
    FACT_COLUMNS(FACT_LANES)
#undef FACT_LANES
    int64_t valid_until_ms[LANES];
    uint32_t agency[LANES];
    uint32_t point_e_metres[LANES], point_n_metres[LANES];
    struct box box[LANES];
    uint64_t vacancy_id[LANES];
    const struct held_offer *held[LANES];
};

/* Everything but `held` and `agency`. */
void facts_of_offer(const struct offer *offer, const struct box *box, struct facts *out);
void facts_put(struct fact_group *group, uint32_t lane, const struct facts *facts);
void facts_move(struct fact_group *to, uint32_t to_lane, const struct fact_group *from, uint32_t from_lane);

/* A request in the form that the rules want: what does not change from offer to offer, in every lane. Borrows the
 * criteria. */
struct asked {
    const struct criteria *criteria;
    uint64_t too_far_squared; /* square of the first whole metre beyond `within`; UINT64_MAX: anywhere */
    uint32_t lifted;          /* rules that the request's overrides lift */
    bool together, alone;
    lanes day, care_type, home_features, risks, no_pets;
    lanes count, youngest_months, oldest_months, over_three, sexes;
    lanes staying_put, specialist, solo, with_others, only_older, only_younger; /* masks */
};
void asked_prepare(const struct criteria *criteria, struct asked *out);

/* Sets of enum rule, bit n for rule n, for each lane. `overridden`: failed, but the request allows that; read only
 * where nothing failed. */
struct verdict {
    lanes failed, overridden, children_taken;
};
/* agency_active: a mask. */
void rules_judge(const struct fact_group *group, lanes agency_active, const struct asked *asked,
                 const uint64_t distance_squared[LANES], struct verdict *out);

/* Confirmation has run out at as_of, or the hub has lapsed it. */
bool facts_unconfirmed(const struct fact_group *group, uint32_t lane, int64_t as_of_ms);

#endif
