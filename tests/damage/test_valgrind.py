"""A hub under valgrind: a few calls of each kind, good and bad, then SIGTERM: no error, nothing lost."""
import re
import shutil

import grpc
import pytest

import homes
import hub as library
import rawh2

pytestmark = [pytest.mark.long, pytest.mark.bound(300)]


@pytest.fixture
def watched(federation, tmp_path, request, monkeypatch):
    if library.SLOWNESS != 1:
        pytest.skip("valgrind and a sanitizer don't go together")
    if shutil.which("valgrind") is None:
        pytest.skip("valgrind is not installed")
    monkeypatch.setattr(library, "START_BOUND_S", 120)
    monkeypatch.setattr(library, "STOP_BOUND_S", 120)
    hub = library.Hub(federation, tmp_path / "hub", options={("hub", "workers"): "2", ("store", "map-size"): "1G",
                                                            ("store", "limit"): "512M"},
                      wrapper=["valgrind", "--leak-check=full", "--show-leak-kinds=definite,indirect", "--num-callers=30",
                               "--errors-for-leak-kinds=definite,indirect", "--child-silent-after-fork=yes"])
    request.node.hubs = [hub]
    yield hub
    hub.kill()


def talk(hub, messages):
    homes.register_agencies(hub)
    clean = {"timeout": 60}
    with hub.client(homes.LEEDS) as leeds, hub.client(homes.TEAM) as team, hub.client(homes.OPERATOR) as operator, \
            hub.client(homes.AUDITOR) as auditor, hub.client(homes.HOMES) as others:
        homes.submit_all(leeds, [("put_carer", {"carer": homes.carer(messages, f"H-{n:03}")}) for n in range(300)])
        homes.submit_all(leeds, [("put_vacancy", {"vacancy": homes.vacancy(messages, f"H-{n:03}")}) for n in range(200)])
        for n in range(20):
            team.call("PlacementService/FindVacancies", homes.search(messages, limit=1 + n * 5), **clean)
        team.outcome("PlacementService/FindVacancies", homes.search(messages, request_reference="J. Smith"), **clean)
        leeds.call("AgencyService/ListCarers", **clean)
        leeds.call("AgencyService/ListVacancies", **clean)
        leeds.call("AgencyService/GetCarer", agency_reference="H-001", **clean)
        leeds.call("AgencyService/ConfirmVacancies", observed_at_ms=homes.now_ms(), all=True, **clean)
        leeds.call("AgencyService/WithdrawVacancy", agency_reference="H-001", observed_at_ms=homes.now_ms(), **clean)
        leeds.call("AgencyService/EndCarer", agency_reference="H-001", observed_at_ms=homes.now_ms(),
                   ends_on="2026-06-01", reason="AW3", **clean)
        for bad in ({"places": 99}, {"home_postcode": "nowhere"}):
            assert leeds.outcome("AgencyService/PutCarer", carer=homes.carer(messages, "H-x", **bad),
                                 **clean).code == grpc.StatusCode.INVALID_ARGUMENT
        others.outcome("AgencyService/GetCarer", agency_reference="H-001", **clean)
        operator.call("HubService/ListAgencies", **clean)
        operator.call("HubService/GetStatus", **clean)
        operator.call("HubService/SuspendPrincipal", principal=hub.federation.principal(homes.HOMES).name, suspended=True,
                      **clean)
        auditor.call("HubService/ReadAudit", **clean)
        operator.call("/grpc.health.v1.Health/Check", **clean)
        operator.outcome("/grpc.reflection.v1.ServerReflection/ServerReflectionInfo", [
            messages["grpc.reflection.v1.ServerReflectionRequest"](list_services="")], **clean)
        cut = leeds.stream("AgencyService/Submit", (leeds.request("AgencyService/Submit", tag=n, put_carer={
            "carer": homes.carer(messages, f"C-{n}")}) for n in range(1000)))
        next(cut)
        cut.cancel()
        listing = leeds.stream("AgencyService/ListCarers", leeds.request("AgencyService/ListCarers"))
        next(listing)
        listing.cancel()
    rawh2.refusal(hub.port)
    with rawh2.Connection(rawh2.connect(hub.port, hub.federation.principal(homes.TEAM), timeout=60)) as connection:
        for octets in (b"", rawh2.grpc_message(b"\xff"), rawh2.grpc_message(b"", length=1 << 30), b"\0\0"):
            connection.answer(connection.request("/vacancy.v1.PlacementService/FindVacancies", octets), 60)
        connection.send(rawh2.DATA, 0, 99, b"x")
        while connection.read(60) is not None:
            pass


def judge(hub):
    text = hub.log_text()
    assert re.search(r"ERROR SUMMARY: 0 errors", text), text[-8000:]
    lost = re.findall(r"(?:definitely|indirectly) lost: ([\d,]+) bytes", text)
    assert not [each for each in lost if each != "0"], text[-8000:]


def test_nothing_is_lost(watched, messages):
    watched.start()
    talk(watched, messages)
    watched.reload()
    watched.wait_log("reloaded certificate", 60)
    watched.stop()
    judge(watched)
    watched.start()  # with a register to read
    with watched.client(homes.LEEDS) as leeds:
        assert len(leeds.call("AgencyService/ListCarers", timeout=60)) >= 299
    watched.stop()
    judge(watched)


def test_nothing_is_lost_when_a_start_fails(watched, messages, federation):
    for option, value in ((("tls", "key"), "/nonexistent"), (("hub", "data"), "/proc/nothing"),
                          (("region", "signing-key"), federation.root)):
        library.write_configuration(watched.configuration, federation, options={option: value})
        status, _said = watched.refuses_to_start()
        assert status == 1
        judge(watched)
