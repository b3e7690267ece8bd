/*
 * model_holds.c - see model_holds.h. One thread.
 */
#include "tests/sim/model_holds.h"

#include "tests/sim/hub.h"
#include "tests/sim/traffic.h"

#include <inttypes.h>
#include <string.h>

#define BIT(x)             (1u << (x))
#define STARTS_PAST_DAYS   28
#define STARTS_AHEAD_DAYS  365
#define EXTENSION_USUAL_MS HOLD_DEFAULT_MS

/* --- what there is ------------------------------------------------------------------------------------------------ */

static bool live(const struct model_hold *hold)
{
    return hold->state == HOLD_ACTIVE || hold->state == HOLD_ACCEPTED;
}

static const struct home_carer *home_of(const struct model *model, const struct model_hold *hold)
{
    return &model->carers[hold->agency][hold->reference].home;
}

/* Takes beds of the vacancy that the carer has now. */
static bool of_vacancy(const struct model *model, const struct model_hold *hold)
{
    uint64_t vacancy_id = home_of(model, hold)->vacancy.vacancy_id;
    return (live(hold) || hold->state == HOLD_PLACED) && vacancy_id != 0 && hold->vacancy_id == vacancy_id;
}

static bool of_carer(const struct model *model, const struct model_hold *hold, uint32_t agency, uint32_t reference)
{
    return hold->agency == agency && hold->reference == reference && of_vacancy(model, hold);
}

uint32_t model_held(const struct model *model, uint32_t agency, uint32_t reference)
{
    uint32_t beds = 0;
    for (uint32_t i = 0; i < model->holds.count; i++)
        if (live(&model->holds.at[i]) && of_carer(model, &model->holds.at[i], agency, reference))
            beds += model->holds.at[i].beds;
    return beds;
}

uint32_t model_placed(const struct model *model, uint32_t agency, uint32_t reference)
{
    uint32_t beds = 0;
    for (uint32_t i = 0; i < model->holds.count; i++)
        if (!live(&model->holds.at[i]) && of_carer(model, &model->holds.at[i], agency, reference))
            beds += model->holds.at[i].beds;
    return beds;
}

static uint32_t children_of(const struct model *model, uint32_t agency, uint32_t reference)
{
    uint32_t children = 0;
    for (uint32_t i = 0; i < model->holds.count; i++)
        if (of_carer(model, &model->holds.at[i], agency, reference))
            children += model->holds.at[i].child_count;
    return children;
}

uint32_t model_settled(const struct model *model, uint32_t agency, uint32_t reference)
{
    return model_placed(model, agency, reference) - children_of(model, agency, reference);
}

static uint32_t less(uint32_t a, uint32_t b)
{
    return a > b ? a - b : 0;
}

static uint32_t free_beds(const struct model *model, uint32_t agency, uint32_t reference)
{
    const struct home_carer *home = &model->carers[agency][reference].home;
    uint32_t held = model_held(model, agency, reference), placed = model_placed(model, agency, reference);
    uint32_t children = home->carer.placed_count + children_of(model, agency, reference);
    uint32_t beds = less(home->vacancy.beds, held + placed), places = less(home->carer.places, children + held);
    return beds < places ? beds : places;
}

enum vacancy_state model_state(const struct model *model, uint32_t agency, uint32_t reference)
{
    const struct vacancy *vacancy = &model->carers[agency][reference].home.vacancy;
    uint32_t held = model_held(model, agency, reference), placed = model_placed(model, agency, reference);
    bool full = vacancy->stated == VACANCY_VACANT && held + placed > 0 && free_beds(model, agency, reference) == 0;
    return full ? held > 0 ? VACANCY_HELD : VACANCY_PLACED : (enum vacancy_state)vacancy->stated;
}

static struct model_hold *hold_find(const struct model *model, const struct hold_token *token)
{
    for (uint32_t i = 0; i < model->holds.count; i++)
        if (model->holds.at[i].token.epoch == token->epoch && model->holds.at[i].token.sequence == token->sequence)
            return (struct model_hold *)&model->holds.at[i];
    return NULL;
}

/* --- time --------------------------------------------------------------------------------------------------------- */

enum over { OVER_NOT, OVER, OVER_UNKNOWN };

static enum over is_over(const struct model *model, const struct model_hold *hold)
{
    const struct sim_hub *hub = model->hub;
    if (hold->booted_at_ms != hub->booted_at_ms)
        return OVER_UNKNOWN;
    return clock_boot_ms(&hub->clock) >= hold->ends_boot_ms ? OVER : OVER_NOT;
}

