/* tier: check */
/*
 * test_register_events.c - what agencies are told: stored with what it tells of, read on from a cursor without gaps or
 * repeats, in order over restarts and epochs, gone with an erased carer and by age.
 * Shows: issue 5's resuming from an event cursor; D7-like reads of cursors that are not, V5 for what is told twice.
 */
#include "tests/unit/register_world.h"

#include "daemon/register/home_parts.h"
#include "vacancy/v1/agency_service.pb-c.h"

#define AGENCY "leeds-fostering"
#define OTHER  "leeds-fosterings" /* begins as the first does */

static struct world world;
static struct arena arena;
static struct event_row rows[4096];

static int open_world(void **state)
{
    (void)state;
    world_init(&world, 20261202, false);
    world_open(&world);
    arena_init(&arena, 16 << 20);
    (void)world_apply(&world, world_put_agency(&world, OTHER));
    return world_apply(&world, world_put_agency(&world, AGENCY)).problem.code;
}

static int close_world(void **state)
{
    (void)state;
    arena_finish(&arena);
    world_finish(&world);
    return 0;
}

static size_t read_events(const char *agency, uint64_t after)
{
    size_t got;
    arena_reset(&arena);
    assert_int_equal(home_read_events(world.home, agency, after, &arena, rows, 4096, &got), ERR_NONE);
    return got;
}

static enum err read_error(uint64_t after)
{
    size_t got;
    arena_reset(&arena);
    return home_read_events(world.home, AGENCY, after, &arena, rows, 4096, &got);
}

/* An event of a carer that is in no table. */
static void tell(const char *agency, enum event_kind kind, const char *detail, bool durable)
{
    struct home_carer home = {.national_reference = 77, .vacancy.vacancy_id = 0};
    const struct home_event event = {.kind = kind, .home = &home, .by = "hub", .detail = detail};
    struct batch batch;
    strcpy(home.carer.agency, agency);
    strcpy(home.carer.agency_reference, "LF-1");
    assert_int_equal(batch_begin(world.home, false, &batch), ERR_NONE);
    assert_true(batch_event(&batch, &event));
    if (durable)
        assert_int_equal(batch_commit(&batch), ERR_NONE);
    else
        batch_abort(&batch);
}

static Vacancy__V1__AgencyEvent *unpack(size_t at)
{
    Vacancy__V1__AgencyEvent *event =
        vacancy__v1__agency_event__unpack(NULL, rows[at].octets.size, rows[at].octets.data);
    assert_non_null(event);
    assert_true(event->cursor == rows[at].cursor);
    return event;
}

static void test_read_on_from_a_cursor(void **state)
{
    (void)state;
    assert_int_equal(home_events_end(world.home), 0);
    assert_int_equal(read_events(AGENCY, 0), 0);
    for (int i = 0; i < 9; i++)
        tell(i % 3 == 1 ? OTHER : AGENCY, EVENT_CARER_CHANGED, "", true);
    assert_int_equal(read_events(AGENCY, 0), 6);
    uint64_t third = rows[2].cursor;
    assert_int_equal(home_events_end(world.home), rows[5].cursor);
    assert_int_equal(read_events(AGENCY, third), 3);
    assert_true(rows[0].cursor > third);
    assert_int_equal(read_events(OTHER, third), 2);
    assert_int_equal(read_events(AGENCY, home_events_end(world.home)), 0);
    assert_int_equal(read_error(home_events_end(world.home) + 1), ERR_OUT_OF_RANGE);
    assert_int_equal(read_error(UINT64_MAX), ERR_OUT_OF_RANGE);
    assert_int_equal(read_error(5), ERR_OUT_OF_RANGE); /* of no epoch */
}

