/*
 * match_siblings.h - siblings in two or three homes, when no home can take all of them. Private to daemon/match.
 *
 * Owns: which parts are tried in which order, and which homes fit together best (proto FindVacanciesResponse.splits is
 * the definition). Children who are alike in all that the rules ask (age in months, sex) are tried once. Thread: any;
 * belongs to its caller, who keeps the version pinned while it lasts. Invariant: each part is suitable by every MUST,
 * for its children together, and no split by an override is found where there is one without; no home is in a split
 * twice; what is found depends on the version and the criteria alone.
 *
 * Work: each different part of the children is searched at most once, so at most 4,094 searches (twelve children, no
 * two alike; 6 for three children), and not at all when a part within it is taken by nobody; twice if nothing was found
 * within the rules and the request allows more. Of every way to part them
 * (86,526 of twelve into three) at most 32 x 32 x 32 combinations of homes are looked at. Far fewer are: of homes at
 * one point the first five; the nearest band first; and once three splits are found, only such as may be better than
 * the third, by how near each other and by ids where they tie. Twelve children and 64 homes, at one point, at eight
 * as far from home, or 12 km from each other: at most 5 million offers' worth of work (test_match_siblings.c), 0.05 to
 * 0.2 s. (1.3 s if each of 32 homes is at a point of its own, to the metre as far from home.) All of it is counted, and
 * can be put off after any home of a part: a turn is over its budget by at most a search's step, or 32 x 32
 * combinations that are each better than the last, 7,300 offers' worth.
 * Memory: 26 bytes for each different part, and 16 for each of its homes: at most 2.3 MB, a few KB for three children.
 */
#ifndef VACANCY_MATCH_MATCH_SIBLINGS_H
#define VACANCY_MATCH_MATCH_SIBLINGS_H

#include "daemon/match/match_search.h"

/* Homes looked at for a part: the nearest suitable, whatever order the request asks for. */
#define PART_HOMES_MAX 32

struct siblings;

struct split_found {
    uint32_t part_count, between_metres, from_home_metres;
    struct {
        struct found home;
        uint32_t children; /* mask of places in criteria.children */
    } parts[SPLIT_HOMES_MAX];
};

/* criteria->split_into is 2 or 3. NULL when memory is short. Borrows version and criteria until siblings_free. */
struct siblings *siblings_new(const struct match *match, const struct match_version *version,
                              const struct criteria *criteria);
void siblings_free(struct siblings *siblings); /* NULL is fine */
/* As search_run; *done: there is nothing left to do. ERR_LIMIT when memory is short. */
enum err siblings_run(struct siblings *siblings, uint32_t work_budget, uint64_t *looked_at, bool *done)
    __attribute__((warn_unused_result));
/* After siblings_run was done: best first, at most SPLITS_MAX. */
uint32_t siblings_found(const struct siblings *siblings, struct split_found out[SPLITS_MAX]);

/* The request with these of its children alone, together: by it a part's home is found, and its reasons are given. */
void siblings_part(const struct criteria *criteria, uint32_t children, struct criteria *out);

#endif
