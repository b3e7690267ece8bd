"""Three hubs as one federation, with a relay on every way between them: what one takes the others find; all prove themselves
equal, after restarts, kills and cuts; each answers by itself meanwhile and says how old the others' data is; who is no hub
of the roster is not heard, and no roster is taken but the root's own."""
import os
import signal
import subprocess
import time

import grpc
import pytest

import homes
import hub as library
import hubs as many
from hubs import NORTH, WEST, YORKSHIRE

pytestmark = pytest.mark.check

Code = grpc.StatusCode
STRANGER = "E12000009"  # a region of the authority, but not of the roster
STALE_AFTER_S = 12  # a region at rest signs every 10 s
PAUSE_S = 3  # a silent peer is hung up on after 2 s


@pytest.fixture(scope="module")
def three(federation, tmp_path_factory):
    federation.principal("hub", STRANGER)  # before the hubs read the revocation lists
    trio = many.Hubs(federation, tmp_path_factory.mktemp("three"), options={
        ("federation", "stale-after"): f"{STALE_AFTER_S}s"})
    try:
        trio.start()
        trio.wait_deciding()
        for each in trio:
            homes.register_agencies(each)
        yield trio
    finally:
        trio.stop()


@pytest.fixture
def hubs(three, request):
    """All up and linked, nothing cut, equal; their logs are shown with a failure."""
    request.node.hubs = list(three)
    three.heal()
    for each in three:
        if not each.alive():
            each.start()
    three.wait_deciding()
    three.wait_linked()
    three.wait_equal()
    return three


def push(running, messages, reference, wait_for=0, timeout=10):
    """A home with a vacancy, by the region's own Leeds; gives the vacancy's response."""
    with running.client(homes.LEEDS) as leeds:
        leeds.call("AgencyService/PutCarer", carer=homes.carer(messages, reference))
        return leeds.call("AgencyService/PutVacancy", vacancy=homes.vacancy(messages, reference), wait_for=wait_for,
                          timeout=timeout)


def search(running, messages):
    with running.client(homes.TEAM) as team:
        return team.call("PlacementService/FindVacancies", homes.search(messages, limit=50))


def found(running, messages):
    return {option.vacancy_id: option.region for option in search(running, messages).options}


def wait_found(running, messages, vacancy_id, region):
    library.wait_until(lambda: found(running, messages).get(vacancy_id) == region, 10 * library.SLOWNESS,
                       f"{vacancy_id} of {region} at {running.region}")


def position(running, messages, region):
    return {each.region: each for each in search(running, messages).positions}[region]


def test_what_one_takes_all_find(hubs, messages):
    for region in many.REGIONS:
        vacancy_id = push(hubs[region], messages, f"H-{region}").vacancy_id
        for other in many.REGIONS:
            wait_found(hubs[other], messages, vacancy_id, region)
    with hubs[NORTH].client(homes.LEEDS) as leeds:
        leeds.call("AgencyService/WithdrawVacancy", agency_reference=f"H-{NORTH}", observed_at_ms=homes.now_ms())
    library.wait_until(lambda: NORTH not in found(hubs[WEST], messages).values(), 10 * library.SLOWNESS,
                       "the withdrawal to be known in the west")
    for digests in hubs.wait_equal().values():
        (epoch, sequence, records, _), = digests
        assert epoch >= 1 and sequence > 4 and records >= 3  # two agencies and a home, an offer beside


def test_a_receipt_says_how_sure_it_is(hubs, messages):
    sure = messages.enum("Durability")
    answered = push(hubs[NORTH], messages, "H-sure", sure["DURABILITY_REPLICATED"])
    assert answered.receipt.durability == sure["DURABILITY_REPLICATED"]
    assert push(hubs[NORTH], messages, "H-plain").receipt.durability == sure["DURABILITY_LOCAL"]
    hubs.cut_off(NORTH)
    answered = push(hubs[NORTH], messages, "H-alone", sure["DURABILITY_REPLICATED"])
    assert answered.receipt.durability == sure["DURABILITY_LOCAL"]
    # A caller in more of a hurry than the hub's second is told in its own time what is done, not that it is too late.
    hurried = push(hubs[NORTH], messages, "H-hurried", sure["DURABILITY_REPLICATED"], timeout=0.9 * library.SLOWNESS)
    assert hurried.receipt.durability == sure["DURABILITY_LOCAL"]
    hubs.heal()
    for each in answered, hurried:
        wait_found(hubs[WEST], messages, each.vacancy_id, NORTH)


