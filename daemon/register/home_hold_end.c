/*
 * home_hold_end.c - the end of holds: given back, run out, declined with the carer, erased, forgotten.
 * Owns: how a carer's record follows its holds, which placed children its agency lists by now, what is forgotten of
 * them and when. The writer's thread. Invariant: the carer's list has exactly the live holds and placements of its live
 * vacancy; a hold that ended is shared HOLD_SHARED_MS longer, a placement as long as its vacancy lives, and known here
 * HOLD_KEPT_MS. While its vacancy lives a placed child is not forgotten because a push does not know of it, and is not
 * counted twice once a push lists it. With EndCarer it is forgotten: that home offers no bed for which it would count,
 * and one that is approved anew is pushed whole, with who lives there.
 */
#include "daemon/base/log.h"
#include "daemon/record/states.h"
#include "daemon/register/home_parts.h"

#include <string.h>

/* --- the carer's list -------------------------------------------------------------------------------------------- */

struct live_hold *hold_listed(struct home_carer *home, const struct hold_token *token)
{
    for (uint32_t i = 0; i < home->hold_count; i++)
        if (home->holds[i].epoch == token->epoch && home->holds[i].sequence == token->sequence)
            return &home->holds[i];
    return NULL;
}

static void hold_unlist(struct home_carer *home, const struct hold_token *token)
{
    struct live_hold *found = hold_listed(home, token);
    if (found == NULL)
        return;
    size_t after = (size_t)(&home->holds[--home->hold_count] - found);
    memmove(found, found + 1, after * sizeof *found);
    memset(&home->holds[home->hold_count], 0, sizeof *home->holds);
}

bool hold_store(struct batch *batch, struct stored_hold *hold, struct stored_carer *carer)
{
    const struct hold *now = &hold->hold;
    struct home_carer *home = &carer->home;
    if (!batch_put_hold(batch, hold))
        return false;
    bool takes_beds = hold_live(now) || now->state == HOLD_PLACED;
    if (!takes_beds || home->vacancy.vacancy_id != now->vacancy_id) {
        hold_unlist(home, &now->token);
        return true;
    }
    struct live_hold *listing = hold_listed(home, &now->token);
    if (listing == NULL && home->hold_count == LIVE_HOLDS_MAX)
        log_fatal("register", "more than %d holds of one vacancy", LIVE_HOLDS_MAX); /* each has a bed */
    if (listing == NULL)
        listing = &home->holds[home->hold_count++];
    listing->epoch = now->token.epoch;
    listing->sequence = now->token.sequence;
    listing->state = now->state;
    listing->beds = now->beds;
    return true;
}

/* --- endings ----------------------------------------------------------------------------------------------------- */

static enum event_kind event_of(enum hold_state state)
{
    return state == HOLD_RELEASED   ? EVENT_HOLD_RELEASED
           : state == HOLD_DECLINED ? EVENT_HOLD_DECLINED
                                    : EVENT_HOLD_EXPIRED;
}

bool hold_end(struct batch *batch, struct stored_hold *hold, struct stored_carer *carer, enum hold_state state,
              const char *by)
{
    hold->hold.state = (uint8_t)state;
    hold->hold.ended_at_ms = batch->now_ms;
    return hold_store(batch, hold, carer) &&
           batch_event(batch, &(struct home_event){.kind = event_of(state),
                                                   .home = &carer->home,
                                                   .hold = &hold->hold,
                                                   .by = by,
                                                   .decline_reason = hold->hold.decline_reason});
}

enum err hold_expire(struct batch *batch, const struct hold_token *token)
{
    struct stored_hold hold;
    struct stored_carer carer;
    struct problem problem = {0};
    enum err err = batch_get_hold(batch, token, &hold, &problem);
    if (err == ERR_NONE && !hold_run_out(batch, &hold.hold))
        return ERR_PRECONDITION;
    if (err == ERR_NONE)
        err = batch_get_carer(batch, hold.hold.national_reference, &carer, &problem);
    if (err == ERR_NONE)
        err = states_check(&hold_states, hold.hold.state, HOLD_EXPIRE, "", &problem);
    if (err != ERR_NONE)
        return err;
    bool good = hold_end(batch, &hold, &carer, HOLD_EXPIRED, HUB_PRINCIPAL) && batch_put_carer(batch, &carer, false);
    return good ? ERR_NONE : batch->failed;
}

