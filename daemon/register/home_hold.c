/*
 * home_hold.c - teams' holds and agencies' answers: who gets which beds.
 * Owns: which hold may be made, extended, released, accepted, declined, and whose it is. Placing is home_place.c's, a
 * hold's end home_hold_end.c's. The writer's thread. Invariant: of a vacancy no more beds are held and placed than it
 * has, counted in the transaction that decides. What has run out on the lease clock was ended before, of the carer at
 * least that is asked for (home_lapse.c); where that could not be written it keeps its beds from others, and is good
 * for nothing itself.
 */
#include "daemon/record/states.h"
#include "daemon/register/home_parts.h"

#include <stdio.h>
#include <string.h>

static int64_t or_default(int64_t set, int64_t otherwise)
{
    return set > 0 ? set : otherwise;
}

bool hold_run_out(const struct batch *batch, const struct hold *hold)
{
    return hold_live(hold) && hold->until_lease_ms <= batch->position.lease.lease_ms;
}

/* --- whose ------------------------------------------------------------------------------------------------------- */

/* Since a restore from what is shared only its hash tells the holder. */
bool home_is_holder(const struct home *home, const struct hold *hold, const char *holder)
{
    uint8_t hash[DIGEST_BYTES];
    if (hold->holder[0] != '\0')
        return strcmp(hold->holder, holder) == 0;
    hold_hash(home->options.reference_secret, "holder", hold->vacancy_id, NULL, holder, hash);
    return octets_equal(hash, hold->holder_hash, sizeof hash);
}

/* What a restore left out of it, as far as the caller tells. */
static void fill_in_team(const struct update *update, struct hold *hold)
{
    if (hold->holder[0] != '\0')
        return;
    memcpy(hold->holder, update->as.hold.holder, sizeof hold->holder);
    memcpy(hold->authority, update->as.hold.authority, sizeof hold->authority);
    memcpy(hold->forwarded_by, update->as.hold.forwarded_by, sizeof hold->forwarded_by);
}

/* An unknown hold and another's give the same answer (A7). */
static enum err refuse_hold(struct update *update)
{
    return problem_set(&update->result.problem, ERR_FORBIDDEN, "hold_id",
                       update->agency[0] != '\0' ? "no hold on a vacancy of this agency has this id"
                                                 : "no hold of this team has this id");
}

enum err hold_find(struct batch *batch, struct update *update, struct stored_hold *hold, struct stored_carer *carer)
{
    struct problem *problem = &update->result.problem;
    enum err err = batch_get_hold(batch, &update->as.hold.token, hold, problem);
    if (err != ERR_NONE)
        return err == ERR_NOT_FOUND ? refuse_hold(update) : err;
    err = batch_get_carer(batch, hold->hold.national_reference, carer, problem);
    if (err != ERR_NONE)
        return err == ERR_NOT_FOUND ? refuse_hold(update) : err;
    if (hold->hold.agency[0] == '\0') { /* since a restore */
        memcpy(hold->hold.agency, carer->home.carer.agency, sizeof hold->hold.agency);
        memcpy(hold->hold.agency_reference, carer->home.carer.agency_reference, sizeof hold->hold.agency_reference);
    }
    if (update->agency[0] != '\0')
        return strcmp(hold->hold.agency, update->agency) == 0 ? ERR_NONE : refuse_hold(update);
    if (!home_is_holder(batch->home, &hold->hold, update->as.hold.holder))
        return refuse_hold(update);
    fill_in_team(update, &hold->hold);
    return ERR_NONE;
}

/* Finds it, and asks whether this may follow its state. */
static enum err find_for(struct batch *batch, struct update *update, unsigned event, struct stored_hold *hold,
                         struct stored_carer *carer)
{
    enum err err = hold_find(batch, update, hold, carer);
    if (err != ERR_NONE)
        return err;
    unsigned state = hold_run_out(batch, &hold->hold) ? HOLD_EXPIRED : hold->hold.state;
    return states_check(&hold_states, state, event, "hold_id", &update->result.problem);
}

