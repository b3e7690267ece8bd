"""Rows G of faults.md: gRPC's framing, headers and deadlines got wrong. Wherever a write is asked for, nothing of it
may be in the register afterwards."""
import struct

import grpc
import pytest

import ground as grounds
import homes
import rawh2

pytestmark = pytest.mark.check

PUT, GET = "/vacancy.v1.AgencyService/PutCarer", "/vacancy.v1.AgencyService/GetCarer"
SUBMIT, LIST = "/vacancy.v1.AgencyService/Submit", "/vacancy.v1.AgencyService/ListCarers"
MESSAGE = rawh2.grpc_message

ground = grounds.ground_fixture({("limits", "body"): f"{700 * min(grounds.library.SLOWNESS, 3)}ms"})


def put(messages, reference="G-1"):
    return messages["vacancy.v1.PutCarerRequest"](carer=homes.carer(messages, reference)).SerializeToString()


def connect(ground, spec=homes.LEEDS):
    return rawh2.Connection(rawh2.connect(ground.hub.port, ground.principal(spec)))


def code_of(answer):
    """gRPC's code of an answer that has one and no message."""
    assert answer.get(":status") == "200" and answer.get("content-type", "").startswith("application/grpc"), answer
    assert answer["body"] == b"", answer
    return int(answer["grpc-status"])


BODIES = {
    # row: (octets after a good PutCarer's headers, acceptable codes)
    "G1 prefix cut": (lambda good: MESSAGE(good)[:3], {3, 13}),
    "G1 prefix alone": (lambda good: MESSAGE(good)[:5], {3, 13}),
    "G2 length beyond data": (lambda good: MESSAGE(good, length=len(good) + 1), {3, 13}),
    "G3 length 1 GiB": (lambda good: MESSAGE(good, length=1 << 30), {8}),
    "G3 length 4 GiB": (lambda good: MESSAGE(good, length=(1 << 32) - 1), {8}),
    "G3 length 1 MiB and 1": (lambda good: MESSAGE(good, length=(1 << 20) + 1), {8}),
    "G4 compressed flag": (lambda good: MESSAGE(good, flag=1), {13}),
    "G5 flag 0xff": (lambda good: MESSAGE(good, flag=0xff), {13}),
    "G5 flag 0x80": (lambda good: MESSAGE(good, flag=0x80), {13}),
    "G6 two messages": (lambda good: MESSAGE(good) * 2, {12, 13}),
    "G6 two messages, the second broken": (lambda good: MESSAGE(good) + MESSAGE(b"\xff"), {12, 13}),
    "G6 none": (lambda good: b"", {12, 13}),
    "G7 trailing octet": (lambda good: MESSAGE(good) + b"\0", {3, 13}),
    "G7 trailing prefix": (lambda good: MESSAGE(good) + MESSAGE(b"")[:4], {3, 13}),
}


@pytest.mark.parametrize("row", BODIES)
def test_body(ground, messages, row):
    make, codes = BODIES[row]
    with ground.row(r"rpc +call /vacancy.v1.AgencyService/PutCarer code=|conn=.*refused", times=None), \
            connect(ground) as connection, ground.hub.watch_memory() as memory:
        answer = connection.answer(connection.request(PUT, make(put(messages))))
        assert code_of(answer) in codes, answer
        # The connection goes on.
        stream = connection.request(GET, MESSAGE(messages["vacancy.v1.GetCarerRequest"](
            agency_reference=grounds.MARK).SerializeToString()))
        assert connection.answer(stream)["grpc-status"] == "0"
        missing = connection.request(GET, MESSAGE(messages["vacancy.v1.GetCarerRequest"](
            agency_reference="G-1").SerializeToString()))
        assert connection.answer(missing)["grpc-status"] == "7"
    ground.check_memory(memory.peak)


@pytest.mark.parametrize("row", [row for row in BODIES if not row.startswith("G6")])  # streams have any number
def test_body_of_a_stream(ground, messages, row):
    """The same inside Submit: what came whole before is answered; the call ends with the row's code."""
    make, codes = BODIES[row]
    submit = messages["vacancy.v1.SubmitRequest"]
    bad = make(submit(tag=2, put_carer={"carer": homes.carer(messages, "G-2", places=0)}).SerializeToString())
    good = MESSAGE(submit(tag=1, withdraw_vacancy={"agency_reference": "G-none"}).SerializeToString())
    with ground.row("call /vacancy.v1.AgencyService/Submit code=", times=None), connect(ground) as connection:
        answer = connection.answer(connection.request(SUBMIT, good + bad))
        assert int(answer["grpc-status"]) in codes, answer


