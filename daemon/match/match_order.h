/*
 * match_order.h - the order of options: a named sequence of steps, compared one after the other. Private to
 * daemon/match.
 *
 * Owns: what each step finds of an offer (proto OrderStep and the S rules of proto Rule say what), for LANES offers at
 * a time; the key that compares as the steps do: a field for each step, wide enough for what it knows, the first at the
 * top; lower is better. Then come distance, vacancy id, region, national reference (match_search.h). The built-in
 * orders. Not here: words (match_reasons.h), finding offers (match_search.h). Thread: any; an order belongs to its
 * caller. Invariant: two keys of one order compare as the steps say, and nothing is added up: no counting, no weights
 * (domain O4, design 4.11).
 */
#ifndef VACANCY_MATCH_MATCH_ORDER_H
#define VACANCY_MATCH_MATCH_ORDER_H

#include "daemon/match/match_rules.h"

/* Distance bands in metres: under 5, 10, 20 and 50 miles. Beyond the last is the fifth. */
#define DISTANCE_BANDS 5
extern const uint32_t distance_band_below_metres[DISTANCE_BANDS - 1];
uint32_t distance_band(uint32_t metres); /* 0 to DISTANCE_BANDS - 1 */

/* S13 (proto Rule): what is scarce and not needed for what is asked, masks. */
struct scarce {
    uint32_t home_features, skills, care_types;
};
void scarce_unneeded(const struct criteria *criteria, struct scarce *out);
#define SCARCE_BEDS 3 /* for a single child */

/* Within so many metres: 20 miles from home (S1); 10 from a school, a sibling, an important place (S2, S4, S12). */
#define NEAR_HOME_METRES 32187u
#define NEARBY_METRES    16093u
#define FRESH_MS         (48LL * 3600 * 1000) /* S10 */

/* The agency's best tier on a framework, 1 to 99; TIER_NONE: it isn't on it. */
#define TIER_NONE 127u
uint32_t agency_tier(const struct agency *agency, const char *framework);

/* S3: how a home's authority stands to the asking one. A code without a number is at a distance from all; without a
 * gazetteer so is every other than the asking one. */
enum authority_relation relation_between(const struct gazetteer *gazetteer, const char *asking, const char *home);

/* S9: of which band a child is; AGE_BAND_END: 18 or over. */
uint32_t age_band_of(uint32_t months);

struct agency_list;

/* A request's order in the form that the lanes want. Borrows the criteria, the gazetteer and the agencies: make it anew
 * when one of them is another one. */
struct order {
    const struct criteria *criteria;
    const struct gazetteer *gazetteer; /* NULL: every authority but the asking one is at a distance */
    const struct agency_list *agencies;
    uint32_t step_count; /* those that can tell one offer from another in this request; 0: distance alone */
    struct {
        uint8_t step, bits, shift; /* its field in a key */
    } steps[ORDER_STEPS_MAX];
    uint8_t language_classes[WANTED_LANGUAGES_MAX];
    struct scarce unneeded;
    uint8_t relations[AUTHORITY_NUMBERS]; /* 1 + enum authority_relation of a home there; 0: not yet looked up */
};

void order_prepare(const struct criteria *criteria, const struct gazetteer *gazetteer,
                   const struct agency_list *agencies, struct order *out);

/* No offer at this distance, squared, or a greater one has a lower key. Never falls with the distance. */
uint64_t order_bound(const struct order *order, uint64_t nearest_squared);

/*
 * Those of the `wanted` offers whose key is at most `worst` (UINT64_MAX: all of them), and their keys; those of other
 * lanes are left alone. `verdict` is that of the same group, for STEP_WITHIN_RULES.
 */
lanes order_keys(struct order *order, const struct fact_group *group, const struct verdict *verdict, lanes wanted,
                 uint64_t worst, uint64_t keys[LANES]);

/* Before they are judged by any rule: those whose key may be at most `worst`, which is all that order_keys would leave
 * and some more. */
lanes order_glance(struct order *order, const struct fact_group *group, lanes wanted, uint64_t worst);

#endif