/* Its time is over, and nobody could look whether it was ended: the disk is full, or has died. */
static bool may_have_ended(const struct model *model, const struct model_hold *hold)
{
    enum over over = is_over(model, hold);
    return live(hold) && (over == OVER || (over == OVER_UNKNOWN && model->hub->seam->dead));
}

bool model_unclear(const struct model *model, uint32_t agency, uint32_t reference)
{
    bool is = model->holds.unclear[agency][reference];
    for (uint32_t i = 0; i < model->holds.count; i++)
        is = is ||
             (of_carer(model, &model->holds.at[i], agency, reference) && may_have_ended(model, &model->holds.at[i]));
    return is;
}

static void has_expired(struct model *model, struct model_hold *hold)
{
    sim_require(model->hub->sim, is_over(model, hold) != OVER_NOT, "hold %" PRIu64 " ran out %" PRId64 " ms early",
                hold->token.sequence, hold->ends_boot_ms - clock_boot_ms(&model->hub->clock));
    hold->state = HOLD_EXPIRED;
    sim_cover(COVERED_TEAM_HOLD_EXPIRED);
    if (hold->booted_at_ms != model->hub->booted_at_ms)
        sim_cover(COVERED_TEAM_HOLD_EXPIRED_AFTER_REBOOT);
}

static const struct live_hold *listed(const struct home_carer *found, const struct hold_token *token)
{
    for (uint32_t i = 0; i < found->hold_count; i++)
        if (found->holds[i].epoch == token->epoch && found->holds[i].sequence == token->sequence)
            return &found->holds[i];
    return NULL;
}

/* Told as run out it may be before it is: that it has been ended shows in its carer's record. */
static bool is_listed(const struct model *model, const struct model_hold *hold)
{
    struct home_carer found;
    char text[AGENCY_REFERENCE_BYTES];
    carer_reference(hold->agency, hold->reference, text);
    return home_get_carer(model->hub->home, agency_id(hold->agency), text, &found) == ERR_NONE &&
           listed(&found, &hold->token) != NULL;
}

void model_learn_expired(struct model *model, bool all_ended)
{
    for (uint32_t i = 0; i < model->holds.count; i++) {
        struct model_hold *hold = &model->holds.at[i];
        struct hold found;
        if (!live(hold) || is_over(model, hold) == OVER_NOT)
            continue;
        model->hub->seam->looking++;
        enum err err = home_get_hold(model->hub->home, &hold->token, &found);
        bool goes_on = is_listed(model, hold);
        model->hub->seam->looking--;
        sim_require(model->hub->sim, err == ERR_NONE, "a hold acknowledged is not found: %s", err_name(err));
        if (!goes_on && found.state == HOLD_EXPIRED)
            has_expired(model, hold);
        else
            sim_require(model->hub->sim, !all_ended || is_over(model, hold) != OVER || !goes_on,
                        "hold %" PRIu64 " is kept %" PRId64 " ms beyond its end", hold->token.sequence,
                        clock_boot_ms(&model->hub->clock) - hold->ends_boot_ms);
    }
}

static bool may_be_forgotten(const struct model *model, const struct model_hold *hold)
{
    int64_t now_ms = clock_wall_ms(&model->hub->clock), latest_ms = model->hub->latest_wall_ms;
    return !live(hold) && (now_ms > latest_ms ? now_ms : latest_ms) >= hold->ended_wall_ms + HOLD_KEPT_MS;
}

bool model_hold_may_be_forgotten(const struct model *model, const struct hold_token *token)
{
    const struct model_hold *hold = hold_find(model, token);
    return hold != NULL && (hold->forgotten || may_be_forgotten(model, hold));
}

/* --- what the register had to answer ------------------------------------------------------------------------------ */

static const struct model_carer *carer_of_vacancy(const struct model *model, uint64_t vacancy_id, uint32_t *agency,
                                                  uint32_t *reference)
{
    for (*agency = 0; *agency < AGENCIES; ++*agency)
        for (*reference = 0; *reference < REFERENCES; ++*reference)
            if (vacancy_id != 0 && model->carers[*agency][*reference].home.vacancy.vacancy_id == vacancy_id)
                return &model->carers[*agency][*reference];
    return NULL;
}

