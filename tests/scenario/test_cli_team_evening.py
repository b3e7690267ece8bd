"""A team's evening at the client: options by number, holds, what became of a call that nobody answered. Against a made-up
hub, so that every failure can be shown. Issue 5, items 1, 3, 5."""
import json
import os
import re
import stat
import threading
import time

import grpc
import pytest

import hub as library
import said_hub
import relay as relays

pytestmark = pytest.mark.check

TEAM, REF = library.TEAM, "383-204417"
HOLD, VACANCY, OTHER = "E12000003-1-4711", "7KQ2-M9FW-3TXB", "REZ1-PYNZ-2ZXQ"
REGION, FAR = "E12000003", "E12000001"
METHODS = tuple(f"PlacementService/{each}" for each in (
    "FindVacancies", "HoldVacancy", "ExtendHold", "ReleaseHold", "PlaceChild", "GetHold", "ListHolds", "ReportUnavailable"))
QUESTION = ("--near", "LS6", "--child", "8:F", "--child", "10:M", "--ref", REF)
PLACE = ("--code", "u6", "--starts", "2026-11-23", "--child", "8:F", "--child", "10:M")
CONSENTS = ("--provider-consent", "given", "--authorities-consent", "not-needed")


@pytest.fixture(scope="module")
def fake(federation):
    fake = said_hub.SaidHub(federation, METHODS)
    yield fake
    fake.stop()


@pytest.fixture
def vacancy(fake, tmp_path):
    fake.clear()
    fake.answers["PlacementService/FindVacancies"] = answer(fake)
    return lambda *arguments, **options: fake.run(TEAM, tmp_path, *arguments, **options)


def now_ms():
    return int(time.time() * 1000)


AGENCY = {"name": "Beacon Fostering", "kind": 2, "phone": "01632 960219", "out_of_hours_phone": "0808 157 0219"}


def answer(fake):
    def option(vacancy_id, region, taken=2):
        return fake.known.Option(vacancy_id=vacancy_id, region=region, area="Leeds, LS6", beds_free=3, children_taken=taken,
                                 distance_metres=1609, agency=fake.known.AgencyContact(**AGENCY))
    part = fake.known.SplitPart(children=[0], option=option(OTHER, FAR))
    return fake.known.FindVacanciesResponse(
        options=[option(VACANCY, REGION), option(OTHER, FAR)], phone_first=[option(VACANCY, FAR, 1)], as_of_ms=now_ms(),
        splits=[fake.known.Split(parts=[fake.known.SplitPart(children=[1]), part])], considered=9)


def view(fake, state="ACTIVE", **changes):
    fields = {"hold_id": HOLD, "vacancy_id": VACANCY, "region": REGION, "beds": 2, "made_at_ms": now_ms(),
              "state": fake.known.enum("HoldState")[f"HOLD_STATE_{state}"], "until_ms": now_ms() + 4 * 3600_000,
              "request_reference": REF, "agency": fake.known.AgencyContact(**AGENCY)}
    return fake.known.HoldView(**{**fields, **changes})


def receipt(fake, durability="REPLICATED", repeated=False):
    return {"epoch": 1, "sequence": 4711, "durability": fake.known.enum("Durability")[f"DURABILITY_{durability}"],
            "repeated": repeated}


def held(fake, **changes):
    return fake.known.HoldVacancyResponse(receipt=receipt(fake), hold=view(fake, **changes))


def forward_failure(fake, code, text, **fields):
    return Exception(code, text, fake.known.ForwardFailure(region=FAR, agency=AGENCY, **fields))


def asked(fake, method):
    return [request for name, request in fake.heard if name == f"PlacementService/{method}"]


def state_files(folder):
    root = os.path.join(folder, ".local", "state", "vacancy")
    return {each: os.path.join(root, each) for each in os.listdir(root)} if os.path.isdir(root) else {}


def memory_of(folder):
    """The text of the one file that is kept."""
    name, = [each for each in state_files(folder) if not each.endswith(".lock")]
    with open(state_files(folder)[name], encoding="ascii") as handle:
        return handle.read()


