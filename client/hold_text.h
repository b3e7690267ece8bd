/*
 * hold_text.h - a team's holds in the words of a placement team. Thread: the client's one thread; no state.
 */
#ifndef VACANCY_CLIENT_HOLD_TEXT_H
#define VACANCY_CLIENT_HOLD_TEXT_H

#include "vacancy/v1/placement_service.pb-c.h"

#include <stdbool.h>
#include <stdio.h>

struct hold_row {
    uint32_t number; /* 0: none */
    const Vacancy__V1__HoldView *hold;
};

/* Its beds are the team's and nobody is placed yet. */
bool hold_is_live(const Vacancy__V1__HoldView *hold);
/* "held", "accepted", "ran out". Never NULL. */
const char *hold_state_words(Vacancy__V1__HoldState state);

/* What stands first in a hold's answer: what it is now, in a sentence. */
void hold_sentence_print(FILE *out, unsigned width, const struct hold_row *row, int64_t now_ms);
/* How sure it is, whom to call, what next, and its id; receipt NULL: without how sure. */
void hold_lines_print(FILE *out, unsigned width, const struct hold_row *row, const Vacancy__V1__HoldReceipt *receipt);
/* A line each; below them why those that were declined were. */
void hold_table_print(FILE *out, unsigned width, const struct hold_row *rows, size_t count, int64_t now_ms);

#endif
