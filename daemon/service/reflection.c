/*
 * reflection.c - reads the built-in FileDescriptorSet once, by hand, and answers from the index.
 *
 * By hand, because generated code for descriptor.proto would be recursive, and only names are wanted: a file's name,
 * its imports, and what it declares. The octets of a file are handed out as they are. Owns the index; any thread.
 */
#include "daemon/service/reflection.h"

#include "daemon/base/digest.h"
#include "daemon/base/log.h"
#include "daemon/service/anyone.h"
#include "grpc/reflection/v1/reflection.pb-c.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The linker's own table: the file protoc wrote, between two symbols. */
__asm__(".section .rodata\n"
        ".balign 16\n"
        "vacancy_descriptors:\n"
        ".incbin \"vacancy.descriptors\"\n"
        "vacancy_descriptors_end:\n"
        ".previous\n");
extern const uint8_t vacancy_descriptors[], vacancy_descriptors_end[];

/* Field numbers of google/protobuf/descriptor.proto. */
enum {
    SET_FILE = 1,
    FILE_NAME = 1,
    FILE_PACKAGE = 2,
    FILE_IMPORT = 3,
    FILE_MESSAGE = 4,
    FILE_ENUM = 5,
    FILE_SERVICE = 6,
    ANY_NAME = 1, /* of a message, enum, service, method */
    MESSAGE_NESTED = 3,
    MESSAGE_ENUM = 4,
    SERVICE_METHOD = 2,
};

enum declared { DECLARED_NOTHING, DECLARED_MESSAGE, DECLARED_ENUM, DECLARED_SERVICE, DECLARED_METHOD };

#define FILES_MAX    64
#define SERVICES_MAX 32
#define NAME_BYTES   200

struct file {
    struct octets octets, name;
};

struct symbol {
    char *name;
    uint32_t file;
    bool service;
};

struct reflection {
    struct access *access;
    struct file files[FILES_MAX];
    uint32_t file_count;
    struct symbol *symbols; /* by name */
    uint32_t symbol_count, symbol_capacity;
};

/* --- the index ------------------------------------------------------------------------------------------------- */

static uint64_t take_varint(struct octets *rest)
{
    uint64_t value = 0;
    for (unsigned shift = 0; rest->size > 0 && shift < 64; shift += 7) {
        uint8_t octet = *rest->data++;
        rest->size--;
        value |= (uint64_t)(octet & 0x7f) << shift;
        if (octet < 0x80)
            return value;
    }
    log_fatal("service", "the built-in descriptors are cut short");
}

static struct octets take_octets(struct octets *rest, uint64_t size)
{
    if (size > rest->size)
        log_fatal("service", "the built-in descriptors are cut short");
    struct octets taken = {rest->data, size};
    rest->data += size;
    rest->size -= size;
    return taken;
}

/* The next field that is octets (text, message); others are passed over. False at the end. */
static bool next_field(struct octets *rest, uint32_t *number, struct octets *value)
{
    while (rest->size > 0) {
        uint64_t key = take_varint(rest);
        *number = (uint32_t)(key >> 3);
        switch (key & 7) {
        case 0:
            take_varint(rest);
            break;
        case 1:
            take_octets(rest, 8);
            break;
        case 5:
            take_octets(rest, 4);
            break;
        case 2:
            *value = take_octets(rest, take_varint(rest));
            return true;
        default:
            log_fatal("service", "the built-in descriptors hold wire type %u", (unsigned)(key & 7));
        }
    }
    return false;
}

/* The first field of this number; empty when there is none. */
static struct octets find_field(struct octets message, uint32_t wanted)
{
    uint32_t number;
    struct octets value;
    while (next_field(&message, &number, &value))
        if (number == wanted)
            return value;
    return (struct octets){0};
}

static void add_symbol(struct reflection *reflection, const char *name, bool service)
{
    if (reflection->symbol_count == reflection->symbol_capacity) {
        reflection->symbol_capacity = reflection->symbol_capacity ? 2 * reflection->symbol_capacity : 256;
        reflection->symbols = realloc(reflection->symbols, reflection->symbol_capacity * sizeof reflection->symbols[0]);
    }
    char *copy = strdup(name);
    if (reflection->symbols == NULL || copy == NULL)
        log_fatal("service", "out of memory for the index of descriptors");
    reflection->symbols[reflection->symbol_count++] =
        (struct symbol){.name = copy, .file = reflection->file_count, .service = service};
}

/* What a field of this number declares inside something of kind `in`. */
static enum declared declared_by(enum declared in, uint32_t number)
{
    if (in == DECLARED_MESSAGE)
        return number == MESSAGE_NESTED ? DECLARED_MESSAGE : number == MESSAGE_ENUM ? DECLARED_ENUM : DECLARED_NOTHING;
    if (in == DECLARED_SERVICE && number == SERVICE_METHOD)
        return DECLARED_METHOD;
    return DECLARED_NOTHING;
}

