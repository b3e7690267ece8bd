"""Rows D4, D6, D9, D10 and D13 of faults.md: a folder or a file that is not as the hub left it. A hub refuses it with a
clear word and exit status 1, or starts and shows exactly what is right; it is never ended by a signal."""
import glob
import hashlib
import os
import random
import re
import shutil
import signal
import struct

import pytest

import homes
import hub as library
import mounts
import trail as trails

pytestmark = pytest.mark.check

SEED = int(os.environ.get("SEED") or random.randrange(1 << 30))
PAGE = 4096


class Picture:
    """What a hub shows, to compare: carers, vacancies, agencies, and how far the trail goes."""

    def __init__(self, hub):
        with hub.client(homes.LEEDS) as leeds, hub.client(homes.OPERATOR) as operator, \
                hub.client(homes.AUDITOR) as auditor, hub.client(homes.TEAM) as team:
            self.carers = [each.SerializeToString() for each in
                           leeds.call("AgencyService/ListCarers", include_ended=True, timeout=30)]
            self.vacancies = [each.SerializeToString() for each in
                              leeds.call("AgencyService/ListVacancies", timeout=30)]
            self.agencies = [each.SerializeToString() for each in operator.call("HubService/ListAgencies")]
            found = team.call("PlacementService/FindVacancies", homes.search(hub.federation_messages, limit=100))
            self.found = [each.SerializeToString() for each in found.options]
            self.sequence = operator.call("HubService/GetStatus").sequence
            trail = trails.Trail(hub.federation, hub.region)
            trail.read_on(auditor)
            self.writes = trail.end[trails.WRITES]
            self.disclosed = trail.end[trails.DISCLOSURES][0]

    def same_as(self, other):
        for name in "carers", "vacancies", "agencies", "found", "sequence", "writes":
            assert getattr(self, name) == getattr(other, name), f"{name} differ"
        assert self.disclosed >= other.disclosed, "disclosures are missing"


def make_hub(federation, folder, messages, count=250):
    hub = library.Hub(federation, folder, options={("log", "level"): "info"})
    hub.federation_messages = messages
    hub.start()
    homes.register_agencies(hub)
    with hub.client(homes.LEEDS) as leeds:
        for round_of in range(3):  # leaves superseded pages behind, as life does
            homes.submit_all(leeds, [("put_carer", {"carer": homes.carer(messages, f"H-{n:03}", bedrooms=1 + round_of)})
                                     for n in range(count)])
            homes.submit_all(leeds, [("put_vacancy", {"vacancy": homes.vacancy(messages, f"H-{n:03}", beds=1)})
                                     for n in range(0, count, 1 + round_of)])
    return hub


class Original:
    def __init__(self, federation, folder, messages):
        hub = make_hub(federation, folder, messages)
        self.federation, self.messages = federation, messages
        self.picture = Picture(hub)
        hub.stop()
        self.data = hub.data

    def copy(self, folder):
        hub = library.Hub(self.federation, folder, options={("log", "level"): "info"})
        hub.federation_messages = self.messages
        shutil.copytree(self.data, hub.data)
        return hub


@pytest.fixture(scope="module")
def original(federation, messages, tmp_path_factory):
    return Original(federation, tmp_path_factory.mktemp("original"), messages)


def starts_or_refuses(hub, original, says="damaged|missing|torn|trail"):
    """True if it started; then all is as it was."""
    hub.launch()

    def settled():
        return hub.process.poll() is not None or library.READY.search(hub.log_text())

    library.wait_until(settled, library.START_BOUND_S, "a start or a refusal")
    if hub.process.poll() is not None:
        status, text = hub.process.returncode, hub.log_text()
        assert status == 1, f"ended with {status}:\n{text}"
        assert re.search(says, text.splitlines()[-1]), text
        return False
    try:
        hub.port = int(library.READY.search(hub.log_text()).group(1))
        Picture(hub).same_as(original.picture)
        hub.stop()
    finally:
        hub.kill()
    return True


def flip(handle, size, randomness):
    at = randomness.randrange(size)
    handle.seek(at)
    octet = handle.read(1)[0]
    handle.seek(at)
    handle.write(bytes([octet ^ 1 << randomness.randrange(8)]))
    return f"bit flip at {at} (page {at // PAGE})"


