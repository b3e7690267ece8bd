/* tier: check */
/*
 * test_service_federation.c - what other hubs are given: Follow (positions, slices, round robin, a slow reader, signs
 * of life, R11, R14, R15), and what operators see of it (ListRegions, Verify, Promote). FetchSnapshot:
 * test_service_snapshot.c.
 */
#include "tests/unit/service_federation_world.h"
#include "vacancy/v1/hub_service.pb-c.h"

#define FOLLOW "/vacancy.v1.FederationService/Follow"
#define HUB    "/vacancy.v1.HubService/"

/* --- a follower ------------------------------------------------------------------------------------------------ */

static void say_positions(struct fake_call *call, bool complete)
{
    Vacancy__V1__Positions positions = VACANCY__V1__POSITIONS__INIT;
    Vacancy__V1__FollowRequest request = VACANCY__V1__FOLLOW_REQUEST__INIT;
    positions.complete = complete;
    request.item_case = VACANCY__V1__FOLLOW_REQUEST__ITEM_POSITIONS;
    request.positions = &positions;
    fake_call_send(call, &request.base);
}

static void say_take(struct fake_call *call, const struct made_up *log, uint64_t sequence)
{
    uint8_t head[DIGEST_BYTES];
    Vacancy__V1__Cursor take = VACANCY__V1__CURSOR__INIT;
    Vacancy__V1__FollowRequest request = VACANCY__V1__FOLLOW_REQUEST__INIT;
    make_head(log, sequence, head);
    take.region = (char *)log->region;
    take.sequence = sequence;
    take.head = (ProtobufCBinaryData){DIGEST_BYTES, head};
    request.item_case = VACANCY__V1__FOLLOW_REQUEST__ITEM_TAKE;
    request.take = &take;
    fake_call_send(call, &request.base);
}

static void say_drop(struct fake_call *call, const char *region)
{
    Vacancy__V1__FollowRequest request = VACANCY__V1__FOLLOW_REQUEST__INIT;
    request.item_case = VACANCY__V1__FOLLOW_REQUEST__ITEM_DROP;
    request.drop = (char *)region;
    fake_call_send(call, &request.base);
}

static const Vacancy__V1__FollowResponse *response(const struct fake_call *call, size_t i)
{
    assert_true(i < call->response_count);
    return (const Vacancy__V1__FollowResponse *)call->responses[i].message;
}

/* Entries of the region so far, checked to be in order; *batches: ended ones. */
static uint64_t entries_sent(const struct fake_call *call, const struct made_up *log, uint64_t after, uint32_t *batches)
{
    uint64_t next = after + 1;
    *batches = 0;
    for (size_t i = 0; i < call->response_count; i++) {
        const Vacancy__V1__FollowResponse *one = response(call, i);
        if (one->item_case != VACANCY__V1__FOLLOW_RESPONSE__ITEM_BATCH || strcmp(one->batch->region, log->region) != 0)
            continue;
        for (size_t j = 0; j < one->batch->n_entries; j++, next++) {
            uint8_t header[LOG_HEADER_BYTES];
            make_header(log, next, header);
            assert_memory_equal(one->batch->entries[j]->header.data, header, sizeof header);
            assert_int_equal(one->batch->entries[j]->salt.len, LOG_SALT_BYTES);
            assert_int_equal(one->batch->entries[j]->payload.len, log->payload_bytes);
        }
        *batches += one->batch->checkpoint != NULL && one->batch->n_entries > 0;
    }
    return next - after - 1;
}

/* --- Follow ---------------------------------------------------------------------------------------------------- */

static void positions_go_both_ways(void **state)
{
    (void)state;
    struct fake_call *call = begin(NORTH, FOLLOW);
    say_positions(call, true);
    settle();
    assert_int_equal(call->response_count, 1);
    const Vacancy__V1__Positions *first = response(call, 0)->positions;
    assert_true(first->complete);
    assert_int_equal(first->n_checkpoints, 2); /* the home region and the one replica */
    assert_int_equal(heard_count, 1);
    assert_string_equal(heard[0]->peer, "E12000001");
    assert_true(heard[0]->complete);
    /* A wake too early says nothing; one in time is a sign of life; what changed goes with it. */
    wake();
    assert_int_equal(call->response_count, 1);
    hub.now_ms += FEDERATION_PING_MS;
    wake();
    assert_int_equal(call->response_count, 2);
    assert_int_equal(response(call, 1)->positions->n_checkpoints, 0);
    assert_false(response(call, 1)->positions->complete);
    north_log.sequence++;
    hub.now_ms += FEDERATION_PING_MS;
    wake();
    assert_int_equal(response(call, 2)->positions->n_checkpoints, 1);
    fake_call_half_close(call);
    assert_true(call->finished && call->problem.code == ERR_NONE);
    fake_call_destroy(call);
    assert_int_equal(hub.host.reserved, 0); /* its place among the wakes was given back */
}