enum err holds_decline(struct batch *batch, struct stored_carer *carer, enum decline_reason reason, const char *by,
                       struct problem *problem)
{
    for (uint32_t i = carer->home.hold_count; i > 0; i--) {
        const struct live_hold *listing = &carer->home.holds[i - 1];
        const struct hold_token token = {listing->epoch, listing->sequence};
        struct stored_hold hold;
        if (listing->state == HOLD_PLACED)
            continue;
        enum err err = batch_get_hold(batch, &token, &hold, problem);
        if (err != ERR_NONE)
            return err == ERR_NOT_FOUND ? ERR_STORE_DAMAGED : err;
        bool run_out = hold_run_out(batch, &hold.hold);
        if (!run_out) {
            hold.hold.decline_reason = (uint8_t)reason;
            hold.hold.answered_at_ms = batch->now_ms;
        }
        if (!hold_end(batch, &hold, carer, run_out ? HOLD_EXPIRED : HOLD_DECLINED, run_out ? HUB_PRINCIPAL : by))
            return batch->failed;
    }
    return ERR_NONE;
}

/* --- placed children whom their agency lists by now -------------------------------------------------------------- */

/* Who of the children known so far, first those listed before, then those placed since, is whom of the pushed list. */
struct who {
    const struct carer *pushed;
    uint32_t count;
    struct placed_child known[CHILDREN_MAX * (1 + LIVE_HOLDS_MAX)];
    uint32_t known_as[CHILDREN_MAX]; /* by place in the pushed list: 1 + place in `known`; 0: none of them so far */
};

/* Of the same sex and authority, in the same age band or, after a birthday, in the next. */
static bool may_be(const struct placed_child *known, const struct placed_child *pushed)
{
    return known->sex == pushed->sex && strcmp(known->responsible_authority, pushed->responsible_authority) == 0 &&
           (pushed->age_band == known->age_band || pushed->age_band == known->age_band + 1);
}

/* By augmenting paths, no deeper than the pushed list is long: whoever was found stays found, if perhaps as another. */
static bool find_pushed(struct who *who, uint32_t known, uint32_t *tried)
{
    for (uint32_t i = 0; i < who->pushed->placed_count; i++) {
        if ((*tried >> i & 1) != 0 || !may_be(&who->known[known], &who->pushed->placed[i]))
            continue;
        *tried |= 1u << i;
        if (who->known_as[i] == 0 || find_pushed(who, who->known_as[i] - 1, tried)) {
            who->known_as[i] = known + 1;
            return true;
        }
    }
    return false;
}

static bool is_pushed(struct who *who, const struct placed_child *child)
{
    uint32_t tried = 0;
    who->known[who->count] = *child;
    return find_pushed(who, who->count++, &tried);
}

/* Those of one placement who are listed now go; the others stay, but it has begun. */
static void hand_over_listed(struct who *who, struct live_hold *listing)
{
    struct placed_child left[CHILDREN_MAX] = {0};
    uint32_t count = 0;
    for (uint32_t i = 0; i < listing->child_count; i++)
        if (!is_pushed(who, &listing->children[i]))
            left[count++] = listing->children[i];
    listing->some_listed = listing->some_listed || count < listing->child_count;
    memcpy(listing->children, left, sizeof left);
    listing->child_count = count;
}

enum err holds_told(struct batch *batch, struct home_carer *home, const struct carer *pushed, struct problem *problem)
{
    struct who who = {.pushed = pushed};
    for (uint32_t i = 0; i < home->carer.placed_count; i++)
        (void)is_pushed(&who, &home->carer.placed[i]);
    for (uint32_t i = 0; i < home->hold_count; i++) {
        struct live_hold *listing = &home->holds[i];
        const struct hold_token token = {listing->epoch, listing->sequence};
        struct stored_hold hold;
        if (listing->child_count == 0)
            continue;
        enum err err = batch_get_hold(batch, &token, &hold, problem);
        if (err != ERR_NONE && err != ERR_NOT_FOUND)
            return err;
        if (err == ERR_NONE && pushed->observed_at_ms <= hold.hold.ended_at_ms)
            continue;
        hand_over_listed(&who, listing);
    }
    return ERR_NONE;
}

