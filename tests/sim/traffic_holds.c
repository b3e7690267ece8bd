/*
 * traffic_holds.c - what teams ask of one hub, and what agencies answer them; see traffic.h. One thread.
 */
#include "tests/sim/requests.h"
#include "tests/sim/traffic.h"

#include <stdio.h>

#define LATEST 16 /* holds to go on with */

const char *traffic_team_name(uint32_t team, char out[PRINCIPAL_NAME_BYTES])
{
    snprintf(out, PRINCIPAL_NAME_BYTES, "spiffe://%s/region/%s/placement-team/%s/team-%u", SIM_DOMAIN, SIM_REGION,
             HOLD_TEAM_AUTHORITY, team);
    return out;
}

/* Some carer's vacancy, mostly a live one. */
static bool choose_vacancy(struct sim_hub *hub, struct operation *operation)
{
    const struct model *model = &hub->model;
    uint32_t seen = 0, beds = 0;
    for (uint32_t agency = 0; agency < AGENCIES; agency++)
        for (uint32_t reference = 0; reference < REFERENCES; reference++) {
            const struct vacancy *vacancy = &model->carers[agency][reference].home.vacancy;
            if (vacancy->vacancy_id == 0 || (vacancy->stated != VACANCY_VACANT && !once_in(hub->sim, 4)) ||
                below(hub->sim, ++seen) != 0)
                continue;
            operation->vacancy_id = vacancy->vacancy_id;
            beds = vacancy->beds;
        }
    if (model->episode_count > 0 && once_in(hub->sim, 20)) /* perhaps gone by now */
        operation->vacancy_id = model->episodes[below(hub->sim, model->episode_count)];
    operation->beds = 1 + (beds > 1 && once_in(hub->sim, 2) ? below(hub->sim, beds) : 0);
    return operation->vacancy_id != 0;
}

static void ask_anew(struct sim_hub *hub)
{
    struct sim *sim = hub->sim;
    struct operation *operation = traffic_new(once_in(sim, 10) ? UPDATE_REPORT_UNAVAILABLE : UPDATE_HOLD);
    if (operation == NULL || !choose_vacancy(hub, operation))
        return;
    operation->team = below(sim, HOLD_TEAMS);
    if (!once_in(sim, 3))
        operation->duration_s = between(sim, HOLD_LEAST_MS, once_in(sim, 2) ? HOUR_MS : HOLD_MAX_MS) / SECOND_MS;
    traffic_give_request_id(hub, operation);
    traffic_ask(hub, operation);
}

static void go_on(struct sim_hub *hub)
{
    static const enum update_kind kinds[] = {UPDATE_EXTEND_HOLD, UPDATE_RELEASE_HOLD, UPDATE_PLACE,
                                             UPDATE_PLACE,       UPDATE_ACCEPT_HOLD,  UPDATE_DECLINE_HOLD};
    struct sim *sim = hub->sim;
    const struct model_holds *holds = &hub->model.holds;
    if (holds->count == 0)
        return;
    const struct model_hold *hold =
        &holds->at[holds->count - 1 - below(sim, holds->count < LATEST ? holds->count : LATEST)];
    struct operation *operation = traffic_new(kinds[below(sim, sizeof kinds / sizeof kinds[0])]);
    if (operation == NULL)
        return;
    bool others = once_in(sim, 20);
    operation->team = others ? (hold->team + 1) % HOLD_TEAMS : hold->team;
    operation->agency = others ? (hold->agency + 1) % AGENCIES : hold->agency;
    operation->token = hold->token;
    operation->beds = hold->beds;
    operation->duration_s =
        operation->kind == UPDATE_EXTEND_HOLD ? between(sim, HOLD_LEAST_MS, HOUR_MS) / SECOND_MS : 0;
    operation->starts_on = date_of_wall_ms(clock_wall_ms(&hub->clock)) + (date_days)below(sim, 10);
    traffic_give_request_id(hub, operation);
    traffic_ask(hub, operation);
}

void traffic_hold(struct sim_hub *hub)
{
    if (once_in(hub->sim, 2))
        ask_anew(hub);
    else
        go_on(hub);
}
