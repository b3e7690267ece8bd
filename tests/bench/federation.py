"""Part of `make bench`: what the federation costs, beside PostgreSQL's logical replication and OpenLDAP's syncrepl in the
same run.

Owns: hubs that reach each other directly on loopback over mutual TLS, what is put into them, and the order of: an empty
hub that takes all; from an update to finding it at another hub, with one follower and with eight; what a follower that
catches up costs the home writer. Turns of ours and of the others alternate, and ratios are of turns next to each other:
the machine may be busy with more than us. Called by run.py, which has the table.
"""
import contextlib
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time

import dataset
import homes
import hub as library
import hubs as many
import openldap
import peers
import stubs

HOME, FOLLOWER = many.YORKSHIRE, many.NORTH
ALL = [HOME] + [f"E1200000{number}" for number in range(1, 10) if f"E1200000{number}" != HOME]
REST_MS = 2
MEMORY = "/dev/shm"
ROUNDS = 3
TURNS = 24         # of looking for updates: many short ones, since what else the machine does changes within seconds
COST_ROUNDS = 8
SECTION = "Federation"
NOT_INSTALLED = "not installed: make bench-peers"
RECORD_BYTES = 300
HOME_POSTCODE, FOUND_AMONG = "LS6 1AB", 10   # of what is looked for (homes.carer)


def spread(ratios):
    """Of ordered ratios, in words: all of them, and the middle half."""
    middle = f"{percentile(ratios, 250):.2f} to {percentile(ratios, 750):.2f}"
    return f"ratios of turns {ratios[0]:.2f} to {ratios[-1]:.2f}, half of them {middle}"


