"""README.md and CONTRIBUTING.md speak only of make targets and of files that there are."""
import os
import re

import pytest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PAGES = ("README.md", "CONTRIBUTING.md")
GOAL = re.compile(r"^([a-z][a-z-]*(?: [a-z-]+)*):(?!=)", re.M)
CALL = re.compile(r"(?:^ {4}(?:.*?(?:&& |sudo ))*|`)make ((?:[a-z][a-z-]*|\w+=\S+)(?= |`|$))", re.M)
LINK = re.compile(r"\]\((?!https?://|#)([^)#]+)\)")
# A path in backquotes that begins with one of our top-level folders; build/ is what a build writes.
PATH = re.compile(r"`((?:daemon|client|proto|certs|tests|tools)/[\w./-]+)`|^ {4}(?:.* )?((?:certs|tests|tools)/[\w./-]+)", re.M)


def read(name):
    with open(os.path.join(ROOT, name), encoding="utf-8") as handle:
        return handle.read()


def goals():
    return {goal for line in GOAL.findall(read("Makefile")) for goal in line.split()}


def unknown_goals(text):
    return [goal for goal in CALL.findall(text) if "=" not in goal and goal not in goals()]


def missing_files(text):
    named = LINK.findall(text) + [one or other for one, other in PATH.findall(text)]
    return [name for name in named if not os.path.exists(os.path.join(ROOT, name.rstrip("/.")))]


@pytest.mark.parametrize("page", PAGES)
def test_make_targets_exist(page):
    text = read(page)
    assert CALL.findall(text), f"{page} shows no make target"
    assert unknown_goals(text) == []


@pytest.mark.parametrize("page", PAGES)
def test_files_exist(page):
    assert missing_files(read(page)) == []


def test_planted_faults_are_found():
    assert unknown_goals("    make chekc\n") == ["chekc"]
    assert unknown_goals("see `make demmo`, then `make demo-up`") == ["demmo"]
    assert unknown_goals("    make all && sudo make instal\n") == ["instal"]
    assert missing_files("[x](daemon/nowhere.c) and `tests/none`\n    certs/vacancy-cb init\n") == [
        "daemon/nowhere.c", "tests/none", "certs/vacancy-cb"]
    assert missing_files("`daemon/main.c` and [a site](https://example.org/a)") == []
