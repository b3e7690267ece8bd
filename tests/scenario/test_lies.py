"""Forks and lies: what a hub that holds a true hub's certificate, or even a region's key, can do to another's replica.
Nothing unproven is shown, other regions flow, the evidence is kept, and the operator's procedure ends it (R5 to R10).

The victim is a real hub; the others are made in tests/lib/liar.py, with the regions' own keys.
"""
import os

import pytest

import homes
import hub as library
import hubs
import liar

HERE, HOME, RELAY = "E12000003", "E12000006", "E12000009"  # the victim; whose log it is about; another hub

FROZEN_FORK = 1  # proto Frozen


class Stage:
    def __init__(self, federation, folder):
        self.federation, self.folder = federation, str(folder)
        for region in (HERE, HOME, RELAY):
            federation.principal("hub", region)
        self.ports = {region: hubs.free_port() for region in (HERE, HOME, RELAY)}
        self.home, self.relay = (liar.Hub(federation, region, self.ports[region]) for region in (HOME, RELAY))
        self.version = 0
        self.write_roster()
        self.victim = library.Hub(federation, self.folder, HERE, options={
            ("hub", "listen"): f"127.0.0.1:{self.ports[HERE]}", ("issuers", "issuer"): None,
            ("federation", "roster"): os.path.join(self.folder, "roster"),
            ("federation", "roster-key"): os.path.join(federation.folder, "roster.pub")})
        # One log of HOME's, honest at first; and the relay's own region's.
        self.log = liar.Log(federation, HOME).open_epoch().agency("first")
        self.home.logs = {HOME: self.log}
        self.relay.logs = {RELAY: liar.Log(federation, RELAY).open_epoch().agency("relay's own")}

    def write_roster(self, *extra):
        self.version += 1
        body = hubs.roster_body(self.federation, [HERE, HOME, RELAY], self.version,
                                [(region, "127.0.0.1", port) for region, port in self.ports.items()], extra)
        path = os.path.join(self.folder, "roster")
        with open(path + ".new", "w", encoding="ascii") as handle:
            handle.write(hubs.sign_roster(self.federation, body))
        os.rename(path + ".new", path)

    def start(self):
        self.victim.start()
        return self

    def stop(self):
        self.home.stop()
        self.relay.stop()
        self.victim.stop()

    def regions(self):
        with self.victim.client(homes.OPERATOR) as operator:
            return {each.region: each for each in operator.call("HubService/ListRegions").regions}

    def wait(self, condition, what, bound_s=20):
        try:
            return library.wait_until(lambda: condition(self.regions()), bound_s * library.SLOWNESS, what)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.regions()}\n{self.victim.log_text()[-3000:]}") from None

    def wait_sequence(self, region, sequence):
        return self.wait(lambda rows: rows[region].sequence == sequence, f"{region} at {sequence}")

    def others_flow(self):
        """The relay's own region goes on, whatever is wrong with HOME's."""
        log = self.relay.logs[RELAY].agency(f"news {self.relay.logs[RELAY].sequence}")
        self.wait_sequence(RELAY, log.sequence)


@pytest.fixture
def stage(federation, tmp_path):
    made = Stage(federation, tmp_path)
    yield made
    made.stop()


def test_an_honest_hub_is_followed_with_its_log_relayed(stage):
    """The ground for all that follows: what is written here in Python is proven there, digest and all."""
    stage.home.start()
    stage.relay.start()
    stage.start()
    stage.wait_sequence(HOME, 2)
    stage.log.agency("second").agency("other", "other-agency").put(liar.AGENCY, b"made-up", None)
    row = stage.wait_sequence(HOME, 5) and stage.regions()[HOME]
    assert row.records == 1 and row.state_digest in stage.log.text() and row.epoch == 1
    # Home is gone; the relay has more of its log than we: it is taken from there.
    stage.home.stop()
    further = stage.log.copy().agency("third")
    stage.relay.logs[HOME] = further
    stage.wait(lambda rows: rows[HOME].sequence == 6 and getattr(rows[HOME], "from") == RELAY, "the relay to be followed")


def flip(field):
    def mangle(batch):
        if batch.region == HOME and batch.entries:
            octets = bytearray(getattr(batch.entries[-1], field))
            octets[-1] ^= 1
            setattr(batch.entries[-1], field, bytes(octets))
        return batch
    return mangle


def drop_one(batch):
    if batch.region == HOME and len(batch.entries) > 1:
        del batch.entries[-2]
    return batch


def other_key(stage):
    def mangle(batch):
        if batch.region == HOME:
            key = os.path.join(stage.federation.region(RELAY), "region.key")
            batch.checkpoint.CopyFrom(stage.relay.logs[HOME].checkpoint(key))
        return batch
    return mangle


