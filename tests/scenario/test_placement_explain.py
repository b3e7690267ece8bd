"""ExplainVacancy: why not this one, of vacancies that suit, that do not, that no search may show, and that are not there;
who asked after which is on the trail."""
import datetime

import grpc
import pytest

import homes

pytestmark = pytest.mark.check

Code = grpc.StatusCode
FIND, EXPLAIN = "PlacementService/FindVacancies", "PlacementService/ExplainVacancy"


@pytest.fixture
def offers(hub, messages):
    """Four homes of Leeds with a vacancy each; ids[reference] is the vacancy's."""
    homes.register_agencies(hub)
    hub.ids = {}
    with hub.client(homes.LEEDS) as leeds:
        for reference in "ABCD":
            leeds.call("AgencyService/PutCarer", carer=homes.carer(messages, reference))
            leeds.call("AgencyService/PutVacancy", vacancy=homes.vacancy(messages, reference))
            hub.ids[reference] = leeds.call("AgencyService/GetCarer", agency_reference=reference).carer.vacancy.vacancy_id
    return hub


def in_days(days):
    return (datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days)).date().isoformat()


def reasons(messages, answer):
    """{rule: outcome}, by their names."""
    rules = {number: name.removeprefix("RULE_") for name, number in messages.enum("Rule").items()}
    outcomes = {number: name.removeprefix("OUTCOME_")
                for name, number in messages.enum("vacancy.v1.Reason.Outcome").items()}
    return {rules[each.rule]: outcomes[each.outcome] for each in answer.option.reasons}


def trail(hub, messages):
    """Records of explanations, in their order."""
    with hub.client(homes.AUDITOR) as auditor:
        rows = auditor.call("HubService/ReadAudit", chain=messages.enum("AuditChain")["AUDIT_CHAIN_DISCLOSURES"])
    records = [messages.AuditRecord.FromString(each.record.octets) for each in rows if each.HasField("record")]
    return [each for each in records if each.method.endswith(EXPLAIN)]


def test_each_option_as_the_search_showed_it(offers, messages):
    with offers.client(homes.TEAM) as team:
        found = team.call(FIND, homes.search(messages, limit=10, languages=["pl"]))
        assert len(found.options) == 4
        for place, option in enumerate(found.options):
            # What is not looked at may be anything.
            why = team.call(EXPLAIN, homes.explain(messages, option.vacancy_id, languages=["pl"], limit=9999, split_into=7,
                                                   explain=2))
            assert why.suitable and why.ahead == place
            assert why.option == option
            assert why.policy == found.policy and why.order_steps == found.order_steps
            assert why.gazetteer_digest == found.gazetteer_digest
            assert [each.sequence for each in why.positions] == [each.sequence for each in found.positions]
            assert abs(why.as_of_ms - found.as_of_ms) < 60_000


def test_the_order_counts(offers, messages):
    """As many come before it as in the order that is asked for."""
    step = messages.enum("OrderStep")["ORDER_STEP_LANGUAGE"]
    own = {"languages": ["cy"], "order_name": "383-talk", "order_steps": [step]}
    with offers.client(homes.LEEDS) as leeds:
        leeds.call("AgencyService/PutCarer",
                   carer=homes.carer(messages, "D", languages=[{"tag": "cy", "level": 2}]))
    with offers.client(homes.TEAM) as team:
        why = team.call(EXPLAIN, homes.explain(messages, offers.ids["D"], **own))
        assert why.suitable and why.ahead == 0
        assert why.policy == "383-talk" and list(why.order_steps) == [step]
        assert team.call(EXPLAIN, homes.explain(messages, offers.ids["A"], **own)).ahead >= 1


