/*
 * find_request.c - see find_request.h. Owns no state; the client's one thread.
 */
#include "client/find_request.h"

#include "client/codes.h"
#include "client/screen.h"
#include "daemon/base/text.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define METRES_IN_A_MILE     1609.344
#define AVOID_DEFAULT_METRES 1609
#define LIST_MAX             64
#define CODES_BYTES          512

const struct option_spec find_options[] = {
    {"near", "POSTCODE", "where the child's home is: postcode, sector (LS6 1) or outcode (LS6)", false},
    {"child", "AGE[:SEX]",
     "each child: years, or months as 8m; M, F or U. Without a sex: U, which only homes for any sex "
     "suit, so give it",
     true},
    {"type", "TYPE", "kind of care; default SHORT_TERM", false},
    {"ref", "REQUEST", "the request's reference: your authority's DfE number, a hyphen, digits (383-204417)", false},
    {"purpose", "PURPOSE", "why; default PLACEMENT", false},
    {"starts", "DATE", "first day, YYYY-MM-DD; default today", false},
    {"together", NULL, "one home for all the children (the default)", false},
    {"split", NULL, "also homes that can take at least one of them", false},
    {"within", "MILES", "not farther, in a straight line", false},
    {"limit", "N", "most options, 1 to 100; default 3", false},
    {"order", "NAME", "order of the options: default, or nearest (by distance alone)", false},
    {"need", "FEATURE", "what the home must have", true},
    {"risk", "RISK", "what the home must be able to take", true},
    {"no-pet", "ANIMAL", "an animal that the child can't live with", true},
    {"alongside", "WHOM", "whom the child may live with", false},
    {"avoid", "POSTCODE[:METRES]", "a place to keep away from; default 1609 metres, a mile", true},
    {"language", "TAG", "a language hoped for (pl, ur, bfi); never excludes", true},
    {"skill", "SKILL", "a skill hoped for; never excludes", true},
    {"allow", "OVERRIDE", "a rule that may be overridden; what that needs is flagged", true},
    {"json", NULL, "the whole answer as JSON", false},
    {NULL, NULL, NULL, false},
};

static const struct {
    const char *flag, *field;
    const ProtobufCEnumDescriptor *list;
} code_flags[] = {
    {"type", "care_type", &vacancy__v1__care_type__descriptor},
    {"purpose", "purpose", &vacancy__v1__purpose__descriptor},
    {"need", "home_features", &vacancy__v1__home_feature__descriptor},
    {"risk", "risks", &vacancy__v1__risk__descriptor},
    {"no-pet", "no_pets", &vacancy__v1__pet__descriptor},
    {"alongside", "alongside", &vacancy__v1__cared_for_alongside__descriptor},
    {"skill", "skills", &vacancy__v1__skill__descriptor},
    {"allow", "overrides", &vacancy__v1__override__descriptor},
};
#define CODE_FLAGS (sizeof code_flags / sizeof code_flags[0])

void find_print_codes(FILE *out, unsigned width)
{
    char codes[CODES_BYTES], label[32];
    fputs("codes (either case, - for _):\n", out);
    for (size_t i = 0; i < CODE_FLAGS; i++) {
        snprintf(label, sizeof label, "--%s", code_flags[i].flag);
        print_wrapped(out, 2, label, 24, code_list(code_flags[i].list, codes, sizeof codes), width);
    }
}

static enum err wrong(struct problem *problem, const char *flag, const char *format, const char *what)
{
    char field[PROBLEM_FIELD_BYTES], text[PROBLEM_TEXT_BYTES];
    snprintf(field, sizeof field, "--%s", flag);
    snprintf(text, sizeof text, "%s%s", format, what);
    return problem_set(problem, ERR_INVALID, field, "%s", text);
}

