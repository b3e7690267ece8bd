/* tier: check */
/*
 * Messages from outside (P1 to P8, P10, P12, P14): what the scan refuses, with which code and which field named, and
 * that nothing it lets through hurts the unpacking.
 */
#include "daemon/base/randomness.h"
#include "google/rpc/error_details.pb-c.h"
#include "google/rpc/status.pb-c.h"
#include "proto/wire/message.h"
#include "vacancy/v1/agency_service.pb-c.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define REQUEST &vacancy__v1__put_carer_request__descriptor
#define DETAILS &google__rpc__status__descriptor

struct row {
    const char *what;
    const ProtobufCMessageDescriptor *descriptor;
    const char *data;
    size_t bytes;
    enum err err;
    const char *field;
};
#define ROW(what, descriptor, data, err, field)                                                                        \
    {                                                                                                                  \
        what, descriptor, data, sizeof(data) - 1, err, field                                                           \
    }

static const struct row rows[] = {
    ROW("empty", REQUEST, "", ERR_NONE, ""),
    ROW("a text", REQUEST, "\x0a\x02hi", ERR_NONE, ""),
    ROW("P1 field 0", REQUEST, "\x02\x00", ERR_INVALID, ""),
    ROW("P1 wire type 6", REQUEST, "\x0e", ERR_INVALID, "request_id"),
    ROW("P1 wire type 7", REQUEST, "\x7f", ERR_INVALID, ""),
    ROW("P1 field number over 2^29", REQUEST, "\xf8\xff\xff\xff\x7f\x00", ERR_INVALID, ""),
    ROW("P2 varint of 11 octets", REQUEST, "\x78\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01", ERR_INVALID, ""),
    ROW("P2 65 bits", REQUEST, "\x78\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02", ERR_INVALID, ""),
    ROW("64 bits", REQUEST, "\x78\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", ERR_NONE, ""),
    ROW("P2 varint cut", REQUEST, "\x12\x02\x10\x80", ERR_INVALID, "carer.observed_at_ms"),
    ROW("P3 length past the end", REQUEST, "\x0a\x05hi", ERR_INVALID, "request_id"),
    ROW("P3 length 2^63", REQUEST, "\x0a\xff\xff\xff\xff\xff\xff\xff\xff\x7fhi", ERR_INVALID, "request_id"),
    ROW("P3 inside", REQUEST, "\x12\x04\x0a\x03hi", ERR_INVALID, "carer.agency_reference"),
    ROW("P3 fixed cut", REQUEST, "\x79\x01\x02", ERR_INVALID, ""),
    ROW("P4 group", REQUEST, "\x0b\x0c", ERR_INVALID, "request_id"),
    ROW("P4 unmatched end", REQUEST, "\x0c", ERR_INVALID, "request_id"),
    ROW("P5 invalid UTF-8", REQUEST, "\x0a\x02\xc3\x28", ERR_INVALID, "request_id"),
    ROW("P5 surrogate", REQUEST, "\x12\x05\x0a\x03\xed\xa0\x80", ERR_INVALID, "carer.agency_reference"),
    ROW("P6 NUL", REQUEST, "\x0a\x03h\0i", ERR_INVALID, "request_id"),
    ROW("another type", REQUEST, "\x08\x01", ERR_INVALID, "request_id"),
    ROW("message as number", REQUEST, "\x10\x01", ERR_INVALID, "carer"),
    ROW("P10 enum 9999", REQUEST, "\x12\x03\x40\x8f\x4e", ERR_INVALID, "carer.room_sharing"),
    ROW("P10 negative enum", REQUEST, "\x12\x0b\x40\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", ERR_INVALID,
        "carer.room_sharing"),
    ROW("P10 enum 2^32 + 1", REQUEST, "\x12\x06\x40\x81\x80\x80\x80\x10", ERR_INVALID, "carer.room_sharing"),
    ROW("P12 packed", REQUEST, "\x12\x04\x6a\x02\x01\x02", ERR_NONE, ""),
    ROW("P12 unpacked", REQUEST, "\x12\x04\x68\x01\x68\x02", ERR_NONE, ""),
    ROW("P10 packed enum", REQUEST, "\x12\x05\x6a\x03\x01\x8f\x4e", ERR_INVALID, "carer.home_features[0]"),
    ROW("packed cut", REQUEST, "\x12\x04\x6a\x02\x01\x80", ERR_INVALID, "carer.home_features[0]"),
    ROW("third of a list", REQUEST, "\x12\x06\x52\x00\x52\x00\x52\x05", ERR_INVALID, "carer.placed_children[2]"),
    ROW("inside a list", DETAILS, "\x1a\x00\x1a\x04\x0a\x02\xff\xff", ERR_INVALID, "details[1].type_url"),
    ROW("unknown fields", REQUEST, "\xf8\x07\x01\xfa\x07\x02\xff\xff", ERR_NONE, ""),
};

