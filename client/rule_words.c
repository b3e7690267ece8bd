/*
 * rule_words.c - see rule_words.h. Owns: the words, and nothing of what they are about. Any thread.
 */
#include "client/rule_words.h"

#include "client/memory.h"

#include <stdbool.h>
#include <stdlib.h>

#define RULE(name)     VACANCY__V1__RULE__RULE_##name
#define STEP(name)     VACANCY__V1__ORDER_STEP__ORDER_STEP_##name
#define OUTCOME(name)  VACANCY__V1__REASON__OUTCOME__OUTCOME_##name
#define RELATION(name) VACANCY__V1__AUTHORITY_RELATION__AUTHORITY_RELATION_##name
#define APPROVAL(name) VACANCY__V1__APPROVAL_NEEDED__APPROVAL_NEEDED_##name

static const struct rule_words rules[] = {
    {RULE(H1_APPROVAL), "approval", "agency not active, or approval not in force on the day", NULL},
    {RULE(H2_AVAILABLE), "vacancy", "not vacant on the day, or not confirmed in time",
     "--allow UNCONFIRMED lists them, to telephone first"},
    {RULE(H3_TERMS), "terms of approval", "age, sex or kind of care outside the terms of approval",
     "another --type, or in an emergency --allow EMERGENCY_OUTSIDE_TERMS (at most 6 working days)"},
    {RULE(H4_CAPACITY), "places and beds", "too few beds or places",
     "in an emergency --allow EMERGENCY_OUTSIDE_TERMS (at most 6 working days)"},
    {RULE(H5_FOSTERING_LIMIT), "fostering limit", "more than three children who are not all siblings",
     "--allow FOSTERING_LIMIT_EXEMPTION (the home's authority must grant it)"},
    {RULE(H6_TOGETHER), "staying together", "can't take all the children together",
     "--split, or --split-into 2, if the children may be parted"},
    {RULE(H7_BEDROOM), "bedrooms", "no bedroom for each child over 3",
     "--allow SHARED_BEDROOM (each responsible authority must agree)"},
    {RULE(H8_ACCESSIBILITY), "the home itself", "lacks what the child needs of the home", "fewer --need"},
    {RULE(H9_ALONGSIDE), "children alongside", "other children in the home don't fit --alongside",
     "another --alongside"},
    {RULE(H10_AVOIDED_PLACE), "places to avoid", "too near a place to avoid", "a smaller radius or area in --avoid"},
    {RULE(H11_RISK), "risks", "can't take a risk that was named",
     "--allow RISK_AGREED (social worker and agency must agree)"},
    {RULE(H12_PETS), "pets", "animals in the home don't fit --pets or --no-pet", "fewer --no-pet, or another --pets"},
    {RULE(H13_SPECIALIST), "specialist care", "not approved for this specialist kind of care",
     "another --type, or in an emergency --allow EMERGENCY_OUTSIDE_TERMS (at most 6 working days)"},
    {RULE(H14_KINSHIP), "kinship", "approved for a named child only", NULL},
    {RULE(DISTANCE), "distance", "farther than --within", "a wider --within"},
    {RULE(S1_NEAR_HOME), "near home", "far from home", NULL},
    {RULE(S2_SCHOOL), "school", "far from school", NULL},
    {RULE(S3_IN_AREA), "in area", "outside the area", NULL},
    {RULE(S4_NEAR_SIBLINGS), "near siblings", "far from siblings", NULL},
    {RULE(S5_LANGUAGE), "language", "language not spoken", NULL},
    {RULE(S6_CULTURE), "culture", "cultural needs", NULL},
    {RULE(S7_SKILLS), "skills", "skill not there", NULL},
    {RULE(S8_LENGTH), "long term", "not offered for long", NULL},
    {RULE(S9_IMPACT), "children there", "children there", NULL},
    {RULE(S10_FRESH), "lately confirmed", "not lately confirmed", NULL},
    {RULE(S11_ON_CALL), "on call", "not on call", NULL},
    {RULE(S12_WISHES), "important places", "far from important places", NULL},
    {RULE(S13_SCARCE), "nothing scarce used", "scarce capability used up", NULL},
    {RULE(S14_TIER), "framework tier", "not on the framework", NULL},
    {RULE(S14_RATING), "rating", "rating", NULL},
    {RULE(S15_APPROVED_TODAY), "approved today", "approval due", NULL},
};

