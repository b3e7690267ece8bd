/*
 * placement_question.c - see placement.h. On the call's worker; no state.
 */
#include "daemon/service/placement.h"

#include <string.h>

bool question_take_ages(struct call *call, struct arena *arena, struct question *question)
{
    struct replica *replica = call_context(call)->replica;
    struct replica_age ages[ROSTER_REGIONS_MAX];
    if (replica == NULL)
        return true;
    size_t count =
        replica_ages(replica, question->criteria.as_of_ms, clock_boot_ms(call->clock), ages, ROSTER_REGIONS_MAX);
    struct replica_age *kept = arena_alloc(arena, count * sizeof *ages);
    if (kept == NULL)
        return false;
    memcpy(kept, ages, count * sizeof *ages);
    question->ages = kept;
    question->age_count = count;
    return true;
}

/* The message is gone when its handler returns, but not the question. */
static bool take_texts(struct call *call, struct search_frame *frame)
{
    frame->request_reference = arena_copy_text(call->arena, frame->request_reference, strlen(frame->request_reference));
    frame->order_name = arena_copy_text(call->arena, frame->order_name, strlen(frame->order_name));
    return frame->request_reference != NULL && frame->order_name != NULL;
}

bool question_take(struct call *call, const struct principal *team, const struct path *at,
                   const Vacancy__V1__FindVacanciesRequest *in, struct question *out)
{
    struct problem problem = {0};
    *out = (struct question){.team = *team};
    if (question_from(call_context(call), at, in, clock_wall_ms(call->clock), out, &problem) != ERR_NONE) {
        call_finish(call, &problem);
        return false;
    }
    if (!take_texts(call, &out->frame) || !question_take_ages(call, call->arena, out)) {
        call_fail(call, ERR_LIMIT, "", "this hub is short of memory; try again");
        return false;
    }
    return true;
}

void disclosed_add(struct disclosed *out, const struct option *option)
{
    for (size_t i = 0; i < out->count; i += 2)
        if (out->subjects[i] == option->offer.vacancy_id && out->subjects[i + 1] == option->national_reference)
            return;
    out->subjects[out->count++] = option->offer.vacancy_id;
    out->subjects[out->count++] = option->national_reference;
}

bool question_disclose(struct call *call, const struct question *question, const struct disclosed *disclosed)
{
    return call_disclose(call, &question->team,
                         &(struct shown){.request_reference = question->frame.request_reference,
                                         .purpose = question->frame.purpose,
                                         .subjects = disclosed->subjects,
                                         .subject_count = disclosed->count});
}
