/*
 * home_update.c - what each kind of update does to the register.
 * Owns: the rules that need the stored state: who exists, what is newer, push or confirmation. The writer's thread.
 * Invariant: each function checks everything before it writes anything, so a refused update leaves the batch as it was.
 */
#include "daemon/record/bytes.h"
#include "daemon/register/home_parts.h"
#include "vacancy/v1/home.pb-c.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum err refuse_carer(struct batch *batch, struct update *update, const char *field)
{
    enum err err = former_refuse(batch, update, update->agency_reference, field);
    if (err != ERR_NOT_FOUND)
        return err;
    return problem_set(&update->result.problem, ERR_FORBIDDEN, field,
                       "no carer of this agency has this reference; push the carer first");
}

static enum err check_ahead(struct batch *batch, struct update *update, const char *field)
{
    if (update->observed_at_ms <= batch->now_ms + OBSERVED_AHEAD_MAX_MS)
        return ERR_NONE;
    char observed[TIME_TEXT_BYTES], now[TIME_TEXT_BYTES];
    time_format(update->observed_at_ms, observed);
    time_format(batch->now_ms, now);
    return problem_set(&update->result.problem, ERR_INVALID, field,
                       "%s is more than 5 minutes ahead of this hub's clock (%s); set your clock right", observed, now);
}

static enum err refuse_stale(struct update *update, const char *field, int64_t stored_ms)
{
    char observed[TIME_TEXT_BYTES], stored[TIME_TEXT_BYTES];
    time_format(update->observed_at_ms, observed);
    time_format(stored_ms, stored);
    if (update->observed_at_ms == stored_ms)
        return problem_set(
            &update->result.problem, ERR_STALE, field,
            "observed at %s, and so is what is stored (%s), with other content; send what is true now with "
            "its own time",
            observed, stored);
    return problem_set(&update->result.problem, ERR_STALE, field,
                       "observed at %s, but what is stored was observed at %s; nothing was changed", observed, stored);
}

/* The agency must be registered. A suspended one keeps its register true all the same: match offers nothing of it. */
static enum err check_agency(struct batch *batch, struct update *update)
{
    struct table_key key = key_of_text(batch->home->options.region, update->agency);
    struct octets value;
    enum err err = batch_get(batch, STORE_AGENCIES, &key, &value, &update->result.problem);
    if (err == ERR_NOT_FOUND)
        return problem_set(&update->result.problem, ERR_FORBIDDEN, "",
                           "this agency is not registered with this hub; ask its operator");
    return err;
}

enum err refuse_lost(struct update *update, const char *field)
{
    return problem_set(&update->result.problem, ERR_PRECONDITION, field,
                       "since this hub was restored only the shared part of this carer is known (LOST_IN_RESTORE); "
                       "push the carer first");
}

/* Where the agency's reference leads: REFERENCES, or by its keyed hash ORPHANS. */
static enum err find_reference(struct batch *batch, struct update *update, const char *reference, struct octets *value)
{
    struct home *home = batch->home;
    struct table_key key = key_of_reference(home->options.region, update->agency, reference);
    enum err err = batch_get(batch, STORE_REFERENCES, &key, value, &update->result.problem);
    if (err != ERR_NOT_FOUND || lost_count(batch->lists, update->agency) == 0)
        return err;
    uint8_t hash[DIGEST_BYTES];
    agency_reference_hash(home->options.reference_secret, update->agency, reference, hash);
    key = key_of_orphan(home->options.region, update->agency, hash);
    return batch_get(batch, STORE_ORPHANS, &key, value, &update->result.problem);
}

enum err update_find_carer(struct batch *batch, struct update *update, const char *reference, struct stored_carer *out)
{
    struct octets value;
    enum err err = find_reference(batch, update, reference, &value);
    if (err != ERR_NONE)
        return err;
    err = value.size == 8 ? batch_get_carer(batch, get_be64(value.data), out, &update->result.problem)
                          : ERR_STORE_DAMAGED;
    if (err == ERR_NOT_FOUND)
        err = ERR_STORE_DAMAGED;
    if (err == ERR_STORE_DAMAGED && update->result.problem.code == ERR_NONE)
        (void)problem_set(&update->result.problem, err, "", "store damaged: a reference leads to no carer");
    return err;
}

