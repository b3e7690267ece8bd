"""Teams race for beds over three hubs while these are killed, cut off, stalled and given other clocks; what everybody was
answered must be what one owner of each bed could have said.

    /usr/bin/python3 tests/race/race.py [--operations 3000] [--seconds 20] [--seed N]      by hand; in the tests:
    tests/damage/test_hold_races.py

Owns: the hubs with their clocks, the vacancies and their renewal once placed, the faults (one seed), when the machine itself
stood still, the processes of clients (load.py), the verdict. Not here: how a history is judged (linear.py).
"""
import argparse
import collections
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "lib"))
sys.path.insert(0, HERE)
sys.dont_write_bytecode = True

import grpc

import client
import clocks
import history
import homes
import hub as library
import hubs as many
import linear
import stubs
from history import OK, REFUSED, WITHDRAW, Operation
from hubs import NORTH, WEST, YORKSHIRE

# Newcastle, Manchester, Leeds: their teams' authorities, and the DfE numbers with which these refer to requests.
AUTHORITIES = {NORTH: "E08000021", WEST: "E08000003", YORKSHIRE: "E08000035"}
REFERENCES = {NORTH: "391-204417", WEST: "352-204417", YORKSHIRE: "383-204417"}
BEDS = {NORTH: (1, 1, 2, 2, 1), WEST: (1, 2, 1, 2), YORKSHIRE: (2, 1, 1, 2, 1)}  # 20 in all
CLIENTS, PROCESSES = 51, 3
LENGTHS_S = (1, 4)
DEADLINES_S = (0.6, 1.5, 3)
# Until when what was asked may still be done after its deadline: as long as this test itself holds things up (a hub or
# a link is stopped for at most STOPPED_S, a restart waits in line), and a second; longer where the machine stood still.
BOUND_S = 3 * library.SLOWNESS
STOPPED_S = 1.2
SLACK_MS = 50 * library.SLOWNESS
AHEAD_S = 2 * 24 * 3600  # of all hubs: certificates are valid before and after every step, request ids are old enough
SKEW_S = {NORTH: 0, WEST: 600, YORKSHIRE: -600}  # C3
STEPS_S = (3600, -3600, 60, -60, 2, -2, 24 * 3600, -24 * 3600)
QUIET_END_S = 3


