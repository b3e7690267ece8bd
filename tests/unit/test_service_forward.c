/* tier: check */
/*
 * test_service_forward.c - requests that another region's hub decides: how long it is waited for, and what the caller
 * is told of each way in which it can go wrong. The link is the test's: it answers what it is told to.
 */
#include "daemon/service/forwarding.h"
#include "google/rpc/status.pb-c.h"
#include "proto/wire/status.h"
#include "tests/lib/fake_hub.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define ASK  "/test/Ask"
#define ITEM VACANCY__V1__FORWARD_RESPONSE__RESPONSE_HOLD

static struct fake_hub hub;
static struct fake_host host;
static struct forward *sent; /* on its way */
static enum err port_says;
static bool with_contact;
static const char *name = "Tyne Fostering", *phone = "0191 498 0000";
static struct agency longest; /* as long as the data can be */

/* --- the link ----------------------------------------------------------------------------------------------------- */

static enum err submit(void *ctx, struct forward *forward)
{
    (void)ctx;
    if (port_says != ERR_NONE)
        return port_says;
    assert_null(sent);
    sent = forward;
    return ERR_NONE;
}

static void come_back(enum forward_end end, const struct problem *why)
{
    struct forward *forward = sent;
    sent = NULL;
    forward_settle(forward, end, why);
    const struct mail mail = {.kind = forward->reply.kind, .to = forward->reply.to, .payload = forward};
    mailbox_send_reserved(forward->reply.mailbox, &mail);
    fake_host_turn(&host);
}

static void keep(struct octets *out, const void *data, size_t bytes)
{
    uint8_t *copy = malloc(bytes + 1);
    assert_non_null(copy);
    memcpy(copy, data, bytes);
    *out = (struct octets){copy, bytes};
}

static void keep_message(struct octets *out, const ProtobufCMessage *message)
{
    uint8_t octets[1024];
    assert_true(protobuf_c_message_get_packed_size(message) <= sizeof octets);
    keep(out, octets, protobuf_c_message_pack(message, octets));
}

/* --- a handler that asks ------------------------------------------------------------------------------------------ */

static void ask(struct call *call, const ProtobufCMessage *message)
{
    struct problem problem = {0};
    Vacancy__V1__ForwardRequest request = VACANCY__V1__FORWARD_REQUEST__INIT;
    request.principal = (char *)FAKE_TEAM;
    request.request_case = VACANCY__V1__FORWARD_REQUEST__REQUEST_HOLD;
    request.hold = (Vacancy__V1__HoldVacancyRequest *)message;
    if (forwarding_send(call, request.hold->region, &request, &problem) != ERR_NONE)
        call_finish(call, &problem);
}

static void resumed(struct call *call, const struct mail *mail)
{
    Vacancy__V1__AgencyContact contact = VACANCY__V1__AGENCY_CONTACT__INIT;
    contact.name = (char *)name;
    contact.phone = (char *)phone;
    forwarding_finish(call, mail, ITEM, with_contact ? &contact : NULL);
}

static const struct call_handler handler = {.message = ask, .resumed = resumed, .orphaned = forwarding_orphaned};
static const struct rpc_method methods[] = {{.path = ASK,
                                             .kind = CALL_UNARY,
                                             .request = &vacancy__v1__hold_vacancy_request__descriptor,
                                             .response = &vacancy__v1__hold_vacancy_response__descriptor,
                                             .handler = &handler}};

static struct fake_call *begin(const char *region, int64_t within_ms)
{
    static const uint8_t issuer[DIGEST_BYTES] = {1};
    struct tls_peer peer = fake_peer(FAKE_TEAM, issuer);
    struct fake_call *call = fake_call_begin(&host, ASK, &peer);
    Vacancy__V1__HoldVacancyRequest request = VACANCY__V1__HOLD_VACANCY_REQUEST__INIT;
    request.region = (char *)region;
    request.beds = 2;
    call->call.deadline_boot_ms = clock_boot_ms(&hub.clock) + within_ms;
    fake_call_send(call, &request.base);
    fake_call_half_close(call);
    return call;
}

static void expect(struct fake_call *call, enum err code, const char *words)
{
    assert_true(call->finished);
    if (call->problem.code != code || strstr(call->problem.text, words) == NULL)
        fail_msg("%s: %s, not \"%s\"", err_name(call->problem.code), call->problem.text, words);
    assert_int_equal(call->response_count, 0);
}

/* The detail that was sent with the problem; freed by the caller. */
static Vacancy__V1__ForwardFailure *failure_of(const struct fake_call *call)
{
    static const char url[] = "type.googleapis.com/vacancy.v1.ForwardFailure";
    Vacancy__V1__ForwardFailure *failure = NULL;
    struct problem back;
    assert_non_null(call->details);
    status_to_problem(grpc_code_of_err(call->problem.code), call->problem.text, call->details, call->details_bytes,
                      &back);
    assert_int_equal(back.code, call->problem.code);
    Google__Rpc__Status *status = google__rpc__status__unpack(NULL, call->details_bytes, call->details);
    assert_non_null(status);
    assert_string_equal(status->message, call->problem.text);
    for (size_t i = 0; i < status->n_details; i++)
        if (strcmp(status->details[i]->type_url, url) == 0)
            failure = vacancy__v1__forward_failure__unpack(NULL, status->details[i]->value.len,
                                                           status->details[i]->value.data);
    google__rpc__status__free_unpacked(status, NULL);
    assert_non_null(failure);
    assert_string_equal(failure->region, FAKE_NORTH);
    return failure;
}

