"""vacancy find and why, as a placement officer reads them: against a whole hub, at 80 and at 60 columns. Issue 4."""
import datetime
import json
import re

import pytest

import homes
import hub as library

pytestmark = pytest.mark.check

LEEDS = homes.LEEDS
QUESTION = ("--near", "LS1 4AP", "--ref", "383-204417")
GIRL = ("--child", "8:F")
HEADER = ("agency_reference,observed_at,approved_on,max_children,age_from,age_to,care_types,places,bedrooms,postcode,"
          "languages,pets,vacancy,beds\n")


def home(reference, days_ago=0, beds=2, postcode="LS6 1", pets=""):
    seen = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(days=days_ago)
    return (f"{reference},{seen:%Y-%m-%dT%H:%M:%SZ},2020-05-04,3,0,17,SHORT_TERM;LONG_TERM,3,3,{postcode},pl:FLUENT,{pets},"
            f"VACANT,{beds}\n")


@pytest.fixture
def offers(hub):
    """A home nearby, one with a dog, one further off, and one that nobody has confirmed for eight days."""
    homes.register_agencies(hub)
    rows = home("NEAR") + home("DOG", pets="DOG") + home("FAR", postcode="HX1 1") + home("STALE", days_ago=8)
    done = hub.run_vacancy(LEEDS, "push", "-", stdin=HEADER + rows)
    assert done.returncode == 0, done.stdout + done.stderr
    return hub


def find(hub, *arguments, code=0):
    """What is printed; every line fits at either width."""
    for width in (60, 80):
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("COLUMNS", str(width))
            done = hub.run_vacancy(library.TEAM, "find", *QUESTION, *arguments)
        assert (done.returncode, done.stderr) == (code, ""), done.stdout + done.stderr
        assert all(len(line) <= width for line in done.stdout.split("\n")), done.stdout
    return done.stdout


def ids(hub, *arguments):
    """{reference's place in the answer: id} of options and of what is to be phoned first."""
    done = hub.run_vacancy(library.TEAM, "find", *QUESTION, *GIRL, *arguments, "--json")
    answer = json.loads(done.stdout)
    return [each["vacancy_id"] for each in answer["options"]], [each["vacancy_id"] for each in answer["phone_first"]]


def test_what_a_placement_officer_reads(offers):
    text = find(offers, *GIRL)
    assert re.search(r"^   miles  area +where +approval +beds  call$", text, re.M), text
    assert re.search(r"^1 +\d\.\d  Leeds, LS6 +in area +2  0113 496 0000$", text, re.M), text
    assert re.search(r"^3 +\d+\.\d  [^\n]+ +(adjoining +officer|at a distance +Director) +2  0113", text, re.M), text
    assert re.search(r"^   approval    (adjoining|at a distance)", text, re.M)
    flat = " ".join(text.split())
    assert 'Order "default": homes that meet every rule first, then the nearest distance band (5, 10, 20, 50 miles' in flat
    assert "Has a relative, friend or other person connected with the child been considered first?" in flat
    assert "Miles are measured from the middle of the sector of LS1 4AP." in flat
    assert "PHONE FIRST" not in text and "What would bring more" not in text and re.search(r"^As of ", text, re.M)
    full = find(offers, *GIRL, "--reasons", "all")
    assert re.search(r"terms of approval: asked 8 F, short term; found\s+approved", full)
    assert "Order \"nearest\": homes that meet" in " ".join(find(offers, *GIRL, "--order", "nearest").split())


def test_gaps_come_before_what_is_met(offers):
    text = find(offers, *GIRL, "--language", "ur", "--culture", "required", "--limit", "1", "--show-rating",
                "--school", "LS6 1", "--sibling-at", "LS6 1", "--important-place", "LS6 1", "--communication", "bsl")
    block = text.split("\n\n")[1]
    gaps = [block.index(each) for each in ("   not met     ", "   not known   ", "   met         ", "   call ")]
    assert gaps == sorted(gaps)
    assert re.search(r"language: asked ur, bfi; found pl", block) and "cultural needs" in block, block
    assert re.search(r"school,", block.split("   met  ")[1]), block


def test_phone_first_is_a_table_of_its_own(offers):
    text = find(offers, *GIRL, "--allow", "unconfirmed")
    suits, phone = text.split("PHONE FIRST: this one suits, but the confirmation has run out")
    assert re.search(r"^P1 +\d", phone, re.M) and not re.search(r"^P1", suits, re.M)
    assert "its confirmation has run out" in phone and "last confirmed 8 days ago" in " ".join(phone.split())


def test_a_short_answer_says_what_would_bring_more(offers):
    text = " ".join(find(offers, *GIRL, "--pets", "no", "--within", "5").split())
    assert "4 vacancies were looked at." in text
    assert re.search(r"1 more, \d\.\d miles away, if the rule on pets is lifted: fewer --no-pet, or another --pets", text)
    assert re.search(r"1 more, \d+\.\d miles away, if the rule on distance is lifted: a wider --within", text)
    assert "What would bring more" not in find(offers, *GIRL, "--pets", "no", "--within", "5", "--no-why")


