"""A hold lasts exactly as long as was promised, measured by the machine: not by the wall clock, whatever that does while the
hub runs, is down, stands still or its machine starts again (C1 to C6; over the federation: test_hold_races.py, which also
keeps its hubs' clocks apart, C3).

The wall clock is moved with libfaketime (tests/lib/clocks.py), the machine is restarted with a bind mount over the kernel's
boot id and a time namespace of its own: the hub knows nothing of either. What is awaited is that the hold's state changes,
asked for without pause; every answer before its end must say ACTIVE, every one after it EXPIRED.
"""
import os
import signal
import subprocess
import time
import uuid

import grpc
import pytest

import clocks
import homes
import hub as library

Code = grpc.StatusCode
HOUR_S, DAY_S = 3600, 24 * 3600
AHEAD_S = 40 * DAY_S  # certificates are valid before and after every step
EARLY_S, LATE_S = 0.005, 0.06 * library.SLOWNESS
LENGTH_S = 3
OTHER_TEAM = "placement-team E08000035 night"
BOOT_ID = "/proc/sys/kernel/random/boot_id"

ACTIVE, ENDED = "HOLD_STATE_ACTIVE", "HOLD_STATE_EXPIRED"


def each_of(name, values):
    """Under a sanitizer, which looks at the code and not at the clock's values, only the first of them."""
    names = list(values)[:1 if os.environ.get("SAN") else None]
    return pytest.mark.parametrize(name, [values[each] for each in names], ids=names)


def now_s():
    return time.clock_gettime(time.CLOCK_BOOTTIME)


@pytest.fixture(scope="module", name="lasting")
def lasting_fixture(federation):
    """Revocation lists that outlive the test's clocks."""
    federation.principal("hub")
    federation.principals([library.TEAM, OTHER_TEAM, homes.LEEDS, homes.OPERATOR])
    federation.ca("crl", "--days", "300")
    yield federation
    federation.ca("crl")


class House:
    """A hub with one vacancy of one bed, under a clock of its own."""

    def __init__(self, federation, messages, folder, request):
        self.messages = messages
        self.clock = clocks.Clock(folder / "clock", AHEAD_S)
        self.federation, self.folder = federation, folder / "hub"
        self.hub = self.new_hub()
        request.node.hubs = [self.hub]
        self.teams = {}
        self.hub.start()
        homes.register_agencies(self.hub)
        with self.hub.client(homes.LEEDS) as leeds:
            leeds.call("AgencyService/PutCarer", carer=homes.carer(messages, "H-1", observed_at_ms=self.wall_ms()))
            self.vacancy_id = leeds.call("AgencyService/PutVacancy", vacancy=homes.vacancy(
                messages, "H-1", observed_at_ms=self.wall_ms(), beds=1)).vacancy_id

    def new_hub(self, wrapper=(), environment=None):
        return library.Hub(self.federation, self.folder, options={
            ("vacancies", "hold-least"): "1s", ("log", "level"): "info"}, wrapper=wrapper,
                           environment={**self.clock.environment, **(environment or {})})

    def wall_ms(self):
        """By the hub's clock."""
        return int((time.time() + self.clock.offset_s) * 1000)

    def team(self, spec=library.TEAM):
        if spec not in self.teams:
            self.teams[spec] = self.hub.client(spec)
        return self.teams[spec]

    def forget_clients(self):
        for each in self.teams.values():
            each.close()
        self.teams.clear()

    def request_id(self):
        return str(uuid.UUID(int=self.wall_ms() << 80 | 7 << 76 | 2 << 62 | uuid.uuid4().int & (1 << 62) - 1))

    def ask_hold(self, spec=library.TEAM, length_s=LENGTH_S):
        return self.team(spec).outcome("PlacementService/HoldVacancy", request_id=self.request_id(),
                                       vacancy_id=self.vacancy_id, beds=1, request_reference="383-204417",
                                       duration_s=length_s)

    def hold(self, **how):
        return Held(self, **how)

    def kill(self):
        self.hub.kill()
        self.forget_clients()

    def stop(self):
        self.forget_clients()
        self.hub.stop()


