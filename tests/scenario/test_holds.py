"""Holds of two regions with an independent gRPC client: at home and from afar, what each side sees, every end that a hold
can have, placements and each refusal; and what is answered when the home hub is down, silent, or was never heard. Rows V1
to V12 and A7."""
import os
import signal
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
LEEDS_TEAM = homes.TEAM
BRADFORD_TEAM = "placement-team E08000032 duty"
MANCHESTER_TEAM = "placement-team E08000003 duty"
REFERENCES = {LEEDS_TEAM: "383-204417", BRADFORD_TEAM: "380-1201", MANCHESTER_TEAM: "352-99887"}
SOON_S = 10 * library.SLOWNESS
LEAST_S = 5


# Yorkshire, where the homes are, and the west, from where a Manchester team asks.
two = two_fixture(["team E08000003 E12000002", "team E08000032 E12000003", "team E08000035 E12000003"],
                  {("vacancies", "hold-default"): "1h", ("vacancies", "hold-max"): "2h",
                   ("vacancies", "hold-least"): f"{LEAST_S}s"})


class Ground(two_regions.Ground):
    """Three teams and an agency, with homes at hand and what is asked about them."""

    def __init__(self, pair, messages):
        super().__init__(pair, messages)
        self.states = {value: name.removeprefix("HOLD_STATE_") for name, value in messages.enum("HoldState").items()}

    @property
    def leeds(self):
        return self.client(YORKSHIRE, LEEDS_TEAM)

    @property
    def bradford(self):
        return self.client(YORKSHIRE, BRADFORD_TEAM)

    @property
    def manchester(self):
        return self.client(WEST, MANCHESTER_TEAM)

    @property
    def agency(self):
        return self.client(YORKSHIRE, homes.LEEDS)

    def vacancy(self, beds=2, seen=True, **changes):
        """A fresh home with a vacancy at Leeds; its id. seen: the west has it too."""
        self.count += 1
        reference = f"H-{os.getpid()}-{self.count}-{time.monotonic_ns()}"
        self.agency.call("AgencyService/PutCarer", carer=homes.carer(self.messages, reference, **changes))
        vacancy_id = self.agency.call("AgencyService/PutVacancy",
                                      vacancy=homes.vacancy(self.messages, reference, beds=beds)).vacancy_id
        if seen:
            library.wait_until(lambda: self.known(vacancy_id), SOON_S, "the vacancy to be known in the west")
        return vacancy_id, reference

    def known(self, vacancy_id):
        return self.manchester.outcome("PlacementService/ExplainVacancy", homes.explain(
            self.messages, vacancy_id, request_reference="352-99887")).code == Code.OK

    def hold(self, client, vacancy_id, beds=1, **fields):
        """Outcome of HoldVacancy."""
        spec = next(spec for (_, spec), each in self.clients.items() if each is client)
        fields = {"request_id": request_id(), "request_reference": REFERENCES[spec], **fields}
        return client.outcome("PlacementService/HoldVacancy", vacancy_id=vacancy_id, beds=beds, **fields)

    def held(self, client, vacancy_id, beds=1, **fields):
        got = self.hold(client, vacancy_id, beds, **fields)
        assert got.code == Code.OK, got
        return got.response.hold

    def act(self, client, method, hold_id, **fields):
        return client.outcome(f"PlacementService/{method}", hold_id=hold_id,
                              **{"request_id": request_id(), **fields})

    def place(self, client, hold_id, **changes):
        sex, code, consent = (self.messages.enum(name) for name in ("Sex", "PlacementCode", "Consent"))
        fields = {"request_id": request_id(), "hold_id": hold_id, "placement_code": code["PLACEMENT_CODE_U6"],
                  "starts_on": time.strftime("%Y-%m-%d", time.gmtime()),
                  "children": [{"age_months": 96, "sex": sex["SEX_F"]}],
                  "provider_consent": consent["CONSENT_GIVEN"], "authorities_consent": consent["CONSENT_GIVEN"],
                  "home_postcode": "LS1 4AP", **changes}
        return client.outcome("PlacementService/PlaceChild", **fields)

    def state(self, client, hold_id):
        got = client.outcome("PlacementService/GetHold", hold_id=hold_id)
        assert got.code == Code.OK, got
        return self.states[got.response.hold.state]

    def answer(self, method, hold_id, **fields):
        return self.agency.outcome(f"AgencyService/{method}", hold_id=hold_id, **fields)

    def mine(self, client, ended=False):
        return {each.hold.hold_id or each.hold.request_id: each.hold
                for each in client.call("PlacementService/ListHolds", include_ended=ended)}

    def view(self, reference):
        return self.agency.call("AgencyService/GetCarer", agency_reference=reference).carer.vacancy

    def failure(self, got):
        """The ForwardFailure of an outcome."""
        return next(each for each in got.details if type(each).__name__ == "ForwardFailure")