void hold_settle_result(struct batch *batch, struct update *update, enum update_outcome outcome,
                        const struct hold *hold, const struct stored_carer *carer)
{
    update_settle(batch, update, outcome, carer);
    update->result.vacancy_id = hold->vacancy_id;
    update->result.hold = *hold;
    update->result.beds_free = carer->home.vacancy.vacancy_id == hold->vacancy_id ? beds_free(&carer->home) : 0;
}

/* It lives on: as of `what`. */
static enum err store(struct batch *batch, struct update *update, enum event_kind what, struct stored_hold *hold,
                      struct stored_carer *carer)
{
    enum update_outcome outcome = what == EVENT_HELD ? OUTCOME_CREATED : OUTCOME_UPDATED;
    const struct home_event event = {.kind = what,
                                     .home = &carer->home,
                                     .hold = &hold->hold,
                                     .by = update->principal,
                                     .until_ms = hold->hold.until_ms};
    if (!hold_store(batch, hold, carer) || !batch_put_carer(batch, carer, false) || !batch_event(batch, &event))
        return batch->failed;
    hold_settle_result(batch, update, outcome, &hold->hold, carer);
    return ERR_NONE;
}

/* --- made before a restore --------------------------------------------------------------------------------------- */

#define RESTORED_SEEKS_MAX 16384
#define RESTORED_MARGIN_MS (24LL * 3600 * 1000) /* as much as the clocks of those days may have differed */

/* The first kept hold of an earlier epoch at or after `from`; *out->row is not read. ERR_NOT_FOUND: none. */
static enum err seek_restored(struct batch *batch, const struct hold_token *from, struct hold *out,
                              struct problem *problem)
{
    struct home *home = batch->home;
    struct table_key start = key_of_hold(home->options.region, from);
    struct octets at = key_octets(&start), key, value, rest;
    enum err err = tables_seek(home->store, batch->txn, STORE_HOLDS, &at, false, &key, &value, problem);
    if (err != ERR_NONE)
        return err;
    if (!key_in_region(&key, home->options.region, &rest) || !hold_key_read(&rest, &out->token) ||
        out->token.epoch >= batch->position.epoch)
        return ERR_NOT_FOUND;
    return home_hold_decode(&rest, &value, out, NULL);
}

/* Where those made at `since_ms` or later begin: holds are in the order in which they were made. */
static enum err begin_restored(struct batch *batch, int64_t since_ms, struct hold_token *out, struct problem *problem)
{
    const struct hold_token end = {batch->position.epoch, 0};
    uint64_t low = 0, high = hold_number(&end);
    while (low < high) {
        uint64_t middle = low + (high - low) / 2;
        const struct hold_token from = hold_of_number(middle);
        struct hold hold;
        enum err err = seek_restored(batch, &from, &hold, problem);
        if (err != ERR_NONE && err != ERR_NOT_FOUND)
            return err;
        if (err == ERR_NONE && hold.made_at_ms < since_ms)
            low = hold_number(&hold.token) + 1;
        else
            high = middle;
    }
    *out = hold_of_number(low);
    return ERR_NONE;
}

/* Made in an earlier epoch, and known by its hashes alone: what a restore left of it. Only once there was a restore,
 * and only holds as young as the request id, less a margin, are looked at: a bounded number, beyond which the answer
 * is neither yes nor no. */
static enum err find_restored(struct batch *batch, struct update *update, struct stored_hold *out)
{
    struct problem *problem = &update->result.problem;
    struct hold_token at;
    struct hold *hold = &out->hold;
    uint8_t hash[DIGEST_BYTES];
    if (batch->position.epoch <= 1)
        return ERR_NOT_FOUND;
    enum err err = begin_restored(batch, request_id_ms(update->request_id) - RESTORED_MARGIN_MS, &at, problem);
    for (int i = 0; err == ERR_NONE && i < RESTORED_SEEKS_MAX; i++) {
        err = seek_restored(batch, &at, hold, problem);
        if (err != ERR_NONE)
            return err;
        at = (struct hold_token){hold->token.epoch, hold->token.sequence + 1};
        if (hold->holder[0] != '\0' && strcmp(hold->holder, update->as.hold.holder) != 0)
            continue;
        hold_hash(batch->home->options.reference_secret, "request", hold->vacancy_id, update->request_id,
                  update->as.hold.holder, hash);
        if (octets_equal(hash, hold->request_hash, sizeof hash)) {
            const struct hold_token token = hold->token;
            return batch_get_hold(batch, &token, out, problem);
        }
    }
    if (err != ERR_NONE)
        return err;
    return problem_set(problem, ERR_PRECONDITION, "request_id",
                       "since this hub was restored it can't tell whether this was done: look at the team's holds "
                       "(ListHolds), then send what is still needed under a new id");
}

