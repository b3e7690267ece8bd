/*
 * match.h - what "suitable" means, and the index that finds the nearest suitable.
 *
 * Owns: the MUST rules H1 to H14 and the SHOULDs S1 to S15 of the domain (match_rules.c, match_order.c), reasons, and
 * immutable published versions of all offers with what a card shows, fed by register's commit observer. Fed only from
 * offers and agencies, at home and elsewhere, so there is one index. Not here: requests and answers on the wire, the
 * audit (service, access). Thread: the observer runs on the home's and the replica's writer's threads, takes a lock for
 * the time of building a version, and publishes; searches run on any worker and never block. Invariant: a search sees
 * exactly one version, whole; the same positions, gazetteer, criteria and as_of give the same answer, at whichever hub
 * and in whatever order the commits came: by integer arithmetic, ties by vacancy id, then region, then national
 * reference. A region's commit changes nothing of another region.
 */
#ifndef VACANCY_MATCH_MATCH_H
#define VACANCY_MATCH_MATCH_H

#include "daemon/gazetteer/gazetteer.h"
#include "daemon/record/offer.h"
#include "daemon/register/home.h"

/* The numbers are those of proto Rule. */
enum rule {
    RULE_NONE,
    RULE_H1,
    RULE_H2,
    RULE_H3,
    RULE_H4,
    RULE_H5,
    RULE_H6,
    RULE_H7,
    RULE_H8,
    RULE_H9,
    RULE_H10,
    RULE_H11,
    RULE_H12,
    RULE_H13,
    RULE_H14,
    RULE_DISTANCE,
    RULE_S5,
    RULE_S7,
    RULE_S1,
    RULE_S2,
    RULE_S3,
    RULE_S4,
    RULE_S6,
    RULE_S8,
    RULE_S9,
    RULE_S10,
    RULE_S11,
    RULE_S12,
    RULE_S13,
    RULE_S14_TIER,
    RULE_S15,
    RULE_S14_RATING,
    RULE_END
};

/* Bits of criteria.overrides; the numbers are those of proto Override. */
enum override {
    OVERRIDE_NONE,
    OVERRIDE_OUTSIDE_TERMS,
    OVERRIDE_EXEMPTION,
    OVERRIDE_SHARED_BEDROOM,
    OVERRIDE_UNCONFIRMED,
    OVERRIDE_RISK,
    OVERRIDE_END
};

/* Steps of an order of options; the numbers are those of proto OrderStep, which says what each compares. */
enum order_step {
    STEP_NONE,
    STEP_WITHIN_RULES,
    STEP_DISTANCE_BAND,
    STEP_SCHOOL_KEY_STAGE_4,
    STEP_SCHOOL,
    STEP_AREA,
    STEP_NEAR_SIBLINGS,
    STEP_LANGUAGE,
    STEP_SKILLS,
    STEP_LENGTH,
    STEP_IMPACT,
    STEP_FRESH,
    STEP_ON_CALL,
    STEP_WISHES,
    STEP_SCARCE,
    STEP_TIER,
    STEP_RATING,
    STEP_APPROVED_TODAY,
    STEP_CHILDREN_TAKEN,
    STEP_END
};

enum grouping { GROUPING_UNSTATED, GROUPING_TOGETHER, GROUPING_SPLIT };
/* RULE_FAILED: a MUST, and only where one vacancy is explained. */
enum rule_outcome { RULE_OUTCOME_NONE, RULE_MET, RULE_NOT_MET, RULE_NOT_KNOWN, RULE_OVERRIDDEN, RULE_FAILED };

#define AVOIDED_MAX          8
#define WANTED_LANGUAGES_MAX 4
#define OPTIONS_MAX          100
#define REASON_TEXT_BYTES    320
#define PLACES_WANTED_MAX    4 /* schools; siblings elsewhere; important places: of each */
#define ORDER_STEPS_MAX      (STEP_END - 1)
#define RELAXATIONS_MAX      8
#define RELAXED_TOGETHER_MAX 2
#define SPLITS_MAX           3
#define SPLIT_HOMES_MAX      3

struct child_sought {
    uint32_t age_months;
    uint8_t sex;
};

/*
 * H10: the circle of radius_metres + reach_metres round the point, so that of an area (a sector, an outcode) it holds
 * all that lies within radius_metres of any of its postcodes.
 */
