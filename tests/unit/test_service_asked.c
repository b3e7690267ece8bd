/* tier: check */
/*
 * test_service_asked.c - what a team of this hub asks of another region's: what the audit trail has of it, before it
 * leaves and after it came back; and what a refusal means while another try of the same request may still be done. The
 * link is the test's: it answers what it is told to.
 */
#include "tests/lib/fake_hub.h"
#include "vacancy/v1/federation_service.pb-c.h"
#include "vacancy/v1/hub_service.pb-c.h"
#include "vacancy/v1/placement_service.pb-c.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define PLACEMENT "/vacancy.v1.PlacementService/"
#define HOLD      FAKE_NORTH "-1-4711"
#define VACANCY   4711
#define REFERENCE "383-204417"
#define UNKNOWN   4

static struct fake_hub hub;
static char vacancy_id[ID_TEXT_BYTES];
static struct forward *sent, *late; /* on its way; and one that is kept back there */

static char *request_id(void)
{
    static char text[8][REQUEST_ID_TEXT_BYTES];
    static uint16_t made;
    char *out = text[++made % 8];
    snprintf(out, REQUEST_ID_TEXT_BYTES, "%08" PRIx32 "-%04" PRIx16 "-7000-8000-00000000%04" PRIx16,
             (uint32_t)((uint64_t)hub.now_ms >> 16), (uint16_t)hub.now_ms, made);
    return out;
}

/* --- the trail ---------------------------------------------------------------------------------------------------- */

/* The newest record of a chain, of `sequence`. Freed by the caller. */
static Vacancy__V1__AuditRecord *record_at(bool writes, uint64_t sequence)
{
    struct arena arena;
    struct audit_row row;
    size_t got;
    arena_init(&arena, 1 << 20);
    enum err err = writes ? home_read_audit(hub.home, sequence, &arena, &row, 1, &got)
                          : disclosures_read(hub.disclosures, sequence, &arena, &row, 1, &got);
    assert_int_equal(err, ERR_NONE);
    assert_int_equal(got, 1);
    Vacancy__V1__AuditRecord *record = vacancy__v1__audit_record__unpack(NULL, row.octets.size, row.octets.data);
    assert_non_null(record);
    arena_finish(&arena);
    return record;
}

static void assert_record(bool writes, uint64_t sequence, const char *method, uint32_t code, const char *reference,
                          size_t subjects)
{
    Vacancy__V1__AuditRecord *record = record_at(writes, sequence);
    assert_string_equal(record->principal, FAKE_TEAM);
    assert_string_equal(strrchr(record->method, '/') + 1, method);
    assert_string_equal(record->asked_of, FAKE_NORTH);
    assert_string_equal(record->forwarded_by, "");
    assert_int_equal(record->code, code);
    assert_string_equal(record->request_reference, reference);
    assert_int_equal(record->n_subjects, subjects);
    if (subjects > 0)
        assert_string_equal(record->subjects[0], vacancy_id);
    vacancy__v1__audit_record__free_unpacked(record, NULL);
}

static uint64_t writes_end(void)
{
    struct audit_position end;
    home_audit_position(hub.home, &end);
    return end.sequence;
}

/* --- the link ----------------------------------------------------------------------------------------------------- */

static enum err submit(void *ctx, struct forward *forward)
{
    (void)ctx;
    assert_null(sent);
    sent = forward;
    return ERR_NONE;
}

static void end_of(struct forward *forward, enum forward_end end, const struct problem *why)
{
    assert_non_null(forward);
    forward_settle(forward, end, why);
    const struct mail mail = {
        .kind = forward->reply.kind, .to = forward->reply.to, .value = FORWARD_MAIL, .payload = forward};
    mailbox_send_reserved(forward->reply.mailbox, &mail);
    fake_settle(&hub.host, &hub.writer);
}

static void come_back(enum forward_end end, const struct problem *why)
{
    struct forward *forward = sent;
    sent = NULL;
    end_of(forward, end, why);
}

