/*
 * option_text.c - see option_text.h. Owns: what stands where. The client's one thread.
 */
#include "client/option_text.h"

#include "client/codes.h"
#include "client/contact_text.h"
#include "client/memory.h"
#include "client/rule_words.h"
#include "client/screen.h"

#include <stdlib.h>
#include <string.h>

#define LABEL_COLUMNS      12
#define INDENT             3
#define AREA_COLUMNS_LEAST 10
#define FOR_COLUMNS_LEAST  6

typedef Vacancy__V1__Option option;
typedef Vacancy__V1__Reason reason;

/* --- the table --------------------------------------------------------------------------------------------------- */

/* Whom to call is never cut: what the lines below say as well is left out first. */
static struct table *columns(bool parted)
{
    struct table *table = table_create();
    table_column(table, "", TABLE_RIGHT);
    if (parted) {
        table_column(table, "for", TABLE_LEFT);
        table_may_shrink(table, FOR_COLUMNS_LEAST);
    }
    table_column(table, "miles", TABLE_RIGHT);
    table_column(table, "area", TABLE_LEFT);
    table_may_shrink(table, AREA_COLUMNS_LEAST);
    table_column(table, "confirmed", TABLE_LEFT);
    table_may_shrink(table, 0);
    table_column(table, "where", TABLE_LEFT);
    table_column(table, "approval", TABLE_LEFT);
    table_may_shrink(table, 0);
    table_column(table, "beds", TABLE_RIGHT);
    table_column(table, "call", TABLE_LEFT);
    table_keep_last(table);
    return table;
}

void option_table_print(FILE *out, const struct option_style *style, const struct option_row *rows, size_t count)
{
    bool parted = count > 0 && rows[0].children != NULL;
    struct table *table = columns(parted);
    char text[GROUPED_TEXT_BYTES], ago[AGO_TEXT_BYTES];
    for (size_t i = 0; i < count; i++) {
        const option *o = rows[i].option;
        table_cell(table, "%s", rows[i].label);
        if (parted)
            table_cell(table, "%s", rows[i].children);
        table_cell(table, "%s", miles_text(o->distance_metres, text));
        table_cell(table, "%s", o->area);
        table_cell(table, "%s", ago_text(o->confirmed_at_ms, style->as_of_ms, ago));
        table_cell(table, "%s", relation_words(o->relation));
        table_cell(table, "%s", approval_word(o->approval_needed));
        table_cell(table, "%u", o->beds_free);
        table_cell(table, "%s", contact_short(o->agency));
    }
    table_print(table, out, 0, style->width);
    table_destroy(table);
}

/* --- each with its reasons --------------------------------------------------------------------------------------- */

static void print_line(FILE *out, unsigned width, const char *label, struct grown_text *text)
{
    if (text->bytes > 0)
        print_wrapped(out, INDENT, label, LABEL_COLUMNS, text->text, width);
    grown_free(text);
}

/* "pets: asked no dog; found dog". */
static void add_in_full(struct grown_text *to, const reason *r)
{
    grown_add(to, "%s%s%s%s%s%s", rule_words(r->rule)->name, r->asked[0] || r->found[0] ? ": " : "",
              r->asked[0] ? "asked " : "", r->asked, r->asked[0] && r->found[0] ? "; " : "",
              r->found[0] && r->outcome != VACANCY__V1__REASON__OUTCOME__OUTCOME_NOT_KNOWN ? "found " : "");
    grown_add(to, "%s", r->found);
    if (r->outcome == VACANCY__V1__REASON__OUTCOME__OUTCOME_NOT_KNOWN && strstr(r->found, "ask the agency") == NULL)
        grown_add(to, "%sask the agency", r->found[0] ? ": " : "; ");
}

/* Of an override what was asked is plain: who must agree counts. */
static void add_overridden(struct grown_text *to, const reason *r)
{
    grown_add(to, "%s: %s", rule_words(r->rule)->name, r->found);
}

