"""One process of clients that hold, answer, extend, release, place and ask, and write down what they were answered.

    /usr/bin/python3 tests/race/load.py CONFIGURATION.json     (race.py starts it)

Owns: the clients (a thread each), their calls and retries, what an answer means (Attempt). Not here: faults (race.py),
whether the answers are possible (linear.py). Every client is a team of one hub and calls that hub, whatever the vacancy's
region; now and then it is the agency of the vacancy's region, too, and answers a hold. A call goes out under one request
id, sometimes twice at once, again where its outcome is unknown, and once more long after it was answered; sometimes it is
left unknown.
"""
import json
import os
import random
import sys
import threading
import time
import uuid

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "lib"))
sys.dont_write_bytecode = True

import grpc

import client
import history
import hub as library
import stubs
from history import ACCEPT, DECLINE, EXTEND, GET, HOLD, MISSING, OK, PLACE, REFUSED, RELEASE, UNKNOWN, Operation

Code = grpc.StatusCode
NOT_DONE = "not done"     # certainly; no operation at all
NEVER = "never"           # the home hub's word that the request id is spent
SPENT = "settled: it was not done"  # of one that is sent again after that
SECOND = 1_000_000_000
PAUSE_S = 0.05
LATE_ID_S = 7200          # request ids are made with a clock that is as far behind any hub's
METHODS = {HOLD: "PlacementService/HoldVacancy", EXTEND: "PlacementService/ExtendHold",
           RELEASE: "PlacementService/ReleaseHold", PLACE: "PlacementService/PlaceChild", GET: "PlacementService/GetHold",
           ACCEPT: "AgencyService/AcceptHold", DECLINE: "AgencyService/DeclineHold"}
RESULTS = {Code.FAILED_PRECONDITION: REFUSED, Code.ABORTED: REFUSED, Code.NOT_FOUND: MISSING,
           Code.PERMISSION_DENIED: MISSING, Code.RESOURCE_EXHAUSTED: NOT_DONE,
           Code.DEADLINE_EXCEEDED: UNKNOWN, Code.INTERNAL: UNKNOWN, Code.CANCELLED: UNKNOWN, Code.UNKNOWN: UNKNOWN}


def now():
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME)


def request_id(randomness):
    """A UUIDv7."""
    made = int((time.time() - LATE_ID_S) * 1000)
    return str(uuid.UUID(int=made << 80 | 7 << 76 | randomness.getrandbits(12) << 64 | 2 << 62 | randomness.getrandbits(62)))


def token_of(hold_id):
    _, epoch, sequence = hold_id.split("-")
    return int(epoch), int(sequence)


class Attempt:
    """One call on its way, and what became of it: `result`, with the answer where it is OK."""

    def __init__(self, channel, method, request, timeout):
        self.begin, self.timeout, self.problem = now(), timeout, None
        self.end = 0
        self.call = channel.stub(method).future(request, timeout=timeout)
        self.call.add_done_callback(self.ended)

    def ended(self, _call):
        self.end = now()

    def wait(self):
        self.answer, self.message, self.code = None, "", Code.OK
        try:
            self.answer = self.call.result()
            self.result = OK
        except grpc.RpcError as error:
            self.code, self.message = error.code(), error.details()
            self.result = self.judge(error)
        while not self.end:
            time.sleep(0.0002)  # the callback is about to run
        return self

    def judge(self, error):
        if error.code() == Code.FAILED_PRECONDITION and error.details().startswith(SPENT):
            return NEVER  # whatever the vacancy would have answered
        if error.code() != Code.UNAVAILABLE:
            if error.code() not in RESULTS:
                self.problem = f"{error.code()}: {error.details()}"
            return RESULTS.get(error.code(), NOT_DONE)
        _, details = client.decode_status(error)
        if not details:  # grpcio's own: the connection broke, or there is none
            return NOT_DONE if "failed to connect" in error.details().lower() else UNKNOWN
        return UNKNOWN if any(getattr(each, "outcome_unknown", False) for each in details) else NOT_DONE


