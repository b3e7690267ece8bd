/*
 * match_combine.h - what the two files of match_siblings.h share: the parts of the children with their homes, and how
 * homes of several parts are put together to splits. Private to those files.
 *
 * match_siblings.c owns which parts are tried, and their homes; match_combine.c which homes fit together, and the best
 * splits. Thread: as match_siblings.h.
 */
#ifndef VACANCY_MATCH_MATCH_COMBINE_H
#define VACANCY_MATCH_MATCH_COMBINE_H

#include "daemon/match/match_siblings.h"

#include <assert.h>

/* How many of each kind: KIND_BITS each, of which the top one is always 0. */
typedef uint64_t bunch;
#define KIND_BITS 5
#define KIND_MOST 15u

/* What two homes cost that are looked at together, about 4 ns, in offers: told as if it were such. */
#define GLANCES_AN_OFFER 8

static_assert(CHILDREN_MAX * KIND_BITS <= 64 && CHILDREN_MAX <= KIND_MOST, "a bunch of twelve kinds");
static_assert(PART_HOMES_MAX <= 32, "a mask of a part's homes");
static_assert(RULES_JUDGED <= 16, "a mask of rules in part_home");

struct part_home {
    const struct fact_group *group;
    uint32_t distance_metres;
    uint16_t overridden;
    uint8_t lane;
};

struct part {
    bunch bunch;
    struct part_home *homes;
    uint8_t size, count;
    bool known;
};

struct kind {
    uint32_t count, stride;       /* the number of a part's row: of each kind the count times its stride, summed */
    uint8_t places[CHILDREN_MAX]; /* in criteria.children, ascending */
};

struct ranked_split {
    uint32_t largest, band;
    struct split_found found;
};

/* [band][home]: the homes of another part that lie in this band of it, or nearer, and are not itself. */
typedef uint32_t homes_near[DISTANCE_BANDS][PART_HOMES_MAX];

/* The homes of a way's parts with each other: those in the nearest band first, then by the first part's home. */
struct combining {
    uint32_t part_count; /* 0: not at it */
    const struct part *parts[SPLIT_HOMES_MAX];
    uint32_t counts[SPLIT_HOMES_MAX]; /* of each part's homes, those that may be of use */
    uint32_t band, first;             /* where it is */
    homes_near first_second, first_third, second_third;
};

struct siblings {
    const struct match *match;
    const struct match_version *version;
    const struct criteria *criteria;
    uint32_t kind_count, row_count; /* the last row is of all children */
    struct kind kinds[CHILDREN_MAX];
    struct part *rows;
    uint16_t *by_size;                      /* rows, sorted by size, then number */
    uint32_t size_begins[CHILDREN_MAX + 2]; /* in by_size */
    struct search *search;                  /* unfinished: of the row `searching` */
    struct criteria part_criteria;
    bool within_rules; /* no override counts so far: those that the request allows do once nothing is found without */
    uint32_t searching;
    /* Where it is: into how many homes (0: at the start), the sizes of the parts, descending, and which are the first
     * and the second part, as places in by_size. What is left is the third. */
    uint32_t homes, sizes[SPLIT_HOMES_MAX], first_at, second_at;
    struct combining combining;
    uint32_t split_count;
    struct ranked_split splits[SPLITS_MAX];
};

static inline uint32_t of_kind(bunch b, uint32_t kind)
{
    return (uint32_t)(b >> kind * KIND_BITS) & KIND_MOST;
}

/* Which children: the first of each kind that are not yet `taken`. */
static inline uint32_t children_of(const struct siblings *s, bunch b, uint32_t taken)
{
    uint32_t children = 0;
    for (uint32_t kind = 0; kind < s->kind_count; kind++) {
        uint32_t wanted = of_kind(b, kind);
        for (uint32_t i = 0; wanted > 0; i++) {
            uint32_t child = 1u << s->kinds[kind].places[i];
            if (taken & child)
                continue;
            children |= child;
            wanted--;
        }
    }
    return children;
}

/* Homes of these parts, which are known and have some, are to be combined: one after the other by combine_some, until
 * s->combining.part_count is 0. Returns the glances that it cost. */
uint32_t combine_begin(struct siblings *s, struct part *const parts[], uint32_t count);
/* One home of the first part in one band, or several as long as they cost next to nothing; returns the glances. What is
 * among the best is in s->splits. */
uint32_t combine_some(struct siblings *s);

#endif