bool holds_leave_children(struct home_carer *home)
{
    struct carer *carer = &home->carer;
    uint32_t before = carer->placed_count;
    for (uint32_t i = 0; i < home->hold_count; i++)
        for (uint32_t c = 0; c < home->holds[i].child_count && carer->placed_count < CHILDREN_MAX; c++)
            carer->placed[carer->placed_count++] = home->holds[i].children[c];
    return carer->placed_count > before;
}

/* --- forgetting -------------------------------------------------------------------------------------------------- */

enum err holds_erase(struct batch *batch, uint64_t national_reference, struct problem *problem)
{
    char carer[ID_TEXT_BYTES];
    id_format(national_reference, carer);
    const struct table_key prefix = key_of_hold_list(batch->home->options.region, HOLD_LIST_CARER, carer, NULL);
    for (;;) {
        struct octets from = key_octets(&prefix), key, value;
        struct hold_token token = {0};
        struct stored_hold hold;
        enum err err =
            tables_seek(batch->home->store, batch->txn, STORE_HOLD_LISTS, &from, false, &key, &value, problem);
        if (err == ERR_NOT_FOUND || (err == ERR_NONE && !key_begins(&key, &prefix)))
            return ERR_NONE;
        if (err == ERR_NONE && !key_hold_list_token(&key, &token))
            err = ERR_STORE_DAMAGED;
        if (err == ERR_NONE)
            err = batch_get_hold(batch, &token, &hold, problem);
        if (err != ERR_NONE)
            return err == ERR_NOT_FOUND ? ERR_STORE_DAMAGED : err;
        if (!batch_remove_hold(batch, &hold))
            return batch->failed;
    }
}

#define FORGET_HOLDS_PER_SLICE 256
#define FORGET_HOLDS_EVERY_MS  (3600LL * 1000)

/* The row of a placement says for as long as the vacancy lives which beds are taken. */
static enum err still_takes_beds(struct batch *batch, const struct hold *hold, bool *out)
{
    struct stored_carer carer;
    struct problem problem = {0};
    *out = false;
    if (hold->state != HOLD_PLACED)
        return ERR_NONE;
    enum err err = batch_get_carer(batch, hold->national_reference, &carer, &problem);
    *out = err == ERR_NONE && carer.home.vacancy.vacancy_id == hold->vacancy_id;
    return err == ERR_NOT_FOUND ? ERR_NONE : err;
}

/* Forgets of one hold what is due. *young: nor is it of any that was made later. */
static enum err forget_one(struct batch *batch, const struct hold_token *token, bool *young, size_t *changed)
{
    struct stored_hold hold;
    struct problem problem = {0};
    bool placed;
    enum err err = batch_get_hold(batch, token, &hold, &problem);
    if (err != ERR_NONE)
        return err == ERR_NOT_FOUND ? ERR_STORE_DAMAGED : err;
    int64_t now_ms = batch->now_ms, made_ms = hold.hold.made_at_ms, ended_ms = hold.hold.ended_at_ms;
    ended_ms = ended_ms < made_ms ? made_ms : ended_ms; /* a wall clock that was far back when it ended */
    *young = made_ms > now_ms - HOLD_SHARED_MS;
    if (hold_live(&hold.hold) || ended_ms > now_ms - HOLD_SHARED_MS)
        return ERR_NONE;
    if ((err = still_takes_beds(batch, &hold.hold, &placed)) != ERR_NONE || placed)
        return err;
    bool gone = ended_ms <= now_ms - HOLD_KEPT_MS;
    if (!gone && hold.row.size == 0)
        return ERR_NONE;
    (*changed)++;
    bool good = gone ? batch_remove_hold(batch, &hold) : batch_drop_hold_row(batch, &hold);
    batch_subject(batch, hold.hold.national_reference);
    return good ? ERR_NONE : batch->failed;
}

/* Moves *at past the holds of one slice; *end: those that come after them are young, or none. */
static enum err forget_slice(struct batch *batch, struct table_key *at, bool *end, size_t *changed)
{
    struct home *home = batch->home;
    for (int i = 0; i < FORGET_HOLDS_PER_SLICE; i++) {
        struct octets from = key_octets(at), key, value, rest;
        struct hold_token token;
        enum err err = home->store->ops->seek(batch->txn, STORE_HOLDS, &from, false, &key, &value);
        *end = err == ERR_NOT_FOUND || (err == ERR_NONE && !key_in_region(&key, home->options.region, &rest));
        if (*end)
            return ERR_NONE;
        if (err == ERR_NONE && !hold_key_read(&rest, &token))
            err = ERR_STORE_DAMAGED;
        if (err != ERR_NONE)
            return err;
        key_step_past(at, &key);
        err = forget_one(batch, &token, end, changed);
        if (err != ERR_NONE || *end)
            return err;
    }
    return ERR_NONE;
}

