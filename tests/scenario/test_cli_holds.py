"""A placement team's evening at the client, against two real hubs: found, held, extended, released, placed and reported by
number, at home and in another region; a home hub that is away; and nothing of a child on the team's disk. Issue 5, item 5."""
import json
import os
import re
import time

import pytest

import homes
import hub as library
from hubs import WEST, YORKSHIRE
from two_regions import mend, two_fixture

pytestmark = pytest.mark.check

TEAM, FAR_TEAM = library.TEAM, "placement-team E08000003 duty"  # of Leeds, of Manchester
SOON_S = 10 * library.SLOWNESS


# Yorkshire, where the homes are, and the west, where a team asks for them.
two = two_fixture(["team E08000003 E12000002", "team E08000035 E12000003"])


class Evening:
    """The client of both teams, with a home folder of their own, and an agency with homes in Leeds."""

    def __init__(self, pair, messages, folder):
        self.pair, self.messages, self.folder, self.count = pair, messages, str(folder), 0

    def run(self, region, spec, *arguments, code=0):
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("COLUMNS", "80")
            patch.setenv("XDG_STATE_HOME", self.folder)
            done = self.pair[region].run_vacancy(spec, *arguments)
        assert done.returncode == code, (done.stdout, done.stderr)
        assert "--json" in arguments or all(len(line) <= 80 for line in done.stdout.split("\n")), done.stdout
        return done

    def home(self, *arguments, code=0):
        return self.run(YORKSHIRE, TEAM, *arguments, code=code)

    def away(self, *arguments, code=0):
        return self.run(WEST, FAR_TEAM, *arguments, code=code)

    def offer(self, postcode, beds=2):
        """A new vacancy at this postcode, known in both regions; its reference."""
        self.count += 1
        reference = f"CLI-{self.count}-{time.monotonic_ns()}"
        with self.pair[YORKSHIRE].client(homes.LEEDS) as agency:
            agency.call("AgencyService/PutCarer", carer=homes.carer(self.messages, reference, home_postcode=postcode))
            vacancy_id = agency.call("AgencyService/PutVacancy",
                                     vacancy=homes.vacancy(self.messages, reference, beds=beds)).vacancy_id

        def known():
            with self.pair[WEST].client(FAR_TEAM) as team:
                return team.outcome("PlacementService/ExplainVacancy", homes.explain(
                    self.messages, vacancy_id, request_reference="352-99887")).code.name == "OK"

        library.wait_until(known, SOON_S, "the vacancy to be known in the west")
        return vacancy_id, reference

    def withdraw(self, reference):
        assert self.pair[YORKSHIRE].run_vacancy(homes.LEEDS, "withdraw", reference).returncode == 0

    def find(self, who, ref):
        """Their answer's vacancies in order: number n is [n - 1]."""
        done = who("find", "--near", "LS1 4AP", "--child", "8:F", "--ref", ref, "--limit", "50", "--json")
        return [each["vacancy_id"] for each in json.loads(done.stdout)["options"]]

    def holds(self, who, *arguments):
        return json.loads(who("holds", "--json", *arguments).stdout)["holds"]


@pytest.fixture
def evening(two, messages, tmp_path, request):
    request.node.hubs = list(two)
    mend(two)
    return Evening(two, messages, tmp_path)


CASES = pytest.mark.parametrize("place,ref", [("home", "383-204417"), ("away", "352-99887")])


