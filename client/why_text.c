/*
 * why_text.c - see why_text.h. Owns: the table whose cells are wrapped, not cut. The client's one thread.
 */
#include "client/why_text.h"

#include "client/find_text.h"
#include "client/memory.h"
#include "client/rule_words.h"
#include "client/screen.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define GAP           2
#define FOUND_COLUMNS 14 /* at least, whatever was asked */
#define ASKED_COLUMNS 10

typedef Vacancy__V1__Reason reason;
typedef Vacancy__V1__ExplainVacancyResponse response_t;

/* --- the first line ---------------------------------------------------------------------------------------------- */

static void add_failed(struct grown_text *to, const response_t *response)
{
    const char *between = "";
    for (size_t i = 0; response->option && i < response->option->n_reasons; i++) {
        const reason *r = response->option->reasons[i];
        if (r->outcome != VACANCY__V1__REASON__OUTCOME__OUTCOME_FAILED)
            continue;
        grown_add(to, "%s%s", between, rule_words(r->rule)->name);
        between = ", ";
    }
}

static void print_verdict(FILE *out, unsigned width, const response_t *response)
{
    struct grown_text text = {0};
    char number[GROUPED_TEXT_BYTES];
    bool run_out = response->option && response->option->unconfirmed;
    if (!response->suitable) {
        grown_add(&text, "Does not suit. It fails: ");
        add_failed(&text, response);
    } else {
        grown_add(&text, "Suits%s. %s %s before it%s in the order \"%s\"",
                  run_out ? ", but its confirmation has run out: phone first" : "",
                  response->ahead ? grouped_text(response->ahead, number) : "None",
                  response->ahead > 1 ? "come" : "comes", run_out ? ", of those to phone first," : "",
                  response->policy);
    }
    grown_add(&text, ".");
    print_wrapped(out, 0, "", 0, text.text, width);
    grown_free(&text);
}

/* Of one that no search could show only where it is. */
static void print_where(FILE *out, unsigned width, const Vacancy__V1__Option *o)
{
    struct grown_text text = {0};
    char miles[GROUPED_TEXT_BYTES];
    grown_add(&text, "%s, %s miles, %s (vacancy %s)", o->area, miles_text(o->distance_metres, miles),
              relation_words(o->relation), o->vacancy_id);
    if (o->agency != NULL && o->agency->name[0])
        grown_add(&text, "; call %s%s%s", o->agency->name, o->agency->phone[0] ? ", " : "", o->agency->phone);
    if (approval_words(o->approval_needed) != NULL)
        grown_add(&text, "; %s", approval_words(o->approval_needed));
    grown_add(&text, ".");
    print_wrapped(out, 0, "", 0, text.text, width);
    grown_free(&text);
}

/* --- the table --------------------------------------------------------------------------------------------------- */

struct columns {
    size_t rule, outcome, asked, found;
};

static size_t larger(size_t a, size_t b)
{
    return a > b ? a : b;
}

static struct columns fit(const Vacancy__V1__Option *o, unsigned width)
{
    struct columns fit = {strlen("rule"), strlen("outcome"), strlen("asked"), 0};
    for (size_t i = 0; i < o->n_reasons; i++) {
        const reason *r = o->reasons[i];
        fit.rule = larger(fit.rule, text_columns(rule_words(r->rule)->name));
        fit.outcome = larger(fit.outcome, text_columns(outcome_words(r->outcome)));
        fit.asked = larger(fit.asked, text_columns(r->asked));
        fit.found = larger(fit.found, text_columns(r->found));
    }
    size_t taken = fit.rule + fit.outcome + 3 * GAP;
    size_t room = larger(width > taken ? width - taken : 0, ASKED_COLUMNS + FOUND_COLUMNS);
    size_t least = larger(room / 3, ASKED_COLUMNS); /* asked may keep a third, and what found leaves */
    if (fit.asked + fit.found > room && fit.asked > least)
        fit.asked = fit.found < room - least ? room - fit.found : least;
    fit.found = room - fit.asked;
    return fit;
}

/* A line's cell: as much of *rest as fits, padded to `columns`; *rest moves on. */
static void print_cell(FILE *out, const char **rest, size_t columns, bool pad)
{
    size_t bytes = text_line_bytes(*rest, columns);
    char *line = must_print("%.*s", (int)bytes, *rest);
    fprintf(out, "%s%*s", line, pad ? (int)(columns - text_columns(line) + GAP) : 0, "");
    free(line);
    *rest += bytes;
    *rest += strspn(*rest, " ");
}

static void print_row(FILE *out, const struct columns *fit, const char *rule, const char *outcome, const char *asked,
                      const char *found)
{
    char *clean_asked = clean_text(asked, 0), *clean_found = clean_text(found, 0);
    const char *rest_asked = clean_asked, *rest_found = clean_found;
    do {
        print_cell(out, &rule, fit->rule, true);
        bool more = *rest_asked || *rest_found;
        print_cell(out, &outcome, fit->outcome, more);
        if (more)
            print_cell(out, &rest_asked, fit->asked, *rest_found != '\0');
        print_cell(out, &rest_found, fit->found, false);
        fputc('\n', out);
    } while (*rest_asked || *rest_found);
    free(clean_asked);
    free(clean_found);
}

static void print_reasons(FILE *out, unsigned width, const Vacancy__V1__Option *o)
{
    struct columns columns = fit(o, width);
    fputc('\n', out);
    print_row(out, &columns, "rule", "outcome", "asked", "found");
    for (size_t i = 0; i < o->n_reasons; i++) {
        const reason *r = o->reasons[i];
        print_row(out, &columns, rule_words(r->rule)->name, outcome_words(r->outcome), r->asked, r->found);
    }
}

void why_text_print(FILE *out, unsigned width, const response_t *response)
{
    print_verdict(out, width, response);
    if (response->option != NULL) {
        print_where(out, width, response->option);
        print_reasons(out, width, response->option);
    }
    find_positions_print(out, width, response->positions, response->n_positions, response->as_of_ms);
}
