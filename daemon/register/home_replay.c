/*
 * home_replay.c - after a restore: this region's own later entries and records, as its peers have them.
 * Owns: checking them as a replica would, and putting them into the home tables. The writer's thread. Invariant: what
 * is replayed was signed by our own key and adds up to what was signed; a carer of which that tells more than the
 * backup, if only by its row's revision that there was more, is lost (home_lost.c), and said to be: nothing private is
 * guessed, and none of it goes back unsaid.
 */
#include "daemon/base/log.h"
#include "daemon/record/bytes.h"
#include "daemon/register/home_parts.h"

#include <stdio.h>
#include <string.h>

static const struct octets none;

/* Whatever is wrong, nothing of it stays. */
#define FAIL(batch, problem, ...) ((batch)->failed = problem_set((problem), ERR_INVALID, "replay", __VA_ARGS__))

static bool to_change(struct batch *batch, enum log_table table, const struct octets *key, const struct octets *before,
                      const struct octets *value)
{
    state_change(&batch->state, table, key, before, value);
    return batch_change(batch, table, key, value->size == 0, value);
}

/* --- a carer's list of holds ------------------------------------------------------------------------------------- */

/* It has the hold, as it is, exactly while that takes beds of the live vacancy, which vacancy_id is. False: no room. */
static bool list_hold(struct home_carer *home, uint64_t vacancy_id, const struct hold *hold)
{
    bool takes = (hold_live(hold) || hold->state == HOLD_PLACED) && vacancy_id == hold->vacancy_id;
    const struct hold_token *token = &hold->token;
    struct live_hold *holds = home->holds;
    uint32_t at = 0;
    while (at < home->hold_count && (holds[at].epoch < token->epoch ||
                                     (holds[at].epoch == token->epoch && holds[at].sequence < token->sequence)))
        at++;
    bool listed = at < home->hold_count && holds[at].epoch == token->epoch && holds[at].sequence == token->sequence;
    if (listed && !takes) {
        memmove(&holds[at], &holds[at + 1], (home->hold_count - at - 1) * sizeof *holds);
        memset(&holds[--home->hold_count], 0, sizeof *holds);
    }
    if (!takes)
        return true;
    if (!listed) {
        if (home->hold_count == LIVE_HOLDS_MAX)
            return false;
        memmove(&holds[at + 1], &holds[at], (home->hold_count++ - at) * sizeof *holds);
        holds[at] = (struct live_hold){.epoch = token->epoch, .sequence = token->sequence};
    }
    holds[at].state = hold->state;
    holds[at].beds = hold->beds;
    return true;
}

/* Another vacancy is live now: those of its holds that are known already. A snapshot's are younger than the entries
 * that are replayed after it, and an offer that was out of sight for a while comes back with its holds. */
static bool list_anew(struct batch *batch, struct home_carer *home, uint64_t vacancy_id)
{
    char owner[ID_TEXT_BYTES];
    id_format(home->national_reference, owner);
    const struct table_key prefix = key_of_hold_list(batch->home->options.region, HOLD_LIST_CARER, owner, NULL);
    struct table_key from = prefix;
    memset(home->holds, 0, sizeof home->holds);
    home->hold_count = 0;
    while (vacancy_id != 0) {
        struct octets at = key_octets(&from), key, value;
        struct hold_token token;
        struct stored_hold hold;
        enum err err = tables_seek(batch->home->store, batch->txn, STORE_HOLD_LISTS, &at, false, &key, &value, NULL);
        if (err == ERR_NOT_FOUND || (err == ERR_NONE && !key_begins(&key, &prefix)))
            return true;
        if (err == ERR_NONE && !key_hold_list_token(&key, &token))
            err = ERR_STORE_DAMAGED;
        if (err == ERR_NONE) {
            key_step_past(&from, &key);
            err = batch_get_hold(batch, &token, &hold, NULL);
        }
        if (err == ERR_NONE && !list_hold(home, vacancy_id, &hold.hold))
            err = ERR_LIMIT;
        if (err != ERR_NONE) {
            batch->failed = err == ERR_NOT_FOUND ? ERR_STORE_DAMAGED : err;
            return false;
        }
    }
    return true;
}

