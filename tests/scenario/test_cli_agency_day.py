"""An agency's day at the client: holds answered, history, a carer who moves, what to do today, events as they happen.
Against a made-up hub, so that every state can be shown. Issue 5, items 1, 4, 6, 7."""
import json
import re

import grpc
import pytest

import made_up

pytestmark = pytest.mark.check

LEEDS = "agency leeds"
HOLD, VACANCY = "E12000003-1-4711", "7KQ2-M9FW-3TXB"
NOW_MS = 1_795_316_811_000
METHODS = tuple(f"AgencyService/{each}" for each in (
    "AcceptHold", "DeclineHold", "ListHolds", "GetHistory", "ReleaseCarer", "TakeOverCarer"))


@pytest.fixture(scope="module")
def fake(federation):
    fake = made_up.MadeUpHub(federation, METHODS)
    yield fake
    fake.stop()


@pytest.fixture
def vacancy(fake, tmp_path):
    fake.clear()
    return lambda *arguments, **options: fake.run(LEEDS, tmp_path, *arguments, **options)


def hold(fake, **changes):
    fields = {"hold_id": HOLD, "vacancy_id": VACANCY, "beds": 2, "state": fake.known.enum("HoldState")["HOLD_STATE_ACTIVE"],
              "until_ms": NOW_MS, "request_reference": "383-204417", "authority": "E08000035", "agency_reference": "L-1"}
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
                                                 "on your hub's disk only: no other hub had it within a second\n")
    (_, accepted), (_, declined) = fake.heard
    assert accepted.hold_id == declined.hold_id == HOLD and accepted.request_id != declined.request_id
    assert declined.reason == fake.known.enum("DeclineReason")["DECLINE_REASON_BED_TAKEN"]


def test_an_answer_without_a_reason_is_not_sent_and_a_refused_one_is_said(fake, vacancy):
    for arguments in ((), ("--reason", "no")):
        done = vacancy("decline", HOLD, *arguments)
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
        event(fake, "STALE", by="hub", agency_reference="L-1\u202e"))]
    done = vacancy("history", "L-1", "--vacancy", VACANCY)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [
        "2026-11-22 03:06:51  vacancy-offered       L-1           2 beds, 2 free, now vacant; vacancy 7KQ2-M9FW-3TXB; by "
        "E12000003/agency/leeds",
        "2026-11-22 03:06:51  held                  L-1           1 bed for 383-204417, 1 free, now vacant; until 22 Nov 2026 "
        "03:06; vacancy 7KQ2-M9FW-3TXB; hold E12000003-1-4711; by E12000003/placement-team/E08000035/duty",
        "2026-11-22 03:06:51  stale                 L-1\ufffd\ufffd\ufffd        vacancy 7KQ2-M9FW-3TXB; by hub"]
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
