/*
 * replica_fixture.h - regions that log, sign and fork as a test says, and a replica that is given what they have.
 *
 * Owns: struct origin (a region's log and state made with record/ functions only, so that no register checks itself),
 * works made of it, struct rig (a replica on a store, with an observer). Thread: one.
 */
#ifndef VACANCY_TESTS_REPLICA_FIXTURE_H
#define VACANCY_TESTS_REPLICA_FIXTURE_H

#include "daemon/record/bytes.h"
#include "daemon/record/lthash.h"
#include "daemon/register/replica.h"
#include "tests/unit/register_world.h"

#define ORIGIN_ROWS  1500
#define ORIGIN_STATE 600
#define OUR_REGION   "E12000001"
#define REGION_A     "E12000002"
#define REGION_B     "E12000003"

struct kept {
    enum log_table table;
    uint8_t key[48];
    size_t key_bytes;
    struct octets value;
};

struct origin {
    char region[GSS_BYTES];
    struct signer *signer;
    struct seeded_random random;
    struct arena *arena; /* shared by branches */
    struct log_row rows[ORIGIN_ROWS];
    struct signed_checkpoint at[ORIGIN_ROWS]; /* by sequence; text empty: not signed there */
    uint64_t sequence, epoch, horizon;
    uint8_t epoch_id[EPOCH_ID_BYTES], head[DIGEST_BYTES];
    int64_t time_ms;
    struct lthash hash;
    struct kept state[ORIGIN_STATE]; /* by table and key */
    size_t records;
};

static inline void *origin_alloc(struct origin *origin, size_t bytes)
{
    void *memory = arena_alloc(origin->arena, bytes);
    assert_non_null(memory);
    return memory;
}

static inline struct origin *origin_create(const char *region, uint64_t seed)
{
    struct origin *origin = calloc(1, sizeof *origin);
    uint8_t key[32] = {0};
    memcpy(key, region, GSS_BYTES);
    strcpy(origin->region, region);
    origin->signer = signer_from_seed(key);
    seeded_random_init(&origin->random, seed ^ (uint64_t)region[8]);
    origin->arena = calloc(1, sizeof *origin->arena);
    arena_init(origin->arena, 256 << 20);
    origin->time_ms = WORLD_START_MS;
    return origin;
}

static inline void origin_destroy(struct origin *origin)
{
    signer_destroy(origin->signer);
    arena_finish(origin->arena);
    free(origin->arena);
    free(origin);
}

/* Goes on by itself from here; shares memory with its origin, and is freed by branch_destroy before it. */
static inline struct origin *origin_branch(const struct origin *origin, uint64_t seed)
{
    struct origin *branch = malloc(sizeof *branch);
    memcpy(branch, origin, sizeof *branch);
    seeded_random_init(&branch->random, seed);
    return branch;
}
static inline void branch_destroy(struct origin *branch)
{
    free(branch);
}

static inline int kept_compare(const struct kept *kept, enum log_table table, const struct octets *key)
{
    if (kept->table != table)
        return kept->table < table ? -1 : 1;
    int order = memcmp(kept->key, key->data, kept->key_bytes < key->size ? kept->key_bytes : key->size);
    return order ? order : (kept->key_bytes > key->size) - (kept->key_bytes < key->size);
}

/* Changes the state, its sum too. value NULL: deletion. */
static inline void origin_keep(struct origin *origin, enum log_table table, const struct octets *key,
                               const struct octets *value)
{
    size_t at = 0;
    while (at < origin->records && kept_compare(&origin->state[at], table, key) < 0)
        at++;
    bool known = at < origin->records && kept_compare(&origin->state[at], table, key) == 0;
    struct kept *kept = &origin->state[at];
    if (known)
        lthash_remove(&origin->hash, table, key, &kept->value);
    if (value == NULL) {
        if (known)
            memmove(kept, kept + 1, (--origin->records - at) * sizeof *kept);
        return;
    }
    if (!known) {
        assert_true(origin->records < ORIGIN_STATE);
        memmove(kept + 1, kept, (origin->records++ - at) * sizeof *kept);
    }
    *kept = (struct kept){.table = table, .key_bytes = key->size, .value = *value};
    memcpy(kept->key, key->data, key->size);
    lthash_add(&origin->hash, table, key, value);
}

