"""A carer moves to another agency, within Yorkshire and to the west, over two real hubs: with the client and with an
independent gRPC client; each refusal of a code; either hub killed in the middle, or away. Never two owners, and the code
finishes what broke off. Issue 5, item 6."""
import os
import threading
import time

import grpc
import pytest

import homes
import hub as library
import two_regions
from homes import request_id
from hubs import WEST, YORKSHIRE
from two_regions import ground_fixture, two_fixture

pytestmark = pytest.mark.check

Code = grpc.StatusCode
SOON_S = 10 * library.SLOWNESS
TAKER = homes.HOMES


two = two_fixture(["team E08000003 E12000002", "team E08000035 E12000003"])


class Ground(two_regions.Ground):
    """The agency that lets a carer go and the one of the west that takes it over."""

    def __init__(self, pair, messages):
        super().__init__(pair, messages)
        self.status = messages.enum("CarerStatus")

    @property
    def leeds(self):
        return self.client(YORKSHIRE, homes.LEEDS)

    @property
    def west(self):
        return self.client(WEST, TAKER)

    def name(self, what):
        self.count += 1
        return f"{what}-{os.getpid()}-{self.count}-{time.monotonic_ns()}"

    def carer(self, beds=1):
        reference = self.name("H")
        self.leeds.call("AgencyService/PutCarer", carer=homes.carer(self.messages, reference))
        if beds:
            self.leeds.call("AgencyService/PutVacancy", vacancy=homes.vacancy(self.messages, reference, beds=beds))
        return reference

    def release(self, reference, client=None):
        return (client or self.leeds).call("AgencyService/ReleaseCarer", agency_reference=reference).transfer_code

    def take(self, client, code, reference, **options):
        return client.outcome("AgencyService/TakeOverCarer", transfer_code=code, agency_reference=reference, **options)

    def view(self, client, reference):
        return client.call("AgencyService/GetCarer", agency_reference=reference).carer

    def owners(self, reference, taken):
        """How many agencies have it as theirs."""
        found = 0
        for client, each in ((self.leeds, reference), (self.west, taken)):
            got = client.outcome("AgencyService/GetCarer", agency_reference=each)
            assert got.code in (Code.OK, Code.PERMISSION_DENIED), got
            found += got.code == Code.OK and got.response.carer.status == self.status["CARER_STATUS_APPROVED"]
        return found

    def back(self, region):
        """A hub that was killed or stopped is there again."""
        for key in [key for key in self.clients if key[0] == region]:
            self.clients.pop(key).close()
        if not self.pair[region].alive():
            self.pair.start(region)
        self.pair.wait_deciding(region)
        self.pair.wait_linked()

    def finish(self, code, reference, taken):
        """The same call again, until it is done: what a person would do."""
        got = library.wait_until(lambda: self.done(self.take(self.west, code, taken)), SOON_S, "the move to be done")
        assert got.carer.agency == "good-homes" and self.owners(reference, taken) == 1
        old = self.view(self.leeds, reference)
        assert old.status == self.status["CARER_STATUS_MOVED"] and old.moved_to_region == WEST
        assert old.moved_to_agency == "good-homes" and old.national_reference == got.carer.national_reference

    def done(self, got):
        assert got.code in (Code.OK, Code.UNAVAILABLE, Code.DEADLINE_EXCEEDED), got
        return got.response if got.code == Code.OK else None


ground = ground_fixture(Ground)


