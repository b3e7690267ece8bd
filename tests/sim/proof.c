/*
 * proof.c - see proof.h. One thread.
 */
#include "tests/sim/proof.h"

#include "daemon/record/bytes.h"
#include "tests/sim/hub.h"
#include "vacancy/v1/hub_service.pb-c.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define PAGE        64
#define ARENA_BYTES (8u << 20)

/* --- tables ------------------------------------------------------------------------------------------------------ */

const struct row *rows_find(const struct rows *rows, const void *key, size_t key_bytes)
{
    for (uint32_t i = 0; i < rows->count; i++)
        if (rows->at[i].key_bytes == key_bytes && memcmp(rows->at[i].key, key, key_bytes) == 0)
            return &rows->at[i];
    return NULL;
}

static void rows_set(struct sim *sim, struct rows *rows, const struct octets *key, const struct octets *value)
{
    struct row *row = (struct row *)rows_find(rows, key->data, key->size);
    if (value == NULL) {
        if (row == NULL)
            return;
        free(row->octets);
        *row = rows->at[--rows->count];
        return;
    }
    if (row == NULL) {
        sim_require(sim, rows->count < ROWS_MAX && key->size <= sizeof rows->at[0].key, "more rows than were pushed");
        row = &rows->at[rows->count++];
        *row = (struct row){.key_bytes = key->size};
        memcpy(row->key, key->data, key->size);
    }
    free(row->octets);
    row->octets = malloc(value->size + 1);
    if (row->octets == NULL)
        abort();
    memcpy(row->octets, value->data, value->size);
    row->bytes = value->size;
}

static void state_clear(struct shared_state *state)
{
    for (int table = 0; table < LOG_TABLE_END; table++) {
        for (uint32_t i = 0; i < state->tables[table].count; i++)
            free(state->tables[table].at[i].octets);
        state->tables[table].count = 0;
    }
}

static void same_rows(struct sim *sim, const char *what, enum log_table table, const struct rows *a,
                      const struct rows *b)
{
    sim_require(sim, a->count == b->count, "%s: table %d has %u rows, the log leads to %u", what, (int)table, a->count,
                b->count);
    for (uint32_t i = 0; i < a->count; i++) {
        const struct row *other = &b->at[i]; /* mostly they are in the same order */
        if (other->key_bytes != a->at[i].key_bytes || memcmp(other->key, a->at[i].key, other->key_bytes) != 0)
            other = rows_find(b, a->at[i].key, a->at[i].key_bytes);
        sim_require(sim, other != NULL, "%s: a row of table %d is not in the log's state", what, (int)table);
        sim_require(sim, other->bytes == a->at[i].bytes && memcmp(other->octets, a->at[i].octets, other->bytes) == 0,
                    "%s: a row of table %d differs from the log's state", what, (int)table);
    }
}

/* --- the observer ------------------------------------------------------------------------------------------------ */

static void committed(void *ctx, const struct commit *commit)
{
    struct proof *proof = ctx;
    struct sim *sim = proof->hub->sim;
    const struct seam *seam = proof->hub->seam;
    if (commit->count > 0 && proof->hub->up)
        sim_require(sim, seam->commits > proof->commits_told, "an observer was told of a change that is not durable");
    proof->commits_told = seam->commits;
    for (size_t i = 0; i < commit->count; i++) {
        const struct change *change = &commit->changes[i];
        if (change->table < LOG_TABLE_END)
            rows_set(sim, &proof->mirrored.tables[change->table], &change->key,
                     change->deleted ? NULL : &change->value);
    }
}

struct commit_observer proof_observer(struct proof *proof)
{
    return (struct commit_observer){.committed = committed, .ctx = proof};
}

void proof_forget_mirror(struct proof *proof)
{
    state_clear(&proof->mirrored);
}

/* --- the log ----------------------------------------------------------------------------------------------------- */

/* Design 4.9: what is shared holds neither a home's postcode nor the agency's own reference. */
static void scan_for_private(struct proof *proof, const struct octets *payload)
{
    for (uint32_t agency = 0; agency < AGENCIES; agency++) {
        for (uint32_t reference = 0; reference < REFERENCES; reference++) {
            char text[AGENCY_REFERENCE_BYTES];
            carer_reference(agency, reference, text);
            sim_require(proof->hub->sim, memmem(payload->data, payload->size, text, strlen(text)) == NULL,
                        "an agency's own reference is in the log");
            for (uint32_t home = 0; home < HOMES_EACH; home++) {
                carer_postcode(agency, reference, home, text);
                sim_require(proof->hub->sim, memmem(payload->data, payload->size, text, strlen(text)) == NULL,
                            "a home's postcode is in the log");
                char *space = strchr(text, ' ');
                memmove(space, space + 1, strlen(space));
                sim_require(proof->hub->sim, memmem(payload->data, payload->size, text, strlen(text)) == NULL,
                            "a home's postcode is in the log");
            }
        }
    }
}

