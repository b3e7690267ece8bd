"""`make install` puts the right files in the right places, and `make uninstall` takes just those away again."""
import os
import stat
import subprocess

import pytest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PROGRAMS = {"usr/sbin/vacancyd", "usr/bin/vacancy", "usr/bin/vacancy-ca"}
MANUALS = {"usr/share/man/man8/vacancyd.8", "usr/share/man/man5/vacancyd.conf.5", "usr/share/man/man1/vacancy.1"}
# The reference data is built into the daemon, so its licences travel with it.
DOCUMENTS = {"usr/share/doc/vacancyd/" + name
             for name in ("README.md", "CHANGELOG.md", "LICENSE", "docs/states.md", "certs/README.md", "reference-data/NOTICE",
                          "reference-data/languages/LICENSE", "reference-data/languages/NOTICE")}
OTHERS = {"usr/lib/systemd/system/vacancyd.service", "etc/vacancyd/vacancyd.conf.example"}


def make(goal, folder):
    # The variables of a make that runs this test are not for the one it starts.
    clean = {name: value for name, value in os.environ.items()
             if name not in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL", "BUILD")}
    subprocess.run(["make", "-s", goal, f"DESTDIR={folder}", "PREFIX=/usr"], cwd=ROOT, env=clean, check=True,
                   timeout=600)


def files_in(folder):
    return {os.path.relpath(os.path.join(where, name), folder)
            for where, _, names in os.walk(folder) for name in names}


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    folder = str(tmp_path_factory.mktemp("install"))
    make("install", folder)
    return folder


def test_the_right_files(installed):
    assert files_in(installed) == PROGRAMS | MANUALS | DOCUMENTS | OTHERS
    for name in PROGRAMS:
        assert stat.S_IMODE(os.stat(os.path.join(installed, name)).st_mode) == 0o755, name


def test_the_programs_run_and_are_of_one_version(installed):
    versions = [subprocess.run([os.path.join(installed, name), "--version"], capture_output=True, text=True, check=True,
                               timeout=30).stdout.split() for name in ("usr/sbin/vacancyd", "usr/bin/vacancy")]
    assert [words[0] for words in versions] == ["vacancyd", "vacancy"]
    assert versions[0][1] == versions[1][1]


def test_the_unit_names_the_installed_program(installed):
    with open(os.path.join(installed, "usr/lib/systemd/system/vacancyd.service"), encoding="utf-8") as handle:
        unit = handle.read()
    assert "/usr/sbin/vacancyd" in unit
    assert "@" not in unit.replace("@system-service", "")


def test_the_manual_pages_render():
    try:
        done = subprocess.run(["mandoc", "-T", "lint", "-W", "warning", "daemon/vacancyd.8",
                               "daemon/vacancyd.conf.5", "client/vacancy.1"], cwd=ROOT, capture_output=True, text=True,
                              check=False, timeout=30)
    except FileNotFoundError:
        pytest.skip("mandoc is not installed")
    assert done.stdout == ""


def test_uninstall_takes_only_what_was_installed(tmp_path):
    configuration = tmp_path / "etc/vacancyd/vacancyd.conf"
    configuration.parent.mkdir(parents=True)
    configuration.write_text("[hub]\n")
    make("install", str(tmp_path))
    make("uninstall", str(tmp_path))
    assert files_in(str(tmp_path)) == {"etc/vacancyd/vacancyd.conf"}
    assert not (tmp_path / "usr/share/doc/vacancyd").exists()
