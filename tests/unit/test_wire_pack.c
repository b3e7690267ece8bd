/* tier: check */
/*
 * Packing backwards gives the octets that the library gives: for random messages of every type of the contract, made
 * from their descriptors, with defaults, extremes, empty and long texts, every case of a oneof; and says so when it
 * can't.
 */
#include "daemon/base/arena.h"
#include "daemon/base/randomness.h"
#include "google/rpc/status.pb-c.h"
#include "grpc/reflection/v1/reflection.pb-c.h"
#include "proto/wire/message.h"
#include "vacancy/v1/agency_service.pb-c.h"
#include "vacancy/v1/federation_service.pb-c.h"
#include "vacancy/v1/home.pb-c.h"
#include "vacancy/v1/hub_service.pb-c.h"
#include "vacancy/v1/placement_service.pb-c.h"
#include "vacancy/v1/shared.pb-c.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SEED        20261122
#define ROUNDS      300
#define BUFFER      (256u * 1024)
#define DEPTH_MOST  4
#define REPEAT_MOST 6

static const ProtobufCMessageDescriptor *const types[] = {
    &vacancy__v1__find_vacancies_request__descriptor,
    &vacancy__v1__find_vacancies_response__descriptor,
    &vacancy__v1__put_carer_request__descriptor,
    &vacancy__v1__submit_request__descriptor,
    &vacancy__v1__confirm_vacancies_request__descriptor,
    &vacancy__v1__agency_event__descriptor,
    &vacancy__v1__follow_request__descriptor,
    &vacancy__v1__follow_response__descriptor,
    &vacancy__v1__fetch_snapshot_response__descriptor,
    &vacancy__v1__forward_request__descriptor,
    &vacancy__v1__offer__descriptor,
    &vacancy__v1__hold_row__descriptor,
    &vacancy__v1__home_carer__descriptor,
    &vacancy__v1__list_regions_response__descriptor,
    &vacancy__v1__get_status_response__descriptor,
    &google__rpc__status__descriptor,
    &grpc__reflection__v1__server_reflection_response__descriptor,
};

static struct seeded_random random_state;
static struct arena arena;

static size_t up_to(size_t most)
{
    return (size_t)seeded_random_below(&random_state, most + 1);
}

static void *need(size_t bytes)
{
    void *out = arena_alloc(&arena, bytes > 0 ? bytes : 1);
    assert_non_null(out);
    memset(out, 0, bytes);
    return out;
}

static uint64_t some_number(void)
{
    static const uint64_t edges[] = {0, 1, 127, 128, 16383, 16384, UINT32_MAX, INT32_MAX, INT64_MAX, UINT64_MAX};
    uint64_t number;
    if (up_to(2) == 0)
        return edges[up_to(sizeof edges / sizeof edges[0] - 1)];
    number = seeded_random_next(&random_state);
    return number;
}

static ProtobufCMessage *some_message(const ProtobufCMessageDescriptor *descriptor, int depth);

static size_t some_length(void)
{
    return up_to(9) == 0 ? up_to(400) : up_to(12);
}

static void fill_value(const ProtobufCFieldDescriptor *field, uint8_t *member, int depth)
{
    uint64_t number = some_number();
    size_t length = some_length();
    switch (field->type) {
    case PROTOBUF_C_TYPE_STRING:
        *(char **)member = need(length + 1);
        memset(*(char **)member, 'a', length);
        break;
    case PROTOBUF_C_TYPE_BYTES:
        *(ProtobufCBinaryData *)member = (ProtobufCBinaryData){length, need(length)};
        memset(((ProtobufCBinaryData *)member)->data, (int)number, length);
        break;
    case PROTOBUF_C_TYPE_MESSAGE:
        *(ProtobufCMessage **)member = some_message(field->descriptor, depth + 1);
        break;
    case PROTOBUF_C_TYPE_BOOL:
        *(protobuf_c_boolean *)member = (protobuf_c_boolean)(number & 1);
        break;
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_UINT64:
    case PROTOBUF_C_TYPE_FIXED64:
        memcpy(member, &number, 8);
        break;
    default:
        memcpy(member, &number, 4);
    }
}

