/*
 * match_reasons.c - see match_reasons.h.
 *
 * Owns: the words, and how each SHOULD comes out for an offer (match_order.c finds the same of 64 at a time). The MUSTs
 * come judged. Codes are given as the contract's names in lower case.
 * What may be said: what the card shows, what was asked and whether it is there, and counts. Never a postcode, since
 * when a home is approved, why a place is not available beyond its bucket, that an agency is suspended (design 4.9,
 * domain.md 2.3). Of a vacancy whose card is withheld (match.h) only that H1 or H2 fails, in words that are the same of
 * every home.
 * Thread: any; pure. Invariant: no text is longer than REASON_TEXT_BYTES; a longer one is cut.
 */
#include "daemon/match/match_reasons.h"

#include "daemon/gazetteer/grid.h"
#include "daemon/match/match_order.h"

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
static const char *const rating_words[] = {"none held", "outstanding", "good", "requires improvement", "inadequate"};
static const char *const bucket_words[BUCKET_END] = {"", " (matching)", " (carer)", " (home)", " (agency)"};

/*
 * Reasons are written one after the other: asked, then found. Texts stand one behind the other as they will in the
 * arena:
 *
 *     text [ asked 0 found 0 asked 0 found ... ]
 *                            begun ^     ^ end
 */
struct builder {
    const struct asked *asked;
    const struct gazetteer *gazetteer;
    const struct option *option;
    uint32_t overridden, failed, count;
    char *begun, *end, *stop; /* of the text that is being written, and where it must end */
    struct reason reasons[RULE_END];
    char text[2 * RULE_END * REASON_TEXT_BYTES];
};

/* --- writing --------------------------------------------------------------------------------------------------- */

/* What is too much is cut. */
static inline __attribute__((always_inline)) void add(struct builder *b, const char *text, size_t bytes)
{
    size_t room = (size_t)(b->stop - b->end);
    if (bytes <= room) {
        memcpy(b->end, text, bytes);
        b->end += bytes;
    } else {
        memcpy(b->end, text, room);
        b->end = b->stop;
    }
}

/* Of a literal the length is known before: these run a hundred times for each option. */
static inline __attribute__((always_inline)) void add_text(struct builder *b, const char *text)
{
    add(b, text, strlen(text));
}

static void add_number(struct builder *b, uint32_t number)
{
    char digits[] = "4294967295", *end = digits + sizeof digits - 1, *digit = end;
    do
        *--digit = (char)('0' + number % 10);
    while (number /= 10);
    add(b, digit, (size_t)(end - digit));
}

/* SAY(b, piece, ...): up to eight pieces, each a text or a number. */
#define SAY_PIECE(b, piece)                                                                                            \
    _Generic((piece), char * : add_text, const char * : add_text, default : add_number)(b, piece)
#define SAY_1(b, piece)                                     SAY_PIECE(b, piece)
#define SAY_2(b, piece, ...)                                (SAY_PIECE(b, piece), SAY_1(b, __VA_ARGS__))
#define SAY_3(b, piece, ...)                                (SAY_PIECE(b, piece), SAY_2(b, __VA_ARGS__))
#define SAY_4(b, piece, ...)                                (SAY_PIECE(b, piece), SAY_3(b, __VA_ARGS__))
#define SAY_5(b, piece, ...)                                (SAY_PIECE(b, piece), SAY_4(b, __VA_ARGS__))
#define SAY_6(b, piece, ...)                                (SAY_PIECE(b, piece), SAY_5(b, __VA_ARGS__))
#define SAY_7(b, piece, ...)                                (SAY_PIECE(b, piece), SAY_6(b, __VA_ARGS__))
#define SAY_8(b, piece, ...)                                (SAY_PIECE(b, piece), SAY_7(b, __VA_ARGS__))
#define SAY_THESE(_1, _2, _3, _4, _5, _6, _7, _8, say, ...) say
#define SAY(b, ...)                                         SAY_THESE(__VA_ARGS__, SAY_8, SAY_7, SAY_6, SAY_5, SAY_4, SAY_3, SAY_2, SAY_1, 0)(b, __VA_ARGS__)

static void next_text(struct builder *b)
{
    *b->end++ = '\0';
    b->begun = b->end;
    b->stop = b->begun + REASON_TEXT_BYTES - 1;
}

