"""What people really send by mistake (issue 2, "Bad input"): one clear error that names the field, and nothing changed."""
import threading
import time

import grpc
import pytest

import ground as grounds
import homes

pytestmark = pytest.mark.check

Code = grpc.StatusCode
FIND = "PlacementService/FindVacancies"
DAY_MS = 24 * 3600 * 1000

ground = grounds.ground_fixture()


def terms(**changes):
    return {"max_children": 3, "age_from_months": 60, "age_below_months": 192, "care_types": [1, 2], **changes}


CARERS = {
    # row: (changes, field)
    "postcode that does not exist": ({"home_postcode": "ZZ99 9ZZ"}, "home_postcode"),
    "postcode of Scotland": ({"home_postcode": "EH1 1YZ"}, "home_postcode"),
    "postcode of no district": ({"home_postcode": "LS99 1AA"}, "home_postcode"),
    "postcode that is an address": ({"home_postcode": "12 Acacia Avenue, Leeds"}, "home_postcode"),
    "postcode empty": ({"home_postcode": ""}, "home_postcode"),
    "outcode only": ({"home_postcode": "LS6"}, "home_postcode"),
    "ends before it begins": ({"approved_on": "2020-03-01", "approval_ends_on": "2020-02-29"}, "approval_ends_on"),
    "ends on the day it begins": ({"approved_on": "2020-03-01", "approval_ends_on": "2020-03-01"}, "approval_ends_on"),
    "30 February": ({"approved_on": "2020-02-30"}, "approved_on"),
    "29 February of no leap year": ({"approved_on": "2023-02-29"}, "approved_on"),
    "English date": ({"approved_on": "01/03/2020"}, "approved_on"),
    "date with time": ({"approved_on": "2020-03-01T00:00:00Z"}, "approved_on"),
    "year 0": ({"approved_on": "0000-01-01"}, "approved_on"),
    "year 99999": ({"approved_on": "99999-01-01"}, "approved_on"),
    "no date": ({"approved_on": ""}, "approved_on"),
    "0 places": ({"places": 0}, "places"),
    "13 places": ({"places": 13}, "places"),
    "0 bedrooms": ({"bedrooms": 0}, "bedrooms"),
    "no terms": ({"terms": None}, "terms"),
    "0 children": ({"terms": terms(max_children=0)}, "terms.max_children"),
    "99 children": ({"terms": terms(max_children=99)}, "terms.max_children"),
    "fewer siblings than children": ({"terms": terms(max_children_if_siblings=2)}, "terms.max_children_if_siblings"),
    "ages crossed": ({"terms": terms(age_from_months=120, age_below_months=60)}, "terms.age_below_months"),
    "no ages between": ({"terms": terms(age_from_months=60, age_below_months=60)}, "terms.age_below_months"),
    "18 without staying put": ({"terms": terms(age_below_months=228)}, "terms.age_below_months"),
    "half a year over one": ({"terms": terms(age_from_months=66)}, "terms.age_from_months"),
    "no kind of care": ({"terms": terms(care_types=[])}, "terms.care_types"),
    "a kind twice": ({"terms": terms(care_types=[1, 1])}, "terms.care_types"),
    "kind unspecified": ({"terms": terms(care_types=[0])}, "terms.care_types"),
    "reference empty": ({"agency_reference": ""}, "agency_reference"),
    "reference of 65": ({"agency_reference": "r" * 65}, "agency_reference"),
    "reference with a newline": ({"agency_reference": "H\n1"}, "agency_reference"),
    "reference with letters of Polish": ({"agency_reference": "Żółw"}, "agency_reference"),
    "reference right to left": ({"agency_reference": "H\u202e1"}, "agency_reference"),
    "a month ahead": ({"observed_at_ms": homes.now_ms() + 30 * DAY_MS}, "observed_at_ms"),
    "seconds for milliseconds": ({"observed_at_ms": homes.now_ms() // 1000}, "observed_at_ms"),
    "no moment": ({"observed_at_ms": 0}, "observed_at_ms"),
    "unknown language": ({"languages": [{"tag": "zz", "level": 1}]}, "languages"),
    "language in words": ({"languages": [{"tag": "Polish", "level": 1}]}, "languages"),
    "language twice": ({"languages": [{"tag": "pl", "level": 1}, {"tag": "pl", "level": 2}]}, "languages"),
    "unknown authority": ({"placed_children": [{"age_band": 3, "sex": 1, "responsible_authority": "E99999999"}]},
                          "placed_children"),
    "child of no sex": ({"placed_children": [{"age_band": 3, "responsible_authority": "E08000035"}]}, "placed_children"),
    "child of no age": ({"placed_children": [{"sex": 1, "responsible_authority": "E08000035"}]}, "placed_children"),
}


@pytest.mark.parametrize("row", CARERS)
def test_carer(ground, messages, row):
    changes, field = CARERS[row]
    with ground.row():
        bad = homes.carer(messages, **{"reference": "H-bad", **changes})
        got = ground.leeds.outcome("AgencyService/PutCarer", carer=bad)
        assert got.code == Code.INVALID_ARGUMENT, got
        assert len(got.fields) == 1 and got.fields[0].split("[")[0].startswith("carer." + field), got
        assert len(got.message) > 10 and got.message.isprintable()
        for value in changes.values():
            if isinstance(value, str) and len(value) > 4:
                assert value not in got.message, "what was sent is repeated"
        # The same through Submit.
        answer = ground.leeds.call("AgencyService/Submit", [
            ground.leeds.request("AgencyService/Submit", tag=7, put_carer={"carer": bad})])[0]
        assert (answer.tag, answer.code, answer.field, answer.message) == (7, 3, "put_carer." + got.fields[0], got.message)
        missing = ground.leeds.outcome("AgencyService/GetCarer", agency_reference="H-bad")
        assert missing.code == Code.PERMISSION_DENIED
    assert "Acacia" not in ground.said() and "ZZ99" not in ground.said()


VACANCIES = {
    "0 beds": ({"beds": 0}, "beds"),
    "99 beds": ({"beds": 99}, "beds"),
    "more beds than places are free": ({"beds": 3}, "beds"),
    "ends before it begins": ({"from": "2026-12-02", "until": "2026-12-01"}, "until"),
    "no state": ({"state": 0}, "state"),
    "a state of the hub's": ({"state": 4}, "state"),
    "not available without a reason": ({"state": 3}, "reason"),
    "vacant with a reason": ({"reason": 1}, "reason"),
    "reserved without an end": ({"state": 2}, "reserved_until"),
    "a kind not approved": ({"care_types": [7]}, "care_types"),
    "younger than approved": ({"age_from_months": 12}, "age_from_months"),
    "older than approved": ({"age_below_months": 204}, "age_below_months"),
    "ages crossed": ({"age_from_months": 180, "age_below_months": 60}, "age_below_months"),
    "until 31 June": ({"until": "2026-06-31"}, "until"),
}


@pytest.mark.parametrize("row", VACANCIES)
def test_vacancy(ground, messages, row):
    changes, field = VACANCIES[row]
    with ground.row():
        vacancy = homes.vacancy(messages, grounds.MARK, **changes)
        got = ground.leeds.outcome("AgencyService/PutVacancy", vacancy=vacancy)
        assert got.code in (Code.INVALID_ARGUMENT, Code.FAILED_PRECONDITION), got
        assert [each.split("[")[0] for each in got.fields] == ["vacancy." + field], got
        live = ground.leeds.call("AgencyService/ListVacancies")
        assert len(live) == 1 and live[0].vacancy.vacancy.beds == 2


SEARCHES = {
    "no reference": ({"request_reference": ""}, "request_reference"),
    "a name": ({"request_reference": "John Smith"}, "request_reference"),
    "a name after the number": ({"request_reference": "383-Smith"}, "request_reference"),
    "no hyphen": ({"request_reference": "383204417"}, "request_reference"),
    "three digits": ({"request_reference": "383-123"}, "request_reference"),
    "eleven digits": ({"request_reference": "383-12345678901"}, "request_reference"),
    "two digits before": ({"request_reference": "38-204417"}, "request_reference"),
    "digits of another script": ({"request_reference": "383-٢٠٤٤١٧"}, "request_reference"),
    "a newline after": ({"request_reference": "383-204417\n"}, "request_reference"),
    "a space before": ({"request_reference": " 383-204417"}, "request_reference"),
    "no purpose": ({"purpose": 0}, "purpose"),
    "no place": ({"near_postcode": ""}, "near_postcode"),
    "no such place": ({"near_postcode": "ZZ99 9ZZ"}, "near_postcode"),
    "no child": ({"children": []}, "children"),
    "13 children": ({"children": [{"age_months": 96, "sex": 1}] * 13}, "children"),
    "18 without staying put": ({"children": [{"age_months": 216, "sex": 1}]}, "children"),
    "age 100": ({"children": [{"age_months": 1200, "sex": 1}]}, "children"),
    "half a year over one": ({"children": [{"age_months": 18, "sex": 1}]}, "children"),
    "no sex": ({"children": [{"age_months": 96}]}, "children"),
    "no kind of care": ({"care_type": 0}, "care_type"),
    "a day that isn't": ({"starts_on": "2026-02-30"}, "starts_on"),
    "two years ahead": ({"starts_on": "2029-01-01"}, "starts_on"),
    "1,000 options": ({"limit": 1000}, "limit"),
    "9 places to avoid": ({"avoid": [{"postcode": "LS1 4AP", "radius_metres": 1}] * 9}, "avoid"),
    "avoid 51 km": ({"avoid": [{"postcode": "LS1 4AP", "radius_metres": 51_000}]}, "avoid"),
    "avoid nowhere": ({"avoid": [{"postcode": "nowhere", "radius_metres": 5}]}, "avoid"),
    "5 languages": ({"languages": ["pl", "ur", "cy", "ar", "so"]}, "languages"),
    "language in words": ({"languages": ["Polish"]}, "languages"),
}


@pytest.mark.parametrize("row", SEARCHES)
def test_search(ground, messages, row):
    """H15 among them: no search without a request reference, or with a name for one."""
    changes, field = SEARCHES[row]
    with ground.row():
        got = ground.team.outcome(FIND, homes.search(messages, **changes))
        assert got.code == Code.INVALID_ARGUMENT, got
        assert len(got.fields) == 1 and got.fields[0].split("[")[0].split(".")[0] == field, got
        assert "Smith" not in got.message and "ZZ99" not in got.message and not got.response
    assert "Smith" not in ground.hub.log_text() and "ZZ99" not in ground.hub.log_text()


AGENCIES = {
    "id in capitals": ({"id": "Leeds"}, "id"),
    "id with a slash": ({"id": "a/b"}, "id"),
    "id of 41": ({"id": "a" * 41}, "id"),
    "no name": ({"name": ""}, "name"),
    "name with a newline": ({"name": "Good\nHomes"}, "name"),
    "name right to left": ({"name": "Good \u202eHomes"}, "name"),
    "name with no width": ({"name": "Good\u200bHomes"}, "name"),
    "name of 121": ({"name": "n" * 121}, "name"),
    "no kind": ({"kind": 0}, "kind"),
    "council without authority": ({"kind": 1, "ofsted_urn": ""}, "authority"),
    "phone in words": ({"phone": "ring\x07me"}, "phone"),
}


@pytest.mark.parametrize("row", AGENCIES)
def test_agency(ground, row):
    """V13 among them."""
    changes, field = AGENCIES[row]
    with ground.row():
        got = ground.operator.outcome("HubService/PutAgency", agency={
            "id": "new-one", "name": "New One", "kind": 2, "ofsted_urn": "SC012346", **changes})
        assert (got.code, got.fields) == (Code.INVALID_ARGUMENT, ["agency." + field]), got
        assert [each.agency.id for each in ground.operator.call("HubService/ListAgencies")] == ["good-homes", "leeds"]


REQUEST_IDS = {
    "not a UUID": "hello",
    "version 4": "8f14e45f-ceea-467f-a9d0-5b1d5a2f6a00",
    "years ago": "01800000-0000-7000-8000-000000000000",
    "a year ahead": "%012x" % (homes.now_ms() + 365 * DAY_MS) + "70008000000000000000",
    "upper case and braces": "{018F3A5E-0000-7000-8000-000000000000}",
}


@pytest.mark.parametrize("row", REQUEST_IDS)
def test_request_id(ground, messages, row):
    octets = REQUEST_IDS[row]
    if row == "a year ahead":
        octets = f"{octets[:8]}-{octets[8:12]}-{octets[12:16]}-{octets[16:20]}-{octets[20:]}"
    with ground.row():
        got = ground.leeds.outcome("AgencyService/PutCarer", request_id=octets, carer=homes.carer(messages, "H-bad"))
        assert got.code in (Code.INVALID_ARGUMENT, Code.FAILED_PRECONDITION) and got.fields == ["request_id"], got


def test_the_same_request_again(ground, messages):
    """V5: before and after a restart the same answer, one entry; other content is refused."""
    number = "%012x" % homes.now_ms()
    request_id = f"{number[:8]}-{number[8:]}-7abc-8def-0123456789ab"
    carer = homes.carer(messages, "V-5")
    with ground.row(changes=True):
        first = ground.leeds.call("AgencyService/PutCarer", request_id=request_id, carer=carer)
        sequence = ground.sequence()
        again = ground.leeds.call("AgencyService/PutCarer", request_id=request_id, carer=carer)
        assert again.national_reference == first.national_reference
        assert again.receipt.sequence == first.receipt.sequence and ground.sequence() == sequence
        carer.bedrooms = 3
        other = ground.leeds.outcome("AgencyService/PutCarer", request_id=request_id, carer=carer)
        assert other.code == Code.FAILED_PRECONDITION and other.fields == ["request_id"], other
        # An id is its principal's own.
        ground.others.call("AgencyService/PutCarer", request_id=request_id, carer=homes.carer(messages, "V-5"))


def fill(ground, messages, count):
    if len(ground.leeds.call("AgencyService/ListCarers", timeout=30 * grounds.library.SLOWNESS)) < count:
        homes.submit_all(ground.leeds, [("put_carer", {"carer": homes.carer(messages, f"L-{n:04}", bedrooms=3)})
                                        for n in range(count)])
    # What the register itself takes for them is not the rows'.
    ground.rss = max(ground.rss, ground.hub.rss_bytes())


def test_a_client_that_stops_reading(ground, messages):
    """ListCarers read by nobody: the hub holds a bounded part of it, however many ask."""
    fill(ground, messages, 4000)
    whole = sum(each.ByteSize() for each in ground.leeds.call("AgencyService/ListCarers"))
    with ground.row(), ground.hub.watch_memory() as memory:
        clients = [ground.hub.client(homes.LEEDS) for _ in range(10)]
        listings = []
        for client in clients:
            for _ in range(10):
                listing = client.stream("AgencyService/ListCarers", client.request("AgencyService/ListCarers"))
                next(listing)
                listings.append(listing)
        for _ in range(20):
            ground.honest()
        assert whole * len(listings) > 3 * grounds.MEMORY_BOUND
        ground.check_memory()
        assert sum(1 for _ in listings[0]) >= 4000 - 1  # the patient one gets it all
        for listing in listings[1:]:
            listing.cancel()
        for client in clients:
            client.close()
    print(f"{memory.peak - ground.rss} bytes at the peak for 100 listings of {whole}")


def test_a_client_gone_in_mid_stream(ground, messages, scale):
    """Submit, cut at any moment: what was acknowledged is there, each update is whole or not at all, nobody waits."""
    with ground.row(changes=True):
        acknowledged = set()
        for n in range(max(5, int(30 * scale))):
            client = ground.hub.client(homes.HOMES)
            go_on = threading.Event()

            def updates(round_of=n, go_on=go_on, client=client):
                for number in range(400):
                    yield client.request("AgencyService/Submit", tag=number, put_carer={
                        "carer": homes.carer(messages, f"M-{round_of:02}-{number:03}")})
                    if number == 10 * round_of:
                        go_on.set()

            call = client.stream("AgencyService/Submit", updates())
            reader = threading.Thread(target=read_receipts, args=(call, n, acknowledged))
            reader.start()
            go_on.wait(20)
            if n == 2:  # at the latest here one was acknowledged, however slow the hub
                grounds.library.wait_until(lambda: acknowledged, 20 * grounds.library.SLOWNESS, "an acknowledgement")
            if n % 2:
                call.cancel()
            client.close()
            reader.join(20)
            assert not reader.is_alive()
        there = {each.carer.carer.agency_reference for each in ground.others.call("AgencyService/ListCarers", timeout=30 * grounds.library.SLOWNESS)}
        assert acknowledged <= there and acknowledged
        status = ground.operator.call("HubService/GetStatus")
        assert status.writable
        # What was on its way when the clients went is done, too, before the next row counts.
        seen = [ground.sequence(), time.monotonic()]

        def quiet_for_long():
            now = ground.sequence()
            if now != seen[0]:
                seen[:] = now, time.monotonic()
            return time.monotonic() - seen[1] > 0.5 * grounds.library.SLOWNESS

        grounds.library.wait_until(quiet_for_long, 20 * grounds.library.SLOWNESS, "the register to be quiet")


def read_receipts(call, round_of, acknowledged):
    try:
        for answer in call:
            assert answer.code == 0
            acknowledged.add(f"M-{round_of:02}-{answer.tag:03}")
    except (grpc.RpcError, ValueError):
        pass


def test_submit_by_a_client_that_reads_nothing(ground, messages):
    """The hub stops reading once its answers are not taken; memory is bounded; when they are read, all come, in order."""
    count = 20_000
    taken = [0]

    def updates():
        for n in range(count):
            taken[0] = n
            yield ground.others.request("AgencyService/Submit", tag=n, withdraw_vacancy={
                "agency_reference": f"none-{n:05}" + "x" * 40, "observed_at_ms": homes.now_ms()})

    with ground.row(), ground.hub.watch_memory() as memory:
        call = ground.others.stream("AgencyService/Submit", updates(), timeout=100 * grounds.library.SLOWNESS)
        still = -1
        until = time.monotonic() + 30
        while taken[0] != still and time.monotonic() < until:  # until the hub takes no more
            still = taken[0]
            time.sleep(0.3)
        for _ in range(5):
            ground.honest()
        assert [each.tag for each in call] == list(range(count))
    ground.check_memory(memory.peak)