/* A commit wakes those who take its log, from the take on; a drop ends it. */
static void a_stream_waits_for_the_logs_that_it_takes(void **state)
{
    (void)state;
    struct wakes *wakes = hub.context.federation.wakes;
    struct fake_call *call = begin(NORTH, FOLLOW);
    uint32_t batches;
    say_positions(call, true);
    say_take(call, &home_log, 10);
    settle();
    home_log.sequence = north_log.sequence = 15;
    wakes_of(wakes, WAKE_REPLICAS);
    settle();
    assert_int_equal(entries_sent(call, &home_log, 10, &batches), 0);
    wakes_of(wakes, WAKE_HOME);
    settle();
    assert_int_equal(entries_sent(call, &home_log, 10, &batches), 5);
    say_take(call, &north_log, 15);
    settle();
    home_log.sequence = north_log.sequence = 20;
    wakes_of(wakes, WAKE_REPLICAS);
    settle();
    assert_int_equal(entries_sent(call, &north_log, 15, &batches), 5);
    say_drop(call, home_log.region);
    settle();
    home_log.sequence = 25;
    wakes_of(wakes, WAKE_HOME);
    settle();
    assert_int_equal(entries_sent(call, &home_log, 10, &batches), 10);
    fake_call_half_close(call);
    fake_call_destroy(call);
    assert_int_equal(hub.host.reserved, 0);
}

static void a_log_is_sent_and_goes_on(void **state)
{
    (void)state;
    uint32_t batches;
    struct fake_call *call = begin(NORTH, FOLLOW);
    home_log.sequence = 23;
    say_positions(call, true);
    say_take(call, &home_log, 2);
    settle();
    assert_int_equal(entries_sent(call, &home_log, 2, &batches), 21);
    assert_int_equal(batches, 5); /* to 5, 10, 15, 20, 23 */
    /* It grows: after a commit's wake the rest comes at once. */
    home_log.sequence = 25;
    wake();
    assert_int_equal(entries_sent(call, &home_log, 2, &batches), 23);
    /* Signed again at rest: the checkpoint alone, once. */
    size_t before = call->response_count;
    home_log.time_ms += 10000;
    wake();
    wake();
    assert_int_equal(call->response_count, before + 1);
    const Vacancy__V1__Batch *last = response(call, before)->batch;
    assert_int_equal(last->n_entries, 0);
    assert_non_null(strstr(last->checkpoint->text, "sequence 25\n"));
    /* Dropped: no more. */
    say_drop(call, FAKE_REGION);
    home_log.sequence = 30;
    wake();
    assert_int_equal(call->response_count, before + 1);
    fake_call_destroy(call);
}

static void a_long_log_comes_in_slices(void **state)
{
    (void)state;
    uint32_t batches;
    struct fake_call *call = begin(NORTH, FOLLOW);
    home_log.sequence = home_log.batch = 100;
    home_log.payload_bytes = 10000;
    say_positions(call, true);
    say_take(call, &home_log, 0);
    settle();
    assert_int_equal(entries_sent(call, &home_log, 0, &batches), 100);
    assert_int_equal(batches, 1);
    for (size_t i = 0; i < call->response_count; i++)
        assert_true(call->responses[i].size < LOG_SLICE_MAX_BYTES + 16 * 1024);
    assert_true(home_log.reads >= 4);
    fake_call_destroy(call);
}

/* A large log keeps no other waiting. */
static void logs_take_turns(void **state)
{
    (void)state;
    struct fake_call *call = begin(WEST, FOLLOW);
    home_log.sequence = 300;
    home_log.batch = 1000;
    home_log.payload_bytes = 20000;
    north_log = home_log;
    north_log.region = "E12000001";
    call->room = 9;
    say_positions(call, true);
    say_take(call, &home_log, 0);
    say_take(call, &north_log, 0);
    settle();
    uint32_t of_home = 0, of_north = 0;
    for (size_t i = 0; i < call->response_count; i++) {
        const Vacancy__V1__FollowResponse *one = response(call, i);
        if (one->item_case == VACANCY__V1__FOLLOW_RESPONSE__ITEM_BATCH)
            *(strcmp(one->batch->region, FAKE_REGION) == 0 ? &of_home : &of_north) += 1;
    }
    assert_int_equal(of_home + of_north, 8);
    assert_in_range(of_home, 3, 5);
    fake_call_destroy(call);
}

