/*
 * home_place.c - a hold becomes a placement: the children move in, and the beds are theirs; or never did.
 * Owns: what must be recorded before a child is placed (rule H16), which beds and children a placement counts for, when
 * it may be taken back. The writer's thread. Invariant: no placement without the consent of every authority that must
 * give it, as the team says and what is registered does not contradict.
 */
#include "daemon/record/states.h"
#include "daemon/register/home_parts.h"

#include <string.h>

#define STARTS_AHEAD_DAYS 365
#define STARTS_PAST_DAYS  28

/* --- what the team says ------------------------------------------------------------------------------------------ */

static enum err check_request(struct batch *batch, struct update *update)
{
    struct problem *problem = &update->result.problem;
    date_days starts_on = update->as.hold.starts_on, today = date_of_wall_ms(batch->now_ms);
    if (update->as.hold.placement_code == 0 || update->as.hold.placement_code >= PLACEMENT_CODE_END)
        return problem_set(problem, ERR_INVALID, "placement_code", "required: U4, U5 or U6 of SSDA903");
    if (starts_on == DATE_NONE || starts_on > today + STARTS_AHEAD_DAYS || starts_on < today - STARTS_PAST_DAYS)
        return problem_set(problem, ERR_INVALID, "starts_on",
                           "required: a day at most a year ahead and at most %d days past", STARTS_PAST_DAYS);
    if (update->as.hold.provider_consent == CONSENT_NONE || update->as.hold.provider_consent >= CONSENT_END)
        return problem_set(problem, ERR_INVALID, "provider_consent", "required: GIVEN or NOT_NEEDED");
    if (update->as.hold.authorities_consent == CONSENT_NONE || update->as.hold.authorities_consent >= CONSENT_END)
        return problem_set(problem, ERR_INVALID, "authorities_consent", "required: GIVEN or NOT_NEEDED");
    return ERR_NONE;
}

/*
 * A bed for each child. With a parent and child the parent has a bed too, and is a child of the placement only if
 * looked after: so where that is offered there may be one child fewer than beds.
 */
static enum err check_children(struct update *update, const struct hold *hold, const struct home_carer *home)
{
    uint32_t care_types = home->vacancy.care_types ? home->vacancy.care_types : home->carer.terms.care_types;
    uint32_t count = update->as.hold.child_count, least = hold->beds;
    if (hold->beds > 1 && code_in(care_types, CARE_PARENT_AND_CHILD))
        least--;
    if (count < least || count > hold->beds)
        return problem_set(
            &update->result.problem, ERR_INVALID, "children",
            "%u given, for a hold of %u: as many as the hold has beds, where parent and child are taken one "
            "fewer for a parent who is not looked after",
            count, hold->beds);
    uint32_t there = home->carer.placed_count;
    for (uint32_t i = 0; i < home->hold_count; i++)
        there += home->holds[i].child_count;
    if (there + count > CHILDREN_MAX)
        return problem_set(&update->result.problem, ERR_PRECONDITION, "children",
                           "%u children are placed in this home; it can't have more than %d", there, CHILDREN_MAX);
    return ERR_NONE;
}

static enum err check_approval(struct update *update, const struct home_carer *home)
{
    const struct carer *carer = &home->carer;
    date_days starts_on = update->as.hold.starts_on;
    struct problem *problem = &update->result.problem;
    if (home->lost) /* not known; its agency says so again, or not */
        return ERR_NONE;
    if (starts_on < carer->approved_on)
        return problem_set(problem, ERR_PRECONDITION, "starts_on", "the carer is not approved yet on that day");
    if (carer->approval_ends_on != DATE_NONE && starts_on >= carer->approval_ends_on)
        return problem_set(problem, ERR_PRECONDITION, "starts_on", "the carer's approval has ended by that day");
    return ERR_NONE;
}

/* --- consents (Care Planning Regs 2010 reg 22; rule H16) --------------------------------------------------------- */

/* Rule H1: its agency is registered and not suspended. *own: the carer is approved by the team's own authority. */
static enum err check_agency(struct batch *batch, struct update *update, const struct hold *hold, bool *own)
{
    struct agency agency;
    bool active;
    enum err err = hold_agency(batch, hold->agency, &agency, &active, &update->result.problem);
    if (err != ERR_NONE || !active)
        return err != ERR_NONE ? err : hold_refuse_not_offered(&update->result.problem);
    *own = agency.authority[0] != '\0' && strcmp(agency.authority, update->as.hold.authority) == 0;
    return ERR_NONE;
}

