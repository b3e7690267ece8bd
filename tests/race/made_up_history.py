"""Histories that nobody recorded: good ones from a register that is played here, and bad ones made out of them.

Owns: play() (a good history and what truly happened), spoil() (the kinds of damage that a checker must find, each certain
to be a violation), by_force() (whether a short history is possible, by trying every order). Shares nothing with linear.py
but history.py; virtual time, one seed.
"""
import collections
import dataclasses
import heapq
import itertools
import random

from history import ACCEPT, DECLINE, EXTEND, GET, HOLD, MISSING, OK, PLACE, REFUSED, RELEASE, UNKNOWN, WITHDRAW, Operation

MS = 1_000_000
SECOND = 1000 * MS
AGENCY = (ACCEPT, DECLINE)
ENDINGS = {RELEASE: "released", DECLINE: "declined", PLACE: "placed"}
LATE = 50 * MS


@dataclasses.dataclass
class Hold:
    """What truly became of a hold."""
    token: tuple
    vacancy: str
    team: str
    beds: int
    at: int
    until: int
    call: Operation
    state: str = "active"
    ended: int = 0
    ended_by: object = None
    extended: object = None


class Register:
    """The single owner: every call has its effect at once."""

    def __init__(self, vacancies):
        self.beds, self.holds, self.placed = dict(vacancies), {}, collections.Counter()
        self.current = {vacancy: [] for vacancy in vacancies}  # those that may be live
        self.sequence = 100

    def live(self, vacancy, now):
        for hold in self.current[vacancy]:
            if hold.state in ("active", "accepted") and hold.until <= now:
                hold.state, hold.ended = "expired", hold.until
        self.current[vacancy] = [hold for hold in self.current[vacancy] if hold.state in ("active", "accepted")]
        return self.current[vacancy]

    def apply(self, call, now):
        """Fills in the result."""
        self.sequence += 1
        live = self.live(call.vacancy, now)
        if call.kind == HOLD:
            free = self.beds[call.vacancy] - self.placed[call.vacancy] - sum(hold.beds for hold in live)
            if free < call.beds or any(hold.team == call.team for hold in live):
                call.result = REFUSED
                return
            call.result, call.token = OK, (1, self.sequence)
            hold = Hold(call.token, call.vacancy, call.team, call.beds, now, now + call.length, call)
            self.holds[call.token] = hold
            self.current[call.vacancy].append(hold)
        else:
            hold = self.holds[call.token]
            if call.kind == GET:
                call.result = hold.state
                return
            if hold not in live or call.kind == EXTEND and hold.extended or call.kind == ACCEPT and hold.state == "accepted":
                call.result = REFUSED
                return
            call.result = OK
            if call.kind == EXTEND:
                hold.extended, hold.until = call, hold.until + call.length
            elif call.kind == ACCEPT:
                hold.state = "accepted"
            else:
                hold.state, hold.ended, hold.ended_by = ENDINGS[call.kind], now, call
                if call.kind == PLACE:
                    self.placed[call.vacancy] += hold.beds
        call.position = (1, self.sequence)