class Actor:
    """One client."""

    def __init__(self, load, number, team):
        self.load, self.number, self.team = load, number, team
        self.randomness = random.Random(f"{load.seed} {number}")
        self.messages = load.messages
        self.channel = load.connect(team)
        self.agencies = {}
        self.live, self.old = [], []   # (hold id, vacancy)
        self.answered = []             # (vacancy, kind, request, hold id): to be sent once more
        self.operations, self.problems = [], []
        self.counts = {}

    # --- what to do ---------------------------------------------------------------------------------------------------
    def run(self):
        while not self.load.over.is_set():
            self.step()
        for hold_id, vacancy in self.live[-3:]:
            self.named(GET, hold_id, vacancy)

    def step(self):
        choose = self.randomness.random()
        if choose < 0.03 and self.answered:
            self.repeat(*self.randomness.choice(self.answered[-20:]))
        elif choose < 0.10 and self.old:
            self.named(self.randomness.choice((EXTEND, RELEASE, GET, DECLINE, PLACE)),
                       *self.randomness.choice(self.old[-5:]))  # stale by now, most likely
        elif choose < 0.45 and self.live:
            kind = self.randomness.choices((EXTEND, RELEASE, GET, ACCEPT, DECLINE, PLACE), (15, 30, 25, 10, 10, 2))[0]
            hold = self.randomness.choice(self.live[-3:])
            self.named(kind, *hold)
            if kind in (RELEASE, DECLINE, PLACE) and hold in self.live:
                self.end(hold)
        else:
            vacancy = self.randomness.choice(self.load.vacancies)
            self.hold(vacancy)
        if len(self.live) > 3:
            self.end(self.live[0])
        time.sleep(self.randomness.expovariate(1 / self.load.think_s) if self.load.think_s else 0)

    def end(self, hold):
        self.live.remove(hold)
        self.old.append(hold)

    def hold(self, vacancy):
        length = self.randomness.randint(*self.load.lengths_s)
        request = self.messages.HoldVacancyRequest(
            request_id=request_id(self.randomness), vacancy_id=vacancy["id"], region=vacancy["region"],
            beds=self.randomness.randint(1, vacancy["beds"]), request_reference=self.team["reference"], duration_s=length)
        operation = self.operation(vacancy, HOLD, beds=request.beds, length=length * SECOND)
        answer = self.ask(operation, request, self.channel, vacancy)
        if answer:
            self.live.append((answer.hold.hold_id, vacancy))

    def named(self, kind, hold_id, vacancy):
        agency = kind in (ACCEPT, DECLINE)
        request = self.messages.method(METHODS[kind])[1](hold_id=hold_id)
        length = 0
        if kind != GET:
            request.request_id = request_id(self.randomness)
        if kind == EXTEND:
            length = request.duration_s = self.load.lengths_s[0]
        elif kind == DECLINE:
            request.reason = self.messages.enum("DeclineReason")["DECLINE_REASON_NOT_SUITABLE"]
        elif kind == PLACE:
            self.place(request, hold_id)
        operation = self.operation(vacancy, kind, token=token_of(hold_id), length=length * SECOND)
        if agency:
            operation.team = ""
        self.ask(operation, request, self.agency(vacancy["region"]) if agency else self.channel, vacancy)

    def place(self, request, hold_id):
        consent, code = self.messages.enum("Consent"), self.messages.enum("PlacementCode")
        request.placement_code = code["PLACEMENT_CODE_U6"]
        request.starts_on = self.load.starts_on
        request.provider_consent = consent["CONSENT_GIVEN"]
        request.authorities_consent = consent["CONSENT_GIVEN"]
        for _ in range(self.load.beds_of.get(hold_id, 1)):
            request.children.add(age_months=96, sex=self.messages.enum("Sex")["SEX_F"])

    def operation(self, vacancy, kind, **fields):
        return Operation(vacancy["id"], kind, 0, 0, UNKNOWN, team=self.team["name"], region=vacancy["region"],
                         client=str(self.number), **fields)

    def agency(self, region):
        if region not in self.agencies:
            self.agencies[region] = self.load.connect(self.load.agencies[region])
        return self.agencies[region]

    # --- one call, until its outcome is known or left unknown --------------------------------------------------------------
    def ask(self, operation, request, channel, vacancy):
        """Writes down what it came to; the answer where it was done."""
        attempts, tries = [], self.randomness.choices((1, 5), (1, 29))[0]
        for n in range(tries):
            new = [self.send(operation.kind, request, channel)]
            if operation.kind != GET and self.randomness.random() < 0.06:
                new.append(self.send(operation.kind, request, channel))  # the same at the same time
            attempts += [each.wait() for each in new]
            known = [each for each in attempts if each.result != UNKNOWN]
            if known or self.load.over.is_set():
                break
            if operation.kind == HOLD and n == 0 and self.randomness.random() < 0.3:
                attempts += self.settle(request, channel, vacancy, attempts)
                if attempts[-1].result != UNKNOWN:
                    break
            time.sleep(0.05)
        return self.write(operation, request, attempts, vacancy)

    def send(self, kind, request, channel):
        timeout = self.randomness.choice(self.load.deadlines_s)
        return Attempt(channel, METHODS[kind], request, timeout)

    def settle(self, request, channel, vacancy, attempts):
        """What became of a hold, by its request id."""
        asked = Attempt(channel, METHODS[GET], self.messages.GetHoldRequest(request_id=request.request_id,
                                                                           region=vacancy["region"]), 3).wait()
        self.count(f"settled: {asked.result}")
        if asked.result == MISSING and asked.code == Code.NOT_FOUND:
            asked.result = NEVER
        elif asked.result == OK:
            asked.begin = min(each.begin for each in attempts)
        else:
            asked.result = UNKNOWN
        return [asked]

    def write(self, operation, request, attempts, vacancy):
        """All attempts that were done are one operation: the id is the same. One that was refused is one by itself, since
        a later one may be done; one whose outcome is unknown may be what was done."""
        self.problems += [f"{operation.kind}: {each.problem}" for each in attempts if each.problem]
        done = sorted((each for each in attempts if each.result == OK), key=lambda each: each.end)
        for each in attempts:
            self.count(f"{operation.kind}: {each.result}" +
                       (f" ({each.code.name})" if each.result == NOT_DONE else ""))
            if each.result in (REFUSED, MISSING):
                self.record(operation, each.begin, each.end, each.result)
        never = any(each.result == NEVER for each in attempts)
        if not done:
            unknown = [each for each in attempts if each.result == UNKNOWN]
            if unknown and not never and operation.kind != GET:  # one of them, at most once
                latest = max(each.begin + int(each.timeout * SECOND) for each in unknown)
                self.record(operation, unknown[0].begin, latest + int(self.load.bound_s * SECOND), UNKNOWN)
            if all(each.result == NOT_DONE for each in attempts):
                self.load.over.wait(PAUSE_S)  # nobody is there: do not ask as fast as can be
            return None
        first = done[0]
        if never:
            self.problems.append(f"{operation}: done after it was said that it never would be")
        self.agree(operation, done)
        answer = first.answer
        if operation.kind == GET:
            self.record(operation, first.begin, first.end, self.state(answer.hold.state))
            return answer
        begin = self.begin(operation, attempts, done, first)
        if operation.kind == HOLD:
            operation.token = token_of(answer.hold.hold_id)
            self.load.beds_of[answer.hold.hold_id] = request.beds
            self.look(operation, answer.hold, request)
        with_receipt = next((each.answer.receipt for each in done if hasattr(each.answer, "receipt")), None)
        operation.position = (with_receipt.epoch, with_receipt.sequence) if with_receipt else ()
        if with_receipt:
            self.count("durability: " + self.messages.enum_name("Durability", with_receipt.durability))
        self.record(operation, begin, first.end, OK)
        if with_receipt and operation.kind not in (ACCEPT, DECLINE):
            self.answered.append((vacancy, operation.kind, request, answer.hold.hold_id, operation.position))
        return answer

    def begin(self, operation, attempts, done, first):
        """When the attempt was sent that was the first to be done; where the answers don't tell, the first of all."""
        itself = [each for each in done if hasattr(each.answer, "receipt") and not each.answer.receipt.repeated]
        if len(itself) > 1 or itself and itself[0].begin > first.end:
            self.problems.append(f"{operation}: done twice")
        return itself[0].begin if itself else min(each.begin for each in attempts)

    def record(self, operation, begin, end, result):
        self.operations.append(Operation(**{**vars(operation), "begin": begin, "end": end, "result": result,
                                            "token": operation.token if result != UNKNOWN or operation.kind != HOLD else ()}))

    def agree(self, operation, done):
        """The same id: the same answer."""
        ids = {each.answer.hold.hold_id for each in done}
        positions = {(each.answer.receipt.epoch, each.answer.receipt.sequence) for each in done
                     if hasattr(each.answer, "receipt")}
        if len(ids) > 1 or len(positions) > 1:
            self.problems.append(f"{operation}: two answers to one request id: {ids} {positions}")

    def look(self, operation, view, request):
        if view.until_ms - view.made_at_ms != request.duration_s * 1000 and not view.extended:
            self.problems.append(f"{operation}: from {view.made_at_ms} until {view.until_ms}")
        if view.beds != request.beds or view.vacancy_id != request.vacancy_id or view.region != operation.region:
            self.problems.append(f"{operation}: another hold than asked for: {view}")

    def repeat(self, vacancy, kind, request, hold_id, position):
        """Long after: the first answer, or (its hub is away) none."""
        again = self.send(kind, request, self.channel).wait()
        self.count(f"once more: {again.result}")
        if again.result == OK:
            receipt = again.answer.receipt
            if again.answer.hold.hold_id != hold_id or (receipt.epoch, receipt.sequence) != position or not receipt.repeated:
                self.problems.append(f"{kind} of {hold_id} {position} sent again: {again.answer}")
        elif again.result not in (UNKNOWN, NOT_DONE):
            self.problems.append(f"{kind} of {hold_id} sent again: {again.result}: {again.message}")

    def state(self, number):
        return self.messages.enum_name("HoldState", number).removeprefix("HOLD_STATE_").lower()

    def count(self, what):
        self.counts[what] = self.counts.get(what, 0) + 1


