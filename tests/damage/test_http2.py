"""Rows W of faults.md: HTTP/2 as no honest client speaks it. A stream or a connection ends; others go on; memory stays
bounded; what never progresses is closed by a timer (here shortened)."""
import os
import random
import socket
import ssl
import struct

import pytest

import ground as grounds
import homes
import rawh2
from rawh2 import (ACK, CONTINUATION, DATA, END_HEADERS, END_STREAM, GOAWAY, HEADERS, PADDED, PING, PRIORITY, PUSH_PROMISE,
                   RST_STREAM, SETTINGS, WINDOW_UPDATE)

pytestmark = pytest.mark.check

GET, LIST = "/vacancy.v1.AgencyService/GetCarer", "/vacancy.v1.AgencyService/ListCarers"
SUBMIT, PUT = "/vacancy.v1.AgencyService/Submit", "/vacancy.v1.AgencyService/PutCarer"
SEED = int(os.environ.get("SEED") or random.randrange(1 << 30))

SOON = f"{min(grounds.library.SLOWNESS, 3)}s"  # rows wait for it; honest calls must not need it
ground = grounds.ground_fixture({("limits", "write-progress"): SOON, ("limits", "body"): SOON, ("limits", "idle"): "600s",
                                 ("limits", "first-request"): SOON, ("limits", "handshake"): "20s"})


def connect(ground, spec=homes.LEEDS, **how):
    return rawh2.Connection(rawh2.connect(ground.hub.port, ground.principal(spec)), **how)


def block(path=GET):
    return rawh2.header_block(rawh2.grpc_headers(path))


def send(connection, octets):
    """Sends whatever the server still takes."""
    try:
        connection.send_raw(octets)
    except OSError:
        pass


def numbers(count):
    return range(1, 2 * count, 2)


def rapid_reset(connection, open_body=False):
    frames = [rawh2.frame(HEADERS, END_HEADERS | (0 if open_body else END_STREAM), n, block()) +
              rawh2.frame(RST_STREAM, 0, n, struct.pack(">I", 8)) for n in numbers(3000)]
    for start in range(0, len(frames), 100):
        send(connection, b"".join(frames[start:start + 100]))


def provoked_resets(make):
    """MadeYouReset: each stream ends by an error of the client's that makes the server reset it."""
    def go(connection):
        for n in numbers(2000):
            send(connection, rawh2.frame(HEADERS, END_HEADERS, n, block(SUBMIT)) + make(n))
    return go


