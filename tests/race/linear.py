"""Is a history of holds one that a single owner of each vacancy could have answered? A linearizability checker.

    /usr/bin/python3 tests/race/linear.py HISTORY        exit 1 and the first impossible answer of each vacancy

Owns: the model of one vacancy (Model), the search (check_vacancy), what is checked over all of a region's log
(check_tokens). Not here: how histories are made (history.py, race.py). It shares no code with the product.

The model is one register for each vacancy: its beds, the live holds with owner and end, what is placed. Each operation
takes effect at one moment between its begin and its end, exactly; one of unknown outcome at some moment up to its end, or
never. A hold that is live ends by itself at one moment between (begin + length - EARLY) and (end + length + LATE) of its
call: exact, but for what the caller can't see, which is when in his call the hub decided.

The search goes along the moments at which something had to have happened (an answer came, a hold's time was over) and
keeps every state in which the vacancy may be by then, each with the open operations that have taken effect in it (Wing
and Gong 1993, with Lowe's just-in-time order and memory of what was seen, "Testing for linearizability", 2017). What
changes nothing takes effect as soon as its answer fits, which takes no choice from anybody. Of two ways to one state, the
one in which fewer operations of unknown outcome have taken effect is kept (Frontier). When no state is left, the answer
that came last is impossible.
"""
import collections
import heapq
import sys

from history import ACCEPT, DECLINE, EXTEND, GET, HOLD, MISSING, OK, PLACE, REFUSED, RELEASE, STATES, UNKNOWN, WITHDRAW
import history

MS = 1_000_000
EARLY, LATE = 2 * MS, 50 * MS
STATES_MAX = 1_000_000  # then the history is too hard to judge, which is a failure, too
SHOWN = 12

Live = collections.namedtuple("Live", "token team beds early late extended accepted")
# placed: beds; live: Live, sorted; ended: (token, state) of those that are still asked about, sorted.
State = collections.namedtuple("State", "placed gone live ended")
Violation = collections.namedtuple("Violation", "vacancy what operation before states")

ENDS = {RELEASE: "released", DECLINE: "declined", PLACE: "placed"}
BEGIN, EXPIRE, END = range(3)  # at one moment, in this order


class TooHard(Exception):
    """More states than STATES_MAX at once."""


class Model:
    """One vacancy. Operations are numbers: indexes into `operations`."""

    def __init__(self, beds, operations, early, late):
        self.beds, self.operations, self.early, self.late = beds, operations, early, late
        self.asked_about = {each.token for each in operations if each.kind not in (HOLD, WITHDRAW)}

    def step(self, state, number):
        """The state after it, or None where it can't be: not with that outcome; of unknown outcome, not with an effect."""
        each = self.operations[number]
        if each.kind == HOLD:
            return self.hold(state, number, each)
        if each.kind == WITHDRAW:
            possible = not state.gone and not state.live
            return self.outcome(state, each, possible, state._replace(gone=True) if possible else None)
        live = next((hold for hold in state.live if hold.token == each.token), None)
        ended = next((what for token, what in state.ended if token == each.token), None)
        if each.kind == GET:
            said = ("accepted" if live.accepted else "active") if live else ended or MISSING
            return state if said == each.result else None
        if not live and not ended:
            return state if each.result == MISSING else None
        return self.change(state, each, live)

    @staticmethod
    def outcome(state, each, possible, after):
        if each.result == UNKNOWN:
            return after if possible else None
        if each.result == OK:
            return after if possible else None
        return state if each.result == REFUSED and not possible else None

    def hold(self, state, number, each):
        if state.gone:
            return state if each.result == MISSING else None
        free = self.beds - state.placed - sum(hold.beds for hold in state.live)
        possible = free >= each.beds and all(hold.team != each.team for hold in state.live)
        token = each.token or (-1, number)  # nobody was told it
        after = state._replace(live=tuple(sorted((*state.live, Live(
            token, each.team, each.beds, each.begin + each.length - self.early, each.end + each.length + self.late, False,
            False))))) if possible else None
        return self.outcome(state, each, possible, after)

    def change(self, state, each, live):
        possible = live is not None and not (each.kind == EXTEND and live.extended) and \
            not (each.kind == ACCEPT and live.accepted)
        after = None
        if possible and each.kind in ENDS:
            after = self.without(state, live, ENDS[each.kind])
        elif possible:
            changed = live._replace(accepted=True) if each.kind == ACCEPT else live._replace(
                early=live.early + each.length, late=live.late + each.length, extended=True)
            after = state._replace(live=tuple(sorted(changed if hold == live else hold for hold in state.live)))
        return self.outcome(state, each, possible, after)

    def without(self, state, live, what):
        """A hold's end."""
        ended = state.ended
        if live.token in self.asked_about:
            ended = tuple(sorted((*ended, (live.token, what))))
        return State(state.placed + (live.beds if what == "placed" else 0), state.gone,
                     tuple(hold for hold in state.live if hold != live), ended)

    def forget(self, state, token):
        """Nobody asks about it any more."""
        return state._replace(ended=tuple(each for each in state.ended if each[0] != token))