/* --- carers ------------------------------------------------------------------------------------------------------ */

/* Nothing but what is shared is known of it from here on. */
static bool lose(struct batch *batch, struct stored_carer *carer, bool known)
{
    struct home_carer lost = {.national_reference = carer->home.national_reference, .lost = true};
    if (carer_row_owner(&carer->shared.carer_row, lost.carer.agency, lost.reference_hash) != ERR_NONE) {
        batch->failed = ERR_STORE_DAMAGED;
        return false;
    }
    bool other = known && strcmp(lost.carer.agency, carer->home.carer.agency) != 0;
    if (other && !former_note(batch, &carer->home, 0))
        return false;
    if (known && !reference_forget(batch, &carer->home))
        return false;
    lost.vacancy = carer->home.vacancy;
    lost.hold_count = carer->home.hold_count;
    memcpy(lost.holds, carer->home.holds, sizeof lost.holds);
    carer->home = lost;
    return lost_note(batch, &carer->home);
}

/* Stores it and counts, by what its octets now say. */
static bool store_replayed(struct batch *batch, struct stored_carer *carer, uint64_t vacancy_id_before)
{
    if (carer->home.lost) {
        struct offer offer;
        struct vacancy *vacancy = &carer->home.vacancy;
        memset(vacancy, 0, sizeof *vacancy);
        if (carer->shared.offer.size > 0) {
            if (offer_decode(&carer->shared.offer, &offer) != ERR_NONE) {
                batch->failed = ERR_STORE_DAMAGED;
                return false;
            }
            vacancy_from_offer(&offer, vacancy);
        }
    }
    uint64_t vacancy_id = carer->home.vacancy.vacancy_id;
    batch->vacancies += (vacancy_id != 0) - (vacancy_id_before != 0);
    if (vacancy_id_before != 0 && vacancy_id_before != vacancy_id)
        batch_vacancy(batch, vacancy_id_before, 0);
    return batch_store_carer(batch, carer);
}

/* Whether the carer, with the vacancy as it would be then, gives exactly this offer; then it becomes that. held_told:
 * what the offer says of beds held; 0 also where the version that wrote it did not say it. */
static bool gives(struct batch *batch, struct home_carer *home, const struct vacancy *vacancy,
                  const struct octets *offer_octets, uint32_t held_told)
{
    struct home_carer trial = *home;
    struct offer offer;
    struct octets derived;
    trial.vacancy = *vacancy;
    if (!offer_derive(&trial, &offer))
        return false;
    if (held_told == 0)
        offer.beds_held = 0;
    if (offer_encode(&offer, batch->arena, &derived) != ERR_NONE || !octets_same(&derived, offer_octets))
        return false;
    *home = trial;
    return true;
}

/* The offer tells the vacancy wherever the rest of the carer is as it was: confirmed, lapsed, or stated anew. */
static bool understand_offer(struct batch *batch, struct home_carer *home, const struct octets *offer_octets)
{
    struct offer offer;
    if (offer_decode(offer_octets, &offer) != ERR_NONE)
        return false;
    struct vacancy told, known = home->vacancy;
    vacancy_from_offer(&offer, &told);
    if (known.vacancy_id == told.vacancy_id) {
        known.observed_at_ms = told.observed_at_ms;
        known.confirmed_at_ms = told.confirmed_at_ms;
        if (known.valid_until_ms != told.valid_until_ms)
            known.stage = STAGE_FRESH;
        known.valid_until_ms = told.valid_until_ms;
        known.reported_unavailable_at_ms = told.reported_unavailable_at_ms;
        known.state = told.state;
        if (told.state != VACANCY_LAPSED)
            known.stated = told.stated;
        if (known.stated != VACANCY_NOT_AVAILABLE)
            known.reason = told.reason; /* none */
        if (gives(batch, home, &known, offer_octets, offer.beds_held)) {
            home->vacancy_observed_at_ms = told.observed_at_ms;
            return true;
        }
    }
    if (!gives(batch, home, &told, offer_octets, offer.beds_held))
        return false;
    /* In the agency's own words it may read otherwise: then those are taken, also when seen at the same time. */
    home->vacancy_observed_at_ms = told.observed_at_ms - 1;
    return true;
}