/* --- making one -------------------------------------------------------------------------------------------------- */

static enum err check_order(struct batch *batch, struct update *update, int64_t *duration_ms)
{
    const struct home_policy *policy = &batch->home->options.policy;
    struct problem *problem = &update->result.problem;
    int64_t most_ms = or_default(policy->hold_max_ms, HOLD_MAX_MS);
    int64_t least_ms = or_default(policy->hold_least_ms, HOLD_LEAST_MS);
    *duration_ms = update->as.hold.duration_ms;
    if (*duration_ms == 0)
        *duration_ms = or_default(policy->hold_default_ms, HOLD_DEFAULT_MS);
    if (!update->has_request_id)
        return problem_set(problem, ERR_INVALID, "request_id", "required: a UUIDv7");
    if (update->as.hold.beds == 0 || update->as.hold.beds > CHILDREN_MAX)
        return problem_set(problem, ERR_INVALID, "beds", "must be 1 to %d", CHILDREN_MAX);
    if (*duration_ms < least_ms || *duration_ms > most_ms)
        return problem_set(problem, ERR_INVALID, "duration_s",
                           "must be %lld to %lld seconds; left out, it is this hub's default",
                           (long long)least_ms / 1000, (long long)most_ms / 1000);
    return ERR_NONE;
}

static enum err find_vacancy(struct batch *batch, struct update *update, struct stored_carer *carer)
{
    struct problem *problem = &update->result.problem;
    enum err err = batch_find_vacancy(batch, update->as.hold.vacancy_id, carer, problem);
    if (err == ERR_NOT_FOUND)
        return problem_set(problem, ERR_NOT_FOUND, "vacancy_id",
                           "no live vacancy of this region has this id: it was taken or withdrawn; search again");
    return err;
}

/* What the carer's live holds are, read once. */
struct claims {
    struct stored_hold holds[LIVE_HOLDS_MAX];
    uint32_t count, own; /* own: the team's own, LIVE_HOLDS_MAX: none */
};

static enum err read_claims(struct batch *batch, struct update *update, const struct home_carer *home,
                            struct claims *out)
{
    out->count = 0;
    out->own = LIVE_HOLDS_MAX;
    for (uint32_t i = 0; i < home->hold_count; i++) {
        struct stored_hold *hold = &out->holds[out->count];
        const struct hold_token token = {home->holds[i].epoch, home->holds[i].sequence};
        if (home->holds[i].state == HOLD_PLACED)
            continue;
        enum err err = batch_get_hold(batch, &token, hold, &update->result.problem);
        if (err != ERR_NONE)
            return err == ERR_NOT_FOUND ? problem_set(&update->result.problem, ERR_STORE_DAMAGED, "",
                                                      "store damaged: a carer's record names no hold")
                                        : err;
        if (home_is_holder(batch->home, &hold->hold, update->as.hold.holder))
            out->own = out->count;
        out->count++;
    }
    return ERR_NONE;
}

/* A team has one live hold on a vacancy. */
static enum err refuse_second(struct batch *batch, struct update *update, const struct hold *own)
{
    char id[HOLD_ID_BYTES];
    hold_id_format(batch->home->options.region, &own->token, id);
    return problem_set(&update->result.problem, ERR_PRECONDITION, "vacancy_id",
                       "this team holds %u of its beds already (%s): extend that hold (ExtendHold), or release it "
                       "first (ReleaseHold)",
                       own->beds, id);
}