static void test_as_many_as_fit(void **state)
{
    (void)state;
    struct arena small;
    size_t got;
    for (int i = 0; i < 5; i++)
        tell(AGENCY, EVENT_CARER_CHANGED, "a detail that takes some room, so that few of them fit", true);
    assert_int_equal(home_read_events(world.home, AGENCY, 0, &arena, rows, 2, &got), ERR_NONE);
    assert_int_equal(got, 2);
    arena_init(&small, rows[0].octets.size + 100);
    assert_int_equal(home_read_events(world.home, AGENCY, 0, &small, rows, 5, &got), ERR_NONE);
    assert_in_range(got, 1, 4);
    arena_finish(&small);
}

static void test_stored_with_what_it_tells_of(void **state)
{
    (void)state;
    tell(AGENCY, EVENT_CARER_CHANGED, "", true);
    uint64_t end = home_events_end(world.home);
    tell(AGENCY, EVENT_CARER_ENDED, "AW1", false);
    assert_int_equal(read_events(AGENCY, 0), 1);
    assert_int_equal(home_events_end(world.home), end);
    tell(AGENCY, EVENT_CARER_MOVED, "x", true);
    assert_int_equal(read_events(AGENCY, end), 1);
    Vacancy__V1__AgencyEvent *event = unpack(0);
    assert_int_equal(event->kind, VACANCY__V1__AGENCY_EVENT__KIND__KIND_CARER_MOVED);
    assert_string_equal(event->by, "hub");
    assert_string_equal(event->detail, "x");
    assert_string_equal(event->agency_reference, "LF-1");
    assert_true(event->at_ms == world.wall_ms);
    vacancy__v1__agency_event__free_unpacked(event, NULL);
}

static void test_a_restart_goes_on(void **state)
{
    (void)state;
    tell(AGENCY, EVENT_CARER_CHANGED, "", true);
    uint64_t end = home_events_end(world.home);
    world_close(&world);
    world_open(&world);
    assert_int_equal(home_events_end(world.home), end);
    tell(AGENCY, EVENT_CARER_CHANGED, "", true);
    assert_int_equal(home_events_end(world.home), end + 1);
}

static void new_epoch(void)
{
    struct update *update = world_update(&world, UPDATE_PROMOTE, NULL, NULL);
    update->as.promote.new_epoch = update->as.promote.accept_loss = true;
    assert_int_equal(world_apply(&world, update).problem.code, ERR_NONE);
}

/* After a restore the events since the backup are gone: their cursors name none of the new epoch's. */
static void test_a_new_epoch_reuses_no_cursor(void **state)
{
    (void)state;
    tell(AGENCY, EVENT_CARER_CHANGED, "", true);
    tell(AGENCY, EVENT_CARER_CHANGED, "", true);
    uint64_t end = home_events_end(world.home);
    new_epoch(); /* as after a restore of a backup that was made now */
    assert_int_equal(read_error(end + 1), ERR_OUT_OF_RANGE);
    tell(AGENCY, EVENT_CARER_CHANGED, "", true);
    assert_true(home_events_end(world.home) > end + 1);
    for (uint64_t lost = end + 1; lost < end + 5; lost++)
        assert_int_equal(read_error(lost), ERR_OUT_OF_RANGE);
    assert_int_equal(read_events(AGENCY, end), 1);
    assert_int_equal(read_events(AGENCY, end - 1), 2);
    new_epoch();
    new_epoch(); /* one without an event */
    tell(AGENCY, EVENT_CARER_CHANGED, "", true);
    assert_int_equal(read_error(end + 1), ERR_OUT_OF_RANGE);
    assert_int_equal(read_error((home_events_end(world.home) >> 40 << 40) - 1), ERR_OUT_OF_RANGE);
    assert_int_equal(read_events(AGENCY, end), 2);
    world_close(&world);
    world_open(&world);
    assert_int_equal(read_events(AGENCY, end), 2);
}

/* --- what is told ------------------------------------------------------------------------------------------------ */

static struct update_result did(struct update *update)
{
    struct update_result result = world_apply(&world, update);
    assert_int_equal(result.problem.code, ERR_NONE);
    return result;
}

static struct update *vacancy_of(const char *reference, bool on_call)
{
    struct update *update = world_put_vacancy(&world, AGENCY, reference);
    update->as.vacancy.on_call = on_call;
    return update;
}

