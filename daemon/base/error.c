/*
 * error.c - names of the error codes, and filling in a problem.
 * Owns the name table. No state, any thread. Invariant: a problem's texts are always NUL-terminated, and a cut never
 * splits a UTF-8 sequence, since they travel in protobuf strings.
 */
#include "daemon/base/error.h"

#include <stdio.h>
#include <string.h>

static const char *const names[] = {
    [ERR_NONE] = "NONE",
    [ERR_INVALID] = "INVALID",
    [ERR_OUT_OF_RANGE] = "OUT_OF_RANGE",
    [ERR_NOT_FOUND] = "NOT_FOUND",
    [ERR_EXISTS] = "EXISTS",
    [ERR_UNAUTHENTICATED] = "UNAUTHENTICATED",
    [ERR_FORBIDDEN] = "FORBIDDEN",
    [ERR_PRECONDITION] = "PRECONDITION",
    [ERR_STALE] = "STALE",
    [ERR_LIMIT] = "LIMIT",
    [ERR_STORE_FULL] = "STORE_FULL",
    [ERR_STORE_IO] = "STORE_IO",
    [ERR_STORE_DAMAGED] = "STORE_DAMAGED",
    [ERR_UNAVAILABLE] = "UNAVAILABLE",
    [ERR_DEADLINE] = "DEADLINE",
    [ERR_CANCELLED] = "CANCELLED",
    [ERR_UNIMPLEMENTED] = "UNIMPLEMENTED",
    [ERR_INTERNAL] = "INTERNAL",
};
_Static_assert(sizeof names / sizeof names[0] == ERR_COUNT, "every error has a name");

const char *err_name(enum err err)
{
    return (unsigned)err < ERR_COUNT ? names[err] : "UNKNOWN";
}

unsigned err_status(enum err err)
{
    static const unsigned char statuses[ERR_COUNT] = {
        [ERR_NONE] = 0,           [ERR_INVALID] = 3,      [ERR_OUT_OF_RANGE] = 11,    [ERR_NOT_FOUND] = 5,
        [ERR_EXISTS] = 6,         [ERR_FORBIDDEN] = 7,    [ERR_UNAUTHENTICATED] = 16, [ERR_PRECONDITION] = 9,
        [ERR_STALE] = 10,         [ERR_LIMIT] = 8,        [ERR_STORE_FULL] = 8,       [ERR_STORE_IO] = 13,
        [ERR_STORE_DAMAGED] = 15, [ERR_UNAVAILABLE] = 14, [ERR_DEADLINE] = 4,         [ERR_CANCELLED] = 1,
        [ERR_UNIMPLEMENTED] = 12, [ERR_INTERNAL] = 13,
    };
    return (unsigned)err < ERR_COUNT ? statuses[err] : 13;
}

/* Copies what fits, and drops the bytes of a UTF-8 sequence that did not fit whole. */
static void copy_cut(char *out, size_t size, const char *text)
{
    size_t length = strlen(text);
    if (length >= size) {
        length = size - 1;
        while (length > 0 && ((unsigned char)text[length] & 0xc0) == 0x80)
            length--;
    }
    memcpy(out, text, length);
    out[length] = '\0';
}

enum err problem_set(struct problem *problem, enum err code, const char *field, const char *format, ...)
{
    if (problem == NULL)
        return code;
    /* Formatted apart: the arguments may be the problem's own texts. One byte more than fits shows copy_cut a cut. */
    char text[PROBLEM_TEXT_BYTES + 4];
    va_list args;
    va_start(args, format);
    if (vsnprintf(text, sizeof text, format, args) < 0)
        text[0] = '\0';
    va_end(args);

    char name[PROBLEM_FIELD_BYTES];
    copy_cut(name, sizeof name, field ? field : "");
    problem->code = code;
    memcpy(problem->field, name, sizeof name);
    copy_cut(problem->text, sizeof problem->text, text);
    problem->retry_after_ms = 0;
    return code;
}