/* The same request again, which a restore has lost: its first answer, also when that hold has ended since. */
static enum err answer_restored(struct batch *batch, struct update *update, struct stored_hold *hold)
{
    struct problem *problem = &update->result.problem;
    struct stored_carer carer;
    if (hold->hold.vacancy_id != update->as.hold.vacancy_id || hold->hold.beds != update->as.hold.beds)
        return problem_set(problem, ERR_PRECONDITION, "request_id",
                           "this id was used before for another content; use a new one");
    enum err err = batch_get_carer(batch, hold->hold.national_reference, &carer, problem);
    if (err != ERR_NONE)
        return err == ERR_NOT_FOUND ? ERR_STORE_DAMAGED : err;
    fill_in_team(update, &hold->hold);
    memcpy(hold->hold.request_reference, update->as.hold.request_reference, sizeof hold->hold.request_reference);
    if (!batch_put_hold(batch, hold))
        return batch->failed;
    batch_subject(batch, carer.home.national_reference);
    hold_settle_result(batch, update, OUTCOME_REPEATED, &hold->hold, &carer);
    update->result.epoch = hold->hold.token.epoch;
    update->result.sequence = hold->hold.token.sequence;
    return ERR_NONE;
}

/* Whether a line of a list counts: not while its hold has run out and is to be ended yet. */
static enum err line_counts(struct batch *batch, const struct octets *key, bool *out, struct problem *problem)
{
    struct hold_token token;
    struct stored_hold hold;
    *out = true;
    if (!holds_overdue(batch))
        return ERR_NONE;
    enum err err = key_hold_list_token(key, &token) ? batch_get_hold(batch, &token, &hold, problem) : ERR_STORE_DAMAGED;
    if (err == ERR_NONE)
        *out = !hold_run_out(batch, &hold.hold);
    return err == ERR_NOT_FOUND ? ERR_STORE_DAMAGED : err;
}

static enum err check_limit(struct batch *batch, struct update *update)
{
    uint32_t most = (uint32_t)or_default(batch->home->options.policy.holds_each, HOLDS_EACH), count = 0;
    const struct table_key prefix =
        key_of_hold_list(batch->home->options.region, HOLD_LIST_TEAM_LIVE, update->as.hold.holder, NULL);
    struct table_key from = prefix;
    while (count < most) {
        struct octets at = key_octets(&from), key, value;
        enum err err = tables_seek(batch->home->store, batch->txn, STORE_HOLD_LISTS, &at, false, &key, &value,
                                   &update->result.problem);
        if (err == ERR_NOT_FOUND || (err == ERR_NONE && !key_begins(&key, &prefix)))
            return ERR_NONE;
        if (err != ERR_NONE)
            return err == ERR_STORE_DAMAGED ? err : (batch->failed = err);
        key_step_past(&from, &key);
        bool counts;
        struct octets line = {from.data, from.size - 1};
        if ((err = line_counts(batch, &line, &counts, &update->result.problem)) != ERR_NONE)
            return err;
        count += counts;
    }
    return problem_set(&update->result.problem, ERR_LIMIT, "",
                       "this team has %u live holds in this region, as many as a team may have; release one first",
                       count);
}

/* As a search for today has it (rules H1, H2): who asked yesterday may hold no longer. */
static bool is_over(const struct batch *batch, const struct home_carer *home)
{
    date_days today = date_of_wall_ms(batch->now_ms), ends_on = home->carer.approval_ends_on;
    return (home->vacancy.until != DATE_NONE && home->vacancy.until < today) ||
           (ends_on != DATE_NONE && ends_on <= today);
}

enum err hold_refuse_not_offered(struct problem *problem)
{
    return problem_set(problem, ERR_PRECONDITION, "hold_id",
                       "its vacancy is not offered any more: release the hold (ReleaseHold), and search again");
}