/* Whether a search could show it to somebody for today. 1: yes, 0: no, -1: its valid_until is not known yet. */
static int offered(const struct model *model, uint32_t agency, const struct home_carer *known)
{
    const struct vacancy *vacancy = &known->vacancy;
    int64_t now_ms = clock_wall_ms(&model->hub->clock);
    date_days today = date_of_wall_ms(now_ms);
    struct home_carer home = *known;
    struct offer offer;
    home.hold_count = 0;
    if (model->agencies[agency].status != AGENCY_ACTIVE || !offer_derive(&home, &offer) ||
        offer.state != VACANCY_VACANT || (vacancy->until != DATE_NONE && vacancy->until < today) ||
        (known->carer.approval_ends_on != DATE_NONE && known->carer.approval_ends_on <= today))
        return 0;
    return vacancy->valid_until_ms == 0 ? -1 : vacancy->valid_until_ms > now_ms;
}

static uint32_t live_of_team(const struct model *model, uint32_t team, bool surely)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < model->holds.count; i++)
        count += model->holds.at[i].team == team && live(&model->holds.at[i]) &&
                 !(surely && may_have_ended(model, &model->holds.at[i]));
    return count;
}

static void expect_make(const struct model *model, const struct operation *operation, uint32_t *outcomes,
                        uint32_t *errors)
{
    uint32_t agency, reference;
    const struct model_carer *carer = carer_of_vacancy(model, operation->vacancy_id, &agency, &reference);
    if (carer == NULL) {
        *errors = BIT(ERR_NOT_FOUND);
        return;
    }
    int is_offered = offered(model, agency, &carer->home);
    bool own = false, unclear = model_unclear(model, agency, reference);
    for (uint32_t i = 0; i < model->holds.count; i++) {
        const struct model_hold *hold = &model->holds.at[i];
        own = own || (hold->team == operation->team && live(hold) && !may_have_ended(model, hold) &&
                      of_carer(model, hold, agency, reference));
    }
    bool refused = own || is_offered == 0 || operation->beds > free_beds(model, agency, reference);
    if (refused || is_offered < 0 || unclear)
        *errors |= BIT(ERR_PRECONDITION);
    if (live_of_team(model, operation->team, false) >= SIM_HOLDS_EACH)
        *errors |= BIT(ERR_LIMIT);
    if (!own && is_offered != 0 && (!refused || unclear) && live_of_team(model, operation->team, true) < SIM_HOLDS_EACH)
        *outcomes = BIT(OUTCOME_CREATED);
}

static void expect_report(const struct model *model, const struct operation *operation, uint32_t *outcomes,
                          uint32_t *errors)
{
    uint32_t agency, reference;
    const struct model_carer *carer = carer_of_vacancy(model, operation->vacancy_id, &agency, &reference);
    if (carer == NULL) {
        *errors = BIT(ERR_NOT_FOUND);
        return;
    }
    const struct vacancy *vacancy = &carer->home.vacancy;
    bool full = vacancy->stated == VACANCY_VACANT && model_placed(model, agency, reference) > 0 &&
                model_held(model, agency, reference) == 0 && free_beds(model, agency, reference) == 0;
    bool lapsed = vacancy->state == VACANCY_LAPSED || vacancy->valid_until_ms == 0; /* or may be */
    if (full || lapsed || vacancy->stated == VACANCY_NOT_AVAILABLE || model_unclear(model, agency, reference) ||
        vacancy->valid_until_ms <= clock_wall_ms(&model->hub->clock))
        *errors = BIT(ERR_PRECONDITION);
    if (!full || model_unclear(model, agency, reference))
        *outcomes = BIT(OUTCOME_UPDATED) | BIT(OUTCOME_CONFIRMED); /* told to its agency, or it knows already */
}

static bool may_place(const struct model *model, const struct operation *operation, const struct model_hold *hold)
{
    const struct home_carer *home = home_of(model, hold);
    date_days starts_on = operation->starts_on;
    uint32_t there = home->carer.placed_count + children_of(model, hold->agency, hold->reference);
    return there + operation->beds <= CHILDREN_MAX && starts_on >= home->carer.approved_on &&
           (home->carer.approval_ends_on == DATE_NONE || starts_on < home->carer.approval_ends_on);
}

/* What docs/states.md lets follow; and rule H1: with a suspended agency no child is placed, and no bed kept longer. */
static bool may_follow(const struct model *model, const struct operation *operation, const struct model_hold *hold)
{
    bool registered = model->agencies[hold->agency].status == AGENCY_ACTIVE;
    switch (operation->kind) {
    case UPDATE_EXTEND_HOLD:
        return live(hold) && !hold->extended && registered;
    case UPDATE_ACCEPT_HOLD:
        return hold->state == HOLD_ACTIVE;
    case UPDATE_PLACE:
        return live(hold) && may_place(model, operation, hold) && registered;
    default:
        return live(hold);
    }
}