/* Logs any payload, good or bad. */
static inline void origin_log_octets(struct origin *origin, const struct octets *payload)
{
    assert_true(origin->sequence + 1 < ORIGIN_ROWS);
    uint8_t *entry = origin_alloc(origin, LOG_HEADER_BYTES + LOG_SALT_BYTES + payload->size);
    uint8_t *salt = entry + LOG_HEADER_BYTES;
    const struct randomness source = seeded_random_source(&origin->random);
    random_fill(&source, salt, LOG_SALT_BYTES);
    if (payload->size > 0)
        memcpy(salt + LOG_SALT_BYTES, payload->data, payload->size);
    struct log_header header = {.epoch = origin->epoch,
                                .sequence = ++origin->sequence,
                                .time_ms = origin->time_ms,
                                .payload_bytes = (uint32_t)payload->size};
    strcpy(header.region, origin->region);
    memcpy(header.previous, origin->head, DIGEST_BYTES);
    log_commitment(salt, payload, header.commitment);
    log_header_encode(&header, entry);
    log_header_hash(entry, origin->head);
    origin->rows[origin->sequence] =
        (struct log_row){{entry, LOG_HEADER_BYTES}, {salt, LOG_SALT_BYTES}, {salt + LOG_SALT_BYTES, payload->size}};
}

static inline void origin_log(struct origin *origin, enum log_table table, const struct octets *key,
                              const struct octets *value)
{
    const struct log_payload payload = {
        .table = table, .key = *key, .deleted = value == NULL, .value = value ? *value : (struct octets){0}};
    size_t bytes = log_payload_bytes(&payload);
    uint8_t *octets = origin_alloc(origin, bytes);
    log_payload_encode(&payload, octets);
    origin_log_octets(origin, &(struct octets){octets, bytes});
}

static inline void origin_epoch(struct origin *origin, uint64_t number, uint8_t id)
{
    uint8_t key[8];
    put_be64(key, number);
    origin->epoch = number;
    memset(origin->epoch_id, id, EPOCH_ID_BYTES);
    origin_log(origin, LOG_TABLE_EPOCH, &(struct octets){key, sizeof key},
               &(struct octets){origin->epoch_id, EPOCH_ID_BYTES});
}

static inline struct octets origin_value(struct origin *origin, enum log_table table)
{
    struct octets value = {0};
    if (table == LOG_TABLE_AGENCY) {
        struct agency agency;
        random_agency(&origin->random, &agency);
        snprintf(agency.name, sizeof agency.name, "Agency %u", random_up_to(&origin->random, 99999));
        assert_int_equal(agency_encode(&agency, origin->arena, &value), ERR_NONE);
        return value;
    }
    if (table == LOG_TABLE_HOLD) {
        struct hold hold;
        random_hold(&origin->random, &hold);
        assert_int_equal(hold_row_encode(&hold, origin->arena, &value), ERR_NONE);
        return value;
    }
    static const uint8_t secret[32] = {1};
    struct home_carer home;
    struct offer offer;
    do
        random_home_carer(&origin->random, &home);
    while (table == LOG_TABLE_OFFER && !offer_derive(&home, &offer));
    if (table == LOG_TABLE_OFFER)
        assert_int_equal(offer_encode(&offer, origin->arena, &value), ERR_NONE);
    else
        assert_int_equal(carer_row_encode(&home, secret, origin->arena, &value), ERR_NONE);
    return value;
}

/* A change of one of `keys` records of the table: put, or rarely deleted. */
static inline void origin_change(struct origin *origin, uint32_t keys)
{
    enum log_table table = (enum log_table)(LOG_TABLE_AGENCY + random_up_to(&origin->random, 3));
    uint8_t key[HOLD_KEY_BYTES] = {0};
    put_be64(key, 1 + random_up_to(&origin->random, keys));
    put_be64(key + 8, 1);
    struct octets octets = {key, table == LOG_TABLE_HOLD ? HOLD_KEY_BYTES : 8};
    char id[16];
    if (table == LOG_TABLE_AGENCY) {
        snprintf(id, sizeof id, "agency-%u", (unsigned)key[7]);
        octets = (struct octets){(uint8_t *)id, strlen(id)};
    }
    bool deleted = random_up_to(&origin->random, 5) == 0;
    struct octets value = deleted ? (struct octets){0} : origin_value(origin, table);
    origin_keep(origin, table, &octets, deleted ? NULL : &value);
    origin_log(origin, table, &octets, deleted ? NULL : &value);
}

static inline struct checkpoint origin_states(const struct origin *origin)
{
    struct checkpoint checkpoint = {.epoch = origin->epoch,
                                    .sequence = origin->sequence,
                                    .records = origin->records,
                                    .horizon = origin->horizon,
                                    .time_ms = origin->time_ms};
    strcpy(checkpoint.region, origin->region);
    memcpy(checkpoint.epoch_id, origin->epoch_id, EPOCH_ID_BYTES);
    memcpy(checkpoint.head, origin->head, DIGEST_BYTES);
    lthash_digest(&origin->hash, checkpoint.state);
    return checkpoint;
}

