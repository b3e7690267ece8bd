/*
 * status.c - the table, and google.rpc.Status made and read with the generated code. No state.
 */
#include "proto/wire/status.h"

#include "daemon/base/text.h"
#include "google/rpc/error_details.pb-c.h"
#include "google/rpc/status.pb-c.h"
#include "proto/wire/message.h"

#include <stdio.h>
#include <string.h>

#define DOMAIN           "vacancy"
#define TYPE_URL         "type.googleapis.com/"
#define TYPE_BAD_REQUEST TYPE_URL "google.rpc.BadRequest"
#define TYPE_ERROR_INFO  TYPE_URL "google.rpc.ErrorInfo"
#define TYPE_RETRY_INFO  TYPE_URL "google.rpc.RetryInfo"
#define RETRY_MAX_S      (366LL * 24 * 3600)

enum grpc_code grpc_code_of_err(enum err err)
{
    return (enum grpc_code)err_status(err);
}

enum err err_of_grpc_code(enum grpc_code code)
{
    if (code == GRPC_INTERNAL)
        return ERR_INTERNAL; /* the table's first is the disk's */
    for (int err = 0; err < ERR_COUNT; err++) {
        if (grpc_code_of_err((enum err)err) == code)
            return (enum err)err;
    }
    return ERR_INTERNAL;
}

const char *grpc_code_name(enum grpc_code code)
{
    static const char *const names[GRPC_CODE_COUNT] = {
        "OK",        "CANCELLED",       "UNKNOWN",           "INVALID_ARGUMENT",   "DEADLINE_EXCEEDED",
        "NOT_FOUND", "ALREADY_EXISTS",  "PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION",
        "ABORTED",   "OUT_OF_RANGE",    "UNIMPLEMENTED",     "INTERNAL",           "UNAVAILABLE",
        "DATA_LOSS", "UNAUTHENTICATED",
    };
    return (unsigned)code < GRPC_CODE_COUNT ? names[code] : "UNKNOWN";
}

enum grpc_code grpc_code_of_http(unsigned http_status)
{
    switch (http_status) {
    case 400:
        return GRPC_INTERNAL;
    case 401:
        return GRPC_UNAUTHENTICATED;
    case 403:
        return GRPC_PERMISSION_DENIED;
    case 404:
        return GRPC_UNIMPLEMENTED;
    case 429:
    case 502:
    case 503:
    case 504:
        return GRPC_UNAVAILABLE;
    default:
        return GRPC_UNKNOWN;
    }
}

size_t status_details_encode(const struct problem *problem, const ProtobufCMessage *detail,
                             uint8_t out[STATUS_DETAILS_BYTES])
{
    char type_url[sizeof TYPE_URL + 64];
    uint8_t detail_octets[STATUS_DETAIL_MAX];
    uint8_t info_octets[128], bad_octets[PROBLEM_FIELD_BYTES + PROBLEM_TEXT_BYTES + 16];
    Google__Rpc__ErrorInfo info = GOOGLE__RPC__ERROR_INFO__INIT;
    info.reason = (char *)err_name(problem->code);
    info.domain = (char *)DOMAIN;
    Google__Protobuf__Any any_info = GOOGLE__PROTOBUF__ANY__INIT;
    any_info.type_url = (char *)TYPE_ERROR_INFO;
    any_info.value = (ProtobufCBinaryData){google__rpc__error_info__pack(&info, info_octets), info_octets};
    Google__Protobuf__Any *details[4] = {&any_info};
    size_t count = 1;

    Google__Rpc__BadRequest__FieldViolation violation = GOOGLE__RPC__BAD_REQUEST__FIELD_VIOLATION__INIT;
    violation.field = (char *)problem->field;
    violation.description = (char *)problem->text;
    Google__Rpc__BadRequest__FieldViolation *violations[1] = {&violation};
    Google__Rpc__BadRequest bad = GOOGLE__RPC__BAD_REQUEST__INIT;
    bad.n_field_violations = 1;
    bad.field_violations = violations;
    Google__Protobuf__Any any_bad = GOOGLE__PROTOBUF__ANY__INIT;
    if (problem->field[0] != '\0') {
        any_bad.type_url = (char *)TYPE_BAD_REQUEST;
        any_bad.value = (ProtobufCBinaryData){google__rpc__bad_request__pack(&bad, bad_octets), bad_octets};
        details[count++] = &any_bad;
    }
    uint8_t retry_octets[32];
    Google__Protobuf__Duration delay = GOOGLE__PROTOBUF__DURATION__INIT;
    delay.seconds = problem->retry_after_ms / 1000;
    delay.nanos = (int32_t)(problem->retry_after_ms % 1000) * 1000000;
    Google__Rpc__RetryInfo retry = GOOGLE__RPC__RETRY_INFO__INIT;
    retry.retry_delay = &delay;
    Google__Protobuf__Any any_retry = GOOGLE__PROTOBUF__ANY__INIT;
    if (problem->retry_after_ms > 0) {
        any_retry.type_url = (char *)TYPE_RETRY_INFO;
        any_retry.value = (ProtobufCBinaryData){google__rpc__retry_info__pack(&retry, retry_octets), retry_octets};
        details[count++] = &any_retry;
    }
    Google__Protobuf__Any any_detail = GOOGLE__PROTOBUF__ANY__INIT;
    if (detail != NULL && protobuf_c_message_get_packed_size(detail) <= sizeof detail_octets) {
        snprintf(type_url, sizeof type_url, TYPE_URL "%s", detail->descriptor->name);
        any_detail.type_url = type_url;
        any_detail.value = (ProtobufCBinaryData){protobuf_c_message_pack(detail, detail_octets), detail_octets};
        details[count++] = &any_detail;
    }
    Google__Rpc__Status status = GOOGLE__RPC__STATUS__INIT;
    status.code = (int32_t)grpc_code_of_err(problem->code);
    status.message = (char *)problem->text;
    status.n_details = count;
    status.details = details;
    return google__rpc__status__pack(&status, out);
}