def percentile(ordered, per_mille):
    return ordered[min(len(ordered) - 1, len(ordered) * per_mille // 1000)]


@contextlib.contextmanager
def busy(cores):
    """These cores compute something else meanwhile. Else a turn without a follower would be measured on a machine half
    asleep, and a virtual one's sleep costs more at each wake-up than what is measured."""
    processes = [subprocess.Popen([sys.executable, "-c", "while True: pass"],
                                  preexec_fn=lambda: os.sched_setaffinity(0, cores)) for _ in cores]
    try:
        yield
    finally:
        for each in processes:
            each.kill()
            each.wait()


class Federated:
    """Running hubs, the first of them with something to find."""

    def __init__(self, bench, regions, followers_folder=None):
        folder = os.path.join(bench.work, f"hubs-{len(regions)}")
        if followers_folder:
            os.makedirs(os.path.join(folder, HOME))
            folder, disk = os.path.join(followers_folder, "hubs"), folder
            os.makedirs(folder)
            os.symlink(os.path.join(disk, HOME), os.path.join(folder, HOME))
        self.bench, self.hubs = bench, many.Hubs(bench.federation, folder, regions, options={("log", "level"): "info"},
                                                 relays=False)
        self.messages = stubs.load()
        # Before any hub reads the revocation lists.
        for region in regions:
            bench.federation.principal("hub", region)
        self.agency = bench.federation.principal(homes.LEEDS, HOME)
        self.teams = {region: bench.federation.principal(library.TEAM, region) for region in regions}

    def __enter__(self):
        self.hubs.start()
        self.hubs.wait_deciding(bound_s=60)
        homes.register_agencies(self.hubs[HOME])
        with self.hubs[HOME].client(homes.LEEDS) as leeds:
            leeds.call("AgencyService/PutCarer", carer=homes.carer(self.messages, "H-1"))
            leeds.call("AgencyService/PutVacancy", vacancy=homes.vacancy(self.messages, "H-1"))
        self.hubs.wait_equal(bound_s=60)
        return self

    def __exit__(self, *_):
        for each in self.hubs:
            each.kill()

    def latency(self, tool, updates, follower=FOLLOWER):
        put, find = (os.path.join(self.hubs.folder, name) for name in ("put", "find"))
        dataset.write_one(put, self.messages.PutVacancyRequest(
            vacancy=homes.vacancy(self.messages, "H-1")).SerializeToString())
        # Near its own home, for no more than it is surely among: what is beside looks for one row by its key, and a
        # search for fifty, with each one's reasons, took longer than what it is to time.
        question = homes.search(self.messages, near_postcode=HOME_POSTCODE, limit=FOUND_AMONG)
        dataset.write_one(find, question.SerializeToString())
        return tool("across", "--ca", self.bench.federation.root, "--from", f"127.0.0.1:{self.hubs[HOME].port}",
                    "--agency", self.agency.folder, "--put", put, "--to", f"127.0.0.1:{self.hubs[follower].port}",
                    "--team", self.teams[follower].folder, "--find", find, "--updates", updates, "--rest-ms", REST_MS,
                    "--warm-up", peers.WARM_UP)

    # --- what others are measured with -------------------------------------------------------------------------------
    def position(self, region):
        """(sequence, records) of HOME's region at a hub."""
        row = self.hubs.list_regions(region)[HOME]
        return (row.sequence, row.records) if row.present else (0, 0)

    def as_agencies(self, agencies, updates):
        arguments = ["--hub", f"127.0.0.1:{self.hubs[HOME].port}", "--ca", self.bench.federation.root]
        for agency in agencies:
            arguments += ["--as", self.bench.federation.principal(f"agency {agency}", HOME).folder,
                          "--updates", updates[agency]]
        return arguments

    def register(self, agencies):
        with self.hubs[HOME].client(many.OPERATOR) as operator:
            kind = operator.messages.enum("AgencyKind")["AGENCY_KIND_INDEPENDENT"]
            for index, agency in enumerate(agencies):
                operator.call("HubService/PutAgency", agency=operator.messages.Agency(
                    id=agency, name=f"Bench Fostering {index + 1}", kind=kind, ofsted_urn=f"SC{400000 + index}"))

    def forget_others(self, region):
        """Stops the hub and leaves it without what it has of other regions: that may be deleted at any time."""
        self.hubs[region].stop()
        shutil.rmtree(os.path.join(self.hubs.folder, region, "data", "replica"))

    @contextlib.contextmanager
    def follower_in_memory(self):
        """The follower is stopped, empty, and its data in memory."""
        self.forget_others(FOLLOWER)
        data = os.path.join(self.hubs.folder, FOLLOWER, "data")
        memory = tempfile.mkdtemp(prefix="vacancyd-bench-", dir=MEMORY)
        try:
            shutil.move(data, os.path.join(memory, "data"))
            os.symlink(os.path.join(memory, "data"), data)
            yield
            self.hubs[FOLLOWER].stop()
            os.unlink(data)
            shutil.move(os.path.join(memory, "data"), data)
        finally:
            shutil.rmtree(memory, ignore_errors=True)

    def wait_level(self, bound_s, over=None):
        """Seconds until the follower has what its source had when this was called. None: `over` was set before."""
        began = time.monotonic()
        wanted = self.position(HOME)[0]
        with self.hubs[FOLLOWER].client(many.OPERATOR) as operator:
            def level():
                if over and over.is_set():
                    return "over"
                rows = {each.region: each for each in operator.call("HubService/ListRegions").regions}
                return HOME in rows and rows[HOME].present and rows[HOME].sequence >= wanted
            reached = library.wait_until(level, bound_s, "the follower to be level")
        return None if reached == "over" else time.monotonic() - began


# --- from an update to finding it ----------------------------------------------------------------------------------
class Beside:
    """What is measured in turn with the hubs, as far as it is installed: the same number of followers each."""

    def __init__(self, bench, stack, name, rows, followers, followers_folder=None):
        self.replication = self.directory = None
        folder = os.path.join(bench.work, name)
        if peers.Replication.available:
            self.replication = peers.Replication(f"{folder}-postgres", rows, RECORD_BYTES, followers_folder)
            stack.callback(self.replication.stop)
        if openldap.Directory.available:
            self.directory = openldap.Directory(f"{folder}-openldap", rows, RECORD_BYTES, followers_folder)
            stack.callback(self.directory.stop)
        for _ in range(followers):
            self.follow()

    def follow(self):
        for each in (self.replication, self.directory):
            if each:
                each.subscribe()

    def named(self):
        """[(what, how it is called in the table, the target of the ratio)]; None: not installed."""
        sql, ldap = self.replication, self.directory
        return [(sql, sql and f"PostgreSQL {sql.version()}, logical replication over TLS", 1),
                (ldap, ldap and f"OpenLDAP {ldap.version()}, refreshAndPersist over ldaps", None)]


def turns_of_latency(bench, tool, group, beside, followers):
    """[{who: its p50 and p99}]: in each turn all look at the same follower's place."""
    updates, turns = bench.options.federation_updates, []
    for turn in range(TURNS):
        at, figures = turn % len(followers), {}
        for other, _, _ in beside.named():
            if other:
                taken = other.latencies(updates, REST_MS / 1000, at)
                figures[other] = (percentile(taken, 500), percentile(taken, 990))
        ours = group.latency(tool, updates, followers[at])
        turns.append({None: (ours["found_p50_us"], ours["found_p99_us"]), "all": ours, **figures})
    return turns


def ratios_of(turns, other, which=0):
    return sorted(turn[None][which] / turn[other][which] for turn in turns)


def report_latency(bench, turns, beside, followers, disks):
    count = len(followers)
    what = f"update sent to found at another hub, {count} follower{'s' if count > 1 else ''} ({disks})"
    for which, name in enumerate(("p50", "p99")):
        def median(who, which=which):
            return statistics.median(turn[who][which] for turn in turns)

        for other, called, target in beside.named():
            if other is None:
                bench.table.add(SECTION, f"{what}, {name}", median(None), "us", NOT_INSTALLED)
                continue
            ratios = ratios_of(turns, other, which)
            note = spread(ratios)
            if which == 0 and target:
                ours = [turn["all"] for turn in turns]
                where = ", each turn at another follower: the p50 of their p50s" if count > 1 else ""
                note = (f"medians of {len(turns)} turns, {ours[0]['updates']} updates each, {REST_MS} ms apart{where}; {note}; "
                        f"its receipt after {statistics.median(each['receipt_p50_us'] for each in ours):,.0f} us and found "
                        f"{statistics.median(each['after_receipt_p50_us'] for each in ours):,.0f} us after that; searched in "
                        f"a tight loop for the {FOUND_AMONG} best, "
                        f"{statistics.median(each['searches_each'] for each in ours):.1f} searches an update")
            bench.table.add(SECTION, f"{what}, {name}", median(None), "us", called, median(other),
                            target=target if which == 0 else None, ratio=statistics.median(ratios), note=note)


def latencies(bench, tool, group, beside, followers, disks):
    report_latency(bench, turns_of_latency(bench, tool, group, beside, followers), beside, followers, disks)


# --- catching up ----------------------------------------------------------------------------------------------------
def threads_cpu_us(pid, name):
    """CPU that the threads of this name have had."""
    taken = 0
    for task in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{task}/comm", encoding="ascii") as handle:
            if handle.read().strip() != name:
                continue
        with open(f"/proc/{pid}/task/{task}/schedstat", encoding="ascii") as handle:
            taken += int(handle.read().split()[0]) / 1000
    return taken


def halves():
    """The cores, for the home hub with its agencies, and for its follower: as if they were two machines."""
    cores = sorted(os.sched_getaffinity(0))
    return (set(cores), set(cores)) if len(cores) == 1 else (set(cores[:len(cores) // 2]), set(cores[len(cores) // 2:]))


@contextlib.contextmanager
def on_cores(cores, pid=None):
    """This thread, and what it starts meanwhile; the process's threads too."""
    before = os.sched_getaffinity(0)
    tasks = [int(task) for task in os.listdir(f"/proc/{pid}/task")] if pid else []
    try:
        for task in [0, *tasks]:
            os.sched_setaffinity(task, cores)
        yield
    finally:
        for task in [0, *tasks]:
            os.sched_setaffinity(task, before)


class CatchingUp:
    """A follower that begins empty again and again, on its own cores, its files in memory: what it costs the home hub is
    then what serving it costs, not what it does itself. `with` it; .copies is how often it took all."""

    def __init__(self, pair, cores):
        self.pair, self.cores, self.copies, self.failed = pair, cores, 0, None
        self.began, self.over = threading.Event(), threading.Event()
        self.thread = threading.Thread(target=self.run)

    def run(self):
        hub = self.pair.hubs[FOLLOWER]
        try:
            os.sched_setaffinity(0, self.cores)
            while not self.over.is_set():
                hub.start()
                self.began.set()
                self.copies += self.pair.wait_level(120, self.over) is not None
                self.pair.forget_others(FOLLOWER)
        except Exception as problem:  # noqa: BLE001 - told by the thread that measures
            self.failed = problem
            self.began.set()

    def __enter__(self):
        self.thread.start()
        self.began.wait()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.thread.join()
        if self.failed:
            raise self.failed


def one_cost(tool, pair, updates, seconds):
    """One client's updates and then 64 streams' at the home hub, and what its writer had of the CPU for one update."""
    pid = pair.hubs[HOME].process.pid
    before = threads_cpu_us(pid, "writer")
    alone = tool("updates", "unary", *updates, "--connections", 1, "--seconds", seconds, "--pid", pid)
    writer_us = (threads_cpu_us(pid, "writer") - before) / alone["updates"]
    many_streams = tool("updates", "stream", *updates, "--connections", 64, "--seconds", seconds, "--pid", pid)
    return {"writer_us": writer_us, "acknowledged_us": alone["p50_us"], "per_second": many_streams["per_second"]}


def report_cost(bench, alone, beside, copies):
    def add(what, key, unit, target, at_most, note):
        ratios = sorted(with_one[key] / without[key] for without, with_one in zip(alone, beside))
        bench.table.add(SECTION, what, statistics.median(each[key] for each in beside), unit, "nobody follows",
                        statistics.median(each[key] for each in alone), target=target, at_most=at_most,
                        ratio=statistics.median(ratios), note=f"{note}; {spread(ratios)}")

    apart = (f"the follower, which takes all again and again ({copies} times in {COST_ROUNDS} turns), has the other half of "
             "the cores and its files in memory; without it that half computes something else")
    add("CPU of the home's writer thread for an update while a hub catches up", "writer_us", "us", 1.1, True,
        f"one client, so that each update is a commit; {apart}")
    add("update acknowledged at home meanwhile, one client, p50", "acknowledged_us", "us", None, True, apart)
    add("updates a second at home meanwhile, 64 streams", "per_second", "updates/s", None, False,
        f"{apart}; the home's other threads read, encrypt and send all of it on the cores that the streams are served on")


def cost_of_catching_up(bench, tool, pair, updates):
    """At home: nobody follows, then a hub catches up meanwhile; in turns."""
    seconds, alone, beside, copies = max(1, bench.options.seconds * 0.3), [], [], 0
    home_cores, follower_cores = halves()
    with pair.follower_in_memory(), on_cores(home_cores, pair.hubs[HOME].process.pid):
        for _ in range(COST_ROUNDS):
            with busy(follower_cores):
                alone.append(one_cost(tool, pair, updates, seconds))
            with CatchingUp(pair, follower_cores) as follower:
                beside.append(one_cost(tool, pair, updates, seconds))
            copies += follower.copies
    report_cost(bench, alone, beside, copies)
    pair.hubs[FOLLOWER].start()
    pair.wait_level(120)


def throughput_shared(bench, tool, pair, updates):
    """The same where the two share cores and disk, which says how much both together take of this machine."""
    alone, beside, seconds = [], [], max(1, bench.options.seconds / 2)
    load = [*updates, "--connections", 64, "--seconds", seconds]
    for _ in range(ROUNDS):
        pair.hubs[FOLLOWER].stop()
        alone.append(tool("updates", "stream", *load)["per_second"])
        pair.hubs[FOLLOWER].launch()
        beside.append(tool("updates", "stream", *load)["per_second"])
        pair.hubs[FOLLOWER].wait_ready()
        pair.wait_level(120)
    ratios = sorted(with_one / without for without, with_one in zip(alone, beside))
    bench.table.add(SECTION, "the same on shared cores and one disk", statistics.median(beside), "updates/s",
                    "nobody follows", statistics.median(alone), ratio=statistics.median(ratios),
                    note=f"the follower's own work is taken from the same {os.cpu_count()} cores and the same disk: no measure "
                         f"of what it costs the home hub; {spread(ratios)}")


# --- all of it, afresh ----------------------------------------------------------------------------------------------
def take_all(bench, pair, beside, rounds):
    ours, theirs, peak = [], [], 0
    source, replication = pair.hubs[HOME], beside.replication
    for _ in range(rounds):
        if replication:
            theirs.append(replication.subscribe())
        pair.forget_others(FOLLOWER)
        before = source.rss_bytes()
        pair.hubs[FOLLOWER].start()
        with pair.hubs[FOLLOWER].watch_memory() as seen, source.watch_memory() as sender:
            ours.append(pair.wait_level(900))
        peak = max(peak, seen.peak)
    records = pair.position(FOLLOWER)[1]
    called = f"PostgreSQL {replication.version()}, initial copy of {replication.rows:,} rows" if replication else NOT_INSTALLED
    what = f"an empty hub takes, proves and serves {records:,} records"
    bench.table.add(SECTION, what, statistics.median(ours), "s",
                    called, theirs and statistics.median(theirs), target=2,
                    note=f"from being ready itself; medians of {rounds}; rows of {RECORD_BYTES} octets and more; most memory "
                         f"{peak / 2**20:,.0f} MiB at the taker (with the pages of its files), {before / 2**20:,.0f} to "
                         f"{sender.peak / 2**20:,.0f} MiB at the source")
    if beside.directory:
        take_all_from_directory(bench, what, statistics.median(ours), beside.directory)


def take_all_from_directory(bench, what, ours, directory):
    """Its consumer commits entry by entry: with a sync for each, as it is by default, that may take many minutes."""
    called = f"OpenLDAP {directory.version()}, initial copy of {directory.entries:,} entries"
    if bench.options.openldap_sync:
        bench.table.add(SECTION, what, ours, "s", f"{called}, as configured by default", directory.subscribe(sync=True))
        directory.forget()
    bench.table.add(SECTION, what, ours, "s", f"{called}, without its disk syncs", directory.subscribe(),
                    note="dbnosync at its consumer; ours syncs. --openldap-sync measures it as it is by default, too")


# --- eight followers ------------------------------------------------------------------------------------------------
def eight(bench, tool):
    """Followers elsewhere have disks of their own; here eight would keep the home's busy with their syncs. So what they
    write goes to memory, PostgreSQL's and OpenLDAP's as well; the homes' goes to the disk."""
    with contextlib.ExitStack() as stack:
        memory = tempfile.mkdtemp(prefix="vacancyd-bench-", dir=MEMORY)
        stack.callback(shutil.rmtree, memory, ignore_errors=True)
        os.chmod(memory, 0o755)
        beside = Beside(bench, stack, "eight", 1000, len(ALL) - 1, memory)
        with Federated(bench, ALL, memory) as nine:
            latencies(bench, tool, nine, beside, ALL[1:], "their disks are memory, the others' too")


def measure(bench, tool, agencies):
    """All of it; run.py's Bench, its tool() and the agencies' names."""
    records = bench.options.records
    with contextlib.ExitStack() as stack:
        beside = Beside(bench, stack, "one", records, 0)
        bench.federation.principals([f"agency {agency}" for agency in agencies], HOME)
        updates = dataset.Dataset(os.path.join(bench.work, "federation"), records // 2, agencies, 1, 0).updates
        with Federated(bench, [HOME, FOLLOWER]) as pair:
            pair.register(agencies)
            arguments = pair.as_agencies(agencies, updates)
            pair.hubs[FOLLOWER].stop()
            tool("updates", "fill", *arguments, "--seconds", 280)
            pair.hubs[FOLLOWER].start()
            pair.wait_level(300)
            take_all(bench, pair, beside, 1 if records > 200_000 else ROUNDS)
            if not bench.options.only_records:
                latencies(bench, tool, pair, beside, [FOLLOWER], "all on one disk")
                cost_of_catching_up(bench, tool, pair, arguments)
                throughput_shared(bench, tool, pair, arguments)
    if not bench.options.only_records:
        eight(bench, tool)
