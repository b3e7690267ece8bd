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
REASONS = "daemon/match/match_reasons.c"
INDEX = "daemon/match/match_index.c"
OFFER = "daemon/record/offer.c"

# name: (source, text that is there exactly once, its replacement)
MUTANTS = {
    # A rule switched off.
    "H1": (RULES, "if (!h1_approval(f, agency_active, a))", "if (false)"),
    "H1 agency": (RULES, "return agency_active && f->approved_on", "return f->approved_on"),
    "H1 approved later": (RULES, "f->approved_on <= day && ", ""),
    "H1 approval ended": (RULES, "day < f->approval_ends_on", "true"),
    "H2": (RULES, "if (!h2_available(f, a))", "if (false)"),
    "H2 state": (RULES, "return vacant && (f->from", "return (f->from"),
    "H2 from": (RULES, "(f->from == DATE_NONE || f->from <= day) && ", ""),
    "H2 until": (RULES, " && (f->until == DATE_NONE || day <= f->until)", ""),
    "H2 confirmation": (RULES, "facts->valid_until_ms < as_of_ms", "false"),
    "H2 kept back": (RULES, " && !f->kept_back", ""),
    "H3 for one group": (RULES, "if (!h3_children(f, a, a->youngest_months, a->oldest_months, a->sexes) ||",
                         "if (false ||"),
    "H3 for a split": (RULES, "inside = h3_children(f, a, age, age, BIT(child->sex))", "inside = true"),
    "H3 youngest": (RULES, "youngest >= f->age_from_months && ", ""),
    "H3 oldest": (RULES, "oldest < f->age_below_months", "oldest <= f->age_below_months"),
    "H3 sex": (RULES, " && (sexes & ~(uint32_t)f->sexes) == 0", ""),
    "H3 kind of care": (RULES, "else if (!h3_care_type(f, a))", "else if (false)"),
    "H3 sibling groups only": (RULES, "(f->sibling_group_only && a->criteria->child_count == 1)", "false"),
    "H3 Staying Put": (RULES, "(!a->staying_put || youngest >= STAYING_PUT_FROM_MONTHS)", "true"),
    "H4 beds": (RULES, "if (f->beds_free < count)", "if (false)"),
    "H4 terms": (RULES, "if (h4_terms_cap(f, a) < count)", "if (false)"),
    "H4 if siblings": (RULES, "if (f->placed == 0 && f->max_children_if_siblings > most)", "if (false)"),
    "H5": (RULES, "if (h5_limit_cap(f, a) < count)", "if (false)"),
    "H5 one sibling group": (RULES, "if (a->staying_put || f->placed == 0)", "if (a->staying_put)"),
    "H5 in a split": (RULES, "count = least(count, h5_limit_cap(f, a));", ";"),
    "H6": (RULES, "fail(v, RULE_H6);", ";"),
    "H7": (RULES, "if (h7_bedroom_cap(f) < over_three)", "if (false)"),
    "H7 sharing": (RULES, "f->siblings_may_share && f->bedrooms_free > 0 ? NO_CAP", "false ? NO_CAP"),
    "H7 over three": (RULES, "#define OVER_THREE_MONTHS       36", "#define OVER_THREE_MONTHS       48"),
    "H8": (RULES, "if (!h8_features(f, a))", "if (false)"),
    "H9 home": (RULES, "if (!h9_home(f, a))", "if (false)"),
    "H9 ages": (RULES, "if (f->others == 0)", "if (true)"),
    "H9 older": (RULES, "f->youngest_from_months > oldest", "f->youngest_from_months >= oldest"),
    "H10": (RULES, "if (!h10_avoided(f, a))", "if (false)"),
    "H11": (RULES, "if (!h11_risks(f, a))", "if (false)"),
    "H12": (RULES, "if (!h12_pets(f, a))", "if (false)"),
    "H13": (RULES, "if (!h13_specialist(f, a))", "if (false)"),
    "H14": (OFFER, " || terms->named_child_only", ""),
    "distance": (RULES, "if (distance_squared >= a->too_far_squared)", "if (false)"),
    "S5": (REASONS, "offer->language_count > 0 && !speaks(offer, criteria->languages[i])", "false"),
    "S7": (REASONS, "(criteria->skills & ~offer->skills) != 0", "false"),
    # An override that is not honoured, or always.
    "override terms, H3": (RULES, """fail_unless(a, OVERRIDE_OUTSIDE_TERMS, v, RULE_H3);
    if (!h9_ages(f, a, a->youngest_months""", """fail(v, RULE_H3);
    if (!h9_ages(f, a, a->youngest_months"""),
    "override terms, H4": (RULES, "fail_unless(a, OVERRIDE_OUTSIDE_TERMS, v, RULE_H4);", "fail(v, RULE_H4);"),
    "override terms, H13": (RULES, "fail_unless(a, OVERRIDE_OUTSIDE_TERMS, v, RULE_H13);", "fail(v, RULE_H13);"),
    "override exemption": (RULES, "fail_unless(a, OVERRIDE_EXEMPTION, v, RULE_H5);", "fail(v, RULE_H5);"),
    "override bedroom": (RULES, "fail_unless(a, OVERRIDE_SHARED_BEDROOM, v, RULE_H7);", "fail(v, RULE_H7);"),
    "override unconfirmed": (RULES, "fail_unless(a, OVERRIDE_UNCONFIRMED, v, RULE_H2);", "fail(v, RULE_H2);"),
    "override risk": (RULES, "fail_unless(a, OVERRIDE_RISK, v, RULE_H11);", "fail(v, RULE_H11);"),
    "overrides unasked": (RULES, "return code_in(a->criteria->overrides, override);", "return true;"),
    # Order, counts, versions.
    "ties": (SEARCH, "return a->vacancy_id > b->vacancy_id;", "return a->vacancy_id < b->vacancy_id;"),
    "one ring too few": (SEARCH, "(uint64_t)(s->ring - 1) * CELL_METRES", "(uint64_t)s->ring * CELL_METRES"),
    "failed alone": (SEARCH, "count->failed_alone += alone;", "count->failed_alone++;"),
    "fewest children": (RULES, "__builtin_popcount(one.failed) < __builtin_popcount(best.failed)", "false"),
    "deletion": (INDEX, "place_remove(match, row);", ";"),
    "position": (INDEX, "match->building->sequence = commit->sequence;", ";"),
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