/* Signs where it stands, at its own time. */
static inline const struct signed_checkpoint *origin_sign(struct origin *origin)
{
    struct checkpoint checkpoint = origin_states(origin);
    checkpoint_sign(&checkpoint, origin->signer, &origin->at[origin->sequence]);
    return &origin->at[origin->sequence];
}

/* So many changes as one commit. */
static inline void origin_commit(struct origin *origin, unsigned changes, uint32_t keys)
{
    origin->time_ms += 1000;
    for (unsigned i = 0; i < changes; i++)
        origin_change(origin, keys);
    origin_sign(origin);
}

/* A region with its first epoch and some commits. */
static inline struct origin *origin_started(const char *region, uint64_t seed, unsigned commits, unsigned changes)
{
    struct origin *origin = origin_create(region, seed);
    origin_epoch(origin, 1, 0x11);
    origin_sign(origin);
    for (unsigned i = 0; i < commits; i++)
        origin_commit(origin, changes, 40);
    return origin;
}

/* --- works ---------------------------------------------------------------------------------------------------------
 */

/* Entries first to last, and a checkpoint. first > last: none. */
static inline struct replica_work *work_of(enum replica_work_kind kind, const struct origin *origin, uint64_t first,
                                           uint64_t last, const struct signed_checkpoint *checkpoint)
{
    struct replica_work *work = replica_work_create(kind, origin->region);
    assert_non_null(work);
    work->entry_count = first <= last ? (size_t)(last - first + 1) : 0;
    work->entries = arena_alloc(&work->arena, work->entry_count * sizeof *work->entries + 1);
    if (work->entry_count > 0)
        memcpy(work->entries, origin->rows + first, work->entry_count * sizeof *work->entries);
    work->has_checkpoint = checkpoint != NULL;
    if (checkpoint != NULL)
        work->checkpoint = *checkpoint;
    return work;
}

static inline struct replica_work *batch_of(const struct origin *origin, uint64_t first, uint64_t last)
{
    return work_of(WORK_BATCH, origin, first, last, &origin->at[last]);
}

static inline struct replica_work *begin_of(const struct origin *origin, uint64_t at)
{
    return work_of(WORK_SNAPSHOT_BEGIN, origin, 1, 0, &origin->at[at]);
}

static inline struct replica_work *headers_of(const struct origin *origin, uint64_t first, uint64_t last)
{
    struct replica_work *work = replica_work_create(WORK_SNAPSHOT_HEADERS, origin->region);
    size_t bytes = (size_t)(last - first + 1) * LOG_HEADER_BYTES;
    uint8_t *octets = arena_alloc(&work->arena, bytes);
    for (uint64_t i = first; i <= last; i++)
        memcpy(octets + (i - first) * LOG_HEADER_BYTES, origin->rows[i].header.data, LOG_HEADER_BYTES);
    work->headers = (struct octets){octets, bytes};
    work->first_sequence = first;
    return work;
}

/* Records first to before last of the state as it is now. */
static inline struct replica_work *records_of(const struct origin *origin, size_t first, size_t end)
{
    struct replica_work *work = replica_work_create(WORK_SNAPSHOT_RECORDS, origin->region);
    end = end < origin->records ? end : origin->records;
    work->record_count = first < end ? end - first : 0;
    work->records = arena_alloc(&work->arena, work->record_count * sizeof *work->records + 1);
    for (size_t i = first; i < end; i++) {
        const struct kept *kept = &origin->state[i];
        uint8_t *key = arena_alloc(&work->arena, kept->key_bytes);
        memcpy(key, kept->key, kept->key_bytes);
        work->records[i - first] = (struct shared_record){kept->table, {key, kept->key_bytes}, kept->value};
    }
    work->read_at_sequence = origin->sequence;
    return work;
}

static inline struct replica_work *log_of(const struct origin *origin, uint64_t first, uint64_t last)
{
    return work_of(WORK_SNAPSHOT_LOG, origin, first, last, &origin->at[last]);
}

/* --- the replica ---------------------------------------------------------------------------------------------------
 */

/* What an observer shows of a region. */
struct shown {
    struct kept items[ORIGIN_STATE];
    size_t count;
    uint64_t epoch, sequence;
    bool open; /* more was promised */
    unsigned commits;
};

