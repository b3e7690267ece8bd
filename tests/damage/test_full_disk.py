"""Rows D3 and D7 of faults.md: the room ends in the middle of pushes. RESOURCE_EXHAUSTED; what was acknowledged stays;
reads go on; withdrawals go on from the reserve; with room the service resumes by itself."""
import os
import random
import threading

import grpc
import pytest

import homes
import hub as library
import mounts
import pusher as pushers
import trail as trails

pytestmark = pytest.mark.check

Code = grpc.StatusCode
FULL = Code.RESOURCE_EXHAUSTED
FIND = "PlacementService/FindVacancies"
SEED = int(os.environ.get("SEED") or random.randrange(1 << 30))


class Service:
    """A hub with homes that may be withdrawn, and whoever asks."""

    def __init__(self, hub, messages, homes_count=60):
        self.hub, self.messages, self.homes_count, self.late = hub, messages, homes_count, 0
        hub.start()
        homes.register_agencies(hub)
        self.open()
        self.references = [f"W-{n:03}" for n in range(homes_count)]
        homes.submit_all(self.others, [("put_carer", {"carer": homes.carer(messages, each)}) for each in self.references])
        homes.submit_all(self.others, [("put_vacancy", {"vacancy": homes.vacancy(messages, each)})
                                       for each in self.references])
        self.pusher = pushers.Pusher(messages, random.Random(SEED))
        self.trail = trails.Trail(hub.federation, hub.region)
        print(f"SEED={SEED}")

    def open(self):
        self.leeds, self.others = self.hub.client(homes.LEEDS), self.hub.client(homes.HOMES)
        self.team, self.operator = self.hub.client(homes.TEAM), self.hub.client(homes.OPERATOR)
        self.auditor = self.hub.client(homes.AUDITOR)

    def close(self):
        for each in self.leeds, self.others, self.team, self.operator, self.auditor:
            each.close()

    def push_until_full(self):
        """Big updates, until 20 are refused for want of room."""
        stop = threading.Event()
        thread = threading.Thread(target=self.pusher.push, args=(self.hub, stop))
        thread.start()
        try:
            library.wait_until(lambda: self.pusher.no_room >= 20 or not thread.is_alive(), 90, "the room to end")
        finally:
            stop.set()
            thread.join(30 * library.SLOWNESS)
        assert not thread.is_alive()

    def push_is_refused(self):
        """Close to the end few updates may still find room where many together don't: so many, fewer, one by one."""
        for size in 64, 16, 4:
            refused = False
            while not refused:
                refused = {each.code for each in self.submit(size)} == {8}
        for _ in range(8000):
            got = self.push_one()
            if got.code != Code.OK:
                break
        assert got.code == FULL, got
        return got

    def submit(self, count):
        self.late += count
        return self.others.call("AgencyService/Submit", [
            self.others.request("AgencyService/Submit", tag=n, put_carer={
                "carer": homes.carer(self.messages, f"late-{self.late - n}")}) for n in range(count)], timeout=30 * library.SLOWNESS)

    def push_one(self):
        self.late += 1
        return self.others.outcome("AgencyService/PutCarer", carer=homes.carer(self.messages, f"late-{self.late}"))

    def push_works(self):
        return self.push_one().code == Code.OK

    def reads_go_on(self):
        self.pusher.check(self.leeds, self.operator)
        kept = {each.carer.carer.agency_reference for each in self.others.call("AgencyService/ListCarers")}
        assert kept >= {f"W-{n:03}" for n in range(self.homes_count)}
        found = self.team.call(FIND, homes.search(self.messages, limit=100))
        assert found.options

    def withdraw(self, count):
        for _ in range(count):
            got = self.others.outcome("AgencyService/WithdrawVacancy", agency_reference=self.references.pop(),
                                      observed_at_ms=homes.now_ms())
            assert got.code == Code.OK, got

    def restart_and_check(self):
        self.close()
        self.hub.stop()
        self.hub.start()
        self.open()
        self.pusher.check(self.leeds, self.operator)
        self.pusher.check_trail(self.trail, self.auditor)
        self.close()
        self.hub.stop()


