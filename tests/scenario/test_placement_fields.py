"""Each field of a search, asked with an independent gRPC client: what it finds, what it says of it, and which wrong value
is refused how. The homes are few, and each differs from the others in what the fields look at."""
import collections
import datetime

import grpc
import pytest

import homes
import hub as library

pytestmark = pytest.mark.check

Code = grpc.StatusCode
FIND = "PlacementService/FindVacancies"
HULL = "placement-team E06000010 duty"

# reference: (agency, changes of the carer, changes of the vacancy)
HOMES = {
    # In area; a dog, Polish, on call, an agency without a rating.
    "LEEDS": (homes.LEEDS, lambda c: dict(pets=[c("PET_DOG")]), lambda c: dict(on_call=True)),
    # In the next authority; signs, an agency that is good and on the framework's second tier.
    "BRADFORD": (homes.HOMES, lambda c: dict(home_postcode="BD1 1HX", languages=[{"tag": "bfi", "level": 2}]),
                 lambda c: {}),
    # Neither; no long-term care on offer, the same agency.
    "SHEFFIELD": (homes.HOMES, lambda c: dict(home_postcode="S1 2HH", languages=[
        {"tag": "art-x-makaton", "level": 2}, {"tag": "bfi", "level": 2}]),
                  lambda c: dict(care_types=[c("CARE_TYPE_SHORT_TERM")])),
    # Far off, on the other bank of the Humber from Hull.
    "BARTON": (homes.LEEDS, lambda c: dict(home_postcode="DN18 5AA", languages=[], placed_children=[]), lambda c: {}),
}


@pytest.fixture(scope="module")
def national(federation, messages, tmp_path_factory):
    """A hub with the homes; ids[reference] is each one's vacancy's."""
    codes = {}
    for name in "Pet", "CareType", "Skill":
        codes.update(messages.enum(name))
    running = library.Hub(federation, tmp_path_factory.mktemp("fields")).start()
    try:
        homes.register_agencies(running)
        with running.client(homes.OPERATOR) as operator:
            operator.call("HubService/PutAgency", agency={
                "id": "good-homes", "name": "Good Homes", "kind": messages.enum("AgencyKind")["AGENCY_KIND_INDEPENDENT"],
                "ofsted_urn": "SC012345", "ofsted_rating": messages.enum("OfstedRating")["OFSTED_RATING_GOOD"],
                "frameworks": [{"framework": "white-rose", "tier": 2}]})
        running.ids = {}
        for reference, (agency, of_carer, of_vacancy) in HOMES.items():
            with running.client(agency) as client:
                client.call("AgencyService/PutCarer",
                            carer=homes.carer(messages, reference, **of_carer(codes.__getitem__)))
                client.call("AgencyService/PutVacancy",
                            vacancy=homes.vacancy(messages, reference, **of_vacancy(codes.__getitem__)))
                view = client.call("AgencyService/GetCarer", agency_reference=reference).carer
                running.ids[reference] = view.vacancy.vacancy_id
        yield running
    finally:
        running.stop()


Found = collections.namedtuple("Found", "names reasons answer")


@pytest.fixture
def find(national, messages):
    """A search; names: references of the options in their order; reasons[reference][rule]: how the rule came out."""
    rules = {number: name.removeprefix("RULE_") for name, number in messages.enum("Rule").items()}
    outcomes = {number: name.removeprefix("OUTCOME_")
                for name, number in messages.enum("vacancy.v1.Reason.Outcome").items()}
    references = {number: name for name, number in national.ids.items()}

    def ask(who=homes.TEAM, **changes):
        with national.client(who) as team:
            answer = team.call(FIND, homes.search(messages, **{"limit": 10, **changes}))
        return Found([references[each.vacancy_id] for each in answer.options],
                     {references[each.vacancy_id]: {rules[why.rule]: outcomes[why.outcome] for why in each.reasons}
                      for each in answer.options}, answer)
    return ask


@pytest.fixture(scope="module")
def code(messages):
    """code("PETS_WISH_MUST") is its number, whichever list it is in."""
    numbers = {}
    for name in ("NeededBy", "PlacementCode", "CommunicationNeed", "CulturalNeeds", "PetsWish", "Pet", "OrderStep",
                 "ExplainWhen", "CareType", "Purpose", "Grouping", "Sex", "Override"):
        numbers.update(messages.enum(name))
    return numbers.__getitem__


def outcomes(found, rule):
    return {reference: reasons.get(rule) for reference, reasons in found.reasons.items()}


