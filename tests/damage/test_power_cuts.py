"""Row D2 of faults.md: the power goes during pushes. The file system under the hub is shut down without flushing, not even
its journal; after mounting it again, what was acknowledged is there."""
import os
import random
import threading
import time

import pytest

import homes
import hub as library
import mounts
import pusher as pushers
import trail as trails

pytestmark = pytest.mark.long

CUTS = 100
SEED = int(os.environ.get("SEED") or random.randrange(1 << 30))
# A disclosure is on disk within 100 ms (design 4.8) and the time that two syncs take, which is long where everybody pushes;
# where the machine or its disk stood still in between, so much later (Stalls).
ON_DISK_S = 1.0
# Most cuts come so soon that no search is older than that; one in so many comes later.
LATE_EVERY, LATE_S = 40, 1.5
# About 1 KiB an update and as fast as the hub takes them: 128 MiB were full after some 110,000. The image is sparse.
DISK_BYTES = 2 << 30


class Stalls:
    """`with`: how long a short sleep and a sync of the disk's image take at worst. The image keeps whatever a cut keeps,
    synced or not: this saves nothing of what the hub did not sync."""

    TICK_S = 0.05

    def __init__(self, image):
        self.image, self.over, self.longest_s, self.begun = image, threading.Event(), 0.0, time.monotonic()
        self.thread = threading.Thread(target=self.run, daemon=True)

    def run(self):
        handle = os.open(self.image, os.O_RDONLY)
        try:
            while not self.over.wait(self.TICK_S):
                os.fsync(handle)
                now = time.monotonic()
                self.longest_s = max(self.longest_s, now - self.begun)
                self.begun = now
        finally:
            os.close(handle)

    def worst_s(self):
        """With what is under way."""
        return max(self.longest_s, time.monotonic() - self.begun)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.thread.join()


class PoweredHub:
    def __init__(self, federation, folder, messages):
        self.randomness = random.Random(SEED)
        self.disk, self.image = folder / "disk", folder / "image"
        mounts.make_ext4(self.image, DISK_BYTES)
        mounts.mount(self.disk, "-o", "loop", str(self.image))
        self.mounted = True
        self.hub = library.Hub(federation, folder / "hub", options={("hub", "data"): str(self.disk / "data"),
                                                                    ("log", "level"): "info"})
        self.pusher = pushers.Pusher(messages, self.randomness)
        self.trail = trails.Trail(federation, self.hub.region)

    def power_off(self):
        mounts.cut_power(self.disk)
        self.hub.kill()

    def power_on(self):
        mounts.unmount(self.disk)
        self.mounted = False
        mounts.mount(self.disk, "-o", "loop", str(self.image))
        self.mounted = True
        self.hub.start()

    def cut_while_pushing(self, late_s=0.0):
        """Searches that were answered in the last moments may be lost; those before may not."""
        done = len(self.pusher.positions)

        def end():
            self.pusher.await_answer(self.hub, done)
            time.sleep(late_s + self.randomness.uniform(0, 0.4))  # the moment is the input
            if self.randomness.random() < 0.5:  # a head that somebody has seen is on disk, and so is all that it covers
                with self.hub.client(homes.AUDITOR) as auditor:
                    self.trail.read_on(auditor)
            self.judged_until = time.monotonic() - ON_DISK_S - 2 * stalls.worst_s()
            self.power_off()

        with Stalls(self.image) as stalls:
            self.pusher.run(self.hub, end)
        self.pusher.answered = {each: at for each, at in self.pusher.answered.items() if at < self.judged_until}
        # Until it was killed the hub met a dead disk (D5): it says so, and acknowledges nothing.
        self.pusher.refused = [each for each in self.pusher.refused if "disk failed" not in str(each)]

    def check(self):
        with self.hub.client(homes.LEEDS) as leeds, self.hub.client(homes.OPERATOR) as operator, \
                self.hub.client(homes.AUDITOR) as auditor:
            self.pusher.check(leeds, operator)
            self.pusher.check_trail(self.trail, auditor)

    def close(self):
        self.hub.kill()
        if self.mounted:
            mounts.unmount(self.disk)


@pytest.mark.bound(600)
def test_power_cuts_while_agencies_push(federation, tmp_path, messages, scale):
    print(f"SEED={SEED}")
    powered = PoweredHub(federation, tmp_path, messages)
    try:
        powered.hub.start()
        homes.register_agencies(powered.hub)
        for n in range(max(3, int(CUTS * scale))):
            powered.cut_while_pushing(LATE_S if (n + 1) % LATE_EVERY == 0 else 0)
            powered.power_on()
            powered.check()
        powered.hub.stop()
    finally:
        powered.close()
    print(f"{len(powered.pusher.positions)} updates acknowledged, {len(powered.pusher.answered)} searches judged")


def test_a_power_cut_is_one(federation, tmp_path, messages):
    """The harness itself: what was not synced is gone after its cut."""
    disk, image = tmp_path / "disk", tmp_path / "image"
    mounts.make_ext4(image, 16 << 20)
    mounts.mount(disk, "-o", "loop", str(image))
    try:
        with open(disk / "synced", "wb") as handle:
            handle.write(b"x")
            handle.flush()
            os.fsync(handle.fileno())
        (disk / "unsynced").write_bytes(b"y")
        mounts.cut_power(disk)
        mounts.unmount(disk)
        mounts.mount(disk, "-o", "loop", str(image))
        assert (disk / "synced").read_bytes() == b"x"
        assert not (disk / "unsynced").exists() or (disk / "unsynced").read_bytes() == b""
    finally:
        mounts.unmount(disk)