enum err hold_agency(struct batch *batch, const char *id, struct agency *out, bool *active, struct problem *problem)
{
    struct table_key key = key_of_text(batch->home->options.region, id);
    struct octets value;
    enum err err = batch_get(batch, STORE_AGENCIES, &key, &value, problem);
    *active = err == ERR_NONE && agency_decode(id, &value, out) == ERR_NONE && out->status == AGENCY_ACTIVE;
    return err == ERR_NOT_FOUND ? ERR_NONE : err;
}

/* A suspended agency's homes are offered to nobody. */
static enum err check_offered(struct batch *batch, struct update *update, const struct home_carer *home)
{
    struct problem *problem = &update->result.problem;
    struct agency agency;
    struct offer offer;
    bool active;
    if (home->lost)
        return problem_set(problem, ERR_PRECONDITION, "vacancy_id",
                           "since this hub was restored its agency has not said again what is true of this home; "
                           "telephone the agency");
    enum err err = hold_agency(batch, home->carer.agency, &agency, &active, problem);
    if (err != ERR_NONE)
        return err;
    if (!active || !offer_derive(home, &offer) || is_over(batch, home))
        return problem_set(problem, ERR_PRECONDITION, "vacancy_id", "this vacancy is not offered now; search again");
    if (offer.state == VACANCY_NOT_AVAILABLE)
        return states_check(&vacancy_states, VACANCY_NOT_AVAILABLE, VACANCY_HOLD, "vacancy_id", problem);
    if (home->vacancy.valid_until_ms > batch->now_ms || home->vacancy.state == VACANCY_LAPSED)
        return ERR_NONE;
    char since[TIME_TEXT_BYTES];
    time_format(home->vacancy.valid_until_ms, since);
    return problem_set(problem, ERR_PRECONDITION, "vacancy_id",
                       "its confirmation ran out at %s: telephone the agency, and hold it once that has confirmed it",
                       since);
}

/* Who holds is not said (V2). */
static enum err check_beds(struct update *update, const struct home_carer *home, const struct claims *claims,
                           int64_t now_ms)
{
    struct problem *problem = &update->result.problem;
    enum vacancy_state state = vacancy_state_now(home);
    uint32_t free = beds_free(home), asked = update->as.hold.beds;
    bool counted = state == VACANCY_VACANT || state == VACANCY_HELD || state == VACANCY_PLACED;
    if (!counted)
        return states_check(&vacancy_states, state, VACANCY_HOLD, "vacancy_id", problem);
    if (asked <= free && home->hold_count < LIVE_HOLDS_MAX)
        return ERR_NONE;
    int64_t first_ms = INT64_MAX;
    for (uint32_t i = 0; i < claims->count; i++)
        if (claims->holds[i].hold.until_ms < first_ms)
            first_ms = claims->holds[i].hold.until_ms;
    char when[TIME_TEXT_BYTES + 80] = "; its agency says when there are more (PutVacancy)", end[TIME_TEXT_BYTES];
    if (beds_held(home) > 0) {
        time_format(first_ms, end);
        snprintf(when, sizeof when, "; the first hold ends at %s at the latest", end);
    }
    (void)problem_set(problem, ERR_PRECONDITION, "beds",
                      "the vacancy is %s, %u asked for, %u free: %u held, %u placed%s", vacancy_states.states[state],
                      asked, free, beds_held(home), beds_placed(home), when);
    if (beds_held(home) > 0 && asked <= beds_free(home) + beds_held(home))
        problem->retry_after_ms = first_ms > now_ms ? first_ms - now_ms : 1;
    return ERR_PRECONDITION;
}

static enum err check_make(struct batch *batch, struct update *update, const struct home_carer *home,
                           const struct claims *claims)
{
    enum err err = check_offered(batch, update, home);
    if (err == ERR_NONE)
        err = check_beds(update, home, claims, batch->now_ms);
    return err == ERR_NONE ? check_limit(batch, update) : err;
}

