/*
 * placement_question.c - see placement.h. On the call's worker; no state.
 */
#include "daemon/service/placement.h"

#include "daemon/base/digest.h"

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
        call_short_of_memory(call);
        return false;
    }
    return true;
}

/* --- turns ------------------------------------------------------------------------------------------------------ */

uint64_t question_owner(const struct principal *team)
{
    uint8_t digest[DIGEST_BYTES];
    uint64_t owner;
    digest_sha256(team->name, strlen(team->name), digest);
    memcpy(&owner, digest, sizeof owner);
    return owner != 0 ? owner : 1;
}

void turns_begin(struct call *call, struct turns *turns)
{
    *turns = (struct turns){.began_boot_ms = clock_boot_ms(call->clock)};
}

static bool take_place(struct service_context *ctx, uint64_t owner, struct turns *turns)
{
    for (uint32_t i = 0; i < QUESTIONS_MAX && !turns->counted; i++) {
        uint_fast64_t nobody = 0;
        turns->place = i;
        turns->counted =
            atomic_load(&ctx->questions[i]) == 0 && atomic_compare_exchange_strong(&ctx->questions[i], &nobody, owner);
    }
    return turns->counted;
}

/* Takes a place first and counts then: of several that come at once never too many get one. */
static bool count_in(struct call *call, const struct principal *team, struct turns *turns, struct problem *problem)
{
    struct service_context *ctx = call_context(call);
    uint64_t owner = question_owner(team);
    uint32_t owned = 0;
    if (!take_place(ctx, owner, turns)) {
        problem_set(problem, ERR_LIMIT, "", "this hub works on %d long questions already: ask again in a moment",
                    QUESTIONS_MAX);
        return false;
    }
    for (uint32_t i = 0; i < QUESTIONS_MAX; i++)
        owned += atomic_load(&ctx->questions[i]) == owner;
    if (owned <= QUESTIONS_EACH)
        return true;
    turns_end(call, turns);
    problem_set(problem, ERR_LIMIT, "",
                "this hub works on %d long questions of this principal already: wait for one's answer, or cancel one",
                QUESTIONS_EACH);
    return false;
}

bool turns_another(struct call *call, const struct principal *team, struct turns *turns, const char *advice,
                   struct problem *problem)
{
    if (clock_boot_ms(call->clock) - turns->began_boot_ms > QUESTION_MAX_MS) {
        turns_end(call, turns);
        problem_set(problem, ERR_DEADLINE, "", "this hub works on a question for %d s at most: %s",
                    QUESTION_MAX_MS / 1000, advice);
        return false;
    }
    if (!turns->counted && !count_in(call, team, turns, problem))
        return false;
    call_yield(call);
    return true;
}

void turns_end(struct call *call, struct turns *turns)
{
    struct service_context *ctx = call_context(call);
    if (turns->counted)
        atomic_store(&ctx->questions[turns->place], 0);
    turns->counted = false;
}

/* --- the trail -------------------------------------------------------------------------------------------------- */

void disclosed_add(struct disclosed *out, const struct option *option)
{
    for (size_t i = 0; i < out->count; i += 2)
        if (out->subjects[i] == option->offer.vacancy_id && out->subjects[i + 1] == option->national_reference)
            return;
    out->subjects[out->count++] = option->offer.vacancy_id;
    out->subjects[out->count++] = option->national_reference;
}

static struct shown shown_of(const struct question *question, const struct disclosed *disclosed)
{
    return (struct shown){.request_reference = question->frame.request_reference,
                          .purpose = question->frame.purpose,
                          .subjects = disclosed->subjects,
                          .subject_count = disclosed->count};
}

bool question_disclose(struct call *call, const struct question *question, const struct disclosed *disclosed)
{
    const struct shown shown = shown_of(question, disclosed);
    return call_disclose(call, &question->team, &shown);
}

bool question_gather(struct call *call, const struct question *question, const struct disclosed *disclosed,
                     struct disclosure_batch **batch)
{
    const struct shown shown = shown_of(question, disclosed);
    return call_gather(call, &question->team, &shown, batch);
}