@pytest.mark.parametrize("length", [1 << 30, (1 << 32) - 1])
def test_length_is_judged_before_the_data(ground, length):
    """G3: answered while the client still owes it all."""
    with ground.row(), connect(ground) as connection, ground.hub.watch_memory() as memory:
        answer = connection.answer(connection.request(PUT, MESSAGE(b"x", length=length), end=False), 5)
        assert code_of(answer) == 8
    ground.check_memory(memory.peak)


def test_a_message_of_64_mib(ground):
    """G8: refused early, by an honest client's library too."""
    with ground.row(), ground.hub.watch_memory() as memory:
        got = ground.leeds.raw_outcome(PUT, bytes(64 << 20), timeout=30)
        assert got.code == grpc.StatusCode.RESOURCE_EXHAUSTED, got
        assert "1048576" in got.message or "1 MiB" in got.message or "1M" in got.message, got.message
    ground.check_memory(memory.peak)


def test_slow_bodies(ground, messages):
    """G9 x100: a message that doesn't become whole in its time ends the call, and only the call."""
    octets = MESSAGE(put(messages))
    with ground.row("PutCarer code=DEADLINE_EXCEEDED", times=100), connect(ground) as connection:
        streams = [connection.request(PUT, octets[:20], end=False) for _ in range(100)]
        ground.honest()
        ended = {}
        while len(ended) < 100:
            got = connection.read(20)
            assert got is not None
            if got.type == rawh2.HEADERS:
                ended[got.stream] = dict(got.payload)[b"grpc-status"]
            elif got.type == rawh2.RST_STREAM:
                ended.setdefault(got.stream, b"reset")
        assert set(ended) == set(streams) and set(ended.values()) == {b"4"}, ended
        answer = connection.answer(connection.request(GET, MESSAGE(b"")))
        assert answer["grpc-status"] == "3"


HEADERS = {
    # row: (headers left out, headers added, what comes: gRPC code, "http NNN" or "reset")
    "G4 gzip": ((), [("grpc-encoding", "gzip")], 12),
    "G4 unknown encoding": ((), [("grpc-encoding", "x" * 500)], 12),
    "G4 identity": ((), [("grpc-encoding", "identity")], 0),
    "G10 no content type": (("content-type",), [], "http 415"),
    "G10 text/plain": (("content-type",), [("content-type", "text/plain")], "http 415"),
    "G10 grpc-web": (("content-type",), [("content-type", "application/grpc-web+proto")], "http 415"),
    "G10 grpc+json": (("content-type",), [("content-type", "application/grpc+json")], "http 415"),
    "G10 grpc+proto": (("content-type",), [("content-type", "application/grpc+proto")], 0),
    "G10 grpcx": (("content-type",), [("content-type", "application/grpcx")], "http 415"),
    "G11 unknown method": ((":path",), [(":path", "/vacancy.v1.AgencyService/DeleteAll")], 12),
    "G11 unknown service": ((":path",), [(":path", "/vacancy.v2.AgencyService/PutCarer")], 12),
    "G11 case": ((":path",), [(":path", "/vacancy.v1.agencyservice/GetCarer")], 12),
    "G11 query": ((":path",), [(":path", GET + "?x=1")], 12),
    "G11 trailing slash": ((":path",), [(":path", GET + "/")], 12),
    "G11 double slash": ((":path",), [(":path", "/" + GET)], 12),
    "G11 prefix of one": ((":path",), [(":path", GET[:-1])], 12),
    "G11 long path": ((":path",), [(":path", GET + "x" * 3000)], 12),
    "G11 a known path, then 80 octets": ((":path",), [(":path", GET + "~" * 80)], 12),
    "G14 DEL in the path": ((":path",), [(":path", GET + "\x7f")], "reset"),
    "G12 0S": ((), [("grpc-timeout", "0S")], 4),
    "G12 1n": ((), [("grpc-timeout", "1n")], 4),
    "G12 99999999H": ((), [("grpc-timeout", "99999999H")], 0),
    "G12 nine digits": ((), [("grpc-timeout", "123456789S")], {3, 13}),
    "G12 no unit": ((), [("grpc-timeout", "10")], {3, 13}),
    "G12 negative": ((), [("grpc-timeout", "-1S")], {3, 13}),
    "G12 empty": ((), [("grpc-timeout", "")], {3, 13}),
    "G12 words": ((), [("grpc-timeout", "soonS")], {3, 13}),
    "G12 space": ((), [("grpc-timeout", " 1S")], {3, 13, "reset"}),
    "G13 no te": (("te",), [], 0),
    "G13 te other": (("te",), [("te", "gzip")], {0, 3, "reset"}),
    "G13 GET": ((":method",), [(":method", "GET")], "http 405"),
    "G13 PUT": ((":method",), [(":method", "PUT")], "http 405"),
    "G13 CONNECT": ((":method",), [(":method", "CONNECT")], {"http 405", "reset"}),
    "G14 CR": ((), [("x-note", "a\rb")], "reset"),
    "G14 LF": ((), [("x-note", "a\nb")], "reset"),
    "G14 NUL": ((), [("x-note", "a\0b")], "reset"),
    "G14 upper case": ((), [("X-Note", "a")], "reset"),
    "G14 empty name": ((), [("", "a")], "reset"),
    "G14 space in name": ((), [("x note", "a")], "reset"),
    "G14 colon": ((), [(":x", "a")], "reset"),
    "G14 pseudo after": ((":path",), [("x-a", "a"), (":path", GET)], "reset"),
    "G14 two paths": ((), [(":path", PUT)], "reset"),
    "G14 no path": ((":path",), [], "reset"),
    "G14 connection": ((), [("connection", "close")], "reset"),
    "G14 transfer-encoding": ((), [("transfer-encoding", "chunked")], "reset"),
    "G14 content-length too small": ((), [("content-length", "1")], "reset"),
    "G14 content-length too large": ((), [("content-length", "100000")], "reset"),
    "G14 content-length twice": ((), [("content-length", "20"), ("content-length", "21")], "reset"),
    "G16 bad base64": ((), [("x-bin", "!")], 3),
    "G16 good base64": ((), [("x-bin", "AAE=")], 0),
    "G16 a lone octet": ((), [("x-bin", "A")], 3),
    "G16 padding within": ((), [("x-bin", "AA==AA==")], 3),
    "G16 long": ((), [("x-bin", "AAAA" * 1500 + "!")], 3),
}


