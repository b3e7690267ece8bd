"""The runner judged by small programs of known fate: what it counts, what it shows, and how it exits."""
import importlib.machinery
import importlib.util
import os
import sys

import pytest

from hub import wait_until

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def load():
    loader = importlib.machinery.SourceFileLoader("runner", os.path.join(ROOT, "tests", "run"))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("runner", loader))
    loader.exec_module(module)
    return module


@pytest.fixture
def tree(tmp_path, monkeypatch, capsys):
    """A tree with the runner in it; program(name, heading, script) adds a test, run(...) gives (status, output)."""
    runner = load()
    monkeypatch.setattr(runner, "ROOT", str(tmp_path))
    build = tmp_path / "build" / "plain"
    (tmp_path / "tests" / "unit").mkdir(parents=True)
    (build / "tests").mkdir(parents=True)

    class Tree:
        root = tmp_path

        @staticmethod
        def program(name, heading, script):
            (tmp_path / "tests" / "unit" / f"{name}.c").write_text(heading + "\n")
            path = build / "tests" / name
            path.write_text("#!/bin/sh\n" + script)
            path.chmod(0o755)

        @staticmethod
        def python(text):
            folder = tmp_path / "tests" / "scenario"
            folder.mkdir()
            (folder / "test_it.py").write_text(text)
            (folder / "conftest.py").write_text("def pytest_configure(config):\n"
                                                "    config.addinivalue_line('markers', 'long: .')\n"
                                                "    config.addinivalue_line('markers', 'night: .')\n")

        @staticmethod
        def run(*arguments):
            monkeypatch.setattr(sys, "argv", ["run", "--build", str(build), *arguments])
            status = runner.main()
            return status, capsys.readouterr().out

    return Tree


def closing(output):
    return output.rstrip("\n").split("\n")[-1]


def test_counts_cmocka_tests_and_hides_output_of_what_passed(tree):
    tree.program("test_a", "/* tier: check */", "echo '[       OK ] one'; echo '[       OK ] two'; echo '[  SKIPPED ] three'")
    tree.program("test_b", "/* tier: check */", "echo unremarkable")
    status, output = tree.run()
    assert status == 0
    assert closing(output) == "3 passed, 0 failed, 1 skipped"
    assert "unremarkable" not in output


def test_failure_shows_output_and_fails_the_run(tree):
    tree.program("test_a", "/* tier: check */", """echo '[       OK ] one'
echo 'the reason why'
echo '[  FAILED  ] two'
echo '[  FAILED  ] 1 test(s), listed below:'
echo '[  FAILED  ] two'
exit 1""")
    status, output = tree.run()
    assert status == 1
    assert "the reason why" in output
    assert closing(output) == "1 passed, 1 failed, 0 skipped"


def test_a_crash_is_a_failure_even_after_passed_tests(tree):
    tree.program("test_a", "/* tier: check */", "echo '[       OK ] one'; kill -SEGV $$")
    status, output = tree.run()
    assert status == 1
    assert "SIGSEGV" in output
    assert closing(output) == "1 passed, 1 failed, 0 skipped"


def test_what_runs_too_long_is_ended_with_its_children_and_shown(tree):
    tree.program("test_a", "/* tier: check, bound: 1 s */", "echo got this far; sleep 1000 & echo $! >child; wait")
    status, output = tree.run()
    assert status == 1
    assert "got this far" in output and "bound of 1 s" in output
    child = (tree.root / "child").read_text().strip()
    wait_until(lambda: ended(child), 10, "the child to have been killed")


def ended(pid):
    """A killed process is gone, or waits for its parent as a zombie. The signal may take a moment to bite."""
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii") as handle:
            return handle.read().split(") ")[1][0] == "Z"
    except FileNotFoundError:
        return True


def test_only_the_tiers_asked_for(tree):
    tree.program("test_a", "/* tier: check */", "echo '[       OK ] one'")
    tree.program("test_b", "/* tier: long */", "echo '[       OK ] two'; test $CHECK_TIER = long")
    assert closing(tree.run()[1]) == "1 passed, 0 failed, 0 skipped"
    assert closing(tree.run("--tier", "long")[1]) == "1 passed, 0 failed, 0 skipped"
    assert closing(tree.run("--tier", "check,long")[1]) == "2 passed, 0 failed, 0 skipped"


def test_no_tier_and_nothing_built_are_failures(tree):
    tree.program("test_a", "/* a test */", "exit 0")
    (tree.root / "tests" / "unit" / "test_b.c").write_text("/* tier: check */\n")
    status, output = tree.run()
    assert status == 1
    assert "must say its tier" in output and "is not built" in output


def test_nothing_run_is_a_failure(tree):
    assert tree.run() == (1, "nothing ran\n0 passed, 0 failed, 0 skipped\n")


def test_python_tests_by_mark(tree):
    tree.python("""import pytest
def test_passes(): pass
def test_fails(): print("a word"); assert 1 == 2
@pytest.mark.skip(reason="without reason")
def test_skips(): pass
@pytest.mark.long
def test_long(): pass
""")
    status, output = tree.run()
    assert status == 1
    assert "assert 1 == 2" in output and "a word" in output and "without reason" in output
    assert closing(output) == "1 passed, 1 failed, 1 skipped"
    assert closing(tree.run("--tier", "long")[1]) == "1 passed, 0 failed, 0 skipped"
