"""The checker of hold histories (tests/race/linear.py) is itself tested: it passes what a single owner could have answered,
finds each kind of damage, and says of short histories what trying every order says. Seeds are printed; SEED takes one."""
import os
import random
import sys
import time

import pytest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "race"))
import history
import linear
import made_up_history
from history import Operation

SEED = int(os.environ.get("SEED") or random.randrange(1 << 30))
SECOND, MS = 1_000_000_000, 1_000_000
VACANCIES = {"v0": 1, "v1": 1, "v2": 2, "v3": 3}


def op(kind, begin_ms, end_ms, result, team="a", token=(), beds=1, length_ms=1000):
    return Operation("v", kind, begin_ms * MS, end_ms * MS, result, team=team, token=token,
                     beds=beds if kind == history.HOLD else 0,
                     length=length_ms * MS if kind in (history.HOLD, history.EXTEND) else 0, region="R")


A, B, C = (1, 10), (1, 11), (1, 12)
GOOD = {
    "one hold": [op("hold", 0, 10, "ok", "a", A), op("hold", 20, 30, "refused", "b"), op("get", 40, 50, "active", "a", A)],
    "expires by itself": [op("hold", 0, 10, "ok", "a", A), op("hold", 1011, 1020, "ok", "b", B),
                          op("get", 1030, 1040, "expired", "a", A)],
    "either may be first": [op("hold", 0, 100, "refused", "a"), op("hold", 50, 90, "ok", "b", B)],
    "released, then another's": [op("hold", 0, 10, "ok", "a", A), op("release", 20, 30, "ok", "a", A),
                                 op("hold", 25, 35, "ok", "b", B), op("extend", 40, 50, "refused", "a", A)],
    "extended once": [op("hold", 0, 10, "ok", "a", A), op("extend", 500, 510, "ok", "a", A),
                      op("extend", 520, 530, "refused", "a", A), op("hold", 1500, 1510, "refused", "b"),
                      op("hold", 2100, 2110, "ok", "b", B)],
    "unknown happened": [op("hold", 0, 500, "unknown", "a"), op("hold", 20, 30, "refused", "b")],
    "unknown happened late": [op("hold", 0, 500, "unknown", "a"), op("hold", 20, 30, "ok", "b", B),
                              op("release", 40, 50, "ok", "b", B), op("hold", 300, 310, "refused", "b")],
    "unknown never happened": [op("hold", 0, 500, "unknown", "a"), op("hold", 600, 610, "ok", "b", B)],
    "unknown release explains it": [op("hold", 0, 10, "ok", "a", A), op("release", 20, 500, "unknown", "a", A),
                                    op("hold", 600, 610, "ok", "b", B)],
    "declined": [op("hold", 0, 10, "ok", "a", A), op("accept", 15, 20, "ok", "", A), op("decline", 30, 40, "ok", "", A),
                 op("place", 50, 60, "refused", "a", A), op("get", 70, 80, "declined", "a", A)],
    "placed for good": [op("hold", 0, 10, "ok", "a", A), op("place", 20, 30, "ok", "a", A),
                        op("hold", 5000, 5010, "refused", "b"), op("get", 5020, 5030, "placed", "a", A)],
    "withdrawn": [op("hold", 0, 10, "ok", "a", A), op("withdraw", 20, 30, "refused", ""), op("release", 40, 50, "ok", "a", A),
                  op("withdraw", 60, 70, "ok", ""), op("hold", 80, 90, "missing", "b")],
}
BAD = {
    "double promise": [op("hold", 0, 10, "ok", "a", A), op("hold", 20, 30, "ok", "b", B)],
    "double promise at once": [op("hold", 0, 100, "ok", "a", A), op("hold", 50, 90, "ok", "b", B)],
    "stale token honoured": [op("hold", 0, 10, "ok", "a", A), op("hold", 1100, 1110, "ok", "b", B),
                             op("place", 1120, 1130, "ok", "a", A)],
    "released token honoured": [op("hold", 0, 10, "ok", "a", A), op("release", 20, 30, "ok", "a", A),
                                op("extend", 40, 50, "ok", "a", A)],
    "freed early": [op("hold", 0, 10, "ok", "a", A), op("hold", 980, 990, "ok", "b", B)],
    "said to be over early": [op("hold", 0, 10, "ok", "a", A), op("get", 980, 990, "expired", "a", A)],
    "held beyond its end": [op("hold", 0, 10, "ok", "a", A), op("hold", 1070, 1080, "refused", "b")],
    "said to live beyond its end": [op("hold", 0, 10, "ok", "a", A), op("get", 1070, 1080, "active", "a", A)],
    "extension forgotten": [op("hold", 0, 10, "ok", "a", A), op("extend", 500, 510, "ok", "a", A),
                            op("hold", 1500, 1510, "ok", "b", B)],
    "extended twice": [op("hold", 0, 10, "ok", "a", A), op("extend", 500, 510, "ok", "a", A),
                       op("extend", 520, 530, "ok", "a", A)],
    "extended after its end": [op("hold", 0, 10, "ok", "a", A), op("extend", 1100, 1110, "ok", "a", A)],
    "lost acknowledged hold": [op("hold", 0, 10, "ok", "a", A), op("get", 20, 30, "missing", "a", A)],
    "answer from before": [op("hold", 0, 10, "ok", "a", A), op("release", 20, 30, "ok", "a", A),
                           op("get", 40, 50, "active", "a", A)],
    "answer from later": [op("hold", 0, 10, "ok", "a", A), op("get", 12, 15, "released", "a", A),
                          op("release", 20, 30, "ok", "a", A)],
    "unknown after its time": [op("hold", 0, 500, "unknown", "a"), op("hold", 510, 515, "ok", "b", B),
                               op("release", 520, 530, "ok", "b", B), op("hold", 540, 550, "refused", "b")],
    "never done, yet done": [op("hold", 20, 30, "refused", "b")],
    "placed beds given away": [op("hold", 0, 10, "ok", "a", A), op("place", 20, 30, "ok", "a", A),
                               op("hold", 5000, 5010, "ok", "b", B)],
    "one team twice": [op("hold", 0, 10, "ok", "a", A), op("hold", 20, 30, "ok", "a", B)],
    "withdrawn while held": [op("hold", 0, 10, "ok", "a", A), op("withdraw", 20, 30, "ok", "")],
    "held after it was withdrawn": [op("withdraw", 0, 10, "ok", ""), op("hold", 20, 30, "ok", "a", A)],
    "two holds, one token": [op("hold", 0, 10, "ok", "a", A), op("hold", 2000, 2010, "ok", "b", A)],
}


