/*
 * match_reasons.h - why an option suits, in words. Private to daemon/match. Thread: any; pure.
 */
#ifndef VACANCY_MATCH_MATCH_REASONS_H
#define VACANCY_MATCH_MATCH_REASONS_H

#include "daemon/match/match_rules.h"

/*
 * Fills option->reasons, in the order H1 to H14, distance, S1 to S15, from option->offer, ->agency, ->distance_metres,
 * ->children_taken and ->unconfirmed: every rule that looked at something the request asks for, and the SHOULDs that
 * are always reported. overridden, failed: masks of MUST rules; nothing fails but where one vacancy is explained. Sets
 * option->withheld (match.h), and then there are no reasons but those of failed H1 and H2. The reasons and their texts
 * live in `arena`; false: it is too small, and they are not to be looked at.
 */
bool reasons_fill(const struct asked *asked, uint32_t overridden, uint32_t failed, const struct gazetteer *gazetteer,
                  struct arena *arena, struct option *option) __attribute__((warn_unused_result));

#endif
