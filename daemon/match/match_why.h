/*
 * match_why.h - what removed the offers that are not in an answer, and the smallest relaxations that would give some.
 * Private to daemon/match.
 *
 * Owns: a walk over every offer of a version, judged by every rule. proto Relaxation says what relaxing a rule means,
 * and which can be: what an override lifts (domain.md 5.1), what the request itself asks; never H1, H14, no vacancy, no
 * bed.
 * Thread: any; belongs to its caller, who keeps the version pinned while it lasts.
 * Invariant: the counts are those of the whole version, however often the walk paused.
 */
#ifndef VACANCY_MATCH_MATCH_WHY_H
#define VACANCY_MATCH_MATCH_WHY_H

#include "daemon/match/match_search.h"

struct why;

/* NULL when memory is short. Borrows version and criteria until why_free. */
struct why *why_new(const struct match *match, const struct match_version *version, const struct criteria *criteria);
void why_free(struct why *why); /* NULL is fine */
/* As search_run. */
bool why_run(struct why *why, uint32_t work_budget, uint64_t *looked_at);
/* After why_run said true: explained, removed, considered, relaxations. */
void why_answer(const struct why *why, struct answer *answer);

#endif