enum err update_find_reference(struct batch *batch, struct update *update, const char *reference, uint64_t *out)
{
    struct octets value;
    enum err err = find_reference(batch, update, reference, &value);
    *out = err == ERR_NONE && value.size == 8 ? get_be64(value.data) : 0;
    return err == ERR_NOT_FOUND ? ERR_NONE : err;
}

void update_settle(struct batch *batch, struct update *update, enum update_outcome outcome,
                   const struct stored_carer *carer)
{
    struct update_result *result = &update->result;
    result->outcome = outcome;
    result->epoch = batch->position.epoch;
    result->sequence = batch->position.sequence;
    if (carer != NULL) {
        result->national_reference = carer->home.national_reference;
        result->vacancy_id = carer->home.vacancy.vacancy_id;
        result->valid_until_ms = carer->home.vacancy.valid_until_ms;
    }
}

static bool tell(struct batch *batch, const struct update *update, enum event_kind kind, const struct home_carer *home,
                 const char *detail)
{
    const struct home_event event = {
        .kind = kind,
        .home = home,
        .by = update->principal,
        .detail = detail,
        .until_ms = kind == EVENT_VACANCY_OFFERED || kind == EVENT_VACANCY_CHANGED ? home->vacancy.valid_until_ms : 0,
    };
    return batch_event(batch, &event);
}

/* A push that says something new is told; what ends is told where it does, while it is still known what it was. */
static bool tell_outcome(struct batch *batch, const struct update *update, enum update_outcome outcome,
                         const struct home_carer *home)
{
    bool created = outcome == OUTCOME_CREATED, carers = update->kind == UPDATE_PUT_CARER;
    if (!created && outcome != OUTCOME_UPDATED)
        return true;
    enum event_kind of_carer = created ? EVENT_CARER_REGISTERED : EVENT_CARER_CHANGED;
    enum event_kind of_vacancy = created ? EVENT_VACANCY_OFFERED : EVENT_VACANCY_CHANGED;
    return tell(batch, update, carers ? of_carer : of_vacancy, home, NULL);
}

static enum err store_and_settle(struct batch *batch, struct update *update, enum update_outcome outcome,
                                 struct stored_carer *carer, bool row_too)
{
    if (!tell_outcome(batch, update, outcome, &carer->home) || !batch_put_carer(batch, carer, row_too))
        return batch->failed;
    update_settle(batch, update, outcome, carer);
    return ERR_NONE;
}

/*
 * What this hub keeps to itself of the carer has changed: its row says so to every hub, so that after a restore
 * whatever knows less is known to be old (home_replay.c), also where a snapshot is all that peers have. Its row is put
 * then.
 */
static void change_unshared(struct batch *batch, struct stored_carer *carer)
{
    carer->home.revision = id_random(batch->home->options.randomness);
}

/* Whether the offer says all that the agency said of the vacancy, but for the words. */
static bool offer_tells(const struct home_carer *home)
{
    struct offer offer;
    return offer_derive(home, &offer) && offer.state != VACANCY_NOT_AVAILABLE && offer.state != VACANCY_LAPSED;
}

/* --- carers ------------------------------------------------------------------------------------------------------ */

bool reference_put(struct batch *batch, const struct home_carer *home)
{
    uint8_t reference[8];
    put_be64(reference, home->national_reference);
    struct octets value = {reference, sizeof reference};
    struct table_key key =
        key_of_reference(batch->home->options.region, home->carer.agency, home->carer.agency_reference);
    return batch_put(batch, STORE_REFERENCES, &key, &value);
}

