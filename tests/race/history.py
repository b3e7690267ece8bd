"""What clients asked of holds and what they were answered, and when: one line of JSON for each operation.

Owns: Operation, its text. Not here: who makes histories (race.py, load.py), who judges them (linear.py).
Times are nanoseconds of CLOCK_BOOTTIME of the one machine on which all clients and hubs run. It shares no code with the
product.
"""
import dataclasses
import json

# What an operation is, and which outcomes it may have beside UNKNOWN.
HOLD, EXTEND, RELEASE, PLACE, ACCEPT, DECLINE, GET, WITHDRAW = \
    "hold", "extend", "release", "place", "accept", "decline", "get", "withdraw"
OK, REFUSED, MISSING, UNKNOWN = "ok", "refused", "missing", "unknown"
# Of GET, beside MISSING: the state that the hold is said to be in.
STATES = ("active", "accepted", "released", "expired", "declined", "placed")


@dataclasses.dataclass
class Operation:
    """One call, with all its attempts (the same request id): `begin` is when the one that counts was sent, `end` when it
    was answered. UNKNOWN: `end` is the latest moment at which it may still happen; it may never have.
    `token` is the hold it names; of a HOLD that is OK, the one that it got. `position` is where the log has it."""
    vacancy: str
    kind: str
    begin: int
    end: int
    result: str
    team: str = ""
    token: tuple = ()      # (epoch, sequence)
    beds: int = 0          # HOLD
    length: int = 0        # HOLD, EXTEND: nanoseconds asked for
    region: str = ""
    position: tuple = ()   # (epoch, sequence) of the receipt
    client: str = ""

    def __str__(self):
        token = "-".join(map(str, self.token))
        length = f" for {self.length / 1e9:.3f} s" if self.length else ""
        beds = f" {self.beds} bed(s)" if self.beds else ""
        return (f"{self.begin / 1e9:.6f} to {self.end / 1e9:.6f}: {self.kind}{beds}{length} {token} by "
                f"{self.team or 'the agency'}: {self.result}")


def write(path, operations, vacancies):
    """vacancies: {id: beds}."""
    with open(path, "w", encoding="utf-8") as handle:
        handle.write(json.dumps({"vacancies": vacancies}) + "\n")
        for each in operations:
            handle.write(json.dumps(dataclasses.asdict(each)) + "\n")


def read(path):
    """(operations, {id: beds})"""
    with open(path, encoding="utf-8") as handle:
        vacancies = json.loads(handle.readline())["vacancies"]
        return [operation(json.loads(line)) for line in handle], vacancies


def operation(fields):
    return Operation(**{**fields, "token": tuple(fields["token"]), "position": tuple(fields["position"])})