class Held:
    """A hold, and between which moments it must end."""

    def __init__(self, house, spec=library.TEAM, length_s=LENGTH_S):
        self.house, self.spec = house, spec
        begin = now_s()
        answer = house.ask_hold(spec, length_s)
        assert answer.code == Code.OK, answer
        self.first, self.last = begin + length_s - EARLY_S, now_s() + length_s + LATE_S
        self.id = answer.response.hold.hold_id
        assert answer.response.hold.until_ms - answer.response.hold.made_at_ms == length_s * 1000

    def state(self):
        """(when asked, what it is, when answered)"""
        begin = now_s()
        view = self.house.team(self.spec).call("PlacementService/GetHold", hold_id=self.id).hold
        names = {number: name for name, number in self.house.messages.enum("HoldState").items()}
        return begin, names[view.state], now_s()

    def check(self):
        """Whether it has ended; each answer must be right."""
        begin, state, end = self.state()
        assert state in (ACTIVE, ENDED), state
        if state == ENDED:
            assert end >= self.first, f"freed {self.first - end:.3f} s early"
        else:
            assert begin <= self.last, f"still held {begin - self.last:.3f} s after its end"
        return state == ENDED

    def lasts(self):
        """It ends by itself, no sooner and no later, and then another team may hold the bed."""
        while not self.check():
            time.sleep(0.005)  # asked 200 times a second, not as fast as can be: the hub shares a core with this
        self.is_free()

    def is_free(self):
        other = self.house.ask_hold(OTHER_TEAM)
        assert other.code == Code.OK, other
        assert self.house.team().outcome("PlacementService/ExtendHold", request_id=self.house.request_id(),
                                         hold_id=self.id).code == Code.FAILED_PRECONDITION

    def is_kept(self):
        assert self.state()[1] == ACTIVE
        assert self.house.ask_hold(OTHER_TEAM).code == Code.FAILED_PRECONDITION


@pytest.fixture(name="house")
def house_fixture(lasting, messages, tmp_path, request):
    standing = House(lasting, messages, tmp_path, request)
    try:
        yield standing
        standing.stop()
    finally:
        standing.hub.kill()


STEPS = {"an hour ahead": HOUR_S, "an hour back": -HOUR_S, "three days ahead": 3 * DAY_S, "three days back": -3 * DAY_S}


@each_of("by_s", STEPS)
def test_wall_clock_steps(house, by_s):
    """C1"""
    held = house.hold()
    house.clock.step(by_s)
    held.is_kept()
    held.lasts()


def test_wall_clock_goes_a_year_ahead(house):
    """C1; what was confirmed is long out of date by then, and the bed is promised all the same."""
    held = house.hold()
    held.state()
    house.clock.step(300 * DAY_S)
    while not held.check():
        time.sleep(0.005)


def test_wall_clock_goes_back_and_forth(house):
    """C1"""
    held = house.hold()
    steps = 0
    while not held.check():
        steps += 1
        house.clock.step((HOUR_S, -2 * HOUR_S, HOUR_S + 1, -1)[steps % 4])
        time.sleep(0.02)
    house.clock.set(AHEAD_S)
    held.is_free()
    assert steps > 20


def test_an_extension_is_as_long_as_was_asked(house):
    """C1"""
    held = house.hold(length_s=2)
    house.clock.step(HOUR_S)
    begin = now_s()
    house.team().call("PlacementService/ExtendHold", request_id=house.request_id(), hold_id=held.id, duration_s=2)
    assert begin < held.first
    held.first, held.last = held.first + 2, held.last + 2
    house.clock.step(-2 * HOUR_S)
    held.lasts()


@each_of("by_s", {"30 days back": -30 * DAY_S, "a day ahead": DAY_S})
def test_another_wall_clock_at_start(house, by_s):
    """C2"""
    held = house.hold(length_s=5)
    house.kill()
    house.clock.step(by_s)
    house.hub.start()
    held.is_kept()
    held.lasts()
    with house.hub.client(homes.LEEDS) as leeds:  # what is recorded from here on is not older than what was
        told = [each.event.at_ms for each in leeds.call("AgencyService/GetHistory")]
    assert len(told) > 4 and told == sorted(told)


@pytest.mark.parametrize("length_s", [2, 8], ids=["ended meanwhile", "goes on"])
def test_standing_still(house, length_s):
    """C4"""
    held = house.hold(length_s=length_s)
    house.hub.process.send_signal(signal.SIGSTOP)
    asked = house.team(OTHER_TEAM).stub("PlacementService/HoldVacancy").future(house.messages.HoldVacancyRequest(
        request_id=house.request_id(), vacancy_id=house.vacancy_id, beds=1, request_reference="383-204417",
        duration_s=2), timeout=20)
    library.wait_until(lambda: now_s() > held.first - length_s + 4, 10, "twice the shorter hold's length")
    house.hub.process.send_signal(signal.SIGCONT)
    if length_s == 2:
        assert asked.result().hold.hold_id != held.id  # the first call after it is right
        assert held.check()
    else:
        assert asked.exception().code() == Code.FAILED_PRECONDITION
        held.lasts()