def test_at_a_distance(find, messages):
    """Point 5 of issue 4: what regulation 11 asks for, of real neighbours."""
    relation, approval = messages.enum("AuthorityRelation"), messages.enum("ApprovalNeeded")

    def where(found):
        names = {number: name.removeprefix("AUTHORITY_RELATION_") for name, number in relation.items()}
        needs = {number: name.removeprefix("APPROVAL_NEEDED_") for name, number in approval.items()}
        return {reference: (names[option.relation], needs[option.approval_needed])
                for reference, option in zip(found.names, found.answer.options)}

    assert where(find()) == {"LEEDS": ("IN_AREA", "NONE"), "BRADFORD": ("ADJOINING", "NOMINATED_OFFICER"),
                             "SHEFFIELD": ("AT_A_DISTANCE", "DIRECTOR"), "BARTON": ("AT_A_DISTANCE", "DIRECTOR")}
    # As Hull sees the same homes: Barton is across the Humber.
    assert where(find(HULL, request_reference="810-204417", near_postcode="HU1 2AA"))["BARTON"] == \
        ("ACROSS_WATER", "DIRECTOR")


def test_what_is_always_said(find):
    found = find()
    assert set(found.names) == set(HOMES)
    assert outcomes(found, "S1_NEAR_HOME") == {"LEEDS": "MET", "BRADFORD": "MET", "SHEFFIELD": "NOT_MET",
                                               "BARTON": "NOT_MET"}
    assert outcomes(found, "S3_IN_AREA") == {"LEEDS": "MET", "BRADFORD": "NOT_MET", "SHEFFIELD": "NOT_MET",
                                             "BARTON": "NOT_MET"}
    for rule in "S9_IMPACT", "S10_FRESH", "S13_SCARCE", "S15_APPROVED_TODAY":
        assert set(outcomes(found, rule).values()) == {"MET"}, rule
    for rule in ("S2_SCHOOL", "S4_NEAR_SIBLINGS", "S5_LANGUAGE", "S6_CULTURE", "S7_SKILLS", "S8_LENGTH", "S11_ON_CALL",
                 "S12_WISHES", "S14_TIER", "S14_RATING"):
        assert set(outcomes(found, rule).values()) == {None}, rule
    assert "relative" in found.answer.ask_first
    assert found.answer.gazetteer_digest and found.answer.positions


@pytest.mark.parametrize("field, rule", [("school_postcodes", "S2_SCHOOL"), ("sibling_postcodes", "S4_NEAR_SIBLINGS"),
                                         ("important_postcodes", "S12_WISHES")])
def test_places_to_be_near_to(find, field, rule):
    """Each of them counts, and a sector will do."""
    assert outcomes(find(**{field: ["LS6 1"]}), rule) == {"LEEDS": "MET", "BRADFORD": "MET", "SHEFFIELD": "NOT_MET",
                                                          "BARTON": "NOT_MET"}
    assert outcomes(find(**{field: ["LS6 1AB", "S1 2"]}), rule) == dict.fromkeys(HOMES, "NOT_MET")
    assert outcomes(find(**{field: ["S1 2HH", "s12hh"]}), rule)["SHEFFIELD"] == "MET"


def test_communication_needs(find, code):
    """BSL and Makaton are languages; ESOL, other and none are not."""
    assert outcomes(find(communication_needs=[code("COMMUNICATION_NEED_BSL")]), "S5_LANGUAGE") == {
        "LEEDS": "NOT_MET", "BRADFORD": "MET", "SHEFFIELD": "MET", "BARTON": "NOT_KNOWN"}
    both = [code("COMMUNICATION_NEED_BSL"), code("COMMUNICATION_NEED_MAKATON")]
    assert outcomes(find(communication_needs=both, languages=["bfi"]), "S5_LANGUAGE") == {
        "LEEDS": "NOT_MET", "BRADFORD": "NOT_MET", "SHEFFIELD": "MET", "BARTON": "NOT_KNOWN"}
    for needs in ["COMMUNICATION_NEED_ESOL", "COMMUNICATION_NEED_OTHER"], ["COMMUNICATION_NEED_NONE"]:
        found = find(communication_needs=[code(each) for each in needs])
        assert outcomes(found, "S5_LANGUAGE") == dict.fromkeys(HOMES)