def test_to_another_region(ground, messages):
    reference, taken = ground.carer(beds=2), ground.name("W")
    before = ground.view(ground.leeds, reference)
    team = ground.client(YORKSHIRE, homes.TEAM)
    held = team.call("PlacementService/HoldVacancy", request_id=request_id(), vacancy_id=before.vacancy.vacancy_id, beds=1,
                     request_reference="383-204417").hold
    code = ground.release(reference)
    assert code.startswith(f"{YORKSHIRE}-{before.national_reference.replace('-', '')}-") and len(code) == 35
    once = request_id()
    got = ground.take(ground.west, code, taken, request_id=once)
    assert got.code == Code.OK, got
    now = got.response.carer
    assert (now.national_reference, now.agency) == (before.national_reference, "good-homes")
    assert now.moved_from_region == YORKSHIRE and now.status == ground.status["CARER_STATUS_APPROVED"]
    assert (now.area, now.home_authority) == (before.area, before.home_authority)  # the cell is kept
    assert not now.HasField("vacancy")
    assert now.carer == messages.Carer.FromString(before.carer.SerializeToString() +
                                                  messages.Carer(agency_reference=taken).SerializeToString())
    old = ground.view(ground.leeds, reference)
    assert old.status == ground.status["CARER_STATUS_MOVED"] and not old.HasField("vacancy")
    assert (old.moved_to_region, old.moved_to_agency) == (WEST, "good-homes")
    listed = {each.carer.carer.agency_reference: each.carer for each in ground.leeds.call("AgencyService/ListCarers")}
    assert listed[reference].status == ground.status["CARER_STATUS_MOVED"]
    hold = team.call("PlacementService/GetHold", hold_id=held.hold_id).hold
    assert hold.decline_reason == messages.enum("DeclineReason")["DECLINE_REASON_APPROVAL_ENDED"]
    assert team.outcome("PlacementService/HoldVacancy", request_id=request_id(), beds=1, region=YORKSHIRE,
                        vacancy_id=before.vacancy.vacancy_id, request_reference="383-204417").code == Code.NOT_FOUND
    # Said again: the same, with the same request id or without.
    again = ground.take(ground.west, code, taken, request_id=once)
    assert again.code == Code.OK and again.response.carer == got.response.carer, again
    assert ground.take(ground.west, code, taken).response.carer == got.response.carer
    # Its old agency pushes it no more, and is told whom to ask.
    push = ground.leeds.outcome("AgencyService/PutCarer", carer=homes.carer(messages, reference))
    assert push.code == Code.FAILED_PRECONDITION and WEST in push.message and "TakeOverCarer" in push.message, push
    # Its new one does, and offers it.
    ground.west.call("AgencyService/PutCarer", carer=homes.carer(messages, taken, places=2))
    ground.west.call("AgencyService/PutVacancy", vacancy=homes.vacancy(messages, taken, beds=1))
    # What each was told.
    kinds = messages.AgencyEvent.DESCRIPTOR.enum_types_by_name["Kind"].values_by_name
    for client, mine, detail in ((ground.leeds, reference, f"good-homes of {WEST}"),
                                 (ground.west, taken, f"leeds of {YORKSHIRE}")):
        events = [each.event for each in client.call("AgencyService/GetHistory", agency_reference=mine)]
        moved = [each for each in events if each.kind == kinds["KIND_CARER_MOVED"].number]
        assert [each.detail for each in moved] == [detail] and not moved[0].beds_free and not moved[0].state
    ground.pair.wait_equal()
    # And back home, under the reference that it had there.
    back = ground.release(taken, ground.west)
    got = ground.take(ground.leeds, back, reference)
    assert got.code == Code.OK and got.response.carer.national_reference == before.national_reference, got
    assert ground.owners(reference, taken) == 1
    assert ground.take(ground.west, code, taken).code == Code.PERMISSION_DENIED


def bare(ground, reference):
    """Its old record tells of the move, and of nothing else that is private."""
    old = ground.view(ground.leeds, reference)
    assert old.status == ground.status["CARER_STATUS_MOVED"] and old.moved_to_region == WEST
    return not (old.carer.home_postcode or old.carer.placed_children or old.carer.household_children
                or old.carer.exemptions or old.carer.skills)


@pytest.mark.parametrize("at_once", [False, True])
def test_erased_where_it_went(ground, at_once):
    """The old hub keeps nothing private of who is registered elsewhere, or was and is erased; no code brings it back."""
    reference, taken, once = ground.carer(beds=2), ground.name("W"), request_id()
    code = ground.release(reference)
    first = ground.take(ground.west, code, taken, request_id=once)
    assert first.code == Code.OK, first
    if not at_once:
        library.wait_until(lambda: bare(ground, reference), 3 * SOON_S, "the old hub to forget")
        # An answer that was lost is still to be had.
        again = ground.take(ground.west, code, taken, request_id=once)
        assert again.code == Code.OK and again.response.carer == first.response.carer, again
        assert ground.take(ground.west, code, taken).code == Code.OK
    ground.west.call("AgencyService/EraseCarer", agency_reference=taken)
    assert ground.take(ground.west, code, taken).code == Code.PERMISSION_DENIED
    library.wait_until(lambda: bare(ground, reference), 3 * SOON_S, "the old hub to forget")
    assert ground.take(ground.west, code, taken).code == Code.PERMISSION_DENIED
    assert ground.owners(reference, taken) == 0
    ground.leeds.call("AgencyService/EraseCarer", agency_reference=reference)


