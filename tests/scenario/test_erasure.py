"""Erasure and the horizon with three real hubs (issue 3, point 7; design.md section 9, Horizon): a carer that its agency has
erased is gone from the home hub and every replica at once; the payloads of its log entries are dropped when the horizon has
moved past them, at home and at peers; a hub that was away meanwhile never serves it again; payloads superseded long ago go by
age. What a hub still has is asked of it: FetchSnapshot, and Follow from the log's beginning. Free pages of a store's file
may keep old octets until they are written over; nothing reads those.
"""
import re
import struct

import grpc
import pytest

import homes
import hub as library
import hubs as many
from hubs import NORTH, WEST, YORKSHIRE

pytestmark = pytest.mark.check

BEHIND_HORIZON = 2  # proto Refusal.Reason
CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


def key_of(reference):
    """The octets of a national reference: 55 bits in eleven characters, then a check."""
    value = 0
    for each in reference.replace("-", "")[:11]:
        value = value * 32 + CROCKFORD.index(each)
    return struct.pack(">Q", value)


@pytest.fixture
def make_hubs(federation, tmp_path, request):
    made = []

    def make(options=None):
        trio = many.Hubs(federation, tmp_path, options=options)
        made.append(trio)
        request.node.hubs = list(trio)
        trio.start()
        trio.wait_deciding()
        homes.register_agencies(trio[YORKSHIRE])
        return trio

    yield make
    for trio in made:
        trio.stop()


def push(hubs, messages, reference):
    """(national reference, vacancy id, sequence) of a new home."""
    with hubs[YORKSHIRE].client(homes.LEEDS) as leeds:
        leeds.call("AgencyService/PutCarer", carer=homes.carer(messages, reference))
        vacancy = leeds.call("AgencyService/PutVacancy", vacancy=homes.vacancy(messages, reference))
        view = leeds.call("AgencyService/GetCarer", agency_reference=reference).carer
    return view.national_reference, vacancy.vacancy_id, vacancy.receipt.sequence


def other_hub(hubs, here):
    """A client of the hub at `here` that is another region's hub."""
    return hubs[here].client(hubs.federation.principal("hub", WEST if here == NORTH else NORTH))


def horizon(hubs, here):
    """Of Yorkshire's log, as the hub at `here` says to other hubs."""
    with other_hub(hubs, here) as other:
        call = other.stream("FederationService/Follow",
                            iter([other.request("FederationService/Follow", positions={"complete": True})]))
        text = next((each.text for message in call if message.HasField("positions")
                     for each in message.positions.checkpoints if f"region {YORKSHIRE}\n" in each.text))
        call.cancel()
    return int(re.search(r"^horizon (\d+)$", text, re.M).group(1))


def wait_horizon(hubs, sequence, *where):
    for here in where:
        library.wait_until(lambda here=here: horizon(hubs, here) >= sequence, 30 * library.SLOWNESS,
                           f"the horizon to be at {sequence} at {here}")


def from_the_beginning(hubs, here):
    """Yorkshire's log, asked for from its first entry: the first answer, a batch or a refusal."""
    with other_hub(hubs, here) as other:
        asked = [{"positions": {"complete": True}},
                 {"take": {"region": YORKSHIRE, "sequence": 0, "head": bytes(32)}}]
        call = other.stream("FederationService/Follow", [other.request("FederationService/Follow", **each)
                                                         for each in asked])
        answer = next(getattr(message, message.WhichOneof("item")) for message in call
                      if message.WhichOneof("item") in ("batch", "refusal"))
        call.cancel()
        return answer


def snapshot_octets(hubs, here):
    with other_hub(hubs, here) as other:
        got = other.call("FederationService/FetchSnapshot", region=YORKSHIRE, timeout=30)
    return b"".join(each.SerializeToString() for each in got)


def found(running, messages):
    with running.client(homes.TEAM) as team:
        return {option.vacancy_id for option in team.call("PlacementService/FindVacancies",
                                                          homes.search(messages, limit=50)).options}


def test_an_erased_carer_is_gone_everywhere(make_hubs, messages):
    hubs = make_hubs()
    gone, gone_vacancy, _ = push(hubs, messages, "H-gone")
    kept, kept_vacancy, _ = push(hubs, messages, "H-kept")
    hubs.wait_equal()
    for here in many.REGIONS:
        octets = snapshot_octets(hubs, here)
        assert key_of(gone) in octets and key_of(kept) in octets
        assert found(hubs[here], messages) == {gone_vacancy, kept_vacancy}
    assert from_the_beginning(hubs, WEST).entries, "nothing is behind the horizon yet"
    hubs[NORTH].stop()

    with hubs[YORKSHIRE].client(homes.LEEDS) as leeds:
        receipt = leeds.call("AgencyService/EraseCarer", agency_reference="H-gone").receipt
        erased = leeds.outcome("AgencyService/GetCarer", agency_reference="H-gone")
        unknown = leeds.outcome("AgencyService/GetCarer", agency_reference="H-never")
        assert erased.code == unknown.code and erased.message == unknown.message
        assert erased.code == grpc.StatusCode.PERMISSION_DENIED
        listed = [each.carer.carer.agency_reference for each in leeds.call("AgencyService/ListCarers")]
        assert listed == ["H-kept"]
    hubs.wait_equal(WEST, YORKSHIRE)
    wait_horizon(hubs, receipt.sequence, YORKSHIRE, WEST)

    # The third was away: what it has is behind the horizon.
    hubs.start(NORTH)
    hubs.wait_equal()
    wait_horizon(hubs, receipt.sequence, NORTH)
    for here in many.REGIONS:
        assert found(hubs[here], messages) == {kept_vacancy}

        def dropped(here=here):
            answer = from_the_beginning(hubs, here)
            return getattr(answer, "reason", None) == BEHIND_HORIZON

        library.wait_until(dropped, 20 * library.SLOWNESS, f"the payloads to be dropped at {here}")
        octets = snapshot_octets(hubs, here)
        assert key_of(gone) not in octets and key_of(kept) in octets
    assert all(row.equal for here in many.REGIONS for row in hubs.verify(here).values())


def test_payloads_go_by_age_and_who_is_behind_takes_a_snapshot(make_hubs, messages):
    hubs = make_hubs({("federation", "payload-kept"): "1s"})
    push(hubs, messages, "H-1")
    hubs.wait_equal()
    hubs[WEST].stop()
    # The same home again and again: what it was is superseded.
    for _ in range(5):
        _, vacancy_id, last = push(hubs, messages, "H-1")
    wait_horizon(hubs, last - 5, YORKSHIRE, NORTH)
    assert from_the_beginning(hubs, YORKSHIRE).reason == BEHIND_HORIZON
    hubs.start(WEST)
    hubs.wait_equal()
    assert found(hubs[WEST], messages) == {vacancy_id}
    assert re.search(rf"{YORKSHIRE}.*snapshot|snapshot.*{YORKSHIRE}", hubs[WEST].log_text())
    assert horizon(hubs, WEST) >= last - 5
    assert all(row.equal for row in hubs.verify(WEST).values())
