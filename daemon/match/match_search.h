/*
 * match_search.h - the best offers of one version by one order. Private to daemon/match.
 *
 * Owns: the walk over the index, best first, and the two lists of the best so far: those that suit, and those that suit
 * but for their confirmation ("phone first").
 * Not here: what removed the others (match_why.h), siblings in several homes (match_siblings.h), answers
 * (match_find.c). Thread: any; a search belongs to its caller, who keeps the version pinned while it lasts. Invariant:
 * the lists depend on the version and the criteria alone, not on how the walk went or where it paused.
 */
#ifndef VACANCY_MATCH_MATCH_SEARCH_H
#define VACANCY_MATCH_MATCH_SEARCH_H

#include "daemon/match/match_index.h"
#include "daemon/match/match_order.h"

/* An offer that was found; the group is the version's. */
struct found {
    const struct fact_group *group;
    uint64_t key; /* match_order.h */
    uint64_t vacancy_id;
    uint32_t lane, distance_metres, children_taken, overridden; /* overridden: mask of rules */
};

struct search_list {
    uint32_t count;
    struct found best[OPTIONS_MAX]; /* once the search is done: in order */
};

struct search;

/* NULL when memory is short. Borrows version and criteria until search_free. */
struct search *search_new(const struct match *match, const struct match_version *version,
                          const struct criteria *criteria);
void search_free(struct search *search); /* NULL is fine */
/* Goes on until it is done (true) or has looked at about work_budget offers (false). *looked_at, if given, grows by the
 * offers looked at: a group or a node that is passed over as a whole counts as one. */
bool search_run(struct search *search, uint32_t work_budget, uint64_t *looked_at);
/* After search_run said true. phone_first is empty unless the criteria's overrides have UNCONFIRMED. */
const struct search_list *search_options(const struct search *search);
const struct search_list *search_phone_first(const struct search *search);
/* Likewise: see struct answer. */
uint64_t search_reach_squared(const struct search *search);

/* What was found in this lane, which was judged. */
struct found found_make(const struct criteria *criteria, const struct fact_group *group, uint32_t lane,
                        const struct verdict *verdict, uint64_t key);
/* True if a comes before b in the order of the answer: key, distance, vacancy id, region, national reference. */
bool found_before(const struct match_version *version, const struct found *a, const struct found *b);

#endif
