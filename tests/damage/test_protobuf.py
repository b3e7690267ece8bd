"""Rows P of faults.md on every method: octets that are no message of the contract, or one with a field wrong. Tables of
fields come from the contract itself, so a new field is tried without a line here."""
import grpc
import pytest
from google.protobuf.descriptor import FieldDescriptor

import client as calls
import ground as grounds
import homes
import hub as library
import stubs

pytestmark = pytest.mark.check

Code = grpc.StatusCode
INVALID, LIMIT = Code.INVALID_ARGUMENT, Code.RESOURCE_EXHAUSTED

ground = grounds.ground_fixture(peers=True)

CALLERS = {"AgencyService": "leeds", "PlacementService": "team", "HubService": "operator", "FederationService": "peer"}
# In the contract, but not served yet.
COMING = {"/vacancy.v1.FederationService/Forward"}
ENDLESS = {"/vacancy.v1.AgencyService/WatchAgency"}  # an empty message is a good one, and the answer begins with what was, and never ends
METHODS = sorted(path for path in stubs.load().methods if path.startswith("/vacancy.v1.") and path not in COMING)


def varint(value):
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes(out) + bytes([value])


def tag(number, wire):
    return varint(number << 3 | wire)


def octets_field(number, octets):
    return tag(number, 2) + varint(len(octets)) + octets


def caller(ground, path):
    return getattr(ground, CALLERS[path.split(".")[2].split("/")[0]])


def send(ground, path, octets):
    """How a call with one message of these octets ended."""
    client = caller(ground, path)
    streams_in, streams_out = client.messages.method(path)[3:]
    if not streams_out:
        return client.raw_outcome(path, octets)
    kind = ("stream_" if streams_in else "unary_") + "stream"
    call = client.raw_stub(path, kind)(iter([octets]) if streams_in else octets, timeout=calls.CALL_S)
    try:
        if path not in ENDLESS:
            got = list(call)
        else:
            got = [next(call)]
            call.cancel()
    except grpc.RpcError as error:
        return calls.Outcome(error.code(), error.details(), *calls.decode_status(error), None)
    return calls.Outcome(Code.OK, "", [], [], got)


OCTETS = {
    # row: (octets, code)
    "P1 field 0": (b"\0\0", INVALID),
    "P1 field 0 with octets": (b"\x02\x01a", INVALID),
    "P1 wire type 6": (b"\x0e\0", INVALID),
    "P1 wire type 7": (b"\x0f\0", INVALID),
    "P1 field 2^29": (varint((1 << 29) << 3) + b"\0", INVALID),
    "P1 tag of 10 octets": (b"\x88" + b"\x80" * 8 + b"\x01" + b"\0", INVALID),
    "P2 varint of 11 octets": (tag(400, 0) + b"\xff" * 10 + b"\x01", INVALID),
    "P2 varint of 65 bits": (tag(400, 0) + b"\xff" * 9 + b"\x02", INVALID),
    "P2 varint that never ends": (tag(400, 0) + b"\x80" * 5000, INVALID),
    "P2 varint cut": (tag(400, 0) + b"\xff", INVALID),
    "P2 tag of 11 octets": (b"\xff" * 10 + b"\x01" + b"\0", INVALID),
    "P3 length past the end": (tag(400, 2) + varint(100) + b"a", INVALID),
    "P3 length 2^32": (tag(400, 2) + varint(1 << 32) + b"a", INVALID),
    "P3 length 2^63": (tag(400, 2) + varint(1 << 63) + b"a", INVALID),
    "P3 length 2^64-1": (tag(400, 2) + varint((1 << 64) - 1) + b"a", INVALID),
    "P3 fixed64 cut": (tag(400, 1) + bytes(7), INVALID),
    "P3 fixed32 cut": (tag(400, 5) + bytes(3), INVALID),
    "P3 tag alone": (tag(400, 2), INVALID),
    "P4 group": (tag(400, 3) + tag(400, 4), INVALID),
    "P4 unmatched end": (tag(400, 4), INVALID),
    "P4 group that never ends": (tag(400, 3) * 1000, INVALID),
    "P8 4 MiB of unknown fields": (octets_field(400, bytes(1020)) * 4096, LIMIT),
    "P8 1 MiB of unknown numbers": (tag(400, 0) * 1 + b"\0" + (tag(400, 0) + b"\0") * 340_000, LIMIT),
    "P14 1,000,000 unknown elements": ((tag(15, 0) + b"\0") * 524_000, LIMIT),
}


