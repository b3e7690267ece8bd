/*
 * match_order.h - the order of options: a named sequence of steps, compared one after the other. Private to
 * daemon/match.
 *
 * Owns: what each step finds of an offer (proto OrderStep and the S rules of proto Rule say what), for LANES offers at
 * a time; the key that compares as the steps do: a nibble for each step, the first at the top, lower is better. Then
 * come distance, vacancy id, region, national reference (match_search.c). Not here: words (match_reasons.h), finding
 * offers (match_search.h). Thread: any; pure functions. No counting, no weights (domain O4, design 4.11).
 */
#ifndef VACANCY_MATCH_MATCH_ORDER_H
#define VACANCY_MATCH_MATCH_ORDER_H

#include "daemon/match/match_rules.h"

/* Distance bands in metres: 5, 10, 20 and 50 miles. Beyond the last is the fifth. */
#define DISTANCE_BANDS 5
extern const uint32_t distance_band_below_metres[DISTANCE_BANDS - 1];

/* A request's order in the form that the lanes want. Borrows the criteria, the gazetteer and the agencies. */
struct order;
struct agency_list;

#endif
