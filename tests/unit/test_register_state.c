/* tier: check */
/*
 * test_register_state.c - what the register signs of itself and gives to other hubs: the digest of its shared state, a
 * checkpoint with each commit, entries, headers and records by slices. On both stores.
 * Shows: design 4.4 (the digest equals recomputation), section 9 (checkpoint, heartbeat, snapshot by post-states), R9
 * (another history, ahead), D6 (verify finds a record that was flipped on disk).
 */
#include "tests/unit/both_stores.h"

#include "daemon/record/lthash.h"
#include "daemon/register/tables.h"

#define AGENCY "leeds-fostering"
#define BLOCK  256

/* One agency. */
static int furnish(struct world *world)
{
    return world_apply(world, world_put_agency(world, AGENCY)).problem.code;
}

static struct signed_checkpoint newest(struct world *world)
{
    struct signed_checkpoint out;
    assert_int_equal(home_checkpoint(world->home, &out), ERR_NONE);
    return out;
}

/* One commit of a few random updates. */
static void random_commit(struct world *world, uint32_t carers)
{
    struct update *batch[6];
    size_t count = 1 + random_up_to(&world->random, 5);
    for (size_t i = 0; i < count; i++) {
        char reference[16];
        snprintf(reference, sizeof reference, "H-%u", random_up_to(&world->random, carers));
        uint32_t what = random_up_to(&world->random, 9);
        batch[i] = what < 3    ? world_put_carer(world, AGENCY, reference)
                   : what < 6  ? world_put_vacancy(world, AGENCY, reference)
                   : what == 6 ? world_update(world, UPDATE_WITHDRAW, AGENCY, reference)
                   : what == 7 ? world_put_agency(world, AGENCY)
                   : what == 8 ? world_update(world, UPDATE_END_CARER, AGENCY, reference)
                               : world_update(world, UPDATE_CONFIRM, AGENCY, NULL);
        if (what == 8) {
            batch[i]->as.end.ends_on = 21000;
            strcpy(batch[i]->as.end.reason, "AW0");
        }
        if (what == 9)
            batch[i]->as.confirm.all = true;
    }
    home_apply(world->home, batch, count);
    for (size_t i = 0; i < count; i++)
        update_destroy(batch[i]);
    world->wall_ms += random_up_to(&world->random, 3600) * 1000LL;
    world->boot_ms += 100;
    home_lapse(world->home, 100, NULL);
}

/* The digest of what the observer was shown, from nothing. */
static uint64_t recompute(const struct world *world, uint8_t out[DIGEST_BYTES])
{
    struct lthash state;
    uint64_t records = 0;
    lthash_init(&state);
    for (size_t i = 0; i < world->view->count; i++) {
        const struct view_item *item = &world->view->items[i];
        if (item->table >= LOG_TABLE_END)
            continue;
        records++;
        lthash_add(&state, item->table, &(struct octets){item->key, item->key_size},
                   &(struct octets){item->value, item->value_size});
    }
    lthash_digest(&state, out);
    return records;
}

/* The newest checkpoint says where the register stands, and is signed. */
static void assert_checkpoint_true(struct world *world)
{
    uint8_t key[PUBLIC_KEY_BYTES], digest[DIGEST_BYTES], head[DIGEST_BYTES];
    struct signed_checkpoint found = newest(world);
    const struct checkpoint *said = &found.checkpoint;
    struct arena arena;
    struct log_row row;
    uint64_t epoch, sequence;
    size_t got;
    arena_init(&arena, 1 << 20);
    signer_public_key(world->signer, key);
    assert_true(checkpoint_verify(&found, key));
    home_position(world->home, &epoch, &sequence);
    assert_string_equal(said->region, WORLD_REGION);
    assert_int_equal(said->epoch, epoch);
    assert_int_equal(said->sequence, sequence);
    assert_int_equal(home_read_log(world->home, sequence, &arena, &row, 1, &got), ERR_NONE);
    assert_int_equal(got, 1);
    log_header_hash(row.header.data, head);
    assert_memory_equal(said->head, head, DIGEST_BYTES);
    assert_int_equal(said->records, recompute(world, digest));
    assert_memory_equal(said->state, digest, DIGEST_BYTES);
    arena_finish(&arena);
}

