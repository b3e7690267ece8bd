"""The daemon around its services: who may connect, health, reflection, limits, deadlines, reload, and a good end."""
import os
import re
import resource
import shutil
import socket
import threading
import time

import grpc
import pytest
from google.protobuf import descriptor_pb2

import hub as library
import rawh2

pytestmark = pytest.mark.check

CHECK = "/grpc.health.v1.Health/Check"
LIST = "/grpc.health.v1.Health/List"
WATCH = "/grpc.health.v1.Health/Watch"
INFO = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo"
SERVING, NOT_SERVING, SERVICE_UNKNOWN = 1, 2, 3
TEAM = library.TEAM


@pytest.fixture
def start(federation, tmp_path, request):
    """start(options=..., ...): a hub with other options than the `hub` fixture's; stopped at the end."""
    started = []
    request.node.hubs = started

    def go(**how):
        running = library.Hub(federation, tmp_path / f"hub{len(started)}", **how)
        started.append(running)
        return running.start()

    yield go
    for running in started:
        running.stop()


def cpu_seconds(running):
    with open(f"/proc/{running.process.pid}/stat", encoding="ascii") as handle:
        fields = handle.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


# --- who may connect ------------------------------------------------------------------------------------------------
def test_health_answers_every_principal(hub):
    for spec in (TEAM, "hub", "auditor anna", "operator olu"):
        with hub.client(spec) as client:
            assert client.call(CHECK).status == SERVING


def test_health_knows_its_services(hub):
    with hub.client(TEAM) as client:
        assert client.call(CHECK, service="grpc.health.v1.Health").status == SERVING
        unknown = client.outcome(CHECK, service="vacancy.v1.NoSuchService")
        assert (unknown.code, unknown.fields) == (grpc.StatusCode.NOT_FOUND, ["service"])
        listed = {name: state.status for name, state in client.call(LIST).statuses.items()}
        assert {"", "grpc.health.v1.Health", "grpc.reflection.v1.ServerReflection"} <= set(listed)
        assert set(listed.values()) == {SERVING}


def test_no_certificate_is_refused(hub):
    """T1"""
    assert rawh2.refusal(hub.port) == "TLSV13_ALERT_CERTIFICATE_REQUIRED"
    with hub.client(TEAM) as client:
        assert client.call(CHECK).status == SERVING


def test_another_authority_is_refused(hub, tmp_path):
    """T2"""
    stranger = library.Federation(tmp_path / "stranger")
    assert "UNKNOWN_CA" in rawh2.refusal(hub.port, stranger.principal(TEAM))
    with hub.client(TEAM) as client:
        assert client.call(CHECK).status == SERVING


# --- calls ----------------------------------------------------------------------------------------------------------
def test_an_unknown_method_is_unimplemented(hub):
    """G11"""
    with hub.client(TEAM) as client:
        for path in ("/vacancy.v1.AgencyService/NoSuchMethod", "/no.such.Service/Method", "/"):
            assert client.raw_outcome(path, b"").code == grpc.StatusCode.UNIMPLEMENTED


def test_a_deadline_ends_a_call(hub):
    """G12"""
    with hub.client(TEAM) as client:
        assert client.call(CHECK).status == SERVING  # the connection stands
        watching = client.stream(WATCH, client.request(WATCH), timeout=0.3 * library.SLOWNESS)
        assert next(watching).status == SERVING
        with pytest.raises(grpc.RpcError) as ended:
            next(watching)
        assert ended.value.code() == grpc.StatusCode.DEADLINE_EXCEEDED
    hub.wait_log(r"rpc +call /grpc.health.v1.Health/Watch code=(DEADLINE|CANCELLED)")


def test_a_cancelled_call_is_forgotten(hub):
    with hub.client(TEAM) as client:
        watching = client.stream(WATCH, client.request(WATCH))
        next(watching)
        watching.cancel()
        hub.wait_log(r"rpc +call /grpc.health.v1.Health/Watch code=CANCELLED")


def test_watch_of_an_unknown_service_stays(hub):
    with hub.client(TEAM) as client:
        watching = client.stream(WATCH, client.request(WATCH, service="no.such.Service"))
        assert next(watching).status == SERVICE_UNKNOWN
        assert watching.is_active()
        watching.cancel()


def test_reflection_hands_out_the_contract(hub, messages):
    with hub.client(TEAM) as client:
        request = messages["grpc.reflection.v1.ServerReflectionRequest"]
        answers = client.call(INFO, [request(list_services=""),
                                     request(file_containing_symbol="vacancy.v1.PlacementService.FindVacancies"),
                                     request(file_by_filename="vacancy/v1/codes.proto", host="h"),
                                     request(file_containing_symbol="vacancy.v1.AuditChain"),
                                     request(file_containing_symbol="vacancy.v1.Nothing"), request()])
    assert len(answers) == 6
    services = {service.name for service in answers[0].list_services_response.service}
    assert {"grpc.health.v1.Health", "grpc.reflection.v1.ServerReflection", "vacancy.v1.AgencyService",
            "vacancy.v1.PlacementService", "vacancy.v1.HubService"} <= services
    pool = [descriptor_pb2.FileDescriptorProto.FromString(octets)
            for octets in answers[1].file_descriptor_response.file_descriptor_proto]
    names = [each.name for each in pool]
    assert names[0] == "vacancy/v1/placement_service.proto" and len(names) == len(set(names))
    assert {dependency for each in pool for dependency in each.dependency} <= set(names)
    assert answers[2].valid_host == "h" and answers[2].original_request.file_by_filename == "vacancy/v1/codes.proto"
    assert answers[3].WhichOneof("message_response") == "file_descriptor_response"
    assert answers[4].error_response.error_code == 5
    assert answers[5].error_response.error_code == 3