static enum err create_carer(struct batch *batch, struct update *update, struct stored_carer *carer)
{
    struct home *home = batch->home;
    struct octets taken;
    memset(carer, 0, sizeof *carer);
    carer->home.vacancy.from = carer->home.vacancy.until = carer->home.vacancy.reserved_until = DATE_NONE;
    /* A taken one among 2^55 is as good as impossible; a stored carer is never overwritten all the same. */
    struct table_key key;
    enum err err;
    do {
        carer->home.national_reference = id_random(home->options.randomness);
        key = key_of_id(home->options.region, carer->home.national_reference);
        err = batch_get(batch, STORE_CARERS, &key, &taken, &update->result.problem);
    } while (err == ERR_NONE);
    if (err != ERR_NOT_FOUND)
        return err;
    carer->home.carer = update->as.carer;
    if (!reference_put(batch, &carer->home))
        return batch->failed;
    batch->carers++;
    return store_and_settle(batch, update, OUTCOME_CREATED, carer, true);
}

/* Whether all of b lies in a. */
static bool cell_holds(const struct home_cell *a, const struct home_cell *b)
{
    if (strcmp(a->authority, b->authority) != 0)
        return false;
    return a->size_km == 0 || (b->size_km > 0 && b->square_e_km >= a->square_e_km && b->square_n_km >= a->square_n_km &&
                               b->square_e_km + b->size_km <= a->square_e_km + a->size_km &&
                               b->square_n_km + b->size_km <= a->square_n_km + a->size_km);
}

/* The agency says again what a restore has lost: the same carer, under the same national reference. */
static enum err take_over(struct batch *batch, struct update *update, struct stored_carer *carer)
{
    struct home_carer *home = &carer->home;
    struct carer *pushed = &update->as.carer;
    /* Whom the backup knows as placed, and the push lists, is one child. */
    enum err err = holds_told(batch, home, pushed, &update->result.problem);
    if (err != ERR_NONE)
        return err;
    if (!reference_forget(batch, home))
        return batch->failed;
    /* The home is taken to be where it was (design 4.9), unless it can't be. */
    if (cell_holds(&home->carer.cell, &pushed->cell))
        pushed->cell = home->carer.cell;
    home->carer = *pushed;
    home->lost = false;
    /* An offer that tells all of its vacancy goes on; whatever the agency says of it next is newer. */
    int64_t known_ms = home->vacancy.observed_at_ms - 1;
    bool unclear = home->vacancy.state == VACANCY_NOT_AVAILABLE || home->vacancy.state == VACANCY_LAPSED;
    if (unclear && beds_held(home) == 0) /* what a team holds was vacant */
        vacancy_clear(batch, home, 0);
    else
        vacancy_settle(batch, home);
    home->vacancy_observed_at_ms = known_ms > 0 ? known_ms : 0;
    change_unshared(batch, carer); /* an old backup may know it under the number that it has */
    if (!reference_put(batch, home))
        return batch->failed;
    return store_and_settle(batch, update, OUTCOME_UPDATED, carer, true);
}

