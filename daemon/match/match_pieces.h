/*
 * match_pieces.h - memory for the tree's pieces: few sizes, large, and read all over the place by each search.
 *
 * Owns: chunks of 2 MiB, aligned so, of which the kernel makes huge pages, and within each chunk pieces of one size. A
 * search waits for memory more than for anything else, and in ordinary pages it waits for the page tables too.
 * Not here: what is in a piece (match_tree.h), and when nobody reads it any more (match_index.c).
 * Thread: one at a time (the index's writer). Invariant: a chunk without pieces is given back, unless it is the last of
 * its size.
 */
#ifndef VACANCY_MATCH_MATCH_PIECES_H
#define VACANCY_MATCH_MATCH_PIECES_H

#include <stdbool.h>
#include <stddef.h>

struct pieces;
struct pieces *pieces_create(void);
/* With all that was not given back. NULL is fine. */
void pieces_destroy(struct pieces *pieces);
/* Not zeroed. Aborts when out of memory, or for more than four sizes. */
void *pieces_get(struct pieces *pieces, size_t bytes);
void pieces_put(struct pieces *pieces, void *piece);

#endif
