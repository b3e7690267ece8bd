/*
 * push_sheet.c - see push_sheet.h. Owns no state; the client's one thread.
 */
#include "client/push_sheet.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#define CARER   "put_carer.carer."
#define TERMS   CARER "terms."
#define VACANCY "put_vacancy.vacancy."
#define GROUP   "groups with ; between, each "

static const struct sheet_column columns[] = {
    {"agency_reference",
     {CARER "agency_reference", VACANCY "agency_reference", "end_carer.agency_reference",
      "withdraw_vacancy.agency_reference"},
     .accepts = "printable ASCII, at most 64 characters, not a name",
     .required = true,
     .help = "your own reference of the household"},
    {"observed_at",
     {CARER "observed_at_ms", VACANCY "observed_at_ms", "end_carer.observed_at_ms", "withdraw_vacancy.observed_at_ms"},
     CELL_MOMENT,
     .help = "when your system saw these facts; empty: now"},
    {"approved_on", {CARER "approved_on"}, CELL_DATE, .help = "day of approval"},
    {"approval_ends_on",
     {CARER "approval_ends_on"},
     CELL_DATE,
     .help = "day from which the approval is no longer in force, if known"},
    {"max_children", {TERMS "max_children"}, .accepts = "1 to 12", .help = "most children, by the terms of approval"},
    {"max_children_if_siblings",
     {TERMS "max_children_if_siblings"},
     .accepts = "1 to 12",
     .help = "most children when all are siblings of each other"},
    {"age_from", {TERMS "age_from_months"}, CELL_AGE_FROM, .help = "youngest age approved"},
    {"age_to", {TERMS "age_below_months"}, CELL_AGE_TO, .help = "oldest age approved, inclusive"},
    {"sex", {TERMS "sex"}, .accepts = "M or F; empty: any", .help = "sex of the children approved for"},
    {"care_types", {TERMS "care_types"}, .help = "kinds of care approved"},
    {"named_child_only",
     {TERMS "named_child_only"},
     .help = "approved for a named child only (kinship): registered, never offered"},
    {"places", {CARER "places"}, .accepts = "1 to 12", .help = "approved fostering places"},
    {"bedrooms", {CARER "bedrooms"}, .accepts = "1 to 12", .help = "bedrooms for fostered children"},
    {"room_sharing", {CARER "room_sharing"}, .help = "whether children may share a bedroom"},
    {"postcode",
     {CARER "home_postcode"},
     .accepts = "a full postcode",
     .help = "of the home; stays with the home hub, shown to nobody but you"},
    {"placed",
     {CARER "placed_children"},
     CELL_PARTS,
     "age_band:sex:sibling_group:responsible_authority",
     GROUP "age band:sex:sibling group 0-9:authority, as 6-8:F:1:E08000035",
     "children placed now",
     false},
    {"household",
     {CARER "household_children"},
     CELL_PARTS,
     "age_band:sex",
     GROUP "age band:sex, as 9-11:M",
     "the household's own children under 18",
     false},
    {"exemptions",
     {CARER "exemptions"},
     CELL_PARTS,
     "authority:children:until",
     GROUP "authority:children[:last day], as E08000035:2:2027-01-31",
     "exemptions from the usual fostering limit",
     false},
    {"home_features", {CARER "home_features"}, .help = "what the home has"},
    {"pets", {CARER "pets"}, .help = "animals in the home"},
    {"cannot_take", {CARER "cannot_take"}, .help = "risks that this home can't take"},
    {"skills", {CARER "skills"}, .help = "skills of the carers"},
    {"training", {CARER "training_level"}, .help = "how far their training goes"},
    {"languages",
     {CARER "languages"},
     CELL_PARTS,
     "tag:level",
     GROUP "tag:level, as pl:FLUENT or ur:CONVERSATIONAL",
     "languages spoken in the home",
     false},
    {"vacancy",
     {VACANCY "state"},
     .kind = CELL_OWN,
     .accepts = "VACANT, RESERVED, NOT_AVAILABLE, or NONE: there is none (withdraws one); empty: says "
                "nothing of it",
     .help = "the vacancy's state"},
    {"reason", {VACANCY "reason"}, .help = "why, when NOT_AVAILABLE"},
    {"beds",
     {VACANCY "beds"},
     .accepts = "1 to 12",
     .help = "all beds of the vacancy, with those that are held or placed"},
    {"vacancy_care_types", {VACANCY "care_types"}, .help = "kinds of care offered; empty: all that are approved"},
    {"available_from", {VACANCY "from"}, CELL_DATE, .help = "first day; empty: from now"},
    {"available_until", {VACANCY "until"}, CELL_DATE, .help = "last day; empty: no end"},
    {"vacancy_age_from",
     {VACANCY "age_from_months"},
     CELL_AGE_FROM,
     .help = "youngest age offered; empty: as approved"},
    {"vacancy_age_to",
     {VACANCY "age_below_months"},
     CELL_AGE_TO,
     .help = "oldest age offered, inclusive; empty: as approved"},
    {"vacancy_sex", {VACANCY "sex"}, .accepts = "M or F; empty: as approved", .help = "sex offered"},
    {"siblings_only", {VACANCY "sibling_group_only"}, .help = "only for siblings of each other"},
    {"on_call", {VACANCY "on_call"}, .help = "takes a child outside office hours"},
    {"reserved_until", {VACANCY "reserved_until"}, CELL_DATE, .help = "until when a RESERVED vacancy is kept"},
    {"ended_on",
     {"end_carer.ends_on"},
     CELL_DATE,
     .help = "the approval ends on this day; the row then ends the carer, and nothing else of it is used"},
    {"end_reason", {"end_carer.reason"}, .accepts = "Ofsted's withdrawal code, AW0 to AW5", .help = "why it ends"},
};