ground = ground_fixture(Ground)
BOTH = pytest.mark.parametrize("who", ["leeds", "manchester"])  # at home, and from afar


@BOTH
def test_hold_extend_release(ground, messages, who):
    team = getattr(ground, who)
    vacancy_id, reference = ground.vacancy()
    got = ground.hold(team, vacancy_id, duration_s=60)
    assert got.code == Code.OK, got
    hold, receipt = got.response.hold, got.response.receipt
    assert (hold.vacancy_id, hold.region, hold.beds) == (vacancy_id, YORKSHIRE, 1)
    assert receipt.durability == messages.enum("Durability")["DURABILITY_REPLICATED"]
    assert 0 < hold.until_ms - hold.made_at_ms <= 60_000
    assert hold.agency.phone == "0113 496 0000"
    assert not (hold.agency_reference or hold.holder or hold.authority)  # the agency's
    assert ground.view(reference).beds_free == 1
    extended = ground.act(team, "ExtendHold", hold.hold_id, duration_s=600)
    assert extended.code == Code.OK and extended.response.hold.until_ms == hold.until_ms + 600_000
    assert ground.act(team, "ExtendHold", hold.hold_id).code == Code.FAILED_PRECONDITION  # once
    assert ground.state(team, hold.hold_id) == "ACTIVE"
    library.wait_until(lambda: ground.mine(team)[hold.hold_id].until_ms == hold.until_ms + 600_000, SOON_S,
                       "the list to show the extension")
    released = ground.act(team, "ReleaseHold", hold.hold_id)
    assert released.code == Code.OK and ground.states[released.response.hold.state] == "RELEASED"
    assert ground.view(reference).beds_free == 2
    library.wait_until(lambda: hold.hold_id not in ground.mine(team), SOON_S, "the list to be without it")
    library.wait_until(lambda: ground.states[ground.mine(team, ended=True)[hold.hold_id].state] == "RELEASED", SOON_S,
                       "the list to say how it ended")
    again = ground.act(team, "ReleaseHold", hold.hold_id)  # V4
    assert again.code == Code.FAILED_PRECONDITION and "RELEASED" in again.message, again


@BOTH
def test_the_agency_accepts_and_declines(ground, messages, who):
    team = getattr(ground, who)
    vacancy_id, reference = ground.vacancy()
    hold = ground.held(team, vacancy_id)
    seen = {each.hold.hold_id: each.hold for each in ground.agency.call("AgencyService/ListHolds")}[hold.hold_id]
    assert seen.agency_reference == reference and seen.holder.endswith("/duty")
    accepted = ground.answer("AcceptHold", hold.hold_id)
    assert accepted.code == Code.OK and ground.states[accepted.response.hold.state] == "ACCEPTED"
    assert ground.state(team, hold.hold_id) == "ACCEPTED"
    reason = messages.enum("DeclineReason")["DECLINE_REASON_CARER_NOT_AVAILABLE"]
    assert ground.answer("DeclineHold", hold.hold_id, reason=reason).code == Code.OK
    got = team.call("PlacementService/GetHold", hold_id=hold.hold_id).hold
    assert (ground.states[got.state], got.decline_reason) == ("DECLINED", reason)
    assert ground.view(reference).beds_free == 2
    refused = ground.place(team, hold.hold_id)  # a declined hold placed
    assert refused.code == Code.FAILED_PRECONDITION and "DECLINED" in refused.message
    others = ground.client(YORKSHIRE, homes.HOMES)
    assert others.outcome("AgencyService/AcceptHold", hold_id=hold.hold_id).code == Code.PERMISSION_DENIED


