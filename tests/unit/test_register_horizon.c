/* tier: check */
/*
 * test_register_horizon.c - forgetting: a person's data on request, old payloads by age; what is given to followers
 * meanwhile; what a register with dropped payloads is when it opens. On both stores.
 * Shows: design section 9 (Horizon), D6 (a payload that is missing where it must be there).
 */
#include "tests/unit/both_stores.h"

#include "daemon/record/bytes.h"
#include "daemon/register/home_parts.h"

#define AGENCY "leeds-fostering"
#define SECRET "SECRET-REFERENCE-77"

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

/* Heartbeats until there is nothing left to drop; bounded by what one turn drops. */
static void settle(struct world *world)
{
    int64_t next_ms = 0;
    for (int turns = 0; next_ms == 0; turns++) {
        assert_true(turns < 100 + scaled(3));
        (void)home_heartbeat(world->home, &next_ms);
    }
}

static void put(struct world *world, const char *reference, struct update_result *vacancy)
{
    struct update *carer = world_put_carer(world, AGENCY, reference);
    world_request_id(world, carer, world->wall_ms);
    assert_int_equal(world_apply(world, carer).problem.code, ERR_NONE);
    struct update *update = world_put_vacancy(world, AGENCY, reference);
    world_request_id(world, update, world->wall_ms);
    struct update_result result = world_apply(world, update);
    assert_int_equal(result.problem.code, ERR_NONE);
    if (vacancy != NULL)
        *vacancy = result;
}

/* In how many records, beside the audit trail's, these octets are. */
static int records_with(struct world *world, const void *octets, size_t size)
{
    struct store_txn *txn;
    int found = 0;
    assert_int_equal(world->store->ops->begin(world->store, false, &txn), ERR_NONE);
    for (int table = 0; table < STORE_HOME_TABLES; table++) {
        struct table_key from = {.size = 0};
        struct octets key, value;
        while (table != STORE_AUDIT &&
               world->store->ops->seek(txn, (enum store_table)table, &(struct octets){from.data, from.size}, false,
                                       &key, &value) == ERR_NONE) {
            found += memmem(value.data, value.size, octets, size) != NULL ||
                     memmem(key.data, key.size, octets, size) != NULL;
            memcpy(from.data, key.data, key.size);
            from.data[key.size] = 0;
            from.size = key.size + 1;
        }
    }
    world->store->ops->abort(txn);
    return found;
}

static enum log_refusal refusal_at(struct world *world, uint64_t sequence)
{
    struct log_reader reader = home_log_reader(world->home);
    struct log_cursor cursor = {.sequence = sequence};
    struct arena arena;
    struct octets header;
    struct log_slice slice;
    arena_init(&arena, 4 << 20);
    if (sequence > 0) {
        assert_int_equal(reader.headers(reader.ctx, WORLD_REGION, sequence, sequence, &arena, &header), ERR_NONE);
        log_header_hash(header.data, cursor.head);
    }
    assert_int_equal(reader.entries(reader.ctx, WORLD_REGION, &cursor, &arena, &slice), ERR_NONE);
    for (size_t i = 0; i < slice.count; i++)
        assert_true(slice.rows[i].payload.size > 0);
    arena_finish(&arena);
    return slice.refusal;
}

/* --- erasure ----------------------------------------------------------------------------------------------------- */

