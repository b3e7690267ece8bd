/*
 * home_batch.c - a transaction of the register under way: its log entries, audit rows, records, and its end.
 * Owns: struct batch. The writer's thread. Invariant: struct home and the observers learn of a batch only after its
 * commit; the log's and the audit's chains grow by what is in the same transaction.
 */
#include "daemon/base/log.h"
#include "daemon/record/bytes.h"
#include "daemon/register/home_parts.h"

#include <string.h>

/* Notes what makes the whole batch impossible, as against one update of it. */
static enum err trouble(struct batch *batch, enum err err)
{
    if (err != ERR_NONE && err != ERR_NOT_FOUND && err != ERR_STORE_DAMAGED && batch->failed == ERR_NONE)
        batch->failed = err;
    return err;
}

enum err batch_begin(struct home *home, bool use_reserve, struct batch *out)
{
    int64_t now_ms = clock_wall_ms(home->options.clock);
    arena_reset(&home->arena);
    lost_copy(&home->lists.lost, &home->lost);
    home->lists.change_count = home->lists.due_count = home->lists.subject_count = 0;
    home->lists.vacancy_count = 0;
    *out = (struct batch){
        .home = home,
        .arena = &home->arena,
        .lists = &home->lists,
        .now_ms = now_ms,
        .time_ms = now_ms > home->position.time_ms ? now_ms : home->position.time_ms,
        .position = home->position,
        .state = home->state,
        .standing = home->standing,
        .only_reserve = use_reserve,
    };
    lease_read(home, &out->position.lease);
    enum err err = home->store->ops->begin(home->store, true, &out->txn);
    if (err == ERR_NONE && use_reserve)
        home->store->ops->use_reserve(out->txn);
    return err;
}

void batch_abort(struct batch *batch)
{
    batch->home->store->ops->abort(batch->txn);
    batch->txn = NULL;
}

static void publish(struct batch *batch)
{
    struct home *home = batch->home;
    home->state = batch->state;
    home->lease_unkept = false;
    lost_copy(&home->lost, &batch->lists->lost);
    if (batch->position.erased != home->position.erased)
        home->erased_boot_ms = clock_boot_ms(home->options.clock);
    if (batch->forget)
        requests_forget_begin(home);
    if (batch->newest.checkpoint.epoch != 0)
        home->signed_boot_ms = clock_boot_ms(home->options.clock);
    pthread_mutex_lock(&home->lock);
    home->position = batch->position;
    home->standing = batch->standing;
    if (batch->newest.checkpoint.epoch != 0)
        home->newest = batch->newest;
    home->agencies += (uint64_t)batch->agencies;
    home->carers += (uint64_t)batch->carers;
    home->vacancies += (uint64_t)batch->vacancies;
    pthread_mutex_unlock(&home->lock);
    for (size_t i = 0; i < batch->lists->due_count; i++) {
        const struct due_change *change = &batch->lists->dues[i];
        due_set(change->hold ? home->due_holds : home->due, change->number, change->at_ms);
    }
    for (size_t i = 0; i < batch->lists->vacancy_count; i++)
        vacancy_map_set(home->whose, batch->lists->vacancies[i].vacancy_id,
                        batch->lists->vacancies[i].national_reference);
    const struct commit commit = {
        .region = home->options.region,
        .changes = batch->lists->changes,
        .count = batch->lists->change_count,
        .epoch = batch->position.epoch,
        .sequence = batch->position.sequence,
        .time_ms = batch->position.time_ms,
    };
    for (int i = 0; commit.count > 0 && i < home->observer_count; i++)
        home->observers[i].committed(home->observers[i].ctx, &commit);
}