static enum err check_provider(struct update *update, bool own)
{
    if (update->as.hold.provider_consent != CONSENT_NOT_NEEDED || own)
        return ERR_NONE;
    return problem_set(&update->result.problem, ERR_PRECONDITION, "provider_consent",
                       "needed: the carer is not approved by this team's own authority; ask the provider, then say "
                       "GIVEN");
}

static bool of_another(const struct placed_child *children, uint32_t count, const char *authority)
{
    for (uint32_t i = 0; i < count; i++)
        if (strcmp(children[i].responsible_authority, authority) != 0)
            return true;
    return false;
}

/* Of a carer that is lost since a restore the children are not known. */
static enum err check_authorities(struct update *update, const struct home_carer *home)
{
    const char *authority = update->as.hold.authority;
    if (update->as.hold.authorities_consent != CONSENT_NOT_NEEDED)
        return ERR_NONE;
    bool needed = home->lost || of_another(home->carer.placed, home->carer.placed_count, authority);
    for (uint32_t i = 0; i < home->hold_count; i++)
        needed = needed || of_another(home->holds[i].children, home->holds[i].child_count, authority);
    return needed ? problem_set(&update->result.problem, ERR_PRECONDITION, "authorities_consent",
                                "needed: another authority has a child in this home; ask it, then say GIVEN")
                  : ERR_NONE;
}

/* --- placing ----------------------------------------------------------------------------------------------------- */

/* A number for siblings that none of the children placed there has. */
static uint8_t new_group(const struct home_carer *home)
{
    uint8_t last = 0;
    for (uint32_t i = 0; i < home->carer.placed_count; i++)
        last = home->carer.placed[i].sibling_group > last ? home->carer.placed[i].sibling_group : last;
    for (uint32_t i = 0; i < home->hold_count; i++)
        for (uint32_t c = 0; c < home->holds[i].child_count; c++)
            last = home->holds[i].children[c].sibling_group > last ? home->holds[i].children[c].sibling_group : last;
    return last < UINT8_MAX ? (uint8_t)(last + 1) : UINT8_MAX;
}

/* They stand with the hold until the agency says itself who lives there. */
static void move_in(const struct update *update, const struct hold_token *token, struct home_carer *home)
{
    uint8_t group = update->as.hold.child_count > 1 ? new_group(home) : 0;
    struct live_hold *listing = hold_listed(home, token);
    if (listing == NULL)
        return;
    listing->child_count = update->as.hold.child_count;
    for (uint32_t c = 0; c < listing->child_count; c++) {
        struct placed_child *child = &listing->children[c];
        child->age_band = update->as.hold.children[c].age_band;
        child->sex = update->as.hold.children[c].sex;
        child->sibling_group = group;
        memcpy(child->responsible_authority, update->as.hold.authority, sizeof child->responsible_authority);
    }
}

static enum err check(struct batch *batch, struct update *update, const struct hold *hold,
                      const struct home_carer *home, bool *own)
{
    struct problem *problem = &update->result.problem;
    unsigned state = hold_run_out(batch, hold) ? HOLD_EXPIRED : hold->state;
    enum err err = states_check(&hold_states, state, HOLD_PLACE, "hold_id", problem);
    if (err == ERR_NONE)
        err = states_check(&vacancy_states, vacancy_state_now(home), VACANCY_PLACE, "hold_id", problem);
    if (err == ERR_NONE)
        err = check_children(update, hold, home);
    if (err == ERR_NONE)
        err = check_approval(update, home);
    if (err == ERR_NONE)
        err = check_agency(batch, update, hold, own);
    if (err == ERR_NONE)
        err = check_provider(update, *own);
    return err == ERR_NONE ? check_authorities(update, home) : err;
}

/*
 * The return asks how far a child's home is from this one, and three such distances tell where this one is. So an
 * authority hears it of another's carer for one placement; for the next, where the agency itself has accepted the hold.
 */