/* The value of every flag that takes one code of a list, into the request's field of that name. */
static enum err read_codes(const struct options *options, struct arena *arena,
                           Vacancy__V1__FindVacanciesRequest *request, struct problem *problem)
{
    char codes[CODES_BYTES];
    for (size_t i = 0; i < CODE_FLAGS; i++) {
        const ProtobufCFieldDescriptor *field =
            protobuf_c_message_descriptor_get_field_by_name(request->base.descriptor, code_flags[i].field);
        bool many = field->label == PROTOBUF_C_LABEL_REPEATED;
        int *to = (int *)((char *)request + field->offset);
        size_t count = 0;
        if (many) {
            to = arena_alloc(arena, LIST_MAX * sizeof *to);
            *(int **)((char *)request + field->offset) = to;
        }
        const char *value;
        while ((value = options_nth(options, code_flags[i].flag, count)) != NULL) {
            if (to == NULL || count == LIST_MAX)
                return wrong(problem, code_flags[i].flag, "given too often", "");
            if (!code_parse(code_flags[i].list, value, strlen(value), &to[count]))
                return wrong(problem, code_flags[i].flag, "one of ",
                             code_list(code_flags[i].list, codes, sizeof codes));
            count++;
        }
        if (many)
            *(size_t *)((char *)request + field->quantifier_offset) = count;
    }
    return ERR_NONE;
}

static enum err read_child(const char *text, size_t number, Vacancy__V1__Child *out, struct problem *problem)
{
    const char *colon = strchr(text, ':');
    size_t age_bytes = colon ? (size_t)(colon - text) : strlen(text);
    char field[32];
    int sex = VACANCY__V1__SEX__SEX_U;
    snprintf(field, sizeof field, "child %zu", number);
    if (!age_parse(text, age_bytes, &out->age_months, NULL))
        return wrong(problem, field, "an age in years (14) or months (8m), then :M, :F or :U, as 14:M", "");
    if (colon != NULL && !code_parse(&vacancy__v1__sex__descriptor, colon + 1, strlen(colon + 1), &sex))
        return wrong(problem, field, "after the age comes :M, :F or :U, as 14:M", "");
    out->sex = (Vacancy__V1__Sex)sex;
    return ERR_NONE;
}

static enum err read_children(const struct options *options, struct arena *arena,
                              Vacancy__V1__FindVacanciesRequest *request, struct problem *problem)
{
    const char *value;
    request->children = arena_alloc(arena, LIST_MAX * sizeof *request->children);
    for (size_t i = 0; (value = options_nth(options, "child", i)) != NULL; i++) {
        Vacancy__V1__Child *child = i < LIST_MAX ? arena_alloc(arena, sizeof *child) : NULL;
        if (child == NULL)
            return wrong(problem, "child", "given too often", "");
        vacancy__v1__child__init(child);
        request->children[request->n_children++] = child;
        if (read_child(value, i + 1, child, problem) != ERR_NONE)
            return ERR_INVALID;
    }
    return ERR_NONE;
}

static enum err read_avoided(const struct options *options, struct arena *arena,
                             Vacancy__V1__FindVacanciesRequest *request, struct problem *problem)
{
    const char *value;
    request->avoid = arena_alloc(arena, LIST_MAX * sizeof *request->avoid);
    for (size_t i = 0; (value = options_nth(options, "avoid", i)) != NULL; i++) {
        Vacancy__V1__AvoidedPlace *place = i < LIST_MAX ? arena_alloc(arena, sizeof *place) : NULL;
        if (place == NULL)
            return wrong(problem, "avoid", "given too often", "");
        vacancy__v1__avoided_place__init(place);
        request->avoid[request->n_avoid++] = place;
        const char *colon = strchr(value, ':');
        uint64_t metres = AVOID_DEFAULT_METRES;
        if (colon != NULL && !text_parse_u64(colon + 1, UINT32_MAX, &metres))
            return wrong(problem, "avoid", "a postcode, then a colon and whole metres, as \"LS6 1AB:2000\"", "");
        place->radius_metres = (uint32_t)metres;
        place->postcode = arena_copy_text(arena, value, colon ? (size_t)(colon - value) : strlen(value));
        if (place->postcode == NULL)
            return wrong(problem, "avoid", "too long", "");
    }
    return ERR_NONE;
}

/* No sign, exponent or name of a number: digits and a point. */
static bool miles_from(const char *text, double *out)
{
    char *end;
    if (text[strspn(text, "0123456789.")] != '\0')
        return false;
    *out = strtod(text, &end);
    return *end == '\0' && *out > 0 && *out <= 1000;
}

static enum err read_numbers(const struct options *options, Vacancy__V1__FindVacanciesRequest *request,
                             struct problem *problem)
{
    const char *within = options_text(options, "within"), *limit = options_text(options, "limit");
    if (within != NULL) {
        double miles;
        if (!miles_from(within, &miles))
            return wrong(problem, "within", "miles, more than 0, as 10 or 2.5", "");
        request->within_metres = (uint32_t)lround(miles * METRES_IN_A_MILE);
        request->within_metres += request->within_metres == 0;
    }
    uint64_t number = 0;
    if (limit != NULL && (!text_parse_u64(limit, UINT32_MAX, &number) || number == 0))
        return wrong(problem, "limit", "a whole number, 1 to 100", "");
    request->limit = (uint32_t)number;
    return ERR_NONE;
}

