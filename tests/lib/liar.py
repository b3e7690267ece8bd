"""A hub made here, with a true hub's certificate, and whole logs of regions whose keys the test holds: to be honest with, or
to lie with.

Owns: Log (entries, checkpoints and LtHash16 written from the design's text, in Python, sharing no code with the daemon's),
Hub (FederationService over grpcio). What a hub says is what its `logs` hold; `mangle` changes a batch on its way out.
"""
import concurrent.futures
import hashlib
import os
import struct
import subprocess
import tempfile
import threading
import time

import grpc

import stubs

AGENCY, CARER, OFFER, EPOCH = 2, 3, 4, 1
LANES = 1024


def element(payload):
    return struct.unpack("<1024H", hashlib.shake_128(b"vacancy record v1" + payload).digest(2048))


def payload_of(table, key, value):
    return struct.pack(">BH", table, len(key)) + key + (b"\0" if value is None else b"\1" + value)


class Log:
    """A region's log. `key`: PEM of the key that signs (the region's own if not given)."""

    def __init__(self, federation, region, key=None):
        self.region, self.key = region, key or os.path.join(federation.region(region), "region.key")
        self.entries, self.heads, self.records = [], [bytes(32)], {}
        self.state = [0] * LANES
        self.epoch, self.epoch_id, self.horizon = 0, bytes(16), 0
        self.time_ms = int(time.time() * 1000) - 60000
        self.clock_ahead_ms = 0
        self.signed = {}
        self.lock = threading.RLock()  # the test writes, the hub's threads read

    def copy(self):
        other = object.__new__(Log)
        other.__dict__.update(self.__dict__)
        other.lock = threading.RLock()
        for name in ("entries", "heads", "state"):
            setattr(other, name, list(getattr(self, name)))
        other.records, other.signed = dict(self.records), dict(self.signed)
        return other

    @property
    def sequence(self):
        return len(self.entries)

    def append(self, table, key, value):
        payload, salt = payload_of(table, key, value), os.urandom(32)
        self.time_ms += 1
        header = (b"VLE1" + self.region.encode() + b"\0" + bytes(3) +
                  struct.pack(">QQ", self.epoch, self.sequence + 1) + self.heads[-1] + struct.pack(">q", self.time_ms) +
                  hashlib.sha256(salt + payload).digest() + struct.pack(">I", len(payload)))
        assert len(header) == 109
        self.entries.append((header, salt, payload))
        self.heads.append(hashlib.sha256(header).digest())

    def open_epoch(self):
        with self.lock:
            self.epoch, self.epoch_id = self.epoch + 1, os.urandom(16)
            self.append(EPOCH, struct.pack(">Q", self.epoch), self.epoch_id)
        return self

    def put(self, table, key, value):
        with self.lock:
            self.count(table, key, -1)
            self.append(table, key, value)
            if value is None:
                self.records.pop((table, key), None)
            else:
                self.records[table, key] = value
            self.count(table, key, 1)
        return self

    def count(self, table, key, sign):
        if (table, key) in self.records:
            lanes = element(payload_of(table, key, self.records[table, key]))
            self.state = [(a + sign * b) & 0xffff for a, b in zip(self.state, lanes)]

    def agency(self, name, identity="made-up"):
        """One more entry: an agency's row."""
        row = stubs.load().AgencyRow(name=name, kind=2, status=1, phone="01632 960000")
        return self.put(AGENCY, identity.encode(), row.SerializeToString())

    def text(self, **changes):
        values = {"region": self.region, "epoch": f"{self.epoch} {self.epoch_id.hex()}", "sequence": self.sequence,
                  "head": self.heads[-1].hex(), "records": len(self.records),
                  "state": hashlib.sha256(struct.pack("<1024H", *self.state)).hexdigest(), "horizon": self.horizon,
                  "time": int(time.time() * 1000) + self.clock_ahead_ms, "roster": 1, **changes}
        return "vacancy checkpoint v1\n" + "".join(f"{name} {value}\n" for name, value in values.items())

    def checkpoint(self, key=None, **changes):
        """Signed now."""
        text = self.text(**changes)
        with tempfile.NamedTemporaryFile("w", encoding="ascii") as unsigned:
            unsigned.write(text)
            unsigned.flush()
            signature = subprocess.run(["openssl", "pkeyutl", "-sign", "-rawin", "-inkey", key or self.key, "-in",
                                        unsigned.name], check=True, stdout=subprocess.PIPE).stdout
        return stubs.load().SignedCheckpoint(text=text, signature=signature)

    def newest(self):
        """The checkpoint at the end, signed once."""
        with self.lock:
            if self.sequence not in self.signed:
                self.signed[self.sequence] = self.checkpoint()
            return self.signed[self.sequence]

    def batch(self, after):
        with self.lock:
            return stubs.load().Batch(region=self.region, checkpoint=self.newest(), entries=[
                {"header": h, "salt": s, "payload": p} for h, s, p in self.entries[after:]])


