/*
 * match_rules.h - what "suitable" means: offers against one request, as two sets of rules each. Private to
 * daemon/match.
 *
 * Owns: the facts of an offer that the rules look at, packed so that a scan touches nothing else; the request as the
 * rules want it; the judgement, of LANES offers at a time: a search that finds little judges every offer there is, so
 * each fact is kept as bit planes: one word holds one bit of it for LANES offers. A rule is then a few ands and ors on
 * words, with no branch, and answers for all of them at once.
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

/* A set of some of LANES offers, one bit for each. */
#define LANES 64
typedef uint64_t lanes;

/* A number of each offer, up to NUMBER_MOST: bit 0 of all of them, bit 1 of all of them... */
#define NUMBER_BITS 4
#define NUMBER_MOST ((1u << NUMBER_BITS) - 1) /* as a cap: none */
struct number {
    lanes bit[NUMBER_BITS];
};

static inline uint32_t number_of_lane(const struct number *number, uint32_t lane)
{
    uint32_t value = 0;
    for (uint32_t i = 0; i < NUMBER_BITS; i++)
        value |= (uint32_t)(number->bit[i] >> lane & 1) << i;
    return value;
}

/*
 * What the rules look at: X(name, how many bits). Of a mask, plane n is code n. Numbers are cut to the most that fits;
 * what is asked for lies below that (CHILDREN_MAX, AGE_ASKED_MOST), so what is cut compares as it would uncut, and "no
 * cap" is the most.
 */
#define FACT_COLUMNS(X)                                                                                                \
    X(vacant, 1) /* vacant, or was until it lapsed */                                                                  \
    X(lapsed, 1)                                                                                                       \
    X(sibling_group_only, 1)                                                                                           \
    X(sexes, SEX_U + 1)                                                                                                \
    X(beds_free, NUMBER_BITS)                                                                                          \
    X(terms_cap, NUMBER_BITS)   /* how many more children the terms allow */                                           \
    X(limit_cap, NUMBER_BITS)   /* how many more before an exemption is needed */                                      \
    X(bedroom_cap, NUMBER_BITS) /* how many children over 3 find a bedroom */                                          \
    X(age_from_months, AGE_BITS)                                                                                       \
    X(age_below_months, AGE_BITS)                                                                                      \
    X(bands_at_home, AGE_BAND_END) /* age bands of the children at home, placed or not; AGE_NONE: a bed is held */     \
    X(care_types, CARE_TYPE_END)                                                                                       \
    X(approved_care_types, CARE_TYPE_END)                                                                              \
    X(home_features, HOME_FEATURE_END)                                                                                 \
    X(pets, PET_END)                                                                                                   \
    X(cannot_take, RISK_END)

#define BANDS_KNOWN ((1u << AGE_BAND_END) - 1 - (1u << AGE_NONE)) /* of children who are at home already */

/*
 * What only the order of options looks at (match_order.h), likewise, of up to 32 bits. Home features, care types, beds
 * and age bands, which it looks at too, are above.
 */
#define SHOULD_COLUMNS(X)                                                                                              \
    X(on_call, 1)                                                                                                      \
    X(many_at_home, 1)               /* more than IMPACT_CHILDREN_MAX children, placed or not */                       \
    X(skills, SKILL_END)             /* code 0: states none */                                                         \
    X(confirmed_hour, HOUR_BITS)     /* since 1970, begun: confirmed_at_ms is looked at for those of one hour */       \
    X(languages, LANGUAGE_CLASS_END) /* language_class of each; class 0: states none */

#define HOUR_BITS 20 /* until 2089; from then on all are of one hour */
#define HOUR_MS   (3600 * 1000LL)
static inline uint32_t hour_of(int64_t moment_ms)
{
    int64_t hour = moment_ms > 0 ? moment_ms / HOUR_MS : 0, last = (1 << HOUR_BITS) - 2;
    return (uint32_t)(hour < last ? hour : last);
}

#define IMPACT_CHILDREN_MAX 2 /* S9 (proto Rule) */
/* Tags are many: the usual ones (domain.md 2.8) have a class each; a home whose classes have that of another tag may
 * speak it, and its offer is then looked into. */
#define LANGUAGE_CLASS_END     32
#define LANGUAGES_OF_OWN_CLASS 21u        /* the first classes */
uint32_t language_class(const char *tag); /* 1 to LANGUAGE_CLASS_END - 1 */

/*
 * Where the home is: a number for each code of an English authority with children's services, whichever edition of the
 * gazetteer knows it; 0 for any other.
 */
#define AUTHORITY_NUMBERS 1024
uint32_t authority_number(const char *gss);
void authority_of_number(uint32_t number, char gss[GSS_BYTES]); /* 0: "" */

/* Days since 1970, cut to 0 to UINT16_MAX, which is "no end". */
#define DAY_COLUMNS(X)                                                                                                 \
    X(approved_on)                                                                                                     \
    X(approval_ends_on)                                                                                                \
    X(from)                                                                                                            \
    X(until)

#define AGE_BITS       8
#define AGE_ASKED_MOST ((1u << AGE_BITS) - 2)
#define DAY_ASKED_MOST (UINT16_MAX - 1u)

