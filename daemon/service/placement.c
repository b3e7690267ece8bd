/*
 * placement.c - PlacementService: FindVacancies.
 *
 * A search runs in slices of bounded work, so that others on the worker are served meanwhile; so many of a principal
 * may be under way, and none for long (placement.h). What it shows is on the trail before it leaves; if the trail can't
 * be written, the answer is UNAVAILABLE. On the call's worker.
 */
#include "daemon/service/placement.h"

#include "daemon/service/handlers.h"

#include <stdlib.h>

struct search {
    struct question question;
    struct answer answer; /* in the call's arena */
    struct match_search *unfinished;
    struct turns turns;
    Vacancy__V1__FindVacanciesResponse *view; /* of the answer, once it is on its way to the trail */
    struct disclosure_batch *disclosing;
};

static bool disclose(struct call *call, struct search *search)
{
    const struct answer *answer = &search->answer;
    struct disclosed disclosed;
    disclosed.count = 0;
    for (uint32_t i = 0; i < answer->option_count; i++)
        disclosed_add(&disclosed, &answer->options[i]);
    for (uint32_t i = 0; i < answer->phone_first_count; i++)
        disclosed_add(&disclosed, &answer->phone_first[i]);
    for (uint32_t i = 0; i < answer->split_count; i++)
        for (uint32_t part = 0; part < answer->splits[i].part_count; part++)
            disclosed_add(&disclosed, answer->splits[i].parts[part].option);
    return question_gather(call, &search->question, &disclosed, &search->disclosing);
}

static void search_abandon(struct call *call, struct search *search)
{
    if (search->unfinished != NULL)
        match_search_abandon(search->unfinished);
    search->unfinished = NULL;
    turns_end(call, &search->turns);
    call_leave(call, &search->disclosing);
}

static void search_goes_on(struct call *call)
{
    struct search *search = call->state;
    struct problem problem = {0};
    if (turns_another(call, &search->question.team, &search->turns,
                      "ask more narrowly (within_metres, split_into), or with explain NEVER", &problem))
        return;
    search_abandon(call, search);
    call_finish(call, &problem);
}

static void search_turn(struct call *call)
{
    struct search *search = call->state;
    struct service_context *ctx = call_context(call);
    enum err err = match_find(ctx->match, &search->question.criteria, PLACEMENT_SLICE_OFFERS, call->arena,
                              &search->answer, &search->unfinished);
    if (err == ERR_NONE && search->unfinished != NULL) {
        search_goes_on(call);
        return;
    }
    turns_end(call, &search->turns);
    if (err != ERR_NONE) {
        call_fail(call, err, "",
                  err == ERR_LIMIT ? "the answer is larger than this hub gives; ask for fewer options"
                                   : "the search failed");
        return;
    }
    search->view = answer_view(ctx, &search->question, &search->answer, call->arena);
    if (search->view == NULL)
        call_answer(call, NULL);
    else
        (void)disclose(call, search); /* search_writable goes on */
}

static void search_writable(struct call *call)
{
    struct search *search = call->state;
    if (search->view == NULL) {
        search_turn(call);
    } else if (call_disclosed(call, search->disclosing)) {
        atomic_fetch_add_explicit(&call_context(call)->searches, 1, memory_order_relaxed);
        call_answer(call, &search->view->base);
    }
}

static void find_vacancies(struct call *call, const ProtobufCMessage *message)
{
    struct principal team;
    if (!call_identify(call, ROLE_BIT(ROLE_TEAM), &team))
        return;
    struct search *search = call_begin_state(call, sizeof *search);
    if (search == NULL)
        return;
    turns_begin(call, &search->turns);
    if (question_take(call, &team, NULL, (const Vacancy__V1__FindVacanciesRequest *)message, &search->question))
        search_turn(call);
}

static void search_closed(struct call *call)
{
    struct search *search = call->state;
    if (search == NULL)
        return;
    call->state = NULL;
    search_abandon(call, search);
    free(search);
}

const struct call_handler find_vacancies_handler = {
    .message = find_vacancies, .writable = search_writable, .closed = search_closed};
