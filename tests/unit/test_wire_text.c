/* tier: check */
/*
 * Names of principals (A1 to A4), gRPC's texts (G10, G12, G15, G16), status and its details.
 */
#include "daemon/base/randomness.h"
#include "google/rpc/error_details.pb-c.h"
#include "google/rpc/status.pb-c.h"
#include "proto/wire/grpc.h"
#include "proto/wire/spiffe.h"
#include "proto/wire/status.h"
#include "proto/wire/tls.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define OURS "fostering.example"
#define BASE "spiffe://" OURS "/region/E12000003"

static void names_are_accepted(void **state)
{
    (void)state;
    static const struct {
        const char *uri;
        struct spiffe_name name;
    } rows[] = {
        {BASE "/hub", {SPIFFE_HUB, "E12000003", "", ""}},
        {BASE "/agency/leeds-fostering", {SPIFFE_AGENCY, "E12000003", "", "leeds-fostering"}},
        {BASE "/placement-team/E08000035/t1", {SPIFFE_TEAM, "E12000003", "E08000035", "t1"}},
        {BASE "/auditor/a", {SPIFFE_AUDITOR, "E12000003", "", "a"}},
        {BASE "/operator/0123456789012345678901234567890123456789",
         {SPIFFE_OPERATOR, "E12000003", "", "0123456789012345678901234567890123456789"}},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct spiffe_name name;
        struct problem problem = {0};
        char text[SPIFFE_NAME_BYTES];
        assert_int_equal(spiffe_parse(rows[i].uri, strlen(rows[i].uri), OURS, &name, &problem), ERR_NONE);
        assert_memory_equal(&name, &rows[i].name, sizeof name);
        assert_int_equal(spiffe_format(&name, OURS, text), strlen(rows[i].uri));
        assert_string_equal(text, rows[i].uri);
    }
}

/* A3, A4 and the rest of SPIFFE's rules. */
static void names_are_refused(void **state)
{
    (void)state;
    static const char nul_inside[] = BASE "/agency/leeds\0/../hub";
    static const char nul_at_end[] = BASE "/hub\0";
    static const struct {
        const char *uri;
        size_t bytes; /* 0: strlen */
    } rows[] = {
        {"", 0},
        {"spiffe://", 0},
        {"http://" OURS "/region/E12000003/hub", 0},
        {"SPIFFE://" OURS "/region/E12000003/hub", 0},
        {"spiffe:/" OURS "/region/E12000003/hub", 0},
        {"spiffe://other.example/region/E12000003/hub", 0},
        {"spiffe://Fostering.example/region/E12000003/hub", 0},
        {"spiffe://" OURS ".evil/region/E12000003/hub", 0},
        {"spiffe://evil." OURS "/region/E12000003/hub", 0},
        {"spiffe://" OURS ":443/region/E12000003/hub", 0},
        {"spiffe://user@" OURS "/region/E12000003/hub", 0},
        {"spiffe://" OURS, 0},
        {"spiffe://" OURS "/", 0},
        {BASE, 0},
        {BASE "/", 0},
        {BASE "/hub/", 0},
        {BASE "/hub/x", 0},
        {BASE "//hub", 0},
        {BASE "/./hub", 0},
        {BASE "/agency/../hub", 0},
        {BASE "/hub?x", 0},
        {BASE "/hub#x", 0},
        {BASE "/HUB", 0},
        {BASE "/%68ub", 0},
        {BASE "/agency", 0},
        {BASE "/agency/", 0},
        {BASE "/agency/Leeds", 0},
        {BASE "/agency/leeds_x", 0},
        {BASE "/agency/-leeds", 0},
        {BASE "/agency/le%00eds", 0},
        {BASE "/agency/leeds/", 0},
        {BASE "/agency/leeds/x", 0},
        {BASE "/agency/01234567890123456789012345678901234567890", 0},
        {BASE "/placement-team/t1", 0},
        {BASE "/placement-team/E0800003/t1", 0},
        {BASE "/placement-team/E08000035", 0},
        {BASE "/placement-team/E08000035/t1/x", 0},
        {BASE "/auditor", 0},
        {BASE "/king/x", 0},
        {"spiffe://" OURS "/region/e12000003/hub", 0},
        {"spiffe://" OURS "/region/E1200000/hub", 0},
        {"spiffe://" OURS "/region/E120000033/hub", 0},
        {"spiffe://" OURS "/REGION/E12000003/hub", 0},
        {nul_inside, sizeof nul_inside - 1},
        {nul_at_end, sizeof nul_at_end - 1},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct spiffe_name name;
        struct problem problem = {0};
        size_t bytes = rows[i].bytes != 0 ? rows[i].bytes : strlen(rows[i].uri);
        /* Counted bytes: nothing behind them is looked at. */
        char *exact = malloc(bytes + 1);
        memcpy(exact, rows[i].uri, bytes);
        if (spiffe_parse(exact, bytes, OURS, &name, &problem) != ERR_UNAUTHENTICATED)
            fail_msg("accepted: %s", rows[i].uri);
        assert_true(problem.text[0] != '\0');
        free(exact);
    }
    char long_name[4000];
    memset(long_name, 'a', sizeof long_name);
    memcpy(long_name, BASE "/agency/", strlen(BASE "/agency/"));
    struct spiffe_name name;
    assert_int_equal(spiffe_parse(long_name, sizeof long_name, OURS, &name, NULL), ERR_UNAUTHENTICATED);
}