void model_expect_hold(const struct model *model, const struct operation *operation, uint32_t *outcomes,
                       uint32_t *errors)
{
    *outcomes = *errors = 0;
    if (model->hub->disk_full) /* what has run out may not have been ended */
        *errors |= BIT(ERR_PRECONDITION) | BIT(ERR_LIMIT);
    if (operation->kind == UPDATE_HOLD) {
        expect_make(model, operation, outcomes, errors);
        return;
    }
    if (operation->kind == UPDATE_REPORT_UNAVAILABLE) {
        expect_report(model, operation, outcomes, errors);
        return;
    }
    const struct model_hold *hold = hold_find(model, &operation->token);
    date_days today = date_of_wall_ms(clock_wall_ms(&model->hub->clock));
    if (operation->kind == UPDATE_PLACE &&
        (operation->starts_on < today - STARTS_PAST_DAYS || operation->starts_on > today + STARTS_AHEAD_DAYS)) {
        *errors = BIT(ERR_INVALID);
        return;
    }
    bool whose =
        hold != NULL && (of_team(operation->kind) ? hold->team == operation->team : hold->agency == operation->agency);
    if (hold == NULL || hold->forgotten || !whose) {
        *errors = BIT(ERR_FORBIDDEN);
        return;
    }
    if (may_be_forgotten(model, hold))
        *errors |= BIT(ERR_FORBIDDEN);
    enum over over = is_over(model, hold);
    bool may = may_follow(model, operation, hold) && over != OVER;
    bool unclear = operation->kind == UPDATE_PLACE && model_unclear(model, hold->agency, hold->reference);
    if (!may || over == OVER_UNKNOWN || unclear)
        *errors |= BIT(ERR_PRECONDITION);
    if (may || (unclear && live(hold) && over != OVER))
        *outcomes = operation->kind == UPDATE_RELEASE_HOLD || operation->kind == UPDATE_DECLINE_HOLD
                        ? BIT(OUTCOME_ENDED)
                        : BIT(OUTCOME_UPDATED);
}

/* --- taking over -------------------------------------------------------------------------------------------------- */

static void take_made(struct model *model, const struct operation *operation, const struct update *update)
{
    struct sim_hub *hub = model->hub;
    const struct hold *made = &update->result.hold;
    int64_t length_ms = operation->duration_s != 0 ? operation->duration_s * SECOND_MS : HOLD_DEFAULT_MS;
    struct model_hold hold = {
        .token = made->token,
        .team = operation->team,
        .vacancy_id = operation->vacancy_id,
        .beds = operation->beds,
        .state = HOLD_ACTIVE,
        .until_ms = clock_wall_ms(&hub->clock) + length_ms,
        .ends_boot_ms = clock_boot_ms(&hub->clock) + length_ms,
        .booted_at_ms = hub->booted_at_ms,
    };
    sim_require(hub->sim,
                made->token.epoch == update->result.epoch && made->token.sequence <= update->result.sequence &&
                    made->token.sequence > 0 && hold_find(model, &made->token) == NULL,
                "a hold's token, %" PRIu64 ", is not its own place in the log", made->token.sequence);
    (void)carer_of_vacancy(model, operation->vacancy_id, &hold.agency, &hold.reference);
    sim_require(hub->sim, model->holds.count < MODEL_HOLDS, "more holds than were asked for");
    model->holds.at[model->holds.count++] = hold;
    sim_cover(COVERED_TEAM_HOLD_MADE);
}

/* Children of one placement are siblings, with a number that nobody there has. */
static void move_in(struct model *model, const struct operation *operation, struct model_hold *hold)
{
    const struct carer *carer = &home_of(model, hold)->carer;
    uint8_t last = 0;
    for (uint32_t i = 0; i < carer->placed_count; i++)
        last = carer->placed[i].sibling_group > last ? carer->placed[i].sibling_group : last;
    for (uint32_t i = 0; i < model->holds.count; i++)
        for (uint32_t c = 0;
             of_carer(model, &model->holds.at[i], hold->agency, hold->reference) && c < model->holds.at[i].child_count;
             c++)
            last = model->holds.at[i].children[c].sibling_group > last ? model->holds.at[i].children[c].sibling_group
                                                                       : last;
    hold->child_count = operation->beds;
    for (uint32_t i = 0; i < hold->child_count; i++)
        hold->children[i] =
            (struct placed_child){AGE_6_8, SEX_F, (uint8_t)(hold->child_count > 1 ? last + 1 : 0), HOLD_TEAM_AUTHORITY};
}

