"""Each rule of the matching, each override, the order of ties: taken out of the code, the oracle must notice.

A mutant is the shipped source with one piece of text replaced, compiled into the oracle's program in place of the
original. It must build, and the oracle must end with a mismatch (or die of the mutation), not for want of a quota.
"""
import concurrent.futures
import os
import shlex
import subprocess

import pytest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.environ.get("BUILD", "build/plain")
LIBRARIES = ["-lcrypto", "-lprotobuf-c", "-lm"]
SEED, SCALE, BOUND_S = "20261122", "0.04", 60

RULES = "daemon/match/match_rules.c"
SEARCH = "daemon/match/match_search.c"
WHY = "daemon/match/match_why.c"
FIND = "daemon/match/match_find.c"
REASONS = "daemon/match/match_reasons.c"
INDEX = "daemon/match/match_index.c"
INDEX_H = "daemon/match/match_index.h"
PLACES = "daemon/match/match_places.c"
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
    "H4 if siblings": (RULES, "if (placed == 0 && offer->max_children_if_siblings > most)", "if (false)"),
    "H5": (RULES, "out->h5 = is_less(h5_limit_cap(f, a), count);", "out->h5 = 0;"),
    "H5 one sibling group": (RULES, "return placed == 0 ? NUMBER_MOST : ", "return "),
    "H5 in a split": (RULES, "? no_cap : h5_limit_cap(f, a);", "? no_cap : no_cap;"),
    "H6": (RULES, "a->together ? ~room_for_all : 0", "0"),
    "H7": (RULES, "out->h7 = is_less(number_of(f->bedroom_cap), over_three);", "out->h7 = 0;"),
    "H7 sharing": (RULES, "may_share && bedrooms_free > 0 ? NUMBER_MOST", "false ? NUMBER_MOST"),
    "H7 siblings placed": (RULES, "if (siblings_may_share && child->sibling_group != 0 && *word & bit)", "if (false)"),
    "H7 over three": (RULES, "OVER_THREE_MONTHS       36", "OVER_THREE_MONTHS       48"),
    "H8": (RULES, "~h8_features(f, a)", "0"),
    "H9 home": (RULES, "fit.h9 | ~h9_home(f, a)", "fit.h9"),
    "H9 ages": (RULES, "return ~with_any(f->bands_at_home, AGE_BAND_END, against);", "return all(true);"),
    "H9 older": (RULES, "age_band_from_months(band) > oldest", "age_band_from_months(band) >= oldest"),
    "H9 younger": (RULES, "age_band_below_months(band) <= youngest", "age_band_below_months(band) < youngest"),
    "H10": (RULES, "~h10_avoided(f, used, a)", "0"),
    "H11": (RULES, "~h11_risks(f, a)", "0"),
    "H12": (RULES, "~h12_pets(f, a)", "0"),
    "H13": (RULES, "v->failed[RULE_H13] = ~approved;", ";"),
    "H14": (OFFER, " || terms->named_child_only", ""),
    "distance": (RULES, "~distance_within(f, used, a)", "0"),
    "S5": (REASONS, "offer->language_count > 0 && !speaks(offer, criteria->languages[i])", "false"),
    "S7": (REASONS, "(criteria->skills & ~offer->skills) != 0", "false"),
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
    "one ring too few": (SEARCH, "(uint64_t)(s->ring - 1) * CELL_METRES", "(uint64_t)s->ring * CELL_METRES"),
    "failed alone": (WHY, "bits_of_bytes(failed[rule] & ~more)", "bits_of_bytes(failed[rule])"),
    "a byte that overflows": (WHY, "TALLIED_MAX 31", "TALLIED_MAX 310"),
    "lanes without an offer": (RULES, "v->failed[rule] &= used;", ";"),
    "one lane run out": (RULES, "if (f->valid_until_ms[i] <= a->criteria->as_of_ms)", "if (false)"),
    "a lane too far": (RULES, "if (facts_distance_squared(f, (uint32_t)__builtin_ctzll(left), e, n) < a->too_far_squared)",
                       "if (true)"),
    "a group near enough": (RULES, "farthest_squared(f, e, n) < a->too_far_squared",
                            "facts_nearest_squared(f, e, n) < a->too_far_squared"),
    "a group too far": (RULES, "facts_nearest_squared(f, e, n) >= a->too_far_squared",
                        "farthest_squared(f, e, n) >= a->too_far_squared"),
    "a group's days": (RULES, "if (stretch.last < day || stretch.first >= day)", "if (true)"),
    "a group changed": (INDEX, "facts_sum_up(group, at % LANES + 1);", ";"),
    "an agency's lane": (INDEX_H, "(lanes)agencies[group->agency[lane]].active << lane",
                         "(lanes)1 << lane"),
    "agencies inactive": (INDEX, "match->building->inactive += (uint32_t)was_active - (uint32_t)slot->active;", ";"),
    "the first offer of an inactive agency": (INDEX, "version->inactive += !version->agencies->slots[facts.agency].active;",
                                              ";"),
    "fewest children": (RULES, "lanes better = is_less(failed, fewest);", "lanes better = all(i == 0);"),
    "a glance, beds": (RULES, "a->together ? a->criteria->child_count : 1);", "a->criteria->child_count);"),
    "a glance, terms": (RULES, "if (code_in(a->lifted, RULE_H3))", "if (false)"),
    "no second walk": (FIND, "s->explained = criteria->unexplained || !is_short(s, criteria);", "s->explained = true;"),
    "deletion": (INDEX, "places_remove(&match->places, row);", ";"),
    "position": (INDEX, ".epoch = epoch, .sequence = sequence};", ".epoch = epoch};"),
    # Regions.
    "ties of regions": (SEARCH, "return order != 0 ? order < 0 :", "return order != 0 ? order > 0 :"),
    "two lists": (SEARCH, "code_in(found.overridden, RULE_H2) ? &s->phone_first : &s->options", "&s->options"),
    "another region's offer": (PLACES, " && row->region == region", ""),
    "another region's agency": (INDEX, "int order = match->numbers[middle].region - region;", "int order = 0;"),
    "another region's position": (INDEX, "bool known = at < old->count && strcmp(old->rows[at].region, code) == 0;",
                                  "bool known = at < old->count;"),
    "the order of positions": (INDEX, "while (at < old->count && strcmp(old->rows[at].region, code) < 0)",
                               "while (at < old->count && strcmp(old->rows[at].region, code) != 0)"),
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
    mutant = folder / (name.replace(" ", "_").replace(",", "") + ".c")
    program = mutant.with_suffix("")
    mutant.write_text(text.replace(there, instead), encoding="utf-8")
    built = subprocess.run(command + [f"-I{os.path.dirname(os.path.join(ROOT, source))}", "-o", str(program),
                                      str(mutant)] + objects + libraries,
                           cwd=ROOT, capture_output=True, text=True, timeout=BOUND_S, check=False)
    if built.returncode != 0:
        return f"{name}: does not build: {built.stderr[-1000:]}"
    return judge(name, program)


