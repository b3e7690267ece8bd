/* tier: check */
/*
 * test_service_snapshot.c - FetchSnapshot: its order, going on after a break, a slow fetcher, its limit.
 */
#include "tests/unit/service_federation_world.h"

static const Vacancy__V1__FetchSnapshotResponse *part(const struct fake_call *call, size_t i)
{
    assert_true(i < call->response_count);
    return (const Vacancy__V1__FetchSnapshotResponse *)call->responses[i].message;
}

struct got {
    uint64_t begin, headers, log_from, log_to, read_at;
    uint32_t records, first_record, batches;
};

/* What came, checked to be in order. */
static struct got take_apart(const struct fake_call *call)
{
    struct got got = {.first_record = UINT32_MAX};
    int last = 0;
    for (size_t i = 0; i < call->response_count; i++) {
        const Vacancy__V1__FetchSnapshotResponse *one = part(call, i);
        assert_true((int)one->item_case >= last); /* the numbers are in the order of the parts */
        last = (int)one->item_case;
        switch (one->item_case) {
        case VACANCY__V1__FETCH_SNAPSHOT_RESPONSE__ITEM_BEGIN:
            got.begin = strtoull(strstr(one->begin->checkpoint->text, "sequence ") + 9, NULL, 10);
            break;
        case VACANCY__V1__FETCH_SNAPSHOT_RESPONSE__ITEM_HEADERS:
            got.headers += one->headers->headers.len / LOG_HEADER_BYTES;
            break;
        case VACANCY__V1__FETCH_SNAPSHOT_RESPONSE__ITEM_RECORDS:
            for (size_t j = 0; j < one->records->n_records; j++, got.records++) {
                uint32_t n;
                memcpy(&n, one->records->records[j]->key.data, 4);
                if (got.first_record == UINT32_MAX)
                    got.first_record = n;
                assert_int_equal(n, got.first_record + got.records);
            }
            got.read_at = one->records->read_at_sequence;
            break;
        default:
            got.batches++;
            for (size_t j = 0; j < one->batch->n_entries; j++) {
                struct log_header header;
                const struct octets octets = {one->batch->entries[j]->header.data, LOG_HEADER_BYTES};
                assert_int_equal(log_header_decode(&octets, &header), ERR_NONE);
                if (got.log_from == 0)
                    got.log_from = header.sequence;
                assert_int_equal(header.sequence, got.log_to == 0 ? header.sequence : got.log_to + 1);
                got.log_to = header.sequence;
            }
        }
    }
    return got;
}

static struct fake_call *fetch(const char *principal, Vacancy__V1__FetchSnapshotRequest *request, uint32_t room)
{
    struct fake_call *call = begin(principal, FETCH);
    call->room = room;
    request->region = (char *)FAKE_REGION;
    fake_call_send(call, &request->base);
    fake_call_half_close(call);
    settle();
    return call;
}

static void a_snapshot_in_its_order(void **state)
{
    (void)state;
    Vacancy__V1__FetchSnapshotRequest request = VACANCY__V1__FETCH_SNAPSHOT_REQUEST__INIT;
    home_log.sequence = 250;
    home_log.record_count = 95;
    struct fake_call *call = fetch(NORTH, &request, UINT32_MAX);
    assert_true(call->finished);
    assert_int_equal(call->problem.code, ERR_NONE);
    struct got got = take_apart(call);
    assert_int_equal(got.begin, 250);
    assert_int_equal(got.headers, 250);
    assert_int_equal(got.records, 95);
    assert_int_equal(got.log_from, 251);
    assert_true(got.log_to >= got.read_at);
    const Vacancy__V1__FetchSnapshotResponse *last = part(call, call->response_count - 1);
    assert_non_null(last->batch->checkpoint);
    fake_call_destroy(call);
}

/* Of a region at rest: the last batch has only the checkpoint. */
static void a_snapshot_of_nothing_new_ends_with_a_checkpoint(void **state)
{
    (void)state;
    Vacancy__V1__FetchSnapshotRequest request = VACANCY__V1__FETCH_SNAPSHOT_REQUEST__INIT;
    struct fake_call *call = fetch(NORTH, &request, UINT32_MAX);
    assert_int_equal(call->problem.code, ERR_NONE);
    struct got got = take_apart(call);
    assert_int_equal(got.headers, 10);
    assert_int_equal(got.batches, 1);
    assert_int_equal(got.records, 0);
    fake_call_destroy(call);
}

static void a_slow_fetcher_is_waited_for(void **state)
{
    (void)state;
    Vacancy__V1__FetchSnapshotRequest request = VACANCY__V1__FETCH_SNAPSHOT_REQUEST__INIT;
    home_log.sequence = 250;
    home_log.record_count = 95;
    struct fake_call *call = fetch(NORTH, &request, 1);
    assert_int_equal(call->response_count, 1);
    settle();
    assert_int_equal(call->response_count, 1);
    for (int i = 0; i < 100 && !call->finished; i++) {
        fake_call_take(call, 1);
        settle();
    }
    assert_true(call->finished);
    assert_int_equal(take_apart(call).records, 95);
    fake_call_destroy(call);
}

