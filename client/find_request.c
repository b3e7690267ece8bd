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
#define FRAMEWORK_TIER_MAX   99
#define REQUEST_ARENA_BYTES  (64u * 1024)

/* A question's flags: the same for find, why and watch, so that a command line can be used for all. */
#define QUESTION_FLAGS                                                                                                 \
    {"near", "POSTCODE", "where the child's home is: postcode, sector (LS6 1) or outcode (LS6)", false},               \
        {"child", "AGE[:SEX]",                                                                                         \
         "each child: years, or months as 8m; M, F or U. Without a sex: U, which only homes for any sex suit, so "     \
         "give it",                                                                                                    \
         true},                                                                                                        \
        {"ref", "REQUEST", "the request's reference: your authority's DfE number, a hyphen, digits (383-204417)",      \
         false},                                                                                                       \
        {"purpose", "PURPOSE", "why; default PLACEMENT", false},                                                       \
        {"type", "TYPE", "kind of care; default SHORT_TERM, or what --placement-code implies", false},                 \
        {"placement-code", "CODE", "what it will be in the SSDA903 return: U4, U5 or U6", false},                      \
        {"starts", "DATE", "first day, YYYY-MM-DD; default today", false},                                             \
        {"needed-by", "WHEN", "when the home is needed; the day itself is --starts, or today", false},                 \
        {"together", NULL, "one home for all the children (the default)", false},                                      \
        {"split", NULL, "also homes that can take at least one of them", false},                                       \
        {"split-into", "N",                                                                                            \
         "when no home takes all children together: the best splits into 2 homes, or, if there are none, 3", false},   \
        {"within", "MILES", "not farther, in a straight line", false},                                                 \
        {"limit", "N", "most options, 1 to 100; default 3", false},                                                    \
        {"need", "FEATURE", "what the home must have", true},                                                          \
        {"risk", "RISK", "what the home must be able to take", true},                                                  \
        {"pets", "WISH", "animals in the home: there must be one, can be, or no animal at all", false},                \
        {"no-pet", "ANIMAL", "an animal that the child can't live with", true},                                        \
        {"alongside", "WHOM", "whom the child may live with", false},                                                  \
        {"avoid", "POSTCODE[:METRES]",                                                                                 \
         "a place to keep away from, or all of a sector or an outcode, and how far round it; default 1609 metres, a "  \
         "mile",                                                                                                       \
         true},                                                                                                        \
        {"school", "POSTCODE", "a school to keep within 10 miles: postcode or sector; never excludes", true},          \
        {"sibling-at", "POSTCODE", "where a sibling is placed, to be within 10 miles of; never excludes", true},       \
        {"important-place", "POSTCODE", "a place to be within 10 miles of: wishes, contact; never excludes", true},    \
        {"language", "TAG", "a language hoped for (pl, ur, bfi); never excludes", true},                               \
        {"communication", "NEED", "how the child needs to communicate; never excludes", true},                         \
        {"culture", "NEED", "cultural needs; reported as a question for the agency, never excludes", false},           \
        {"skill", "SKILL", "a skill hoped for; never excludes", true},                                                 \
        {"allow", "OVERRIDE", "a rule that may be overridden; what that needs is flagged", true},                      \
        {"order", "NAME", "default, nearest, or your authority's own, as 383-sufficiency, with --order-steps", false}, \
        {"order-steps", "STEPS", "the steps of your own order, best first, with commas between", true},                \
        {"framework", "ID[:TIER]", "report whether the agency is on this framework, at that tier or a better one",     \
         false},                                                                                                       \
        {"show-rating", NULL, "report the provider's rating", false},                                                  \
    {                                                                                                                  \
        "no-why", NULL, "don't work out why a short answer is short", false                                            \
    }

#define JSON_FLAG                                                                                                      \
    {                                                                                                                  \
        "json", NULL, "the whole answer as JSON", false                                                                \
    }
#define END_OF_FLAGS                                                                                                   \
    {                                                                                                                  \
        NULL, NULL, NULL, false                                                                                        \
    }

const struct option_spec find_options[] = {
    QUESTION_FLAGS,
    {"reasons", "WHICH", "gaps (the default), with what is met in a line; or all, each in full", false},
    JSON_FLAG,
    END_OF_FLAGS,
};
const struct option_spec why_options[] = {QUESTION_FLAGS, JSON_FLAG, END_OF_FLAGS};
const struct option_spec watch_options[] = {
    QUESTION_FLAGS,
    {"run", "PROGRAM", "a program to run for each change; VACANCY_EVENT and VACANCY_ID tell it which", false},
    {"json", NULL, "each event as JSON, one a line", false},
    {"cursor", "FILE",
     "an agency's: where it is kept how far the events are dealt with; default ~/.local/state/vacancy/"
     "cursor-AGENCY",
     false},
    {"from-now", NULL, "an agency's: only what happens from now on", false},
    END_OF_FLAGS,
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
    {"placement-code", "placement_code", &vacancy__v1__placement_code__descriptor},
    {"needed-by", "needed_by", &vacancy__v1__needed_by__descriptor},
    {"pets", "pets", &vacancy__v1__pets_wish__descriptor},
    {"communication", "communication_needs", &vacancy__v1__communication_need__descriptor},
    {"culture", "cultural_needs", &vacancy__v1__cultural_needs__descriptor},
    {"order-steps", "order_steps", &vacancy__v1__order_step__descriptor},
};
#define CODE_FLAGS (sizeof code_flags / sizeof code_flags[0])