const struct rule_words *rule_words(Vacancy__V1__Rule rule)
{
    static const struct rule_words unknown = {0, "another rule", "a rule that this program doesn't know", NULL};
    for (size_t i = 0; i < sizeof rules / sizeof rules[0]; i++)
        if (rules[i].rule == rule)
            return &rules[i];
    return &unknown;
}

const char *outcome_words(Vacancy__V1__Reason__Outcome outcome)
{
    switch (outcome) {
    case OUTCOME(MET):
        return "met";
    case OUTCOME(NOT_MET):
        return "not met";
    case OUTCOME(NOT_KNOWN):
        return "not known";
    case OUTCOME(OVERRIDDEN):
        return "overridden";
    case OUTCOME(FAILED):
        return "FAILED";
    default:
        return "?";
    }
}

const char *relation_words(Vacancy__V1__AuthorityRelation relation)
{
    switch (relation) {
    case RELATION(IN_AREA):
        return "in area";
    case RELATION(ADJOINING):
        return "adjoining";
    case RELATION(ACROSS_WATER):
        return "across water";
    case RELATION(AT_A_DISTANCE):
        return "at a distance";
    default:
        return "not known";
    }
}

const char *approval_word(Vacancy__V1__ApprovalNeeded approval)
{
    return approval == APPROVAL(NOMINATED_OFFICER) ? "officer" : approval == APPROVAL(DIRECTOR) ? "Director" : "";
}

const char *approval_words(Vacancy__V1__ApprovalNeeded approval)
{
    switch (approval) {
    case APPROVAL(NOMINATED_OFFICER):
        return "a nominated officer approves (reg 11)";
    case APPROVAL(DIRECTOR):
        return "the Director of Children's Services approves, the area authority is consulted and given the care plan "
               "(reg 11)";
    default:
        return NULL;
    }
}

/* --- orders ------------------------------------------------------------------------------------------------------ */

static const char *step_words(Vacancy__V1__OrderStep step)
{
    static const struct {
        Vacancy__V1__OrderStep step;
        const char *words;
    } steps[] = {
        {STEP(WITHIN_RULES), "homes that meet every rule"},
        {STEP(DISTANCE_BAND), "the nearest distance band (5, 10, 20, 50 miles, beyond)"},
        {STEP(SCHOOL_KEY_STAGE_4), "school for a child of 14 or 15"},
        {STEP(SCHOOL), "school"},
        {STEP(AREA), "in area (then adjoining)"},
        {STEP(NEAR_SIBLINGS), "near siblings"},
        {STEP(LANGUAGE), "language"},
        {STEP(SKILLS), "skills"},
        {STEP(LENGTH), "long term"},
        {STEP(IMPACT), "few children there, of near ages"},
        {STEP(FRESH), "confirmed in the last 48 hours"},
        {STEP(ON_CALL), "on call"},
        {STEP(WISHES), "important places"},
        {STEP(SCARCE), "nothing scarce used up"},
        {STEP(TIER), "framework tier"},
        {STEP(RATING), "rating"},
        {STEP(APPROVED_TODAY), "approved already"},
        {STEP(CHILDREN_TAKEN), "more of the children in one home"},
    };
    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++)
        if (steps[i].step == step)
            return steps[i].words;
    return "a step that this program doesn't know";
}

static bool is_emergency(const Vacancy__V1__FindVacanciesRequest *r)
{
    return r->purpose == VACANCY__V1__PURPOSE__PURPOSE_EMERGENCY_PLACEMENT ||
           r->care_type == VACANCY__V1__CARE_TYPE__CARE_TYPE_EMERGENCY ||
           r->needed_by == VACANCY__V1__NEEDED_BY__NEEDED_BY_TODAY;
}

