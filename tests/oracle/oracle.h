/*
 * oracle.h - what "suitable" means, and which comes first, a second time: from domain.md and the words of
 * placement_service.proto over what agencies state, and a placement team asks.
 *
 * Owns: its own structs and code lists, its own arithmetic of dates and places, its own reading of the tables of
 * England (places.c). It includes nothing of the daemon's, so that a mistake in a header there can't be made here too.
 * driver.c feeds the same facts to both sides. Dates are text "YYYY-MM-DD", which compares as the days do; "" is not
 * given. Points and distances are whole metres of the national grid.
 */
#ifndef VACANCY_TESTS_ORACLE_H
#define VACANCY_TESTS_ORACLE_H

#include <stdbool.h>
#include <stddef.h>

typedef unsigned long long u64;

/* Rules H1 to H14 are 1 to 14, as in domain.md 5.1; the others have the contract's numbers. */
enum { WITHIN = 15, S5, S7, S1, S2, S3, S4, S6, S8, S9, S10, S11, S12, S13, S14_TIER, S15, S14_RATING, RULES };

/* Steps of an order, in the contract's numbers. */
enum {
    BY_WITHIN_RULES = 1,
    BY_BAND,
    BY_SCHOOL_KS4,
    BY_SCHOOL,
    BY_AREA,
    BY_SIBLINGS,
    BY_LANGUAGE,
    BY_SKILLS,
    BY_LENGTH,
    BY_IMPACT,
    BY_FRESH,
    BY_ON_CALL,
    BY_WISHES,
    BY_SCARCE,
    BY_TIER,
    BY_RATING,
    BY_APPROVED_TODAY,
    BY_CHILDREN_TAKEN,
    STEPS
};

/* domain.md 2.6, in the contract's order. */
enum {
    EMERGENCY = 1,
    SHORT_TERM,
    LONG_TERM,
    SHORT_BREAKS,
    RESPITE,
    PARENT_CHILD,
    REMAND,
    UASC,
    FFA,
    THERAPEUTIC,
    DISABLED,
    BRIDGING,
    STAYING_PUT,
    CARE_TYPES
};
enum { LIFT_TERMS = 1, LIFT_EXEMPTION, LIFT_BEDROOM, LIFT_UNCONFIRMED, LIFT_RISK, LIFTS };
enum { SHARE_UNSTATED, SHARE_NONE, SHARE_SIBLINGS, SHARE_AGREED };
enum { BESIDE_UNSTATED, BESIDE_ANY, BESIDE_NOBODY, BESIDE_SOMEBODY, BESIDE_OLDER, BESIDE_YOUNGER };
enum { MET = 1, NOT_MET, NOT_KNOWN };
enum { IN_AREA, ADJOINING, ACROSS_WATER, AT_A_DISTANCE };
enum { NO_RATING, OUTSTANDING, GOOD, REQUIRES_IMPROVEMENT, INADEQUATE, RATINGS };

#define FEATURES   10
#define PETS       7
#define RISKS      12
#define SKILLS     13
#define MANY       12
#define WANTED     4 /* places of a kind, languages */
#define FRAMEWORKS 3
#define GSS        10

struct agency_fact {
    char id[16];      /* unique in its region */
    int region, rank; /* rank: of its region's code among all */
    bool known, suspended;
    int rating, tiers[FRAMEWORKS]; /* a tier of 0: not on that framework */
};

struct child_fact {
    int years_from, years_below; /* whole band */
    char sex;                    /* M F U */
    int sibling_group;
    bool placed;
};

struct home_fact {
    u64 reference; /* unique in its region: that of its agency */
    /* carer */
    int agency;
    char approved_on[11], approval_ends_on[11];
    bool ended, named_child_only;
    int max_children, max_if_siblings; /* the second 0: as the first */
    int from_months, below_months;
    char sex; /* M F, - any */
    bool care[CARE_TYPES];
    int places, bedrooms, sharing;
    bool features[FEATURES], pets[PETS], cannot_take[RISKS], skills[SKILLS];
    int child_count, language_count;
    struct child_fact children[MANY];
    char languages[3][16];
    int authority; /* of places.c */
    int square_e_km, square_n_km, size_km;
    long west, south, east, north; /* where all homes of that cell lie */
    long point_e, point_n;
    /* vacancy */
    bool live;
    u64 vacancy;
    char state;             /* V vacant, R reserved, N not available */
    bool lapsed;            /* by the hub, for want of a confirmation */
    int reason, beds, held; /* held: by teams; never all that would be free */
    bool narrows_care, narrowed_care[CARE_TYPES];
    char from[11], until[11], reserved_until[11];
    int narrowed_from_months, narrowed_below_months; /* 0: as approved */
    char narrowed_sex;
    bool sibling_group_only, on_call;
    long long confirmed_ms, reported_ms; /* 0: since it was confirmed no team was told that it is not available */
};

struct asked_child {
    int months;
    char sex;
};

struct avoided_place {
    long e, n, radius, reach; /* reach: of an area, from its middle to its end */
};

struct point {
    long e, n;
};