/* Its answer: that the hold is so, or of a report that it was taken. */
static void come_back_done(Vacancy__V1__ForwardResponse__ResponseCase item)
{
    Vacancy__V1__HoldView view = VACANCY__V1__HOLD_VIEW__INIT;
    Vacancy__V1__HoldVacancyResponse hold = VACANCY__V1__HOLD_VACANCY_RESPONSE__INIT;
    Vacancy__V1__ExtendHoldResponse extend = VACANCY__V1__EXTEND_HOLD_RESPONSE__INIT;
    Vacancy__V1__ReleaseHoldResponse release = VACANCY__V1__RELEASE_HOLD_RESPONSE__INIT;
    Vacancy__V1__PlaceChildResponse place = VACANCY__V1__PLACE_CHILD_RESPONSE__INIT;
    Vacancy__V1__ReportUnavailableResponse report = VACANCY__V1__REPORT_UNAVAILABLE_RESPONSE__INIT;
    Vacancy__V1__GetHoldResponse get = VACANCY__V1__GET_HOLD_RESPONSE__INIT;
    Vacancy__V1__ForwardResponse response = VACANCY__V1__FORWARD_RESPONSE__INIT;
    uint8_t octets[512], *copy = malloc(sizeof octets);
    view.hold_id = (char *)HOLD;
    view.vacancy_id = vacancy_id;
    view.request_reference = (char *)REFERENCE;
    hold.hold = extend.hold = release.hold = place.hold = get.hold = &view;
    const ProtobufCMessage *inner[] = {
        [VACANCY__V1__FORWARD_RESPONSE__RESPONSE_HOLD] = &hold.base,
        [VACANCY__V1__FORWARD_RESPONSE__RESPONSE_EXTEND] = &extend.base,
        [VACANCY__V1__FORWARD_RESPONSE__RESPONSE_RELEASE] = &release.base,
        [VACANCY__V1__FORWARD_RESPONSE__RESPONSE_PLACE] = &place.base,
        [VACANCY__V1__FORWARD_RESPONSE__RESPONSE_REPORT] = &report.base,
        [VACANCY__V1__FORWARD_RESPONSE__RESPONSE_GET] = &get.base,
    };
    response.response_case = item;
    response.hold = (Vacancy__V1__HoldVacancyResponse *)inner[item];
    assert_non_null(copy);
    assert_true(protobuf_c_message_get_packed_size(&response.base) <= sizeof octets);
    sent->response = (struct octets){copy, protobuf_c_message_pack(&response.base, copy)};
    come_back(FORWARD_ANSWERED, NULL);
}

/* --- asking ------------------------------------------------------------------------------------------------------- */

static struct fake_call *ask(const char *method, const ProtobufCMessage *request)
{
    char path[96];
    snprintf(path, sizeof path, "%s%s", PLACEMENT, method);
    return fake_hub_ask(&hub, FAKE_TEAM, path, request);
}

static struct fake_call *ask_hold(const char *id)
{
    Vacancy__V1__HoldVacancyRequest request = VACANCY__V1__HOLD_VACANCY_REQUEST__INIT;
    request.request_id = (char *)id;
    request.vacancy_id = vacancy_id;
    request.beds = 1;
    request.request_reference = (char *)REFERENCE;
    request.region = (char *)FAKE_NORTH;
    struct fake_call *call = ask("HoldVacancy", &request.base);
    assert_non_null(sent);
    return call;
}

/* --- what is not a hold's asking ---------------------------------------------------------------------------------- */

struct kind {
    const char *method;
    Vacancy__V1__ForwardResponse__ResponseCase item;
    const char *reference; /* as known before it is asked */
    size_t subjects;
};

static const struct kind kinds[] = {
    {"ExtendHold", VACANCY__V1__FORWARD_RESPONSE__RESPONSE_EXTEND, "", 0},
    {"ReleaseHold", VACANCY__V1__FORWARD_RESPONSE__RESPONSE_RELEASE, "", 0},
    {"PlaceChild", VACANCY__V1__FORWARD_RESPONSE__RESPONSE_PLACE, "", 0},
    {"ReportUnavailable", VACANCY__V1__FORWARD_RESPONSE__RESPONSE_REPORT, REFERENCE, 1},
    {"GetHold", VACANCY__V1__FORWARD_RESPONSE__RESPONSE_GET, "", 0},
};