class Agency(threading.Thread):
    """Everything that the agencies do but answering holds: offers the vacancies, and offers anew what is all placed."""

    def __init__(self, race):
        super().__init__(daemon=True)
        self.race, self.over, self.problem = race, threading.Event(), None
        self.vacancies = {}   # (region, reference) -> {id, region, beds}
        self.beds, self.operations, self.moment = {}, [], 0
        self.renewed = 0
        self.clients = {}

    def call(self, region, method, **fields):
        if region not in self.clients:
            self.clients[region] = self.race.hubs[region].client(homes.LEEDS)
        return self.clients[region].call(method, timeout=3, **fields)

    def observed(self):
        """In order, and before any hub's now."""
        self.moment = max(self.moment + 1, int((time.time() - 3600) * 1000))
        return self.moment

    def offer(self, region, reference, beds):
        messages = self.race.messages
        self.call(region, "AgencyService/PutCarer", carer=homes.carer(
            messages, reference, observed_at_ms=self.observed(), places=6, bedrooms=6, placed_children=[], terms={
                "max_children": 6, "age_from_months": 60, "age_below_months": 192,
                "care_types": [messages.enum("CareType")["CARE_TYPE_SHORT_TERM"]]}))
        answer = self.call(region, "AgencyService/PutVacancy", vacancy=homes.vacancy(
            messages, reference, observed_at_ms=self.observed(), beds=beds))
        self.vacancies[region, reference] = {"id": answer.vacancy_id, "region": region, "beds": beds}
        self.beds[answer.vacancy_id] = beds
        self.write()

    def write(self):
        with open(self.race.vacancies_path + ".new", "w", encoding="utf-8") as handle:
            json.dump(list(self.vacancies.values()), handle)
        os.rename(self.race.vacancies_path + ".new", self.race.vacancies_path)

    def persist(self, attempt):
        """Until the hub answers; None when the race is over before."""
        while not self.over.is_set():
            try:
                return attempt()
            except grpc.RpcError as error:
                if error.code() in (grpc.StatusCode.FAILED_PRECONDITION, grpc.StatusCode.NOT_FOUND):
                    return error.code()
            self.over.wait(0.1)
        return None

    def run(self):
        try:
            placed = self.race.messages.enum("VacancyState")["VACANCY_STATE_PLACED"]
            while not self.over.wait(0.5):
                for region in many.REGIONS:
                    shown = self.persist(lambda region=region: self.call(region, "AgencyService/ListVacancies"))
                    for each in shown or ():
                        if each.vacancy.state == placed and each.vacancy.beds_free == 0:
                            self.renew(region, each.vacancy.vacancy.agency_reference)
        except Exception as problem:  # shown at the end
            self.problem = problem

    def renew(self, region, reference):
        vacancy = self.vacancies[region, reference]
        begin, moment = now(), self.observed()
        identity = self.race.request_id()
        answer = self.persist(lambda: self.call(region, "AgencyService/WithdrawVacancy", request_id=identity,
                                                agency_reference=reference, observed_at_ms=moment))
        if answer is None:
            end, result = now() + 10 * 10 ** 9, history.UNKNOWN
        else:
            end, result = now(), REFUSED if isinstance(answer, grpc.StatusCode) else OK
        self.operations.append(Operation(vacancy["id"], WITHDRAW, begin, end, result, region=region))
        if result == OK:
            self.persist(lambda: self.offer(region, reference, vacancy["beds"]))
            self.renewed += 1


class Stalls(threading.Thread):
    """When the machine or its disk stood still, by what a short sleep and a sync took: [(begin, end)], as now() says."""

    TICK_S, LEAST_S = 0.05, 0.2

    def __init__(self, folder):
        super().__init__(daemon=True)
        self.path, self.over, self.seen, self.problem = os.path.join(folder, "stalls"), threading.Event(), [], None

    def run(self):
        try:
            with open(self.path, "wb", buffering=0) as handle:
                begin = now()
                while not self.over.wait(self.TICK_S):
                    os.pwrite(handle.fileno(), b"x", 0)
                    os.fsync(handle.fileno())
                    begin, before = now(), begin
                    if begin - before > self.LEAST_S * 10 ** 9:
                        self.seen.append((before, begin))
        except Exception as problem:  # shown at the end
            self.problem = problem

    def prolong(self, operation):
        """What stood still with it could be done so much later."""
        for begin, end in self.seen:
            if begin < operation.end and end > operation.begin:
                operation.end += end - begin

    def total_s(self):
        return sum(end - begin for begin, end in self.seen) / 10 ** 9