struct question {
    long near_e, near_n, within; /* within 0: anywhere */
    int child_count, care, beside, avoided_count, language_count, limit;
    struct asked_child children[MANY];
    char starts_on[11], today[11];
    bool split, lifts[LIFTS];
    bool features[FEATURES], risks[RISKS], no_pets[PETS], skills[SKILLS], a_pet;
    struct avoided_place avoided[3];
    char languages[2][16];
    long long as_of_ms;
    int authority; /* who asks; -1: nowhere is in their area */
    int school_count, sibling_count, important_count;
    struct point schools[WANTED], siblings[WANTED], important[WANTED];
    bool culture, long_term, on_call, rating;
    int framework, worst_tier; /* framework -1: none; worst_tier 0: any */
    char order;                /* d default, n nearest, o own */
    int step_count, steps[STEPS];
    bool never_explained;
    int split_into;
};

struct opinion {
    bool offered;                   /* an option, or something to be removed with a reason */
    unsigned asked, failed, lifted; /* bit n for MUST rule n */
    bool suits, phone;              /* an option; one but for its confirmation, which the request overrides */
    bool withheld;                  /* not on offer to anybody: of it is said only which of H1 and H2 it fails */
    bool no_bed, not_vacant;        /* H4 failed for want of a bed, not by the terms' number; H2, whatever is said */
    int taken;
    long distance;
    bool unconfirmed;
    /* Only of oracle_prefer. */
    int should[RULES]; /* MET, NOT_MET, NOT_KNOWN, 0 not reported */
    int key[STEPS];    /* of each step: lower comes first */
};

/* The MUSTs. */
void oracle_judge(const struct home_fact *home, const struct agency_fact *agency, const struct question *question,
                  struct opinion *out);
/* Adds the SHOULDs and the steps. */
void oracle_prefer(const struct home_fact *home, const struct agency_fact *agency, const struct question *question,
                   struct opinion *opinion);
/* Which step decides between two, or 0: they tie by all. *difference < 0: a first. */
int oracle_step_between(const struct question *question, const struct opinion *a, const struct opinion *b,
                        int *difference);
/* All of the order: steps, distance, vacancy, region, reference. */
struct found {
    const struct home_fact *home;
    const struct agency_fact *agency;
    struct opinion opinion;
};
bool oracle_before(const struct question *question, const struct found *a, const struct found *b);
/* By distance, vacancy, region, reference alone. */
bool oracle_nearer(const struct found *a, const struct found *b);
/* 0 to 4. */
int oracle_band(long metres);
long oracle_distance(long e1, long n1, long e2, long n2);

/* --- siblings.c: a group in two or three homes ----------------------------------------------------------------- */

#define PARTS_MOST   3
#define SPLITS_SHOWN 3

struct split_found {
    int parts;
    long between, from_home;
    struct found homes[PARTS_MOST]; /* the largest part's first, then as they are near */
    unsigned children[PARTS_MOST];  /* bit n for child n */
};
/* The same question for some of the children alone. */
void oracle_part(const struct question *question, unsigned children, struct question *out);
/* How many of out[], best first. */
int oracle_splits(const struct home_fact *homes, int home_count, const struct agency_fact *agencies,
                  const struct question *question, struct split_found out[SPLITS_SHOWN]);

/* --- places.c: what the tables of England say ------------------------------------------------------------------ */

struct authority_fact {
    char code[GSS];
    long west, south, east, north;
    int first_cell, cell_count;
};
struct cell_fact {
    int authority, size_km, square_e_km, square_n_km;
    long point_e, point_n;
    bool takes_rest; /* of homes in no other cell, so in all the authority */
};
/* From daemon/gazetteer/data under the current folder. Ends the program when it can't be read. */
void places_load(void);
int places_authority_count(void);
const struct authority_fact *places_authority(int at);
int places_named(const char *code); /* -1: none */
const struct cell_fact *places_cell(int at);
/* How the home's authority stands to the asking one's (Care Planning Regs 2010 reg 11). */
int places_relation(int asking, int home);
/* Where the homes of the cell that home->authority, square and size name may lie. */
void places_extent(struct home_fact *home);

/* --- generate.c: facts and questions from a seed --------------------------------------------------------------- */

struct chance {
    u64 state;
};
u64 chance_next(struct chance *chance);
/* 0 to below - 1. */
int chance_below(struct chance *chance, int below);
bool chance_percent(struct chance *chance, int percent);

#define LOCAL_AUTHORITIES 6

/* Where a register lies; small ones give ties and shared cells. */
struct country {
    long west, south, width;
    int regions, agencies;
    bool on_a_grid;                     /* all points are whole kilometres: many are as far as others */
    bool easy;                          /* small homes that nearly everybody suits */
    int authorities[LOCAL_AUTHORITIES]; /* whose homes there are; the first asks most often */
};
void generate_country(struct chance *chance, struct country *out);
void generate_agency(struct chance *chance, struct agency_fact *agency);
void generate_home(struct chance *chance, const struct country *country, u64 reference, struct home_fact *out);
/* A new vacancy of a home, or its end. */
void generate_vacancy(struct chance *chance, struct home_fact *home);
/* The homes: some questions are so aimed that one of them lies right at a limit. */
void generate_question(struct chance *chance, const struct country *country, const struct home_fact *homes,
                       int home_count, struct question *out);
/* Asks for less, so that nothing that suited may be lost. */
void generate_relaxed(struct chance *chance, const struct question *question, struct question *out);

#endif
