/*
 * reference_set.h - a set of texts. Thread: the client's one thread.
 */
#ifndef VACANCY_CLIENT_REFERENCE_SET_H
#define VACANCY_CLIENT_REFERENCE_SET_H

#include <stdbool.h>
#include <stddef.h>

/* Zeroed is empty. */
struct reference_set {
    char **slots;
    size_t count, room; /* room is 0 or a power of two */
};

void reference_set_add(struct reference_set *set, const char *text);
bool reference_set_has(const struct reference_set *set, const char *text);
void reference_set_free(struct reference_set *set);

#endif