@pytest.mark.parametrize("row", OCTETS)
def test_octets_that_are_no_message(ground, row):
    octets, code = OCTETS[row]
    with ground.row(), ground.hub.watch_memory() as memory:
        for path in METHODS:
            got = send(ground, path, octets)
            assert got.code == code, (path, got)
            assert got.message and len(got.message) < 400
    ground.check_memory(memory.peak)


def fields_of(descriptor, seen=()):
    """(field, path of fields to it) of a message and all within."""
    for field in descriptor.fields:
        yield field, (*seen, field)
        if field.type == FieldDescriptor.TYPE_MESSAGE:
            yield from fields_of(field.message_type, (*seen, field))


def wrapped(path, octets):
    """The octets of the last field's value, wrapped in all before it."""
    for field in reversed(path[:-1]):
        octets = octets_field(field.number, octets)
    return octets


def named(path):
    return ".".join(each.name + ("[0]" if each.label == FieldDescriptor.LABEL_REPEATED else "") for each in path)


def every_field(kind):
    for path in METHODS:
        request = stubs.load().method(path)[1].DESCRIPTOR
        for field, at in fields_of(request):
            if field.type == kind:
                yield path, at


TEXTS = {
    "P5 a lone octet": b"a\xff",
    "P5 a surrogate": b"\xed\xa0\x80",
    "P5 overlong": b"\xc0\xaf",
    "P5 beyond Unicode": b"\xf4\x90\x80\x80",
    "P5 cut": b"a\xe2\x82",
    "P6 NUL": b"a\0b",
    "P6 NUL alone": b"\0",
}


@pytest.mark.parametrize("row", TEXTS)
def test_text_that_is_none(ground, row):
    """In every string field of every request, however deep."""
    tried = 0
    with ground.row():
        for path, at in every_field(FieldDescriptor.TYPE_STRING):
            got = send(ground, path, wrapped(at, octets_field(at[-1].number, TEXTS[row])))
            assert (got.code, got.fields) == (INVALID, [named(at)]), (path, got)
            tried += 1
    assert tried > 50


@pytest.mark.parametrize("value", [9999, 1 << 31, (1 << 64) - 1], ids=["P10 9999", "P10 2^31", "P10 -1"])
def test_codes_that_are_not_in_the_list(ground, value):
    """In every enum field, also within a packed list."""
    tried = 0
    with ground.row():
        for path, at in every_field(FieldDescriptor.TYPE_ENUM):
            number = at[-1].number
            forms = [tag(number, 0) + varint(value)]
            if at[-1].label == FieldDescriptor.LABEL_REPEATED:
                forms.append(octets_field(number, b"\x01" + varint(value)))
            for octets in forms:
                got = send(ground, path, wrapped(at, octets))
                assert got.code == INVALID and got.fields, (path, named(at), got)
                assert got.fields[0].split("[")[0] in named(at), (path, got)
                tried += 1
    assert tried > 30


def test_a_field_of_another_type(ground):
    """Wire types that the contract does not give a field, for every field of every request."""
    with ground.row():
        for path in METHODS:
            for field, at in fields_of(stubs.load().method(path)[1].DESCRIPTOR):
                packable = field.label == FieldDescriptor.LABEL_REPEATED and field.type not in (9, 11, 12)
                right = {FieldDescriptor.TYPE_STRING: 2, FieldDescriptor.TYPE_MESSAGE: 2,
                         FieldDescriptor.TYPE_BYTES: 2}.get(field.type, 0)
                for wire, value in ((0, b"\x01"), (1, bytes(8)), (2, b"\x01\x01"), (5, bytes(4))):
                    if wire == right or wire == 2 and packable:
                        continue
                    got = send(ground, path, wrapped(at, tag(field.number, wire) + value))
                    assert got.code == INVALID, (path, named(at), wire, got)


def nested(depth):
    octets = b""
    for _ in range(depth):
        octets = octets_field(1, octets)
    return octets


@pytest.mark.parametrize("depth", [40, 10_000])
def test_nesting(ground, depth):
    """P7: unknown to most, a message to some; never a deep stack."""
    with ground.row():
        for path in METHODS:
            for number in range(1, 6):
                got = send(ground, path, octets_field(number, nested(depth)))
                assert got.code in (INVALID, Code.OK), (path, got)
                if got.code == Code.OK:  # nothing is required there, and the field is unknown
                    assert number > len(stubs.load().method(path)[1].DESCRIPTOR.fields), path