def test_a_machine_that_stands_still_loses_no_link(hubs, messages):
    """As a virtual machine does that is moved: nobody was silent, nobody ran."""
    hubs.wait_linked()
    logs = {each.region: len(each.log_text()) for each in hubs}
    for each in hubs:
        each.process.send_signal(signal.SIGSTOP)
    try:
        until = time.monotonic() + PAUSE_S
        library.wait_until(lambda: time.monotonic() > until, 2 * PAUSE_S, "longer than a silent peer is waited for")
    finally:
        for each in hubs:
            each.process.send_signal(signal.SIGCONT)
    vacancy_id = push(hubs[NORTH], messages, "H-paused").vacancy_id
    for each in hubs:
        wait_found(each, messages, vacancy_id, NORTH)
        assert " lost: " not in each.log_text()[logs[each.region]:]


def test_a_restart_goes_on_where_it_stood(hubs, messages):
    """R1: what happened meanwhile is there afterwards, and nothing is told twice."""
    hubs[WEST].stop()
    missed = [push(hubs[region], messages, f"H-missed-{n}").vacancy_id
              for region in (NORTH, YORKSHIRE) for n in range(5)]
    hubs.start(WEST)
    library.wait_until(lambda: set(missed) <= set(found(hubs[WEST], messages)), 20 * library.SLOWNESS,
                       "what was missed")
    hubs.wait_equal()


def test_a_killed_hub_comes_back_equal(hubs, messages):
    for n in range(3):
        push(hubs[WEST], messages, f"H-killed-{n}")
        last = push(hubs[NORTH], messages, f"H-beside-{n}").vacancy_id
        hubs[WEST].kill()
        assert found(hubs[YORKSHIRE], messages)  # the others answer
        hubs.start(WEST)
        wait_found(hubs[WEST], messages, last, NORTH)
    hubs.wait_deciding()
    push(hubs[WEST], messages, "H-after")
    equal = hubs.wait_equal()
    for here in many.REGIONS:
        for there, row in hubs.verify(here).items():
            assert row.equal and not row.problem, f"{there} at {here}: {row.problem}"
            assert {(row.sequence, row.records, row.state_digest)} == {each[1:] for each in equal[there]}


def test_a_cut_off_hub_and_the_others_answer_and_say_how_old(hubs, messages):
    """R17 without holds: each side has the whole nation as of the cut, takes its own changes, and after the heal all are
    equal (R16)."""
    before = found(hubs[NORTH], messages)
    hubs.cut_off(NORTH)
    alone = push(hubs[NORTH], messages, "H-cut-off").vacancy_id
    beside = push(hubs[WEST], messages, "H-not-cut-off").vacancy_id
    wait_found(hubs[YORKSHIRE], messages, beside, WEST)
    library.wait_until(lambda: not hubs.list_regions(YORKSHIRE)[NORTH].linked, 10 * library.SLOWNESS,
                       "the silence to be noticed")
    assert set(found(hubs[NORTH], messages)) == {*before, alone}
    for here, there in (NORTH, WEST), (YORKSHIRE, NORTH):
        age_ms = position(hubs[here], messages, there).age_ms
        library.wait_until(lambda: position(hubs[here], messages, there).age_ms > age_ms + 1000, 10, "age to grow")
        library.wait_until(lambda: position(hubs[here], messages, there).stale, 2 * STALE_AFTER_S, "it to be stale")
        assert position(hubs[here], messages, there).age_ms >= STALE_AFTER_S * 1000
    assert not position(hubs[YORKSHIRE], messages, WEST).stale
    assert alone not in found(hubs[YORKSHIRE], messages)
    hubs.heal()
    wait_found(hubs[YORKSHIRE], messages, alone, NORTH)
    wait_found(hubs[NORTH], messages, beside, WEST)
    hubs.wait_equal()
    assert not position(hubs[YORKSHIRE], messages, NORTH).stale


def test_a_relay_between_hubs_that_never_meet(hubs, messages):
    """North and west reach only Yorkshire, which passes on what each signed."""
    hubs.cut(NORTH, WEST)
    library.wait_until(lambda: not hubs.list_regions(WEST)[NORTH].linked, 10 * library.SLOWNESS, "the cut to be noticed")
    vacancy_id = push(hubs[NORTH], messages, "H-relayed").vacancy_id
    wait_found(hubs[WEST], messages, vacancy_id, NORTH)
    assert getattr(hubs.list_regions(WEST)[NORTH], "from") == YORKSHIRE
    hubs.wait_equal()