/* --- tests -------------------------------------------------------------------------------------------------------- */

static void an_answer_from_afar_is_the_answer(void **state)
{
    (void)state;
    struct fake_call *call = begin(FAKE_NORTH, 60000);
    assert_non_null(sent);
    assert_string_equal(sent->region, FAKE_NORTH);
    Vacancy__V1__ForwardRequest *request =
        vacancy__v1__forward_request__unpack(NULL, sent->request.size, sent->request.data);
    assert_string_equal(request->principal, FAKE_TEAM);
    assert_int_equal(request->hold->beds, 2);
    vacancy__v1__forward_request__free_unpacked(request, NULL);

    Vacancy__V1__HoldView view = VACANCY__V1__HOLD_VIEW__INIT;
    Vacancy__V1__HoldVacancyResponse inner = VACANCY__V1__HOLD_VACANCY_RESPONSE__INIT;
    Vacancy__V1__ForwardResponse response = VACANCY__V1__FORWARD_RESPONSE__INIT;
    view.hold_id = (char *)"E12000001-1-4711";
    inner.hold = &view;
    response.response_case = ITEM;
    response.hold = &inner;
    keep_message(&sent->response, &response.base);
    come_back(FORWARD_ANSWERED, NULL);
    const Vacancy__V1__HoldVacancyResponse *answer = fake_hub_answer(call);
    assert_string_equal(answer->hold->hold_id, "E12000001-1-4711");
    fake_call_destroy(call);
}

/* At most FORWARD_DEADLINE_MS, and so long before the caller's deadline that it hears what became of it. */
static void the_callers_time_bounds_it(void **state)
{
    (void)state;
    static const struct {
        int64_t callers_ms, ours_ms;
    } rows[] = {{60000, FORWARD_DEADLINE_MS},
                {FORWARD_DEADLINE_MS, FORWARD_DEADLINE_MS - FORWARD_MARGIN_MS},
                {1000, 1000 - FORWARD_MARGIN_MS},
                {FORWARD_MARGIN_MS + 1, 1}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct fake_call *call = begin(FAKE_NORTH, rows[i].callers_ms);
        assert_non_null(sent);
        assert_int_equal(sent->deadline_boot_ms, clock_boot_ms(&hub.clock) + rows[i].ours_ms);
        fake_call_cancel(call); /* and the answer is for nobody */
        come_back(FORWARD_LATE, NULL);
        fake_call_destroy(call);
    }
    struct fake_call *call = begin(FAKE_NORTH, FORWARD_MARGIN_MS);
    expect(call, ERR_DEADLINE, "nobody was asked");
    assert_null(sent);
    fake_call_destroy(call);
}

static void what_can_not_be_sent_is_said_at_once(void **state)
{
    (void)state;
    struct fake_call *call = begin("E12000009", 60000);
    expect(call, ERR_PRECONDITION, "region E12000009 is not in this hub's roster");
    fake_call_destroy(call);
    port_says = ERR_LIMIT;
    call = begin(FAKE_NORTH, 60000);
    expect(call, ERR_LIMIT, "nobody was asked");
    fake_call_destroy(call);
    port_says = ERR_UNAVAILABLE;
    call = begin(FAKE_NORTH, 60000);
    expect(call, ERR_UNAVAILABLE, "stopping");
    fake_call_destroy(call);
    port_says = ERR_NONE;
    host.replies_max = 0;
    call = begin(FAKE_NORTH, 60000);
    expect(call, ERR_LIMIT, "nobody was asked");
    fake_call_destroy(call);
    host.replies_max = 4096;
    hub.context.federation.forward.submit = NULL;
    call = begin(FAKE_NORTH, 60000);
    expect(call, ERR_PRECONDITION, "the hub of region E12000001 decides this");
    fake_call_destroy(call);
    hub.context.federation.forward.submit = submit;
    assert_null(sent);
    assert_int_equal(host.reserved, 0);
}

static void a_hub_that_is_down_has_a_telephone(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        with_contact = i == 1;
        struct fake_call *call = begin(FAKE_NORTH, 60000);
        sent->unreachable_since_ms = FAKE_START_MS;
        come_back(FORWARD_DOWN, NULL);
        expect(call, ERR_UNAVAILABLE, "hub can't be reached since 2026-06-01T12:00Z; nothing was done");
        expect(call, ERR_UNAVAILABLE, with_contact ? "Telephone Tyne Fostering, 0191 498 0000" : "Try again later");
        Vacancy__V1__ForwardFailure *failure = failure_of(call);
        assert_false(failure->outcome_unknown);
        assert_int_equal(failure->unreachable_since_ms, FAKE_START_MS);
        assert_int_equal(failure->agency != NULL, with_contact);
        if (with_contact)
            assert_string_equal(failure->agency->phone, "0191 498 0000");
        vacancy__v1__forward_failure__free_unpacked(failure, NULL);
        fake_call_destroy(call);
    }
}

