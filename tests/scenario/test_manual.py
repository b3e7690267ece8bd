"""The manual pages say what the programs say."""
import os
import re
import subprocess

import pytest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
VACANCYD = os.environ.get("VACANCYD", os.path.join(ROOT, "build", "plain", "vacancyd"))


def page(path):
    with open(os.path.join(ROOT, path), encoding="utf-8") as handle:
        return handle.read()


def configuration_of_the_program():
    """{(section, name)} of `vacancyd --help-config`."""
    text = subprocess.run([VACANCYD, "--help-config"], capture_output=True, text=True, check=True).stdout
    options, section = set(), None
    for line in text.splitlines():
        if heading := re.match(r"\[([\w-]+)\]", line):
            section = heading[1]
        elif option := re.match(r"[;#]?\s*([a-z][\w-]*)\s*=", line):
            options.add((section, option[1]))
    return options


def test_every_option_is_in_the_manual_and_none_else():
    text = page("daemon/vacancyd.conf.5")
    described, section = set(), None
    for line in text.splitlines():
        if heading := re.match(r"\.Ss \[([\w-]+)\]", line):
            section = heading[1]
        elif option := re.match(r"\.It Cm ([\w-]+)", line):
            described.add((section, option[1]))
    found = configuration_of_the_program()
    assert found, "vacancyd --help-config printed no option"
    assert described == found


@pytest.mark.parametrize("flag", ["--config", "--check-config", "--import-postcodes", "--help", "--help-config",
                                  "--version"])
def test_the_daemons_flags_are_in_help_and_manual(flag):
    text = subprocess.run([VACANCYD, "--help"], capture_output=True, text=True, check=True).stdout
    assert flag in text
    assert f"Fl -{flag[2:]}" in page("daemon/vacancyd.8")


def test_the_example_configuration_is_the_manuals():
    text = page("daemon/vacancyd.conf.5")
    example = text.split(".Bd -literal -offset indent\n", 1)[1].split(".Ed\n", 1)[0]
    assert example == page("daemon/vacancyd.conf.example")
