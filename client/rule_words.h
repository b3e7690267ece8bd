/*
 * rule_words.h - the rules, outcomes, approvals and orders of a search in the words of a placement team.
 * Thread: any; no state.
 */
#ifndef VACANCY_CLIENT_RULE_WORDS_H
#define VACANCY_CLIENT_RULE_WORDS_H

#include "vacancy/v1/placement_service.pb-c.h"

struct rule_words {
    Vacancy__V1__Rule rule;
    const char *name;   /* "pets": of a reason, and "the rule on pets" */
    const char *failed; /* of vacancies that it removed: "312 ..." */
    const char *relax;  /* what to give instead; NULL: nobody can relax it */
};
/* Never NULL: a rule that this program doesn't know has words too. */
const struct rule_words *rule_words(Vacancy__V1__Rule rule);

/* "met", "not met", "not known", "overridden", "FAILED". */
const char *outcome_words(Vacancy__V1__Reason__Outcome outcome);
/* "at a distance". */
const char *relation_words(Vacancy__V1__AuthorityRelation relation);
/* Who approves, for a column: "officer", "Director"; "" for nobody beyond the ordinary. */
const char *approval_word(Vacancy__V1__ApprovalNeeded approval);
/* The same as a sentence without its full stop; NULL for nobody. */
const char *approval_words(Vacancy__V1__ApprovalNeeded approval);
/*
 * What the order means for this request, in two sentences, without the steps at which all homes are alike because
 * nothing was asked there. The caller frees it.
 */
char *order_sentences(const char *name, const Vacancy__V1__OrderStep *steps, size_t count,
                      const Vacancy__V1__FindVacanciesRequest *request);

#endif