@pytest.mark.parametrize("name", GOOD)
def test_possible(name):
    assert not linear.check(GOOD[name], {"v": 1})


@pytest.mark.parametrize("name", BAD)
def test_impossible(name):
    assert linear.check(BAD[name], {"v": 1})


def test_beds_are_counted():
    two = [op("hold", 0, 10, "ok", "a", A), op("hold", 20, 30, "ok", "b", B)]
    assert not linear.check(two, {"v": 2})
    assert linear.check([*two, op("hold", 40, 50, "ok", "c", C)], {"v": 2})
    assert linear.check([*two, op("hold", 2000, 2010, "refused", "c", beds=2)], {"v": 2})
    assert linear.check([op("hold", 0, 10, "ok", "a", A), op("hold", 20, 30, "refused", "b")], {"v": 2})


@pytest.mark.parametrize("refused_at_ms", [7000, 9000])
def test_many_unknown_outcomes_at_once(refused_at_ms):
    """Any of them may have happened, and ended, in any order: judged all the same, and not by giving in."""
    length_ms, end_ms = 1230, 6000
    unknown = [op("hold", 10 * n, end_ms, "unknown", f"t{n}", length_ms=length_ms) for n in range(24)]
    held = [op("hold", 3000, 3010, "ok", "a", A), op("release", 3020, 3030, "ok", "a", A),
            op("hold", 4000, 4010, "refused", "a")]
    late = op("hold", refused_at_ms, refused_at_ms + 10, "refused", "b")
    possible = refused_at_ms < end_ms + length_ms
    assert linear.check([*unknown, *held], {"v": 1}) == []
    problems = linear.check([*unknown, *held, late], {"v": 1})
    assert problems == [] if possible else "this answer is impossible" in problems[0]