static void table(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const struct row *row = &rows[i];
        struct problem problem = {0};
        struct arena arena;
        ProtobufCMessage *message;
        uint8_t *exact = malloc(row->bytes + 1);
        memcpy(exact, row->data, row->bytes);
        arena_init(&arena, MESSAGE_UNPACKED_BYTES);
        enum err err = message_unpack(row->descriptor, exact, row->bytes, &arena, &message, &problem);
        if (err != row->err || strcmp(problem.field, row->field) != 0)
            fail_msg("%s: %s in \"%s\": %s", row->what, err_name(err), problem.field, problem.text);
        if (err != ERR_NONE)
            assert_true(problem.text[0] != '\0');
        arena_finish(&arena);
        free(exact);
    }
}

/* P7: 10,000 levels, and no level of ours is deeper than the contract's own. */
static void nesting(void **state)
{
    (void)state;
    uint8_t *data = malloc(200000);
    size_t at = 200000;
    for (int i = 0; i < 10000; i++) {
        size_t inner = 200000 - at;
        uint8_t head[8];
        size_t n = 0;
        head[n++] = 0x12;
        for (size_t rest = inner;; rest >>= 7) {
            head[n++] = (uint8_t)((rest & 127) | (rest >= 128 ? 128 : 0));
            if (rest < 128)
                break;
        }
        at -= n;
        memcpy(data + at, head, n);
    }
    struct problem problem = {0};
    assert_int_equal(message_scan(REQUEST, data + at, 200000 - at, &problem), ERR_INVALID);
    free(data);
}

/* P8 and P14: what is small on the wire and large in memory. */
static void amplification(void **state)
{
    (void)state;
    static const struct {
        const char *what;
        const ProtobufCMessageDescriptor *descriptor;
        const char *unit;
        size_t unit_bytes;
    } floods[] = {
        {"P8 unknown varints", REQUEST, "\x78\x01", 2},
        {"P8 unknown empty texts", REQUEST, "\x7a\x00", 2},
        {"P14 empty messages", DETAILS, "\x1a\x00", 2},
        {"P14 violations", &google__rpc__bad_request__descriptor, "\x0a\x00", 2},
    };
    uint8_t *data = malloc(1 << 20);
    for (size_t i = 0; i < sizeof floods / sizeof floods[0]; i++) {
        for (size_t at = 0; at < 1 << 20; at += floods[i].unit_bytes)
            memcpy(data + at, floods[i].unit, floods[i].unit_bytes);
        struct arena arena;
        ProtobufCMessage *message;
        struct problem problem = {0};
        arena_init(&arena, MESSAGE_UNPACKED_BYTES);
        assert_int_equal(message_unpack(floods[i].descriptor, data, 1 << 20, &arena, &message, &problem), ERR_LIMIT);
        assert_int_equal(arena.used_bytes, 0); /* refused before anything was taken */
        /* And just under the limit of fields, the limit of memory holds. */
        enum err err = message_unpack(floods[i].descriptor, data, 2 * MESSAGE_FIELDS_MAX, &arena, &message, &problem);
        assert_true(err == ERR_NONE || err == ERR_LIMIT);
        assert_true(arena.used_bytes <= MESSAGE_UNPACKED_BYTES);
        arena_finish(&arena);
    }
    /* A packed list of a million. */
    memset(data, 1, 1 << 20);
    data[0] = 0x6a;
    static const uint8_t head[] = {0x12, 0xfc, 0xff, 0x3f, 0x6a, 0xf8, 0xff, 0x3f};
    memcpy(data, head, sizeof head);
    struct problem problem = {0};
    assert_int_equal(message_scan(REQUEST, data, 1 << 20, &problem), ERR_LIMIT);
    free(data);
}