static void assert_verifies(struct world *world)
{
    uint64_t records;
    uint8_t state[DIGEST_BYTES];
    struct signed_checkpoint against, last = newest(world);
    struct problem problem = {0};
    if (home_verify(world->home, &against, &records, state, &problem) != ERR_NONE)
        fail_msg("verify: %s", problem.text);
    assert_int_equal(against.checkpoint.sequence, last.checkpoint.sequence);
    assert_int_equal(records, last.checkpoint.records);
    assert_memory_equal(state, last.checkpoint.state, DIGEST_BYTES);
}

/* --- digest and checkpoints -------------------------------------------------------------------------------------- */

static void test_each_commit_is_signed(void **state)
{
    struct world *world = *state;
    assert_checkpoint_true(world);
    for (int round = 0; round < scaled(150); round++) {
        random_commit(world, 30);
        assert_checkpoint_true(world);
        if (round % 40 == 39) {
            assert_verifies(world);
            world_reopen(world);
            assert_checkpoint_true(world);
        }
    }
    assert_verifies(world);
}

/* What changes nothing that is shared signs nothing. */
static void test_nothing_to_sign(void **state)
{
    struct world *world = *state;
    struct signed_checkpoint before = newest(world);
    world->wall_ms += 5;
    struct update *refused = world_put_vacancy(world, AGENCY, "unknown");
    assert_int_equal(world_apply(world, refused).problem.code, ERR_FORBIDDEN);
    struct signed_checkpoint after = newest(world);
    assert_string_equal(before.text, after.text);
    home_set_roster_version(world->home, 7);
    assert_int_equal(world_apply(world, world_put_carer(world, AGENCY, "H-1")).problem.code, ERR_NONE);
    after = newest(world);
    assert_int_equal(after.checkpoint.roster_version, 7);
    assert_int_equal(after.checkpoint.time_ms, world->wall_ms);
}

/* Whoever puts an old roster, once validly signed, before a hub that starts must not bring back whom a later one left
 * out. */
static void test_an_older_roster_is_refused_after_a_restart(void **state)
{
    struct world *world = *state;
    struct problem problem = {0};
    world->roster_version = 5;
    world_reopen(world);
    home_set_roster_version(world->home, 7); /* by a reload */
    (void)home_heartbeat(world->home, NULL);
    world->roster_version = 6;
    world_close(world);
    assert_int_equal(world_try_open(world, &problem), ERR_STALE);
    assert_string_equal(problem.field, "federation.roster");
    assert_non_null(strstr(problem.text, "version 6"));
    assert_non_null(strstr(problem.text, "used version 7: copy the newest one here"));
    if (world->on_disk) {
        world->store->ops->close(world->store);
        world->store = NULL;
    }
    world->roster_version = 0; /* without a roster nothing is forgotten */
    world_open(world);
    world_close(world);
    world->roster_version = 6;
    assert_int_equal(world_try_open(world, &problem), ERR_STALE);
    if (world->on_disk) {
        world->store->ops->close(world->store);
        world->store = NULL;
    }
    world->roster_version = 7;
    world_open(world);
    world->roster_version = 8;
    world_reopen(world);
    assert_checkpoint_true(world);
    world->roster_version = 0;
}

/* Kept: the last of each block of 256 sequences, and the newest. */
static void test_checkpoints_are_pruned(void **state)
{
    struct world *world = *state;
    uint64_t last_of_block[16] = {0};
    struct octets key, value;
    for (int round = 0; round < 1200; round++) {
        uint64_t sequence = newest(world).checkpoint.sequence;
        assert_true(sequence / BLOCK < 16);
        last_of_block[sequence / BLOCK] = sequence;
        if (sequence > 4 * BLOCK)
            break;
        random_commit(world, 10);
        if (round == 50)
            world_reopen(world);
    }
    struct store_txn *txn;
    assert_int_equal(world->store->ops->begin(world->store, false, &txn), ERR_NONE);
    struct table_key from = {.size = 0};
    size_t found = 0, expected = 0;
    for (int i = 0; i < 16; i++)
        expected += last_of_block[i] != 0;
    while (tables_seek(world->store, txn, STORE_CHECKPOINTS, &(struct octets){from.data, from.size}, false, &key,
                       &value, NULL) == ERR_NONE) {
        struct signed_checkpoint stored;
        assert_int_equal(checkpoint_decode(&value, &stored), ERR_NONE);
        assert_int_equal(stored.checkpoint.sequence, last_of_block[stored.checkpoint.sequence / BLOCK]);
        found++;
        memcpy(from.data, key.data, key.size);
        from.data[key.size] = 0;
        from.size = key.size + 1;
    }
    world->store->ops->abort(txn);
    assert_true(found >= 4);
    assert_int_equal(found, expected);
}