/* Adds "scope.NAME" and what is declared inside it. */
static void add_declared(struct reflection *reflection, const char *scope, struct octets octets, enum declared kind)
{
    char full[NAME_BYTES];
    struct octets name = find_field(octets, ANY_NAME), value;
    int length = snprintf(full, sizeof full, "%s.%.*s", scope, (int)name.size, name.data);
    if (length >= NAME_BYTES)
        log_fatal("service", "a name in the built-in descriptors is too long: %s", full);
    add_symbol(reflection, full, kind == DECLARED_SERVICE);
    uint32_t number;
    while (next_field(&octets, &number, &value)) {
        enum declared inner = declared_by(kind, number);
        if (inner != DECLARED_NOTHING)
            add_declared(reflection, full, value, inner);
    }
}

static void add_file(struct reflection *reflection, struct octets octets)
{
    if (reflection->file_count == FILES_MAX)
        log_fatal("service", "more than %d files in the built-in descriptors", FILES_MAX);
    char package[NAME_BYTES];
    struct octets package_name = find_field(octets, FILE_PACKAGE), rest = octets, value;
    snprintf(package, sizeof package, "%.*s", (int)package_name.size, package_name.data);
    uint32_t number;
    while (next_field(&rest, &number, &value))
        if (number >= FILE_MESSAGE && number <= FILE_SERVICE)
            add_declared(reflection, package, value,
                         number == FILE_MESSAGE ? DECLARED_MESSAGE
                         : number == FILE_ENUM  ? DECLARED_ENUM
                                                : DECLARED_SERVICE);
    reflection->files[reflection->file_count++] = (struct file){octets, find_field(octets, FILE_NAME)};
}

static int compare_symbols(const void *a, const void *b)
{
    return strcmp(((const struct symbol *)a)->name, ((const struct symbol *)b)->name);
}

struct reflection *reflection_create(struct access *access)
{
    struct reflection *reflection = calloc(1, sizeof *reflection);
    if (reflection == NULL)
        log_fatal("service", "out of memory");
    reflection->access = access;
    struct octets set = {vacancy_descriptors,
                         (size_t)((uintptr_t)vacancy_descriptors_end - (uintptr_t)vacancy_descriptors)},
                  value;
    uint32_t number;
    while (next_field(&set, &number, &value))
        if (number == SET_FILE)
            add_file(reflection, value);
    if (reflection->symbols != NULL)
        qsort(reflection->symbols, reflection->symbol_count, sizeof reflection->symbols[0], compare_symbols);
    return reflection;
}

void reflection_destroy(struct reflection *reflection)
{
    if (reflection == NULL)
        return;
    for (uint32_t i = 0; i < reflection->symbol_count; i++)
        free(reflection->symbols[i].name);
    free(reflection->symbols);
    free(reflection);
}

static int find_file(const struct reflection *reflection, struct octets name)
{
    for (uint32_t i = 0; i < reflection->file_count; i++)
        if (reflection->files[i].name.size == name.size &&
            memcmp(reflection->files[i].name.data, name.data, name.size) == 0)
            return (int)i;
    return -1;
}

/* --- answers --------------------------------------------------------------------------------------------------- */

typedef Grpc__Reflection__V1__ServerReflectionRequest request_message;
typedef Grpc__Reflection__V1__ServerReflectionResponse response_message;

/* The answers below take the response by value, complete it with what lives only as long as they do, and send it. */
static bool send_error(struct call *call, response_message response, int code, const char *text)
{
    Grpc__Reflection__V1__ErrorResponse error = GRPC__REFLECTION__V1__ERROR_RESPONSE__INIT;
    error.error_code = code;
    error.error_message = (char *)text;
    response.message_response_case = GRPC__REFLECTION__V1__SERVER_REFLECTION_RESPONSE__MESSAGE_RESPONSE_ERROR_RESPONSE;
    response.error_response = &error;
    return call_send(call, &response.base);
}

/* `list` has room for all files; a file already in it isn't added again. */
static void collect(const struct reflection *reflection, uint32_t file, uint32_t *list, size_t *count)
{
    size_t next = *count;
    list[(*count)++] = file;
    for (; next < *count; next++) {
        struct octets rest = reflection->files[list[next]].octets, value;
        uint32_t number;
        while (next_field(&rest, &number, &value)) {
            int import = number == FILE_IMPORT ? find_file(reflection, value) : -1;
            bool there = import < 0;
            for (size_t i = 0; i < *count && !there; i++)
                there = list[i] == (uint32_t)import;
            if (!there)
                list[(*count)++] = (uint32_t)import;
        }
    }
}