/* One offer, on its way into a group. */
struct facts {
    uint64_t vacancy_id;
    const struct held_offer *held; /* the whole offer; the index's */
    int64_t valid_until_ms;
    uint32_t point_e_metres, point_n_metres;
    int64_t confirmed_at_ms;
    uint32_t agency; /* the index's number of it */
    uint16_t authority;
#define FACT_FIELD(name, bits)   uint16_t name;
#define SHOULD_FIELD(name, bits) uint32_t name;
#define DAY_FIELD(name)          uint16_t name;
    FACT_COLUMNS(FACT_FIELD)
    SHOULD_COLUMNS(SHOULD_FIELD)
    DAY_COLUMNS(DAY_FIELD)
#undef FACT_FIELD
#undef SHOULD_FIELD
#undef DAY_FIELD
    struct box box;
};

struct stretch {
    uint16_t first, last;
};

/* LANES offers; what few searches look at is at the end. */
struct fact_group {
    uint64_t made; /* the index's: the version it was made for */
    /* Of all its offers (facts_sum_up): as a rule these decide, and nobody looks at each one's. */
    int64_t first_valid_until_ms, first_confirmed_at_ms, last_confirmed_at_ms;
    uint32_t west_metres, east_metres, south_metres, north_metres;
    struct box box;
#define DAY_STRETCH(name) struct stretch all_##name;
    DAY_COLUMNS(DAY_STRETCH)
#undef DAY_STRETCH
    struct stretch all_authority;
#define FACT_PLANES(name, bits) lanes name[bits];
    FACT_COLUMNS(FACT_PLANES)
    SHOULD_COLUMNS(FACT_PLANES)
#undef FACT_PLANES
#define DAY_COLUMN(name) uint16_t name[LANES];
    DAY_COLUMNS(DAY_COLUMN)
#undef DAY_COLUMN
    uint32_t point_e_metres[LANES], point_n_metres[LANES];
    uint32_t agency[LANES];
    uint16_t authority[LANES];
    int64_t valid_until_ms[LANES], confirmed_at_ms[LANES];
    struct box boxes[LANES];
    uint64_t vacancy_id[LANES];
    const struct held_offer *held[LANES];
};

/* Everything but `held` and `agency`. */
void facts_of_offer(const struct offer *offer, const struct box *box, struct facts *out);
void facts_put(struct fact_group *group, uint32_t lane, const struct facts *facts);
void facts_move(struct fact_group *to, uint32_t to_lane, const struct fact_group *from, uint32_t from_lane);
/* To be called when a group of `count` offers has changed, before it is judged. */
void facts_sum_up(struct fact_group *group, uint32_t count);

/* A request in the form that the rules want. Borrows the criteria. */
struct asked {
    const struct criteria *criteria;
    uint64_t too_far_squared; /* square of the first whole metre beyond `within`; UINT64_MAX: anywhere */
    uint32_t lifted;          /* rules that the request's overrides lift */
    bool together, staying_put, specialist;
    uint32_t day, over_three, sexes, youngest_months, oldest_months;
};
void asked_prepare(const struct criteria *criteria, struct asked *out);

#define RULES_JUDGED (RULE_DISTANCE + 1) /* S5 and S7 exclude nobody */

/* For each rule the offers that failed it. `overridden`: failed, but the request allows that. */
struct verdict {
    lanes failed[RULES_JUDGED], overridden[RULES_JUDGED];
    lanes suitable; /* failed nothing */
    struct number children_taken;
};
/* used: the lanes that hold an offer; nothing else of the others is to be believed. */
void rules_judge(const struct fact_group *group, lanes used, lanes agency_active, const struct asked *asked,
                 struct verdict *out);

/* From a point to a stretch of metres: nothing when it lies within. */
static inline uint64_t gap_of(uint32_t point, uint32_t first, uint32_t last)
{
    return point < first ? first - point : point > last ? point - last : 0;
}

/* Square of the distance to the nearest place where one of the group's offers may lie. */
static inline uint64_t facts_nearest_squared(const struct fact_group *group, uint32_t e_metres, uint32_t n_metres)
{
    uint64_t east = gap_of(e_metres, group->west_metres, group->east_metres);
    uint64_t north = gap_of(n_metres, group->south_metres, group->north_metres);
    return east * east + north * north;
}

/* From a point to the farther end of a stretch. */
static inline uint64_t farthest_gap(uint32_t point, uint32_t first, uint32_t last)
{
    uint64_t to_first = gap_of(point, first, first), to_last = gap_of(point, last, last);
    return to_first > to_last ? to_first : to_last;
}

/* And to the farthest. */
static inline uint64_t facts_farthest_squared(const struct fact_group *group, uint32_t e_metres, uint32_t n_metres)
{
    uint64_t east = farthest_gap(e_metres, group->west_metres, group->east_metres);
    uint64_t north = farthest_gap(n_metres, group->south_metres, group->north_metres);
    return east * east + north * north;
}

static inline uint64_t facts_distance_squared(const struct fact_group *group, uint32_t lane, uint32_t e_metres,
                                              uint32_t n_metres)
{
    uint64_t east = gap_of(e_metres, group->point_e_metres[lane], group->point_e_metres[lane]);
    uint64_t north = gap_of(n_metres, group->point_n_metres[lane], group->point_n_metres[lane]);
    return east * east + north * north;
}

/* Confirmation has run out at as_of, or the hub has lapsed it. */
bool facts_unconfirmed(const struct fact_group *group, uint32_t lane, int64_t as_of_ms);

#endif