/* What is accepted is exactly what is written. */
static void mutated_names(void **state)
{
    (void)state;
    const char *seed_text = getenv("SEED");
    uint64_t seed = seed_text != NULL ? strtoull(seed_text, NULL, 10) : 20261122;
    printf("seed %llu\n", (unsigned long long)seed);
    struct seeded_random random;
    seeded_random_init(&random, seed);
    static const char *const bases[] = {BASE "/hub", BASE "/agency/leeds-1", BASE "/placement-team/E08000035/t1"};
    for (int i = 0; i < 200000; i++) {
        char uri[128], text[SPIFFE_NAME_BYTES];
        strcpy(uri, bases[seeded_random_below(&random, 3)]);
        size_t bytes = strlen(uri);
        for (uint64_t n = seeded_random_below(&random, 3); n > 0; n--)
            uri[seeded_random_below(&random, bytes)] = (char)seeded_random_next(&random);
        if (seeded_random_below(&random, 4) == 0)
            bytes = seeded_random_below(&random, bytes);
        struct spiffe_name name;
        if (spiffe_parse(uri, bytes, OURS, &name, NULL) == ERR_NONE) {
            assert_int_equal(spiffe_format(&name, OURS, text), bytes);
            assert_memory_equal(text, uri, bytes);
        }
    }
}

static void leaf_rules(void **state)
{
    (void)state;
    const struct tls_peer good = {.key_usage_critical = true, .may_sign = true};
    struct tls_peer peer = good;
    assert_int_equal(tls_peer_check_leaf(&peer, NULL), ERR_NONE);
    peer.has_eku = true;
    assert_int_equal(tls_peer_check_leaf(&peer, NULL), ERR_UNAUTHENTICATED);
    peer.eku_client = true;
    assert_int_equal(tls_peer_check_leaf(&peer, NULL), ERR_UNAUTHENTICATED);
    peer.eku_server = true;
    assert_int_equal(tls_peer_check_leaf(&peer, NULL), ERR_NONE);
    peer = good;
    peer.is_ca = true;
    assert_int_equal(tls_peer_check_leaf(&peer, NULL), ERR_UNAUTHENTICATED);
    peer = good;
    peer.may_certify = true;
    assert_int_equal(tls_peer_check_leaf(&peer, NULL), ERR_UNAUTHENTICATED);
    peer = good;
    peer.may_sign = false;
    assert_int_equal(tls_peer_check_leaf(&peer, NULL), ERR_UNAUTHENTICATED);
    peer = good;
    peer.key_usage_critical = false;
    assert_int_equal(tls_peer_check_leaf(&peer, NULL), ERR_UNAUTHENTICATED);
}

