"""An agency's day at the client: holds answered, history, a carer who moves, what to do today, events as they happen.
Against a made-up hub, so that every state can be shown. Issue 5, items 1, 4, 6, 7."""
import json
import os
import re
import signal
import stat
import subprocess
import threading
import time
import types

import grpc
import pytest

import homes
import hub as library
import said_hub

pytestmark = pytest.mark.check

LEEDS = "agency leeds"
HOLD, VACANCY = "E12000003-1-4711", "7KQ2-M9FW-3TXB"
NOW_MS = 1_795_316_811_000
METHODS = tuple(f"AgencyService/{each}" for each in (
    "AcceptHold", "DeclineHold", "ListHolds", "GetCarer", "ListCarers", "GetHistory", "ReleaseCarer", "TakeOverCarer", "WatchAgency"))
BOUND_S = 20


@pytest.fixture(scope="module")
def fake(federation):
    fake = said_hub.SaidHub(federation, METHODS)
    yield fake
    fake.stop()


@pytest.fixture
def vacancy(fake, tmp_path):
    fake.clear()
    return lambda *arguments, **options: fake.run(LEEDS, tmp_path, *arguments, **options)


def hold(fake, **changes):
    fields = {"hold_id": HOLD, "vacancy_id": VACANCY, "beds": 2, "state": fake.known.enum("HoldState")["HOLD_STATE_ACTIVE"],
              "until_ms": NOW_MS, "request_reference": "383-204417", "authority": "E08000035", "authority_name": "Leeds",
              "agency_reference": "L-1"}
    return fake.known.HoldView(**{**fields, **changes})


def event(fake, kind, cursor=1, **changes):
    fields = {"cursor": cursor, "at_ms": NOW_MS, "kind": fake.known["vacancy.v1.AgencyEvent"].Kind.Value(f"KIND_{kind}"),
              "agency_reference": "L-1", "vacancy_id": VACANCY,
              "by": "spiffe://fostering.example/region/E12000003/agency/leeds"}
    return fake.known.AgencyEvent(**{**fields, **changes})


def test_a_hold_is_answered(fake, vacancy):
    receipt = {"epoch": 1, "sequence": 4712, "durability": fake.known.enum("Durability")["DURABILITY_REPLICATED"]}
    fake.answers["AgencyService/AcceptHold"] = fake.known.AcceptHoldResponse(receipt=receipt, hold=hold(fake))
    done = vacancy("accept", HOLD)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "accepted: L-1, 2 beds for 383-204417, the team's until 22 Nov 2026 03:06\n"
    receipt["durability"] = fake.known.enum("Durability")["DURABILITY_LOCAL"]
    fake.answers["AgencyService/DeclineHold"] = fake.known.DeclineHoldResponse(
        receipt=receipt, hold=hold(fake, beds=1, ended_at_ms=NOW_MS))
    done = vacancy("decline", HOLD, "--reason", "bed-taken")
    assert (done.returncode, done.stdout) == (0, "declined: L-1, 1 bed for 383-204417\n"
                                                 "on your hub's disk; the others get it within seconds\n")
    (_, accepted), (_, declined) = fake.heard
    assert accepted.hold_id == declined.hold_id == HOLD and accepted.request_id != declined.request_id
    assert declined.reason == fake.known.enum("DeclineReason")["DECLINE_REASON_BED_TAKEN"]
    assert vacancy("decline", HOLD, "--reason", "placement-did-not-begin").returncode == 0
    assert fake.heard[-1][1].reason == fake.known.enum("DeclineReason")["DECLINE_REASON_PLACEMENT_DID_NOT_BEGIN"]


def test_an_answer_without_a_reason_is_not_sent_and_a_refused_one_is_said(fake, vacancy):
    for arguments in ((), ("--reason", "no"), ("--reason", "approval-ended")):  # the last is the hub's own
        done = vacancy("decline", HOLD, *arguments)
        assert "APPROVAL_ENDED" not in done.stderr
        assert done.returncode == 2 and "NOT_SUITABLE, NEEDS_OF_CURRENT_CHILD" in done.stderr
    assert fake.heard == []
    fake.answers["AgencyService/AcceptHold"] = Exception(
        grpc.StatusCode.FAILED_PRECONDITION, "the hold is EXPIRED; the team may hold the vacancy anew")
    done = vacancy("accept", HOLD)
    assert (done.returncode, done.stdout) == (3, "") and "is EXPIRED; the team may hold" in done.stderr


