"""vacancy watch, as a team leaves it running: lines, JSON, a program for each change, a hub that goes away, Ctrl-C."""
import json
import os
import pty
import re
import signal
import subprocess
import threading

import pytest

import homes
import hub as library

pytestmark = pytest.mark.check

LEEDS = homes.LEEDS
QUESTION = ("--near", "LS1 4AP", "--child", "8:F", "--ref", "383-204417")
HEADER = "agency_reference,approved_on,max_children,age_from,age_to,care_types,places,bedrooms,postcode,vacancy,beds\n"
BOUND_S = 20


class Watch:
    """vacancy watch as a process; its lines as they come."""

    def __init__(self, hub, *arguments, out=subprocess.PIPE):
        who = hub.federation.principal(library.TEAM, hub.region)
        environment = {**os.environ, "VACANCY_HUB": f"localhost:{hub.port}", "VACANCY_CERT": who.cert, "TERM": "xterm",
                       "VACANCY_KEY": who.key, "VACANCY_CA": hub.federation.root, "HOME": hub.folder}
        self.process = subprocess.Popen([library.VACANCY, "watch", *QUESTION, *arguments], env=environment, stdout=out,
                                        stderr=subprocess.PIPE, text=True)
        self.lines, self.said = [], []
        for stream, lines in ((self.process.stdout, self.lines), (self.process.stderr, self.said)):
            if stream is not None:
                threading.Thread(target=lambda s=stream, l=lines: l.extend(iter(s.readline, "")), daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(BOUND_S)

    def wait(self, pattern, lines=None):
        """Until a line matches; gives it."""
        lines = self.lines if lines is None else lines
        return library.wait_until(lambda: next((each for each in list(lines) if re.search(pattern, each)), None), BOUND_S,
                                  f"/{pattern}/ of vacancy watch; it printed {lines}, said {self.said}")

    def interrupt(self):
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(BOUND_S)


def row(reference, beds=1):
    return f"{reference},2020-05-04,3,0,17,SHORT_TERM,3,3,LS6 1,VACANT,{beds}\n"


def push(hub, *rows):
    done = hub.run_vacancy(LEEDS, "push", "-", stdin=HEADER + "".join(rows))
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture
def one(hub):
    homes.register_agencies(hub)
    push(hub, row("L-1"))
    return hub


LINE = r"^\d\d:\d\d:\d\d  {}  \d\.\d miles, Leeds, LS6, in area, {}, Leeds City Council 0113 496 0000 \([0-9A-Z-]+\)$"


def test_a_line_for_each_event_until_it_is_interrupted(one):
    with Watch(one) as watch:
        watch.wait(LINE.format("appeared", "1 bed"))
        watch.wait(r"ready     1 option now; changes follow, until Ctrl-C$")
        push(one, row("L-1", beds=2))
        watch.wait(LINE.format("changed ", "2 beds"))
        push(one, row("L-2", beds=3))
        watch.wait(LINE.format("appeared", "3 beds"))
        assert one.run_vacancy(LEEDS, "withdraw", "L-1").returncode == 0
        watch.wait(LINE.format("gone    ", "2 beds"))
        assert watch.interrupt() == 0
        assert "\x1b" not in "".join(watch.lines) and watch.said == []


def test_each_event_is_an_object_and_runs_a_program(one, tmp_path):
    program, out = tmp_path / "program", tmp_path / "out"
    program.write_text(f'#!/bin/sh\necho "noise"\necho "$VACANCY_EVENT $VACANCY_ID" >>{out}\n', encoding="ascii")
    program.chmod(0o700)
    with Watch(one, "--json", "--run", str(program)) as watch:
        watch.wait("READY")
        assert one.run_vacancy(LEEDS, "withdraw", "L-1").returncode == 0
        watch.wait("GONE")
        objects = [json.loads(each) for each in watch.lines]
        assert [each["event"] for each in objects] == ["APPEARED", "READY", "GONE"]
        vacancy_id = objects[0]["option"]["vacancy_id"]
        assert objects[2]["vacancy_id"] == vacancy_id
        library.wait_until(lambda: out.exists() and out.read_text() == f"appeared {vacancy_id}\ngone {vacancy_id}\n",
                           BOUND_S, "the program to have run for both")
        assert watch.interrupt() == 0


def test_a_hub_that_goes_away_is_waited_for(one):
    push(one, row("L-2", beds=2))
    with Watch(one) as watch:
        watch.wait("ready     2 options")
        before = len(watch.lines)
        one.kill()
        watch.wait("the hub went away .*; trying again until it is back", watch.said)
        with open(one.configuration, encoding="utf-8") as handle:
            again = re.sub(r"^(listen .*):0$", rf"\g<1>:{one.port}", handle.read(), flags=re.M)
        with open(one.configuration, "w", encoding="utf-8") as handle:
            handle.write(again)
        one.start()
        push(one, row("L-3", beds=3))
        watch.wait(LINE.format("appeared", "3 beds"))
        assert one.run_vacancy(LEEDS, "withdraw", "L-2").returncode == 0
        watch.wait(LINE.format("gone    ", "2 beds"))
        # What was there before and after is not told again, nor is it said twice that the hub was away.
        assert len(watch.lines) == before + 2 and len(watch.said) == 1, (watch.lines, watch.said)
        assert watch.interrupt() == 0


def test_it_can_be_interrupted_while_the_hub_is_away(one):
    with Watch(one, "--allow", "UNCONFIRMED") as watch:
        watch.wait("ready     1 option")
        one.stop()
        watch.wait("the hub went away", watch.said)
        assert watch.interrupt() == 0


def test_what_is_to_be_phoned_first_is_marked(one):
    seen = "2026-01-01T09:00:00Z"
    push_old = HEADER.replace("agency_reference,", "agency_reference,observed_at,") + row("L-2").replace("L-2,", f"L-2,{seen},")
    assert one.run_vacancy(LEEDS, "push", "-", stdin=push_old).returncode == 0
    with Watch(one, "--allow", "UNCONFIRMED") as watch:
        watch.wait(LINE.format("appeared", "1 bed"))
        watch.wait(r"appeared  PHONE FIRST: \d\.\d miles, Leeds, LS6, in area, 1 bed")
        assert watch.interrupt() == 0


def test_colour_is_for_terminals(one):
    master, slave = pty.openpty()
    with Watch(one, out=slave) as watch:
        os.close(slave)
        shown = b""
        while b"ready" not in shown:
            shown += os.read(master, 4096)
        assert b"\x1b[32mappeared\x1b[0m" in shown
        assert watch.interrupt() == 0
    os.close(master)


def test_what_can_never_work_ends_it(hub):
    homes.register_agencies(hub)
    with Watch(hub, "--school", "QQ1 1") as watch:
        assert watch.process.wait(BOUND_S) == 3
        watch.wait("--school 1: ", watch.said)
    hub.stop()
    with Watch(hub) as watch:
        assert watch.process.wait(BOUND_S) == 4