def test_cultural_needs_exclude_nobody_and_order_nothing(find, code):
    """S6: the register does not know, and says so."""
    plain = find()
    for need, said in (("REQUIRED", "NOT_KNOWN"), ("OTHER", "NOT_KNOWN"), ("NOT_REQUIRED", None), ("NOT_KNOWN", None)):
        found = find(cultural_needs=code(f"CULTURAL_NEEDS_{need}"))
        assert found.names == plain.names and outcomes(found, "S6_CULTURE") == dict.fromkeys(HOMES, said), need


def test_pets(find, code):
    """H12 in the standard's four words."""
    assert find(pets=code("PETS_WISH_MUST")).names == ["LEEDS"]
    assert "LEEDS" not in find(pets=code("PETS_WISH_NO")).names
    assert "LEEDS" in find(pets=code("PETS_WISH_MUST"), no_pets=[code("PET_CAT")]).names
    assert find(pets=code("PETS_WISH_MUST"), no_pets=[code("PET_DOG")]).names == []
    for wish in "PETS_WISH_CAN", "PETS_WISH_NOT_KNOWN":
        assert set(find(pets=code(wish)).names) == set(HOMES)


def test_placement_code(find, code):
    """U4 asks for long-term care, U6 for short-term where nothing else is said, U5 for adopters."""
    long_term = find(care_type=0, placement_code=code("PLACEMENT_CODE_U4"))
    assert "SHEFFIELD" not in long_term.names and outcomes(long_term, "S8_LENGTH")["LEEDS"] == "MET"
    assert long_term.names == find(care_type=code("CARE_TYPE_LONG_TERM")).names
    assert find(care_type=0, placement_code=code("PLACEMENT_CODE_U6")).names == find().names
    assert find(care_type=0, placement_code=code("PLACEMENT_CODE_U5")).names == []


def test_needed_by(find, code):
    """S11 is asked of whoever is needed today, and the day is the day."""
    on_call = {"LEEDS": "MET", "BRADFORD": "NOT_MET", "SHEFFIELD": "NOT_MET", "BARTON": "NOT_MET"}
    assert outcomes(find(needed_by=code("NEEDED_BY_TODAY")), "S11_ON_CALL") == on_call
    assert outcomes(find(purpose=code("PURPOSE_EMERGENCY_PLACEMENT")), "S11_ON_CALL") == on_call
    day = str(datetime.datetime.now(datetime.timezone.utc).date() + datetime.timedelta(days=7))
    for changes in {"needed_by": code("NEEDED_BY_UNDER_5_DAYS")}, {"needed_by": code("NEEDED_BY_5_DAYS_OR_MORE"),
                                                                  "starts_on": day}:
        assert outcomes(find(**changes), "S11_ON_CALL") == dict.fromkeys(HOMES)


def test_framework_and_rating(find):
    """S14: only named by the request, and then reported, never an order by themselves."""
    plain = find()
    good, none = {"BRADFORD": "MET", "SHEFFIELD": "MET"}, {"LEEDS": "NOT_MET", "BARTON": "NOT_MET"}
    found = find(framework="white-rose", show_rating=True)
    assert found.names == plain.names and outcomes(found, "S14_TIER") == {**good, **none}
    assert outcomes(found, "S14_RATING") == {**good, "LEEDS": "NOT_KNOWN", "BARTON": "NOT_KNOWN"}
    assert outcomes(find(framework="white-rose", framework_tier=2), "S14_TIER") == {**good, **none}
    assert outcomes(find(framework="white-rose", framework_tier=1), "S14_TIER") == dict.fromkeys(HOMES, "NOT_MET")


def test_the_order_is_named_and_echoed(find, code):
    """Point 2 of issue 4: the authority's own sequence, whole in the request."""
    default, nearest = find(), find(order_name="nearest")
    assert default.answer.policy == "default" and find(order_name="default").names == default.names
    assert nearest.names == ["LEEDS", "BRADFORD", "SHEFFIELD", "BARTON"] and nearest.answer.policy == "nearest"
    tier, rating = code("ORDER_STEP_TIER"), code("ORDER_STEP_RATING")
    assert not {tier, rating} & {*default.answer.order_steps, *nearest.answer.order_steps}

    signs = {"communication_needs": [code("COMMUNICATION_NEED_BSL"), code("COMMUNICATION_NEED_MAKATON")]}
    own = find(order_name="383-talk-first", order_steps=[code("ORDER_STEP_LANGUAGE")], **signs)
    assert own.names == ["SHEFFIELD", "BARTON", "LEEDS", "BRADFORD"]  # met, not known, not met; then the nearest
    assert own.answer.policy == "383-talk-first" and list(own.answer.order_steps) == [code("ORDER_STEP_LANGUAGE")]
    by_area = find(order_name="383-a", order_steps=[code("ORDER_STEP_LANGUAGE"), code("ORDER_STEP_AREA")], **signs)
    assert by_area.names == ["SHEFFIELD", "BARTON", "LEEDS", "BRADFORD"]
    by_tier = find(order_name="383-tier", order_steps=[tier, rating], framework="white-rose")
    assert by_tier.names == ["BRADFORD", "SHEFFIELD", "LEEDS", "BARTON"]
    assert outcomes(by_tier, "S14_RATING")["BRADFORD"] == "MET"  # what orders is told
    # Nothing of it is kept.
    assert find(**signs).answer.policy == "default"