static void test_an_erased_carer_is_nowhere(void **state)
{
    struct world *world = *state;
    struct update_result vacancy;
    put(world, "H-1", NULL);
    put(world, SECRET, &vacancy);
    put(world, "H-3", NULL);
    uint8_t national[8], hash[DIGEST_BYTES];
    static const uint8_t secret[32] = {1, 2, 3};
    put_be64(national, vacancy.national_reference);
    agency_reference_hash(secret, AGENCY, SECRET, hash);
    assert_true(records_with(world, national, 8) > 4);
    assert_true(records_with(world, SECRET, strlen(SECRET)) >= 2);

    world_pass(world, 1000);
    struct update *report = world_update(world, UPDATE_REPORT_UNAVAILABLE, NULL, NULL);
    report->as.hold.vacancy_id = vacancy.vacancy_id;
    strcpy(report->as.hold.holder, "spiffe://example.org/region/E12000003/team/E06000014/duty");
    assert_int_equal(world_apply(world, report).outcome, OUTCOME_UPDATED);
    uint8_t offered[8];
    put_be64(offered, vacancy.vacancy_id);
    assert_true(records_with(world, offered, 8) > 0);
    struct update *erase = world_update(world, UPDATE_ERASE_CARER, AGENCY, SECRET);
    world_request_id(world, erase, world->wall_ms);
    struct update_result erased = world_apply(world, erase);
    assert_int_equal(erased.problem.code, ERR_NONE);
    assert_int_equal(erased.outcome, OUTCOME_ENDED);
    struct home_carer none;
    assert_int_equal(home_get_carer(world->home, AGENCY, SECRET, &none), ERR_NOT_FOUND);
    assert_int_equal(world_apply(world, world_update(world, UPDATE_ERASE_CARER, AGENCY, SECRET)).problem.code,
                     ERR_FORBIDDEN); /* as one that never was */
    assert_register_true(world);
    put(world, "H-4", NULL);

    /* What events said of it goes before it is acknowledged; live followers pass the rest first. */
    assert_true(records_with(world, SECRET, strlen(SECRET)) > 0);
    assert_int_equal(home_forget_due(world->home), 1);
    settle(world);
    assert_int_equal(home_forgotten(world->home), 1);
    assert_int_equal(records_with(world, SECRET, strlen(SECRET)), 0);
    assert_int_equal(newest(world).checkpoint.horizon, 0);
    assert_int_equal(refusal_at(world, 0), LOG_SERVED);
    world_pass(world, 2 * HEARTBEAT_MS - 1);
    settle(world);
    assert_int_equal(newest(world).checkpoint.horizon, 0);
    assert_true(records_with(world, national, 8) > 0);
    world_pass(world, 1);
    settle(world);
    assert_int_equal(newest(world).checkpoint.horizon, erased.sequence);
    assert_int_equal(records_with(world, national, 8), 0);
    assert_int_equal(records_with(world, hash, DIGEST_BYTES), 0);
    assert_int_equal(records_with(world, offered, 8), 0);
    assert_register_true(world);

    /* Whoever is behind it takes a snapshot; whoever stands at it goes on. */
    assert_int_equal(refusal_at(world, 0), LOG_BEHIND_HORIZON);
    assert_int_equal(refusal_at(world, erased.sequence - 1), LOG_BEHIND_HORIZON);
    assert_int_equal(refusal_at(world, erased.sequence), LOG_SERVED);
    world_reopen(world);
    assert_int_equal(newest(world).checkpoint.horizon, erased.sequence);
    assert_register_true(world);
    /* The same reference again is another carer. */
    put(world, SECRET, &vacancy);
    uint8_t again[8];
    put_be64(again, vacancy.national_reference);
    assert_memory_not_equal(again, national, 8);
    assert_register_true(world);
}

/* A push that comes again late, after the erasure, is not done again: the carer stays erased. */
static void test_a_late_retry_registers_nobody_anew(void **state)
{
    struct world *world = *state;
    struct home_carer none;
    uint8_t request_id[REQUEST_ID_BYTES], content[DIGEST_BYTES];
    struct update *push = world_put_carer(world, AGENCY, SECRET), *late = world_put_carer(world, AGENCY, SECRET);
    world_request_id(world, push, world->wall_ms);
    memcpy(request_id, push->request_id, sizeof request_id);
    for (size_t i = 0; i < sizeof content; i++)
        content[i] = push->content_hash[i] = (uint8_t)(0xa1 ^ (7 * i));
    assert_int_equal(world_apply(world, push).problem.code, ERR_NONE);
    assert_int_equal(world_apply(world, world_update(world, UPDATE_ERASE_CARER, AGENCY, SECRET)).problem.code,
                     ERR_NONE);
    late->has_request_id = true;
    memcpy(late->request_id, request_id, sizeof request_id);
    memcpy(late->content_hash, content, sizeof content);
    struct update *later = world_put_carer(world, AGENCY, SECRET);
    later->has_request_id = true;
    memcpy(later->request_id, request_id, sizeof request_id);
    memcpy(later->content_hash, content, sizeof content);
    for (int forgotten = 0; forgotten < 2; forgotten++) { /* counts as forgotten before it is */
        struct update_result refused = world_apply(world, forgotten ? later : late);
        assert_int_equal(refused.problem.code, ERR_PRECONDITION);
        assert_string_equal(refused.problem.field, "request_id");
        assert_non_null(strstr(refused.problem.text, "erased"));
        assert_int_equal(home_get_carer(world->home, AGENCY, SECRET, &none), ERR_NOT_FOUND);
        settle(world);
        assert_int_equal(records_with(world, content, DIGEST_BYTES), 0);
    }
    world_reopen(world);
    assert_register_true(world);
}