class Frontier:
    """Configurations, as (State, open operations that have taken effect), without those that another covers: one of the
    same state and with the same operations of known outcome, but fewer of unknown outcome, can still do all that the other
    can, as none of these ever has to take effect. Without it, n open ones of unknown outcome make 2^n configurations."""

    def __init__(self, unknown, configurations=()):
        self.unknown = unknown  # the open operations of unknown outcome: a set that lives longer
        self.least = {}         # (State, known ones) -> [the unknown ones], none a subset of another
        self.added = 0
        for each in configurations:
            self.add(each)

    def add(self, configuration):
        """False: what was here covers it."""
        state, done = configuration
        unknown = done & self.unknown
        there = self.least.setdefault((state, done - unknown), [])
        if any(each <= unknown for each in there):
            return False
        there[:] = [each for each in there if not unknown <= each]
        there.append(unknown)
        self.added += 1
        return True

    def all(self):
        return {(state, known | unknown) for (state, known), each in self.least.items() for unknown in each}


class Search:
    """The states in which one vacancy may be."""

    def __init__(self, model):
        self.model = model
        self.open = set()
        self.pure = set()      # of the open ones: those that change nothing
        self.unknown = set()   # of the open ones: those of unknown outcome
        self.configurations = {(State(0, False, (), ()), frozenset())}

    def begin(self, number):
        each = self.model.operations[number]
        self.open.add(number)
        if each.result == UNKNOWN:
            self.unknown.add(number)
        if each.kind == GET or each.result in (REFUSED, MISSING):
            self.pure.add(number)
            self.configurations = {self.settle(*each) for each in self.configurations}

    def settle(self, state, done):
        """With everything that fits and changes nothing."""
        fits = [number for number in self.pure if number not in done and self.model.step(state, number) is not None]
        return (state, done.union(fits)) if fits else (state, done)

    def successors(self, state, done, now):
        for number in self.open:
            if number not in done and number not in self.pure:
                after = self.model.step(state, number)
                if after is not None:
                    yield self.settle(after, done | {number})
        for hold in state.live:
            if hold.early <= now:
                yield self.settle(self.model.without(state, hold, "expired"), done)

    def until(self, goal, now):
        """Every configuration that meets the goal, reached by no more steps than needed."""
        met, seen = Frontier(self.unknown), Frontier(self.unknown, self.configurations)
        left = collections.deque(self.configurations)
        while left:
            configuration = left.popleft()  # breadth first: what covers others comes before them
            if goal(*configuration):
                met.add(configuration)
                continue
            left.extend(after for after in self.successors(*configuration, now) if seen.add(after))
            if seen.added > STATES_MAX:
                raise TooHard(f"more than {STATES_MAX} states")
        before, self.configurations = self.configurations, met.all()
        return before

    def close(self, number, forget):
        """`number` is over; if `forget`, so is what its token names."""
        for operations in (self.open, self.pure, self.unknown):
            operations.discard(number)
        model = self.model
        token = model.operations[number].token
        self.configurations = Frontier(self.unknown, (
            (model.forget(state, token) if forget else state, done - {number})
            for state, done in self.configurations)).all()


