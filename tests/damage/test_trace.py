"""Acknowledged is durable, seen from outside: a trace of the hub's system calls. No answer to a write leaves before the
last write of its commit (LMDB's meta page, on the descriptor opened O_DSYNC, after the fdatasync) has returned; no answer
to a search before its record was written to the trail."""
import re
import subprocess

import pytest

import homes
import hub as library
import rawh2

pytestmark = pytest.mark.check

CALLS = 30
LINE = re.compile(r"^(\d+) +(?:(?P<whole>\w+)\((?P<args>.*)\) += (?P<result>-?\w+).*|(?P<begun>\w+)\((?P<begargs>.*) <unfinished "
                  r"\.\.\.>|<\.\.\. (?P<resumed>\w+) resumed>(?P<rest>.*)\) += (?P<result2>-?\w+).*)$")


class Event:
    """One system call: when it was entered and when it had returned, as positions in the trace."""

    def __init__(self, name, arguments, begun):
        self.name, self.arguments, self.begun, self.ended, self.result = name, arguments, begun, None, None

    def on(self, what):
        """Whether the first argument is a descriptor of `what`."""
        return what in self.arguments.split(",")[0]

    def descriptor(self):
        return int(self.arguments.split("<")[0])

    def offset(self):
        return int(self.arguments.rpartition(",")[2])


def read_trace(path):
    events, open_calls = [], {}
    with open(path, encoding="utf-8", errors="replace") as handle:
        for at, line in enumerate(handle):
            match = LINE.match(line.rstrip("\n"))
            if not match:
                continue
            thread = match.group(1)
            if match.group("begun"):
                event = Event(match.group("begun"), match.group("begargs"), at)
                open_calls[thread] = event
                events.append(event)
            elif match.group("resumed"):
                event = open_calls.pop(thread, None)
                if event is not None:
                    event.arguments += match.group("rest")
                    event.ended, event.result = at, match.group("result2")
            else:
                event = Event(match.group("whole"), match.group("args"), at)
                event.ended, event.result = at, match.group("result")
                events.append(event)
    return events


def can_trace():
    return subprocess.run(["strace", "-o", "/dev/null", "true"], capture_output=True, check=False).returncode == 0


@pytest.fixture
def traced(federation, tmp_path, request):
    if library.SLOWNESS != 1:
        pytest.skip("a sanitizer and a tracer don't go together")
    if not can_trace():
        pytest.skip("strace may not trace here")
    trace = tmp_path / "trace"
    hub = library.Hub(federation, tmp_path / "hub", wrapper=[
        "strace", "-D", "-f", "-y", "-s", "8", "-o", str(trace), "-e",
        "trace=openat,read,write,writev,sendmsg,pwrite64,pwritev,fdatasync,fsync,msync"])
    request.node.hubs = [hub]
    hub.start()
    try:
        homes.register_agencies(hub)
        yield hub, trace
        hub.stop()
    finally:
        hub.kill()


def sync_descriptor(events):
    """LMDB's descriptor for meta pages: data.mdb, opened O_DSYNC, the last time it was opened."""
    found = [each for each in events if each.name == "openat" and "home/data.mdb" in each.arguments and
             "O_DSYNC" in each.arguments]
    assert found, "data.mdb is not opened O_DSYNC"
    return int(re.match(r"\d+", found[-1].result).group())


def commits(events, meta_descriptor):
    """(begin of the first page write, return of the meta page's write) of each commit; the fdatasync lies between."""
    found, pages, synced = [], None, None
    for each in events:
        if each.name in ("pwrite64", "pwritev", "write", "writev") and each.on("data.mdb"):
            is_meta = each.descriptor() == meta_descriptor and each.name == "pwrite64" and each.offset() < 8192
            if not is_meta:
                assert synced is None, "pages are written between the fdatasync and the meta page"
                pages = pages or each
            else:
                assert pages and synced and synced.begun >= pages.ended, "the meta page before the pages were synced"
                assert each.begun >= synced.ended, "the meta page before the fdatasync had returned"
                found.append((pages.begun, each.ended))
                pages = synced = None
        elif each.name in ("fdatasync", "fsync") and each.on("data.mdb"):
            assert each.result == "0"
            synced = each
    return found


