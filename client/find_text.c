/*
 * find_text.c - see find_text.h. Owns: the words for rules, and what to try next. The client's one thread.
 */
#include "client/find_text.h"

#include "client/codes.h"
#include "client/memory.h"
#include "client/screen.h"

#include <stdlib.h>
#include <string.h>

#define LABEL_COLUMNS       10
#define INDENT              3
#define AREA_COLUMNS_LEAST  10
#define WHERE_COLUMNS_LEAST 8
#define CLOCK_AHEAD_MS      10000            /* clocks that are kept by a time server never are */
#define OLD_MS              (60 * 60 * 1000) /* from here on the time says more than the age */

typedef Vacancy__V1__Option option;
typedef Vacancy__V1__Reason reason;

static const struct rule_words {
    Vacancy__V1__Rule rule;
    const char *name;                         /* before what was found */
    const char *failed;                       /* of vacancies that a rule removed: "312 ..." */
    const char *relax;                        /* what to try; NULL: nothing can be relaxed */
    enum { BOTH, NAME_ONLY, FOUND_ONLY } met; /* what says enough when it is met */
} rules[] = {
    {VACANCY__V1__RULE__RULE_H1_APPROVAL, "approval", "agency not active, or approval not in force on the day", NULL,
     NAME_ONLY},
    {VACANCY__V1__RULE__RULE_H2_AVAILABLE, "vacant", "not vacant on the day, or not confirmed in time",
     "a later --starts, or --allow UNCONFIRMED to see those to telephone first", NAME_ONLY},
    {VACANCY__V1__RULE__RULE_H3_TERMS, "terms", "age, sex or kind of care outside the terms of approval",
     "another --type; in an emergency --allow EMERGENCY_OUTSIDE_TERMS (at most 6 working days)", FOUND_ONLY},
    {VACANCY__V1__RULE__RULE_H4_CAPACITY, "beds", "too few beds or places",
     "--split, if the children may be parted; in an emergency --allow EMERGENCY_OUTSIDE_TERMS", FOUND_ONLY},
    {VACANCY__V1__RULE__RULE_H5_FOSTERING_LIMIT, "within the usual limit",
     "more than three children who are not all siblings",
     "--allow FOSTERING_LIMIT_EXEMPTION (the home's authority must grant it)", NAME_ONLY},
    {VACANCY__V1__RULE__RULE_H6_TOGETHER, "together", "can't take all the children together", "--split", BOTH},
    {VACANCY__V1__RULE__RULE_H7_BEDROOM, "bedroom", "no bedroom for each child over 3",
     "--allow SHARED_BEDROOM (each responsible authority must agree)", FOUND_ONLY},
    {VACANCY__V1__RULE__RULE_H8_ACCESSIBILITY, "home", "lacks what the child needs of the home", "fewer --need", BOTH},
    {VACANCY__V1__RULE__RULE_H9_ALONGSIDE, "alongside", "other children in the home don't fit --alongside",
     "another --alongside", BOTH},
    {VACANCY__V1__RULE__RULE_H10_AVOIDED_PLACE, "away from", "too near a place to avoid", "a smaller radius in --avoid",
     BOTH},
    {VACANCY__V1__RULE__RULE_H11_RISK, "risk", "can't take a risk that was named",
     "--allow RISK_AGREED (social worker and agency must agree)", BOTH},
    {VACANCY__V1__RULE__RULE_H12_PETS, "pets", "an animal the child can't live with", "fewer --no-pet", BOTH},
    {VACANCY__V1__RULE__RULE_H13_SPECIALIST, "specialist care", "not approved for this specialist kind of care",
     "another --type; in an emergency --allow EMERGENCY_OUTSIDE_TERMS", BOTH},
    {VACANCY__V1__RULE__RULE_H14_KINSHIP, "offered", "approved for a named child only", NULL, NAME_ONLY},
    {VACANCY__V1__RULE__RULE_DISTANCE, "distance", "farther than --within", "a wider --within", NAME_ONLY},
    {VACANCY__V1__RULE__RULE_S5_LANGUAGE, "language", "language not spoken", "", BOTH},
    {VACANCY__V1__RULE__RULE_S7_SKILLS, "skills", "skill not there", "", BOTH},
    {VACANCY__V1__RULE__RULE_S1_NEAR_HOME, "near home", "far from home", "", BOTH},
    {VACANCY__V1__RULE__RULE_S2_SCHOOL, "school", "far from school", "", BOTH},
    {VACANCY__V1__RULE__RULE_S3_IN_AREA, "in area", "outside the area", "", NAME_ONLY},
    {VACANCY__V1__RULE__RULE_S4_NEAR_SIBLINGS, "near siblings", "far from siblings", "", BOTH},
    {VACANCY__V1__RULE__RULE_S6_CULTURE, "culture", "culture", "", BOTH},
    {VACANCY__V1__RULE__RULE_S8_LENGTH, "long term", "not offered for long", "", NAME_ONLY},
    {VACANCY__V1__RULE__RULE_S9_IMPACT, "children there", "children there", "", BOTH},
    {VACANCY__V1__RULE__RULE_S10_FRESH, "confirmed", "confirmed long ago", "", BOTH},
    {VACANCY__V1__RULE__RULE_S11_ON_CALL, "on call", "not on call", "", NAME_ONLY},
    {VACANCY__V1__RULE__RULE_S12_WISHES, "important places", "far from important places", "", BOTH},
    {VACANCY__V1__RULE__RULE_S13_SCARCE, "scarce capability", "scarce capability used up", "", BOTH},
    {VACANCY__V1__RULE__RULE_S14_TIER, "framework tier", "not on the framework", "", BOTH},
    {VACANCY__V1__RULE__RULE_S14_RATING, "rating", "rating", "", BOTH},
    {VACANCY__V1__RULE__RULE_S15_APPROVED_TODAY, "approved today", "approval due", "", NAME_ONLY},
};

