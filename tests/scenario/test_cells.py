"""The cell map keeps design.md 4.9's promise, computed from every unit postcode of England.

VACANCY_CODEPOINT is the unzipped OS Code-Point Open. Shares no code with tools/gazetteer, and goes the other way round:
the tool builds cells up from postcodes; this takes the committed map as given, asks of each postcode which cells of its
authority contain it, and counts.
"""
import collections
import csv
import os
import pathlib

import pytest

DATA = pathlib.Path(__file__).resolve().parents[2] / "daemon" / "gazetteer" / "data"
CODEPOINT = os.environ.get("VACANCY_CODEPOINT", "")
whole_file = pytest.mark.skipif(not CODEPOINT, reason="set VACANCY_CODEPOINT to the unzipped OS Code-Point Open")

Cell = collections.namedtuple("Cell", "authority size e n point_e point_n postcodes rest outcode")


def rows(name):
    with open(DATA / name, encoding="utf-8", newline="") as f:
        lines = [line for line in f if not line.startswith("#")]
    return list(csv.reader(lines))[1:]


@pytest.fixture(scope="module")
def cells():
    return [Cell(r[0], *(int(x) for x in r[1:8]), r[8]) for r in rows("cells.csv")]


@pytest.fixture(scope="module")
def postcodes():
    """(postcode, easting, northing, country, authority) of every placed row."""
    found = []
    for path in sorted(pathlib.Path(CODEPOINT, "Data", "CSV").glob("*.csv")):
        with open(path, encoding="utf-8", newline="") as f:
            for postcode, quality, e, n, country, _, _, county, district, _ in csv.reader(f):
                if quality != "90":
                    found.append((postcode, int(e), int(n), country, county or district))
    return found