def test_history_is_told_by_line(fake, vacancy):
    kinds = fake.known.enum("VacancyState")
    fake.answers["AgencyService/GetHistory"] = [fake.known.GetHistoryResponse(event=each) for each in (
        event(fake, "VACANCY_OFFERED", beds=2, beds_free=2, state=kinds["VACANCY_STATE_VACANT"]),
        event(fake, "HELD", beds=1, beds_free=1, hold_id=HOLD, request_reference="383-204417", until_ms=NOW_MS,
              state=kinds["VACANCY_STATE_VACANT"], by="spiffe://fostering.example/region/E12000003/placement-team/E08000035/duty"),
        event(fake, "STALE", by="hub", agency_reference="L-1\u202e"),
        event(fake, "REPORTED_UNAVAILABLE", by="hub", until_ms=NOW_MS))]
    done = vacancy("history", "L-1", "--vacancy", VACANCY)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [
        "2026-11-22 03:06:51  vacancy-offered       L-1           2 beds, 2 free, now vacant; vacancy 7KQ2-M9FW-3TXB; by "
        "E12000003/agency/leeds",
        "2026-11-22 03:06:51  held                  L-1           1 bed for 383-204417, 1 free, now vacant; until 22 Nov 2026 "
        "03:06; vacancy 7KQ2-M9FW-3TXB; hold E12000003-1-4711; by E12000003/placement-team/E08000035/duty",
        "2026-11-22 03:06:51  stale                 L-1\ufffd\ufffd\ufffd        vacancy 7KQ2-M9FW-3TXB; by hub",
        "2026-11-22 03:06:51  reported-unavailable  L-1           lapses 22 Nov 2026 03:06; vacancy 7KQ2-M9FW-3TXB; by hub"]
    asked = fake.heard[0][1]
    assert (asked.agency_reference, asked.vacancy_id) == ("L-1", VACANCY)
    assert [each.get("kind") for each in json.loads(vacancy("history", "--json").stdout)][:2] == ["VACANCY_OFFERED", "HELD"]
    fake.answers["AgencyService/GetHistory"] = []
    assert vacancy("history").stdout == "nothing is known to have happened\n"
    assert vacancy("history", "--json").stdout == "[]\n"


def test_a_carer_is_handed_on(fake, vacancy):
    code = "E12000003-7KQ2M9FW3TXB-RZNMF9QWD2KH"
    fake.answers["AgencyService/ReleaseCarer"] = fake.known.ReleaseCarerResponse(transfer_code=code, until_ms=NOW_MS)
    done = vacancy("carer", "release", "L-1")
    assert (done.returncode, done.stdout) == (0, code + "\n")  # alone, so that a script may keep it
    assert "Until 22 Nov 2026 03:06 the other agency" in done.stderr
    fake.answers["AgencyService/TakeOverCarer"] = fake.known.TakeOverCarerResponse(
        carer={"national_reference": "7KQ2-M9FW-3TXB", "agency": "leeds"})
    assert vacancy("carer", "take-over", code).returncode == 2
    done = vacancy("carer", "take-over", "-", "--as", "B-204", stdin=None, input=code + "\n")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("taken over as B-204, national reference 7KQ2-M9FW-3TXB; ")
    asked = fake.heard[-1][1]
    assert (asked.transfer_code, asked.agency_reference) == (code, "B-204")
    # Its outcome is not known: the same request id is what settles it.
    fake.answers["AgencyService/TakeOverCarer"] = Exception(grpc.StatusCode.DEADLINE_EXCEEDED, "not answered")
    done = vacancy("carer", "take-over", code, "--as", "B-204")
    again = re.search(r"--request-id ([0-9a-f-]{36})", done.stderr)
    assert done.returncode == 4 and again[1] == fake.heard[-1][1].request_id
    vacancy("carer", "take-over", code, "--as", "B-204", "--request-id", again[1])
    assert fake.heard[-1][1].request_id == again[1]


def placement(fake, **changes):
    bands, sexes = fake.known.enum("AgeBand"), fake.known.enum("Sex")
    child = {"age_band": bands["AGE_BAND_6_8"], "sibling_group": 2, "responsible_authority": "E08000035"}
    return {"hold_id": HOLD, "holder": "spiffe://fostering.example/region/E12000003/placement-team/E08000035/duty",
            "request_reference": "383-204417", "starts_on": "2026-06-02", "placed_at_ms": NOW_MS,
            "children": [{**child, "sex": sexes["SEX_F"]}, {**child, "sex": sexes["SEX_M"]}], **changes}


