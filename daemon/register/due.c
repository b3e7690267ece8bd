/*
 * due.c - a binary heap, and an open-addressed map from national reference to place in the heap.
 * Owns: both arrays. The writer's thread. Invariant: slots[entries[i].slot] == i + 1 for every entry i, and a parent is
 * never due after its children.
 */
#include "daemon/register/due.h"

#include "daemon/base/log.h"

#include <stdbool.h>
#include <stdlib.h>

struct entry {
    int64_t at_ms;
    uint64_t reference;
    size_t slot;
};

struct due {
    struct entry *entries; /* the heap */
    size_t count, capacity;
    size_t *slots;     /* place in the heap plus one; 0: free */
    size_t slot_count; /* a power of two, at least twice the capacity */
};

static void *need(void *memory)
{
    if (memory == NULL)
        log_fatal("register", "no memory for due times");
    return memory;
}

struct due *due_create(void)
{
    struct due *due = need(calloc(1, sizeof *due));
    due->capacity = 64;
    due->slot_count = 128;
    due->entries = need(malloc(due->capacity * sizeof *due->entries));
    due->slots = need(calloc(due->slot_count, sizeof *due->slots));
    return due;
}

void due_destroy(struct due *due)
{
    if (due == NULL)
        return;
    free(due->entries);
    free(due->slots);
    free(due);
}

/* References are random, but a mix costs nothing and keeps tests with small ones fast. */
static size_t home_slot(const struct due *due, uint64_t reference)
{
    return (size_t)((reference * 0x9e3779b97f4a7c15u) >> 20) & (due->slot_count - 1);
}

/* The slot of the reference, or the free one where it would go. */
static size_t find_slot(const struct due *due, uint64_t reference)
{
    size_t slot = home_slot(due, reference);
    while (due->slots[slot] != 0 && due->entries[due->slots[slot] - 1].reference != reference)
        slot = (slot + 1) & (due->slot_count - 1);
    return slot;
}

static void grow(struct due *due)
{
    due->capacity *= 2;
    due->slot_count *= 2;
    due->entries = need(realloc(due->entries, due->capacity * sizeof *due->entries));
    free(due->slots);
    due->slots = need(calloc(due->slot_count, sizeof *due->slots));
    for (size_t i = 0; i < due->count; i++) {
        size_t slot = find_slot(due, due->entries[i].reference);
        due->slots[slot] = i + 1;
        due->entries[i].slot = slot;
    }
}

static bool earlier(const struct entry *a, const struct entry *b)
{
    return a->at_ms != b->at_ms ? a->at_ms < b->at_ms : a->reference < b->reference;
}

static void place(struct due *due, size_t at, struct entry entry)
{
    due->entries[at] = entry;
    due->slots[entry.slot] = at + 1;
}

/* Puts `entry` where it belongs, starting from the hole `at`. */
static void settle(struct due *due, size_t at, struct entry entry)
{
    while (at > 0 && earlier(&entry, &due->entries[(at - 1) / 2])) {
        place(due, at, due->entries[(at - 1) / 2]);
        at = (at - 1) / 2;
    }
    for (;;) {
        size_t child = 2 * at + 1;
        if (child + 1 < due->count && earlier(&due->entries[child + 1], &due->entries[child]))
            child++;
        if (child >= due->count || !earlier(&due->entries[child], &entry))
            break;
        place(due, at, due->entries[child]);
        at = child;
    }
    place(due, at, entry);
}

/* Frees a slot and moves back those after it that would no longer be found. */
static void free_slot(struct due *due, size_t hole)
{
    size_t mask = due->slot_count - 1;
    for (size_t slot = (hole + 1) & mask; due->slots[slot] != 0; slot = (slot + 1) & mask) {
        size_t home = home_slot(due, due->entries[due->slots[slot] - 1].reference);
        if (((slot - home) & mask) < ((slot - hole) & mask))
            continue;
        due->slots[hole] = due->slots[slot];
        due->entries[due->slots[hole] - 1].slot = hole;
        hole = slot;
    }
    due->slots[hole] = 0;
}

static void remove_at(struct due *due, size_t at)
{
    free_slot(due, due->entries[at].slot);
    struct entry last = due->entries[--due->count];
    if (at < due->count)
        settle(due, at, last);
}

void due_set(struct due *due, uint64_t reference, int64_t at_ms)
{
    size_t slot = find_slot(due, reference);
    if (due->slots[slot] != 0) {
        size_t at = due->slots[slot] - 1;
        if (at_ms == INT64_MAX)
            remove_at(due, at);
        else
            settle(due, at, (struct entry){at_ms, reference, slot});
        return;
    }
    if (at_ms == INT64_MAX)
        return;
    if (due->count == due->capacity) {
        grow(due);
        slot = find_slot(due, reference);
    }
    due->count++;
    settle(due, due->count - 1, (struct entry){at_ms, reference, slot});
}

int64_t due_first(const struct due *due, uint64_t *reference)
{
    if (due->count == 0)
        return INT64_MAX;
    if (reference != NULL)
        *reference = due->entries[0].reference;
    return due->entries[0].at_ms;
}

size_t due_count(const struct due *due)
{
    return due->count;
}