def many(frame_octets, count):
    def go(connection):
        for _ in range(count // 100):
            send(connection, frame_octets * 100)
    return go


def once(*frames):
    def go(connection):
        send(connection, b"".join(frames))
    return go


def opened(flags=END_HEADERS, path=SUBMIT, stream=1):
    return rawh2.frame(HEADERS, flags, stream, block(path))


def hpack_bomb():
    """A table entry of 4,000 octets, then 4,000 references to it: 16 MB of headers in 8 KB."""
    entry = b"\x40" + rawh2.hpack_integer(3, 7) + b"x-a" + rawh2.hpack_integer(4000, 7) + b"a" * 4000
    return rawh2.frame(HEADERS, END_HEADERS | END_STREAM, 1, block() + entry + b"\xbe" * 4000)


def big_header(octets):
    whole = block() + rawh2.literal("x-big", "a" * octets)
    out = rawh2.frame(HEADERS, END_STREAM, 1, whole[:16000])
    pieces = [whole[at:at + 16000] for at in range(16000, len(whole), 16000)]
    for n, piece in enumerate(pieces):
        out += rawh2.frame(CONTINUATION, END_HEADERS if n == len(pieces) - 1 else 0, 1, piece)
    return out


def many_headers(count):
    return rawh2.frame(HEADERS, END_HEADERS | END_STREAM, 1,
                       (block() + b"".join(rawh2.literal(f"x{n % 10}", "") for n in range(count)))[:16384])


ENDED = "ended"      # GOAWAY with an error, or closed
ROWS = {
    # row: (what is sent after the preface, how the connection ends: ENDED, an error's name, or None: it goes on)
    "W1 rapid reset": (rapid_reset, ENDED),
    "W2 rapid reset, open body": (lambda connection: rapid_reset(connection, open_body=True), ENDED),
    "W3 zero WINDOW_UPDATE": (provoked_resets(lambda n: rawh2.frame(WINDOW_UPDATE, 0, n, bytes(4))), ENDED),
    "W4 DATA after END": (provoked_resets(lambda n: rawh2.frame(DATA, END_STREAM, n) + rawh2.frame(DATA, 0, n, b"x")), ENDED),
    "W5 PRIORITY of a wrong length": (provoked_resets(lambda n: rawh2.frame(PRIORITY, 0, n, b"x")), ENDED),
    "W5 PRIORITY on itself": (provoked_resets(lambda n: rawh2.frame(PRIORITY, 0, n, struct.pack(">IB", n, 1))), ENDED),
    "W6 CONTINUATION flood": (lambda connection: (send(connection, rawh2.frame(HEADERS, 0, 1, block()[:5])),
                                                  many(rawh2.frame(CONTINUATION, 0, 1, b""), 5000)(connection)), ENDED),
    "W7 CONTINUATIONs with headers": (lambda connection: (
        send(connection, rawh2.frame(HEADERS, 0, 1, block())),
        many(rawh2.frame(CONTINUATION, 0, 1, rawh2.literal("x-a", "b" * 1000)), 2000)(connection)), ENDED),
    "W8 HPACK bomb": (once(hpack_bomb()), "any"),
    "W9 header of 64 KiB": (once(big_header(65536)), "any"),
    "W9 header of 1 MiB": (once(big_header(1 << 20)), ENDED),
    "W10 4,000 headers": (once(many_headers(4000)), "any"),
    "W11 HPACK bad index": (once(rawh2.frame(HEADERS, END_HEADERS | END_STREAM, 1, b"\xff\xff\xff\x0f")), "COMPRESSION_ERROR"),
    "W12 HPACK overflow": (once(rawh2.frame(HEADERS, END_HEADERS | END_STREAM, 1, b"\x7f" + b"\xff" * 12)), "COMPRESSION_ERROR"),
    "W13 HPACK table too large": (once(rawh2.frame(HEADERS, END_HEADERS | END_STREAM, 1, b"\x3f\xff\xff\xff\x07" + block())),
                                  "COMPRESSION_ERROR"),
    "W17 SETTINGS flood": (many(rawh2.frame(SETTINGS), 20_000), ENDED),
    "W18 SETTINGS flap": (many(rawh2.frame(SETTINGS, 0, 0, rawh2.settings([(4, 1), (4, 1 << 20)])), 20_000), ENDED),
    "W19 SETTINGS large": (once(rawh2.frame(SETTINGS, 0, 0, rawh2.settings([(99, 1)] * 2700))), "any"),
    "W19 SETTINGS window 2^31": (once(rawh2.frame(SETTINGS, 0, 0, rawh2.settings([(4, 1 << 31)]))), "FLOW_CONTROL_ERROR"),
    "W20 PING flood": (many(rawh2.frame(PING, 0, 0, bytes(8)), 100_000), ENDED),
    "W21 empty DATA flood": (lambda connection: (send(connection, opened()),
                                                 many(rawh2.frame(DATA, 0, 1), 100_000)(connection)), ENDED),
    "W22 padding beyond the frame": (once(opened(), rawh2.frame(DATA, PADDED, 1, b"\xff\0")), "PROTOCOL_ERROR"),
    "W23 padding only": (lambda connection: (send(connection, opened()),
                                             many(rawh2.frame(DATA, PADDED, 1, b"\x09" + bytes(9)), 20_000)(connection)), "any"),
    "W24 window overflow": (once(rawh2.frame(WINDOW_UPDATE, 0, 0, struct.pack(">I", 0x7fffffff))), "FLOW_CONTROL_ERROR"),
    "W25 WINDOW_UPDATE flood": (many(rawh2.frame(WINDOW_UPDATE, 0, 0, struct.pack(">I", 1)), 100_000), "any"),
    "W26 PRIORITY flood": (many(rawh2.frame(PRIORITY, 0, 3, struct.pack(">IB", 0, 1)), 100_000), ENDED),
    "W30 frame of 16 MiB": (once(rawh2.frame(DATA, 0, 1, b"x", length=(1 << 24) - 1)), "FRAME_SIZE_ERROR"),
    "W31 unknown frames": (many(rawh2.frame(0xbe, 0xff, 0, b"x" * 100), 500), None),
    "W32 GOAWAY flood": (many(rawh2.frame(GOAWAY, 0, 0, bytes(8)), 20_000), ENDED),
    "W33 RST on idle": (once(rawh2.frame(RST_STREAM, 0, 5, bytes(4))), "PROTOCOL_ERROR"),
    "W34 DATA on idle": (once(rawh2.frame(DATA, 0, 5, b"x")), "PROTOCOL_ERROR"),
    "W35 even id": (once(opened(stream=2)), "PROTOCOL_ERROR"),
    "W35 ids going back": (once(opened(stream=9), opened(stream=7)), "any"),
    "W36 PUSH_PROMISE": (once(rawh2.frame(PUSH_PROMISE, END_HEADERS, 1, struct.pack(">I", 2) + block())), "PROTOCOL_ERROR"),
    "W37 CONTINUATION of another": (once(rawh2.frame(HEADERS, 0, 1, block()), rawh2.frame(CONTINUATION, END_HEADERS, 3, b"")),
                                    "PROTOCOL_ERROR"),
    "W37 DATA amid headers": (once(rawh2.frame(HEADERS, 0, 1, block()), rawh2.frame(DATA, 0, 1, b"x")), "PROTOCOL_ERROR"),
    "W37 CONTINUATION alone": (once(rawh2.frame(CONTINUATION, END_HEADERS, 1, block())), "PROTOCOL_ERROR"),
    "W38 DATA beyond the window": (lambda connection: (send(connection, opened()), many(
        rawh2.frame(DATA, 0, 1, rawh2.grpc_message(b"", length=1 << 19) + bytes(16000)), 200)(connection)), "any"),
}


def how_it_ended(connection):
    """(an error's name, or "closed") if the connection is over; (None) if a PING is still answered."""
    try:
        connection.send(PING, 0, 0, b"stillup?")
    except OSError:
        pass
    try:
        while (got := connection.read(8)) is not None:
            if got.type == GOAWAY and any(got.payload[4:8]):
                code = int.from_bytes(got.payload[4:8], "big")
                return rawh2.ERRORS[code]
            if got.type == PING and got.flags & ACK and got.payload == b"stillup?":
                return None
    except (OSError, ssl.SSLError):
        pass
    return "closed"


@pytest.mark.parametrize("row", ROWS)
def test_frames(ground, row):
    act, expected = ROWS[row]
    says = "closed conn=" if expected not in (None, "any") else None
    with ground.row(says, times=None), ground.hub.watch_memory() as memory, connect(ground, homes.HOMES) as connection:
        act(connection)
        got = how_it_ended(connection)
        if expected == ENDED:
            assert got is not None
        elif expected is None:
            assert got is None
            stream = connection.request(GET, rawh2.grpc_message(b""))
            assert connection.answer(stream)["grpc-status"] == "3"
        elif expected != "any":
            assert got in (expected, "closed"), got
    ground.check_memory(memory.peak)


def test_reasons_in_the_log(ground):
    """Why a connection ended is said in words, for whoever has to find out."""
    for row in ("W3 zero WINDOW_UPDATE", "W6 CONTINUATION flood", "W11 HPACK bad index", "W17 SETTINGS flood",
                "W19 SETTINGS window 2^31"):
        with connect(ground, homes.HOMES) as connection:
            ROWS[row][0](connection)
            assert how_it_ended(connection) is not None
    lines = [line.rpartition(": ")[2] for line in ground.hub.log_text().splitlines() if " closed conn=" in line]
    assert all(lines) and len(set(lines)) > 3
    for line in ground.hub.log_text().splitlines():
        assert line.isprintable() and len(line) < 500


def test_zero_windows(ground, messages):
    """W14: 20 connections x 5 streams whose answers can't leave: the streams are ended by the timer."""
    with ground.row(), ground.hub.watch_memory() as memory:
        held = []
        for _ in range(20):
            connection = connect(ground, homes.LEEDS, initial=[(4, 0)])
            held.append(connection)
            for _ in range(5):
                connection.request(LIST, rawh2.grpc_message(b""))
        ground.honest()
        for connection in held:
            ended = set()
            while len(ended) < 5:
                got = connection.read(15)
                if got is None:
                    break
                if got.type == RST_STREAM:
                    ended.add(got.stream)
            connection.sock.close()
    ground.check_memory(memory.peak)


def test_one_octet_windows(ground):
    """W15: an answer that leaves octet by octet is whole in the end."""
    with ground.row(), connect(ground, homes.LEEDS, initial=[(4, 1)]) as connection:
        stream = connection.request(GET, rawh2.grpc_message(ground.messages.GetCarerRequest(
            agency_reference=grounds.MARK).SerializeToString()))
        body = b""
        while (got := connection.read(10)) is not None:
            if got.type == DATA:
                body += got.payload
                connection.send(WINDOW_UPDATE, 0, stream, struct.pack(">I", 1))
            if got.type == HEADERS and got.flags & END_STREAM:
                break
        assert ground.messages.GetCarerResponse.FromString(body[5:]).carer.carer == ground.marker


def test_5000_streams(ground):
    """W27: those above the limit are refused, safe to try again; those below are answered."""
    body = rawh2.grpc_message(ground.messages.GetCarerRequest(agency_reference=grounds.MARK).SerializeToString())
    with ground.row(), connect(ground) as connection:
        held = [connection.request(SUBMIT, rawh2.grpc_message(b"")[:3], end=False) for _ in range(100)]
        over = [connection.request(GET, body) for _ in range(100)]
        refused = {}
        while len(refused) < 100:
            got = connection.read(10)
            assert got is not None, "closed"
            if got.type == RST_STREAM:
                refused[got.stream] = rawh2.ERRORS[int.from_bytes(got.payload, "big")]
            assert got.type != HEADERS or got.stream not in over
        assert {refused.get(each) for each in over} == {"REFUSED_STREAM"}
        for each in held:
            connection.send(RST_STREAM, 0, each, struct.pack(">I", 8))
        assert connection.answer(connection.request(GET, body))["grpc-status"] == "0"


def test_a_peer_that_never_reads(ground, messages):
    """W16: output is bounded, and the connection is closed."""
    homes.submit_all(ground.leeds, [("put_carer", {"carer": homes.carer(messages, f"W16-{n:04}", bedrooms=3)})
                                    for n in range(1500)])
    with ground.row("closed conn=", times=None), ground.hub.watch_memory() as memory:
        connection = connect(ground, homes.LEEDS, initial=[(4, 0x7fffffff)], mute=True)
        connection.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.send(WINDOW_UPDATE, 0, 0, struct.pack(">I", 0x7fff0000))
        for _ in range(90):
            connection.request(LIST, rawh2.grpc_message(b""))
        ground.hub.wait_log("closed conn=.*(takes nothing|progress|stall|read)")
        connection.sock.close()
    ground.check_memory(memory.peak)


def test_tcp_resets_with_calls_in_flight(ground, scale):
    """W39: x50, each with 100 calls."""
    body = rawh2.grpc_message(ground.messages.GetCarerRequest(agency_reference=grounds.MARK).SerializeToString())
    with ground.row():
        for _ in range(max(5, int(50 * scale))):
            connection = connect(ground)
            send(connection, b"".join(rawh2.frame(HEADERS, END_HEADERS, n, block()) +
                                      rawh2.frame(DATA, END_STREAM, n, body) for n in numbers(100)))
            connection.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            os.close(connection.sock.detach())


def test_half_closed_by_the_client(ground):
    """W40: a client that says no more is still answered, or ended; nothing hangs."""
    body = rawh2.grpc_message(ground.messages.GetCarerRequest(agency_reference=grounds.MARK).SerializeToString())
    with ground.row(), connect(ground) as connection:
        connection.request(GET, body)
        socket.socket(fileno=os.dup(connection.sock.fileno())).shutdown(socket.SHUT_WR)
        try:
            while connection.read(10) is not None:
                pass
        except (OSError, ssl.SSLError):
            pass


def test_random_frames(ground, scale):
    """W41"""
    print(f"SEED={SEED}")
    randomness = random.Random(SEED)
    with ground.row():
        for _ in range(max(10, int(120 * scale))):
            with connect(ground, homes.HOMES) as connection:
                for _ in range(randomness.randrange(1, 60)):
                    kind = randomness.randrange(11)
                    stream = randomness.choice([0, 1, 1, 3, 5, 2, 99])
                    payload = randomness.choice([b"", bytes(4), bytes(8), block(), randomness.randbytes(randomness.randrange(60)),
                                                 block(randomness.choice([GET, LIST, SUBMIT])), rawh2.grpc_message(b"")])
                    send(connection, rawh2.frame(kind, randomness.choice([0, 1, 4, 5, 8, 255]), stream, payload))


PREFACES = {
    "W29 another protocol": b"GET / HTTP/1.1\r\n\r\n",
    "W29 cut": rawh2.PREFACE[:20],
    "W29 one octet wrong": rawh2.PREFACE[:-1] + b"\r" + rawh2.frame(SETTINGS),
    "W29 no SETTINGS": rawh2.PREFACE + rawh2.frame(PING, 0, 0, bytes(8)),
    "W29 nothing": b"",
}


@pytest.mark.parametrize("row", PREFACES)
def test_preface(ground, row):
    with ground.row("closed conn=", times=None), connect(ground, preface=False) as connection:
        send(connection, PREFACES[row])
        try:
            while connection.read(10) is not None:
                pass
        except ValueError:
            pass


def test_many_submits_that_never_read(ground, messages):
    """Back-pressure: a client that sends updates and reads no response is stopped; when it reads, all are answered."""
    def update(n):
        return rawh2.grpc_message(messages.SubmitRequest(tag=n, withdraw_vacancy={
            "agency_reference": f"none-{n}", "observed_at_ms": homes.now_ms()}).SerializeToString())

    with ground.row(), ground.hub.watch_memory() as memory, connect(ground, homes.LEEDS, initial=[(4, 200)]) as connection:
        stream = connection.request(SUBMIT, None)
        window, sent, answered, body = 65535, 0, 0, b""
        octets = update(sent)
        while window > len(octets) and sent < 1000:  # as the hub's window allows, no further
            connection.send(DATA, 0, stream, octets)
            window -= len(octets)
            sent += 1
            octets = update(sent)
        assert sent > 300
        for each in 0, stream:
            connection.send(WINDOW_UPDATE, 0, each, struct.pack(">I", 1 << 20))
        connection.send(DATA, END_STREAM, stream)
        while (got := connection.read(15)) is not None:
            if got.type == DATA:
                body += got.payload
            if got.type == HEADERS and got.flags & END_STREAM:
                assert dict(got.payload)[b"grpc-status"] == b"0"
                break
        while len(body) >= 5:
            size = int.from_bytes(body[1:5], "big")
            answer = messages.SubmitResponse.FromString(body[5:5 + size])
            assert answer.tag == answered and answer.code == 7
            answered, body = answered + 1, body[5 + size:]
        assert answered == sent
    ground.check_memory(memory.peak)
