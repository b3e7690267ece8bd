/*
 * home_report.c - a team telephoned, and the vacancy is not to be had: UPDATE_REPORT_UNAVAILABLE.
 * Owns: what a report does, and which is one too many. The writer's thread. Invariant: a report ends what is believed
 * of the vacancy, and nothing else; only its agency can say more (vacancy_settle).
 */
#include "daemon/record/states.h"
#include "daemon/register/home_parts.h"

static bool store_report(struct batch *batch, const struct update *update, struct stored_carer *carer)
{
    struct vacancy *vacancy = &carer->home.vacancy;
    vacancy->reported_unavailable_at_ms = batch->now_ms;
    if (vacancy->valid_until_ms > batch->now_ms)
        vacancy->valid_until_ms = batch->now_ms;
    vacancy->stage = STAGE_STALE;
    const struct home_event event = {
        .kind = EVENT_REPORTED_UNAVAILABLE,
        .home = &carer->home,
        .by = update->as.hold.holder,
        .until_ms = vacancy->valid_until_ms + vacancy_lapse_ms(&batch->home->options.policy, &carer->home),
    };
    return batch_event(batch, &event) && batch_put_carer(batch, carer, false);
}

enum err report_unavailable(struct batch *batch, struct update *update)
{
    struct problem *problem = &update->result.problem;
    struct stored_carer carer;
    const struct wanted_event wanted = {
        .kind = EVENT_REPORTED_UNAVAILABLE, .vacancy_id = update->as.hold.vacancy_id, .by = update->as.hold.holder};
    bool before = false;
    enum err err = batch_find_vacancy(batch, update->as.hold.vacancy_id, &carer, problem);
    if (err == ERR_NOT_FOUND)
        return problem_set(problem, ERR_NOT_FOUND, "vacancy_id",
                           "no live vacancy of this region has this id: it was taken or withdrawn; search again");
    if (err == ERR_NONE && carer.home.lost)
        return problem_set(problem, ERR_PRECONDITION, "vacancy_id",
                           "since this hub was restored its agency has not said again what is true of this home, so it "
                           "is known to need that");
    if (err == ERR_NONE)
        err = states_check(&vacancy_states, vacancy_state_now(&carer.home), VACANCY_REPORT, "vacancy_id", problem);
    if (err == ERR_NONE)
        err = event_recent(batch, carer.home.carer.agency, &wanted, batch->time_ms - REPORT_EVERY_MS, &before, problem);
    if (err != ERR_NONE)
        return err;
    if (before) /* it knows */
        batch_subject(batch, carer.home.national_reference);
    else if (!store_report(batch, update, &carer))
        return batch->failed;
    update_settle(batch, update, before ? OUTCOME_CONFIRMED : OUTCOME_UPDATED, &carer);
    return ERR_NONE;
}