static enum err check_needed(const struct options *options, struct problem *problem)
{
    if (options_text(options, "near") == NULL)
        return wrong(problem, "near", "is needed: where the child's home is, as LS6", "");
    if (options_text(options, "child") == NULL)
        return wrong(problem, "child", "is needed once for each child: age and sex, as 14:M", "");
    if (options_text(options, "ref") == NULL)
        return wrong(problem, "ref", "is needed: your authority's DfE number, a hyphen, digits, as 383-204417", "");
    if (options_flag(options, "together") && options_flag(options, "split"))
        return wrong(problem, "split", "and --together exclude each other", "");
    return ERR_NONE;
}

enum err find_request_make(const struct options *options, struct arena *arena, Vacancy__V1__FindVacanciesRequest **out,
                           struct problem *problem)
{
    Vacancy__V1__FindVacanciesRequest *request = arena_alloc(arena, sizeof *request);
    if (request == NULL)
        return wrong(problem, "child", "given too often", "");
    vacancy__v1__find_vacancies_request__init(request);
    request->care_type = VACANCY__V1__CARE_TYPE__CARE_TYPE_SHORT_TERM;
    request->purpose = VACANCY__V1__PURPOSE__PURPOSE_PLACEMENT;
    request->grouping = options_flag(options, "split") ? VACANCY__V1__GROUPING__GROUPING_SPLIT
                                                       : VACANCY__V1__GROUPING__GROUPING_TOGETHER;
    enum err err = check_needed(options, problem);
    if (err == ERR_NONE)
        err = read_children(options, arena, request, problem);
    if (err == ERR_NONE)
        err = read_codes(options, arena, request, problem);
    if (err == ERR_NONE)
        err = read_avoided(options, arena, request, problem);
    if (err == ERR_NONE)
        err = read_numbers(options, request, problem);
    if (err != ERR_NONE)
        return err;
    request->near_postcode = (char *)options_text(options, "near");
    request->request_reference = (char *)options_text(options, "ref");
    if (options_text(options, "order"))
        request->order_name = (char *)options_text(options, "order");
    if (options_text(options, "starts"))
        request->starts_on = (char *)options_text(options, "starts");
    request->languages = arena_alloc(arena, LIST_MAX * sizeof *request->languages);
    const char *value;
    while ((value = options_nth(options, "language", request->n_languages)) != NULL) {
        if (request->languages == NULL || request->n_languages == LIST_MAX)
            return wrong(problem, "language", "given too often", "");
        request->languages[request->n_languages++] = (char *)value;
    }
    *out = request;
    return ERR_NONE;
}

void find_flag_of_field(char field[PROBLEM_FIELD_BYTES])
{
    static const struct {
        const char *field, *flag;
        bool numbered; /* say which of them */
    } known[] = {
        {"near_postcode", "near", false},  {"children", "child", true},
        {"care_type", "type", false},      {"request_reference", "ref", false},
        {"purpose", "purpose", false},     {"starts_on", "starts", false},
        {"grouping", "split", false},      {"within_metres", "within", false},
        {"limit", "limit", false},         {"home_features", "need", true},
        {"risks", "risk", true},           {"no_pets", "no-pet", true},
        {"alongside", "alongside", false}, {"avoid", "avoid", true},
        {"languages", "language", true},   {"skills", "skill", true},
        {"overrides", "allow", true},      {"order_name", "order", false},
    };
    size_t name_bytes = strcspn(field, ".[");
    unsigned long number = field[name_bytes] == '[' ? strtoul(field + name_bytes + 1, NULL, 10) + 1 : 0;
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        if (strlen(known[i].field) != name_bytes || memcmp(known[i].field, field, name_bytes) != 0)
            continue;
        if (known[i].numbered && number > 0 && number < 1000)
            snprintf(field, PROBLEM_FIELD_BYTES, "--%s %lu", known[i].flag, number);
        else
            snprintf(field, PROBLEM_FIELD_BYTES, "--%s", known[i].flag);
        return;
    }
}