PLACEMENT = [f" {HOLD} L-7 2026-06-02 E08000035/duty 6-8:F:2:E08000035", " 6-8:M:2:E08000035"]


def test_show_says_whom_a_team_has_placed_and_no_push_lists(fake, vacancy):
    view = {"national_reference": "7KQ2-M9FW-3TXB", "carer": {"agency_reference": "L-7", "places": 3}}
    fake.answers["AgencyService/GetCarer"] = fake.known.GetCarerResponse(carer=view)
    before = vacancy("show", "L-7").stdout
    assert "placement" not in before
    fake.answers["AgencyService/GetCarer"] = fake.known.GetCarerResponse(
        carer={**view, "placed_not_listed": [placement(fake)]})
    done = vacancy("show", "L-7")
    assert done.returncode == 0 and done.stdout.startswith(before)
    told = done.stdout[len(before):]
    assert "1 placement that your pushes do not list yet: list the children in your next push" in " ".join(told.split())
    assert [re.sub(r" +", " ", each) for each in told.splitlines()[-2:]] == PLACEMENT
    shown = json.loads(vacancy("show", "L-7", "--json").stdout)["placed_not_listed"][0]
    assert (shown["hold_id"], shown["children"][0]["age_band"]) == (HOLD, "6_8")


def carer(fake, reference, hours_ago, hours_left, vacancy_id=VACANCY, state="VACANT", **changes):
    now, hour = time.time() * 1000, 3_600_000
    return fake.known.ListCarersResponse(carer={**changes,
        "national_reference": "7KQ2-M9FW-3TXB", "carer": {"agency_reference": reference}, "vacancy": {
            "vacancy_id": vacancy_id, "vacancy": {"agency_reference": reference, "beds": 1},
            "state": fake.known.enum("VacancyState")[f"VACANCY_STATE_{state}"],
            "confirmed_at_ms": int(now - hours_ago * hour), "valid_until_ms": int(now + hours_left * hour)}})


def test_the_worklist_has_each_thing_once_with_its_command(fake, vacancy, tmp_path):
    now = int(time.time() * 1000)
    fake.answers["AgencyService/ListCarers"] = [
        carer(fake, "L-1", 100, 60, "A"), carer(fake, "L-2", 130, 38, "B"), carer(fake, "L-3", 200, -32, "C"),
        carer(fake, "L-4", 400, -200, "D", "LAPSED"), carer(fake, "L-5", 5, 163, "E"), carer(fake, "L-6", 1, 167, "F"),
        carer(fake, "L-7", 400, -200, "G", "PLACED", placed_not_listed=[placement(fake)]),
        fake.known.ListCarersResponse(carer={"national_reference": "REZ1-PYNZ-2ZXQ", "lost_in_restore": True})]
    reported = {"kind": "REPORTED_UNAVAILABLE", "by": "spiffe://x/region/E12000003/placement-team/E08000035/duty"}
    fake.answers["AgencyService/GetHistory"] = [fake.known.GetHistoryResponse(event=event(fake, **reported, **each)) for each in (
        {"vacancy_id": "E", "at_ms": now - 7_200_000, "agency_reference": "L-5"},
        {"vacancy_id": "F", "at_ms": now - 7_200_000, "agency_reference": "L-6"},  # confirmed since
        {"vacancy_id": "Z", "at_ms": now - 7_200_000, "agency_reference": "L-5"})]  # an earlier vacancy's
    states = fake.known.enum("HoldState")
    fake.answers["AgencyService/ListHolds"] = [fake.known.AgencyServiceListHoldsResponse(hold=each) for each in (
        hold(fake, until_ms=now + 7_300_000), hold(fake, hold_id="E12000003-1-9", state=states["HOLD_STATE_ACCEPTED"]))]
    kept = tmp_path / ".local" / "state" / "vacancy"
    kept.mkdir(parents=True)
    (kept / "rejected-leeds").write_text(f"vacancy rejected lines 1\nfile /x/carers.csv\nat {NOW_MS}\ncount 3\n12 postcode\n"
                                         "14 \n0 L-9\n", encoding="ascii")
    done = vacancy("worklist")
    assert (done.returncode, done.stderr) == (0, "")
    parts = [re.sub(r" +", " ", each).splitlines() for each in done.stdout.split("\n\n")]
    assert [each[0].split(":")[0] for each in parts] == [
        "1 hold awaits an answer", "1 placement is not in your pushes yet", "1 vacancy was reported not available by a team that telephoned",
        "2 vacancies are stale, in the list to phone first, or lapsed", "1 vacancy goes stale soon",
        "1 carer is known only in part after a restore of the hub", "3 complaints about your last file"]
    assert [each[-1] for each in parts[:6]] == [
        f" {HOLD} L-1 2 active in 2 h 383-204417 Leeds", PLACEMENT[1], " L-5 E vacant 2 h ago", " L-4 D lapsed 8 days ago",
        " L-2 B vacant in 37 h", " national reference REZ1-PYNZ-2ZXQ"]
    assert parts[6][-4:] == [" /x/carers.csv, sent 22 Nov 2026 03:06", " line 12: postcode", " line 14", " not in the file: L-9"]
    for command in ("accept HOLD", "decline HOLD --reason CODE", "confirm REF", "withdraw REF", "sync FILE.csv"):
        assert f"`vacancy {command}" in done.stdout.replace("\n", " ")
    listed = json.loads(vacancy("worklist", "--json").stdout)
    assert {name: [one["agency_reference"] for one in listed[name]] for name in (
        "holds", "placed_not_listed", "reported_unavailable", "stale", "going_stale")} == {
            "holds": ["L-1"], "placed_not_listed": ["L-7"], "reported_unavailable": ["L-5"], "stale": ["L-3", "L-4"], "going_stale": ["L-2"]}
    assert listed["lost_in_restore"] == ["REZ1-PYNZ-2ZXQ"] and listed["rejected"]["lines"][2] == {
        "line": None, "agency_reference": "L-9"}