static const struct rule_words *words_of(Vacancy__V1__Rule rule)
{
    static const struct rule_words unknown = {0, "another rule", "a rule that this program doesn't know", NULL, BOTH};
    for (size_t i = 0; i < sizeof rules / sizeof rules[0]; i++)
        if (rules[i].rule == rule)
            return &rules[i];
    return &unknown;
}

static const char *relation_words(Vacancy__V1__AuthorityRelation relation)
{
    switch (relation) {
    case VACANCY__V1__AUTHORITY_RELATION__AUTHORITY_RELATION_IN_AREA:
        return "in area";
    case VACANCY__V1__AUTHORITY_RELATION__AUTHORITY_RELATION_ADJOINING:
        return "adjoining";
    case VACANCY__V1__AUTHORITY_RELATION__AUTHORITY_RELATION_ACROSS_WATER:
        return "across water";
    case VACANCY__V1__AUTHORITY_RELATION__AUTHORITY_RELATION_AT_A_DISTANCE:
        return "at a distance";
    default:
        return "not known";
    }
}

/* --- the table --------------------------------------------------------------------------------------------------- */

static char *care_words(const option *o)
{
    struct grown_text text = {0};
    char word[64];
    grown_add(&text, "%s", "");
    for (size_t i = 0; i < o->n_care_types; i++)
        grown_add(&text, "%s%s", i ? ", " : "",
                  code_words(&vacancy__v1__care_type__descriptor, (int)o->care_types[i], word, sizeof word));
    return text.text;
}

static void print_table(FILE *out, unsigned width, option *const *options, size_t count, int64_t as_of_ms)
{
    static const char *const headings[] = {"", "miles", "area", "authority", "where", "beds", "confirmed", "care"};
    struct table *table = table_create();
    char text[GROUPED_TEXT_BYTES], ago[AGO_TEXT_BYTES];
    for (size_t i = 0; i < sizeof headings / sizeof headings[0]; i++) {
        table_column(table, headings[i], i < 2 || i == 5 ? TABLE_RIGHT : TABLE_LEFT);
        if (i == 2)
            table_may_shrink(table, AREA_COLUMNS_LEAST);
        else if (i == 3)
            table_may_shrink(table, 0); /* the area begins with it */
        else if (i == 4)
            table_may_shrink(table, WHERE_COLUMNS_LEAST);
    }
    for (size_t i = 0; i < count; i++) {
        const option *o = options[i];
        char *care = care_words(o);
        table_cell(table, "%zu", i + 1);
        table_cell(table, "%s", miles_text(o->distance_metres, text));
        table_cell(table, "%s", o->area);
        table_cell(table, "%s", o->home_authority_name[0] ? o->home_authority_name : o->home_authority);
        table_cell(table, "%s", relation_words(o->relation));
        table_cell(table, "%u", o->beds_free);
        table_cell(table, "%s%s", o->unconfirmed ? "run out, " : "", ago_text(o->confirmed_at_ms, as_of_ms, ago));
        table_cell(table, "%s", care);
        free(care);
    }
    table_print(table, out, 0, width);
    table_destroy(table);
}

/* --- each option ------------------------------------------------------------------------------------------------- */

static void add_met(struct grown_text *to, const reason *r)
{
    const struct rule_words *words = words_of(r->rule);
    bool named = words->met != FOUND_ONLY || r->found[0] == '\0',
         found = words->met != NAME_ONLY && r->found[0] != '\0';
    grown_add(to, "%s%s%s%s", to->bytes ? "; " : "", named ? words->name : "", named && found ? ": " : "",
              found ? r->found : "");
}

