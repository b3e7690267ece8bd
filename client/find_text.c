/*
 * find_text.c - see find_text.h. Owns: the order in which an answer is told, and what to try next. The client's one
 * thread.
 */
#include "client/find_text.h"

#include "client/memory.h"
#include "client/option_text.h"
#include "client/rule_words.h"
#include "client/screen.h"

#include <stdlib.h>
#include <string.h>

#define INDENT         2
#define OPTIONS_WANTED 3                /* when the request has no limit */
#define CLOCK_AHEAD_MS 10000            /* clocks that are kept by a time server never are */
#define OLD_MS         (60 * 60 * 1000) /* from here on the time says more than the age */

typedef Vacancy__V1__FindVacanciesRequest request_t;
typedef Vacancy__V1__FindVacanciesResponse response_t;

static void print_text(FILE *out, unsigned indent, unsigned width, struct grown_text *text)
{
    print_wrapped(out, indent, "", 0, text->text, width);
    grown_free(text);
}

void find_label(const char *letter, size_t at, char out[FIND_LABEL_BYTES])
{
    snprintf(out, FIND_LABEL_BYTES, "%s%zu", letter, at + 1);
}

void find_part_label(size_t split, size_t part, char out[FIND_LABEL_BYTES])
{
    snprintf(out, FIND_LABEL_BYTES, "%zu%c", split + 1, (char)('a' + part % 26));
}

/* --- options, and what is to be phoned first ---------------------------------------------------------------------- */

static void print_options(FILE *out, const struct option_style *style, const char *letter,
                          Vacancy__V1__Option *const *options, size_t count)
{
    struct option_row *rows = must_alloc(count + 1, sizeof *rows);
    for (size_t i = 0; i < count; i++) {
        find_label(letter, i, rows[i].label);
        rows[i].option = options[i];
    }
    option_table_print(out, style, rows, count);
    option_blocks_print(out, style, rows, count);
    free(rows);
}

static void print_phone_first(FILE *out, const struct option_style *style, const response_t *response)
{
    struct grown_text text = {0};
    if (response->n_phone_first == 0)
        return;
    grown_add(&text, "PHONE FIRST: %s, but the confirmation has run out, so %s may be taken.",
              response->n_phone_first == 1 ? "this one suits" : "these suit",
              response->n_phone_first == 1 ? "it" : "they");
    fputc('\n', out);
    print_text(out, 0, style->width, &text);
    fputc('\n', out);
    print_options(out, style, "P", response->phone_first, response->n_phone_first);
}

/* --- siblings in two or three homes ------------------------------------------------------------------------------- */

/* "8 F, 10 M": the children of a part, as they were asked for. */
static char *children_words(const request_t *request, const Vacancy__V1__SplitPart *part)
{
    static const char *const sexes[] = {"?", "M", "F", "U"};
    struct grown_text text = {0};
    grown_add(&text, "%s", "");
    for (size_t i = 0; i < part->n_children; i++) {
        if (part->children[i] >= request->n_children)
            continue;
        const Vacancy__V1__Child *child = request->children[part->children[i]];
        bool months = child->age_months < 12;
        grown_add(&text, "%s%u%s %s", i ? ", " : "", months ? child->age_months : child->age_months / 12,
                  months ? "m" : "", sexes[(unsigned)child->sex < 4 ? child->sex : 0]);
    }
    return text.text;
}

static void print_split(FILE *out, const struct option_style *style, const request_t *request,
                        const Vacancy__V1__Split *split, size_t number)
{
    struct option_row *rows = must_alloc(split->n_parts + 1, sizeof *rows);
    struct grown_text text = {0};
    char between[GROUPED_TEXT_BYTES];
    size_t count = 0;
    for (size_t i = 0; i < split->n_parts; i++) {
        if (split->parts[i]->option == NULL)
            continue;
        find_part_label(number, i, rows[count].label);
        rows[count].children = children_words(request, split->parts[i]);
        rows[count++].option = split->parts[i]->option;
    }
    grown_add(&text, "%s homes, %s%s miles apart:", split->n_parts == 2 ? "Two" : "Three",
              split->n_parts == 2 ? "" : "at most ", miles_text(split->between_metres, between));
    fputc('\n', out);
    print_text(out, 0, style->width, &text);
    option_table_print(out, style, rows, count);
    option_blocks_print(out, style, rows, count);
    for (size_t i = 0; i < count; i++)
        free(rows[i].children);
    free(rows);
}