/* Of what agencies do: once for what is new, not for the same again, not for a confirmation, not for a refusal. */
static void test_what_an_agency_does_is_told(void **state)
{
    (void)state;
    static const int expected[] = {EVENT_CARER_REGISTERED,  EVENT_VACANCY_OFFERED, EVENT_VACANCY_CHANGED,
                                   EVENT_VACANCY_WITHDRAWN, EVENT_CARER_CHANGED,   EVENT_VACANCY_OFFERED,
                                   EVENT_CARER_ENDED};
    struct update *push = world_put_carer(&world, AGENCY, "LF-1"), *again = update_create(UPDATE_PUT_CARER);
    *again = *push;
    did(push);
    did(again);
    uint64_t first_id = did(vacancy_of("LF-1", false)).vacancy_id;
    world_pass(&world, 1000);
    did(vacancy_of("LF-1", false));
    struct update *confirm = world_update(&world, UPDATE_CONFIRM, AGENCY, NULL);
    confirm->as.confirm.all = true;
    world_pass(&world, 1000);
    did(confirm);
    world_pass(&world, 1000);
    did(vacancy_of("LF-1", true));
    struct update *stale = vacancy_of("LF-1", false);
    stale->observed_at_ms -= 500;
    assert_int_equal(world_apply(&world, stale).problem.code, ERR_STALE);
    world_pass(&world, 1000);
    did(world_update(&world, UPDATE_WITHDRAW, AGENCY, "LF-1"));
    did(world_put_carer(&world, AGENCY, "LF-1"));
    world_pass(&world, 1000);
    uint64_t second_id = did(vacancy_of("LF-1", false)).vacancy_id;
    for (int twice = 0; twice < 2; twice++) {
        struct update *end = world_update(&world, UPDATE_END_CARER, AGENCY, "LF-1");
        end->as.end.ends_on = 30000;
        strcpy(end->as.end.reason, "AW1");
        world_pass(&world, 1000);
        end->observed_at_ms = world.wall_ms;
        did(end);
    }
    size_t count = read_events(AGENCY, 0);
    assert_int_equal(count, sizeof expected / sizeof *expected);
    for (size_t i = 0; i < count; i++) {
        Vacancy__V1__AgencyEvent *event = unpack(i);
        char id[ID_TEXT_BYTES] = "";
        if (i >= 1 && i != 4)
            id_format(i < 4 ? first_id : second_id, id);
        assert_int_equal(event->kind, expected[i]);
        assert_string_equal(event->vacancy_id, id);
        assert_string_equal(event->agency_reference, "LF-1");
        assert_string_equal(event->by, "spiffe://example.org/region/E12000003/agency/leeds-fostering");
        assert_string_equal(event->detail, expected[i] == EVENT_CARER_ENDED ? "AW1" : "");
        assert_int_equal(event->state, i == 1 || i == 2 || i == 5 ? VACANCY_VACANT : 0);
        assert_int_equal(event->until_ms != 0, i == 1 || i == 2 || i == 5);
        vacancy__v1__agency_event__free_unpacked(event, NULL);
    }
}

/* --- forgetting -------------------------------------------------------------------------------------------------- */

static void settle(void)
{
    int64_t next_ms = 0;
    for (int turns = 0; next_ms == 0; turns++) {
        assert_true(turns < 1000);
        (void)home_heartbeat(world.home, &next_ms);
    }
}