/* Nothing of it is cut, however long it is. */
static void the_longest_name_is_said_whole(void **state)
{
    (void)state;
    memset(longest.name, 'n', sizeof longest.name - 1);
    memset(longest.phone, '9', sizeof longest.phone - 1);
    with_contact = true;
    name = longest.name;
    phone = longest.phone;
    struct fake_call *call = begin(FAKE_NORTH, 60000);
    sent->unreachable_since_ms = FAKE_START_MS;
    come_back(FORWARD_DOWN, NULL);
    expect(call, ERR_UNAVAILABLE, longest.name);
    expect(call, ERR_UNAVAILABLE, longest.phone);
    fake_call_destroy(call);
    name = "Tyne Fostering";
    phone = "0191 498 0000";
}

static void an_unknown_outcome_says_how_to_learn_it(void **state)
{
    (void)state;
    static const struct problem lost = {.code = ERR_UNAVAILABLE, .text = "the connection ended"};
    static const struct problem said = {.code = ERR_STORE_IO, .text = "the disk failed"};
    static const struct {
        enum forward_end end;
        const struct problem *why;
        enum err code;
    } rows[] = {
        {FORWARD_LATE, NULL, ERR_DEADLINE}, {FORWARD_LOST, &lost, ERR_DEADLINE}, {FORWARD_SAID, &said, ERR_STORE_IO}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct fake_call *call = begin(FAKE_NORTH, 60000);
        come_back(rows[i].end, rows[i].why);
        expect(call, rows[i].code,
               "send the same call with the same request id again, or ask GetHold for that request id");
        expect(call, rows[i].code, "the hub of region E12000001 may have done");
        Vacancy__V1__ForwardFailure *failure = failure_of(call);
        assert_true(failure->outcome_unknown);
        assert_int_equal(failure->unreachable_since_ms, 0);
        vacancy__v1__forward_failure__free_unpacked(failure, NULL);
        fake_call_destroy(call);
    }
}

/* An answer that is none: something was decided, and nobody here knows what. */
static void an_answer_that_can_not_be_read_is_unknown(void **state)
{
    (void)state;
    Vacancy__V1__GetHoldResponse inner = VACANCY__V1__GET_HOLD_RESPONSE__INIT;
    Vacancy__V1__ForwardResponse other = VACANCY__V1__FORWARD_RESPONSE__INIT,
                                 none = VACANCY__V1__FORWARD_RESPONSE__INIT;
    other.response_case = VACANCY__V1__FORWARD_RESPONSE__RESPONSE_GET;
    other.get = &inner;
    for (int i = 0; i < 3; i++) {
        struct fake_call *call = begin(FAKE_NORTH, 60000);
        if (i == 0)
            keep(&sent->response, "\xff\xff\xff", 3);
        else
            keep_message(&sent->response, i == 1 ? &other.base : &none.base);
        come_back(FORWARD_ANSWERED, NULL);
        expect(call, ERR_DEADLINE, "may have done");
        Vacancy__V1__ForwardFailure *failure = failure_of(call);
        assert_true(failure->outcome_unknown);
        vacancy__v1__forward_failure__free_unpacked(failure, NULL);
        fake_call_destroy(call);
    }
}

static void the_home_hubs_word_is_passed_on(void **state)
{
    (void)state;
    static const struct problem said = {.code = ERR_PRECONDITION, .field = "beds", .text = "no bed is free"};
    struct fake_call *call = begin(FAKE_NORTH, 60000);
    keep(&sent->details, "its own", 7);
    come_back(FORWARD_SAID, &said);
    expect(call, ERR_PRECONDITION, "no bed is free");
    assert_int_equal(call->details_bytes, 7);
    assert_memory_equal(call->details, "its own", 7);
    fake_call_destroy(call);
    call = begin(FAKE_NORTH, 60000);
    come_back(FORWARD_SAID, &said); /* without details: those that the problem makes */
    expect(call, ERR_PRECONDITION, "no bed is free");
    assert_string_equal(call->problem.field, "beds");
    assert_null(call->details);
    fake_call_destroy(call);
}

static int set_up(void **state)
{
    (void)state;
    fake_hub_open(&hub);
    fake_hub_set_roster(&hub);
    hub.context.federation.forward.submit = submit;
    fake_host_init(&host, methods, 1, &hub.context, &hub.clock);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    fake_host_finish(&host);
    fake_hub_close(&hub);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_answer_from_afar_is_the_answer),
        cmocka_unit_test(the_callers_time_bounds_it),
        cmocka_unit_test(what_can_not_be_sent_is_said_at_once),
        cmocka_unit_test(a_hub_that_is_down_has_a_telephone),
        cmocka_unit_test(the_longest_name_is_said_whole),
        cmocka_unit_test(an_unknown_outcome_says_how_to_learn_it),
        cmocka_unit_test(an_answer_that_can_not_be_read_is_unknown),
        cmocka_unit_test(the_home_hubs_word_is_passed_on),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