static void test_heartbeat(void **state)
{
    struct world *world = *state;
    int64_t next_ms;
    struct signed_checkpoint before = newest(world), after;
    assert_false(home_heartbeat(world->home, &next_ms));
    assert_int_equal(next_ms, HEARTBEAT_MS);
    world->boot_ms += HEARTBEAT_MS - 1;
    world->wall_ms += HEARTBEAT_MS - 1;
    assert_false(home_heartbeat(world->home, &next_ms));
    assert_int_equal(next_ms, 1);
    world->boot_ms += 1;
    world->wall_ms += 1;
    assert_true(home_heartbeat(world->home, &next_ms));
    assert_int_equal(next_ms, HEARTBEAT_MS);
    after = newest(world);
    assert_int_equal(after.checkpoint.time_ms, before.checkpoint.time_ms + HEARTBEAT_MS);
    after.checkpoint.time_ms = before.checkpoint.time_ms;
    assert_memory_equal(&after.checkpoint, &before.checkpoint, sizeof before.checkpoint);
    assert_checkpoint_true(world);
    /* A commit is a signature, too. */
    world->boot_ms += HEARTBEAT_MS - 5;
    assert_int_equal(world_apply(world, world_put_carer(world, AGENCY, "H-1")).problem.code, ERR_NONE);
    world->boot_ms += HEARTBEAT_MS - 1;
    assert_false(home_heartbeat(world->home, &next_ms));
    /* Also by a clock that was set back: or nobody would take it for newer. */
    before = newest(world);
    world->boot_ms += HEARTBEAT_MS;
    world->wall_ms -= 1000 * HEARTBEAT_MS;
    assert_true(home_heartbeat(world->home, &next_ms));
    assert_int_equal(newest(world).checkpoint.time_ms, before.checkpoint.time_ms + 1);
    world->wall_ms += 1000 * HEARTBEAT_MS;
    /* In memory only: after a restart the stored one, and at once a new signature. */
    uint64_t sequence = newest(world).checkpoint.sequence;
    world_reopen(world);
    assert_int_equal(newest(world).checkpoint.sequence, sequence);
    assert_true(home_heartbeat(world->home, &next_ms));
}

/* D6: what was flipped under the running hub is found, and named as not adding up or as damaged. */
static void test_verify_finds_a_flipped_record(void **state)
{
    struct world *world = *state;
    static const struct octets none;
    for (int i = 0; i < 20; i++)
        random_commit(world, 10);
    assert_verifies(world);
    struct store_txn *txn;
    struct octets key, value;
    uint8_t flipped[4096], key_copy[300];
    for (int checked = 0; checked < 2; checked++) {
        assert_int_equal(world->store->ops->begin(world->store, true, &txn), ERR_NONE);
        assert_int_equal(world->store->ops->seek(txn, STORE_AGENCIES, &none, false, &key, &value), ERR_NONE);
        memcpy(flipped, value.data, value.size);
        memcpy(key_copy, key.data, key.size);
        flipped[RECORD_PREFIX_BYTES + 3] ^= 1;
        struct octets k = {key_copy, key.size}, bad = {flipped, value.size};
        struct octets body = {flipped + RECORD_PREFIX_BYTES, value.size - RECORD_PREFIX_BYTES};
        struct arena arena;
        arena_init(&arena, 1 << 16);
        /* Once with a right check of its own: only the digest can tell. */
        assert_int_equal(checked ? tables_put(world->store, txn, &arena, STORE_AGENCIES, &k, &body)
                                 : world->store->ops->put(txn, STORE_AGENCIES, &k, &bad),
                         ERR_NONE);
        assert_int_equal(world->store->ops->commit(txn), ERR_NONE);
        arena_finish(&arena);
        uint64_t records;
        uint8_t digest[DIGEST_BYTES];
        struct problem problem = {0};
        assert_int_equal(home_verify(world->home, NULL, &records, digest, &problem), ERR_STORE_DAMAGED);
        assert_non_null(strstr(problem.text, checked ? "do not add up" : "agencies"));
        if (checked)
            break;
        assert_int_equal(world->store->ops->begin(world->store, true, &txn), ERR_NONE);
        flipped[RECORD_PREFIX_BYTES + 3] ^= 1;
        assert_int_equal(world->store->ops->put(txn, STORE_AGENCIES, &k, &bad), ERR_NONE);
        assert_int_equal(world->store->ops->commit(txn), ERR_NONE);
        assert_verifies(world);
    }
    /* And such a register does not open again. */
    world_close(world);
    struct problem problem = {0};
    assert_int_equal(world_try_open(world, &problem), ERR_STORE_DAMAGED);
}

