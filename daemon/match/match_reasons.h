/*
 * match_reasons.h - why an option suits, in words. Private to daemon/match. Thread: any; pure.
 */
#ifndef VACANCY_MATCH_MATCH_REASONS_H
#define VACANCY_MATCH_MATCH_REASONS_H

#include "daemon/match/match_rules.h"

/*
 * Fills option->reasons, in the order of the rules, from option->offer, ->agency, ->distance_metres and
 * ->children_taken: every rule that looked at something the request asked for.
 */
void reasons_fill(const struct asked *asked, uint32_t overridden, const struct gazetteer *gazetteer,
                  struct option *option);

#endif