enum { ROOT_CARER, ROOT_VACANCY, ROOT_END, ROOT_WITHDRAW };

const struct sheet push_sheet = {
    .columns = columns,
    .count = sizeof columns / sizeof columns[0],
    .roots = {{"put_carer", &vacancy__v1__put_carer_request__descriptor},
              {"put_vacancy", &vacancy__v1__put_vacancy_request__descriptor},
              {"end_carer", &vacancy__v1__end_carer_request__descriptor},
              {"withdraw_vacancy", &vacancy__v1__withdraw_vacancy_request__descriptor}},
    .root_count = 4,
};

/* Columns that every update needs: a header with no others of a root says nothing of it. */
static const char *const common_columns[] = {"agency_reference", "observed_at", NULL};

static bool read_state(const char *text, struct push_row *row, sheet_complaint complain, void *context)
{
    static const struct {
        const char *word;
        Vacancy__V1__VacancyState state;
    } states[] = {{"VACANT", VACANCY__V1__VACANCY_STATE__VACANCY_STATE_VACANT},
                  {"RESERVED", VACANCY__V1__VACANCY_STATE__VACANCY_STATE_RESERVED},
                  {"NOT_AVAILABLE", VACANCY__V1__VACANCY_STATE__VACANCY_STATE_NOT_AVAILABLE}};
    if (text[0] == '\0')
        return true;
    if (strcasecmp(text, "NONE") == 0) {
        row->vacancy = ROW_VACANCY_NONE;
        return true;
    }
    for (size_t i = 0; i < sizeof states / sizeof states[0]; i++) {
        if (strcasecmp(text, states[i].word) != 0)
            continue;
        row->vacancy = ROW_VACANCY_OFFERED;
        row->put_vacancy->vacancy->state = states[i].state;
        return true;
    }
    complain(context, "vacancy", "write VACANT, RESERVED, NOT_AVAILABLE or NONE, or leave it empty");
    return false;
}

static void fill_moments(struct push_row *row, int64_t now_ms)
{
    int64_t *const moments[] = {&row->put_carer->carer->observed_at_ms, &row->put_vacancy->vacancy->observed_at_ms,
                                &row->end_carer->observed_at_ms, &row->withdraw_vacancy->observed_at_ms};
    for (size_t i = 0; i < sizeof moments / sizeof moments[0]; i++)
        if (*moments[i] == 0)
            *moments[i] = now_ms;
}

bool push_row_read(const struct sheet_map *map, const struct csv_row *row, int64_t now_ms, struct arena *arena,
                   struct push_row *out, sheet_complaint complain, void *context)
{
    ProtobufCMessage *roots[SHEET_ROOTS_MAX];
    *out = (struct push_row){.vacancy = ROW_VACANCY_SILENT};
    if (!sheet_row(&push_sheet, map, row, arena, roots, complain, context))
        return false;
    out->put_carer = (Vacancy__V1__PutCarerRequest *)roots[ROOT_CARER];
    out->put_vacancy = (Vacancy__V1__PutVacancyRequest *)roots[ROOT_VACANCY];
    out->end_carer = (Vacancy__V1__EndCarerRequest *)roots[ROOT_END];
    out->withdraw_vacancy = (Vacancy__V1__WithdrawVacancyRequest *)roots[ROOT_WITHDRAW];
    out->reference = sheet_text(map, row, "agency_reference");
    if (out->reference[0] == '\0') {
        complain(context, "agency_reference", "is empty; every row needs your own reference of the household");
        return false;
    }
    out->with_end = sheet_text(map, row, "ended_on")[0] || sheet_text(map, row, "end_reason")[0];
    out->with_carer = !out->with_end && sheet_feeds(map, "put_carer", common_columns);
    for (char *c = out->end_carer->reason; *c; c++) /* "aw1": codes are taken in either case */
        *c = (char)toupper((unsigned char)*c);
    fill_moments(out, now_ms);
    return out->with_end || read_state(sheet_text(map, row, "vacancy"), out, complain, context);
}

void push_sheet_help(FILE *out, unsigned width)
{
    fputs("columns (the first line names those that the file has, in any order):\n", out);
    sheet_print_columns(&push_sheet, out, width);
}
