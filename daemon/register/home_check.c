/*
 * home_check.c - reading through all that is stored, when a register is opened.
 * Owns: the checks at start. The thread that starts the hub. Invariant: a register that passes has every record's
 * check, both chains from their first entry to where META says they end, each reference leading to a carer, and records
 * that add up to the digest that was signed.
 */
#include "daemon/record/bytes.h"
#include "daemon/register/home_parts.h"

#include <stdlib.h>
#include <string.h>

struct reading {
    struct home *home;
    struct store_txn *txn;
    struct problem *problem;
    uint64_t carers, vacancies, agencies, references, orphans, dropped;
    uint64_t claims, claimed;       /* of carers' lists of holds: all, and those whose hold was found */
    uint64_t lines, lines_expected; /* in HOLD_LISTS */
    struct shared_state state;
    struct log_header last;
    uint8_t head[DIGEST_BYTES];
    struct audit_position audit;
    uint8_t epoch_id[EPOCH_ID_BYTES];
    uint64_t epoch;
    bool epoch_unknown;                  /* its id went with a dropped payload */
    struct signed_checkpoint checkpoint; /* the last one read */
};

static enum err damaged(struct reading *reading, enum store_table table, const char *what)
{
    return problem_set(reading->problem, ERR_STORE_DAMAGED, "", "store damaged: table %s: %s; restore from a backup",
                       tables_name(table), what);
}

static enum err read_meta(struct reading *reading, const struct octets *rest, const struct octets *value)
{
    (void)rest;
    (void)value;
    (void)reading;
    return ERR_NONE; /* its check is enough; what it says is compared at the end */
}

static void add_record(struct reading *reading, enum log_table table, const struct octets *key,
                       const struct octets *value)
{
    static const struct octets none;
    state_change(&reading->state, table, key, &none, value);
}

static enum err read_carer(struct reading *reading, const struct octets *rest, const struct octets *value)
{
    struct home_carer home;
    struct home_carer_shared shared;
    struct offer offer;
    if (rest->size != 8 || home_carer_decode(value, get_be64(rest->data), &home, &shared) != ERR_NONE ||
        (shared.offer.size > 0 && offer_decode(&shared.offer, &offer) != ERR_NONE))
        return damaged(reading, STORE_CARERS, "a record can't be read");
    reading->carers++;
    add_record(reading, LOG_TABLE_CARER, rest, &shared.carer_row);
    if (shared.offer.size > 0)
        add_record(reading, LOG_TABLE_OFFER, rest, &shared.offer);
    reading->claims += home.hold_count;
    due_set(reading->home->due, home.national_reference, vacancy_due_ms(&reading->home->options.policy, &home));
    if (home.vacancy.vacancy_id == 0)
        return ERR_NONE;
    reading->vacancies++;
    vacancy_map_set(reading->home->whose, home.vacancy.vacancy_id, home.national_reference);
    return ERR_NONE;
}

static enum err read_reference(struct reading *reading, const struct octets *rest, const struct octets *value)
{
    (void)rest;
    struct octets ignored;
    if (value->size != 8)
        return damaged(reading, STORE_REFERENCES, "a record is of a wrong size");
    struct table_key key = key_of_id(reading->home->options.region, get_be64(value->data));
    struct octets k = key_octets(&key);
    if (reading->home->store->ops->get(reading->txn, STORE_CARERS, &k, &ignored) != ERR_NONE)
        return damaged(reading, STORE_REFERENCES, "a reference leads to no carer");
    reading->references++;
    return ERR_NONE;
}

static enum err read_orphan(struct reading *reading, const struct octets *rest, const struct octets *value)
{
    struct home *home = reading->home;
    char agency[AGENCY_ID_BYTES] = {0};
    struct home_carer carer;
    size_t agency_bytes = rest->size > DIGEST_BYTES ? rest->size - DIGEST_BYTES - 1 : 0;
    if (value->size != 8 || agency_bytes == 0 || agency_bytes >= sizeof agency)
        return damaged(reading, STORE_ORPHANS, "a record is of a wrong size");
    memcpy(agency, rest->data, agency_bytes);
    struct table_key key = key_of_id(home->options.region, get_be64(value->data));
    struct octets k = key_octets(&key), octets;
    if (tables_get(home->store, reading->txn, STORE_CARERS, &k, &octets, NULL) != ERR_NONE ||
        home_carer_decode(&octets, get_be64(value->data), &carer, NULL) != ERR_NONE || !carer.lost ||
        strcmp(carer.carer.agency, agency) != 0 ||
        memcmp(carer.reference_hash, rest->data + agency_bytes + 1, DIGEST_BYTES) != 0)
        return damaged(reading, STORE_ORPHANS, "a record leads to no lost carer");
    lost_add(&home->lost, agency, 1);
    reading->orphans++;
    return ERR_NONE;
}