struct avoided {
    uint32_t e_metres, n_metres, radius_metres;
    uint32_t reach_metres;          /* from an area's middle to its farthest postcode; 0: a postcode's own point */
    char area[POSTCODE_TEXT_BYTES]; /* "LS6", "LS6 1", for the reason; empty: a postcode's own point */
};

struct point_wanted {
    uint32_t e_metres, n_metres;
};

/* A search, resolved: no postcodes, no strings from outside but language tags, a framework's id and the areas to avoid.
 */
struct criteria {
    uint32_t near_e_metres, near_n_metres;
    uint32_t child_count;
    struct child_sought children[CHILDREN_MAX]; /* siblings of each other */
    enum care_type care_type;
    date_days starts_on;
    enum grouping grouping;
    enum alongside alongside;
    uint32_t home_features, risks, no_pets, skills; /* masks */
    uint32_t avoided_count, language_count;
    struct avoided avoided[AVOIDED_MAX];
    char languages[WANTED_LANGUAGES_MAX][LANGUAGE_TAG_BYTES];
    uint32_t within_metres; /* 0: anywhere */
    uint32_t limit;         /* 1 to OPTIONS_MAX */
    uint32_t overrides;     /* mask of enum override; UNCONFIRMED asks for answer.phone_first as well */
    int64_t as_of_ms;
    char authority[GSS_BYTES];       /* the responsible authority's, for S3; "": nothing is in area */
    bool pets_must;                  /* H12: an animal must live there */
    bool culture_asked;              /* S6 */
    bool long_term_plan;             /* S8 is asked: care type LONG_TERM, or U4 */
    bool on_call_asked;              /* S11 */
    bool rating_asked;               /* S14 */
    bool key_stage_4;                /* a child is 14 or 15 */
    char framework[AGENCY_ID_BYTES]; /* S14; "": not asked */
    uint32_t framework_tier;         /* worst that is met; 0: any */
    uint32_t school_count, sibling_place_count, important_count;
    struct point_wanted schools[PLACES_WANTED_MAX], sibling_places[PLACES_WANTED_MAX], important[PLACES_WANTED_MAX];
    uint32_t step_count;            /* 0: distance alone */
    uint8_t steps[ORDER_STEPS_MAX]; /* enum order_step, each at most once */
    bool unexplained;               /* a short answer is not explained: answer.explained is never set */
    uint32_t split_into;            /* 2 or 3: answer.splits, when nobody takes all together; else none is sought */
};

/* The built-in orders, in proto's words "default" and "nearest": fills steps and step_count. False: there is no such.
 */
bool criteria_order(struct criteria *criteria, const char *name);

struct reason {
    enum rule rule;
    enum rule_outcome outcome;
    const char *asked, *found; /* in the answer's arena, shorter than REASON_TEXT_BYTES */
};

struct option {
    char region[GSS_BYTES]; /* whose register it is in */
    struct offer offer;     /* a copy: lives in the answer's arena */
    struct agency agency;
    uint64_t national_reference; /* for the audit; never shown */
    uint32_t distance_metres, children_taken;
    bool unconfirmed;
    bool withheld; /* its card is not to be shown: only where one vacancy is explained, see there */
    uint32_t reason_count;
    struct reason *reasons; /* in the answer's arena, in the order H1 to H14, distance, S1 to S15 */
};

struct rule_count {
    uint32_t failed, failed_alone;
};

/* How far the version that was searched had come in a region's log. */
struct region_position {
    char region[GSS_BYTES];
    uint64_t epoch, sequence;
};

/* Rules which, relaxed together, would give `count` more options, or offers to phone first; see proto Relaxation. */
struct relaxation {
    enum rule rules[RELAXED_TOGETHER_MAX]; /* ascending; RULE_NONE: only one */
    uint32_t count, nearest_metres;
};

/* Siblings in two or three homes; see proto Split. */
struct split {
    uint32_t part_count, between_metres, from_home_metres;
    struct split_part {
        struct option *option; /* in the arena */
        uint32_t children;     /* mask of places in criteria.children */
    } parts[SPLIT_HOMES_MAX];
};

