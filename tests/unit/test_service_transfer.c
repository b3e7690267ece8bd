/* tier: check */
/*
 * test_service_transfer.c - TakeOverCarer of a carer of another region, as the agency meets it at its own hub. The link
 * is the test's: it answers what it is told to. What a code is good for: test_register_transfer.c.
 */
#include "google/rpc/status.pb-c.h"
#include "tests/lib/fake_hub.h"
#include "vacancy/v1/federation_service.pb-c.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define AGENCY "/vacancy.v1.AgencyService/"

static struct fake_hub hub;
static struct forward *sent;
static struct transfer_code code = {.region = FAKE_NORTH, .national_reference = 0x1234567890abc, .secret = 0x77};

/* --- the link ----------------------------------------------------------------------------------------------------- */

static enum err submit(void *ctx, struct forward *forward)
{
    (void)ctx;
    assert_null(sent);
    sent = forward;
    return ERR_NONE;
}

static void come_back(enum forward_end end)
{
    struct forward *forward = sent;
    assert_non_null(forward);
    sent = NULL;
    forward_settle(forward, end, NULL);
    const struct mail mail = {
        .kind = forward->reply.kind, .to = forward->reply.to, .payload = forward, .value = FORWARD_MAIL};
    mailbox_send_reserved(forward->reply.mailbox, &mail);
    fake_settle(&hub.host, &hub.writer);
}

/* What the north lets go: Leeds's own carer's facts, under another national reference. */
static void let_go(uint64_t national_reference, bool readable)
{
    static const uint8_t secret[32] = {9};
    struct arena arena;
    struct home_carer home;
    struct octets carer, row;
    Vacancy__V1__LetGoResponse inner = VACANCY__V1__LET_GO_RESPONSE__INIT;
    Vacancy__V1__ForwardResponse response = VACANCY__V1__FORWARD_RESPONSE__INIT;
    arena_init(&arena, 1 << 16);
    assert_int_equal(home_get_carer(hub.home, "leeds", "H-1", &home), ERR_NONE);
    strcpy(home.carer.agency, "tyne");
    assert_int_equal(carer_stated_encode(&home.carer, &arena, &carer), ERR_NONE);
    assert_int_equal(carer_row_encode(&home, secret, &arena, &row), ERR_NONE);
    inner.national_reference = national_reference;
    inner.carer = (ProtobufCBinaryData){carer.size - !readable, (uint8_t *)carer.data};
    inner.carer_row = (ProtobufCBinaryData){row.size, (uint8_t *)row.data};
    inner.at_ms = 1764000000000;
    inner.moves = 1;
    response.response_case = VACANCY__V1__FORWARD_RESPONSE__RESPONSE_LET_GO;
    response.let_go = &inner;
    size_t size = vacancy__v1__forward_response__get_packed_size(&response);
    uint8_t *octets = malloc(size);
    assert_non_null(octets);
    vacancy__v1__forward_response__pack(&response, octets);
    sent->response = (struct octets){octets, size};
    arena_finish(&arena);
}

/* --- asking ------------------------------------------------------------------------------------------------------- */

static struct fake_call *take(const char *reference)
{
    char text[TRANSFER_CODE_BYTES];
    Vacancy__V1__TakeOverCarerRequest request = VACANCY__V1__TAKE_OVER_CARER_REQUEST__INIT;
    transfer_code_format(&code, text);
    request.transfer_code = text;
    request.agency_reference = (char *)reference;
    return fake_hub_ask(&hub, FAKE_LEEDS, AGENCY "TakeOverCarer", &request.base);
}

static void refused(struct fake_call *call, enum err err, const char *words)
{
    assert_true(call->finished);
    if (call->problem.code != err || strstr(call->problem.text, words) == NULL)
        fail_msg("%s: %s, not \"%s\"", err_name(call->problem.code), call->problem.text, words);
    fake_call_destroy(call);
}

static bool has(const char *reference)
{
    struct home_carer home;
    return home_get_carer(hub.home, "leeds", reference, &home) == ERR_NONE;
}