def text(**changes):
    def made(stage):
        def mangle(batch):
            if batch.region == HOME:
                # The signature of what it should say: changed after signing.
                batch.checkpoint.text = stage.relay.logs[HOME].text(**changes)
            return batch
        return mangle
    return made


LIES = {
    "a payload flipped (R6)": lambda stage: flip("payload"),
    "a header flipped (R6)": lambda stage: flip("header"),
    "a salt flipped": lambda stage: flip("salt"),
    "an entry left out (R9)": lambda stage: drop_one,
    "signed by another region's key (R7)": other_key,
    "a checkpoint with another head": text(head="00" * 32),
    "a checkpoint with another count": text(records=7),
}


@pytest.mark.parametrize("lie", LIES, ids=list(LIES))
def test_a_lying_relay_is_left_for_the_truth(stage, lie):
    """Nothing of it is shown; another source gives what is true; the region is not frozen."""
    stage.relay.logs[HOME] = stage.log.copy().agency("second").agency("third")
    stage.relay.mangle = LIES[lie](stage)
    stage.relay.start()
    stage.start()
    stage.wait(lambda rows: rows[RELAY].present, "the relay's own region")
    library.wait_until(lambda: any(region == HOME for region, _ in stage.relay.takes), 20 * library.SLOWNESS, "the lie told")
    stage.others_flow()
    assert not stage.regions()[HOME].present
    stage.log.agency("second").agency("third")
    stage.home.start()
    stage.wait_sequence(HOME, stage.log.sequence)
    row = stage.regions()[HOME]
    assert row.frozen == 0 and row.state_digest in stage.log.text()


def test_a_relay_that_withholds(stage):
    """It says that it has more, and sends nothing: another source is taken."""
    stage.relay.logs[HOME] = stage.log.copy().agency("second")
    stage.relay.mangle = lambda batch: None if batch.region == HOME else batch
    stage.relay.start()
    stage.start()
    stage.wait(lambda rows: rows[RELAY].present, "the relay's own region")
    stage.log.agency("second")
    stage.home.start()
    stage.wait_sequence(HOME, 3)


def frozen_by(stage, other):
    """HOME's key signs another history, and the relay has it."""
    stage.relay.logs[HOME] = other
    stage.relay.start()
    stage.home.stop()
    return stage.wait(lambda rows: rows[HOME].frozen == FROZEN_FORK, "the fork to be seen")


def test_a_fork_is_frozen_with_its_evidence_and_thawed_by_the_roster(stage):
    """R8: the same position, other content, both signed by the region's own key."""
    before = stage.log.copy()
    stage.home.start()
    stage.log.agency("as the first followers saw it")
    stage.start()
    stage.wait_sequence(HOME, 3)
    other = before.copy().agency("as others saw it").agency("and more")
    frozen_by(stage, other)
    row = stage.regions()[HOME]
    assert row.sequence == 3 and row.state_digest in stage.log.text(), "it stands at what was proven"
    assert len(row.evidence) == 2
    assert {each.text for each in row.evidence} & {other.newest().text}
    assert "E12000006" in stage.victim.log_text() and row.frozen_why
    stage.others_flow()
    # Frozen it stays, over a restart and whatever comes.
    stage.victim.stop()
    stage.start()
    stage.relay.logs[HOME].agency("still more")
    stage.others_flow()
    assert stage.regions()[HOME].frozen == FROZEN_FORK and stage.regions()[HOME].sequence == 3
    # The region's operator has promoted the surviving hub, and the national root names its epoch.
    survivor = other.copy().agency("promoted").open_epoch().agency("in the new epoch")
    stage.relay.logs[HOME] = survivor
    stage.write_roster(f"thaw {HOME} epoch {survivor.epoch} {survivor.epoch_id.hex()}")
    stage.victim.reload()
    stage.wait_sequence(HOME, survivor.sequence)
    row = stage.regions()[HOME]
    assert row.frozen == 0 and row.epoch == 2 and row.state_digest in survivor.text()


def test_two_epochs_of_one_number_are_a_fork(stage):
    stage.home.start()
    stage.start()
    stage.wait_sequence(HOME, 2)
    frozen_by(stage, liar.Log(stage.federation, HOME).open_epoch().agency("x").agency("y"))
    assert stage.regions()[HOME].sequence == 2
    stage.others_flow()


def test_an_older_epoch_replayed_changes_nothing(stage):
    """R10: a head that goes back, of an epoch that another has followed."""
    old = stage.log.copy().agency("in the first epoch").agency("that was lost in a restore")
    stage.log.open_epoch().agency("in the second")
    stage.home.start()
    stage.start()
    stage.wait_sequence(HOME, stage.log.sequence)
    stage.relay.logs[HOME] = old.agency("x").agency("y")
    stage.relay.start()
    stage.others_flow()
    row = stage.regions()[HOME]
    assert row.epoch == 2 and row.sequence == 4 and row.frozen == 0
    stage.log.agency("and on")
    stage.wait_sequence(HOME, 5)