@BOTH
def test_place_with_consents_and_each_refusal(ground, messages, who):
    team = getattr(ground, who)
    consent = messages.enum("Consent")
    vacancy_id, reference = ground.vacancy()  # a child of Leeds's lives there
    hold = ground.held(team, vacancy_id)
    for field in "provider_consent", "authorities_consent":
        got = ground.place(team, hold.hold_id, **{field: 0})
        assert (got.code, got.fields) == (Code.INVALID_ARGUMENT, [field]), got
        if who == "manchester":  # the carer is Leeds's, and so is the child who lives there
            got = ground.place(team, hold.hold_id, **{field: consent["CONSENT_NOT_NEEDED"]})
            assert (got.code, got.fields) == (Code.FAILED_PRECONDITION, [field]), got
    for field, value in (("placement_code", 0), ("starts_on", ""), ("starts_on", "9999-12-31"), ("children", []),
                         ("home_postcode", "LS1")):
        got = ground.place(team, hold.hold_id, **{field: value})
        assert (got.code, got.fields) == (Code.INVALID_ARGUMENT, [field]), got
    assert ground.view(reference).beds_free == 1
    once = request_id()
    got = ground.place(team, hold.hold_id, request_id=once)
    assert got.code == Code.OK, got
    placed = got.response
    assert ground.states[placed.hold.state] == "PLACED"
    assert 0 < placed.distance_tenth_miles < 100
    assert placed.receipt.durability == messages.enum("Durability")["DURABILITY_REPLICATED"]
    again = ground.place(team, hold.hold_id, request_id=once)
    assert again.code == Code.OK and again.response.receipt.repeated
    assert again.response.receipt.sequence == placed.receipt.sequence
    assert again.response.distance_tenth_miles == placed.distance_tenth_miles
    assert ground.view(reference).beds_free == 1
    refused = ground.act(team, "ReleaseHold", hold.hold_id)
    assert refused.code == Code.FAILED_PRECONDITION and "PLACED" in refused.message
    # The other bed too: nothing is free, and the vacancy leaves the search.
    second = ground.held(ground.bradford, vacancy_id)
    assert ground.place(ground.bradford, second.hold_id).code == Code.OK
    assert ground.view(reference).state == messages.enum("VacancyState")["VACANCY_STATE_PLACED"]
    found = [option.vacancy_id for option in ground.leeds.call(
        "PlacementService/FindVacancies", homes.search(messages, limit=100)).options]
    assert vacancy_id not in found
    # Neither began: its team takes one back, at home or from afar, and the agency the other.
    once = request_id()
    for _ in range(2):  # the second time the first answer
        back = ground.act(team, "ReleaseHold", hold.hold_id, request_id=once, placement_did_not_begin=True)
        assert back.code == Code.OK and ground.states[back.response.hold.state] == "RELEASED", back
    assert back.response.receipt.repeated
    reason = messages.enum("DeclineReason")
    refused = ground.answer("DeclineHold", second.hold_id, reason=reason["DECLINE_REASON_BED_TAKEN"])
    assert (refused.code, refused.fields) == (Code.FAILED_PRECONDITION, ["reason"]), refused
    assert ground.answer("DeclineHold", second.hold_id,
                         reason=reason["DECLINE_REASON_PLACEMENT_DID_NOT_BEGIN"]).code == Code.OK
    assert ground.state(ground.bradford, second.hold_id) == "DECLINED"
    assert ground.view(reference).beds_free == 2
    assert ground.view(reference).state == messages.enum("VacancyState")["VACANCY_STATE_VACANT"]


def retry_s(refused):
    """When it may be different, as the refusal says."""
    return next(each for each in refused.details if type(each).__name__ == "RetryInfo").retry_delay.seconds


def test_beds_are_counted(ground):
    """V2, V3, V8, and more beds than there are."""
    vacancy_id, reference = ground.vacancy(beds=2)
    assert ground.hold(ground.leeds, vacancy_id, beds=3).code == Code.FAILED_PRECONDITION
    first = ground.held(ground.leeds, vacancy_id)
    twice = ground.hold(ground.leeds, vacancy_id)
    assert twice.code == Code.FAILED_PRECONDITION and "ExtendHold" in twice.message, twice
    ground.held(ground.manchester, vacancy_id)  # a two-bed vacancy carries two holds
    full = ground.hold(ground.bradford, vacancy_id)
    assert full.code == Code.FAILED_PRECONDITION, full
    for name in "duty", "E08000035", "E08000003":
        assert name not in full.message
    assert 0 < retry_s(full) <= first.until_ms / 1000 - time.time() + 1
    single, _ = ground.vacancy(beds=1)
    taken = ground.held(ground.leeds, single)
    assert 0 < retry_s(ground.hold(ground.manchester, single)) <= taken.until_ms / 1000 - time.time() + 1
    far = ground.hold(ground.manchester, vacancy_id, beds=2)  # no first hold's end makes room for what never was
    assert far.code == Code.FAILED_PRECONDITION
    less = ground.agency.outcome("AgencyService/PutVacancy", vacancy=homes.vacancy(ground.messages, reference, beds=1))
    assert less.code == Code.FAILED_PRECONDITION, less
    assert ground.agency.outcome("AgencyService/WithdrawVacancy", agency_reference=reference,
                                 observed_at_ms=homes.now_ms()).code == Code.FAILED_PRECONDITION
    assert ground.act(ground.leeds, "ReleaseHold", first.hold_id).code == Code.OK
    ground.held(ground.bradford, vacancy_id)