def calls_of(events):
    """(return of the read that brought a request, begin of the write that answered it), in order, of one connection
    whose client sends each request in one piece after the answer to the one before."""
    sock = [each for each in events if each.arguments.split(",")[0].find("<socket:") > 0 or "TCP" in each.arguments.split(",")[0]]
    found, request = [], None
    for each in sock:
        if each.name == "read" and each.result.isdigit() and int(each.result) > 0:
            request = each
        elif each.name in ("write", "writev", "sendmsg") and request is not None:
            found.append((request.ended, each.begun))
            request = None
    return found


def converse(hub, spec, path, bodies):
    """One request after the other on one connection, after the settings are out of the way."""
    with rawh2.Connection(rawh2.connect(hub.port, hub.federation.principal(spec))) as connection:
        first = connection.request("/grpc.health.v1.Health/Check", rawh2.grpc_message(b""))
        assert connection.answer(first)["grpc-status"] == "0"
        for body in bodies:
            stream, connection.next_stream = connection.next_stream, connection.next_stream + 2
            octets = rawh2.grpc_message(body)
            connection.send_raw(
                rawh2.frame(rawh2.HEADERS, rawh2.END_HEADERS, stream, rawh2.header_block(rawh2.grpc_headers(path))) +
                rawh2.frame(rawh2.DATA, rawh2.END_STREAM, stream, octets))
            assert connection.answer(stream)["grpc-status"] == "0"


def traced_calls(hub, trace, spec, path, bodies):
    """(all events, the calls of this conversation)."""
    with open(trace, encoding="utf-8", errors="replace") as handle:
        start = sum(1 for _ in handle)
    converse(hub, spec, path, bodies)
    hub.stop()  # the trace is whole when the tracer has gone
    events = read_trace(trace)
    calls = [each for each in calls_of(events) if each[0] >= start]
    assert len(calls) >= len(bodies), "the conversation is not in the trace"
    return events, calls


def test_no_answer_before_its_commit(traced, messages):
    hub, trace = traced
    bodies = [messages.PutCarerRequest(carer=homes.carer(messages, f"H-{n}")).SerializeToString() for n in range(CALLS)]
    events, calls = traced_calls(hub, trace, homes.LEEDS, "/vacancy.v1.AgencyService/PutCarer", bodies)
    done = commits(events, sync_descriptor(events))
    assert len(done) >= CALLS
    answered = [(came, went) for came, went in calls
                if any(came <= begun and ended < went for begun, ended in done)]
    assert len(answered) >= CALLS, f"{len(calls)} calls, {len(done)} commits, {len(answered)} answered after their commit"
    # Nor is there an answer while its commit is under way.
    for came, went in calls:
        under_way = [1 for begun, ended in done if came <= begun < went <= ended]
        assert not under_way, "an answer left in the middle of its commit"


def test_no_answer_to_a_search_before_its_record(traced, messages):
    hub, trace = traced
    with hub.client(homes.LEEDS) as leeds:
        leeds.call("AgencyService/PutCarer", carer=homes.carer(messages, "H-1"))
        leeds.call("AgencyService/PutVacancy", vacancy=homes.vacancy(messages, "H-1"))
    bodies = [homes.search(messages).SerializeToString()] * CALLS
    events, calls = traced_calls(hub, trace, homes.TEAM, "/vacancy.v1.PlacementService/FindVacancies", bodies)
    records = [each for each in events if each.name in ("write", "pwrite64", "writev", "pwritev") and
               re.search(r"/disclosures-\d+>", each.arguments.split(",")[0])]
    recorded = [1 for came, went in calls if any(came <= each.begun and each.ended < went for each in records)]
    assert len(records) >= CALLS and len(recorded) >= CALLS, (len(calls), len(records), len(recorded))
    synced = [each for each in events if each.name in ("fdatasync", "fsync") and
              re.search(r"/disclosures-\d+>", each.arguments.split(",")[0])]
    assert synced and synced[-1].begun > records[-1].ended, "the last records were never synced"