def judge(name, program):
    try:
        ran = subprocess.run([str(program)], env={**os.environ, "SEED": SEED, "CHECK_SCALE": SCALE},
                             capture_output=True, text=True, timeout=BOUND_S, check=False)
    except subprocess.TimeoutExpired:
        return None
    finally:
        program.unlink()
    if ran.returncode == 0 or "quotas missed" in ran.stdout:
        return f"{name}: nobody noticed: {ran.stdout[-200:]}"
    return None


@pytest.mark.bound(400)
def test_no_rule_can_be_switched_off_unnoticed(tmp_path):
    """Issue 2, item 8; domain.md 5.1 H1 to H14, S5, S7; design 4.7."""
    if os.environ.get("SAN"):
        pytest.skip("a mutation says nothing more under a sanitizer")
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        wrong = [text for text in pool.map(lambda name: mutate(name, tmp_path), MUTANTS) if text]
    assert not wrong, "\n".join(wrong)


def test_the_oracle_passes_without_a_mutation():
    """Else every mutant would look as if it were found out."""
    program = os.path.join(ROOT, BUILD, "tests", "run_oracle")
    ran = subprocess.run([program], env={**os.environ, "SEED": SEED, "CHECK_SCALE": "0.04"}, capture_output=True,
                         text=True, timeout=BOUND_S, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