def test_what_does_not_suit_says_each_rule_it_fails(offers, messages):
    boy_of_17 = [{"age_months": 204, "sex": messages.enum("Sex")["SEX_M"]}]
    with offers.client(homes.TEAM) as team:
        why = team.call(EXPLAIN, homes.explain(messages, offers.ids["A"], children=boy_of_17, within_metres=100,
                                               no_pets=[1]))
        assert not why.suitable and why.ahead == 0
        told = reasons(messages, why)
        assert {rule for rule, outcome in told.items() if outcome == "FAILED"} == {"H3_TERMS", "DISTANCE"}
        assert told["H1_APPROVAL"] == told["H2_AVAILABLE"] == told["H12_PETS"] == "MET" and told["S3_IN_AREA"] == "MET"
        assert why.option.agency.phone == "0113 496 0000" and why.option.beds_free == 2  # with other words it is found


def test_phone_first(offers, messages):
    """Run out of confirmation: failed, or overridden and then one of those to phone first."""
    eight_days_ago = homes.now_ms() - 8 * 24 * 3600 * 1000
    with offers.client(homes.LEEDS) as leeds:
        leeds.call("AgencyService/PutCarer", carer=homes.carer(messages, "OLD"))
        leeds.call("AgencyService/PutVacancy", vacancy=homes.vacancy(messages, "OLD", observed_at_ms=eight_days_ago))
        old = leeds.call("AgencyService/GetCarer", agency_reference="OLD").carer.vacancy.vacancy_id
    unconfirmed = messages.enum("Override")["OVERRIDE_UNCONFIRMED"]
    with offers.client(homes.TEAM) as team:
        why = team.call(EXPLAIN, homes.explain(messages, old))
        assert not why.suitable and reasons(messages, why)["H2_AVAILABLE"] == "FAILED"
        why = team.call(EXPLAIN, homes.explain(messages, old, overrides=[unconfirmed]))
        assert why.suitable and why.option.unconfirmed and why.ahead == 0
        assert reasons(messages, why)["H2_AVAILABLE"] == "OVERRIDDEN"


def test_what_no_search_shows_stays_so(offers, messages):
    """Reserved, not available, approval not in force, or the agency suspended: the id, where it is, and which of H1 and
    H2 it fails, though it fails others too; the fine reason never (domain 2.3: AGENCY_HOLD is not to be told from
    others), and suspended looks like an approval that is over."""
    state, fine = messages.enum("VacancyState"), messages.enum("NotAvailableReason")
    with offers.client(homes.LEEDS) as leeds, offers.client(homes.TEAM) as team:
        def push(reference, **changes):
            leeds.call("AgencyService/PutVacancy", vacancy=homes.vacancy(messages, reference, **changes))
            return explain(reference)

        def explain(reference):
            return team.call(EXPLAIN, homes.explain(messages, offers.ids[reference], within_metres=1,
                                                    starts_on=in_days(30)))

        def words(why):
            return [(each.rule, each.outcome, each.asked, each.found) for each in why.option.reasons]

        def check(why, *failed):
            assert not why.suitable and reasons(messages, why) == {rule: "FAILED" for rule in failed}
            option = why.option
            assert option.vacancy_id and option.home_authority_name == "Leeds" and option.area
            assert not (option.beds_free or option.care_types or option.on_call or option.confirmed_at_ms or
                        option.valid_until_ms or option.HasField("agency"))

        check(push("A", state=state["VACANCY_STATE_RESERVED"], reserved_until="2099-01-01"), "H2_AVAILABLE")
        told = []
        for reference, reason in ("B", "AGENCY_HOLD"), ("C", "NOTICE_RESIGNING"):
            why = push(reference, state=state["VACANCY_STATE_NOT_AVAILABLE"],
                       reason=fine[f"NOT_AVAILABLE_REASON_{reason}"])
            check(why, "H2_AVAILABLE")
            told.append(words(why))
        assert told[0] == told[1]
        leeds.call("AgencyService/PutCarer", carer=homes.carer(messages, "D", approval_ends_on=in_days(20)))
        over = explain("D")
        check(over, "H1_APPROVAL")
        leeds.call("AgencyService/PutCarer", carer=homes.carer(messages, "D"))
        assert reasons(messages, explain("D"))["H1_APPROVAL"] == "MET"
        # The agency is suspended: what was found before is told no more.
        with offers.client(homes.OPERATOR) as operator:
            operator.call("HubService/PutAgency", agency={
                "id": "leeds", "name": "Leeds City Council", "phone": "0113 496 0000", "authority": "E08000035",
                "kind": messages.enum("AgencyKind")["AGENCY_KIND_LOCAL_AUTHORITY"],
                "status": messages.enum("AgencyStatus")["AGENCY_STATUS_SUSPENDED"]})
        why = explain("D")
        check(why, "H1_APPROVAL")
        assert why.option == over.option
        assert b"0113 496" not in why.SerializeToString() and b"suspend" not in why.SerializeToString().lower()