def test_one_way_only(hubs, messages):
    """R3: what north sends is lost, what it is sent arrives."""
    hubs.relays[NORTH, WEST].cut("to")
    hubs.relays[WEST, NORTH].cut("from")
    hubs.relays[NORTH, YORKSHIRE].cut("to")
    hubs.relays[YORKSHIRE, NORTH].cut("from")
    library.wait_until(lambda: not hubs.list_regions(WEST)[NORTH].linked, 10 * library.SLOWNESS, "the cut to be noticed")
    vacancy_id = push(hubs[NORTH], messages, "H-one-way").vacancy_id
    assert found(hubs[WEST], messages)
    assert vacancy_id not in found(hubs[WEST], messages)
    hubs.heal()
    wait_found(hubs[WEST], messages, vacancy_id, NORTH)
    hubs.wait_equal()


# --- who is not heard ---------------------------------------------------------------------------------------------

@pytest.mark.parametrize("spec, region", [("agency leeds", NORTH), ("placement-team E08000035 duty", NORTH),
                                          ("operator olive", NORTH), ("hub", STRANGER)])
@pytest.mark.parametrize("method", ["FederationService/Follow", "FederationService/FetchSnapshot",
                                    "FederationService/Forward"])
def test_only_hubs_of_the_roster_may_follow(hubs, messages, method, spec, region):
    """R14, A5: everybody else is 7, a hub of a region that is not in the roster too (16: its issuer is nobody's)."""
    with hubs[NORTH].client(spec, region) as client:
        request = client.request(method)
        outcome = client.outcome(method, [request] if method.endswith("Follow") else request)
    assert outcome.code in ((Code.PERMISSION_DENIED,) if region == NORTH else
                            (Code.PERMISSION_DENIED, Code.UNAUTHENTICATED))
    hubs.wait_equal()


def roster(hubs, region, version, regions=None, key=None, keys=None, endpoints=None):
    body = many.roster_body(hubs.federation, regions or many.REGIONS, version, endpoints or hubs.endpoints(region),
                            keys=keys)
    return many.sign_roster(hubs.federation, body, key)


def test_another_regions_hub_is_not_taken_for_it(hubs, messages):
    """The endpoint leads to a hub of the federation, and to the wrong one."""
    wrong = [(there, host, hubs.ports[WEST] if there == NORTH else port)
             for there, host, port in hubs.endpoints(YORKSHIRE)]
    hubs.version += 1
    hubs.put_roster(YORKSHIRE, roster(hubs, YORKSHIRE, hubs.version, endpoints=wrong))
    hubs[YORKSHIRE].reload()
    hubs[YORKSHIRE].wait_log(rf"no link to region={NORTH}: .*it is the hub of {WEST}")
    wait_found(hubs[YORKSHIRE], messages, push(hubs[NORTH], messages, "H-roundabout").vacancy_id, NORTH)
    hubs.write_rosters()
    for each in hubs:
        each.reload()
    library.wait_until(lambda: hubs.list_regions(YORKSHIRE)[NORTH].linked, 20 * library.SLOWNESS, "the right one")


# --- rosters ------------------------------------------------------------------------------------------------------

def other_key(folder):
    path = os.path.join(folder, "other.key")
    subprocess.run(["openssl", "genpkey", "-algorithm", "ed25519", "-out", path], check=True, capture_output=True)
    return path


def bad_rosters(hubs, region, version, folder):
    """(what the log must say, the file)"""
    others = [each for each in many.REGIONS if each != region]
    good = roster(hubs, region, version)
    yield "signature", roster(hubs, region, version, key=other_key(folder))
    yield "signature", good.replace("version", "# \nversion", 1)
    yield f"no region {region}", roster(hubs, region, version, regions=others,
                                        endpoints=[each for each in hubs.endpoints(region) if each[0] != region])
    yield f"another key for {region}", roster(hubs, region, version, keys={region: "ab" * 32})
    yield "line", many.sign_roster(hubs.federation, many.roster_body(hubs.federation, many.REGIONS, version,
                                                                     extra=["nonsense"]))
    yield "roster", ""


def test_a_hub_starts_with_no_roster_but_a_good_one(federation, tmp_path):
    hubs = many.Hubs(federation, tmp_path)
    for words, text in bad_rosters(hubs, NORTH, 7, tmp_path):
        hubs.put_roster(NORTH, text)
        _, log = hubs[NORTH].refuses_to_start()
        assert words in log and "can't start" in log
    os.unlink(hubs.roster_path(NORTH))
    assert "roster" in hubs[NORTH].refuses_to_start()[1]
    hubs.stop()