static void add_overridden(struct grown_text *to, const reason *r)
{
    grown_add(to, "%s%s: %s", to->bytes ? "; " : "", words_of(r->rule)->failed, r->found);
}

static void add_gap(struct grown_text *to, const reason *r)
{
    bool unknown = r->outcome == VACANCY__V1__REASON__OUTCOME__OUTCOME_NOT_KNOWN;
    grown_add(to, "%s%s: asked %s, %s%s", to->bytes ? "; " : "", words_of(r->rule)->name, r->asked,
              unknown || !r->found[0] ? "" : "found ",
              unknown       ? "not known, ask the agency"
              : r->found[0] ? r->found
                            : "not there");
}

static void add_approvals(struct grown_text *to, const option *o)
{
    const char *between = to->bytes ? "; " : "";
    switch (o->relation) {
    case VACANCY__V1__AUTHORITY_RELATION__AUTHORITY_RELATION_ADJOINING:
        grown_add(to, "%sadjoining authority: a nominated officer approves", between);
        break;
    case VACANCY__V1__AUTHORITY_RELATION__AUTHORITY_RELATION_ACROSS_WATER:
        grown_add(to,
                  "%sacross water, check the way there; counts as at a distance: the Director of Children's Services "
                  "approves, the area authority is consulted",
                  between);
        break;
    case VACANCY__V1__AUTHORITY_RELATION__AUTHORITY_RELATION_AT_A_DISTANCE:
        grown_add(to, "%sat a distance: the Director of Children's Services approves, the area authority is consulted",
                  between);
        break;
    default:
        break;
    }
}

static void print_line(FILE *out, unsigned width, const char *label, struct grown_text *text)
{
    if (text->bytes > 0)
        print_wrapped(out, INDENT, label, LABEL_COLUMNS, text->text, width);
    grown_free(text);
}

static void add_contact(struct grown_text *to, const option *o)
{
    const Vacancy__V1__AgencyContact *agency = o->agency;
    if (agency == NULL)
        return;
    grown_add(to, "%s%s", agency->name,
              agency->kind == VACANCY__V1__AGENCY_KIND__AGENCY_KIND_INDEPENDENT ? " (independent)" : "");
    if (agency->phone[0])
        grown_add(to, ", %s", agency->phone);
    if (agency->out_of_hours_phone[0])
        grown_add(to, ", out of hours %s", agency->out_of_hours_phone);
    if (agency->email[0])
        grown_add(to, ", %s", agency->email);
}

static void print_option(FILE *out, unsigned width, size_t number, const option *o, size_t children)
{
    struct grown_text met = {0}, gaps = {0}, needs = {0}, contact = {0};
    for (size_t i = 0; i < o->n_reasons; i++) {
        switch (o->reasons[i]->outcome) {
        case VACANCY__V1__REASON__OUTCOME__OUTCOME_MET:
            add_met(&met, o->reasons[i]);
            break;
        case VACANCY__V1__REASON__OUTCOME__OUTCOME_OVERRIDDEN:
            add_overridden(&needs, o->reasons[i]);
            break;
        default:
            add_gap(&gaps, o->reasons[i]);
        }
    }
    if (o->on_call)
        grown_add(&met, "%stakes a child outside office hours", met.bytes ? "; " : "");
    if (o->children_taken < children)
        grown_add(&gaps, "%stakes %u of the %zu children", gaps.bytes ? "; " : "", o->children_taken, children);
    if (o->unconfirmed)
        grown_add(&gaps, "%sits confirmation has run out: telephone first", gaps.bytes ? "; " : "");
    add_approvals(&needs, o);
    add_contact(&contact, o);
    char *area = clean_text(o->area, 0), *id = clean_text(o->vacancy_id, 0);
    fprintf(out, "\n%zu  %s  (vacancy %s)\n", number, area, id);
    free(area);
    free(id);
    print_line(out, width, "suits", &met);
    print_line(out, width, "gaps", &gaps);
    print_line(out, width, "needs", &needs);
    print_line(out, width, "call", &contact);
}

/* --- why there are few ------------------------------------------------------------------------------------------- */

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

/* Kinship approvals are never offered, and no change of the request brings them. */
static bool is_relaxable(const Vacancy__V1__RuleCount *count)
{
    const char *relax = words_of(count->rule)->relax;
    return relax != NULL && relax[0] != '\0';
}

