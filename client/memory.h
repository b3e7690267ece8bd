/*
 * memory.h - allocation of what the program itself decides the size of: running out ends the program with a word.
 * What a peer or a file decides the size of has a limit first, at its own place. Thread: any; no state.
 */
#ifndef VACANCY_CLIENT_MEMORY_H
#define VACANCY_CLIENT_MEMORY_H

#include <stdarg.h>
#include <stddef.h>

/* Zeroed; never NULL. The caller frees it. */
void *must_alloc(size_t count, size_t bytes) __attribute__((returns_nonnull, warn_unused_result));
/* As realloc(3), for `count` things; never NULL. */
void *must_resize(void *old, size_t count, size_t bytes) __attribute__((returns_nonnull, warn_unused_result));
char *must_copy(const char *text) __attribute__((returns_nonnull, warn_unused_result));
char *must_print(const char *format, ...) __attribute__((returns_nonnull, warn_unused_result, format(printf, 1, 2)));
char *must_vprint(const char *format, va_list arguments)
    __attribute__((returns_nonnull, warn_unused_result, format(printf, 1, 0)));

/* Text that grows. Zeroed is empty. `text` is NULL until something is added. */
struct grown_text {
    char *text;
    size_t bytes, room;
};
void grown_add(struct grown_text *to, const char *format, ...) __attribute__((format(printf, 2, 3)));
void grown_free(struct grown_text *text);

#endif
