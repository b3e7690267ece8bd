/*
 * reference_set.h - a set of texts, each with the line where it was seen. Thread: the client's one thread.
 */
#ifndef VACANCY_CLIENT_REFERENCE_SET_H
#define VACANCY_CLIENT_REFERENCE_SET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Zeroed is empty. */
struct reference_set {
    struct reference_slot {
        char *text; /* NULL: free */
        uint64_t line;
    } * slots;
    size_t count, room; /* room is 0 or a power of two */
};

/* Adds it. Returns the line (above 0) with which it was added before; then nothing changes. 0: it is new. */
uint64_t reference_set_add(struct reference_set *set, const char *text, uint64_t line);
/* The line with which it was added; 0: it is not in the set. */
uint64_t reference_set_line(const struct reference_set *set, const char *text);
bool reference_set_has(const struct reference_set *set, const char *text);
void reference_set_free(struct reference_set *set);

#endif