/* From here on it is about another rule, and what was asked; then what was found. */
static struct reason *begin(struct builder *b, enum rule rule, enum rule_outcome outcome)
{
    struct reason *reason = &b->reasons[b->count++];
    next_text(b);
    *reason = (struct reason){.rule = rule, .outcome = outcome, .asked = b->begun};
    return reason;
}

static struct reason *begin_must(struct builder *b, enum rule rule)
{
    return begin(b, rule,
                 code_in(b->failed, rule)       ? RULE_FAILED
                 : code_in(b->overridden, rule) ? RULE_OVERRIDDEN
                                                : RULE_MET);
}

static void found(struct builder *b)
{
    next_text(b);
    b->reasons[b->count - 1].found = b->begun;
}

static void say_codes(struct builder *b, uint32_t codes, const char *const *words, uint32_t end)
{
    const char *between = "";
    for (uint32_t code = 1; code < end; code++) {
        if (!code_in(codes, code))
            continue;
        SAY(b, between, words[code]);
        between = ", ";
    }
    if (*between == '\0')
        SAY(b, "none");
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

/* Of miles: "4.2". */
static void say_tenths(struct builder *b, uint32_t metres)
{
    uint32_t tenths = grid_tenths_of_mile(metres);
    SAY(b, tenths / 10, ".", tenths % 10);
}

static const char *authority_name(const struct gazetteer *gazetteer, const char *gss)
{
    const struct authority *authority = gazetteer ? gazetteer_authority(gazetteer, gss) : NULL;
    return authority ? authority->name : gss;
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
        SAY(b, ", ", care_words[criteria->care_type]);
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
        SAY(b, ", not for ", care_words[criteria->care_type]);
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
        say_codes(b, criteria->home_features, feature_words, HOME_FEATURE_END);
        found(b);
        SAY(b, met ? "" : "lacks: ");
        say_codes(b, met ? offer->home_features : criteria->home_features & ~offer->home_features, feature_words,
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
    SAY(b, care_words[b->asked->criteria->care_type]);
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

/* --- the SHOULDs ------------------------------------------------------------------------------------------------ */

static enum rule_outcome met_if(bool met)
{
    return met ? RULE_MET : RULE_NOT_MET;
}

static void add_near_home(struct builder *b)
{
    begin(b, RULE_S1, met_if(b->option->distance_metres <= NEAR_HOME_METRES));
    SAY(b, "within 20 miles");
    found(b);
    say_tenths(b, b->option->distance_metres);
    SAY(b, " miles");
}

/* S2, S4, S12: near each of these places. */
static void add_near_each(struct builder *b, enum rule rule, const char *one, const char *several,
                          const struct point_wanted *places, uint32_t count)
{
    const struct home_cell *cell = &b->option->offer.cell;
    if (count == 0)
        return;
    struct reason *reason = begin(b, rule, RULE_MET);
    if (count == 1)
        SAY(b, "within 10 miles of ", one);
    else
        SAY(b, "within 10 miles of ", count, " ", several);
    found(b);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t metres = grid_distance_metres((int32_t)cell->point_e_metres, (int32_t)cell->point_n_metres,
                                               (int32_t)places[i].e_metres, (int32_t)places[i].n_metres);
        if (metres > NEARBY_METRES)
            reason->outcome = RULE_NOT_MET;
        SAY(b, i ? ", " : "");
        say_tenths(b, metres);
    }
    SAY(b, " miles");
}

/* Care Planning Regs 2010 reg 11: who approves is told with it. */
static void add_area(struct builder *b)
{
    const char *asking = b->asked->criteria->authority, *home = b->option->offer.cell.authority;
    enum authority_relation relation = relation_between(b->gazetteer, asking, home);
    const char *asking_name = *asking ? authority_name(b->gazetteer, asking) : "not stated";
    begin(b, RULE_S3, met_if(relation == RELATION_IN_AREA));
    SAY(b, asking_name);
    found(b);
    SAY(b, authority_relation_text(relation), " (",
        relation == RELATION_IN_AREA ? asking_name : authority_name(b->gazetteer, home), ")");
    if (relation == RELATION_ADJOINING)
        SAY(b, ": a nominated officer approves (reg 11)");
    else if (relation != RELATION_IN_AREA)
        SAY(b, ": the Director of Children's Services approves, the area authority is consulted (reg 11)");
}

static bool speaks(const struct offer *offer, const char *tag)
{
    for (uint32_t i = 0; i < offer->language_count; i++)
        if (strcmp(offer->languages[i].tag, tag) == 0)
            return true;
    return false;
}

/* S5 and S7: met when all that was hoped for is there; not known when the home states nothing at all. */
static void add_language(struct builder *b)
{
    const struct criteria *criteria = b->asked->criteria;
    const struct offer *offer = &b->option->offer;
    if (criteria->language_count == 0)
        return;
    struct reason *reason = begin(b, RULE_S5, offer->language_count ? RULE_MET : RULE_NOT_KNOWN);
    for (uint32_t i = 0; i < criteria->language_count; i++) {
        SAY(b, i ? ", " : "", criteria->languages[i]);
        if (offer->language_count > 0 && !speaks(offer, criteria->languages[i]))
            reason->outcome = RULE_NOT_MET;
    }
    found(b);
    for (uint32_t i = 0; i < offer->language_count; i++)
        SAY(b, i ? ", " : "", offer->languages[i].tag, offer->languages[i].level > 1 ? "" : " (some)");
    if (offer->language_count == 0)
        SAY(b, "not stated");
}

static void add_culture(struct builder *b)
{
    if (!b->asked->criteria->culture_asked)
        return;
    begin(b, RULE_S6, RULE_NOT_KNOWN);
    SAY(b, "cultural needs");
    found(b);
    SAY(b, "not stated: ask the agency");
}

static void add_skills(struct builder *b)
{
    uint32_t wanted = b->asked->criteria->skills, stated = b->option->offer.skills;
    if (wanted == 0)
        return;
    begin(b, RULE_S7, stated == 0 ? RULE_NOT_KNOWN : met_if((wanted & ~stated) == 0));
    say_codes(b, wanted, skill_words, SKILL_END);
    found(b);
    if (stated == 0)
        SAY(b, "not stated");
    else
        say_codes(b, stated, skill_words, SKILL_END);
}

static void add_length(struct builder *b)
{
    if (!b->asked->criteria->long_term_plan)
        return;
    bool met = begin(b, RULE_S8, met_if(code_in(b->option->offer.care_types, CARE_LONG_TERM)))->outcome == RULE_MET;
    SAY(b, "long term");
    found(b);
    SAY(b, met ? "offered" : "not offered");
}

/* Of an age band at most one away from that of every child asked for. */
static bool ages_are_near(const struct criteria *criteria, const struct offer *offer)
{
    for (uint32_t i = 0; i < criteria->child_count; i++) {
        uint32_t asked = age_band_of(criteria->children[i].age_months);
        for (uint32_t at = 0; at < offer->child_count; at++)
            if (offer->children[at].age_band > asked + 1 || asked > offer->children[at].age_band + 1u)
                return false;
    }
    return true;
}

/*
 * NMS 15.1. Ages of those who live there are not said, but can be inferred: who asks again and again with other ages
 * finds the bands at which the outcome turns, and so a band of three years of a child there. H9's outcome gives the
 * same away; whoever is to be told whether children fit together learns it. Each such question is on the audit trail.
 */
static void add_impact(struct builder *b)
{
    const struct offer *offer = &b->option->offer;
    bool near = ages_are_near(b->asked->criteria, offer);
    begin(b, RULE_S9, met_if(near && offer->child_count <= IMPACT_CHILDREN_MAX));
    SAY(b, "at most ", IMPACT_CHILDREN_MAX, " children there, of near ages");
    found(b);
    if (offer->child_count == 0)
        SAY(b, "none there");
    else
        SAY(b, offer->child_count, " there, ", near ? "of near ages" : "not of near ages");
}

static void add_fresh(struct builder *b)
{
    int64_t age_ms = b->asked->criteria->as_of_ms - b->option->offer.confirmed_at_ms;
    uint32_t hours = age_ms > 0 ? (uint32_t)(age_ms / HOUR_MS) : 0;
    bool reported = b->option->offer.reported_unavailable_at_ms != 0;
    begin(b, RULE_S10, met_if(!reported && age_ms <= FRESH_MS));
    SAY(b, "within 48 hours");
    found(b);
    if (reported) {
        SAY(b, "not since a team was told that it is not available");
        return;
    }
    if (hours < 48)
        SAY(b, "confirmed ", hours, " hour", hours == 1 ? "" : "s", " ago");
    else
        SAY(b, "confirmed ", hours / 24, " days ago");
}

static void add_on_call(struct builder *b)
{
    if (!b->asked->criteria->on_call_asked)
        return;
    begin(b, RULE_S11, met_if(b->option->offer.on_call));
    SAY(b, "outside office hours");
    found(b);
    SAY(b, b->option->offer.on_call ? "on call" : "not on call");
}

static void say_more(struct builder *b, uint32_t codes, const char *const *words, uint32_t end)
{
    if (codes == 0)
        return;
    SAY(b, b->end > b->begun ? ", " : "");
    say_codes(b, codes, words, end);
}

static void add_scarce(struct builder *b)
{
    const struct criteria *criteria = b->asked->criteria;
    const struct offer *offer = &b->option->offer;
    struct scarce unneeded;
    scarce_unneeded(criteria, &unneeded);
    uint32_t features = offer->home_features & unneeded.home_features;
    uint32_t skills = offer->skills & unneeded.skills;
    uint32_t care = offer->care_types & unneeded.care_types;
    bool beds = criteria->child_count == 1 && offer->beds_free >= SCARCE_BEDS;
    bool met = !features && !skills && !care && !beds;
    begin(b, RULE_S13, met_if(met));
    SAY(b, "nothing scarce that is not needed");
    found(b);
    if (met)
        SAY(b, "nothing");
    say_more(b, features, feature_words, HOME_FEATURE_END);
    say_more(b, skills, skill_words, SKILL_END);
    say_more(b, care, care_words, CARE_TYPE_END);
    if (beds)
        SAY(b, b->end > b->begun ? ", " : "", offer->beds_free, " beds free for one child");
}

static void add_tier(struct builder *b)
{
    const struct criteria *criteria = b->asked->criteria;
    uint32_t tier = agency_tier(&b->option->agency, criteria->framework), worst = criteria->framework_tier;
    if (*criteria->framework == '\0')
        return;
    begin(b, RULE_S14_TIER, met_if(tier != TIER_NONE && (worst == 0 || tier <= worst)));
    SAY(b, "framework ", criteria->framework);
    if (worst > 0)
        SAY(b, ", tier ", worst, " or better");
    found(b);
    if (tier == TIER_NONE)
        SAY(b, "not on it");
    else
        SAY(b, "tier ", tier);
}

static void add_rating(struct builder *b)
{
    const struct criteria *criteria = b->asked->criteria;
    uint32_t rating = b->option->agency.rating, count = sizeof rating_words / sizeof rating_words[0];
    bool ordered = false;
    for (uint32_t i = 0; i < criteria->step_count; i++)
        ordered |= criteria->steps[i] == STEP_RATING;
    if (!criteria->rating_asked && !ordered)
        return;
    begin(b, RULE_S14_RATING, rating == 0 ? RULE_NOT_KNOWN : met_if(rating <= 2));
    SAY(b, "good or outstanding");
    found(b);
    SAY(b, rating_words[rating < count ? rating : 0]);
}

static void add_approved_today(struct builder *b)
{
    date_days today = date_of_wall_ms(b->asked->criteria->as_of_ms), approved_on = b->option->offer.approved_on;
    bool met = approved_on == DATE_NONE || approved_on <= today;
    begin(b, RULE_S15, met_if(met));
    SAY(b, "approved today");
    found(b);
    SAY(b, met ? "approved" : "approval due");
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

static void add_shoulds(struct builder *b)
{
    const struct criteria *c = b->asked->criteria;
    add_near_home(b);
    add_near_each(b, RULE_S2, "the school", "schools", c->schools, c->school_count);
    add_area(b);
    add_near_each(b, RULE_S4, "the sibling", "siblings' homes", c->sibling_places, c->sibling_place_count);
    add_language(b);
    add_culture(b);
    add_skills(b);
    add_length(b);
    add_impact(b);
    add_fresh(b);
    add_on_call(b);
    add_near_each(b, RULE_S12, "the place", "important places", c->important, c->important_count);
    add_scarce(b);
    add_tier(b);
    add_rating(b);
    add_approved_today(b);
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
        add_shoulds(&b);
    }
    *b.end++ = '\0';
    return keep(&b, arena, option);
}
