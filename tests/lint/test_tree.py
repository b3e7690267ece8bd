"""What must not be committed: paths of somebody's machine, marks of the tools it was written with, large files, keys."""
import os
import re
import subprocess

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
MAX_BYTES = 4 << 20
FORBIDDEN = [
    (re.compile(r"(?<![\w.])/(?:work|root|Users/\w+|home/\w+)/"), "a path of somebody's machine"),
    (re.compile(r"(?:co-authored|generated)[- ](?:by|with):? [A-Z<]"), "a mark of the tool it was written with"),
    (re.compile(r"-----BEGIN (?:[A-Z]+ )?PRIVATE KEY-----\n[A-Za-z0-9+/]{16}"), "a private key"),
]


def faults_in(name, octets):
    if len(octets) > MAX_BYTES:
        return [f"{name}: {len(octets)} bytes; at most {MAX_BYTES}"]
    if b"\0" in octets:
        return []
    text = octets.decode("utf-8", "replace")
    return [f"{name}:{text.count(chr(10), 0, found.start()) + 1}: {what}"
            for pattern, what in FORBIDDEN for found in pattern.finditer(text)]


def tracked():
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, stdout=subprocess.PIPE, check=False)
    if listed.returncode == 0:
        return [name for name in listed.stdout.decode().split("\0") if name]
    # An unpacked archive has no index: everything but what a build writes.
    return [os.path.relpath(os.path.join(folder, name), ROOT) for folder, _, names in os.walk(ROOT)
            for name in names if not os.path.relpath(folder, ROOT).startswith(("build", ".git"))]


def test_the_tree_is_clean():
    found = []
    for name in tracked():
        path = os.path.join(ROOT, name)
        if os.path.isfile(path) and not os.path.islink(path):
            with open(path, "rb") as handle:
                found += faults_in(name, handle.read())
    assert not found, "\n" + "\n".join(found)


def test_planted_faults_are_found():
    assert faults_in("a", b"x\nsee /wo" b"rk/main for it\n") == ["a:2: a path of somebody's machine"]
    assert faults_in("a", b"0" * (MAX_BYTES + 1))
    assert faults_in("a", b"-----BEGIN PRIVATE " b"KEY-----\nMIGHAgEAMBMGByqGSM49\n")
    assert not faults_in("a", b"daemon/work/ and https://example.org/root/ are no such paths")
