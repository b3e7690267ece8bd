"""Every planted bug is found by the simulators within 1,000 seeds.

Each tests/sim/planted/NAME.patch (for run_sim) and tests/sim/planted/federation/NAME.patch (for run_sim_federation) is
one plausible mistake in shipped code, described in its first lines. It is applied to a copy of the source that it
touches; only that copy is compiled, and linked before the ordinary objects, in build/mutants/NAME. A patch that no longer applies fails: rewrite it for today's code, keeping the mistake.

Run by hand:  /usr/bin/python3 -m pytest -s tests/damage/test_planted_bugs.py -k lost_observer
"""
import glob
import os
import re
import shlex
import shutil
import subprocess

import pytest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SAN = os.environ.get("SAN", "")
BUILD = os.path.join("build", SAN or "plain")
SEEDS = 1000
PLANTED = sorted(glob.glob(os.path.join(ROOT, "tests/sim/planted/*.patch"))) + \
    sorted(glob.glob(os.path.join(ROOT, "tests/sim/planted/federation/*.patch")))
NAMES = [os.path.basename(path)[:-len(".patch")] for path in PLANTED]
EXPECTED = {"ack_before_commit", "lost_observer", "sequence_reused", "expiry_forgotten_at_restart", "double_apply",
            "partial_batch", "digest_unverified", "signature_unchecked", "snapshot_published_early",
            "replicated_too_early", "epoch_reused", "cursor_without_records",
            "accepted_hold_forgotten", "hold_by_wall_clock", "hold_ignores_placed", "retry_decided_again",
            "forward_denied", "done_denied_without_trail", "expiry_untold", "refusal_of_one_try",
            "stream_ended_unanswered", "moved_still_owned", "taken_back_between", "hold_forgotten_at_restart"}


def command_for(target, changed):
    """The command by which make would build `target` if `changed` were newer, as a list of words."""
    environment = {key: value for key, value in os.environ.items() if key not in ("BUILD", "MAKEFLAGS", "MAKELEVEL")}
    printed = subprocess.run(["make", "-n", "--no-print-directory", f"SAN={SAN}", "-W", changed, target], cwd=ROOT,
                             env=environment, capture_output=True, text=True, check=False)
    for line in printed.stdout.split("\n"):
        if f"-o {target}" in line:
            return shlex.split(line)
    pytest.fail(f"make does not say how to build {target}:\n{printed.stdout}{printed.stderr}")


def run(command, what):
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{what} failed:\n{done.stdout}{done.stderr}"


def apply_patch(patch, folder):
    """Copies the sources that the patch touches into `folder`, patches them there, and gives their paths."""
    with open(patch, encoding="utf-8") as handle:
        sources = re.findall(r"^\+\+\+ b/(\S+)", handle.read(), re.M)
    assert sources and all(path.endswith(".c") for path in sources), f"{patch} must change .c files only"
    for path in sources:
        os.makedirs(os.path.join(folder, os.path.dirname(path)), exist_ok=True)
        shutil.copyfile(os.path.join(ROOT, path), os.path.join(folder, path))
    done = subprocess.run(["patch", "-p1", "--fuzz=2", "-i", patch], cwd=folder, capture_output=True, text=True,
                          check=False)
    assert done.returncode == 0, \
        f"{os.path.basename(patch)} no longer applies: rewrite it for today's code.\n{done.stdout}{done.stderr}"
    return sources


def program_for(patch):
    """(name of the simulator that has to find it, a source of its own that makes it be linked anew)."""
    if os.path.basename(os.path.dirname(patch)) == "federation":
        return "run_sim_federation", "tests/sim/federation/main.c"
    return "run_sim", "tests/sim/main.c"


def build_mutant(name, patch):
    simulator, own_source = program_for(patch)
    ordinary_program = os.path.join(BUILD, "tests", simulator)
    folder = os.path.join(ROOT, "build", "mutants", f"{name}-{SAN or 'plain'}")
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder)
    objects = []
    for source in apply_patch(patch, folder):
        ordinary = os.path.join(BUILD, source[:-2] + ".o")
        mutant = os.path.join(folder, os.path.basename(source)[:-2] + ".o")
        compile_ = [mutant if word == ordinary else os.path.join(folder, source) if word == source else word
                    for word in command_for(ordinary, source) if word not in ("-MMD", "-MP")]
        run(compile_, f"compiling {source}")
        objects.append(mutant)
    program = os.path.join(folder, "sim")
    link = command_for(ordinary_program, own_source)
    at = link.index(ordinary_program)
    # Before the archive, so that its own copy of the patched source is not taken from it.
    run(link[:at] + [program] + objects + link[at + 1:], "linking the mutant")
    return program


def test_every_kind_of_bug_is_planted():
    assert EXPECTED <= set(NAMES)


@pytest.mark.parametrize("patch", PLANTED, ids=NAMES)
def test_planted_bug_is_found(patch, capsys):
    if SAN:
        pytest.skip("a planted bug says nothing more under a sanitizer")
    simulator = os.path.join(BUILD, "tests", program_for(patch)[0])
    assert os.path.exists(os.path.join(ROOT, simulator)), f"{simulator} is not built: run make check"
    name = os.path.basename(patch)[:-len(".patch")]
    program = build_mutant(name, patch)
    environment = {key: value for key, value in os.environ.items()
                   if key not in ("SEED", "STEPS", "FIRST_SEED", "CHECK_TIER", "CHECK_SCALE")}
    done = subprocess.run([program], cwd=ROOT, env=environment, capture_output=True, text=True, check=False,
                          timeout=600)
    found = re.search(r"^sim: seed (\d+) failed at step (\d+): (.*)$", done.stdout, re.M)
    assert done.returncode != 0 and found, f"{name}: not found in {SEEDS} seeds:\n{done.stdout[-2000:]}"
    assert int(found.group(1)) <= SEEDS
    with capsys.disabled():
        print(f"\n{name}: found after {found.group(1)} seeds: {found.group(3)}")