/* The one entry in the carer's list that is this hold's; NULL: none, or more than one. */
static const struct live_hold *claim_of(const struct home_carer *carer, const struct hold *hold, uint32_t *count)
{
    const struct live_hold *found = NULL;
    *count = 0;
    for (uint32_t i = 0; i < carer->hold_count; i++)
        if (carer->holds[i].epoch == hold->token.epoch && carer->holds[i].sequence == hold->token.sequence) {
            found = &carer->holds[i];
            (*count)++;
        }
    return found;
}

/* A hold that takes beds of the carer's vacancy is in its list as it is, and no other is. */
static bool claim_agrees(struct reading *reading, const struct hold *hold)
{
    struct home *home = reading->home;
    struct home_carer carer;
    uint32_t count;
    struct table_key key = key_of_id(home->options.region, hold->national_reference);
    struct octets k = key_octets(&key), octets;
    enum err err = tables_get(home->store, reading->txn, STORE_CARERS, &k, &octets, NULL);
    bool takes = hold_live(hold) || hold->state == HOLD_PLACED;
    if (err == ERR_NOT_FOUND)
        return !hold_live(hold);
    if (err != ERR_NONE || home_carer_decode(&octets, hold->national_reference, &carer, NULL) != ERR_NONE)
        return false;
    const struct live_hold *claim = claim_of(&carer, hold, &count);
    if (!takes || carer.vacancy.vacancy_id != hold->vacancy_id)
        return count == 0;
    reading->claimed += count;
    return count == 1 && claim->state == hold->state && claim->beds == hold->beds;
}

static enum err read_hold(struct reading *reading, const struct octets *rest, const struct octets *value)
{
    const struct home_position *position = &reading->home->position;
    struct hold hold;
    struct hold_lines lines;
    struct octets row;
    if (home_hold_decode(rest, value, &hold, &row) != ERR_NONE || hold.token.epoch > position->epoch ||
        hold.token.sequence > position->sequence || (row.size == 0 && hold_live(&hold)))
        return damaged(reading, STORE_HOLDS, "a record can't be read");
    if (row.size > 0)
        add_record(reading, LOG_TABLE_HOLD, rest, &row);
    if (!claim_agrees(reading, &hold))
        return damaged(reading, STORE_HOLDS, "a record and its carer's do not agree");
    hold_due_read(reading->home, &hold);
    hold_lines_of(reading->home->options.region, &hold, &lines);
    for (uint32_t i = 0; i < lines.count; i++)
        reading->lines_expected += lines.wanted[i];
    return ERR_NONE;
}

/* Each line is one of its hold's. */
static enum err read_line(struct reading *reading, const struct octets *rest, const struct octets *value)
{
    struct home *home = reading->home;
    struct hold_token token;
    struct hold hold;
    struct hold_lines lines = {.count = 0};
    struct table_key full = key_of_region(home->options.region);
    struct octets octets;
    bool found = false;
    if (value->size != 0 || full.size + rest->size > sizeof full.data)
        return damaged(reading, STORE_HOLD_LISTS, "a record is of a wrong size");
    memcpy(full.data + full.size, rest->data, rest->size);
    full.size += rest->size;
    struct octets line = key_octets(&full);
    if (!key_hold_list_token(&line, &token))
        return damaged(reading, STORE_HOLD_LISTS, "a key is of a wrong size");
    struct table_key key = key_of_hold(home->options.region, &token);
    struct octets k = key_octets(&key), of;
    if (tables_get(home->store, reading->txn, STORE_HOLDS, &k, &octets, NULL) == ERR_NONE &&
        key_in_region(&k, home->options.region, &of) && home_hold_decode(&of, &octets, &hold, NULL) == ERR_NONE)
        hold_lines_of(home->options.region, &hold, &lines);
    for (uint32_t i = 0; i < lines.count; i++)
        found = found || (lines.wanted[i] && lines.keys[i].size == full.size &&
                          memcmp(lines.keys[i].data, full.data, full.size) == 0);
    if (!found)
        return damaged(reading, STORE_HOLD_LISTS, "a line leads to no such hold");
    reading->lines++;
    return ERR_NONE;
}