class Messages:
    """stubs.Messages, and names of an enum's numbers, looked up once."""

    def __init__(self):
        self.known, self.names, self.enums = stubs.load(), {}, {}

    def __getattr__(self, name):
        return getattr(self.known, name)

    def enum(self, name):
        if name not in self.enums:
            self.enums[name] = self.known.enum(name)
        return self.enums[name]

    def enum_name(self, name, number):
        if name not in self.names:
            self.names[name] = {value: key for key, value in self.enum(name).items()}
        return self.names[name][number]


class Load:
    def __init__(self, configuration):
        self.seed, self.root = configuration["seed"], configuration["root"]
        self.agencies = configuration["agencies"]        # {region: principal}
        self.vacancies_path = configuration["vacancies"]  # [{id, region, beds}], replaced as they change
        self.lengths_s, self.deadlines_s = configuration["lengths_s"], configuration["deadlines_s"]
        self.think_s, self.bound_s = configuration["think_s"], configuration["bound_s"]
        self.starts_on, self.target = configuration["starts_on"], configuration["operations"]
        self.until = time.monotonic() + configuration["seconds"]
        self.messages, self.beds_of = Messages(), {}
        self.over = threading.Event()
        self.read_vacancies()
        self.actors = [Actor(self, number, team) for number, team in configuration["teams"]]

    def connect(self, who):
        return client.Client(who["port"], library.Principal(who["folder"]), self.root, options=[
            ("grpc.min_reconnect_backoff_ms", 100), ("grpc.max_reconnect_backoff_ms", 500),
            ("grpc.initial_reconnect_backoff_ms", 100)])

    def read_vacancies(self):
        with open(self.vacancies_path, encoding="utf-8") as handle:
            self.vacancies = json.load(handle)

    def run(self):
        threads = [threading.Thread(target=each.run, daemon=True) for each in self.actors]
        for each in threads:
            each.start()
        while time.monotonic() < self.until and sum(len(each.operations) for each in self.actors) < self.target:
            time.sleep(0.1)
            self.read_vacancies()
        self.over.set()
        for each in threads:
            each.join(60)
            assert not each.is_alive(), "a client hangs"


def main():
    with open(sys.argv[1], encoding="utf-8") as handle:
        configuration = json.load(handle)
    load = Load(configuration)
    load.run()
    operations = [each for actor in load.actors for each in actor.operations]
    history.write(configuration["history"], operations, {})
    counts = {}
    for actor in load.actors:
        for what, number in actor.counts.items():
            counts[what] = counts.get(what, 0) + number
    with open(configuration["report"], "w", encoding="utf-8") as handle:
        json.dump({"problems": [each for actor in load.actors for each in actor.problems], "counts": counts}, handle)


if __name__ == "__main__":
    main()