static void print_removed(FILE *out, unsigned width, Vacancy__V1__RuleCount *const *counts, size_t count)
{
    char number[GROUPED_TEXT_BYTES];
    struct table *table = table_create();
    table_column(table, "ruled out", TABLE_RIGHT);
    table_column(table, "by it alone", TABLE_RIGHT);
    table_column(table, "because", TABLE_LEFT);
    for (size_t i = 0; i < count; i++) {
        if (counts[i]->failed == 0)
            continue;
        table_cell(table, "%s", grouped_text(counts[i]->failed, number));
        table_cell(table, "%s", grouped_text(counts[i]->failed_alone, number));
        table_cell(table, "%s", words_of(counts[i]->rule)->failed);
    }
    if (table_rows(table) > 0)
        table_print(table, out, INDENT - 1, width);
    table_destroy(table);
}

static void print_advice(FILE *out, unsigned width, Vacancy__V1__RuleCount *const *counts, size_t count)
{
    char number[GROUPED_TEXT_BYTES];
    bool any = false;
    for (size_t i = 0; i < count; i++) {
        if (counts[i]->failed_alone == 0 || !is_relaxable(counts[i]))
            continue;
        if (!any)
            fputs("\nTo see more, change one thing:\n", out);
        any = true;
        char *text = must_print("%s more with %s", grouped_text(counts[i]->failed_alone, number),
                                words_of(counts[i]->rule)->relax);
        print_wrapped(out, INDENT - 1, "", 0, text, width);
        free(text);
    }
    if (!any && count > 0)
        fputs("\nNo single change brings more; relax two or more of the above together.\n", out);
}

static void print_why(FILE *out, unsigned width, const Vacancy__V1__FindVacanciesResponse *response)
{
    char number[GROUPED_TEXT_BYTES];
    size_t count = response->n_removed;
    if (response->considered == 0) {
        fputs("\nThere are no vacancies in the register at all.\n", out);
        return;
    }
    if (count == 0)
        return;
    Vacancy__V1__RuleCount **sorted = must_alloc(count, sizeof *sorted);
    memcpy(sorted, response->removed, count * sizeof *sorted);
    qsort(sorted, count, sizeof *sorted, by_alone);
    fprintf(out, "\n%s vacancies were looked at. What ruled them out (one may fail several rules):\n",
            grouped_text(response->considered, number));
    print_removed(out, width, sorted, count);
    print_advice(out, width, sorted, count);
    free(sorted);
}

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

/* The moment, and how old what the hub has of the other regions is. */
static void print_positions(FILE *out, unsigned width, const Vacancy__V1__FindVacanciesResponse *response)
{
    char when[WHEN_TEXT_BYTES], age[AGO_TEXT_BYTES];
    struct grown_text text = {0};
    int64_t oldest_ms = 0;
    size_t remarked = 0;
    fputc('\n', out);
    for (size_t i = 0; i < response->n_positions; i++) {
        const Vacancy__V1__RegionPosition *position = response->positions[i];
        if (add_remark(&text, position, response->as_of_ms)) {
            print_wrapped(out, 0, "", 0, text.text, width);
            remarked++;
        } else if (position->age_ms > oldest_ms) {
            oldest_ms = position->age_ms;
        }
        grown_free(&text);
    }
    grown_add(&text, "As of %s", when_text(response->as_of_ms, when));
    if (response->n_positions - remarked > 1)
        grown_add(&text, "; %s%zu regions are at most %s old", remarked ? "the other " : "all ",
                  response->n_positions - remarked, age_text((oldest_ms + 999) / 1000 * 1000, age));
    grown_add(&text, ".");
    print_wrapped(out, 0, "", 0, text.text, width);
    grown_free(&text);
}

/* A table of all, then each with its reasons. */
static void print_options(FILE *out, unsigned width, option *const *options, size_t count,
                          const Vacancy__V1__FindVacanciesRequest *request,
                          const Vacancy__V1__FindVacanciesResponse *response)
{
    if (count > 0)
        print_table(out, width, options, count, response->as_of_ms);
    for (size_t i = 0; i < count; i++)
        print_option(out, width, i + 1, options[i], request->n_children);
}

void find_text_print(FILE *out, unsigned width, const Vacancy__V1__FindVacanciesRequest *request,
                     const Vacancy__V1__FindVacanciesResponse *response)
{
    size_t wanted = request->limit ? request->limit : 3;
    if (response->n_options == 0)
        fputs("Nothing suits.\n", out);
    print_options(out, width, response->options, response->n_options, request, response);
    if (response->n_phone_first > 0)
        fputs("\nThese suit, but whether they are still vacant has not been confirmed in time. Telephone first:\n\n",
              out);
    print_options(out, width, response->phone_first, response->n_phone_first, request, response);
    if (response->n_options < wanted)
        print_why(out, width, response);
    print_positions(out, width, response);
}
