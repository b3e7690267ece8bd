/*
 * match_reasons_should.c - see match_reasons.h and match_reason_text.h.
 *
 * Owns: how each SHOULD comes out for an offer (match_order.c finds the same of 64 at a time), and its words. What may
 * be said: match_reasons.c.
 * Thread: any; pure.
 */
#include "daemon/match/match_order.h"
#include "daemon/match/match_reason_text.h"

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
static const char *const rating_words[] = {"none held", "outstanding", "good", "requires improvement", "inadequate"};

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
    say_more(b, features, reason_feature_words, HOME_FEATURE_END);
    say_more(b, skills, skill_words, SKILL_END);
    say_more(b, care, reason_care_words, CARE_TYPE_END);
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
void reasons_add_shoulds(struct builder *b)
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