static enum err read_agency(struct reading *reading, const struct octets *rest, const struct octets *value)
{
    char id[AGENCY_ID_BYTES] = {0};
    struct agency agency;
    if (rest->size == 0 || rest->size >= sizeof id)
        return damaged(reading, STORE_AGENCIES, "a key is of a wrong size");
    memcpy(id, rest->data, rest->size);
    if (agency_decode(id, value, &agency) != ERR_NONE)
        return damaged(reading, STORE_AGENCIES, "a record can't be read");
    reading->agencies++;
    add_record(reading, LOG_TABLE_AGENCY, rest, value);
    return ERR_NONE;
}

static enum err read_plain(struct reading *reading, const struct octets *rest, const struct octets *value)
{
    (void)reading;
    (void)rest;
    (void)value;
    return ERR_NONE; /* its check is enough */
}

static enum err read_payload(struct reading *reading, const struct log_header *header, const struct octets *value)
{
    struct log_payload payload;
    uint8_t commitment[DIGEST_BYTES];
    /* Behind the horizon payloads may be gone, and only there. */
    if (value->size == LOG_HEADER_BYTES && header->sequence <= reading->home->position.horizon) {
        reading->dropped += reading->dropped + 1 == header->sequence;
        reading->epoch_unknown = reading->epoch_unknown || header->epoch != reading->epoch;
        reading->epoch = header->epoch;
        return ERR_NONE;
    }
    if (value->size < LOG_HEADER_BYTES + LOG_SALT_BYTES)
        return damaged(reading, STORE_LOG, "an entry is short");
    const uint8_t *salt = value->data + LOG_HEADER_BYTES;
    struct octets octets = {salt + LOG_SALT_BYTES, value->size - LOG_HEADER_BYTES - LOG_SALT_BYTES};
    log_commitment(salt, &octets, commitment);
    if (header->payload_bytes != octets.size || memcmp(commitment, header->commitment, DIGEST_BYTES) != 0 ||
        log_payload_decode(&octets, &payload) != ERR_NONE)
        return damaged(reading, STORE_LOG, "an entry is not what its header says");
    if (payload.table == LOG_TABLE_EPOCH && payload.key.size == 8 && payload.value.size == EPOCH_ID_BYTES) {
        reading->epoch = get_be64(payload.key.data);
        memcpy(reading->epoch_id, payload.value.data, EPOCH_ID_BYTES);
        reading->epoch_unknown = false;
    }
    return ERR_NONE;
}

static enum err read_log_entry(struct reading *reading, const struct octets *rest, const struct octets *value)
{
    struct log_header header;
    struct octets header_octets = {value->data, LOG_HEADER_BYTES};
    if (value->size < LOG_HEADER_BYTES)
        return damaged(reading, STORE_LOG, "an entry is short");
    if (log_header_decode(&header_octets, &header) != ERR_NONE || rest->size != 8 ||
        get_be64(rest->data) != header.sequence || strcmp(header.region, reading->home->options.region) != 0)
        return damaged(reading, STORE_LOG, "an entry is not what its header says");
    const struct log_header *last = reading->last.sequence ? &reading->last : NULL;
    enum err err = log_chain_check(last, reading->head, &header, reading->problem);
    if (err == ERR_NONE)
        err = read_payload(reading, &header, value);
    if (err != ERR_NONE)
        return err;
    reading->last = header;
    log_header_hash(header_octets.data, reading->head);
    return ERR_NONE;
}

static enum err read_audit_row(struct reading *reading, const struct octets *rest, const struct octets *value)
{
    if (rest->size != 8 || get_be64(rest->data) != reading->audit.sequence + 1)
        return damaged(reading, STORE_AUDIT, "a record is missing");
    audit_chain_next(&reading->audit, value);
    return ERR_NONE;
}