def moments(model):
    """Begins and ends, in order of time; holds' ends are added as they become known."""
    for number, each in enumerate(model.operations):
        yield each.begin, BEGIN, number
        yield each.end, END, number


def last_asked(operations):
    """{token: number of the operation that ends last of those that name it}"""
    last = {}
    for number, each in enumerate(operations):
        if each.kind not in (HOLD, WITHDRAW):
            other = last.get(each.token)
            if other is None or (operations[other].end, other) < (each.end, number):
                last[each.token] = number
    return last


def check_vacancy(vacancy, beds, operations, early=EARLY, late=LATE):
    """None, or the first Violation. Raises TooHard."""
    model = Model(beds, operations, early, late)
    search, last = Search(model), last_asked(operations)
    queue = list(moments(model))
    heapq.heapify(queue)
    known = set()
    while queue:
        now, what, number = heapq.heappop(queue)
        if what == BEGIN:
            search.begin(number)
        elif what == EXPIRE:
            before = search.until(lambda state, done, now=now: all(hold.late > now for hold in state.live), now)
            if not search.configurations:
                return violation(vacancy, "a hold lives beyond its end", None, operations, now, before)
        else:
            each = operations[number]
            before = search.until(lambda state, done, number=number: number in done, now)
            if each.result == UNKNOWN:
                search.configurations |= before  # or it never happened
            else:
                if not search.configurations:
                    return violation(vacancy, "this answer is impossible", each, operations, now, before)
            search.close(number, last.get(each.token) == number)
        for state, _ in search.configurations:
            for hold in state.live:
                if hold.late not in known:
                    known.add(hold.late)
                    heapq.heappush(queue, (max(now, hold.late), EXPIRE, 0))
    return None


def violation(vacancy, what, operation, operations, now, before):
    seen = sorted((each for each in operations if each.begin <= now), key=lambda each: each.end)
    return Violation(vacancy, what, operation, seen[-SHOWN:], [state for state, _ in list(before)[:SHOWN]])


def show(each):
    lines = [f"vacancy {each.vacancy}: {each.what}", f"  {each.operation}" if each.operation else ""]
    lines += [f"    history: {one}" for one in each.before]
    lines += [f"    may have been: {one}" for one in each.states]
    return "\n".join(line for line in lines if line)


def check_tokens(operations):
    """Positions grow in the order of real time, and no token was given twice: lines that say what does not."""
    problems, given = [], {}
    for each in operations:
        if each.kind == HOLD and each.result == OK:
            other = given.setdefault((each.region, each.token), each)
            if other is not each:
                problems.append(f"one token for two holds:\n  {other}\n  {each}")
    for region in sorted({each.region for each in operations}):
        placed = [each for each in operations if each.region == region and each.position]
        ends = sorted(placed, key=lambda each: each.end)
        highest, at = None, 0
        for each in sorted(placed, key=lambda each: each.begin):
            while at < len(ends) and ends[at].end < each.begin:
                if highest is None or ends[at].position > highest.position:
                    highest = ends[at]
                at += 1
            if highest is not None and each.position <= highest.position:
                problems.append(f"the log went back in {region}: {each.position} after {highest.position}\n"
                                f"  {highest}\n  {each}")
    return problems


def check(operations, vacancies, early=EARLY, late=LATE):
    """What is wrong with a history, as text; empty: nothing."""
    problems = check_tokens(operations)
    of = collections.defaultdict(list)
    for each in operations:
        of[each.vacancy].append(each)
    for vacancy in sorted(of):
        try:
            found = check_vacancy(vacancy, vacancies[vacancy], of[vacancy], early, late)
        except TooHard as problem:
            problems.append(f"vacancy {vacancy}: {problem}: can't be judged")
            continue
        if found:
            problems.append(show(found))
    return problems


def main():
    problems = check(*history.read(sys.argv[1]))
    print("\n".join(problems) or "linearizable")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