/* Of an erased carer one event stays, that names nobody; all others stay; a restart in between changes nothing. */
static void test_an_erased_carers_events_go(void **state)
{
    (void)state;
    for (int i = 0; i < 3; i++) {
        char reference[16];
        snprintf(reference, sizeof reference, "LF-%d", i);
        did(world_put_carer(&world, AGENCY, reference));
        did(vacancy_of(reference, false));
    }
    uint64_t end = home_events_end(world.home);
    did(world_update(&world, UPDATE_ERASE_CARER, AGENCY, "LF-1"));
    assert_int_equal(home_forget_due(world.home), 1); /* whom the writer answers only then */
    assert_int_equal(read_events(AGENCY, 0), 7);
    world_close(&world);
    world_open(&world);
    settle();
    assert_int_equal(read_events(AGENCY, 0), 5);
    for (size_t i = 0; i < 5; i++) {
        Vacancy__V1__AgencyEvent *event = unpack(i);
        assert_string_not_equal(event->agency_reference, "LF-1");
        assert_int_equal(event->kind == VACANCY__V1__AGENCY_EVENT__KIND__KIND_CARER_ERASED, i == 4);
        if (i == 4) {
            assert_string_equal(event->agency_reference, "");
            assert_string_equal(event->vacancy_id, "");
            assert_string_equal(event->detail, "");
        }
        vacancy__v1__agency_event__free_unpacked(event, NULL);
    }
    assert_int_equal(read_events(AGENCY, end), 1);
    world_close(&world);
    world_open(&world); /* home_check takes it so */
}

/* What is too old goes, of each agency and in slices; who stood before it is told that something is missing. */
static void test_old_events_go(void **state)
{
    (void)state;
    for (int i = 0; i < 600; i++)
        tell(i % 2 ? AGENCY : OTHER, EVENT_CARER_CHANGED, "", true);
    assert_int_equal(read_events(AGENCY, 0), 300);
    uint64_t early = rows[10].cursor, last_old = rows[299].cursor;
    world_pass(&world, EVENTS_KEPT_MS);
    tell(AGENCY, EVENT_CARER_ENDED, "", true);
    settle();
    assert_int_equal(read_events(AGENCY, 0), 301); /* not before they are older than that */
    world_pass(&world, 3600 * 1000);
    int64_t next_ms;
    (void)home_heartbeat(world.home, &next_ms);
    assert_int_equal(next_ms, 0); /* one slice of several */
    settle();
    assert_int_equal(read_events(AGENCY, 0), 1);
    assert_int_equal(read_events(OTHER, 0), 0);
    assert_int_equal(read_error(early), ERR_OUT_OF_RANGE);
    assert_int_equal(read_error(last_old - 1), ERR_OUT_OF_RANGE);
    assert_int_equal(read_events(AGENCY, last_old), 1);
    world_close(&world);
    world_open(&world);
    assert_int_equal(read_error(early), ERR_OUT_OF_RANGE);
    assert_int_equal(read_events(AGENCY, last_old), 1);
}

static void test_a_damaged_row_is_found(void **state)
{
    (void)state;
    struct batch batch;
    struct problem problem = {0};
    static const uint8_t junk[] = {0x0a, 3, 'a', 'b', 'c'};
    struct octets value = {junk, sizeof junk};
    tell(AGENCY, EVENT_CARER_CHANGED, "", true);
    struct table_key key = key_of_event(WORLD_REGION, AGENCY, home_events_end(world.home));
    assert_int_equal(batch_begin(world.home, false, &batch), ERR_NONE);
    assert_true(batch_put(&batch, STORE_EVENTS, &key, &value));
    assert_int_equal(batch_commit(&batch), ERR_NONE);
    world_close(&world);
    assert_int_equal(world_try_open(&world, &problem), ERR_STORE_DAMAGED);
    assert_non_null(strstr(problem.text, "events"));
}

int main(void)
{
#define WITH_WORLD(test) cmocka_unit_test_setup_teardown(test, open_world, close_world)
    const struct CMUnitTest tests[] = {
        WITH_WORLD(test_read_on_from_a_cursor),
        WITH_WORLD(test_as_many_as_fit),
        WITH_WORLD(test_stored_with_what_it_tells_of),
        WITH_WORLD(test_a_restart_goes_on),
        WITH_WORLD(test_a_new_epoch_reuses_no_cursor),
        WITH_WORLD(test_a_damaged_row_is_found),
        WITH_WORLD(test_what_an_agency_does_is_told),
        WITH_WORLD(test_an_erased_carers_events_go),
        WITH_WORLD(test_old_events_go),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