REQUIRED = {
    "AgencyService/ReleaseCarer": "agency_reference", "AgencyService/TakeOverCarer": "transfer_code",
    # P13: the first field that an empty message lacks; None: nothing is required
    "AgencyService/AcceptHold": "hold_id",
    "AgencyService/ConfirmVacancies": "observed_at_ms",
    "AgencyService/DeclineHold": "hold_id",
    "AgencyService/EndCarer": "agency_reference",
    "AgencyService/EraseCarer": "agency_reference",
    "AgencyService/GetCarer": "agency_reference",
    "AgencyService/GetHistory": None,
    "AgencyService/ListCarers": None,
    "AgencyService/ListHolds": None,
    "AgencyService/ListVacancies": None,
    "AgencyService/PutCarer": "carer",
    "AgencyService/PutVacancy": "vacancy",
    "AgencyService/Submit": "update",
    "AgencyService/WatchAgency": None,
    "AgencyService/WithdrawVacancy": "agency_reference",
    "FederationService/FetchSnapshot": "region",
    "FederationService/Follow": "item",
    "FederationService/Forward": "principal",
    "HubService/Backup": None,
    "HubService/GetStatus": None,
    "HubService/ListAgencies": None,
    "HubService/PutAgency": "agency",
    "HubService/ListRegions": None,
    "HubService/Promote": None,
    "HubService/ReadAudit": None,
    "HubService/SuspendPrincipal": "principal",
    "HubService/Verify": None,
    "PlacementService/ExplainVacancy": "question",
    "PlacementService/ExtendHold": "request_id",
    "PlacementService/FindVacancies": "request_reference",
    "PlacementService/GetHold": "hold_id",
    "PlacementService/HoldVacancy": "request_id",
    "PlacementService/ListHolds": None,
    "PlacementService/PlaceChild": "request_id",
    "PlacementService/ReleaseHold": "request_id",
    "PlacementService/ReportUnavailable": "request_id",
    "PlacementService/WatchVacancies": "question",
}


@pytest.mark.parametrize("path", METHODS)
def test_an_empty_message(ground, path):
    field = REQUIRED[path.removeprefix("/vacancy.v1.")]
    with ground.row():
        got = send(ground, path, b"")
        if path.endswith("/Submit"):
            answer = ground.messages.SubmitResponse.FromString(got.response[0])
            assert (answer.code, answer.field) == (3, field), answer
        elif field is None:
            assert got.code == Code.OK, got
        else:
            assert (got.code, got.fields) == (INVALID, [field]), got
            assert "required" in got.message, got.message


def test_repeated_fields_have_bounds(ground, messages):
    """P14 inside known fields: as many elements as a message has room for, and few more than allowed."""
    carer = homes.carer(messages, "P-1")
    with ground.row(), ground.hub.watch_memory() as memory:
        for path, at in every_field(FieldDescriptor.TYPE_ENUM):
            if at[-1].label == FieldDescriptor.LABEL_REPEATED:
                got = send(ground, path, wrapped(at, octets_field(at[-1].number, b"\x01" * 1_000_000)))
                assert got.code == LIMIT, (path, got)
        for path, at in every_field(FieldDescriptor.TYPE_MESSAGE):
            if at[-1].label == FieldDescriptor.LABEL_REPEATED:
                one = octets_field(at[-1].number, b"")
                got = send(ground, path, wrapped(at, one * 500_000))
                assert got.code == LIMIT, (path, got)
        for path, at in every_field(FieldDescriptor.TYPE_STRING):
            if at[-1].label == FieldDescriptor.LABEL_REPEATED:
                got = send(ground, path, wrapped(at, octets_field(at[-1].number, b"a") * 300_000))
                assert got.code == LIMIT, (path, got)
            else:
                got = send(ground, path, wrapped(at, octets_field(at[-1].number, b"a" * 1_000_000)))
                assert got.code in (INVALID, Code.PERMISSION_DENIED, Code.OK), (path, named(at), got)
                assert "aaaa" not in got.message
        for name, count in ("placed_children", 13), ("household_children", 13), ("exemptions", 5), ("languages", 9):
            changed = messages.Carer()
            changed.CopyFrom(carer)
            one = getattr(changed, name).add()
            if name == "languages":
                one.tag, one.level = "cy", 1
            while len(getattr(changed, name)) < count:
                getattr(changed, name).add().CopyFrom(one)
            got = ground.leeds.outcome("AgencyService/PutCarer", carer=changed)
            assert got.code == INVALID and got.fields[0].startswith("carer." + name), got
    ground.check_memory(memory.peak)