def test_an_empty_worklist_says_so(fake, vacancy):
    for method in ("ListCarers", "GetHistory", "ListHolds"):
        fake.answers[f"AgencyService/{method}"] = []
    assert vacancy("worklist").stdout == "nothing waits for you\n"


# --- events as they happen --------------------------------------------------------------------------------------------

class Watch:
    """vacancy watch as an agency's process; its lines as they come."""

    def __init__(self, fake, folder, *arguments):
        self.process = subprocess.Popen([library.VACANCY, "watch", *arguments], env=fake.environment(LEEDS, folder),
                                        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                        start_new_session=True)
        self.lines, self.said = [], []
        self.readers = [threading.Thread(target=lambda s=stream, l=lines: l.extend(iter(s.readline, "")), daemon=True)
                        for stream, lines in ((self.process.stdout, self.lines), (self.process.stderr, self.said))]
        for each in self.readers:
            each.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(BOUND_S)

    def wait(self, what, condition):
        return library.wait_until(condition, BOUND_S, f"{what}; it printed {self.lines}, said {self.said}")

    def wait_told(self, *cursors):
        self.wait(f"the events {cursors}", lambda: self.cursors() == list(cursors))

    def cursors(self):
        return [int(json.loads(each)["cursor"]) for each in list(self.lines) if "event" in json.loads(each)]

    def end(self, number):
        self.process.send_signal(number)
        status = self.process.wait(BOUND_S)
        for each in self.readers if number != signal.SIGKILL else ():  # a program that it leaves behind holds its streams
            each.join(BOUND_S)
        return status


class Events:
    """What a hub has to tell: all after the cursor, READY, then what is added; `cut` ends every stream."""

    def __init__(self, fake):
        self.fake, self.events, self.changed = fake, [], threading.Condition()
        self.cuts = self.repeat = self.cut_after = 0
        self.asked = []
        fake.answers["AgencyService/WatchAgency"] = self.stream

    def add(self, *events):
        with self.changed:
            self.events += events
            self.changed.notify_all()

    def cut(self):
        with self.changed:
            self.cuts += 1
            self.changed.notify_all()

    def stream(self, request):
        self.asked.append((request.after_cursor, request.from_now))
        response = self.fake.known.WatchAgencyResponse
        with self.changed:
            cuts, last = self.cuts, self.events[-1].cursor if self.events else 0
        after = last if request.from_now else request.after_cursor - self.repeat
        ready = False
        while True:
            with self.changed:
                news = [each for each in self.events if each.cursor > after]
                if not news and ready:
                    self.changed.wait_for(lambda: self.cuts > cuts or self.events and self.events[-1].cursor > after, 60)
                if self.cuts > cuts:
                    return
            for each in news:
                yield response(event=each, cursor=each.cursor)
                after = each.cursor
                if after == self.cut_after:
                    self.cut_after = 0
                    return
            if not ready:
                yield response(cursor=after)
            ready = True


