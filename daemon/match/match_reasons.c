/*
 * match_reasons.c - see match_reasons.h.
 *
 * Owns: what is said of an offer and what is withheld, and the words of the MUSTs, which come judged. The SHOULDs are
 * match_reasons_should.c's. Codes are given as the contract's names in lower case.
 * What may be said: what the card shows, what was asked and whether it is there, and counts. Never a postcode, since
 * when a home is approved, why a place is not available beyond its bucket, that an agency is suspended (design 4.9,
 * domain.md 2.3). Of a vacancy whose card is withheld (match.h) only that H1 or H2 fails, in words that are the same of
 * every home.
 * Thread: any; pure.
 */
#include "daemon/match/match_reason_text.h"

static const char *const sex_words[] = {"any", "M", "F", "U"};
const char *const reason_care_words[CARE_TYPE_END] = {"",
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
const char *const reason_feature_words[HOME_FEATURE_END] = {
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
static const char *const alongside_words[ALONGSIDE_END] = {
    "", "no preference", "solo", "with other children", "only with older", "only with younger"};
static const char *const sharing_words[ROOM_SHARING_END] = {"not stated", "none", "siblings", "by agreement"};
static const char *const bucket_words[BUCKET_END] = {"", " (matching)", " (carer)", " (home)", " (agency)"};

/* --- words ------------------------------------------------------------------------------------------------------ */

static struct reason *begin_must(struct builder *b, enum rule rule)
{
    return begin(b, rule,
                 code_in(b->failed, rule)       ? RULE_FAILED
                 : code_in(b->overridden, rule) ? RULE_OVERRIDDEN
                                                : RULE_MET);
}

static void say_age(struct builder *b, uint32_t months)
{
    if (months < 12)
        SAY(b, months, " months");
    else
        SAY(b, months / 12);
}

/* "5 to 12": 60 and 156 months. */
static void say_ages(struct builder *b, uint32_t from_months, uint32_t below_months)
{
    if (below_months <= from_months) {
        SAY(b, "no age");
        return;
    }
    if (from_months == 0)
        SAY(b, "0");
    else
        say_age(b, from_months);
    SAY(b, " to ");
    say_age(b, below_months <= 12 ? below_months - 1 : below_months - 12 + below_months % 12);
}

static void say_children(struct builder *b)
{
    const struct criteria *criteria = b->asked->criteria;
    for (uint32_t i = 0; i < criteria->child_count; i++) {
        SAY(b, i ? ", " : "");
        say_age(b, criteria->children[i].age_months);
        SAY(b, " ", sex_words[criteria->children[i].sex & 3]);
    }
}

static uint32_t placed(const struct offer *offer)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < offer->child_count; i++)
        count += offer->children[i].placed;
    return count;
}

/* "1 placed", "1 placed, 2 held" */
static void say_fostered(struct builder *b)
{
    const struct offer *offer = &b->option->offer;
    SAY(b, placed(offer), " placed");
    if (offer->beds_held > 0)
        SAY(b, ", ", offer->beds_held, " held");
}

/* --- the MUSTs -------------------------------------------------------------------------------------------------- */

static void say_day(struct builder *b)
{
    char text[DATE_TEXT_BYTES];
    date_format(b->asked->criteria->starts_on, text);
    SAY(b, text);
}

/* What has lapsed was one of these before, or vacant. */
static bool is_not_available(const struct offer *offer)
{
    return offer->state == VACANCY_NOT_AVAILABLE || (offer->state == VACANCY_LAPSED && offer->bucket != BUCKET_NONE);
}

static bool is_reserved(const struct offer *offer)
{
    return offer->state == VACANCY_RESERVED || (offer->state == VACANCY_LAPSED && offer->reserved_until != DATE_NONE);
}

static bool is_placed(const struct offer *offer)
{
    return offer->state == VACANCY_PLACED;
}

/* All that fails H1 looks alike: an agency that is suspended or not known here, an approval that has not begun or is
 * over. No date of the vacancy's is told, nor when it was confirmed: the card would not tell them either. */
