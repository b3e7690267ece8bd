#!/usr/bin/python3
"""make bench: speed and memory of a hub, as ratios to what runs beside it on the same machine in the same run.

Owns: the folder that everything runs in, the order of the measurements, the table and build/bench/results.json.
The load comes from the C programs beside this file. Nothing here is a test: a figure off its target is printed so, and
the run succeeds. It fails only if something could not be measured.

    run.py [--peers] [--vacancies N | --million] [--mixed N] [--seconds S] [--only search,updates,memory,federation]
    run.py --only federation --only-records --records 1000000      bounded memory: only when asked for
    run.py --only federation --openldap-sync    OpenLDAP's initial copy as configured by default, too: many minutes
"""
import argparse
import contextlib
import json
import os
import platform
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path[:0] = [os.path.join(HERE, "..", "lib"), HERE]

import dataset  # noqa: E402
import federation  # noqa: E402
import hub  # noqa: E402
import openldap  # noqa: E402
import peers  # noqa: E402
import searches  # noqa: E402
from hub import BUILD, REGION, TEAM, Federation, Hub  # noqa: E402

BENCH = os.path.join(ROOT, BUILD, "bench")
RESULTS = os.path.join(ROOT, "build", "bench", "results.json")
AGENCIES = [f"bench-{number:02d}" for number in range(1, 21)]
OPERATOR = "operator bench"
SEARCHES = 8192   # as teams may ask
IDLE_CONNECTIONS = 1000
STARTS = 3   # one of a million
FILL_BOUND_S = 1200
SCANS = ((100_000, 20), (1_000_000, 100))   # vacancies, and how many times a tight scan's throughput is asked for
ROUNDS = 2   # of what is written to disk, in turn with its peer: disks have moods
# Octets of the record that PostgreSQL's row and LMDB's value stand for: about an offer as the register stores it.
RECORD_BYTES = 300
NOT_INSTALLED = "not installed: make bench-peers"


class Table:
    """The figures, in the order measured."""

    def __init__(self):
        self.figures = []

    def add(self, section, what, value, unit, beside="", beside_value=None, target=None, at_most=True, ratio=None, note=""):
        """`target` bounds the ratio (value / beside_value unless given). None: a figure to know, not to meet."""
        if ratio is None and beside_value:
            ratio = value / beside_value
        met = None if target is None or ratio is None else (ratio <= target if at_most else ratio >= target)
        self.figures.append(dict(section=section, what=what, value=value, unit=unit, beside=beside,
                                 beside_value=beside_value, ratio=ratio, target=target,
                                 target_is=None if target is None else "at most" if at_most else "at least", met=met,
                                 note=note))
        compared = f" ({share(ratio)} of {beside} {number(beside_value)})" if beside_value else ""
        print(f"  {what}: {number(value)} {unit}{compared}", flush=True)

    def text(self):
        head = ["what", "measured", "beside", "ratio", "target", ""]
        rows = []
        for figure in self.figures:
            beside = figure["beside"]
            if figure["beside_value"] is not None:
                beside = f"{beside} {number(figure['beside_value'])}"
            rows.append([figure["section"], figure["what"], f"{number(figure['value'])} {figure['unit']}", beside,
                         "" if figure["ratio"] is None else share(figure["ratio"]),
                         "" if figure["target"] is None else f"{figure['target_is']} {figure['target']:g}",
                         {True: "met", False: "MISSED", None: ""}[figure["met"]]])
        widths = [max(len(row[column + 1]) for row in rows + [[""] + head]) for column in range(len(head))]
        lines, section = [], None
        lines.append("  " + "  ".join(text.ljust(width) for text, width in zip(head, widths)).rstrip())
        for row in rows:
            if row[0] != section:
                section = row[0]
                lines += ["", section]
            cells = [cell.rjust(width) if column in (1, 3) else cell.ljust(width)
                     for column, (cell, width) in enumerate(zip(row[1:], widths))]
            lines.append("  " + "  ".join(cells).rstrip())
        notes = [f"  {figure['what']}: {figure['note']}" for figure in self.figures if figure["note"]]
        return "\n".join(lines + (["", "Notes", *notes] if notes else []))


def number(value):
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:,.1f}" if abs(value) >= 10 else f"{value:,.2f}"


def share(ratio):
    return f"{ratio:.2f}" if ratio >= .1 else f"{ratio:.2g}"


def step(text):
    print(text, flush=True)