/* R15: who doesn't read costs what its queue takes, and nothing is read ahead for it. */
static void a_slow_reader_is_waited_for(void **state)
{
    (void)state;
    uint32_t batches;
    struct fake_call *call = begin(NORTH, FOLLOW);
    home_log.sequence = 1000;
    call->room = 3;
    say_positions(call, true);
    say_take(call, &home_log, 0);
    settle();
    assert_int_equal(call->response_count, 3);
    uint32_t reads = home_log.reads;
    for (int i = 0; i < 20; i++) {
        hub.now_ms += FEDERATION_PING_MS;
        wake();
        say_positions(call, false);
        settle();
    }
    assert_int_equal(call->response_count, 3);
    assert_int_equal(home_log.reads, reads);
    for (int i = 0; i < 1000 && entries_sent(call, &home_log, 0, &batches) < 1000; i++) {
        fake_call_take(call, 2);
        settle();
    }
    assert_int_equal(entries_sent(call, &home_log, 0, &batches), 1000);
    assert_int_equal(batches, 200);
    fake_call_destroy(call);
}

static void what_cannot_be_served_is_refused(void **state)
{
    (void)state;
    struct fake_call *call = begin(NORTH, FOLLOW);
    home_log.horizon = 4;
    say_positions(call, true);
    say_take(call, &home_log, 3);
    say_take(call, &west_log, 0);
    say_take(call, &north_log, 11);
    settle();
    static const struct {
        int reason;
        const char *region;
    } want[] = {{VACANCY__V1__REFUSAL__REASON__REASON_BEHIND_HORIZON, FAKE_REGION},
                {VACANCY__V1__REFUSAL__REASON__REASON_NOT_HERE, "E12000002"},
                {VACANCY__V1__REFUSAL__REASON__REASON_AHEAD, "E12000001"}};
    assert_int_equal(call->response_count, 4);
    for (size_t i = 0; i < 3; i++) {
        const Vacancy__V1__Refusal *refusal = response(call, i + 1)->refusal;
        assert_non_null(refusal);
        assert_string_equal(refusal->region, want[i].region);
        assert_int_equal(refusal->reason, want[i].reason);
        assert_int_equal(refusal->checkpoint != NULL, i != 1);
    }
    wake(); /* and taken no more */
    assert_int_equal(call->response_count, 4);
    /* Another history: the same place, another entry. */
    north_log.payload_bytes = 49;
    uint8_t head[DIGEST_BYTES];
    make_head(&north_log, 7, head);
    north_log.payload_bytes = 50;
    Vacancy__V1__Cursor take = VACANCY__V1__CURSOR__INIT;
    Vacancy__V1__FollowRequest request = VACANCY__V1__FOLLOW_REQUEST__INIT;
    take.region = (char *)"E12000001";
    take.sequence = 7;
    take.head = (ProtobufCBinaryData){DIGEST_BYTES, head};
    request.item_case = VACANCY__V1__FOLLOW_REQUEST__ITEM_TAKE;
    request.take = &take;
    fake_call_send(call, &request.base);
    settle();
    assert_int_equal(response(call, 4)->refusal->reason, VACANCY__V1__REFUSAL__REASON__REASON_OTHER_HISTORY);
    fake_call_destroy(call);
}

static void a_store_that_fails_ends_the_stream(void **state)
{
    (void)state;
    struct fake_call *call = begin(NORTH, FOLLOW);
    say_positions(call, true);
    home_log.fails = ERR_STORE_IO;
    say_take(call, &home_log, 0);
    settle();
    assert_int_equal(call->problem.code, ERR_STORE_IO);
    fake_call_destroy(call);
}

static void ended_with(Vacancy__V1__FollowRequest *request, const char *field)
{
    struct fake_call *call = begin(NORTH, FOLLOW);
    if (request->item_case != VACANCY__V1__FOLLOW_REQUEST__ITEM_POSITIONS)
        say_positions(call, true);
    fake_call_send(call, &request->base);
    assert_int_equal(call->problem.code, ERR_INVALID);
    assert_string_equal(call->problem.field, field);
    fake_call_destroy(call);
    assert_int_equal(hub.host.reserved, 0);
}

