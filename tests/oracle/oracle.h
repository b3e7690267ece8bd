/*
 * oracle.h - what "suitable" means, a second time: from domain.md over what agencies state, and a placement team asks.
 *
 * Owns: its own structs and code lists, its own arithmetic of dates and places. It includes nothing of the daemon's, so
 * that a mistake in a header there can't be made here too. driver.c feeds the same facts to both sides.
 * Dates are text "YYYY-MM-DD", which compares as the days do; "" is not given.
 */
#ifndef VACANCY_TESTS_ORACLE_H
#define VACANCY_TESTS_ORACLE_H

#include <stdbool.h>
#include <stddef.h>

typedef unsigned long long u64;

/* Rules H1 to H14 are 1 to 14, as in domain.md 5.1. */
enum { WITHIN = 15, S5 = 16, S7 = 17, RULES = 18 };

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

#define FEATURES 10
#define PETS     7
#define RISKS    12
#define SKILLS   13
#define MANY     12

struct agency_fact {
    char id[16]; /* unique in its region */
    int region;
    bool known, suspended;
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
    int square_e_km, square_n_km, size_km;
    long point_e, point_n;
    /* vacancy */
    bool live;
    u64 vacancy;
    char state;  /* V vacant, R reserved, N not available */
    bool lapsed; /* by the hub, for want of a confirmation */
    int reason, beds;
    bool narrows_care, narrowed_care[CARE_TYPES];
    char from[11], until[11], reserved_until[11];
    int narrowed_from_months, narrowed_below_months; /* 0: as approved */
    char narrowed_sex;
    bool sibling_group_only;
    long long confirmed_ms;
};

struct asked_child {
    int months;
    char sex;
};

struct avoided_place {
    long e, n, radius;
};

struct question {
    long near_e, near_n, within; /* within 0: anywhere */
    int child_count, care, beside, avoided_count, language_count, limit;
    struct asked_child children[MANY];
    char starts_on[11];
    bool split, lifts[LIFTS];
    bool features[FEATURES], risks[RISKS], no_pets[PETS], skills[SKILLS];
    struct avoided_place avoided[3];
    char languages[2][16];
    long long as_of_ms;
};

struct opinion {
    bool offered;            /* an option, or something to be removed with a reason */
    unsigned failed, lifted; /* bit n for rule n */
    int taken, language, skill;
    long distance;
    bool unconfirmed;
};

void oracle_judge(const struct home_fact *home, const struct agency_fact *agency, const struct question *question,
                  struct opinion *out);

/* --- generate.c: facts and questions from a seed --------------------------------------------------------------- */

struct chance {
    u64 state;
};
u64 chance_next(struct chance *chance);
/* 0 to below - 1. */
int chance_below(struct chance *chance, int below);
bool chance_percent(struct chance *chance, int percent);

/* Where a register lies; small ones give ties and shared cells. */
struct country {
    long west, south, width;
    int regions, agencies;
};
void generate_country(struct chance *chance, struct country *out);
void generate_home(struct chance *chance, const struct country *country, u64 reference, struct home_fact *out);
/* A new vacancy of a home, or its end. */
void generate_vacancy(struct chance *chance, struct home_fact *home);
void generate_question(struct chance *chance, const struct country *country, struct question *out);

#endif