class Hub:
    """Speaks FederationService on a port as `region`'s hub. logs: {region: Log}. mangle(batch) gives what is sent."""

    def __init__(self, federation, region, port):
        self.federation, self.region, self.port = federation, region, port
        self.logs, self.mangle = {}, lambda batch: batch
        self.takes, self.heard, self.snapshots = [], {}, 0
        self.server = None

    def start(self):
        who = self.federation.principal("hub", self.region)
        with open(who.key, "rb") as key, open(who.cert, "rb") as cert, open(self.federation.root, "rb") as root:
            credentials = grpc.ssl_server_credentials([(key.read(), cert.read())], root.read(), True)
        self.server = grpc.server(concurrent.futures.ThreadPoolExecutor(16))
        handlers = {}
        for name, handler in (("Follow", self.follow), ("FetchSnapshot", self.fetch)):
            _, request, response, streams_in, _ = stubs.load().method(f"FederationService/{name}")
            make = grpc.stream_stream_rpc_method_handler if streams_in else grpc.unary_stream_rpc_method_handler
            handlers[name] = make(handler, request.FromString, response.SerializeToString)
        self.server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler("vacancy.v1.FederationService", handlers)])
        assert self.server.add_secure_port(f"127.0.0.1:{self.port}", credentials) == self.port
        self.server.start()
        return self

    def stop(self):
        if self.server is not None:
            self.server.stop(0)
            self.server = None

    def positions(self, complete=False):
        return stubs.load().FollowResponse(positions={
            "checkpoints": [log.newest() for log in self.logs.values() if log.sequence], "complete": complete})

    def follow(self, requests, context):
        cursors, refusals, over = {}, [], threading.Event()

        def listen():
            try:
                for request in requests:
                    kind = request.WhichOneof("item")
                    if kind == "take":
                        self.takes.append((request.take.region, request.take.sequence))
                        log = self.logs.get(request.take.region)
                        if log is not None and request.take.head != log.heads[min(request.take.sequence, log.sequence)]:
                            refusals.append(log)
                        else:
                            cursors[request.take.region] = request.take.sequence
                    elif kind == "drop":
                        cursors.pop(request.drop, None)
                    else:
                        for each in request.positions.checkpoints:
                            self.heard[each.text.splitlines()[1].split()[1]] = each
            except grpc.RpcError:
                pass
            over.set()

        threading.Thread(target=listen, daemon=True).start()
        context.add_callback(over.set)
        yield self.positions(complete=True)
        told, tick = None, 0
        while not over.wait(0.05):
            tick += 1
            now = [log.newest().text for log in self.logs.values() if log.sequence]
            if now != told:
                told = now
                yield self.positions()
            elif tick % 6 == 0:
                yield stubs.load().FollowResponse(positions={})
            while refusals:  # another history
                log = refusals.pop()
                yield stubs.load().FollowResponse(refusal={"region": log.region, "reason": 3, "checkpoint": log.newest()})
            for region, after in list(cursors.items()):
                log = self.logs.get(region)
                if log is not None and log.sequence > after:
                    batch = log.batch(after)
                    cursors[region] = after + len(batch.entries)
                    batch = self.mangle(batch)
                    if batch is not None:
                        yield stubs.load().FollowResponse(batch=batch)

    def fetch(self, request, _context):
        messages, log = stubs.load(), self.logs[request.region]
        self.snapshots += 1
        response = messages.FetchSnapshotResponse
        yield response(begin={"checkpoint": log.newest()})
        yield response(headers={"first_sequence": 1, "headers": b"".join(each[0] for each in log.entries)})
        yield response(records=self.records(log))
        yield response(batch={"region": log.region, "checkpoint": log.newest()})

    def records(self, log):
        return stubs.load().SnapshotRecords(read_at_sequence=log.sequence, records=[
            {"table": table, "key": key, "value": value} for (table, key), value in sorted(log.records.items())])