def tool(name, *arguments, bound_s=300):
    """One of the C programs; its JSON."""
    done = subprocess.run([os.path.join(BENCH, name), *map(str, arguments)], stdout=subprocess.PIPE, text=True, check=False,
                          timeout=bound_s)
    if done.returncode:
        raise RuntimeError(f"{name} ended with {done.returncode}")
    return json.loads(done.stdout)


def anonymous_bytes(pid):
    """What a process holds for itself: not the pages of files (the register's map), which the kernel can take back."""
    with open(f"/proc/{pid}/status", encoding="ascii") as handle:
        return next(int(line.split()[1]) * 1024 for line in handle if line.startswith("RssAnon:"))


class Bench:
    def __init__(self, options, work, stack):
        self.options, self.work, self.stack, self.table = options, work, stack, Table()
        self.hub, self.vacant = None, 0
        self.federation = Federation(os.path.join(work, "ca"))

    def wants(self, what):
        return not self.options.only or what in self.options.only.split(",")

    def address(self, port):
        return ["--hub", f"127.0.0.1:{port}", "--ca", self.federation.root]

    # --- before anything is measured --------------------------------------------------------------------------------
    def prepare(self):
        count = self.options.vacancies
        hub.START_BOUND_S = max(hub.START_BOUND_S, count / 4000)
        step(f"A register of {count:,} live vacancies at {len(AGENCIES)} agencies, {self.options.mixed:,} questions for 30 % of them to one "
             "in a million")
        self.data = dataset.Dataset(os.path.join(self.work, "dataset"), count, AGENCIES, SEARCHES,
                                    self.options.mixed)
        self.updates, self.vacant = self.data.updates, self.data.vacant
        self.agencies = self.federation.principals([f"agency {agency}" for agency in AGENCIES])
        self.team, self.operator = self.federation.principal(TEAM), self.federation.principal(OPERATOR)
        self.hub = Hub(self.federation, os.path.join(self.work, "hub"),
                       options={("log", "level"): "info",
                                ("limits", "connections-per-principal"): str(IDLE_CONNECTIONS + 100)})
        self.hub.start()
        self.stack.callback(self.hub.kill)
        client = self.hub.client(self.operator)
        kind = client.messages.enum("AgencyKind")["AGENCY_KIND_INDEPENDENT"]
        for index, agency in enumerate(AGENCIES):
            # 01632 is the area code kept for fiction.
            client.call("HubService/PutAgency", agency=client.messages.Agency(
                id=agency, name=f"Bench Fostering {index + 1}", kind=kind, ofsted_urn=f"SC{400000 + index}",
                phone=f"01632 96{index:04d}", email=f"placements@{agency}.example.org"))
        client.close()

    def as_agencies(self):
        arguments = []
        for agency, principal in zip(AGENCIES, self.agencies):
            arguments += ["--as", principal.folder, "--updates", self.updates[agency]]
        return [*self.address(self.hub.port), *arguments, "--pid", self.hub.process.pid]

    def fill(self):
        step("Filling it through Submit, each agency with its own certificate")
        empty = anonymous_bytes(self.hub.process.pid)
        filled = tool("updates", "fill", *self.as_agencies(), "--seconds", FILL_BOUND_S, bound_s=FILL_BOUND_S + 60)
        self.table.add("Durable updates", f"filling: {len(AGENCIES)} Submit streams, 256 under way on each",
                       filled["per_second"], "updates/s",
                       note=f"{filled['updates']:,} carers and vacancies created in {filled['seconds']:.1f} s")
        self.empty_bytes = empty

    # --- memory and start-up ----------------------------------------------------------------------------------------
    def start_up_and_memory(self):
        step("Starting it again")
        count, taken, used = self.options.vacancies, [], []
        for _ in range(1 if count >= searches.MANY else STARTS):
            self.hub.stop()
            began = time.monotonic()
            self.hub.start()
            taken.append(time.monotonic() - began)
            used.append(anonymous_bytes(self.hub.process.pid))
        self.table.add("Memory and start-up", f"start-up with {count:,} vacancies: process start to ready",
                       statistics.median(taken), "s", note=f"median of {len(taken)}; every record's check and the chain included")
        self.table.add("Memory and start-up", "memory per vacancy",
                       (statistics.median(used) - self.empty_bytes) / count, "bytes",
                       note="RssAnon after a start with the register full, less RssAnon of the empty hub; pages of the "
                            "register's file are the kernel's to drop")
        with self.idle_connections():
            full = anonymous_bytes(self.hub.process.pid)
        self.table.add("Memory and start-up", f"memory per idle connection ({IDLE_CONNECTIONS:,} open)",
                       (full - used[-1]) / IDLE_CONNECTIONS, "bytes",
                       note="RssAnon with them less RssAnon without; each has asked once for the hub's health")

    @contextlib.contextmanager
    def idle_connections(self):
        process = subprocess.Popen([os.path.join(BENCH, "idle"), f"127.0.0.1:{self.hub.port}", self.federation.root,
                                    self.team.folder, str(IDLE_CONNECTIONS)], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        try:
            if process.stdout.readline() != b"open\n":
                raise RuntimeError("the idle connections did not open")
            yield
        finally:
            process.stdin.close()
            process.wait(60)

    # --- updates ----------------------------------------------------------------------------------------------------
    def durable_updates(self):
        step("Updating it")
        seconds, section = self.options.seconds, "Durable updates"
        database = None
        if peers.Postgres.program:
            database = peers.Postgres(os.path.join(self.work, "postgres"), self.options.vacancies, RECORD_BYTES)
            self.stack.callback(database.stop)
        unary, stream, theirs, raw = [], [], [], []
        for turn in range(ROUNDS):
            if database:
                theirs.append(database.updates(64, seconds)[0])
            unary.append(tool("updates", "unary", *self.as_agencies(), "--connections", 64, "--seconds", seconds))
            folder = os.path.join(self.work, f"lmdb-{turn}")
            os.makedirs(folder)
            raw.append(tool("lmdb_ceiling", folder, self.options.vacancies, RECORD_BYTES, seconds / 2))
            stream.append(tool("updates", "stream", *self.as_agencies(), "--connections", 64, "--seconds", seconds))
        alone = tool("updates", "unary", *self.as_agencies(), "--connections", 1, "--seconds", seconds / 2)
        postgres = statistics.mean(theirs) if theirs else None
        name = f"PostgreSQL {database.version()}, 64 clients over TLS" if database else NOT_INSTALLED
        ceiling = statistics.mean(each["batch_of_64_per_second"] for each in raw)

        def mean(runs, key):
            return statistics.mean(each[key] for each in runs)

        self.table.add(section, "PutVacancy, 64 clients over mutual TLS", mean(unary, "per_second"), "updates/s", name,
                       postgres, target=1, at_most=False,
                       note=f"mean of {ROUNDS} runs in turn with PostgreSQL's single-row updates by key, prepared, in a table "
                            f"of {self.options.vacancies:,} rows; fsync and synchronous_commit on")
        self.table.add(section, "the same on 64 Submit streams", mean(stream, "per_second"), "updates/s", name, postgres,
                       target=1, at_most=False)
        self.table.add(section, "the same as a share of the disk's ceiling", mean(stream, "per_second"), "updates/s",
                       "raw LMDB, commits of 64", ceiling)
        self.table.add(section, "PutVacancy latency p50, 64 clients", mean(unary, "p50_us"), "us")
        self.table.add(section, "PutVacancy latency p99, 64 clients", mean(unary, "p99_us"), "us")
        self.table.add(section, "server CPU per update, 64 clients", mean(unary, "server_cpu_us"), "us")
        self.table.add(section, "PutVacancy latency p50, one client", alone["p50_us"], "us", "raw LMDB commit of one",
                       mean(raw, "single_p50_us"))

    # --- the index by itself ----------------------------------------------------------------------------------------
    def in_process(self):
        """What a search is without a network: one core, the same questions' selectivity, beside a tight scan."""
        step("The index by itself, in one process")
        for offers, times in SCANS:
            section = f"Searches in process, one core, {offers:,} vacancies"
            done = tool("bench_match", "--offers", offers, "--json")
            for order in ("nearest", "default"):
                bound = dict(target=times, at_most=False) if order == "nearest" else {}
                self.table.add(section, f"{order}: mean", done[f"search_{order}_mean_us"], "us", "a tight scan",
                               done[f"scan_{order}_mean_us"], ratio=done[f"throughput_of_scan_{order}_times"], **bound,
                               note="the ratio is of throughputs")
                for what in ("p50", "p99"):
                    self.table.add(section, f"{order}: {what}", done[f"search_{order}_{what}_us"], "us")
            self.table.add(section, "publication of an update: p50", done["publish_p50_us"], "us")
            self.table.add(section, "publication of an update: p99", done["publish_p99_us"], "us")
            self.table.add(section, "updates alone", done["updates_alone_a_second"], "/s")
            self.table.add(section, "updates while another core searches", done["updates_while_searching_a_second"], "/s",
                           "updates alone", done["updates_alone_a_second"])
            self.table.add(section, "memory of an offer", done["memory_per_offer_octets"], "bytes")
        for each in tool("bench_watch", "--json"):
            self.table.add("Standing searches, in process, 100,000 vacancies",
                           f"an update while {each['standing']:,} stand: p50", each["update_p50_us"], "us",
                           note=f"mean {each['update_mean_us']:.1f} us; tells {each['told_each']:.2f} of them to search again")

    # --- all of it --------------------------------------------------------------------------------------------------
    def one_hub(self):
        self.prepare()
        self.fill()
        if self.wants("memory"):
            self.start_up_and_memory()
        if self.wants("search"):
            step("Searching it")
            searches.Searches(self, tool).measure()
            self.in_process()
        if self.wants("updates"):
            self.durable_updates()
            searches.Searches(self, tool).with_updates()
        self.hub.stop()

    def run(self):
        if self.wants("memory") or self.wants("search") or self.wants("updates"):
            self.one_hub()
        if self.wants("federation") or self.options.only_records:
            step(f"A federation, with {self.options.records:,} records of one region")
            federation.measure(self, tool, AGENCIES)
            self.replica()

    def replica(self):
        step("A replica by itself, in one process with what it is given")
        done = tool("bench_replica")
        section = federation.SECTION
        for each in done["batches"]:
            self.table.add(section, f"entries applied by a follower that catches up, commits of {each['updates']} updates",
                           each["per_second"], "entries/s",
                           note=f"{each['cpu_us']:.1f} us of CPU each; verification takes {each['verifying_share']:.0%} of the "
                                f"time that applying takes without its disk's syncs, {each['digest_share']:.0%} for the digest")


def machine():
    with open("/proc/cpuinfo", encoding="utf-8") as handle:
        model = next((line.split(":", 1)[1].strip() for line in handle if line.startswith("model name")), platform.machine())
    return {"cpu": model, "cores": os.cpu_count(), "kernel": platform.release()}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peers", action="store_true", help="fail if a program to compare with is missing")
    parser.add_argument("--vacancies", type=int, default=100_000)
    parser.add_argument("--million", action="store_true", help="the same as --vacancies 1000000: half an hour more")
    parser.add_argument("--mixed", type=int, default=10_000, help="questions of mixed selectivity")
    parser.add_argument("--seconds", type=float, default=5, help="of each measurement")
    parser.add_argument("--only", help="of: search, updates, memory, federation")
    parser.add_argument("--records", type=int, default=100_000, help="of one region that an empty hub takes")
    parser.add_argument("--only-records", action="store_true", help="of the federation, only what --records names")
    parser.add_argument("--federation-updates", type=int, default=100, help="of each turn, looked for at another hub")
    parser.add_argument("--openldap-sync", action="store_true",
                        help="also OpenLDAP's initial copy as configured by default: a sync for each entry")
    options = parser.parse_args()
    if options.million:
        options.vacancies = 1_000_000
    if options.peers and not (peers.Nghttpd.program and peers.Replication.available and peers.Finder.available and openldap.Directory.available):
        sys.exit("bench: nghttpd, PostgreSQL or OpenLDAP is missing")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))   # so that what was started is ended
    began = time.monotonic()
    # All on one disk, and not on one that lives in memory, where a durable write costs nothing.
    work = tempfile.mkdtemp(prefix="vacancyd-bench-", dir="/var/tmp")
    os.chmod(work, 0o755)
    with contextlib.ExitStack() as stack:
        stack.callback(shutil.rmtree, work, ignore_errors=True)
        bench = Bench(options, work, stack)
        bench.run()
    taken = time.monotonic() - began
    about = machine()
    result = {"machine": about, "region": REGION, "vacancies": options.vacancies, "vacant": bench.vacant,
              "seconds_each": options.seconds, "seconds_taken": round(taken, 1), "figures": bench.table.figures}
    os.makedirs(os.path.dirname(RESULTS), exist_ok=True)
    with open(RESULTS, "w", encoding="utf-8") as handle:
        json.dump(result, handle, indent=1)
        handle.write("\n")
    print(f"\n{about['cpu']}, {about['cores']} cores shared with the load generator; {options.vacancies:,} live vacancies, "
          f"{bench.vacant:,} of them vacant now\n")
    print(bench.table.text())
    print(f"\n{taken:.0f} seconds; build/bench/results.json has it all")


if __name__ == "__main__":
    main()