static void take_report(struct model *model, const struct operation *operation, const struct update *update)
{
    uint32_t agency, reference;
    int64_t now_ms = clock_wall_ms(&model->hub->clock);
    (void)carer_of_vacancy(model, operation->vacancy_id, &agency, &reference);
    struct vacancy *vacancy = &model->carers[agency][reference].home.vacancy;
    if (update->result.outcome != OUTCOME_UPDATED)
        return;
    vacancy->reported_unavailable_at_ms = now_ms;
    if (vacancy->valid_until_ms > now_ms)
        vacancy->valid_until_ms = now_ms;
    sim_cover(COVERED_TEAM_REPORTED);
}

static void end(const struct model *model, struct model_hold *hold, uint8_t state)
{
    hold->state = state;
    hold->ended_wall_ms = clock_wall_ms(&model->hub->clock);
}

static void take_one(struct model *model, const struct operation *operation, struct model_hold *hold)
{
    int64_t by_ms = operation->duration_s != 0 ? operation->duration_s * SECOND_MS : EXTENSION_USUAL_MS;
    switch (operation->kind) {
    case UPDATE_EXTEND_HOLD:
        hold->extended = true;
        hold->until_ms += by_ms;
        hold->ends_boot_ms += by_ms;
        sim_cover(COVERED_TEAM_HOLD_EXTENDED);
        break;
    case UPDATE_RELEASE_HOLD:
        end(model, hold, HOLD_RELEASED);
        sim_cover(COVERED_TEAM_HOLD_RELEASED);
        break;
    case UPDATE_PLACE:
        move_in(model, operation, hold);
        end(model, hold, HOLD_PLACED);
        sim_cover(COVERED_TEAM_PLACED);
        break;
    case UPDATE_ACCEPT_HOLD:
        hold->state = HOLD_ACCEPTED;
        sim_cover(COVERED_TEAM_HOLD_ACCEPTED);
        break;
    default:
        end(model, hold, HOLD_DECLINED);
        sim_cover(COVERED_TEAM_HOLD_DECLINED);
        break;
    }
}

void model_take_hold(struct model *model, const struct operation *operation, const struct update *update)
{
    const struct hold *told = &update->result.hold;
    if (operation->kind == UPDATE_REPORT_UNAVAILABLE) {
        take_report(model, operation, update);
        return;
    }
    if (operation->kind == UPDATE_HOLD)
        take_made(model, operation, update);
    else
        take_one(model, operation, hold_find(model, &operation->token));
    const struct model_hold *hold = hold_find(model, &told->token);
    sim_require(model->hub->sim,
                hold != NULL && told->state == hold->state && told->beds == hold->beds &&
                    told->vacancy_id == hold->vacancy_id && told->extended == hold->extended &&
                    told->until_ms == hold->until_ms,
                "what is told of hold %" PRIu64 " is not what was decided: state %d", told->token.sequence,
                told->state);
    uint32_t free = home_of(model, hold)->vacancy.vacancy_id == hold->vacancy_id
                        ? free_beds(model, hold->agency, hold->reference)
                        : 0;
    sim_require(model->hub->sim,
                update->result.beds_free == free || model_unclear(model, hold->agency, hold->reference),
                "%u beds are said to be free after hold %" PRIu64 ", it had to be %u", update->result.beds_free,
                told->token.sequence, free);
}

void model_holds_pushed(struct model *model, uint32_t agency, uint32_t reference, const struct carer *pushed)
{
    bool listed = false;
    for (uint32_t i = 0; i < pushed->placed_count; i++)
        listed = listed || strcmp(pushed->placed[i].responsible_authority, HOLD_TEAM_AUTHORITY) == 0;
    if (listed && children_of(model, agency, reference) > 0)
        model->holds.unclear[agency][reference] = true;
}

void model_holds_ended(struct model *model, uint32_t agency, uint32_t reference)
{
    for (uint32_t i = 0; i < model->holds.count; i++) {
        struct model_hold *hold = &model->holds.at[i];
        if (!of_carer(model, hold, agency, reference) || !live(hold))
            continue;
        enum over over = is_over(model, hold);
        end(model, hold, over == OVER ? HOLD_EXPIRED : over == OVER_NOT ? HOLD_DECLINED : HOLD_NONE);
        sim_cover(COVERED_TEAM_HOLD_ENDED_WITH_CARER);
    }
    model->holds.unclear[agency][reference] = false;
}