void find_print_codes(FILE *out, unsigned width)
{
    char codes[CODES_BYTES], label[32];
    fputs("codes (either case, - for _; a flag that may be given more than once takes several with commas):\n", out);
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

/* One code, or several with commas between, behind the `count` that are there. */
static enum err read_code_list(const char *flag, const ProtobufCEnumDescriptor *list, const char *value, bool many,
                               int *to, size_t *count, struct problem *problem)
{
    char codes[CODES_BYTES];
    for (bool more = true; more; (*count)++) {
        size_t bytes = many ? strcspn(value, ",") : strlen(value);
        if (to == NULL || *count == LIST_MAX)
            return wrong(problem, flag, "given too often", "");
        if (!code_parse(list, value, bytes, &to[*count]))
            return wrong(problem, flag, "one of ", code_list(list, codes, sizeof codes));
        more = value[bytes] == ',';
        value += bytes + more;
    }
    return ERR_NONE;
}

/* The value of every flag that takes a code of a list, into the request's field of that name. */
static enum err read_codes(const struct options *options, struct arena *arena,
                           Vacancy__V1__FindVacanciesRequest *request, struct problem *problem)
{
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
        for (size_t nth = 0; (value = options_nth(options, code_flags[i].flag, nth)) != NULL; nth++) {
            enum err err = read_code_list(code_flags[i].flag, code_flags[i].list, value, many, to, &count, problem);
            if (err != ERR_NONE)
                return err;
        }
        if (many)
            *(size_t *)((char *)request + field->quantifier_offset) = count;
    }
    return ERR_NONE;
}

/* Texts that go as they are, into the request's field of that name. */
static enum err read_texts(const struct options *options, struct arena *arena,
                           Vacancy__V1__FindVacanciesRequest *request, struct problem *problem)
{
    static const struct {
        const char *flag, *field;
    } flags[] = {
        {"near", "near_postcode"},
        {"ref", "request_reference"},
        {"starts", "starts_on"},
        {"order", "order_name"},
        {"language", "languages"},
        {"school", "school_postcodes"},
        {"sibling-at", "sibling_postcodes"},
        {"important-place", "important_postcodes"},
    };
    for (size_t i = 0; i < sizeof flags / sizeof flags[0]; i++) {
        const ProtobufCFieldDescriptor *field =
            protobuf_c_message_descriptor_get_field_by_name(request->base.descriptor, flags[i].field);
        const char *value = options_text(options, flags[i].flag);
        if (value == NULL)
            continue;
        if (field->label != PROTOBUF_C_LABEL_REPEATED) {
            *(char **)((char *)request + field->offset) = (char *)value;
            continue;
        }
        char **list = arena_alloc(arena, LIST_MAX * sizeof *list);
        size_t count = 0;
        for (; (value = options_nth(options, flags[i].flag, count)) != NULL; count++) {
            if (list == NULL || count == LIST_MAX)
                return wrong(problem, flags[i].flag, "given too often", "");
            list[count] = (char *)value;
        }
        *(char ***)((char *)request + field->offset) = list;
        *(size_t *)((char *)request + field->quantifier_offset) = count;
    }
    return ERR_NONE;
}

