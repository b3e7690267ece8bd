"""Each rule of the matching, each override, SHOULD, step of an order, relaxation and split, and what keeps lists and
regions apart: taken out of the code, the oracle must notice within some thousand comparisons.

A mutant is the shipped source with one piece of text replaced, compiled into the oracle's program in place of the
original. It must build, and the oracle must end with a mismatch (or die of the mutation), not for want of a quota.
"""
import concurrent.futures
import glob
import os
import shlex
import subprocess

import pytest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.environ.get("BUILD", "build/plain")
LIBRARIES = ["-lcrypto", "-lprotobuf-c", "-lm"]
COMPILE_BOUND_S = 300
SEED, SCALE, BOUND_S = "20261122", "0.08", 60   # 24,000 comparisons, and 200 with a register of 9,000 homes

RULES = "daemon/match/match_rules.c"
SEARCH = "daemon/match/match_search.c"
WHY = "daemon/match/match_why.c"
FIND = "daemon/match/match_find.c"
REASONS = "daemon/match/match_reasons.c"
SHOULDS = "daemon/match/match_reasons_should.c"
INDEX = "daemon/match/match_index.c"
INDEX_H = "daemon/match/match_index.h"
PLACES = "daemon/match/match_places.c"
ORDER = "daemon/match/match_order.c"
TREE = "daemon/match/match_tree.c"
SIBLINGS = "daemon/match/match_siblings.c"
COMBINE = "daemon/match/match_combine.c"
EXPLAIN = "daemon/match/match_explain.c"
OFFER = "daemon/record/offer.c"