def test_the_last_of_a_field_given_twice_counts(ground, messages):
    """P9: for what is checked, stored and answered alike."""
    with ground.row(changes=True):
        octets = octets_field(1, b"H-nobody") + octets_field(1, grounds.MARK.encode())
        assert send(ground, "/vacancy.v1.AgencyService/GetCarer", octets).code == Code.OK
        assert send(ground, "/vacancy.v1.AgencyService/GetCarer", octets[10:] + octets[:10]).code == Code.PERMISSION_DENIED
        good = homes.carer(messages, "P-9").SerializeToString()
        places = messages.Carer.DESCRIPTOR.fields_by_name["places"].number
        bad = good + tag(places, 0) + varint(99)
        refused = send(ground, "/vacancy.v1.AgencyService/PutCarer", octets_field(2, bad))
        assert (refused.code, refused.fields) == (INVALID, ["carer.places"])
        assert send(ground, "/vacancy.v1.AgencyService/PutCarer",
                    octets_field(2, bad + tag(places, 0) + varint(4))).code == Code.OK
        assert ground.leeds.call("AgencyService/GetCarer", agency_reference="P-9").carer.carer.places == 4
        # Of a oneof only the last stays.
        submit = (octets_field(2, octets_field(2, homes.carer(messages, "P-10").SerializeToString())) +
                  octets_field(5, octets_field(2, b"P-none") + tag(3, 0) + varint(homes.now_ms())))
        answer = messages.SubmitResponse.FromString(send(ground, "/vacancy.v1.AgencyService/Submit", submit).response[0])
        assert answer.code == 7
        assert ground.leeds.outcome("AgencyService/GetCarer", agency_reference="P-10").code == Code.PERMISSION_DENIED


def test_packed_and_unpacked_lists_are_the_same(ground, messages):
    """P12"""
    with ground.row(changes=True):
        carer = homes.carer(messages, "P-12")
        kinds = list(carer.terms.care_types)
        terms = messages.Terms()
        terms.CopyFrom(carer.terms)
        terms.ClearField("care_types")
        carer.ClearField("terms")
        number = messages.Terms.DESCRIPTOR.fields_by_name["care_types"].number
        at = messages.Carer.DESCRIPTOR.fields_by_name["terms"].number
        for form in (octets_field(number, bytes(kinds)), b"".join(tag(number, 0) + bytes([kind]) for kind in kinds),
                     octets_field(number, bytes(kinds[:1])) + tag(number, 0) + bytes(kinds[1:])):
            octets = carer.SerializeToString() + octets_field(at, terms.SerializeToString() + form)
            assert send(ground, "/vacancy.v1.AgencyService/PutCarer", octets_field(2, octets)).code == Code.OK
            view = ground.leeds.call("AgencyService/GetCarer", agency_reference="P-12").carer.carer
            assert list(view.terms.care_types) == kinds


NUMBERS = {
    # P11: moments and counts at the ends of their types
    "observed_at_ms": [-1, 1, -(1 << 63), (1 << 63) - 1],
    "beds": [0, 99, (1 << 32) - 1],
}


@pytest.mark.parametrize("field", NUMBERS)
def test_numbers_at_their_ends(ground, messages, field):
    with ground.row():
        for value in NUMBERS[field]:
            got = ground.leeds.outcome("AgencyService/PutVacancy",
                                       vacancy=homes.vacancy(messages, grounds.MARK, **{field: value}))
            assert (got.code, got.fields) == (INVALID, ["vacancy." + field]), (value, got)


@pytest.mark.parametrize("value", [-1, -(1 << 63), (1 << 63) - 1, 1], ids=["-1", "-2^63", "2^63-1", "1"])
def test_how_long_at_its_ends(ground, value):
    """P11: how long beds are held."""
    vacancy_id = ground.leeds.call("AgencyService/GetCarer", agency_reference=grounds.MARK).carer.vacancy.vacancy_id
    with ground.row():
        got = ground.team.outcome("PlacementService/HoldVacancy", request_id=homes.request_id(), vacancy_id=vacancy_id,
                                  beds=1, request_reference="383-204417", duration_s=value)
        assert (got.code, got.fields) == (INVALID, ["duration_s"]), got
        got = ground.team.outcome("PlacementService/ExtendHold", request_id=homes.request_id(),
                                  hold_id=f"{library.REGION}-1-99999", duration_s=value)
        assert (got.code, got.fields) == (INVALID, ["duration_s"]), got