/* G12 */
static void timeouts(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t ms; /* -1: malformed */
    } rows[] = {
        {"0S", 0},
        {"1n", 0},
        {"999999n", 0},
        {"1000000n", 1},
        {"1500u", 1},
        {"250m", 250},
        {"10S", 10000},
        {"2M", 120000},
        {"1H", 3600000},
        {"99999999H", GRPC_TIMEOUT_MAX_MS},
        {"", -1},
        {"S", -1},
        {"1", -1},
        {"1s", -1},
        {"-1S", -1},
        {"+1S", -1},
        {" 1S", -1},
        {"1 S", -1},
        {"1S ", -1},
        {"123456789S", -1},
        {"0x1S", -1},
        {"1.5S", -1},
        {"99999999999999H", -1},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        int64_t ms = -1;
        bool ok = grpc_timeout_parse(rows[i].text, strlen(rows[i].text), &ms);
        if (ok != (rows[i].ms >= 0) || ms != rows[i].ms)
            fail_msg("%s: %d %lld", rows[i].text, ok, (long long)ms);
    }
    static const int64_t values[] = {0, 1, 999, 15000, 99999999, 100000000, GRPC_TIMEOUT_MAX_MS, INT64_MAX};
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        char text[GRPC_TIMEOUT_BYTES];
        int64_t back;
        size_t bytes = grpc_timeout_format(values[i], text);
        assert_true(grpc_timeout_parse(text, bytes, &back));
        assert_true(back <= values[i] && (back > values[i] - 1000 || back == GRPC_TIMEOUT_MAX_MS));
    }
}

/* G10 */
static void content_types(void **state)
{
    (void)state;
    static const char *const good[] = {"application/grpc", "application/grpc+proto", "application/grpc;charset=utf-8",
                                       "application/grpc+proto; x=y"};
    static const char *const bad[] = {"",          "application/grp",      "application/grpc+json", "application/grpcx",
                                      "text/html", "application/grpc-web", "Application/grpc",      "application/json"};
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
        assert_true(grpc_content_type_ok(good[i], strlen(good[i])));
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_false(grpc_content_type_ok(bad[i], strlen(bad[i])));
}

/* G15 */
static void percent_encoding(void **state)
{
    (void)state;
    char out[768], back[768];
    const char text[] = "50% of\r\n\xc3\xa9 \x7f~";
    size_t bytes = grpc_percent_encode(text, sizeof text - 1, out);
    out[bytes] = '\0';
    assert_string_equal(out, "50%25 of%0D%0A%C3%A9 %7F~");
    char all[256];
    for (int i = 0; i < 256; i++)
        all[i] = (char)i;
    bytes = grpc_percent_encode(all, 256, out);
    for (size_t i = 0; i < bytes; i++)
        assert_true(out[i] >= 0x20 && out[i] <= 0x7e);
    assert_int_equal(grpc_percent_decode(out, bytes, back), 256);
    assert_memory_equal(back, all, 256);
    /* Broken escapes stay as they are. */
    bytes = grpc_percent_decode("%zz%4%41%", 9, back);
    assert_int_equal(bytes, 7);
    assert_memory_equal(back, "%zz%4A%", 7);
}