# name: (source, text that is there exactly once, its replacement)
MUTANTS = {
    # A rule switched off, wholly or in part.
    "H1": (RULES, "~h1_approval(f, agency_active, a)", "0"),
    "H1 agency": (RULES, "return agency_active & ", "return "),
    "H1 approved later": (RULES, "before(f->approved_on, f->all_approved_on, a->day + 1) &", ""),
    "H1 approval ended": (RULES, "~before(f->approval_ends_on, f->all_approval_ends_on, a->day + 1)", "all(true)"),
    "H2": (RULES, "unavailable = ~h2_available(f, a)", "unavailable = 0"),
    "H2 state": (RULES, "return f->vacant[0] & ", "return "),
    "H2 from": (RULES, "before(f->from, f->all_from, a->day + 1) & ", ""),
    "H2 until": (RULES, "~before(f->until, f->all_until, a->day)", "all(true)"),
    "H2 until, that day": (RULES, "~before(f->until, f->all_until, a->day)", "~before(f->until, f->all_until, a->day + 1)"),
    "H2 confirmation": (RULES, "if (f->first_valid_until_ms > a->criteria->as_of_ms)", "if (true)"),
    "H2 kept back": (RULES, " && !kept_back", ""),
    "H3 for one group": (RULES, "lanes fit = h3_children(f, a, a->youngest_months, a->oldest_months, a->sexes);",
                         "lanes fit = all(true);"),
    "H3 for a split": (RULES, "lanes inside = h3_children(f, a, age, age, BIT(child->sex)),", "lanes inside = all(true),"),
    "H3 youngest": (RULES, "at_most(f->age_from_months, AGE_BITS, youngest) & ", ""),
    "H3 oldest": (RULES, "~at_most(f->age_below_months, AGE_BITS, oldest)",
                  "~below(f->age_below_months, AGE_BITS, oldest)"),
    "H3 sex": (RULES, "with_every(f->sexes, SEX_U + 1, sexes)", "all(true)"),
    "H3 kind of care": (RULES, "(approved & ~h3_care_type(f, a))", "0"),
    "H3 sibling groups only": (RULES, "lanes enough = ~f->sibling_group_only[0] | all(a->criteria->child_count > 1);",
                               "lanes enough = all(true);"),
    "H3 Staying Put": (RULES, "all(!a->staying_put || youngest >= STAYING_PUT_FROM_MONTHS)", "all(true)"),
    "H4 beds": (RULES, "out->no_bed = is_less(number_of(f->beds_free), count);", "out->no_bed = 0;"),
    "H4 beds for one": (RULES, "out->no_bed = choose(nobody, ~is_some(beds), out->no_bed);",
                        "out->no_bed = choose(nobody, 0, out->no_bed);"),
    "H4 terms": (RULES, " | is_less(h4_terms_cap(f, a), count);", ";"),
    "H4 if siblings": (RULES, "if (fostered == 0 && offer->max_children_if_siblings > most)", "if (false)"),
    "H5": (RULES, "out->h5 = is_less(h5_limit_cap(f, a), count);", "out->h5 = 0;"),
    "H5 one sibling group": (RULES, "return fostered == 0 ? NUMBER_MOST : ", "return "),
    "H5 in a split": (RULES, "? no_cap : h5_limit_cap(f, a);", "? no_cap : no_cap;"),
    "H6": (RULES, "a->together ? ~room_for_all : 0", "0"),
    "H7": (RULES, "out->h7 = is_less(number_of(f->bedroom_cap), over_three);", "out->h7 = 0;"),
    "H7 sharing": (RULES, "may_share && bedrooms_free > 0 ? NUMBER_MOST", "false ? NUMBER_MOST"),
    "H7 siblings placed": (RULES, "if (siblings_may_share && child->sibling_group != 0 && *word & bit)", "if (false)"),
    "H7 over three": (RULES, "OVER_THREE_MONTHS       36", "OVER_THREE_MONTHS       48"),
    "H8": (RULES, "~h8_features(f, a)", "0"),
    "H9 home": (RULES, "fit.h9 | ~h9_home(f, a)", "fit.h9"),
    "H4 beds held": (RULES, ".terms_cap = terms_cap(offer, fostered),", ".terms_cap = terms_cap(offer, fostered - held),"),
    "H5 beds held": (RULES, ".limit_cap = limit_cap(fostered),", ".limit_cap = limit_cap(fostered - held),"),
    "H7 beds held": (RULES, "uint32_t needed = coming(offer);", "uint32_t needed = 0;"),
    "H9 solo, beds held": (RULES, "~(somebody | f->bands_at_home[AGE_NONE])", "~somebody"),
    "H9 others, beds held": (RULES, "lanes somebody = with_any(f->bands_at_home, AGE_BAND_END, BANDS_KNOWN);",
                             "lanes somebody = with_any(f->bands_at_home, AGE_BAND_END, BIT(AGE_BAND_END) - 1);"),
    "H9 ages, beds held": (RULES, "uint32_t against = BIT(AGE_NONE);", "uint32_t against = 0;"),
    "S9 beds held": (ORDER, "for (uint32_t home = AGE_0_2; home < AGE_BAND_END; home++)",
                     "for (uint32_t home = 0; home < AGE_BAND_END; home++)"),
    "the tree, solo, beds held": (TREE, "traits[TRAIT_nobody] = ~(somebody | f->bands_at_home[AGE_NONE]);",
                                  "traits[TRAIT_nobody] = ~(somebody | ~f->bands_at_home[AGE_NONE]);"),
    "beds held untold": (OFFER, "out->beds_held = beds_held(home);", ";"),
    "beds held not sent": (OFFER, "m->beds_held = offer->beds_held;", ";"),
    "beds held not read": (OFFER, "out->beds_held = m->beds_held;", ";"),
    "H9 ages": (RULES, "return ~with_any(f->bands_at_home, AGE_BAND_END, against);", "return all(true);"),
    "H9 older": (RULES, "age_band_from_months(band) > oldest", "age_band_from_months(band) >= oldest"),
    "H9 younger": (RULES, "age_band_below_months(band) <= youngest", "age_band_below_months(band) < youngest"),
    "H10": (RULES, "~h10_avoided(f, used, a)", "0"),
    "H11": (RULES, "~h11_risks(f, a)", "0"),
    "H12 an animal": (RULES, "a->criteria->pets_must ? with_any", "false ? with_any"),
    "H12": (RULES, "~h12_pets(f, a)", "0"),
    "H13": (RULES, "v->failed[RULE_H13] = ~approved;", ";"),
    "H14": (OFFER, " || terms->named_child_only", ""),
    "distance": (RULES, "~distance_within(f, used, a)", "0"),
    # An override that is not honoured, or though nobody asked, or where none is allowed.
    "override terms, H3": (RULES, "BIT(RULE_H3) | BIT(RULE_H4) | BIT(RULE_H13)", "BIT(RULE_H4) | BIT(RULE_H13)"),
    "override terms, H4": (RULES, "BIT(RULE_H3) | BIT(RULE_H4) | BIT(RULE_H13)", "BIT(RULE_H3) | BIT(RULE_H13)"),
    "override terms, H13": (RULES, "BIT(RULE_H3) | BIT(RULE_H4) | BIT(RULE_H13)", "BIT(RULE_H3) | BIT(RULE_H4)"),
    "override exemption": (RULES, "out->lifted |= BIT(RULE_H5);", ";"),
    "override bedroom": (RULES, "out->lifted |= BIT(RULE_H7);", ";"),
    "override unconfirmed": (RULES, "out->lifted |= BIT(RULE_H2);", ";"),
    "override risk": (RULES, "out->lifted |= BIT(RULE_H11);", ";"),
    "override unasked": (RULES, "if (code_in(criteria->overrides, OVERRIDE_RISK))", "if (true)"),
    "override of a bed": (RULES, "rule == RULE_H4 ? fit.no_bed : 0", "0"),
    # Order, counts, versions.
    "ties": (SEARCH, "return a->vacancy_id < b->vacancy_id;", "return a->vacancy_id > b->vacancy_id;"),
    "failed alone": (WHY, "bits_of_bytes(failed[rule] & one)", "bits_of_bytes(failed[rule])"),
    "a byte that overflows": (WHY, "TALLIED_MAX 31", "TALLIED_MAX 310"),
    "lanes without an offer": (RULES, "v->failed[rule] &= used;", ";"),
    "one lane run out": (RULES, "if (f->valid_until_ms[i] <= a->criteria->as_of_ms)", "if (false)"),
    "a lane too far": (RULES, "if (facts_distance_squared(f, (uint32_t)__builtin_ctzll(left), e, n) < a->too_far_squared)",
                       "if (true)"),
    "a group near enough": (RULES, "facts_farthest_squared(f, e, n) < a->too_far_squared",
                            "facts_nearest_squared(f, e, n) < a->too_far_squared"),
    "a group too far": (RULES, "facts_nearest_squared(f, e, n) >= a->too_far_squared",
                        "facts_farthest_squared(f, e, n) >= a->too_far_squared"),
    "a group's days": (RULES, "if (stretch.last < day || stretch.first >= day)", "if (true)"),
    "a group changed": (TREE, "facts_sum_up(group, block->offers[at]);", "if (block->offers[at] == 1) facts_sum_up(group, 1);"),
    "an agency's lane": (INDEX_H, "(lanes)agencies[group->agency[lane]].active << lane",
                         "(lanes)1 << lane"),
    "agencies inactive": (INDEX, "match->building->inactive += (uint32_t)was_active - (uint32_t)slot->active;", ";"),
    "the first offer of an inactive agency": (INDEX, "version->inactive += !version->agencies->slots[facts.agency].active;",
                                              ";"),
    "fewest children": (RULES, "lanes better = is_less(failed, fewest),", "lanes better = all(i == 0),"),
    "no second walk": (FIND, "if (!criteria->unexplained && is_short(s, criteria)) {", "if (false) {"),
    "explained although nobody asked": (FIND, "if (!criteria->unexplained && is_short(s, criteria)) {",
                                        "if (is_short(s, criteria)) {"),
    "deletion": (INDEX, "places_remove(&match->places, place);", ";"),
    "position": (INDEX, ".epoch = epoch, .sequence = sequence};", ".epoch = epoch};"),
    # Regions.
    "ties of regions": (SEARCH, "return order != 0 ? order < 0 :", "return order != 0 ? order > 0 :"),
    "ties by when a region came": (SEARCH, "int order = strcmp(version_region(version, a->group, a->lane), "
                                           "version_region(version, b->group, b->lane));",
                                   "int order = a->group->held[a->lane]->region - b->group->held[b->lane]->region;"),
    "another region's offer": (PLACES, " && (*row)->region == region", ""),
    "another region's agency": (INDEX, "int order = match->numbers[middle].region - region;", "int order = 0;"),
    "another region's position": (INDEX, "bool known = at < old->count && strcmp(old->rows[at].region, code) == 0;",
                                  "bool known = at < old->count;"),
    "the order of positions": (INDEX, "while (at < old->count && strcmp(old->rows[at].region, code) < 0)",
                               "while (at < old->count && strcmp(old->rows[at].region, code) != 0)"),
    # A SHOULD switched off in what is said of an option, wholly or in part.
    "S1": (SHOULDS, "met_if(b->option->distance_metres <= NEAR_HOME_METRES)", "RULE_MET"),
    "S1, 20 miles": (SHOULDS, "b->option->distance_metres <= NEAR_HOME_METRES", "b->option->distance_metres < NEAR_HOME_METRES"),
    "S2": (SHOULDS, "if (metres > NEARBY_METRES)", "if (rule != RULE_S2 && metres > NEARBY_METRES)"),
    "S4": (SHOULDS, "if (metres > NEARBY_METRES)", "if (rule != RULE_S4 && metres > NEARBY_METRES)"),
    "S12": (SHOULDS, "if (metres > NEARBY_METRES)", "if (rule != RULE_S12 && metres > NEARBY_METRES)"),
    "S2, S4, S12, 10 miles": (SHOULDS, "if (metres > NEARBY_METRES)", "if (metres >= NEARBY_METRES)"),
    "S2, S4, S12, one of many": (SHOULDS, "if (metres > NEARBY_METRES)", "if (i == 0 && metres > NEARBY_METRES)"),
    "S3": (SHOULDS, "met_if(relation == RELATION_IN_AREA)", "RULE_MET"),
    "S5": (SHOULDS, "offer->language_count > 0 && !speaks(offer, criteria->languages[i])", "false"),
    "S5 not stated": (SHOULDS, "offer->language_count ? RULE_MET : RULE_NOT_KNOWN", "RULE_MET"),
    "S6": (SHOULDS, "begin(b, RULE_S6, RULE_NOT_KNOWN);", "begin(b, RULE_S6, RULE_MET);"),
    "S6 unasked": (SHOULDS, "if (!b->asked->criteria->culture_asked)", "if (false)"),
    "S7": (SHOULDS, "met_if((wanted & ~stated) == 0)", "RULE_MET"),
    "S7 not stated": (SHOULDS, "stated == 0 ? RULE_NOT_KNOWN : met_if", "met_if"),
    "S8": (SHOULDS, "met_if(code_in(b->option->offer.care_types, CARE_LONG_TERM))", "RULE_MET"),
    "S8 unasked": (SHOULDS, "if (!b->asked->criteria->long_term_plan)", "if (false)"),
    "S9": (SHOULDS, "met_if(near && offer->child_count <= IMPACT_CHILDREN_MAX)", "RULE_MET"),
    "S9 ages": (SHOULDS, "met_if(near && offer->child_count <= IMPACT_CHILDREN_MAX)",
                "met_if(offer->child_count <= IMPACT_CHILDREN_MAX)"),
    "S9 number": (SHOULDS, "met_if(near && offer->child_count <= IMPACT_CHILDREN_MAX)", "met_if(near)"),
    "S10": (SHOULDS, "met_if(!reported && age_ms <= FRESH_MS)", "RULE_MET"),
    "S10, 48 hours": (SHOULDS, "!reported && age_ms <= FRESH_MS", "!reported && age_ms < FRESH_MS"),
    "S10, reported": (SHOULDS, "!reported && age_ms <= FRESH_MS", "age_ms <= FRESH_MS"),
    "S11": (SHOULDS, "met_if(b->option->offer.on_call)", "RULE_MET"),
    "S11 unasked": (SHOULDS, "if (!b->asked->criteria->on_call_asked)", "if (false)"),
    "S13": (SHOULDS, "bool met = !features && !skills && !care && !beds;", "bool met = true;"),
    "S13 features": (SHOULDS, "bool met = !features && !skills && !care && !beds;", "bool met = !skills && !care && !beds;"),
    "S13 skills": (SHOULDS, "bool met = !features && !skills && !care && !beds;", "bool met = !features && !care && !beds;"),
    "S13 kinds of care": (SHOULDS, "bool met = !features && !skills && !care && !beds;",
                          "bool met = !features && !skills && !beds;"),
    "S13 beds": (SHOULDS, "bool met = !features && !skills && !care && !beds;", "bool met = !features && !skills && !care;"),
    "S13 needed features": (ORDER, "scarce_home_features & ~c->home_features;", "scarce_home_features;"),
    "S13 needed skills": (ORDER, "uint32_t skills = c->skills,", "uint32_t skills = 0,"),
    "S13 needed care": (ORDER, "care = BIT(c->care_type);", "care = 0;"),
    "S13 needed, British Sign Language": (ORDER, 'strcmp(c->languages[i], "bfi") == 0 ||', ""),
    "S13 needed, Makaton": (ORDER, ' || strcmp(c->languages[i], "art-x-makaton") == 0)', ")"),
    "S13 needed, therapeutic skill": (ORDER, "skills |= BIT(SKILL_THERAPEUTIC);", ";"),
    "S13 needed, skill with parent and child": (ORDER, "skills |= BIT(SKILL_PARENT_AND_CHILD);", ";"),
    "S13 needed, therapeutic care": (ORDER, "care |= BIT(CARE_THERAPEUTIC);", ";"),
    "S13 needed, care of parent and child": (ORDER, "care |= BIT(CARE_PARENT_AND_CHILD);", ";"),
    "S13 needed, disabled by skill": (ORDER, "if (c->skills & (BIT(SKILL_PHYSICAL_DISABILITY) | BIT(SKILL_COMPLEX_HEALTH)))",
                                      "if (false)"),
    "S13 needed, disabled by feature": (ORDER, "if (c->home_features & scarce_home_features)", "if (false)"),
    "S14 tier": (SHOULDS, "met_if(tier != TIER_NONE && (worst == 0 || tier <= worst))", "RULE_MET"),
    "S14 asked tier": (SHOULDS, "(worst == 0 || tier <= worst)", "true"),
    "S14 rating": (SHOULDS, "rating == 0 ? RULE_NOT_KNOWN : met_if(rating <= 2)", "RULE_MET"),
    "S14 rating not held": (SHOULDS, "rating == 0 ? RULE_NOT_KNOWN : met_if(rating <= 2)", "met_if(rating <= 2)"),
    "S14 good": (SHOULDS, "met_if(rating <= 2)", "met_if(rating <= 1)"),
    "S14 rating unasked": (SHOULDS, "if (!criteria->rating_asked && !ordered)", "if (false)"),
    "S14 rating for its step": (SHOULDS, "if (!criteria->rating_asked && !ordered)", "if (!criteria->rating_asked)"),
    "S15": (SHOULDS, "begin(b, RULE_S15, met_if(met));", "begin(b, RULE_S15, RULE_MET);"),
    # A step of the order switched off, wholly or in part.
    "step within rules": (ORDER, "return (c->overrides & ~(BIT(OVERRIDE_NONE) | BIT(OVERRIDE_UNCONFIRMED))) != 0;", "return 0;"),
    "step band": (ORDER, "return BAND_BITS;", "return 0;"),
    "step school, key stage 4": (ORDER, "return c->key_stage_4 && c->school_count > 0;", "return 0;"),
    "step school, any key stage": (ORDER, "return c->key_stage_4 && c->school_count > 0;", "return c->school_count > 0;"),
    "step school": (ORDER, "case STEP_SCHOOL:\n        return c->school_count > 0;", "case STEP_SCHOOL:\n        return 0;"),
    "step area": (ORDER, "return *c->authority ? 2 : 0;", "return 0;"),
    "step siblings": (ORDER, "return c->sibling_place_count > 0;", "return 0;"),
    "step language": (ORDER, "return c->language_count > 0 ? 2 : 0;", "return 0;"),
    "step skills": (ORDER, "return c->skills != 0 ? 2 : 0;", "return 0;"),
    "step length": (ORDER, "return c->long_term_plan;", "return 0;"),
    "step on call": (ORDER, "return c->on_call_asked;", "return 0;"),
    "step wishes": (ORDER, "return c->important_count > 0;", "return 0;"),
    "step tier": (ORDER, "return *c->framework ? TIER_BITS : 0;", "return 0;"),
    "step rating": (ORDER, "return 3;", "return 0;"),
    "step children taken": (ORDER, "return c->grouping == GROUPING_SPLIT && c->child_count > 1 ? NUMBER_BITS : 0;", "return 0;"),
    "step impact": (ORDER, "case STEP_IMPACT:\n    case STEP_FRESH:", "case STEP_IMPACT:\n        return 0;\n    case STEP_FRESH:"),
    "step fresh": (ORDER, "case STEP_IMPACT:\n    case STEP_FRESH:\n",
                   "case STEP_FRESH:\n        return 0;\n    case STEP_IMPACT:\n"),
    "step scarce": (ORDER, "    case STEP_SCARCE:\n    case STEP_APPROVED_TODAY:\n        return 1;",
                    "        return 1;\n    case STEP_SCARCE:\n        return 0;\n    case STEP_APPROVED_TODAY:\n        return 1;"),
    "step approved today": (ORDER, "    case STEP_APPROVED_TODAY:\n        return 1;",
                            "        return 1;\n    case STEP_APPROVED_TODAY:\n        return 0;"),
    "step within rules counts what is to be phoned": (ORDER, "rule == RULE_H2 ? 0 : ", ""),
    "bands": (ORDER, "{8047, 16093, 32187, 80467}", "{8047, 16093, 32187, 80468}"),
    "the first band": (ORDER, "{8047, 16093, 32187, 80467}", "{8046, 16093, 32187, 80467}"),
    "adjoining": (ORDER, "relation == RELATION_ADJOINING ? AREA_ADJOINING : AREA_ELSEWHERE", "AREA_ELSEWHERE"),
    "not known before not met": (ORDER, "{{[0] = unknown & ~met, [1] = ~met & ~unknown}}",
                                 "{{[1] = unknown & ~met, [0] = ~met & ~unknown}}"),
    "rating not held": (ORDER, "return agency->rating == 0   ? 2", "return agency->rating == 0   ? 4"),
    "best tier of a framework": (ORDER, "strcmp(agency->frameworks[i].framework, framework) == 0", "true"),
    "impact of eighteen": (ORDER, "while (band < AGE_BAND_END && months", "while (band < AGE_15_17 && months"),
    "fresh, 48 hours": (ORDER, "criteria->as_of_ms - FRESH_MS;", "criteria->as_of_ms - FRESH_MS + 1;"),
    "fresh, reported": (RULES, "offer->reported_unavailable_at_ms != 0 ? 0 : offer->confirmed_at_ms", "offer->confirmed_at_ms"),
    "scarce beds": (ORDER, "if (j->order->criteria->child_count == 1)", "if (false)"),
    "steps in their order": (ORDER, "uint8_t step = criteria->steps[i],", "uint8_t step = criteria->steps[criteria->step_count - 1 - i],"),
    "key": (SEARCH, "return a->key < b->key;", "return a->key > b->key;"),
    "no key": (SEARCH, "if (a->key != b->key)", "if (false)"),
    "distance after the steps": (SEARCH, "return a->distance_metres < b->distance_metres;", "return false;"),
    "reach of a band": (SEARCH, "while (band < DISTANCE_BANDS && s->band_bounds[band] < worst->key)",
                        "while (band < 1 && s->band_bounds[band] < worst->key)"),
    # Phone first.
    "phone first among the options": (SEARCH, "&s->options, group, verdict.suitable & ~verdict.overridden[RULE_H2]",
                                      "&s->options, group, verdict.suitable"),
    "nothing to phone first": (SEARCH, "&s->phone_first, group, verdict.suitable & verdict.overridden[RULE_H2]",
                               "&s->phone_first, group, 0"),
    "phone first as near as the options": (SEARCH, "s->phoning ? reach_of(s, &s->phone_first) : 0", "0"),
    # Relaxations.
    "relaxations": (WHY, "relaxation_add(answer, &relaxation);", ";"),
    "a relaxation of no vacancy": (WHY, " | verdict->failed[RULE_H2] | ~bed;", " | ~bed;"),
    "a relaxation of no bed": (WHY, " | verdict->failed[RULE_H2] | ~bed;", " | verdict->failed[RULE_H2];"),
    "relaxed already": (WHY, "*hopeless |= unconfirmed;", ";"),
    "relaxing one rule": (WHY, "failed[a] & failures.one & open", "failed[a] & open"),
    "relaxing two rules": (WHY, "failed[a] & failures.two & open", "0"),
    "relaxing two where one would do": (WHY, "if (way->count == 0 || (b != a && why->single))", "if (way->count == 0)"),
    "relaxing H6": (WHY, "way_add(why, &why->ways[RULE_H6][RULE_H6], group, failures.some & ~apart.some & open);", ";"),
    "relaxing H6 and another": (WHY, "apart.one & failed_apart[rule] & more_together & open", "0"),
    "relaxations, most first": (WHY, "return a->count > b->count;", "return a->count < b->count;"),
    "relaxations, nearest then": (WHY, "return a->nearest_metres < b->nearest_metres;", "return a->nearest_metres > b->nearest_metres;"),
    "nearest of a relaxation": (WHY, "if (squared >= way->nearest_squared)", "if (way->nearest_squared != UINT64_MAX)"),
    "unconfirmed is removed": (WHY, "verdict->failed[RULE_H2] |= unconfirmed;", ";"),
    # Splits.
    "splits": (COMBINE, "keep_split(s, &split);", ";"),
    "splits in three": (SIBLINGS, "s->homes == 2 && s->criteria->split_into > 2)", "false)"),
    "a split although one home takes all": (SIBLINGS, "*taken = whole->count > 0;", "*taken = false;"),
    "one home for two parts": (COMBINE, "if (!one_home(&from->homes[i], &to->homes[j]))", ""),
    "splits by the largest part": (COMBINE, "int order = compare_numbers(b->largest, a->largest);", "int order = 0;"),
    "splits by band": (COMBINE, "order = order ? order : compare_numbers(a->band, b->band);", ";"),
    "splits by the way from home": (COMBINE, "order = order ? order : compare_numbers(x->from_home_metres, y->from_home_metres);",
                                    ";"),
    "splits by the way between": (COMBINE, "order = order ? order : compare_numbers(x->between_metres, y->between_metres);",
                                  ";"),
    "a split's vacancies": (COMBINE, "order = compare_numbers(x->parts[i].home.vacancy_id, y->parts[i].home.vacancy_id);",
                            "order = 0;"),
    "a split's children": (COMBINE, "order = differ == 0 ? 0 : (x->parts[i].children & (differ & -differ)) ? -1 : 1;",
                           "order = 0;"),
    "the same homes twice": (COMBINE, "while (at < s->split_count && !same_homes(&s->splits[at].found, &split->found))",
                             "while (at < s->split_count)"),
    "farthest of three homes": (COMBINE, "if (metres > split.found.between_metres)", "if (j == 0 && metres > split.found.between_metres)"),
    "splits within the rules first": (SIBLINGS, "s->within_rules = true;", ";"),
    "splits beyond the rules then": (SIBLINGS, "(s->split_count > 0 || !begin_overridden(s))", "true"),
    "a part of siblings kept together": (SIBLINGS, "out->grouping = GROUPING_TOGETHER;", ";"),
    "a part's nearest homes": (SIBLINGS, "s->part_criteria.step_count = 0; /* the nearest */", ";"),
    "a home of a part within": (SIBLINGS, "if (within == NULL || within->size < 2)", "if (within == NULL)"),
    "the largest part first": (COMBINE, "if (home.children_taken < before->children_taken ||",
                               "if (home.children_taken > before->children_taken ||"),
    # One vacancy explained.
    "explained, withheld for H1": (REASONS, "option->withheld = code_in(failed, RULE_H1) || ", "option->withheld = "),
    "explained, withheld as not available": (REASONS, "is_not_available(&option->offer) || is_reserved", "is_reserved"),
    "explained, withheld as reserved": (REASONS, " || is_reserved(&option->offer) ||", " ||"),
    "explained, withheld and told": (REASONS, "    if (option->withheld) {", "    if (false) {"),
    "explained, the first region's": (EXPLAIN, "return order != 0 ? order < 0", "return order != 0 ? order > 0"),
    "explained, what fails": (EXPLAIN, "x->failed |= (uint32_t)(verdict.failed[rule] >> lane & 1) << rule;", ";"),
    "explained, overridden suits": (EXPLAIN, "out->suitable = x->failed == 0;",
                                    "out->suitable = x->failed == 0 && x->found.overridden == 0;"),
    "explained, how many ahead": (EXPLAIN, "x->ahead += order < 0;", ";"),
    "explained, nearer ones ahead": (EXPLAIN, ": by_distance(x, group, lane);", ": 1;"),
    "explained, ahead of what is to be phoned": (EXPLAIN, "? unconfirmed : ~unconfirmed", "? ~unconfirmed : ~unconfirmed"),
    "explained, groups that may come before": (EXPLAIN, "(key == x->found.key && nearest < beyond * beyond)", "false"),
    # What is passed over unjudged.
    "trait: beds for all of a split": (TREE, "a->together ? criteria->child_count : 1);", "criteria->child_count);"),
    "trait: bedrooms overridden": (TREE, "if (!is_lifted(a, RULE_H7))", "if (true)"),
    "trait: terms overridden": (TREE, "if (!is_lifted(a, RULE_H3)) {", "if (true) {"),
    "trait: care overridden": (TREE, "if (!is_lifted(a, RULE_H3))\n        traits[count++]", "if (true)\n        traits[count++]"),
    "trait: confirmation overridden": (TREE, "if (!is_lifted(a, RULE_H2))", "if (true)"),
    "trait: risk overridden": (TREE, "if (!is_lifted(a, RULE_H11))", "if (true)"),
    "trait: numbers overridden": (TREE, "&& !is_lifted(a, RULE_H4) && !is_lifted(a, RULE_H5)", ""),
    "trait: Staying Put": (TREE, "bool numbers_count = !a->staying_put &&", "bool numbers_count ="),
    "trait: months of a year": (TREE, "12 * year + 11)", "12 * year)"),
    "trait: lapsed": (TREE, "traits[TRAIT_confirmed] = ~f->lapsed[0];", "traits[TRAIT_confirmed] = f->lapsed[0];"),
}