/* A checkpoint must stand at an entry of the log; LOG was read before. */
static enum err read_checkpoint(struct reading *reading, const struct octets *rest, const struct octets *value)
{
    struct home *home = reading->home;
    struct signed_checkpoint *found = &reading->checkpoint;
    uint64_t last = found->checkpoint.sequence;
    if (rest->size != 8 || checkpoint_decode(value, found) != ERR_NONE)
        return damaged(reading, STORE_CHECKPOINTS, "a record can't be read");
    struct table_key key = key_of_id(home->options.region, found->checkpoint.sequence);
    struct octets k = key_octets(&key), entry;
    uint8_t hash[DIGEST_BYTES];
    if (found->checkpoint.sequence != get_be64(rest->data) || found->checkpoint.sequence <= last ||
        strcmp(found->checkpoint.region, home->options.region) != 0)
        return damaged(reading, STORE_CHECKPOINTS, "a record is in the wrong place");
    if (tables_get(home->store, reading->txn, STORE_LOG, &k, &entry, NULL) != ERR_NONE || entry.size < LOG_HEADER_BYTES)
        return damaged(reading, STORE_CHECKPOINTS, "a record names an entry that the log does not have");
    log_header_hash(entry.data, hash);
    if (memcmp(hash, found->checkpoint.head, DIGEST_BYTES) != 0)
        return damaged(reading, STORE_CHECKPOINTS, "a record names another entry than the log has");
    return ERR_NONE;
}

/* Whether the key comes after the last one, which `from` is with a zero octet added. Else reading might never end. */
static bool is_past(const struct octets *key, const struct table_key *from)
{
    if (from->size == 0)
        return true;
    size_t last = from->size - 1, least = key->size < last ? key->size : last;
    int order = memcmp(key->data, from->data, least);
    return order > 0 || (order == 0 && key->size > last);
}

static enum err read_table(struct reading *reading, enum store_table table,
                           enum err (*row)(struct reading *reading, const struct octets *rest,
                                           const struct octets *value))
{
    struct home *home = reading->home;
    struct table_key from = {.size = 0};
    for (;;) {
        struct octets at = key_octets(&from), key, value, rest = {0};
        enum err err = tables_seek(home->store, reading->txn, table, &at, false, &key, &value, reading->problem);
        if (err == ERR_NOT_FOUND)
            return ERR_NONE;
        if (err != ERR_NONE)
            return err == ERR_STORE_DAMAGED ? err : problem_set(reading->problem, err, "", "the store can't be read");
        if (key.size >= sizeof from.data)
            return damaged(reading, table, "a key is too long");
        if (!is_past(&key, &from))
            return damaged(reading, table, "keys are out of order");
        if (table != STORE_META && !key_in_region(&key, home->options.region, &rest))
            return damaged(reading, table, "a record of another region");
        err = row(reading, &rest, &value);
        if (err != ERR_NONE)
            return err;
        memcpy(from.data, key.data, key.size);
        from.data[key.size] = 0;
        from.size = key.size + 1;
    }
}

/* The newest may be gone with an erased carer, but none is past where META says they end. */
static enum err read_event(struct reading *reading, const struct octets *rest, const struct octets *value)
{
    uint64_t number;
    if (event_row_check(rest, value, &number) != ERR_NONE || number > reading->home->position.events)
        return damaged(reading, STORE_EVENTS, "a record can't be read");
    return ERR_NONE;
}

static enum err read_reports(struct reading *reading, const struct octets *rest, const struct octets *value)
{
    return reports_row_check(rest, value) ? ERR_NONE : damaged(reading, STORE_REPORTS, "a record can't be read");
}

/* Who had it may be gone by now, until a round of forgetting has passed it. */
static enum err read_former(struct reading *reading, const struct octets *rest, const struct octets *value)
{
    bool good = rest->size > DIGEST_BYTES + 1 && former_row_check(value);
    return good ? ERR_NONE : damaged(reading, STORE_FORMER, "a record can't be read");
}