enum err batch_commit(struct batch *batch)
{
    uint8_t octets[POSITION_BYTES];
    position_encode(&batch->position, octets);
    struct octets value = {octets, sizeof octets};
    bool written = batch_put(batch, STORE_META, &meta_position, &value) && batch_checkpoint(batch);
    if (written && standing_forbids(batch)) { /* shown since it was begun */
        batch->failed = ERR_UNAVAILABLE;
        written = false;
    }
    if (!written) {
        batch_abort(batch);
        return batch->failed;
    }
    enum err err = batch->home->store->ops->commit(batch->txn);
    batch->txn = NULL;
    if (err == ERR_NONE)
        publish(batch);
    return err;
}

enum err batch_get(struct batch *batch, enum store_table table, const struct table_key *key, struct octets *value,
                   struct problem *problem)
{
    struct octets k = key_octets(key), view;
    enum err err = trouble(batch, tables_get(batch->home->store, batch->txn, table, &k, &view, problem));
    if (err != ERR_NONE)
        return err;
    uint8_t *copy = arena_alloc(batch->arena, view.size);
    if (copy == NULL)
        return trouble(batch, ERR_LIMIT);
    memcpy(copy, view.data, view.size);
    *value = (struct octets){copy, view.size};
    return ERR_NONE;
}

bool batch_put(struct batch *batch, enum store_table table, const struct table_key *key, const struct octets *value)
{
    struct octets k = key_octets(key);
    return trouble(batch, tables_put(batch->home->store, batch->txn, batch->arena, table, &k, value)) == ERR_NONE;
}

bool batch_del(struct batch *batch, enum store_table table, const struct table_key *key)
{
    struct octets k = key_octets(key);
    enum err err = batch->home->store->ops->del(batch->txn, table, &k);
    return err == ERR_NOT_FOUND || trouble(batch, err) == ERR_NONE;
}

/* --- log and audit ----------------------------------------------------------------------------------------------- */

bool batch_change(struct batch *batch, enum log_table table, const struct octets *key, bool deleted,
                  const struct octets *value)
{
    struct batch_lists *lists = batch->lists;
    lists->changes = list_need(lists->changes, lists->change_count, &lists->change_capacity, sizeof *lists->changes);
    lists->changes[lists->change_count++] =
        (struct change){.table = table, .key = *key, .deleted = deleted, .value = *value};
    return true;
}

bool batch_log(struct batch *batch, enum log_table table, const struct octets *key, const struct octets *before,
               bool deleted, const struct octets *value)
{
    struct home *home = batch->home;
    const struct log_payload payload = {.table = table, .key = *key, .deleted = deleted, .value = *value};
    size_t payload_bytes = log_payload_bytes(&payload);
    uint8_t *entry = arena_alloc(batch->arena, LOG_HEADER_BYTES + LOG_SALT_BYTES + payload_bytes);
    if (entry == NULL || payload_bytes > LOG_PAYLOAD_MAX_BYTES)
        return trouble(batch, ERR_LIMIT) == ERR_NONE;
    uint8_t *salt = entry + LOG_HEADER_BYTES;
    struct octets payload_octets = {salt + LOG_SALT_BYTES, payload_bytes};
    random_fill(home->options.randomness, salt, LOG_SALT_BYTES);
    log_payload_encode(&payload, salt + LOG_SALT_BYTES);

    struct log_header header = {
        .epoch = batch->position.epoch,
        .sequence = batch->position.sequence + 1,
        .time_ms = batch->time_ms,
        .payload_bytes = (uint32_t)payload_bytes,
    };
    memcpy(header.region, home->options.region, GSS_BYTES);
    memcpy(header.previous, batch->position.head, DIGEST_BYTES);
    log_commitment(salt, &payload_octets, header.commitment);
    log_header_encode(&header, entry);

    struct table_key log_key = key_of_id(home->options.region, header.sequence);
    struct octets octets = {entry, LOG_HEADER_BYTES + LOG_SALT_BYTES + payload_bytes};
    if (!batch_put(batch, STORE_LOG, &log_key, &octets))
        return false;
    batch->position.sequence = header.sequence;
    batch->position.time_ms = batch->time_ms;
    log_header_hash(entry, batch->position.head);
    if (table == LOG_TABLE_EPOCH)
        return true;
    state_change(&batch->state, table, key, before, value);
    return batch_change(batch, table, key, deleted, value);
}