def objects_and_command():
    with open(os.path.join(ROOT, BUILD, "flags"), encoding="utf-8") as handle:
        command = [word for word in shlex.split(handle.read()) if word != "-Werror"] + ["-w", "-O1"]
    folder = os.path.join(ROOT, BUILD, "tests", "oracle")
    objects = sorted(os.path.join(folder, name) for name in os.listdir(folder) if name.endswith(".o"))
    libraries = [os.path.join(ROOT, BUILD, name) for name in ("libhub.a", "libvacancy.a")]
    return command, objects, libraries + LIBRARIES


def mutate(name, folder):
    """None if the mutant is found out, else what went wrong."""
    source, there, instead = MUTANTS[name]
    with open(os.path.join(ROOT, source), encoding="utf-8") as handle:
        text = handle.read()
    if text.count(there) != 1:
        return f"{name}: {source} has {text.count(there)} times {there!r}: bring the mutation up to date"
    command, objects, libraries = objects_and_command()
    program = folder / "".join(letter if letter.isalnum() else "_" for letter in name)
    mutants = [program.with_suffix(".c")]
    if source.endswith(".h"):   # whoever includes it is made anew, and finds the mutant first
        shadow = folder / (program.name + "_headers")
        mutants = sorted(glob.glob(os.path.join(ROOT, os.path.dirname(source), "*.c")))
        (shadow / os.path.dirname(source)).mkdir(parents=True)
        (shadow / source).write_text(text.replace(there, instead), encoding="utf-8")
        command.insert(1, f"-I{shadow}")
    else:
        mutants[0].write_text(text.replace(there, instead), encoding="utf-8")
    built = subprocess.run(command + [f"-I{os.path.dirname(os.path.join(ROOT, source))}", "-o", str(program),
                                      *map(str, mutants)] + objects + libraries,
                           cwd=ROOT, capture_output=True, text=True, timeout=COMPILE_BOUND_S, check=False)
    if built.returncode != 0:
        return f"{name}: does not build: {built.stderr[-1000:]}"
    return judge(name, program)