static enum err put_carer(struct batch *batch, struct update *update)
{
    static const char field[] = "carer.observed_at_ms";
    struct carer *pushed = &update->as.carer;
    struct stored_carer stored = {0};
    /* Whose it is, and since when it is known, comes from the caller's identity and the update, nowhere else. */
    memcpy(pushed->agency, update->agency, sizeof pushed->agency);
    pushed->observed_at_ms = update->observed_at_ms;
    pushed->status = CARER_APPROVED;
    memset(pushed->end_reason, 0, sizeof pushed->end_reason);
    pushed->ended_observed_at_ms = 0;
    enum err err = check_ahead(batch, update, field);
    if (err != ERR_NONE)
        return err;
    err = update_find_carer(batch, update, pushed->agency_reference, &stored);
    if (err == ERR_NOT_FOUND)
        err = former_refuse(batch, update, pushed->agency_reference, "carer.agency_reference");
    if (err == ERR_NOT_FOUND)
        return create_carer(batch, update, &stored);
    if (err != ERR_NONE)
        return err;
    if (stored.home.carer.status == CARER_MOVED)
        return carer_refuse_moved(update, &stored.home, "carer.agency_reference");
    if (stored.home.lost)
        return take_over(batch, update, &stored);
    struct carer *known = &stored.home.carer;
    bool ended = known->status == CARER_ENDED;
    int64_t known_ms = ended && known->ended_observed_at_ms > known->observed_at_ms ? known->ended_observed_at_ms
                                                                                    : known->observed_at_ms;
    bool same = !ended && carer_same_content(known, pushed);
    if (update->observed_at_ms < known_ms || (update->observed_at_ms == known_ms && !same))
        return refuse_stale(update, field, known_ms);
    if (update->observed_at_ms == known_ms) {
        batch_subject(batch, stored.home.national_reference);
        update_settle(batch, update, OUTCOME_CONFIRMED, &stored);
        return ERR_NONE;
    }
    /* A home keeps its cell until it moves, whatever postcode edition came since (design 4.9). */
    if (strcmp(known->home_postcode, pushed->home_postcode) == 0)
        pushed->cell = known->cell;
    if ((err = holds_told(batch, &stored.home, pushed, &update->result.problem)) != ERR_NONE)
        return err;
    *known = *pushed;
    if (stored.home.vacancy.vacancy_id != 0)
        vacancy_settle(batch, &stored.home);
    if (!same)
        change_unshared(batch, &stored);
    return store_and_settle(batch, update, same ? OUTCOME_CONFIRMED : OUTCOME_UPDATED, &stored, !same);
}

/* The carer of the update, which is the agency's and known well enough to be decided about; the names are those of the
 * request's fields. */
static enum err find_own(struct batch *batch, struct update *update, const char *observed_at, const char *reference,
                         struct stored_carer *out)
{
    enum err err = check_ahead(batch, update, observed_at);
    if (err == ERR_NONE)
        err = update_find_carer(batch, update, update->agency_reference, out);
    if (err != ERR_NONE)
        return err == ERR_NOT_FOUND ? refuse_carer(batch, update, reference) : err;
    if (out->home.carer.status == CARER_MOVED)
        return carer_refuse_moved(update, &out->home, reference);
    return out->home.lost ? refuse_lost(update, reference) : ERR_NONE;
}

static enum err end_carer(struct batch *batch, struct update *update)
{
    static const char field[] = "observed_at_ms";
    struct stored_carer stored = {0};
    enum err err = find_own(batch, update, field, "agency_reference", &stored);
    if (err != ERR_NONE)
        return err;
    struct carer *carer = &stored.home.carer;
    bool same = carer->status == CARER_ENDED && carer->approval_ends_on == update->as.end.ends_on &&
                strcmp(carer->end_reason, update->as.end.reason) == 0;
    int64_t known_ms =
        carer->ended_observed_at_ms > carer->observed_at_ms ? carer->ended_observed_at_ms : carer->observed_at_ms;
    if (update->observed_at_ms < known_ms || (update->observed_at_ms == known_ms && !same))
        return refuse_stale(update, field, known_ms);
    if (update->observed_at_ms == known_ms) {
        batch_subject(batch, stored.home.national_reference);
        update_settle(batch, update, OUTCOME_ENDED, &stored);
        return ERR_NONE;
    }
    if (update->as.end.ends_on <= carer->approved_on)
        return problem_set(&update->result.problem, ERR_PRECONDITION, "ends_on",
                           "must lie after the day of approval: the approval ends before it begins");
    err = holds_decline(batch, &stored, DECLINE_APPROVAL_ENDED, HUB_PRINCIPAL, &update->result.problem);
    if (err != ERR_NONE)
        return batch->failed ? batch->failed : (batch->failed = err);
    carer->status = CARER_ENDED;
    carer->approval_ends_on = update->as.end.ends_on;
    memcpy(carer->end_reason, update->as.end.reason, sizeof carer->end_reason);
    carer->ended_observed_at_ms = update->observed_at_ms;
    if (!same && !tell(batch, update, EVENT_CARER_ENDED, &stored.home, update->as.end.reason))
        return batch->failed;
    vacancy_clear(batch, &stored.home, update->observed_at_ms);
    carer_void_code(&stored.home);
    if (!same)
        change_unshared(batch, &stored);
    return store_and_settle(batch, update, OUTCOME_ENDED, &stored, true);
}