def test_ahead_of_a_restored_regions_new_epoch_takes_a_snapshot(stage):
    """What a lost disk took is undone nowhere in place: the follower fetches the state afresh, old data served until then."""
    before = stage.log.copy()
    stage.log.agency("lost").agency("in the crash")
    stage.home.start()
    stage.start()
    stage.wait_sequence(HOME, 4)
    restored = before.open_epoch().agency("after the restore")
    stage.home.stop()
    stage.home.logs[HOME] = restored
    stage.home.start()
    stage.wait(lambda rows: rows[HOME].epoch == 2 and rows[HOME].sequence == 4, "the new epoch")
    row = stage.regions()[HOME]
    assert stage.home.snapshots >= 1 and row.state_digest in restored.text() and row.frozen == 0


@pytest.mark.parametrize("lie", ["lacks a record", "adds a record", "another value", "a header left out"])
def test_a_snapshot_that_is_not_the_regions(stage, lie):
    """It is never shown; the true one from another source is."""
    for n in range(5):
        stage.log.agency(f"agency {n}", f"agency-{n}")
    restored = stage.log
    stage.home.logs = {}
    before = stage.log.copy()
    before.entries, before.heads = before.entries[:2], before.heads[:3]
    stage.relay.logs[HOME] = restored
    honest = stage.relay.records

    def records(log):
        made = honest(log)
        if lie == "lacks a record":
            del made.records[2]
        elif lie == "adds a record":
            made.records.add(table=2, key=b"zz", value=made.records[0].value)
        elif lie == "another value":
            made.records[1].value = made.records[0].value
        return made

    stage.relay.records = records
    stage.relay.mangle = lambda batch: None if batch.region == HOME else batch
    restored.horizon = 3  # the log's beginning is gone: only a snapshot leads there
    restored.signed.clear()
    original = stage.relay.follow

    def follow(requests, context):
        import stubs
        for message in original(requests, context):
            yield message
            if message.WhichOneof("item") == "positions" and any(region == HOME for region, _ in stage.relay.takes):
                stage.relay.takes = [each for each in stage.relay.takes if each[0] != HOME]
                yield stubs.load().FollowResponse(refusal={"region": HOME, "reason": 2, "checkpoint": restored.newest()})

    stage.relay.follow = follow
    if lie == "a header left out":
        entries = restored.entries
        stage.relay.logs[HOME] = restored.copy()
        stage.relay.logs[HOME].entries = entries[:3] + entries[4:]
        stage.relay.logs[HOME].signed = {len(entries) - 1: restored.newest()}
    stage.relay.start()
    stage.start()
    library.wait_until(lambda: stage.relay.snapshots, 20 * library.SLOWNESS, "the snapshot to be asked for")
    stage.others_flow()
    assert not stage.regions()[HOME].present
    stage.home.logs = {HOME: restored}
    restored.horizon = 0
    restored.signed.clear()
    stage.home.start()
    stage.wait_sequence(HOME, restored.sequence)
    assert stage.regions()[HOME].state_digest in restored.text()


def test_a_clock_hours_off_is_told_and_believed_for_nothing(stage):
    """R12: signed in the future: applied, marked, its age counted from when it came."""
    stage.log.clock_ahead_ms = 5 * 3600 * 1000
    stage.home.start()
    stage.start()
    row = stage.wait_sequence(HOME, 2) and stage.regions()[HOME]
    assert abs(row.clock_differs_ms - 5 * 3600 * 1000) < 60000 * library.SLOWNESS
    assert row.age_ms < 60000


@pytest.mark.parametrize("garbage", ["a region of no roster", "a huge entry", "a batch of nothing", "an endless batch"])
def test_a_peer_that_breaks_the_protocol(stage, garbage):
    """R11, R13: one clear line, and the others flow."""
    def mangle(batch):
        if batch.region == HOME:
            if garbage == "a region of no roster":
                batch.region = "E12000001"
            elif garbage == "a huge entry":
                batch.entries[-1].payload = bytes(900_000)
            elif garbage == "a batch of nothing":
                batch.ClearField("checkpoint")
                del batch.entries[:]
            else:
                batch.ClearField("checkpoint")
        return batch

    stage.home.mangle = mangle
    stage.home.start()
    stage.relay.start()
    stage.start()
    library.wait_until(lambda: stage.home.takes, 20 * library.SLOWNESS, "the garbage sent")
    stage.others_flow()
    assert not stage.regions()[HOME].present
    assert stage.victim.alive()