def test_within_a_region(ground, messages):
    reference, taken = ground.carer(), ground.name("X")
    homes_here = ground.client(YORKSHIRE, homes.HOMES)
    national = ground.view(ground.leeds, reference).national_reference
    once = request_id()
    first = ground.leeds.call("AgencyService/ReleaseCarer", agency_reference=reference, request_id=once)
    again = ground.leeds.call("AgencyService/ReleaseCarer", agency_reference=reference, request_id=once)
    assert again.transfer_code == first.transfer_code and again.until_ms == first.until_ms
    assert 0 <= first.until_ms - 14 * 86400_000 - time.time() * 1000 + SOON_S * 1000
    got = ground.take(homes_here, first.transfer_code.lower(), taken)
    assert got.code == Code.OK and got.response.carer.national_reference == national, got
    assert ground.leeds.outcome("AgencyService/GetCarer", agency_reference=reference).code == Code.PERMISSION_DENIED
    assert ground.take(homes_here, first.transfer_code, ground.name("X")).code == Code.PERMISSION_DENIED  # used
    # Nor does its old agency's next file register the household a second time.
    push = ground.leeds.outcome("AgencyService/PutCarer", carer=homes.carer(messages, reference))
    assert push.code == Code.FAILED_PRECONDITION and push.fields == ["carer.agency_reference"], push
    assert "another agency on 20" in push.message and "another reference" in push.message, push


def test_each_code_that_is_not_good(ground, messages):
    one, two = ground.carer(beds=0), ground.carer(beds=0)
    first, other = ground.release(one), ground.release(two)
    mixed = first[:22] + other[22:]  # for another carer
    newer = ground.release(one)      # voids the first
    said = set()
    for client in ground.west, ground.client(YORKSHIRE, homes.HOMES):
        for code in mixed, first:
            got = ground.take(client, code, ground.name("W"))
            assert (got.code, got.fields) == (Code.PERMISSION_DENIED, ["transfer_code"]), got
            said.add(got.message)
    got = ground.take(ground.leeds, newer, ground.name("H"))  # its own
    assert got.code == Code.PERMISSION_DENIED
    assert said == {got.message}
    # A slip of the pen is no code, and asks nobody.
    slip = newer[:-1] + ("7" if newer[-1] != "7" else "8")
    got = ground.take(ground.west, slip, ground.name("W"))
    assert (got.code, got.fields) == (Code.INVALID_ARGUMENT, ["transfer_code"]), got
    assert ground.take(ground.west, "", ground.name("W")).fields == ["transfer_code"]
    assert ground.take(ground.west, "E12000008" + newer[9:], ground.name("W")).code == Code.FAILED_PRECONDITION
    # A reference that is taken is seen before anybody lets go.
    mine = ground.name("W")
    ground.west.call("AgencyService/PutCarer", carer=homes.carer(messages, mine))
    # So is one of a carer who has gone to another agency.
    gone, other_west = ground.name("W"), ground.client(WEST, homes.LEEDS)
    ground.west.call("AgencyService/PutCarer", carer=homes.carer(messages, gone))
    assert ground.take(other_west, ground.release(gone, ground.west), ground.name("L")).code == Code.OK
    for reference in mine, gone:
        got = ground.take(ground.west, newer, reference)
        assert (got.code, got.fields) == (Code.ALREADY_EXISTS, ["agency_reference"]), got
    assert ground.view(ground.leeds, one).status == ground.status["CARER_STATUS_APPROVED"]
    # Another agency of the same region has no use for a code that was used.
    taken = ground.name("W")
    assert ground.take(ground.west, newer, taken).code == Code.OK
    assert ground.take(ground.client(WEST, homes.LEEDS), newer, ground.name("L")).code == Code.PERMISSION_DENIED
    # Erased or ended: void.
    ground.leeds.call("AgencyService/EraseCarer", agency_reference=two)
    assert ground.take(ground.west, other, ground.name("W")).code == Code.PERMISSION_DENIED
    # A team or a hub of another region can't ask for a carer.
    with ground.pair[YORKSHIRE].client("hub", WEST) as peer:
        for principal in (ground.pair.federation.principal(homes.HOMES, YORKSHIRE).name,
                          ground.pair.federation.principal("placement-team E08000003 duty", WEST).name):
            got = peer.outcome("FederationService/Forward", principal=principal, let_go={"transfer_code": newer})
            assert got.code == Code.PERMISSION_DENIED, got


def test_the_other_hub_is_away(ground):
    """Nothing is begun, and it says since when."""
    reference, taken = ground.carer(), ground.name("W")
    code = ground.release(reference)
    ground.pair[YORKSHIRE].stop()
    library.wait_until(lambda: not ground.pair.list_regions(WEST)[YORKSHIRE].linked, SOON_S, "the end to be noticed")
    got = ground.take(ground.west, code, taken)
    assert got.code == Code.UNAVAILABLE and YORKSHIRE in got.message, got
    ground.back(YORKSHIRE)
    assert ground.owners(reference, taken) == 1 and ground.view(ground.leeds, reference).vacancy.vacancy_id
    ground.finish(code, reference, taken)