void batch_subject(struct batch *batch, uint64_t national_reference)
{
    struct batch_lists *lists = batch->lists;
    lists->subjects =
        list_need(lists->subjects, lists->subject_count, &lists->subject_capacity, sizeof *lists->subjects);
    lists->subjects[lists->subject_count++] = national_reference;
}

/* One row; more where one would have too many subjects. */
bool batch_audit(struct batch *batch, const struct audit_entry *what, enum err code, bool logged)
{
    struct batch_lists *lists = batch->lists;
    size_t done = 0;
    do {
        size_t left = lists->subject_count - done;
        const struct audit_entry entry = {
            .at_ms = batch->time_ms,
            .principal = what->principal,
            .method = what->method,
            .request_reference = what->request_reference,
            .object = what->object,
            .suspended = what->suspended,
            .forwarded_by = what->forwarded_by,
            .asked_of = what->asked_of,
            .code = code == ERR_NONE ? what->code : err_status(code),
            .subjects = lists->subjects + done,
            .subject_count = (uint32_t)(left < AUDIT_SUBJECTS_MAX ? left : AUDIT_SUBJECTS_MAX),
            .epoch = logged ? batch->position.epoch : 0,
            .sequence = logged ? batch->position.sequence : 0,
        };
        struct octets octets;
        if (trouble(batch, audit_entry_encode(&entry, batch->arena, &octets)) != ERR_NONE)
            return false;
        struct table_key key = key_of_id(batch->home->options.region, batch->position.audit.sequence + 1);
        if (!batch_put(batch, STORE_AUDIT, &key, &octets))
            return false;
        audit_chain_next(&batch->position.audit, &octets);
        done += entry.subject_count;
    } while (done < lists->subject_count);
    batch->position.time_ms = batch->time_ms;
    lists->subject_count = 0;
    return true;
}

/* --- carers ------------------------------------------------------------------------------------------------------ */

enum err batch_get_carer(struct batch *batch, uint64_t national_reference, struct stored_carer *out,
                         struct problem *problem)
{
    struct table_key key = key_of_id(batch->home->options.region, national_reference);
    struct octets value;
    enum err err = batch_get(batch, STORE_CARERS, &key, &value, problem);
    if (err != ERR_NONE)
        return err;
    if (home_carer_decode(&value, national_reference, &out->home, &out->shared) != ERR_NONE)
        return problem_set(problem, ERR_STORE_DAMAGED, "", "store damaged: a carer's record can't be read");
    return ERR_NONE;
}

void vacancy_settle(struct batch *batch, struct home_carer *home)
{
    struct vacancy *vacancy = &home->vacancy;
    int64_t now_ms = batch->now_ms, until_ms = vacancy->valid_until_ms;
    if (vacancy->reported_unavailable_at_ms < vacancy->observed_at_ms)
        vacancy->reported_unavailable_at_ms = 0;
    /* What the agency saw is believed from when it saw it, not from when its file arrived. */
    vacancy->confirmed_at_ms = vacancy->observed_at_ms < now_ms ? vacancy->observed_at_ms : now_ms;
    vacancy->valid_until_ms = vacancy->confirmed_at_ms + vacancy_ttl_ms(&home->carer, vacancy);
    int64_t reported_ms = vacancy->reported_unavailable_at_ms;
    if (reported_ms != 0 && until_ms != 0 && until_ms < reported_ms)
        reported_ms = until_ms; /* it was stale by then */
    if (reported_ms != 0 && reported_ms < vacancy->valid_until_ms)
        vacancy->valid_until_ms = reported_ms;
    if (vacancy->valid_until_ms != until_ms)
        vacancy->stage = STAGE_FRESH;
    bool lapsed = now_ms - vacancy_lapse_ms(&batch->home->options.policy, home) >= vacancy->valid_until_ms;
    vacancy->state = lapsed ? VACANCY_LAPSED : vacancy->stated;
}