/* The carer has gone to another region since, and nothing else was said of it that is not known: it is as it was then.
 * Its vacancy ended with that. False: more is told. */
static bool understand_move(struct home_carer *home, const struct octets *row)
{
    uint64_t revision;
    uint32_t moves;
    char to_region[GSS_BYTES], agency[AGENCY_ID_BYTES];
    uint8_t hash[DIGEST_BYTES];
    if (home->lost || !carer_row_moved(row, &revision, &moves, to_region) || revision != home->revision ||
        carer_row_owner(row, agency, hash) != ERR_NONE || strcmp(agency, home->carer.agency) != 0)
        return false;
    home->carer.status = CARER_MOVED;
    memcpy(home->moved_to_region, to_region, sizeof to_region);
    home->moves = moves;
    memset(&home->vacancy, 0, sizeof home->vacancy);
    memset(home->holds, 0, sizeof home->holds);
    home->hold_count = 0;
    return true;
}

static bool put_row(struct batch *batch, struct stored_carer *carer, bool known, const struct octets *row)
{
    uint64_t vacancy_id = carer->home.vacancy.vacancy_id;
    batch->carers += !known;
    carer->shared.carer_row = *row;
    if (known && understand_move(&carer->home, row))
        return store_replayed(batch, carer, vacancy_id);
    return lose(batch, carer, known) && store_replayed(batch, carer, vacancy_id);
}

static bool put_offer(struct batch *batch, struct stored_carer *carer, const struct octets *offer)
{
    uint64_t vacancy_id = carer->home.vacancy.vacancy_id;
    carer->shared.offer = *offer;
    struct offer told = {.vacancy_id = 0};
    if (offer->size > 0 && offer_decode(offer, &told) != ERR_NONE)
        told.vacancy_id = 0; /* refused below */
    if (told.vacancy_id != vacancy_id && !list_anew(batch, &carer->home, told.vacancy_id))
        return false;
    if (!carer->home.lost && offer->size == 0)
        memset(&carer->home.vacancy, 0, sizeof carer->home.vacancy);
    else if (!carer->home.lost && !understand_offer(batch, &carer->home, offer) && !lose(batch, carer, true))
        return false;
    return store_replayed(batch, carer, vacancy_id);
}

/* Value empty: deleted. */
static enum err replay_carer(struct batch *batch, enum log_table table, const struct octets *key,
                             const struct octets *value, struct problem *problem)
{
    struct stored_carer carer = {.home = {.national_reference = key->size == 8 ? get_be64(key->data) : 0}};
    if (carer.home.national_reference == 0)
        return FAIL(batch, problem, "a key that no carer has");
    enum err err = batch_get_carer(batch, carer.home.national_reference, &carer, problem);
    if (err != ERR_NONE && err != ERR_NOT_FOUND)
        return batch->failed = err;
    bool known = err == ERR_NONE, good;
    if (!known && (table == LOG_TABLE_OFFER || value->size == 0))
        return value->size == 0 ? ERR_NONE : FAIL(batch, problem, "an offer of a carer that is not registered");
    struct octets before = table == LOG_TABLE_CARER ? carer.shared.carer_row : carer.shared.offer;
    if (octets_same(&before, value))
        return ERR_NONE;
    if (!to_change(batch, table, key, &before, value))
        return batch->failed;
    if (table == LOG_TABLE_OFFER)
        good = put_offer(batch, &carer, value);
    else if (value->size > 0)
        good = put_row(batch, &carer, known, value);
    else /* the rows of its holds went before it; what this hub alone knew of them goes now */
        good = holds_erase(batch, carer.home.national_reference, problem) == ERR_NONE && carer_remove(batch, &carer);
    if (!good && batch->failed == ERR_NONE)
        batch->failed = ERR_STORE_DAMAGED;
    return good ? ERR_NONE : batch->failed;
}