/* However many request ids there are, the writer looks at so many of them between two batches; an erasure is whole only
 * after all were, also those before the one that began a round, and over a restart. */
static void test_requests_are_forgotten_in_slices(void **state)
{
    struct world *world = *state;
    int slices = scaled(3);
    struct update_result first, second;
    put(world, "H-2", &second);
    world_fill_requests(world, AGENCY, slices * REQUESTS_PER_SLICE);
    world->wall_ms += 1000;
    put(world, "H-1", &first);
    int64_t next_ms, began_ms = clock_boot_ms(clock_system()), worst_ms = 0;
    (void)home_heartbeat(world->home, &next_ms);
    assert_int_equal(home_forget_due(world->home), 0);
    assert_int_equal(world_apply(world, world_update(world, UPDATE_ERASE_CARER, AGENCY, "H-1")).problem.code, ERR_NONE);
    worst_ms = clock_boot_ms(clock_system()) - began_ms;
    assert_int_equal(home_forget_due(world->home), 1);
    for (int turn = 0; turn < slices; turn++) {
        began_ms = clock_boot_ms(clock_system());
        (void)home_heartbeat(world->home, &next_ms);
        if (clock_boot_ms(clock_system()) - began_ms > worst_ms)
            worst_ms = clock_boot_ms(clock_system()) - began_ms;
        assert_int_equal(next_ms, 0);
        assert_int_equal(home_forgotten(world->home), 0);
        assert_int_equal(world_requests_of(world, first.national_reference), 2);
    }
    print_message("%d request ids, at most %lld ms at once\n", slices * REQUESTS_PER_SLICE, (long long)worst_ms);
    /* One that this round has passed already is of the next one. */
    assert_int_equal(world_apply(world, world_update(world, UPDATE_ERASE_CARER, AGENCY, "H-2")).problem.code, ERR_NONE);
    assert_int_equal(home_forget_due(world->home), 2);
    (void)home_heartbeat(world->home, &next_ms);
    assert_int_equal(home_forgotten(world->home), 1);
    assert_int_equal(world_requests_of(world, first.national_reference), 0);
    assert_int_equal(world_requests_of(world, second.national_reference), 2);
    world_reopen(world);
    assert_int_equal(home_forget_due(world->home), 1);
    settle(world);
    assert_int_equal(home_forgotten(world->home), 1);
    assert_int_equal(world_requests_of(world, second.national_reference), 0);
    assert_register_true(world);
    world_reopen(world);
    assert_int_equal(home_forget_due(world->home), 0); /* done, for good */
}

/* What is pending at a stop is done after the start. */
static void test_an_erasure_outlives_a_restart(void **state)
{
    struct world *world = *state;
    put(world, SECRET, NULL);
    struct update_result erased = world_apply(world, world_update(world, UPDATE_ERASE_CARER, AGENCY, SECRET));
    assert_int_equal(erased.problem.code, ERR_NONE);
    world_pass(world, HEARTBEAT_MS);
    world_reopen(world);
    settle(world);
    assert_int_equal(newest(world).checkpoint.horizon, 0);
    world_pass(world, 2 * HEARTBEAT_MS);
    settle(world);
    assert_int_equal(newest(world).checkpoint.horizon, erased.sequence);
    assert_register_true(world);
}

/* The horizon is durable and the payloads are not dropped yet: a register that stopped there goes on dropping. */
static void test_dropping_goes_on_after_a_restart(void **state)
{
    struct world *world = *state;
    for (int i = 0; i < 600; i++) {
        char reference[16];
        snprintf(reference, sizeof reference, "H-%d", i);
        assert_int_equal(world_apply(world, world_put_carer(world, AGENCY, reference)).problem.code, ERR_NONE);
    }
    struct update_result erased = world_apply(world, world_update(world, UPDATE_ERASE_CARER, AGENCY, "H-0"));
    assert_int_equal(erased.problem.code, ERR_NONE);
    world_pass(world, 2 * HEARTBEAT_MS);
    int64_t next_ms;
    assert_true(home_heartbeat(world->home, &next_ms));
    assert_int_equal(next_ms, 0); /* there is more */
    world_reopen(world);
    assert_register_true(world);
    settle(world);
    struct arena arena;
    struct log_row rows[700];
    size_t got;
    arena_init(&arena, 4 << 20);
    assert_int_equal(home_read_log(world->home, 1, &arena, rows, 700, &got), ERR_NONE);
    for (size_t i = 0; i < got; i++)
        assert_int_equal(rows[i].payload.size == 0, i < erased.sequence);
    arena_finish(&arena);
}