/* --- vacancies --------------------------------------------------------------------------------------------------- */

static enum err put_vacancy(struct batch *batch, struct update *update)
{
    static const char field[] = "vacancy.observed_at_ms";
    struct stored_carer stored = {0};
    struct vacancy pushed = update->as.vacancy;
    pushed.observed_at_ms = update->observed_at_ms;
    enum err err = find_own(batch, update, field, "vacancy.agency_reference", &stored);
    if (err != ERR_NONE)
        return err;
    struct vacancy *known = &stored.home.vacancy;
    int64_t known_ms = stored.home.vacancy_observed_at_ms;
    bool live = known->vacancy_id != 0, same = live && vacancy_same_content(known, &pushed);
    if (update->observed_at_ms < known_ms || (update->observed_at_ms == known_ms && !same))
        return refuse_stale(update, field, known_ms);
    err = same ? ERR_NONE : vacancy_check(&stored.home, &pushed, &update->result.problem);
    if (err != ERR_NONE)
        return err;
    if (update->observed_at_ms == known_ms) {
        batch_subject(batch, stored.home.national_reference);
        update_settle(batch, update, OUTCOME_CONFIRMED, &stored);
        return ERR_NONE;
    }
    pushed.vacancy_id = live ? known->vacancy_id : id_random(batch->home->options.randomness);
    pushed.reported_unavailable_at_ms = known->reported_unavailable_at_ms;
    *known = pushed;
    stored.home.vacancy_observed_at_ms = update->observed_at_ms;
    vacancy_settle(batch, &stored.home);
    batch->vacancies += !live;
    bool unshared = !same && !offer_tells(&stored.home);
    if (unshared)
        change_unshared(batch, &stored);
    return store_and_settle(batch, update,
                            same   ? OUTCOME_CONFIRMED
                            : live ? OUTCOME_UPDATED
                                   : OUTCOME_CREATED,
                            &stored, unshared);
}

static enum err withdraw(struct batch *batch, struct update *update)
{
    static const char field[] = "observed_at_ms";
    struct stored_carer stored;
    enum err err = check_ahead(batch, update, field);
    if (err == ERR_NONE)
        err = update_find_carer(batch, update, update->agency_reference, &stored);
    if (err != ERR_NONE)
        return err == ERR_NOT_FOUND ? refuse_carer(batch, update, "agency_reference") : err;
    bool live = stored.home.vacancy.vacancy_id != 0;
    int64_t known_ms = stored.home.vacancy_observed_at_ms;
    if (update->observed_at_ms < known_ms || (live && update->observed_at_ms == known_ms))
        return refuse_stale(update, field, known_ms);
    if (!live && update->observed_at_ms > known_ms)
        return problem_set(&update->result.problem, ERR_NOT_FOUND, "agency_reference",
                           "this carer has no live vacancy to withdraw");
    if (!live) { /* the same withdrawal again */
        batch_subject(batch, stored.home.national_reference);
        update_settle(batch, update, OUTCOME_ENDED, &stored);
        return ERR_NONE;
    }
    if (beds_held(&stored.home) > 0)
        return problem_set(&update->result.problem, ERR_PRECONDITION, "agency_reference",
                           "a team holds %u beds of this vacancy; decline the hold first (DeclineHold)",
                           beds_held(&stored.home));
    uint64_t ended_id = stored.home.vacancy.vacancy_id;
    bool unshared = !stored.home.lost && stored.shared.offer.size == 0;
    if (!tell(batch, update, EVENT_VACANCY_WITHDRAWN, &stored.home, NULL))
        return batch->failed;
    unshared = (holds_leave_children(&stored.home) && !stored.home.lost) || unshared;
    vacancy_clear(batch, &stored.home, update->observed_at_ms);
    if (unshared)
        change_unshared(batch, &stored);
    err = store_and_settle(batch, update, OUTCOME_ENDED, &stored, unshared);
    update->result.vacancy_id = ended_id;
    return err;
}