static void put_carer(void)
{
    struct fake_carer carer;
    fake_carer_init(&carer, "H-1", hub.now_ms);
    Vacancy__V1__PutCarerRequest request = VACANCY__V1__PUT_CARER_REQUEST__INIT;
    request.carer = &carer.carer;
    struct fake_call *call = fake_hub_ask(&hub, FAKE_LEEDS, AGENCY "PutCarer", &request.base);
    (void)fake_hub_answer(call);
    fake_call_destroy(call);
}

/* --- tests -------------------------------------------------------------------------------------------------------- */

static void let_go_and_registered(void **state)
{
    (void)state;
    struct fake_call *call = take("N-1");
    assert_false(call->finished);
    assert_string_equal(sent->region, FAKE_NORTH);
    Vacancy__V1__ForwardRequest *request =
        vacancy__v1__forward_request__unpack(NULL, sent->request.size, sent->request.data);
    assert_string_equal(request->principal, FAKE_LEEDS);
    assert_int_equal(request->request_case, VACANCY__V1__FORWARD_REQUEST__REQUEST_LET_GO);
    vacancy__v1__forward_request__free_unpacked(request, NULL);
    assert_false(has("N-1"));
    let_go(code.national_reference, true);
    come_back(FORWARD_ANSWERED);
    const Vacancy__V1__TakeOverCarerResponse *answer = fake_hub_answer(call);
    uint64_t national_reference;
    assert_true(id_parse(answer->carer->national_reference, &national_reference));
    assert_true(national_reference == code.national_reference);
    assert_string_equal(answer->carer->carer->agency_reference, "N-1");
    assert_string_equal(answer->carer->moved_from_region, FAKE_NORTH);
    fake_call_destroy(call);
}

/* Another carer's answer, or one that can't be read, registers nothing. */
static void what_was_handed_over_is_wrong(void **state)
{
    (void)state;
    struct fake_call *call = take("N-1");
    let_go(code.national_reference + 1, true);
    come_back(FORWARD_ANSWERED);
    refused(call, ERR_INTERNAL, "the code goes on");
    call = take("N-1");
    let_go(code.national_reference, false);
    come_back(FORWARD_ANSWERED);
    refused(call, ERR_INTERNAL, "the code goes on");
    assert_false(has("N-1"));
}

static void nobody_is_asked_for_what_can_not_be_registered(void **state)
{
    (void)state;
    refused(take("H-1"), ERR_EXISTS, "given this reference to a carer already");
    memcpy(code.region, "E12000008", GSS_BYTES);
    refused(take("N-1"), ERR_PRECONDITION, "E12000008");
    memcpy(code.region, FAKE_NORTH, GSS_BYTES);
    assert_null(sent);
}

static void the_answer_is_lost(void **state)
{
    (void)state;
    struct fake_call *call = take("N-1");
    come_back(FORWARD_LOST);
    refused(call, ERR_DEADLINE, "with the same code: it goes on from there");
    call = take("N-1");
    come_back(FORWARD_DOWN);
    refused(call, ERR_UNAVAILABLE, FAKE_NORTH);
    /* And when it is there, the same call does it. */
    call = take("N-1");
    let_go(code.national_reference, true);
    come_back(FORWARD_ANSWERED);
    (void)fake_hub_answer(call);
    fake_call_destroy(call);
    assert_true(has("N-1"));
}

static void the_caller_has_gone(void **state)
{
    (void)state;
    struct fake_call *call = take("N-1");
    fake_call_cancel(call);
    let_go(code.national_reference, true);
    come_back(FORWARD_ANSWERED);
    fake_call_destroy(call);
    assert_false(has("N-1")); /* the code goes on */
    /* One that is late but waits is served: the carer has been let go by then. */
    call = take("N-1");
    hub.now_ms += 3600 * 1000;
    let_go(code.national_reference, true);
    come_back(FORWARD_ANSWERED);
    fake_call_destroy(call);
    assert_true(has("N-1"));
}

static int set_up(void **state)
{
    (void)state;
    fake_hub_open(&hub);
    put_carer();
    fake_hub_set_roster(&hub);
    hub.context.federation.forward.submit = submit;
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    fake_hub_close(&hub);
    return 0;
}

int main(void)
{
#define EACH(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        EACH(let_go_and_registered),
        EACH(what_was_handed_over_is_wrong),
        EACH(nobody_is_asked_for_what_can_not_be_registered),
        EACH(the_answer_is_lost),
        EACH(the_caller_has_gone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