static void test_who_may_erase(void **state)
{
    struct world *world = *state;
    assert_int_equal(world_apply(world, world_put_agency(world, "other")).problem.code, ERR_NONE);
    put(world, "H-1", NULL);
    struct update_result foreign = world_apply(world, world_update(world, UPDATE_ERASE_CARER, "other", "H-1"));
    struct update_result unknown = world_apply(world, world_update(world, UPDATE_ERASE_CARER, "other", "H-9"));
    assert_int_equal(foreign.problem.code, ERR_FORBIDDEN);
    assert_string_equal(foreign.problem.text, unknown.problem.text); /* A7 */
    struct update *first = world_update(world, UPDATE_ERASE_CARER, AGENCY, "H-1");
    world_request_id(world, first, world->wall_ms);
    struct update *again = world_update(world, UPDATE_ERASE_CARER, AGENCY, "H-1");
    again->has_request_id = true;
    memcpy(again->request_id, first->request_id, REQUEST_ID_BYTES);
    memcpy(again->content_hash, first->content_hash, DIGEST_BYTES);
    assert_int_equal(world_apply(world, first).problem.code, ERR_NONE);
    struct update_result repeated = world_apply(world, again);
    assert_int_equal(repeated.problem.code, ERR_NONE);
    assert_int_equal(repeated.outcome, OUTCOME_REPEATED);
    assert_register_true(world);
}

/* --- age --------------------------------------------------------------------------------------------------------- */

static void test_old_payloads_are_dropped(void **state)
{
    struct world *world = *state;
    static const int64_t kept_ms = 3600LL * 1000;
    world->payload_kept_ms = kept_ms;
    world_reopen(world);
    uint64_t horizon = 0;
    for (int round = 0; round < scaled(60); round++) {
        char reference[16];
        snprintf(reference, sizeof reference, "H-%u", random_up_to(&world->random, 9));
        struct update *update = random_up_to(&world->random, 1) ? world_put_carer(world, AGENCY, reference)
                                                                : world_put_vacancy(world, AGENCY, reference);
        (void)world_apply(world, update);
        world_pass(world, 1 + random_up_to(&world->random, 1000) * 1000LL);
        home_lapse(world->home, 10, NULL);
        settle(world);
        struct signed_checkpoint now = newest(world);
        assert_true(now.checkpoint.horizon >= horizon && now.checkpoint.horizon <= now.checkpoint.sequence);
        horizon = now.checkpoint.horizon;
        /* Exactly what is older has no payload. */
        struct arena arena;
        struct log_row rows[256];
        size_t got;
        arena_init(&arena, 4 << 20);
        assert_int_equal(home_read_log(world->home, 1, &arena, rows, 256, &got), ERR_NONE);
        for (size_t i = 0; i < got; i++) {
            struct log_header header;
            assert_int_equal(log_header_decode(&rows[i].header, &header), ERR_NONE);
            if (header.time_ms >= world->wall_ms - kept_ms)
                assert_true(rows[i].payload.size > 0);
            if (header.time_ms < world->wall_ms - kept_ms - 1001 * 1000LL)
                assert_int_equal(rows[i].payload.size, 0);
        }
        arena_finish(&arena);
        if (round % 20 == 19)
            world_reopen(world); /* the epoch's own entry has no payload by now */
    }
    assert_true(horizon > 1);
    assert_register_true(world);

    /* Superseded or not, in the end nothing is left in the log; what holds now is in the tables, whole. */
    struct problem problem = {0};
    uint8_t digest[DIGEST_BYTES];
    uint64_t records;
    world_pass(world, 3 * kept_ms);
    settle(world);
    assert_int_equal(newest(world).checkpoint.horizon, newest(world).checkpoint.sequence);
    assert_int_equal(home_verify(world->home, NULL, &records, digest, &problem), ERR_NONE);
    assert_int_equal(records, newest(world).checkpoint.records);
    assert_true(records > 1);
}

/* --- superseded -------------------------------------------------------------------------------------------------- */

static void supersede(struct world *world)
{
    struct update *update = world_update(world, UPDATE_SUPERSEDED, NULL, NULL);
    struct checkpoint theirs = newest(world).checkpoint;
    theirs.epoch++;
    theirs.epoch_id[0] ^= 1;
    checkpoint_sign(&theirs, world->signer, &update->as.superseded);
    assert_int_equal(world_apply(world, update).problem.code, ERR_NONE);
    assert_int_equal(home_standing_now(world->home), STANDING_SUPERSEDED);
}