/* BSL and Makaton count among the languages. */
static bool asks_language(const Vacancy__V1__FindVacanciesRequest *r)
{
    bool any = r->n_languages > 0;
    for (size_t i = 0; i < r->n_communication_needs; i++)
        any = any || r->communication_needs[i] == VACANCY__V1__COMMUNICATION_NEED__COMMUNICATION_NEED_BSL ||
              r->communication_needs[i] == VACANCY__V1__COMMUNICATION_NEED__COMMUNICATION_NEED_MAKATON;
    return any;
}

static bool is_in_key_stage_4(const Vacancy__V1__FindVacanciesRequest *r)
{
    bool any = false;
    for (size_t i = 0; i < r->n_children; i++)
        any = any || r->children[i]->age_months / 12 == 14 || r->children[i]->age_months / 12 == 15;
    return any;
}

/* A step about something that the request does not ask for leaves all homes alike (proto OrderStep and Rule). */
static bool tells_apart(Vacancy__V1__OrderStep step, const Vacancy__V1__FindVacanciesRequest *r)
{
    switch (step) {
    case STEP(SCHOOL):
        return r->n_school_postcodes > 0;
    case STEP(SCHOOL_KEY_STAGE_4):
        return r->n_school_postcodes > 0 && is_in_key_stage_4(r);
    case STEP(NEAR_SIBLINGS):
        return r->n_sibling_postcodes > 0;
    case STEP(LANGUAGE):
        return asks_language(r);
    case STEP(SKILLS):
        return r->n_skills > 0;
    case STEP(LENGTH):
        return r->care_type == VACANCY__V1__CARE_TYPE__CARE_TYPE_LONG_TERM ||
               r->placement_code == VACANCY__V1__PLACEMENT_CODE__PLACEMENT_CODE_U4;
    case STEP(ON_CALL):
        return is_emergency(r);
    case STEP(WISHES):
        return r->n_important_postcodes > 0;
    case STEP(CHILDREN_TAKEN):
        return r->grouping == VACANCY__V1__GROUPING__GROUPING_SPLIT && r->n_children > 1;
    default:
        return true;
    }
}

/* How many steps the first sentence tells: the rules and the distance where they lead, else the first one. */
static size_t leading_steps(const Vacancy__V1__OrderStep *steps, size_t count)
{
    size_t lead = 0;
    while (lead < count && (steps[lead] == STEP(WITHIN_RULES) || steps[lead] == STEP(DISTANCE_BAND)))
        lead++;
    return lead == 0 && count > 0 ? 1 : lead;
}

char *order_sentences(const char *name, const Vacancy__V1__OrderStep *all, size_t all_count,
                      const Vacancy__V1__FindVacanciesRequest *request)
{
    struct grown_text text = {0};
    Vacancy__V1__OrderStep *steps = must_alloc(all_count + 1, sizeof *steps);
    size_t count = 0;
    for (size_t i = 0; i < all_count; i++)
        if (tells_apart(all[i], request))
            steps[count++] = all[i];
    size_t lead = leading_steps(steps, count);
    grown_add(&text, "Order \"%s\": ", name);
    for (size_t i = 0; i < lead; i++)
        grown_add(&text, "%s%s%s", i ? ", then " : "", step_words(steps[i]), i ? "" : " first");
    if (lead == count) {
        grown_add(&text, "%s the nearer home comes first.", count ? ". Of those that are alike there" : "");
    } else {
        grown_add(&text, ". %s goes by the first of these that tells two homes apart: ",
                  steps[lead - 1] == STEP(DISTANCE_BAND) ? "Within a band it" : "After that it");
        for (size_t i = lead; i < count; i++)
            grown_add(&text, "%s; ", step_words(steps[i]));
        grown_add(&text, "at last the nearer one.");
    }
    free(steps);
    return text.text;
}
