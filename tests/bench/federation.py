"""Part of `make bench`: what the federation costs, beside PostgreSQL's logical replication in the same run.

Owns: hubs that reach each other directly on loopback over mutual TLS, what is put into them, and the order of: from an
update to finding it at another hub, with one follower and with eight; what a follower that catches up costs the home
writer; an empty hub that takes all. Turns of ours and of PostgreSQL's alternate. Called by run.py, which has the table.
"""
import contextlib
import os
import shutil
import statistics
import tempfile
import time

import dataset
import homes
import hub as library
import hubs as many
import peers
import stubs

HOME, FOLLOWER = many.YORKSHIRE, many.NORTH
ALL = [HOME] + [f"E1200000{number}" for number in range(1, 10) if f"E1200000{number}" != HOME]
REST_MS = 2
MEMORY = "/dev/shm"
ROUNDS = 3
SECTION = "Federation"
NOT_INSTALLED = "not installed: make bench-peers"
RECORD_BYTES = 300


def percentile(ordered, per_mille):
    return ordered[min(len(ordered) - 1, len(ordered) * per_mille // 1000)]


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
        dataset.write_one(find, homes.search(self.messages, limit=50).SerializeToString())
        return tool("across", "--ca", self.bench.federation.root, "--from", f"127.0.0.1:{self.hubs[HOME].port}",
                    "--agency", self.agency.folder, "--put", put, "--to", f"127.0.0.1:{self.hubs[follower].port}",
                    "--team", self.teams[follower].folder, "--find", find, "--updates", updates, "--rest-ms", REST_MS)

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

    def wait_level(self, bound_s, follower=FOLLOWER):
        """Seconds until the follower has what its source had when this was called."""
        began = time.monotonic()
        wanted = self.position(HOME)[0]
        with self.hubs[follower].client(many.OPERATOR) as operator:
            def level():
                rows = {each.region: each for each in operator.call("HubService/ListRegions").regions}
                return HOME in rows and rows[HOME].present and rows[HOME].sequence >= wanted
            library.wait_until(level, bound_s, "the follower to be level")
        return time.monotonic() - began


# --- from an update to finding it ----------------------------------------------------------------------------------
def report_latency(bench, followers, ours, theirs, version, disks):
    found = statistics.median(each["found_p50_us"] for each in ours)
    worst = statistics.median(each["found_p99_us"] for each in ours)
    beside = f"PostgreSQL {version}, logical replication over TLS" if theirs else NOT_INSTALLED
    many_of = f"{followers} follower{'s' if followers > 1 else ''} ({disks})"
    note = (f"medians of {ROUNDS} turns, {ours[0]['updates']} updates each, {REST_MS} ms apart; its receipt after "
            f"{statistics.median(each['receipt_p50_us'] for each in ours):,.0f} us and found "
            f"{statistics.median(each['after_receipt_p50_us'] for each in ours):,.0f} us after that; searched in a tight loop, "
            f"{ours[0]['searches_each']:.1f} searches an update")
    bench.table.add(SECTION, f"update sent to found at another hub, {many_of}, p50", found, "us", beside,
                    theirs and statistics.median(percentile(each, 500) for each in theirs), target=1, note=note)
    bench.table.add(SECTION, f"update sent to found at another hub, {many_of}, p99", worst, "us", beside,
                    theirs and statistics.median(percentile(each, 990) for each in theirs))


def latencies(bench, tool, group, replication, followers, disks):
    updates, ours, theirs = bench.options.federation_updates, [], []
    for _ in range(ROUNDS):
        if replication:
            theirs.append(replication.latencies(updates, REST_MS / 1000))
        ours.append(group.latency(tool, updates))
    report_latency(bench, followers, ours, theirs, replication and replication.version(), disks)


# --- catching up ----------------------------------------------------------------------------------------------------
def cost_of_catching_up(bench, tool, pair, updates):
    """Updates a second at home: nobody follows, then a hub catches up meanwhile."""
    alone, beside, seconds = [], [], bench.options.seconds
    load = [*updates, "--connections", 64, "--seconds", seconds, "--pid", pair.hubs[HOME].process.pid]
    for _ in range(ROUNDS):
        pair.hubs[FOLLOWER].stop()
        alone.append(tool("updates", "stream", *load))
        pair.hubs[FOLLOWER].launch()
        beside.append(tool("updates", "stream", *load))
        pair.hubs[FOLLOWER].wait_ready()
        pair.wait_level(120)
    def median(runs, key):
        return statistics.median(each[key] for each in runs)

    bench.table.add(SECTION, "updates a second at home while a hub catches up", median(beside, "per_second"), "updates/s",
                    "nobody follows", median(alone, "per_second"), note="on shared cores and one disk: the follower's own "
                    f"work is taken from the same {os.cpu_count()}; medians of {ROUNDS} turns of {seconds:g} s")
    bench.table.add(SECTION, "the home hub's own CPU per update meanwhile", median(beside, "server_cpu_us"), "us",
                    "nobody follows", median(alone, "server_cpu_us"))


# --- all of it, afresh ----------------------------------------------------------------------------------------------
def take_all(bench, pair, replication, rounds):
    ours, theirs, peak = [], [], 0
    source = pair.hubs[HOME]
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
    beside = f"PostgreSQL {replication.version()}, initial copy of {replication.rows:,} rows" if replication else NOT_INSTALLED
    bench.table.add(SECTION, f"an empty hub takes, proves and serves {records:,} records", statistics.median(ours), "s",
                    beside, theirs and statistics.median(theirs), target=2,
                    note=f"from being ready itself; medians of {rounds}; rows of {RECORD_BYTES} octets and more; most memory "
                         f"{peak / 2**20:,.0f} MiB at the taker (with the pages of its files), {before / 2**20:,.0f} to "
                         f"{sender.peak / 2**20:,.0f} MiB at the source")


# --- eight followers ------------------------------------------------------------------------------------------------
def eight(bench, tool):
    """Followers elsewhere have disks of their own; here eight would keep the home's busy with their syncs. So what they
    write goes to memory, PostgreSQL's as well; the homes' goes to the disk."""
    with contextlib.ExitStack() as stack:
        memory = tempfile.mkdtemp(prefix="vacancyd-bench-", dir=MEMORY)
        stack.callback(shutil.rmtree, memory, ignore_errors=True)
        os.chmod(memory, 0o755)
        replication = None
        if peers.Replication.available:
            replication = peers.Replication(os.path.join(bench.work, "replication-8"), 1000, RECORD_BYTES, memory)
            stack.callback(replication.stop)
            for _ in ALL[1:]:
                replication.subscribe()
        with Federated(bench, ALL, memory) as nine:
            latencies(bench, tool, nine, replication, len(ALL) - 1, "their disks are memory, PostgreSQL's too")


def measure(bench, tool, agencies):
    """All of it; run.py's Bench, its tool() and the agencies' names."""
    records = bench.options.records
    with contextlib.ExitStack() as stack:
        replication = None
        if peers.Replication.available:
            replication = peers.Replication(os.path.join(bench.work, "replication"), records, RECORD_BYTES)
            stack.callback(replication.stop)
        bench.federation.principals([f"agency {agency}" for agency in agencies], HOME)
        updates = dataset.make(os.path.join(bench.work, "federation"), records // 2, agencies, 1)[0]
        with Federated(bench, [HOME, FOLLOWER]) as pair:
            pair.register(agencies)
            arguments = pair.as_agencies(agencies, updates)
            pair.hubs[FOLLOWER].stop()
            tool("updates", "fill", *arguments, "--seconds", 280)
            pair.hubs[FOLLOWER].start()
            pair.wait_level(300)
            take_all(bench, pair, replication, 1 if records > 200_000 else ROUNDS)
            if replication and not replication.subscribers:
                replication.subscribe()
            if not bench.options.only_records:
                latencies(bench, tool, pair, replication, 1, "all on one disk")
                cost_of_catching_up(bench, tool, pair, arguments)
        if bench.options.only_records:
            return
        eight(bench, tool)
