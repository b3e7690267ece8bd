"""Backup and restore of a single hub with real daemons (issue 3, points 5 and 7; design.md section 9, Restore; rows D6, D11):
what was acknowledged before a backup is in it, both audit chains verify after a restore, no key leaves the hub, and a backup
that is another region's, too old, altered or cut short is refused at start."""
import glob
import hashlib
import io
import os
import subprocess
import tarfile
import threading

import grpc
import pytest

import homes
import hub as library
import mounts
import pusher
import trail as trails

pytestmark = pytest.mark.check

Code = grpc.StatusCode
OPERATOR = homes.OPERATOR
DAY_MS = 24 * 3600 * 1000
# A client that takes in no more than it is read of.
NARROW = (("grpc.http2.bdp_probe", 0), ("grpc.http2.lookahead_bytes", 65536))


def take(hub, client=None):
    """A backup's octets, with the sum checked."""
    with client or hub.client(OPERATOR) as operator:
        pieces = list(operator.call("HubService/Backup", timeout=60))
    octets = b"".join(each.octets for each in pieces)
    assert [each.sha256 for each in pieces[:-1]] == [""] * (len(pieces) - 1)
    assert pieces[-1].sha256 == hashlib.sha256(octets).hexdigest()
    assert max(len(each.octets) for each in pieces) <= 256 * 1024
    return octets


def unpack(octets, hub):
    """As the manual says: tar -xf BACKUP -C DATA, into an empty folder."""
    os.makedirs(hub.data, mode=0o700)
    archive = os.path.join(hub.folder, "backup.tar")
    with open(archive, "wb") as handle:
        handle.write(octets)
    subprocess.run(["tar", "-xf", archive, "-C", hub.data], check=True)
    return hub


def begin(client):
    """A backup of which the first piece has come, and the rest waits for this client to read."""
    call = client.stream("HubService/Backup", client.request("HubService/Backup"))
    assert next(call).octets
    return call


def copies_left(hub):
    return os.path.exists(os.path.join(hub.data, "backup.tmp"))


def wait_removed(hub):
    library.wait_until(lambda: not copies_left(hub), 10, "the backup's copy to be removed")


def push(hub, messages, count, prefix="B"):
    homes.register_agencies(hub)
    with hub.client(homes.LEEDS) as leeds:
        homes.submit_all(leeds, [("put_carer", {"carer": homes.carer(messages, f"{prefix}-{n}")}) for n in range(count)])
        homes.submit_all(leeds, [("put_vacancy", {"vacancy": homes.vacancy(messages, f"{prefix}-{n}")})
                                 for n in range(count)])


def audit_verifies(hub):
    verified = hub.run_vacancy(homes.AUDITOR, "audit", "verify")
    assert verified.returncode == 0, verified.stdout + verified.stderr


def signed_note(federation, fields, key=None):
    """A `restored` text signed by the region's key with openssl, not with the hub's own code."""
    text = "vacancy backup v1\n" + "".join(f"{name} {value}\n" for name, value in fields)
    key = key or os.path.join(federation.region(library.REGION), "region.key")
    folder = os.path.dirname(federation.folder)
    path = os.path.join(folder, "note.txt")
    with open(path, "w", encoding="ascii") as handle:
        handle.write(text)
    signature = subprocess.run(["openssl", "pkeyutl", "-sign", "-rawin", "-inkey", key, "-in", path], check=True,
                               capture_output=True).stdout
    return f"{text}signature {signature.hex()}\n"


def note_fields(hub):
    with open(os.path.join(hub.data, "restored"), encoding="ascii") as handle:
        return [line.split(" ", 1) for line in handle.read().splitlines()[1:-1]]


def write_note(hub, text):
    with open(os.path.join(hub.data, "restored"), "w", encoding="ascii") as handle:
        handle.write(text)


@pytest.fixture(scope="module")
def backup(federation, messages, tmp_path_factory):
    """One backup of a small register, for the tests that alter it."""
    source = library.Hub(federation, tmp_path_factory.mktemp("source") / "hub").start()
    push(source, messages, 20)
    octets = take(source)
    source.stop()
    return octets


@pytest.fixture
def target(federation, tmp_path, request):
    """A hub that is not running, without a data folder."""
    there = library.Hub(federation, tmp_path / "restored")
    request.node.hubs = getattr(request.node, "hubs", []) + [there]
    yield there
    there.kill()