# --- limits ---------------------------------------------------------------------------------------------------------
def test_one_certificate_has_only_so_many_connections(start):
    """X6, W28"""
    hub = start(options={("limits", "connections-per-principal"): "3"})
    team = hub.federation.principal(TEAM)
    held = [rawh2.connect(hub.port, team) for _ in range(3)]
    for each in held:
        each.sendall(rawh2.PREFACE + rawh2.frame(rawh2.SETTINGS))
        assert each.recv(1)
    with rawh2.Connection(rawh2.connect(hub.port, team)) as refused:
        while refused.read() is not None:
            pass
    hub.wait_log("all the connections that one may have")
    with hub.client("operator olu") as client:
        assert client.call(CHECK).status == SERVING
    held.pop().close()
    hub.wait_log("closed conn=[123] ")
    with hub.client(TEAM) as client:
        assert client.call(CHECK).status == SERVING
    for each in held:
        each.close()


def test_idle_connections_are_closed(start):
    """W28"""
    hub = start(options={("limits", "idle"): "300ms", ("limits", "first-request"): "300ms",
                         ("limits", "handshake"): f"{min(library.SLOWNESS, 3)}s"})
    idle = rawh2.connect(hub.port, hub.federation.principal(TEAM))
    idle.sendall(rawh2.PREFACE + rawh2.frame(rawh2.SETTINGS))
    half = socket.create_connection(("127.0.0.1", hub.port), 10)  # not even a ClientHello (T13)
    for each in (idle, half):
        while each.recv(4096):
            pass
        each.close()
    library.wait_until(lambda: hub.log_text().count(" closed conn=") == 2, 10 * library.SLOWNESS, "both to be closed")


def test_descriptor_limit(start):
    """X1: no descriptor is left: connections are refused, the acceptor rests instead of spinning, and recovers."""
    hub = start(limits={resource.RLIMIT_NOFILE: 64})
    before = hub.fds()
    held = []
    for _ in range(200):
        try:
            held.append(socket.create_connection(("127.0.0.1", hub.port), 10))
        except OSError:
            pass
    hub.wait_log("no file descriptor is left")
    spent = cpu_seconds(hub)
    time.sleep(1)  # what is looked for is that nothing happens in it
    assert cpu_seconds(hub) - spent < 0.5
    for each in held:
        each.close()
    library.wait_until(lambda: hub.fds() <= before, 10, "descriptors to be free again")

    def served():
        with hub.client(TEAM) as client:
            return client.outcome(CHECK).code == grpc.StatusCode.OK

    library.wait_until(served, 10, "the hub to serve again")


# --- reload ---------------------------------------------------------------------------------------------------------
def served_certificate(hub):
    with rawh2.connect(hub.port, hub.federation.principal(TEAM)) as sock:
        return sock.getpeercert(binary_form=True)


def test_reload_takes_a_new_certificate_and_keeps_the_old_one_if_it_is_bad(tmp_path):
    """T17"""
    federation = library.Federation(tmp_path / "authority")
    hub = library.Hub(federation, tmp_path / "hub").start()
    try:
        old = served_certificate(hub)
        with hub.client(TEAM) as client:
            assert client.call(CHECK).status == SERVING
            federation.ca("renew", library.REGION, "hub")
            hub.reload()
            hub.wait_log("reloaded certificate")
            new = served_certificate(hub)
            assert new != old
            assert client.call(CHECK).status == SERVING  # on its old connection

            path = federation.principal("hub").cert
            shutil.copy(path, tmp_path / "kept")
            with open(path, "w", encoding="ascii") as handle:
                handle.write("not a certificate\n")
            hub.reload()
            hub.wait_log(r"ERROR .*reload: the old certificate")
            assert served_certificate(hub) == new
            shutil.copy(tmp_path / "kept", path)
    finally:
        hub.stop()


