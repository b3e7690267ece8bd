"""Rows D1 and D2 of faults.md: what was acknowledged is found again, whatever ended the hub; and what was shown is on the
trail. Seeds are printed; SEED takes one."""
import concurrent.futures
import os
import random
import time

import pytest

import homes
import hub as library
import pusher as pushers
import trail as trails

KILLS, KILLS_LONG = 200, 1000
KILLS_PER_HUB = 25
SEED = int(os.environ.get("SEED") or random.randrange(1 << 30))


class Victim:
    """A hub, killed again and again."""

    def __init__(self, federation, folder, messages, seed, options=None):
        self.randomness = random.Random(seed)
        self.hub = library.Hub(federation, folder, options={("log", "level"): "info", **(options or {})})
        self.pusher = pushers.Pusher(messages, self.randomness)
        self.trail = trails.Trail(federation, self.hub.region)
        self.sequence = 0

    def prepare(self):
        self.hub.start()
        homes.register_agencies(self.hub)
        with self.hub.client(homes.LEEDS) as leeds:
            for answer in leeds.call("AgencyService/Submit", (
                    leeds.request("AgencyService/Submit", tag=tag, **{kind: fields})
                    for tag, kind, fields in [self.pusher.update() for _ in range(60)])):
                self.pusher.take(answer)
        self.hub.kill()

    def kill_while_starting(self):
        self.hub.launch()
        time.sleep(self.randomness.uniform(0, 0.15))  # the moment is the input
        self.hub.kill()

    def kill_while_pushing(self):
        self.hub.start()
        done = len(self.pusher.positions)

        def end():
            self.pusher.await_answer(self.hub, done)
            time.sleep(self.randomness.uniform(0, 0.12))
            self.hub.kill()

        self.pusher.run(self.hub, end)

    def check(self):
        self.hub.start()
        with self.hub.client(homes.LEEDS) as leeds, self.hub.client(homes.OPERATOR) as operator, \
                self.hub.client(homes.AUDITOR) as auditor:
            status = self.pusher.check(leeds, operator)
            assert status.sequence >= self.sequence and status.epoch == 1
            self.sequence = status.sequence
            self.pusher.check_trail(self.trail, auditor)
        self.hub.kill()

    def go(self, kills):
        try:
            self.prepare()
            for _ in range(kills):
                if self.randomness.random() < 0.1:
                    self.kill_while_starting()
                self.kill_while_pushing()
                self.check()
            self.hub.start()
            self.hub.stop()
            return len(self.pusher.positions)
        finally:
            self.hub.kill()


def kill_often(federation, folder, messages, kills):
    """Two hubs at a time; several for all the kills, so that each stays small."""
    print(f"SEED={SEED}")
    for spec in homes.LEEDS, homes.TEAM, homes.OPERATOR, homes.AUDITOR, "hub":
        federation.principal(spec)  # before the threads
    shares = [min(KILLS_PER_HUB, kills - start) for start in range(0, kills, KILLS_PER_HUB)]
    victims = [Victim(federation, folder / f"hub{n}", messages, SEED + n) for n in range(len(shares))]
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        acknowledged = sum(pool.map(Victim.go, victims, shares))
    print(f"{kills} kills, {acknowledged} updates acknowledged")
    assert acknowledged >= 10 * kills


@pytest.mark.check
@pytest.mark.bound(240)
def test_killed_while_agencies_push(federation, tmp_path, messages, scale):
    """D1"""
    kill_often(federation, tmp_path, messages, max(4, int(KILLS * scale)))


@pytest.mark.long
@pytest.mark.bound(1200)
def test_killed_1000_times(federation, tmp_path, messages, scale):
    """D1"""
    kill_often(federation, tmp_path, messages, max(4, int(KILLS_LONG * scale)))
