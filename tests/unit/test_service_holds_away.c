/* tier: check */
/*
 * test_service_holds_away.c - holds that a team asks of another region's hub, as its own hub notes, answers and lists
 * them: whatever becomes of the request there, the same request id is one call in every region (V5). The link is the
 * test's. How such a request is sent: test_service_forward.c.
 */
#include "tests/unit/service_holds.h"

/* --- asking ------------------------------------------------------------------------------------------------------ */

/* A link of the test's: what was sent, and what becomes of it. */
static struct forward *sent;
static struct asked_hold noted; /* when it was sent */
static char away_id[REQUEST_ID_TEXT_BYTES];
static struct problem away_said; /* to who asked */

static enum err take_forward(void *ctx, struct forward *forward)
{
    uint8_t id[REQUEST_ID_BYTES];
    (void)ctx;
    assert_null(sent);
    sent = forward;
    assert_true(request_id_parse(away_id, id));
    assert_int_equal(home_get_asked(hub.home, FAKE_TEAM, id, &noted), ERR_NONE);
    return ERR_NONE;
}

static void come_back_as(enum forward_end end, enum err code)
{
    const struct problem why = {.code = code, .text = "said so"};
    assert_non_null(sent);
    forward_settle(sent, end, &why);
    const struct mail mail = {.kind = sent->reply.kind, .to = sent->reply.to, .value = FORWARD_MAIL, .payload = sent};
    mailbox_send_reserved(sent->reply.mailbox, &mail);
    sent = NULL;
    fake_settle(&hub.host, &hub.writer);
}

static enum forward_end settled_by = FORWARD_LATE; /* how it ends when the north is asked what became of it */

/* Asks for a hold in the north, whose hub ends it so; the status that is noted then. */
static uint32_t asked_away(char *id, enum forward_end end, enum err code)
{
    uint8_t octets[REQUEST_ID_BYTES];
    struct asked_hold after;
    Vacancy__V1__HoldVacancyRequest request = hold_request();
    snprintf(away_id, sizeof away_id, "%s", id);
    request.request_id = away_id;
    request.region = (char *)FAKE_NORTH;
    struct fake_call *call = ask(FAKE_TEAM, "HoldVacancy", &request.base);
    assert_false(call->finished);
    assert_non_null(sent);
    assert_string_equal(sent->region, FAKE_NORTH);
    assert_int_equal(noted.code, 4); /* durably, before it left: the outcome is not known */
    come_back_as(end, code);
    if (!call->finished)
        come_back_as(settled_by, ERR_NOT_FOUND);
    assert_true(call->finished);
    assert_true(call->problem.code != ERR_NONE);
    away_said = call->problem;
    fake_call_destroy(call);
    assert_true(request_id_parse(away_id, octets));
    assert_int_equal(home_get_asked(hub.home, FAKE_TEAM, octets, &after), ERR_NONE);
    return after.code;
}

static void what_is_asked_of_another_region_is_noted(void **state)
{
    (void)state;
    char id[REQUEST_ID_TEXT_BYTES];
    Vacancy__V1__ListHoldsRequest mine = VACANCY__V1__LIST_HOLDS_REQUEST__INIT;
    struct fake_call *call;
    fake_hub_set_roster(&hub);
    hub.context.federation.forward = (struct forward_port){.submit = take_forward};
    assert_int_equal(asked_away(request_id(), FORWARD_SAID, ERR_NOT_FOUND), 5);
    assert_int_equal(asked_away(request_id(), FORWARD_DOWN, ERR_NONE), 14); /* it never left */
    assert_int_equal(away_said.code, ERR_UNAVAILABLE);
    assert_int_equal(listed(FAKE_TEAM, &mine.base, &call), 0); /* no holds, these */
    fake_call_destroy(call);
    snprintf(id, sizeof id, "%s", request_id());
    assert_int_equal(asked_away(id, FORWARD_LOST, ERR_NONE), 4);
    assert_int_equal(asked_away(id, FORWARD_DOWN, ERR_NONE), 4); /* the first may have been done all the same */
    assert_int_equal(away_said.code, ERR_DEADLINE);
    assert_non_null(strstr(away_said.text, "may have done this"));
    assert_int_equal(asked_away(id, FORWARD_SAID, ERR_LIMIT), 4);
    assert_int_equal(away_said.code, ERR_DEADLINE);
    assert_non_null(strstr(away_said.text, "may have done it all the same"));
    assert_int_equal(listed(FAKE_TEAM, &mine.base, &call), 1);
    const Vacancy__V1__ListHoldsResponse *unknown = (const void *)call->responses[0].message;
    assert_true(unknown->hold->outcome_unknown);
    assert_string_equal(unknown->hold->request_id, id);
    assert_string_equal(unknown->hold->region, FAKE_NORTH);
    fake_call_destroy(call);
    assert_int_equal(asked_away(id, FORWARD_SAID, ERR_PRECONDITION), 4); /* which says nothing of the first */
    assert_int_equal(away_said.code, ERR_DEADLINE);
    settled_by = FORWARD_SAID;
    assert_int_equal(asked_away(id, FORWARD_SAID, ERR_PRECONDITION), 9); /* and the id is spent there */
    assert_int_equal(away_said.code, ERR_PRECONDITION);
    settled_by = FORWARD_LATE;
    assert_int_equal(listed(FAKE_TEAM, &mine.base, &call), 0);
    fake_call_destroy(call);
}

