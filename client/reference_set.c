/*
 * reference_set.c - see reference_set.h: open addressing, at most half full. The client's one thread.
 */
#include "client/reference_set.h"

#include "client/memory.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* The slot that holds the text, or the free one where it would be. */
static size_t slot_of(const struct reference_slot *slots, size_t room, const char *text)
{
    uint64_t hash = UINT64_C(14695981039346656037); /* FNV-1a: the texts are our own agency's */
    for (const char *c = text; *c; c++)
        hash = (hash ^ (unsigned char)*c) * UINT64_C(1099511628211);
    size_t at = (size_t)hash & (room - 1);
    while (slots[at].text != NULL && strcmp(slots[at].text, text) != 0)
        at = (at + 1) & (room - 1);
    return at;
}

static void grow(struct reference_set *set)
{
    size_t room = set->room ? set->room * 2 : 64;
    struct reference_slot *slots = must_alloc(room, sizeof *slots);
    for (size_t i = 0; i < set->room; i++)
        if (set->slots[i].text != NULL)
            slots[slot_of(slots, room, set->slots[i].text)] = set->slots[i];
    free(set->slots);
    set->slots = slots;
    set->room = room;
}

uint64_t reference_set_add(struct reference_set *set, const char *text, uint64_t line)
{
    if ((set->count + 1) * 2 > set->room)
        grow(set);
    size_t at = slot_of(set->slots, set->room, text);
    if (set->slots[at].text != NULL)
        return set->slots[at].line;
    set->slots[at] = (struct reference_slot){must_copy(text), line};
    set->count++;
    return 0;
}

uint64_t reference_set_line(const struct reference_set *set, const char *text)
{
    const struct reference_slot *slot = set->room ? &set->slots[slot_of(set->slots, set->room, text)] : NULL;
    return slot != NULL && slot->text != NULL ? slot->line : 0;
}

bool reference_set_has(const struct reference_set *set, const char *text)
{
    return set->room > 0 && set->slots[slot_of(set->slots, set->room, text)].text != NULL;
}

void reference_set_free(struct reference_set *set)
{
    for (size_t i = 0; i < set->room; i++)
        free(set->slots[i].text);
    free(set->slots);
    *set = (struct reference_set){0};
}
