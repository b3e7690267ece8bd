/*
 * placement.h - what the methods of PlacementService have in common. Private to daemon/service.
 *
 * Owns: how a question is taken from a request so that it outlives it, how many may be unfinished and for how long, and
 * how what is about to be shown gets on the trail. Thread: the call's worker.
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

/* A number that stands for the principal wherever what it has under way is counted; never 0. */
uint64_t question_owner(const struct principal *team);

/* The turns of a question. Starts zeroed. Invariant: `counted` while it is unfinished, and at no other time. */
struct turns {
    int64_t began_boot_ms;
    bool counted;
    uint32_t place; /* in service_context.questions */
};
/* Before its first turn. */
void turns_begin(struct call *call, struct turns *turns);
/* It is unfinished: asks for a further turn, and counts it at the first. False: it may have none, for *problem
 * (ERR_LIMIT: QUESTIONS_EACH or QUESTIONS_MAX are unfinished; ERR_DEADLINE: QUESTION_MAX_MS have passed; `advice`: what
 * to do then); the caller abandons the search. */
bool turns_another(struct call *call, const struct principal *team, struct turns *turns, const char *advice,
                   struct problem *problem) __attribute__((warn_unused_result));
/* It is finished or abandoned. May be called again. */
void turns_end(struct call *call, struct turns *turns);

/* Vacancy ids as the team sees them, and the national reference of each one's carer, by which "who looked" finds it
 * when the vacancy is long over. */
#define DISCLOSED_MAX (2 * OPTIONS_MAX + SPLITS_MAX * SPLIT_HOMES_MAX)
struct disclosed {
    uint64_t subjects[2 * DISCLOSED_MAX];
    size_t count;
};
/* `out` starts zeroed. Options that several lists show are there once. */
void disclosed_add(struct disclosed *out, const struct option *option);
/* As call_disclose, and as call_gather. */
bool question_disclose(struct call *call, const struct question *question, const struct disclosed *disclosed)
    __attribute__((warn_unused_result));
bool question_gather(struct call *call, const struct question *question, const struct disclosed *disclosed,
                     struct disclosure_batch **batch) __attribute__((warn_unused_result));

/*
 * A hold of this region, read for its team. ERR_FORBIDDEN: there is none, or another team's; ERR_PRECONDITION: it is
 * another region's; ERR_INVALID. What is shown of it goes on the trail first (as call_disclose).
 */
enum err hold_read(const struct service_context *ctx, const struct principal *team, const char *hold_id,
                   struct hold *out, struct problem *problem) __attribute__((warn_unused_result));
bool hold_disclose(struct call *call, const struct principal *who, const struct hold *hold)
    __attribute__((warn_unused_result));

#endif