def test_the_hubs_own_limit(federation, messages, tmp_path):
    """D3, D7: [store] limit; then the operator raises it."""
    options = {("store", "limit"): "8M", ("store", "reserve"): "1M", ("log", "level"): "info"}
    hub = library.Hub(federation, tmp_path / "hub", options=options)
    try:
        service = Service(hub, messages)
        service.push_until_full()
        assert "full" in service.push_is_refused().message
        assert not service.operator.call("HubService/GetStatus").writable
        service.reads_go_on()
        listed = len(service.others.call("AgencyService/ListVacancies"))
        service.withdraw(40)
        assert len(service.others.call("AgencyService/ListVacancies")) == listed - 40
        service.references += [f"W-{n:03}" for n in range(20, 60)]
        confirmed = service.others.call("AgencyService/ConfirmVacancies", observed_at_ms=homes.now_ms(), all=True)
        assert confirmed.confirmed == 20
        service.push_is_refused()
        service.reads_go_on()
        service.close()
        hub.stop()
        hub.start()  # still full: it starts, and shows what it has
        service.open()
        service.push_is_refused()
        service.reads_go_on()
        service.close()
        hub.stop()
        library.write_configuration(hub.configuration, federation, options={**options, ("store", "limit"): "64M"})
        hub.start()
        service.open()
        assert service.push_works() and service.operator.call("HubService/GetStatus").writable
        service.restart_and_check()
    finally:
        hub.kill()


def fill_while_pushing(service, disk):
    """Somebody else's file takes all that is left, to the last octet, in the middle of pushes."""
    stop = threading.Event()
    thread = threading.Thread(target=service.pusher.push, args=(service.hub, stop))
    thread.start()
    filler = mounts.fill(disk, 0, "filler2")
    try:
        library.wait_until(lambda: service.pusher.no_room >= 5 or not thread.is_alive(), 60, "the disk to be full")
    finally:
        stop.set()
        thread.join(30 * library.SLOWNESS)
    return filler


def full_disk(federation, messages, disk, folder):
    hub = library.Hub(federation, folder, options={("hub", "data"): str(disk / "data"), ("store", "reserve"): "4M",
                                                   ("log", "level"): "info"})
    hub.data = str(disk / "data")
    try:
        service = Service(hub, messages)
        first = mounts.fill(disk, 7 << 20)
        service.push_until_full()
        service.push_is_refused()
        service.reads_go_on()
        service.withdraw(20)
        service.references += [f"W-{n:03}" for n in range(40, 60)]
        second = fill_while_pushing(service, disk)
        assert hub.alive()
        # Not an octet is left: no audit record can be kept, so nothing is written, and nothing shown (invariants 6, 8).
        for got in (service.push_one(),
                    service.team.outcome(FIND, homes.search(messages))):
            assert got.code in (FULL, Code.UNAVAILABLE, Code.OK), got
        os.unlink(second)
        os.unlink(first)
        library.wait_until(service.push_works, 10 * library.SLOWNESS, "the service to resume without a restart")
        library.wait_until(lambda: service.team.outcome(FIND, homes.search(messages)).code == Code.OK, 10 * library.SLOWNESS,
                           "searches")
        assert service.operator.call("HubService/GetStatus").writable
        service.reads_go_on()
        done = len(service.pusher.positions)
        stop = threading.Event()
        thread = threading.Thread(target=service.pusher.push, args=(hub, stop))
        thread.start()
        library.wait_until(lambda: len(service.pusher.positions) > done + 500, 30 * library.SLOWNESS, "500 more updates")
        stop.set()
        thread.join(30 * library.SLOWNESS)
        service.restart_and_check()
    finally:
        hub.kill()


def test_a_full_tmpfs(federation, messages, tmp_path):
    """D3"""
    with mounts.tmpfs(tmp_path / "disk", 48 << 20) as disk:
        full_disk(federation, messages, disk, tmp_path / "hub")


def test_a_full_ext4(federation, messages, tmp_path):
    """D3, where the file system allocates late."""
    with mounts.ext4(tmp_path / "disk", tmp_path / "image", 96 << 20) as disk:
        full_disk(federation, messages, disk, tmp_path / "hub")