static size_t bytes_of(const ProtobufCFieldDescriptor *field)
{
    switch (field->type) {
    case PROTOBUF_C_TYPE_STRING:
    case PROTOBUF_C_TYPE_MESSAGE:
        return sizeof(void *);
    case PROTOBUF_C_TYPE_BYTES:
        return sizeof(ProtobufCBinaryData);
    case PROTOBUF_C_TYPE_BOOL:
        return sizeof(protobuf_c_boolean);
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_UINT64:
    case PROTOBUF_C_TYPE_FIXED64:
        return 8;
    default:
        return 4;
    }
}

static void fill_field(ProtobufCMessage *message, const ProtobufCFieldDescriptor *field, int depth)
{
    uint8_t *member = (uint8_t *)message + field->offset, *quantifier = (uint8_t *)message + field->quantifier_offset;
    if (field->type == PROTOBUF_C_TYPE_MESSAGE && depth >= DEPTH_MOST)
        return;
    if (field->label == PROTOBUF_C_LABEL_REPEATED) {
        size_t count = up_to(REPEAT_MOST);
        uint8_t *elements = need(count * bytes_of(field));
        for (size_t i = 0; i < count; i++)
            fill_value(field, elements + i * bytes_of(field), depth);
        *(size_t *)quantifier = count;
        *(uint8_t **)member = elements;
    } else if ((field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) != 0) {
        if (*(uint32_t *)quantifier != 0)
            return; /* one is there */
        *(uint32_t *)quantifier = field->id;
        fill_value(field, member, depth);
    } else {
        fill_value(field, member, depth);
    }
}

static ProtobufCMessage *some_message(const ProtobufCMessageDescriptor *descriptor, int depth)
{
    ProtobufCMessage *message = need(descriptor->sizeof_message);
    descriptor->message_init(message);
    for (unsigned i = 0; i < descriptor->n_fields; i++)
        if (up_to(3) != 0)
            fill_field(message, &descriptor->fields[i], depth);
    return message;
}

static uint8_t ours[BUFFER], theirs[BUFFER];

static void the_octets_are_the_librarys(void **state)
{
    (void)state;
    size_t most = 0;
    print_message("seed %d\n", SEED);
    for (int round = 0; round < ROUNDS; round++)
        for (size_t type = 0; type < sizeof types / sizeof types[0]; type++) {
            struct octets packed;
            ProtobufCMessage *message = some_message(types[type], 0);
            size_t bytes = protobuf_c_message_pack(message, theirs);
            assert_true(bytes <= sizeof theirs);
            assert_true(message_pack_at_end(message, ours, sizeof ours, &packed));
            assert_int_equal(packed.size, bytes);
            assert_memory_equal(packed.data, theirs, bytes);
            assert_ptr_equal(packed.data + packed.size, ours + sizeof ours);
            /* As much room as it needs, and an octet less. */
            assert_true(message_pack_at_end(message, ours, bytes, &packed));
            assert_memory_equal(ours, theirs, bytes);
            if (bytes > 0)
                assert_false(message_pack_at_end(message, ours, bytes - 1, &packed));
            most = bytes > most ? bytes : most;
            arena_reset(&arena);
        }
    assert_true(most > 4096);
}

static void what_only_the_library_packs(void **state)
{
    (void)state;
    static uint8_t octet[1] = {7};
    ProtobufCMessageUnknownField unknown = {
        .tag = 99, .wire_type = PROTOBUF_C_WIRE_TYPE_VARINT, .len = 1, .data = octet};
    Vacancy__V1__GetHoldRequest request = VACANCY__V1__GET_HOLD_REQUEST__INIT;
    struct octets packed;
    assert_true(message_pack_at_end(&request.base, ours, sizeof ours, &packed));
    assert_int_equal(packed.size, 0);
    request.base.n_unknown_fields = 1;
    request.base.unknown_fields = &unknown;
    assert_false(message_pack_at_end(&request.base, ours, sizeof ours, &packed));
}

static int set_up(void **state)
{
    (void)state;
    arena_init(&arena, 64u << 20);
    seeded_random_init(&random_state, SEED);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    arena_finish(&arena);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_octets_are_the_librarys),
        cmocka_unit_test(what_only_the_library_packs),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