@pytest.fixture
def events(fake):
    fake.clear()
    made = Events(fake)
    yield made
    made.cut()


def kept(folder):
    return os.path.join(folder, ".local", "state", "vacancy", "cursor-leeds")


def test_each_event_is_told_once_across_breaks_kills_and_restarts(fake, events, tmp_path):
    events.add(*(event(fake, "VACANCY_OFFERED", cursor=each) for each in (3, 5)))
    with Watch(fake, tmp_path, "--json") as watch:
        watch.wait_told(3, 5)
        events.add(event(fake, "HELD", cursor=9))
        watch.wait_told(3, 5, 9)
        events.repeat = 100  # a hub that says again what was said is not listened to
        events.cut()
        events.add(event(fake, "HOLD_RELEASED", cursor=11))
        watch.wait_told(3, 5, 9, 11)
        events.repeat = 0
        assert [each for each, _ in events.asked] == [0, 9]
        assert len(watch.said) == 1 and "the hub went away" in watch.said[0]
        assert len(watch.lines) == 5  # READY is told once
        assert watch.end(signal.SIGKILL) < 0
    assert stat.S_IMODE(os.stat(kept(tmp_path)).st_mode) == 0o600
    assert open(kept(tmp_path), encoding="ascii").read() == "vacancy cursor 1 E12000003/leeds 00000000000000000011\n"
    events.add(event(fake, "STALE", cursor=12))
    with Watch(fake, tmp_path) as watch:
        watch.wait("the line", lambda: any("  stale  " in each for each in watch.lines))
        watch.wait("ready", lambda: watch.lines[-1].startswith("that is all so far"))
        assert len(watch.lines) == 2 and events.asked[-1] == (11, False)
        done = fake.run(LEEDS, tmp_path, "watch")
        assert done.returncode == 2 and "another `vacancy watch` keeps its place" in done.stderr
        assert watch.end(signal.SIGINT) == 0 and watch.said == []
    # From now on: what was there is passed over, now and later. Another file begins with the oldest.
    events.add(event(fake, "STALE", cursor=20))
    with Watch(fake, tmp_path, "--json", "--from-now") as watch:
        watch.wait("ready", lambda: watch.lines)
        events.add(event(fake, "LAPSED", cursor=21))
        watch.wait_told(21)
        assert events.asked[-1] == (0, True) and watch.end(signal.SIGTERM) == 0
    other = str(tmp_path / "other")
    with Watch(fake, tmp_path, "--json", "--cursor", other) as watch:
        watch.wait_told(3, 5, 9, 11, 12, 20, 21)
        assert watch.end(signal.SIGINT) == 0
    assert open(other, encoding="ascii").read().endswith(" 00000000000000000021\n")


def test_a_hub_that_goes_away_before_all_was_told_is_waited_for(fake, events, tmp_path):
    events.add(*(event(fake, "VACANCY_OFFERED", cursor=each) for each in (3, 5)))
    events.cut_after = 3
    with Watch(fake, tmp_path, "--json") as watch:
        watch.wait_told(3, 5)
        assert [each for each, _ in events.asked] == [0, 3] and watch.end(signal.SIGINT) == 0


def test_a_program_that_is_stopped_with_the_watch_has_not_dealt_with_its_event(fake, events, tmp_path):
    """Ctrl-C at a terminal, and a service that is stopped, reach both."""
    program, out = tmp_path / "program", tmp_path / "out"
    program.write_text(f"#!/bin/sh\necho $VACANCY_CURSOR >>{out}\n"
                       "if [ $VACANCY_CURSOR = 2 ]; then while :; do sleep 0.02; done; fi\n", encoding="ascii")
    program.chmod(0o700)
    events.add(event(fake, "STALE", cursor=1), event(fake, "LAPSED", cursor=2))
    for number in signal.SIGINT, signal.SIGTERM:
        with Watch(fake, tmp_path, "--run", str(program)) as watch:
            watch.wait("the second program", lambda: out.exists() and out.read_text().endswith("2\n"))
            os.killpg(watch.process.pid, number)
            watch.process.wait(BOUND_S)
            for each in watch.readers:
                each.join(BOUND_S)
            assert watch.said == []  # to be stopped is no failure
        assert open(kept(tmp_path), encoding="ascii").read().endswith(" 00000000000000000001\n")
        text = out.read_text()
        out.unlink()
    assert text == "2\n"