/* R11, P13: garbage ends the stream with the field's name. */
static void garbage_names_the_field(void **state)
{
    (void)state;
    uint8_t head[DIGEST_BYTES] = {1};
    Vacancy__V1__FollowRequest request = VACANCY__V1__FOLLOW_REQUEST__INIT;
    Vacancy__V1__Cursor take = VACANCY__V1__CURSOR__INIT;
    Vacancy__V1__Positions positions = VACANCY__V1__POSITIONS__INIT;
    Vacancy__V1__SignedCheckpoint checkpoint = VACANCY__V1__SIGNED_CHECKPOINT__INIT, *list[2] = {&checkpoint};
    ended_with(&request, "item");
    request.item_case = VACANCY__V1__FOLLOW_REQUEST__ITEM_TAKE;
    request.take = &take;
    ended_with(&request, "take.region");
    take.region = (char *)"E12000001";
    ended_with(&request, "take.head");
    take.head = (ProtobufCBinaryData){DIGEST_BYTES, head};
    ended_with(&request, "take.head"); /* sequence 0 */
    take.sequence = UINT64_MAX;
    ended_with(&request, "take.sequence");
    request.item_case = VACANCY__V1__FOLLOW_REQUEST__ITEM_DROP;
    request.drop = (char *)"north";
    ended_with(&request, "drop");
    request.item_case = VACANCY__V1__FOLLOW_REQUEST__ITEM_POSITIONS;
    request.positions = &positions;
    ended_with(&request, "positions.complete");
    positions.complete = true;
    positions.checkpoints = list;
    positions.n_checkpoints = 1;
    checkpoint.text = (char *)"vacancy checkpoint v1\nregion E12000001\n";
    ended_with(&request, "positions.checkpoints[0]");
    Vacancy__V1__SignedCheckpoint *many[ROSTER_REGIONS_MAX + 1];
    for (int i = 0; i <= ROSTER_REGIONS_MAX; i++)
        many[i] = &checkpoint;
    positions.checkpoints = many;
    positions.n_checkpoints = ROSTER_REGIONS_MAX + 1;
    ended_with(&request, "positions.checkpoints");
}

static void a_stream_takes_at_most_as_many_regions_as_a_roster_has(void **state)
{
    (void)state;
    struct fake_call *call = begin(NORTH, FOLLOW);
    call->room = 0;
    say_positions(call, true);
    for (int i = 0; i <= ROSTER_REGIONS_MAX; i++) {
        char region[GSS_BYTES];
        struct made_up log = {.region = region};
        assert_false(call->finished);
        snprintf(region, sizeof region, "E12%06d", i % 1000000);
        say_take(call, &log, 0);
    }
    assert_int_equal(call->problem.code, ERR_INVALID);
    assert_string_equal(call->problem.field, "take");
    fake_call_destroy(call);
}

/* A9, R14, and a hub that claims our own region. */
static void only_other_hubs_of_the_roster_may_follow(void **state)
{
    (void)state;
    static const char *const others[] = {FAKE_LEEDS, FAKE_OLIVE, FAKE_HUB, FAKE_DOMAIN "E12000009/hub",
                                         FAKE_DOMAIN "E12000001/operator/olive"};
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        struct fake_call *call = begin(others[i], FOLLOW);
        enum err code = strstr(others[i], "E12000009") != NULL ? ERR_UNAUTHENTICATED : ERR_FORBIDDEN; /* A11 */
        say_positions(call, true);
        assert_int_equal(call->problem.code, code);
        assert_int_equal(call->response_count, 0);
        fake_call_destroy(call);
        Vacancy__V1__FetchSnapshotRequest request = VACANCY__V1__FETCH_SNAPSHOT_REQUEST__INIT;
        request.region = (char *)FAKE_REGION;
        call = begin(others[i], FETCH);
        fake_call_send(call, &request.base);
        assert_int_equal(call->problem.code, code);
        fake_call_destroy(call);
    }
    assert_int_equal(heard_count, 0);
    struct wakes *wakes = hub.context.federation.wakes;
    hub.context.federation.wakes = NULL; /* a hub without a roster */
    struct fake_call *call = begin(NORTH, FOLLOW);
    say_positions(call, true);
    assert_int_equal(call->problem.code, ERR_UNAVAILABLE);
    fake_call_destroy(call);
    hub.context.federation.wakes = wakes;
}

