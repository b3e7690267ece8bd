#!/usr/bin/python3
"""The demo: a federation of nine regional hubs, a nation of carers pushed to them, and the questions of a placement team.

    demo.py run       make certificates, start nine hubs, load them, search, cut one off, heal it, stop    (make demo)
    demo.py up        the same up to the loading, and leave the hubs running                               (make demo-up)
    demo.py down      stop what `up` started                                                               (make demo-down)

Owns: the story. The hubs are hubs.py's, what they hold is looked at with watch.py, the silence between them is
tests/lib/relay.py's. Updates are pushed by `vacancy push` with each agency's own certificate, to its own region's hub;
searches are `vacancy find` at the hub of Yorkshire and The Humber.
"""
import argparse
import concurrent.futures
import json
import os
import sys
import time

import hubs
from hubs import DEMO, NATION, REGIONS, Failure

import watch as watching

import relay

HERE = "E12000003"      # where people ask; its principals are the plain build/demo/*.env
CUT = "E12000006"       # the hub that is cut off
SEARCHES = [
    ("A 14-year-old boy, tonight, near Headingley in Leeds",
     "--near LS6 --child 14:M --type EMERGENCY --purpose EMERGENCY_PLACEMENT --ref 383-204417"),
    ("Two siblings of 4 and 7, one speaks Polish, long term, near Bristol",
     "--near BS3 --child 4:F --child 7:M --type LONG_TERM --language pl --together --ref 383-204418"),
    ("A mother of 17 and her baby, near Leicester",
     "--near LE2 --child 17:F --child 2m:M --type PARENT_AND_CHILD --ref 383-204419"),
    ("A girl of 9 who uses a wheelchair, near Norwich",
     "--near NR2 --child 9:F --type SHORT_TERM --need WHEELCHAIR --need STEP_FREE --ref 383-204420"),
    ("Four brothers and sisters, together, alone in the home, within 10 miles of Truro: nothing suits, and why",
     "--near TR1 --child 3:M --child 5:F --child 8:M --child 11:F --type LONG_TERM --alongside SOLO --within 10 "
     "--ref 383-204421"),
]
NEAR_CAMBRIDGE = "--near CB1 --child 8:F --type SHORT_TERM --ref 383-204422"
CAUGHT_UP_BOUND_S, STALE_BOUND_S, HEAL_BOUND_S = 60, 40, 40


class Progress:
    """One line that grows, on a terminal; milestones elsewhere."""

    def __init__(self, what, total):
        self.what, self.total, self.done, self.began = what, total, 0, time.monotonic()
        self.terminal = sys.stdout.isatty()
        self.shown = 0

    def add(self, count):
        self.done += count
        share = self.done / self.total if self.total else 1
        rate = self.done / max(time.monotonic() - self.began, 1e-3)
        if self.terminal:
            bar = "#" * int(share * 30)
            print(f"\r  {self.what} [{bar:<30}] {self.done:,} of {self.total:,}, {rate:,.0f} a second ",
                  end="", flush=True)
        elif int(share * 4) > self.shown:
            self.shown = int(share * 4)
            print(f"  {self.what}: {self.done:,} of {self.total:,}, {rate:,.0f} a second", flush=True)

    def finish(self):
        rate = self.done / max(time.monotonic() - self.began, 1e-3)
        if self.terminal:
            print(flush=True)
        return rate


def say(text=""):
    print(text, flush=True)


def indented(text):
    return "\n".join("  " + line for line in text.rstrip().splitlines())