static void fill_hold(struct batch *batch, const struct update *update, const struct home_carer *home,
                      int64_t duration_ms, struct hold *out)
{
    const uint8_t *secret = batch->home->options.reference_secret;
    const char *holder = update->as.hold.holder;
    *out = (struct hold){
        .national_reference = home->national_reference,
        .vacancy_id = home->vacancy.vacancy_id,
        .beds = update->as.hold.beds,
        .state = HOLD_ACTIVE,
        .made_at_ms = batch->now_ms,
        .until_ms = batch->now_ms + duration_ms,
        .until_lease_ms = batch->position.lease.lease_ms + duration_ms,
        .starts_on = DATE_NONE,
    };
    hold_hash(secret, "holder", out->vacancy_id, NULL, holder, out->holder_hash);
    hold_hash(secret, "request", out->vacancy_id, update->request_id, holder, out->request_hash);
    memcpy(out->agency, home->carer.agency, sizeof out->agency);
    memcpy(out->agency_reference, home->carer.agency_reference, sizeof out->agency_reference);
    memcpy(out->request_reference, update->as.hold.request_reference, sizeof out->request_reference);
    fill_in_team(update, out);
}

enum err hold_make(struct batch *batch, struct update *update)
{
    struct stored_carer carer;
    struct stored_hold hold = {0};
    struct claims *claims = arena_alloc(batch->arena, sizeof *claims);
    int64_t duration_ms;
    if (claims == NULL)
        return batch->failed = ERR_LIMIT;
    enum err err = check_order(batch, update, &duration_ms);
    if (err == ERR_NONE && (err = find_restored(batch, update, &hold)) == ERR_NONE)
        return answer_restored(batch, update, &hold);
    if (err != ERR_NOT_FOUND)
        return err;
    hold = (struct stored_hold){0};
    err = find_vacancy(batch, update, &carer);
    if (err == ERR_NONE)
        err = read_claims(batch, update, &carer.home, claims);
    if (err == ERR_NONE && claims->own != LIVE_HOLDS_MAX)
        return refuse_second(batch, update, &claims->holds[claims->own].hold);
    if (err == ERR_NONE)
        err = check_make(batch, update, &carer.home, claims);
    if (err != ERR_NONE)
        return err;
    fill_hold(batch, update, &carer.home, duration_ms, &hold.hold);
    return store(batch, update, EVENT_HELD, &hold, &carer);
}

/* --- what becomes of it ------------------------------------------------------------------------------------------ */

/* Rule H1: what was held while the agency was registered is not held on once it is suspended. */
static enum err check_agency(struct batch *batch, const struct hold *hold, struct problem *problem)
{
    struct agency agency;
    bool active;
    enum err err = hold_agency(batch, hold->agency, &agency, &active, problem);
    return err != ERR_NONE || active ? err : hold_refuse_not_offered(problem);
}

enum err hold_extend(struct batch *batch, struct update *update)
{
    struct problem *problem = &update->result.problem;
    struct stored_carer carer;
    struct stored_hold hold;
    int64_t most_ms = or_default(batch->home->options.policy.hold_default_ms, HOLD_DEFAULT_MS);
    int64_t least_ms = or_default(batch->home->options.policy.hold_least_ms, HOLD_LEAST_MS);
    int64_t by_ms = or_default(update->as.hold.duration_ms, most_ms);
    if (update->as.hold.duration_ms < 0 || by_ms < least_ms || by_ms > most_ms)
        return problem_set(problem, ERR_INVALID, "duration_s",
                           "must be %lld to %lld seconds; left out, it is this hub's default",
                           (long long)least_ms / 1000, (long long)most_ms / 1000);
    enum err err = find_for(batch, update, HOLD_EXTEND, &hold, &carer);
    if (err != ERR_NONE)
        return err;
    if (hold.hold.extended) {
        char until[TIME_TEXT_BYTES];
        time_format(hold.hold.until_ms, until);
        return problem_set(problem, ERR_PRECONDITION, "hold_id",
                           "it was extended before, and can be once: it ends at %s; the team may release (ReleaseHold) "
                           "or place (PlaceChild) it",
                           until);
    }
    if ((err = check_agency(batch, &hold.hold, problem)) != ERR_NONE)
        return err;
    hold.hold.extended = true;
    hold.hold.until_ms += by_ms;
    hold.hold.until_lease_ms += by_ms;
    return store(batch, update, EVENT_HOLD_EXTENDED, &hold, &carer);
}