/* --- for other hubs ---------------------------------------------------------------------------------------------- */

/* Follows the log from the cursor on to its end; moves the cursor; returns how many entries. */
static uint64_t follow(struct world *world, struct log_cursor *cursor)
{
    struct log_reader reader = home_log_reader(world->home);
    struct arena arena;
    struct log_slice slice;
    uint64_t count = 0, since_checkpoint = 0;
    arena_init(&arena, 4 << 20);
    for (;;) {
        arena_reset(&arena);
        assert_int_equal(reader.entries(reader.ctx, WORLD_REGION, cursor, &arena, &slice), ERR_NONE);
        assert_int_equal(slice.refusal, LOG_SERVED);
        if (slice.count == 0)
            break;
        assert_true(slice.count <= LOG_SLICE_MAX_ROWS);
        struct log_row expected[LOG_SLICE_MAX_ROWS];
        size_t got, bytes = 0;
        assert_int_equal(home_read_log(world->home, cursor->sequence + 1, &arena, expected, slice.count, &got),
                         ERR_NONE);
        assert_int_equal(got, slice.count);
        for (size_t i = 0; i < slice.count; i++) {
            const struct octets *a[] = {&slice.rows[i].header, &slice.rows[i].salt, &slice.rows[i].payload};
            const struct octets *b[] = {&expected[i].header, &expected[i].salt, &expected[i].payload};
            for (int part = 0; part < 3; part++) {
                assert_int_equal(a[part]->size, b[part]->size);
                assert_memory_equal(a[part]->data, b[part]->data, a[part]->size);
                bytes += a[part]->size;
            }
            cursor->sequence++;
            log_header_hash(slice.rows[i].header.data, cursor->head);
        }
        assert_true(bytes <= LOG_SLICE_MAX_BYTES || slice.count == 1);
        count += slice.count;
        since_checkpoint = slice.has_checkpoint ? 0 : since_checkpoint + slice.count;
        if (slice.has_checkpoint) {
            assert_int_equal(slice.checkpoint.checkpoint.sequence, cursor->sequence);
            assert_memory_equal(slice.checkpoint.checkpoint.head, cursor->head, DIGEST_BYTES);
        }
    }
    arena_finish(&arena);
    assert_int_equal(since_checkpoint, 0); /* the last slice ends a batch */
    return count;
}

static void test_entries_by_slices(void **state)
{
    struct world *world = *state;
    struct log_cursor cursor = {.sequence = 0};
    uint64_t epoch, sequence;
    for (int i = 0; i < scaled(200); i++) {
        random_commit(world, 40);
        if (random_up_to(&world->random, 9) == 0)
            follow(world, &cursor);
    }
    follow(world, &cursor);
    home_position(world->home, &epoch, &sequence);
    assert_int_equal(cursor.sequence, sequence);
    struct log_cursor fresh = {.sequence = 0};
    assert_int_equal(follow(world, &fresh), sequence);
    assert_memory_equal(fresh.head, cursor.head, DIGEST_BYTES);
}

