/*
 * match.h - what "suitable" means, and the index that finds the nearest suitable.
 *
 * Owns: the MUST rules H1 to H14 of the domain (who: match_rules.c), reasons, and immutable published versions of all
 * offers with what a card shows, fed by register's commit observer. Fed only from offers and agencies, at home and
 * elsewhere, so there is one index.
 * Not here: requests and answers on the wire, the audit (service, access).
 * Thread: the observer runs on the home's and the replica's writer's threads, takes a lock for the time of building a
 * version, and publishes; searches run on any worker and never block.
 * Invariant: a search sees exactly one version, whole; the same positions, gazetteer, criteria and as_of give the same
 * answer, at whichever hub and in whatever order the commits came: by integer arithmetic, ties by vacancy id, then
 * region, then national reference. A region's commit changes nothing of another region.
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

enum grouping { GROUPING_UNSTATED, GROUPING_TOGETHER, GROUPING_SPLIT };
enum rule_outcome { RULE_OUTCOME_NONE, RULE_MET, RULE_NOT_MET, RULE_NOT_KNOWN, RULE_OVERRIDDEN };

#define AVOIDED_MAX          8
#define WANTED_LANGUAGES_MAX 4
#define OPTIONS_MAX          100
#define REASON_TEXT_BYTES    120

struct child_sought {
    uint32_t age_months;
    uint8_t sex;
};

struct avoided {
    uint32_t e_metres, n_metres, radius_metres;
};

/* A search, resolved: no postcodes, no strings from outside but language tags. */
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
    uint32_t overrides;     /* mask of enum override */
    int64_t as_of_ms;
};

struct reason {
    enum rule rule;
    enum rule_outcome outcome;
    char asked[REASON_TEXT_BYTES], found[REASON_TEXT_BYTES];
};

struct option {
    char region[GSS_BYTES]; /* whose register it is in */
    struct offer offer;     /* a copy: lives in the answer's arena */
    struct agency agency;
    uint64_t national_reference; /* for the audit; never shown */
    uint32_t distance_metres, children_taken;
    bool unconfirmed;
    uint32_t reason_count;
    struct reason reasons[RULE_END];
};

struct rule_count {
    uint32_t failed, failed_alone;
};

/* How far the version that was searched had come in a region's log. */
struct region_position {
    char region[GSS_BYTES];
    uint64_t epoch, sequence;
};

struct answer {
    struct option *options; /* in the arena */
    uint32_t option_count;
    bool explained; /* fewer options than the limit: removed and considered are filled in */
    struct rule_count removed[RULE_END];
    uint32_t considered;
    struct region_position *positions; /* in the arena; of home, and of all that have committed anything, by code */
    uint32_t position_count;
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
 * through); call again with the same arguments until *resume is NULL. match_search_abandon frees an unfinished one.
 */
struct match_search;
enum err match_find(struct match *match, const struct criteria *criteria, uint32_t work_budget, struct arena *arena,
                    struct answer *answer, struct match_search **resume) __attribute__((warn_unused_result));
void match_search_abandon(struct match_search *search);

/* How many offers the current version holds, and memory it uses. */
void match_stats(struct match *match, uint64_t *offers, uint64_t *bytes);

#endif