@pytest.mark.parametrize("options, words", [
    ({("federation", "roster"): None}, "both or neither"),
    ({("federation", "roster-key"): None}, "both or neither"),
    ({("federation", "roster-key"): "12ab"}, "neither 64 hex digits nor"),
    ({("federation", "stale-after"): "0s"}, "stale-after"),
    ({("store", "replica-limit"): "16G"}, "replica-limit"),
    ({("vacancies", "hold-max"): "2h"}, "hold-max"),
    ({("vacancies", "hold-default"): "59s"}, "hold-least"),
    ({("vacancies", "hold-least"): "900ms"}, "hold-least"),
    ({("vacancies", "holds-per-team"): "0"}, "holds-per-team"),
    ({("vacancies", "reports-per-team"): "1001"}, "reports-per-team"),
    ({("federation", "roster"): None, ("federation", "roster-key"): None}, "nobody could call"),
])
def test_options_that_do_not_fit(federation, tmp_path, options, words):
    hubs = many.Hubs(federation, tmp_path, regions=[NORTH], options=options)
    _, said = hubs[NORTH].refuses_to_start()
    assert words in said
    hubs.stop()


def test_a_reload_takes_no_roster_but_a_better_one(hubs, messages, tmp_path):
    """A bad or older file leaves the old one in use, and says so; a newer one is taken, and links come back."""
    running = hubs[NORTH]
    for words, text in bad_rosters(hubs, NORTH, hubs.version + 1, tmp_path):
        hubs.put_roster(NORTH, text)
        seen = running.log_text().count("the old roster")
        running.reload()
        library.wait_until(lambda: running.log_text().count("the old roster") > seen, 10, "the refusal")
        assert words in running.log_text()[running.log_text().rindex("the old roster"):]
    hubs.put_roster(NORTH, roster(hubs, NORTH, hubs.version - 1) if hubs.version > 1 else roster(hubs, NORTH, 1))
    running.reload()
    if hubs.version > 1:
        running.wait_log("an older one")
    hubs.write_rosters()
    running.reload()
    running.wait_log(f"version {hubs.version}, before it")
    with running.client(many.OPERATOR) as operator:
        library.wait_until(lambda: operator.call("HubService/ListRegions").roster_version == hubs.version, 10,
                           "the new version")
    wait_found(hubs[WEST], messages, push(running, messages, "H-reloaded").vacancy_id, NORTH)
    hubs.wait_equal()


def test_a_start_takes_no_older_roster_than_it_had(federation, tmp_path):
    """Validly signed as it is: whoever was left out since would be back in."""
    alone = many.Hubs(federation, tmp_path, regions=[NORTH])
    old = roster(alone, NORTH, alone.version, regions=[NORTH])
    try:
        alone.start()
        alone.write_rosters()
        alone[NORTH].reload()
        alone[NORTH].wait_log(f"version {alone.version}, before it")
        alone[NORTH].stop()
        alone.put_roster(NORTH, old)
        _, said = alone[NORTH].refuses_to_start()
        assert f"version {alone.version - 1}, but this hub has used version {alone.version}: copy the newest" in said
        alone.write_rosters(version=alone.version)
        alone.start()
    finally:
        alone.stop()


def test_a_roster_without_peers_decides_at_once(federation, tmp_path, messages):
    alone = many.Hubs(federation, tmp_path, regions=[NORTH])
    try:
        alone.start()
        homes.register_agencies(alone[NORTH])
        assert push(alone[NORTH], messages, "H-1").vacancy_id in found(alone[NORTH], messages)
    finally:
        alone.stop()


def test_a_hub_whose_peers_are_all_away_waits_for_one_or_for_the_operator(federation, tmp_path, messages):
    """Writes are UNAVAILABLE until any peer has answered; searches are answered."""
    two = many.Hubs(federation, tmp_path, regions=[NORTH, WEST])
    try:
        two.start(NORTH)
        with two[NORTH].client(many.OPERATOR) as operator:
            refused = operator.outcome("HubService/PutAgency", agency={"id": "leeds", "name": "Leeds", "kind": 2,
                                                                       "ofsted_urn": "SC012345"})
        assert refused.code == Code.UNAVAILABLE and "promote" in refused.message
        assert not found(two[NORTH], messages)
        two.start(WEST)
        two.wait_deciding()
        homes.register_agencies(two[NORTH])
        two.wait_equal()
    finally:
        two.stop()