static void print_splits(FILE *out, const struct option_style *style, const request_t *request,
                         const response_t *response)
{
    struct grown_text text = {0};
    if (response->n_splits == 0)
        return;
    grown_add(&text, "No %shome can take all %zu together.", response->n_phone_first ? "confirmed " : "",
              request->n_children);
    fputc('\n', out);
    print_text(out, 0, style->width, &text);
    for (size_t i = 0; i < response->n_splits; i++)
        print_split(out, style, request, response->splits[i], i);
}

/* --- why there are few, and what would bring more ----------------------------------------------------------------- */

static int by_alone(const void *a, const void *b)
{
    const Vacancy__V1__RuleCount *left = *(Vacancy__V1__RuleCount *const *)a,
                                 *right = *(Vacancy__V1__RuleCount *const *)b;
    if (left->failed_alone != right->failed_alone)
        return left->failed_alone < right->failed_alone ? 1 : -1;
    if (left->failed != right->failed)
        return left->failed < right->failed ? 1 : -1;
    return left->rule < right->rule ? -1 : left->rule > right->rule;
}

static void print_removed(FILE *out, unsigned width, const response_t *response)
{
    char number[GROUPED_TEXT_BYTES];
    size_t count = response->n_removed;
    Vacancy__V1__RuleCount **sorted = must_alloc(count, sizeof *sorted);
    struct table *table = table_create();
    memcpy(sorted, response->removed, count * sizeof *sorted);
    qsort(sorted, count, sizeof *sorted, by_alone);
    table_column(table, "ruled out", TABLE_RIGHT);
    table_column(table, "by it alone", TABLE_RIGHT);
    table_column(table, "because", TABLE_LEFT);
    for (size_t i = 0; i < count; i++) {
        if (sorted[i]->failed == 0)
            continue;
        table_cell(table, "%s", grouped_text(sorted[i]->failed, number));
        table_cell(table, "%s", grouped_text(sorted[i]->failed_alone, number));
        table_cell(table, "%s", rule_words(sorted[i]->rule)->failed);
    }
    if (table_rows(table) > 0)
        table_print(table, out, INDENT, width);
    table_destroy(table);
    free(sorted);
}

/* "3 more, the nearest 12.4 miles away, if the rule on pets is lifted: fewer --no-pet, or another --pets". */
static void print_relaxation(FILE *out, unsigned width, const Vacancy__V1__Relaxation *relaxation)
{
    struct grown_text text = {0};
    char number[GROUPED_TEXT_BYTES], miles[GROUPED_TEXT_BYTES];
    bool several = relaxation->n_rules > 1;
    grown_add(&text, "%s more, %s%s miles away, if the rule%s on ", grouped_text(relaxation->count, number),
              relaxation->count > 1 ? "the nearest " : "", miles_text(relaxation->nearest_metres, miles),
              several ? "s" : "");
    for (size_t i = 0; i < relaxation->n_rules; i++)
        grown_add(&text, "%s%s", i ? " and " : "", rule_words(relaxation->rules[i])->name);
    grown_add(&text, " %s lifted", several ? "are" : "is");
    for (size_t i = 0; i < relaxation->n_rules; i++)
        if (rule_words(relaxation->rules[i])->relax != NULL)
            grown_add(&text, "%s%s", i ? "; and " : ": ", rule_words(relaxation->rules[i])->relax);
    print_text(out, INDENT, width, &text);
}

static void print_why(FILE *out, unsigned width, const response_t *response)
{
    struct grown_text text = {0};
    char number[GROUPED_TEXT_BYTES];
    if (response->considered == 0) {
        fputs("\nThere are no vacancies in the register at all.\n", out);
        return;
    }
    if (response->n_removed == 0)
        return;
    fputc('\n', out);
    grown_add(&text, "%s vacancies were looked at. What ruled them out (one may fail several rules):",
              grouped_text(response->considered, number));
    print_text(out, 0, width, &text);
    print_removed(out, width, response);
    fputc('\n', out);
    grown_add(&text, "%s",
              response->n_relaxations == 0 ? "Lifting one of these rules, or two together, would bring no more."
                                           : "What would bring more, if those who must agree do:");
    print_text(out, 0, width, &text);
    for (size_t i = 0; i < response->n_relaxations; i++)
        print_relaxation(out, width, response->relaxations[i]);
}

/* --- how far the hub has followed the regions ----------------------------------------------------------------------
 */