/* "E08000035:2": a framework, and the worst tier that will do. */
static enum err read_framework(const struct options *options, struct arena *arena,
                               Vacancy__V1__FindVacanciesRequest *request, struct problem *problem)
{
    const char *value = options_text(options, "framework");
    const char *colon = value ? strrchr(value, ':') : NULL;
    uint64_t tier = 0;
    if (value == NULL)
        return ERR_NONE;
    if (colon == value || *value == '\0' ||
        (colon != NULL && (!text_parse_u64(colon + 1, FRAMEWORK_TIER_MAX, &tier) || tier == 0)))
        return wrong(problem, "framework",
                     "a GSS code or a framework's id, then, if wanted, a colon and the worst "
                     "tier, 1 to 99, as E08000035:2",
                     "");
    request->framework = arena_copy_text(arena, value, colon ? (size_t)(colon - value) : strlen(value));
    request->framework_tier = (uint32_t)tier;
    return request->framework ? ERR_NONE : wrong(problem, "framework", "too long", "");
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

enum err find_children_read(const struct options *options, struct arena *arena, Vacancy__V1__Child ***children,
                            size_t *count, struct problem *problem)
{
    const char *value;
    *children = arena_alloc(arena, LIST_MAX * sizeof **children);
    for (*count = 0; (value = options_nth(options, "child", *count)) != NULL; (*count)++) {
        Vacancy__V1__Child *child = *children && *count < LIST_MAX ? arena_alloc(arena, sizeof *child) : NULL;
        if (child == NULL)
            return wrong(problem, "child", "given too often", "");
        vacancy__v1__child__init(child);
        (*children)[*count] = child;
        if (read_child(value, *count + 1, child, problem) != ERR_NONE)
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
    const char *split_into = options_text(options, "split-into");
    if (split_into != NULL && (!text_parse_u64(split_into, 3, &number) || number < 2))
        return wrong(problem, "split-into", "2 or 3", "");
    request->split_into = split_into ? (uint32_t)number : 0;
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
    const char *reasons = options_text(options, "reasons");
    if (reasons != NULL && strcmp(reasons, "gaps") != 0 && strcmp(reasons, "all") != 0)
        return wrong(problem, "reasons", "gaps or all", "");
    return ERR_NONE;
}

enum err find_request_make(const struct options *options, struct arena *arena, Vacancy__V1__FindVacanciesRequest **out,
                           struct problem *problem)
{
    Vacancy__V1__FindVacanciesRequest *request = arena_alloc(arena, sizeof *request);
    if (request == NULL)
        return wrong(problem, "child", "given too often", "");
    vacancy__v1__find_vacancies_request__init(request);
    /* A placement code says the kind of care, unless it is given. */
    if (options_text(options, "placement-code") == NULL)
        request->care_type = VACANCY__V1__CARE_TYPE__CARE_TYPE_SHORT_TERM;
    request->purpose = VACANCY__V1__PURPOSE__PURPOSE_PLACEMENT;
    request->grouping = options_flag(options, "split") ? VACANCY__V1__GROUPING__GROUPING_SPLIT
                                                       : VACANCY__V1__GROUPING__GROUPING_TOGETHER;
    request->show_rating = options_flag(options, "show-rating");
    if (options_flag(options, "no-why"))
        request->explain = VACANCY__V1__EXPLAIN_WHEN__EXPLAIN_WHEN_NEVER;
    enum err err = check_needed(options, problem);
    if (err == ERR_NONE)
        err = find_children_read(options, arena, &request->children, &request->n_children, problem);
    if (err == ERR_NONE)
        err = read_codes(options, arena, request, problem);
    if (err == ERR_NONE)
        err = read_texts(options, arena, request, problem);
    if (err == ERR_NONE)
        err = read_avoided(options, arena, request, problem);
    if (err == ERR_NONE)
        err = read_framework(options, arena, request, problem);
    if (err == ERR_NONE)
        err = read_numbers(options, request, problem);
    if (err == ERR_NONE)
        *out = request;
    return err;
}

void find_flag_of_field(char field[PROBLEM_FIELD_BYTES])
{
    static const struct option_field known[] = {
        {"near_postcode", "near", false},
        {"children", "child", true},
        {"care_type", "type", false},
        {"request_reference", "ref", false},
        {"purpose", "purpose", false},
        {"starts_on", "starts", false},
        {"grouping", "split", false},
        {"within_metres", "within", false},
        {"limit", "limit", false},
        {"home_features", "need", true},
        {"risks", "risk", true},
        {"no_pets", "no-pet", true},
        {"alongside", "alongside", false},
        {"avoid", "avoid", true},
        {"languages", "language", true},
        {"skills", "skill", true},
        {"overrides", "allow", true},
        {"placement_code", "placement-code", false},
        {"needed_by", "needed-by", false},
        {"split_into", "split-into", false},
        {"pets", "pets", false},
        {"school_postcodes", "school", true},
        {"sibling_postcodes", "sibling-at", true},
        {"important_postcodes", "important-place", true},
        {"communication_needs", "communication", false},
        {"cultural_needs", "culture", false},
        {"order_name", "order", false},
        {"order_steps", "order-steps", false},
        {"framework", "framework", false},
        {"framework_tier", "framework", false},
        {"show_rating", "show-rating", false},
        {"explain", "no-why", false},
    };
    static const char question[] = "question."; /* ExplainVacancy's and WatchVacancies' */
    size_t prefix_bytes = sizeof question - 1, bytes = strnlen(field, PROBLEM_FIELD_BYTES - 1);
    if (bytes > prefix_bytes && memcmp(field, question, prefix_bytes) == 0) {
        memmove(field, field + prefix_bytes, bytes - prefix_bytes);
        field[bytes - prefix_bytes] = '\0';
    }
    options_flag_of_field(known, sizeof known / sizeof known[0], field);
}

enum exit_code find_request_run(struct cli *cli,
                                enum exit_code (*ask)(struct cli *cli, Vacancy__V1__FindVacanciesRequest *question))
{
    struct arena arena;
    struct problem problem = {0};
    Vacancy__V1__FindVacanciesRequest *question = NULL;
    enum exit_code code;
    arena_init(&arena, REQUEST_ARENA_BYTES);
    if (find_request_make(&cli->options, &arena, &question, &problem) != ERR_NONE)
        code = cli_usage(cli, "%s: %s", problem.field, problem.text);
    else
        code = ask(cli, question);
    arena_finish(&arena);
    return code;
}