static struct fake_call *ask_kind(const struct kind *kind)
{
    Vacancy__V1__ExtendHoldRequest extend = VACANCY__V1__EXTEND_HOLD_REQUEST__INIT;
    Vacancy__V1__ReleaseHoldRequest release = VACANCY__V1__RELEASE_HOLD_REQUEST__INIT;
    Vacancy__V1__PlaceChildRequest place = VACANCY__V1__PLACE_CHILD_REQUEST__INIT;
    Vacancy__V1__ReportUnavailableRequest report = VACANCY__V1__REPORT_UNAVAILABLE_REQUEST__INIT;
    Vacancy__V1__GetHoldRequest get = VACANCY__V1__GET_HOLD_REQUEST__INIT;
    Vacancy__V1__Child child = VACANCY__V1__CHILD__INIT, *children[] = {&child};
    const ProtobufCMessage *requests[] = {&extend.base, &release.base, &place.base, &report.base, &get.base};
    extend.request_id = release.request_id = place.request_id = report.request_id = request_id();
    extend.hold_id = release.hold_id = place.hold_id = get.hold_id = (char *)HOLD;
    place.placement_code = VACANCY__V1__PLACEMENT_CODE__PLACEMENT_CODE_U5;
    place.provider_consent = place.authorities_consent = VACANCY__V1__CONSENT__CONSENT_GIVEN;
    place.starts_on = (char *)"2026-06-02";
    child.age_months = 96;
    child.sex = VACANCY__V1__SEX__SEX_F;
    place.n_children = 1;
    place.children = children;
    report.vacancy_id = vacancy_id;
    report.region = (char *)FAKE_NORTH;
    report.request_reference = (char *)REFERENCE;
    return ask(kind->method, requests[kind - kinds]);
}

/* Before it leaves it is there, as not known; what came of it after, where that is known. */
static void what_is_asked_is_on_the_trail(void **state)
{
    (void)state;
    static const struct problem said = {.code = ERR_PRECONDITION, .field = "hold_id", .text = "it is over"};
    static const struct {
        enum forward_end end;
        const struct problem *why;
        uint32_t code; /* UNKNOWN: no second record */
    } ends[] = {
        {FORWARD_SAID, &said, 9}, {FORWARD_DOWN, NULL, 14}, {FORWARD_LATE, NULL, UNKNOWN}, {FORWARD_ANSWERED, NULL, 0}};
    for (size_t k = 0; k < sizeof kinds / sizeof kinds[0]; k++)
        for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++) {
            uint64_t shown = fake_hub_shown(&hub), written = writes_end();
            struct fake_call *call = ask_kind(&kinds[k]);
            assert_non_null(sent);
            assert_int_equal(fake_hub_shown(&hub), shown + 1);
            assert_record(false, shown + 1, kinds[k].method, UNKNOWN, kinds[k].reference, kinds[k].subjects);
            if (ends[i].end == FORWARD_ANSWERED)
                come_back_done(kinds[k].item);
            else
                come_back(ends[i].end, ends[i].why);
            assert_true(call->finished);
            assert_int_equal(call->problem.code == ERR_NONE, ends[i].end == FORWARD_ANSWERED);
            assert_int_equal(fake_hub_shown(&hub), shown + 1 + (ends[i].code != UNKNOWN));
            bool told = ends[i].code == 0; /* the answer has the hold, but of a report */
            if (ends[i].code != UNKNOWN)
                assert_record(false, shown + 2, kinds[k].method, ends[i].code, told ? REFERENCE : kinds[k].reference,
                              told ? 1 : kinds[k].subjects);
            assert_int_equal(writes_end(), written);
            fake_call_destroy(call);
        }
}

/* Of a hold that is asked for, the note is the record. */
static void a_hold_is_noted_with_whom_it_is_asked_of(void **state)
{
    (void)state;
    static const struct problem said = {.code = ERR_NOT_FOUND, .field = "vacancy_id", .text = "no such vacancy"};
    uint64_t written = writes_end(), shown = fake_hub_shown(&hub);
    struct fake_call *call = ask_hold(request_id());
    assert_int_equal(writes_end(), written + 1);
    assert_record(true, written + 1, "HoldVacancy", UNKNOWN, REFERENCE, 1);
    come_back(FORWARD_SAID, &said);
    assert_true(call->finished);
    assert_int_equal(writes_end(), written + 2);
    assert_record(true, written + 2, "HoldVacancy", 5, REFERENCE, 1);
    assert_int_equal(fake_hub_shown(&hub), shown);
    fake_call_destroy(call);
}

/* --- a refusal while another try is open -------------------------------------------------------------------------- */

static const struct problem no_bed = {.code = ERR_PRECONDITION, .field = "beds", .text = "no bed is free"};
static const struct problem not_known = {.code = ERR_NOT_FOUND, .field = "request_id", .text = "spent"};

static struct asked_hold noted(const char *id)
{
    uint8_t octets[REQUEST_ID_BYTES];
    struct asked_hold out;
    assert_true(request_id_parse(id, octets));
    assert_int_equal(home_get_asked(hub.home, FAKE_TEAM, octets, &out), ERR_NONE);
    return out;
}

