"""What crosses a link between hubs (design.md 4.9; domain.md O6, O7): everything is decoded and every field held against a
list, by descriptor; no octet of what is private is in it; a place is a cell, never finer; and what is shared of a home
leaves at least 20 unit postcodes to choose from.

The test is a hub itself: it follows E12000003 with a certificate of E12000006 and fetches its snapshot. The households are
the demo's nation. With VACANCY_CODEPOINT (the unzipped OS Code-Point Open) each has a unit postcode of its own, and the
count of the postcodes that fit what was shared is made from the whole file.
"""
import collections
import csv
import importlib.util
import os
import random
import struct
import subprocess
import threading

import pytest

import homes
import hub as library
import hubs
import stubs

REGION, FOLLOWER, STRANGER = "E12000003", "E12000006", "E12000009"
CODEPOINT = os.environ.get("VACANCY_CODEPOINT", "")
DATA = os.path.join(library.ROOT, "daemon", "gazetteer", "data")
LEAST = 20  # unit postcodes to choose from

# Every field that may cross a link. A new one has to be put here by somebody who thought about whom it shows.
ALLOWED = {
    "FollowResponse": "positions batch refusal",
    "FetchSnapshotResponse": "begin headers records batch",
    "Positions": "checkpoints complete",
    "SignedCheckpoint": "text signature",
    "Batch": "region entries checkpoint",
    "Entry": "header salt payload",
    "Refusal": "region reason checkpoint",
    "SnapshotBegin": "checkpoint",
    "SnapshotHeaders": "first_sequence headers",
    "SnapshotRecords": "records read_at_sequence",
    "SnapshotRecord": "table key value",
    "AgencyRow": "name kind ofsted_urn ofsted_rating phone email out_of_hours_phone frameworks status authority",
    "CarerRow": "agency agency_reference_hash approved_on_days approval_ends_on_days approval_ends max_children "
                "max_children_if_siblings age_from_months age_below_months sex care_types named_child_only places status "
                "cell moved_to_region moved_from_region "  # regions, as the old and the new row each name the other
                "moves "  # each is an entry of its own, that has another agency or region
                "revision",  # the last: random, so it tells that something changed, as the entry itself does
    "Cell": "authority square_e_km square_n_km size_km point_e_metres point_n_metres area",
    "ChildAtHome": "age_band sex placed sibling_group",
    "Offer": "vacancy_id agency state bucket beds beds_free care_types from_days until_days age_from_months "
             "age_below_months sex sibling_group_only on_call observed_at_ms confirmed_at_ms valid_until_ms max_children "
             "max_children_if_siblings approved_care_types approved_age_from_months approved_age_below_months approved_sex "
             "approved_on_days approval_ends_on_days bedrooms room_sharing home_features pets cannot_take skills "
             "training_level languages children cell reserved_until_days reported_unavailable_at_ms "
             "beds_held",  # the sum of what the vacancy's HoldRows say
    "HoldRow": "national_reference vacancy_id beds "  # which offer, and how much of it: as public as the offer
               "state made_at_ms until_ms extended ended_at_ms "  # times and a state tell nothing of a child
               "holder_hash request_hash",  # keyed by the region's secret, and other ones for each vacancy: whoever has
                                            # two holds can't tell that they are one team's
}
ALLOWED = {name: set(fields.split()) for name, fields in ALLOWED.items()}
RECORDS = {2: "AgencyRow", 3: "CarerRow", 4: "Offer", 5: "HoldRow"}  # tables of a log entry
EPOCH = 1


def generator():
    spec = importlib.util.spec_from_file_location("nation", os.path.join(library.ROOT, "tests", "demo", "nation.py"))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def unit_postcodes():
    """[(postcode, east, north, authority)] of every placed English postcode with an authority."""
    found = []
    folder = os.path.join(CODEPOINT, "Data", "CSV")
    for name in sorted(os.listdir(folder)):
        with open(os.path.join(folder, name), encoding="utf-8", newline="") as handle:
            for postcode, quality, e, n, country, _, _, county, district, _ in csv.reader(handle):
                if quality != "90" and country == "E92000001" and (county or district):
                    found.append((postcode, int(e), int(n), county or district))
    return found