static void check_offer(struct proof *proof, const struct log_payload *payload)
{
    struct offer offer;
    struct sim *sim = proof->hub->sim;
    sim_require(sim, offer_decode(&payload->value, &offer) == ERR_NONE, "an offer in the log can't be read");
    uint32_t most =
        offer.max_children > offer.max_children_if_siblings ? offer.max_children : offer.max_children_if_siblings;
    sim_require(sim, offer.beds_free + offer.beds_held <= offer.beds && offer.beds <= 12 && most <= CHILDREN_MAX,
                "an offer has more beds free and held than beds");
    sim_require(sim,
                (offer.care_types & ~offer.approved_care_types) == 0 &&
                    offer.age_from_months >= offer.approved_age_from_months &&
                    offer.age_below_months <= offer.approved_age_below_months,
                "an offer goes beyond the approval");
    sim_require(sim, offer.confirmed_at_ms <= proof->last.time_ms,
                "an offer was confirmed after its entry was written (%" PRId64 " after %" PRId64 ")",
                offer.confirmed_at_ms, proof->last.time_ms);
}

static void take_entry(struct proof *proof, const struct log_row *row)
{
    struct sim *sim = proof->hub->sim;
    struct log_header header;
    struct log_payload payload;
    uint8_t commitment[DIGEST_BYTES];
    sim_require(sim, log_header_decode(&row->header, &header) == ERR_NONE, "a header in the log can't be read");
    sim_require(sim, strcmp(header.region, SIM_REGION) == 0, "an entry of region %s", header.region);
    sim_require(sim, header.sequence == proof->last.sequence + 1, "entry %" PRIu64 " follows entry %" PRIu64,
                header.sequence, proof->last.sequence);
    sim_require(sim, memcmp(header.previous, proof->head_hash, DIGEST_BYTES) == 0,
                "entry %" PRIu64 " does not carry its predecessor's hash", header.sequence);
    sim_require(sim, header.time_ms >= proof->last.time_ms && header.epoch >= proof->last.epoch,
                "entry %" PRIu64 " goes back in time", header.sequence);
    struct octets parts[] = {row->salt, row->payload};
    digest_sha256_parts(parts, 2, commitment);
    sim_require(sim,
                row->salt.size == LOG_SALT_BYTES && row->payload.size == header.payload_bytes &&
                    memcmp(commitment, header.commitment, DIGEST_BYTES) == 0,
                "the payload of entry %" PRIu64 " is not the one that its header commits to", header.sequence);
    sim_require(sim, log_payload_decode(&row->payload, &payload) == ERR_NONE,
                "the payload of entry %" PRIu64 " can't be read", header.sequence);
    digest_sha256(row->header.data, LOG_HEADER_BYTES, proof->head_hash);
    proof->last = header;
    if (payload.table == LOG_TABLE_OFFER && !payload.deleted)
        check_offer(proof, &payload);
    if (payload.table != LOG_TABLE_EPOCH)
        rows_set(sim, &proof->replayed.tables[payload.table], &payload.key, payload.deleted ? NULL : &payload.value);
}

static void remember(struct proof *proof, const struct log_row *row)
{
    uint64_t at = proof->last.sequence - 1;
    if (at < proof->count) {
        sim_require(proof->hub->sim, memcmp(proof->headers[at], row->header.data, LOG_HEADER_BYTES) == 0,
                    "sequence %" PRIu64 " was used again with other content", at + 1);
        return;
    }
    if (proof->count == proof->capacity) {
        proof->capacity = proof->capacity ? 2 * proof->capacity : 256;
        proof->headers = realloc(proof->headers, proof->capacity * sizeof *proof->headers);
        if (proof->headers == NULL)
            abort();
    }
    memcpy(proof->headers[proof->count++], row->header.data, LOG_HEADER_BYTES);
    scan_for_private(proof, &row->payload);
}

static void read_log(struct proof *proof)
{
    struct sim_hub *hub = proof->hub;
    struct arena arena;
    size_t got;
    arena_init(&arena, ARENA_BYTES);
    do {
        struct log_row rows[PAGE];
        enum err err = home_read_log(hub->home, proof->last.sequence + 1, &arena, rows, PAGE, &got);
        sim_require(hub->sim, err == ERR_NONE, "the log can't be read: %s", err_name(err));
        for (size_t i = 0; i < got; i++) {
            take_entry(proof, &rows[i]);
            remember(proof, &rows[i]);
        }
        arena_reset(&arena);
    } while (got > 0);
    arena_finish(&arena);
    uint64_t epoch, sequence;
    home_position(hub->home, &epoch, &sequence);
    sim_require(hub->sim, sequence == proof->last.sequence && epoch == proof->last.epoch,
                "the register stands at %" PRIu64 ", its log ends at %" PRIu64, sequence, proof->last.sequence);
    sim_require(hub->sim, proof->count == proof->last.sequence,
                "the log ends at %" PRIu64 ", but %" PRIu64 " entries were durable", proof->last.sequence,
                proof->count);
}

