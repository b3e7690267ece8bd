/*
 * option_text.h - vacancies that suit, as a table and each with its reasons. Nothing of a carer is in it.
 * Thread: the client's one thread; no state.
 */
#ifndef VACANCY_CLIENT_OPTION_TEXT_H
#define VACANCY_CLIENT_OPTION_TEXT_H

#include "vacancy/v1/placement_service.pb-c.h"

#include <stdbool.h>
#include <stdio.h>

struct option_row {
    char label[24]; /* "1", "P2", "1a" */
    char *children; /* for whom, in a split; NULL: for all. Borrowed */
    const Vacancy__V1__Option *option;
};

struct option_style {
    unsigned width;   /* columns */
    size_t children;  /* asked for */
    bool all_reasons; /* every reason in full, not only the gaps */
    int64_t as_of_ms; /* of the answer */
};

/* One line each: where, how far, who approves, beds, whom to call. */
void option_table_print(FILE *out, const struct option_style *style, const struct option_row *rows, size_t count);
/* Each with what is overridden, not met and not known first, then what is met, what it offers, whom to call. */
void option_blocks_print(FILE *out, const struct option_style *style, const struct option_row *rows, size_t count);

#endif
