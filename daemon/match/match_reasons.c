/*
 * match_reasons.c - see match_reasons.h.
 *
 * Owns: the words. An option has passed rules_judge, so each MUST rule is met here or overridden; the preferences S5
 * and S7 are decided here, since they never exclude. Codes are given as the contract's names in lower case.
 * Thread: any; pure. Invariant: no text is longer than REASON_TEXT_BYTES; a longer one is cut.
 */
#include "daemon/match/match_reasons.h"

#include <stdarg.h>
#include <string.h>

static const char *const sex_words[] = {"any", "M", "F", "U"};
static const char *const care_words[CARE_TYPE_END] = {"",
                                                      "emergency",
                                                      "short term",
                                                      "long term",
                                                      "short breaks",
                                                      "respite",
                                                      "parent and child",
                                                      "remand",
                                                      "UASC",
                                                      "fostering for adoption",
                                                      "therapeutic",
                                                      "disabled children",
                                                      "bridging",
                                                      "Staying Put"};
static const char *const feature_words[HOME_FEATURE_END] = {
    "",      "step free", "wheelchair",         "ground floor bedroom", "adapted bathroom",
    "hoist", "lift",      "wheelchair vehicle", "visual alarms",        "smoke free"};
static const char *const pet_words[PET_END] = {"",           "dog", "cat", "small furry", "bird", "reptile or fish",
                                               "farm animal"};
static const char *const risk_words[RISK_END] = {"",
                                                 "self-harm",
                                                 "sexual exploitation",
                                                 "criminal exploitation",
                                                 "drugs or alcohol",
                                                 "eating disorder",
                                                 "missing",
                                                 "physical harm to others",
                                                 "sexual harm to others",
                                                 "fire setting",
                                                 "harm to animals",
                                                 "criminal exploitation of others"};
static const char *const skill_words[SKILL_END] = {"",
                                                   "therapeutic",
                                                   "teenagers",
                                                   "babies",
                                                   "UASC",
                                                   "physical disability",
                                                   "learning disability",
                                                   "autism",
                                                   "complex health",
                                                   "behaviour",
                                                   "parent and child",
                                                   "adoption moves",
                                                   "signing"};
static const char *const alongside_words[ALONGSIDE_END] = {
    "", "no preference", "solo", "with other children", "only with older", "only with younger"};
static const char *const sharing_words[ROOM_SHARING_END] = {"not stated", "none", "siblings", "by agreement"};

struct builder {
    const struct asked *asked;
    uint32_t overridden;
    struct option *option;
};

static struct reason *add(struct builder *b, enum rule rule)
{
    struct reason *reason = &b->option->reasons[b->option->reason_count++];
    *reason = (struct reason){.rule = rule, .outcome = code_in(b->overridden, rule) ? RULE_OVERRIDDEN : RULE_MET};
    return reason;
}

/* Adds text; of printf only %s and %u, which at some forty calls for each option is most of what they cost. */
static void __attribute__((format(printf, 2, 3))) say(char text[REASON_TEXT_BYTES], const char *format, ...)
{
    char *to = text + strlen(text), *end = text + REASON_TEXT_BYTES - 1;
    char digits[] = "4294967295";
    va_list arguments;
    va_start(arguments, format);
    for (; *format && to < end; format++) {
        char *piece = digits + sizeof digits - 1;
        if (*format != '%') {
            *to++ = *format;
            continue;
        }
        if (*++format == 's') {
            piece = va_arg(arguments, char *);
        } else {
            unsigned number = va_arg(arguments, unsigned);
            do
                *--piece = (char)('0' + number % 10);
            while (number /= 10);
        }
        while (*piece && to < end)
            *to++ = *piece++;
    }
    *to = '\0';
    va_end(arguments);
}

static void say_codes(char text[REASON_TEXT_BYTES], uint32_t codes, const char *const *words, uint32_t end)
{
    const char *between = "";
    for (uint32_t code = 1; code < end; code++) {
        if (!code_in(codes, code))
            continue;
        say(text, "%s%s", between, words[code]);
        between = ", ";
    }
    if (*between == '\0')
        say(text, "none");
}

static void say_age(char text[REASON_TEXT_BYTES], uint32_t months)
{
    if (months < 12)
        say(text, "%u months", months);
    else
        say(text, "%u", months / 12);
}

/* "5 to 12": 60 and 156 months. */
static void say_ages(char text[REASON_TEXT_BYTES], uint32_t from_months, uint32_t below_months)
{
    if (below_months <= from_months) {
        say(text, "no age");
        return;
    }
    if (from_months == 0)
        say(text, "0");
    else
        say_age(text, from_months);
    say(text, " to ");
    say_age(text, below_months <= 12 ? below_months - 1 : below_months - 12 + below_months % 12);
}