@BOTH
def test_what_is_unknown_or_gone(ground, who):
    """V1, and withdrawn ones."""
    team = getattr(ground, who)
    vacancy_id, reference = ground.vacancy()
    wrong = "7KQ2-M9FW-3TX"
    wrong = next(wrong + each for each in "0123456789ABCDEFGHJKMNPQRSTVWXYZ" if self_checks(ground, wrong + each))
    assert ground.hold(team, wrong).code == Code.NOT_FOUND
    assert ground.hold(team, wrong, region=YORKSHIRE).code == Code.NOT_FOUND
    ground.agency.call("AgencyService/WithdrawVacancy", agency_reference=reference, observed_at_ms=homes.now_ms())
    got = ground.hold(team, vacancy_id, region=YORKSHIRE)
    assert (got.code, got.fields) == (Code.NOT_FOUND, ["vacancy_id"]), got


def self_checks(ground, text):
    """Whether it is a well-formed id."""
    return ground.leeds.outcome("PlacementService/ExplainVacancy", homes.explain(ground.messages, text)).code != \
        Code.INVALID_ARGUMENT


@BOTH
def test_the_same_request_id(ground, who):
    """V5, also after a restart of the home hub."""
    team = getattr(ground, who)
    vacancy_id, _ = ground.vacancy()
    once = request_id()
    first = ground.hold(team, vacancy_id, request_id=once, region=YORKSHIRE).response
    again = ground.hold(team, vacancy_id, request_id=once).response  # looked up: still the same request
    assert again.hold.hold_id == first.hold.hold_id and again.receipt.repeated and not first.receipt.repeated
    other = ground.hold(team, vacancy_id, request_id=once, beds=2)
    assert (other.code, other.fields) == (Code.FAILED_PRECONDITION, ["request_id"]), other
    ground.pair[YORKSHIRE].kill()
    ground.pair.start(YORKSHIRE)
    ground.pair.wait_deciding(YORKSHIRE)
    ground.pair.wait_linked()
    ground.clients.clear()
    team = getattr(ground, who)
    again = ground.hold(team, vacancy_id, request_id=once, region=YORKSHIRE)
    assert again.code == Code.OK and again.response.hold.hold_id == first.hold.hold_id, again
    old = ground.hold(team, vacancy_id, request_id=request_id(int(time.time() * 1000) - 8 * 86400_000))
    assert (old.code, old.fields) == (Code.INVALID_ARGUMENT, ["request_id"])


def test_one_id_for_two_regions(ground, messages):
    """V5: what was done at the team's own hub is not done again, under the same id, in another region."""
    agency = ground.client(WEST, homes.LEEDS)
    reference = f"H-{time.monotonic_ns()}"
    agency.call("AgencyService/PutCarer", carer=homes.carer(messages, reference))
    here = agency.call("AgencyService/PutVacancy", vacancy=homes.vacancy(messages, reference)).vacancy_id
    there, _ = ground.vacancy()
    once = request_id()
    assert ground.hold(ground.manchester, here, request_id=once).code == Code.OK
    got = ground.hold(ground.manchester, there, request_id=once, region=YORKSHIRE)
    assert (got.code, got.fields) == (Code.FAILED_PRECONDITION, ["request_id"]), got
    assert ground.manchester.call("PlacementService/GetHold", request_id=once).hold.vacancy_id == here
    settled = request_id()
    assert ground.manchester.outcome("PlacementService/GetHold", request_id=settled).code == Code.NOT_FOUND
    got = ground.hold(ground.manchester, there, request_id=settled, region=YORKSHIRE)
    assert got.code == Code.FAILED_PRECONDITION and "settled" in got.message, got


