/*
 * arena.c - bump allocation in blocks.
 * Owns the blocks: a list with the newest first, of which only the newest is allocated from. One owner at a time.
 * Invariant: used_bytes, each piece rounded up to 16, is what is handed out and at most limit_bytes; the room taken
 * from the system is at most that and one block's slack per block.
 */
#include "daemon/base/arena.h"

#include <stdalign.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ALIGN_BYTES       16
#define FIRST_BLOCK_BYTES 4096
#define MOST_BLOCK_BYTES  65536

struct arena_block {
    struct arena_block *next; /* older */
    size_t size_bytes, used_bytes;
    alignas(ALIGN_BYTES) uint8_t data[];
};

void arena_init(struct arena *arena, size_t limit_bytes)
{
    *arena = (struct arena){.limit_bytes = limit_bytes};
}

/* A new block twice as large as the last one, at least `need`, at most what the limit still allows. */
static struct arena_block *add_block(struct arena *arena, size_t need)
{
    size_t size = arena->blocks ? arena->blocks->size_bytes * 2 : FIRST_BLOCK_BYTES;
    size_t left = arena->limit_bytes - arena->used_bytes;
    if (size > MOST_BLOCK_BYTES)
        size = MOST_BLOCK_BYTES;
    if (size > left)
        size = left;
    if (size < need)
        size = need;
    struct arena_block *block = malloc(sizeof *block + size);
    if (block == NULL)
        return NULL;
    *block = (struct arena_block){.next = arena->blocks, .size_bytes = size};
    arena->blocks = block;
    return block;
}

void *arena_alloc(struct arena *arena, size_t bytes)
{
    if (bytes > SIZE_MAX - ALIGN_BYTES)
        return NULL;
    size_t need = bytes == 0 ? ALIGN_BYTES : (bytes + ALIGN_BYTES - 1) / ALIGN_BYTES * ALIGN_BYTES;
    if (need > arena->limit_bytes - arena->used_bytes)
        return NULL;
    struct arena_block *block = arena->blocks;
    if (block == NULL || need > block->size_bytes - block->used_bytes)
        block = add_block(arena, need);
    if (block == NULL)
        return NULL;
    void *piece = block->data + block->used_bytes;
    block->used_bytes += need;
    arena->used_bytes += need;
    return piece;
}

void *arena_zalloc(struct arena *arena, size_t bytes)
{
    void *piece = arena_alloc(arena, bytes);
    if (piece != NULL)
        memset(piece, 0, bytes);
    return piece;
}

char *arena_copy_text(struct arena *arena, const char *text, size_t bytes)
{
    char *copy = bytes < SIZE_MAX ? arena_alloc(arena, bytes + 1) : NULL;
    if (copy == NULL)
        return NULL;
    if (bytes > 0)
        memcpy(copy, text, bytes);
    copy[bytes] = '\0';
    return copy;
}

char *arena_printf(struct arena *arena, const char *format, ...)
{
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int length = vsnprintf(NULL, 0, format, args);
    va_end(args);
    char *text = length >= 0 ? arena_alloc(arena, (size_t)length + 1) : NULL;
    if (text != NULL)
        vsnprintf(text, (size_t)length + 1, format, again);
    va_end(again);
    return text;
}

/* Frees the blocks down to, and without, `keep`. */
static void free_blocks(struct arena *arena, const struct arena_block *keep)
{
    while (arena->blocks != keep) {
        struct arena_block *next = arena->blocks->next;
        free(arena->blocks);
        arena->blocks = next;
    }
    arena->used_bytes = 0;
}

void arena_reset(struct arena *arena)
{
    struct arena_block *first = arena->blocks;
    while (first != NULL && first->next != NULL)
        first = first->next;
    /* One great request must not stay with an idle connection for ever. */
    if (first != NULL && first->size_bytes > FIRST_BLOCK_BYTES)
        first = NULL;
    free_blocks(arena, first);
    if (first != NULL)
        first->used_bytes = 0;
}

void arena_finish(struct arena *arena)
{
    free_blocks(arena, NULL);
}