static void say_children(char text[REASON_TEXT_BYTES], const struct criteria *criteria)
{
    for (uint32_t i = 0; i < criteria->child_count; i++) {
        say(text, i ? ", " : "");
        say_age(text, criteria->children[i].age_months);
        say(text, " %s", sex_words[criteria->children[i].sex & 3]);
    }
}

static uint32_t placed(const struct offer *offer)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < offer->child_count; i++)
        count += offer->children[i].placed;
    return count;
}

static void add_standing(struct builder *b)
{
    const struct offer *offer = &b->option->offer;
    char from[DATE_TEXT_BYTES], until[DATE_TEXT_BYTES], day[DATE_TEXT_BYTES], moment[TIME_TEXT_BYTES];
    date_format(b->asked->criteria->starts_on, day);

    struct reason *approval = add(b, RULE_H1);
    /* How long a home has been approved is nobody's business here: in force will do (design 4.9). */
    date_format(offer->approval_ends_on, until);
    say(approval->asked, "%s", day);
    say(approval->found, "%s", "in force");
    if (*until)
        say(approval->found, ", not from %s on", until);

    struct reason *available = add(b, RULE_H2);
    date_format(offer->from, from);
    date_format(offer->until, until);
    say(available->asked, "%s", day);
    say(available->found, "vacant");
    if (*from)
        say(available->found, " from %s", from);
    if (*until)
        say(available->found, " until %s", until);
    if (available->outcome == RULE_OVERRIDDEN) {
        time_format(offer->valid_until_ms, moment);
        moment[16] = '\0'; /* to the minute */
        say(available->found, "; unconfirmed since %s, telephone first", moment);
    }
}

#define EMERGENCY_WORDS "; emergency, at most 6 working days (reg 23)"

static void add_terms(struct builder *b)
{
    const struct criteria *criteria = b->asked->criteria;
    const struct offer *offer = &b->option->offer;
    struct reason *reason = add(b, RULE_H3);
    say_children(reason->asked, criteria);
    if (!b->asked->specialist)
        say(reason->asked, ", %s", care_words[criteria->care_type]);
    say(reason->found, "approved ");
    say_ages(reason->found, offer->approved_age_from_months, offer->approved_age_below_months);
    if (offer->age_from_months != offer->approved_age_from_months ||
        offer->age_below_months != offer->approved_age_below_months) {
        say(reason->found, ", offered ");
        say_ages(reason->found, offer->age_from_months, offer->age_below_months);
    }
    say(reason->found, " %s", sex_words[(offer->sex != SEX_ANY ? offer->sex : offer->approved_sex) & 3]);
    if (offer->sibling_group_only)
        say(reason->found, ", sibling groups");
    if (reason->outcome == RULE_OVERRIDDEN)
        say(reason->found, EMERGENCY_WORDS);
}

static void add_numbers(struct builder *b, const struct gazetteer *gazetteer)
{
    const struct criteria *criteria = b->asked->criteria;
    const struct offer *offer = &b->option->offer;
    uint32_t taken = b->option->children_taken, there = placed(offer);

    struct reason *capacity = add(b, RULE_H4);
    say(capacity->asked, "%u", taken);
    say(capacity->found, "%u of %u beds free, terms %u", offer->beds_free, offer->beds, offer->max_children);
    if (offer->max_children_if_siblings > offer->max_children)
        say(capacity->found, " (%u if siblings)", offer->max_children_if_siblings);
    if (there > 0)
        say(capacity->found, ", %u placed", there);
    if (capacity->outcome == RULE_OVERRIDDEN)
        say(capacity->found, EMERGENCY_WORDS);

    struct reason *limit = add(b, RULE_H5);
    say(limit->asked, "%u", taken);
    if (limit->outcome == RULE_OVERRIDDEN) {
        const struct authority *authority = gazetteer ? gazetteer_authority(gazetteer, offer->cell.authority) : NULL;
        say(limit->found, "%u placed; exemption needed from %s", there,
            authority ? authority->name : offer->cell.authority);
    } else {
        say(limit->found, "%u placed, usual limit %u", there, FOSTERING_LIMIT);
    }

    if (criteria->child_count > 1) {
        struct reason *together = add(b, RULE_H6);
        say(together->asked, "%u %s", criteria->child_count,
            criteria->grouping == GROUPING_SPLIT ? "together or split" : "together");
        say(together->found, "takes %u", taken);
    }

    struct reason *bedroom = add(b, RULE_H7);
    say(bedroom->asked, "%u over 3 of %u", b->asked->over_three, criteria->child_count);
    say(bedroom->found, "bedrooms: %u for %u placed and %u more, sharing: %s", offer->bedrooms, there, taken,
        sharing_words[offer->room_sharing < ROOM_SHARING_END ? offer->room_sharing : 0]);
    if (bedroom->outcome == RULE_OVERRIDDEN) {
        bedroom->found[0] = '\0';
        say(bedroom->found, "bedrooms: %u, sharing: %s; needs agreement of each authority", offer->bedrooms,
            sharing_words[offer->room_sharing < ROOM_SHARING_END ? offer->room_sharing : 0]);
    }
}

