"""Hubs of different versions together (row R20): what a newer hub signs with fields that this one does not know is carried
whole, octet by octet, counted in the digest, searched by what is known of it; messages that this one does not know are
passed over. The newer hub is made in tests/lib/liar.py."""
import os
import random
import struct

import pytest

import homes
import hub as library
import liar
import stubs
from test_lies import HERE, HOME, RELAY, Stage

pytestmark = pytest.mark.check

NEW_FIELD = b"\xc2\x3e\x0bof tomorrow"  # number 1000, bytes
LEEDS = {"authority": "E08000035", "square_e_km": 430, "square_n_km": 434, "size_km": 1, "point_e_metres": 430500,
         "point_n_metres": 434500, "area": "Leeds, LS1"}
REFERENCE, VACANCY_ID = (struct.pack(">Q", random.getrandbits(54) + 1) for _ in range(2))


@pytest.fixture
def stage(federation, tmp_path):
    made = Stage(federation, tmp_path)
    try:
        yield made
    finally:
        made.stop()


def newer_records(messages):
    """(table, key, value) of an agency, its carer and an offer, each with a field of tomorrow."""
    short_term = 1 << messages.enum("CareType")["CARE_TYPE_SHORT_TERM"]
    now = homes.now_ms()
    terms = {"approved_care_types": short_term, "approved_age_from_months": 0, "approved_age_below_months": 216}
    agency = messages["vacancy.v1.AgencyRow"](name="Newer Homes", kind=2, status=1, ofsted_urn="SC012345")
    carer = messages["vacancy.v1.CarerRow"](
        agency="newer", agency_reference_hash=os.urandom(32), approved_on_days=18000, max_children=3, places=3,
        age_below_months=216, care_types=short_term, status=1, cell=LEEDS)
    offer = messages["vacancy.v1.Offer"](
        vacancy_id=VACANCY_ID, agency="newer", state=messages.enum("VacancyState")["VACANCY_STATE_VACANT"], beds=2,
        beds_free=2, care_types=short_term, age_below_months=216, observed_at_ms=now, confirmed_at_ms=now,
        valid_until_ms=now + 7 * 86400 * 1000, max_children=3, approved_on_days=18000, bedrooms=2, cell=LEEDS, **terms)
    for table, key, row in (liar.AGENCY, b"newer", agency), (liar.CARER, REFERENCE, carer), (liar.OFFER, REFERENCE, offer):
        yield table, key, row.SerializeToString() + NEW_FIELD


def followed(stage, region):
    """{sequence: (header, salt, payload)} of a region's log as the real hub relays it."""
    with stage.victim.client(stage.federation.principal("hub", RELAY)) as peer:
        asked = [{"positions": {"complete": True}}, {"take": {"region": region, "sequence": 0, "head": bytes(32)}}]
        call = peer.stream("FederationService/Follow", [peer.request("FederationService/Follow", **each) for each in asked])
        for message in call:
            if message.WhichOneof("item") == "batch" and message.batch.region == region:
                call.cancel()
                return [(each.header, each.salt, each.payload) for each in message.batch.entries]
            assert message.WhichOneof("item") != "refusal", message
    raise AssertionError(f"{region} was not sent")


def snapshot(stage, region):
    with stage.victim.client(stage.federation.principal("hub", RELAY)) as peer:
        return {(record.table, record.key): record.value
                for message in peer.call("FederationService/FetchSnapshot", region=region)
                for record in message.records.records}


def test_fields_of_tomorrow_are_carried_whole(stage, messages):
    """R20"""
    for table, key, value in newer_records(messages):
        stage.log.put(table, key, value)
    stage.home.start()
    stage.start()
    stage.wait_sequence(HOME, stage.log.sequence)
    row = stage.regions()[HOME]
    assert row.state_digest in stage.log.text() and row.records == len(stage.log.records) and row.frozen == 0
    assert followed(stage, HOME) == stage.log.entries
    assert snapshot(stage, HOME) == stage.log.records
    with stage.victim.client(homes.TEAM) as team:
        found = library.wait_until(lambda: team.call("PlacementService/FindVacancies", homes.search(messages)).options, 10,
                                   "the newer hub's vacancy")
    assert [(option.region, option.beds_free) for option in found] == [(HOME, 2)]
    # From disk, and after a restart.
    stage.victim.stop()
    stage.start()
    with stage.victim.client(homes.OPERATOR) as operator:
        verified = {each.region: each for each in operator.call("HubService/Verify", timeout=30)}[HOME]
    assert verified.equal and verified.state_digest in stage.log.text()
    assert followed(stage, HOME) == stage.log.entries


def test_messages_of_tomorrow_are_passed_over(stage):
    """R20: a new kind of message, and new fields in known ones, on Follow and in a snapshot."""
    response = stubs.load().FollowResponse
    original, kinds = stage.home.follow, set()

    def follow(requests, context):
        for message in original(requests, context):
            yield response.FromString(NEW_FIELD)
            kind = message.WhichOneof("item")
            kinds.add(kind)
            getattr(message, kind).MergeFromString(NEW_FIELD)
            message.MergeFromString(NEW_FIELD)
            yield message

    stage.home.follow = follow
    stage.home.start()
    stage.start()
    stage.wait_sequence(HOME, 2)
    stage.log.agency("second").agency("third")
    stage.wait_sequence(HOME, 4)
    assert kinds >= {"positions", "batch"}
    row = stage.regions()[HOME]
    assert row.state_digest in stage.log.text() and row.linked and row.frozen == 0
    assert "breaks the protocol" not in stage.victim.log_text()
    assert stage.regions()[HERE].home