bool octets_same(const struct octets *a, const struct octets *b)
{
    return a->size == b->size && (a->size == 0 || memcmp(a->data, b->data, a->size) == 0);
}

/* Logs a shared record when it is not what was last logged; *last becomes it. */
static bool log_if_changed(struct batch *batch, enum log_table table, const struct octets *key, struct octets *last,
                           const struct octets *now)
{
    if (octets_same(last, now))
        return true;
    struct octets before = *last;
    *last = *now;
    return batch_log(batch, table, key, &before, now->size == 0, now);
}

static void add_due(struct batch *batch, const struct due_change *change)
{
    struct batch_lists *lists = batch->lists;
    lists->dues = list_need(lists->dues, lists->due_count, &lists->due_capacity, sizeof *lists->dues);
    lists->dues[lists->due_count++] = *change;
}

void batch_due(struct batch *batch, uint64_t national_reference, int64_t at_ms)
{
    add_due(batch, &(struct due_change){national_reference, at_ms, false});
}

void batch_due_hold(struct batch *batch, const struct hold *hold, bool kept)
{
    int64_t at_ms = kept && hold_live(hold) ? hold->until_lease_ms : INT64_MAX;
    add_due(batch, &(struct due_change){hold_number(&hold->token), at_ms, true});
}

bool batch_store_carer(struct batch *batch, struct stored_carer *carer)
{
    struct vacancy *vacancy = &carer->home.vacancy;
    struct octets value;
    if (!carer->home.lost && vacancy->vacancy_id != 0)
        vacancy->state = (uint8_t)vacancy_state_now(&carer->home);
    if (trouble(batch, home_carer_encode(&carer->home, &carer->shared, batch->arena, &value)))
        return false;
    struct table_key key = key_of_id(batch->home->options.region, carer->home.national_reference);
    if (!batch_put(batch, STORE_CARERS, &key, &value))
        return false;
    batch_due(batch, carer->home.national_reference, vacancy_due_ms(&batch->home->options.policy, &carer->home));
    if (vacancy->vacancy_id != 0 &&
        vacancy_map_get(batch->home->whose, vacancy->vacancy_id) != carer->home.national_reference)
        batch_vacancy(batch, vacancy->vacancy_id, carer->home.national_reference);
    batch_subject(batch, carer->home.national_reference);
    return true;
}

/* What is shared of the carer now. Of a lost one only what was known of it, and no offer once its vacancy is gone. */
static bool derive_shared(struct batch *batch, const struct stored_carer *carer, bool row_too, struct octets *row,
                          struct octets *offer_octets)
{
    struct offer offer;
    *row = carer->shared.carer_row;
    *offer_octets = (struct octets){0};
    if (carer->home.lost) {
        if (carer->home.vacancy.vacancy_id == 0)
            return true;
        *offer_octets = carer->shared.offer;
        return offer_decode(offer_octets, &offer) != ERR_NONE || !offer_recount(&carer->home, &offer) ||
               trouble(batch, offer_encode(&offer, batch->arena, offer_octets)) == ERR_NONE;
    }
    if (row_too &&
        trouble(batch, carer_row_encode(&carer->home, batch->home->options.reference_secret, batch->arena, row)))
        return false;
    return !offer_derive(&carer->home, &offer) ||
           trouble(batch, offer_encode(&offer, batch->arena, offer_octets)) == ERR_NONE;
}

