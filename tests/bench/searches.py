"""Part of `make bench`: searches over the whole stack, beside nghttpd and PostgreSQL with PostGIS under the same load.

Owns: the order and number of turns, the check that PostgreSQL's answers are ours, and what updates and searches cost each
other. Turns of ours and of the others alternate and are short, and ratios are of turns next to each other: the machine
may be busy with more than us. Told is the median turn; the ratios' range is in the notes. Called by run.py, which has
the table.
"""
import concurrent.futures
import contextlib
import os
import statistics

import dataset
import peers
from hub import TEAM

FIND = "/vacancy.v1.PlacementService/FindVacancies"
HEALTH = "/grpc.health.v1.Health/Check"
NOT_INSTALLED = "not installed: make bench-peers"
TURN_S = 1.5
TURNS = 4
WARM_UP_S = .4
VERIFIED = 400   # questions whose answers are compared with PostgreSQL's
LOADS = ((1, 1), (16, 1), (16, 32))
ONE_TEAMS = (16, 1)  # a hub works on so many long questions of one principal at a time (PlacementService)
# Of the issue. Those for nghttpd hold at 100,000 vacancies; those for PostgreSQL there, and from MANY on as at 1,000,000.
MANY = 500_000
NGHTTPD_CPU, NGHTTPD_HEALTH_CPU = 4, 1.2
NGHTTPD_RATE = {(1, 1): .5, (16, 1): .4, (16, 32): .2}
POSTGRES_RATE = {False: {(16, 1): 14, (16, 32): 25}, True: {(16, 1): 30, (16, 32): 50}}
POSTGRES_P99 = {False: 1 / 40, True: 1 / 100}


def load_name(load):
    return f"{load[0]} connection{'s' * (load[0] > 1)} x {load[1]} stream{'s' * (load[1] > 1)}"


class Turns:
    """What came of turns that alternated."""

    def __init__(self, ours, theirs):
        self.ours, self.theirs = ours, theirs

    def add(self, table, section, what, key, unit, beside, **more):
        ours = [each[key] for each in self.ours]
        note = more.pop("note", "")
        if not self.theirs:
            table.add(section, what, statistics.median(ours), unit, NOT_INSTALLED, note=note, **more)
            return
        theirs = [each[key] for each in self.theirs]
        ratios = sorted(mine / others for mine, others in zip(ours, theirs) if others)
        spread = f"ratios of turns {ratios[0]:.3g} to {ratios[-1]:.3g}"
        table.add(section, what, statistics.median(ours), unit, beside, statistics.median(theirs),
                  ratio=statistics.median(ratios), note="; ".join(filter(None, [note, spread])), **more)