@each_of("by_s", {"an hour ahead": HOUR_S, "an hour back": -HOUR_S, "same clock": 0})
@pytest.mark.parametrize("away_s", [0, 3], ids=["at once", "after its end"])
def test_restart_in_the_middle(house, by_s, away_s):
    """C5"""
    held = house.hold(length_s=5 if not away_s else 2)
    house.kill()
    house.clock.step(by_s)
    library.wait_until(lambda: not away_s or now_s() > held.last, 10, "the hold's end")
    house.hub.start()
    if away_s:
        held.is_free()
        assert held.check()
    else:
        held.is_kept()
        held.lasts()


# --- the machine starts again -------------------------------------------------------------------------------------

REBOOT = ["unshare", "--mount", "--propagation", "private", "--time"]


def forbidden():
    """Why no machine can be restarted here; None: it can."""
    if os.environ.get("SAN"):
        return "a hub with a sanitizer does not come up there; test_register_expiry has the same on a fake clock"
    done = subprocess.run([*REBOOT, "--boottime", "1000000", "sh", "-c", f"mount --bind /dev/null {BOOT_ID} && "
                           "cut -d. -f1 /proc/uptime"], capture_output=True, text=True, check=False)
    if done.returncode:
        return done.stderr.strip()
    return None if int(done.stdout) > now_s() + 900_000 else "a program that is started is not in its time namespace"


def reboot(house, boottime_s, by_s=0):
    """Killed, and started again by another boot, whose boot clock differs by boottime_s; the wall clock went by by_s."""
    why = forbidden()
    if why:
        pytest.skip(f"no time namespaces: {why}")
    house.kill()
    house.clock.step(by_s)
    boot_id = house.folder.parent / "boot_id"
    boot_id.write_text(f"{uuid.uuid4()}\n", encoding="ascii")
    before = house.hub
    preload = house.clock.environment["LD_PRELOAD"]  # for the hub only: a sanitizer's runtime is nothing for mount
    house.hub = house.new_hub(["env", "-u", "LD_PRELOAD", *REBOOT, "--boottime", str(boottime_s), "sh", "-c",
                               f'mount --bind {boot_id} {BOOT_ID} && LD_PRELOAD="{preload}" exec "$@"', "reboot"])
    assert before.folder == house.hub.folder
    house.hub.start()


def boot_clock_begins_anew():
    return -(int(now_s()) - 5)


@pytest.mark.parametrize("boottime_s", [None, 365 * DAY_S, 1], ids=["begins anew", "is a year ahead", "looks the same"])
def test_reboot_in_the_middle(house, boottime_s):
    """C5: after it the wall clock says how long it took, whatever the boot clock shows."""
    held = house.hold(length_s=6)
    reboot(house, boot_clock_begins_anew() if boottime_s is None else boottime_s)
    held.is_kept()
    held.lasts()


def test_reboot_after_the_end(house):
    """C5"""
    held = house.hold(length_s=1)
    house.kill()
    library.wait_until(lambda: now_s() > held.last, 10, "the hold's end")
    reboot(house, boot_clock_begins_anew())
    held.is_free()


def test_reboot_and_the_wall_clock_went_back(house):
    """C5: a hold outlives its length by what the reboot took, at most, and is not freed early."""
    held = house.hold(length_s=4)
    down = now_s()
    reboot(house, boot_clock_begins_anew(), -HOUR_S)
    held.last += now_s() - down
    held.is_kept()
    held.lasts()


def test_reboot_and_the_wall_clock_went_far_ahead(house):
    """C5: nobody can tell a long time away from a step: what the clock says has passed, has."""
    held = house.hold(length_s=60)
    reboot(house, boot_clock_begins_anew(), HOUR_S)
    assert held.state()[1] == ENDED
    held.is_free()


def test_two_reboots(house):
    """C5"""
    held = house.hold(length_s=8)
    reboot(house, boot_clock_begins_anew())
    reboot(house, 30 * DAY_S)
    held.is_kept()
    held.lasts()


@pytest.mark.parametrize("speed", [10, 0.1])
def test_wall_clock_of_another_speed(house, speed):
    """C6"""
    house.kill()
    house.clock.set_speed(speed)
    house.hub.start()
    house.hold().lasts()