def test_not_in_that_area_means_all_of_it(hub):
    """H10: an outcode is an area. From its middle a home of LS6 4 is 2 km away, one of DL8's farthest sector 30."""
    homes.register_agencies(hub)
    places = ("LS6 1", "LS6 2", "LS6 3", "LS6 4", "DL8 1", "DL8 3", "DL8 5", "HX1 1")
    rows = "".join(home(place.replace(" ", "-"), postcode=place) for place in places)
    done = hub.run_vacancy(LEEDS, "push", "-", stdin=HEADER + rows)
    assert done.returncode == 0, done.stdout + done.stderr

    def areas(*arguments):
        done = hub.run_vacancy(library.TEAM, "find", *QUESTION, *GIRL, "--limit", "20", *arguments, "--json")
        return [option["area"].split(", ")[-1] for option in json.loads(done.stdout)["options"]]

    assert sorted(areas()) == ["DL8"] * 3 + ["HX1"] + ["LS6"] * 4
    assert sorted(areas("--avoid", "LS6:0")) == ["DL8"] * 3 + ["HX1"]
    assert sorted(areas("--avoid", "DL8:0")) == ["HX1"] + ["LS6"] * 4
    assert "DL8" not in areas("--avoid", "DL8") and "LS6" not in areas("--avoid", "LS6")
    assert "LS6" in areas("--avoid", "LS6 1:0") and areas("--avoid", "LS6 1:0").count("LS6") < 4
    text = " ".join(find(hub, *GIRL, "--avoid", "DL8:0", "--avoid", "LS6 1:0", "--reasons", "all").split())
    assert re.search(r"asked 2 places to avoid; measured from the middle of DL8, widened by 33541 m; of LS6 1, by 1071 m",
                     text), text
    done = hub.run_vacancy(library.TEAM, "find", *QUESTION, *GIRL, "--avoid", "SW1A 9AA")
    assert done.returncode == 3 and "--avoid 1: no such sector is known" in " ".join(done.stderr.split()), done.stderr


def test_siblings_whom_no_home_takes(offers):
    four = ("--child", "4:F", "--child", "6:M", "--child", "8:F", "--child", "10:M")
    assert "No home can take" not in find(offers, *four, code=1)
    text = find(offers, *four, "--split-into", "2", code=1)
    assert "No home can take all 4 together." in text and re.search(r"^Two homes, \d+\.\d miles apart:$", text, re.M)
    assert re.search(r"^1a  \d+ [FM], \d+ [FM] +\d", text, re.M) and re.search(r"^1b  \d+ [FM], \d+ [FM] ", text, re.M)
    assert re.search(r"^1a  [^\n]+, for \d+ [FM], \d+ [FM]  \(vacancy", text, re.M)


def test_why(offers, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    suiting, stale = ids(offers, "--allow", "UNCONFIRMED")

    def why(who, *arguments):
        return offers.run_vacancy(library.TEAM, "why", who, *QUESTION, *GIRL, *arguments)

    first, third = why(suiting[0]), why(suiting[2])
    assert (first.returncode, third.returncode) == (0, 0), first.stderr
    assert first.stdout.startswith('Suits. None comes before it in the order "default".\n')
    assert third.stdout.startswith('Suits. 2 come before it in the order "default".\n')
    assert re.search(r"^rule +outcome  asked +found\n", first.stdout, re.M)
    assert re.search(r"^terms of approval +met +8 F, short term +approved 0 to 17 any$", first.stdout, re.M), first.stdout
    assert all(len(line) <= 80 for line in third.stdout.split("\n"))
    far = why(suiting[2], "--within", "5")
    assert far.returncode == 1 and far.stdout.startswith("Does not suit. It fails: distance.\n"), far.stdout
    assert re.search(r"^distance +FAILED +5\.0 miles +\d+\.\d miles$", far.stdout, re.M), far.stdout
    run_out = why(stale[0])
    assert run_out.returncode == 1 and run_out.stdout.startswith("Does not suit. It fails: vacancy.\n")
    assert why(stale[0], "--allow", "UNCONFIRMED").stdout.startswith("Suits, but its confirmation has run out: phone first")
    as_json = json.loads(why(suiting[0], "--json").stdout)
    assert as_json["suitable"] is True and as_json["ahead"] == 0 and as_json["option"]["vacancy_id"] == suiting[0]
    other = suiting[0][:-1] + ("2" if suiting[0][-1] != "2" else "3")
    assert why(other).returncode == 3 and "vacancy_id: " in why(other).stderr
    homes_gone = offers.run_vacancy(LEEDS, "withdraw", "NEAR", "DOG", "FAR", "STALE")
    assert homes_gone.returncode == 0
    assert why(suiting[0]).returncode == 3


def test_what_the_hub_refuses_is_said_in_flags(offers):
    for arguments, words in [(("--school", "QQ1 1"), "--school 1: "), (("--school", "LS6"), "--school 1: "),
                             (("--needed-by", "5-days-or-more"), "--starts: "),
                             (("--placement-code", "U4", "--type", "RESPITE"), "--placement-code: "),
                             (("--communication", "none,bsl"), "--communication"), (("--order", "mine"), "--order: "),
                             (("--order-steps", "area"), "--order"), (("--framework", "No Such"), "--framework: "),
                             (("--split-into", "2", "--split"), "--split")]:
        for command in (("find",), ("why", "7KQ2-M9FW-3TXB")):
            if command[0] == "why" and "--split-into" in arguments:
                continue
            done = offers.run_vacancy(library.TEAM, *command, *QUESTION, *GIRL, *arguments)
            assert done.returncode == 3 and f" {words}" in done.stderr, (arguments, done.stderr)