class Searches:
    def __init__(self, bench, tool):
        self.bench, self.tool, self.table = bench, tool, bench.table
        self.many = bench.options.vacancies >= MANY
        self.section = f"Searches, {bench.options.vacancies:,} vacancies, mutual TLS"

    # --- the loads --------------------------------------------------------------------------------------------------
    def load(self, port, pid, path, requests, load, *more, seconds=TURN_S):
        bench = self.bench
        return self.tool("load", *bench.address(port), "--as", bench.team.folder, "--pid", pid, "--path", path,
                         "--requests", requests, "--connections", load[0], "--streams", load[1], "--seconds", seconds,
                         "--warm-up", WARM_UP_S, *more)

    def find(self, load, requests=None, **more):
        hub = self.bench.hub
        return self.load(hub.port, hub.process.pid, FIND, requests or self.bench.data.mixed, load, "--check", "find", **more)

    def ask(self, peer, requests, load):
        return self.load(peer.port, peer.process.pid, peer.PATH, requests, load)

    def turns(self, ours, theirs=None):
        mine, others = [], []
        for _ in range(TURNS):
            mine.append(ours())
            if theirs:
                others.append(theirs())
        return Turns(mine, others)

    @contextlib.contextmanager
    def nghttpd(self, body_bytes):
        if not peers.Nghttpd.program:
            yield None
            return
        peer = peers.Nghttpd(os.path.join(self.bench.work, "nghttpd"), self.bench.federation.principal("hub"),
                             round(body_bytes), os.cpu_count())
        try:
            yield peer
        finally:
            peer.stop()

    # --- beside nghttpd ---------------------------------------------------------------------------------------------
    def beside_nghttpd(self):
        first = self.find((16, 32))
        name = f"nghttpd, replies of {first['reply_bytes']:,.0f} bytes"
        with self.nghttpd(first["reply_bytes"]) as peer:
            for load in LOADS:
                turns = self.turns(
                    lambda load=load: self.find(load),
                    peer and (lambda load=load: self.ask(peer, self.bench.data.mixed, load)))
                self.tell(turns, load, name)
        nothing = os.path.join(self.bench.work, "nothing")
        dataset.write_one(nothing)
        hub = self.bench.hub

        def health():
            return self.load(hub.port, hub.process.pid, HEALTH, nothing, (16, 32))

        with self.nghttpd(health()["reply_bytes"]) as peer:
            turns = self.turns(health, peer and (lambda: self.ask(peer, nothing, (16, 32))))
            where = f"health check, {load_name((16, 32))}"
            turns.add(self.table, self.section, f"{where}: server CPU", "server_cpu_us", "us", "nghttpd",
                      target=NGHTTPD_HEALTH_CPU)
            turns.add(self.table, self.section, f"{where}: rate", "per_second", "/s", "nghttpd")

    def tell(self, turns, load, name):
        last = turns.ours[-1]
        turns.add(self.table, self.section, f"{load_name(load)}: rate", "per_second", "/s", name,
                  target=None if self.many else NGHTTPD_RATE[load], at_most=False,
                  note=f"{last['options_mean']:.1f} options an answer, {last['none_found_share']:.1%} found none; nearest first, "
                       f"unexplained; the load generator's own CPU {last['own_cpu_us']:.1f} us")
        more = dict(target=NGHTTPD_CPU) if load == (16, 32) and not self.many else {}
        turns.add(self.table, self.section, f"{load_name(load)}: server CPU", "server_cpu_us", "us", name, **more)
        turns.add(self.table, self.section, f"{load_name(load)}: p50", "p50_us", "us", name)
        turns.add(self.table, self.section, f"{load_name(load)}: p99", "p99_us", "us", name)

    def other_questions(self):
        for what, requests in (("default order, short answers explained", self.bench.data.mixed_default),
                               ("as teams may ask, default order, explained", self.bench.data.searches)):
            done = self.find(ONE_TEAMS, requests)
            note = f"{done['short_share']:.0%} of answers short and so explained; p50 {done['p50_us']:,.0f} us, p99 " \
                   f"{done['p99_us']:,.0f} us"
            self.table.add(self.section, f"{what}, {load_name(ONE_TEAMS)}: rate", done["per_second"], "/s", note=note)
            self.table.add(self.section, f"{what}, {load_name(ONE_TEAMS)}: server CPU", done["server_cpu_us"], "us")

    # --- beside PostgreSQL ------------------------------------------------------------------------------------------
    def vacancy_ids(self):
        """By the agencies' references, from the agencies' own lists."""
        ids = {}
        for agency in self.bench.updates:
            with self.bench.hub.client(f"agency {agency}") as client:
                stream = client.stream("AgencyService/ListVacancies", client.request("AgencyService/ListVacancies"), 300)
                for each in stream:
                    ids[each.vacancy.vacancy.agency_reference] = each.vacancy.vacancy_id
        return ids

    def write_for_postgres(self, ids, folder):
        register = self.bench.data.register
        rows, asked = (os.path.join(folder, name) for name in ("rows", "asked"))
        with open(rows, "w", encoding="ascii") as handle:
            for index in range(self.bench.options.vacancies):
                tokens, home = register.tokens(index), register.home_of(index)
                handle.write(f"{ids[dataset.reference(index)]}\t{register.e[index]}\t{register.n[index]}\t"
                             f"{'t' if home['vacancy'] == 'VACANT' else 'f'}\t{{{','.join(map(str, tokens))}}}\n")
        with open(asked, "w", encoding="ascii") as handle:
            for each in self.bench.data.questions:
                handle.write(f"{each.e}\t{each.n}\t{each.within}\t{{{','.join(map(str, each.tokens))}}}\n")
        for path in (rows, asked):
            os.chmod(path, 0o644)
        return rows, asked

    def check_same(self, database):
        """The same vacancies in the same order; where two lie within one metre of each other's distance we go by id, and
        PostgreSQL by the fraction."""
        asked = self.bench.data.questions[:VERIFIED]
        theirs = database.answers([(each.e, each.n, each.within, f"{{{','.join(map(str, each.tokens))}}}")
                                   for each in asked], database.folder)
        fractions = 0
        with self.bench.hub.client(TEAM) as team:
            never = team.messages.enum("ExplainWhen")["EXPLAIN_WHEN_NEVER"]
            for index, (each, other) in enumerate(zip(asked, theirs)):
                answer = team.call("PlacementService/FindVacancies", request=each.request(
                    team.messages, self.bench.data.codes, index, order_name="nearest", explain=never))
                ours = [(option.vacancy_id, option.distance_metres) for option in answer.options]
                if [metres for _, metres in ours] != [metres for _, metres in other]:
                    raise RuntimeError(f"PostgreSQL answers otherwise: {each.tokens} near {each.e} {each.n} within "
                                       f"{each.within}: {ours}, {other}")
                fractions += ours != other
        if fractions > len(asked) // 50:
            raise RuntimeError(f"{fractions} of {len(asked)} answers of PostgreSQL name other vacancies")
        return f"{len(asked)} answers compared: {len(asked) - fractions} the same to the id, {fractions} only to the metre"

    def beside_postgres(self):
        if not peers.Finder.available:
            self.table.add(self.section, "beside PostgreSQL", 0, "", NOT_INSTALLED)
            return
        folder = os.path.join(self.bench.work, "postgis")
        os.makedirs(folder)
        rows, asked = self.write_for_postgres(self.vacancy_ids(), folder)
        database = peers.Finder(os.path.join(folder, "cluster"), rows, dataset.questions.OPTIONS)
        try:
            self.turns_beside_postgres(database, asked, self.check_same(database))
        finally:
            database.stop()

    def turns_beside_postgres(self, database, asked, same):
        name = f"PostgreSQL {database.version()} with PostGIS over TLS"

        def theirs(load):
            return self.tool("load_postgres", "--database", database.address("postgres"), "--anywhere", database.anywhere,
                             "--within", database.within, "--questions", asked, "--connections", load[0], "--streams",
                             load[1], "--seconds", TURN_S, "--warm-up", WARM_UP_S)

        for load in LOADS:
            turns = self.turns(lambda load=load: self.find(load), lambda load=load: theirs(load))
            if load in POSTGRES_RATE[self.many]:
                turns.add(self.table, self.section, f"{load_name(load)}: rate", "per_second", "/s", name,
                          target=POSTGRES_RATE[self.many][load], at_most=False, note=same)
            else:
                turns.add(self.table, self.section, "one client: p99", "p99_us", "us", name, target=POSTGRES_P99[self.many])
                turns.add(self.table, self.section, "one client: p50", "p50_us", "us", name)
            turns.add(self.table, self.section, f"{load_name(load)}: server CPU", "server_cpu_us", "us", name)

    # --- updates and searches at once -------------------------------------------------------------------------------
    def with_updates(self):
        bench = self.bench

        def update():
            return self.tool("updates", "unary", *bench.as_agencies(), "--connections", 64, "--seconds", TURN_S)

        alone, updating, both = [], [], []
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            for _ in range(TURNS):
                alone.append(self.find((16, 32)))
                updating.append(update())
                together = pool.submit(update), pool.submit(self.find, (16, 32), seconds=TURN_S + .4)
                both.append([each.result() for each in together])
        section = f"Updates while searching, {bench.options.vacancies:,} vacancies"
        Turns([each[1] for each in both], alone).add(self.table, section, "searches while 64 clients update", "per_second",
                                                     "/s", "searches alone")
        Turns([each[1] for each in both], alone).add(self.table, section, "p99 of searches meanwhile", "p99_us", "us",
                                                     "alone")
        Turns([each[0] for each in both], updating).add(
            self.table, section, "updates while 16 x 32 searches are under way", "per_second", "/s", "updates alone",
            note="the cores are shared by the hub and both load generators")

    def measure(self):
        self.beside_nghttpd()
        self.other_questions()
        self.beside_postgres()
