"""What a placement team does: search, over mutual TLS with an independent gRPC client; and what the trail keeps of it."""
import datetime
import re

import grpc
import pytest

import homes
import hub as library

pytestmark = pytest.mark.check

Code = grpc.StatusCode
FIND = "PlacementService/FindVacancies"


@pytest.fixture
def offers(hub, messages):
    """Twenty homes, ten of them with a vacancy."""
    homes.register_agencies(hub)
    with hub.client(homes.LEEDS) as leeds:
        homes.submit_all(leeds, [("put_carer", {"carer": homes.carer(messages, f"H-{n:02}")}) for n in range(20)])
        homes.submit_all(leeds, [("put_vacancy", {"vacancy": homes.vacancy(messages, f"H-{n:02}")})
                                 for n in range(0, 20, 2)])
    return hub


def test_finds_with_reasons(offers, messages):
    with offers.client(homes.TEAM) as team:
        found = team.call(FIND, homes.search(messages, languages=["pl"]))
        assert len(found.options) == 3 and not found.removed
        for option in found.options:
            assert option.agency.phone == "0113 496 0000" and option.home_authority_name == "Leeds"
            assert option.reasons and option.beds_free == 2
        assert found.policy == "default" and found.order_steps and len(found.gazetteer_digest) == 64
        everything = team.call(FIND, homes.search(messages, limit=100))
        assert len(everything.options) == 10
        nearest = team.call(FIND, homes.search(messages, limit=100, order_name="nearest"))
        distances = [option.distance_metres for option in nearest.options]
        assert distances == sorted(distances)
        again = team.call(FIND, homes.search(messages, limit=100))
        assert list(again.options) == list(everything.options)


def test_an_approval_that_is_due(offers, messages):
    """H1, S15: offered for a placement that starts when the approval is in force, and told so; never before."""
    today = datetime.datetime.now(datetime.timezone.utc).date()
    due, before = str(today + datetime.timedelta(days=10)), str(today + datetime.timedelta(days=9))
    rule, outcome = messages.enum("Rule")["RULE_S15_APPROVED_TODAY"], messages.Reason.Outcome.Value
    with offers.client(homes.LEEDS) as leeds:
        leeds.call("AgencyService/PutCarer", carer=homes.carer(messages, "DUE", approved_on=due))
        leeds.call("AgencyService/PutVacancy", vacancy=homes.vacancy(messages, "DUE"))
        vacancy_id = leeds.call("AgencyService/GetCarer", agency_reference="DUE").carer.vacancy.vacancy_id
    with offers.client(homes.TEAM) as team:
        def options(starts_on):
            found = team.call(FIND, homes.search(messages, limit=100, starts_on=starts_on))
            return {option.vacancy_id: [each for each in option.reasons if each.rule == rule][0]
                    for option in found.options}
        assert vacancy_id not in options("") and vacancy_id not in options(before)
        pending = options(due)
        assert len(pending) == 11
        assert {each for each in pending if pending[each].outcome == outcome("OUTCOME_NOT_MET")} == {vacancy_id}
        assert due not in pending[vacancy_id].found


def test_says_why_nothing_suits(offers, messages):
    with offers.client(homes.TEAM) as team:
        found = team.call(FIND, homes.search(messages, children=[
            {"age_months": 24, "sex": messages.enum("Sex")["SEX_M"]}]))
        rules = messages.enum("Rule")
        assert not found.options and found.considered == 10
        assert {each.rule: (each.failed, each.failed_alone) for each in found.removed}[rules["RULE_H3_TERMS"]] == (10, 10)


def test_shows_nothing_that_names_a_home(offers, messages):
    with offers.client(homes.LEEDS) as leeds, offers.client(homes.TEAM) as team:
        octets = team.call(FIND, homes.search(messages, limit=100)).SerializeToString()
        for each in leeds.call("AgencyService/ListCarers"):
            for secret in each.carer.national_reference, each.carer.carer.agency_reference, "LS6 1AB", "LS61AB":
                # "H-11" may be in the middle of a vacancy's id, but not at the beginning of a word
                assert not re.search(rb"(?<![0-9A-Z])" + re.escape(secret.encode()), octets)


@pytest.mark.parametrize("changes, field", [
    ({"request_reference": ""}, "request_reference"),
    ({"request_reference": "John Smith"}, "request_reference"),
    ({"request_reference": "801-204417"}, "request_reference"),
    ({"purpose": 0}, "purpose"),
    ({"children": []}, "children"),
    ({"near_postcode": "ZZ99 9ZZ"}, "near_postcode"),
    ({"limit": 101}, "limit"),
])
def test_bad_searches(offers, messages, changes, field):
    """H15, and the bad inputs of a search."""
    with offers.client(homes.TEAM) as team:
        refused = team.outcome(FIND, homes.search(messages, **changes))
        assert (refused.code, refused.fields) == (Code.INVALID_ARGUMENT, [field])
        assert "Smith" not in refused.message and "ZZ99" not in refused.message


def test_only_teams_of_this_region_search(offers, federation, messages, tmp_path):
    """A5, A9, and another region's team, which is told its own hub."""
    for spec in homes.LEEDS, homes.OPERATOR, homes.AUDITOR, "hub":
        with offers.client(spec) as other:
            assert other.outcome(FIND, homes.search(messages)).code == Code.PERMISSION_DENIED
    both = library.Hub(federation, tmp_path / "both", regions=["E12000009"])
    both.start()
    try:
        with both.client("placement-team E06000023 duty", region="E12000009") as team:
            refused = team.outcome(FIND, homes.search(messages))
            assert refused.code == Code.PERMISSION_DENIED and "E12000009" in refused.message
    finally:
        both.stop()


def test_a_search_is_on_the_trail_after_a_kill(offers, messages):
    """Design 4.8: handed to the operating system before the answer leaves."""
    with offers.client(homes.TEAM) as team:
        shown = [option.vacancy_id for option in team.call(FIND, homes.search(messages)).options]
    offers.kill()
    offers.start()
    with offers.client(homes.AUDITOR) as auditor:
        trail = auditor.call("HubService/ReadAudit", chain=messages.enum("AuditChain")["AUDIT_CHAIN_DISCLOSURES"])
        records = [messages.AuditRecord.FromString(each.record.octets) for each in trail if each.HasField("record")]
        searches = [each for each in records if each.method.endswith(FIND)]
        assert len(searches) == 1
        assert searches[0].request_reference == "383-204417" and searches[0].principal.endswith("/duty")
        assert set(shown) <= set(searches[0].subjects)