def test_nobodys_for_a_while(ground):
    """The old hub has let go, and the new one has died before it heard: kill -9 of both, and the code goes on; nobody
    else's."""
    reference, taken = ground.carer(), ground.name("W")
    code = ground.release(reference)
    principal = ground.pair.federation.principal(TAKER, WEST).name
    with ground.pair[YORKSHIRE].client("hub", WEST) as peer:
        first = peer.outcome("FederationService/Forward", principal=principal, let_go={"transfer_code": code})
        assert first.code == Code.OK and first.response.let_go.carer, first
        assert ground.owners(reference, taken) == 0
        for region in YORKSHIRE, WEST:
            ground.pair[region].kill()
    ground.pair.start()
    for region in YORKSHIRE, WEST:
        ground.back(region)
    with ground.pair[YORKSHIRE].client("hub", WEST) as peer:
        again = peer.outcome("FederationService/Forward", principal=principal, let_go={"transfer_code": code})
    assert again.code == Code.OK and again.response == first.response, again
    assert ground.take(ground.client(WEST, homes.LEEDS), code, ground.name("L")).code == Code.PERMISSION_DENIED
    assert ground.take(ground.client(YORKSHIRE, homes.HOMES), code, ground.name("X")).code == Code.PERMISSION_DENIED
    ground.finish(code, reference, taken)


def test_the_answer_is_lost(ground):
    """Cut between the two as the old hub lets go: nobody's for a while, and then the taker's."""
    for cut_after_s in (0.0, 0.001, 0.003, 0.01, 0.03):
        reference, taken = ground.carer(), ground.name("W")
        code = ground.release(reference)
        outcome = []
        caller = threading.Thread(target=lambda code=code, taken=taken: outcome.append(
            ground.take(ground.west, code, taken, timeout=SOON_S)))
        caller.start()
        threading.Event().wait(cut_after_s)
        ground.pair.cut(WEST, YORKSHIRE)
        caller.join()
        assert ground.owners(reference, taken) <= 1
        if outcome[0].code == Code.DEADLINE_EXCEEDED:
            assert "with the same code" in outcome[0].message, outcome[0]
        ground.pair.heal()
        ground.pair.wait_linked()
        ground.finish(code, reference, taken)


@pytest.mark.parametrize("killed", [YORKSHIRE, WEST])
def test_killed_in_the_middle(ground, killed):
    """kill -9 of either, at any moment of the move."""
    seen = set()
    for after_s in (0.0, 0.001, 0.002, 0.004, 0.008, 0.02):
        reference, taken = ground.carer(), ground.name("W")
        code = ground.release(reference)
        outcome = []
        west = ground.west
        caller = threading.Thread(target=lambda west=west, code=code, taken=taken: outcome.append(
            ground.take(west, code, taken, timeout=SOON_S)))
        caller.start()
        threading.Event().wait(after_s)
        ground.pair[killed].kill()
        caller.join()
        seen.add(outcome[0].code)
        ground.back(killed)
        assert ground.owners(reference, taken) <= 1
        ground.finish(code, reference, taken)
    print(f"killed {killed}: {sorted(each.name for each in seen)}")


def test_with_the_client(ground, tmp_path):
    """`carer release` at one hub, `carer take-over` at the other, with the code on standard input."""
    reference, taken = ground.carer(), ground.name("W")
    released = ground.pair[YORKSHIRE].run_vacancy(homes.LEEDS, "carer", "release", reference)
    assert released.returncode == 0, released.stderr
    code = released.stdout.strip()
    done = ground.pair[WEST].run_vacancy(TAKER, "carer", "take-over", "-", "--as", taken, stdin=code + "\n")
    assert done.returncode == 0 and ground.view(ground.west, taken).national_reference in done.stdout, done
    listed = ground.pair[YORKSHIRE].run_vacancy(homes.LEEDS, "list", "carers")
    line = next(each for each in listed.stdout.splitlines() if reference in each)
    assert "moved" in line, listed.stdout
    wrong = ground.pair[WEST].run_vacancy(homes.LEEDS, "carer", "take-over", code, "--as", ground.name("L"))
    assert wrong.returncode != 0 and "not good" in wrong.stderr, wrong
    assert code not in ground.pair[YORKSHIRE].log_text() + ground.pair[WEST].log_text()