/* Any number of refusals is looked through in slices, not in one turn. */
static void refusals_are_passed_over_in_slices(void **state)
{
    (void)state;
    static const uint8_t issuer[DIGEST_BYTES] = {1};
    struct tls_peer peer = fake_peer(FAKE_TEAM, issuer);
    Vacancy__V1__ListHoldsRequest mine = VACANCY__V1__LIST_HOLDS_REQUEST__INIT;
    fake_hub_set_roster(&hub);
    hub.context.federation.forward = (struct forward_port){.submit = take_forward};
    assert_int_equal(asked_away(request_id(), FORWARD_LOST, ERR_NONE), 4);
    for (int i = 0; i < 40; i++) /* more than two pages */
        assert_int_equal(asked_away(request_id(), FORWARD_SAID, ERR_NOT_FOUND), 5);
    struct fake_call *call = fake_call_begin(&hub.host, PLACEMENT "ListHolds", &peer);
    fake_call_send(call, &mine.base);
    assert_false(call->finished);
    assert_int_equal(call->response_count, 0);
    fake_settle(&hub.host, &hub.writer);
    assert_true(call->finished);
    assert_int_equal(call->problem.code, ERR_NONE);
    assert_int_equal(call->response_count, 1);
    fake_call_destroy(call);
}

/* The north has made it: its answer. */
static void come_back_held(const char *id)
{
    Vacancy__V1__HoldView view = VACANCY__V1__HOLD_VIEW__INIT;
    Vacancy__V1__HoldVacancyResponse inner = VACANCY__V1__HOLD_VACANCY_RESPONSE__INIT;
    Vacancy__V1__ForwardResponse response = VACANCY__V1__FORWARD_RESPONSE__INIT;
    view.hold_id = (char *)id;
    view.vacancy_id = vacancy_id;
    view.until_ms = hub.now_ms + HOUR;
    inner.hold = &view;
    response.response_case = VACANCY__V1__FORWARD_RESPONSE__RESPONSE_HOLD;
    response.hold = &inner;
    size_t size = protobuf_c_message_get_packed_size(&response.base);
    uint8_t *octets = malloc(size);
    assert_non_null(octets);
    assert_non_null(sent);
    sent->response = (struct octets){octets, protobuf_c_message_pack(&response.base, octets)};
    forward_settle(sent, FORWARD_ANSWERED, NULL);
    const struct mail mail = {.kind = sent->reply.kind, .to = sent->reply.to, .value = FORWARD_MAIL, .payload = sent};
    mailbox_send_reserved(sent->reply.mailbox, &mail);
    sent = NULL;
    fake_settle(&hub.host, &hub.writer);
}

/* V5, also where two hubs would decide: neither of them knows what the other was asked. */
static void one_id_is_one_call_in_every_region(void **state)
{
    (void)state;
    Vacancy__V1__HoldVacancyRequest request = hold_request(), other;
    fake_hub_set_roster(&hub);
    hub.context.federation.forward = (struct forward_port){.submit = take_forward};
    snprintf(away_id, sizeof away_id, "%s", request.request_id);
    request.region = (char *)FAKE_NORTH;
    struct fake_call *call = ask(FAKE_TEAM, "HoldVacancy", &request.base);
    come_back_held(FAKE_NORTH "-1-4711");
    (void)fake_hub_answer(call);
    fake_call_destroy(call);
    other = request;
    other.region = (char *)FAKE_REGION;
    refused_as(FAKE_TEAM, "HoldVacancy", &other.base, ERR_PRECONDITION, "request_id");
    other = request;
    char text[ID_TEXT_BYTES];
    id_format(4711, text);
    other.vacancy_id = text;
    refused_as(FAKE_TEAM, "HoldVacancy", &other.base, ERR_PRECONDITION, "request_id");
    assert_null(sent);
    call = ask(FAKE_TEAM, "HoldVacancy", &request.base); /* the same again is asked again */
    come_back_held(FAKE_NORTH "-1-4711");
    (void)fake_hub_answer(call);
    fake_call_destroy(call);
    /* One that never left may be used for what is chosen instead. */
    assert_int_equal(asked_away(request_id(), FORWARD_DOWN, ERR_NONE), 14);
    other = hold_request();
    other.request_id = away_id;
    other.region = (char *)FAKE_REGION;
    fake_call_destroy(hold_it(FAKE_TEAM, &other));
}

static enum err no_append(struct store *store, const char *segment, const struct octets *octets)
{
    (void)store;
    (void)segment;
    (void)octets;
    return ERR_STORE_FULL;
}

/* It is done there, whatever this hub may show of it: not UNAVAILABLE, which says that it never left. */
static void what_can_not_be_shown_is_done_all_the_same(void **state)
{
    (void)state;
    Vacancy__V1__HoldVacancyRequest request = hold_request();
    const struct store_ops *whole = hub.store->ops;
    struct store_ops full = *whole;
    full.segment_append = no_append;
    fake_hub_set_roster(&hub);
    hub.context.federation.forward = (struct forward_port){.submit = take_forward};
    snprintf(away_id, sizeof away_id, "%s", request.request_id);
    request.region = (char *)FAKE_NORTH;
    struct fake_call *call = ask(FAKE_TEAM, "HoldVacancy", &request.base);
    hub.store->ops = &full;
    come_back_held(FAKE_NORTH "-1-4711");
    hub.store->ops = whole;
    assert_true(call->finished);
    assert_int_equal(call->response_count, 0);
    assert_int_equal(call->problem.code, ERR_DEADLINE);
    assert_non_null(strstr(call->problem.text, "same request id"));
    fake_call_destroy(call);
}

int main(void)
{
#define ONE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        ONE(what_is_asked_of_another_region_is_noted),
        ONE(refusals_are_passed_over_in_slices),
        ONE(one_id_is_one_call_in_every_region),
        ONE(what_can_not_be_shown_is_done_all_the_same),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