static void add_withheld(struct builder *b)
{
    const struct offer *offer = &b->option->offer;
    if (code_in(b->failed, RULE_H1)) {
        begin_must(b, RULE_H1);
        say_day(b);
        found(b);
        SAY(b, "not offered on this day");
    }
    if (code_in(b->failed, RULE_H2)) {
        begin_must(b, RULE_H2);
        say_day(b);
        found(b);
        if (is_not_available(offer))
            SAY(b, "not available", bucket_words[offer->bucket < BUCKET_END ? offer->bucket : 0]);
        else
            SAY(b, is_reserved(offer) ? "reserved" : is_placed(offer) ? "placed" : "not vacant, or not confirmed");
    }
}

/* How long a home has been approved is nobody's business here: in force will do (design 4.9). What fails H1 is
 * withheld. */
static void add_approval(struct builder *b)
{
    char until[DATE_TEXT_BYTES];
    begin_must(b, RULE_H1);
    say_day(b);
    found(b);
    date_format(b->option->offer.approval_ends_on, until);
    SAY(b, "in force", *until ? ", not from " : "", until, *until ? " on" : "");
}

static void say_moment(struct builder *b, int64_t moment_ms)
{
    char moment[TIME_TEXT_BYTES];
    time_format(moment_ms, moment);
    moment[16] = '\0'; /* to the minute */
    SAY(b, moment);
}

/* What is reserved, placed or not available is withheld. */
static void add_available(struct builder *b)
{
    const struct offer *offer = &b->option->offer;
    char from[DATE_TEXT_BYTES], until[DATE_TEXT_BYTES];
    struct reason *reason = begin_must(b, RULE_H2);
    reason->asked = b->reasons[0].asked; /* the day, as of H1 */
    found(b);
    date_format(offer->from, from);
    date_format(offer->until, until);
    SAY(b, offer->state == VACANCY_HELD ? "no bed is free: held" : "vacant", *from ? " from " : "", from,
        *until ? " until " : "", until);
    if (reason->outcome == RULE_MET || !b->option->unconfirmed)
        return;
    if (offer->reported_unavailable_at_ms != 0) {
        SAY(b, "; on ");
        say_moment(b, offer->reported_unavailable_at_ms);
        SAY(b, " a team was told that it is not available");
    } else {
        SAY(b, "; unconfirmed since ");
        say_moment(b, offer->valid_until_ms);
    }
    SAY(b, ", telephone first");
}

#define EMERGENCY_WORDS "; emergency, at most 6 working days (reg 23)"

static void add_terms(struct builder *b)
{
    const struct criteria *criteria = b->asked->criteria;
    const struct offer *offer = &b->option->offer;
    const struct reason *reason = begin_must(b, RULE_H3);
    say_children(b);
    if (!b->asked->specialist)
        SAY(b, ", ", reason_care_words[criteria->care_type]);
    found(b);
    SAY(b, "approved ");
    say_ages(b, offer->approved_age_from_months, offer->approved_age_below_months);
    if (offer->age_from_months != offer->approved_age_from_months ||
        offer->age_below_months != offer->approved_age_below_months) {
        SAY(b, ", offered ");
        say_ages(b, offer->age_from_months, offer->age_below_months);
    }
    SAY(b, " ", sex_words[(offer->sex != SEX_ANY ? offer->sex : offer->approved_sex) & 3]);
    if (offer->sibling_group_only)
        SAY(b, ", sibling groups");
    if (reason->outcome != RULE_MET && !code_in(offer->care_types, criteria->care_type))
        SAY(b, ", not for ", reason_care_words[criteria->care_type]);
    if (reason->outcome == RULE_OVERRIDDEN)
        SAY(b, EMERGENCY_WORDS);
}

