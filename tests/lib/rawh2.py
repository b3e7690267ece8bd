"""Octets on the wire: a raw TLS client and a bare HTTP/2 frame writer, for what no honest client sends.

Owns: making frames exactly as told, valid or not, and reading what comes back. Header blocks are plain literals unless
the test gives its own octets; python3-hpack decodes what the server sends. Keeps no rules of HTTP/2 and no windows.
"""
import collections
import socket
import ssl
import struct
import time

import hpack

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = range(10)
END_STREAM, ACK, END_HEADERS, PADDED = 0x1, 0x1, 0x4, 0x8
ERRORS = ("NO_ERROR PROTOCOL_ERROR INTERNAL_ERROR FLOW_CONTROL_ERROR SETTINGS_TIMEOUT STREAM_CLOSED FRAME_SIZE_ERROR "
          "REFUSED_STREAM CANCEL COMPRESSION_ERROR CONNECT_ERROR ENHANCE_YOUR_CALM INADEQUATE_SECURITY "
          "HTTP_1_1_REQUIRED").split()

Frame = collections.namedtuple("Frame", "type flags stream payload")


def connect(port, principal=None, root=None, alpn=("h2",), host="127.0.0.1", name="localhost", maximum=None, timeout=10,
            ciphers=None):
    """A TLS connection. principal None: no certificate. root None: the server isn't checked. With TLS 1.3 a refusal of
    the client's certificate is seen at the first read, as ssl.SSLError whose reason names the alert."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if ciphers:
        context.set_ciphers(ciphers)
    if root is None:
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    else:
        context.load_verify_locations(root)
    if principal is not None:
        context.load_cert_chain(principal.cert, principal.key)
    if maximum is not None:
        context.maximum_version = maximum
    if alpn:
        context.set_alpn_protocols(list(alpn))
    plain = socket.create_connection((host, port), timeout)
    try:
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return context.wrap_socket(plain, server_hostname=name)
    except BaseException:
        plain.close()
        raise


def refusal(port, principal=None, **how):
    """Connects, sends a preface and gives the reason of the refusal, such as TLSV13_ALERT_CERTIFICATE_REQUIRED;
    "EOF" if the server just closed; None if it serves."""
    try:
        with connect(port, principal, **how) as sock:
            sock.sendall(PREFACE + frame(SETTINGS))
            return None if sock.recv(1) else "EOF"
    except ssl.SSLError as error:
        return error.reason or str(error)
    except (ConnectionError, socket.timeout) as error:
        return type(error).__name__


def frame(kind, flags=0, stream=0, payload=b"", length=None):
    """One frame's octets; `length` may lie."""
    size = len(payload) if length is None else length
    return struct.pack(">I", size)[1:] + bytes((kind, flags)) + struct.pack(">I", stream) + payload


def settings(pairs):
    return b"".join(struct.pack(">HI", key, value) for key, value in pairs)


def hpack_integer(value, prefix_bits, first=0):
    limit = (1 << prefix_bits) - 1
    if value < limit:
        return bytes([first | value])
    out, value = bytearray([first | limit]), value - limit
    while value >= 128:
        out.append(value % 128 + 128)
        value //= 128
    return bytes(out) + bytes([value])


def literal(name, value):
    """A header as a literal without indexing, not Huffman-coded: any octets at all."""
    name, value = (each.encode() if isinstance(each, str) else each for each in (name, value))
    return b"\0" + hpack_integer(len(name), 7) + name + hpack_integer(len(value), 7) + value


def header_block(pairs):
    return b"".join(literal(name, value) for name, value in pairs)


def grpc_headers(path, extra=(), without=()):
    pairs = [(":method", "POST"), (":scheme", "https"), (":path", path), (":authority", "localhost"),
             ("content-type", "application/grpc"), ("te", "trailers")]
    return [(name, value) for name, value in pairs if name not in without] + list(extra)


def grpc_message(octets, flag=0, length=None):
    return struct.pack(">BI", flag, len(octets) if length is None else length) + octets