/* --- the audit of writes ----------------------------------------------------------------------------------------- */

static void take_audit(struct proof *proof, const struct audit_row *row)
{
    struct sim *sim = proof->hub->sim;
    Vacancy__V1__AuditRecord *record = vacancy__v1__audit_record__unpack(NULL, row->octets.size, row->octets.data);
    sim_require(sim, record != NULL, "audit row %" PRIu64 " can't be read", row->sequence);
    sim_require(sim, row->sequence == proof->audit.sequence + 1, "audit row %" PRIu64 " follows row %" PRIu64,
                row->sequence, proof->audit.sequence);
    sim_require(sim, record->at_ms >= proof->audit_time_ms, "audit row %" PRIu64 " goes back in time", row->sequence);
    sim_require(sim, record->sequence <= proof->last.sequence,
                "an audit row names entry %" PRIu64 ", which is not in the log", record->sequence);
    proof->audit_time_ms = record->at_ms;
    vacancy__v1__audit_record__free_unpacked(record, NULL);
    audit_chain_next(&proof->audit, &row->octets);
    if (proof->audit.sequence == proof->audit_known.sequence)
        sim_require(sim, memcmp(proof->audit.hash, proof->audit_known.hash, DIGEST_BYTES) == 0,
                    "durable audit rows up to %" PRIu64 " have changed", proof->audit.sequence);
}

static void read_audit(struct proof *proof)
{
    struct sim_hub *hub = proof->hub;
    struct arena arena;
    size_t got;
    arena_init(&arena, ARENA_BYTES);
    do {
        struct audit_row rows[PAGE];
        enum err err = home_read_audit(hub->home, proof->audit.sequence + 1, &arena, rows, PAGE, &got);
        sim_require(hub->sim, err == ERR_NONE, "the audit trail can't be read: %s", err_name(err));
        for (size_t i = 0; i < got; i++)
            take_audit(proof, &rows[i]);
        arena_reset(&arena);
    } while (got > 0);
    arena_finish(&arena);
    struct audit_position end;
    home_audit_position(hub->home, &end);
    sim_require(
        hub->sim, end.sequence == proof->audit.sequence && memcmp(end.hash, proof->audit.hash, DIGEST_BYTES) == 0,
        "the audit trail says it ends at %" PRIu64 ", its rows lead to %" PRIu64, end.sequence, proof->audit.sequence);
}

void proof_catch_up(struct proof *proof)
{
    proof->hub->seam->looking++;
    read_log(proof);
    read_audit(proof);
    proof->hub->seam->looking--;
    for (int table = LOG_TABLE_AGENCY; table < LOG_TABLE_END; table++)
        same_rows(proof->hub->sim, "observers", (enum log_table)table, &proof->mirrored.tables[table],
                  &proof->replayed.tables[table]);
}

/* --- the trail of disclosures and signed heads -------------------------------------------------------------------- */

void proof_head(struct proof *proof, const struct signed_head *head)
{
    struct sim *sim = proof->hub->sim;
    uint8_t key[PUBLIC_KEY_BYTES];
    struct audit_position writes;
    home_audit_position(proof->hub->home, &writes);
    signer_public_key(proof->hub->signer, key);
    sim_require(sim,
                memcmp(key, head->public_key, sizeof key) == 0 &&
                    signature_verify(key, head->text, strlen(head->text), head->signature),
                "a signed head does not verify");
    sim_require(sim,
                head->head.writes.sequence == writes.sequence &&
                    memcmp(head->head.writes.hash, writes.hash, DIGEST_BYTES) == 0,
                "a signed head does not cover the writes up to %" PRIu64, writes.sequence);
    if (proof->has_head)
        sim_require(sim,
                    head->head.writes.sequence >= proof->head.head.writes.sequence &&
                        head->head.disclosures.sequence >= proof->head.head.disclosures.sequence &&
                        head->head.at_ms >= proof->head.head.at_ms,
                    "a signed head goes back: writes %" PRIu64 " after %" PRIu64 ", disclosures %" PRIu64
                    " after %" PRIu64 ", time %" PRId64 " after %" PRId64,
                    head->head.writes.sequence, proof->head.head.writes.sequence, head->head.disclosures.sequence,
                    proof->head.head.disclosures.sequence, head->head.at_ms, proof->head.head.at_ms);
    proof->head = *head;
    proof->has_head = true;
}

