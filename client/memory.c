/*
 * memory.c - allocation that succeeds or ends the program. Owns no state. Any thread.
 */
#include "client/memory.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *or_end(void *got)
{
    if (got != NULL)
        return got;
    fputs("vacancy: out of memory\n", stderr);
    abort();
}

void *must_alloc(size_t count, size_t bytes)
{
    return or_end(calloc(count ? count : 1, bytes));
}

void *must_resize(void *old, size_t count, size_t bytes)
{
    return or_end(reallocarray(old, count ? count : 1, bytes));
}

char *must_copy(const char *text)
{
    return or_end(strdup(text));
}

char *must_vprint(const char *format, va_list arguments)
{
    char *out = NULL;
    int length = vasprintf(&out, format, arguments);
    return or_end(length < 0 ? NULL : out);
}

char *must_print(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    char *out = must_vprint(format, arguments);
    va_end(arguments);
    return out;
}

void grown_add(struct grown_text *to, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    size_t need = to->bytes + (length > 0 ? (size_t)length : 0) + 1;
    if (need > to->room) {
        to->room = need * 2;
        to->text = must_resize(to->text, to->room, 1);
        to->text[to->bytes] = '\0';
    }
    va_start(arguments, format);
    length = vsnprintf(to->text + to->bytes, to->room - to->bytes, format, arguments);
    va_end(arguments);
    to->bytes += length > 0 ? (size_t)length : 0;
}

void grown_free(struct grown_text *text)
{
    free(text->text);
    *text = (struct grown_text){0};
}