static bool tell_distance(const struct update *update, const struct hold *hold, bool own, struct home_carer *home)
{
    const char *authority = update->as.hold.authority;
    if (!update->as.hold.asks_distance || home->carer.home_postcode[0] == '\0' ||
        (!own && hold->state != HOLD_ACCEPTED && strcmp(home->distance_told_to, authority) == 0))
        return false;
    memcpy(home->distance_told_to, authority, sizeof home->distance_told_to);
    return true;
}

static void fill_placement(struct batch *batch, const struct update *update, struct hold *hold)
{
    hold->state = HOLD_PLACED;
    hold->ended_at_ms = batch->now_ms;
    hold->placement_code = update->as.hold.placement_code;
    hold->provider_consent = update->as.hold.provider_consent;
    hold->authorities_consent = update->as.hold.authorities_consent;
    hold->starts_on = update->as.hold.starts_on;
}

enum err hold_place(struct batch *batch, struct update *update)
{
    struct stored_carer carer;
    struct stored_hold hold;
    bool own = false;
    enum err err = check_request(batch, update);
    if (err == ERR_NONE)
        err = hold_find(batch, update, &hold, &carer);
    if (err == ERR_NONE)
        err = check(batch, update, &hold.hold, &carer.home, &own);
    if (err != ERR_NONE)
        return err;
    bool told = tell_distance(update, &hold.hold, own, &carer.home);
    fill_placement(batch, update, &hold.hold);
    if (!hold_store(batch, &hold, &carer))
        return batch->failed;
    move_in(update, &hold.hold.token, &carer.home);
    /* Whose the children are is not shared: a backup that does not know them must be seen to be old. */
    if (!carer.home.lost)
        carer.home.revision = id_random(batch->home->options.randomness);
    const struct home_event event = {
        .kind = EVENT_PLACED, .home = &carer.home, .hold = &hold.hold, .by = update->principal};
    if (!batch_put_carer(batch, &carer, !carer.home.lost) || !batch_event(batch, &event))
        return batch->failed;
    hold_settle_result(batch, update, OUTCOME_UPDATED, &hold.hold, &carer);
    update->result.distance_told = told;
    if (told)
        memcpy(update->result.home_postcode, carer.home.carer.home_postcode, sizeof update->result.home_postcode);
    return ERR_NONE;
}

/* --- a placement that never began -------------------------------------------------------------------------------- */

/* Said by the word alone, so that no call that was late, or meant another hold, takes a child's bed away. */
static enum err check_word(struct update *update, const struct hold *hold, const char *field)
{
    bool placed = hold->state == HOLD_PLACED, says = update->as.hold.decline_reason == DECLINE_PLACEMENT_DID_NOT_BEGIN;
    if (placed == says)
        return ERR_NONE;
    if (placed)
        return problem_set(&update->result.problem, ERR_PRECONDITION, field,
                           "the hold is PLACED: it is taken back only as PLACEMENT_DID_NOT_BEGIN, where no child has "
                           "moved in; once one has, the agency says who lives there (PutCarer)");
    return problem_set(&update->result.problem, ERR_PRECONDITION, field,
                       "the hold is %s: no child is placed by it, so PLACEMENT_DID_NOT_BEGIN is not said of it",
                       hold_states.states[hold->state]);
}

/* Since a restore the children of a placement may not be known: then nobody knows that none of them is listed. */
enum err placement_check_back(struct update *update, const struct hold *hold, struct home_carer *home,
                              const char *field)
{
    struct problem *problem = &update->result.problem;
    enum err err = check_word(update, hold, field);
    if (err != ERR_NONE || hold->state != HOLD_PLACED)
        return err;
    const struct live_hold *listing = hold_listed(home, &hold->token);
    if (listing == NULL)
        return problem_set(problem, ERR_PRECONDITION, "hold_id",
                           "the hold is PLACED, and its vacancy has ended: the agency says who lives there (PutCarer)");
    if (home->lost || (listing->child_count == 0 && !listing->some_listed))
        return problem_set(problem, ERR_PRECONDITION, "hold_id",
                           "the hold is PLACED, and since this hub was restored it is not known whether its children "
                           "live there: the agency says so (PutCarer), and states the vacancy anew");
    if (listing->some_listed)
        return problem_set(problem, ERR_PRECONDITION, "hold_id",
                           "the hold is PLACED, and its agency has listed children of it since: the placement began; "
                           "once it is over the agency says who lives there (PutCarer)");
    return ERR_NONE;
}