/* --- holds ------------------------------------------------------------------------------------------------------- */

/* What the row tells goes into what is known of the hold. How long it has left is what the wall clock says, for what
 * the lease clock said is lost; but never more than it was given. */
static void take_row(struct batch *batch, const struct hold *told, struct hold *hold)
{
    bool other_end = hold->until_ms != told->until_ms;
    int64_t given_ms = told->until_ms - told->made_at_ms, left_ms = told->until_ms - batch->now_ms;
    struct hold now = *hold;
    now.token = told->token;
    now.national_reference = told->national_reference;
    now.vacancy_id = told->vacancy_id;
    now.beds = told->beds;
    now.state = told->state;
    now.extended = told->extended;
    now.made_at_ms = told->made_at_ms;
    now.until_ms = told->until_ms;
    now.ended_at_ms = told->ended_at_ms;
    memcpy(now.holder_hash, told->holder_hash, DIGEST_BYTES);
    memcpy(now.request_hash, told->request_hash, DIGEST_BYTES);
    if (other_end)
        now.until_lease_ms = batch->position.lease.lease_ms + (left_ms < 0          ? 0
                                                               : left_ms < given_ms ? left_ms
                                                                                    : given_ms);
    *hold = now;
}

static bool store_hold(struct batch *batch, struct stored_hold *hold, struct stored_carer *carer)
{
    uint64_t vacancy_id = carer->home.vacancy.vacancy_id;
    /* Of one that is known these are as they were when it was made. */
    if (hold->hold.agency[0] == '\0')
        memcpy(hold->hold.agency, carer->home.carer.agency, sizeof hold->hold.agency);
    if (hold->hold.agency_reference[0] == '\0' && !carer->home.lost)
        memcpy(hold->hold.agency_reference, carer->home.carer.agency_reference, sizeof hold->hold.agency_reference);
    return batch_store_hold(batch, hold) && store_replayed(batch, carer, vacancy_id);
}

/* Its row is gone: that of a hold that had ended, which is still known here; else all of it goes. */
static enum err drop_hold(struct batch *batch, struct stored_hold *hold, struct problem *problem)
{
    struct stored_carer carer;
    bool keep = !hold_live(&hold->hold);
    hold->row = none;
    if (keep)
        return batch_store_hold(batch, hold) ? ERR_NONE : batch->failed;
    if (!batch_forget_hold(batch, hold))
        return batch->failed;
    enum err err = batch_get_carer(batch, hold->hold.national_reference, &carer, problem);
    if (err == ERR_NOT_FOUND)
        return ERR_NONE;
    if (err != ERR_NONE)
        return batch->failed = err;
    hold->hold.state = HOLD_NONE;
    uint64_t vacancy_id = carer.home.vacancy.vacancy_id;
    return list_hold(&carer.home, carer.home.vacancy.vacancy_id, &hold->hold) &&
                   store_replayed(batch, &carer, vacancy_id)
               ? ERR_NONE
               : batch->failed;
}