def test_what_is_not_there(offers, messages):
    with offers.client(homes.LEEDS) as leeds:
        leeds.call("AgencyService/WithdrawVacancy", agency_reference="A", observed_at_ms=homes.now_ms())
    with offers.client(homes.TEAM) as team:
        gone = team.outcome(EXPLAIN, homes.explain(messages, offers.ids["A"]))
        assert (gone.code, gone.fields) == (Code.NOT_FOUND, ["vacancy_id"])
    record = trail(offers, messages)[-1]
    assert list(record.subjects) == [offers.ids["A"]] and record.request_reference == "383-204417"


def test_an_id_checks_itself(offers, messages):
    good = offers.ids["A"]
    other = good[:-1] + ("0" if good[-1] != "0" else "1")
    with offers.client(homes.TEAM) as team:
        for bad in "", "x", good[:-1], good + "0", other, "LS6 1AB", "7" * 1000:
            refused = team.outcome(EXPLAIN, homes.explain(messages, bad))
            assert (refused.code, refused.fields) == (Code.INVALID_ARGUMENT, ["vacancy_id"]), bad
            assert not bad or bad not in refused.message
        for same in good.lower(), good.replace("-", ""):
            assert team.call(EXPLAIN, homes.explain(messages, same)).option.vacancy_id == good


def test_the_question_is_checked_as_a_search(offers, messages):
    """H15 too: a reference, a purpose, of the team's own authority."""
    with offers.client(homes.TEAM) as team:
        refused = team.outcome(EXPLAIN, messages.ExplainVacancyRequest(vacancy_id=offers.ids["A"]))
        assert (refused.code, refused.fields) == (Code.INVALID_ARGUMENT, ["question"])
        for changes, field in (({"request_reference": ""}, "request_reference"), ({"purpose": 0}, "purpose"),
                               ({"request_reference": "801-204417"}, "request_reference"),
                               ({"near_postcode": "ZZ99 9ZZ"}, "near_postcode"),
                               ({"children": [{"age_months": 97, "sex": 1}]}, "children[0].age_months"),
                               ({"avoid": [{"postcode": "LS6", "radius_metres": 50_001}]}, "avoid[0].radius_metres")):
            refused = team.outcome(EXPLAIN, homes.explain(messages, offers.ids["A"], **changes))
            assert (refused.code, refused.fields) == (Code.INVALID_ARGUMENT, [f"question.{field}"])
    assert not trail(offers, messages)


def test_who_asked_after_which_is_on_the_trail_after_a_kill(offers, messages):
    """Design 4.8; and the home's own reference is there, by which its agency finds who looked."""
    with offers.client(homes.TEAM) as team, offers.client(homes.LEEDS) as leeds:
        team.call(EXPLAIN, homes.explain(messages, offers.ids["B"], purpose=4))
        carer = leeds.call("AgencyService/GetCarer", agency_reference="B").carer.national_reference
    offers.kill()
    offers.start()
    record, = trail(offers, messages)
    assert record.principal.endswith("/duty") and record.request_reference == "383-204417" and record.purpose == 4
    assert list(record.subjects) == [offers.ids["B"], carer]