static enum err read_through(struct reading *reading)
{
    static enum err (*const rows[STORE_HOME_TABLES])(struct reading *, const struct octets *, const struct octets *) = {
        [STORE_META] = read_meta,       [STORE_CARERS] = read_carer,     [STORE_REFERENCES] = read_reference,
        [STORE_AGENCIES] = read_agency, [STORE_PRINCIPALS] = read_plain, [STORE_LOG] = read_log_entry,
        [STORE_AUDIT] = read_audit_row, [STORE_REQUESTS] = read_plain,   [STORE_CHECKPOINTS] = read_checkpoint,
        [STORE_ORPHANS] = read_orphan,  [STORE_HOLDS] = read_hold,       [STORE_HOLD_LISTS] = read_line,
        [STORE_EVENTS] = read_event,    [STORE_ASKED] = read_plain,      [STORE_REPORTS] = read_reports,
        [STORE_FORMER] = read_former,
    };
    for (int table = 0; table < STORE_HOME_TABLES; table++) {
        enum err err = read_table(reading, (enum store_table)table, rows[table]);
        if (err != ERR_NONE)
            return err;
    }
    return ERR_NONE;
}

/* What META says of the ends must be what was found: a lost tail is damage, too. */
static enum err check_ends(struct reading *reading, const struct home_position *position)
{
    if (position->sequence != reading->last.sequence || memcmp(position->head, reading->head, DIGEST_BYTES) != 0 ||
        position->epoch != reading->epoch ||
        (!reading->epoch_unknown && memcmp(position->epoch_id, reading->epoch_id, EPOCH_ID_BYTES) != 0))
        return damaged(reading, STORE_LOG, "it does not end where it should");
    if (position->audit.sequence != reading->audit.sequence ||
        memcmp(position->audit.hash, reading->audit.hash, DIGEST_BYTES) != 0)
        return damaged(reading, STORE_AUDIT, "it does not end where it should");
    if (reading->carers != reading->references + reading->orphans)
        return damaged(reading, STORE_REFERENCES, "not every carer has its reference");
    if (reading->claims != reading->claimed)
        return damaged(reading, STORE_CARERS, "a carer's list names a hold that is not there");
    if (reading->lines != reading->lines_expected)
        return damaged(reading, STORE_HOLD_LISTS, "not every hold has its lines");
    return ERR_NONE;
}

/* The records must add up to what META says, and to what was signed. */
static enum err check_state(struct reading *reading, const struct home_position *position)
{
    struct home *home = reading->home;
    const struct checkpoint *last = &reading->checkpoint.checkpoint;
    uint8_t digest[DIGEST_BYTES], public_key[PUBLIC_KEY_BYTES];
    enum err err = state_read(home, reading->txn, &home->state, reading->problem);
    if (err != ERR_NONE)
        return err;
    if (memcmp(&home->state.digest, &reading->state.digest, sizeof home->state.digest) != 0 ||
        home->state.records != reading->state.records)
        return damaged(reading, STORE_META, "the records do not add up to the state's digest");
    if (position->sequence == 0)
        return ERR_NONE;
    lthash_digest(&home->state.digest, digest);
    signer_public_key(home->options.signer, public_key);
    if (last->sequence != position->sequence || memcmp(last->head, position->head, DIGEST_BYTES) != 0 ||
        memcmp(last->state, digest, DIGEST_BYTES) != 0 || last->records != home->state.records ||
        last->epoch != position->epoch || memcmp(last->epoch_id, position->epoch_id, EPOCH_ID_BYTES) != 0 ||
        last->horizon > position->horizon || !checkpoint_verify(&reading->checkpoint, public_key))
        return damaged(reading, STORE_CHECKPOINTS, "the last one is not of where the register stands");
    home->newest = reading->checkpoint;
    return ERR_NONE;
}

enum err register_check(struct home *home, struct store_txn *txn, struct problem *problem)
{
    struct reading *reading = calloc(1, sizeof *reading);
    if (reading == NULL)
        return problem_set(problem, ERR_LIMIT, "", "no memory to read the register through");
    *reading = (struct reading){.home = home, .txn = txn, .problem = problem};
    enum err err = read_through(reading);
    if (err == ERR_NONE)
        err = check_ends(reading, &home->position);
    if (err == ERR_NONE)
        err = check_state(reading, &home->position);
    home->carers = reading->carers;
    home->vacancies = reading->vacancies;
    home->agencies = reading->agencies;
    home->dropped = reading->dropped;
    free(reading);
    return err;
}
