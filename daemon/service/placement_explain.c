/*
 * placement_explain.c - PlacementService: ExplainVacancy.
 *
 * The same question as a search, put to one vacancy. Who asked, and after which vacancy, is on the trail before the
 * answer leaves, whatever the answer is: that there is no such vacancy tells something as well. How many come before it
 * takes as much work as a search, in slices and within bounds as there.
 * On the call's worker.
 */
#include "daemon/service/handlers.h"
#include "daemon/service/placement.h"

#include <stdlib.h>

struct explaining {
    struct question question;
    uint64_t vacancy_id;
    struct explanation explanation; /* in the call's arena */
    struct match_explaining *unfinished;
    struct turns turns;
};

static void explain_answer(struct call *call, const struct explaining *explaining)
{
    struct service_context *ctx = call_context(call);
    struct disclosed disclosed = {{explaining->vacancy_id}, 1};
    if (!explaining->explanation.found) {
        if (question_disclose(call, &explaining->question, &disclosed))
            call_fail(
                call, ERR_NOT_FOUND, "vacancy_id",
                "this hub knows of no live vacancy with this id: it has ended, or its region's part has not come");
        return;
    }
    Vacancy__V1__ExplainVacancyResponse *out =
        explanation_view(ctx, &explaining->question, &explaining->explanation, call->arena);
    disclosed.count = 0;
    disclosed_add(&disclosed, &explaining->explanation.option);
    if (out != NULL && !question_disclose(call, &explaining->question, &disclosed))
        return;
    call_answer(call, out != NULL ? &out->base : NULL);
}

static void explain_abandon(struct call *call, struct explaining *explaining)
{
    if (explaining->unfinished != NULL)
        match_explain_abandon(explaining->unfinished);
    explaining->unfinished = NULL;
    turns_end(call, &explaining->turns);
}

static void explain_goes_on(struct call *call)
{
    struct explaining *explaining = call->state;
    struct problem problem = {0};
    if (turns_another(call, &explaining->question.team, &explaining->turns, "ask more narrowly (within_metres)",
                      &problem))
        return;
    explain_abandon(call, explaining);
    call_finish(call, &problem);
}

static void explain_turn(struct call *call)
{
    struct explaining *explaining = call->state;
    struct service_context *ctx = call_context(call);
    enum err err =
        match_explain(ctx->match, &explaining->question.criteria, explaining->vacancy_id, PLACEMENT_SLICE_OFFERS,
                      call->arena, &explaining->explanation, &explaining->unfinished);
    if (err == ERR_NONE && explaining->unfinished != NULL) {
        explain_goes_on(call);
        return;
    }
    turns_end(call, &explaining->turns);
    if (err != ERR_NONE)
        call_fail(call, err, "",
                  err == ERR_LIMIT ? "this hub is short of memory; try again" : "the search failed; try again");
    else
        explain_answer(call, explaining);
}

static void explain_vacancy(struct call *call, const ProtobufCMessage *message)
{
    const Vacancy__V1__ExplainVacancyRequest *in = (const Vacancy__V1__ExplainVacancyRequest *)message;
    struct principal team;
    if (!call_identify(call, ROLE_BIT(ROLE_TEAM), &team))
        return;
    if (in->question == NULL) {
        call_fail(call, ERR_INVALID, "question", "required: the question, as it is put to FindVacancies");
        return;
    }
    struct explaining *explaining = call_begin_state(call, sizeof *explaining);
    if (explaining == NULL)
        return;
    turns_begin(call, &explaining->turns);
    /* How much of an answer a search would give makes no difference here. */
    Vacancy__V1__FindVacanciesRequest asked = *in->question;
    asked.limit = asked.split_into = 0;
    asked.explain = VACANCY__V1__EXPLAIN_WHEN__EXPLAIN_WHEN_NEVER;
    if (!question_take(call, &team, &(struct path){NULL, "question", -1}, &asked, &explaining->question))
        return;
    if (in->vacancy_id[0] == '\0')
        call_fail(call, ERR_INVALID, "vacancy_id", "required: the id of a vacancy, as an answer showed it");
    else if (!id_parse(in->vacancy_id, &explaining->vacancy_id))
        call_fail(
            call, ERR_INVALID, "vacancy_id",
            "not a vacancy's id: 12 letters and digits as an answer showed them, the last of which checks the rest");
    else
        explain_turn(call);
}

static void explain_closed(struct call *call)
{
    struct explaining *explaining = call->state;
    if (explaining == NULL)
        return;
    call->state = NULL;
    explain_abandon(call, explaining);
    free(explaining);
}

const struct call_handler explain_vacancy_handler = {
    .message = explain_vacancy, .writable = explain_turn, .closed = explain_closed};