static void lose_one(const char *id)
{
    struct fake_call *call = ask_hold(id);
    come_back(FORWARD_LOST, NULL);
    assert_int_equal(call->problem.code, ERR_DEADLINE);
    fake_call_destroy(call);
    assert_int_equal(noted(id).code, UNKNOWN);
}

static void assert_asks_what_became_of(const char *id)
{
    assert_non_null(sent);
    Vacancy__V1__ForwardRequest *request =
        vacancy__v1__forward_request__unpack(NULL, sent->request.size, sent->request.data);
    assert_non_null(request);
    assert_int_equal(request->request_case, VACANCY__V1__FORWARD_REQUEST__REQUEST_GET);
    assert_string_equal(request->principal, FAKE_TEAM);
    assert_string_equal(request->get->request_id, id);
    assert_string_equal(request->get->region, FAKE_NORTH);
    vacancy__v1__forward_request__free_unpacked(request, NULL);
}

/* The first may arrive yet and be done: what settles it is that the home hub spends the id. */
static void a_refusal_is_settled_first(void **state)
{
    (void)state;
    char *id = request_id();
    lose_one(id);
    struct fake_call *call = ask_hold(id);
    come_back(FORWARD_SAID, &no_bed);
    assert_false(call->finished);
    assert_int_equal(noted(id).code, UNKNOWN);
    assert_asks_what_became_of(id);
    come_back(FORWARD_SAID, &not_known);
    assert_true(call->finished);
    assert_int_equal(call->problem.code, ERR_PRECONDITION);
    assert_string_equal(call->problem.field, "beds");
    assert_string_equal(call->problem.text, no_bed.text);
    assert_int_equal(noted(id).code, 9);
    fake_call_destroy(call);
}

/* The first has arrived in the meantime: this one is answered as that was. */
static void a_refusal_is_overtaken_by_the_first(void **state)
{
    (void)state;
    char *id = request_id();
    lose_one(id);
    struct fake_call *call = ask_hold(id);
    come_back(FORWARD_SAID, &no_bed);
    assert_asks_what_became_of(id);
    come_back_done(VACANCY__V1__FORWARD_RESPONSE__RESPONSE_GET);
    assert_false(call->finished);
    assert_int_equal(noted(id).token.sequence, 4711);
    come_back_done(VACANCY__V1__FORWARD_RESPONSE__RESPONSE_HOLD);
    const Vacancy__V1__HoldVacancyResponse *out = fake_hub_answer(call);
    assert_string_equal(out->hold->hold_id, HOLD);
    fake_call_destroy(call);
}

/* Nor is it refused where the way back to the answer is lost. */
static void what_was_overtaken_stays_unknown(void **state)
{
    (void)state;
    static const struct {
        enum forward_end end;
        const struct problem *why;
    } rows[] = {{FORWARD_DOWN, NULL}, {FORWARD_LATE, NULL}, {FORWARD_SAID, &no_bed}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char *id = request_id();
        lose_one(id);
        struct fake_call *call = ask_hold(id);
        come_back(FORWARD_SAID, &no_bed);
        come_back_done(VACANCY__V1__FORWARD_RESPONSE__RESPONSE_GET);
        come_back(rows[i].end, rows[i].why);
        assert_true(call->finished);
        assert_int_equal(call->problem.code, ERR_DEADLINE);
        assert_int_equal(noted(id).token.sequence, 4711);
        assert_int_equal(noted(id).code, 0);
        fake_call_destroy(call);
    }
}

/* Whatever else is said of it, and by whomever: it is not known. */
static void what_is_not_settled_stays_unknown(void **state)
{
    (void)state;
    static const struct problem restored = {.code = ERR_PRECONDITION, .field = "request_id", .text = "can't tell"};
    static const struct problem forbidden = {.code = ERR_FORBIDDEN, .text = "not vouched for"};
    static const struct {
        enum forward_end end;
        const struct problem *why;
    } rows[] = {{FORWARD_DOWN, NULL}, {FORWARD_LATE, NULL}, {FORWARD_SAID, &restored}, {FORWARD_SAID, &forbidden}};
    char *id = request_id();
    lose_one(id);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct fake_call *call = ask_hold(id);
        come_back(FORWARD_SAID, &no_bed);
        assert_asks_what_became_of(id);
        come_back(rows[i].end, rows[i].why);
        assert_true(call->finished);
        assert_int_equal(call->problem.code, ERR_DEADLINE);
        assert_non_null(strstr(call->problem.text, "no bed is free: the hub of region"));
        assert_int_equal(noted(id).code, UNKNOWN);
        assert_int_equal(noted(id).open, 1); /* the first; those that were refused are over */
        fake_call_destroy(call);
    }
    Vacancy__V1__GetHoldRequest get = VACANCY__V1__GET_HOLD_REQUEST__INIT;
    get.request_id = id;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) { /* nor by asking */
        struct fake_call *call = ask("GetHold", &get.base);
        come_back(rows[i].end, rows[i].why);
        assert_int_equal(noted(id).code, UNKNOWN);
        fake_call_destroy(call);
    }
    struct fake_call *call = ask("GetHold", &get.base);
    come_back(FORWARD_SAID, &not_known);
    assert_int_equal(call->problem.code, ERR_NOT_FOUND);
    assert_int_equal(noted(id).code, 5);
    fake_call_destroy(call);
}