/* Value empty: deleted. */
static enum err replay_hold(struct batch *batch, const struct octets *key, const struct octets *value,
                            struct problem *problem)
{
    struct stored_hold hold = {.row = none};
    struct stored_carer carer;
    struct hold told;
    struct hold_token token;
    if (!hold_key_read(key, &token) || token.sequence == 0)
        return FAIL(batch, problem, "a key that no hold has");
    if (value->size > 0 &&
        (hold_row_decode(key, value, &told) != ERR_NONE || told.state == HOLD_NONE || told.state >= HOLD_STATE_END))
        return FAIL(batch, problem, "a hold that can't be read");
    enum err err = batch_get_hold(batch, &token, &hold, problem);
    if (err != ERR_NONE && err != ERR_NOT_FOUND)
        return batch->failed = err;
    if (octets_same(&hold.row, value))
        return ERR_NONE;
    if (!to_change(batch, LOG_TABLE_HOLD, key, &hold.row, value))
        return batch->failed;
    if (value->size == 0)
        return drop_hold(batch, &hold, problem);
    err = batch_get_carer(batch, told.national_reference, &carer, problem);
    if (err == ERR_NOT_FOUND)
        return FAIL(batch, problem, "a hold of a carer that is not registered");
    if (err != ERR_NONE)
        return batch->failed = err;
    take_row(batch, &told, &hold.hold);
    hold.row = *value;
    if (!list_hold(&carer.home, carer.home.vacancy.vacancy_id, &hold.hold))
        return FAIL(batch, problem, "more holds than a vacancy can have");
    return store_hold(batch, &hold, &carer) ? ERR_NONE : batch->failed;
}

/* --- any record -------------------------------------------------------------------------------------------------- */

static enum err replay_agency(struct batch *batch, const struct octets *key, const struct octets *value,
                              struct problem *problem)
{
    char id[AGENCY_ID_BYTES] = {0};
    struct octets before = {0};
    struct agency agency;
    if (key->size == 0 || key->size >= sizeof id)
        return FAIL(batch, problem, "a key that no agency has");
    memcpy(id, key->data, key->size);
    if (value->size > 0 && agency_decode(id, value, &agency) != ERR_NONE)
        return FAIL(batch, problem, "an agency that can't be read");
    struct table_key stored = key_of_text(batch->home->options.region, id);
    enum err err = batch_get(batch, STORE_AGENCIES, &stored, &before, problem);
    if (err != ERR_NONE && err != ERR_NOT_FOUND)
        return batch->failed = err;
    if (octets_same(&before, value))
        return ERR_NONE;
    batch->agencies += (value->size > 0) - (before.size > 0);
    bool good = to_change(batch, LOG_TABLE_AGENCY, key, &before, value) &&
                (value->size > 0 ? batch_put(batch, STORE_AGENCIES, &stored, value)
                                 : batch_del(batch, STORE_AGENCIES, &stored));
    return good ? ERR_NONE : batch->failed;
}

static enum err replay_record(struct batch *batch, enum log_table table, const struct octets *key,
                              const struct octets *value, struct problem *problem)
{
    switch (table) {
    case LOG_TABLE_AGENCY:
        return replay_agency(batch, key, value, problem);
    case LOG_TABLE_CARER:
    case LOG_TABLE_OFFER:
        return replay_carer(batch, table, key, value, problem);
    case LOG_TABLE_HOLD:
        return replay_hold(batch, key, value, problem);
    default:
        return FAIL(batch, problem, "a record of a table that this hub does not know");
    }
}

/* --- entries ----------------------------------------------------------------------------------------------------- */

static enum err replay_epoch(struct batch *batch, const struct log_payload *payload, struct problem *problem)
{
    struct home_position *position = &batch->position;
    if (payload->key.size != 8 || payload->value.size != EPOCH_ID_BYTES ||
        get_be64(payload->key.data) <= position->epoch)
        return FAIL(batch, problem, "an epoch that does not follow epoch %llu", (unsigned long long)position->epoch);
    position->epoch = get_be64(payload->key.data);
    memcpy(position->epoch_id, payload->value.data, EPOCH_ID_BYTES);
    return ERR_NONE;
}

