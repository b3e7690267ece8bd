"""tools/check-long in a small tree of its own: the variants it runs, what it sums, and that its budget ends it."""
import os
import shutil
import subprocess

import pytest

from hub import wait_until

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


@pytest.fixture
def tree(tmp_path):
    for name in ("tools/check-long", "tests/run"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(os.path.join(ROOT, name), tmp_path / name)
    (tmp_path / "Makefile").write_text("check-build: ; @mkdir -p build/$(or $(SAN),plain)/tests; "
                                       "cp programs/* build/$(or $(SAN),plain)/tests\n")
    (tmp_path / "programs").mkdir()
    (tmp_path / "tests" / "unit").mkdir()

    def program(name, tier, script):
        (tmp_path / "tests" / "unit" / f"{name}.c").write_text(f"/* tier: {tier} */\n")
        (tmp_path / "programs" / name).write_text("#!/bin/sh\n" + script + "\n")
        (tmp_path / "programs" / name).chmod(0o755)

    def run(**environment):
        kept = {name: value for name, value in os.environ.items() if name not in ("CHECK_TIER", "CHECK_SCALE")}
        done = subprocess.run([str(tmp_path / "tools" / "check-long")], stdout=subprocess.PIPE, timeout=100,
                              stderr=subprocess.STDOUT, text=True, check=False, env={**kept, **environment})
        return done.returncode, done.stdout

    program("test_quick", "check", 'echo "$SAN $CHECK_SCALE $CHECK_TIER" >>log; echo "[       OK ] a"')
    program("test_slow", "long", 'echo "$SAN $CHECK_SCALE $CHECK_TIER" >>log')
    return tmp_path, program, run


def test_each_variant_once_and_one_closing_line(tree):
    root, _, run = tree
    status, output = run(CHECK_SCALE="2")
    assert status == 0, output
    assert (root / "log").read_text() == " 2 long\nasan 0.2 check\ntsan 0.2 check\n"
    assert output.endswith("\n3 passed, 0 failed, 0 skipped\n") and output.count(" passed,") == 1


def test_night_runs_its_own_tests_too(tree):
    root, program, run = tree
    program("test_night", "night", "exit 0")
    status, output = run(CHECK_TIER="night")
    assert status == 0 and output.endswith("\n4 passed, 0 failed, 0 skipped\n"), output
    assert (root / "log").read_text().startswith(" 1 night\n")


def test_a_failure_in_a_variant_fails_the_whole(tree):
    _, program, run = tree
    program("test_race", "check", 'test "$SAN" != tsan')
    status, output = run()
    assert status == 1 and output.endswith("\n4 passed, 1 failed, 0 skipped\n"), output


def test_the_budget_ends_it_with_a_clear_word(tree):
    root, program, run = tree
    program("test_slow", "long", "echo $$ >child; exec sleep 1000")
    status, output = run(CHECK_LONG_BUDGET_S="1")
    assert status == 1 and "ran out in plain" in output, output
    child = (root / "child").read_text().strip()
    wait_until(lambda: not os.path.exists(f"/proc/{child}"), 20, "the slow test to have been ended")


def test_a_build_that_fails_is_a_failure(tree):
    root, _, run = tree
    (root / "Makefile").write_text("check-build: ; @test -z '$(SAN)'\n\t@mkdir -p build/plain/tests; cp programs/* build/plain/tests\n")
    status, output = run()
    assert status == 1 and "asan: the build failed" in output and "tsan: the build failed" in output
