/*
 * match_pieces.c - see match_pieces.h. Owns the chunks; a chunk's first octets say what is in it. Thread: the index's
 * writer.
 *
 * The first chunk of a size stays with ordinary pages: a small register is not worth six huge ones. Under
 * AddressSanitizer each piece is the allocator's own, so that reading one that was given back is seen.
 */
#include "daemon/match/match_pieces.h"

#include "daemon/base/log.h"

#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>

#define CHUNK_BYTES ((size_t)2 << 20)
#define SIZES_MAX   4
#define LINE_BYTES  64 /* of the processor's cache: pieces begin on one */

#if defined(__SANITIZE_ADDRESS__)
#define ONE_BY_ONE 1
#else
#define ONE_BY_ONE 0
#endif

/* A piece that is not in use. */
struct rest {
    struct rest *next;
};

struct size;

struct chunk {
    struct size *size;
    struct chunk *next, *previous; /* of its size; those with room come first */
    struct rest *free;
    uint32_t used, begun; /* pieces in use, and pieces ever used */
};
#define CHUNK_HEAD_BYTES ((sizeof(struct chunk) + LINE_BYTES - 1) / LINE_BYTES * LINE_BYTES)

struct size {
    size_t bytes; /* of a piece, whole lines */
    uint32_t each;
    size_t chunk_count;
    struct chunk *first, *last;
};

struct pieces {
    struct size sizes[SIZES_MAX];
};

struct pieces *pieces_create(void)
{
    struct pieces *pieces = calloc(1, sizeof *pieces);
    if (pieces == NULL)
        log_fatal("match", "out of memory for the index");
    return pieces;
}

/* --- chunks ------------------------------------------------------------------------------------------------------ */

/* Twice as much is mapped, and what lies before and after an aligned chunk goes back. */
static void *map_chunk(void)
{
    uint8_t *map = mmap(NULL, 2 * CHUNK_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (map == MAP_FAILED)
        log_fatal("match", "out of memory for the index (%zu bytes)", CHUNK_BYTES);
    size_t before = (CHUNK_BYTES - (uintptr_t)map % CHUNK_BYTES) % CHUNK_BYTES;
    if (before > 0)
        munmap(map, before);
    munmap(map + before + CHUNK_BYTES, CHUNK_BYTES - before);
    return map + before;
}

static void unlink_chunk(struct chunk *chunk)
{
    struct size *size = chunk->size;
    *(chunk->previous != NULL ? &chunk->previous->next : &size->first) = chunk->next;
    *(chunk->next != NULL ? &chunk->next->previous : &size->last) = chunk->previous;
}

static void link_first(struct chunk *chunk)
{
    struct size *size = chunk->size;
    chunk->previous = NULL;
    chunk->next = size->first;
    *(size->first != NULL ? &size->first->previous : &size->last) = chunk;
    size->first = chunk;
}

static void link_last(struct chunk *chunk)
{
    struct size *size = chunk->size;
    chunk->next = NULL;
    chunk->previous = size->last;
    *(size->last != NULL ? &size->last->next : &size->first) = chunk;
    size->last = chunk;
}

static struct chunk *chunk_new(struct size *size)
{
    struct chunk *chunk = map_chunk();
    if (size->chunk_count++ > 0)
        (void)madvise(chunk, CHUNK_BYTES, MADV_HUGEPAGE); /* a kernel without them does as well, slower */
    *chunk = (struct chunk){.size = size};
    link_first(chunk);
    return chunk;
}

static void chunk_free(struct chunk *chunk)
{
    chunk->size->chunk_count--;
    unlink_chunk(chunk);
    munmap(chunk, CHUNK_BYTES);
}

void pieces_destroy(struct pieces *pieces)
{
    if (pieces == NULL)
        return;
    for (int i = 0; i < SIZES_MAX; i++)
        while (pieces->sizes[i].first != NULL)
            chunk_free(pieces->sizes[i].first);
    free(pieces);
}

/* --- pieces ------------------------------------------------------------------------------------------------------ */

static struct size *size_of(struct pieces *pieces, size_t bytes)
{
    bytes = (bytes + LINE_BYTES - 1) / LINE_BYTES * LINE_BYTES;
    for (int i = 0; i < SIZES_MAX; i++) {
        struct size *size = &pieces->sizes[i];
        if (size->bytes == 0)
            *size = (struct size){.bytes = bytes, .each = (uint32_t)((CHUNK_BYTES - CHUNK_HEAD_BYTES) / bytes)};
        if (size->bytes == bytes && size->each > 0)
            return size;
    }
    log_fatal("match", "pieces of %zu octets are of no size that the index has", bytes);
}

static bool has_room(const struct chunk *chunk)
{
    return chunk->used < chunk->size->each;
}

void *pieces_get(struct pieces *pieces, size_t bytes)
{
    if (ONE_BY_ONE) {
        void *piece = aligned_alloc(LINE_BYTES, (bytes + LINE_BYTES - 1) / LINE_BYTES * LINE_BYTES);
        if (piece == NULL)
            log_fatal("match", "out of memory for the index (%zu bytes)", bytes);
        return piece;
    }
    struct size *size = size_of(pieces, bytes);
    struct chunk *chunk = size->first != NULL && has_room(size->first) ? size->first : chunk_new(size);
    struct rest *piece = chunk->free;
    if (piece != NULL)
        chunk->free = piece->next;
    else
        piece = (struct rest *)((uint8_t *)chunk + CHUNK_HEAD_BYTES + chunk->begun++ * size->bytes);
    chunk->used++;
    if (!has_room(chunk)) {
        unlink_chunk(chunk);
        link_last(chunk);
    }
    return piece;
}

void pieces_put(struct pieces *pieces, void *piece)
{
    if (ONE_BY_ONE) {
        free(piece);
        return;
    }
    (void)pieces;
    struct chunk *chunk = (struct chunk *)((uintptr_t)piece & ~(uintptr_t)(CHUNK_BYTES - 1));
    bool was_full = !has_room(chunk);
    struct rest *rest = piece;
    rest->next = chunk->free;
    chunk->free = rest;
    chunk->used--;
    if (was_full) {
        unlink_chunk(chunk);
        link_first(chunk);
    }
    if (chunk->used == 0 && chunk->size->chunk_count > 1)
        chunk_free(chunk);
}