class Player:
    """Clients that hold, ask and end at random; one operation at a time each."""

    def __init__(self, seed, vacancies, clients, operations, unknown=0.0, place=0.002, latency_ms=30):
        self.randomness = random.Random(seed)
        self.vacancies, self.unknown, self.place, self.latency = vacancies, unknown, place, latency_ms * MS
        self.register = Register(vacancies)
        self.known = [[] for _ in range(clients)]  # tokens that a client was given
        self.left, self.operations = operations, []

    def play(self):
        """(operations, [Hold])"""
        queue, serial = [], itertools.count()
        for client in range(len(self.known)):
            self.ask(queue, serial, client, self.randomness.randrange(SECOND))
        while queue:
            now, _, client, call = heapq.heappop(queue)
            end = now + self.randomness.randrange(1, self.latency)
            if self.randomness.random() < self.unknown:
                if self.randomness.random() < 0.5:
                    self.register.apply(call, now)
                call.result, call.position = UNKNOWN, ()
                if call.kind == HOLD:
                    call.token = ()
                end = call.end = max(end, call.begin + 3 * self.latency)
            else:
                self.register.apply(call, now)
                call.end = end
                if call.kind == HOLD and call.result == OK:
                    self.known[client].append(call.token)
            if call.kind != GET or call.result != UNKNOWN:
                self.operations.append(call)
            self.ask(queue, serial, client, end + self.randomness.randrange(self.latency * 4))
        return self.operations, list(self.register.holds.values())

    def ask(self, queue, serial, client, begin):
        if not self.left:
            return
        self.left -= 1
        choose = self.randomness.random()
        if choose < 0.5 or not self.known[client]:
            vacancy = self.randomness.choice(sorted(self.vacancies))
            call = Operation(vacancy, HOLD, begin, 0, "", team=f"team {client}", length=self.randomness.randrange(SECOND // 4, 2 * SECOND),
                             beds=self.randomness.randint(1, self.vacancies[vacancy]), client=str(client), region="R")
        else:
            token = self.randomness.choice(self.known[client][-3:])
            kind = PLACE if choose < 0.5 + self.place else \
                self.randomness.choice((EXTEND, RELEASE, GET, GET, ACCEPT, DECLINE))
            call = Operation(self.register.holds[token].vacancy, kind, begin, 0, "", token=token, client=str(client), region="R",
                             team="" if kind in AGENCY else f"team {client}", length=SECOND // 2 if kind == EXTEND else 0)
        heapq.heappush(queue, (begin + self.randomness.randrange(1, self.latency), next(serial), client, call))


def play(seed, vacancies, clients, operations, **how):
    return Player(seed, vacancies, clients, operations, **how).play()


# --- damage -------------------------------------------------------------------------------------------------------
# Each takes a good history without unknown outcomes and gives a bad one, or None where it has no place for the damage.

def surely_live(hold):
    """Between these no order of events has it ended (but by its own end, exactly): everybody has been told of it, and
    nobody has begun to end it."""
    end = hold.call.begin + hold.call.length - 10 * MS
    if hold.extended:
        end = min(end, hold.extended.begin)
    return hold.call.end, min(end, hold.ended_by.begin if hold.ended_by else end)


def full_moments(holds, beds, randomness):
    """(hold, from, to) of one that leaves no bed by itself, in a random order."""
    chosen = [(hold, *surely_live(hold)) for hold in holds if hold.beds == beds[hold.vacancy]]
    chosen = [each for each in chosen if each[2] - each[1] > 20 * MS]
    randomness.shuffle(chosen)
    return chosen


def insert(operations, **fields):
    return sorted([*operations, Operation(**fields)], key=lambda each: each.begin)


def double_promise(operations, holds, beds, randomness):
    for hold, begin, end in full_moments(holds, beds, randomness):
        for n, each in enumerate(operations):
            if each.vacancy == hold.vacancy and each.kind == HOLD and each.result == REFUSED and \
                    begin < each.begin and each.end < end:
                return [*operations[:n], dataclasses.replace(each, result=OK, token=(9, n)), *operations[n + 1:]]
    return None


def freed_early(operations, holds, beds, randomness):
    for hold, _, end in full_moments(holds, beds, randomness):
        if hold.state == "expired" and not hold.extended:
            return insert(operations, vacancy=hold.vacancy, kind=HOLD, begin=end - 10 * MS, end=end - 5 * MS, result=OK,
                          team="early", token=(9, 1), beds=1, length=SECOND, region="R")
    return None


def held_beyond_its_end(operations, holds, beds, randomness):
    """A refusal, when by all that can be told nothing is held."""
    return refused_although_free(operations, holds, beds, randomness, "expired")


def refused_although_free(operations, holds, beds, randomness, how):
    order = [hold for hold in holds if hold.state == how]
    randomness.shuffle(order)
    for hold in order:
        begin = (hold.ended_by.end if hold.ended_by else latest_end(hold)) + 1
        end = begin + 5 * MS
        others = [other for other in holds if other is not hold and other.vacancy == hold.vacancy]
        if all(latest_end(other) < begin or other.call.begin > end for other in others) and \
                not any(other.state == "placed" for other in others):
            return insert(operations, vacancy=hold.vacancy, kind=HOLD, begin=begin, end=end, result=REFUSED,
                          team="late", beds=1, length=SECOND, region="R")
    return None


def latest_end(hold):
    if hold.ended_by:
        return hold.ended_by.end
    return hold.call.end + hold.call.length + (hold.extended.length if hold.extended else 0) + LATE


def never_freed(operations, holds, beds, randomness):
    return refused_although_free(operations, holds, beds, randomness, "released")


def stale_token_honoured(operations, holds, beds, randomness):
    ended = [hold for hold in holds if hold.state in ("released", "expired", "declined")]
    if not ended:
        return None
    hold, kind = randomness.choice(ended), randomness.choice((EXTEND, RELEASE, PLACE))
    begin = latest_end(hold) + 1
    return insert(operations, vacancy=hold.vacancy, kind=kind, begin=begin, end=begin + 5 * MS, result=OK, team=hold.team,
                  token=hold.token, length=SECOND if kind == EXTEND else 0, region="R")


def answer_from_before(operations, holds, beds, randomness):
    ended = [hold for hold in holds if hold.state in ("released", "expired", "declined")]
    if not ended:
        return None
    hold = randomness.choice(ended)
    begin = latest_end(hold) + 1
    return insert(operations, vacancy=hold.vacancy, kind=GET, begin=begin, end=begin + 5 * MS, result="active",
                  team=hold.team, token=hold.token, region="R")


def lost_hold(operations, holds, beds, randomness):
    """Acknowledged, and then nobody knows of it."""
    hold = randomness.choice(holds)
    begin, end = surely_live(hold)
    if end - begin < 10 * MS:
        return None
    return insert(operations, vacancy=hold.vacancy, kind=GET, begin=begin + 1, end=begin + 5 * MS, result=MISSING,
                  team=hold.team, token=hold.token, region="R")


def token_from_nowhere(operations, holds, beds, randomness):
    """The call that made a hold never had that answer, but the hold is there."""
    asked = {each.token for each in operations if each.kind != HOLD and each.result not in (REFUSED, MISSING)}
    for n, each in enumerate(operations):
        if each.kind == HOLD and each.result == OK and each.token in asked:
            return operations[:n] + operations[n + 1:]
    return None


def token_twice(operations, holds, beds, randomness):
    made = [n for n, each in enumerate(operations) if each.kind == HOLD and each.result == OK]
    one, other = randomness.sample(made, 2)
    return [dataclasses.replace(each, token=operations[one].token) if n == other else each
            for n, each in enumerate(operations)]


def log_went_back(operations, holds, beds, randomness):
    placed = sorted((each for each in operations if each.position), key=lambda each: each.begin)
    for one in placed:
        later = next((each for each in placed if each.begin > one.end), None)
        if later:
            return [dataclasses.replace(each, position=(later.position[0], one.position[1] - 1)) if each is later else each
                    for each in operations]
    return None


DAMAGE = [double_promise, freed_early, held_beyond_its_end, never_freed, stale_token_honoured, answer_from_before,
          lost_hold, token_from_nowhere, token_twice, log_went_back]


# --- by force -----------------------------------------------------------------------------------------------------

def by_force(operations, beds, early, late):
    """Whether some order of all operations of one vacancy, with holds' ends between them, is possible. Short ones only."""
    def go(left, live, ended, placed, gone, now):
        if all(operations[n].result == UNKNOWN for n in left):
            return True
        for n in left:
            each = operations[n]
            at = max(now, each.begin)
            if at > each.end or any(hold[4] < at for hold in live.values()):
                continue
            for after in effects(each, n, live, ended, placed, gone):
                if go(left - {n}, *after, at):
                    return True
        for token, hold in live.items():
            at = max(now, hold[3])
            if at <= hold[4] and all(other[4] >= at for other in live.values()):
                rest = {key: value for key, value in live.items() if key != token}
                if go(left, rest, {**ended, token: "expired"}, placed, gone, at):
                    return True
        return False

    def effects(each, n, live, ended, placed, gone):
        same = (live, ended, placed, gone)
        hold = live.get(each.token)
        possible, after = False, None
        if each.kind == HOLD:
            if gone:
                return [same] if each.result == MISSING else []
            possible = beds - placed - sum(other[1] for other in live.values()) >= each.beds and \
                all(other[0] != each.team for other in live.values())
            after = ({**live, each.token or n: (each.team, each.beds, False, each.begin + each.length - early,
                                                each.end + each.length + late, False)}, ended, placed, gone)
        elif each.kind == GET:
            said = ("accepted" if hold[5] else "active") if hold else ended.get(each.token, MISSING)
            return [same] if said == each.result else []
        elif each.kind == WITHDRAW:
            possible, after = not gone and not live, (live, ended, placed, True)
        elif not hold and each.token not in ended:
            return [same] if each.result == MISSING else []
        elif hold:
            rest = {key: value for key, value in live.items() if key != each.token}
            if each.kind == EXTEND:
                possible = not hold[2]
                after = ({**rest, each.token: (hold[0], hold[1], True, hold[3] + each.length, hold[4] + each.length,
                                               hold[5])}, ended, placed, gone)
            elif each.kind == ACCEPT:
                possible, after = not hold[5], ({**rest, each.token: (*hold[:5], True)}, ended, placed, gone)
            else:
                possible = True
                after = (rest, {**ended, each.token: ENDINGS[each.kind]},
                         placed + (hold[1] if each.kind == PLACE else 0), gone)
        if each.result in (OK, UNKNOWN):
            return [after] if possible else []
        return [same] if each.result == REFUSED and not possible else []

    return go(frozenset(range(len(operations))), {}, {}, 0, False, 0)