def test_whose_hold_it_is(ground):
    """A7, V6: another team's, an unknown one, one of another region under the same numbers."""
    vacancy_id, _ = ground.vacancy()
    hold = ground.held(ground.leeds, vacancy_id)
    said = set()
    for team, hold_id in ((ground.bradford, hold.hold_id), (ground.manchester, hold.hold_id),
                          (ground.leeds, f"{YORKSHIRE}-1-99999999"), (ground.leeds, f"{YORKSHIRE}-99-1")):
        for method in "ReleaseHold", "ExtendHold":
            got = ground.act(team, method, hold_id)
            assert got.code == Code.PERMISSION_DENIED, (method, got)
            said.add(got.message)
        assert ground.place(team, hold_id).code == Code.PERMISSION_DENIED
        assert team.outcome("PlacementService/GetHold", hold_id=hold_id).code == Code.PERMISSION_DENIED
    assert len(said) == 1, said
    # The same numbers in the west's log are no hold of anybody's; nor does the west decide Yorkshire's.
    elsewhere = hold.hold_id.replace(YORKSHIRE, WEST)
    assert ground.act(ground.leeds, "ReleaseHold", elsewhere).code == Code.PERMISSION_DENIED
    assert ground.act(ground.leeds, "ReleaseHold", hold.hold_id).code == Code.OK


def test_a_region_that_nobody_keeps(ground):
    """V10."""
    vacancy_id, _ = ground.vacancy()
    got = ground.hold(ground.leeds, vacancy_id, region="E12000008")
    assert (got.code, got.fields) == (Code.FAILED_PRECONDITION, ["region"]) and "E12000008" in got.message, got
    got = ground.act(ground.leeds, "ReleaseHold", "E12000008-1-4")
    assert (got.code, got.fields) == (Code.FAILED_PRECONDITION, ["hold_id"]), got
    assert not any(each.region == "E12000008" for each in ground.mine(ground.leeds, ended=True).values())


def test_forwarded_twice(ground):
    """V11: a hub that is asked by another for what is not its own says so, and asks nobody."""
    vacancy_id, _ = ground.vacancy()
    with ground.pair[WEST].client("hub", YORKSHIRE) as peer:
        got = peer.outcome("FederationService/Forward",
                           principal=ground.pair.federation.principal(LEEDS_TEAM, YORKSHIRE).name,
                           hold={"request_id": request_id(), "vacancy_id": vacancy_id, "region": YORKSHIRE, "beds": 1,
                                 "request_reference": "383-204417"})
    assert got.code == Code.FAILED_PRECONDITION and YORKSHIRE in got.message, got


def test_a_report(ground, messages):
    vacancy_id, reference = ground.vacancy()
    before = ground.view(reference).valid_until_ms
    got = ground.manchester.outcome("PlacementService/ReportUnavailable", request_id=request_id(),
                                    vacancy_id=vacancy_id, request_reference="352-99887")
    assert got.code == Code.OK, got
    assert ground.view(reference).valid_until_ms < before
    kinds = messages.AgencyEvent.DESCRIPTOR.enum_types_by_name["Kind"].values_by_name
    events = [each.event for each in ground.agency.call("AgencyService/GetHistory", agency_reference=reference)]
    reported = [each for each in events if each.kind == kinds["KIND_REPORTED_UNAVAILABLE"].number]
    assert len(reported) == 1 and "E08000003" in reported[0].by
    again = ground.manchester.outcome("PlacementService/ReportUnavailable", request_id=request_id(),
                                      vacancy_id=vacancy_id, request_reference="352-99887")
    assert again.code == Code.OK  # at most one a day: it changes nothing, and says so
    assert again.response.reported_before and not got.response.reported_before
    events = [each.event for each in ground.agency.call("AgencyService/GetHistory", agency_reference=reference)]
    assert sum(each.kind == kinds["KIND_REPORTED_UNAVAILABLE"].number for each in events) == 1