def test_the_log_goes_on():
    first, second = op("hold", 0, 10, "ok", "a", A), op("release", 20, 30, "ok", "a", A)
    first.position, second.position = (1, 10), (1, 12)
    assert not linear.check([first, second], {"v": 1})
    second.position = (1, 9)
    assert linear.check([first, second], {"v": 1})
    second.begin = 5 * MS  # at the same time: either may be first
    assert not linear.check([first, second], {"v": 1})


def test_written_and_read(tmp_path):
    operations = made_up_history.play(SEED, VACANCIES, 10, 300, unknown=0.1)[0]
    history.write(tmp_path / "history", operations, VACANCIES)
    assert history.read(tmp_path / "history") == (operations, VACANCIES)


def test_good_histories_pass(scale):
    print(f"SEED={SEED}")
    for seed in range(SEED, SEED + max(2, int(40 * scale))):
        unknown = (0, 0.02, 0.1)[seed % 3]
        operations, _ = made_up_history.play(seed, VACANCIES, 12, 500, unknown=unknown)
        assert not linear.check(operations, VACANCIES), f"seed {seed}"


@pytest.mark.parametrize("damage", made_up_history.DAMAGE, ids=lambda each: each.__name__)
def test_every_damage_is_found(damage, scale):
    print(f"SEED={SEED}")
    done, wanted = 0, max(2, int(25 * scale))
    for seed in range(SEED, SEED + 20 * wanted):
        if done == wanted:
            break
        operations, holds = made_up_history.play(seed, VACANCIES, 8, 300, place=0)
        spoilt = damage(operations, holds, VACANCIES, random.Random(seed))
        if spoilt is not None:
            assert linear.check(spoilt, VACANCIES), f"seed {seed}: not found"
            done += 1
    assert done == wanted, f"there was a place for it in {done} histories only"


def changed(operations, randomness):
    """One answer or time is another, whatever comes of it."""
    each = randomness.choice(operations)
    what = randomness.randrange(3)
    if what == 0:
        each.begin = max(0, each.begin - randomness.randrange(600 * MS))
    elif what == 1:
        each.end += randomness.randrange(600 * MS)
    else:
        answers = {"get": [*history.STATES, "missing"], "hold": ["refused", "unknown"]}
        each.result = randomness.choice(answers.get(each.kind, ["ok", "refused", "unknown"]))
        if each.kind == "hold":
            each.token = ()


def test_as_every_order_by_force(scale):
    """Also of histories that nobody planned: whatever the damage makes of them, both say the same."""
    print(f"SEED={SEED}")
    verdicts = {True: 0, False: 0}
    for seed in range(SEED, SEED + max(20, int(1500 * scale))):
        randomness = random.Random(seed)
        beds = randomness.randint(1, 2)
        operations, _ = made_up_history.play(seed, {"v": beds}, 4, 7, unknown=randomness.choice((0, 0.2)), latency_ms=300,
                                     place=0.05)
        for _ in range(randomness.randrange(3)):
            changed(operations, randomness)
        possible = made_up_history.by_force(operations, beds, linear.EARLY, linear.LATE)
        found = linear.check_vacancy("v", beds, operations)
        assert possible == (found is None), f"seed {seed}: " + "\n".join(map(str, operations))
        verdicts[possible] += 1
    assert min(verdicts.values()) > 0, verdicts


@pytest.mark.long
def test_100000_operations_are_judged_in_a_minute():
    print(f"SEED={SEED}")
    vacancies = {f"v{n}": 1 + n % 2 for n in range(20)}
    operations, _ = made_up_history.play(SEED, vacancies, 50, 100_000, unknown=0.02, place=0)
    began = time.monotonic()
    assert not linear.check(operations, vacancies)
    assert time.monotonic() - began < 60