/* A line for each reason of this outcome; the label stands before the first. S3's gap is told by who approves it. */
static void print_reasons(FILE *out, const struct option_style *style, const option *o,
                          Vacancy__V1__Reason__Outcome outcome, const char *label)
{
    for (size_t i = 0; i < o->n_reasons; i++) {
        const reason *r = o->reasons[i];
        struct grown_text text = {0};
        if (r->outcome != outcome || (r->rule == VACANCY__V1__RULE__RULE_S3_IN_AREA && !style->all_reasons &&
                                      approval_words(o->approval_needed) != NULL))
            continue;
        if (outcome == VACANCY__V1__REASON__OUTCOME__OUTCOME_OVERRIDDEN)
            add_overridden(&text, r);
        else
            add_in_full(&text, r);
        print_line(out, style->width, label, &text);
        label = "";
    }
}

static void print_met(FILE *out, const struct option_style *style, const option *o)
{
    struct grown_text text = {0};
    if (style->all_reasons) {
        print_reasons(out, style, o, VACANCY__V1__REASON__OUTCOME__OUTCOME_MET, "met");
        return;
    }
    for (size_t i = 0; i < o->n_reasons; i++)
        if (o->reasons[i]->outcome == VACANCY__V1__REASON__OUTCOME__OUTCOME_MET)
            grown_add(&text, "%s%s", text.bytes ? ", " : "", rule_words(o->reasons[i]->rule)->name);
    print_line(out, style->width, "met", &text);
}

static void print_approval(FILE *out, unsigned width, const option *o)
{
    struct grown_text text = {0};
    const char *words = approval_words(o->approval_needed);
    if (words == NULL)
        return;
    grown_add(&text, "%s%s (%s): %s", relation_words(o->relation),
              o->relation == VACANCY__V1__AUTHORITY_RELATION__AUTHORITY_RELATION_ACROSS_WATER
                  ? ", check the way there; counts as at a distance"
                  : "",
              o->home_authority_name[0] ? o->home_authority_name : o->home_authority, words);
    print_line(out, width, "approval", &text);
}

static void print_offers(FILE *out, const struct option_style *style, const option *o)
{
    struct grown_text text = {0};
    char word[64], ago[AGO_TEXT_BYTES];
    for (size_t i = 0; i < o->n_care_types; i++)
        grown_add(&text, "%s%s", i ? ", " : "",
                  code_words(&vacancy__v1__care_type__descriptor, (int)o->care_types[i], word, sizeof word));
    if (o->on_call)
        grown_add(&text, "%stakes a child outside office hours", text.bytes ? "; " : "");
    if (o->confirmed_at_ms != 0)
        grown_add(&text, "%s%sconfirmed %s", text.bytes ? "; " : "", o->unconfirmed ? "last " : "",
                  ago_text(o->confirmed_at_ms, style->as_of_ms, ago));
    print_line(out, style->width, "offers", &text);
}

static void print_contact(FILE *out, unsigned width, const option *o)
{
    struct grown_text text = {0};
    contact_add(&text, o->agency);
    print_line(out, width, "call", &text);
}

static void print_block(FILE *out, const struct option_style *style, const struct option_row *row)
{
    const option *o = row->option;
    struct grown_text first = {0};
    char *area = clean_text(o->area, 0), *id = clean_text(o->vacancy_id, 0);
    fprintf(out, "\n%s  %s%s%s  (vacancy %s)\n", row->label, area, row->children ? ", for " : "",
            row->children ? row->children : "", id);
    free(area);
    free(id);
    if (o->unconfirmed)
        grown_add(&first, "its confirmation has run out");
    print_line(out, style->width, "phone", &first);
    print_reasons(out, style, o, VACANCY__V1__REASON__OUTCOME__OUTCOME_OVERRIDDEN, "overridden");
    print_approval(out, style->width, o);
    print_reasons(out, style, o, VACANCY__V1__REASON__OUTCOME__OUTCOME_NOT_MET, "not met");
    print_reasons(out, style, o, VACANCY__V1__REASON__OUTCOME__OUTCOME_NOT_KNOWN, "not known");
    if (row->children == NULL && o->children_taken < style->children)
        grown_add(&first, "%u of the %zu children", o->children_taken, style->children);
    print_line(out, style->width, "takes", &first);
    print_met(out, style, o);
    print_offers(out, style, o);
    print_contact(out, style->width, o);
}

void option_blocks_print(FILE *out, const struct option_style *style, const struct option_row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++)
        print_block(out, style, &rows[i]);
}