# --- what a backup is --------------------------------------------------------------------------------------------------
def test_an_archive_that_any_tar_reads_without_a_key(hub, messages, federation):
    push(hub, messages, 20)
    octets = take(hub)
    with tarfile.open(fileobj=io.BytesIO(octets), mode="r:") as archive:
        names = archive.getnames()
        members = {each.name: each for each in archive.getmembers()}
        content = {name: archive.extractfile(name).read() for name in names if members[name].isfile()}
    assert names == ["restored", "home", "home/data.mdb", "disclosures-00000001", "disclosure-heads-a",
                     "disclosure-heads-b"]
    assert all(each.mode == (0o700 if each.isdir() else 0o600) and each.uid == os.geteuid() for each in members.values())
    assert content["restored"].startswith(b"vacancy backup v1\nregion E12000003\n")
    assert len(octets) % 512 == 0 and octets[-1024:] == bytes(1024)
    for path in glob.glob(os.path.join(federation.folder, "**", "*"), recursive=True):
        if path.endswith((".key", "key.pem", "reference.secret")):
            with open(path, "rb") as handle:
                secret = handle.read()
            assert secret not in octets
            if path.endswith("region.key"):
                der = subprocess.run(["openssl", "pkey", "-in", path, "-outform", "DER"], check=True,
                                     capture_output=True).stdout
                assert der[-32:] not in octets, "the key's seed"
    wait_removed(hub)


def test_only_operators_and_it_is_on_the_trail(hub):
    for who in (homes.AUDITOR, homes.TEAM, homes.LEEDS):
        with hub.client(who) as client, pytest.raises(grpc.RpcError) as refused:
            list(client.call("HubService/Backup"))
        assert refused.value.code() == Code.PERMISSION_DENIED
    take(hub)
    shown = hub.run_vacancy(homes.AUDITOR, "audit", "read", "--chain", "disclosures")
    assert f"  Backup  spiffe://{hub.federation.trust_domain}/region/{library.REGION}/operator/" in shown.stdout, shown


def test_one_at_a_time_and_gone_when_the_client_goes(hub, messages):
    push(hub, messages, 1500)
    with hub.client(OPERATOR, options=NARROW) as operator, hub.client(OPERATOR) as other:
        first = begin(operator)
        assert copies_left(hub)
        with pytest.raises(grpc.RpcError) as refused:
            list(other.call("HubService/Backup"))
        assert refused.value.code() == Code.RESOURCE_EXHAUSTED and "already under way" in refused.value.details()
        first.cancel()
        wait_removed(hub)
        take(hub)
    wait_removed(hub)


def test_what_a_killed_hub_left_is_removed(hub, messages):
    push(hub, messages, 1500)
    with hub.client(OPERATOR, options=NARROW) as operator:
        under_way = begin(operator)
        hub.kill()
        del under_way
    assert copies_left(hub)
    hub.start()
    assert not copies_left(hub)
    take(hub)


def test_no_room_for_the_copy(federation, tmp_path, request, messages):
    """Refused before it begins: the register's own room stays, and the agencies notice nothing."""
    running = library.Hub(federation, tmp_path / "hub", options={("store", "reserve"): "1M"})
    request.node.hubs = [running]
    with mounts.tmpfs(running.data, 24 << 20):
        try:
            running.start()
            push(running, messages, 1000)
            with running.client(OPERATOR) as operator:
                used = operator.call("HubService/GetStatus").store_used_bytes
            filler = mounts.fill(running.data, (1 << 20) + used - (64 << 10))
            with running.client(OPERATOR) as operator, pytest.raises(grpc.RpcError) as refused:
                list(operator.call("HubService/Backup"))
            assert refused.value.code() == Code.RESOURCE_EXHAUSTED and "no room for a backup" in refused.value.details()
            wait_removed(running)
            push(running, messages, 1, prefix="after")
            os.unlink(filler)
            take(running)
            running.stop()
        finally:
            running.kill()


# --- and restored --------------------------------------------------------------------------------------------------------
def test_restored_under_load(hub, target, messages, federation, tmp_path):
    """Agencies push and teams search while backups are made: what was acknowledged before one began is in it, and the trail,
    copied while it grew, opens and verifies."""
    import random

    seed = int.from_bytes(os.urandom(4), "big")
    print(f"seed {seed}")
    homes.register_agencies(hub)
    load = pusher.Pusher(messages, random.Random(seed))
    before, octets = {}, []

    def backups():
        library.wait_until(lambda: len(load.positions) > 300 and len(load.answered) > 20, 60, "a load")
        for _ in range(5):
            with load.lock:
                before["acked"], before["positions"] = dict(load.acked), list(load.positions)
            before["answered"] = dict(load.answered)
            octets.append(take(hub))

    load.run(hub, backups)
    hub.kill()
    unpack(octets[-1], target)
    target.start()
    assert not os.path.exists(os.path.join(target.data, "restored"))
    load.acked, load.positions, load.answered = before["acked"], before["positions"], before["answered"]
    with target.client(homes.LEEDS) as leeds, target.client(OPERATOR) as operator:
        load.check(leeds, operator)
    audit_verifies(target)
    with target.client(homes.AUDITOR) as auditor:
        load.check_trail(trails.Trail(federation, library.REGION), auditor)
    push(target, messages, 3, prefix="later")
    target.stop()
    target.start()
    audit_verifies(target)
    # The four before it open as well.
    for number, each in enumerate(octets[:-1]):
        other = unpack(each, library.Hub(federation, tmp_path / f"other-{number}"))
        try:
            other.start()
            audit_verifies(other)
            other.stop()
        finally:
            other.kill()