static void copy_text(char *out, size_t size, const char *text)
{
    size_t bytes = strnlen(text, size - 1);
    while (bytes > 0 && !text_is_utf8(text, bytes))
        bytes--; /* cut inside a character, or not text at all */
    memcpy(out, text, bytes);
    out[bytes] = '\0';
}

static void read_error_info(const ProtobufCBinaryData *octets, enum grpc_code code, struct arena *arena,
                            struct problem *out)
{
    ProtobufCMessage *message;
    if (message_unpack(&google__rpc__error_info__descriptor, octets->data, octets->len, arena, &message, NULL) !=
        ERR_NONE)
        return;
    const Google__Rpc__ErrorInfo *info = (const Google__Rpc__ErrorInfo *)message;
    if (strcmp(info->domain, DOMAIN) != 0)
        return;
    for (int err = 1; err < ERR_COUNT; err++) {
        if (grpc_code_of_err((enum err)err) == code && strcmp(info->reason, err_name((enum err)err)) == 0)
            out->code = (enum err)err;
    }
}

static void read_bad_request(const ProtobufCBinaryData *octets, struct arena *arena, struct problem *out)
{
    ProtobufCMessage *message;
    if (message_unpack(&google__rpc__bad_request__descriptor, octets->data, octets->len, arena, &message, NULL) !=
        ERR_NONE)
        return;
    const Google__Rpc__BadRequest *bad = (const Google__Rpc__BadRequest *)message;
    if (bad->n_field_violations > 0)
        copy_text(out->field, sizeof out->field, bad->field_violations[0]->field);
}

/* A peer's word: what is negative or beyond a year is none. */
static void read_retry_info(const ProtobufCBinaryData *octets, struct arena *arena, struct problem *out)
{
    ProtobufCMessage *message;
    if (message_unpack(&google__rpc__retry_info__descriptor, octets->data, octets->len, arena, &message, NULL) !=
        ERR_NONE)
        return;
    const Google__Protobuf__Duration *delay = ((const Google__Rpc__RetryInfo *)message)->retry_delay;
    if (delay == NULL || delay->seconds < 0 || delay->seconds > RETRY_MAX_S || delay->nanos < 0 ||
        delay->nanos > 999999999)
        return;
    out->retry_after_ms = delay->seconds * 1000 + delay->nanos / 1000000;
}

void status_to_problem(enum grpc_code code, const char *message, const uint8_t *details, size_t details_bytes,
                       struct problem *out)
{
    *out = (struct problem){.code = err_of_grpc_code(code)};
    copy_text(out->text, sizeof out->text, message == NULL || message[0] == '\0' ? grpc_code_name(code) : message);
    if (details_bytes == 0 || code == GRPC_OK)
        return;
    struct arena arena;
    arena_init(&arena, 64 << 10);
    ProtobufCMessage *unpacked;
    if (message_unpack(&google__rpc__status__descriptor, details, details_bytes, &arena, &unpacked, NULL) == ERR_NONE) {
        const Google__Rpc__Status *status = (const Google__Rpc__Status *)unpacked;
        for (size_t i = 0; i < status->n_details; i++) {
            const Google__Protobuf__Any *any = status->details[i];
            if (strcmp(any->type_url, TYPE_ERROR_INFO) == 0)
                read_error_info(&any->value, code, &arena, out);
            else if (strcmp(any->type_url, TYPE_BAD_REQUEST) == 0)
                read_bad_request(&any->value, &arena, out);
            else if (strcmp(any->type_url, TYPE_RETRY_INFO) == 0)
                read_retry_info(&any->value, &arena, out);
        }
    }
    arena_finish(&arena);
}

const ProtobufCMessage *status_details_find(const uint8_t *details, size_t details_bytes,
                                            const ProtobufCMessageDescriptor *type, struct arena *arena)
{
    ProtobufCMessage *unpacked;
    if (details_bytes == 0 ||
        message_unpack(&google__rpc__status__descriptor, details, details_bytes, arena, &unpacked, NULL) != ERR_NONE)
        return NULL;
    const Google__Rpc__Status *status = (const Google__Rpc__Status *)unpacked;
    for (size_t i = 0; i < status->n_details; i++) {
        const Google__Protobuf__Any *any = status->details[i];
        ProtobufCMessage *found;
        if (strncmp(any->type_url, TYPE_URL, strlen(TYPE_URL)) == 0 &&
            strcmp(any->type_url + strlen(TYPE_URL), type->name) == 0 &&
            message_unpack(type, any->value.data, any->value.len, arena, &found, NULL) == ERR_NONE)
            return found;
    }
    return NULL;
}