static bool send_files(struct call *call, response_message response, uint32_t file)
{
    const struct reflection *reflection = call->context;
    uint32_t list[FILES_MAX];
    size_t count = 0;
    collect(reflection, file, list, &count);
    ProtobufCBinaryData data[FILES_MAX];
    for (size_t i = 0; i < count; i++)
        data[i] = (ProtobufCBinaryData){reflection->files[list[i]].octets.size,
                                        (uint8_t *)reflection->files[list[i]].octets.data};
    Grpc__Reflection__V1__FileDescriptorResponse files = GRPC__REFLECTION__V1__FILE_DESCRIPTOR_RESPONSE__INIT;
    files.n_file_descriptor_proto = count;
    files.file_descriptor_proto = data;
    response.message_response_case =
        GRPC__REFLECTION__V1__SERVER_REFLECTION_RESPONSE__MESSAGE_RESPONSE_FILE_DESCRIPTOR_RESPONSE;
    response.file_descriptor_response = &files;
    return call_send(call, &response.base);
}

static bool send_services(struct call *call, response_message response)
{
    const struct reflection *reflection = call->context;
    Grpc__Reflection__V1__ServiceResponse services[SERVICES_MAX], *pointers[SERVICES_MAX];
    Grpc__Reflection__V1__ListServiceResponse list = GRPC__REFLECTION__V1__LIST_SERVICE_RESPONSE__INIT;
    for (uint32_t i = 0; i < reflection->symbol_count && list.n_service < SERVICES_MAX; i++) {
        if (!reflection->symbols[i].service)
            continue;
        services[list.n_service] = (Grpc__Reflection__V1__ServiceResponse)GRPC__REFLECTION__V1__SERVICE_RESPONSE__INIT;
        services[list.n_service].name = reflection->symbols[i].name;
        pointers[list.n_service] = &services[list.n_service];
        list.n_service++;
    }
    list.service = pointers;
    response.message_response_case =
        GRPC__REFLECTION__V1__SERVER_REFLECTION_RESPONSE__MESSAGE_RESPONSE_LIST_SERVICES_RESPONSE;
    response.list_services_response = &list;
    return call_send(call, &response.base);
}

/* As call_send. */
static bool answer(struct call *call, const request_message *request)
{
    const struct reflection *reflection = call->context;
    response_message response = GRPC__REFLECTION__V1__SERVER_REFLECTION_RESPONSE__INIT;
    response.valid_host = request->host;
    response.original_request = (request_message *)request;
    struct symbol sought, *symbol;
    int file;
    switch (request->message_request_case) {
    case GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__MESSAGE_REQUEST_LIST_SERVICES:
        return send_services(call, response);
    case GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__MESSAGE_REQUEST_FILE_BY_FILENAME:
        file = find_file(
            reflection, (struct octets){(const uint8_t *)request->file_by_filename, strlen(request->file_by_filename)});
        if (file >= 0)
            return send_files(call, response, (uint32_t)file);
        return send_error(call, response, 5, "no such file");
    case GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__MESSAGE_REQUEST_FILE_CONTAINING_SYMBOL:
        sought.name = request->file_containing_symbol;
        symbol = bsearch(&sought, reflection->symbols, reflection->symbol_count, sizeof *symbol, compare_symbols);
        if (symbol != NULL)
            return send_files(call, response, symbol->file);
        return send_error(call, response, 5, "nothing of this name is declared");
    case GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__MESSAGE_REQUEST_FILE_CONTAINING_EXTENSION:
    case GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__MESSAGE_REQUEST_ALL_EXTENSION_NUMBERS_OF_TYPE:
        return send_error(call, response, 5, "this contract has no extensions");
    default:
        return send_error(call, response, 3, "message_request is missing: say what is asked");
    }
}

/* One answer a question; when the client takes none, no further questions are read. */
static void info_message(struct call *call, const ProtobufCMessage *message)
{
    const struct reflection *reflection = call->context;
    if (!anyone_may_ask(reflection->access, call))
        return;
    const request_message *request = (const void *)message;
    if (!answer(call, request))
        call_set_reading(call, false);
}

static void info_writable(struct call *call)
{
    call_set_reading(call, true);
}

static void info_half_closed(struct call *call)
{
    call_finish(call, NULL);
}

static const struct call_handler info_handler = {
    .message = info_message, .half_closed = info_half_closed, .writable = info_writable};

const struct rpc_method *reflection_methods(size_t *count)
{
    static const struct rpc_method methods[] = {
        {"/grpc.reflection.v1.ServerReflection/ServerReflectionInfo", CALL_BIDI,
         &grpc__reflection__v1__server_reflection_request__descriptor,
         &grpc__reflection__v1__server_reflection_response__descriptor, &info_handler},
    };
    *count = sizeof methods / sizeof methods[0];
    return methods;
}
