/*
 * match_answer.h - from what was found to what is answered. Private to daemon/match. Thread: any; pure.
 */
#ifndef VACANCY_MATCH_MATCH_ANSWER_H
#define VACANCY_MATCH_MATCH_ANSWER_H

#include "daemon/match/match_search.h"

/* The card and its reasons, by the criteria that it was found with. failed: mask of the MUSTs that it fails, where it
 * is explained. False when the arena is too small. */
bool answer_option(const struct match *match, const struct match_version *version, const struct criteria *criteria,
                   const struct found *found, uint32_t failed, struct arena *arena, struct option *option)
    __attribute__((warn_unused_result));
/* NULL when the arena is too small. */
struct option *answer_options(const struct match *match, const struct match_version *version,
                              const struct criteria *criteria, const struct search_list *list, struct arena *arena);
struct region_position *answer_positions(const struct match_version *version, struct arena *arena, uint32_t *count);

#endif