/* Reads the trail on from `from`; *end is moved along the chain. Calls each(record) on the way, if given. */
static void read_trail(struct proof *proof, struct audit_position *end,
                       void (*each)(void *ctx, const Vacancy__V1__AuditRecord *record), void *ctx)
{
    struct sim_hub *hub = proof->hub;
    struct arena arena;
    size_t got;
    arena_init(&arena, ARENA_BYTES);
    hub->seam->looking++;
    do {
        struct audit_row rows[PAGE];
        enum err err = disclosures_read(hub->disclosures, end->sequence + 1, &arena, rows, PAGE, &got);
        sim_require(hub->sim, err == ERR_NONE, "the trail of disclosures can't be read: %s", err_name(err));
        for (size_t i = 0; i < got; i++) {
            sim_require(hub->sim, rows[i].sequence == end->sequence + 1, "a gap in the trail of disclosures");
            audit_chain_next(end, &rows[i].octets);
            if (end->sequence == proof->disclosures_known.sequence)
                sim_require(hub->sim, memcmp(end->hash, proof->disclosures_known.hash, DIGEST_BYTES) == 0,
                            "disclosures up to %" PRIu64 " have changed", end->sequence);
            Vacancy__V1__AuditRecord *record =
                vacancy__v1__audit_record__unpack(NULL, rows[i].octets.size, rows[i].octets.data);
            sim_require(hub->sim, record != NULL, "a record of the trail of disclosures can't be read");
            if (each != NULL)
                each(ctx, record);
            vacancy__v1__audit_record__free_unpacked(record, NULL);
        }
        arena_reset(&arena);
    } while (got > 0);
    hub->seam->looking--;
    arena_finish(&arena);
}

struct shown_ids {
    const char *principal, *method;
    const char *const *ids;
    size_t count;
    uint64_t found; /* mask */
};

static void look_for(void *ctx, const Vacancy__V1__AuditRecord *record)
{
    struct shown_ids *shown = ctx;
    if (strcmp(record->principal, shown->principal) != 0 || strcmp(record->method, shown->method) != 0)
        return;
    for (size_t i = 0; i < shown->count; i++)
        for (size_t k = 0; k < record->n_subjects; k++)
            if (strcmp(record->subjects[k], shown->ids[i]) == 0)
                shown->found |= UINT64_C(1) << i;
}

void proof_disclosed(struct proof *proof, const char *principal, const char *method, const char *const *ids,
                     size_t count)
{
    struct shown_ids shown = {principal, method, ids, count, 0};
    sim_require(proof->hub->sim, count < 64, "more options than there are carers");
    struct audit_position before = proof->disclosures;
    read_trail(proof, &proof->disclosures, look_for, &shown);
    sim_require(proof->hub->sim, proof->disclosures.sequence > before.sequence, "%s showed without a record", method);
    sim_require(proof->hub->sim, shown.found == (UINT64_C(1) << count) - 1,
                "%s showed %zu records, but not all of them are on the trail", method, count);
}

/* --- life -------------------------------------------------------------------------------------------------------- */

void proof_restarted(struct proof *proof, bool power_cut)
{
    struct sim *sim = proof->hub->sim;
    state_clear(&proof->replayed);
    memset(&proof->last, 0, sizeof proof->last);
    memset(proof->head_hash, 0, sizeof proof->head_hash);
    proof->audit_known = proof->audit;
    memset(&proof->audit, 0, sizeof proof->audit);
    proof->audit_time_ms = 0;
    proof_catch_up(proof);
    sim_require(sim, proof->audit.sequence >= proof->audit_known.sequence, "durable audit rows are gone");
    proof->disclosures_known = proof->disclosures;
    memset(&proof->disclosures, 0, sizeof proof->disclosures);
    read_trail(proof, &proof->disclosures, NULL, NULL);
    uint64_t least = proof->has_head ? proof->head.head.disclosures.sequence : 0;
    if (!power_cut && proof->disclosures_known.sequence > least)
        least = proof->disclosures_known.sequence;
    if (proof->disclosures.sequence < proof->disclosures_known.sequence)
        sim_cover(COVERED_POWER_CUT_TOOK_DISCLOSURES);
    sim_require(sim, proof->disclosures.sequence >= least,
                "%" PRIu64 " disclosures had to survive, the trail has %" PRIu64, least, proof->disclosures.sequence);
    /* What a power cut took may be written anew with other content. */
    memset(&proof->audit_known, 0, sizeof proof->audit_known);
    memset(&proof->disclosures_known, 0, sizeof proof->disclosures_known);
}

const struct rows *proof_offers(const struct proof *proof)
{
    return &proof->replayed.tables[LOG_TABLE_OFFER];
}

void proof_init(struct proof *proof, struct sim_hub *hub)
{
    memset(proof, 0, sizeof *proof);
    proof->hub = hub;
}

void proof_finish(struct proof *proof)
{
    state_clear(&proof->replayed);
    state_clear(&proof->mirrored);
    free(proof->headers);
}