def test_a_note_made_and_signed_by_other_means(backup, target, federation):
    """The text is what backup_note.h says: what openssl signs is taken, so the refusals below are for their reasons."""
    unpack(backup, target)
    with open(os.path.join(target.data, "restored"), encoding="ascii") as handle:
        assert signed_note(federation, note_fields(target)) == handle.read()


def refused(target):
    """It does not start, says why, and leaves the data as they were."""
    def files():
        return {path: os.path.getsize(path) for path in glob.glob(os.path.join(target.data, "**"), recursive=True)
                if os.path.isfile(path) and not path.endswith(("/lock", "lock.mdb"))}
    there = files()
    _, said = target.refuses_to_start()
    assert files() == there
    return said


def test_too_old(backup, target, federation):
    unpack(backup, target)
    fields = dict(note_fields(target))
    fields["time"] = homes.now_ms() - 36 * DAY_MS
    write_note(target, signed_note(federation, fields.items()))
    said = refused(target)
    assert "older than 35 days" in said and "persons erased" in said and "region.backup-max-age" in said
    library.write_configuration(target.configuration, federation, options={("region", "backup-max-age"): "40d"})
    target.start()
    target.stop()


def test_of_the_future(backup, target, federation):
    unpack(backup, target)
    fields = dict(note_fields(target))
    fields["time"] = homes.now_ms() + DAY_MS
    write_note(target, signed_note(federation, fields.items()))
    assert "set the clock" in refused(target)


def test_of_another_moment(backup, target, federation):
    """A young note beside older data would pass for young data."""
    unpack(backup, target)
    fields = dict(note_fields(target))
    fields["sequence"] = int(fields["sequence"]) + 1
    write_note(target, signed_note(federation, fields.items()))
    assert "not of one backup" in refused(target)


def test_of_another_region_or_key(backup, target, federation, tmp_path):
    unpack(backup, target)
    fields = dict(note_fields(target))
    other = os.path.join(federation.region("E12000001"), "region.key")
    write_note(target, signed_note(federation, fields.items(), key=other))
    assert "not signed by this region's key" in refused(target)
    fields["region"] = "E12000001"
    write_note(target, signed_note(federation, fields.items()))
    assert "is of region E12000001" in refused(target)


@pytest.mark.parametrize("text", ["", "vacancy backup v1\n", "restored\n"])
def test_a_note_that_is_none(backup, target, text):
    unpack(backup, target)
    write_note(target, text)
    assert "into an empty folder" in refused(target)


def test_an_altered_register(backup, target):
    """D6. LMDB has no checksums: a flipped octet in a record is found by the record's own check."""
    unpack(backup, target)
    path = os.path.join(target.data, "home", "data.mdb")
    with open(path, "r+b") as handle:
        octets = handle.read()
        at = octets.index(b"LS6 1AB")
        handle.seek(at)
        handle.write(bytes([octets[at] ^ 1]))
    assert "damaged" in refused(target)


@pytest.mark.parametrize("part", ["home/data.mdb", "disclosures-00000001", "disclosure-heads-a"])
def test_an_archive_cut_short(backup, target, part):
    unpack(backup, target)
    os.unlink(os.path.join(target.data, part))
    _, said = target.refuses_to_start()
    assert "unpack" in said or "restore the data folder whole" in said


def test_the_client_makes_and_proves_a_backup(hub, target, messages, tmp_path):
    push(hub, messages, 20)
    path = tmp_path / "backup.tar"
    done = hub.run_vacancy(OPERATOR, "hub", "backup", str(path))
    assert done.returncode == 0, done.stdout + done.stderr
    unpack(path.read_bytes(), target).start()
    with target.client(homes.LEEDS) as leeds:
        assert len(list(leeds.call("AgencyService/ListCarers"))) == 20
    target.stop()