def test_an_event_is_dealt_with_when_its_program_has_ended(fake, events, tmp_path):
    program, out, gate = tmp_path / "program", tmp_path / "out", tmp_path / "gate"
    program.write_text("#!/bin/sh\necho \"$VACANCY_EVENT $VACANCY_CURSOR $VACANCY_ID $VACANCY_HOLD $VACANCY_REFERENCE\" >>"
                       f"{out}\nif [ $VACANCY_CURSOR = 2 ]; then until [ -e {gate} ]; do sleep 0.02; done; fi\n", encoding="ascii")
    program.chmod(0o700)
    events.add(event(fake, "HELD", cursor=1, hold_id=HOLD), event(fake, "REPORTED_UNAVAILABLE", cursor=2),
               event(fake, "CARER_ENDED", cursor=3, vacancy_id="", agency_reference="L 1"))
    first = f"held 1 {VACANCY} {HOLD} L-1\nreported-unavailable 2 {VACANCY}  L-1\n"
    with Watch(fake, tmp_path, "--run", str(program)) as watch:
        watch.wait("the second program", lambda: out.exists() and out.read_text() == first)
        watch.wait("all lines", lambda: len(watch.lines) == 4)
        watch.end(signal.SIGKILL)
    # The second program had not ended: it is run again; the first was, and is not.
    assert open(kept(tmp_path), encoding="ascii").read().endswith(" 00000000000000000001\n")
    gate.touch()
    with Watch(fake, tmp_path, "--run", str(program)) as watch:
        watch.wait("the third program", lambda: out.read_text().endswith("carer-ended 3   L 1\n"))
        watch.wait("the cursor", lambda: open(kept(tmp_path), encoding="ascii").read().endswith("03\n"))
        assert watch.end(signal.SIGINT) == 0
    assert out.read_text() == first + f"reported-unavailable 2 {VACANCY}  L-1\ncarer-ended 3   L 1\n"


def test_a_queue_of_events_waits_for_the_programs_alone(fake, events, tmp_path):
    """A program that ends between two looks wakes the watch: at a second each, 40 would not be done within the bound."""
    program, out = tmp_path / "program", tmp_path / "out"
    program.write_text(f"#!/bin/sh\necho $VACANCY_CURSOR >>{out}\n", encoding="ascii")
    program.chmod(0o700)
    events.add(*(event(fake, "HELD", cursor=n, hold_id=HOLD) for n in range(1, 41)))
    with Watch(fake, tmp_path, "--run", str(program)) as watch:
        watch.wait("the last program", lambda: out.exists() and out.read_text().endswith("\n40\n"))
        assert watch.end(signal.SIGINT) == 0


def test_a_program_that_cannot_be_run_deals_with_nothing(fake, events, tmp_path):
    program, nope = tmp_path / "program", tmp_path / "nope"
    events.add(event(fake, "HELD", cursor=1, hold_id=HOLD))
    with Watch(fake, tmp_path, "--run", str(nope)) as watch:
        assert watch.process.wait(BOUND_S) == 2
        watch.wait("why", lambda: any(f"--run: {nope} can't be run: No such file" in each for each in watch.said))
    assert events.asked == [] and watch.lines == []
    # One that goes away while it runs: what it was not run for is told again.
    program.write_text(f"#!/bin/sh\nrm -f {program}\n", encoding="ascii")
    program.chmod(0o700)
    events.add(event(fake, "HELD", cursor=2, hold_id=HOLD), event(fake, "HELD", cursor=3, hold_id=HOLD))
    with Watch(fake, tmp_path, "--run", str(program)) as watch:
        assert watch.process.wait(BOUND_S) == 2
        watch.wait("why", lambda: any("goes on with the event" in each for each in watch.said))
    assert open(kept(tmp_path), encoding="ascii").read().endswith(" 00000000000000000001\n")