def told(done, *codes):
    """What a command said, which must have ended with one of the codes."""
    if done.returncode not in codes:
        raise Failure(f"`{' '.join(done.args[1:])}` ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    return done.stdout


# --- up ---------------------------------------------------------------------------------------------------------------
def prepare(with_relays):
    """Nine hubs that run; and the relays through which the links of one of them go, if they are wanted."""
    federation = hubs.Federation()
    federation.clear()
    say("A made-up nation: 42,615 fostering households of 465 agencies")
    hubs.run(sys.executable, os.path.join(hubs.ROOT, "tests", "demo", "nation.py"), NATION)
    for hub in federation:
        hub.choose_people()
    say("Certificates for nine hubs, 465 agencies, and a placement team, an operator and an auditor at each hub")
    federation.certify()
    for hub, port in zip(federation, hubs.free_ports(len(REGIONS))):
        hub.port = port
    ports = {hub.region: hub.port for hub in federation}
    relays = {}
    if with_relays:
        relays = {region: relay.Relay(("127.0.0.1", port)) for region, port in ports.items()}
        # Its links to the others, and theirs to it, each through a relay.
        outside = federation.write_roster("roster", {**ports, CUT: relays[CUT].port})
        inside = federation.write_roster("roster-relayed", {**{region: each.port for region, each in relays.items()},
                                                            CUT: ports[CUT]})
    else:
        outside = inside = federation.write_roster("roster", ports)
    for hub in federation:
        hub.configure(inside if hub.region == CUT else outside)
        hub.write_environments(hub.folder)
    federation[HERE].write_environments(DEMO)
    federation.start()
    say("Nine hubs, mutual TLS only: " + ", ".join(f"{hub.region} on localhost:{hub.port}" for hub in federation))
    return federation, list(relays.values())


def push(hub, agency):
    done = hub.vacancy(f"agency {agency}", "push", "--json", os.path.join(NATION, "push", f"{agency}.csv"))
    return json.loads(told(done, 0))


def load(federation):
    """Pushes every agency's file to its hub, a few agencies at a time, as they would on a Monday morning. Gives updates a
    second."""
    for hub in federation:
        told(hub.vacancy("operator", "hub", "agencies", "--put", os.path.join(NATION, "agencies", f"{hub.region}.csv")), 0)
    # By name, so that the regions come mixed.
    work = sorted((agency.id, hub) for hub in federation for agency in hub.agencies)
    total = sum(1 + (row["vacancy"] not in ("", "NONE")) for agency, _ in work for row in hubs.rows_of(agency))
    progress = Progress("pushing carers and vacancies", total)
    with concurrent.futures.ThreadPoolExecutor(6) as pool:
        pushes = [pool.submit(push, hub, agency) for agency, hub in work]
        try:
            for future in concurrent.futures.as_completed(pushes):
                done = future.result()
                progress.add(done["created"] + done["updated"] + done["confirmed"])
        except Failure:
            pool.shutdown(cancel_futures=True)
            raise
    return progress.finish()


# --- searches ---------------------------------------------------------------------------------------------------------
def find(hub, arguments, *more):
    # A team asks under its own authority's number. 1 is `find`'s own word for "nothing suits", which one search shows.
    arguments = arguments.replace("--ref 383-", f"--ref {hub.dfe}-").split()
    return told(hub.vacancy("team", "find", *arguments, *more), 0, 1)


def search(hub):
    for title, arguments in SEARCHES:
        say(f"\n{title}\n  $ vacancy find {arguments}\n")
        say(indented(find(hub, arguments)))


def options_of(hub, arguments):
    return [option["vacancy_id"] for option in json.loads(find(hub, arguments, "--limit", "20", "--json"))["options"]]


def all_answer_alike(federation):
    """The same question at nine hubs has one answer. It is the same only without the step "in area": each hub's team is of
    another authority."""
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        for _, arguments in SEARCHES:
            found = list(pool.map(lambda hub, a=f"{arguments} --order nearest": options_of(hub, a), federation))
            if any(each != found[0] for each in found):
                raise Failure(f"hubs answer `find {arguments}` differently: {found}")
    say("\nThe same five searches, nearest first, at each of the nine hubs give the same vacancies in the same order.")


def search_latency(hub, rounds=40):
    """Whole `vacancy find` processes, TLS handshake and all: what a person waits for."""
    taken = []
    for index in range(rounds):
        began = time.monotonic()
        find(hub, SEARCHES[index % 4][1])
        taken.append((time.monotonic() - began) * 1000)
    taken.sort()
    return taken[len(taken) // 2], taken[int(len(taken) * .95)]


# --- a hub cut off ----------------------------------------------------------------------------------------------------
def one_to_withdraw(hub):
    """Its own council's, some vacancy that is vacant."""
    agency = hub.principals["agency"].split()[1]
    return next(row["agency_reference"] for row in hubs.rows_of(agency) if row["vacancy"] == "VACANT")


def ages(text):
    """What a search says at its end of the regions."""
    return indented(text.rstrip().rpartition("\n\n")[2])


def withdraw(hub):
    reference = one_to_withdraw(hub)
    done = hub.vacancy("agency", "withdraw", "--replicated", reference)
    say(f"  $ vacancy withdraw --replicated {reference}     # {hub.principals['agency']} at {hub.region}\n"
        f"{indented(told(done, 0, 1))}")


def cut_off(federation, watch, relays):
    here, away = federation[HERE], federation[CUT]
    before = options_of(away, SEARCHES[0][1])
    for each in relays:
        each.cut()
    say(f"\nThe hub of {away.name}, {CUT}, is cut off: what it sends and is sent vanishes without a word.")
    _, taken = watch.until(lambda seen: seen[HERE][CUT].stale and all(
        seen[CUT][region].stale for region in REGIONS if region != CUT), STALE_BOUND_S, "it is told to be stale")
    say(f"After {taken:.0f} s, a search near Cambridge asked at {HERE} still answers, and says:")
    say(ages(find(here, NEAR_CAMBRIDGE)))
    say(f"Asked at {CUT}, it answers for the nation as of the cut, Leeds for one, and says:")
    say(ages(find(away, SEARCHES[0][1])))
    if options_of(away, SEARCHES[0][1]) != before:
        raise Failure(f"{CUT} answers otherwise than before it was cut off")
    say("\nMeanwhile agencies on both sides go on:")
    withdraw(away)
    withdraw(here)


def heal(federation, watch, relays):
    for each in relays:
        each.heal()
    seen, taken = watch.until(watching.equal, HEAL_BOUND_S, "all hubs hold the same")
    say(f"\nHealed. {taken:.1f} s later all nine hubs hold the same. Each one's own running digest of each region:\n")
    for region in REGIONS:
        mine = seen[region][region]
        say(f"  {region}  {mine.sequence:>7,} entries, {mine.records:>7,} records, {mine.state_digest[:24]}...  at "
            f"{sum(found[region].state_digest == mine.state_digest for found in seen.values())} of {len(seen)} hubs")
    say(f"\n  $ vacancy hub regions     # at {HERE}\n\n{indented(told(federation[HERE].vacancy('operator', 'hub', 'regions'), 0))}")
    for region in (HERE, CUT):
        say(f"\n  $ vacancy hub verify     # at {region}, from its disk\n\n"
            f"{indented(told(federation[region].vacancy('operator', 'hub', 'verify'), 0))}")


# --- the goals --------------------------------------------------------------------------------------------------------
def story(federation, relays):
    watch = watching.Watch(federation)
    watch.until(watching.deciding, CAUGHT_UP_BOUND_S, "each hub decides for its region")
    rate = load(federation)
    seen, taken = watch.until(watching.caught_up, CAUGHT_UP_BOUND_S, "each hub has every record")
    records = sum(each.records for each in seen[HERE].values())
    say(f"\nDurable updates: {rate:,.0f} a second, each on its hub's disk before it was answered. {taken:.2f} s after the "
        f"last one each of the nine hubs had every record of England, {records:,} of them.")
    say(f"\n{told(federation[HERE].vacancy('operator', 'hub', 'status'), 0).rstrip()}")
    search(federation[HERE])
    all_answer_alike(federation)
    middle, slow = search_latency(federation[HERE])
    say(f"A whole `vacancy find`, program start and TLS included: {middle:.0f} ms, slowest twentieth {slow:.0f} ms.")
    cut_off(federation, watch, relays)
    heal(federation, watch, relays)
    watch.close()
    say("\n" + told(federation[HERE].vacancy("auditor", "audit", "verify"), 0).rstrip())


def demo():
    federation, relays = prepare(with_relays=True)
    try:
        story(federation, relays)
    finally:
        bad = federation.stop()
        for each in relays:
            each.close()
    if bad:
        raise Failure(f"{', '.join(bad)} did not end cleanly")
    say("\nThe hubs have stopped; nothing is left running. `make demo-up` keeps them to play with.")


def up():
    federation, _ = prepare(with_relays=False)
    try:
        watch = watching.Watch(federation)
        watch.until(watching.deciding, CAUGHT_UP_BOUND_S, "each hub decides for its region")
        load(federation)
        watch.until(watching.caught_up, CAUGHT_UP_BOUND_S, "each hub has every record")
        watch.close()
    except BaseException:
        federation.stop()
        raise
    say(f"""
Nine hubs are running. At that of {REGIONS[HERE]}, try:

    . build/demo/team.env
    build/vacancy find {SEARCHES[0][1]}
    . build/demo/agency.env
    build/vacancy list vacancies
    build/vacancy confirm --all --replicated
    . build/demo/operator.env
    build/vacancy hub regions
    build/vacancy hub verify
    . build/demo/auditor.env
    build/vacancy audit verify --state build/demo/audit-seen

and at any other, as `. build/demo/E12000009/team.env`. Kill one (`pkill -9 -f build/demo/E12000009/`), search at the
others, start it again with `build/vacancyd --config build/demo/E12000009/vacancyd.conf`.
`make demo-down` stops them.""")


def down():
    federation = hubs.Federation()
    running = len(federation.running())
    bad = federation.stop()
    if bad:
        raise Failure(f"{', '.join(bad)} did not end in {hubs.STOP_BOUND_S} seconds and was killed")
    say(f"The demo's hubs have stopped ({running})." if running else "The demo's hubs are not running.")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("run", "up", "down"))
    began = time.monotonic()
    what = parser.parse_args().what
    try:
        {"run": demo, "up": up, "down": down}[what]()
    except (Failure, KeyboardInterrupt) as error:
        print(f"demo: {error or 'interrupted'}\nThe hubs' logs are build/demo/REGION/vacancyd.log.", file=sys.stderr)
        sys.exit(1)
    if what == "run":
        say(f"({time.monotonic() - began:.0f} seconds)")


if __name__ == "__main__":
    main()