class Faults(threading.Thread):
    """One fault after the other, some at the same time, each undone before the end."""

    def __init__(self, race, randomness):
        super().__init__(daemon=True)
        self.race, self.randomness, self.hubs = race, randomness, race.hubs
        self.over, self.problem = threading.Event(), None
        self.done = collections.Counter()
        self.faults = [(self.kill, 3), (self.cut, 3), (self.stall, 2), (self.stop, 1), (self.step, 4)]

    def run(self):
        names, weights = zip(*self.faults)
        try:
            while not self.over.wait(self.randomness.uniform(0.3, 1.5)):
                fault = self.randomness.choices(names, weights)[0]
                fault(self.randomness.choice(many.REGIONS))
                self.done[fault.__name__] += 1
        except Exception as problem:  # shown at the end
            self.problem = problem

    def kill(self, region):
        """-9, and started again at once or a little later."""
        self.hubs[region].kill()
        if self.randomness.random() < 0.3:
            self.step(region)
        self.over.wait(self.randomness.choice((0, 0, 0.5, 1.5)))
        self.hubs[region].start()
        self.over.wait(self.randomness.uniform(0, 1.5))

    def cut(self, region):
        other = self.randomness.choice([each for each in many.REGIONS if each != region])
        if self.randomness.random() < 0.4:
            self.hubs.cut_off(region)
        elif self.randomness.random() < 0.5:
            self.hubs.cut(region, other)
        else:
            self.hubs.relays[region, other].cut(self.randomness.choice(("to", "from")))
        self.over.wait(self.randomness.uniform(0.2, 2.5))
        self.hubs.heal()

    def stall(self, region):
        """What is under way between hubs arrives late."""
        chosen = [relay for pair, relay in self.hubs.relays.items() if region in pair]
        for relay in chosen:
            relay.stall()
        self.over.wait(self.randomness.uniform(0.1, STOPPED_S))
        for relay in chosen:
            relay.go_on()

    def stop(self, region):
        """The hub itself stands still."""
        process = self.hubs[region].process
        process.send_signal(signal.SIGSTOP)
        self.over.wait(self.randomness.uniform(0.1, STOPPED_S))
        process.send_signal(signal.SIGCONT)

    def step(self, region):
        """Its wall clock is another one; a day ahead or behind at most."""
        clock, skew = self.race.clocks[region], AHEAD_S + SKEW_S[region]
        by_s = self.randomness.choice(STEPS_S)
        clock.set(skew if abs(clock.offset_s + by_s - skew) > 24 * 3600 else clock.offset_s + by_s)


def now():
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME)