def test_reload_takes_a_revocation_list(tmp_path):
    """T7, and a connection that was open before ends at its next call; others go on."""
    federation = library.Federation(tmp_path / "authority")
    shutil.copytree(federation.principal(TEAM).folder, tmp_path / "team")  # revoking puts the key aside
    team, other = library.Principal(tmp_path / "team"), federation.principal("operator olu")
    hub = library.Hub(federation, tmp_path / "hub").start()
    try:
        assert rawh2.refusal(hub.port, team) is None
        with hub.client(team) as revoked, hub.client(other) as client:
            assert revoked.call(CHECK).status == client.call(CHECK).status == SERVING
            federation.ca("revoke", library.REGION, *TEAM.split())
            assert revoked.call(CHECK).status == SERVING  # the hub doesn't know yet
            hub.reload()
            hub.wait_log("reloaded certificate")
            assert revoked.outcome(CHECK).code == grpc.StatusCode.UNAVAILABLE
            hub.wait_log("closed conn=.*its certificate is no longer accepted")
            assert client.call(CHECK).status == SERVING
            assert len(re.findall("no longer accepted", hub.log_text())) == 1
        assert "REVOKED" in rawh2.refusal(hub.port, team)
        assert rawh2.refusal(hub.port, other) is None
    finally:
        hub.stop()


# --- the end --------------------------------------------------------------------------------------------------------
class Conversation:
    """A reflection call that lives as long as the test wants."""

    def __init__(self, client, messages):
        self.request = messages["grpc.reflection.v1.ServerReflectionRequest"](list_services="")
        self.go_on = threading.Event()
        self.call = client.stream(INFO, self.questions())
        next(self.call)

    def questions(self):
        yield self.request
        self.go_on.wait(60)
        yield self.request

    def end(self):
        self.go_on.set()
        assert next(self.call).list_services_response.service
        assert list(self.call) == []
        return self.call.code()


def test_stop_finishes_100_calls(start, messages):
    """W43: SIGTERM with calls in flight: all are answered, new connections are refused, exit 0."""
    hub = start()
    clients = [hub.client(TEAM) for _ in range(5)]
    talks = [Conversation(client, messages) for client in clients for _ in range(20)]
    hub.process.terminate()
    hub.wait_log("stopping on SIGTERM")

    def refused():
        try:
            socket.create_connection(("127.0.0.1", hub.port), 1).close()
        except OSError:
            return True
        return False

    library.wait_until(refused, 5, "the listener to be closed")
    assert hub.alive()
    assert {talk.end() for talk in talks} == {grpc.StatusCode.OK}
    hub.stop()
    assert "stopped" in hub.log_text()
    for client in clients:
        client.close()


def test_stop_says_goaway_twice(hub):
    """W43: first the notice with the highest stream id there is, then the last one taken; both NO_ERROR."""
    with rawh2.Connection(rawh2.connect(hub.port, hub.federation.principal(TEAM))) as connection:
        stream = connection.request(CHECK, rawh2.grpc_message(b""))
        assert connection.answer(stream)["grpc-status"] == "0"
        hub.process.terminate()
        while connection.read() is not None:
            pass
        told = [int.from_bytes(each.payload[:4], "big") for each in connection.frames if each.type == rawh2.GOAWAY]
        codes = {each.payload[4:8] for each in connection.frames if each.type == rawh2.GOAWAY}
    assert told == [2 ** 31 - 1, stream]
    assert codes == {bytes(4)}
    hub.stop()


def test_stop_ends_watchers(hub):
    with hub.client(TEAM) as client:
        watching = client.stream(WATCH, client.request(WATCH))
        assert next(watching).status == SERVING
        started = time.monotonic()
        hub.process.terminate()
        assert next(watching).status == NOT_SERVING
        with pytest.raises(grpc.RpcError) as ended:
            next(watching)
        assert ended.value.code() == grpc.StatusCode.UNAVAILABLE
        hub.stop()
        assert time.monotonic() - started < 5 * library.SLOWNESS


def test_a_second_sigterm_changes_nothing(start):
    hub = start()
    with hub.client(TEAM) as client:
        assert client.call(CHECK).status == SERVING
    while hub.alive():
        hub.process.terminate()
    hub.stop()  # which looks at the exit status


def test_stop_cuts_calls_that_do_not_end(start, messages):
    hub = start(options={("limits", "drain"): "500ms"})
    with hub.client(TEAM) as client:
        talk = Conversation(client, messages)
        hub.stop()
        with pytest.raises(grpc.RpcError):
            next(talk.call)
        talk.go_on.set()


# --- start ----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("options, said", [
    ({("hub", "region"): "Yorkshire"}, "[hub] region"),
    ({("hub", "listen"): "localhost"}, "hub.listen"),
    ({("limits", "connections"): "0"}, "connections"),
    ({("tls", "key"): "/nonexistent"}, "nonexistent"),
    ({("issuers", "issuer"): "E12000003 zz"}, "64 hex digits"),
    ({("issuers", "issuer"): "E12000001 " + "0" * 64}, "own region"),
    ({("store", "limit"): "64G"}, "map-size"),
    ({("log", "level"): "loud"}, "debug"),
])
def test_a_wrong_configuration_is_refused(federation, tmp_path, options, said):
    status, text = library.Hub(federation, tmp_path / "hub", options=options).refuses_to_start()
    assert status == 1
    assert said in text


def test_a_taken_port_is_refused(hub, federation, tmp_path):
    second = library.Hub(federation, tmp_path / "second", options={("hub", "listen"): f"127.0.0.1:{hub.port}"})
    status, text = second.refuses_to_start()
    assert status == 1
    assert "can't listen" in text
