"""An agency's change that the hub made, and whose answer was lost: sent again with the same request id; where that stays
without an answer, told as not known and never as a failure. The hub is a real one, behind one that loses answers."""
import json

import grpc
import pytest

import homes
import hub as library
import said_hub

pytestmark = pytest.mark.check

LEEDS = "agency leeds"
HEADER = "agency_reference,approved_on,max_children,age_from,age_to,care_types,places,bedrooms,postcode,vacancy,beds\n"
METHODS = tuple(f"AgencyService/{each}" for each in (
    "WithdrawVacancy", "EndCarer", "EraseCarer", "AcceptHold", "DeclineHold", "ReleaseCarer"))
UNKNOWN = "it is not known whether it was done: "
COMMANDS = {
    "withdraw": (("withdraw", "L-0"), "WithdrawVacancy", "1 of 1 withdrawn\n", "`vacancy history L-0` shows it"),
    "end": (("end", "L-0", "--on", "2026-11-01", "--reason", "AW1"), "EndCarer", "ended\n", "`vacancy show` of the carer"),
    "erase": (("carer", "erase", "L-0", "--yes"), "EraseCarer", "erased here", "`vacancy show` of the carer"),
    "accept": (("accept", "HOLD"), "AcceptHold", "accepted: ", "`vacancy holds --all` shows it"),
    "decline": (("decline", "HOLD", "--reason", "BED_TAKEN"), "DeclineHold", "declined: ", "`vacancy holds --all` shows it"),
    "release": (("carer", "release", "L-0"), "ReleaseCarer", "E12000003-", "say it again: that makes a new code"),
}


class Losing:
    """A hub before the hub: what it is asked the real one does, and the first answers are lost as `lost` says."""

    def __init__(self, hub, lost):
        self.between, self.client, self.lost = said_hub.SaidHub(hub.federation, METHODS), hub.client(LEEDS), list(lost)
        for each in METHODS:
            self.between.answers[each] = lambda asked, method=each: self.answer(method, asked)

    def answer(self, method, asked):
        try:
            answer = self.client.call(method, asked)
        except grpc.RpcError as refused:
            return Exception(refused.code(), refused.details())
        return Exception(self.lost.pop(0), "the answer was lost") if self.lost else answer

    def __enter__(self):
        self.client.__enter__()
        return self

    def __exit__(self, *what):
        self.client.__exit__(*what)
        self.between.stop()


@pytest.fixture
def offered(hub):
    homes.register_agencies(hub)
    row = "L-0,2020-05-04,3,0,17,SHORT_TERM,3,3,LS6 1,VACANT,1\n"
    assert hub.run_vacancy(LEEDS, "push", "-", stdin=HEADER + row).returncode == 0
    return hub


def words(hub, what):
    """The command; with a hold to answer, where it answers one."""
    if "HOLD" not in COMMANDS[what][0]:
        return COMMANDS[what][0]
    for each in (("find", "--near", "LS1 4AP", "--child", "8:F", "--ref", "383-204417"), ("hold", "1")):
        assert hub.run_vacancy(library.TEAM, *each).returncode == 0
    hold_id = json.loads(hub.run_vacancy(LEEDS, "holds", "--json").stdout)[0]["hold_id"]
    return tuple(hold_id if each == "HOLD" else each for each in COMMANDS[what][0])


@pytest.mark.parametrize("what", COMMANDS)
def test_a_lost_answer_is_asked_for_again_with_the_same_request_id(offered, tmp_path, what):
    command = words(offered, what)
    with Losing(offered, [grpc.StatusCode.DEADLINE_EXCEEDED]) as losing:
        done = losing.between.run(LEEDS, tmp_path, *command)
        assert done.returncode == 0 and done.stdout.startswith(COMMANDS[what][2]), done.stdout + done.stderr
        assert UNKNOWN not in done.stderr
        ids = [asked.request_id for _, asked in losing.between.heard]
        assert len(ids) == 2 and ids[0] == ids[1] != ""


@pytest.mark.parametrize("what", COMMANDS)
def test_what_stays_without_an_answer_is_not_told_as_a_failure(offered, tmp_path, what):
    """What the hub says of the second try is no word about the first."""
    command = words(offered, what)
    with Losing(offered, [grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.RESOURCE_EXHAUSTED]) as losing:
        done = losing.between.run(LEEDS, tmp_path, *command)
    assert (done.returncode, done.stdout) == (4, ""), done.stdout + done.stderr
    said = " ".join(done.stderr.split())
    assert UNKNOWN + "the answer was lost" in said and COMMANDS[what][3] in said, done.stderr


def test_a_refusal_is_a_refusal_and_is_not_asked_twice(offered, tmp_path):
    with Losing(offered, []) as losing:
        for command, method, _, _ in COMMANDS.values():
            losing.between.heard.clear()
            asked = [{"L-0": "L-9", "HOLD": "E12000003-1-9999"}.get(each, each) for each in command]
            done = losing.between.run(LEEDS, tmp_path, *asked)
            assert done.returncode == 3 and UNKNOWN not in done.stderr, done.stdout + done.stderr
            assert [each for each, _ in losing.between.heard] == [f"AgencyService/{method}"]


def test_of_several_withdrawals_it_says_how_many_are_known(offered, tmp_path):
    row = "L-1,2020-05-04,3,0,17,SHORT_TERM,3,3,LS6 1,VACANT,1\n"
    assert offered.run_vacancy(LEEDS, "push", "-", stdin=HEADER + row).returncode == 0
    with Losing(offered, [grpc.StatusCode.INTERNAL]) as losing:
        first = losing.between.answers["AgencyService/WithdrawVacancy"]
        losing.between.answers["AgencyService/WithdrawVacancy"] = lambda asked: (
            losing.client.call("AgencyService/WithdrawVacancy", asked) if asked.agency_reference == "L-0" else first(asked))
        done = losing.between.run(LEEDS, tmp_path, "withdraw", "L-0", "L-1")
    assert (done.returncode, done.stdout) == (4, "1 of 2 known to be withdrawn\n"), done.stdout + done.stderr
    assert f"L-1: {UNKNOWN}" in done.stderr