class Race:
    def __init__(self, federation, folder, seed, operations, seconds, options=None, faults=True, think_s=0.0):
        self.federation, self.folder, self.seed = federation, str(folder), seed
        self.operations, self.seconds, self.with_faults, self.think_s = operations, seconds, faults, think_s
        self.messages = stubs.load()
        self.randomness = random.Random(f"{seed} race")
        self.vacancies_path = os.path.join(self.folder, "vacancies.json")
        self.teams = {region: federation.principals(
            [f"placement-team {AUTHORITIES[region]} t{n}" for n in range(CLIENTS // 3)], region)
            for region in many.REGIONS}
        self.hubs = many.Hubs(federation, self.folder, options={
            ("log", "level"): "info", ("vacancies", "hold-least"): "1s", ("vacancies", "holds-per-team"): "1000",
            **(options or {})})
        self.clocks = {}
        for region in many.REGIONS:
            self.clocks[region] = clocks.Clock(os.path.join(self.folder, f"clock-{region}"), AHEAD_S + SKEW_S[region], kept_s=1)
            self.hubs[region].environment.update(self.clocks[region].environment)
        self.hubs.write_rosters([f"team {authority} {region}" for region, authority in AUTHORITIES.items()])
        self.agency, self.faults = Agency(self), Faults(self, random.Random(f"{seed} faults"))
        self.stalls = Stalls(self.folder)

    def request_id(self):
        import load

        return load.request_id(self.randomness)

    def run(self):
        """Problems, as text; empty: none."""
        try:
            self.start()
            self.stalls.start()
            loads = self.start_loads()
            if self.with_faults:
                self.faults.start()
            self.agency.start()
            ended = [self.wait(each) for each in loads]
        finally:
            self.end_faults()
            self.hubs.stop()
        return [*ended_badly(ended), *self.judge()]

    def start(self):
        self.hubs.start()
        self.hubs.wait_deciding()
        for each in self.hubs:
            homes.register_agencies(each)
        for region, beds in BEDS.items():
            for n, each in enumerate(beds):
                self.agency.offer(region, f"H-{n}", each)
        self.hubs.wait_linked()
        self.hubs.wait_equal()

    def start_loads(self):
        places = [(region, who) for region in many.REGIONS for who in self.teams[region]]
        self.randomness.shuffle(places)
        teams = [(n, self.place(region, who, who.name)) for n, (region, who) in enumerate(places)]
        agencies = {region: self.place(region, self.federation.principal(homes.LEEDS, region), "")
                    for region in many.REGIONS}
        return [self.start_load(n, teams[n::PROCESSES], agencies) for n in range(PROCESSES)]

    def place(self, region, who, name):
        return {"folder": who.folder, "port": self.hubs[region].port, "region": region, "name": name,
                "reference": REFERENCES[region]}

    def path(self, kind, n):
        return os.path.join(self.folder, f"{kind}-{n}.json")

    def start_load(self, n, teams, agencies):
        with open(self.path("load", n), "w", encoding="utf-8") as handle:
            json.dump({"seed": f"{self.seed} {n}", "root": self.federation.root, "teams": teams, "agencies": agencies,
                       "vacancies": self.vacancies_path, "lengths_s": LENGTHS_S, "think_s": self.think_s,
                       "deadlines_s": [each * library.SLOWNESS for each in DEADLINES_S], "bound_s": BOUND_S,
                       "starts_on": time.strftime("%Y-%m-%d", time.gmtime(time.time() + AHEAD_S)),
                       "operations": self.operations // PROCESSES, "seconds": self.seconds,
                       "history": self.path("history", n), "report": self.path("report", n)}, handle)
        with open(self.path("output", n), "wb") as output:
            return subprocess.Popen(["/usr/bin/python3", os.path.join(HERE, "load.py"), self.path("load", n)], stdout=output,
                                    stderr=output)

    def wait(self, process):
        try:
            return process.wait(self.seconds + 120)
        except subprocess.TimeoutExpired:
            process.kill()
            return "a load that never ended"

    def end_faults(self):
        for each in (self.faults, self.agency, self.stalls):
            each.over.set()
            if each.is_alive():
                each.join(60)
        self.hubs.heal()

    def judge(self):
        operations, problems, counts = list(self.agency.operations), [], collections.Counter()
        for n in range(PROCESSES):
            operations += history.read(self.path("history", n))[0]
            with open(self.path("report", n), encoding="utf-8") as handle:
                report = json.load(handle)
            problems += report["problems"]
            counts.update(report["counts"])
        for each in operations:
            if each.result == history.UNKNOWN:
                self.stalls.prolong(each)
        history.write(os.path.join(self.folder, "history.json"), operations, self.agency.beds)
        began = time.monotonic()
        problems += linear.check(operations, self.agency.beds, late=SLACK_MS * linear.MS)
        problems += [f"{type(each).__name__}: {each.problem!r}" for each in (self.agency, self.faults, self.stalls)
                     if each.problem]
        self.summary = (f"{len(operations)} operations judged in {time.monotonic() - began:.1f} s; "
                        f"faults {dict(self.faults.done)}; renewed {self.agency.renewed}; "
                        f"stood still {len(self.stalls.seen)} times, {self.stalls.total_s():.1f} s\n  " +
                        "\n  ".join(f"{number:7} {what}" for what, number in sorted(counts.items())))
        self.counts, self.total = counts, len(operations)
        return problems


def ended_badly(statuses):
    return [f"a process of clients ended with {status}" for status in statuses if status]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--operations", type=int, default=3000)
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--think", type=float, default=0)
    parser.add_argument("--no-faults", action="store_true")
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 30))
    arguments = parser.parse_args()
    folder = tempfile.mkdtemp(prefix="race-")
    print(f"SEED={arguments.seed} in {folder}")
    federation = library.Federation(os.path.join(folder, "authority"))
    race = Race(federation, folder, arguments.seed, arguments.operations, arguments.seconds,
                faults=not arguments.no_faults, think_s=arguments.think)
    problems = race.run()
    print(race.summary)
    print("\n".join(problems[:20]) or "linearizable")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