/* Released by its team, or declined by its agency. */
static enum err end_by(struct batch *batch, struct update *update, struct stored_hold *hold, struct stored_carer *carer,
                       enum hold_state state)
{
    if (!hold_end(batch, hold, carer, state, update->principal) || !batch_put_carer(batch, carer, false))
        return batch->failed;
    hold_settle_result(batch, update, OUTCOME_ENDED, &hold->hold, carer);
    return ERR_NONE;
}

enum err hold_release(struct batch *batch, struct update *update)
{
    struct stored_carer carer;
    struct stored_hold hold;
    enum err err = find_for(batch, update, HOLD_RELEASE, &hold, &carer);
    if (err == ERR_NONE)
        err = placement_check_back(update, &hold.hold, &carer.home, "placement_did_not_begin");
    if (err != ERR_NONE)
        return err;
    hold.hold.decline_reason = update->as.hold.decline_reason;
    return end_by(batch, update, &hold, &carer, HOLD_RELEASED);
}

enum err hold_accept(struct batch *batch, struct update *update)
{
    struct stored_carer carer;
    struct stored_hold hold;
    enum err err = find_for(batch, update, HOLD_ACCEPT, &hold, &carer);
    if (err != ERR_NONE)
        return err;
    hold.hold.state = HOLD_ACCEPTED;
    hold.hold.answered_at_ms = batch->now_ms;
    return store(batch, update, EVENT_HOLD_ACCEPTED, &hold, &carer);
}

enum err hold_decline(struct batch *batch, struct update *update)
{
    struct stored_carer carer;
    struct stored_hold hold;
    uint8_t reason = update->as.hold.decline_reason;
    if (reason == DECLINE_NONE || reason == DECLINE_APPROVAL_ENDED || reason >= DECLINE_REASON_END)
        return problem_set(&update->result.problem, ERR_INVALID, "reason",
                           "required: why the agency declines; APPROVAL_ENDED is the hub's own");
    enum err err = find_for(batch, update, HOLD_DECLINE, &hold, &carer);
    if (err == ERR_NONE)
        err = placement_check_back(update, &hold.hold, &carer.home, "reason");
    if (err != ERR_NONE)
        return err;
    hold.hold.decline_reason = reason;
    hold.hold.answered_at_ms = batch->now_ms;
    return end_by(batch, update, &hold, &carer, HOLD_DECLINED);
}

/* --- what became of a call --------------------------------------------------------------------------------------- */

enum err hold_settle(struct batch *batch, struct update *update)
{
    struct problem *problem = &update->result.problem;
    struct stored_carer carer;
    struct stored_hold hold;
    struct hold_token token;
    uint8_t hash[DIGEST_BYTES];
    enum err err = request_settle(batch, update, &token);
    if (err == ERR_NONE && (err = batch_get_hold(batch, &token, &hold, problem)) == ERR_NOT_FOUND)
        return request_hold_gone(problem);
    if (err == ERR_NOT_FOUND)
        err = find_restored(batch, update, &hold);
    if (err == ERR_NOT_FOUND && !request_spend(batch, update))
        return batch->failed;
    if (err == ERR_NOT_FOUND)
        return problem_set(problem, err, "request_id",
                           "it was not done in this region, and never will be: the id is spent here; if another "
                           "region was asked, give `region`");
    if (err != ERR_NONE)
        return err;
    hold_hash(batch->home->options.reference_secret, "request", hold.hold.vacancy_id, update->request_id,
              update->as.hold.holder, hash);
    if (!octets_equal(hash, hold.hold.request_hash, sizeof hash))
        return problem_set(problem, ERR_PRECONDITION, "request_id", "this id was used before for another call");
    err = batch_get_carer(batch, hold.hold.national_reference, &carer, problem);
    if (err != ERR_NONE)
        return err;
    batch_subject(batch, hold.hold.national_reference);
    hold_settle_result(batch, update, OUTCOME_REPEATED, &hold.hold, &carer);
    return ERR_NONE;
}
