/*
 * placement.c - PlacementService: FindVacancies.
 *
 * A search runs in slices of bounded work, so that others on the worker are served meanwhile. What it shows is on the
 * trail before it leaves; if the trail can't be written, the answer is UNAVAILABLE.
 * On the call's worker.
 */
#include "daemon/service/convert.h"
#include "daemon/service/handlers.h"
#include "daemon/service/requests.h"

#include <stdlib.h>
#include <string.h>

#define SLICE_OFFERS 16384u

struct search {
    struct principal team;
    struct criteria criteria;
    struct search_frame frame; /* its reference is in the call's arena */
    struct replica_age *ages;  /* in the call's arena, as what the answer holds */
    size_t age_count;
    struct answer answer;
    struct match_search *unfinished;
};

/* Vacancy ids as the team sees them, and the national reference of each one's carer, by which "who looked" finds it
 * when the vacancy is long over. */
static bool disclose(struct call *call, const struct search *search)
{
    uint64_t subjects[2 * OPTIONS_MAX];
    size_t count = 0;
    for (uint32_t i = 0; i < search->answer.option_count; i++) {
        subjects[count++] = search->answer.options[i].offer.vacancy_id;
        subjects[count++] = search->answer.options[i].national_reference;
    }
    return call_disclose(call, &search->team,
                         &(struct shown){.request_reference = search->frame.request_reference,
                                         .purpose = search->frame.purpose,
                                         .subjects = subjects,
                                         .subject_count = count});
}

/* Before the search begins: what it then sees of a region is at least as new as is said of it. */
static bool take_ages(struct call *call, struct search *search)
{
    struct replica *replica = ((const struct service_context *)call_context(call))->replica;
    struct replica_age ages[ROSTER_REGIONS_MAX];
    if (replica == NULL)
        return true;
    search->age_count =
        replica_ages(replica, search->criteria.as_of_ms, clock_boot_ms(call->clock), ages, ROSTER_REGIONS_MAX);
    search->ages = arena_alloc(call->arena, search->age_count * sizeof *ages);
    if (search->ages == NULL)
        return false;
    memcpy(search->ages, ages, search->age_count * sizeof *ages);
    return true;
}

static void search_turn(struct call *call)
{
    struct search *search = call->state;
    struct service_context *ctx = call_context(call);
    enum err err =
        match_find(ctx->match, &search->criteria, SLICE_OFFERS, call->arena, &search->answer, &search->unfinished);
    if (err != ERR_NONE) {
        call_fail(call, err, "",
                  err == ERR_LIMIT ? "the answer is larger than this hub gives; ask for fewer options"
                                   : "the search failed");
        return;
    }
    if (search->unfinished != NULL) {
        call_yield(call);
        return;
    }
    Vacancy__V1__FindVacanciesResponse *out =
        answer_view(ctx, &search->team, &search->criteria, &search->frame, &search->answer, search->ages,
                    search->age_count, call->arena);
    if (out != NULL && !disclose(call, search))
        return;
    atomic_fetch_add_explicit(&ctx->searches, 1, memory_order_relaxed);
    call_answer(call, out != NULL ? &out->base : NULL);
}

static void find_vacancies(struct call *call, const ProtobufCMessage *message)
{
    const Vacancy__V1__FindVacanciesRequest *in = (const Vacancy__V1__FindVacanciesRequest *)message;
    struct problem problem = {0};
    struct principal team;
    if (!call_identify(call, ROLE_BIT(ROLE_TEAM), &team))
        return;
    struct search *search = calloc(1, sizeof *search);
    if (search == NULL) {
        call_fail(call, ERR_LIMIT, "", "this hub is short of memory; try again");
        return;
    }
    call->state = search;
    search->team = team;
    if (criteria_from(call_context(call), &search->team, in, clock_wall_ms(call->clock), &search->criteria,
                      &search->frame, &problem) != ERR_NONE) {
        call_finish(call, &problem);
        return;
    }
    /* The message is gone when this returns, but not the search. */
    search->frame.request_reference =
        arena_copy_text(call->arena, in->request_reference, strlen(in->request_reference));
    if (search->frame.request_reference == NULL || !take_ages(call, search)) {
        call_fail(call, ERR_LIMIT, "", "this hub is short of memory; try again");
        return;
    }
    search_turn(call);
}

static void search_closed(struct call *call)
{
    struct search *search = call->state;
    if (search == NULL)
        return;
    call->state = NULL;
    if (search->unfinished != NULL)
        match_search_abandon(search->unfinished);
    free(search);
}

const struct call_handler find_vacancies_handler = {
    .message = find_vacancies, .writable = search_turn, .closed = search_closed};