/* T20: a certificate that runs out while its stream lives. */
static void an_expired_certificate_ends_the_stream(void **state)
{
    (void)state;
    struct fake_call *call = begin(NORTH, FOLLOW);
    say_positions(call, true);
    call->peer.not_after_ms = hub.now_ms + 1000;
    hub.now_ms += 1001;
    say_positions(call, false);
    assert_int_equal(call->problem.code, ERR_UNAUTHENTICATED);
    fake_call_destroy(call);
}

static void a_full_mailbox_is_tried_again(void **state)
{
    (void)state;
    struct fake_call *call = begin(NORTH, FOLLOW);
    hub.host.replies_max = 0;
    say_positions(call, true);
    fake_host_turn(&hub.host);
    assert_int_equal(hub.host.reserved, 0);
    hub.host.replies_max = 10;
    settle();
    assert_int_equal(hub.host.reserved, 1);
    fake_call_destroy(call);
    assert_int_equal(hub.host.reserved, 0);
}

/* --- for operators --------------------------------------------------------------------------------------------- */

static void regions_are_listed(void **state)
{
    (void)state;
    Vacancy__V1__ListRegionsRequest request = VACANCY__V1__LIST_REGIONS_REQUEST__INIT;
    static const char *const may[] = {FAKE_OLIVE, FAKE_ANN, FAKE_TEAM, FAKE_LEEDS};
    for (size_t i = 0; i < 4; i++) {
        struct fake_call *call = fake_hub_ask(&hub, may[i], HUB "ListRegions", &request.base);
        const Vacancy__V1__ListRegionsResponse *answer = fake_hub_answer(call);
        assert_int_equal(answer->n_regions, 3);
        assert_int_equal(answer->roster_version, 3);
        const Vacancy__V1__Region *home = answer->regions[2];
        assert_true(home->home && home->present);
        assert_string_equal(home->region, FAKE_REGION);
        assert_int_equal(home->sequence, fake_hub_log(&hub));
        assert_int_equal(home->standing, VACANCY__V1__STANDING__STANDING_DECIDING);
        assert_int_equal(strlen(home->state_digest), 64);
        assert_false(answer->regions[0]->present);
        fake_call_destroy(call);
    }
    struct fake_call *call = fake_hub_ask(&hub, NORTH, HUB "ListRegions", &request.base);
    assert_int_equal(call->problem.code, ERR_FORBIDDEN);
    fake_call_destroy(call);
}

/* The verifier's thread answers through the mailbox: bounded wait for it. */
static void until_finished(struct fake_call *call)
{
    for (int i = 0; i < 10000 && !call->finished; i++) {
        struct mail mail;
        if (mailbox_wait(hub.host.mailbox, &mail, 1, 10) == 1) {
            hub.host.reserved--;
            call->reserved--;
            call->call.method->handler->resumed(&call->call, &mail);
        }
    }
    assert_true(call->finished);
}

static void regions_are_verified_one_call_at_a_time(void **state)
{
    (void)state;
    static const uint8_t issuer[DIGEST_BYTES] = {1};
    Vacancy__V1__VerifyRequest request = VACANCY__V1__VERIFY_REQUEST__INIT;
    hub.context.verifier = verifier_create(hub.home, NULL, FAKE_REGION);
    struct tls_peer olive = fake_peer(FAKE_OLIVE, issuer), ann = fake_peer(FAKE_ANN, issuer),
                    leeds = fake_peer(FAKE_LEEDS, issuer);
    struct fake_call *call = fake_unary(&hub.host, HUB "Verify", &olive, &request.base);
    struct fake_call *second = fake_unary(&hub.host, HUB "Verify", &ann, &request.base);
    assert_int_equal(second->problem.code, ERR_LIMIT);
    fake_call_destroy(second);
    until_finished(call);
    assert_int_equal(call->problem.code, ERR_NONE);
    assert_int_equal(call->response_count, 3);
    const Vacancy__V1__VerifyResponse *north = (const void *)call->responses[0].message,
                                      *home = (const void *)call->responses[2].message;
    assert_false(north->equal);
    assert_string_not_equal(north->problem, "");
    assert_true(home->equal);
    assert_string_equal(home->problem, "");
    assert_string_equal(home->state_digest, home->signed_digest);
    assert_int_equal(home->sequence, fake_hub_log(&hub));
    assert_int_equal(home->records, 2); /* the agencies */
    fake_call_destroy(call);
    call = fake_unary(&hub.host, HUB "Verify", &leeds, &request.base);
    assert_int_equal(call->problem.code, ERR_FORBIDDEN);
    fake_call_destroy(call);
    /* Given back: the next one may, also after one that was cancelled in the middle. */
    request.region = (char *)FAKE_REGION;
    call = fake_unary(&hub.host, HUB "Verify", &ann, &request.base);
    until_finished(call);
    assert_int_equal(call->response_count, 1);
    fake_call_destroy(call);
    request.region = (char *)"north";
    call = fake_unary(&hub.host, HUB "Verify", &ann, &request.base);
    assert_string_equal(call->problem.field, "region");
    fake_call_destroy(call);
    verifier_destroy(hub.context.verifier);
}

