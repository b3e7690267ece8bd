"""Row D2 of faults.md: the power goes during pushes. The file system under the hub is shut down without flushing, not even
its journal; after mounting it again, what was acknowledged is there."""
import os
import random
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
# A disclosure is on disk within 100 ms (design 4.8) and the time that two syncs take, which is long where everybody pushes.
ON_DISK_S = 1.0
# About 1 KiB an update and as fast as the hub takes them: 128 MiB were full after some 110,000. The image is sparse.
DISK_BYTES = 2 << 30


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

    def cut_while_pushing(self):
        """Searches that were answered in the last moments may be lost; those before may not."""
        done = len(self.pusher.positions)

        def answered():
            assert not self.pusher.no_room, "the test's disk is too small"
            return len(self.pusher.positions) > done or self.pusher.refused

        def end():
            library.wait_until(answered, 30, "an answer")
            time.sleep(self.randomness.uniform(0, 0.4))  # the moment is the input
            if self.randomness.random() < 0.5:  # a head that somebody has seen is on disk, and so is all that it covers
                with self.hub.client(homes.AUDITOR) as auditor:
                    self.trail.read_on(auditor)
            self.cut_at = time.monotonic()
            self.power_off()

        self.pusher.run(self.hub, end)
        self.pusher.answered = {each: at for each, at in self.pusher.answered.items() if at < self.cut_at - ON_DISK_S}
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
        for _ in range(max(3, int(CUTS * scale))):
            powered.cut_while_pushing()
            powered.power_on()
            powered.check()
        powered.hub.stop()
    finally:
        powered.close()
    print(f"{len(powered.pusher.positions)} updates acknowledged")


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