def test_an_option_is_held_by_its_number(fake, vacancy, tmp_path):
    fake.answers["PlacementService/HoldVacancy"] = lambda request: held(fake, beds=request.beds)
    assert vacancy("find", *QUESTION).returncode == 0
    done = vacancy("hold", "1", columns=80)
    assert (done.returncode, done.stderr) == (0, "")
    assert re.fullmatch(
        r"Hold 1: 2 beds of vacancy 7KQ2-M9FW-3TXB are yours until \d+ \w+ \d{4} \d\d:\d\d, for\n4 h\.\n"
        r"   sure        REPLICATED: its home hub and another have it on disk\n"
        r"   call        Beacon Fostering \(independent\), 01632 960219, out of hours 0808\n +157 0219\n"
        r"   next        vacancy place 1, vacancy extend 1 \(once\), vacancy release 1\n"
        r"   hold        E12000003-1-4711, for 383-204417\n", done.stdout), done.stdout
    for number in ("2", "p1", "1b"):
        assert vacancy("hold", number, "--for", "90m").returncode == 0
    assert vacancy("hold", "2", "--beds", "1", "--ref", "383-99999", "--json").returncode == 0
    whole = [(each.vacancy_id, each.region, each.beds, each.request_reference, each.duration_s)
             for each in asked(fake, "HoldVacancy")]
    assert whole == [(VACANCY, REGION, 2, REF, 0), (OTHER, FAR, 2, REF, 5400), (VACANCY, FAR, 1, REF, 5400),
                     (OTHER, FAR, 1, REF, 5400), (OTHER, FAR, 1, "383-99999", 0)]
    ids = [each.request_id for each in asked(fake, "HoldVacancy")]
    assert len(set(ids)) == 5 and all(re.fullmatch(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f-]{21}", each) for each in ids)


def test_what_is_kept_is_little_and_for_the_user_alone(fake, vacancy, tmp_path):
    fake.answers["PlacementService/HoldVacancy"] = held(fake)
    vacancy("find", *QUESTION)
    assert re.fullmatch(rf"vacancy-team 1\nanswer \d+ {REF}\noption 1 {VACANCY} {REGION} 2\noption 2 {OTHER} {FAR} 2\n"
                        rf"option P1 {VACANCY} {FAR} 1\noption 1b {OTHER} {FAR} 1\n", memory_of(tmp_path))
    vacancy("find", *QUESTION[:-1], "383-99999")
    assert memory_of(tmp_path).count("answer") == 1 and "383-99999" in memory_of(tmp_path)
    vacancy("hold", "1")
    assert re.search(rf"^holds \d+\nhold 1 {HOLD}\n\Z", memory_of(tmp_path), re.M)
    for path in state_files(tmp_path).values():
        assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
    # Another certificate, and another hub, have numbers of their own.
    other = fake.run("placement-team E08000035 night", tmp_path, "hold", "1")
    assert other.returncode == 2 and "`vacancy find` first" in other.stderr


def test_numbers_that_mean_nothing_are_told_what_to_do(fake, vacancy, tmp_path):
    done = vacancy("hold", "2")
    assert done.returncode == 2 and "no answer is kept here" in done.stderr and "`vacancy find` first" in done.stderr
    vacancy("find", *QUESTION)
    done = vacancy("hold", "7")
    assert done.returncode == 2 and "the last answer has no 7" in done.stderr
    name, = [each for each in state_files(tmp_path) if not each.endswith(".lock")]
    path = state_files(tmp_path)[name]
    old = re.sub(r"answer \d+", f"answer {now_ms() - 12 * 3600_000 - 1000}", memory_of(tmp_path))
    with open(path, "w", encoding="ascii") as handle:
        handle.write(old)
    done = vacancy("hold", "1")
    assert done.returncode == 2 and "more than 12 hours old" in done.stderr and "`vacancy find` again" in done.stderr
    for text in ("", "vacancy-team 1\noption 1\n", old + "half", old.replace("option 1 ", "option 1 x ")):
        with open(path, "w", encoding="ascii") as handle:
            handle.write(text)
        done = vacancy("hold", "1")
        assert done.returncode == 2 and "is damaged: take it away" in done.stderr, (text, done.stderr)
    done = vacancy("release", "3")
    assert done.returncode == 2 and asked(fake, "HoldVacancy") == asked(fake, "ReleaseHold") == []


def test_a_vacancy_is_held_by_its_id(fake, vacancy):
    fake.answers["PlacementService/HoldVacancy"] = held(fake)
    done = vacancy("hold", VACANCY, "--region", REGION)
    assert done.returncode == 2 and "--ref is needed" in done.stderr
    for arguments, words in ((("--for", "2"), "--for is a duration"), (("--for", "0s"), "--for is a duration"),
                             (("--for", "-2h"), "--for is a duration"), (("--beds", "0"), "--beds is 1 to 12"),
                             (("--beds", "13"), "--beds is 1 to 12")):
        done = vacancy("hold", VACANCY, "--ref", REF, *arguments)
        assert done.returncode == 2 and words in done.stderr, done.stderr
    assert vacancy("hold", VACANCY, "--region", REGION, "--ref", REF, "--beds", "3").returncode == 0
    request, = asked(fake, "HoldVacancy")
    assert (request.vacancy_id, request.region, request.beds, request.request_reference) == (VACANCY, REGION, 3, REF)


def test_local_is_said_plainly(fake, vacancy):
    fake.answers["PlacementService/HoldVacancy"] = fake.known.HoldVacancyResponse(
        receipt=receipt(fake, "LOCAL", repeated=True), hold=view(fake))
    flat = " ".join(vacancy("hold", VACANCY, "--ref", REF).stdout.split())
    assert "LOCAL: its home hub has it on disk, and no other had it within a second; if that disk is lost now, so is this" in flat
    assert "it was done when it was first asked for" in flat


def test_a_refusal_is_told_by_flag_and_forgotten(fake, vacancy, tmp_path):
    bad = said_hub.stubs.status_messages()["google.rpc.BadRequest"](field_violations=[{"field": "duration_s"}])
    fake.answers["PlacementService/HoldVacancy"] = Exception(grpc.StatusCode.INVALID_ARGUMENT, "at most 8 hours", bad)
    done = vacancy("hold", VACANCY, "--ref", REF, "--for", "9h")
    assert (done.returncode, done.stderr) == (3, "vacancy hold: --for: at most 8 hours\n")
    fake.answers["PlacementService/HoldVacancy"] = Exception(grpc.StatusCode.FAILED_PRECONDITION, "1 bed is free, not 2")
    done = vacancy("hold", VACANCY, "--ref", REF)
    assert (done.returncode, done.stderr) == (3, "vacancy hold: 1 bed is free, not 2\n")
    assert "asked" not in memory_of(tmp_path) and len(asked(fake, "HoldVacancy")) == 2


def test_a_home_hub_that_is_away_is_telephoned_around(fake, vacancy, tmp_path):
    since = now_ms() - 12 * 60_000
    fake.answers["PlacementService/HoldVacancy"] = forward_failure(
        fake, grpc.StatusCode.UNAVAILABLE, "E12000001 is away", unreachable_since_ms=since)
    done = vacancy("hold", OTHER, "--region", FAR, "--ref", REF)
    assert done.returncode == 4 and done.stdout == ""
    flat = " ".join(done.stderr.split())
    assert re.search(r"the hub of E12000001 decides this and can't be reached since \d+ \w+ \d{4} \d\d:\d\d \(12 min ago\); "
                     r"it has not heard of it, nothing was done", flat), flat
    assert "telephone Beacon Fostering (independent), 01632 960219, out of hours 0808 157 0219" in flat
    assert len(asked(fake, "HoldVacancy")) == 1 and "asked" not in memory_of(tmp_path)


def test_an_unknown_outcome_is_asked_again_with_the_same_id(fake, vacancy, tmp_path):
    kept = []

    def say(request):
        kept.append(memory_of(tmp_path))
        if len(asked(fake, "HoldVacancy")) < 3:
            return forward_failure(fake, grpc.StatusCode.DEADLINE_EXCEEDED, "no answer from E12000001", outcome_unknown=True)
        return fake.known.HoldVacancyResponse(receipt=receipt(fake, repeated=True), hold=view(fake))

    fake.answers["PlacementService/HoldVacancy"] = say
    done = vacancy("hold", OTHER, "--region", FAR, "--ref", REF)
    assert (done.returncode, done.stderr) == (0, "") and "Hold 1: " in done.stdout
    ids = {each.request_id for each in asked(fake, "HoldVacancy")}
    assert len(asked(fake, "HoldVacancy")) == 3 and len(ids) == 1
    # It stood in the file before it was sent, and doesn't any more.
    assert all(f"asked hold {next(iter(ids))} {FAR} {OTHER} " in each for each in kept)
    assert "asked" not in memory_of(tmp_path)


def test_a_try_that_never_left_is_no_word_about_the_one_before(fake, vacancy):
    def say(_):
        if len(asked(fake, "HoldVacancy")) == 1:
            return forward_failure(fake, grpc.StatusCode.DEADLINE_EXCEEDED, "no answer", outcome_unknown=True)
        return forward_failure(fake, grpc.StatusCode.UNAVAILABLE, "it has not heard of this", unreachable_since_ms=now_ms())

    fake.answers["PlacementService/HoldVacancy"] = say
    done = vacancy("hold", OTHER, "--region", FAR, "--ref", REF)
    assert done.returncode == 4 and len(asked(fake, "HoldVacancy")) > 1
    assert "it is not known whether it was done: the hub of " in done.stderr, done.stderr
    assert "has not heard" not in done.stderr and "`vacancy holds --settle` asks" in done.stderr


def test_the_try_that_may_have_been_done_is_told(fake, vacancy, tmp_path):
    def say(_):
        if len(asked(fake, "HoldVacancy")) == 1:
            return forward_failure(fake, grpc.StatusCode.DEADLINE_EXCEEDED, "no answer from E12000001", outcome_unknown=True)
        return Exception(grpc.StatusCode.INTERNAL, "nobody was asked")

    fake.answers["PlacementService/HoldVacancy"] = say
    done = vacancy("hold", OTHER, "--region", FAR, "--ref", REF, "--json")
    assert done.returncode == 4 and "it is not known whether it was done: no answer from" in done.stderr, done.stderr
    assert "nobody was asked" not in done.stderr and "01632 960219" in done.stderr
    told, request = json.loads(done.stdout), asked(fake, "HoldVacancy")[0]
    assert told == {"outcome_unknown": True, "what": "hold", "request_id": request.request_id, "region": FAR}


def test_a_hold_of_which_something_is_not_known_keeps_its_number(fake, vacancy, tmp_path):
    """A placement nobody answered: its hold lives no longer, as far as the hub knows, and is still there to be asked about."""
    fake.answers["PlacementService/ListHolds"] = [fake.known.ListHoldsResponse(hold=view(fake))]
    assert vacancy("holds").returncode == 0
    fake.answers["PlacementService/PlaceChild"] = forward_failure(
        fake, grpc.StatusCode.INTERNAL, "the home hub's disk failed", outcome_unknown=True)
    placing = ("place", "1", "--code", "U6", "--starts", "2026-11-23", "--child", "8:F", "--provider-consent", "given",
               "--authorities-consent", "not-needed")
    assert vacancy(*placing).returncode == 4
    fake.answers["PlacementService/ListHolds"] = []
    listed = vacancy("holds").stdout
    assert re.search(rf"asked +of +region +at\nplace +{view(fake).hold_id} ", listed), listed
    assert vacancy(*placing).returncode == 4 and len(asked(fake, "PlaceChild")) == 2


def test_a_placement_is_listed_from_its_first_day(fake, vacancy, tmp_path):
    code = fake.known.enum("PlacementCode")["PLACEMENT_CODE_U6"]
    fake.answers["PlacementService/ListHolds"] = [fake.known.ListHoldsResponse(hold=view(
        fake, "PLACED", ended_at_ms=now_ms(), starts_on="2026-11-23", placement_code=code))]
    assert "from 2026-11-23, U6" in vacancy("holds", "--all").stdout


def test_a_lost_connection_is_dialled_anew(fake, vacancy, tmp_path):
    relay = relays.Relay(("127.0.0.1", fake.port))
    try:
        def say(_):
            if len(asked(fake, "HoldVacancy")) == 1:
                relay.cut("from")
                before = relay.dropped

                def heal():
                    library.wait_until(lambda: relay.dropped > before, 10, "the answer is dropped")
                    relay.heal()
                threading.Thread(target=heal, daemon=True).start()
            return held(fake)

        fake.answers["PlacementService/HoldVacancy"] = say
        done = vacancy("hold", VACANCY, "--ref", REF, "--hub", f"localhost:{relay.port}")
        assert (done.returncode, done.stderr) == (0, ""), done.stderr
        first, second = asked(fake, "HoldVacancy")
        assert first == second
    finally:
        relay.close()


def test_what_is_not_known_is_settled(fake, vacancy, tmp_path):
    fake.answers["PlacementService/HoldVacancy"] = forward_failure(
        fake, grpc.StatusCode.INTERNAL, "the home hub's disk failed", outcome_unknown=True)
    fake.answers["PlacementService/ListHolds"] = []
    done = vacancy("hold", OTHER, "--ref", REF)
    assert done.returncode == 4 and "it is not known whether it was done: the home hub's disk failed" in done.stderr
    assert "`vacancy holds --settle` asks" in done.stderr and "01632 960219" in done.stderr
    request, = asked(fake, "HoldVacancy")
    assert f"asked hold {request.request_id} {FAR} {OTHER} " in memory_of(tmp_path)
    done = vacancy("hold", OTHER, "--ref", REF)
    assert done.returncode == 2 and "`vacancy holds --settle` first" in done.stderr
    assert "Of 1 request it is not known whether it was done" in vacancy("holds").stdout
    # Nobody answers yet; then it was done; then another was not.
    fake.answers["PlacementService/GetHold"] = forward_failure(
        fake, grpc.StatusCode.UNAVAILABLE, "away", unreachable_since_ms=now_ms())
    done = vacancy("holds", "--settle")
    assert done.returncode == 4 and "is still not known" in done.stderr and "01632 960219" in done.stderr
    assert "nothing was done" not in done.stderr and "it may have been done: ask again later" in " ".join(done.stderr.split())
    fake.answers["PlacementService/GetHold"] = fake.known.GetHoldResponse(hold=view(fake, vacancy_id=OTHER))
    done = vacancy("holds", "--settle")
    assert done.returncode == 0 and f"The hold of vacancy {OTHER} at " in done.stdout and "was done:\nHold 1: " in done.stdout
    question = asked(fake, "GetHold")[-1]
    assert (question.request_id, question.region, question.hold_id) == (request.request_id, FAR, "")
    assert "asked" not in memory_of(tmp_path)
    vacancy("hold", OTHER, "--ref", REF)
    fake.answers["PlacementService/GetHold"] = Exception(grpc.StatusCode.NOT_FOUND, "no such request")
    done = vacancy("holds", "--settle", "--json")
    assert json.loads(done.stdout)["settled"][0]["outcome"] == "not_done" and json.loads(done.stdout)["unsettled"] == []
    assert "Of every request it is known" in vacancy("holds", "--settle").stdout


def test_the_hub_knows_whom_it_asked(fake, vacancy, tmp_path):
    """Of a hold that has ended since, and whose region this program never learnt."""
    fake.answers["PlacementService/HoldVacancy"] = Exception(
        grpc.StatusCode.INTERNAL, "the hub's disk failed", fake.known.ForwardFailure(outcome_unknown=True))
    fake.answers["PlacementService/ListHolds"] = []
    assert vacancy("hold", OTHER, "--ref", REF).returncode == 4
    assert f" - {OTHER} " in memory_of(tmp_path)
    fake.answers["PlacementService/GetHold"] = fake.known.GetHoldResponse(hold=view(fake, "DECLINED", vacancy_id=OTHER))
    assert "was done:" in vacancy("holds", "--settle").stdout
    assert asked(fake, "GetHold")[-1].region == ""


@pytest.mark.parametrize("words", [("hold", OTHER, "--ref", REF, "--region", "N West"), ("release", "E12000003 1 1"),
                                   ("extend", "E12000003-1-1 E12000003-1-2"), ("hold", f"{OTHER} x", "--ref", REF)])
def test_a_slip_leaves_what_is_remembered(fake, vacancy, tmp_path, words):
    vacancy("find", *QUESTION)
    before = memory_of(tmp_path)
    done = vacancy(*words)
    assert done.returncode == 2 and "as E12000003" in done.stderr or "as REZ1" in done.stderr, done.stderr
    assert memory_of(tmp_path) == before and fake.heard[-1][0].endswith("FindVacancies")


def test_a_hub_tells_of_requests_that_another_machine_sent(fake, vacancy):
    spent = "01930000-0000-7000-8000-000000000001"
    fake.answers["PlacementService/ListHolds"] = [fake.known.ListHoldsResponse(hold=view(
        fake, hold_id="", region=FAR, outcome_unknown=True, request_id=spent))]
    assert "not known" in vacancy("holds").stdout
    fake.answers["PlacementService/GetHold"] = Exception(grpc.StatusCode.NOT_FOUND, "no such request")
    done = vacancy("holds", "--settle")
    assert "was not done, and never will be" in " ".join(done.stdout.split())
    assert (asked(fake, "GetHold")[0].request_id, asked(fake, "GetHold")[0].region) == (spent, FAR)


def test_holds_are_numbered_live_ones_first(fake, vacancy, tmp_path):
    views = [view(fake, "DECLINED", hold_id="E12000003-1-4", ended_at_ms=now_ms(),
                  decline_reason=fake.known.enum("DeclineReason")["DECLINE_REASON_MORE_INFORMATION_NEEDED"]),
             view(fake, "ACCEPTED", hold_id="E12000001-1-9", made_at_ms=now_ms() - 60_000), view(fake)]
    fake.answers["PlacementService/ListHolds"] = [fake.known.ListHoldsResponse(hold=each) for each in views]
    for columns in (60, 80, 120):
        text = vacancy("holds", "--all", columns=columns).stdout
        assert all(len(line) <= columns for line in text.split("\n")), text
        assert re.search(r"^1  held +2  \d.* 4 h .*01632 960219$", text, re.M), text
        assert re.search(r"^2  accepted +2 ", text, re.M) and re.search(r"^3  declined ", text, re.M)
        assert (REF in text) == (columns >= 80), text  # which of them is for whom
        assert "3: E12000003-1-4 was declined: the agency needs more than the request says: call it" in " ".join(
            text.split())  # by the number that the table has at each width
    assert asked(fake, "ListHolds")[0].include_ended and not vacancy("holds").returncode
    assert not asked(fake, "ListHolds")[-1].include_ended
    fake.answers["PlacementService/ReleaseHold"] = fake.known.ReleaseHoldResponse(
        receipt=receipt(fake), hold=view(fake, "RELEASED", beds=1, ended_at_ms=now_ms(), hold_id="E12000001-1-9"))
    done = vacancy("release", "2")
    assert done.returncode == 0 and done.stdout.startswith("Hold 2: 1 bed of vacancy 7KQ2-M9FW-3TXB is given back.")
    assert asked(fake, "ReleaseHold")[0].hold_id == "E12000001-1-9"
    fake.answers["PlacementService/ExtendHold"] = fake.known.ExtendHoldResponse(
        receipt=receipt(fake, "LOCAL"), hold=view(fake, extended=True))
    done = vacancy("extend", "1", "--for", "2h", columns=120)
    assert done.returncode == 0 and "extend 1" not in done.stdout and "vacancy release 1" in done.stdout
    assert "LOCAL: its home hub has it on disk; the others get it within seconds\n" in done.stdout
    assert (asked(fake, "ExtendHold")[0].hold_id, asked(fake, "ExtendHold")[0].duration_s) == (HOLD, 7200)
    as_json = json.loads(vacancy("holds", "--json").stdout)
    assert [each["number"] for each in as_json["holds"]] == [1, 2, 3] and as_json["holds"][0]["hold_id"] == HOLD
    # A hold keeps its number while others come and go.
    fake.answers["PlacementService/ListHolds"] = [fake.known.ListHoldsResponse(hold=each) for each in (
        view(fake, hold_id="E12000001-1-10", made_at_ms=now_ms() + 1000), views[1])]
    as_json = json.loads(vacancy("holds", "--json").stdout)
    assert [(each["hold_id"], each["number"]) for each in as_json["holds"]] == [("E12000001-1-10", 3), ("E12000001-1-9", 2)]
    # Of another region's hold its log tells that it was declined, not why; which is no word that there was no reason.
    fake.answers["PlacementService/ListHolds"] = [fake.known.ListHoldsResponse(
        hold=view(fake, "DECLINED", hold_id="E12000001-1-11", ended_at_ms=now_ms()))]
    text = " ".join(vacancy("holds", "--all").stdout.split())
    assert "E12000001-1-11 was declined: for a reason that its region's log does not tell: call the agency" in text
    fake.answers["PlacementService/ListHolds"] = []
    assert vacancy("holds").stdout == "no live holds (--all: ended ones)\n"


def test_children_are_placed_with_consents(fake, vacancy):
    fake.answers["PlacementService/PlaceChild"] = fake.known.PlaceChildResponse(
        receipt=receipt(fake), distance_tenth_miles=123, hold=view(
            fake, "PLACED", placement_code=fake.known.enum("PlacementCode")["PLACEMENT_CODE_U6"], starts_on="2026-11-23"))
    done = vacancy("place", HOLD, *PLACE)
    assert done.returncode == 2 and "--provider-consent is needed, given or not-needed" in done.stderr
    assert "Care Planning Regulations 2010, reg 22" in done.stderr
    done = vacancy("place", HOLD, *PLACE, "--provider-consent", "given")
    assert done.returncode == 2 and "--authorities-consent is needed" in done.stderr and "reg 22" in done.stderr
    for missing, words in (("--code", "--code is needed"), ("--starts", "--starts is needed"),
                           ("--child", "--child is needed")):
        flags = list(PLACE + CONSENTS)
        while missing in flags:
            del flags[flags.index(missing):flags.index(missing) + 2]
        done = vacancy("place", HOLD, *flags)
        assert done.returncode == 2 and words in done.stderr
    assert asked(fake, "PlaceChild") == []
    done = vacancy("place", HOLD, *PLACE, *CONSENTS, "--near", "BD3", columns=100)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("Hold 1: 2 beds of vacancy 7KQ2-M9FW-3TXB are placed (U6) from 2026-11-23.\n"), done.stdout
    assert "12.3 miles from home" in done.stdout and "vacancy release" not in done.stdout
    request, = asked(fake, "PlaceChild")
    consent = fake.known.enum("Consent")
    assert (request.hold_id, request.starts_on, request.home_postcode) == (HOLD, "2026-11-23", "BD3")
    assert [(each.age_months, each.sex) for each in request.children] == [(96, 2), (120, 1)]
    assert (request.provider_consent, request.authorities_consent) == (consent["CONSENT_GIVEN"],
                                                                       consent["CONSENT_NOT_NEEDED"])


def test_a_placement_that_never_began_is_taken_back(fake, vacancy):
    fake.answers["PlacementService/ReleaseHold"] = fake.known.ReleaseHoldResponse(receipt=receipt(fake), hold=view(
        fake, "RELEASED", ended_at_ms=now_ms(), placement_code=fake.known.enum("PlacementCode")["PLACEMENT_CODE_U6"],
        decline_reason=fake.known.enum("DeclineReason")["DECLINE_REASON_PLACEMENT_DID_NOT_BEGIN"]))
    done = vacancy("release", HOLD, "--placement-did-not-begin")
    assert (done.returncode, done.stderr) == (0, "")
    assert " are given back: the placement did not begin.\n" in done.stdout, done.stdout
    assert [each.placement_did_not_begin for each in asked(fake, "ReleaseHold")] == [True]


def test_a_vacancy_that_is_gone_is_reported(fake, vacancy):
    fake.answers["PlacementService/ReportUnavailable"] = fake.known.ReportUnavailableResponse(receipt=receipt(fake))
    vacancy("find", *QUESTION)
    done = vacancy("report", "2")
    assert (done.returncode, done.stderr) == (0, "") and done.stdout.startswith(f"The agency of vacancy {OTHER} is told.")
    request, = asked(fake, "ReportUnavailable")
    assert (request.vacancy_id, request.region, request.request_reference) == (OTHER, FAR, REF)
    fake.answers["PlacementService/ReportUnavailable"] = fake.known.ReportUnavailableResponse(receipt=receipt(fake),
                                                                                             reported_before=True)
    assert "nobody is told again" in " ".join(vacancy("report", "2").stdout.split())
    fake.answers["PlacementService/ReportUnavailable"] = forward_failure(fake, grpc.StatusCode.INTERNAL, "?",
                                                                         outcome_unknown=True)
    done = vacancy("report", "2")
    assert done.returncode == 4 and "say it again: that is safe" in done.stderr