@CASES
def test_an_evening(evening, place, ref):
    who = getattr(evening, place)
    first, _ = evening.offer("LS6 1AB")
    second, _ = evening.offer("LS6 1AB")
    found = evening.find(who, ref)
    held = who("hold", str(found.index(first) + 1), "--for", "2h").stdout
    flat = " ".join(held.split())
    number = re.match(rf"Hold (\d+): 1 bed of vacancy {first} is yours until [^,]+, for 2 h\. ", flat)[1]
    assert "REPLICATED: its home hub and another have it on disk" in flat
    assert re.search(r"call \S.*0113 496 0000", flat) and f"vacancy place {number}," in flat
    # Both are listed, the newest first, where they were asked for; from afar as soon as the region's log has come.
    who("hold", second, "--region", YORKSHIRE, "--ref", ref, "--beds", "2")
    library.wait_until(lambda: [each["vacancy_id"] for each in evening.holds(who)][:2] == [second, first], SOON_S,
                       "both to be listed")
    text = who("holds").stdout
    last = str(int(number) + 1)
    assert re.search(rf"^{last}  held +2 ", text, re.M) and re.search(rf"^{number}  held +1 ", text, re.M), text
    assert f"extend {number}" not in who("extend", number, "--for", "1h").stdout
    refused = who("extend", number, code=3).stderr  # once
    assert refused.startswith("vacancy extend: "), refused
    assert " are given back." in who("release", last).stdout
    missing = who("place", number, "--code", "U6", "--starts", time.strftime("%Y-%m-%d"), "--child", "8:F", code=2).stderr
    assert "reg 22" in missing
    placed = " ".join(who("place", number, "--code", "U6", "--starts", time.strftime("%Y-%m-%d"), "--child", "8:F",
                          "--provider-consent", "given", "--authorities-consent", "given", "--near", "LS1 4AP")
                      .stdout.split())
    assert "is placed (U6) from" in placed and re.search(r"distance \d+\.\d miles from home", placed)
    library.wait_until(lambda: [each["vacancy_id"] for each in evening.holds(who)] == [], SOON_S, "no live hold to be left")
    states = {each["vacancy_id"]: each["state"] for each in evening.holds(who, "--all")}
    assert (states[first], states[second]) == ("PLACED", "RELEASED")
    # Of the child and its home nothing is on the team's disk.
    for name in os.listdir(os.path.join(evening.folder, "vacancy")):
        with open(os.path.join(evening.folder, "vacancy", name), encoding="ascii") as handle:
            assert not re.search(r"LS1|4AP|8:F|child|U6|asked", handle.read())


@CASES
def test_what_others_hold_is_refused(evening, place, ref):
    who = getattr(evening, place)
    other = evening.away if place == "home" else evening.home
    vacancy_id, reference = evening.offer("LS6 1AB", beds=1)
    other("hold", vacancy_id, "--region", YORKSHIRE, "--ref", "352-99887" if place == "home" else "383-204417")
    refused = who("hold", vacancy_id, "--region", YORKSHIRE, "--ref", ref, code=3)
    assert refused.stdout == "" and refused.stderr.startswith("vacancy hold: ") and "duty" not in refused.stderr
    assert evening.holds(who) == [] or all(each["vacancy_id"] != vacancy_id for each in evening.holds(who))
    too_long = who("hold", vacancy_id, "--region", YORKSHIRE, "--ref", ref, "--for", "400d", code=3)
    assert "--for" in too_long.stderr, too_long.stderr


@CASES
def test_reported_and_phoned_first(evening, place, ref):
    who = getattr(evening, place)
    vacancy_id, _ = evening.offer("LS6 1AB")
    found = evening.find(who, ref)
    assert f"The agency of vacancy {vacancy_id} is told." in who("report", str(found.index(vacancy_id) + 1)).stdout
    library.wait_until(lambda: vacancy_id not in evening.find(who, ref), SOON_S, "it to leave the options")
    again = " ".join(who("report", vacancy_id, "--ref", ref).stdout.split())
    assert "already: nothing is changed, and nobody is told again" in again, again


def test_a_home_hub_that_is_away(evening):
    vacancy_id, _ = evening.offer("LS6 1AB")
    found = evening.find(evening.away, "352-99887")
    number = str(found.index(vacancy_id) + 1)
    evening.pair.cut(WEST, YORKSHIRE)
    # Nobody has noticed yet: the call is sent and not answered, nor is any that follows within its time.
    unknown = evening.away("hold", number, code=4).stderr
    flat = " ".join(unknown.split())
    assert "it is not known whether it was done" in flat or "nothing was done" in flat, unknown
    if "it is not known" in flat:
        assert "`vacancy holds --settle` asks what became of it" in flat
        assert evening.away("hold", number, code=2).stdout == ""
    evening.pair.heal()
    evening.pair.wait_linked()
    evening.away("holds", "--settle")
    assert json.loads(evening.away("holds", "--json").stdout)["unsettled"] == []
    evening.pair[YORKSHIRE].stop()
    try:
        def said():
            done = evening.pair[WEST].run_vacancy(FAR_TEAM, "hold", vacancy_id, "--region", YORKSHIRE, "--ref", "352-99887")
            return done.stderr if "can't be reached since" in " ".join(done.stderr.split()) else None

        told = " ".join(library.wait_until(said, 60, "the hub to be known to be away").split())
        assert re.search(rf"the hub of {YORKSHIRE} decides this and can't be reached since \d+ \w+ \d{{4}} \d\d:\d\d", told)
        assert "nothing was done" in told and re.search(r"telephone .*0113 496 0000", told), told
    finally:
        evening.pair[YORKSHIRE].start()