/* --- confirmations ----------------------------------------------------------------------------------------------- */

static bool confirm_one(struct batch *batch, struct update *update, struct stored_carer *stored)
{
    struct vacancy *vacancy = &stored->home.vacancy;
    if (update->observed_at_ms < stored->home.vacancy_observed_at_ms)
        return true; /* something newer is known: with `all` it is passed over, and not counted */
    update->result.confirmed++;
    if (update->observed_at_ms == stored->home.vacancy_observed_at_ms)
        return true; /* the same confirmation again */
    vacancy->observed_at_ms = update->observed_at_ms;
    stored->home.vacancy_observed_at_ms = update->observed_at_ms;
    vacancy_settle(batch, &stored->home);
    return batch_put_carer(batch, stored, false);
}

/* First all are looked at, then all are written: a stale one among them leaves no trace of the others. */
static enum err confirm_named(struct batch *batch, struct update *update)
{
    struct update_result *result = &update->result;
    struct stored_carer stored;
    uint32_t count = update->as.confirm.count;
    uint64_t *live = arena_alloc(batch->arena, (count ? count : 1) * sizeof *live);
    result->not_found = malloc((count ? count : 1) * sizeof *result->not_found);
    if (live == NULL || result->not_found == NULL)
        return problem_set(&result->problem, ERR_LIMIT, "agency_references", "too many at once; send fewer");
    uint32_t live_count = 0;
    for (uint32_t i = 0; i < count; i++) {
        enum err err = update_find_carer(batch, update, update->as.confirm.references[i], &stored);
        if (err == ERR_NOT_FOUND || (err == ERR_NONE && (stored.home.vacancy.vacancy_id == 0 || stored.home.lost))) {
            result->not_found[result->not_found_count++] = i;
            continue;
        }
        if (err != ERR_NONE)
            return err;
        if (update->observed_at_ms < stored.home.vacancy_observed_at_ms) {
            char field[48];
            snprintf(field, sizeof field, "agency_references[%u]", i);
            return refuse_stale(update, field, stored.home.vacancy_observed_at_ms);
        }
        live[live_count++] = stored.home.national_reference;
    }
    for (uint32_t i = 0; i < live_count; i++) {
        enum err err = batch_get_carer(batch, live[i], &stored, &result->problem);
        if (err != ERR_NONE || !confirm_one(batch, update, &stored))
            return batch->failed ? batch->failed : (batch->failed = err);
    }
    return ERR_NONE;
}

/* The agency's carers by reference: what is live of them, in the order of the references. */
static enum err collect_live(struct batch *batch, struct update *update, uint64_t **live, size_t *count)
{
    struct home *home = batch->home;
    struct table_key from = key_of_reference(home->options.region, update->agency, "");
    size_t prefix_bytes = from.size, capacity = 0;
    struct octets key, value;
    enum err err;
    while ((err = tables_seek(home->store, batch->txn, STORE_REFERENCES, &(struct octets){from.data, from.size}, false,
                              &key, &value, &update->result.problem)) == ERR_NONE) {
        if (key.size < prefix_bytes || memcmp(key.data, from.data, prefix_bytes) != 0 || value.size != 8)
            break;
        *live = list_need(*live, *count, &capacity, sizeof **live);
        (*live)[(*count)++] = get_be64(value.data);
        memcpy(from.data, key.data, key.size);
        from.data[key.size] = 0; /* the next key after this one */
        from.size = key.size + 1;
    }
    return err == ERR_NOT_FOUND ? ERR_NONE : err;
}

