"""The test library against an honest gRPC server, so that a test of the daemon that fails means the daemon."""
import concurrent.futures
import os
import socket
import threading

import grpc
import pytest

import client
import hub
import mint
import rawh2
import relay
import stubs


@pytest.fixture(scope="module")
def port(federation):
    """A grpcio server with the hub's certificate: refuses PutCarer naming a field, answers GetStatus."""
    who = federation.principal("hub")
    known = stubs.status_messages()

    def refuse(_request, context):
        status = known["google.rpc.Status"](code=3, message="a field\nis wrong")
        status.details.add().Pack(known["google.rpc.BadRequest"](
            field_violations=[{"field": "carer.places", "description": "0 to 9"}]))
        context.set_trailing_metadata([("grpc-status-details-bin", status.SerializeToString())])
        context.abort(grpc.StatusCode.INVALID_ARGUMENT, status.message)

    def answer(_request, _context):
        return b""

    def stream(_request, context):
        yield b""
        context.abort(grpc.StatusCode.ABORTED, "half way")

    server = grpc.server(concurrent.futures.ThreadPoolExecutor(4))
    server.add_generic_rpc_handlers([
        grpc.method_handlers_generic_handler("vacancy.v1.AgencyService", {
            "PutCarer": grpc.unary_unary_rpc_method_handler(refuse),
            "ListCarers": grpc.unary_stream_rpc_method_handler(stream)}),
        grpc.method_handlers_generic_handler("vacancy.v1.HubService", {
            "GetStatus": grpc.unary_unary_rpc_method_handler(answer)})])
    with open(who.key, "rb") as key, open(who.cert, "rb") as cert, open(federation.root, "rb") as root:
        credentials = grpc.ssl_server_credentials([(key.read(), cert.read())], root.read(), True)
    number = server.add_secure_port("127.0.0.1:0", credentials)
    server.start()
    yield number
    server.stop(None)


def test_client_decodes_status_and_details(federation, port):
    with client.Client(port, federation.principal("agency leeds"), federation.root) as agency:
        assert agency.call("HubService/GetStatus") == agency.messages.GetStatusResponse()
        refused = agency.outcome("AgencyService/PutCarer")
        assert refused.code is grpc.StatusCode.INVALID_ARGUMENT
        assert refused.fields == ["carer.places"]
        half = agency.outcome("AgencyService/ListCarers")
        assert half.code is grpc.StatusCode.ABORTED and len(half.response) == 1
        assert agency.raw_outcome("/vacancy.v1.No/Such", b"").code is grpc.StatusCode.UNIMPLEMENTED


def test_raw_frames_make_a_call(federation, port):
    sock = rawh2.connect(port, federation.principal("agency leeds"), federation.root)
    with rawh2.Connection(sock) as connection:
        stream = connection.request("/vacancy.v1.HubService/GetStatus", rawh2.grpc_message(b""))
        answer = connection.answer(stream)
        assert answer[":status"] == "200" and answer["grpc-status"] == "0"
        assert answer["body"] == rawh2.grpc_message(b"")
        connection.send(rawh2.SETTINGS, stream=1)
        gone = connection.read_until(lambda each: each.type == rawh2.GOAWAY)
        assert gone is None or gone.type == rawh2.GOAWAY


def test_refusals_are_told_apart(federation, port, tmp_path):
    assert rawh2.refusal(port, federation.principal("agency leeds")) is None
    assert rawh2.refusal(port, None) is not None
    old = mint.leaf(tmp_path / "old", mint.issuer(federation), ["spiffe://x/y"], not_before=mint.now() - 9 * mint.DAY,
                    not_after=mint.now() - mint.DAY)
    assert rawh2.refusal(port, old) is not None
    odd = mint.leaf(tmp_path / "odd", mint.issuer(federation), ["spiffe://x/1", "spiffe://x/2"])
    assert rawh2.refusal(port, odd) is None


def test_configuration_is_written_from_one_place(federation, tmp_path):
    path = tmp_path / "vacancyd.conf"
    hub.write_configuration(path, federation, regions=["E12000009"],
                            options={("limits", "idle"): "1s", ("tls", "crl"): None})
    text = path.read_text()
    assert "idle = 1s" in text and "crl" not in text and text.count("\nissuer = ") == 2


# --- the relay ------------------------------------------------------------------------------------------------------
@pytest.fixture
def echo():
    """A relay to a server that answers what it hears."""
    def answer(sock):
        with sock:
            while octets := sock.recv(65536):
                sock.sendall(octets)

    def serve():
        while True:
            try:
                sock = server.accept()[0]
            except OSError:
                return
            threading.Thread(target=answer, args=(sock,), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=serve, daemon=True).start()
        between = relay.Relay(server.getsockname())
        yield between
        between.close()
        server.shutdown(socket.SHUT_RDWR)


def dial(between):
    sock = socket.create_connection(("127.0.0.1", between.port))
    sock.settimeout(10)
    return sock


def test_a_relay_passes_all_and_ends_with_its_sides(echo):
    octets, heard = os.urandom(3_000_000), b""
    with dial(echo) as sock:
        threading.Thread(target=sock.sendall, args=(octets,), daemon=True).start()
        while len(heard) < len(octets):
            heard += sock.recv(1 << 20)
        assert heard == octets
        sock.shutdown(socket.SHUT_WR)
        assert sock.recv(1) == b""


@pytest.mark.parametrize("directions", [(), ("to",), ("from",)], ids=["both", "to", "from"])
def test_a_relay_that_is_cut_is_silent_and_heals(echo, directions):
    with dial(echo) as idle, dial(echo) as busy:
        for each in (idle, busy):
            each.sendall(b"a")
            assert each.recv(1) == b"a"
        echo.cut(*directions)
        with dial(echo) as late:
            for each in (busy, late):
                each.sendall(b"b")
            hub.wait_until(lambda: echo.dropped == 2, 10, "both octets to be dropped")
            late.settimeout(0.05)
            with pytest.raises(TimeoutError):
                late.recv(1)  # neither an octet nor an end
            late.settimeout(10)
            echo.heal()
            assert busy.recv(1) == b"" and late.recv(1) == b""  # a stream with a hole can't go on
        idle.sendall(b"c")
        assert idle.recv(1) == b"c"
        with dial(echo) as anew:
            anew.sendall(b"d")
            assert anew.recv(1) == b"d"