/* The same of a table whose rows say by themselves whether they are old. */
static enum err forget_rows(struct batch *batch, enum store_table table, struct table_key *at, bool *end,
                            size_t *changed)
{
    struct home *home = batch->home;
    for (int i = 0; i < FORGET_HOLDS_PER_SLICE; i++) {
        struct octets from = key_octets(at), key, value, rest;
        bool old = false;
        enum err err = tables_seek(home->store, batch->txn, table, &from, false, &key, &value, NULL);
        *end = err == ERR_NOT_FOUND || (err == ERR_NONE && !key_in_region(&key, home->options.region, &rest));
        if (*end)
            return ERR_NONE;
        if (err == ERR_NONE)
            err = table == STORE_ASKED ? asked_is_old(batch, &key, &value, &old)
                                       : reports_are_old(batch, &rest, &value, &old);
        if (err != ERR_NONE)
            return err;
        struct table_key own = {.size = key.size};
        memcpy(own.data, key.data, key.size); /* what seek pointed to goes with the deletion */
        key_step_past(at, &key);
        if (old && !batch_del(batch, table, &own))
            return batch->failed;
        *changed += old;
    }
    return ERR_NONE;
}

static const enum store_table forgotten[] = {STORE_HOLDS, STORE_ASKED, STORE_REPORTS};
#define FORGOTTEN_LAST (sizeof forgotten / sizeof *forgotten - 1)

/* How far a round is, which goes through those tables. */
struct round_place {
    size_t table;
    struct table_key at;
};

/* When the next one is due is by the boot clock. */
static void slice_done(struct home *home, const struct round_place *place, bool end)
{
    home->forget_holds.at = place->at;
    home->forget_holds.table = end ? 0 : place->table;
    home->forget_holds.under_way = !end;
    if (end)
        home->forget_holds.again_boot_ms = clock_boot_ms(home->options.clock) + FORGET_HOLDS_EVERY_MS;
}

static enum err forget_of_table(struct batch *batch, struct round_place *place, bool *end, size_t *changed)
{
    return forgotten[place->table] == STORE_HOLDS
               ? forget_slice(batch, &place->at, end, changed)
               : forget_rows(batch, forgotten[place->table], &place->at, end, changed);
}

/* A slice of one table, and from its end on one of the next. */
static enum err forget_next(struct batch *batch, struct round_place *place, bool *end, size_t *changed)
{
    enum err err;
    while ((err = forget_of_table(batch, place, end, changed)) == ERR_NONE && *end && place->table < FORGOTTEN_LAST) {
        place->table++;
        place->at = key_of_region(batch->home->options.region);
        *end = false;
    }
    return err;
}

bool hold_forget_slice(struct home *home)
{
    static const struct audit_entry forgot = {.principal = HUB_PRINCIPAL, .method = "forget"};
    struct batch batch;
    bool end = false;
    size_t changed = 0;
    if (home->read_only || !standing_decides(home) ||
        (!home->forget_holds.under_way && clock_boot_ms(home->options.clock) < home->forget_holds.again_boot_ms))
        return false;
    struct round_place place = {0, key_of_region(home->options.region)};
    if (home->forget_holds.under_way)
        place = (struct round_place){home->forget_holds.table, home->forget_holds.at};
    enum err err = batch_begin(home, true, &batch);
    if (err != ERR_NONE) {
        home_note_failure(home, err);
        return false;
    }
    uint64_t sequence_before = batch.position.sequence;
    err = forget_next(&batch, &place, &end, &changed);
    if (err == ERR_NONE && changed > 0 &&
        !batch_audit(&batch, &forgot, ERR_NONE, batch.position.sequence > sequence_before))
        err = batch.failed;
    if (err == ERR_NONE && changed > 0)
        err = batch_commit(&batch);
    else
        batch_abort(&batch); /* nothing to write costs no commit */
    home_note_failure(home, err);
    if (err != ERR_NONE) {
        log_warn("register", "holds that ended long ago can't be forgotten now: %s", err_name(err));
        end = true; /* tried again in the next round */
    }
    slice_done(home, &place, end);
    return home->forget_holds.under_way;
}