static enum err replay_payload(struct batch *batch, const struct log_header *header, const struct log_row *row,
                               struct problem *problem)
{
    uint8_t commitment[DIGEST_BYTES];
    struct log_payload payload;
    unsigned long long sequence = header->sequence;
    if (row->salt.size != LOG_SALT_BYTES || row->payload.size != header->payload_bytes)
        return FAIL(batch, problem, "entry %llu has not the size that its header says", sequence);
    log_commitment(row->salt.data, &row->payload, commitment);
    if (memcmp(commitment, header->commitment, DIGEST_BYTES) != 0 ||
        log_payload_decode(&row->payload, &payload) != ERR_NONE)
        return FAIL(batch, problem, "entry %llu is not what its header says", sequence);
    enum err err = payload.table == LOG_TABLE_EPOCH
                       ? replay_epoch(batch, &payload, problem)
                       : replay_record(batch, payload.table, &payload.key, &payload.value, problem);
    if (err == ERR_NONE && header->epoch != batch->position.epoch)
        err = FAIL(batch, problem, "entry %llu is of an epoch that was not opened", sequence);
    if (err == ERR_NONE && payload.table == LOG_TABLE_CARER && payload.deleted)
        batch->position.erased = header->sequence; /* what is before it goes here too */
    return err;
}

/* Header, and salt and payload where it has them, as they were. */
static bool store_row(struct batch *batch, const struct log_header *header, const struct log_row *row)
{
    size_t size = row->header.size + row->salt.size + row->payload.size;
    uint8_t *entry = arena_alloc(batch->arena, size);
    if (entry == NULL) {
        batch->failed = ERR_LIMIT;
        return false;
    }
    memcpy(entry, row->header.data, row->header.size);
    if (size > row->header.size) {
        memcpy(entry + LOG_HEADER_BYTES, row->salt.data, row->salt.size);
        memcpy(entry + LOG_HEADER_BYTES + row->salt.size, row->payload.data, row->payload.size);
    }
    struct table_key key = key_of_id(batch->home->options.region, header->sequence);
    struct octets value = {entry, size};
    return batch_put(batch, STORE_LOG, &key, &value);
}

/* The header that a row must follow. */
struct tail {
    struct log_header header;
    bool given;
};

static enum err replay_row(struct batch *batch, const struct log_row *row, bool may_lack_payload, struct tail *tail,
                           struct problem *problem)
{
    struct home_position *position = &batch->position;
    struct log_header header;
    if (log_header_decode(&row->header, &header) != ERR_NONE || strcmp(header.region, batch->home->options.region) != 0)
        return FAIL(batch, problem, "an entry's header can't be read");
    enum err err = log_chain_check(tail->given ? &tail->header : NULL, position->head, &header, problem);
    if (err != ERR_NONE)
        return batch->failed = err;
    bool lacks = row->payload.size == 0 && row->salt.size == 0;
    if (lacks && !may_lack_payload)
        return FAIL(batch, problem, "entry %llu comes without its payload", (unsigned long long)header.sequence);
    if (!lacks && (err = replay_payload(batch, &header, row, problem)) != ERR_NONE)
        return err;
    if (!store_row(batch, &header, row))
        return batch->failed;
    if (lacks) {
        position->epoch = header.epoch;
        position->horizon = header.sequence;
    }
    position->sequence = header.sequence;
    if (header.time_ms > batch->time_ms)
        batch->time_ms = header.time_ms; /* what follows in this batch is no earlier */
    position->time_ms = batch->time_ms;
    log_header_hash(row->header.data, position->head);
    *tail = (struct tail){header, true};
    return ERR_NONE;
}

static enum err own_tail(struct batch *batch, struct tail *out, struct problem *problem)
{
    struct table_key key = key_of_id(batch->home->options.region, batch->position.sequence);
    struct octets value;
    out->given = batch->position.sequence > 0;
    if (!out->given)
        return ERR_NONE;
    enum err err = batch_get(batch, STORE_LOG, &key, &value, problem);
    if (err != ERR_NONE)
        return err;
    struct octets header = {value.data, LOG_HEADER_BYTES};
    return log_header_decode(&header, &out->header);
}

/* --- a whole state, where entries' payloads are gone ------------------------------------------------------------- */

static int compare(const struct shared_record *a, enum log_table table, const struct octets *key)
{
    if (a->table != table)
        return a->table < table ? -1 : 1;
    size_t least = a->key.size < key->size ? a->key.size : key->size;
    int order = memcmp(a->key.data, key->data, least);
    return order != 0 ? order : (a->key.size > key->size) - (a->key.size < key->size);
}