class Link:
    """What another hub hears: `messages` as they came, `records` by table and key, `octets` of all payloads."""

    def __init__(self, running, federation, messages):
        self.messages, self.heard, self.records, self.octets = messages, [], {}, bytearray()
        self.client = running.client(federation.principal("hub", FOLLOWER))
        self.checkpoint = None

    def hear(self, message):
        self.check(message)
        self.heard.append(message)

    def check(self, message):
        """Every field that is set is on the list; nothing unknown came along."""
        name = message.DESCRIPTOR.name
        assert name in ALLOWED, f"a {name} crossed the link"
        assert not message.UnknownFields() if hasattr(message, "UnknownFields") else True
        for field, value in message.ListFields():
            assert field.name in ALLOWED[name], f"{name}.{field.name} crossed the link"
            if field.message_type is not None:
                for each in value if field.label == field.LABEL_REPEATED else [value]:
                    self.check(each)

    def record(self, table, key, value):
        assert table in RECORDS, f"table {table} crossed the link"
        self.octets += key + value
        if value is None:
            return
        decoded = self.messages[f"vacancy.v1.{RECORDS[table]}"].FromString(value)
        assert decoded.SerializeToString(deterministic=True) and not unknown_octets(decoded, value)
        self.check(decoded)
        self.records[table, key] = decoded

    def payload(self, payload):
        table, key_size = struct.unpack(">BH", payload[:3])
        key, put, value = payload[3:3 + key_size], payload[3 + key_size], payload[4 + key_size:]
        if table == EPOCH:
            assert len(key) == 8 and len(value) == 16
        elif put:
            self.record(table, key, value)
        else:
            assert not value
            self.octets += key
            self.records.pop((table, key), None)

    def batch(self, batch):
        for entry in batch.entries:
            assert len(entry.header) == 109
            self.payload(entry.payload)
        if batch.HasField("checkpoint"):
            self.checkpoint = batch.checkpoint

    def follow(self):
        """The whole log from its first entry, up to the position that the hub gave at first."""
        cursor = self.messages.Cursor(region=REGION, sequence=0, head=bytes(32))
        requests = iter([self.messages.FollowRequest(positions={"complete": True}),
                         self.messages.FollowRequest(take=cursor)])
        call = self.client.stub("FederationService/Follow")(keep_open(requests), timeout=60 * library.SLOWNESS)
        target = None
        for message in call:
            self.hear(message)
            kind = message.WhichOneof("item")
            assert kind != "refusal"
            if kind == "positions" and target is None:
                target = max(sequence_of(each) for each in message.positions.checkpoints if REGION in each.text)
            if kind == "batch":
                self.batch(message.batch)
            if self.checkpoint is not None and sequence_of(self.checkpoint) >= target:
                break
        call.cancel()
        return self

    def snapshot(self):
        for message in self.client.call("FederationService/FetchSnapshot", region=REGION, timeout=60 * library.SLOWNESS):
            self.hear(message)
            if message.WhichOneof("item") == "records":
                for each in message.records.records:
                    self.record(each.table, each.key, each.value)
            elif message.WhichOneof("item") == "batch":
                self.batch(message.batch)
        return self


def answer(running, federation):
    """The hub decides once another one of the roster has answered: this test, which has nothing."""
    with running.client(federation.principal("hub", FOLLOWER)) as link:
        request = link.messages.FollowRequest(positions={"complete": True})
        call = link.stub("FederationService/Follow")(keep_open(iter([request])), timeout=10 * library.SLOWNESS)
        assert next(call).WhichOneof("item") == "positions"
        call.cancel()


def keep_open(requests):
    """A request stream that does not end with its last message."""
    yield from requests
    threading.Event().wait(120 * library.SLOWNESS)


def sequence_of(checkpoint):
    return int(next(line for line in checkpoint.text.splitlines() if line.startswith("sequence ")).split()[1])


def unknown_octets(decoded, value):
    """Octets of the record that no known field explains."""
    return len(value) - len(decoded.SerializeToString()) if hasattr(decoded, "SerializeToString") else 0


@pytest.fixture(scope="module")
def messages():
    return stubs.load()


@pytest.fixture(scope="module")
def nation(tmp_path_factory):
    """Yorkshire's part of the demo's nation; with Code-Point each home at a unit postcode of its authority."""
    made = generator().Nation()
    agencies = [each for each in made.agencies if each["region"] == REGION]
    ids = {each["id"] for each in agencies}
    households = [each for each in made.households if each["agency"]["id"] in ids]
    postcodes = unit_postcodes() if CODEPOINT else []
    chance, by_authority = random.Random(20260331), collections.defaultdict(list)
    for row in postcodes:
        by_authority[row[3]].append(row[0])
    if postcodes:
        for home in households:
            home["postcode"] = chance.choice(by_authority[home["authority"]])
    made.agencies, made.households = agencies, households
    folder = tmp_path_factory.mktemp("nation")
    made.write(str(folder))
    return made, str(folder), postcodes


@pytest.fixture(scope="module")
def loaded(federation, nation, tmp_path_factory):
    made, folder, postcodes = nation
    home = tmp_path_factory.mktemp("home")
    roster = os.path.join(home, "roster")
    options = {("federation", "roster"): roster, ("federation", "roster-key"): os.path.join(federation.folder, "roster.pub"),
               ("issuers", "issuer"): None}
    with open(roster, "w", encoding="ascii") as handle:
        handle.write(hubs.sign_roster(federation, hubs.roster_body(federation, [REGION, FOLLOWER], 1)))
    if postcodes:
        options["gazetteer", "postcodes"] = os.path.join(home, "postcodes")
    for region in (REGION, FOLLOWER, STRANGER):  # before the hub reads its revocation lists
        federation.principal("hub", region)
    running = library.Hub(federation, home, REGION, options=options)
    if postcodes:
        subprocess.run([library.VACANCYD, "--config", running.configuration, "--import-postcodes", CODEPOINT], check=True,
                       stdout=subprocess.DEVNULL)
    running.start()
    federation.principals([f"agency {each['id']}" for each in made.agencies], REGION)
    answer(running, federation)
    agencies = os.path.join(folder, "agencies", f"{REGION}.csv")
    library.wait_until(lambda: running.run_vacancy(homes.OPERATOR, "hub", "agencies", "--put", agencies).returncode == 0,
                       20 * library.SLOWNESS, "the hub to decide")
    for each in made.agencies:
        path = os.path.join(folder, "push", f"{each['id']}.csv")
        done = running.run_vacancy(f"agency {each['id']}", "push", path)
        assert done.returncode == 0, done.stderr
    yield running
    running.stop()