static enum err confirm_all(struct batch *batch, struct update *update)
{
    uint64_t *carers = NULL;
    size_t count = 0;
    enum err err = collect_live(batch, update, &carers, &count);
    /* A damaged record among them is found before the first is written. */
    for (int writing = 0; writing < 2; writing++)
        for (size_t i = 0; err == ERR_NONE && i < count; i++) {
            struct stored_carer stored;
            err = batch_get_carer(batch, carers[i], &stored, &update->result.problem);
            if (err == ERR_NONE && writing && stored.home.vacancy.vacancy_id != 0 &&
                !confirm_one(batch, update, &stored))
                err = batch->failed;
        }
    free(carers);
    if (err == ERR_STORE_IO)
        batch->failed = err;
    return err;
}

static enum err confirm(struct batch *batch, struct update *update)
{
    enum err err = check_ahead(batch, update, "observed_at_ms");
    if (err == ERR_NONE)
        err = update->as.confirm.all ? confirm_all(batch, update) : confirm_named(batch, update);
    if (err == ERR_NONE)
        update_settle(batch, update, OUTCOME_CONFIRMED, NULL);
    return err;
}

/* --- erasure ----------------------------------------------------------------------------------------------------- */

static enum err erase(struct batch *batch, struct update *update)
{
    struct stored_carer stored;
    enum err err = update_find_carer(batch, update, update->agency_reference, &stored);
    if (err != ERR_NONE)
        return err == ERR_NOT_FOUND ? refuse_carer(batch, update, "agency_reference") : err;
    if (!tell(batch, update, EVENT_CARER_ERASED, &stored.home, NULL) || !carer_erase(batch, &stored))
        return batch->failed;
    update_settle(batch, update, OUTCOME_ENDED, NULL);
    return ERR_NONE;
}

/* --- operators --------------------------------------------------------------------------------------------------- */

static struct octets copy_octets(struct batch *batch, const void *data, size_t size)
{
    uint8_t *copy = arena_alloc(batch->arena, size);
    if (copy == NULL) {
        batch->failed = ERR_LIMIT;
        return (struct octets){0};
    }
    memcpy(copy, data, size);
    return (struct octets){copy, size};
}

static enum err put_agency(struct batch *batch, struct update *update)
{
    const struct agency *agency = &update->as.agency_row;
    struct table_key key = key_of_text(batch->home->options.region, agency->id);
    struct octets known = {0}, row;
    enum err err = batch_get(batch, STORE_AGENCIES, &key, &known, &update->result.problem);
    if (err != ERR_NONE && err != ERR_NOT_FOUND)
        return err;
    bool created = err == ERR_NOT_FOUND;
    if (agency_encode(agency, batch->arena, &row) != ERR_NONE)
        return batch->failed = ERR_LIMIT;
    if (!created && known.size == row.size && memcmp(known.data, row.data, row.size) == 0) {
        update_settle(batch, update, OUTCOME_CONFIRMED, NULL);
        return ERR_NONE;
    }
    struct octets id = copy_octets(batch, agency->id, strlen(agency->id));
    if (batch->failed || !batch_log(batch, LOG_TABLE_AGENCY, &id, &known, false, &row) ||
        !batch_put(batch, STORE_AGENCIES, &key, &row))
        return batch->failed;
    batch->agencies += created;
    update_settle(batch, update, created ? OUTCOME_CREATED : OUTCOME_UPDATED, NULL);
    return ERR_NONE;
}

static enum err set_principal(struct batch *batch, struct update *update)
{
    Vacancy__V1__PrincipalRow row;
    vacancy__v1__principal_row__init(&row);
    row.suspended = update->as.standing.suspended;
    uint8_t packed[16];
    size_t packed_bytes = vacancy__v1__principal_row__pack(&row, packed);
    struct octets value = copy_octets(batch, packed, packed_bytes);
    struct octets name = copy_octets(batch, update->as.standing.name, strlen(update->as.standing.name));
    struct table_key key = key_of_text(batch->home->options.region, update->as.standing.name);
    if (batch->failed || !batch_put(batch, STORE_PRINCIPALS, &key, &value))
        return batch->failed;
    (void)batch_change(batch, CHANGE_PRINCIPAL, &name, false, &value);
    update_settle(batch, update, OUTCOME_UPDATED, NULL);
    return ERR_NONE;
}