@pytest.fixture(scope="module")
def members(cells, postcodes):
    """cell -> the postcodes that are in it: the smallest cell of their authority around them, else the rest's."""
    by_key = {(c.authority, c.size, c.e, c.n): c for c in cells}
    rest = {c.authority: c for c in cells if c.rest}
    found = collections.defaultdict(list)
    for row in postcodes:
        postcode, e, n, country, authority = row
        if country != "E92000001" or not authority:
            continue
        around = (by_key.get((authority, size, e // 1000 - e // 1000 % size, n // 1000 - n // 1000 % size))
                  for size in (1, 2, 4, 8, 16))
        found[next((c for c in around if c), rest[authority])].append(row)
    return found


def test_every_cell_is_stated_once_and_each_authority_has_one_for_the_rest(cells):
    keys = [(c.authority, c.size, c.e, c.n) for c in cells]
    assert keys == sorted(set(keys))
    authorities = {r[0] for r in rows("authorities.csv")}
    assert len(authorities) == 153
    assert {c.authority for c in cells} == authorities
    rests = [c for c in cells if c.rest]
    assert {c.authority for c in rests} == authorities and len(rests) == 153
    for c in cells:
        assert c.size in (0, 1, 2, 4, 8, 16)
        assert c.postcodes >= 20
        assert c.size == 0 or (c.e % c.size == 0 and c.n % c.size == 0)
        assert c.size > 0 or (c.rest == 1 and c.outcode == "" and (c.e, c.n) == (0, 0))
    # The rest of an authority without a cell of the whole is in one of its largest squares.
    for c in rests:
        if c.size:
            assert c.size == max(o.size for o in cells if o.authority == c.authority)


@whole_file
def test_every_cell_leaves_at_least_20_postcodes(cells, members, postcodes):
    """Also what is shared beside the cell: its point and its name are computed from all of them."""
    east, north = collections.defaultdict(set), collections.defaultdict(set)
    for postcode, e, n, _, _ in postcodes:
        east[postcode[:-3].strip()].add(e)
        north[postcode[:-3].strip()].add(n)
    one_spot = {o for o in east if max(east[o]) - min(east[o]) <= 300 and max(north[o]) - min(north[o]) <= 300}
    assert set(members) == set(cells)
    for cell, inside in members.items():
        assert len(inside) >= 20, cell
        assert len(inside) == cell.postcodes, cell
        assert abs(cell.point_e - sum(r[1] for r in inside) / len(inside)) <= 0.5, cell
        assert abs(cell.point_n - sum(r[2] for r in inside) / len(inside)) <= 0.5, cell
        if cell.size:
            tally = collections.Counter(r[0][:-3].strip() for r in inside)
            if set(tally) - one_spot:
                tally = {o: count for o, count in tally.items() if o not in one_spot}
            assert tally[cell.outcode] == max(tally.values()), cell


@whole_file
def test_every_english_postcode_with_an_authority_is_in_one_cell(members, postcodes):
    english = [r for r in postcodes if r[3] == "E92000001"]
    assert sum(len(inside) for inside in members.values()) == sum(1 for r in english if r[4])
    assert len(english) > 1_490_000
    assert sum(1 for r in english if not r[4]) == 205


@whole_file
def test_no_smaller_square_would_have_done(members):
    """A postcode that is in a larger cell has, at each smaller size, fewer than 20 companions that are in none."""
    crowd = collections.Counter()
    for cell, inside in members.items():
        for _, e, n, _, authority in inside:
            # A member of the rest's square that joined it is not inside that square: it was left at every size.
            joined = cell.size and not (cell.e <= e // 1000 < cell.e + cell.size and
                                        cell.n <= n // 1000 < cell.n + cell.size)
            for size in (1, 2, 4, 8, 16):
                if size < cell.size or cell.size == 0 or joined:
                    crowd[authority, size, e // 1000 // size, n // 1000 // size] += 1
    assert max(crowd.values()) < 20


@whole_file
def test_fewer_than_20_joined_and_only_where_there_is_no_whole_authority(members):
    joined = collections.Counter()
    for cell, inside in members.items():
        for _, e, n, _, authority in inside:
            if cell.size and not (cell.e <= e // 1000 < cell.e + cell.size and
                                  cell.n <= n // 1000 < cell.n + cell.size):
                assert cell.rest
                joined[authority] += 1
    assert joined and max(joined.values()) < 20
    assert not {c.authority for c in members if c.size == 0} & set(joined)


@whole_file
def test_the_box_of_an_authority_holds_all_its_postcodes(postcodes):
    """H10 is judged against it for homes in the cell of the rest."""
    box = {r[0]: tuple(int(x) for x in r[4:8]) for r in rows("authorities.csv")}
    for _, e, n, country, authority in postcodes:
        if country == "E92000001" and authority:
            west, south, east, north = box[authority]
            assert west * 1000 <= e < east * 1000 and south * 1000 <= n < north * 1000


@whole_file
@pytest.mark.parametrize("table, inward", [("sectors.csv", 1), ("outcodes.csv", 0)])
def test_sectors_and_outcodes_are_the_means_of_their_postcodes(postcodes, table, inward):
    groups = collections.defaultdict(list)
    for row in postcodes:
        outward = row[0][:-3].strip()
        groups[outward + " " + row[0][-3] if inward else outward].append(row)
    stated = {r[0]: r[1:] for r in rows(table)}
    english = set()
    for name, inside in groups.items():
        nations = collections.Counter(r[3] for r in inside)
        if nations["E92000001"] < max(nations.values()):
            continue
        english.add(name)
        e, n, authority, count, reach = stated[name]
        assert int(count) == len(inside)
        # The square of the mean; at its very edge rounding may go either way.
        assert -0.001 <= sum(r[1] for r in inside) / len(inside) / 1000 - int(e) <= 1.0
        assert -0.001 <= sum(r[2] for r in inside) / len(inside) / 1000 - int(n) <= 1.0
        # H10 is judged by it: no postcode lies farther, and one lies that far.
        middle = int(e) * 1000 + 500, int(n) * 1000 + 500
        farthest = max((r[1] - middle[0]) ** 2 + (r[2] - middle[1]) ** 2 for r in inside)
        assert farthest <= int(reach) ** 2 and (reach == "0" or farthest > (int(reach) - 1) ** 2)
        owners = collections.Counter(r[4] for r in inside if r[4] and r[3] == "E92000001")
        assert owners[authority] == max(owners.values())
    assert english == set(stated)