/* The operator's word opens the next epoch; who was not asked, and its id, are told; nobody else has that word. */
static void an_operator_promotes(void **state)
{
    (void)state;
    Vacancy__V1__PromoteRequest request = VACANCY__V1__PROMOTE_REQUEST__INIT;
    struct signed_checkpoint newest;
    char id[2 * EPOCH_ID_BYTES + 1];
    uint64_t before = fake_hub_log(&hub);
    request.new_epoch = true;
    static const char *const others[] = {FAKE_LEEDS, FAKE_ANN, FAKE_TEAM, NORTH};
    for (size_t i = 0; i < 4; i++) {
        struct fake_call *call = fake_hub_ask(&hub, others[i], HUB "Promote", &request.base);
        assert_int_equal(call->problem.code, ERR_FORBIDDEN);
        fake_call_destroy(call);
    }
    assert_int_equal(fake_hub_log(&hub), before);
    struct fake_call *call = fake_hub_ask(&hub, FAKE_OLIVE, HUB "Promote", &request.base);
    const Vacancy__V1__PromoteResponse *answer = fake_hub_answer(call);
    assert_int_equal(answer->epoch, 2);
    assert_int_equal(answer->sequence, before + 1);
    assert_int_equal(home_checkpoint(hub.home, &newest), ERR_NONE);
    assert_int_equal(newest.checkpoint.epoch, 2);
    hex_encode(newest.checkpoint.epoch_id, EPOCH_ID_BYTES, id);
    assert_string_equal(answer->epoch_id, id);
    fake_call_destroy(call);
}

/* A wake is one mail for each that is armed; who is disarmed first gets none. */
static void wakes_are_given_once(void **state)
{
    (void)state;
    struct wakes *wakes = wakes_create();
    struct mailbox *mailbox = mailbox_create(200);
    struct reply_address address = {.mailbox = mailbox, .kind = 3};
    struct mail mails[200];
    for (address.to = 0; address.to < 100; address.to++) {
        assert_int_equal(mailbox_reserve(mailbox), ERR_NONE);
        wakes_arm(wakes, &address, address.to % 2 == 0 ? WAKE_HOME : WAKE_REPLICAS);
    }
    address.to = 40;
    assert_true(wakes_disarm(wakes, &address));
    assert_false(wakes_disarm(wakes, &address));
    mailbox_unreserve(mailbox);
    wakes_of(wakes, WAKE_HOME);
    wakes_of(wakes, WAKE_HOME);
    assert_int_equal(mailbox_take(mailbox, mails, 200), 49);
    for (int i = 0; i < 49; i++)
        assert_true(mails[i].kind == 3 && mails[i].to != 40 && mails[i].to % 2 == 0);
    wakes_all(wakes);
    wakes_all(wakes);
    assert_int_equal(mailbox_take(mailbox, mails, 200), 50);
    for (int i = 0; i < 50; i++)
        assert_true(mails[i].kind == 3 && mails[i].to % 2 == 1);
    address.to = 41;
    assert_false(wakes_disarm(wakes, &address)); /* its mail is on the way */
    mailbox_destroy(mailbox);
    wakes_destroy(wakes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(positions_go_both_ways),
        TEST(a_stream_waits_for_the_logs_that_it_takes),
        TEST(a_log_is_sent_and_goes_on),
        TEST(a_long_log_comes_in_slices),
        TEST(logs_take_turns),
        TEST(a_slow_reader_is_waited_for),
        TEST(what_cannot_be_served_is_refused),
        TEST(a_store_that_fails_ends_the_stream),
        TEST(garbage_names_the_field),
        TEST(a_stream_takes_at_most_as_many_regions_as_a_roster_has),
        TEST(only_other_hubs_of_the_roster_may_follow),
        TEST(an_expired_certificate_ends_the_stream),
        TEST(a_full_mailbox_is_tried_again),
        TEST(regions_are_listed),
        TEST(regions_are_verified_one_call_at_a_time),
        TEST(an_operator_promotes),
        TEST(wakes_are_given_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