/* --- the table of kinds ------------------------------------------------------------------------------------------ */

static const struct {
    enum err (*apply)(struct batch *batch, struct update *update);
    bool agencys;      /* an agency's own; the agency must be registered */
    bool may_reserve;  /* goes on while the store is full: it ends, withdraws, confirms or shuts out */
    bool any_standing; /* not a decision about a record: taken whether this hub decides or not */
} kinds[] = {
    [UPDATE_PUT_CARER] = {put_carer, .agencys = true},
    [UPDATE_END_CARER] = {end_carer, .agencys = true, .may_reserve = true},
    [UPDATE_PUT_VACANCY] = {put_vacancy, .agencys = true},
    [UPDATE_CONFIRM] = {confirm, .agencys = true, .may_reserve = true},
    [UPDATE_WITHDRAW] = {withdraw, .agencys = true, .may_reserve = true},
    [UPDATE_HOLD] = {hold_make},
    [UPDATE_EXTEND_HOLD] = {hold_extend},
    [UPDATE_RELEASE_HOLD] = {hold_release, .may_reserve = true},
    [UPDATE_PLACE] = {hold_place, .may_reserve = true},
    [UPDATE_ACCEPT_HOLD] = {hold_accept, .agencys = true, .may_reserve = true},
    [UPDATE_DECLINE_HOLD] = {hold_decline, .agencys = true, .may_reserve = true},
    [UPDATE_SETTLE_HOLD] = {hold_settle, .may_reserve = true},
    [UPDATE_NOTE_ASKED] = {asked_note, .may_reserve = true, .any_standing = true},
    [UPDATE_PUT_AGENCY] = {put_agency},
    [UPDATE_SET_PRINCIPAL] = {set_principal, .may_reserve = true},
    [UPDATE_ERASE_CARER] = {erase, .agencys = true, .may_reserve = true},
    [UPDATE_REPORT_UNAVAILABLE] = {report_unavailable, .may_reserve = true},
    [UPDATE_RELEASE_CARER] = {carer_release, .agencys = true},
    [UPDATE_LET_GO] = {carer_let_go, .may_reserve = true},
    [UPDATE_TAKE_OVER] = {carer_take_over, .agencys = true},
    [UPDATE_DECIDE] = {standing_decide, .may_reserve = true, .any_standing = true},
    [UPDATE_PROMOTE] = {standing_promote, .may_reserve = true, .any_standing = true},
    [UPDATE_REPLAY] = {replay_apply, .may_reserve = true, .any_standing = true},
    [UPDATE_SUPERSEDED] = {standing_supersede, .may_reserve = true, .any_standing = true},
    [UPDATE_BEHIND] = {standing_behind, .may_reserve = true, .any_standing = true},
};

enum err update_admit(struct batch *batch, struct update *update)
{
    struct problem *problem = &update->result.problem;
    if ((size_t)update->kind >= sizeof kinds / sizeof *kinds || kinds[update->kind].apply == NULL)
        return problem_set(problem, ERR_UNIMPLEMENTED, "", "an update that this hub does not know");
    return kinds[update->kind].any_standing ? ERR_NONE : standing_admit(batch, problem);
}

enum err update_apply(struct batch *batch, struct update *update)
{
    if (batch->only_reserve && !kinds[update->kind].may_reserve)
        return problem_set(&update->result.problem, ERR_STORE_FULL, "",
                           "this hub's store is full; withdrawals and confirmations still work, try others later");
    enum err err = kinds[update->kind].agencys ? check_agency(batch, update) : ERR_NONE;
    return err == ERR_NONE ? kinds[update->kind].apply(batch, update) : err;
}