def test_a_place_that_cannot_be_used_is_said(fake, events, tmp_path):
    path = tmp_path / "cursor"
    for text, words in (("nonsense\n", "is damaged; take it away"),
                        ("vacancy cursor 1 E12000003/kirklees 00000000000000000011\n", "is that of E12000003/kirklees")):
        path.write_text(text, encoding="ascii")
        done = fake.run(LEEDS, tmp_path, "watch", "--cursor", str(path))
        assert done.returncode == 2 and words in done.stderr and path.read_text() == text
    done = fake.run(library.TEAM, tmp_path, "watch", "--from-now")
    assert done.returncode == 2 and "for an agency's events" in done.stderr
    assert events.asked == []
    fake.answers["AgencyService/WatchAgency"] = Exception(grpc.StatusCode.OUT_OF_RANGE, "no longer kept")
    done = fake.run(LEEDS, tmp_path, "watch")
    assert done.returncode == 3 and "no longer kept" in done.stderr and "--from-now begins anew" in done.stderr


# --- the same at a real hub -------------------------------------------------------------------------------------------

HEADER = "agency_reference,approved_on,max_children,age_from,age_to,care_types,places,bedrooms,postcode,vacancy,beds\n"


def test_a_day_at_a_real_hub(hub, tmp_path):
    homes.register_agencies(hub)
    real = types.SimpleNamespace(environment=lambda spec, folder: {
        **os.environ, "VACANCY_HUB": f"localhost:{hub.port}", "HOME": str(folder), "TZ": "UTC",
        "VACANCY_CERT": hub.federation.principal(spec, hub.region).cert,
        "VACANCY_KEY": hub.federation.principal(spec, hub.region).key, "VACANCY_CA": hub.federation.root})

    def run(who, *arguments, code=0):
        done = hub.run_vacancy(who, *arguments)
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout

    path = tmp_path / "carers.csv"
    path.write_text(HEADER + "".join(f"L-{n},2020-05-04,3,0,17,SHORT_TERM,3,3,LS6 1,VACANT,1\n" for n in range(2)),
                    encoding="ascii")
    run(LEEDS, "sync", str(path))
    with Watch(real, tmp_path, "--json") as watch:
        kinds = lambda: [json.loads(each)["event"]["kind"] for each in list(watch.lines) if "event" in json.loads(each)]
        watch.wait("what was synced", lambda: sorted(kinds()) == ["CARER_REGISTERED"] * 2 + ["VACANCY_OFFERED"] * 2)
        run(library.TEAM, "find", "--near", "LS1 4AP", "--child", "8:F", "--ref", "383-204417")
        run(library.TEAM, "hold", "1")
        watch.wait("the hold", lambda: kinds()[-1:] == ["HELD"])
        worklist = json.loads(run(LEEDS, "worklist", "--json"))
        hold_id, reference = worklist["holds"][0]["hold_id"], worklist["holds"][0]["agency_reference"]
        assert hold_id in run(LEEDS, "holds")
        # The file no longer has the held one: that alone is rejected.
        rest = [each for each in path.read_text().splitlines(True) if not each.startswith(reference + ",")]
        path.write_text("".join(rest), encoding="ascii")
        done = hub.run_vacancy(LEEDS, "sync", str(path), "--yes")
        assert done.returncode == 1 and f"carers.csv: {reference}: " in done.stderr, done.stderr
        assert run(LEEDS, "accept", hold_id).startswith(f"accepted: {reference}, 1 bed for 383-204417, the team's until ")
        assert json.loads(run(LEEDS, "worklist", "--json"))["holds"] == []
        watch.wait("the answer", lambda: kinds()[-1:] == ["HOLD_ACCEPTED"])
        before = kinds()
        assert watch.end(signal.SIGKILL) < 0
    assert "held" in run(LEEDS, "history", reference)
    run(LEEDS, "decline", hold_id, "--reason", "BED_TAKEN", code=0)
    run(LEEDS, "sync", str(path), "--yes")
    with Watch(real, tmp_path, "--json") as watch:
        watch.wait("what came since", lambda: kinds() == ["HOLD_DECLINED", "VACANCY_WITHDRAWN"])
        assert watch.end(signal.SIGINT) == 0
    assert before.count("HELD") == 1
    assert [each["kind"] for each in json.loads(run(LEEDS, "history", "--json"))] == before + ["HOLD_DECLINED",
                                                                                              "VACANCY_WITHDRAWN"]