def test_explained_or_not(find, code):
    nobody = {"children": [{"age_months": 24, "sex": code("SEX_F")}]}
    assert find(**nobody).answer.removed and find(explain=code("EXPLAIN_WHEN_SHORT"), **nobody).answer.considered == 4
    never = find(explain=code("EXPLAIN_WHEN_NEVER"), **nobody).answer
    assert not (never.removed or never.considered or never.relaxations or never.options)


BAD = [
    # changes, the field that is named
    ({"needed_by": 1, "starts_on": "+1"}, "needed_by"),
    ({"needed_by": 2, "starts_on": "+5"}, "needed_by"),
    ({"needed_by": 3, "starts_on": "+4"}, "needed_by"),
    ({"needed_by": 3}, "starts_on"),
    ({"care_type": 0}, "care_type"),
    ({"placement_code": 1}, "placement_code"),
    ({"placement_code": 2}, "placement_code"),
    ({"placement_code": 3, "care_type": 3}, "placement_code"),
    ({"school_postcodes": ["LS6 1"] * 5}, "school_postcodes"),
    ({"school_postcodes": ["LS6 1", "John"]}, "school_postcodes[1]"),
    ({"sibling_postcodes": ["ZZ99 9ZZ"]}, "sibling_postcodes[0]"),
    ({"important_postcodes": ["LS6 1", "LS6 1", "LS6"]}, "important_postcodes[2]"),
    ({"communication_needs": [2, 2]}, "communication_needs[1]"),
    ({"communication_needs": [5, 1]}, "communication_needs"),
    ({"communication_needs": [2], "languages": ["pl", "ur", "pa", "bn"]}, "communication_needs"),
    ({"pets": 1, "no_pets": [1, 2, 3, 4, 5, 6]}, "pets"),
    ({"order_name": "John"}, "order_name"),
    ({"order_name": "801-first", "order_steps": [5]}, "order_name"),
    ({"order_name": "383-first"}, "order_steps"),
    ({"order_steps": [5]}, "order_steps"),
    ({"order_name": "383-first", "order_steps": [5, 5]}, "order_steps[1]"),
    ({"order_name": "383-first", "order_steps": [*range(1, 19), 1]}, "order_steps"),
    ({"order_name": "383-first", "order_steps": [5, 15]}, "order_steps[1]"),
    ({"framework": "John"}, "framework"),
    ({"framework": "white-rose", "framework_tier": 100}, "framework_tier"),
    ({"framework_tier": 1}, "framework_tier"),
    ({"split_into": 4}, "split_into"),
    ({"split_into": 2, "grouping": 2}, "split_into"),
]


@pytest.mark.parametrize("changes, field", BAD, ids=[f"{index} {field}" for index, (_, field) in enumerate(BAD)])
def test_bad_fields(national, messages, changes, field):
    """Design 4.10: one clear error that names the field and repeats nothing, for a search and for an explanation."""
    changes = dict(changes)
    if changes.get("starts_on", "").startswith("+"):
        today = datetime.datetime.now(datetime.timezone.utc).date()
        changes["starts_on"] = str(today + datetime.timedelta(days=int(changes["starts_on"])))
    with national.client(homes.TEAM) as team:
        refused = team.outcome(FIND, homes.search(messages, **changes))
        assert (refused.code, refused.fields) == (Code.INVALID_ARGUMENT, [field]), refused
        assert "John" not in refused.message and "ZZ99" not in refused.message
        if field != "split_into":  # it is not looked at there
            asked = homes.explain(messages, national.ids["LEEDS"], **changes)
            refused = team.outcome("PlacementService/ExplainVacancy", asked)
            assert (refused.code, refused.fields) == (Code.INVALID_ARGUMENT, [f"question.{field}"]), refused