def zero_page(handle, size, randomness):
    page = randomness.randrange(size // PAGE)
    handle.seek(page * PAGE)
    handle.write(bytes(PAGE))
    return f"page {page} zeroed"


def truncate(handle, size, randomness):
    to = randomness.choice([randomness.randrange(size), (size - 1) // PAGE * PAGE, 0, size - 1, min(size - 1, PAGE)])
    handle.truncate(to)
    return f"truncated to {to} of {size}"


def swap_pages(handle, size, randomness):
    one, two = (randomness.randrange(size // PAGE) for _ in range(2))
    handle.seek(one * PAGE)
    first = handle.read(PAGE)
    handle.seek(two * PAGE)
    second = handle.read(PAGE)
    handle.seek(one * PAGE)
    handle.write(second)
    handle.seek(two * PAGE)
    handle.write(first)
    return f"pages {one} and {two} swapped"


def noise_page(handle, size, randomness):
    page = randomness.randrange(size // PAGE)
    handle.seek(page * PAGE)
    handle.write(randomness.randbytes(PAGE))
    return f"page {page} random"


DAMAGES = {"D6 bit flip": (flip, 30), "D6 zeroed page": (zero_page, 12), "D6 truncated": (truncate, 10),
           "D6 swapped pages": (swap_pages, 6), "D6 random page": (noise_page, 8)}


def damage_often(original, tmp_path, row, count):
    damage = DAMAGES[row][0]
    print(f"SEED={SEED}")
    randomness, refused = random.Random(SEED + len(row)), 0
    for n in range(count):
        hub = original.copy(tmp_path / f"hub{n}")
        path = os.path.join(hub.data, "home", "data.mdb")
        with open(path, "r+b") as handle:
            what = damage(handle, os.path.getsize(path), randomness)
        try:
            refused += not starts_or_refuses(hub, original)
        except AssertionError as error:
            raise AssertionError(f"{what}, SEED={SEED}, trial {n}: {error}") from None
        shutil.rmtree(hub.folder)
    print(f"{row}: {refused} of {count} refused")
    return refused


@pytest.mark.parametrize("row", DAMAGES)
def test_damaged_store(original, tmp_path, scale, row):
    damage_often(original, tmp_path, row, max(5, int(DAMAGES[row][1] * scale)))


@pytest.mark.long
@pytest.mark.bound(900)
@pytest.mark.parametrize("row", DAMAGES)
def test_damaged_store_often(original, tmp_path, scale, row):
    refused = damage_often(original, tmp_path, row, max(5, int(20 * DAMAGES[row][1] * scale)))
    assert refused > 0


def segments(hub, kind):
    found = sorted(path for path in glob.glob(os.path.join(hub.data, "*")) if kind in os.path.basename(path))
    assert found
    return found


@pytest.mark.parametrize("kind", ["disclosures-", "disclosure-heads-"])
@pytest.mark.parametrize("damage", [flip, truncate, noise_page], ids=["flip", "truncate", "noise"])
def test_damaged_disclosures(original, tmp_path, scale, kind, damage):
    """Section 5: altered or cut, the trail of disclosures is not taken for whole."""
    randomness = random.Random(SEED)
    for n in range(max(2, int(4 * scale))):
        hub = original.copy(tmp_path / f"hub{n}")
        path = randomness.choice(segments(hub, kind))
        size = os.path.getsize(path)
        with open(path, "r+b") as handle:
            what = (damage if size >= PAGE else flip)(handle, size, randomness)
        try:
            started = starts_or_refuses(hub, original, "trail|disclosures|head|missing|damaged")
        except AssertionError as error:
            raise AssertionError(f"{what} of {os.path.basename(path)}, SEED={SEED}, trial {n}: {error}") from None
        assert not started or kind == "disclosure-heads-", f"{what}: taken for whole, SEED={SEED}"


FILES = {
    # row: what is done to the folder of data
    "D6 no data.mdb": lambda data: os.unlink(f"{data}/home/data.mdb"),
    "D6 empty data.mdb": lambda data: open(f"{data}/home/data.mdb", "wb").close(),
    "D6 data.mdb is text": lambda data: open(f"{data}/home/data.mdb", "w", encoding="ascii").write("hello\n" * 9999),
    "D6 data.mdb is a folder": lambda data: (os.unlink(f"{data}/home/data.mdb"), os.mkdir(f"{data}/home/data.mdb")),
    "D6 home is a file": lambda data: (shutil.rmtree(f"{data}/home"), open(f"{data}/home", "wb").close()),
    "D6 no home": lambda data: shutil.rmtree(f"{data}/home"),
    "D6 no disclosures": lambda data: [os.unlink(path) for path in glob.glob(f"{data}/disclosures-*")],
    "D6 no heads": lambda data: [os.unlink(path) for path in glob.glob(f"{data}/disclosure-heads-*")],
    "D10 others may write": lambda data: os.chmod(data, 0o777),
}


@pytest.mark.parametrize("row", FILES)
def test_files_that_are_not_there(original, tmp_path, row):
    """Refused with a clear word: a lost register must not look like a new, empty one."""
    hub = original.copy(tmp_path / "hub")
    FILES[row](hub.data)
    status, said = hub.refuses_to_start()
    assert status == 1 and "can't start" in said.splitlines()[-1], said


@pytest.mark.parametrize("octets", [b"", b"\0" * 8192, b"\xa5" * 8192], ids=["empty", "zeroes", "noise"])
def test_lock_table_is_made_anew(original, tmp_path, octets):
    """lock.mdb holds nothing that lasts: whatever it holds, the hub starts."""
    hub = original.copy(tmp_path / "hub")
    with open(os.path.join(hub.data, "home", "lock.mdb"), "wb") as handle:
        handle.write(octets)
    assert starts_or_refuses(hub, original)


def test_missing_folders(federation, tmp_path):
    """D10: a missing parent is more likely a disk that isn't mounted than a wish."""
    hub = library.Hub(federation, tmp_path / "hub", options={("hub", "data"): str(tmp_path / "not" / "there")})
    status, said = hub.refuses_to_start()
    assert status == 1 and "not/there" in said
    (tmp_path / "file").write_bytes(b"")
    hub = library.Hub(federation, tmp_path / "hub2", options={("hub", "data"): str(tmp_path / "file")})
    status, said = hub.refuses_to_start()
    assert status == 1 and "not a folder" in said


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")
def test_folder_of_another(original, tmp_path):
    """D10"""
    hub = original.copy(tmp_path / "hub")
    os.chown(hub.data, 65534, 65534)
    status, said = hub.refuses_to_start()
    assert status == 1 and "chown" in said


def test_second_daemon(federation, messages, tmp_path):
    """D9: refused, the first goes on; after a kill -9 nothing needs to be cleared away."""
    first = library.Hub(federation, tmp_path / "first").start()
    try:
        homes.register_agencies(first)
        second = library.Hub(federation, tmp_path / "second", options={("hub", "data"): first.data})
        status, said = second.refuses_to_start()
        assert status == 1 and "in use by another vacancyd" in said
        with first.client(homes.LEEDS) as leeds:
            leeds.call("AgencyService/PutCarer", carer=homes.carer(messages, "H-1"))
        first.kill()
        second.start()
        try:
            with second.client(homes.LEEDS) as leeds:
                leeds.call("AgencyService/GetCarer", agency_reference="H-1")
            status, said = first.refuses_to_start()
            assert status == 1 and "in use" in said
        finally:
            second.stop()
    finally:
        first.kill()


def stamp_schema(path, version):
    """Writes another schema version into every copy of the record, with a right check (tables.h says how)."""
    with open(path, "r+b") as handle:
        octets = bytearray(handle.read())
        found = 0
        for match in re.finditer(b"schema", bytes(octets)):
            value = match.end()
            body = value + 9
            if octets[value] != 1 or octets[body:body + 4] != struct.pack(">I", 4):
                continue
            record = struct.pack(">I", version) + bytes(octets[body + 4:body + 4 + 10 + 32])
            check = hashlib.sha256(b"\x01\x00" + struct.pack(">H", 6) + b"schema" + record).digest()[:8]
            octets[value:body + len(record)] = b"\x01" + check + record
            found += 1
        assert found
        handle.seek(0)
        handle.write(octets)


@pytest.mark.parametrize("version", [0, 1, 3, 5, 999])
def test_schema_version(original, tmp_path, version):
    """D13: both versions are named."""
    hub = original.copy(tmp_path / "hub")
    stamp_schema(os.path.join(hub.data, "home", "data.mdb"), version)
    status, said = hub.refuses_to_start()
    assert status == 1 and f"schema version {version}," in said and "reads version 4" in said


def test_other_keys(original, tmp_path):
    """A register opened with another region's key, secret or name is refused before anything is signed."""
    other = original.federation.region("E12000009")
    for option, value, says in ((("region", "signing-key"), f"{other}/region.key", "signing key"),):
        hub = library.Hub(original.federation, tmp_path / "hub", options={option: value})
        shutil.copytree(original.data, hub.data)
        status, said = hub.refuses_to_start()
        assert status == 1 and says in said


@pytest.mark.parametrize("left", [0, 4096, 64 << 10, 1 << 20, 8 << 20])
def test_first_start_on_a_full_disk(federation, messages, tmp_path, left):
    """D4: a clear refusal, wherever the room ends; with room, the same folder starts."""
    with mounts.tmpfs(tmp_path / "disk", 64 << 20) as disk:
        hub = library.Hub(federation, tmp_path / "hub", options={("hub", "data"): str(disk / "data")})
        filler = mounts.fill(disk, left)
        status, said = hub.refuses_to_start()
        assert status == 1 and re.search("disk is full|no room|No space", said), said
        os.unlink(filler)
        hub.start()
        try:
            homes.register_agencies(hub)
            with hub.client(homes.LEEDS) as leeds:
                leeds.call("AgencyService/PutCarer", carer=homes.carer(messages, "H-1"))
            hub.stop()
        finally:
            hub.kill()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_ended_while_starting(original, tmp_path, number, scale):
    """A start that is stopped leaves the store as it was."""
    hub = original.copy(tmp_path / "hub")
    for n in range(max(3, int(10 * scale))):
        hub.launch()
        library.wait_until(lambda: len(hub.log_text()) > 40 * (n % 3) or hub.process.poll() is not None, 20, "a sign")
        hub.process.send_signal(number)
        assert hub.process.wait(library.STOP_BOUND_S) in (0, -number), hub.log_text()
    assert starts_or_refuses(hub, original)