class Connection:
    """Frames over a socket. Answers SETTINGS and PING by itself unless `mute`; anything else is the test's to do."""

    def __init__(self, sock, preface=True, mute=False, initial=()):
        self.sock, self.mute = sock, mute
        self.decoder = hpack.Decoder()
        self.buffer = b""
        self.frames = []
        self.next_stream = 1
        if preface:
            sock.sendall(PREFACE + frame(SETTINGS, payload=settings(initial)))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.sock.close()

    def send(self, *args, **kwargs):
        self.sock.sendall(frame(*args, **kwargs))

    def send_raw(self, octets):
        self.sock.sendall(octets)

    def request(self, path, body=b"", extra=(), headers=None, end=True):
        """A request with its whole body; gives the stream's number. body None: headers alone, stream left open."""
        stream, self.next_stream = self.next_stream, self.next_stream + 2
        block = header_block(grpc_headers(path, extra) if headers is None else headers)
        self.send(HEADERS, END_HEADERS | (END_STREAM if body == b"" and end else 0), stream, block)
        if body:
            for start in range(0, len(body), 16384):
                last = start + 16384 >= len(body)
                self.send(DATA, END_STREAM if last and end else 0, stream, body[start:start + 16384])
        return stream

    def read(self, timeout=10):
        """The next frame; None when the server has closed. socket.timeout if nothing comes."""
        until = time.monotonic() + timeout
        while True:
            if len(self.buffer) >= 9:
                size = int.from_bytes(self.buffer[:3], "big")
                if len(self.buffer) >= 9 + size:
                    got = Frame(self.buffer[3], self.buffer[4], int.from_bytes(self.buffer[5:9], "big") & 0x7fffffff,
                                self.buffer[9:9 + size])
                    self.buffer = self.buffer[9 + size:]
                    return self.note(got)
            self.sock.settimeout(max(0.01, until - time.monotonic()))
            try:
                octets = self.sock.recv(65536)
            except (ConnectionError, ssl.SSLEOFError, ssl.SSLZeroReturnError):
                octets = b""
            if not octets:
                return None
            self.buffer += octets

    def note(self, got):
        if got.type in (HEADERS, CONTINUATION):
            # The daemon's header blocks fit in one frame; decoding each in turn keeps the table right.
            got = got._replace(payload=[(name, value) for name, value in self.decoder.decode(got.payload, raw=True)])
        self.frames.append(got)
        try:
            if not self.mute and got.type == SETTINGS and not got.flags & ACK:
                self.send(SETTINGS, ACK)
            if not self.mute and got.type == PING and not got.flags & ACK:
                self.send(PING, ACK, 0, got.payload)
        except OSError:
            pass
        return got

    def read_until(self, wanted, timeout=10):
        """Reads until wanted(frame) is true, gives that frame; None when the server closed first."""
        until = time.monotonic() + timeout
        while True:
            got = self.read(max(0.01, until - time.monotonic()))
            if got is None or wanted(got):
                return got

    def answer(self, stream, timeout=10):
        """What became of a stream: a dict with its headers and trailers as text (":status", "grpc-status", ...),
        "body", and "reset" or "goaway" (an error's name) or "closed" if that is how it ended."""
        found = {"body": b""}
        for got in self.frames_of(stream, timeout):
            if got is None:
                found["closed"] = True
            elif got.type == GOAWAY:
                code = int.from_bytes(got.payload[4:8], "big")
                if code:
                    found["goaway"] = ERRORS[code] if code < len(ERRORS) else str(code)
            elif got.type == RST_STREAM:
                code = int.from_bytes(got.payload, "big")
                found["reset"] = ERRORS[code] if code < len(ERRORS) else str(code)
            elif got.type == HEADERS:
                found.update((name.decode(), value.decode("latin-1")) for name, value in got.payload)
            elif got.type == DATA:
                found["body"] += got.payload
        return found

    def frames_of(self, stream, timeout):
        until = time.monotonic() + timeout
        while True:
            got = self.read(max(0.01, until - time.monotonic()))
            if got is None or got.type == GOAWAY or got.stream == stream:
                yield got
                if got is None or got.type == RST_STREAM or got.type in (HEADERS, DATA) and got.flags & END_STREAM:
                    return