static size_t make_request(uint8_t *out)
{
    Vacancy__V1__PlacedChild child = VACANCY__V1__PLACED_CHILD__INIT;
    Vacancy__V1__PlacedChild *children[] = {&child, &child, &child};
    Vacancy__V1__HomeFeature features[] = {(Vacancy__V1__HomeFeature)1, (Vacancy__V1__HomeFeature)2};
    Vacancy__V1__Carer carer = VACANCY__V1__CARER__INIT;
    carer.agency_reference = (char *)"REF-1";
    carer.observed_at_ms = 1700000000000;
    carer.home_postcode = (char *)"LS6 1AB";
    carer.n_placed_children = 3;
    carer.placed_children = children;
    carer.n_home_features = 2;
    carer.home_features = features;
    Vacancy__V1__PutCarerRequest request = VACANCY__V1__PUT_CARER_REQUEST__INIT;
    request.request_id = (char *)"018f0000-0000-7000-8000-000000000000";
    request.carer = &carer;
    return vacancy__v1__put_carer_request__pack(&request, out);
}

/* Whatever passes the scan unpacks, and can be packed and scanned again. */
static void mutations(void **state)
{
    (void)state;
    const char *text = getenv("SEED"), *scale_text = getenv("CHECK_SCALE");
    uint64_t seed = text != NULL ? strtoull(text, NULL, 10) : 20261122;
    double scale = scale_text != NULL ? strtod(scale_text, NULL) : 1;
    printf("seed %llu\n", (unsigned long long)seed);
    struct seeded_random random;
    seeded_random_init(&random, seed);
    uint8_t original[512], again[4096];
    size_t original_bytes = make_request(original);
    struct arena arena;
    arena_init(&arena, MESSAGE_UNPACKED_BYTES);
    unsigned passed = 0;
    for (long i = 0; i < (long)(200000 * scale); i++) {
        size_t bytes = original_bytes;
        uint8_t *copy = malloc(bytes + 8);
        memcpy(copy, original, bytes);
        for (uint64_t n = 1 + seeded_random_below(&random, 4); n > 0; n--) {
            uint64_t at = seeded_random_below(&random, bytes);
            switch (seeded_random_below(&random, 3)) {
            case 0:
                copy[at] = (uint8_t)seeded_random_next(&random);
                break;
            case 1:
                copy[at] ^= (uint8_t)(1u << seeded_random_below(&random, 8));
                break;
            default:
                if (bytes > 8)
                    bytes = 1 + at;
                break;
            }
        }
        uint8_t *exact = realloc(copy, bytes); /* so that the sanitizer sees a read past the end */
        struct problem problem = {0};
        ProtobufCMessage *message;
        enum err err = message_unpack(REQUEST, exact, bytes, &arena, &message, &problem);
        assert_true(err == ERR_NONE || err == ERR_INVALID);
        if (err == ERR_NONE) {
            passed++;
            size_t packed = protobuf_c_message_get_packed_size(message);
            assert_true(packed <= sizeof again);
            protobuf_c_message_pack(message, again);
            assert_int_equal(message_scan(REQUEST, again, packed, &problem), ERR_NONE);
        }
        arena_reset(&arena);
        free(exact);
    }
    printf("%u passed\n", passed);
    assert_true(passed > 0);
    arena_finish(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(table),
        cmocka_unit_test(nesting),
        cmocka_unit_test(amplification),
        cmocka_unit_test(mutations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
