"""What an agency does, over mutual TLS with an independent gRPC client: push, read back, confirm, withdraw, end; Submit
with a slow reader and with a client that goes away; a killed hub keeps what it acknowledged."""
import os

import grpc
import pytest

import homes
import hub as library

pytestmark = pytest.mark.check

LEEDS, HOMES = homes.LEEDS, homes.HOMES
Code = grpc.StatusCode


@pytest.fixture
def agencies(hub):
    homes.register_agencies(hub)
    return hub


def test_the_life_of_a_vacancy(agencies, messages):
    outcome = messages["vacancy.v1.Receipt"].DESCRIPTOR.enum_types_by_name["Outcome"].values_by_name
    with agencies.client(LEEDS) as leeds:
        put = leeds.call("AgencyService/PutCarer", carer=homes.carer(messages, "H-1"))
        assert put.receipt.outcome == outcome["OUTCOME_CREATED"].number
        offered = leeds.call("AgencyService/PutVacancy", vacancy=homes.vacancy(messages, "H-1"))
        assert offered.receipt.sequence > put.receipt.sequence

        again = leeds.call("AgencyService/PutVacancy", vacancy=homes.vacancy(messages, "H-1"))
        assert again.receipt.outcome == outcome["OUTCOME_CONFIRMED"].number
        assert again.vacancy_id == offered.vacancy_id

        view = leeds.call("AgencyService/GetCarer", agency_reference="H-1").carer
        assert view.national_reference == put.national_reference
        assert view.carer.home_postcode == "LS6 1AB" and view.home_authority == "E08000035"
        assert view.vacancy.vacancy_id == offered.vacancy_id and view.vacancy.beds_free == 2

        confirmed = leeds.call("AgencyService/ConfirmVacancies", observed_at_ms=homes.now_ms(), all=True)
        assert confirmed.confirmed == 1
        leeds.call("AgencyService/WithdrawVacancy", agency_reference="H-1", observed_at_ms=homes.now_ms())
        assert not leeds.call("AgencyService/ListVacancies")
        leeds.call("AgencyService/EndCarer", agency_reference="H-1", observed_at_ms=homes.now_ms(),
                   ends_on="2026-06-01", reason="AW3")
        assert not leeds.call("AgencyService/ListCarers")
        assert leeds.call("AgencyService/ListCarers", include_ended=True)[0].carer.end_reason == "AW3"


def test_an_agency_reaches_only_its_own(agencies, messages):
    """A7: unknown and foreign alike."""
    with agencies.client(LEEDS) as leeds, agencies.client(HOMES) as others:
        leeds.call("AgencyService/PutCarer", carer=homes.carer(messages, "H-1"))
        for reference in "H-1", "H-2":
            refused = [others.outcome("AgencyService/GetCarer", agency_reference=reference),
                       others.outcome("AgencyService/PutVacancy", vacancy=homes.vacancy(messages, reference)),
                       others.outcome("AgencyService/WithdrawVacancy", agency_reference=reference,
                                      observed_at_ms=homes.now_ms()),
                       others.outcome("AgencyService/EndCarer", agency_reference=reference, ends_on="2026-06-01",
                                      observed_at_ms=homes.now_ms(), reason="AW0")]
            assert [each.code for each in refused] == [Code.PERMISSION_DENIED] * 4
        assert not others.call("AgencyService/ListCarers", include_ended=True)
        assert len(leeds.call("AgencyService/ListCarers")) == 1


@pytest.mark.parametrize("changes, field", [
    ({"home_postcode": "ZZ99 9ZZ"}, "carer.home_postcode"),
    ({"approved_on": "2020-03-01", "approval_ends_on": "2019-03-01"}, "carer.approval_ends_on"),
    ({"places": 99}, "carer.places"),
    ({"terms": {"max_children": 1, "age_below_months": 228, "care_types": [2]}}, "carer.terms.age_below_months"),
    ({"agency_reference": ""}, "carer.agency_reference"),
])
def test_bad_input_names_the_field_and_changes_nothing(agencies, messages, changes, field):
    with agencies.client(LEEDS) as leeds, agencies.client(homes.OPERATOR) as operator:
        before = operator.call("HubService/GetStatus").sequence
        refused = leeds.outcome("AgencyService/PutCarer", carer=homes.carer(messages, "H-1", **changes))
        assert (refused.code, refused.fields) == (Code.INVALID_ARGUMENT, [field])
        assert refused.message and "ZZ99" not in refused.message
        assert operator.call("HubService/GetStatus").sequence == before
        leeds.call("AgencyService/PutCarer", carer=homes.carer(messages, "H-1"))