/* Whoever was placed and is not listed yet lives there all the same. */
void model_holds_withdrawn(struct model *model, uint32_t agency, uint32_t reference)
{
    struct carer *carer = &model->carers[agency][reference].home.carer;
    for (uint32_t i = 0; i < model->holds.count; i++)
        for (uint32_t c = 0; of_carer(model, &model->holds.at[i], agency, reference) &&
                             c < model->holds.at[i].child_count && carer->placed_count < CHILDREN_MAX;
             c++)
            carer->placed[carer->placed_count++] = model->holds.at[i].children[c];
}

/* --- found = promised --------------------------------------------------------------------------------------------- */

/* kept: its carer's record has it. */
static void compare_one(struct model *model, struct model_hold *hold, bool kept)
{
    struct sim_hub *hub = model->hub;
    struct hold found;
    char name[PRINCIPAL_NAME_BYTES];
    if (hold->forgotten)
        return;
    enum err err = home_get_hold(hub->home, &hold->token, &found);
    if (err == ERR_NOT_FOUND && may_be_forgotten(model, hold)) {
        hold->forgotten = true;
        return;
    }
    sim_require(hub->sim, err == ERR_NONE, "hold %" PRIu64 ", acknowledged, is not found: %s", hold->token.sequence,
                err_name(err));
    if (live(hold) && found.state == HOLD_EXPIRED && kept)
        found.state = is_over(model, hold) != OVER_NOT ? hold->state : found.state;
    else if (live(hold) && found.state == HOLD_EXPIRED)
        has_expired(model, hold);
    if (hold->state == HOLD_NONE && (found.state == HOLD_EXPIRED || found.state == HOLD_DECLINED))
        hold->state = found.state;
    hold->ended_wall_ms = found.ended_at_ms;
    sim_require(hub->sim,
                found.state == hold->state && found.beds == hold->beds && found.vacancy_id == hold->vacancy_id &&
                    found.extended == hold->extended && found.until_ms == hold->until_ms &&
                    strcmp(found.holder, traffic_team_name(hold->team, name)) == 0,
                "hold %" PRIu64 " is of state %d, acknowledged was state %d", hold->token.sequence, found.state,
                hold->state);
}

void model_compare_all_holds(struct model *model)
{
    model->hub->seam->looking++;
    for (uint32_t i = 0; i < model->holds.count; i++)
        compare_one(model, &model->holds.at[i], of_vacancy(model, &model->holds.at[i]));
    model->hub->seam->looking--;
}

static void compare_children(struct model *model, struct model_hold *hold, const struct live_hold *found)
{
    bool unclear = model_unclear(model, hold->agency, hold->reference);
    sim_require(model->hub->sim,
                found->child_count == hold->child_count || (unclear && found->child_count < hold->child_count),
                "%u children of hold %" PRIu64 " are known, %u were placed", found->child_count, hold->token.sequence,
                hold->child_count);
    for (uint32_t i = 0; i < found->child_count; i++)
        sim_require(model->hub->sim,
                    strcmp(found->children[i].responsible_authority, HOLD_TEAM_AUTHORITY) == 0 &&
                        found->children[i].sibling_group == hold->children[i].sibling_group,
                    "another child is placed than was");
    hold->child_count = found->child_count;
}

void model_compare_holds(struct model *model, uint32_t agency, uint32_t reference, const struct home_carer *found)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < model->holds.count; i++) {
        struct model_hold *hold = &model->holds.at[i];
        if (!of_carer(model, hold, agency, reference))
            continue;
        const struct live_hold *listing = listed(found, &hold->token);
        if (listing == NULL && live(hold)) {
            compare_one(model, hold, false); /* it has run out, or this fails */
            sim_require(model->hub->sim, !live(hold), "a hold that lives is not its carer's");
            continue;
        }
        sim_require(model->hub->sim, listing != NULL && listing->state == hold->state && listing->beds == hold->beds,
                    "hold %" PRIu64 " is not its carer's as it was acknowledged", hold->token.sequence);
        compare_children(model, hold, listing);
        count++;
    }
    sim_require(model->hub->sim, count == found->hold_count, "a carer has %u holds, %u were acknowledged",
                found->hold_count, count);
    model->holds.unclear[agency][reference] = false;
}