/* What is to be known of a region before one relies on what is not in the list; false: nothing. */
static bool add_remark(struct grown_text *to, const Vacancy__V1__RegionPosition *position, int64_t as_of_ms)
{
    char age[AGO_TEXT_BYTES], when[WHEN_TEXT_BYTES];
    if (position->missing)
        grown_add(to, "nothing of %s is here yet; its vacancies were not looked at", position->region);
    else if (position->frozen)
        grown_add(to, "%s is frozen as it was proven %s ago; the hub's operator sees why", position->region,
                  age_text(position->age_ms, age));
    else if (position->stale && position->age_ms < OLD_MS)
        grown_add(to, "%s: %s old; telephone before relying on it", position->region, age_text(position->age_ms, age));
    else if (position->stale)
        grown_add(to, "no news from %s since %s; telephone before relying on it", position->region,
                  when_text(as_of_ms - position->age_ms, when));
    else if (position->clock_differs_ms >= CLOCK_AHEAD_MS)
        grown_add(to, "the clock of %s is ahead by %s; what is here of it may be older than %s", position->region,
                  age_text(position->clock_differs_ms, when), age_text(position->age_ms, age));
    return to->bytes > 0;
}

void find_positions_print(FILE *out, unsigned width, Vacancy__V1__RegionPosition *const *positions, size_t count,
                          int64_t as_of_ms)
{
    char when[WHEN_TEXT_BYTES], age[AGO_TEXT_BYTES];
    struct grown_text text = {0};
    int64_t oldest_ms = 0;
    size_t remarked = 0;
    fputc('\n', out);
    for (size_t i = 0; i < count; i++) {
        if (add_remark(&text, positions[i], as_of_ms)) {
            print_wrapped(out, 0, "", 0, text.text, width);
            remarked++;
        } else if (positions[i]->age_ms > oldest_ms) {
            oldest_ms = positions[i]->age_ms;
        }
        grown_free(&text);
    }
    grown_add(&text, "As of %s", when_text(as_of_ms, when));
    if (count - remarked > 1)
        grown_add(&text, "; %s%zu regions are at most %s old", remarked ? "the other " : "all ", count - remarked,
                  age_text((oldest_ms + 999) / 1000 * 1000, age));
    grown_add(&text, ".");
    print_text(out, 0, width, &text);
}

/* --- all of it -----------------------------------------------------------------------------------------------------
 */

/* S0: for people to ask, whatever was found. */
static void print_ask_first(FILE *out, unsigned width, const response_t *response)
{
    if (response->ask_first[0] == '\0')
        return;
    fputc('\n', out);
    print_wrapped(out, 0, "", 0, response->ask_first, width);
}

/* Tenths of miles look as if the very place were known. */
static void print_near(FILE *out, unsigned width, const request_t *request, const response_t *response)
{
    struct grown_text text = {0};
    const char *precision = response->near_precision;
    bool outcode = strcmp(precision, "outcode") == 0;
    if ((!outcode && strcmp(precision, "sector") != 0) ||
        response->n_options + response->n_phone_first + response->n_splits == 0)
        return;
    char *near = clean_text(request->near_postcode, 0);
    grown_add(&text, "Miles are measured from the middle of the %s of %s.", precision, near);
    free(near);
    fputc('\n', out);
    print_text(out, 0, width, &text);
}

static void print_order(FILE *out, unsigned width, const request_t *request, const response_t *response)
{
    if (response->n_options + response->n_phone_first < 2)
        return;
    char *text = order_sentences(response->policy, response->order_steps, response->n_order_steps, request);
    fputc('\n', out);
    print_wrapped(out, 0, "", 0, text, width);
    free(text);
}

void find_text_print(FILE *out, unsigned width, bool all_reasons, const request_t *request, const response_t *response)
{
    struct option_style style = {width, request->n_children, all_reasons, response->as_of_ms};
    size_t wanted = request->limit ? request->limit : OPTIONS_WANTED;
    if (response->n_options == 0)
        fputs("Nothing suits.\n", out);
    else
        print_options(out, &style, "", response->options, response->n_options);
    print_phone_first(out, &style, response);
    print_splits(out, &style, request, response);
    if (response->n_options < wanted && request->explain != VACANCY__V1__EXPLAIN_WHEN__EXPLAIN_WHEN_NEVER)
        print_why(out, width, response);
    print_near(out, width, request, response);
    print_order(out, width, request, response);
    print_ask_first(out, width, response);
    find_positions_print(out, width, response->positions, response->n_positions, response->as_of_ms);
}
