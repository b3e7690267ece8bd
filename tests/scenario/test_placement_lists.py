"""The lists of an answer beside its options: what is to be telephoned first, siblings in two homes, what could be
relaxed; and that every vacancy that any of them shows is on the trail (design 4.8)."""
import pytest

import homes

pytestmark = pytest.mark.check

FIND = "PlacementService/FindVacancies"
EIGHT_DAYS_MS = 8 * 24 * 3600 * 1000


def offer(hub, messages, reference, changes=None, **vacancy):
    """Registers a home of Leeds's with a vacancy; gives its id."""
    with hub.client(homes.LEEDS) as leeds:
        leeds.call("AgencyService/PutCarer", carer=homes.carer(messages, reference, **(changes or {})))
        leeds.call("AgencyService/PutVacancy", vacancy=homes.vacancy(messages, reference, **vacancy))
        return leeds.call("AgencyService/GetCarer", agency_reference=reference).carer.vacancy.vacancy_id


def shown_by(hub, messages, method=FIND):
    """What the trail has of the last call of a method: its principal, reference, purpose and all subjects."""
    with hub.client(homes.AUDITOR) as auditor:
        trail = auditor.call("HubService/ReadAudit", chain=messages.enum("AuditChain")["AUDIT_CHAIN_DISCLOSURES"])
    records = [messages.AuditRecord.FromString(each.record.octets) for each in trail if each.HasField("record")]
    return [each for each in records if each.method.endswith(method)][-1]


@pytest.fixture
def registered(hub):
    homes.register_agencies(hub)
    return hub


def test_what_is_to_be_telephoned_first(registered, messages):
    """O1: never among the options, and only when asked for."""
    fresh = offer(registered, messages, "FRESH")
    stale = offer(registered, messages, "STALE", observed_at_ms=homes.now_ms() - EIGHT_DAYS_MS)
    unconfirmed = messages.enum("Override")["OVERRIDE_UNCONFIRMED"]
    with registered.client(homes.TEAM) as team:
        found = team.call(FIND, homes.search(messages))
        assert [each.vacancy_id for each in found.options] == [fresh] and not found.phone_first
        found = team.call(FIND, homes.search(messages, overrides=[unconfirmed]))
        assert [each.vacancy_id for each in found.options] == [fresh] and not found.options[0].unconfirmed
        assert [each.vacancy_id for each in found.phone_first] == [stale] and found.phone_first[0].unconfirmed
        assert found.phone_first[0].agency.phone == "0113 496 0000" and found.phone_first[0].reasons
    assert {fresh, stale} <= set(shown_by(registered, messages).subjects)


def test_siblings_in_two_homes(registered, messages):
    sex = messages.enum("Sex")["SEX_F"]
    three = [{"age_months": months, "sex": sex} for months in (96, 120, 144)]
    two_beds = [offer(registered, messages, f"TWO-{n}", {"bedrooms": 3}, beds=2) for n in range(2)]
    one_bed = offer(registered, messages, "ONE", beds=1)
    with registered.client(homes.TEAM) as team:
        found = team.call(FIND, homes.search(messages, children=three))
        assert not found.options and not found.splits
        found = team.call(FIND, homes.search(messages, children=three, split_into=2))
        assert not found.options and found.splits
        shown = set()
        for split in found.splits:
            assert sorted(child for part in split.parts for child in part.children) == [0, 1, 2]
            assert [len(part.children) for part in split.parts] == [2, 1]
            ids = [part.option.vacancy_id for part in split.parts]
            assert len(set(ids)) == 2 and ids[0] in two_beds and ids[1] in (*two_beds, one_bed)
            assert all(part.option.reasons and part.option.agency.phone for part in split.parts)
            assert split.from_home_metres == sum(part.option.distance_metres for part in split.parts)
            shown.update(ids)
        assert shown <= set(shown_by(registered, messages).subjects)
        # A single child, or all of them in one home: nothing to part.
        assert not team.call(FIND, homes.search(messages, split_into=3)).splits
        assert not team.call(FIND, homes.search(messages, children=three[:2], split_into=2)).splits


def test_what_could_be_relaxed(registered, messages):
    """Point 4 of issue 4: the smallest relaxations, with how many and how far."""
    rules = messages.enum("Rule")
    offer(registered, messages, "NEAR")
    boy_of_17 = [{"age_months": 204, "sex": messages.enum("Sex")["SEX_M"]}]
    with registered.client(homes.TEAM) as team:
        found = team.call(FIND, homes.search(messages, children=boy_of_17))
        assert not found.options and found.considered == 1
        assert [(list(each.rules), each.count) for each in found.relaxations] == [([rules["RULE_H3_TERMS"]], 1)]
        assert 0 < found.relaxations[0].nearest_metres < 5000
        found = team.call(FIND, homes.search(messages, children=boy_of_17, within_metres=100))
        assert [(list(each.rules), each.count) for each in found.relaxations] == [
            ([rules["RULE_H3_TERMS"], rules["RULE_DISTANCE"]], 1)]