static void add_capacity(struct builder *b)
{
    const struct offer *offer = &b->option->offer;
    uint32_t taken = b->option->children_taken, there = placed(offer);
    const struct reason *reason = begin_must(b, RULE_H4);
    SAY(b, taken);
    found(b);
    SAY(b, offer->beds_free, " of ", offer->beds, " beds free");
    if (offer->beds_held > 0)
        SAY(b, ", ", offer->beds_held, " held");
    SAY(b, ", terms ", offer->max_children);
    if (offer->max_children_if_siblings > offer->max_children)
        SAY(b, " (", offer->max_children_if_siblings, " if siblings)");
    if (there > 0)
        SAY(b, ", ", there, " placed");
    if (reason->outcome == RULE_OVERRIDDEN)
        SAY(b, EMERGENCY_WORDS);
}

static void add_limit(struct builder *b)
{
    const struct offer *offer = &b->option->offer;
    const struct reason *reason = begin_must(b, RULE_H5);
    SAY(b, b->option->children_taken);
    found(b);
    say_fostered(b);
    if (reason->outcome == RULE_OVERRIDDEN)
        SAY(b, "; exemption needed from ", authority_name(b->gazetteer, offer->cell.authority));
    else
        SAY(b, ", usual limit ", FOSTERING_LIMIT);
}

static void add_together(struct builder *b)
{
    const struct criteria *criteria = b->asked->criteria;
    if (criteria->child_count < 2)
        return;
    begin_must(b, RULE_H6);
    SAY(b, criteria->child_count, " ", criteria->grouping == GROUPING_SPLIT ? "together or split" : "together");
    found(b);
    SAY(b, "takes ", b->option->children_taken);
}

static void add_bedroom(struct builder *b)
{
    const struct offer *offer = &b->option->offer;
    const struct reason *reason = begin_must(b, RULE_H7);
    const char *sharing = sharing_words[offer->room_sharing < ROOM_SHARING_END ? offer->room_sharing : 0];
    SAY(b, b->asked->over_three, " over 3 of ", b->asked->criteria->child_count);
    found(b);
    SAY(b, "bedrooms: ", offer->bedrooms);
    if (reason->outcome == RULE_OVERRIDDEN) {
        SAY(b, ", sharing: ", sharing, "; needs agreement of each authority");
        return;
    }
    SAY(b, " for ");
    say_fostered(b);
    SAY(b, " and ", b->option->children_taken, " more, sharing: ", sharing);
}

/* "3 places to avoid; measured from the middle of LS6, widened by 2500 m; of LS7 1, by 1071 m". */
static void say_avoided(struct builder *b, const struct criteria *criteria)
{
    bool first = true;
    SAY(b, criteria->avoided_count, " place", criteria->avoided_count > 1 ? "s" : "", " to avoid");
    for (uint32_t i = 0; i < criteria->avoided_count; i++) {
        const struct avoided *avoided = &criteria->avoided[i];
        if (avoided->area[0] == '\0')
            continue;
        SAY(b, first ? "; measured from the middle of " : "; of ", avoided->area, first ? ", widened by " : ", by ",
            avoided->reach_metres, " m");
        first = false;
    }
}

/* What fails is told by what is in the way, and nothing else of the home. */
static void add_home(struct builder *b)
{
    const struct criteria *criteria = b->asked->criteria;
    const struct offer *offer = &b->option->offer;
    if (criteria->home_features) {
        bool met = begin_must(b, RULE_H8)->outcome == RULE_MET;
        say_codes(b, criteria->home_features, reason_feature_words, HOME_FEATURE_END);
        found(b);
        SAY(b, met ? "" : "lacks: ");
        say_codes(b, met ? offer->home_features : criteria->home_features & ~offer->home_features, reason_feature_words,
                  HOME_FEATURE_END);
    }
    if (criteria->alongside > ALONGSIDE_NO_PREFERENCE && criteria->alongside < ALONGSIDE_END) {
        begin_must(b, RULE_H9);
        SAY(b, alongside_words[criteria->alongside]);
        found(b);
        say_fostered(b);
        SAY(b, ", ", offer->child_count - placed(offer), " of the household's own");
    }
    if (criteria->avoided_count) {
        bool met = begin_must(b, RULE_H10)->outcome == RULE_MET;
        say_avoided(b, criteria);
        found(b);
        SAY(b, met ? "no part of the area near" : "some part of the area near");
    }
    if (criteria->risks) {
        const struct reason *reason = begin_must(b, RULE_H11);
        say_codes(b, criteria->risks, risk_words, RISK_END);
        found(b);
        if (reason->outcome == RULE_MET) {
            SAY(b, "none that the home can't take");
        } else {
            SAY(b, reason->outcome == RULE_OVERRIDDEN ? "social worker and agency must agree; " : "", "can't take: ");
            say_codes(b, offer->cannot_take & criteria->risks, risk_words, RISK_END);
        }
    }
}