def run_oracle(program):
    environment = {**os.environ, "SEED": SEED, "CHECK_SCALE": SCALE, "CHECK_TIER": "check"}
    environment.pop("REGISTER", None)
    return subprocess.run([str(program)], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=BOUND_S,
                          check=False)


def judge(name, program):
    try:
        ran = run_oracle(program)
    except subprocess.TimeoutExpired:
        return None
    finally:
        program.unlink()
    if ran.returncode >= 0 and "oracle: 1 failed" not in ran.stdout:
        return f"{name}: nobody noticed: {ran.stdout[-200:]}{ran.stderr[-200:]}"
    return None


PLAIN_ONLY = pytest.mark.skipif(bool(os.environ.get("SAN")), reason="a mutation says nothing more under a sanitizer")


@PLAIN_ONLY
@pytest.mark.bound(900)
def test_no_rule_can_be_switched_off_unnoticed(tmp_path):
    """Issue 2, item 8, and issue 4, point 7; domain.md 5.1 H1 to H14, 5.2 S1 to S15; design 4.7."""
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        wrong = [text for text in pool.map(lambda name: mutate(name, tmp_path), MUTANTS) if text]
    assert not wrong, "\n".join(wrong)


@PLAIN_ONLY
def test_the_oracle_passes_without_a_mutation():
    """Else every mutant would look as if it were found out."""
    ran = run_oracle(os.path.join(ROOT, BUILD, "tests", "run_oracle"))
    assert ran.returncode == 0, ran.stdout + ran.stderr