/* A commit larger than a slice comes in parts; only the last has the checkpoint. */
static void test_a_large_commit_comes_in_parts(void **state)
{
    struct world *world = *state;
    struct log_cursor cursor = {.sequence = 0};
    enum { MANY = 1300 };
    static struct update *updates[2 * MANY];
    for (int i = 0; i < MANY; i++) {
        char reference[16];
        snprintf(reference, sizeof reference, "M-%d", i);
        updates[2 * i] = world_put_carer(world, AGENCY, reference);
        updates[2 * i + 1] = world_put_vacancy(world, AGENCY, reference);
    }
    home_apply(world->home, updates, 2 * MANY);
    for (int i = 0; i < 2 * MANY; i++) {
        assert_int_equal(updates[i]->result.problem.code, ERR_NONE);
        update_destroy(updates[i]);
    }
    follow(world, &cursor);
    world->wall_ms += 1000;
    struct update *all = world_update(world, UPDATE_CONFIRM, AGENCY, NULL);
    all->as.confirm.all = true;
    assert_int_equal(world_apply(world, all).problem.code, ERR_NONE);
    struct log_reader reader = home_log_reader(world->home);
    struct arena arena;
    struct log_slice slice;
    arena_init(&arena, 4 << 20);
    assert_int_equal(reader.entries(reader.ctx, WORLD_REGION, &cursor, &arena, &slice), ERR_NONE);
    assert_true(slice.count > 0 && slice.count < MANY);
    assert_false(slice.has_checkpoint);
    arena_finish(&arena);
    assert_int_equal(follow(world, &cursor), MANY);
    assert_checkpoint_true(world);
}

static enum log_refusal refusal_of(struct world *world, const char *region, const struct log_cursor *cursor)
{
    struct log_reader reader = home_log_reader(world->home);
    struct arena arena;
    struct log_slice slice;
    arena_init(&arena, 4 << 20);
    assert_int_equal(reader.entries(reader.ctx, region, cursor, &arena, &slice), ERR_NONE);
    arena_finish(&arena);
    return slice.refusal;
}

static void test_refused_cursors(void **state)
{
    struct world *world = *state;
    struct log_cursor cursor = {.sequence = 0};
    for (int i = 0; i < 10; i++)
        random_commit(world, 10);
    follow(world, &cursor);
    assert_int_equal(refusal_of(world, WORLD_REGION, &cursor), LOG_SERVED);
    assert_int_equal(refusal_of(world, "E12000001", &cursor), LOG_NOT_HERE);
    cursor.sequence++;
    assert_int_equal(refusal_of(world, WORLD_REGION, &cursor), LOG_AHEAD);
    cursor.sequence -= 2;
    assert_int_equal(refusal_of(world, WORLD_REGION, &cursor), LOG_OTHER_HISTORY);
    cursor = (struct log_cursor){.head = {1}};
    assert_int_equal(refusal_of(world, WORLD_REGION, &cursor), LOG_OTHER_HISTORY);
    struct log_reader reader = home_log_reader(world->home);
    struct signed_checkpoint none;
    assert_int_equal(reader.newest(reader.ctx, "E12000001", &none), ERR_NOT_FOUND);
}

static void test_headers(void **state)
{
    struct world *world = *state;
    struct log_reader reader = home_log_reader(world->home);
    struct arena arena;
    struct octets headers;
    uint8_t head[DIGEST_BYTES];
    for (int i = 0; i < 30; i++)
        random_commit(world, 10);
    uint64_t last = newest(world).checkpoint.sequence, next = 1;
    arena_init(&arena, 8 << 20);
    struct log_header before, header;
    while (next <= last) {
        uint64_t until = next + 16 < last ? next + 16 : last + 5; /* past the end: as many as there are */
        assert_int_equal(reader.headers(reader.ctx, WORLD_REGION, next, until, &arena, &headers), ERR_NONE);
        assert_true(headers.size > 0 && headers.size % LOG_HEADER_BYTES == 0);
        for (size_t at = 0; at < headers.size; at += LOG_HEADER_BYTES, next++) {
            struct octets one = {headers.data + at, LOG_HEADER_BYTES};
            static const uint8_t zeros[DIGEST_BYTES];
            assert_int_equal(log_header_decode(&one, &header), ERR_NONE);
            assert_int_equal(log_chain_check(next > 1 ? &before : NULL, next > 1 ? head : zeros, &header, NULL),
                             ERR_NONE);
            log_header_hash(one.data, head);
            before = header;
        }
    }
    assert_int_equal(next, last + 1);
    assert_memory_equal(head, newest(world).checkpoint.head, DIGEST_BYTES);
    assert_int_equal(reader.headers(reader.ctx, WORLD_REGION, last + 1, last + 9, &arena, &headers), ERR_NONE);
    assert_int_equal(headers.size, 0);
    arena_finish(&arena);
}