static uint64_t payloads(struct world *world)
{
    struct arena arena;
    struct log_row rows[64];
    size_t got;
    uint64_t count = 0;
    arena_init(&arena, 4 << 20);
    assert_int_equal(home_read_log(world->home, 1, &arena, rows, 64, &got), ERR_NONE);
    for (size_t i = 0; i < got; i++)
        count += rows[i].payload.size > 0;
    arena_finish(&arena);
    return count;
}

/* It follows its region no more, and kept for ever what was erased since. */
static void test_a_superseded_hub_forgets_too(void **state)
{
    struct world *world = *state;
    for (int i = 0; i < 5; i++) {
        char reference[16];
        snprintf(reference, sizeof reference, "H-%d", i);
        put(world, reference, NULL);
    }
    home_told_horizon(world->home, 3); /* while it decides, its own word counts */
    settle(world);
    const struct signed_checkpoint before = newest(world);
    assert_int_equal(payloads(world), before.checkpoint.sequence);
    supersede(world);
    settle(world);
    assert_int_equal(payloads(world), before.checkpoint.sequence - 3);
    assert_int_equal(refusal_at(world, 2), LOG_BEHIND_HORIZON);
    assert_string_equal(newest(world).text, before.text);              /* it signs nothing */
    world_reopen(world);                                               /* it is read through and found in order */
    home_told_horizon(world->home, before.checkpoint.sequence + 1000); /* past where this log ends */
    settle(world);
    assert_int_equal(payloads(world), 0);
    world_reopen(world);
}

static void test_a_superseded_hub_forgets_by_age(void **state)
{
    struct world *world = *state;
    world->payload_kept_ms = 3600LL * 1000;
    world_reopen(world);
    put(world, "H-1", NULL);
    supersede(world);
    settle(world);
    assert_true(payloads(world) > 0);
    world_pass(world, 2 * world->payload_kept_ms);
    settle(world);
    assert_int_equal(payloads(world), 0);
    world_reopen(world);
}

/* --- damage ------------------------------------------------------------------------------------------------------ */

static void drop_payload(struct world *world, uint64_t sequence)
{
    struct store_txn *txn;
    struct arena arena;
    struct table_key key = key_of_id(WORLD_REGION, sequence);
    struct octets k = key_octets(&key), value;
    uint8_t header[LOG_HEADER_BYTES];
    arena_init(&arena, 1 << 16);
    assert_int_equal(world->store->ops->begin(world->store, true, &txn), ERR_NONE);
    assert_int_equal(tables_get(world->store, txn, STORE_LOG, &k, &value, NULL), ERR_NONE);
    memcpy(header, value.data, sizeof header);
    struct octets octets = {header, sizeof header};
    assert_int_equal(tables_put(world->store, txn, &arena, STORE_LOG, &k, &octets), ERR_NONE);
    assert_int_equal(world->store->ops->commit(txn), ERR_NONE);
    arena_finish(&arena);
}

/* A payload may be missing up to the horizon, and only there. */
static void test_a_payload_that_must_be_there(void **state)
{
    struct world *world = *state;
    put(world, "H-1", NULL);
    struct update_result erased = world_apply(world, world_update(world, UPDATE_ERASE_CARER, AGENCY, "H-1"));
    put(world, "H-2", NULL);
    world_pass(world, 2 * HEARTBEAT_MS);
    settle(world);
    world_reopen(world);
    drop_payload(world, erased.sequence + 1);
    struct problem problem = {0};
    home_close(world->home);
    view_free(world->view);
    world->home = NULL;
    world->view = NULL;
    assert_int_equal(world_try_open(world, &problem), ERR_STORE_DAMAGED);
    assert_non_null(strstr(problem.text, "log"));
}

int main(void)
{
    seed = seed_from_environment(20261125);
    const struct CMUnitTest tests[] = {
        BOTH(test_an_erased_carer_is_nowhere),       BOTH(test_a_late_retry_registers_nobody_anew),
        BOTH(test_requests_are_forgotten_in_slices), BOTH(test_an_erasure_outlives_a_restart),
        BOTH(test_dropping_goes_on_after_a_restart), BOTH(test_who_may_erase),
        BOTH(test_old_payloads_are_dropped),         BOTH(test_a_payload_that_must_be_there),
        BOTH(test_a_superseded_hub_forgets_too),     BOTH(test_a_superseded_hub_forgets_by_age),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
