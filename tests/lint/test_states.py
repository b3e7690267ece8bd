"""docs/states.md is what tests/states/print_states.c prints from the tables of states."""
import difflib
import os
import subprocess

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.environ.get("BUILD") or os.path.join(ROOT, "build", "plain")


def test_the_page_is_what_the_tables_print():
    printed = subprocess.run([os.path.join(ROOT, BUILD, "tests", "print_states")], stdout=subprocess.PIPE, check=True,
                             timeout=20).stdout.decode()
    with open(os.path.join(ROOT, "docs", "states.md"), encoding="utf-8") as handle:
        committed = handle.read()
    differs = "".join(difflib.unified_diff(committed.splitlines(True), printed.splitlines(True), "docs/states.md",
                                           "the tables", n=1))
    assert not differs, f"make states, and look at the page:\n{differs}"