@pytest.fixture(scope="module")
def followed(loaded, federation, messages):
    return Link(loaded, federation, messages).follow()


@pytest.fixture(scope="module")
def fetched(loaded, federation, messages):
    return Link(loaded, federation, messages).snapshot()


def test_every_field_that_crosses_is_on_the_list(followed, fetched, nation):
    """The log and the snapshot both, checked as they were heard; and they say the same."""
    households = len(nation[0].households)
    assert sum(1 for table, _ in followed.records if table == 3) == households
    assert {key: each.SerializeToString() for key, each in followed.records.items()} == \
           {key: each.SerializeToString() for key, each in fetched.records.items()}


def test_nothing_private_is_among_the_octets(followed, fetched, nation):
    """Agencies' own references, home postcodes, who is responsible for the children placed."""
    made = nation[0]
    for link in (followed, fetched):
        octets = bytes(link.octets)
        for home in random.Random(7).sample(made.households, 500):
            assert home["agency_reference"].encode() not in octets
        for postcode in {home["postcode"] for home in random.Random(7).sample(made.households, 500)}:
            if CODEPOINT:  # a sector may be part of an e-mail address or a telephone number
                assert postcode.encode() not in octets
                assert postcode.replace(" ", "").encode() not in octets


def test_a_place_is_a_cell_of_the_published_map_and_nothing_finer(followed):
    with open(os.path.join(DATA, "cells.csv"), encoding="utf-8", newline="") as handle:
        rows = list(csv.reader(line for line in handle if not line.startswith("#")))[1:]
    cells = {tuple([row[0], *map(int, row[1:6])]) for row in rows}
    for (table, _), each in followed.records.items():
        if table != 2:
            cell = each.cell
            assert (cell.authority, cell.size_km, cell.square_e_km, cell.square_n_km, cell.point_e_metres,
                    cell.point_n_metres) in cells
            assert len(cell.area.rsplit(" ", 1)[-1]) <= 4 or "," not in cell.area, cell.area  # an outcode at most


def test_a_carers_row_and_its_offer_name_one_cell(followed):
    for (table, key), each in followed.records.items():
        if table == 4:
            assert followed.records[3, key].cell == each.cell


@pytest.mark.skipif(not CODEPOINT, reason="set VACANCY_CODEPOINT to the unzipped OS Code-Point Open")
def test_what_is_shared_leaves_each_home_at_least_20_postcodes(followed, nation):
    """All that is shared of a place is the cell: authority, square, point, area. The postcodes that would have been given
    the same are counted by asking the committed map, for every unit postcode of England, for its cell."""
    with open(os.path.join(DATA, "cells.csv"), encoding="utf-8", newline="") as handle:
        rows = list(csv.reader(line for line in handle if not line.startswith("#")))[1:]
    by_key = {(row[0], int(row[1]), int(row[2]), int(row[3])): row for row in rows}
    rest = {row[0]: row for row in rows if row[7] == "1"}
    fitting = collections.Counter()
    for _, east, north, authority in nation[2]:
        e, n = east // 1000, north // 1000
        around = (by_key.get((authority, size, e - e % size, n - n % size)) for size in (1, 2, 4, 8, 16))
        row = next((each for each in around if each), rest[authority])
        fitting[row[0], int(row[1]), int(row[2]), int(row[3])] += 1
    least = None
    for (table, _), each in followed.records.items():
        if table != 2:
            cell = each.cell
            count = fitting[cell.authority, cell.size_km, cell.square_e_km, cell.square_n_km]
            assert count >= LEAST, cell
            least = count if least is None else min(least, count)
    print(f"the fewest postcodes that fit a home's place: {least}")


def test_only_hubs_of_the_roster_may_listen(loaded, federation):
    """R14: a team, an agency, an auditor, a hub of a region that is not in the roster."""
    for spec, region in ((homes.TEAM, REGION), (homes.OPERATOR, REGION), (homes.AUDITOR, REGION), ("hub", STRANGER)):
        with loaded.client(federation.principal(spec, region)) as stranger:
            outcome = stranger.outcome("FederationService/FetchSnapshot", region=REGION)
            assert outcome.code.value[0] in (7, 16), outcome