/* Two at once: the one that was sent first is refused while the other is still under way. */
static void a_refusal_says_nothing_of_a_later_try(void **state)
{
    (void)state;
    char *id = request_id();
    struct fake_call *first = ask_hold(id);
    late = sent;
    sent = NULL;
    struct fake_call *second = ask_hold(id);
    assert_int_equal(noted(id).open, 2);
    struct forward *other = sent;
    sent = NULL;
    end_of(late, FORWARD_SAID, &no_bed);
    assert_int_equal(noted(id).code, UNKNOWN);
    assert_asks_what_became_of(id);
    come_back(FORWARD_LATE, NULL);
    assert_int_equal(first->problem.code, ERR_DEADLINE);
    end_of(other, FORWARD_LOST, NULL);
    assert_int_equal(second->problem.code, ERR_DEADLINE);
    assert_int_equal(noted(id).code, UNKNOWN);
    fake_call_destroy(first);
    fake_call_destroy(second);
}

/* --- where it can't be kept --------------------------------------------------------------------------------------- */

static enum err no_append(struct store *store, const char *segment, const struct octets *octets)
{
    (void)store;
    (void)segment;
    (void)octets;
    return ERR_STORE_FULL;
}

static void what_can_not_be_put_on_the_trail_is_not_asked(void **state)
{
    (void)state;
    const struct store_ops *whole = hub.store->ops;
    struct store_ops full = *whole;
    full.segment_append = no_append;
    hub.store->ops = &full;
    for (size_t k = 0; k < sizeof kinds / sizeof kinds[0]; k++) {
        struct fake_call *call = ask_kind(&kinds[k]);
        assert_null(sent);
        assert_true(call->finished);
        assert_int_equal(call->problem.code, ERR_UNAVAILABLE);
        assert_non_null(strstr(call->problem.text, "nobody was asked"));
        fake_call_destroy(call);
    }
    hub.store->ops = whole;
}

/* A refusal is told all the same: that it was asked is on the trail. What was done is not denied, nor shown. */
static void an_answer_that_can_not_be_kept(void **state)
{
    (void)state;
    static const struct problem said = {.code = ERR_PRECONDITION, .field = "hold_id", .text = "it is over"};
    const struct store_ops *whole = hub.store->ops;
    struct store_ops full = *whole;
    full.segment_append = no_append;
    struct fake_call *call = ask_kind(&kinds[0]);
    hub.store->ops = &full;
    come_back(FORWARD_SAID, &said);
    assert_int_equal(call->problem.code, ERR_PRECONDITION);
    fake_call_destroy(call);
    hub.store->ops = whole;
    call = ask_kind(&kinds[0]);
    hub.store->ops = &full;
    come_back_done(kinds[0].item);
    assert_int_equal(call->problem.code, ERR_DEADLINE);
    assert_int_equal(call->response_count, 0);
    fake_call_destroy(call);
    hub.store->ops = whole;
}

/* --- the ground --------------------------------------------------------------------------------------------------- */

static int set_up(void **state)
{
    (void)state;
    fake_hub_open(&hub);
    fake_hub_set_roster(&hub);
    id_format(VACANCY, vacancy_id);
    hub.context.federation.forward = (struct forward_port){.submit = submit};
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
#define ONE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        ONE(what_is_asked_is_on_the_trail),
        ONE(a_hold_is_noted_with_whom_it_is_asked_of),
        ONE(a_refusal_is_settled_first),
        ONE(a_refusal_is_overtaken_by_the_first),
        ONE(what_was_overtaken_stays_unknown),
        ONE(what_is_not_settled_stays_unknown),
        ONE(a_refusal_says_nothing_of_a_later_try),
        ONE(what_can_not_be_put_on_the_trail_is_not_asked),
        ONE(an_answer_that_can_not_be_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