/* G16 */
static void base64(void **state)
{
    (void)state;
    uint8_t data[64], back[70];
    char text[GRPC_BASE64_BYTES(64)];
    for (int i = 0; i < 64; i++)
        data[i] = (uint8_t)(i * 37 + 250);
    for (size_t bytes = 0; bytes <= 64; bytes++) {
        size_t length = grpc_base64_encode(data, bytes, text), got;
        assert_true(grpc_base64_decode(text, length, back, &got));
        assert_int_equal(got, bytes);
        assert_memory_equal(back, data, bytes);
    }
    size_t got;
    assert_true(grpc_base64_decode("YQ==", 4, back, &got));
    assert_int_equal(got, 1);
    static const char *const bad[] = {"Y", "YWJjZ", "Y*==", "YQ=", "=", "====", "Y Q=", "YQ\n="};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_false(grpc_base64_decode(bad[i], strlen(bad[i]), back, &got));
}

static void every_error_comes_back(void **state)
{
    (void)state;
    for (int err = 1; err < ERR_COUNT; err++) {
        struct problem problem, back;
        uint8_t details[STATUS_DETAILS_BYTES];
        problem_set(&problem, (enum err)err, err % 2 ? "children[1].age_months" : "", "take 1 to 215 \xe2\x80\x94 %d",
                    err);
        size_t bytes = status_details_encode(&problem, NULL, details);
        assert_true(bytes <= sizeof details);
        status_to_problem(grpc_code_of_err(problem.code), problem.text, details, bytes, &back);
        assert_int_equal(back.code, problem.code);
        assert_string_equal(back.field, problem.field);
        assert_string_equal(back.text, problem.text);
        /* Without details the code alone speaks. */
        status_to_problem(grpc_code_of_err(problem.code), NULL, NULL, 0, &back);
        assert_int_equal(grpc_code_of_err(back.code), grpc_code_of_err(problem.code));
        assert_true(back.text[0] != '\0');
    }
}

static void the_longest_problem_has_room(void **state)
{
    (void)state;
    struct problem problem = {.code = ERR_STORE_DAMAGED, .retry_after_ms = 365LL * 24 * 3600 * 1000 + 999}, back;
    memset(problem.field, 'f', sizeof problem.field - 1);
    memset(problem.text, 't', sizeof problem.text - 1);
    uint8_t details[STATUS_DETAILS_BYTES];
    size_t bytes = status_details_encode(&problem, NULL, details);
    assert_true(bytes <= sizeof details);
    status_to_problem(GRPC_DATA_LOSS, problem.text, details, bytes, &back);
    assert_memory_equal(&back, &problem, sizeof back);
}

/* One more detail stands beside what the problem gives, if it is not too large, and disturbs nothing. */
static void a_further_detail_comes_along(void **state)
{
    (void)state;
    struct problem problem, back;
    uint8_t details[STATUS_DETAILS_BYTES];
    char large[STATUS_DETAIL_MAX];
    Google__Rpc__ErrorInfo more = GOOGLE__RPC__ERROR_INFO__INIT;
    problem_set(&problem, ERR_STALE, "vacancy.beds", "something newer is stored");
    memset(large, 'x', sizeof large - 1);
    large[sizeof large - 1] = '\0';
    for (size_t count = 3; count >= 2; count--) {
        more.reason = count == 3 ? (char *)"more" : large;
        size_t bytes = status_details_encode(&problem, &more.base, details);
        assert_true(bytes <= sizeof details);
        status_to_problem(GRPC_ABORTED, problem.text, details, bytes, &back);
        assert_int_equal(back.code, ERR_STALE);
        assert_string_equal(back.field, problem.field);
        Google__Rpc__Status *status = google__rpc__status__unpack(NULL, bytes, details);
        assert_non_null(status);
        assert_int_equal(status->n_details, count);
        if (count == 3)
            assert_string_equal(status->details[2]->type_url, "type.googleapis.com/google.rpc.ErrorInfo");
        google__rpc__status__free_unpacked(status, NULL);
    }
}