struct answer {
    struct option *options; /* in the arena; in the order asked for */
    uint32_t option_count;
    struct option *phone_first; /* suitable but for their confirmation; likewise */
    uint32_t phone_first_count;
    /* Fewer options than the limit: removed, considered and relaxations are filled in. An offer counts as removed by H2
     * when it is not vacant on the day or its confirmation has run out, whether that was overridden or not. */
    bool explained;
    struct rule_count removed[RULE_END];
    uint32_t considered;
    struct relaxation relaxations[RELAXATIONS_MAX]; /* see proto FindVacanciesResponse.relaxations for their order */
    uint32_t relaxation_count;
    struct split splits[SPLITS_MAX];
    uint32_t split_count;
    struct region_position *positions; /* in the arena; of home, and of all that have committed anything, by code */
    uint32_t position_count;
    /* Square of metres: no offer as far as this, or farther, could have come into the lists as they are, whatever it
     * were; UINT64_MAX: any could. For standing searches (match_watch.h). */
    uint64_t reach_squared;
};

struct match;
struct match_version;

/* `gazetteer` is borrowed: which box holds all homes of a cell (H10), names of authorities. NULL (tests): a cell's box
 * is its square, and that of a whole authority is everywhere. home_region: whose records can always be read; one of
 * another region that can't is passed over, and said once. */
struct match *match_create(const struct gazetteer *gazetteer, const char *home_region);
void match_destroy(struct match *match); /* no reader may be left */
/* The observer to give to home_observe and replica_observe. A commit with `more` stays unpublished, and its thread
 * keeps the other writer waiting, until the last part has come from the same thread. */
struct commit_observer match_observer(struct match *match);

/* Searches that may be unfinished at one time, and so pin what they need. */
#define MATCH_SEARCHES_MAX 4096

/*
 * Finds the nearest suitable vacancies. Everything in *answer lives in `arena`. ERR_LIMIT when the arena is too small;
 * ERR_UNAVAILABLE when MATCH_SEARCHES_MAX are unfinished.
 * work: the search stops after about work_budget offers tested and leaves its place in *resume (NULL resume: runs
 * through); call again with the same arguments until *resume is NULL: the criteria are borrowed until then.
 * match_search_abandon frees an unfinished one.
 */
struct match_search;
enum err match_find(struct match *match, const struct criteria *criteria, uint32_t work_budget, struct arena *arena,
                    struct answer *answer, struct match_search **resume) __attribute__((warn_unused_result));
void match_search_abandon(struct match_search *search);

/*
 * "Why not this one": how the live vacancy of this id comes out. Each region that has one such (two can, by chance or
 * not): the first by region code. *found false: no hub that this one follows has it. *option holds every MUST and
 * SHOULD asked for, failed ones as RULE_FAILED. If it fails H1 (its approval is not in force, or its agency is
 * suspended or not known: which of these must never be told), or is reserved, placed or not available, option->withheld
 * is set, and the reasons are exactly the failed ones among H1 and H2, in words that tell no more of the home: all else
 * would describe what no search may show. *ahead, when *suitable, the options that come before it in the order asked
 * for. Work, resuming, errors as match_find; limit, unexplained and split_into are not looked at.
 */
struct explanation {
    bool found, suitable;
    struct option option;
    uint32_t ahead;
    struct region_position *positions; /* in the arena */
    uint32_t position_count;
};
struct match_explaining;
enum err match_explain(struct match *match, const struct criteria *criteria, uint64_t vacancy_id, uint32_t work_budget,
                       struct arena *arena, struct explanation *out, struct match_explaining **resume)
    __attribute__((warn_unused_result));
void match_explain_abandon(struct match_explaining *explaining);

/*
 * Whose live vacancy has this id: its region (of two, the first by code, as for match_explain), and its agency, zeroed
 * where nothing is known of it. Looks through all ids there are, a number of each: about a millisecond for a million.
 * ERR_NOT_FOUND: no hub that this one follows has it. ERR_UNAVAILABLE: MATCH_SEARCHES_MAX are unfinished. Any thread.
 */
enum err match_where(struct match *match, uint64_t vacancy_id, char region[GSS_BYTES], struct agency *agency)
    __attribute__((warn_unused_result));

/* How many offers the current version holds, and memory it uses. */
void match_stats(struct match *match, uint64_t *offers, uint64_t *bytes);

#endif