static bool has_record(const struct update *update, enum log_table table, const struct octets *key)
{
    const struct shared_record *records = update->as.replay.records;
    size_t low = 0, high = update->as.replay.record_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = compare(&records[middle], table, key);
        if (order == 0)
            return true;
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return false;
}

/* What of this row is not in the whole state is gone. */
static enum err prune_row(struct batch *batch, const struct update *update, enum store_table table,
                          const struct octets *rest, struct problem *problem)
{
    uint8_t *copy = arena_alloc(batch->arena, rest->size);
    if (copy == NULL)
        return batch->failed = ERR_LIMIT;
    memcpy(copy, rest->data, rest->size);
    struct octets key = {copy, rest->size};
    if (table == STORE_AGENCIES)
        return has_record(update, LOG_TABLE_AGENCY, &key)
                   ? ERR_NONE
                   : replay_record(batch, LOG_TABLE_AGENCY, &key, &none, problem);
    if (table == STORE_HOLDS)
        return has_record(update, LOG_TABLE_HOLD, &key) ? ERR_NONE
                                                        : replay_record(batch, LOG_TABLE_HOLD, &key, &none, problem);
    enum err err = has_record(update, LOG_TABLE_OFFER, &key)
                       ? ERR_NONE
                       : replay_record(batch, LOG_TABLE_OFFER, &key, &none, problem);
    if (err == ERR_NONE && !has_record(update, LOG_TABLE_CARER, &key))
        err = replay_record(batch, LOG_TABLE_CARER, &key, &none, problem);
    return err;
}

static enum err prune(struct batch *batch, const struct update *update, enum store_table table, struct problem *problem)
{
    struct home *home = batch->home;
    struct table_key from = key_of_region(home->options.region);
    for (;;) {
        struct octets at = key_octets(&from), key, value, rest;
        enum err err = tables_seek(home->store, batch->txn, table, &at, false, &key, &value, problem);
        if (err == ERR_NOT_FOUND)
            return ERR_NONE;
        if (err != ERR_NONE || key.size >= sizeof from.data || !key_in_region(&key, home->options.region, &rest))
            return batch->failed = err != ERR_NONE ? err : ERR_STORE_DAMAGED;
        memcpy(from.data, key.data, key.size);
        from.data[key.size] = 0;
        from.size = key.size + 1;
        struct octets own = {from.data + (key.size - rest.size), rest.size};
        if ((err = prune_row(batch, update, table, &own, problem)) != ERR_NONE)
            return err;
    }
}

static bool hold_before_carer(const struct update *update, const struct shared_record *record)
{
    struct hold hold;
    uint8_t key[8];
    if (hold_row_decode(&record->key, &record->value, &hold) != ERR_NONE)
        return false; /* refused where it is read */
    put_be64(key, hold.national_reference);
    return !has_record(update, LOG_TABLE_CARER, &(struct octets){key, sizeof key});
}

static enum err replay_whole(struct batch *batch, const struct update *update, struct problem *problem)
{
    const struct shared_record *records = update->as.replay.records;
    for (size_t i = 1; i < update->as.replay.record_count; i++)
        if (compare(&records[i - 1], records[i].table, &records[i].key) >= 0)
            return FAIL(batch, problem, "records are out of order");
    enum err err = prune(batch, update, STORE_AGENCIES, problem);
    if (err == ERR_NONE)
        err = prune(batch, update, STORE_HOLDS, problem);
    if (err == ERR_NONE)
        err = prune(batch, update, STORE_CARERS, problem);
    for (size_t i = 0; err == ERR_NONE && i < update->as.replay.record_count; i++) {
        const struct shared_record *record = &records[i];
        /* Registered between the reading of two tables: the entries that follow tell both. */
        if ((record->table == LOG_TABLE_OFFER && !has_record(update, LOG_TABLE_CARER, &record->key)) ||
            (record->table == LOG_TABLE_HOLD && hold_before_carer(update, record)))
            continue;
        err = record->value.size > 0 ? replay_record(batch, record->table, &record->key, &record->value, problem)
                                     : FAIL(batch, problem, "a record without octets");
    }
    return err;
}