def test_an_older_push_is_aborted(agencies, messages):
    with agencies.client(LEEDS) as leeds:
        leeds.call("AgencyService/PutCarer", carer=homes.carer(messages, "H-1"))
        late = homes.carer(messages, "H-1", observed_at_ms=homes.now_ms() - 60_000, bedrooms=1)
        assert leeds.outcome("AgencyService/PutCarer", carer=late).code == Code.ABORTED
        assert leeds.call("AgencyService/GetCarer", agency_reference="H-1").carer.carer.bedrooms == 2


def test_submit_answers_each_update(agencies, messages):
    with agencies.client(LEEDS) as leeds:
        def updates():
            for n in range(600):
                places = 99 if n % 100 == 50 else 3
                yield leeds.request("AgencyService/Submit", tag=n,
                                    put_carer={"carer": homes.carer(messages, f"H-{n:04}", places=places)})

        responses = leeds.call("AgencyService/Submit", updates(), timeout=60)
        assert [each.tag for each in responses] == list(range(600))
        bad = [each for each in responses if each.code]
        assert [each.tag for each in bad] == list(range(50, 600, 100))
        assert all(each.field == "put_carer.carer.places" and each.code == 3 for each in bad)
        assert len(leeds.call("AgencyService/ListCarers")) == 594


def test_a_client_gone_in_mid_stream_and_a_slow_reader(agencies, messages):
    """Others are served meanwhile, and the hub's memory and descriptors come back."""
    with agencies.client(LEEDS) as leeds:
        homes.submit_all(leeds, [("put_carer", {"carer": homes.carer(messages, f"H-{n:04}")}) for n in range(3000)])
        assert len(leeds.call("AgencyService/ListCarers")) == 3000
    before_fds, before_rss = agencies.fds(), agencies.rss_bytes()
    # Without probes of the bandwidth the window stays at 64 KiB, far less than a listing.
    with agencies.client(LEEDS, options=[("grpc.http2.bdp_probe", 0)]) as slow, agencies.client(HOMES) as honest:
        listings = [slow.stream("AgencyService/ListCarers", slow.request("AgencyService/ListCarers")) for _ in range(8)]
        for listing in listings:
            next(listing)  # and reads no more
        honest.call("AgencyService/PutCarer", carer=homes.carer(messages, "A-1"))
        sending = slow.stream("AgencyService/Submit", (
            slow.request("AgencyService/Submit", tag=n, put_carer={"carer": homes.carer(messages, f"X-{n:04}")})
            for n in range(1000)))
        next(sending)
        sending.cancel()
        listings[0].cancel()
        agencies.wait_log("ListCarers code=CANCELLED")
        # A listing is no snapshot: what was pushed meanwhile, under later references, may be there as well.
        assert sum(1 for each in listings[1] if each.carer.carer.agency_reference.startswith("H-")) == 2999
        honest.call("AgencyService/PutCarer", carer=homes.carer(messages, "A-2"))
    library.wait_until(lambda: agencies.fds() <= before_fds, 20, "the connections to be gone")
    if not os.environ.get("SAN"):  # a sanitizer keeps freed memory for a while
        assert agencies.rss_bytes() < before_rss + (16 << 20)


def test_a_killed_hub_keeps_what_it_acknowledged(agencies, messages):
    with agencies.client(LEEDS) as leeds:
        receipts = homes.submit_all(
            leeds, [("put_carer", {"carer": homes.carer(messages, f"H-{n}")}) for n in range(50)])
    agencies.kill()
    agencies.start()
    with agencies.client(LEEDS) as leeds:
        listed = {each.carer.national_reference for each in leeds.call("AgencyService/ListCarers")}
        assert listed == {each.national_reference for each in receipts}