static void add_home(struct builder *b)
{
    const struct criteria *criteria = b->asked->criteria;
    const struct offer *offer = &b->option->offer;
    struct reason *reason;
    if (criteria->home_features) {
        reason = add(b, RULE_H8);
        say_codes(reason->asked, criteria->home_features, feature_words, HOME_FEATURE_END);
        say_codes(reason->found, offer->home_features, feature_words, HOME_FEATURE_END);
    }
    if (criteria->alongside > ALONGSIDE_NO_PREFERENCE && criteria->alongside < ALONGSIDE_END) {
        reason = add(b, RULE_H9);
        say(reason->asked, "%s", alongside_words[criteria->alongside]);
        say(reason->found, "%u placed, %u of the household's own", placed(offer), offer->child_count - placed(offer));
    }
    if (criteria->avoided_count) {
        reason = add(b, RULE_H10);
        say(reason->asked, "%u place%s to avoid", criteria->avoided_count, criteria->avoided_count > 1 ? "s" : "");
        say(reason->found, "no part of the area near");
    }
    if (criteria->risks) {
        reason = add(b, RULE_H11);
        say_codes(reason->asked, criteria->risks, risk_words, RISK_END);
        if (reason->outcome == RULE_OVERRIDDEN) {
            say(reason->found, "social worker and agency must agree; can't take: ");
            say_codes(reason->found, offer->cannot_take & criteria->risks, risk_words, RISK_END);
        } else {
            say(reason->found, "none that the home can't take");
        }
    }
    if (criteria->no_pets) {
        reason = add(b, RULE_H12);
        say(reason->asked, "no ");
        say_codes(reason->asked, criteria->no_pets, pet_words, PET_END);
        say_codes(reason->found, offer->pets, pet_words, PET_END);
    }
    if (b->asked->specialist) {
        reason = add(b, RULE_H13);
        say(reason->asked, "%s", care_words[criteria->care_type]);
        say(reason->found, reason->outcome == RULE_MET ? "approved" : "not approved" EMERGENCY_WORDS);
    }
    if (criteria->within_metres) {
        reason = add(b, RULE_DISTANCE);
        say(reason->asked, "%u m", criteria->within_metres);
        say(reason->found, "%u m", b->option->distance_metres);
    }
}

static bool speaks(const struct offer *offer, const char *tag)
{
    for (uint32_t i = 0; i < offer->language_count; i++)
        if (strcmp(offer->languages[i].tag, tag) == 0)
            return true;
    return false;
}

/* S5 and S7: met when all that was hoped for is there; not known when the home states nothing at all. */
static void add_preferences(struct builder *b)
{
    const struct criteria *criteria = b->asked->criteria;
    const struct offer *offer = &b->option->offer;
    if (criteria->language_count) {
        struct reason *reason = add(b, RULE_S5);
        if (offer->language_count == 0)
            reason->outcome = RULE_NOT_KNOWN;
        for (uint32_t i = 0; i < criteria->language_count; i++) {
            say(reason->asked, "%s%s", i ? ", " : "", criteria->languages[i]);
            if (offer->language_count > 0 && !speaks(offer, criteria->languages[i]))
                reason->outcome = RULE_NOT_MET;
        }
        for (uint32_t i = 0; i < offer->language_count; i++)
            say(reason->found, "%s%s%s", i ? ", " : "", offer->languages[i].tag,
                offer->languages[i].level > 1 ? "" : " (some)");
        if (offer->language_count == 0)
            say(reason->found, "not stated");
    }
    if (criteria->skills) {
        struct reason *reason = add(b, RULE_S7);
        say_codes(reason->asked, criteria->skills, skill_words, SKILL_END);
        if (offer->skills == 0) {
            reason->outcome = RULE_NOT_KNOWN;
            say(reason->found, "not stated");
        } else {
            if ((criteria->skills & ~offer->skills) != 0)
                reason->outcome = RULE_NOT_MET;
            say_codes(reason->found, offer->skills, skill_words, SKILL_END);
        }
    }
}

void reasons_fill(const struct asked *asked, uint32_t overridden, const struct gazetteer *gazetteer,
                  struct option *option)
{
    struct builder builder = {asked, overridden, option};
    option->reason_count = 0;
    add_standing(&builder);
    add_terms(&builder);
    add_numbers(&builder, gazetteer);
    add_home(&builder);
    add_preferences(&builder);
}