@pytest.mark.parametrize("row", HEADERS)
def test_headers(ground, messages, row):
    without, extra, expected = HEADERS[row]
    body = MESSAGE(messages["vacancy.v1.GetCarerRequest"](agency_reference=grounds.MARK).SerializeToString())
    pairs = rawh2.grpc_headers(GET, (), without)
    pseudo = [pair for pair in extra if pair[0].startswith(":") and row != "G14 pseudo after"]
    pairs = pseudo + pairs + [pair for pair in extra if pair not in pseudo]
    with ground.row(), connect(ground) as connection:
        answer = connection.answer(connection.request("", body, headers=pairs))
        if "grpc-status" in answer:
            assert answer[":status"] == "200"
            got = int(answer["grpc-status"])
        elif ":status" in answer:
            got = "http " + answer[":status"]
        else:
            got = "reset" if "reset" in answer else answer
        assert got == expected or isinstance(expected, set) and got in expected, answer
        if row.startswith("G4") and got == 12:
            assert answer["grpc-accept-encoding"] == "identity"
        told = [value for name, value in answer.items() if isinstance(value, str)]
        assert not any("x" * 20 in each or "~" in each or "DeleteAll" in each for each in told), "echoed"
        # The connection goes on for others.
        again = connection.answer(connection.request(GET, body))
        assert again.get("grpc-status") == "0", again
    assert not [line for line in ground.said().splitlines() if "\x7f" in line or "a\rb" in line]


def test_messages_of_errors_are_percent_encoded(ground):
    """G15: raw octets of a status text are printable ASCII, whatever it says."""
    with ground.row(), connect(ground) as connection:
        for body in b"", b"\x0a\x01\xff", struct.pack(">B", 0x0a) + b"\x02\xc3\xbc":
            answer = connection.answer(connection.request(GET, MESSAGE(body)))
            assert all(0x20 <= ord(each) <= 0x7e for each in answer["grpc-message"])


def test_a_reset_while_answered(ground, messages):
    """W39's little brother: streams that are given up at any moment leave nothing behind."""
    body = MESSAGE(messages["vacancy.v1.ListCarersRequest"]().SerializeToString())
    with ground.row(), connect(ground) as connection:
        for n in range(90):
            stream = connection.request(LIST, body)
            if n % 3 == 0:
                connection.send(rawh2.RST_STREAM, 0, stream, struct.pack(">I", 8))
        answer = connection.answer(connection.request(LIST, body))
        assert answer["grpc-status"] == "0"