bool batch_put_carer(struct batch *batch, struct stored_carer *carer, bool row_too)
{
    struct octets row, offer;
    uint8_t *key = arena_alloc(batch->arena, 8);
    if (key == NULL)
        return trouble(batch, ERR_LIMIT) == ERR_NONE;
    put_be64(key, carer->home.national_reference);
    struct octets log_key = {key, 8};
    return derive_shared(batch, carer, row_too, &row, &offer) &&
           log_if_changed(batch, LOG_TABLE_CARER, &log_key, &carer->shared.carer_row, &row) &&
           log_if_changed(batch, LOG_TABLE_OFFER, &log_key, &carer->shared.offer, &offer) &&
           batch_store_carer(batch, carer);
}

void vacancy_clear(struct batch *batch, struct home_carer *home, int64_t observed_at_ms)
{
    if (home->vacancy.vacancy_id != 0) {
        batch->vacancies--;
        batch_vacancy(batch, home->vacancy.vacancy_id, 0);
    }
    memset(&home->vacancy, 0, sizeof home->vacancy);
    memset(home->holds, 0, sizeof home->holds);
    home->hold_count = 0;
    home->vacancy.from = home->vacancy.until = home->vacancy.reserved_until = DATE_NONE;
    if (observed_at_ms > home->vacancy_observed_at_ms)
        home->vacancy_observed_at_ms = observed_at_ms;
}

void batch_vacancy(struct batch *batch, uint64_t vacancy_id, uint64_t national_reference)
{
    struct batch_lists *lists = batch->lists;
    lists->vacancies =
        list_need(lists->vacancies, lists->vacancy_count, &lists->vacancy_capacity, sizeof *lists->vacancies);
    lists->vacancies[lists->vacancy_count++] = (struct vacancy_change){vacancy_id, national_reference};
}

enum err batch_find_vacancy(struct batch *batch, uint64_t vacancy_id, struct stored_carer *out, struct problem *problem)
{
    uint64_t whose = vacancy_id != 0 ? vacancy_map_get(batch->home->whose, vacancy_id) : 0;
    /* New in this batch; one that was in the map and is no more is seen by the carer's record. */
    for (size_t i = batch->lists->vacancy_count; vacancy_id != 0 && whose == 0 && i > 0; i--)
        if (batch->lists->vacancies[i - 1].vacancy_id == vacancy_id)
            whose = batch->lists->vacancies[i - 1].national_reference;
    if (whose == 0)
        return ERR_NOT_FOUND;
    enum err err = batch_get_carer(batch, whose, out, problem);
    return err == ERR_NONE && out->home.vacancy.vacancy_id != vacancy_id ? ERR_NOT_FOUND : err;
}

/* --- holds ------------------------------------------------------------------------------------------------------- */

enum err batch_get_hold(struct batch *batch, const struct hold_token *token, struct stored_hold *out,
                        struct problem *problem)
{
    struct table_key key = key_of_hold(batch->home->options.region, token);
    struct octets value, rest;
    enum err err = batch_get(batch, STORE_HOLDS, &key, &value, problem);
    if (err != ERR_NONE)
        return err;
    struct octets k = key_octets(&key);
    if (!key_in_region(&k, batch->home->options.region, &rest) ||
        home_hold_decode(&rest, &value, &out->hold, &out->row) != ERR_NONE)
        return problem_set(problem, ERR_STORE_DAMAGED, "", "store damaged: a hold's record can't be read");
    return ERR_NONE;
}

static void add_line(struct hold_lines *lines, const char *region, enum hold_list list, const char *owner,
                     const struct hold_token *token, bool wanted)
{
    if (owner[0] == '\0')
        return;
    lines->wanted[lines->count] = wanted;
    lines->keys[lines->count++] = key_of_hold_list(region, list, owner, token);
}

void hold_lines_of(const char *region, const struct hold *hold, struct hold_lines *out)
{
    const struct hold_token *token = &hold->token;
    bool live = hold_live(hold);
    char carer[ID_TEXT_BYTES];
    id_format(hold->national_reference, carer);
    out->count = 0;
    add_line(out, region, HOLD_LIST_TEAM, hold->holder, token, true);
    add_line(out, region, HOLD_LIST_TEAM_LIVE, hold->holder, token, live);
    add_line(out, region, HOLD_LIST_AGENCY, hold->agency, token, true);
    add_line(out, region, HOLD_LIST_AGENCY_LIVE, hold->agency, token, live);
    add_line(out, region, HOLD_LIST_CARER, carer, token, true);
}