def test_a_hold_runs_out(ground):
    """V7: by the home hub alone, after its length and not before; the least that may be asked for."""
    vacancy_id, reference = ground.vacancy()
    short = ground.hold(ground.leeds, vacancy_id, duration_s=LEAST_S - 1)
    assert (short.code, short.fields) == (Code.INVALID_ARGUMENT, ["duration_s"])
    long = ground.hold(ground.leeds, vacancy_id, duration_s=2 * 3600 + 1)
    assert (long.code, long.fields) == (Code.INVALID_ARGUMENT, ["duration_s"])
    began = time.monotonic()
    hold = ground.held(ground.manchester, vacancy_id, duration_s=LEAST_S)
    library.wait_until(lambda: ground.view(reference).beds_free == 2, LEAST_S + 10 * library.SLOWNESS, "it to run out")
    assert time.monotonic() - began >= LEAST_S - 0.01
    assert ground.state(ground.manchester, hold.hold_id) == "EXPIRED"
    late = ground.place(ground.manchester, hold.hold_id)
    assert late.code == Code.FAILED_PRECONDITION and "EXPIRED" in late.message
    assert ground.act(ground.manchester, "ReleaseHold", hold.hold_id).code == Code.FAILED_PRECONDITION
    library.wait_until(lambda: hold.hold_id not in ground.mine(ground.manchester), SOON_S, "the list to be without it")


# --- when the home hub does not answer -------------------------------------------------------------------------------

def test_unavailable_with_whom_to_telephone(ground):
    """R17: within 2 s of the home hub's end, with since when and the agency's telephone, and nothing is left of it."""
    vacancy_id, _ = ground.vacancy()
    hold = ground.held(ground.manchester, vacancy_id)
    ground.pair[YORKSHIRE].stop()
    library.wait_until(lambda: not ground.pair.list_regions(WEST)[YORKSHIRE].linked, SOON_S, "the end to be noticed")
    before = int(time.time() * 1000)
    for got in (ground.hold(ground.manchester, vacancy_id), ground.act(ground.manchester, "ExtendHold", hold.hold_id),
                ground.manchester.outcome("PlacementService/GetHold", hold_id=hold.hold_id)):
        assert got.code == Code.UNAVAILABLE, got
        failure = ground.failure(got)
        assert not failure.outcome_unknown and failure.region == YORKSHIRE
        assert before - 60_000 < failure.unreachable_since_ms <= int(time.time() * 1000)
    got = ground.hold(ground.manchester, vacancy_id)
    assert ground.failure(got).agency.phone == "0113 496 0000" and "0113 496 0000" in got.message
    holds = ground.mine(ground.manchester)
    assert hold.hold_id in holds and not any(each.outcome_unknown for each in holds.values())


def break_link(ground, vacancy_id):
    """After how many seconds a call is told, and how many the next one takes."""
    ground.pair.cut_off(YORKSHIRE)
    began = time.monotonic()
    library.wait_until(lambda: ground.hold(ground.manchester, vacancy_id).code == Code.UNAVAILABLE, SOON_S, "UNAVAILABLE")
    known = time.monotonic()
    assert ground.hold(ground.manchester, vacancy_id).code == Code.UNAVAILABLE
    return known - began, time.monotonic() - known


def test_a_link_that_breaks_is_known_within_two_seconds(ground):
    """Nothing comes from the home hub any more, and nothing says so: the call under way ends with the link, and from then
    on everybody is told at once."""
    vacancy_id, _ = ground.vacancy()
    bounds = 2 + 1.5 * library.SLOWNESS, 1 * library.SLOWNESS
    took = break_link(ground, vacancy_id)
    if took[0] >= bounds[0] or took[1] >= bounds[1]:  # the machine may have stood still; once
        two_regions.mend(ground.pair)
        took = break_link(ground, vacancy_id)
    assert took[0] < bounds[0] and took[1] < bounds[1], took


@pytest.fixture
def silent(ground):
    """Stops the home hub's process for a while: what is sent to it may have been done."""
    process = ground.pair[YORKSHIRE].process

    def stop():
        process.send_signal(signal.SIGSTOP)
        return lambda: process.send_signal(signal.SIGCONT)

    yield stop
    process.send_signal(signal.SIGCONT)


def ask_while_silent(ground, silent, vacancy_id, once):
    """The outcome of a hold that the home hub, stopped, does not answer in time. Then it goes on."""
    go_on = silent()
    try:
        got = ground.hold(ground.manchester, vacancy_id, request_id=once)
    finally:
        go_on()
    return got


