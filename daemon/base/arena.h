/*
 * arena.h - memory that is counted before it is given, and dies all at once.
 *
 * Owns: bump allocation with a hard limit. A request's memory (its unpacked message, what the handler builds for the
 * answer) lives in one arena and is freed by one call. Not thread-safe: one owner at a time.
 * Invariant: bytes handed out never exceed limit_bytes; past it the answer is NULL and the caller refuses the request.
 */
#ifndef VACANCY_BASE_ARENA_H
#define VACANCY_BASE_ARENA_H

#include <stddef.h>

struct arena_block;

struct arena {
    struct arena_block *blocks;
    size_t limit_bytes;
    size_t used_bytes;
};

/* Allocates nothing yet. */
void arena_init(struct arena *arena, size_t limit_bytes);
/*
 * 16-byte aligned, not zeroed; NULL when the limit would be passed. A piece counts as its size rounded up to 16; one of
 * 0 bytes counts as 16.
 */
void *arena_alloc(struct arena *arena, size_t bytes) __attribute__((warn_unused_result));
void *arena_zalloc(struct arena *arena, size_t bytes) __attribute__((warn_unused_result));
/* A NUL-terminated copy of `bytes` octets. */
char *arena_copy_text(struct arena *arena, const char *text, size_t bytes) __attribute__((warn_unused_result));
/* Formats into the arena; NULL past the limit. */
char *arena_printf(struct arena *arena, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Frees everything and keeps the first block, if it is of the ordinary size, for reuse; the limit stays. */
void arena_reset(struct arena *arena);
/* Frees everything. The arena may be used again. */
void arena_finish(struct arena *arena);

#endif