static void add_pets(struct builder *b)
{
    const struct criteria *criteria = b->asked->criteria;
    const struct offer *offer = &b->option->offer;
    uint32_t against = offer->pets & criteria->no_pets;
    if (criteria->no_pets == 0 && !criteria->pets_must)
        return;
    begin_must(b, RULE_H12);
    SAY(b, criteria->pets_must ? "an animal" : "");
    if (criteria->no_pets) {
        SAY(b, criteria->pets_must ? ", " : "", "no ");
        say_codes(b, criteria->no_pets, pet_words, PET_END);
    }
    found(b);
    say_codes(b, code_in(b->failed, RULE_H12) ? against : offer->pets, pet_words, PET_END);
}

static void add_specialist(struct builder *b)
{
    if (!b->asked->specialist)
        return;
    const struct reason *reason = begin_must(b, RULE_H13);
    SAY(b, reason_care_words[b->asked->criteria->care_type]);
    found(b);
    SAY(b, reason->outcome == RULE_MET ? "approved" : "not approved");
    if (reason->outcome == RULE_OVERRIDDEN)
        SAY(b, EMERGENCY_WORDS);
}

static void add_distance(struct builder *b)
{
    if (b->asked->criteria->within_metres == 0)
        return;
    begin_must(b, RULE_DISTANCE);
    say_tenths(b, b->asked->criteria->within_metres);
    SAY(b, " miles");
    found(b);
    say_tenths(b, b->option->distance_metres);
    SAY(b, " miles");
}
/* --- all of them ------------------------------------------------------------------------------------------------ */

static void add_musts(struct builder *b)
{
    add_approval(b);
    add_available(b);
    add_terms(b);
    add_capacity(b);
    add_limit(b);
    add_together(b);
    add_bedroom(b);
    add_home(b);
    add_pets(b);
    add_specialist(b);
    add_distance(b);
}
/* The texts into the arena, as long as they are. */
static bool keep(const struct builder *b, struct arena *arena, struct option *option)
{
    size_t bytes = (size_t)(b->end - b->text);
    char *text = arena_alloc(arena, bytes);
    option->reasons = arena_alloc(arena, b->count * sizeof *option->reasons);
    if (text == NULL || option->reasons == NULL)
        return false;
    memcpy(text, b->text, bytes);
    for (option->reason_count = 0; option->reason_count < b->count; option->reason_count++) {
        struct reason *reason = &option->reasons[option->reason_count];
        *reason = b->reasons[option->reason_count];
        reason->asked = text + (reason->asked - b->text);
        reason->found = text + (reason->found - b->text);
    }
    return true;
}

bool reasons_fill(const struct asked *asked, uint32_t overridden, uint32_t failed, const struct gazetteer *gazetteer,
                  struct arena *arena, struct option *option)
{
    struct builder b;
    b.asked = asked;
    b.gazetteer = gazetteer;
    b.option = option;
    b.overridden = overridden;
    b.failed = failed;
    b.count = 0;
    b.begun = b.end = b.text;
    option->withheld = code_in(failed, RULE_H1) || is_not_available(&option->offer) || is_reserved(&option->offer) ||
                       is_placed(&option->offer);
    if (option->withheld) {
        add_withheld(&b);
    } else {
        add_musts(&b);
        reasons_add_shoulds(&b);
    }
    *b.end++ = '\0';
    return keep(&b, arena, option);
}