/* One line as it should be; looked at first, since most changes of a hold leave it. */
static bool put_line(struct batch *batch, const struct table_key *key, bool wanted)
{
    static const struct octets nothing = {(const uint8_t *)"", 0};
    struct octets k = key_octets(key), view;
    enum err err = tables_get(batch->home->store, batch->txn, STORE_HOLD_LISTS, &k, &view, NULL);
    if (err != ERR_NONE && err != ERR_NOT_FOUND) {
        batch->failed = err;
        return false;
    }
    if ((err == ERR_NONE) == wanted)
        return true;
    return wanted ? batch_put(batch, STORE_HOLD_LISTS, key, &nothing) : batch_del(batch, STORE_HOLD_LISTS, key);
}

static bool put_lines(struct batch *batch, const struct hold *hold, bool kept)
{
    struct hold_lines lines;
    hold_lines_of(batch->home->options.region, hold, &lines);
    bool good = true;
    for (uint32_t i = 0; good && i < lines.count; i++)
        good = put_line(batch, &lines.keys[i], kept && lines.wanted[i]);
    return good;
}

bool batch_store_hold(struct batch *batch, const struct stored_hold *hold)
{
    struct octets value;
    if (trouble(batch, home_hold_encode(&hold->hold, &hold->row, batch->arena, &value)))
        return false;
    struct table_key key = key_of_hold(batch->home->options.region, &hold->hold.token);
    batch_due_hold(batch, &hold->hold, true);
    return batch_put(batch, STORE_HOLDS, &key, &value) && put_lines(batch, &hold->hold, true);
}

/* The key of its row in the log, in the arena. */
static bool hold_log_key(struct batch *batch, const struct hold *hold, struct octets *out)
{
    uint8_t *key = arena_alloc(batch->arena, HOLD_KEY_BYTES);
    if (key == NULL)
        return trouble(batch, ERR_LIMIT) == ERR_NONE;
    hold_key(&hold->token, key);
    *out = (struct octets){key, HOLD_KEY_BYTES};
    return true;
}

bool batch_put_hold(struct batch *batch, struct stored_hold *hold)
{
    bool made = hold->hold.token.sequence == 0;
    struct octets key, row;
    if (made)
        hold->hold.token = (struct hold_token){batch->position.epoch, batch->position.sequence + 1};
    if (!made && hold->row.size == 0) /* gone from what is shared: it has long ended */
        return batch_store_hold(batch, hold);
    return !trouble(batch, hold_row_encode(&hold->hold, batch->arena, &row)) &&
           hold_log_key(batch, &hold->hold, &key) && log_if_changed(batch, LOG_TABLE_HOLD, &key, &hold->row, &row) &&
           batch_store_hold(batch, hold);
}

bool batch_drop_hold_row(struct batch *batch, struct stored_hold *hold)
{
    static const struct octets none;
    struct octets key;
    return hold_log_key(batch, &hold->hold, &key) && log_if_changed(batch, LOG_TABLE_HOLD, &key, &hold->row, &none) &&
           batch_store_hold(batch, hold);
}

bool batch_forget_hold(struct batch *batch, const struct stored_hold *hold)
{
    struct table_key key = key_of_hold(batch->home->options.region, &hold->hold.token);
    batch_due_hold(batch, &hold->hold, false);
    return batch_del(batch, STORE_HOLDS, &key) && put_lines(batch, &hold->hold, false);
}

bool batch_remove_hold(struct batch *batch, struct stored_hold *hold)
{
    return batch_drop_hold_row(batch, hold) && batch_forget_hold(batch, hold);
}