static void when_to_try_again_is_said(void **state)
{
    (void)state;
    struct problem problem;
    uint8_t details[STATUS_DETAILS_BYTES];
    struct arena arena;
    arena_init(&arena, 1 << 16);
    problem_set(&problem, ERR_PRECONDITION, "beds", "held");
    size_t bytes = status_details_encode(&problem, NULL, details);
    assert_null(status_details_find(details, bytes, &google__rpc__retry_info__descriptor, &arena));
    problem.retry_after_ms = 61500;
    bytes = status_details_encode(&problem, NULL, details);
    const Google__Rpc__RetryInfo *retry = (const Google__Rpc__RetryInfo *)status_details_find(
        details, bytes, &google__rpc__retry_info__descriptor, &arena);
    assert_non_null(retry);
    assert_int_equal(retry->retry_delay->seconds, 61);
    assert_int_equal(retry->retry_delay->nanos, 500000000);
    /* Another hub's refusal is passed on with it. */
    struct problem passed_on;
    status_to_problem(GRPC_FAILED_PRECONDITION, "held", details, bytes, &passed_on);
    assert_int_equal(passed_on.retry_after_ms, 61500);
    problem.retry_after_ms = 400LL * 24 * 3600 * 1000; /* nobody's, and not believed */
    bytes = status_details_encode(&problem, NULL, details);
    status_to_problem(GRPC_FAILED_PRECONDITION, "held", details, bytes, &passed_on);
    assert_int_equal(passed_on.retry_after_ms, 0);
    arena_finish(&arena);
}

static void foreign_details_do_no_harm(void **state)
{
    (void)state;
    struct problem problem, back;
    uint8_t details[STATUS_DETAILS_BYTES];
    problem_set(&problem, ERR_STORE_FULL, "x", "full");
    size_t bytes = status_details_encode(&problem, NULL, details);
    struct seeded_random random;
    seeded_random_init(&random, 7);
    for (int i = 0; i < 20000; i++) {
        uint8_t copy[STATUS_DETAILS_BYTES];
        memcpy(copy, details, bytes);
        copy[seeded_random_below(&random, bytes)] = (uint8_t)seeded_random_next(&random);
        status_to_problem(GRPC_RESOURCE_EXHAUSTED, "full", copy, bytes, &back);
        assert_int_equal(grpc_code_of_err(back.code), GRPC_RESOURCE_EXHAUSTED);
    }
    status_to_problem((enum grpc_code)99, "\xff\xfe", NULL, 0, &back);
    assert_int_equal(back.code, ERR_INTERNAL);
}

static void a_detail_is_found_by_its_type(void **state)
{
    (void)state;
    struct problem problem;
    struct arena arena;
    uint8_t details[STATUS_DETAILS_BYTES];
    const ProtobufCMessageDescriptor *bad = &google__rpc__bad_request__descriptor;
    arena_init(&arena, 1 << 16);
    problem_set(&problem, ERR_STORE_FULL, "x", "full");
    size_t bytes = status_details_encode(&problem, NULL, details);
    const Google__Rpc__BadRequest *found =
        (const Google__Rpc__BadRequest *)status_details_find(details, bytes, bad, &arena);
    assert_non_null(found);
    assert_string_equal(found->field_violations[0]->field, "x");
    assert_null(status_details_find(details, bytes, &google__rpc__status__descriptor, &arena));
    assert_null(status_details_find(details, bytes - 1, bad, &arena));
    assert_null(status_details_find(NULL, 0, bad, &arena));
    arena_finish(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_are_accepted),
        cmocka_unit_test(names_are_refused),
        cmocka_unit_test(mutated_names),
        cmocka_unit_test(leaf_rules),
        cmocka_unit_test(timeouts),
        cmocka_unit_test(content_types),
        cmocka_unit_test(percent_encoding),
        cmocka_unit_test(base64),
        cmocka_unit_test(every_error_comes_back),
        cmocka_unit_test(the_longest_problem_has_room),
        cmocka_unit_test(a_further_detail_comes_along),
        cmocka_unit_test(when_to_try_again_is_said),
        cmocka_unit_test(foreign_details_do_no_harm),
        cmocka_unit_test(a_detail_is_found_by_its_type),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