struct rig {
    int64_t wall_ms, boot_ms;
    struct clock_source clock;
    struct store *store;
    struct replica *replica;
    const struct roster *roster;
    struct signer *root;
    uint32_t hash_threads;
    struct shown shown[2];  /* REGION_A, REGION_B */
    struct problem problem; /* of the last work */
    struct log_cursor cursor;
};

static inline int64_t rig_wall(void *ctx)
{
    return ((struct rig *)ctx)->wall_ms;
}
static inline int64_t rig_boot(void *ctx)
{
    return ((struct rig *)ctx)->boot_ms;
}

static inline void shown_clear(struct shown *shown)
{
    for (size_t i = 0; i < shown->count; i++)
        free((void *)shown->items[i].value.data);
    memset(shown, 0, sizeof *shown);
}

static inline void shown_change(struct shown *shown, const struct change *change)
{
    size_t at = 0;
    while (at < shown->count && kept_compare(&shown->items[at], change->table, &change->key) < 0)
        at++;
    bool known = at < shown->count && kept_compare(&shown->items[at], change->table, &change->key) == 0;
    struct kept *item = &shown->items[at];
    if (known) {
        free((void *)item->value.data);
        memmove(item, item + 1, (--shown->count - at) * sizeof *item);
    }
    if (change->deleted)
        return;
    assert_true(shown->count < ORIGIN_STATE && change->key.size <= sizeof item->key);
    memmove(item + 1, item, (shown->count++ - at) * sizeof *item);
    uint8_t *copy = malloc(change->value.size + 1);
    memcpy(copy, change->value.data, change->value.size);
    *item = (struct kept){.table = change->table, .key_bytes = change->key.size, .value = {copy, change->value.size}};
    memcpy(item->key, change->key.data, change->key.size);
}

static inline void rig_committed(void *ctx, const struct commit *commit)
{
    struct rig *rig = ctx;
    assert_true(strcmp(commit->region, REGION_A) == 0 || strcmp(commit->region, REGION_B) == 0);
    struct shown *shown = &rig->shown[strcmp(commit->region, REGION_A) != 0], *other = &rig->shown[shown == rig->shown];
    assert_false(other->open);
    shown->open = commit->more;
    shown->epoch = commit->epoch;
    shown->sequence = commit->sequence;
    shown->commits++;
    for (size_t i = 0; i < commit->count; i++)
        shown_change(shown, &commit->changes[i]);
}

/* A signed roster of our region, A (with its key, and maybe a thaw) and, unless left out, B. */
static inline const struct roster *rig_roster(struct rig *rig, uint64_t version, const struct origin *a,
                                              const struct origin *b, const char *more)
{
    static const char issuer[] = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
    char text[4096], hex[2 * SIGNATURE_BYTES + 1];
    const struct origin *origins[] = {a, b};
    uint8_t key[PUBLIC_KEY_BYTES], root_key[PUBLIC_KEY_BYTES], signature[SIGNATURE_BYTES];
    size_t at = (size_t)snprintf(text, sizeof text, "vacancy roster v1\nversion %llu\n", (unsigned long long)version);
    signer_public_key(rig->root, root_key);
    hex_encode(root_key, sizeof root_key, hex);
    at += (size_t)snprintf(text + at, sizeof text - at, "region " OUR_REGION " key %s issuer %s\n", hex, issuer);
    for (size_t i = 0; i < 2; i++) {
        if (origins[i] == NULL)
            continue;
        signer_public_key(origins[i]->signer, key);
        hex_encode(key, sizeof key, hex);
        at += (size_t)snprintf(text + at, sizeof text - at, "region %s key %s issuer %s\n", origins[i]->region, hex,
                               issuer);
    }
    at += (size_t)snprintf(text + at, sizeof text - at, "%s", more);
    signer_sign(rig->root, text, at, signature);
    hex_encode(signature, sizeof signature, hex);
    at += (size_t)snprintf(text + at, sizeof text - at, "signature %s\n", hex);
    const struct roster *roster = NULL;
    struct problem problem = {0};
    if (roster_parse(text, at, root_key, &roster, &problem) != ERR_NONE)
        fail_msg("roster: %s", problem.text);
    return roster;
}

static inline void rig_open(struct rig *rig)
{
    const struct replica_options options = {
        .home_region = OUR_REGION, .clock = &rig->clock, .roster = rig->roster, .hash_threads = rig->hash_threads};
    const struct commit_observer observer = {rig_committed, rig};
    struct problem problem = {0};
    if (replica_open(&options, rig->store, &rig->replica, &problem) != ERR_NONE)
        fail_msg("open: %s", problem.text);
    assert_int_equal(replica_observe(rig->replica, &observer), ERR_NONE);
}