static void a_snapshot_goes_on_after_a_break(void **state)
{
    (void)state;
    Vacancy__V1__FetchSnapshotRequest request = VACANCY__V1__FETCH_SNAPSHOT_REQUEST__INIT;
    uint8_t head[DIGEST_BYTES];
    uint32_t key = 40;
    home_log.sequence = 250;
    home_log.record_count = 95;
    make_head(&home_log, 240, head);
    request.from_sequence = 240;
    request.from_head = (ProtobufCBinaryData){DIGEST_BYTES, head};
    request.headers_until = 190;
    struct fake_call *call = fetch(NORTH, &request, UINT32_MAX);
    assert_int_equal(call->problem.code, ERR_NONE);
    struct got got = take_apart(call);
    assert_int_equal(got.begin, 0);
    assert_int_equal(got.headers, 50);
    assert_int_equal(got.first_record, 0);
    assert_int_equal(got.log_from, 241);
    fake_call_destroy(call);
    request.headers_until = 240;
    request.after_table = LOG_TABLE_CARER;
    request.after_key = (ProtobufCBinaryData){4, (uint8_t *)&key};
    call = fetch(NORTH, &request, UINT32_MAX);
    got = take_apart(call);
    assert_int_equal(got.headers, 0);
    assert_int_equal(got.first_record, 41);
    assert_int_equal(got.records, 54);
    assert_int_equal(got.log_from, 241);
    fake_call_destroy(call);
}

static void fetch_fails(Vacancy__V1__FetchSnapshotRequest *request, enum err code, const char *field)
{
    struct fake_call *call = fetch(NORTH, request, UINT32_MAX);
    assert_int_equal(call->problem.code, code);
    assert_string_equal(call->problem.field, field);
    assert_int_equal(call->response_count, 0);
    fake_call_destroy(call);
}

static void what_can_not_go_on_is_refused(void **state)
{
    (void)state;
    Vacancy__V1__FetchSnapshotRequest request = VACANCY__V1__FETCH_SNAPSHOT_REQUEST__INIT;
    uint8_t head[DIGEST_BYTES], key[65] = {0};
    request.headers_until = 4;
    fetch_fails(&request, ERR_INVALID, "from_sequence");
    request.from_sequence = 5;
    fetch_fails(&request, ERR_INVALID, "from_head");
    make_head(&home_log, 5, head);
    request.from_head = (ProtobufCBinaryData){DIGEST_BYTES, head};
    request.headers_until = 6;
    fetch_fails(&request, ERR_INVALID, "headers_until");
    request.headers_until = 5;
    request.after_table = LOG_TABLE_EPOCH;
    fetch_fails(&request, ERR_INVALID, "after_table");
    request.after_table = LOG_TABLE_OFFER;
    fetch_fails(&request, ERR_INVALID, "after_key");
    request.after_key = (ProtobufCBinaryData){sizeof key, key};
    fetch_fails(&request, ERR_INVALID, "after_key");
    request.after_key.len = 4;
    home_log.horizon = 6;
    fetch_fails(&request, ERR_OUT_OF_RANGE, "from_sequence");
    home_log.horizon = 0;
    head[0] ^= 1;
    fetch_fails(&request, ERR_PRECONDITION, "from_head");
    request.from_sequence = request.headers_until = 11;
    fetch_fails(&request, ERR_OUT_OF_RANGE, "from_sequence");
    request.from_sequence = UINT64_MAX;
    fetch_fails(&request, ERR_INVALID, "from_sequence");
    home_log.here = false;
    vacancy__v1__fetch_snapshot_request__init(&request);
    fetch_fails(&request, ERR_NOT_FOUND, "region");
}

static void two_snapshots_a_hub(void **state)
{
    (void)state;
    Vacancy__V1__FetchSnapshotRequest request = VACANCY__V1__FETCH_SNAPSHOT_REQUEST__INIT;
    struct fake_call *first = fetch(NORTH, &request, 1), *second = fetch(NORTH, &request, 1);
    fetch_fails(&request, ERR_LIMIT, "");
    struct fake_call *other = fetch(WEST, &request, 1);
    assert_false(other->finished);
    fake_call_cancel(first);
    struct fake_call *third = fetch(NORTH, &request, 1);
    assert_false(third->finished);
    fake_call_destroy(first);
    fake_call_destroy(second);
    fake_call_destroy(third);
    fake_call_destroy(other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_snapshot_in_its_order),       TEST(a_snapshot_of_nothing_new_ends_with_a_checkpoint),
        TEST(a_slow_fetcher_is_waited_for),  TEST(a_snapshot_goes_on_after_a_break),
        TEST(what_can_not_go_on_is_refused), TEST(two_snapshots_a_hub),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
