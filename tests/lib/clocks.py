"""A wall clock that a test moves, under one process at a time: Debian's libfaketime, told by a file.

Owns: Clock, the file and the environment that makes a hub read it. Only the wall clock is another one; CLOCK_BOOTTIME and
CLOCK_MONOTONIC stay the machine's (FAKETIME_DONT_FAKE_MONOTONIC, and an offset does not touch CLOCK_BOOTTIME).
"""
import glob
import os
import subprocess

LIBRARY = "libfaketimeMT.so.1"


def library():
    found = glob.glob(f"/usr/lib/*/faketime/{LIBRARY}")
    assert found, "faketime is not installed: make deps"
    return found[0]


def preloaded():
    """With a sanitizer its runtime must come first."""
    names = {"asan": ["libasan.so", "libubsan.so"], "tsan": ["libtsan.so"]}.get(os.environ.get("SAN", ""), [])
    runtimes = [subprocess.run(["gcc", f"-print-file-name={name}"], check=True, capture_output=True,
                               text=True).stdout.strip() for name in names]
    return " ".join([*runtimes, library()])


class Clock:
    """offset_s: how far ahead of the machine's. Whoever is started with `environment` reads the file anew each time it
    asks for the time, or (kept_s: whole seconds) not more often than that, which costs less."""

    def __init__(self, path, offset_s=0, kept_s=0):
        self.path = str(path)
        self.set(offset_s)
        often = {"FAKETIME_CACHE_DURATION": str(kept_s)} if kept_s else {"FAKETIME_NO_CACHE": "1"}
        self.environment = {"LD_PRELOAD": preloaded(), "FAKETIME_TIMESTAMP_FILE": self.path, **often,
                            "FAKETIME_DONT_FAKE_MONOTONIC": "1", "FAKETIME_DISABLE_SHM": "1"}

    def set(self, offset_s):
        self.offset_s = offset_s
        self.write(f"{offset_s:+.3f}")

    def set_speed(self, speed):
        """From the next start on: so many seconds go by in each."""
        self.write(f"{self.offset_s:+.3f} x{speed}")

    def write(self, text):
        with open(self.path + ".new", "w", encoding="ascii") as handle:
            handle.write(text + "\n")
        os.rename(self.path + ".new", self.path)

    def step(self, by_s):
        self.set(self.offset_s + by_s)
