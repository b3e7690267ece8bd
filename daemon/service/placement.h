/*
 * placement.h - what the methods of PlacementService have in common. Private to daemon/service.
 *
 * Owns: how a question is taken from a request so that it outlives it, and how what is about to be shown gets on the
 * trail. Thread: the call's worker.
 */
#ifndef VACANCY_SERVICE_PLACEMENT_H
#define VACANCY_SERVICE_PLACEMENT_H

#include "daemon/service/convert.h"
#include "daemon/service/requests.h"

/* Work of one turn, in offers tested, so that others on the worker are served meanwhile. */
#define PLACEMENT_SLICE_OFFERS 16384u

/*
 * The question at `at` of a request by `team`, for now. Its texts and ages are in the call's arena. Ages are taken
 * here, before a search begins: what it then sees of a region is at least as new as is said of it.
 * False: the call was ended (its state may be gone).
 */
bool question_take(struct call *call, const struct principal *team, const struct path *at,
                   const Vacancy__V1__FindVacanciesRequest *in, struct question *out)
    __attribute__((warn_unused_result));

/* The ages anew, into `arena`, for a question that is asked again at its as_of. False: the arena's limit. */
bool question_take_ages(struct call *call, struct arena *arena, struct question *question)
    __attribute__((warn_unused_result));

/* Vacancy ids as the team sees them, and the national reference of each one's carer, by which "who looked" finds it
 * when the vacancy is long over. */
#define DISCLOSED_MAX (2 * OPTIONS_MAX + SPLITS_MAX * SPLIT_HOMES_MAX)
struct disclosed {
    uint64_t subjects[2 * DISCLOSED_MAX];
    size_t count;
};
/* `out` starts zeroed. Options that several lists show are there once. */
void disclosed_add(struct disclosed *out, const struct option *option);
/* As call_disclose. */
bool question_disclose(struct call *call, const struct question *question, const struct disclosed *disclosed)
    __attribute__((warn_unused_result));

#endif