static inline void rig_close(struct rig *rig)
{
    replica_close(rig->replica);
    rig->replica = NULL;
    shown_clear(&rig->shown[0]);
    shown_clear(&rig->shown[1]);
}

/* As a process that ends and starts again. */
static inline void rig_restart(struct rig *rig)
{
    rig_close(rig);
    store_memory_crash(rig->store, false);
    rig_open(rig);
}

static inline struct rig *rig_create(const struct origin *a, const struct origin *b)
{
    struct rig *rig = calloc(1, sizeof *rig);
    rig->wall_ms = WORLD_START_MS + 5000;
    rig->boot_ms = 1000;
    rig->clock = (struct clock_source){.wall_ms = rig_wall, .boot_ms = rig_boot, .ctx = rig};
    rig->store = store_memory_create();
    rig->root = signer_from_seed((const uint8_t *)"the national root's roster key..");
    rig->roster = rig_roster(rig, 1, a, b, "");
    rig_open(rig);
    return rig;
}

static inline void rig_destroy(struct rig *rig)
{
    rig_close(rig);
    rig->store->ops->close(rig->store);
    roster_unref(rig->roster);
    signer_destroy(rig->root);
    free(rig);
}

static inline void rig_set_roster(struct rig *rig, const struct roster *roster)
{
    replica_set_roster(rig->replica, roster);
    roster_unref(rig->roster);
    rig->roster = roster;
}

/* Applies one work and frees it. */
static inline enum replica_verdict rig_give(struct rig *rig, struct replica_work *work)
{
    replica_apply(rig->replica, &work, 1);
    enum replica_verdict verdict = work->verdict;
    rig->problem = work->problem;
    rig->cursor = work->cursor;
    replica_work_destroy(work);
    return verdict;
}

#define assert_verdict(rig, work, expected) assert_verdict_at(rig, work, expected, __FILE__, __LINE__)
static inline void assert_verdict_at(struct rig *rig, struct replica_work *work, enum replica_verdict expected,
                                     const char *file, int line)
{
    enum replica_verdict verdict = rig_give(rig, work);
    if (verdict != expected)
        fail_msg("%s:%d: %s (%s), expected %s", file, line, replica_verdict_name(verdict), rig->problem.text,
                 replica_verdict_name(expected));
}

static inline void rig_tidy(struct rig *rig)
{
    for (int i = 0; replica_tidy(rig->replica); i++)
        assert_true(i < 10000);
}

static inline struct replica_status rig_status(struct rig *rig, const char *region)
{
    struct replica_status status;
    assert_int_equal(replica_status(rig->replica, region, &status), ERR_NONE);
    return status;
}

/* The region stands at `at` as the origin stood when it was there: `at` must be where the origin stands. */
static inline void assert_replica_is(struct rig *rig, const struct origin *origin)
{
    struct replica_status status = rig_status(rig, origin->region);
    struct checkpoint stated = origin_states(origin);
    struct problem problem = {0};
    uint64_t records;
    uint8_t state[DIGEST_BYTES];
    assert_true(status.present);
    assert_int_equal(status.durable_sequence, origin->sequence);
    assert_memory_equal(status.checkpoint.checkpoint.head, origin->head, DIGEST_BYTES);
    if (replica_verify(rig->replica, origin->region, &records, state, &problem) != ERR_NONE)
        fail_msg("verify: %s", problem.text);
    assert_int_equal(records, origin->records);
    assert_memory_equal(state, stated.state, DIGEST_BYTES);
    const struct shown *shown = &rig->shown[strcmp(origin->region, REGION_A) != 0];
    assert_false(shown->open);
    assert_int_equal(shown->sequence, origin->sequence);
    assert_int_equal(shown->epoch, origin->epoch);
    assert_int_equal(shown->count, origin->records);
    for (size_t i = 0; i < shown->count; i++) {
        const struct kept *a = &shown->items[i], *b = &origin->state[i];
        assert_int_equal(kept_compare(a, b->table, &(struct octets){b->key, b->key_bytes}), 0);
        assert_int_equal(a->value.size, b->value.size);
        assert_memory_equal(a->value.data, b->value.data, a->value.size);
    }
}

/* Each stored commit of the origin as a batch of its own. */
static inline void rig_follow(struct rig *rig, const struct origin *origin)
{
    uint64_t from = rig_status(rig, origin->region).durable_sequence;
    for (uint64_t at = from + 1; at <= origin->sequence; at++)
        if (origin->at[at].text[0] != '\0') {
            assert_verdict(rig, batch_of(origin, from + 1, at), VERDICT_APPLIED);
            from = at;
        }
}

#endif