def test_an_unknown_outcome_is_settled_by_the_same_call(ground, silent):
    vacancy_id, reference = ground.vacancy()
    once = request_id()
    got = ask_while_silent(ground, silent, vacancy_id, once)
    assert got.code == Code.DEADLINE_EXCEEDED and ground.failure(got).outcome_unknown, got
    assert once in ground.mine(ground.manchester) or ground.view(reference).beds_free == 1
    ground.pair.wait_linked()
    settled = ground.hold(ground.manchester, vacancy_id, request_id=once)
    assert settled.code == Code.OK, settled
    assert ground.view(reference).beds_free == 1
    holds = ground.mine(ground.manchester)
    assert settled.response.hold.hold_id in holds and once not in holds  # one hold, known by now


def test_an_unknown_outcome_is_settled_by_asking(ground, silent):
    """GetHold for a request id says what became of it, and that stays so."""
    vacancy_id, reference = ground.vacancy()
    once = request_id()
    got = ask_while_silent(ground, silent, vacancy_id, once)
    assert got.code == Code.DEADLINE_EXCEEDED, got
    ground.pair.wait_linked()
    settled = ground.manchester.outcome("PlacementService/GetHold", request_id=once, region=YORKSHIRE)
    if settled.code == Code.OK:  # it was read before it stopped hearing
        assert ground.view(reference).beds_free == 1
        assert settled.response.hold.hold_id in ground.mine(ground.manchester)
    else:
        assert settled.code == Code.NOT_FOUND, settled
        assert ground.hold(ground.manchester, vacancy_id, request_id=once).code != Code.OK
        assert ground.view(reference).beds_free == 2
    assert not any(each.outcome_unknown for each in ground.mine(ground.manchester).values()
                   if each.vacancy_id == vacancy_id)


@BOTH
def test_what_was_never_asked_never_will_be(ground, who):
    team = getattr(ground, who)
    vacancy_id, reference = ground.vacancy()
    once = request_id()
    assert team.outcome("PlacementService/GetHold", request_id=once, region=YORKSHIRE).code == Code.NOT_FOUND
    assert ground.hold(team, vacancy_id, request_id=once, region=YORKSHIRE).code != Code.OK
    assert ground.view(reference).beds_free == 2


def test_an_answer_that_nobody_waited_for(ground):
    """The caller is gone before the answer: the hold is listed all the same, and known by its request id."""
    vacancy_id, reference = ground.vacancy()
    once = request_id()
    call = ground.manchester.stub("PlacementService/HoldVacancy").future(
        ground.manchester.request("PlacementService/HoldVacancy", request_id=once, vacancy_id=vacancy_id, beds=1,
                                  request_reference="352-99887"), timeout=10)
    library.wait_until(lambda: call.done() or ground.view(reference).beds_free == 1, SOON_S, "the hold to be made")
    call.cancel()
    got = ground.manchester.outcome("PlacementService/GetHold", request_id=once, region=YORKSHIRE)
    assert got.code == Code.OK, got
    assert ground.mine(ground.manchester)[got.response.hold.hold_id].vacancy_id == vacancy_id


# --- many at once ----------------------------------------------------------------------------------------------------

def test_one_bed_and_many_who_want_it(ground):
    """V12 in small (tests/race has it at large): exactly one gets it, each time."""
    teams = [ground.leeds, ground.bradford, ground.manchester]
    for _ in range(20):
        vacancy_id, _ = ground.vacancy(beds=1)
        outcomes = []
        threads = [threading.Thread(target=lambda team=team: outcomes.append(ground.hold(team, vacancy_id)))
                   for team in teams]
        for each in threads:
            each.start()
        for each in threads:
            each.join()
        codes = sorted(each.code.name for each in outcomes)
        assert codes == ["FAILED_PRECONDITION", "FAILED_PRECONDITION", "OK"], outcomes
        hold = next(each.response.hold for each in outcomes if each.code == Code.OK)
        winner = next(team for team, each in zip(teams, (ground.act(team, "ReleaseHold", hold.hold_id)
                                                         for team in teams)) if each.code == Code.OK)
        assert winner in teams


def test_a_team_holds_no_more_than_it_may(ground):
    ids = [ground.vacancy(seen=False)[0] for _ in range(21)]
    for hold in ground.mine(ground.bradford).values():
        ground.act(ground.bradford, "ReleaseHold", hold.hold_id)
    codes = [ground.hold(ground.bradford, vacancy_id).code for vacancy_id in ids]
    assert codes == [Code.OK] * 20 + [Code.RESOURCE_EXHAUSTED]
    for hold in ground.mine(ground.bradford).values():
        assert ground.act(ground.bradford, "ReleaseHold", hold.hold_id).code == Code.OK