/* --- all of it --------------------------------------------------------------------------------------------------- */

static enum err check_begin(struct batch *batch, struct update *update)
{
    struct problem *problem = &update->result.problem;
    const struct signed_checkpoint *said = &update->as.replay.checkpoint;
    uint8_t public_key[PUBLIC_KEY_BYTES];
    signer_public_key(batch->home->options.signer, public_key);
    if (batch->standing == STANDING_SUPERSEDED)
        return standing_refuse(batch->standing, problem);
    if (batch->standing == STANDING_DECIDING)
        return problem_set(problem, ERR_PRECONDITION, "replay", "this hub decides; its log is the region's");
    if (strcmp(said->checkpoint.region, batch->home->options.region) != 0 || !checkpoint_verify(said, public_key))
        return problem_set(problem, ERR_INVALID, "replay", "not a checkpoint that this region's key signed");
    if (update->as.replay.count == 0 || said->checkpoint.sequence != batch->position.sequence + update->as.replay.count)
        return problem_set(problem, ERR_PRECONDITION, "replay",
                           "%zu entries up to %llu do not follow this hub's log, which ends at %llu",
                           update->as.replay.count, (unsigned long long)said->checkpoint.sequence,
                           (unsigned long long)batch->position.sequence);
    return ERR_NONE;
}

/* All that was replayed must be what was signed at its end. */
static enum err check_end(struct batch *batch, const struct checkpoint *said, struct problem *problem)
{
    struct home_position *position = &batch->position;
    uint8_t digest[DIGEST_BYTES];
    lthash_digest(&batch->state.digest, digest);
    if (memcmp(said->head, position->head, DIGEST_BYTES) != 0 || said->epoch != position->epoch)
        return FAIL(batch, problem, "the entries do not end where the checkpoint says");
    if (memcmp(said->state, digest, DIGEST_BYTES) != 0 || said->records != batch->state.records)
        return FAIL(batch, problem, "the records do not add up to what was signed");
    /* Where the entry that opened the epoch has no payload any more, its id is what was signed. */
    if (said->horizon > position->horizon)
        position->horizon = said->horizon;
    if (position->horizon == 0 && memcmp(said->epoch_id, position->epoch_id, EPOCH_ID_BYTES) != 0)
        return FAIL(batch, problem, "the epoch has another id than was signed");
    memcpy(position->epoch_id, said->epoch_id, EPOCH_ID_BYTES);
    return ERR_NONE;
}

enum err replay_apply(struct batch *batch, struct update *update)
{
    struct problem *problem = &update->result.problem;
    struct tail tail;
    enum err err = check_begin(batch, update);
    if (err == ERR_NONE)
        err = own_tail(batch, &tail, problem);
    if (err != ERR_NONE)
        return err;
    bool lacking = update->as.replay.whole; /* no row with a payload came yet */
    if (lacking)
        err = replay_whole(batch, update, problem);
    for (size_t i = 0; err == ERR_NONE && i < update->as.replay.count; i++) {
        const struct log_row *row = &update->as.replay.rows[i];
        lacking = lacking && row->payload.size == 0;
        err = replay_row(batch, row, lacking, &tail, problem);
    }
    if (err == ERR_NONE)
        err = check_end(batch, &update->as.replay.checkpoint.checkpoint, problem);
    if (err == ERR_NONE && !standing_restoring(batch))
        err = batch->failed;
    if (err != ERR_NONE)
        return batch->failed = err;
    batch->newest = update->as.replay.checkpoint;
    update->result.outcome = OUTCOME_UPDATED;
    update->result.epoch = batch->position.epoch;
    update->result.sequence = batch->position.sequence;
    log_info("register", "replayed %zu entries up to %llu", update->as.replay.count,
             (unsigned long long)batch->position.sequence);
    return ERR_NONE;
}