/* What a replica makes of records and entries; later post-states replace earlier ones. */
static void put_copy(struct view *copy, enum log_table table, const struct octets *key, const struct octets *value)
{
    const struct change change = {.table = table, .key = *key, .value = *value};
    const struct commit commit = {.changes = &change, .count = 1};
    view_committed(copy, &commit);
}

static void delete_copy(struct view *copy, enum log_table table, const struct octets *key)
{
    for (size_t i = 0; i < copy->count; i++)
        if (copy->items[i].table == table && copy->items[i].key_size == key->size &&
            memcmp(copy->items[i].key, key->data, key->size) == 0) {
            free(copy->items[i].value);
            copy->items[i] = copy->items[--copy->count];
            return;
        }
}

/* A fuzzy snapshot: records read while the register changes, then the log from before the scan on, give its state. */
static void test_snapshot_reproduces_the_state(void **state)
{
    struct world *world = *state;
    struct arena arena;
    struct view *copy = calloc(1, sizeof *copy);
    for (int i = 0; i < 100; i++)
        random_commit(world, 60);
    struct signed_checkpoint begin = newest(world);
    struct log_reader reader = home_log_reader(world->home);
    enum log_table table = LOG_TABLE_NONE;
    uint8_t after_data[300];
    struct octets after = {after_data, 0};
    uint64_t read_at = 0;
    int slices = 0;
    for (;; slices++) {
        struct record_slice slice;
        arena_init(&arena, (LOG_SLICE_MAX_ROWS * sizeof(struct shared_record)) + 3072); /* as many as fit */
        assert_int_equal(reader.records(reader.ctx, WORLD_REGION, table, &after, &arena, &slice), ERR_NONE);
        for (size_t i = 0; i < slice.count; i++) {
            const struct shared_record *record = &slice.records[i];
            assert_true(
                record->table > table ||
                (record->table == table && memcmp(record->key.data, after.data,
                                                  record->key.size < after.size ? record->key.size : after.size) >= 0));
            put_copy(copy, record->table, &record->key, &record->value);
            table = record->table;
            memcpy(after_data, record->key.data, record->key.size);
            after.size = record->key.size;
        }
        assert_true(slice.read_at_sequence >= read_at);
        read_at = slice.read_at_sequence;
        arena_finish(&arena);
        if (slice.count == 0)
            break;
        random_commit(world, 60);
    }
    assert_true(slices > 3);
    struct log_cursor cursor = {.sequence = begin.checkpoint.sequence};
    memcpy(cursor.head, begin.checkpoint.head, DIGEST_BYTES);
    arena_init(&arena, 16 << 20);
    for (;;) {
        struct log_slice slice;
        assert_int_equal(reader.entries(reader.ctx, WORLD_REGION, &cursor, &arena, &slice), ERR_NONE);
        if (slice.count == 0)
            break;
        for (size_t i = 0; i < slice.count; i++) {
            struct log_payload payload;
            assert_int_equal(log_payload_decode(&slice.rows[i].payload, &payload), ERR_NONE);
            if (payload.deleted)
                delete_copy(copy, payload.table, &payload.key);
            else
                put_copy(copy, payload.table, &payload.key, &payload.value);
            cursor.sequence++;
            log_header_hash(slice.rows[i].header.data, cursor.head);
        }
    }
    arena_finish(&arena);
    struct world other = {.view = copy};
    uint8_t digest[DIGEST_BYTES];
    struct signed_checkpoint last = newest(world);
    assert_int_equal(recompute(&other, digest), last.checkpoint.records);
    assert_memory_equal(digest, last.checkpoint.state, DIGEST_BYTES);
    assert_true(read_at <= last.checkpoint.sequence);
    view_free(copy);
}

int main(void)
{
    seed = seed_from_environment(20261123);
    const struct CMUnitTest tests[] = {
        BOTH(test_each_commit_is_signed),
        BOTH(test_nothing_to_sign),
        BOTH(test_an_older_roster_is_refused_after_a_restart),
        BOTH(test_checkpoints_are_pruned),
        BOTH(test_heartbeat),
        BOTH(test_verify_finds_a_flipped_record),
        BOTH(test_entries_by_slices),
        BOTH(test_a_large_commit_comes_in_parts),
        BOTH(test_refused_cursors),
        BOTH(test_headers),
        BOTH(test_snapshot_reproduces_the_state),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
